//! What faults do to a cluster, as recorded from real ones.

use std::collections::BTreeSet;

use highwater::fact::{Fact, FaultKind, StopKind};
use highwater::internals::model::{
    Action, Direction, FaultLine, Keep, Pattern, SwarmLevel, Target, Timing,
};
use highwater::internals::sim::World;
use highwater::plan::Plan;
use highwater::types::{BrokerId, ControllerId, NodeId, Span, Time};

use crate::cluster::{Ear, P0, at, broker, fault, plan, run, watch};

fn with(action: Action, node: NodeId, length: Option<Span>) -> Plan {
    Plan { faults: vec![fault(at(5_000), Some(node), length, action)], ..plan() }
}

/// From the fault to the next leader.
fn elected_after(ear: &Ear, fault: Time) -> Option<(Time, BrokerId)> {
    ear.facts.iter().find_map(|(time, fact)| match fact {
        Fact::Elected { leader: Some(leader), .. } if *time > fault => Some((*time, *leader)),
        _ => None,
    })
}

/// How many replicas are in sync.
fn isr(world: &World) -> usize {
    world.partition_state(P0).expect("it exists").isr.len()
}

/// How many acknowledged records the present leader's disk does not hold.
fn acked_but_lost(world: &World, ear: &Ear) -> usize {
    let state = world.partition_state(P0).expect("it exists");
    let Some(leader) = state.leader else { return usize::MAX };
    let log = world.log(leader, P0).expect("its directory is well");
    let held: BTreeSet<u32> = log
        .batches()
        .iter()
        .filter_map(|batch| Some((batch.records.workload()?, batch.count)))
        .flat_map(|(first, count)| (0..count).map(move |n| first.plus(n).ordinal))
        .collect();
    let acked = ear.facts.iter().flat_map(|(_, fact)| match fact {
        Fact::Acked { first, count, .. } => first.ordinal..first.ordinal + count,
        _ => 0..0,
    });
    acked.filter(|ordinal| !held.contains(ordinal)).count()
}

/// Recorded: 8.3–9.2 s from kill -9 to the new leader (9 s of session, less the phase of the last
/// heartbeat, more the period of the check).
#[test]
fn a_killed_leader_is_replaced_when_its_session_ends() {
    for seed in 0..10 {
        let plan = with(Action::Crash, broker(1), Some(Span::secs(20)));
        let (world, ear) = watch(&plan, seed, at(60_000));
        let (elected, leader) = elected_after(&ear, at(5_000)).expect("a leader is elected");
        let took = elected.since(at(5_000));
        assert!((7_000..=10_100).contains(&took.as_millis()), "seed {seed}: {took}");
        assert_ne!(leader, BrokerId(1));
        assert!(ear.acked() > 4_500, "seed {seed}: {} acknowledged", ear.acked());
        assert!(ear.longest_gap().0 < Span::secs(12), "seed {seed}: {:?}", ear.longest_gap());
        assert_eq!(isr(&world), 3, "seed {seed}: the killed broker has come back");
    }
}

/// Nothing but a trace hears of high watermarks otherwise; a fault that waits for one does.
#[test]
fn a_fault_can_wait_for_what_only_a_trace_tells() {
    let pattern = Pattern {
        fact: "high-watermark-moved",
        partition: Some(P0),
        node: None,
        size: None,
        leader: None,
    };
    let timing = Timing::When { pattern, nth: 50, after: Span::ZERO };
    let line = FaultLine { timing, ..fault(at(0), Some(broker(1)), None, Action::Crash) };
    let (_, ear) = watch(&Plan { faults: vec![line], ..plan() }, 0, at(20_000));
    let moved = |fact: &Fact| matches!(fact, Fact::HighWatermarkMoved { partition: P0, .. });
    let stopped = |fact: &Fact| matches!(fact, Fact::Stopped { .. });
    let (moves, stops) = (ear.times(moved), ear.times(stopped));
    assert_eq!((moves.len(), stops.len()), (50, 1));
    assert!(stops[0].since(moves[49]) < Span::millis(1), "at the fiftieth move");
}

/// A broker that returns inside its session is refused until that ends (Kafka 4.x; recorded: 9.1 to
/// 9.4 s from "stopped" to full ISR in a rolling restart).
#[test]
fn a_controlled_shutdown_moves_the_leadership_at_once() {
    for seed in 0..5 {
        let plan = with(Action::Shutdown, broker(1), Some(Span::secs(3)));
        let (world, ear) = watch(&plan, seed, at(60_000));
        let (elected, _) = elected_after(&ear, at(5_000)).expect("a leader is elected");
        assert!(elected.since(at(5_000)) < Span::millis(500), "seed {seed}");
        let clean = Fact::Stopped { node: broker(1), how: StopKind::Shutdown, lost: 0 };
        assert_eq!(ear.times(|fact| *fact == clean).len(), 1, "seed {seed}");
        assert_eq!(isr(&world), 3, "seed {seed}");
        assert!(ear.acked() > 5_800, "seed {seed}: {} acknowledged", ear.acked());
    }
}

/// A frozen leader is fenced, and finds out when it goes on.
#[test]
fn a_frozen_leader_is_replaced_and_comes_back() {
    for seed in 0..5 {
        let plan = with(Action::Pause, broker(1), Some(Span::secs(20)));
        let (world, ear) = watch(&plan, seed, at(90_000));
        let (elected, _) = elected_after(&ear, at(5_000)).expect("a leader is elected");
        assert!((7_000..=10_100).contains(&elected.since(at(5_000)).as_millis()), "seed {seed}");
        assert!(ear.times(|fact| matches!(fact, Fact::Stopped { .. })).is_empty());
        assert_eq!(isr(&world), 3, "seed {seed}");
        assert_eq!(acked_but_lost(&world, &ear), 0, "seed {seed}");
    }
}

#[test]
fn a_cut_off_leader_is_replaced_and_comes_back() {
    let cut = |direction| {
        let one = vec![Target::Node(broker(1))];
        let others = vec![
            Target::Node(broker(2)),
            Target::Node(broker(3)),
            Target::Node(NodeId::Controller(ControllerId(1))),
        ];
        let action = Action::Partition { groups: vec![one, others], direction };
        Plan { faults: vec![fault(at(5_000), None, Some(Span::secs(30)), action)], ..plan() }
    };
    for direction in [Direction::Both, Direction::To, Direction::From] {
        for seed in 0..3 {
            let (world, ear) = watch(&cut(direction), seed, at(150_000));
            let (elected, _) = elected_after(&ear, at(5_000)).expect("a leader is elected");
            let took = elected.since(at(5_000)).as_millis();
            // If only answers are held, the next heartbeat still gets through.
            let most = if direction == Direction::From { 12_100 } else { 10_100 };
            assert!((7_000..=most).contains(&took), "{direction:?} seed {seed}: {took}");
            assert_eq!(isr(&world), 3, "{direction:?} seed {seed}");
            assert_eq!(acked_but_lost(&world, &ear), 0, "{direction:?} seed {seed}");
        }
    }
}

#[test]
fn a_power_loss_of_the_leader_loses_no_acknowledged_record() {
    for seed in 0..5 {
        let plan = with(Action::PowerLoss { keep: Keep::Nothing }, broker(1), Some(Span::secs(15)));
        let (world, ear) = watch(&plan, seed, at(90_000));
        let lost = ear.times(
            |f| matches!(f, Fact::Stopped { how: StopKind::PowerLoss, lost, .. } if *lost > 0),
        );
        assert_eq!(lost.len(), 1, "seed {seed}: the last writeback was long ago");
        assert_eq!(isr(&world), 3, "seed {seed}");
        assert_eq!(acked_but_lost(&world, &ear), 0, "seed {seed}");
    }
}

/// A disk that hangs stops produce requests, not heartbeats: the broker stays unfenced (a grey
/// failure), and everything goes on when the disk answers again.
#[test]
fn a_disk_that_hangs_stops_writes_and_fences_nobody() {
    let plan = with(Action::DiskHang, broker(1), Some(Span::secs(20)));
    let (world, ear) = watch(&plan, 1, at(60_000));
    assert!(ear.times(|fact| matches!(fact, Fact::BrokerFenced { .. })).is_empty());
    let (gap, from) = ear.longest_gap();
    assert!(gap >= Span::millis(19_500) && from <= at(5_100), "{gap} from {from}");
    assert_eq!(acked_but_lost(&world, &ear), 0);
}

#[test]
fn a_slow_network_slows_acknowledgements() {
    let delay = Action::NetworkDelay { latency: Span::millis(200), jitter: Span::ZERO };
    let plan = with(delay, broker(2), Some(Span::secs(20)));
    let (_, ear) = watch(&plan, 1, at(60_000));
    assert!(ear.longest_gap().0 >= Span::millis(200));
    assert!(ear.acked() > 5_900, "{} acknowledged", ear.acked());
}

/// Two faults keep one broker down; it starts when the second has ended.
#[test]
fn stops_that_overlap_are_counted() {
    let crash = |from: u64, length| {
        fault(at(from), Some(broker(2)), Some(Span::secs(length)), Action::Crash)
    };
    let plan = Plan { faults: vec![crash(5_000, 5), crash(7_000, 20)], ..plan() };
    let (_, ear) = watch(&plan, 1, at(60_000));
    assert_eq!(ear.times(|fact| matches!(fact, Fact::Stopped { .. })).len(), 1);
    let started = ear.times(|fact| matches!(fact, Fact::Started { .. }));
    assert_eq!(started.len(), 1);
    assert!(started[0] >= at(27_300), "{started:?}");
}

/// After [`World::heal_all`] whatever can converge does, and nothing leaks.
#[test]
fn everything_heals() {
    let never = |from: u64, node, action| fault(at(from), Some(broker(node)), None, action);
    let faults = vec![
        never(5_000, 1, Action::Crash),
        never(6_000, 2, Action::Pause),
        never(7_000, 3, Action::DiskFull),
        never(8_000, 3, Action::DiskError { dir: 0 }),
        never(9_000, 3, Action::NetworkLoss { percent: 50 }),
    ];
    for seed in 0..5 {
        let plan = Plan { faults: faults.clone(), ..plan() };
        let (mut world, mut ear) = watch(&plan, seed, at(40_000));
        world.heal_all(&mut ear);
        run(&mut world, &mut ear, at(200_000));
        assert_eq!(isr(&world), 3, "seed {seed}");
        assert_eq!(acked_but_lost(&world, &ear), 0, "seed {seed}");
        let late = ear.times(|fact| matches!(fact, Fact::Acked { .. }));
        assert!(late.last().is_some_and(|last| *last > at(199_000)), "seed {seed}");
        assert!(world.lists_in_use() < 50, "seed {seed}: {}", world.lists_in_use());
    }
}

fn swarm(level: SwarmLevel, kinds: Vec<FaultKind>) -> Plan {
    let timing = Timing::Swarm { level, kinds, from: at(5_000), until: at(45_000) };
    let line = FaultLine { timing, target: None, length: None, action: None };
    Plan { faults: vec![line], ..plan() }
}

/// Runs to the end of the faults, heals, and lets it settle.
fn settled(plan: &Plan, seed: u64) -> (World, Ear) {
    let (mut world, mut ear) = watch(plan, seed, at(45_000));
    world.heal_all(&mut ear);
    run(&mut world, &mut ear, at(180_000));
    (world, ear)
}

/// No disk loses a tail here, so nothing acknowledged may be lost, whatever happens.
#[test]
fn a_swarm_of_faults_loses_nothing_and_heals() {
    let kinds: Vec<FaultKind> = FaultKind::ALL
        .iter()
        .copied()
        .filter(|kind| {
            use FaultKind::{CorruptLog, PowerLoss, Wipe};
            !kind.is_operation() && !matches!(kind, PowerLoss | Wipe | CorruptLog)
        })
        .collect();
    for seed in 0..12 {
        let (world, ear) = settled(&swarm(SwarmLevel::Harsh, kinds.clone()), seed);
        assert_eq!(isr(&world), 3, "seed {seed}");
        assert_eq!(acked_but_lost(&world, &ear), 0, "seed {seed}");
        let acks = ear.times(|fact| matches!(fact, Fact::Acked { .. }));
        assert!(acks.last().is_some_and(|last| *last > at(179_000)), "seed {seed}");
        assert!(world.lists_in_use() < 60, "seed {seed}: {}", world.lists_in_use());
    }
}

/// The concrete schedule of a run, written back as lines with fixed times, gives the same run.
#[test]
fn a_swarm_replays_from_its_schedule() {
    for seed in 0..8 {
        let plan = swarm(SwarmLevel::Harsh, FaultKind::ALL.to_vec());
        let (world, ear) = settled(&plan, seed);
        let schedule = world.schedule();
        let faults = schedule.iter().map(|(time, fault)| fault.as_line(*time)).collect();
        let (again, heard) = settled(&Plan { faults, ..plan }, seed);
        assert_eq!(again.schedule(), schedule, "seed {seed}");
        assert_eq!(heard.fingerprint, ear.fingerprint, "seed {seed}");
        assert_eq!(again.handled(), world.handled(), "seed {seed}");
    }
}
