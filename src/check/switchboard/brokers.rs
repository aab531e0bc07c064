//! `impl Checks` for nodes and their sessions: processes started and stopped, machines and clocks,
//! brokers registered, fenced and unfenced.

use crate::base::ids::{BrokerId, NodeId};
use crate::check::Checks;
use crate::check::ghost::BrokerGhost;
use crate::check::properties::PropertyId;
use crate::check::replication::candidate_incomplete;
use crate::check::switchboard::late::Late;
use crate::model::fact::{Fact, Stamp, StopKind};
use crate::model::fault::FaultKind;

impl Checks {
    /// What happens to processes and machines.
    pub(in crate::check) fn machine(&mut self, stamp: Stamp, fact: &Fact) {
        match *fact {
            Fact::Stopped { node, how, .. } => self.stopped(stamp, node, how),
            Fact::Started { node } => self.started(stamp, node),
            Fact::Paused { node: NodeId::Broker(broker) } => {
                self.disturb(stamp, broker, |b| b.paused = true);
            }
            Fact::Resumed { node: NodeId::Broker(broker) } => {
                self.disturb(stamp, broker, |b| b.paused = false);
            }
            Fact::DiskFailed { broker, .. } => {
                self.disturb(stamp, broker, |b| b.disk_failed = true);
            }
            _ => {}
        }
    }

    /// What an operator may do that changes what can be judged.
    pub(in crate::check) fn fault(&mut self, fact: &Fact) {
        match *fact {
            Fact::Injected { kind: FaultKind::ElectUnclean, .. } => {
                self.ghosts.unclean_asked = true;
            }
            Fact::Injected { kind: FaultKind::ClockSkew, node, .. }
            | Fact::Healed { kind: FaultKind::ClockSkew, node, .. } => {
                self.ghosts.clocks_skewed = true;
                self.isr_unjustified.clock_moved(&self.ghosts.partitions, node);
            }
            _ => {}
        }
    }

    pub(in crate::check) fn fenced(&mut self, stamp: Stamp, broker: BrokerId) {
        self.session_changed(stamp, broker, |b| b.fenced = true);
        self.late.push((stamp, Late::Fenced(broker)));
        self.findings.mark(PropertyId::BrokerFenced);
    }

    pub(in crate::check) fn session_changed(
        &mut self,
        stamp: Stamp,
        broker: BrokerId,
        change: impl FnOnce(&mut BrokerGhost),
    ) {
        self.disturb(stamp, broker, change);
        self.metadata_converges.brokers(self.ghosts.inactive_brokers(), stamp.time);
    }

    /// Something happened to a broker or its session.
    pub(in crate::check) fn disturb(
        &mut self,
        stamp: Stamp,
        broker: BrokerId,
        change: impl FnOnce(&mut BrokerGhost),
    ) {
        self.ghosts.change_broker(broker, |b| {
            change(b);
            b.disturbed = stamp.time;
        });
        self.isr_unjustified.blemish(&self.ghosts.partitions, broker);
    }

    pub(in crate::check) fn registered(
        &mut self,
        stamp: Stamp,
        broker: BrokerId,
        incarnation: u32,
        unclean: bool,
    ) {
        let present = self.ghosts.broker(broker).starts == incarnation;
        self.displace(stamp, broker, !present);
        self.session_changed(stamp, broker, |b| {
            (b.fenced, b.shutting_down, b.leaving) = (true, false, false);
            b.registered |= b.up && present;
            b.wiped &= !b.registered;
            b.unclean_at = if unclean { Some(stamp.time) } else { b.unclean_at };
        });
        self.late.push((stamp, Late::Fenced(broker)));
        if unclean {
            self.findings.mark(PropertyId::UncleanRegistration);
        }
    }

    /// A broker's registration was taken over by one of an earlier process of it; or it is not, or
    /// no more. One that has not registered yet will do so and take it back.
    pub(in crate::check) fn displace(&mut self, stamp: Stamp, broker: BrokerId, displaced: bool) {
        let ghost = self.ghosts.broker(broker);
        let displaced = displaced && ghost.registered;
        if ghost.displaced == displaced {
            return;
        }
        if displaced {
            self.findings.mark(PropertyId::BrokerDisplaced);
        }
        self.ghosts.change_broker(broker, |b| b.displaced = displaced);
        for at in 0..self.ghosts.partitions.len() {
            let ghost = &mut self.ghosts.partitions[at];
            let Some(place) = ghost.place(broker) else { continue };
            let (was, partition) = (ghost.dues(), ghost.id);
            ghost.displaced = match displaced {
                true => ghost.displaced.with(place),
                false => ghost.displaced.without(place),
            };
            self.dues_changed(partition, was, stamp.time);
        }
    }

    pub(in crate::check) fn unfenced(&mut self, stamp: Stamp, broker: BrokerId) {
        // A broker that is being unfenced may be elected even if it was shutting down before
        // (`brokerToAdd` in `ReplicationControlManager.generateLeaderAndIsrUpdates`): a heartbeat
        // of before its shutdown can arrive late.
        self.session_changed(stamp, broker, |b| {
            (b.fenced, b.shutting_down) = (false, false);
            b.returning &= !b.registered;
        });
        if !self.ghosts.broker(broker).registered {
            return; // an earlier incarnation is meant; this one has not come back yet
        }
        for ghost in &mut self.ghosts.partitions {
            let Some(place) = ghost.place(broker) else { continue };
            let replica = ghost.canon.replica_mut(place);
            if std::mem::take(&mut replica.cut_while_down) {
                candidate_incomplete::judge_one(ghost, place, stamp, &mut self.findings);
            }
        }
    }

    pub(in crate::check) fn stopped(&mut self, stamp: Stamp, node: NodeId, how: StopKind) {
        match node {
            NodeId::Broker(broker) => self.disturb(stamp, broker, |b| {
                (b.up, b.paused) = (false, false);
                (b.returning, b.registered) = (true, false);
                b.wiped |= how == StopKind::Wipe;
            }),
            NodeId::Process(process) => self.process_gone(stamp, process),
            NodeId::Controller(_) => {}
        }
    }

    pub(in crate::check) fn started(&mut self, stamp: Stamp, node: NodeId) {
        match node {
            NodeId::Broker(broker) => {
                self.displace(stamp, broker, false);
                self.session_changed(stamp, broker, |b| {
                    (b.up, b.disk_failed) = (true, false);
                    b.starts += 1;
                });
            }
            NodeId::Process(process) => self.lag_drains.started(process),
            NodeId::Controller(_) => {}
        }
    }
}
