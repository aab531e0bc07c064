//! The oracle: it hears facts and says what must not have happened.
//!
//! Invariant: a checker has never seen a node. It has only heard facts, and a data guarantee has
//! only heard observed ones; claims feed marks and metrics. Start with [`canon`] (ghost logs), then
//! any property file: each is one property, named for what must not happen, with the claim it
//! stands for. This file is the switchboard: one match on the fact, calling the checks concerned,
//! and the two things that several of them share: a take-over by a new leader, and a cut log.
//!
//! Everything is incremental: a fact costs what it changed. [`audit`] compares the ghosts with the
//! real state, rarely. Does not know which findings fail a run: that is [`promise`] and `run`.

mod acked_lost;
pub mod audit;
mod candidate_incomplete;
mod canon;
mod committed;
mod committed_lost;
mod dirty_read;
mod duplicate;
mod election_unjustified;
pub mod expect;
mod fenced_in_isr;
#[cfg(test)]
mod forge;
mod ghost;
mod inconsistent_read;
mod isr_fills;
mod isr_unjustified;
mod key_misplaced;
mod lag_drains;
mod lanes;
mod leader_incomplete;
mod liveness;
mod log_diverged;
mod metadata_converges;
pub mod metrics;
mod min_insync_ignored;
mod order_broken;
pub mod promise;
pub mod registry;
mod requests_end;
mod results;
mod retention_broken;
mod two_leaders;
pub mod violation;
mod watermark_fell;
mod writes_resume;

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, Offset, PartitionId};
use crate::base::time::Time;
use crate::model::batch::BatchKind;
use crate::model::config::Acks;
use crate::model::fact::{Fact, Stamp};
use crate::model::fault::FaultKind;
use crate::model::plan::Plan;

use self::acked_lost::Loss;
use self::canon::{Append, Entry};
use self::election_unjustified::Election;
use self::ghost::{Ghosts, PartitionGhost};
use self::inconsistent_read::{InconsistentRead, Read};
use self::isr_fills::IsrFills;
use self::isr_unjustified::IsrUnjustified;
use self::key_misplaced::KeyMisplaced;
use self::lag_drains::LagDrains;
use self::lanes::Clients;
use self::liveness::Account;
use self::metadata_converges::MetadataConverges;
use self::metrics::{MetricId, Metrics};
use self::registry::PropertyId;
use self::retention_broken::RetentionBroken;
use self::two_leaders::TwoLeaders;
use self::violation::{Detail, Findings};
use self::watermark_fell::{Places, Source, WatermarkFell};
use self::writes_resume::WritesResume;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Time,
    /// Whether liveness is judged: everything was healed and `settle` is over, or all is met.
    pub judged_liveness: bool,
}

/// What is judged when its instant is over, because the records of one batch come in any order.
#[derive(Clone, Copy, Debug)]
enum Late {
    Joined(PartitionId, usize),
    Left(PartitionId, usize, Time),
    Fenced(BrokerId),
    Elected(Election),
}

/// All checkers of a run.
#[derive(Clone, Debug)]
pub struct Checks {
    ghosts: Ghosts,
    clients: Clients,
    findings: Findings,
    metrics: Metrics,
    watermark_fell: WatermarkFell,
    inconsistent_read: InconsistentRead,
    two_leaders: TwoLeaders,
    isr_unjustified: IsrUnjustified,
    key_misplaced: KeyMisplaced,
    retention_broken: RetentionBroken,
    writes_resume: WritesResume,
    isr_fills: IsrFills,
    lag_drains: LagDrains,
    metadata_converges: MetadataConverges,
    requests_end: Account,
    late: Vec<(Stamp, Late)>,
    removed: Vec<Entry>,
    now: Time,
    heard: u64,
}

impl Checks {
    /// Checkers for runs of this plan. At time zero every broker is unfenced, every ISR full and
    /// every partition led by its first replica.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let ghosts = Ghosts::new(plan);
        let clients = Clients::new(plan);
        let partitions = ghosts.partitions.len();
        let receivers = plan.brokers.len() + plan.processes.len();
        Self {
            findings: Findings::new(),
            metrics: Metrics::new(partitions),
            watermark_fell: WatermarkFell::new(partitions * receivers),
            inconsistent_read: InconsistentRead::new(partitions),
            two_leaders: TwoLeaders::new(partitions),
            isr_unjustified: IsrUnjustified::new(&ghosts.partitions),
            key_misplaced: KeyMisplaced::new(&plan.names),
            retention_broken: RetentionBroken::new(plan, &ghosts.partitions),
            writes_resume: WritesResume::new(partitions),
            isr_fills: IsrFills::default(),
            lag_drains: LagDrains::new(&clients),
            metadata_converges: MetadataConverges::default(),
            requests_end: Account::default(),
            late: Vec::new(),
            removed: Vec::new(),
            now: Time::ZERO,
            heard: 0,
            ghosts,
            clients,
        }
    }

    /// Hears a fact.
    #[inline(always)]
    pub fn observe(&mut self, stamp: Stamp, fact: &Fact) {
        self.heard = self.heard.wrapping_add(1);
        if let Some((first, _)) = self.late.first()
            && first.time < stamp.time
        {
            self.settle_late();
        }
        match *fact {
            Fact::Appended {
                broker,
                partition,
                base,
                count,
                leader_epoch,
                first,
                sequence,
                kind,
            } => {
                let entry = Entry {
                    base,
                    first,
                    count,
                    epoch: leader_epoch,
                    sequence,
                    acked: Time::NEVER,
                    kind,
                    read: false,
                    kept: false,
                };
                if !self.follows(broker, partition, &entry) {
                    // A copy of its own: so only then does the batch lie in memory.
                    let own = entry;
                    self.appended(stamp, broker, partition, &own);
                }
            }
            Fact::WatermarkExposed { broker, partition, leader_epoch, to, connection, offset } => {
                let source = Source { broker, epoch: leader_epoch, connection };
                self.exposed(stamp, partition, source, to, offset);
            }
            Fact::Submitted { process, partition, record, workload, key, .. } => {
                self.submitted(stamp, process, partition, (record, workload, key));
            }
            Fact::Acked { process, partition, first, count, base, acks } => {
                self.acked(stamp, (process, partition), (first, count), base, acks);
            }
            Fact::Consumed { process, partition, base, count, leader_epoch, first, broker } => {
                let read = Read { process, base, count, epoch: leader_epoch, first, broker };
                self.consumed(stamp, partition, &read);
            }
            Fact::Truncated { broker, partition, to, .. } => {
                self.cut(stamp, broker, partition, to, PropertyId::FollowerTruncated);
            }
            Fact::TailLost { broker, partition, to, .. } => {
                self.cut(stamp, broker, partition, to, PropertyId::TailLost);
            }
            Fact::LogStartMoved { broker, partition, to } => {
                self.start_moved(stamp, broker, partition, to);
            }
            Fact::Elected { partition, leader, leader_epoch, isr, unclean, .. } => {
                self.elected(stamp, partition, leader, (leader_epoch, isr), unclean);
            }
            Fact::IsrCommitted { partition, state } => self.isr_committed(stamp, partition, state),
            ref other => self.observe_rare(stamp, other),
        }
    }

    #[cold]
    fn observe_rare(&mut self, stamp: Stamp, fact: &Fact) {
        match *fact {
            ref claim if claim.is_claimed() => self.claimed(claim),
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
            Fact::ClientStopped { process } | Fact::Called { process, .. } => {
                self.lag_drains.stopped(&self.clients, process, stamp.time);
            }
            Fact::Stopped { node, .. } => self.stopped(stamp, node),
            Fact::Started { node } => self.started(stamp, node),
            Fact::Paused { node: NodeId::Broker(broker) } => {
                self.disturb(stamp, broker, |b| b.paused = true);
            }
            Fact::Resumed { node: NodeId::Broker(broker) } => {
                self.disturb(stamp, broker, |b| b.paused = false);
            }
            Fact::DiskFailed { broker, .. } => {
                self.disturb(stamp, broker, |b| b.disk_failed = true);
            }
            Fact::BrokerRegistered { broker, incarnation, unclean, .. } => {
                self.registered(stamp, broker, incarnation, unclean);
            }
            Fact::BrokerFenced { broker } => {
                self.session_changed(stamp, broker, |b| b.fenced = true);
                self.late.push((stamp, Late::Fenced(broker)));
                self.findings.mark(PropertyId::BrokerFenced);
            }
            Fact::BrokerShuttingDown { broker } => {
                self.session_changed(stamp, broker, |b| {
                    (b.shutting_down, b.leaving) = (true, true)
                });
            }
            Fact::BrokerUnfenced { broker } => self.unfenced(stamp, broker),
            Fact::ConfigCommitted { topic, key, value } => {
                self.configured(stamp, topic, key, value);
            }
            Fact::Injected { kind: FaultKind::ElectUnclean, .. } => {
                self.ghosts.unclean_asked = true
            }
            Fact::Injected { kind: FaultKind::ClockSkew, node, .. }
            | Fact::Healed { kind: FaultKind::ClockSkew, node, .. } => {
                self.ghosts.clocks_skewed = true;
                self.isr_unjustified.clock_moved(&self.ghosts.partitions, node);
            }
            _ => {}
        }
    }

    // ---- logs ----

    /// Most appends are a follower's, of what the canonical log has next: nothing else is to be
    /// judged then. A leader that has not acted yet does not begin to lead by such a one either.
    #[inline(always)]
    fn follows(&mut self, broker: BrokerId, partition: PartitionId, entry: &Entry) -> bool {
        let Some(ghost) = self.ghosts.partition(partition) else { return false };
        let Some(place) = ghost.place(broker) else { return false };
        let matched = ghost.canon.append_next(place, entry);
        if matched {
            log_diverged::matched(&mut self.findings);
        }
        matched
    }

    fn appended(&mut self, stamp: Stamp, broker: BrokerId, partition: PartitionId, entry: &Entry) {
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let Some(place) = ghost.place(broker) else { return };
        if !ghost.canon.is_settled()
            && let Some(epoch) = ghost.canon.begins_to_lead(place, entry)
        {
            self.take_over(stamp, partition, epoch);
        }
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let outcome = ghost.canon.append(place, entry);
        log_diverged::appended(ghost, broker, entry, outcome, stamp, &mut self.findings);
        if matches!(outcome, Append::Extended | Append::Gap) {
            self.led_on(stamp, (broker, partition), entry, outcome);
        }
    }

    /// A leader made the canonical log longer, or there is a gap, and it may have.
    fn led_on(
        &mut self,
        stamp: Stamp,
        (broker, partition): (BrokerId, PartitionId),
        entry: &Entry,
        outcome: Append,
    ) {
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let Some((lane, acks)) = self.clients.lane_and_acks(entry.first.process, partition) else {
            return;
        };
        let is_data = entry.kind == BatchKind::Data;
        if is_data && acks == Acks::None {
            ghost.canon.acked_at_once(entry, stamp.time);
        }
        if outcome != Append::Extended {
            return;
        }
        let created = || self.clients.lanes[lane].created(entry.first.ordinal);
        self.retention_broken.appended(partition.index(), entry.base, stamp.time, created);
        if acks == Acks::All {
            min_insync_ignored::appended(ghost, entry, broker, stamp, &mut self.findings);
        }
        if is_data {
            self.extended(stamp, partition, entry, lane);
        }
    }

    /// The canonical log grew by a batch of this lane.
    fn extended(&mut self, stamp: Stamp, partition: PartitionId, entry: &Entry, lane: usize) {
        let lane = &mut self.clients.lanes[lane];
        let arrival = lane.arrive(entry.first.ordinal, entry.count, entry.sequence);
        duplicate::appended(partition, entry, arrival, stamp, &mut self.findings);
        order_broken::appended(partition, entry, arrival, stamp, &mut self.findings);
        if arrival.again > 0 {
            self.metrics.add(MetricId::Duplicated, arrival.again.into());
        }
    }

    /// The leader that was elected last has begun to act, or is known to lack something: what it
    /// does not have is out of the canonical log from now on.
    #[cold]
    fn take_over(&mut self, stamp: Stamp, partition: PartitionId, epoch: LeaderEpoch) {
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let Some(place) = ghost.canon.elected_in(epoch) else { return };
        self.findings.exercise_many(PropertyId::AckedLost, ghost.acked_unjudged);
        ghost.acked_unjudged = 0;
        let (cut, adopted) = ghost.canon.take_over(epoch, &mut self.removed);
        if cut < ghost.watermark {
            let range = (cut, ghost.watermark);
            leader_incomplete::lacks(ghost, (place, epoch), range, stamp, &mut self.findings);
        }
        let loss = Loss::MissingFrom(ghost.replicas[place], epoch);
        self.fell_out(stamp, partition, cut, loss);
        for at in adopted {
            let entry = self.ghosts.partitions[partition.index()].canon.entries()[at];
            if let Some(lane) = self.clients.lane(entry.first.process, partition) {
                self.extended(stamp, partition, &entry, lane);
            }
        }
    }

    /// `self.removed` fell out of the canonical log, which agrees with the old one up to `cut`.
    #[cold]
    fn fell_out(&mut self, stamp: Stamp, partition: PartitionId, cut: Offset, loss: Loss) {
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let watermark = ghost.watermark;
        if cut < watermark {
            ghost.accounted = ghost.accounted.max(watermark);
            ghost.watermark = cut;
            self.lag_drains.lowered(&self.clients, partition, cut, stamp.time);
        }
        ghost.acked_all = ghost.acked_all.min(cut);
        self.retention_broken.fell_out(partition.index(), cut);
        if self.removed.is_empty() {
            return;
        }
        let removed = &self.removed;
        acked_lost::fell_out(partition, removed, loss, stamp, &mut self.findings);
        committed_lost::fell_out(partition, removed, watermark, loss, stamp, &mut self.findings);
        self.inconsistent_read.fell_out(partition.index(), removed);
        for entry in removed.iter().rev().filter(|e| e.kind == BatchKind::Data) {
            let Some(lane) = self.clients.lane(entry.first.process, partition) else { continue };
            let lane = &mut self.clients.lanes[lane];
            lane.leave(entry.first.ordinal, entry.count, entry.sequence);
            if entry.acked != Time::NEVER {
                lane.lost += u64::from(entry.count);
            }
        }
    }

    /// A replica's log was cut to `to`.
    #[cold]
    fn cut(
        &mut self,
        stamp: Stamp,
        broker: BrokerId,
        partition: PartitionId,
        to: Offset,
        mark: PropertyId,
    ) {
        let session = self.ghosts.broker(broker);
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let Some(place) = ghost.place(broker) else { return };
        ghost.note_held();
        if ghost.canon.truncate(place, to) == 0 {
            return;
        }
        self.findings.mark(mark);
        if mark == PropertyId::TailLost || session.returning || !session.up {
            ghost.canon.replica_mut(place).cut_while_down = true;
        }
        candidate_incomplete::judge_one(ghost, place, stamp, &mut self.findings);
        if ghost.canon.drop_unheld(&mut self.removed) {
            let end = ghost.canon.end();
            self.fell_out(stamp, partition, end, Loss::NoDisk);
        }
    }

    #[cold]
    fn start_moved(&mut self, stamp: Stamp, broker: BrokerId, partition: PartitionId, to: Offset) {
        let skewed = self.ghosts.clocks_skewed;
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let Some(place) = ghost.place(broker) else { return };
        // An elected leader that drops what only it knows to be committed has begun to lead.
        if let Some(epoch) = ghost.canon.elected_apart(place) {
            self.take_over(stamp, partition, epoch);
        }
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        self.findings.mark(PropertyId::LogStartMoved);
        self.retention_broken.moved(ghost, broker, to, skewed, stamp, &mut self.findings);
        ghost.canon.move_start(place, to);
    }

    // ---- watermarks ----

    #[inline(always)]
    fn exposed(
        &mut self,
        stamp: Stamp,
        partition: PartitionId,
        source: Source,
        to: NodeId,
        offset: Offset,
    ) {
        let Some(ghost) = self.ghosts.partitions.get(partition.index()) else { return };
        let Source { broker, epoch, .. } = source;
        let receiver = ghost.first_receiver + self.ghosts.receiver(to);
        let (watermark_fell, findings) = (&mut self.watermark_fell, &mut self.findings);
        let places = match watermark_fell.again(ghost, source, receiver, offset, stamp, findings) {
            Some(places) => {
                // That it leads in the epoch was heard when it began to answer here.
                findings.exercise(PropertyId::TwoLeaders);
                places
            }
            None => {
                let Some(places) = places_of(&self.ghosts, ghost, broker, to) else { return };
                watermark_fell.first(source, receiver, offset, places);
                self.two_leaders.led(ghost, broker, epoch, stamp, findings);
                places
            }
        };
        let place = places.leader();
        if let Some(follower) = places.follower()
            && epoch == ghost.state.leader_epoch
        {
            let (both, patience) = ((place, follower), places.patience);
            self.isr_unjustified.answered(ghost, both, patience, stamp.time);
        }
        let mut watermark = ghost.watermark;
        if !ghost.canon.is_settled() && ghost.canon.acts_by_answering(place, epoch) {
            self.take_over(stamp, partition, epoch);
            watermark = self.ghosts.partitions[partition.index()].watermark;
        }
        if offset > watermark {
            self.raise(stamp, partition, place, epoch, offset);
        }
    }

    /// A leader showed more than anybody before.
    #[inline(never)]
    fn raise(
        &mut self,
        stamp: Stamp,
        partition: PartitionId,
        place: usize,
        epoch: LeaderEpoch,
        shown: Offset,
    ) {
        let Some(ghost) = self.ghosts.partition(partition) else { return };
        let exposer = ghost.canon.replica(place);
        // What it showed and the canonical log does not hold is lost, or was never there.
        let mut real = shown.min(ghost.canon.end());
        if exposer.is_apart() {
            real = real.min(exposer.matched);
        }
        let mut detail = Detail::NoDisk { acked: None };
        if let Some((cut_epoch, cut)) = ghost.canon.last_cut().filter(|(e, _)| epoch < *e) {
            real = real.min(cut);
            let (leader, _) = ghost.canon.leader();
            let leader = ghost.replicas[leader];
            detail = Detail::MissingFrom { acked: None, leader, epoch: cut_epoch };
        }
        let from = real.max(ghost.accounted);
        if shown > from {
            ghost.accounted = shown;
            let (leader, leader_epoch) = ghost.canon.leader();
            let findings = &mut self.findings;
            if matches!(detail, Detail::MissingFrom { .. }) {
                let leader = (leader, leader_epoch);
                leader_incomplete::lacks(ghost, leader, (from, shown), stamp, findings);
            }
            committed_lost::shown_too_late(partition, (from, shown), detail, stamp, findings);
        }
        if real <= ghost.watermark {
            return;
        }
        self.findings.exercise_many(PropertyId::CommittedLost, real - ghost.watermark);
        ghost.watermark = real;
        candidate_incomplete::judge(ghost, stamp, &mut self.findings);
        min_insync_ignored::judge(ghost, real, epoch, stamp, &mut self.findings);
        if let Some(epoch) = ghost.canon.elected_lacks(real) {
            self.take_over(stamp, partition, epoch);
        }
    }
}

/// Where a broker and whom it answers stand in the replica list; none if it holds no replica.
#[cold]
fn places_of(
    ghosts: &Ghosts,
    ghost: &PartitionGhost,
    broker: BrokerId,
    to: NodeId,
) -> Option<Places> {
    let follower = if let NodeId::Broker(id) = to { ghost.place(id) } else { None };
    Some(Places::of(ghost.place(broker)?, follower, ghosts.patience(broker)))
}
