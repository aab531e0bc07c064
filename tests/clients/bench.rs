//! The bench: accepts connections, answers metadata and producer ids, keeps everything else for the
//! test to answer, and runs the process's timers.

use std::collections::BTreeMap;

use highwater::client::Command;
use highwater::fact::Fact;
use highwater::internals::app;
use highwater::internals::base::{PartitionIds, Rng};
use highwater::internals::kafka::{CloseReason, Ctx, Effects, Process, ProcessStart, Store, Timer};
use highwater::internals::model::{
    ApiVersionsResponse, AppPlan, Batch, Bodies, Content, FetchPartition, FetchResponse,
    FetchSessionId, FetchablePartition, InitProducerIdRequest, InitProducerIdResponse, Lists,
    Message, MetadataRequest, MetadataResponse, MetadataResponsePartition,
    PartitionProduceResponse, ProducePartition, ProduceResponse, Rules, Sublist,
};
use highwater::types::{
    BrokerId, ConnectionId, ErrorCode, LeaderEpoch, NodeId, Offset, PartitionId, ProcessId,
    ProducerEpoch, ProducerId, Span, Time,
};

/// A request that waits for the test's answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) to: BrokerId,
    pub(crate) connection: ConnectionId,
    pub(crate) message: Message,
}

pub(crate) struct Bench {
    process: Option<Process>,
    rng: Rng,
    rules: Rules,
    bodies: Bodies,
    lists: Lists,
    effects: Effects,
    pub(crate) now: Time,
    timers: BTreeMap<Timer, Time>,
    connections: BTreeMap<ConnectionId, BrokerId>,
    /// Leader and epoch per partition, as brokers say.
    pub(crate) leaders: Vec<(Option<BrokerId>, LeaderEpoch)>,
    /// Brokers that refuse connections.
    pub(crate) down: Vec<BrokerId>,
    /// Brokers whose kernel accepts connections and whose process does nothing.
    pub(crate) frozen: Vec<BrokerId>,
    /// Requests that wait for an answer, in the order of sending.
    pub(crate) inbox: Vec<Request>,
    pub(crate) facts: Vec<(Time, Fact)>,
    pub(crate) producer_ids: u32,
}

impl Bench {
    /// A process on three brokers with so many partitions of one topic, all led by broker 1.
    pub(crate) fn new(app: &AppPlan, partitions: u16, rules: Rules) -> Self {
        let mut bench = Self {
            process: None,
            rng: Rng::named(1, "node p0"),
            rules,
            bodies: Bodies::default(),
            lists: Lists::default(),
            effects: Effects::default(),
            now: Time::ZERO,
            timers: BTreeMap::new(),
            connections: BTreeMap::new(),
            leaders: vec![(Some(BrokerId(1)), LeaderEpoch(0)); usize::from(partitions)],
            down: Vec::new(),
            frozen: Vec::new(),
            inbox: Vec::new(),
            facts: Vec::new(),
            producer_ids: 0,
        };
        bench.start(app, Store::default());
        bench
    }

    fn start(&mut self, app: &AppPlan, store: Store) {
        let start = ProcessStart {
            id: ProcessId(0),
            brokers: 3,
            topics: vec![PartitionIds { first: PartitionId(0), most: 16 }],
            clients: app.clients(),
            begins: false,
        };
        let app = app::ours(app).expect("an application of ours");
        let process = self.with_ctx(|ctx| Process::start(start, app, store, ctx));
        self.process = Some(process);
        self.settle();
    }

    /// The process is killed and started again on what survives.
    pub(crate) fn restart(&mut self, app: &AppPlan) {
        let store = self.process.take().expect("the process is up").stop();
        self.timers.clear();
        self.connections.clear();
        self.inbox.clear();
        self.start(app, store);
    }

    fn with_ctx<T>(&mut self, act: impl FnOnce(&mut Ctx<'_>) -> T) -> T {
        act(&mut Ctx {
            wall: self.now,
            monotonic: self.now,
            rng: &mut self.rng,
            rules: &self.rules,
            bodies: &mut self.bodies,
            lists: &mut self.lists,
            effects: &mut self.effects,
            wants_facts: true,
            wants_trace: true,
        })
    }

    fn handle(&mut self, act: impl FnOnce(&mut Process, &mut Ctx<'_>)) {
        let mut process = self.process.take().expect("the process is up");
        self.with_ctx(|ctx| act(&mut process, ctx));
        self.process = Some(process);
        self.settle();
    }

    /// Carries out what the process asked for.
    fn settle(&mut self) {
        let effects = &mut self.effects;
        let notes = effects.notes.drain(..).map(|fact| (self.now, fact));
        self.facts.extend(notes);
        for (timer, after) in effects.timers.drain(..) {
            match after {
                Some(after) => self.timers.insert(timer, self.now + after),
                None => self.timers.remove(&timer),
            };
        }
        for closed in effects.closes.drain(..) {
            self.connections.remove(&closed);
            self.inbox.retain(|request| request.connection != closed);
        }
        let sends = std::mem::take(&mut effects.sends);
        let opens = std::mem::take(&mut effects.opens);
        for (connection, message) in sends {
            if let Some(to) = self.connections.get(&connection).copied() {
                self.receive(Request { to, connection, message });
            }
        }
        for (connection, peer, _) in opens {
            let NodeId::Broker(broker) = peer else { panic!("a client connects to brokers only") };
            if self.down.contains(&broker) {
                self.handle(|p, ctx| p.on_closed(connection, CloseReason::Refused, ctx));
            } else {
                self.connections.insert(connection, broker);
                self.handle(|p, ctx| p.on_opened(connection, peer, ctx));
            }
        }
    }

    fn receive(&mut self, request: Request) {
        match request.message.content {
            // A broker that is frozen accepts connections and answers nothing.
            Content::ApiVersionsRequest(_) if self.frozen.contains(&request.to) => {}
            Content::ApiVersionsRequest(_) => self.answer(request, ApiVersionsResponse {}.into()),
            Content::MetadataRequest(MetadataRequest {}) => {
                let partitions = self.lists.take();
                for (place, (leader, leader_epoch)) in self.leaders.iter().enumerate() {
                    let partition = PartitionId(place as u16);
                    let (leader, leader_epoch) = (*leader, *leader_epoch);
                    let known = MetadataResponsePartition { partition, leader, leader_epoch };
                    self.lists.push(partitions, known);
                }
                self.answer(request, MetadataResponse { partitions }.into());
            }
            Content::InitProducerIdRequest(InitProducerIdRequest {}) => {
                self.producer_ids += 1;
                let granted = InitProducerIdResponse {
                    error: ErrorCode::None,
                    producer: ProducerId(self.producer_ids),
                    epoch: ProducerEpoch(0),
                };
                self.answer(request, granted.into());
            }
            _ => self.inbox.push(request),
        }
    }

    pub(crate) fn answer(&mut self, request: Request, content: Content) {
        let message = Message { correlation: request.message.correlation, content };
        self.handle(|p, ctx| p.on_message(request.connection, &message, ctx));
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.handle(|p, ctx| p.on_command(command, ctx));
    }

    /// Lets time pass, firing timers in order.
    pub(crate) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        loop {
            let due = self.timers.iter().map(|(timer, at)| (*at, *timer)).min();
            let Some((at, timer)) = due.filter(|(at, _)| *at <= until) else { break };
            self.now = at;
            self.timers.remove(&timer);
            let Timer::Client(timer) = timer else { unreachable!("of a client process") };
            self.handle(|p, ctx| p.on_timer(timer, ctx));
        }
        self.now = until;
    }

    /// All connections to the broker close.
    pub(crate) fn close(&mut self, broker: BrokerId) {
        let lost: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, b)| **b == broker).map(|(c, _)| *c).collect();
        for connection in lost {
            self.connections.remove(&connection);
            self.inbox.retain(|request| request.connection != connection);
            self.handle(|p, ctx| p.on_closed(connection, CloseReason::Reset, ctx));
        }
    }

    /// What a produce request says of each partition.
    pub(crate) fn asked_to_append(&self, request: Request) -> &[ProducePartition] {
        match request.message.content {
            Content::ProduceRequest(produce) => self.lists.get(produce.partitions),
            _ => &[],
        }
    }

    /// What a fetch asks of its first partition.
    pub(crate) fn asked_to_fetch(&self, request: Request) -> FetchPartition {
        let Content::FetchRequest(fetch) = request.message.content else {
            panic!("not a fetch: {request:?}")
        };
        self.lists.get(fetch.partitions)[0]
    }

    /// The batches of a produce request.
    pub(crate) fn batches(&self, request: Request) -> Vec<Batch> {
        self.asked_to_append(request).iter().map(|asked| asked.batch).collect()
    }

    /// Answers a produce request: every batch with this error, or appended at this offset.
    pub(crate) fn produced(&mut self, request: Request, error: ErrorCode, offset: u64) {
        self.produced_hinting(request, error, offset, None);
    }

    pub(crate) fn produced_hinting(
        &mut self,
        request: Request,
        error: ErrorCode,
        offset: u64,
        leader: Option<(BrokerId, LeaderEpoch)>,
    ) {
        let asked: Vec<PartitionId> =
            self.asked_to_append(request).iter().map(|asked| asked.partition).collect();
        let responses = self.lists.take();
        for partition in asked {
            let (base_offset, current_leader) = (Offset(offset), leader);
            let produced =
                PartitionProduceResponse { partition, error, base_offset, current_leader };
            self.lists.push(responses, produced);
        }
        self.answer(request, ProduceResponse { responses }.into());
    }

    /// Answers a fetch of one partition.
    pub(crate) fn fetched(&mut self, request: Request, error: ErrorCode, batches: &[Batch]) {
        let partition = self.asked_to_fetch(request).partition;
        let (partitions, records) = (self.lists.take(), self.lists.take());
        let end = batches.last().map_or(Offset::ZERO, Batch::end);
        let found = FetchablePartition {
            partition,
            error,
            high_watermark: end,
            last_stable_offset: end,
            log_start_offset: Offset::ZERO,
            diverging_epoch: None,
            leader_epoch: LeaderEpoch(0),
            records: Sublist::new(0..batches.len()),
        };
        self.lists.push(partitions, found);
        for batch in batches {
            self.lists.push(records, *batch);
        }
        let (error, session) = (ErrorCode::None, FetchSessionId::NONE);
        self.answer(request, FetchResponse { error, session, partitions, records }.into());
    }

    /// Takes the oldest request that waits.
    pub(crate) fn next(&mut self) -> Request {
        assert!(!self.inbox.is_empty(), "no request waits");
        self.inbox.remove(0)
    }

    /// The facts of one kind.
    pub(crate) fn named(&self, name: &str) -> Vec<Fact> {
        self.facts.iter().filter(|(_, f)| f.name() == name).map(|(_, f)| *f).collect()
    }
}
