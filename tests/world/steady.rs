//! A cluster to which nothing happens.

use highwater::fact::Fact;
use highwater::types::{BrokerId, Span};

use crate::cluster::{Ear, P0, at, plan, run, watch, world};

#[test]
fn records_are_acknowledged_and_consumed() {
    let (world, ear) = watch(&plan(), 1, at(10_000));
    assert!(ear.acked() > 900, "{} acknowledged", ear.acked());
    assert!(ear.consumed() > 900, "{} consumed", ear.consumed());
    assert!(ear.longest_gap().0 < Span::millis(700), "{:?}", ear.longest_gap());
    let views: Vec<_> = (1..=3).filter_map(|b| world.replica_view(BrokerId(b), P0)).collect();
    assert_eq!(views.len(), 3);
    assert!(views.iter().all(|view| view.end.0 > 900), "{views:?}");
    assert_eq!(views[0].isr.len(), 3);
    for view in &views {
        assert!(view.watermark <= view.end);
    }
}

#[test]
fn time_zero_is_told() {
    let (_, ear) = watch(&plan(), 1, at(0));
    let elected = |fact: &Fact| matches!(fact, Fact::Elected { leader: Some(BrokerId(1)), .. });
    assert_eq!(ear.times(elected).len(), 1);
    assert_eq!(ear.times(|fact| matches!(fact, Fact::BrokerUnfenced { .. })).len(), 3);
    assert!(ear.times(|fact| matches!(fact, Fact::Started { .. })).is_empty());
}

#[test]
fn nobody_is_fenced_and_no_epoch_moves() {
    let (_, ear) = watch(&plan(), 2, at(60_000));
    assert!(ear.times(|fact| matches!(fact, Fact::BrokerFenced { .. })).is_empty());
    assert_eq!(ear.times(|fact| matches!(fact, Fact::Elected { .. })).len(), 1);
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let print = |seed| watch(&plan(), seed, at(5_000)).1.fingerprint;
    assert_eq!(print(1), print(1));
    assert_ne!(print(1), print(2));
}

#[test]
fn a_fork_goes_on_as_the_original() {
    let (mut one, mut ear) = watch(&plan(), 3, at(3_000));
    let (mut two, mut other) = (one.clone(), ear.clone());
    run(&mut one, &mut ear, at(6_000));
    run(&mut two, &mut other, at(6_000));
    assert_eq!(ear.fingerprint, other.fingerprint);
    assert_eq!(one.handled(), two.handled());
}

#[test]
fn tracing_changes_nothing() {
    let plain = watch(&plan(), 4, at(2_000)).1;
    let mut traced = Ear { trace: true, ..Ear::default() };
    run(&mut world(&plan(), 4), &mut traced, at(2_000));
    assert_eq!(plain.fingerprint, traced.fingerprint);
    assert!(traced.facts.len() > plain.facts.len());
}
