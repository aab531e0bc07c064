//! Partitions that are created while the cluster runs: who holds them, what is refused, and when it
//! is answered.

use crate::base::ids::{BrokerId, PartitionId, ReplicaSet, TopicId};
use crate::base::time::Span;
use crate::kafka::controller::tests::lab::{B1, B2, B3, Lab, T0, ctx, kafka_4_1, start};
use crate::kafka::controller::{Controller, ControllerStart};
use crate::kafka::ctx::{Ctx, Node, OPERATOR};
use crate::model::error::ErrorCode;
use crate::model::message::{Content, CreatePartitionsRequest, CreatePartitionsResponse, Message};

fn ask(lab: &mut Lab, topic: u16, count: u16) -> ErrorCode {
    let request = CreatePartitionsRequest { topic: TopicId(topic), count };
    match lab.ask(OPERATOR, request.into()) {
        Content::CreatePartitionsResponse(CreatePartitionsResponse { error }) => error,
        other => panic!("{other:?}"),
    }
}

fn replicas(lab: &Lab, number: u16) -> Vec<BrokerId> {
    let partition = lab.controller.image().partition(PartitionId(number));
    partition.expect("it was created").replicas.to_vec()
}

/// `ReplicationControlManagerTest.testCreatePartitions`: the errors of its four topics.
#[test]
fn a_topic_grows_and_nothing_else_is_done() {
    let mut lab = kafka_4_1(2);
    let before = lab.records().len();
    assert_eq!(ask(&mut lab, 0, 1), ErrorCode::InvalidPartitions, "it has as many");
    assert_eq!(ask(&mut lab, 0, 0), ErrorCode::InvalidPartitions, "a topic never shrinks");
    assert_eq!(ask(&mut lab, 7, 2), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(lab.records().len(), before, "what is refused writes nothing");
    assert_eq!(ask(&mut lab, 0, 4), ErrorCode::None);
    assert_eq!(lab.records().len(), before + 3);
    assert_eq!(ask(&mut lab, 0, 3), ErrorCode::InvalidPartitions);
    for number in 1..4 {
        let partition = lab.controller.image().partition(PartitionId(number)).expect("created");
        let state = partition.state;
        assert_eq!((partition.topic, partition.replicas.len()), (TopicId(0), 3));
        assert_eq!((state.leader, state.isr), (Some(partition.replicas[0]), ReplicaSet::first(3)));
        assert!(state.is_first() && state.leader_epoch.0 == 0 && state.elr.is_empty());
    }
    let mut leaders = [1, 2, 3].map(|number| replicas(&lab, number)[0]);
    leaders.sort_unstable();
    assert_eq!(leaders, [B1, B2, B3], "the brokers take turns");
}

#[test]
fn fenced_brokers_come_last_and_are_not_in_sync() {
    let mut lab = kafka_4_1(2);
    lab.kill(B2);
    lab.until_fenced(B2);
    assert_eq!(ask(&mut lab, 0, 4), ErrorCode::None);
    for number in 1..4 {
        assert_eq!(replicas(&lab, number)[2], B2);
        let partition = lab.controller.image().partition(PartitionId(number)).expect("created");
        assert_eq!(partition.state.isr, ReplicaSet::first(2));
    }
}

/// One of three that is shutting down gets no replicas, so three of them have no place.
#[test]
fn a_broker_in_controlled_shutdown_is_not_usable() {
    let mut lab = kafka_4_1(2);
    lab.heartbeat(B1, true);
    assert!(lab.controller.image().broker(B1).is_some_and(|broker| broker.shutting_down));
    assert_eq!(ask(&mut lab, 0, 4), ErrorCode::InvalidReplicationFactor);
    assert_eq!(lab.controller.image().partition(PartitionId(1)), None);
    // Once it may stop it is a fenced one, and comes last.
    for other in [B2, B3] {
        lab.heartbeat(other, false);
    }
    lab.heartbeat(B1, true);
    assert!(lab.controller.image().broker(B1).is_some_and(|broker| broker.fenced));
    assert_eq!(ask(&mut lab, 0, 4), ErrorCode::None);
    for number in 1..4 {
        assert_eq!(replicas(&lab, number)[2], B1);
    }
}

/// The fencing is replayed at once, and with it the controlled shutdown is over
/// (`ClusterControlManager.replayRegistrationChange` of 4.1.1).
#[test]
fn a_broker_whose_session_ends_in_a_controlled_shutdown_is_a_fenced_one_at_once() {
    let mut lab = kafka_4_1(2);
    lab.heartbeat(B1, true);
    lab.kill(B1);
    lab.until_fenced(B1);
    assert_eq!(ask(&mut lab, 0, 4), ErrorCode::None);
    for number in 1..4 {
        assert_eq!(replicas(&lab, number)[2], B1, "it comes last");
    }
}

/// Whom it took into a controlled shutdown a controller keeps in memory: its successor places
/// replicas there, out of the ISR and of the lead.
#[test]
fn a_controller_that_was_started_anew_places_replicas_on_a_broker_in_shutdown() {
    let mut lab = kafka_4_1(2);
    lab.heartbeat(B1, true);
    lab.restart_controller();
    assert!(lab.controller.image().broker(B1).is_some_and(|b| b.shutting_down && !b.fenced));
    assert_eq!(ask(&mut lab, 0, 4), ErrorCode::None);
    for number in 1..4 {
        let partition = lab.controller.image().partition(PartitionId(number)).expect("created");
        let place = partition.place(B1).expect("it is one of three");
        assert_eq!(partition.state.isr, ReplicaSet::first(3).without(place));
        assert!(partition.state.leader.is_some_and(|leader| leader != B1));
    }
}

#[test]
fn without_an_active_broker_there_are_no_partitions() {
    let mut lab = kafka_4_1(1);
    [B1, B2, B3].into_iter().for_each(|broker| lab.kill(broker));
    lab.pass(Span::secs(20));
    assert_eq!(ask(&mut lab, 0, 2), ErrorCode::InvalidReplicationFactor);
    assert_eq!(lab.controller.image().partition(PartitionId(1)), None);
}

/// With two racks a partition of two replicas is in both, whatever the draw.
#[test]
fn replicas_are_striped_over_racks() {
    for seed in 0..20 {
        let mut lab = kafka_4_1(1);
        lab.rng = crate::base::rng::Rng::named(seed, "racks");
        let racks = vec![Some(0), Some(1), Some(1)];
        let disk = lab.controller.clone().stop();
        let start = ControllerStart { racks, ..start(true, 1) };
        lab.controller = Controller::start(start, disk, &mut ctx!(lab));
        lab.drain();
        assert_eq!(ask(&mut lab, 0, 4), ErrorCode::None);
        for number in 1..4 {
            let rack = |broker: &BrokerId| u16::from(*broker != B1);
            let list = replicas(&lab, number);
            assert_ne!(rack(&list[0]), rack(&list[1]), "{list:?}");
        }
    }
}

#[test]
fn it_is_answered_when_the_metadata_log_has_committed_it() {
    let mut lab = kafka_4_1(2);
    let request = CreatePartitionsRequest { topic: TopicId(0), count: 2 };
    let message = Message { correlation: 5, content: request.into() };
    lab.controller.on_message(OPERATOR, &message, &mut ctx!(lab));
    assert!(lab.controller.image().partition(PartitionId(1)).is_some(), "it is replayed at once");
    assert_eq!(lab.effects.sends, [], "the answer waits for the sync");
    let answers = lab.drain();
    let done = Content::from(CreatePartitionsResponse { error: ErrorCode::None });
    assert_eq!(answers, [Message { correlation: 5, content: done }]);
    assert!(lab.controller.image().partition(T0).is_some());
}
