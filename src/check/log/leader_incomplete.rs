//! `leader-incomplete`, claims G3, G6 and G12: a leader has everything that is committed.
//!
//! Everything below the true high watermark is in the log of every leader of a later epoch. Judged
//! at the election, when a leader takes over, and when an answer of an earlier leader arrives
//! late. A broker that is elected while it is down, its tail lost, is judged only if it acts: Kafka
//! drops it from the ISR when it registers, and until then nobody can ask it. Presumed leaders
//! count: a deposed leader that still serves shows committed data only.
//! Known as `LeaderCompleteness`; the true watermark is the idea of `inv_true_hwm`.

use crate::base::ids::{LeaderEpoch, Offset};
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// The leader at `place` has the committed log only up to `end`.
pub(crate) fn lacks(
    ghost: &PartitionGhost,
    (place, epoch): (usize, LeaderEpoch),
    (end, watermark): (Offset, Offset),
    stamp: Stamp,
    findings: &mut Findings,
) {
    let leader = ghost.replicas[place];
    let detail = if end == ghost.canon.replica(place).end() {
        Detail::Behind { end, watermark }
    } else {
        Detail::MissingFrom { acked: None, leader, epoch }
    };
    let violation = Violation::of(PropertyId::LeaderIncomplete, stamp, detail)
        .partition(ghost.id)
        .offset(end)
        .broker(leader);
    findings.add(PropertyId::LeaderIncomplete, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn a_leader_may_lack_what_was_never_committed() {
        let mut forge = Forge::new();
        forge.append(1, 0, 5, 0).append(2, 0, 5, 0).append(3, 0, 5, 0).expose(1, 0, 2, 5);
        forge.append(1, 5, 1, 0).elect(2, 1).append(2, 5, 1, 1);
        forge.expect_none("leader-incomplete");
    }

    #[test]
    fn a_leader_may_not_lack_what_was_shown() {
        let mut forge = Forge::new();
        forge.append(1, 0, 5, 0).append(2, 0, 5, 0).expose(1, 0, 2, 5);
        forge.elect(3, 1).expect("leader-incomplete", 1).expect("committed-lost", 5);
        // One loss is told once: the log goes on from the new leader's.
        forge.append(3, 0, 1, 1).expose(3, 1, 2, 1).elect(3, 2).append(3, 1, 1, 2);
        forge.expect("leader-incomplete", 1).expect("committed-lost", 5);
    }

    #[test]
    fn a_dead_leader_that_lost_its_tail_is_judged_if_it_acts() {
        let mut forge = Forge::new();
        forge.append(1, 0, 5, 0).append(2, 0, 5, 0).append(3, 0, 5, 0).expose(1, 0, 2, 5);
        forge.isr(&[1, 2], &[], 0).power_loss(2, 5, 0).elect_from(2, 1, &[2], &[1], false);
        let mut wrong = forge.clone();
        forge.start(2).register(2, true).lose_leader(&[], &[1], 2).unfence(2);
        // The old leader, frozen so far, still shows what it had.
        forge.append(1, 5, 1, 0).append(3, 5, 1, 0).expose(1, 0, 3, 6);
        forge.elect_from(1, 3, &[1], &[], false).append(1, 6, 1, 3);
        forge.expect_none("leader-incomplete").expect_none("committed-lost");
        wrong.start(2).register(2, true).unfence(2).append_other(2, 0, 1, 1, 60);
        wrong.expect("leader-incomplete", 1).expect("committed-lost", 5);
    }

    #[test]
    fn a_late_answer_of_the_old_leader_counts() {
        let mut forge = Forge::new();
        forge
            .append(1, 0, 3, 0)
            .append(2, 0, 3, 0)
            .append(1, 3, 2, 0)
            .elect(2, 1)
            .append(2, 3, 1, 1);
        forge.expect_none("leader-incomplete");
        forge.expose(1, 0, 3, 5).expect("leader-incomplete", 1).expect("committed-lost", 2);
        forge.expose(1, 0, 3, 5).expect("committed-lost", 2);
    }
    #[test]
    fn an_answer_older_than_a_power_loss_is_not_judged_by_what_was_left() {
        let mut forge = Forge::new();
        forge.append(1, 0, 5, 0).append(2, 0, 5, 0).append(3, 0, 5, 0).expose(1, 0, 2, 5);
        forge.isr(&[1, 2, 3], &[], 0).elect(2, 1).power_loss(2, 5, 0);
        // Sent by the elected leader while it had everything, delivered when it is gone.
        forge.expose(2, 1, 3, 5).expect_none("leader-incomplete").expect_none("committed-lost");
        // Back without its log, it may not lead on.
        forge.start(2).register(2, true).unfence(2).append_other(2, 0, 1, 1, 60);
        forge.expect("leader-incomplete", 1).expect("committed-lost", 5);
    }
}
