//! Kafka properties that exist and change nothing in this model: security, threads, quotas, and
//! what belongs to machinery that is not simulated. A file may say them; the run warns.
//!
//! Names follow the `ConfigDef`s of Kafka 4.1; families with many members are given by prefix.

use super::properties::Scope;

/// Prefixes of whole families.
const FAMILIES: &[&str] = &["ssl.", "sasl.", "security.", "metric.", "metrics."];
const BROKER_FAMILIES: &[&str] = &[
    "listener.",
    "log.cleaner.",
    "log.local.",
    "remote.",
    "share.",
    "group.",
    "offsets.",
    "transaction.",
    "transactional.",
    "delegation.token.",
    "quota.",
    "metadata.log.",
    "kafka.metrics.",
    "auto.include.jmx.",
    "client.quota.",
    "controller.quorum.",
    "controller.performance.",
    "telemetry.",
    "internal.",
    "zookeeper.",
];

const BROKER: &[&str] = &[
    "add.partitions.to.txn.retry.backoff.max.ms",
    "add.partitions.to.txn.retry.backoff.ms",
    "advertised.listeners",
    "allow.everyone.if.no.acl.found",
    "alter.config.policy.class.name",
    "alter.log.dirs.replication.quota.window.num",
    "alter.log.dirs.replication.quota.window.size.seconds",
    "authorizer.class.name",
    "auto.create.topics.enable",
    "background.threads",
    "broker.id",
    "broker.id.generation.enable",
    "broker.rack",
    "client.quota.callback.class",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "config.providers",
    "connection.failed.authentication.delay.ms",
    "connections.max.idle.ms",
    "connections.max.reauth.ms",
    "controlled.shutdown.max.retries",
    "controlled.shutdown.retry.backoff.ms",
    "controller.listener.names",
    "controller.quota.window.num",
    "controller.quota.window.size.seconds",
    "create.topic.policy.class.name",
    "default.replication.factor",
    "delete.records.purgatory.purge.interval.requests",
    "delete.topic.enable",
    "early.start.listeners",
    "eligible.leader.replicas.enable",
    "fetch.max.bytes",
    "fetch.purgatory.purge.interval.requests",
    "inter.broker.listener.name",
    "inter.broker.protocol.version",
    "leader.imbalance.per.broker.percentage",
    "listeners",
    "log.deletion.delay.ms",
    "log.delete.delay.ms",
    "log.dir",
    "log.dirs",
    "log.flush.scheduler.interval.ms",
    "log.flush.start.offset.checkpoint.interval.ms",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.initial.task.delay.ms",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.roll.jitter.hours",
    "log.roll.jitter.ms",
    "log.segment.delete.delay.ms",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "max.request.partition.size.limit",
    "metadata.max.idle.interval.ms",
    "node.id",
    "num.io.threads",
    "num.network.threads",
    "num.partitions",
    "num.recovery.threads.per.data.dir",
    "num.replica.alter.log.dirs.threads",
    "num.replica.fetchers",
    "offset.metadata.max.bytes",
    "password.encoder.secret",
    "principal.builder.class",
    "process.roles",
    "producer.purgatory.purge.interval.requests",
    "queued.max.request.bytes",
    "queued.max.requests",
    "replica.selector.class",
    "replica.socket.receive.buffer.bytes",
    "replication.quota.window.num",
    "replication.quota.window.size.seconds",
    "request.timeout.ms",
    "reserved.broker.max.id",
    "server.max.startup.time.ms",
    "socket.listen.backlog.size",
    "socket.receive.buffer.bytes",
    "socket.request.max.bytes",
    "socket.send.buffer.bytes",
    "super.users",
    "unstable.api.versions.enable",
    "unstable.feature.versions.enable",
];

const TOPIC: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "message.downconversion.enable",
    "message.format.version",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "segment.index.bytes",
    "segment.jitter.ms",
];

const CLIENT: &[&str] = &[
    "auto.include.jmx.reporter",
    "bootstrap.controllers",
    "bootstrap.servers",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "config.providers",
    "connections.max.idle.ms",
    "enable.metrics.push",
    "interceptor.classes",
    "metadata.max.idle.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "receive.buffer.bytes",
    "send.buffer.bytes",
];

const PRODUCER: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "key.serializer",
    "transaction.timeout.ms",
    "transaction.two.phase.commit.enable",
    "value.serializer",
];

/// The consumer's group machinery comes in a later version; with `assign` it has no effect.
const CONSUMER: &[&str] = &[
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "check.crcs",
    "default.api.timeout.ms",
    "enable.auto.commit",
    "exclude.internal.topics",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "key.deserializer",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "share.acknowledgement.mode",
    "value.deserializer",
];

/// Every name that is listed, without the families.
pub(super) fn names(scope: Scope) -> impl Iterator<Item = &'static str> {
    let (shared, own): (&[&str], &[&str]) = match scope {
        Scope::Broker => (&[], BROKER),
        Scope::Topic => (&[], TOPIC),
        Scope::Producer => (CLIENT, PRODUCER),
        Scope::Consumer => (CLIENT, CONSUMER),
    };
    shared.iter().chain(own).copied()
}

/// Families, as `ssl.*`.
pub(super) fn families(scope: Scope) -> impl Iterator<Item = &'static str> {
    let (shared, own): (&[&str], &[&str]) = match scope {
        Scope::Broker => (FAMILIES, BROKER_FAMILIES),
        Scope::Topic => (&[], &[]),
        Scope::Producer | Scope::Consumer => (FAMILIES, &[]),
    };
    shared.iter().chain(own).copied()
}

/// Whether Kafka knows this property and the model does nothing with it.
pub(super) fn is_known(scope: Scope, name: &str) -> bool {
    names(scope).any(|n| n == name) || families(scope).any(|prefix| name.starts_with(prefix))
}
