//! Every checker can fail: each data and liveness property is violated by a committed scenario, as
//! it stands or under a drill, and every drill is found by the property that is meant for it.

#![expect(clippy::print_stdout, reason = "what was compared or found is part of the output")]

use std::collections::BTreeSet;

use highwater::internals::check::{Compared, Detail, PROPERTIES, PropertyKind};
use highwater::plan::{Drill, Plan};
use highwater::run::{Options, run};

use crate::load::scenario;

const GATE: &str = "acks-all-min-insync-2";

/// Long polls, no retries, no faults: who is not woken waits for so long that it shows.
const WAKE_UP: &str = "killers/lost-wake-up";

/// A cut between a leader and one follower, and nothing that happens after it.
const CUT_OFF: &str = "killers/follower-cut-off";

/// A partition that nobody can ever lead again, and a producer that goes on.
const NO_LEADER: &str = "killers/no-leader-for-good";

/// Small polls of a slow consumer over a change of leaders.
const SMALL_POLLS: &str = "killers/small-polls";

/// Consumers that retention outruns.
const OUTRUN: &str = "killers/outrun-by-retention";

/// A stale replica is elected uncleanly while a consumer is ahead of it.
const UNCLEAN: &str = "canary/unclean-election";

/// Seeds in which a drill must be found.
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
    Killer("read-skipped", SMALL_POLLS, Some(Drill::PollDropsRest)),
    Killer("position-unjustified", OUTRUN, Some(Drill::ResetToOtherEnd)),
    Killer("producer-unfenced", GATE, Some(Drill::OldProducerEpochTaken)),
    Killer("sequence-gap", GATE, Some(Drill::SequenceGapsTaken)),
    Killer("rejected-but-written", GATE, Some(Drill::UnknownIsRejected)),
    Killer("two-leaders", GATE, Some(Drill::SameLeaderEpoch)),
    Killer("isr-unjustified", GATE, Some(Drill::EagerShrink)),
    Killer("fenced-in-isr", GATE, Some(Drill::FencedJoinsIsr)),
    Killer("key-misplaced", GATE, Some(Drill::KeyIgnored)),
    Killer("min-insync-ignored", GATE, Some(Drill::MinInsyncIgnored)),
    Killer("election-unjustified", GATE, Some(Drill::ElectAnyReplica)),
    Killer("retention-broken", GATE, Some(Drill::RetentionTakesAll)),
    Killer("audit-failed", "canary/acks-1", Some(Drill::DiskErrorIgnored)),
    Killer("writes-resume", WAKE_UP, Some(Drill::ProduceNotWoken)),
    Killer("requests-end", NO_LEADER, Some(Drill::ExpiryNotRearmed)),
    Killer("isr-fills", CUT_OFF, Some(Drill::FetcherNotRearmed)),
    Killer("lag-drains", "killers/slow-consumer", None),
    Killer("metadata-converges", GATE, Some(Drill::HeartbeatsNotResumed)),
];

/// What the audit compares, and the drill and the scenario that make it differ. Where there is none,
/// no node can be made to lie so (a watermark is clamped to its log; a disk has no drills, because
/// what it does to a log it tells itself): forged replicas show these in `check::audit`.
const AUDITED: &[(Compared, Option<(Drill, &str)>)] = &[
    (Compared::LogEnd, Some((Drill::DiskErrorIgnored, "canary/acks-1"))),
    (Compared::WatermarkAboveEnd, None),
    (Compared::WatermarkOverTail, None),
    (Compared::CommittedIsr, Some((Drill::OptimisticIsr, GATE))),
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
    outcome.violations().iter().map(|v| v.property).collect()
}

#[test]
fn every_property_is_violated_by_a_committed_scenario() {
    for property in PROPERTIES.iter().filter(|p| p.kind != PropertyKind::Mark) {
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
    let differs = |plan: &Plan, seed: u64, drill, what| {
        let outcome = run(plan, seed, Options { drill: Some(drill), ..Options::default() });
        let details = outcome.violations().iter().map(|v| v.detail);
        details.into_iter().any(|d| matches!(d, Detail::Audit { what: w, .. } if w == what))
    };
    for what in Compared::ALL {
        let row = AUDITED.iter().find(|(compared, _)| compared == what);
        let (_, drill) = row.unwrap_or_else(|| panic!("{what:?} has no row"));
        let Some((drill, scenario)) = *drill else { continue };
        let plan = plan(scenario);
        let seed = (0..300).find(|seed| differs(&plan, *seed, drill, *what));
        let seed = seed.unwrap_or_else(|| panic!("{drill:?} does not show {what:?}"));
        println!("{what:?}: {drill:?}, seed {seed}");
    }
}

/// A drill, the scenario that shows it, and the property meant for it. Others may complain as well;
/// this one has to.
struct Drilled(Drill, &'static str, &'static str);

const DRILLED: &[Drilled] = &[
    Drilled(Drill::HwIgnoresMember, GATE, "candidate-incomplete"),
    Drilled(Drill::NoFetchEpochCheck, GATE, "log-diverged"),
    Drilled(Drill::EarlyAck, GATE, "min-insync-ignored"),
    Drilled(Drill::IsrJoinBelowEpochStart, GATE, "isr-unjustified"),
    Drilled(Drill::DedupeOff, GATE, "duplicate"),
    Drilled(Drill::StaleElr, GATE, "candidate-incomplete"),
    Drilled(Drill::HwBelowMinIsr, GATE, "min-insync-ignored"),
    Drilled(Drill::MinInsyncIgnored, GATE, "min-insync-ignored"),
    Drilled(Drill::NoTruncation, GATE, "log-diverged"),
    Drilled(Drill::ReadUncommittedTail, GATE, "dirty-read"),
    Drilled(Drill::ElectAnyReplica, GATE, "election-unjustified"),
    Drilled(Drill::EagerShrink, GATE, "isr-unjustified"),
    Drilled(Drill::LeaderTrustsLogEnd, GATE, "candidate-incomplete"),
    Drilled(Drill::SameLeaderEpoch, GATE, "two-leaders"),
    Drilled(Drill::KeyIgnored, GATE, "key-misplaced"),
    Drilled(Drill::FollowerWatermarkAtEnd, GATE, "candidate-incomplete"),
    Drilled(Drill::WatermarkFalls, GATE, "watermark-fell"),
    Drilled(Drill::FencedJoinsIsr, GATE, "fenced-in-isr"),
    Drilled(Drill::OptimisticIsr, GATE, "min-insync-ignored"),
    Drilled(Drill::RetentionTakesAll, GATE, "retention-broken"),
    Drilled(Drill::DiskErrorIgnored, GATE, "candidate-incomplete"),
    Drilled(Drill::FetcherNotRearmed, CUT_OFF, "isr-fills"),
    Drilled(Drill::FetchNotWoken, WAKE_UP, "lag-drains"),
    Drilled(Drill::ProduceNotWoken, WAKE_UP, "writes-resume"),
    Drilled(Drill::AlterPartitionNotRetried, GATE, "isr-fills"),
    Drilled(Drill::HeartbeatsNotResumed, GATE, "metadata-converges"),
    Drilled(Drill::ExpiryNotRearmed, NO_LEADER, "requests-end"),
    Drilled(Drill::PollDropsRest, SMALL_POLLS, "read-skipped"),
    Drilled(Drill::PositionOneTooFar, SMALL_POLLS, "read-skipped"),
    Drilled(Drill::NewLeaderSkips, GATE, "read-skipped"),
    Drilled(Drill::LatestIsLogEnd, "killers/latest-below-min-isr", "position-unjustified"),
    Drilled(Drill::ResetToOtherEnd, OUTRUN, "position-unjustified"),
    Drilled(Drill::LogEndOutOfRange, GATE, "position-unjustified"),
    Drilled(Drill::PositionNotValidated, GATE, "position-unjustified"),
    Drilled(Drill::ConsumerTruncationIgnored, UNCLEAN, "position-unjustified"),
    Drilled(Drill::ConsumerTruncationTooFar, UNCLEAN, "position-unjustified"),
    Drilled(Drill::SequenceGapsTaken, GATE, "sequence-gap"),
    Drilled(Drill::OldProducerEpochTaken, GATE, "producer-unfenced"),
    Drilled(Drill::UnknownIsRejected, GATE, "rejected-but-written"),
];

/// A drill counts as found by its property, in a seed in which that holds without it. The audit
/// compares with what nodes say, so it is nobody's.
#[test]
fn every_drill_is_found_by_the_property_meant_for_it() {
    let mut missed = Vec::new();
    for (drill, name, _) in Drill::ALL {
        let row = DRILLED.iter().find(|row| row.0 == *drill);
        let Drilled(_, scenario, meant) = row.unwrap_or_else(|| panic!("{name} has no row"));
        assert_ne!(*meant, "audit-failed", "{name}: by observed facts");
        let plan = plan(scenario);
        let seed = (0..SEEDS).find(|seed| {
            violated(&plan, *seed, Some(*drill)).contains(meant)
                && !violated(&plan, *seed, None).contains(meant)
        });
        match seed {
            Some(seed) => println!("{name}: {scenario}, seed {seed}, {meant}"),
            None => missed.push(*name),
        }
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}
