//! What `run` and `replay` share: the slow pass, repro files, report forms.

use crate::cli::output::Form;
use crate::judge::Kept;
use crate::model::plan::Plan;
use crate::model::rules::Drill;
use crate::report::{Report, human, json, markdown};
use crate::repro::{Found, REPRO_VERSION, Repro};
use crate::run::{Options, Outcome, run};
use crate::scenario::{Scenario, with_schedule};

/// Runs a seed again with every fact kept.
pub(crate) fn slow_pass(plan: &Plan, seed: u64, drill: Option<Drill>) -> Outcome {
    run(plan, seed, Options { trace: true, drill, ..Options::default() })
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
