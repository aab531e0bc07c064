//! The canaries: the gate with one precondition of claim G6 taken away loses acknowledged records. If
//! one of them finds nothing, the gate's silence means nothing.

#![expect(clippy::print_stdout, reason = "what was compared or found is part of the output")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{root, scenario};
use highwater::run::{Options, run};
use highwater::scenario::Scenario;

/// Each canary with the one change it makes, and in how many seeds it must find a loss.
const CANARIES: [(&str, (&str, &str), u64); 6] = [
    ("acks-1", ("producer.acks", "1"), 200),
    ("min-insync-1", ("topic.min.insync.replicas", "1"), 200),
    ("unclean-election", ("topic.unclean.leader.election.enable", "true"), 200),
    ("elr-off", ("feature.eligible.leader.replicas.version", "0"), 200),
    ("budget-beyond", ("promise.budget", "beyond"), 200),
    ("tail-lost", ("promise.taint", "tail-lost"), 2_000),
];

const GATE: &str = "acks-all-min-insync-2";

/// The first seed below `seeds` that loses an acknowledged record.
fn first_loss(scenario: &Scenario, seeds: u64) -> Option<u64> {
    let loses = |seed: &u64| {
        let outcome = run(&scenario.columns[0], *seed, Options::default());
        outcome.checks.violations().iter().any(|v| v.property == "acked-lost")
    };
    (0..seeds).find(loses)
}

#[test]
fn each_canary_is_the_gate_with_one_change_and_finds_a_lost_record() {
    for (name, set, seeds) in CANARIES {
        let canary = scenario(&format!("canary/{name}"), &[]);
        let gate = scenario(GATE, &[set]);
        assert_eq!(canary.columns, gate.columns, "{name} is the gate with {set:?}");
        let seed = first_loss(&canary, seeds);
        let seed = seed.unwrap_or_else(|| panic!("{name} loses nothing in {seeds} seeds"));
        println!("{name}: seed {seed}");
    }
}

#[test]
fn there_is_no_other_canary() {
    let files = std::fs::read_dir(root().join("scenarios/canary")).expect("a folder");
    let names: Vec<PathBuf> = files.map(|f| f.expect("an entry").path()).collect();
    assert_eq!(names.len(), CANARIES.len(), "{names:?}");
}

/// Exit code of the gate with `--set`, run as a user would.
fn exit_code(folder: &Path, more: &[&str]) -> Option<i32> {
    let gate = root().join(format!("scenarios/{GATE}.json"));
    let output = Command::new(env!("CARGO_BIN_EXE_highwater"))
        .current_dir(folder)
        .arg("run")
        .arg(gate)
        .args(["--seeds", "200", "--set", "producer.acks=1"])
        .args(more)
        .output()
        .expect("the binary runs");
    output.status.code()
}

#[test]
fn the_gate_fails_with_the_change_unless_the_violation_is_expected() {
    let folder = std::env::temp_dir().join(format!("highwater-canaries-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder to write failures to");
    assert_eq!(exit_code(&folder, &[]), Some(1));
    assert_eq!(exit_code(&folder, &["--expect-violation", "acked-lost"]), Some(0));
    assert_eq!(exit_code(&folder, &["--expect-violation", "two-leaders"]), Some(1));
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}
