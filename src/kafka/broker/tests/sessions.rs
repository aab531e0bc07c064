//! Incremental fetch sessions of bare brokers.

use super::harness::{Cluster, P};
use super::{OK, three};
use crate::base::ids::{ConnectionId, LeaderEpoch, Offset, PartitionId};
use crate::base::time::Span;
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::message::{
    Content, FetchMetadata, FetchPartition, FetchRequest, FetchSessionId, Fetcher,
    ForgottenPartition,
};
use crate::model::rules::{Drill, Rules};

/// A consumer's fetch of this session that asks for this and forgets that.
fn fetch_and_forget(
    cluster: &mut Cluster,
    connection: ConnectionId,
    session: FetchMetadata,
    asked: &[FetchPartition],
    left: &[PartitionId],
) -> u32 {
    let (partitions, forgotten) = (cluster.lists.take(), cluster.lists.take());
    asked.iter().for_each(|asked| cluster.lists.push(partitions, *asked));
    for partition in left.iter().copied() {
        cluster.lists.push(forgotten, ForgottenPartition { partition });
    }
    let request = FetchRequest {
        fetcher: Fetcher::Consumer { read_committed: false },
        session,
        max_wait: Span::ZERO,
        min_bytes: 1,
        max_bytes: 1_000_000,
        partitions,
        forgotten,
    };
    cluster.send(connection, request.into())
}

fn fetch(
    cluster: &mut Cluster,
    connection: ConnectionId,
    session: FetchMetadata,
    asked: &[FetchPartition],
) -> u32 {
    fetch_and_forget(cluster, connection, session, asked, &[])
}

fn from(partition: PartitionId, leader_epoch: Option<u32>, offset: u64) -> FetchPartition {
    FetchPartition {
        partition,
        current_leader_epoch: leader_epoch.map(LeaderEpoch),
        fetch_offset: Offset(offset),
        last_fetched_epoch: None,
        log_start_offset: Offset::ZERO,
        max_bytes: 1_000_000,
    }
}

/// What an answer says: error, session, and of each partition the error, the high watermark and how
/// many batches.
fn answer(
    cluster: &Cluster,
    correlation: u32,
) -> (ErrorCode, FetchSessionId, Vec<(ErrorCode, u64, usize)>) {
    let answer = cluster.answer(correlation).expect("answered at once");
    let Content::FetchResponse(response) = answer.content else {
        panic!("not an answer to a fetch")
    };
    let found = cluster.lists.get(response.partitions).iter();
    let found = found.map(|f| (f.error, f.high_watermark.0, f.records.places().len()));
    (response.error, response.session, found.collect())
}

/// A session of a consumer that stands at the end of an empty log.
fn opened(cluster: &mut Cluster) -> (ConnectionId, FetchSessionId) {
    let client = cluster.connect(1);
    let asked = fetch(cluster, client, FetchMetadata::INITIAL, &[from(P, Some(1), 0)]);
    let (error, session, heads) = answer(cluster, asked);
    assert_eq!((error, heads), (OK, vec![(OK, 0, 0)]));
    assert_ne!(session, FetchSessionId::NONE);
    (client, session)
}

const fn nth(session: FetchSessionId, epoch: i32) -> FetchMetadata {
    FetchMetadata { session, epoch }
}

#[test]
fn an_answer_names_what_is_new() {
    let mut cluster = three();
    let (client, session) = opened(&mut cluster);
    let asked = fetch(&mut cluster, client, nth(session, 1), &[]);
    assert_eq!(answer(&cluster, asked), (OK, session, vec![]), "nothing is new");
    let batch = cluster.batch(2);
    cluster.produce(client, batch, Acks::All);
    let asked = fetch(&mut cluster, client, nth(session, 2), &[]);
    assert_eq!(answer(&cluster, asked).2, [(OK, 2, 1)], "records, for what was asked before");
    let asked = fetch(&mut cluster, client, nth(session, 3), &[from(P, Some(1), 2)]);
    assert_eq!(answer(&cluster, asked), (OK, session, vec![]));
}

#[test]
fn a_moved_watermark_and_an_error_are_news() {
    let mut cluster = three();
    let (client, session) = opened(&mut cluster);
    let batch = cluster.batch(2);
    cluster.produce(client, batch, Acks::All);
    // Past the end: an error, each time, and afterwards the watermark is told again.
    for epoch in [1, 2] {
        let asked = fetch(&mut cluster, client, nth(session, epoch), &[from(P, Some(1), 9)]);
        assert_eq!(answer(&cluster, asked).2, [(ErrorCode::OffsetOutOfRange, 0, 0)]);
    }
    let asked = fetch(&mut cluster, client, nth(session, 3), &[]);
    assert_eq!(answer(&cluster, asked).2, [(ErrorCode::OffsetOutOfRange, 0, 0)]);
    let asked = fetch(&mut cluster, client, nth(session, 4), &[from(P, Some(1), 2)]);
    assert_eq!(answer(&cluster, asked).2, [(OK, 2, 0)]);
    let asked = fetch(&mut cluster, client, nth(session, 5), &[]);
    assert_eq!(answer(&cluster, asked).2, []);
}

#[test]
fn sessions_end() {
    let mut cluster = three();
    let (client, session) = opened(&mut cluster);
    let not_found = (ErrorCode::FetchSessionIdNotFound, FetchSessionId::NONE, vec![]);
    let asked = fetch(&mut cluster, client, nth(FetchSessionId(session.0 ^ 1), 1), &[]);
    assert_eq!(answer(&cluster, asked), not_found);
    let asked = fetch(&mut cluster, client, nth(session, 2), &[]);
    let wrong = (ErrorCode::InvalidFetchSessionEpoch, FetchSessionId::NONE, vec![]);
    assert_eq!(answer(&cluster, asked), wrong, "the next one is 1");

    // A full fetch that names it closes it and begins another.
    let asked = fetch(&mut cluster, client, nth(session, 0), &[from(P, Some(1), 0)]);
    let (_, other, heads) = answer(&cluster, asked);
    assert_eq!(heads, [(OK, 0, 0)]);
    assert!(other != session && other != FetchSessionId::NONE);
    let asked = fetch(&mut cluster, client, nth(session, 1), &[]);
    assert_eq!(answer(&cluster, asked), not_found);

    // When its last partition is forgotten there is none any more.
    let asked = fetch_and_forget(&mut cluster, client, nth(other, 1), &[], &[P]);
    assert_eq!(answer(&cluster, asked), (OK, FetchSessionId::NONE, vec![]));
    let asked = fetch(&mut cluster, client, nth(other, 2), &[]);
    assert_eq!(answer(&cluster, asked), not_found);

    // A final fetch closes it and begins none.
    let (client, session) = opened(&mut cluster);
    let last = nth(session, FetchMetadata::FINAL_EPOCH);
    let asked = fetch(&mut cluster, client, last, &[from(P, Some(1), 0)]);
    assert_eq!(answer(&cluster, asked), (OK, FetchSessionId::NONE, vec![(OK, 0, 0)]));
    let asked = fetch(&mut cluster, client, nth(session, 1), &[]);
    assert_eq!(answer(&cluster, asked), not_found);
}

/// A follower that has all is caught up with each of its session's fetches, though they do not name
/// the partition: it may lag from the last of them on.
#[test]
fn fetches_of_a_session_keep_a_follower_in_sync() {
    let mut cluster = three();
    let client = cluster.connect(1);
    cluster.pass(Span::secs(120));
    cluster.hold(2, 1);
    let batch = cluster.batch(1);
    cluster.produce(client, batch, Acks::Leader);
    cluster.pass(Span::secs(29));
    assert_eq!(cluster.proposals.len(), 0, "it may lag for 30 s");
    cluster.pass(Span::secs(17));
    assert_eq!(cluster.proposals.len(), 1);
}

#[test]
fn what_a_session_asks_goes_through_the_rulings() {
    for (drill, expected) in [
        (None, vec![(ErrorCode::FencedLeaderEpoch, 0, 0)]),
        (Some(Drill::NoFetchEpochCheck), vec![]),
    ] {
        let mut cluster = Cluster::new(3, Rules { drill, ..Rules::KAFKA_4_1 });
        let (client, session) = opened(&mut cluster);
        cluster.elect(1, &[0, 1, 2]);
        let asked = fetch(&mut cluster, client, nth(session, 1), &[]);
        assert_eq!(answer(&cluster, asked).2, expected, "{drill:?}");
    }
}

/// Were the shortcut taken where the rulings would refuse, each test would say so: here they are
/// changed behind a session's back.
#[test]
#[should_panic(expected = "its fetch sessions were not stirred")]
fn a_shortcut_past_the_rulings_is_noticed() {
    let drill = Some(Drill::NoFetchEpochCheck);
    let mut cluster = Cluster::new(3, Rules { drill, ..Rules::KAFKA_4_1 });
    let (client, session) = opened(&mut cluster);
    cluster.elect(1, &[0, 1, 2]);
    let asked = fetch(&mut cluster, client, nth(session, 1), &[]);
    assert_eq!(answer(&cluster, asked).2, []);
    cluster.rules = Rules::KAFKA_4_1;
    fetch(&mut cluster, client, nth(session, 2), &[]);
}
