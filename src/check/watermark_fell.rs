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

/// By whom, in which epoch and on which connection.
type Source = (BrokerId, LeaderEpoch, ConnectionId);

/// The last watermark shown, per partition and receiver.
#[derive(Clone, Debug)]
pub(crate) struct WatermarkFell {
    /// Places of receivers: brokers, then processes.
    shown: Vec<Option<(Source, Offset)>>,
    brokers: usize,
    receivers: usize,
}

impl WatermarkFell {
    pub(crate) fn new(partitions: usize, brokers: usize, processes: usize) -> Self {
        let receivers = brokers + processes;
        Self { shown: vec![None; partitions * receivers], brokers, receivers }
    }

    /// A receiver has one fetch connection to a leader, so one place per receiver is enough. Says
    /// whether the last answer came from the same source.
    pub(crate) fn exposed(
        &mut self,
        ghost: &PartitionGhost,
        source: Source,
        to: NodeId,
        offset: Offset,
        stamp: Stamp,
        findings: &mut Findings,
    ) -> bool {
        let receiver = match to {
            NodeId::Broker(id) => id.index(),
            NodeId::Process(id) => self.brokers + id.index(),
            NodeId::Controller(_) | NodeId::Operator => return false,
        };
        let last = &mut self.shown[ghost.id.index() * self.receivers + receiver];
        let Some((_, before)) = last.filter(|(known, _)| *known == source) else {
            *last = Some((source, offset));
            return false;
        };
        *last = Some((source, offset));
        findings.exercise(PropertyId::WatermarkFell);
        if offset < before {
            let (broker, epoch, _) = source;
            let detail = Detail::Fell { from: before, epoch };
            let violation = Violation::of(PropertyId::WatermarkFell, stamp, detail)
                .partition(ghost.id)
                .offset(offset)
                .broker(broker);
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
