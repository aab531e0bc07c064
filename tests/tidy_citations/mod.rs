//! The methods of Kafka that our functions follow, from the sources into `docs/fidelity.md`.
//!
//! A doc comment names each in a line of its own, `Kafka: Class.method`, so that the list can be
//! made from the sources and a reader of Kafka can grep. `UPDATE=1 cargo test --test tidy` writes
//! the list anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::tidy_scan::{Source, sources, word_at};

/// What a line with a citation begins with, behind `///` or `//!`.
const HEAD: &str = "Kafka: ";
const BEGIN: &str = "<!-- citations: written by tests/tidy_citations, do not edit -->\n";
const END: &str = "<!-- end of the citations -->\n";

/// The text of a line of documentation.
fn documentation(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    Some(text.trim())
}

/// `Class.method`, each an identifier of Java or Scala: a class begins with a capital letter, what
/// is in a class is parted by dots.
fn is_method(cited: &str) -> bool {
    let mut words = cited.split('.');
    let identifier = |word: &str| {
        let first = word.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        first && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    words.next().is_some_and(|class| class.starts_with(char::is_uppercase) && identifier(class))
        && cited.contains('.')
        && words.all(|word| identifier(word) && !matches!(word, "java" | "scala"))
}

/// The name of the item that a line of code begins; `None` for attributes and the like.
fn item(line: &str) -> Option<&str> {
    const KINDS: [&str; 8] =
        ["fn ", "struct ", "enum ", "const ", "static ", "type ", "trait ", "macro_rules! "];
    let line = line.trim_start();
    let behind = |kind: &&str| line.find(*kind).map(|at| at + kind.len());
    let at = behind(&KINDS[0]).or_else(|| KINDS[1..].iter().find_map(behind));
    match at {
        Some(at) => Some(word_at(line, at)),
        // A field or a variant.
        None => {
            let line = line.trim_start_matches("pub(super) ").trim_start_matches("pub ");
            Some(word_at(line, 0)).filter(|name| !name.is_empty())
        }
    }
}

/// The rows of a file; complaints for lines that are not in the fixed form.
fn collect(source: &Source, rows: &mut Vec<[String; 3]>, complaints: &mut Vec<String>) {
    let lines: Vec<&str> = source.text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let Some(text) = documentation(line) else { continue };
        let Some(cited) = text.strip_prefix(HEAD) else {
            if text.contains(HEAD) {
                let place = format!("{}:{}", source.path, number + 1);
                complaints.push(format!("{place}: a citation has a line of its own"));
            }
            continue;
        };
        if !is_method(cited) {
            complaints.push(format!("{}:{}: not `Class.method`", source.path, number + 1));
        }
        let code = |line: &&&str| documentation(line).is_none() && !line.trim().starts_with('#');
        let ours = if line.trim_start().starts_with("//!") {
            Some("(the file)")
        } else {
            lines[number..].iter().find(code).and_then(|line| item(line))
        };
        rows.push([source.module().to_owned(), ours.unwrap_or("?").to_owned(), cited.to_owned()]);
    }
}

#[test]
fn fidelity_lists_every_method_of_kafka_that_is_followed() {
    let (mut rows, mut complaints) = (Vec::new(), Vec::new());
    for source in sources(&["src"]) {
        collect(&source, &mut rows, &mut complaints);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let mut table = String::from("| File | Ours | Kafka |\n|---|---|---|\n");
    for [file, ours, cited] in &rows {
        writeln!(table, "| `{file}` | `{ours}` | `{cited}` |").expect("writing to a string");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fidelity.md");
    let page = fs::read_to_string(&path).expect("docs/fidelity.md");
    let begin = page.find(BEGIN).expect("the head of the list") + BEGIN.len();
    let end = page.find(END).expect("the end of the list");
    let listed = &page[begin..end];
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{}{table}{}", &page[..begin], &page[end..])).expect("written");
    } else {
        assert!(listed == table, "docs/fidelity.md is old: `UPDATE=1 cargo test --test tidy`");
    }
}

#[test]
fn a_citation_is_a_class_and_a_method() {
    for good in ["Partition.maybeExpandIsr", "StripedReplicaPlacer.RackList.place", "A.b2_c"] {
        assert!(is_method(good), "{good}");
    }
    for bad in [
        "Partition",
        "partition.x",
        "Partition.maybe expand",
        "Partition.x()",
        "A.java",
        "A..b",
        "",
    ] {
        assert!(!is_method(bad), "{bad}");
    }
    assert_eq!(item("    pub(super) const fn is_next(&self) -> bool {"), Some("is_next"));
    assert_eq!(item("pub const BLOCK: u32 = 1000;"), Some("BLOCK"));
    assert_eq!(item("    pub wait: Span,"), Some("wait"));
}
