//! Decisions of the consumer about its positions, as pure functions.
//!
//! Each says which of Kafka's classes it follows. Does not know connections or partitions.

use crate::base::ids::{LeaderEpoch, Offset};
use crate::model::config::OffsetReset;
use crate::model::message::WhichOffset;
use crate::model::rules::{Drill, Rules};

/// Which offset a consumer without a valid position asks its leader for; none if it has to throw.
///
/// Kafka: OffsetFetcherUtils.getOffsetResetStrategyForPartitions
pub(super) fn offset_to_list(rules: &Rules, policy: OffsetReset) -> Option<WhichOffset> {
    let other_end = rules.drills(Drill::ResetToOtherEnd);
    match policy {
        OffsetReset::None => None,
        OffsetReset::Earliest if !other_end => Some(WhichOffset::Earliest),
        OffsetReset::Latest if other_end => Some(WhichOffset::Earliest),
        OffsetReset::Earliest | OffsetReset::Latest => Some(WhichOffset::Latest),
    }
}

/// Whether a position must be validated when its partition has another leader: if the leader epoch
/// of the record before it is known (KIP-320).
///
/// Kafka: SubscriptionState.maybeValidatePositionForCurrentLeader
pub(super) fn must_validate(rules: &Rules, last_epoch: Option<LeaderEpoch>) -> bool {
    last_epoch.is_some() && !rules.drills(Drill::PositionNotValidated)
}

/// Where a position is when its partition has another leader: where it was.
pub(super) fn position_at_new_leader(rules: &Rules, position: Offset) -> Offset {
    if rules.drills(Drill::NewLeaderSkips) { position + 1 } else { position }
}

/// Where a position goes whose last record's epoch ends at `end` in the leader's log; none if it
/// may stay.
///
/// Kafka: SubscriptionState.maybeCompleteValidation
pub(super) fn truncated_to(rules: &Rules, position: Offset, end: Offset) -> Option<Offset> {
    if end >= position || rules.drills(Drill::ConsumerTruncationIgnored) {
        return None;
    }
    let too_far = u64::from(rules.drills(Drill::ConsumerTruncationTooFar));
    Some(Offset(end.0.saturating_sub(too_far)))
}

/// Whether the rest of a batch is kept for the next poll, if there was not room for all of it; the
/// position moves past what is not kept.
///
/// Kafka: CompletedFetch.fetchRecords
pub(super) fn keeps_rest(rules: &Rules, handed_over: u32, whole: u32) -> bool {
    handed_over < whole && !rules.drills(Drill::PollDropsRest)
}

/// Where a position is when the records that end at `end` were handed over.
///
/// Kafka: FetchCollector.fetchRecords
pub(super) fn position_after(rules: &Rules, end: Offset) -> Offset {
    if rules.drills(Drill::PositionOneTooFar) { end + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKA: Rules = Rules::KAFKA_4_1;

    const fn drill(drill: Drill) -> Rules {
        Rules { drill: Some(drill), ..KAFKA }
    }

    #[test]
    fn a_reset_goes_where_the_policy_says() {
        let (earliest, latest) = (WhichOffset::Earliest, WhichOffset::Latest);
        let other = drill(Drill::ResetToOtherEnd);
        for (rules, policy, which) in [
            (KAFKA, OffsetReset::Earliest, Some(earliest)),
            (KAFKA, OffsetReset::Latest, Some(latest)),
            (KAFKA, OffsetReset::None, None),
            (other, OffsetReset::Earliest, Some(latest)),
            (other, OffsetReset::Latest, Some(earliest)),
        ] {
            assert_eq!(offset_to_list(&rules, policy), which, "{policy:?}");
        }
    }

    #[test]
    fn a_position_moves_when_it_must_and_to_the_record() {
        let at = Offset(80);
        for (rules, end, to) in [
            (KAFKA, 80, None),
            (KAFKA, 79, Some(79)),
            (drill(Drill::ConsumerTruncationIgnored), 30, None),
            (drill(Drill::ConsumerTruncationTooFar), 30, Some(29)),
        ] {
            assert_eq!(truncated_to(&rules, at, Offset(end)), to.map(Offset), "{end}");
        }
        assert!(must_validate(&KAFKA, Some(LeaderEpoch(1))) && !must_validate(&KAFKA, None));
        assert!(!must_validate(&drill(Drill::PositionNotValidated), Some(LeaderEpoch(1))));
        assert_eq!(position_at_new_leader(&KAFKA, at), at);
        assert_eq!(position_at_new_leader(&drill(Drill::NewLeaderSkips), at), Offset(81));
        assert_eq!(position_after(&KAFKA, at), at);
        assert_eq!(position_after(&drill(Drill::PositionOneTooFar), at), Offset(81));
        assert!(keeps_rest(&KAFKA, 2, 3) && !keeps_rest(&KAFKA, 3, 3));
        assert!(!keeps_rest(&drill(Drill::PollDropsRest), 2, 3));
    }
}
