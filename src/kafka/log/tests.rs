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
use crate::model::disk::{Checkpoints, Disk, IoError, Kept, LogHandle};
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
        let base = self.log.end();
        let first = base.0 as u32;
        let batch = Batch {
            base,
            max_timestamp: self.now,
            records: Records::Workload(RecordId { process: ProcessId(0), ordinal: first }),
            count: 2,
            bytes: 100,
            leader_epoch: LeaderEpoch(epoch),
            sequence: Some(Sequence { producer: ProducerId(1), epoch: ProducerEpoch(0), first }),
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
        let known = self.log.producers().known(ProducerId(1));
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
    assert_eq!(bench.known(), [0, 2], "without a snapshot every batch is replayed");
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
