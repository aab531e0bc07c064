//! A bound on the work of one handler: loops that go on until nothing is left to do count their
//! rounds, so that one which never ends is an error with a name instead of silence.

use std::fmt;

use crate::base::time::Time;

/// No handler has so much to do: a process has fewer batches in flight, a broker fewer partitions.
pub(super) const MOST: u32 = 1_000_000;

/// Rounds of a loop within one handler.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rounds(u32);

impl Rounds {
    /// Another round.
    ///
    /// # Panics
    /// If the loop does not end.
    #[inline]
    pub(super) fn count(&mut self, what: &dyn fmt::Debug, node: &dyn fmt::Display, at: Time) {
        self.0 += 1;
        if self.0 > MOST {
            endless(what, node, at);
        }
    }
}

#[cold]
fn endless(what: &dyn fmt::Debug, node: &dyn fmt::Display, at: Time) -> ! {
    panic!("{node} does not end what it does at {at} of its clock; it goes round {what:?}");
}
