//! `producer-unfenced`, claim G8: a producer's epochs never go back.
//!
//! In the canonical log, behind a batch of one epoch of a producer id there is none of an earlier
//! epoch: the leader that has the later one refuses it (`ProducerAppendInfo.checkProducerEpoch`).
//! Unless it has forgotten the producer: see [`super::forgotten`].

use crate::base::ids::PartitionId;
use crate::check::canon::Entry;
use crate::check::properties::PropertyId;
use crate::check::streams::Run;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::batch::Sequence;
use crate::model::fact::Stamp;

/// Whether a batch is of an earlier epoch than the last one of its producer.
pub(crate) fn goes_back(run: &Run, s: Sequence) -> bool {
    s.epoch < run.epoch
}

/// A batch of an earlier epoch was taken.
#[cold]
pub(crate) fn report(
    partition: PartitionId,
    entry: &Entry,
    (run, s): (&Run, Sequence),
    stamp: Stamp,
    findings: &mut Findings,
) {
    let detail = Detail::Unfenced { epoch: s.epoch, newest: run.epoch };
    let violation = Violation::of(PropertyId::ProducerUnfenced, stamp, detail)
        .partition(partition)
        .batch(entry, entry.count);
    findings.add(PropertyId::ProducerUnfenced, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn an_earlier_epoch_is_refused_once_a_later_one_is_in_the_log() {
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 3, 0).sequenced(1, 3, (3, 2), 1, 0).expect_none("producer-unfenced");
        forge.sequenced(1, 5, (5, 2), 1, 2).expect_none("producer-unfenced");
        forge.sequenced(1, 7, (7, 2), 0, 3).expect("producer-unfenced", 2);
        forge.expect_none("sequence-gap");
    }

    #[test]
    fn an_epoch_that_fell_out_of_the_log_fences_nobody() {
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 3, 0).copy(2, 0, 0, 3, 0).sequenced(1, 3, (3, 2), 1, 0);
        forge.elect(2, 1).sequenced(2, 3, (3, 2), 0, 3).expect_none("producer-unfenced");
        forge.expect_none("sequence-gap").expect_none("producer-cut");
        // It would if the next leader had it.
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 3, 0).copy(2, 0, 0, 3, 0).sequenced(1, 3, (3, 2), 1, 0);
        forge.elect(2, 1).sequenced_in(2, 3, (3, 2), (1, 0), 0);
        forge.sequenced(2, 5, (5, 2), 0, 3).expect("producer-unfenced", 2);
    }

    #[test]
    fn another_producer_has_epochs_of_its_own() {
        let mut forge = Forge::new();
        forge.sequenced(1, 0, (0, 3), 4, 0).producer(2).sequenced(1, 3, (3, 3), 0, 0);
        forge.expect_none("producer-unfenced").expect_none("sequence-gap");
        forge.producer(1).sequenced(1, 6, (6, 1), 3, 0).expect("producer-unfenced", 1);
    }
}
