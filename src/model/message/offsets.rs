//! Where logs begin and end: `ListOffsetsRequest.json`, `OffsetForLeaderEpochRequest.json`, and
//! their responses.

use crate::base::ids::{LeaderEpoch, Offset, PartitionId};
use crate::model::error::ErrorCode;

message! {
    /// Asks for one offset of one partition.
    pub struct ListOffsetsRequest {
        pub partition: PartitionId,
        pub leader_epoch: Option<LeaderEpoch>,
        pub which: WhichOffset,
        pub read_committed: bool,
    }
}

message! {
    /// The offset, and the leader epoch of the record there.
    pub struct ListOffsetsResponse {
        pub partition: PartitionId,
        pub error: ErrorCode,
        pub offset: Offset,
        pub leader_epoch: Option<LeaderEpoch>,
    }
}

/// Which offset `ListOffsets` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichOffset {
    /// The log start.
    Earliest,
    /// The high watermark (consumers) or the log end (followers).
    Latest,
    /// The log end offset, for a follower whose position is out of range.
    LogEnd,
}

message! {
    /// Asks where an epoch ends in the leader's log of one partition.
    pub struct OffsetsForLeaderEpochRequest {
        pub partition: PartitionId,
        /// The epoch the asker believes to be the present one.
        pub current_leader_epoch: Option<LeaderEpoch>,
        /// The epoch asked about.
        pub leader_epoch: LeaderEpoch,
    }
}

message! {
    /// The largest epoch not above the asked one, and its end.
    pub struct OffsetsForLeaderEpochResponse {
        pub partition: PartitionId,
        pub error: ErrorCode,
        pub end: Option<(LeaderEpoch, Offset)>,
    }
}
