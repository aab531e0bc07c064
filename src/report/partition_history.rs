//! What the cluster has committed about a partition, followed fact by fact, and of what kind an
//! election was.
//!
//! Shared by statistics and stories. Reads `IsrCommitted` and `Elected` in either order, because
//! both come from one metadata record. The kinds follow `PartitionChangeBuilder.electLeader`.

use crate::base::ids::{BrokerId, LeaderEpoch, ReplicaSet};
use crate::model::metadata::PartitionState;

/// From where a new leader was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ElectionKind {
    /// From the in-sync replicas.
    Clean,
    /// From the eligible leader replicas (KIP-966): it has every exposed record too.
    Eligible,
    /// The last known leader, after ISR and ELR had become empty (KIP-966); it may lack records.
    LastKnown,
    /// Any replica (`unclean.leader.election.enable`).
    Unclean,
    /// Nobody could be elected: the partition has no leader.
    Nobody,
    /// The leader stays and only its epoch is another one.
    Again,
}

impl ElectionKind {
    /// In words, after "elected".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Clean => "from the in-sync replicas",
            Self::Eligible => "as an eligible leader replica",
            Self::LastKnown => "as the last known leader",
            Self::Unclean => "uncleanly, from outside ISR and ELR",
            Self::Nobody => "nobody",
            Self::Again => "once more",
        }
    }
}

/// The committed state of one partition, and the one before the present leader and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionHistory {
    /// Now.
    pub state: PartitionState,
    before: PartitionState,
}

impl PartitionHistory {
    /// At time zero: every replica in sync, the first one leads.
    #[must_use]
    pub fn initial(replicas: &[BrokerId]) -> Self {
        let state = PartitionState::full(replicas);
        Self { state, before: state }
    }

    /// As a partition is created after time zero.
    #[must_use]
    pub const fn created(state: PartitionState) -> Self {
        Self { state, before: state }
    }

    /// Takes over a committed state; returns who left the ISR and who joined it.
    pub fn commit(&mut self, state: PartitionState) -> (ReplicaSet, ReplicaSet) {
        let old = self.state;
        // A wrong rule may change the leader within an epoch: that is an election to be seen too.
        if (state.leader, state.leader_epoch) != (old.leader, old.leader_epoch) {
            self.before = old;
        }
        self.state = state;
        (old.isr.minus(state.isr), state.isr.minus(old.isr))
    }

    /// The state from which this leader of this epoch was elected.
    #[must_use]
    pub fn before(&self, leader: Option<BrokerId>, leader_epoch: LeaderEpoch) -> &PartitionState {
        let is_known = (self.state.leader, self.state.leader_epoch) == (leader, leader_epoch);
        if is_known { &self.before } else { &self.state }
    }

    /// Of what kind the election of this epoch was.
    #[must_use]
    pub fn kind(
        &self,
        replicas: &[BrokerId],
        leader: Option<BrokerId>,
        leader_epoch: LeaderEpoch,
        unclean: bool,
    ) -> ElectionKind {
        let old = self.before(leader, leader_epoch);
        let Some(leader) = leader else { return ElectionKind::Nobody };
        if old.leader == Some(leader) {
            return ElectionKind::Again;
        }
        let place = replicas.iter().position(|b| *b == leader);
        let within = |set: ReplicaSet| place.is_some_and(|p| set.has(p));
        if !unclean && within(old.isr) {
            ElectionKind::Clean
        } else if !unclean && within(old.elr) {
            ElectionKind::Eligible
        } else if old.last_known_elr == Some(leader) {
            ElectionKind::LastKnown
        } else {
            ElectionKind::Unclean
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        BrokerId, ElectionKind, LeaderEpoch, PartitionHistory, PartitionState, ReplicaSet,
    };

    const REPLICAS: [BrokerId; 3] = [BrokerId(1), BrokerId(2), BrokerId(3)];

    fn state(isr: ReplicaSet, elr: ReplicaSet, last: Option<u16>) -> PartitionState {
        let leader = None;
        let last_known_elr = last.map(BrokerId);
        PartitionState {
            isr,
            elr,
            leader,
            last_known_elr,
            ..PartitionHistory::initial(&REPLICAS).state
        }
    }

    #[test]
    fn an_election_is_judged_by_the_state_before_it_in_either_order_of_facts() {
        let (one, two) = (ReplicaSet::only(0), ReplicaSet::only(1));
        let cases = [
            (state(one.union(two), ReplicaSet::EMPTY, None), 2, false, ElectionKind::Clean),
            (state(one, two, None), 2, false, ElectionKind::Eligible),
            (
                state(ReplicaSet::EMPTY, ReplicaSet::EMPTY, Some(2)),
                2,
                true,
                ElectionKind::LastKnown,
            ),
            (state(one, ReplicaSet::EMPTY, None), 3, true, ElectionKind::Unclean),
        ];
        for (old, leader, unclean, kind) in cases {
            let (leader, epoch) = (Some(BrokerId(leader)), LeaderEpoch(1));
            let mut committed = PartitionHistory::initial(&REPLICAS);
            committed.commit(old);
            assert_eq!(committed.kind(&REPLICAS, leader, epoch, unclean), kind);
            committed.commit(PartitionState { leader, leader_epoch: epoch, ..old });
            assert_eq!(committed.kind(&REPLICAS, leader, epoch, unclean), kind);
        }
    }
}
