//! Faults and script steps as they are written in the file.
//!
//! A fault line has exactly one of `at`, `when`, `every`, `swarm`, and a step exactly one opening
//! key. Both are read as one struct of optional keys and sorted out by the modules that resolve
//! them, because only then every wrong key has a place of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::file::LatencyTable;
use super::words::{ByteRate, Chance, Duration, Scalar, Shift};

/// A fact by its name, and what it must speak about: `{ "truncated": { "partition": "t-0" } }`.
pub(super) type PatternTable = BTreeMap<String, PatternFields>;

/// What a fact must speak about; what is left out matches anything.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PatternFields {
    /// This partition: `t-0`.
    pub(super) partition: Option<String>,
    /// This node: `broker:2`.
    pub(super) node: Option<String>,
    /// With an in-sync set of so many members.
    pub(super) size: Option<usize>,
    /// With (`true`) or without (`false`) a leader.
    pub(super) leader: Option<bool>,
}

/// One line of `faults`; it has exactly one of `at`, `when`, `every` and `swarm`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["at", "do"] }, { "required": ["when", "do"] }, { "required": ["every", "do"] },
    { "required": ["swarm"] }
]))]
pub(super) struct FaultEntry {
    /// At this moment.
    pub(super) at: Option<Duration>,
    /// When this fact happens.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    pub(super) when: Option<PatternTable>,
    /// Which of such facts, counted from 1; the first.
    pub(super) nth: Option<u32>,
    /// How long after it; `1ns`, the least.
    pub(super) after: Option<Duration>,
    /// Every so often, with a probability.
    pub(super) every: Option<Duration>,
    /// How probable each time; `1/1`.
    pub(super) probability: Option<Chance>,
    /// Random faults: each seed draws which kinds exist and how often they come.
    pub(super) swarm: Option<SwarmWord>,
    /// The kinds a swarm draws from; every kind that a gate counts if not said.
    pub(super) kinds: Option<Vec<String>>,
    /// Start of the window of `every` and `swarm`; `0s`.
    pub(super) from: Option<Duration>,
    /// End of that window; `run.duration`.
    pub(super) until: Option<Duration>,
    /// How long the fault lasts; until the heal if not said.
    #[serde(rename = "for")]
    pub(super) length: Option<Duration>,
    /// Whom: `broker:2`, `leader:orders-0`, `minority`, …
    pub(super) target: Option<String>,
    /// What.
    #[serde(rename = "do")]
    pub(super) action: Option<DoTable>,
}

/// How wild a swarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SwarmWord {
    /// Few kinds, seldom.
    Gentle,
    /// Some kinds, now and then.
    Medium,
    /// Most kinds, often.
    Harsh,
}

/// A fault or an operation.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum DoTable {
    /// kill -9; the page cache stays. Starts again at the end.
    Crash {},
    /// The machine loses power, and with it unsynced bytes. Starts again at the end.
    PowerLoss {
        /// What is left of unsynced bytes; `random`.
        #[serde(default)]
        keep: KeepTable,
    },
    /// Controlled shutdown; starts again at the end.
    Shutdown {},
    /// SIGSTOP, and SIGCONT at the end: a long garbage collection.
    Pause {},
    /// Down, and back with an empty disk at the end.
    Wipe {},
    /// Bytes between groups of nodes are held.
    Partition {
        /// Each group is a list of target words; links inside a group stay.
        groups: Vec<Vec<String>>,
        /// `to` and `from` are seen from the first group; `both`.
        #[serde(default)]
        direction: DirectionWord,
    },
    /// Every message on the target's links takes longer.
    #[serde(rename_all = "kebab-case")]
    NetworkDelay {
        /// By so much.
        latency: Duration,
        /// And by up to so much more.
        jitter: Option<Duration>,
    },
    /// Segments on the target's links are lost: connections stall, at last close.
    NetworkLoss {
        /// So many of a hundred.
        #[schemars(range(min = 1, max = 100))]
        percent: u8,
    },
    /// The target's links carry so little.
    NetworkBandwidth {
        /// Bytes a second.
        rate: ByteRate,
    },
    /// A sync takes so long.
    DiskSlow {
        /// Latency of one sync.
        latency: LatencyTable,
    },
    /// No disk operation returns.
    DiskHang {},
    /// No space is left.
    DiskFull {},
    /// The wall clock is wrong.
    ClockSkew {
        /// By so much; backwards with a minus.
        offset: Shift,
    },
    /// Each request takes longer.
    SlowProcessing {
        /// By so much.
        time: Duration,
    },
    /// Stops and starts at once.
    Restart {
        /// `shutdown` or `crash`.
        how: RestartWord,
    },
    /// Every connection of the target's links is reset.
    ConnectionReset {},
    /// A log directory is offline until the broker restarts.
    DiskError {
        /// Which, from 0.
        #[serde(default)]
        dir: u16,
    },
    /// The last batch of the target's replica is torn.
    CorruptLog {
        /// Of this partition.
        partition: String,
    },
    /// Controlled shutdown and start of each broker in turn, waiting for full in-sync sets.
    RollingRestart {
        /// The version to upgrade to; comes in a later version.
        #[schemars(skip)]
        kafka: Option<String>,
    },
    /// A topic property is set.
    SetConfig {
        /// Of this topic.
        topic: String,
        /// A Kafka property of topics.
        key: String,
        /// Its value.
        value: Scalar,
    },
    /// An unclean election is asked for.
    ElectUnclean {
        /// Of this partition.
        partition: String,
    },
    /// The preferred leaders of all partitions are asked for.
    ElectPreferred {},
    /// A topic gets more partitions, which Kafka places.
    CreatePartitions {
        /// This topic.
        topic: String,
        /// How many partitions it is to have in all.
        #[schemars(range(min = 2, max = 10000))]
        to: u32,
    },
    /// Comes in a later version.
    #[schemars(skip)]
    StoreSlow(IgnoredAny),
    /// Comes in a later version.
    #[schemars(skip)]
    StoreError(IgnoredAny),
    /// Comes in a later version.
    #[schemars(skip)]
    Reassign(IgnoredAny),
    /// Comes in a later version.
    #[schemars(skip)]
    DeleteRecords(IgnoredAny),
    /// Comes in a later version.
    #[schemars(skip)]
    SetFeature(IgnoredAny),
}

/// Which way a cut goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DirectionWord {
    /// Both ways.
    #[default]
    Both,
    /// Bytes from the first group to the others are held.
    To,
    /// Bytes from the others to the first group are held.
    From,
}

/// How a restarted node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RestartWord {
    /// Controlled shutdown.
    Shutdown,
    /// kill -9.
    Crash,
}

/// What a power loss leaves: a word, or offsets by partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum KeepTable {
    /// A random prefix of what was not synced, per file.
    #[default]
    Random,
    /// Only what was synced.
    Nothing,
    /// Of each partition named, the batches below that offset; all else is kept.
    Offsets(BTreeMap<String, u64>),
}

impl<'de> Deserialize<'de> for KeepTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrMap;
        impl<'de> Visitor<'de> for WordOrMap {
            type Value = KeepTable;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`random`, `nothing` or offsets like { \"t-0\": 20 }")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<KeepTable, E> {
                match word {
                    "random" => Ok(KeepTable::Random),
                    "nothing" => Ok(KeepTable::Nothing),
                    _ => Err(E::unknown_variant(word, &["random", "nothing"])),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeepTable, A::Error> {
                let mut offsets = BTreeMap::new();
                while let Some((partition, offset)) = map.next_entry()? {
                    offsets.insert(partition, offset);
                }
                Ok(KeepTable::Offsets(offsets))
            }
        }
        deserializer.deserialize_any(WordOrMap)
    }
}

impl JsonSchema for KeepTable {
    fn schema_name() -> Cow<'static, str> {
        "Keep".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What a power loss leaves of unsynced bytes.",
            "oneOf": [
                { "enum": ["random", "nothing"] },
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": { "type": "integer", "minimum": 0 }
                }
            ]
        })
    }
}

/// One step of `script`; it has exactly one of the keys that open a step.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("oneOf" = [
    { "required": ["sleep"] }, { "required": ["until"] }, { "required": ["send"] },
    { "required": ["start"] }, { "required": ["stop"] }, { "required": ["seek"] },
    { "required": ["do"] }, { "required": ["undo"] }, { "required": ["describe"] },
    { "required": ["read"] }, { "required": ["dump-log"] }
]))]
pub(super) struct StepEntry {
    /// Waits.
    pub(super) sleep: Option<Duration>,
    /// Waits for a fact.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    pub(super) until: Option<PatternTable>,
    /// How long `until` waits; `60s`.
    pub(super) within: Option<Duration>,
    /// A producer sends records, one after the other.
    pub(super) send: Option<String>,
    /// Whether `send` waits for each answer; true.
    #[serde(rename = "await")]
    pub(super) awaits: Option<bool>,
    /// How many; 1.
    pub(super) count: Option<u32>,
    /// Their values begin with this: `b0`, `b1`, …
    pub(super) label: Option<String>,
    /// Where: of `send` fixes the partition, of `seek` says which.
    pub(super) partition: Option<String>,
    /// Starts a client.
    pub(super) start: Option<String>,
    /// Stops a client.
    pub(super) stop: Option<String>,
    /// Moves a consumer's position.
    pub(super) seek: Option<String>,
    /// To this offset.
    pub(super) offset: Option<u64>,
    /// A fault or an operation, at once.
    #[serde(rename = "do")]
    pub(super) action: Option<DoTable>,
    /// Of `do`: whom; of `dump-log`: whose log.
    pub(super) target: Option<String>,
    /// A name for what is done, for `undo`.
    pub(super) mark: Option<String>,
    /// Ends what bears this mark.
    pub(super) undo: Option<String>,
    /// Reads the committed state of a partition.
    pub(super) describe: Option<String>,
    /// A fresh consumer reads a partition from its start.
    pub(super) read: Option<String>,
    /// Reads a replica's log; the leader's if there is no target.
    pub(super) dump_log: Option<String>,
    /// The name of what this step records.
    #[serde(rename = "as")]
    pub(super) record_as: Option<String>,
}
