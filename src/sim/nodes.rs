//! The nodes by kind: the one place where the machine room tells brokers, controllers and client
//! processes apart.
//!
//! A slot holds a running node or what survived it, never both. Does not know why a node starts or
//! stops.

use std::sync::Arc;

use crate::base::ids::{BrokerId, ConnectionId, ControllerId, LogId, NodeId, Offset, PartitionIds};
use crate::kafka::broker::Broker;
use crate::kafka::client::application::Application;
use crate::kafka::client::process::{Process, Store};
use crate::kafka::controller::Controller;
use crate::kafka::ctx::{CloseReason, Ctx, Node};
use crate::kafka::image::BootstrapImage;
use crate::kafka::start::{BrokerStart, Command, ControllerStart, Initial, ProcessStart};
use crate::kafka::timers::Timer;
use crate::model::disk::{Disk, IoError};
use crate::model::message::Message;
use crate::model::plan::Plan;

/// A running node, or what survived it.
#[derive(Clone, Debug)]
enum Slot<N, D> {
    Up(N),
    Down(D),
    /// While one becomes the other.
    Changing,
}

impl<N, D> Slot<N, D> {
    const fn up(&self) -> Option<&N> {
        match self {
            Self::Up(node) => Some(node),
            Self::Down(_) | Self::Changing => None,
        }
    }

    fn node(&mut self) -> &mut N {
        match self {
            Self::Up(node) => node,
            Self::Down(_) | Self::Changing => panic!("a handler was called on a stopped node"),
        }
    }

    fn change(&mut self) -> Self {
        std::mem::replace(self, Self::Changing)
    }
}

/// What a node is called with, besides messages and timers.
#[derive(Debug)]
pub(super) enum Input {
    Opened(ConnectionId, NodeId),
    Closed(ConnectionId, CloseReason),
    Flushed(LogId, Offset),
    FlushFailed(LogId, IoError),
    Terminate,
    Command(Command),
}

/// Every node.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    brokers: Vec<Slot<Broker, Disk>>,
    controllers: Vec<Slot<Controller, Disk>>,
    processes: Vec<Slot<Process, Store>>,
    /// Applications as they were before anything ran: a restarted process begins with a copy.
    apps: Vec<Box<dyn Application>>,
    /// What brokers know at time zero of a run.
    initials: Vec<Option<Initial>>,
    bootstrap: Arc<BootstrapImage>,
    topics: Vec<PartitionIds>,
}

impl Nodes {
    /// No node runs yet.
    pub(super) fn new(
        plan: &Plan,
        disks: (Vec<Disk>, Vec<Disk>),
        initials: Vec<Initial>,
        bootstrap: BootstrapImage,
        apps: Vec<Box<dyn Application>>,
    ) -> Self {
        assert_eq!(apps.len(), plan.processes.len(), "every process runs one application");
        let stores = plan.processes.iter().map(|_| Store::default());
        Self {
            brokers: disks.0.into_iter().map(Slot::Down).collect(),
            controllers: disks.1.into_iter().map(Slot::Down).collect(),
            processes: stores.map(Slot::Down).collect(),
            apps,
            initials: initials.into_iter().map(Some).collect(),
            bootstrap: Arc::new(bootstrap),
            topics: plan.names.partition_ids(),
        }
    }

    /// Starts a node on what survived.
    pub(super) fn start(
        &mut self,
        plan: &Plan,
        node: NodeId,
        incarnation: u32,
        begins: bool,
        ctx: &mut Ctx<'_>,
    ) {
        let brokers = plan.brokers.len() as u16;
        match node {
            NodeId::Broker(id) => {
                let start = BrokerStart {
                    id,
                    config: plan.brokers[id.index()].config,
                    controllers: controller_ids(plan),
                    incarnation,
                    initial: self.initials[id.index()].take(),
                    bootstrap: self.bootstrap.clone(),
                };
                start_node(&mut self.brokers[id.index()], start, ctx);
            }
            NodeId::Controller(id) => {
                let config = plan.controllers[id.index()].config;
                let (features, initial) = (plan.features, incarnation == 0);
                let (topics, racks) = (self.topics.clone(), plan.brokers.iter().map(|b| b.rack));
                let racks = racks.collect();
                let start = ControllerStart { config, features, racks, topics, initial };
                start_node(&mut self.controllers[id.index()], start, ctx);
            }
            NodeId::Process(id) => {
                let topics = self.topics.clone();
                let clients = plan.processes[id.index()].app.clients();
                let start = ProcessStart { id, brokers, topics, clients, begins };
                let slot = &mut self.processes[id.index()];
                let Slot::Down(store) = slot.change() else {
                    panic!("a process was started twice")
                };
                let app = self.apps[id.index()].clone_box();
                *slot = Slot::Up(Process::start(start, app, store, ctx));
            }
        }
    }

    /// Stops a node at once; what survives stays.
    pub(super) fn stop(&mut self, node: NodeId) {
        match node {
            NodeId::Broker(id) => stop_node(&mut self.brokers[id.index()]),
            NodeId::Controller(id) => stop_node(&mut self.controllers[id.index()]),
            NodeId::Process(id) => {
                let slot = &mut self.processes[id.index()];
                let Slot::Up(process) = slot.change() else {
                    panic!("a process was stopped twice")
                };
                *slot = Slot::Down(process.stop());
            }
        }
    }

    /// Hands a running node a message.
    ///
    /// Speed: messages and timers, nearly all that ever comes, have a function each. With one for
    /// all kinds of input the branch predictor had to guess once more: this took away 2 % of the
    /// instructions and a fifth of the mispredicted indirect branches.
    pub(super) fn message(
        &mut self,
        node: NodeId,
        connection: ConnectionId,
        message: &Message,
        ctx: &mut Ctx<'_>,
    ) {
        match node {
            NodeId::Broker(id) => {
                self.brokers[id.index()].node().on_message(connection, message, ctx);
            }
            NodeId::Controller(id) => {
                self.controllers[id.index()].node().on_message(connection, message, ctx);
            }
            NodeId::Process(id) => {
                self.processes[id.index()].node().on_message(connection, message, ctx);
            }
        }
    }

    /// Tells a running node that a timer has fired.
    pub(super) fn timer(&mut self, node: NodeId, timer: Timer, ctx: &mut Ctx<'_>) {
        match (node, timer) {
            (NodeId::Broker(id), Timer::Broker(timer)) => {
                self.brokers[id.index()].node().on_timer(timer, ctx);
            }
            (NodeId::Controller(id), Timer::Controller(timer)) => {
                self.controllers[id.index()].node().on_timer(timer, ctx);
            }
            (NodeId::Process(id), Timer::Client(timer)) => {
                self.processes[id.index()].node().on_timer(timer, ctx);
            }
            (node, timer) => unreachable!("{timer:?} is no timer of {node}"),
        }
    }

    /// Calls a running node with anything else.
    #[cold]
    pub(super) fn call(&mut self, node: NodeId, input: Input, ctx: &mut Ctx<'_>) {
        match node {
            NodeId::Broker(id) => call_node(self.brokers[id.index()].node(), input, ctx),
            NodeId::Controller(id) => call_node(self.controllers[id.index()].node(), input, ctx),
            NodeId::Process(id) => call_process(self.processes[id.index()].node(), input, ctx),
        }
    }

    /// A broker, while its process exists.
    pub(super) fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.get(id.index())?.up()
    }

    /// A broker's disk.
    #[inline]
    pub(super) fn broker_disk(&self, id: BrokerId) -> &Disk {
        match &self.brokers[id.index()] {
            Slot::Up(broker) => broker.storage(),
            Slot::Down(disk) => disk,
            Slot::Changing => unreachable!("no node is between two states here"),
        }
    }

    /// A node's disk, if it has observed something or counted bodies.
    #[inline]
    pub(super) fn observant(&mut self, node: NodeId) -> Option<&mut Disk> {
        self.disk_mut(node).filter(|disk| disk.sim_has_news())
    }

    /// Tells every disk whether anybody wants to hear what is done to logs.
    pub(super) fn silence_disks(&mut self, silent: bool) {
        for slot in &mut self.brokers {
            disk_of(slot).sim_set_silent(silent);
        }
        for slot in &mut self.controllers {
            disk_of(slot).sim_set_silent(silent);
        }
    }

    /// A controller's disk.
    pub(super) fn controller_disk(&self, id: ControllerId) -> &Disk {
        match &self.controllers[id.index()] {
            Slot::Up(controller) => controller.storage(),
            Slot::Down(disk) => disk,
            Slot::Changing => unreachable!("no node is between two states here"),
        }
    }

    /// The disk of a broker or controller; client processes have none.
    pub(super) fn disk_mut(&mut self, node: NodeId) -> Option<&mut Disk> {
        match node {
            NodeId::Broker(id) => Some(disk_of(&mut self.brokers[id.index()])),
            NodeId::Controller(id) => Some(disk_of(&mut self.controllers[id.index()])),
            NodeId::Process(_) => None,
        }
    }
}

fn controller_ids(plan: &Plan) -> Vec<ControllerId> {
    (1..=plan.controllers.len() as u16).map(ControllerId).collect()
}

fn start_node<N: Node>(slot: &mut Slot<N, N::Disk>, config: N::Config, ctx: &mut Ctx<'_>) {
    let Slot::Down(disk) = slot.change() else { panic!("a node was started twice") };
    *slot = Slot::Up(N::start(config, disk, ctx));
}

fn stop_node<N: Node>(slot: &mut Slot<N, N::Disk>) {
    let Slot::Up(node) = slot.change() else { panic!("a node was stopped twice") };
    *slot = Slot::Down(node.stop());
}

fn disk_of<N: Node>(slot: &mut Slot<N, N::Disk>) -> &mut N::Disk {
    match slot {
        Slot::Up(node) => node.disk(),
        Slot::Down(disk) => disk,
        Slot::Changing => unreachable!("no node is between two states here"),
    }
}

fn call_node<N: Node>(node: &mut N, input: Input, ctx: &mut Ctx<'_>) {
    match input {
        Input::Opened(connection, peer) => node.on_opened(connection, peer, ctx),
        Input::Closed(connection, reason) => node.on_closed(connection, reason, ctx),
        Input::Flushed(log, up_to) => node.on_flushed(log, up_to, ctx),
        Input::FlushFailed(log, error) => node.on_flush_failed(log, error, ctx),
        Input::Terminate => node.on_shutdown(ctx),
        Input::Command(_) => unreachable!("commands are for client processes"),
    }
}

fn call_process(process: &mut Process, input: Input, ctx: &mut Ctx<'_>) {
    match input {
        Input::Opened(connection, peer) => process.on_opened(connection, peer, ctx),
        Input::Closed(connection, reason) => process.on_closed(connection, reason, ctx),
        Input::Command(command) => process.on_command(command, ctx),
        Input::Flushed(..) | Input::FlushFailed(..) | Input::Terminate => {
            unreachable!("a client process has no disk and no controlled shutdown")
        }
    }
}
