//! The world: every node, the machines under them, and the queue of what will happen.
//!
//! [`World::step`] pops one event, lets at most one handler run, and carries out what it asked for,
//! in a fixed order: disk observations, claims, flushes, opens, sends, closes, timers, port, exit.
//! A run begins by itself with the first step; when it ends, and when faults are over, is the
//! business of whoever drives it. Nodes learn nothing of this module; see [`crate::kafka::ctx`].

use std::sync::Arc;

use crate::base::ids::{BrokerId, ConnectionId, ControllerId, NodeId, PartitionId, ProcessId};
use crate::base::time::Time;
use crate::kafka::broker::Broker;
use crate::kafka::client::application::Application;
use crate::kafka::ctx::{CloseReason, Effects};
use crate::kafka::image::Image;
use crate::kafka::start::{Command, ReplicaView};
use crate::model::batch::Batch;
use crate::model::body::Bodies;
use crate::model::disk::{Disk, LogImage};
use crate::model::fact::{Observer, Stamp};
use crate::model::fault::Fault;
use crate::model::message::{Content, Holds, Lists, Message, Pool};
use crate::model::metadata::PartitionState;
use crate::model::payload::Payloads;
use crate::model::plan::{AppPlan, Plan};
use crate::sim::bootstrap;
use crate::sim::committed::Committed;
use crate::sim::desk::Desk;
use crate::sim::director::{Director, Order};
use crate::sim::event::{ConnRef, Digest, Event, HostId};
use crate::sim::faults::ActiveFault;
use crate::sim::flow::NetworkCtx;
use crate::sim::host::{Condition, Host};
use crate::sim::links::Links;
use crate::sim::network::Network;
use crate::sim::nodes::Nodes;
use crate::sim::queue::{Class, Queue};
use crate::sim::table::Table;

/// Everything of a run but its observer. A clone goes on exactly as the original would.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) plan: Arc<Plan>,
    pub(super) now: Time,
    pub(super) queue: Queue<Event>,
    pub(super) network: Network,
    pub(super) hosts: Vec<Host>,
    pub(super) nodes: Nodes,
    pub(super) bodies: Bodies,
    pub(super) lists: Lists,
    pub(super) effects: Effects,
    pub(super) committed: Committed,
    pub(super) desk: Desk,
    pub(super) commands: Table<Command>,
    /// What operators ask, each under the number of the fault that it is.
    pub(super) operations: Table<Message>,
    /// Operations that wait for a controller.
    pub(super) unheard: Vec<u32>,
    pub(super) faults: Table<Fault>,
    pub(super) active: Vec<ActiveFault>,
    /// Everything was healed: no fault begins any more.
    pub(super) over: bool,
    /// Nobody wants facts at present.
    silent: bool,
    handled: u64,
}

const _: () = {
    const fn forkable<T: Clone>() {}
    forkable::<World>();
};

impl World {
    /// The world at time zero. `apps` are what the processes run, by `ProcessId`.
    ///
    /// # Panics
    /// If there is not one application for each process of the plan.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64, apps: Vec<Box<dyn Application>>) -> Self {
        let ids = node_ids(plan);
        let hosts: Vec<Host> = ids.iter().map(|id| Host::new(plan, *id, seed)).collect();
        let mut bodies = Bodies::default();
        let disks = bootstrap::disks(plan, &mut bodies);
        let bootstrap = bootstrap::image(&disks.1, &bodies);
        if plan.processes.iter().any(|process| matches!(process.app, AppPlan::Own(_))) {
            bodies.payloads = Some(Box::new(Payloads::new(&plan.names)));
        }
        let director = Director::new(plan, seed);
        let stamp = Stamp::default();
        let links = Links::new(&plan.network, ids, seed);
        let mut world = Self {
            plan: Arc::new(plan.clone()),
            now: Time::ZERO,
            queue: Queue::new(),
            network: Network::new(&plan.network, links, hosts.len()),
            hosts,
            nodes: Nodes::new(plan, disks, bootstrap::initials(plan), bootstrap, apps),
            bodies,
            lists: Lists::default(),
            effects: Effects::default(),
            committed: Committed::default(),
            desk: Desk { director, orders: Vec::new(), stamp, curious: true },
            commands: Table::new(),
            operations: Table::new(),
            unheard: Vec::new(),
            faults: Table::new(),
            active: Vec::new(),
            over: false,
            silent: false,
            handled: 0,
        };
        world.schedule_beginning();
        world
    }

    /// Whether it is kept what records say, for applications of a reader's own.
    #[cfg(test)]
    pub(crate) const fn keeps_payloads(&self) -> bool {
        self.bodies.payloads.is_some()
    }

    /// Controllers start first: brokers may knock at once.
    fn schedule_beginning(&mut self) {
        self.push(Time::ZERO, Event::Begin);
        let brokers = self.plan.brokers.len();
        let order = (brokers..self.hosts.len()).chain(0..brokers);
        for host in order.map(|place| HostId(place as u16)) {
            self.push(Time::ZERO, Event::Start { host, life: 0 });
        }
        let period = self.writeback_period();
        for place in 0..brokers {
            let first = Time::ZERO + self.hosts[place].disk.phase(period);
            self.push(first, Event::Writeback { host: HostId(place as u16) });
        }
    }

    /// Carries out the next event. False if nothing will ever happen.
    pub fn step<O: Observer>(&mut self, tap: &mut O) -> bool {
        let Some(popped) = self.queue.pop() else { return false };
        self.now = popped.time;
        self.desk.stamp = Stamp { time: popped.time, seq: popped.seq, cause: popped.cause };
        self.desk.curious = self.desk.director.wants_all_facts();
        let silent = !self.desk.wants(tap);
        if silent != self.silent {
            self.silent = silent;
            self.nodes.silence_disks(silent);
        }
        self.carry_out(popped.event, tap);
        self.finish_event(tap);
        true
    }

    /// What the director ordered, and the connections that nobody knows any more.
    pub(super) fn finish_event<O: Observer>(&mut self, tap: &mut O) {
        if !self.desk.orders.is_empty() {
            self.carry_out_orders(tap);
        }
        self.network.drain_freed(|id| self.effects.free_connection(id));
        if !batches(&mut self.lists).body_counts().is_empty() || self.bodies.has_suspects() {
            self.sweep_bodies();
        }
    }

    /// Gives back the places of bodies that no batch names any more. The disks' counts have been
    /// taken when their facts were.
    #[cold]
    fn sweep_bodies(&mut self) {
        self.bodies.count(batches(&mut self.lists).body_counts());
        self.bodies.sweep();
    }

    fn carry_out<O: Observer>(&mut self, event: Event, tap: &mut O) {
        match event {
            Event::Begin => self.begin(tap),
            Event::Start { host, life } => self.start(host, life, tap),
            Event::Arrive { slot, end, stamp } => {
                if let Some(host) = self.network.receiver(slot, end, stamp)
                    && self.is_awake(host, event)
                {
                    self.arrive(host, slot, end, tap);
                }
            }
            Event::Syn { conn, attempt } => {
                self.with_network(|n, bench| n.syn(bench, conn, attempt))
            }
            Event::SynArrive { conn } => self.syn_arrive(conn, tap),
            Event::Accepted { conn } => self.accepted(conn, tap),
            Event::SetupTimeout { conn } => {
                if let Some(host) = self.network.host(conn, 0)
                    && self.is_awake(host, event)
                    && self.with_network(|n, bench| n.setup_timeout(bench, conn))
                {
                    self.tell_closed(host, conn, CloseReason::SetupTimeout, tap);
                }
            }
            Event::Retransmit { conn, end } => {
                self.with_network(|n, bench| n.retransmit(bench, conn, end));
            }
            Event::GiveUp { conn, end } => {
                self.with_network(|n, bench| n.give_up(bench, conn, end));
            }
            Event::Closed { conn, end, reason } => {
                if let Some(host) = self.network.host(conn, end)
                    && self.is_awake(host, event)
                    && self.with_network(|n, bench| n.closed(bench, conn, end, reason))
                {
                    self.tell_closed(host, conn, reason, tap);
                }
            }
            Event::Fire { host, life, timer } => self.fire(host, life, timer, tap),
            Event::Wake { host, life, lane } => {
                if self.hosts[host.index()].lives(life) && self.is_awake(host, event) {
                    self.wake(host, lane, tap);
                }
            }
            Event::Flushed { host, life, .. } if self.hosts[host.index()].lives(life) => {
                self.flushed(event, tap);
            }
            Event::Flushed { .. } => {}
            Event::Writeback { host } => self.write_back(host, tap),
            Event::Terminate { host, life } => self.terminate(host, life, tap),
            Event::Command { host, slot } => self.command(host, slot, tap),
            Event::Operate { slot } => self.operate(slot, tap),
            Event::Direct { token } => self.direct(token),
            Event::Inject { slot } => self.inject(slot, tap),
            Event::Heal { id } => self.heal(id, tap),
        }
    }

    #[cold]
    fn begin<O: Observer>(&mut self, tap: &mut O) {
        self.fold_committed(ControllerId(1), tap);
        self.desk.director.begin(&mut self.desk.orders);
    }

    #[cold]
    fn carry_out_orders<O: Observer>(&mut self, tap: &mut O) {
        let mut orders = std::mem::take(&mut self.desk.orders);
        for order in orders.drain(..) {
            match order {
                Order::Wake { at, token } => self.push(at.max(self.now), Event::Direct { token }),
                Order::Inject { at, fault } => {
                    let slot = self.faults.put(fault);
                    self.push_last(at.max(self.now), Event::Inject { slot });
                }
                Order::Heal { at, id } => self.push_last(at.max(self.now), Event::Heal { id }),
                Order::Command { process, command } => self.tell(process, command),
                Order::Note(fact) => {
                    if tap.wants_facts() {
                        tap.fact(self.desk.stamp, &fact);
                    }
                }
            }
        }
        self.desk.orders = orders;
    }

    /// The operator asks the active controller something, as soon as there is one.
    pub(super) fn ask_controller(&mut self, fault: u32, content: Content) {
        let slot = self.operations.put(Message { correlation: fault, content });
        self.push(self.now, Event::Operate { slot });
    }

    // ---- for whoever drives the run ----

    /// The present: when the last event happened.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_time(&self) -> Option<Time> {
        self.queue.next_time()
    }

    /// Lets time pass to a moment before the next event, so that what is done from outside (as
    /// [`World::heal_all`]) happens then.
    ///
    /// # Panics
    /// If an event would be passed over.
    pub fn advance(&mut self, to: Time) {
        assert!(self.next_time().is_none_or(|next| next >= to), "time passes from event to event");
        self.now = self.now.max(to);
    }

    /// How many events have reached a handler of a node.
    #[must_use]
    pub const fn handled(&self) -> u64 {
        self.handled
    }

    /// A broker, while its process exists (running or frozen).
    #[must_use]
    pub(crate) fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.nodes.broker(id)
    }

    /// A broker's disk, whether or not its process exists.
    #[must_use]
    pub(crate) fn disk(&self, id: BrokerId) -> &Disk {
        self.nodes.broker_disk(id)
    }

    /// A controller's disk, whether or not its process exists.
    #[must_use]
    pub(crate) fn controller_disk(&self, id: ControllerId) -> &Disk {
        self.nodes.controller_disk(id)
    }

    /// The log of a broker's replica as its disk has it, whether or not its process exists; `None`
    /// if there is none, or its directory has failed.
    #[must_use]
    pub fn log(&self, broker: BrokerId, partition: PartitionId) -> Option<&LogImage> {
        self.disk(broker).log(partition).ok()
    }

    /// What a broker says of its replica, while its process exists.
    #[must_use]
    pub fn replica_view(&self, broker: BrokerId, partition: PartitionId) -> Option<ReplicaView> {
        self.broker(broker)?.view(partition)
    }

    /// What is committed of a partition.
    #[must_use]
    pub fn partition_state(&self, partition: PartitionId) -> Option<PartitionState> {
        self.committed().partition(partition).map(|image| image.state)
    }

    /// Every fault that was applied, resolved, with its time.
    #[must_use]
    pub fn schedule(&self) -> &[(Time, Fault)] {
        self.director().schedule()
    }

    /// The committed metadata: the world's own fold, whatever nodes believe.
    #[must_use]
    pub(crate) const fn committed(&self) -> &Image {
        self.committed.image()
    }

    /// The arena of bodies.
    #[must_use]
    pub(crate) const fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// What decides about faults and runs the script.
    #[must_use]
    pub(crate) const fn director(&self) -> &Director {
        &self.desk.director
    }

    /// The same, to take what it has recorded.
    pub(crate) const fn director_mut(&mut self) -> &mut Director {
        &mut self.desk.director
    }

    /// Tells a client process something now, as a script's step would.
    pub(crate) fn tell(&mut self, process: ProcessId, command: Command) {
        let slot = self.commands.put(command);
        if let Some(host) = self.host_of(NodeId::Process(process)) {
            self.push(self.now, Event::Command { host, slot });
        }
    }

    /// Whether a node's process exists (running or frozen).
    #[must_use]
    pub(crate) fn is_running(&self, node: NodeId) -> bool {
        self.host_of(node)
            .is_some_and(|host| self.hosts[host.index()].condition == Condition::Running)
    }

    /// How many lists of messages are in use: none when nothing is in flight and nothing is parked.
    #[must_use]
    pub fn lists_in_use(&self) -> usize {
        self.lists.in_use()
    }

    // ---- small change ----

    /// The controller that is active: with one, whether it runs.
    pub(super) fn active_controller(&self) -> Option<ControllerId> {
        let ids = (1..=self.plan.controllers.len() as u16).map(ControllerId);
        ids.into_iter().find(|id| self.is_running(NodeId::Controller(*id)))
    }

    pub(super) fn host_of(&self, node: NodeId) -> Option<HostId> {
        host_of(&self.plan, node)
    }

    pub(super) fn node(&self, host: HostId) -> NodeId {
        self.hosts[host.index()].node
    }

    /// Whether a node can take an event now. If it is frozen, the event waits for it.
    pub(super) fn is_awake(&mut self, host: HostId, event: Event) -> bool {
        let machine = &mut self.hosts[host.index()];
        let frozen = machine.freezes > 0;
        if frozen {
            machine.deferred.push((self.desk.stamp.cause, event));
        }
        !frozen
    }

    pub(super) fn push(&mut self, time: Time, event: Event) {
        self.queue.push(time, Class::Ordinary, self.desk.stamp.seq, event);
    }

    fn push_last(&mut self, time: Time, event: Event) {
        self.queue.push(time, Class::Last, self.desk.stamp.seq, event);
    }

    pub(super) fn with_network<R>(
        &mut self,
        act: impl FnOnce(&mut Network, &mut NetworkCtx<'_>) -> R,
    ) -> R {
        let seq = self.desk.stamp.seq;
        let mut bench =
            NetworkCtx { now: self.now, seq, queue: &mut self.queue, lists: &mut self.lists };
        act(&mut self.network, &mut bench)
    }

    /// The event has reached a handler.
    pub(super) fn reached<O: Observer>(&mut self, digest: Digest, tap: &mut O) {
        self.handled += 1;
        tap.event(self.now, digest.value());
    }

    pub(super) fn drop_message(&mut self, message: Message) {
        crate::sim::flow::drop_message(&mut self.lists, message);
    }
}

/// The lists of batches in messages: what else than disks names bodies.
fn batches(lists: &mut Lists) -> &mut Pool<Batch> {
    lists.pool_mut()
}

/// All nodes in the order of their hosts.
fn node_ids(plan: &Plan) -> Vec<NodeId> {
    let brokers = (1..=plan.brokers.len() as u16).map(|id| NodeId::Broker(BrokerId(id)));
    let controllers =
        (1..=plan.controllers.len() as u16).map(|id| NodeId::Controller(ControllerId(id)));
    let processes = (0..plan.processes.len() as u16).map(|id| NodeId::Process(ProcessId(id)));
    brokers.chain(controllers).chain(processes).collect()
}

pub(super) fn host_of(plan: &Plan, node: NodeId) -> Option<HostId> {
    let (brokers, controllers) = (plan.brokers.len(), plan.controllers.len());
    let (place, within, before) = match node {
        NodeId::Broker(id) => (id.index(), brokers, 0),
        NodeId::Controller(id) => (id.index(), controllers, brokers),
        NodeId::Process(id) => (id.index(), plan.processes.len(), brokers + controllers),
    };
    (place < within).then(|| HostId((before + place) as u16))
}

pub(super) const fn id_of(conn: ConnRef) -> ConnectionId {
    ConnectionId(conn.slot)
}
