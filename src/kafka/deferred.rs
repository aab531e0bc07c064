//! Answers that wait for a log.
//!
//! A [`Deferred`] holds what may be said once one log has come to an offset: its high watermark for
//! a produce request with acks=all, its synced end where a sync comes before the answer, its
//! committed end for what the controller decides and for whoever follows the metadata log. Whoever
//! moves that offset takes out what it releases. Follows `DeferredEventQueue.java` and the watcher
//! lists of `DelayedOperationPurgatory.java`. Does not know what waits, or what answers it.

use std::collections::VecDeque;

use crate::base::ids::Offset;

/// What waits until a log has come to an offset, the nearest first; of one offset in the order in
/// which it came.
#[derive(Clone, Debug)]
pub struct Deferred<T> {
    waiting: VecDeque<(Offset, T)>,
}

impl<T> Default for Deferred<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> Deferred<T> {
    /// Waits until the log has come to `required`. What comes later waits for more, mostly, so the
    /// place in order is found at the end.
    pub fn wait(&mut self, required: Offset, what: T) {
        let later = self.waiting.iter().rev().take_while(|(offset, _)| *offset > required).count();
        self.waiting.insert(self.waiting.len() - later, (required, what));
    }

    /// Takes the next one that needs no more than `reached`, with what it needed.
    #[inline]
    pub fn next(&mut self, reached: Offset) -> Option<(Offset, T)> {
        if self.waiting.front()?.0 > reached {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Takes the next one, whatever it waits for.
    pub fn give_up(&mut self) -> Option<T> {
        self.waiting.pop_front().map(|(_, what)| what)
    }

    /// Takes out everything that meets a condition.
    pub fn take_out(&mut self, mut meets: impl FnMut(&T) -> bool, mut take: impl FnMut(T)) {
        for _ in 0..self.waiting.len() {
            let Some((required, what)) = self.waiting.pop_front() else { return };
            if meets(&what) {
                take(what);
            } else {
                self.waiting.push_back((required, what));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Deferred;
    use crate::base::ids::Offset;

    #[test]
    fn what_waits_for_an_early_offset_goes_first_whenever_it_came() {
        let mut deferred = Deferred::default();
        for (required, name) in [(10, "a"), (20, "b"), (15, "c"), (20, "d")] {
            deferred.wait(Offset(required), name);
        }
        assert_eq!(deferred.next(Offset(9)), None);
        assert_eq!(deferred.next(Offset(15)), Some((Offset(10), "a")));
        assert_eq!(deferred.next(Offset(15)), Some((Offset(15), "c")));
        assert_eq!(deferred.next(Offset(19)), None);
        assert_eq!(deferred.next(Offset(20)), Some((Offset(20), "b")));
        assert_eq!(deferred.give_up(), Some("d"));
        assert_eq!(deferred.give_up(), None);
    }

    #[test]
    fn what_is_taken_out_leaves_the_others_in_order() {
        let mut deferred = Deferred::default();
        (0..5).for_each(|n| deferred.wait(Offset(n), n));
        let mut odd = Vec::new();
        deferred.take_out(|n| n % 2 == 1, |n| odd.push(n));
        assert_eq!(odd, [1, 3]);
        let left = std::iter::from_fn(|| deferred.next(Offset(9))).map(|(_, n)| n);
        assert_eq!(left.collect::<Vec<_>>(), [0, 2, 4]);
    }
}
