//! The scenario file as it is written: one struct per table, one field per key.
//!
//! From these types the JSON Schema is generated, so their docs are what an editor shows. They
//! mirror the file and nothing else; what a value means, and its default where that depends on
//! other values, is decided by the modules that resolve it. Shapes are chosen for exact error
//! places: externally tagged enums, unknown keys denied everywhere, nothing flattened.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::fault_file::{FaultEntry, StepEntry};
use super::words::{Duration, Rate, Scalar, Size};

/// Kafka properties by Kafka's own names; values may be numbers, booleans or strings.
pub(super) type Properties = BTreeMap<String, Scalar>;

/// A Highwater scenario: a cluster, what uses it, what goes wrong, and what is expected.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("anyOf" = [{ "required": ["topics"] }, { "required": ["extends"] }]))]
pub(super) struct ScenarioFile {
    /// For editors, otherwise unused.
    #[serde(rename = "$schema")]
    #[expect(dead_code, reason = "editors read it, Highwater does not")]
    pub(super) schema: Option<String>,
    /// Version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub(super) version: u32,
    /// One sentence.
    pub(super) title: String,
    /// What a reader should take away.
    #[serde(default)]
    pub(super) lesson: String,
    /// Numbers of the claims that this scenario shows, like "G6".
    #[serde(default)]
    pub(super) claims: Vec<String>,
    /// Another scenario file; beside it stand only texts, `set` and `expect`.
    #[expect(dead_code, reason = "resolved before the file is read as a whole")]
    pub(super) extends: Option<String>,
    /// Single values laid over the extended file, by path: `{ "producer.acks": "1" }`.
    #[expect(dead_code, reason = "resolved before the file is read as a whole")]
    #[serde(default)]
    pub(super) set: BTreeMap<String, Scalar>,
    /// What each seed draws anew, by path: `{ "producer.linger.ms": { "one-of": [0, 5] } }`. What
    /// stands at these paths counts only where nothing is drawn.
    #[serde(default)]
    pub(super) vary: BTreeMap<String, VaryEntry>,
    /// The cluster.
    #[serde(default)]
    pub(super) cluster: Cluster,
    /// Topics; at least one.
    #[serde(default)]
    pub(super) topics: Vec<Topic>,
    /// Producer processes.
    #[serde(default)]
    pub(super) producers: Vec<Producer>,
    /// Consumer processes.
    #[serde(default)]
    pub(super) consumers: Vec<Consumer>,
    /// Applications; they come in a later version.
    #[serde(default)]
    #[schemars(skip)]
    pub(super) apps: Vec<serde::de::IgnoredAny>,
    /// The network.
    #[serde(default)]
    pub(super) network: Network,
    /// Every broker's disk.
    #[serde(default)]
    pub(super) disk: DiskTable,
    /// Every node's clock.
    #[serde(default)]
    pub(super) clock: Clock,
    /// What goes wrong, and when.
    #[serde(default)]
    pub(super) faults: Vec<FaultEntry>,
    /// What one scripted client and operator does, in order, from the start.
    #[serde(default)]
    pub(super) script: Vec<StepEntry>,
    /// What is promised, hence which random faults are survivable.
    #[serde(default)]
    pub(super) promise: PromiseTable,
    /// What is expected, beside what the configuration promises by itself.
    #[serde(default)]
    pub(super) expect: Vec<ExpectEntry>,
    /// How long, how many, at what cost.
    #[serde(default)]
    pub(super) run: Run,
}

/// The values of one path, each as likely as any other: a list, or a range of whole numbers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct VaryEntry {
    /// The values themselves; `"default"` is none, so that what is the default holds.
    pub(super) one_of: Option<Vec<serde_json::Value>>,
    /// The least.
    pub(super) from: Option<u64>,
    /// The most.
    pub(super) to: Option<u64>,
    /// From one to the next; 1.
    pub(super) step: Option<u64>,
}

/// The cluster.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Cluster {
    /// How many brokers, numbered from 1; 3 if not said.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) brokers: Option<u32>,
    /// How many voters of the metadata quorum; 1.
    #[schemars(range(min = 1, max = 1))]
    pub(super) controllers: Option<u32>,
    /// Racks, dealt to the brokers in turn. The replicas of a topic are spread over them.
    pub(super) racks: Vec<String>,
    /// Kafka versions, one run each: the columns of the report; `["4.1"]` if not said.
    pub(super) kafka: Option<Vec<String>>,
    /// `kraft` from 4.0 on; 3.9 must say it.
    pub(super) mode: Option<Mode>,
    /// An upgraded cluster keeps eligible leader replicas off.
    pub(super) origin: Option<OriginWord>,
    /// Feature levels, like `{ "eligible.leader.replicas.version": 0 }`.
    pub(super) features: BTreeMap<String, u32>,
    /// Rules laid over the version's preset on every node.
    pub(super) rules: BTreeMap<String, String>,
    /// Kafka properties of every broker and controller.
    pub(super) config: Properties,
    /// What differs at single nodes, like `{ "broker:2": { "kafka": "4.0" } }`.
    pub(super) nodes: BTreeMap<String, NodeTable>,
    /// Service times: the name of a preset.
    pub(super) hardware: Option<String>,
}

/// Who keeps the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    /// A metadata quorum.
    Kraft,
    /// ZooKeeper; not in this version.
    Zookeeper,
}

/// How the cluster came to its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OriginWord {
    /// Formatted with this version.
    New,
    /// Upgraded from an older one.
    Upgraded,
}

/// What differs at one node.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct NodeTable {
    /// Its version.
    pub(super) kafka: Option<String>,
    /// Rules laid over everything else.
    pub(super) rules: BTreeMap<String, String>,
    /// Kafka properties of this node.
    pub(super) config: Properties,
    /// Its disk.
    pub(super) disk: DiskTable,
}

/// One topic.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Topic {
    /// As Kafka allows it.
    pub(super) name: String,
    /// How many partitions; 1.
    #[schemars(range(min = 1, max = 10000))]
    pub(super) partitions: Option<u32>,
    /// How many partitions it may come to have; as many as `create-partitions` lines let it. Files
    /// that are written from a run say it, so that a partition has its name where no line creates
    /// it.
    #[schemars(range(min = 1, max = 10000))]
    pub(super) max_partitions: Option<u32>,
    /// Replicas of each partition; 3, but no more than there are brokers.
    #[schemars(range(min = 1, max = 64))]
    pub(super) replication_factor: Option<u32>,
    /// Replica list of each partition, the preferred leader first; Kafka's placement if not said.
    pub(super) replicas: Option<Vec<Vec<u32>>>,
    /// Kafka properties of the topic.
    #[serde(default)]
    pub(super) config: Properties,
}

/// A kind of producer process.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Producer {
    /// Its name; of several instances the first is `NAME/0`.
    pub(super) name: String,
    /// How many instances; 1.
    #[schemars(range(min = 1, max = 10000))]
    pub(super) count: Option<u32>,
    /// Topics it writes to, in turn; all but internal ones if not said.
    pub(super) topics: Option<Vec<String>>,
    /// Records per second of each instance; `100/s`.
    pub(super) rate: Option<Rate>,
    /// How many records each instance sends; no end if not said.
    pub(super) records: Option<u64>,
    /// How many distinct keys; 0 for records without a key.
    pub(super) keys: Option<u32>,
    /// Size of a record's value; `100B`.
    pub(super) size: Option<Size>,
    /// What the application does with a failed send; `drop`.
    pub(super) on_failure: Option<OnFailure>,
    /// Properties of its Kafka client.
    #[serde(default)]
    pub(super) config: Properties,
    /// Version of its Kafka client; the column's if not said.
    pub(super) kafka: Option<String>,
    /// Rules of its Kafka client.
    #[serde(default)]
    pub(super) rules: BTreeMap<String, String>,
}

/// What an application does with a failed send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OnFailure {
    /// Nothing.
    Drop,
    /// Submits it again, as another record.
    Resend,
}

/// A kind of consumer process.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Consumer {
    /// Its name; of several members the first is `NAME/0`.
    pub(super) name: Option<String>,
    /// A consumer group; comes in a later version.
    pub(super) group: Option<String>,
    /// How many instances; 1.
    #[schemars(range(min = 1, max = 10000))]
    pub(super) members: Option<u32>,
    /// Topics it subscribes to with its group; comes in a later version.
    pub(super) topics: Option<Vec<String>>,
    /// Partitions it reads, like `["orders-0"]`.
    pub(super) assign: Option<Vec<String>>,
    /// Time to process one record; `0ms`.
    pub(super) processing: Option<Duration>,
    /// Steps of its loop; `["poll", "process"]`.
    #[serde(rename = "loop")]
    pub(super) steps: Option<Vec<LoopStep>>,
    /// Properties of its Kafka client.
    #[serde(default)]
    pub(super) config: Properties,
    /// Version of its Kafka client; the column's if not said.
    pub(super) kafka: Option<String>,
    /// Rules of its Kafka client.
    #[serde(default)]
    pub(super) rules: BTreeMap<String, String>,
}

/// One step of a consumer's loop.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LoopStep {
    /// Asks for records.
    Poll,
    /// Processes them.
    Process,
    /// Hands them to worker threads.
    #[schemars(skip)]
    HandOff,
    /// Writes them to a store.
    #[schemars(skip)]
    Store,
    /// Produces output.
    #[schemars(skip)]
    Produce,
    /// Commits and waits.
    #[schemars(skip)]
    CommitSync,
    /// Commits and goes on.
    #[schemars(skip)]
    CommitAsync,
    /// Commits the offset read.
    #[schemars(skip)]
    CommitRead,
    /// Pauses its partitions.
    #[schemars(skip)]
    Pause,
    /// Resumes them.
    #[schemars(skip)]
    Resume,
    /// Begins a transaction.
    #[schemars(skip)]
    Begin,
    /// Adds its offsets to the transaction.
    #[schemars(skip)]
    SendOffsets,
    /// Commits the transaction.
    #[schemars(skip)]
    CommitTransaction,
    /// What to do with an exception.
    #[schemars(skip)]
    OnError(serde_json::Value),
}

/// Latency as three quantiles.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LatencyTable {
    /// Half of all are faster.
    pub(super) p50: Duration,
    /// One in a hundred is slower.
    pub(super) p99: Duration,
    /// None is slower.
    pub(super) max: Duration,
}

/// The network.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Network {
    /// Latency of a link, per direction; 400us, 3ms, 40ms.
    pub(super) latency: Option<LatencyTable>,
    /// Links that differ.
    pub(super) links: Vec<Link>,
    /// Bytes a kernel accepts for a paused node; `100KiB`.
    pub(super) socket_buffer: Option<Size>,
    /// How long TCP retransmits before it closes a connection by itself; `15m`.
    pub(super) give_up: Option<Duration>,
}

/// Links with a latency of their own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// Senders, as a target word: `rack:a`.
    pub(super) from: String,
    /// Receivers, as a target word.
    pub(super) to: String,
    /// Their latency, in this direction.
    pub(super) latency: LatencyTable,
}

/// A disk.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct DiskTable {
    /// Oldest age of an unsynced byte before the system writes it back; `30s`.
    pub(super) writeback: Option<Duration>,
    /// Latency of one sync; 1ms, 10ms, 200ms.
    pub(super) latency: Option<LatencyTable>,
    /// Log directories; 1.
    #[schemars(range(min = 1, max = 64))]
    pub(super) log_dirs: Option<u16>,
    /// What a broker's log directories hold together; no end if not said.
    pub(super) capacity: Option<Size>,
}

/// Clocks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Clock {
    /// Each node's wall clock is off by at most this; `0ms`.
    pub(super) wall_offset: Option<Duration>,
    /// Each node's clock runs fast or slow by at most so many parts per million; 0.
    pub(super) drift: Option<u32>,
}

/// What is promised.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct PromiseTable {
    /// Acknowledged records survive while fewer replicas than this are tainted; 1.
    #[schemars(range(min = 1, max = 64))]
    pub(super) min_insync: Option<u32>,
    /// Which stops taint a replica; `unclean-stop`.
    pub(super) taint: Option<TaintWord>,
    /// Whether random faults beyond the promise are refused; `within`.
    pub(super) budget: Option<BudgetWord>,
}

/// Which stops taint a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TaintWord {
    /// kill -9, power loss, a halt.
    UncleanStop,
    /// Only a lost tail: the mistake that a canary shows.
    TailLost,
}

/// Whether random faults beyond the promise are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum BudgetWord {
    /// They are.
    Within,
    /// They are not.
    Beyond,
}

/// One expectation; it has exactly one of the first six keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["never"] }, { "required": ["always"] }, { "required": ["sometimes"] },
    { "required": ["liveness"] }, { "required": ["at-most"] }, { "required": ["at-least"] }
]))]
pub(super) struct ExpectEntry {
    /// No run shows it.
    pub(super) never: Option<String>,
    /// Every run shows it.
    pub(super) always: Option<String>,
    /// At least one run shows it.
    pub(super) sometimes: Option<String>,
    /// After the heal it comes true in time.
    pub(super) liveness: Option<String>,
    /// How long a liveness line may take; `run.settle` if not said.
    pub(super) within: Option<Duration>,
    /// The metric of every run is at most this: `{ "write-gap": "25s" }`.
    pub(super) at_most: Option<BTreeMap<String, Scalar>>,
    /// The metric of every run is at least this: `{ "write-availability": "90%" }`.
    pub(super) at_least: Option<BTreeMap<String, Scalar>>,
    /// Of this column only.
    pub(super) kafka: Option<String>,
}

/// How long, how many, at what cost.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Run {
    /// The fault phase; `60s`.
    pub(super) duration: Option<Duration>,
    /// Whether everything is healed afterwards; true.
    pub(super) heal: Option<bool>,
    /// How long the run may take to converge; the largest bound that the configs imply.
    pub(super) settle: Option<Duration>,
    /// Which seeds, if the command line says nothing.
    pub(super) seeds: Seeds,
    /// Full audit every so many events; 10000.
    pub(super) audit: Option<u64>,
    /// What a run may cost.
    pub(super) budget: Budget,
}

/// Which seeds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Seeds {
    /// The first; 0.
    pub(super) from: Option<u64>,
    /// How many; 1.
    pub(super) count: Option<u64>,
}

/// What a run may cost.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Budget {
    /// Events; 20 times what the run is estimated at, from 10000000 to 100000000.
    pub(super) events: Option<u64>,
    /// Memory; `1GiB`.
    pub(super) memory: Option<Size>,
}
