//! What an event costs, as ratios in one run: `cargo bench --bench engine`.
//!
//! Five loops: the fixed reference loop, the engine's bare loop (its own queue and streams, a ping
//! between 100 nodes), the gate cluster as it is run (facts, hash, every check, and the statistics
//! that a report shows), the same without those statistics, and the same with a no-op tap (no
//! facts, no hash). Whole runs are measured, from the plan to the verdicts of the checkers, but for
//! the settling, whose length the checkers decide. Criterion measures each loop; the table at the
//! end takes them in turns, so that the machine's moods fall on all alike, and prints medians.

#![expect(
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a benchmark prints a table of ratios"
)]

#[path = "bare.rs"]
mod bare;
#[path = "reference.rs"]
mod reference;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use bare::bare_engine_loop;
use criterion::{Criterion, Throughput};
use highwater::internals::model::Deaf;
use highwater::internals::sim::World;
use highwater::plan::Plan;
use highwater::run::{Options, run};
use highwater::scenario::{Overrides, Source, load};
use highwater::types::Time;

const NODES: u32 = 100;
const MESSAGES: u64 = 1_000_000;

/// The gate's sixty seconds of faults.
fn gate() -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/acks-all-min-insync-2.json");
    match load(&Source::File(&file), &Overrides::default()) {
        Ok(scenario) => {
            let mut plan = scenario.columns[0].clone();
            plan.run.heal = false;
            plan
        }
        Err(diagnostics) => panic!("{}", diagnostics.render(false)),
    }
}

/// The gate as it is run: events, simulated time, acknowledged records.
fn whole(plan: &Plan, seed: u64) -> (u64, u64, u64) {
    let outcome = run(plan, seed, Options::default());
    (outcome.events, outcome.time.0, outcome.counts().acked)
}

/// The gate with every check and without a report's statistics: events.
fn checked(plan: &Plan, seed: u64) -> u64 {
    run(plan, seed, Options { uncounted: true, ..Options::default() }).events
}

/// The gate with a no-op tap: events.
fn unchecked(plan: &Plan, seed: u64) -> u64 {
    let mut world = World::new(plan, seed, highwater::internals::app::build(plan));
    let end = Time::ZERO + plan.run.duration;
    while world.next_time().is_some_and(|t| t <= end) {
        world.step(&mut Deaf);
    }
    world.handled()
}

fn timed(work: impl FnOnce() -> u64) -> f64 {
    let start = Instant::now();
    let events = black_box(work());
    start.elapsed().as_nanos() as f64 / events as f64
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn table(plan: &Plan) {
    const ROUNDS: u64 = 15;
    const SEEDS: u64 = 16;
    let mut samples: [Vec<f64>; 5] = Default::default();
    let (mut costs, mut whole_costs) = (Vec::new(), Vec::new());
    let (mut events, mut simulated, mut acked, mut wall) = (0, 0, 0, Duration::ZERO);
    for round in 0..ROUNDS {
        let seeds = round * SEEDS..(round + 1) * SEEDS;
        let reference = timed(|| {
            black_box(reference::reference_loop(NODES, MESSAGES));
            MESSAGES
        });
        let bare = timed(|| {
            black_box(bare_engine_loop(NODES, MESSAGES));
            MESSAGES
        });
        let mut deaf_events = 0;
        let deaf = timed(|| {
            deaf_events = seeds.clone().map(|seed| unchecked(plan, seed)).sum();
            deaf_events
        });
        let checked = timed(|| seeds.clone().map(|seed| checked(plan, seed)).sum());
        let before = events;
        let start = Instant::now();
        for seed in seeds {
            let (e, t, a) = whole(plan, seed);
            (events, simulated, acked) = (events + e, simulated + t, acked + a);
        }
        let elapsed = start.elapsed();
        wall += elapsed;
        assert_eq!(events - before, deaf_events, "observing changed the run");
        let full = elapsed.as_nanos() as f64 / deaf_events as f64;
        costs.push((checked / deaf - 1.0) * 100.0);
        whole_costs.push((full / deaf - 1.0) * 100.0);
        for (samples, sample) in samples.iter_mut().zip([reference, bare, full, checked, deaf]) {
            samples.push(sample);
        }
    }
    let (cost, whole_cost) = (median(costs), median(whole_costs));
    let [reference, bare, whole, checked, unchecked] = samples.map(median);
    println!("\nns per event, medians of {ROUNDS} rounds taken in turns");
    println!("  reference loop            {reference:8.1}");
    println!(
        "  bare engine loop          {bare:8.1}   {:5.2}x the reference loop",
        bare / reference
    );
    println!(
        "  gate, no-op tap           {unchecked:8.1}   {:5.2}x the bare loop",
        unchecked / bare
    );
    println!("  gate, every check         {checked:8.1}   {:5.2}x the bare loop", checked / bare);
    println!("  gate, as it is run        {whole:8.1}   {:5.2}x the bare loop", whole / bare);
    println!("  checks cost               {cost:8.1} % over the no-op tap");
    println!("  with a report's statistics{whole_cost:8.1} % over the no-op tap");
    let nanos = wall.as_nanos() as f64;
    println!("  simulated seconds per second   {:.0}", simulated as f64 / nanos);
    println!("  ns per acknowledged record     {:.0}", nanos / acked as f64);
    println!("  events per acknowledged record {:.1}", events as f64 / acked as f64);
}

/// Runs one loop so often and prints how many events that were: for `instructions.sh`, which counts
/// what the program executes.
fn count(words: &[String], plan: &Plan) -> Option<u64> {
    let at = words.iter().position(|word| word == "--count")?;
    let times: u64 = words.get(at + 2)?.parse().ok()?;
    match words[at + 1].as_str() {
        "bare" => {
            black_box(bare_engine_loop(NODES, times));
            Some(times)
        }
        "gate" => Some((0..times).map(|seed| whole(plan, seed).0).sum()),
        "gate-checked" => Some((0..times).map(|seed| checked(plan, seed)).sum()),
        "gate-unchecked" => Some((0..times).map(|seed| unchecked(plan, seed)).sum()),
        _ => None,
    }
}

fn main() {
    let plan = gate();
    let words: Vec<String> = std::env::args().collect();
    if let Some(events) = count(&words, &plan) {
        return println!("{events}");
    }
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Elements(MESSAGES));
    group.bench_function("reference loop", |b| {
        b.iter(|| reference::reference_loop(NODES, black_box(MESSAGES)));
    });
    group.bench_function("bare engine loop", |b| {
        b.iter(|| bare_engine_loop(NODES, black_box(MESSAGES)));
    });
    let events = unchecked(&plan, 0);
    group.throughput(Throughput::Elements(events));
    group.bench_function("gate, as it is run", |b| b.iter(|| whole(&plan, black_box(0))));
    group.bench_function("gate, every check", |b| b.iter(|| checked(&plan, black_box(0))));
    group.bench_function("gate, no-op tap", |b| b.iter(|| unchecked(&plan, black_box(0))));
    group.finish();
    table(&plan);
    criterion.final_summary();
}
