//! The producer: `send()`, its waits, and what it says to brokers apart from produce requests.
//!
//! Follows `KafkaProducer.java` and `Sender.java`. Kafka has a sender thread beside the
//! application's; here the sender acts whenever something happened to the process. A `send()` that
//! blocks is a record that waits in [`Producer::blocked`] with the deadline of `max.block.ms`.
//! What a produce request holds and what its answer means is in [`super::sender`].

use std::collections::VecDeque;

use crate::base::ids::{ConnectionId, PartitionId, PartitionIds, ProcessId, TopicId};
use crate::base::number_set::NumberSet;
use crate::base::time::{Span, Time};
use crate::kafka::client::accumulator::{
    Accumulator, Appended, Item, RECORD_OVERHEAD_BYTES, UPPER_BOUND_OVERHEAD_BYTES,
};
use crate::kafka::client::application::{Answer, NewRecord, Sending};
use crate::kafka::client::cache::Cache;
use crate::kafka::client::channel::{Bootstrap, ClientChannels, ClientThread, Request};
use crate::kafka::client::idempotence::{Bump, Identity, Producer as ProducerAndEpoch};
use crate::kafka::client::partitioner::{Candidate, KeyPlace, Keys, Sticky};
use crate::kafka::client::process::{Call, Store};
use crate::kafka::ctx::Ctx;
use crate::kafka::network_client::{Answered, LeastLoaded, Peer};
use crate::kafka::rounds::Rounds;
use crate::kafka::start::ProcessStart;
use crate::kafka::timers::{Alarm, ClientChannel, ClientTimer, Role};
use crate::model::batch::RecordId;
use crate::model::config::ProducerConfig;
use crate::model::error::ErrorCode;
use crate::model::fact::Fact;
use crate::model::message::{
    Content, InitProducerIdRequest, InitProducerIdResponse, Message, MetadataRequest,
    MetadataResponse, MetadataResponsePartition,
};
use crate::model::rules::Drill;

/// A send that has not returned.
#[derive(Clone, Copy, Debug)]
struct BlockedSend {
    record: NewRecord,
    deadline: Time,
    wait: Wait,
}

/// A topic, and how many partitions it has by the latest answer about metadata.
#[derive(Clone, Copy, Debug)]
struct KnownTopic {
    ids: PartitionIds,
    partitions: u16,
}

/// When a broker could last take data, and when there last was data for it
/// (`RecordAccumulator.NodeLatencyStats`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Availability {
    pub(super) ready: Time,
    pub(super) drained: Time,
}

/// A producer client.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    pub(super) process: ProcessId,
    pub(super) config: ProducerConfig,
    topics: Vec<KnownTopic>,
    pub(super) channels: ClientChannels,
    bootstrap: Bootstrap,
    pub(super) cache: Cache,
    pub(super) accumulator: Accumulator,
    pub(super) identity: Identity,
    sticky: Vec<Sticky>,
    keys: Vec<Keys>,
    blocked: VecDeque<BlockedSend>,
    pub(super) flushing: bool,
    pub(super) lingers: Alarm,
    pub(super) delivery_armed: bool,
    refreshes: Alarm,
    ask_not_before: Time,
    /// The next producer id replaces one whose epochs are used up.
    renewing: bool,
    /// Something has happened since the last [`Producer::run`] that may let it do more.
    ///
    /// Speed: most of a producer's events are a record that joins a batch which takes more. That
    /// stirs nothing, and nothing is looked for.
    stirred: bool,
    /// Where the next drain of a broker begins (`nodesDrainIndex`).
    pub(super) drain_from: Vec<usize>,
    pub(super) availability: Vec<Availability>,
    /// Brokers with something to send.
    pub(super) ready: NumberSet,
    /// Reused: candidates of a topic; requests of a connection.
    candidates: Vec<Candidate>,
    failed: Vec<Request>,
}

/// Why a record cannot be appended yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Metadata,
    Memory,
}

impl Producer {
    /// A producer that has not been opened.
    pub(super) fn new(start: &ProcessStart, config: ProducerConfig) -> Self {
        let brokers = usize::from(start.brokers);
        let topics = start.topics.iter().map(|ids| KnownTopic { ids: *ids, partitions: 0 });
        Self {
            process: start.id,
            config,
            topics: topics.collect(),
            channels: ClientThread::channels(Role::Producer, &config.client, config.max_in_flight),
            bootstrap: Bootstrap::default(),
            cache: Cache::new(config.client),
            accumulator: Accumulator::new(
                start.id,
                config.batch_size,
                config.buffer_memory,
                std::iter::empty(),
            ),
            identity: Identity::default(),
            sticky: vec![Sticky::default(); start.topics.len()],
            keys: vec![Keys::default(); start.topics.len()],
            blocked: VecDeque::new(),
            flushing: false,
            lingers: Alarm::default(),
            delivery_armed: false,
            refreshes: Alarm::default(),
            ask_not_before: Time::ZERO,
            renewing: false,
            stirred: true,
            drain_from: vec![0; brokers],
            availability: vec![Availability::default(); brokers],
            ready: NumberSet::default(),
            candidates: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// The client is made: it may talk from the next [`Producer::run`] on.
    pub(super) fn open(&mut self, ctx: &Ctx<'_>) {
        self.availability.fill(Availability { ready: ctx.monotonic(), drained: ctx.monotonic() });
    }

    /// See [`super::application::Clients::item`].
    pub(super) fn item(&self, partition: PartitionId, ordinal: u32) -> Option<Item> {
        self.accumulator.item(partition, ordinal)
    }

    /// The application has heard of these records.
    pub(super) fn forget(&mut self, answer: &Answer) {
        self.accumulator.forget(answer.partition, answer.first.ordinal, answer.count);
    }

    /// Lingering ends until everything has been answered.
    pub(super) const fn flush(&mut self) {
        self.flushing = true;
        self.stirred = true;
    }

    /// Takes a record: metadata, partition, size, memory, append, in this order.
    ///
    /// Kafka: KafkaProducer.send
    #[inline]
    pub(super) fn send(
        &mut self,
        record: NewRecord,
        store: &mut Store,
        ctx: &mut Ctx<'_>,
    ) -> Sending {
        match self.submit(record, store, ctx) {
            Ok(sending) => sending,
            Err(wait) => {
                self.stirred = true;
                let deadline = ctx.monotonic() + self.config.max_block;
                if self.config.max_block == Span::ZERO {
                    return self.fail_send(&record, wait, ctx);
                }
                if wait == Wait::Metadata {
                    self.cache.want_update();
                }
                if self.blocked.is_empty() {
                    ctx.set(ClientTimer::MaxBlock, self.config.max_block);
                }
                self.blocked.push_back(BlockedSend { record, deadline, wait });
                Sending::Blocked
            }
        }
    }

    fn submit(
        &mut self,
        record: NewRecord,
        store: &mut Store,
        ctx: &mut Ctx<'_>,
    ) -> Result<Sending, Wait> {
        if !self.cache.is_known() {
            return Err(Wait::Metadata);
        }
        let KnownTopic { ids, partitions } = self.topics[record.topic.index()];
        // Kafka: KafkaProducer.waitOnMetadata
        let chosen = record.partition.and_then(|partition| ids.number(partition));
        if partitions == 0 || chosen.is_some_and(|number| number >= partitions) {
            return Err(Wait::Metadata);
        }
        let key = record.key.map(|key| self.keys[record.topic.index()].place(key, partitions));
        let key_bytes = key.map_or(0, |key| key.bytes);
        let payload = record.value_bytes.saturating_add(key_bytes);
        let upper = payload.saturating_add(UPPER_BOUND_OVERHEAD_BYTES);
        if upper > self.config.max_request_size || u64::from(upper) > self.config.buffer_memory {
            let error = ErrorCode::MessageTooLarge;
            self.note_failed_send(&record, error, ctx);
            return Ok(Sending::Failed(error));
        }
        let (mut partition, sticky) = self.partition(&record, key, ctx);
        if sticky && self.sticky_is_due(record.topic, 0) && self.accumulator.last_is_full(partition)
        {
            partition = self.switch(record.topic, ctx);
        }
        let bytes = payload + RECORD_OVERHEAD_BYTES;
        let (now, wall) = (ctx.monotonic(), ctx.wall());
        let ordinal = self.accumulator.next_ordinal(partition);
        let item = (record.workload, record.label);
        match self.accumulator.append(partition, bytes, item, now, wall) {
            Appended::NoMemory => return Err(Wait::Memory),
            Appended::Began => {
                self.stirred = true;
                self.watch(ctx);
            }
            // `availability` tells when there last was data for a broker.
            Appended::Joined => {
                self.stirred |= self.accumulator.last_is_full(partition)
                    || self.config.availability_timeout > Span::ZERO;
            }
        }
        if sticky && self.sticky_is_due(record.topic, bytes) {
            self.switch(record.topic, ctx);
        }
        store.set_ordinal(partition, ordinal + 1);
        let id = RecordId { process: self.process, ordinal };
        ctx.note(Fact::Submitted {
            process: self.process,
            partition,
            record: id,
            workload: record.workload,
            key: record.key,
            label: record.label,
        });
        if let Some(payloads) = &mut ctx.bodies.payloads {
            payloads.add(partition, id, record.payload(wall));
        }
        Ok(Sending::Queued(partition, id))
    }

    /// Which partition the record goes to, and whether that is the sticky one.
    ///
    /// Kafka: KafkaProducer.partition
    fn partition(
        &mut self,
        record: &NewRecord,
        key: Option<KeyPlace>,
        ctx: &mut Ctx<'_>,
    ) -> (PartitionId, bool) {
        if let Some(partition) = record.partition {
            return (partition, false);
        }
        let topic = record.topic;
        let ids = self.topics[topic.index()].ids;
        if self.config.round_robin {
            self.fill_candidates(topic);
            return (self.sticky[topic.index()].round_robin(&self.candidates), false);
        }
        let heeded = !self.config.ignore_keys && !ctx.rules.drills(Drill::KeyIgnored);
        if let Some(key) = key.filter(|_| heeded) {
            return (ids.id(key.partition), false);
        }
        match self.sticky[topic.index()].current() {
            Some(partition) => (partition, true),
            None => (self.switch(topic, ctx), true),
        }
    }

    fn sticky_is_due(&mut self, topic: TopicId, appended: u32) -> bool {
        let sticky = &mut self.sticky[topic.index()];
        let Some(current) = sticky.current() else { return false };
        let full = self.accumulator.last_is_full(current);
        sticky.appended(appended, self.config.batch_size.max(1), full)
    }

    fn switch(&mut self, topic: TopicId, ctx: &mut Ctx<'_>) -> PartitionId {
        self.fill_candidates(topic);
        let adaptive = self.config.adaptive_partitioning;
        self.sticky[topic.index()].switch(&self.candidates, adaptive, ctx.rng)
    }

    #[cold]
    fn fill_candidates(&mut self, topic: TopicId) {
        let KnownTopic { ids, partitions } = self.topics[topic.index()];
        let limit = self.config.availability_timeout;
        self.candidates.clear();
        for partition in ids.all().take(partitions.into()) {
            let queue = &self.accumulator.queues[partition.index()];
            let leader = self.cache.leader(partition);
            let stats = leader.map(|b| self.availability[b.index()]).unwrap_or_default();
            self.candidates.push(Candidate {
                partition,
                leader,
                queued: queue.waiting.len() as u32,
                available: limit == Span::ZERO || stats.ready.since(stats.drained) <= limit,
                used: queue.used,
            });
        }
    }

    /// A batch began: its delivery time-out is watched.
    fn watch(&mut self, ctx: &mut Ctx<'_>) {
        if !self.delivery_armed && self.config.delivery_timeout < Span::FOREVER {
            self.delivery_armed = true;
            ctx.set(ClientTimer::Delivery, self.config.delivery_timeout);
        }
    }

    #[cold]
    fn note_failed_send(&self, record: &NewRecord, error: ErrorCode, ctx: &mut Ctx<'_>) {
        let NewRecord { workload, label, .. } = *record;
        ctx.note(Fact::SendFailed { process: self.process, workload, label, error });
    }

    #[cold]
    fn fail_send(&self, record: &NewRecord, wait: Wait, ctx: &mut Ctx<'_>) -> Sending {
        let error = match wait {
            Wait::Metadata => ErrorCode::Expired,
            Wait::Memory => ErrorCode::BufferExhausted,
        };
        self.note_failed_send(record, error, ctx);
        Sending::Failed(error)
    }

    /// Whether a send waits for memory; then nothing lingers.
    ///
    /// Kafka: BufferPool.queued
    pub(super) fn is_exhausted(&self) -> bool {
        self.blocked.front().is_some_and(|blocked| blocked.wait == Wait::Memory)
    }

    /// Everything the client can do now. Whatever it calls back for is in `calls`. What is only a
    /// matter of time has a timer.
    ///
    /// Kafka: Sender.runOnce
    pub(super) fn run(&mut self, store: &mut Store, ctx: &mut Ctx<'_>, calls: &mut VecDeque<Call>) {
        let asks = self.cache.is_due(ctx.monotonic()) || self.identity.producer.is_none();
        if !std::mem::take(&mut self.stirred) && !asks {
            return;
        }
        if self.config.idempotence {
            self.keep_identity(ctx);
        }
        self.refresh(ctx);
        if self.bootstrap.is_on() && self.cache.is_known() {
            self.bootstrap.leave(&mut self.channels, ctx);
        }
        let (mut rounds, process, now) = (Rounds::default(), self.process, ctx.monotonic());
        loop {
            rounds.count(&"Sender.runOnce", &process, now);
            self.admit_blocked(store, ctx, calls);
            if self.bootstrap.is_on() || !self.send_ready(ctx, calls) {
                break;
            }
        }
        self.refresh(ctx);
        if self.flushing && self.blocked.is_empty() && self.accumulator.incomplete == 0 {
            self.flushing = false;
            calls.push_back(Call::Flushed);
        }
    }

    /// Blocked sends return in the order in which they blocked.
    fn admit_blocked(&mut self, store: &mut Store, ctx: &mut Ctx<'_>, calls: &mut VecDeque<Call>) {
        while let Some(BlockedSend { record, .. }) = self.blocked.front().copied() {
            match self.submit(record, store, ctx) {
                Ok(sending) => {
                    self.blocked.pop_front();
                    calls.push_back(Call::Unblocked(record.thread, sending));
                }
                Err(wait) => {
                    self.blocked[0].wait = wait;
                    if wait == Wait::Metadata {
                        self.cache.want_update();
                    }
                    return;
                }
            }
        }
    }

    /// `max.block.ms` is over for some blocked sends.
    #[cold]
    fn expire_blocked(&mut self, ctx: &mut Ctx<'_>, calls: &mut VecDeque<Call>) {
        let now = ctx.monotonic();
        let Some(BlockedSend { wait, .. }) = self.blocked.front().copied() else { return };
        while let Some(BlockedSend { record, deadline, .. }) = self.blocked.front().copied() {
            if deadline > now {
                ctx.set(ClientTimer::MaxBlock, deadline.since(now));
                return;
            }
            self.blocked.pop_front();
            let sending = self.fail_send(&record, wait, ctx);
            calls.push_back(Call::Unblocked(record.thread, sending));
        }
    }

    /// Asks for metadata if that is due, of the least loaded broker.
    fn refresh(&mut self, ctx: &mut Ctx<'_>) {
        let Some(due) = self.cache.due() else { return };
        let now = ctx.monotonic();
        if due > now {
            return self.refreshes.by(due, ClientTimer::MetadataRefresh(Role::Producer), ctx);
        }
        if self.ask_anyone(Content::MetadataRequest(MetadataRequest {}), Request::Metadata, ctx) {
            self.cache.asked();
        }
    }

    /// Keeps a producer id, and raises its epoch when that is wanted.
    fn keep_identity(&mut self, ctx: &mut Ctx<'_>) {
        let Accumulator { queues, batches, .. } = &mut self.accumulator;
        self.identity.resolve(queues);
        match self.identity.bump(queues, batches) {
            Bump::None => {}
            Bump::Raised(producer) => self.note_bump(producer, ctx),
            Bump::Exhausted => self.renewing = true,
        }
        let due = self.ask_not_before <= ctx.monotonic();
        if self.identity.producer.is_none()
            && !self.identity.asking
            && due
            && self.ask_anyone(
                Content::InitProducerIdRequest(InitProducerIdRequest {}),
                Request::InitProducerId,
                ctx,
            )
        {
            self.identity.asking = true;
        }
    }

    #[cold]
    fn ask_anyone(&mut self, content: Content, request: Request, ctx: &mut Ctx<'_>) -> bool {
        match self.channels.least_loaded(self.drain_from.len(), ctx) {
            LeastLoaded::Ready(broker) => {
                self.channels.send(Peer::Broker(broker), content, request, ctx);
                return true;
            }
            LeastLoaded::Connect(broker) => self.channels.connect(Peer::Broker(broker), ctx),
            LeastLoaded::Wait | LeastLoaded::Nobody => {}
        }
        false
    }

    /// A connection is open; it may be another client's.
    pub(super) fn on_opened(&mut self, connection: ConnectionId, ctx: &mut Ctx<'_>) {
        self.stirred = true;
        if let Some(peer) = self.channels.of_connection(connection) {
            self.channels.opened(peer, ctx);
        }
    }

    /// A connection is gone; it may be another client's.
    pub(super) fn on_closed(
        &mut self,
        connection: ConnectionId,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        self.stirred = true;
        if let Some(peer) = self.channels.of_connection(connection) {
            self.lose(peer, ErrorCode::NetworkException, ctx, calls);
        }
    }

    /// Everything in flight on the connection fails with this error.
    #[cold]
    fn lose(
        &mut self,
        peer: Peer,
        error: ErrorCode,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        let now = ctx.monotonic();
        let mut failed = std::mem::take(&mut self.failed);
        self.channels.lost(peer, &mut failed, ctx);
        if self.cache.is_due(now) {
            self.cache.failed(now, ctx.rng);
        }
        self.cache.want_update();
        for request in failed.drain(..) {
            match request {
                Request::Produce { first_batch } => {
                    self.fail_request(first_batch, error, ctx, calls);
                }
                Request::Metadata => self.cache.failed(now, ctx.rng),
                Request::InitProducerId => self.ask_again_later(ctx),
                Request::Fetch { .. }
                | Request::ListOffsets { .. }
                | Request::OffsetsForLeaderEpoch { .. } => {}
            }
        }
        self.failed = failed;
    }

    #[cold]
    fn ask_again_later(&mut self, ctx: &mut Ctx<'_>) {
        self.identity.asking = false;
        self.ask_not_before = ctx.monotonic() + self.config.client.retry_backoff;
        ctx.set(ClientTimer::InitProducerId, self.config.client.retry_backoff);
    }

    /// An answer arrived; it may be another client's.
    pub(super) fn on_message(
        &mut self,
        connection: ConnectionId,
        message: &Message,
        store: &Store,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        let Some(peer) = self.channels.of_connection(connection) else { return };
        self.stirred = true;
        let Answered::Request(request) = self.channels.answered(peer, message.correlation) else {
            return;
        };
        match (request, message.content) {
            (Request::Produce { first_batch }, Content::ProduceResponse(response)) => {
                self.on_produced(first_batch, &response, ctx, calls);
            }
            (Request::Metadata, Content::MetadataResponse(response)) => {
                learn_leaders(&mut self.cache, &response, ctx);
                self.learn_topics(ctx.list(response.partitions), store);
            }
            (
                Request::InitProducerId,
                Content::InitProducerIdResponse(InitProducerIdResponse { error, producer, epoch }),
            ) => self.on_producer_id(error, (producer, epoch), ctx),
            _ => debug_assert!(false, "an answer of another kind: {}", message.content.name()),
        }
    }

    /// A topic has so many partitions as the answer names: keys go by that number from now on.
    fn learn_topics(&mut self, named: &[MetadataResponsePartition], store: &Store) {
        let before = |id: PartitionId| named.partition_point(|known| known.partition < id);
        for (topic, keys) in self.topics.iter_mut().zip(&mut self.keys) {
            let PartitionIds { first, most } = topic.ids;
            let partitions = (before(PartitionId(first.0 + most)) - before(first)) as u16;
            if partitions != topic.partitions {
                topic.partitions = partitions;
                *keys = Keys::default();
            }
        }
        let known = self.accumulator.queues.len();
        let end = named.last().map_or(0, |last| last.partition.index() + 1);
        let more = (known..end).map(|place| store.ordinal(PartitionId(place as u16)));
        self.accumulator.add_queues(more);
    }

    #[cold]
    fn on_producer_id(&mut self, error: ErrorCode, producer: ProducerAndEpoch, ctx: &mut Ctx<'_>) {
        if !error.is_none() {
            self.ask_again_later(ctx);
            return;
        }
        self.identity.asking = false;
        let Accumulator { queues, batches, .. } = &mut self.accumulator;
        self.identity.adopt(producer, queues, batches);
        if std::mem::take(&mut self.renewing) {
            self.note_bump(producer, ctx);
        }
    }

    fn note_bump(&self, (producer, epoch): ProducerAndEpoch, ctx: &mut Ctx<'_>) {
        ctx.note(Fact::EpochBumped { process: self.process, producer, epoch });
    }

    /// A timer fired; it may be another client's.
    pub(super) fn on_timer(
        &mut self,
        timer: ClientTimer,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
    ) {
        self.stirred = true;
        match timer {
            ClientTimer::Linger => self.lingers.fired(),
            ClientTimer::Delivery => self.expire(ctx, calls),
            ClientTimer::MaxBlock => self.expire_blocked(ctx, calls),
            ClientTimer::MetadataRefresh(Role::Producer) => self.refreshes.fired(),
            ClientTimer::RequestTimeout(ClientChannel { role: Role::Producer, channel }) => {
                if let Some(peer) = self.channels.check_timeout(channel, ctx) {
                    self.lose(peer, ErrorCode::RequestTimedOut, ctx, calls);
                }
            }
            // What waited for these looks by itself in the next `run`.
            ClientTimer::Reconnect(_) | ClientTimer::InitProducerId => {}
            // Not the producer's.
            ClientTimer::RequestTimeout(_)
            | ClientTimer::MetadataRefresh(_)
            | ClientTimer::Poll
            | ClientTimer::Application(_) => {}
        }
    }
}

/// Reads a metadata answer.
pub(super) fn learn_leaders(cache: &mut Cache, response: &MetadataResponse, ctx: &mut Ctx<'_>) {
    let now = ctx.monotonic();
    let mut news = false;
    for known in ctx.list(response.partitions) {
        news |= cache.learn(known.partition, known.leader, known.leader_epoch);
    }
    cache.answered(news, now, ctx.rng);
}
