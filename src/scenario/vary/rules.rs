//! Which combinations of values are drawn around: what Kafka refuses, and what leaves the promise.
//!
//! A rule sees the whole file with its draws, before it is resolved, and asks only what it needs.
//! This is the only place for such rules: whoever varies something new that does not go together
//! with everything else adds a row to [`RULES`].

use serde_json::Value;

/// What must hold, and how it is found out.
type Rule = (&'static str, fn(&Value) -> bool);

/// All rules.
const RULES: [Rule; 8] = [
    ("`replication-factor` is at most `cluster.brokers`", |file| {
        topics(file).all(|topic| replicas(file, topic) <= brokers(file))
    }),
    ("`min.insync.replicas` is at most `replication-factor`", |file| {
        topics(file).all(|topic| min_insync(file, topic) <= replicas(file, topic))
    }),
    ("`promise.min-insync` is at most every `min.insync.replicas`", |file| {
        let promised = number(&file["promise"]["min-insync"]).unwrap_or(1);
        topics(file).all(|topic| promised <= min_insync(file, topic))
    }),
    ("partitions that are assigned exist", |file| {
        let readers = list(file, "consumers").flat_map(|reader| list(reader, "assign"));
        readers.filter_map(Value::as_str).all(|partition| exists(file, partition))
    }),
    // ProducerConfig refuses it if the delivery time-out was set.
    ("`delivery.timeout.ms` is at least `linger.ms` + `request.timeout.ms`", |file| {
        list(file, "producers").all(|producer| {
            let of = |key, default| config(producer, key).unwrap_or(default);
            config(producer, "delivery.timeout.ms").is_none_or(|delivery| {
                delivery >= of("linger.ms", 5) + of("request.timeout.ms", 30_000)
            })
        })
    }),
    // ProducerConfig refuses each of the others beside an idempotence that was asked for.
    ("`enable.idempotence=true` has acks=all, retries, and at most 5 requests in flight", |file| {
        list(file, "producers").all(|producer| {
            let wanted = ["true", "TRUE"].map(Value::from);
            let said = &producer["config"]["enable.idempotence"];
            if *said != Value::Bool(true) && !wanted.contains(said) {
                return true;
            }
            let acks = &producer["config"]["acks"];
            let all = acks.is_null() || *acks == "all" || number(acks).is_none();
            let in_flight = config(producer, "max.in.flight.requests.per.connection");
            all && config(producer, "retries") != Some(0) && in_flight.unwrap_or(5) <= 5
        })
    }),
    ("`broker.session.timeout.ms` is at least twice `broker.heartbeat.interval.ms`", |file| {
        let of = |key, default| config(&file["cluster"], key).unwrap_or(default);
        let session = of("broker.session.timeout.ms", 9_000);
        session >= 2 * of("broker.heartbeat.interval.ms", 2_000)
    }),
    // KafkaConfig refuses it.
    ("`replica.fetch.wait.max.ms` is at most `replica.lag.time.max.ms`", |file| {
        let of = |key, default| config(&file["cluster"], key).unwrap_or(default);
        of("replica.fetch.wait.max.ms", 500) <= of("replica.lag.time.max.ms", 30_000)
    }),
];

/// The first rule that a file breaks.
pub(super) fn broken(file: &Value) -> Option<&'static str> {
    RULES.iter().find(|(_, holds)| !holds(file)).map(|(rule, _)| *rule)
}

/// A number, also if it is written as a word, as in a `.properties` file.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn list<'a>(above: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    above[key].as_array().into_iter().flatten()
}

fn config(of: &Value, key: &str) -> Option<u64> {
    number(&of["config"][key])
}

fn topics(file: &Value) -> impl Iterator<Item = &Value> {
    list(file, "topics")
}

fn brokers(file: &Value) -> u64 {
    number(&file["cluster"]["brokers"]).unwrap_or(3)
}

fn replicas(file: &Value, topic: &Value) -> u64 {
    let said = number(&topic["replication-factor"]);
    said.unwrap_or_else(|| brokers(file).min(3))
}

fn min_insync(file: &Value, topic: &Value) -> u64 {
    let key = "min.insync.replicas";
    config(topic, key).or_else(|| config(&file["cluster"], key)).unwrap_or(1)
}

fn exists(file: &Value, partition: &str) -> bool {
    let Some((name, place)) = partition.rsplit_once('-') else { return true };
    let Some(topic) = topics(file).find(|topic| topic["name"] == name) else { return true };
    let partitions = number(&topic["partitions"]).unwrap_or(1);
    place.parse::<u64>().map_or(true, |place| place < partitions)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{RULES, broken};

    /// For each rule, a file that just keeps it and one that just breaks it.
    fn edges() -> [(Value, Value); RULES.len()] {
        let topic = |factor: u64, min: u64| {
            let config = json!({ "min.insync.replicas": min });
            json!([{ "name": "t", "replication-factor": factor, "config": config }])
        };
        let producer = |config: Value| json!({ "producers": [{ "config": config }] });
        let cluster = |config: Value| json!({ "cluster": { "config": config } });
        let promise = |min: u64| json!({ "topics": topic(3, 2), "promise": { "min-insync": min } });
        let reads = |partition: &str| {
            json!({ "topics": [{ "name": "a-b", "partitions": 2 }],
                    "consumers": [{ "assign": [partition] }] })
        };
        let timeouts = |delivery: u64| json!({ "delivery.timeout.ms": delivery, "linger.ms": "10", "request.timeout.ms": 90 });
        let sure = |in_flight: u64| {
            let key = "max.in.flight.requests.per.connection";
            producer(json!({ "enable.idempotence": true, "acks": "all", key: in_flight }))
        };
        let session = |ms: u64| json!({ "broker.session.timeout.ms": ms, "broker.heartbeat.interval.ms": 500 });
        let wait =
            |ms: u64| json!({ "replica.fetch.wait.max.ms": ms, "replica.lag.time.max.ms": 1_000 });
        [
            (json!({ "topics": topic(3, 1) }), json!({ "topics": topic(4, 1) })),
            (json!({ "topics": topic(2, 2) }), json!({ "topics": topic(2, 3) })),
            (promise(2), promise(3)),
            (reads("a-b-1"), reads("a-b-2")),
            (producer(timeouts(100)), producer(timeouts(99))),
            (sure(5), sure(6)),
            (cluster(session(1_000)), cluster(session(999))),
            (cluster(wait(1_000)), cluster(wait(1_001))),
        ]
    }

    #[test]
    fn every_rule_is_kept_and_broken_at_its_edge() {
        for ((rule, _), (kept, breaks)) in RULES.iter().zip(edges()) {
            assert_eq!(broken(&kept), None, "{rule}");
            assert_eq!(broken(&breaks), Some(*rule));
        }
    }

    #[test]
    fn idempotence_that_was_asked_for_wants_retries_and_acks() {
        for (key, value) in [("retries", json!(0)), ("acks", json!(1)), ("acks", json!("0"))] {
            let config = json!({ "enable.idempotence": true, key: value });
            let file = json!({ "producers": [{ "config": config }] });
            assert!(broken(&file).is_some(), "{key}");
            let config = json!({ "enable.idempotence": false, key: value });
            assert_eq!(broken(&json!({ "producers": [{ "config": config }] })), None);
        }
    }
}
