//! Resolves `faults`: when, whom, what, how long.

use crate::base::ids::{BrokerId, NodeId, PartitionId};
use crate::base::rng::Ratio;
use crate::base::time::{Span, Time};
use crate::model::fault::{Action, FaultKind, FaultLine, SwarmLevel, Target, Timing};
use crate::model::plan::{BrokerPlan, TopicPlan};

use super::actions;
use super::diagnostic::suggest;
use super::facts;
use super::fault_file::{FaultEntry, SwarmWord};
use super::file::ScenarioFile;
use super::findings::Findings;
use super::members::Members;
use super::path::{Path, at};
use super::versions::Version;

/// What faults are checked against: who is there and how it is laid out.
pub(super) struct FaultContext<'a> {
    pub(super) members: &'a Members,
    pub(super) brokers: &'a [BrokerPlan],
    pub(super) topics: &'a [TopicPlan],
    /// The version of the column.
    pub(super) version: &'a Version,
    /// End of the fault phase.
    pub(super) duration: Span,
}

impl FaultContext<'_> {
    /// Whether a broker holds a replica of a partition, or may: nobody knows yet who will hold one
    /// that is created later.
    pub(super) fn holds(&self, broker: BrokerId, partition: PartitionId) -> bool {
        let topic = self.members.names.topic_of(partition);
        let first = self.members.names.topics[topic.index()].first;
        let lists = &self.topics[topic.index()].replicas;
        lists.get(usize::from(partition.0 - first.0)).is_none_or(|list| list.contains(&broker))
    }
}

/// The fault lines of a column.
pub(super) fn resolve(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    context: &FaultContext<'_>,
) -> Vec<FaultLine> {
    let mut lines = Vec::new();
    for (place, entry) in file.faults.iter().enumerate() {
        let path = at!["faults", place];
        if let Some(line) = line(found, &path, entry, context) {
            lines.push(line);
        }
        let scripted = !file.script.is_empty();
        if entry.at.is_some_and(|t| t.0 > context.duration) && !scripted {
            found
                .error(&at![path; "at"], "after the fault phase")
                .label(format!("`run.duration` is {}", context.duration))
                .help("raise `run.duration`");
        }
    }
    lines
}

fn line(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &FaultEntry,
    context: &FaultContext<'_>,
) -> Option<FaultLine> {
    let timings: Vec<&str> = [
        ("at", entry.at.is_some()),
        ("when", entry.when.is_some()),
        ("every", entry.every.is_some()),
        ("swarm", entry.swarm.is_some()),
    ]
    .into_iter()
    .filter_map(|(key, said)| said.then_some(key))
    .collect();
    let [timing] = timings.as_slice() else {
        let label = match timings.as_slice() {
            [] => "none of them is here".to_owned(),
            several => format!("here are {}", several.join(" and ")),
        };
        found.error(path, "a fault has exactly one of `at`, `when`, `every`, `swarm`").label(label);
        return None;
    };
    stray_keys(found, path, entry, timing);
    let when = when(found, path, entry, context);
    if entry.swarm.is_some() {
        return Some(FaultLine { timing: when?, target: None, length: None, action: None });
    }
    let Some(table) = &entry.action else {
        found.error(path, "missing field `do`").label("what happens?");
        return None;
    };
    let action = actions::action(found, &at![path; "do"], table, context);
    let target_word = entry.target.as_deref();
    let target = target_word.map(|w| found.take(&at![path; "target"], context.members.target(w)));
    let action = action?;
    if let (Some(length), false) = (entry.length, action.kind().has_length()) {
        let message = format!("`{}` has no length", action.kind().name());
        found
            .error_key(&at![path; "for"], &message)
            .label(format!("it happens at once, not for {}", length.0));
    }
    let target = match target {
        Some(None) => return None,
        Some(Some(target)) => Some(target),
        None => None,
    };
    actions::check_target(found, path, &action, target.as_ref(), context);
    let length = entry.length.map(|d| d.0);
    Some(FaultLine { timing: when?, target, length, action: Some(action) })
}

/// Keys that belong to another kind of line would be ignored, silently.
fn stray_keys(found: &mut Findings<'_>, path: &Path, entry: &FaultEntry, timing: &str) {
    let table: [(&str, bool, &[&str]); 8] = [
        ("nth", entry.nth.is_some(), &["when"]),
        ("after", entry.after.is_some(), &["when"]),
        ("probability", entry.probability.is_some(), &["every"]),
        ("kinds", entry.kinds.is_some(), &["swarm"]),
        ("from", entry.from.is_some(), &["every", "swarm"]),
        ("until", entry.until.is_some(), &["every", "swarm"]),
        ("for", entry.length.is_some(), &["at", "when", "every"]),
        ("target", entry.target.is_some(), &["at", "when", "every"]),
    ];
    for (key, said, of) in table {
        if said && !of.contains(&timing) {
            let message = format!("`{key}` means nothing beside `{timing}`");
            found.error_key(&at![path; key], &message).label(format!("only with {}", words(of)));
        }
    }
    if entry.action.is_some() && timing == "swarm" {
        found
            .error_key(&at![path; "do"], "`do` means nothing beside `swarm`")
            .label("a swarm draws what happens")
            .help("`kinds` says which kinds it may draw");
    }
}

fn words(keys: &[&str]) -> String {
    keys.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(" and ")
}

fn when(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &FaultEntry,
    context: &FaultContext<'_>,
) -> Option<Timing> {
    if let Some(at) = entry.at {
        return Some(Timing::At(Time(at.0.0)));
    }
    if let Some(table) = &entry.when {
        let pattern = facts::pattern(found, &at![path; "when"], table, context.members)?;
        let nth = entry.nth.unwrap_or(1);
        if nth == 0 {
            found.error(&at![path; "nth"], "facts are counted from 1");
        }
        // A trigger fires at least 1 ns later, or its own cause could not be told from it.
        let after = entry.after.map_or(Span::nanos(1), |d| d.0.max(Span::nanos(1)));
        return Some(Timing::When { pattern, nth: nth.max(1), after });
    }
    let from = Time(entry.from.map_or(0, |d| d.0.0));
    let until = Time(entry.until.map_or(context.duration, |d| d.0).0);
    if from >= until {
        let key = if entry.from.is_some() { "from" } else { "until" };
        let label = format!("from {} until {}", Span(from.0), Span(until.0));
        found.error(&at![path; key], "an empty window").label(label);
    } else if until.0 > context.duration.0 {
        found
            .error(&at![path; "until"], "after the fault phase")
            .label(format!("`run.duration` is {}", context.duration));
    }
    if let Some(period) = entry.every {
        if period.0 < Span::millis(1) {
            found.error(&at![path; "every"], "too often").label("at least `1ms`");
            return None;
        }
        let probability = entry.probability.map_or(Ratio::ALWAYS, |c| c.0);
        return Some(Timing::Every { period: period.0, probability, from, until });
    }
    let level = match entry.swarm? {
        SwarmWord::Gentle => SwarmLevel::Gentle,
        SwarmWord::Medium => SwarmLevel::Medium,
        SwarmWord::Harsh => SwarmLevel::Harsh,
    };
    let kinds = swarm_kinds(found, &at![path; "kinds"], entry.kinds.as_deref());
    Some(Timing::Swarm { level, kinds, from, until })
}

/// What a swarm draws from: the counted kinds, unless the file lists others that can be drawn. A
/// property's change needs an author, and what is never within a promise is no random fault.
fn swarm_kinds(found: &mut Findings<'_>, path: &Path, words: Option<&[String]>) -> Vec<FaultKind> {
    let Some(words) = words else { return FaultKind::COUNTED.to_vec() };
    if words.is_empty() {
        found.error(path, "a swarm of nothing").help("leave `kinds` out for all of them");
    }
    let mut kinds = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let path = at![path; place];
        match FaultKind::ALL.iter().find(|k| k.name() == word) {
            Some(kind) if kind.needs_parameters() => {
                found.error(&path, "cannot be drawn").label("it needs parameters");
            }
            Some(kind) if kind.is_never_within() => {
                found
                    .error(&path, "cannot be drawn")
                    .label("never within any promise")
                    .help("write it as a line of its own, with `at`, `when` or `every`");
            }
            Some(kind) if kinds.contains(kind) => {
                found.error(&path, "listed twice").label("the second one");
            }
            Some(kind) => kinds.push(*kind),
            None => {
                let names = FaultKind::ALL.iter().map(|k| k.name());
                let help = suggest(word, names, "`highwater list faults` names all");
                found.error(&path, &format!("unknown kind of fault `{word}`")).help(help);
            }
        }
    }
    kinds
}

/// Which nodes a target can be, as far as a file can tell.
pub(super) fn classes(target: &Target) -> (bool, bool, bool) {
    let of = |node: &NodeId| match node {
        NodeId::Broker(_) => (true, false, false),
        NodeId::Controller(_) => (false, true, false),
        NodeId::Process(_) => (false, false, true),
    };
    match target {
        Target::Node(node) => of(node),
        Target::ActiveController => (false, true, false),
        Target::Nodes(nodes) => nodes
            .iter()
            .map(of)
            .fold((false, false, false), |a, b| (a.0 || b.0, a.1 || b.1, a.2 || b.2)),
        _ => (true, false, false),
    }
}

/// Whether an action is one whose target may be left out, must be, or must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetRule {
    /// None at all.
    None,
    /// Any node; every link if left out.
    Links,
    /// Required; brokers, controllers, processes.
    Required { controllers: bool, processes: bool },
}

/// What a kind of fault can be done to.
pub(super) const fn target_rule(action: &Action) -> TargetRule {
    use TargetRule::{Links, None, Required};
    match action.kind() {
        FaultKind::Partition
        | FaultKind::PartitionOneWay
        | FaultKind::RollingRestart
        | FaultKind::SetConfig
        | FaultKind::CreatePartitions
        | FaultKind::ElectUnclean
        | FaultKind::ElectPreferred => None,
        FaultKind::NetworkDelay
        | FaultKind::NetworkLoss
        | FaultKind::NetworkBandwidth
        | FaultKind::ConnectionReset => Links,
        FaultKind::Crash | FaultKind::Pause | FaultKind::ClockSkew | FaultKind::SlowProcessing => {
            Required { controllers: true, processes: true }
        }
        FaultKind::PowerLoss
        | FaultKind::Shutdown
        | FaultKind::Restart
        | FaultKind::DiskSlow
        | FaultKind::DiskHang => Required { controllers: true, processes: false },
        FaultKind::Wipe | FaultKind::DiskFull | FaultKind::DiskError | FaultKind::CorruptLog => {
            Required { controllers: false, processes: false }
        }
    }
}
