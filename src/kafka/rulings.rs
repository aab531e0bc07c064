//! Protocol decisions of a broker as pure functions: small plain inputs, a decision out.
//!
//! Whoever wants the history of Kafka's mistakes reads this file: each function answers one
//! question, names the Kafka file it follows, and is the one reader (per role) of the
//! [`Rules`] fields and [`Drill`]s it names. Knows no log, no clock and no message.

use std::ops::RangeInclusive;

use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ReplicaSet};
use crate::base::time::{Span, Time};
use crate::model::batch::increment_sequence;
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::rules::{
    Drill, FetchEpochCheck, HwNeedsMinIsr, HwQuorum, IsrJoinLiveness, IsrJoinRule, ProducerDedup,
    Rules, Truncation,
};

// ---- writing ----

/// How many replicas acks=all and the high watermark ask for: `min.insync.replicas`, but never more
/// than there are.
///
/// Kafka: Partition.effectiveMinIsr
#[must_use]
pub fn effective_min_isr(rules: &Rules, configured: u32, replicas: usize) -> usize {
    if rules.drills(Drill::MinInsyncIgnored) { 1 } else { replicas.min(configured as usize) }
}

/// Whether a leader may append at all, before it looks at the batch: acks=all needs the *committed*
/// ISR to be large enough.
///
/// Kafka: Partition.appendRecordsToLeader
///
/// # Errors
/// What the producer is told if not.
pub fn may_accept_write(
    acks: Acks,
    committed: ReplicaSet,
    min_isr: usize,
) -> Result<(), ErrorCode> {
    if acks == Acks::All && committed.len() < min_isr {
        return Err(ErrorCode::NotEnoughReplicas);
    }
    Ok(())
}

/// Whether the answer to an append waits for the high watermark.
///
/// Kafka: ReplicaManager.delayedProduceRequestRequired
#[must_use]
pub fn answer_waits_for_watermark(rules: &Rules, acks: Acks) -> bool {
    acks == Acks::All && !rules.drills(Drill::EarlyAck)
}

/// What acks=all says once the high watermark has passed the batch: judged by the maximal ISR of
/// that moment.
///
/// Kafka: Partition.checkEnoughReplicasReachOffset
#[must_use]
pub fn answer_after_watermark(maximal: ReplicaSet, min_isr: usize) -> ErrorCode {
    if maximal.len() < min_isr {
        return ErrorCode::NotEnoughReplicasAfterAppend;
    }
    ErrorCode::None
}

/// What a leader remembers of a producer, as far as [`accept_sequence`] looks at it.
#[derive(Clone, Copy, Debug)]
pub struct KnownProducer<'a> {
    /// Its newest epoch.
    pub epoch: ProducerEpoch,
    /// First and last sequence and base offset of its last batches, oldest first.
    pub batches: &'a [KnownBatch],
}

/// One remembered batch of a producer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownBatch {
    /// Sequence number of its first record.
    pub first: u32,
    /// Sequence number of its last record.
    pub last: u32,
    /// Where it lies.
    pub base: Offset,
    /// One past its last offset.
    pub end: Offset,
}

/// What a leader does with a batch of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceRuling {
    /// Append it.
    Append,
    /// It is in the log already: answer with that place, append nothing.
    Duplicate(KnownBatch),
    /// Refuse it.
    Refuse(ErrorCode),
}

/// Judges a batch by what is known of its producer. A producer that is not known may begin with any
/// sequence.
///
/// Kafka: UnifiedLog.analyzeAndValidateProducerState
/// Kafka: ProducerAppendInfo.checkSequence
#[must_use]
pub fn accept_sequence(
    rules: &Rules,
    known: Option<KnownProducer<'_>>,
    epoch: ProducerEpoch,
    first: u32,
    count: u32,
) -> SequenceRuling {
    let remembered = match rules.producer_dedup {
        _ if rules.drills(Drill::DedupeOff) => 0,
        ProducerDedup::None => 0,
        ProducerDedup::LastBatch => 1,
        ProducerDedup::Last5Batches => 5,
    };
    let Some(known) = known.filter(|_| remembered > 0) else {
        return SequenceRuling::Append;
    };
    let last = increment_sequence(first, count - 1);
    let recent = &known.batches[known.batches.len().saturating_sub(remembered)..];
    if known.epoch == epoch
        && let Some(batch) = recent.iter().find(|b| b.first == first && b.last == last)
    {
        return SequenceRuling::Duplicate(*batch);
    }
    if epoch < known.epoch {
        return match rules.drills(Drill::OldProducerEpochTaken) {
            true => SequenceRuling::Append,
            false => SequenceRuling::Refuse(ErrorCode::InvalidProducerEpoch),
        };
    }
    let expected = match recent.last() {
        Some(batch) if epoch == known.epoch => increment_sequence(batch.last, 1),
        _ => 0,
    };
    if first != expected && !rules.drills(Drill::SequenceGapsTaken) {
        return SequenceRuling::Refuse(ErrorCode::OutOfOrderSequenceNumber);
    }
    SequenceRuling::Append
}

// ---- the high watermark ----

/// A follower as the high watermark rule sees it.
#[derive(Clone, Copy, Debug)]
pub struct FollowerEnd {
    /// Its place in the replica list.
    pub place: usize,
    /// Its log end offset; `None` until it has fetched in this leader epoch.
    pub end: Option<Offset>,
}

/// The leader's side of the high watermark rule.
#[derive(Clone, Copy, Debug)]
pub struct WatermarkInputs {
    /// The committed ISR.
    pub committed: ReplicaSet,
    /// The larger of committed and proposed ISR (KIP-497).
    pub maximal: ReplicaSet,
    /// The leader's own place.
    pub leader: usize,
    /// Effective `min.insync.replicas`.
    pub min_isr: usize,
    /// The leader's log end offset.
    pub end: Offset,
    /// The present high watermark.
    pub present: Offset,
}

/// The next high watermark, if it moves: the smallest log end of those it waits for. Those are the
/// maximal ISR and whoever is caught up and may join it, so that a joining follower is not outrun;
/// `joins` is asked for the others. It never falls.
///
/// Kafka: Partition.maybeIncrementLeaderHW
pub fn high_watermark(
    rules: &Rules,
    inputs: &WatermarkInputs,
    followers: impl Iterator<Item = FollowerEnd>,
    mut joins: impl FnMut(usize) -> bool,
) -> Option<Offset> {
    let frozen_below_min_isr =
        rules.hw_needs_min_isr == HwNeedsMinIsr::Yes && !rules.drills(Drill::HwBelowMinIsr);
    if frozen_below_min_isr && inputs.committed.len() < inputs.min_isr {
        return None;
    }
    let mut quorum = match rules.hw_quorum {
        HwQuorum::CommittedIsr => inputs.committed,
        HwQuorum::MaximalIsr => inputs.maximal,
    };
    let mut ignored = ReplicaSet::EMPTY;
    if rules.drills(Drill::HwIgnoresMember)
        && let Some(member) = quorum.without(inputs.leader).iter().last()
    {
        ignored = ReplicaSet::only(member);
        quorum = quorum.minus(ignored);
    }
    let mut candidate = inputs.end;
    for follower in followers {
        if ignored.has(follower.place) || follower.end.is_some_and(|end| end >= candidate) {
            continue;
        }
        if quorum.has(follower.place) || joins(follower.place) {
            candidate = follower.end?;
        }
    }
    let falls = rules.drills(Drill::WatermarkFalls) && candidate < inputs.present;
    (candidate > inputs.present || falls).then_some(candidate)
}

/// The high watermark with which a new leader begins: its own.
///
/// Kafka: Partition.makeLeader
#[must_use]
pub fn watermark_of_new_leader(rules: &Rules, own: Offset, end: Offset) -> Offset {
    if rules.drills(Drill::LeaderTrustsLogEnd) { end } else { own }
}

/// The high watermark a follower takes over: the leader's, within its own log. It may fall.
///
/// Kafka: UnifiedLog.maybeUpdateHighWatermark
#[must_use]
pub fn follower_watermark(rules: &Rules, leaders: Offset, start: Offset, end: Offset) -> Offset {
    if rules.drills(Drill::FollowerWatermarkAtEnd) { end } else { leaders.max(start).min(end) }
}

// ---- the in-sync replicas ----

/// Whether a follower is caught up: it has all, or had all that the leader had no longer than
/// `replica.lag.time.max.ms` ago.
///
/// Kafka: ReplicaState.isCaughtUp
#[must_use]
pub fn is_caught_up(
    end: Option<Offset>,
    leader_end: Offset,
    last_caught_up: Option<Time>,
    now: Time,
    lag_max: Span,
) -> bool {
    end == Some(leader_end) || last_caught_up.is_some_and(|at| now.since(at) <= lag_max)
}

/// Whether a leader takes a member out of the ISR.
///
/// Kafka: Partition.getOutOfSyncReplicas
#[must_use]
pub fn leaves_isr(rules: &Rules, caught_up: bool) -> bool {
    !caught_up || rules.drills(Drill::EagerShrink)
}

/// Whether a follower's log is long enough for the ISR. Below the start of the leader's epoch there
/// may be committed records it lacks (KAFKA-7128).
///
/// Kafka: Partition.isFollowerInSync
#[must_use]
pub fn may_join_isr(rules: &Rules, end: Offset, watermark: Offset, epoch_start: Offset) -> bool {
    if rules.drills(Drill::IsrJoinBelowEpochStart) {
        return true;
    }
    match rules.isr_join_rule {
        IsrJoinRule::ReachHw => end >= watermark,
        IsrJoinRule::ReachHwAndEpochStart => end >= watermark && end >= epoch_start,
    }
}

/// What a leader's metadata says of a follower's registration.
#[derive(Clone, Copy, Debug)]
pub struct FollowerRegistration {
    /// Registered at all.
    pub registered: bool,
    /// Fenced.
    pub fenced: bool,
    /// In controlled shutdown.
    pub shutting_down: bool,
    /// The epoch in its fetches is that of its registration, or it has none yet.
    pub epoch_agrees: bool,
}

/// Whether a leader thinks a follower may be in the ISR as far as its registration goes (KIP-841,
/// KIP-903). The controller checks it again.
///
/// Kafka: Partition.isReplicaIsrEligible
#[must_use]
pub fn is_isr_eligible(rules: &Rules, seen: FollowerRegistration) -> bool {
    let alive = !seen.fenced && !seen.shutting_down;
    match rules.isr_join_liveness {
        _ if rules.drills(Drill::FencedJoinsIsr) => true,
        IsrJoinLiveness::None => true,
        IsrJoinLiveness::NotFencedNotStopping => alive,
        IsrJoinLiveness::BrokerEpoch => seen.registered && alive && seen.epoch_agrees,
    }
}

/// The ISR that a leader takes for committed while a proposal is under way
/// (`PendingPartitionChange`): still the old one.
#[must_use]
pub fn isr_while_pending(rules: &Rules, committed: ReplicaSet, proposed: ReplicaSet) -> ReplicaSet {
    if rules.drills(Drill::OptimisticIsr) { proposed } else { committed }
}

// ---- going on ----
//
// No version of Kafka decides these otherwise. They are rulings so that a drill can break each: a
// wake-up that is lost.

/// Whether a fetcher whose partitions all back off sets its timer: it waits on a condition for as
/// long.
///
/// Kafka: AbstractFetcherThread.maybeFetch
#[must_use]
pub fn fetcher_wakes(rules: &Rules) -> bool {
    !rules.drills(Drill::FetcherNotRearmed)
}

/// Whether news of a partition answers the fetches that wait for it.
///
/// Kafka: DelayedFetch.tryComplete
#[must_use]
pub fn news_answers_fetches(rules: &Rules) -> bool {
    !rules.drills(Drill::FetchNotWoken)
}

/// Whether the high watermark answers the produce requests that wait for it.
///
/// Kafka: DelayedProduce.tryComplete
#[must_use]
pub fn watermark_answers_produces(rules: &Rules) -> bool {
    !rules.drills(Drill::ProduceNotWoken)
}

/// Whether an AlterPartition whose answer was lost is sent again.
///
/// Kafka: DefaultAlterPartitionManager.sendRequest
#[must_use]
pub fn lost_alter_partition_is_retried(rules: &Rules) -> bool {
    !rules.drills(Drill::AlterPartitionNotRetried)
}

/// Whether another heartbeat follows one that failed.
///
/// Kafka: BrokerLifecycleManager.scheduleNextCommunicationAfterFailure
#[must_use]
pub fn heartbeats_go_on(rules: &Rules) -> bool {
    !rules.drills(Drill::HeartbeatsNotResumed)
}

// ---- the log ----

/// Whether an append that the disk refuses fails.
///
/// Kafka: UnifiedLog.maybeHandleIOException
#[must_use]
pub fn failed_write_fails(rules: &Rules) -> bool {
    !rules.drills(Drill::DiskErrorIgnored)
}

/// Whether retention takes the oldest segment, which ends at `end`: if it is `due` by age or size
/// and holds nothing above the high watermark.
///
/// Kafka: UnifiedLog.deleteOldSegments
#[must_use]
pub fn retention_takes(rules: &Rules, due: bool, end: Offset, watermark: Offset) -> bool {
    (due && end <= watermark) || rules.drills(Drill::RetentionTakesAll)
}

// ---- fetching ----

/// Whether the leader epoch in a request is the answering broker's (KIP-320).
///
/// Kafka: Partition.checkCurrentLeaderEpoch
///
/// # Errors
/// What the asking node is told if not.
pub fn check_fetch_epoch(
    rules: &Rules,
    asked: Option<LeaderEpoch>,
    own: Option<LeaderEpoch>,
) -> Result<(), ErrorCode> {
    if rules.fetch_epoch_check == FetchEpochCheck::None || rules.drills(Drill::NoFetchEpochCheck) {
        return Ok(());
    }
    match asked {
        None => Ok(()),
        Some(asked) if Some(asked) < own => Err(ErrorCode::FencedLeaderEpoch),
        Some(asked) if Some(asked) > own => Err(ErrorCode::UnknownLeaderEpoch),
        Some(_) => Ok(()),
    }
}

/// What a leader finds when it compares a follower's last epoch with its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// Nothing: serve the fetch.
    None,
    /// The logs part: tell the follower the largest epoch not above its own, and its end.
    At(LeaderEpoch, Offset),
    /// The leader has never heard of an epoch so new: the offset is out of range.
    Unknown,
}

/// Whether the follower's log parts from the leader's (KAFKA-10554). `own` is the leader's end of
/// the largest epoch not above the follower's last.
///
/// Kafka: Partition.readRecords
#[must_use]
pub fn find_divergence(
    rules: &Rules,
    last_fetched: Option<LeaderEpoch>,
    offset: Offset,
    own: Option<(LeaderEpoch, Offset)>,
) -> Divergence {
    let tells = rules.truncation == Truncation::DivergingEpochInFetch
        && !rules.drills(Drill::NoFetchEpochCheck);
    let Some(last_fetched) = last_fetched.filter(|_| tells) else {
        return Divergence::None;
    };
    match own {
        None => Divergence::Unknown,
        Some((epoch, end)) if epoch < last_fetched || end < offset => Divergence::At(epoch, end),
        Some(_) => Divergence::None,
    }
}

/// How a follower makes its log a prefix of its leader's when a leader epoch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerStart {
    /// It cuts to its own high watermark and believes the rest (before KIP-101).
    CutToWatermark,
    /// It sends its last epoch with each fetch and cuts when told.
    Validate,
    /// It does neither.
    Blind,
}

/// See [`FollowerStart`].
///
/// Kafka: AbstractFetcherThread.partitionFetchState
#[must_use]
pub fn follower_start(rules: &Rules) -> FollowerStart {
    match rules.truncation {
        _ if rules.drills(Drill::NoTruncation) => FollowerStart::Blind,
        Truncation::ToHighWatermark => FollowerStart::CutToWatermark,
        Truncation::DivergingEpochInFetch => FollowerStart::Validate,
    }
}

/// Where a follower cuts its log when told that it diverges. `own` is what its own epoch cache says
/// of the leader's epoch. If that is an older epoch, the next fetch decides the rest.
///
/// Kafka: AbstractFetcherThread.getOffsetTruncationState
#[must_use]
pub fn truncation_point(
    leaders: (LeaderEpoch, Offset),
    own: Option<(LeaderEpoch, Offset)>,
    end: Offset,
) -> Offset {
    match own {
        Some((epoch, own_end)) if epoch == leaders.0 => own_end.min(leaders.1).min(end),
        Some((_, own_end)) => own_end.min(end),
        None => leaders.1.min(end),
    }
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A follower.
    Follower,
    /// A consumer.
    Consumer,
    /// A consumer that reads committed transactions only.
    CommittedConsumer,
}

/// How far a reader may read (`FetchIsolation`, `Partition.readRecords`).
#[must_use]
pub fn read_limit(
    rules: &Rules,
    reader: Reader,
    last_stable: Offset,
    watermark: Offset,
    end: Offset,
) -> Offset {
    match reader {
        Reader::Follower => end,
        _ if rules.drills(Drill::ReadUncommittedTail) => end,
        Reader::Consumer => watermark,
        Reader::CommittedConsumer => last_stable,
    }
}

/// What a leader lists as the latest offset: how far its client may read.
///
/// Kafka: Partition.fetchOffsetForTimestamp
#[must_use]
pub fn latest_offset(rules: &Rules, limit: Offset, end: Offset) -> Offset {
    if rules.drills(Drill::LatestIsLogEnd) { end } else { limit }
}

/// Whether a fetch from `asked` is refused as out of range by a leader whose log has this one, from
/// its start to its end. The end is in it: the next record will stand there. Where logs diverge an
/// offset beyond the end is not refused, since the follower is told to cut.
///
/// Kafka: Partition.readRecords
#[must_use]
pub fn is_out_of_range(
    rules: &Rules,
    (divergence, is_follower): (Divergence, bool),
    asked: Offset,
    range: RangeInclusive<Offset>,
) -> bool {
    let at_end = asked == *range.end() && rules.drills(Drill::LogEndOutOfRange) && !is_follower;
    match divergence {
        Divergence::Unknown => true,
        Divergence::At(..) => asked < *range.start(),
        Divergence::None => at_end || !range.contains(&asked),
    }
}

/// Whether a follower takes a fetched batch: it skips what a leader of a later epoch than its own
/// wrote, and all after it (KAFKA-18723).
///
/// Kafka: UnifiedLog.append
#[must_use]
pub fn follower_takes(batch: LeaderEpoch, own: Option<LeaderEpoch>) -> bool {
    Some(batch) <= own
}

// ---- answers of the controller ----

/// What a leader does about its proposed ISR when the controller refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedIsr {
    /// Goes back to the committed ISR: the proposal was certainly not carried out.
    Revert,
    /// Stays pending until the metadata log tells more: it may have been carried out.
    Await,
    /// Proposes it again.
    Retry,
}

/// See [`RefusedIsr`].
///
/// Kafka: Partition.handleAlterPartitionError
#[must_use]
pub const fn react_to_refused_isr(error: ErrorCode) -> RefusedIsr {
    match error {
        ErrorCode::IneligibleReplica => RefusedIsr::Revert,
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::InvalidUpdateVersion
        | ErrorCode::InvalidRequest
        | ErrorCode::NewLeaderElected => RefusedIsr::Await,
        _ => RefusedIsr::Retry,
    }
}

#[cfg(test)]
mod tests;
