//! What `run` and `replay` share: the slow pass that tells a story, repro files, report forms.

use crate::base::ids::BrokerId;
use crate::check::violation::Violation;
use crate::cli::output::Form;
use crate::judge::Kept;
use crate::model::fact::{Fact, Stamp};
use crate::model::plan::Plan;
use crate::model::rules::Drill;
use crate::report::story::{Focus, Story};
use crate::report::trace::Cast;
use crate::report::{Header, Report, human, json, markdown};
use crate::repro::{Found, REPRO_VERSION, Repro};
use crate::run::{Options, Outcome, run};
use crate::scenario::{Scenario, with_schedule};

/// Runs a seed again with every fact kept.
pub(crate) fn slow_pass(plan: &Plan, seed: u64, drill: Option<Drill>) -> Outcome {
    run(plan, seed, Options { trace: true, drill, ..Options::default() })
}

/// The story of a run: of what it was kept for, or else of the worst that happened in it, or else
/// of what its faults did.
pub(crate) fn tell(
    plan: &Plan,
    trace: &[(Stamp, Fact)],
    violations: &[Violation],
    kept: Option<&Kept>,
) -> String {
    let replicas = replica_lists(plan);
    let cast = Cast { names: &plan.names, replicas: &replicas };
    // A loss breaks several properties at once; what the producer was told is what hurts.
    let of = |name: &str| violations.iter().find(|v| v.property == name);
    let violation = match kept {
        // A bound that was broken, or something that did not come true, is about the whole run.
        Some(kept) => kept.violation.and_then(|v| of(v.property)),
        None => of("acked-lost").or_else(|| violations.first()),
    };
    let story = match violation {
        None => Story::of_run(trace, cast),
        Some(violation) => {
            let focus = Focus {
                property: violation.property.to_owned(),
                text: violation.text(&plan.names),
                at: violation.stamp,
                partition: violation.partition,
                offset: violation.offset,
                record: violation.record,
            };
            Story::of_violation(trace, cast, &focus)
        }
    };
    story.to_string()
}

/// The replica list of every partition.
pub(crate) fn replica_lists(plan: &Plan) -> Vec<Vec<BrokerId>> {
    plan.partitions().map(|p| plan.replicas(p).to_vec()).collect()
}

/// What was run, as reports begin.
pub(crate) fn header(scenario: &Scenario, seeds: String, drill: Option<Drill>) -> Header {
    let mut overrides = scenario.set.clone();
    overrides.extend(drill.map(|drill| ("--drill".to_owned(), drill.name().to_owned())));
    Header {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        lesson: scenario.lesson.clone(),
        claims: scenario.claims.clone(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        seeds,
        overrides,
        ..Header::default()
    }
}

/// A repro file of a kept run.
pub(crate) fn repro(
    scenario: &Scenario,
    column: usize,
    kept: &Kept,
    drill: Option<Drill>,
) -> Repro {
    let plan = &scenario.columns[column];
    Repro {
        repro: REPRO_VERSION,
        highwater: env!("CARGO_PKG_VERSION").to_owned(),
        revision: option_env!("HIGHWATER_REVISION").map(str::to_owned),
        name: scenario.name.clone(),
        kafka: plan.kafka.clone(),
        seed: kept.seed,
        drill: drill.map(|drill| drill.name().to_owned()),
        fingerprint: format!("{:016x}", kept.fingerprint),
        violation: kept.violation.map(|v| Found {
            property: v.property.to_owned(),
            at_ns: v.stamp.time.0,
            step: v.stamp.seq,
            text: v.text(&plan.names),
        }),
        scenario: with_schedule(scenario, column, &kept.schedule),
    }
}

/// A report in one of its forms.
pub(crate) fn render(report: &Report, form: Form, lines: &str) -> String {
    match form {
        Form::Markdown => markdown::render(report),
        Form::Json => json::render(report),
        Form::Jsonl => format!("{lines}{}", line(json::summary(report))),
        Form::Text => human::render(report, false),
    }
}

/// A JSON line, ended.
pub(crate) fn line(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
