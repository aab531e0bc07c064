//! Verdicts: what a scenario expects, held against one run, and folded over many in seed order.
//!
//! Three-valued: held, violated, or never put to the test. What is promised without being stated
//! is derived in `check::promise`; a stated line outranks it. Does not run anything, does not
//! print.

mod draws;
mod reasons;
mod table;
mod telling;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use crate::base::rng::mix64;
use crate::base::time::{Span, Time};
use crate::check::expect::{ExpectLine as Told, Expectation as Expect};
use crate::check::promise::{Armed, promise};
use crate::check::properties::{PROPERTIES, PropertyKind};
use crate::check::violation::Violation;
use crate::model::fault::Fault;
use crate::model::names::Names;
use crate::model::plan::Plan;
use crate::report::summary::Summary;
use crate::report::timeline::Timeline;
use crate::report::{Finding, SeedResult, Status, Value, Verdict};
use crate::run::{Ended, Outcome, Standstill};
use crate::scenario::{Draw, ExpectLine};

use draws::Draws;
pub use telling::report;
pub(crate) use telling::{header, replica_lists, tell};
use words::{broken, expectation, sentence};

/// How many failing seeds are kept with their schedules.
const KEPT_FAILURES: usize = 10;

/// One thing that is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    expect: Expect,
    /// Whether the file says it, or it is derived.
    stated: bool,
}

/// Knows what is expected of the runs of one column.
#[derive(Clone, Debug)]
pub struct Judge {
    /// What the file or the command line says.
    stated: Vec<Expect>,
    looked_for: Option<&'static str>,
    rows: Vec<Row>,
    promised: Vec<(&'static str, Armed, &'static str)>,
    /// The paths for which seeds draw values, and how many values each has.
    varied: Vec<(String, u64)>,
    names: Arc<Names>,
    kafka: String,
    /// A single given seed reports `sometimes` without judging it.
    single: bool,
    summary: Summary,
    settle: Span,
    /// Events that a run may take.
    budget: u64,
}

/// What a row saw in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The property was violated, or the bound was broken.
    broken: bool,
    /// It was put to the test.
    exercised: bool,
    /// What was counted or measured.
    value: Option<u64>,
}

/// One run, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its place in the sweep.
    pub index: u64,
    /// Its seed.
    pub seed: u64,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// Why it ended.
    pub ended: Ended,
    standstill: Option<Standstill>,
    events: u64,
    time: Time,
    seen: Vec<Seen>,
    /// By property: violations, and how often it was put to the test.
    counts: Vec<(u64, u64)>,
    /// The first violation of each property that was violated.
    findings: Vec<Violation>,
    fails: bool,
    summary: Box<Summary>,
    timeline: Option<Box<Timeline>>,
    schedule: Vec<(Time, Fault)>,
    facts: Vec<(String, Value)>,
    /// Of its own plan.
    names: Arc<Names>,
    /// What its seed drew, if something is varied.
    draw: Vec<Draw>,
    /// Likewise, by property: whether its plan promises it, and whether it was violated.
    promised: Vec<(bool, bool)>,
}

impl Judged {
    /// Whether it breaks something that must hold.
    #[must_use]
    pub const fn fails(&self) -> bool {
        self.fails
    }
}

impl Judge {
    /// A judge of the column's runs. `looked_for` turns the verdict round: only that property
    /// counts, and it must be violated (`--expect-violation`).
    #[must_use]
    pub fn new(
        plan: &Plan,
        lines: &[ExpectLine],
        single: bool,
        looked_for: Option<&'static str>,
    ) -> Self {
        let mine = |l: &&ExpectLine| l.kafka.as_ref().is_none_or(|k| *k == plan.kafka);
        let mut stated: Vec<Expect> =
            lines.iter().filter(mine).filter_map(|l| expectation(&l.expectation)).collect();
        if let Some(property) = looked_for {
            stated = vec![Expect::Sometimes(property)];
        }
        // What the command line looks for is judged, in however many runs.
        Self::build(plan, stated, single && looked_for.is_none(), looked_for)
    }

    fn build(
        plan: &Plan,
        stated: Vec<Expect>,
        single: bool,
        looked_for: Option<&'static str>,
    ) -> Self {
        let told: Vec<Told> =
            stated.iter().map(|e| Told { expectation: *e, kafka: None }).collect();
        let promised = promise(plan, &told);
        let mut rows: Vec<Row> =
            stated.iter().map(|expect| Row { expect: *expect, stated: true }).collect();
        for (property, armed, _) in &promised {
            let said = rows.iter().any(|r| r.stated && r.expect.property() == Some(*property));
            if *armed == Armed::Never && !said && looked_for.is_none() {
                rows.push(Row { expect: Expect::Never(property), stated: false });
            }
        }
        Self {
            stated,
            looked_for,
            rows,
            promised,
            varied: Vec::new(),
            names: Arc::new(plan.names.clone()),
            kafka: plan.kafka.clone(),
            single,
            summary: {
                let mut empty = Summary::new(plan);
                empty.finish(Time::ZERO);
                empty.counts.runs = 0;
                empty
            },
            settle: plan.run.settle,
            budget: plan.run.budget_events,
        }
    }

    /// Judges one run.
    #[must_use]
    pub fn judge(&self, index: u64, outcome: Outcome) -> Judged {
        let checks = &outcome.checks;
        let counts: Vec<(u64, u64)> =
            PROPERTIES.iter().map(|p| (checks.count(p.name), checks.exercised(p.name))).collect();
        let seen: Vec<Seen> = self.rows.iter().map(|row| self.see(row, &outcome)).collect();
        let fails = self.rows.iter().zip(&seen).any(|(row, seen)| {
            let must_hold = !matches!(row.expect, Expect::Sometimes(_));
            must_hold && seen.broken
        });
        let mut findings: Vec<Violation> = Vec::new();
        for violation in checks.violations() {
            if findings.iter().all(|f| f.property != violation.property) {
                findings.push(*violation);
            }
        }
        // A broken bound is no finding, and must be repeatable all the same.
        let shown = fails || !findings.is_empty();
        let schedule = if shown { outcome.schedule.clone() } else { Vec::new() };
        Judged {
            index,
            seed: outcome.seed,
            fingerprint: outcome.fingerprint,
            ended: outcome.ended,
            standstill: outcome.standstill.clone(),
            events: outcome.events,
            time: outcome.time,
            seen,
            counts,
            findings,
            fails,
            facts: outcome.recorded().to_vec(),
            summary: Box::new(outcome.summary),
            timeline: Some(Box::new(outcome.timeline)),
            schedule,
            names: Arc::clone(&self.names),
            draw: Vec::new(),
            promised: Vec::new(),
        }
    }

    fn see(&self, row: &Row, outcome: &Outcome) -> Seen {
        let checks = &outcome.checks;
        match row.expect {
            Expect::Never(p) | Expect::Sometimes(p) => Seen {
                broken: checks.count(p) > 0,
                // That a mark was not seen needs no test: every run looks for it.
                exercised: checks.exercised(p) > 0 || checks.count(p) > 0 || is_mark(p),
                value: Some(checks.count(p)),
            },
            Expect::Always(p) => {
                Seen { broken: checks.count(p) == 0, exercised: true, value: Some(checks.count(p)) }
            }
            Expect::Liveness { property, within } => {
                let took = checks.liveness(property);
                let bound = within.unwrap_or(self.settle);
                let exercised = checks.exercised(property) > 0;
                let late = took.is_none_or(|t| t > bound);
                Seen { broken: exercised && late, exercised, value: took.map(|t| t.0) }
            }
            Expect::AtMost { metric, bound } => {
                let value = checks.metric(metric);
                Seen { broken: value > bound, exercised: true, value: Some(value) }
            }
            Expect::AtLeast { metric, bound } => {
                let value = checks.metric(metric);
                Seen { broken: value < bound, exercised: true, value: Some(value) }
            }
        }
    }

    /// An empty fold.
    #[must_use]
    pub fn start(&self) -> Verdicts {
        Verdicts {
            runs: 0,
            failing: 0,
            rows: vec![RowFold::default(); self.rows.len()],
            properties: vec![PropertyFold::default(); PROPERTIES.len()],
            summary: self.summary.clone(),
            fingerprint: 0,
            only: None,
            simulated: Span::ZERO,
            events: 0,
            out_of_budget: Stopped::default(),
            stood_still: Stopped::default(),
            panicked: Stopped::default(),
            in_vain: Vec::new(),
            failures: Vec::new(),
            found: Vec::new(),
            timeline: None,
            facts: Vec::new(),
            names: Arc::clone(&self.names),
            draws: Draws::default(),
            range: None,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct RowFold {
    broken: u64,
    exercised: u64,
    total: u64,
    worst: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PropertyFold {
    violated_seeds: u64,
    violations: u64,
    exercised_seeds: u64,
    exercised: u64,
}

/// A run worth showing: one that failed, or that showed what was looked for.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its place in the sweep.
    pub index: u64,
    /// Its seed.
    pub seed: u64,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// What it shows: the first violation that matters.
    pub violation: Option<Violation>,
    /// In words: the expectation that it broke or met.
    pub what: String,
    /// In words: how.
    broken: String,
    /// Its faults, resolved.
    pub schedule: Vec<(Time, Fault)>,
    names: Arc<Names>,
    draw: Vec<Draw>,
}

/// Runs that were stopped for the same reason.
#[derive(Clone, Debug, Default)]
struct Stopped {
    runs: u64,
    /// The first of them: its seed, and how it was, in words.
    first: Option<(u64, String)>,
}

impl Stopped {
    fn add(&mut self, seed: u64, how: &Option<impl ToString>) {
        self.runs += 1;
        if self.first.is_none() {
            self.first = Some((seed, how.as_ref().map_or_else(String::new, ToString::to_string)));
        }
    }
}

/// Many runs, judged and folded in seed order.
#[derive(Clone, Debug)]
pub struct Verdicts {
    runs: u64,
    failing: u64,
    rows: Vec<RowFold>,
    properties: Vec<PropertyFold>,
    summary: Summary,
    fingerprint: u64,
    /// The fingerprint of the only run, while there is only one.
    only: Option<u64>,
    simulated: Span,
    events: u64,
    /// Runs that reached their budget of events.
    out_of_budget: Stopped,
    /// Runs whose clock stood still.
    stood_still: Stopped,
    /// Runs that ended in an internal error.
    panicked: Stopped,
    in_vain: Vec<(u64, u32)>,
    failures: Vec<Kept>,
    found: Vec<Kept>,
    timeline: Option<Box<Timeline>>,
    facts: Vec<(String, Value)>,
    /// Of the first run.
    names: Arc<Names>,
    draws: Draws,
    range: Option<(u64, u64)>,
}

impl Verdicts {
    /// Adds the next run, in seed order.
    pub fn add(&mut self, judge: &Judge, judged: Judged) {
        self.runs += 1;
        self.failing += u64::from(judged.fails);
        let first = self.range.map_or(judged.index, |(first, _)| first);
        self.range = Some((first, judged.index + 1));
        for ((fold, seen), row) in self.rows.iter_mut().zip(&judged.seen).zip(&judge.rows) {
            fold.broken += u64::from(seen.broken);
            fold.exercised += u64::from(seen.exercised);
            let Some(value) = seen.value else { continue };
            fold.total += value;
            // The worst of an `at-least` is the smallest.
            let smaller = matches!(row.expect, Expect::AtLeast { .. });
            let worse = |worst: u64| if smaller { value < worst } else { value > worst };
            if fold.worst.is_none_or(|(worst, _)| worse(worst)) {
                fold.worst = Some((value, judged.seed));
            }
        }
        for (fold, (violations, exercised)) in self.properties.iter_mut().zip(&judged.counts) {
            fold.violated_seeds += u64::from(*violations > 0);
            fold.violations += violations;
            fold.exercised_seeds += u64::from(*exercised > 0 || *violations > 0);
            fold.exercised += exercised;
        }
        self.only = (self.runs == 1).then_some(judged.fingerprint);
        self.fingerprint = mix64(self.fingerprint ^ judged.fingerprint, judged.index);
        self.simulated = self.simulated + Span(judged.time.0);
        self.events += judged.events;
        match judged.ended {
            Ended::Done => {}
            Ended::OutOfBudget => self.out_of_budget.add(judged.seed, &judged.standstill),
            Ended::ClockStoodStill => self.stood_still.add(judged.seed, &judged.standstill),
            Ended::WaitedInVain(step) => self.in_vain.push((judged.seed, step)),
        }
        if !judged.draw.is_empty() {
            self.draws.add(&judged);
        }
        self.keep(judge, &judged);
        self.summary.merge(&judged.summary);
        if self.runs == 1 {
            self.timeline = judged.timeline;
            self.names = judged.names;
            self.facts = judged.facts;
        }
    }

    /// Counts the next run, in seed order, which ended in an internal error: nothing is known of
    /// it.
    pub fn add_panicked(&mut self, index: u64, seed: u64, message: &str) {
        self.runs += 1;
        let first = self.range.map_or(index, |(first, _)| first);
        self.range = Some((first, index + 1));
        self.only = None;
        self.panicked.add(seed, &Some(message));
    }

    /// How many runs ended in an internal error.
    #[must_use]
    pub const fn panicked(&self) -> u64 {
        self.panicked.runs
    }

    fn keep(&mut self, judge: &Judge, judged: &Judged) {
        let rows = judge.rows.iter().zip(&judged.seen);
        for (row, seen) in rows.filter(|(_, seen)| seen.broken) {
            let sought = matches!(row.expect, Expect::Sometimes(_));
            let kept = if sought { &mut self.found } else { &mut self.failures };
            if kept.len() >= KEPT_FAILURES || kept.iter().any(|k| k.index == judged.index) {
                continue;
            }
            let property = row.expect.property();
            kept.push(Kept {
                index: judged.index,
                seed: judged.seed,
                fingerprint: judged.fingerprint,
                violation: judged.findings.iter().find(|v| Some(v.property) == property).copied(),
                what: sentence(&row.expect),
                broken: broken(&row.expect, *seen),
                schedule: judged.schedule.clone(),
                names: Arc::clone(&judged.names),
                draw: judged.draw.clone(),
            });
        }
    }

    /// How many runs broke something that must hold.
    #[must_use]
    pub const fn failing_seeds(&self) -> u64 {
        self.failing
    }

    /// Runs that failed, in seed order; the first ten.
    #[must_use]
    pub fn failures(&self) -> &[Kept] {
        &self.failures
    }

    /// Runs that showed what was looked for, in seed order; the first ten.
    #[must_use]
    pub fn found(&self) -> &[Kept] {
        &self.found
    }

    /// The fold of all fingerprints, in seed order.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The outcome.
    #[must_use]
    pub fn verdict(&self, judge: &Judge) -> Verdict {
        let statuses: Vec<(bool, Status)> = judge
            .rows
            .iter()
            .zip(&self.rows)
            .map(|(row, fold)| (row.stated, self.status(judge, row, fold)))
            .collect();
        let failed = |(_, s): &(bool, Status)| matches!(s, Status::Failed | Status::NotFound);
        if statuses.iter().any(failed) {
            return Verdict::Fail;
        }
        let untested = |(stated, s): &(bool, Status)| *stated && *s == Status::Inconclusive;
        let stopped = [&self.out_of_budget, &self.stood_still, &self.panicked];
        let stopped = stopped.iter().any(|s| s.runs > 0) || !self.in_vain.is_empty();
        if self.runs == 0 || stopped || statuses.iter().any(untested) {
            return Verdict::Inconclusive;
        }
        Verdict::Pass
    }

    fn status(&self, judge: &Judge, row: &Row, fold: &RowFold) -> Status {
        match row.expect {
            Expect::Sometimes(_) if judge.single => Status::Reported,
            Expect::Sometimes(_) if fold.broken > 0 => Status::Found,
            Expect::Sometimes(_) => Status::NotFound,
            _ if fold.broken > 0 => Status::Failed,
            _ if fold.exercised == 0 => Status::Inconclusive,
            _ => Status::Held,
        }
    }
}

impl Judged {
    /// One line of a results file.
    #[must_use]
    pub(crate) fn seed_result(&self, judge: &Judge) -> SeedResult {
        let finding = |v: &Violation| Finding {
            seed: self.seed,
            property: v.property.to_owned(),
            at: Some(v.stamp.time),
            step: Some(v.stamp.seq),
            text: v.text(&self.names),
            reproduce: String::new(),
            smaller: None,
            // The line of the run says it once.
            drawn: Vec::new(),
        };
        SeedResult {
            index: self.index,
            seed: self.seed,
            kafka: judge.kafka.clone(),
            verdict: if self.fails {
                Verdict::Fail
            } else if self.ended == Ended::Done {
                Verdict::Pass
            } else {
                Verdict::Inconclusive
            },
            violations: self.findings.iter().map(finding).collect(),
            events: self.events,
            facts: self.summary.counts.facts,
            simulated: Span(self.time.0),
            acked: self.summary.counts.acked,
            fingerprint: format!("{:016x}", self.fingerprint),
            drawn: pairs(&self.draw),
        }
    }
}

/// What was drawn, by path.
fn pairs(draw: &[Draw]) -> Vec<(String, String)> {
    draw.iter().map(|draw| (draw.path.clone(), draw.value.clone())).collect()
}

fn is_mark(property: &str) -> bool {
    PROPERTIES.iter().any(|p| p.name == property && p.kind == PropertyKind::Mark)
}
