//! `position-unjustified`, claims C9 and F4: a consumer's position has its reason in what it could
//! know.
//!
//! Two halves. *What a broker tells a client of its position must be true when it is told*: the
//! earliest offset is the log start; the latest is the high watermark, or the last stable offset,
//! which is the same while there are no transactions; never the log end; the end of a leader epoch
//! is where the next one begins; and what is refused as out of range lies outside of the log. *A
//! position that is set is one of these*: a first one, or one after `OFFSET_OUT_OF_RANGE`, is what
//! the leader listed for `auto.offset.reset`; one after a truncation is where the epoch of the last
//! record ends (KIP-320), and that is heeded before anything else is read; a seek is its
//! application's. There are no committed offsets and no `by_duration` here.
//!
//! Log starts and high watermarks are not observed, so they are told to lie within bounds that are:
//! a log start is not below where the files of its replica start (as long as no restart has undone
//! a deletion) and not above the furthest start of any files; for the high watermark see
//! [`PartitionGhost::highest_watermark`], and from below what leaders up to its epoch have shown.
//! Follows `OffsetFetcherUtils.java`, `SubscriptionState.java`, `Partition.scala`.

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, Offset, ProcessId};
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::reader::{EpochEnd, Reader};
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::config::OffsetReset;
use crate::model::fact::{PositionAnswer, PositionChange, Stamp};

/// What is told of a broker's answer: bounds within which the truth lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    what: &'static str,
    low: Offset,
    high: Offset,
    /// It may be this, too.
    or: Option<Offset>,
}

/// A broker and where its replica stands in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answerer {
    pub(crate) broker: BrokerId,
    pub(crate) place: usize,
    /// It has been started again, which may have brought back what retention had deleted.
    pub(crate) restarted: bool,
}

/// A broker has answered a consumer: judged by the logs as they are.
pub(crate) fn answered(
    ghost: &PartitionGhost,
    reader: &mut Reader,
    answerer: Answerer,
    (answer, policy): (PositionAnswer, OffsetReset),
    stamp: Stamp,
    findings: &mut Findings,
) {
    findings.exercise(PropertyId::PositionUnjustified);
    let (said, bounds) = match answer {
        PositionAnswer::Listed { offset, leader_epoch } => {
            (offset, listed(ghost, answerer, policy, leader_epoch))
        }
        PositionAnswer::EpochEnd(Some((epoch, end))) => (end, end_of_epoch(ghost, answerer, epoch)),
        PositionAnswer::EpochEnd(None) => return,
        PositionAnswer::OutOfRange => {
            let out = is_out_of_range(ghost, answerer.place, reader.position());
            reader.told.out_of_range |= out;
            reader.may_throw.out_of_range |= out;
            return;
        }
    };
    let Bounds { what, low, high, .. } = bounds;
    if low <= said && said <= high || bounds.or == Some(said) {
        return;
    }
    let detail = Detail::Told { what, low, high };
    let violation = Violation::of(PropertyId::PositionUnjustified, stamp, detail)
        .partition(ghost.id)
        .offset(said)
        .broker(answerer.broker);
    findings.add(PropertyId::PositionUnjustified, violation);
}

/// Where the offset lies that the reset policy asks for.
fn listed(
    ghost: &PartitionGhost,
    answerer: Answerer,
    policy: OffsetReset,
    epoch: Option<LeaderEpoch>,
) -> Bounds {
    if policy == OffsetReset::Earliest {
        let files = ghost.canon.replica(answerer.place).start;
        let low = if answerer.restarted { Offset::ZERO } else { files };
        let high = ghost.canon.furthest_start();
        return Bounds { what: "the log start", low, high, or: None };
    }
    // A leader that was deposed may not know what later ones have shown; one that was elected
    // uncleanly may have lost it, which is known when it first acts.
    let knows = epoch.is_some_and(|epoch| epoch >= ghost.watermark_epoch);
    let low = if knows && ghost.canon.is_settled() { ghost.watermark } else { Offset::ZERO };
    Bounds { what: "the high watermark", low, high: ghost.highest_watermark(), or: None }
}

/// Where a leader epoch ends in the log of a replica: where the next one begins, or the log ends.
/// Of what lies below a log start its epoch cache knows that start only. A broker may serve several
/// requests of its inbox in one event, so the last batch may have come after the answer was made.
///
/// One that was started again may have led with a log that a power loss had cut, and so have noted
/// where an epoch begins that its log does not reach. Records of an earlier epoch that it fetches
/// then put that right, and move the start of their own epoch up to where they stand
/// (`LeaderEpochFileCache.maybeTruncateNonMonotonicEntries`): what it tells of the epoch before is
/// too high.
fn end_of_epoch(ghost: &PartitionGhost, answerer: Answerer, epoch: LeaderEpoch) -> Bounds {
    let Answerer { place, restarted, .. } = answerer;
    let what = "the end of that leader epoch";
    let end = ghost.canon.replica(place).end();
    let Some((next, is_first)) = ghost.canon.first_above(place, epoch) else {
        return Bounds { what, low: end, high: end, or: ghost.canon.last_base(place) };
    };
    let low = if is_first { Offset::ZERO } else { next };
    let high = if restarted { end } else { next };
    Bounds { what, low, high: high.max(ghost.canon.furthest_start()), or: None }
}

fn is_out_of_range(ghost: &PartitionGhost, place: usize, position: Option<Offset>) -> bool {
    let end = ghost.canon.replica(place).end();
    position.is_some_and(|position| position > end || position < ghost.canon.furthest_start())
}

/// A broker's answer has reached a consumer.
pub(crate) fn told(reader: &mut Reader, broker: BrokerId, answer: PositionAnswer) {
    match answer {
        PositionAnswer::Listed { offset, .. } => reader.told.listed = Some(offset),
        PositionAnswer::OutOfRange => {}
        PositionAnswer::EpochEnd(end) => {
            let end = end.map(|(_, end)| end);
            let position = reader.position().unwrap_or_default();
            if end.is_some_and(|end| end >= position) {
                reader.validated();
            } else {
                reader.told_of_truncation(EpochEnd { broker, end });
            }
        }
    }
}

/// A leader of this epoch has answered a fetch of the consumer.
#[cold]
pub(crate) fn followed(
    ghost: &PartitionGhost,
    reader: &mut Reader,
    (process, epoch): (ProcessId, LeaderEpoch),
    stamp: Stamp,
    findings: &mut Findings,
) {
    if !reader.follows(epoch) {
        let why = "kept under a new leader that was not asked where its log parts";
        let at = reader.position().unwrap_or_default();
        unjustified(ghost, (process, at), why, stamp, findings);
    }
}

/// A position was set.
pub(crate) fn set(
    ghost: &PartitionGhost,
    reader: &Reader,
    (process, to, change): (ProcessId, Offset, PositionChange),
    stamp: Stamp,
    findings: &mut Findings,
) {
    findings.exercise(PropertyId::PositionUnjustified);
    let was_listed = reader.told.listed == Some(to);
    let why = match change {
        PositionChange::Seek => return,
        PositionChange::Start if reader.position().is_some() => "set anew without a reason",
        PositionChange::OutOfRange if reader.told.epoch_end.is_some() => {
            "reset although a truncation was told, which says where to go"
        }
        PositionChange::OutOfRange if !reader.told.out_of_range => {
            "reset although its position was in range at the broker that answered"
        }
        PositionChange::Start | PositionChange::OutOfRange if was_listed => return,
        PositionChange::Start | PositionChange::OutOfRange => "set to what no leader has listed",
        PositionChange::Truncation => match truncated(ghost, reader, to, was_listed) {
            None => return,
            Some(why) => why,
        },
    };
    unjustified(ghost, (process, to), why, stamp, findings);
}

/// Why a position may not be set to `to` because of a truncation, if it may not.
fn truncated(
    ghost: &PartitionGhost,
    reader: &Reader,
    to: Offset,
    was_listed: bool,
) -> Option<&'static str> {
    let Some(EpochEnd { broker, end }) = reader.told.epoch_end else {
        return Some("taken back although no leader has told of a truncation");
    };
    match end {
        None if was_listed => return None,
        None => return Some("set to what no leader has listed"),
        Some(end) if end != to => {
            return Some("taken back to another place than where the logs part");
        }
        Some(_) => {}
    }
    let (position, epoch) = reader.position().zip(reader.last_epoch())?;
    let last = Offset(position.0.saturating_sub(1));
    let has_it = ghost.place(broker).is_some_and(|p| ghost.canon.epoch_at(p, last) == Some(epoch));
    has_it.then_some("taken back although the leader has the last record that was read")
}

/// The consumer is handed something without a position, or although it was told of a truncation.
pub(crate) fn read(
    ghost: &PartitionGhost,
    reader: &Reader,
    (process, base): (ProcessId, Offset),
    stamp: Stamp,
    findings: &mut Findings,
) {
    let why = match reader.told.epoch_end {
        _ if reader.position().is_none() => "read from without ever having been set",
        Some(_) => "read on from although a truncation below it was told",
        None => return,
    };
    unjustified(ghost, (process, base), why, stamp, findings);
}

/// The application got the exception that stands for a position out of range, or for a truncation.
pub(crate) fn thrown(
    ghost: &PartitionGhost,
    reader: &mut Reader,
    (process, change): (ProcessId, PositionChange),
    stamp: Stamp,
    findings: &mut Findings,
) {
    findings.exercise(PropertyId::PositionUnjustified);
    let may_throw = std::mem::take(&mut reader.may_throw);
    let why = match change {
        PositionChange::OutOfRange if !may_throw.out_of_range => {
            "thrown away although it was in range at the broker that answered"
        }
        PositionChange::Truncation if !may_throw.truncation => {
            "thrown away although no leader has told of a truncation"
        }
        _ => return,
    };
    let at = reader.position().unwrap_or_default();
    unjustified(ghost, (process, at), why, stamp, findings);
}

#[cold]
fn unjustified(
    ghost: &PartitionGhost,
    (process, at): (ProcessId, Offset),
    why: &'static str,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let violation = Violation::of(PropertyId::PositionUnjustified, stamp, Detail::Position { why })
        .partition(ghost.id)
        .offset(at)
        .node(NodeId::Process(process));
    findings.add(PropertyId::PositionUnjustified, violation);
}

#[cfg(test)]
mod tests;
