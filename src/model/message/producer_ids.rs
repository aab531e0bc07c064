//! Producer ids: `InitProducerIdRequest.json` (clients), `AllocateProducerIdsRequest.json`
//! (brokers), and their responses.

use crate::base::ids::{BrokerEpoch, BrokerId, ProducerEpoch, ProducerId};
use crate::model::error::ErrorCode;

message! {
    /// Asks for a producer id without a transactional id.
    pub struct InitProducerIdRequest {}
}

message! {
    /// The id and its epoch, unless there was an error.
    pub struct InitProducerIdResponse {
        pub error: ErrorCode,
        pub producer: ProducerId,
        pub epoch: ProducerEpoch,
    }
}

message! {
    /// A broker asks for a block of ids.
    pub struct AllocateProducerIdsRequest {
        pub broker: BrokerId,
        pub epoch: BrokerEpoch,
    }
}

message! {
    /// The ids `first .. first + count`.
    pub struct AllocateProducerIdsResponse {
        pub error: ErrorCode,
        pub first: ProducerId,
        pub count: u32,
    }
}
