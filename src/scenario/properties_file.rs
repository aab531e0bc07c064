//! `.properties` files as every Kafka user has them (`java.util.Properties.load`).
//!
//! Key and value are parted by `=`, `:` or white space; `#` and `!` begin a comment line; `\` at
//! the end of a line continues it, and `\t \n \r \f \uXXXX` are escapes. Does not know what the
//! properties mean.

use std::ops::Range;

/// One property and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Unescaped.
    pub(super) key: String,
    /// Unescaped.
    pub(super) value: String,
    /// Bytes of the key.
    pub(super) key_span: Range<usize>,
    /// Bytes of the value, over all its lines.
    pub(super) value_span: Range<usize>,
}

/// Reads all entries; of a key that stands twice the last one counts, as in Java.
///
/// # Errors
/// The place of an escape that is none.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Range<usize>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let start = at + leading_space(&text[at..]);
        let first = text[start..].chars().next();
        if matches!(first, Some('#' | '!')) {
            at = line_end(text, start);
            continue;
        }
        if matches!(first, None | Some('\n' | '\r')) {
            at = start + first.map_or(0, char::len_utf8);
            continue;
        }
        let end = logical_end(text, start);
        let entry = entry(text, start, end)?;
        entries.retain(|e| e.key != entry.key);
        entries.push(entry);
        at = end;
    }
    Ok(entries)
}

/// Bytes of spaces, tabs and form feeds at the start.
fn leading_space(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '\u{c}']).len()
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find(['\n', '\r']).map_or(text.len(), |n| from + n)
}

/// The end of the line, and of those that a backslash before its end adds to it.
fn logical_end(text: &str, start: usize) -> usize {
    let mut from = start;
    loop {
        let end = line_end(text, from);
        let slashes = text[start..end].bytes().rev().take_while(|&b| b == b'\\').count();
        if slashes % 2 == 0 || end == text.len() {
            return end;
        }
        let newline = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        from = end + newline;
    }
}

fn entry(text: &str, start: usize, end: usize) -> Result<Entry, Range<usize>> {
    let line = &text[start..end];
    let key_len = key_length(line);
    let mut rest = start + key_len + leading_space(&line[key_len..]);
    if text[rest..end].starts_with(['=', ':']) {
        rest += 1;
        rest += leading_space(&text[rest..end]);
    }
    let (key_span, value_span) = (start..start + key_len, rest..end);
    Ok(Entry {
        key: unescape(text, key_span.clone())?,
        value: unescape(text, value_span.clone())?.trim_end().to_owned(),
        key_span,
        value_span,
    })
}

/// Bytes before the first separator that no backslash escapes.
fn key_length(line: &str) -> usize {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' | ':' | ' ' | '\t' | '\u{c}' => return at,
            _ => {}
        }
    }
    line.len()
}

fn unescape(text: &str, span: Range<usize>) -> Result<String, Range<usize>> {
    let mut out = String::new();
    let mut chars = text[span.clone()].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some((_, escape)) = chars.next() else { break };
        match escape {
            't' => out.push('\t'),
            'n' => out.push('\n'),
            'f' => out.push('\u{c}'),
            'r' => out.push('\r'),
            '\n' | '\r' => {
                // A continued line: its newline and the next line's indentation are no part of it.
                while chars.next_if(|(_, c)| matches!(c, '\n' | ' ' | '\t' | '\u{c}')).is_some() {}
            }
            'u' => {
                let here = span.start + at;
                let digits = text.get(here + 2..here + 6);
                let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
                let Some(c) = code.and_then(char::from_u32) else {
                    return Err(here..(here + 2).min(span.end));
                };
                out.push(c);
                for _ in 0..4 {
                    chars.next();
                }
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let entries = parse(text).expect("it is a properties file");
        entries.into_iter().map(|e| (e.key, e.value)).collect()
    }

    #[test]
    fn every_form_is_read() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("acks=all\n", &[("acks", "all")]),
            ("acks: all", &[("acks", "all")]),
            ("acks all", &[("acks", "all")]),
            ("  acks =  all  \r\nretries=3", &[("acks", "all"), ("retries", "3")]),
            ("# a=1\n ! b=2\n\n\n", &[]),
            ("a=1,\\\n   2,\\\n   3\nb=4", &[("a", "1,2,3"), ("b", "4")]),
            ("a\\=b=c\\\\", &[("a=b", "c\\")]),
            ("k=\\u0041\\t.", &[("k", "A\t.")]),
            ("empty=\nnothing", &[("empty", ""), ("nothing", "")]),
            ("a=1\na=2", &[("a", "2")]),
            ("k=v # no comment", &[("k", "v # no comment")]),
            ("k=ends\\", &[("k", "ends")]),
        ];
        for (text, expected) in table {
            let expected: Vec<_> =
                expected.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
            assert_eq!(pairs(text), expected, "{text:?}");
        }
    }

    #[test]
    fn places_and_bad_escapes_are_told() {
        let text = "# c\nacks = 2\n";
        let entries = parse(text).expect("it is a properties file");
        assert_eq!(&text[entries[0].key_span.clone()], "acks");
        assert_eq!(&text[entries[0].value_span.clone()], "2");
        assert_eq!(parse("a=\\u00zz"), Err(2..4));
        assert_eq!(parse("a=\\ud800"), Err(2..4));
        assert_eq!(parse("a=\\u00"), Err(2..4));
    }
}
