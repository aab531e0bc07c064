//! A report as JSON, and the lines of a results file: one when a run starts, one per seed, one
//! summary.
//!
//! These structs are the published form of results (`highwater schema results`): [`SCHEMA`] counts
//! incompatible changes. They repeat [`super::Report`] on purpose, so that renaming something
//! inside cannot change what others read. Times are integers of nanoseconds, shares millionths.

use schemars::JsonSchema;
use serde::Serialize;

use crate::report::number::{Number, NumberRow};
use crate::report::{
    Exercised, ExpectationRow, FaultRow, Finding, GuaranteeRow, Header, Promised, Report,
    SeedResult, Status, Value, VariedRow, Verdict,
};

/// Version of the published form.
pub const SCHEMA: u32 = 1;

/// One line of a results file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// A sweep begins.
    RunStarted(Started),
    /// A run has ended.
    Seed(Seed),
    /// The sweep has ended.
    Summary(Box<Results>),
}

/// A sweep begins.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Started {
    schema: u32,
    #[serde(flatten)]
    what: What,
}

/// What is run.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct What {
    scenario: String,
    title: String,
    lesson: String,
    claims: Vec<String>,
    kafka: String,
    tool: String,
    seeds: String,
    set: Vec<Override>,
}

/// One `--set`, or what a seed drew.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Override {
    path: String,
    value: String,
}

/// One run.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Seed {
    schema: u32,
    index: u64,
    seed: u64,
    kafka: String,
    verdict: &'static str,
    violations: Vec<Violation>,
    events: u64,
    facts: u64,
    simulated_ns: u64,
    acked: u64,
    fingerprint: String,
    /// What its seed drew, if the scenario varies something.
    #[serde(skip_serializing_if = "Option::is_none")]
    drawn: Option<Vec<Override>>,
}

/// A whole report.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Results {
    schema: u32,
    #[serde(flatten)]
    what: What,
    runs: u64,
    simulated_ns: u64,
    facts: u64,
    fingerprint: String,
    verdict: &'static str,
    reasons: Vec<String>,
    expectations: Vec<Expectation>,
    guarantees: Vec<Guarantee>,
    faults: Vec<Fault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    varied: Option<Vec<Varied>>,
    numbers: Vec<Statistic>,
    failures: Vec<Violation>,
    found: Vec<Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    story: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<String>,
    script: serde_json::Map<String, serde_json::Value>,
    warnings: Vec<String>,
}

/// What became of one line of `expect`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Expectation {
    text: String,
    /// Whether it fails nothing: held, found, or only reported.
    held: bool,
    status: &'static str,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exercised: Option<Runs>,
}

/// So many runs of so many.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Runs {
    runs: u64,
    of: u64,
}

/// What is promised about one property.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Guarantee {
    property: String,
    promised: &'static str,
    reason: String,
    violated_runs: u64,
    exercised_runs: u64,
}

/// One kind of fault.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    kind: String,
    accepted: u64,
    refused: u64,
    runs: u64,
}

/// One path for which each seed draws a value.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Varied {
    path: String,
    /// How many values it has.
    values: u64,
    /// How many of them were drawn at all.
    taken: u64,
    /// Runs that drew the value which was drawn least often.
    least_runs: u64,
}

/// One statistic.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Statistic {
    name: String,
    value: Amount,
}

/// A value, and by its name in what unit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// So many.
    Count(u64),
    /// A length of virtual time.
    Nanoseconds(u64),
    /// A part of one.
    Millionths(u32),
    /// A distribution of lengths of virtual time.
    Quantiles(Quantiles),
}

/// A distribution of lengths of virtual time.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Quantiles {
    count: u64,
    p50_ns: u64,
    p99_ns: u64,
    max_ns: u64,
}

/// One violation.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Violation {
    property: String,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    text: String,
    reproduce: String,
    /// What its seed drew, if the scenario varies something.
    #[serde(skip_serializing_if = "Option::is_none")]
    drawn: Option<Vec<Override>>,
}

/// The report as indented JSON, ending in a line feed.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(&Results::of(report)).expect(PLAIN);
    text.push('\n');
    text
}

/// The first line of a results file.
#[must_use]
pub fn run_started(header: &Header) -> String {
    line(&Line::RunStarted(Started { schema: SCHEMA, what: What::of(header) }))
}

/// The line of one run.
#[must_use]
pub fn seed(result: &SeedResult) -> String {
    line(&Line::Seed(Seed::of(result)))
}

/// The last line of a results file.
#[must_use]
pub fn summary(report: &Report) -> String {
    line(&Line::Summary(Box::new(Results::of(report))))
}

/// The JSON Schema of a results file's lines; a report alone is its `summary` without `type`.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Line);
    let mut text = serde_json::to_string_pretty(&schema).expect(PLAIN);
    text.push('\n');
    text
}

/// A recorded value as JSON.
#[must_use]
pub fn value(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(yes) => (*yes).into(),
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(values) => values.iter().map(self::value).collect(),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(name, entry)| (name.clone(), self::value(entry)));
            serde_json::Value::Object(entries.collect())
        }
    }
}

const PLAIN: &str = "strings and integers can be written as JSON";

fn line(line: &Line) -> String {
    let mut text = serde_json::to_string(line).expect(PLAIN);
    text.push('\n');
    text
}

impl What {
    fn of(header: &Header) -> Self {
        Self {
            scenario: header.scenario.clone(),
            title: header.title.clone(),
            lesson: header.lesson.clone(),
            claims: header.claims.clone(),
            kafka: header.kafka.clone(),
            tool: header.tool.clone(),
            seeds: header.seeds.clone(),
            set: pairs(&header.overrides),
        }
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<Override> {
    let pairs = pairs.iter();
    pairs.map(|(path, value)| Override { path: path.clone(), value: value.clone() }).collect()
}

fn drawn(drawn: &[(String, String)]) -> Option<Vec<Override>> {
    (!drawn.is_empty()).then(|| pairs(drawn))
}

impl Varied {
    fn of(row: &VariedRow) -> Self {
        Self { path: row.path.clone(), values: row.values, taken: row.taken, least_runs: row.least }
    }
}

impl Seed {
    fn of(result: &SeedResult) -> Self {
        Self {
            schema: SCHEMA,
            index: result.index,
            seed: result.seed,
            kafka: result.kafka.clone(),
            verdict: verdict(result.verdict),
            violations: result.violations.iter().map(Violation::of).collect(),
            events: result.events,
            facts: result.facts,
            simulated_ns: result.simulated.0,
            acked: result.acked,
            fingerprint: result.fingerprint.clone(),
            drawn: drawn(&result.drawn),
        }
    }
}

impl Results {
    fn of(report: &Report) -> Self {
        let header = &report.header;
        let script = report.facts.iter().map(|(name, fact)| (name.clone(), value(fact)));
        Self {
            schema: SCHEMA,
            what: What::of(header),
            runs: header.runs,
            simulated_ns: header.simulated.0,
            facts: header.facts,
            fingerprint: header.fingerprint.clone(),
            verdict: verdict(report.verdict),
            reasons: report.reasons.clone(),
            expectations: report.expectations.iter().map(Expectation::of).collect(),
            guarantees: report.guarantees.iter().map(Guarantee::of).collect(),
            faults: report.faults.iter().map(Fault::of).collect(),
            varied: (!report.varied.is_empty())
                .then(|| report.varied.iter().map(Varied::of).collect()),
            numbers: report.numbers.iter().map(Statistic::of).collect(),
            failures: report.failures.iter().map(Violation::of).collect(),
            found: report.found.iter().map(Violation::of).collect(),
            story: report.story.clone(),
            timeline: report.timeline.clone(),
            script: script.collect(),
            warnings: report.warnings.clone(),
        }
    }
}

impl Expectation {
    fn of(row: &ExpectationRow) -> Self {
        let (held, status) = match row.status {
            Status::Held => (true, "held"),
            Status::Found => (true, "found"),
            Status::Reported => (true, "reported"),
            Status::Failed => (false, "failed"),
            Status::NotFound => (false, "not-found"),
            Status::Inconclusive => (false, "inconclusive"),
        };
        let exercised = row.exercised.map(|Exercised { seeds, of }| Runs { runs: seeds, of });
        Self { text: row.text.clone(), held, status, seen: row.value.clone(), exercised }
    }
}

impl Guarantee {
    fn of(row: &GuaranteeRow) -> Self {
        let promised = match row.promised {
            Promised::Never => "never",
            Promised::Allowed => "allowed",
            Promised::NotPromised => "not-promised",
        };
        Self {
            property: row.property.clone(),
            promised,
            reason: row.reason.clone(),
            violated_runs: row.violations,
            exercised_runs: row.exercised,
        }
    }
}

impl Fault {
    fn of(row: &FaultRow) -> Self {
        Self {
            kind: row.kind.clone(),
            accepted: row.accepted,
            refused: row.refused,
            runs: row.seeds,
        }
    }
}

impl Statistic {
    fn of(row: &NumberRow) -> Self {
        let value = match row.value {
            Number::Count(count) => Amount::Count(count),
            Number::Length(span) => Amount::Nanoseconds(span.0),
            Number::Share(millionths) => Amount::Millionths(millionths),
            Number::Quantiles { count, p50, p99, max } => {
                Amount::Quantiles(Quantiles { count, p50_ns: p50.0, p99_ns: p99.0, max_ns: max.0 })
            }
        };
        Self { name: row.name.clone(), value }
    }
}

impl Violation {
    fn of(finding: &Finding) -> Self {
        Self {
            property: finding.property.clone(),
            seed: finding.seed,
            at_ns: finding.at.map(|at| at.0),
            step: finding.step,
            text: finding.text.clone(),
            reproduce: finding.reproduce.clone(),
            drawn: drawn(&finding.drawn),
        }
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
    }
}

#[cfg(test)]
mod tests {
    use super::{render, run_started, schema, seed, summary};
    use crate::base::time::{Span, Time};
    use crate::report::forge::report;
    use crate::report::{Finding, SeedResult, Verdict};

    #[test]
    fn a_report() {
        insta::assert_snapshot!(render(&report()));
    }

    #[test]
    fn the_lines_of_a_results_file() {
        let report = report();
        let finding = Finding {
            at: Some(Time(8_031_604_000)),
            step: Some(90_211),
            property: "acked-lost".to_owned(),
            ..report.failures[0].clone()
        };
        let result = SeedResult {
            index: 3,
            seed: 421,
            kafka: "4.1".to_owned(),
            verdict: Verdict::Fail,
            violations: vec![finding],
            events: 1_000_000,
            facts: 2_412_903,
            simulated: Span::secs(180),
            acked: 11_902,
            fingerprint: "9f1c".to_owned(),
            drawn: Vec::new(),
        };
        insta::assert_snapshot!(format!("{}{}", run_started(&report.header), seed(&result)));
        let line = summary(&report);
        assert!(line.starts_with(r#"{"type":"summary","schema":1,"#), "{line}");
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn the_schema_knows_the_lines() {
        let schema = schema();
        for name in ["run_started", "seed", "summary", "p99-ns", "held"] {
            assert!(schema.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
