//! Resolves `expect`: which property, which bound, which column.
//!
//! Names are those of the registries of `check`; how a line is judged is not known here.

use crate::base::time::Span;
use crate::check::metrics::{METRICS, Unit};
use crate::check::properties::{PROPERTIES, PropertyKind};

use super::diagnostic::suggest;
use super::file::{ExpectEntry, ScenarioFile};
use super::findings::Findings;
use super::path::{Path, at};
use super::words::Scalar;

/// One line of `expect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectLine {
    /// What is expected.
    pub expectation: Expectation,
    /// Of this column only.
    pub kafka: Option<String>,
    /// Its line in its source, counted from 1.
    pub line: usize,
    /// The source it stands in: an extending file may have it from its base.
    pub source: String,
}

/// What is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// No run shows it.
    Never {
        /// A data guarantee or a mark.
        property: String,
    },
    /// Every run shows it.
    Always {
        /// A data guarantee or a mark.
        property: String,
    },
    /// At least one run shows it.
    Sometimes {
        /// A data guarantee or a mark.
        property: String,
    },
    /// After the heal it comes true in time.
    Liveness {
        /// A liveness property.
        property: String,
        /// In this time; `run.settle` if not said.
        within: Option<Span>,
    },
    /// The metric of every run is at most this.
    AtMost {
        /// A metric.
        metric: String,
        /// The bound.
        bound: Bound,
    },
    /// The metric of every run is at least this.
    AtLeast {
        /// A metric.
        metric: String,
        /// The bound.
        bound: Bound,
    },
}

/// A bound of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A length of time.
    Span(Span),
    /// A share, in parts per million.
    Percent(u32),
    /// A number of things.
    Count(u64),
}

/// The expectations of a file.
pub(super) fn resolve(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    versions: &[String],
) -> Vec<ExpectLine> {
    let mut lines = Vec::new();
    for (place, entry) in file.expect.iter().enumerate() {
        let path = at!["expect", place];
        let Some(expectation) = expectation(found, &path, entry, file) else { continue };
        if let Some(kafka) = entry.kafka.as_ref().filter(|k| !versions.contains(k)) {
            let help = format!("columns are: {}", versions.join(", "));
            found
                .error(&at![path; "kafka"], "no such column")
                .label(format!("`cluster.kafka` has no {kafka}"))
                .help(help);
        }
        let (source, line) = found.line(&path);
        lines.push(ExpectLine { expectation, kafka: entry.kafka.clone(), line, source });
    }
    lines
}

fn expectation(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &ExpectEntry,
    file: &ScenarioFile,
) -> Option<Expectation> {
    let said: Vec<&str> = [
        ("never", entry.never.is_some()),
        ("always", entry.always.is_some()),
        ("sometimes", entry.sometimes.is_some()),
        ("liveness", entry.liveness.is_some()),
        ("at-most", entry.at_most.is_some()),
        ("at-least", entry.at_least.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, said)| said.then_some(key))
    .collect();
    let &[key] = said.as_slice() else {
        let all = "`never`, `always`, `sometimes`, `liveness`, `at-most`, `at-least`";
        found.error(path, &format!("an expectation has exactly one of {all}"));
        return None;
    };
    if entry.within.is_some() && key != "liveness" {
        found.error_key(&at![path; "within"], &format!("`within` means nothing beside `{key}`"));
    }
    let path = at![path; key];
    match (&entry.never, &entry.always, &entry.sometimes) {
        (Some(name), ..) => {
            return Some(Expectation::Never { property: safety(found, &path, name)? });
        }
        (_, Some(name), _) => {
            return Some(Expectation::Always { property: safety(found, &path, name)? });
        }
        (.., Some(name)) => {
            return Some(Expectation::Sometimes { property: safety(found, &path, name)? });
        }
        _ => {}
    }
    if let Some(name) = &entry.liveness {
        if file.run.heal == Some(false) {
            found
                .error(&path, "nothing is healed, so nothing need come true")
                .label("`run.heal` is false");
        }
        let property = named(found, &path, name, true)?;
        let within = entry.within.map(|d| d.0);
        return Some(Expectation::Liveness { property, within });
    }
    let table = entry.at_most.as_ref().or(entry.at_least.as_ref())?;
    if table.len() != 1 {
        found.error(&path, "one metric a line").help("write `{ \"write-gap\": \"25s\" }`");
        return None;
    }
    let (metric, text) = table.first_key_value()?;
    let path = at![path; metric];
    let bound = bound(found, &path, metric, text)?;
    let metric = metric.clone();
    Some(match entry.at_most {
        Some(_) => Expectation::AtMost { metric, bound },
        None => Expectation::AtLeast { metric, bound },
    })
}

/// A data guarantee or a mark.
fn safety(found: &mut Findings<'_>, path: &Path, name: &str) -> Option<String> {
    if names(true).any(|n| n == name) {
        found
            .error(path, &format!("`{name}` is a liveness property"))
            .label("it must come true, not stay away")
            .help(format!("write `{{ \"liveness\": \"{name}\", \"within\": \"15s\" }}`"));
        return None;
    }
    named(found, path, name, false)
}

/// Names of liveness properties, or of all others.
fn names(liveness: bool) -> impl Iterator<Item = &'static str> {
    PROPERTIES
        .iter()
        .filter(move |p| (p.kind == PropertyKind::Liveness) == liveness)
        .map(|p| p.name)
}

fn named(found: &mut Findings<'_>, path: &Path, name: &str, liveness: bool) -> Option<String> {
    if names(liveness).any(|n| n == name) {
        return Some(name.to_owned());
    }
    let what = if liveness { "liveness property" } else { "property" };
    let help = suggest(
        name,
        names(liveness),
        "`highwater list invariants` and `highwater list marks` name all",
    );
    found.error(path, &format!("unknown {what} `{name}`")).help(help);
    None
}

fn bound(found: &mut Findings<'_>, path: &Path, metric: &str, text: &Scalar) -> Option<Bound> {
    let Some(known) = METRICS.iter().find(|m| m.name == metric) else {
        let help =
            suggest(metric, METRICS.iter().map(|m| m.name), "`highwater list metrics` names all");
        found.error_key(path, &format!("unknown metric `{metric}`")).help(help);
        return None;
    };
    let text = &text.0;
    let (bound, example) = match known.unit {
        Unit::Span => (Span::parse(text).ok().map(Bound::Span), "a duration like \"25s\""),
        Unit::Permille => (percent(text), "a percentage like \"90%\" or \"99.5%\""),
        Unit::Count => (text.parse().ok().map(Bound::Count), "a whole number"),
    };
    if bound.is_none() {
        let message = format!("`{text}` is no bound of `{metric}`");
        found.error(path, &message).label(format!("expected {example}"));
    }
    bound
}

/// `90%`, `99.5%`: metrics are measured in thousandths, so a finer bound would not be kept.
fn percent(text: &str) -> Option<Bound> {
    let number = text.strip_suffix('%')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() > 1 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u32 = whole.parse().ok().filter(|w| *w <= 100)?;
    let tenths: u32 = format!("0{part}").parse().ok()?;
    let ppm = whole * 10_000 + tenths * 1_000;
    (ppm <= 1_000_000).then_some(Bound::Percent(ppm))
}

#[cfg(test)]
mod tests {
    use super::{Bound, percent};

    #[test]
    fn percentages_are_exact() {
        assert_eq!(percent("90%"), Some(Bound::Percent(900_000)));
        assert_eq!(percent("99.5%"), Some(Bound::Percent(995_000)));
        assert_eq!(percent("100%"), Some(Bound::Percent(1_000_000)));
        for bad in ["90", "%", "101%", "100.1%", "-1%", "99.95%", "a%", ".5%"] {
            assert_eq!(percent(bad), None, "{bad}");
        }
    }
}
