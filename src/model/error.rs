//! Kafka's error codes and the exception classes that a client's application meets.
//!
//! Names and numbers from `Errors.java`; which error an answer carries is decided in `kafka`.

use std::fmt;

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $class:ident, $exception:literal;)*) => {
        /// An error code of the Kafka protocol.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Kafka's number.
            #[must_use]
            pub const fn code(self) -> i16 {
                match self { $(Self::$name => $code,)* }
            }

            /// How a client treats it.
            #[must_use]
            pub const fn class(self) -> ErrorClass {
                match self { $(Self::$name => ErrorClass::$class,)* }
            }

            /// Simple name of the Java client's exception class.
            #[must_use]
            pub const fn exception(self) -> &'static str {
                match self { $(Self::$name => $exception,)* }
            }
        }

        impl fmt::Display for ErrorCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)* })
            }
        }
    };
}

/// How a client treats an error (kafka-protocol §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Not an error.
    Success,
    /// Worth another try.
    Retriable,
    /// Worth another try once the metadata is fresh.
    RefreshMetadata,
    /// Neither: the request has definitely failed.
    Fatal,
}

errors! {
    /// No error.
    #[default]
    None = 0, "NONE", Success, "none";
    /// Unexpected failure.
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", Fatal, "UnknownServerException";
    /// Fetch outside `[log start, log end]`.
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", Fatal, "OffsetOutOfRangeException";
    /// A batch fails its checksum.
    CorruptMessage = 2, "CORRUPT_MESSAGE", Retriable, "CorruptRecordException";
    /// The broker does not host it, or the metadata does not name it.
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", RefreshMetadata, "UnknownTopicOrPartitionException";
    /// No leader at present.
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", RefreshMetadata, "LeaderNotAvailableException";
    /// The asked broker does not lead the partition.
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", RefreshMetadata, "NotLeaderOrFollowerException";
    /// Not done in time; it may still take effect.
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", Retriable, "TimeoutException";
    /// Larger than `max.message.bytes`.
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", Fatal, "RecordTooLargeException";
    /// Made by a client when a connection closes with requests in flight.
    NetworkException = 13, "NETWORK_EXCEPTION", RefreshMetadata, "NetworkException";
    /// The coordinator, or a block of producer ids, is not there yet.
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", Retriable, "CoordinatorLoadInProgressException";
    /// A bad topic name, or a client writes to an internal topic.
    InvalidTopic = 17, "INVALID_TOPIC_EXCEPTION", Fatal, "InvalidTopicException";
    /// A batch larger than a segment.
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", Fatal, "RecordBatchTooLargeException";
    /// Too few in-sync replicas before the append; nothing was written.
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", Retriable, "NotEnoughReplicasException";
    /// Too few in-sync replicas after the append; the record is in the log.
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", Retriable, "NotEnoughReplicasAfterAppendException";
    /// acks other than −1, 0 and 1.
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", Fatal, "InvalidRequiredAcksException";
    /// A timestamp too far from the broker's wall clock.
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", Fatal, "InvalidTimestampException";
    /// The controller asked is behind, or not the active one.
    NotController = 41, "NOT_CONTROLLER", Retriable, "NotControllerException";
    /// Malformed, or the sender may not ask this.
    InvalidRequest = 42, "INVALID_REQUEST", Fatal, "InvalidRequestException";
    /// A sequence number leaves a gap, or repeats one that is no longer remembered.
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", Fatal, "OutOfOrderSequenceException";
    /// A sequence number already used, the answer to which is no longer known (old brokers only).
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", Fatal, "DuplicateSequenceException";
    /// An epoch older than the newest of this producer id.
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", Fatal, "InvalidProducerEpochException";
    /// The partition's log directory is offline.
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", RefreshMetadata, "KafkaStorageException";
    /// The broker knows nothing of this producer id (old brokers only).
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", Fatal, "UnknownProducerIdException";
    /// The fetch session is not there (any more): the next fetch is a full one.
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", Retriable, "FetchSessionIdNotFoundException";
    /// The fetch is not the next one of its session: the next fetch is a full one.
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", Retriable, "InvalidFetchSessionEpochException";
    /// The request's leader epoch is older than the broker's.
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", RefreshMetadata, "FencedLeaderEpochException";
    /// The request's leader epoch is newer than the broker's.
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", Retriable, "UnknownLeaderEpochException";
    /// The request is of an older incarnation of a broker.
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", Fatal, "StaleBrokerEpochException";
    /// ListOffsets before the high watermark has reached the leader's epoch start.
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", Retriable, "OffsetNotAvailableException";
    /// The preferred replica may not become leader.
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", RefreshMetadata, "PreferredLeaderNotAvailableException";
    /// No replica may become leader.
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", RefreshMetadata, "EligibleLeadersNotAvailableException";
    /// The partition has a leader already.
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", RefreshMetadata, "ElectionNotNeededException";
    /// A record that fails validation.
    InvalidRecord = 87, "INVALID_RECORD", Fatal, "InvalidRecordException";
    /// AlterPartition from an older partition epoch.
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", Fatal, "InvalidUpdateVersionException";
    /// The previous incarnation's session is still valid.
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", Fatal, "DuplicateBrokerRegistrationException";
    /// A heartbeat of a broker that is not registered.
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", Fatal, "BrokerIdNotRegisteredException";
    /// AlterPartition names a replica that may not be in the ISR.
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", Fatal, "IneligibleReplicaException";
    /// AlterPartition was carried out and moved the leadership.
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", Fatal, "NewLeaderElectedException";
    /// Made by a client: `delivery.timeout.ms` or `max.block.ms` passed.
    Expired = 10_001, "EXPIRED", Fatal, "TimeoutException";
    /// Made by a client: no room within `max.block.ms`.
    BufferExhausted = 10_002, "BUFFER_EXHAUSTED", Fatal, "BufferExhaustedException";
    /// Made by a consumer: its position was truncated away and there is no reset policy.
    LogTruncation = 10_003, "LOG_TRUNCATION", Fatal, "LogTruncationException";
    /// Made by a consumer: no position and no reset policy.
    NoOffsetForPartition = 10_004, "NO_OFFSET_FOR_PARTITION", Fatal, "NoOffsetForPartitionException";
    // A fingerprint takes an error by its place here, so those that came later follow.
    /// The topic has as many partitions already, or more.
    InvalidPartitions = 37, "INVALID_PARTITIONS", Fatal, "InvalidPartitionsException";
    /// So many replicas of a partition cannot be placed now.
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", Fatal, "InvalidReplicationFactorException";
}

impl ErrorCode {
    /// Whether it is no error.
    #[must_use]
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether a client may try again (`RetriableException`).
    #[must_use]
    pub const fn is_retriable(self) -> bool {
        matches!(self.class(), ErrorClass::Retriable | ErrorClass::RefreshMetadata)
    }

    /// Whether a client refreshes its metadata on it (`InvalidMetadataException`).
    #[must_use]
    pub const fn refreshes_metadata(self) -> bool {
        matches!(self.class(), ErrorClass::RefreshMetadata)
    }
}
