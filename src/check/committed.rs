//! The other third of the switchboard: committed metadata, sessions and the machine's brokers, and
//! what is judged when an instant is over.

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, PartitionId, ReplicaSet, TopicId};
use crate::base::time::Time;
use crate::model::config::TopicKey;
use crate::model::fact::Stamp;
use crate::model::metadata::PartitionState;

use super::election_unjustified::Election;
use super::ghost::{BrokerGhost, Dues};
use super::metrics::{Health, MetricId};
use super::registry::PropertyId;
use super::{
    Checks, Late, candidate_incomplete, election_unjustified, fenced_in_isr, isr_unjustified,
};

impl Checks {
    #[cold]
    pub(super) fn elected(
        &mut self,
        stamp: Stamp,
        partition: PartitionId,
        leader: Option<BrokerId>,
        (epoch, isr): (LeaderEpoch, ReplicaSet),
        unclean: bool,
    ) {
        let asked = self.ghosts.unclean_asked;
        let alive = self.ghosts.alive(partition);
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let Some(leader) = leader else {
            self.findings.mark(PropertyId::LeaderMissing);
            ghost.canon.lose_leader();
            return;
        };
        let Some(place) = ghost.place(leader) else { return };
        self.two_leaders.led(ghost, leader, epoch, stamp, &mut self.findings);
        let before = ghost.before_election(leader, epoch);
        if (before.leader, before.leader_epoch) == (Some(leader), epoch) {
            return; // the first state of the partition, as planned
        }
        ghost.elected_with(isr, epoch);
        let unclean_allowed = asked || ghost.config.unclean_leader_election;
        let election = Election { partition, place, before, alive, unclean, unclean_allowed };
        let last_known = before.last_known_elr == Some(leader);
        self.findings.mark(election_unjustified::title(&election, last_known));
        self.metrics.add(MetricId::Elections, 1);
        self.metrics.add(MetricId::UncleanElections, unclean.into());
        self.late.push((stamp, Late::Elected(election)));
        self.isr_unjustified.elected(ghost, isr, stamp.time);
        self.findings.exercise(PropertyId::LeaderIncomplete);
        ghost.canon.elect(place, epoch);
        // What was committed, or acknowledged by all, it must have by now; the rest it may still
        // be sent by the old leader until it acts.
        let needed = ghost.watermark.max(ghost.acked_all);
        if let Some(epoch) = ghost.canon.elected_lacks(needed) {
            self.take_over(stamp, partition, epoch);
        }
    }

    #[cold]
    pub(super) fn isr_committed(
        &mut self,
        stamp: Stamp,
        partition: PartitionId,
        state: PartitionState,
    ) {
        let alive = self.ghosts.alive(partition);
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let (was, old) = (ghost.dues(), ghost.state);
        ghost.commit(state);
        self.dues_changed(partition, was, stamp.time);
        let ghost = &self.ghosts.partitions[partition.index()];
        let by_election = state.leader_epoch != old.leader_epoch;
        let known = ghost.everyone().0;
        for place in ReplicaSet(state.isr.minus(old.isr).0 & known).iter() {
            self.findings.mark(PropertyId::IsrExpanded);
            self.findings.exercise(PropertyId::FencedInIsr);
            self.metrics.add(MetricId::IsrExpands, 1);
            if !by_election {
                let patience = self.ghosts.patience(ghost.replicas[place]);
                let findings = &mut self.findings;
                self.isr_unjustified.joined(ghost, place, patience, stamp, findings);
            }
            if !alive.has(place) {
                self.late.push((stamp, Late::Joined(partition, place)));
            }
        }
        for place in ReplicaSet(old.isr.minus(state.isr).0 & known).iter() {
            self.findings.mark(PropertyId::IsrShrunk);
            self.metrics.add(MetricId::IsrShrinks, 1);
            self.findings.exercise(PropertyId::IsrUnjustified);
            let lag_max = self.ghosts.broker(ghost.replicas[place]).lag_max;
            let leaves = self.isr_unjustified.leaves(ghost, place, lag_max, stamp.time);
            if let Some(caught_up) = leaves {
                self.late.push((stamp, Late::Left(partition, place, caught_up)));
            }
        }
        candidate_incomplete::judge(ghost, stamp, &mut self.findings);
        self.note_health(partition.index(), stamp.time);
    }

    pub(super) fn configured(
        &mut self,
        stamp: Stamp,
        topic: Option<TopicId>,
        key: TopicKey,
        value: Option<i64>,
    ) {
        let was: Vec<Dues> = self.ghosts.partitions.iter().map(|g| g.dues()).collect();
        self.ghosts.configure(topic, key, value);
        for (place, was) in was.into_iter().enumerate() {
            self.dues_changed(self.ghosts.partitions[place].id, was, stamp.time);
            self.retention_broken.reconfigured(&self.ghosts.partitions[place]);
            self.note_health(place, stamp.time);
        }
    }

    pub(super) fn note_health(&mut self, partition: usize, now: Time) {
        let ghost = &self.ghosts.partitions[partition];
        let needed = (ghost.config.min_insync_replicas as usize).min(ghost.replicas.len());
        let (size, all) = (ghost.state.isr.len(), ghost.replicas.len());
        let health = Health {
            under_min_insync: size < needed,
            at_min_insync: size == needed && size < all,
            under_replicated: size < all,
            offline: ghost.state.leader.is_none(),
        };
        if self.metrics.health(partition, health, now) {
            self.findings.mark(PropertyId::IsrBelowMinInsync);
        }
    }

    pub(super) fn session_changed(
        &mut self,
        stamp: Stamp,
        broker: BrokerId,
        change: impl FnOnce(&mut BrokerGhost),
    ) {
        self.disturb(stamp, broker, change);
        self.metadata_converges.brokers(self.ghosts.inactive_brokers(), stamp.time);
    }

    /// Something happened to a broker or its session.
    pub(super) fn disturb(
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

    pub(super) fn registered(
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
            b.unclean_at = if unclean { Some(stamp.time) } else { b.unclean_at };
        });
        self.late.push((stamp, Late::Fenced(broker)));
        if unclean {
            self.findings.mark(PropertyId::UncleanRegistration);
        }
    }

    /// A broker's registration was taken over by one of an earlier process of it; or it is not, or
    /// no more. One that has not registered yet will do so and take it back.
    fn displace(&mut self, stamp: Stamp, broker: BrokerId, displaced: bool) {
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

    /// What is asked of a partition may have changed, and with it what those are owed who wait.
    fn dues_changed(&mut self, partition: PartitionId, was: Dues, now: Time) {
        let is = self.ghosts.partitions[partition.index()].dues();
        self.isr_fills.changed(was.full, is.full, now);
        self.metadata_converges.led(was.led, is.led, now);
        if was.stuck != is.stuck {
            self.writes_resume.stuck(partition.index(), is.stuck, now);
        }
        if is.stuck {
            self.lag_drains.stuck(&self.clients, partition, now);
        }
    }

    pub(super) fn unfenced(&mut self, stamp: Stamp, broker: BrokerId) {
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

    pub(super) fn stopped(&mut self, stamp: Stamp, node: NodeId) {
        match node {
            NodeId::Broker(broker) => self.disturb(stamp, broker, |b| {
                (b.up, b.paused) = (false, false);
                (b.returning, b.registered) = (true, false);
            }),
            NodeId::Process(process) => self.process_gone(stamp, process),
            NodeId::Controller(_) | NodeId::Operator => {}
        }
    }

    pub(super) fn started(&mut self, stamp: Stamp, node: NodeId) {
        match node {
            NodeId::Broker(broker) => {
                self.displace(stamp, broker, false);
                self.session_changed(stamp, broker, |b| {
                    (b.up, b.disk_failed) = (true, false);
                    b.starts += 1;
                });
            }
            NodeId::Process(process) => self.lag_drains.started(process),
            NodeId::Controller(_) | NodeId::Operator => {}
        }
    }

    #[cold]
    pub(super) fn settle_late(&mut self) {
        let late = std::mem::take(&mut self.late);
        for &(stamp, item) in &late {
            let findings = &mut self.findings;
            match item {
                Late::Joined(partition, place) => {
                    fenced_in_isr::joined(&self.ghosts, partition, place, stamp, findings);
                }
                Late::Left(partition, place, caught_up) => {
                    let ghost = &self.ghosts.partitions[partition.index()];
                    let member = self.ghosts.broker(ghost.replicas[place]);
                    isr_unjustified::left(ghost, (place, caught_up), member, stamp, findings);
                }
                Late::Fenced(broker) => {
                    fenced_in_isr::fenced(&self.ghosts, broker, stamp, findings);
                }
                Late::Elected(election) => {
                    election_unjustified::judge(&self.ghosts, &election, stamp, findings);
                }
            }
        }
        self.late = late;
        self.late.clear();
    }
}
