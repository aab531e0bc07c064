//! `watermark-fell`, claim G2: what a leader shows as committed stays committed.
//!
//! Within one leader epoch and on one connection, the high watermarks of a leader's answers never
//! fall. A follower's own may (it is clamped to its log), and answers on different connections
//! overtake each other, so those are not compared. Known as `HighWatermarkMonotonic`.

use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset};
use crate::model::fact::Stamp;

use super::ghost::PartitionGhost;
use super::registry::PropertyId;
use super::violation::{Detail, Findings, Violation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    to: NodeId,
    connection: ConnectionId,
    broker: BrokerId,
    epoch: LeaderEpoch,
    offset: Offset,
}

/// The last watermark shown, per partition and receiver.
#[derive(Clone, Debug)]
pub(crate) struct WatermarkFell {
    shown: Vec<Vec<Shown>>,
}

impl WatermarkFell {
    pub(crate) fn new(partitions: usize) -> Self {
        Self { shown: vec![Vec::new(); partitions] }
    }

    /// A receiver has one fetch connection to a leader, so one slot per receiver is enough; a
    /// partition has few receivers, so looking along them is.
    pub(crate) fn exposed(
        &mut self,
        ghost: &PartitionGhost,
        (broker, epoch): (BrokerId, LeaderEpoch),
        (to, connection): (NodeId, ConnectionId),
        offset: Offset,
        stamp: Stamp,
        findings: &mut Findings,
    ) {
        let new = Shown { to, connection, broker, epoch, offset };
        let slots = &mut self.shown[ghost.id.index()];
        let Some(old) = slots.iter_mut().find(|s| s.to == to) else {
            slots.push(new);
            return;
        };
        let comparable = (old.connection, old.broker, old.epoch) == (connection, broker, epoch);
        if comparable {
            findings.exercise(PropertyId::WatermarkFell);
        }
        if comparable && offset < old.offset {
            let detail = Detail::Fell { from: old.offset, epoch };
            let violation = Violation::of(PropertyId::WatermarkFell, stamp, detail)
                .partition(ghost.id)
                .offset(offset)
                .broker(broker);
            findings.add(PropertyId::WatermarkFell, violation);
        }
        *old = new;
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
