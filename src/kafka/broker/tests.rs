//! Tests of bare brokers: two or three of them, metadata records made by hand, messages shuttled by
//! hand (see [`harness`]).

mod harness;
mod sessions;

use self::harness::{Cluster, P};
use crate::base::ids::{
    BrokerEpoch, BrokerId, DiskId, LeaderEpoch, LogId, Offset, PartitionEpoch, PartitionId,
    ReplicaSet, TopicId,
};
use crate::base::time::Span;
use crate::model::config::{Acks, BrokerConfig, TopicKey};
use crate::model::directory::DirectoryId;
use crate::model::disk::Kept;
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, StopKind};
use crate::model::message::{
    AssignReplicaToDir, Content, Fetcher, InitProducerIdRequest, InitProducerIdResponse,
    ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, WhichOffset,
};
use crate::model::metadata::MetadataRecord;
use crate::model::rules::{Drill, Rules, Truncation};

const OK: ErrorCode = ErrorCode::None;

fn three() -> Cluster {
    Cluster::new(3, Rules::KAFKA_4_1)
}

#[test]
fn a_record_commits_one_fetch_after_it_was_replicated() {
    let mut cluster = three();
    let client = cluster.connect(1);
    cluster.hold(2, 1);
    cluster.hold(3, 1);
    let batch = cluster.batch(1);
    // The fetches that were parked are answered; the next ones, which acknowledge, are held.
    let sent = cluster.produce(client, batch, Acks::All);
    assert_eq!(cluster.ends(), [(1, 0), (1, 0), (1, 0)]);
    assert_eq!(cluster.produced(sent), None);
    cluster.release();
    assert_eq!(cluster.produced(sent), Some((OK, 0)));
    // The followers' fetches are parked again: they learn the watermark with the next answer.
    assert_eq!(cluster.ends(), [(1, 1), (1, 0), (1, 0)]);
    cluster.pass(Span::millis(500));
    assert_eq!(cluster.ends(), [(1, 1), (1, 1), (1, 1)]);
}

#[test]
fn acks_1_does_not_wait_and_acks_0_is_not_answered() {
    let mut cluster = three();
    let client = cluster.connect(1);
    cluster.hold(2, 1);
    let batch = cluster.batch(2);
    let one = cluster.produce(client, batch, Acks::Leader);
    assert_eq!(cluster.produced(one), Some((OK, 0)));
    let batch = cluster.batch(2);
    let none = cluster.produce(client, batch, Acks::None);
    assert_eq!(cluster.produced(none), None);
    assert_eq!(cluster.view(1).end, Offset(4));
    // Consumers read below the high watermark only.
    let fetch = cluster.consume(client, 0, Span::ZERO);
    assert_eq!(cluster.fetched(fetch), Some((OK, 0, 0)));
    cluster.release();
    let fetch = cluster.consume(client, 0, Span::ZERO);
    assert_eq!(cluster.fetched(fetch), Some((OK, 4, 2)));
    // An acks=0 batch that fails closes the connection.
    let follower = cluster.connect(2);
    let batch = cluster.batch(1);
    cluster.produce(follower, batch, Acks::None);
    assert!(!cluster.is_open(follower) && cluster.is_open(client));
}

#[test]
fn requests_of_a_connection_are_answered_in_order() {
    let mut cluster = three();
    let client = cluster.connect(1);
    cluster.hold(2, 1);
    let batch = cluster.batch(1);
    let first = cluster.produce(client, batch, Acks::All);
    let second = cluster.send(client, Content::MetadataRequest(MetadataRequest {}));
    assert!(cluster.answer(second).is_none(), "the channel is muted");
    cluster.release();
    let order: Vec<u32> = cluster.answers.iter().map(|answer| answer.correlation).collect();
    assert_eq!(order, [first, second]);
}

#[test]
fn a_parked_consumer_is_woken_by_the_high_watermark() {
    let mut cluster = three();
    let (client, consumer) = (cluster.connect(1), cluster.connect(1));
    let fetch = cluster.consume(consumer, 0, Span::millis(500));
    assert_eq!(cluster.fetched(fetch), None);
    let batch = cluster.batch(3);
    cluster.produce(client, batch, Acks::All);
    assert_eq!(cluster.fetched(fetch), Some((OK, 3, 1)));
    let fetch = cluster.consume(consumer, 3, Span::millis(500));
    cluster.pass(Span::millis(500));
    assert_eq!(cluster.fetched(fetch), Some((OK, 3, 0)), "time is up");
    let fetch = cluster.consume(consumer, 4, Span::millis(500));
    assert_eq!(cluster.fetched(fetch), Some((ErrorCode::OffsetOutOfRange, 0, 0)));
}

/// `Partition.fetchRecords` looks at a follower's state, and so at its broker epoch (KIP-903), only
/// if its log does not part from the leader's.
#[test]
fn a_log_that_parts_is_told_so_whatever_its_broker_epoch() {
    let mut cluster = three();
    let connection = cluster.connect(1);
    // Broker 2 has registered with epoch 2.
    let fetcher = Fetcher::Replica { broker: BrokerId(2), epoch: BrokerEpoch(1) };
    let sent = cluster.fetch(connection, fetcher, (0, None), Span::ZERO);
    assert_eq!(cluster.fetched(sent).map(|f| f.0), Some(ErrorCode::NotLeaderOrFollower));
    let from = (7, Some(LeaderEpoch(1)));
    let sent = cluster.fetch(connection, fetcher, from, Span::ZERO);
    assert_eq!(cluster.fetched(sent).map(|f| f.0), Some(OK), "it is told where the logs part");
}

#[test]
fn a_repeated_batch_gets_its_old_offset_and_a_gap_is_refused() {
    let mut cluster = three();
    let client = cluster.connect(1);
    let batches: Vec<_> = (0..7).map(|_| cluster.batch(2)).collect();
    for batch in &batches[..6] {
        cluster.produce(client, *batch, Acks::All);
    }
    let table = [
        (5, (OK, 10)),
        (1, (OK, 2)),
        // Only five are remembered.
        (0, (ErrorCode::OutOfOrderSequenceNumber, 0)),
        (6, (OK, 12)),
    ];
    for (place, expected) in table {
        let sent = cluster.produce(client, batches[place], Acks::All);
        assert_eq!(cluster.produced(sent), Some(expected), "batch {place}");
    }
    assert_eq!(cluster.view(1).end, Offset(14));
    let noted = cluster.facts.iter().filter(|f| matches!(f, Fact::Deduplicated { .. })).count();
    assert_eq!(noted, 2);
    // After a clean restart a new leader knows the last batch only.
    cluster.elect(2, &[1, 2]);
    cluster.shut_down(1);
    cluster.restart(1);
    cluster.pass(Span::secs(1));
    cluster.elect(1, &[0, 1, 2]);
    let client = cluster.connect(1);
    let table = [(6, (OK, 12)), (5, (ErrorCode::OutOfOrderSequenceNumber, 0))];
    for (place, expected) in table {
        let sent = cluster.produce(client, batches[place], Acks::All);
        assert_eq!(cluster.produced(sent), Some(expected), "batch {place} after the restart");
    }
}

/// Recorded: `cut-expired-producer-state`.
#[test]
fn an_idle_producer_is_forgotten_when_the_check_comes() {
    let config = BrokerConfig {
        producer_id_expiration: Span::secs(5),
        producer_id_expiration_check_interval: Span::secs(1),
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::with(3, Rules::KAFKA_4_1, config, 1);
    let client = cluster.connect(1);
    let batch = cluster.batch(1);
    for (pause, offset, what) in [(0, 0, "new"), (4000, 0, "known"), (2100, 1, "forgotten")] {
        cluster.pass(Span::millis(pause));
        let sent = cluster.produce(client, batch, Acks::All);
        assert_eq!(cluster.produced(sent), Some((OK, offset)), "{what}");
    }
}

#[test]
fn too_few_in_sync_replicas_before_and_after_the_append() {
    let mut cluster = three();
    let client = cluster.connect(1);
    cluster.hold(2, 1);
    cluster.hold(3, 1);
    let batch = cluster.batch(1);
    let waits = cluster.produce(client, batch, Acks::All);
    cluster.change(|state| state.isr = ReplicaSet::only(0));
    assert_eq!(cluster.produced(waits), None, "the high watermark is frozen below min ISR");
    let other = cluster.connect(1);
    let batch = cluster.batch(1);
    let refused = cluster.produce(other, batch, Acks::All);
    assert_eq!(cluster.produced(refused), Some((ErrorCode::NotEnoughReplicas, 0)));
    assert_eq!(cluster.view(1).end, Offset(1));
    cluster.pass(Span::secs(30));
    assert_eq!(cluster.produced(waits), Some((ErrorCode::RequestTimedOut, 0)));
}

#[test]
fn a_deposed_leader_cuts_its_tail_and_tells_those_who_wait() {
    let mut cluster = three();
    let client = cluster.connect(1);
    let batch = cluster.batch(3);
    cluster.produce(client, batch, Acks::All);
    cluster.pass(Span::secs(1));
    // Nobody hears of two more records.
    cluster.hold(1, 2);
    cluster.hold(1, 3);
    let tail = cluster.batch(2);
    let waits = cluster.produce(client, tail, Acks::All);
    assert_eq!(cluster.view(1).end, Offset(5));
    cluster.crash(2);
    cluster.restart(2);
    cluster.pass(Span::millis(300));
    cluster.elect(2, &[1, 2]);
    assert_eq!(cluster.produced(waits), Some((ErrorCode::NotLeaderOrFollower, 3)));
    let other = cluster.connect(2);
    let batch = cluster.batch(4);
    // The same producer: broker 2 expects the sequence of the lost batch.
    let gap = cluster.produce(other, batch, Acks::Leader);
    assert_eq!(cluster.produced(gap), Some((ErrorCode::OutOfOrderSequenceNumber, 0)));
    let sent = cluster.produce(other, tail, Acks::Leader);
    assert_eq!(cluster.produced(sent), Some((OK, 3)));
    // Broker 1's old answers arrive now; broker 3 asks somebody else already.
    cluster.release();
    cluster.pass(Span::secs(2));
    let epochs = [(LeaderEpoch(1), Offset(0)), (LeaderEpoch(2), Offset(3))];
    for broker in [1, 2, 3] {
        assert_eq!(cluster.view(broker).end, Offset(5), "broker {broker}");
        assert_eq!(cluster.broker(broker).leader_epochs(P), epochs, "broker {broker}");
    }
}

#[test]
fn truncating_to_the_high_watermark_forgets_what_was_committed() {
    for (truncation, kept) in
        [(Truncation::ToHighWatermark, 0), (Truncation::DivergingEpochInFetch, 3)]
    {
        let mut cluster = Cluster::new(3, Rules { truncation, ..Rules::KAFKA_4_1 });
        let client = cluster.connect(1);
        let batch = cluster.batch(3);
        let sent = cluster.produce(client, batch, Acks::All);
        assert_eq!(cluster.produced(sent), Some((OK, 0)));
        // Broker 3 has the records and has not heard that they are committed.
        cluster.hold(2, 3);
        cluster.hold(3, 2);
        cluster.elect(2, &[1, 2]);
        assert_eq!(cluster.view(3).end, Offset(kept), "{truncation:?}");
    }
}

#[test]
fn a_leader_refuses_other_leader_epochs() {
    let mut cluster = three();
    let client = cluster.connect(1);
    let list = |leader_epoch| {
        Content::ListOffsetsRequest(ListOffsetsRequest {
            partition: P,
            leader_epoch: Some(LeaderEpoch(leader_epoch)),
            which: WhichOffset::Latest,
            read_committed: false,
        })
    };
    let table = [(0, ErrorCode::FencedLeaderEpoch), (1, OK), (2, ErrorCode::UnknownLeaderEpoch)];
    for (epoch, expected) in table {
        let asked = cluster.send(client, list(epoch));
        let answer = cluster.answer(asked).expect("answered").content;
        let Content::ListOffsetsResponse(ListOffsetsResponse { error, .. }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(error, expected, "epoch {epoch}");
    }
}

#[test]
fn a_lagging_member_leaves_the_isr_and_comes_back() {
    let mut cluster = three();
    let client = cluster.connect(1);
    cluster.hold(3, 1);
    let batch = cluster.batch(1);
    let sent = cluster.produce(client, batch, Acks::All);
    cluster.pass(Span::secs(29));
    assert_eq!((cluster.produced(sent), cluster.proposals.len()), (None, 0));
    cluster.pass(Span::secs(17));
    let proposal = &cluster.proposals[0];
    assert_eq!((proposal.item.new_isr, proposal.item.recovered), (ReplicaSet(0b011), true));
    assert_eq!(proposal.members.len(), 2, "with the broker epochs of both members");
    assert_eq!(cluster.view(1).watermark, Offset(0), "a proposed shrink is not believed");
    cluster.grant();
    assert_eq!(cluster.view(1).watermark, Offset(1));
    // Back again: its fetch is its request to be let in.
    cluster.release();
    cluster.pass(Span::secs(32));
    let proposal = &cluster.proposals[0];
    assert_eq!(proposal.item.new_isr, ReplicaSet(0b111), "{proposal:?}");
    cluster.refuse(ErrorCode::IneligibleReplica);
    assert_eq!(cluster.view(1).isr, ReplicaSet(0b011));
    cluster.pass(Span::secs(1));
    cluster.grant();
    assert_eq!(cluster.view(1).isr, ReplicaSet(0b111));
}

#[test]
fn a_restarted_broker_recovers_registers_and_catches_up() {
    let mut cluster = three();
    let client = cluster.connect(1);
    for _ in 0..3 {
        let batch = cluster.batch(2);
        cluster.produce(client, batch, Acks::All);
    }
    cluster.pass(Span::secs(6));
    assert_eq!(cluster.view(2).watermark, Offset(6));
    cluster.crash(2);
    cluster.change(|state| state.isr = ReplicaSet(0b101));
    let (broker, epoch) = (BrokerId(2), BrokerEpoch(2));
    cluster.decide(MetadataRecord::BrokerFenced { broker, epoch });
    let batch = cluster.batch(2);
    let sent = cluster.produce(client, batch, Acks::All);
    assert_eq!(cluster.produced(sent), Some((OK, 6)));
    cluster.restart(2);
    cluster.pass(Span::millis(300));
    assert_eq!(cluster.view(2).end, Offset(8));
    cluster.pass(Span::secs(1));
    let proposal = cluster.proposals.last().expect("a proposal");
    assert_eq!(proposal.item.new_isr, ReplicaSet(0b111));
    cluster.grant();
    // What a power loss takes is fetched again.
    cluster.lose_power(3);
    cluster.restart(3);
    cluster.pass(Span::secs(1));
    assert_eq!(cluster.view(3).end, Offset(8));
}

#[test]
fn a_follower_that_kept_less_than_the_leader_deleted_starts_anew() {
    let mut cluster = three();
    let client = cluster.connect(1);
    for key in [TopicKey::SegmentBytes, TopicKey::RetentionMs] {
        let value = Some(if key == TopicKey::SegmentBytes { 250 } else { 60_000 });
        cluster.decide(MetadataRecord::ConfigSet { topic: None, key, value });
    }
    for _ in 0..6 {
        let batch = cluster.batch(1);
        cluster.produce(client, batch, Acks::All);
    }
    cluster.crash(3);
    cluster.change(|state| state.isr = ReplicaSet(0b011));
    cluster.pass(Span::secs(400));
    let start = cluster.view(1).log_start;
    assert_eq!(start, Offset(6), "every segment was too old");
    cluster.disk_of_stopped(3).sim_wipe();
    cluster.restart(3);
    cluster.pass(Span::secs(2));
    assert_eq!((cluster.view(3).log_start, cluster.view(3).end), (start, Offset(6)));
}

#[test]
fn a_full_disk_halts_a_broker_with_one_log_directory() {
    let mut cluster = three();
    let client = cluster.connect(1);
    cluster.disk(1).sim_set_full(true);
    let batch = cluster.batch(1);
    cluster.produce(client, batch, Acks::All);
    assert_eq!(cluster.exits.get(&1), Some(&StopKind::Halt));
    assert!(!cluster.is_up(1));
}

#[test]
fn a_failed_directory_among_several_is_reported() {
    let config = BrokerConfig { log_dirs: 2, ..BrokerConfig::default() };
    let mut cluster = Cluster::with(3, Rules::KAFKA_4_1, config, 2);
    let client = cluster.connect(1);
    cluster.disk(1).sim_fail_dir(0);
    let batch = cluster.batch(1);
    let sent = cluster.produce(client, batch, Acks::All);
    assert_eq!(cluster.produced(sent), Some((ErrorCode::KafkaStorageError, 0)));
    assert!(cluster.is_up(1) && cluster.view(1).offline);
    let told = cluster.heartbeats.iter().any(|(broker, _, dirs)| broker.0 == 1 && *dirs == 1);
    assert!(told, "the controller hears of it at once");
}

#[test]
fn a_broker_with_several_directories_says_where_each_replica_lies() {
    let config = BrokerConfig { log_dirs: 2, ..BrokerConfig::default() };
    let mut cluster = Cluster::with(3, Rules::KAFKA_4_1, config, 2);
    cluster.pass(Span::millis(300));
    let assigned = |number: u16| {
        let partition = PartitionId(number);
        let directory = DirectoryId { disk: DiskId(0), dir: number };
        (BrokerId(1), AssignReplicaToDir { partition, directory })
    };
    let of_one: Vec<_> = cluster.assigned.iter().filter(|(b, _)| b.0 == 1).copied().collect();
    assert_eq!(of_one, [assigned(0), assigned(1)]);
    let mut single = three();
    single.pass(Span::millis(300));
    assert_eq!(single.assigned, [], "of one directory nothing need be said");
}

#[test]
fn a_new_replica_goes_to_the_online_directory_with_the_fewest_partitions() {
    let config = BrokerConfig { log_dirs: 3, ..BrokerConfig::default() };
    let mut cluster = Cluster::with(3, Rules::KAFKA_4_1, config, 3);
    cluster.disk(1).sim_fail_dir(1);
    cluster.pass(Span::secs(10)); // a checkpoint cannot be written
    for number in [3, 6] {
        cluster.decide(MetadataRecord::PartitionCreated {
            partition: PartitionId(number),
            topic: TopicId(0),
            replicas: [1, 2, 3].map(BrokerId)[..].into(),
            state: cluster.state,
        });
    }
    cluster.pass(Span::millis(10));
    let dirs = [0, 1, 2, 3, 6].map(|number| {
        let log = LogId::Partition(PartitionId(number));
        cluster.disk(1).dir_of(log)
    });
    assert_eq!(dirs, [0, 1, 2, 0, 2].map(Some));
}

#[test]
fn a_controlled_shutdown_waits_for_leave_and_leaves_a_marker() {
    let mut cluster = three();
    cluster.shut_down(1);
    cluster.pass(Span::secs(3));
    assert!(cluster.is_up(1), "it still leads");
    cluster.elect(2, &[1, 2]);
    cluster.pass(Span::secs(3));
    assert_eq!(cluster.exits.get(&1), Some(&StopKind::Shutdown));
    assert!(cluster.disk_of_stopped(1).clean_shutdown().is_some());
}

#[test]
fn a_broker_cut_from_the_controller_goes_on_leading() {
    let mut cluster = three();
    let client = cluster.connect(1);
    cluster.silent = true;
    cluster.pass(Span::secs(60));
    assert!(cluster.is_up(1) && cluster.view(1).leads);
    let batch = cluster.batch(1);
    let sent = cluster.produce(client, batch, Acks::All);
    assert_eq!(cluster.produced(sent), Some((OK, 0)));
    cluster.silent = false;
    cluster.pass(Span::secs(30));
    let before = cluster.heartbeats.len();
    cluster.pass(Span::secs(4));
    assert_eq!(cluster.heartbeats.len(), before + 6, "each of three, every two seconds");
}

#[test]
fn a_heartbeat_is_given_up_after_one_interval_and_tried_again_after_another() {
    let mut cluster = three();
    cluster.mute = true;
    let mut tries = Vec::new();
    for _ in 0..2_000 {
        let said = cluster.heartbeats.len();
        cluster.pass(Span::millis(10));
        if cluster.heartbeats[said..].iter().any(|(broker, ..)| *broker == BrokerId(1)) {
            tries.push(cluster.now);
        }
    }
    assert!(tries.len() >= 4, "{tries:?}");
    assert!(tries.windows(2).all(|pair| pair[1].since(pair[0]) == Span::secs(4)), "{tries:?}");
}

#[test]
fn the_marker_of_a_clean_shutdown_goes_when_the_logs_are_loaded() {
    let mut cluster = three();
    cluster.elect(2, &[0, 1, 2]);
    cluster.shut_down(1);
    cluster.pass(Span::secs(3));
    let marker = cluster.disk_of_stopped(1).clean_shutdown();
    assert!(marker.is_some());
    // Killed before it has seen any metadata: nothing was done to its logs.
    cluster.silent = true;
    cluster.restart(1);
    cluster.pass(Span::secs(1));
    cluster.crash(1);
    assert_eq!(cluster.disk_of_stopped(1).clean_shutdown(), marker);
    cluster.silent = false;
    cluster.restart(1);
    cluster.pass(Span::secs(1));
    cluster.crash(1);
    assert_eq!(cluster.disk_of_stopped(1).clean_shutdown(), None);
    // A shutdown before its logs are loaded writes none.
    cluster.silent = true;
    cluster.restart(1);
    cluster.pass(Span::secs(1));
    cluster.shut_down(1);
    assert_eq!(cluster.exits.get(&1), Some(&StopKind::Shutdown));
    assert_eq!(cluster.disk_of_stopped(1).clean_shutdown(), None);
}

/// What a power loss takes of a broker's copy of the metadata log is fetched again, and no more.
#[test]
fn a_broker_replays_its_copy_of_the_metadata_and_fetches_from_its_end() {
    let torn = Kept::Operations { count: 1, torn: true, behind: 1, older_files: true };
    for (kept, left) in [(Kept::ALL, 3), (Kept::SYNCED, 0), (torn, 1)] {
        let mut cluster = three();
        let synced = cluster.log.len() as u64;
        for epoch in 2..5 {
            cluster.change(|state| {
                state.leader_epoch = LeaderEpoch(epoch);
                state.partition_epoch = PartitionEpoch(epoch);
            });
        }
        cluster.lose_power_but(3, kept);
        cluster.metadata_fetches.clear();
        cluster.restart(3);
        cluster.pass(Span::secs(1));
        assert_eq!(cluster.metadata_fetches.first(), Some(&Offset(synced + left)), "{kept:?}");
        assert_eq!(cluster.broker(3).image(), cluster.broker(1).image(), "{kept:?}");
        let copy = |cluster: &mut Cluster, broker| {
            cluster.disk(broker).log(LogId::Metadata).expect("a good disk").clone()
        };
        assert_eq!(copy(&mut cluster, 3), copy(&mut cluster, 1), "{kept:?}");
    }
}

/// `KafkaRaftClient.handleFetchResponse`: what is not known to be committed is cut, and what is
/// known to be is never.
#[test]
fn a_copy_of_the_metadata_is_cut_where_it_parts_from_the_log() {
    let mut cluster = three();
    let end = cluster.log.len() as u64;
    cluster.crash(3);
    let parts_at = (LeaderEpoch(1), Offset(end - 2));
    cluster.parts_at = Some((3, parts_at));
    cluster.metadata_fetches.clear();
    cluster.restart(3);
    cluster.pass(Span::secs(1));
    assert_eq!(cluster.metadata_fetches[0], Offset(end));
    assert!(cluster.metadata_fetches.contains(&Offset(end - 2)), "what is left of it");
    assert_eq!(cluster.broker(3).image(), cluster.broker(1).image());

    cluster.parts_at = Some((1, parts_at));
    cluster.change(|state| state.partition_epoch = PartitionEpoch(9));
    let halted = cluster.exits.get(&1) == Some(&StopKind::Halt);
    assert!(halted, "it was told to cut what it has acted on");
}

#[test]
fn flush_messages_holds_the_answer_until_the_sync() {
    let mut cluster = three();
    let key = TopicKey::FlushMessages;
    cluster.decide(MetadataRecord::ConfigSet { topic: None, key, value: Some(1) });
    let client = cluster.connect(1);
    cluster.syncs = false;
    let batch = cluster.batch(1);
    let sent = cluster.produce(client, batch, Acks::Leader);
    assert_eq!((cluster.produced(sent), cluster.view(1).end), (None, Offset(1)));
    cluster.syncs = true;
    let other = cluster.connect(1);
    let batch = cluster.batch(1);
    let second = cluster.produce(other, batch, Acks::Leader);
    assert_eq!(cluster.produced(second), Some((OK, 1)));
    assert_eq!(cluster.produced(sent), Some((OK, 0)));
}

#[test]
fn producer_ids_come_in_blocks() {
    let mut cluster = three();
    let client = cluster.connect(1);
    let granted = |cluster: &mut Cluster| {
        let asked = cluster.send(client, Content::InitProducerIdRequest(InitProducerIdRequest {}));
        match cluster.answer(asked).expect("answered").content {
            Content::InitProducerIdResponse(InitProducerIdResponse { error, producer, .. }) => {
                (error, producer.0)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(granted(&mut cluster), (ErrorCode::CoordinatorLoadInProgress, 0));
    assert_eq!(granted(&mut cluster), (OK, 1000));
    assert_eq!(granted(&mut cluster), (OK, 1001));
}

#[test]
fn no_drill_and_no_old_rule_makes_a_broker_panic() {
    let drills =
        Drill::ALL.iter().map(|(drill, ..)| Rules { drill: Some(*drill), ..Rules::KAFKA_4_1 });
    let old = Rules { truncation: Truncation::ToHighWatermark, ..Rules::KAFKA_3_9 };
    for rules in drills.chain([old]) {
        let mut cluster = Cluster::new(3, rules);
        for round in 0..12_u16 {
            let leader = cluster.state.leader.map_or(1, |leader| leader.0);
            let client = cluster.connect(leader);
            for acks in [Acks::All, Acks::Leader, Acks::All] {
                let batch = cluster.batch(2);
                cluster.produce(client, batch, acks);
            }
            cluster.consume(client, 0, Span::millis(100));
            let next = leader % 3 + 1;
            if round % 3 == 0 {
                cluster.crash(next);
                cluster.restart(next);
            }
            cluster.hold(leader, next);
            let batch = cluster.batch(1);
            cluster.produce(client, batch, Acks::Leader);
            cluster.elect(next, &[0, 1, 2]);
            cluster.release();
            cluster.pass(Span::secs(20));
            while !cluster.proposals.is_empty() {
                cluster.grant();
            }
        }
    }
}
