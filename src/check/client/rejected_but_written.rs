//! `rejected-but-written`, claim G8: what a producer reports as refused for good is in no log.
//!
//! An application that is told so may send the item again as another record without having it
//! twice. Where the producer does not know (a request timed out, a connection was lost, too few
//! replicas after the append) it says that it gave up, which promises nothing. Judged at the end,
//! on the canonical log, whether retention has deleted the record since or not, and on what
//! replicas have beyond it.

use crate::base::ids::{BrokerId, PartitionId, ProcessId};
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::streams::{Clients, ProducerKind};
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::batch::RecordId;
use crate::model::fact::Stamp;

/// At the end: refused records of a partition that are written.
pub(crate) fn finish(
    ghost: &PartitionGhost,
    clients: &Clients,
    stamp: Stamp,
    findings: &mut Findings,
) {
    for (process, kind) in clients.kinds.iter().enumerate() {
        let Some(ProducerKind { number, .. }) = kind.producer else { continue };
        let stream = &clients.streams[clients.stream_of(number, ghost.id.index())];
        let process = ProcessId(process as u16);
        for (from, to) in stream.rejected() {
            let mut at = *from;
            while let Some((first, end)) = stream.first_held(at, *to) {
                let records = (RecordId { process, ordinal: first }, end - first);
                report(ghost.id, records, None, stamp, findings);
                at = end;
            }
        }
        if !stream.rejected().is_empty() {
            finish_tails(ghost, process, stream.rejected(), stamp, findings);
        }
    }
}

/// What replicas have beyond the canonical log, as one that is down may have.
#[cold]
fn finish_tails(
    ghost: &PartitionGhost,
    process: ProcessId,
    rejected: &[(u32, u32)],
    stamp: Stamp,
    findings: &mut Findings,
) {
    for (place, replica) in ghost.canon.replicas().iter().enumerate() {
        for entry in ghost.canon.log(place, replica.matched).flatten() {
            let Some(first) = entry.workload().filter(|first| first.process == process) else {
                continue;
            };
            let (from, to) = (first.ordinal, first.ordinal.saturating_add(entry.count));
            for (low, high) in rejected.iter().map(|(a, b)| (from.max(*a), to.min(*b))) {
                if low < high {
                    let records = (RecordId { process, ordinal: low }, high - low);
                    report(ghost.id, records, Some(ghost.replicas[place]), stamp, findings);
                }
            }
        }
    }
}

fn report(
    partition: PartitionId,
    (first, count): (RecordId, u32),
    broker: Option<BrokerId>,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let violation = Violation::of(PropertyId::RejectedButWritten, stamp, Detail::Rejected)
        .partition(partition)
        .record(first, count);
    let violation = broker.map_or(violation, |broker| violation.broker(broker));
    findings.add(PropertyId::RejectedButWritten, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn refused_records_are_not_in_the_log() {
        let mut forge = Forge::new();
        forge.submit(9).append(1, 0, 3, 0).reject(3, 2).append_other(1, 3, 4, 0, 5);
        forge.clone().finish().expect_none("rejected-but-written");
        assert_eq!(forge.checks.exercised("rejected-but-written"), 2);
        // The record before them, the one after them, and one of them.
        forge.clone().reject(2, 1).finish().expect("rejected-but-written", 1);
        forge.clone().reject(5, 1).finish().expect("rejected-but-written", 1);
        forge.clone().append_other(1, 7, 1, 0, 4).finish().expect("rejected-but-written", 1);
        // All that was appended, in one report per piece.
        let mut forge = forge.clone();
        forge.reject(0, 3).reject(5, 4).finish().expect("rejected-but-written", 7);
        let said = forge.checks.violations()[0].text(&forge.names);
        assert_eq!(said, "t-0, records r0 to r2 of p, reported as refused for good");
    }

    #[test]
    fn what_was_given_up_may_be_there() {
        let mut forge = Forge::new();
        forge.submit(3).append(1, 0, 3, 0).give_up(0, 3).finish();
        forge.expect_none("rejected-but-written");
        assert_eq!(forge.checks.exercised("rejected-but-written"), 0);
    }

    #[test]
    fn it_may_be_appended_after_the_refusal_and_deleted_by_retention() {
        let mut forge = Forge::new();
        forge.submit(3).reject(0, 3).append(1, 0, 3, 0).append(2, 0, 3, 0).append(3, 0, 3, 0);
        forge.marker(1, 3, 0).marker(2, 3, 0).marker(3, 3, 0).expose(1, 0, 2, 4);
        forge.log_start(1, 3).log_start(2, 3).log_start(3, 3);
        forge.finish().expect("rejected-but-written", 3);
    }

    #[test]
    fn what_fell_out_of_every_log_was_refused_in_the_end() {
        let lost = |cut: bool| {
            let mut forge = Forge::new();
            forge.submit(3).marker(1, 0, 0).marker(2, 0, 0).append_other(1, 1, 2, 0, 0);
            forge.elect(2, 1).marker(2, 1, 1).reject(0, 2);
            if cut {
                forge.truncate(1, 3, 1);
            }
            forge.finish();
            forge
        };
        lost(true).expect_none("rejected-but-written");
        // The deposed leader still has them.
        lost(false).expect("rejected-but-written", 2);
    }
}
