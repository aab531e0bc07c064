//! `watermark-fell`, claim G2: what a leader shows as committed stays committed.
//!
//! Within one leader epoch and on one connection, the high watermarks of a leader's answers never
//! fall. A follower's own may (it is clamped to its log), and answers on different connections
//! overtake each other, so those are not compared. Known as `HighWatermarkMonotonic`.

use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, Offset};
use crate::model::fact::Stamp;

use super::ghost::PartitionGhost;
use super::registry::PropertyId;
use super::violation::{Detail, Findings, Violation};

/// By whom, in which epoch and on which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) broker: BrokerId,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) connection: ConnectionId,
}

/// The place of a receiver that is no replica and no client.
pub(crate) const NOBODY: usize = usize::MAX / 2;

/// The last watermark that a receiver was shown.
#[derive(Clone, Copy, Debug)]
struct Shown {
    source: Source,
    offset: Offset,
}

impl Shown {
    /// No broker has the number zero.
    const NOTHING: Self = Self {
        source: Source { broker: BrokerId(0), epoch: LeaderEpoch(0), connection: ConnectionId(0) },
        offset: Offset::ZERO,
    };
}

/// The last watermark shown, per partition and receiver.
#[derive(Clone, Debug)]
pub(crate) struct WatermarkFell {
    /// By partition, then receiver: brokers, then processes.
    shown: Vec<Shown>,
}

impl WatermarkFell {
    pub(crate) fn new(receivers: usize) -> Self {
        Self { shown: vec![Shown::NOTHING; receivers] }
    }

    /// A receiver has one fetch connection to a leader, so one place per receiver is enough. Says
    /// whether the last answer came from the same source.
    #[inline(always)]
    pub(crate) fn exposed(
        &mut self,
        ghost: &PartitionGhost,
        source: Source,
        receiver: usize,
        offset: Offset,
        stamp: Stamp,
        findings: &mut Findings,
    ) -> bool {
        let Some(last) = self.shown.get_mut(receiver) else { return false };
        let before = std::mem::replace(last, Shown { source, offset });
        if before.source != source {
            return false;
        }
        findings.exercise(PropertyId::WatermarkFell);
        if offset < before.offset {
            let detail = Detail::Fell { from: before.offset, epoch: source.epoch };
            let violation = Violation::of(PropertyId::WatermarkFell, stamp, detail)
                .partition(ghost.id)
                .offset(offset)
                .broker(source.broker);
            findings.add(PropertyId::WatermarkFell, violation);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn a_watermark_may_fall_over_epochs_but_not_within_one() {
        let mut forge = Forge::new();
        forge.append(1, 0, 9, 0).append(2, 0, 9, 0).append(3, 0, 9, 0);
        forge.expose(1, 0, 2, 5).expose(1, 0, 3, 4).expose(1, 0, 2, 9);
        forge.elect(2, 1).expose(2, 1, 3, 4).expect_none("watermark-fell");
        forge.expose(2, 1, 3, 3).expect("watermark-fell", 1);
    }
}
