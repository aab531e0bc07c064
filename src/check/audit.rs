//! The full audit: what nodes and disks really hold, against what the facts said.
//!
//! `run` is the one place that sees both sides; it hands over plain values, every so many events
//! and at the end. A claim that lied, or a fact that was never written, shows here. Property
//! `audit-failed`.

use crate::base::ids::{BrokerId, NodeId, Offset, PartitionId, ReplicaSet};
use crate::model::batch::Batch;
use crate::model::fact::Stamp;

use super::Checks;
use super::ghost::PartitionGhost;
use super::registry::PropertyId;
use super::violation::{Detail, Violation};

/// One replica as it really is.
#[derive(Clone, Copy, Debug)]
pub struct AuditReplica<'a> {
    /// Whose replica.
    pub broker: BrokerId,
    /// Of which partition.
    pub partition: PartitionId,
    /// Its log end offset, by the node or, if that is down, by the disk.
    pub end: Offset,
    /// The node's high watermark; `None` if the node is down.
    pub watermark: Option<Offset>,
    /// The ISR that the node takes for committed, if it leads and nothing is under way that it has
    /// not heard; `None` otherwise.
    pub isr: Option<ReplicaSet>,
    /// Every readable batch on the disk, oldest first, in two pieces; a torn one at the end is left
    /// out.
    pub batches: [&'a [Batch]; 2],
    /// The last batch on the disk is torn, so the facts may or may not count it.
    pub torn: bool,
}

impl Checks {
    /// Compares one replica with its ghost. A difference is also among the violations.
    pub fn audit(&mut self, stamp: Stamp, replica: AuditReplica<'_>) -> Option<Violation> {
        self.findings.exercise(PropertyId::AuditFailed);
        let (broker, partition) = (replica.broker, replica.partition);
        let ghost = self.ghosts.partitions.get(partition.index())?;
        let place = ghost.place(broker)?;
        let (offset, detail) = compare(ghost, place, replica)?;
        let violation = Violation::of(PropertyId::AuditFailed, stamp, detail)
            .partition(partition)
            .offset(offset)
            .node(NodeId::Broker(broker));
        self.findings.add(PropertyId::AuditFailed, violation);
        Some(violation)
    }
}

fn compare(
    ghost: &PartitionGhost,
    place: usize,
    replica: AuditReplica<'_>,
) -> Option<(Offset, Detail)> {
    let differs = |at: Offset, what, expected: Offset, found: Offset| {
        Some((at, Detail::Audit { what, expected: expected.0, found: found.0 }))
    };
    let own = ghost.canon.replica(place);
    if !replica.torn && replica.end != own.end() {
        return differs(own.end().min(replica.end), "log end", own.end(), replica.end);
    }
    if let Some(watermark) = replica.watermark {
        if watermark > replica.end {
            return differs(replica.end, "high watermark above the log end", own.end(), watermark);
        }
        // Once a leader lacked committed records, watermarks above what it had are of another time,
        // and before an elected leader acts nobody can know that its log is the canonical one.
        let open = ghost.accounted > Offset::ZERO || !ghost.canon.is_settled();
        let cut = ghost.canon.last_cut().is_some();
        if !open && !cut && watermark > ghost.canon.complete_to(place) {
            return differs(own.matched, "high watermark over a tail", own.matched, watermark);
        }
    }
    if let Some(isr) = replica.isr.filter(|isr| *isr != ghost.state.isr) {
        let (expected, found) = (Offset(ghost.state.isr.0), Offset(isr.0));
        return differs(own.end(), "committed ISR, as a bit set", expected, found);
    }
    compare_batches(ghost, place, replica)
}

fn compare_batches(
    ghost: &PartitionGhost,
    place: usize,
    replica: AuditReplica<'_>,
) -> Option<(Offset, Detail)> {
    let differs = |at: Offset, what, expected: u32, found: u32| {
        let (expected, found) = (expected.into(), found.into());
        Some((at, Detail::Audit { what, expected, found }))
    };
    let mut told = Pieces { now: &[], next: ghost.canon.log(place) };
    let first = told.front().map_or(replica.end, |entry| entry.base);
    // The disk may hold more at the front: retention undone by a power loss, or forgotten here.
    let known = replica.batches.map(|piece| {
        let below = piece.partition_point(|batch| batch.end() <= first);
        &piece[below..]
    });
    let mut real = Pieces { now: &[], next: known };
    while let (Some(entry), Some(batch)) = (told.front(), real.front()) {
        let pairs = told.now.iter().zip(real.now);
        let agreed = pairs.take_while(|(entry, batch)| entry.is(batch)).count();
        if agreed == 0 {
            let (expected, found) = (entry.first.ordinal, batch.first.ordinal);
            return differs(entry.base, "first record of a batch", expected, found);
        }
        told.now = &told.now[agreed..];
        real.now = &real.now[agreed..];
    }
    match (told.front(), real.front()) {
        (Some(entry), None) if !replica.torn => {
            differs(entry.base, "records of a batch", entry.count, 0)
        }
        (None, Some(batch)) => differs(batch.base, "a batch nobody told of", 0, batch.count),
        _ => None,
    }
}

/// A list in some pieces, of which any may be empty. Every batch of a run comes by here, so it is
/// walked piece by piece.
struct Pieces<'a, T, const N: usize> {
    now: &'a [T],
    next: [&'a [T]; N],
}

impl<'a, T, const N: usize> Pieces<'a, T, N> {
    /// The first of what is left.
    fn front(&mut self) -> Option<&'a T> {
        if self.now.is_empty()
            && let Some(piece) = self.next.iter_mut().find(|piece| !piece.is_empty())
        {
            self.now = std::mem::take(piece);
        }
        self.now.first()
    }
}

#[cfg(test)]
mod tests {
    use super::AuditReplica;
    use crate::base::ids::{BrokerId, Offset, PartitionId, ReplicaSet};
    use crate::check::forge::{Forge, batch};
    use crate::check::violation::Detail;
    use crate::model::batch::Batch;
    use crate::model::fact::Stamp;

    fn audit(forge: &mut Forge, end: u64, watermark: u64, batches: &[Batch]) -> Option<Detail> {
        audit_pieces(forge, end, watermark, [batches, &[]])
    }

    fn audit_pieces(
        forge: &mut Forge,
        end: u64,
        watermark: u64,
        batches: [&[Batch]; 2],
    ) -> Option<Detail> {
        let replica = AuditReplica {
            broker: BrokerId(2),
            partition: PartitionId(0),
            end: Offset(end),
            watermark: Some(Offset(watermark)),
            isr: Some(ReplicaSet::first(3)),
            batches,
            torn: false,
        };
        forge.checks.audit(Stamp::default(), replica).map(|v| v.detail)
    }

    #[test]
    fn a_true_replica_passes_and_a_lie_does_not() {
        let mut forge = Forge::new();
        forge.append(1, 0, 2, 0).append(2, 0, 2, 0).append(1, 2, 1, 0).append(2, 2, 1, 0);
        let log = [batch(0, 2, 0), batch(2, 1, 0)];
        assert_eq!(audit(&mut forge, 3, 2, &log), None);
        assert!(audit(&mut forge, 2, 2, &log[..1]).is_some(), "an end nobody told of");
        assert!(audit(&mut forge, 3, 2, &log[..1]).is_some(), "a batch is missing");
        assert!(audit(&mut forge, 3, 4, &log).is_some(), "a watermark above the end");
        let other = [batch(0, 2, 0), batch(2, 1, 1)];
        assert!(audit(&mut forge, 3, 2, &other).is_some(), "another batch");
        forge.expect("audit-failed", 4);
    }

    #[test]
    fn where_a_log_lies_in_memory_does_not_matter() {
        let mut forge = Forge::new();
        for base in 0..3 {
            forge.append(1, base, 1, 0).append(2, base, 1, 0);
        }
        let log = [batch(0, 1, 0), batch(1, 1, 0), batch(2, 1, 0)];
        for (front, back) in (0..=log.len()).map(|at| log.split_at(at)) {
            assert_eq!(audit_pieces(&mut forge, 3, 3, [front, back]), None);
            let swapped = audit_pieces(&mut forge, 3, 3, [back, front]);
            assert_eq!(swapped.is_some(), !front.is_empty() && !back.is_empty());
        }
    }

    #[test]
    fn tails_are_audited_too() {
        let mut forge = Forge::new();
        forge.append(1, 0, 1, 0).append(2, 0, 1, 0).append(2, 1, 1, 0);
        let log = [batch(0, 1, 0), batch(1, 1, 0)];
        assert_eq!(audit(&mut forge, 2, 1, &log), None);
        assert!(audit(&mut forge, 2, 2, &log).is_some(), "a watermark over a tail");
    }
}
