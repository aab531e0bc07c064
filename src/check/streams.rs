//! Ghosts of clients: what each producer has open and in the log, and where each consumer stands.
//!
//! A *stream* is one producer process writing to one partition. Records of a stream are numbered,
//! so what is in the log is one number and a short list of holes, whatever the length of the run.
//! Does not judge; [`super::client::duplicate`], [`super::client::order_broken`] and others ask it.

mod sequences;

use std::collections::VecDeque;

use crate::base::ids::{Offset, PartitionId, ProcessId};
use crate::base::time::{Span, Time};
use crate::model::batch::Sequence;
use crate::model::config::{Acks, OffsetReset};
use crate::model::plan::{AppPlan, Plan, ProcessPlan};

pub(crate) use self::sequences::{Known, Run, Sequences};
use super::reader::{Assignment, Reader};

/// So many holes are remembered per stream. Older ones belong to records given up long ago.
const HOLES_KEPT: usize = 1024;

/// What an appended batch is to its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// So many of its records are in the log already.
    pub(crate) again: u32,
    /// So many of its records come behind later records of the stream.
    pub(crate) late: u32,
    /// The producer epoch is the one in which the stream appended last, or there is none.
    pub(crate) same_epoch: bool,
    /// One past the highest ordinal in the log before it.
    pub(crate) next: u32,
}

/// A record handed to a producer and not resolved.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    ordinal: u32,
    workload: u32,
    since: Time,
}

/// One producer process on one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    next: u32,
    floor: u32,
    holes: VecDeque<(u32, u32)>,
    /// What its producers have numbered.
    pub(crate) sequences: Sequences,
    waiting: VecDeque<Unanswered>,
    /// Records reported as refused for good: from the first to the second, oldest first.
    rejected: Vec<(u32, u32)>,
    /// Records reported as sent without an offset (acks=0).
    pub(crate) sent: u64,
    /// Of those appended, records counted as lost already.
    pub(crate) lost: u64,
}

/// What became of the records that a result was for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) records: u32,
    /// Of them, those handed over up to the heal.
    pub(crate) old: u32,
}

impl Stream {
    /// A batch was appended to the canonical log, where its last record ends at `log_end`.
    pub(crate) fn arrive(
        &mut self,
        first: u32,
        count: u32,
        sequence: Option<Sequence>,
        log_end: Offset,
    ) -> Arrival {
        let end = first.saturating_add(count);
        let same_epoch = match (self.sequences.newest(), sequence) {
            (Some(newest), Some(s)) => newest.is_ahead_of(s),
            (None, None) => true,
            _ => false,
        };
        let before = self.next;
        let known = end.min(before).saturating_sub(first.max(self.floor));
        let late = if first < before { self.fill(first, end.min(before)) } else { 0 };
        if first > before {
            self.holes.push_back((before, first));
            if self.holes.len() > HOLES_KEPT
                && let Some((_, end)) = self.holes.pop_front()
            {
                self.floor = end;
            }
        }
        self.next = before.max(end);
        if let Some(s) = sequence
            && (late == 0 && known == 0 || !same_epoch)
        {
            self.sequences.extend(s, count, (first, log_end));
        }
        Arrival { again: known - late.min(known), late, same_epoch, next: before }
    }

    /// Takes `[from, to)` out of the holes; returns how many records of it were missing.
    fn fill(&mut self, from: u32, to: u32) -> u32 {
        let mut filled = 0;
        let mut place = self.holes.partition_point(|(_, end)| *end <= from);
        while let Some(&(start, end)) = self.holes.get(place) {
            if start >= to {
                break;
            }
            let (low, high) = (start.max(from), end.min(to));
            filled += high - low;
            self.holes.remove(place);
            for piece in [(start, low), (high, end)] {
                if piece.0 < piece.1 {
                    self.holes.insert(place, piece);
                    place += 1;
                }
            }
        }
        filled
    }

    /// A batch fell out of the canonical log. Called from the last to the first.
    pub(crate) fn leave(&mut self, first: u32, count: u32, sequence: Option<Sequence>) {
        let end = first.saturating_add(count).min(self.next);
        self.fill(first, end);
        if end == self.next {
            self.next = first.min(self.next);
            while let Some(&(start, hole_end)) = self.holes.back() {
                if hole_end < self.next {
                    break;
                }
                self.next = self.next.min(start);
                self.holes.pop_back();
            }
        } else if first < end {
            let place = self.holes.partition_point(|(start, _)| *start < first);
            self.holes.insert(place, (first, end));
        }
        if let Some(s) = sequence {
            self.sequences.leave(s);
        }
    }

    /// How many records of the stream are in the canonical log, or were when retention took them.
    pub(crate) fn present(&self) -> u64 {
        let missing: u64 = self.holes.iter().map(|(a, b)| u64::from(b - a)).sum();
        u64::from(self.next).saturating_sub(missing)
    }

    /// Whether a record is in the canonical log, or was when retention took it.
    pub(crate) fn holds(&self, ordinal: u32) -> bool {
        let place = self.holes.partition_point(|(_, end)| *end <= ordinal);
        ordinal < self.next && self.holes.get(place).is_none_or(|(start, _)| *start > ordinal)
    }

    /// The next records in `[from, to)` that are in the canonical log, or were when retention took
    /// them: the first, and one past the last.
    pub(crate) fn first_held(&self, from: u32, to: u32) -> Option<(u32, u32)> {
        let (mut from, to) = (from.max(self.floor), to.min(self.next));
        let after = self.holes.partition_point(|(_, end)| *end <= from);
        for (start, end) in self.holes.range(after..) {
            if *start > from {
                return (from < to).then_some((from, to.min(*start)));
            }
            from = *end;
        }
        (from < to).then_some((from, to))
    }

    /// Consecutive records were reported as refused for good.
    #[cold]
    pub(crate) fn reject(&mut self, first: u32, count: u32) {
        let end = first.saturating_add(count);
        match self.rejected.last_mut() {
            Some((_, last)) if *last == first => *last = end,
            _ => self.rejected.push((first, end)),
        }
    }

    pub(crate) fn rejected(&self) -> &[(u32, u32)] {
        &self.rejected
    }

    pub(crate) fn submit(&mut self, ordinal: u32, workload: u32, since: Time) {
        self.waiting.push_back(Unanswered { ordinal, workload, since });
    }

    /// A result came for consecutive records. `each` hears the workload number of every one, and
    /// when it was handed over.
    pub(crate) fn resolve(
        &mut self,
        first: u32,
        count: u32,
        healed: Time,
        mut each: impl FnMut(u32, u32, Time),
    ) -> Resolved {
        let mut resolved = Resolved::default();
        let end = first.saturating_add(count);
        let mut hear = |w: &Unanswered| {
            resolved.records += 1;
            resolved.old += u32::from(w.since <= healed);
            each(w.ordinal, w.workload, w.since);
        };
        if self.waiting.front().is_none_or(|w| w.ordinal >= first) {
            while let Some(w) = self.waiting.front().filter(|w| w.ordinal < end) {
                hear(w);
                self.waiting.pop_front();
            }
        } else {
            let from = self.waiting.partition_point(|w| w.ordinal < first);
            let to = self.waiting.partition_point(|w| w.ordinal < end);
            self.waiting.drain(from..to).for_each(|w| hear(&w));
        }
        resolved
    }

    /// Remembers when some record was made, if that was not done lately: see
    /// [`Sequences::made_after`].
    #[inline(always)]
    pub(crate) fn date(&mut self, now: Time, step: Span) {
        if self.sequences.wants_date(now)
            && let Some(oldest) = self.waiting.front()
        {
            self.sequences.date((oldest.ordinal, oldest.since), now + step);
        }
    }

    /// When a record that is still open was made.
    pub(crate) fn created(&self, ordinal: u32) -> Option<Time> {
        let place = self.waiting.partition_point(|w| w.ordinal < ordinal);
        self.waiting.get(place).filter(|w| w.ordinal == ordinal).map(|w| w.since)
    }

    /// Forgets what was open: its process is gone.
    pub(crate) fn abandon(&mut self, healed: Time) -> Resolved {
        let old = self.waiting.iter().filter(|w| w.since <= healed).count();
        let resolved = Resolved { records: self.waiting.len() as u32, old: old as u32 };
        self.waiting.clear();
        resolved
    }

    /// The oldest open record: its ordinal, and since when it is open.
    pub(crate) fn oldest(&self) -> Option<(u32, Time)> {
        self.waiting.front().map(|w| (w.ordinal, w.since))
    }

    pub(crate) fn open(&self) -> usize {
        self.waiting.len()
    }
}

/// What the plan says of the producer of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProducerKind {
    /// Its place among the producers of the plan, from 0.
    pub(crate) number: usize,
    pub(crate) acks: Acks,
    pub(crate) delivery_timeout: Span,
    /// It partitions by key with Kafka's default partitioner.
    pub(crate) hashes_keys: bool,
    /// Its application sends failed records again. Of one that is not ours nobody knows.
    pub(crate) resends: bool,
}

/// What the plan says of the consumer of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConsumerKind {
    /// Its place among the consumers of the plan, from 0.
    pub(crate) number: usize,
    /// It starts by itself and reads to the end of the run.
    pub(crate) steady: bool,
}

/// What the plan says of the clients of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessKind {
    pub(crate) producer: Option<ProducerKind>,
    pub(crate) consumer: Option<ConsumerKind>,
}

/// A record that was given up and sent again by the application as another record.
#[derive(Clone, Copy, Debug)]
struct Resent {
    old: (usize, u32),
    new: (usize, u32),
}

/// All clients.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    pub(crate) kinds: Vec<ProcessKind>,
    /// By partition, then producer: so those of a later partition come last.
    pub(crate) streams: Vec<Stream>,
    /// By partition, then consumer.
    pub(crate) readers: Vec<Reader>,
    producers: usize,
    /// What the plan says of each consumer.
    assignments: Vec<Assignment>,
    /// When the records of the last acknowledgement had been handed over.
    pub(crate) resolved_since: Vec<Time>,
    partitions: usize,
    /// Records whose fate is unknown and that their application will send again.
    given_up: Vec<(ProcessId, u32, (usize, u32))>,
    resent: Vec<Resent>,
    resent_settled: u64,
}

/// So many pairs of a record and its resend are kept open; older ones are counted as they stand.
const PAIRS_KEPT: usize = 65_536;

impl Clients {
    /// The clients of a plan, on no partition yet.
    pub(crate) fn new(plan: &Plan) -> Self {
        let (mut producers, mut assignments) = (0, Vec::new());
        let next = |numbers: &mut usize| std::mem::replace(numbers, *numbers + 1);
        let kind = |process: &ProcessPlan| {
            let resends = matches!(&process.app, AppPlan::Producer(p) if p.resend);
            let producer = process.app.producer().map(|config| ProducerKind {
                number: next(&mut producers),
                acks: config.acks,
                delivery_timeout: config.delivery_timeout,
                hashes_keys: !config.ignore_keys && !config.round_robin,
                resends,
            });
            let consumer = process.app.clients().consumer.map(|(config, partitions)| {
                let number = assignments.len();
                assignments.push(Assignment { partitions, reset: config.offset_reset });
                ConsumerKind { number, steady: process.starts }
            });
            ProcessKind { producer, consumer }
        };
        let kinds = plan.processes.iter().map(kind).collect();
        Self {
            kinds,
            streams: Vec::new(),
            readers: Vec::new(),
            producers,
            assignments,
            resolved_since: Vec::new(),
            partitions: 0,
            given_up: Vec::new(),
            resent: Vec::new(),
            resent_settled: 0,
        }
    }

    /// There is one more partition.
    pub(crate) fn grow(&mut self, partitions: usize) {
        self.partitions = partitions;
        self.streams.resize_with(self.partitions * self.producers, Stream::default);
        for partition in self.readers.len() / self.assignments.len().max(1)..self.partitions {
            let partition = PartitionId(partition as u16);
            let assigned = self.assignments.iter().map(|a| a.partitions.contains(&partition));
            self.readers.extend(assigned.map(Reader::new));
        }
    }

    /// Place of the stream of the producer of this number.
    ///
    /// Speed: one flat table, no box for each pair.
    #[inline(always)]
    pub(crate) fn stream_of(&self, number: usize, partition: usize) -> usize {
        partition * self.producers + number
    }

    /// Place of the reader of the consumer of this number.
    pub(crate) fn reader_of(&self, number: usize, partition: usize) -> usize {
        partition * self.assignments.len() + number
    }

    /// The readers of a partition.
    pub(crate) fn readers_of(&mut self, partition: PartitionId) -> &mut [Reader] {
        let (from, all) = (self.reader_of(0, partition.index()), self.assignments.len());
        self.readers.get_mut(from..from + all).unwrap_or_default()
    }

    /// The numbers of the consumers that start by themselves and read to the end of the run.
    pub(crate) fn steady_consumers(&self) -> Vec<usize> {
        let steady = |kind: &ProcessKind| kind.consumer.filter(|consumer| consumer.steady);
        self.kinds.iter().filter_map(steady).map(|consumer| consumer.number).collect()
    }

    /// The reset policy of the consumer of a process.
    pub(crate) fn reset_policy(&self, process: ProcessId) -> Option<OffsetReset> {
        let ConsumerKind { number, .. } = self.kinds.get(process.index())?.consumer?;
        Some(self.assignments[number].reset)
    }

    /// Place of the stream of a producer on a partition.
    pub(crate) fn stream(&self, process: ProcessId, partition: PartitionId) -> Option<usize> {
        self.stream_and_acks(process, partition).map(|(stream, _)| stream)
    }

    /// The same, and what the producer waits for. With acks=0 its records are reported as sent
    /// before anybody has them.
    #[inline]
    pub(crate) fn stream_and_acks(
        &self,
        process: ProcessId,
        partition: PartitionId,
    ) -> Option<(usize, Acks)> {
        let ProducerKind { number, acks, .. } = self.kinds.get(process.index())?.producer?;
        let known = partition.index() < self.partitions;
        known.then(|| (self.stream_of(number, partition.index()), acks))
    }

    /// Place of the reader of a consumer on a partition.
    pub(crate) fn reader(&self, process: ProcessId, partition: PartitionId) -> Option<usize> {
        let ConsumerKind { number, .. } = self.kinds.get(process.index())?.consumer?;
        let known = partition.index() < self.partitions;
        known.then(|| self.reader_of(number, partition.index()))
    }

    pub(crate) const fn partitions(&self) -> usize {
        self.partitions
    }

    /// Whether a process submits failed records again.
    pub(crate) fn resends(&self, process: ProcessId) -> bool {
        let kind = self.kinds.get(process.index());
        kind.and_then(|kind| kind.producer).is_some_and(|producer| producer.resends)
    }

    /// Whether any producer has open records for a partition.
    pub(crate) fn has_open(&self, partition: usize) -> bool {
        let from = self.stream_of(0, partition);
        self.streams[from..from + self.producers].iter().any(|stream| stream.open() > 0)
    }

    /// A record was submitted; if it is an item given up before, the two are a pair from now on.
    pub(crate) fn pair(&mut self, process: ProcessId, workload: u32, new: (usize, u32)) {
        if let Some(place) =
            self.given_up.iter().position(|(p, w, _)| (*p, *w) == (process, workload))
        {
            let (_, _, old) = self.given_up.swap_remove(place);
            if self.resent.len() >= PAIRS_KEPT {
                self.resent_settled += self.pairs_in_log();
                self.resent.clear();
            }
            self.resent.push(Resent { old, new });
        }
    }

    /// A record's fate is unknown to its application, which will send the item again.
    pub(crate) fn give_up(&mut self, process: ProcessId, workload: u32, old: (usize, u32)) {
        self.given_up.push((process, workload, old));
    }

    /// A process is gone: what it meant to send again, it forgot.
    pub(crate) fn forget(&mut self, process: ProcessId) {
        self.given_up.retain(|(p, _, _)| *p != process);
    }

    /// How many items are in the log twice because their application sent them again.
    pub(crate) fn duplicated_by_resend(&self) -> u64 {
        self.resent_settled + self.pairs_in_log()
    }

    fn pairs_in_log(&self) -> u64 {
        let holds = |(stream, ordinal): (usize, u32)| self.streams[stream].holds(ordinal);
        self.resent.iter().filter(|r| holds(r.old) && holds(r.new)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Stream};
    use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
    use crate::base::time::Time;
    use crate::model::batch::Sequence;

    const END: Offset = Offset(0);

    fn sequence(epoch: u16, first: u32) -> Option<Sequence> {
        Some(Sequence { producer: ProducerId(1), epoch: ProducerEpoch(epoch), first })
    }

    #[test]
    fn a_lane_tells_new_late_and_repeated_records() {
        let mut stream = Stream::default();
        let new = |next| Arrival { again: 0, late: 0, same_epoch: false, next };
        assert_eq!(stream.arrive(0, 5, sequence(0, 0), END), new(0));
        assert_eq!(stream.arrive(10, 5, sequence(0, 10), END), new(5));
        let late = stream.arrive(5, 3, sequence(0, 5), END);
        assert_eq!((late.late, late.again, late.same_epoch), (3, 0, true));
        let again = stream.arrive(10, 5, sequence(0, 10), END);
        assert_eq!((again.late, again.again, again.same_epoch), (0, 5, true));
        let bumped = stream.arrive(10, 5, sequence(1, 0), END);
        assert_eq!((bumped.again, bumped.same_epoch), (5, false));
        assert_eq!(stream.present(), 13);
        assert!(stream.holds(7) && !stream.holds(8) && !stream.holds(9) && stream.holds(10));
    }

    #[test]
    fn what_leaves_the_log_may_come_again() {
        let mut stream = Stream::default();
        for batch in 0..4 {
            stream.arrive(batch * 5, 5, sequence(0, batch * 5), END);
        }
        stream.leave(15, 5, sequence(0, 15));
        stream.leave(10, 5, sequence(0, 10));
        assert_eq!(stream.present(), 10);
        let retried = stream.arrive(10, 5, sequence(0, 10), END);
        assert_eq!((retried.again, retried.late), (0, 0));
        stream.leave(0, 5, sequence(0, 0));
        assert_eq!((stream.present(), stream.holds(0), stream.holds(5)), (10, false, true));
    }

    #[test]
    fn what_is_held_is_found_between_holes() {
        let mut stream = Stream::default();
        for (first, count) in [(2, 3), (7, 2), (12, 1)] {
            stream.arrive(first, count, None, END);
        }
        let held = [(0, 2), (0, 3), (4, 9), (5, 8), (8, 12), (9, 12), (9, 13), (13, 20)];
        let found = held.map(|(from, to)| stream.first_held(from, to));
        let none = None;
        let expected = [none, Some((2, 3)), Some((4, 5)), Some((7, 8)), Some((8, 9)), none];
        assert_eq!(found[..6], expected);
        assert_eq!(found[6..], [Some((12, 13)), none]);
    }

    #[test]
    fn results_find_their_records() {
        let mut stream = Stream::default();
        for ordinal in 0..6 {
            stream.submit(ordinal, 100 + ordinal, Time(u64::from(ordinal)));
        }
        let mut heard = Vec::new();
        let resolved = stream.resolve(2, 2, Time(3), |_, workload, _| heard.push(workload));
        assert_eq!((resolved.records, resolved.old, &heard[..]), (2, 2, &[102, 103][..]));
        assert_eq!(stream.resolve(0, 2, Time(0), |_, _, _| ()).records, 2);
        assert_eq!(stream.resolve(0, 2, Time(0), |_, _, _| ()).records, 0);
        assert_eq!((stream.oldest(), stream.open()), (Some((4, Time(4))), 2));
        assert_eq!(stream.abandon(Time(4)).old, 1);
    }
}
