//! Where bytes go: stdout with or without colour, files written whole, exit codes.

use std::fs;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use crate::base::text::wrap;
use crate::report::Verdict;
use crate::repro::write_atomically;

/// Exit codes (experience.md §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Every expectation held and was exercised.
    Held = 0,
    /// Something was violated, or a `sometimes` was not found.
    Violated = 1,
    /// Bad usage, bad file, or refused before it ran.
    BadInput = 2,
    /// Nothing was violated, but something was never put to the test, or a run stopped early.
    Inconclusive = 3,
    /// A replay differs from what its file says.
    Differs = 4,
    /// A bug of the simulator.
    Internal = 70,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// What a verdict exits with; `allowed` is `--allow-inconclusive`.
    pub(crate) const fn of(verdict: Verdict, allowed: bool) -> Self {
        match verdict {
            Verdict::Pass => Self::Held,
            Verdict::Fail => Self::Violated,
            Verdict::Inconclusive if allowed => Self::Held,
            Verdict::Inconclusive => Self::Inconclusive,
        }
    }

    /// The more serious of two: internal error, bad input, mismatch, violation, interruption,
    /// inconclusive, held.
    pub(crate) fn worst(self, other: Self) -> Self {
        const ORDER: [Exit; 7] = [
            Exit::Held,
            Exit::Inconclusive,
            Exit::Interrupted,
            Exit::Violated,
            Exit::Differs,
            Exit::BadInput,
            Exit::Internal,
        ];
        let rank = |exit: Self| ORDER.iter().position(|e| *e == exit);
        if rank(self) >= rank(other) { self } else { other }
    }
}

/// Whether stdout takes colour: a terminal, unless `NO_COLOR` says otherwise.
pub(crate) fn stdout_color() -> bool {
    let choice = anstream::AutoStream::choice(&std::io::stdout());
    choice != anstream::ColorChoice::Never && std::io::stdout().is_terminal()
}

/// Whether stderr takes colour.
pub(crate) fn stderr_color() -> bool {
    let choice = anstream::AutoStream::choice(&std::io::stderr());
    choice != anstream::ColorChoice::Never && std::io::stderr().is_terminal()
}

/// Writes results to stdout. A closed pipe (`| head`) is no error; a full disk is one, and ends the
/// program: whoever reads half a report must not be told that all is well.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            complain(&format!("cannot write to stdout: {error}"));
            std::process::exit(Exit::BadInput as i32);
        }
    }
}

/// Columns of what is said on stderr, as in the diagnostics of a scenario.
const WIDTH: usize = 110;

/// An error in the form that clap and the diagnostics use.
pub(crate) fn complain(message: &str) {
    note("error", message);
}

/// Something to know, on stderr: `warning: …`, broken into lines under itself.
pub(crate) fn note(word: &str, message: &str) {
    let indent = " ".repeat(word.chars().count() + 2);
    let mut head = format!("{word}: ");
    for line in message.lines() {
        for part in wrap(line, WIDTH - indent.len()) {
            super::progress::say(&format!("{head}{part}"));
            head.clone_from(&indent);
        }
    }
}

/// Where `--out` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// One file, in the form its ending says.
    File(PathBuf, Form),
    /// Every form, in this folder.
    Folder(PathBuf),
}

/// The form of a written report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `.md`
    Markdown,
    /// `.json`
    Json,
    /// `.jsonl`
    Jsonl,
    /// `.txt`
    Text,
}

impl Form {
    /// Its file ending.
    pub(crate) const fn ending(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Text => "txt",
        }
    }
}

impl Out {
    /// What a path given to `--out` means, checked before anything runs.
    ///
    /// # Errors
    /// One message with a suggestion.
    pub(crate) fn parse(path: &Path) -> Result<Self, String> {
        let forms = [Form::Markdown, Form::Json, Form::Jsonl, Form::Text];
        let ending = path.extension().and_then(|e| e.to_str());
        if path.is_dir() || ending.is_none() {
            if path.is_file() {
                return Err(format!("--out {}: that is a file without an ending", path.display()));
            }
            return Ok(Self::Folder(path.to_owned()));
        }
        let form = forms.into_iter().find(|f| Some(f.ending()) == ending);
        form.map(|form| Self::File(path.to_owned(), form)).ok_or_else(|| {
            let known = "use .md, .json, .jsonl, .txt, or a folder";
            format!("--out {}: no report is written in that form: {known}", path.display())
        })
    }

    /// Whether it can be written, and holds `reports` reports, before an hour was spent on them.
    ///
    /// # Errors
    /// One message with a suggestion.
    pub(crate) fn check(&self, reports: usize) -> Result<(), String> {
        let (path, folder) = match self {
            Self::File(path, _) => (path, path.parent().unwrap_or(path)),
            Self::Folder(folder) => (folder, folder.as_path()),
        };
        let shown = path.display();
        if let (Self::File(..), true) = (self, reports > 1) {
            return Err(format!(
                "--out {shown}: {reports} reports do not fit one file: name a folder"
            ));
        }
        // What does not exist yet is made below the nearest folder that does.
        let mut above = folder.ancestors().filter(|a| !a.as_os_str().is_empty());
        let Some(found) = above.find(|a| a.exists()) else { return Ok(()) };
        match fs::metadata(found) {
            Ok(metadata) if !metadata.is_dir() => {
                Err(format!("--out {shown}: {} is not a folder", found.display()))
            }
            Ok(metadata) if metadata.permissions().readonly() => {
                Err(format!("--out {shown}: nothing can be written in {}", found.display()))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(format!("--out {shown}: {}: {error}", found.display())),
        }
    }

    /// Writes what it asks for of one scenario and column; `name` tells several apart.
    ///
    /// # Errors
    /// One message naming the file.
    pub(crate) fn write(&self, name: &str, text: impl Fn(Form) -> String) -> Result<(), String> {
        match self {
            Self::File(path, form) => write_atomically(path, text(*form).as_bytes()),
            Self::Folder(folder) => {
                for form in [Form::Markdown, Form::Json, Form::Jsonl, Form::Text] {
                    let file = format!("{}.{}", name.replace('/', "-"), form.ending());
                    write_atomically(&folder.join(file), text(form).as_bytes())?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Form, Out};
    use crate::report::Verdict;
    use std::path::Path;

    #[test]
    fn a_verdict_exits_as_the_readme_says() {
        for (verdict, strict, allowed) in
            [(Verdict::Pass, 0, 0), (Verdict::Fail, 1, 1), (Verdict::Inconclusive, 3, 0)]
        {
            let code = |allowed| Exit::of(verdict, allowed) as u8;
            assert_eq!((code(false), code(true)), (strict, allowed), "{verdict:?}");
        }
    }

    #[test]
    fn a_violation_outranks_inconclusive_and_an_internal_error_outranks_both() {
        assert_eq!(Exit::Violated.worst(Exit::Inconclusive), Exit::Violated);
        assert_eq!(Exit::Held.worst(Exit::Inconclusive), Exit::Inconclusive);
        assert_eq!(Exit::Internal.worst(Exit::Violated), Exit::Internal);
    }

    #[test]
    fn an_ending_says_the_form() {
        let file = Out::parse(Path::new("a/b.md"));
        assert_eq!(file, Ok(Out::File("a/b.md".into(), Form::Markdown)));
        assert_eq!(Out::parse(Path::new("out")), Ok(Out::Folder("out".into())));
        assert!(Out::parse(Path::new("x.html")).is_err());
        assert!(file.is_ok_and(|f| f.check(1).is_ok() && f.check(2).is_err()));
    }
}
