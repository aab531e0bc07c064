//! What ghost logs consist of: a batch as it is remembered, and one replica's log, told as its
//! difference from the canonical one. Compares; does not judge.

use std::collections::VecDeque;

use crate::base::ids::{LeaderEpoch, Offset};
use crate::base::time::Time;
use crate::model::batch::{Batch, RecordId, Records, Sequence};

/// A batch as the ghosts remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) base: Offset,
    pub(crate) records: Records,
    pub(crate) count: u32,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) sequence: Option<Sequence>,
    /// When its producer was told that it is written; [`Time::NEVER`] if it was not.
    pub(crate) acked: Time,
    /// Whether a consumer has read it.
    pub(crate) read: bool,
    /// It fell out of the canonical log with its leader epoch only: the records are still there.
    pub(crate) kept: bool,
}

const _: () = assert!(size_of::<Entry>() <= 56, "a run remembers every batch that is retained");

impl Entry {
    pub(crate) fn end(&self) -> Offset {
        self.base + u64::from(self.count)
    }

    /// Whether both are the same batch, whatever was noted about them.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.base == other.base
            && self.epoch == other.epoch
            && self.records == other.records
            && self.count == other.count
            && self.sequence == other.sequence
    }

    /// Whether this is what a log really holds.
    pub(crate) fn is(&self, batch: &Batch) -> bool {
        self.base == batch.base
            && self.epoch == batch.leader_epoch
            && self.records == batch.records
            && self.count == batch.count
            && self.sequence == batch.sequence
    }

    /// The first record of a client's workload in it; none if it is a marker or internal, which no
    /// producer can be asked about.
    ///
    /// Speed: one comparison, inline in checks of appends.
    #[inline(always)]
    pub(crate) const fn workload(&self) -> Option<RecordId> {
        self.records.workload()
    }

    /// The record of a client's workload at an offset inside it.
    pub(crate) fn record_at(&self, offset: Offset) -> Option<RecordId> {
        Some(self.workload()?.plus((offset - self.base) as u32))
    }

    pub(crate) fn acked(&self) -> Option<Time> {
        (self.acked != Time::NEVER).then_some(self.acked)
    }

    pub(super) fn unmarked(self) -> Self {
        Self { acked: Time::NEVER, read: false, kept: false, ..self }
    }

    /// Whether both hold the same records at the same offsets, in whatever epoch.
    pub(super) fn same_records(&self, other: &Self) -> bool {
        self.base == other.base && self.records == other.records && self.count == other.count
    }
}

/// One replica's log, told as its difference from the canonical one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    /// Where its files start.
    pub(crate) start: Offset,
    /// It equals the canonical log from its start, or from `rejoined`, up to here.
    pub(crate) matched: Offset,
    /// Below this it may differ, where the leader it follows has nothing: see
    /// [`super::Canon::rejoin`].
    pub(super) rejoined: Offset,
    /// Number of the first canonical entry that it does not match.
    pub(super) next: u64,
    /// The furthest that it ever matched the canonical log as it stands.
    pub(crate) reach: Offset,
    /// What it holds beyond `matched`.
    pub(super) tail: VecDeque<Entry>,
    /// Its log was cut while its broker was down or starting; it may be incomplete until the
    /// cluster takes the broker back.
    pub(crate) cut_while_down: bool,
    /// Up to here its batches were compared with those on its disk.
    pub(super) audited: Offset,
}

impl Replica {
    /// Its log end offset.
    #[inline(always)]
    pub(crate) fn end(&self) -> Offset {
        self.tail.back().map_or(self.matched, Entry::end)
    }

    /// From where on it can be compared with others.
    pub(super) fn begin(&self) -> Offset {
        self.start.max(self.rejoined)
    }

    /// Whether it parts from the canonical log.
    pub(crate) fn is_apart(&self) -> bool {
        !self.tail.is_empty()
    }

    /// The next canonical entry is its own too, and ends here.
    pub(super) fn match_next(&mut self, end: Offset) {
        self.next += 1;
        self.matched = end;
        self.reach = self.reach.max(end);
    }

    pub(super) fn tail_at(&self, base: Offset) -> Option<usize> {
        let place = self.tail.partition_point(|e| e.base < base);
        (self.tail.get(place)?.base == base).then_some(place)
    }
}
