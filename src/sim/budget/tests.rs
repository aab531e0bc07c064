//! What the budget lets through and what it refuses.

use super::{
    Action, Budget, Fact, FaultKind, NodeId, PartitionId, RestartHow, StopKind, Taint, Target,
};
use crate::base::ids::{BrokerEpoch, BrokerId, ControllerId};
use crate::base::time::Span;
use crate::model::config::TopicKey;
use crate::model::fault::{Direction, Keep};
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
    register_as(budget, number, 0);
}

fn register_as(budget: &mut Budget, number: u16, incarnation: u32) {
    let (broker, epoch) = (BrokerId(number), BrokerEpoch(9));
    budget.on_fact(&Fact::BrokerRegistered { broker, epoch, incarnation, unclean: true });
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

/// A broker that cannot register in time stops, and that counts: seen in the gate.
#[test]
fn what_keeps_a_broker_from_registering_counts_while_a_tail_is_lost() {
    let groups = [broker(1), NodeId::Controller(ControllerId(1))];
    let groups = groups.map(|node| vec![Target::Node(node)]).to_vec();
    let cut = Action::Partition { groups, direction: Direction::To };
    let mut budget = Budget::new(&within(2));
    stop(&mut budget, 1, StopKind::Shutdown);
    assert!(budget.allows(&POWER_LOSS, &[broker(2)]), "1 will be back");
    assert!(budget.allows(&cut, &[]), "no tail is lost");
    budget.applied(7, &cut, &[], &|_| true);
    assert!(!budget.allows(&POWER_LOSS, &[broker(2)]), "1 may not register in time");
    assert!(!budget.allows(&POWER_LOSS, &[broker(3)]));
    budget.on_fact(&Fact::Healed { id: 7, kind: FaultKind::PartitionOneWay, node: None });
    assert!(budget.allows(&POWER_LOSS, &[broker(2)]));
    stop(&mut budget, 2, StopKind::PowerLoss);
    assert!(!budget.allows(&cut, &[]));
    assert!(!budget.allows(&Action::NetworkLoss { percent: 5 }, &[]));
    assert!(!budget.allows(&Action::Pause, &[broker(1)]));
    assert!(budget.allows(&Action::NetworkLoss { percent: 5 }, &[broker(3)]));
    register(&mut budget, 1);
    assert!(budget.allows(&cut, &[]));
    budget.applied(8, &cut, &[], &|_| true);
    assert!(!budget.allows(&Action::Shutdown, &[broker(1)]), "it may not come back in time");
}

/// A dead process's registration can still displace the living broker: seen in the gate.
#[test]
fn a_process_that_died_before_it_registered_counts_for_good() {
    let mut budget = Budget::new(&within(2));
    for incarnation in [1, 2] {
        stop(&mut budget, 2, StopKind::Shutdown);
        budget.on_fact(&Fact::Started { node: broker(2) });
        if incarnation == 1 {
            continue;
        }
        register_as(&mut budget, 2, incarnation);
        isrs(&mut budget, 1, &[1, 3]);
        isrs(&mut budget, 1, &[1, 3, 2]);
    }
    assert!(budget.allows(&POWER_LOSS, &[broker(2)]), "it is the same replica");
    assert!(!budget.allows(&POWER_LOSS, &[broker(3)]));
    stop(&mut budget, 2, StopKind::PowerLoss);
    assert!(!budget.allows(&Action::Crash, &[broker(1)]));
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
    budget.applied(0, &POWER_LOSS, &[broker(2)], &|_| true);
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
    budget.applied(0, &Action::DiskFull, &[broker(1)], &|_| true);
    assert!(!budget.allows(&POWER_LOSS, &[broker(2)]));
    let node = Some(broker(1));
    budget.on_fact(&Fact::Healed { id: 0, kind: FaultKind::DiskFull, node });
    assert!(budget.allows(&POWER_LOSS, &[broker(2)]));
    stop(&mut budget, 1, StopKind::Halt);
    assert!(!budget.allows(&POWER_LOSS, &[broker(2)]));
}

/// It halts without the directory of its metadata log. Without another one it goes on, and what
/// lies there comes back at its next start, which is after an unclean stop. Found by the gate over
/// a swarm of configurations: a power loss beside either lost a record.
#[test]
fn a_broker_without_a_log_directory_counts_as_one_that_will_halt() {
    let mut plan = within(2);
    plan.brokers[0].config.log_dirs = 2;
    for dir in [0, 1] {
        let fails = Action::DiskError { dir };
        let mut budget = Budget::new(&plan);
        budget.applied(0, &fails, &[broker(1)], &|_| true);
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]), "directory {dir}");
        let mut budget = Budget::new(&plan);
        stop(&mut budget, 2, StopKind::PowerLoss);
        assert!(!budget.allows(&fails, &[broker(1)]), "directory {dir}");
    }
}

/// The disk fails while the broker shuts down: seen in the gate, which lost a record by a power
/// loss beside it.
#[test]
fn a_shutdown_without_a_disk_leaves_no_marker() {
    for fault in [Action::DiskError { dir: 0 }, Action::DiskFull] {
        let mut budget = Budget::new(&within(2));
        budget.applied(0, &fault, &[broker(1)], &|_| true);
        stop(&mut budget, 1, StopKind::Shutdown);
        budget.on_fact(&Fact::Healed { id: 0, kind: fault.kind(), node: Some(broker(1)) });
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]), "{fault:?}");
    }
}

/// Its next registration is unclean then. Found by the gate over a swarm of configurations.
#[test]
fn a_broker_that_lost_a_directory_does_not_stop_cleanly() {
    let mut plan = within(2);
    plan.brokers[0].config.log_dirs = 2;
    for fault in [Action::DiskError { dir: 1 }, Action::DiskFull] {
        let mut budget = Budget::new(&plan);
        budget.applied(0, &fault, &[broker(1)], &|_| true);
        budget.on_fact(&Fact::Healed { id: 0, kind: fault.kind(), node: Some(broker(1)) });
        stop(&mut budget, 2, StopKind::PowerLoss);
        assert!(!budget.allows(&Action::Shutdown, &[broker(1)]), "{fault:?}");
        assert!(budget.allows(&Action::Shutdown, &[broker(3)]), "{fault:?}");
        let mut budget = Budget::new(&plan);
        budget.applied(0, &fault, &[broker(1)], &|_| true);
        budget.on_fact(&Fact::Healed { id: 0, kind: fault.kind(), node: Some(broker(1)) });
        stop(&mut budget, 1, StopKind::Shutdown);
        assert!(!budget.allows(&POWER_LOSS, &[broker(2)]), "{fault:?}");
    }
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
    let key = TopicKey::MinInsyncReplicas;
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

/// A partition that is created later counts like any other, and one of its replicas that has not
/// come back since it stopped uncleanly is tainted from the beginning.
#[test]
fn a_partition_created_later_is_within_the_promise_too() {
    let mut plan = within(2);
    plan.names.topics[0].most = 4;
    let created = PartitionId(3);
    let create = |budget: &mut Budget, isr: &[usize]| {
        for broker in [1, 2, 3].map(BrokerId) {
            budget.on_fact(&Fact::ReplicaPlaced { partition: created, broker });
        }
        let state = state(Some(1), 0, isr);
        budget.on_fact(&Fact::IsrCommitted { partition: created, state });
    };
    let mut budget = Budget::new(&plan);
    stop(&mut budget, 3, StopKind::Crash);
    create(&mut budget, &[0, 1, 2]);
    isrs(&mut budget, 1, &[1, 2]);
    register(&mut budget, 3);
    isrs(&mut budget, 1, &[1, 2, 3]);
    assert!(!budget.allows(&POWER_LOSS, &[broker(1)]), "only the new partition waits for it");
    let back = state(Some(2), 1, &[0, 1, 2]);
    budget.on_fact(&Fact::IsrCommitted { partition: created, state: state(Some(1), 0, &[0, 1]) });
    budget.on_fact(&Fact::IsrCommitted { partition: created, state: back });
    assert!(budget.allows(&POWER_LOSS, &[broker(1)]));
    let mut budget = Budget::new(&plan);
    create(&mut budget, &[0, 1, 2]);
    assert!(budget.allows(&POWER_LOSS, &[broker(1)]));
}
