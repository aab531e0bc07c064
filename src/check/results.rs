//! The other half of the switchboard: facts of clients, the end of a run, and what was found.

use crate::base::ids::{Offset, PartitionId, ProcessId};
use crate::base::time::{Span, Time};
use crate::model::batch::RecordId;
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, PositionChange, Stamp};

use super::ghost::PartitionGhost;
use super::inconsistent_read::Read;
use super::lanes::ProcessKind;
use super::liveness::Account;
use super::metrics::{METRICS, Metric, MetricId};
use super::promise::Armed;
use super::registry::{Kind, PROPERTIES, Property, PropertyId};
use super::violation::Violation;
use super::{
    Checks, End, acked_lost, dirty_read, isr_fills, metadata_converges, min_insync_ignored,
    order_broken, requests_end,
};

impl Checks {
    // ---- clients ----

    #[inline(always)]
    pub(super) fn submitted(
        &mut self,
        stamp: Stamp,
        process: ProcessId,
        partition: PartitionId,
        (record, workload, key): (RecordId, u32, Option<u32>),
    ) {
        let Some(&ProcessKind::Producer { lanes, hashes_keys, resends, .. }) =
            self.clients.kinds.get(process.index())
        else {
            return;
        };
        if partition.index() >= self.clients.partitions() {
            return;
        }
        let lane = lanes + partition.index();
        self.clients.lanes[lane].submit(record.ordinal, workload, stamp.time);
        self.metrics.submitted(partition.index(), stamp.time);
        self.writes_resume.submitted(partition.index(), &mut self.findings);
        if let (Some(key), true) = (key, hashes_keys) {
            let what = (process, record, key);
            self.key_misplaced.submitted(partition, what, stamp, &mut self.findings);
        }
        if resends {
            self.clients.pair(process, workload, (lane, record.ordinal));
        }
    }

    pub(super) fn acked(
        &mut self,
        stamp: Stamp,
        (process, partition): (ProcessId, PartitionId),
        (first, count): (RecordId, u32),
        base: Option<Offset>,
        acks: Acks,
    ) {
        self.clients.settled.clear();
        let Some(lane) = self.clients.lane(process, partition) else { return };
        let healed = self.ghosts.healed.unwrap_or(Time::ZERO);
        let settled = &mut self.clients.settled;
        let note = |_, _, since| settled.push(since);
        let resolved = self.clients.lanes[lane].resolve(first.ordinal, count, healed, note);
        self.requests_end.pay(resolved.old.into(), stamp.time);
        self.metrics.resolved(partition.index(), resolved.records.into(), true, stamp.time);
        self.metrics.add(MetricId::Acked, count.into());
        self.writes_resume.acked(partition.index(), stamp.time);
        match base {
            None => self.clients.lanes[lane].sent += u64::from(count),
            Some(base) => self.acked_at(stamp, partition, (base, first, count), acks),
        }
    }

    fn acked_at(
        &mut self,
        stamp: Stamp,
        partition: PartitionId,
        (base, first, count): (Offset, RecordId, u32),
        acks: Acks,
    ) {
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        if base < ghost.canon.start() {
            return; // retention was faster than the answer
        }
        let mut found = ghost.canon.find_record(base, first);
        if found.is_none()
            && let Some(epoch) = ghost.canon.elected_holding(base, first)
        {
            self.take_over(stamp, partition, epoch);
            found = self.ghosts.partitions[partition.index()].canon.find_record(base, first);
        }
        let ghost = &mut self.ghosts.partitions[partition.index()];
        let Some(place) = found else {
            acked_lost::told_too_late(ghost, (base, first, count), stamp, &mut self.findings);
            return;
        };
        let entry = ghost.canon.entry_mut(place);
        let epoch = entry.epoch;
        if entry.acked == Time::NEVER {
            entry.acked = stamp.time;
            ghost.acked_unjudged += u64::from(count);
        }
        if acks != Acks::All {
            return;
        }
        let end = base + u64::from(count);
        ghost.acked_all = ghost.acked_all.max(end);
        // An elected leader that has the record here in another batch, as a retry may make it, may
        // be the one who answered: then this batch need not have been on enough replicas.
        let may_be_another =
            !ghost.canon.is_settled() && ghost.canon.elected_holding(base, first).is_some();
        if !may_be_another {
            min_insync_ignored::acked(ghost, end, epoch, stamp, &mut self.findings);
        }
        if !ghost.canon.is_settled()
            && let Some(epoch) = ghost.canon.elected_lacks(end)
        {
            self.take_over(stamp, partition, epoch);
        }
    }

    /// Records failed: refused for good, or out of time with an unknown fate.
    pub(super) fn failed(
        &mut self,
        stamp: Stamp,
        (process, partition): (ProcessId, PartitionId),
        (first, count): (RecordId, u32),
        error: ErrorCode,
        unknown: bool,
    ) {
        let Some(lane) = self.clients.lane(process, partition) else { return };
        let resends = self.clients.resends(process);
        let healed = self.ghosts.healed.unwrap_or(Time::ZERO);
        let mut again = Vec::new();
        let resolved = self.clients.lanes[lane].resolve(
            first.ordinal,
            count,
            healed,
            |ordinal, workload, _| {
                if resends {
                    again.push((ordinal, workload));
                }
            },
        );
        for (ordinal, workload) in again {
            self.clients.give_up(process, workload, (lane, ordinal));
        }
        self.requests_end.pay(resolved.old.into(), stamp.time);
        self.metrics.resolved(partition.index(), resolved.records.into(), false, stamp.time);
        if !self.clients.has_open(partition.index()) {
            self.writes_resume.lapsed(partition.index(), stamp.time);
        }
        if unknown {
            self.findings.mark_many(PropertyId::GaveUp, count.into());
            self.metrics.add(MetricId::GaveUp, count.into());
        } else {
            self.metrics.add(MetricId::Rejected, count.into());
        }
        self.note_refusal(error);
    }

    /// What nodes say about themselves makes marks and counts, never a verdict.
    pub(super) fn claimed(&mut self, fact: &Fact) {
        match *fact {
            Fact::EpochBumped { .. } => self.findings.mark(PropertyId::EpochBumped),
            Fact::Deduplicated { .. } => self.findings.mark(PropertyId::Deduplicated),
            Fact::Retried { error, .. } => {
                self.findings.mark(PropertyId::BatchRetried);
                self.metrics.add(MetricId::Retries, 1);
                self.note_refusal(error);
            }
            _ => {}
        }
    }

    pub(super) fn note_refusal(&mut self, error: ErrorCode) {
        if matches!(error, ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend) {
            self.findings.mark(PropertyId::NotEnoughReplicas);
        }
    }

    pub(super) fn consumed(&mut self, stamp: Stamp, partition: PartitionId, read: &Read) {
        let Some(reader) = self.clients.reader(read.process, partition) else { return };
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let findings = &mut self.findings;
        let canonical = self.inconsistent_read.consumed(ghost, read, stamp, findings);
        dirty_read::consumed(ghost, read, canonical, stamp, findings);
        let state = &mut self.clients.readers[reader];
        order_broken::consumed(partition, state, read, stamp, findings);
        self.lag_drains.moved(reader, read.end(), stamp.time);
        self.metrics.add(MetricId::Consumed, read.count.into());
    }

    pub(super) fn position_set(
        &mut self,
        stamp: Stamp,
        process: ProcessId,
        partition: PartitionId,
        to: Offset,
        why: PositionChange,
    ) {
        match why {
            PositionChange::Truncation => self.findings.mark(PropertyId::ConsumerTruncated),
            PositionChange::OutOfRange => self.findings.mark(PropertyId::OutOfRange),
            PositionChange::Start | PositionChange::Seek => {}
        }
        if let Some(reader) = self.clients.reader(process, partition) {
            self.clients.readers[reader].position = Some(to);
            self.lag_drains.moved(reader, to, stamp.time);
        }
    }

    /// A process died: nobody waits for its open records, and nobody knows its positions.
    pub(super) fn process_gone(&mut self, stamp: Stamp, process: ProcessId) {
        let healed = self.ghosts.healed.unwrap_or(Time::ZERO);
        for partition in (0..self.ghosts.partitions.len()).map(|p| PartitionId(p as u16)) {
            if let Some(lane) = self.clients.lane(process, partition) {
                let gone = self.clients.lanes[lane].abandon(healed);
                self.requests_end.pay(gone.old.into(), stamp.time);
                let records = gone.records.into();
                self.metrics.resolved(partition.index(), records, false, stamp.time);
            }
            if let Some(reader) = self.clients.reader(process, partition) {
                self.clients.readers[reader].position = None;
            }
        }
        self.clients.forget(process);
    }

    // ---- the end ----

    /// The fault phase is over and everything has been healed: obligations count from here.
    pub fn healed(&mut self, at: Time) {
        self.now = self.now.max(at);
        self.ghosts.healed = Some(at);
        let open: u64 = self.clients.lanes.iter().map(|l| l.open() as u64).sum();
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
        isr_fills::finish(&self.ghosts.partitions, healed, stamp, findings);
        self.lag_drains.finish(&self.clients, healed, stamp, findings);
        metadata_converges::finish(&self.ghosts, healed, stamp, findings);
    }

    fn count_the_end(&mut self, stamp: Stamp) {
        let (mut unavailable, mut unread) = (0, 0);
        for ghost in &mut self.ghosts.partitions {
            self.findings.exercise_many(PropertyId::AckedLost, ghost.acked_unjudged);
            ghost.acked_unjudged = 0;
            let served = served_up_to(ghost);
            for entry in ghost.canon.entries().iter().filter(|e| e.acked != Time::NEVER) {
                let count = u64::from(entry.count);
                unavailable += if entry.end() > served { count } else { 0 };
                unread += if entry.read { 0 } else { count };
            }
            for kind in &self.clients.kinds {
                let ProcessKind::Producer { lanes, .. } = *kind else { continue };
                let lane = &self.clients.lanes[lanes + ghost.id.index()];
                let missing = lane.sent.saturating_sub(lane.present() + lane.lost);
                if missing > 0 {
                    acked_lost::never_appended(ghost.id, missing, stamp, &mut self.findings);
                }
            }
        }
        if self.clients.readers.is_empty() {
            unread = 0;
        }
        let resent = self.clients.duplicated_by_resend();
        self.findings.mark_many(PropertyId::DuplicateByResend, resent);
        self.findings.mark_many(PropertyId::Unavailable, unavailable);
        self.findings.mark_many(PropertyId::NeverConsumed, unread);
    }

    // ---- what was found ----

    /// The findings kept whole, in the order they were made.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        self.findings.kept()
    }

    /// How often a property was violated, in records where it is about records, or a mark seen.
    #[must_use]
    pub fn count(&self, property: &str) -> u64 {
        PropertyId::find(property).map_or(0, |id| self.findings.count(id))
    }

    /// When the records of the last acknowledgement heard had been handed over.
    #[must_use]
    pub fn settled(&self) -> &[Time] {
        &self.clients.settled
    }

    /// How many facts were heard.
    #[must_use]
    pub const fn heard(&self) -> u64 {
        self.heard
    }

    /// How often a property was put to the test; its registry entry says in what units. Any fact
    /// might have been a mark, so marks are exercised by every fact.
    #[must_use]
    pub fn exercised(&self, property: &str) -> u64 {
        PropertyId::find(property).map_or(0, |id| match id.property().kind {
            Kind::Mark => self.heard,
            Kind::Data | Kind::Liveness => self.findings.exercised(id),
        })
    }

    /// Every mark and how often it was seen.
    pub fn marks(&self) -> impl Iterator<Item = (&'static Property, u64)> {
        let marks = PROPERTIES.iter().zip(PropertyId::ALL).filter(|(p, _)| p.kind == Kind::Mark);
        marks.map(|(property, id)| (property, self.findings.count(*id)))
    }

    /// The first finding about a property that is promised.
    #[must_use]
    pub fn first_never_violation(
        &self,
        armed: &[(&'static str, Armed, &'static str)],
    ) -> Option<&Violation> {
        let promised = |name| armed.iter().any(|(n, a, _)| *n == name && *a == Armed::Never);
        self.findings.kept().iter().find(|v| promised(v.property))
    }

    /// Whether there are any findings.
    #[must_use]
    pub fn has_violations(&self) -> bool {
        !self.findings.kept().is_empty()
    }

    /// How long after the heal a liveness property came true; `None` if it has not yet.
    #[must_use]
    pub fn liveness(&self, property: &str) -> Option<Span> {
        let healed = self.ghosts.healed?;
        self.account(PropertyId::find(property)?)?.took(healed)
    }

    const fn account(&self, id: PropertyId) -> Option<&Account> {
        Some(match id {
            PropertyId::WritesResume => &self.writes_resume.account,
            PropertyId::RequestsEnd => &self.requests_end,
            PropertyId::IsrFills => &self.isr_fills.account,
            PropertyId::LagDrains => &self.lag_drains.account,
            PropertyId::MetadataConverges => &self.metadata_converges.account,
            _ => return None,
        })
    }

    /// Whether everything that must come true after the heal has, so that a run need not settle
    /// any longer.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.ghosts.healed.is_some()
            && self.writes_resume.account.is_settled()
            && self.requests_end.is_settled()
            && self.isr_fills.account.is_settled()
            && self.lag_drains.account.is_settled()
            && self.metadata_converges.account.is_settled()
    }

    /// The number of a metric, in its own unit. Known after [`Checks::finish`].
    #[must_use]
    pub fn metric(&self, metric: &Metric) -> u64 {
        let Some(place) = METRICS.iter().position(|m| m.name == metric.name) else { return 0 };
        match MetricId::ALL[place] {
            MetricId::Lost => self.findings.count(PropertyId::AckedLost),
            MetricId::CommittedLost => self.findings.count(PropertyId::CommittedLost),
            MetricId::DuplicatedByResend => self.clients.duplicated_by_resend(),
            MetricId::Unavailable => self.findings.count(PropertyId::Unavailable),
            MetricId::NeverConsumed => self.findings.count(PropertyId::NeverConsumed),
            id => self.metrics.value(id, self.now),
        }
    }

    /// The true high watermark of a partition: the highest offset that a leader ever showed.
    #[must_use]
    pub fn watermark(&self, partition: PartitionId) -> Option<Offset> {
        self.ghosts.partitions.get(partition.index()).map(|g| g.watermark)
    }
}

/// Up to where the present leader serves the canonical log; nothing without a leader.
fn served_up_to(ghost: &PartitionGhost) -> Offset {
    let leader = ghost.state.leader.and_then(|leader| ghost.place(leader));
    leader.map_or(Offset::ZERO, |place| ghost.canon.replica(place).matched)
}
