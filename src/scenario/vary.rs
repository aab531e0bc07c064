//! `vary`: a swarm over configurations. Each seed draws a value for every path that is named here,
//! and what it drew is laid over the file as `set` would lay it.
//!
//! Every path has a stream of luck of its own, so that nothing else of a run moves by a draw, and
//! no draw by another path. Combinations outside of the promise, or that Kafka refuses, are drawn
//! again (`rules`). Does not know what a value means: a drawn file is resolved as any file is.

mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use crate::base::rng::Rng;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::document::Document;
use super::file::VaryEntry;
use super::path::{Path, Seg, at};
use super::source::{self, Wrong};
use super::tree::{self, Origin, Tree};

/// A path with more values would have some that no sweep ever takes.
const MOST_VALUES: u64 = 1_000;
/// So often combinations are drawn until one keeps all rules.
const ATTEMPTS: u32 = 2_000;
/// What belongs to the file as a whole, not to a run of it.
const FIXED: [&str; 6] = ["version", "title", "lesson", "claims", "expect", "vary"];

/// What a seed has drawn for one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The path, as the file names it.
    pub path: String,
    /// Which of its values, counted from 0.
    pub index: u64,
    /// The value, as `--set` would be told it.
    pub value: String,
}

/// The values of a path.
#[derive(Clone, Debug)]
enum Values {
    OneOf(Vec<Value>),
    Range { from: u64, step: u64, count: u64 },
}

impl Values {
    fn count(&self) -> u64 {
        match self {
            Self::OneOf(values) => values.len() as u64,
            Self::Range { count, .. } => *count,
        }
    }

    fn value(&self, index: u64) -> Value {
        match self {
            Self::OneOf(values) => values[index as usize].clone(),
            Self::Range { from, step, .. } => Value::from(from + step * index),
        }
    }

    /// Which values are tried before anything runs: all of a list, five of a range.
    fn tried(&self) -> Vec<u64> {
        let last = self.count() - 1;
        match self {
            Self::OneOf(_) => (0..=last).collect(),
            Self::Range { .. } => {
                let mut tried: Vec<u64> = (0..5).map(|part| last * part / 4).collect();
                tried.dedup();
                tried
            }
        }
    }
}

/// One path that is varied.
#[derive(Clone, Debug)]
struct Varied {
    /// As written.
    name: String,
    /// The places that it names.
    places: Vec<Path>,
    values: Values,
}

/// All that is varied, and the file that it is laid over.
#[derive(Clone, Debug)]
pub(super) struct Vary {
    tree: Tree,
    /// Where the values of `vary` are written.
    document: usize,
    paths: Vec<Varied>,
    /// By path, the place of each value of a list, or the one of its range.
    spans: Vec<Vec<Range<usize>>>,
}

impl Vary {
    /// Takes `vary` out of a tree. What is `fixed` by the command line is not varied.
    pub(super) fn take(
        tree: &mut Tree,
        entries: &BTreeMap<String, VaryEntry>,
        fixed: &[Path],
    ) -> Result<Option<Self>, Diagnostics> {
        if entries.is_empty() {
            tree.take("vary");
            return Ok(None);
        }
        let (mut errors, mut paths, mut spans) = (Vec::new(), Vec::new(), Vec::new());
        let mut named: Vec<(Path, &str)> = Vec::new();
        for (name, entry) in entries {
            match read(tree, name, entry) {
                Ok(mut varied) => {
                    for place in &varied.places {
                        if let Some((_, other)) = named.iter().find(|(p, _)| overlap(p, place)) {
                            let message = format!("vary: `{name}` and `{other}` name one place");
                            errors.push(tree.error(&at!["vary", name], true, message));
                        }
                    }
                    named.extend(varied.places.iter().map(|p| (p.clone(), name.as_str())));
                    varied.places.retain(|place| !fixed.iter().any(|f| overlap(f, place)));
                    if !varied.places.is_empty() {
                        spans.push(places_of(tree, &varied));
                        paths.push(varied);
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(Diagnostics(errors));
        }
        let (text, span) = tree.locate(&at!["vary"], false);
        let document = tree.add(Document::place(text, span));
        tree.take("vary");
        Ok(Some(Self { tree: tree.clone(), document, paths, spans }))
    }

    /// The paths that are varied, and how many values each has.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, u64)> {
        self.paths.iter().map(|varied| (varied.name.as_str(), varied.values.count()))
    }

    /// What a seed draws.
    pub(super) fn draw(&self, seed: u64) -> Result<Vec<u64>, Diagnostics> {
        self.draw_with(seed, None).map_err(|rule| self.never(&at!["vary"], 0..0, rule).into())
    }

    fn draw_with(&self, seed: u64, forced: Option<(usize, u64)>) -> Result<Vec<u64>, &'static str> {
        let mut streams: Vec<Rng> = self
            .paths
            .iter()
            .map(|varied| Rng::named(seed, &format!("vary {}", varied.name)))
            .collect();
        let mut broken = "";
        for _ in 0..ATTEMPTS {
            let all = self.paths.iter().zip(&mut streams);
            let mut indices: Vec<u64> =
                all.map(|(varied, stream)| stream.below(varied.values.count())).collect();
            if let Some((place, index)) = forced {
                indices[place] = index;
            }
            match rules::broken(&self.values(&indices)) {
                None => return Ok(indices),
                Some(rule) => broken = rule,
            }
        }
        Err(broken)
    }

    /// All values of the file with these draws.
    fn values(&self, indices: &[u64]) -> Value {
        let mut value = self.tree.value.clone();
        for (varied, index) in self.paths.iter().zip(indices) {
            for place in &varied.places {
                match drawn(varied.values.value(*index)) {
                    Some(drawn) => tree::set(&mut value, place, drawn),
                    None => tree::unset(&mut value, place),
                }
            }
        }
        value
    }

    /// The file with these draws, each error of which is told at the value in `vary`.
    pub(super) fn tree(&self, indices: &[u64]) -> Tree {
        let mut tree = self.tree.clone();
        for ((varied, index), spans) in self.paths.iter().zip(indices).zip(&self.spans) {
            let span = spans.get(*index as usize).unwrap_or(&spans[0]);
            let origin = Origin::Place { key: span.clone(), value: span.clone() };
            for place in &varied.places {
                // A path was found right when `vary` was read, and a draw moves no list.
                let _ = match drawn(varied.values.value(*index)) {
                    Some(value) => tree.put(place, value, self.document, origin.clone()),
                    None => tree.remove(place),
                };
            }
        }
        tree
    }

    /// The draws in words.
    pub(super) fn told(&self, indices: &[u64]) -> Vec<Draw> {
        let all = self.paths.iter().zip(indices);
        all.map(|(varied, index)| {
            let value = match varied.values.value(*index) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Draw { path: varied.name.clone(), index: *index, value }
        })
        .collect()
    }

    /// Tries values before anything runs, each in a combination that the rules allow: `load` is
    /// given the file of each.
    pub(super) fn try_values(
        &self,
        mut load: impl FnMut(&Tree) -> Result<(), Diagnostics>,
    ) -> Result<(), Diagnostics> {
        let mut errors: Vec<Diagnostic> = Vec::new();
        let mut open: Vec<Vec<u64>> = self.paths.iter().map(|p| p.values.tried()).collect();
        let mut seed = 0;
        while let Some(place) = open.iter().position(|left| !left.is_empty()) {
            let index = open[place][0];
            seed += 1;
            match self.draw_with(seed, Some((place, index))) {
                Err(rule) => {
                    let spans = &self.spans[place];
                    let span = spans.get(index as usize).unwrap_or(&spans[0]).clone();
                    errors.push(self.never(&at!["vary", &self.paths[place].name], span, rule));
                    open[place].remove(0);
                }
                Ok(indices) => {
                    for (left, index) in open.iter_mut().zip(&indices) {
                        left.retain(|other| other != index);
                    }
                    if let Err(found) = load(&self.tree(&indices)) {
                        errors.extend(found.0);
                    }
                }
            }
        }
        let mut once: Vec<Diagnostic> = Vec::new();
        for error in errors {
            if !once.contains(&error) {
                once.push(error);
            }
        }
        if once.is_empty() { Ok(()) } else { Err(Diagnostics(once)) }
    }

    /// The rules leave nothing over.
    fn never(&self, path: &Path, span: Range<usize>, rule: &str) -> Diagnostic {
        let text = self.tree.text(self.document);
        let mut error = Diagnostic::error(text, format!("{path}: no draw keeps the rules"));
        error = error.at(span);
        error.label("with this value").help(format!("whatever else is drawn, {rule} is broken"));
        error
    }
}

/// A value that is laid over: `default` takes the key away.
fn drawn(value: Value) -> Option<Value> {
    (value != "default").then_some(value)
}

/// Whether one of two places is the other, or lies in it.
fn overlap(one: &Path, other: &Path) -> bool {
    one.below(other).is_some() || other.below(one).is_some()
}

fn places_of(tree: &Tree, varied: &Varied) -> Vec<Range<usize>> {
    let place = |path: &Path| tree.locate(path, false).1;
    let entry = at!["vary", &varied.name];
    match &varied.values {
        Values::OneOf(values) => {
            (0..values.len()).map(|n| place(&at![entry; "one-of", n])).collect()
        }
        Values::Range { .. } => vec![place(&entry)],
    }
}

/// What a line of `vary` is.
const SHAPE: (&str, &str) =
    ("values are a list or a range", "`one-of` with a list, or `from` and `to`");

/// Refuses lines of `vary` that are no tables, in words of their own: serde would take a bare list
/// for a table without keys.
pub(super) fn check_shape(tree: &Tree) -> Result<(), Diagnostics> {
    let lines = tree.value.get("vary").and_then(Value::as_object).into_iter().flatten();
    let wrong = lines.filter(|(_, line)| !line.is_object()).map(|(name, _)| {
        let path = at!["vary", name];
        let mut error = tree.error(&path, false, format!("{path}: {}", SHAPE.0));
        error.label(SHAPE.1);
        error
    });
    let wrong: Vec<Diagnostic> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(Diagnostics(wrong)) }
}

/// Reads a line of `vary`.
fn read(tree: &Tree, name: &str, entry: &VaryEntry) -> Result<Varied, Diagnostic> {
    let at = at!["vary", name];
    let places = source::resolve(tree, name).map_err(|Wrong { message, help }| {
        let mut error = tree.error(&at, true, format!("vary: {message}"));
        error.help = help;
        error
    })?;
    let whole = |place: &Path| {
        let top = matches!(&place.0[0], Seg::Key(key) if FIXED.contains(&key.as_str()));
        top || [at!["cluster", "kafka"], at!["run", "seeds"]].iter().any(|f| overlap(f, place))
    };
    if places.iter().any(whole) {
        let mut error = tree.error(&at, true, format!("vary: `{name}` cannot be varied"));
        error.label("it belongs to the file, not to a run of it");
        return Err(error);
    }
    let wrong = |path: &Path, message: &str, label: &str| {
        let mut error = tree.error(path, false, format!("{path}: {message}"));
        error.label(label.to_owned());
        error
    };
    let values = match (&entry.one_of, entry.from, entry.to) {
        (Some(values), None, None) if entry.step.is_none() => {
            for (n, value) in values.iter().enumerate() {
                if values[..n].contains(value) {
                    let again = at![at; "one-of", n];
                    return Err(wrong(&again, "this value is already there", "the second one"));
                }
            }
            Values::OneOf(values.clone())
        }
        (None, Some(from), Some(to)) => {
            let step = entry.step.unwrap_or(1);
            if step == 0 || from > to || (to - from) % step != 0 {
                let label = "`from` is not above `to`, and so many whole steps lead there";
                return Err(wrong(&at, "an empty or uneven range", label));
            }
            Values::Range { from, step, count: (to - from) / step + 1 }
        }
        _ => return Err(wrong(&at, SHAPE.0, SHAPE.1)),
    };
    match values.count() {
        0 => Err(wrong(&at, "there is no value", "at least one")),
        count if count > MOST_VALUES => {
            let label = format!("{count} values, at most {MOST_VALUES}: give a larger `step`");
            Err(wrong(&at, "more values than a sweep takes", &label))
        }
        _ => Ok(Varied { name: name.to_owned(), places, values }),
    }
}
