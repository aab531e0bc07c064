//! The canaries: the gate with one precondition of claim G6 taken away loses acknowledged records.
//! If one of them finds nothing, the gate's silence means nothing. Run as a user would.

#![expect(clippy::print_stdout, reason = "what was found is part of the output")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::load::scenario;

/// Other seeds than the ones that the golden reports show, and the same ones on every day.
const BASE: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c";
const GATE: &str = "acks-all-min-insync-2";

/// The gate with one change, and what its story must say.
struct Canary {
    name: &'static str,
    /// The change, as `--set` takes it.
    set: (&'static str, &'static str),
    /// In how many seeds it must find a loss.
    seeds: u64,
    /// Between the acknowledgement and the loss, in this order.
    causes: &'static [&'static str],
}

const ACKS_1: Canary = Canary {
    name: "acks-1",
    set: ("producer.acks", "1"),
    seeds: 200,
    causes: &["(acks=1) when only ", "was elected", "without the record"],
};
const MIN_INSYNC_1: Canary = Canary {
    name: "min-insync-1",
    set: ("topic.min.insync.replicas", "1"),
    seeds: 200,
    causes: &["(acks=all) when only ", "the leader, lost power", "the record included"],
};
const UNCLEAN_ELECTION: Canary = Canary {
    name: "unclean-election",
    set: ("topic.unclean.leader.election.enable", "true"),
    seeds: 200,
    causes: &["(acks=all)", "nobody could lead", "uncleanly, from outside ISR and ELR", "without"],
};
const ELR_OFF: Canary = Canary {
    name: "elr-off",
    set: ("feature.eligible.leader.replicas.version", "0"),
    seeds: 200,
    causes: &[
        "(acks=all)",
        "lost power",
        "after an unclean stop and kept its place",
        "from the in-sync replicas",
        "without the record",
    ],
};
const BUDGET_BEYOND: Canary = Canary {
    name: "budget-beyond",
    set: ("promise.budget", "beyond"),
    seeds: 200,
    causes: &["(acks=all)", "lost power", "the record included"],
};
const TAIL_LOST: Canary = Canary {
    name: "tail-lost",
    set: ("promise.taint", "tail-lost"),
    seeds: 2_000,
    // How the other replicas went before, the seed decides: killed, halted, shut down.
    causes: &[
        "(acks=all)",
        "lost power",
        "the record included",
        "after an unclean stop and could lead no longer; nobody else was left",
        "as the last known leader",
        "without the record",
    ],
};
const CANARIES: [&Canary; 6] =
    [&ACKS_1, &MIN_INSYNC_1, &UNCLEAN_ELECTION, &ELR_OFF, &BUDGET_BEYOND, &TAIL_LOST];

/// An empty folder to run in, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("highwater-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder to write failures to");
        Self(path)
    }

    /// Exit code and standard output.
    fn highwater(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        let output = command.current_dir(&self.0).args(args).output().expect("the binary runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the temporary folder and hurts nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The project's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(name: &str) -> String {
    root().join(format!("scenarios/{name}.json")).display().to_string()
}

/// A report as `--format json` prints it.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON on standard output")
}

/// The text at a JSON pointer.
fn text<'a>(report: &'a Value, pointer: &str) -> &'a str {
    report.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}"))
}

/// The sentences of a story: what stands before its first empty line.
fn sentences(story: &str) -> String {
    let lines: Vec<&str> = story.lines().map(str::trim).take_while(|l| !l.is_empty()).collect();
    lines.join(" ")
}

/// Exit codes of the canary file, and of the gate with the canary's change; then the story.
fn sings(canary: &Canary) {
    let folder = Folder::new(canary.name);
    let (set, seeds) = (format!("{}={}", canary.set.0, canary.set.1), canary.seeds.to_string());
    let (gate, file) = (file(GATE), file(&format!("canary/{}", canary.name)));
    let many = ["--seeds", &seeds, "--seed-base", BASE, "--format", "json"];
    let run = |start: &[&str]| folder.highwater(&[start, &many].concat());

    let (exit, found) = run(&["run", &file]);
    assert_eq!(exit, Some(0), "{file}: {found}");
    // Of ten findings, the report shows the first ones.
    println!("{}: first in seed {}", canary.name, parsed(&found)["found"][0]["seed"]);

    let changed = ["run", &gate, "--set", &set];
    let (exit, failed) = run(&changed);
    assert_eq!(exit, Some(1), "{gate} --set {set}: {failed}");
    let (exit, expected) = run(&[&changed[..], &["--expect-violation", "acked-lost"]].concat());
    assert_eq!(exit, Some(0), "{gate} --set {set}, expected: {expected}");

    // The canary and the gate that expects the loss show the same run.
    let (found, expected) = (parsed(&found), parsed(&expected));
    assert_eq!(found["found"][0]["seed"], expected["found"][0]["seed"]);
    assert_eq!(found["story"], expected["story"]);
    tells(canary, text(&expected, "/found/0/text"), text(&expected, "/story"));

    // The command under the violation shows it again.
    let failed = parsed(&failed);
    let command = text(&failed, "/failures/0/reproduce");
    let words: Vec<&str> = command.split(' ').collect();
    let ["highwater", again @ ..] = words.as_slice() else { panic!("{command}") };
    let (exit, replayed) = folder.highwater(again);
    assert_eq!(exit, Some(1), "{command}: {replayed}");
    assert!(replayed.contains(text(&failed, "/story")), "{command}: {replayed}");
}

/// The story names the lost record's place, and its causes in the order in which they happened.
fn tells(canary: &Canary, finding: &str, story: &str) {
    let (name, told) = (canary.name, sentences(story));
    // `orders-1 offset 447, record r43 of p, …`
    let place = finding.split(',').next().expect("a place");
    assert!(place.contains(" offset "), "{name}: {finding}");
    let mut rest = told.as_str();
    let appended = ["Record ", " was appended on ", place, "It was acknowledged at "];
    let gone = ["So the record is gone (acked-lost)"];
    for piece in appended.iter().chain(canary.causes).chain(&gone) {
        let Some(at) = rest.find(piece) else {
            panic!("{name}: `{piece}` is missing, or comes too early:\n{story}")
        };
        rest = &rest[at + piece.len()..];
    }
    let mut last = String::new();
    for sentence in told.split(". ") {
        let Some(time) = moment(sentence) else { continue };
        let later = (time.len(), &time) >= (last.len(), &last);
        assert!(later, "{name}: `{sentence}` comes after {last}:\n{story}");
        last = time;
    }
    let marked = story.lines().filter(|line| line.ends_with("← acked-lost")).count();
    assert_eq!(marked, 1, "{name}: one line bears the mark:\n{story}");
}

/// The time that a sentence begins to speak of, as digits that can be compared: `at 6.047 938 s`.
fn moment(sentence: &str) -> Option<String> {
    let start = ["at ", "From "].iter().filter_map(|word| {
        let (place, _) = sentence.match_indices(word).find(|(place, _)| {
            sentence[place + word.len()..].starts_with(|c: char| c.is_ascii_digit())
        })?;
        Some(place + word.len())
    });
    let text = &sentence[start.min()?..];
    let number = &text[..text.find(" s")?];
    Some(number.chars().filter(char::is_ascii_digit).collect())
}

#[test]
fn acks_1() {
    sings(&ACKS_1);
}

#[test]
fn min_insync_1() {
    sings(&MIN_INSYNC_1);
}

#[test]
fn unclean_election() {
    sings(&UNCLEAN_ELECTION);
}

#[test]
fn elr_off() {
    sings(&ELR_OFF);
}

#[test]
fn budget_beyond() {
    sings(&BUDGET_BEYOND);
}

#[test]
fn tail_lost() {
    sings(&TAIL_LOST);
}

#[test]
fn each_canary_is_the_gate_with_one_change() {
    for Canary { name, set, .. } in CANARIES {
        let canary = scenario(&format!("canary/{name}"), &[]);
        let gate = scenario(GATE, &[*set]);
        assert_eq!(canary.columns, gate.columns, "{name} is the gate with {set:?}");
    }
}

#[test]
fn there_is_no_other_canary() {
    let folder: &Path = &root().join("scenarios/canary");
    let files = fs::read_dir(folder).expect("a folder");
    let names: Vec<PathBuf> = files.map(|f| f.expect("an entry").path()).collect();
    assert_eq!(names.len(), CANARIES.len(), "{names:?}");
}

#[test]
fn what_does_not_happen_is_not_found() {
    let folder = Folder::new("no-canary");
    let expecting = ["run", &file(GATE), "--seeds", "20", "--expect-violation", "two-leaders"];
    let (exit, said) = folder.highwater(&expecting);
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("two-leaders was looked for and not found in 20 runs"), "{said}");
}
