//! Following the metadata log: the `FetchRequest` of an observer of the quorum and its response,
//! under names of their own.

use crate::base::ids::Offset;
use crate::base::time::Span;
use crate::model::message::PartsId;

message! {
    /// An observer's fetch of the metadata log.
    pub struct FetchMetadataRequest {
        pub from: Offset,
        pub max_wait: Span,
    }
}

message! {
    /// Parts are `Part::Record`.
    pub struct FetchMetadataResponse {
        pub from: Offset,
        /// One past the last committed record.
        pub end: Offset,
        pub parts: PartsId,
    }
}
