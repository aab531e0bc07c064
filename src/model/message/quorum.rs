//! Following the metadata log: the `FetchRequest` of an observer of the quorum and its response,
//! under names of their own.

use crate::base::ids::{LeaderEpoch, Offset};
use crate::base::time::Span;
use crate::model::batch::Batch;
use crate::model::message::List;

message! {
    /// An observer's fetch of the metadata log.
    pub struct FetchMetadataRequest {
        pub from: Offset,
        /// The newest epoch in its own log.
        pub last_fetched: Option<LeaderEpoch>,
        /// The high watermark it knows (KIP-1166).
        pub watermark: Offset,
        pub max_wait: Span,
    }
}

message! {
    /// The batches that follow. If the logs part, it says where instead.
    pub struct FetchMetadataResponse {
        pub from: Offset,
        /// One past the last committed record.
        pub end: Offset,
        pub diverging: Option<(LeaderEpoch, Offset)>,
        pub records: List<Batch>,
    }
}
