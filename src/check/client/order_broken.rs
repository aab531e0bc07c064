//! `order-broken`, claim G1: within a partition the records of one producer keep their order.
//!
//! Defined on the canonical log: a record that appears for the first time behind a record of the
//! same process that it was handed over before. With idempotence this is judged within one
//! producer epoch; across a local epoch bump it is the mark `order-across-bump`. Without, every
//! case counts: several requests in flight and a retry are enough. A repeated record is a
//! duplicate, not a break of order. On the reading side: a consumer that is handed offsets below
//! its position although nothing set it back.

use super::inconsistent_read::Read;
use crate::base::ids::{NodeId, Offset, PartitionId};
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
    findings.exercise(PropertyId::OrderBroken);
    if arrival.late == 0 {
        return;
    }
    if !arrival.same_epoch {
        findings.mark_many(PropertyId::OrderAcrossBump, u64::from(arrival.late));
        return;
    }
    let violation =
        Violation::of(PropertyId::OrderBroken, stamp, Detail::Late { next: arrival.next })
            .partition(partition)
            .batch(entry, arrival.late);
    findings.add(PropertyId::OrderBroken, violation);
}

/// A consumer that stood at `position` was handed what begins below it.
#[cold]
pub(crate) fn led_back(
    partition: PartitionId,
    position: Offset,
    read: &Read,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let violation = Violation::of(PropertyId::OrderBroken, stamp, Detail::Reread { position })
        .partition(partition)
        .offset(read.base)
        .record(read.first, 1)
        .node(NodeId::Process(read.process));
    findings.add(PropertyId::OrderBroken, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn a_retried_batch_behind_a_later_one_breaks_the_order() {
        let mut forge = Forge::new();
        forge.append(1, 0, 2, 0).plain(1, 2, 4, 2).expect_none("order-broken");
        forge.plain(1, 4, 2, 2).expect("order-broken", 2).expect_none("duplicate");
    }

    #[test]
    fn across_an_epoch_bump_it_is_a_mark() {
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 2, 0).send(1, 2, 4, 2, 0).send(1, 4, 2, 2, 1);
        forge.expect_none("order-broken").expect("order-across-bump", 2);
        let mut forge = Forge::new();
        forge.send(1, 0, 0, 2, 0).send(1, 2, 4, 2, 0).send(1, 4, 2, 2, 0);
        forge.expect("order-broken", 2);
    }

    #[test]
    fn a_consumer_reads_forwards() {
        let mut forge = Forge::new();
        forge.append(1, 0, 4, 0).append(2, 0, 4, 0).append(3, 0, 4, 0).expose(1, 0, 2, 4);
        forge.consume(0, 2).consume(2, 2).rewind(1).consume(1, 1).expect_none("order-broken");
        forge.consume(0, 2).expect("order-broken", 1);
    }
}
