//! A disk against a naive one: a list of all operations of each log, replayed from the start
//! whenever its files are looked at.

use std::sync::Arc;

use proptest::prelude::*;

use crate::base::chunked::CHUNK;
use crate::base::ids::{
    BrokerEpoch, BrokerId, LeaderEpoch, LogId, NodeId, Offset, PartitionId, ProcessId,
};
use crate::base::time::Time;
use crate::model::batch::{Batch, RecordId, Records};
use crate::model::body::{Bodies, Body};
use crate::model::disk::{
    Checkpoints, ChunkPlace, Disk, IoError, Kept, LogHandle, LogImage, Write,
};
use crate::model::fact::Fact;

/// The logs of the test, each with its directory.
const LOGS: [(LogId, u16); 3] = [
    (LogId::Partition(PartitionId(3)), 0),
    (LogId::Partition(PartitionId(8)), 1),
    (LogId::Metadata, 0),
];
const CAPACITY: u64 = 3_000;

/// What is done, to the log of this place. Numbers below 256 are parts of what there is.
#[derive(Clone, Debug)]
enum Step {
    Append(usize, u32),
    Roll(usize),
    Truncate(usize, u8),
    DeleteBefore(usize, u8),
    Reset(usize, u8),
    /// Asks for a sync of everything so far.
    Ask(usize),
    /// The oldest sync asked for is done.
    Synced,
    Writeback,
    /// A checkpoint is written; the first kind at once, the other in the background.
    Checkpoint(usize, Write, u64),
    Shutdown,
    PowerLoss(u8, bool, usize, bool),
    /// Power is lost, and all below this part of the log is left.
    Below(usize, u8),
    Wipe,
    Full(bool),
    Failed(u16),
    /// A process is started.
    Start,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let log = 0..LOGS.len();
    let how = prop_oneof![Just(Write::Synced), Just(Write::InBackground)];
    let step = prop_oneof![
        16 => (log.clone(), 1..4_u32).prop_map(|(log, count)| Step::Append(log, count)),
        4 => log.clone().prop_map(Step::Roll),
        3 => (log.clone(), any::<u8>()).prop_map(|(log, part)| Step::Truncate(log, part)),
        3 => (log.clone(), any::<u8>()).prop_map(|(log, part)| Step::DeleteBefore(log, part)),
        1 => (log.clone(), any::<u8>()).prop_map(|(log, part)| Step::Reset(log, part)),
        4 => log.clone().prop_map(Step::Ask),
        4 => Just(Step::Synced),
        2 => Just(Step::Writeback),
        4 => (log.clone(), how, 0..99_u64).prop_map(|(l, how, to)| Step::Checkpoint(l, how, to)),
        1 => Just(Step::Shutdown),
        3 => (any::<u8>(), any::<bool>(), 0..3_usize, any::<bool>())
            .prop_map(|(part, torn, behind, older)| Step::PowerLoss(part, torn, behind, older)),
        1 => (log, any::<u8>()).prop_map(|(log, part)| Step::Below(log, part)),
        1 => Just(Step::Wipe),
        1 => any::<bool>().prop_map(Step::Full),
        1 => (0..2_u16).prop_map(Step::Failed),
        1 => Just(Step::Start),
    ];
    prop::collection::vec(step, 0..160)
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Append(Batch),
    Roll(Offset),
    DeleteBefore(Offset),
    /// It was undone by a truncation, and keeps its place.
    Gone,
}

/// A log as the list of its operations, each with whether it is synced.
#[derive(Clone, Debug, Default)]
struct NaiveLog {
    origin: Offset,
    ops: Vec<(Op, bool)>,
    /// How many operations there were at the last writeback tick.
    aged: usize,
    torn: Option<Offset>,
    checkpoint: Offset,
    /// What a power loss may bring back.
    older_checkpoint: Offset,
}

impl NaiveLog {
    fn replay(&self) -> (Vec<Offset>, Vec<Batch>) {
        let (mut segments, mut batches) = (vec![self.origin], Vec::<Batch>::new());
        for (op, _) in &self.ops {
            match *op {
                Op::Append(batch) => batches.push(batch),
                Op::Roll(base) => segments.push(base),
                Op::DeleteBefore(to) => {
                    while segments.len() > 1 && segments[1] <= to {
                        segments.remove(0);
                    }
                    batches.retain(|batch| batch.end() > segments[0]);
                }
                Op::Gone => {}
            }
        }
        (segments, batches)
    }

    fn end(&self) -> Offset {
        let (segments, batches) = self.replay();
        let base = segments[segments.len() - 1];
        batches.last().map_or(base, |batch| batch.end().max(base))
    }

    fn sync(&mut self, to: usize) {
        self.ops.iter_mut().take(to).for_each(|(_, synced)| *synced = true);
        self.older_checkpoint = self.checkpoint;
    }

    /// Undoes what begins beyond `to`.
    fn truncate(&mut self, to: Offset) {
        let (segments, _) = self.replay();
        for (op, _) in &mut self.ops {
            let gone = match *op {
                Op::Append(batch) => batch.end() > to,
                Op::Roll(base) => base > to && base > segments[0],
                Op::DeleteBefore(_) | Op::Gone => false,
            };
            if gone {
                *op = Op::Gone;
            }
        }
        self.torn = self.torn.filter(|torn| *torn < self.end());
    }

    fn reset(&mut self, start: Offset) {
        self.origin = start;
        self.ops.iter_mut().for_each(|(op, _)| *op = Op::Gone);
        self.torn = None;
    }

    /// So many unsynced operations are left, and of those behind them at most `half_written`
    /// appends, of which the first is torn.
    fn lose_power(&mut self, count: usize, half_written: usize, older: bool) -> u64 {
        let before = self.ops.clone();
        let unsynced = before.iter().filter(|(_, synced)| !synced).map(|(op, _)| *op);
        let unsynced: Vec<Op> = unsynced.collect();
        let count = count.min(unsynced.len());
        let rest = &unsynced[count..];
        let appends = rest.iter().take_while(|op| matches!(op, Op::Append(_)));
        let half: Vec<Op> = appends.take(half_written).copied().collect();
        self.ops.retain(|(_, synced)| *synced);
        self.ops.extend(unsynced[..count].iter().map(|op| (*op, true)));
        self.torn = self.torn.filter(|torn| *torn < self.end());
        if let (None, Some(Op::Append(batch))) = (self.torn, half.first()) {
            self.torn = Some(batch.base);
        }
        self.ops.extend(half.into_iter().map(|op| (op, true)));
        self.aged = 0;
        if older {
            self.checkpoint = self.older_checkpoint;
        }
        self.older_checkpoint = self.checkpoint;
        let lost = |op: &Op| if let Op::Append(batch) = op { u64::from(batch.count) } else { 0 };
        rest.iter().map(lost).sum()
    }
}

/// The disk under test beside the naive one.
struct Pair {
    disk: Disk,
    handles: Vec<LogHandle>,
    logs: Vec<NaiveLog>,
    bodies: Bodies,
    full: bool,
    failed: [bool; 2],
    /// Syncs asked for: of which log, by the disk's count of operations and by the naive one's.
    asked: Vec<(usize, u64, usize)>,
    made: u32,
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            disk: Disk::new(NodeId::Broker(BrokerId(1)), 2, CAPACITY),
            handles: Vec::new(),
            logs: vec![NaiveLog::default(); LOGS.len()],
            bodies: Bodies::default(),
            full: false,
            failed: [false; 2],
            asked: Vec::new(),
            made: 0,
        };
        pair.create();
        pair
    }

    fn create(&mut self) {
        let open = |(log, dir)| self.disk.create_log(log, dir, Offset::ZERO).expect("a good disk");
        self.handles = LOGS.map(open).to_vec();
    }

    fn works(&self, log: usize) -> Result<(), IoError> {
        if self.failed[usize::from(LOGS[log].1)] { Err(IoError::Failed) } else { Ok(()) }
    }

    fn used(&self) -> u64 {
        let batches = self.logs.iter().flat_map(|log| log.replay().1);
        batches.map(|batch| u64::from(batch.bytes)).sum()
    }

    /// A part of the way from the start of a log's files to its end.
    fn within(&self, log: usize, part: u8) -> Offset {
        let (start, end) = (self.logs[log].replay().0[0], self.logs[log].end());
        start + (end - start) * u64::from(part) / 255
    }

    fn batch(&mut self, log: usize, count: u32) -> Batch {
        self.made += 1;
        let first = RecordId { process: ProcessId(0), ordinal: self.made };
        let records = match LOGS[log].0 {
            LogId::Partition(_) => Records::Workload(first),
            LogId::Metadata => Records::Body(self.bodies.add(Body::Metadata(Vec::new()))),
        };
        Batch {
            base: self.logs[log].end(),
            max_timestamp: Time::ZERO,
            records,
            count,
            bytes: 50 * count,
            leader_epoch: LeaderEpoch(1),
            sequence: None,
        }
    }

    fn space(&self, bytes: u64) -> Result<(), IoError> {
        if self.full || self.used() + bytes > CAPACITY { Err(IoError::Full) } else { Ok(()) }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Append(log, count) => {
                let batch = self.batch(log, count);
                let expected = self.works(log).and(self.space(u64::from(batch.bytes)));
                assert_eq!(self.disk.append(self.handles[log], batch), expected);
                if expected.is_ok() {
                    self.logs[log].ops.push((Op::Append(batch), false));
                }
            }
            Step::Roll(log) => {
                let base = self.logs[log].end();
                let full = if self.full { Err(IoError::Full) } else { Ok(()) };
                let expected = self.works(log).and(full);
                assert_eq!(self.disk.roll(self.handles[log], base), expected);
                if expected.is_ok() {
                    self.logs[log].ops.push((Op::Roll(base), false));
                }
            }
            Step::Truncate(log, part) => {
                let to = self.within(log, part);
                assert_eq!(self.disk.truncate(self.handles[log], to), self.works(log));
                if self.works(log).is_ok() && self.logs[log].end() > to {
                    self.logs[log].truncate(to);
                }
            }
            Step::DeleteBefore(log, part) => {
                let to = self.within(log, part);
                assert_eq!(self.disk.delete_before(self.handles[log], to), self.works(log));
                if self.works(log).is_ok() {
                    self.logs[log].ops.push((Op::DeleteBefore(to), false));
                }
            }
            Step::Reset(log, part) => {
                let start = self.within(log, part);
                assert_eq!(self.disk.reset_log(self.handles[log], start), self.works(log));
                if self.works(log).is_ok() {
                    self.logs[log].reset(start);
                }
            }
            Step::Checkpoint(log, how, to) => self.checkpoint(log, how, Offset(to)),
            _ => self.befall(step),
        }
    }

    fn checkpoint(&mut self, log: usize, how: Write, to: Offset) {
        let expected = self.works(log).and(self.space(1));
        let handle = self.handles[log];
        let written = self.disk.write_checkpoints(handle, how, |saved| saved.watermark = to);
        assert_eq!(written, expected);
        let naive = &mut self.logs[log];
        if expected.is_ok() {
            naive.checkpoint = to;
            if how == Write::Synced {
                naive.older_checkpoint = to;
            }
        }
    }

    /// What the machine does.
    fn befall(&mut self, step: &Step) {
        match *step {
            Step::Ask(log) => {
                let position = self.disk.sim_position(LOGS[log].0);
                self.asked.push((log, position, self.logs[log].ops.len()));
            }
            Step::Synced => {
                if !self.asked.is_empty() {
                    let (log, position, to) = self.asked.remove(0);
                    self.disk.sim_sync_to(LOGS[log].0, position);
                    self.logs[log].sync(to);
                }
            }
            Step::Writeback => {
                self.disk.sim_writeback();
                for log in &mut self.logs {
                    log.sync(log.aged);
                    log.aged = log.ops.len();
                }
            }
            Step::Shutdown => {
                let expected = self.space(1);
                assert_eq!(self.disk.write_clean_shutdown(BrokerEpoch(7)), expected);
                if expected.is_ok() {
                    self.logs.iter_mut().for_each(|log| log.sync(usize::MAX));
                }
            }
            Step::PowerLoss(part, torn, behind, older_files) => {
                let count = |unsynced: usize| unsynced * usize::from(part) / 255;
                let lost = self.disk.sim_lose_power(|_, unsynced| {
                    let count = count(unsynced);
                    Kept::Operations { count, torn, behind, older_files }
                });
                let mut expected = 0;
                for (log, (id, _)) in self.logs.iter_mut().zip(LOGS) {
                    let unsynced = log.ops.iter().filter(|(_, synced)| !synced).count();
                    let half_written = if torn { behind + 1 } else { 0 };
                    let records = log.lose_power(count(unsynced), half_written, older_files);
                    expected += if id == LogId::Metadata { 0 } else { records };
                }
                assert_eq!(u64::from(lost), expected);
                self.asked.clear();
            }
            Step::Below(log, part) => {
                let to = self.within(log, part);
                let (id, _) = LOGS[log];
                self.disk
                    .sim_lose_power(|of, _| if of == id { Kept::Below(to) } else { Kept::ALL });
                self.logs.iter_mut().for_each(|log| log.sync(usize::MAX));
                self.logs[log].truncate(to);
                self.logs.iter_mut().for_each(|log| log.aged = 0);
                self.asked.clear();
            }
            Step::Wipe => {
                self.disk.sim_wipe();
                self.failed = [false; 2];
                self.logs = vec![NaiveLog::default(); LOGS.len()];
                self.asked.clear();
                self.create();
            }
            Step::Full(full) => {
                self.disk.sim_set_full(full);
                self.full = full;
            }
            Step::Failed(dir) => {
                self.disk.sim_fail_dir(dir);
                self.failed[usize::from(dir)] = true;
            }
            Step::Start => {
                self.disk.sim_try_dirs_anew();
                self.failed = [false; 2];
            }
            _ => unreachable!("a node does it"),
        }
    }

    fn compare(&mut self) {
        for (place, (naive, (id, dir))) in self.logs.iter().zip(LOGS).enumerate() {
            let handle = self.handles[place];
            assert_eq!(self.disk.dir_of(id), Some(dir));
            let saved = self.disk.checkpoints(handle);
            assert_eq!(saved.watermark, naive.checkpoint);
            let Ok(image) = self.disk.log(id) else {
                assert!(self.failed[usize::from(dir)]);
                continue;
            };
            let (segments, batches) = naive.replay();
            assert_eq!(*image.segments(), segments);
            assert!(image.batches().iter().eq(&batches), "{:?}, not {batches:?}", image.batches());
            assert_eq!((image.end(), image.torn()), (naive.end(), naive.torn));
            let mut synced = naive.clone();
            synced.ops.retain(|(_, synced)| *synced);
            assert_eq!(self.disk.sim_durable_end(id), synced.end(), "{id:?}");
        }
        assert_eq!(self.disk.used, self.used());
        self.bodies.count(self.disk.sim_body_counts());
        self.bodies.sweep();
        // A deleted batch may come back, and is there until its deletion is synced.
        let may_be = self.logs.iter().flat_map(|log| {
            let synced =
                log.ops.iter().rposition(|(op, s)| *s && matches!(op, Op::DeleteBefore(_)));
            let mut certain = log.clone();
            certain.ops.truncate(synced.map_or(0, |place| place + 1));
            let gone: Vec<Batch> = certain.ops.iter().filter_map(|(op, _)| append(*op)).collect();
            let left = certain.replay().1;
            let gone: Vec<Batch> = gone.into_iter().filter(|b| !left.contains(b)).collect();
            let all = log.ops.iter().filter_map(|(op, _)| append(*op));
            all.filter(move |batch| !gone.contains(batch)).collect::<Vec<_>>()
        });
        assert_eq!(self.bodies.len(), may_be.filter_map(|batch| batch.records.body()).count());
    }
}

const fn append(op: Op) -> Option<Batch> {
    if let Op::Append(batch) = op { Some(batch) } else { None }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_disk_is_what_its_operations_made_it(steps in steps()) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
            pair.compare();
        }
    }
}

#[test]
fn a_log_that_does_not_exist_is_empty() {
    let disk = Disk::new(NodeId::Broker(BrokerId(1)), 1, CAPACITY);
    assert_eq!(disk.log(PartitionId(5)), Ok(&LogImage::default()));
    assert_eq!((disk.dir_of(PartitionId(5).into()), disk.logs().count()), (None, 0));
}

#[test]
fn an_older_file_is_the_one_before_it_was_written_in_the_background() {
    let mut disk = Disk::new(NodeId::Broker(BrokerId(1)), 1, CAPACITY);
    let log = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a good disk");
    let mut write = |how, to| {
        let change = |saved: &mut Checkpoints| saved.watermark = Offset(to);
        disk.write_checkpoints(log, how, change).expect("a good disk");
    };
    write(Write::Synced, 1);
    write(Write::InBackground, 2);
    write(Write::InBackground, 3);
    let kept = |older_files| Kept::Operations { count: 0, torn: false, behind: 0, older_files };
    let after = |older_files| {
        let mut disk = disk.clone();
        disk.sim_lose_power(|_, _| kept(older_files));
        disk.checkpoints(log).watermark.0
    };
    assert_eq!((after(false), after(true)), (3, 1));
    disk.sim_sync_to(LogId::Metadata, 0);
    disk.sim_lose_power(|_, _| kept(true));
    assert_eq!(disk.checkpoints(log).watermark, Offset(3), "the file system has been synced since");
}

/// Each batch names a body of its own; what is trimmed gives its place back.
#[test]
fn bodies_that_come_and_go_for_long_take_the_room_of_those_that_are_there() {
    let mut disk = Disk::new(NodeId::Broker(BrokerId(1)), 1, u64::MAX);
    let log = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a good disk");
    let mut bodies = Bodies::default();
    for base in (0..10_000).map(Offset) {
        let batch = Batch {
            base,
            max_timestamp: Time::ZERO,
            records: Records::Body(bodies.add(Body::Metadata(Vec::new()))),
            count: 1,
            bytes: 40,
            leader_epoch: LeaderEpoch(1),
            sequence: None,
        };
        disk.append(log, batch).expect("a good disk");
        if base.0 % 10 == 9 {
            disk.roll(log, batch.end()).expect("a good disk");
            disk.delete_before(log, Offset(base.0.saturating_sub(20))).expect("a good disk");
            disk.sim_sync_to(LogId::Metadata, u64::MAX);
        }
        if base.0 % 1_000 == 999 {
            disk.truncate(log, Offset(base.0 - 3)).expect("a good disk");
            disk.reset_log(log, Offset(base.0 + 1)).expect("a good disk");
        }
        bodies.count(disk.sim_body_counts());
        bodies.sweep();
        assert!(bodies.len() <= 40, "{} bodies at {base:?}", bodies.len());
    }
    let left = disk.image(log).expect("a good disk").batches().len();
    assert_eq!(bodies.len(), left);
}

/// A disk with so many batches in its log of partition 0, all alike on every disk up to `apart`.
fn long(batches: u64, apart: u64) -> (Disk, LogHandle) {
    let mut disk = Disk::new(NodeId::Broker(BrokerId(1)), 1, u64::MAX);
    let log = disk.create_log(PartitionId(0).into(), 0, Offset::ZERO).expect("a good disk");
    (0..batches).for_each(|base| write(&mut disk, log, base, u32::from(base >= apart)));
    (disk, log)
}

fn write(disk: &mut Disk, log: LogHandle, base: u64, epoch: u32) {
    let batch = Batch {
        base: Offset(base),
        max_timestamp: Time::ZERO,
        records: Records::Workload(RecordId { process: ProcessId(0), ordinal: base as u32 }),
        count: 1,
        bytes: 70,
        leader_epoch: LeaderEpoch(epoch),
        sequence: None,
    };
    disk.append(log, batch).expect("a good disk");
}

/// What `sim` does with each writeback; says of how many chunks an equal one was found.
fn share(disk: &mut Disk, other: &Disk) -> usize {
    let (mut from, mut found) = (ChunkPlace::default(), 0);
    while let Some((at, log, batches)) = disk.sim_unshared(from) {
        let known = other.sim_known(log, &batches);
        found += usize::from(known.is_some());
        disk.sim_share(at, known.as_ref());
        from = at;
    }
    found
}

/// How many of the full chunks of both are one.
fn shared(one: &Disk, other: &Disk) -> usize {
    let sealed = |disk: &Disk| {
        let log = disk.log(PartitionId(0)).expect("a good disk");
        log.batches().sealed().clone()
    };
    sealed(one).iter().zip(&sealed(other)).filter(|(a, b)| Arc::ptr_eq(a, b)).count()
}

const LONG: u64 = (CHUNK * 30) as u64;

#[test]
fn equal_chunks_of_two_replicas_are_one_in_memory() {
    let ((mut one, log), (mut other, _)) = (long(LONG, LONG), long(LONG + 5, LONG));
    assert_eq!(share(&mut other, &one), 0, "nobody asked for them yet");
    let found = share(&mut one, &other);
    assert!(found > 10, "{found}");
    assert_eq!((share(&mut one, &other), share(&mut other, &one)), (0, 0), "all were asked for");
    assert_eq!(shared(&one, &other), found);
    // What one of them does to its log is not seen in the other.
    let before = other.log(PartitionId(0)).cloned();
    one.truncate(log, Offset(700)).expect("a good disk");
    (700..LONG).for_each(|base| write(&mut one, log, base, 1));
    assert_eq!(shared(&one, &other), 700 / CHUNK);
    assert_eq!(other.log(PartitionId(0)).cloned(), before);
    assert_eq!(share(&mut one, &other), 0, "the new ones were asked for, and differ");
    assert_eq!(share(&mut one, &other), 0);
}

#[test]
fn chunks_that_differ_in_one_batch_stay_apart() {
    let apart = LONG / 6 - 1;
    let ((mut one, _), (mut other, _)) = (long(LONG, LONG), long(LONG, apart));
    share(&mut one, &other);
    let found = share(&mut other, &one);
    assert_eq!((found, shared(&one, &other)), (4, 4), "the fifth one differs at its end");
}

#[test]
fn a_log_that_retention_keeps_short_fills_its_own_chunks() {
    let ((mut one, log), (mut other, _)) = (long(LONG, LONG), long(LONG, LONG));
    share(&mut one, &other);
    one.roll(log, Offset(600)).expect("a good disk");
    one.delete_before(log, Offset(600)).expect("a good disk");
    (LONG..2 * LONG).for_each(|base| write(&mut one, log, base, 0));
    assert!(one.sim_unshared(ChunkPlace::default()).is_none());
    // The other one still finds those for which this one asked before.
    let found = share(&mut other, &one);
    assert!(found > 5, "{found}");
    one.sim_lose_power(|_, _| Kept::SYNCED);
    assert_eq!(one.log(PartitionId(0)).map(|log| log.batches().len()), Ok(0));
    assert_eq!(other.log(PartitionId(0)).map(|log| log.batches().len()), Ok(LONG as usize));
}

/// A broker takes the directory offline, and checks must know why.
#[test]
fn a_write_that_finds_no_space_is_observed_once_for_each_directory_and_start() {
    let mut disk = Disk::new(NodeId::Broker(BrokerId(1)), 2, u64::MAX);
    let of = LOGS.map(|(log, dir)| disk.create_log(log, dir, Offset::ZERO).expect("a good disk"));
    let told = |disk: &mut Disk| {
        let mut dirs = Vec::new();
        disk.sim_drain_journal(|fact| match *fact {
            Fact::DiskFailed { broker: BrokerId(1), dir } => dirs.push(dir),
            other => panic!("{other:?}"),
        });
        dirs
    };
    let synced = |disk: &mut Disk, log| disk.write_checkpoints(log, Write::Synced, |_| ());
    disk.sim_set_full(true);
    assert!(!disk.sim_needs_restart());
    assert_eq!(synced(&mut disk, of[2]), Err(IoError::Full));
    assert!(told(&mut disk).is_empty(), "without its metadata log a broker halts");
    assert!(!disk.sim_needs_restart());
    assert_eq!(disk.roll(of[1], Offset(1)), Err(IoError::Full));
    assert_eq!(synced(&mut disk, of[1]), Err(IoError::Full));
    assert_eq!(told(&mut disk), [1]);
    assert_eq!(synced(&mut disk, of[0]), Err(IoError::Full));
    assert_eq!(told(&mut disk), [0]);
    disk.sim_set_full(false);
    assert!(disk.sim_needs_restart(), "space alone does not bring the directories back");
    disk.sim_try_dirs_anew();
    assert!(!disk.sim_needs_restart());
    disk.sim_fail_dir(0);
    disk.sim_set_full(true);
    assert_eq!(disk.roll(of[0], Offset(1)), Err(IoError::Failed));
    assert_eq!(disk.roll(of[1], Offset(1)), Err(IoError::Full));
    assert_eq!(told(&mut disk), [1]);
}
