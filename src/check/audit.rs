//! The audit: what nodes and disks really hold, against what the facts said.
//!
//! `run` is the one place that sees both sides; it hands over plain values, every so many events
//! and at the end. A claim that lied, or a fact that was never written, shows here. Property
//! `audit-failed`; [`Compared`] lists what is compared, and `tests/killers/killers.rs` shows of
//! each that it can fail.
//!
//! Speed: an audit costs what is new; when it compared everything it took 30 % of a run with 10⁶
//! retained records and 83 % with 10⁷. Each ghost of a replica remembers up to where its batches
//! were compared; a fact that undoes something (`Truncated`, `TailLost`, an overwrite) lowers that
//! mark. So a lie about a new batch is found by the next audit, and one about a batch that was
//! compared before by the audit at the end, which compares everything.

use crate::base::chunked::Chunked;
use crate::base::ids::{BrokerId, NodeId, Offset, PartitionEpoch, PartitionId, ReplicaSet};
use crate::model::batch::{Batch, Records};
use crate::model::fact::Stamp;

use super::Checks;
use super::ghost::PartitionGhost;
use super::properties::PropertyId;
use super::violation::{Detail, Violation};

/// What an audit compares, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compared {
    /// Log end offset.
    LogEnd,
    /// The high watermark is not above the node's own log end.
    WatermarkAboveEnd,
    /// The high watermark covers only what the replica shares with the canonical log.
    WatermarkOverTail,
    /// The ISR that a leader takes for committed is the one of that partition epoch.
    CommittedIsr,
    /// A batch on the disk is the one that was told of.
    Batch,
    /// A batch that was told of is on the disk.
    BatchMissing,
    /// A batch on the disk was told of.
    BatchUntold,
}

impl Compared {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::LogEnd,
        Self::WatermarkAboveEnd,
        Self::WatermarkOverTail,
        Self::CommittedIsr,
        Self::Batch,
        Self::BatchMissing,
        Self::BatchUntold,
    ];

    /// What differs, and what the two numbers of a difference are.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::LogEnd => "log end",
            Self::WatermarkAboveEnd => "high watermark above the log end",
            Self::WatermarkOverTail => "high watermark over a tail",
            Self::CommittedIsr => "committed ISR, as a bit set",
            Self::Batch => "first record of a batch",
            Self::BatchMissing => "records of a batch",
            Self::BatchUntold => "a batch nobody told of",
        }
    }
}

/// How much of a log an audit compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What was not compared before, and the last batch.
    New,
    /// Every batch.
    Whole,
}

/// The ISR that a leader takes for committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderIsr {
    /// The partition epoch that the leader has heard of. A leader that has not heard the latest one
    /// rightly takes an older ISR for committed: only equal epochs are compared.
    pub partition_epoch: PartitionEpoch,
    /// The ISR.
    pub isr: ReplicaSet,
}

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
    /// What the node takes for committed, if it believes to lead.
    pub isr: Option<LeaderIsr>,
    /// Every batch on the disk, oldest first.
    pub batches: &'a Chunked<Batch>,
    /// So many of them can be read; a torn one is left out, and what is behind it.
    pub readable: usize,
    /// The last batch on the disk is torn, so the facts may or may not count it.
    pub torn: bool,
}

/// A difference: where, in what, what was expected and what was found.
#[derive(Clone, Copy, Debug)]
struct Difference {
    at: Offset,
    what: Compared,
    expected: u64,
    found: u64,
}

impl Checks {
    /// Compares one replica with its ghost. A difference is also among the violations.
    pub fn audit(
        &mut self,
        stamp: Stamp,
        replica: AuditReplica<'_>,
        depth: Depth,
    ) -> Option<Violation> {
        let (broker, partition) = (replica.broker, replica.partition);
        let ghost = self.ghosts.partitions.get_mut(partition.index())?;
        let place = ghost.place(broker)?;
        self.findings.exercise(PropertyId::AuditFailed);
        let from = match depth {
            Depth::New => ghost.canon.audited(place),
            Depth::Whole => Offset::ZERO,
        };
        let difference = compare(ghost, place, &replica)
            .or_else(|| compare_batches(ghost, place, &replica, from));
        let Some(Difference { at, what, expected, found }) = difference else {
            let last = replica.readable.checked_sub(1).map(|last| replica.batches[last]);
            ghost.canon.note_audited(place, last.map_or(Offset::ZERO, |batch| batch.end()));
            return None;
        };
        let detail = Detail::Audit { what, expected, found };
        let violation = Violation::of(PropertyId::AuditFailed, stamp, detail)
            .partition(partition)
            .offset(at)
            .node(NodeId::Broker(broker));
        self.findings.add(PropertyId::AuditFailed, violation);
        Some(violation)
    }
}

/// All but the batches.
fn compare(ghost: &PartitionGhost, place: usize, replica: &AuditReplica<'_>) -> Option<Difference> {
    let differs = |at: Offset, what, expected: Offset, found: Offset| {
        Some(Difference { at, what, expected: expected.0, found: found.0 })
    };
    let own = ghost.canon.replica(place);
    // A disk that was emptied has no log, and the facts told its loss from where it began.
    let emptied = replica.end == Offset::ZERO && own.start >= own.end();
    if !replica.torn && !emptied && replica.end != own.end() {
        return differs(own.end().min(replica.end), Compared::LogEnd, own.end(), replica.end);
    }
    if let Some(watermark) = replica.watermark {
        if watermark > replica.end {
            return differs(replica.end, Compared::WatermarkAboveEnd, own.end(), watermark);
        }
        // Once a leader lacked committed records, watermarks above what it had are of another time,
        // and before an elected leader acts nobody can know that its log is the canonical one.
        let open = ghost.accounted > Offset::ZERO || !ghost.canon.is_settled();
        let cut = ghost.canon.last_cut().is_some();
        if !open && !cut && watermark > ghost.canon.complete_to(place) {
            return differs(own.matched, Compared::WatermarkOverTail, own.matched, watermark);
        }
    }
    let committed = ghost.state;
    let same_epoch = |believed: &LeaderIsr| believed.partition_epoch == committed.partition_epoch;
    if let Some(LeaderIsr { isr, .. }) = replica.isr.filter(same_epoch)
        && isr != committed.isr
    {
        let (expected, found) = (committed.isr.0, isr.0);
        return Some(Difference { at: own.end(), what: Compared::CommittedIsr, expected, found });
    }
    None
}

/// The batches that end above `from`, and the last one in any case: it costs nothing and tells a
/// log that was cut in silence.
fn compare_batches(
    ghost: &PartitionGhost,
    place: usize,
    replica: &AuditReplica<'_>,
    from: Offset,
) -> Option<Difference> {
    let differs = |at: Offset, what, expected: u32, found: u32| {
        Some(Difference { at, what, expected: expected.into(), found: found.into() })
    };
    let last = ghost.canon.log(place, Offset::ZERO).rev().find_map(|piece| piece.last());
    let from = from.min(last.map_or(from, |last| last.base));
    let mut told = Pieces::of(ghost.canon.log(place, from));
    // The disk may hold more at the front: retention undone by a power loss, or forgotten here.
    let first = told.front().map_or(replica.end, |entry| entry.base);
    let below = replica.batches.partition_point(|batch| batch.end() <= first);
    let readable = replica.readable.max(below);
    let mut real = Pieces::of(replica.batches.pieces(below..readable));
    while let (Some(entry), Some(batch)) = (told.front(), real.front()) {
        let pairs = told.now.iter().zip(real.now);
        let agreed = pairs.take_while(|(entry, batch)| entry.is(batch)).count();
        if agreed == 0 {
            let ordinal = |records: Records| records.workload().map_or(u32::MAX, |r| r.ordinal);
            let (expected, found) = (ordinal(entry.records), ordinal(batch.records));
            return differs(entry.base, Compared::Batch, expected, found);
        }
        told.now = &told.now[agreed..];
        real.now = &real.now[agreed..];
    }
    match (told.front(), real.front()) {
        (Some(entry), None) if !replica.torn => {
            differs(entry.base, Compared::BatchMissing, entry.count, 0)
        }
        (None, Some(batch)) => differs(batch.base, Compared::BatchUntold, 0, batch.count),
        _ => None,
    }
}

/// A list in some pieces, of which any may be empty. It is walked piece by piece, because every
/// batch of a run comes by here.
struct Pieces<'a, T, I> {
    now: &'a [T],
    next: I,
}

impl<'a, T, I: Iterator<Item = &'a [T]>> Pieces<'a, T, I> {
    const fn of(next: I) -> Self {
        Self { now: &[], next }
    }

    /// The first of what is left.
    fn front(&mut self) -> Option<&'a T> {
        if self.now.is_empty()
            && let Some(piece) = self.next.find(|piece| !piece.is_empty())
        {
            self.now = piece;
        }
        self.now.first()
    }
}

#[cfg(test)]
mod tests {
    use super::{AuditReplica, Compared, Depth, LeaderIsr};
    use crate::base::chunked::{CHUNK, Chunked};
    use crate::base::ids::{BrokerId, Offset, PartitionEpoch, PartitionId, ReplicaSet};
    use crate::check::forge::{Forge, batch};
    use crate::check::violation::Detail;
    use crate::model::batch::Batch;
    use crate::model::fact::Stamp;

    /// Broker 2 as a leader that has heard of nothing since the partition was created.
    fn replica(end: u64, watermark: u64, batches: &Chunked<Batch>) -> AuditReplica<'_> {
        let isr = LeaderIsr { partition_epoch: PartitionEpoch(0), isr: ReplicaSet::first(3) };
        AuditReplica {
            broker: BrokerId(2),
            partition: PartitionId(0),
            end: Offset(end),
            watermark: Some(Offset(watermark)),
            isr: Some(isr),
            batches,
            readable: batches.len(),
            torn: false,
        }
    }

    fn told(forge: &mut Forge, replica: AuditReplica<'_>, depth: Depth) -> Option<Compared> {
        forge.checks.audit(Stamp::default(), replica, depth).map(|v| match v.detail {
            Detail::Audit { what, .. } => what,
            other => panic!("{other:?}"),
        })
    }

    fn audit(forge: &mut Forge, end: u64, watermark: u64, batches: &[Batch]) -> Option<Compared> {
        told(forge, replica(end, watermark, &of(batches)), Depth::Whole)
    }

    fn of(batches: &[Batch]) -> Chunked<Batch> {
        batches.iter().copied().collect()
    }

    /// Retention had deleted the first batch when the disk was wiped: there is no log any more.
    #[test]
    fn a_disk_that_was_emptied_has_no_log() {
        let emptied = |start: u64, left: u64, end: u64| {
            let mut forge = Forge::new();
            forge.append(1, 0, 2, 0).append(2, 0, 2, 0).append(1, 2, 1, 0).append(2, 2, 1, 0);
            forge.log_start(2, start).stop(2).power_loss(2, 3, left);
            let gone = of(&[]);
            let down = AuditReplica { watermark: None, isr: None, ..replica(end, 0, &gone) };
            told(&mut forge, down, Depth::Whole)
        };
        assert_eq!(emptied(2, 2, 0), None);
        assert_eq!(emptied(2, 2, 2), None);
        assert_eq!(emptied(2, 2, 1), Some(Compared::LogEnd), "it has a log, which ends elsewhere");
        assert_eq!(emptied(0, 2, 0), Some(Compared::LogEnd), "the first batch is told nowhere");
        assert_eq!(emptied(2, 3, 0), Some(Compared::LogEnd), "nor is the last one");
    }

    #[test]
    fn a_true_replica_passes_and_each_lie_is_found_for_what_it_is() {
        let mut forge = Forge::new();
        forge.append(1, 0, 2, 0).append(2, 0, 2, 0).append(1, 2, 1, 0).append(2, 2, 1, 0);
        let log = [batch(0, 2, 0), batch(2, 1, 0)];
        assert_eq!(audit(&mut forge, 3, 2, &log), None);
        assert_eq!(audit(&mut forge, 2, 2, &log[..1]), Some(Compared::LogEnd));
        assert_eq!(audit(&mut forge, 3, 2, &log[..1]), Some(Compared::BatchMissing));
        assert_eq!(audit(&mut forge, 3, 4, &log), Some(Compared::WatermarkAboveEnd));
        let other = [batch(0, 2, 0), batch(2, 1, 1)];
        assert_eq!(audit(&mut forge, 3, 2, &other), Some(Compared::Batch));
        let more = [batch(0, 2, 0), batch(2, 1, 0), batch(3, 1, 0)];
        assert_eq!(audit(&mut forge, 3, 2, &more), Some(Compared::BatchUntold));
        forge.expect("audit-failed", 5);
    }

    #[test]
    fn a_lie_is_found_wherever_in_a_long_log_it_is() {
        let mut forge = Forge::new();
        let all = 0..2 * CHUNK as u64 + 3;
        for base in all.clone() {
            forge.append(1, base, 1, 0).append(2, base, 1, 0);
        }
        let mut batches: Vec<Batch> = all.map(|base| batch(base, 1, 0)).collect();
        let end = batches.len() as u64;
        assert_eq!(audit(&mut forge, end, end, &batches), None);
        for place in [0, CHUNK - 1, CHUNK, 2 * CHUNK + 2] {
            let lie = batch(place as u64, 1, 7);
            let truth = std::mem::replace(&mut batches[place], lie);
            assert_eq!(audit(&mut forge, end, end, &batches), Some(Compared::Batch), "{place}");
            batches[place] = truth;
        }
    }

    #[test]
    fn tails_are_audited_too() {
        let mut forge = Forge::new();
        forge.append(1, 0, 1, 0).append(2, 0, 1, 0).append(2, 1, 1, 0);
        let log = [batch(0, 1, 0), batch(1, 1, 0)];
        assert_eq!(audit(&mut forge, 2, 1, &log), None);
        assert_eq!(audit(&mut forge, 2, 2, &log), Some(Compared::WatermarkOverTail));
    }

    #[test]
    fn the_isr_of_a_leader_is_compared_with_the_one_of_its_partition_epoch() {
        let mut forge = Forge::new();
        let believes = |forge: &mut Forge, epoch, isr| {
            let isr = Some(LeaderIsr { partition_epoch: PartitionEpoch(epoch), isr });
            told(forge, AuditReplica { isr, ..replica(0, 0, &of(&[])) }, Depth::New)
        };
        let (full, two) = (ReplicaSet::first(3), ReplicaSet::first(2));
        assert_eq!(believes(&mut forge, 0, full), None);
        assert_eq!(believes(&mut forge, 0, two), Some(Compared::CommittedIsr), "not yet");
        forge.isr(&[1, 2], &[], 0);
        assert_eq!(believes(&mut forge, 0, full), None, "it has not heard yet");
        assert_eq!(believes(&mut forge, 1, two), None);
        assert_eq!(believes(&mut forge, 1, full), Some(Compared::CommittedIsr), "not any more");
    }

    /// An audit looks at what is new; the one at the end looks at everything.
    #[test]
    fn a_lie_about_an_old_batch_is_found_at_the_end_and_one_about_a_new_batch_at_once() {
        let mut forge = Forge::new();
        for base in 0..3 {
            forge.append(1, base, 1, 0).append(2, base, 1, 0);
        }
        let mut log = vec![batch(0, 1, 0), batch(1, 1, 0), batch(2, 1, 0)];
        assert_eq!(told(&mut forge, replica(3, 0, &of(&log)), Depth::New), None);
        log[0] = batch(0, 1, 7);
        assert_eq!(told(&mut forge, replica(3, 0, &of(&log)), Depth::New), None, "compared");
        let all = told(&mut forge, replica(3, 0, &of(&log)), Depth::Whole);
        assert_eq!(all, Some(Compared::Batch), "the disk changed it behind everybody's back");
        log[0] = batch(0, 1, 0);
        forge.append(1, 3, 1, 0).append(2, 3, 1, 0);
        log.push(batch(3, 1, 7));
        let new = told(&mut forge, replica(4, 0, &of(&log)), Depth::New);
        assert_eq!(new, Some(Compared::Batch), "a lie in new data");
        log.pop();
        let cut = told(&mut forge, replica(4, 0, &of(&log)), Depth::New);
        assert_eq!(cut, Some(Compared::BatchMissing), "a log cut in silence");
    }

    #[test]
    fn what_was_cut_is_compared_again_once_it_is_written_again() {
        let mut forge = Forge::new();
        for base in 0..4 {
            forge.append(1, base, 1, 0).append(2, base, 1, 0);
        }
        let log = [batch(0, 1, 0), batch(1, 1, 0), batch(2, 1, 0), batch(3, 1, 0)];
        let audit =
            |forge: &mut Forge, log: &[Batch]| told(forge, replica(4, 0, &of(log)), Depth::New);
        assert_eq!(audit(&mut forge, &log), None);
        forge.truncate(2, 4, 1);
        for base in 1..4 {
            forge.append(2, base, 1, 0);
        }
        let lie = [batch(0, 1, 0), batch(1, 1, 7), batch(2, 1, 0), batch(3, 1, 0)];
        assert_eq!(audit(&mut forge, &lie), Some(Compared::Batch));
        assert_eq!(audit(&mut forge, &log), None);
        let mut forge = forge.clone();
        forge.power_loss(2, 4, 2).append(2, 2, 1, 0).append(2, 3, 1, 0);
        let lie = [batch(0, 1, 0), batch(1, 1, 0), batch(2, 1, 7), batch(3, 1, 0)];
        assert_eq!(audit(&mut forge, &lie), Some(Compared::Batch));
    }
}
