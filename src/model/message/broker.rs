//! A broker's life as the controller knows it: `BrokerRegistrationRequest.json`,
//! `BrokerHeartbeatRequest.json`, and their responses.

use crate::base::ids::{BrokerEpoch, BrokerId, Offset};
use crate::model::directory::LogDirs;
use crate::model::error::ErrorCode;

message! {
    /// A broker has started and wants an epoch.
    pub struct BrokerRegistrationRequest {
        pub broker: BrokerId,
        /// Which start of the process this is.
        pub incarnation: u32,
        /// The epoch of a clean shutdown before this start (KIP-966).
        pub previous: Option<BrokerEpoch>,
        /// Its online log directories.
        pub log_dirs: LogDirs,
    }
}

message! {
    /// The epoch, unless there was an error.
    pub struct BrokerRegistrationResponse {
        pub error: ErrorCode,
        pub epoch: BrokerEpoch,
    }
}

message! {
    /// A sign of life.
    pub struct BrokerHeartbeatRequest {
        pub broker: BrokerId,
        pub epoch: BrokerEpoch,
        /// One past the last metadata record replayed.
        pub replayed: Offset,
        pub want_fence: bool,
        pub want_shutdown: bool,
        /// A bit set over the broker's log directories.
        pub offline_dirs: u64,
    }
}

message! {
    /// How the controller sees the broker.
    pub struct BrokerHeartbeatResponse {
        pub error: ErrorCode,
        pub caught_up: bool,
        pub fenced: bool,
        pub may_shutdown: bool,
    }
}
