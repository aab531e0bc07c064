//! What a replica remembers of idempotent producers: the newest epoch and the last five batches.
//!
//! Follows `ProducerStateManager.java` and `ProducerStateEntry.java`. A snapshot on disk holds the
//! *last* batch of each producer only; it is not stored as such but derived from the log, which
//! says the same as long as retention has not removed the batch. Does not decide anything: that is
//! [`crate::kafka::rulings::accept_sequence`].

use crate::base::chunked::Chunked;
use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
use crate::base::time::{Span, Time};
use crate::kafka::rulings::{KnownBatch, KnownProducer};
use crate::model::batch::Batch;

/// `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`.
const REMEMBERED: usize = 5;

/// One producer.
#[derive(Clone, Copy, Debug)]
struct ProducerEntry {
    producer: ProducerId,
    epoch: ProducerEpoch,
    last_timestamp: Time,
    batches: [KnownBatch; REMEMBERED],
    count: usize,
}

impl ProducerEntry {
    fn push(&mut self, batch: KnownBatch) {
        if self.count == REMEMBERED {
            // Written out: `rotate_left` is an algorithm for any distance.
            for place in 1..REMEMBERED {
                self.batches[place - 1] = self.batches[place];
            }
            self.count -= 1;
        }
        self.batches[self.count] = batch;
        self.count += 1;
    }
}

/// The producers of one partition.
#[derive(Clone, Debug, Default)]
pub struct ProducerState {
    /// Sorted by producer id.
    entries: Vec<ProducerEntry>,
    /// Where the last look-up ended: consecutive batches are often of one producer.
    hint: usize,
}

impl ProducerState {
    /// What is known of a producer.
    pub fn known(&mut self, producer: ProducerId) -> Option<KnownProducer<'_>> {
        let place = self.find(producer).ok()?;
        let entry = &self.entries[place];
        Some(KnownProducer { epoch: entry.epoch, batches: &entry.batches[..entry.count] })
    }

    /// Takes over a batch that has been appended, by a leader or by replication. A higher epoch
    /// forgets the batches of the older one.
    pub fn update(&mut self, batch: &Batch) {
        let (Some(sequence), Some(last)) = (batch.sequence, batch.last_sequence()) else {
            return;
        };
        let known = KnownBatch { first: sequence.first, last, base: batch.base, end: batch.end() };
        let place = self.find(sequence.producer).unwrap_or_else(|place| {
            let entry = ProducerEntry {
                producer: sequence.producer,
                epoch: sequence.epoch,
                last_timestamp: batch.max_timestamp,
                batches: [KnownBatch::default(); REMEMBERED],
                count: 0,
            };
            self.entries.insert(place, entry);
            place
        });
        self.hint = place;
        let entry = &mut self.entries[place];
        if sequence.epoch != entry.epoch {
            entry.epoch = sequence.epoch;
            entry.count = 0;
        }
        entry.last_timestamp = batch.max_timestamp;
        entry.push(known);
    }

    /// Forgets producers that have been idle for `producer.id.expiration.ms`, by the wall clock.
    pub fn expire(&mut self, now: Time, expiration: Span) {
        self.entries.retain(|entry| now.since(entry.last_timestamp) < expiration);
        self.hint = 0;
    }

    /// Rebuilds the state from a snapshot taken at `snapshot` and the batches after it
    /// (`UnifiedLog.rebuildProducerState`): below the snapshot only the last batch is known.
    pub fn rebuild(
        &mut self,
        batches: &Chunked<Batch>,
        snapshot: Offset,
        now: Time,
        expiration: Span,
    ) {
        self.entries.clear();
        self.hint = 0;
        let below = batches.partition_point(|batch| batch.end() <= snapshot);
        for batch in batches.pieces(..below).flatten().rev() {
            if batch.sequence.is_some_and(|sequence| self.find(sequence.producer).is_err()) {
                self.update(batch);
            }
        }
        self.expire(now, expiration);
        for batch in batches.walk(below) {
            self.update(batch);
        }
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.hint = 0;
    }

    fn find(&self, producer: ProducerId) -> Result<usize, usize> {
        match self.entries.get(self.hint) {
            Some(entry) if entry.producer == producer => Ok(self.hint),
            _ => self.entries.binary_search_by_key(&producer, |entry| entry.producer),
        }
    }
}
