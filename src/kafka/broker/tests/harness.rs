//! Bare brokers, a hand-made metadata log and messages shuttled by hand: no latency, no loss.
//!
//! Messages between two nodes can be held. The controller is the test itself: it appends metadata
//! records, hears AlterPartition requests and decides what to answer.

mod controller;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::base::ids::{
    BrokerEpoch, BrokerId, ConnectionId, ControllerId, DiskId, LeaderEpoch, LogId, NodeId, Offset,
    PartitionEpoch, PartitionId, ProcessId, ProducerEpoch, ProducerId, ReplicaSet, TopicId,
};
use crate::base::replicas::ReplicaList;
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::broker::Broker;
use crate::kafka::broker::tests::harness::controller::registered;
use crate::kafka::ctx::{CloseReason, Ctx, Effects, Node};
use crate::kafka::start::{BrokerStart, Initial, ReplicaView};
use crate::kafka::timers::Timer;
use crate::model::batch::{Batch, RecordId, Records, Sequence};
use crate::model::body::Bodies;
use crate::model::config::{Acks, BrokerConfig, TopicKey};
use crate::model::directory::LogDirs;
use crate::model::disk::{Disk, Kept};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, StopKind};
use crate::model::message::{
    AlterPartitionItem, AlterPartitionResponse, AlterPartitionResult, AssignReplicaToDir,
    BrokerState, Content, FetchMetadata, FetchPartition, FetchRequest, Fetcher, Lists, Message,
    ProducePartition, ProduceRequest,
};
use crate::model::metadata::{MetadataRecord, PartitionState};
use crate::model::rules::Rules;

pub(super) const P: PartitionId = PartitionId(0);
pub(super) const CLIENT: NodeId = NodeId::Process(ProcessId(0));
const CONTROLLER: NodeId = NodeId::Controller(ControllerId(1));

enum Event {
    Opened(NodeId, ConnectionId, NodeId),
    Message(NodeId, ConnectionId, Message),
    Closed(NodeId, ConnectionId),
}

impl Event {
    const fn connection(&self) -> ConnectionId {
        match self {
            Self::Opened(_, c, _) | Self::Message(_, c, _) | Self::Closed(_, c) => *c,
        }
    }
}

/// What a client got; its lists stay taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) connection: ConnectionId,
    pub(super) correlation: u32,
    pub(super) content: Content,
}

/// An AlterPartition request that waits for the test's ruling.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    connection: ConnectionId,
    correlation: u32,
    pub(super) item: AlterPartitionItem,
    pub(super) members: Vec<BrokerState>,
}

pub(super) struct Cluster {
    brokers: Vec<Option<Broker>>,
    disks: Vec<Option<Disk>>,
    incarnations: Vec<u32>,
    pub(super) rules: Rules,
    pub(super) config: BrokerConfig,
    pub(super) now: Time,
    bodies: Bodies,
    pub(super) lists: Lists,
    effects: Effects,
    rng: Rng,
    queue: VecDeque<Event>,
    held: Vec<(NodeId, NodeId)>,
    ends: BTreeMap<ConnectionId, (NodeId, NodeId)>,
    timers: BTreeMap<(usize, Timer), Time>,
    listening: BTreeSet<BrokerId>,
    metadata: Vec<MetadataRecord>,
    /// The metadata log: one batch for each record.
    pub(super) log: Vec<Batch>,
    /// From where brokers have fetched it.
    pub(super) metadata_fetches: Vec<Offset>,
    /// A broker that is told with its next answer that its log parts from this one, and where.
    pub(super) parts_at: Option<(u16, (LeaderEpoch, Offset))>,
    waiting: Vec<(ConnectionId, u32, Offset)>,
    pub(super) state: PartitionState,
    pub(super) answers: Vec<Answer>,
    pub(super) proposals: Vec<Proposal>,
    pub(super) heartbeats: Vec<(BrokerId, bool, u64)>,
    pub(super) assigned: Vec<(BrokerId, AssignReplicaToDir)>,
    pub(super) exits: BTreeMap<u16, StopKind>,
    pub(super) facts: Vec<Fact>,
    pub(super) silent: bool,
    /// Heartbeats are heard and not answered.
    pub(super) mute: bool,
    pub(super) syncs: bool,
    next_correlation: u32,
    next_sequence: u32,
    clients: BTreeSet<ConnectionId>,
}

impl Cluster {
    /// So many brokers, all replicas of one partition that broker 1 leads in epoch 1.
    pub(super) fn new(brokers: u16, rules: Rules) -> Self {
        Self::with(brokers, rules, BrokerConfig::default(), 1)
    }

    pub(super) fn with(brokers: u16, rules: Rules, config: BrokerConfig, partitions: u16) -> Self {
        let count = usize::from(brokers);
        let all: Vec<BrokerId> = (0..count).map(BrokerId::at).collect();
        let state = PartitionState {
            isr: ReplicaSet::first(count),
            elr: ReplicaSet::EMPTY,
            leader: Some(BrokerId(1)),
            last_known_elr: None,
            leader_epoch: LeaderEpoch(1),
            partition_epoch: PartitionEpoch(1),
            recovering: false,
        };
        let mut metadata = Vec::new();
        for broker in (0..count).map(BrokerId::at) {
            let epoch = BrokerEpoch(metadata.len() as u64);
            let log_dirs = LogDirs::new(DiskId(0), config.log_dirs, 0);
            metadata.push(registered((broker, epoch, 0), log_dirs));
            metadata.push(MetadataRecord::BrokerUnfenced { broker, epoch });
        }
        for partition in 0..partitions {
            metadata.push(MetadataRecord::PartitionCreated {
                partition: PartitionId(partition),
                topic: TopicId(0),
                replicas: ReplicaList::from(&all[..]),
                state,
            });
        }
        metadata.push(MetadataRecord::ConfigSet {
            topic: None,
            key: TopicKey::MinInsyncReplicas,
            value: Some(2),
        });
        let mut cluster = Self {
            brokers: (0..count).map(|_| None).collect(),
            disks: (0..count)
                .map(|i| {
                    let owner = NodeId::Broker(BrokerId::at(i));
                    Some(Disk::new(owner, config.log_dirs, u64::MAX))
                })
                .collect(),
            incarnations: vec![0; count],
            rules,
            config,
            now: Time(1_000_000_000_000),
            bodies: Bodies::default(),
            lists: Lists::default(),
            effects: Effects::default(),
            rng: Rng::named(1, "brokers"),
            queue: VecDeque::new(),
            held: Vec::new(),
            ends: BTreeMap::new(),
            timers: BTreeMap::new(),
            listening: BTreeSet::new(),
            metadata: Vec::new(),
            log: Vec::new(),
            metadata_fetches: Vec::new(),
            parts_at: None,
            waiting: Vec::new(),
            state,
            answers: Vec::new(),
            proposals: Vec::new(),
            heartbeats: Vec::new(),
            assigned: Vec::new(),
            exits: BTreeMap::new(),
            facts: Vec::new(),
            silent: false,
            mute: false,
            syncs: true,
            next_correlation: 0,
            next_sequence: 0,
            clients: BTreeSet::new(),
        };
        metadata.into_iter().for_each(|record| cluster.write_metadata(record));
        for disk in cluster.disks.iter_mut().flatten() {
            let log = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a good disk");
            for batch in &cluster.log {
                disk.append(log, *batch).expect("a good disk");
            }
            disk.sim_sync_to(LogId::Metadata, u64::MAX);
        }
        for broker in 0..count {
            let epoch = BrokerEpoch(2 * broker as u64);
            cluster.start(BrokerId::at(broker), Some(Initial { epoch }));
        }
        cluster.settle();
        cluster
    }

    fn start(&mut self, id: BrokerId, initial: Option<Initial>) {
        let disk = self.disks[id.index()].take().expect("it is down");
        let start = BrokerStart {
            id,
            config: self.config,
            controllers: vec![ControllerId(1)],
            incarnation: self.incarnations[id.index()],
            initial,
            bootstrap: Arc::default(),
        };
        let (broker, ()) = self.run(id, |ctx| (Broker::start(start, disk, ctx), ()));
        self.brokers[id.index()] = Some(broker);
        self.apply(id);
    }

    fn run<T>(&mut self, _: BrokerId, handler: impl FnOnce(&mut Ctx<'_>) -> T) -> T {
        let mut ctx = Ctx {
            wall: self.now,
            monotonic: self.now,
            rng: &mut self.rng,
            rules: &self.rules,
            bodies: &mut self.bodies,
            lists: &mut self.lists,
            effects: &mut self.effects,
            wants_facts: true,
            wants_trace: true,
        };
        handler(&mut ctx)
    }

    fn at(&mut self, id: BrokerId, handler: impl FnOnce(&mut Broker, &mut Ctx<'_>)) -> bool {
        let Some(mut broker) = self.brokers[id.index()].take() else {
            return false;
        };
        self.effects.kept = false;
        self.run(id, |ctx| handler(&mut broker, ctx));
        self.brokers[id.index()] = Some(broker);
        let kept = self.effects.kept;
        self.apply(id);
        kept
    }

    fn apply(&mut self, id: BrokerId) {
        let from = NodeId::Broker(id);
        self.facts.append(&mut self.effects.notes);
        for (connection, to, _) in std::mem::take(&mut self.effects.opens) {
            self.ends.insert(connection, (from, to));
            let up = match to {
                NodeId::Broker(id) => self.listening.contains(&id),
                _ => !self.silent,
            };
            if up {
                self.queue.push_back(Event::Opened(to, connection, from));
                self.queue.push_back(Event::Opened(from, connection, to));
            } else {
                self.queue.push_back(Event::Closed(from, connection));
            }
        }
        for (connection, message) in std::mem::take(&mut self.effects.sends) {
            let to = self.other_end(connection, from);
            self.queue.push_back(Event::Message(to, connection, message));
        }
        for connection in std::mem::take(&mut self.effects.closes) {
            let to = self.other_end(connection, from);
            self.queue.push_back(Event::Closed(to, connection));
        }
        for (timer, after) in std::mem::take(&mut self.effects.timers) {
            match after {
                Some(after) => self.timers.insert((id.index(), timer), self.now + after),
                None => self.timers.remove(&(id.index(), timer)),
            };
        }
        for (log, up_to) in std::mem::take(&mut self.effects.flushes) {
            if self.syncs && self.brokers[id.index()].is_some() {
                let sync = |b: &mut Broker, ctx: &mut Ctx<'_>| {
                    b.disk().sim_sync_to(log, u64::MAX);
                    b.on_flushed(log, up_to, ctx);
                };
                self.at(id, sync);
            }
        }
        if std::mem::take(&mut self.effects.listens) {
            self.listening.insert(id);
        }
        if let Some(how) = self.effects.exit.take() {
            self.exits.insert(id.0, how);
            self.stop(id);
        }
    }

    fn other_end(&self, connection: ConnectionId, from: NodeId) -> NodeId {
        let (opener, target) = self.ends[&connection];
        if opener == from { target } else { opener }
    }

    fn stop(&mut self, id: BrokerId) {
        let Some(broker) = self.brokers[id.index()].take() else { return };
        self.disks[id.index()] = Some(broker.stop());
        self.incarnations[id.index()] += 1;
        self.listening.remove(&id);
        self.timers.retain(|(broker, _), _| *broker != id.index());
        let me = NodeId::Broker(id);
        self.queue.retain(
            |event| !matches!(event, Event::Message(to, ..) | Event::Opened(to, ..) if *to == me),
        );
        let gone: Vec<_> =
            self.ends.iter().filter(|(_, (a, b))| *a == me || *b == me).map(|(c, _)| *c).collect();
        self.waiting.retain(|(connection, ..)| !gone.contains(connection));
        for connection in gone {
            let to = self.other_end(connection, me);
            self.queue.push_back(Event::Closed(to, connection));
        }
    }

    // ---- what a test does ----

    /// kill -9.
    pub(super) fn crash(&mut self, broker: u16) {
        self.stop(BrokerId(broker));
        self.settle();
    }

    /// Loses everything that was not synced.
    pub(super) fn lose_power(&mut self, broker: u16) {
        self.lose_power_but(broker, Kept::SYNCED);
    }

    /// Loses of each log what is not kept.
    pub(super) fn lose_power_but(&mut self, broker: u16, kept: Kept) {
        self.stop(BrokerId(broker));
        let disk = self.disks[usize::from(broker) - 1].as_mut().expect("it is down");
        disk.sim_lose_power(|_, _| kept);
        self.settle();
    }

    pub(super) fn disk_of_stopped(&mut self, broker: u16) -> &mut Disk {
        self.disks[usize::from(broker) - 1].as_mut().expect("it is down")
    }

    pub(super) fn disk(&mut self, broker: u16) -> &mut Disk {
        self.brokers[usize::from(broker) - 1].as_mut().expect("it is up").disk()
    }

    pub(super) fn restart(&mut self, broker: u16) {
        self.exits.remove(&broker);
        self.start(BrokerId(broker), None);
        self.settle();
    }

    pub(super) fn shut_down(&mut self, broker: u16) {
        self.at(BrokerId(broker), Node::on_shutdown);
        self.settle();
    }

    pub(super) fn is_up(&self, broker: u16) -> bool {
        self.brokers[usize::from(broker) - 1].is_some()
    }

    /// Messages from one broker to another wait until `release`.
    pub(super) fn hold(&mut self, from: u16, to: u16) {
        self.held.push((NodeId::Broker(BrokerId(from)), NodeId::Broker(BrokerId(to))));
    }

    pub(super) fn release(&mut self) {
        self.held.clear();
        self.settle();
    }

    /// Appends to the metadata log.
    pub(super) fn decide(&mut self, record: MetadataRecord) {
        self.write_metadata(record);
        for (connection, correlation, from) in std::mem::take(&mut self.waiting) {
            self.answer_metadata(connection, correlation, from);
        }
        self.settle();
    }

    /// A new committed state of the partition.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut PartitionState)) {
        change(&mut self.state);
        self.state.partition_epoch = self.state.partition_epoch.next();
        self.decide(MetadataRecord::PartitionChanged { partition: P, state: self.state });
    }

    /// A new leader.
    pub(super) fn elect(&mut self, leader: u16, isr: &[usize]) {
        let isr = isr.iter().fold(ReplicaSet::EMPTY, |set, place| set.with(*place));
        self.change(|state| {
            state.leader = Some(BrokerId(leader));
            state.leader_epoch = state.leader_epoch.next();
            state.isr = isr;
        });
    }

    /// Carries the oldest ISR proposal out.
    pub(super) fn grant(&mut self) {
        let Proposal { connection, correlation, item, .. } = self.proposals.remove(0);
        self.state.isr = item.new_isr;
        self.state.partition_epoch = self.state.partition_epoch.next();
        self.answer_proposal(connection, correlation, ErrorCode::None);
        self.decide(MetadataRecord::PartitionChanged { partition: P, state: self.state });
    }

    /// Refuses the oldest ISR proposal.
    pub(super) fn refuse(&mut self, error: ErrorCode) {
        let Proposal { connection, correlation, .. } = self.proposals.remove(0);
        self.answer_proposal(connection, correlation, error);
        self.settle();
    }

    fn answer_proposal(&mut self, connection: ConnectionId, correlation: u32, error: ErrorCode) {
        let partitions = self.lists.take();
        let result = AlterPartitionResult { partition: P, error, state: self.state };
        self.lists.push(partitions, result);
        let response = AlterPartitionResponse { error: ErrorCode::None, partitions };
        self.controller_sends(connection, correlation, response.into());
    }

    fn controller_sends(&mut self, connection: ConnectionId, correlation: u32, content: Content) {
        let to = self.other_end(connection, CONTROLLER);
        self.queue.push_back(Event::Message(to, connection, Message { correlation, content }));
    }

    pub(super) fn connect(&mut self, broker: u16) -> ConnectionId {
        let target = NodeId::Broker(BrokerId(broker));
        let mut connection = ConnectionId(0);
        self.run(BrokerId(broker), |ctx| connection = ctx.open(target, Span::ZERO));
        self.effects.opens.clear();
        self.ends.insert(connection, (CLIENT, target));
        self.clients.insert(connection);
        self.queue.push_back(Event::Opened(target, connection, CLIENT));
        self.settle();
        connection
    }

    pub(super) fn send(&mut self, connection: ConnectionId, content: Content) -> u32 {
        self.next_correlation += 1;
        let message = Message { correlation: self.next_correlation, content };
        let to = self.other_end(connection, CLIENT);
        self.queue.push_back(Event::Message(to, connection, message));
        self.settle();
        self.next_correlation
    }

    /// A batch of so many records, the next of producer 7.
    pub(super) fn batch(&mut self, count: u32) -> Batch {
        let first = self.next_sequence;
        self.next_sequence += count;
        Batch {
            base: Offset::ZERO,
            max_timestamp: self.now,
            records: Records::Workload(RecordId { process: ProcessId(0), ordinal: first }),
            count,
            bytes: 100 * count,
            leader_epoch: LeaderEpoch(0),
            sequence: Some(Sequence { producer: ProducerId(7), epoch: ProducerEpoch(0), first }),
        }
    }

    pub(super) fn produce(&mut self, connection: ConnectionId, batch: Batch, acks: Acks) -> u32 {
        let partitions = self.lists.take();
        self.lists.push(partitions, ProducePartition { partition: P, batch });
        let request = ProduceRequest { acks, timeout: Span::secs(30), partitions };
        self.send(connection, request.into())
    }

    pub(super) fn consume(&mut self, connection: ConnectionId, offset: u64, wait: Span) -> u32 {
        let fetcher = Fetcher::Consumer { read_committed: false };
        self.fetch(connection, fetcher, (offset, None), wait)
    }

    /// A fetch from an offset, by a reader whose log ends in an epoch.
    pub(super) fn fetch(
        &mut self,
        connection: ConnectionId,
        fetcher: Fetcher,
        (offset, last_fetched_epoch): (u64, Option<LeaderEpoch>),
        wait: Span,
    ) -> u32 {
        let partitions = self.lists.take();
        let asked = FetchPartition {
            partition: P,
            current_leader_epoch: None,
            fetch_offset: Offset(offset),
            last_fetched_epoch,
            log_start_offset: Offset::ZERO,
            max_bytes: 1_000_000,
        };
        self.lists.push(partitions, asked);
        let max_bytes = 1_000_000;
        let request = FetchRequest {
            fetcher,
            session: FetchMetadata::LEGACY,
            max_wait: wait,
            min_bytes: 1,
            max_bytes,
            partitions,
            forgotten: self.lists.take(),
        };
        self.send(connection, request.into())
    }

    /// The answer to a produce request: error and offset.
    pub(super) fn produced(&self, correlation: u32) -> Option<(ErrorCode, u64)> {
        let Content::ProduceResponse(response) = self.answer(correlation)?.content else {
            return None;
        };
        let produced = self.lists.get(response.responses).first()?;
        Some((produced.error, produced.base_offset.0))
    }

    /// The answer to a fetch: error, high watermark, and how many batches.
    pub(super) fn fetched(&self, correlation: u32) -> Option<(ErrorCode, u64, usize)> {
        let Content::FetchResponse(response) = self.answer(correlation)?.content else {
            return None;
        };
        let found = self.lists.get(response.partitions).first()?;
        Some((found.error, found.high_watermark.0, self.lists.get(response.records).len()))
    }

    pub(super) fn answer(&self, correlation: u32) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.correlation == correlation)
    }

    pub(super) fn view(&self, broker: u16) -> ReplicaView {
        self.brokers[usize::from(broker) - 1].as_ref().expect("it is up").view(P).expect("hosted")
    }

    pub(super) fn broker(&self, broker: u16) -> &Broker {
        self.brokers[usize::from(broker) - 1].as_ref().expect("it is up")
    }

    /// Log end and high watermark of each replica.
    pub(super) fn ends(&self) -> Vec<(u64, u64)> {
        let up = self.brokers.iter().flatten();
        up.filter_map(|broker| broker.view(P)).map(|v| (v.end.0, v.watermark.0)).collect()
    }

    /// Lets time pass, message by message and timer by timer.
    pub(super) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        self.settle();
        while let Some((key, at)) =
            self.timers.iter().min_by_key(|(key, at)| (**at, **key)).map(|(k, a)| (*k, *a))
        {
            if at > until {
                break;
            }
            self.timers.remove(&key);
            self.now = self.now.max(at);
            let Timer::Broker(timer) = key.1 else { unreachable!("of a broker") };
            self.at(BrokerId::at(key.0), |b, ctx| b.on_timer(timer, ctx));
            self.settle();
        }
        self.now = until;
    }

    /// Delivers every message that is not held.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            let held = |event: &Event| match event {
                Event::Message(to, connection, _) => {
                    self.held.contains(&(self.other_end(*connection, *to), *to))
                }
                _ => false,
            };
            let Some(place) = self.queue.iter().position(|event| !held(event)) else { return };
            let event = self.queue.remove(place).expect("it is there");
            self.deliver(event);
        }
        panic!("the cluster does not come to rest");
    }

    fn deliver(&mut self, event: Event) {
        if !self.ends.contains_key(&event.connection()) {
            return;
        }
        match event {
            Event::Opened(NodeId::Broker(id), connection, peer) => {
                self.at(id, |b, ctx| b.on_opened(connection, peer, ctx));
            }
            Event::Closed(NodeId::Broker(id), connection) => {
                self.at(id, |b, ctx| b.on_closed(connection, CloseReason::Peer, ctx));
            }
            Event::Message(NodeId::Broker(id), connection, message) => {
                let kept = self.at(id, |b, ctx| b.on_message(connection, &message, ctx));
                if !kept {
                    message.content.give_back(&mut self.lists);
                }
            }
            Event::Message(to, connection, message) => {
                let Message { correlation, content } = message;
                if to == CONTROLLER {
                    self.on_controller(connection, message);
                    content.give_back(&mut self.lists);
                } else {
                    self.answers.push(Answer { connection, correlation, content });
                }
            }
            Event::Opened(..) => {}
            Event::Closed(_, connection) => {
                self.clients.remove(&connection);
            }
        }
    }

    pub(super) fn is_open(&self, connection: ConnectionId) -> bool {
        self.clients.contains(&connection)
    }
}
