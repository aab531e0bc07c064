//! What a run asks of the allocator.
//!
//! A steady run allocates nothing per event: whatever its parts need, they have after a while. Two
//! runs of one seed, of which the shorter is the beginning of the longer: what the longer one
//! allocates beyond the shorter one belongs to its last minutes. Retention keeps the logs short.
//!
//! A run that retains everything grows by what its records cost, on three disks and in the checks.

#![expect(clippy::print_stdout, reason = "what was counted is part of the output")]

use std::alloc::System;
use std::sync::{Mutex, PoisonError};

use highwater::fact::{Fact, Stamp};
use highwater::internals::check::Checks;
use highwater::internals::model::{Deaf, Observer};
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

/// Batches of two or three records, all retained.
const RETAINED: &str = r#"{
  "version": 1,
  "title": "retained",
  "cluster": { "brokers": 3 },
  "topics": [{ "name": "t", "partitions": 3, "replication-factor": 3 }],
  "producers": [{ "name": "p", "rate": "1000/s", "config": { "linger.ms": 0 } }],
  "run": { "duration": "60s" }
}"#;

/// The allocator counts for the whole process.
static ONE_TEST_AT_A_TIME: Mutex<()> = Mutex::new(());

fn plan(text: &str, minutes: u64) -> Plan {
    let source = Source::Text { name: "a run of the test", text };
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

#[test]
fn a_steady_run_allocates_nothing_per_event() {
    let _alone = ONE_TEST_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (short, long) = (plan(SCENARIO, 20), plan(SCENARIO, 40));
    for (name, ((few, before), (many, after))) in
        [("no-op tap", (bare(&short), bare(&long))), ("every check", (whole(&short), whole(&long)))]
    {
        // What the harness allocates meanwhile may fall into either.
        let (events, allocations) = (many - few, after.saturating_sub(before));
        println!("{name}: {events} events, {allocations} allocations ({before} before)");
        assert!(events > 100_000, "{name}: {events} events are too few to tell");
        assert!(
            allocations as u64 * 10_000 < events,
            "{name}: {allocations} allocations in {events} events"
        );
    }
}

/// Hears facts for the checks, and counts acknowledged records.
struct Judge {
    checks: Checks,
    acked: u64,
}

impl Observer for Judge {
    fn wants_facts(&self) -> bool {
        true
    }
    fn wants_trace(&self) -> bool {
        false
    }
    fn fact(&mut self, stamp: Stamp, fact: &Fact) {
        self.checks.observe(stamp, fact);
        if let Fact::Acked { count, .. } = fact {
            self.acked += u64::from(*count);
        }
    }
    fn event(&mut self, _: Time, _: u64) {}
}

/// Acknowledged records of a run, and the memory that it has at its end.
fn held(plan: &Plan) -> (u64, usize) {
    let region = Region::new(ALLOCATOR);
    let mut world = World::new(plan, 1, highwater::internals::app::build(plan));
    let mut judge = Judge { checks: Checks::new(plan), acked: 0 };
    while world.next_time().is_some_and(|at| at <= Time::ZERO + plan.run.duration) {
        world.step(&mut judge);
    }
    let change = region.change();
    (judge.acked, change.bytes_allocated - change.bytes_deallocated)
}

/// It is about 43; with chunks that replicas do not share it is 84.
#[test]
fn a_retained_record_costs_less_than_64_bytes() {
    let _alone = ONE_TEST_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let ((few, before), (many, after)) = (held(&plan(RETAINED, 1)), held(&plan(RETAINED, 5)));
    let (records, bytes) = (many - few, after - before);
    println!("{records} more records take {bytes} bytes more ({before} before)");
    assert!(records > 200_000, "{records} records are too few to tell");
    assert!((bytes as u64) < records * 64, "{bytes} bytes for {records} records");
}
