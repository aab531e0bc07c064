//! The fault budget: which random faults the promise of a scenario survives.
//!
//! A replica is *tainted* from an unclean stop of its broker until a committed metadata record
//! returns it to the ISR (`claims.md` G6): meanwhile its registration as unclean has taken, or will
//! take, it out of the ELR (KIP-966), so it no longer counts as a holder of committed records. It
//! has *lost its tail* if that stop was a power loss or a wipe.
//!
//! The rule is one sentence: **no lost tail may meet `promise.min-insync` or more tainted replicas
//! of one partition.** It is asked when a tail would be cut, and also of a stop that would taint
//! another replica while a cut tail has not been made good. The order of the two does not matter to
//! Kafka. Take ISR {B}, ELR {A}: B loses power, A is killed, and A is back first. A registers as
//! unclean and leaves the ELR, B's session ends, and with both sets empty the controller elects
//! B, the last known leader, whose tail is gone (`PartitionChangeBuilder.java`,
//! `electAnyLeader`). Committed records are lost with one lost tail, just as when A dies first.
//!
//! A broker stops uncleanly without being stopped, too: one whose disk is full or broken halts, and
//! one that cannot register for `initial.broker.registration.timeout.ms` gives up. So a broker that
//! has yet to register counts as tainted while a fault may keep it from the controller. One that
//! lost a log directory and goes on with another finds no marker of a clean shutdown in all of them
//! when it is started anew (`LogManager.readBrokerEpochFromCleanShutdownFiles`).
//!
//! And a broker can be taken for one that stopped uncleanly: the registration of a process that
//! died may arrive when the next process is long at work. The controller takes it for a new start
//! without a clean-shutdown marker, and the living broker is out of the ISR and the ELR with all it
//! holds (`ClusterControlManager.registerBroker`). So a broker counts as tainted from the moment
//! when one of its processes died between its start and its registration.
//!
//! Author's faults are never refused, but taint alike. Does not know where a fault came from, nor
//! how one is carried out: it hears of stops by observed facts.

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, PartitionId, ReplicaSet};
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::{Action, FaultKind, RestartHow, Target};
use crate::model::metadata::PartitionState;
use crate::model::plan::{Plan, Promise, Taint};

/// What the budget knows of one partition.
#[derive(Clone, Debug)]
struct PartitionTaint {
    replicas: Vec<BrokerId>,
    /// Stopped uncleanly and not yet back in a committed ISR.
    tainted: ReplicaSet,
    /// Those of them that have lost a tail.
    cut: ReplicaSet,
    /// The committed ISR.
    isr: ReplicaSet,
    leader_epoch: LeaderEpoch,
}

impl PartitionTaint {
    fn places(&self, brokers: &[BrokerId]) -> ReplicaSet {
        let mut set = ReplicaSet::EMPTY;
        for (place, broker) in self.replicas.iter().enumerate() {
            if brokers.contains(broker) {
                set = set.with(place);
            }
        }
        set
    }
}

fn brokers(nodes: &[NodeId]) -> impl Iterator<Item = BrokerId> {
    nodes.iter().filter_map(|node| match *node {
        NodeId::Broker(broker) => Some(broker),
        _ => None,
    })
}

/// The nodes of a target of a resolved cut.
fn named(target: &Target) -> Vec<NodeId> {
    match target {
        Target::Node(node) => vec![*node],
        Target::Nodes(nodes) => nodes.clone(),
        _ => Vec::new(),
    }
}

/// What the budget knows of one broker.
#[derive(Clone, Copy, Debug)]
struct BrokerHistory {
    /// How often it has been started again.
    starts: u32,
    /// Whether it has registered since its last stop.
    registered: bool,
    /// Whether it has been started, and neither registered nor stopped since.
    registering: bool,
    /// Whether a process of it died before it had registered: its request may still arrive.
    may_still_register: bool,
    /// Whether it has been unfenced since it registered. Until then even a controlled shutdown
    /// leaves no marker that its next registration could show, and that counts as unclean
    /// (`BrokerServer.shutdown` before `STARTED`, `CleanShutdownFileHandler.java`).
    started: bool,
    /// How many faults keep its disk full: it halts at its next write.
    full: u32,
    /// A log directory of it is broken, or may have been taken offline because it was full: it
    /// halts at its next write, or goes on without that directory until it is started anew, which
    /// is after an unclean stop then.
    broken: bool,
    several_dirs: bool,
}

/// How a fault stops the brokers it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    /// Cleanly, or not at all.
    None,
    /// Uncleanly; every byte stays.
    Unclean,
    /// Uncleanly, and what was not flushed is lost.
    CutsTail,
}

/// Decides which random faults are within the promise.
#[derive(Clone, Debug)]
pub struct Budget {
    promise: Promise,
    partitions: Vec<PartitionTaint>,
    brokers: Vec<BrokerHistory>,
    /// The faults under way that may keep brokers from the controller, and which.
    severed: Vec<(u32, Vec<BrokerId>)>,
}

impl Budget {
    /// At time zero: every ISR is full and nobody is tainted.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let taint = |p| {
            let replicas = plan.replicas(p).to_vec();
            let isr = ReplicaSet::first(replicas.len());
            PartitionTaint {
                replicas,
                tainted: ReplicaSet::EMPTY,
                cut: ReplicaSet::EMPTY,
                isr,
                leader_epoch: LeaderEpoch(0),
            }
        };
        let history = |log_dirs| BrokerHistory {
            starts: 0,
            registered: true,
            registering: false,
            may_still_register: false,
            started: true,
            full: 0,
            broken: false,
            several_dirs: log_dirs > 1,
        };
        Self {
            promise: plan.promise,
            partitions: plan.partitions().map(taint).collect(),
            brokers: plan.brokers.iter().map(|b| history(b.config.log_dirs)).collect(),
            severed: Vec::new(),
        }
    }

    /// Whether the promise survives this random fault. A single controller syncs its metadata log
    /// before it answers, so stopping it loses nothing in whatever way.
    #[must_use]
    pub fn allows(&self, action: &Action, nodes: &[NodeId]) -> bool {
        if !self.promise.refuse_beyond {
            return true;
        }
        if action.kind().is_never_within() {
            return false;
        }
        let harm = self.harm(action, nodes);
        let cuts = harm == Harm::CutsTail;
        if !cuts && self.promise.taint == Taint::TailLost {
            return true;
        }
        let hit = match harm {
            Harm::None => self.kept_out(self.severs(action, nodes)),
            Harm::Unclean | Harm::CutsTail => brokers(nodes).collect(),
        };
        self.partitions.iter().all(|taint| self.survives(taint, &hit, cuts))
    }

    fn survives(&self, taint: &PartitionTaint, hit: &[BrokerId], cuts: bool) -> bool {
        let hit = taint.places(hit);
        let cut = if cuts { taint.cut.union(hit) } else { taint.cut };
        if hit.is_empty() || cut.is_empty() {
            return true;
        }
        let mut tainted = taint.tainted.union(hit);
        if self.promise.taint == Taint::UncleanStop {
            for (place, broker) in taint.replicas.iter().enumerate() {
                let history = self.brokers[broker.index()];
                if history.full > 0 || history.broken || history.may_still_register {
                    tainted = tainted.with(place);
                }
            }
            for (_, severed) in &self.severed {
                tainted = tainted.union(taint.places(&self.kept_out(severed.clone())));
            }
        }
        tainted.len() < self.promise.min_insync as usize
    }

    /// The brokers that have not registered since their last stop.
    fn kept_out(&self, mut severed: Vec<BrokerId>) -> Vec<BrokerId> {
        severed.retain(|broker| !self.brokers[broker.index()].registered);
        severed
    }

    /// The brokers that a fault may keep from the controller while it lasts.
    fn severs(&self, action: &Action, nodes: &[NodeId]) -> Vec<BrokerId> {
        let all = || (0..self.brokers.len()).map(BrokerId::at).collect();
        let is_controller = |node: &NodeId| matches!(node, NodeId::Controller(_));
        match action {
            Action::Partition { groups, .. } => {
                let nodes: Vec<NodeId> = groups.iter().flatten().flat_map(named).collect();
                match nodes.iter().any(is_controller) {
                    true => brokers(&nodes).collect(),
                    false => Vec::new(),
                }
            }
            Action::NetworkDelay { .. }
            | Action::NetworkLoss { .. }
            | Action::NetworkBandwidth { .. }
                if nodes.is_empty() =>
            {
                all()
            }
            _ if nodes.iter().any(is_controller) => all(),
            Action::NetworkDelay { .. }
            | Action::NetworkLoss { .. }
            | Action::NetworkBandwidth { .. }
            | Action::Pause => brokers(nodes).collect(),
            _ => Vec::new(),
        }
    }

    /// A fault is about to be applied. What it taints counts from now on, so that another fault of
    /// the same instant is judged with it.
    pub fn applied(
        &mut self,
        id: u32,
        action: &Action,
        nodes: &[NodeId],
        running: &dyn Fn(NodeId) -> bool,
    ) {
        let harm = self.harm(action, nodes);
        let severed = self.severs(action, nodes);
        if !severed.is_empty() && action.kind().has_length() {
            self.severed.push((id, severed));
        }
        for node in nodes {
            let NodeId::Broker(broker) = *node else { continue };
            let history = &mut self.brokers[broker.index()];
            match action.kind() {
                FaultKind::DiskFull => {
                    history.full += 1;
                    history.broken |= history.several_dirs;
                }
                FaultKind::DiskError => history.broken = true,
                FaultKind::Wipe => self.taint(broker, StopKind::Wipe),
                FaultKind::PowerLoss => self.taint(broker, StopKind::PowerLoss),
                _ if harm == Harm::Unclean && running(*node) => {
                    self.taint(broker, StopKind::Crash);
                }
                _ => {}
            }
        }
    }

    /// Hears of stops, of the end of a full disk, and of committed metadata.
    pub fn on_fact(&mut self, fact: &Fact) {
        match *fact {
            Fact::Stopped { node: NodeId::Broker(broker), how, .. } => {
                let history = &mut self.brokers[broker.index()];
                history.may_still_register |= history.registering;
                history.registering = false;
                let marked = history.started && !history.broken && history.full == 0;
                let clean = how == StopKind::Shutdown && marked;
                (history.registered, history.started) = (false, false);
                history.broken = false;
                if !clean {
                    self.taint(broker, how);
                }
            }
            Fact::Started { node: NodeId::Broker(broker) } => {
                let history = &mut self.brokers[broker.index()];
                history.starts += 1;
                history.registering = true;
            }
            Fact::Healed { id, kind, node } => {
                self.severed.retain(|(fault, _)| *fault != id);
                if let (FaultKind::DiskFull, Some(NodeId::Broker(broker))) = (kind, node) {
                    let full = &mut self.brokers[broker.index()].full;
                    *full = full.saturating_sub(1);
                }
            }
            Fact::BrokerRegistered { broker, incarnation, .. } => {
                let history = &mut self.brokers[broker.index()];
                if history.starts == incarnation {
                    history.registered = true;
                    history.registering = false;
                }
            }
            Fact::BrokerUnfenced { broker } => {
                let history = &mut self.brokers[broker.index()];
                history.started = history.registered;
            }
            Fact::ReplicaPlaced { partition, broker } => self.on_placed(partition, broker),
            Fact::IsrCommitted { partition, ref state } => self.on_committed(partition, state),
            _ => {}
        }
    }

    /// A stop on the way is an unclean one if the broker's process ends without its knowing. A full
    /// or broken disk halts the broker if it has one log directory, or if it is the first, which
    /// holds the metadata log (`LogManager.scala`, `metadata.log.dir`); otherwise the broker leaves
    /// no marker of a clean shutdown there. One that is shut down cleanly while it is cut off may
    /// not find its way back in time.
    fn harm(&self, action: &Action, nodes: &[NodeId]) -> Harm {
        let leaves_no_marker = |node: &NodeId| match *node {
            NodeId::Broker(broker) => {
                let severed = self.severed.iter().any(|(_, severed)| severed.contains(&broker));
                let history = self.brokers[broker.index()];
                severed || !history.started || history.broken
            }
            _ => false,
        };
        match action {
            Action::PowerLoss { .. } | Action::Wipe => Harm::CutsTail,
            Action::Crash
            | Action::Restart { how: RestartHow::Crash }
            | Action::DiskFull
            | Action::DiskError { .. } => Harm::Unclean,
            Action::Shutdown | Action::Restart { how: RestartHow::Shutdown }
                if nodes.iter().any(leaves_no_marker) =>
            {
                Harm::Unclean
            }
            _ => Harm::None,
        }
    }

    fn taint(&mut self, broker: BrokerId, how: StopKind) {
        let cuts = matches!(how, StopKind::PowerLoss | StopKind::Wipe);
        self.brokers[broker.index()].registered = false;
        if !cuts && self.promise.taint == Taint::TailLost {
            return;
        }
        for taint in &mut self.partitions {
            let Some(place) = taint.replicas.iter().position(|r| *r == broker) else { continue };
            taint.tainted = taint.tainted.with(place);
            if cuts {
                taint.cut = taint.cut.with(place);
            }
        }
    }

    /// A partition that was created after time zero has a replica on this broker. One that is
    /// tainted elsewhere has not come back yet, so it is tainted here as well.
    fn on_placed(&mut self, partition: PartitionId, broker: BrokerId) {
        let tainted = self.partitions.iter().any(|ledger| {
            let places = ledger.places(&[broker]).iter();
            places.into_iter().any(|place| ledger.tainted.has(place))
        });
        let Some(ledger) = self.partitions.get_mut(partition.index()) else { return };
        if tainted {
            ledger.tainted = ledger.tainted.with(ledger.replicas.len());
        }
        ledger.replicas.push(broker);
    }

    /// A tainted replica is returned by a record that puts it into the ISR, or elects it from an
    /// ISR that it never left (the last member without ELR). Only after it has registered: until
    /// its session ends, a dead broker is still written into ISRs and elected.
    fn on_committed(&mut self, partition: PartitionId, state: &PartitionState) {
        let Some(taint) = self.partitions.get_mut(partition.index()) else { return };
        let elected = state.leader.filter(|_| state.leader_epoch > taint.leader_epoch);
        for place in state.isr.iter() {
            let broker = taint.replicas[place];
            let returned = !taint.isr.has(place) || elected == Some(broker);
            if returned && self.brokers[broker.index()].registered {
                taint.tainted = taint.tainted.without(place);
                taint.cut = taint.cut.without(place);
            }
        }
        taint.isr = state.isr;
        taint.leader_epoch = state.leader_epoch;
    }
}

#[cfg(test)]
mod tests;
