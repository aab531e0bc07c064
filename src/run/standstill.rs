//! Runs that do not get on: what went round, in words.
//!
//! A run is bounded by `run.budget.events`. One whose clock stands still is stopped long before:
//! nothing that a cluster does takes a million events of one and the same moment.

use std::fmt;

use crate::base::time::Time;
use crate::report::number::grouped;

/// The clock is looked at after so many events. If it has not moved since the last look, the run
/// is stopped. The most that a run has in one moment is its beginning: some ten a node.
pub(super) const CLOCK_LOOKED_AT: u64 = 1_000_000;

/// So many further events are looked at when a run is stopped.
pub(super) const SAMPLE: u32 = 1_000;

/// Where a run was when it was stopped, and what would have come next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// Virtual time.
    pub at: Time,
    /// What the next events were, and how often each of them came; the most frequent first.
    pub next: Vec<(String, u32)>,
}

impl Standstill {
    /// From the next events, in their order.
    pub(super) fn of(at: Time, events: impl IntoIterator<Item = String>) -> Self {
        let mut next: Vec<(String, u32)> = Vec::new();
        for event in events {
            match next.iter_mut().find(|(known, _)| *known == event) {
                Some((_, times)) => *times += 1,
                None => next.push((event, 1)),
            }
        }
        next.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        Self { at, next }
    }
}

/// `at 2.000 000, and the next 1000 events are: 500 timer Linger of p, …`.
impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        let all: u32 = self.next.iter().map(|(_, times)| times).sum();
        write!(f, "at {}, and the next {} events are", self.at, grouped(all.into()))?;
        for (place, (event, times)) in self.next.iter().take(SHOWN).enumerate() {
            let parted = if place == 0 { ":" } else { "," };
            write!(f, "{parted} {} {event}", grouped(u64::from(*times)))?;
        }
        match self.next.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            others => write!(f, " and {others} other kinds"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Standstill;
    use crate::base::time::{Span, Time};

    #[test]
    fn the_most_frequent_events_are_told_first() {
        let events = ["a", "b", "b", "c", "d", "e", "f"].map(str::to_owned);
        let told = Standstill::of(Time::ZERO + Span::secs(2), events).to_string();
        let expected = "and the next 7 events are: 2 b, 1 a, 1 c, 1 d and 2 other kinds";
        assert!(told.ends_with(expected), "{told}");
        let none = Standstill::of(Time::ZERO, []).to_string();
        assert!(none.ends_with("the next 0 events are"), "{none}");
    }
}
