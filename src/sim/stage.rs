//! A small cluster to direct in unit tests: a plan, what a view shows, and a toy world that knows
//! nothing of Kafka but sessions: a broker that is down for 9 s leaves every ISR, and one that is
//! back returns to them after a while.

use std::collections::BTreeMap;

use crate::base::ids::{
    BrokerEpoch, BrokerId, ControllerId, DiskId, LeaderEpoch, NodeId, PartitionEpoch, PartitionId,
    ProcessId, ReplicaSet, TopicId,
};
use crate::base::rng::Latency;
use crate::base::time::{Span, Time};
use crate::kafka::image::Image;
use crate::kafka::start::Command;
use crate::model::config::{BrokerConfig, ConsumerConfig, Features, ProducerConfig, TopicConfig};
use crate::model::directory::LogDirs;
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::{Action, Direction, Fault, FaultLine, RestartHow, Target, Timing};
use crate::model::metadata::{MetadataRecord, PartitionState};
use crate::model::names::{Names, TopicName};
use crate::model::plan::{
    AppPlan, BrokerPlan, ConsumerPlan, ControllerPlan, Hardware, NetworkPlan, Plan, ProcessPlan,
    ProducerPlan, Promise, RunPlan, Taint, TopicPlan,
};
use crate::model::rules::Rules;
use crate::sim::director::{ClusterView, Director, Order};

const LATENCY: Latency =
    Latency { p50: Span::millis(1), p99: Span::millis(2), max: Span::millis(3) };

pub(super) fn at(seconds: u64) -> Time {
    Time::ZERO + Span::secs(seconds)
}

pub(super) const fn broker(number: u16) -> NodeId {
    NodeId::Broker(BrokerId(number))
}

pub(super) const fn line(timing: Timing) -> FaultLine {
    FaultLine { timing, target: None, length: None, action: None }
}

/// So many brokers, and three partitions on all of them: partition `p` prefers broker `p + 1`.
pub(super) fn plan(brokers: u16) -> Plan {
    let first = PartitionId(0);
    let producer = ProducerPlan {
        config: ProducerConfig::default(),
        topics: vec![TopicId(0)],
        period: None,
        records: None,
        keys: 0,
        size: 100,
        resend: false,
    };
    let consumer = ConsumerPlan {
        config: ConsumerConfig::default(),
        assign: vec![first],
        processing: Span::ZERO,
    };
    let process = |app| ProcessPlan { rules: Rules::default(), starts: false, app };
    Plan {
        kafka: "4.1".to_owned(),
        names: Names {
            topics: vec![TopicName { name: "t".to_owned(), first, partitions: 3, most: 3 }],
            processes: vec!["p".to_owned(), "reader".to_owned()],
            labels: vec!["a".to_owned()],
        },
        brokers: (0..brokers).map(|_| broker_plan()).collect(),
        controllers: vec![ControllerPlan {
            config: BrokerConfig::default(),
            rules: Rules::default(),
            disk_latency: LATENCY,
        }],
        features: Features::default(),
        topics: vec![TopicPlan {
            config: TopicConfig::default(),
            overrides: Vec::new(),
            replicas: (0..3).map(|p| replicas(brokers, p)).collect(),
        }],
        cluster_topic_config: Vec::new(),
        processes: vec![process(AppPlan::Producer(producer)), process(AppPlan::Consumer(consumer))],
        network: NetworkPlan {
            latency: LATENCY,
            links: Vec::new(),
            socket_buffer: 1 << 16,
            give_up: Span::secs(900),
        },
        writeback: Span::secs(30),
        wall_offset: Span::ZERO,
        drift_ppm: 0,
        hardware: Hardware::CLOUD_VM,
        faults: Vec::new(),
        script: Vec::new(),
        promise: Promise { min_insync: 2, taint: Taint::UncleanStop, refuse_beyond: true },
        run: RunPlan {
            duration: Span::secs(60),
            heal: true,
            settle: Span::secs(120),
            audit_events: 10_000,
            budget_events: 1_000_000,
            budget_memory: 1 << 30,
        },
    }
}

fn broker_plan() -> BrokerPlan {
    BrokerPlan {
        config: BrokerConfig::default(),
        rules: Rules::default(),
        rack: None,
        disk_capacity: u64::MAX,
        disk_latency: LATENCY,
    }
}

fn replicas(brokers: u16, partition: u16) -> Vec<BrokerId> {
    (0..brokers).map(|i| BrokerId((partition + i) % brokers + 1)).collect()
}

/// A committed state: the leader, its epoch, and the ISR as places in the replica list.
pub(super) fn state(leader: Option<u16>, epoch: u32, isr: &[usize]) -> PartitionState {
    PartitionState {
        isr: isr.iter().fold(ReplicaSet::EMPTY, |set, place| set.with(*place)),
        elr: ReplicaSet::EMPTY,
        leader: leader.map(BrokerId),
        last_known_elr: None,
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch: PartitionEpoch(epoch),
        recovering: false,
    }
}

/// A world as the director sees it.
pub(super) struct Stage {
    pub(super) image: Image,
    pub(super) down: Vec<NodeId>,
}

impl Stage {
    /// Every broker is active, every ISR full, and partition `p` is led by broker `p + 1`.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut stage = Self { image: Image::default(), down: Vec::new() };
        for number in 1..=plan.brokers.len() as u16 {
            stage.register(number);
        }
        for partition in plan.partitions() {
            let list = plan.replicas(partition).to_vec();
            let isr: Vec<usize> = (0..list.len()).collect();
            let state = state(Some(list[0].0), 0, &isr);
            let topic = TopicId(0);
            let replicas = list.into();
            let created = MetadataRecord::PartitionCreated { partition, topic, replicas, state };
            stage.image.replay(&created);
        }
        stage
    }

    /// The broker registers anew and is unfenced.
    pub(super) fn register(&mut self, number: u16) {
        let (broker, epoch) = (BrokerId(number), BrokerEpoch(self.image.end().0));
        for record in [
            MetadataRecord::BrokerRegistered {
                broker,
                epoch,
                incarnation: 0,
                unclean: false,
                log_dirs: LogDirs::new(DiskId(0), 1, 0),
            },
            MetadataRecord::BrokerUnfenced { broker, epoch },
        ] {
            self.image.replay(&record);
        }
    }

    pub(super) fn commit(&mut self, partition: PartitionId, state: PartitionState) {
        let record = MetadataRecord::PartitionChanged { partition, state };
        self.image.replay(&record);
    }

    /// Calls with a view of this world at this time.
    pub(super) fn view<T>(&self, now: Time, call: impl FnOnce(&ClusterView<'_>) -> T) -> T {
        let running = |node| !self.down.contains(&node);
        call(&ClusterView {
            now,
            committed: &self.image,
            running: &running,
            active_controller: Some(ControllerId(1)),
        })
    }
}

/// Something that will happen in a [`Toy`].
#[derive(Clone, Debug)]
enum Event {
    Wake(u32),
    Apply(Fault),
    Heal(u32),
    /// The session of this stop of a broker ends.
    Fence(u16, u32),
    /// A broker is back in every ISR, unless it has stopped again since.
    Return(u16, u32),
}

/// Plays a director against a toy world.
pub(super) struct Toy {
    pub(super) director: Director,
    pub(super) stage: Stage,
    /// What was applied, and when.
    pub(super) applied: Vec<(Time, Fault)>,
    pub(super) noted: Vec<(Time, Fact)>,
    pub(super) commands: Vec<(Time, ProcessId, Command)>,
    pub(super) healed: Vec<(Time, u32)>,
    /// Power losses of the only member of some ISR.
    pub(super) lone_power_losses: u32,
    /// Times when the last member left some ISR while another replica ran.
    pub(super) stale_survivors: u32,
    /// Power losses of a broker while every other member of some ISR had been killed.
    pub(super) losses_beside_the_killed: u32,
    queue: BTreeMap<(Time, bool, u64), Event>,
    pushed: u64,
    now: Time,
    epoch: u32,
    stops: Vec<u32>,
    /// Killed and not back in the ISRs.
    killed: Vec<bool>,
}

impl Toy {
    pub(super) fn new(plan: &Plan, seed: u64) -> Self {
        let mut toy = Self {
            director: Director::new(plan, seed),
            stage: Stage::new(plan),
            applied: Vec::new(),
            noted: Vec::new(),
            commands: Vec::new(),
            healed: Vec::new(),
            lone_power_losses: 0,
            stale_survivors: 0,
            losses_beside_the_killed: 0,
            queue: BTreeMap::new(),
            pushed: 0,
            now: Time::ZERO,
            epoch: 0,
            stops: vec![0; plan.brokers.len()],
            killed: vec![false; plan.brokers.len()],
        };
        let mut out = Vec::new();
        toy.director.begin(&mut out);
        toy.carry_out(out);
        toy
    }

    /// Plays up to this time.
    pub(super) fn play(&mut self, until: Time) -> &mut Self {
        while let Some(((time, last, number), event)) = self.queue.pop_first() {
            if time > until {
                self.queue.insert((time, last, number), event);
                break;
            }
            self.now = time;
            self.happen(event);
        }
        self.now = until;
        self
    }

    /// A fact happens now.
    pub(super) fn fact(&mut self, fact: Fact) {
        let mut out = Vec::new();
        self.director.on_fact(self.now, &fact, &mut out);
        assert!(out.iter().all(|o| matches!(o, Order::Wake { at, .. } if *at > self.now)));
        self.carry_out(out);
    }

    /// An operation is answered now.
    pub(super) fn answer(&mut self) {
        let mut out = Vec::new();
        let id = self.director.first_open_operation().expect("one was asked for");
        let _config = self.director.on_answer(self.now, id, &mut out);
        self.carry_out(out);
    }

    fn push(&mut self, at: Time, last: bool, event: Event) {
        assert!(at >= self.now, "nothing is ordered for the past");
        self.queue.insert((at, last, self.pushed), event);
        self.pushed += 1;
    }

    fn carry_out(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Wake { at, token } => self.push(at, false, Event::Wake(token)),
                Order::Inject { at, fault } => self.push(at, true, Event::Apply(fault)),
                Order::Heal { at, id } => self.push(at, true, Event::Heal(id)),
                Order::Command { process, command } => {
                    self.commands.push((self.now, process, command));
                }
                Order::Note(fact) => {
                    self.noted.push((self.now, fact));
                    self.fact(fact);
                }
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(token) => {
                let mut out = Vec::new();
                let director = &mut self.director;
                self.stage.view(self.now, |view| director.on_due(token, view, &mut out));
                self.carry_out(out);
            }
            Event::Apply(fault) => self.apply(fault),
            Event::Heal(id) => {
                self.healed.push((self.now, id));
                let fault = self.applied.iter().map(|(_, fault)| fault).find(|f| f.id == id);
                let Some(fault) = fault.cloned() else { return };
                let (kind, node) = (fault.action.kind(), fault.nodes.first().copied());
                self.fact(Fact::Healed { id, kind, node });
                if how_it_stops(&fault.action).is_some() {
                    self.start(&fault.nodes);
                }
            }
            Event::Fence(number, stop) if self.stops[usize::from(number) - 1] == stop => {
                self.change_isrs(BrokerId(number), false);
            }
            Event::Return(number, stop) if self.stops[usize::from(number) - 1] == stop => {
                self.killed[usize::from(number) - 1] = false;
                self.change_isrs(BrokerId(number), true);
            }
            Event::Fence(..) | Event::Return(..) => {}
        }
    }

    fn apply(&mut self, fault: Fault) {
        let (id, kind) = (fault.id, fault.action.kind());
        self.fact(Fact::Injected { id, kind, node: fault.nodes.first().copied() });
        if let Some(how) = how_it_stops(&fault.action) {
            for node in &fault.nodes {
                let NodeId::Broker(BrokerId(number)) = *node else { continue };
                if how == StopKind::PowerLoss && self.stands_alone(BrokerId(number)) {
                    self.lone_power_losses += 1;
                }
                if how == StopKind::PowerLoss && self.others_were_killed(BrokerId(number)) {
                    self.losses_beside_the_killed += 1;
                }
                if how == StopKind::Crash {
                    self.killed[usize::from(number) - 1] = true;
                }
                if !self.stage.down.contains(node) {
                    self.stage.down.push(*node);
                    self.stops[usize::from(number) - 1] += 1;
                    let stop = self.stops[usize::from(number) - 1];
                    self.push(self.now + Span::secs(9), false, Event::Fence(number, stop));
                    self.fact(Fact::Stopped { node: *node, how, lost: 0 });
                }
            }
        }
        if let Some(broker) = silenced(&fault) {
            self.stops[broker.index()] += 1;
            let stop = self.stops[broker.index()];
            let back = fault.length.map_or(Span::ZERO, |length| length + Span::secs(1));
            if back > Span::secs(10) {
                self.push(self.now + Span::secs(9), false, Event::Fence(broker.0, stop));
                self.push(self.now + back, false, Event::Return(broker.0, stop));
            }
        }
        if !kind.has_length() {
            self.start(&fault.nodes);
        }
        self.applied.push((self.now, fault));
    }

    fn start(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            let NodeId::Broker(broker) = *node else { continue };
            if let Some(place) = self.stage.down.iter().position(|n| n == node) {
                self.stage.down.remove(place);
                self.stage.register(broker.0);
                let epoch = BrokerEpoch(self.stage.image.end().0);
                self.fact(Fact::BrokerRegistered { broker, epoch, incarnation: 0, unclean: true });
                self.change_isrs(broker, false);
                let stop = self.stops[broker.index()];
                self.push(self.now + Span::secs(2), false, Event::Return(broker.0, stop));
            }
        }
    }

    fn stands_alone(&self, broker: BrokerId) -> bool {
        self.stage.image.partitions().any(|(_, partition)| {
            partition.state.isr.len() == 1 && partition.contains(partition.state.isr, broker)
        })
    }

    fn others_were_killed(&self, broker: BrokerId) -> bool {
        self.stage.image.partitions().any(|(_, partition)| {
            let killed = |b: &BrokerId| self.killed[b.index()];
            let members = partition.state.isr.iter().map(|place| partition.replicas[place]);
            let others: Vec<BrokerId> = members.filter(|b| *b != broker).collect();
            let elr_or_isr_killed = partition.replicas.iter().any(killed);
            partition.contains(partition.state.isr, broker)
                && elr_or_isr_killed
                && others.iter().all(killed)
        })
    }

    /// Takes a broker out of every ISR, or puts it back; the first member leads.
    fn change_isrs(&mut self, broker: BrokerId, member: bool) {
        self.epoch += 1;
        let partitions: Vec<_> =
            self.stage.image.partitions().map(|(id, p)| (id, p.clone())).collect();
        for (id, partition) in partitions {
            let Some(place) = partition.place(broker) else { continue };
            let isr = partition.state.isr;
            let isr = if member { isr.with(place) } else { isr.without(place) };
            let places: Vec<usize> = isr.iter().collect();
            let others_run =
                |b: &&BrokerId| **b != broker && !self.stage.down.contains(&NodeId::Broker(**b));
            if !member && places.is_empty() && partition.replicas.iter().any(|b| others_run(&b)) {
                self.stale_survivors += 1;
            }
            let leader = places.first().map(|place| partition.replicas[*place].0);
            let state = state(leader, self.epoch, &places);
            self.stage.commit(id, state);
            self.fact(Fact::IsrCommitted { partition: id, state });
        }
    }
}

/// The running broker that the controller does not hear while this lasts.
fn silenced(fault: &Fault) -> Option<BrokerId> {
    let controller = Target::Node(NodeId::Controller(ControllerId(1)));
    let node = match &fault.action {
        Action::Pause => *fault.nodes.first()?,
        Action::Partition { groups, direction: Direction::Both } => match &groups[..] {
            [first, second] if second.contains(&controller) => match first[..] {
                [Target::Node(node)] => node,
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    };
    match node {
        NodeId::Broker(broker) => Some(broker),
        _ => None,
    }
}

const fn how_it_stops(action: &Action) -> Option<StopKind> {
    match action {
        Action::Crash | Action::Restart { how: RestartHow::Crash } => Some(StopKind::Crash),
        Action::PowerLoss { .. } => Some(StopKind::PowerLoss),
        Action::Shutdown | Action::Restart { how: RestartHow::Shutdown } => {
            Some(StopKind::Shutdown)
        }
        Action::DiskFull | Action::DiskError { .. } => Some(StopKind::Halt),
        _ => None,
    }
}
