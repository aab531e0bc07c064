//! Reading records: `FetchRequest.json`, `FetchResponse.json`.

use crate::base::ids::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::base::time::Span;
use crate::model::batch::Batch;
use crate::model::body::BodyId;
use crate::model::error::ErrorCode;
use crate::model::message::{Entry, List, Sublist};

message! {
    /// Asks for records of some partitions; in a session, of those in it. An incremental fetch
    /// names only partitions of which something else is asked than before.
    pub struct FetchRequest {
        pub fetcher: Fetcher,
        pub session: FetchMetadata,
        pub max_wait: Span,
        pub min_bytes: u32,
        pub max_bytes: u32,
        pub partitions: List<FetchPartition>,
        /// Partitions that leave the session.
        pub forgotten: List<ForgottenPartition>,
    }
}

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetcher {
    /// A follower in this broker epoch.
    Replica { broker: BrokerId, epoch: BrokerEpoch },
    /// A follower that has not registered yet.
    UnregisteredReplica { broker: BrokerId },
    /// A consumer.
    Consumer { read_committed: bool },
}

entry! {
    /// What is asked of one partition.
    pub struct FetchPartition {
        pub partition: PartitionId,
        pub current_leader_epoch: Option<LeaderEpoch>,
        pub fetch_offset: Offset,
        /// The newest epoch in the follower's log.
        pub last_fetched_epoch: Option<LeaderEpoch>,
        pub log_start_offset: Offset,
        pub max_bytes: u32,
    }
}

impl Entry for FetchPartition {}

entry! {
    /// A partition that leaves the session (`ForgottenTopic`).
    pub struct ForgottenPartition {
        pub partition: PartitionId,
    }
}

impl Entry for ForgottenPartition {}

message! {
    /// What was found in each partition, or in an incremental fetch in those of which something is
    /// new. With an error of the session there is none. `session` is the one that the next fetch
    /// may continue.
    pub struct FetchResponse {
        pub error: ErrorCode,
        pub session: FetchSessionId,
        pub partitions: List<FetchablePartition>,
        /// The batches of all partitions, in their order.
        pub records: List<Batch>,
    }
}

entry! {
    /// What was found in one partition.
    pub struct FetchablePartition {
        pub partition: PartitionId,
        pub error: ErrorCode,
        pub high_watermark: Offset,
        pub last_stable_offset: Offset,
        pub log_start_offset: Offset,
        pub diverging_epoch: Option<(LeaderEpoch, Offset)>,
        /// It is not on Kafka's wire: it says in which epoch the sender believes it leads, for the
        /// observer of exposed watermarks only.
        pub leader_epoch: LeaderEpoch,
        /// Its batches, in the response's list.
        pub records: Sublist<Batch>,
    }
}

impl Entry for FetchablePartition {}

impl Entry for Batch {
    const HOLDS_RECORDS: bool = true;

    #[inline]
    fn wire_bytes(&self) -> u64 {
        u64::from(self.bytes)
    }

    #[inline]
    fn body(&self) -> Option<BodyId> {
        self.records.body()
    }
}

impl Fetcher {
    /// The follower, and its broker epoch, none before it has registered; none for a consumer.
    #[must_use]
    pub const fn replica(self) -> Option<(BrokerId, Option<BrokerEpoch>)> {
        match self {
            Self::Replica { broker, epoch } => Some((broker, Some(epoch))),
            Self::UnregisteredReplica { broker } => Some((broker, None)),
            Self::Consumer { .. } => None,
        }
    }
}

/// A fetch session of one broker, by the number that the broker drew for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchSessionId(pub u32);

impl FetchSessionId {
    /// No session (`FetchMetadata.INVALID_SESSION_ID`).
    pub const NONE: Self = Self(0);
}

/// Which fetch of which session (`FetchMetadata.java`, KIP-227).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchMetadata {
    /// The session, or the one that this full fetch replaces.
    pub session: FetchSessionId,
    /// Counts the fetches of the session; zero and -1 are full fetches.
    pub epoch: i32,
}

impl FetchMetadata {
    /// A full fetch that wants a session.
    pub const INITIAL: Self = Self { session: FetchSessionId::NONE, epoch: Self::INITIAL_EPOCH };
    /// A full fetch that wants none (`FetchMetadata.LEGACY`).
    #[cfg(test)]
    pub const LEGACY: Self = Self { session: FetchSessionId::NONE, epoch: Self::FINAL_EPOCH };
    /// Of a full fetch that wants a session.
    pub const INITIAL_EPOCH: i32 = 0;
    /// Of a full fetch that wants none, and closes the one it names.
    pub const FINAL_EPOCH: i32 = -1;

    /// Whether the fetch names all its partitions.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.epoch == Self::INITIAL_EPOCH || self.epoch == Self::FINAL_EPOCH
    }

    /// The epoch that follows one in a session: after the largest comes 1.
    #[must_use]
    pub const fn next_epoch(epoch: i32) -> i32 {
        match epoch {
            Self::FINAL_EPOCH => Self::FINAL_EPOCH,
            i32::MAX => 1,
            epoch => epoch + 1,
        }
    }

    /// The first incremental fetch of a session.
    #[must_use]
    pub const fn new_incremental(session: FetchSessionId) -> Self {
        Self { session, epoch: Self::next_epoch(Self::INITIAL_EPOCH) }
    }

    /// The next incremental fetch of the session.
    #[must_use]
    pub const fn next_incremental(self) -> Self {
        Self { session: self.session, epoch: Self::next_epoch(self.epoch) }
    }

    /// A full fetch that closes the session and wants another.
    #[must_use]
    pub const fn next_close_existing_attempt_new(self) -> Self {
        Self { session: self.session, epoch: Self::INITIAL_EPOCH }
    }
}
