//! What is done: the `do` of a fault or a step, read and written.
//!
//! [`action`] and [`written`] are each other's inverse: what a run injected is written into a
//! repro file and must be the same fault when it is read again.

use serde_json::{Value, json};

use crate::base::ids::{NodeId, Offset};
use crate::base::rng::Latency;
use crate::base::time::Span;
use crate::model::config::TopicKey;
use crate::model::fault::{Action, Direction, Keep, RestartHow, Target};

use super::cluster;
use super::config;
use super::fault_file::{DirectionWord, DoTable, KeepTable, RestartWord};
use super::faults::{FaultContext, TargetRule, classes, target_rule};
use super::findings::Findings;
use super::members::Members;
use super::path::{Path, at};

/// A clock more wrong than this is a bug of the file, not a fault.
const LARGEST_SKEW: Span = Span::secs(365 * 86_400);

/// Reads what is done.
pub(super) fn action(
    found: &mut Findings<'_>,
    path: &Path,
    table: &DoTable,
    context: &FaultContext<'_>,
) -> Option<Action> {
    let members = context.members;
    Some(match table {
        DoTable::Crash {} => Action::Crash,
        DoTable::PowerLoss { keep } => {
            let path = at![path; "power-loss", "keep"];
            Action::PowerLoss { keep: self::keep(found, &path, keep, members)? }
        }
        DoTable::Shutdown {} => Action::Shutdown,
        DoTable::Pause {} => Action::Pause,
        DoTable::Wipe {} => Action::Wipe,
        DoTable::Partition { groups, direction } => {
            let direction = match direction {
                DirectionWord::Both => Direction::Both,
                DirectionWord::To => Direction::To,
                DirectionWord::From => Direction::From,
            };
            let groups = self::groups(found, &at![path; "partition", "groups"], groups, members)?;
            Action::Partition { groups, direction }
        }
        DoTable::NetworkDelay { latency, jitter } => {
            Action::NetworkDelay { latency: latency.0, jitter: jitter.map_or(Span::ZERO, |d| d.0) }
        }
        DoTable::NetworkLoss { percent } => {
            let path = at![path; "network-loss", "percent"];
            let percent = cluster::in_range(found, &path, Some(u32::from(*percent)), 1, (1, 100));
            Action::NetworkLoss { percent: percent as u8 }
        }
        DoTable::NetworkBandwidth { rate } => Action::NetworkBandwidth { bytes_per_second: rate.0 },
        DoTable::DiskSlow { latency } => {
            let path = at![path; "disk-slow", "latency"];
            let none = Latency { p50: Span::ZERO, p99: Span::ZERO, max: Span::ZERO };
            let latency = cluster::latency(found, &path, Some(*latency), none);
            Action::DiskSlow { latency }
        }
        DoTable::DiskHang {} => Action::DiskHang,
        DoTable::DiskFull {} => Action::DiskFull,
        DoTable::ClockSkew { offset } => {
            let (back, offset) = offset.0;
            if offset > LARGEST_SKEW {
                found.error(&at![path; "clock-skew", "offset"], "more than a year");
            }
            Action::ClockSkew { offset, back }
        }
        DoTable::SlowProcessing { time } => Action::SlowProcessing { time: time.0 },
        DoTable::Restart { how } => Action::Restart {
            how: match how {
                RestartWord::Shutdown => RestartHow::Shutdown,
                RestartWord::Crash => RestartHow::Crash,
            },
        },
        DoTable::ConnectionReset {} => Action::ConnectionReset,
        DoTable::DiskError { dir } => Action::DiskError { dir: *dir },
        other => return operation(found, path, other, context),
    })
}

/// Reads an operation, or refuses what comes later.
fn operation(
    found: &mut Findings<'_>,
    path: &Path,
    table: &DoTable,
    context: &FaultContext<'_>,
) -> Option<Action> {
    let members = context.members;
    let mut later = |name: &str| {
        let what = format!("`{name}` cannot be simulated yet");
        found.later(&at![path; name], &what);
        None
    };
    match table {
        DoTable::CorruptLog { partition } => {
            let path = at![path; "corrupt-log", "partition"];
            let partition = found.take(&path, members.partition(partition))?;
            Some(Action::CorruptLog { partition })
        }
        DoTable::ElectUnclean { partition } => {
            let path = at![path; "elect-unclean", "partition"];
            let partition = found.take(&path, members.partition(partition))?;
            Some(Action::ElectUnclean { partition })
        }
        DoTable::ElectPreferred {} => Some(Action::ElectPreferred),
        DoTable::RollingRestart { kafka: None } => Some(Action::RollingRestart),
        DoTable::RollingRestart { kafka: Some(_) } => {
            found.later(
                &at![path; "rolling-restart", "kafka"],
                "a rolling upgrade cannot be simulated yet",
            );
            None
        }
        DoTable::SetConfig { topic, key, value } => {
            let path = at![path; "set-config"];
            let topic = found.take(&at![path; "topic"], members.topic(topic));
            let paths = (at![path; "key"], at![path; "value"]);
            let (key, value) =
                config::topic_value(found, &paths.0, &paths.1, (key, &value.0), context.version)?;
            Some(Action::SetConfig { topic: topic?, key, value })
        }
        DoTable::CreatePartitions { topic, to } => {
            create_partitions(found, &at![path; "create-partitions"], (topic, *to), members)
        }
        DoTable::StoreSlow(_) => later("store-slow"),
        DoTable::StoreError(_) => later("store-error"),
        DoTable::Reassign(_) => later("reassign"),
        DoTable::DeleteRecords(_) => later("delete-records"),
        DoTable::SetFeature(_) => later("set-feature"),
        _ => unreachable!("faults are read by `action`"),
    }
}

/// More partitions of a topic than it begins with.
fn create_partitions(
    found: &mut Findings<'_>,
    path: &Path,
    (topic, to): (&str, u32),
    members: &Members,
) -> Option<Action> {
    let topic = found.take(&at![path; "topic"], members.topic(topic))?;
    let known = &members.names.topics[topic.index()];
    let path = at![path; "to"];
    if to <= u32::from(known.partitions) {
        let (name, count) = (&known.name, known.partitions);
        found
            .error(&path, "not an increase (InvalidPartitionsException)")
            .label(format!("`{name}` has {count} from the start"))
            .help("`to` counts all of its partitions, those of before included");
        return None;
    }
    let to = cluster::in_range(found, &path, Some(to), 2, (2, cluster::MOST_OF_A_TOPIC));
    Some(Action::CreatePartitions { topic, to: to as u16 })
}

fn keep(
    found: &mut Findings<'_>,
    path: &Path,
    table: &KeepTable,
    members: &Members,
) -> Option<Keep> {
    let offsets = match table {
        KeepTable::Random => return Some(Keep::Random),
        KeepTable::Nothing => return Some(Keep::Nothing),
        KeepTable::Offsets(offsets) => offsets,
    };
    if offsets.is_empty() {
        found
            .error(path, "no partition is named")
            .help("write `{ \"t-0\": 20 }`, `\"random\"` or `\"nothing\"`");
        return None;
    }
    let mut kept = Vec::new();
    for (name, offset) in offsets {
        let partition = found.take(&at![path; name], members.partition(name))?;
        kept.push((partition, Offset(*offset)));
    }
    Some(Keep::Offsets(kept))
}

fn groups(
    found: &mut Findings<'_>,
    path: &Path,
    words: &[Vec<String>],
    members: &Members,
) -> Option<Vec<Vec<Target>>> {
    if words.len() < 2 {
        found
            .error(path, "a cut has at least two groups")
            .help("write `[[\"broker:1\"], [\"broker:2\", \"broker:3\"]]`");
        return None;
    }
    let mut seen: Vec<NodeId> = Vec::new();
    let mut groups = Vec::new();
    for (g, group) in words.iter().enumerate() {
        let path = at![path; g];
        if group.is_empty() {
            found.error(&path, "an empty group");
        }
        let mut targets = Vec::new();
        let before = seen.len();
        for (t, word) in group.iter().enumerate() {
            let path = at![path; t];
            let Some(target) = found.take(&path, members.target(word)) else { continue };
            let fixed = match &target {
                Target::Node(node) => vec![*node],
                Target::Nodes(nodes) => nodes.clone(),
                _ => Vec::new(),
            };
            if fixed.iter().any(|n| seen[..before].contains(n)) {
                found.error(&path, "in two groups at once").label("also in a group before this");
            }
            seen.extend(fixed);
            targets.push(target);
        }
        groups.push(targets);
    }
    Some(groups)
}

/// Whether an action can be done to its target.
pub(super) fn check_target(
    found: &mut Findings<'_>,
    path: &Path,
    action: &Action,
    target: Option<&Target>,
    context: &FaultContext<'_>,
) {
    let name = action.kind().name();
    let target_path = at![path; "target"];
    let (rule, Some(target)) = (target_rule(action), target) else {
        if matches!(target_rule(action), TargetRule::Required { .. }) {
            found
                .error(path, &format!("`{name}` needs a target"))
                .label("missing field `target`")
                .help("like `broker:1`, `leader:orders-0` or `one`");
        }
        return;
    };
    if rule == TargetRule::None {
        let help = match action {
            Action::Partition { .. } => "who is cut from whom stands in `groups`",
            _ => "an operation is asked of the cluster",
        };
        found.error_key(&target_path, &format!("`{name}` has no target")).help(help);
        return;
    }
    let (_, controllers, processes) = classes(target);
    if let TargetRule::Required { controllers: c, processes: p } = rule {
        let whose = match (c, p) {
            (true, true) => return,
            (true, false) if processes => "brokers and controllers",
            (false, _) if controllers || processes => "brokers",
            _ => return specific(found, &target_path, action, target, context),
        };
        found
            .error(&target_path, &format!("`{name}` cannot happen to this target"))
            .label(format!("only to {whose}"));
    }
}

/// What only a fixed broker can be checked for.
fn specific(
    found: &mut Findings<'_>,
    path: &Path,
    action: &Action,
    target: &Target,
    context: &FaultContext<'_>,
) {
    let Target::Node(NodeId::Broker(broker)) = target else { return };
    match action {
        Action::CorruptLog { partition } if !context.holds(*broker, *partition) => {
            let name = context.members.names.partition(*partition);
            found.error(path, &format!("broker {} has no replica of {name}", broker.0));
        }
        Action::DiskError { dir } => {
            let dirs = context.brokers[broker.index()].config.log_dirs;
            if *dir >= dirs {
                let message = format!("broker {} has no log directory {dir}", broker.0);
                found.error(path, &message).help(format!("`disk.log-dirs` is {dirs}, from 0"));
            }
        }
        _ => {}
    }
}

/// Writes what is done, so that [`action`] reads the same again.
pub(super) fn written(action: &Action, members: &Members) -> Value {
    let name = action.kind().name();
    let one = |fields: Value| json!({ name: fields });
    match action {
        Action::PowerLoss { keep: Keep::Random } => one(json!({ "keep": "random" })),
        Action::PowerLoss { keep: Keep::Nothing } => one(json!({ "keep": "nothing" })),
        Action::PowerLoss { keep: Keep::Offsets(offsets) } => {
            let pairs = offsets.iter().map(|(p, o)| (members.names.partition(*p), json!(o.0)));
            one(json!({ "keep": Value::Object(pairs.collect()) }))
        }
        Action::Partition { groups, direction } => {
            let words = |group: &Vec<Target>| -> Vec<String> {
                group.iter().map(|t| target_word(t, members)).collect()
            };
            let groups: Vec<Vec<String>> = groups.iter().map(words).collect();
            let direction = match direction {
                Direction::Both => "both",
                Direction::To => "to",
                Direction::From => "from",
            };
            // Both kinds of cut are written under one name.
            json!({ "partition": { "groups": groups, "direction": direction } })
        }
        Action::NetworkDelay { latency, jitter } => {
            one(json!({ "latency": exact(*latency), "jitter": exact(*jitter) }))
        }
        Action::NetworkLoss { percent } => one(json!({ "percent": percent })),
        Action::NetworkBandwidth { bytes_per_second } => {
            one(json!({ "rate": format!("{bytes_per_second}B/s") }))
        }
        Action::DiskSlow { latency } => one(json!({ "latency": {
            "p50": exact(latency.p50), "p99": exact(latency.p99), "max": exact(latency.max)
        } })),
        Action::ClockSkew { offset, back } => {
            let sign = if *back { "-" } else { "" };
            one(json!({ "offset": format!("{sign}{}", exact(*offset)) }))
        }
        Action::SlowProcessing { time } => one(json!({ "time": exact(*time) })),
        Action::Restart { how: RestartHow::Shutdown } => one(json!({ "how": "shutdown" })),
        Action::Restart { how: RestartHow::Crash } => one(json!({ "how": "crash" })),
        Action::DiskError { dir } => one(json!({ "dir": dir })),
        Action::CorruptLog { partition } | Action::ElectUnclean { partition } => {
            one(json!({ "partition": members.names.partition(*partition) }))
        }
        Action::SetConfig { topic, key, value } => one(json!({
            "topic": members.names.topics[topic.index()].name,
            "key": key.name(),
            "value": property_text(*key, *value),
        })),
        Action::CreatePartitions { topic, to } => {
            one(json!({ "topic": members.names.topics[topic.index()].name, "to": to }))
        }
        Action::Crash
        | Action::Shutdown
        | Action::Pause
        | Action::Wipe
        | Action::DiskHang
        | Action::DiskFull
        | Action::ConnectionReset
        | Action::ElectPreferred
        | Action::RollingRestart => one(json!({})),
    }
}

/// A value as Kafka prints it.
fn property_text(key: TopicKey, value: i64) -> String {
    match key {
        TopicKey::UncleanLeaderElection => (value != 0).to_string(),
        _ => value.to_string(),
    }
}

/// A span to the nanosecond.
pub(super) fn exact(span: Span) -> String {
    format!("{}ns", span.0)
}

fn target_word(target: &Target, members: &Members) -> String {
    match target {
        Target::Node(node) => members.word(*node),
        Target::Nodes(nodes) => members.words(nodes).unwrap_or_default(),
        Target::ActiveController => "controller".to_owned(),
        Target::Leader(partition) => format!("leader:{}", members.names.partition(*partition)),
        Target::Follower(partition) => format!("follower:{}", members.names.partition(*partition)),
        Target::One => "one".to_owned(),
        Target::Minority => "minority".to_owned(),
        Target::Majority => "majority".to_owned(),
        Target::All => "all".to_owned(),
        Target::Percent(percent) => format!("percent:{percent}"),
    }
}
