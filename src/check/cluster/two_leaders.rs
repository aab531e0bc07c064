//! `two-leaders`, claim G12: one leader epoch has one leader.
//!
//! From what the cluster committed, and from whoever answered fetches in an epoch. A deposed leader
//! answers in its own, earlier epoch, and is no second leader. Known as `OneLeaderPerEpoch`.

use crate::base::ids::{BrokerId, LeaderEpoch};
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// So many epochs are remembered per partition.
const EPOCHS_KEPT: usize = 8;

/// The leaders of the last epochs, per partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct TwoLeaders {
    leaders: Vec<[Option<(LeaderEpoch, BrokerId)>; EPOCHS_KEPT]>,
}

impl TwoLeaders {
    /// There are so many partitions.
    pub(crate) fn grow(&mut self, partitions: usize) {
        self.leaders.resize(partitions, [None; EPOCHS_KEPT]);
    }

    /// A broker led in an epoch: it was elected, or answered a fetch as the leader.
    ///
    /// Speed: a call, so that what hears every exposed watermark stays short.
    #[inline(never)]
    pub(crate) fn led(
        &mut self,
        ghost: &PartitionGhost,
        broker: BrokerId,
        epoch: LeaderEpoch,
        stamp: Stamp,
        findings: &mut Findings,
    ) {
        findings.exercise(PropertyId::TwoLeaders);
        let slot = &mut self.leaders[ghost.id.index()][epoch.0 as usize % EPOCHS_KEPT];
        let leader = match *slot {
            Some((known, leader)) if known == epoch => leader,
            // An epoch too old to be remembered cannot be judged.
            Some((known, _)) if known > epoch => return,
            _ => {
                *slot = Some((epoch, broker));
                return;
            }
        };
        if leader != broker {
            // Told once: the newcomer is remembered, and meets itself from now on.
            *slot = Some((epoch, broker));
            let detail = Detail::OtherLeader { leader, epoch };
            let violation = Violation::of(PropertyId::TwoLeaders, stamp, detail)
                .partition(ghost.id)
                .broker(broker);
            findings.add(PropertyId::TwoLeaders, violation);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn an_epoch_has_one_leader() {
        let mut forge = Forge::new();
        forge.elect(2, 1).expose(1, 0, 3, 0).expose(2, 1, 3, 0).elect(2, 2);
        forge.expect_none("two-leaders").expose(1, 2, 3, 0).expect("two-leaders", 1);
        let mut forge = Forge::new();
        forge.elect(2, 1).elect(3, 1).expect("two-leaders", 1);
        // Whichever fact about the election comes first.
        let mut forge = Forge::new();
        forge.append(1, 0, 1, 0).append(2, 0, 1, 0).elect(1, 0).expect_none("two-leaders");
        forge.commit_then_elect(2, 0).expect("two-leaders", 1);
        forge.append_other(2, 1, 1, 0, 7).expect_none("log-diverged");
        forge.append(1, 1, 1, 0).expect("log-diverged", 1);
    }
}
