//! `log-diverged`, claims G1 and G3: replicas agree up to the end of what they share.
//!
//! Log matching: if two logs hold a batch with the same offset and leader epoch, they are the same
//! up to it. Known as `LogMatching` in Raft's and `WeakIsr`/`StrongIsr` in Kafka's specifications.
//! The work is in [`crate::check::canon`]; this says what its answers mean. A tail of its own is no
//! violation: a deposed leader may have one until it truncates.

use crate::base::ids::BrokerId;
use crate::check::canon::{Append, Entry};
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// A replica appended what the canonical log has there.
///
/// Speed: inline, for this is what two appends of three come to.
#[inline(always)]
pub(crate) fn matched(findings: &mut Findings) {
    findings.exercise(PropertyId::LogDiverged);
}

/// Judges what an append turned out to be.
pub(crate) fn appended(
    ghost: &PartitionGhost,
    broker: BrokerId,
    entry: &Entry,
    outcome: Append,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let detail = match outcome {
        Append::Extended => return,
        Append::Matched | Append::Apart => {
            findings.exercise(PropertyId::LogDiverged);
            return;
        }
        Append::Clash => Detail::OtherBatch { epoch: entry.epoch },
        Append::Gap => Detail::Gap { end: entry.base },
    };
    let violation = Violation::of(PropertyId::LogDiverged, stamp, detail)
        .partition(ghost.id)
        .batch(entry, 1)
        .broker(broker);
    findings.add(PropertyId::LogDiverged, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn matching_logs_and_uncommitted_tails_are_fine() {
        let mut forge = Forge::new();
        forge.append(1, 0, 5, 0).append(2, 0, 5, 0).append(3, 0, 5, 0);
        // b1 goes on alone, is deposed, and truncates when it has heard of it.
        forge.append(1, 5, 1, 0).elect(2, 1).append(2, 5, 1, 1).append(1, 6, 1, 0);
        forge.truncate(1, 7, 5).append(1, 5, 1, 1);
        forge.expect_none("log-diverged");
    }

    #[test]
    fn two_batches_at_one_offset_and_epoch_diverge() {
        let mut forge = Forge::new();
        forge.append(1, 0, 1, 0).append_other(2, 0, 1, 0, 77);
        forge.expect("log-diverged", 1);
    }

    #[test]
    fn one_batch_behind_two_histories_diverges() {
        let mut forge = Forge::new();
        // b1 keeps a batch of epoch 0 that b2 never had, then takes b2's batch of epoch 1.
        forge.append(1, 0, 1, 0).append(2, 0, 1, 0).append(1, 1, 1, 0);
        forge.elect(2, 1).append(2, 1, 1, 1).append(2, 2, 1, 1);
        forge.expect_none("log-diverged").append(1, 2, 1, 1).expect("log-diverged", 1);
    }

    #[test]
    fn tails_are_compared_with_each_other() {
        let mut forge = Forge::new();
        forge.append(1, 0, 1, 0).append(2, 0, 1, 0).elect(3, 1).append_other(3, 0, 1, 1, 50);
        // b1 and b2 share a tail; what they append to it must agree as well.
        forge.append(1, 1, 1, 0).expect_none("log-diverged");
        forge.append_other(2, 1, 1, 0, 99).expect("log-diverged", 1);
    }

    /// A leader whose log starts at 3 has no epoch below, so a follower cuts at 3, inside its batch.
    #[test]
    fn a_hole_below_the_leaders_log_start_is_fine() {
        let cut_at_start = |start: u64| {
            let mut forge = Forge::new();
            forge.append(1, 0, 1, 0).append(1, 1, 1, 0).append(2, 0, 1, 0).append(2, 1, 1, 0);
            forge.elect(2, 1).append(1, 2, 5, 0).append(2, 2, 1, 1).append(2, 3, 1, 1);
            forge.log_start(2, start).truncate(1, 7, 2).append(1, 3, 1, 1);
            forge
        };
        cut_at_start(3).expect_none("log-diverged");
        cut_at_start(2).expect("log-diverged", 1);
    }

    #[test]
    fn a_hole_in_a_log_is_reported_once() {
        let mut forge = Forge::new();
        forge.append(1, 0, 1, 0).append(1, 1, 1, 0).append(1, 2, 1, 0).append(1, 3, 1, 0);
        forge.append(2, 0, 1, 0).append(2, 2, 1, 0).append(2, 3, 1, 0);
        forge.expect("log-diverged", 1);
    }
}
