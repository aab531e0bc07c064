//! Broken inputs through the program: one screen that names the place, exit 2, nothing written.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

const MAX_LINES: usize = 25;
const MAX_COLUMNS: usize = 120;

/// Files that something is wrong with.
fn prepare(folder: &Path) {
    let good = include_str!("../../scenarios/leader-kill.json");
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
    write("not-utf-8.properties", b"acks=\xff\n");
    write("escape.properties", b"acks=\\u12\n");
    write("unicode.json", good.replace("\"orders\"", "\"b\u{e9}\u{221e}\u{1f4a5}\"").as_bytes());
    write(
        "twice.json",
        good.replace("\"version\": 1,", "\"version\": 1, \"version\": 1,").as_bytes(),
    );
    write("circle.json", b"{ \"version\": 1, \"title\": \"t\", \"extends\": \"circle.json\" }");
    write("deep.json", "[".repeat(100_000).as_bytes());
    let keys = (0..50).map(|i| format!("\"key-{i}\": 1")).collect::<Vec<_>>().join(", ");
    write("many.json", format!("{{ \"version\": 1, {keys} }}").as_bytes());
    let long = format!("{{ \"version\": \"{}\" }}", "x".repeat(5_000));
    write("long.json", long.as_bytes());
    write("closed.json", format!("{}{}", "[".repeat(3_000), "]".repeat(3_000)).as_bytes());
    write("comment.json", format!("/* never closed {good}").as_bytes());
    write("more.json", format!("{good}garbage").as_bytes());
    write("null.json", b"null");
    write("surrogate.json", good.replace("\"orders\"", "\"\\ud800\"").as_bytes());
    write("escape.json", good.replace("\"orders\"", "\"a\u{1b}[31m\"").as_bytes());
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    write("utf-16.json", &[&b"\xff\xfe"[..], wide.as_slice()].concat());
    write("million.json", good.replace("\"brokers\": 3", "\"brokers\": 1e400").as_bytes());
    let (from, count) = ("\"run\": { \"seeds\": { \"count\": ", "18446744073709551615 } }");
    write("seeds.json", format!("{MINIMAL}, {from}{count} }}").as_bytes());
    let script = "\"script\": [{ \"sleep\": \"100000h\" }]";
    write("asleep.json", format!("{MINIMAL}, {script} }}").as_bytes());
    write("marked.properties", b"\xef\xbb\xbfacks=1\n");
    write("binary.properties", &(0..=255).collect::<Vec<u8>>());
    write("twice-repro.json", b"{ \"repro\": 1, \"repro\": 1 }");
    write("seed-repro.json", b"{ \"repro\": 1, \"seed\": -1 }");
    write(
        "deep-repro.json",
        format!("{{\"repro\":1,\"scenario\":{}", "[".repeat(100_000)).as_bytes(),
    );
    write("endless.json", ENDLESS.as_bytes());
    write("file.md", b"# not a folder\n");
    write("whole-repro.json", b"{ \"repro\": 1, \"highwater\": \"0.1.0\", \"name\": \"x\" }");
    write("no-repro.json", br#"{ "repro": 1, "highwatr": 1 }"#);
    write("repro.json", b"{ \"repro\": 1, \"highwater\": \"0.1.0\", \"name\": ");
    for name in ["big.json", "big.properties"] {
        let big = fs::File::create(folder.join(name)).expect("created");
        big.set_len(100 << 20).expect("a sparse file");
    }
    fs::create_dir(folder.join("folder")).expect("made");
}

/// All that a scenario needs, but for its last brace.
const MINIMAL: &str =
    r#"{ "version": 1, "title": "t", "topics": [{ "name": "t" }], "producers": [{ "name": "p" }]"#;

/// A script that reads beside a producer that never stops.
const ENDLESS: &str = r#"{ "version": 1, "title": "t",
  "topics": [{ "name": "t" }], "producers": [{ "name": "p" }],
  "script": [{ "sleep": "1s" }, { "read": "t-0" }] }"#;

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
    ("run unicode.json", "unicode.json:"),
    ("run twice.json", "twice.json:"),
    ("run circle.json", "circle.json"),
    ("run deep.json", "deep.json:1:"),
    ("run closed.json", "closed.json:1:513"),
    ("run comment.json", "comment.json:1:1"),
    ("run more.json", "more than one JSON value"),
    ("run null.json", "null.json:1:1"),
    ("run surrogate.json", "surrogate.json:11:16"),
    ("run escape.json", "escape.json:11:15"),
    ("run utf-16.json", "save it as UTF-8"),
    ("run million.json", "million.json:9:27"),
    ("run seeds.json", "at most 100 million"),
    ("run asleep.json", "run.budget.events"),
    ("run many.json", "and 4"),
    ("run long.json", "long.json:1:"),
    ("run endless.json", "script[1].read: this `read` never ends"),
    ("run whole-repro.json", "highwater replay whole-repro.json"),
    ("run preset:leader-kil", "leader-kill"),
    ("run preset:", "highwater list presets"),
    ("run preset:leader-kill --producer-config broken.properties", "broken.properties:"),
    ("run preset:leader-kill --producer-config missing.properties", "missing.properties"),
    ("run preset:leader-kill --producer-config not-utf-8.properties", "not-utf-8.properties:1"),
    ("run preset:leader-kill --producer-config escape.properties", "escape.properties:1:6"),
    ("run preset:leader-kill --producer-config marked.properties", "byte order mark"),
    ("run preset:leader-kill --producer-config binary.properties", "binary.properties:2:118"),
    ("run preset:leader-kill --broker-config folder", "folder"),
    ("run preset:leader-kill --topic-config big.properties", "big.properties"),
    ("run endless.json --consumer-config broken.properties", "the scenario has no consumers"),
    ("run preset:leader-kill --seeds 0", "--seeds"),
    ("run preset:leader-kill --seeds 5..3", "--seeds"),
    ("run preset:leader-kill --seeds 5..5", "--seeds"),
    ("run preset:leader-kill --seeds 0..18446744073709551615", "more than 100 million"),
    ("run preset:leader-kill --seed 18446744073709551615", "--seed"),
    ("run preset:leader-kill --jobs 100000", "1..=1024"),
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
    ("run preset:leader-kill --set topics[0]=1", "expected an object"),
    ("run preset:leader-kill --set topics[99999999999999].name=x", "has no element"),
    ("run preset:leader-kill --set topics[].name=x", "cannot read the path"),
    ("run preset:leader-kill --set run.duration=99999999999999999999s", "run.duration"),
    ("run preset:leader-kill --set cluster.controllers=3", "cluster.controllers"),
    ("run preset:leader-kill --set cluster.brokers=-1", "cluster.brokers"),
    ("run preset:leader-kill --set topics[0].partitions=100000000", "topics[0].partitions"),
    ("run preset:leader-kill --set run.duration=-5s", "run.duration"),
    ("run preset:leader-kill --set run.duration=100000h", "run.duration"),
    ("run preset:leader-kill --set run.budget.events=1000", "run.budget.events"),
    ("run preset:leader-kill --set run.budget.memory=1MiB", "run.budget.memory"),
    ("run preset:leader-kill --set producer.rate=1000000/s", "run.budget"),
    ("run preset:leader-kill --kafka 9.9", "--kafka"),
    ("run preset:leader-kill --drill no-such", "no-such"),
    ("run preset:leader-kill --expect-violation acked-lots", "acked-lost"),
    ("run preset:leader-kill --out report.pdf", "report.pdf"),
    ("run preset:leader-kill --out file.md/report.md", "file.md is not a folder"),
    ("run preset:leader-kill preset:disk-full --out report.md", "name a folder"),
    ("run preset:leader-kill missing.json --out report.md", "missing.json"),
    ("replay missing.json", "missing.json"),
    ("replay folder", "folder"),
    ("replay big.json", "big.json"),
    ("replay not-utf-8.json", "not-utf-8.json"),
    ("replay no-repro.json", "no-repro.json:1:"),
    ("replay whole-repro.json", "whole-repro.json:1:"),
    ("replay whole-repro.json --seed 1", "whole-repro.json:1:"),
    ("replay preset:leader-kill", "--seed"),
    ("replay repro.json", "repro.json:1"),
    ("replay twice-repro.json", "twice-repro.json:1:21"),
    ("replay seed-repro.json", "expected a whole number"),
    ("replay deep-repro.json", "deep-repro.json:1:"),
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
    let at = text.find("\"seed\": ").expect("a seed") + 8;
    let mut edited = text.clone();
    edited.insert(at, '1');
    fs::write(&repro, edited).expect("written");
    assert_eq!(run(&line).0, Some(4), "an edited seed is another run");
    let lie = text.replace("\"property\": \"acked-lost\"", "\"property\": \"two-leaders\"");
    fs::write(&repro, lie).expect("written");
    assert_eq!(run(&line).0, Some(4), "it violates something else than the file says");
    let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    fs::write(&repro, marked).expect("written");
    assert_eq!(run(&line).0, Some(1), "an editor on Windows changes nothing");
    fs::write(&repro, text.replace("\"highwater\": \"", "\"highwater\": \"0.")).expect("written");
    assert_eq!(run(&line).0, Some(1), "another version is judged by its verdict alone");
    fs::write(&repro, text.replace("\"brokers\": 3", "\"brokers\": 0")).expect("written");
    assert_eq!(run(&line).0, Some(2), "a scenario that cannot be run is refused");
    fs::write(&repro, &text[..text.len() / 2]).expect("written");
    assert_eq!(run(&line).0, Some(2), "a truncated repro is refused");
}

#[test]
fn each_column_has_a_repro_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = "run preset:acks-all-min-insync-2 --seeds 20 --set producer.acks=1 --kafka 4.0,4.1";
    let (code, text) = exit(folder.path(), gate);
    assert_eq!(code, Some(1), "{text}");
    let commands = text.lines().filter_map(|l| l.trim().strip_prefix("reproduce  highwater "));
    let commands: Vec<&str> = commands.collect();
    assert_eq!(commands.len(), 2, "{text}");
    assert_ne!(commands[0], commands[1]);
    for (command, kafka) in commands.iter().zip(["4.0", "4.1"]) {
        let (code, again) = exit(folder.path(), command);
        assert_eq!(code, Some(1), "{command}: {again}");
        assert!(again.contains(&format!("model Kafka {kafka}")), "{command}: {again}");
    }
}

/// A broken bound names no fact, and its repro file must hold the random faults all the same.
#[test]
fn a_broken_bound_is_replayed_with_its_random_faults() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |line: &str| exit(folder.path(), line);
    let (code, text) =
        run("run preset:leader-kill --seeds 20 --set topics[0].replication-factor=2");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("at-least write-availability"), "{text}");
    let command = text.lines().find_map(|l| l.trim().strip_prefix("reproduce  highwater "));
    let (code, again) = run(command.expect("a command"));
    assert_eq!(code, Some(1), "{again}");
    assert!(again.contains("network-loss"), "{again}");
}

#[test]
fn line_ends_and_a_byte_order_mark_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = include_str!("../../scenarios/disk-full.json");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    fs::create_dir(folder.path().join("windows")).expect("made");
    write("disk-full.json", good);
    write("windows/disk-full.json", &format!("\u{feff}{}", good.replace('\n', "\r\n")));
    write("producer.properties", "# ours\nlinger.ms=7\n");
    write("windows/producer.properties", "# ours\r\nlinger.ms=7\r\n");
    let run = |place: &str| {
        let files = format!("{place}disk-full.json --producer-config {place}producer.properties");
        exit(folder.path(), &format!("run {files} --seed 0 --format json"))
    };
    let (code, text) = run("");
    assert_eq!(code, Some(0));
    assert_eq!(run("windows/"), (code, text));
}

#[test]
fn the_last_seeds_are_seeds_like_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let last = "--seeds 18446744073709551613..18446744073709551615";
    let (code, text) = exit(folder.path(), &format!("run preset:disk-full {last}"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 seeds"), "{text}");
    let from = "--set run.seeds.from=18446744073709551595";
    let (code, text) = exit(folder.path(), &format!("run preset:disk-full {from}"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("18446744073709551595..18446744073709551615"), "{text}");
}

/// Half a report on a full disk must not pass for a verdict.
#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_an_error() {
    let full = fs::File::options().write(true).open("/dev/full").expect("a full device");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_highwater"));
    let output = command.args(["list", "configs"]).stdout(full).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("cannot write to stdout"), "{told}");
}

/// Waits in vain for longer than its budget of events lasts, which no estimate can know.
const OUT_OF_BUDGET: &str = r#"{ "version": 1, "title": "t", "cluster": { "brokers": 1 },
  "topics": [{ "name": "t", "replication-factor": 1 }], "producers": [{ "name": "p", "rate": "10/s" }],
  "script": [{ "until": { "truncated": { "partition": "t-0" } }, "within": "1000h" }],
  "expect": [{ "never": "acked-lost" }],
  "run": { "duration": "10s", "budget": { "events": 50000 } } }"#;

#[test]
fn what_could_not_be_judged_is_inconclusive_unless_that_is_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("s.json"), OUT_OF_BUDGET).expect("written");
    let run = |line: &str| exit(folder.path(), line);
    let (code, text) = run("run s.json --seeds 2");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("2 of 2 runs were stopped at run.budget.events (50 000)"), "{text}");
    assert_eq!(run("run s.json --seeds 2 --allow-inconclusive").0, Some(0));
    let (code, text) = run("run s.json --set script[0].within=20s");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("script[0] waited in vain in 1 of 1 runs"), "{text}");
    let (code, text) = run("replay s.json --seed 0");
    assert_eq!(code, Some(3), "a replay exits as its run did: {text}");
    let never = "run preset:disk-full --seed 0 --expect-violation acked-lost --quiet";
    assert_eq!(run(never).0, Some(1), "what was looked for and not found is no pass");
    assert_eq!(run(&format!("{never} --allow-inconclusive")).0, Some(1));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command as Plain, Stdio};
    let folder = tempfile::tempdir().expect("a folder");
    // Each writes more after its first line than a pipe holds, or long after it.
    for line in ["replay preset:disk-full --seed 0 --trace", "run preset:disk-full --format jsonl"]
    {
        let mut child = Plain::new(env!("CARGO_BIN_EXE_highwater"))
            .current_dir(&folder)
            .args(line.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut first).expect("a line");
        drop(stdout);
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "`{line} | head -1`: {told}");
        assert!(!told.contains("panicked"), "{told}");
    }
}

#[test]
fn there_is_no_colour_where_nobody_sees_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for line in ["run preset:disk-full --seed 0", "run missing.json", "run", "--help"] {
        // Neither stdout nor stderr is a terminal here, whether NO_COLOR is set or not.
        for no_color in [None, Some("1")] {
            let mut command = Command::cargo_bin("highwater").expect("the program");
            command.current_dir(&folder).args(line.split(' ')).env_remove("NO_COLOR");
            command.envs(no_color.map(|value| ("NO_COLOR", value)));
            let output = command.output().expect("it runs");
            let escape = |bytes: &[u8]| bytes.contains(&0x1b);
            assert!(!escape(&output.stdout) && !escape(&output.stderr), "`{line}` {no_color:?}");
        }
    }
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
