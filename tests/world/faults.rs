//! What faults do to a cluster, as recorded from real ones.

use highwater::base::ids::{BrokerId, NodeId};
use highwater::base::time::{Span, Time};
use highwater::model::fact::Fact;
use highwater::model::fault::Action;
use highwater::model::plan::Plan;

use crate::cluster::{Ear, at, broker, fault, plan, watch};

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
        let state = world.committed().partition(crate::cluster::P0).expect("it exists").state;
        assert_eq!(state.isr.len(), 3, "seed {seed}: the killed broker has come back");
    }
}
