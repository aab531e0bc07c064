//! Habits that the compiler does not enforce: who may name whom, what is banned where, sizes, and
//! that facts and rules are used as they are meant to be.
//!
//! Reads the sources as text, with comments and strings blanked out (`tidy_scan`); there is no
//! syntax tree, so a check asks for words, paths and braces only. A complaint names file and line.

mod tidy_citations;
mod tidy_scan;

use std::fmt::Write as _;

use tidy_scan::{Source, functions, members, named, sources, word_at, words};

/// Who may name whom: a module, and the modules of ours it may name. `lib.rs` prints this table.
const IMPORTS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("model", &["base"]),
    ("kafka", &["base", "model"]),
    ("sim", &["base", "model", "kafka"]),
    ("app", &["base", "model", "kafka"]),
    ("check", &["base", "model"]),
    ("report", &["base", "model", "check"]),
    ("scenario", &["base", "model", "check", "kafka"]),
    ("record", &["base", "model", "report"]),
    ("run", RIM),
    ("judge", RIM),
    ("sweep", RIM),
    ("repro", RIM),
];

/// What the rim below `cli` may name: everything but `cli`.
const RIM: &[&str] = &[
    "base", "model", "kafka", "sim", "app", "check", "report", "scenario", "record", "run",
    "judge", "sweep", "repro",
];

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
const WIDE: &[&str] = &["src/model/error.rs", "src/check/registry.rs"];

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

#[test]
fn modules_name_only_whom_they_may() {
    let mut complaints = Vec::new();
    for source in sources(&["src"]) {
        let room = source.room();
        if matches!(room, "lib" | "main" | "cli") {
            continue;
        }
        let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| *module == room) else {
            complaints.push(format!("{}: not in the import table", source.path));
            continue;
        };
        for (at, path) in named(&source.code) {
            let name = word_at(&path, 0);
            if name != room && !allowed.contains(&name) {
                complaints.push(format!("{}: {room} names {name}", source.place(at)));
            }
            let part = match room {
                "app" => "kafka::client",
                "scenario" => "kafka::client::config",
                _ => name,
            };
            if name == "kafka" && !path.starts_with(part) {
                complaints.push(format!("{}: {room} names more than {part}", source.place(at)));
            }
        }
    }
    complain(&complaints);
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
