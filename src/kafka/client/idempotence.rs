//! The idempotent producer's identity and its sequence numbers per partition.
//!
//! Follows `TransactionManager.java` and `TxnPartitionEntry.java` as far as they concern a producer
//! without a transactional id. Does not know requests; it is told what became of batches and says
//! what may be drained, whether a failure is worth another try, and when the epoch must be raised.

use crate::base::ids::{ProducerEpoch, ProducerId};
use crate::kafka::client::accumulator::{ProducerBatch, Queue, Slab};
use crate::model::batch::{Sequence, increment_sequence};
use crate::model::error::ErrorCode;

/// A producer id and its epoch.
pub(super) type Producer = (ProducerId, ProducerEpoch);

/// The last epoch of a producer id (`Short.MAX_VALUE`): then a fresh id is requested.
const LAST_EPOCH: u16 = 32_767;

/// Who the producer is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Identity {
    /// Producer id and epoch; none before the first answer, or after the last epoch.
    pub(super) producer: Option<Producer>,
    /// InitProducerId is on its way.
    pub(super) asking: bool,
    bump_wanted: bool,
    /// How many partitions have an unresolved sequence.
    unresolved: u32,
}

/// What a bump of the epoch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bump {
    /// None was wanted.
    None,
    /// The epoch was raised.
    Raised(Producer),
    /// The epochs of this id are used up: InitProducerId must give another.
    Exhausted,
}

/// The sequence numbers of one partition (`TxnPartitionEntry`).
#[derive(Clone, Debug, Default)]
pub(super) struct Sequences {
    /// Under which id and epoch they run.
    producer: Option<Producer>,
    next: u32,
    last_acked: Option<u32>,
    /// Slots of the batches that have a sequence and no final answer, by sequence.
    tracked: Vec<u32>,
    /// A batch that had been sent expired: the sequence after it, until its fate is known.
    unresolved: Option<u32>,
    /// The next bump of the epoch starts this partition's sequences at zero again.
    rewrite: bool,
}

impl Sequences {
    /// Remembers a batch that has a sequence.
    pub(super) fn track(&mut self, slot: u32, batches: &Slab) {
        let key = |slot: u32| batches[slot].sequence.map(|s| (s.producer, s.epoch, s.first));
        let place = self.tracked.partition_point(|other| key(*other) < key(slot));
        self.tracked.insert(place, slot);
    }

    /// The batch has its final answer.
    pub(super) fn untrack(&mut self, slot: u32) {
        self.tracked.retain(|s| *s != slot);
    }

    /// Whether this batch, first in its partition's queue, must wait.
    ///
    /// Kafka: RecordAccumulator.shouldStopDrainBatchesForPartition
    pub(super) fn holds_back(&self, slot: u32, producer: Producer, batches: &Slab) -> bool {
        let Some(own) = batches[slot].sequence else {
            let stale = !self.tracked.is_empty() && self.producer != Some(producer);
            return stale || self.unresolved.is_some();
        };
        // A batch that is tried again waits until it is the first without an answer, which makes
        // one request in flight out of five.
        let first = self.tracked.first().and_then(|slot| batches[*slot].sequence);
        first.is_some_and(|first| first.first != own.first)
    }

    /// Gives a batch that is drained for the first time its sequence.
    fn assign(&mut self, slot: u32, producer: Producer, batches: &mut Slab) {
        if self.producer != Some(producer) && self.tracked.is_empty() {
            self.producer = Some(producer);
            self.next = 0;
            self.last_acked = None;
        }
        let (id, epoch) = producer;
        let batch = &mut batches[slot];
        batch.sequence = Some(Sequence { producer: id, epoch, first: self.next });
        self.next = increment_sequence(self.next, batch.count);
        self.track(slot, batches);
    }

    /// Whether a sequence follows the last acknowledged one. Kafka does not wrap here: behind the
    /// last of 2³¹ sequences nothing is next.
    ///
    /// Kafka: TransactionManager.isNextSequence
    fn is_next(&self, sequence: u32) -> bool {
        self.last_acked.map_or(0, |acked| acked + 1) == sequence
    }

    /// Kafka: TxnPartitionEntry.startSequencesAtBeginning
    fn start_at_zero(&mut self, producer: Producer, batches: &mut Slab) {
        let (id, epoch) = producer;
        self.next = 0;
        for slot in &self.tracked {
            let batch = &mut batches[*slot];
            batch.sequence = Some(Sequence { producer: id, epoch, first: self.next });
            batch.sequence_reset = true;
            self.next += batch.count;
        }
        self.producer = Some(producer);
        self.last_acked = None;
        self.rewrite = false;
    }
}

impl Identity {
    /// Gives the batch its sequence when it is drained, unless it has one.
    pub(super) fn stamp(self, slot: u32, queue: &mut Queue, batches: &mut Slab) {
        if let Some(producer) = self.producer
            && batches[slot].sequence.is_none()
        {
            queue.sequences.assign(slot, producer, batches);
        }
    }

    /// A batch was acknowledged, perhaps after it had been given up.
    pub(super) fn acknowledged(slot: u32, queue: &mut Queue, batches: &Slab) {
        let batch = &batches[slot];
        let last = batch.sequence.map(|s| increment_sequence(s.first, batch.count - 1));
        queue.sequences.last_acked = queue.sequences.last_acked.max(last);
        queue.sequences.untrack(slot);
    }

    /// A batch failed for good. `definite`: it had attempts left, so the broker has not got it.
    pub(super) fn failed(
        &mut self,
        slot: u32,
        error: ErrorCode,
        definite: bool,
        queue: &mut Queue,
    ) {
        queue.sequences.untrack(slot);
        if definite || error == ErrorCode::OutOfOrderSequenceNumber {
            self.want_bump(queue);
        }
    }

    /// Whether an error is worth another try.
    ///
    /// Kafka: TransactionManager.canRetry
    pub(super) fn can_retry(
        &mut self,
        error: ErrorCode,
        batch: &ProducerBatch,
        queue: &mut Queue,
    ) -> bool {
        let first = batch.sequence.map_or(0, |s| s.first);
        let sequences = &queue.sequences;
        match error {
            // The broker knows nothing of this producer. What carries an old sequence is sent again
            // as it is rewritten; otherwise the epoch is raised, so that no pair of epoch and
            // sequence is used twice.
            ErrorCode::UnknownProducerId => {
                if !batch.sequence_reset {
                    self.want_bump(queue);
                }
                true
            }
            // A gap. Behind another batch without an answer it closes by itself; the batch right
            // after the last acknowledged one, or right after an unresolved one, cannot be helped
            // but by a new epoch.
            ErrorCode::OutOfOrderSequenceNumber => {
                let hopeless = match sequences.unresolved {
                    None => !batch.sequence_reset && sequences.is_next(first),
                    Some(next) => next == first,
                };
                if hopeless {
                    self.want_bump(queue);
                }
                true
            }
            _ => error.is_retriable(),
        }
    }

    /// A batch that had been sent before expired: nobody knows whether its sequence is used.
    pub(super) fn leave_unresolved(&mut self, batch: &ProducerBatch, queue: &mut Queue) {
        let Some(next) = batch.next_sequence() else { return };
        let sequences = &mut queue.sequences;
        self.unresolved += u32::from(sequences.unresolved.is_none());
        sequences.unresolved = sequences.unresolved.max(Some(next));
    }

    /// Settles unresolved sequences of partitions in which nothing is in flight any more
    /// (`maybeResolveSequences`).
    pub(super) fn resolve(&mut self, queues: &mut [Queue]) {
        if self.unresolved == 0 {
            return;
        }
        for queue in queues {
            if queue.sequences.unresolved.is_none() || !queue.sequences.tracked.is_empty() {
                continue;
            }
            queue.sequences.unresolved = None;
            self.unresolved -= 1;
            if !queue.sequences.is_next(queue.sequences.next) {
                self.want_bump(queue);
            }
        }
    }

    /// Raises the epoch locally if that is wanted. The partitions that asked for it start at
    /// sequence zero, with the batches they have in flight; the others follow once drained.
    pub(super) fn bump(&mut self, queues: &mut [Queue], batches: &mut Slab) -> Bump {
        if !self.bump_wanted {
            return Bump::None;
        }
        let Some((id, epoch)) = self.producer else { return Bump::None };
        self.bump_wanted = false;
        if epoch.0 >= LAST_EPOCH {
            self.producer = None;
            return Bump::Exhausted;
        }
        let producer = (id, epoch.next());
        self.adopt(producer, queues, batches);
        Bump::Raised(producer)
    }

    /// Goes on under this id and epoch.
    pub(super) fn adopt(&mut self, producer: Producer, queues: &mut [Queue], batches: &mut Slab) {
        self.producer = Some(producer);
        for queue in queues.iter_mut().filter(|q| q.sequences.rewrite) {
            queue.sequences.start_at_zero(producer, batches);
            if queue.sequences.unresolved.take().is_some() {
                self.unresolved -= 1;
            }
        }
    }

    const fn want_bump(&mut self, queue: &mut Queue) {
        self.bump_wanted = true;
        queue.sequences.rewrite = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{Bump, Identity, LAST_EPOCH};
    use crate::base::ids::{PartitionId, ProcessId, ProducerEpoch, ProducerId};
    use crate::base::time::Time;
    use crate::kafka::client::accumulator::Accumulator;
    use crate::model::error::ErrorCode;

    const P: PartitionId = PartitionId(0);
    const PRODUCER: (ProducerId, ProducerEpoch) = (ProducerId(9), ProducerEpoch(0));

    /// An accumulator with so many drained batches of one record each.
    fn drained(count: u32, identity: Identity) -> (Accumulator, Vec<u32>) {
        let mut a = Accumulator::new(ProcessId(0), 1, 1 << 20, std::iter::once(0));
        let slots = (0..count)
            .map(|n| {
                a.append(P, 110, (n, None), Time::ZERO, Time::ZERO);
                let slot = a.drain_first(P).expect("just appended");
                identity.stamp(slot, &mut a.queues[0], &mut a.batches);
                slot
            })
            .collect();
        (a, slots)
    }

    fn first_sequences(a: &Accumulator, slots: &[u32]) -> Vec<u32> {
        slots.iter().map(|s| a.batches[*s].sequence.expect("stamped").first).collect()
    }

    #[test]
    fn a_gap_in_front_raises_the_epoch_and_one_behind_waits() {
        let mut identity = Identity { producer: Some(PRODUCER), ..Identity::default() };
        let (mut a, slots) = drained(3, identity);
        let error = ErrorCode::OutOfOrderSequenceNumber;
        let behind = a.batches[slots[1]];
        assert!(identity.can_retry(error, &behind, &mut a.queues[0]));
        assert_eq!(identity.bump(&mut a.queues, &mut a.batches), Bump::None);
        let front = a.batches[slots[0]];
        assert!(identity.can_retry(error, &front, &mut a.queues[0]));
        let raised = (ProducerId(9), ProducerEpoch(1));
        assert_eq!(identity.bump(&mut a.queues, &mut a.batches), Bump::Raised(raised));
        assert_eq!(first_sequences(&a, &slots), [0, 1, 2]);
        assert_eq!(a.batches[slots[2]].sequence.map(|s| s.epoch), Some(ProducerEpoch(1)));
    }

    #[test]
    fn an_expired_batch_is_resolved_by_a_later_success() {
        for later_succeeds in [true, false] {
            let mut identity = Identity { producer: Some(PRODUCER), ..Identity::default() };
            let (mut a, slots) = drained(2, identity);
            let expired = a.batches[slots[0]];
            identity.failed(slots[0], ErrorCode::Expired, false, &mut a.queues[0]);
            identity.leave_unresolved(&expired, &mut a.queues[0]);
            if later_succeeds {
                Identity::acknowledged(slots[1], &mut a.queues[0], &a.batches);
            } else {
                identity.failed(slots[1], ErrorCode::Expired, false, &mut a.queues[0]);
            }
            identity.resolve(&mut a.queues);
            let bumped = identity.bump(&mut a.queues, &mut a.batches) != Bump::None;
            assert_eq!(bumped, !later_succeeds);
        }
    }

    #[test]
    fn after_the_last_epoch_another_id_is_needed() {
        let last = (ProducerId(9), ProducerEpoch(LAST_EPOCH));
        let mut identity = Identity { producer: Some(last), ..Identity::default() };
        let (mut a, slots) = drained(2, identity);
        let acked = slots[0];
        Identity::acknowledged(acked, &mut a.queues[0], &a.batches);
        identity.failed(slots[1], ErrorCode::InvalidRecord, true, &mut a.queues[0]);
        assert_eq!(identity.bump(&mut a.queues, &mut a.batches), Bump::Exhausted);
        assert_eq!(identity.producer, None);
        identity.adopt((ProducerId(10), ProducerEpoch(0)), &mut a.queues, &mut a.batches);
        assert_eq!(a.queues[0].sequences.next, 0);
    }
}
