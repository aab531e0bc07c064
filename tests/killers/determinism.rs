//! One seed, one run: on any thread, in any order, a second time, in another process, and with every
//! triggered or random fault written back as an `at` line.

use std::process::Command;

use highwater::internals::check::{Judge, Verdicts};
use highwater::internals::model::Deaf;
use highwater::internals::sim::World;
use highwater::internals::{Progress, SeedRange, SeedRule, SweepOptions, sweep, with_schedule};
use highwater::run::{Options, run};
use highwater::scenario::{Overrides, Scenario, Source, load};
use highwater::types::Time;

use crate::files::scenario_files;
use crate::load::{load_file, scenario};

const SEEDS: u64 = 3;

#[test]
fn a_second_run_is_the_same_run() {
    for file in scenario_files() {
        let scenario = load_file(&file, &[]);
        let plan = &scenario.columns[0];
        for seed in 0..SEEDS {
            let first = run(plan, seed, Options::default());
            let second = run(plan, seed, Options { trace: true, ..Options::default() });
            assert_eq!(first.fingerprint, second.fingerprint, "{} seed {seed}", scenario.name);
            assert_eq!(first.events, second.events, "{} seed {seed}", scenario.name);
        }
    }
}

#[test]
fn observing_changes_nothing() {
    // How long a run settles is for the checkers to say.
    let mut plan = scenario("acks-all-min-insync-2", &[]).columns[0].clone();
    plan.run.heal = false;
    let plan = &plan;
    for seed in 0..10 {
        let observed = run(plan, seed, Options::default());
        let mut world = World::new(plan, seed, highwater::internals::app::build(plan));
        while world.next_time().is_some_and(|at| at <= Time::ZERO + plan.run.duration) {
            world.step(&mut Deaf);
        }
        assert_eq!((world.handled(), world.now()), (observed.events, observed.time), "seed {seed}");
    }
}

#[test]
fn different_seeds_are_different_runs() {
    let gate = scenario("acks-all-min-insync-2", &[]);
    let prints: std::collections::BTreeSet<u64> =
        (0..20).map(|seed| run(&gate.columns[0], seed, Options::default()).fingerprint).collect();
    assert_eq!(prints.len(), 20);
}

#[test]
fn a_schedule_written_back_as_at_lines_gives_the_same_fingerprint() {
    for file in scenario_files() {
        let scenario = load_file(&file, &[]);
        for seed in 0..SEEDS {
            let outcome = run(&scenario.columns[0], seed, Options::default());
            let written = with_schedule(&scenario, 0, &outcome.schedule);
            let text = serde_json::to_string_pretty(&written).expect("a scenario is JSON");
            let name = format!("{} with its schedule", scenario.name);
            let source = Source::Text { name: &name, text: &text };
            let again = match load(&source, &Overrides::default()) {
                Ok(again) => again,
                Err(diagnostics) => panic!("{name}:\n{}", diagnostics.render(false)),
            };
            let replayed = run(&again.columns[0], seed, Options::default());
            assert_eq!(outcome.fingerprint, replayed.fingerprint, "{name}, seed {seed}");
        }
    }
}

/// The fingerprints of seeds from 0 on, as another process prints them.
fn printed(name: &str, seeds: u64) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.args(["run", &format!("preset:{name}"), "--seeds", &seeds.to_string()]);
    command.args(["--max-failures", "1000", "--progress", "none", "--format", "jsonl"]);
    // Another folder, other variables, so that nothing of this process is shared by chance.
    let folder = tempfile::tempdir().expect("a folder");
    command.current_dir(folder.path()).env("TZ", "Asia/Tokyo").env("LANG", "tr_TR.UTF-8");
    let output = command.output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let lines = text.lines().map(|line| -> serde_json::Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"))
    });
    let seeds = lines.filter(|line| line["type"] == "seed");
    seeds.map(|line| line["fingerprint"].as_str().expect("a fingerprint").to_owned()).collect()
}

#[test]
fn another_process_gives_the_same_fingerprints() {
    for name in ["acks-all-min-insync-2", "canary/tail-lost", "network-partition/one-way"] {
        let here = (0..SEEDS).map(|seed| {
            let plan = &scenario(name, &[]).columns[0];
            format!("{:016x}", run(plan, seed, Options::default()).fingerprint)
        });
        assert_eq!(here.collect::<Vec<_>>(), printed(name, SEEDS), "{name}");
    }
}

/// Sweeps the first column over `0..seeds`, without stopping at failures.
fn swept(scenario: &Scenario, seeds: u64, options: Options) -> (Judge, Verdicts) {
    let plan = &scenario.columns[0];
    let judge = Judge::new(plan, &scenario.expect, false, None);
    let options = SweepOptions {
        range: SeedRange { from: 0, until: seeds },
        rule: SeedRule::default(),
        jobs: None,
        max_failures: u64::MAX,
        verify_determinism: false,
        options,
    };
    let sweep = sweep(plan, &judge, &options, &Progress::default(), |_| {});
    let verdicts = sweep.unwrap_or_else(|e| panic!("{}: {e}", scenario.name)).verdicts;
    (judge, verdicts)
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let gate = scenario("acks-all-min-insync-2", &[]);
    let (_, all) = swept(&gate, 40, Options::default());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let (_, one) = pool.install(|| swept(&gate, 40, Options::default()));
    assert_eq!(all.fingerprint(), one.fingerprint());
    // And the fold is over the runs in seed order.
    let mut judge_order = swept(&gate, 0, Options::default()).1;
    let judge = Judge::new(&gate.columns[0], &gate.expect, false, None);
    for seed in 0..40 {
        let outcome = run(&gate.columns[0], seed, Options::default());
        judge_order.add(&judge, judge.judge(seed, outcome));
    }
    assert_eq!(all.fingerprint(), judge_order.fingerprint());
}
