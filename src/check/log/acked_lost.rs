//! `acked-lost`, claims G6 and G7: what a producer was told is written is not lost.
//!
//! Lost means: a leader of a later epoch lacks the record at that offset, or no disk holds it.
//! Judged when a leader takes over, when a log is cut, and when the acknowledgement itself comes
//! (an answer can arrive after the next election). A leader that was elected but has not acted may
//! still hear from the old one: with acks=0 and acks=1 it is judged when it first acts, with
//! acks=all, where the answer already means that it has the record, at the election. With acks=0
//! there is no offset: a record reported as sent that no leader ever appended is lost at the end.
//! What retention removed is not lost. Otherwise known as *lost write*.

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::base::time::Time;
use crate::check::canon::Entry;
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::batch::RecordId;
use crate::model::fact::Stamp;

/// How records came to be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// This leader of a later epoch lacks them.
    MissingFrom(BrokerId, LeaderEpoch),
    /// No disk holds them.
    NoDisk,
}

impl Loss {
    pub(crate) const fn detail(self, acked: Option<Time>) -> Detail {
        match self {
            Self::MissingFrom(leader, epoch) => Detail::MissingFrom { acked, leader, epoch },
            Self::NoDisk => Detail::NoDisk { acked },
        }
    }

    const fn report(self, violation: Violation) -> Violation {
        match self {
            Self::MissingFrom(leader, _) => violation.broker(leader),
            Self::NoDisk => violation,
        }
    }
}

/// Batches fell out of the canonical log.
pub(crate) fn fell_out(
    partition: PartitionId,
    removed: &[Entry],
    loss: Loss,
    stamp: Stamp,
    findings: &mut Findings,
) {
    for entry in removed.iter().filter(|e| e.acked != Time::NEVER) {
        let violation = Violation::of(PropertyId::AckedLost, stamp, loss.detail(entry.acked()))
            .partition(partition)
            .batch(entry, entry.count);
        findings.add(PropertyId::AckedLost, loss.report(violation));
    }
}

/// An acknowledgement came for records that the present leader lacks already.
pub(crate) fn told_too_late(
    ghost: &PartitionGhost,
    (base, first, count): (Offset, RecordId, u32),
    stamp: Stamp,
    findings: &mut Findings,
) {
    let (leader, epoch) = ghost.canon.leader();
    let loss = Loss::MissingFrom(ghost.replicas[leader], epoch);
    let violation = Violation::of(PropertyId::AckedLost, stamp, loss.detail(Some(stamp.time)))
        .partition(ghost.id)
        .offset(base)
        .record(first, count);
    findings.exercise_many(PropertyId::AckedLost, u64::from(count));
    findings.add(PropertyId::AckedLost, loss.report(violation));
}

/// At the end: records reported as sent (acks=0) that no leader ever appended.
pub(crate) fn never_appended(
    partition: PartitionId,
    records: u64,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let violation = Violation::of(PropertyId::AckedLost, stamp, Detail::NeverAppended)
        .partition(partition)
        .records(u32::try_from(records).unwrap_or(u32::MAX));
    findings.exercise_many(PropertyId::AckedLost, records);
    findings.add(PropertyId::AckedLost, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;
    use crate::model::config::Acks;

    #[test]
    fn an_acknowledged_record_is_lost_with_the_next_leader() {
        let mut forge = Forge::new();
        forge.submit(5).append(1, 0, 5, 0).append(2, 0, 5, 0).append(3, 0, 4, 0);
        forge.ack(0, 5, Acks::All);
        forge.elect(3, 1).expect("acked-lost", 5);
        let text = forge.checks.violations().iter().find(|v| v.property == "acked-lost");
        let text = text.expect("found").text(&forge.names);
        let said =
            "records r0 to r4 of p, acked at 0.000 009 s, missing from b3, leader of epoch 1";
        assert_eq!(text, format!("t-0 offset 0, {said}"));
    }

    #[test]
    fn an_unacknowledged_or_replicated_record_is_not_lost() {
        let mut forge = Forge::new();
        forge.submit(6).append(1, 0, 5, 0).append(2, 0, 5, 0).ack(0, 5, Acks::All);
        forge.append(1, 5, 1, 0).elect(2, 1).append(2, 5, 1, 1);
        forge.expect_none("acked-lost");
        forge.finish();
        assert_eq!(forge.checks.exercised("acked-lost"), 5);
    }

    #[test]
    fn the_next_leader_may_fetch_until_it_acts() {
        let mut forge = Forge::new();
        forge.submit(1).append(1, 0, 1, 0).ack(0, 1, Acks::Leader).elect(2, 1);
        forge.append(2, 0, 1, 0).append(2, 1, 1, 1).expect_none("acked-lost");
        let mut forge = Forge::new();
        forge.submit(1).append(1, 0, 1, 0).ack(0, 1, Acks::Leader).elect(2, 1);
        forge.expect_none("acked-lost").append_other(2, 0, 1, 1, 9).expect("acked-lost", 1);
    }

    #[test]
    fn an_answer_may_come_after_the_loss() {
        let mut forge = Forge::new();
        forge.submit(1).append(1, 0, 1, 0).elect(2, 1).append_other(2, 0, 1, 1, 9);
        forge.ack(0, 1, Acks::Leader).expect("acked-lost", 1);
    }

    #[test]
    fn what_no_disk_holds_is_lost() {
        let mut forge = Forge::new();
        forge.submit(2).append(1, 0, 2, 0).ack(0, 2, Acks::Leader);
        forge.power_loss(1, 2, 0).expect("acked-lost", 2);
        let mut forge = Forge::new();
        forge.submit(2).append(1, 0, 2, 0).append(3, 0, 2, 0).ack(0, 2, Acks::Leader);
        forge.power_loss(1, 2, 0).expect_none("acked-lost");
    }

    #[test]
    fn the_same_record_in_another_batch_is_not_lost() {
        // b3 truncated r1 of epoch 0 and fetched it in epoch 1; a power loss undoes the first
        // truncation, so it has r1 of epoch 0 again and goes on behind it: logs diverge.
        let mut forge = Forge::new();
        forge.submit(3).append(1, 0, 1, 0).append(2, 0, 1, 0).append(3, 0, 1, 0);
        forge.append(3, 1, 1, 0).elect(2, 1).append(2, 1, 1, 1).append(1, 1, 1, 1);
        forge.append(2, 2, 1, 1).append(1, 2, 1, 1).ack(0, 3, Acks::All).expose(2, 1, 1, 3);
        forge.expect_none("log-diverged").append(3, 2, 1, 1).expect("log-diverged", 1);
        forge.elect(3, 2).append(3, 3, 1, 2).expect_none("acked-lost");
        forge.expect_none("committed-lost").expect_none("leader-incomplete");
        forge.expect_none("duplicate").finish();
    }

    #[test]
    fn an_answer_may_be_the_first_act_of_a_leader() {
        let mut forge = Forge::new();
        forge.submit(2).append(1, 0, 1, 0).append(2, 0, 1, 0).append(1, 1, 1, 0);
        // b1 loses power while the answer with record 1 is on its way to b2, which is elected.
        forge.power_loss(1, 2, 0).append(2, 1, 1, 0).elect(2, 1).ack(1, 1, Acks::All);
        forge.expect_none("acked-lost");
    }

    #[test]
    fn what_retention_removed_is_not_lost() {
        let mut forge = Forge::new();
        forge.submit(2).append(1, 0, 1, 0).append(2, 0, 1, 0).append(3, 0, 1, 0);
        forge.ack(0, 1, Acks::All).append(1, 1, 1, 0).append(2, 1, 1, 0).append(3, 1, 1, 0);
        forge.expose(1, 0, 2, 2).log_start(1, 1).log_start(2, 1).log_start(3, 1);
        forge.elect(2, 1).append(2, 2, 1, 1).expect_none("acked-lost");
    }

    #[test]
    fn acks_0_is_judged_by_what_leaders_appended() {
        let mut forge = Forge::with_acks(Acks::None);
        forge.submit(3).ack_blind(0, 3).append(1, 0, 2, 0).finish();
        forge.expect("acked-lost", 1);
        let mut forge = Forge::with_acks(Acks::None);
        forge.submit(3).ack_blind(0, 3).append(1, 0, 2, 0).append(2, 0, 2, 0);
        forge.append(1, 2, 1, 0).elect(2, 1).append_other(2, 2, 1, 1, 70).finish();
        forge.expect("acked-lost", 1);
    }
}
