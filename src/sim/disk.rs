//! The machine's side of a node's disk: how long a sync takes, and what a power loss leaves.
//!
//! The contents lie in [`crate::model::disk::Disk`], with the node while it runs. Draws come from
//! the stream `disk b1`, so that no other luck depends on them. Does not know when a sync is asked
//! for.

use crate::base::ids::LogId;
use crate::base::rng::{Latency, Rng};
use crate::base::time::{Span, Time};
use crate::model::disk::Kept;
use crate::model::fault::Keep;
use crate::sim::event::Event;

/// The disk of one machine.
#[derive(Clone, Debug)]
pub(super) struct DiskState {
    rng: Rng,
    latency: Latency,
    /// Latencies of the faults that slow it, by the fault's number; the newest counts.
    slow: Vec<(u32, Latency)>,
    /// How many faults hang it.
    pub(super) hangs: u32,
    /// How many faults fill it.
    pub(super) fills: u32,
    /// What waits for it to answer again: events, each with its cause.
    pub(super) hung: Vec<(u64, Event)>,
    /// When the last sync of each log ends; syncs of one log end in the order in which they were
    /// asked for. Only those under way count.
    syncs: Vec<(LogId, Time)>,
}

impl DiskState {
    /// A disk in good health.
    pub(super) const fn new(rng: Rng, latency: Latency) -> Self {
        Self {
            rng,
            latency,
            slow: Vec::new(),
            hangs: 0,
            fills: 0,
            hung: Vec::new(),
            syncs: Vec::new(),
        }
    }

    /// When a sync of a log ends that begins now, unless the disk hangs.
    pub(super) fn sync(&mut self, log: LogId, now: Time) -> Time {
        self.syncs.retain(|(_, ends)| *ends > now);
        let ends = now + self.sync_latency();
        match self.syncs.iter_mut().find(|(of, _)| *of == log) {
            Some((_, last)) => {
                *last = ends.max(*last);
                *last
            }
            None => {
                self.syncs.push((log, ends));
                ends
            }
        }
    }

    fn sync_latency(&mut self) -> Span {
        let latency = self.slow.last().map_or(self.latency, |(_, latency)| *latency);
        latency.draw(self.rng.next_u64())
    }

    /// The process that asked for syncs is gone.
    pub(super) fn forget_syncs(&mut self) {
        self.syncs.clear();
    }

    /// When in its period the kernel's writeback comes first.
    pub(super) fn phase(&mut self, period: Span) -> Span {
        Span(self.rng.below(period.0.max(1)))
    }

    /// Syncs are slow while the fault lasts.
    pub(super) fn slow_down(&mut self, fault: u32, latency: Latency) {
        self.slow.push((fault, latency));
    }

    /// The fault has ended.
    pub(super) fn speed_up(&mut self, fault: u32) {
        self.slow.retain(|(id, _)| *id != fault);
    }

    /// What a power loss leaves of a log with so many unsynced operations. The append after the
    /// last one kept is torn as often as not: its pages had begun to be written. Pages are written
    /// in any order, so that one in two times a few appends behind it are whole.
    pub(super) fn kept(&mut self, keep: &Keep, log: LogId, unsynced: usize) -> Kept {
        match keep {
            Keep::Nothing => Kept::SYNCED,
            Keep::Random => {
                let bits = self.rng.next_u64();
                let count = (u128::from(bits) * (unsynced as u128 + 1)) >> 64;
                let (torn, older_files) = (bits & 1 == 1, bits & 2 == 2);
                let behind = if bits & 4 == 4 { (bits >> 3 & 7) as usize } else { 0 };
                Kept::Operations { count: count as usize, torn, behind, older_files }
            }
            Keep::Offsets(offsets) => {
                let named = offsets.iter().find(|(named, _)| LogId::Partition(*named) == log);
                named.map_or(Kept::ALL, |(_, offset)| Kept::Below(*offset))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DiskState;
    use crate::base::ids::{LogId, Offset, PartitionId};
    use crate::base::rng::{Latency, Rng};
    use crate::base::time::{Span, Time};
    use crate::model::disk::Kept;
    use crate::model::fault::Keep;

    fn latency(millis: u64) -> Latency {
        let span = Span::millis(millis);
        Latency { p50: span, p99: span, max: span }
    }

    fn disk() -> DiskState {
        DiskState::new(Rng::named(7, "disk b1"), latency(1))
    }

    #[test]
    fn the_newest_fault_that_slows_a_disk_counts() {
        let mut disk = disk();
        assert!(disk.sync_latency() <= Span::millis(1));
        disk.slow_down(1, latency(100));
        disk.slow_down(2, latency(1_000));
        assert!(disk.sync_latency() >= Span::millis(500));
        disk.speed_up(2);
        assert!(disk.sync_latency() <= Span::millis(100));
        disk.speed_up(1);
        assert!(disk.sync_latency() <= Span::millis(1));
    }

    #[test]
    fn a_power_loss_keeps_any_prefix() {
        let mut disk = disk();
        let mut seen = [false; 4];
        for _ in 0..200 {
            match disk.kept(&Keep::Random, LogId::Metadata, 3) {
                Kept::Operations { count, .. } => seen[count] = true,
                Kept::Below(_) => unreachable!("no offset was named"),
            }
        }
        assert_eq!(seen, [true; 4]);
    }

    #[test]
    fn a_power_loss_can_be_told_what_to_keep() {
        let mut disk = disk();
        let keep = Keep::Offsets(vec![(PartitionId(1), Offset(20))]);
        let log = |partition| LogId::Partition(PartitionId(partition));
        assert_eq!(disk.kept(&keep, log(1), 3), Kept::Below(Offset(20)));
        assert_eq!(disk.kept(&keep, log(0), 3), Kept::ALL);
        assert_eq!(disk.kept(&Keep::Nothing, log(0), 3), Kept::SYNCED);
    }

    #[test]
    fn syncs_of_one_log_end_in_order() {
        let mut disk = disk();
        let log = LogId::Metadata;
        disk.slow_down(1, latency(100));
        let first = disk.sync(log, Time(0));
        disk.speed_up(1);
        assert!(first >= Time(0) + Span::millis(50));
        assert_eq!(disk.sync(log, Time(1)), first, "not before the one under way");
        assert!(disk.sync(LogId::Partition(PartitionId(0)), Time(1)) < first, "another log");
        assert!(disk.sync(log, first) > first);
    }
}
