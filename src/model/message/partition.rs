//! What a broker asks the controller about its replicas: `AlterPartitionRequest.json`,
//! `AssignReplicasToDirsRequest.json`, and their responses.

use crate::base::ids::{BrokerEpoch, BrokerId};
use crate::model::error::ErrorCode;
use crate::model::message::PartsId;

message! {
    /// A leader proposes in-sync replicas. Parts are `Part::AlterIsr`, each followed by its
    /// `Part::ReplicaEpoch`s.
    pub struct AlterPartitionRequest {
        pub broker: BrokerId,
        pub epoch: BrokerEpoch,
        pub parts: PartsId,
    }
}

message! {
    /// Parts are `Part::AlteredIsr`.
    pub struct AlterPartitionResponse {
        pub error: ErrorCode,
        pub parts: PartsId,
    }
}

message! {
    /// In which log directories replicas of the broker lie (KIP-858). Parts are
    /// `Part::AssignToDir`.
    pub struct AssignReplicasToDirsRequest {
        pub broker: BrokerId,
        pub epoch: BrokerEpoch,
        pub parts: PartsId,
    }
}

message! {
    /// Parts are `Part::AssignedToDir`.
    pub struct AssignReplicasToDirsResponse {
        pub error: ErrorCode,
        pub parts: PartsId,
    }
}
