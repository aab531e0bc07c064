//! Scripts against a toy world: what each step orders, and what ends it.

use super::{ScriptEnd, ScriptStep, Step};
use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, Offset, PartitionId, ProcessId, TopicId};
use crate::base::time::{Span, Time};
use crate::kafka::start::Command;
use crate::model::batch::RecordId;
use crate::model::config::{Acks, TopicKey};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::{Action, FaultKind, Target};
use crate::model::pattern::Pattern;
use crate::model::plan::Plan;
use crate::sim::stage::{Toy, at, broker, plan};

const P: ProcessId = ProcessId(0);
const READER: ProcessId = ProcessId(1);
const P0: PartitionId = PartitionId(0);

fn script(steps: Vec<Step>) -> Plan {
    let step = |(number, step)| ScriptStep { step, record_as: Some(format!("s{number}")) };
    Plan { script: steps.into_iter().enumerate().map(step).collect(), ..plan(3) }
}

fn isr_of(size: usize) -> Step {
    let pattern = Pattern {
        fact: "isr-committed",
        partition: Some(P0),
        node: None,
        size: Some(size),
        leader: None,
    };
    Step::Until { pattern, within: Span::secs(60) }
}

fn act(action: Action, target: Option<Target>, mark: Option<&str>) -> Step {
    Step::Do { action, target, mark: mark.map(str::to_owned) }
}

fn submitted(ordinal: u32, label: Option<u16>) -> Fact {
    let record = RecordId { process: P, ordinal };
    Fact::Submitted { process: P, partition: P0, record, workload: ordinal, key: None, label }
}

fn acked(ordinal: u32, count: u32) -> Fact {
    let first = RecordId { process: P, ordinal };
    let (base, acks) = (Some(Offset(u64::from(ordinal))), Acks::All);
    Fact::Acked { process: P, partition: P0, first, count, base, acks }
}

/// The moments that steps record, in whole milliseconds: their end, of a fault its injection.
fn ends(toy: &Toy) -> Vec<u64> {
    let mut director = toy.director.clone();
    std::iter::from_fn(|| director.take_due_record()).map(|(_, at)| at.as_millis()).collect()
}

/// When it was noted that steps are done, in whole milliseconds: of a fault, its end.
fn dones(toy: &Toy) -> Vec<u64> {
    let done = toy.noted.iter().filter(|(_, fact)| matches!(fact, Fact::StepDone { .. }));
    done.map(|(time, _)| time.as_millis()).collect()
}

fn notes(toy: &Toy) -> Vec<u32> {
    let step = |(_, fact): &(Time, Fact)| match fact {
        Fact::StepDone { step } => Some(*step),
        _ => None,
    };
    toy.noted.iter().filter_map(step).collect()
}

#[test]
fn no_script_is_no_script() {
    let mut toy = Toy::new(&plan(3), 1);
    toy.play(at(1));
    assert_eq!(toy.director.script_end(), ScriptEnd::None);
    assert!(!toy.director.wants_all_facts());
}

/// The script of the documentation, shortened: kill, wait for the shrink, start, wait for the ISR.
#[test]
fn a_broker_is_killed_and_started_and_the_isr_is_waited_for() {
    let mut toy = Toy::new(
        &script(vec![
            Step::Sleep(Span::secs(8)),
            act(Action::Crash, Some(Target::Leader(P0)), Some("x")),
            isr_of(2),
            Step::Undo { mark: "x".to_owned() },
            isr_of(3),
            Step::Describe { partition: P0 },
        ]),
        1,
    );
    toy.play(at(1));
    assert_eq!(toy.director.script_end(), ScriptEnd::Running);
    toy.play(at(60));
    assert_eq!(ends(&toy), [8_000, 8_000, 17_000, 17_050, 19_050, 19_100]);
    assert_eq!(toy.healed.len(), 1);
    let seen = at(17) + Span::millis(50) + Span::nanos(1);
    assert_eq!(toy.healed[0].0, seen, "a breath before the fault, a look after the fact");
    assert_eq!(toy.applied[0].1.nodes, [broker(1)]);
    assert!(toy.director.schedule().is_empty(), "a script stays as it stands");
    assert_eq!(notes(&toy), [0, 1, 2, 3, 4, 5]);
    let ScriptEnd::Done { at: end } = toy.director.script_end() else { panic!("not done") };
    assert_eq!(Some(end), toy.noted.last().map(|(time, _)| *time), "done once it is noted");
    let taken = std::iter::from_fn(|| toy.director.take_due_record());
    let due: Vec<u32> = taken.map(|(step, _)| step).collect();
    assert_eq!(due, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_is_so_already_does_not_wait() {
    let mut toy = Toy::new(&script(vec![isr_of(3), Step::Sleep(Span::secs(20)), isr_of(2)]), 1);
    toy.play(at(1));
    assert_eq!(ends(&toy), [0], "so at time zero");
    let state = crate::sim::stage::state(Some(1), 1, &[0, 2]);
    toy.fact(Fact::IsrCommitted { partition: P0, state });
    toy.play(at(30));
    assert_eq!(ends(&toy)[1..], [20_000, 20_000], "so before the step");
}

#[test]
fn the_latest_fact_decides() {
    let mut toy = Toy::new(&script(vec![Step::Sleep(Span::secs(5)), isr_of(2)]), 1);
    toy.play(at(1));
    for isr in [&[0, 2][..], &[0, 1, 2]] {
        let state = crate::sim::stage::state(Some(1), 1, isr);
        toy.fact(Fact::IsrCommitted { partition: P0, state });
    }
    toy.play(at(80));
    let ScriptEnd::WaitedInVain { step: 1, at: end } = toy.director.script_end() else {
        panic!("{:?}", toy.director.script_end());
    };
    assert_eq!(end.as_millis(), 65_000);
    assert_eq!(notes(&toy), [0]);
}

#[test]
fn what_a_process_had_come_to_ends_with_it() {
    let (unfenced, node) = (Fact::BrokerUnfenced { broker: BrokerId(1) }, Some(broker(1)));
    let pattern =
        Pattern { fact: "broker-unfenced", partition: None, node, size: None, leader: None };
    let until = Step::Until { pattern, within: Span::secs(60) };
    let sleep = Step::Sleep(Span::secs(5));
    let mut toy = Toy::new(&script(vec![sleep.clone(), until.clone(), sleep, until]), 1);
    toy.fact(unfenced);
    toy.play(at(8));
    assert_eq!(ends(&toy), [5_000, 5_000], "so before the step");
    toy.fact(Fact::Stopped { node: broker(1), how: StopKind::Crash, lost: 0 });
    toy.play(at(20));
    assert_eq!(ends(&toy).len(), 3, "its session lasts, but nobody is there");
    toy.fact(unfenced);
    toy.play(at(21));
    assert_eq!(ends(&toy).len(), 4);
}

#[test]
fn a_send_ends_with_its_last_answer() {
    let send =
        Step::Send { process: P, count: 4, label: Some(0), partition: Some(P0), awaits: true };
    let mut toy = Toy::new(&script(vec![send]), 1);
    toy.play(at(1));
    let command =
        Command::Send { count: 4, label: Some((0, 0)), partition: Some(P0), awaits: true };
    assert_eq!(toy.commands, [(at(0), P, command)]);
    let (error, label) = (ErrorCode::default(), Some(0));
    let first = RecordId { process: P, ordinal: 2 };
    for fact in [
        submitted(0, Some(0)),
        acked(0, 1),
        submitted(1, None),
        acked(1, 1), // what it sends besides
        submitted(2, Some(0)),
        Fact::GaveUp { process: P, partition: P0, first, count: 1, error },
        Fact::SendFailed { process: P, workload: 3, label, error },
        submitted(4, Some(0)),
    ] {
        toy.fact(fact);
        assert_eq!(toy.director.script_end(), ScriptEnd::Running);
    }
    toy.play(at(2)).fact(acked(3, 2));
    toy.play(at(3));
    assert_eq!(ends(&toy), [2_000]);
}

#[test]
fn clients_are_started_moved_and_stopped() {
    let offset = Offset(7);
    let mut toy = Toy::new(
        &script(vec![
            Step::Start { processes: vec![P, READER] },
            Step::Seek { process: READER, partition: P0, offset },
            Step::Stop { processes: vec![P, READER] },
        ]),
        1,
    );
    toy.play(at(1)).fact(Fact::ClientStopped { process: READER });
    toy.play(at(2)).fact(Fact::ClientStopped { process: P });
    toy.play(at(3));
    let commands: Vec<_> =
        toy.commands.iter().map(|(_, p, command)| (*p, command.clone())).collect();
    assert_eq!(
        commands,
        [
            (P, Command::Start),
            (READER, Command::Start),
            (READER, Command::Seek { partition: P0, offset }),
            (P, Command::Stop),
            (READER, Command::Stop),
        ]
    );
    assert_eq!(ends(&toy), [0, 0, 2_000]);
}

#[test]
fn a_client_that_is_gone_need_not_be_stopped() {
    let mut toy =
        Toy::new(&script(vec![Step::Sleep(Span::secs(1)), Step::Stop { processes: vec![P] }]), 1);
    toy.stage.down.push(NodeId::Process(P));
    toy.play(at(3));
    assert_eq!((ends(&toy).len(), toy.commands.len()), (2, 0));
}

#[test]
fn a_read_ends_when_two_seconds_bring_nothing_new() {
    let mut toy = Toy::new(&script(vec![Step::Read { partition: P0, reader: READER }]), 1);
    for second in 1..=3 {
        toy.play(at(second)).fact(Fact::Consumed {
            process: READER,
            partition: P0,
            base: Offset(second),
            count: 1,
            leader_epoch: LeaderEpoch(0),
            first: RecordId { process: P, ordinal: 0 },
            broker: crate::base::ids::BrokerId(1),
        });
    }
    toy.play(at(20));
    assert_eq!(ends(&toy), [5_000]);
    assert_eq!(toy.commands.last().map(|(_, p, c)| (*p, c.clone())), Some((READER, Command::Stop)));
}

#[test]
fn a_shutdown_ends_with_the_process_and_an_operation_with_its_answer() {
    let key = TopicKey::MinInsyncReplicas;
    let mut toy = Toy::new(
        &script(vec![
            act(Action::Shutdown, Some(Target::Node(broker(2))), None),
            act(Action::SetConfig { topic: TopicId(0), key, value: 1 }, None, None),
            act(Action::Pause, Some(Target::Node(broker(1))), None),
        ]),
        1,
    );
    toy.play(at(4));
    assert_eq!(ends(&toy).len(), 1);
    assert!(toy.applied.iter().all(|(_, fault)| fault.length.is_none()));
    toy.answer();
    toy.play(at(5));
    assert_eq!(dones(&toy), [0, 4_000, 4_000]);
    let kinds: Vec<FaultKind> = toy.applied.iter().map(|(_, f)| f.action.kind()).collect();
    assert_eq!(kinds, [FaultKind::Shutdown, FaultKind::SetConfig, FaultKind::Pause]);
}

#[test]
fn a_rolling_restart_ends_when_the_last_broker_is_back() {
    let mut toy = Toy::new(&script(vec![act(Action::RollingRestart, None, None)]), 1);
    toy.play(at(60));
    assert_eq!(toy.applied.len(), 3);
    assert!(dones(&toy)[0] >= 6_000, "{:?}", dones(&toy));
}

#[test]
fn an_operation_that_is_never_answered_ends_the_script() {
    let key = TopicKey::MinInsyncReplicas;
    let step = act(Action::SetConfig { topic: TopicId(0), key, value: 1 }, None, None);
    let mut toy = Toy::new(&script(vec![step]), 1);
    toy.play(at(1_000));
    assert!(matches!(toy.director.script_end(), ScriptEnd::WaitedInVain { step: 0, .. }));
}

#[test]
fn a_target_that_is_nobody_ends_the_script() {
    let mut toy = Toy::new(
        &script(vec![
            Step::Sleep(Span::secs(1)),
            act(Action::Crash, Some(Target::Leader(P0)), None),
        ]),
        1,
    );
    toy.stage.commit(P0, crate::sim::stage::state(None, 1, &[]));
    toy.play(at(5));
    assert!(matches!(toy.director.script_end(), ScriptEnd::WaitedInVain { step: 1, .. }));
}
