//! `election-unjustified`, claim G12: who may be elected.
//!
//! A leader comes from the ISR before the election; or from the ELR if no member of that ISR is
//! alive; or is the last known leader if both are empty, counted as unclean; or any replica, if
//! unclean election is on or was asked for. It is registered, unfenced and not shutting down.
//! Asked when the instant is over, because a fencing may be committed with the election it causes,
//! or with the next one: a broker counts as alive or dead only if it is so before and after.
//! Follows `PartitionChangeBuilder.java`.

use crate::base::ids::{PartitionId, ReplicaSet};
use crate::check::ghost::{BrokerGhost, Ghosts};
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;
use crate::model::metadata::PartitionState;

/// An election as it was committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Election {
    pub(crate) partition: PartitionId,
    /// Place of the winner.
    pub(crate) place: usize,
    /// The state before it.
    pub(crate) before: PartitionState,
    /// Which replicas' brokers were taken for alive when it was told.
    pub(crate) alive: ReplicaSet,
    pub(crate) unclean: bool,
    /// Unclean election was on, or an operator had asked for one.
    pub(crate) unclean_allowed: bool,
}

/// Which right the winner had, as a mark.
pub(crate) fn title(election: &Election, leader_was_last_known: bool) -> PropertyId {
    if election.before.isr.has(election.place) {
        PropertyId::ElectionClean
    } else if !election.unclean {
        PropertyId::ElectionFromElr
    } else if leader_was_last_known {
        PropertyId::ElectionLastKnown
    } else {
        PropertyId::ElectionUnclean
    }
}

/// Judges an election.
pub(crate) fn judge(ghosts: &Ghosts, election: &Election, stamp: Stamp, findings: &mut Findings) {
    findings.exercise(PropertyId::ElectionUnjustified);
    let ghost = &ghosts.partitions[election.partition.index()];
    let Election { place, before, .. } = *election;
    let winner = ghost.replicas[place];
    let is_alive = |place: usize| {
        let broker = ghost.replicas.get(place).map(|b| ghosts.broker(*b));
        let usable = |b: &BrokerGhost| b.is_active() && !b.disk_failed && !b.wiped;
        broker.is_some_and(|b| usable(&b) && b.disturbed != stamp.time)
    };
    // Dropped by the very change that elects: it comes back from an unclean stop.
    let is_gone = |place: usize| {
        let broker = ghost.replicas.get(place).map(|b| ghosts.broker(*b));
        broker.is_some_and(|b| b.unclean_at == Some(stamp.time))
    };
    let candidates = before.isr.union(before.elr);
    let was_alive = |place: usize| election.alive.has(place);
    let why = if !was_alive(place) && !ghosts.broker(winner).is_active() {
        "it was elected while fenced or shutting down"
    } else if before.isr.has(place) || election.unclean && election.unclean_allowed {
        return;
    } else if before.elr.has(place) {
        let alive = |other: &usize| was_alive(*other) && is_alive(*other);
        if !before.isr.iter().any(|other| other != place && alive(&other)) {
            return;
        }
        "it was elected from the ELR while a member of the ISR was alive"
    } else if before.last_known_elr == Some(winner) && candidates.iter().all(is_gone) {
        return;
    } else {
        "it was elected from outside ISR and ELR"
    };
    let violation = Violation::of(PropertyId::ElectionUnjustified, stamp, Detail::Winner { why })
        .partition(ghost.id)
        .broker(winner);
    findings.add(PropertyId::ElectionUnjustified, violation);
}

#[cfg(test)]
mod tests {
    use crate::base::ids::{BrokerId, NodeId};
    use crate::base::time::Span;
    use crate::check::forge::Forge;
    use crate::model::config::TopicKey;
    use crate::model::fact::{Fact, StopKind};

    #[test]
    fn the_isr_comes_first() {
        let mut forge = Forge::new();
        forge.isr(&[1, 2], &[], 0).elect(2, 1).wait(Span::millis(1)).touch();
        forge.expect_none("election-unjustified").expect("election-clean", 1);
        forge.isr(&[1, 2], &[], 1).elect(3, 2).wait(Span::millis(1)).touch();
        forge.expect("election-unjustified", 1);
    }

    #[test]
    fn the_elr_comes_when_the_isr_is_gone() {
        let mut forge = Forge::new();
        forge.isr(&[1], &[2], 0).elect_from(2, 1, &[2], &[1], false).wait(Span::millis(1)).touch();
        forge.expect("election-unjustified", 1);
        let mut forge = Forge::new();
        forge.isr(&[1], &[2], 0);
        forge.now(|f| f.elect_from(2, 1, &[2], &[1], false).fence(1)).wait(Span::millis(1)).touch();
        forge.expect_none("election-unjustified").expect("election-from-elr", 1);
    }

    /// Its session goes on, and it says where its replicas lie: in directories of nobody's
    /// (`ReplicationControlManager.handleAssignReplicasToDirs`).
    #[test]
    fn the_elr_comes_before_a_member_on_a_wiped_disk_that_has_not_registered() {
        let elected = |how: StopKind, registers: bool| {
            let mut forge = Forge::new();
            forge.isr(&[1], &[2], 0);
            forge.tell(Fact::Stopped { node: NodeId::Broker(BrokerId(1)), how, lost: 0 }).start(1);
            if registers {
                forge.wait(Span::secs(1)).register_as(1, 1, false).unfence(1);
            }
            forge.wait(Span::secs(1)).elect_from(2, 1, &[2], &[1], false);
            forge.wait(Span::millis(1)).touch();
            forge
        };
        elected(StopKind::Wipe, false).expect_none("election-unjustified");
        elected(StopKind::Wipe, true).expect("election-unjustified", 1);
        elected(StopKind::Crash, false).expect("election-unjustified", 1);
    }

    #[test]
    fn the_last_known_leader_comes_last_and_alive() {
        let mut forge = Forge::new();
        forge.isr(&[1], &[], 0).lose_leader(&[], &[], 1).last_known(1);
        forge.elect_from(1, 2, &[1], &[], true).wait(Span::millis(1)).touch();
        forge.expect_none("election-unjustified").expect("election-last-known", 1);
        let mut forge = Forge::new();
        forge.isr(&[1], &[], 0).fence(1).lose_leader(&[], &[], 1).last_known(1);
        forge.elect_from(1, 2, &[1], &[], true).wait(Span::millis(1)).touch();
        forge.expect("election-unjustified", 1);
        // The last candidate registers from an unclean stop, which drops it: the same change.
        let mut forge = Forge::new();
        forge.isr(&[2], &[], 0).lose_leader(&[], &[1], 1).last_known(2).fence(1);
        let mut waiting = forge.clone();
        forge.now(|f| f.elect_from(2, 2, &[2], &[], true).register(1, true));
        forge.wait(Span::millis(1)).touch().expect_none("election-unjustified");
        waiting.elect_from(2, 2, &[2], &[], true).wait(Span::millis(1)).touch();
        waiting.expect("election-unjustified", 1);
        // Elected and fenced in one instant: two sessions end at the same check.
        let mut forge = Forge::new();
        forge.now(|f| f.elect_from(2, 1, &[2], &[1], false).fence(1).fence(2));
        forge.wait(Span::millis(1)).touch().expect_none("election-unjustified");
    }

    #[test]
    fn anybody_comes_where_unclean_election_is_on() {
        let mut forge = Forge::new();
        forge.config(TopicKey::UncleanLeaderElection, 1).isr(&[1], &[], 0);
        forge.now(|f| f.elect_from(3, 1, &[3], &[], true).fence(1)).wait(Span::millis(1)).touch();
        forge.expect_none("election-unjustified").expect("election-unclean", 1);
    }
}
