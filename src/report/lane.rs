//! One producer process writing to one partition: which records wait for an answer and since when,
//! and for how long nothing was acknowledged.
//!
//! A *write gap* runs from the moment a record begins to wait, or from the last acknowledgement if
//! others were waiting then, to the next acknowledgement; a producer with nothing to write has
//! none. Memory is bounded by the records in flight: ordinals in `Submitted` are consecutive, so a
//! record's moment of submission lies at its ordinal in a ring.

use std::collections::VecDeque;

use crate::base::time::{Span, Time};
use crate::report::spans::Spans;

/// A gap this long is an outage of writes; shorter ones are latency.
pub const OUTAGE: Span = Span::secs(1);

/// What a lane has seen in its run, once closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneTotals {
    /// The longest write gap.
    pub longest_gap: Span,
    /// Write gaps of at least [`OUTAGE`], together.
    pub outage: Span,
    /// From its first record to its last answer, or to the end.
    pub active: Span,
}

impl LaneTotals {
    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        self.longest_gap = self.longest_gap.max(other.longest_gap);
        self.outage = self.outage + other.outage;
        self.active = self.active + other.active;
    }
}

/// A lane during its run.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Ordinal of the first record in `waiting`.
    first: u32,
    /// Submission of each record without an answer; `Time::NEVER` for those that have one.
    waiting: VecDeque<Time>,
    /// Since when nothing was acknowledged though something waited; `Time::NEVER` if nothing does.
    since: Time,
    /// The last answer of any sort.
    answered: Time,
    /// When its first record was submitted; `Time::NEVER` before.
    began: Time,
    totals: LaneTotals,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            first: 0,
            waiting: VecDeque::new(),
            since: Time::NEVER,
            answered: Time::ZERO,
            began: Time::NEVER,
            totals: LaneTotals::default(),
        }
    }
}

impl Lane {
    /// A record was submitted.
    pub fn submitted(&mut self, ordinal: u32, now: Time) {
        if self.waiting.is_empty() {
            self.first = ordinal;
        }
        // Ordinals are consecutive; were one skipped, the ring must not be off by one ever after.
        if u64::from(self.first) + self.waiting.len() as u64 != u64::from(ordinal) {
            self.waiting.clear();
            self.first = ordinal;
        }
        self.waiting.push_back(now);
        self.since = self.since.min(now);
        self.began = self.began.min(now);
    }

    /// Records were acknowledged; their latencies go to `latency`.
    pub fn acked(&mut self, first: u32, count: u32, now: Time, latency: &mut Spans) {
        self.settle(first, count, |submitted| latency.record(now.since(submitted)));
        self.close_gap(now);
        self.since = if self.waiting.is_empty() { Time::NEVER } else { now };
        self.answered = now;
    }

    /// Records failed: they wait no more, yet nothing was written.
    pub fn failed(&mut self, first: u32, count: u32, now: Time) {
        self.settle(first, count, |_| {});
        self.answered = now;
    }

    /// The process is gone or has been told to stop, or the run is over.
    pub fn close(&mut self, now: Time) {
        if self.began == Time::NEVER {
            return;
        }
        let began = std::mem::replace(&mut self.began, Time::NEVER);
        // Whose last record has failed has been waiting for nothing since.
        let end = if self.waiting.is_empty() { self.answered } else { now };
        self.close_gap(end);
        self.totals.active = self.totals.active + end.since(began);
        self.since = Time::NEVER;
        self.waiting.clear();
    }

    /// What it has seen. Complete once closed.
    #[must_use]
    pub const fn totals(&self) -> &LaneTotals {
        &self.totals
    }

    /// How many records are between submission and answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    fn close_gap(&mut self, now: Time) {
        // Since never: no time at all.
        let gap = now.since(self.since);
        self.totals.longest_gap = self.totals.longest_gap.max(gap);
        if gap >= OUTAGE {
            self.totals.outage = self.totals.outage + gap;
        }
    }

    fn settle(&mut self, first: u32, count: u32, mut each: impl FnMut(Time)) {
        if first == self.first {
            // Nearly always the oldest are answered first.
            let answered = self.waiting.len().min(count as usize);
            for _ in 0..answered {
                if let Some(at) = self.waiting.pop_front().filter(|at| *at != Time::NEVER) {
                    each(at);
                }
            }
            self.first += answered as u32;
        } else {
            self.settle_slots(first, count, each);
        }
        while self.waiting.front() == Some(&Time::NEVER) {
            self.waiting.pop_front();
            self.first += 1;
        }
    }

    fn settle_slots(&mut self, first: u32, count: u32, mut each: impl FnMut(Time)) {
        for ordinal in first..first + count {
            let Some(place) = ordinal.checked_sub(self.first) else { continue };
            let Some(slot) = self.waiting.get_mut(place as usize) else { break };
            if *slot != Time::NEVER {
                each(*slot);
                *slot = Time::NEVER;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, Span, Spans, Time};

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::millis(millis)
    }

    #[test]
    fn answers_may_come_out_of_order_and_a_gap_spans_failures() {
        let (mut lane, mut latency) = (Lane::default(), Spans::default());
        for ordinal in 0..4 {
            lane.submitted(ordinal, at(u64::from(ordinal)));
        }
        lane.acked(2, 1, at(10), &mut latency);
        lane.acked(0, 1, at(12), &mut latency);
        lane.failed(1, 1, at(2_000));
        lane.acked(3, 1, at(4_003), &mut latency);
        lane.close(at(9_000));
        assert_eq!((latency.len(), latency.max()), (3, Span::millis(4_000)));
        assert_eq!(lane.totals().longest_gap, Span::millis(3_991));
        assert_eq!(lane.totals().outage, Span::millis(3_991));
        assert_eq!(lane.totals().active, Span::millis(4_003));
    }

    #[test]
    fn a_producer_with_nothing_to_write_has_no_gap() {
        let (mut lane, mut latency) = (Lane::default(), Spans::default());
        for round in 0..3 {
            lane.submitted(round, at(u64::from(round) * 5_000));
            lane.acked(round, 1, at(u64::from(round) * 5_000 + 2), &mut latency);
        }
        lane.close(at(60_000));
        assert_eq!(lane.totals().longest_gap, Span::millis(2));
        assert_eq!(lane.totals().outage, Span::ZERO);
    }

    #[test]
    fn a_gap_is_open_to_the_end_while_something_waits() {
        let (mut lane, mut latency) = (Lane::default(), Spans::default());
        lane.submitted(0, at(0));
        lane.acked(0, 1, at(1), &mut latency);
        lane.submitted(1, at(10));
        lane.close(at(8_010));
        assert_eq!(lane.totals().longest_gap, Span::secs(8));
    }
}
