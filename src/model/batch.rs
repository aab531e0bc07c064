//! A record batch without its payload: identities, counts and sizes.
//!
//! There is no payload anywhere. What a batch holds is said by its type: records of a client's
//! workload, known by a [`RecordId`] given when they have been partitioned, so that the records of
//! a batch are consecutive and an identity is an integer comparison; internal records, whose
//! contents are a body; or a control marker. Follows `DefaultRecordBatch.java` (batch format v2) as
//! far as the protocol looks at it.

use crate::base::ids::{LeaderEpoch, Offset, ProcessId, ProducerEpoch, ProducerId};
use crate::base::time::Time;
use crate::model::body::BodyId;

/// Identity of one record within its partition: which client process made it, and as which of its
/// records for that partition. Never reused: an application's resend is another record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The process whose producer made it.
    pub process: ProcessId,
    /// How many records that process had made for this partition before.
    pub ordinal: u32,
}

impl RecordId {
    /// The record `n` places later in the same batch.
    #[must_use]
    pub const fn plus(self, n: u32) -> Self {
        Self { process: self.process, ordinal: self.ordinal + n }
    }
}

/// What a batch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Records {
    /// Records of an application, from this one on.
    Workload(RecordId),
    /// Internal records (of the metadata log): what they say is a body.
    Body(BodyId),
    /// A control record.
    Marker(Marker),
}

/// A control record (`ControlRecordType.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Marker {
    /// A transaction committed.
    Commit,
    /// A transaction was aborted.
    Abort,
}

impl Records {
    /// The first record, if they are an application's.
    #[must_use]
    pub const fn workload(self) -> Option<RecordId> {
        match self {
            Self::Workload(first) => Some(first),
            Self::Body(_) | Self::Marker(_) => None,
        }
    }

    /// What internal records say.
    #[must_use]
    pub const fn body(self) -> Option<BodyId> {
        match self {
            Self::Body(body) => Some(body),
            Self::Workload(_) | Self::Marker(_) => None,
        }
    }
}

/// The idempotent producer's stamp on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence {
    /// The producer id.
    pub producer: ProducerId,
    /// The epoch of that id.
    pub epoch: ProducerEpoch,
    /// Sequence number of the first record; 31 bits, wraps to zero.
    pub first: u32,
}

/// The sequence number so many records later: 31 bits, after the last comes zero.
///
/// Kafka: DefaultRecordBatch.incrementSequence
#[must_use]
pub const fn increment_sequence(sequence: u32, by: u32) -> u32 {
    sequence.wrapping_add(by) & MAX_SEQUENCE
}

/// The sequence number so many records before.
///
/// Kafka: DefaultRecordBatch.decrementSequence
#[must_use]
pub const fn decrement_sequence(sequence: u32, by: u32) -> u32 {
    sequence.wrapping_sub(by) & MAX_SEQUENCE
}

/// The last sequence number (`Integer.MAX_VALUE`).
const MAX_SEQUENCE: u32 = 0x7fff_ffff;

/// A batch of records, as it is sent, stored and fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Offset of the first record; zero until a leader has appended it.
    pub base: Offset,
    /// Largest timestamp in the batch, by the wall clock of the producer.
    pub max_timestamp: Time,
    /// What it holds.
    pub records: Records,
    /// How many records, so how many offsets.
    pub count: u32,
    /// Size on the wire and on disk, in bytes.
    pub bytes: u32,
    /// Leader epoch in which it was appended; set by the leader.
    pub leader_epoch: LeaderEpoch,
    /// Producer id, epoch and first sequence, if the producer is idempotent.
    pub sequence: Option<Sequence>,
}

const _: () = assert!(size_of::<Batch>() <= 56, "a batch is copied a lot, and kept in every log");

/// Bytes of a batch beside its records (`DefaultRecordBatch.RECORD_BATCH_OVERHEAD`).
pub const BATCH_OVERHEAD_BYTES: u32 = 61;

impl Batch {
    /// One past the last offset.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.base + u64::from(self.count)
    }

    /// Sequence number of the last record, if it has a sequence.
    #[must_use]
    pub fn last_sequence(&self) -> Option<u32> {
        self.sequence.map(|s| increment_sequence(s.first, self.count - 1))
    }
}
