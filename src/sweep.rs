//! Many runs: seeds on threads, folded in seed order.
//!
//! What comes out never depends on the number of threads: results are folded by seed index, and
//! with `max_failures` K every seed below the K-th failing index counts and every later one is
//! discarded. Does not print; progress is a counter that the command line looks at.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use crate::base::rng::{fnv1a, mix64};
use crate::judge::{Judge, Judged, Verdicts};
use crate::model::plan::Plan;
use crate::run::{Options, run};
use crate::scenario::{Diagnostics, Draw, MOST_SEEDS, Scenario};

/// Seed indices `from..until`; the second is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedRange {
    /// The first index.
    pub from: u64,
    /// One past the last index.
    pub until: u64,
}

impl SeedRange {
    /// How many.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.until - self.from
    }
}

impl fmt::Display for SeedRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.until)
    }
}

impl FromStr for SeedRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint = "give a number (`1000`) or a range without its end (`0..9`)";
        let number = |t: &str| t.parse::<u64>().map_err(|_| hint.to_owned());
        let range = match text.split_once("..") {
            None => Self { from: 0, until: number(text)? },
            Some((from, until)) => Self { from: number(from)?, until: number(until)? },
        };
        if range.from >= range.until {
            return Err(format!("no seed: {hint}"));
        }
        if range.count() > MOST_SEEDS {
            return Err("more than 100 million seeds".to_owned());
        }
        Ok(range)
    }
}

/// How the seed of an index is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeedRule {
    /// `--seed-base`: a hexadecimal number; without one the seed is the index.
    pub base: Option<String>,
}

impl SeedRule {
    /// The seed of an index.
    #[must_use]
    pub fn seed(&self, index: u64) -> u64 {
        match &self.base {
            None => index,
            Some(base) => mix64(fnv1a(base), index),
        }
    }
}

/// What is run.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A plan.
    Plan(&'a Plan),
    /// A column of a scenario, each seed of which may draw its own plan.
    Column(&'a Scenario, usize),
}

impl<'a> From<&'a Plan> for Subject<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self::Plan(plan)
    }
}

/// What a seed is run with.
struct Drawn<'a> {
    plan: Cow<'a, Plan>,
    /// What it drew, if something is varied.
    draw: Option<Vec<Draw>>,
}

impl<'a> Subject<'a> {
    fn of(self, seed: u64) -> Result<Drawn<'a>, Diagnostics> {
        match self {
            Self::Plan(plan) => Ok(Drawn { plan: Cow::Borrowed(plan), draw: None }),
            Self::Column(scenario, column) => match scenario.for_seed(seed)? {
                Cow::Borrowed(scenario) => {
                    Ok(Drawn { plan: Cow::Borrowed(&scenario.columns[column]), draw: None })
                }
                Cow::Owned(mut drawn) => {
                    let plan = Cow::Owned(drawn.columns.swap_remove(column));
                    Ok(Drawn { plan, draw: Some(drawn.draw) })
                }
            },
        }
    }
}

/// How a sweep is made.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// Which seed indices.
    pub range: SeedRange,
    /// Their seeds.
    pub rule: SeedRule,
    /// Threads; as many as cores if `None`.
    pub jobs: Option<usize>,
    /// Stop after so many failing seeds.
    pub max_failures: u64,
    /// Run every seed twice and compare.
    pub verify_determinism: bool,
    /// How each run is driven.
    pub options: Options,
}

/// What the command line looks at while a sweep runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Runs done.
    pub done: AtomicU64,
    /// Failing seeds so far.
    pub failing: AtomicU64,
    /// Set to stop handing out seeds.
    pub stop: AtomicBool,
}

/// Why a seed, or a whole sweep, could not give a verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// A run panicked: a bug of the simulator.
    #[error("internal error in seed {seed}: {message}")]
    Panicked {
        /// Its seed.
        seed: u64,
        /// What the panic said.
        message: String,
    },
    /// A seed ran differently the second time: a bug of the simulator.
    #[error("seed {seed} is not deterministic: fingerprint {first:016x}, then {second:016x}")]
    NotDeterministic {
        /// Its seed.
        seed: u64,
        /// The first fingerprint.
        first: u64,
        /// The second one.
        second: u64,
    },
    /// What a seed draws cannot be run.
    #[error("what seed {seed} draws cannot be run:\n{diagnostics}")]
    Refused {
        /// Its seed.
        seed: u64,
        /// Why not.
        diagnostics: Diagnostics,
    },
    /// No thread could be started.
    #[error("cannot start threads: {0}")]
    Threads(String),
}

/// A sweep's result.
#[derive(Debug)]
pub struct Sweep {
    /// The folded verdicts.
    pub verdicts: Verdicts,
    /// Whether it was interrupted before its last seed.
    pub interrupted: bool,
}

/// Runs every seed of the range over one subject and folds what is judged, in seed order. `each`
/// hears of every seed that counts, in order, but not of one that panicked.
///
/// # Errors
/// If a run is not deterministic, what a seed draws cannot be run, or threads cannot be started.
pub fn sweep<'a>(
    subject: impl Into<Subject<'a>>,
    judge: &Judge,
    options: &SweepOptions,
    progress: &Progress,
    mut each: impl FnMut(&Judged),
) -> Result<Sweep, SweepError> {
    let subject = subject.into();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs.unwrap_or(0))
        .build()
        .map_err(|e| SweepError::Threads(e.to_string()))?;
    let chunk = (pool.current_num_threads() as u64 * 16).clamp(1, 1024);
    let mut verdicts = judge.start();
    let mut from = options.range.from;
    while from < options.range.until {
        if progress.stop.load(Ordering::Relaxed) {
            return Ok(Sweep { verdicts, interrupted: true });
        }
        let until = options.range.until.min(from.saturating_add(chunk));
        let results: Vec<Result<Judged, SweepError>> = pool.install(|| {
            (from..until)
                .into_par_iter()
                .map(|index| one(subject, judge, options, index, progress))
                .collect()
        });
        for (index, result) in (from..until).zip(results) {
            let judged = match result {
                Ok(judged) => judged,
                Err(SweepError::Panicked { seed, message }) => {
                    verdicts.add_panicked(index, seed, &message);
                    continue;
                }
                Err(error) => return Err(error),
            };
            each(&judged);
            let failed = judged.fails();
            verdicts.add(judge, judged);
            if failed && verdicts.failing_seeds() >= options.max_failures {
                return Ok(Sweep { verdicts, interrupted: false });
            }
        }
        from = until;
    }
    Ok(Sweep { verdicts, interrupted: false })
}

/// One seed, with its panic caught.
fn one(
    subject: Subject<'_>,
    judge: &Judge,
    options: &SweepOptions,
    index: u64,
    progress: &Progress,
) -> Result<Judged, SweepError> {
    let seed = options.rule.seed(index);
    let Drawn { plan, draw } =
        subject.of(seed).map_err(|diagnostics| SweepError::Refused { seed, diagnostics })?;
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let outcome = run(&plan, seed, options.options);
        let second = options.verify_determinism.then(|| run(&plan, seed, options.options));
        let twice = second.map(|s| (outcome.fingerprint, s.fingerprint));
        let judged = match draw {
            None => judge.judge(index, outcome),
            Some(draw) => judge.judge_drawn(&plan, draw, index, outcome),
        };
        (twice, judged)
    }));
    let (twice, judged) = judged.map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "a panic without a message".to_owned());
        SweepError::Panicked { seed, message }
    })?;
    if let Some((first, second)) = twice
        && first != second
    {
        return Err(SweepError::NotDeterministic { seed, first, second });
    }
    progress.done.fetch_add(1, Ordering::Relaxed);
    if judged.fails() {
        progress.failing.fetch_add(1, Ordering::Relaxed);
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::{Progress, SeedRange, SeedRule, SweepOptions, sweep};
    use crate::judge::Judge;
    use crate::report::{Header, Verdict};
    use crate::run::Options;
    use crate::scenario::builder::{Consumer, ScenarioBuilder, Topic};

    #[test]
    fn ranges_are_read_and_checked() {
        assert_eq!("20".parse(), Ok(SeedRange { from: 0, until: 20 }));
        assert_eq!("5..20".parse(), Ok(SeedRange { from: 5, until: 20 }));
        for text in ["", "0", "-1", "5..5", "9..2", "a..b", "1..", "..3", "1.5", "999999999999"] {
            assert!(text.parse::<SeedRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_base_gives_other_seeds_and_the_same_each_time() {
        let rule = SeedRule { base: Some("be816b82d25370ceac697ccf7c88cea873e9b4e3".to_owned()) };
        assert_eq!(rule.seed(7), rule.seed(7));
        assert_ne!(rule.seed(7), rule.seed(8));
        assert_eq!(SeedRule::default().seed(7), 7);
    }

    #[test]
    fn a_sweep_goes_on_after_a_run_that_panics() {
        let built = ScenarioBuilder::new("t")
            .topic(Topic::new("t"))
            .consumer(Consumer::new("reader").assign(&["t-0"]))
            .duration("1s")
            .build();
        let mut plan = built.expect("it is right").columns.remove(0);
        // Nobody has an application for what is left to the reader: every run panics.
        plan.own("reader").expect("there is one");
        let judge = Judge::new(&plan, &[], false, None);
        let options = SweepOptions {
            range: SeedRange { from: 5, until: 8 },
            rule: SeedRule::default(),
            jobs: Some(2),
            max_failures: 1,
            verify_determinism: false,
            options: Options::default(),
        };
        let swept = sweep(&plan, &judge, &options, &Progress::default(), |_| {});
        let swept = swept.expect("it goes on");
        assert_eq!((swept.verdicts.panicked(), swept.interrupted), (3, false));
        let report = swept.verdicts.report(&judge, Header::default());
        assert_eq!((report.verdict, report.header.runs), (Verdict::Inconclusive, 3));
        let told = &report.reasons[0];
        assert!(told.starts_with("3 of 3 runs ended in an internal error, first seed 5"), "{told}");
    }
}
