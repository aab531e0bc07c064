//! Facts about a consumer's position: who answers it what, and where it goes then.

use super::{C, Forge, T0};
use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, PositionAnswer, PositionChange};

impl Forge {
    /// A broker answers the consumer about its position, and the answer does not arrive yet.
    pub(crate) fn answer(&mut self, broker: u16, answer: PositionAnswer) -> &mut Self {
        let broker = BrokerId(broker);
        self.tell(Fact::PositionAnswered { broker, partition: T0, to: C, answer })
    }

    /// A broker answers the consumer, which hears it.
    pub(crate) fn say(&mut self, broker: u16, answer: PositionAnswer) -> &mut Self {
        self.answer(broker, answer);
        self.tell(Fact::PositionTold { broker: BrokerId(broker), partition: T0, to: C, answer })
    }

    /// A broker tells the consumer the offset that its reset policy asks for.
    pub(crate) fn list(&mut self, broker: u16, epoch: u32, offset: u64) -> &mut Self {
        let (offset, leader_epoch) = (Offset(offset), Some(LeaderEpoch(epoch)));
        self.say(broker, PositionAnswer::Listed { offset, leader_epoch })
    }

    /// A broker tells the consumer where a leader epoch ends.
    pub(crate) fn epoch_ends(&mut self, broker: u16, epoch: u32, end: u64) -> &mut Self {
        self.say(broker, PositionAnswer::EpochEnd(Some((LeaderEpoch(epoch), Offset(end)))))
    }

    /// The consumer sets its position.
    pub(crate) fn set_position(&mut self, to: u64, why: PositionChange) -> &mut Self {
        self.tell(Fact::PositionSet { process: C, partition: T0, to: Offset(to), why })
    }

    /// The consumer's application gets an exception.
    pub(crate) fn call(&mut self, error: ErrorCode) -> &mut Self {
        self.tell(Fact::Called { process: C, partition: T0, error })
    }

    /// A fetch of the consumer is answered by a leader of this epoch.
    pub(crate) fn expose_to_consumer(&mut self, broker: u16, epoch: u32, offset: u64) -> &mut Self {
        self.tell(Fact::WatermarkExposed {
            broker: BrokerId(broker),
            partition: T0,
            leader_epoch: LeaderEpoch(epoch),
            to: NodeId::Process(C),
            connection: ConnectionId(100 + u32::from(broker)),
            offset: Offset(offset),
        })
    }
}
