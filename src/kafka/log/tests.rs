//! Tests of a log on a bare disk.

use super::Log;
use crate::base::ids::{
    BrokerId, LeaderEpoch, LogId, NodeId, Offset, PartitionId, ProcessId, ProducerEpoch, ProducerId,
};
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::ctx::{Ctx, Effects};
use crate::model::batch::{Batch, RecordId, Records, Sequence};
use crate::model::body::Bodies;
use crate::model::config::TopicConfig;
use crate::model::disk::{Checkpoints, Disk, IoError, Kept, LogHandle, Write};
use crate::model::fact::Fact;
use crate::model::message::Lists;
use crate::model::rules::Rules;

const P: LogId = LogId::Partition(PartitionId(0));
const NOW: Time = Time(1_000_000_000_000);
const EXPIRATION: Span = Span::secs(86_400);

struct Bench {
    disk: Disk,
    log: Log,
    config: TopicConfig,
    effects: Effects,
    now: Time,
}

impl Bench {
    fn new(config: TopicConfig) -> Self {
        let mut disk = Disk::new(NodeId::Broker(BrokerId(1)), 1, u64::MAX);
        let log = Log::load(P, 0, true, NOW, EXPIRATION, &mut disk).expect("a good disk");
        Self { disk, log, config, effects: Effects::default(), now: NOW }
    }

    fn with_ctx<T>(
        &mut self,
        act: impl FnOnce(&mut Log, &mut Disk, &TopicConfig, &mut Ctx<'_>) -> T,
    ) -> T {
        let mut ctx = Ctx {
            wall: self.now,
            monotonic: self.now,
            rng: &mut Rng::named(1, "log"),
            rules: &Rules::KAFKA_4_1,
            bodies: &mut Bodies::default(),
            lists: &mut Lists::default(),
            effects: &mut self.effects,
            wants_facts: true,
            wants_trace: true,
        };
        act(&mut self.log, &mut self.disk, &self.config, &mut ctx)
    }

    /// Appends a batch of two records in this leader epoch.
    fn append(&mut self, epoch: u32) {
        self.append_of(1, epoch);
    }

    /// Appends a batch of two records of this producer.
    fn append_of(&mut self, producer: u32, epoch: u32) {
        let base = self.log.end();
        let first = base.0 as u32;
        let batch = Batch {
            base,
            max_timestamp: self.now,
            records: Records::Workload(RecordId { process: ProcessId(0), ordinal: first }),
            count: 2,
            bytes: 100,
            leader_epoch: LeaderEpoch(epoch),
            sequence: Some(Sequence {
                producer: ProducerId(producer),
                epoch: ProducerEpoch(0),
                first,
            }),
        };
        self.with_ctx(|log, disk, config, ctx| log.append(batch, config, disk, ctx))
            .expect("a good disk");
    }

    /// What a read from this offset to the end of the log finds.
    fn read(&self, from: Offset) -> Result<u64, IoError> {
        self.log.read(from, self.log.end(), u64::MAX, true, &self.disk, |_| {})
    }

    fn reload(&mut self, clean: bool) {
        self.log =
            Log::load(P, 0, clean, self.now, EXPIRATION, &mut self.disk).expect("a good disk");
    }

    fn checkpoints(&mut self) -> Checkpoints {
        let log: LogHandle = self.log.handle().expect("a good disk");
        self.disk.checkpoints(log).clone()
    }

    fn known(&mut self) -> Vec<u64> {
        self.known_of(1)
    }

    /// Where the batches begin that are known of this producer.
    fn known_of(&mut self, producer: u32) -> Vec<u64> {
        let known = self.log.producers().known(ProducerId(producer));
        known.map(|known| known.batches.iter().map(|b| b.base.0).collect()).unwrap_or_default()
    }
}

#[test]
fn a_clean_restart_keeps_the_log_and_forgets_all_but_the_last_batch() {
    let mut bench = Bench::new(TopicConfig::default());
    for epoch in [1, 1, 2, 2, 2, 3] {
        bench.append(epoch);
    }
    bench.log.set_watermark(Offset(10));
    assert_eq!(bench.known(), [2, 4, 6, 8, 10]);
    let epochs = bench.log.leader_epochs().to_vec();
    bench.log.close(&mut bench.disk).expect("a good disk");
    bench.reload(true);
    assert_eq!((bench.log.end(), bench.log.watermark()), (Offset(12), Offset(10)));
    assert_eq!(bench.log.leader_epochs(), epochs);
    assert_eq!(bench.known(), [10]);
    bench.append(3);
    assert_eq!(bench.known(), [10, 12]);
}

#[test]
fn an_unclean_restart_replays_what_the_disk_kept() {
    let mut bench = Bench::new(TopicConfig::default());
    for epoch in [1, 1, 2, 3] {
        bench.append(epoch);
    }
    bench.log.set_watermark(Offset(8));
    bench.log.checkpoint_watermark(&mut bench.disk).expect("a good disk");
    // Three appends stay, the third torn. The checkpoints have outlived the log.
    let (count, behind, older_files) = (2, 0, false);
    bench.disk.sim_lose_power(|_, _| Kept::Operations { count, torn: true, behind, older_files });
    bench.reload(false);
    assert_eq!((bench.log.end(), bench.log.watermark()), (Offset(4), Offset(4)));
    assert_eq!(bench.log.leader_epochs(), [(LeaderEpoch(1), Offset(0))]);
    assert_eq!(bench.known(), [2], "the segment ends with a snapshot, and that is read");
}

/// Otherwise the epochs that retention forgot would be gone, and the records still there.
#[test]
fn a_broken_directory_takes_no_checkpoint() {
    let config =
        TopicConfig { segment_bytes: 250, retention: Span::secs(60), ..TopicConfig::default() };
    let mut bench = Bench::new(config);
    for epoch in [1, 1, 2, 2] {
        bench.append(epoch);
    }
    bench.log.set_watermark(Offset(8));
    let saved = bench.checkpoints();
    bench.now = NOW + Span::secs(61);
    bench.disk.sim_fail_dir(0);
    let deleted = bench.with_ctx(|log, disk, config, ctx| log.retain(config, disk, ctx));
    deleted.expect_err("the directory is broken");
    assert_eq!(bench.log.close(&mut bench.disk), Err(IoError::Failed));
    assert_eq!(bench.checkpoints(), saved);
}

#[test]
fn truncation_cuts_everything_that_depends_on_the_log() {
    let mut bench = Bench::new(TopicConfig { segment_bytes: 250, ..TopicConfig::default() });
    for epoch in [1, 1, 1, 2, 2, 3] {
        bench.append(epoch);
    }
    bench.log.set_watermark(Offset(12));
    assert_eq!(bench.effects.flushes, [(P, Offset(4)), (P, Offset(8))], "a sync at each roll");
    let Bench { log, disk, .. } = &mut bench;
    log.truncate(Offset(6), NOW, EXPIRATION, disk).expect("a good disk");
    assert_eq!((log.end(), log.watermark()), (Offset(6), Offset(6)));
    assert_eq!(log.leader_epochs(), [(LeaderEpoch(1), Offset(0))]);
    assert_eq!(bench.known(), [2, 4], "the snapshot of the roll at 4, and what follows it");
    bench.append(4);
    assert_eq!(bench.log.end_of_epoch(LeaderEpoch(3)), Some((LeaderEpoch(1), Offset(6))));
}

#[test]
fn retention_deletes_a_prefix_below_the_high_watermark() {
    let config =
        TopicConfig { segment_bytes: 250, retention: Span::secs(60), ..TopicConfig::default() };
    let table = [
        // retention.bytes, high watermark, seconds later → log start
        (u64::MAX, 12, 30, 0),
        (u64::MAX, 7, 90, 4),
        (u64::MAX, 12, 90, 12),
        (450, 12, 30, 0),
        (400, 12, 30, 4),
        (0, 12, 30, 12),
    ];
    for (retention_bytes, watermark, later, start) in table {
        let mut bench = Bench::new(TopicConfig { retention_bytes, ..config });
        (0..6).for_each(|_| bench.append(1));
        bench.log.set_watermark(Offset(watermark));
        bench.now = NOW + Span::secs(later);
        bench
            .with_ctx(|log, disk, config, ctx| log.retain(config, disk, ctx))
            .expect("a good disk");
        let case = (retention_bytes, watermark, later);
        assert_eq!(bench.log.start(), Offset(start), "{case:?}");
        assert_eq!(bench.log.end(), Offset(12));
        bench.append(1);
        assert_eq!(bench.log.end(), Offset(14), "{case:?}");
    }
}

/// What retention had deleted is back, but nobody appended it: seen in the gate.
#[test]
fn a_power_loss_that_undoes_retention_tells_of_no_appends() {
    let config =
        TopicConfig { segment_bytes: 250, retention: Span::secs(60), ..TopicConfig::default() };
    let mut bench = Bench::new(config);
    (0..4).for_each(|_| bench.append(1));
    bench.log.set_watermark(Offset(8));
    bench.disk.sim_sync_to(P, u64::MAX);
    bench.disk.sim_drain_journal(|_| {});
    bench.now = NOW + Span::secs(61);
    bench.with_ctx(|log, disk, config, ctx| log.retain(config, disk, ctx)).expect("a good disk");
    bench.disk.sim_lose_power(|_, _| Kept::SYNCED);
    let mut facts = Vec::new();
    bench.disk.sim_drain_journal(|fact| facts.push(fact.name()));
    assert_eq!(facts, ["log-start-moved"]);
    bench.reload(false);
    assert_eq!((bench.log.start(), bench.log.end()), (Offset(0), Offset(8)));
}

/// A follower whose leader's log ends before its own begins starts anew there.
#[test]
fn a_log_that_starts_anew_before_its_start_tells_of_the_cut() {
    let mut bench = Bench::new(TopicConfig::default());
    bench.log.restart_at(Offset(44), &mut bench.disk).expect("a good disk");
    bench.disk.sim_drain_journal(|_| {});
    bench.log.restart_at(Offset(41), &mut bench.disk).expect("a good disk");
    let mut cut = None;
    bench.disk.sim_drain_journal(|fact| {
        if let Fact::Truncated { from, to, .. } = *fact {
            cut = Some((from, to));
        }
    });
    assert_eq!(cut, Some((Offset(44), Offset(41))));
}

#[test]
fn a_read_takes_whole_batches_and_the_first_one_whole() {
    let mut bench = Bench::new(TopicConfig::default());
    (0..4).for_each(|_| bench.append(1));
    let table = [
        // from, limit, bytes, at least one → bases
        (0, 8, 1_000, true, vec![0, 2, 4, 6]),
        (0, 6, 1_000, true, vec![0, 2, 4]),
        (2, 8, 250, true, vec![2, 4]),
        (3, 8, 100, true, vec![2]),
        (0, 8, 10, true, vec![0]),
        (0, 8, 10, false, vec![]),
        (8, 8, 1_000, true, vec![]),
    ];
    for (from, limit, bytes, one, expected) in table {
        let mut bases = Vec::new();
        let (from, limit) = (Offset(from), Offset(limit));
        let read = bench.log.read(from, limit, bytes, one, &bench.disk, |b| bases.push(b.base.0));
        assert_eq!(read, Ok(100 * bases.len() as u64));
        assert_eq!(bases, expected, "from {from} to {limit}, {bytes} bytes");
    }
}

/// Which is why an idle fetch does not find out that a log directory is broken (`LocalLog.read`).
#[test]
fn a_read_at_the_end_touches_no_disk() {
    let mut bench = Bench::new(TopicConfig::default());
    bench.append(0);
    bench.disk.sim_fail_dir(0);
    assert_eq!(bench.read(Offset(2)), Ok(0));
    assert_eq!(bench.read(Offset(0)), Err(IoError::Failed));
}

/// Segments of two batches: the first has the only one of producer 2, the last one of producer 1.
fn with_an_idle_producer() -> Bench {
    let config =
        TopicConfig { segment_bytes: 250, retention: Span::secs(60), ..TopicConfig::default() };
    let mut bench = Bench::new(config);
    bench.append_of(2, 1);
    (0..3).for_each(|_| bench.append(1));
    bench.now = NOW + Span::secs(50);
    bench.append(1);
    bench.log.set_watermark(Offset(10));
    bench
}

fn retain(bench: &mut Bench, later: Span) {
    bench.now += later;
    bench.with_ctx(|log, disk, config, ctx| log.retain(config, disk, ctx)).expect("a good disk");
}

fn snapshots(bench: &mut Bench) -> Vec<u64> {
    bench.checkpoints().producer_snapshots.offsets().map(|at| at.0).collect()
}

/// A retry of its last batch is told from a new one (`ProducerStateManager.takeSnapshot`).
#[test]
fn who_has_no_batch_left_is_known_by_a_snapshot() {
    let closed = |bench: &mut Bench| bench.log.close(&mut bench.disk).expect("a good disk");
    for clean in [true, false] {
        let mut bench = with_an_idle_producer();
        assert_eq!(snapshots(&mut bench), [4, 8]);
        retain(&mut bench, Span::secs(20));
        assert_eq!((bench.log.start(), bench.log.end()), (Offset(8), Offset(10)));
        assert_eq!(snapshots(&mut bench), [8], "the one at the active segment stays");
        if clean {
            closed(&mut bench);
            assert_eq!(snapshots(&mut bench), [8, 10]);
        }
        bench.reload(clean);
        assert_eq!(bench.log.start(), Offset(8));
        assert_eq!((bench.known_of(2), bench.known()), (vec![0], vec![8]), "clean: {clean}");
        assert_eq!(snapshots(&mut bench), [10], "one at the log start counts for nothing");
        let known = bench.log.producers().known(ProducerId(2)).expect("it is known");
        assert_eq!((known.batches[0].first, known.batches[0].last), (0, 1));
        assert_eq!((known.batches[0].base, known.batches[0].end), (Offset(0), Offset(2)));
        // And by the next one, as long as something is left in the log.
        closed(&mut bench);
        bench.reload(true);
        assert_eq!(bench.known_of(2), [0]);
    }
}

/// The snapshot at the log start is deleted with those before it
/// (`ProducerStateManager.truncateAndReload`).
#[test]
fn a_log_that_retention_has_emptied_knows_nobody_after_a_restart() {
    for clean in [true, false] {
        let mut bench = with_an_idle_producer();
        retain(&mut bench, Span::secs(200));
        assert_eq!((bench.log.start(), bench.log.end()), (Offset(10), Offset(10)));
        assert_eq!((bench.known_of(2), snapshots(&mut bench)), (vec![0], vec![10]));
        if clean {
            bench.log.close(&mut bench.disk).expect("a good disk");
        }
        bench.reload(clean);
        assert!(bench.known_of(2).is_empty() && bench.known().is_empty());
        assert!(snapshots(&mut bench).is_empty());
    }
}

#[test]
fn a_snapshot_that_a_power_loss_takes_leaves_what_the_log_says() {
    for (older_files, known) in [(true, vec![]), (false, vec![0])] {
        let mut bench = with_an_idle_producer();
        retain(&mut bench, Span::secs(20));
        // The deletion of the segments is kept, and the snapshots may be those of before the rolls.
        let (count, torn, behind) = (usize::MAX, false, 0);
        bench.disk.sim_lose_power(|_, _| Kept::Operations { count, torn, behind, older_files });
        bench.reload(false);
        assert_eq!((bench.known_of(2), bench.known()), (known, vec![8]), "{older_files}");
    }
}

#[test]
fn a_cut_reads_from_the_newest_snapshot_before_it() {
    // To, snapshots after it, known of producers 2 and 1.
    let table = [
        (9, vec![4, 8, 9], vec![0], vec![6]),
        (8, vec![4, 8], vec![0], vec![6]),
        (7, vec![4, 7], vec![0], vec![2, 4]),
        (4, vec![4], vec![0], vec![2]),
        (3, vec![3], vec![0], vec![]),
    ];
    for (to, left, idle, busy) in table {
        let mut bench = with_an_idle_producer();
        let Bench { log, disk, .. } = &mut bench;
        log.truncate(Offset(to), NOW, EXPIRATION, disk).expect("a good disk");
        assert_eq!(snapshots(&mut bench), left, "to {to}");
        assert_eq!((bench.known_of(2), bench.known()), (idle, busy), "to {to}");
    }
}

#[test]
fn producers_that_were_idle_for_too_long_are_not_read_from_a_snapshot() {
    let mut bench = with_an_idle_producer();
    bench.log.close(&mut bench.disk).expect("a good disk");
    let first = NOW + EXPIRATION;
    for (now, idle) in [(Time(first.0 - 1), vec![0]), (first, vec![])] {
        let mut disk = bench.disk.clone();
        let mut log = Log::load(P, 0, true, now, EXPIRATION, &mut disk).expect("a good disk");
        let known = |log: &mut Log, producer| log.producers().known(ProducerId(producer)).is_some();
        assert_eq!((known(&mut log, 2), known(&mut log, 1)), (!idle.is_empty(), true));
    }
    // A cut of a log that knew nobody reads nothing, though batches are there.
    bench.log.producers().clear();
    let Bench { log, disk, .. } = &mut bench;
    log.truncate(Offset(2), NOW, EXPIRATION, disk).expect("a good disk");
    assert!(bench.known_of(2).is_empty());
}

/// An upgrade from before there were snapshots looks like that (`UnifiedLog.rebuildProducerState`).
#[test]
fn a_clean_restart_without_any_snapshot_knows_nobody() {
    let mut bench = with_an_idle_producer();
    let handle = bench.log.handle().expect("a good disk");
    let clear = |saved: &mut Checkpoints| saved.producer_snapshots.clear();
    bench.disk.write_checkpoints(handle, Write::Synced, clear).expect("a good disk");
    bench.reload(true);
    assert!(bench.known_of(2).is_empty() && bench.known().is_empty());
    assert_eq!(snapshots(&mut bench), [4, 8, 10]);
}

/// Of those that belong to no segment the newest is kept, if it lies behind all of them.
#[test]
fn stray_snapshots_go() {
    let mut bench = with_an_idle_producer();
    let handle = bench.log.handle().expect("a good disk");
    let table = [
        (vec![2, 4, 6, 8, 10], vec![4, 8, 10]),
        (vec![2, 4, 6, 8], vec![4, 8, 10]),
        (vec![4, 8, 9, 10, 12], vec![4, 8, 10]),
        (vec![4, 9], vec![4, 9, 10]),
    ];
    for (before, after) in table {
        let put = |saved: &mut Checkpoints| {
            saved.producer_snapshots.clear();
            for at in &before {
                saved.producer_snapshots.push(Offset(*at), std::iter::empty());
            }
        };
        bench.disk.write_checkpoints(handle, Write::Synced, put).expect("a good disk");
        bench.reload(true);
        assert_eq!(snapshots(&mut bench), after, "{before:?}");
    }
}
