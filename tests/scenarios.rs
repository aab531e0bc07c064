//! Every scenario against its golden report: seeds 0 to 19, byte for byte, through the program.
//!
//! `UPDATE=1 cargo test --test scenarios` writes `reports/` anew. A canary may need more seeds than
//! these to find its loss: there `NOT FOUND` is a verdict, and `tests/killers/canaries.rs` looks further.

#[path = "common/files.rs"]
mod files;

use std::path::Path;

use files::{root, scenario_files};

/// The report of a scenario, as `--out` writes it, and the exit code.
fn report(name: &str, jobs: &str) -> (String, i32) {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("report.md");
    let mut command = assert_cmd::Command::cargo_bin("highwater").expect("the program");
    command.current_dir(root()).args(["run", &format!("scenarios/{name}.json")]);
    command.args(["--seeds", "0..20", "--max-failures", "1000", "--progress", "none"]);
    command.args(["--jobs", jobs]).arg("--out").arg(&out);
    let output = command.output().expect("it runs");
    let text = std::fs::read_to_string(&out).unwrap_or_else(|_| {
        panic!("{name} wrote no report:\n{}", String::from_utf8_lossy(&output.stderr))
    });
    (text, output.status.code().expect("it exits"))
}

/// The scenario's name: its path below `scenarios/` without its ending.
fn name(file: &Path) -> String {
    let path = file.strip_prefix(root().join("scenarios")).expect("a scenario of ours");
    path.with_extension("").to_string_lossy().replace('\\', "/")
}

#[test]
fn every_scenario_gives_its_golden_report() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut complaints = Vec::new();
    for file in scenario_files() {
        let name = name(&file);
        let (text, exit) = report(&name, "2");
        let golden = root().join(format!("reports/{name}.md"));
        if update {
            std::fs::create_dir_all(golden.parent().expect("a folder")).expect("made");
            std::fs::write(&golden, &text).expect("written");
        }
        if std::fs::read_to_string(&golden).ok().as_deref() != Some(&text) {
            complaints.push(format!("{name}: its report is not reports/{name}.md"));
        }
        let failed = text.contains("| FAILED |");
        let not_found = text.contains("| NOT FOUND |");
        let held = exit == 0 || exit == 1 && name.starts_with("canary/") && not_found && !failed;
        if !held {
            complaints.push(format!("{name}: exit {exit}"));
        }
    }
    assert!(complaints.is_empty(), "{}\n`UPDATE=1` rewrites reports", complaints.join("\n"));
}

#[test]
fn reports_do_not_depend_on_threads() {
    for name in ["acks-all-min-insync-2", "canary/acks-1"] {
        assert_eq!(report(name, "1"), report(name, "2"), "{name}");
    }
}

#[test]
fn every_golden_report_has_its_scenario() {
    let mut folders = vec![root().join("reports")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of reports") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(root().join("reports")).expect("below").to_owned();
            let scenario = root().join("scenarios").join(below).with_extension("json");
            assert!(scenario.is_file(), "{} has no scenario", path.display());
        }
    }
}

/// Small inputs that use and public reports have brought: what each expects is what Kafka does.
#[test]
fn field_reports_end_as_in_kafka() {
    let mut complaints = Vec::new();
    let folder = root().join("tests/field_reports");
    for entry in std::fs::read_dir(folder).expect("a folder of inputs") {
        let path = entry.expect("an entry").path();
        let mut command = assert_cmd::Command::cargo_bin("highwater").expect("the program");
        command.arg("run").arg(&path).args(["--progress", "none", "--jobs", "2"]);
        let output = command.output().expect("it runs");
        if output.status.code() != Some(0) {
            let said = String::from_utf8_lossy(&output.stdout);
            complaints.push(format!("{}: {}\n{said}", path.display(), output.status));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
