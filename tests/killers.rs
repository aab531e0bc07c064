//! Every checker can fail: each data property is violated by a committed scenario or by a drill,
//! and every drill is found by the gate.

mod common;

use std::collections::BTreeSet;

use common::{scenario, swept};
use highwater::check::registry::{Kind, PROPERTIES};
use highwater::judge::Judge;
use highwater::model::rules::Drill;
use highwater::run::{Options, run};
use highwater::sweep::{Progress, SeedRange, SeedRule, SweepOptions, sweep};

/// Seeds in which the gate must find a drill.
const SEEDS: u64 = 1_000;

/// The properties that the first failing seed of the gate with this drill violates.
fn found_by_gate(drill: Drill) -> BTreeSet<&'static str> {
    let gate = scenario("acks-all-min-insync-2", &[]);
    let plan = &gate.columns[0];
    let judge = Judge::new(plan, &gate.expect, false, None);
    let options = SweepOptions {
        range: SeedRange { from: 0, until: SEEDS },
        rule: SeedRule::default(),
        jobs: None,
        max_failures: 1,
        verify_determinism: false,
        options: Options { trace: false, drill: Some(drill) },
    };
    let sweep = sweep(plan, &judge, &options, &Progress::default(), |_| {}).expect("no panic");
    let Some(kept) = sweep.verdicts.failures().first() else { return BTreeSet::new() };
    let outcome = run(plan, kept.seed, options.options);
    outcome.checks.violations().iter().map(|v| v.property).collect()
}

#[test]
fn every_drill_is_found_by_the_gate_with_an_observed_fact() {
    assert!(Drill::ALL.len() >= 12, "at least twelve drills");
    let mut missed = Vec::new();
    for (drill, name, _) in Drill::ALL {
        let found = found_by_gate(*drill);
        let data: Vec<&&str> = found
            .iter()
            .filter(|f| PROPERTIES.iter().any(|p| p.name == **f && p.kind == Kind::Data))
            .collect();
        println!("{name}: {data:?}");
        if data.is_empty() {
            missed.push(*name);
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}
