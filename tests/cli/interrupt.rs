//! Ctrl-C keeps what was found so far and never calls it a pass.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Nothing can go wrong in it: it passes.
const SHORT: &str = r#"{ "version": 1, "title": "short", "topics": [{ "name": "t" }],
  "producers": [{ "name": "p" }], "expect": [{ "never": "acked-lost" }],
  "run": { "duration": "1s", "seeds": { "count": 1 } } }"#;

/// The same, with more seeds than anybody waits for, and something that it never sees.
const ENDLESS: &str = r#"{ "version": 1, "title": "endless", "topics": [{ "name": "t" }],
  "producers": [{ "name": "p" }],
  "expect": [{ "never": "acked-lost" }, { "sometimes": "acked-lost" }],
  "run": { "duration": "1s", "seeds": { "count": 100000000 } } }"#;

/// Every seed of it fails.
const FAILING: &str = r#"{ "version": 1, "title": "failing", "topics": [{ "name": "t" }],
  "producers": [{ "name": "p" }], "expect": [{ "at-least": { "gave-up": 1 } }],
  "run": { "duration": "1s", "seeds": { "count": 100000000 } } }"#;

/// What a command printed to stdout and stderr when it was interrupted as soon as stdout held
/// `sign`, and its exit code. By the first line of stdout the program has its handler. A sweep tells
/// nothing of its beginning: a signal that came before it, so that its report was not begun, is
/// sent again to another process.
fn interrupted(line: &str, sign: &str) -> (String, String, Option<i32>) {
    const TRIES: usize = 100;
    let tries = std::iter::repeat_with(|| interrupted_once(line, sign)).take(TRIES);
    let begun = |told: &str| told.contains("\"type\":\"seed\"") || shows_inconclusive(told);
    let mut tries = tries.skip_while(|(told, ..)| !begun(told));
    tries.next().expect("the signal hits the sweep once in so many times")
}

fn shows_inconclusive(told: &str) -> bool {
    told.to_lowercase().contains("inconclusive")
}

fn interrupted_once(line: &str, sign: &str) -> (String, String, Option<i32>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("short", SHORT), ("endless", ENDLESS), ("failing", FAILING)] {
        fs::write(folder.path().join(format!("{name}.json")), text).expect("written");
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .current_dir(&folder)
        .args(["run", "--progress", "none"])
        .args(line.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut told = String::new();
    while !told.contains(sign) {
        let read = stdout.read_line(&mut told).expect("a line");
        assert!(read > 0, "no {sign:?} in {told}");
    }
    // The shell's own: not every machine has a program of this name.
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    stdout.read_to_string(&mut told).expect("the rest");
    let mut noted = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut noted).expect("text");
    (told, noted, child.wait().expect("it ends").code())
}

/// The last of several JSON values.
fn last(values: &str) -> Value {
    let values = serde_json::Deserializer::from_str(values).into_iter::<Value>();
    values.last().expect("a value").expect("JSON")
}

#[test]
fn people_are_told_that_it_is_inconclusive() {
    let (told, noted, exit) = interrupted("short.json endless.json failing.json", "PASS");
    let (_, after) = told.split_once("PASS").expect("the short one passes");
    let after = after.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(after.contains(" INCONCLUSIVE interrupted: stopped after "), "{told}");
    assert!(after.contains(" of 100 000 000 seeds"), "{told}");
    assert!(!after.contains("PASS") && !after.contains("FAIL"), "{told}");
    assert!(noted.contains("interrupted: 1 more report not begun"), "{noted}");
    assert_eq!(exit, Some(130));
}

#[test]
fn quiet_people_too() {
    let (told, _, exit) = interrupted("short.json endless.json --quiet", "PASS");
    assert_eq!((told.as_str(), exit), ("PASS short\nINCONCLUSIVE endless\n", Some(130)));
}

#[test]
fn programs_are_told_that_it_is_inconclusive() {
    let line = "short.json endless.json --format json --allow-inconclusive";
    let (told, _, exit) = interrupted(line, "\"pass\"");
    let report = last(&told);
    assert_eq!(report["verdict"], "inconclusive", "{report}");
    let reason = report["reasons"][0].as_str().expect("a reason");
    assert!(reason.starts_with("interrupted: stopped after "), "{reason}");
    assert_eq!(exit, Some(130));
}

/// The seeds that ran are kept and counted; what none of them showed is not told as absent.
#[test]
fn what_ran_is_kept() {
    let (told, _, exit) = interrupted("endless.json --format jsonl", "\"type\":\"seed\"");
    let summary = last(&told);
    assert_eq!(summary["type"], "summary", "{summary}");
    assert_eq!(summary["verdict"], "inconclusive", "{summary}");
    let runs = summary["runs"].as_u64().expect("a number");
    let lines = told.lines().filter(|line| line.starts_with("{\"type\":\"seed\"")).count();
    assert_eq!(runs, lines as u64, "{summary}");
    assert!((1..100_000_000).contains(&runs), "{summary}");
    let rows = summary["expectations"].as_array().expect("a list");
    let statuses: Vec<&str> = rows.iter().filter_map(|row| row["status"].as_str()).collect();
    assert_eq!(statuses, ["held", "reported"], "{summary}");
    assert_eq!(exit, Some(130));
}

/// What was violated stays violated, and that is the more serious of the two.
#[test]
fn a_violation_stays_one() {
    let line = "failing.json endless.json --max-failures 100000000 --format jsonl";
    let (told, noted, exit) = interrupted(line, "\"type\":\"seed\"");
    let summary = last(&told);
    assert_eq!(summary["scenario"], "failing", "{summary}");
    assert_eq!(summary["verdict"], "fail", "{summary}");
    assert!(summary["reasons"][0].as_str().is_some_and(|r| r.starts_with("interrupted")));
    assert!(noted.contains("interrupted: 1 more report not begun"), "{noted}");
    assert_eq!(exit, Some(1));
}
