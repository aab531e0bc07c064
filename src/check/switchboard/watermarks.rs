//! `impl Checks` for high watermarks that leaders show in fetch responses.

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, Offset, PartitionId};
use crate::check::Checks;
use crate::check::client::position_unjustified;
use crate::check::ghost::{Ghosts, PartitionGhost};
use crate::check::log::{committed_lost, leader_incomplete};
use crate::check::properties::PropertyId;
use crate::check::replication::watermark_fell::{Answerer, Places};
use crate::check::replication::{candidate_incomplete, min_insync_ignored};
use crate::check::violation::Detail;
use crate::model::fact::Stamp;

impl Checks {
    /// A delivered answer showed a high watermark.
    ///
    /// Speed: judged where it is delivered, with what is rare (a watermark that rose, a new
    /// answerer) in calls of its own.
    #[inline(always)]
    pub(in crate::check) fn exposed(
        &mut self,
        stamp: Stamp,
        partition: PartitionId,
        answerer: Answerer,
        to: NodeId,
        offset: Offset,
    ) {
        let Some(ghost) = self.ghosts.partitions.get(partition.index()) else { return };
        let Answerer { broker, epoch, .. } = answerer;
        let (watermark_fell, findings) = (&mut self.watermark_fell, &mut self.findings);
        let places = match watermark_fell.again(ghost, answerer, to, offset, stamp, findings) {
            Some(places) => {
                // That it leads in the epoch was heard when it began to answer here.
                findings.exercise(PropertyId::TwoLeaders);
                places
            }
            None => {
                let Some(places) = places_of(&self.ghosts, ghost, broker, to) else { return };
                watermark_fell.first(ghost, answerer, to, offset, places);
                self.two_leaders.led(ghost, broker, epoch, stamp, findings);
                if let NodeId::Process(process) = to
                    && let Some(reader) = self.clients.reader(process, partition)
                {
                    let reader = &mut self.clients.readers[reader];
                    position_unjustified::followed(
                        ghost,
                        reader,
                        (process, epoch),
                        stamp,
                        findings,
                    );
                }
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
    pub(in crate::check) fn raise(
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
        ghost.watermark_epoch = ghost.watermark_epoch.max(epoch);
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
