//! What survives a crash: logs, and small files beside them, each with what a power loss could
//! undo of it.
//!
//! A disk has a table of the logs that exist on it, by [`LogId`]: partitions and the metadata log
//! alike, each in one log directory. A running node reaches its logs by [`LogHandle`], as a process
//! has its files open.
//!
//! A process crash keeps every operation. A power loss keeps, of each log by itself, a random
//! prefix of the appends since its last sync, of which the last ones may be torn; checkpoints are
//! small files with rules of their own (`files`), and can be older than the log or outlive it. A
//! truncation is durable at once: Kafka syncs a checkpoint right behind it, and a journaling file
//! system keeps the order of the two; otherwise old records would return below the leader epochs of
//! new ones. On a full disk, or in a failed directory, nothing can be written.
//!
//! Each operation done on a partition's log leaves an observed [`Fact`]; nodes write none of these.
//! Knows nothing of leaders, time or cause: syncing, losing power, filling and breaking a disk is
//! called by `sim` alone (tidy checks it).

mod files;
mod log_file;
mod snapshots;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ids::{BrokerEpoch, BrokerId, DiskId, LogId, NodeId, Offset, PartitionId};
use crate::model::batch::Batch;
use crate::model::body::BodyCounts;
use crate::model::fact::Fact;

pub use self::files::{Checkpoints, Write};
pub use self::log_file::LogImage;
use self::log_file::{LogFile, Lost};
pub use self::snapshots::ProducerEntry;

/// Why an operation on a disk was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoError {
    /// No space left.
    Full,
    /// The log directory is broken.
    Failed,
}

/// A log of this disk, opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHandle(u32);

/// Where a chunk of batches lies on a disk: in which log, and as which of its full chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkPlace {
    log: usize,
    chunk: usize,
}

/// How much of the unsynced operations a power loss leaves, per log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The first so many operations. If the one after them was an append it may be there, `torn`,
    /// with so many appends `behind` it that are whole. Files that were written in the background
    /// may be the older ones.
    Operations { count: usize, torn: bool, behind: usize, older_files: bool },
    /// Everything below this base offset, flushed or not.
    Below(Offset),
}

impl Kept {
    /// Nothing but what was synced.
    pub const SYNCED: Self =
        Self::Operations { count: 0, torn: false, behind: 0, older_files: false };
    /// Everything.
    pub const ALL: Self =
        Self::Operations { count: usize::MAX, torn: false, behind: 0, older_files: false };
}

/// The storage of one broker or controller.
#[derive(Clone, Debug)]
pub struct Disk {
    owner: NodeId,
    /// The logs that exist, in the order in which they were created.
    logs: Vec<LogFile>,
    places: BTreeMap<LogId, LogHandle>,
    /// `.kafka_cleanshutdown`.
    clean_shutdown: Option<BrokerEpoch>,
    /// Its directory ids (`meta.properties`).
    id: DiskId,
    used: u64,
    capacity: u64,
    forced_full: bool,
    failed_dirs: u64,
    /// In which directories a write of a partition found no space since the process was started.
    full_dirs: u64,
    dirs: u16,
    journal: Vec<Fact>,
    /// Nobody wants to hear what is done to logs.
    silent: bool,
    /// Which bodies its batches name.
    bodies: BodyCounts,
}

impl Disk {
    /// An empty, formatted disk with so many log directories.
    #[must_use]
    pub fn new(owner: NodeId, dirs: u16, capacity: u64) -> Self {
        Self {
            owner,
            logs: Vec::new(),
            places: BTreeMap::new(),
            clean_shutdown: None,
            id: DiskId(0),
            used: 0,
            capacity,
            forced_full: false,
            failed_dirs: 0,
            full_dirs: 0,
            dirs: dirs.max(1),
            journal: Vec::new(),
            silent: false,
            bodies: BodyCounts::default(),
        }
    }

    // ---- what a node may do ----

    /// How many log directories there are.
    #[must_use]
    pub const fn dirs(&self) -> u16 {
        self.dirs
    }

    /// Which directories fail every operation, as a bit set.
    #[must_use]
    pub const fn failed_dirs(&self) -> u64 {
        self.failed_dirs
    }

    /// The logs that exist, partitions first.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        self.places.keys().copied()
    }

    /// In which log directory a log lies, if it exists.
    #[must_use]
    pub fn dir_of(&self, log: LogId) -> Option<u16> {
        self.places.get(&log).map(|handle| self.file(*handle).dir)
    }

    /// A log as it reads now; empty if it does not exist.
    ///
    /// # Errors
    /// If its directory has failed.
    pub fn log(&self, log: impl Into<LogId>) -> Result<&LogImage, IoError> {
        match self.places.get(&log.into()) {
            Some(handle) => self.image(*handle),
            None => Ok(const { &LogImage::NONE }),
        }
    }

    /// Opens a log; creates it in this directory, empty and from `start` on, if it does not exist.
    ///
    /// # Errors
    /// If its directory has failed.
    pub fn create_log(
        &mut self,
        log: LogId,
        dir: u16,
        start: Offset,
    ) -> Result<LogHandle, IoError> {
        if let Some(handle) = self.places.get(&log) {
            return self.check_dir(self.file(*handle).dir).map(|()| *handle);
        }
        self.check_dir(dir)?;
        // The directory entry is synced at creation.
        let handle = LogHandle(self.logs.len() as u32);
        self.logs.push(LogFile::new(log, dir, start));
        self.places.insert(log, handle);
        Ok(handle)
    }

    /// An opened log as it reads now.
    ///
    /// # Errors
    /// If its directory has failed.
    #[inline]
    pub fn image(&self, handle: LogHandle) -> Result<&LogImage, IoError> {
        let file = self.file(handle);
        self.check_dir(file.dir)?;
        Ok(&file.image)
    }

    /// Appends a batch. An observed fact.
    ///
    /// # Errors
    /// If the disk is full or the directory has failed; nothing is written then.
    pub fn append(&mut self, handle: LogHandle, batch: Batch) -> Result<(), IoError> {
        if self.forced_full || self.used + u64::from(batch.bytes) > self.capacity {
            return Err(self.refused(handle));
        }
        let file = &mut self.logs[handle.0 as usize];
        if self.failed_dirs >> file.dir & 1 == 1 {
            return Err(IoError::Failed);
        }
        self.used += u64::from(batch.bytes);
        file.append(batch);
        if let Some(body) = batch.records.body() {
            self.bodies.more(body);
        }
        if let (LogId::Partition(partition), NodeId::Broker(broker), false) =
            (file.id, self.owner, self.silent)
        {
            self.journal.push(appended(broker, partition, &batch));
        }
        Ok(())
    }

    /// Starts a new segment at `base`.
    ///
    /// # Errors
    /// If the disk is full or the directory has failed.
    pub fn roll(&mut self, handle: LogHandle, base: Offset) -> Result<(), IoError> {
        self.check_dir(self.file(handle).dir)?;
        if self.forced_full {
            return Err(self.refused(handle));
        }
        self.logs[handle.0 as usize].roll(base);
        Ok(())
    }

    /// Removes every batch that reaches beyond `to`, which is not below the first segment. An
    /// observed fact if there was any. Durable at once: after it Kafka replaces and syncs the
    /// recovery point checkpoint in the same directory (`LogManager.truncateTo`), which commits the
    /// file system's journal. Otherwise a power loss could bring the old records back under the
    /// leader epochs of the new ones.
    ///
    /// # Errors
    /// If the directory has failed.
    pub fn truncate(&mut self, handle: LogHandle, to: Offset) -> Result<(), IoError> {
        let before = self.image(handle)?.end();
        if before > to {
            self.change(handle, |file, bodies| file.truncate(to, bodies));
            let to = self.file(handle).image.end().min(to);
            self.observe(handle, |broker, partition| Fact::Truncated {
                broker,
                partition,
                from: before,
                to,
            });
        }
        Ok(())
    }

    /// Deletes whole segments that end at or below `to`. An observed fact if there was any.
    ///
    /// # Errors
    /// If the directory has failed.
    pub fn delete_before(&mut self, handle: LogHandle, to: Offset) -> Result<(), IoError> {
        let before = self.image(handle)?.start();
        self.change(handle, |file, _| file.delete_before(to));
        let to = self.file(handle).image.start();
        if to > before {
            self.observe(handle, |broker, partition| Fact::LogStartMoved { broker, partition, to });
        }
        Ok(())
    }

    /// Throws the whole log away and starts an empty one at `start`. An observed fact. Durable at
    /// once, like [`Disk::truncate`].
    ///
    /// # Errors
    /// If the directory has failed.
    pub fn reset_log(&mut self, handle: LogHandle, start: Offset) -> Result<(), IoError> {
        let image = self.image(handle)?;
        let (from, to) = (image.end(), image.start().min(start));
        self.change(handle, |file, bodies| file.reset(start, bodies));
        self.observe(handle, |broker, partition| Fact::Truncated { broker, partition, from, to });
        let to = start;
        self.observe(handle, |broker, partition| Fact::LogStartMoved { broker, partition, to });
        Ok(())
    }

    /// The checkpoint files of a log.
    #[must_use]
    pub fn checkpoints(&self, handle: LogHandle) -> &Checkpoints {
        &self.file(handle).checkpoints
    }

    /// The checkpoint files of a log, if it exists.
    #[must_use]
    pub fn checkpoints_of(&self, log: LogId) -> Option<&Checkpoints> {
        self.places.get(&log).map(|handle| self.checkpoints(*handle))
    }

    /// Replaces checkpoint files of a log.
    ///
    /// # Errors
    /// If the disk is full or the directory has failed; the files are as before then.
    pub fn write_checkpoints(
        &mut self,
        handle: LogHandle,
        how: Write,
        change: impl FnOnce(&mut Checkpoints),
    ) -> Result<(), IoError> {
        self.check_dir(self.file(handle).dir)?;
        self.check_space().map_err(|_| self.refused(handle))?;
        self.logs[handle.0 as usize].checkpoints.write(how, change);
        Ok(())
    }

    /// Its directory ids; new ones after it was emptied and formatted.
    #[must_use]
    pub const fn id(&self) -> DiskId {
        self.id
    }

    /// The clean-shutdown marker.
    #[must_use]
    pub const fn clean_shutdown(&self) -> Option<BrokerEpoch> {
        self.clean_shutdown
    }

    /// Removes the marker: what happens to the logs from now on is not covered by it. A power loss
    /// does not bring it back without undoing all that came after, for a journaling file system
    /// keeps the order.
    pub const fn remove_clean_shutdown(&mut self) {
        self.clean_shutdown = None;
    }

    /// Flushes every log, then writes the clean-shutdown marker, synced
    /// (`CleanShutdownFileHandler.write`).
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write_clean_shutdown(&mut self, epoch: BrokerEpoch) -> Result<(), IoError> {
        self.check_space()?;
        for file in &mut self.logs {
            file.sync(usize::MAX, &mut self.bodies);
        }
        self.clean_shutdown = Some(epoch);
        Ok(())
    }

    #[inline]
    fn file(&self, handle: LogHandle) -> &LogFile {
        &self.logs[handle.0 as usize]
    }

    /// Changes how many bytes a log has.
    fn change(&mut self, handle: LogHandle, act: impl FnOnce(&mut LogFile, &mut BodyCounts)) {
        let file = &mut self.logs[handle.0 as usize];
        let before = file.bytes;
        act(file, &mut self.bodies);
        self.used = self.used - before + file.bytes;
    }

    #[inline]
    const fn check_dir(&self, dir: u16) -> Result<(), IoError> {
        if self.failed_dirs >> dir & 1 == 1 {
            return Err(IoError::Failed);
        }
        Ok(())
    }

    const fn check_space(&self) -> Result<(), IoError> {
        if self.forced_full || self.used >= self.capacity {
            return Err(IoError::Full);
        }
        Ok(())
    }

    /// Why a write is refused that finds no space. Kafka takes the directory of a partition offline
    /// for that as for any failure, so it is observed as one, once for each start of a process.
    #[cold]
    fn refused(&mut self, handle: LogHandle) -> IoError {
        let LogFile { dir, id, .. } = *self.file(handle);
        if self.failed_dirs >> dir & 1 == 1 {
            return IoError::Failed;
        }
        if matches!(id, LogId::Partition(_)) && self.full_dirs >> dir & 1 == 0 {
            self.full_dirs |= 1 << dir;
            self.observe(handle, |broker, _| Fact::DiskFailed { broker, dir });
        }
        IoError::Full
    }

    /// Notes what was done to a partition's log.
    fn observe(&mut self, handle: LogHandle, fact: impl FnOnce(BrokerId, PartitionId) -> Fact) {
        if self.silent {
            return;
        }
        if let (NodeId::Broker(broker), LogId::Partition(partition)) =
            (self.owner, self.file(handle).id)
        {
            self.journal.push(fact(broker, partition));
        }
    }

    /// Notes what a log has lost; answers how many records of a partition that are.
    fn observe_lost(&mut self, handle: LogHandle, lost: Option<Lost>) -> u32 {
        let whose = (self.owner, self.file(handle).id);
        let (NodeId::Broker(broker), LogId::Partition(partition)) = whose else { return 0 };
        let Some(Lost { from, to, records }) = lost else { return 0 };
        self.journal.push(Fact::TailLost { broker, partition, from, to });
        records as u32
    }

    // ---- what the machine does: called by `sim` alone ----

    /// The place of the next operation among all that a log has had: a sync asked for now covers
    /// what comes before it.
    #[must_use]
    pub fn sim_position(&self, log: LogId) -> u64 {
        self.places.get(&log).map_or(0, |handle| self.file(*handle).position())
    }

    /// Syncs the operations of a log before that place, unless they have been.
    pub fn sim_sync_to(&mut self, log: LogId, position: u64) {
        if let Some(handle) = self.places.get(&log) {
            self.logs[handle.0 as usize].sync_to(position, &mut self.bodies);
        }
    }

    /// One past the last offset of a log that a power loss leaves in any case.
    #[must_use]
    pub fn sim_durable_end(&self, log: LogId) -> Offset {
        self.places.get(&log).map_or(Offset::ZERO, |handle| self.file(*handle).durable_end())
    }

    /// How much of a log a start after an unclean stop reads anew: bytes beyond the recovery point.
    #[must_use]
    pub fn sim_unrecovered_bytes(&self, log: LogId) -> u64 {
        let Some(file) = self.places.get(&log).map(|handle| self.file(*handle)) else { return 0 };
        let from = file.checkpoints.recovery_point;
        let batches = file.image.batches().iter().rev().take_while(|batch| batch.base >= from);
        batches.map(|batch| u64::from(batch.bytes)).sum()
    }

    /// One writeback tick: syncs what was unsynced at the previous tick already.
    pub fn sim_writeback(&mut self) {
        for file in &mut self.logs {
            file.write_back(&mut self.bodies);
        }
    }

    /// The next chunk that this disk could share with other replicas of its log and for which they
    /// were not asked yet, in the logs from this place on: its place, the log, the batches.
    #[must_use]
    pub fn sim_unshared(&self, from: ChunkPlace) -> Option<(ChunkPlace, LogId, Arc<[Batch]>)> {
        let files = self.logs.iter().enumerate().skip(from.log);
        let mut found = files.filter_map(|(log, file)| Some((log, file.id, file.unshared()?)));
        let (log, id, (chunk, batches)) = found.next()?;
        Some((ChunkPlace { log, chunk }, id, Arc::clone(batches)))
    }

    /// The same batches as this disk has them in memory, for another one to take over.
    #[must_use]
    pub fn sim_known(&self, log: LogId, batches: &[Batch]) -> Option<Arc<[Batch]>> {
        self.file(*self.places.get(&log)?).known(batches).cloned()
    }

    /// The other replicas were asked for a chunk; takes over what was found, if anything was.
    pub fn sim_share(&mut self, at: ChunkPlace, known: Option<&Arc<[Batch]>>) {
        self.logs[at.log].share(at.chunk, known);
    }

    /// Loses power: of each log what `kept` says of so many unsynced operations is left. Returns
    /// how many records of partitions are gone. Observed facts.
    pub fn sim_lose_power(&mut self, mut kept: impl FnMut(LogId, usize) -> Kept) -> u32 {
        let mut records = 0;
        let handles: Vec<(LogId, LogHandle)> = self.places.iter().map(|(l, h)| (*l, *h)).collect();
        for (log, handle) in handles {
            let kept = kept(log, self.file(handle).unsynced());
            let mut lost = None;
            self.change(handle, |file, bodies| lost = file.lose_power(kept, bodies));
            records += self.observe_lost(handle, lost);
        }
        records
    }

    /// Makes the disk full, or gives the space back.
    pub const fn sim_set_full(&mut self, full: bool) {
        self.forced_full = full;
    }

    /// Breaks a log directory.
    pub const fn sim_fail_dir(&mut self, dir: u16) {
        self.failed_dirs |= 1 << dir;
    }

    /// A process is started: it tries every log directory anew.
    pub const fn sim_try_dirs_anew(&mut self) {
        (self.failed_dirs, self.full_dirs) = (0, 0);
    }

    /// Whether some log directory has failed, or a write in it has found no space, since the
    /// process was started: Kafka does not take such a directory back before the next start.
    #[must_use]
    pub const fn sim_needs_restart(&self) -> bool {
        self.failed_dirs | self.full_dirs != 0
    }

    /// Empties the disk and formats it anew. Returns how many records of partitions are gone.
    /// Observed facts.
    pub fn sim_wipe(&mut self) -> u32 {
        let mut records = 0;
        let handles: Vec<LogHandle> = self.places.values().copied().collect();
        for handle in handles {
            let lost = self.logs[handle.0 as usize].wipe(&mut self.bodies);
            records += self.observe_lost(handle, lost);
        }
        self.logs.clear();
        self.places.clear();
        self.clean_shutdown = None;
        self.id = DiskId(self.id.0 + 1);
        self.used = 0;
        (self.failed_dirs, self.full_dirs) = (0, 0);
        records
    }

    /// Takes the last batch of a log for torn (`corrupt-log`).
    pub fn sim_corrupt(&mut self, log: LogId) {
        if let Some(handle) = self.places.get(&log) {
            let image = &mut self.logs[handle.0 as usize].image;
            image.torn = image.torn.or(image.batches.back().map(|batch| batch.base));
        }
    }

    /// Moves the observed facts since the last call out of the disk.
    pub fn sim_drain_journal(&mut self, take: impl FnMut(&Fact)) {
        self.journal.iter().for_each(take);
        self.journal.clear();
    }

    /// Which bodies its batches have begun and ceased to name.
    pub const fn sim_body_counts(&mut self) -> &mut BodyCounts {
        &mut self.bodies
    }

    /// Whether nobody wants to hear what is done to logs. A lost tail is told nevertheless.
    pub const fn sim_set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Whether there is anything to drain: observed facts, or bodies to count.
    #[must_use]
    pub const fn sim_has_news(&self) -> bool {
        !self.journal.is_empty() || !self.bodies.is_empty()
    }
}

const fn appended(broker: BrokerId, partition: PartitionId, batch: &Batch) -> Fact {
    Fact::Appended {
        broker,
        partition,
        base: batch.base,
        count: batch.count,
        leader_epoch: batch.leader_epoch,
        records: batch.records,
        sequence: batch.sequence,
    }
}
