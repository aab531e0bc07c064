//! Writing records: `ProduceRequest.json`, `ProduceResponse.json`.

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::base::time::Span;
use crate::model::batch::Batch;
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::message::{Entry, List};

message! {
    /// Batches to be appended.
    pub struct ProduceRequest {
        pub acks: Acks,
        pub timeout: Span,
        pub partitions: List<ProducePartition>,
    }
}

entry! {
    /// One batch for one partition.
    pub struct ProducePartition {
        pub partition: PartitionId,
        pub batch: Batch,
    }
}

impl Entry for ProducePartition {
    const HOLDS_RECORDS: bool = true;

    #[inline]
    fn wire_bytes(&self) -> u64 {
        u64::from(self.batch.bytes)
    }
}

message! {
    /// What became of each batch.
    pub struct ProduceResponse {
        pub responses: List<PartitionProduceResponse>,
    }
}

entry! {
    /// What became of the batch of one partition.
    pub struct PartitionProduceResponse {
        pub partition: PartitionId,
        pub error: ErrorCode,
        /// The first offset, on success.
        pub base_offset: Offset,
        /// With errors 6 and 74 the present leader, if the broker knows it (KIP-951).
        pub current_leader: Option<(BrokerId, LeaderEpoch)>,
    }
}

impl Entry for PartitionProduceResponse {}
