//! Stories of forged runs: three ways to lose a record, and a run that passed.

use super::{Focus, MOST_LINES, MOST_SENTENCES, Story};
use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset};
use crate::model::config::Acks;
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::FaultKind;
use crate::model::metadata::PartitionState;
use crate::report::forge::{Diary, T0, record, set, state};

fn lost(diary: &Diary, offset: Option<u64>, record: Option<u32>) -> Story {
    let focus = Focus {
        property: "acked-lost".to_owned(),
        text: "an acknowledged record is missing".to_owned(),
        at: diary.last(),
        partition: Some(T0),
        offset: offset.map(Offset),
        record: record.map(super::super::forge::record),
    };
    Story::of_violation(&diary.facts, diary.cast(), &focus)
}

fn filled(diary: &mut Diary, brokers: &[u16], records: std::ops::Range<u32>, epoch: u32) {
    for n in records {
        diary.at(u64::from(n) * 10_000).submitted(n);
        for broker in brokers {
            diary.at(u64::from(n) * 10_000 + u64::from(*broker) * 100);
            diary.appended(*broker, u64::from(n), n, epoch);
        }
        let acks = if brokers.len() == 1 { Acks::Leader } else { Acks::All };
        diary.at(u64::from(n) * 10_000 + 900).acked(u64::from(n), n, acks);
    }
}

/// acks=1: the leader answers alone and is killed before a follower has fetched.
#[test]
fn a_killed_leader_that_answered_alone() {
    let mut diary = Diary::new();
    filled(&mut diary, &[1, 2, 3], 0..5, 0);
    filled(&mut diary, &[1], 5..6, 0);
    diary.at(51_200).injected(0, FaultKind::Crash, 1).stopped(1, StopKind::Crash, 0);
    diary.at(9_000_000).fact(Fact::SessionExpired { broker: BrokerId(1) });
    diary.fact(Fact::BrokerFenced { broker: BrokerId(1) });
    diary.at(9_001_000).elected(state(Some(2), 1, &[2, 3]), false);
    insta::assert_snapshot!(lost(&diary, Some(5), None), @r#"
    Record p r5 was appended on b1, leader in epoch 0, at t-0 offset 5, at 0.050 100 s.
    It was acknowledged at 0.050 900 s (acks=1) when only b1 had it; ISR {1,2,3}.
    b1, the leader, was killed at 0.051 200 s with the record on its disk.
    b2 was elected at 9.001 000 s (epoch 1), from the in-sync replicas; its log ended at 5, without
    the record.
    So the record is gone (acked-lost): b2 leads epoch 1 and ends at 5; only b1 has it on disk and
    will have to cut it to follow.

      0.050 000  p     submitted            t-0 p r5 item 5
      0.050 100  b1    appended             t-0 [5..6) e0 p r5 pid7/e0#5         leader
      0.050 900  p     acked                t-0 [5..6) p r5 acks=1               on disks of {1}
      0.051 200  --    injected             crash b1 (fault 0)
      0.051 200  b1    stopped              killed
      9.000 000  ctl   session-expired      b1
      9.000 000  ctl   broker-fenced        b1
      9.001 000  ctl   elected              t-0 leader b2 e1, isr {2,3}          ends at 5   ← acked-lost
    "#);
}

/// KIP-966's last replica standing: it loses power, and what it had not flushed.
#[test]
fn the_last_in_sync_replica_loses_power() {
    let mut diary = Diary::new();
    filled(&mut diary, &[1, 2, 3], 0..3, 0);
    diary.at(40_000).injected(0, FaultKind::Crash, 2).stopped(2, StopKind::Crash, 0);
    diary.injected(1, FaultKind::Crash, 3).stopped(3, StopKind::Crash, 0);
    diary.at(9_000_000).state(Some(1), 0, &[1]);
    diary.at(9_100_000).submitted(3).appended(1, 3, 3, 0).acked(3, 3, Acks::All);
    let connection = ConnectionId(4);
    let to = NodeId::Broker(BrokerId(1));
    diary.fact(Fact::WatermarkExposed {
        broker: BrokerId(1),
        partition: T0,
        leader_epoch: LeaderEpoch(0),
        to,
        connection,
        offset: Offset(4),
    });
    diary.at(10_000_000).injected(2, FaultKind::PowerLoss, 1).stopped(1, StopKind::PowerLoss, 2);
    let (from, tail) = (Offset(4), Offset(2));
    diary.and(Fact::TailLost { broker: BrokerId(1), partition: T0, from, to: tail });
    let gone = PartitionState { last_known_elr: Some(BrokerId(1)), ..state(None, 1, &[]) };
    diary.at(18_000_000).elected(gone, false);
    diary.at(20_000_000).started(1);
    diary.at(21_000_000).elected(state(Some(1), 2, &[1]), true);
    insta::assert_snapshot!(lost(&diary, None, Some(3)), @r#"
    Record p r3 was appended on b1, leader in epoch 0, at t-0 offset 3, at 9.100 000 s.
    It was acknowledged at 9.100 000 s (acks=all) when only b1 had it; ISR {1} (b2 and b3 were
    down).
    b1, the leader, lost power at 10.000 000 s, and its log from offset 2 to 4 is gone, the record
    included.
    From 18.000 000 s on nobody could lead t-0.
    b1 was elected at 21.000 000 s (epoch 2), as the last known leader; its log ended at 2, without
    the record.
    So the record is gone (acked-lost): b1 leads epoch 2 and ends at 2; no disk holds the record any
    more.

      0.040 000  --    injected             crash b2 (fault 0)
      0.040 000  b2    stopped              killed
      0.040 000  --    injected             crash b3 (fault 1)
      0.040 000  b3    stopped              killed
      9.000 000  ctl   isr-committed        t-0 leader b1 e0, isr {1}
      9.100 000  p     submitted            t-0 p r3 item 3
      9.100 000  b1    appended             t-0 [3..4) e0 p r3 pid7/e0#3         leader
      9.100 000  p     acked                t-0 [3..4) p r3 acks=all             on disks of {1}
      9.100 000  b1    watermark-exposed    t-0 4 e0 to b1 on c4
     10.000 000  --    injected             power-loss b1 (fault 2)
     10.000 000  b1    stopped              power loss, 2 records lost
     10.000 000  b1    tail-lost            t-0 4 → 2                            the record with it
     18.000 000  ctl   elected              t-0 no leader e1, isr {}             nobody is eligible
     20.000 000  b1    started
     21.000 000  ctl   elected              t-0 leader b1 e2, isr {1}, unclean   ends at 2   ← acked-lost
    "#);
}

/// The failure of `KafkaTruncateToHighWatermark.tla`: cut, then be elected before refetching.
#[test]
fn a_follower_cuts_to_its_watermark_and_is_elected() {
    let mut diary = Diary::new();
    filled(&mut diary, &[1, 2, 3], 0..3, 0);
    diary.at(31_000).injected(0, FaultKind::Crash, 1).stopped(1, StopKind::Crash, 0);
    diary.at(9_000_000).elected(state(Some(2), 1, &[2, 3]), false);
    let (broker, partition, leader_epoch) = (BrokerId(3), T0, LeaderEpoch(1));
    let end = Offset(3);
    diary.at(9_036_000);
    diary.fact(Fact::BecameFollower { broker, partition, leader_epoch, end });
    diary.truncated(3, 3, 2);
    diary.injected(1, FaultKind::Crash, 2).stopped(2, StopKind::Crash, 0);
    let elr = set(&[2]);
    diary.at(18_000_000).elected(PartitionState { elr, ..state(Some(3), 2, &[3]) }, false);
    insta::assert_snapshot!(lost(&diary, Some(2), None), @r#"
    Record p r2 was appended on b1, leader in epoch 0, at t-0 offset 2, at 0.020 100 s.
    It was acknowledged at 0.020 900 s (acks=all) when b1, b2 and b3 had it; ISR {1,2,3}.
    b1, the leader, was killed at 0.031 000 s with the record on its disk.
    b2 was elected at 9.000 000 s (epoch 1), from the in-sync replicas; its log ended at 3, with the
    record.
    b3, to follow b2, leader of epoch 1, cut its log from 3 to 2 at 9.036 000 s, the record
    included.
    b2, the leader, was killed at 9.036 000 s with the record on its disk.
    b3 was elected at 18.000 000 s (epoch 2), from the in-sync replicas; its log ended at 2, without
    the record.
    So the record is gone (acked-lost): b3 leads epoch 2 and ends at 2; only b1 and b2 have it on
    disk and will have to cut it to follow.

      0.020 000  p     submitted            t-0 p r2 item 2
      0.020 100  b1    appended             t-0 [2..3) e0 p r2 pid7/e0#2         leader
      0.020 200  b2    appended             t-0 [2..3) e0 p r2 pid7/e0#2         follower
      0.020 300  b3    appended             t-0 [2..3) e0 p r2 pid7/e0#2         follower
      0.020 900  p     acked                t-0 [2..3) p r2 acks=all             on disks of {1,2,3}
      0.031 000  --    injected             crash b1 (fault 0)
      0.031 000  b1    stopped              killed
      9.000 000  ctl   elected              t-0 leader b2 e1, isr {2,3}          ends at 3
      9.036 000  b3    became-follower      t-0 e1, end 3
      9.036 000  b3    truncated            t-0 3 → 2                            the record with it
      9.036 000  --    injected             crash b2 (fault 1)
      9.036 000  b2    stopped              killed
     18.000 000  ctl   elected              t-0 leader b3 e2, isr {3}, elr {2}   ends at 2   ← acked-lost
    "#);
}

#[test]
fn a_run_that_passed() {
    let mut diary = Diary::new();
    filled(&mut diary, &[1, 2, 3], 0..5, 0);
    diary.at(50_500).appended(1, 5, 5, 0);
    diary.at(51_200).injected(0, FaultKind::Crash, 1).stopped(1, StopKind::Crash, 0);
    diary.at(9_001_000).elected(state(Some(2), 1, &[2, 3]), false);
    diary.at(20_000_000).started(1).healed(0, FaultKind::Crash, 1);
    diary.at(20_300_000).truncated(1, 6, 5);
    diary.at(21_000_000).state(Some(2), 1, &[1, 2, 3]);
    let (kind, node) = (FaultKind::NetworkDelay, None);
    diary.at(30_000_000).fact(Fact::Injected { id: 1, kind, node });
    diary.at(35_000_000).fact(Fact::Healed { id: 1, kind, node });
    diary.at(40_000_000).fact(Fact::AllHealed);
    insta::assert_snapshot!(Story::of_run(&diary.facts, diary.cast()), @r#"
    b1 was killed from 0.051 200 s to 20.000 000 s: b2 took over t-0 at 9.001 000 s, from the
    in-sync replicas, with every acknowledged record (it ended at 5, and all below 5 was
    acknowledged); on return it cut 1 record that the new leader did not have; it was back in the
    last ISR at 21.000 000 s.
    network-delay hit the cluster from 30.000 000 s to 35.000 000 s: no leader and no ISR changed.
    5 records acknowledged and 0 failed; the one leader elected had all that was acknowledged.

      0.051 200  --    injected             crash b1 (fault 0)
      0.051 200  b1    stopped              killed
      9.001 000  ctl   elected              t-0 leader b2 e1, isr {2,3}          ends at 5
     20.000 000  b1    started
     20.000 000  --    healed               crash b1 (fault 0)
     20.300 000  b1    truncated            t-0 6 → 5
     21.000 000  ctl   isr-committed        t-0 leader b2 e1, isr {1,2,3}
     30.000 000  --    injected             network-delay (fault 1)
     35.000 000  --    healed               network-delay (fault 1)
     40.000 000  --    all-healed           the fault phase is over
    "#);
}

#[test]
fn a_long_run_is_told_shortly_and_always_alike() {
    let mut diary = Diary::new();
    filled(&mut diary, &[1, 2, 3], 0..5, 0);
    for n in 0..40 {
        let (from, to) = (n % 3 + 1, (n + 1) % 3 + 1);
        diary.at(1_000_000 * u64::from(n + 1));
        diary.injected(n.into(), FaultKind::Crash, from).stopped(from, StopKind::Crash, 0);
        diary.elected(state(Some(to), u32::from(n) + 1, &[1, 2, 3]), false);
        diary.started(from).healed(n.into(), FaultKind::Crash, from);
    }
    diary.truncated(1, 5, 2);
    let violation = lost(&diary, Some(2), None);
    let passed = Story::of_run(&diary.facts, diary.cast());
    for story in [&violation, &passed] {
        assert_eq!(story.lines.len(), MOST_LINES);
        assert!(story.sentences.len() <= MOST_SENTENCES, "{:#?}", story.sentences);
        for line in story.to_string().lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }
    assert_eq!(violation, lost(&diary, Some(2), None));
    assert!(violation.lines.iter().any(|line| line.ends_with("← acked-lost")));
}

#[test]
fn a_violation_without_a_place_has_a_story_too() {
    let mut diary = Diary::new();
    diary.at(1_000_000).injected(0, FaultKind::Pause, 1);
    diary.at(2_000_000).fact(Fact::BrokerFenced { broker: BrokerId(1) });
    let focus = Focus {
        property: "two-controllers".to_owned(),
        text: "two controllers act in epoch 4".to_owned(),
        at: diary.last(),
        partition: None,
        offset: None,
        record: Some(record(0)),
    };
    let story = Story::of_violation(&diary.facts, diary.cast(), &focus);
    assert_eq!(story.sentences, ["two-controllers: two controllers act in epoch 4."]);
    assert_eq!(story.lines.len(), 2);
}
