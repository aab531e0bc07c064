//! From values to the mirror types of a scenario file, with every structural error at its place.
//!
//! serde stops at its first error. If there is one, each table and each element of a list is read
//! again by itself, so that a file with five wrong keys is told about all five.

use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use serde_path_to_error::Segment;

use super::diagnostic::{Diagnostic, Diagnostics, nearest};
use super::file::ScenarioFile;
use super::path::{Path, Seg};
use super::tree::Tree;

/// Reads the whole file.
pub(super) fn file(tree: &Tree) -> Result<ScenarioFile, Diagnostics> {
    let first = match parse(&tree.value) {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    let mut errors = vec![first];
    if let Some(object) = tree.value.as_object() {
        for (key, value) in object {
            match value {
                Value::Array(list) => {
                    for (index, element) in list.iter().enumerate() {
                        errors.extend(alone(key, json!([element])).map(|e| e.moved(index)));
                    }
                }
                other => errors.extend(alone(key, other.clone())),
            }
        }
    }
    let mut once: Vec<Diagnostic> = Vec::new();
    for error in errors {
        let diagnostic = error.into_diagnostic(tree);
        if !once.contains(&diagnostic) {
            once.push(diagnostic);
        }
    }
    Err(Diagnostics(once))
}

/// What serde said, and where.
struct Wrong {
    path: Path,
    message: String,
}

fn parse(value: &Value) -> Result<ScenarioFile, Wrong> {
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
    ScenarioFile::deserialize(deserializer).map_err(|error| {
        let steps = track.path();
        let path = steps.iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Seg::Index(*index)),
            Segment::Map { key } => Some(Seg::Key(key.clone())),
            Segment::Enum { variant } => Some(Seg::Key(variant.clone())),
            Segment::Unknown => None,
        });
        Wrong { path: Path(path.collect()), message: plain(&error.to_string()) }
    })
}

/// serde's message in the words of JSON, not of Rust.
fn plain(message: &str) -> String {
    let mut plain = message.to_owned();
    // A number that does not fit is told how far it may go; what is no number, that it should be.
    let fits = |most: &str| match message.starts_with("invalid value") {
        true => format!("expected a whole number from 0 to {most}"),
        false => "expected a whole number".to_owned(),
    };
    let mosts = [
        ("u64", u64::MAX.to_string()),
        ("u32", u32::MAX.to_string()),
        ("u16", u16::MAX.to_string()),
        ("u8", u8::MAX.to_string()),
    ];
    for (rust, most) in mosts {
        plain = plain.replace(&format!("expected {rust}"), &fits(&most));
    }
    // In a file it is a key or a word, whatever a program calls it.
    plain =
        plain.replace("unknown field", "unknown key").replace("unknown variant", "unknown word");
    for (rust, json) in [("type: map", "type: object"), ("type: sequence", "type: list")] {
        plain = plain.replace(rust, json);
    }
    // What a table is called in the program is nothing to its user.
    if let Some((before, _)) = plain.split_once("expected struct ") {
        plain = format!("{before}expected an object");
    }
    // Of what has no keys there is no list of them, either.
    plain = plain.replace(", there are no fields", "");
    plain.replace("expected a sequence", "expected a list")
}

/// The error of one top-level value, read in an otherwise faultless file.
fn alone(key: &str, value: Value) -> Option<Wrong> {
    let mut file = Map::new();
    file.insert("version".to_owned(), json!(1));
    file.insert("title".to_owned(), json!(""));
    file.insert(key.to_owned(), value);
    parse(&Value::Object(file)).err()
}

impl Wrong {
    /// The first element of the list was in truth this one.
    fn moved(mut self, index: usize) -> Self {
        if let Some(seg @ Seg::Index(_)) = self.path.0.get_mut(1) {
            *seg = Seg::Index(index);
        }
        self
    }

    fn into_diagnostic(self, tree: &Tree) -> Diagnostic {
        let Self { mut path, message } = self;
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let unknown_field = message.starts_with("unknown key");
        let unknown_variant = message.starts_with("unknown word");
        let mut on_key = unknown_field;
        if unknown_variant {
            // serde points at what holds the variant; an externally tagged one is a key in it.
            let name = quoted.first().copied().unwrap_or_default();
            let last_is_name = path.0.last() == Some(&Seg::from(name));
            let inside = Path(path.0.iter().cloned().chain([Seg::from(name)]).collect());
            if !last_is_name && at(&tree.value, &inside).is_some() {
                path = inside;
                on_key = true;
            } else if last_is_name && at(&tree.value, &path).is_some() {
                on_key = true;
            } else if last_is_name {
                path.0.pop();
            }
        }
        let shown_path =
            if on_key { Path(path.0[..path.0.len() - 1].to_vec()) } else { path.clone() };
        let shown = shown_path.to_string();
        let shown = if shown.is_empty() { String::new() } else { format!("{shown}: ") };
        let short = message.split(", expected").next().unwrap_or(&message).to_owned();
        let listed = unknown_field || unknown_variant;
        let said = if listed { &short } else { &message };
        let mut diagnostic = tree.error(&path, on_key, format!("{shown}{said}"));
        if let (true, Some((name, names))) = (listed, quoted.split_first()) {
            diagnostic.label("not known here");
            match nearest(name, names.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None if names.is_empty() => diagnostic.help("it has no keys: write `{}`"),
                None => diagnostic.help(format!("expected one of: {}", names.join(", "))),
            };
        }
        diagnostic
    }
}

/// What lies at a path.
fn at<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.0.iter().try_fold(value, |value, seg| match seg {
        Seg::Key(key) => value.get(key),
        Seg::Index(index) => value.get(*index),
    })
}
