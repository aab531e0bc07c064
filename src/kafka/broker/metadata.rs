//! Following the metadata log, and acting on it.
//!
//! A broker keeps its own copy of the log on its disk, and fetches from the end of that. It replays
//! what it has up to the high watermark, which a controller tells it with each answer and which no
//! disk remembers: after a start that is the whole copy, with the first answer. Follows the
//! follower's side of `KafkaRaftClient.java`, `MetadataLoader.java`,
//! `BrokerMetadataPublisher.scala` and `ReplicaManager.applyDelta`: one answer of the controller is
//! one delta. Of several changes of a partition in one delta only the last is acted on, and nothing
//! is before the log has been replayed to its end once.

use crate::base::ids::{BrokerId, LeaderEpoch, LogId, Offset, PartitionId};
use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::METADATA;
use crate::kafka::broker::partition::Partition;
use crate::kafka::ctx::Ctx;
use crate::kafka::log::Log;
use crate::kafka::{metadata_log, rulings};
use crate::model::batch::Batch;
use crate::model::disk::IoError;
use crate::model::fact::StopKind;
use crate::model::message::{FetchMetadataRequest, FetchMetadataResponse, List};

/// `KafkaRaftClient.MAX_FETCH_WAIT_MS`.
const MAX_WAIT: Span = Span::millis(500);

impl Broker {
    /// Asks for what follows in the metadata log, if the channel is free.
    pub(super) fn fetch_metadata(&mut self, ctx: &mut Ctx<'_>) {
        if self.channels.ready(METADATA, ctx) {
            let content = FetchMetadataRequest {
                from: self.metadata.end(),
                last_fetched: self.metadata.latest_epoch(),
                watermark: self.metadata.watermark(),
                max_wait: MAX_WAIT,
            };
            self.channels.send(METADATA, content.into(), (), ctx);
        }
    }

    /// The controller sent the batches from `from` on, or none in time; or said where the logs
    /// part. A broker that cannot write its copy halts, for the log directory of the metadata has
    /// failed.
    ///
    /// Kafka: KafkaRaftClient.handleFetchResponse
    pub(super) fn on_metadata_fetched(
        &mut self,
        response: &FetchMetadataResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let FetchMetadataResponse { from, end, diverging, records } = *response;
        if from != self.metadata.end() {
            return;
        }
        let taken = match diverging {
            Some(leaders) => self.cut_metadata(leaders, ctx),
            None => self.append_metadata(records, ctx),
        };
        if taken.is_err() {
            return ctx.exit(StopKind::Halt);
        }
        if diverging.is_none() {
            self.replay_metadata(end, ctx);
            self.publish(end, ctx);
        }
    }

    fn append_metadata(&mut self, batches: List<Batch>, ctx: &mut Ctx<'_>) -> Result<(), IoError> {
        let mut place = 0;
        while let Some(batch) = ctx.entry(batches, place) {
            place += 1;
            metadata_log::append(&mut self.metadata, batch, &mut self.disk, ctx)?;
        }
        Ok(())
    }

    /// Cuts the copy where the controller's log parts from it. What is committed is never cut: a
    /// broker that is told to has met a controller that lost its log, and halts.
    fn cut_metadata(
        &mut self,
        leaders: (LeaderEpoch, Offset),
        ctx: &mut Ctx<'_>,
    ) -> Result<(), IoError> {
        let log = &mut self.metadata;
        let to = rulings::truncation_point(leaders, log.end_of_epoch(leaders.0), log.end());
        if to < log.watermark() {
            ctx.exit(StopKind::Halt);
            return Ok(());
        }
        log.truncate(to, ctx.wall, Span::FOREVER, &mut self.disk)
    }

    /// Replays the copy as far as it is known to be committed: `end` is where the controller's is.
    pub(super) fn replay_metadata(&mut self, end: Offset, ctx: &mut Ctx<'_>) {
        self.metadata.set_watermark(end.max(self.metadata.watermark()));
        if self.image.end() == Offset::ZERO {
            self.begin_with_bootstrap_image(ctx);
        }
        let span = (self.image.end(), self.metadata.watermark());
        let (image, changed) = (&mut self.image, &mut self.changed);
        let read = metadata_log::read(&self.metadata, span, &self.disk, ctx.bodies, |record| {
            image.replay(record);
            changed.extend(record.partition().map(|(partition, _)| partition));
        });
        if read.is_err() {
            ctx.exit(StopKind::Halt);
        }
    }

    /// The first batches of the copy, if they are those of time zero, have been replayed already.
    fn begin_with_bootstrap_image(&mut self, ctx: &Ctx<'_>) {
        let Ok(copy) = self.disk.log(LogId::Metadata) else { return };
        let Some(image) = self.bootstrap.begins(copy.batches(), ctx.bodies) else { return };
        if image.end() <= self.metadata.watermark() {
            self.image.clone_from(image);
            self.changed.extend_from_slice(self.bootstrap.hosted(self.id));
        }
    }

    /// The broker has come so far that it may act on metadata.
    pub(super) fn on_first_publication(&mut self, ctx: &mut Ctx<'_>) {
        self.publish(Offset(u64::MAX), ctx);
    }

    /// Acts on what was replayed; `end` is the end of the log as far as it is known.
    pub(super) fn publish(&mut self, end: Offset, ctx: &mut Ctx<'_>) {
        // The first publication starts the managers; it ends the start of the broker.
        let now = ctx.monotonic();
        let due = self.lifecycle.until_publication(now) == Span::ZERO;
        self.replayed |= self.image.end() >= end;
        if self.replayed && due && !self.published {
            // `LogManager.loadLogs` removes the marker, in the first publication; it was read for
            // the registration before (`BrokerServer.startup`).
            self.published = true;
            self.disk.remove_clean_shutdown();
        }
        if !self.published || self.changed.is_empty() {
            return;
        }
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        // First those it leads, then those it follows (`ReplicaManager.applyDelta`).
        for leads in [true, false] {
            for partition in &changed {
                self.apply(*partition, leads, ctx);
            }
        }
        self.check_assignments(&changed, ctx);
        changed.clear();
        self.changed = changed;
        // All partitions first, then the fetches: one request carries them all.
        let mut next = 0;
        while let Some((leader, _)) = self.fetchers.next_mut(next) {
            next = leader + 1;
            self.retire_if_idle(BrokerId::at(leader), ctx);
            self.pump(BrokerId::at(leader), ctx);
        }
    }

    fn apply(&mut self, partition: PartitionId, leads: bool, ctx: &mut Ctx<'_>) {
        let Some(image) = self.image.partition(partition) else {
            return;
        };
        if (image.state.leader == Some(self.id)) != leads || image.place(self.id).is_none() {
            return;
        }
        self.host_partition(partition, ctx);
        if leads {
            self.unfollow(partition);
        }
        let (replica, mut host) = self.replica_and_host(partition);
        let Some(image) = host.image.partition(partition) else {
            return;
        };
        let Some(replica) = replica.filter(|replica| !replica.offline) else {
            return;
        };
        let (state, place) = (image.state, replica.place);
        if leads {
            let led = replica.become_leader(image, &mut host, ctx);
            self.touch(partition);
            if led.is_err() {
                self.fail_dir_of(partition, ctx);
            }
            return;
        }
        let begins = replica.become_follower(image, ctx);
        self.touch(partition);
        // A broker that is leaving does not come back into an ISR.
        let leaving =
            self.lifecycle.is_stopping() && (state.leader.is_none() || !state.isr.has(place));
        if leaving {
            self.unfollow(partition);
        } else if begins {
            self.follow(partition, ctx);
        }
    }

    /// Makes this broker a replica of the partition: with the log found at start, or a new one.
    fn host_partition(&mut self, partition: PartitionId, ctx: &mut Ctx<'_>) {
        let place = partition.index();
        if self.partitions.get(place).is_some() {
            return;
        }
        let Some(image) = self.image.partition(partition) else {
            return;
        };
        let expiration = self.config.producer_id_expiration;
        let (id, found) = (LogId::Partition(partition), self.dir_for(partition));
        // A log that is nowhere may lie in a directory that is offline.
        let dir = found.unwrap_or(self.offline_dirs.trailing_zeros() as u16);
        let log = match self.unassigned.remove(place) {
            Some(log) => Ok(log),
            None if found.is_none() => Err(IoError::Failed),
            None => Log::load(id, dir, true, ctx.wall(), expiration, &mut self.disk),
        };
        let offline = log.is_err();
        let log = log.unwrap_or_else(|_| Log::absent(id, dir));
        let mut replica = Partition::new(partition, image, self.id, log);
        replica.offline = offline;
        self.partitions.insert(place, replica);
        self.enrol_askers(partition);
        if offline {
            self.fail_dir_of(partition, ctx);
        }
    }
}
