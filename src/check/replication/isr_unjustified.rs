//! `isr-unjustified`, claim G16: changes of the ISR are justified by what happened.
//!
//! *Arrivals*: a member that joins holds everything below the true high watermark.
//!
//! *Departures*: a member may leave if the controller did not take its broker for alive, or if the
//! leader may have thought that it lagged. What a leader thinks is not observed; this is: an answer
//! reached the follower, the follower's log then ended where the leader's did, and another answer
//! reached it. The request between the two claimed the leader's whole log, so the leader knew it
//! as caught up no earlier than the answer before (`ReplicaState.java`: `lastCaughtUpTimeMs`). If
//! there was such evidence within `replica.lag.time.max.ms` at every moment since the member
//! joined or the leader was elected, no proposal to remove it can have been right, however long it
//! took to be committed. Anything less is given the benefit of the doubt.

use crate::base::ids::{BrokerId, NodeId, Offset, ReplicaSet};
use crate::base::time::{Span, Time};
use crate::check::ghost::{BrokerGhost, PartitionGhost, patience};
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// What is known of how one member follows its leader.
#[derive(Clone, Copy, Debug)]
struct Following {
    /// The last answer that reached it, and the one before.
    answered: Time,
    answered_before: Time,
    /// Where the leader's log ended at the last answer.
    leader_end: Offset,
    /// The leader knew it as caught up no earlier than this.
    caught_up: Time,
    /// There was a time without evidence, or something happened to its broker.
    blemished: bool,
}

impl Following {
    const UNKNOWN: Self = Self {
        answered: Time::NEVER,
        answered_before: Time::NEVER,
        leader_end: Offset::ZERO,
        caught_up: Time::NEVER,
        blemished: false,
    };

    /// Its leader may take it for late: what was known before counts no more.
    const BLEMISHED: Self = Self { blemished: true, ..Self::UNKNOWN };

    fn is_good(&self, now: Time, patience: Span) -> bool {
        self.caught_up != Time::NEVER && now.since(self.caught_up) <= patience
    }
}

/// How every replica follows.
#[derive(Clone, Debug, Default)]
pub(crate) struct IsrUnjustified {
    /// By partition, then place.
    followings: Vec<Following>,
}

impl IsrUnjustified {
    pub(crate) fn add_partition(&mut self, ghost: &PartitionGhost) {
        self.followings.resize(ghost.replicas_end(), Following::UNKNOWN);
    }

    fn following(&mut self, ghost: &PartitionGhost, place: usize) -> &mut Following {
        &mut self.followings[ghost.first_replica + place]
    }

    /// An answer of the committed leader reached a follower.
    ///
    /// Speed: how a follower follows is found by addition in one flat table.
    #[inline(always)]
    pub(crate) fn answered(
        &mut self,
        ghost: &PartitionGhost,
        (leader, follower): (usize, usize),
        patience: Span,
        now: Time,
    ) {
        let following = self.following(ghost, follower);
        let caught_up = following.answered_before != Time::NEVER
            && ghost.canon.replica(follower).end() >= following.leader_end;
        if caught_up {
            if following.caught_up != Time::NEVER && !following.is_good(now, patience) {
                following.blemished = true;
            }
            following.caught_up = following.answered_before;
        }
        following.answered_before = following.answered;
        following.answered = now;
        following.leader_end = ghost.canon.replica(leader).end();
    }

    /// A leader begins anew with these members: it takes them for caught up as of now
    /// (`Partition.makeLeader`).
    pub(crate) fn elected(&mut self, ghost: &PartitionGhost, isr: ReplicaSet, now: Time) {
        for place in 0..ghost.replicas.len() {
            let caught_up = if isr.has(place) { now } else { Time::NEVER };
            *self.following(ghost, place) = Following { caught_up, ..Following::UNKNOWN };
        }
    }

    /// A member joined. Reaching the high watermark is enough for that; whether it has also been
    /// caught up, so that it may not be removed at the next look, must be known by now.
    pub(crate) fn joined(
        &mut self,
        ghost: &PartitionGhost,
        place: usize,
        patience: Span,
        stamp: Stamp,
        findings: &mut Findings,
    ) {
        let following = self.following(ghost, place);
        following.blemished = !following.is_good(stamp.time, patience);
        findings.exercise(PropertyId::IsrUnjustified);
        let replica = ghost.canon.replica(place);
        let matched = ghost.canon.complete_to(place);
        // What it lost after it was proposed, nobody can know.
        if matched >= ghost.watermark || replica.cut_while_down {
            return;
        }
        let detail = Detail::Behind { end: matched, watermark: ghost.watermark };
        let violation = Violation::of(PropertyId::IsrUnjustified, stamp, detail)
            .partition(ghost.id)
            .offset(matched)
            .broker(ghost.replicas[place]);
        findings.add(PropertyId::IsrUnjustified, violation);
    }

    /// Something happened to a broker: what its leaders think of it is open.
    pub(crate) fn blemish(&mut self, partitions: &[PartitionGhost], broker: BrokerId) {
        for ghost in partitions {
            if let Some(place) = ghost.place(broker) {
                *self.following(ghost, place) = Following::BLEMISHED;
            }
        }
    }

    /// A broker's wall clock jumped, or anybody's (`None`). A leader counts lag by it
    /// (`Replica.java`: `lastCaughtUpTimeMs`), so any of its followers may seem to lag.
    pub(crate) fn clock_moved(&mut self, partitions: &[PartitionGhost], node: Option<NodeId>) {
        for ghost in partitions {
            if node.is_none_or(|node| ghost.state.leader.map(NodeId::Broker) == Some(node)) {
                for place in 0..ghost.replicas.len() {
                    *self.following(ghost, place) = Following::BLEMISHED;
                }
            }
        }
    }

    /// Since when a member that leaves now has been known as caught up, if it has at every moment.
    pub(crate) fn leaves(
        &self,
        ghost: &PartitionGhost,
        place: usize,
        lag_max: Span,
        now: Time,
    ) -> Option<Time> {
        let following = &self.followings[ghost.first_replica + place];
        let good = !following.blemished && following.is_good(now, patience(lag_max));
        good.then_some(following.caught_up)
    }
}

/// A member that followed well left at `stamp`; asked when the instant is over, so that a fencing
/// committed with it is known, whichever record came first.
pub(crate) fn left(
    ghost: &PartitionGhost,
    (place, caught_up): (usize, Time),
    member: BrokerGhost,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let excused = member.disturbed == stamp.time
        || !member.is_active()
        || member.leaving
        || member.returning
        || member.paused
        || !member.up
        || member.disk_failed;
    if excused {
        return;
    }
    let violation = Violation::of(PropertyId::IsrUnjustified, stamp, Detail::Removed { caught_up })
        .partition(ghost.id)
        .broker(ghost.replicas[place]);
    findings.add(PropertyId::IsrUnjustified, violation);
}

#[cfg(test)]
mod tests {
    use crate::base::ids::{BrokerId, NodeId};
    use crate::base::time::Span;
    use crate::check::forge::Forge;
    use crate::model::fact::Fact;
    use crate::model::fault::FaultKind;

    /// b2 and b3 are answered every 500 ms and have everything.
    fn healthy(rounds: u64) -> Forge {
        let mut forge = Forge::new();
        answer(&mut forge, 0..rounds);
        forge
    }

    fn answer(forge: &mut Forge, rounds: std::ops::Range<u64>) {
        for round in rounds {
            forge.wait(Span::millis(500));
            forge.append(1, round, 1, 0);
            forge.expose(1, 0, 2, round).append(2, round, 1, 0);
            forge.expose(1, 0, 3, round).append(3, round, 1, 0);
        }
    }

    /// A follower joins with the high watermark; the leader may not have seen it caught up yet, and
    /// propose to remove it at its next look, whose request takes as long as it takes. Found by a
    /// sweep of 100,000 gate seeds.
    #[test]
    fn a_member_that_has_just_joined_is_judged_if_it_was_caught_up_before() {
        let removed = |before: u64| {
            let mut forge = healthy(10);
            forge.now(|f| f.isr(&[1, 2], &[], 0).fence(3)).wait(Span::secs(1)).unfence(3);
            answer(&mut forge, 10..10 + before);
            forge.isr(&[1, 2, 3], &[], 0);
            answer(&mut forge, 10 + before..20);
            forge.isr(&[1, 2], &[], 0).wait(Span::millis(1)).touch();
            forge
        };
        removed(0).expect_none("isr-unjustified");
        removed(5).expect("isr-unjustified", 1);
    }

    #[test]
    fn a_member_in_good_standing_may_not_be_removed() {
        let mut forge = healthy(100);
        forge.isr(&[1, 2], &[], 0).wait(Span::millis(1)).touch();
        forge.expect("isr-unjustified", 1);
    }

    #[test]
    fn a_fenced_member_may_be_removed_even_before_the_fencing_is_told() {
        let mut forge = healthy(100);
        forge.now(|f| f.isr(&[1, 2], &[], 0).fence(3)).wait(Span::millis(1)).touch();
        forge.expect_none("isr-unjustified").expect_none("fenced-in-isr");
    }

    #[test]
    fn a_member_fenced_and_taken_back_in_one_instant_is_excused() {
        let mut forge = healthy(100);
        forge.now(|f| f.lose_leader(&[], &[1, 2, 3], 1).fence(1).unfence(1).elect(1, 2));
        forge.wait(Span::millis(1)).touch().expect("isr-unjustified", 2);
        let mut forge = healthy(100);
        forge.now(|f| {
            f.isr(&[2, 3], &[], 0).fence(1).unfence(1).elect_from(2, 2, &[2, 3], &[], false)
        });
        forge.wait(Span::millis(1)).touch().expect_none("isr-unjustified");
    }

    /// Heartbeats of a broker that is shutting down arrived out of order: seen in the gate.
    #[test]
    fn a_leaver_that_was_unfenced_once_more_may_be_removed() {
        let mut forge = healthy(100);
        let shutting_down = Fact::BrokerShuttingDown { broker: BrokerId(2) };
        forge.now(|f| f.isr(&[1, 3], &[], 0).tell(shutting_down)).fence(2).unfence(2);
        forge.now(|f| f.fence(1).fence(3).elect_from(2, 1, &[2], &[], false));
        forge.lose_leader(&[], &[2], 2).wait(Span::millis(1)).touch();
        forge.expect_none("isr-unjustified");
    }

    #[test]
    fn a_member_that_fell_silent_may_be_removed() {
        let mut forge = healthy(100);
        forge.wait(Span::secs(31)).isr(&[1], &[], 0).wait(Span::millis(1)).touch();
        forge.expect_none("isr-unjustified");
    }

    #[test]
    fn a_leader_whose_wall_clock_jumped_may_remove_anybody() {
        let skewed = |broker| {
            let mut forge = healthy(100);
            let (kind, node) = (FaultKind::ClockSkew, Some(NodeId::Broker(BrokerId(broker))));
            forge.tell(Fact::Injected { id: 0, kind, node });
            forge.isr(&[1, 2], &[], 0).wait(Span::millis(1)).touch();
            forge
        };
        skewed(1).expect_none("isr-unjustified");
        skewed(2).expect("isr-unjustified", 1);
    }

    /// A full disk takes directories offline as a broken one does, and its broker may live on.
    #[test]
    fn a_member_whose_directory_failed_may_be_removed_until_it_is_started_anew() {
        let failed = Fact::DiskFailed { broker: BrokerId(3), dir: 0 };
        let mut forge = healthy(100);
        forge.tell(failed).isr(&[1, 2], &[], 0).wait(Span::millis(1)).touch();
        forge.expect_none("isr-unjustified");
        let mut forge = healthy(10);
        forge.tell(failed).now(|f| f.isr(&[1, 2], &[], 0).fence(3)).stop(3).wait(Span::secs(1));
        forge.start(3).register(3, true).unfence(3);
        answer(&mut forge, 10..15);
        forge.isr(&[1, 2, 3], &[], 0);
        answer(&mut forge, 15..20);
        forge.isr(&[1, 2], &[], 0).wait(Span::millis(1)).touch().expect("isr-unjustified", 1);
    }

    #[test]
    fn a_member_may_not_join_below_the_watermark() {
        let mut forge = Forge::new();
        forge.isr(&[1, 2], &[], 0);
        forge.append(1, 0, 3, 0).append(2, 0, 3, 0).append(3, 0, 3, 0);
        forge.append(1, 3, 1, 0).append(2, 3, 1, 0);
        forge.expose(1, 0, 2, 4).isr(&[1, 2, 3], &[], 0).expect("isr-unjustified", 1);
        forge.isr(&[1, 2], &[], 0).append(3, 3, 1, 0).isr(&[1, 2, 3], &[], 0);
        forge.isr(&[1, 2], &[], 0).power_loss(3, 4, 3).isr(&[1, 2, 3], &[], 0);
        forge.expect("isr-unjustified", 1);
    }
}
