//! Resolves `cluster`, `disk`, `network`, `clock` and `topics`.

use std::collections::BTreeMap;

use crate::base::ids::{BrokerId, NodeId, PartitionId};
use crate::base::rng::Latency;
use crate::base::time::Span;
use crate::model::config::{BrokerConfig, Features, TopicConfig, TopicKey};
use crate::model::names::TopicName;
use crate::model::placement::{self, UsableBroker};
use crate::model::plan::{BrokerPlan, ControllerPlan, Hardware, LinkPlan, NetworkPlan, TopicPlan};
use crate::model::rules::Rules;

use super::config;
use super::diagnostic::suggest;
use super::fault_file::DoTable;
use super::file::{DiskTable, LatencyTable, NodeTable, ScenarioFile, Topic};
use super::findings::Findings;
use super::members::Members;
use super::path::{Path, at};
use super::versions::{self, Version};

/// Partitions are numbered in 16 bits; this leaves room and is more than a run can afford.
const MOST_PARTITIONS: u32 = 50_000;
/// Partitions of one topic.
pub(super) const MOST_OF_A_TOPIC: u32 = 10_000;
/// Replica sets are bit sets.
const MOST_REPLICAS: u32 = 64;
const MOST_BROKERS: u32 = 1_000;

/// The nodes of the cluster and what they share.
pub(super) struct ClusterParts {
    pub(super) brokers: Vec<BrokerPlan>,
    pub(super) controllers: Vec<ControllerPlan>,
    pub(super) features: Features,
    pub(super) cluster_topic_config: Vec<(TopicKey, i64)>,
    pub(super) hardware: Hardware,
}

/// A number in a range, or the nearest one and an error.
pub(super) fn in_range(
    found: &mut Findings<'_>,
    path: &Path,
    value: Option<u32>,
    default: u32,
    (low, high): (u32, u32),
) -> u32 {
    let Some(value) = value else { return default };
    if value < low || value > high {
        found.error(path, "out of range").label(format!("must be {low} to {high}"));
    }
    value.clamp(low, high)
}

/// Three quantiles in order.
pub(super) fn latency(
    found: &mut Findings<'_>,
    path: &Path,
    table: Option<LatencyTable>,
    default: Latency,
) -> Latency {
    let Some(LatencyTable { p50, p99, max }) = table else { return default };
    if p50.0 > p99.0 || p99.0 > max.0 {
        found.error(path, "the quantiles of a latency rise").label("p50 ≤ p99 ≤ max");
    }
    if max.0 > Span::secs(3_600) {
        found.error(&at![path; "max"], "a latency of more than an hour").label("at most `1h`");
    }
    Latency { p50: p50.0, p99: p99.0, max: max.0 }
}

/// Brokers, controllers and topics by name: who is there because the cluster is.
pub(super) fn members(found: &mut Findings<'_>, file: &ScenarioFile) -> Members {
    let cluster = &file.cluster;
    let path = at!["cluster", "brokers"];
    let brokers = in_range(found, &path, cluster.brokers, 3, (1, MOST_BROKERS));
    if let Some(controllers @ 2..=5) = cluster.controllers {
        let what = format!("a quorum of {controllers} controllers cannot be simulated yet");
        found.later(&at!["cluster", "controllers"], &what).help("say 1, or leave it out");
    } else {
        in_range(found, &at!["cluster", "controllers"], cluster.controllers, 1, (1, 5));
    }
    for (place, rack) in cluster.racks.iter().enumerate() {
        let path = at!["cluster", "racks", place];
        if cluster.racks[..place].contains(rack) {
            found.error(&path, "a rack of this name is already there").label("the second one");
        }
    }
    let mut members = Members {
        brokers: brokers as u16,
        controllers: 1,
        racks: cluster.racks.clone(),
        ..Members::default()
    };
    topic_names(found, file, &mut members);
    members
}

fn topic_names(found: &mut Findings<'_>, file: &ScenarioFile, members: &mut Members) {
    if file.topics.is_empty() {
        found
            .error(&at!["topics"], "a scenario has at least one topic")
            .help("write `\"topics\": [{ \"name\": \"orders\", \"partitions\": 3 }]`");
    }
    let mut first = 0u32;
    for (place, topic) in file.topics.iter().enumerate() {
        let path = at!["topics", place, "name"];
        if let Err(label) = legal_topic(&topic.name) {
            found
                .error(&path, "Kafka allows no such topic name (InvalidTopicException)")
                .label(label);
        }
        if members.names.topics.iter().any(|t| t.name == topic.name) {
            found.error(&path, "a topic of this name is already there").label("the second one");
        }
        let path = at!["topics", place, "partitions"];
        let mut count = in_range(found, &path, topic.partitions, 1, (1, MOST_OF_A_TOPIC));
        let mut most = count.max(most_partitions(found, place, topic, count));
        most = created_later(file, &topic.name).fold(most, u32::max).min(MOST_OF_A_TOPIC);
        if first + most > MOST_PARTITIONS {
            found
                .error(&path, "too many partitions")
                .label("at most 50000 over all topics, those that are created later included");
            (count, most) = (1, 1);
        }
        let name = TopicName {
            name: topic.name.clone(),
            first: PartitionId(first as u16),
            partitions: count as u16,
            most: most as u16,
        };
        members.names.topics.push(name);
        first += most;
    }
}

/// What a topic says itself of how many partitions it may come to have.
fn most_partitions(found: &mut Findings<'_>, place: usize, topic: &Topic, count: u32) -> u32 {
    let path = at!["topics", place, "max-partitions"];
    let most = in_range(found, &path, topic.max_partitions, count, (1, MOST_OF_A_TOPIC));
    if most < count {
        found.error(&path, "fewer than its partitions").label(format!("it begins with {count}"));
    }
    most
}

/// To how many partitions the lines of a file let a topic grow: each of them has a name.
fn created_later<'a>(file: &'a ScenarioFile, name: &'a str) -> impl Iterator<Item = u32> + 'a {
    let lines = file.faults.iter().filter_map(|line| line.action.as_ref());
    let steps = file.script.iter().filter_map(|step| step.action.as_ref());
    lines.chain(steps).filter_map(move |action| match action {
        DoTable::CreatePartitions { topic, to } if topic == name => Some(*to),
        _ => None,
    })
}

/// Kafka's rule for topic names (`Topic.java`).
fn legal_topic(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name == "." || name == ".." {
        return Err("empty, `.` or `..`");
    }
    if name.len() > 249 {
        return Err("longer than 249 characters");
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.chars().all(legal) { Ok(()) } else { Err("only letters, digits, `.`, `_` and `-`") }
}

/// Brokers, controllers and cluster-wide settings of a column.
pub(super) fn resolve(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    version: &'static Version,
    members: &Members,
) -> ClusterParts {
    let cluster = &file.cluster;
    let features = versions::features(found, file, version);
    let mut rules = version.rules;
    versions::lay_rules(found, &at!["cluster", "rules"], &cluster.rules, &mut rules);
    let mut shared = BrokerConfig::default();
    let path = at!["cluster", "config"];
    let given = config::broker(found, &path, &cluster.config, version, &mut shared);
    let old = version.timestamp_after_max().filter(|(key, _)| !given.iter().any(|(k, _)| k == key));
    let cluster_topic_config = old.into_iter().chain(given).collect();
    warn_min_insync(found, file, features);
    let disk = disk(found, &at!["disk"], &file.disk, Disk::DEFAULT);
    shared.log_dirs = disk.log_dirs;
    let broker = |place: usize| BrokerPlan {
        config: shared,
        rules,
        rack: members.rack_rank(BrokerId::at(place)),
        disk_capacity: disk.capacity,
        disk_latency: disk.latency,
    };
    let mut brokers: Vec<BrokerPlan> = (0..usize::from(members.brokers)).map(broker).collect();
    let controller = ControllerPlan { config: shared, rules, disk_latency: disk.latency };
    let mut controllers = vec![controller; usize::from(members.controllers)];
    for (word, table) in &cluster.nodes {
        let path = at!["cluster", "nodes", word];
        let Some(nodes) = found.take(&path, members.nodes(word)) else { continue };
        for node in nodes {
            let slot = match node {
                NodeId::Broker(id) => {
                    let b = &mut brokers[id.index()];
                    Slot {
                        config: &mut b.config,
                        rules: &mut b.rules,
                        latency: &mut b.disk_latency,
                        capacity: Some(&mut b.disk_capacity),
                    }
                }
                NodeId::Controller(id) => {
                    let c = &mut controllers[id.index()];
                    Slot {
                        config: &mut c.config,
                        rules: &mut c.rules,
                        latency: &mut c.disk_latency,
                        capacity: None,
                    }
                }
                _ => {
                    found
                        .error_key(&path, "not a node of the cluster")
                        .label("a client")
                        .help("a client's version and rules stand in its own entry");
                    continue;
                }
            };
            override_node(found, &path, table, (&cluster.rules, version), slot);
        }
    }
    let hardware = hardware(found, cluster.hardware.as_deref());
    ClusterParts { brokers, controllers, features, cluster_topic_config, hardware }
}

/// KIP-966: a broker-level value would differ between brokers and controllers.
fn warn_min_insync(found: &mut Findings<'_>, file: &ScenarioFile, features: Features) {
    const NAME: &str = "min.insync.replicas";
    if features.eligible_leader_replicas && file.cluster.config.contains_key(NAME) {
        found
            .warn_key(
                &at!["cluster", "config", NAME],
                "a broker's own min.insync.replicas does not count with eligible leader replicas",
            )
            .label("taken as the cluster's default instead (KIP-966)")
            .help(
                "Kafka keeps this property at the cluster or at the topic once \
                 eligible.leader.replicas.version is 1; write it in `topics[].config`",
            );
    }
}

/// The parts of a node's plan that may be overridden.
struct Slot<'a> {
    config: &'a mut BrokerConfig,
    rules: &'a mut Rules,
    latency: &'a mut Latency,
    capacity: Option<&'a mut u64>,
}

fn override_node(
    found: &mut Findings<'_>,
    path: &Path,
    table: &NodeTable,
    (cluster_rules, mut version): (&BTreeMap<String, String>, &'static Version),
    slot: Slot<'_>,
) {
    if let Some(text) = &table.kafka {
        version = versions::version(found, &at![path; "kafka"], text);
        *slot.rules = version.rules;
        versions::lay_rules(found, &at!["cluster", "rules"], cluster_rules, slot.rules);
    }
    versions::lay_rules(found, &at![path; "rules"], &table.rules, slot.rules);
    let topic = config::broker(found, &at![path; "config"], &table.config, version, slot.config);
    if !topic.is_empty() {
        found
            .error_key(&at![path; "config"], "a topic's default cannot differ between brokers")
            .help("write it in `cluster.config` or in `topics[].config`");
    }
    let dirs = slot.config.log_dirs;
    let latency = *slot.latency;
    let default = Disk { latency, log_dirs: dirs, capacity: u64::MAX, ..Disk::DEFAULT };
    let disk_path = at![path; "disk"];
    let own = disk(found, &disk_path, &table.disk, default);
    *slot.latency = own.latency;
    slot.config.log_dirs = own.log_dirs;
    if table.disk.writeback.is_some() {
        found
            .error_key(&at![disk_path; "writeback"], "the same on every node")
            .help("write it in the top-level `disk`");
    }
    match (slot.capacity, table.disk.capacity) {
        (Some(capacity), Some(size)) => *capacity = size.0,
        (None, Some(_)) => {
            found.error_key(&at![disk_path; "capacity"], "a controller's disk does not fill");
        }
        (_, None) => {}
    }
}

/// A disk, resolved.
#[derive(Clone, Copy)]
pub(super) struct Disk {
    pub(super) writeback: Span,
    latency: Latency,
    log_dirs: u16,
    capacity: u64,
}

impl Disk {
    const DEFAULT: Self = Self {
        writeback: Span::secs(30),
        latency: Latency { p50: Span::millis(1), p99: Span::millis(10), max: Span::millis(200) },
        log_dirs: 1,
        capacity: u64::MAX,
    };
}

/// The top-level `disk`.
pub(super) fn writeback(file: &ScenarioFile) -> Span {
    file.disk.writeback.map_or(Disk::DEFAULT.writeback, |d| d.0)
}

fn disk(found: &mut Findings<'_>, path: &Path, table: &DiskTable, default: Disk) -> Disk {
    let dirs = table.log_dirs.map(u32::from);
    let log_dirs =
        in_range(found, &at![path; "log-dirs"], dirs, u32::from(default.log_dirs), (1, 64));
    if table.capacity.is_some_and(|c| c.0 < 1 << 20) {
        found.error(&at![path; "capacity"], "a disk of less than 1 MiB holds no segment");
    }
    Disk {
        writeback: table.writeback.map_or(default.writeback, |d| d.0),
        latency: latency(found, &at![path; "latency"], table.latency, default.latency),
        log_dirs: log_dirs as u16,
        capacity: table.capacity.map_or(default.capacity, |c| c.0),
    }
}

/// Presets of service times.
pub(super) static HARDWARE: &[(&str, &str, Hardware)] =
    &[("cloud-vm", "a cloud virtual machine with 4 cores and network storage", Hardware::CLOUD_VM)];

fn hardware(found: &mut Findings<'_>, name: Option<&str>) -> Hardware {
    let Some(name) = name else { return Hardware::CLOUD_VM };
    let preset = HARDWARE.iter().find(|(n, ..)| *n == name);
    if preset.is_none() {
        let help =
            suggest(name, HARDWARE.iter().map(|h| h.0), "`highwater list hardware` names all");
        found.error(&at!["cluster", "hardware"], "unknown hardware").help(help);
    }
    preset.map_or(Hardware::CLOUD_VM, |(_, _, hardware)| *hardware)
}

/// The network.
pub(super) fn network(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    members: &Members,
) -> NetworkPlan {
    const LATENCY: Latency =
        Latency { p50: Span::micros(400), p99: Span::millis(3), max: Span::millis(40) };
    let table = &file.network;
    let mut links = Vec::new();
    for (place, link) in table.links.iter().enumerate() {
        let path = at!["network", "links", place];
        let from = found.take(&at![path; "from"], members.nodes(&link.from));
        let to = found.take(&at![path; "to"], members.nodes(&link.to));
        let latency = latency(found, &at![path; "latency"], Some(link.latency), LATENCY);
        if let (Some(from), Some(to)) = (from, to) {
            links.push(LinkPlan { from, to, latency });
        }
    }
    NetworkPlan {
        latency: latency(found, &at!["network", "latency"], table.latency, LATENCY),
        links,
        socket_buffer: table.socket_buffer.map_or(100 << 10, |s| s.0),
        give_up: table.give_up.map_or(Span::secs(900), |d| d.0),
    }
}

/// The topics of a column.
pub(super) fn topics(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    version: &Version,
    members: &Members,
    cluster: &ClusterParts,
) -> Vec<TopicPlan> {
    let usable = placement::usable(&cluster.brokers);
    let mut plans = Vec::new();
    for (place, topic) in file.topics.iter().enumerate() {
        let path = at!["topics", place];
        let mut config = TopicConfig::default();
        for &(key, value) in &cluster.cluster_topic_config {
            config.set(key, value);
        }
        let overrides =
            config::topic(found, &at![path; "config"], &topic.config, version, &mut config);
        let partitions = usize::from(members.names.topics[place].partitions);
        let replicas = replicas(found, &path, topic, members, (&usable, partitions));
        let smallest = replicas.iter().map(Vec::len).min().unwrap_or(1);
        if config.min_insync_replicas as usize > smallest {
            let at_topic = at![path; "config", "min.insync.replicas"];
            found
                .warn_key(&at_topic, "more than there are replicas")
                .label(format!("{} of {smallest}", config.min_insync_replicas))
                .help(
                    "Kafka takes the number of replicas instead (`Partition.effectiveMinIsr`): \
                     acks=all needs every replica in sync",
                );
        }
        plans.push(TopicPlan { config, overrides, replicas });
    }
    plans
}

/// The replica lists of a topic: as written, or as Kafka places it.
fn replicas(
    found: &mut Findings<'_>,
    path: &Path,
    topic: &Topic,
    members: &Members,
    (usable, partitions): (&[UsableBroker], usize),
) -> Vec<Vec<BrokerId>> {
    let brokers = u32::from(members.brokers);
    let factor_path = at![path; "replication-factor"];
    let most = MOST_REPLICAS.min(brokers);
    if topic.replication_factor.is_some_and(|f| f > brokers && f <= MOST_REPLICAS) {
        found
            .error(&factor_path, "more replicas than brokers (InvalidReplicationFactorException)")
            .label(format!("the cluster has {brokers}"));
    } else {
        in_range(found, &factor_path, topic.replication_factor, 1, (1, MOST_REPLICAS));
    }
    let factor = topic.replication_factor.unwrap_or(3).clamp(1, most) as usize;
    let placed = placement::place(usable, partitions, factor, None)
        .expect("a factor from 1 to the number of brokers, of which none is fenced");
    let Some(lists) = &topic.replicas else { return placed };
    let lists_path = at![path; "replicas"];
    if lists.len() != partitions {
        let message = format!("replica lists: {}, partitions: {partitions}", lists.len());
        found.error(&lists_path, &message).label("one list for each partition");
    }
    let mut resolved = Vec::new();
    for (p, list) in lists.iter().enumerate() {
        let path = at![lists_path; p];
        let mut brokers: Vec<BrokerId> = Vec::new();
        for (r, &number) in list.iter().enumerate() {
            let Some(broker) = found.take(&at![path; r], members.broker(number)) else { continue };
            if brokers.contains(&broker) {
                found.error(&at![path; r], "a broker holds a partition once");
            }
            brokers.push(broker);
        }
        let wanted = topic.replication_factor.map(|f| f as usize);
        if list.is_empty() || list.len() > MOST_REPLICAS as usize {
            found.error(&path, "a partition has 1 to 64 replicas");
        } else if wanted.is_some_and(|f| f != list.len()) {
            let message = "not as many replicas as `replication-factor` says";
            found.error(&path, message).label(format!("{} replicas", list.len()));
        }
        resolved.push(brokers);
    }
    // What is missing has been complained about; the rest of the file is looked at all the same.
    let missing = |(p, list): (usize, Vec<BrokerId>)| {
        let written = resolved.get(p).filter(|brokers| !brokers.is_empty());
        written.cloned().unwrap_or(list)
    };
    placed.into_iter().enumerate().map(missing).collect()
}
