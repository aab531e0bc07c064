//! Writing records: `ProduceRequest.json`, `ProduceResponse.json`.

use crate::base::time::Span;
use crate::model::config::Acks;
use crate::model::message::PartsId;

message! {
    /// Parts are `Part::Produce`.
    pub struct ProduceRequest {
        pub acks: Acks,
        pub timeout: Span,
        pub parts: PartsId,
    }
}

message! {
    /// Parts are `Part::Produced`.
    pub struct ProduceResponse {
        pub parts: PartsId,
    }
}
