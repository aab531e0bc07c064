//! Configurations as plain values, with the defaults of Kafka 4.1.
//!
//! One field per modelled Kafka property. Which property name sets which field, its range and its
//! class (modelled, known without effect, unknown) is the business of `scenario::properties`;
//! defaults are written here and nowhere else (kafka-protocol §7).

use crate::base::time::Span;

/// A topic's properties (`LogConfig.java`), after defaults of topic, cluster and broker are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
    /// `flush.messages`: fsync after so many records.
    pub flush_messages: u64,
    /// `flush.ms`: fsync after so long.
    pub flush_interval: Span,
    /// `retention.ms`; forever if −1.
    pub retention: Span,
    /// `retention.bytes`; no limit if `u64::MAX`.
    pub retention_bytes: u64,
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_age: Span,
    /// `max.message.bytes`.
    pub max_message_bytes: u64,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max: Span,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max: Span,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            min_insync_replicas: 1,
            unclean_leader_election: false,
            flush_messages: u64::MAX,
            flush_interval: Span::FOREVER,
            retention: Span::millis(604_800_000),
            retention_bytes: u64::MAX,
            segment_bytes: 1_073_741_824,
            segment_age: Span::millis(604_800_000),
            max_message_bytes: 1_048_588,
            timestamp_before_max: Span::FOREVER,
            timestamp_after_max: Span::millis(3_600_000),
        }
    }
}

/// A topic property that can be set while the cluster runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicKey {
    /// `min.insync.replicas`
    MinInsyncReplicas,
    /// `unclean.leader.election.enable`
    UncleanLeaderElection,
    /// `flush.messages`
    FlushMessages,
    /// `flush.ms`
    FlushMs,
    /// `retention.ms`
    RetentionMs,
    /// `retention.bytes`
    RetentionBytes,
    /// `segment.bytes`
    SegmentBytes,
    /// `segment.ms`
    SegmentMs,
    /// `max.message.bytes`
    MaxMessageBytes,
    /// `message.timestamp.before.max.ms`
    TimestampBeforeMaxMs,
    /// `message.timestamp.after.max.ms`
    TimestampAfterMaxMs,
}

impl TopicKey {
    /// Kafka's name of the property.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MinInsyncReplicas => "min.insync.replicas",
            Self::UncleanLeaderElection => "unclean.leader.election.enable",
            Self::FlushMessages => "flush.messages",
            Self::FlushMs => "flush.ms",
            Self::RetentionMs => "retention.ms",
            Self::RetentionBytes => "retention.bytes",
            Self::SegmentBytes => "segment.bytes",
            Self::SegmentMs => "segment.ms",
            Self::MaxMessageBytes => "max.message.bytes",
            Self::TimestampBeforeMaxMs => "message.timestamp.before.max.ms",
            Self::TimestampAfterMaxMs => "message.timestamp.after.max.ms",
        }
    }
}

impl TopicConfig {
    /// Sets a property from Kafka's own number (milliseconds, bytes, 0 or 1 for a boolean).
    /// The value has been checked against Kafka's range by whoever accepted it.
    /// −1 and Kafka's largest long mean "no limit".
    pub const fn set(&mut self, key: TopicKey, value: i64) {
        let number = if value < 0 || value == i64::MAX { u64::MAX } else { value as u64 };
        match key {
            TopicKey::MinInsyncReplicas => self.min_insync_replicas = number as u32,
            TopicKey::UncleanLeaderElection => self.unclean_leader_election = value != 0,
            TopicKey::FlushMessages => self.flush_messages = number,
            TopicKey::FlushMs => self.flush_interval = Span::millis(number),
            TopicKey::RetentionMs => self.retention = Span::millis(number),
            TopicKey::RetentionBytes => self.retention_bytes = number,
            TopicKey::SegmentBytes => self.segment_bytes = number,
            TopicKey::SegmentMs => self.segment_age = Span::millis(number),
            TopicKey::MaxMessageBytes => self.max_message_bytes = number,
            TopicKey::TimestampBeforeMaxMs => self.timestamp_before_max = Span::millis(number),
            TopicKey::TimestampAfterMaxMs => self.timestamp_after_max = Span::millis(number),
        }
    }
}

/// A broker's own properties (`ReplicationConfigs.java`, `KRaftConfigs.java`, …).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// `replica.lag.time.max.ms`.
    pub replica_lag_time_max: Span,
    /// `replica.fetch.wait.max.ms`.
    pub replica_fetch_wait_max: Span,
    /// `replica.fetch.min.bytes`.
    pub replica_fetch_min_bytes: u32,
    /// `replica.fetch.max.bytes`: per partition.
    pub replica_fetch_max_bytes: u32,
    /// `replica.fetch.response.max.bytes`.
    pub replica_fetch_response_max_bytes: u32,
    /// `replica.fetch.backoff.ms`.
    pub replica_fetch_backoff: Span,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_slots: u32,
    /// `replica.socket.timeout.ms`.
    pub replica_socket_timeout: Span,
    /// `controller.socket.timeout.ms`.
    pub controller_socket_timeout: Span,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub watermark_checkpoint_interval: Span,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_checkpoint_interval: Span,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Span,
    /// `log.dir.failure.timeout.ms`.
    pub log_dir_failure_timeout: Span,
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval: Span,
    /// `broker.session.timeout.ms`: read by brokers (time-outs) and by the controller (sessions).
    pub session_timeout: Span,
    /// `initial.broker.registration.timeout.ms`.
    pub initial_registration_timeout: Span,
    /// `controller.quorum.request.timeout.ms`: observers' fetches of the metadata log.
    pub quorum_request_timeout: Span,
    /// `controller.quorum.fetch.timeout.ms`.
    pub quorum_fetch_timeout: Span,
    /// `controller.quorum.retry.backoff.ms`.
    pub quorum_retry_backoff: Span,
    /// `controlled.shutdown.enable`.
    pub controlled_shutdown: bool,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration: Span,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_id_expiration_check_interval: Span,
    /// `unclean.leader.election.interval.ms` (internal): the periodic unclean election.
    pub unclean_election_interval: Span,
    /// `auto.leader.rebalance.enable`.
    pub auto_leader_rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`.
    pub leader_imbalance_check_interval: Span,
    /// `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Span,
    /// `socket.connection.setup.timeout.max.ms`.
    pub connection_setup_timeout_max: Span,
    /// `reconnect.backoff.ms` of the broker's own clients (fixed at 50 ms in Kafka).
    pub reconnect_backoff: Span,
    /// How many log directories the broker has (`log.dirs`); `disk.log-dirs` in a scenario.
    pub log_dirs: u16,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            replica_lag_time_max: Span::secs(30),
            replica_fetch_wait_max: Span::millis(500),
            replica_fetch_min_bytes: 1,
            replica_fetch_max_bytes: 1_048_576,
            replica_fetch_response_max_bytes: 10_485_760,
            replica_fetch_backoff: Span::secs(1),
            fetch_session_slots: 1_000,
            replica_socket_timeout: Span::secs(30),
            controller_socket_timeout: Span::secs(30),
            watermark_checkpoint_interval: Span::secs(5),
            recovery_checkpoint_interval: Span::secs(60),
            retention_check_interval: Span::secs(300),
            log_dir_failure_timeout: Span::secs(30),
            heartbeat_interval: Span::secs(2),
            session_timeout: Span::secs(9),
            initial_registration_timeout: Span::secs(60),
            quorum_request_timeout: Span::secs(2),
            quorum_fetch_timeout: Span::secs(2),
            quorum_retry_backoff: Span::millis(20),
            controlled_shutdown: true,
            producer_id_expiration: Span::secs(86_400),
            producer_id_expiration_check_interval: Span::secs(600),
            unclean_election_interval: Span::secs(300),
            auto_leader_rebalance: true,
            leader_imbalance_check_interval: Span::secs(300),
            connection_setup_timeout: Span::secs(10),
            connection_setup_timeout_max: Span::secs(30),
            reconnect_backoff: Span::millis(50),
            log_dirs: 1,
        }
    }
}

/// What every Kafka client shares (`CommonClientConfigs.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// `request.timeout.ms`.
    pub request_timeout: Span,
    /// `retry.backoff.ms`.
    pub retry_backoff: Span,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Span,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff: Span,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max: Span,
    /// `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Span,
    /// `socket.connection.setup.timeout.max.ms`.
    pub connection_setup_timeout_max: Span,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Span,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            request_timeout: Span::secs(30),
            retry_backoff: Span::millis(100),
            retry_backoff_max: Span::secs(1),
            reconnect_backoff: Span::millis(50),
            reconnect_backoff_max: Span::secs(1),
            connection_setup_timeout: Span::secs(10),
            connection_setup_timeout_max: Span::secs(30),
            metadata_max_age: Span::secs(300),
        }
    }
}

/// How many replicas must have a record before its producer hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Acks {
    /// `acks=0`: the producer does not wait.
    None,
    /// `acks=1`: the leader alone.
    Leader,
    /// `acks=all`: every in-sync replica.
    All,
}

/// A producer's effective properties (`ProducerConfig.java`), after Kafka's own adjustments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    /// What all clients share.
    pub client: ClientConfig,
    /// `acks`.
    pub acks: Acks,
    /// `retries`.
    pub retries: u32,
    /// `enable.idempotence`, as it takes effect.
    pub idempotence: bool,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: u32,
    /// `batch.size`, in bytes.
    pub batch_size: u32,
    /// `linger.ms`.
    pub linger: Span,
    /// `buffer.memory`, in bytes.
    pub buffer_memory: u64,
    /// `max.block.ms`.
    pub max_block: Span,
    /// `max.request.size`, in bytes.
    pub max_request_size: u32,
    /// `delivery.timeout.ms`, as it takes effect.
    pub delivery_timeout: Span,
    /// `partitioner.ignore.keys`.
    pub ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`.
    pub adaptive_partitioning: bool,
    /// `partitioner.availability.timeout.ms`; off if zero.
    pub availability_timeout: Span,
    /// `partitioner.class` is `RoundRobinPartitioner`.
    pub round_robin: bool,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            client: ClientConfig::default(),
            acks: Acks::All,
            retries: 2_147_483_647,
            idempotence: true,
            max_in_flight: 5,
            batch_size: 16_384,
            linger: Span::millis(5),
            buffer_memory: 33_554_432,
            max_block: Span::secs(60),
            max_request_size: 1_048_576,
            delivery_timeout: Span::secs(120),
            ignore_keys: false,
            adaptive_partitioning: true,
            availability_timeout: Span::ZERO,
            round_robin: false,
        }
    }
}

/// What a consumer does without a valid position (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffsetReset {
    /// Go to the log start.
    Earliest,
    /// Go to the high watermark.
    Latest,
    /// Throw.
    None,
}

/// A consumer's properties (`ConsumerConfig.java`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// What all clients share.
    pub client: ClientConfig,
    /// `auto.offset.reset`.
    pub offset_reset: OffsetReset,
    /// `isolation.level` is `read_committed`.
    pub read_committed: bool,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: u32,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait: Span,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: u32,
    /// `max.partition.fetch.bytes`.
    pub max_partition_fetch_bytes: u32,
    /// `max.poll.records`.
    pub max_poll_records: u32,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            client: ClientConfig::default(),
            offset_reset: OffsetReset::Latest,
            read_committed: false,
            fetch_min_bytes: 1,
            fetch_max_wait: Span::millis(500),
            fetch_max_bytes: 52_428_800,
            max_partition_fetch_bytes: 1_048_576,
            max_poll_records: 500,
        }
    }
}

/// Feature levels: cluster state, one level for all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// `eligible.leader.replicas.version` is 1.
    pub eligible_leader_replicas: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { eligible_leader_replicas: true }
    }
}
