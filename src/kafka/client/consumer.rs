//! The consumer with assigned partitions: metadata, positions, fetches, polls.
//!
//! Follows `ClassicKafkaConsumer.java`, `Fetcher.java`, `FetchCollector.java` and
//! `OffsetFetcher.java`. One fetch is in flight per broker, for the partitions it leads of which
//! nothing is buffered; a position moves when records are handed to the application. There is no
//! group: no committed offsets. Kafka backs off after a failed position request; here a partition
//! also backs off `retry.backoff.ms` after a failed fetch, which Kafka repeats at once.

mod fetch;

use std::collections::VecDeque;

use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, Offset, PartitionId, ProcessId};
use crate::base::number_set::NumberSet;
use crate::kafka::client::application::Polled;
use crate::kafka::client::cache::Cache;
use crate::kafka::client::channel::{Bootstrap, ClientChannels, ClientThread, Request};
use crate::kafka::client::consumer::fetch::Session;
use crate::kafka::client::positions::{Assigned, FetchState, Validated};
use crate::kafka::client::process::Call;
use crate::kafka::client::producer::learn_leaders;
use crate::kafka::client::rulings;
use crate::kafka::ctx::Ctx;
use crate::kafka::network_client::{Answered, LeastLoaded, Peer};
use crate::kafka::start::ProcessStart;
use crate::kafka::timers::{Alarm, ClientChannel, ClientTimer, Role};
use crate::model::config::ConsumerConfig;
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, PositionChange};
use crate::model::message::{
    Content, ListOffsetsRequest, ListOffsetsResponse, Message, MetadataRequest,
    OffsetsForLeaderEpochRequest, OffsetsForLeaderEpochResponse,
};

/// `max.in.flight.requests.per.connection` of a consumer, fixed in Kafka.
const MAX_IN_FLIGHT: u32 = 100;
/// A consumer client.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    process: ProcessId,
    config: ConsumerConfig,
    channels: ClientChannels,
    bootstrap: Bootstrap,
    cache: Cache,
    assigned: Vec<Assigned>,
    /// Where each partition stands in `assigned`, for answers.
    places: Vec<Option<u16>>,
    /// Places of partitions with buffered records, in the order of arrival.
    arrived: VecDeque<u16>,
    thrown: VecDeque<(PartitionId, ErrorCode)>,
    opened: bool,
    /// Between the first poll and the stop: it fetches.
    active: bool,
    /// The application waits in `poll()`.
    polling: bool,
    /// Places without a good position, in [`FetchState::AwaitReset`] or
    /// [`FetchState::AwaitValidation`].
    unsettled: NumberSet,
    /// Places of partitions that nobody leads as far as is known.
    leaderless: NumberSet,
    /// By broker, places that may be fetched from it: it leads them, their position is good and
    /// nothing is buffered.
    fetchable: Vec<NumberSet>,
    /// Brokers of which something may be fetched and no fetch is in flight.
    askable: NumberSet,
    /// Under which broker each place stands in `fetchable`.
    filed: Vec<Option<BrokerId>>,
    /// By broker, what lies between two fetches.
    sessions: Vec<Session>,
    fetch_in_flight: NumberSet,
    looks: Alarm,
    refreshes: Alarm,
    /// Something has happened since the last [`Consumer::run`] that may let it ask for more.
    ///
    /// Speed: of the events of a consumer only these are followed by a look at all it might fetch.
    stirred: bool,
    failed: Vec<Request>,
}

impl Consumer {
    /// A consumer that has not been opened.
    pub(super) fn new(
        start: &ProcessStart,
        config: ConsumerConfig,
        assigned: &[PartitionId],
    ) -> Self {
        let last = assigned.iter().map(|partition| partition.index()).max();
        let mut places = vec![None; last.map_or(0, |last| last + 1)];
        for (place, partition) in assigned.iter().enumerate() {
            places[partition.index()] = Some(place as u16);
        }
        let mut consumer = Self {
            process: start.id,
            config,
            channels: ClientThread::channels(Role::Consumer, &config.client, MAX_IN_FLIGHT),
            bootstrap: Bootstrap::default(),
            cache: Cache::new(config.client),
            assigned: assigned.iter().map(|p| Assigned::new(*p)).collect(),
            places,
            arrived: VecDeque::new(),
            thrown: VecDeque::new(),
            opened: false,
            active: false,
            polling: false,
            unsettled: NumberSet::default(),
            leaderless: NumberSet::default(),
            fetchable: vec![NumberSet::default(); usize::from(start.brokers)],
            askable: NumberSet::default(),
            filed: vec![None; assigned.len()],
            sessions: vec![Session::default(); usize::from(start.brokers)],
            fetch_in_flight: NumberSet::default(),
            looks: Alarm::default(),
            refreshes: Alarm::default(),
            stirred: true,
            failed: Vec::new(),
        };
        (0..assigned.len()).for_each(|place| consumer.file(place));
        consumer
    }

    /// A partition has changed its state, its buffer or its leader: files its place where it will
    /// be looked for, so that nobody has to look at all of them.
    fn file(&mut self, place: usize) {
        let assigned = &self.assigned[place];
        let leader = self.cache.leader(assigned.partition);
        self.leaderless.put(place, leader.is_none());
        let unsettled =
            matches!(assigned.state, FetchState::AwaitReset(_) | FetchState::AwaitValidation);
        self.unsettled.put(place, unsettled);
        let fetchable = assigned.state == FetchState::Fetching && !assigned.has_buffered();
        let now = leader.filter(|_| fetchable);
        let before = std::mem::replace(&mut self.filed[place], now);
        // The session may have to be told even if the place stays: its position may have moved.
        for broker in [before, now].into_iter().flatten() {
            self.fetchable[broker.index()].put(place, now == Some(broker));
            self.sessions[broker.index()].changed.insert(place);
            self.file_broker(broker.index());
        }
    }

    /// A fetch from a broker begins or has ended.
    fn mark_fetch(&mut self, at: usize, in_flight: bool) {
        self.fetch_in_flight.put(at, in_flight);
        self.file_broker(at);
    }

    fn file_broker(&mut self, at: usize) {
        let idle = !self.fetch_in_flight.contains(at);
        self.askable.put(at, idle && !self.fetchable[at].is_empty());
    }

    /// The client is made.
    pub(super) const fn open(&mut self) {
        self.opened = true;
    }

    /// The application waits for records.
    pub(super) const fn poll(&mut self) {
        self.stirred |= !self.active;
        self.active = true;
        self.polling = true;
    }

    /// No more polls for now.
    pub(super) const fn stop_polling(&mut self) {
        self.active = false;
        self.polling = false;
    }

    /// Moves a position.
    pub(super) fn seek(&mut self, partition: PartitionId, offset: Offset, ctx: &mut Ctx<'_>) {
        let Some(place) = self.place(partition) else { return };
        let leader = self.cache.leadership(partition);
        self.stirred = true;
        self.assigned[place].seek(offset, None, leader);
        self.file(place);
        self.note_position(partition, offset, PositionChange::Seek, ctx);
    }

    fn place(&self, partition: PartitionId) -> Option<usize> {
        self.places.get(partition.index()).copied().flatten().map(usize::from)
    }

    fn note_position(
        &self,
        partition: PartitionId,
        to: Offset,
        why: PositionChange,
        ctx: &mut Ctx<'_>,
    ) {
        ctx.note(Fact::PositionSet { process: self.process, partition, to, why });
    }

    /// Everything the client can do now: a poll returns what is buffered, then goes on fetching.
    pub(super) fn run(
        &mut self,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
        polled: &mut Vec<Polled>,
    ) {
        if !self.opened {
            return;
        }
        if self.polling && !calls.iter().any(|call| matches!(call, Call::Polled)) {
            self.hand_over(ctx, calls, polled);
        }
        let asks = self.stirred || self.cache.is_due(ctx.monotonic());
        if self.active && asks {
            self.stirred = false;
            self.refresh(ctx);
            if self.cache.is_known() {
                self.bootstrap.leave(&mut self.channels, ctx);
            }
            if !self.bootstrap.is_on() {
                self.settle_positions(ctx);
                self.fetch(ctx);
            }
            self.refresh(ctx);
        }
        if self.polling && !self.thrown.is_empty() && calls.is_empty() {
            self.hand_over(ctx, calls, polled);
        }
    }

    /// A poll returns: exceptions first, else up to `max.poll.records` of what is buffered.
    fn hand_over(
        &mut self,
        ctx: &mut Ctx<'_>,
        calls: &mut VecDeque<Call>,
        polled: &mut Vec<Polled>,
    ) {
        if let Some((partition, error)) = self.thrown.pop_front() {
            self.polling = false;
            ctx.note(Fact::Called { process: self.process, partition, error });
            calls.push_back(Call::Exception(partition, error));
            return;
        }
        polled.clear();
        let mut room = self.config.max_poll_records;
        while room > 0
            && let Some(place) = self.arrived.front().copied()
        {
            let assigned = &mut self.assigned[usize::from(place)];
            // Of a partition whose leader has changed since, the records are thrown away
            // (`FetchCollector`: no longer fetchable).
            assigned.see_leader(ctx.rules, self.cache.leadership(assigned.partition));
            self.stirred = true;
            let taken = assigned.take(ctx.rules, room);
            self.file(usize::from(place));
            let Some(records) = taken else {
                self.arrived.pop_front();
                continue;
            };
            room -= records.count;
            polled.push(records);
            let Polled { partition, base, count, leader_epoch, first, broker } = records;
            let process = self.process;
            ctx.note(Fact::Consumed {
                process,
                partition,
                base,
                count,
                leader_epoch,
                first,
                broker,
            });
        }
        if !polled.is_empty() {
            self.polling = false;
            calls.push_back(Call::Polled);
        }
    }

    /// Asks for metadata if that is due.
    fn refresh(&mut self, ctx: &mut Ctx<'_>) {
        let Some(due) = self.cache.due() else { return };
        let now = ctx.monotonic();
        if due > now {
            return self.refreshes.by(due, ClientTimer::MetadataRefresh(Role::Consumer), ctx);
        }
        match self.channels.least_loaded(self.fetchable.len(), ctx) {
            LeastLoaded::Ready(broker) => {
                let (peer, content) = (Peer::Broker(broker), MetadataRequest {}.into());
                self.channels.send(peer, content, Request::Metadata, ctx);
                self.cache.asked();
            }
            LeastLoaded::Connect(broker) => self.channels.connect(Peer::Broker(broker), ctx),
            LeastLoaded::Wait | LeastLoaded::Nobody => {}
        }
    }

    /// Sends what must be known before a partition can be fetched: its first position, or whether
    /// its log was truncated.
    fn settle_positions(&mut self, ctx: &mut Ctx<'_>) {
        while let Some(moved) = self.cache.next_moved() {
            if let Some(place) = self.place(moved) {
                self.assigned[place].see_leader(ctx.rules, self.cache.leadership(moved));
                self.file(place);
            }
        }
        let mut next = 0;
        while let Some(place) = self.unsettled.first_from(next) {
            next = place + 1;
            let assigned = &mut self.assigned[place];
            let partition = assigned.partition;
            let leadership = self.cache.leadership(partition);
            let position = (assigned.offset_epoch, leadership.epoch);
            let (content, request) = match assigned.state {
                FetchState::AwaitReset(_) => {
                    let policy = self.config.offset_reset;
                    let Some(which) = rulings::offset_to_list(ctx.rules, policy) else {
                        assigned.fail();
                        self.file(place);
                        self.thrown.push_back((partition, ErrorCode::NoOffsetForPartition));
                        continue;
                    };
                    let read_committed = self.config.read_committed;
                    let leader_epoch = leadership.epoch;
                    let request =
                        ListOffsetsRequest { partition, leader_epoch, which, read_committed };
                    (Content::from(request), Request::ListOffsets { place: place as u16 })
                }
                FetchState::AwaitValidation => {
                    let (Some(leader_epoch), current_leader_epoch) = position else { continue };
                    let request = OffsetsForLeaderEpochRequest {
                        partition,
                        current_leader_epoch,
                        leader_epoch,
                    };
                    (request.into(), Request::OffsetsForLeaderEpoch { place: place as u16 })
                }
                FetchState::Fetching | FetchState::Failed => continue,
            };
            if !assigned.asking && self.may_ask(place, ctx) {
                self.send_to_leader(place, content, request, ctx);
            }
        }
    }

    /// Whether the partition is out of its back-off; looks again when it is.
    fn may_ask(&mut self, place: usize, ctx: &mut Ctx<'_>) -> bool {
        let (now, from) = (ctx.monotonic(), self.assigned[place].not_before);
        if from > now {
            self.looks.by(from, ClientTimer::Poll, ctx);
        }
        from <= now
    }

    fn send_to_leader(
        &mut self,
        place: usize,
        content: Content,
        request: Request,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(leader) = self.cache.leader(self.assigned[place].partition) else {
            self.cache.want_update();
            return;
        };
        if self.is_usable(leader, ctx) {
            self.channels.send(Peer::Broker(leader), content, request, ctx);
            let assigned = &mut self.assigned[place];
            assigned.asking = true;
            assigned.asked_version = assigned.version;
        }
    }

    /// Whether a request can go to the broker now; connects if need be. Metadata goes first.
    fn is_usable(&mut self, broker: BrokerId, ctx: &mut Ctx<'_>) -> bool {
        let peer = Peer::Broker(broker);
        let usable = self.channels.can_send(peer) && !self.cache.is_due(ctx.monotonic());
        if !usable {
            self.channels.connect(peer, ctx);
        }
        usable
    }

    /// A connection is open; it may be another client's.
    pub(super) fn on_opened(&mut self, connection: ConnectionId, ctx: &mut Ctx<'_>) {
        self.stirred = true;
        if let Some(peer) = self.channels.of_connection(connection) {
            self.channels.opened(peer, ctx);
        }
    }

    /// A connection is gone; it may be another client's.
    pub(super) fn on_closed(&mut self, connection: ConnectionId, ctx: &mut Ctx<'_>) {
        self.stirred = true;
        if let Some(peer) = self.channels.of_connection(connection) {
            self.lose(peer, ctx);
        }
    }

    #[cold]
    fn lose(&mut self, peer: Peer, ctx: &mut Ctx<'_>) {
        let now = ctx.monotonic();
        let mut failed = std::mem::take(&mut self.failed);
        self.channels.lost(peer, &mut failed, ctx);
        if self.cache.is_due(now) {
            self.cache.failed(now, ctx.rng);
        }
        self.cache.want_update();
        for request in failed.drain(..) {
            match request {
                Request::Fetch { broker } => {
                    self.mark_fetch(broker.index(), false);
                    self.sessions[broker.index()].handler.handle_error();
                }
                Request::Metadata => self.cache.failed(now, ctx.rng),
                Request::ListOffsets { place } | Request::OffsetsForLeaderEpoch { place } => {
                    self.back_off(usize::from(place), ctx);
                }
                Request::Produce { .. } | Request::InitProducerId => {}
            }
        }
        self.failed = failed;
    }

    fn back_off(&mut self, place: usize, ctx: &Ctx<'_>) {
        let assigned = &mut self.assigned[place];
        assigned.asking = false;
        assigned.not_before = ctx.monotonic() + self.config.client.retry_backoff;
    }

    /// An answer arrived; it may be another client's.
    pub(super) fn on_message(
        &mut self,
        connection: ConnectionId,
        message: &Message,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(peer) = self.channels.of_connection(connection) else { return };
        self.stirred = true;
        let Answered::Request(request) = self.channels.answered(peer, message.correlation) else {
            return;
        };
        match (request, message.content) {
            (Request::Fetch { broker }, Content::FetchResponse(response)) => {
                self.mark_fetch(broker.index(), false);
                if self.sessions[broker.index()].handler.handle_response(&response) {
                    self.on_fetched(broker, &response, ctx);
                }
            }
            (Request::Metadata, Content::MetadataResponse(response)) => {
                learn_leaders(&mut self.cache, &response, ctx);
            }
            (
                Request::ListOffsets { place },
                Content::ListOffsetsResponse(ListOffsetsResponse {
                    error,
                    offset,
                    leader_epoch,
                    ..
                }),
            ) => {
                let place = usize::from(place);
                if self.is_answer(place, error, ctx)
                    && let FetchState::AwaitReset(why) = self.assigned[place].state
                {
                    let partition = self.assigned[place].partition;
                    let leader = self.cache.leadership(partition);
                    self.assigned[place].seek(offset, leader_epoch, leader);
                    self.file(place);
                    self.note_position(partition, offset, why, ctx);
                }
            }
            (
                Request::OffsetsForLeaderEpoch { place },
                Content::OffsetsForLeaderEpochResponse(OffsetsForLeaderEpochResponse {
                    error,
                    end,
                    ..
                }),
            ) => {
                let place = usize::from(place);
                if self.is_answer(place, error, ctx)
                    && self.assigned[place].state == FetchState::AwaitValidation
                {
                    self.on_validated(place, end, ctx);
                }
            }
            _ => debug_assert!(false, "an answer of another kind: {}", message.content.name()),
        }
    }

    /// Whether a request about a position was answered; if not, it is tried again later.
    fn is_answer(&mut self, place: usize, error: ErrorCode, ctx: &Ctx<'_>) -> bool {
        let assigned = &mut self.assigned[place];
        assigned.asking = false;
        if assigned.asked_version != assigned.version {
            return false;
        }
        if error.is_none() {
            return true;
        }
        self.back_off(place, ctx);
        self.cache.want_update();
        false
    }

    fn on_validated(
        &mut self,
        place: usize,
        end: Option<(LeaderEpoch, Offset)>,
        ctx: &mut Ctx<'_>,
    ) {
        let assigned = &mut self.assigned[place];
        let partition = assigned.partition;
        let validated = assigned.validate(ctx.rules, end, self.config.offset_reset);
        self.file(place);
        match validated {
            Validated::Good | Validated::Reset => {}
            Validated::Moved(to) => {
                self.note_position(partition, to, PositionChange::Truncation, ctx);
            }
            Validated::Thrown(error) => self.thrown.push_back((partition, error)),
        }
    }

    /// A timer fired; it may be another client's.
    pub(super) fn on_timer(&mut self, timer: ClientTimer, ctx: &mut Ctx<'_>) {
        self.stirred = true;
        match timer {
            ClientTimer::Poll => self.looks.fired(),
            ClientTimer::MetadataRefresh(Role::Consumer) => self.refreshes.fired(),
            ClientTimer::RequestTimeout(ClientChannel { role: Role::Consumer, channel }) => {
                if let Some(peer) = self.channels.check_timeout(channel, ctx) {
                    self.lose(peer, ctx);
                }
            }
            // What waited for this looks by itself in the next `run`.
            ClientTimer::Reconnect(_) => {}
            // Not the consumer's.
            ClientTimer::RequestTimeout(_)
            | ClientTimer::MetadataRefresh(_)
            | ClientTimer::Linger
            | ClientTimer::Delivery
            | ClientTimer::MaxBlock
            | ClientTimer::InitProducerId
            | ClientTimer::Application(_) => {}
        }
    }
}
