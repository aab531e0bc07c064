//! The plan of a run: everything that a validated scenario says, resolved to plain values.
//!
//! `scenario` makes it (one per column of Kafka versions), `sim` builds a world from it, `check`
//! and `report` get the parts they need as values. A run is a function of a plan and a seed.
//! Does not know where a value came from: spans and diagnostics stay in `scenario`.

use crate::base::ids::{BrokerId, NodeId, PartitionId, TopicId};
use crate::base::rng::Latency;
use crate::base::time::Span;
use crate::model::config::{
    BrokerConfig, ConsumerConfig, Features, ProducerConfig, TopicConfig, TopicKey,
};
use crate::model::fault::FaultLine;
use crate::model::names::Names;
use crate::model::rules::Rules;
use crate::model::script::ScriptStep;

/// Everything a run needs besides its seed. A scenario has one for each version of Kafka that it
/// names; what is in it is said by the scenario, so its parts are no public matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The Kafka version of this column, `"4.1"`.
    pub kafka: String,
    /// Names of topics, processes and labels.
    pub names: Names,
    /// Brokers, by `BrokerId` (1 first).
    #[doc(hidden)]
    pub brokers: Vec<BrokerPlan>,
    /// Controllers, by `ControllerId` (1 first).
    #[doc(hidden)]
    pub controllers: Vec<ControllerPlan>,
    /// Feature levels.
    #[doc(hidden)]
    pub features: Features,
    /// Topics, by `TopicId`.
    #[doc(hidden)]
    pub topics: Vec<TopicPlan>,
    /// Topic properties that the cluster default gives every topic (`cluster.config`).
    #[doc(hidden)]
    pub cluster_topic_config: Vec<(TopicKey, i64)>,
    /// Client processes, by `ProcessId`. Readers of `read` steps are the last.
    #[doc(hidden)]
    pub processes: Vec<ProcessPlan>,
    /// The network.
    #[doc(hidden)]
    pub network: NetworkPlan,
    /// All disks, unless a broker's own plan differs.
    #[doc(hidden)]
    pub writeback: Span,
    /// Clocks: each node draws its wall clock's offset within ± this.
    #[doc(hidden)]
    pub wall_offset: Span,
    /// Clocks: each node draws its monotonic clock's drift within ± so many parts per million.
    #[doc(hidden)]
    pub drift_ppm: u32,
    /// Service times.
    #[doc(hidden)]
    pub hardware: Hardware,
    /// Fault lines, in the order of the file.
    #[doc(hidden)]
    pub faults: Vec<FaultLine>,
    /// The script.
    #[doc(hidden)]
    pub script: Vec<ScriptStep>,
    /// What is promised, hence which random faults are survivable.
    #[doc(hidden)]
    pub promise: Promise,
    /// How long, and at what cost.
    #[doc(hidden)]
    pub run: RunPlan,
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerPlan {
    /// Its configuration.
    pub config: BrokerConfig,
    /// What its code does.
    pub rules: Rules,
    /// Its `broker.rack`, as a number in the order of the racks' names.
    pub rack: Option<u16>,
    /// Bytes its log directories hold; `u64::MAX` for no end.
    pub disk_capacity: u64,
    /// Latency of one sync.
    pub disk_latency: Latency,
}

/// One controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerPlan {
    /// Its configuration: sessions, election intervals, quorum time-outs.
    pub config: BrokerConfig,
    /// What its code does.
    pub rules: Rules,
    /// Latency of one sync of the metadata log.
    pub disk_latency: Latency,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its properties after all defaults are merged; what the checkers' promise is derived from.
    pub config: TopicConfig,
    /// The properties set on the topic itself, written to the metadata log at its creation.
    pub overrides: Vec<(TopicKey, i64)>,
    /// Replica list of each partition that exists at time zero; the first is the preferred leader.
    pub replicas: Vec<Vec<BrokerId>>,
}

/// One client process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessPlan {
    /// What its code does.
    pub rules: Rules,
    /// Whether it starts by itself at t = 0; otherwise a script starts it.
    pub starts: bool,
    /// What it runs.
    pub app: AppPlan,
}

/// What a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppPlan {
    /// Numbered records at a steady pace, and scripted sends.
    Producer(ProducerPlan),
    /// A poll loop over assigned partitions.
    Consumer(ConsumerPlan),
    /// An application of the reader's own, with these clients. What it will do is not known.
    Own(ClientsPlan),
}

impl AppPlan {
    /// The clients that its process has.
    #[must_use]
    pub fn clients(&self) -> ClientsPlan {
        match self {
            Self::Producer(producer) => {
                ClientsPlan { producer: Some(producer.config), consumer: None }
            }
            Self::Consumer(consumer) => ClientsPlan {
                producer: None,
                consumer: Some((consumer.config, consumer.assign.clone())),
            },
            Self::Own(clients) => clients.clone(),
        }
    }

    /// The configuration of its producer, if it has one.
    #[must_use]
    pub const fn producer(&self) -> Option<&ProducerConfig> {
        match self {
            Self::Producer(producer) => Some(&producer.config),
            Self::Consumer(_) => None,
            Self::Own(clients) => clients.producer.as_ref(),
        }
    }

    /// The partitions that its consumer is assigned; none if it has no consumer.
    #[must_use]
    pub fn assigned(&self) -> Option<&[PartitionId]> {
        match self {
            Self::Producer(_) => None,
            Self::Consumer(consumer) => Some(&consumer.assign),
            Self::Own(clients) => clients.consumer.as_ref().map(|(_, assign)| assign.as_slice()),
        }
    }
}

/// The clients of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientsPlan {
    /// A producer, configured so.
    pub producer: Option<ProducerConfig>,
    /// A consumer, configured so, with these partitions assigned.
    pub consumer: Option<(ConsumerConfig, Vec<PartitionId>)>,
}

/// A producer application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerPlan {
    /// Its client's configuration, as it takes effect.
    pub config: ProducerConfig,
    /// The topics it writes to, one after the other.
    pub topics: Vec<TopicId>,
    /// Time between two records; `None` if only `send` steps make it send.
    pub period: Option<Span>,
    /// How many records it sends by itself; no end if `None`.
    pub records: Option<u64>,
    /// How many distinct keys (`key-0`, …); none if 0.
    pub keys: u32,
    /// Size of a record's value, in bytes.
    pub size: u32,
    /// Whether it submits a failed record again, as another record.
    pub resend: bool,
}

/// A consumer application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPlan {
    /// Its client's configuration.
    pub config: ConsumerConfig,
    /// The partitions it reads.
    pub assign: Vec<PartitionId>,
    /// Time it takes to process one record.
    pub processing: Span,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Latency of a link, per direction.
    pub latency: Latency,
    /// Links that differ: from any of these to any of those.
    pub links: Vec<LinkPlan>,
    /// Bytes a kernel accepts for a node that is paused.
    pub socket_buffer: u64,
    /// How long TCP retransmits before it closes an open connection by itself.
    pub give_up: Span,
}

/// Links with a latency of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPlan {
    /// Senders.
    pub from: Vec<NodeId>,
    /// Receivers.
    pub to: Vec<NodeId>,
    /// Their latency.
    pub latency: Latency,
}

/// Service times of the broker's lanes: a message kind's fixed cost and a cost per KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// A produce request.
    pub produce: Span,
    /// A fetch request.
    pub fetch: Span,
    /// A request to the control lane: heartbeats, metadata, registration, AlterPartition.
    pub control: Span,
    /// Any response that a node handles.
    pub response: Span,
    /// Each KiB of records in a request or response.
    pub per_kib: Span,
    /// From start of a process to its first request (the JVM, log loading); recovery adds to it.
    /// Recorded from start to registered: 0.8 to 1.2 s.
    pub start: Span,
    /// What the first batches cost that a restarted broker fetches: nothing of that way is loaded
    /// or compiled yet. Inferred: in all four runs of `eligible-leader-replicas` a replica that has
    /// to fetch once is in the ISR before one that has to fetch twice.
    pub first_append: Span,
    /// Recovery after an unclean stop, per MiB of log beyond the recovery point.
    pub recovery_per_mib: Span,
}

impl Hardware {
    /// A cloud virtual machine with 4 cores and network storage.
    pub const CLOUD_VM: Self = Self {
        produce: Span::micros(60),
        fetch: Span::micros(40),
        control: Span::micros(30),
        response: Span::micros(10),
        per_kib: Span::nanos(800),
        start: Span::millis(1_100),
        first_append: Span::millis(45),
        recovery_per_mib: Span::millis(4),
    };
}

/// What a file promises, whatever the topics say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Acknowledged records survive while fewer replicas than this are tainted when a tail is cut.
    pub min_insync: u32,
    /// Which stops taint a replica.
    pub taint: Taint,
    /// Whether random faults beyond the promise are refused.
    pub refuse_beyond: bool,
}

/// Which stops taint a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taint {
    /// Every unclean stop: kill -9, power loss, a halt.
    UncleanStop,
    /// Only a lost tail: the mistake that a canary shows.
    TailLost,
}

/// How long a run is and what it may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// The fault phase; it ends no earlier than the script.
    pub duration: Span,
    /// Whether everything is healed after the fault phase.
    pub heal: bool,
    /// How long the run may take to converge after the heal.
    pub settle: Span,
    /// Full audit every so many events.
    pub audit_events: u64,
    /// The run stops at so many events.
    pub budget_events: u64,
    /// The run is refused if estimated to need more bytes.
    pub budget_memory: u64,
}

impl Plan {
    /// The replica list of a partition at time zero; empty if it is created later.
    ///
    /// # Panics
    /// If the plan does not name it.
    #[must_use]
    pub fn replicas(&self, partition: PartitionId) -> &[BrokerId] {
        let topic = self.names.topic_of(partition);
        let first = self.names.topics[topic.index()].first;
        let lists = &self.topics[topic.index()].replicas;
        lists.get(usize::from(partition.0 - first.0)).map_or(&[], Vec::as_slice)
    }

    /// How many replicas a partition has, whether it exists at time zero or is created later, as
    /// many as partition 0 of its topic has.
    ///
    /// # Panics
    /// If the plan does not name it.
    #[must_use]
    pub fn replication_factor(&self, partition: PartitionId) -> usize {
        let topic = self.names.topic_of(partition).index();
        match self.replicas(partition) {
            [] => self.topics[topic].replicas.first().map_or(0, Vec::len),
            replicas => replicas.len(),
        }
    }

    /// The process of this name (`p`, or `p/2`) runs an application of the reader's own, with the
    /// clients that the plan has for it, which may be changed. `None` if there is no such process.
    pub fn own(&mut self, process: &str) -> Option<&mut ClientsPlan> {
        let place = self.names.processes.iter().position(|name| name == process)?;
        let app = &mut self.processes[place].app;
        *app = AppPlan::Own(app.clients());
        match app {
            AppPlan::Own(clients) => Some(clients),
            AppPlan::Producer(_) | AppPlan::Consumer(_) => None,
        }
    }

    /// Every partition that has a name: those of time zero, and those that are created later.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.names.partition_count()).map(|p| PartitionId(p as u16))
    }
}
