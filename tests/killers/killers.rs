//! Every checker can fail: each data and liveness property is violated by a committed scenario, as it
//! stands or under a drill, and every drill is found by the gate with an observed fact.

#![expect(clippy::print_stdout, reason = "what was compared or found is part of the output")]

use std::collections::BTreeSet;

use highwater::check::audit::Compared;
use highwater::check::registry::{Kind, PROPERTIES};
use highwater::check::violation::Detail;
use highwater::model::plan::Plan;
use highwater::model::rules::Drill;
use highwater::run::{Options, run};

use crate::load::scenario;

const GATE: &str = "acks-all-min-insync-2";

/// Seeds in which the gate must find a drill.
const SEEDS: u64 = 1_000;

/// A property, the scenario that violates it, and the drill it needs for that.
struct Killer(&'static str, &'static str, Option<Drill>);

const KILLERS: &[Killer] = &[
    Killer("log-diverged", GATE, Some(Drill::NoTruncation)),
    Killer("watermark-fell", GATE, Some(Drill::WatermarkFalls)),
    Killer("leader-incomplete", "canary/unclean-election", None),
    Killer("candidate-incomplete", "canary/unclean-election", None),
    Killer("acked-lost", "canary/acks-1", None),
    Killer("committed-lost", "canary/budget-beyond", None),
    Killer("inconsistent-read", "canary/unclean-election", None),
    Killer("dirty-read", GATE, Some(Drill::ReadUncommittedTail)),
    Killer("duplicate", "canary/acks-1", None),
    Killer("order-broken", "canary/acks-1", None),
    Killer("two-leaders", GATE, Some(Drill::SameLeaderEpoch)),
    Killer("isr-unjustified", GATE, Some(Drill::EagerShrink)),
    Killer("fenced-in-isr", GATE, Some(Drill::FencedJoinsIsr)),
    Killer("key-misplaced", GATE, Some(Drill::KeyIgnored)),
    Killer("min-insync-ignored", GATE, Some(Drill::MinInsyncIgnored)),
    Killer("election-unjustified", GATE, Some(Drill::ElectAnyReplica)),
    Killer("retention-broken", GATE, Some(Drill::RetentionTakesAll)),
    Killer("audit-failed", GATE, Some(Drill::DiskErrorIgnored)),
    Killer("writes-resume", "killers/full-for-good", None),
    Killer("requests-end", "killers/full-for-good", None),
    Killer("isr-fills", "killers/full-for-good", None),
    Killer("lag-drains", "killers/slow-consumer", None),
    Killer("metadata-converges", "killers/full-for-good", None),
];

/// What the audit compares, and the drill with which the gate makes it differ. Where there is none,
/// no node can be made to lie so (a watermark is clamped to its log; a disk has no drills, because
/// what it does to a log it tells itself): forged replicas show these in `check::audit`.
const AUDITED: &[(Compared, Option<Drill>)] = &[
    (Compared::LogEnd, Some(Drill::DiskErrorIgnored)),
    (Compared::WatermarkAboveEnd, None),
    (Compared::WatermarkOverTail, None),
    (Compared::CommittedIsr, Some(Drill::OptimisticIsr)),
    (Compared::Batch, None),
    (Compared::BatchMissing, None),
    (Compared::BatchUntold, None),
];

/// The plan of a committed scenario.
fn plan(name: &str) -> Plan {
    scenario(name, &[]).columns.remove(0)
}

/// The properties that a run violates.
fn violated(plan: &Plan, seed: u64, drill: Option<Drill>) -> BTreeSet<&'static str> {
    let outcome = run(plan, seed, Options { drill, ..Options::default() });
    outcome.checks.violations().iter().map(|v| v.property).collect()
}

#[test]
fn every_property_is_violated_by_a_committed_scenario() {
    for property in PROPERTIES.iter().filter(|p| p.kind != Kind::Mark) {
        let killer = KILLERS.iter().find(|k| k.0 == property.name);
        let Killer(name, scenario, drill) =
            killer.unwrap_or_else(|| panic!("{} has no killer", property.name));
        let plan = plan(scenario);
        let seed = (0..300).find(|seed| violated(&plan, *seed, *drill).contains(name));
        let seed = seed.unwrap_or_else(|| panic!("{scenario} does not violate {name}"));
        println!("{name}: {scenario}, seed {seed}");
    }
}

#[test]
fn every_comparison_of_the_audit_can_fail() {
    let gate = plan(GATE);
    let differs = |seed, drill, what| {
        let outcome = run(&gate, seed, Options { drill: Some(drill), ..Options::default() });
        let details = outcome.checks.violations().iter().map(|v| v.detail);
        details.into_iter().any(|d| matches!(d, Detail::Audit { what: w, .. } if w == what))
    };
    for what in Compared::ALL {
        let row = AUDITED.iter().find(|(compared, _)| compared == what);
        let (_, drill) = row.unwrap_or_else(|| panic!("{what:?} has no row"));
        let Some(drill) = *drill else { continue };
        let seed = (0..300).find(|seed| differs(*seed, drill, *what));
        let seed = seed.unwrap_or_else(|| panic!("{drill:?} does not show {what:?}"));
        println!("{what:?}: {drill:?}, seed {seed}");
    }
}

/// The first seed in which the gate with this drill violates a data property that it does not
/// violate without it, and the properties. The audit compares with what nodes say, so it does not
/// count here.
fn found_by_gate(gate: &Plan, drill: Drill) -> Option<(u64, BTreeSet<&'static str>)> {
    let is_data = |name: &&'static str| {
        let property = PROPERTIES.iter().find(|p| p.name == *name);
        property.is_some_and(|p| p.kind == Kind::Data && p.name != "audit-failed")
    };
    (0..SEEDS).find_map(|seed| {
        let mut found = violated(gate, seed, Some(drill));
        found.retain(|name| is_data(name));
        if !found.is_empty() {
            let without = violated(gate, seed, None);
            found.retain(|name| !without.contains(name));
        }
        (!found.is_empty()).then_some((seed, found))
    })
}

#[test]
fn every_drill_is_found_by_the_gate_with_an_observed_fact() {
    assert!(Drill::ALL.len() >= 12, "at least twelve drills");
    let gate = plan(GATE);
    let mut missed = Vec::new();
    for (drill, name, _) in Drill::ALL {
        match found_by_gate(&gate, *drill) {
            Some((seed, found)) => println!("{name}: seed {seed}, {found:?}"),
            None => missed.push(*name),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}
