//! The machine's side of a node's disk: how long a sync takes, and what a power loss leaves.
//!
//! The contents lie in [`crate::model::disk::Disk`], with the node while it runs. Draws come from
//! the stream `disk b1`, so that no other luck depends on them. Does not know when a sync is asked
//! for.

use std::collections::VecDeque;

use crate::base::ids::{ConnectionId, Offset, PartitionId};
use crate::base::rng::{Latency, Rng};
use crate::base::time::{Span, Time};
use crate::model::disk::Kept;
use crate::model::fault::Keep;
use crate::model::message::Message;
use crate::sim::event::Event;

/// A sync of a controller's metadata log that is under way. What its handler, and those after it,
/// had to say waits for it, as `QuorumController.java` defers every answer until the records before
/// it are committed.
#[derive(Clone, Debug)]
pub(super) struct MetadataSync {
    /// When it is done, unless the disk hangs.
    pub(super) done: Time,
    /// What it was asked for.
    pub(super) up_to: Offset,
    /// What departs then.
    pub(super) sends: Vec<(ConnectionId, Message)>,
}

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
    /// Syncs of the metadata log under way, oldest first (controllers only).
    pub(super) syncs: VecDeque<MetadataSync>,
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
            syncs: VecDeque::new(),
        }
    }

    /// How long the next sync takes.
    pub(super) fn sync_latency(&mut self) -> Span {
        let latency = self.slow.last().map_or(self.latency, |(_, latency)| *latency);
        latency.draw(self.rng.next_u64())
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
    /// last one kept is torn as often as not: its pages had begun to be written.
    pub(super) fn kept(&mut self, keep: &Keep, partition: PartitionId, unsynced: usize) -> Kept {
        match keep {
            Keep::Nothing => Kept::Operations { count: 0, torn: false },
            Keep::Random => {
                let bits = self.rng.next_u64();
                let count = (u128::from(bits) * (unsynced as u128 + 1)) >> 64;
                Kept::Operations { count: count as usize, torn: bits & 1 == 1 }
            }
            Keep::Offsets(offsets) => offsets
                .iter()
                .find(|(named, _)| *named == partition)
                .map_or(Kept::Operations { count: usize::MAX, torn: false }, |(_, offset)| {
                    Kept::Below(*offset)
                }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DiskState;
    use crate::base::ids::{Offset, PartitionId};
    use crate::base::rng::{Latency, Rng};
    use crate::base::time::Span;
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
            match disk.kept(&Keep::Random, PartitionId(0), 3) {
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
        assert_eq!(disk.kept(&keep, PartitionId(1), 3), Kept::Below(Offset(20)));
        let all = Kept::Operations { count: usize::MAX, torn: false };
        assert_eq!(disk.kept(&keep, PartitionId(0), 3), all);
        let none = Kept::Operations { count: 0, torn: false };
        assert_eq!(disk.kept(&Keep::Nothing, PartitionId(0), 3), none);
    }
}
