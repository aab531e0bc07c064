//! What requests and timers do one by one: sessions, registration, shutdown, refusals, long polls.

use crate::base::ids::{
    BrokerEpoch, BrokerId, ConnectionId, DiskId, LeaderEpoch, LogId, Offset, PartitionEpoch,
    PartitionId, ReplicaSet, TopicId,
};
use crate::base::time::{Span, Time};
use crate::kafka::controller::tests::lab::{Ask, B1, B2, B3, Lab, T0, ctx, kafka_3_9, kafka_4_1};
use crate::kafka::ctx::{CloseReason, Ctx, Node, OPERATOR};
use crate::kafka::timers::ControllerTimer;
use crate::model::config::TopicKey;
use crate::model::directory::{DirectoryId, LogDirs};
use crate::model::error::ErrorCode;
use crate::model::fact::Fact;
use crate::model::message::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, BrokerHeartbeatRequest,
    BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse, Content,
    FetchMetadataRequest, FetchMetadataResponse, IncrementalAlterConfigsRequest, Message,
};
use crate::model::metadata::{MetadataRecord, PartitionState};
use crate::model::rules::{IsrJoinLiveness, LastKnownLeaderCheck, Rules};

#[test]
fn a_session_ends_after_nine_seconds_and_a_check() {
    for phase in [0, 300, 900, 1700] {
        let mut lab = kafka_4_1(2);
        lab.pass(Span::millis(20_000 + phase));
        lab.kill(B2);
        let took = lab.until_fenced(B2);
        assert!(took > Span::secs(7) && took < Span::millis(10_200), "{took} from kill to fenced");
        assert!(lab.facts.contains(&Fact::SessionExpired { broker: B2 }));
    }
}

#[test]
fn two_brokers_that_die_together_are_fenced_together() {
    let mut lab = kafka_4_1(1);
    lab.brokers[1].heartbeat_at = Time(1);
    lab.brokers[2].heartbeat_at = Time(1);
    lab.pass(Span::secs(4));
    lab.kill(B2);
    lab.kill(B3);
    lab.until_fenced(B2);
    assert!(lab.controller.image.broker(B3).is_some_and(|b| b.fenced));
    assert_eq!(lab.states().len(), 3, "one change each, the second seeing the first");
}

#[test]
fn a_kept_session_fences_once_more_at_its_end() {
    let fences = |mut lab: Lab| {
        lab.shut_down(B2);
        lab.pass(Span::secs(12));
        let log = lab.records();
        log.iter()
            .filter(|r| matches!(r, MetadataRecord::BrokerFenced { broker, .. } if *broker == B2))
            .count()
    };
    assert_eq!(fences(kafka_4_1(2)), 2, "recorded: 4.1.1/unclean-election");
    assert_eq!(fences(kafka_3_9(2)), 1);
}

#[test]
fn registration_is_granted_by_session_and_incarnation() {
    let mut lab = kafka_4_1(2);
    let register = |lab: &mut Lab, incarnation| {
        let content = Content::BrokerRegistrationRequest(BrokerRegistrationRequest {
            broker: B2,
            incarnation,
            previous: None,
            log_dirs: LogDirs::new(DiskId(0), 1, 0),
        });
        match lab.ask(ConnectionId(1), content) {
            Content::BrokerRegistrationResponse(BrokerRegistrationResponse { error, epoch }) => {
                (error, epoch)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(register(&mut lab, 0), (ErrorCode::None, BrokerEpoch(2)), "the same incarnation");
    assert_eq!(register(&mut lab, 1).0, ErrorCode::DuplicateBrokerRegistration);
    lab.kill(B2);
    lab.until_fenced(B2);
    let end = lab.controller.image.end();
    let (error, epoch) = register(&mut lab, 1);
    assert_eq!((error, epoch.0), (ErrorCode::None, end.0), "the offset of its record");
    assert_eq!(register(&mut lab, 1).1, epoch, "asked again, granted again");
    assert_eq!(register(&mut lab, 2).0, ErrorCode::None, "no heartbeat, no session");

    lab.brokers[1].epoch = BrokerEpoch(2);
    let stale = lab.heartbeat(B2, false);
    assert!(matches!(
        stale,
        Content::BrokerHeartbeatResponse(BrokerHeartbeatResponse {
            error: ErrorCode::StaleBrokerEpoch,
            ..
        })
    ));
}

#[test]
fn a_broker_is_unfenced_once_it_has_replayed_its_registration() {
    let mut lab = kafka_4_1(2);
    lab.kill(B2);
    lab.until_fenced(B2);
    assert_eq!(lab.try_register(B2), ErrorCode::None);
    let epoch = lab.brokers[1].epoch;
    let mut beat = |replayed, want_fence| {
        let content = Content::BrokerHeartbeatRequest(BrokerHeartbeatRequest {
            broker: B2,
            epoch,
            replayed: Offset(replayed),
            want_fence,
            want_shutdown: false,
            offline_dirs: 0,
        });
        match lab.ask(ConnectionId(1), content) {
            Content::BrokerHeartbeatResponse(BrokerHeartbeatResponse {
                caught_up, fenced, ..
            }) => (caught_up, fenced),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(beat(epoch.0, false), (false, true));
    assert_eq!(beat(epoch.0 + 1, true), (true, true), "it recovers its logs");
    assert_eq!(beat(epoch.0 + 1, false), (true, false));
}

fn may_stop(answer: Content) -> bool {
    matches!(
        answer,
        Content::BrokerHeartbeatResponse(BrokerHeartbeatResponse { may_shutdown: true, .. })
    )
}

#[test]
fn a_broker_may_stop_when_every_other_has_heard() {
    let mut lab = kafka_4_1(2);
    lab.pass(Span::secs(3));
    assert!(!may_stop(lab.heartbeat(B1, true)), "it led");
    assert_eq!(lab.state().leader, Some(B2));
    assert!(!may_stop(lab.heartbeat(B1, true)), "nobody has heard yet");
    lab.heartbeat(B2, false);
    assert!(!may_stop(lab.heartbeat(B1, true)), "broker 3 has not heard yet");
    lab.heartbeat(B3, false);
    assert!(may_stop(lab.heartbeat(B1, true)));
    assert!(lab.controller.image.broker(B1).is_some_and(|b| b.fenced));
    assert!(may_stop(lab.heartbeat(B3, true)), "who leads nothing stops at once");
}

/// A change of its registration makes a broker one that has replayed nothing, until its next
/// heartbeat: also the one by which it was unfenced (`BrokerHeartbeatManager.register`).
#[test]
fn a_controlled_shutdown_waits_for_the_second_heartbeat_of_who_was_just_unfenced() {
    let mut lab = kafka_4_1(1);
    lab.kill(B3);
    lab.until_fenced(B3);
    assert!(!may_stop(lab.heartbeat(B1, true)), "it led");
    assert_eq!(lab.try_register(B3), ErrorCode::None);
    lab.heartbeat(B3, false);
    assert!(lab.controller.image.broker(B3).is_some_and(|b| !b.fenced));
    lab.heartbeat(B2, false);
    assert!(!may_stop(lab.heartbeat(B1, true)), "broker 3 has been unfenced, and said no more");
    lab.heartbeat(B3, false);
    assert!(may_stop(lab.heartbeat(B1, true)));
}

#[test]
fn proposals_are_refused_in_kafkas_order() {
    type Change = fn(&mut Ask);
    let table: [(&str, BrokerId, Change, ErrorCode); 13] = [
        (
            "stale broker epoch",
            B1,
            |a| a.broker_epoch = Some(BrokerEpoch(99)),
            ErrorCode::StaleBrokerEpoch,
        ),
        (
            "leader epoch ahead",
            B1,
            |a| a.state.leader_epoch = LeaderEpoch(9),
            ErrorCode::NotController,
        ),
        (
            "partition epoch ahead",
            B1,
            |a| a.state.partition_epoch = PartitionEpoch(9),
            ErrorCode::NotController,
        ),
        (
            "ahead outranks behind",
            B1,
            |a| {
                a.state.leader_epoch = LeaderEpoch(0);
                a.state.partition_epoch = PartitionEpoch(9);
            },
            ErrorCode::NotController,
        ),
        (
            "leader epoch behind",
            B1,
            |a| a.state.leader_epoch = LeaderEpoch(0),
            ErrorCode::FencedLeaderEpoch,
        ),
        ("not the leader", B2, |_| {}, ErrorCode::InvalidRequest),
        (
            "partition epoch behind",
            B1,
            |a| a.state.partition_epoch = PartitionEpoch(0),
            ErrorCode::InvalidUpdateVersion,
        ),
        ("not a replica", B1, |a| a.state.isr = ReplicaSet(0b1011), ErrorCode::InvalidRequest),
        (
            "without the leader",
            B1,
            |a| a.state.isr = ReplicaSet::only(1),
            ErrorCode::InvalidRequest,
        ),
        ("recovering again", B1, |a| a.recovered = false, ErrorCode::InvalidRequest),
        (
            "another incarnation",
            B1,
            |a| a.epochs[1] = Some(BrokerEpoch(0)),
            ErrorCode::IneligibleReplica,
        ),
        (
            "a fenced member",
            B1,
            |a| a.state.isr = ReplicaSet::first(3),
            ErrorCode::IneligibleReplica,
        ),
        ("epoch not known", B1, |a| a.epochs[1] = None, ErrorCode::None),
    ];
    // Broker 1 lost the leadership and has it again, so that every epoch can be behind.
    let mut lab = kafka_4_1(1);
    lab.shut_down(B1);
    lab.pass(Span::secs(10));
    lab.start(B1);
    lab.join(B1);
    lab.controller.on_timer(ControllerTimer::PreferredElection, &mut ctx!(lab));
    lab.shut_down(B3);
    assert_eq!(lab.state().leader, Some(B1));
    for (what, sender, change, expected) in table {
        assert_eq!(lab.propose(sender, change), expected, "{what}");
    }
    lab.rules.isr_join_liveness = IsrJoinLiveness::None;
    let error = lab.propose(B1, |ask| ask.state.isr = ReplicaSet::first(3));
    assert_eq!(error, ErrorCode::None, "before KIP-841 a fenced member was let in");
}

#[test]
fn an_offline_directory_takes_its_partitions_along() {
    let mut lab = Lab::new(Rules::KAFKA_4_1, true, 1, 2);
    let before = lab.state();
    let epoch = lab.brokers[0].epoch;
    let second = DirectoryId { disk: DiskId(0), dir: 1 };
    assert_eq!(lab.assign((B1, epoch), second), ErrorCode::None);
    let partition_epoch = before.partition_epoch.next();
    let told = PartitionState { partition_epoch, ..before };
    assert_eq!(lab.state(), told, "recorded: log-dir-full");
    lab.brokers[0].offline_dirs = 0b01;
    lab.heartbeat(B1, false);
    assert_eq!(lab.states().len(), 2, "its replica lies in the other directory");
    lab.brokers[0].offline_dirs = 0b11;
    lab.heartbeat(B1, false);
    lab.heartbeat(B1, false);
    lab.heartbeat(B1, false);
    assert_eq!(lab.states().len(), 3, "one change, whatever is repeated");
    let PartitionState { leader, isr, .. } = lab.state();
    assert_eq!((leader, isr), (Some(B2), ReplicaSet(0b110)));
    lab.kill(B2);
    lab.kill(B3);
    lab.until_fenced(B2);
    lab.until_fenced(B3);
    assert_eq!(lab.state().leader, None, "broker 1 lives but cannot lead it");
}

#[test]
fn another_minimum_clears_the_elr() {
    let mut lab = kafka_4_1(2);
    for broker in [B2, B3] {
        lab.kill(broker);
        lab.until_fenced(broker);
    }
    assert_eq!(lab.state().elr, ReplicaSet::only(2));
    lab.set_config(TopicKey::RetentionMs, 5);
    assert_eq!(lab.state().partition_epoch, PartitionEpoch(2));
    lab.set_config(TopicKey::MinInsyncReplicas, 3);
    assert_eq!(lab.state().elr, ReplicaSet::EMPTY);
    assert_eq!(lab.state().partition_epoch, PartitionEpoch(3));
}

#[test]
fn an_operator_may_ask_for_an_unclean_election_of_a_leaderless_partition() {
    let mut lab = kafka_4_1(1);
    let mut ask = |partition| lab.elect_unclean(partition);
    assert_eq!(ask(T0), ErrorCode::ElectionNotNeeded);
    assert_eq!(ask(PartitionId(7)), ErrorCode::UnknownTopicOrPartition);
    for broker in [B1, B2, B3] {
        lab.kill(broker);
        lab.until_fenced(broker);
    }
    let done = lab.elect_unclean(T0);
    let error = ErrorCode::EligibleLeadersNotAvailable;
    assert_eq!(done, error);
}

#[test]
fn periodic_elections_come_every_five_minutes() {
    let mut lab = kafka_4_1(1);
    lab.shut_down(B1);
    lab.pass(Span::secs(10));
    lab.start(B1);
    lab.join(B1);
    assert_eq!(lab.state().leader, Some(B2));
    lab.pass(Span::secs(300));
    assert_eq!(lab.state().leader, Some(B1), "the preferred leader, in the ISR, leads again");
    lab.kill(B2);
    lab.kill(B3);
    lab.pass(Span::secs(12));
    lab.set_config(TopicKey::UncleanLeaderElection, 0);
    lab.kill(B1);
    lab.until_fenced(B1);
    lab.start(B2);
    lab.set_config(TopicKey::UncleanLeaderElection, 1);
    assert_eq!(lab.state().leader, None);
    lab.pass(Span::secs(300));
    assert_eq!(lab.state().leader, Some(B2));
    assert!(lab.state().recovering);
}

#[test]
fn producer_ids_come_in_blocks() {
    let mut lab = kafka_4_1(1);
    let mut allocate = |epoch| {
        let content = Content::AllocateProducerIdsRequest(AllocateProducerIdsRequest {
            broker: B2,
            epoch: BrokerEpoch(epoch),
        });
        match lab.ask(ConnectionId(1), content) {
            Content::AllocateProducerIdsResponse(AllocateProducerIdsResponse {
                error,
                first,
                count,
            }) => (error, first.0, count),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(allocate(2), (ErrorCode::None, 0, 1000));
    assert_eq!(allocate(2), (ErrorCode::None, 1000, 1000));
    assert_eq!(allocate(1).0, ErrorCode::StaleBrokerEpoch);
}

/// The records of the only answer sent, if one was sent.
fn fetched(lab: &mut Lab) -> Option<(usize, Offset)> {
    let answers = lab.drain();
    let content = answers.first()?.content;
    let Content::FetchMetadataResponse(FetchMetadataResponse { end, records, .. }) = content else {
        panic!("{content:?}")
    };
    let count = lab.lists.get(records).iter().map(|batch| batch.count as usize).sum();
    lab.lists.give_back(records);
    Some((count, end))
}

#[test]
fn observers_are_answered_at_once_or_when_there_is_more_or_when_time_is_up() {
    let mut lab = kafka_4_1(1);
    let fetch = |lab: &mut Lab, from| {
        let from = Offset(from);
        let content = Content::FetchMetadataRequest(FetchMetadataRequest {
            from,
            last_fetched: Some(LeaderEpoch(2)).filter(|_| from > Offset(0)),
            watermark: from,
            max_wait: Span::millis(500),
        });
        let message = Message { correlation: 1, content };
        lab.controller.on_message(ConnectionId(1), &message, &mut ctx!(lab));
        fetched(lab)
    };
    assert_eq!(fetch(&mut lab, 0), Some((8, Offset(8))));
    assert_eq!(fetch(&mut lab, 8), None, "parked");
    let wait = ControllerTimer::MetadataWait(B2);
    assert_eq!(lab.timers.get(&wait.into()), Some(&(lab.now + Span::millis(500))));
    lab.controller.on_timer(wait, &mut ctx!(lab));
    assert_eq!(fetched(&mut lab), Some((0, Offset(8))));

    assert_eq!(fetch(&mut lab, 8), None);
    let topic = Some(TopicId(0));
    let content = Content::IncrementalAlterConfigsRequest(IncrementalAlterConfigsRequest {
        topic,
        key: TopicKey::FlushMs,
        value: Some(1),
    });
    lab.controller.on_message(OPERATOR, &Message { correlation: 2, content }, &mut ctx!(lab));
    assert_eq!(lab.effects.flushes, [(LogId::Metadata, Offset(9))]);
    assert_eq!(lab.effects.sends, [], "neither the operator nor an observer hears before the sync");
    assert_eq!(fetched(&mut lab), Some((1, Offset(9))), "woken");
    assert_eq!(lab.timers.get(&wait.into()), None);

    for value in 0..600 {
        lab.set_config(TopicKey::FlushMs, 2 + value % 2);
    }
    assert_eq!(fetch(&mut lab, 9), Some((500, Offset(609))), "a chunk at a time");
    assert_eq!(fetch(&mut lab, 609), None);
    lab.controller.on_closed(ConnectionId(1), CloseReason::Reset, &mut ctx!(lab));
    lab.drain();
    lab.set_config(TopicKey::FlushMs, 4);
    assert_eq!(lab.lists.in_use(), 0, "nothing is sent to a closed connection");
}

#[test]
fn a_restarted_controller_knows_what_is_on_its_disk_and_gives_fresh_sessions() {
    let mut lab = kafka_4_1(2);
    lab.kill(B3);
    lab.until_fenced(B3);
    lab.kill(B2);
    lab.pass(Span::secs(5));
    let before = lab.controller.image.clone();
    lab.restart_controller();
    assert_eq!(lab.controller.image, before);
    assert!(lab.until_fenced(B2) > Span::secs(8), "counted from the takeover");
}

#[test]
fn release_4_0_1_elects_a_dead_last_known_leader() {
    let leader_when_it_registers = |rules| {
        let mut lab = Lab::new(rules, true, 2, 1);
        for broker in [B2, B3, B1] {
            lab.kill(broker);
            lab.until_fenced(broker);
        }
        lab.start(B3);
        lab.try_register(B1);
        lab.state().leader
    };
    let sound = Rules::KAFKA_4_1;
    let unasked = Rules { last_known_leader_check: LastKnownLeaderCheck::None, ..sound };
    assert_eq!(leader_when_it_registers(sound), None);
    assert_eq!(leader_when_it_registers(unasked), Some(B1), "still fenced");
}

#[test]
fn a_replica_on_a_disk_that_its_broker_did_not_register_leads_nothing() {
    let mut lab = kafka_4_1(2);
    let before = lab.state();
    let directory = DirectoryId { disk: DiskId(1), dir: 0 };
    let assign = |lab: &mut Lab, epoch| lab.assign((B1, epoch), directory);
    assert_eq!(assign(&mut lab, BrokerEpoch(99)), ErrorCode::StaleBrokerEpoch);
    assert_eq!(lab.state(), before);

    // Wiped and started inside its session, it is heard under the epoch of its old registration.
    let epoch = lab.brokers[0].epoch;
    assert_eq!(assign(&mut lab, epoch), ErrorCode::None);
    let states = lab.states();
    let [.., told, moved] = &states[..] else { panic!("{states:?}") };
    let next = before.partition_epoch.next();
    assert_eq!(*told, PartitionState { partition_epoch: next, ..before }, "a change of nothing");
    assert_eq!((moved.leader, moved.isr.has(0)), (Some(B2), false), "recorded: 4.1.1/wiped-disk");

    assert_eq!(assign(&mut lab, epoch), ErrorCode::None);
    assert_eq!(lab.states().len(), states.len(), "said again, it is no news");
}
