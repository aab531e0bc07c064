//! `watermark-fell`, claim G2: what a leader shows as committed stays committed.
//!
//! Within one leader epoch and on one connection, the high watermarks of a leader's answers never
//! fall. A follower's own may (it is clamped to its log), and answers on different connections
//! overtake each other, so those are not compared. Known as `HighWatermarkMonotonic`.

use crate::base::ids::{BrokerId, ConnectionId, LeaderEpoch, Offset};
use crate::base::time::Span;
use crate::check::ghost::PartitionGhost;
use crate::check::registry::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// By whom, in which epoch and on which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
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
    source: Source,
    offset: Offset,
    places: Places,
}

impl Shown {
    /// No broker has the number zero.
    const NOTHING: Self = Self {
        source: Source { broker: BrokerId(0), epoch: LeaderEpoch(0), connection: ConnectionId(0) },
        offset: Offset::ZERO,
        places: Places { patience: Span::ZERO, leader: 0, follower: Places::NO_FOLLOWER },
    };
}

/// The last watermark shown, per partition and receiver.
#[derive(Clone, Debug)]
pub(crate) struct WatermarkFell {
    /// By partition, then receiver: brokers, then processes.
    shown: Vec<Shown>,
}

impl WatermarkFell {
    pub(crate) fn new(receivers: usize) -> Self {
        Self { shown: vec![Shown::NOTHING; receivers] }
    }

    /// An answer from the same source as the last one, as most are: judged, and it is known who
    /// answered whom. None if it comes from another; then [`WatermarkFell::first`] is to be told.
    #[inline(always)]
    pub(crate) fn again(
        &mut self,
        ghost: &PartitionGhost,
        source: Source,
        receiver: usize,
        offset: Offset,
        stamp: Stamp,
        findings: &mut Findings,
    ) -> Option<Places> {
        let last = self.shown.get_mut(receiver).filter(|last| last.source == source)?;
        findings.exercise(PropertyId::WatermarkFell);
        if offset < last.offset {
            fell(ghost, source, (last.offset, offset), stamp, findings);
        }
        last.offset = offset;
        Some(last.places)
    }

    /// The first answer of a source. A receiver has one fetch connection to a leader, so one place
    /// per receiver is enough.
    #[cold]
    pub(crate) fn first(
        &mut self,
        source: Source,
        receiver: usize,
        offset: Offset,
        places: Places,
    ) {
        if let Some(last) = self.shown.get_mut(receiver) {
            *last = Shown { source, offset, places };
        }
    }
}

#[cold]
fn fell(
    ghost: &PartitionGhost,
    source: Source,
    (from, to): (Offset, Offset),
    stamp: Stamp,
    findings: &mut Findings,
) {
    let detail = Detail::Fell { from, epoch: source.epoch };
    let violation = Violation::of(PropertyId::WatermarkFell, stamp, detail)
        .partition(ghost.id)
        .offset(to)
        .broker(source.broker);
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
