//! Who leads what, for clients: `MetadataRequest.json`, `MetadataResponse.json`.

use crate::model::message::PartsId;

message! {
    /// Asks for all topics.
    pub struct MetadataRequest {}
}

message! {
    /// Parts are `Part::Leader`, one per partition.
    pub struct MetadataResponse {
        pub parts: PartsId,
    }
}
