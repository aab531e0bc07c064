//! What an operator asks of the controller: `IncrementalAlterConfigsRequest.json`,
//! `ElectLeadersRequest.json`, `CreatePartitionsRequest.json`, and their responses.

use crate::base::ids::{PartitionId, TopicId};
use crate::model::config::TopicKey;
use crate::model::error::ErrorCode;
use crate::model::message::{Entry, List};

message! {
    /// Sets (`Some`) or removes one property of a topic, or of the cluster default.
    pub struct IncrementalAlterConfigsRequest {
        pub topic: Option<TopicId>,
        pub key: TopicKey,
        /// In Kafka's own unit; booleans are 0 and 1.
        pub value: Option<i64>,
    }
}

message! {
    /// Whether it was set.
    pub struct IncrementalAlterConfigsResponse {
        pub error: ErrorCode,
    }
}

message! {
    /// Asks for elections.
    pub struct ElectLeadersRequest {
        pub election: ElectionType,
    }
}

/// Which elections are asked for (`ElectionType.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// Of preferred leaders, in all partitions.
    Preferred,
    /// Of one partition, of any replica that is alive.
    Unclean(PartitionId),
}

message! {
    /// What became of each partition that is named.
    pub struct ElectLeadersResponse {
        pub partitions: List<ElectLeadersResult>,
    }
}

entry! {
    /// What became of an election that an operator asked for.
    pub struct ElectLeadersResult {
        pub partition: PartitionId,
        pub error: ErrorCode,
    }
}

impl Entry for ElectLeadersResult {}

message! {
    /// Asks for more partitions of a topic. Who holds them is the controller's choice.
    pub struct CreatePartitionsRequest {
        pub topic: TopicId,
        /// How many the topic is to have in all.
        pub count: u16,
    }
}

message! {
    /// Whether they were created.
    pub struct CreatePartitionsResponse {
        pub error: ErrorCode,
    }
}
