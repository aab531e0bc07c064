//! Habits that the compiler does not enforce: who may name whom, what is banned where, sizes, and
//! that facts and rules are used as they are meant to be.
//!
//! Reads the sources as text, with comments and strings blanked out (`tidy_scan`); there is no
//! syntax tree, so a check asks for words, paths and braces only. A complaint names file and line.

mod tidy_citations;
mod tidy_scan;

use std::fmt::Write as _;

use tidy_scan::{Source, functions, members, named, sources, word_at, words};

/// Words that do not occur in code, and the modules where they may.
const BANS: &[(&str, &[&str])] = &[
    ("std::time", &["cli", "sweep"]),
    ("SystemTime", &["cli", "sweep"]),
    ("Instant", &["cli", "sweep"]),
    ("HashMap", &[]),
    ("HashSet", &[]),
    ("thread_rng", &[]),
    ("unsafe", &[]),
    ("println!", &["cli"]),
    ("print!", &["cli"]),
    ("eprintln!", &["cli"]),
    ("eprint!", &["cli"]),
    ("dbg!", &[]),
    ("todo!", &[]),
    ("unimplemented!", &[]),
    ("f32", &["cli", "report"]),
    ("f64", &["cli", "report"]),
    ("serde", &["scenario", "repro", "report/json"]),
    ("serde_json", &["scenario", "repro", "report/json"]),
];

/// A file is at most so long.
const FILE_LINES: usize = 650;
/// A function is at most so long, signature included.
const FUNCTION_LINES: usize = 70;
/// A line is at most so wide.
const LINE_CHARS: usize = 100;
/// Tables with one row a line, which no formatter breaks.
const WIDE: &[&str] = &["src/model/error.rs", "src/check/properties.rs"];

fn file<'a>(sources: &'a [Source], path: &str) -> &'a Source {
    sources.iter().find(|s| s.path == path).unwrap_or_else(|| panic!("no {path}"))
}

fn fact_variants(sources: &[Source]) -> Vec<String> {
    members(file(sources, "src/model/fact.rs").body("pub enum Fact"))
}

/// Fails with all complaints, one a line.
fn complain(complaints: &[String]) {
    let mut text = String::new();
    for complaint in complaints {
        writeln!(text, "  {complaint}").expect("writing to a string");
    }
    assert!(complaints.is_empty(), "{} complaints\n{text}", complaints.len());
}

/// Who may name whom, as the table in the documentation of the crate has it: a module, and the
/// paths of ours that it may name. Of each row the first column names modules and the last one
/// paths, among words; `all of the above` are all modules of this row and of those before it.
fn import_table(lib: &str) -> Vec<(String, Vec<String>)> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | "));
    let rows = rows.filter(|row| row.starts_with('`') || row.starts_with("[`"));
    let mut table: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows {
        let (modules, rest) = row.split_once(" | ").expect("a row has columns");
        let paths = rest.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let is_name = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
        let here = modules.split(['[', ']', '`', ',', ' ']).filter(is_name);
        let here: Vec<String> = here.map(str::to_owned).collect();
        let known = table.iter().map(|(module, _)| module).chain(&here);
        let known: Vec<String> = known.cloned().collect();
        let allowed: Vec<String> = if paths == "all of the above" {
            known
        } else {
            let words = paths.split(['`', ',', ' ']).map(str::to_owned);
            words.filter(|word| known.iter().any(|module| word_at(word, 0) == module)).collect()
        };
        table.extend(here.into_iter().map(|module| (module, allowed.clone())));
    }
    table
}

#[test]
fn modules_name_only_whom_they_may() {
    let sources = sources(&["src"]);
    let table = import_table(&file(&sources, "src/lib.rs").text);
    let mut complaints = Vec::new();
    for source in sources {
        let room = source.room();
        if matches!(room, "lib" | "main" | "cli") {
            continue;
        }
        let Some((_, allowed)) = table.iter().find(|(module, _)| module == room) else {
            complaints.push(format!("{}: not in the table of lib.rs", source.path));
            continue;
        };
        for (at, path) in named(&source.code) {
            let below = |part: &String| {
                let rest = path.strip_prefix(part.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            };
            if word_at(&path, 0) != room && !allowed.iter().any(below) {
                complaints.push(format!("{}: {room} names {path}", source.place(at)));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn the_table_of_imports_is_read_as_it_is_meant() {
    let sources = sources(&["src"]);
    let lib = file(&sources, "src/lib.rs");
    let table = import_table(&lib.text);
    let allowed = |module: &str| -> Vec<&str> {
        let row = table.iter().find(|(name, _)| name == module);
        row.unwrap_or_else(|| panic!("no {module}")).1.iter().map(String::as_str).collect()
    };
    assert!(allowed("base").is_empty());
    assert_eq!(allowed("model"), ["base"]);
    assert_eq!(allowed("app"), ["base", "model", "kafka::client"]);
    assert_eq!(allowed("check"), ["base", "model"], "an oracle has never seen a node");
    assert!(allowed("sweep").contains(&"judge") && !allowed("sweep").contains(&"cli"));
    // Every module of the crate has its row; what lib.rs itself holds are lists of what is public.
    let modules = lib
        .code
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let lacking: Vec<&str> =
        modules.filter(|module| table.iter().all(|(name, _)| name != module)).collect();
    assert!(lacking.is_empty(), "without a row in the table of lib.rs: {lacking:?}");
}

#[test]
fn banned_words_do_not_occur() {
    let mut complaints = Vec::new();
    for source in sources(&["src"]) {
        for (word, allowed) in BANS {
            if !source.is_in(allowed) {
                let places = words(&source.code, word).map(|at| source.place(at));
                complaints.extend(places.map(|place| format!("{place}: `{word}`")));
            }
        }
        let notes = words(&source.text, "FIXME").map(|at| source.place(at));
        complaints.extend(notes.map(|place| format!("{place}: FIXME")));
    }
    complain(&complaints);
}

#[test]
fn files_say_what_they_are_and_stay_small() {
    let mut complaints = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        let path = &source.path;
        if !source.text.starts_with("//! ") {
            complaints.push(format!("{path}: no module documentation at its head"));
        }
        let lines = source.text.lines().count();
        if lines > FILE_LINES {
            complaints.push(format!("{path}: {lines} lines, at most {FILE_LINES}"));
        }
        let mut at = 0;
        for line in source.text.split_inclusive('\n') {
            // A test may hold a line of output as it is printed; a row of a table has one line.
            let chars = line.trim_end().chars().count();
            let free = source.is_test(at) || line.starts_with("//! |");
            if chars > LINE_CHARS && !free && !WIDE.contains(&path.as_str()) {
                complaints.push(format!("{}: {chars} characters wide", source.place(at)));
            }
            at += line.len();
        }
        // A test may be a long table.
        for function in functions(&source.live) {
            let lines = source.live[function.begin..function.end].lines().count();
            if lines > FUNCTION_LINES {
                let place = source.place(function.begin);
                complaints.push(format!("{place}: `{}` has {lines} lines", function.name));
            }
        }
    }
    complain(&complaints);
}

/// The compiler asks for documentation only of what leaves the crate, which is little.
#[test]
fn what_is_public_in_its_module_says_what_it_is() {
    const ITEMS: [&str; 7] = ["fn ", "const ", "struct ", "enum ", "trait ", "type ", "static "];
    let mut complaints = Vec::new();
    for source in sources(&["src"]) {
        // Fields of messages bear Kafka's own names.
        let fields = !source.is_in(&["model/message"]);
        let mut said = false;
        let mut at = 0;
        for (line, code) in source.text.lines().zip(source.live.lines()) {
            let (line, item) = (line.trim(), code.trim().strip_prefix("pub "));
            if let Some(item) = item.filter(|_| !said)
                && (fields || ITEMS.iter().any(|kind| item.starts_with(kind)))
                && !item.contains('$')
                && !["use ", "mod "].iter().any(|free| item.starts_with(free))
            {
                complaints.push(format!("{}: `{item}` is not documented", source.place(at)));
            }
            // Attributes stand between documentation and its item.
            let continues = line.starts_with("#[") || code.trim().is_empty() && said;
            said = line.starts_with("///") || line.starts_with("#[doc") || continues && said;
            at += code.len() + 1;
        }
    }
    complain(&complaints);
}

/// The tricks are told once, in `docs/speed.md`; its last column names the files.
#[test]
fn tricks_for_speed_are_told_in_docs_speed() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/speed.md"));
    let page = page.expect("docs/speed.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let files = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let told: Vec<&str> = files.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(told.len() > 20, "the table of docs/speed.md is not read: {told:?}");
    let mut complaints = Vec::new();
    let sources = sources(&["src"]);
    for source in &sources {
        let notes = words(&source.text, "Speed:").map(|at| (at, "note"));
        let inline = ["inline(always)", "inline(never)"];
        let inline = inline.iter().flat_map(|word| words(&source.live, word));
        let uses: Vec<(usize, &str)> = notes.chain(inline.map(|at| (at, "function"))).collect();
        for (at, what) in &uses {
            let line = source.text[..*at].rsplit('\n').next().unwrap_or_default().trim();
            if *what == "note" && !matches!(line, "//" | "///" | "//!") {
                complaints.push(format!("{}: `Speed:` begins a comment", source.place(*at)));
            }
            if !told.contains(&source.module()) {
                complaints.push(format!("{}: a {what}, not told", source.place(*at)));
            }
        }
        let has_note = uses.iter().any(|(_, what)| *what == "note");
        if told.contains(&source.module()) && !has_note {
            complaints.push(format!("{} is told of and has no `Speed:`", source.path));
        }
    }
    let exists = |file: &&str| sources.iter().any(|source| source.module() == *file);
    let lost = told.iter().filter(|file| !exists(file));
    complaints.extend(lost.map(|file| format!("docs/speed.md: there is no {file}")));
    complain(&complaints);
}

#[test]
fn every_fact_is_noted_and_read() {
    let sources = sources(&["src"]);
    let names = |source: &Source, variant: &str| {
        words(&source.live, &format!("Fact::{variant}")).next().is_some()
    };
    let mut complaints = Vec::new();
    for variant in fact_variants(&sources) {
        // A disk writes its facts itself: it is the lowest layer that changes a log.
        let mut writers = sources
            .iter()
            .filter(|s| s.is_in(&["kafka", "sim", "app"]) || s.path == "src/model/disk.rs");
        if !writers.any(|s| names(s, &variant)) {
            complaints.push(format!("nobody notes Fact::{variant}"));
        }
        let mut readers = sources.iter().filter(|s| s.is_in(&["check", "report"]));
        if !readers.any(|s| names(s, &variant)) {
            complaints.push(format!("no checker and no report reads Fact::{variant}"));
        }
    }
    complain(&complaints);
}

#[test]
fn data_guarantees_read_observed_facts_only() {
    let sources = sources(&["src"]);
    // The last arm of the match lists the facts that are claims.
    let subjects = file(&sources, "src/model/fact/about.rs").body("fn subject");
    let observed = subjects.rfind("Subject::Fault").expect("claims come after faults");
    let claims = &subjects[observed..];
    assert!(claims.contains("Subject::Claim"), "the list of claimed facts has moved");
    let claims: Vec<String> = fact_variants(&sources)
        .into_iter()
        .filter(|v| words(claims, &format!("Self::{v}")).next().is_some())
        .collect();
    assert!(claims.len() > 1, "the list of claimed facts has moved: {claims:?}");
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|s| s.is_in(&["check"])) {
        // One function counts claims and marks that they happened; it judges nothing.
        let counting = functions(&source.live).into_iter().find(|f| f.name == "claimed");
        let counts = |at: usize| counting.as_ref().is_some_and(|f| f.begin < at && at < f.end);
        for claim in &claims {
            for at in words(&source.live, &format!("Fact::{claim}")).filter(|at| !counts(*at)) {
                complaints.push(format!("{}: {claim} is only a claim", source.place(at)));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn only_the_machine_room_does_what_machines_do() {
    let mut complaints = Vec::new();
    for source in sources(&["src"]) {
        if source.is_in(&["sim"]) || source.path == "src/model/disk.rs" {
            continue;
        }
        for (at, _) in source.live.match_indices(".sim_") {
            let method = word_at(&source.live, at + 1);
            complaints.push(format!("{}: calls `{method}`", source.place(at)));
        }
    }
    complain(&complaints);
}

#[test]
fn every_rule_has_one_reader_per_role() {
    let sources = sources(&["src"]);
    let rules = members(file(&sources, "src/model/rules.rs").body("pub struct Rules"));
    assert!(rules.len() > 1, "the rules have moved: {rules:?}");
    let mut complaints = Vec::new();
    for rule in rules.iter().filter(|rule| *rule != "drill") {
        let mut readers = Vec::new();
        for source in sources.iter().filter(|s| s.is_in(&["kafka", "sim", "app"])) {
            let functions = functions(&source.live);
            for at in words(&source.live, &format!("rules.{rule}")) {
                // The innermost function around it is the last to begin.
                let reader = functions.iter().rfind(|f| f.begin < at && at < f.end);
                let name = reader.map_or("no function", |f| f.name.as_str());
                readers.push(format!("{}::{name}", source.module()));
            }
        }
        readers.sort();
        readers.dedup();
        if readers.is_empty() || readers.len() > 2 {
            complaints.push(format!("{rule}: a leader's and a follower's side, not {readers:?}"));
        }
    }
    complain(&complaints);
}
