//! One source as read: its text, its values, and where in the text each value stands.
//!
//! JSON with comments and trailing commas, and nothing else of JSON5. The text is parsed once, by
//! `jsonc-parser`, whose tree has ranges; values and places are both taken from it, so they cannot
//! disagree. Does not know what a scenario is.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};
use serde_json::{Map, Number, Value};

use super::diagnostic::{Diagnostic, Diagnostics, Text};
use super::path::Seg;

/// A scenario is prose and a handful of tables; a schedule of a hundred thousand faults fits too.
const LARGEST: u64 = 16 * 1024 * 1024;

/// One parsed source.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Its text.
    pub(super) text: Arc<Text>,
    /// Where everything stands.
    pub(super) root: Arc<Node>,
}

/// Where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The value itself.
    pub(super) span: Range<usize>,
    /// What it contains.
    pub(super) below: Below,
}

/// Where the parts of a value stand.
#[derive(Clone, Debug)]
pub(super) enum Below {
    /// Keys of an object, with the place of the key.
    Members(Vec<(String, Range<usize>, Node)>),
    /// Elements of a list.
    Elements(Vec<Node>),
    /// It has no parts.
    Nothing,
}

impl Node {
    /// A value without parts.
    pub(super) const fn leaf(span: Range<usize>) -> Self {
        Self { span, below: Below::Nothing }
    }

    /// The place of what lies at `path`, or of the nearest thing above it; of its key if `key`.
    pub(super) fn locate(&self, path: &[Seg], key: bool) -> Range<usize> {
        let mut node = self;
        let mut span = self.span.clone();
        for (place, seg) in path.iter().enumerate() {
            match (seg, &node.below) {
                (Seg::Key(name), Below::Members(members)) => {
                    let Some((_, key_span, member)) = members.iter().find(|m| m.0 == *name) else {
                        return span;
                    };
                    node = member;
                    let last = place + 1 == path.len();
                    span = if key && last { key_span.clone() } else { member.span.clone() };
                }
                (Seg::Index(index), Below::Elements(elements)) => {
                    let Some(element) = elements.get(*index) else { return span };
                    node = element;
                    span = element.span.clone();
                }
                _ => return span,
            }
        }
        span
    }
}

/// Reads a file, but no more of it than a scenario can have.
///
/// # Errors
/// It is missing, a directory, too large, or not UTF-8.
pub(super) fn read(path: &FilePath) -> Result<String, Diagnostics> {
    let name = path.display().to_string();
    let nowhere = Arc::new(Text { name, text: String::new() });
    let fail = |message: String| Diagnostics::from(Diagnostic::error(&nowhere, message));
    if path.is_dir() {
        return Err(fail("this is a directory, not a scenario file".to_owned()));
    }
    let file = File::open(path).map_err(|error| {
        let mut diagnostic = Diagnostic::error(&nowhere, format!("cannot open it: {error}"));
        diagnostic.help(
            "an embedded scenario is named `preset:NAME`; `highwater list presets` names all",
        );
        Diagnostics::from(diagnostic)
    })?;
    let mut bytes = Vec::new();
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| fail(format!("cannot read it: {error}")))?;
    if bytes.len() as u64 > LARGEST {
        return Err(fail("larger than 16 MiB, the most that a scenario may have".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = error.as_bytes() {
            return fail("this is UTF-16: save it as UTF-8".to_owned());
        }
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let source = Arc::new(Text { name: nowhere.name.clone(), text });
        let mut diagnostic =
            Diagnostic::error(&source, "not UTF-8").at(start..start + '\u{fffd}'.len_utf8());
        diagnostic.label("this byte begins no character");
        Diagnostics::from(diagnostic)
    })
}

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// What is wrong with its syntax, or a key that stands twice in one object.
    pub(super) fn parse(name: &str, text: &str) -> Result<(Self, Value), Diagnostics> {
        // A byte order mark is no part of the text; editors on Windows like to write one.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = Arc::new(Text { name: name.to_owned(), text: text.to_owned() });
        let strict = ParseOptions {
            allow_comments: true,
            allow_trailing_commas: true,
            allow_loose_object_property_names: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        let parsed = parse_to_ast(&text.text, &CollectOptions::default(), &strict);
        let parsed = parsed.map_err(|error| {
            let range = error.range();
            let what = lower_first(&error.kind().to_string());
            let mut diagnostic =
                Diagnostic::error(&text, format!("not JSON: {what}")).at(range.start..range.end);
            diagnostic.label("here");
            Diagnostics::from(diagnostic)
        })?;
        let Some(root) = parsed.value else {
            let mut diagnostic = Diagnostic::error(&text, "there is nothing in it");
            diagnostic.help("start from one of those that `highwater list presets` names");
            return Err(diagnostic.into());
        };
        let mut reader = Reader { text: &text, errors: Vec::new() };
        let (node, value) = reader.node(&root);
        if !reader.errors.is_empty() {
            return Err(Diagnostics(reader.errors));
        }
        Ok((Self { text: Arc::clone(&text), root: Arc::new(node) }, value))
    }

    /// A source that is one line of the command line: `producer.acks=1`.
    pub(super) fn option(name: &str, text: &str) -> Self {
        let source = Arc::new(Text { name: name.to_owned(), text: text.to_owned() });
        Self { text: source, root: Arc::new(Node::leaf(0..text.len())) }
    }

    /// A place of a source that is known already, without its parts.
    pub(super) fn place(text: Arc<Text>, span: Range<usize>) -> Self {
        Self { text, root: Arc::new(Node::leaf(span)) }
    }
}

/// Turns the parser's tree into values and places.
struct Reader<'a> {
    text: &'a Arc<Text>,
    errors: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn node(&mut self, value: &ast::Value<'_>) -> (Node, Value) {
        match value {
            ast::Value::Object(object) => self.object(object),
            ast::Value::Array(array) => {
                let parts = array.elements.iter().map(|e| self.node(e));
                let (nodes, values): (Vec<Node>, Vec<Value>) = parts.unzip();
                let span = array.range.start..array.range.end;
                (Node { span, below: Below::Elements(nodes) }, Value::Array(values))
            }
            ast::Value::StringLit(text) => {
                let span = text.range.start..text.range.end;
                (Node::leaf(span), Value::String(text.value.to_string()))
            }
            ast::Value::NumberLit(number) => {
                let span = number.range.start..number.range.end;
                let value = number.value.parse::<Number>().unwrap_or_else(|_| {
                    let message = format!("not a number that can be read: `{}`", number.value);
                    let mut diagnostic = Diagnostic::error(self.text, message).at(span.clone());
                    diagnostic.label("too large, or not decimal");
                    self.errors.push(diagnostic);
                    Number::from(0)
                });
                (Node::leaf(span), Value::Number(value))
            }
            ast::Value::BooleanLit(boolean) => {
                let span = boolean.range.start..boolean.range.end;
                (Node::leaf(span), Value::Bool(boolean.value))
            }
            ast::Value::NullKeyword(null) => {
                (Node::leaf(null.range.start..null.range.end), Value::Null)
            }
        }
    }

    fn object(&mut self, object: &ast::Object<'_>) -> (Node, Value) {
        let mut members: Vec<(String, Range<usize>, Node)> = Vec::new();
        let mut map = Map::new();
        for property in &object.properties {
            let name = property.name.as_str().to_owned();
            let range = jsonc_parser::common::Ranged::range(&property.name);
            let key_span = range.start..range.end;
            let (node, value) = self.node(&property.value);
            if map.insert(name.clone(), value).is_some() {
                let message = format!("the key `{name}` stands twice in one object");
                let mut diagnostic = Diagnostic::error(self.text, message).at(key_span.clone());
                diagnostic.label("the second one");
                self.errors.push(diagnostic);
            }
            members.push((name, key_span, node));
        }
        let span = object.range.start..object.range.end;
        (Node { span, below: Below::Members(members) }, Value::Object(map))
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::path::at;
    use super::Document;

    #[test]
    fn comments_and_trailing_commas_are_read_and_places_are_exact() {
        let text = "// prose\n{ \"a\": [1, /* two */ { \"b\": \"x\" },], }\n";
        let (document, value) = Document::parse("t", text).expect("it is JSON with comments");
        assert_eq!(value.to_string(), r#"{"a":[1,{"b":"x"}]}"#);
        let path = at!["a", 1, "b"].0;
        assert_eq!(&text[document.root.locate(&path, false)], "\"x\"");
        assert_eq!(&text[document.root.locate(&path, true)], "\"b\"");
        let missing = at!["a", 1, "c"].0;
        assert_eq!(&text[document.root.locate(&missing, false)], "{ \"b\": \"x\" }");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let bad = [
            "",
            "// only prose",
            "{",
            "{} {}",
            "{a: 1}",
            "{'a': 1}",
            "[1 2]",
            "[0x1]",
            "[NaN]",
            "{\"a\": 1, \"a\": 2}",
            "[\"\\x41\"]",
        ];
        for text in bad {
            assert!(Document::parse("t", text).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(Document::parse("t", &deep).is_err());
    }
}
