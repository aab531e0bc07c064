//! Applies `config` tables: Kafka's names to the fields of `model::config`, with a finding for
//! every name that is unknown, without effect, out of scope or out of range.

use crate::kafka::client::config::effective_producer;
use crate::model::config::{BrokerConfig, ConsumerConfig, ProducerConfig, TopicConfig, TopicKey};

use super::diagnostic::nearest;
use super::file::Properties;
use super::findings::Findings;
use super::inert;
use super::path::{Path, at};
use super::properties::{Effect, Property, Scope, modelled};
use super::versions::Version;

/// Reads a table: every modelled property in it with its number, in the order of application.
fn read(
    found: &mut Findings<'_>,
    scope: Scope,
    path: &Path,
    table: &Properties,
    version: &Version,
) -> Vec<(&'static Property, i64)> {
    let mut values = Vec::new();
    for property in modelled(scope) {
        let Some(text) = table.get(property.name) else { continue };
        let path = at![path; property.name];
        match property.number(&text.0, version) {
            Ok(0) if matches!(property.effect, Effect::DefaultOnly) => {}
            Ok(_) if matches!(property.effect, Effect::DefaultOnly) => {
                found.later(&path, "log compaction cannot be simulated yet");
            }
            Ok(number) => values.push((property, number)),
            Err(_) if property.name == "auto.offset.reset" && text.0.starts_with("by_duration") => {
                found.later(&path, "a reset by duration cannot be simulated yet");
            }
            Err(expected) => {
                let message = format!("Kafka refuses the value `{}` (ConfigException)", text.0);
                found.error(&path, &message).label(format!("must be {expected}"));
            }
        }
    }
    for name in table.keys() {
        if !modelled(scope).any(|p| p.name == name) {
            other(found, scope, &at![path; name], name);
        }
    }
    values
}

/// A property that is not modelled in this scope.
fn other(found: &mut Findings<'_>, scope: Scope, path: &Path, name: &str) {
    if name == "transactional.id" && scope == Scope::Producer {
        found.later(path, "transactions cannot be simulated yet");
        return;
    }
    if inert::is_known(scope, name) {
        found
            .warn_key(path, &format!("`{name}` has no effect in this model"))
            .label("known to Kafka, not modelled");
        return;
    }
    let elsewhere = [Scope::Broker, Scope::Topic, Scope::Producer, Scope::Consumer]
        .into_iter()
        .find(|&s| s != scope && modelled(s).any(|p| p.name == name));
    let here = || modelled(scope).map(|p| p.name).chain(inert::names(scope));
    let help = match (elsewhere, nearest(name, here())) {
        (Some(other), _) => {
            format!("it is a {} property: it belongs in `{}`", other.name(), other.place())
        }
        (None, Some(near)) => format!("did you mean `{near}`? `highwater list configs` names all"),
        (None, None) => "`highwater list configs` names all".to_owned(),
    };
    let what = scope.name();
    found
        .error_key(path, &format!("unknown {what} property `{name}`"))
        .label(format!("Kafka has no such {what} property"))
        .help(help);
}

/// Topic properties; what was set is returned for the metadata log.
pub(super) fn topic(
    found: &mut Findings<'_>,
    path: &Path,
    table: &Properties,
    version: &Version,
    config: &mut TopicConfig,
) -> Vec<(TopicKey, i64)> {
    let mut set = Vec::new();
    for (property, value) in read(found, Scope::Topic, path, table, version) {
        if let Effect::Topic(key, _) = property.effect {
            config.set(key, value);
            set.push((key, value));
        }
    }
    set
}

/// The number that a topic property gets from this value.
pub(super) fn topic_value(
    found: &mut Findings<'_>,
    key_path: &Path,
    value_path: &Path,
    (name, value): (&str, &str),
    version: &Version,
) -> Option<(TopicKey, i64)> {
    let Some(property) = modelled(Scope::Topic).find(|p| p.name == name) else {
        let names = modelled(Scope::Topic).map(|p| p.name);
        let near = nearest(name, names).map(|n| format!("did you mean `{n}`? "));
        found
            .error(key_path, &format!("`{name}` is not a modelled topic property"))
            .label("cannot be set while the cluster runs")
            .help(format!("{}`highwater list configs` names all", near.unwrap_or_default()));
        return None;
    };
    let Effect::Topic(key, _) = property.effect else {
        found.wrong(key_path, &super::findings::Wrong::later("it cannot be changed yet"));
        return None;
    };
    match property.number(value, version) {
        Ok(number) => Some((key, number)),
        Err(expected) => {
            let message = format!("Kafka refuses the value `{value}` (ConfigException)");
            found.error(value_path, &message).label(format!("must be {expected}"));
            None
        }
    }
}

/// Broker properties; those that are defaults of topics are returned.
pub(super) fn broker(
    found: &mut Findings<'_>,
    path: &Path,
    table: &Properties,
    version: &Version,
    config: &mut BrokerConfig,
) -> Vec<(TopicKey, i64)> {
    let mut set: Vec<(TopicKey, i64)> = Vec::new();
    for (property, value) in read(found, Scope::Broker, path, table, version) {
        match property.effect {
            Effect::Broker(apply) => apply(config, value),
            Effect::Topic(key, factor) => {
                set.retain(|(k, _)| *k != key);
                set.push((key, value.saturating_mul(factor).max(-1)));
            }
            _ => {}
        }
    }
    let wait = config.replica_fetch_wait_max;
    if wait > config.replica_lag_time_max || wait > config.replica_socket_timeout {
        let names =
            ["replica.fetch.wait.max.ms", "replica.lag.time.max.ms", "replica.socket.timeout.ms"];
        let name = names.into_iter().find(|n| table.contains_key(*n)).unwrap_or(names[0]);
        found
            .error(&at![path; name], "the broker would not start (ConfigException)")
            .label("replica.fetch.wait.max.ms exceeds another time-out")
            .help(
                "replica.fetch.wait.max.ms is at most replica.lag.time.max.ms and \
                 replica.socket.timeout.ms",
            );
    }
    set
}

/// A producer's properties, as the Java client of a version makes a configuration of them.
pub(super) fn producer(
    found: &mut Findings<'_>,
    path: &Path,
    table: &Properties,
    version: &Version,
) -> ProducerConfig {
    let errors = found.errors();
    let read = read(found, Scope::Producer, path, table, version);
    if found.errors() > errors {
        return ProducerConfig::default();
    }
    let mut given = vec![("linger.ms".to_owned(), version.linger().to_string())];
    given.extend(read.iter().map(|(p, _)| (p.name.to_owned(), table[p.name].0.clone())));
    match effective_producer(&given) {
        Ok((config, _)) => config,
        Err(refusal) => {
            let message = format!("Kafka's producer refuses this ({})", refusal.exception);
            let (label, help) = refused(refusal.property);
            found.error(&at![path; refusal.property], &message).label(label).help(help);
            ProducerConfig::default()
        }
    }
}

/// What is wrong with a combination of properties, by the property that Kafka blames, and a way
/// out of it.
fn refused(property: &str) -> (String, &'static str) {
    match property {
        "acks" => (
            "`enable.idempotence` is true and needs acks=all".to_owned(),
            "leave `enable.idempotence` out: it is then off by itself with acks=0 or acks=1",
        ),
        "retries" => (
            "`enable.idempotence` is true and needs retries".to_owned(),
            "leave `enable.idempotence` out: it is then off by itself with retries=0",
        ),
        "max.in.flight.requests.per.connection" => (
            "an idempotent producer has at most 5 requests in flight".to_owned(),
            "say at most 5, or `\"enable.idempotence\": false`",
        ),
        "delivery.timeout.ms" => (
            "shorter than linger.ms + request.timeout.ms".to_owned(),
            "lower `request.timeout.ms` too, as in 20000 with 5000",
        ),
        other => (format!("`{other}` is to blame"), "`highwater list configs` names defaults"),
    }
}

/// Consumer properties.
pub(super) fn consumer(
    found: &mut Findings<'_>,
    path: &Path,
    table: &Properties,
    version: &Version,
    config: &mut ConsumerConfig,
) {
    for (property, value) in read(found, Scope::Consumer, path, table, version) {
        match property.effect {
            Effect::Client(apply) => apply(&mut config.client, value),
            Effect::Consumer(apply) => apply(config, value),
            _ => {}
        }
    } // `CommonClientConfigs.postProcessReconnectBackoffConfigs`: the one alone sets the other too.
    let given = |name: &str| table.contains_key(name);
    if given("reconnect.backoff.ms") && !given("reconnect.backoff.max.ms") {
        config.client.reconnect_backoff_max = config.client.reconnect_backoff;
    }
}
