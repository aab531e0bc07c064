//! The values of a scenario after `extends`, `set` and the options of the command line, with the
//! place each of them came from.
//!
//! Every source is laid over the one before; a layer remembers which part of the file it replaced,
//! so that a wrong value is shown where it was written: in the file, in the file it extends, in a
//! `.properties` file, or on the command line. Does not know what the values mean.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diagnostic::{Diagnostic, Text};
use super::document::Document;
use super::path::{Path, Seg};

/// Where the values of a layer stand.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// Below this path of the layer's document, part for part.
    Below(Path),
    /// All at one place: an option of the command line, a line of a `.properties` file.
    Place {
        /// Of the key.
        key: Range<usize>,
        /// Of the value.
        value: Range<usize>,
    },
}

#[derive(Clone, Debug)]
struct Layer {
    /// What it replaced.
    at: Path,
    document: usize,
    origin: Origin,
}

/// The values and their places.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    /// All values.
    pub(super) value: Value,
    documents: Vec<Document>,
    layers: Vec<Layer>,
}

impl Tree {
    /// A tree of one document.
    pub(super) fn new(document: Document, value: Value) -> Self {
        let ground =
            Layer { at: Path::default(), document: 0, origin: Origin::Below(Path::default()) };
        Self { value, documents: vec![document], layers: vec![ground] }
    }

    /// Adds a document that later layers come from.
    pub(super) fn add(&mut self, document: Document) -> usize {
        self.documents.push(document);
        self.documents.len() - 1
    }

    /// The place of what lies at `path`; of its key if `key`.
    pub(super) fn locate(&self, path: &Path, key: bool) -> (Arc<Text>, Range<usize>) {
        for layer in self.layers.iter().rev() {
            let Some(rest) = path.below(&layer.at) else { continue };
            let document = &self.documents[layer.document];
            let span = match &layer.origin {
                Origin::Below(top) => {
                    let whole: Vec<Seg> = top.0.iter().chain(rest).cloned().collect();
                    document.root.locate(&whole, key)
                }
                Origin::Place { key: place, .. } if key => place.clone(),
                Origin::Place { value, .. } => value.clone(),
            };
            return (Arc::clone(&document.text), span);
        }
        unreachable!("the ground layer covers every path")
    }

    /// The text of a document.
    pub(super) fn text(&self, document: usize) -> &Arc<Text> {
        &self.documents[document].text
    }

    /// Takes a table away, with no trace but its places.
    pub(super) fn take(&mut self, key: &str) {
        if let Some(object) = self.value.as_object_mut() {
            object.remove(key);
        }
    }

    /// How many times something was laid over something.
    pub(super) const fn layers(&self) -> usize {
        self.layers.len()
    }

    /// What was laid over since there were so many layers.
    pub(super) fn laid_since(&self, layers: usize) -> impl Iterator<Item = &Path> {
        self.layers[layers..].iter().map(|layer| &layer.at)
    }

    /// An error at a path.
    pub(super) fn error(&self, path: &Path, key: bool, message: impl Into<String>) -> Diagnostic {
        let (text, span) = self.locate(path, key);
        Diagnostic::error(&text, message).at(span)
    }

    /// Puts a value at a path, with the objects above it that do not exist yet.
    ///
    /// # Errors
    /// A sentence: the path runs through something that has no such part.
    pub(super) fn put(
        &mut self,
        path: &Path,
        value: Value,
        document: usize,
        origin: Origin,
    ) -> Result<(), String> {
        let (covers, slot) = descend(&mut self.value, path)?;
        *slot = value;
        let at = Path(path.0[..covers].to_vec());
        // What was made on the way down has no other place than the value it was made for.
        let origin = match origin {
            Origin::Below(top) if covers < path.0.len() => {
                let document = &self.documents[document];
                let key = document.root.locate(&top.0, true);
                Origin::Place { key, value: document.root.locate(&top.0, false) }
            }
            other => other,
        };
        self.layers.push(Layer { at, document, origin });
        Ok(())
    }

    /// Takes a key away, so that its default holds again.
    ///
    /// # Errors
    /// A sentence: it is no key of an object.
    pub(super) fn remove(&mut self, path: &Path) -> Result<(), String> {
        let Some((Seg::Key(last), above)) = path.0.split_last() else {
            return Err("only a key can be set to its default, not an element of a list".to_owned());
        };
        unset_key(&mut self.value, above, last);
        Ok(())
    }
}

/// Sets a value without a place: for a look at what would be there.
pub(super) fn set(root: &mut Value, path: &Path, value: Value) {
    if let Ok((_, slot)) = descend(root, path) {
        *slot = value;
    }
}

/// Takes a key away, likewise.
pub(super) fn unset(root: &mut Value, path: &Path) {
    if let Some((Seg::Key(last), above)) = path.0.split_last() {
        unset_key(root, above, last);
    }
}

fn unset_key(root: &mut Value, above: &[Seg], last: &str) {
    let mut node = root;
    for seg in above {
        let next = match seg {
            Seg::Key(key) => node.get_mut(key),
            Seg::Index(index) => node.get_mut(*index),
        };
        let Some(next) = next else { return };
        node = next;
    }
    if let Some(object) = node.as_object_mut() {
        object.remove(last);
    }
}

/// The slot at a path, made if it is missing, and how many steps of the path lead to the topmost
/// thing that was replaced or made.
fn descend<'a>(root: &'a mut Value, path: &Path) -> Result<(usize, &'a mut Value), String> {
    let mut covers = path.0.len();
    let mut node = root;
    for (depth, seg) in path.0.iter().enumerate() {
        let shown = Path(path.0[..depth].to_vec());
        node = match (seg, node) {
            (Seg::Key(key), Value::Object(object)) => {
                if !object.contains_key(key) {
                    covers = covers.min(depth + 1);
                    object.insert(key.clone(), Value::Object(Map::new()));
                }
                &mut object[key]
            }
            (Seg::Index(index), Value::Array(list)) => {
                let len = list.len();
                list.get_mut(*index).ok_or_else(|| format!("`{shown}` has {len} elements"))?
            }
            (Seg::Key(_), Value::Array(_)) => {
                return Err(format!("`{shown}` is a list: name an element, `{shown}[0]`"));
            }
            (Seg::Index(_), _) => return Err(format!("`{shown}` is not a list")),
            (Seg::Key(key), _) => return Err(format!("`{shown}` has no part `{key}`")),
        };
    }
    Ok((covers, node))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::document::Document;
    use super::super::path::at;
    use super::{Origin, Tree};

    fn tree(text: &str) -> Tree {
        let (document, value) = Document::parse("file", text).expect("it is JSON");
        Tree::new(document, value)
    }

    #[test]
    fn a_laid_over_value_is_found_where_it_was_written() {
        let mut tree = tree(r#"{ "topics": [{ "name": "t" }] }"#);
        let option = tree.add(Document::option("--set", "topic.x=7"));
        let path = at!["topics", 0, "config", "x"];
        let origin = Origin::Place { key: 0..7, value: 8..9 };
        tree.put(&path, json!(7), option, origin).expect("the list has this element");
        assert_eq!(tree.value, json!({ "topics": [{ "name": "t", "config": { "x": 7 } }] }));

        let (text, span) = tree.locate(&path, false);
        assert_eq!((text.name.as_str(), &text.text[span]), ("--set", "7"));
        let (text, span) = tree.locate(&at!["topics", 0, "config"], true);
        assert_eq!((text.name.as_str(), &text.text[span]), ("--set", "topic.x"));
        let (text, span) = tree.locate(&at!["topics", 0, "name"], false);
        assert_eq!((text.name.as_str(), &text.text[span]), ("file", "\"t\""));

        tree.remove(&path).expect("it is a key");
        assert_eq!(tree.value, json!({ "topics": [{ "name": "t", "config": {} }] }));
    }

    #[test]
    fn a_path_through_a_value_is_refused() {
        let mut tree = tree(r#"{ "topics": [], "run": 1 }"#);
        for path in [at!["topics", "a"], at!["topics", 0], at!["run", "x"], at!["run", 0]] {
            let origin = Origin::Place { key: 0..0, value: 0..0 };
            assert!(tree.put(&path, json!(1), 0, origin).is_err(), "{path}");
        }
    }
}
