//! `duplicate`, claim G8: the idempotent producer removes duplicates from its own retries.
//!
//! A record that is appended to the canonical log while it is there already. Within one producer
//! epoch, and for producers without idempotence, this is `duplicate`; after a local epoch bump it
//! is `duplicate-after-bump`, which Kafka allows. An application's resend is another record: both
//! in the log count as `duplicate-by-resend`, at the end. With idempotence the guarantee holds over
//! leader changes and restarts (`ProducerStateManager.java`), unless the leader has forgotten the
//! producer: see [`super::forgotten`].

use crate::base::ids::PartitionId;
use crate::check::canon::Entry;
use crate::check::properties::PropertyId;
use crate::check::streams::Arrival;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// A batch was appended to the canonical log.
pub(crate) fn appended(
    partition: PartitionId,
    entry: &Entry,
    arrival: Arrival,
    stamp: Stamp,
    findings: &mut Findings,
) {
    findings.exercise(PropertyId::Duplicate);
    if arrival.again == 0 {
        return;
    }
    if !arrival.same_epoch {
        findings.mark_many(PropertyId::DuplicateAfterBump, u64::from(arrival.again));
        return;
    }
    let detail = Detail::Again { epoch: entry.sequence.map(|s| s.epoch) };
    let violation = Violation::of(PropertyId::Duplicate, stamp, detail)
        .partition(partition)
        .batch(entry, arrival.again);
    findings.add(PropertyId::Duplicate, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;
    use crate::model::plan::AppPlan;

    #[test]
    fn a_batch_twice_in_one_epoch_is_a_duplicate() {
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 3, 0).send(1, 3, 3, 2, 0).expect_none("duplicate");
        forge.send(1, 5, 3, 2, 0).expect("duplicate", 2);
    }

    #[test]
    fn a_bump_between_makes_it_another_kind() {
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 3, 0).send(1, 3, 0, 3, 1).expect_none("duplicate");
        forge.expect("duplicate-after-bump", 3);
    }

    /// A replica that was filled from above the first copy knows nothing of it.
    #[test]
    fn a_leader_may_take_again_what_retention_has_deleted() {
        let deleted = |to| {
            let mut forge = Forge::new();
            forge.marker(1, 0, 0).marker(2, 0, 0).marker(3, 0, 0).send(1, 1, 0, 3, 0);
            forge.copy(2, 1, 0, 3, 0).copy(3, 1, 0, 3, 0).expose(1, 0, 2, 4).log_start(1, to);
            forge.sequenced(1, 4, (0, 3), 0, 0);
            forge
        };
        deleted(4).expect_none("duplicate").expect("producer-retained", 1);
        deleted(1).expect("duplicate", 3).expect_none("producer-retained");
    }

    #[test]
    fn a_resend_is_another_record() {
        let mut forge = Forge::with(|plan| {
            if let AppPlan::Producer(producer) = &mut plan.processes[0].app {
                producer.resend = true;
            }
        });
        forge.submit(3).append(1, 0, 2, 0).give_up(0, 3).submit_item(0).submit_item(2);
        forge.append_other(1, 2, 2, 0, 3).finish().expect_none("duplicate");
        // Item 0 is in the log twice, item 2 only as its resend.
        forge.expect("duplicate-by-resend", 1);
    }

    #[test]
    fn a_retry_after_a_loss_is_no_duplicate() {
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 3, 0).copy(2, 0, 0, 3, 0).send(1, 3, 3, 2, 0);
        forge.elect(2, 1).expose(2, 1, 3, 3).send(2, 3, 3, 2, 0).expect_none("duplicate");
        forge.expect_none("order-broken");
    }
}
