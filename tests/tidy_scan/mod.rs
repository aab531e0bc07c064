//! Reads sources as text: blanks out what is no code, finds words, paths, functions and members.
//!
//! Just enough of Rust's lexing for `tidy.rs`. Does not know what is forbidden.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// A source file as it is looked at.
pub(crate) struct Source {
    /// Relative to the crate, with forward slashes.
    pub(crate) path: String,
    /// As it stands.
    pub(crate) text: String,
    /// The same length with comments, strings and characters blanked out.
    pub(crate) code: String,
    /// `code` with unit tests blanked out, which is all of it in a file of tests.
    pub(crate) live: String,
    /// Where the unit tests are.
    tests: Vec<Range<usize>>,
}

impl Source {
    fn new(path: String, text: String) -> Self {
        let code = blank_words(&text);
        let is_test =
            path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
        let tests = if is_test { std::iter::once(0..code.len()).collect() } else { tests(&code) };
        let live = without(&code, &tests);
        Self { path, text, code, live, tests }
    }

    /// `kafka/broker/isr` for `src/kafka/broker/isr.rs`.
    pub(crate) fn module(&self) -> &str {
        self.path.trim_start_matches("src/").trim_end_matches(".rs")
    }

    /// `kafka` for `src/kafka/broker/isr.rs`.
    pub(crate) fn room(&self) -> &str {
        self.module().split('/').next().unwrap_or_default()
    }

    /// Whether it is one of these modules or inside one.
    pub(crate) fn is_in(&self, modules: &[&str]) -> bool {
        modules.iter().any(|module| {
            let rest = self.module().strip_prefix(module);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// `file:line` of a byte of the text.
    pub(crate) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.text[..at].matches('\n').count() + 1)
    }

    /// Whether this byte belongs to a unit test.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// The body between the braces that follow `head`.
    pub(crate) fn body(&self, head: &str) -> &str {
        let at = words(&self.code, head).next();
        let at = at.unwrap_or_else(|| panic!("{}: no `{head}`", self.path));
        let open = at + self.code[at..].find('{').expect("a body");
        &self.code[open + 1..item_end(&self.code, open) - 1]
    }
}

/// Every source of the crate below these folders, by path.
pub(crate) fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        collect(root, &root.join(folder), &mut found);
    }
    assert!(!found.is_empty(), "no sources below {}", root.display());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).expect("a readable source");
            let name = path.strip_prefix(root).expect("a path below the root");
            found.push(Source::new(name.to_string_lossy().replace('\\', "/"), text));
        }
    }
}

fn blank(code: &str) -> String {
    code.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect()
}

/// Replaces what is no code by blanks, byte for byte, so that places stay what they are.
fn blank_words(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => find(bytes, at, b"*/") + 2,
            b'"' => string_end(bytes, at + 1),
            b'r' if is_raw_string(bytes, at) => raw_string_end(bytes, at),
            b'\'' => char_end(text, at),
            _ => at,
        };
        let end = end.min(bytes.len());
        if end > at {
            code.push_str(&blank(&text[at..end]));
            at = end;
        } else {
            // Code is ASCII here; anything else would be an identifier nobody looks for.
            code.push(if bytes[at].is_ascii() { char::from(bytes[at]) } else { ' ' });
            at += 1;
        }
    }
    code
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let place = bytes[from..].windows(what.len()).position(|w| w == what);
    place.map_or(bytes.len(), |p| from + p)
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn hashes(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().take_while(|b| **b == b'#').count()
}

fn is_raw_string(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|b| bytes[b]);
    let begins_word = before.is_none_or(|b| !is_word(b) || b == b'b');
    begins_word && bytes.get(at + 1 + hashes(bytes, at + 1)) == Some(&b'"')
}

fn raw_string_end(bytes: &[u8], at: usize) -> usize {
    let hashes = hashes(bytes, at + 1);
    let closing = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    find(bytes, at + 2 + hashes, &closing) + closing.len()
}

/// One past a character literal; `at` itself for a lifetime.
fn char_end(text: &str, at: usize) -> usize {
    let mut chars = text[at + 1..].chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(_)) => find(text.as_bytes(), at + 3, b"'") + 1,
        (Some(c), Some('\'')) => at + 2 + c.len_utf8(),
        _ => at,
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where the items under `#[cfg(test)]` are.
fn tests(code: &str) -> Vec<Range<usize>> {
    const MARK: &str = "#[cfg(test)]";
    code.match_indices(MARK).map(|(at, _)| at..item_end(code, at + MARK.len())).collect()
}

fn without(code: &str, ranges: &[Range<usize>]) -> String {
    let mut rest = code.to_owned();
    for range in ranges {
        rest.replace_range(range.clone(), &blank(&code[range.clone()]));
    }
    rest
}

/// One past the `;` or the closing brace that ends the item beginning here.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && byte == b'}' {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The places of a word or path in code, where it is not a part of a longer word.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    let open_ended = !word.bytes().next_back().is_some_and(is_word);
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let begins = at.checked_sub(1).is_none_or(|b| !is_word(bytes[b]));
        begins && (open_ended || bytes.get(at + word.len()).is_none_or(|b| !is_word(*b)))
    })
}

/// The word that begins here.
pub(crate) fn word_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    &rest[..rest.bytes().take_while(|b| is_word(*b)).count()]
}

/// The paths behind `crate::` and behind the crate's own name, with their places. Of an import
/// group each entry is a path.
pub(crate) fn named(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for root in ["crate::", "highwater::"] {
        for at in words(code, root) {
            let begin = at + root.len();
            if code[begin..].starts_with('{') {
                let group = &code[begin + 1..item_end(code, begin) - 1];
                paths.extend(entries(group).into_iter().map(|entry| (at, entry)));
            } else {
                let end = code[begin..].find([' ', '\n', '{', ';', '(', ')', ',', '>']);
                let end = end.map_or(code.len(), |end| begin + end);
                paths.push((at, code[begin..end].to_owned()));
            }
        }
    }
    paths
}

/// The entries of an import group, without what they group themselves.
fn entries(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut entries = vec![String::new()];
    for c in group.chars().filter(|c| !c.is_whitespace()) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => entries.push(String::new()),
            c if depth == 0 => entries.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// A function: its name, where it begins and where its body ends.
pub(crate) struct Function {
    /// Its bare name.
    pub(crate) name: String,
    /// The place of its `fn`.
    pub(crate) begin: usize,
    /// One past its body.
    pub(crate) end: usize,
}

/// Every function with a name, in the order in which they begin.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let named = words(code, "fn").filter(|at| code[*at..].starts_with("fn "));
    let all = named.map(|begin| Function {
        name: word_at(code, begin + 3).to_owned(),
        begin,
        end: item_end(code, begin),
    });
    all.filter(|function| !function.name.is_empty()).collect()
}

/// The names of the fields or variants in the body of a struct or enum.
pub(crate) fn members(body: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    for line in body.lines() {
        let name = word_at(line.trim().trim_start_matches("pub "), 0);
        if depth == 0 && !name.is_empty() {
            names.push(name.to_owned());
        }
        depth += line.matches(['{', '(']).count();
        depth -= line.matches(['}', ')']).count();
    }
    names
}

#[test]
fn the_scanner_tells_code_from_words() {
    let text = "let a = \"x // {\"; // } f64 ≤\nlet c = '{'; let d: &'a str = r#\"\"unsafe\"\"#; e";
    let code = blank_words(text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains(['{', '}']) && !code.contains("unsafe") && !code.contains("f64"));
    assert!(code.contains("let d: &'a str =") && code.ends_with('e'));
}

#[test]
fn the_scanner_finds_functions_outside_tests() {
    let code =
        "fn a() { b(); }\n#[cfg(test)]\nmod tests { fn t() {} }\nfn c(x: [u8; 2]) -> u8 { 0 }";
    let functions = functions(&without(code, &tests(code)));
    assert_eq!(functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn the_scanner_finds_paths_words_and_members() {
    let paths = named("use crate::{base::{ids, time}, sim};\nuse crate::kafka::log;");
    let paths: Vec<String> = paths.into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["base::", "sim", "kafka::log"]);
    assert_eq!(words("unsafe_code unsafe not_unsafe", "unsafe").collect::<Vec<_>>(), [12]);
    assert_eq!(words("todo!() todo", "todo!").collect::<Vec<_>>(), [0]);
    let body = "    A { x: u8 },\n    B {\n        c: u8,\n    },\n    pub d: u8,\n";
    assert_eq!(members(body), ["A", "B", "d"]);
}
