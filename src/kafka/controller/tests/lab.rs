//! The laboratory: a bare controller, three brokers that register, send heartbeats and replay at
//! once, and a clock. Does not know what is tested.

use std::collections::BTreeMap;

use crate::base::ids::{
    BrokerEpoch, BrokerId, ConnectionId, ControllerId, DiskId, LeaderEpoch, LogId, NodeId, Offset,
    PartitionId, PartitionIds, TopicId,
};
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::controller::Controller;
use crate::kafka::ctx::{Ctx, Effects, Node, OPERATOR};
use crate::kafka::metadata_log;
use crate::kafka::start::ControllerStart;
use crate::kafka::timers::Timer;
use crate::model::body::Bodies;
use crate::model::config::{BrokerConfig, Features, TopicKey};
use crate::model::directory::{DirectoryId, LogDirs};
use crate::model::disk::{Disk, Kept};
use crate::model::error::ErrorCode;
use crate::model::fact::Fact;
use crate::model::message::{
    AlterPartitionItem, AlterPartitionRequest, AssignReplicaToDir, AssignReplicasToDirsRequest,
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, BrokerState, Content, ElectLeadersRequest, ElectionType,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, Lists, Message, Sublist,
};
use crate::model::metadata::{MetadataRecord, PartitionState};
use crate::model::rules::Rules;

pub(super) const T0: PartitionId = PartitionId(0);
pub(super) const B1: BrokerId = BrokerId(1);
pub(super) const B2: BrokerId = BrokerId(2);
pub(super) const B3: BrokerId = BrokerId(3);

/// What a broker of the laboratory remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LabBroker {
    pub(super) runs: bool,
    pub(super) heartbeat_at: Time,
    pub(super) incarnation: u32,
    pub(super) epoch: BrokerEpoch,
    /// The epoch that its clean-shutdown marker holds.
    pub(super) marker: Option<BrokerEpoch>,
    pub(super) offline_dirs: u64,
}

/// A controller with three brokers that register, send heartbeats and replay at once.
pub(super) struct Lab {
    pub(super) controller: Controller,
    pub(super) rules: Rules,
    pub(super) rng: Rng,
    pub(super) bodies: Bodies,
    pub(super) lists: Lists,
    pub(super) effects: Effects,
    pub(super) now: Time,
    pub(super) timers: BTreeMap<Timer, Time>,
    pub(super) brokers: [LabBroker; 3],
    log_dirs: u16,
    pub(super) facts: Vec<Fact>,
}

/// What a handler of the laboratory's controller receives.
macro_rules! ctx {
    ($lab:expr) => {
        Ctx {
            wall: $lab.now,
            monotonic: $lab.now,
            rng: &mut $lab.rng,
            rules: &$lab.rules,
            bodies: &mut $lab.bodies,
            lists: &mut $lab.lists,
            effects: &mut $lab.effects,
            wants_facts: true,
            wants_trace: true,
        }
    };
}

pub(super) use ctx;

pub(super) fn start(elr: bool, log_dirs: u16) -> ControllerStart {
    ControllerStart {
        config: BrokerConfig { log_dirs, ..BrokerConfig::default() },
        features: Features { eligible_leader_replicas: elr },
        racks: vec![None; 3],
        topics: vec![PartitionIds { first: T0, most: 4 }],
        initial: false,
    }
}

/// Three brokers, registered and unfenced, and a topic of one partition on all of them.
fn initial_disk(min_isr: i64, log_dirs: u16, bodies: &mut Bodies) -> Disk {
    let mut disk = Disk::new(NodeId::Controller(ControllerId(1)), 1, u64::MAX);
    let mut records = Vec::new();
    for (broker, epoch) in [(B1, 0), (B2, 2), (B3, 4)] {
        let epoch = BrokerEpoch(epoch);
        let (incarnation, unclean) = (0, false);
        let registered = MetadataRecord::BrokerRegistered {
            broker,
            epoch,
            incarnation,
            unclean,
            log_dirs: LogDirs::new(DiskId(0), log_dirs, 0),
        };
        records.push(registered);
        records.push(MetadataRecord::BrokerUnfenced { broker, epoch });
    }
    let (topic, key, value) = (TopicId(0), TopicKey::MinInsyncReplicas, Some(min_isr));
    records.push(MetadataRecord::ConfigSet { topic: Some(topic), key, value });
    let state = PartitionState::full(&[B1, B2, B3]);
    let replicas = vec![B1, B2, B3].into();
    records.push(MetadataRecord::PartitionCreated { partition: T0, topic, replicas, state });
    let batch = metadata_log::batch(records, Offset::ZERO, LeaderEpoch(1), Time::ZERO, bodies);
    let log = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a good disk");
    disk.append(log, batch).expect("a good disk");
    disk
}

impl Lab {
    pub(super) fn new(rules: Rules, elr: bool, min_isr: i64, log_dirs: u16) -> Self {
        let mut bodies = Bodies::default();
        let mut lists = Lists::default();
        let mut effects = Effects::default();
        let mut rng = Rng::named(1, "lab");
        let disk = initial_disk(min_isr, log_dirs, &mut bodies);
        let mut ctx = Ctx {
            wall: Time::ZERO,
            monotonic: Time::ZERO,
            rng: &mut rng,
            rules: &rules,
            bodies: &mut bodies,
            lists: &mut lists,
            effects: &mut effects,
            wants_facts: true,
            wants_trace: true,
        };
        let controller = Controller::start(start(elr, log_dirs), disk, &mut ctx);
        let brokers = [0, 1, 2].map(|index| LabBroker {
            runs: true,
            epoch: BrokerEpoch(2 * index),
            heartbeat_at: Time::ZERO + Span::millis(500 * index),
            ..LabBroker::default()
        });
        let mut lab = Self {
            controller,
            rules,
            rng,
            bodies,
            lists,
            effects,
            now: Time::ZERO,
            timers: BTreeMap::new(),
            brokers,
            log_dirs,
            facts: Vec::new(),
        };
        for index in 0..3 {
            let peer = NodeId::Broker(BrokerId::at(index));
            lab.controller.on_opened(ConnectionId(index as u32), peer, &mut ctx!(lab));
        }
        lab.drain();
        lab
    }

    /// Starts the controller anew on its own disk.
    pub(super) fn restart_controller(&mut self) {
        let disk = self.controller.clone().stop();
        self.start_controller(disk);
        self.drain();
    }

    /// Starts a controller on a disk; what it finds there is not synced yet.
    pub(super) fn start_controller(&mut self, disk: Disk) {
        self.controller = Controller::start(start(true, 1), disk, &mut ctx!(self));
        for index in 0..3 {
            let peer = NodeId::Broker(BrokerId::at(index));
            self.controller.on_opened(ConnectionId(index as u32), peer, &mut ctx!(self));
        }
    }

    /// Power is lost, and with it the syncs under way; then the controller starts.
    pub(super) fn lose_power(&mut self, kept: Kept) {
        let mut disk = self.controller.clone().stop();
        self.effects.flushes.clear();
        disk.sim_lose_power(|_, _| kept);
        self.start_controller(disk);
        self.drain();
    }

    /// The leader epochs of the metadata log on disk.
    pub(super) fn epochs(&self) -> Vec<(LeaderEpoch, Offset)> {
        let mut disk = self.controller.disk.clone();
        let log = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a good disk");
        disk.checkpoints(log).leader_epochs.clone()
    }

    /// Carries out timers, gives back answers.
    pub(super) fn drain(&mut self) -> Vec<Message> {
        while let Some((log, up_to)) = self.effects.flushes.pop() {
            self.controller.disk.sim_sync_to(log, u64::MAX);
            self.controller.on_flushed(log, up_to, &mut ctx!(self));
        }
        for (timer, after) in self.effects.timers.drain(..) {
            match after {
                Some(after) => drop(self.timers.insert(timer, self.now + after)),
                None => drop(self.timers.remove(&timer)),
            }
        }
        self.facts.append(&mut self.effects.notes);
        self.effects.sends.drain(..).map(|(_, message)| message).collect()
    }

    /// Sends a request and takes the answer with its correlation id.
    pub(super) fn ask(&mut self, connection: ConnectionId, content: Content) -> Content {
        let message = Message { correlation: 77, content };
        self.controller.on_message(connection, &message, &mut ctx!(self));
        let answers = self.drain();
        answers.iter().find(|m| m.correlation == 77).expect("an answer").content
    }

    pub(super) fn heartbeat(&mut self, broker: BrokerId, want_shutdown: bool) -> Content {
        let LabBroker { epoch, offline_dirs, .. } = self.brokers[broker.index()];
        let content = Content::BrokerHeartbeatRequest(BrokerHeartbeatRequest {
            broker,
            epoch,
            replayed: self.controller.image.end(),
            want_fence: false,
            want_shutdown,
            offline_dirs,
        });
        self.brokers[broker.index()].heartbeat_at = self.now + Span::secs(2);
        self.ask(ConnectionId(u32::from(broker.0) - 1), content)
    }

    /// Lets time pass: heartbeats of running brokers and the controller's timers.
    pub(super) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        loop {
            let beat = self.brokers.iter().enumerate().filter(|(_, b)| b.runs);
            let beat = beat.map(|(i, b)| (b.heartbeat_at, i)).min();
            let timer = self.timers.iter().map(|(timer, at)| (*at, *timer)).min();
            let beat_at = beat.map_or(Time::NEVER, |(at, _)| at);
            let timer_at = timer.map_or(Time::NEVER, |(at, _)| at);
            if beat_at.min(timer_at) > until {
                break;
            }
            self.now = self.now.max(beat_at.min(timer_at));
            if let Some((_, index)) = beat.filter(|(at, _)| *at <= timer_at) {
                self.heartbeat(BrokerId::at(index), false);
            } else if let Some((_, timer)) = timer {
                self.timers.remove(&timer);
                let Timer::Controller(timer) = timer else { unreachable!("of a controller") };
                self.controller.on_timer(timer, &mut ctx!(self));
                self.drain();
            }
        }
        self.now = until;
    }

    pub(super) fn kill(&mut self, broker: BrokerId) {
        self.brokers[broker.index()].runs = false;
    }

    /// Lets time pass until a broker is fenced; says how long it took.
    pub(super) fn until_fenced(&mut self, broker: BrokerId) -> Span {
        let from = self.now;
        while self.controller.image.broker(broker).is_some_and(|b| !b.fenced) {
            self.pass(Span::millis(10));
            assert!(self.now.since(from) < Span::secs(12), "{broker} is never fenced");
        }
        self.now.since(from)
    }

    pub(super) fn try_register(&mut self, broker: BrokerId) -> ErrorCode {
        let LabBroker { incarnation, marker, .. } = self.brokers[broker.index()];
        let content = Content::BrokerRegistrationRequest(BrokerRegistrationRequest {
            broker,
            incarnation: incarnation + 1,
            previous: marker,
            log_dirs: LogDirs::new(DiskId(0), self.log_dirs, 0),
        });
        match self.ask(ConnectionId(u32::from(broker.0) - 1), content) {
            Content::BrokerRegistrationResponse(BrokerRegistrationResponse {
                error: ErrorCode::None,
                epoch,
            }) => {
                let broker = &mut self.brokers[broker.index()];
                broker.incarnation += 1;
                (broker.epoch, broker.marker, broker.runs) = (epoch, None, true);
                ErrorCode::None
            }
            Content::BrokerRegistrationResponse(BrokerRegistrationResponse { error, .. }) => error,
            other => panic!("not an answer to a registration: {other:?}"),
        }
    }

    /// Starts a broker: registered as soon as it is let in, then unfenced. Says how long it took.
    pub(super) fn start(&mut self, broker: BrokerId) -> Span {
        let from = self.now;
        while self.try_register(broker) == ErrorCode::DuplicateBrokerRegistration {
            self.pass(Span::millis(100));
        }
        let waited = self.now.since(from);
        self.pass(Span::millis(200));
        self.heartbeat(broker, false);
        waited
    }

    /// Controlled shutdown to its end; the marker holds the epoch.
    pub(super) fn shut_down(&mut self, broker: BrokerId) {
        loop {
            let answer = self.heartbeat(broker, true);
            let Content::BrokerHeartbeatResponse(BrokerHeartbeatResponse { may_shutdown, .. }) =
                answer
            else {
                panic!("not an answer to a heartbeat: {answer:?}");
            };
            if may_shutdown {
                break;
            }
            self.brokers[broker.index()].runs = false;
            self.pass(Span::secs(2));
        }
        let broker = &mut self.brokers[broker.index()];
        (broker.runs, broker.marker) = (false, Some(broker.epoch));
    }

    pub(super) fn state(&self) -> PartitionState {
        self.controller.image.partition(T0).expect("the partition").state
    }

    /// The leader proposes an ISR; gives the error of the partition.
    pub(super) fn propose(&mut self, sender: BrokerId, change: impl FnOnce(&mut Ask)) -> ErrorCode {
        let state = self.state();
        let epochs = [0, 1, 2].map(|i| Some(self.brokers[i].epoch));
        let mut ask = Ask { state, recovered: true, broker_epoch: epochs[sender.index()], epochs };
        change(&mut ask);
        let (partitions, broker_states) = (self.lists.take(), self.lists.take());
        let PartitionState { leader_epoch, partition_epoch, isr, .. } = ask.state;
        for index in isr.iter().filter(|i| *i < 3) {
            let (broker, epoch) = (BrokerId::at(index), ask.epochs[index]);
            self.lists.push(broker_states, BrokerState { broker, epoch });
        }
        let item = AlterPartitionItem {
            partition: T0,
            leader_epoch,
            partition_epoch,
            new_isr: isr,
            new_isr_with_epochs: Sublist::new(0..self.lists.get(broker_states).len()),
            recovered: ask.recovered,
        };
        self.lists.push(partitions, item);
        let epoch = ask.broker_epoch.expect("a broker epoch");
        let request = AlterPartitionRequest { broker: sender, epoch, partitions, broker_states };
        let answer = self.ask(ConnectionId(0), request.into());
        Content::from(request).give_back(&mut self.lists);
        let Content::AlterPartitionResponse(response) = answer else {
            panic!("not an answer to a proposal: {answer:?}");
        };
        let error = match self.lists.get(response.partitions) {
            [result] => {
                assert_eq!(result.state, self.state(), "the answer carries the committed state");
                result.error
            }
            _ => response.error,
        };
        answer.give_back(&mut self.lists);
        error
    }

    pub(super) fn join(&mut self, broker: BrokerId) {
        let leader = self.state().leader.expect("a leader");
        let error = self.propose(leader, |ask| ask.state.isr = ask.state.isr.with(broker.index()));
        assert_eq!(error, ErrorCode::None);
    }

    pub(super) fn elect_unclean(&mut self, partition: PartitionId) -> ErrorCode {
        match self.elect(ElectionType::Unclean(partition))[..] {
            [(named, error)] if named == partition => error,
            ref other => panic!("{other:?}"),
        }
    }

    /// A broker says in which directory its replica lies; gives the error of the request, or else
    /// that of the partition.
    pub(super) fn assign(
        &mut self,
        (broker, epoch): (BrokerId, BrokerEpoch),
        directory: DirectoryId,
    ) -> ErrorCode {
        let partitions = self.lists.take();
        self.lists.push(partitions, AssignReplicaToDir { partition: T0, directory });
        let request = AssignReplicasToDirsRequest { broker, epoch, partitions };
        let answer = self.ask(ConnectionId(0), request.into());
        self.lists.give_back(partitions);
        let Content::AssignReplicasToDirsResponse(response) = answer else { panic!("{answer:?}") };
        let error = match self.lists.get(response.partitions) {
            [result] => result.error,
            _ => response.error,
        };
        self.lists.give_back(response.partitions);
        error
    }

    /// An operator asks for elections; gives what became of each partition that is named.
    pub(super) fn elect(&mut self, election: ElectionType) -> Vec<(PartitionId, ErrorCode)> {
        let answer = self.ask(OPERATOR, ElectLeadersRequest { election }.into());
        let Content::ElectLeadersResponse(response) = answer else { panic!("{answer:?}") };
        let results = self.lists.get(response.partitions).iter();
        let results = results.map(|result| (result.partition, result.error)).collect();
        self.lists.give_back(response.partitions);
        results
    }

    pub(super) fn set_config(&mut self, key: TopicKey, value: i64) {
        let topic = Some(TopicId(0));
        let done = self.ask(
            OPERATOR,
            Content::IncrementalAlterConfigsRequest(IncrementalAlterConfigsRequest {
                topic,
                key,
                value: Some(value),
            }),
        );
        assert_eq!(done, IncrementalAlterConfigsResponse { error: ErrorCode::None }.into());
    }

    /// The metadata log.
    pub(super) fn records(&self) -> Vec<MetadataRecord> {
        let log = self.controller.disk.log(LogId::Metadata).expect("a good disk");
        let bodies = log.batches().iter().filter_map(|batch| batch.records.body());
        bodies.flat_map(|body| self.bodies.metadata(body)).cloned().collect()
    }

    /// The partition's states so far, in the order of the log.
    pub(super) fn states(&self) -> Vec<PartitionState> {
        self.records().iter().filter_map(|record| Some(record.partition()?.1)).collect()
    }
}

/// A proposal under construction.
pub(super) struct Ask {
    pub(super) state: PartitionState,
    pub(super) recovered: bool,
    pub(super) broker_epoch: Option<BrokerEpoch>,
    pub(super) epochs: [Option<BrokerEpoch>; 3],
}

pub(super) fn kafka_4_1(min_isr: i64) -> Lab {
    Lab::new(Rules::KAFKA_4_1, true, min_isr, 1)
}

pub(super) fn kafka_3_9(min_isr: i64) -> Lab {
    Lab::new(Rules::KAFKA_3_9, false, min_isr, 1)
}
