//! One partition's log on a disk: the files as they are, the files as a power loss would leave
//! them at the least, and the operations between the two.
//!
//! Does not know when anything is synced; the disk says so.

use std::collections::VecDeque;

use crate::base::ids::Offset;
use crate::model::batch::Batch;

/// The bytes of one partition's log as they lie in its segment files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogImage {
    /// Base offsets of the segments; the first is where the files start. Never empty once created.
    pub(super) segments: VecDeque<Offset>,
    /// Every batch, oldest first.
    pub(super) batches: VecDeque<Batch>,
    /// Whether the last batch is torn (fails its checksum).
    pub(super) torn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogOp {
    Append(Batch),
    Roll(Offset),
    Truncate(Offset),
    DeleteBefore(Offset),
    Reset(Offset),
}

impl LogImage {
    pub(super) fn apply(&mut self, op: LogOp) {
        match op {
            LogOp::Append(batch) => self.batches.push_back(batch),
            LogOp::Roll(base) => self.segments.push_back(base),
            LogOp::Truncate(to) => {
                while self.batches.back().is_some_and(|b| b.end() > to) {
                    self.batches.pop_back();
                    self.torn = false;
                }
                while self.segments.len() > 1 && self.segments.back().is_some_and(|s| *s > to) {
                    self.segments.pop_back();
                }
            }
            LogOp::DeleteBefore(to) => {
                while self.segments.len() > 1 && self.segments[1] <= to {
                    self.segments.pop_front();
                }
                let start = self.segments.front().copied().unwrap_or_default();
                while self.batches.front().is_some_and(|b| b.end() <= start) {
                    self.batches.pop_front();
                }
            }
            LogOp::Reset(start) => {
                self.batches.clear();
                self.segments.clear();
                self.segments.push_back(start);
                self.torn = false;
            }
        }
    }

    /// Every batch, oldest first.
    #[must_use]
    pub const fn batches(&self) -> &VecDeque<Batch> {
        &self.batches
    }

    /// Base offsets of the segments, oldest first; empty if the log does not exist.
    #[must_use]
    pub const fn segments(&self) -> &VecDeque<Offset> {
        &self.segments
    }

    /// One past the last offset in the files.
    #[must_use]
    pub fn end(&self) -> Offset {
        let start = self.segments.back().copied().unwrap_or_default();
        self.batches.back().map_or(start, |b| b.end().max(start))
    }

    /// Whether the last batch fails its checksum; only recovery asks.
    #[must_use]
    pub const fn is_torn(&self) -> bool {
        self.torn
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct LogFile {
    pub(super) current: LogImage,
    pub(super) durable: LogImage,
    pub(super) unsynced: VecDeque<LogOp>,
    /// How many of the unsynced operations were there at the last writeback tick.
    pub(super) aged: usize,
    /// How many operations were synced before those.
    pub(super) synced: u64,
    pub(super) bytes: u64,
}

impl LogFile {
    /// An empty log, one of so many. With room, or a run's first batches would be moved from one
    /// small ring to the next; many partitions share the room.
    pub(super) fn with_room(partitions: usize) -> Self {
        let room = (1_024 / partitions).clamp(4, 256);
        let image = || LogImage { batches: VecDeque::with_capacity(room), ..LogImage::default() };
        Self {
            current: image(),
            durable: image(),
            unsynced: VecDeque::with_capacity(room),
            ..Self::default()
        }
    }

    pub(super) fn apply(&mut self, op: LogOp) {
        self.current.apply(op);
        self.unsynced.push_back(op);
    }

    /// Carries out an operation that is durable at once: whatever a power loss keeps of the
    /// unsynced operations, what this one removed is gone. The operations stay in their places,
    /// because flushes under way are counted in them.
    pub(super) fn apply_durably(&mut self, op: LogOp) {
        self.current.apply(op);
        self.durable.apply(op);
        for unsynced in &mut self.unsynced {
            match (op, *unsynced) {
                (LogOp::Truncate(to), LogOp::Append(batch)) if batch.end() <= to => {}
                (LogOp::Truncate(to), LogOp::Roll(base)) if base <= to => {}
                (LogOp::Truncate(_), LogOp::Append(_) | LogOp::Roll(_)) | (LogOp::Reset(_), _) => {
                    *unsynced = op;
                }
                _ => {}
            }
        }
    }

    pub(super) fn sync(&mut self, operations: usize) {
        let count = operations.min(self.unsynced.len());
        for op in self.unsynced.drain(..count) {
            self.durable.apply(op);
        }
        self.aged = self.aged.saturating_sub(count);
        self.synced += count as u64;
    }
}
