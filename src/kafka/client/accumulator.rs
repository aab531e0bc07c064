//! Batches that wait to be sent or answered: one queue per partition, and the memory they take.
//!
//! Follows `RecordAccumulator.java`, `ProducerBatch.java` and `BufferPool.java`. Batches live in a
//! slab and are named by their slot, so that a queue, a request in flight and the list of sequences
//! can speak of the same batch without sharing it. Does not know connections or leaders.

use std::collections::VecDeque;

use crate::base::ids::{LeaderEpoch, PartitionId, ProcessId};
use crate::base::number_set::NumberSet;
use crate::base::time::{Span, Time};
use crate::kafka::client::idempotence::Sequences;
use crate::model::batch::{BATCH_OVERHEAD_BYTES, RecordId, Sequence, increment_sequence};

/// What a record adds to a batch beside key and value: length, attributes, deltas and counts, all
/// variable-length integers (`DefaultRecord.java`), taken as constant.
pub(super) const RECORD_OVERHEAD_BYTES: u32 = 10;

/// What a lone record's serialized size can be beside key and value. Recorded in `client-errors`.
///
/// Kafka: AbstractRecords.estimateSizeInBytesUpperBound
pub(super) const UPPER_BOUND_OVERHEAD_BYTES: u32 = 88;

/// Ends a list of linked slots.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Nowhere: the slot is free.
    Nowhere,
    /// In its partition's queue.
    Waiting,
    /// In a request in flight.
    InFlight,
    /// Given up, but a request in flight still speaks of it.
    Zombie,
}

/// A batch of the producer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProducerBatch {
    pub(super) partition: PartitionId,
    pub(super) first: RecordId,
    pub(super) count: u32,
    pub(super) bytes: u32,
    pub(super) max_timestamp: Time,
    /// The delivery time-out runs from here.
    pub(super) created: Time,
    /// Creation, or when it was last put back into the queue.
    pub(super) last_attempt: Time,
    /// How often it has been put back into the queue.
    pub(super) attempts: u32,
    /// Put back at least once (`inRetry`); a batch made by a split has not been.
    pub(super) retried: bool,
    /// Not before `last_attempt` plus this, unless the leader has changed.
    pub(super) backoff: Span,
    leader_epoch: Option<LeaderEpoch>,
    attempts_at_leader_change: u32,
    pub(super) closed: bool,
    pub(super) sequence: Option<Sequence>,
    /// Its sequence was rewritten while a request that carries the old one was in flight.
    pub(super) sequence_reset: bool,
    /// An earlier attempt may have been appended.
    pub(super) unsure: bool,
    pub(super) place: Place,
    /// The next batch of the same request.
    pub(super) next_in_request: u32,
    reserved: u32,
}

impl ProducerBatch {
    /// Looks at the leader's epoch; a change since the last attempt ends the back-off (KIP-951).
    ///
    /// Kafka: ProducerBatch.maybeUpdateLeaderEpoch
    pub(super) fn see_leader_epoch(&mut self, epoch: Option<LeaderEpoch>) {
        if epoch > self.leader_epoch {
            self.leader_epoch = epoch;
            self.attempts_at_leader_change = self.attempts;
        }
    }

    /// When it may be sent again.
    pub(super) fn backs_off_until(&self) -> Option<Time> {
        let leader_changed = self.attempts > 0 && self.attempts == self.attempts_at_leader_change;
        (self.attempts > 0 && !leader_changed).then(|| self.last_attempt + self.backoff)
    }

    /// The sequence after its last record.
    pub(super) fn next_sequence(&self) -> Option<u32> {
        self.sequence.map(|s| increment_sequence(s.first, self.count))
    }
}

/// All batches, by slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Slab {
    batches: Vec<ProducerBatch>,
    free: Vec<u32>,
}

impl Slab {
    fn insert(&mut self, batch: ProducerBatch) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.batches[slot as usize] = batch;
            slot
        } else {
            self.batches.push(batch);
            (self.batches.len() - 1) as u32
        }
    }

    fn remove(&mut self, slot: u32) {
        let batch = &mut self.batches[slot as usize];
        assert!(batch.place != Place::Nowhere, "a batch was freed twice");
        batch.place = Place::Nowhere;
        self.free.push(slot);
    }

    /// The batches without a final answer.
    pub(super) fn live(&self) -> impl Iterator<Item = (u32, &ProducerBatch)> {
        let slots = self.batches.iter().enumerate().map(|(slot, batch)| (slot as u32, batch));
        slots.filter(|(_, batch)| matches!(batch.place, Place::Waiting | Place::InFlight))
    }
}

impl std::ops::Index<u32> for Slab {
    type Output = ProducerBatch;
    fn index(&self, slot: u32) -> &ProducerBatch {
        &self.batches[slot as usize]
    }
}

impl std::ops::IndexMut<u32> for Slab {
    fn index_mut(&mut self, slot: u32) -> &mut ProducerBatch {
        &mut self.batches[slot as usize]
    }
}

/// What the application said of a record, kept until the record is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The application's number for it.
    pub workload: u32,
    /// Label of its value, if it was a scripted send.
    pub label: Option<u16>,
    answered: bool,
}

/// What belongs to one partition.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// Slots of the batches that wait, the next to send first.
    pub(super) waiting: VecDeque<u32>,
    /// Whether a batch is in flight while only one may be (`max.in.flight` = 1).
    pub(super) muted: bool,
    /// Whether anything was ever sent to it.
    pub(super) used: bool,
    /// Idempotence.
    pub(super) sequences: Sequences,
    items: VecDeque<Item>,
    first_item: u32,
}

/// The producer's batches.
#[derive(Clone, Debug)]
pub(super) struct Accumulator {
    process: ProcessId,
    /// `batch.size`; zero means one record a batch.
    batch_size: u32,
    free_memory: u64,
    /// The batches.
    pub(super) batches: Slab,
    /// The queues, by partition.
    pub(super) queues: Vec<Queue>,
    /// Partitions in which a batch waits.
    pub(super) waiting: NumberSet,
    /// How many batches have no final answer.
    pub(super) incomplete: usize,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// It joined the open batch.
    Joined,
    /// It began a batch.
    Began,
    /// There is no memory for another batch.
    NoMemory,
}

impl Accumulator {
    pub(super) fn new(
        process: ProcessId,
        batch_size: u32,
        memory: u64,
        first_ordinals: impl Iterator<Item = u32>,
    ) -> Self {
        let mut accumulator = Self {
            process,
            batch_size: batch_size.max(1),
            free_memory: memory,
            batches: Slab::default(),
            queues: Vec::new(),
            waiting: NumberSet::default(),
            incomplete: 0,
        };
        accumulator.add_queues(first_ordinals);
        accumulator
    }

    /// There are more partitions, in which the process goes on with these ordinals.
    pub(super) fn add_queues(&mut self, first_ordinals: impl Iterator<Item = u32>) {
        self.queues.extend(first_ordinals.map(|first_item| Queue {
            waiting: VecDeque::new(),
            muted: false,
            used: false,
            sequences: Sequences::default(),
            items: VecDeque::new(),
            first_item,
        }));
    }

    /// Whether the last batch of the queue takes no more (or there is none).
    pub(super) fn last_is_full(&self, partition: PartitionId) -> bool {
        let last = self.queues[partition.index()].waiting.back();
        last.is_none_or(|slot| self.is_full(*slot))
    }

    /// Whether a batch takes no more records.
    pub(super) fn is_full(&self, slot: u32) -> bool {
        let batch = &self.batches[slot];
        batch.closed || batch.bytes >= self.batch_size.max(batch.reserved)
    }

    /// Appends a record of that many bytes to the partition's open batch, or begins one.
    pub(super) fn append(
        &mut self,
        partition: PartitionId,
        bytes: u32,
        item: (u32, Option<u16>),
        now: Time,
        wall: Time,
    ) -> Appended {
        let queue = &mut self.queues[partition.index()];
        let mut joined = false;
        if let Some(batch) = queue.waiting.back().map(|slot| &mut self.batches[*slot]) {
            // Its buffer is as large as the upper bound of its first record, if that is more than
            // `batch.size`. Recorded: `delivery-timeout-in-flight`.
            joined = !batch.closed && batch.bytes + bytes <= self.batch_size.max(batch.reserved);
            if joined {
                batch.count += 1;
                batch.bytes += bytes;
                batch.max_timestamp = batch.max_timestamp.max(wall);
            } else {
                batch.closed = true;
            }
        }
        if !joined {
            let upper = bytes - RECORD_OVERHEAD_BYTES + UPPER_BOUND_OVERHEAD_BYTES;
            let reserved = self.batch_size.max(upper);
            if u64::from(reserved) > self.free_memory {
                return Appended::NoMemory;
            }
            self.free_memory -= u64::from(reserved);
            let ordinal = queue.first_item + queue.items.len() as u32;
            let first = RecordId { process: self.process, ordinal };
            let bytes = bytes + BATCH_OVERHEAD_BYTES;
            let slot = self.batches.insert(new_batch(partition, first, bytes, now, wall, reserved));
            queue.waiting.push_back(slot);
            queue.used = true;
            self.waiting.insert(partition.index());
            self.incomplete += 1;
        }
        let (workload, label) = item;
        queue.items.push_back(Item { workload, label, answered: false });
        if joined { Appended::Joined } else { Appended::Began }
    }

    /// The ordinal that the next record of the partition gets.
    pub(super) fn next_ordinal(&self, partition: PartitionId) -> u32 {
        let queue = &self.queues[partition.index()];
        queue.first_item + queue.items.len() as u32
    }

    /// What the application said of a record that has not been forgotten.
    pub(super) fn item(&self, partition: PartitionId, ordinal: u32) -> Option<Item> {
        let queue = &self.queues[partition.index()];
        queue.items.get(ordinal.checked_sub(queue.first_item)? as usize).copied()
    }

    /// The application has heard of these records: what it said of them can go.
    pub(super) fn forget(&mut self, partition: PartitionId, first: u32, count: u32) {
        let queue = &mut self.queues[partition.index()];
        let from = (first - queue.first_item) as usize;
        for item in queue.items.range_mut(from..from + count as usize) {
            item.answered = true;
        }
        while queue.items.front().is_some_and(|item| item.answered) {
            queue.items.pop_front();
            queue.first_item += 1;
        }
    }

    /// Takes the first waiting batch of a partition into a request.
    pub(super) fn drain_first(&mut self, partition: PartitionId) -> Option<u32> {
        let queue = &mut self.queues[partition.index()].waiting;
        let slot = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(partition.index());
        }
        let batch = &mut self.batches[slot];
        batch.closed = true;
        batch.place = Place::InFlight;
        batch.next_in_request = NO_SLOT;
        Some(slot)
    }

    /// Puts a batch back: at its place by sequence if it has one, else in front.
    ///
    /// Kafka: RecordAccumulator.insertInSequenceOrder
    pub(super) fn put_back(&mut self, slot: u32) {
        let batch = &mut self.batches[slot];
        batch.place = Place::Waiting;
        let (partition, sequence) = (batch.partition, batch.sequence);
        let (queue, batches) = (&mut self.queues[partition.index()].waiting, &self.batches);
        let earlier = |other: &&u32| match (batches[**other].sequence, sequence) {
            (Some(other), Some(own)) => other.first < own.first,
            _ => false,
        };
        let place = queue.iter().take_while(earlier).count();
        queue.insert(place, slot);
        self.waiting.insert(partition.index());
    }

    /// Takes a batch that waits out of its queue.
    pub(super) fn withdraw(&mut self, slot: u32) {
        let partition = self.batches[slot].partition.index();
        let queue = &mut self.queues[partition].waiting;
        queue.retain(|other| *other != slot);
        if queue.is_empty() {
            self.waiting.remove(partition);
        }
    }

    /// Gives back the memory of a batch that is given up while a request in flight speaks of it;
    /// the slot stays until [`Accumulator::free`].
    pub(super) fn bury(&mut self, slot: u32) {
        let batch = &mut self.batches[slot];
        batch.place = Place::Zombie;
        self.free_memory += u64::from(batch.reserved);
        batch.reserved = 0;
        self.incomplete -= 1;
    }

    /// Forgets a batch.
    pub(super) fn free(&mut self, slot: u32) {
        if self.batches[slot].place != Place::Zombie {
            self.bury(slot);
        }
        self.batches.remove(slot);
    }

    /// Splits a batch that was too large into batches of at most `batch.size`, which keep its age,
    /// its attempts at zero and consecutive sequences, and queues them. They take no memory of the
    /// pool.
    ///
    /// Kafka: RecordAccumulator.splitAndReenqueue
    pub(super) fn split(&mut self, slot: u32) {
        let big = self.batches[slot];
        let record = ((big.bytes - BATCH_OVERHEAD_BYTES) / big.count).max(1);
        let room = self.batch_size.saturating_sub(BATCH_OVERHEAD_BYTES);
        let each = (room / record).clamp(1, big.count);
        let queue = &mut self.queues[big.partition.index()];
        queue.sequences.untrack(slot);
        let mut done = 0;
        let mut slots = Vec::new();
        while done < big.count {
            let count = each.min(big.count - done);
            let part = ProducerBatch {
                first: big.first.plus(done),
                count,
                bytes: BATCH_OVERHEAD_BYTES + count * record,
                attempts: 0,
                attempts_at_leader_change: 0,
                retried: false,
                sequence: big
                    .sequence
                    .map(|s| Sequence { first: increment_sequence(s.first, done), ..s }),
                reserved: 0,
                ..big
            };
            slots.push(self.batches.insert(part));
            self.incomplete += 1;
            done += count;
        }
        for part in slots.into_iter().rev() {
            if big.sequence.is_some() {
                let queue = &mut self.queues[big.partition.index()];
                queue.sequences.track(part, &self.batches);
            }
            self.put_back(part);
        }
    }
}

fn new_batch(
    partition: PartitionId,
    first: RecordId,
    bytes: u32,
    now: Time,
    wall: Time,
    reserved: u32,
) -> ProducerBatch {
    ProducerBatch {
        partition,
        first,
        count: 1,
        bytes,
        max_timestamp: wall,
        created: now,
        last_attempt: now,
        attempts: 0,
        retried: false,
        backoff: Span::ZERO,
        leader_epoch: None,
        attempts_at_leader_change: 0,
        closed: false,
        sequence: None,
        sequence_reset: false,
        unsure: false,
        place: Place::Waiting,
        next_in_request: NO_SLOT,
        reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::{Accumulator, Appended, Place};
    use crate::base::ids::{PartitionId, ProcessId};
    use crate::base::time::Time;

    const P: PartitionId = PartitionId(0);

    fn accumulator(batch_size: u32, memory: u64) -> Accumulator {
        Accumulator::new(ProcessId(0), batch_size, memory, std::iter::once(7))
    }

    fn append(accumulator: &mut Accumulator, workload: u32) -> Appended {
        accumulator.append(P, 110, (workload, None), Time::ZERO, Time::ZERO)
    }

    #[test]
    fn records_fill_a_batch_and_then_the_next() {
        let mut a = accumulator(400, 1_000);
        let outcomes: Vec<Appended> = (0..7).map(|n| append(&mut a, n)).collect();
        use Appended::{Began, Joined, NoMemory};
        assert_eq!(outcomes, [Began, Joined, Joined, Began, Joined, Joined, NoMemory]);
        let second = a.queues[0].waiting[1];
        assert_eq!((a.batches[second].first.ordinal, a.batches[second].count), (10, 3));
        assert_eq!(a.batches[second].bytes, 61 + 330);
        assert!(a.last_is_full(P), "a record found no room, so the batch is closed");
    }

    #[test]
    fn items_are_kept_until_answered_in_any_order() {
        let mut a = accumulator(400, 10_000);
        for n in 0..6 {
            append(&mut a, n);
        }
        a.forget(P, 10, 3);
        assert_eq!(a.item(P, 7).map(|i| i.workload), Some(0));
        a.forget(P, 7, 3);
        assert_eq!((a.item(P, 7), a.next_ordinal(P)), (None, 13));
    }

    #[test]
    fn a_split_keeps_records_consecutive() {
        let mut a = accumulator(1_000, 10_000);
        for n in 0..8 {
            append(&mut a, n);
        }
        a.batch_size = 400;
        let big = a.drain_first(P).expect("a batch waits");
        a.split(big);
        a.free(big);
        let parts: Vec<(u32, u32)> = a.queues[0]
            .waiting
            .iter()
            .map(|slot| (a.batches[*slot].first.ordinal, a.batches[*slot].count))
            .collect();
        assert_eq!(parts, [(7, 3), (10, 3), (13, 2)]);
        assert!(a.queues[0].waiting.iter().all(|s| a.batches[*s].place == Place::Waiting));
    }
}
