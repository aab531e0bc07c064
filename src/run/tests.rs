//! Runs with applications of a reader's own: what they see, and that they are judged like ours.

use std::sync::{Arc, Mutex};

use crate::app::{Applications, ApplicationsError, ours};
use crate::base::time::Span;
use crate::kafka::client::{
    Application, Clients, CloneApplication, ConsumerRecord, NewRecord, Polled, Sending,
};
use crate::kafka::start::Command;
use crate::model::config::{Acks, ProducerConfig};
use crate::model::fact::Fact;
use crate::model::plan::{AppPlan, Plan};
use crate::model::rules::Drill;
use crate::scenario::builder::{Consumer, Fault, Producer, ScenarioBuilder, Topic};
use crate::scenario::{load_str, with_schedule};

use super::{AUDITED_AT_ONCE, Ended, Options, Outcome, run, run_with};

/// Two topics, a producer of keyed records to the first, a consumer of all of it, and a leader that
/// is killed.
fn plan() -> Plan {
    let topic = |name: &str| Topic::new(name).partitions(2).config("min.insync.replicas", 2);
    let reader = Consumer::new("till").assign(&["orders-0", "orders-1"]);
    let reader = reader.config("auto.offset.reset", "earliest");
    let producer = Producer::new("shop").topics(&["orders"]).rate("50/s").keys(5);
    let built = ScenarioBuilder::new("own applications")
        .topic(topic("orders"))
        .topic(topic("bills"))
        .producer(producer)
        .consumer(reader)
        .fault(Fault::new("crash").at("8s").target("leader:orders-0").lasts("5s"))
        .duration("20s")
        .build();
    built.unwrap_or_else(|found| panic!("{found}")).columns.remove(0)
}

/// The plan, its consumer left to an application of one's own.
fn left() -> Plan {
    let mut plan = plan();
    plan.own("till").expect("there is one");
    plan
}

fn one(app: impl Application + 'static) -> Applications {
    vec![("till", Box::new(app))]
}

fn with(plan: &Plan, app: impl Application + 'static, options: Options) -> Outcome {
    run_with(plan, one(app), 3, options).unwrap_or_else(|error| panic!("{error}"))
}

/// Does what the application inside does.
#[derive(Clone, Debug)]
struct Wrapped(Box<dyn Application>);

impl Application for Wrapped {
    fn begin(&mut self, clients: &mut Clients<'_, '_>) {
        self.0.begin(clients);
    }

    fn command(&mut self, command: Command, clients: &mut Clients<'_, '_>) {
        self.0.command(command, clients);
    }

    fn polled(&mut self, records: &[Polled], clients: &mut Clients<'_, '_>) {
        self.0.polled(records, clients);
    }
}

#[test]
fn an_application_that_does_as_ours_gives_the_same_run() {
    let plan = plan();
    let same = Wrapped(ours(&plan.processes[1].app).expect("it is ours"));
    let (own, our) = (with(&left(), same, Options::default()), run(&plan, 3, Options::default()));
    assert_eq!((own.fingerprint, own.events), (our.fingerprint, our.events));
    assert_eq!(own.checks.exercised("dirty-read"), our.checks.exercised("dirty-read"));
    assert!(own.checks.exercised("dirty-read") > 0, "the reads of an own application are judged");
}

/// Keeps what it reads.
#[derive(Clone, Debug, Default)]
struct Keeps(Arc<Mutex<Vec<ConsumerRecord>>>);

impl Application for Keeps {
    fn consumed(&mut self, record: &ConsumerRecord, clients: &mut Clients<'_, '_>) {
        assert_eq!(Some(record.topic), clients.topic("orders"));
        self.0.lock().expect("one thread").push(*record);
    }
}

#[test]
fn a_consumer_sees_what_was_sent() {
    let keeps = Keeps::default();
    let outcome = with(&left(), keeps.clone(), Options::default());
    let read = keeps.0.lock().expect("one thread");
    assert_eq!(read.len() as u64, outcome.summary.counts.consumed);
    assert!(read.len() > 900, "{} records", read.len());
    let mut values: Vec<u32> = read.iter().map(|record| record.value).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), read.len(), "no record was read twice");
    // What was committed at the heal is read by the end.
    assert!((0..900).all(|value| values.binary_search(&value).is_ok()));
    for partition in 0..2 {
        let of: Vec<&ConsumerRecord> = read.iter().filter(|r| r.partition == partition).collect();
        assert!(!of.is_empty());
        for (place, record) in of.iter().enumerate() {
            assert_eq!(record.offset.0, place as u64, "every offset, in order");
            assert!(record.key.is_some_and(|key| key < 5) && record.value_bytes == 100);
            // A key has one partition, and values of one producer come in order.
            let of_key = read.iter().filter(|r| r.key == record.key);
            assert!(of_key.clone().all(|r| r.partition == partition));
        }
        assert!(of.windows(2).all(|two| two[0].value < two[1].value));
        assert!(of.windows(2).all(|two| two[0].timestamp <= two[1].timestamp));
    }
}

#[test]
fn a_run_of_ours_keeps_no_payloads() {
    let plan = plan();
    let world = crate::sim::world::World::new(&plan, 1, crate::app::build(&plan));
    assert!(!world.keeps_payloads());
    let left = left();
    let apps = crate::app::build_with(&left, one(Keeps::default())).expect("they go together");
    assert!(crate::sim::world::World::new(&left, 1, apps).keeps_payloads());
}

/// Reads orders and writes a bill for each, keyed like the order.
#[derive(Clone, Debug, Default)]
struct Bills;

impl Application for Bills {
    fn consumed(&mut self, record: &ConsumerRecord, clients: &mut Clients<'_, '_>) {
        let bills = clients.topic("bills").expect("there is one");
        // Each has a thread of its own: one whose send blocks must not send again.
        let thread = record.value as u16;
        let bill = NewRecord { key: record.key, thread, ..NewRecord::new(bills, record.value) };
        let sent = clients.send(bill);
        assert!(matches!(sent, Sending::Queued(..) | Sending::Blocked));
    }
}

/// The plan with a producer beside the consumer of its own application.
fn copying(change: impl FnOnce(&mut ProducerConfig)) -> Plan {
    let mut plan = plan();
    let producer = &mut plan.own("till").expect("there is one").producer;
    change(producer.insert(ProducerConfig::default()));
    plan
}

#[test]
fn what_an_own_application_writes_is_judged() {
    let plan = copying(|_| ());
    let outcome = with(&plan, Bills, Options::default());
    assert_eq!(outcome.ended, Ended::Done);
    assert!(outcome.checks.violations().is_empty(), "{:?}", outcome.checks.violations());
    let consumed = outcome.summary.counts.consumed;
    let acked = outcome.summary.counts.acked;
    assert!(consumed > 900 && acked >= 2 * consumed, "{acked} acked: orders, and a bill for each");
    // Bills of the same keys are misplaced by the drill, beyond what the shop's orders are.
    let drilled = |plan: &Plan, app: Option<Bills>| {
        let options = Options { drill: Some(Drill::KeyIgnored), ..Options::default() };
        let outcome = app.map_or_else(|| run(plan, 3, options), |app| with(plan, app, options));
        outcome.checks.count("key-misplaced")
    };
    let (shop, both) = (drilled(&self::plan(), None), drilled(&plan, Some(Bills)));
    assert!(shop > 0 && both > shop + shop / 2, "{shop} orders, {both} with bills");
}

#[test]
fn the_promise_heeds_the_clients_of_an_own_application() {
    use crate::check::promise::{Armed, promise};
    let armed = |plan: &Plan, name: &str| {
        promise(plan, &[]).iter().find(|(property, _, _)| *property == name).expect(name).1
    };
    assert_eq!(armed(&plan(), "lag-drains"), Armed::Never);
    assert_eq!(armed(&left(), "lag-drains"), Armed::Allowed, "nobody knows how fast it reads");
    assert_eq!(armed(&copying(|_| ()), "acked-lost"), Armed::Never);
    assert_eq!(
        armed(&copying(|config| config.acks = Acks::Leader), "acked-lost"),
        Armed::NotPromised
    );
}

#[test]
fn plans_and_applications_must_go_together() {
    let name = |name: &str| name.to_owned();
    let refused = |plan: &Plan, names: &[&'static str]| {
        let apps = names.iter().map(|name| (*name, Keeps::default().clone_box())).collect();
        run_with(plan, apps, 1, Options::default()).expect_err("they do not")
    };
    let ours = plan();
    assert_eq!(refused(&left(), &[]), ApplicationsError::Missing { name: name("till") });
    assert_eq!(refused(&ours, &["till"]), ApplicationsError::NotOwn { name: name("till") });
    let twice = refused(&left(), &["till", "till"]);
    assert_eq!(twice, ApplicationsError::NotOwn { name: name("till") });
    let unknown = refused(&left(), &["till", "tills"]);
    let there = name("shop, till");
    assert_eq!(unknown, ApplicationsError::NoProcess { name: name("tills"), there });
    assert!(ours.clone().own("nobody").is_none());
    let mut left = ours.clone();
    assert_eq!(*left.own("till").expect("there is one"), ours.processes[1].app.clients());
    assert!(matches!(left.processes[1].app, AppPlan::Own(_)));
}

#[test]
fn audits_of_a_large_cluster_go_in_turns_and_the_last_passes_none_over() {
    let (partitions, replicas) = (700, 3);
    let built = ScenarioBuilder::new("wide")
        .topic(Topic::new("wide").partitions(partitions))
        .producer(Producer::new("p").rate("100/s"))
        .duration("2s")
        .build();
    let mut plan = built.unwrap_or_else(|found| panic!("{found}")).columns.remove(0);
    plan.run.audit_events = 100;
    let outcome = run(&plan, 1, Options::default());
    let audits = outcome.events / plan.run.audit_events;
    let looked_at = audits * AUDITED_AT_ONCE as u64 + u64::from(partitions);
    assert!(audits > 1, "{audits} audits");
    assert_eq!(outcome.checks.exercised("audit-failed"), looked_at * replicas);
}

/// Two topics grow, the later one first: ids, names, checks and reports of both hold.
#[test]
fn topics_grow_while_leaders_crash() {
    let topic = |name: &str, partitions| {
        Topic::new(name).partitions(partitions).config("min.insync.replicas", 2)
    };
    let more = |at: &str, name: &str, to: u32| {
        Fault::new("create-partitions").at(at).with("topic", name).with("to", to)
    };
    let every = ["orders-0", "orders-1", "orders-2", "orders-3", "bills-0", "bills-1", "bills-2"];
    let reader = Consumer::new("till").assign(&every).config("auto.offset.reset", "earliest");
    let built = ScenarioBuilder::new("grown")
        .topic(topic("orders", 2))
        .topic(topic("bills", 1))
        .producer(Producer::new("shop").rate("50/s").keys(9).config("metadata.max.age.ms", 1_000))
        .consumer(reader)
        .fault(more("3s", "bills", 3))
        .fault(Fault::new("crash").at("4s").target("leader:bills-2").lasts("5s"))
        .fault(more("6s", "orders", 4))
        .fault(Fault::new("crash").at("20s").target("follower:orders-3").lasts("5s"))
        .duration("30s")
        .build();
    let scenario = built.unwrap_or_else(|found| panic!("{found}"));
    let plan = &scenario.columns[0];
    for seed in 0..5 {
        let mut outcome = run(plan, seed, Options { trace: true, ..Options::default() });
        assert_eq!(outcome.ended, Ended::Done);
        assert_eq!(outcome.checks.violations(), []);
        assert!(outcome.checks.count("key-moved") > 0);
        assert_eq!(outcome.checks.exercised("isr-fills"), 7);
        assert_eq!(outcome.checks.exercised("lag-drains"), 7);
        let trace = std::mem::take(&mut outcome.trace);
        let mut created: Vec<String> = Vec::new();
        for (_, fact) in &trace {
            if let Fact::PartitionCreated { partition, replicas: 3, .. } = fact {
                created.push(plan.names.partition(*partition));
            }
        }
        assert_eq!(created, ["bills-1", "bills-2", "orders-2", "orders-3"]);
        let picture = outcome.timeline.render(&plan.names, 7);
        for name in every {
            assert!(picture.contains(&format!("{name} in sync")), "{picture}");
        }
        let again = with_schedule(&scenario, 0, &outcome.schedule).to_string();
        let again = load_str("again", &again).unwrap_or_else(|found| panic!("{found}"));
        let again = run(&again.columns[0], seed, Options::default());
        assert_eq!(again.fingerprint, outcome.fingerprint);
    }
}

/// Two log directories on a disk that is full for a moment, or until its broker halts: a broker
/// that lives on is without a directory until it is restarted.
#[test]
fn a_full_disk_takes_directories_offline() {
    let text = r#"{ "version": 1, "title": "full", "disk": { "log-dirs": 3 },
        "topics": [{ "name": "t", "partitions": 6, "config": { "min.insync.replicas": 2 } }],
        "producers": [{ "name": "p", "rate": "50/s", "config": { "acks": "all" } }],
        "faults": [
            { "at": "3s", "target": "leader:t-0", "for": "8ms", "do": { "disk-full": {} } },
            { "at": "12s", "target": "leader:t-1", "for": "5s", "do": { "disk-full": {} } }
        ],
        "run": { "duration": "20s" } }"#;
    let built = load_str("full", text);
    let plan = built.unwrap_or_else(|found| panic!("{found}")).columns.remove(0);
    let (mut failed, mut halts) = (0, 0);
    for seed in 0..20 {
        let outcome = run(&plan, seed, Options::default());
        assert_eq!(outcome.ended, Ended::Done);
        assert_eq!(outcome.checks.violations(), [], "seed {seed}");
        failed += outcome.summary.counts.disks_failed;
        halts += outcome.summary.counts.halts;
    }
    assert!(failed > 2 * halts && halts >= 20, "{failed} directories, {halts} halts");
}

/// Wakes itself at once, again and again.
#[derive(Clone, Debug)]
struct Spins;

impl Application for Spins {
    fn begin(&mut self, clients: &mut Clients<'_, '_>) {
        clients.set_timer(7, Span::ZERO);
    }

    fn wake(&mut self, timer: u16, clients: &mut Clients<'_, '_>) {
        clients.set_timer(timer, Span::ZERO);
    }
}

#[test]
fn a_run_whose_clock_stands_still_is_stopped() {
    let outcome = with(&left(), Spins, Options::default());
    assert_eq!(outcome.ended, Ended::ClockStoodStill);
    let next = outcome.standstill.expect("it is told what goes round").next;
    assert_eq!(next, [("timer Application(7) of till".to_owned(), 1_000)]);
    assert!(outcome.events > 1_000_000, "{} events", outcome.events);
}

#[test]
fn a_run_that_is_busy_without_end_is_stopped_at_its_budget() {
    let mut plan = plan();
    plan.run.budget_events = 2_000;
    let outcome = run(&plan, 3, Options::default());
    assert_eq!(outcome.ended, Ended::OutOfBudget);
    let next = outcome.standstill.expect("it is told what comes next").next;
    assert_eq!(next.iter().map(|(_, times)| times).sum::<u32>(), 1_000);
    assert!(next.iter().any(|(event, _)| event.starts_with("Fetch at b")), "{next:?}");
    let whole = self::plan();
    assert_eq!(whole.run.budget_events, 10_000_000, "a small run may take as many at least");
}

/// Flushes again whenever it has flushed, which takes no time while nothing is under way.
#[derive(Clone, Debug)]
struct Flushes;

impl Application for Flushes {
    fn begin(&mut self, clients: &mut Clients<'_, '_>) {
        clients.flush();
    }

    fn flushed(&mut self, clients: &mut Clients<'_, '_>) {
        clients.flush();
    }
}

#[test]
#[should_panic(expected = "it goes round Flushed")]
fn a_handler_that_never_ends_is_an_error_with_a_name() {
    let mut plan = plan();
    plan.own("shop").expect("there is one");
    let _ = run_with(&plan, vec![("shop", Box::new(Flushes))], 3, Options::default());
}
