//! Collects what is wrong with a file while it is resolved, each at its place in its source.
//!
//! Resolving never stops at an error: it notes it here and goes on with a harmless value, so that
//! a reader sees everything at once. Does not know what any key means.

use super::diagnostic::{Diagnostic, Severity};
use super::path::Path;
use super::tree::Tree;

/// What was found so far.
pub(super) struct Findings<'a> {
    tree: &'a Tree,
    found: Vec<Diagnostic>,
}

/// What is wrong with a word, said by whoever reads it; the place is added by whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: String,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { message: message.into(), label: label.into(), help: String::new() }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Something that this version of Highwater does not simulate yet.
    pub(super) fn later(what: impl Into<String>) -> Self {
        Self::new(what, "comes in a later version")
    }
}

impl<'a> Findings<'a> {
    pub(super) const fn new(tree: &'a Tree) -> Self {
        Self { tree, found: Vec::new() }
    }

    /// Everything found, each thing once: columns of versions find the same things.
    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        let mut once: Vec<Diagnostic> = Vec::new();
        for diagnostic in self.found {
            if !once.contains(&diagnostic) {
                once.push(diagnostic);
            }
        }
        once
    }

    /// How many errors were found so far.
    pub(super) fn errors(&self) -> usize {
        self.found.iter().filter(|d| d.severity == Severity::Error).count()
    }

    fn add(
        &mut self,
        severity: Severity,
        path: &Path,
        key: bool,
        message: &str,
    ) -> &mut Diagnostic {
        let shown = path.to_string();
        let message =
            if shown.is_empty() { message.to_owned() } else { format!("{shown}: {message}") };
        let mut diagnostic = self.tree.error(path, key, message);
        diagnostic.severity = severity;
        self.found.push(diagnostic);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// An error at a value.
    pub(super) fn error(&mut self, path: &Path, message: &str) -> &mut Diagnostic {
        self.add(Severity::Error, path, false, message)
    }

    /// An error at a key.
    pub(super) fn error_key(&mut self, path: &Path, message: &str) -> &mut Diagnostic {
        self.add(Severity::Error, path, true, message)
    }

    /// A warning at a key.
    pub(super) fn warn_key(&mut self, path: &Path, message: &str) -> &mut Diagnostic {
        self.add(Severity::Warning, path, true, message)
    }

    /// An error at a value, in somebody else's words.
    pub(super) fn wrong(&mut self, path: &Path, wrong: &Wrong) {
        let diagnostic = self.error(path, &wrong.message);
        diagnostic.label(wrong.label.clone());
        if !wrong.help.is_empty() {
            diagnostic.help(wrong.help.clone());
        }
    }

    /// The value, or nothing and an error.
    pub(super) fn take<T>(&mut self, path: &Path, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.wrong(path, &wrong)).ok()
    }

    /// Something at a key that this version of Highwater does not simulate yet.
    pub(super) fn later(&mut self, path: &Path, what: &str) -> &mut Diagnostic {
        self.error_key(path, what).label("comes in a later version")
    }

    /// The source of a place and its line there.
    pub(super) fn line(&self, path: &Path) -> (String, usize) {
        let place = self.tree.error(path, false, "");
        (place.source.name.clone(), place.line())
    }
}
