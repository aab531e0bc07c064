//! One log on a disk: the files as they read, and what a power loss could undo.
//!
//! There is one copy of the batches. Of the operations not yet synced only their kind is kept, for
//! an append or a new segment is undone by cutting the end, and a deletion by putting back what
//! waits in `deleted`. Does not know when anything is synced; the disk says so.
//!
//! Replicas of a partition hold equal batches, so what lies far enough back in a log is shared in
//! memory, chunk by chunk. It is never seen in what a log holds: a chunk is taken over only if it
//! is equal, and copied before it is changed.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::chunked::Chunked;
use crate::base::ids::{LogId, Offset};
use crate::model::batch::Batch;
use crate::model::body::{BodyCounts, BodyId};
use crate::model::disk::Kept;
use crate::model::disk::files::Checkpoints;

/// A log as it lies in its segment files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogImage {
    /// Base offsets of the segments; the first is where the files start. Never empty once created.
    pub(super) segments: VecDeque<Offset>,
    /// Every batch, oldest first.
    pub(super) batches: Chunked<Batch>,
    /// Where a torn batch begins (one that fails its checksum). Whole ones may lie behind it.
    pub(super) torn: Option<Offset>,
}

impl LogImage {
    /// The files of a log that does not exist.
    pub(super) const NONE: Self =
        Self { segments: VecDeque::new(), batches: Chunked::new(), torn: None };

    /// Every batch, oldest first.
    #[must_use]
    pub const fn batches(&self) -> &Chunked<Batch> {
        &self.batches
    }

    /// Base offsets of the segments, oldest first; empty if the log does not exist.
    #[must_use]
    pub const fn segments(&self) -> &VecDeque<Offset> {
        &self.segments
    }

    /// Where the files start.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.segments.front().copied().unwrap_or_default()
    }

    /// One past the last offset in the files.
    #[must_use]
    pub fn end(&self) -> Offset {
        let start = self.segments.back().copied().unwrap_or_default();
        self.batches.back().map_or(start, |b| b.end().max(start))
    }

    /// Base offset of the first batch that fails its checksum; only recovery asks.
    #[must_use]
    pub const fn torn(&self) -> Option<Offset> {
        self.torn
    }

    /// How many batches lie before the first torn one.
    #[must_use]
    pub fn readable(&self) -> usize {
        match self.torn {
            Some(torn) => self.batches.partition_point(|batch| batch.base < torn),
            None => self.batches.len(),
        }
    }
}

/// So many full chunks at the end of a log are its own: it may yet be cut there, and a short log is
/// not worth the asking.
const OWN_CHUNKS: usize = 16;

/// What was done to a log and may be undone by a power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogOp {
    Append,
    Roll,
    /// So many of the oldest batches and segments were deleted.
    Delete {
        batches: u32,
        segments: u32,
    },
    /// An append or a roll that a later truncation has removed. It keeps its place, because syncs
    /// under way are counted in operations.
    Removed,
}

#[derive(Clone, Debug)]
pub(super) struct LogFile {
    pub(super) id: LogId,
    /// In which log directory it lies.
    pub(super) dir: u16,
    pub(super) image: LogImage,
    pub(super) checkpoints: Checkpoints,
    /// Deleted batches and segments that a power loss could bring back, oldest first.
    deleted: VecDeque<Batch>,
    deleted_segments: VecDeque<Offset>,
    unsynced: VecDeque<LogOp>,
    /// How many of the unsynced operations were there at the last writeback tick.
    aged: usize,
    /// How many operations were synced before those.
    synced: u64,
    pub(super) bytes: u64,
    /// Up to here other replicas were asked for equal chunks, and may take over those of this log.
    shared: Offset,
    /// Old batches have been deleted.
    ///
    /// Speed: such a log asks for no chunks, because it fills its own again, which it could not if
    /// others had them. So a steady run allocates nothing.
    trimmed: bool,
}

/// What a power loss has taken of a log: its tail, from `to` up to `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) from: Offset,
    pub(super) to: Offset,
    pub(super) records: u64,
}

impl LogFile {
    /// An empty log from `start` on.
    pub(super) fn new(id: LogId, dir: u16, start: Offset) -> Self {
        let segments = VecDeque::from([start]);
        let image = LogImage { segments, batches: Chunked::new(), torn: None };
        Self {
            id,
            dir,
            image,
            checkpoints: Checkpoints::default(),
            deleted: VecDeque::new(),
            deleted_segments: VecDeque::new(),
            unsynced: VecDeque::new(),
            aged: 0,
            synced: 0,
            bytes: 0,
            shared: start,
            trimmed: false,
        }
    }

    /// How many operations are not synced.
    pub(super) fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// The place of the next operation among all there have been.
    pub(super) fn position(&self) -> u64 {
        self.synced + self.unsynced.len() as u64
    }

    /// One past the last offset that a power loss leaves in any case.
    pub(super) fn durable_end(&self) -> Offset {
        let unsynced = |op: &LogOp| self.unsynced.iter().filter(|o| *o == op).count();
        let (appends, rolls) = (unsynced(&LogOp::Append), unsynced(&LogOp::Roll));
        let synced = self.deleted.len() + self.image.batches.len() - appends;
        let last = synced.checked_sub(1).and_then(|place| {
            let there = place.checked_sub(self.deleted.len());
            there.map_or(self.deleted.get(place), |place| self.image.batches.get(place))
        });
        let segments = self.deleted_segments.iter().chain(&self.image.segments);
        let place = self.deleted_segments.len() + self.image.segments.len() - rolls;
        let start = place.checked_sub(1).and_then(|place| segments.clone().nth(place));
        let start = start.copied().unwrap_or_default();
        last.map_or(start, |batch| batch.end().max(start))
    }

    // ---- what a node does ----

    #[inline]
    pub(super) fn append(&mut self, batch: Batch) {
        self.bytes += u64::from(batch.bytes);
        self.image.batches.push_back(batch);
        self.unsynced.push_back(LogOp::Append);
    }

    pub(super) fn roll(&mut self, base: Offset) {
        self.image.segments.push_back(base);
        self.unsynced.push_back(LogOp::Roll);
    }

    /// Removes every batch that reaches beyond `to`, and the segments that begin there, for good:
    /// whatever a power loss leaves of the unsynced operations, what this removed is gone.
    pub(super) fn truncate(&mut self, to: Offset, counts: &mut BodyCounts) {
        let (mut batches, mut segments) = (0, 0);
        while let Some(batch) = self.image.batches.back().copied().filter(|b| b.end() > to) {
            self.image.batches.pop_back();
            self.bytes -= u64::from(batch.bytes);
            drop_body(&batch, counts);
            batches += 1;
        }
        while self.image.segments.len() > 1 && self.image.segments.back() > Some(&to) {
            self.image.segments.pop_back();
            segments += 1;
        }
        for op in self.unsynced.iter_mut().rev() {
            let left = match op {
                LogOp::Append => &mut batches,
                LogOp::Roll => &mut segments,
                LogOp::Delete { .. } | LogOp::Removed => continue,
            };
            if *left > 0 {
                *left -= 1;
                *op = LogOp::Removed;
            }
        }
        let end = self.image.end();
        self.image.torn = self.image.torn.filter(|torn| *torn < end);
        self.shared = self.shared.min(end);
    }

    /// Deletes whole segments that end at or below `to`.
    pub(super) fn delete_before(&mut self, to: Offset) {
        let before = (self.deleted.len(), self.deleted_segments.len());
        let LogImage { segments, batches, .. } = &mut self.image;
        while segments.get(1).is_some_and(|next| *next <= to) {
            self.deleted_segments.extend(segments.pop_front());
        }
        let start = segments.front().copied().unwrap_or_default();
        while let Some(batch) = batches.front().copied().filter(|batch| batch.end() <= start) {
            batches.pop_front();
            self.trimmed = true;
            self.bytes -= u64::from(batch.bytes);
            self.deleted.push_back(batch);
        }
        self.unsynced.push_back(LogOp::Delete {
            batches: (self.deleted.len() - before.0) as u32,
            segments: (self.deleted_segments.len() - before.1) as u32,
        });
    }

    /// Throws everything away and starts empty at `start`, for good.
    pub(super) fn reset(&mut self, start: Offset, counts: &mut BodyCounts) {
        let batches = self.deleted.iter().chain(self.image.batches.iter());
        batches.for_each(|batch| drop_body(batch, counts));
        self.deleted.clear();
        self.image.batches.clear();
        self.deleted_segments.clear();
        self.image.segments.clear();
        self.image.segments.push_back(start);
        self.image.torn = None;
        self.bytes = 0;
        self.shared = start;
        self.trimmed = false;
        self.unsynced.iter_mut().for_each(|op| *op = LogOp::Removed);
    }

    // ---- what the machine does ----

    /// Syncs the first so many unsynced operations, and the small files beside the log.
    pub(super) fn sync(&mut self, operations: usize, counts: &mut BodyCounts) {
        let count = operations.min(self.unsynced.len());
        for op in self.unsynced.drain(..count) {
            if let LogOp::Delete { batches, segments } = op {
                let gone = self.deleted.drain(..batches as usize);
                gone.for_each(|batch| drop_body(&batch, counts));
                self.deleted_segments.drain(..segments as usize);
            }
        }
        self.aged = self.aged.saturating_sub(count);
        self.synced += count as u64;
        self.checkpoints.sync();
    }

    /// Syncs the operations before this place, unless they have been.
    pub(super) fn sync_to(&mut self, position: u64, counts: &mut BodyCounts) {
        self.sync(position.saturating_sub(self.synced) as usize, counts);
    }

    /// One writeback tick: syncs what was unsynced at the tick before.
    pub(super) fn write_back(&mut self, counts: &mut BodyCounts) {
        self.sync(self.aged, counts);
        self.aged = self.unsynced.len();
    }

    /// Loses power: what `kept` says is left, and is durable from now on.
    pub(super) fn lose_power(&mut self, kept: Kept, counts: &mut BodyCounts) -> Option<Lost> {
        let from = self.image.end();
        let lost = match kept {
            Kept::Operations { count, torn, behind, older_files } => {
                self.checkpoints.lose_power(older_files);
                self.undo(count, torn.then_some(behind), counts)
            }
            Kept::Below(offset) => {
                self.checkpoints.sync();
                let lost = self.image.batches.iter().rev().take_while(|b| b.end() > offset);
                let lost = lost.fold((None, 0), |(_, n), b| (Some(b.base), n + u64::from(b.count)));
                self.truncate(offset, counts);
                lost
            }
        };
        self.deleted.drain(..).for_each(|batch| drop_body(&batch, counts));
        self.deleted_segments.clear();
        self.unsynced.clear();
        self.aged = 0;
        let (to, records) = lost;
        to.filter(|to| *to < from).map(|to| Lost { from, to, records })
    }

    /// Undoes the unsynced operations but the first `count`; if `torn`, the append after those is
    /// kept, torn, and so many appends behind it whole. Says from which offset on records are
    /// gone, if any are, and how many.
    fn undo(
        &mut self,
        count: usize,
        torn: Option<usize>,
        counts: &mut BodyCounts,
    ) -> (Option<Offset>, u64) {
        let undone = self.unsynced.range(count.min(self.unsynced.len())..);
        let half_written = torn.map_or(0, |behind| {
            undone.clone().take(behind + 1).take_while(|op| **op == LogOp::Append).count()
        });
        let (mut appends, mut rolls, mut batches, mut segments) = (0, 0, 0, 0);
        for op in undone {
            match *op {
                LogOp::Append => appends += 1,
                LogOp::Roll => rolls += 1,
                LogOp::Delete { batches: more, segments: more_segments } => {
                    batches += more as usize;
                    segments += more_segments as usize;
                }
                LogOp::Removed => {}
            }
        }
        // The files from which nothing was deleted after the first `count` operations...
        for batch in self.deleted.drain(self.deleted.len() - batches..).rev() {
            self.bytes += u64::from(batch.bytes);
            self.image.batches.push_front(batch);
        }
        let restored = self.deleted_segments.len() - segments;
        for segment in self.deleted_segments.drain(restored..).rev() {
            self.image.segments.push_front(segment);
        }
        // ...and to which nothing was added after them.
        self.image.segments.truncate(self.image.segments.len() - rolls);
        let whole = self.image.batches.len() - appends;
        let lost = self.image.batches.walk(whole);
        let records = lost.clone().map(|batch| u64::from(batch.count)).sum();
        let to = lost.map(|batch| batch.base).next();
        for batch in self.image.batches.walk(whole + half_written) {
            self.bytes -= u64::from(batch.bytes);
            drop_body(batch, counts);
        }
        self.image.batches.truncate(whole + half_written);
        let end = self.image.end();
        self.shared = self.shared.min(end);
        let torn = self.image.torn.filter(|torn| *torn < end);
        self.image.torn = torn.or(to.filter(|_| half_written > 0));
        (to, records)
    }

    /// Everything is gone.
    pub(super) fn wipe(&mut self, counts: &mut BodyCounts) -> Option<Lost> {
        let from = self.image.end();
        let lost = self.image.batches.front().map(|batch| batch.base);
        let records = self.image.batches.iter().map(|batch| u64::from(batch.count)).sum();
        self.reset(Offset::ZERO, counts);
        lost.map(|to| Lost { from, to, records })
    }

    // ---- what is shared with other replicas ----

    /// The oldest chunk that may be shared and for which nobody was asked yet: its place among the
    /// full ones, and its batches.
    pub(super) fn unshared(&self) -> Option<(usize, &Arc<[Batch]>)> {
        let chunks = self.image.batches.sealed();
        let newest = chunks.len().checked_sub(OWN_CHUNKS + 1).filter(|_| !self.trimmed)?;
        let asked = |chunk: &Arc<[Batch]>| end_of(chunk) <= self.shared;
        if asked(&chunks[newest]) {
            return None;
        }
        let place = chunks.partition_point(asked);
        Some((place, &chunks[place]))
    }

    /// The chunk of this log that is equal to one of another replica and may be taken over. Who
    /// asks first keeps its own, and all others come to have that one.
    pub(super) fn known(&self, wanted: &[Batch]) -> Option<&Arc<[Batch]>> {
        let (chunks, from) = (self.image.batches.sealed(), wanted.first()?.base);
        let chunk = chunks.get(chunks.partition_point(|chunk| chunk[0].base < from))?;
        (end_of(chunk) <= self.shared && **chunk == *wanted).then_some(chunk)
    }

    /// The others were asked for a chunk; takes over the one that was found.
    pub(super) fn share(&mut self, place: usize, known: Option<&Arc<[Batch]>>) {
        self.shared = end_of(&self.image.batches.sealed()[place]);
        if let Some(known) = known {
            self.image.batches.share(place, known);
        }
    }
}

/// One past the last offset of a full chunk.
fn end_of(chunk: &[Batch]) -> Offset {
    chunk.last().map_or(Offset::ZERO, Batch::end)
}

/// A batch is on no file any more, and with it a reference to its body.
#[inline]
fn drop_body(batch: &Batch, counts: &mut BodyCounts) {
    if let Some(body) = batch.records.body() {
        gone(body, counts);
    }
}

#[cold]
fn gone(body: BodyId, counts: &mut BodyCounts) {
    counts.less(body);
}
