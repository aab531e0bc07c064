//! What did happen: the closed vocabulary that checkers, statistics, traces and reports read.
//!
//! Facts are *observed* (written by disk, network, machine and application callbacks, and read off
//! committed metadata) or *claimed* (written by nodes about themselves). A data guarantee uses
//! observed facts only; claims explain. A fact about a batch carries its identity, not the batch;
//! a set of replicas is a bit set over the partition's replica list.
//!
//! The vocabulary is one flat enum, in sections by [`Subject`]. Enums nested by subject would be
//! asked twice on the way of every fact (which subject, then which fact), they would be larger, and
//! every name in a file or a trace would have to be put together; a subject is asked for where it
//! matters, off the hot path. What a fact is about is in `fact/about.rs`, who hears it in
//! `fact/observer.rs`.

#![expect(missing_docs, reason = "fields bear Kafka's own names; every variant is documented")]

mod about;
mod observer;

pub use self::about::Subject;
pub use self::observer::{Deaf, Observer};

use crate::base::ids::{
    BrokerEpoch, BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset, PartitionId, ProcessId,
    ProducerEpoch, ProducerId, ReplicaSet, TopicId,
};
use crate::base::time::Time;
use crate::model::batch::{RecordId, Records, Sequence};
use crate::model::config::{Acks, TopicKey};
use crate::model::error::ErrorCode;
use crate::model::fault::FaultKind;
use crate::model::metadata::PartitionState;

/// When a fact happened: at what time, in which event, and which event caused that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Virtual time.
    pub time: Time,
    /// Sequence number of the event in which it happened.
    pub seq: u64,
    /// Sequence number of the event that caused that event.
    pub cause: u64,
}

/// How a node stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StopKind {
    /// kill -9: the process is gone, the page cache stays.
    Crash,
    /// The machine lost power: unsynced bytes may be gone.
    PowerLoss,
    /// A controlled shutdown that ran to its end.
    Shutdown,
    /// It halted by itself, for example because every log directory failed.
    Halt,
    /// Its disk was emptied.
    Wipe,
}

/// One thing that happened. See each variant for who writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    // ---- observed: logs on disks ----
    /// A batch was appended to a replica's log.
    Appended {
        broker: BrokerId,
        partition: PartitionId,
        base: Offset,
        count: u32,
        leader_epoch: LeaderEpoch,
        records: Records,
        sequence: Option<Sequence>,
    },
    /// A replica's log was cut by its broker: it ended at `from`, now it ends at `to`.
    Truncated { broker: BrokerId, partition: PartitionId, from: Offset, to: Offset },
    /// A replica's log lost its tail to a power loss or a wipe: it ended at `from`, now at `to`.
    TailLost { broker: BrokerId, partition: PartitionId, from: Offset, to: Offset },
    /// Old segments were deleted: the files of a replica now start at `to`.
    LogStartMoved { broker: BrokerId, partition: PartitionId, to: Offset },
    // ---- observed: machines ----
    /// A node stopped; `lost` records went with its disk's tails.
    Stopped { node: NodeId, how: StopKind, lost: u32 },
    /// A node started on what its disk held.
    Started { node: NodeId },
    /// A node was frozen (SIGSTOP).
    Paused { node: NodeId },
    /// A frozen node goes on.
    Resumed { node: NodeId },
    /// A log directory of a broker broke, or a write in it found no space for the first time since
    /// the broker was started. Kafka takes it offline until the next start.
    DiskFailed { broker: BrokerId, dir: u16 },
    // ---- observed: network ----
    /// A connection was opened.
    Opened { connection: ConnectionId, from: NodeId, to: NodeId },
    /// A connection closed for this node.
    Closed { connection: ConnectionId, node: NodeId },
    /// A message was handed to the network.
    Sent { from: NodeId, to: NodeId, name: &'static str },
    /// A message reached its receiver.
    Delivered { from: NodeId, to: NodeId, name: &'static str },
    /// A message is held by a cut.
    Held { from: NodeId, to: NodeId, name: &'static str },
    /// A delivered fetch response showed this high watermark, from a broker that believes to lead
    /// the partition in this epoch.
    WatermarkExposed {
        broker: BrokerId,
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        to: NodeId,
        connection: ConnectionId,
        offset: Offset,
    },
    /// A broker answered a client about its position in a partition: the answer was handed to the
    /// network, so this is what its logs and watermarks were when it was made.
    PositionAnswered {
        broker: BrokerId,
        partition: PartitionId,
        to: ProcessId,
        answer: PositionAnswer,
    },
    /// Such an answer reached its client, which knows it from now on.
    PositionTold {
        /// By this broker.
        broker: BrokerId,
        partition: PartitionId,
        to: ProcessId,
        answer: PositionAnswer,
    },
    // ---- observed: clients (application callbacks) ----
    /// An application handed a record to its producer and it was partitioned. `workload` is the
    /// number of the application's item (a resend has the same), `label` that of a scripted send.
    Submitted {
        process: ProcessId,
        partition: PartitionId,
        record: RecordId,
        workload: u32,
        key: Option<u32>,
        label: Option<u16>,
    },
    /// The producer reported success for consecutive records. No offset with acks=0.
    Acked {
        process: ProcessId,
        partition: PartitionId,
        first: RecordId,
        count: u32,
        base: Option<Offset>,
        acks: Acks,
    },
    /// The producer reported failure for consecutive records: a broker refused them for good.
    Rejected {
        process: ProcessId,
        partition: PartitionId,
        first: RecordId,
        count: u32,
        error: ErrorCode,
    },
    /// The producer reported failure for consecutive records: time ran out. Their fate is unknown.
    GaveUp {
        process: ProcessId,
        partition: PartitionId,
        first: RecordId,
        count: u32,
        error: ErrorCode,
    },
    /// A send failed before it had a partition (`max.block.ms`, record too large).
    SendFailed { process: ProcessId, workload: u32, label: Option<u16>, error: ErrorCode },
    /// A consumer handed a batch to its application.
    Consumed {
        process: ProcessId,
        partition: PartitionId,
        base: Offset,
        count: u32,
        leader_epoch: LeaderEpoch,
        first: RecordId,
        broker: BrokerId,
    },
    /// A consumer's position was set (start, reset, seek, truncation), not by reading on.
    PositionSet { process: ProcessId, partition: PartitionId, to: Offset, why: PositionChange },
    /// A client that was told to stop has stopped: its producer has flushed.
    ClientStopped { process: ProcessId },
    /// An application's callback got an exception.
    Called { process: ProcessId, partition: PartitionId, error: ErrorCode },
    // ---- observed: committed metadata ----
    /// A partition was created after time zero; its replicas follow, one fact each.
    PartitionCreated { partition: PartitionId, topic: TopicId, replicas: u8 },
    /// The next replica of the partition created last is on this broker.
    ReplicaPlaced { partition: PartitionId, broker: BrokerId },
    /// A leader was elected, or lost (`None`): a record with a new leader epoch.
    Elected {
        partition: PartitionId,
        leader: Option<BrokerId>,
        leader_epoch: LeaderEpoch,
        isr: ReplicaSet,
        elr: ReplicaSet,
        unclean: bool,
    },
    /// A partition's state was committed, whatever changed.
    IsrCommitted { partition: PartitionId, state: PartitionState },
    /// A broker registered: the process of this start (counted from 0), which may be gone.
    BrokerRegistered { broker: BrokerId, epoch: BrokerEpoch, incarnation: u32, unclean: bool },
    /// A broker was fenced.
    BrokerFenced { broker: BrokerId },
    /// A broker was unfenced.
    BrokerUnfenced { broker: BrokerId },
    /// A broker began a controlled shutdown.
    BrokerShuttingDown { broker: BrokerId },
    /// A topic property changed.
    ConfigCommitted { topic: Option<TopicId>, key: TopicKey, value: Option<i64> },
    // ---- observed: faults and script ----
    /// A fault was applied. `id` is its place in the run's concrete schedule.
    Injected { id: u32, kind: FaultKind, node: Option<NodeId> },
    /// A random fault was refused by the promise's budget.
    Refused { kind: FaultKind, node: Option<NodeId> },
    /// The controller answered an operation with an error, so that nothing came of it.
    OperationRefused { kind: FaultKind, error: ErrorCode },
    /// A fault ended.
    Healed { id: u32, kind: FaultKind, node: Option<NodeId> },
    /// The fault phase is over: everything was healed.
    AllHealed,
    /// A step of the script is done.
    StepDone { step: u32 },
    // ---- claimed ----
    /// A replica moved its high watermark. Written while a trace is kept or a fault waits for a
    /// fact: no check needs it.
    HighWatermarkMoved {
        broker: BrokerId,
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        to: Offset,
    },
    /// A broker began to lead.
    BecameLeader {
        broker: BrokerId,
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        end: Offset,
    },
    /// A broker began to follow.
    BecameFollower {
        broker: BrokerId,
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        end: Offset,
    },
    /// A leader asked the controller for another ISR.
    IsrProposed {
        broker: BrokerId,
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        isr: ReplicaSet,
    },
    /// The controller saw a broker's session end.
    SessionExpired { broker: BrokerId },
    /// A producer raised its epoch by itself (or got a new id).
    EpochBumped { process: ProcessId, producer: ProducerId, epoch: ProducerEpoch },
    /// A producer sends a batch once more.
    Retried {
        process: ProcessId,
        partition: PartitionId,
        first: RecordId,
        count: u32,
        error: ErrorCode,
    },
    /// A leader recognised a batch as one it has.
    Deduplicated { broker: BrokerId, partition: PartitionId, base: Offset, first: RecordId },
}

const _: () = assert!(size_of::<Fact>() <= 64, "facts are made on every step");

/// What a broker says of a consumer's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PositionAnswer {
    /// `ListOffsetsResponse`: the offset that was asked for, which the reset policy decides, and
    /// the leader epoch there.
    Listed { offset: Offset, leader_epoch: Option<LeaderEpoch> },
    /// `OffsetForLeaderEpochResponse`: the largest leader epoch not above the asked one, and where
    /// it ends; none if the log knows none.
    EpochEnd(Option<(LeaderEpoch, Offset)>),
    /// `FetchResponse`: `OFFSET_OUT_OF_RANGE`.
    OutOfRange,
}

/// Why a consumer's position was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PositionChange {
    /// The first position, by the reset policy.
    Start,
    /// The reset policy, because the position was out of range.
    OutOfRange,
    /// KIP-320: the log was truncated below the position.
    Truncation,
    /// The application asked for it.
    Seek,
}

impl Fact {
    /// Its name in scenario files and output.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Appended { .. } => "appended",
            Self::Truncated { .. } => "truncated",
            Self::TailLost { .. } => "tail-lost",
            Self::LogStartMoved { .. } => "log-start-moved",
            Self::Stopped { .. } => "stopped",
            Self::Started { .. } => "started",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::DiskFailed { .. } => "disk-failed",
            Self::Opened { .. } => "opened",
            Self::Closed { .. } => "closed",
            Self::Sent { .. } => "sent",
            Self::Delivered { .. } => "delivered",
            Self::Held { .. } => "held",
            Self::WatermarkExposed { .. } => "watermark-exposed",
            Self::PositionAnswered { .. } => "position-answered",
            Self::PositionTold { .. } => "position-told",
            Self::Submitted { .. } => "submitted",
            Self::Acked { .. } => "acked",
            Self::Rejected { .. } => "rejected",
            Self::GaveUp { .. } => "gave-up",
            Self::SendFailed { .. } => "send-failed",
            Self::Consumed { .. } => "consumed",
            Self::PositionSet { .. } => "position-set",
            Self::ClientStopped { .. } => "client-stopped",
            Self::Called { .. } => "called",
            Self::PartitionCreated { .. } => "partition-created",
            Self::ReplicaPlaced { .. } => "replica-placed",
            Self::Elected { .. } => "elected",
            Self::IsrCommitted { .. } => "isr-committed",
            Self::BrokerRegistered { .. } => "broker-registered",
            Self::BrokerFenced { .. } => "broker-fenced",
            Self::BrokerUnfenced { .. } => "broker-unfenced",
            Self::BrokerShuttingDown { .. } => "broker-shutting-down",
            Self::ConfigCommitted { .. } => "config-committed",
            Self::Injected { .. } => "injected",
            Self::Refused { .. } => "refused",
            Self::OperationRefused { .. } => "operation-refused",
            Self::Healed { .. } => "healed",
            Self::AllHealed => "all-healed",
            Self::StepDone { .. } => "step-done",
            Self::HighWatermarkMoved { .. } => "high-watermark-moved",
            Self::BecameLeader { .. } => "became-leader",
            Self::BecameFollower { .. } => "became-follower",
            Self::IsrProposed { .. } => "isr-proposed",
            Self::SessionExpired { .. } => "session-expired",
            Self::EpochBumped { .. } => "epoch-bumped",
            Self::Retried { .. } => "retried",
            Self::Deduplicated { .. } => "deduplicated",
        }
    }
}
