//! Reports: statistics from facts, the causal story of a run, and the forms in which both are told.
//!
//! A [`Report`] is plain data, put together from outcomes by [`report`](crate::report()); printed
//! with `{}` it is what the command shows. Its private modules `human`, `markdown` and `json` are
//! functions from it to text. `summary` and `timeline` listen to every fact of the fast pass;
//! `story` and `trace` read the recorded facts of a slow pass. They know no node, no machine and no
//! file: the command line decides where the bytes go.

pub(crate) mod counts;
pub(crate) mod health;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod number;
pub(crate) mod partition_history;
pub(crate) mod spans;
pub(crate) mod story;
pub(crate) mod stream;
pub(crate) mod summary;
pub(crate) mod timeline;
pub(crate) mod trace;

#[cfg(test)]
mod forge;

use std::fmt;

use crate::base::time::{Span, Time};
pub use crate::report::number::NumberRow;

/// Everything that is told about one scenario in one column of Kafka versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was run.
    pub header: Header,
    /// What the file expects, in its order.
    pub expectations: Vec<ExpectationRow>,
    /// What is promised, by property.
    pub guarantees: Vec<GuaranteeRow>,
    /// Faults by kind.
    pub faults: Vec<FaultRow>,
    /// What the scenario varies, and which values the seeds drew.
    pub varied: Vec<VariedRow>,
    /// Statistics.
    pub numbers: Vec<NumberRow>,
    /// The outcome.
    pub verdict: Verdict,
    /// Why, in sentences without a full stop: `1 expectation violated in 37 of 1000 seeds`.
    pub reasons: Vec<String>,
    /// Violations that fail the run, worst first.
    pub failures: Vec<Finding>,
    /// Violations that the file expects.
    pub found: Vec<Finding>,
    /// What happened, in words and lines.
    pub story: Option<String>,
    /// The run as a picture in text.
    pub timeline: Option<String>,
    /// What the steps of the script recorded, by the name given with `as`.
    pub facts: Vec<(String, Value)>,
    /// What the reader should know about the file, such as a property known without effect.
    pub warnings: Vec<String>,
}

/// The report as text for people, without colour.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&human::render(self, false))
    }
}

/// What was run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The scenario's name: its path under `scenarios/` without `.json`.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// What a reader should take away.
    pub lesson: String,
    /// Numbers of the claims that it shows.
    pub claims: Vec<String>,
    /// The column: Kafka's version.
    pub kafka: String,
    /// Version of this tool.
    pub tool: String,
    /// How many runs were judged.
    pub runs: u64,
    /// Which seeds: `0..1000`, or `seed 7`.
    pub seeds: String,
    /// `--set` overrides, path and value.
    pub overrides: Vec<(String, String)>,
    /// Virtual time of all runs together.
    pub simulated: Span,
    /// Facts of all runs together.
    pub facts: u64,
    /// Fingerprint over all runs, in hexadecimal.
    pub fingerprint: String,
}

/// The outcome of a run or sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every expectation held and was exercised.
    Pass,
    /// Nothing was violated, but something was never put to the test.
    #[default]
    Inconclusive,
    /// A violation, or an expected one that was not found.
    Fail,
}

impl Verdict {
    /// `PASS`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Fail => "FAIL",
        }
    }
}

/// What became of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It held in every run.
    Held,
    /// It was violated.
    Failed,
    /// A violation that was looked for was seen.
    Found,
    /// A violation that was looked for was not seen.
    NotFound,
    /// It was never put to the test.
    Inconclusive,
    /// Shown without being judged: a `sometimes` under a single seed, or not seen before Ctrl-C.
    Reported,
}

impl Status {
    /// In words, for output that is read by people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "FAILED",
            Self::Found => "found",
            Self::NotFound => "NOT FOUND",
            Self::Inconclusive => "inconclusive",
            Self::Reported => "reported",
        }
    }
}

/// In how many runs something was put to the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exercised {
    /// So many.
    pub seeds: u64,
    /// Out of so many.
    pub of: u64,
}

/// One line of `expect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectationRow {
    /// What became of it.
    pub status: Status,
    /// The line: `never acked-lost`.
    pub text: String,
    /// The property that it is about; none if it bounds a metric.
    pub property: Option<&'static str>,
    /// What was seen: `0 of 11902604 acked`, `74.6 % (worst 68.9 %, seed 421)`.
    pub value: String,
    /// In how many runs it was put to the test, if that means anything for it.
    pub exercised: Option<Exercised>,
}

/// How firmly a property is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promised {
    /// A violation fails the run.
    Never,
    /// Violations are counted and shown.
    Allowed,
    /// No guarantee at all in this configuration.
    NotPromised,
}

impl Promised {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Allowed => "allowed",
            Self::NotPromised => "not promised",
        }
    }
}

/// One property and what the configuration promises about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuaranteeRow {
    /// Its name, `acked-lost`.
    pub property: String,
    /// How firmly it is promised.
    pub promised: Promised,
    /// Why so.
    pub reason: String,
    /// Runs in which it was violated.
    pub violations: u64,
    /// Runs in which it was put to the test.
    pub exercised: u64,
}

/// One kind of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRow {
    /// Its name, `power-loss`.
    pub kind: String,
    /// How often it was applied.
    pub accepted: u64,
    /// How often the promise's budget refused it.
    pub refused: u64,
    /// Runs in which it was applied at least once.
    pub seeds: u64,
}

/// One path for which each seed draws a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariedRow {
    /// As the file names it.
    pub path: String,
    /// How many values it has.
    pub values: u64,
    /// How many of them were drawn at all.
    pub taken: u64,
    /// Runs that drew the value which was drawn least often.
    pub least: u64,
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In the run of this seed.
    pub seed: u64,
    /// Of this property, or the text of the expectation.
    pub property: String,
    /// When, if at a moment.
    pub at: Option<Time>,
    /// The number of the violating event in its run.
    pub step: Option<u64>,
    /// What is wrong, in one sentence.
    pub text: String,
    /// The one command that shows it again.
    pub reproduce: String,
    /// The command that makes the example smaller, if there is something to make smaller.
    pub smaller: Option<String>,
    /// What its seed drew of what the scenario varies: path and value.
    pub drawn: Vec<(String, String)>,
}

/// What a step of a script recorded: the values that JSON knows, without a float.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A name, a class, a value.
    Text(String),
    /// Several.
    List(Vec<Self>),
    /// Several by name, in the order written.
    Map(Vec<(String, Self)>),
}

/// The outcome of one run of a sweep: one line of a results file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeedResult {
    /// Its place in the sweep.
    pub index: u64,
    /// Its seed.
    pub seed: u64,
    /// Its column.
    pub kafka: String,
    /// Its outcome alone.
    pub verdict: Verdict,
    /// What was violated, expected or not.
    pub violations: Vec<Finding>,
    /// Events carried out.
    pub events: u64,
    /// Facts noted.
    pub facts: u64,
    /// Virtual time.
    pub simulated: Span,
    /// Records acknowledged.
    pub acked: u64,
    /// Fingerprint of the run, in hexadecimal.
    pub fingerprint: String,
    /// What its seed drew of what the scenario varies: path and value.
    pub drawn: Vec<(String, String)>,
}
