//! The director against a toy world: sources, refusals, rolling restarts, exact replay.

use super::{Action, Fault, FaultKind, FaultLine, RestartHow, Target, Timing};
use crate::base::ids::PartitionId;
use crate::base::rng::Ratio;
use crate::base::time::Span;
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::{Keep, SwarmLevel};
use crate::model::pattern::Pattern;
use crate::model::plan::Plan;
use crate::sim::stage::{Toy, at, broker, line, plan};

fn crash(timing: Timing, target: Target, seconds: u64) -> FaultLine {
    let length = Some(Span::secs(seconds));
    FaultLine { target: Some(target), length, action: Some(Action::Crash), ..line(timing) }
}

fn stopped(node: Option<u16>) -> Pattern {
    let node = node.map(broker);
    Pattern { fact: "stopped", partition: None, node, size: None, leader: None }
}

fn times(toy: &Toy) -> Vec<u64> {
    toy.applied.iter().map(|(time, _)| time.as_millis() / 1_000).collect()
}

#[test]
fn a_line_with_a_time_strikes_then_and_heals_after_its_length() {
    let faults = vec![crash(Timing::At(at(5)), Target::Leader(PartitionId(1)), 7)];
    let mut toy = Toy::new(&Plan { faults, ..plan(3) }, 1);
    toy.play(at(60));
    let length = Some(Span::secs(7));
    let fault = Fault { id: 0, action: Action::Crash, nodes: vec![broker(2)], length };
    assert_eq!(toy.applied, [(at(5), fault.clone())]);
    assert_eq!(toy.healed, [(at(12), 0)]);
    assert_eq!(toy.director.schedule(), [(at(5), fault)]);
}

#[test]
fn a_leader_that_there_is_not_is_not_struck() {
    let faults = vec![
        FaultLine { length: None, ..crash(Timing::At(at(1)), Target::All, 1) },
        crash(Timing::At(at(20)), Target::Leader(PartitionId(0)), 1),
    ];
    let mut toy = Toy::new(&Plan { faults, ..plan(3) }, 1);
    toy.play(at(60));
    assert_eq!(times(&toy), [1]);
}

#[test]
fn a_trigger_strikes_after_the_nth_fact_that_fits() {
    let when = Timing::When { pattern: stopped(None), nth: 2, after: Span::secs(3) };
    let again = Timing::When { pattern: stopped(Some(2)), nth: 1, after: Span::ZERO };
    let faults = vec![
        crash(Timing::At(at(5)), Target::Node(broker(1)), 1),
        crash(Timing::At(at(10)), Target::Node(broker(1)), 1),
        crash(when, Target::Node(broker(2)), 1),
        crash(again, Target::Node(broker(3)), 1),
    ];
    let mut toy = Toy::new(&Plan { faults, ..plan(3) }, 1);
    assert!(toy.director.wants_all_facts());
    toy.play(at(60));
    assert_eq!(times(&toy), [5, 10, 13, 13]);
    assert_eq!(toy.applied[3].0, at(13) + Span::nanos(1), "the least time after its fact");
    assert!(!toy.director.wants_all_facts(), "every trigger has had its fact");
}

#[test]
fn a_period_draws_inside_its_window() {
    let timing = |probability| Timing::Every {
        period: Span::secs(5),
        probability,
        from: at(30),
        until: at(50),
    };
    let every = |ratio| vec![crash(timing(ratio), Target::One, 1)];
    let mut toy = Toy::new(&Plan { faults: every(Ratio::ALWAYS), ..plan(3) }, 1);
    assert_eq!(times(toy.play(at(60))), [35, 40, 45, 50]);
    let count: usize = (0..200)
        .map(|seed| {
            let faults = every(Ratio { part: 1, of: 5 });
            Toy::new(&Plan { faults, ..plan(3) }, seed).play(at(60)).applied.len()
        })
        .sum();
    assert!((120..=200).contains(&count), "{count} of 800 draws with 1/5");
}

#[test]
fn only_luck_is_refused_and_a_refusal_is_noted() {
    let mut faults = Vec::new();
    for (timing, number) in [
        (Timing::At(at(1)), 1),
        (Timing::At(at(2)), 2),
        (
            Timing::Every {
                period: Span::secs(3),
                probability: Ratio::ALWAYS,
                from: at(0),
                until: at(4),
            },
            3,
        ),
    ] {
        let action = Some(Action::PowerLoss { keep: Keep::Nothing });
        faults.push(FaultLine { action, ..crash(timing, Target::Node(broker(number)), 9) });
    }
    let mut toy = Toy::new(&Plan { faults, ..plan(3) }, 1);
    toy.play(at(60));
    assert_eq!(times(&toy), [1, 2]);
    let refused = Fact::Refused { kind: FaultKind::PowerLoss, node: Some(broker(3)) };
    assert_eq!(toy.noted, [(at(3), refused)]);
}

#[test]
fn two_power_losses_of_one_instant_are_judged_together() {
    let action = Some(Action::PowerLoss { keep: Keep::Nothing });
    let lines = (1..=2).map(|number| FaultLine {
        action: action.clone(),
        ..crash(
            Timing::Every {
                period: Span::secs(3),
                probability: Ratio::ALWAYS,
                from: at(0),
                until: at(4),
            },
            Target::Node(broker(number)),
            9,
        )
    });
    let mut toy = Toy::new(&Plan { faults: lines.collect(), ..plan(3) }, 1);
    assert_eq!(toy.play(at(60)).applied.len(), 1);
}

#[test]
fn a_rolling_restart_waits_for_each_broker_and_is_noted_once() {
    let action = Some(Action::RollingRestart);
    let faults = vec![FaultLine { action, ..line(Timing::At(at(5))) }];
    let mut toy = Toy::new(&Plan { faults, ..plan(3) }, 1);
    toy.play(at(60));
    let brokers: Vec<_> = toy.applied.iter().map(|(_, fault)| fault.nodes[0]).collect();
    assert_eq!(brokers, [broker(1), broker(2), broker(3)]);
    let restart = Action::Restart { how: RestartHow::Shutdown };
    assert!(toy.applied.iter().all(|(_, fault)| fault.action == restart));
    assert!(toy.applied[1].0 >= at(7), "the first one is back in its ISRs after 2 s");
    let noted = Fact::Injected { id: 0, kind: FaultKind::RollingRestart, node: None };
    assert_eq!(toy.noted, [(at(5), noted)]);
    assert!(toy.director.schedule().iter().all(|(_, fault)| fault.action == restart));
}

#[test]
fn a_broker_that_halts_in_a_swarm_is_started_again() {
    let timing = Timing::Swarm {
        level: SwarmLevel::Gentle,
        kinds: vec![FaultKind::ClockSkew],
        from: at(0),
        until: at(60),
    };
    let mut toy = Toy::new(&Plan { faults: vec![line(timing)], ..plan(3) }, 1);
    toy.play(at(10));
    toy.stage.down.push(broker(2));
    toy.fact(Fact::Stopped { node: broker(2), how: StopKind::Halt, lost: 0 });
    toy.play(at(30));
    let restart = Action::Restart { how: RestartHow::Crash };
    let mended = toy.applied.iter().find(|(_, fault)| fault.action == restart);
    let (time, fault) = mended.expect("an operator starts it");
    assert!((at(12)..=at(25)).contains(time) && fault.nodes == [broker(2)]);
}

#[test]
fn nothing_is_injected_once_everything_was_healed() {
    let timing =
        Timing::Swarm { level: SwarmLevel::Harsh, kinds: Vec::new(), from: at(0), until: at(60) };
    let faults = vec![line(timing), crash(Timing::At(at(50)), Target::One, 1)];
    let mut toy = Toy::new(&Plan { faults, ..plan(3) }, 3);
    toy.play(at(30));
    toy.fact(Fact::AllHealed);
    let before = toy.applied.len();
    toy.play(at(90));
    assert_eq!(toy.applied.len(), before);
}

/// Exact replay, at the level of orders: the schedule as `at` lines gives the same injections
/// and heals, to the nanosecond and with the same numbers, without a single draw.
#[test]
fn a_schedule_written_back_as_lines_gives_the_same_run() {
    let when = Timing::When { pattern: stopped(None), nth: 1, after: Span::millis(1) };
    let every = Timing::Every {
        period: Span::secs(7),
        probability: Ratio { part: 1, of: 2 },
        from: at(0),
        until: at(60),
    };
    for seed in 0..200 {
        let swarm = Timing::Swarm {
            level: SwarmLevel::Harsh,
            kinds: Vec::new(),
            from: at(0),
            until: at(60),
        };
        let faults = vec![
            line(swarm),
            crash(when.clone(), Target::Leader(PartitionId(0)), 4),
            crash(every.clone(), Target::Minority, 5),
        ];
        let mut first = Toy::new(&Plan { faults, ..plan(3) }, seed);
        first.play(at(90));
        let schedule = first.director.schedule();
        let lines = schedule.iter().map(|(time, fault)| fault.as_line(*time)).collect();
        let mut again = Toy::new(&Plan { faults: lines, ..plan(3) }, seed + 1);
        again.play(at(90));
        assert_eq!(again.applied, first.applied, "seed {seed}");
        assert_eq!(again.healed, first.healed, "seed {seed}");
        assert_eq!(again.stage.image, first.stage.image, "seed {seed}");
        assert_eq!(again.director.schedule(), schedule, "seed {seed}");
    }
}
