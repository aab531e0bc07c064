//! What travels on a connection: requests and responses by Kafka's names, small and `Copy`.
//!
//! The table below is the one place where a request is added: a row per API, from which the enum
//! [`Content`], names, service lanes, costs and dispatch patterns are derived (`message::table`).
//! What each message says is a plain struct in a file by subject. What repeats per partition lies
//! outside the message, in pooled lists that the message names by [`List`], each of one kind of
//! entries; where Kafka nests a list in an entry, the entry names a [`Sublist`] of another list of
//! the message. The lists go back to the pools when the message is done. A message does not know
//! its connection, its sender or when it arrives.

#![expect(missing_docs, reason = "fields bear Kafka's own names; every struct is documented")]

#[macro_use]
mod table;

mod admin;
mod api_versions;
mod broker;
#[cfg(test)]
mod examples;
mod fetch;
mod lists;
mod metadata;
mod offsets;
mod partition;
mod produce;
mod producer_ids;
mod quorum;
#[cfg(test)]
pub(crate) mod tests;
mod words;

pub use admin::{ElectLeadersResult, ElectionType};
pub use fetch::{
    FetchMetadata, FetchPartition, FetchSessionId, FetchablePartition, Fetcher, ForgottenPartition,
};
pub use lists::{Entry, Field, Holds, List, Pool, Sublist};
pub use metadata::MetadataResponsePartition;
pub use offsets::WhichOffset;
pub use partition::{
    AlterPartitionItem, AlterPartitionResult, AssignReplicaToDir, AssignReplicasToDirsResult,
    BrokerState,
};
pub use produce::{PartitionProduceResponse, ProducePartition};

use crate::model::batch::Batch;

/// A request or a response on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Chosen by the requester per connection; a response repeats it.
    pub correlation: u32,
    /// What it says.
    pub content: Content,
}

const _: () = assert!(size_of::<Message>() <= 64, "a message is copied a lot");

/// The kinds of work that a broker does side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Requests of clients and followers.
    Requests = 0,
    /// Heartbeats, metadata, registration, ISR changes, and their answers.
    Control = 1,
    /// Answers to a follower's own fetches.
    Fetched = 2,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Control, Self::Fetched];
}

/// Which of a node's service times (`model::plan::Hardware`) handling a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Any response.
    Response = 0,
    /// A request without records.
    Control = 1,
    /// A fetch.
    Fetch = 2,
    /// A produce request.
    Produce = 3,
}

/// What the handler of a message appends to a log, so that it waits for a disk that hangs and takes
/// longer the more there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appends {
    /// Nothing.
    Nothing,
    /// The records in the message.
    Records,
}

rpcs! {
    // What lists are made of.
    lists {
        produce_partitions: ProducePartition,
        partition_produce_responses: PartitionProduceResponse,
        fetch_partitions: FetchPartition,
        forgotten_partitions: ForgottenPartition,
        fetchable_partitions: FetchablePartition,
        batches: Batch,
        metadata_response_partitions: MetadataResponsePartition,
        alter_partition_items: AlterPartitionItem,
        broker_states: BrokerState,
        alter_partition_results: AlterPartitionResult,
        assign_replicas_to_dirs: AssignReplicaToDir,
        assign_replicas_to_dirs_results: AssignReplicasToDirsResult,
        elect_leaders_results: ElectLeadersResult,
    }
    // API        file        request(lane, cost, appends)          response(lane, appends)
    served by all {
        "ApiVersions" in api_versions:
            ApiVersionsRequest(Requests, Control, Nothing) => ApiVersionsResponse(Control, Nothing);
    }
    served by brokers {
        "Produce" in produce:
            ProduceRequest(Requests, Produce, Records) => ProduceResponse(Control, Nothing);
        "Fetch" in fetch:
            FetchRequest(Requests, Fetch, Nothing) => FetchResponse(Fetched, Records);
        "ListOffsets" in offsets:
            ListOffsetsRequest(Requests, Control, Nothing) => ListOffsetsResponse(Fetched, Nothing);
        "OffsetForLeaderEpoch" in offsets:
            OffsetsForLeaderEpochRequest(Requests, Control, Nothing)
                => OffsetsForLeaderEpochResponse(Fetched, Nothing);
        "Metadata" in metadata:
            MetadataRequest(Requests, Control, Nothing) => MetadataResponse(Control, Nothing);
        "InitProducerId" in producer_ids:
            InitProducerIdRequest(Requests, Control, Nothing)
                => InitProducerIdResponse(Control, Nothing);
    }
    served by controllers {
        "AlterPartition" in partition:
            AlterPartitionRequest(Control, Control, Nothing)
                => AlterPartitionResponse(Control, Nothing);
        "BrokerRegistration" in broker:
            BrokerRegistrationRequest(Control, Control, Nothing)
                => BrokerRegistrationResponse(Control, Nothing);
        "BrokerHeartbeat" in broker:
            BrokerHeartbeatRequest(Control, Control, Nothing)
                => BrokerHeartbeatResponse(Control, Nothing);
        "FetchMetadata" in quorum:
            FetchMetadataRequest(Control, Control, Nothing)
                => FetchMetadataResponse(Control, Nothing);
        "AssignReplicasToDirs" in partition:
            AssignReplicasToDirsRequest(Control, Control, Nothing)
                => AssignReplicasToDirsResponse(Control, Nothing);
        "AllocateProducerIds" in producer_ids:
            AllocateProducerIdsRequest(Control, Control, Nothing)
                => AllocateProducerIdsResponse(Control, Nothing);
        "IncrementalAlterConfigs" in admin:
            IncrementalAlterConfigsRequest(Control, Control, Nothing)
                => IncrementalAlterConfigsResponse(Control, Nothing);
        "ElectLeaders" in admin:
            ElectLeadersRequest(Control, Control, Nothing)
                => ElectLeadersResponse(Control, Nothing);
        "CreatePartitions" in admin:
            CreatePartitionsRequest(Control, Control, Nothing)
                => CreatePartitionsResponse(Control, Nothing);
    }
}
