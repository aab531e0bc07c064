//! What travels on a connection: requests and responses by Kafka's names, small and `Copy`.
//!
//! What repeats per partition lies outside the message, in a pooled list of [`Part`]s that the
//! message names by [`PartsId`]; the list goes back to the pool when the message is done. A message
//! does not know its connection, its sender or when it arrives.

#![expect(missing_docs, reason = "fields bear Kafka's own names; every variant is documented")]

use crate::base::ids::{
    BrokerEpoch, BrokerId, DiskId, LeaderEpoch, Offset, PartitionEpoch, PartitionId, ProducerEpoch,
    ProducerId, ReplicaSet, TopicId,
};
use crate::base::time::Span;
use crate::model::batch::Batch;
use crate::model::config::{Acks, TopicKey};
use crate::model::error::ErrorCode;
use crate::model::metadata::{MetadataRecord, PartitionState};

/// A request or a response on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Chosen by the requester per connection; a response repeats it.
    pub correlation: u32,
    /// What it says.
    pub content: Content,
}

const _: () = assert!(size_of::<Message>() <= 64, "a message is copied a lot");

/// A list of [`Part`]s in the [`PartPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartsId(u32);

/// What a message says. Requests first, each followed by its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `ProduceRequest`: parts are `Part::Produce`.
    Produce { parts: PartsId, acks: Acks, timeout: Span },
    /// `ProduceResponse`: parts are `Part::Produced`.
    Produced { parts: PartsId },
    /// `FetchRequest`: parts are `Part::FetchFrom`.
    Fetch { parts: PartsId, fetcher: Fetcher, max_wait: Span, min_bytes: u32, max_bytes: u32 },
    /// `FetchResponse`: parts are `Part::Fetched`, each followed by its `Part::FetchedBatch`es.
    Fetched { parts: PartsId },
    /// `MetadataRequest` for all topics.
    Metadata,
    /// `MetadataResponse`: parts are `Part::Leader`, one per partition.
    MetadataAnswer { parts: PartsId },
    /// `InitProducerIdRequest` without a transactional id.
    InitProducerId,
    /// `InitProducerIdResponse`.
    ProducerIdGranted { error: ErrorCode, producer: ProducerId, epoch: ProducerEpoch },
    /// `ListOffsetsRequest` of one partition.
    ListOffsets {
        partition: PartitionId,
        leader_epoch: Option<LeaderEpoch>,
        which: WhichOffset,
        read_committed: bool,
    },
    /// `ListOffsetsResponse`.
    OffsetListed {
        partition: PartitionId,
        error: ErrorCode,
        offset: Offset,
        leader_epoch: Option<LeaderEpoch>,
    },
    /// `OffsetForLeaderEpochRequest` of one partition.
    EpochEnd { partition: PartitionId, current: Option<LeaderEpoch>, asked: LeaderEpoch },
    /// `OffsetForLeaderEpochResponse`: the largest epoch not above the asked one, and its end.
    EpochEndAnswer { partition: PartitionId, error: ErrorCode, end: Option<(LeaderEpoch, Offset)> },
    /// `AlterPartitionRequest`: parts are `Part::AlterIsr`.
    AlterPartition { parts: PartsId, broker: BrokerId, epoch: BrokerEpoch },
    /// `AlterPartitionResponse`: parts are `Part::AlteredIsr`.
    PartitionAltered { parts: PartsId, error: ErrorCode },
    /// `BrokerRegistrationRequest`.
    RegisterBroker {
        broker: BrokerId,
        incarnation: u32,
        previous: Option<BrokerEpoch>,
        disk: DiskId,
    },
    /// `BrokerRegistrationResponse`.
    BrokerRegistered { error: ErrorCode, epoch: BrokerEpoch },
    /// `BrokerHeartbeatRequest`. `replayed` is one past the last metadata record replayed, and
    /// `offline_dirs` a bit set over the broker's log directories.
    Heartbeat {
        broker: BrokerId,
        epoch: BrokerEpoch,
        replayed: Offset,
        want_fence: bool,
        want_shutdown: bool,
        offline_dirs: u64,
    },
    /// `BrokerHeartbeatResponse`.
    HeartbeatAnswer { error: ErrorCode, caught_up: bool, fenced: bool, may_shutdown: bool },
    /// An observer's `FetchRequest` of the metadata log.
    FetchMetadata { from: Offset, max_wait: Span },
    /// Its answer: parts are `Part::Record`, `end` is one past the last committed record.
    MetadataFetched { from: Offset, end: Offset, parts: PartsId },
    /// `AssignReplicasToDirsRequest`: all replicas of the broker lie on this disk (KIP-858).
    AssignReplicas { broker: BrokerId, epoch: BrokerEpoch, disk: DiskId },
    /// `AssignReplicasToDirsResponse`.
    ReplicasAssigned { error: ErrorCode },
    /// `AllocateProducerIdsRequest`.
    AllocateProducerIds { broker: BrokerId, epoch: BrokerEpoch },
    /// `AllocateProducerIdsResponse`: ids `first .. first + count`.
    ProducerIdsAllocated { error: ErrorCode, first: ProducerId, count: u32 },
    /// `IncrementalAlterConfigsRequest` of one topic property.
    AlterConfig { topic: Option<TopicId>, key: TopicKey, value: Option<i64> },
    /// `ElectLeadersRequest` of one partition, unclean.
    ElectUnclean { partition: PartitionId },
    /// `ElectLeadersRequest` of all partitions, preferred.
    ElectPreferred,
    /// The answer to an operator's request.
    OperationDone { error: ErrorCode },
}

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetcher {
    /// A follower. `epoch` is its broker epoch, none before it has registered.
    Replica { broker: BrokerId, epoch: Option<BrokerEpoch> },
    /// A consumer.
    Consumer { read_committed: bool },
}

/// Which offset `ListOffsets` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichOffset {
    /// The log start.
    Earliest,
    /// The high watermark (consumers) or the log end (followers).
    Latest,
    /// The log end offset, for a follower whose position is out of range.
    LogEnd,
}

/// One entry of a message that speaks about several partitions or records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One batch for one partition.
    Produce { partition: PartitionId, batch: Batch },
    /// What became of it. `offset` is its base offset on success. With errors 6 and 74 the answer
    /// names the present leader, if the broker knows it (KIP-951).
    Produced {
        partition: PartitionId,
        error: ErrorCode,
        offset: Offset,
        leader: Option<(BrokerId, LeaderEpoch)>,
    },
    /// One partition of a fetch. `last_fetched` is the newest epoch in the follower's log.
    FetchFrom {
        partition: PartitionId,
        leader_epoch: Option<LeaderEpoch>,
        offset: Offset,
        last_fetched: Option<LeaderEpoch>,
        log_start: Offset,
        max_bytes: u32,
    },
    /// The head of one partition's answer; its batches follow as `FetchedBatch`.
    /// `leader_epoch` is not on Kafka's wire: it says in which epoch the sender believes it leads,
    /// for the observer of exposed watermarks only.
    Fetched {
        partition: PartitionId,
        error: ErrorCode,
        watermark: Offset,
        last_stable: Offset,
        log_start: Offset,
        diverging: Option<(LeaderEpoch, Offset)>,
        leader_epoch: LeaderEpoch,
    },
    /// One batch of the partition named by the last `Fetched` before it.
    FetchedBatch(Batch),
    /// One partition's leader as the answering broker knows it.
    Leader { partition: PartitionId, leader: Option<BrokerId>, leader_epoch: LeaderEpoch },
    /// A proposed ISR. `epochs_known` holds the replicas whose broker epochs follow (KIP-903) as
    /// `ReplicaEpoch`.
    AlterIsr {
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        partition_epoch: PartitionEpoch,
        isr: ReplicaSet,
        recovered: bool,
    },
    /// The broker epoch the leader knows of one member of the ISR proposed last before it.
    ReplicaEpoch { broker: BrokerId, epoch: Option<BrokerEpoch> },
    /// What became of a proposal; the state is the committed one.
    AlteredIsr { partition: PartitionId, error: ErrorCode, state: PartitionState },
    /// One record of the metadata log.
    Record(MetadataRecord),
}

const _: () = assert!(size_of::<Part>() <= 72, "parts are copied a lot");

impl Part {
    /// Bytes on the wire.
    #[inline]
    const fn wire_bytes(&self) -> u64 {
        match self {
            Self::Produce { batch, .. } | Self::FetchedBatch(batch) => batch.bytes as u64,
            _ => 40,
        }
    }
}

impl Content {
    /// The part list it refers to, if any.
    #[must_use]
    pub const fn parts(&self) -> Option<PartsId> {
        match *self {
            Self::Produce { parts, .. }
            | Self::Produced { parts }
            | Self::Fetch { parts, .. }
            | Self::Fetched { parts }
            | Self::MetadataAnswer { parts }
            | Self::AlterPartition { parts, .. }
            | Self::PartitionAltered { parts, .. }
            | Self::MetadataFetched { parts, .. } => Some(parts),
            _ => None,
        }
    }

    /// Kafka's name of the request or response, for traces.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Produce { .. } => "Produce",
            Self::Produced { .. } => "ProduceResponse",
            Self::Fetch { .. } => "Fetch",
            Self::Fetched { .. } => "FetchResponse",
            Self::Metadata => "Metadata",
            Self::MetadataAnswer { .. } => "MetadataResponse",
            Self::InitProducerId => "InitProducerId",
            Self::ProducerIdGranted { .. } => "InitProducerIdResponse",
            Self::ListOffsets { .. } => "ListOffsets",
            Self::OffsetListed { .. } => "ListOffsetsResponse",
            Self::EpochEnd { .. } => "OffsetForLeaderEpoch",
            Self::EpochEndAnswer { .. } => "OffsetForLeaderEpochResponse",
            Self::AlterPartition { .. } => "AlterPartition",
            Self::PartitionAltered { .. } => "AlterPartitionResponse",
            Self::RegisterBroker { .. } => "BrokerRegistration",
            Self::BrokerRegistered { .. } => "BrokerRegistrationResponse",
            Self::Heartbeat { .. } => "BrokerHeartbeat",
            Self::HeartbeatAnswer { .. } => "BrokerHeartbeatResponse",
            Self::FetchMetadata { .. } => "FetchMetadata",
            Self::MetadataFetched { .. } => "FetchMetadataResponse",
            Self::AllocateProducerIds { .. } => "AllocateProducerIds",
            Self::AssignReplicas { .. } => "AssignReplicasToDirs",
            Self::ReplicasAssigned { .. } => "AssignReplicasToDirsResponse",
            Self::ProducerIdsAllocated { .. } => "AllocateProducerIdsResponse",
            Self::AlterConfig { .. } => "IncrementalAlterConfigs",
            Self::ElectUnclean { .. } | Self::ElectPreferred => "ElectLeaders",
            Self::OperationDone { .. } => "OperationDone",
        }
    }
}

/// The pool of part lists. A list is taken, filled, sent, read by the receiver and given back; its
/// capacity is kept, so a steady run allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct PartPool {
    lists: Vec<PartList>,
    free: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct PartList {
    parts: Vec<Part>,
    /// Bytes of all of them on the wire.
    wire: u64,
}

impl PartPool {
    /// An empty list.
    pub fn take(&mut self) -> PartsId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.lists.push(PartList::default());
            (self.lists.len() - 1) as u32
        });
        PartsId(id)
    }

    /// Appends to a list. Inline, so that an entry is made where it will lie.
    #[inline]
    pub fn push(&mut self, id: PartsId, part: Part) {
        let list = &mut self.lists[id.0 as usize];
        list.wire += part.wire_bytes();
        list.parts.push(part);
    }

    /// The list.
    #[must_use]
    pub fn get(&self, id: PartsId) -> &[Part] {
        &self.lists[id.0 as usize].parts
    }

    /// The list, to change entries in place; none may become longer or shorter on the wire.
    pub fn get_mut(&mut self, id: PartsId) -> &mut [Part] {
        &mut self.lists[id.0 as usize].parts
    }

    /// Gives a list back. It must not be used afterwards.
    pub fn give_back(&mut self, id: PartsId) {
        debug_assert!(!self.free.contains(&id.0), "a part list was given back twice");
        let list = &mut self.lists[id.0 as usize];
        list.parts.clear();
        list.wire = 0;
        self.free.push(id.0);
    }

    /// How many lists are in use: none when nothing is in flight and nothing is parked.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.lists.len() - self.free.len()
    }

    /// Bytes of one list on the wire: the batches and a fixed amount per entry.
    #[must_use]
    pub fn wire_bytes(&self, id: PartsId) -> u64 {
        self.lists[id.0 as usize].wire
    }

    /// How many entries one list has, and its bytes on the wire.
    #[must_use]
    #[inline]
    pub fn measure(&self, id: PartsId) -> (usize, u64) {
        let list = &self.lists[id.0 as usize];
        (list.parts.len(), list.wire)
    }
}
