//! What a producer does against a scripted broker.

use highwater::client::Command;
use highwater::fact::Fact;
use highwater::internals::model::{AppPlan, Batch, ProducerPlan, Rules};
use highwater::plan::{Acks, ClientConfig, Drill, ProducerConfig};
use highwater::types::{BrokerId, ErrorCode, LeaderEpoch, PartitionId, Span, Time, TopicId};

use crate::bench::{Bench, Request};

const B1: BrokerId = BrokerId(1);
const B2: BrokerId = BrokerId(2);

fn plan(config: ProducerConfig, period: Option<Span>, records: Option<u64>) -> ProducerPlan {
    let topics = vec![TopicId(0)];
    ProducerPlan { config, topics, period, records, keys: 0, size: 100, resend: false }
}

fn quick() -> ProducerConfig {
    ProducerConfig { linger: Span::ZERO, ..ProducerConfig::default() }
}

fn bench(plan: ProducerPlan, partitions: u16) -> Bench {
    Bench::new(&AppPlan::Producer(plan), partitions, Rules::default())
}

/// Starts a paced producer with a record every 10 ms and lets so many be sent.
fn paced(config: ProducerConfig, records: u64) -> Bench {
    let mut bench = bench(plan(config, Some(Span::millis(10)), Some(records)), 1);
    bench.command(Command::Start);
    bench.pass(Span::millis(10 * records));
    bench
}

/// Which record of the workload a batch begins with.
fn ordinal(batch: &Batch) -> u32 {
    batch.records.workload().expect("a client's records").ordinal
}

/// First record and first sequence of each request that waits.
fn waiting(bench: &Bench) -> Vec<(u32, Option<u32>)> {
    let head = |request: &Request| {
        let batch = bench.batches(*request)[0];
        (ordinal(&batch), batch.sequence.map(|s| s.first))
    };
    bench.inbox.iter().map(head).collect()
}

#[test]
fn without_linger_each_record_is_a_request_until_five_are_in_flight() {
    let mut bench = paced(quick(), 8);
    assert_eq!(waiting(&bench), [0, 1, 2, 3, 4].map(|n| (n, Some(n))));
    let first = bench.next();
    bench.produced(first, ErrorCode::None, 40);
    let last = *bench.inbox.last().expect("the next request follows at once");
    let batch = bench.batches(last)[0];
    assert_eq!((ordinal(&batch), batch.count), (5, 3), "what waited goes as one batch");
    let Fact::Acked { count: 1, base: Some(base), .. } = bench.named("acked")[0] else {
        panic!("the first record is acknowledged alone")
    };
    assert_eq!(base.0, 40);
}

#[test]
fn linger_collects_what_comes_in_time() {
    let config = ProducerConfig { linger: Span::millis(25), ..ProducerConfig::default() };
    let bench = paced(config, 5);
    let counts: Vec<u32> = bench.inbox.iter().map(|r| bench.batches(*r)[0].count).collect();
    assert_eq!(counts, [3], "records at 0, 10 and 20 ms went at 25 ms; two more linger");
}

#[test]
fn one_request_takes_one_batch_of_each_partition() {
    let config = ProducerConfig { batch_size: 300, ..ProducerConfig::default() };
    let mut bench = bench(plan(config, None, None), 2);
    for partition in [0, 1, 0, 1] {
        let partition = Some(PartitionId(partition));
        bench.command(Command::Send { count: 1, label: None, partition, awaits: true });
    }
    bench.pass(Span::millis(5));
    let request = bench.next();
    assert_eq!(bench.batches(request).len(), 1, "scripted sends wait for their answers");
    bench.produced(request, ErrorCode::None, 0);
    bench.pass(Span::millis(5));
    assert_eq!(bench.inbox.len(), 1);
}

#[test]
fn a_lost_connection_is_retried_in_order_of_sequence() {
    let mut bench = paced(quick(), 5);
    bench.close(B1);
    assert_eq!(bench.named("retried").len(), 5);
    bench.pass(Span::millis(400));
    assert_eq!(waiting(&bench), [(0, Some(0))], "retries go one at a time");
    for n in 0..5 {
        let request = bench.next();
        assert_eq!(ordinal(&bench.batches(request)[0]), n);
        bench.produced(request, ErrorCode::None, u64::from(n));
    }
    assert_eq!(bench.named("acked").len(), 5);
    assert!(bench.named("epoch-bumped").is_empty());
}

#[test]
fn without_idempotence_retries_come_back_reversed() {
    let config = ProducerConfig { idempotence: false, ..quick() };
    let mut bench = paced(config, 3);
    bench.close(B1);
    bench.pass(Span::millis(400));
    // Each is put in front of the queue, so the last that failed is the first that is sent.
    assert_eq!(waiting(&bench).first(), Some(&(2, None)));
}

#[test]
fn the_oldest_request_closes_the_connection_and_fails_all() {
    let client = ClientConfig { request_timeout: Span::secs(5), ..ClientConfig::default() };
    let mut bench = paced(ProducerConfig { client, ..quick() }, 5);
    bench.pass(Span::millis(4_940));
    assert!(bench.named("retried").is_empty());
    bench.pass(Span::millis(11));
    let timed_out =
        |fact: &Fact| matches!(fact, Fact::Retried { error: ErrorCode::RequestTimedOut, .. });
    assert_eq!(bench.named("retried").iter().filter(|f| timed_out(f)).count(), 5);
}

#[test]
fn a_hint_moves_the_batch_at_once_and_without_back_off() {
    let mut bench = paced(quick(), 1);
    let request = bench.next();
    let hint = Some((B2, LeaderEpoch(1)));
    bench.produced_hinting(request, ErrorCode::NotLeaderOrFollower, 0, hint);
    assert_eq!(bench.inbox.first().map(|r| r.to), Some(B2));
    assert_eq!(waiting(&bench), [(0, Some(0))], "the sequence is kept");
}

#[test]
fn a_gap_raises_the_epoch_and_starts_at_zero() {
    let mut bench = paced(quick(), 3);
    let first = bench.next();
    bench.produced(first, ErrorCode::None, 0);
    let second = bench.next();
    bench.produced(second, ErrorCode::OutOfOrderSequenceNumber, 0);
    assert_eq!(bench.named("epoch-bumped").len(), 1);
    let third = bench.next();
    bench.produced(third, ErrorCode::OutOfOrderSequenceNumber, 0);
    assert_eq!(bench.named("epoch-bumped").len(), 1, "its sequence was rewritten already");
    bench.pass(Span::millis(200));
    assert_eq!(waiting(&bench), [(1, Some(0))]);
    let again = bench.next();
    assert_eq!(bench.batches(again)[0].sequence.map(|s| s.epoch.0), Some(1));
    bench.produced(again, ErrorCode::None, 1);
    bench.pass(Span::millis(200));
    assert_eq!(waiting(&bench), [(2, Some(1))]);
}

/// Recorded in `min-insync`: the batch after one that expired in retry has producer epoch 1 and
/// sequence 0.
#[test]
fn delivery_time_out_of_a_retried_batch_raises_the_epoch() {
    let client = ClientConfig { request_timeout: Span::secs(3), ..ClientConfig::default() };
    let delivery_timeout = Span::secs(8);
    let config = ProducerConfig { client, delivery_timeout, ..quick() };
    let mut bench = bench(plan(config, None, None), 1);
    bench.command(Command::Send { count: 2, label: Some((0, 0)), partition: None, awaits: true });
    while bench.named("gave-up").is_empty() {
        if !bench.inbox.is_empty() {
            let request = bench.next();
            bench.produced(request, ErrorCode::NotEnoughReplicas, 0);
        }
        bench.pass(Span::millis(50));
        assert!(bench.now.as_millis() < 9_000, "the batch never expired");
    }
    let gave_up = bench.facts.iter().find(|(_, f)| f.name() == "gave-up").expect("it expired");
    assert_eq!(gave_up.0.as_millis(), 8_000);
    bench.pass(Span::millis(50));
    let next = bench.next();
    let sequence = bench.batches(next)[0].sequence.expect("the producer is idempotent");
    assert_eq!((sequence.epoch.0, sequence.first), (1, 0));
}

#[test]
fn no_acks_completes_at_the_send_without_an_offset() {
    let config = ProducerConfig { acks: Acks::None, idempotence: false, ..quick() };
    let bench = paced(config, 7);
    assert_eq!(bench.inbox.len(), 7, "nothing is in flight, so nothing holds the next back");
    let acked = bench.named("acked");
    assert!(acked.iter().all(|f| matches!(f, Fact::Acked { base: None, .. })));
    assert_eq!(acked.len(), 7);
}

/// Whoever writes a backlog to a broker that serves nobody loses it without a word.
#[test]
fn a_broker_that_accepts_and_does_not_answer_is_sent_nothing() {
    let config = ProducerConfig { acks: Acks::None, idempotence: false, ..quick() };
    let mut bench = bench(plan(config, Some(Span::millis(10)), Some(40)), 1);
    bench.command(Command::Start);
    bench.pass(Span::millis(200));
    let acked = |bench: &Bench| -> u32 {
        let count = |fact: &Fact| match fact {
            Fact::Acked { count, .. } => *count,
            _ => 0,
        };
        bench.named("acked").iter().map(count).sum()
    };
    let before = acked(&bench);
    assert!(before >= 20, "it sends as it goes along");
    bench.frozen = vec![B1];
    bench.close(B1);
    bench.pass(Span::secs(20));
    assert!(bench.inbox.is_empty(), "what was sent before is lost with the connection");
    assert_eq!(acked(&bench), before, "nothing was sent since");
    bench.frozen.clear();
    bench.pass(Span::secs(31));
    assert_eq!(acked(&bench), 40, "all of it, as soon as the broker answers");
}

#[test]
fn full_memory_delays_the_next_sends_and_then_fails_them() {
    let max_block = Span::secs(2);
    let config = ProducerConfig { buffer_memory: 40_000, max_block, ..quick() };
    let mut bench = bench(plan(config, Some(Span::millis(10)), None), 1);
    bench.command(Command::Start);
    bench.pass(Span::secs(1));
    assert_eq!(bench.named("submitted").len(), 2, "memory for two batches, both in flight");
    let request = bench.next();
    bench.produced(request, ErrorCode::None, 0);
    assert_eq!(bench.named("submitted").len(), 3, "the blocked send returns");
    bench.pass(Span::secs(8));
    let failed = bench.named("send-failed");
    assert!(matches!(
        failed.first(),
        Some(Fact::SendFailed { error: ErrorCode::BufferExhausted, .. })
    ));
}

#[test]
fn without_metadata_a_send_fails_after_max_block() {
    let config = ProducerConfig { max_block: Span::secs(2), ..quick() };
    let mut bench = bench(plan(config, None, None), 1);
    bench.down = vec![B1, B2, BrokerId(3)];
    bench.command(Command::Send { count: 1, label: None, partition: None, awaits: true });
    bench.pass(Span::millis(1_999));
    assert!(bench.named("send-failed").is_empty());
    bench.pass(Span::millis(1));
    assert_eq!(bench.named("send-failed").len(), 1);
}

#[test]
fn a_batch_that_is_too_large_is_split() {
    let config = ProducerConfig { linger: Span::millis(50), ..ProducerConfig::default() };
    let mut bench = paced(config, 6);
    let request = bench.next();
    let whole = bench.batches(request)[0];
    bench.produced(request, ErrorCode::MessageTooLarge, 0);
    let request = bench.next();
    assert_eq!(bench.batches(request)[0].records, whole.records);
    assert!(bench.named("rejected").is_empty());
}

#[test]
fn a_refused_record_is_rejected() {
    let mut bench = paced(quick(), 1);
    let request = bench.next();
    bench.produced(request, ErrorCode::InvalidTimestamp, 0);
    assert_eq!(bench.named("rejected").len(), 1);
    assert_eq!(bench.named("epoch-bumped").len(), 1);
}

#[test]
fn a_stopped_producer_flushes_first() {
    let config = ProducerConfig { linger: Span::secs(60), ..ProducerConfig::default() };
    let mut bench = paced(config, 3);
    assert!(bench.inbox.is_empty());
    bench.command(Command::Stop);
    assert!(bench.named("client-stopped").is_empty());
    let request = bench.next();
    assert_eq!(bench.batches(request)[0].count, 3);
    bench.produced(request, ErrorCode::None, 0);
    assert_eq!(bench.named("client-stopped").len(), 1);
}

#[test]
fn labels_and_pace_are_numbered_apart() {
    let mut bench = bench(plan(quick(), None, None), 1);
    for (count, label) in [(2, Some((0, 0))), (1, Some((1, 0))), (1, Some((0, 2))), (1, None)] {
        bench.command(Command::Send { count, label, partition: None, awaits: true });
        while !bench.inbox.is_empty() {
            let request = bench.next();
            bench.produced(request, ErrorCode::None, 0);
        }
    }
    let numbers: Vec<(Option<u16>, u32)> = bench
        .named("submitted")
        .iter()
        .filter_map(|fact| match fact {
            Fact::Submitted { label, workload, .. } => Some((*label, *workload)),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [(Some(0), 0), (Some(0), 1), (Some(1), 0), (Some(0), 2), (None, 0)]);
}

#[test]
fn a_failed_record_is_sent_again_as_another_record() {
    let plan = ProducerPlan { resend: true, ..plan(quick(), Some(Span::millis(10)), Some(2)) };
    let mut bench = bench(plan, 1);
    bench.command(Command::Start);
    bench.pass(Span::millis(25));
    let request = bench.next();
    bench.produced(request, ErrorCode::InvalidTimestamp, 0);
    let submitted: Vec<(u32, u32)> = bench
        .named("submitted")
        .iter()
        .filter_map(|fact| match fact {
            Fact::Submitted { workload, record, .. } => Some((*workload, record.ordinal)),
            _ => None,
        })
        .collect();
    assert_eq!(submitted, [(0, 0), (1, 1), (0, 2)]);
}

#[test]
fn every_key_occurs_and_keeps_its_partition() {
    let plan = ProducerPlan { keys: 5, ..plan(quick(), Some(Span::millis(10)), Some(200)) };
    let config = ProducerConfig { acks: Acks::None, idempotence: false, ..plan.config };
    let mut bench = bench(ProducerPlan { config, ..plan }, 3);
    bench.command(Command::Start);
    bench.pass(Span::secs(3));
    let mut homes = [None; 5];
    for fact in bench.named("submitted") {
        let Fact::Submitted { key: Some(key), partition, .. } = fact else {
            panic!("a record without a key: {fact:?}")
        };
        let home = homes[key as usize].get_or_insert(partition);
        assert_eq!(*home, partition);
    }
    // murmur2 of key-0, key-1 and key-2, modulo 3 (kafka-protocol, recorded vectors).
    assert_eq!(
        homes[..3],
        [29_210_041 % 3, 193_331_640 % 3, 852_269_702 % 3].map(|p| { Some(PartitionId(p as u16)) })
    );
    assert!(homes.iter().all(Option::is_some));
}

/// `KafkaProducer.waitOnMetadata` and `BuiltInPartitioner.partitionForKey`: a producer hashes over
/// as many partitions as its latest metadata names, and hears of more when it asks again.
#[test]
fn a_topic_that_grows_moves_keys_once_metadata_says_so() {
    let client = ClientConfig { metadata_max_age: Span::secs(5), ..ClientConfig::default() };
    let config =
        ProducerConfig { acks: Acks::None, idempotence: false, batch_size: 1, client, ..quick() };
    let app =
        AppPlan::Producer(ProducerPlan { keys: 5, ..plan(config, Some(Span::millis(100)), None) });
    let mut bench = Bench::new(&app, 3, Rules::default());
    bench.command(Command::Start);
    bench.pass(Span::secs(1));
    bench.leaders.extend([(Some(B2), LeaderEpoch(0)); 3]);
    bench.pass(Span::secs(8));
    bench.leaders.truncate(3);
    bench.pass(Span::secs(5));
    bench.leaders.extend([(Some(B2), LeaderEpoch(0)); 3]);
    bench.restart(&app);
    bench.command(Command::Start);
    bench.pass(Span::secs(1));
    // murmur2 of key-0 to key-4, without the sign. The last two move.
    let hashes = [29_210_041, 193_331_640, 852_269_702, 308_347_547, 647_367_033_u32];
    let mut counts = Vec::new();
    let mut ordinals = std::collections::BTreeMap::new();
    for (at, fact) in &bench.facts {
        let Fact::Submitted { key: Some(key), partition, record, .. } = *fact else { continue };
        let next = ordinals.entry(partition).or_insert(0);
        assert_eq!(record.ordinal, *next, "{partition}: a process goes on where it was");
        *next += 1;
        let hash = hashes[key as usize];
        let of = |count: u16| PartitionId((hash % u32::from(count)) as u16);
        if of(3) != of(6) {
            let count = if partition == of(3) { 3 } else { 6 };
            assert_eq!(partition, of(count));
            counts.push((at.since(Time::ZERO).as_millis() / 1_000, count));
        }
    }
    // Asked at 0, 5, 10 and, by the next process, 14 s; the third answer is of a broker that lags.
    let known = |from: u64, to: u64| {
        let then = counts.iter().filter(|(second, _)| (from..to).contains(second));
        let mut known: Vec<u16> = then.map(|(_, count)| *count).collect();
        known.dedup();
        known
    };
    assert_eq!((known(0, 5), known(6, 10)), (vec![3], vec![6]));
    assert_eq!((known(11, 14), known(14, 17)), (vec![3], vec![6]), "{counts:?}");
}

/// A record for a partition that is not there yet waits, and `max.block.ms` ends the wait.
#[test]
fn a_send_to_a_partition_to_come_waits_for_it() {
    let config = ProducerConfig { max_block: Span::secs(3), ..quick() };
    let mut bench = bench(plan(config, None, None), 1);
    let send = |bench: &mut Bench, number| {
        let (partition, label) = (Some(PartitionId(number)), None);
        bench.command(Command::Send { count: 1, label, partition, awaits: false });
    };
    send(&mut bench, 1);
    bench.pass(Span::secs(2));
    assert_eq!((bench.named("submitted").len(), bench.named("send-failed").len()), (0, 0));
    bench.leaders.push((Some(B2), LeaderEpoch(0)));
    bench.pass(Span::millis(1_500));
    let [Fact::Submitted { partition, .. }] = bench.named("submitted")[..] else { panic!("one") };
    assert_eq!(partition, PartitionId(1));
    send(&mut bench, 2);
    bench.pass(Span::secs(4));
    let [Fact::SendFailed { error, .. }] = bench.named("send-failed")[..] else { panic!("one") };
    assert_eq!(error, ErrorCode::Expired);
}

#[test]
fn the_key_drill_scatters_keys_and_a_crash_reuses_no_record() {
    let rules = Rules { drill: Some(Drill::KeyIgnored), ..Rules::default() };
    let config = ProducerConfig { acks: Acks::None, idempotence: false, batch_size: 1, ..quick() };
    let plan = ProducerPlan { keys: 1, ..plan(config, Some(Span::millis(10)), Some(60)) };
    let app = AppPlan::Producer(plan);
    let mut bench = Bench::new(&app, 3, rules);
    bench.command(Command::Start);
    bench.pass(Span::millis(300));
    bench.restart(&app);
    bench.command(Command::Start);
    bench.pass(Span::secs(1));
    let mut seen = std::collections::BTreeSet::new();
    let mut partitions = std::collections::BTreeSet::new();
    for fact in bench.named("submitted") {
        let Fact::Submitted { partition, record, workload, .. } = fact else { unreachable!() };
        assert!(seen.insert((partition, record)), "a record id was used twice");
        partitions.insert(partition);
        assert!(workload < 60);
    }
    assert_eq!((seen.len(), partitions.len()), (60, 3));
}
