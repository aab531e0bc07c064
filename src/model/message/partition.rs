//! What a broker asks the controller about its replicas: `AlterPartitionRequest.json`,
//! `AssignReplicasToDirsRequest.json`, and their responses.

use crate::base::ids::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, PartitionId, ReplicaSet,
};
use crate::model::directory::DirectoryId;
use crate::model::error::ErrorCode;
use crate::model::message::{Entry, List, Sublist};
use crate::model::metadata::PartitionState;

message! {
    /// A leader proposes in-sync replicas.
    pub struct AlterPartitionRequest {
        pub broker: BrokerId,
        pub epoch: BrokerEpoch,
        pub partitions: List<AlterPartitionItem>,
        /// What is known of the members of all partitions, in their order.
        pub broker_states: List<BrokerState>,
    }
}

entry! {
    /// The proposed ISR of one partition.
    pub struct AlterPartitionItem {
        pub partition: PartitionId,
        pub leader_epoch: LeaderEpoch,
        pub partition_epoch: PartitionEpoch,
        pub new_isr: ReplicaSet,
        /// The same with broker epochs (KIP-903), in the request's list.
        pub new_isr_with_epochs: Sublist<BrokerState>,
        pub recovered: bool,
    }
}

impl Entry for AlterPartitionItem {}

entry! {
    /// The broker epoch that the leader knows of a member, if it knows one.
    pub struct BrokerState {
        pub broker: BrokerId,
        pub epoch: Option<BrokerEpoch>,
    }
}

impl Entry for BrokerState {}

message! {
    /// What became of the proposals, unless all were refused.
    pub struct AlterPartitionResponse {
        pub error: ErrorCode,
        pub partitions: List<AlterPartitionResult>,
    }
}

entry! {
    /// What became of one proposal.
    pub struct AlterPartitionResult {
        pub partition: PartitionId,
        pub error: ErrorCode,
        /// As it is committed.
        pub state: PartitionState,
    }
}

impl Entry for AlterPartitionResult {}

message! {
    /// In which log directories replicas of the broker lie (KIP-858).
    pub struct AssignReplicasToDirsRequest {
        pub broker: BrokerId,
        pub epoch: BrokerEpoch,
        pub partitions: List<AssignReplicaToDir>,
    }
}

entry! {
    /// In which log directory the sender's replica of a partition lies.
    pub struct AssignReplicaToDir {
        pub partition: PartitionId,
        pub directory: DirectoryId,
    }
}

impl Entry for AssignReplicaToDir {}

message! {
    /// What became of each, unless all were refused.
    pub struct AssignReplicasToDirsResponse {
        pub error: ErrorCode,
        pub partitions: List<AssignReplicasToDirsResult>,
    }
}

entry! {
    /// Whether the controller has taken note of one replica.
    pub struct AssignReplicasToDirsResult {
        pub partition: PartitionId,
        pub error: ErrorCode,
    }
}

impl Entry for AssignReplicasToDirsResult {}
