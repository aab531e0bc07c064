//! `impl Checks` for facts of client processes: records submitted, acknowledged, failed and read.

use crate::base::ids::{Offset, PartitionId, ProcessId};
use crate::base::time::Time;
use crate::check::Checks;
use crate::check::client::inconsistent_read::Read;
use crate::check::client::position_unjustified::{self, Answerer};
use crate::check::client::{dirty_read, order_broken, read_skipped};
use crate::check::log::acked_lost;
use crate::check::metrics::MetricId;
use crate::check::properties::PropertyId;
use crate::check::replication::min_insync_ignored;
use crate::check::streams::ProducerKind;
use crate::model::batch::RecordId;
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, PositionChange, Stamp};

impl Checks {
    /// What is rare of what clients say.
    pub(in crate::check) fn client(&mut self, stamp: Stamp, fact: &Fact) {
        match *fact {
            Fact::Rejected { process, partition, first, count, error } => {
                self.failed(stamp, (process, partition), (first, count), error, false);
            }
            Fact::GaveUp { process, partition, first, count, error } => {
                self.failed(stamp, (process, partition), (first, count), error, true);
            }
            Fact::SendFailed { .. } => self.metrics.add(MetricId::SendFailed, 1),
            Fact::PositionSet { process, partition, to, why } => {
                self.position_set(stamp, process, partition, to, why);
            }
            Fact::Called { process, partition, error } => {
                self.thrown(stamp, (process, partition), error);
                self.lag_drains.stopped(&self.clients, process, stamp.time);
            }
            Fact::ClientStopped { process } => {
                self.lag_drains.stopped(&self.clients, process, stamp.time);
            }
            _ => {}
        }
    }

    /// A record was handed to a producer.
    ///
    /// Speed: inline in [`Checks::observe`], as the most frequent fact of clients.
    #[inline(always)]
    pub(in crate::check) fn submitted(
        &mut self,
        stamp: Stamp,
        process: ProcessId,
        partition: PartitionId,
        (record, workload, key): (RecordId, u32, Option<u32>),
    ) {
        let Some(kind) = self.clients.kinds.get(process.index()) else { return };
        let Some(ProducerKind { number, hashes_keys, resends, .. }) = kind.producer else {
            return;
        };
        if partition.index() >= self.clients.partitions() {
            return;
        }
        let stream = self.clients.stream_of(number, partition.index());
        self.clients.streams[stream].submit(record.ordinal, workload, stamp.time);
        self.metrics.submitted(partition.index(), stamp.time);
        self.writes_resume.submitted(partition.index(), &mut self.findings);
        if let (Some(key), true) = (key, hashes_keys) {
            let what = (process, record, key);
            self.key_misplaced.submitted(partition, what, stamp, &mut self.findings);
        }
        if resends {
            self.clients.pair(process, workload, (stream, record.ordinal));
        }
    }

    pub(in crate::check) fn acked(
        &mut self,
        stamp: Stamp,
        (process, partition): (ProcessId, PartitionId),
        (first, count): (RecordId, u32),
        base: Option<Offset>,
        acks: Acks,
    ) {
        self.clients.resolved_since.clear();
        let Some(stream) = self.clients.stream(process, partition) else { return };
        let healed = self.ghosts.healed.unwrap_or(Time::ZERO);
        let resolved_since = &mut self.clients.resolved_since;
        let note = |_, _, since| resolved_since.push(since);
        let resolved = self.clients.streams[stream].resolve(first.ordinal, count, healed, note);
        self.requests_end.pay(resolved.old.into(), stamp.time);
        self.metrics.resolved(partition.index(), resolved.records.into(), true, stamp.time);
        self.metrics.add(MetricId::Acked, count.into());
        self.writes_resume.acked(partition.index(), stamp.time);
        match base {
            None => self.clients.streams[stream].sent += u64::from(count),
            Some(base) => self.acked_at(stamp, partition, (base, first, count), acks),
        }
    }

    pub(in crate::check) fn acked_at(
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
    pub(in crate::check) fn failed(
        &mut self,
        stamp: Stamp,
        (process, partition): (ProcessId, PartitionId),
        (first, count): (RecordId, u32),
        error: ErrorCode,
        unknown: bool,
    ) {
        let Some(stream) = self.clients.stream(process, partition) else { return };
        let resends = self.clients.resends(process);
        let healed = self.ghosts.healed.unwrap_or(Time::ZERO);
        let mut again = Vec::new();
        let resolved = self.clients.streams[stream].resolve(
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
            self.clients.give_up(process, workload, (stream, ordinal));
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
            self.clients.streams[stream].reject(first.ordinal, count);
            self.findings.exercise_many(PropertyId::RejectedButWritten, count.into());
            self.metrics.add(MetricId::Rejected, count.into());
        }
        self.note_refusal(error);
    }

    /// What nodes say about themselves makes marks and counts, never a verdict.
    pub(in crate::check) fn claimed(&mut self, fact: &Fact) {
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

    pub(in crate::check) fn note_refusal(&mut self, error: ErrorCode) {
        if matches!(error, ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend) {
            self.findings.mark(PropertyId::NotEnoughReplicas);
        }
    }

    pub(in crate::check) fn consumed(&mut self, stamp: Stamp, partition: PartitionId, read: &Read) {
        let Some(reader) = self.clients.reader(read.process, partition) else { return };
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let findings = &mut self.findings;
        let canonical = self.inconsistent_read.consumed(ghost, read, stamp, findings);
        dirty_read::consumed(ghost, read, canonical, stamp, findings);
        findings.exercise(PropertyId::OrderBroken);
        findings.exercise(PropertyId::ReadSkipped);
        let state = &mut self.clients.readers[reader];
        if !state.reads_on(read.base, read.end(), read.epoch) {
            let at = (read.process, read.base);
            position_unjustified::read(ghost, state, at, stamp, findings);
            match state.position() {
                Some(position) if read.base < position => {
                    order_broken::led_back(partition, position, read, stamp, findings);
                }
                Some(position) => read_skipped::skipped(ghost, position, read, stamp, findings),
                None => {}
            }
            state.reads_elsewhere(read.base, read.end(), read.epoch);
        }
        self.lag_drains.moved(reader, read.end(), stamp.time);
        self.metrics.add(MetricId::Consumed, read.count.into());
    }

    pub(in crate::check) fn position_set(
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
            let reader_ghost = &mut self.clients.readers[reader];
            if let Some(ghost) = self.ghosts.partitions.get(partition.index()) {
                let change = (process, to, why);
                position_unjustified::set(ghost, reader_ghost, change, stamp, &mut self.findings);
            }
            reader_ghost.set(to);
            self.lag_drains.moved(reader, to, stamp.time);
        }
    }

    /// A consumer's application got an exception.
    fn thrown(
        &mut self,
        stamp: Stamp,
        (process, partition): (ProcessId, PartitionId),
        error: ErrorCode,
    ) {
        let (change, mark) = match error {
            ErrorCode::OffsetOutOfRange => (PositionChange::OutOfRange, PropertyId::OutOfRange),
            ErrorCode::LogTruncation => (PositionChange::Truncation, PropertyId::ConsumerTruncated),
            _ => return,
        };
        self.findings.mark(mark);
        let Some(reader) = self.clients.reader(process, partition) else { return };
        let ghost = &self.ghosts.partitions[partition.index()];
        let reader = &mut self.clients.readers[reader];
        position_unjustified::thrown(ghost, reader, (process, change), stamp, &mut self.findings);
    }

    /// What brokers say of consumers' positions; what else the network says is for traces.
    pub(in crate::check) fn network(&mut self, stamp: Stamp, fact: &Fact) {
        match *fact {
            Fact::PositionAnswered { broker, partition, to, answer } => {
                let Some(reader) = self.clients.reader(to, partition) else { return };
                let Some(policy) = self.clients.reset_policy(to) else { return };
                let ghost = &self.ghosts.partitions[partition.index()];
                let Some(place) = ghost.place(broker) else { return };
                let restarted = self.ghosts.broker(broker).starts > 0;
                let reader = &mut self.clients.readers[reader];
                let answerer = Answerer { broker, place, restarted };
                let answer = (answer, policy);
                let findings = &mut self.findings;
                position_unjustified::answered(ghost, reader, answerer, answer, stamp, findings);
            }
            Fact::PositionTold { broker, partition, to, answer } => {
                let Some(reader) = self.clients.reader(to, partition) else { return };
                position_unjustified::told(&mut self.clients.readers[reader], broker, answer);
            }
            _ => {}
        }
    }

    /// A process died: nobody waits for its open records, and nobody knows its positions.
    pub(in crate::check) fn process_gone(&mut self, stamp: Stamp, process: ProcessId) {
        let healed = self.ghosts.healed.unwrap_or(Time::ZERO);
        for partition in (0..self.ghosts.partitions.len()).map(|p| PartitionId(p as u16)) {
            if let Some(stream) = self.clients.stream(process, partition) {
                let gone = self.clients.streams[stream].abandon(healed);
                self.requests_end.pay(gone.old.into(), stamp.time);
                let records = gone.records.into();
                self.metrics.resolved(partition.index(), records, false, stamp.time);
            }
            if let Some(reader) = self.clients.reader(process, partition) {
                self.clients.readers[reader].forget();
            }
        }
        self.clients.forget(process);
    }
}
