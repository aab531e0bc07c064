//! `impl Checks` for committed metadata of partitions and topics: elections, ISRs, configurations.

use crate::base::ids::{BrokerId, LeaderEpoch, PartitionId, ReplicaSet, TopicId};
use crate::base::time::Time;
use crate::check::Checks;
use crate::check::cluster::election_unjustified::{self, Election};
use crate::check::ghost::Dues;
use crate::check::metrics::{Health, MetricId};
use crate::check::properties::PropertyId;
use crate::check::replication::candidate_incomplete;
use crate::check::switchboard::late::Late;
use crate::model::config::TopicKey;
use crate::model::fact::{Fact, Stamp};
use crate::model::metadata::PartitionState;

impl Checks {
    /// What is rare of what the controller commits.
    pub(in crate::check) fn metadata(&mut self, stamp: Stamp, fact: &Fact) {
        match *fact {
            Fact::PartitionCreated { partition, topic, replicas } => {
                self.ghosts.expect(partition, topic, replicas.into());
                self.key_misplaced.created(topic, stamp.time);
            }
            Fact::ReplicaPlaced { partition, broker } => self.replica_placed(partition, broker),
            Fact::BrokerRegistered { broker, incarnation, unclean, .. } => {
                self.registered(stamp, broker, incarnation, unclean);
            }
            Fact::BrokerFenced { broker } => self.fenced(stamp, broker),
            Fact::BrokerShuttingDown { broker } => {
                self.session_changed(stamp, broker, |b| {
                    (b.shutting_down, b.leaving) = (true, true)
                });
            }
            Fact::BrokerUnfenced { broker } => self.unfenced(stamp, broker),
            Fact::ConfigCommitted { topic, key, value } => {
                self.configured(stamp, topic, key, value);
            }
            _ => {}
        }
    }

    /// A replica of a partition that was created after time zero: the last of them makes it known.
    pub(in crate::check) fn replica_placed(&mut self, partition: PartitionId, broker: BrokerId) {
        if self.ghosts.place(partition, broker) {
            self.partition_added(partition);
        }
    }

    /// The state in which a partition was created after time zero: nobody left an ISR or joined
    /// one, nor was the leader elected.
    fn first_state(&mut self, stamp: Stamp, partition: PartitionId, state: PartitionState) {
        let alive = self.ghosts.alive(partition);
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        ghost.begin(state);
        let known = ghost.everyone().0;
        for place in ReplicaSet(state.isr.0 & known).iter() {
            self.findings.exercise(PropertyId::FencedInIsr);
            if !alive.has(place) {
                self.late.push((stamp, Late::Joined(partition, place)));
            }
        }
        self.dues_changed(partition, Dues::NOTHING, stamp.time);
        self.note_health(partition.index(), stamp.time);
    }

    #[cold]
    pub(in crate::check) fn elected(
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
            // The first state of the partition: nobody was elected.
            return ghost.canon.begin_with(place, epoch);
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
    pub(in crate::check) fn isr_committed(
        &mut self,
        stamp: Stamp,
        partition: PartitionId,
        state: PartitionState,
    ) {
        let alive = self.ghosts.alive(partition);
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        if ghost.is_new {
            return self.first_state(stamp, partition, state);
        }
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

    pub(in crate::check) fn configured(
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

    pub(in crate::check) fn note_health(&mut self, partition: usize, now: Time) {
        let ghost = &self.ghosts.partitions[partition];
        if !ghost.exists() {
            return;
        }
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

    /// What is asked of a partition may have changed, and with it what those are owed who wait.
    pub(in crate::check) fn dues_changed(&mut self, partition: PartitionId, was: Dues, now: Time) {
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
}

#[cfg(test)]
mod tests {
    use crate::base::ids::{
        BrokerId, LeaderEpoch, Offset, PartitionId, ProcessId, ReplicaSet, TopicId,
    };
    use crate::base::time::Span;
    use crate::check::forge::Forge;
    use crate::model::batch::{RecordId, Records};
    use crate::model::fact::Fact;
    use crate::model::metadata::PartitionState;

    fn state(leader: BrokerId, members: &[usize]) -> PartitionState {
        let isr = members.iter().fold(ReplicaSet::EMPTY, |isr, place| isr.with(*place));
        PartitionState::created(isr, Some(leader))
    }

    /// A partition that no plan knows is known from the facts of its creation on, to every check.
    #[test]
    fn a_partition_created_later_is_judged_like_any_other() {
        let mut forge = Forge::new();
        let (partition, topic) = (PartitionId(1), TopicId(1));
        let record = |ordinal| RecordId { process: ProcessId(0), ordinal };
        let appended = |broker, ordinal| Fact::Appended {
            broker: BrokerId(broker),
            partition,
            base: Offset(0),
            count: 1,
            leader_epoch: LeaderEpoch(0),
            records: Records::Workload(record(ordinal)),
            sequence: None,
        };
        forge.tell(appended(2, 0)).tell(appended(3, 1)).expect_none("log-diverged");
        forge.tell(Fact::PartitionCreated { partition, topic, replicas: 2 });
        for broker in [BrokerId(2), BrokerId(3)] {
            forge.tell(Fact::ReplicaPlaced { partition, broker });
        }
        forge.tell(Fact::Submitted {
            process: ProcessId(0),
            partition,
            record: record(0),
            workload: 0,
            key: None,
            label: None,
        });
        forge.tell(appended(2, 0)).tell(appended(3, 1)).expect("log-diverged", 1);
        forge.heal().wait(Span::secs(200)).finish();
        forge.expect("requests-end", 1).expect("writes-resume", 1).expect_none("isr-fills");
        let Some(ghost) = forge.checks.ghosts.partitions.last() else { panic!("no ghost") };
        assert_eq!((ghost.id, ghost.first_replica, ghost.replicas_end()), (partition, 3, 5));
    }

    /// A broker in controlled shutdown is not in the first ISR: it left none, and the leader was
    /// not elected. What is fenced may not be in it.
    #[test]
    fn the_first_state_of_a_partition_is_taken_as_it_is() {
        let created = |fenced_member: bool| {
            let mut forge = Forge::with(|plan| plan.names.topics[0].most = 2);
            assert_eq!(forge.checks.ghosts.existing().count(), 1);
            forge.fence(1).wait(Span::millis(1));
            let (partition, topic) = (PartitionId(1), TopicId(0));
            let places = if fenced_member { [0, 1] } else { [1, 2] };
            let leader = if fenced_member { BrokerId(1) } else { BrokerId(2) };
            let state = state(leader, &places);
            let shrunk = forge.checks.count("isr-shrunk");
            forge.now(|forge| {
                forge.tell(Fact::PartitionCreated { partition, topic, replicas: 3 });
                for broker in [1, 2, 3].map(BrokerId) {
                    forge.tell(Fact::ReplicaPlaced { partition, broker });
                }
                forge.tell(Fact::IsrCommitted { partition, state });
                forge.tell(Fact::Elected {
                    partition,
                    leader: state.leader,
                    leader_epoch: state.leader_epoch,
                    isr: state.isr,
                    elr: state.elr,
                    unclean: false,
                })
            });
            forge.wait(Span::millis(1)).touch();
            forge.expect_none("election-unjustified").expect_none("isr-unjustified");
            assert_eq!(forge.checks.count("isr-shrunk"), shrunk);
            assert_eq!(forge.checks.count("election-clean"), 0);
            let ghost = &forge.checks.ghosts.partitions[1];
            let place = usize::from(!fenced_member);
            assert_eq!((ghost.state, ghost.canon.leader()), (state, (place, LeaderEpoch(0))));
            forge
        };
        let mut forge = created(false);
        forge.heal().wait(Span::secs(200)).finish();
        forge.expect("isr-fills", 1).expect("fenced-in-isr", 1);
        created(true).expect("fenced-in-isr", 2);
    }
}
