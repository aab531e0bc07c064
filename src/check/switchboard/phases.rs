//! `impl Checks` for the phases of a run: the heal, the end of the workload, the end.

use crate::base::ids::Offset;
use crate::base::time::Time;
use crate::check::client::read_skipped;
use crate::check::client::rejected_but_written;
use crate::check::ghost::PartitionGhost;
use crate::check::liveness::{isr_fills, metadata_converges, requests_end};
use crate::check::log::acked_lost;
use crate::check::properties::PropertyId;
use crate::check::streams::ProducerKind;
use crate::check::{Checks, End};
use crate::model::fact::Stamp;

impl Checks {
    /// The fault phase is over and everything has been healed: obligations count from here.
    pub fn healed(&mut self, at: Time) {
        self.now = self.now.max(at);
        self.ghosts.healed = Some(at);
        let open: u64 = self.clients.streams.iter().map(|l| l.open() as u64).sum();
        self.requests_end.owe(open);
        self.findings.exercise_many(PropertyId::RequestsEnd, open);
        let clients = &self.clients;
        let is_open = |partition: usize| clients.has_open(partition);
        self.writes_resume.healed(is_open, &mut self.findings);
        let partitions = &self.ghosts.partitions;
        let watermark = |partition: usize| {
            let ghost = &partitions[partition];
            (!ghost.is_stuck()).then_some(ghost.watermark)
        };
        self.lag_drains.healed(clients, watermark, at, &mut self.findings);
    }

    /// Everything has been judged once, or its time is over: producers are told to stop.
    pub const fn stopping(&mut self) {
        self.writes_resume.stopping();
    }

    /// The run is over.
    pub fn finish(&mut self, end: End) {
        let stamp = Stamp { time: end.at, ..Stamp::default() };
        self.now = end.at;
        self.settle_late();
        self.count_the_end(stamp);
        self.metrics.finish(end.at);
        let Some(healed) = self.ghosts.healed.filter(|_| end.judged_liveness) else { return };
        let findings = &mut self.findings;
        self.writes_resume.finish(healed, stamp, findings);
        requests_end::finish(&self.clients, healed, stamp, findings);
        isr_fills::finish(&self.ghosts, healed, stamp, findings);
        self.lag_drains.finish(&self.clients, healed, stamp, findings);
        metadata_converges::finish(&self.ghosts, healed, stamp, findings);
    }

    pub(in crate::check) fn count_the_end(&mut self, stamp: Stamp) {
        let (mut unavailable, mut unread) = (0, 0);
        for ghost in &mut self.ghosts.partitions {
            self.findings.exercise_many(PropertyId::AckedLost, ghost.acked_unjudged);
            ghost.acked_unjudged = 0;
            let served = served_up_to(ghost);
            for entry in ghost.canon.entries().iter().filter(|e| e.acked != Time::NEVER) {
                unavailable += if entry.end() > served { u64::from(entry.count) } else { 0 };
            }
            for number in self.clients.steady_consumers() {
                let reader = self.clients.reader_of(number, ghost.id.index());
                let reader = &mut self.clients.readers[reader];
                unread += if reader.assigned { read_skipped::unread(ghost, reader) } else { 0 };
            }
            rejected_but_written::finish(ghost, &self.clients, stamp, &mut self.findings);
            for kind in &self.clients.kinds {
                let Some(ProducerKind { number, .. }) = kind.producer else { continue };
                let stream = self.clients.stream_of(number, ghost.id.index());
                let stream = &self.clients.streams[stream];
                let missing = stream.sent.saturating_sub(stream.present() + stream.lost);
                if missing > 0 {
                    acked_lost::never_appended(ghost.id, missing, stamp, &mut self.findings);
                }
            }
        }
        let resent = self.clients.duplicated_by_resend();
        self.findings.mark_many(PropertyId::DuplicateByResend, resent);
        self.findings.mark_many(PropertyId::Unavailable, unavailable);
        self.findings.mark_many(PropertyId::NeverConsumed, unread);
    }
}

/// Up to where the present leader serves the canonical log; nothing without a leader.
fn served_up_to(ghost: &PartitionGhost) -> Offset {
    let leader = ghost.state.leader.and_then(|leader| ghost.place(leader));
    leader.map_or(Offset::ZERO, |place| ghost.canon.replica(place).matched)
}
