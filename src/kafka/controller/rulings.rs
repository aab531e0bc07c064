//! The controller's decisions that differ between Kafka releases, or that a drill makes wrong.
//!
//! Pure functions over small values, one per question. They do not know which partition or which
//! request is at stake; the state machines that ask them do not know that there is a choice.

use crate::base::ids::{BrokerEpoch, LeaderEpoch, ReplicaSet};
use crate::kafka::image::BrokerImage;
use crate::model::metadata::PartitionState;
use crate::model::rules::{Drill, IsrJoinLiveness, LastKnownLeaderCheck, Rules, ShutdownSession};

/// Which replicas are eligible leaders once the ISR is `isr` (KIP-966; `PartitionChangeBuilder`,
/// `maybePopulateTargetElr`). Those that leave an ISR that falls below the minimum stay eligible,
/// for the high watermark stands still below it; who stopped uncleanly may have lost its tail.
/// Recorded: `eligible-leader-replicas`, `kill-then-lost-tail`.
pub(super) fn eligible_replicas(
    rules: &Rules,
    min_isr: usize,
    old: &PartitionState,
    isr: ReplicaSet,
    stopped_uncleanly: ReplicaSet,
) -> ReplicaSet {
    if isr.len() >= min_isr {
        return ReplicaSet::EMPTY;
    }
    let candidates = old.elr.union(old.isr).minus(isr);
    if rules.drills(Drill::StaleElr) {
        return candidates;
    }
    candidates.minus(stopped_uncleanly)
}

/// Which replicas may become leader without losing anything committed: the ISR, or the ELR once the
/// ISR is empty.
///
/// Kafka: PartitionChangeBuilder.isValidNewLeader
pub(super) fn clean_candidates(
    rules: &Rules,
    isr: ReplicaSet,
    elr: ReplicaSet,
    replicas: usize,
) -> ReplicaSet {
    if rules.drills(Drill::ElectAnyReplica) {
        return ReplicaSet::first(replicas);
    }
    if isr.is_empty() { elr } else { isr }
}

/// Whether the last known leader may be elected once ISR and ELR are empty. 4.0.1 only logged that
/// it is not alive and elected it; 4.1.0 asks.
///
/// Kafka: PartitionChangeBuilder.canElectLastKnownLeader
pub(super) fn last_known_may_lead(rules: &Rules, acceptable: bool) -> bool {
    match rules.last_known_leader_check {
        LastKnownLeaderCheck::None => true,
        LastKnownLeaderCheck::MustBeUnfenced => acceptable,
    }
}

/// The leader epoch of a record that names a leader, or names that there is none.
pub(super) fn leader_epoch_after(rules: &Rules, old: LeaderEpoch) -> LeaderEpoch {
    if rules.drills(Drill::SameLeaderEpoch) { old } else { old.next() }
}

/// Whether a leader may have this replica in the ISR: not a fenced or stopping one (KIP-841), and
/// only the incarnation that has fetched (KIP-903). No epoch skips the last check.
///
/// Kafka: ReplicationControlManager.ineligibleReplicasForIsr
pub(super) fn may_be_in_isr(
    rules: &Rules,
    broker: Option<&BrokerImage>,
    known_epoch: Option<BrokerEpoch>,
) -> bool {
    let active = broker.is_some_and(BrokerImage::is_active);
    match rules.isr_join_liveness {
        _ if rules.drills(Drill::FencedJoinsIsr) => true,
        IsrJoinLiveness::None => true,
        IsrJoinLiveness::NotFencedNotStopping => active,
        IsrJoinLiveness::BrokerEpoch => {
            active && known_epoch.is_none_or(|epoch| broker.is_some_and(|b| b.epoch == epoch))
        }
    }
}

/// Whether a broker has a session while it is fenced. Without one its next incarnation registers at
/// once; with one it is refused until the session ends (`BrokerHeartbeatManager.hasValidSession` in
/// 3.9, `BrokerHeartbeatTracker.java` from 4.0). Recorded: `rolling-restart`.
pub(super) fn fenced_has_session(rules: &Rules) -> bool {
    match rules.shutdown_session {
        ShutdownSession::Dropped => false,
        ShutdownSession::Kept => true,
    }
}

/// Whether the controller looks at sessions the moment one ends, as 3.9 does, or at regular times,
/// as from 4.0 on. Came with the sessions of fenced brokers.
///
/// Kafka: QuorumController.rescheduleMaybeFenceStaleBrokers
/// Kafka: QuorumController.registerMaybeFenceStaleBroker
pub(super) fn sessions_end_on_time(rules: &Rules) -> bool {
    match rules.shutdown_session {
        ShutdownSession::Dropped => true,
        ShutdownSession::Kept => false,
    }
}

/// Whether the controller looks at regular times for leaders to elect, as from 4.0 on
/// (`PeriodicTaskControlManager.java`), or one interval after a write that left something to do, as
/// 3.9 does. Came with the sessions of fenced brokers.
pub(super) fn checks_elections_periodically(rules: &Rules) -> bool {
    !sessions_end_on_time(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{DiskId, PartitionEpoch};
    use crate::model::directory::LogDirs;

    const fn set(bits: u64) -> ReplicaSet {
        ReplicaSet(bits)
    }

    const fn drilled(drill: Drill) -> Rules {
        Rules { drill: Some(drill), ..Rules::KAFKA_4_1 }
    }

    #[test]
    fn the_elr_takes_who_leaves_the_isr_below_the_minimum() {
        let sound = Rules::KAFKA_4_1;
        let stale = drilled(Drill::StaleElr);
        // rules, minimum, old ISR, old ELR, new ISR, stopped uncleanly → ELR
        let table = [
            (sound, 2, 0b111, 0, 0b011, 0, 0),
            (sound, 2, 0b011, 0, 0b001, 0, 0b010),
            (sound, 2, 0b001, 0b010, 0, 0, 0b011),
            (sound, 2, 0, 0b011, 0, 0b010, 0b001),
            (sound, 2, 0b001, 0b010, 0b101, 0, 0),
            (sound, 1, 0b001, 0, 0, 0b001, 0),
            (stale, 2, 0, 0b011, 0, 0b010, 0b011),
        ];
        for (rules, min_isr, old_isr, old_elr, isr, unclean, expected) in table {
            let old = PartitionState {
                isr: set(old_isr),
                elr: set(old_elr),
                leader: None,
                last_known_elr: None,
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
                recovering: false,
            };
            let elr = eligible_replicas(&rules, min_isr, &old, set(isr), set(unclean));
            assert_eq!(elr, set(expected), "isr {old_isr:b} → {isr:b}, elr {old_elr:b}");
        }
    }

    #[test]
    fn the_isr_outranks_the_elr() {
        let sound = Rules::KAFKA_4_1;
        let any = drilled(Drill::ElectAnyReplica);
        assert_eq!(clean_candidates(&sound, set(0b010), set(0b101), 3), set(0b010));
        assert_eq!(clean_candidates(&sound, set(0), set(0b101), 3), set(0b101));
        assert_eq!(clean_candidates(&any, set(0b010), set(0b001), 3), set(0b111));
    }

    #[test]
    fn the_isr_admits_who_is_alive_in_the_incarnation_that_fetched() {
        let broker = |fenced, shutting_down| BrokerImage {
            epoch: BrokerEpoch(7),
            incarnation: 1,
            fenced,
            shutting_down,
            log_dirs: LogDirs::new(DiskId(0), 1, 0),
        };
        let rules = |isr_join_liveness| Rules { isr_join_liveness, ..Rules::KAFKA_4_1 };
        let none = rules(IsrJoinLiveness::None);
        let alive = rules(IsrJoinLiveness::NotFencedNotStopping);
        let epoch = rules(IsrJoinLiveness::BrokerEpoch);
        let table = [
            (none, None, None, true),
            (none, Some(broker(true, false)), Some(6), true),
            (alive, None, None, false),
            (alive, Some(broker(true, false)), None, false),
            (alive, Some(broker(false, true)), None, false),
            (alive, Some(broker(false, false)), Some(6), true),
            (epoch, Some(broker(false, true)), Some(7), false),
            (epoch, Some(broker(false, false)), Some(6), false),
            (epoch, Some(broker(false, false)), Some(7), true),
            (epoch, Some(broker(false, false)), None, true),
        ];
        for (rules, broker, known, expected) in table {
            let known = known.map(BrokerEpoch);
            assert_eq!(may_be_in_isr(&rules, broker.as_ref(), known), expected, "{broker:?}");
        }
    }
}
