//! Kafka properties by Kafka's own names: which are modelled, their ranges, and what they set.
//!
//! Names, defaults and ranges follow the `ConfigDef`s of Kafka 4.1 (`ReplicationConfigs`,
//! `ServerLogConfigs`, `KRaftConfigs`, `QuorumConfig`, `LogConfig`, `CommonClientConfigs`,
//! `ProducerConfig`, `ConsumerConfig`). The values that hold when a property is not given are in
//! `model::config`; a test compares them with the defaults listed here. Rules between several
//! properties of a producer are `kafka::client`'s.

use crate::base::time::Span;
use crate::model::config::{BrokerConfig, ClientConfig, ConsumerConfig, OffsetReset, TopicKey};

use super::versions::Version;

/// Whose property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Brokers and controllers: `cluster.config`, `cluster.nodes[…].config`.
    Broker,
    /// `topics[].config`.
    Topic,
    /// `producers[].config`.
    Producer,
    /// `consumers[].config`.
    Consumer,
}

impl Scope {
    /// As said in a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Topic => "topic",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// Where its properties stand in a file.
    pub(super) const fn place(self) -> &'static str {
        match self {
            Self::Broker => "cluster.config",
            Self::Topic => "topics[].config",
            Self::Producer => "producers[].config",
            Self::Consumer => "consumers[].config",
        }
    }
}

/// Which values Kafka accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Whole numbers in a range.
    Number(i64, i64),
    /// Whole numbers up to the last one, from the first one on before KIP-1030, which raised the
    /// minimum to the second.
    Raised(i64, i64, i64),
    /// `true` or `false`.
    Boolean,
    /// One of these words; counted from 0.
    Word(&'static [&'static str]),
}

/// What a value sets.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// A topic property, in so many of its own units.
    Topic(TopicKey, i64),
    /// A field of a broker.
    Broker(fn(&mut BrokerConfig, i64)),
    /// A field that all clients share.
    Client(fn(&mut ClientConfig, i64)),
    /// A producer's: what it makes of all its properties is `kafka::client::config`'s to say.
    Producer,
    /// A field of a consumer.
    Consumer(fn(&mut ConsumerConfig, i64)),
    /// Only the default is modelled; another value is refused by name.
    DefaultOnly,
}

/// One modelled property.
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) values: Values,
    pub(super) effect: Effect,
}

impl Property {
    /// The number of a value in a version, or what the value should have been.
    pub(super) fn number(&self, text: &str, version: &Version) -> Result<i64, String> {
        let values = match self.values {
            Values::Raised(_, low, high) if version.kip_1030 => Values::Number(low, high),
            Values::Raised(low, _, high) => Values::Number(low, high),
            other => other,
        };
        match values {
            Values::Boolean if text.eq_ignore_ascii_case("true") => Ok(1),
            Values::Boolean if text.eq_ignore_ascii_case("false") => Ok(0),
            Values::Boolean => Err("true or false".to_owned()),
            Values::Word(words) => match words.iter().position(|w| *w == text) {
                Some(place) => Ok(place as i64),
                None => Err(format!("one of {}", words.join(", "))),
            },
            Values::Number(low, high) | Values::Raised(low, _, high) => {
                match text.trim().parse::<i64>() {
                    Ok(n) if n >= low && n <= high => Ok(n),
                    Ok(n) if n < low => Err(format!("at least {low}")),
                    Ok(_) => Err(format!("at most {high}")),
                    Err(_) => Err("a whole number".to_owned()),
                }
            }
        }
    }
}

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const MAX: &str = "9223372036854775807";
/// Times that Kafka does not check, or checks to be at least zero.
const TIME: Values = Values::Number(0, LONG);
const AT_LEAST_1: Values = Values::Number(1, LONG);

const fn ms(value: i64) -> Span {
    Span::millis(value as u64)
}

const fn property(
    name: &'static str,
    default: &'static str,
    values: Values,
    effect: Effect,
) -> Property {
    Property { name, default, values, effect }
}

const fn broker(
    name: &'static str,
    default: &'static str,
    values: Values,
    set: fn(&mut BrokerConfig, i64),
) -> Property {
    property(name, default, values, Effect::Broker(set))
}

const fn producer(name: &'static str, default: &'static str, values: Values) -> Property {
    property(name, default, values, Effect::Producer)
}

const fn consumer(
    name: &'static str,
    default: &'static str,
    values: Values,
    set: fn(&mut ConsumerConfig, i64),
) -> Property {
    property(name, default, values, Effect::Consumer(set))
}

/// A topic's property, and its name at the broker.
const fn topic(key: TopicKey, default: &'static str, values: Values) -> Property {
    property(key.name(), default, values, Effect::Topic(key, 1))
}

const fn alias(
    name: &'static str,
    default: &'static str,
    values: Values,
    key: TopicKey,
    factor: i64,
) -> Property {
    property(name, default, values, Effect::Topic(key, factor))
}

const RETENTION: Values = Values::Number(-1, LONG);
const SEGMENT: Values = Values::Raised(14, 1_048_576, INT);

/// Topic properties.
static TOPIC: &[Property] = &[
    topic(TopicKey::MinInsyncReplicas, "1", Values::Number(1, INT)),
    topic(TopicKey::UncleanLeaderElection, "false", Values::Boolean),
    topic(TopicKey::FlushMessages, MAX, AT_LEAST_1),
    topic(TopicKey::FlushMs, MAX, TIME),
    topic(TopicKey::RetentionMs, "604800000", RETENTION),
    topic(TopicKey::RetentionBytes, "-1", RETENTION),
    topic(TopicKey::SegmentBytes, "1073741824", SEGMENT),
    topic(TopicKey::SegmentMs, "604800000", AT_LEAST_1),
    topic(TopicKey::MaxMessageBytes, "1048588", Values::Number(0, INT)),
    topic(TopicKey::TimestampBeforeMaxMs, MAX, TIME),
    topic(TopicKey::TimestampAfterMaxMs, "3600000", TIME),
    property("cleanup.policy", "delete", CLEANUP, Effect::DefaultOnly),
];

const CLEANUP: Values = Values::Word(&["delete", "compact", "compact,delete", "delete,compact"]);

/// Broker properties that are defaults of topics. Later lines outrank earlier ones, as `…ms`
/// outranks `…minutes` and `…hours` in `ServerLogConfigs`.
static BROKER_TOPIC: &[Property] = &[
    alias("min.insync.replicas", "1", Values::Number(1, INT), TopicKey::MinInsyncReplicas, 1),
    alias(
        "unclean.leader.election.enable",
        "false",
        Values::Boolean,
        TopicKey::UncleanLeaderElection,
        1,
    ),
    alias("log.flush.interval.messages", MAX, AT_LEAST_1, TopicKey::FlushMessages, 1),
    alias("log.flush.interval.ms", MAX, TIME, TopicKey::FlushMs, 1),
    alias("log.retention.hours", "168", Values::Number(-1, INT), TopicKey::RetentionMs, 3_600_000),
    alias("log.retention.minutes", "10080", Values::Number(-1, INT), TopicKey::RetentionMs, 60_000),
    alias("log.retention.ms", "604800000", RETENTION, TopicKey::RetentionMs, 1),
    alias("log.retention.bytes", "-1", RETENTION, TopicKey::RetentionBytes, 1),
    alias("log.segment.bytes", "1073741824", SEGMENT, TopicKey::SegmentBytes, 1),
    alias("log.roll.hours", "168", Values::Number(1, INT), TopicKey::SegmentMs, 3_600_000),
    alias("log.roll.ms", "604800000", AT_LEAST_1, TopicKey::SegmentMs, 1),
    alias("message.max.bytes", "1048588", Values::Number(0, INT), TopicKey::MaxMessageBytes, 1),
    alias("log.message.timestamp.before.max.ms", MAX, TIME, TopicKey::TimestampBeforeMaxMs, 1),
    alias("log.message.timestamp.after.max.ms", "3600000", TIME, TopicKey::TimestampAfterMaxMs, 1),
    property("log.cleanup.policy", "delete", CLEANUP, Effect::DefaultOnly),
];

/// Broker and controller properties.
static BROKER: &[Property] = &[
    broker("replica.lag.time.max.ms", "30000", AT_LEAST_1, |c, v| c.replica_lag_time_max = ms(v)),
    broker("replica.fetch.wait.max.ms", "500", TIME, |c, v| c.replica_fetch_wait_max = ms(v)),
    broker("replica.fetch.min.bytes", "1", Values::Number(0, INT), |c, v| {
        c.replica_fetch_min_bytes = v as u32;
    }),
    broker("replica.fetch.max.bytes", "1048576", Values::Number(0, INT), |c, v| {
        c.replica_fetch_max_bytes = v as u32;
    }),
    broker("replica.fetch.response.max.bytes", "10485760", Values::Number(0, INT), |c, v| {
        c.replica_fetch_response_max_bytes = v as u32;
    }),
    broker("max.incremental.fetch.session.cache.slots", "1000", Values::Number(0, INT), |c, v| {
        c.fetch_session_slots = v as u32;
    }),
    broker("replica.fetch.backoff.ms", "1000", TIME, |c, v| c.replica_fetch_backoff = ms(v)),
    broker("replica.socket.timeout.ms", "30000", AT_LEAST_1, |c, v| {
        c.replica_socket_timeout = ms(v);
    }),
    broker("controller.socket.timeout.ms", "30000", AT_LEAST_1, |c, v| {
        c.controller_socket_timeout = ms(v);
    }),
    broker("replica.high.watermark.checkpoint.interval.ms", "5000", AT_LEAST_1, |c, v| {
        c.watermark_checkpoint_interval = ms(v);
    }),
    broker("log.flush.offset.checkpoint.interval.ms", "60000", AT_LEAST_1, |c, v| {
        c.recovery_checkpoint_interval = ms(v);
    }),
    broker("log.retention.check.interval.ms", "300000", AT_LEAST_1, |c, v| {
        c.retention_check_interval = ms(v);
    }),
    broker("log.dir.failure.timeout.ms", "30000", AT_LEAST_1, |c, v| {
        c.log_dir_failure_timeout = ms(v);
    }),
    broker("broker.heartbeat.interval.ms", "2000", AT_LEAST_1, |c, v| {
        c.heartbeat_interval = ms(v);
    }),
    broker("broker.session.timeout.ms", "9000", AT_LEAST_1, |c, v| c.session_timeout = ms(v)),
    broker("initial.broker.registration.timeout.ms", "60000", AT_LEAST_1, |c, v| {
        c.initial_registration_timeout = ms(v);
    }),
    broker("controller.quorum.request.timeout.ms", "2000", AT_LEAST_1, |c, v| {
        c.quorum_request_timeout = ms(v);
    }),
    broker("controller.quorum.fetch.timeout.ms", "2000", AT_LEAST_1, |c, v| {
        c.quorum_fetch_timeout = ms(v);
    }),
    broker("controller.quorum.retry.backoff.ms", "20", TIME, |c, v| {
        c.quorum_retry_backoff = ms(v);
    }),
    broker("controlled.shutdown.enable", "true", Values::Boolean, |c, v| {
        c.controlled_shutdown = v != 0;
    }),
    broker("producer.id.expiration.ms", "86400000", AT_LEAST_1, |c, v| {
        c.producer_id_expiration = ms(v);
    }),
    broker("producer.id.expiration.check.interval.ms", "600000", AT_LEAST_1, |c, v| {
        c.producer_id_expiration_check_interval = ms(v);
    }),
    broker("unclean.leader.election.interval.ms", "300000", AT_LEAST_1, |c, v| {
        c.unclean_election_interval = ms(v);
    }),
    broker("auto.leader.rebalance.enable", "true", Values::Boolean, |c, v| {
        c.auto_leader_rebalance = v != 0;
    }),
    broker("leader.imbalance.check.interval.seconds", "300", Values::Number(1, INT), |c, v| {
        c.leader_imbalance_check_interval = Span::secs(v as u64);
    }),
    broker("socket.connection.setup.timeout.ms", "10000", AT_LEAST_1, |c, v| {
        c.connection_setup_timeout = ms(v);
    }),
    broker("socket.connection.setup.timeout.max.ms", "30000", AT_LEAST_1, |c, v| {
        c.connection_setup_timeout_max = ms(v);
    }),
];

/// What producers and consumers share; the scope is the consumer's, producers have them too.
static CLIENT: &[Property] = &[
    client("request.timeout.ms", "30000", Values::Number(0, INT), |c, v| c.request_timeout = ms(v)),
    client("retry.backoff.ms", "100", TIME, |c, v| c.retry_backoff = ms(v)),
    client("retry.backoff.max.ms", "1000", TIME, |c, v| c.retry_backoff_max = ms(v)),
    client("reconnect.backoff.ms", "50", TIME, |c, v| c.reconnect_backoff = ms(v)),
    client("reconnect.backoff.max.ms", "1000", TIME, |c, v| c.reconnect_backoff_max = ms(v)),
    client("socket.connection.setup.timeout.ms", "10000", TIME, |c, v| {
        c.connection_setup_timeout = ms(v);
    }),
    client("socket.connection.setup.timeout.max.ms", "30000", TIME, |c, v| {
        c.connection_setup_timeout_max = ms(v);
    }),
    client("metadata.max.age.ms", "300000", TIME, |c, v| c.metadata_max_age = ms(v)),
];

const fn client(
    name: &'static str,
    default: &'static str,
    values: Values,
    set: fn(&mut ClientConfig, i64),
) -> Property {
    property(name, default, values, Effect::Client(set))
}

const ROUND_ROBIN: &str = "org.apache.kafka.clients.producer.RoundRobinPartitioner";

/// Producer properties. `kafka::client::config` knows them too; a test holds both together.
static PRODUCER: &[Property] = &[
    producer("acks", "all", Values::Word(&["all", "-1", "0", "1"])),
    producer("retries", "2147483647", Values::Number(0, INT)),
    producer("enable.idempotence", "true", Values::Boolean),
    producer("max.in.flight.requests.per.connection", "5", Values::Number(1, INT)),
    producer("batch.size", "16384", Values::Number(0, INT)),
    producer("linger.ms", "5", TIME),
    producer("buffer.memory", "33554432", TIME),
    producer("max.block.ms", "60000", TIME),
    producer("max.request.size", "1048576", Values::Number(0, INT)),
    producer("delivery.timeout.ms", "120000", Values::Number(0, INT)),
    producer("partitioner.ignore.keys", "false", Values::Boolean),
    producer("partitioner.adaptive.partitioning.enable", "true", Values::Boolean),
    producer("partitioner.availability.timeout.ms", "0", TIME),
    producer("partitioner.class", "", Values::Word(&[ROUND_ROBIN, "RoundRobinPartitioner"])),
];

/// Consumer properties.
static CONSUMER: &[Property] = &[
    consumer("auto.offset.reset", "latest", RESET, |c, v| {
        c.offset_reset = match v {
            0 => OffsetReset::Earliest,
            1 => OffsetReset::Latest,
            _ => OffsetReset::None,
        };
    }),
    consumer("isolation.level", "read_uncommitted", ISOLATION, |c, v| c.read_committed = v == 1),
    consumer("fetch.min.bytes", "1", Values::Number(0, INT), |c, v| c.fetch_min_bytes = v as u32),
    consumer("fetch.max.wait.ms", "500", Values::Number(0, INT), |c, v| c.fetch_max_wait = ms(v)),
    consumer("fetch.max.bytes", "52428800", Values::Number(0, INT), |c, v| {
        c.fetch_max_bytes = v as u32;
    }),
    consumer("max.partition.fetch.bytes", "1048576", Values::Number(0, INT), |c, v| {
        c.max_partition_fetch_bytes = v as u32;
    }),
    consumer("max.poll.records", "500", Values::Number(1, INT), |c, v| {
        c.max_poll_records = v as u32;
    }),
];

const RESET: Values = Values::Word(&["earliest", "latest", "none"]);
const ISOLATION: Values = Values::Word(&["read_uncommitted", "read_committed"]);

/// The modelled properties of a scope, in the order in which they are applied.
pub(super) fn modelled(scope: Scope) -> impl Iterator<Item = &'static Property> {
    let (shared, own): (&[Property], &[Property]) = match scope {
        Scope::Broker => (BROKER_TOPIC, BROKER),
        Scope::Topic => (&[], TOPIC),
        Scope::Producer => (CLIENT, PRODUCER),
        Scope::Consumer => (CLIENT, CONSUMER),
    };
    shared.iter().chain(own)
}

#[cfg(test)]
mod tests {
    use super::super::versions::newest;
    use super::{Effect, Scope, Values, modelled};
    use crate::kafka::client::config::effective_producer;
    use crate::model::config::{BrokerConfig, ConsumerConfig, ProducerConfig, TopicConfig};

    /// The value of a property that has no default is not given.
    fn has_default(default: &str) -> bool {
        !default.is_empty()
    }

    /// The defaults listed for readers are the defaults that hold.
    #[test]
    fn every_default_changes_nothing() {
        for scope in [Scope::Broker, Scope::Topic, Scope::Producer, Scope::Consumer] {
            for property in modelled(scope) {
                let name = property.name;
                if !has_default(property.default) {
                    continue;
                }
                let value = property.number(property.default, newest()).expect(name);
                let mut topic = TopicConfig::default();
                let mut broker = BrokerConfig::default();
                let mut consumer = ConsumerConfig::default();
                match property.effect {
                    Effect::Topic(key, factor) => topic.set(key, value.saturating_mul(factor)),
                    Effect::Broker(set) => set(&mut broker, value),
                    Effect::Client(set) => set(&mut consumer.client, value),
                    Effect::Producer => {}
                    Effect::Consumer(set) => set(&mut consumer, value),
                    Effect::DefaultOnly => {}
                }
                assert_eq!(topic, TopicConfig::default(), "{name}");
                assert_eq!(broker, BrokerConfig::default(), "{name}");
                assert_eq!(consumer, ConsumerConfig::default(), "{name}");
            }
        }
    }

    /// Both tables of producer properties accept and refuse the same values.
    #[test]
    fn the_producer_agrees() {
        for property in modelled(Scope::Producer) {
            let name = property.name;
            let ask = |value: &str| effective_producer(&[(name.to_owned(), value.to_owned())]);
            if has_default(property.default) && name != "reconnect.backoff.ms" {
                let (config, _) = ask(property.default).expect(name);
                assert_eq!(config, ProducerConfig::default(), "{name}");
            }
            let wrong = match property.values {
                Values::Number(low, _) | Values::Raised(_, low, _) => (low - 1).to_string(),
                Values::Boolean | Values::Word(_) => "perhaps".to_owned(),
            };
            assert!(property.number(&wrong, newest()).is_err(), "{name}");
            assert_eq!(ask(&wrong).map_err(|refusal| refusal.property).err(), Some(name));
        }
    }

    #[test]
    fn ranges_are_kafkas() {
        let refused = [
            (Scope::Topic, "min.insync.replicas", "0"),
            (Scope::Topic, "segment.bytes", "1048575"),
            (Scope::Topic, "retention.ms", "-2"),
            (Scope::Producer, "acks", "2"),
            (Scope::Producer, "acks", "ALL"),
            (Scope::Producer, "retries", "-1"),
            (Scope::Producer, "max.in.flight.requests.per.connection", "0"),
            (Scope::Producer, "enable.idempotence", "yes"),
            (Scope::Consumer, "isolation.level", "READ_COMMITTED"),
            (Scope::Broker, "log.dir.failure.timeout.ms", "0"),
            (Scope::Broker, "replica.fetch.max.bytes", "99999999999"),
        ];
        for (scope, name, value) in refused {
            let property = modelled(scope).find(|p| p.name == name).expect(name);
            assert!(property.number(value, newest()).is_err(), "{name}={value}");
        }
    }
}
