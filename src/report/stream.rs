//! One producer process writing to one partition: how many records wait for an answer, and for how
//! long nothing was acknowledged.
//!
//! A *write gap* runs from the moment a record begins to wait, or from the last acknowledgement if
//! others were waiting then, to the next acknowledgement; a producer with nothing to write has
//! none. When each record was handed over is not kept here: the checkers know, and say it with the
//! acknowledgement.

use crate::base::time::{Span, Time};

/// A gap this long is an outage of writes; shorter ones are latency.
pub const OUTAGE: Span = Span::secs(1);

/// What a stream has seen in its run, once closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// The longest write gap.
    pub longest_gap: Span,
    /// Write gaps of at least [`OUTAGE`], together.
    pub outage: Span,
    /// From its first record to its last answer, or to the end.
    pub active: Span,
}

impl StreamTotals {
    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        self.longest_gap = self.longest_gap.max(other.longest_gap);
        self.outage = self.outage + other.outage;
        self.active = self.active + other.active;
    }
}

/// A stream during its run.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Records without an answer.
    open: usize,
    /// Since when nothing was acknowledged though something waited; `Time::NEVER` if nothing does.
    since: Time,
    /// The last answer of any sort.
    answered: Time,
    /// When its first record was submitted; `Time::NEVER` before.
    began: Time,
    totals: StreamTotals,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            open: 0,
            since: Time::NEVER,
            answered: Time::ZERO,
            began: Time::NEVER,
            totals: StreamTotals::default(),
        }
    }
}

impl Stream {
    /// A record was submitted.
    pub fn submitted(&mut self, now: Time) {
        self.open += 1;
        self.since = self.since.min(now);
        self.began = self.began.min(now);
    }

    /// So many records were acknowledged.
    pub fn acked(&mut self, records: usize, now: Time) {
        self.open = self.open.saturating_sub(records);
        self.close_gap(now);
        self.since = if self.open == 0 { Time::NEVER } else { now };
        self.answered = now;
    }

    /// So many records failed: they wait no more, yet nothing was written.
    pub fn failed(&mut self, records: usize, now: Time) {
        self.open = self.open.saturating_sub(records);
        self.answered = now;
    }

    /// The process is gone or has been told to stop, or the run is over.
    pub fn close(&mut self, now: Time) {
        if self.began == Time::NEVER {
            return;
        }
        let began = std::mem::replace(&mut self.began, Time::NEVER);
        // Whose last record has failed has been waiting for nothing since.
        let end = if self.open == 0 { self.answered } else { now };
        self.close_gap(end);
        self.totals.active = self.totals.active + end.since(began);
        self.since = Time::NEVER;
        self.open = 0;
    }

    /// What it has seen. Complete once closed.
    #[must_use]
    pub const fn totals(&self) -> &StreamTotals {
        &self.totals
    }

    fn close_gap(&mut self, now: Time) {
        // Since never: no time at all.
        let gap = now.since(self.since);
        self.totals.longest_gap = self.totals.longest_gap.max(gap);
        if gap >= OUTAGE {
            self.totals.outage = self.totals.outage + gap;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, Stream, Time};

    fn at(millis: u64) -> Time {
        Time::ZERO + Span::millis(millis)
    }

    #[test]
    fn a_gap_spans_failures() {
        let mut stream = Stream::default();
        for millis in 0..4 {
            stream.submitted(at(millis));
        }
        stream.acked(1, at(10));
        stream.acked(1, at(12));
        stream.failed(1, at(2_000));
        stream.acked(1, at(4_003));
        stream.close(at(9_000));
        assert_eq!(stream.totals().longest_gap, Span::millis(3_991));
        assert_eq!(stream.totals().outage, Span::millis(3_991));
        assert_eq!(stream.totals().active, Span::millis(4_003));
    }

    #[test]
    fn a_producer_with_nothing_to_write_has_no_gap() {
        let mut stream = Stream::default();
        for round in 0..3 {
            stream.submitted(at(round * 5_000));
            stream.acked(1, at(round * 5_000 + 2));
        }
        stream.close(at(60_000));
        assert_eq!(stream.totals().longest_gap, Span::millis(2));
        assert_eq!(stream.totals().outage, Span::ZERO);
    }

    #[test]
    fn a_gap_is_open_to_the_end_while_something_waits() {
        let mut stream = Stream::default();
        stream.submitted(at(0));
        stream.acked(1, at(1));
        stream.submitted(at(10));
        stream.close(at(8_010));
        assert_eq!(stream.totals().longest_gap, Span::secs(8));
    }
}
