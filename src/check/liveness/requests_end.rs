//! `requests-end`, claim F21: whoever hands over a record hears what became of it.
//!
//! After the heal every record gets its result within `delivery.timeout.ms`, counted from the heal
//! or from when it was handed over, whichever is later, plus some seconds for the client to notice.
//! A process that dies takes its open records with it: nobody is left to hear.

use crate::base::ids::{NodeId, PartitionId, ProcessId};
use crate::base::time::{Span, Time};
use crate::check::properties::PropertyId;
use crate::check::streams::{Clients, ProducerKind};
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// How much later than its time-out a client may notice.
const NOTICE: Span = Span::secs(5);

/// Judges what is open at the end.
pub(crate) fn finish(clients: &Clients, healed: Time, stamp: Stamp, findings: &mut Findings) {
    for (process, kind) in clients.kinds.iter().enumerate() {
        let Some(ProducerKind { number, delivery_timeout, .. }) = kind.producer else { continue };
        let process = ProcessId(process as u16);
        for partition in 0..clients.partitions() {
            let stream = &clients.streams[clients.stream_of(number, partition)];
            let Some((ordinal, since)) = stream.oldest() else { continue };
            if since.max(healed) + delivery_timeout + NOTICE >= stamp.time {
                continue;
            }
            let detail = Detail::After { heal: stamp.time.since(healed) };
            let record = crate::model::batch::RecordId { process, ordinal };
            let violation = Violation::of(PropertyId::RequestsEnd, stamp, detail)
                .partition(PartitionId(partition as u16))
                .record(record, 1)
                .node(NodeId::Process(process));
            findings.add(PropertyId::RequestsEnd, violation);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::time::Span;
    use crate::check::forge::Forge;
    use crate::model::config::Acks;

    #[test]
    fn every_record_gets_a_result() {
        let mut forge = Forge::new();
        forge.submit(2).append(1, 0, 1, 0).heal().ack(0, 1, Acks::All);
        assert_eq!(forge.checks.liveness("requests-end"), None);
        forge.wait(Span::secs(200)).finish().expect("requests-end", 1);
        let mut forge = Forge::new();
        forge.submit(2).heal().give_up(0, 2).wait(Span::secs(200)).finish();
        forge.expect_none("requests-end");
    }

    #[test]
    fn a_dead_process_waits_for_nothing() {
        let mut forge = Forge::new();
        forge.submit(2).heal().stop_process(0).wait(Span::secs(200)).finish();
        forge.expect_none("requests-end");
    }
}
