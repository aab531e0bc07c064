//! The leader-epoch cache: which leader epoch begins at which offset of one replica's log.
//!
//! Follows `LeaderEpochFileCache.java`. Epochs and offsets both ascend. Does not know its file.

use crate::base::ids::{LeaderEpoch, Offset};

/// Leader epochs with their first offsets, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl EpochCache {
    /// The cache as it was saved.
    #[must_use]
    pub fn from_entries(entries: &[(LeaderEpoch, Offset)]) -> Self {
        Self { entries: entries.to_vec() }
    }

    /// All entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// The newest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// The epoch of the record at an offset.
    #[must_use]
    pub fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.entries.iter().rev().find(|(_, start)| *start <= offset).map(|(epoch, _)| *epoch)
    }

    /// Adds an epoch, or lowers its start; entries that contradict it go. Says whether it changed.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if self.entries.last().is_some_and(|last| last.0 == epoch && last.1 <= start) {
            return false;
        }
        while self.entries.last().is_some_and(|last| last.0 >= epoch || last.1 >= start) {
            self.entries.pop();
        }
        self.entries.push((epoch, start));
        true
    }

    /// The largest epoch not above `asked`, and where it ends; `end` is the end of the log. `None`
    /// if the log knows no epoch so new, or none at all.
    #[must_use]
    pub fn end_of(&self, asked: LeaderEpoch, end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest()?;
        if asked >= latest {
            return (asked == latest).then_some((latest, end));
        }
        let higher = self.entries.partition_point(|(epoch, _)| *epoch <= asked);
        let epoch = if higher == 0 { asked } else { self.entries[higher - 1].0 };
        Some((epoch, self.entries[higher].1))
    }

    /// Removes the epochs that begin at or beyond `to`. Says whether there was any.
    pub fn truncate_end(&mut self, to: Offset) -> bool {
        let before = self.entries.len();
        while self.entries.last().is_some_and(|(_, start)| *start >= to) {
            self.entries.pop();
        }
        self.entries.len() != before
    }

    /// Removes the epochs that end at or below `to`; the one around it begins there from now on.
    /// Says whether anything changed.
    pub fn truncate_start(&mut self, to: Offset) -> bool {
        let above = self.entries.partition_point(|(_, start)| *start <= to);
        let Some(around) = above.checked_sub(1) else {
            return false;
        };
        let changed = around > 0 || self.entries[0].1 != to;
        self.entries.drain(..around);
        self.entries[0].1 = to;
        changed
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::EpochCache;
    use crate::base::ids::{LeaderEpoch, Offset};

    fn cache(entries: &[(u32, u64)]) -> EpochCache {
        let entries: Vec<_> = entries.iter().map(|(e, o)| (LeaderEpoch(*e), Offset(*o))).collect();
        EpochCache::from_entries(&entries)
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next() {
        let cache = cache(&[(2, 10), (4, 20), (7, 30)]);
        let table = [
            (7, Some((7, 35))),
            (8, None),
            (6, Some((4, 30))),
            (4, Some((4, 30))),
            (3, Some((2, 20))),
            (1, Some((1, 10))),
        ];
        for (asked, answer) in table {
            let answer = answer.map(|(e, o)| (LeaderEpoch(e), Offset(o)));
            assert_eq!(cache.end_of(LeaderEpoch(asked), Offset(35)), answer, "epoch {asked}");
        }
        assert_eq!(EpochCache::default().end_of(LeaderEpoch(0), Offset(0)), None);
    }

    #[test]
    fn an_assignment_drops_what_contradicts_it() {
        let table = [
            ((7, 30), cache(&[(2, 10), (4, 20), (7, 30)])),
            ((8, 30), cache(&[(2, 10), (4, 20), (8, 30)])),
            ((5, 20), cache(&[(2, 10), (5, 20)])),
            ((4, 15), cache(&[(2, 10), (4, 15)])),
            ((9, 40), cache(&[(2, 10), (4, 20), (7, 30), (9, 40)])),
        ];
        for ((epoch, start), after) in table {
            let mut before = cache(&[(2, 10), (4, 20), (7, 30)]);
            before.assign(LeaderEpoch(epoch), Offset(start));
            assert_eq!(before, after, "({epoch}, {start})");
        }
    }

    #[test]
    fn truncation_cuts_at_both_ends() {
        let mut entries = cache(&[(2, 10), (4, 20), (7, 30)]);
        assert!(entries.truncate_end(Offset(30)));
        assert!(!entries.truncate_end(Offset(25)));
        assert_eq!(entries, cache(&[(2, 10), (4, 20)]));
        assert!(entries.truncate_start(Offset(15)));
        assert_eq!(entries, cache(&[(2, 15), (4, 20)]));
        assert!(!entries.truncate_start(Offset(5)));
    }
}
