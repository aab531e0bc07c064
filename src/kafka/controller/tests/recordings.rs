//! Partition states recorded from real brokers (`conformance/recordings`), reproduced by letting
//! the same things happen around a bare controller.

use crate::base::ids::{BrokerId, ReplicaSet};
use crate::base::time::Span;
use crate::kafka::controller::tests::lab::{B1, B2, B3, Lab, T0, kafka_3_9, kafka_4_1};
use crate::model::config::TopicKey;
use crate::model::error::ErrorCode;

/// As the recordings print it: leader, leader epoch, ISR, ELR, last known ELR, recovering. The
/// partition epoch is the row's number.
type Row = (u16, u32, &'static [u16], &'static [u16], u16, bool);

fn compare(recording: &str, lab: &Lab, expected: &[Row]) {
    let number = |broker: Option<BrokerId>| broker.map_or(0, |b| b.0);
    let members = |set: ReplicaSet| set.iter().map(|i| i as u16 + 1).collect::<Vec<_>>();
    let states = lab.states();
    for (epoch, (state, row)) in states.iter().zip(expected).enumerate() {
        let (leader, leader_epoch, isr, elr, last, recovering) = *row;
        assert_eq!(number(state.leader), leader, "{recording}, leader of {epoch}");
        assert_eq!(state.leader_epoch.0, leader_epoch, "{recording}, leader epoch of {epoch}");
        assert_eq!(state.partition_epoch.0 as usize, epoch, "{recording}, partition epoch");
        assert_eq!(members(state.isr), isr, "{recording}, ISR of {epoch}");
        assert_eq!(members(state.elr), elr, "{recording}, ELR of {epoch}");
        assert_eq!(number(state.last_known_elr), last, "{recording}, last known of {epoch}");
        assert_eq!(state.recovering, recovering, "{recording}, recovery of {epoch}");
    }
    assert_eq!(states.len(), expected.len(), "{recording}: {states:?}");
}

fn unclean_election(mut lab: Lab) -> Lab {
    lab.shut_down(B2);
    lab.shut_down(B3);
    lab.kill(B1);
    lab.until_fenced(B1);
    lab.start(B2);
    lab.pass(Span::secs(12));
    lab.set_config(TopicKey::UncleanLeaderElection, 1);
    lab.pass(Span::secs(8));
    assert_eq!(lab.state().leader, None, "allowing it elects nobody by itself");
    assert_eq!(lab.elect_unclean(T0), ErrorCode::None);
    lab.start(B1);
    lab.join(B1);
    lab
}

#[test]
fn recorded_unclean_election() {
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (1, 0, &[1, 3], &[], 0, false),
        (1, 0, &[1], &[], 0, false),
        (0, 1, &[], &[1], 1, false),
        (2, 2, &[2], &[], 0, true),
        (2, 2, &[1, 2], &[], 0, false),
    ];
    compare("4.1.1/unclean-election", &unclean_election(kafka_4_1(1)), &expected);
    let mut old = expected;
    old[3] = (0, 1, &[1], &[], 0, false);
    compare("3.9.2/unclean-election", &unclean_election(kafka_3_9(1)), &old);
}

fn kill_then_lost_tail(mut lab: Lab) -> Lab {
    for broker in [B3, B2] {
        lab.kill(broker);
        lab.until_fenced(broker);
    }
    lab.start(B2);
    lab.pass(Span::secs(5));
    lab.kill(B1);
    lab.until_fenced(B1);
    lab.start(B1);
    lab.join(B2);
    lab.start(B3);
    lab.join(B3);
    lab
}

#[test]
fn recorded_kill_then_lost_tail() {
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (1, 0, &[1, 2], &[], 0, false),
        (1, 0, &[1], &[2], 0, false),
        (1, 0, &[1], &[], 0, false),
        (0, 1, &[], &[1], 1, false),
        (0, 1, &[], &[], 1, false),
        (1, 2, &[1], &[], 0, true),
        (1, 2, &[1, 2], &[], 0, false),
        (1, 2, &[1, 2, 3], &[], 0, false),
    ];
    compare("4.1.1/kill-then-lost-tail", &kill_then_lost_tail(kafka_4_1(2)), &expected);
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (1, 0, &[1, 2], &[], 0, false),
        (1, 0, &[1], &[], 0, false),
        (0, 1, &[1], &[], 0, false),
        (1, 2, &[1], &[], 0, false),
        (1, 2, &[1, 2], &[], 0, false),
        (1, 2, &[1, 2, 3], &[], 0, false),
    ];
    compare("3.9.2/kill-then-lost-tail", &kill_then_lost_tail(kafka_3_9(2)), &expected);
}

fn eligible_leader_replicas(mut lab: Lab) -> Lab {
    for broker in [B2, B3, B1] {
        lab.kill(broker);
        lab.until_fenced(broker);
    }
    for broker in [B2, B3, B1] {
        lab.start(broker);
        lab.pass(Span::secs(12));
    }
    lab.join(B3);
    lab.join(B2);
    lab
}

#[test]
fn recorded_eligible_leader_replicas() {
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (1, 0, &[1, 3], &[], 0, false),
        (1, 0, &[1], &[3], 0, false),
        (0, 1, &[], &[1, 3], 1, false),
        (0, 1, &[], &[1], 1, false),
        (0, 1, &[], &[], 1, false),
        (1, 2, &[1], &[], 0, true),
        (1, 2, &[1, 3], &[], 0, false),
        (1, 2, &[1, 2, 3], &[], 0, false),
    ];
    let lab = eligible_leader_replicas(kafka_4_1(2));
    compare("4.1.1/eligible-leader-replicas", &lab, &expected);
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (1, 0, &[1, 3], &[], 0, false),
        (1, 0, &[1], &[], 0, false),
        (0, 1, &[1], &[], 0, false),
        (1, 2, &[1], &[], 0, false),
        (1, 2, &[1, 3], &[], 0, false),
        (1, 2, &[1, 2, 3], &[], 0, false),
    ];
    let lab = eligible_leader_replicas(kafka_3_9(2));
    compare("3.9.2/eligible-leader-replicas", &lab, &expected);
}

fn min_insync(mut lab: Lab) -> Lab {
    for broker in [B2, B3] {
        lab.kill(broker);
        lab.until_fenced(broker);
    }
    lab.pass(Span::secs(11));
    lab.start(B3);
    lab.join(B3);
    lab
}

#[test]
fn recorded_min_insync() {
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (1, 0, &[1, 3], &[], 0, false),
        (1, 0, &[1], &[3], 0, false),
        (1, 0, &[1], &[], 0, false),
        (1, 0, &[1, 3], &[], 0, false),
    ];
    compare("4.1.1/min-insync", &min_insync(kafka_4_1(2)), &expected);
    let expected = [expected[0], expected[1], (1, 0, &[1], &[], 0, false), expected[4]];
    compare("3.9.2/min-insync", &min_insync(kafka_3_9(2)), &expected);
}

/// Gives how long each broker waited to be let in again.
fn rolling_restart(lab: &mut Lab) -> Vec<Span> {
    let restart = |broker| {
        lab.shut_down(broker);
        lab.pass(Span::secs(3));
        let waited = lab.start(broker);
        lab.join(broker);
        lab.pass(Span::secs(2));
        waited
    };
    [B1, B2, B3].map(restart).to_vec()
}

#[test]
fn recorded_rolling_restart() {
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (2, 1, &[2, 3], &[], 0, false),
        (2, 1, &[1, 2, 3], &[], 0, false),
        (1, 2, &[1, 3], &[], 0, false),
        (1, 2, &[1, 2, 3], &[], 0, false),
        (1, 2, &[1, 2], &[], 0, false),
        (1, 2, &[1, 2, 3], &[], 0, false),
    ];
    let mut lab = kafka_4_1(2);
    for waited in rolling_restart(&mut lab) {
        assert!(waited > Span::secs(5), "4.1 keeps the session: refused for {waited}");
    }
    compare("4.1.1/rolling-restart", &lab, &expected);
    let mut lab = kafka_3_9(2);
    for waited in rolling_restart(&mut lab) {
        assert_eq!(waited, Span::ZERO, "3.9 drops the session: let in at once");
    }
    compare("3.9.2/rolling-restart", &lab, &expected);
}

#[test]
fn recorded_leader_crash_and_disk_full() {
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (2, 1, &[2, 3], &[], 0, false),
        (2, 1, &[1, 2, 3], &[], 0, false),
    ];
    for mut lab in [kafka_4_1(2), kafka_3_9(2)] {
        lab.kill(B1);
        lab.until_fenced(B1);
        compare("disk-full", &lab, &expected[..2]);
        lab.start(B1);
        lab.join(B1);
        compare("leader-crash-acks-all, leader-crash-acks-1, lost-tail-one", &lab, &expected);
    }
}

#[test]
fn recorded_cut_leader_from_followers() {
    let mut lab = kafka_4_1(2);
    let error = lab.propose(B1, |ask| ask.state.isr = ReplicaSet::only(0));
    assert_eq!(error, ErrorCode::None);
    lab.join(B2);
    lab.join(B3);
    let expected = [
        (1, 0, &[1, 2, 3][..], &[][..], 0, false),
        (1, 0, &[1], &[2, 3], 0, false),
        (1, 0, &[1, 2], &[], 0, false),
        (1, 0, &[1, 2, 3], &[], 0, false),
    ];
    compare("4.1.1/cut-leader-from-followers", &lab, &expected);
}
