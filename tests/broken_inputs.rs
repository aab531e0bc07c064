//! Broken inputs through the program: one screen that names the place, exit 2, nothing written.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

const MAX_LINES: usize = 25;
const MAX_COLUMNS: usize = 200;

/// Files that something is wrong with.
fn prepare(folder: &Path) {
    let good = include_str!("../scenarios/leader-kill.json");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("written");
    write("empty.json", b"");
    write("not-utf-8.json", b"{ \"version\": 1, \"title\": \"\xff\" }");
    write("cut.json", &good.as_bytes()[..good.len() / 2]);
    write("list.json", b"[1]");
    write("word.json", b"hello");
    write("unknown.json", good.replace("\"topics\": [\n", "\"topicz\": [\n").as_bytes());
    write("type.json", good.replace("\"brokers\": 3", "\"brokers\": \"three\"").as_bytes());
    write("target.json", good.replace("leader:orders-0", "leader:orders-9").as_bytes());
    write("fault.json", good.replace("\"crash\"", "\"krash\"").as_bytes());
    write("expect.json", good.replace("\"acked-lost\"", "\"acked-lots\"").as_bytes());
    write(
        "factor.json",
        good.replace("\"replication-factor\": 3", "\"replication-factor\": 9").as_bytes(),
    );
    write("property.json", good.replace("min.insync.replicas", "min.insink.replicas").as_bytes());
    write("broken.properties", b"acks=7\nno.such.property=1\n");
    write("repro.json", b"{ \"repro\": 1, \"highwater\": \"0.1.0\", \"name\": ");
    let big = fs::File::create(folder.join("big.json")).expect("created");
    big.set_len(100 << 20).expect("a sparse file");
    fs::create_dir(folder.join("folder")).expect("made");
}

fn listing(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What is wrong, and a word that the message must hold: the place.
const CASES: &[(&str, &str)] = &[
    ("run empty.json", "empty.json"),
    ("run not-utf-8.json", "not-utf-8.json:1"),
    ("run cut.json", "cut.json:"),
    ("run list.json", "list.json:1:1"),
    ("run word.json", "word.json:1:1"),
    ("run big.json", "big.json"),
    ("run folder", "folder"),
    ("run missing.json", "missing.json"),
    ("run unknown.json", "unknown.json:"),
    ("run type.json", "type.json:"),
    ("run target.json", "target.json:"),
    ("run fault.json", "fault.json:"),
    ("run expect.json", "expect.json:"),
    ("run factor.json", "factor.json:"),
    ("run property.json", "min.insync.replicas"),
    ("run preset:leader-kil", "leader-kill"),
    ("run preset:leader-kill --producer-config broken.properties", "broken.properties:"),
    ("run preset:leader-kill --producer-config missing.properties", "missing.properties"),
    ("run preset:leader-kill --seeds 0", "--seeds"),
    ("run preset:leader-kill --seeds 5..3", "--seeds"),
    ("run preset:leader-kill --seeds=-1", "--seeds"),
    ("run preset:leader-kill --seed x", "--seed"),
    ("run preset:leader-kill --seed 1 --seeds 2", "--seeds"),
    ("run preset:leader-kill --seed-base zz", "--seed-base"),
    ("run preset:leader-kill --jobs 0", "--jobs"),
    ("run preset:leader-kill --max-failures 0", "--max-failures"),
    ("run preset:leader-kill --no-such-flag", "--no-such-flag"),
    ("run preset:leader-kill --format xml", "--format"),
    ("run preset:leader-kill --set no.such=1", "--set:1:1"),
    ("run preset:leader-kill --set producer.acks=7", "--set:1:15"),
    ("run preset:leader-kill --set producer.aks=1", "did you mean `acks`"),
    ("run preset:leader-kill --set x", "PATH=VALUE"),
    ("run preset:leader-kill --set cluster.controllers=3", "cluster.controllers"),
    ("run preset:leader-kill --set cluster.brokers=-1", "cluster.brokers"),
    ("run preset:leader-kill --set topics[0].partitions=100000000", "topics[0].partitions"),
    ("run preset:leader-kill --set run.duration=-5s", "run.duration"),
    ("run preset:leader-kill --set run.duration=100000h", "run.duration"),
    ("run preset:leader-kill --set run.budget.events=1000", "run.budget.events"),
    ("run preset:leader-kill --kafka 9.9", "--kafka"),
    ("run preset:leader-kill --drill no-such", "no-such"),
    ("run preset:leader-kill --expect-violation acked-lots", "acked-lost"),
    ("run preset:leader-kill --out report.pdf", "report.pdf"),
    ("replay missing.json", "missing.json"),
    ("replay preset:leader-kill", "--seed"),
    ("replay repro.json", "repro.json:1"),
    ("list no-such", "no-such"),
    ("schema no-such", "no-such"),
    ("run", "FILE"),
];

#[test]
fn broken_inputs_are_refused_on_one_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    let before = listing(folder.path());
    let mut complaints = Vec::new();
    for (line, place) in CASES {
        let mut command = Command::cargo_bin("highwater").expect("the program");
        let output = command.current_dir(&folder).args(line.split(' ')).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let wide = told.lines().any(|l| l.chars().count() > MAX_COLUMNS);
        let wrong = [
            (output.status.code() != Some(2), "does not exit 2"),
            (!output.stdout.is_empty(), "prints to stdout"),
            (told.lines().count() > MAX_LINES || wide, "is more than a screen"),
            (!told.contains(place), "does not name the place"),
            (told.contains("panicked"), "panics"),
        ];
        let wrong = wrong.iter().filter(|w| w.0).map(|w| w.1).collect::<Vec<_>>();
        if !wrong.is_empty() {
            complaints.push(format!("`{line}` {}:\n{told}", wrong.join(", ")));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(listing(folder.path()), before, "something was written");
}

/// Runs a command line and gives its exit code and stdout.
fn exit(folder: &Path, line: &str) -> (Option<i32>, String) {
    let mut command = Command::cargo_bin("highwater").expect("the program");
    command.current_dir(folder).env("NO_COLOR", "1").args(line.split(' '));
    let output = command.output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn exit_codes_say_what_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |line: &str| exit(folder.path(), line);
    let gate = "run preset:acks-all-min-insync-2 --seeds 20 --progress none";
    let (code, text) = run("run preset:disk-full --seed 3 --verify-determinism --quiet");
    assert_eq!((code, text.as_str()), (Some(0), "PASS disk-full\n"));
    let lossy = format!("{gate} --set producer.acks=1");
    assert_eq!(run(&lossy).0, Some(1));
    assert_eq!(run(&format!("{lossy} --expect-violation acked-lost")).0, Some(0));
    assert_eq!(run("run preset:canary/acks-1 --seed 0 --format json").0, Some(0));
    let failures = folder.path().join(".highwater/failures");
    let repro = fs::read_dir(&failures).expect("a repro file").next().expect("one").expect("it");
    let repro = repro.path();
    let line = format!("replay {}", repro.display());
    assert_eq!(run(&line).0, Some(1), "a replay exits as its run did");
    let text = fs::read_to_string(&repro).expect("read");
    let at = text.find("\"fingerprint\": \"").expect("a fingerprint") + 16;
    let mut edited = text.clone();
    edited.replace_range(at..at + 16, "0000000000000000");
    fs::write(&repro, edited).expect("written");
    assert_eq!(run(&line).0, Some(4), "an edited fingerprint differs");
    fs::write(&repro, &text[..text.len() / 2]).expect("written");
    assert_eq!(run(&line).0, Some(2), "a truncated repro is refused");
}

#[test]
fn json_is_alone_on_stdout() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, text) = exit(folder.path(), "run preset:disk-full --seeds 3 --format json");
    serde_json::from_str::<serde_json::Value>(&text).expect("one document");
    let (_, text) = exit(folder.path(), "run preset:disk-full --seeds 3 --format jsonl");
    assert_eq!(text.lines().count(), 5, "a head, three seeds, a summary");
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a document a line");
    }
}

#[test]
fn published_schemas_are_those_that_the_program_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for of in ["scenario", "results", "repro"] {
        let (_, text) = exit(root, &format!("schema {of}"));
        let file = root.join(format!("schema/{of}.schema.json"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &text).expect("written");
        }
        assert_eq!(fs::read_to_string(&file).ok().as_deref(), Some(text.as_str()), "{of}");
    }
}
