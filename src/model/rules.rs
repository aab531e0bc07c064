//! Rules: one enum per decision that Kafka has made differently in its history, per node.
//!
//! A rule says what a node's code can do; what the cluster does is a feature level
//! ([`crate::model::config::Features`]). Presets are written as "the previous preset with some
//! fields changed", so that the difference is the history. Names as in `flaws.md` §0.1. Each field
//! is read in one function per role, in `kafka::rulings` or at the flow it changes.

/// What a follower does with its log when a new leader epoch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truncation {
    /// Cuts to its own high watermark (before 0.11; KAFKA-1211). Loses committed records.
    ToHighWatermark,
    /// Is told by the leader where logs part, in the answer to its fetch (KAFKA-10554, 2.8).
    DivergingEpochInFetch,
}

/// What a leader checks of the leader epoch in a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FetchEpochCheck {
    /// Nothing (before KIP-320, 2.1): zombie replicas are served.
    None,
    /// It must be the leader's own.
    Always,
}

/// When a leader lets a follower into the ISR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IsrJoinRule {
    /// It has reached the high watermark (before KAFKA-7128, 2.0.1).
    ReachHw,
    /// It has reached the high watermark and the start of the leader's epoch.
    ReachHwAndEpochStart,
}

/// Whom the high watermark waits for while an ISR change is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HwQuorum {
    /// The committed ISR.
    CommittedIsr,
    /// The larger of committed and proposed (KIP-497, 2.7).
    MaximalIsr,
}

/// What the controller checks of a replica that a leader wants in the ISR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IsrJoinLiveness {
    /// Nothing.
    None,
    /// It is not fenced and not shutting down (KIP-841, 3.3).
    NotFencedNotStopping,
    /// That, and its broker epoch is the one the leader saw (KIP-903, 3.5).
    BrokerEpoch,
}

/// Whether the high watermark may advance below min.insync.replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HwNeedsMinIsr {
    /// Yes, it may (before 3.7).
    No,
    /// No, it waits.
    Yes,
}

/// What a last known leader must be to be elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LastKnownLeaderCheck {
    /// Nothing (4.0.1).
    None,
    /// Registered, unfenced and not shutting down (4.1).
    MustBeUnfenced,
}

/// Which repeated batches a leader recognises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProducerDedup {
    /// None.
    None,
    /// The last batch of a producer.
    LastBatch,
    /// The last five (KAFKA-5494, 1.0).
    Last5Batches,
}

/// What the controller does with the session of a broker that shut down in a controlled way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownSession {
    /// Forgets it, so the next incarnation registers at once (3.9; recorded: `rolling-restart`).
    Dropped,
    /// Keeps it, so the next incarnation is refused until it ends (4.1; recorded).
    Kept,
}

/// A deliberately wrong ruling, to test the checkers. Switched on by `--drill NAME` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drill {
    /// The high watermark does not wait for the last member of the ISR.
    HwIgnoresMember,
    /// A leader serves fetches of any leader epoch, and followers need not be told of divergence.
    NoFetchEpochCheck,
    /// acks=all is answered as soon as the leader has appended.
    EarlyAck,
    /// A follower joins the ISR below the start of the leader's epoch and the high watermark.
    IsrJoinBelowEpochStart,
    /// Repeated batches are appended again.
    DedupeOff,
    /// The ELR keeps brokers that stopped uncleanly.
    StaleElr,
    /// The high watermark may advance below min.insync.replicas.
    HwBelowMinIsr,
    /// A leader takes `min.insync.replicas` for 1.
    MinInsyncIgnored,
    /// A follower never truncates on divergence.
    NoTruncation,
    /// Consumers are served up to the log end.
    ReadUncommittedTail,
    /// The controller elects any live replica, in or out of the ISR.
    ElectAnyReplica,
    /// The leader shrinks the ISR without asking that a member has lagged.
    EagerShrink,
    /// A new leader adopts its log end as the high watermark.
    LeaderTrustsLogEnd,
    /// The controller does not raise the leader epoch at an election.
    SameLeaderEpoch,
    /// The partitioner ignores the key.
    KeyIgnored,
    /// A follower moves its high watermark to its own log end.
    FollowerWatermarkAtEnd,
    /// A leader lowers its high watermark when a member of its quorum is behind it.
    WatermarkFalls,
    /// A replica joins the ISR whatever its registration.
    FencedJoinsIsr,
    /// A leader takes the ISR it proposes for committed.
    OptimisticIsr,
    /// Retention deletes every segment, committed or not.
    RetentionTakesAll,
    /// A replica takes for appended what its disk has refused.
    DiskErrorIgnored,
    /// A fetcher whose partitions all back off does not set its timer.
    FetcherNotRearmed,
    /// Data does not answer a fetch that waits for it.
    FetchNotWoken,
    /// The high watermark does not answer a produce request that waits for it.
    ProduceNotWoken,
    /// An AlterPartition that was lost with its connection is not sent again.
    AlterPartitionNotRetried,
    /// After a heartbeat that failed there is none.
    HeartbeatsNotResumed,
    /// After some batches have expired, a producer looks for no more.
    ExpiryNotRearmed,
    /// What a poll has no room for is dropped.
    PollDropsRest,
    /// A consumer goes on one record further than it was handed over.
    PositionOneTooFar,
    /// A consumer leaves out a record when its partition has another leader.
    NewLeaderSkips,
    /// The latest offset that a leader lists is its log end.
    LatestIsLogEnd,
    /// A reset goes to the other end of the log than the policy says.
    ResetToOtherEnd,
    /// A leader refuses its log end as out of range.
    LogEndOutOfRange,
    /// A consumer does not ask a new leader where its log parts.
    PositionNotValidated,
    /// A consumer stays where it is when it is told that the log was truncated.
    ConsumerTruncationIgnored,
    /// A consumer that is told of a truncation goes back one record further.
    ConsumerTruncationTooFar,
    /// A leader takes any sequence number that repeats nothing it remembers.
    SequenceGapsTaken,
    /// A leader takes batches of an earlier producer epoch.
    OldProducerEpochTaken,
    /// A producer says that records were refused though it does not know their fate.
    UnknownIsRejected,
}

impl Drill {
    /// Every drill with its name and what it does wrong.
    pub const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::HwIgnoresMember,
            "hw-ignores-member",
            "the high watermark does not wait for the last member of the ISR",
        ),
        (
            Self::NoFetchEpochCheck,
            "no-fetch-epoch-check",
            "a leader serves fetches of any leader epoch and checks no divergence",
        ),
        (Self::EarlyAck, "early-ack", "acks=all is answered as soon as the leader has appended"),
        (
            Self::IsrJoinBelowEpochStart,
            "isr-join-below-epoch-start",
            "a follower joins the ISR below the leader's epoch start and high watermark",
        ),
        (Self::DedupeOff, "dedupe-off", "repeated batches are appended again"),
        (Self::StaleElr, "stale-elr", "the ELR keeps brokers that stopped uncleanly"),
        (
            Self::HwBelowMinIsr,
            "hw-below-min-isr",
            "the high watermark advances below min.insync.replicas",
        ),
        (Self::MinInsyncIgnored, "min-insync-ignored", "a leader takes min.insync.replicas for 1"),
        (Self::NoTruncation, "no-truncation", "a follower never truncates on divergence"),
        (
            Self::ReadUncommittedTail,
            "read-uncommitted-tail",
            "consumers are served up to the log end",
        ),
        (
            Self::ElectAnyReplica,
            "elect-any-replica",
            "the controller elects any live replica, in or out of the ISR",
        ),
        (Self::EagerShrink, "eager-shrink", "the leader shrinks the ISR though nobody lags"),
        (
            Self::LeaderTrustsLogEnd,
            "leader-trusts-log-end",
            "a new leader adopts its log end as the high watermark",
        ),
        (Self::SameLeaderEpoch, "same-leader-epoch", "an election does not raise the leader epoch"),
        (Self::KeyIgnored, "key-ignored", "the partitioner ignores the key"),
        (
            Self::FollowerWatermarkAtEnd,
            "follower-watermark-at-end",
            "a follower moves its high watermark to its own log end",
        ),
        (
            Self::WatermarkFalls,
            "watermark-falls",
            "a leader lowers its high watermark when a member of its quorum is behind it",
        ),
        (
            Self::FencedJoinsIsr,
            "fenced-joins-isr",
            "a replica joins the ISR whatever its registration",
        ),
        (Self::OptimisticIsr, "optimistic-isr", "a leader takes the ISR it proposes for committed"),
        (
            Self::RetentionTakesAll,
            "retention-takes-all",
            "retention deletes every segment, committed or not",
        ),
        (
            Self::DiskErrorIgnored,
            "disk-error-ignored",
            "a replica takes for appended what its disk has refused",
        ),
        (
            Self::FetcherNotRearmed,
            "fetcher-not-rearmed",
            "a fetcher whose partitions all back off does not set its timer",
        ),
        (
            Self::FetchNotWoken,
            "fetch-not-woken",
            "data does not answer a fetch that waits for it; its time-out does",
        ),
        (
            Self::ProduceNotWoken,
            "produce-not-woken",
            "the high watermark does not answer a produce request that waits for it",
        ),
        (
            Self::AlterPartitionNotRetried,
            "alter-partition-not-retried",
            "an AlterPartition that was lost with its connection is not sent again",
        ),
        (
            Self::HeartbeatsNotResumed,
            "heartbeats-not-resumed",
            "after a heartbeat that failed there is none",
        ),
        (
            Self::ExpiryNotRearmed,
            "expiry-not-rearmed",
            "after some batches have expired, a producer looks for no more",
        ),
        (
            Self::PollDropsRest,
            "poll-drops-rest",
            "what max.poll.records has no room for is dropped",
        ),
        (
            Self::PositionOneTooFar,
            "position-one-too-far",
            "a consumer goes on one record further than it was handed over",
        ),
        (
            Self::NewLeaderSkips,
            "new-leader-skips",
            "a consumer leaves out a record when its partition has another leader",
        ),
        (Self::LatestIsLogEnd, "latest-is-log-end", "the latest offset listed is the log end"),
        (
            Self::ResetToOtherEnd,
            "reset-to-other-end",
            "a reset goes to the other end of the log than auto.offset.reset says",
        ),
        (
            Self::LogEndOutOfRange,
            "log-end-out-of-range",
            "a leader refuses a fetch from its log end as out of range",
        ),
        (
            Self::PositionNotValidated,
            "position-not-validated",
            "a consumer does not ask a new leader where its log parts",
        ),
        (
            Self::ConsumerTruncationIgnored,
            "consumer-truncation-ignored",
            "a consumer stays where it is when told that the log was truncated",
        ),
        (
            Self::ConsumerTruncationTooFar,
            "consumer-truncation-too-far",
            "a consumer that is told of a truncation goes back one record further",
        ),
        (
            Self::SequenceGapsTaken,
            "sequence-gaps-taken",
            "a leader takes any sequence number that repeats nothing it remembers",
        ),
        (
            Self::OldProducerEpochTaken,
            "old-producer-epoch-taken",
            "a leader takes batches of an earlier producer epoch",
        ),
        (
            Self::UnknownIsRejected,
            "unknown-is-rejected",
            "a producer says that records were refused though it does not know their fate",
        ),
    ];

    /// Its name on the command line and in a repro file.
    #[must_use]
    pub fn name(self) -> &'static str {
        let row = Self::ALL.iter().find(|(drill, ..)| *drill == self);
        row.map_or("unknown", |(_, name, _)| name)
    }
}

/// What a node's code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What a follower does with its log when a new leader epoch begins.
    pub truncation: Truncation,
    /// What a leader checks of the leader epoch in a fetch.
    pub fetch_epoch_check: FetchEpochCheck,
    /// When a leader lets a follower into the ISR.
    pub isr_join_rule: IsrJoinRule,
    /// Whom the high watermark waits for while an ISR change is pending.
    pub hw_quorum: HwQuorum,
    /// What the controller checks of a replica that a leader wants in the ISR.
    pub isr_join_liveness: IsrJoinLiveness,
    /// Whether the high watermark may advance below min.insync.replicas.
    pub hw_needs_min_isr: HwNeedsMinIsr,
    /// What a last known leader must be to be elected.
    pub last_known_leader_check: LastKnownLeaderCheck,
    /// Which repeated batches a leader recognises.
    pub producer_dedup: ProducerDedup,
    /// What becomes of the session of a broker that shut down in a controlled way.
    pub shutdown_session: ShutdownSession,
    /// A drill, never set by a scenario.
    pub drill: Option<Drill>,
}

impl Rules {
    /// Kafka 3.9 in KRaft mode.
    pub const KAFKA_3_9: Self = Self {
        truncation: Truncation::DivergingEpochInFetch,
        fetch_epoch_check: FetchEpochCheck::Always,
        isr_join_rule: IsrJoinRule::ReachHwAndEpochStart,
        hw_quorum: HwQuorum::MaximalIsr,
        isr_join_liveness: IsrJoinLiveness::BrokerEpoch,
        hw_needs_min_isr: HwNeedsMinIsr::Yes,
        last_known_leader_check: LastKnownLeaderCheck::None,
        producer_dedup: ProducerDedup::Last5Batches,
        shutdown_session: ShutdownSession::Dropped,
        drill: None,
    };
    /// Kafka 4.0.
    pub const KAFKA_4_0: Self = Self { shutdown_session: ShutdownSession::Kept, ..Self::KAFKA_3_9 };
    /// Kafka 4.1.
    pub const KAFKA_4_1: Self =
        Self { last_known_leader_check: LastKnownLeaderCheck::MustBeUnfenced, ..Self::KAFKA_4_0 };

    /// Whether this drill is on.
    #[must_use]
    pub fn drills(&self, drill: Drill) -> bool {
        self.drill == Some(drill)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::KAFKA_4_1
    }
}
