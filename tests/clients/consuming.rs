//! What a consumer does against a scripted broker.

use highwater::client::Command;
use highwater::fact::{Fact, PositionChange};
use highwater::internals::model::{
    AppPlan, Batch, ConsumerPlan, Content, ListOffsetsRequest, ListOffsetsResponse,
    OffsetsForLeaderEpochRequest, OffsetsForLeaderEpochResponse, Rules, WhichOffset,
};
use highwater::plan::{ConsumerConfig, OffsetReset};
use highwater::types::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionId, ProcessId, RecordId, Records, Span, Time,
};

use crate::bench::{Bench, Request};

const P: PartitionId = PartitionId(0);

fn bench(offset_reset: OffsetReset, processing: Span) -> Bench {
    let config = ConsumerConfig { offset_reset, ..ConsumerConfig::default() };
    let plan = ConsumerPlan { config, assign: vec![P], processing };
    let mut bench = Bench::new(&AppPlan::Consumer(plan), 1, Rules::default());
    bench.command(Command::Start);
    bench
}

/// A consumer that has been given the position 0 and fetches from there.
fn fetching(offset_reset: OffsetReset, processing: Span) -> Bench {
    let mut bench = bench(offset_reset, processing);
    if offset_reset == OffsetReset::None {
        bench.command(Command::Seek { partition: P, offset: Offset::ZERO });
        bench.command(Command::Start);
        return bench;
    }
    let request = bench.next();
    let listed = Content::ListOffsetsResponse(ListOffsetsResponse {
        partition: P,
        error: ErrorCode::None,
        offset: Offset::ZERO,
        leader_epoch: None,
    });
    bench.answer(request, listed);
    bench
}

fn batch(base: u64, count: u32, epoch: u32) -> Batch {
    Batch {
        base: Offset(base),
        max_timestamp: Time::ZERO,
        records: Records::Workload(RecordId { process: ProcessId(7), ordinal: base as u32 }),
        count,
        bytes: 100,
        leader_epoch: LeaderEpoch(epoch),
        sequence: None,
    }
}

fn fetch_offset(bench: &Bench, request: Request) -> u64 {
    bench.asked_to_fetch(request).fetch_offset.0
}

/// The leader moves to broker 2 in epoch 1, and the consumer finds out.
fn move_leader(bench: &mut Bench) {
    bench.leaders[0] = (Some(BrokerId(2)), LeaderEpoch(1));
    // Metadata and the partition back off, each by its own luck: the old leader may be asked again
    // before the consumer has heard of the new one.
    for _ in 0..100 {
        match bench.inbox.first().map(|request| request.to) {
            Some(BrokerId(1)) => {
                let fetch = bench.next();
                bench.fetched(fetch, ErrorCode::NotLeaderOrFollower, &[]);
            }
            Some(_) => return,
            None => bench.pass(Span::millis(100)),
        }
    }
    panic!("the consumer has not found the new leader");
}

fn end_of_epoch(bench: &mut Bench, end: Option<(LeaderEpoch, Offset)>) {
    let request = bench.next();
    let Content::OffsetsForLeaderEpochRequest(OffsetsForLeaderEpochRequest {
        leader_epoch,
        current_leader_epoch,
        ..
    }) = request.message.content
    else {
        panic!("the position is not validated: {request:?}")
    };
    assert_eq!((leader_epoch, current_leader_epoch), (LeaderEpoch(0), Some(LeaderEpoch(1))));
    let answer = Content::OffsetsForLeaderEpochResponse(OffsetsForLeaderEpochResponse {
        partition: P,
        error: ErrorCode::None,
        end,
    });
    bench.answer(request, answer);
}

#[test]
fn the_reset_policy_gives_the_first_position() {
    for (policy, expected) in
        [(OffsetReset::Earliest, WhichOffset::Earliest), (OffsetReset::Latest, WhichOffset::Latest)]
    {
        let mut bench = bench(policy, Span::ZERO);
        let request = bench.next();
        let Content::ListOffsetsRequest(ListOffsetsRequest { which, .. }) = request.message.content
        else {
            panic!("no position is asked for: {request:?}")
        };
        assert_eq!(which, expected);
        let error = ErrorCode::OffsetNotAvailable;
        let (offset, leader_epoch) = (Offset::ZERO, None);
        bench.answer(
            request,
            Content::ListOffsetsResponse(ListOffsetsResponse {
                partition: P,
                error,
                offset,
                leader_epoch,
            }),
        );
        bench.pass(Span::millis(200));
        assert_eq!(bench.inbox.len(), 1, "asked again after the back-off");
    }
    let bench = bench(OffsetReset::None, Span::ZERO);
    let called = Fact::Called {
        process: ProcessId(0),
        partition: P,
        error: ErrorCode::NoOffsetForPartition,
    };
    assert_eq!(bench.named("called"), [called]);
}

#[test]
fn the_position_moves_when_records_are_handed_over() {
    let mut bench = fetching(OffsetReset::Earliest, Span::millis(10));
    let fetch = bench.next();
    assert_eq!(fetch_offset(&bench, fetch), 0);
    bench.fetched(fetch, ErrorCode::None, &[batch(0, 300, 0), batch(300, 400, 0)]);
    let counts = |bench: &Bench| -> Vec<(u64, u32)> {
        bench
            .named("consumed")
            .iter()
            .filter_map(|fact| match fact {
                Fact::Consumed { base, count, .. } => Some((base.0, *count)),
                _ => None,
            })
            .collect()
    };
    assert_eq!(counts(&bench), [(0, 300), (300, 200)], "max.poll.records is 500");
    assert!(bench.inbox.is_empty(), "200 records are buffered");
    bench.pass(Span::millis(4_999));
    assert_eq!(counts(&bench).len(), 2, "500 records take 5 s");
    bench.pass(Span::millis(1));
    assert_eq!(counts(&bench)[2..], [(500, 200)]);
    let fetch = bench.next();
    assert_eq!(fetch_offset(&bench, fetch), 700, "the next fetch goes out during processing");
}

/// Recorded in `unclean-election`: LogTruncationException for auto.offset.reset=none.
#[test]
fn truncation_without_a_policy_is_thrown() {
    let mut bench = fetching(OffsetReset::None, Span::ZERO);
    let fetch = bench.next();
    bench.fetched(fetch, ErrorCode::None, &[batch(0, 80, 0)]);
    move_leader(&mut bench);
    end_of_epoch(&mut bench, Some((LeaderEpoch(0), Offset(30))));
    let error = ErrorCode::LogTruncation;
    let thrown = Fact::Called { process: ProcessId(0), partition: P, error };
    assert_eq!(bench.named("called").last(), Some(&thrown));
    assert!(bench.inbox.is_empty(), "the loop has ended");
}

#[test]
fn truncation_with_a_policy_moves_to_where_the_logs_part() {
    let mut bench = fetching(OffsetReset::Latest, Span::ZERO);
    let fetch = bench.next();
    bench.fetched(fetch, ErrorCode::None, &[batch(0, 80, 0)]);
    move_leader(&mut bench);
    end_of_epoch(&mut bench, Some((LeaderEpoch(0), Offset(30))));
    let moved = Fact::PositionSet {
        process: ProcessId(0),
        partition: P,
        to: Offset(30),
        why: PositionChange::Truncation,
    };
    assert_eq!(bench.named("position-set").last(), Some(&moved));
    let fetch = bench.next();
    assert_eq!((fetch.to, fetch_offset(&bench, fetch)), (BrokerId(2), 30));
}

#[test]
fn a_valid_position_is_kept_under_the_new_leader() {
    let mut bench = fetching(OffsetReset::Latest, Span::ZERO);
    let fetch = bench.next();
    bench.fetched(fetch, ErrorCode::None, &[batch(0, 80, 0)]);
    move_leader(&mut bench);
    end_of_epoch(&mut bench, Some((LeaderEpoch(0), Offset(80))));
    let fetch = bench.next();
    assert_eq!((fetch.to, fetch_offset(&bench, fetch)), (BrokerId(2), 80));
}

#[test]
fn out_of_range_resets_or_throws() {
    let mut bench = fetching(OffsetReset::Earliest, Span::ZERO);
    let fetch = bench.next();
    bench.fetched(fetch, ErrorCode::OffsetOutOfRange, &[]);
    let request = bench.next();
    assert!(matches!(request.message.content, Content::ListOffsetsRequest(_)));

    let mut bench = fetching(OffsetReset::None, Span::ZERO);
    let fetch = bench.next();
    bench.fetched(fetch, ErrorCode::OffsetOutOfRange, &[]);
    assert_eq!(bench.named("called").len(), 2, "no position at first, then out of range");
}
