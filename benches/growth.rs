//! How the cost of an event grows with brokers, partitions and records:
//! `cargo bench --bench growth`, or `cargo bench --bench growth -- --quick` for hand work.
//!
//! Each case is a process of its own, so that its peak memory is its own; the cases are taken in
//! turns, with the engine's bare loop among them, and the table shows medians. Time is the CPU time
//! of the process; `benches/instructions.sh` counts instructions instead. A case runs its scenario
//! twice: once briefly and once for longer. What an event costs "with the start" is the brief run's
//! time by its events; what it costs "later" is the
//! difference of the two runs, so that what a cluster's size costs once, at its start, is out.

#![expect(
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a benchmark prints a table of ratios"
)]

#[path = "bare.rs"]
mod bare;

use std::env;
use std::hint::black_box;
use std::process::Command;

use bare::bare_engine_loop;
use cpu_time::ProcessTime;
use highwater::plan::Plan;
use highwater::run::{Ended, Options, run};
use highwater::scenario::{Overrides, Source, load};

const MESSAGES: u64 = 2_000_000;

/// What is run in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// The bare loop.
    Bare,
    /// So many brokers, with two partitions and 10 records a second each.
    Brokers { brokers: u64, read: bool },
    /// Three brokers, so many partitions, 300 records a second.
    Partitions { partitions: u64, read: bool },
    /// Three brokers, three partitions, so many records at 1,000 a second, all retained.
    Records { records: u64, linger_ms: u64 },
}

impl Case {
    /// Its name on the command line of its process.
    fn word(self) -> String {
        let suffix = |read| if read { "+consumer" } else { "" };
        match self {
            Self::Bare => "bare".to_owned(),
            Self::Brokers { brokers, read } => format!("brokers-{brokers}{}", suffix(read)),
            Self::Partitions { partitions, read } => {
                format!("partitions-{partitions}{}", suffix(read))
            }
            Self::Records { records, linger_ms } => format!("records-{records}-{linger_ms}"),
        }
    }

    fn of(word: &str) -> Option<Self> {
        let (word, read) = match word.strip_suffix("+consumer") {
            Some(word) => (word, true),
            None => (word, false),
        };
        let mut parts = word.split('-');
        let kind = parts.next()?;
        let mut number = || parts.next()?.parse().ok();
        match kind {
            "bare" => Some(Self::Bare),
            "brokers" => Some(Self::Brokers { brokers: number()?, read }),
            "partitions" => Some(Self::Partitions { partitions: number()?, read }),
            "records" => Some(Self::Records { records: number()?, linger_ms: number()? }),
            _ => None,
        }
    }

    /// Simulated seconds of the brief run and of the long one.
    fn seconds(self) -> (u64, u64) {
        match self {
            Self::Bare => (0, 0),
            Self::Brokers { brokers, .. } => (10, 10 + 3_000 / brokers.clamp(30, 300)),
            Self::Partitions { .. } => (10, 70),
            Self::Records { records, .. } => (records / 10_000, records / 1_000),
        }
    }

    fn scenario(self, seconds: u64) -> Plan {
        let (brokers, partitions, rate, linger, read) = match self {
            Self::Bare => unreachable!("the bare loop has no scenario"),
            Self::Brokers { brokers, read } => (brokers, 2 * brokers, 10 * brokers, 0, read),
            Self::Partitions { partitions, read } => (3, partitions, 300, 0, read),
            Self::Records { linger_ms, .. } => (3, 3, 1_000, linger_ms, false),
        };
        let assigned: Vec<String> = (0..partitions).map(|p| format!("\"t-{p}\"")).collect();
        let consumers = match read {
            true => format!(r#"{{ "name": "c", "assign": [{}] }}"#, assigned.join(",")),
            false => String::new(),
        };
        let text = format!(
            r#"{{
              "version": 1,
              "title": "growth",
              "cluster": {{ "brokers": {brokers} }},
              "topics": [{{ "name": "t", "partitions": {partitions}, "replication-factor": 3 }}],
              "producers": [{{
                "name": "p", "rate": "{rate}/s", "config": {{ "linger.ms": {linger} }}
              }}],
              "consumers": [{consumers}],
              "run": {{
                "duration": "{seconds}s",
                "heal": false,
                "budget": {{ "events": 1000000000000, "memory": "64GiB" }}
              }}
            }}"#
        );
        match load(&Source::Text { name: "growth", text: &text }, &Overrides::default()) {
            Ok(scenario) => scenario.columns[0].clone(),
            Err(diagnostics) => panic!("{}", diagnostics.render(false)),
        }
    }
}

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    nanos: u64,
    events: u64,
    acked: u64,
}

fn measure(plan: &Plan) -> Taken {
    let start = ProcessTime::now();
    let outcome = black_box(run(plan, 0, Options::default()));
    let nanos = start.elapsed().as_nanos() as u64;
    assert_eq!(outcome.ended, Ended::Done, "a run of the benchmark ends by itself");
    Taken { nanos, events: outcome.events, acked: outcome.counts().acked }
}

/// The most memory this process has had, in KiB; zero where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

/// Runs a case here and prints what it took, for the process that asked.
fn run_case(case: Case) {
    let (brief, long) = if case == Case::Bare {
        let start = ProcessTime::now();
        black_box(bare_engine_loop(100, MESSAGES));
        let nanos = start.elapsed().as_nanos() as u64;
        (Taken { nanos, events: MESSAGES, acked: 0 }, Taken::default())
    } else {
        let (brief, long) = case.seconds();
        (measure(&case.scenario(brief)), measure(&case.scenario(long)))
    };
    for taken in [brief, long] {
        print!("{} {} {} ", taken.nanos, taken.events, taken.acked);
    }
    println!("{}", peak_kib());
}

/// What a process said of its case.
#[derive(Clone, Copy, Debug)]
struct Sample {
    with_start: f64,
    later: f64,
    acked: u64,
    peak_kib: u64,
}

fn sample(case: Case) -> Sample {
    let program = env::current_exe().expect("a running program has a file");
    let output = Command::new(program).args(["--case", &case.word()]).output();
    let output = output.expect("the benchmark can start itself");
    assert!(
        output.status.success(),
        "{}: {}",
        case.word(),
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> = text.split_whitespace().map_while(|n| n.parse().ok()).collect();
    let [nanos, events, _, long_nanos, long_events, acked, peak_kib] = numbers[..] else {
        panic!("{}: {text}", case.word())
    };
    let more = long_events.saturating_sub(events).max(1);
    Sample {
        with_start: nanos as f64 / events as f64,
        later: long_nanos.saturating_sub(nanos) as f64 / more as f64,
        acked,
        peak_kib,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Every case with the medians of its rounds, the bare loop first.
fn in_turns(cases: &[Case], rounds: usize) -> Vec<(Case, Sample)> {
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            samples.push(sample(*case));
        }
    }
    let middle = |samples: &[Sample]| Sample {
        with_start: median(samples.iter().map(|s| s.with_start).collect()),
        later: median(samples.iter().map(|s| s.later).collect()),
        ..samples[0]
    };
    cases.iter().copied().zip(samples.iter().map(|samples| middle(samples))).collect()
}

fn cases(quick: bool) -> Vec<Case> {
    let mut cases = vec![Case::Bare];
    let brokers: &[u64] = if quick { &[3, 100] } else { &[3, 30, 100, 300, 1_000] };
    let partitions: &[u64] = if quick { &[10, 1_000] } else { &[10, 100, 1_000, 10_000] };
    let records: &[u64] = if quick { &[100_000] } else { &[100_000, 1_000_000, 10_000_000] };
    let unlingered: &[u64] = if quick { &[100_000] } else { &[100_000, 1_000_000] };
    for read in [false, true] {
        cases.extend(brokers.iter().map(|brokers| Case::Brokers { brokers: *brokers, read }));
    }
    for read in [false, true] {
        let of = |partitions: &u64| Case::Partitions { partitions: *partitions, read };
        cases.extend(partitions.iter().map(of));
    }
    cases.extend(records.iter().map(|records| Case::Records { records: *records, linger_ms: 20 }));
    cases
        .extend(unlingered.iter().map(|records| Case::Records { records: *records, linger_ms: 0 }));
    cases
}

/// What the issue asks for: the cost of the second case by that of the first, and its limit.
fn limits() -> [(Case, Case, f64); 5] {
    let brokers = |brokers, read| Case::Brokers { brokers, read };
    let partitions = |partitions, read| Case::Partitions { partitions, read };
    let records = |records| Case::Records { records, linger_ms: 20 };
    [
        (brokers(3, false), brokers(1_000, false), 1.5),
        (brokers(3, true), brokers(1_000, true), 1.5),
        (partitions(10, false), partitions(10_000, false), 1.5),
        (partitions(10, true), partitions(10_000, true), 1.5),
        (records(100_000), records(10_000_000), 1.2),
    ]
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "FAILS" }
}

fn print_limits(rows: &[(Case, Sample)]) {
    let of = |case: Case| rows.iter().find(|(c, _)| *c == case).map(|(_, sample)| *sample);
    for (small, large, limit) in limits() {
        if let (Some(from), Some(to)) = (of(small), of(large)) {
            let (start, later) = (to.with_start / from.with_start, to.later / from.later);
            let (small, large) = (small.word(), large.word());
            let holds = verdict(later <= limit);
            println!(
                "  {small} -> {large}: {start:.2}x with the start, {later:.2}x later \
                 (limit {limit}x): {holds}"
            );
        }
    }
    if let Some(sample) = of(Case::Brokers { brokers: 1_000, read: false }) {
        let mib = sample.peak_kib / 1_024;
        println!("  1,000 brokers: {mib} MiB (limit 400 MiB): {}", verdict(mib <= 400));
    }
    let unlingered = |records| of(Case::Records { records, linger_ms: 0 });
    if let (Some(few), Some(many)) = (unlingered(100_000), unlingered(1_000_000)) {
        let more = many.acked.saturating_sub(few.acked).max(1) as f64;
        let bytes = many.peak_kib.saturating_sub(few.peak_kib) as f64 * 1_024.0 / more;
        println!(
            "  a retained record at linger 0: {bytes:.0} B (limit 64 B): {}",
            verdict(bytes <= 64.0)
        );
    }
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let after = |word: &str| words.iter().position(|w| w == word).and_then(|at| words.get(at + 1));
    if let Some(word) = after("--case") {
        return run_case(Case::of(word).expect("a case of the benchmark"));
    }
    if let Some(word) = after("--once") {
        let case = Case::of(word).expect("a case of the benchmark");
        let seconds = after(word).and_then(|seconds| seconds.parse().ok());
        let taken = measure(&case.scenario(seconds.expect("how many seconds to simulate")));
        return println!("{}", taken.events);
    }
    let quick = words.iter().any(|word| word == "--quick");
    let only = after("--only").cloned().unwrap_or_default();
    let mut cases = cases(quick);
    cases.retain(|case| *case == Case::Bare || case.word().starts_with(&only));
    let rounds = if quick { 1 } else { 3 };
    let rows = in_turns(&cases, rounds);
    let bare = rows[0].1.with_start;
    println!(
        "CPU ns per event, medians of {rounds} rounds in turns; the bare loop takes {bare:.1}"
    );
    println!("  case                        with start   x bare      later   x bare   peak MiB");
    for (case, sample) in &rows[1..] {
        let Sample { with_start, later, peak_kib, .. } = *sample;
        println!(
            "  {:26} {with_start:11.0} {:8.1} {later:10.0} {:8.1} {:10.0}",
            case.word(),
            with_start / bare,
            later / bare,
            peak_kib as f64 / 1_024.0
        );
    }
    print_limits(&rows);
}
