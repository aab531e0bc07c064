//! The parts of messages: what repeats per partition or record, in pooled lists.

use crate::base::ids::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch, PartitionId, ProducerEpoch,
    ProducerId, ReplicaSet, TopicId,
};
use crate::base::time::Span;
use crate::model::batch::Batch;
use crate::model::config::{Acks, TopicKey};
use crate::model::directory::{DirectoryId, LogDirs};
use crate::model::error::ErrorCode;
use crate::model::message::{ElectionType, Fetcher, WhichOffset};
use crate::model::metadata::{MetadataRecord, PartitionState};

/// A list of [`Part`]s in the [`PartPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartsId(u32);

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
    /// In which log directory the sender's replica of a partition lies.
    AssignToDir { partition: PartitionId, directory: DirectoryId },
    /// Whether the controller has taken note of it.
    AssignedToDir { partition: PartitionId, error: ErrorCode },
    /// What became of an election that an operator asked for.
    Elected { partition: PartitionId, error: ErrorCode },
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

/// A field of a message.
pub(super) trait Field {
    /// The part list it is, if it is one.
    fn parts(&self) -> Option<PartsId> {
        None
    }
}

impl Field for PartsId {
    fn parts(&self) -> Option<PartsId> {
        Some(*self)
    }
}

macro_rules! plain {
    ($($type:ty),* $(,)?) => { $(impl Field for $type {})* };
}

plain! {
    Acks, BrokerEpoch, BrokerId, ElectionType, LogDirs, ErrorCode, Fetcher, Offset, PartitionId,
    ProducerEpoch, ProducerId, Span, TopicKey, WhichOffset, LeaderEpoch, bool, u32, u64,
    Option<LeaderEpoch>, Option<(LeaderEpoch, Offset)>, Option<BrokerEpoch>, Option<TopicId>,
    Option<i64>,
}
