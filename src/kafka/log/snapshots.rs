//! What a log knows of its producers after a start or a cut, and the snapshots that say so.
//!
//! Follows `ProducerStateManager.java`, and `rebuildProducerState` and `recoverSegment` of
//! `UnifiedLog.java` and `LogLoader.java`. A snapshot holds the last batch of each producer, and
//! retention leaves the newest ones: who has no batch left in the log is known by them.

use super::Log;
use crate::base::ids::Offset;
use crate::base::time::{Span, Time};
use crate::model::disk::{Disk, IoError, Write};

/// By which clock, and after how long, a producer is idle for too long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    pub(super) wall: Time,
    pub(super) expiration: Span,
}

impl Log {
    /// Writes a snapshot of the producers at `at`, if the newest does not go so far, nor does
    /// `start` where there is none.
    ///
    /// Kafka: ProducerStateManager.takeSnapshot
    pub(super) fn take_snapshot(
        &self,
        (start, at): (Offset, Offset),
        how: Write,
        disk: &mut Disk,
    ) -> Result<(), IoError> {
        let newest = disk.checkpoints(self.handle()?).producer_snapshots.newest();
        if at <= newest.unwrap_or(start) {
            return Ok(());
        }
        self.write(how, disk, |saved| {
            saved.producer_snapshots.push(at, self.producers.last_batches())
        })
    }

    /// Learns the producers when the log is loaded. After an unclean stop that is the last batch of
    /// each as well: every segment that is recovered ends with a snapshot, and the last of these is
    /// read. After a clean one without any snapshot nobody is known.
    ///
    /// Kafka: LogLoader.load
    pub(super) fn load_producers(
        &mut self,
        clean: bool,
        checkpointed_start: Offset,
        idle: Idle,
        disk: &mut Disk,
    ) -> Result<(), IoError> {
        if !clean {
            self.recover_producers(checkpointed_start, idle, disk)?;
        }
        self.remove_stray_snapshots(disk)?;
        let none = disk.checkpoints(self.handle()?).producer_snapshots.newest().is_none();
        if !(clean && none) {
            return self.rebuild_producers((self.start, self.end), true, idle, disk);
        }
        for place in self.segments.len().saturating_sub(2)..self.segments.len() {
            let base = self.segments[place].base;
            self.take_snapshot((Offset::ZERO, base), Write::Synced, disk)?;
        }
        self.take_snapshot((Offset::ZERO, self.end), Write::Synced, disk)
    }

    /// Reads every segment that may not have been synced, each from a snapshot at its beginning to
    /// one at its end.
    ///
    /// Kafka: LogLoader.recoverSegment
    fn recover_producers(
        &mut self,
        start: Offset,
        idle: Idle,
        disk: &mut Disk,
    ) -> Result<(), IoError> {
        let last = self.segments.len().saturating_sub(1);
        let first = self.segments.iter().rposition(|segment| segment.base <= self.recovery_point);
        for place in first.unwrap_or(0)..=last {
            let base = self.segments[place].base;
            self.rebuild_producers((start, base), true, idle, disk)?;
            let end = self.segments.get(place + 1).map_or(self.end, |next| next.base);
            self.read_producers((base, end), disk)?;
            self.take_snapshot((start, end), Write::Synced, disk)?;
        }
        Ok(())
    }

    /// Deletes the snapshots that are neither at the beginning of a segment nor the newest one
    /// behind all of these beginnings.
    ///
    /// Kafka: ProducerStateManager.removeStraySnapshots
    fn remove_stray_snapshots(&self, disk: &mut Disk) -> Result<(), IoError> {
        let at_segment = |at: Offset| self.segments.binary_search_by_key(&at, |s| s.base).is_ok();
        let last = self.segments.back().map_or(Offset::ZERO, |segment| segment.base);
        let snapshots = &disk.checkpoints(self.handle()?).producer_snapshots;
        let newest = snapshots.offsets().rfind(|at| !at_segment(*at)).filter(|at| *at >= last);
        self.retain_snapshots(|at| at_segment(at) || Some(at) == newest, disk)
    }

    /// Deletes snapshots, if there is one to delete.
    pub(super) fn retain_snapshots(
        &self,
        keep: impl Fn(Offset) -> bool,
        disk: &mut Disk,
    ) -> Result<(), IoError> {
        let snapshots = &disk.checkpoints(self.handle()?).producer_snapshots;
        if snapshots.offsets().all(&keep) {
            return Ok(());
        }
        self.write(Write::InBackground, disk, |saved| saved.producer_snapshots.retain(keep))
    }

    /// Learns the producers of a log that reaches from `start` to `to`: from the newest snapshot
    /// inside of it, and from the batches behind that one if they are to be `read`. Snapshots
    /// outside are deleted, one at the log start with them.
    ///
    /// Kafka: UnifiedLog.rebuildProducerState
    /// Kafka: ProducerStateManager.truncateAndReload
    /// Kafka: ProducerStateManager.loadFromSnapshot
    pub(super) fn rebuild_producers(
        &mut self,
        (start, to): (Offset, Offset),
        read: bool,
        idle: Idle,
        disk: &mut Disk,
    ) -> Result<(), IoError> {
        self.retain_snapshots(|at| start < at && at <= to, disk)?;
        self.producers.clear();
        let snapshots = &disk.checkpoints(self.handle()?).producer_snapshots;
        self.producers.load(snapshots.newest_entries(), idle.wall, idle.expiration);
        let mut known_to = snapshots.newest().unwrap_or(start);
        for place in 0..self.segments.len() {
            let base = self.segments[place].base;
            let next = self.segments.get(place + 1).map_or(self.end, |next| next.base);
            if !read || base >= to || next <= known_to {
                continue;
            }
            known_to = known_to.max(base).max(start);
            if place + 2 >= self.segments.len() {
                self.take_snapshot((start, known_to), Write::Synced, disk)?;
            }
            self.read_producers((known_to, next.min(to)), disk)?;
        }
        self.take_snapshot((start, to), Write::Synced, disk)
    }

    /// Takes over the producers of the batches between two offsets.
    fn read_producers(&mut self, (from, to): (Offset, Offset), disk: &Disk) -> Result<(), IoError> {
        let batches = disk.image(self.handle()?)?.batches();
        let first = batches.partition_point(|batch| batch.end() <= from);
        for batch in batches.walk(first).take_while(|batch| batch.end() <= to) {
            self.producers.update(batch);
        }
        Ok(())
    }
}
