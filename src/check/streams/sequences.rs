//! Ghost of what a leader knows of the producers of a stream: by producer epoch, which sequence
//! number its batches in the canonical log have come to.
//!
//! Follows `ProducerStateManager.java` and `ProducerStateEntry.java` as far as their content is
//! decided by the log alone; when a leader may have forgotten a producer that its log names is said
//! in `check::client::forgotten`. Does not judge.

use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
use crate::base::time::Time;
use crate::model::batch::{Sequence, decrement_sequence, increment_sequence};

/// So many older runs are remembered per stream. A producer whose runs are all older counts as one
/// that the leader does not know.
const RUNS_KEPT: usize = 64;

/// So many dates are remembered per stream.
const DATES_KEPT: usize = 128;

/// A batch of a run: its first record, and where it ends in the log.
type Place = (u32, Offset);

/// Batches of one producer epoch in the canonical log, as long as each goes on where the one before
/// it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) producer: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    /// The sequence number after its last record.
    pub(crate) next: u32,
    /// Its last batch, or one before it.
    last: Place,
    /// Its first sequence number and its first batch.
    begun: (u32, Place),
}

impl Run {
    /// Whether a batch goes on where the run ends.
    fn continues(&self, s: Sequence) -> bool {
        self.next == s.first && self.epoch == s.epoch && self.producer == s.producer
    }

    /// Whether it has come to a sequence number of its epoch already. Sequence numbers have 31 bits
    /// and wrap; a repeated one lies behind by less than half.
    pub(crate) fn is_ahead_of(&self, s: Sequence) -> bool {
        let behind = decrement_sequence(self.next, s.first);
        (self.producer, self.epoch) == (s.producer, s.epoch) && behind != 0 && behind < 0x4000_0000
    }

    /// The first record of its last batch, or an earlier one of the run.
    pub(crate) const fn record(&self) -> u32 {
        self.last.0
    }

    /// Where its last batch ends in the log, or an earlier one.
    pub(crate) const fn end(&self) -> Offset {
        self.last.1
    }
}

/// What the canonical log says of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It never held a batch of the producer.
    Never,
    /// What it held of the producer fell out of it.
    Cut,
    /// The producer's last batch is the end of this run.
    Run(Run),
}

/// The producers of a stream: one after the other, as their process starts again or needs a new id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequences {
    /// The one that was written to last: most appends ask for no other.
    newest: Option<Run>,
    /// Oldest first.
    older: Vec<Run>,
    /// The producer whose only batches fell out of the log last.
    cut: Option<ProducerId>,
    /// Records, and when each was made: both grow.
    dates: Vec<(u32, Time)>,
    next_date: Time,
}

impl Sequences {
    /// The run that was written to last.
    pub(crate) const fn newest(&self) -> Option<&Run> {
        self.newest.as_ref()
    }

    /// Whether a batch goes on where the run that was written to last ends.
    pub(crate) fn continues(&self, s: Sequence) -> bool {
        self.newest.is_some_and(|run| run.continues(s))
    }

    /// What the canonical log says of a producer.
    #[cold]
    pub(crate) fn known(&self, producer: ProducerId) -> Known {
        let mut runs = self.newest.iter().chain(self.older.iter().rev());
        match runs.find(|run| run.producer == producer) {
            Some(run) => Known::Run(*run),
            None if self.cut == Some(producer) => Known::Cut,
            None => Known::Never,
        }
    }

    /// A batch was appended to the canonical log.
    pub(crate) fn extend(&mut self, s: Sequence, count: u32, batch: (u32, Offset)) {
        match &mut self.newest {
            Some(run) if run.continues(s) => {
                run.next = increment_sequence(s.first, count);
                run.last = batch;
            }
            _ => self.begin(s, count, batch),
        }
    }

    #[cold]
    fn begin(&mut self, s: Sequence, count: u32, batch: Place) {
        if let Some(run) = self.newest {
            if self.older.len() == RUNS_KEPT {
                self.older.remove(0);
            }
            self.older.push(run);
        }
        self.newest = Some(Run {
            producer: s.producer,
            epoch: s.epoch,
            next: increment_sequence(s.first, count),
            last: batch,
            begun: (s.first, batch),
        });
    }

    /// A batch fell out of the canonical log. Called from the last to the first.
    #[cold]
    pub(crate) fn leave(&mut self, s: Sequence) {
        let of_batch = |run: &Run| (run.producer, run.epoch) == (s.producer, s.epoch);
        self.older.extend(self.newest.take());
        if let Some(place) = self.older.iter().rposition(of_batch) {
            let run = &mut self.older[place];
            run.next = s.first;
            run.last = run.begun.1;
            if run.begun.0 == s.first {
                self.older.remove(place);
                let other = self.older.iter().any(|run| run.producer == s.producer);
                self.cut = Some(s.producer).filter(|_| !other).or(self.cut);
            }
        }
        self.newest = self.older.pop();
    }

    /// Whether it is time to remember again when a record was made.
    pub(crate) fn wants_date(&self, now: Time) -> bool {
        now >= self.next_date
    }

    /// This record was made then; another date is wanted from `next` on.
    #[cold]
    pub(crate) fn date(&mut self, date: (u32, Time), next: Time) {
        if self.dates.len() == DATES_KEPT {
            self.dates.remove(0);
        }
        if self.dates.last().is_none_or(|last| last.0 < date.0) {
            self.dates.push(date);
        }
        self.next_date = next;
    }

    /// A moment before which the record was not made: the zero of time if nothing is known.
    pub(crate) fn made_after(&self, record: u32) -> Time {
        let place = self.dates.partition_point(|(dated, _)| *dated <= record);
        place.checked_sub(1).map_or(Time::ZERO, |place| self.dates[place].1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Run, Sequences};
    use crate::base::ids::{Offset, ProducerEpoch, ProducerId};
    use crate::base::time::Time;
    use crate::model::batch::Sequence;

    fn of(producer: u32, epoch: u16, first: u32) -> Sequence {
        Sequence { producer: ProducerId(producer), epoch: ProducerEpoch(epoch), first }
    }

    fn run(sequences: &Sequences, producer: u32) -> Run {
        match sequences.known(ProducerId(producer)) {
            Known::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_falls_out_leaves_what_was_before_it() {
        let mut s = Sequences::default();
        assert_eq!(s.known(ProducerId(1)), Known::Never);
        s.extend(of(1, 0, 0), 5, (0, Offset(5)));
        s.extend(of(1, 0, 5), 5, (5, Offset(10)));
        s.extend(of(1, 1, 0), 5, (10, Offset(15)));
        assert!(s.continues(of(1, 1, 5)) && !s.continues(of(1, 1, 4)) && !s.continues(of(2, 1, 5)));
        s.leave(of(1, 1, 0));
        assert_eq!((run(&s, 1).epoch, run(&s, 1).next), (ProducerEpoch(0), 10));
        assert_eq!((run(&s, 1).record(), run(&s, 1).end()), (5, Offset(10)));
        s.leave(of(1, 0, 5));
        assert_eq!((run(&s, 1).next, run(&s, 1).end()), (5, Offset(5)));
        s.leave(of(1, 0, 0));
        assert_eq!(s.known(ProducerId(1)), Known::Cut);
        assert_eq!(s.known(ProducerId(2)), Known::Never);
    }

    #[test]
    fn each_producer_of_a_process_has_its_own_sequences() {
        let mut s = Sequences::default();
        s.extend(of(1, 3, 0), 5, (0, Offset(5)));
        s.extend(of(2, 0, 0), 7, (5, Offset(12)));
        assert_eq!((run(&s, 1).next, run(&s, 2).next), (5, 7));
        s.extend(of(1, 3, 5), 1, (12, Offset(13)));
        assert_eq!((run(&s, 1).next, run(&s, 2).next), (6, 7));
        s.leave(of(1, 3, 5));
        assert_eq!((run(&s, 1).next, run(&s, 2).next), (5, 7));
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut s = Sequences::default();
        s.extend(of(1, 0, 0x7fff_fffe), 2, (0, Offset(2)));
        assert!(s.continues(of(1, 0, 0)) && !s.continues(of(1, 0, 1)));
        assert!(run(&s, 1).is_ahead_of(of(1, 0, 0x7fff_ffff)));
        assert!(!run(&s, 1).is_ahead_of(of(1, 0, 0)));
    }

    #[test]
    fn a_date_holds_for_its_record_and_later_ones() {
        let mut s = Sequences::default();
        assert!(s.wants_date(Time(0)));
        s.date((3, Time(10)), Time(20));
        assert!(!s.wants_date(Time(19)) && s.wants_date(Time(20)));
        s.date((8, Time(20)), Time(30));
        let made = [2, 3, 7, 8, 90].map(|record| s.made_after(record).0);
        assert_eq!(made, [0, 10, 10, 20, 20]);
    }
}
