//! A host: the machine under one node, with its clocks, timers, lanes and disk.
//!
//! What outlives a process and what dies with it is decided by [`Host::forget_process`]. Does not
//! hold the node itself.

use crate::base::ids::NodeId;
use crate::base::rng::{Latency, Rng};
use crate::base::time::Span;
use crate::model::message::Message;
use crate::model::plan::Plan;
use crate::model::rules::Rules;
use crate::sim::clock::NodeClock;
use crate::sim::disk::DiskState;
use crate::sim::event::{Event, Life};
use crate::sim::lanes::Lanes;
use crate::sim::timers::Timers;

/// Whether a host's process exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It does not.
    Down,
    /// It is about to: its start event stands in the queue.
    Starting,
    /// It does.
    Running,
}

/// The machine under one node.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// Which node.
    pub(super) node: NodeId,
    /// What the node's code does.
    pub(super) rules: Rules,
    /// The node's own luck.
    pub(super) rng: Rng,
    /// Its clocks.
    pub(super) clock: NodeClock,
    /// Its timers.
    pub(super) timers: Timers,
    /// What it works on.
    pub(super) lanes: Lanes,
    /// The machine's side of its disk.
    pub(super) disk: DiskState,
    /// Whether its process exists.
    pub(super) condition: Condition,
    /// Which of its processes this is; events of earlier ones are void.
    pub(super) life: Life,
    /// How many processes have run.
    pub(super) starts: u32,
    /// How many faults freeze the process.
    pub(super) freezes: u32,
    /// What waits for a frozen process: events, each with its cause.
    pub(super) deferred: Vec<(u64, Event)>,
    /// How many faults keep the process stopped.
    pub(super) stops: u32,
    /// How many faults keep the machine without power.
    pub(super) outages: u32,
    /// Whether the process has opened its port; a client process has none.
    pub(super) listens: bool,
    /// Whether the process has been asked to shut down.
    pub(super) terminating: bool,
    /// Whether the last process ended without flushing its logs.
    pub(super) unclean: bool,
    /// Whether a client process begins by itself when it starts.
    pub(super) begins: bool,
    /// Whether a broker's process was restarted and has not appended anything fetched since.
    pub(super) cold: bool,
    /// By how much faults slow each request.
    pub(super) slow: Span,
}

impl Host {
    /// A machine in good health whose process is about to start for the first time.
    pub(super) fn new(plan: &Plan, node: NodeId, seed: u64) -> Self {
        let (rules, latency, begins) = match node {
            NodeId::Broker(id) => {
                let broker = &plan.brokers[id.index()];
                (broker.rules, broker.disk_latency, true)
            }
            NodeId::Controller(id) => {
                let controller = &plan.controllers[id.index()];
                (controller.rules, controller.disk_latency, true)
            }
            NodeId::Process(id) => {
                let process = &plan.processes[id.index()];
                (process.rules, NO_LATENCY, process.starts)
            }
        };
        let mut luck = Rng::named(seed, &format!("clock {node}"));
        Self {
            node,
            rules,
            rng: Rng::named(seed, &format!("node {node}")),
            clock: NodeClock::draw(&mut luck, plan.wall_offset, plan.drift_ppm),
            timers: Timers::new(),
            lanes: Lanes::default(),
            disk: DiskState::new(Rng::named(seed, &format!("disk {node}")), latency),
            condition: Condition::Starting,
            life: 0,
            starts: 0,
            freezes: 0,
            deferred: Vec::new(),
            stops: 0,
            outages: 0,
            listens: false,
            terminating: false,
            unclean: false,
            begins,
            cold: false,
            slow: Span::ZERO,
        }
    }

    /// Whether an event for this life of the process concerns anybody.
    pub(super) fn lives(&self, life: Life) -> bool {
        self.life == life && self.condition == Condition::Running
    }

    /// The process is gone: its timers, its inboxes, and whatever waited for it.
    pub(super) fn forget_process(
        &mut self,
        mut drop_message: impl FnMut(Message),
        mut drop_event: impl FnMut(Event),
    ) {
        self.timers.clear();
        self.lanes.clear(&mut drop_message);
        self.disk.forget_syncs();
        self.disk.hung.drain(..).for_each(|(_, event)| drop_event(event));
        self.deferred.drain(..).for_each(|(_, event)| drop_event(event));
        self.freezes = 0;
        self.listens = false;
        self.terminating = false;
        self.life += 1;
        self.condition = Condition::Down;
    }
}

const NO_LATENCY: Latency = Latency { p50: Span::ZERO, p99: Span::ZERO, max: Span::ZERO };
