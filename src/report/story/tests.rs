//! Stories of forged runs: three ways to lose a record, and a run that passed.

use super::{Focus, MOST_LINES, MOST_SENTENCES, Story};
use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset, PartitionId, TopicId};
use crate::model::config::Acks;
use crate::model::fact::{Fact, StopKind};
use crate::model::fault::FaultKind;
use crate::model::metadata::PartitionState;
use crate::report::forge::{Diary, T0, names, record, set, state};
use crate::report::trace::Legend;

fn lost(diary: &Diary, offset: Option<u64>, record: Option<u32>) -> Story {
    let focus = Focus {
        property: "acked-lost".to_owned(),
        text: "an acknowledged record is missing".to_owned(),
        at: diary.last(),
        partition: Some(T0),
        offset: offset.map(Offset),
        record: record.map(super::super::forge::record),
    };
    Story::of_violation(&diary.facts, diary.legend(), &focus)
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
    insta::assert_snapshot!(lost(&diary, Some(5), None));
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
    insta::assert_snapshot!(lost(&diary, None, Some(3)));
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
    insta::assert_snapshot!(lost(&diary, Some(2), None));
}

/// A run that passed, in which a leader was killed.
fn passed() -> Diary {
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
    diary
}

#[test]
fn a_run_that_passed() {
    let diary = passed();
    insta::assert_snapshot!(Story::of_run(&diary.facts, diary.legend()));
}

/// A refused growth, and one that is answered after more were asked for again.
#[test]
fn a_growth_is_told_by_what_was_created() {
    let told = |created: &[usize]| {
        let mut diary = Diary::new();
        filled(&mut diary, &[1, 2, 3], 0..5, 0);
        for asked in 0..2 {
            diary.at(1_000_000 * (asked + 1));
            let kind = FaultKind::CreatePartitions;
            diary.fact(Fact::Injected { id: asked as u32, kind, node: None });
            if created.contains(&(asked as usize)) {
                let (partition, topic) = (PartitionId(1), TopicId(0));
                diary.fact(Fact::PartitionCreated { partition, topic, replicas: 3 });
            }
        }
        let story = Story::of_run(&diary.facts, diary.legend()).to_string();
        story.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let (first, last) = ("none was created before more were asked for again", "none was created.");
    assert!(
        told(&[1]).contains(first) && told(&[1]).contains("t-1 was created."),
        "{}",
        told(&[1])
    );
    assert!(told(&[0]).contains("t-1 was created.") && told(&[0]).contains(last), "{}", told(&[0]));
    assert!(told(&[]).contains(first) && told(&[]).contains(last), "{}", told(&[]));
}

#[test]
fn a_run_is_told_by_its_user_topics() {
    let diary = passed();
    let told = |topic: &str| {
        let mut names = names();
        names.topics[0].name = topic.to_owned();
        Story::of_run(&diary.facts, Legend { names: &names, ..diary.legend() }).to_string()
    };
    assert!(told("orders").contains("orders-0"), "{}", told("orders"));
    assert!(!told("__consumer_offsets").contains("__consumer_offsets"));
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
    let passed = Story::of_run(&diary.facts, diary.legend());
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
    let story = Story::of_violation(&diary.facts, diary.legend(), &focus);
    assert_eq!(story.sentences, ["two-controllers: two controllers act in epoch 4."]);
    assert_eq!(story.lines.len(), 2);
}

/// With network facts in the trace, the chain of causes leads from the violation to its roots.
#[test]
fn causes_are_followed_back() {
    let mut diary = Diary::new();
    filled(&mut diary, &[1, 2, 3], 0..2, 0);
    let (from, to) = (NodeId::Broker(BrokerId(9)), NodeId::Broker(BrokerId(8)));
    diary.at(50_000).fact(Fact::Sent { from, to, name: "FetchRequest" });
    let root = diary.last();
    diary.at(60_000).fact(Fact::Sent { from, to, name: "Unrelated" });
    diary.at(70_000).fact(Fact::Delivered { from, to, name: "FetchRequest" });
    let last = diary.facts.last_mut().expect("just written");
    last.0.cause = root.seq;
    let cause = last.0.seq;
    diary.at(80_000).truncated(3, 2, 1);
    diary.facts.last_mut().expect("just written").0.cause = cause;
    let text = lost(&diary, Some(1), None).to_string();
    assert_eq!(text.matches("FetchRequest").count(), 2, "{text}");
    assert!(!text.contains("Unrelated"), "{text}");
}
