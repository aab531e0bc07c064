//! When the controller elects by itself, and what a property that is set again does.

use crate::base::ids::ReplicaSet;
use crate::base::time::Span;
use crate::kafka::controller::Controller;
use crate::kafka::controller::tests::lab::{B1, B2, B3, Lab, T0, ctx, kafka_3_9, kafka_4_1, start};
use crate::kafka::ctx::{Ctx, Node, OPERATOR};
use crate::kafka::start::ControllerStart;
use crate::kafka::timers::ControllerTimer;
use crate::model::config::TopicKey;
use crate::model::error::ErrorCode;
use crate::model::message::{
    ElectionType, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::model::metadata::MetadataRecord;

const UNCLEAN: ControllerTimer = ControllerTimer::UncleanElection;
const PREFERRED: ControllerTimer = ControllerTimer::PreferredElection;
const INTERVAL: Span = Span::secs(300);

/// In which time from now a timer goes off.
fn due(lab: &Lab, timer: ControllerTimer) -> Option<Span> {
    lab.timers.get(&timer.into()).map(|at| at.since(lab.now))
}

#[test]
fn release_3_9_looks_an_interval_after_what_left_something_to_do() {
    let mut lab = kafka_3_9(1);
    lab.pass(Span::secs(200));
    assert_eq!((due(&lab, UNCLEAN), due(&lab, PREFERRED)), (None, None), "nothing to do");
    lab.shut_down(B1);
    assert_eq!(lab.state().leader, Some(B2));
    let since = INTERVAL.0 - due(&lab, PREFERRED).expect("a look is due").0;
    assert!(Span(since) < Span::secs(10), "counted from the change of leader");
    lab.start(B1);
    lab.join(B1);
    lab.pass(Span::secs(200));
    assert_eq!(lab.state().leader, Some(B2), "on a grid of 300 s it would be back");
    lab.pass(Span::secs(100));
    assert_eq!(lab.state().leader, Some(B1));
    assert_eq!(due(&lab, PREFERRED), None, "nothing is left to do");
}

#[test]
fn release_3_9_looks_again_while_something_is_left_to_do() {
    let mut lab = kafka_3_9(1);
    for broker in [B2, B3, B1] {
        lab.kill(broker);
        lab.until_fenced(broker);
    }
    let left = due(&lab, UNCLEAN).expect("no leader");
    assert!(INTERVAL.0 - left.0 <= Span::millis(10).0, "counted from the loss of the leader");
    lab.start(B2);
    lab.pass(INTERVAL);
    assert_eq!(lab.state().leader, None, "unclean elections are not allowed");
    assert!(due(&lab, UNCLEAN).is_some_and(|left| left > Span::secs(250)));
    lab.set_config(TopicKey::UncleanLeaderElection, 1);
    lab.pass(INTERVAL);
    assert_eq!(lab.state().leader, Some(B2));
    assert_eq!(due(&lab, UNCLEAN), None);
}

#[test]
fn periodic_tasks_are_anywhere_in_their_interval_at_time_zero_and_whole_after_a_restart() {
    let mut lab = kafka_4_1(1);
    let mut first = |initial| {
        let config = ControllerStart { initial, ..start(true, 1) };
        let disk = lab.controller.clone().stop();
        lab.controller = Controller::start(config, disk, &mut ctx!(lab));
        lab.drain();
        (due(&lab, UNCLEAN).expect("periodic"), due(&lab, PREFERRED).expect("periodic"))
    };
    assert_eq!(first(false), (INTERVAL, INTERVAL));
    let phases: Vec<_> = (0..8).map(|_| first(true)).collect();
    assert!(phases.iter().all(|(a, b)| *a < INTERVAL && *b < INTERVAL && a != b), "{phases:?}");
    assert!(phases.iter().any(|(a, _)| *a < Span::secs(150)), "{phases:?}");
    assert!(phases.iter().any(|(a, _)| *a > Span::secs(150)), "{phases:?}");
}

#[test]
fn a_property_that_is_set_to_its_value_leaves_the_elr_alone() {
    let mut lab = kafka_4_1(2);
    for broker in [B2, B3] {
        lab.kill(broker);
        lab.until_fenced(broker);
    }
    let (before, end) = (lab.state(), lab.controller.image.end());
    assert_eq!(before.elr, ReplicaSet::only(2));
    lab.set_config(TopicKey::MinInsyncReplicas, 2);
    assert_eq!((lab.state(), lab.controller.image.end()), (before, end), "no record at all");
    // A cluster default is written again (KAFKA-14136), and what is written clears the ELR.
    let (topic, key, value) = (None, TopicKey::MinInsyncReplicas, Some(1));
    for written in 1..=2 {
        let done = lab.ask(OPERATOR, IncrementalAlterConfigsRequest { topic, key, value }.into());
        assert_eq!(done, IncrementalAlterConfigsResponse { error: ErrorCode::None }.into());
        let log = lab.records();
        let set = log.iter().filter(|r| matches!(r, MetadataRecord::ConfigSet { topic: None, .. }));
        assert_eq!(set.count(), written);
    }
    assert_eq!(lab.state().elr, ReplicaSet::EMPTY);
}

#[test]
fn preferred_elections_are_answered_by_partition() {
    let mut lab = kafka_4_1(1);
    assert_eq!(lab.elect(ElectionType::Preferred), [], "what needs no election is not named");
    lab.shut_down(B1);
    let nobody = ErrorCode::PreferredLeaderNotAvailable;
    assert_eq!(lab.elect(ElectionType::Preferred), [(T0, nobody)]);
    lab.pass(Span::secs(10));
    lab.start(B1);
    lab.join(B1);
    assert_eq!(lab.elect(ElectionType::Preferred), [(T0, ErrorCode::None)]);
    assert_eq!(lab.state().leader, Some(B1));
}
