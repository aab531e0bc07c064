//! `highwater run`: loads everything first, then sweeps each scenario and column, then reports.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::cli::args::{Format, RunArgs};
use crate::cli::output::{Exit, Form, Out, complain, note, print, stdout_color};
use crate::cli::progress::Shown;
use crate::cli::{input, show};
use crate::judge::{self, Judge, Verdicts};
use crate::model::rules::Drill;
use crate::report::number::grouped;
use crate::report::{Header, Report, Status, Verdict, human, json};
use crate::run::Options;
use crate::scenario::Scenario;
use crate::sweep::{
    Progress, SeedRange, SeedRule, Subject, Sweep, SweepError, SweepOptions, sweep,
};

/// What all scenarios of one command share.
struct Common<'a> {
    args: &'a RunArgs,
    drill: Option<Drill>,
    looked_for: Option<&'static str>,
    out: Option<Out>,
    progress: Arc<Progress>,
}

/// Runs the command. Nothing runs before everything has been read and found right.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let mut scenarios = Vec::with_capacity(args.scenarios.len());
    for name in &args.scenarios {
        scenarios.push(input::scenario(name, &args.scenario));
    }
    let drill = input::drill(args.scenario.drill.as_deref());
    let looked_for = args.expect_violation.as_deref().map(input::property);
    let out = args.out.as_deref().map(Out::parse).transpose();
    if let Err(message) = &out {
        complain(message);
    }
    let scenarios: Option<Vec<Scenario>> = scenarios.into_iter().collect();
    let (Some(scenarios), Some(drill), Ok(out), false) =
        (scenarios, drill, out, looked_for == Some(None))
    else {
        return Exit::BadInput;
    };
    let reports: usize = scenarios.iter().map(|s| s.columns.len()).sum();
    if let Some(Err(message)) = out.as_ref().map(|out| out.check(reports)) {
        complain(&message);
        return Exit::BadInput;
    }
    let progress = Arc::new(Progress::default());
    let stop = Arc::clone(&progress);
    // Without a handler Ctrl-C still ends the process, only without partial results.
    let _ = ctrlc::set_handler(move || stop.stop.store(true, Ordering::Relaxed));
    let common = Common { args, drill, looked_for: looked_for.flatten(), out, progress };
    let mut exit = Exit::Held;
    let all = scenarios.iter().flat_map(|s| (0..s.columns.len()).map(move |column| (s, column)));
    for (place, (scenario, column)) in all.enumerate() {
        exit = exit.worst(one(&common, scenario, column));
        let left = reports - place - 1;
        if left > 0 && common.progress.stop.load(Ordering::Relaxed) {
            let word = if left == 1 { "report" } else { "reports" };
            note("note", &format!("interrupted: {left} more {word} not begun"));
            return exit.worst(Exit::Interrupted);
        }
    }
    exit
}

/// One scenario in one column.
fn one(common: &Common<'_>, scenario: &Scenario, column: usize) -> Exit {
    let args = common.args;
    let range = range(args, scenario);
    let plan = &scenario.columns[column];
    let judge = Judge::new(plan, &scenario.expect, args.seed.is_some(), common.looked_for)
        .of_varied(scenario.varied());
    let options = SweepOptions {
        range,
        rule: SeedRule { base: args.seed_base.clone() },
        jobs: args.jobs.map(usize::from),
        max_failures: args.max_failures,
        verify_determinism: args.verify_determinism,
        options: Options { drill: common.drill, ..Options::default() },
    };
    let header = header(common, scenario, range);
    let mut lines = show::line(json::run_started(&header));
    let jsonl = args.format == Format::Jsonl;
    if jsonl {
        print(&lines);
    }
    common.progress.done.store(0, Ordering::Relaxed);
    let jobs = options.jobs.unwrap_or_else(rayon::current_num_threads);
    let shown = Shown::start(args.progress, &common.progress, range.count(), jobs, &scenario.name);
    let keep_lines = common.out.is_some();
    let subject = Subject::Column(scenario, column);
    let swept = sweep(subject, &judge, &options, &common.progress, |judged| {
        if jsonl || keep_lines {
            let line = show::line(json::seed(&judged.seed_result(&judge)));
            if jsonl {
                print(&line);
            }
            if keep_lines {
                lines.push_str(&line);
            }
        }
    });
    shown.finish();
    match swept {
        Ok(swept) => finish(common, scenario, column, &judge, header, &swept, &lines),
        Err(error) => {
            complain(&error.to_string());
            match error {
                SweepError::Threads(_) | SweepError::Refused { .. } => Exit::BadInput,
                SweepError::Panicked { .. } | SweepError::NotDeterministic { .. } => Exit::Internal,
            }
        }
    }
}

/// The seeds that the command line asks for, or else the file.
fn range(args: &RunArgs, scenario: &Scenario) -> SeedRange {
    match (args.seed, args.seeds) {
        (Some(seed), _) => SeedRange { from: seed, until: seed + 1 },
        (None, Some(range)) => range,
        (None, None) => {
            let seeds = scenario.seeds;
            SeedRange { from: seeds.from, until: seeds.from + seeds.count }
        }
    }
}

fn header(common: &Common<'_>, scenario: &Scenario, range: SeedRange) -> Header {
    let args = common.args;
    let mut seeds = match (args.seed, range.count()) {
        (Some(seed), _) => format!("seed {seed}"),
        (None, 1) => format!("seed {}", range.from),
        (None, _) => range.to_string(),
    };
    if let Some(base) = &args.seed_base {
        seeds = format!("{seeds} of base {base}");
    }
    judge::header(scenario, seeds, common.drill)
}

/// Tells stories, writes repro files and reports, and gives the exit code.
fn finish(
    common: &Common<'_>,
    scenario: &Scenario,
    column: usize,
    judge: &Judge,
    header: Header,
    swept: &Sweep,
    lines: &str,
) -> Exit {
    let args = common.args;
    let mut report = swept.verdicts.report(judge, header);
    let (runs, asked) = (report.header.runs, range(args, scenario).count());
    if runs < asked {
        report.header.seeds = format!("the first of {}", report.header.seeds);
        let why = if swept.interrupted { "interrupted" } else { "stopped at a failing seed" };
        let more = if swept.interrupted { "" } else { "; --max-failures N goes on" };
        note("note", &format!("{why}, after {runs} of {asked} seeds{more}"));
        if swept.interrupted {
            leave_open(&mut report, asked);
        }
    }
    report.warnings = scenario.warnings.iter().map(|w| w.message.clone()).collect();
    reproduce(common, scenario, column, &swept.verdicts, &mut report);
    let told = swept.verdicts.failures().first().or_else(|| swept.verdicts.found().first());
    if let Some(kept) = told
        && let Ok(drawn) = scenario.for_seed(kept.seed)
    {
        let plan = &drawn.columns[column];
        let outcome = show::slow_pass(plan, kept.seed, common.drill);
        report.story =
            Some(judge::tell(plan, &outcome.trace, outcome.checks.violations(), Some(kept)));
    }
    match args.format {
        Format::Human if args.quiet => {
            print(&format!("{} {}\n", report.verdict.word(), scenario.name));
        }
        Format::Human => print(&human::render(&report, stdout_color())),
        Format::Json => print(&show::line(json::render(&report))),
        Format::Jsonl => print(&show::line(json::summary(&report))),
    }
    if let Some(out) = &common.out {
        let name = match scenario.columns.len() {
            1 => scenario.name.clone(),
            _ => format!("{}-{}", scenario.name, scenario.columns[column].kafka),
        };
        if let Err(message) = out.write(&name, |form: Form| show::render(&report, form, lines)) {
            complain(&message);
            return Exit::BadInput;
        }
    }
    let exit = Exit::of(report.verdict, args.allow_inconclusive);
    let exit = if swept.verdicts.panicked() > 0 { exit.worst(Exit::Internal) } else { exit };
    if swept.interrupted { exit.worst(Exit::Interrupted) } else { exit }
}

/// Makes the report of an interrupted sweep say so. A violation stays one; but what did not happen
/// in the seeds that ran may happen in those that did not, so nothing else is decided.
fn leave_open(report: &mut Report, asked: u64) {
    let (runs, asked) = (grouped(report.header.runs), grouped(asked));
    report.reasons.insert(0, format!("interrupted: stopped after {runs} of {asked} seeds"));
    if report.failures.is_empty() {
        report.verdict = Verdict::Inconclusive;
    }
    for row in &mut report.expectations {
        if row.status == Status::NotFound {
            row.status = Status::Reported;
        }
    }
}

/// Gives every finding the one command that shows it again; failing runs get a repro file.
fn reproduce(
    common: &Common<'_>,
    scenario: &Scenario,
    column: usize,
    verdicts: &Verdicts,
    report: &mut Report,
) {
    let named = match &scenario.path {
        Some(path) => path.display().to_string(),
        None => format!("preset:{}", scenario.name),
    };
    let mut by_seed = format!("highwater replay {}", shell(&named));
    for (path, value) in &common.args.scenario.set {
        by_seed.push_str(&format!(" --set {}", shell(&format!("{path}={value}"))));
    }
    let files = &common.args.scenario;
    for (option, file) in [
        ("--producer-config", &files.producer_config),
        ("--consumer-config", &files.consumer_config),
        ("--topic-config", &files.topic_config),
        ("--broker-config", &files.broker_config),
    ] {
        if let Some(file) = file {
            by_seed.push_str(&format!(" {option} {}", shell(&file.display().to_string())));
        }
    }
    if let Some(drill) = &common.args.scenario.drill {
        by_seed.push_str(&format!(" --drill {drill}"));
    }
    if scenario.columns.len() > 1 {
        by_seed.push_str(&format!(" --kafka {}", scenario.columns[column].kafka));
    }
    for (finding, kept) in report.failures.iter_mut().zip(verdicts.failures()) {
        let drawn = scenario.for_seed(kept.seed).unwrap_or(Cow::Borrowed(scenario));
        let repro = show::repro(&drawn, column, kept, common.drill);
        let path = repro.default_path(scenario.columns.len());
        finding.reproduce = match repro.write(&path) {
            Ok(()) => format!("highwater replay {}", shell(&path.display().to_string())),
            Err(message) => {
                note("warning", &message);
                format!("{by_seed} --seed {}", kept.seed)
            }
        };
    }
    for finding in &mut report.found {
        finding.reproduce = format!("{by_seed} --seed {}", finding.seed);
    }
}

/// A word for a POSIX shell, quoted if it must be.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%+@".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
