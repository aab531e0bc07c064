//! Statistics of forged runs.

use std::collections::BTreeMap;

use super::Summary;
use crate::base::ids::{BrokerId, LeaderEpoch, NodeId};
use crate::base::time::{Span, Time};
use crate::model::batch::RecordId;
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::FaultKind;
use crate::model::metadata::PartitionState;
use crate::report::forge::{Diary, P, T0, plan, record, set, state};

const END: Time = Time(60_000_000_000);

/// A leader is killed at 10 s, replaced at 19 s, back at 30 s.
fn killed_leader() -> Diary {
    let mut diary = Diary::new();
    diary.at(1_000_000).submitted(0);
    diary.at(1_002_000).appended(1, 0, 0, 0).acked(0, 0, Acks::All);
    diary.at(10_000_000).submitted(1);
    diary.injected(0, FaultKind::Crash, 1).stopped(1, StopKind::Crash, 0);
    let error = ErrorCode::NetworkException;
    let first = record(1);
    diary.fact(Fact::Retried { process: P, partition: T0, first, count: 1, error });
    diary.at(19_000_000).fact(Fact::BrokerFenced { broker: BrokerId(1) });
    diary.elected(state(Some(2), 1, &[2, 3]), false);
    diary.at(19_500_000).acked(1, 1, Acks::All);
    diary.at(30_000_000).started(1).truncated(1, 3, 1);
    diary.at(32_000_000).state(Some(2), 1, &[1, 2, 3]).healed(0, FaultKind::Crash, 1);
    let node = Some(NodeId::Broker(BrokerId(2)));
    diary.at(33_000_000).fact(Fact::Refused { kind: FaultKind::PowerLoss, node });
    diary.at(40_000_000).submitted(2);
    let (first, error) = (record(2), ErrorCode::Expired);
    diary.at(43_000_000);
    diary.fact(Fact::GaveUp { process: P, partition: T0, first, count: 1, error });
    diary
}

fn summary(diary: &Diary) -> Summary {
    let mut summary = Summary::new(&plan());
    hear(&mut summary, &mut BTreeMap::new(), diary);
    summary.finish(END);
    summary
}

/// Tells the summary of every fact, and with acknowledgements when the records had been submitted.
fn hear(summary: &mut Summary, open: &mut BTreeMap<RecordId, Time>, diary: &Diary) {
    for (stamp, fact) in &diary.facts {
        if let Fact::Submitted { record, .. } = *fact {
            open.insert(record, stamp.time);
        }
        if let Fact::Acked { process, partition, first, count, .. } = *fact {
            let submitted: Vec<_> =
                (0..count).filter_map(|n| open.remove(&first.plus(n))).collect();
            summary.acked(stamp.time, (process, partition), count, &submitted);
        } else {
            summary.observe(*stamp, fact);
        }
    }
}

#[test]
fn a_run_is_counted() {
    let summary = summary(&killed_leader());
    let counts = &summary.counts;
    assert_eq!((counts.submitted, counts.acked, counts.gave_up), (3, 2, 1));
    assert_eq!((counts.retried, counts.crashes, counts.fenced, counts.started), (1, 1, 1, 1));
    assert_eq!((counts.elected_clean, counts.elections()), (1, 1));
    assert_eq!((counts.isr_shrinks, counts.isr_expands), (1, 1));
    assert_eq!((counts.truncations, counts.truncated), (1, 2));
    let crash = summary.faults.get(FaultKind::Crash);
    assert_eq!((crash.injected, crash.refused, crash.runs), (1, 0, 1));
    let power = summary.faults.get(FaultKind::PowerLoss);
    assert_eq!((power.injected, power.refused, power.runs), (0, 1, 0));
    let process = &summary.processes[P.index()];
    assert_eq!(process.failed.by_exception().into_iter().next(), Some(("TimeoutException", 1)));
    assert_eq!(process.longest_ack_gap, Span::millis(18_498));
    assert_eq!(process.ack_latency.max(), Span::millis(9_500));
}

/// The first of three growths is refused, and one of two changes of a property.
#[test]
fn what_the_controller_refuses_is_not_counted_as_applied() {
    let mut diary = Diary::new();
    let (grow, set) = (FaultKind::CreatePartitions, FaultKind::SetConfig);
    for (id, kind) in [grow, grow, set, grow, set].into_iter().enumerate() {
        diary.fact(Fact::Injected { id: id as u32, kind, node: None });
        if id == 0 || id == 4 {
            diary.fact(Fact::OperationRefused { kind, error: ErrorCode::InvalidPartitions });
        }
    }
    let faults = summary(&diary).faults;
    assert_eq!((faults.get(grow).injected, faults.get(grow).refused), (2, 1));
    assert_eq!((faults.get(set).injected, faults.get(set).refused), (1, 1));
}

#[test]
fn gaps_and_unhealthy_times_are_measured() {
    let summary = summary(&killed_leader());
    assert_eq!(summary.longest_write_gap(), Span::millis(9_500));
    // 9.5 s and the 3 s until the last record was given up, of 42 s of writing.
    assert_eq!(summary.streams[0].outage, Span::millis(12_500));
    assert_eq!(summary.write_availability(), Some(702_380));
    let health = &summary.partitions[0];
    assert_eq!(health.under_replicated, Span::secs(13));
    assert_eq!(health.at_min_insync, Span::secs(13));
    assert_eq!(health.under_min_insync, Span::ZERO);
    assert_eq!(health.first_under_replicated, Some(Time(19_000_000_000)));
    assert_eq!(health.offline, Span::ZERO);
}

#[test]
fn elections_are_told_apart() {
    let mut diary = Diary::new();
    let mut eligible = state(Some(1), 0, &[1]);
    eligible.elr = set(&[2]);
    diary.at(1).fact(Fact::IsrCommitted { partition: T0, state: eligible });
    diary.at(2).elected(PartitionState { elr: set(&[1]), ..state(Some(2), 1, &[2]) }, false);
    let gone = PartitionState { last_known_elr: Some(BrokerId(2)), ..state(None, 2, &[]) };
    diary.at(3).elected(gone, false);
    diary.at(4).elected(state(Some(2), 3, &[2]), true);
    diary.at(5).elected(state(Some(3), 4, &[3]), true);
    diary.at(6).elected(state(Some(3), 5, &[3]), false);
    let counts = summary(&diary).counts;
    assert_eq!((counts.elected_eligible, counts.leaderless), (1, 1));
    assert_eq!((counts.elected_last_known, counts.elected_unclean), (1, 1));
    assert_eq!((counts.elected_clean, counts.epochs_raised), (0, 1));
}

#[test]
fn the_first_leader_is_not_elected() {
    let mut diary = Diary::new();
    diary.at(0).elected(state(Some(1), 0, &[1, 2, 3]), false);
    assert_eq!(LeaderEpoch(0), diary_epoch(&diary));
    assert_eq!(summary(&diary).counts.elections(), 0);
}

fn diary_epoch(diary: &Diary) -> LeaderEpoch {
    match diary.facts[0].1 {
        Fact::Elected { leader_epoch, .. } => leader_epoch,
        _ => LeaderEpoch(u32::MAX),
    }
}

#[test]
fn a_sum_is_exact_and_does_not_depend_on_order() {
    let quiet = {
        let mut diary = Diary::new();
        diary.at(1_000_000).submitted(0);
        diary.at(1_003_000).acked(0, 0, Acks::All);
        summary(&diary)
    };
    let wild = summary(&killed_leader());
    let (mut one, mut two) = (quiet.clone(), wild.clone());
    one.merge(&wild);
    two.merge(&quiet);
    assert_eq!(one.counts, two.counts);
    assert_eq!(one.numbers(), two.numbers());
    assert_eq!(one.fault_rows(), two.fault_rows());
    assert_eq!(one.counts.runs, 2);
    assert_eq!(one.write_gap.len(), 2);
    assert_eq!(one.worst_availability, Some(702_380));
    assert_eq!(one.ack_latency().len(), 3);
}
