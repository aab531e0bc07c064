//! Everything that can be injected: the closed enum of faults and operations, their targets, and
//! the four sources they come from.
//!
//! A [`FaultLine`] is what a scenario file says (targets are still words); a [`Fault`] is what was
//! applied (targets are nodes). Does not know how a fault is carried out: that is `sim::faults`.

#![expect(missing_docs, reason = "fields bear Kafka's own names; every variant is documented")]

use crate::base::ids::{NodeId, Offset, PartitionId, TopicId};
use crate::base::rng::{Latency, Ratio};
use crate::base::time::{Span, Time};
use crate::model::config::TopicKey;
use crate::model::pattern::Pattern;

/// By how much a swarm moves a wall clock at most.
pub const MOST_DRAWN_SKEW: Span = Span::secs(10);

/// Who is meant, in the words of a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `broker:2`, `controller:1`, and a process by name when there is one of it.
    Node(NodeId),
    /// `controller`: the active one.
    ActiveController,
    /// `leader:orders-0`: the broker that the committed metadata names.
    Leader(PartitionId),
    /// `follower:orders-0`: the first other replica in replica order that runs.
    Follower(PartitionId),
    /// `rack:a`, `producer:p`, `consumer:g`, …: several nodes known beforehand.
    Nodes(Vec<NodeId>),
    /// `one`: one broker, drawn.
    One,
    /// `minority`: fewer than half of the brokers, drawn.
    Minority,
    /// `majority`: more than half of the brokers, drawn.
    Majority,
    /// `all`: every broker.
    All,
    /// `percent:30`: so many of the brokers, drawn, at least one.
    Percent(u8),
}

/// Which way a cut goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    Both,
    /// Bytes from the first group to the others are held.
    To,
    /// Bytes from the others to the first group are held.
    From,
}

/// How a restarted broker stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartHow {
    /// Controlled shutdown.
    Shutdown,
    /// kill -9.
    Crash,
}

/// What a power loss leaves of unsynced bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Per file a random prefix of the unsynced operations.
    Random,
    /// Nothing unsynced.
    Nothing,
    /// Of the partitions named, everything below that offset, flushed or not; all else is kept.
    Offsets(Vec<(PartitionId, Offset)>),
}

/// What is done. The first group has a length, the second happens at once, the third are
/// operations that the cluster answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// kill -9; starts again at the end.
    Crash,
    /// The machine loses power; starts again at the end.
    PowerLoss { keep: Keep },
    /// Controlled shutdown; starts again at the end.
    Shutdown,
    /// SIGSTOP; SIGCONT at the end.
    Pause,
    /// Down, and back with an empty disk at the end.
    Wipe,
    /// Bytes between groups are held. Each group is a list of targets; links inside a group stay.
    Partition { groups: Vec<Vec<Target>>, direction: Direction },
    /// Every message on the target's links takes so much longer.
    NetworkDelay { latency: Span, jitter: Span },
    /// Segments on the target's links are lost: connections stall, at last close.
    NetworkLoss { percent: u8 },
    /// The target's links carry so many bytes a second.
    NetworkBandwidth { bytes_per_second: u64 },
    /// A sync takes so long.
    DiskSlow { latency: Latency },
    /// No disk operation returns.
    DiskHang,
    /// No space left.
    DiskFull,
    /// The wall clock is off by so much; backwards if `back`.
    ClockSkew { offset: Span, back: bool },
    /// Each request takes so much longer.
    SlowProcessing { time: Span },
    /// Stops and starts at once.
    Restart { how: RestartHow },
    /// Every connection of the target's links is reset.
    ConnectionReset,
    /// A log directory is offline until the broker restarts.
    DiskError { dir: u16 },
    /// The last batch of a replica's log is torn.
    CorruptLog { partition: PartitionId },
    /// Controlled shutdown and start of each broker in turn, waiting for full ISRs.
    RollingRestart,
    /// A topic property is set.
    SetConfig { topic: TopicId, key: TopicKey, value: i64 },
    /// An unclean election is asked for.
    ElectUnclean { partition: PartitionId },
    /// The preferred leaders are asked for.
    ElectPreferred,
    /// A topic is to have so many partitions.
    CreatePartitions { topic: TopicId, to: u16 },
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $name:literal;)*) => {
        /// The kind of a fault, for counting and for swarms.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FaultKind {
            $($(#[$doc])* $kind,)*
        }

        impl FaultKind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its name in scenario files and output.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// kill -9, and a start.
    Crash, "crash";
    /// The machine loses power, and with it unsynced bytes.
    PowerLoss, "power-loss";
    /// A controlled shutdown, and a start.
    Shutdown, "shutdown";
    /// SIGSTOP, and SIGCONT.
    Pause, "pause";
    /// Down, and back with an empty disk.
    Wipe, "wipe";
    /// A cut both ways.
    Partition, "partition";
    /// A cut one way.
    PartitionOneWay, "partition-one-way";
    /// Messages take longer.
    NetworkDelay, "network-delay";
    /// Segments are lost: connections stall, at last close.
    NetworkLoss, "network-loss";
    /// Links carry fewer bytes a second.
    NetworkBandwidth, "network-bandwidth";
    /// A sync takes longer.
    DiskSlow, "disk-slow";
    /// No disk operation returns.
    DiskHang, "disk-hang";
    /// No space is left.
    DiskFull, "disk-full";
    /// The wall clock is off.
    ClockSkew, "clock-skew";
    /// Each request takes longer.
    SlowProcessing, "slow-processing";
    /// Stopped, and started at once.
    Restart, "restart";
    /// Connections are reset.
    ConnectionReset, "connection-reset";
    /// A log directory is offline.
    DiskError, "disk-error";
    /// The last batch of a replica's log is torn.
    CorruptLog, "corrupt-log";
    /// Each broker in turn is shut down and started.
    RollingRestart, "rolling-restart";
    /// A topic property is set.
    SetConfig, "set-config";
    /// An unclean election is asked for.
    ElectUnclean, "elect-unclean";
    /// The preferred leaders are asked for.
    ElectPreferred, "elect-preferred";
    /// See [`Action::CreatePartitions`].
    CreatePartitions, "create-partitions";
}

impl Action {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Crash => FaultKind::Crash,
            Self::PowerLoss { .. } => FaultKind::PowerLoss,
            Self::Shutdown => FaultKind::Shutdown,
            Self::Pause => FaultKind::Pause,
            Self::Wipe => FaultKind::Wipe,
            Self::Partition { direction: Direction::Both, .. } => FaultKind::Partition,
            Self::Partition { .. } => FaultKind::PartitionOneWay,
            Self::NetworkDelay { .. } => FaultKind::NetworkDelay,
            Self::NetworkLoss { .. } => FaultKind::NetworkLoss,
            Self::NetworkBandwidth { .. } => FaultKind::NetworkBandwidth,
            Self::DiskSlow { .. } => FaultKind::DiskSlow,
            Self::DiskHang => FaultKind::DiskHang,
            Self::DiskFull => FaultKind::DiskFull,
            Self::ClockSkew { .. } => FaultKind::ClockSkew,
            Self::SlowProcessing { .. } => FaultKind::SlowProcessing,
            Self::Restart { .. } => FaultKind::Restart,
            Self::ConnectionReset => FaultKind::ConnectionReset,
            Self::DiskError { .. } => FaultKind::DiskError,
            Self::CorruptLog { .. } => FaultKind::CorruptLog,
            Self::RollingRestart => FaultKind::RollingRestart,
            Self::SetConfig { .. } => FaultKind::SetConfig,
            Self::ElectUnclean { .. } => FaultKind::ElectUnclean,
            Self::ElectPreferred => FaultKind::ElectPreferred,
            Self::CreatePartitions { .. } => FaultKind::CreatePartitions,
        }
    }
}

impl FaultKind {
    /// The kinds that a swarm draws from unless told otherwise, each of which a gate must show
    /// accepted.
    pub const COUNTED: &'static [Self] = &[
        Self::Crash,
        Self::PowerLoss,
        Self::Shutdown,
        Self::Pause,
        Self::Restart,
        Self::Partition,
        Self::PartitionOneWay,
        Self::NetworkDelay,
        Self::NetworkLoss,
        Self::ConnectionReset,
        Self::DiskFull,
        Self::DiskSlow,
        Self::DiskError,
        Self::ClockSkew,
        Self::RollingRestart,
    ];

    /// Whether nothing but an author can say what is to be done: it cannot be drawn.
    #[must_use]
    pub const fn needs_parameters(self) -> bool {
        matches!(self, Self::SetConfig | Self::CreatePartitions)
    }

    /// Whether a random fault of this kind is never within a promise.
    #[must_use]
    pub const fn is_never_within(self) -> bool {
        matches!(self, Self::Wipe | Self::CorruptLog | Self::ElectUnclean)
    }

    /// Whether it is a request of the operator's, which a controller answers.
    #[must_use]
    pub const fn is_operation(self) -> bool {
        matches!(
            self,
            Self::SetConfig | Self::ElectUnclean | Self::ElectPreferred | Self::CreatePartitions
        )
    }

    /// Whether it lasts (`for`, `undo`), or happens at once.
    #[must_use]
    pub const fn has_length(self) -> bool {
        !matches!(
            self,
            Self::Restart
                | Self::ConnectionReset
                | Self::DiskError
                | Self::CorruptLog
                | Self::RollingRestart
                | Self::SetConfig
                | Self::ElectUnclean
                | Self::ElectPreferred
                | Self::CreatePartitions
        )
    }
}

/// How wild a swarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwarmLevel {
    /// Few kinds, seldom.
    Gentle,
    /// Some kinds, now and then.
    Medium,
    /// Most kinds, often.
    Harsh,
}

/// When a line's fault happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timing {
    /// At this moment.
    At(Time),
    /// `after` the `nth` fact that fits.
    When { pattern: Pattern, nth: u32, after: Span },
    /// A draw each period inside the window.
    Every { period: Span, probability: Ratio, from: Time, until: Time },
    /// Each seed draws which of `kinds` exist at all and how often they come.
    Swarm { level: SwarmLevel, kinds: Vec<FaultKind>, from: Time, until: Time },
}

/// One line of `faults` in a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultLine {
    /// When.
    pub timing: Timing,
    /// Whom; `None` means every link, or that the fault has no target.
    pub target: Option<Target>,
    /// How long; until the heal if `None`.
    pub length: Option<Span>,
    /// What; `None` for a swarm, which draws it.
    pub action: Option<Action>,
}

/// A fault with its targets resolved: what is applied, noted, and written into a repro file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its place in the run's concrete schedule.
    pub id: u32,
    /// What. Groups of a cut hold nodes only.
    pub action: Action,
    /// To whom; empty means every link, or that it has no target.
    pub nodes: Vec<NodeId>,
    /// How long; until the heal (or an `undo`) if `None`.
    pub length: Option<Span>,
}

impl Fault {
    /// The line that does exactly this at that time: what a repro file holds.
    #[must_use]
    pub fn as_line(&self, at: Time) -> FaultLine {
        FaultLine {
            timing: Timing::At(at),
            target: (!self.nodes.is_empty()).then(|| Target::Nodes(self.nodes.clone())),
            length: self.length,
            action: Some(self.action.clone()),
        }
    }
}
