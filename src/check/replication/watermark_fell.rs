//! `watermark-fell`, claim G2: what a leader shows as committed stays committed.
//!
//! Within one leader epoch and on one connection, the high watermarks of a leader's answers never
//! fall. A follower's own may (it is clamped to its log), and answers on different connections
//! overtake each other, so those are not compared. Known as `HighWatermarkMonotonic`.

use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset, ProcessId};
use crate::base::time::Span;
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// By whom, in which epoch and on which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answerer {
    pub(crate) broker: BrokerId,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) connection: ConnectionId,
}

/// Where the two ends of an answer stand in the replica list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// How long the leader surely takes a follower for caught up.
    pub(crate) patience: Span,
    leader: u8,
    /// [`Places::NO_FOLLOWER`] if it is none.
    follower: u8,
}

impl Places {
    const NO_FOLLOWER: u8 = u8::MAX;

    pub(crate) fn of(leader: usize, follower: Option<usize>, patience: Span) -> Self {
        let follower = follower.map_or(Self::NO_FOLLOWER, |place| place as u8);
        Self { patience, leader: leader as u8, follower }
    }

    /// Who answered.
    #[inline(always)]
    pub(crate) fn leader(self) -> usize {
        self.leader.into()
    }

    /// The follower that was answered, if it was one.
    #[inline(always)]
    pub(crate) fn follower(self) -> Option<usize> {
        (self.follower != Self::NO_FOLLOWER).then_some(self.follower.into())
    }
}

/// The last watermark that a receiver was shown.
#[derive(Clone, Copy, Debug)]
struct Shown {
    answerer: Answerer,
    offset: Offset,
    places: Places,
}

impl Shown {
    /// No broker has the number zero.
    const NOTHING: Self = Self {
        answerer: Answerer {
            broker: BrokerId(0),
            epoch: LeaderEpoch(0),
            connection: ConnectionId(0),
        },
        offset: Offset::ZERO,
        places: Places { patience: Span::ZERO, leader: 0, follower: Places::NO_FOLLOWER },
    };
}

/// The last watermark that was shown to each receiver there is: hosted replicas, and clients once
/// they have been shown something.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatermarkFell {
    /// By partition, then place.
    replicas: Vec<Shown>,
    /// By partition.
    clients: Vec<Vec<(ProcessId, Shown)>>,
}

impl WatermarkFell {
    pub(crate) fn add_partition(&mut self, ghost: &PartitionGhost, partitions: usize) {
        self.replicas.resize(ghost.replicas_end(), Shown::NOTHING);
        self.clients.resize_with(partitions, Vec::new);
    }

    /// What a receiver was shown last; none if it is no replica and no client that was.
    #[inline(always)]
    fn shown(&mut self, ghost: &PartitionGhost, to: NodeId) -> Option<&mut Shown> {
        // Speed: not a match, which would become a table of jumps.
        if let NodeId::Broker(id) = to {
            let place = ghost.place(id)?;
            return self.replicas.get_mut(ghost.first_replica + place);
        }
        let NodeId::Process(id) = to else { return None };
        let clients = self.clients.get_mut(ghost.id.index())?;
        clients.iter_mut().find(|(process, _)| *process == id).map(|(_, shown)| shown)
    }

    /// An answer from the same broker, in the same epoch and on the same connection, as the last
    /// one: judged, and it is known who answered whom. None if it comes from another; then
    /// [`WatermarkFell::first`] is to be told.
    ///
    /// Speed: most answers are of this kind, and need no search of the replica list.
    #[inline(always)]
    pub(crate) fn again(
        &mut self,
        ghost: &PartitionGhost,
        answerer: Answerer,
        to: NodeId,
        offset: Offset,
        stamp: Stamp,
        findings: &mut Findings,
    ) -> Option<Places> {
        let last = self.shown(ghost, to).filter(|last| last.answerer == answerer)?;
        findings.exercise(PropertyId::WatermarkFell);
        if offset < last.offset {
            fell(ghost, answerer, (last.offset, offset), stamp, findings);
        }
        last.offset = offset;
        Some(last.places)
    }

    /// The first answer of an answerer. A receiver has one fetch connection to a leader, so one
    /// place per receiver is enough.
    #[cold]
    pub(crate) fn first(
        &mut self,
        ghost: &PartitionGhost,
        answerer: Answerer,
        to: NodeId,
        offset: Offset,
        places: Places,
    ) {
        let new = Shown { answerer, offset, places };
        if let Some(last) = self.shown(ghost, to) {
            *last = new;
        } else if let NodeId::Process(process) = to {
            self.clients[ghost.id.index()].push((process, new));
        }
    }
}

#[cold]
fn fell(
    ghost: &PartitionGhost,
    answerer: Answerer,
    (from, to): (Offset, Offset),
    stamp: Stamp,
    findings: &mut Findings,
) {
    let detail = Detail::Fell { from, epoch: answerer.epoch };
    let violation = Violation::of(PropertyId::WatermarkFell, stamp, detail)
        .partition(ghost.id)
        .offset(to)
        .broker(answerer.broker);
    findings.add(PropertyId::WatermarkFell, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn a_watermark_may_fall_over_epochs_but_not_within_one() {
        let mut forge = Forge::new();
        forge.append(1, 0, 9, 0).append(2, 0, 9, 0).append(3, 0, 9, 0);
        forge.expose(1, 0, 2, 5).expose(1, 0, 3, 4).expose(1, 0, 2, 9);
        forge.elect(2, 1).expose(2, 1, 3, 4).expect_none("watermark-fell");
        forge.expose(2, 1, 3, 3).expect("watermark-fell", 1);
    }
}
