//! `sequence-gap`, claim G8: in the log, an idempotent producer's sequence numbers have no gaps.
//!
//! In the canonical log the first batch of a producer epoch begins at sequence 0, and each further
//! one where the one before it ended; behind 2³¹ − 1 comes 0. A leader refuses everything else
//! (`ProducerAppendInfo.checkSequence`), because what is missing would be missing for good: its
//! retry is refused as well. A batch that repeats what the log has is a case of `duplicate` or
//! `order-broken`, not of this. Exceptions: a leader that has forgotten the producer, see
//! [`super::forgotten`].

use crate::base::ids::PartitionId;
use crate::check::canon::Entry;
use crate::check::properties::PropertyId;
use crate::check::streams::{Arrival, Run};
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::batch::Sequence;
use crate::model::fact::Stamp;

/// Whether a batch has records that the log has already, or later ones of, and a sequence number to
/// which its producer epoch has come already.
pub(crate) fn repeats(run: Option<&Run>, s: Sequence, arrival: Arrival) -> bool {
    arrival.again + arrival.late > 0 && run.is_some_and(|run| run.is_ahead_of(s))
}

/// The sequence number that the leader asks for, if the batch has another one.
pub(crate) fn asked_for(run: Option<&Run>, s: Sequence) -> Option<u32> {
    let next = match run {
        Some(run) if run.epoch == s.epoch => run.next,
        _ => 0,
    };
    (s.first != next).then_some(next)
}

/// A batch was taken that does not go on at `next`.
#[cold]
pub(crate) fn report(
    partition: PartitionId,
    entry: &Entry,
    (next, s): (u32, Sequence),
    stamp: Stamp,
    findings: &mut Findings,
) {
    let detail = Detail::SequenceGap { epoch: s.epoch, first: s.first, next };
    let violation = Violation::of(PropertyId::SequenceGap, stamp, detail)
        .partition(partition)
        .batch(entry, entry.count);
    findings.add(PropertyId::SequenceGap, violation);
}

#[cfg(test)]
mod tests {
    use crate::base::time::{Span, Time};
    use crate::check::forge::Forge;
    use crate::model::config::Acks;
    use crate::model::fault::{Action, FaultLine, Timing};

    #[test]
    fn sequences_go_on_without_a_gap() {
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 3, 0).send(1, 3, 3, 2, 0).expect_none("sequence-gap");
        forge.clone().sequenced(1, 5, (5, 1), 0, 5).expect_none("sequence-gap");
        let mut ahead = forge.clone();
        ahead.sequenced(1, 5, (5, 1), 0, 6).expect("sequence-gap", 1);
        let said = ahead.checks.violations()[0].text(&ahead.names);
        let text = "record r5 of p, sequence 6 in producer epoch 0, where 5 is next";
        assert_eq!(said, format!("t-0 offset 5, {text}"));
        // It is told once.
        ahead.sequenced(1, 6, (6, 2), 0, 7).expect("sequence-gap", 1);
        // Behind, with records that are not there.
        forge.clone().sequenced(1, 5, (5, 1), 0, 4).expect("sequence-gap", 1);
        // A repeated batch is a duplicate and no gap.
        forge.sequenced(1, 5, (3, 2), 0, 3).expect_none("sequence-gap").expect("duplicate", 2);
    }

    #[test]
    fn an_epoch_begins_at_0() {
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 3, 0).clone().sequenced(1, 3, (3, 2), 1, 0).expect_none("sequence-gap");
        forge.clone().sequenced(1, 3, (3, 2), 1, 1).expect("sequence-gap", 2);
        // Not where the epoch before it ended.
        forge.sequenced(1, 3, (3, 2), 1, 3).expect("sequence-gap", 2);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let last = 0x7fff_ffff;
        let mut forge = Forge::new();
        forge.sequenced(1, 0, (0, 3), 0, last - 2).expect("producer-unknown", 1);
        forge.clone().sequenced(1, 3, (3, 1), 0, 0).expect_none("sequence-gap");
        forge.clone().sequenced(1, 3, (3, 1), 0, 1).expect("sequence-gap", 1);
        let mut inside = Forge::new();
        inside.sequenced(1, 0, (0, 3), 0, last - 1).sequenced(1, 3, (3, 1), 0, 1);
        inside.expect_none("sequence-gap");
    }

    #[test]
    fn a_leader_takes_any_sequence_of_a_producer_that_its_log_does_not_name() {
        let mut forge = Forge::new();
        forge.sequenced(1, 0, (9, 2), 3, 36).expect("producer-unknown", 1);
        forge.expect_none("sequence-gap").sequenced(1, 2, (11, 1), 3, 39);
        forge.expect("sequence-gap", 1);
        // From 0 on nothing is out of the ordinary.
        Forge::new().sequenced(1, 0, (9, 2), 3, 0).expect_none("producer-unknown");
    }

    #[test]
    fn what_was_lost_with_a_leader_is_forgotten() {
        let lost = |copied: bool| {
            let mut forge = Forge::new();
            forge.marker(1, 0, 0).marker(2, 0, 0).send(1, 1, 0, 3, 0);
            if copied {
                forge.copy(2, 1, 0, 3, 0);
            }
            let base = if copied { 4 } else { 1 };
            forge.elect(2, 1).sequenced(2, base, (7, 2), 0, 7);
            forge
        };
        lost(false).expect("producer-cut", 1).expect_none("sequence-gap");
        lost(true).expect("sequence-gap", 2).expect_none("producer-cut");
    }

    #[test]
    fn what_lies_below_the_log_start_may_be_forgotten() {
        let moved = |to| {
            let mut forge = Forge::new();
            forge.send(1, 0, 0, 3, 0).copy(2, 0, 0, 3, 0).copy(3, 0, 0, 3, 0);
            forge.marker(1, 3, 0).marker(2, 3, 0).marker(3, 3, 0).expose(1, 0, 2, 4);
            forge.log_start(3, to).sequenced(1, 4, (7, 2), 0, 7);
            forge
        };
        moved(3).expect("producer-retained", 1).expect_none("sequence-gap");
        moved(2).expect("sequence-gap", 2).expect_none("producer-retained");
    }

    #[test]
    fn an_idle_producer_expires() {
        // Timestamps are rounded down to milliseconds, twice.
        let idle = |for_millis| {
            let mut forge = Forge::with(|plan| {
                plan.brokers[1].config.producer_id_expiration = Span::secs(5);
            });
            forge.submit(3).send(1, 0, 0, 3, 0).wait(Span::millis(for_millis));
            forge.submit(3).sequenced(1, 3, (4, 2), 0, 4);
            forge
        };
        idle(4_999).expect("producer-expired", 1).expect_none("sequence-gap");
        idle(4_997).expect("sequence-gap", 2).expect_none("producer-expired");
        // By the age of its last batch, not of its first.
        let mut forge = Forge::with(|plan| {
            plan.brokers[0].config.producer_id_expiration = Span::secs(5);
        });
        forge.submit(3).send(1, 0, 0, 3, 0).wait(Span::secs(4));
        forge.ack(0, 3, Acks::All);
        forge.submit(3).send(1, 3, 3, 3, 0).wait(Span::secs(4));
        forge.submit(3).sequenced(1, 6, (7, 2), 0, 7).expect("sequence-gap", 2);
    }

    #[test]
    fn wall_clocks_that_were_moved_expire_a_producer_sooner() {
        let idle = |for_millis, moved| {
            let mut forge = Forge::with(|plan| {
                plan.brokers[1].config.producer_id_expiration = Span::secs(15);
                let action = Some(Action::ClockSkew { offset: Span::secs(5), back: false });
                let timing = Timing::At(Time(0));
                plan.faults = vec![FaultLine { timing, target: None, length: None, action }];
            });
            forge.checks.ghosts.clocks_skewed = moved;
            forge.submit(3).send(1, 0, 0, 3, 0).wait(Span::millis(for_millis));
            forge.submit(3).sequenced(1, 3, (4, 2), 0, 4);
            forge
        };
        idle(4_999, true).expect("producer-expired", 1).expect_none("sequence-gap");
        idle(4_997, true).expect("sequence-gap", 2);
        idle(14_997, false).expect("sequence-gap", 2);
    }
}
