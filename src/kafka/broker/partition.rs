//! One replica of one partition at this broker: leading or following, appending, its watermark.
//!
//! Follows `Partition.scala`; its ISR half is in [`super::isr`], its follower half in
//! [`super::fetcher`]. Knows the metadata image and its own log, and no connection.

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionEpoch, PartitionId, TopicId};
use crate::base::replicas::ReplicaList;
use crate::kafka::broker::fetch::session::{FetchSessionCache, SessionSlot};
use crate::kafka::broker::fetcher::FetchState;
use crate::kafka::broker::isr::{self, IsrState};
use crate::kafka::broker::purgatory::Waiters;
use crate::kafka::broker::replica_state::ReplicaState;
use crate::kafka::ctx::Ctx;
use crate::kafka::image::{Image, PartitionImage};
use crate::kafka::log::Log;
use crate::kafka::rulings::{self, FollowerEnd, KnownBatch, SequenceRuling, WatermarkInputs};
use crate::kafka::start::ReplicaView;
use crate::model::batch::Batch;
use crate::model::config::{Acks, BrokerConfig, TopicConfig};
use crate::model::disk::{Disk, IoError};
use crate::model::error::ErrorCode;
use crate::model::fact::Fact;
use crate::model::rules::Rules;

/// What a partition sees of its broker.
#[derive(Debug)]
pub(super) struct Host<'a> {
    pub(super) image: &'a Image,
    pub(super) config: &'a BrokerConfig,
    pub(super) disk: &'a mut Disk,
    pub(super) sessions: &'a FetchSessionCache,
}

/// Why an append failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppendError {
    /// The client is told so.
    Refused(ErrorCode),
    /// The log directory goes offline.
    Disk(IoError),
}

/// A batch is in the leader's log.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaderAppend {
    /// Where it begins.
    pub(super) base: Offset,
    /// Where it ends.
    pub(super) end: Offset,
    /// Whether the answer waits for a sync up to its end.
    pub(super) must_sync: bool,
}

/// One replica.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub(super) id: PartitionId,
    pub(super) topic: TopicId,
    pub(super) broker: BrokerId,
    /// The replica list, and the own place in it.
    pub(super) replicas: ReplicaList,
    pub(super) place: usize,
    pub(super) leads: bool,
    pub(super) leader: Option<BrokerId>,
    /// `None` until the metadata log has named one.
    pub(super) leader_epoch: Option<LeaderEpoch>,
    pub(super) partition_epoch: PartitionEpoch,
    /// Where the leader epoch began, for a leader.
    pub(super) epoch_start: Offset,
    pub(super) isr: IsrState,
    /// What a leader knows of the others, by place in the replica list.
    pub(super) followers: Vec<ReplicaState>,
    pub(super) log: Log,
    /// Its log directory has failed; it answers KAFKA_STORAGE_ERROR until the broker restarts.
    pub(super) offline: bool,
    pub(super) waiting: Waiters,
    /// Fetch sessions that hold it.
    pub(super) sessions: Vec<SessionSlot>,
    /// What a follower is about to fetch.
    pub(super) fetch: Option<FetchState>,
    /// The timer of `flush.ms` is set.
    pub(super) flush_armed: bool,
    /// It is on the broker's list of partitions that have changed.
    pub(super) touched: bool,
}

impl Partition {
    /// A replica that has just been assigned, or found at start, with its log.
    pub(super) fn new(id: PartitionId, image: &PartitionImage, broker: BrokerId, log: Log) -> Self {
        Self {
            id,
            topic: image.topic,
            broker,
            replicas: image.replicas.clone(),
            place: image.place(broker).unwrap_or_default(),
            leads: false,
            leader: None,
            leader_epoch: None,
            partition_epoch: PartitionEpoch(0),
            epoch_start: Offset::ZERO,
            isr: IsrState::default(),
            followers: vec![ReplicaState::default(); image.replicas.len()],
            log,
            offline: false,
            waiting: Waiters::default(),
            sessions: Vec::new(),
            fetch: None,
            flush_armed: false,
            touched: false,
        }
    }

    /// What a run's audit may see.
    pub(super) fn view(&self) -> ReplicaView {
        ReplicaView {
            leads: self.leads,
            leader_epoch: self.leader_epoch.unwrap_or_default(),
            log_start: self.log.start(),
            end: self.log.end(),
            watermark: self.log.watermark(),
            partition_epoch: self.partition_epoch,
            isr: self.isr.committed,
            offline: self.offline,
        }
    }

    /// `min(min.insync.replicas, replication factor)`.
    fn min_isr(&self, config: &TopicConfig, rules: &Rules) -> usize {
        rulings::effective_min_isr(rules, config.min_insync_replicas, self.replicas.len())
    }

    /// The configuration of its topic.
    pub(super) fn config<'a>(&self, image: &'a Image) -> &'a TopicConfig {
        image.topic_config(self.topic)
    }

    /// Whether the metadata log has named a leader it may be asked as.
    pub(super) fn check_leader(
        &self,
        asked: Option<LeaderEpoch>,
        ctx: &Ctx<'_>,
    ) -> Result<(), ErrorCode> {
        if self.offline {
            return Err(ErrorCode::KafkaStorageError);
        }
        rulings::check_fetch_epoch(ctx.rules, asked, self.leader_epoch)?;
        if self.leads { Ok(()) } else { Err(ErrorCode::NotLeaderOrFollower) }
    }

    // ---- changing roles ----

    /// Takes over a committed state in which this broker leads.
    ///
    /// Kafka: Partition.makeLeader
    pub(super) fn become_leader(
        &mut self,
        image: &PartitionImage,
        host: &mut Host<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), IoError> {
        let state = &image.state;
        if self.leader_epoch.is_some() && state.partition_epoch < self.partition_epoch {
            return Ok(());
        }
        let led_before = self.leads;
        self.fetch = None;
        self.isr = IsrState::committed(state.isr);
        if Some(state.leader_epoch) > self.leader_epoch {
            let start = self.log.end();
            // Followers may ask for epochs in which nothing was written (KIP-101).
            self.log.begin_epoch(state.leader_epoch, start, host.disk)?;
            for (place, follower) in self.followers.iter_mut().enumerate() {
                follower.reset(ctx.wall(), start, led_before, state.isr.has(place));
            }
            self.leader_epoch = Some(state.leader_epoch);
            self.epoch_start = start;
            ctx.note(Fact::BecameLeader {
                broker: self.broker,
                partition: self.id,
                leader_epoch: state.leader_epoch,
                end: start,
            });
        }
        self.partition_epoch = state.partition_epoch;
        self.leader = Some(self.broker);
        self.leads = true;
        if !led_before {
            let (own, end) = (self.log.watermark(), self.log.end());
            self.move_watermark(rulings::watermark_of_new_leader(ctx.rules, own, end), ctx);
        }
        self.advance_watermark(host, ctx);
        Ok(())
    }

    /// Takes over a committed state in which another broker leads, or none. Says whether a leader
    /// epoch began.
    ///
    /// Kafka: Partition.makeFollower
    pub(super) fn become_follower(&mut self, image: &PartitionImage, ctx: &mut Ctx<'_>) -> bool {
        let state = &image.state;
        if self.leader_epoch.is_some() && state.partition_epoch < self.partition_epoch {
            return false;
        }
        let begins = Some(state.leader_epoch) > self.leader_epoch;
        self.leads = false;
        self.leader = state.leader;
        self.leader_epoch = Some(state.leader_epoch);
        self.partition_epoch = state.partition_epoch;
        self.isr = IsrState::default();
        if begins {
            ctx.note(Fact::BecameFollower {
                broker: self.broker,
                partition: self.id,
                leader_epoch: state.leader_epoch,
                end: self.log.end(),
            });
        }
        begins
    }

    // ---- appending ----

    /// Appends a client's batch, in the order of checks of kafka-protocol §1.3.
    ///
    /// Kafka: Partition.appendRecordsToLeader
    /// Kafka: UnifiedLog.append
    pub(super) fn append_as_leader(
        &mut self,
        batch: Batch,
        acks: Acks,
        host: &mut Host<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<LeaderAppend, AppendError> {
        let config = self.config(host.image);
        let min_isr = self.min_isr(config, ctx.rules);
        self.check_leader(None, ctx).map_err(AppendError::Refused)?;
        rulings::may_accept_write(acks, self.isr.committed, min_isr)
            .and_then(|()| validate(&batch, config, ctx))
            .map_err(AppendError::Refused)?;
        if let Some(known) = self.check_sequence(&batch, ctx)? {
            if let Some(first) = batch.records.workload() {
                let (broker, partition, base) = (self.broker, self.id, known.base);
                ctx.note(Fact::Deduplicated { broker, partition, base, first });
            }
            let KnownBatch { base, end, .. } = known;
            return Ok(LeaderAppend { base, end, must_sync: false });
        }
        let base = self.log.end();
        for follower in &mut self.followers {
            follower.take_over_session(host.sessions, base);
        }
        let leader_epoch = self.leader_epoch.unwrap_or_default();
        let batch = Batch { base, leader_epoch, ..batch };
        let must_sync =
            self.log.append(batch, config, host.disk, ctx).map_err(AppendError::Disk)?;
        self.advance_watermark(host, ctx);
        Ok(LeaderAppend { base, end: batch.end(), must_sync })
    }

    /// The batch this one repeats, if it repeats one.
    fn check_sequence(
        &mut self,
        batch: &Batch,
        ctx: &Ctx<'_>,
    ) -> Result<Option<KnownBatch>, AppendError> {
        let Some(sequence) = batch.sequence else {
            return Ok(None);
        };
        let known = self.log.producers().known(sequence.producer);
        let (epoch, first) = (sequence.epoch, sequence.first);
        match rulings::accept_sequence(ctx.rules, known, epoch, first, batch.count) {
            SequenceRuling::Append => Ok(None),
            SequenceRuling::Duplicate(known) => Ok(Some(known)),
            SequenceRuling::Refuse(error) => Err(AppendError::Refused(error)),
        }
    }

    // ---- the high watermark ----

    /// Moves the high watermark to where all that it waits for have come; says whether it moved.
    ///
    /// Kafka: Partition.maybeIncrementLeaderHW
    pub(super) fn advance_watermark(&mut self, host: &Host<'_>, ctx: &mut Ctx<'_>) -> bool {
        let (end, now) = (self.log.end(), ctx.wall());
        let inputs = WatermarkInputs {
            committed: self.isr.committed,
            maximal: self.isr.maximal(),
            leader: self.place,
            min_isr: self.min_isr(self.config(host.image), ctx.rules),
            end,
            present: self.log.watermark(),
        };
        let ends = self
            .followers
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != self.place)
            .map(|(place, follower)| FollowerEnd { place, end: follower.end });
        let joins = |place: usize| {
            let follower = &self.followers[place];
            let lag_max = host.config.replica_lag_time_max;
            rulings::is_caught_up(follower.end, end, follower.last_caught_up, now, lag_max)
                && isr::is_eligible(self.replicas[place], follower.epoch, host.image, ctx.rules)
        };
        match rulings::high_watermark(ctx.rules, &inputs, ends, joins) {
            Some(to) => self.move_watermark(to, ctx),
            None => false,
        }
    }

    /// Sets the high watermark, and claims it if it moved. A moved one touches the partition.
    pub(super) fn move_watermark(&mut self, to: Offset, ctx: &mut Ctx<'_>) -> bool {
        let before = self.log.watermark();
        self.log.set_watermark(to);
        let to = self.log.watermark();
        if to != before {
            ctx.note_trace(Fact::HighWatermarkMoved {
                broker: self.broker,
                partition: self.id,
                leader_epoch: self.leader_epoch.unwrap_or_default(),
                to,
            });
        }
        to != before
    }

    /// The error with which a waiting acks=all is answered now that its offset is reached.
    pub(super) fn answer_after_watermark(&self, image: &Image, ctx: &Ctx<'_>) -> ErrorCode {
        let min_isr = self.min_isr(self.config(image), ctx.rules);
        rulings::answer_after_watermark(self.isr.maximal(), min_isr)
    }
}

/// Checks what needs no log of a batch.
///
/// Kafka: UnifiedLog.analyzeAndValidateRecords
/// Kafka: LogValidator.validateMessagesAndAssignOffsets
fn validate(batch: &Batch, config: &TopicConfig, ctx: &Ctx<'_>) -> Result<(), ErrorCode> {
    let (now, bytes) = (ctx.wall(), u64::from(batch.bytes));
    let age = now.since(batch.max_timestamp);
    let ahead = batch.max_timestamp.since(now);
    if bytes > config.max_message_bytes {
        Err(ErrorCode::MessageTooLarge)
    } else if batch.records.workload().is_none() || batch.count == 0 {
        Err(ErrorCode::InvalidRecord)
    } else if age > config.timestamp_before_max || ahead > config.timestamp_after_max {
        Err(ErrorCode::InvalidTimestamp)
    } else if bytes > config.segment_bytes {
        Err(ErrorCode::RecordListTooLarge)
    } else {
        Ok(())
    }
}
