//! Reading records: `FetchRequest.json`, `FetchResponse.json`.

use crate::base::ids::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::base::time::Span;
use crate::model::batch::Batch;
use crate::model::body::BodyId;
use crate::model::error::ErrorCode;
use crate::model::message::{Entry, List, Sublist};

message! {
    /// Asks for records of some partitions.
    pub struct FetchRequest {
        pub fetcher: Fetcher,
        pub max_wait: Span,
        pub min_bytes: u32,
        pub max_bytes: u32,
        pub partitions: List<FetchPartition>,
    }
}

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetcher {
    /// A follower. `epoch` is its broker epoch, none before it has registered.
    Replica { broker: BrokerId, epoch: Option<BrokerEpoch> },
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

message! {
    /// What was found in each partition.
    pub struct FetchResponse {
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
