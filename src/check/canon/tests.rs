//! The ghost logs against a slow oracle that keeps every log whole and compares all pairs.

use proptest::prelude::*;

use super::{Append, Canon, Entry};
use crate::base::ids::{LeaderEpoch, Offset, ProcessId};
use crate::base::time::Time;
use crate::model::batch::{RecordId, Records};

const REPLICAS: usize = 3;

/// What happens next, before it is known whether it can.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// The elected leader, or one that was elected before and has not heard, appends.
    Lead(usize),
    /// A replica copies the next batch of another, after truncating to what they share.
    Follow(usize, usize),
    /// The same without looking whether the logs agree: a bug.
    FollowBlindly(usize, usize),
    Elect(usize),
    Truncate(usize, u64),
    MoveStarts(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let place = || 0..REPLICAS;
    prop_oneof![
        6 => place().prop_map(Op::Lead),
        8 => (place(), place()).prop_map(|(a, b)| Op::Follow(a, b)),
        1 => (place(), place()).prop_map(|(a, b)| Op::FollowBlindly(a, b)),
        2 => place().prop_map(Op::Elect),
        1 => (place(), 0..4u64).prop_map(|(a, n)| Op::Truncate(a, n)),
        1 => (0..3u64).prop_map(Op::MoveStarts),
    ]
}

/// Every log as a plain list, and who leads in which epoch as far as it knows.
#[derive(Debug)]
struct Slow {
    logs: Vec<Vec<Entry>>,
    leads: Vec<Option<LeaderEpoch>>,
    epoch: u32,
    next: u32,
    start: u64,
}

impl Slow {
    fn new() -> Self {
        let mut leads = vec![None; REPLICAS];
        leads[0] = Some(LeaderEpoch(0));
        Self { logs: vec![Vec::new(); REPLICAS], leads, epoch: 0, next: 0, start: 0 }
    }

    fn end(&self, place: usize) -> Offset {
        self.logs[place].last().map_or(Offset(self.start), Entry::end)
    }

    fn new_entry(&mut self, place: usize, epoch: LeaderEpoch) -> Entry {
        self.next += 1;
        Entry {
            base: self.end(place),
            records: Records::Workload(RecordId { process: ProcessId(0), ordinal: self.next }),
            count: 1,
            epoch,
            sequence: None,
            acked: Time::NEVER,
            read: false,
            kept: false,
        }
    }

    fn shared(&self, a: usize, b: usize) -> usize {
        self.logs[a].iter().zip(&self.logs[b]).take_while(|(x, y)| x.same(y)).count()
    }

    /// Log matching, by comparing everything with everything.
    fn agree(&self) -> bool {
        (0..REPLICAS).all(|a| {
            (0..a).all(|b| {
                let shared = self.shared(a, b);
                let rest = self.logs[a].iter().zip(&self.logs[b]).skip(shared);
                rest.clone().all(|(x, y)| x.epoch != y.epoch)
            })
        })
    }
}

/// Does the same to both. Returns whether the ghosts say that logs clash.
fn apply(op: Op, slow: &mut Slow, canon: &mut Canon) -> bool {
    match op {
        Op::Lead(place) => {
            let Some(epoch) = slow.leads[place] else { return false };
            let entry = slow.new_entry(place, epoch);
            append(slow, canon, place, entry)
        }
        Op::Follow(follower, leader) if follower != leader => {
            let shared = slow.shared(follower, leader);
            truncate(slow, canon, follower, shared);
            let Some(&entry) = slow.logs[leader].get(shared) else { return false };
            append(slow, canon, follower, entry)
        }
        Op::FollowBlindly(follower, leader) if follower != leader => {
            let have = slow.logs[follower].len();
            let Some(&entry) = slow.logs[leader].get(have) else { return false };
            append(slow, canon, follower, entry)
        }
        Op::Follow(..) | Op::FollowBlindly(..) => false,
        Op::Elect(place) => {
            slow.epoch += 1;
            slow.leads[place] = Some(LeaderEpoch(slow.epoch));
            canon.elect(place, LeaderEpoch(slow.epoch));
            false
        }
        Op::Truncate(place, count) => {
            let keep = slow.logs[place].len().saturating_sub(count as usize);
            truncate(slow, canon, place, keep);
            false
        }
        Op::MoveStarts(count) => {
            // Retention takes only what is committed, on which all logs agree with the leader's.
            let shared = canon.replicas().iter().map(|r| r.matched.0 - slow.start).min();
            let count = shared.unwrap_or(0).saturating_sub(1).min(count) as usize;
            slow.start += count as u64;
            for place in 0..REPLICAS {
                slow.logs[place].drain(..count);
                canon.move_start(place, Offset(slow.start));
            }
            false
        }
    }
}

fn append(slow: &mut Slow, canon: &mut Canon, place: usize, entry: Entry) -> bool {
    slow.logs[place].push(entry);
    if let Some(epoch) = canon.begins_to_lead(place, &entry) {
        canon.take_over(epoch, &mut Vec::new());
        assert_eq!(canon.leader().0, place);
    }
    let outcome = canon.append(place, &entry);
    assert_ne!(outcome, Append::Gap);
    outcome == Append::Clash
}

fn truncate(slow: &mut Slow, canon: &mut Canon, place: usize, keep: usize) {
    let before = slow.logs[place].len();
    slow.logs[place].truncate(keep);
    let lost = canon.truncate(place, slow.end(place));
    assert_eq!(lost, (before - slow.logs[place].len()) as u64);
    canon.drop_unheld(&mut Vec::new());
}

fn same_logs(slow: &Slow, canon: &Canon) {
    for place in 0..REPLICAS {
        let told: Vec<_> =
            canon.log(place, Offset::ZERO).flatten().map(|e| (e.base, e.records)).collect();
        let real: Vec<_> = slow.logs[place].iter().map(|e| (e.base, e.records)).collect();
        assert_eq!(told, real, "log of replica {place}");
        assert_eq!(canon.replica(place).end(), slow.end(place), "end of replica {place}");
    }
    let (leader, _) = canon.leader();
    let canonical: Vec<_> = canon.entries().iter().map(|e| e.records).collect();
    let held: Vec<_> = slow.logs[leader].iter().map(|e| e.records).collect();
    assert!(canonical.len() >= held.len() || canon.replica(leader).is_apart());
    for (place, replica) in canon.replicas().iter().enumerate() {
        let matched = slow.logs[place].iter().zip(canon.entries().iter());
        let matched = matched.take_while(|(x, y)| x.same(y)).count() as u64;
        assert_eq!(replica.matched, Offset(slow.start + matched), "match of replica {place}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ghosts_equal_a_full_scan(ops in prop::collection::vec(op(), 1..120)) {
        let (mut slow, mut canon) = (Slow::new(), Canon::new(REPLICAS));
        for op in ops {
            let clash = apply(op, &mut slow, &mut canon);
            prop_assert_eq!(clash, !slow.agree(), "{:?}", op);
            if clash {
                break;
            }
            same_logs(&slow, &canon);
        }
    }
}

fn entry(base: u64, epoch: u32, ordinal: u32) -> Entry {
    Entry {
        base: Offset(base),
        records: Records::Workload(RecordId { process: ProcessId(0), ordinal }),
        count: 1,
        epoch: LeaderEpoch(epoch),
        sequence: None,
        acked: Time::NEVER,
        read: false,
        kept: false,
    }
}

/// Replica 0 led alone and has a batch of its own at 0; replica 1, elected after it, has two others,
/// and its files start at `start`.
fn deposed(start: u64) -> Canon {
    let mut canon = Canon::new(REPLICAS);
    canon.append(0, &entry(0, 0, 0));
    canon.elect(1, LeaderEpoch(1));
    canon.take_over(LeaderEpoch(1), &mut Vec::new());
    canon.append(1, &entry(0, 1, 7));
    canon.append(1, &entry(1, 1, 8));
    canon.move_start(1, Offset(start));
    canon
}

/// A deposed leader's last batch lies just below the new leader's log start: nobody can notice.
#[test]
fn a_tail_below_the_leaders_log_start_is_no_divergence() {
    assert_eq!(deposed(1).append(0, &entry(1, 1, 8)), Append::Matched);
    assert_eq!(deposed(0).append(0, &entry(1, 1, 8)), Append::Clash);
}

/// Nobody compares what lies below every record that a leader still has: seen in the gate.
#[test]
fn a_tail_that_nobody_can_notice_lacks_nothing() {
    let complete = |canon: Canon| (canon.complete_to(0), canon.complete_to(1));
    assert_eq!(complete(deposed(0)), (Offset(0), Offset(2)));
    assert_eq!(complete(deposed(1)), (Offset(1), Offset(2)));
    // Cut inside a batch where the leader's log starts, it has nothing from the batch's first on.
    let mut canon = deposed(1);
    canon.truncate(0, Offset(0));
    assert_eq!(complete(canon), (Offset(1), Offset(2)));
}

/// Below the offset where a replica rejoined its own records are not known, whoever leads then.
#[test]
fn the_log_of_a_replica_that_rejoined_is_known_from_there_on() {
    let mut canon = deposed(1);
    canon.append(0, &entry(1, 1, 8));
    canon.elect(2, LeaderEpoch(2));
    canon.take_over(LeaderEpoch(2), &mut Vec::new());
    let bases: Vec<_> = canon.log(0, Offset::ZERO).flatten().map(|e| e.base).collect();
    assert_eq!(bases, [Offset(1)]);
}

/// Replicas 1 and 2 hold two batches that the leader elected uncleanly lacks. Replica 2, whose log
/// starts between them, leads next and brings them back: seen in the canary of unclean elections.
#[test]
fn a_leader_brings_back_an_old_branch_from_where_its_log_starts() {
    let brought_back = |start| {
        let mut canon = Canon::new(REPLICAS);
        for place in [1, 2] {
            canon.append(place, &entry(0, 0, 0));
            canon.append(place, &entry(1, 0, 1));
        }
        canon.elect(0, LeaderEpoch(1));
        canon.take_over(LeaderEpoch(1), &mut Vec::new());
        canon.move_start(2, Offset(start));
        canon.elect(2, LeaderEpoch(2));
        canon.take_over(LeaderEpoch(2), &mut Vec::new());
        canon
    };
    for start in [0, 1] {
        let mut canon = brought_back(start);
        assert!(!canon.replica(1).is_apart(), "start {start}");
        assert_eq!(canon.append(2, &entry(2, 2, 9)), Append::Extended);
        assert_eq!(canon.append(1, &entry(2, 2, 9)), Append::Matched);
    }
    // What differs from there on is told apart still.
    let mut canon = brought_back(1);
    canon.truncate(1, Offset(1));
    canon.append(1, &entry(1, 1, 7));
    canon.append(2, &entry(2, 2, 9));
    assert_eq!(canon.append(1, &entry(2, 2, 9)), Append::Clash);
}

/// A log that begins with a batch says nothing of what lies before that.
#[test]
fn the_first_batch_of_a_log_has_no_history() {
    let fetched = |begin: fn(&mut Canon)| {
        let mut canon = Canon::new(REPLICAS);
        canon.append(0, &entry(0, 0, 0));
        canon.append(0, &entry(1, 0, 1));
        canon.elect(1, LeaderEpoch(1));
        canon.take_over(LeaderEpoch(1), &mut Vec::new());
        canon.append(1, &entry(0, 1, 7));
        // Replica 2 has not heard of the election, and fetches from replica 0.
        begin(&mut canon);
        canon.append(2, &entry(1, 0, 1))
    };
    assert_eq!(fetched(|canon| canon.move_start(2, Offset(1))), Append::Apart);
    let other_history = |canon: &mut Canon| {
        canon.append(2, &entry(0, 1, 7));
    };
    assert_eq!(fetched(other_history), Append::Clash);
}
