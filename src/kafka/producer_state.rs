//! What a replica remembers of idempotent producers: the newest epoch and the last five batches.
//!
//! Follows `ProducerStateManager.java` and `ProducerStateEntry.java`. A snapshot on disk holds the
//! *last* batch of each producer only. Does not know when one is written or read (that is
//! [`crate::kafka::log`]), and decides nothing: that is
//! [`crate::kafka::rulings::accept_sequence`].

use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
use crate::base::time::{Span, Time};
use crate::kafka::rulings::{KnownBatch, KnownProducer};
use crate::model::batch::{Batch, decrement_sequence};
use crate::model::disk::ProducerEntry;

/// `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`.
const REMEMBERED: usize = 5;

/// One producer.
#[derive(Clone, Copy, Debug)]
struct ProducerStateEntry {
    producer: ProducerId,
    epoch: ProducerEpoch,
    last_timestamp: Time,
    batches: [KnownBatch; REMEMBERED],
    count: usize,
}

impl ProducerStateEntry {
    fn of(entry: &ProducerEntry) -> Self {
        let ProducerEntry { last_sequence, last_offset, offset_delta, .. } = *entry;
        let first = decrement_sequence(last_sequence, offset_delta);
        let end = last_offset + 1;
        let base = Offset(last_offset.0 - u64::from(offset_delta));
        let mut batches = [KnownBatch::default(); REMEMBERED];
        batches[0] = KnownBatch { first, last: last_sequence, base, end };
        Self {
            producer: entry.producer,
            epoch: entry.epoch,
            last_timestamp: entry.timestamp,
            batches,
            count: 1,
        }
    }

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
    entries: Vec<ProducerStateEntry>,
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
            let entry = ProducerStateEntry {
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

    /// Whether it knows nobody.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What a snapshot keeps: the last batch of each.
    pub fn last_batches(&self) -> impl Iterator<Item = ProducerEntry> {
        self.entries.iter().filter_map(|entry| {
            let KnownBatch { last, base, end, .. } = *entry.batches[..entry.count].last()?;
            let count = (end - base) as u32;
            Some(ProducerEntry {
                producer: entry.producer,
                epoch: entry.epoch,
                last_sequence: last,
                last_offset: base + u64::from(count - 1),
                offset_delta: count - 1,
                timestamp: entry.last_timestamp,
            })
        })
    }

    /// Knows what a snapshot holds, and nothing else, but for producers that have been idle for
    /// `producer.id.expiration.ms`, by the wall clock.
    pub fn load<'a>(
        &mut self,
        snapshot: impl Iterator<Item = &'a ProducerEntry>,
        now: Time,
        expiration: Span,
    ) {
        self.clear();
        self.entries.extend(snapshot.map(ProducerStateEntry::of));
        self.expire(now, expiration);
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
