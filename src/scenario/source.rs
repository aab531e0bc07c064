//! From sources to one tree: reads a file or a preset, what it extends, and lays over it what
//! `set` and the options of the command line say.
//!
//! Does not know what the values mean; it only knows where `producer.X` and its like lie.

use std::path::{Path as FilePath, PathBuf};

use serde_json::{Value, json};

use super::diagnostic::{Diagnostic, Diagnostics, nearest, suggest};
use super::document::{self, Document};
use super::path::{Path, Seg, Typed, at, parse_typed};
use super::properties_file;
use super::tree::{Origin, Tree};
use super::{Overrides, Source, presets};

/// A chain of `extends` longer than this is a circle.
const LONGEST_CHAIN: usize = 8;
/// What may stand beside `extends`.
const BESIDE_EXTENDS: [&str; 9] =
    ["$schema", "version", "title", "lesson", "claims", "extends", "set", "vary", "expect"];

/// Reads a source, what it extends, and its `set`.
pub(super) fn read(source: &Source<'_>) -> Result<Tree, Diagnostics> {
    read_chain(source, 0)
}

fn read_chain(source: &Source<'_>, depth: usize) -> Result<Tree, Diagnostics> {
    let (document, value) = match source {
        Source::File(path) => Document::parse(&path.display().to_string(), &document::read(path)?)?,
        Source::Embedded { name, text } => Document::parse(&format!("preset:{name}"), text)?,
        Source::Text { name, text } => Document::parse(name, text)?,
    };
    let mut own = Tree::new(document.clone(), value);
    if !own.value.is_object() {
        return Err(own.error(&Path::default(), false, "a scenario is a JSON object").into());
    }
    let base = match own.value.get("extends") {
        None if own.value.get("set").is_some() => {
            let mut error = own.error(&at!["set"], true, "`set` without `extends`");
            error.help("write the values themselves; `set` is laid over an extended file");
            return Err(error.into());
        }
        None => {
            own.take("$schema");
            return Ok(own);
        }
        Some(Value::String(base)) => base.clone(),
        Some(_) => {
            let message = "`extends` is the path of a scenario file";
            return Err(own.error(&at!["extends"], false, message).into());
        }
    };
    if depth == LONGEST_CHAIN {
        return Err(own.error(&at!["extends"], false, "`extends` goes in a circle").into());
    }
    let base = open_base(source, &base, &own, depth)?;
    lay_over(base, &own, document)
}

/// Reads the file that another extends: beside it, or a preset by name.
fn open_base(
    source: &Source<'_>,
    base: &str,
    own: &Tree,
    depth: usize,
) -> Result<Tree, Diagnostics> {
    let fail = |message: String, help: &str| {
        let mut error = own.error(&at!["extends"], false, message);
        if !help.is_empty() {
            error.help(help);
        }
        Diagnostics::from(error)
    };
    let preset = match source {
        _ if base.starts_with("preset:") => base.strip_prefix("preset:").map(str::to_owned),
        Source::Embedded { name, .. } => Some(beside(name, base)),
        _ => None,
    };
    if let Some(name) = preset {
        let Some(text) = presets::find(&name) else {
            let near = nearest(&name, presets::names());
            let help = near.map(|n| format!("did you mean `preset:{n}`?")).unwrap_or_default();
            return Err(fail(format!("there is no preset `{name}`"), &help));
        };
        return read_chain(&Source::Embedded { name: &name, text }, depth + 1);
    }
    let Source::File(path) = source else {
        return Err(fail(
            "a text without a file can only extend a preset".to_owned(),
            "write `\"extends\": \"preset:NAME\"`",
        ));
    };
    let target = path.parent().unwrap_or(FilePath::new("")).join(base);
    if !target.is_file() {
        return Err(fail(
            format!("there is no file `{}`", target.display()),
            "the path is relative to the file that says it",
        ));
    }
    read_chain(&Source::File(&target), depth + 1)
}

/// The preset at a path relative to another: `canary/acks-1` and `../gate.json` give `gate`.
fn beside(name: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    joined.strip_suffix(".json").map(str::to_owned).unwrap_or(joined)
}

/// Lays a file over the one it extends.
fn lay_over(mut base: Tree, own: &Tree, document: Document) -> Result<Tree, Diagnostics> {
    let mut errors = Vec::new();
    let file = base.add(document);
    let empty = serde_json::Map::new();
    let keys = own.value.as_object().unwrap_or(&empty);
    if !keys.contains_key("title") {
        errors.push(own.error(&Path::default(), false, "missing field `title`"));
    }
    for (key, value) in keys {
        if !BESIDE_EXTENDS.contains(&key.as_str()) {
            let message = format!("`{key}` cannot stand beside `extends`");
            let mut error = own.error(&at![key], true, message);
            error.help("change single values of the extended file with `set`");
            errors.push(error);
        } else if !["$schema", "extends", "set"].contains(&key.as_str()) {
            let put = base.put(&at![key], value.clone(), file, Origin::Below(at![key]));
            if let Err(message) = put {
                errors.push(own.error(&at![key], true, message));
            }
        }
    }
    match keys.get("set") {
        None => {}
        Some(Value::Object(set)) => {
            for (path, value) in set {
                let origin = Origin::Below(at!["set", path]);
                let value = match value {
                    Value::String(text) => typed_value(text),
                    other => Ok(Some(other.clone())),
                };
                let result = value.and_then(|v| set_path(&mut base, path, v, file, &origin));
                if let Err(Wrong { message, help }) = result {
                    let mut error = own.error(&at!["set", path], true, message);
                    error.help = help;
                    errors.push(error);
                }
            }
        }
        Some(_) => errors.push(own.error(&at!["set"], false, "`set` maps paths to values")),
    }
    if errors.is_empty() { Ok(base) } else { Err(Diagnostics(errors)) }
}

/// A wrong path or value.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self { message, help: None }
    }
}

/// A value as typed: JSON where it is JSON, else a word; `default` is no value at all.
/// A number with a point is a word too: the only such values are versions, `4.1`.
fn typed_value(text: &str) -> Result<Option<Value>, Wrong> {
    if text == "default" {
        return Ok(None);
    }
    if text.starts_with(['{', '[', '"']) {
        let (_, value) = Document::parse("", text).map_err(|d| Wrong {
            message: d.0.first().map_or_else(String::new, |d| d.message.clone()),
            help: Some("a value that begins with `{`, `[` or `\"` is read as JSON".to_owned()),
        })?;
        return Ok(Some(value));
    }
    let value = match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => whole_number(text).unwrap_or_else(|| json!(text)),
    };
    Ok(Some(value))
}

/// A number, if the text is how it is written: `007` and `+7` are not.
fn whole_number(text: &str) -> Option<Value> {
    let same = |n: &dyn ToString| n.to_string() == text;
    let unsigned = text.parse::<u64>().ok().filter(|n| same(n)).map(|n| json!(n));
    unsigned.or_else(|| text.parse::<i64>().ok().filter(|n| same(n)).map(|n| json!(n)))
}

/// Lays the options of the command line over a tree; wrong ones are told all at once.
pub(super) fn lay_options(tree: &mut Tree, overrides: &Overrides) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    if let Some(versions) = &overrides.kafka {
        let text = versions.join(",");
        let option = tree.add(Document::option("--kafka", &text));
        let whole = Origin::Place { key: 0..text.len(), value: 0..text.len() };
        if let Err(message) = tree.put(&at!["cluster", "kafka"], json!(versions), option, whole) {
            errors.push(tree.error(&at!["cluster"], false, message));
        }
    }
    let files: [(&Option<PathBuf>, &str, &str); 4] = [
        (&overrides.broker_config, "cluster", "--broker-config"),
        (&overrides.topic_config, "topics", "--topic-config"),
        (&overrides.producer_config, "producers", "--producer-config"),
        (&overrides.consumer_config, "consumers", "--consumer-config"),
    ];
    for (file, section, option) in files {
        if let Some(file) = file
            && let Err(diagnostic) = lay_properties(tree, file, section, option)
        {
            errors.extend(diagnostic.0);
        }
    }
    for (path, value) in &overrides.set {
        let text = format!("{path}={value}");
        let document = Document::option("--set", &text);
        let source = document.text.clone();
        let option = tree.add(document);
        let origin = Origin::Place { key: 0..path.len(), value: path.len() + 1..text.len() };
        let result = typed_value(value).and_then(|v| set_path(tree, path, v, option, &origin));
        if let Err(Wrong { message, help }) = result {
            let mut error = Diagnostic::error(&source, message).at(0..path.len());
            error.help = help;
            errors.push(error);
        }
    }
    errors
}

/// Lays a `.properties` file over the `config` of everything in a section.
fn lay_properties(
    tree: &mut Tree,
    file: &FilePath,
    section: &str,
    option: &str,
) -> Result<(), Diagnostics> {
    let text = document::read(file)?;
    let document = Document::option(&file.display().to_string(), &text);
    let source = document.text.clone();
    if text.starts_with('\u{feff}') {
        let mut error = Diagnostic::error(&source, "begins with a byte order mark").at(0..3);
        error.label("Kafka takes it for a part of the first key");
        error.help("save the file as UTF-8 without BOM");
        return Err(error.into());
    }
    let entries = properties_file::parse(&text).map_err(|span| {
        let mut error = Diagnostic::error(&source, "an escape that is none").at(span);
        error.label("`\\u` is followed by the four hexadecimal digits of a character");
        Diagnostics::from(error)
    })?;
    let above: Vec<Path> = match section {
        "cluster" => vec![at!["cluster"]],
        list => elements(tree, list).map(|i| at![list, i]).collect(),
    };
    if above.is_empty() {
        let message = format!("{option}: the scenario has no {section}");
        return Err(Diagnostic::error(&source, message).into());
    }
    let document = tree.add(document);
    for entry in entries {
        for owner in &above {
            let path = at![owner; "config", &entry.key];
            let origin =
                Origin::Place { key: entry.key_span.clone(), value: entry.value_span.clone() };
            tree.put(&path, json!(entry.value), document, origin).map_err(|message| {
                Diagnostic::error(&source, message).at(entry.key_span.clone())
            })?;
        }
    }
    Ok(())
}

fn elements(tree: &Tree, list: &str) -> std::ops::Range<usize> {
    0..tree.value.get(list).and_then(Value::as_array).map_or(0, Vec::len)
}

/// Sets what a path as typed names, in every place that it names.
fn set_path(
    tree: &mut Tree,
    typed: &str,
    value: Option<Value>,
    document: usize,
    origin: &Origin,
) -> Result<(), Wrong> {
    for path in resolve(tree, typed)? {
        match &value {
            Some(value) => tree.put(&path, value.clone(), document, origin.clone())?,
            None => tree.remove(&path)?,
        }
    }
    Ok(())
}

/// Keys of an entry that a short path may name; anything else is a Kafka property.
const PRODUCER_KEYS: [&str; 8] =
    ["count", "topics", "rate", "records", "keys", "size", "on-failure", "kafka"];
const CONSUMER_KEYS: [&str; 7] =
    ["group", "members", "topics", "assign", "processing", "loop", "kafka"];
const TOPIC_KEYS: [&str; 3] = ["partitions", "replication-factor", "replicas"];

/// What a path may begin with: tables and lists of a file, but for what only names it, and `vary`.
const TOP_KEYS: [&str; 17] = [
    "version",
    "title",
    "lesson",
    "claims",
    "cluster",
    "topics",
    "producers",
    "consumers",
    "apps",
    "network",
    "disk",
    "clock",
    "faults",
    "script",
    "promise",
    "expect",
    "run",
];
/// What a short path may begin with.
const SHORT_KEYS: [&str; 6] = ["producer", "consumer", "topic", "broker", "feature", "rule"];

/// The places that a path as typed names.
pub(super) fn resolve(tree: &Tree, typed: &str) -> Result<Vec<Path>, Wrong> {
    let short = typed.split_once('.').filter(|(_, rest)| !rest.is_empty());
    let every = |list: &str, keys: &[&str], rest: &str| -> Result<Vec<Path>, Wrong> {
        let paths: Vec<Path> = elements(tree, list)
            .map(|i| {
                if keys.contains(&rest) { at![list, i, rest] } else { at![list, i, "config", rest] }
            })
            .collect();
        if paths.is_empty() {
            return Err(Wrong::from(format!("the scenario has no {list}")));
        }
        Ok(paths)
    };
    match short {
        Some(("producer", rest)) => every("producers", &PRODUCER_KEYS, rest),
        Some(("consumer", rest)) => every("consumers", &CONSUMER_KEYS, rest),
        Some(("topic", rest)) => every("topics", &TOPIC_KEYS, rest),
        Some(("broker", rest)) => Ok(vec![at!["cluster", "config", rest]]),
        Some(("feature", rest)) => Ok(vec![at!["cluster", "features", rest]]),
        Some(("rule", rest)) => Ok(vec![at!["cluster", "rules", rest]]),
        _ => resolve_long(tree, typed).map(|path| vec![path]),
    }
}

/// One path, step by step: a list's element by its name where it has one, else by its index.
fn resolve_long(tree: &Tree, typed: &str) -> Result<Path, Wrong> {
    let steps = parse_typed(typed)
        .map_err(|message| Wrong::from(format!("cannot read the path `{typed}`: {message}")))?;
    if let Some(Typed::Key(first) | Typed::Bracket(first)) = steps.first()
        && !TOP_KEYS.contains(&first.as_str())
    {
        let known = TOP_KEYS.into_iter().chain(SHORT_KEYS);
        let otherwise =
            format!("paths begin with {}, {}", TOP_KEYS.join(", "), SHORT_KEYS.join(", "));
        return Err(Wrong {
            message: format!("no path begins with `{first}`"),
            help: Some(suggest(first, known, &otherwise)),
        });
    }
    let mut path = Path::default();
    let mut node = Some(&tree.value);
    for step in steps {
        let seg = match (&step, node) {
            (Typed::Bracket(name), Some(Value::Array(list))) => {
                Seg::Index(element(list, name, &path)?)
            }
            (Typed::Bracket(_), None) if path.0.len() == 1 => {
                return Err(Wrong::from(format!("the scenario has no {path}")));
            }
            (Typed::Key(key), Some(Value::Array(_))) => {
                return Err(Wrong {
                    message: format!("`{path}` is a list"),
                    help: Some(format!("name an element of it: `{path}[NAME].{key}`")),
                });
            }
            (Typed::Key(key) | Typed::Bracket(key), _) => Seg::Key(key.clone()),
        };
        node = node.and_then(|n| match &seg {
            Seg::Key(key) => n.get(key),
            Seg::Index(index) => n.get(*index),
        });
        path.0.push(seg);
    }
    Ok(path)
}

fn element(list: &[Value], name: &str, path: &Path) -> Result<usize, Wrong> {
    let name_of = |v: &Value| -> Option<String> {
        let name = v.get("name").or_else(|| v.get("group"))?;
        name.as_str().map(str::to_owned)
    };
    if let Some(found) = list.iter().position(|v| name_of(v).as_deref() == Some(name)) {
        return Ok(found);
    }
    if let Some(index) = name.parse::<usize>().ok().filter(|&i| i < list.len()) {
        return Ok(index);
    }
    let names: Vec<String> = list.iter().filter_map(name_of).collect();
    let help = match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{path}[{near}]`?"),
        None if names.is_empty() => format!("it has {} elements, counted from 0", list.len()),
        None => format!("there are: {}", names.join(", ")),
    };
    Err(Wrong { message: format!("`{path}` has no element `{name}`"), help: Some(help) })
}
