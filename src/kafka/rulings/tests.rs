//! Tables of the broker's rulings.

use super::{
    Divergence, FollowerEnd, KnownBatch, KnownProducer, Reader, SequenceRuling, WatermarkInputs,
    accept_sequence, answer_after_watermark, check_fetch_epoch, effective_min_isr, find_divergence,
    follower_watermark, high_watermark, is_caught_up, is_out_of_range, latest_offset,
    may_accept_write, may_join_isr, read_limit, truncation_point,
};
use crate::base::ids::{LeaderEpoch, Offset, ProducerEpoch, ReplicaSet};
use crate::base::time::{Span, Time};
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::rules::{
    Drill, FetchEpochCheck, HwNeedsMinIsr, HwQuorum, IsrJoinRule, ProducerDedup, Rules, Truncation,
};

const NEW: Rules = Rules::KAFKA_4_1;

const fn drill(drill: Drill) -> Rules {
    Rules { drill: Some(drill), ..NEW }
}

const fn end(epoch: u32, offset: u64) -> (LeaderEpoch, Offset) {
    (LeaderEpoch(epoch), Offset(offset))
}

#[test]
fn writing_below_min_isr() {
    let table = [
        (Acks::All, 2, Ok(())),
        (Acks::All, 1, Err(ErrorCode::NotEnoughReplicas)),
        (Acks::Leader, 1, Ok(())),
        (Acks::None, 1, Ok(())),
    ];
    for (acks, isr, expected) in table {
        assert_eq!(may_accept_write(acks, ReplicaSet::first(isr), 2), expected);
    }
    assert_eq!(effective_min_isr(&NEW, 2, 3), 2);
    assert_eq!(effective_min_isr(&NEW, 5, 3), 3);
    assert_eq!(effective_min_isr(&drill(Drill::MinInsyncIgnored), 2, 3), 1);
    let late = ErrorCode::NotEnoughReplicasAfterAppend;
    assert_eq!(answer_after_watermark(ReplicaSet::first(1), 2), late);
    assert_eq!(answer_after_watermark(ReplicaSet::first(2), 2), ErrorCode::None);
}

#[test]
fn sequences() {
    let batch = |first: u32, last: u32, base: u64| KnownBatch {
        first,
        last,
        base: Offset(base),
        end: Offset(base + 1),
    };
    let batches = [batch(0, 1, 10), batch(2, 4, 12), batch(5, 5, 20)];
    let wrapped = [batch(0x7fff_fffe, 0x7fff_ffff, 30)];
    let (append, gap) =
        (SequenceRuling::Append, SequenceRuling::Refuse(ErrorCode::OutOfOrderSequenceNumber));
    let stale = SequenceRuling::Refuse(ErrorCode::InvalidProducerEpoch);
    let last_only = Rules { producer_dedup: ProducerDedup::LastBatch, ..NEW };
    let none = Rules { producer_dedup: ProducerDedup::None, ..NEW };
    let table = [
        (NEW, &batches[..], 3, (6, 2), append),
        (NEW, &batches[..], 3, (2, 3), SequenceRuling::Duplicate(batches[1])),
        (NEW, &batches[..], 3, (2, 2), gap),
        (NEW, &batches[..], 3, (7, 1), gap),
        (NEW, &batches[..], 2, (6, 1), stale),
        (NEW, &batches[..], 2, (2, 3), stale),
        (NEW, &batches[..], 4, (0, 1), append),
        (NEW, &batches[..], 4, (6, 1), gap),
        (NEW, &wrapped[..], 3, (0, 1), append),
        (last_only, &batches[..], 3, (5, 1), SequenceRuling::Duplicate(batches[2])),
        (last_only, &batches[..], 3, (2, 3), gap),
        (none, &batches[..], 3, (2, 3), append),
        (drill(Drill::DedupeOff), &batches[..], 3, (2, 3), append),
        (drill(Drill::SequenceGapsTaken), &batches[..], 3, (7, 1), append),
        (drill(Drill::SequenceGapsTaken), &batches[..], 2, (6, 1), stale),
        (drill(Drill::OldProducerEpochTaken), &batches[..], 2, (6, 1), append),
        (drill(Drill::OldProducerEpochTaken), &batches[..], 3, (7, 1), gap),
    ];
    for (rules, batches, epoch, (first, count), expected) in table {
        let known = KnownProducer { epoch: ProducerEpoch(3), batches };
        let epoch = ProducerEpoch(epoch);
        let ruling = accept_sequence(&rules, Some(known), epoch, first, count);
        assert_eq!(ruling, expected, "epoch {epoch}, {count} from {first}");
    }
    let unknown = accept_sequence(&NEW, None, ProducerEpoch(0), 17, 1);
    assert_eq!(unknown, append, "an unknown producer may begin anywhere");
}

#[test]
fn the_high_watermark() {
    // The leader is at place 0 and ends at 10; the high watermark is 5. Each row: committed and
    // maximal ISR, the ends of places 1 and 2, and whether place 2 may join.
    let (all, two, one) = (ReplicaSet::first(3), ReplicaSet::first(2), ReplicaSet::first(1));
    let committed_only = Rules { hw_quorum: HwQuorum::CommittedIsr, ..NEW };
    let thawed = Rules { hw_needs_min_isr: HwNeedsMinIsr::No, ..NEW };
    let table = [
        (NEW, all, all, Some(8), Some(7), false, Some(7)),
        (NEW, all, all, Some(10), Some(10), false, Some(10)),
        (NEW, all, all, Some(4), Some(9), false, None),
        (NEW, all, all, None, Some(9), false, None),
        (NEW, two, two, Some(8), Some(6), false, Some(8)),
        (NEW, two, two, Some(8), Some(6), true, Some(6)),
        (NEW, two, all, Some(8), Some(6), false, Some(6)),
        (committed_only, two, all, Some(8), Some(6), false, Some(8)),
        (NEW, one, one, Some(8), Some(6), false, None),
        (thawed, one, one, Some(8), Some(6), false, Some(10)),
        (drill(Drill::HwBelowMinIsr), one, one, Some(8), Some(6), false, Some(10)),
        (drill(Drill::HwIgnoresMember), all, all, Some(8), Some(6), false, Some(8)),
        (drill(Drill::WatermarkFalls), all, all, Some(4), Some(9), false, Some(4)),
    ];
    for (row, (rules, committed, maximal, first, second, joins, expected)) in
        table.into_iter().enumerate()
    {
        let inputs = WatermarkInputs {
            committed,
            maximal,
            leader: 0,
            min_isr: 2,
            end: Offset(10),
            present: Offset(5),
        };
        let followers = [(1, first), (2, second)]
            .map(|(place, end)| FollowerEnd { place, end: end.map(Offset) });
        let moved =
            high_watermark(&rules, &inputs, followers.into_iter(), |place| place == 2 && joins);
        assert_eq!(moved, expected.map(Offset), "row {row}");
    }
    let table = [(3, 4), (7, 7), (12, 9)];
    for (leaders, own) in table {
        assert_eq!(follower_watermark(&NEW, Offset(leaders), Offset(4), Offset(9)), Offset(own));
    }
}

#[test]
fn joining_and_lagging() {
    let reach = Rules { isr_join_rule: IsrJoinRule::ReachHw, ..NEW };
    let table = [
        (NEW, 9, false),
        (NEW, 10, false),
        (NEW, 12, true),
        (reach, 9, false),
        (reach, 10, true),
        (drill(Drill::IsrJoinBelowEpochStart), 0, true),
    ];
    for (rules, end, expected) in table {
        let joins = may_join_isr(&rules, Offset(end), Offset(10), Offset(12));
        assert_eq!(joins, expected, "at {end}");
    }
    let (now, lag) = (Time(100), Span(30));
    let table = [
        (Some(10), None, true),
        (Some(9), Some(70), true),
        (Some(9), Some(69), false),
        (Some(9), None, false),
        (None, Some(99), true),
    ];
    for (end, at, expected) in table {
        let caught_up = is_caught_up(end.map(Offset), Offset(10), at.map(Time), now, lag);
        assert_eq!(caught_up, expected, "{end:?} {at:?}");
    }
}

#[test]
fn fetch_epochs_and_divergence() {
    let blind = Rules { fetch_epoch_check: FetchEpochCheck::None, ..NEW };
    let table = [
        (NEW, Some(3), Ok(())),
        (NEW, None, Ok(())),
        (NEW, Some(2), Err(ErrorCode::FencedLeaderEpoch)),
        (NEW, Some(4), Err(ErrorCode::UnknownLeaderEpoch)),
        (blind, Some(2), Ok(())),
    ];
    for (rules, asked, expected) in table {
        let ruling = check_fetch_epoch(&rules, asked.map(LeaderEpoch), Some(LeaderEpoch(3)));
        assert_eq!(ruling, expected, "{asked:?}");
    }
    let old = Rules { truncation: Truncation::ToHighWatermark, ..NEW };
    let table = [
        // last fetched, offset, the leader's answer for that epoch
        (NEW, Some(3), 10, Some(end(3, 12)), Divergence::None),
        (NEW, Some(3), 13, Some(end(3, 12)), Divergence::At(LeaderEpoch(3), Offset(12))),
        (NEW, Some(3), 10, Some(end(2, 12)), Divergence::At(LeaderEpoch(2), Offset(12))),
        (NEW, Some(3), 10, None, Divergence::Unknown),
        (NEW, None, 10, None, Divergence::None),
        (old, Some(3), 13, Some(end(3, 12)), Divergence::None),
        (drill(Drill::NoFetchEpochCheck), Some(3), 13, Some(end(3, 12)), Divergence::None),
    ];
    for (rules, last, offset, own, expected) in table {
        let found = find_divergence(&rules, last.map(LeaderEpoch), Offset(offset), own);
        assert_eq!(found, expected, "{last:?} at {offset}");
    }
}

#[test]
fn where_a_follower_cuts() {
    let table = [
        // the leader's epoch and end, own answer for that epoch, own end
        (end(3, 12), Some(end(3, 20)), 20, 12),
        (end(3, 12), Some(end(3, 8)), 20, 8),
        (end(3, 12), Some(end(2, 6)), 20, 6),
        (end(3, 30), Some(end(3, 25)), 20, 20),
        (end(3, 12), None, 20, 12),
        (end(3, 12), None, 5, 5),
    ];
    for (leaders, own, own_end, expected) in table {
        assert_eq!(truncation_point(leaders, own, Offset(own_end)), Offset(expected));
    }
}

#[test]
fn read_limits() {
    let limit =
        |rules: &Rules, reader| read_limit(rules, reader, Offset(3), Offset(5), Offset(9)).0;
    assert_eq!(limit(&NEW, Reader::Follower), 9);
    assert_eq!(limit(&NEW, Reader::Consumer), 5);
    assert_eq!(limit(&NEW, Reader::CommittedConsumer), 3);
    assert_eq!(limit(&drill(Drill::ReadUncommittedTail), Reader::Consumer), 9);
}

#[test]
fn an_offset_is_in_range_up_to_the_log_end_and_the_latest_is_how_far_one_may_read() {
    let (none, at) = (Divergence::None, Divergence::At(LeaderEpoch(3), Offset(12)));
    let refuses = drill(Drill::LogEndOutOfRange);
    for (rules, who, asked, out) in [
        (NEW, (none, false), 9, true),
        (NEW, (none, false), 10, false),
        (NEW, (none, false), 20, false),
        (NEW, (none, false), 21, true),
        (NEW, (at, true), 21, false),
        (NEW, (at, true), 9, true),
        (NEW, (Divergence::Unknown, true), 15, true),
        (refuses, (none, false), 20, true),
        (refuses, (none, false), 19, false),
        (refuses, (none, true), 20, false),
    ] {
        let found = is_out_of_range(&rules, who, Offset(asked), Offset(10)..=Offset(20));
        assert_eq!(found, out, "{who:?} {asked}");
    }
    assert_eq!(latest_offset(&NEW, Offset(7), Offset(9)), Offset(7));
    assert_eq!(latest_offset(&drill(Drill::LatestIsLogEnd), Offset(7), Offset(9)), Offset(9));
}
