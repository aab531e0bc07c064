//! Resolves `producers` and `consumers` into processes.

use crate::base::ids::{PartitionId, TopicId};
use crate::base::time::Span;
use crate::model::config::{ConsumerConfig, OffsetReset};
use crate::model::plan::{AppPlan, ConsumerPlan, ProcessPlan, ProducerPlan};
use crate::model::rules::Rules;

use super::cluster::in_range;
use super::config;
use super::file::{Consumer, LoopStep, OnFailure, Producer, ScenarioFile};
use super::findings::Findings;
use super::members::{ClientKind, Members};
use super::path::{Path, at};
use super::versions::{self, Version};

/// Processes are numbered in 16 bits; this is more than a run can afford.
const MOST_PROCESSES: u32 = 10_000;
/// A record larger than any `max.message.bytes` a cluster would have.
const LARGEST_RECORD: u64 = 1 << 30;

/// Adds all clients.
pub(super) fn members(found: &mut Findings<'_>, file: &ScenarioFile, members: &mut Members) {
    if !file.apps.is_empty() {
        found.later(&at!["apps"], "applications cannot be simulated yet");
    }
    let mut total = 0u32;
    let mut add = |found: &mut Findings<'_>, path: &Path, name, kind, count_key, count| {
        let count_path = at![path; count_key];
        let count = in_range(found, &count_path, count, 1, (1, MOST_PROCESSES));
        total += count;
        if total > MOST_PROCESSES {
            found.error(&count_path, "too many processes").label("at most 10000 over all clients");
            return;
        }
        client_name(found, members, path, name);
        members.add_client(name, kind, count);
    };
    for (place, producer) in file.producers.iter().enumerate() {
        let path = at!["producers", place];
        add(found, &path, &producer.name, ClientKind::Producer, "count", producer.count);
    }
    for (place, consumer) in file.consumers.iter().enumerate() {
        let path = at!["consumers", place];
        let name = consumer.name.as_deref().or(consumer.group.as_deref());
        if name.is_none() {
            found.error(&path, "a consumer needs a `name` (or a `group`)");
        }
        let name = name.unwrap_or("?");
        add(found, &path, name, ClientKind::Consumer, "members", consumer.members);
    }
}

fn client_name(found: &mut Findings<'_>, members: &Members, path: &Path, name: &str) {
    let name_path = at![path; "name"];
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name != "?" && (name.is_empty() || name.len() > 100 || !name.chars().all(legal)) {
        found
            .error(&name_path, "a name that cannot be written as a target")
            .label("only letters, digits, `.`, `_` and `-`, at most 100");
    }
    if members.clients.iter().any(|c| c.name == name) {
        found.error(&name_path, "a client of this name is already there").label("the second one");
    }
}

/// Who is moved by a script, by name.
#[derive(Default)]
pub(super) struct Scripted {
    /// Named by `start` steps.
    pub(super) started: Vec<String>,
    /// Named by `send` steps.
    pub(super) sends: Vec<String>,
}

impl Scripted {
    /// Collects the names that a script's steps mention.
    pub(super) fn of(file: &ScenarioFile) -> Self {
        let mut scripted = Self::default();
        for step in &file.script {
            scripted.started.extend(step.start.clone());
            scripted.sends.extend(step.send.clone());
        }
        scripted
    }

    /// Whether these names mean this process: the client as a whole or the one instance.
    fn means(names: &[String], client: &str, process: &str) -> bool {
        names.iter().any(|n| n == client || n == process)
    }
}

/// The processes of a column, in the order of the file.
pub(super) fn resolve(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    version: &'static Version,
    members: &Members,
) -> Vec<ProcessPlan> {
    let scripted = Scripted::of(file);
    let mut plans = Vec::new();
    for (place, entry) in file.producers.iter().enumerate() {
        let path = at!["producers", place];
        let (own, rules) = code(found, file, &path, entry.kafka.as_deref(), &entry.rules, version);
        let plan = producer(found, &path, entry, own, members);
        instances(members, ClientKind::Producer, &entry.name, |process| {
            let mut plan = plan.clone();
            let started = Scripted::means(&scripted.started, &entry.name, process);
            if Scripted::means(&scripted.sends, &entry.name, process) && !started {
                plan.period = None;
            }
            plans.push(ProcessPlan { rules, starts: !started, app: AppPlan::Producer(plan) });
        });
    }
    for (place, entry) in file.consumers.iter().enumerate() {
        let path = at!["consumers", place];
        let (own, rules) = code(found, file, &path, entry.kafka.as_deref(), &entry.rules, version);
        let plan = consumer(found, &path, entry, own, members);
        let name = entry.name.as_deref().or(entry.group.as_deref()).unwrap_or("?");
        instances(members, ClientKind::Consumer, name, |process| {
            let started = Scripted::means(&scripted.started, name, process);
            let app = AppPlan::Consumer(plan.clone());
            plans.push(ProcessPlan { rules, starts: !started, app });
        });
    }
    plans
}

/// Calls back for each process of a client.
fn instances(members: &Members, kind: ClientKind, name: &str, mut each: impl FnMut(&str)) {
    let client = members.clients.iter().find(|c| c.kind == kind && c.name == name);
    for process in client.map_or(&[][..], |c| &c.processes) {
        each(members.names.process(*process));
    }
}

/// The version and rules of a client.
fn code(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    path: &Path,
    kafka: Option<&str>,
    own: &std::collections::BTreeMap<String, String>,
    column: &'static Version,
) -> (&'static Version, Rules) {
    let version = kafka.map_or(column, |t| versions::version(found, &at![path; "kafka"], t));
    let mut rules = version.rules;
    versions::lay_rules(found, &at!["cluster", "rules"], &file.cluster.rules, &mut rules);
    versions::lay_rules(found, &at![path; "rules"], own, &mut rules);
    (version, rules)
}

fn producer(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &Producer,
    version: &Version,
    members: &Members,
) -> ProducerPlan {
    let config = config::producer(found, &at![path; "config"], &entry.config, version);
    let size = entry.size.map_or(100, |s| s.0);
    if size > LARGEST_RECORD {
        found.error(&at![path; "size"], "no broker takes such a record").label("at most `1GiB`");
    }
    if entry.records == Some(0) {
        found
            .error(&at![path; "records"], "a producer that sends nothing")
            .help("leave `records` out and let `send` steps send");
    }
    ProducerPlan {
        config,
        topics: topics(found, path, entry.topics.as_deref(), members),
        period: Some(entry.rate.map_or(Span::millis(10), |r| r.0)),
        records: entry.records,
        keys: entry.keys.unwrap_or(0),
        size: size.min(LARGEST_RECORD) as u32,
        resend: entry.on_failure == Some(OnFailure::Resend),
    }
}

/// Topics by name; all user topics if nothing is said.
fn topics(
    found: &mut Findings<'_>,
    path: &Path,
    names: Option<&[String]>,
    members: &Members,
) -> Vec<TopicId> {
    let path = at![path; "topics"];
    let Some(names) = names else {
        let topics = members.names.topics.iter().enumerate();
        let users = topics.filter(|(_, topic)| topic.kind().is_user());
        return users.map(|(place, _)| TopicId(place as u16)).collect();
    };
    if names.is_empty() {
        found.error(&path, "no topic").help("leave `topics` out for all of them");
    }
    let each = names.iter().enumerate();
    each.filter_map(|(i, name)| found.take(&at![path; i], members.topic(name))).collect()
}

fn consumer(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &Consumer,
    version: &Version,
    members: &Members,
) -> ConsumerPlan {
    let mut config = ConsumerConfig::default();
    config::consumer(found, &at![path; "config"], &entry.config, version, &mut config);
    consumer_loop(found, &at![path; "loop"], entry.steps.as_deref());
    ConsumerPlan {
        config,
        assign: assignment(found, path, entry, members),
        processing: entry.processing.map_or(Span::ZERO, |d| d.0),
    }
}

fn assignment(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &Consumer,
    members: &Members,
) -> Vec<PartitionId> {
    let Some(assign) = &entry.assign else {
        if entry.group.is_some() {
            found
                .later(&at![path; "group"], "consumer groups cannot be simulated yet")
                .help("give it partitions to read: `\"assign\": [\"orders-0\"]`");
        } else {
            found
                .error(path, "a consumer without a group needs `assign`")
                .help("write `\"assign\": [\"orders-0\"]`");
        }
        return Vec::new();
    };
    if entry.topics.is_some() {
        found
            .error_key(&at![path; "topics"], "a consumer has `topics` or `assign`, not both")
            .label("with `assign` it subscribes to nothing");
    }
    let path = at![path; "assign"];
    if assign.is_empty() {
        found.error(&path, "no partition").help("name at least one, like `orders-0`");
    }
    let mut partitions = Vec::new();
    for (i, name) in assign.iter().enumerate() {
        let Some(partition) = found.take(&at![path; i], members.partition(name)) else { continue };
        if partitions.contains(&partition) {
            found.error(&at![path; i], "assigned twice").label("the second one");
            continue;
        }
        partitions.push(partition);
    }
    partitions
}

fn consumer_loop(found: &mut Findings<'_>, path: &Path, steps: Option<&[LoopStep]>) {
    let Some(steps) = steps else { return };
    let later = steps.iter().position(|s| !matches!(s, LoopStep::Poll | LoopStep::Process));
    if let Some(place) = later {
        found
            .error(&at![path; place], "this step of a loop cannot be simulated yet")
            .label("comes in a later version");
    } else if steps != [LoopStep::Poll, LoopStep::Process] {
        found.error(path, "a loop polls, then processes").label("[\"poll\", \"process\"]");
    }
}

/// The process of a `read` step: a fresh consumer of one partition, from its start.
pub(super) fn reader(version: &Version, partition: PartitionId) -> ProcessPlan {
    let config =
        ConsumerConfig { offset_reset: OffsetReset::Earliest, ..ConsumerConfig::default() };
    let plan = ConsumerPlan { config, assign: vec![partition], processing: Span::ZERO };
    ProcessPlan { rules: version.rules, starts: false, app: AppPlan::Consumer(plan) }
}
