//! A sweep over configurations, through the program: what is reported, repeated and refused.

use std::fs;
use std::path::Path;

/// Every run of it fails, for every run acknowledges something.
const VARIES: &str = r#"{ "version": 1, "title": "t",
  "vary": {
    "producer.linger.ms": { "from": 0, "to": 40, "step": 10 },
    "producer.enable.idempotence": { "one-of": [true, false] },
    "topic.partitions": { "one-of": [1, 2, 3] } },
  "topics": [{ "name": "t" }], "producers": [{ "name": "p", "rate": "20/s" }],
  "expect": [{ "at-most": { "acked": 0 } }],
  "run": { "duration": "2s", "settle": "10s" } }"#;

/// The exit code and all that was said.
fn said(folder: &Path, line: &str) -> (Option<i32>, String, String) {
    let mut command = assert_cmd::Command::cargo_bin("highwater").expect("the program");
    let output = command.current_dir(folder).args(line.split(' ')).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("s.json"), VARIES).expect("written");
    folder
}

/// The line of a seed in a results file.
fn line_of(lines: &str, seed: u64) -> String {
    let mark = format!("\"seed\":{seed},");
    let line = lines.lines().find(|line| line.contains(&mark));
    line.unwrap_or_else(|| panic!("seed {seed} in {lines}")).to_owned()
}

#[test]
fn a_draw_depends_on_nothing_but_its_seed() {
    let folder = folder();
    let sweep = |jobs: &str| {
        let line = format!("run s.json --seeds 6 --max-failures 9 --jobs {jobs} --format jsonl");
        said(folder.path(), &line).1
    };
    let one = sweep("1");
    assert_eq!(one, sweep("2"), "threads change nothing");
    let alone = said(folder.path(), "run s.json --seeds 4..5 --format jsonl").1;
    assert_eq!(line_of(&alone, 4), line_of(&one, 4), "nor do other seeds");
    assert!(line_of(&one, 4).contains(r#""drawn":[{"path":"producer.enable.idempotence","#));
}

#[test]
fn a_failing_seed_is_told_with_its_draw_and_repeated_without_a_swarm() {
    let folder = folder();
    let (code, text, _) = said(folder.path(), "run s.json --seeds 20 --max-failures 20");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("3 paths, every value drawn of 3"), "{text}");
    assert!(text.contains("drawn") && text.contains("producer.linger.ms="), "{text}");
    let repro = ".highwater/failures/s-3.json";
    let file = fs::read_to_string(folder.path().join(repro)).expect("a repro file");
    assert!(!file.contains("\"vary\""), "{file}");
    let (code, again, errors) = said(folder.path(), &format!("replay {repro}"));
    assert_eq!(code, Some(1), "{again}{errors}");
    let (code, text, _) = said(folder.path(), "replay s.json --seed 3");
    assert_eq!(code, Some(1), "{text}");
    for path in ["producer.enable.idempotence=", "producer.linger.ms=", "topic.partitions="] {
        assert!(text.contains(path), "{text}");
    }
    let drawn: serde_json::Value = serde_json::from_str(&file).expect("JSON");
    let linger = &drawn["scenario"]["producers"][0]["config"]["linger.ms"];
    assert!(text.contains(&format!("producer.linger.ms={linger}")), "{text}");
}

#[test]
fn what_cannot_be_drawn_is_refused_before_anything_runs() {
    let folder = folder();
    let bad = VARIES.replace("[1, 2, 3]", "[1, \"many\"]");
    fs::write(folder.path().join("bad.json"), bad).expect("written");
    let (code, text, errors) = said(folder.path(), "run bad.json --seeds 1");
    assert_eq!((code, text.as_str()), (Some(2), ""), "{errors}");
    assert!(errors.contains("bad.json:5:") && errors.contains("many"), "{errors}");
}
