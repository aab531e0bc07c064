//! What is wrong with a scenario, where, and what would help: collected, then rendered.
//!
//! A diagnostic carries its own copy of the place it speaks about (name and text of the source are
//! shared), so it can be kept and shown after the file is forgotten. Does not know how a place is
//! found: that is [`super::tree`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::base::text::wrap;

/// Diagnostics that would take more lines than this together are counted, not shown: the first ones
/// explain the others, and the last line must not scroll the first away.
const LINES: usize = 23;
/// Columns of a rendered message; longer lines of the source are clipped around the place.
const WIDTH: usize = 118;
/// Columns of the words around an excerpt: what stands before them is at most `  = warning: `.
const WORDS: usize = WIDTH - 12;
/// Most characters of a place that are marked; more would widen the excerpt.
const MARKED: usize = 60;
/// Longest message that is shown whole: a list of sixty names helps nobody.
const LONGEST: usize = 240;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing can be run.
    Error,
    /// It can be run, but something in the file does not do what its author may think.
    Warning,
}

/// Where a text came from: a file, a preset, an option of the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// As shown to the reader.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in one sentence that stands alone.
    pub message: String,
    /// Where the text came from.
    pub source: Arc<Text>,
    /// The place in that text, in bytes; nothing if it is about the whole.
    pub span: Option<Range<usize>>,
    /// What to write at the place.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub(super) fn error(source: &Arc<Text>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            source: Arc::clone(source),
            span: None,
            label: String::new(),
            help: None,
        }
    }

    /// At this place of its source.
    pub(super) fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// With these words at its place.
    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    /// With this advice.
    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        let help = help.into();
        debug_assert!(says_something(&help), "{}: help `{help}`", self.message);
        self.help = Some(help);
        self
    }

    /// The line of its place, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        let start = self.span.as_ref().map_or(0, |s| s.start).min(self.source.text.len());
        1 + self.source.text.as_bytes()[..start].iter().filter(|&&b| b == b'\n').count()
    }

    /// One message with its excerpt of the source, as `rustc` prints it. Words are broken into
    /// lines; a label too long to stand beside its place is said below it.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let beside = self.show(false, true);
        let fits = beside.lines().all(|line| line.chars().count() <= WIDTH);
        if fits && !color { beside } else { self.show(color, fits) }
    }

    fn show(&self, color: bool, label_beside: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let message = broken(&clip(&self.message));
        let mut group: Group<'_> = Group::with_title(level.primary_title(message));
        let label = (!self.label.is_empty()).then_some(self.label.as_str());
        match &self.span {
            Some(span) => {
                let text = &self.source.text;
                let primary = AnnotationKind::Primary
                    .span(one_line(text, span))
                    .label(label.filter(|_| label_beside));
                let snippet =
                    Snippet::source(text.as_str()).path(&self.source.name).annotation(primary);
                group = group.element(snippet);
            }
            None => group = group.element(annotate_snippets::Origin::path(&self.source.name)),
        }
        if let Some(label) = label.filter(|_| !label_beside) {
            group = group.element(Level::NOTE.message(broken(label)));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(broken(help)));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.term_width(WIDTH).render(&[group])
    }
}

/// Whether advice says anything: not when what it would list is empty.
fn says_something(help: &str) -> bool {
    !help.trim().is_empty() && !help.trim_end().ends_with(':')
}

/// Words in lines that fit a screen.
fn broken(words: &str) -> String {
    let mut lines = Vec::new();
    for line in wrap(words, WORDS) {
        // Only a word longer than a line is still too long: a name that somebody made up.
        let chars: Vec<char> = line.chars().collect();
        lines.extend(chars.chunks(WORDS).map(|part| part.iter().collect::<String>()));
    }
    lines.join("\n")
}

/// A message short enough to read.
fn clip(message: &str) -> String {
    if message.chars().count() <= LONGEST {
        return message.to_owned();
    }
    let kept: String = message.chars().take(LONGEST).collect();
    format!("{kept}…")
}

/// The part of a place on its first line, and of that no more than is needed to find it: an object
/// that fills a screen is shown by its brace.
fn one_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    if text[start..end].contains('\n') {
        let first = text[start..].chars().next().map_or(0, char::len_utf8);
        return start..start + first;
    }
    let marked = text[start..end].chars().take(MARKED).map(char::len_utf8).sum::<usize>();
    start..start + marked
}

/// All findings about one scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Errors first, then warnings, each in the order of the sources; as many as fit a screen, then
    /// a count. Advice that was just given is not given again.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let mut sorted: Vec<&Diagnostic> = self.0.iter().collect();
        sorted.sort_by_key(|d| {
            let start = d.span.as_ref().map_or(0, |s| s.start);
            (d.severity, d.source.name.clone(), start)
        });
        let mut out = String::new();
        let mut last: Option<&String> = None;
        for (shown, diagnostic) in sorted.iter().enumerate() {
            let mut one = (*diagnostic).clone();
            if one.help.is_some() && one.help.as_ref() == last {
                one.help = None;
            }
            let text = one.render(color);
            if shown > 0 && out.lines().count() + text.lines().count() > LINES {
                out.push_str(&format!("and {} more\n", sorted.len() - shown));
                break;
            }
            last = diagnostic.help.as_ref();
            out.push_str(text.trim_end());
            out.push('\n');
        }
        out
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

/// The name among `candidates` that was probably meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = word.chars().count();
    let allowed = (length / 3).max(1).min(length.saturating_sub(1));
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(word, c), c))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean …?" if something is near, and where all the names are.
pub(super) fn suggest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match nearest(word, candidates) {
        Some(near) if otherwise.is_empty() => format!("did you mean `{near}`?"),
        Some(near) => format!("did you mean `{near}`? {otherwise}"),
        None => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Diagnostic, Diagnostics, Text, nearest};

    #[test]
    fn a_long_line_is_clipped_and_many_are_counted() {
        let line = format!("{{ \"title\": \"{}\", \"oops\": 1 }}", "x".repeat(5_000));
        let span = line.find("\"oops\"").map(|at| at..at + 6).expect("it is there");
        let source = Arc::new(Text { name: "a.json".to_owned(), text: line });
        let one = Diagnostic::error(&source, "unknown key").at(span);
        let shown = one.render(false);
        assert!(shown.lines().all(|l| l.chars().count() <= 120), "{shown}");
        let many = Diagnostics(vec![one; 25]).render(false);
        assert!(many.contains("\nand ") && many.ends_with(" more\n"), "{many}");
        assert!(many.lines().count() <= super::LINES + 1, "{many}");
    }

    #[test]
    fn what_is_long_is_broken_into_lines_and_stands_below_its_place() {
        let source = Arc::new(Text { name: "a.json".to_owned(), text: "{ \"a\": 1 }".to_owned() });
        let mut one = Diagnostic::error(&source, "word ".repeat(40)).at(2..5);
        one.label("why ".repeat(40)).help(format!("{} {}", "do ".repeat(60), "x".repeat(300)));
        for shown in
            [one.render(false), anstream::adapter::strip_str(&one.render(true)).to_string()]
        {
            assert!(shown.lines().all(|l| l.chars().count() <= 120), "{shown}");
            assert!(shown.contains("= note: why why"), "{shown}");
            assert!(shown.contains("= help: do do"), "{shown}");
        }
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["network-loss", "network-delay", "crash"];
        assert_eq!(nearest("network-los", names), Some("network-loss"));
        assert_eq!(nearest("carsh", names), Some("crash"));
        assert_eq!(nearest("meteorite", names), None);
    }
}
