//! Holds the simulator against what real Kafka brokers did.
//!
//! Every pair `NAME.json` (a recording) and `NAME.scenario.json` (a scenario whose script does the
//! same) below `tests/conformance/` is run with seeds 0–19 and compared by the comparison rules of
//! the recordings' README, restated in `conformance_support/compare.rs`. Dropping a further pair there is
//! enough to test it. Facts of a recording that nothing binds are listed, never passed over.
//!
//! The other modules hold clients and small clusters, driven by hand, to what real ones do. One
//! binary, because each links the whole library anew.

#![expect(clippy::print_stdout, reason = "what was compared or found is part of the output")]

#[path = "clients/bench.rs"]
mod bench;
#[path = "world/cluster.rs"]
mod cluster;
#[path = "conformance_support/compare.rs"]
mod compare;
#[path = "clients/consuming.rs"]
mod consuming;
#[path = "conformance_support/durations.rs"]
mod durations;
#[path = "world/faults.rs"]
mod faults;
#[path = "clients/producing.rs"]
mod producing;
#[path = "world/steady.rs"]
mod steady;
#[path = "conformance_support/tables.rs"]
mod tables;

use std::path::{Path, PathBuf};

use highwater::run::{Ended, Options, Outcome, run};
use highwater::scenario::{Overrides, Source, load};
use serde_json::Value as Json;

const SEEDS: u64 = 20;

fn pairs(folder: &Path, found: &mut Vec<(PathBuf, PathBuf)>) {
    let entries = std::fs::read_dir(folder).expect("the folder of recordings");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            pairs(&path, found);
            continue;
        }
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some(stem) = name.strip_suffix(".scenario.json") {
            let recording = path.with_file_name(format!("{stem}.json"));
            assert!(recording.exists(), "{} has no recording beside it", path.display());
            found.push((recording, path));
        }
    }
}

struct Report {
    name: String,
    differences: Vec<String>,
    unbound: Vec<String>,
    compared: usize,
}

fn read(recording: &Path) -> Json {
    let text = std::fs::read_to_string(recording).expect("a recording");
    serde_json::from_str(&text).expect("a recording is JSON")
}

/// The recording of the same case in the folder of another release, if there is one.
fn another_release(recording: &Path) -> Option<PathBuf> {
    let (folder, name) = (recording.parent()?, recording.file_name()?);
    let folders = std::fs::read_dir(folder.parent()?).expect("the folders of releases");
    let mut others: Vec<PathBuf> =
        folders.map(|f| f.expect("a folder").path().join(name)).collect();
    others.retain(|other| other.as_path() != recording && other.exists());
    others.sort();
    others.pop()
}

fn compare_pair(recording: &Path, scenario: &Path) -> Report {
    let name = recording.display().to_string();
    let another = another_release(recording).map(|path| read(&path));
    let recording = read(recording);
    let mut report = Report { name, differences: Vec::new(), unbound: Vec::new(), compared: 0 };
    // The lab's controllers had just become active: their first look for leaders to elect came a
    // whole interval later, after the end of the script.
    let day =
        |property: &str, value: &str| (format!("cluster.config[{property}]"), value.to_owned());
    let set = vec![
        day("leader.imbalance.check.interval.seconds", "86400"),
        day("unclean.leader.election.interval.ms", "86400000"),
    ];
    let overrides = Overrides { set, ..Overrides::default() };
    let scenario = match load(&Source::File(scenario), &overrides) {
        Ok(scenario) => scenario,
        Err(diagnostics) => {
            // The other pairs are still worth their verdicts.
            report.differences.push(format!("refused:\n{}", diagnostics.render(false)));
            return report;
        }
    };
    let plan = &scenario.columns[0];
    let outcomes: Vec<Outcome> =
        (0..SEEDS).map(|seed| run(plan, seed, Options::default())).collect();
    for outcome in &outcomes {
        if outcome.ended != Ended::Done {
            let what = format!("seed {}: the run ended {:?}", outcome.seed, outcome.ended);
            report.differences.push(what);
        }
    }
    compare::facts(&recording, another.as_ref(), plan, &outcomes, &mut |verdict| match verdict {
        compare::Verdict::Held => report.compared += 1,
        compare::Verdict::Unbound(key) => report.unbound.push(key),
        compare::Verdict::Differs(what) => report.differences.push(what),
    });
    durations::compare(&recording, &plan.names, &outcomes, &mut |verdict| match verdict {
        compare::Verdict::Held => report.compared += 1,
        compare::Verdict::Unbound(key) => report.unbound.push(key),
        compare::Verdict::Differs(what) => report.differences.push(what),
    });
    report
}

#[test]
fn the_simulator_does_what_real_brokers_did() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let folder = std::env::var("CONFORMANCE_FOLDER").map_or(own, PathBuf::from);
    let mut found = Vec::new();
    pairs(&folder, &mut found);
    let only = std::env::var("CONFORMANCE").unwrap_or_default();
    found.retain(|(recording, _)| recording.display().to_string().contains(&only));
    assert!(!found.is_empty(), "no recording with a scenario below {}", folder.display());
    let mut differences = String::new();
    for (recording, scenario) in &found {
        let report = compare_pair(recording, scenario);
        println!(
            "{}: {} facts compared, {} differ, unbound: {:?}",
            report.name,
            report.compared,
            report.differences.len(),
            report.unbound
        );
        if report.compared == 0 && report.differences.is_empty() {
            differences.push_str(&format!("{}: nothing was compared\n", report.name));
        }
        for difference in report.differences {
            differences.push_str(&format!("{}: {difference}\n", report.name));
        }
    }
    assert!(differences.is_empty(), "the simulator differs from real brokers:\n{differences}");
}
