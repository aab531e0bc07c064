//! What a broker does about its disk: checkpoints, retention, syncs, and failed log directories.
//!
//! Follows the schedules of `LogManager.scala`, and `ReplicaManager.scala`. A log
//! directory that failed once (a full disk is a failure) stays offline until the broker restarts.

use crate::base::ids::{Offset, PartitionId};
use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::ctx::Ctx;
use crate::kafka::log::Log;
use crate::kafka::timers::BrokerTimer;
use crate::model::disk::{Disk, IoError};
use crate::model::fact::StopKind;

/// `LogManager.InitialTaskDelayMs`.
const FIRST_RUN: Span = Span::secs(30);

impl Broker {
    /// Sets the timers of the regular tasks. At time zero of a run each is at a random point of its
    /// interval, as in a cluster that has been up for a while.
    pub(super) fn schedule_tasks(&mut self, in_the_middle: bool, ctx: &mut Ctx<'_>) {
        let config = self.config;
        let expiry_check = config.producer_id_expiration_check_interval;
        let tasks = [
            (BrokerTimer::IsrCheck, Span::ZERO, config.replica_lag_time_max.scaled(1, 2)),
            (BrokerTimer::WatermarkCheckpoint, Span::ZERO, config.watermark_checkpoint_interval),
            (BrokerTimer::RecoveryCheckpoint, FIRST_RUN, config.recovery_checkpoint_interval),
            (BrokerTimer::Retention, FIRST_RUN, config.retention_check_interval),
            (BrokerTimer::ProducerExpiry, expiry_check, expiry_check),
        ];
        for (timer, first, interval) in tasks {
            let random = Span::nanos(ctx.rng.below(interval.0.max(1)));
            ctx.set(timer, if in_the_middle { random } else { first });
        }
    }

    /// Every few seconds: high watermarks.
    pub(super) fn on_watermark_checkpoint(&mut self, ctx: &mut Ctx<'_>) {
        ctx.set(BrokerTimer::WatermarkCheckpoint, self.config.watermark_checkpoint_interval);
        self.checkpoint(Log::checkpoint_watermark, ctx);
    }

    /// Every minute: recovery points and log starts.
    pub(super) fn on_recovery_checkpoint(&mut self, ctx: &mut Ctx<'_>) {
        ctx.set(BrokerTimer::RecoveryCheckpoint, self.config.recovery_checkpoint_interval);
        self.checkpoint(Log::checkpoint_recovery, ctx);
    }

    /// Writes a checkpoint of every log. A directory to which it cannot be written goes offline.
    ///
    /// Kafka: CheckpointFileWithFailureHandler.write
    fn checkpoint(&mut self, write: fn(&Log, &mut Disk) -> Result<(), IoError>, ctx: &mut Ctx<'_>) {
        let mut next = 0;
        while let Some((place, replica)) = self.partitions.next_mut(next) {
            next = place + 1;
            if !replica.offline && write(&replica.log, &mut self.disk).is_err() {
                self.fail_dir_of(PartitionId(place as u16), ctx);
            }
        }
    }

    /// Every few minutes: idle producers go. Kafka has a task per log, which begins when the log
    /// is created or loaded; here the logs of a broker share one.
    ///
    /// Kafka: UnifiedLog.removeExpiredProducers
    pub(super) fn on_producer_expiry(&mut self, ctx: &mut Ctx<'_>) {
        let interval = self.config.producer_id_expiration_check_interval;
        ctx.set(BrokerTimer::ProducerExpiry, interval);
        let expiration = self.config.producer_id_expiration;
        for replica in self.partitions.values_mut().filter(|replica| !replica.offline) {
            replica.log.producers().expire(ctx.wall(), expiration);
        }
    }

    /// Every few minutes: old segments go.
    pub(super) fn on_retention(&mut self, ctx: &mut Ctx<'_>) {
        ctx.set(BrokerTimer::Retention, self.config.retention_check_interval);
        let mut next = 0;
        while let Some((place, replica)) = self.partitions.next_mut(next) {
            next = place + 1;
            if replica.offline {
                continue;
            }
            let partition = PartitionId(place as u16);
            let (config, start) = (self.image.topic_config(replica.topic), replica.log.start());
            let retained = replica.log.retain(config, &mut self.disk, ctx);
            if replica.log.start() != start {
                self.file_fetch(partition);
                self.touch(partition);
            }
            if retained.is_err() {
                self.fail_dir_of(partition, ctx);
            }
        }
    }

    /// After an append: `flush.ms` begins to run, unless it runs already.
    pub(super) fn arm_flush(&mut self, partition: PartitionId, ctx: &mut Ctx<'_>) {
        let Some(replica) = self.partitions.get_mut(partition.index()) else {
            return;
        };
        let interval = self.image.topic_config(replica.topic).flush_interval;
        if interval != Span::FOREVER && !std::mem::replace(&mut replica.flush_armed, true) {
            ctx.set(BrokerTimer::FlushInterval(partition), interval);
        }
    }

    /// `flush.ms` is over for a partition.
    pub(super) fn on_flush_interval(&mut self, partition: PartitionId, ctx: &mut Ctx<'_>) {
        if let Some(replica) = self.partitions.get_mut(partition.index()) {
            replica.flush_armed = false;
            replica.log.sync(ctx);
        }
    }

    /// A sync of a partition's log is done: whoever waited for it goes on.
    pub(super) fn on_synced(&mut self, partition: PartitionId, up_to: Offset, ctx: &mut Ctx<'_>) {
        let Some(replica) = self.partitions.get_mut(partition.index()) else {
            return;
        };
        replica.log.synced(up_to);
        let mut leader = None;
        if let Some(fetch) = &mut replica.fetch
            && fetch.awaits_sync.is_some_and(|end| end <= up_to)
        {
            fetch.awaits_sync = None;
            leader = Some(fetch.leader);
        }
        self.file_fetch(partition);
        self.touch(partition);
        if let Some(leader) = leader {
            self.pump(leader, ctx);
        }
    }

    /// The log directory of a partition failed.
    ///
    /// Kafka: ReplicaManager.handleLogDirFailure
    /// Kafka: LogManager.handleLogDirFailure
    #[cold]
    pub(super) fn fail_dir_of(&mut self, partition: PartitionId, ctx: &mut Ctx<'_>) {
        let Some(replica) = self.partitions.get(partition.index()) else { return };
        let dir = replica.log.dir();
        let bit = 1 << dir;
        if self.offline_dirs & bit != 0 {
            return;
        }
        self.offline_dirs |= bit;
        let mut next = 0;
        while let Some((place, replica)) = self.partitions.next_mut(next) {
            next = place + 1;
            if replica.log.dir() == dir {
                let id = PartitionId(place as u16);
                replica.offline = true;
                replica.leads = false;
                self.unfollow(id);
                self.touch(id);
            }
        }
        if self.offline_dirs.count_ones() == u32::from(self.disk.dirs()) {
            return ctx.exit(StopKind::Halt);
        }
        let timer = BrokerTimer::LogDirFailure(dir);
        ctx.set(timer, self.config.log_dir_failure_timeout);
        if self.lifecycle.epoch().is_some() {
            self.communicate_now(ctx);
        }
    }

    /// The controller should know by now that a directory failed; else the broker leaves.
    pub(super) fn on_dir_failure_deadline(&mut self, dir: u16, ctx: &mut Ctx<'_>) {
        if !self.lifecycle.heard_of(1 << dir) {
            self.begin_shutdown(ctx);
        }
    }

    /// A sync failed.
    pub(super) fn on_sync_failed(
        &mut self,
        partition: PartitionId,
        error: IoError,
        ctx: &mut Ctx<'_>,
    ) {
        match error {
            IoError::Full | IoError::Failed => self.fail_dir_of(partition, ctx),
        }
    }
}
