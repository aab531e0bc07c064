//! `committed-lost`, claim G3: what was committed stays while an in-sync replica lives.
//!
//! A record below the true high watermark (the highest offset that a leader ever showed) that a
//! leader of a later epoch lacks, or that no disk holds. Acknowledgements do not matter here.
//! Known as `NoCommittedRecordLostGlobally`.

use super::acked_lost::Loss;
use crate::base::ids::{Offset, PartitionId};
use crate::check::canon::Entry;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// Batches fell out of the canonical log while everything below `watermark` was committed.
pub(crate) fn fell_out(
    partition: PartitionId,
    removed: &[Entry],
    watermark: Offset,
    loss: Loss,
    stamp: Stamp,
    findings: &mut Findings,
) {
    for entry in removed.iter().filter(|e| e.base < watermark && !e.kept) {
        let records = (watermark - entry.base).min(u64::from(entry.count)) as u32;
        let violation = Violation::of(PropertyId::CommittedLost, stamp, loss.detail(entry.acked()))
            .partition(partition)
            .batch(entry, records);
        findings.add(PropertyId::CommittedLost, violation);
    }
}

/// A leader showed `[from, to)` as committed, and it was lost before that was heard.
pub(crate) fn shown_too_late(
    partition: PartitionId,
    (from, to): (Offset, Offset),
    detail: Detail,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let violation = Violation::of(PropertyId::CommittedLost, stamp, detail)
        .partition(partition)
        .offset(from)
        .records(u32::try_from(to - from).unwrap_or(u32::MAX));
    findings.add(PropertyId::CommittedLost, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn committed_records_may_not_vanish_from_every_disk() {
        let mut forge = Forge::new();
        forge.append(1, 0, 2, 0).append(2, 0, 2, 0).append(3, 0, 2, 0).append(1, 2, 1, 0);
        forge.expose(1, 0, 2, 2);
        forge.power_loss(1, 3, 0).power_loss(2, 2, 0).expect_none("committed-lost");
        forge.power_loss(3, 2, 0).expect("committed-lost", 2);
    }

    #[test]
    fn what_was_shown_before_a_loss_counts_when_it_is_heard() {
        let mut forge = Forge::new();
        forge.append(1, 0, 3, 0).power_loss(1, 3, 0).expect_none("committed-lost");
        forge.expose(1, 0, 2, 3).expect("committed-lost", 3);
    }
}
