//! `min-insync-ignored`, claim G10: acks=all means `min.insync.replicas` replicas at least.
//!
//! A batch acknowledged with acks=all, or shown below a high watermark (KAFKA-15583, since 3.7),
//! must at some time have been on as many replicas as `min.insync.replicas` asks for, capped by the
//! replication factor. Which replicas the leader counted is not observed and does not matter:
//! fewer than that never held it. A changed value counts from the next leader epoch on, whose
//! leader has heard of it; before that the smaller one does.
//!
//! And such a write is refused while too few are in sync. When a leader hears of a smaller ISR is
//! not observed, so this is judged where it must know: it was elected with an ISR too small, and
//! no larger one has been committed since.

use crate::base::ids::{BrokerId, LeaderEpoch, Offset};
use crate::check::canon::{Entry, Replica};
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// A batch that ends at `end` was acknowledged with acks=all.
pub(crate) fn acked(
    ghost: &PartitionGhost,
    end: Offset,
    epoch: LeaderEpoch,
    stamp: Stamp,
    findings: &mut Findings,
) {
    findings.exercise(PropertyId::MinInsyncIgnored);
    judge(ghost, end, epoch, stamp, findings);
}

/// The true high watermark rose to `watermark`, shown by a leader of this epoch.
pub(crate) fn judge(
    ghost: &PartitionGhost,
    watermark: Offset,
    epoch: LeaderEpoch,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let needed = ghost.min_insync(epoch);
    if needed <= 1 {
        return;
    }
    let reach = |holders: usize, r: &Replica| holders.wrapping_add((r.reach >= watermark).into());
    let holders = ghost.canon.replicas().iter().fold(0, reach);
    if holders >= needed {
        return;
    }
    let detail = Detail::HeldBy { replicas: holders as u8, needed: needed as u8 };
    let violation = Violation::of(PropertyId::MinInsyncIgnored, stamp, detail)
        .partition(ghost.id)
        .offset(Offset(watermark.0.saturating_sub(1)));
    findings.add(PropertyId::MinInsyncIgnored, violation);
}

/// A batch of an acks=all producer was appended by a leader, in this epoch.
pub(crate) fn appended(
    ghost: &PartitionGhost,
    entry: &Entry,
    broker: BrokerId,
    stamp: Stamp,
    findings: &mut Findings,
) {
    if ghost.refuses_in != Some(entry.epoch) {
        return;
    }
    let detail = Detail::HeldBy {
        replicas: ghost.state.isr.len() as u8,
        needed: ghost.min_insync(entry.epoch) as u8,
    };
    let violation = Violation::of(PropertyId::MinInsyncIgnored, stamp, detail)
        .partition(ghost.id)
        .batch(entry, entry.count)
        .broker(broker);
    findings.add(PropertyId::MinInsyncIgnored, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;
    use crate::model::config::{Acks, TopicKey};

    #[test]
    fn acks_all_needs_min_insync_replicas() {
        let mut forge = Forge::new();
        forge.submit(2).append(1, 0, 1, 0).append(2, 0, 1, 0).ack(0, 1, Acks::All);
        forge.power_loss(2, 1, 0).expect_none("min-insync-ignored");
        forge.append(1, 1, 1, 0).ack(1, 1, Acks::All).expect("min-insync-ignored", 1);
    }

    #[test]
    fn acks_1_does_not_but_stays_invisible() {
        let mut forge = Forge::new();
        forge.submit(1).append(1, 0, 1, 0).ack(0, 1, Acks::Leader);
        forge.isr(&[1], &[], 0).expect_none("min-insync-ignored");
        forge.expose(1, 0, 2, 1).expect("min-insync-ignored", 1);
    }

    /// A record is retried at another leader and lands at the same offset in another batch; then
    /// the one elected next has the first of the two, as one of two replicas, and acknowledges it.
    /// Found by a sweep of 100,000 gate seeds.
    #[test]
    fn a_record_in_two_batches_may_be_acknowledged_by_either_leader() {
        let mut forge = Forge::new();
        forge.submit(1).append(1, 0, 1, 0).append(3, 0, 1, 0);
        forge.elect(2, 1).append(2, 0, 1, 1).elect(3, 2);
        forge.ack(0, 1, Acks::All).expect_none("min-insync-ignored");
        let mut forge = Forge::new();
        forge.submit(1).append(1, 0, 1, 0).append(3, 0, 1, 0);
        forge.elect(2, 1).append(2, 0, 1, 1);
        forge.ack(0, 1, Acks::All).expect("min-insync-ignored", 1);
    }

    #[test]
    fn a_leader_alone_refuses() {
        let mut forge = Forge::new();
        forge.isr(&[2], &[1], 0).fence(1).elect_from(2, 1, &[2], &[1], false);
        let mut larger = forge.clone();
        forge.append(2, 0, 1, 1).expect("min-insync-ignored", 1);
        larger.isr(&[2, 3], &[1], 1).append(2, 0, 1, 1).expect_none("min-insync-ignored");
        // Elected with enough, it may not have heard of the smaller ISR.
        let mut forge = Forge::new();
        forge.elect(2, 1).isr(&[2], &[1], 1).append(2, 0, 1, 1).expect_none("min-insync-ignored");
    }

    #[test]
    fn a_raised_value_counts_from_the_next_epoch() {
        let mut forge = Forge::new();
        forge.submit(2).config(TopicKey::MinInsyncReplicas, 3);
        forge.append(1, 0, 1, 0).append(2, 0, 1, 0).ack(0, 1, Acks::All);
        forge.expect_none("min-insync-ignored").elect(1, 1).append(1, 1, 1, 1).append(2, 1, 1, 1);
        forge.ack(1, 1, Acks::All).expect("min-insync-ignored", 1);
    }
}
