//! What is promised: from the plan and the file's own expectations, each property's arming.
//!
//! Inputs are topic, producer and feature configurations, the faults a file names and the budget of
//! the random ones. Rules and drills are no input: a flawed rule breaks a promise, it does not
//! change it. The conditions are those of claims G1, G3, G6, G7, G8 and G12.

use crate::base::time::Span;
use crate::model::config::{Acks, ProducerConfig};
use crate::model::fault::{Action, FaultKind, MOST_DRAWN_SKEW, Timing};
use crate::model::plan::{AppPlan, Plan, ProcessPlan, Taint};
use crate::model::script::Step;

use super::expect::{ExpectLine, Expectation};
use super::ghost::wall_margin;
use super::properties::{PROPERTIES, PropertyKind};

/// How a property is taken in one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Armed {
    /// Guaranteed: one finding fails the run. (A liveness property: not meeting it does.)
    Never,
    /// May happen by design: counted and shown.
    Allowed,
    /// Nobody promised it: not shown as a guarantee.
    NotPromised,
}

type Ruling = (Armed, &'static str);

const ALWAYS: Ruling = (Armed::Never, "holds in every configuration");
const STATED: &str = "the file says so";

/// The properties that one loss breaks together.
const BROKEN_BY_LOSS: [&str; 6] = [
    "acked-lost",
    "committed-lost",
    "leader-incomplete",
    "candidate-incomplete",
    "inconsistent-read",
    "dirty-read",
];

/// Each data and liveness property of a column: how it is armed, and why.
#[must_use]
pub fn promise(plan: &Plan, stated: &[ExpectLine]) -> Vec<(&'static str, Armed, &'static str)> {
    let lines = || stated.iter().filter(|l| l.applies_to(&plan.kafka));
    let may_break = |kind: PropertyKind| {
        lines().any(|line| match line.expectation {
            Expectation::Sometimes(name) | Expectation::Always(name) => {
                PROPERTIES.iter().any(|p| p.name == name && p.kind == kind)
            }
            _ => false,
        })
    };
    let broken = may_break(PropertyKind::Data);
    let guarantees = PROPERTIES.iter().filter(|p| p.kind != PropertyKind::Mark);
    guarantees
        .map(|property| {
            let own = lines().rev().find(|l| l.expectation.property() == Some(property.name));
            let (armed, why) = match own.map(|l| l.expectation) {
                Some(Expectation::Never(_) | Expectation::Liveness { .. }) => {
                    (Armed::Never, STATED)
                }
                Some(_) => (Armed::Allowed, STATED),
                None => derived(plan, property.name, property.kind),
            };
            let derived_data = own.is_none() && property.kind == PropertyKind::Data;
            if derived_data && broken && armed == Armed::Never && property.name != "audit-failed" {
                let why = "the file expects another data guarantee to be broken";
                return (property.name, Armed::Allowed, why);
            }
            (property.name, armed, why)
        })
        .collect()
}

fn derived(plan: &Plan, name: &str, kind: PropertyKind) -> Ruling {
    if kind == PropertyKind::Liveness {
        return liveness(plan, name);
    }
    match name {
        "acked-lost" => acked_lost(plan),
        "log-diverged" => match unclean(plan) {
            Some(ruling) => ruling,
            None => ALWAYS,
        },
        name if BROKEN_BY_LOSS.contains(&name) => loss(plan).unwrap_or(ALWAYS),
        "duplicate" => numbered(plan, DUPLICATES),
        "order-broken" => numbered(plan, DISORDER),
        _ => ALWAYS,
    }
}

/// A configuration in which a leader does not recognise each batch that it has already, and why.
struct Exception {
    holds: fn(&Plan) -> bool,
    why: &'static str,
}

/// When a record may be in the log twice.
const DUPLICATES: &[Exception] = &[
    Exception {
        holds: |plan| producers(plan).any(|p| !p.idempotence),
        why: "a producer retries without idempotence",
    },
    FORGOTTEN,
    SKEWED,
];

/// When a record may stand behind a later one.
const DISORDER: &[Exception] = &[
    Exception {
        holds: |plan| producers(plan).any(|p| !p.idempotence && p.max_in_flight > 1),
        why: "a producer has several requests in flight without idempotence",
    },
    Exception {
        holds: |plan| producers(plan).any(|p| !p.idempotence),
        why: "without idempotence a request may land after its delivery time-out",
    },
    FORGOTTEN,
    SKEWED,
];

/// A leader forgets a producer no sooner than `producer.id.expiration.ms` after the timestamp of
/// its last batch: at the next check, or at once where it loads or truncates the log. So the
/// interval of the checks promises nothing, and the last retry must have come by then.
const FORGOTTEN: Exception = Exception {
    holds: |plan| retries(plan).is_some_and(|retries| retries > expiration(plan)),
    why: "a producer may expire (producer.id.expiration.ms) before its last retry lands",
};

/// The same where a fault sets a wall clock ahead: timestamps look as much older.
const SKEWED: Exception = Exception {
    holds: |plan| {
        let late = retries(plan).map(|retries| retries + skew(plan));
        late.is_some_and(|late| late > expiration(plan))
    },
    why: "a wall clock that is moved may let a producer expire before its last retry lands",
};

fn numbered(plan: &Plan, exceptions: &[Exception]) -> Ruling {
    let exception = exceptions.iter().find(|exception| (exception.holds)(plan));
    exception.map_or((Armed::Never, "every producer is idempotent"), |e| (Armed::Allowed, e.why))
}

/// How old the timestamp of a batch looks at most, by clocks as the plan has them, when its last
/// retry lands; nothing if no producer is idempotent. A request that was sent in time may be held
/// up by a fault for as long as TCP keeps trying.
fn retries(plan: &Plan) -> Option<Span> {
    let idempotent = producers(plan).filter(|p| p.idempotence);
    let longest = idempotent.map(|p| p.delivery_timeout).max()?;
    let calm = plan.faults.is_empty() && plan.script.is_empty();
    let held = if calm { Span::ZERO } else { plan.network.give_up };
    Some(longest + held + wall_margin(plan))
}

/// The least `producer.id.expiration.ms`.
fn expiration(plan: &Plan) -> Span {
    let brokers = plan.brokers.iter().map(|broker| broker.config.producer_id_expiration);
    brokers.min().unwrap_or(Span::FOREVER)
}

/// How far faults move wall clocks apart: a producer's back and a leader's ahead.
pub(crate) fn skew(plan: &Plan) -> Span {
    let named = named_actions(plan).filter_map(|(action, _)| match action {
        Action::ClockSkew { offset, .. } => Some(*offset),
        _ => None,
    });
    let drawn = plan.faults.iter().filter_map(|line| match &line.timing {
        Timing::Swarm { kinds, .. } => {
            let draws = kinds.is_empty() || kinds.contains(&FaultKind::ClockSkew);
            draws.then_some(MOST_DRAWN_SKEW)
        }
        _ => None,
    });
    let most = named.chain(drawn).max().unwrap_or(Span::ZERO);
    most + most
}

fn producers(plan: &Plan) -> impl Iterator<Item = &ProducerConfig> {
    plan.processes.iter().filter_map(|process| process.app.producer())
}

fn acked_lost(plan: &Plan) -> Ruling {
    match producers(plan).map(|p| p.acks).min() {
        Some(Acks::None) => (Armed::NotPromised, "acks=0 may lose anything silently"),
        Some(Acks::Leader) => {
            (Armed::NotPromised, "acks=1 loses what nobody fetched before the leader went")
        }
        Some(Acks::All) | None => loss(plan).unwrap_or((
            Armed::Never,
            "acks=all, unclean election off, and no fault takes more than the promise allows",
        )),
    }
}

/// Every fault and operation that the file names, with whether the budget is asked for it.
fn named_actions(plan: &Plan) -> impl Iterator<Item = (&Action, bool)> {
    let lines = plan.faults.iter().filter_map(|line| {
        let random = matches!(line.timing, Timing::Every { .. } | Timing::Swarm { .. });
        Some((line.action.as_ref()?, random))
    });
    let steps = plan.script.iter().filter_map(|step| match &step.step {
        Step::Do { action, .. } => Some((action, false)),
        _ => None,
    });
    lines.chain(steps)
}

fn unclean(plan: &Plan) -> Option<Ruling> {
    use crate::model::config::TopicKey;
    let turned_on = |action: &Action| match action {
        Action::ElectUnclean { .. } => true,
        Action::SetConfig { key, value, .. } => {
            *key == TopicKey::UncleanLeaderElection && *value != 0
        }
        _ => false,
    };
    let on = plan.topics.iter().any(|t| t.config.unclean_leader_election);
    (on || named_actions(plan).any(|(a, _)| turned_on(a)))
        .then_some((Armed::Allowed, "unclean election trades consistency for availability"))
}

/// Why committed records may be lost, if they may.
fn loss(plan: &Plan) -> Option<Ruling> {
    if let Some(ruling) = unclean(plan) {
        return Some(ruling);
    }
    if let Some(ruling) = author_cuts(plan) {
        return Some(ruling);
    }
    let swarm_cuts = |timing: &Timing| match timing {
        Timing::Swarm { kinds, .. } => {
            kinds.is_empty() || kinds.iter().any(|kind| cuts_a_tail(*kind))
        }
        _ => false,
    };
    let random = plan.faults.iter().any(|l| swarm_cuts(&l.timing))
        || named_actions(plan).any(|(a, random)| random && cuts_a_tail(a.kind()));
    if !random {
        return None;
    }
    if !plan.promise.refuse_beyond {
        return Some((Armed::Allowed, "random faults go beyond the budget"));
    }
    if plan.promise.min_insync <= 1 {
        return None; // the budget refuses every fault that cuts a tail
    }
    if plan.promise.taint == Taint::TailLost {
        return Some((Armed::Allowed, "the budget does not count kill -9"));
    }
    if !plan.features.eligible_leader_replicas {
        return Some((Armed::Allowed, "the last replica of an ISR may lose its page cache"));
    }
    let least = plan.topics.iter().map(|t| t.config.min_insync_replicas).min().unwrap_or(1);
    if least < plan.promise.min_insync {
        return Some((Armed::Allowed, "min.insync.replicas is below what the budget assumes"));
    }
    None
}

const fn cuts_a_tail(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::PowerLoss | FaultKind::Wipe | FaultKind::CorruptLog)
}

/// Faults that the author placed happen whatever the budget says.
fn author_cuts(plan: &Plan) -> Option<Ruling> {
    named_actions(plan)
        .any(|(action, random)| !random && cuts_a_tail(action.kind()))
        .then_some((Armed::Allowed, "the file itself takes bytes from disks"))
}

fn liveness(plan: &Plan, name: &str) -> Ruling {
    if !plan.run.heal {
        return (Armed::NotPromised, "nothing is healed");
    }
    let endless = producers(plan).any(|p| p.delivery_timeout == Span::FOREVER);
    if name == "requests-end" && endless {
        return (Armed::NotPromised, "a producer waits for ever");
    }
    if plan.brokers.iter().any(|b| b.disk_capacity != u64::MAX) {
        return (Armed::Allowed, "a disk may fill up for good");
    }
    if name == "lag-drains" && plan.processes.iter().any(is_slow_reader) {
        return (Armed::Allowed, "a consumer takes its time for each record");
    }
    let own = |process: &ProcessPlan| matches!(process.app, AppPlan::Own(_));
    if name == "lag-drains" && plan.processes.iter().any(own) {
        return (Armed::Allowed, "an application of one's own reads when it likes");
    }
    (Armed::Never, "everything is healed and has time to converge")
}

fn is_slow_reader(process: &ProcessPlan) -> bool {
    matches!(&process.app, AppPlan::Consumer(c) if c.processing > Span::ZERO)
}

#[cfg(test)]
mod tests {
    use super::{Armed, promise};
    use crate::base::ids::BrokerId;
    use crate::base::ids::NodeId;
    use crate::base::time::{Span, Time};
    use crate::check::expect::{ExpectLine, Expectation};
    use crate::check::forge::plan;
    use crate::model::config::Acks;
    use crate::model::fault::{Action, FaultLine, Keep, SwarmLevel, Target, Timing};
    use crate::model::plan::{AppPlan, Plan};

    fn armed(plan: &Plan, stated: &[ExpectLine], name: &str) -> Armed {
        promise(plan, stated).iter().find(|(n, _, _)| *n == name).expect(name).1
    }

    fn line(timing: Timing, action: Option<Action>) -> FaultLine {
        let target = Some(Target::Node(NodeId::Broker(BrokerId(1))));
        FaultLine { timing, target, length: Some(Span::secs(1)), action }
    }

    fn swarm() -> FaultLine {
        let timing = Timing::Swarm {
            level: SwarmLevel::Gentle,
            kinds: vec![],
            from: Time::ZERO,
            until: Time(1),
        };
        line(timing, None)
    }

    #[test]
    fn the_golden_setting_promises_everything() {
        let mut plan = plan();
        plan.faults = vec![swarm(), line(Timing::At(Time(5)), Some(Action::Crash))];
        plan.promise.min_insync = 2;
        assert!(promise(&plan, &[]).iter().all(|(_, armed, _)| *armed == Armed::Never));
    }

    #[test]
    fn each_precondition_taken_away_lifts_the_promise() {
        type Case = (&'static str, fn(&mut Plan));
        let cases: [Case; 6] = [
            ("unclean", |p| p.topics[0].config.unclean_leader_election = true),
            ("elr", |p| p.features.eligible_leader_replicas = false),
            ("min.insync", |p| p.topics[0].config.min_insync_replicas = 1),
            ("beyond", |p| p.promise.refuse_beyond = false),
            ("taint", |p| p.promise.taint = crate::model::plan::Taint::TailLost),
            ("power loss", |p| {
                let action = Action::PowerLoss { keep: Keep::Nothing };
                p.faults.push(line(Timing::At(Time(5)), Some(action)));
            }),
        ];
        for (name, change) in cases {
            let mut plan = plan();
            plan.faults = vec![swarm()];
            plan.promise.min_insync = 2;
            change(&mut plan);
            for property in super::BROKEN_BY_LOSS {
                assert_eq!(armed(&plan, &[], property), Armed::Allowed, "{name} {property}");
            }
            assert_eq!(armed(&plan, &[], "two-leaders"), Armed::Never, "{name}");
        }
    }

    #[test]
    fn producers_decide_about_acks_order_and_duplicates() {
        let mut plan = plan();
        let AppPlan::Producer(producer) = &mut plan.processes[0].app else { panic!("a producer") };
        producer.config.acks = Acks::Leader;
        producer.config.idempotence = false;
        assert_eq!(armed(&plan, &[], "acked-lost"), Armed::NotPromised);
        assert_eq!(armed(&plan, &[], "committed-lost"), Armed::Never);
        assert_eq!(armed(&plan, &[], "duplicate"), Armed::Allowed);
        assert_eq!(armed(&plan, &[], "order-broken"), Armed::Allowed);
    }

    #[test]
    fn duplicates_and_order_are_promised_while_no_leader_forgets_a_producer_that_retries() {
        // Timestamps are rounded down to milliseconds twice, and clocks are 1 s off either way.
        let of = |expiration: Span, change: &dyn Fn(&mut Plan)| {
            let mut plan = plan();
            plan.wall_offset = Span::secs(1);
            plan.brokers[2].config.producer_id_expiration = expiration;
            plan.brokers[2].config.producer_id_expiration_check_interval = Span::secs(600);
            change(&mut plan);
            let armed = ["duplicate", "order-broken"].map(|name| armed(&plan, &[], name));
            assert_eq!(armed[0], armed[1]);
            armed[0]
        };
        let skew = |offset| {
            let action = Action::ClockSkew { offset, back: true };
            move |plan: &mut Plan| {
                plan.faults = vec![line(Timing::At(Time(5)), Some(action.clone()))]
            }
        };
        let longest = Span::secs(120) + Span::secs(2) + Span::millis(2);
        // What a fault holds up may land as long after as TCP tries.
        let held = longest + Span::secs(900);
        let cut =
            |plan: &mut Plan| plan.faults = vec![line(Timing::At(Time(5)), Some(Action::Crash))];
        let less = |span: Span| Span(span.0 - 1);
        type Case<'a> = (Span, &'a dyn Fn(&mut Plan));
        let cases: [Case<'_>; 5] = [
            (longest, &|_| ()),
            (held, &cut),
            (held + Span::secs(10), &skew(Span::secs(5))),
            (held + Span::secs(20), &|plan| plan.faults = vec![swarm()]),
            (Span::secs(32) + Span::millis(2), &|plan| {
                let AppPlan::Producer(p) = &mut plan.processes[0].app else { panic!("a producer") };
                p.config.delivery_timeout = Span::secs(30);
            }),
        ];
        for (place, (expiration, change)) in cases.into_iter().enumerate() {
            assert_eq!(of(expiration, change), Armed::Never, "{place}");
            assert_eq!(of(less(expiration), change), Armed::Allowed, "{place}");
        }
        // What only facts can tell is promised all the same.
        let mut plan = plan();
        plan.brokers[0].config.producer_id_expiration = Span::secs(1);
        for name in ["sequence-gap", "producer-unfenced", "rejected-but-written"] {
            assert_eq!(armed(&plan, &[], name), Armed::Never, "{name}");
        }
    }

    #[test]
    fn a_file_outranks_what_is_derived() {
        let stated = |expectation| [ExpectLine { expectation, kafka: Some("4.1".to_owned()) }];
        let mut plan = plan();
        let sometimes = stated(Expectation::Sometimes("acked-lost"));
        assert_eq!(armed(&plan, &sometimes, "acked-lost"), Armed::Allowed);
        assert_eq!(armed(&plan, &sometimes, "leader-incomplete"), Armed::Allowed);
        let mark = stated(Expectation::Sometimes("follower-truncated"));
        assert_eq!(armed(&plan, &mark, "acked-lost"), Armed::Never);
        plan.topics[0].config.unclean_leader_election = true;
        let never = stated(Expectation::Never("acked-lost"));
        assert_eq!(armed(&plan, &never, "acked-lost"), Armed::Never);
        plan.kafka = "3.9".to_owned();
        assert_eq!(armed(&plan, &never, "acked-lost"), Armed::Allowed);
        plan.run.heal = false;
        assert_eq!(armed(&plan, &[], "isr-fills"), Armed::NotPromised);
    }
}
