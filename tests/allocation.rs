//! A steady run allocates nothing per event: whatever its parts need, they have after a while.
//!
//! Two runs of one seed, of which the shorter is the beginning of the longer: what the longer one
//! allocates beyond the shorter one belongs to its last minutes. Retention keeps the logs short.

#![expect(clippy::print_stdout, reason = "what was counted is part of the output")]

use std::alloc::System;

use highwater::internals::model::Deaf;
use highwater::internals::sim::World;
use highwater::plan::Plan;
use highwater::run::{Options, run};
use highwater::scenario::{Overrides, Source, load};
use highwater::types::{Span, Time};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SCENARIO: &str = r#"{
  "version": 1,
  "title": "steady",
  "cluster": { "brokers": 3, "kafka": ["4.1"] },
  "topics": [{
    "name": "t",
    "partitions": 3,
    "replication-factor": 3,
    "config": { "min.insync.replicas": 2, "retention.ms": 20000, "segment.ms": 5000 }
  }],
  "producers": [{ "name": "p", "topics": ["t"], "rate": "200/s", "keys": 20 }],
  "consumers": [{ "name": "c", "assign": ["t-0", "t-1", "t-2"] }],
  "run": { "duration": "60s", "settle": "60s", "seeds": { "count": 1 } }
}"#;

fn plan(minutes: u64) -> Plan {
    let source = Source::Text { name: "steady", text: SCENARIO };
    let scenario = match load(&source, &Overrides::default()) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{}", diagnostics.render(false)),
    };
    let mut plan = scenario.columns[0].clone();
    plan.run.duration = Span::secs(60 * minutes);
    plan.run.heal = false;
    plan
}

/// Events and allocations (reallocations among them) of a run.
fn measured(work: impl FnOnce() -> u64) -> (u64, usize) {
    let region = Region::new(ALLOCATOR);
    let events = work();
    let change = region.change();
    (events, change.allocations + change.reallocations)
}

fn whole(plan: &Plan) -> (u64, usize) {
    measured(|| run(plan, 1, Options::default()).events)
}

fn bare(plan: &Plan) -> (u64, usize) {
    measured(|| {
        let mut world = World::new(plan, 1, highwater::internals::app::build(plan));
        while world.next_time().is_some_and(|at| at <= Time::ZERO + plan.run.duration) {
            world.step(&mut Deaf);
        }
        world.handled()
    })
}

/// One test: the allocator counts for the whole process.
#[test]
fn a_steady_run_allocates_nothing_per_event() {
    let (short, long) = (plan(20), plan(40));
    for (name, ((few, before), (many, after))) in
        [("no-op tap", (bare(&short), bare(&long))), ("every check", (whole(&short), whole(&long)))]
    {
        let (events, allocations) = (many - few, after - before);
        println!("{name}: {events} events, {allocations} allocations ({before} before)");
        assert!(events > 100_000, "{name}: {events} events are too few to tell");
        assert!(
            allocations as u64 * 10_000 < events,
            "{name}: {allocations} allocations in {events} events"
        );
    }
}
