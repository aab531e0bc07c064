//! Puts a plan together: one column of a file, resolved part by part.

use std::ops::RangeInclusive;

use crate::base::time::Span;
use crate::model::plan::{Plan, Promise, RunPlan, Taint};

use super::faults::{self, FaultContext};
use super::file::{BudgetWord, ScenarioFile, TaintWord};
use super::findings::Findings;
use super::members::Members;
use super::path::at;
use super::versions;
use super::{clients, cluster, script};
use super::{endless, estimate};

/// A fault phase longer than this is a mistake of units.
const LONGEST: Span = Span::secs(7 * 86_400);
/// More seeds than these are a slip of the finger.
pub const MOST_SEEDS: u64 = 100_000_000;

/// The plan of a column, and who is in it by name.
pub(super) fn resolve(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    column: usize,
) -> (Plan, Members) {
    let version = versions::column(found, file, column);
    let mut members = cluster::members(found, file);
    clients::members(found, file, &mut members);
    let parts = cluster::resolve(found, file, version, &members);
    let topics = cluster::topics(found, file, version, &members, &parts);
    let mut processes = clients::resolve(found, file, version, &members);
    let run = run(found, file);
    let (brokers, duration) = (&parts.brokers, run.duration);
    let context = FaultContext { members: &members, brokers, topics: &topics, version, duration };
    let faults = faults::resolve(found, file, &context);
    let script = script::resolve(found, file, &context, version);
    members.names.labels = script.labels;
    for (name, reader) in script.readers {
        members.names.processes.push(name);
        processes.push(reader);
    }
    let mut plan = Plan {
        kafka: version.name.to_owned(),
        names: members.names.clone(),
        brokers: parts.brokers,
        controllers: parts.controllers,
        features: parts.features,
        topics,
        cluster_topic_config: parts.cluster_topic_config,
        processes,
        network: cluster::network(found, file, &members),
        writeback: cluster::writeback(file),
        wall_offset: file.clock.wall_offset.map_or(Span::ZERO, |d| d.0),
        drift_ppm: cluster::in_range(
            found,
            &at!["clock", "drift"],
            file.clock.drift,
            0,
            (0, 100_000),
        ),
        hardware: parts.hardware,
        faults,
        script: script.steps,
        promise: promise(found, file),
        run,
    };
    plan.run.settle = match (file.run.heal, file.run.settle) {
        (Some(false), _) => Span::ZERO,
        (_, Some(settle)) => settle.0,
        (_, None) => estimate::settle(&plan),
    };
    check_budget(found, &plan);
    if file.run.budget.events.is_none() {
        plan.run.budget_events = budget_events(&plan);
    }
    // A step that could not be resolved is missing from the plan, and places would be wrong.
    if plan.script.len() == file.script.len() {
        endless::check(found, &plan);
    }
    (plan, members)
}

fn promise(found: &mut Findings<'_>, file: &ScenarioFile) -> Promise {
    let table = &file.promise;
    let path = at!["promise", "min-insync"];
    Promise {
        min_insync: cluster::in_range(found, &path, table.min_insync, 1, (1, 64)),
        taint: match table.taint {
            Some(TaintWord::TailLost) => Taint::TailLost,
            Some(TaintWord::UncleanStop) | None => Taint::UncleanStop,
        },
        refuse_beyond: table.budget != Some(BudgetWord::Beyond),
    }
}

fn run(found: &mut Findings<'_>, file: &ScenarioFile) -> RunPlan {
    let table = &file.run;
    let duration = table.duration.map_or(Span::secs(60), |d| d.0);
    let path = at!["run", "duration"];
    if duration < Span::millis(1) {
        found.error(&path, "a run takes time").label("at least `1ms`");
    } else if duration > LONGEST {
        found.error(&path, "a run of more than a week").label("at most `7d`");
    }
    let heal = table.heal.unwrap_or(true);
    if let Some(settle) = table.settle {
        let path = at!["run", "settle"];
        if !heal {
            found
                .error_key(&path, "`settle` means nothing without a heal")
                .label("`run.heal` is false");
        } else if settle.0 > LONGEST {
            found.error(&path, "more than a week").label("at most `7d`");
        }
    }
    if table.audit == Some(0) {
        found.error(&at!["run", "audit"], "events are counted from 1");
    }
    if table.seeds.count == Some(0) {
        found.error(&at!["run", "seeds", "count"], "nothing would run").label("at least 1");
    }
    let (from, count) = (table.seeds.from.unwrap_or(0), table.seeds.count.unwrap_or(1));
    if count > MOST_SEEDS {
        let path = at!["run", "seeds", "count"];
        found.error(&path, "too many seeds").label("at most 100 million");
    }
    if from.checked_add(count).is_none() {
        found.error(&at!["run", "seeds", "from"], "seeds end at 18446744073709551615");
    }
    RunPlan {
        duration: duration.min(LONGEST),
        heal,
        settle: Span::ZERO,
        audit_events: table.audit.unwrap_or(10_000).max(1),
        budget_events: table.budget.events.unwrap_or(*BUDGET_EVENTS.end()),
        budget_memory: table.budget.memory.map_or(1 << 30, |s| s.0),
    }
}

/// The events that a run may take at least and at most, if its file does not say it.
const BUDGET_EVENTS: RangeInclusive<u64> = 10_000_000..=100_000_000;

/// The events after which a run is stopped whose file does not say it: twenty times what it was
/// estimated at, so that one that goes round between two clocks that do move ends in seconds.
fn budget_events(plan: &Plan) -> u64 {
    let (events, _) = estimate::estimate(plan);
    events.saturating_mul(20).clamp(*BUDGET_EVENTS.start(), *BUDGET_EVENTS.end())
}

/// How a run comes to need less.
const CHEAPER: &str = "shorten `run.duration` or what the script sleeps, lower a producer's \
                       `rate`, or raise `run.budget`";

/// A run that cannot end within its budget is refused before it starts.
fn check_budget(found: &mut Findings<'_>, plan: &Plan) {
    let (events, bytes) = estimate::estimate(plan);
    if events > plan.run.budget_events {
        found
            .error(&at!["run", "budget", "events"], "the run is estimated above its budget")
            .label(format!("about {events} events, allowed are {}", plan.run.budget_events))
            .help(CHEAPER);
    }
    if bytes > plan.run.budget_memory {
        let (needed, allowed) = (bytes >> 20, plan.run.budget_memory >> 20);
        found
            .error(&at!["run", "budget", "memory"], "the run is estimated above its budget")
            .label(format!("about {needed} MiB, allowed are {allowed} MiB"))
            .help(CHEAPER);
    }
}
