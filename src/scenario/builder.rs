//! A scenario written in Rust: the words of the file format, as methods.
//!
//! What is built is the text of a scenario, and [`ScenarioBuilder::build`] loads it like any other:
//! the same names, defaults, checks and messages. `key` sets any key of the format, so that
//! whatever a file can say can be said here; the methods are those that most scenarios need.

use serde_json::{Map, Value, json};

use super::{Diagnostics, Scenario, load_str};

type Table = Map<String, Value>;

/// Sets `table[outer][name]`.
fn nested(table: &mut Table, outer: &str, name: &str, value: Value) {
    let inner = table.entry(outer).or_insert_with(|| Table::new().into());
    if let Value::Object(inner) = inner {
        inner.insert(name.to_owned(), value);
    }
}

/// A scenario in the making.
#[derive(Clone, Debug)]
#[must_use]
pub struct ScenarioBuilder {
    file: Table,
}

impl ScenarioBuilder {
    /// A scenario of this title, with nothing in it: three brokers of Kafka 4.1, 60 seconds.
    pub fn new(title: &str) -> Self {
        let mut file = Table::new();
        file.insert("version".to_owned(), 1.into());
        file.insert("title".to_owned(), title.into());
        Self { file }
    }

    /// So many brokers, numbered from 1.
    pub fn brokers(mut self, brokers: u32) -> Self {
        nested(&mut self.file, "cluster", "brokers", brokers.into());
        self
    }

    /// Kafka's version, `"4.1"`.
    pub fn kafka(mut self, version: &str) -> Self {
        nested(&mut self.file, "cluster", "kafka", json!([version]));
        self
    }

    /// A property of every broker and controller, by Kafka's name.
    pub fn broker_config(mut self, name: &str, value: impl Into<Value>) -> Self {
        let cluster = self.file.entry("cluster").or_insert_with(|| Table::new().into());
        if let Value::Object(cluster) = cluster {
            nested(cluster, "config", name, value.into());
        }
        self
    }

    /// One more topic.
    pub fn topic(self, topic: Topic) -> Self {
        self.add("topics", topic.0.into())
    }

    /// One more producer.
    pub fn producer(self, producer: Producer) -> Self {
        self.add("producers", producer.0.into())
    }

    /// One more consumer.
    pub fn consumer(self, consumer: Consumer) -> Self {
        self.add("consumers", consumer.0.into())
    }

    /// One more fault line.
    pub fn fault(self, fault: Fault) -> Self {
        self.add("faults", fault.0.into())
    }

    /// No run shows this property: `acked-lost`.
    pub fn never(self, property: &str) -> Self {
        self.expect(json!({ "never": property }))
    }

    /// At least one run shows it.
    pub fn sometimes(self, property: &str) -> Self {
        self.expect(json!({ "sometimes": property }))
    }

    /// One more line of `expect`, as a file has it.
    pub fn expect(self, line: Value) -> Self {
        self.add("expect", line)
    }

    /// How long the faults last, `"60s"`.
    pub fn duration(mut self, duration: &str) -> Self {
        nested(&mut self.file, "run", "duration", duration.into());
        self
    }

    /// Any key of the format at its top, as a file has it: `key("disk", json!({ .. }))`.
    pub fn key(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.file.insert(name.to_owned(), value.into());
        self
    }

    fn add(mut self, list: &str, entry: Value) -> Self {
        let entries = self.file.entry(list).or_insert_with(|| json!([]));
        if let Value::Array(entries) = entries {
            entries.push(entry);
        }
        self
    }

    /// The scenario, ready to run.
    ///
    /// # Errors
    /// Everything that is wrong with it, each at its place in the file that it would be.
    pub fn build(self) -> Result<Scenario, Diagnostics> {
        let title = self.file.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
        load_str(&title, &format!("{:#}", Value::from(self.file)))
    }
}

/// A topic in the making.
#[derive(Clone, Debug)]
#[must_use]
pub struct Topic(Table);

/// A kind of producer in the making.
#[derive(Clone, Debug)]
#[must_use]
pub struct Producer(Table);

/// A kind of consumer in the making.
#[derive(Clone, Debug)]
#[must_use]
pub struct Consumer(Table);

/// A fault line in the making.
#[derive(Clone, Debug)]
#[must_use]
pub struct Fault(Table);

/// What every entry with a name has.
macro_rules! entry {
    ($($entry:ident $words:literal),*) => {$(
        impl $entry {
            #[doc = concat!("A ", $words, " of this name.")]
            pub fn new(name: &str) -> Self {
                Self(Table::from_iter([("name".to_owned(), name.into())]))
            }

            #[doc = concat!("A property of the ", $words, ", by Kafka's name.")]
            pub fn config(mut self, name: &str, value: impl Into<Value>) -> Self {
                nested(&mut self.0, "config", name, value.into());
                self
            }

            /// Any key that the format has for it.
            pub fn key(mut self, name: &str, value: impl Into<Value>) -> Self {
                self.0.insert(name.to_owned(), value.into());
                self
            }
        }
    )*};
}

entry!(Topic "topic", Producer "producer", Consumer "consumer");

impl Topic {
    /// So many partitions; 1 if not said.
    pub fn partitions(self, partitions: u32) -> Self {
        self.key("partitions", partitions)
    }

    /// So many replicas of each partition.
    pub fn replication_factor(self, factor: u32) -> Self {
        self.key("replication-factor", factor)
    }
}

impl Producer {
    /// The topics that it writes to, in turn; all but internal ones if not said.
    pub fn topics(self, topics: &[&str]) -> Self {
        self.key("topics", topics)
    }

    /// Records per second, `"100/s"`.
    pub fn rate(self, rate: &str) -> Self {
        self.key("rate", rate)
    }

    /// How many distinct keys; records have none if not said.
    pub fn keys(self, keys: u32) -> Self {
        self.key("keys", keys)
    }
}

impl Consumer {
    /// The partitions that it reads: `&["orders-0"]`.
    pub fn assign(self, partitions: &[&str]) -> Self {
        self.key("assign", partitions)
    }
}

impl Fault {
    /// A fault of this kind (`highwater list faults`), with its default parameters.
    pub fn new(kind: &str) -> Self {
        Self(Table::from_iter([("do".to_owned(), json!({ kind: {} }))]))
    }

    /// When, `"10s"`.
    pub fn at(self, at: &str) -> Self {
        self.key("at", at)
    }

    /// Whom: `leader:orders-0`.
    pub fn target(self, target: &str) -> Self {
        self.key("target", target)
    }

    /// For how long, `"20s"`; for good if not said.
    pub fn lasts(self, span: &str) -> Self {
        self.key("for", span)
    }

    /// A parameter of the fault.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let kind = self.0.get_mut("do").and_then(Value::as_object_mut);
        if let Some(Value::Object(parameters)) = kind.and_then(|kind| kind.values_mut().next()) {
            parameters.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Any key that the format has for a fault line: `when`, `every`, `swarm`.
    pub fn key(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{Consumer, Fault, Producer, ScenarioBuilder, Topic};
    use crate::scenario::load_str;

    #[test]
    fn what_is_built_is_what_the_file_says() {
        let built = ScenarioBuilder::new("t")
            .brokers(4)
            .kafka("4.0")
            .broker_config("replica.lag.time.max.ms", 9_000)
            .topic(
                Topic::new("orders")
                    .partitions(3)
                    .replication_factor(3)
                    .config("min.insync.replicas", 2),
            )
            .producer(Producer::new("p").topics(&["orders"]).rate("5/s").keys(7).config("acks", 1))
            .consumer(Consumer::new("c").assign(&["orders-0", "orders-2"]))
            .fault(Fault::new("crash").at("10s").target("leader:orders-0").lasts("20s"))
            .fault(Fault::new("power-loss").with("keep", "nothing").at("40s").target("broker:2"))
            .never("acked-lost")
            .sometimes("follower-truncated")
            .duration("50s")
            .key("clock", serde_json::json!({ "drift": 20 }))
            .build()
            .unwrap_or_else(|found| panic!("{}", found.render(false)));
        let text = r#"{ "version": 1, "title": "t",
            "cluster": { "brokers": 4, "kafka": ["4.0"],
                         "config": { "replica.lag.time.max.ms": 9000 } },
            "topics": [ { "name": "orders", "partitions": 3, "replication-factor": 3,
                          "config": { "min.insync.replicas": 2 } } ],
            "producers": [ { "name": "p", "topics": ["orders"], "rate": "5/s", "keys": 7,
                             "config": { "acks": 1 } } ],
            "consumers": [ { "name": "c", "assign": ["orders-0", "orders-2"] } ],
            "faults": [
              { "at": "10s", "for": "20s", "target": "leader:orders-0", "do": { "crash": {} } },
              { "at": "40s", "target": "broker:2", "do": { "power-loss": { "keep": "nothing" } } }
            ],
            "expect": [ { "never": "acked-lost" }, { "sometimes": "follower-truncated" } ],
            "clock": { "drift": 20 }, "run": { "duration": "50s" } }"#;
        let file = load_str("t", text).unwrap_or_else(|found| panic!("{}", found.render(false)));
        assert_eq!(built.resolved, file.resolved);
        assert_eq!(built.columns, file.columns);
        assert_eq!(built.expect.len(), file.expect.len());
    }

    #[test]
    fn what_is_wrong_is_told_as_of_a_file() {
        let wrong = ScenarioBuilder::new("t")
            .topic(Topic::new("orders").config("min.insink.replicas", 2))
            .build();
        let told = wrong.expect_err("there is no such property").render(false);
        assert!(
            told.contains("min.insink.replicas") && told.contains("min.insync.replicas"),
            "{told}"
        );
    }
}
