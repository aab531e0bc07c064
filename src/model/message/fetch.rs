//! Reading records: `FetchRequest.json`, `FetchResponse.json`.

use crate::base::ids::{BrokerEpoch, BrokerId};
use crate::base::time::Span;
use crate::model::message::PartsId;

message! {
    /// Parts are `Part::FetchFrom`.
    pub struct FetchRequest {
        pub fetcher: Fetcher,
        pub max_wait: Span,
        pub min_bytes: u32,
        pub max_bytes: u32,
        pub parts: PartsId,
    }
}

message! {
    /// Parts are `Part::Fetched`, each followed by its `Part::FetchedBatch`es.
    pub struct FetchResponse {
        pub parts: PartsId,
    }
}

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetcher {
    /// A follower. `epoch` is its broker epoch, none before it has registered.
    Replica { broker: BrokerId, epoch: Option<BrokerEpoch> },
    /// A consumer.
    Consumer { read_committed: bool },
}
