//! One log over [`Disk`]: offsets, segments, leader epochs, producers, recovery. A replica of a
//! partition and the metadata log are both one of these.
//!
//! Follows `UnifiedLog.java`, `LocalLog.java`, `LogSegment.java` and `LogLoader.java`. The batches
//! themselves lie on the disk; this holds what a running broker keeps in memory beside them. Does
//! not know who leads, and decides nothing that two Kafka versions decided differently.

pub mod epochs;
mod snapshots;

use std::collections::VecDeque;

use crate::base::ids::{LeaderEpoch, LogId, Offset};
use crate::base::time::{Span, Time};
use crate::kafka::ctx::Ctx;
use crate::kafka::log::epochs::EpochCache;
use crate::kafka::log::snapshots::Idle;
use crate::kafka::producer_state::ProducerState;
use crate::kafka::rulings;
use crate::model::batch::Batch;
use crate::model::config::TopicConfig;
use crate::model::disk::{Checkpoints, Disk, IoError, LogHandle, Write};

/// One segment file.
#[derive(Clone, Copy, Debug)]
struct Segment {
    base: Offset,
    bytes: u64,
    /// Largest timestamp of its first batch: the age of the segment counts from it.
    first_timestamp: Option<Time>,
    /// Largest timestamp in it.
    max_timestamp: Time,
}

impl Segment {
    const fn new(base: Offset) -> Self {
        Self { base, bytes: 0, first_timestamp: None, max_timestamp: Time::ZERO }
    }

    fn take(&mut self, batch: &Batch) {
        self.bytes += u64::from(batch.bytes);
        self.first_timestamp.get_or_insert(batch.max_timestamp);
        self.max_timestamp = self.max_timestamp.max(batch.max_timestamp);
    }
}

/// A log.
#[derive(Clone, Debug)]
pub struct Log {
    id: LogId,
    /// In which log directory it lies.
    dir: u16,
    /// None while its directory cannot be read.
    handle: Option<LogHandle>,
    start: Offset,
    end: Offset,
    watermark: Offset,
    recovery_point: Offset,
    segments: VecDeque<Segment>,
    /// Records appended since the last sync was asked for.
    unsynced: u64,
    epochs: EpochCache,
    producers: ProducerState,
}

impl Log {
    /// Loads a log, or creates an empty one in this directory. After an unclean stop everything
    /// from the first torn batch on is dropped. The epochs are rebuilt either way, the producers as
    /// `load_producers` says.
    ///
    /// # Errors
    /// If the log directory has failed, or there is no space to write what was rebuilt.
    ///
    /// Kafka: LogLoader.load
    pub fn load(
        id: LogId,
        dir: u16,
        clean: bool,
        wall: Time,
        expiration: Span,
        disk: &mut Disk,
    ) -> Result<Self, IoError> {
        let handle = disk.create_log(id, dir, Offset::ZERO)?;
        if !clean && let Some(torn) = disk.image(handle)?.torn() {
            disk.truncate(handle, torn)?;
        }
        let checkpointed_start = disk.checkpoints(handle).log_start;
        if disk.image(handle)?.end() < checkpointed_start {
            disk.reset_log(handle, checkpointed_start)?;
        }
        let (end, first) = (disk.image(handle)?.end(), disk.image(handle)?.start());
        let checkpoints = disk.checkpoints(handle);
        let start = checkpointed_start.max(first);
        let mut log = Self {
            start,
            end,
            watermark: checkpoints.watermark.max(start).min(end),
            recovery_point: if clean { end } else { checkpoints.recovery_point.min(end) },
            epochs: EpochCache::from_entries(&checkpoints.leader_epochs),
            handle: Some(handle),
            ..Self::absent(id, disk.dir_of(id).unwrap_or(dir))
        };
        log.index_segments(disk)?;
        log.recover_epochs(disk)?;
        log.load_producers(clean, checkpointed_start, Idle { wall, expiration }, disk)?;
        Ok(log)
    }

    /// Stands for a log whose directory cannot be read.
    #[must_use]
    pub fn absent(id: LogId, dir: u16) -> Self {
        Self {
            id,
            dir,
            handle: None,
            start: Offset::ZERO,
            end: Offset::ZERO,
            watermark: Offset::ZERO,
            recovery_point: Offset::ZERO,
            segments: VecDeque::new(),
            unsynced: 0,
            epochs: EpochCache::default(),
            producers: ProducerState::default(),
        }
    }

    /// In which log directory it lies.
    #[must_use]
    pub const fn dir(&self) -> u16 {
        self.dir
    }

    #[inline]
    fn handle(&self) -> Result<LogHandle, IoError> {
        self.handle.ok_or(IoError::Failed)
    }

    // ---- offsets ----

    /// First readable offset.
    #[must_use]
    pub const fn start(&self) -> Offset {
        self.start
    }

    /// Log end offset: one past the last record.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.end
    }

    /// High watermark.
    #[must_use]
    pub const fn watermark(&self) -> Offset {
        self.watermark
    }

    /// Last stable offset: the high watermark, as long as there are no transactions.
    #[must_use]
    pub const fn last_stable(&self) -> Offset {
        self.watermark
    }

    /// Everything below has been synced.
    #[must_use]
    pub const fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// Sets the high watermark. Whether it may move there is the caller's ruling.
    pub fn set_watermark(&mut self, to: Offset) {
        self.watermark = to.max(self.start).min(self.end);
    }

    /// The newest leader epoch in the log.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// The largest known epoch not above `epoch`, and its end.
    ///
    /// Kafka: UnifiedLog.endOffsetForEpoch
    #[must_use]
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.epochs.end_of(epoch, self.end)
    }

    /// The leader epoch at an offset.
    #[must_use]
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs.at(offset)
    }

    /// The leader epochs with their first offsets.
    #[must_use]
    pub fn leader_epochs(&self) -> &[(LeaderEpoch, Offset)] {
        self.epochs.entries()
    }

    /// The producers it remembers.
    pub const fn producers(&mut self) -> &mut ProducerState {
        &mut self.producers
    }

    // ---- appending and reading ----

    /// Notes that a leader epoch begins at `start`, on disk at once.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn begin_epoch(
        &mut self,
        epoch: LeaderEpoch,
        start: Offset,
        disk: &mut Disk,
    ) -> Result<(), IoError> {
        if self.epochs.assign(epoch, start) {
            self.save_epochs(Write::Synced, disk)?;
        }
        Ok(())
    }

    /// Appends a batch whose offset and epoch are set. Says whether the appender must wait for a
    /// sync up to the new end (`flush.messages`).
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn append(
        &mut self,
        batch: Batch,
        config: &TopicConfig,
        disk: &mut Disk,
        ctx: &mut Ctx<'_>,
    ) -> Result<bool, IoError> {
        let handle = self.handle()?;
        let begun = self.begin_epoch(batch.leader_epoch, batch.base, disk);
        if rulings::failed_write_fails(ctx.rules) {
            begun?;
        }
        if self.must_roll(&batch, config) {
            self.roll(disk, ctx)?;
        }
        if let Err(error) = disk.append(handle, batch)
            && rulings::failed_write_fails(ctx.rules)
        {
            return Err(error);
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.take(&batch);
        }
        self.end = batch.end();
        self.producers.update(&batch);
        self.unsynced += u64::from(batch.count);
        let must_sync = self.unsynced >= config.flush_messages;
        if must_sync {
            self.sync(ctx);
        }
        Ok(must_sync)
    }

    /// Takes whole batches from `from` on that end at or below `limit`, in order, up to
    /// `max_bytes`; the first one even beyond if `at_least_one`. Answers how many bytes it took.
    ///
    /// # Errors
    /// If the log directory has failed.
    pub fn read(
        &self,
        from: Offset,
        limit: Offset,
        max_bytes: u64,
        at_least_one: bool,
        disk: &Disk,
        mut take: impl FnMut(Batch),
    ) -> Result<u64, IoError> {
        // Nothing is read of the files to see that (`LocalLog.read`).
        if from >= limit {
            return Ok(0);
        }
        let batches = disk.image(self.handle()?)?.batches();
        let mut taken = 0;
        // Readers are mostly at the end of the log: look there before searching.
        let place = match batches.back() {
            Some(last) if last.base <= from => batches.len() - 1,
            _ => batches.partition_point(|batch| batch.end() <= from),
        };
        for batch in batches.walk(place) {
            let bytes = taken + u64::from(batch.bytes);
            let fits = bytes <= max_bytes || (taken == 0 && at_least_one);
            if batch.end() > limit || !fits {
                break;
            }
            take(*batch);
            taken = bytes;
        }
        Ok(taken)
    }

    // ---- cutting ----

    /// Removes everything from `to` on. The end of the log is `to` then, even in the middle of a
    /// batch, which goes as a whole.
    ///
    /// # Errors
    /// If the disk is full or broken.
    ///
    /// Kafka: UnifiedLog.truncateTo
    /// Kafka: LocalLog.truncateTo
    pub fn truncate(
        &mut self,
        to: Offset,
        wall: Time,
        expiration: Span,
        disk: &mut Disk,
    ) -> Result<(), IoError> {
        if to >= self.end {
            // An epoch that began here, and in which nothing was written, may be another's.
            if self.epochs.truncate_end(self.end) {
                self.save_epochs(Write::InBackground, disk)?;
            }
            return Ok(());
        }
        if self.segments.front().is_some_and(|segment| to < segment.base) {
            return self.restart_at(to, disk);
        }
        disk.truncate(self.handle()?, to)?;
        self.end = to;
        self.start = self.start.min(self.end);
        self.watermark = self.watermark.min(self.end);
        self.recovery_point = self.recovery_point.min(self.end);
        self.epochs.truncate_end(to);
        self.save_epochs(Write::InBackground, disk)?;
        let recovery_point = self.recovery_point;
        self.write(Write::Synced, disk, |saved| saved.recovery_point = recovery_point)?;
        self.index_segments(disk)?;
        // Whoever knew nobody before the cut reads nothing: a shortcut of Kafka's.
        let known = !self.producers.is_empty();
        self.rebuild_producers((self.start, to), known, Idle { wall, expiration }, disk)
    }

    /// Throws everything away and starts empty at `start`.
    ///
    /// # Errors
    /// If the disk is full or broken.
    ///
    /// Kafka: UnifiedLog.truncateFullyAndStartAt
    pub fn restart_at(&mut self, start: Offset, disk: &mut Disk) -> Result<(), IoError> {
        disk.reset_log(self.handle()?, start)?;
        self.start = start;
        self.end = start;
        self.watermark = start;
        self.recovery_point = start;
        self.segments.clear();
        self.segments.push_back(Segment::new(start));
        self.epochs.clear();
        self.producers.clear();
        self.save_epochs(Write::Synced, disk)?;
        self.write(Write::Synced, disk, |saved| {
            saved.recovery_point = start;
            saved.log_start = start;
            saved.producer_snapshots.clear();
        })
    }

    /// Raises the log start, as a follower does after its leader. Files go at the next retention.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn raise_start(&mut self, to: Offset, disk: &mut Disk) -> Result<(), IoError> {
        if to > self.start && to <= self.end {
            self.start = to;
            self.watermark = self.watermark.max(to);
            if self.epochs.truncate_start(to) {
                self.save_epochs(Write::InBackground, disk)?;
            }
        }
        Ok(())
    }

    /// Deletes old segments: by age, by size, below the log start. Only a prefix goes, and only
    /// what lies below the high watermark.
    ///
    /// # Errors
    /// If the disk is full or broken.
    ///
    /// Kafka: UnifiedLog.deleteOldSegments
    pub fn retain(
        &mut self,
        config: &TopicConfig,
        disk: &mut Disk,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), IoError> {
        let wall = ctx.wall();
        let total: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        let mut excess = total.saturating_sub(config.retention_bytes);
        let mut count = 0;
        for (place, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(place + 1);
            let upper = next.map_or(self.end, |next| next.base);
            let last_and_empty = next.is_none() && segment.bytes == 0;
            let too_old = config.retention != Span::FOREVER
                && segment.bytes > 0
                && wall.since(segment.max_timestamp) > config.retention;
            let too_much = excess > 0 && excess >= segment.bytes;
            let below_start = next.is_some_and(|next| next.base <= self.start);
            let due = too_old || too_much || below_start;
            let takes = rulings::retention_takes(ctx.rules, due, upper, self.watermark);
            if last_and_empty || !takes {
                break;
            }
            excess = excess.saturating_sub(segment.bytes);
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        if count == self.segments.len() {
            self.roll(disk, ctx)?;
        }
        let start = self.segments[count].base;
        self.raise_start(start, disk)?;
        // The snapshot at the beginning of a segment goes with it.
        let goes = |at: Offset| self.segments.range(..count).any(|segment| segment.base == at);
        self.retain_snapshots(|at| !goes(at), disk)?;
        self.segments.drain(..count);
        disk.delete_before(self.handle()?, start)
    }

    // ---- syncing and checkpoints ----

    /// Asks for a sync of everything appended so far.
    pub fn sync(&mut self, ctx: &mut Ctx<'_>) {
        self.unsynced = 0;
        ctx.flush(self.id, self.end);
    }

    /// A sync is done.
    pub fn synced(&mut self, up_to: Offset) {
        self.recovery_point = self.recovery_point.max(up_to).min(self.end);
    }

    /// Writes the high watermark checkpoint.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn checkpoint_watermark(&self, disk: &mut Disk) -> Result<(), IoError> {
        self.write(Write::Synced, disk, |saved| saved.watermark = self.watermark)
    }

    /// Writes the checkpoints of recovery point and log start. The latter is only worth an entry
    /// above the base of the first segment.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn checkpoint_recovery(&self, disk: &mut Disk) -> Result<(), IoError> {
        let first = self.segments.front().map_or(Offset::ZERO, |segment| segment.base);
        self.write(Write::Synced, disk, |saved| {
            saved.recovery_point = self.recovery_point;
            saved.log_start = if self.start > first { self.start } else { Offset::ZERO };
        })
    }

    /// What a clean shutdown writes: every checkpoint, and a snapshot of the producers.
    ///
    /// # Errors
    /// If the disk is full or broken.
    pub fn close(&mut self, disk: &mut Disk) -> Result<(), IoError> {
        self.recovery_point = self.end;
        self.checkpoint_watermark(disk)?;
        self.checkpoint_recovery(disk)?;
        self.take_snapshot((self.start, self.end), Write::Synced, disk)
    }

    // ---- inside ----

    fn must_roll(&self, batch: &Batch, config: &TopicConfig) -> bool {
        let Some(segment) = self.segments.back() else {
            return false;
        };
        let too_large =
            segment.bytes > 0 && segment.bytes + u64::from(batch.bytes) > config.segment_bytes;
        let too_old = segment
            .first_timestamp
            .is_some_and(|first| batch.max_timestamp.since(first) > config.segment_age);
        too_large || too_old
    }

    /// Starts a new segment; the old one is synced in the background.
    fn roll(&mut self, disk: &mut Disk, ctx: &mut Ctx<'_>) -> Result<(), IoError> {
        disk.roll(self.handle()?, self.end)?;
        self.segments.push_back(Segment::new(self.end));
        self.take_snapshot((self.start, self.end), Write::InBackground, disk)?;
        self.sync(ctx);
        Ok(())
    }

    fn write(
        &self,
        how: Write,
        disk: &mut Disk,
        change: impl FnOnce(&mut Checkpoints),
    ) -> Result<(), IoError> {
        disk.write_checkpoints(self.handle()?, how, change)
    }

    /// Epochs are added to their file at once, and removed from it in the background: no epoch of
    /// the log is ever missing there (`LeaderEpochFileCache`).
    fn save_epochs(&self, how: Write, disk: &mut Disk) -> Result<(), IoError> {
        self.write(how, disk, |saved| {
            saved.leader_epochs.clear();
            saved.leader_epochs.extend_from_slice(self.epochs.entries());
        })
    }

    /// Counts the bytes and timestamps of each segment from its batches.
    fn index_segments(&mut self, disk: &Disk) -> Result<(), IoError> {
        let image = disk.image(self.handle()?)?;
        self.segments.clear();
        self.segments.extend(image.segments().iter().copied().map(Segment::new));
        let mut place = 0;
        for batch in image.batches() {
            while self.segments.get(place + 1).is_some_and(|next| next.base <= batch.base) {
                place += 1;
            }
            if let Some(segment) = self.segments.get_mut(place) {
                segment.take(batch);
            }
        }
        Ok(())
    }

    /// The epoch file may have outlived the log, or lag behind it: the batches know better.
    fn recover_epochs(&mut self, disk: &mut Disk) -> Result<(), IoError> {
        self.epochs.truncate_end(self.end);
        self.epochs.truncate_start(self.start);
        let mut latest = self.epochs.latest();
        for batch in disk.image(self.handle()?)?.batches() {
            if Some(batch.leader_epoch) > latest {
                self.epochs.assign(batch.leader_epoch, batch.base);
                latest = Some(batch.leader_epoch);
            }
        }
        let unchanged = disk.checkpoints(self.handle()?).leader_epochs == self.epochs.entries();
        if unchanged { Ok(()) } else { self.save_epochs(Write::InBackground, disk) }
    }
}

#[cfg(test)]
mod tests;
