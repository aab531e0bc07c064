//! Kafka's own rules for a producer's configuration: what it makes of properties, or refuses.
//!
//! Follows `ProducerConfig.java`, `ConfigDef.java` and `KafkaProducer.java`.
//! Each property is parsed and ranged first, in the order of definition; then the rules that look
//! at several. Properties that the producer does not model pass unseen: whether to warn of them,
//! and where a value stood, is the business of `scenario`. Tested against real answers in
//! `tests/conformance_support/tables.rs`.

use crate::base::time::Span;
use crate::model::config::{Acks, ProducerConfig};

/// A value that takes effect differently from what was written, or from the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Which property.
    pub property: &'static str,
    /// What it would have been.
    pub from: String,
    /// What takes effect.
    pub to: String,
    /// The property that is the reason.
    pub because: &'static str,
}

/// The Java client refuses the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigRefusal {
    /// Simple name of the exception class.
    pub exception: &'static str,
    /// The property concerned.
    pub property: &'static str,
}

type Set = fn(&mut ProducerConfig, i64);

/// How a value is read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// A whole number in this range.
    Number { min: i64, max: i64, set: Set },
    /// `true` or `false`, whatever the case.
    Boolean { set: Set },
    /// One of these words; the setter gets its place.
    Word { words: &'static [&'static str], set: Set },
    /// Any text but the empty one.
    NonEmpty,
    /// `partitioner.class`.
    Partitioner,
}

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;

const fn number(name: &'static str, min: i64, max: i64, set: Set) -> (&'static str, Reading) {
    (name, Reading::Number { min, max, set })
}

const fn boolean(name: &'static str, set: Set) -> (&'static str, Reading) {
    (name, Reading::Boolean { set })
}

const fn ms(value: i64) -> Span {
    Span::millis(value.unsigned_abs())
}

const ACKS: &str = "acks";
const RETRIES: &str = "retries";
const IDEMPOTENCE: &str = "enable.idempotence";
const IN_FLIGHT: &str = "max.in.flight.requests.per.connection";
const LINGER: &str = "linger.ms";
const DELIVERY: &str = "delivery.timeout.ms";
const REQUEST: &str = "request.timeout.ms";
const RECONNECT: &str = "reconnect.backoff.ms";
const RECONNECT_MAX: &str = "reconnect.backoff.max.ms";
const TRANSACTIONAL_ID: &str = "transactional.id";
const TRANSACTION_TIMEOUT: &str = "transaction.timeout.ms";
const TWO_PHASE: &str = "transaction.two.phase.commit.enable";

/// Modelled properties, and those whose values Kafka checks, in the order of `ProducerConfig`.
const PROPERTIES: &[(&str, Reading)] = &[
    number("buffer.memory", 0, LONG, |c, v| c.buffer_memory = v.unsigned_abs()),
    number(RETRIES, 0, INT, |c, v| c.retries = v as u32),
    (
        ACKS,
        Reading::Word {
            words: &["all", "-1", "0", "1"],
            set: |c, word| {
                c.acks = [Acks::All, Acks::All, Acks::None, Acks::Leader][word as usize];
            },
        },
    ),
    (
        "compression.type",
        Reading::Word { words: &["none", "gzip", "snappy", "lz4", "zstd"], set: |_, _| {} },
    ),
    number("batch.size", 0, INT, |c, v| c.batch_size = v as u32),
    boolean("partitioner.adaptive.partitioning.enable", |c, v| c.adaptive_partitioning = v != 0),
    number("partitioner.availability.timeout.ms", 0, LONG, |c, v| c.availability_timeout = ms(v)),
    boolean("partitioner.ignore.keys", |c, v| c.ignore_keys = v != 0),
    number(LINGER, 0, LONG, |c, v| c.linger = ms(v)),
    number(DELIVERY, 0, INT, |c, v| c.delivery_timeout = ms(v)),
    number("max.request.size", 0, INT, |c, v| c.max_request_size = v as u32),
    number(RECONNECT, 0, LONG, |c, v| c.client.reconnect_backoff = ms(v)),
    number(RECONNECT_MAX, 0, LONG, |c, v| c.client.reconnect_backoff_max = ms(v)),
    number("retry.backoff.ms", 0, LONG, |c, v| c.client.retry_backoff = ms(v)),
    number("retry.backoff.max.ms", 0, LONG, |c, v| c.client.retry_backoff_max = ms(v)),
    number("max.block.ms", 0, LONG, |c, v| c.max_block = ms(v)),
    number(REQUEST, 0, INT, |c, v| c.client.request_timeout = ms(v)),
    number("metadata.max.age.ms", 0, LONG, |c, v| c.client.metadata_max_age = ms(v)),
    number("metadata.max.idle.ms", 5_000, LONG, |_, _| {}),
    number(IN_FLIGHT, 1, INT, |c, v| c.max_in_flight = v as u32),
    number("socket.connection.setup.timeout.ms", 0, LONG, |c, v| {
        c.client.connection_setup_timeout = ms(v);
    }),
    number("socket.connection.setup.timeout.max.ms", 0, LONG, |c, v| {
        c.client.connection_setup_timeout_max = ms(v);
    }),
    ("partitioner.class", Reading::Partitioner),
    boolean(IDEMPOTENCE, |c, v| c.idempotence = v != 0),
    number(TRANSACTION_TIMEOUT, i32::MIN as i64, INT, |_, _| {}),
    (TRANSACTIONAL_ID, Reading::NonEmpty),
    boolean(TWO_PHASE, |_, _| {}),
];

/// What a producer with these properties does. Of a property given twice the last value counts.
///
/// # Errors
/// The exception that `new KafkaProducer(..)` throws.
pub fn effective_producer(
    properties: &[(String, String)],
) -> Result<(ProducerConfig, Vec<Adjustment>), ConfigRefusal> {
    let given = |name: &str| {
        properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.trim())
    };
    let mut config = ProducerConfig::default();
    for (name, kind) in PROPERTIES {
        if let Some(value) = given(name) {
            kind.apply(value, &mut config).ok_or_else(|| refuse(name))?;
        }
    }
    let mut adjustments = Vec::new();
    if given(RECONNECT).is_some() && given(RECONNECT_MAX).is_none() {
        stop_growing_backoff(&mut config, &mut adjustments);
    }
    settle_idempotence(&mut config, given(IDEMPOTENCE).is_some(), &mut adjustments)?;
    if given(TRANSACTIONAL_ID).is_some() && !config.idempotence {
        return Err(refuse(TRANSACTIONAL_ID));
    }
    let two_phase = given(TWO_PHASE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if two_phase && given(TRANSACTION_TIMEOUT).is_some() {
        return Err(refuse(TRANSACTION_TIMEOUT));
    }
    settle_delivery_timeout(&mut config, given(DELIVERY).is_some(), &mut adjustments)?;
    Ok((config, adjustments))
}

impl Reading {
    /// Reads the value into the configuration; `None` if Kafka would not.
    fn apply(self, value: &str, config: &mut ProducerConfig) -> Option<()> {
        match self {
            Self::Number { min, max, set } => {
                let number = value.parse().ok().filter(|n| (min..=max).contains(n))?;
                set(config, number);
            }
            Self::Boolean { set } => {
                let values = ["false", "true"];
                let place = values.iter().position(|v| value.eq_ignore_ascii_case(v))?;
                set(config, place as i64);
            }
            Self::Word { words, set } => {
                let place = words.iter().position(|word| *word == value)?;
                set(config, place as i64);
            }
            Self::NonEmpty => return (!value.is_empty()).then_some(()),
            Self::Partitioner => {
                config.round_robin = value.rsplit('.').next() == Some("RoundRobinPartitioner");
                return config.round_robin.then_some(());
            }
        }
        Some(())
    }
}

const fn refuse(property: &'static str) -> ConfigRefusal {
    ConfigRefusal { exception: "ConfigException", property }
}

/// `reconnect.backoff.ms` alone also sets its maximum.
///
/// Kafka: CommonClientConfigs.postProcessReconnectBackoffConfigs
fn stop_growing_backoff(config: &mut ProducerConfig, adjustments: &mut Vec<Adjustment>) {
    let (from, to) = (config.client.reconnect_backoff_max, config.client.reconnect_backoff);
    config.client.reconnect_backoff_max = to;
    if from != to {
        adjustments.push(adjusted(RECONNECT_MAX, from, to, RECONNECT));
    }
}

/// Idempotence needs retries and acks=all: asked for in so many words, it is refused without them,
/// otherwise it is silently off (KAFKA-13673). More than five requests in flight are refused
/// either way (since 4.0).
///
/// Kafka: ProducerConfig.postProcessAndValidateIdempotenceConfigs
fn settle_idempotence(
    config: &mut ProducerConfig,
    explicit: bool,
    adjustments: &mut Vec<Adjustment>,
) -> Result<(), ConfigRefusal> {
    const MOST_IN_FLIGHT: u32 = 5;
    if !config.idempotence {
        return Ok(());
    }
    let obstacle = if config.retries == 0 {
        Some(RETRIES)
    } else if config.acks != Acks::All {
        Some(ACKS)
    } else {
        None
    };
    match obstacle {
        Some(property) if explicit => return Err(refuse(property)),
        _ if config.max_in_flight > MOST_IN_FLIGHT => return Err(refuse(IN_FLIGHT)),
        Some(because) => {
            config.idempotence = false;
            adjustments.push(Adjustment {
                property: IDEMPOTENCE,
                from: "true".to_owned(),
                to: "false".to_owned(),
                because,
            });
        }
        None => {}
    }
    Ok(())
}

/// `delivery.timeout.ms` covers lingering and one request. Too short, it is refused if it was
/// given, else lengthened.
///
/// Kafka: KafkaProducer.configureDeliveryTimeout
fn settle_delivery_timeout(
    config: &mut ProducerConfig,
    explicit: bool,
    adjustments: &mut Vec<Adjustment>,
) -> Result<(), ConfigRefusal> {
    let longest = Span::millis(INT.unsigned_abs());
    let linger = config.linger.min(longest);
    let needed = (linger + config.client.request_timeout).min(longest);
    let from = config.delivery_timeout;
    if from >= needed {
        return Ok(());
    }
    if explicit {
        return Err(refuse(DELIVERY));
    }
    config.delivery_timeout = needed;
    let because = if config.client.request_timeout >= linger { REQUEST } else { LINGER };
    adjustments.push(adjusted(DELIVERY, from, needed, because));
    Ok(())
}

fn adjusted(property: &'static str, from: Span, to: Span, because: &'static str) -> Adjustment {
    let (from, to) = (from.as_millis().to_string(), to.as_millis().to_string());
    Adjustment { property, from, to, because }
}

#[cfg(test)]
mod tests {
    use super::effective_producer;
    use crate::base::time::Span;

    fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn every_adjustment_names_its_reason() {
        for (properties, property, because) in [
            (given(&[("acks", "1")]), "enable.idempotence", "acks"),
            (given(&[("retries", "0")]), "enable.idempotence", "retries"),
            (given(&[("linger.ms", "200000")]), "delivery.timeout.ms", "linger.ms"),
            (
                given(&[("reconnect.backoff.ms", "20")]),
                "reconnect.backoff.max.ms",
                "reconnect.backoff.ms",
            ),
        ] {
            let (_, adjustments) = effective_producer(&properties).expect("it is accepted");
            assert_eq!(adjustments.len(), 1, "{properties:?}");
            assert_eq!((adjustments[0].property, adjustments[0].because), (property, because));
        }
    }

    #[test]
    fn a_delivery_time_out_left_alone_covers_a_long_request() {
        let properties = given(&[("request.timeout.ms", "200000")]);
        let (config, _) = effective_producer(&properties).expect("it is accepted");
        assert_eq!(config.delivery_timeout, Span::millis(200_005));
    }

    #[test]
    fn bad_values_are_refused_by_property() {
        for (property, value) in [
            ("linger.ms", "5.5"),
            ("linger.ms", "soon"),
            ("retries", "2147483648"),
            ("enable.idempotence", "yes"),
            ("partitioner.class", "com.example.Mine"),
            ("metadata.max.idle.ms", "10"),
        ] {
            let refusal = effective_producer(&given(&[(property, value)])).expect_err(value);
            assert_eq!((refusal.exception, refusal.property), ("ConfigException", property));
        }
    }

    #[test]
    fn values_are_trimmed_and_the_last_counts() {
        let properties = given(&[("batch.size", "1"), ("batch.size", " 7 ")]);
        let (config, _) = effective_producer(&properties).expect("it is accepted");
        assert_eq!(config.batch_size, 7);
    }
}
