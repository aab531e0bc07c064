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
//! Author's faults are never refused, but taint alike. Does not know where a fault came from, nor
//! how one is carried out: it hears of stops by observed facts.

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, PartitionId, ReplicaSet};
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::{Action, FaultKind, RestartHow};
use crate::model::metadata::PartitionState;
use crate::model::plan::{Plan, Promise, Taint};

/// What the budget knows of one partition.
#[derive(Clone, Debug)]
struct Ledger {
    replicas: Vec<BrokerId>,
    /// Stopped uncleanly and not yet back in a committed ISR.
    tainted: ReplicaSet,
    /// Those of them that have lost a tail.
    cut: ReplicaSet,
    /// The committed ISR.
    isr: ReplicaSet,
    leader_epoch: LeaderEpoch,
}

impl Ledger {
    fn places(&self, nodes: &[NodeId]) -> ReplicaSet {
        let mut set = ReplicaSet::EMPTY;
        for (place, broker) in self.replicas.iter().enumerate() {
            if nodes.contains(&NodeId::Broker(*broker)) {
                set = set.with(place);
            }
        }
        set
    }
}

/// What the budget knows of one broker.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// Whether it has registered since its last stop.
    registered: bool,
    /// Whether it has been unfenced since it registered. Until then even a controlled shutdown
    /// leaves no marker that its next registration could show, and that counts as unclean
    /// (`BrokerServer.shutdown` before `STARTED`, `CleanShutdownFileHandler.java`).
    started: bool,
    /// How many faults keep its disk full: it halts at its next write.
    full: u32,
    /// Its only log directory is broken: it halts at its next write.
    broken: bool,
    log_dirs: u16,
}

/// How a fault stops the brokers it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
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
    partitions: Vec<Ledger>,
    brokers: Vec<Standing>,
}

impl Budget {
    /// At time zero: every ISR is full and nobody is tainted.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let ledger = |p| {
            let replicas = plan.replicas(p).to_vec();
            let isr = ReplicaSet::first(replicas.len());
            Ledger {
                replicas,
                tainted: ReplicaSet::EMPTY,
                cut: ReplicaSet::EMPTY,
                isr,
                leader_epoch: LeaderEpoch(0),
            }
        };
        let standing = |log_dirs| Standing {
            registered: true,
            started: true,
            full: 0,
            broken: false,
            log_dirs,
        };
        Self {
            promise: plan.promise,
            partitions: plan.partitions().map(ledger).collect(),
            brokers: plan.brokers.iter().map(|b| standing(b.config.log_dirs)).collect(),
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
        let blow = self.blow(action, nodes);
        let cuts = blow == Blow::CutsTail;
        let taints = cuts || (blow == Blow::Unclean && self.promise.taint == Taint::UncleanStop);
        !taints || self.partitions.iter().all(|ledger| self.survives(ledger, nodes, cuts))
    }

    fn survives(&self, ledger: &Ledger, nodes: &[NodeId], cuts: bool) -> bool {
        let hit = ledger.places(nodes);
        let cut = if cuts { ledger.cut.union(hit) } else { ledger.cut };
        if hit.is_empty() || cut.is_empty() {
            return true;
        }
        let mut tainted = ledger.tainted.union(hit);
        if self.promise.taint == Taint::UncleanStop {
            for (place, broker) in ledger.replicas.iter().enumerate() {
                let standing = self.brokers[broker.index()];
                if standing.full > 0 || standing.broken {
                    tainted = tainted.with(place);
                }
            }
        }
        tainted.len() < self.promise.min_insync as usize
    }

    /// A fault is about to be applied. What it taints counts from now on, so that another fault of
    /// the same instant is judged with it.
    pub fn applied(&mut self, action: &Action, nodes: &[NodeId], running: &dyn Fn(NodeId) -> bool) {
        let blow = self.blow(action, nodes);
        for node in nodes {
            let NodeId::Broker(broker) = *node else { continue };
            match action.kind() {
                FaultKind::DiskFull => self.brokers[broker.index()].full += 1,
                FaultKind::DiskError => {
                    self.brokers[broker.index()].broken |= blow == Blow::Unclean;
                }
                FaultKind::Wipe => self.taint(broker, StopKind::Wipe),
                FaultKind::PowerLoss => self.taint(broker, StopKind::PowerLoss),
                _ if blow == Blow::Unclean && running(*node) => {
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
                let standing = &mut self.brokers[broker.index()];
                standing.broken = false;
                let clean = how == StopKind::Shutdown && standing.started;
                (standing.registered, standing.started) = (false, false);
                if !clean {
                    self.taint(broker, how);
                }
            }
            Fact::Healed {
                kind: FaultKind::DiskFull, node: Some(NodeId::Broker(broker)), ..
            } => {
                let full = &mut self.brokers[broker.index()].full;
                *full = full.saturating_sub(1);
            }
            Fact::BrokerRegistered { broker, .. } => {
                self.brokers[broker.index()].registered = true;
            }
            Fact::BrokerUnfenced { broker } => {
                let standing = &mut self.brokers[broker.index()];
                standing.started = standing.registered;
            }
            Fact::IsrCommitted { partition, ref state } => self.on_committed(partition, state),
            _ => {}
        }
    }

    /// A stop on the way is an unclean one if the broker's process ends without its knowing. A full
    /// or broken disk halts the broker if it has no other log directory (`LogManager.scala`).
    fn blow(&self, action: &Action, nodes: &[NodeId]) -> Blow {
        let single_dir = |node: &NodeId| match *node {
            NodeId::Broker(broker) => self.brokers[broker.index()].log_dirs == 1,
            _ => false,
        };
        let starting = |node: &NodeId| match *node {
            NodeId::Broker(broker) => !self.brokers[broker.index()].started,
            _ => false,
        };
        match action {
            Action::PowerLoss { .. } | Action::Wipe => Blow::CutsTail,
            Action::Crash | Action::Restart { how: RestartHow::Crash } | Action::DiskFull => {
                Blow::Unclean
            }
            Action::DiskError { .. } if nodes.iter().any(single_dir) => Blow::Unclean,
            Action::Shutdown | Action::Restart { how: RestartHow::Shutdown }
                if nodes.iter().any(starting) =>
            {
                Blow::Unclean
            }
            _ => Blow::None,
        }
    }

    fn taint(&mut self, broker: BrokerId, how: StopKind) {
        let cuts = matches!(how, StopKind::PowerLoss | StopKind::Wipe);
        self.brokers[broker.index()].registered = false;
        if !cuts && self.promise.taint == Taint::TailLost {
            return;
        }
        for ledger in &mut self.partitions {
            let Some(place) = ledger.replicas.iter().position(|r| *r == broker) else { continue };
            ledger.tainted = ledger.tainted.with(place);
            if cuts {
                ledger.cut = ledger.cut.with(place);
            }
        }
    }

    /// A tainted replica is returned by a record that puts it into the ISR, or elects it from an
    /// ISR that it never left (the last member without ELR). Only after it has registered: until
    /// its session ends, a dead broker is still written into ISRs and elected.
    fn on_committed(&mut self, partition: PartitionId, state: &PartitionState) {
        let Some(ledger) = self.partitions.get_mut(partition.index()) else { return };
        let elected = state.leader.filter(|_| state.leader_epoch > ledger.leader_epoch);
        for place in state.isr.iter() {
            let broker = ledger.replicas[place];
            let returned = !ledger.isr.has(place) || elected == Some(broker);
            if returned && self.brokers[broker.index()].registered {
                ledger.tainted = ledger.tainted.without(place);
                ledger.cut = ledger.cut.without(place);
            }
        }
        ledger.isr = state.isr;
        ledger.leader_epoch = state.leader_epoch;
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Budget, Fact, FaultKind, PartitionId, RestartHow, StopKind, Taint};
    use crate::base::ids::{BrokerEpoch, BrokerId};
    use crate::base::time::Span;
    use crate::model::config::TopicKey;
    use crate::model::fault::Keep;
    use crate::model::plan::{Plan, Promise};
    use crate::sim::stage::{broker, plan, state};

    const POWER_LOSS: Action = Action::PowerLoss { keep: Keep::Random };

    fn promise(min_insync: u32, taint: Taint, refuse_beyond: bool) -> Plan {
        Plan { promise: Promise { min_insync, taint, refuse_beyond }, ..plan(3) }
    }

    fn within(min_insync: u32) -> Plan {
        promise(min_insync, Taint::UncleanStop, true)
    }

    fn stop(budget: &mut Budget, number: u16, how: StopKind) {
        budget.on_fact(&Fact::Stopped { node: broker(number), how, lost: 0 });
    }

    fn register(budget: &mut Budget, number: u16) {
        let (broker, epoch) = (BrokerId(number), BrokerEpoch(9));
        budget.on_fact(&Fact::BrokerRegistered { broker, epoch, unclean: true });
    }

    /// Partition 0 has replicas 1, 2, 3; partition 1 has 2, 3, 1; partition 2 has 3, 1, 2.
    fn isrs(budget: &mut Budget, epoch: u32, members: &[u16]) {
        for p in 0..3 {
            let places: Vec<usize> = members.iter().map(|m| usize::from((m + 2 - p) % 3)).collect();
            let state = state(members.first().copied(), epoch, &places);
            budget.on_fact(&Fact::IsrCommitted { partition: PartitionId(p), state });
        }
    }

    #[test]
    fn what_a_promise_lets_happen_to_a_healthy_cluster() {
        let restart = |how| Action::Restart { how };
        // Action, brokers hit at once, and from which min.insync on it is within.
        let cases = [
            (Action::Crash, &[1][..], 1),
            (Action::Crash, &[1, 2, 3], 1),
            (Action::Shutdown, &[1, 2, 3], 1),
            (Action::Pause, &[1, 2], 1),
            (restart(RestartHow::Crash), &[1], 1),
            (restart(RestartHow::Shutdown), &[1], 1),
            (Action::DiskFull, &[1], 1),
            (Action::DiskError { dir: 0 }, &[1], 1),
            (POWER_LOSS, &[1], 2),
            (POWER_LOSS, &[1, 2], 3),
            (Action::Wipe, &[1], u32::MAX),
            (Action::CorruptLog { partition: PartitionId(0) }, &[1], u32::MAX),
            (Action::ElectUnclean { partition: PartitionId(0) }, &[], u32::MAX),
        ];
        for (action, numbers, least) in cases {
            let nodes: Vec<_> = numbers.iter().map(|n| broker(*n)).collect();
            for min_insync in 1..=3 {
                let allows = Budget::new(&within(min_insync)).allows(&action, &nodes);
                assert_eq!(allows, min_insync >= least, "{action:?} {numbers:?} {min_insync}");
            }
            let beyond = promise(1, Taint::UncleanStop, false);
            assert!(Budget::new(&beyond).allows(&action, &nodes), "{action:?} beyond");
        }
    }

    /// The trace under G6: a replica that was killed, with nothing lost, counts until it is back.
    #[test]
    fn kill_minus_nine_counts_until_the_replica_is_back_in_the_isr() {
        let mut budget = Budget::new(&within(2));
        assert!(budget.allows(&POWER_LOSS, &[broker(2)]));
        stop(&mut budget, 1, StopKind::Crash);
        stop(&mut budget, 3, StopKind::Crash);
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]), "1 and 3 were killed");
        isrs(&mut budget, 1, &[2]);
        register(&mut budget, 1);
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]), "1 is registered, not in sync");
        isrs(&mut budget, 2, &[2, 1]);
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]), "3 is still away");
        register(&mut budget, 3);
        isrs(&mut budget, 3, &[2, 1, 3]);
        assert!(budget.allows(&POWER_LOSS, &[broker(2)]));
    }

    #[test]
    fn a_controlled_shutdown_before_the_start_is_over_counts_as_unclean() {
        let mut budget = Budget::new(&within(2));
        stop(&mut budget, 1, StopKind::Shutdown);
        stop(&mut budget, 2, StopKind::PowerLoss);
        assert!(!budget.allows(&Action::Shutdown, &[broker(1)]), "1 has started, not registered");
        register(&mut budget, 1);
        assert!(!budget.allows(&Action::Shutdown, &[broker(1)]), "1 is registered, still fenced");
        budget.on_fact(&Fact::BrokerUnfenced { broker: BrokerId(1) });
        assert!(budget.allows(&Action::Shutdown, &[broker(1)]));
    }

    #[test]
    fn three_kills_in_a_row_refuse_the_power_loss_after_them() {
        let mut budget = Budget::new(&within(2));
        for number in [1, 2, 3] {
            assert!(budget.allows(&Action::Crash, &[broker(number)]));
            stop(&mut budget, number, StopKind::Crash);
        }
        for number in [1, 2, 3] {
            assert!(!budget.allows(&POWER_LOSS, &[broker(number)]));
        }
    }

    /// The other order of the same trace: see the module.
    #[test]
    fn a_kill_after_a_lost_tail_counts_like_one_before_it() {
        let mut budget = Budget::new(&within(2));
        budget.applied(&POWER_LOSS, &[broker(2)], &|_| true);
        for action in [Action::Crash, POWER_LOSS, Action::DiskFull, Action::DiskError { dir: 0 }] {
            assert!(!budget.allows(&action, &[broker(1)]), "{action:?}");
        }
        assert!(budget.allows(&Action::Pause, &[broker(1)]));
        assert!(budget.allows(&Action::Crash, &[broker(2)]), "it is the same replica");
        stop(&mut budget, 2, StopKind::PowerLoss);
        register(&mut budget, 2);
        isrs(&mut budget, 1, &[1, 3]);
        isrs(&mut budget, 1, &[1, 3, 2]);
        assert!(budget.allows(&Action::Crash, &[broker(1)]));
    }

    #[test]
    fn a_dead_broker_that_is_still_written_into_an_isr_is_not_back() {
        let mut budget = Budget::new(&within(2));
        isrs(&mut budget, 1, &[2, 3]);
        stop(&mut budget, 1, StopKind::Crash);
        isrs(&mut budget, 1, &[2, 3, 1]);
        isrs(&mut budget, 2, &[1, 2, 3]);
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]));
    }

    /// Without ELR the last member never leaves the ISR: its election returns it.
    #[test]
    fn the_last_member_is_back_when_it_is_elected() {
        let mut budget = Budget::new(&within(2));
        isrs(&mut budget, 1, &[1]);
        stop(&mut budget, 1, StopKind::PowerLoss);
        assert!(!budget.allows(&Action::Crash, &[broker(2)]));
        register(&mut budget, 1);
        isrs(&mut budget, 2, &[1]);
        assert!(budget.allows(&Action::Crash, &[broker(2)]));
    }

    #[test]
    fn a_broker_with_a_full_disk_counts_as_one_that_will_halt() {
        let mut budget = Budget::new(&within(2));
        budget.applied(&Action::DiskFull, &[broker(1)], &|_| true);
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]));
        let node = Some(broker(1));
        budget.on_fact(&Fact::Healed { id: 0, kind: FaultKind::DiskFull, node });
        assert!(budget.allows(&POWER_LOSS, &[broker(2)]));
        stop(&mut budget, 1, StopKind::Halt);
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]));
    }

    /// The canary `promise.taint=tail-lost`: kill -9 does not count, and the trace goes through.
    #[test]
    fn with_taint_tail_lost_only_power_losses_count() {
        let mut budget = Budget::new(&promise(2, Taint::TailLost, true));
        stop(&mut budget, 1, StopKind::Crash);
        stop(&mut budget, 3, StopKind::Crash);
        assert!(budget.allows(&POWER_LOSS, &[broker(2)]));
        stop(&mut budget, 2, StopKind::PowerLoss);
        assert!(budget.allows(&Action::Crash, &[broker(1)]));
        assert!(!budget.allows(&POWER_LOSS, &[broker(1)]));
    }

    #[test]
    fn faults_that_stop_nobody_are_never_refused() {
        let mut budget = Budget::new(&within(1));
        stop(&mut budget, 1, StopKind::PowerLoss);
        let key = TopicKey::ALL[0];
        let topic = crate::base::ids::TopicId(0);
        for action in [
            Action::NetworkLoss { percent: 5 },
            Action::ClockSkew { offset: Span::secs(1), back: true },
            Action::ConnectionReset,
            Action::RollingRestart,
            Action::SetConfig { topic, key, value: 1 },
        ] {
            assert!(budget.allows(&action, &[broker(2)]), "{action:?}");
        }
    }
}
