//! `read-skipped`, claims G14 and C9: a consumer is handed every record from its position on.
//!
//! A read, be it a whole batch or what `max.poll.records` lets through of one, begins where the
//! last one ended or where the position was set. What lies between may be missing only if no
//! client has written it there: control markers and internal records, and what the log that served
//! the read does not have (its start has moved past it, or it has a hole where its leader had
//! nothing). A new position is told by a fact of its own, and judged by `position-unjustified`.
//! Records of aborted transactions will be another reason; there are none yet.
//!
//! Also counted from what was read: the mark `never-consumed`, by record and consumer.

use super::inconsistent_read::Read;
use crate::base::ids::{NodeId, Offset};
use crate::base::time::Time;
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::reader::{Reader, count_in};
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::batch::RecordId;
use crate::model::fact::Stamp;

/// A consumer that stood at `position` was handed what begins above it.
#[cold]
pub(crate) fn skipped(
    ghost: &PartitionGhost,
    position: Offset,
    read: &Read,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let Some(place) = ghost.place(read.broker) else { return };
    let mut first: Option<(Offset, RecordId)> = None;
    let mut records = 0;
    let between = ghost.canon.log(place, position).flatten();
    for entry in between.take_while(|entry| entry.base < read.base) {
        let from = entry.base.max(position);
        let Some(record) = entry.record_at(from) else { continue };
        first = first.or(Some((from, record)));
        records += (entry.end().min(read.base) - from) as u32;
    }
    let Some((offset, record)) = first else { return };
    let violation = Violation::of(PropertyId::ReadSkipped, stamp, Detail::Skipped { position })
        .partition(ghost.id)
        .offset(offset)
        .record(record, records)
        .node(NodeId::Process(read.process));
    findings.add(PropertyId::ReadSkipped, violation);
}

/// How many acknowledged records of a partition this reader has not read, of those that are left.
pub(crate) fn unread(ghost: &PartitionGhost, reader: &mut Reader) -> u64 {
    let pieces = reader.has_read();
    let acked = ghost.canon.entries().iter().filter(|entry| entry.acked != Time::NEVER);
    acked.map(|e| u64::from(e.count) - count_in(pieces, e.base, e.end())).sum()
}

#[cfg(test)]
mod tests {
    use crate::base::time::Span;
    use crate::check::forge::Forge;
    use crate::model::config::Acks;
    use crate::model::plan::AppPlan;

    /// Batches [0..3) and [3..6), committed, and a consumer at 0.
    fn written() -> Forge {
        let mut forge = Forge::new();
        for broker in 1..=3 {
            forge.append(broker, 0, 3, 0).append(broker, 3, 3, 0);
        }
        forge.expose(1, 0, 2, 6).rewind(0);
        forge
    }

    #[test]
    fn a_read_begins_where_the_last_one_ended_to_the_record() {
        let mut forge = written();
        forge.consume(0, 1).consume(1, 2).consume(3, 1).consume(4, 2).expect_none("read-skipped");
        let mut forge = written();
        forge.consume(0, 1).consume(2, 1).expect("read-skipped", 1);
        // Told once: the next read goes on from there.
        forge.consume(3, 3).expect("read-skipped", 1).expect_none("order-broken");
    }

    #[test]
    fn the_rest_of_a_batch_and_what_lies_between_batches_count_by_the_record() {
        let mut forge = written();
        forge.consume(0, 2).consume(5, 1).expect("read-skipped", 3);
        let mut forge = written();
        forge.consume(3, 3).expect("read-skipped", 3);
        let mut forge = written();
        forge.rewind(5).consume(5, 1).expect_none("read-skipped");
        let mut forge = written();
        forge.rewind(4).consume(5, 1).expect("read-skipped", 1);
    }

    #[test]
    fn a_marker_is_handed_to_nobody() {
        let mut forge = Forge::new();
        for broker in 1..=3 {
            forge.append(broker, 0, 2, 0).marker(broker, 2, 0).append(broker, 3, 2, 0);
        }
        forge.expose(1, 0, 2, 5).rewind(0).consume(0, 2).consume(3, 2).expect_none("read-skipped");
        forge.rewind(0).consume(0, 1).consume(3, 2).expect("read-skipped", 1);
    }

    #[test]
    fn what_the_serving_log_no_longer_has_is_not_skipped() {
        let mut forge = written();
        // Files of another replica start above; the one that serves still has everything.
        forge.log_start(2, 3).consume(3, 3).expect("read-skipped", 3);
        let mut forge = written();
        forge.log_start(1, 3).consume(3, 3).expect_none("read-skipped");
        // The start has passed a part of what is missing.
        let mut forge = written();
        forge.log_start(1, 3).consume(4, 2).expect("read-skipped", 1);
    }

    #[test]
    fn a_consumer_that_starts_again_skips_nothing() {
        let mut forge = written();
        forge.consume(0, 1).stop_process(1).rewind(3).consume(3, 3).expect_none("read-skipped");
    }

    fn unread(forge: &mut Forge, read: impl FnOnce(&mut Forge) -> &mut Forge, count: u64) {
        let mut forge = forge.clone();
        read(forge.ack(0, 3, Acks::All).ack(3, 3, Acks::All)).finish();
        forge.expect("never-consumed", count);
    }

    #[test]
    fn what_was_never_read_is_counted_by_the_record() {
        let mut forge = written();
        unread(&mut forge, |f| f, 6);
        unread(&mut forge, |f| f.consume(0, 3).consume(3, 3), 0);
        unread(&mut forge, |f| f.consume(0, 1), 5);
        unread(&mut forge, |f| f.consume(0, 1).rewind(2).consume(2, 2), 3);
        unread(&mut forge, |f| f.consume(0, 4).rewind(1).consume(1, 4), 1);
        unread(&mut forge, |f| f.consume(0, 4).stop_process(1).rewind(5).consume(5, 1), 1);
        // Of records that retention took nobody asks.
        unread(&mut forge, |f| f.log_start(1, 3).log_start(2, 3).log_start(3, 3), 3);
    }

    #[test]
    fn what_was_never_read_is_counted_for_each_consumer() {
        let two = |starts: bool, assigned: bool| {
            let mut forge = Forge::with(|plan| {
                let mut second = plan.processes[1].clone();
                second.starts = starts;
                if let (AppPlan::Consumer(consumer), false) = (&mut second.app, assigned) {
                    consumer.assign.clear();
                }
                plan.processes.push(second);
                plan.names.processes.push("d".to_owned());
            });
            for broker in 1..=3 {
                forge.append(broker, 0, 3, 0);
            }
            forge.expose(1, 0, 2, 3).ack(0, 3, Acks::All).rewind(0).consume(0, 2);
            forge.wait(Span::secs(1)).finish();
            forge
        };
        two(true, true).expect("never-consumed", 4);
        two(true, false).expect("never-consumed", 1);
        // A script's consumer reads when it is told to.
        two(false, true).expect("never-consumed", 1);
    }

    #[test]
    fn a_record_that_was_read_and_replaced_has_not_been_read() {
        let mut forge = written();
        forge
            .consume(0, 3)
            .consume(3, 3)
            .elect(2, 1)
            .truncate(2, 6, 3)
            .append_other(2, 3, 2, 1, 40);
        forge.append_other(3, 3, 2, 1, 40).ack(0, 3, Acks::All);
        forge.ack_record(3, 40, 2).rewind(6).finish().expect("never-consumed", 2);
    }
}
