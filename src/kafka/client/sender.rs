//! Produce requests: which batches go into the next one, and what their answers mean.
//!
//! Follows `Sender.java` and `RecordAccumulator.java`. The rest of the producer is in
//! [`super::producer`].

use std::collections::VecDeque;

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::base::time::Time;
use crate::kafka::backoff;
use crate::kafka::client::accumulator::{NO_SLOT, Place, ProducerBatch};
use crate::kafka::client::application::Answer;
use crate::kafka::client::channel::Request;
use crate::kafka::client::idempotence::Identity;
use crate::kafka::client::process::Call;
use crate::kafka::client::producer::Producer;
use crate::kafka::ctx::Ctx;
use crate::kafka::network_client::Peer;
use crate::kafka::timers::ClientTimer;
use crate::model::batch::{Batch, Records};
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::fact::Fact;
use crate::model::message::{
    List, PartitionProduceResponse, ProducePartition, ProduceRequest, ProduceResponse,
};
use crate::model::rules::Drill;

/// What a partition contributes to a request.
#[derive(Clone, Copy, Debug)]
enum Drained {
    /// This batch.
    Batch(u32),
    /// Nothing; look at the next partition.
    Nothing,
    /// Nothing, and the request ends here.
    End,
}

impl Producer {
    /// Sends one request to each broker for which data is ready. Says whether it sent any: then
    /// there may be more.
    ///
    /// Kafka: Sender.sendProducerData
    pub(super) fn send_ready(&mut self, ctx: &mut Ctx<'_>, calls: &mut VecDeque<Call>) -> bool {
        let now = ctx.monotonic();
        let anonymous = self.config.idempotence && self.identity.producer.is_none();
        if self.accumulator.waiting.is_empty() || anonymous || self.identity.asking {
            return false;
        }
        self.find_ready(ctx);
        let mut sent = false;
        let mut next = 0;
        while let Some(at) = self.ready.first_from(next) {
            next = at + 1;
            self.availability[at].ready = now;
            // Metadata goes first (`NetworkClient.isReady`).
            let peer = Peer::Broker(BrokerId::at(at));
            if self.cache.is_due(now) || !self.channels.can_send(peer) {
                self.channels.connect(peer, ctx);
            } else {
                self.availability[at].drained = now;
                sent |= self.drain(at, ctx, calls);
            }
        }
        sent
    }

    /// Finds the brokers for which a batch is ready: it is full or another waits behind it, it has
    /// lingered, memory is exhausted or a flush is on; and it does not back off.
    ///
    /// Kafka: RecordAccumulator.ready
    fn find_ready(&mut self, ctx: &mut Ctx<'_>) {
        let now = ctx.monotonic();
        let hurry = self.flushing || self.is_exhausted();
        let mut next = Time::NEVER;
        self.ready.clear();
        for place in self.accumulator.waiting.iter() {
            let queue = &self.accumulator.queues[place];
            let Some(slot) = queue.waiting.front().copied() else { continue };
            let (muted, more) = (queue.muted, queue.waiting.len() > 1);
            let leadership = self.cache.leadership(PartitionId(place as u16));
            let batch = &mut self.accumulator.batches[slot];
            batch.see_leader_epoch(leadership.epoch);
            let (backoff, lingers) =
                (batch.backs_off_until(), batch.last_attempt + self.config.linger);
            let Some(leader) = leadership.leader else {
                self.cache.want_update();
                continue;
            };
            if muted || self.ready.contains(leader.index()) {
                continue;
            }
            let at_once = more || hurry || self.accumulator.is_full(slot);
            let from = backoff.unwrap_or(if at_once { now } else { lingers });
            if from <= now {
                self.ready.insert(leader.index());
            } else {
                next = next.min(from);
            }
        }
        if next < Time::NEVER {
            self.lingers.by(next, ClientTimer::Linger, ctx);
        }
    }

    /// Sends a broker one batch of each partition it leads, beginning where the last request to it
    /// ended, as far as `max.request.size` allows.
    ///
    /// Kafka: RecordAccumulator.drainBatchesForOneNode
    fn drain(&mut self, at: usize, ctx: &mut Ctx<'_>, calls: &mut VecDeque<Call>) -> bool {
        let (leader, start) = (BrokerId::at(at), self.drain_from[at]);
        let mut request: Option<(List<ProducePartition>, u32)> = None;
        let (mut last, mut bytes) = (NO_SLOT, 0);
        // A request that takes all there is ends at the partition before its first.
        self.drain_from[at] = self.cache.led_before(leader, start);
        let (mut from, mut wrapped) = (start, false);
        loop {
            let next = self.accumulator.waiting.first_from(from);
            let Some(place) = next.filter(|place| !wrapped || *place < start) else {
                if wrapped {
                    break;
                }
                (from, wrapped) = (0, true);
                continue;
            };
            from = place + 1;
            let partition = PartitionId(place as u16);
            if self.cache.leader(partition) != Some(leader) {
                continue;
            }
            let slot = match self.drain_partition(partition, bytes, ctx) {
                Drained::Batch(slot) => slot,
                Drained::Nothing => continue,
                Drained::End => {
                    self.drain_from[at] = place;
                    break;
                }
            };
            let batch = &self.accumulator.batches[slot];
            bytes += batch.bytes;
            let (partitions, _) = *request.get_or_insert_with(|| (ctx.take_list(), slot));
            ctx.push(partitions, ProducePartition { partition, batch: on_the_wire(batch) });
            if last != NO_SLOT {
                self.accumulator.batches[last].next_in_request = slot;
            }
            last = slot;
        }
        let Some((partitions, first_batch)) = request else { return false };
        let (acks, timeout) = (self.config.acks, self.config.client.request_timeout);
        let content = ProduceRequest { acks, timeout, partitions }.into();
        let peer = Peer::Broker(BrokerId::at(at));
        if acks == Acks::None {
            self.channels.post(peer, content, ctx);
            self.complete_request(first_batch, ErrorCode::None, ctx, calls);
        } else {
            self.channels.send(peer, content, Request::Produce { first_batch }, ctx);
        }
        true
    }

    fn drain_partition(
        &mut self,
        partition: PartitionId,
        bytes: u32,
        ctx: &mut Ctx<'_>,
    ) -> Drained {
        let alone = self.config.max_in_flight == 1;
        let epoch = self.cache.leadership(partition).epoch;
        let queue = &mut self.accumulator.queues[partition.index()];
        let Some(slot) = queue.waiting.front().copied().filter(|_| !queue.muted) else {
            return Drained::Nothing;
        };
        let batch = &mut self.accumulator.batches[slot];
        batch.see_leader_epoch(epoch);
        if batch.backs_off_until().is_some_and(|until| until > ctx.monotonic()) {
            return Drained::Nothing;
        }
        if bytes > 0 && bytes + batch.bytes > self.config.max_request_size {
            return Drained::End;
        }
        // Kafka ends the request here rather than going on to the next partition, and the next
        // request begins with this partition again.
        if let Some(producer) = self.identity.producer
            && queue.sequences.holds_back(slot, producer, &self.accumulator.batches)
        {
            return Drained::End;
        }
        queue.muted = alone;
        self.accumulator.drain_first(partition);
        let queue = &mut self.accumulator.queues[partition.index()];
        self.identity.stamp(slot, queue, &mut self.accumulator.batches);
        Drained::Batch(slot)
    }

    /// The answer to a produce request.
    pub(super) fn on_produced(
        &mut self,
        first_batch: u32,
        response: &ProduceResponse,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        let mut slot = first_batch;
        let mut place = 0;
        while slot != NO_SLOT {
            let ProducerBatch { partition, next_in_request, .. } = self.accumulator.batches[slot];
            // Answers come in the order of the request, or else are searched for.
            let of_batch = |answer: &&PartitionProduceResponse| answer.partition == partition;
            let list = ctx.list(response.responses);
            let found = list.get(place).filter(of_batch).or_else(|| list.iter().find(of_batch));
            let (error, offset) = found
                .map_or((ErrorCode::UnknownServerError, Offset::ZERO), |a| {
                    (a.error, a.base_offset)
                });
            self.complete(slot, error, Some(offset), ctx, calls);
            slot = next_in_request;
            place += 1;
        }
        for answer in ctx.list(response.responses) {
            if let Some((to, epoch)) = answer.current_leader
                && matches!(
                    answer.error,
                    ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
                )
            {
                self.cache.hint(answer.partition, to, epoch);
            }
        }
    }

    /// A produce request was lost with its connection.
    #[cold]
    pub(super) fn fail_request(
        &mut self,
        first_batch: u32,
        error: ErrorCode,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        self.complete_request(first_batch, error, ctx, calls);
    }

    fn complete_request(
        &mut self,
        first_batch: u32,
        error: ErrorCode,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        let mut slot = first_batch;
        while slot != NO_SLOT {
            let next = self.accumulator.batches[slot].next_in_request;
            self.complete(slot, error, None, ctx, calls);
            slot = next;
        }
    }

    /// What a request says of one batch.
    ///
    /// Kafka: Sender.completeBatch
    fn complete(
        &mut self,
        slot: u32,
        error: ErrorCode,
        offset: Option<Offset>,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        let batch = self.accumulator.batches[slot];
        let zombie = batch.place == Place::Zombie;
        if self.config.max_in_flight == 1 {
            self.accumulator.queues[batch.partition.index()].muted = false;
        }
        if error == ErrorCode::MessageTooLarge && batch.count > 1 && !zombie {
            self.accumulator.split(slot);
            self.accumulator.free(slot);
        } else if error.is_none() || error == ErrorCode::DuplicateSequenceNumber {
            self.succeed(slot, offset.filter(|_| error.is_none()), ctx, calls);
        } else if zombie {
            self.accumulator.free(slot);
        } else if self.can_retry(&batch, error, ctx) {
            self.retry(slot, error, ctx);
        } else {
            let attempts_left = batch.attempts < self.config.retries;
            self.fail(slot, error, attempts_left, ctx, calls);
            self.accumulator.free(slot);
        }
        if error.refreshes_metadata() {
            self.cache.want_update();
        }
    }

    fn succeed(
        &mut self,
        slot: u32,
        base: Option<Offset>,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        let batch = self.accumulator.batches[slot];
        let ProducerBatch { partition, first, count, .. } = batch;
        let queue = &mut self.accumulator.queues[partition.index()];
        // Also of a batch that had been given up: its sequence is known to be used now.
        Identity::acknowledged(slot, queue, &self.accumulator.batches);
        if batch.place != Place::Zombie {
            let (process, acks) = (self.process, self.config.acks);
            ctx.note(Fact::Acked { process, partition, first, count, base, acks });
            let error = ErrorCode::None;
            calls.push_back(Call::Answered(Answer { partition, first, count, error, base }));
        }
        self.accumulator.free(slot);
    }

    fn can_retry(&mut self, batch: &ProducerBatch, error: ErrorCode, ctx: &Ctx<'_>) -> bool {
        let in_time = ctx.monotonic().since(batch.created) < self.config.delivery_timeout;
        if !in_time || batch.attempts >= self.config.retries {
            return false;
        }
        if self.config.idempotence {
            let queue = &mut self.accumulator.queues[batch.partition.index()];
            self.identity.can_retry(error, batch, queue)
        } else {
            error.is_retriable()
        }
    }

    #[cold]
    fn retry(&mut self, slot: u32, error: ErrorCode, ctx: &mut Ctx<'_>) {
        let client = &self.config.client;
        let (initial, max) = (client.retry_backoff, client.retry_backoff_max);
        let batch = &mut self.accumulator.batches[slot];
        batch.backoff = backoff::exponential(initial, max, batch.attempts, ctx.rng);
        batch.attempts += 1;
        batch.last_attempt = ctx.monotonic();
        batch.retried = true;
        batch.unsure |= may_have_been_appended(error);
        let ProducerBatch { partition, first, count, .. } = *batch;
        ctx.note(Fact::Retried { process: self.process, partition, first, count, error });
        self.accumulator.put_back(slot);
    }

    /// The application is told that a batch failed. The slot stays.
    #[cold]
    fn fail(
        &mut self,
        slot: u32,
        error: ErrorCode,
        attempts_left: bool,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        let batch = self.accumulator.batches[slot];
        let ProducerBatch { partition, first, count, unsure, .. } = batch;
        let process = self.process;
        if self.config.idempotence {
            let queue = &mut self.accumulator.queues[partition.index()];
            self.identity.failed(slot, error, attempts_left, queue);
        }
        let unknown = unsure || error == ErrorCode::Expired || may_have_been_appended(error);
        let unknown = unknown && !ctx.rules.drills(Drill::UnknownIsRejected);
        ctx.note(if unknown {
            Fact::GaveUp { process, partition, first, count, error }
        } else {
            Fact::Rejected { process, partition, first, count, error }
        });
        calls.push_back(Call::Answered(Answer { partition, first, count, error, base: None }));
    }

    /// `delivery.timeout.ms` is over for some batches, wherever they are. One in flight may still
    /// be written.
    pub(super) fn expire(&mut self, ctx: &mut Ctx<'_>, calls: &mut VecDeque<Call>) {
        let now = ctx.monotonic();
        let timeout = self.config.delivery_timeout;
        self.delivery_armed = false;
        let mut expired: Vec<u32> = self
            .accumulator
            .batches
            .live()
            .filter(|(_, batch)| now.since(batch.created) >= timeout)
            .map(|(slot, _)| slot)
            .collect();
        let batches = &self.accumulator.batches;
        expired.sort_unstable_by_key(|slot| {
            let batch = &batches[*slot];
            (batch.place, batch.partition, batch.first)
        });
        for slot in expired {
            let batch = self.accumulator.batches[slot];
            self.fail(slot, ErrorCode::Expired, false, ctx, calls);
            if batch.retried {
                let queue = &mut self.accumulator.queues[batch.partition.index()];
                self.identity.leave_unresolved(&batch, queue);
            }
            if batch.place == Place::Waiting {
                self.accumulator.withdraw(slot);
                self.accumulator.free(slot);
            } else {
                self.accumulator.bury(slot);
            }
        }
        let oldest = self.accumulator.batches.live().map(|(_, batch)| batch.created).min();
        if let Some(created) = oldest {
            self.delivery_armed = true;
            if !ctx.rules.drills(Drill::ExpiryNotRearmed) {
                ctx.set(ClientTimer::Delivery, (created + timeout).since(now));
            }
        }
    }
}

/// Whether the broker that gave this answer, or none, may have appended the batch.
const fn may_have_been_appended(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::RequestTimedOut
            | ErrorCode::NetworkException
            | ErrorCode::NotEnoughReplicasAfterAppend
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::KafkaStorageError
            | ErrorCode::UnknownServerError
    )
}

fn on_the_wire(batch: &ProducerBatch) -> Batch {
    Batch {
        base: Offset::ZERO,
        max_timestamp: batch.max_timestamp,
        records: Records::Workload(batch.first),
        count: batch.count,
        bytes: batch.bytes,
        leader_epoch: LeaderEpoch::default(),
        sequence: batch.sequence,
    }
}
