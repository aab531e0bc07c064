//! Following the metadata log: the `FetchRequest` of an observer of the quorum and its response,
//! under names of their own.

use crate::base::ids::Offset;
use crate::base::time::Span;
use crate::model::message::{Entry, List};
use crate::model::metadata::MetadataRecord;

message! {
    /// An observer's fetch of the metadata log.
    pub struct FetchMetadataRequest {
        pub from: Offset,
        pub max_wait: Span,
    }
}

message! {
    /// The records that follow.
    pub struct FetchMetadataResponse {
        pub from: Offset,
        /// One past the last committed record.
        pub end: Offset,
        pub records: List<MetadataRecord>,
    }
}

impl Entry for MetadataRecord {}
