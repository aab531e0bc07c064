//! The snapshots of the producer state beside a log: files that retention keeps with their segment.
//!
//! Follows `ProducerSnapshot.json` and the file names of `ProducerStateManager.java`. A snapshot
//! holds the last batch of each producer and no more, whether that batch is still in the log or
//! not. Does not know when one is taken or read: that is `kafka::log`.

use std::collections::VecDeque;

use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
use crate::base::time::Time;

/// One producer in a snapshot: its last batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The producer id.
    pub producer: ProducerId,
    /// The epoch of that id.
    pub epoch: ProducerEpoch,
    /// Sequence number of its last record.
    pub last_sequence: u32,
    /// Where its last record lies.
    pub last_offset: Offset,
    /// How many records of the batch lie before that one.
    pub offset_delta: u32,
    /// Largest timestamp of the batch.
    pub timestamp: Time,
}

/// The `<offset>.snapshot` files of one log, oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ProducerSnapshots {
    /// Which offset each goes up to, and how many producers it holds.
    files: VecDeque<(Offset, u32)>,
    /// What they hold, one file after the other.
    ///
    /// Speed: one list, so that a steady run uses the room of those that go for those that come.
    entries: VecDeque<ProducerEntry>,
}

impl Clone for ProducerSnapshots {
    fn clone(&self) -> Self {
        Self { files: self.files.clone(), entries: self.entries.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.files.clone_from(&source.files);
        self.entries.clone_from(&source.entries);
    }
}

impl ProducerSnapshots {
    /// Which offset each goes up to, oldest first.
    pub fn offsets(&self) -> impl DoubleEndedIterator<Item = Offset> {
        self.files.iter().map(|(offset, _)| *offset)
    }

    /// Which offset the newest goes up to.
    #[must_use]
    pub fn newest(&self) -> Option<Offset> {
        self.offsets().next_back()
    }

    /// What the newest holds.
    pub fn newest_entries(&self) -> impl Iterator<Item = &ProducerEntry> {
        let count = self.files.back().map_or(0, |(_, count)| *count as usize);
        self.entries.range(self.entries.len() - count..)
    }

    /// What all of them hold, one after the other.
    pub fn entries(&self) -> impl Iterator<Item = &ProducerEntry> {
        self.entries.iter()
    }

    /// Writes one that goes further than all others.
    pub fn push(&mut self, offset: Offset, entries: impl Iterator<Item = ProducerEntry>) {
        let before = self.entries.len();
        self.entries.extend(entries);
        self.files.push_back((offset, (self.entries.len() - before) as u32));
    }

    /// Deletes all but those that go up to such an offset.
    pub fn retain(&mut self, keep: impl Fn(Offset) -> bool) {
        let mut files = self.files.iter();
        let (mut left, mut kept) = (0, true);
        self.entries.retain(|_| {
            while left == 0 {
                let (offset, count) = files.next().expect("every entry is of a file");
                (left, kept) = (*count, keep(*offset));
            }
            left -= 1;
            kept
        });
        self.files.retain(|(offset, _)| keep(*offset));
    }

    /// Deletes all.
    pub fn clear(&mut self) {
        self.files.clear();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer: u32, last_offset: u64) -> ProducerEntry {
        ProducerEntry {
            producer: ProducerId(producer),
            epoch: ProducerEpoch(0),
            last_sequence: 0,
            last_offset: Offset(last_offset),
            offset_delta: 0,
            timestamp: Time::ZERO,
        }
    }

    /// Files with none, one and several producers, of which every selection is kept once.
    #[test]
    fn those_that_are_kept_hold_what_they_held() {
        let files = [(0, vec![]), (4, vec![1]), (8, vec![1, 2]), (9, vec![]), (12, vec![2, 3])];
        for selection in 0..1_u32 << files.len() {
            let mut snapshots = ProducerSnapshots::default();
            let mut expected = ProducerSnapshots::default();
            for (place, (offset, producers)) in files.iter().enumerate() {
                let entries = || producers.iter().map(|producer| entry(*producer, *offset));
                snapshots.push(Offset(*offset), entries());
                if selection >> place & 1 == 1 {
                    expected.push(Offset(*offset), entries());
                }
            }
            let place = |offset| files.iter().position(|(of, _)| Offset(*of) == offset);
            snapshots.retain(|at| place(at).is_some_and(|place| selection >> place & 1 == 1));
            assert_eq!(snapshots, expected, "{selection:b}");
            let newest = files.iter().enumerate().rev().find(|(at, _)| selection >> at & 1 == 1);
            let newest = newest.map(|(_, (offset, producers))| (Offset(*offset), producers.len()));
            assert_eq!(snapshots.newest(), newest.map(|(offset, _)| offset));
            assert_eq!(snapshots.newest_entries().count(), newest.map_or(0, |(_, count)| count));
        }
    }
}
