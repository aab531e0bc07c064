//! A table of broken files with the messages that a reader sees, round trips of schedules, paths
//! of `--set`, and the committed scenarios.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::base::ids::{BrokerId, NodeId, Offset, PartitionId, ProcessId, TopicId};
use crate::base::rng::Latency;
use crate::base::time::{Span, Time};
use crate::model::config::{Acks, TopicKey};
use crate::model::fault::{
    Action, Direction, Fault, FaultKind, Keep, RestartHow, Target, Timing as When,
};
use crate::model::plan::{AppPlan, ProducerPlan};
use crate::model::script::Step;

use super::document::Document;
use super::{
    Bound, Diagnostics, Expectation, Overrides, Scenario, Severity, Source, load, presets,
    with_schedule,
};

/// A small whole file, with one line for the test to add or replace.
fn whole(extra: &str) -> String {
    format!(
        r#"{{ "version": 1, "title": "t", "topics": [{{ "name": "t", "partitions": 2 }}],
  "producers": [{{ "name": "p" }}], "consumers": [{{ "name": "c", "assign": ["t-0"] }}],
  {extra}
}}"#
    )
}

fn read(text: &str) -> Result<Scenario, Diagnostics> {
    load(&Source::Text { name: "bad.json", text }, &Overrides::default())
}

fn set(text: &str, path: &str, value: &str) -> Result<Scenario, Diagnostics> {
    let set = vec![(path.to_owned(), value.to_owned())];
    load(&Source::Text { name: "a.json", text }, &Overrides { set, ..Overrides::default() })
}

fn producer(scenario: &Scenario) -> &ProducerPlan {
    match &scenario.columns[0].processes[0].app {
        AppPlan::Producer(plan) => plan,
        AppPlan::Consumer(_) | AppPlan::Own(_) => panic!("the first process is the producer"),
    }
}

#[test]
fn a_read_beside_a_paced_producer_is_told_that_it_does_not_end() {
    let load_text = read;
    let read = |script: &str| load_text(&whole(&format!("\"script\": [{script}]")));
    let read_step = r#"{ "read": "t-0" }"#;
    assert!(read(read_step).is_err());
    let crash = r#"{ "do": { "crash": {} }, "target": "leader:t-0" }"#;
    for quiet in [
        format!("{crash}, {read_step}"),
        format!(r#"{{ "stop": "p" }}, {read_step}"#),
        format!(r#"{read_step}, {{ "start": "p" }}"#),
        format!(r#"{{ "send": "p" }}, {read_step}"#),
    ] {
        let ends = read(&quiet).unwrap_or_else(|d| panic!("{}", d.render(false)));
        assert_eq!(ends.warnings, [], "{quiet}");
    }
    let slow = whole(&format!("\"script\": [{read_step}]"))
        .replace(r#""name": "p""#, r#""name": "p", "rate": "1/m""#);
    assert_eq!(load_text(&slow).map(|s| s.warnings), Ok(Vec::new()));
}

#[test]
fn broken_files_are_explained() {
    let lines = [
        r#""fautls": []"#,
        r#""faults": [{ "at": "2s", "for": "1s", "do": { "network-los": { "percent": 10 } } }]"#,
        r#""faults": [{ "at": "2s", "for": "1s", "do": { "network-loss": { "percnt": 10 } } }]"#,
        r#""faults": [{ "at": "2s", "for": "1s", "do": { "network-loss": { "percent": 0 } } }]"#,
        r#""faults": [{ "at": "1s", "target": "broker:7", "for": "20s", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": "1s", "target": "leader:t-2", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": "1s", "target": "leader:u-0", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": "1s", "target": "minorty", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": "1s", "target": "rack:a", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": "1s", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": "1s", "target": "producer:p", "do": { "disk-full": {} } }]"#,
        r#""faults": [{ "at": "1s", "target": "broker:1", "for": "1s", "do": { "restart": { "how": "crash" } } }]"#,
        r#""faults": [{ "at": "1s", "every": "2s", "target": "one", "do": { "crash": {} } }]"#,
        r#""faults": [{ "target": "one", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": "1s", "target": "one" }]"#,
        r#""faults": [{ "at": "90s", "target": "one", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": 5, "target": "one", "do": { "crash": {} } }]"#,
        r#""faults": [{ "at": "5 s", "target": "one", "do": { "crash": {} } }]"#,
        r#""faults": [{ "when": { "trunctaed": {} }, "target": "one", "do": { "crash": {} } }]"#,
        r#""faults": [{ "when": { "started": { "partition": "t-0" } }, "target": "one", "do": { "crash": {} } }]"#,
        r#""faults": [{ "swarm": "gentle", "kinds": ["crash", "crush"], "for": "1s" }]"#,
        r#""faults": [{ "swarm": "gentle", "from": "30s", "until": "20s" }]"#,
        r#""faults": [{ "swarm": "gentle", "kinds": ["set-config", "wipe"] }]"#,
        r#""faults": [{ "every": "5s", "probability": "6/5", "target": "one", "do": { "pause": {} } }]"#,
        r#""faults": [{ "at": "1s", "do": { "partition": { "groups": [["broker:1"], ["broker:1"]] } } }]"#,
        r#""faults": [{ "at": "1s", "do": { "reassign": { "partition": "t-0", "replicas": [1] } } }]"#,
        r#""faults": [{ "at": "1s", "do": { "set-config": { "topic": "t", "key": "min.insync.replica", "value": 2 } } }]"#,
        r#""faults": [{ "at": "1s", "target": "one", "do": { "power-loss": { "keep": "evrything" } } }]"#,
        r#""faults": [{ "at": "1s", "do": { "create-partitions": { "topic": "u", "to": 4 } } }]"#,
        r#""faults": [{ "at": "1s", "do": { "create-partitions": { "topic": "t", "to": 2 } } }]"#,
        r#""faults": [{ "at": "1s", "target": "one", "do": { "create-partitions": { "topic": "t", "to": 4 } } }]"#,
        r#""faults": [{ "swarm": "gentle", "kinds": ["create-partitions"] }]"#,
        r#""faults": [{ "at": "1s", "do": { "create-partitions": { "topic": "t", "partitions": 4 } } }]"#,
        r#""script": [{ "do": { "create-partitions": { "topic": "t", "to": 4 } } }, { "describe": "t-4" }]"#,
        r#""cluster": { "config": { "replica.lag.time.max": 10000 } }"#,
        r#""cluster": { "config": { "acks": "all" } }"#,
        r#""cluster": { "config": { "broker.session.timeout.ms": "nine" } }"#,
        r#""cluster": { "config": { "min.insync.replicas": 2 }, "brokers": "three" }"#,
        r#""cluster": { "config": { "replica.fetch.wait.max.ms": 40000 } }"#,
        r#""cluster": { "brokers": 0, "controllers": 3 }"#,
        r#""cluster": { "kafka": ["2.8", "4.1.1", "5.0", "4.1", "4.1"] }"#,
        r#""cluster": { "kafka": ["3.9"], "features": { "eligible.leader.replicas.version": 1 } }"#,
        r#""cluster": { "rules": { "truncation": "epoch-one-shot", "pre-vote": "none", "trunc": "x" } }"#,
        r#""cluster": { "nodes": { "broker:9": {}, "producer:p": {} } }"#,
        r#""cluster": { "hardware": "cloud-wm" }"#,
        r#""promise": { "min-insync": 0 }, "run": { "duration": "0s", "budget": { "events": 10 } }"#,
        r#""expect": [{ "never": "acked-lots" }, { "never": "writes-resume" }, { "never": "duplicate", "always": "duplicate" }]"#,
        r#""expect": [{ "at-least": { "write-availability": "25s" } }, { "at-most": { "write-gab": "1s" } }]"#,
        r#""expect": [{ "liveness": "writes-resume" }], "run": { "heal": false, "settle": "10s" }"#,
        r#""script": [{ "sleep": "1s", "send": "p" }, { "as": "x" }, { "undo": "x" }, { "send": "c" }]"#,
        r#""script": [{ "do": { "crash": {} }, "target": "one", "mark": "a" }, { "undo": "b" }, { "sleep": "1s", "count": 2 }]"#,
        r#""script": [{ "sleep": "1s" }, { "read": "t-0" }]"#,
        r#""network": { "latency": { "p50": "4ms", "p99": "3ms", "max": "40ms" } }"#,
        r#""apps": [{ "name": "a" }]"#,
        r#""extends": "preset:acks-all-min-insync""#,
        r#""set": { "producer.acks": "1" }"#,
    ];
    let mut shown = String::new();
    for line in lines {
        let errors = read(&whole(line)).expect_err(line);
        writeln!(shown, "──── {line}\n{errors}").expect("a string can be written to");
    }
    insta::assert_snapshot!("broken_lines", shown);
}

#[test]
fn broken_texts_are_explained() {
    let texts = [
        "",
        "// nothing but prose\n",
        "[1, 2]",
        r#"{ "version": 1 "title": "t" }"#,
        r#"{ "version": 1, "version": 1 }"#,
        r#"{ "version": 1, 'title': "t" }"#,
        r#"{ "version": 2, "title": "t", "topics": [{ "name": "t" }] }"#,
        r#"{ "title": "t", "topics": [] }"#,
        r#"{ "version": 1, "title": "t" }"#,
        r#"{ "version": 1, "title": "t", "topics": [{ "name": "a b" }, { "name": "t" }, { "name": "t" }] }"#,
        r#"{ "version": 1, "title": "t", "topics": [{ "name": "t", "replication-factor": 5 }] }"#,
        r#"{ "version": 1, "title": "t", "topics": [{ "name": "t", "replicas": [[1, 1], [4]] }] }"#,
        r#"{ "version": 1, "title": "t", "topics": [{ "name": "t", "config": { "cleanup.policy": "compact", "compression.type": "lz4", "min.insync.replicas": 0 } }] }"#,
        r#"{ "version": 1, "title": "t", "topics": [{ "name": "t" }], "producers": [{ "name": "p", "rate": "0/s", "size": "10KB" }, { "name": "p", "topics": ["u"], "config": { "acks": 2, "transactional.id": "x", "linger.msec": 5 } }] }"#,
        r#"{ "version": 1, "title": "t", "topics": [{ "name": "t" }], "producers": [{ "name": "p", "config": { "acks": "1", "enable.idempotence": true } }, { "name": "q", "config": { "max.in.flight.requests.per.connection": 6 } }, { "name": "r", "config": { "delivery.timeout.ms": 30000 } }] }"#,
        r#"{ "version": 1, "title": "t", "topics": [{ "name": "t" }], "consumers": [{ "group": "g", "members": 2 }, { "name": "c" }, { "assign": ["t-1"], "loop": ["poll", "commit-sync"] }] }"#,
    ];
    let mut shown = String::new();
    for text in texts {
        let errors = read(text).expect_err(text);
        writeln!(shown, "──── {text}\n{errors}").expect("a string can be written to");
    }
    insta::assert_snapshot!("broken_texts", shown);
}

#[test]
fn broken_options_are_explained() {
    let options = [
        ("producer.ack", "1"),
        ("producer.acks", "2"),
        ("topic.partitions", "many"),
        ("producers[q].rate", "1/s"),
        ("producers.rate", "1/s"),
        ("topics[5].partitions", "1"),
        ("promis.budget", "beyond"),
        ("promise.budget", "beyonds"),
        ("cluster.brokers.x", "1"),
        ("faults[0].at", "1s"),
        ("a..b", "1"),
        ("topics[t]", "default"),
        ("topics", "[1"),
        ("rule.truncation", "never"),
        ("feature.eligible.leader.replicas.version", "7"),
    ];
    let mut shown = String::new();
    for (path, value) in options {
        let errors = set(&whole(""), path, value).expect_err(path);
        writeln!(shown, "──── --set {path}={value}\n{errors}").expect("a string can be written to");
    }
    insta::assert_snapshot!("broken_options", shown);
}

#[test]
fn all_errors_are_told_at_once() {
    let text = whole(
        r#""faults": [{ "at": "1s", "target": "one", "do": { "crush": {} } }, { "att": "1s" }],
  "expect": [{ "newer": "acked-lost" }], "run": { "duration": 60 }"#,
    );
    let errors = read(&text).expect_err("four keys are wrong");
    assert_eq!(errors.0.len(), 4, "{errors}");
}

#[test]
fn paths_of_set_reach_every_place() {
    let gate = presets::find("acks-all-min-insync-2").expect("the gate is embedded");
    let config = |s: &Scenario| producer(s).config;
    let acks = set(gate, "producer.acks", "1").expect("acks=1 is a configuration");
    assert_eq!(config(&acks).acks, Acks::Leader);
    assert!(!config(&acks).idempotence, "off by itself with acks=1");
    assert_eq!(acks.resolved["producers"][0]["config"]["acks"], json!(1));
    let long = set(gate, "producers[p].config[acks]", "1").expect("the long path is the same");
    assert_eq!(config(&acks), config(&long));
    let rate = set(gate, "producer.rate", "50/s").expect("a key of the entry");
    assert_eq!(producer(&rate).period, Some(Span::millis(20)));
    let default = set(gate, "producer.delivery.timeout.ms", "default").expect("a key is taken");
    assert_eq!(config(&default).delivery_timeout, Span::secs(120));
    let elr = set(gate, "feature.eligible.leader.replicas.version", "0").expect("a level");
    assert!(!elr.columns[0].features.eligible_leader_replicas);
    let topic = set(gate, "topics[orders].partitions", "4").expect("a topic by name");
    assert_eq!(topic.columns[0].names.partition_count(), 4 + 1, "and the other topic's");
    let at = set(gate, "faults[0].from", "10s").expect("a fault by index");
    assert!(matches!(at.columns[0].faults[0].timing, When::Swarm { from: Time(from), .. }
        if from == Span::secs(10).0));
    let broker = set(gate, "broker.broker.session.timeout.ms", "15000").expect("a property");
    assert_eq!(broker.columns[0].brokers[0].config.session_timeout, Span::secs(15));
    let version = set(gate, "cluster.kafka", "[\"4.0\", \"4.1\"]").expect("a list");
    assert_eq!(version.columns.len(), 2);
    assert_eq!(version.columns[0].kafka, "4.0");
}

#[test]
fn properties_files_are_laid_over_and_blamed() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let file = dir.path().join("producer.properties");
    let write = |text: &str| std::fs::write(&file, text).expect("it can be written");
    let overrides = Overrides { producer_config: Some(file.clone()), ..Overrides::default() };
    let text = whole("");
    let source = Source::Text { name: "a.json", text: &text };
    write("# mine\nbootstrap.servers = b:9092\nacks=1\nlinger.ms=20\n");
    let scenario = load(&source, &overrides).expect("it is a producer's configuration");
    assert_eq!(producer(&scenario).config.linger, Span::millis(20));
    assert_eq!(producer(&scenario).config.acks, Acks::Leader);
    assert_eq!(scenario.warnings.len(), 1);
    assert_eq!(scenario.warnings[0].severity, Severity::Warning);
    assert_eq!(scenario.warnings[0].line(), 2);

    write("retries=5\nacks = 2\n");
    let errors = load(&source, &overrides).expect_err("acks is wrong");
    assert_eq!(errors.0[0].line(), 2);
    assert!(errors.0[0].source.name.ends_with("producer.properties"));
}

/// Every kind of fault, in every shape that a schedule can hold.
fn every_fault() -> Vec<Fault> {
    let broker = |n| NodeId::Broker(BrokerId(n));
    let (one, process) = (vec![broker(1)], vec![NodeId::Process(ProcessId(0))]);
    let partition = PartitionId(1);
    let latency = Latency { p50: Span(1), p99: Span::millis(2), max: Span::secs(3) };
    let cut = |direction| Action::Partition {
        groups: vec![
            vec![Target::Node(broker(1)), Target::Node(NodeId::Process(ProcessId(0)))],
            vec![Target::Node(broker(2))],
        ],
        direction,
    };
    let keep = Keep::Offsets(vec![(PartitionId(0), Offset(20)), (partition, Offset(0))]);
    let value = 2;
    let set_config =
        Action::SetConfig { topic: TopicId(0), key: TopicKey::MinInsyncReplicas, value };
    let unclean =
        Action::SetConfig { topic: TopicId(0), key: TopicKey::UncleanLeaderElection, value: 1 };
    let table: Vec<(Action, Vec<NodeId>)> = vec![
        (Action::Crash, vec![broker(1), broker(3)]),
        (Action::Crash, process.clone()),
        (Action::PowerLoss { keep: Keep::Random }, one.clone()),
        (Action::PowerLoss { keep: Keep::Nothing }, one.clone()),
        (Action::PowerLoss { keep }, one.clone()),
        (Action::Shutdown, one.clone()),
        (Action::Pause, process),
        (Action::Wipe, one.clone()),
        (cut(Direction::Both), vec![]),
        (cut(Direction::To), vec![]),
        (cut(Direction::From), vec![]),
        (Action::NetworkDelay { latency: Span(7), jitter: Span::ZERO }, vec![]),
        (Action::NetworkLoss { percent: 5 }, one.clone()),
        (Action::NetworkBandwidth { bytes_per_second: 12_345 }, vec![]),
        (Action::DiskSlow { latency }, one.clone()),
        (Action::DiskHang, one.clone()),
        (Action::DiskFull, one.clone()),
        (Action::ClockSkew { offset: Span::secs(5), back: true }, one.clone()),
        (Action::SlowProcessing { time: Span::millis(3) }, one.clone()),
        (Action::Restart { how: RestartHow::Crash }, one.clone()),
        (Action::Restart { how: RestartHow::Shutdown }, one.clone()),
        (Action::ConnectionReset, vec![]),
        (Action::DiskError { dir: 0 }, one.clone()),
        (Action::CorruptLog { partition }, one),
        (Action::RollingRestart, vec![]),
        (set_config, vec![]),
        (unclean, vec![]),
        (Action::ElectUnclean { partition }, vec![]),
        (Action::CreatePartitions { topic: TopicId(0), to: 4 }, vec![]),
    ];
    let with_length = |action: &Action| action.kind().has_length().then_some(Span(1_234_567_891));
    let faults = table.into_iter().enumerate().map(|(id, (action, nodes))| Fault {
        id: id as u32,
        length: with_length(&action),
        action,
        nodes,
    });
    faults.collect()
}

#[test]
fn a_schedule_reads_back_as_itself() {
    let text = whole(
        r#""faults": [{ "swarm": "gentle" }], "cluster": { "kafka": ["4.0", "4.1"] },
  "expect": [{ "never": "acked-lost", "kafka": "4.0" }, { "never": "duplicate" }]"#,
    );
    let text = text.replace(r#""partitions": 2"#, r#""partitions": 2, "max-partitions": 4"#);
    let scenario = read(&text).expect("it is a scenario");
    let faults = every_fault();
    let schedule: Vec<(Time, Fault)> =
        faults.into_iter().map(|f| (Time(8_031_604_999 + u64::from(f.id)), f)).collect();
    let written = with_schedule(&scenario, 1, &schedule).to_string();
    let again = read(&written).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(again.columns.len(), 1);
    assert_eq!(again.expect.len(), 1);
    let mut plan = again.columns[0].clone();
    for (line, (at, fault)) in plan.faults.iter().zip(&schedule) {
        assert_eq!(line.timing, When::At(*at));
        assert_eq!(line.action.as_ref(), Some(&fault.action));
        assert_eq!(line.length, fault.length);
        let target = match fault.nodes.as_slice() {
            [] => None,
            [node] => Some(Target::Node(*node)),
            nodes => Some(Target::Nodes(nodes.to_vec())),
        };
        assert_eq!(line.target, target);
    }
    assert_eq!(plan.faults.len(), schedule.len());
    plan.faults = scenario.columns[1].faults.clone();
    assert_eq!(plan, scenario.columns[1]);
}

#[test]
fn a_script_is_resolved() {
    let text = whole(
        r#""script": [ { "send": "p", "count": 50, "label": "a" }, { "start": "c" }, { "sleep": "8s" },
    { "do": { "crash": {} }, "target": "leader:t-0", "mark": "x", "as": "kill -9 leader" },
    { "until": { "isr-committed": { "partition": "t-0", "size": 2 } }, "within": "30s" },
    { "undo": "x", "as": "start" }, { "stop": "c" }, { "describe": "t-0", "as": "state-after" },
    { "read": "t-1", "as": "readable" }, { "send": "p", "label": "b" },
    { "dump-log": "t-0", "target": "broker:1" } ]"#,
    );
    let scenario = read(&text).expect("it is a scenario");
    let plan = &scenario.columns[0];
    assert_eq!(plan.script.len(), 11);
    assert_eq!(plan.names.labels, ["a", "b"]);
    assert_eq!(plan.names.processes, ["p", "c", "reader-1"]);
    assert_eq!(plan.processes.len(), 3);
    assert_eq!(producer(&scenario).period, None, "only send steps name the producer");
    assert!(plan.processes[0].starts && !plan.processes[1].starts && !plan.processes[2].starts);
    let step = Step::Read { partition: PartitionId(1), reader: ProcessId(2) };
    assert_eq!(plan.script[8].step, step);
    assert_eq!(plan.script[8].record_as.as_deref(), Some("readable"));
}

#[test]
fn defaults_follow_the_version_and_each_other() {
    let text = whole(r#""cluster": { "kafka": ["3.9", "4.0", "4.1"], "mode": "kraft" }"#);
    let scenario = read(&text).expect("three columns");
    let elr: Vec<bool> =
        scenario.columns.iter().map(|p| p.features.eligible_leader_replicas).collect();
    assert_eq!(elr, [false, false, true]);
    let plan = &scenario.columns[2];
    assert_eq!(plan.run.settle, Span::secs(120), "the delivery time-out is the longest");
    assert_eq!(plan.topics[0].replicas[1], [BrokerId(2), BrokerId(3), BrokerId(1)]);
    assert_eq!(producer(&scenario).config.linger, Span::ZERO, "3.9 does not linger");
}

/// KIP-1030: limits and defaults that came with 4.0.
#[test]
fn release_3_9_has_the_older_limits() {
    let of = |version: &str, broker: &str, topic: &str| {
        let text = format!(
            r#"{{ "version": 1, "title": "t", "producers": [{{ "name": "p" }}],
  "cluster": {{ "kafka": ["{version}"], "mode": "kraft", "config": {{ {broker} }} }},
  "topics": [{{ "name": "t", "config": {{ {topic} }} }}] }}"#
        );
        read(&text)
    };
    let after_max = |version, broker| {
        let scenario = of(version, broker, "").unwrap_or_else(|errors| panic!("{errors}"));
        scenario.columns[0].topics[0].config.timestamp_after_max
    };
    assert_eq!(after_max("4.0", ""), Span::secs(3_600));
    assert!(after_max("3.9", "") > Span::secs(100 * 365 * 86_400), "no limit");
    let set = r#""log.message.timestamp.after.max.ms": 5000"#;
    assert_eq!(after_max("3.9", set), Span::secs(5));
    for (version, bytes, accepted) in
        [("3.9", 14, true), ("3.9", 13, false), ("4.0", 1000, false), ("4.0", 1 << 20, true)]
    {
        let (topic, broker) = (format!(r#""segment.bytes": {bytes}"#), "");
        assert_eq!(of(version, broker, &topic).is_ok(), accepted, "{version}: {bytes}");
        let broker = format!(r#""log.segment.bytes": {bytes}"#);
        assert_eq!(of(version, &broker, "").is_ok(), accepted, "{version}: {bytes}");
    }
}

#[test]
fn min_insync_at_the_broker_is_promoted_with_a_warning() {
    let text = whole(r#""cluster": { "config": { "min.insync.replicas": 2 } }"#);
    let scenario = read(&text).expect("it is only a warning");
    assert_eq!(scenario.warnings.len(), 1);
    assert!(scenario.warnings[0].message.contains("eligible leader replicas"));
    let plan = &scenario.columns[0];
    assert_eq!(plan.cluster_topic_config, [(TopicKey::MinInsyncReplicas, 2)]);
    assert_eq!(plan.topics[0].config.min_insync_replicas, 2);
    assert!(plan.topics[0].overrides.is_empty());
}

#[test]
fn more_in_sync_replicas_than_replicas_are_as_many_as_there_are() {
    let text = r#"{ "version": 1, "title": "t",
  "topics": [{ "name": "t", "config": { "min.insync.replicas": 5 } }],
  "producers": [{ "name": "p" }] }"#;
    let scenario = read(text).expect("it is only a warning");
    assert_eq!(scenario.warnings.len(), 1);
    let said = Diagnostics(scenario.warnings).to_string();
    assert!(said.contains("acks=all needs every replica") && !said.contains("refused"), "{said}");
}

#[test]
fn replicas_are_spread_over_racks_in_the_order_of_their_names() {
    let placed = |cluster: &str| {
        let text = format!(
            r#"{{ "version": 1, "title": "t", {cluster},
  "topics": [{{ "name": "t", "partitions": 2 }}], "producers": [{{ "name": "p" }}] }}"#
        );
        let scenario = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
        let lists = scenario.columns[0].topics[0].replicas.clone();
        lists.iter().map(|list| list.iter().map(|b| b.0).collect()).collect::<Vec<Vec<u16>>>()
    };
    let without = placed(r#""cluster": { "brokers": 5 }"#);
    assert_eq!(without, [[1, 2, 3], [2, 3, 4]]);
    let in_order = placed(r#""cluster": { "brokers": 5, "racks": ["a", "b", "c"] }"#);
    assert_eq!(in_order, [[1, 2, 3], [5, 3, 4]]);
    let reversed = placed(r#""cluster": { "brokers": 5, "racks": ["c", "b", "a"] }"#);
    assert_eq!(reversed, [[3, 2, 1], [5, 4, 3]], "rack a holds broker 3 alone");
}

#[test]
fn files_that_cannot_be_read_are_explained() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("x.json");
    let of = |path: &Path| load(&Source::File(path), &Overrides::default());
    assert!(of(&path).expect_err("missing").to_string().contains("cannot open"));
    assert!(of(dir.path()).expect_err("a directory").to_string().contains("directory"));
    std::fs::write(&path, b"{ \"title\": \"\xff\" }").expect("it can be written");
    let errors = of(&path).expect_err("not UTF-8");
    assert!(errors.to_string().contains("not UTF-8"), "{errors}");
    assert_eq!(errors.0[0].span.as_ref().map(|s| s.start), Some(12));
    let file = std::fs::File::create(&path).expect("it can be made");
    file.set_len(17 << 20).expect("a sparse file");
    assert!(of(&path).expect_err("too large").to_string().contains("16 MiB"));
}

/// An `every` line may fire at the last moment of the fault phase, and a repro says when it fired.
#[test]
fn a_fault_at_the_last_moment_of_the_fault_phase_is_taken() {
    let of = |at: &str| {
        let text = format!(
            r#"{{
              "version": 1,
              "title": "t",
              "topics": [{{ "name": "t", "partitions": 1, "replication-factor": 3 }}],
              "faults": [{{ "at": "{at}", "target": "broker:1", "do": {{ "crash": {{}} }} }}],
              "run": {{ "duration": "20s" }}
            }}"#
        );
        load(&Source::Text { name: "t", text: &text }, &Overrides::default())
    };
    assert!(of("20s").is_ok(), "{}", of("20s").expect_err("refused"));
    let errors = of("20000000001ns").expect_err("a nanosecond later");
    assert!(errors.to_string().contains("after the fault phase"), "{errors}");
}

#[test]
fn a_circle_of_extends_is_found() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("x.json");
    std::fs::write(&path, r#"{ "version": 1, "title": "t", "extends": "x.json" }"#)
        .expect("it can be written");
    let errors = load(&Source::File(&path), &Overrides::default()).expect_err("a circle");
    assert!(errors.to_string().contains("circle"), "{errors}");
}

/// Every scenario below `scenarios/`, by name.
fn committed(dir: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("scenarios are committed") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            committed(&path, &format!("{prefix}{name}/"), names);
        } else if let Some(stem) = name.strip_suffix(".json") {
            names.push(format!("{prefix}{stem}"));
        }
    }
}

#[test]
fn every_committed_scenario_is_a_preset_and_loads_without_warnings() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"));
    let mut names = Vec::new();
    committed(root, "", &mut names);
    names.sort();
    let listed: Vec<&str> = presets::names().collect();
    assert_eq!(listed, names, "src/scenario/presets.rs lists every file, in this order");
    for name in names {
        let path = root.join(format!("{name}.json"));
        let file = load(&Source::File(&path), &Overrides::default());
        let file = file.unwrap_or_else(|errors| panic!("{errors}"));
        assert!(file.warnings.is_empty(), "{}", Diagnostics(file.warnings));
        assert_eq!(file.name, name);
        let text = presets::find(&name).expect("it is listed");
        let preset = load(&Source::Embedded { name: &name, text }, &Overrides::default());
        let preset = preset.unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(preset.columns, file.columns, "{name}");
        assert_eq!(preset.resolved, file.resolved, "{name}");
        assert!(!file.lesson.is_empty() && !file.expect.is_empty(), "{name}");
    }
}

/// Every object of a value with a key of nobody's in it.
fn with_a_strange_key(value: &Value) -> Vec<Value> {
    let inside = |put: &dyn Fn(Value) -> Value, part: &Value| {
        with_a_strange_key(part).into_iter().map(put).collect::<Vec<_>>()
    };
    match value {
        Value::Object(object) => {
            let with = |key: &str, part: Value| {
                let mut other = object.clone();
                other.insert(key.to_owned(), part);
                Value::Object(other)
            };
            let mut all = vec![with("no-such-key", json!(1))];
            for (key, part) in object {
                all.extend(inside(&|part| with(key, part), part));
            }
            all
        }
        Value::Array(list) => {
            let with = |place: usize, part: Value| {
                let mut other = list.clone();
                other[place] = part;
                Value::Array(other)
            };
            let places = list.iter().enumerate();
            places.flat_map(|(place, part)| inside(&|part| with(place, part), part)).collect()
        }
        _ => Vec::new(),
    }
}

/// A list of what could be meant is empty where nothing could: the advice is another one then.
#[test]
fn who_writes_a_strange_key_is_told_what_to_write() {
    let empty = FaultKind::ALL.iter().map(|kind| {
        let faults = json!([{ "at": "1s", "do": { kind.name(): {} } }]);
        json!({ "version": 1, "title": "t", "topics": [{ "name": "t" }], "faults": faults })
    });
    let whole = presets::names().filter_map(|name| {
        let text = presets::find(name).expect("it is listed");
        let (_, value) = Document::parse(name, text).expect("it loads");
        value.get("extends").is_none().then_some(value)
    });
    let mut told = 0;
    for text in empty.chain(whole).flat_map(|value: Value| with_a_strange_key(&value)) {
        let errors = read(&text.to_string()).expect_err("nothing has such a key");
        for error in &errors.0 {
            let speaks = |words: &str| words.contains("no-such-key");
            let unknown = error.message.contains("unknown");
            if unknown && (speaks(&error.message) || speaks(&error.label)) {
                assert!(error.help.is_some(), "{error:?}");
                told += 1;
            }
        }
    }
    assert!(told > 300, "{told}");
}

#[test]
fn expectations_keep_their_place_and_bounds() {
    let text = whole(
        r#""expect": [{ "at-least": { "write-availability": "99.5%" } },
  { "at-most": { "write-gap": "25s" }, "kafka": "4.1" }]"#,
    );
    let scenario = read(&text).expect("it is a scenario");
    let bound = |i: usize| match &scenario.expect[i].expectation {
        Expectation::AtLeast { bound, .. } | Expectation::AtMost { bound, .. } => *bound,
        other => panic!("{other:?}"),
    };
    assert_eq!(bound(0), Bound::Percent(995_000));
    assert_eq!(bound(1), Bound::Span(Span::secs(25)));
    assert_eq!((scenario.expect[0].line, scenario.expect[1].line), (3, 4));
    assert_eq!(scenario.expect[1].kafka.as_deref(), Some("4.1"));
}

/// Who says nothing of topics means those of users.
#[test]
fn a_producer_writes_to_no_internal_topic_unless_told() {
    let text = |topics: &str| {
        format!(
            r#"{{ "version": 1, "title": "t", "topics": [{{ "name": "a" }},
  {{ "name": "__consumer_offsets" }}, {{ "name": "b" }}], "producers": [{{ "name": "p"{topics} }}] }}"#
        )
    };
    let topics = |said| producer(&read(&text(said)).expect("a scenario")).topics.clone();
    assert_eq!(topics(""), [TopicId(0), TopicId(2)]);
    assert_eq!(topics(r#", "topics": ["__consumer_offsets"]"#), [TopicId(1)]);
}

/// A partition that a line may create has its name, and its file written back has it too, even if
/// the line came to nothing in that run.
#[test]
fn partitions_to_come_have_names() {
    let text = whole(
        r#""faults": [{ "when": { "broker-fenced": {} }, "do": { "create-partitions": { "topic": "t", "to": 4 } } }]"#,
    );
    let text = text.replace(r#""t-0""#, r#""t-0", "t-3""#);
    let scenario = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let plan = &scenario.columns[0];
    assert_eq!(plan.processes[1].app.assigned(), Some(&[PartitionId(0), PartitionId(3)][..]));
    assert_eq!((plan.topics[0].replicas.len(), plan.names.partition_count()), (2, 4));
    assert_eq!(
        (plan.replicas(PartitionId(3)), plan.replication_factor(PartitionId(3))),
        (&[][..], 3)
    );
    let written = with_schedule(&scenario, 0, &[]).to_string();
    let again = read(&written).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(again.columns[0].names, plan.names);
    let fewer = text.replace(r#""partitions": 2"#, r#""partitions": 2, "max-partitions": 1"#);
    assert_eq!(read(&fewer).map_err(|errors| errors.0.len()).err(), Some(1));
}
