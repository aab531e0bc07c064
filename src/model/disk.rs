//! What survives a crash: per file a durable image plus ordered operations not yet synced.
//!
//! A process crash keeps every operation. A power loss keeps, of each file by itself, a random
//! prefix of the appends since its last sync, and a checkpoint (written, synced and renamed at
//! once) can outlive its log. A truncation is durable at once: Kafka syncs a checkpoint right
//! behind it, and a journaling file system keeps the order of the two; otherwise old records would
//! return below the leader epochs of new ones. Each operation done on a log leaves an observed
//! [`Fact`]; nodes write none of these. Knows nothing of leaders, time or cause: syncing, losing
//! power, filling and breaking a disk is called by `sim` alone (tidy checks it).

#![expect(missing_docs, reason = "fields bear Kafka's own names; every variant is documented")]

mod log_file;

use std::collections::VecDeque;

use crate::base::ids::{BrokerEpoch, BrokerId, DiskId, LeaderEpoch, Offset, PartitionId};
use crate::model::batch::Batch;
use crate::model::fact::Fact;
use crate::model::metadata::MetadataRecord;

pub use self::log_file::LogImage;
use self::log_file::{LogFile, LogOp};

/// Why an operation on a disk was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoError {
    /// No space left.
    Full,
    /// The log directory is broken.
    Failed,
}

/// The checkpoint files of one partition: each is replaced atomically and synced at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// `replication-offset-checkpoint`: the high watermark.
    pub watermark: Offset,
    /// `log-start-offset-checkpoint`.
    pub log_start: Offset,
    /// `recovery-point-offset-checkpoint`: everything below has been synced.
    pub recovery_point: Offset,
    /// `leader-epoch-checkpoint`: each epoch with its first offset.
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// The `<offset>.snapshot` files of the producer state, oldest first. What they hold follows
    /// from the log below them.
    pub producer_snapshots: VecDeque<Offset>,
}

/// How much of the unsynced operations a power loss leaves, per partition log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The first so many operations; the one after them torn if it was an append.
    Operations { count: usize, torn: bool },
    /// Everything below this base offset, flushed or not.
    Below(Offset),
}

/// The storage of one broker or controller.
#[derive(Clone, Debug)]
pub struct Disk {
    owner: BrokerId,
    logs: Vec<LogFile>,
    checkpoints: Vec<Checkpoints>,
    clean_shutdown: Option<BrokerEpoch>,
    /// Its directory ids (`meta.properties`).
    id: DiskId,
    metadata: Vec<MetadataRecord>,
    metadata_synced: usize,
    used: u64,
    capacity: u64,
    forced_full: bool,
    failed_dirs: u64,
    dirs: u16,
    directory_id: u32,
    journal: Vec<Fact>,
    /// Nobody wants to hear what is done to logs.
    silent: bool,
}

impl Disk {
    /// An empty, formatted disk for so many partitions, with so many log directories.
    #[must_use]
    pub fn new(owner: BrokerId, partitions: usize, dirs: u16, capacity: u64) -> Self {
        Self {
            owner,
            logs: (0..partitions).map(|_| LogFile::with_room(partitions)).collect(),
            checkpoints: vec![Checkpoints::default(); partitions],
            clean_shutdown: None,
            id: DiskId(0),
            metadata: Vec::new(),
            metadata_synced: 0,
            used: 0,
            capacity,
            forced_full: false,
            failed_dirs: 0,
            dirs: dirs.max(1),
            directory_id: 1,
            journal: Vec::new(),
            silent: false,
        }
    }

    // ---- what a node may do ----

    /// The log directory of a partition, numbered from 0.
    #[must_use]
    pub const fn dir_of(&self, partition: PartitionId) -> u16 {
        // Asked on every access to a log, and most brokers have one directory.
        if self.dirs == 1 { 0 } else { partition.0 % self.dirs }
    }

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

    /// Changes with every formatting (KIP-858).
    #[must_use]
    pub const fn directory_id(&self) -> u32 {
        self.directory_id
    }

    /// The log of a partition as it reads now.
    ///
    /// # Errors
    /// If its directory has failed.
    pub fn log(&self, partition: PartitionId) -> Result<&LogImage, IoError> {
        self.check_dir(partition)?;
        Ok(&self.logs[partition.index()].current)
    }

    /// Creates the log of a partition, empty, from `start` on; does nothing if it exists.
    ///
    /// # Errors
    /// If its directory has failed.
    pub fn create_log(&mut self, partition: PartitionId, start: Offset) -> Result<(), IoError> {
        self.check_dir(partition)?;
        let log = &mut self.logs[partition.index()];
        if log.current.segments.is_empty() {
            log.apply(LogOp::Reset(start));
            log.sync(usize::MAX); // the directory entry is synced at creation
        }
        Ok(())
    }

    /// Appends a batch. An observed fact.
    ///
    /// # Errors
    /// If the disk is full or the directory has failed; nothing is written then.
    pub fn append(&mut self, partition: PartitionId, batch: Batch) -> Result<(), IoError> {
        self.check_dir(partition)?;
        if self.forced_full || self.used + u64::from(batch.bytes) > self.capacity {
            return Err(IoError::Full);
        }
        self.used += u64::from(batch.bytes);
        let log = &mut self.logs[partition.index()];
        log.bytes += u64::from(batch.bytes);
        log.current.batches.push_back(batch);
        log.unsynced.push_back(LogOp::Append(batch));
        self.observe(appended(self.owner, partition, &batch));
        Ok(())
    }

    /// Starts a new segment at `base`.
    ///
    /// # Errors
    /// If the disk is full or the directory has failed.
    pub fn roll(&mut self, partition: PartitionId, base: Offset) -> Result<(), IoError> {
        self.check_dir(partition)?;
        if self.forced_full {
            return Err(IoError::Full);
        }
        self.logs[partition.index()].apply(LogOp::Roll(base));
        Ok(())
    }

    /// Removes every batch that reaches beyond `to`. An observed fact if there was any. Durable at
    /// once: after it Kafka replaces and syncs the recovery point checkpoint in the same directory
    /// (`LogManager.truncateTo`), which commits the file system's journal. Otherwise a power loss
    /// could bring the old records back under the leader epochs of the new ones.
    ///
    /// # Errors
    /// If the directory has failed.
    pub fn truncate(&mut self, partition: PartitionId, to: Offset) -> Result<(), IoError> {
        self.check_dir(partition)?;
        let owner = self.owner;
        let log = &mut self.logs[partition.index()];
        let before = log.current.end();
        if before <= to {
            return Ok(());
        }
        log.apply_durably(LogOp::Truncate(to));
        let after = log.current.end().min(to);
        self.recount(partition);
        self.observe(Fact::Truncated { broker: owner, partition, from: before, to: after });
        Ok(())
    }

    /// Deletes whole segments that end at or below `to`. An observed fact if there was any.
    ///
    /// # Errors
    /// If the directory has failed.
    pub fn delete_before(&mut self, partition: PartitionId, to: Offset) -> Result<(), IoError> {
        self.check_dir(partition)?;
        let owner = self.owner;
        let log = &mut self.logs[partition.index()];
        let before = log.current.segments.front().copied().unwrap_or_default();
        log.apply(LogOp::DeleteBefore(to));
        let after = log.current.segments.front().copied().unwrap_or_default();
        self.recount(partition);
        if after > before {
            self.observe(Fact::LogStartMoved { broker: owner, partition, to: after });
        }
        Ok(())
    }

    /// Throws the whole log away and starts an empty one at `start`. An observed fact. Durable at
    /// once, like [`Disk::truncate`].
    ///
    /// # Errors
    /// If the directory has failed.
    pub fn reset_log(&mut self, partition: PartitionId, start: Offset) -> Result<(), IoError> {
        self.check_dir(partition)?;
        let owner = self.owner;
        let log = &mut self.logs[partition.index()];
        let before = log.current.end();
        let first = log.current.segments.front().copied().unwrap_or_default();
        log.apply_durably(LogOp::Reset(start));
        self.recount(partition);
        let to = first.min(start);
        self.observe(Fact::Truncated { broker: owner, partition, from: before, to });
        self.observe(Fact::LogStartMoved { broker: owner, partition, to: start });
        Ok(())
    }

    /// The checkpoint files of a partition.
    #[must_use]
    pub fn checkpoints(&self, partition: PartitionId) -> &Checkpoints {
        &self.checkpoints[partition.index()]
    }

    /// Replaces checkpoint files of a partition. Ignored on a failed directory: Kafka logs that and
    /// takes the directory offline on the next append.
    pub fn write_checkpoints(
        &mut self,
        partition: PartitionId,
        write: impl FnOnce(&mut Checkpoints),
    ) {
        if self.check_dir(partition).is_ok() {
            write(&mut self.checkpoints[partition.index()]);
        }
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

    /// Removes the marker: what happens to the logs from now on is not covered by it.
    pub const fn remove_clean_shutdown(&mut self) {
        self.clean_shutdown = None;
    }

    /// Writes the clean-shutdown marker after every log has been flushed: syncs everything.
    pub fn write_clean_shutdown(&mut self, epoch: BrokerEpoch) {
        self.sync_all();
        self.clean_shutdown = Some(epoch);
    }

    /// The metadata log (controllers only).
    #[must_use]
    pub fn metadata(&self) -> &[MetadataRecord] {
        &self.metadata
    }

    /// Appends to the metadata log (controllers only).
    pub fn append_metadata(&mut self, record: MetadataRecord) {
        self.metadata.push(record);
    }

    /// Removes records of the metadata log from `to` on (controllers only).
    pub fn truncate_metadata(&mut self, to: Offset) {
        self.metadata.truncate(to.0 as usize);
        self.metadata_synced = self.metadata_synced.min(self.metadata.len());
    }

    /// How many unsynced operations a partition's log has: what a flush asked for now will cover.
    #[must_use]
    pub fn unsynced(&self, partition: PartitionId) -> usize {
        self.logs[partition.index()].unsynced.len()
    }

    /// Bytes in a partition's log.
    #[must_use]
    pub fn log_bytes(&self, partition: PartitionId) -> u64 {
        self.logs[partition.index()].bytes
    }

    const fn check_dir(&self, partition: PartitionId) -> Result<(), IoError> {
        if self.failed_dirs >> self.dir_of(partition) & 1 == 1 {
            return Err(IoError::Failed);
        }
        Ok(())
    }

    /// Notes what was done to a log.
    fn observe(&mut self, fact: Fact) {
        if !self.silent {
            self.journal.push(fact);
        }
    }

    fn recount(&mut self, partition: PartitionId) {
        let log = &mut self.logs[partition.index()];
        let bytes = log.current.batches.iter().map(|b| u64::from(b.bytes)).sum();
        self.used = self.used - log.bytes + bytes;
        log.bytes = bytes;
    }

    // ---- what the machine does: called by `sim` alone ----

    /// Syncs the first so many unsynced operations of a partition's log.
    pub fn sim_sync(&mut self, partition: PartitionId, operations: usize) {
        self.logs[partition.index()].sync(operations);
    }

    /// The place of the next operation among all that a partition's log has had: a sync asked for
    /// now covers what comes before it.
    #[must_use]
    pub fn sim_position(&self, partition: PartitionId) -> u64 {
        let log = &self.logs[partition.index()];
        log.synced + log.unsynced.len() as u64
    }

    /// Syncs the operations of a partition's log before that place, unless they have been.
    pub fn sim_sync_to(&mut self, partition: PartitionId, position: u64) {
        let log = &mut self.logs[partition.index()];
        log.sync(position.saturating_sub(log.synced) as usize);
    }

    /// Syncs the metadata log.
    pub const fn sim_sync_metadata(&mut self) {
        self.metadata_synced = self.metadata.len();
    }

    /// One writeback tick: syncs what was unsynced at the previous tick already.
    pub fn sim_writeback(&mut self) {
        for log in &mut self.logs {
            let aged = log.aged;
            log.sync(aged);
            log.aged = log.unsynced.len();
        }
        self.metadata_synced = self.metadata.len();
    }

    /// Loses power: of each partition's log what `kept` says is left. Returns how many records of
    /// how many partitions are gone. Observed facts.
    pub fn sim_lose_power(&mut self, mut kept: impl FnMut(PartitionId, usize) -> Kept) -> u32 {
        let mut lost_records = 0;
        for place in 0..self.logs.len() {
            let partition = PartitionId(place as u16);
            let kept = kept(partition, self.logs[place].unsynced.len());
            let log = &mut self.logs[place];
            let before = std::mem::take(&mut log.current);
            let mut after = std::mem::take(&mut log.durable);
            match kept {
                Kept::Operations { count, torn } => {
                    let mut operations = log.unsynced.drain(..);
                    for op in operations.by_ref().take(count) {
                        after.apply(op);
                    }
                    if let (true, Some(LogOp::Append(batch))) = (torn, operations.next()) {
                        after.apply(LogOp::Append(batch));
                        after.torn = true;
                    }
                }
                Kept::Below(offset) => {
                    after = before.clone();
                    after.apply(LogOp::Truncate(offset));
                    log.unsynced.clear();
                }
            }
            log.unsynced.clear();
            log.aged = 0;
            log.current = after.clone();
            log.durable = after;
            lost_records += self.note_difference(partition, &before);
            self.recount(partition);
        }
        self.metadata.truncate(self.metadata_synced);
        lost_records
    }

    /// Makes the disk full, or gives the space back.
    pub const fn sim_set_full(&mut self, full: bool) {
        self.forced_full = full;
    }

    /// Breaks a log directory, or repairs it.
    pub const fn sim_set_dir_failed(&mut self, dir: u16, failed: bool) {
        if failed {
            self.failed_dirs |= 1 << dir;
        } else {
            self.failed_dirs &= !(1 << dir);
        }
    }

    /// Empties the disk and formats it anew. Observed facts.
    pub fn sim_wipe(&mut self) {
        for place in 0..self.logs.len() {
            let partition = PartitionId(place as u16);
            let before = std::mem::take(&mut self.logs[place]);
            self.note_difference(partition, &before.current);
        }
        for checkpoints in &mut self.checkpoints {
            *checkpoints = Checkpoints::default();
        }
        self.clean_shutdown = None;
        self.id = DiskId(self.id.0 + 1);
        self.metadata.clear();
        self.metadata_synced = 0;
        self.used = 0;
        self.failed_dirs = 0;
        self.directory_id += 1;
    }

    /// Takes the last batch of a partition's log for torn (`corrupt-log`).
    pub fn sim_corrupt(&mut self, partition: PartitionId) {
        let log = &mut self.logs[partition.index()];
        log.current.torn = !log.current.batches.is_empty();
        log.durable.torn = !log.durable.batches.is_empty();
    }

    /// Moves the observed facts since the last call out of the disk.
    pub fn sim_drain_journal(&mut self, take: impl FnMut(&Fact)) {
        self.journal.iter().for_each(take);
        self.journal.clear();
    }

    /// Whether nobody wants to hear what is done to logs. A lost tail is told nevertheless.
    pub const fn sim_set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Whether there are observed facts to drain.
    #[must_use]
    pub const fn sim_has_journal(&self) -> bool {
        !self.journal.is_empty()
    }

    fn sync_all(&mut self) {
        for log in &mut self.logs {
            log.sync(usize::MAX);
        }
        self.metadata_synced = self.metadata.len();
    }

    fn note_difference(&mut self, partition: PartitionId, before: &LogImage) -> u32 {
        let after = &self.logs[partition.index()].current;
        let readable = after.batches.len() - usize::from(after.torn);
        // Retention may have been undone as well: compare from the later of the two starts. An
        // empty log starts where it ends.
        let skip = |image: &LogImage, other: &LogImage| {
            let start = other.batches.front().map_or(other.end(), |b| b.base);
            image.batches.iter().take_while(|b| b.base < start).count()
        };
        let (old_skip, new_skip) = (skip(before, after), skip(after, before));
        let common = before
            .batches
            .iter()
            .skip(old_skip)
            .zip(after.batches.iter().take(readable).skip(new_skip))
            .take_while(|(old, new)| old == new)
            .count();
        let was = before.end();
        let kept_end = before.batches.get(old_skip + common).map_or(was, |b| b.base);
        let lost: u64 =
            before.batches.iter().skip(old_skip + common).map(|b| u64::from(b.count)).sum();
        if kept_end < was {
            self.journal.push(Fact::TailLost {
                broker: self.owner,
                partition,
                to: kept_end,
                from: was,
            });
        }
        let restored: Vec<Batch> =
            after.batches.iter().take(readable).skip(new_skip + common).copied().collect();
        for batch in restored {
            self.observe(appended(self.owner, partition, &batch));
        }
        lost as u32
    }
}

const fn appended(broker: BrokerId, partition: PartitionId, batch: &Batch) -> Fact {
    Fact::Appended {
        broker,
        partition,
        base: batch.base,
        count: batch.count,
        leader_epoch: batch.leader_epoch,
        first: batch.first,
        sequence: batch.sequence,
        kind: batch.kind,
    }
}
