//! `highwater replay`: one run again, from a repro file or from a scenario and a seed, with its
//! story. Exits as the run did; 4 if the same version gives another fingerprint.

use std::path::Path;

use crate::check::violation::Violation;
use crate::cli::args::{ReplayArgs, ScenarioArgs};
use crate::cli::output::{Exit, complain, note, print, stderr_color, stdout_color};
use crate::cli::progress::say;
use crate::cli::{input, show};
use crate::judge::{self, Judge};
use crate::model::rules::Drill;
use crate::report::human;
use crate::report::trace::Line;
use crate::repro::Repro;
use crate::scenario::{Overrides, Scenario, Source, load};

/// What is replayed.
struct Asked {
    scenario: Scenario,
    column: usize,
    seed: u64,
    drill: Option<Drill>,
    /// What a repro file says of the run.
    told: Option<Repro>,
}

/// Runs the command.
pub(crate) fn replay(args: &ReplayArgs) -> Exit {
    let path = Path::new(&args.file);
    let asked = if !args.file.starts_with("preset:") && path.is_file() && Repro::is_repro(path) {
        from_repro(path, args)
    } else {
        from_scenario(args)
    };
    asked.map_or(Exit::BadInput, |asked| show_again(&asked, args))
}

fn from_repro(path: &Path, args: &ReplayArgs) -> Option<Asked> {
    let told = Repro::read(path).map_err(|message| complain(&message)).ok()?;
    if args.seed.is_some() || args.scenario != ScenarioArgs::default() {
        complain(
            "a repro file holds its own seed and scenario: --seed, --set, --kafka, --drill and \
             --*-config go with a scenario file",
        );
        return None;
    }
    let text = told.scenario_text();
    let named = format!("{} (its scenario)", path.display());
    let source = Source::Text { name: &named, text: &text };
    let mut scenario = load(&source, &Overrides::default())
        .map_err(|diagnostics| say(diagnostics.render(stderr_color()).trim_end()))
        .ok()?;
    scenario.name.clone_from(&told.name);
    let drill = input::drill(told.drill.as_deref())?;
    let column = scenario.columns.iter().position(|plan| plan.kafka == told.kafka);
    if column.is_none() {
        complain(&format!("{}: its scenario has no column {}", path.display(), told.kafka));
    }
    Some(Asked { column: column?, scenario, seed: told.seed, drill, told: Some(told) })
}

fn from_scenario(args: &ReplayArgs) -> Option<Asked> {
    let scenario = input::scenario(&args.file, &args.scenario)?;
    let drill = input::drill(args.scenario.drill.as_deref())?;
    let Some(seed) = args.seed else {
        complain("a scenario is replayed with its seed: add --seed N");
        return None;
    };
    let scenario = match scenario.for_seed(seed) {
        Ok(drawn) => drawn.into_owned(),
        Err(diagnostics) => {
            say(diagnostics.render(stderr_color()).trim_end());
            return None;
        }
    };
    if scenario.columns.len() > 1 {
        note("note", "the first column is replayed; --kafka V chooses another");
    }
    Some(Asked { scenario, column: 0, seed, drill, told: None })
}

fn show_again(asked: &Asked, args: &ReplayArgs) -> Exit {
    let Asked { scenario, column, seed, drill, told } = asked;
    let plan = &scenario.columns[*column];
    let mut outcome = show::slow_pass(plan, *seed, *drill);
    let fingerprint = outcome.fingerprint;
    let (trace, violations) =
        (std::mem::take(&mut outcome.trace), outcome.checks.violations().to_vec());
    let judge = Judge::new(plan, &scenario.expect, told.is_none(), None);
    let mut verdicts = judge.start();
    verdicts.add(&judge, judge.judge(*seed, outcome));
    let shown = verdicts.failures().first().or_else(|| verdicts.found().first());
    let story = if args.trace {
        let replicas = judge::replica_lists(plan, &trace);
        let facts = trace.iter();
        let lines = facts.map(|(stamp, fact)| Line::new(*stamp, fact, &plan.names, &replicas));
        lines.map(|line| format!("{line}\n")).collect()
    } else {
        judge::tell(plan, &trace, &violations, shown)
    };
    let header = judge::header(scenario, format!("seed {seed}"), *drill);
    let report = verdicts.report(&judge, header);
    print(&format!("{}\n{story}", human::render(&report, stdout_color())));
    let exit = Exit::of(report.verdict, false);
    match told {
        Some(told) => compare(told, fingerprint, &violations, exit),
        None => exit,
    }
}

/// A repro file of this version must give its own fingerprint; one of another version is judged.
fn compare(told: &Repro, fingerprint: u64, violations: &[Violation], exit: Exit) -> Exit {
    let found = format!("{fingerprint:016x}");
    if told.highwater != env!("CARGO_PKG_VERSION") {
        let here = env!("CARGO_PKG_VERSION");
        let message = format!(
            "written by highwater {}, replayed by {here}: judged by its verdict alone",
            told.highwater
        );
        note("warning", &message);
        return exit;
    }
    if told.fingerprint == found {
        let claimed = told.violation.as_ref().map(|v| v.property.as_str());
        let Some(lie) = claimed.filter(|c| violations.iter().all(|v| v.property != *c)) else {
            return exit;
        };
        complain(&format!(
            "the file says that this run violates {lie}, and it does not: was the file edited?"
        ));
        return Exit::Differs;
    }
    complain(&format!(
        "this run has fingerprint {found}, the file says {}: the same version must repeat a run \
         exactly; was the file edited?",
        told.fingerprint
    ));
    Exit::Differs
}
