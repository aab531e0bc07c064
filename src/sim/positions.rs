//! What brokers tell clients of their positions, as facts: where the answer is handed to the
//! network, and where it reaches the client.
//!
//! Two facts, because the oracle asks two things: whether the answer was true, which only the
//! moment of its making tells, and what the client knew when it set its position. Does not judge.

use crate::base::ids::{NodeId, PartitionId};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, Observer, PositionAnswer};
use crate::model::message::{Content, Lists};
use crate::sim::event::HostId;
use crate::sim::world::World;

/// Whether a message may say something of a position. Asked of every message.
#[inline]
pub(super) const fn may_tell(content: &Content) -> bool {
    matches!(
        content,
        Content::FetchResponse(_)
            | Content::ListOffsetsResponse(_)
            | Content::OffsetsForLeaderEpochResponse(_)
    )
}

/// Each answer about a position in a message.
fn each(content: &Content, lists: &Lists, mut hear: impl FnMut(PartitionId, PositionAnswer)) {
    match *content {
        Content::FetchResponse(response) => {
            for found in lists.get(response.partitions) {
                if found.error == ErrorCode::OffsetOutOfRange {
                    hear(found.partition, PositionAnswer::OutOfRange);
                }
            }
        }
        Content::ListOffsetsResponse(response) if response.error.is_none() => {
            let (offset, leader_epoch) = (response.offset, response.leader_epoch);
            hear(response.partition, PositionAnswer::Listed { offset, leader_epoch });
        }
        Content::OffsetsForLeaderEpochResponse(response) if response.error.is_none() => {
            hear(response.partition, PositionAnswer::EpochEnd(response.end));
        }
        _ => {}
    }
}

impl World {
    /// A broker has handed an answer to the network.
    pub(super) fn note_answered<O: Observer>(
        &mut self,
        (from, to): (HostId, HostId),
        content: &Content,
        tap: &mut O,
    ) {
        let (from, to) = (self.node(from), self.node(to));
        let (NodeId::Broker(broker), NodeId::Process(to)) = (from, to) else { return };
        let desk = &mut self.desk;
        each(content, &self.lists, |partition, answer| {
            desk.note(tap, &Fact::PositionAnswered { broker, partition, to, answer });
        });
    }

    /// An answer has reached whoever asked.
    pub(super) fn note_told<O: Observer>(
        &mut self,
        (from, to): (NodeId, NodeId),
        content: &Content,
        tap: &mut O,
    ) {
        let (NodeId::Broker(broker), NodeId::Process(to)) = (from, to) else { return };
        let desk = &mut self.desk;
        each(content, &self.lists, |partition, answer| {
            desk.note(tap, &Fact::PositionTold { broker, partition, to, answer });
        });
    }
}
