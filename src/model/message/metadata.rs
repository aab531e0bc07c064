//! Who leads what, for clients: `MetadataRequest.json`, `MetadataResponse.json`.

use crate::base::ids::{BrokerId, LeaderEpoch, PartitionId};
use crate::model::message::{Entry, List};

message! {
    /// Asks for all topics.
    pub struct MetadataRequest {}
}

message! {
    /// All partitions, as the answering broker knows them.
    pub struct MetadataResponse {
        pub partitions: List<MetadataResponsePartition>,
    }
}

entry! {
    /// The leader of one partition.
    pub struct MetadataResponsePartition {
        pub partition: PartitionId,
        pub leader: Option<BrokerId>,
        pub leader_epoch: LeaderEpoch,
    }
}

impl Entry for MetadataResponsePartition {}
