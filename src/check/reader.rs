//! The ghost of a consumer on a partition: where it stands, what it has read, and what it has been
//! told of its position. Does not judge; [`super::client::read_skipped`],
//! [`super::client::position_unjustified`] and others ask it.

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::model::config::OffsetReset;

/// Lists of what was read are merged when they have grown to so many pieces.
const PIECES_KEPT: usize = 64;

/// How the plan has a consumer read.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) partitions: Vec<PartitionId>,
    pub(crate) reset: OffsetReset,
}

/// A leader's answer to where the leader epoch of the last record read ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    pub(crate) broker: BrokerId,
    /// None if the leader's log knows no such epoch.
    pub(crate) end: Option<Offset>,
}

/// What a consumer was told of its position since that was set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// The last answer to `ListOffsets`.
    pub(crate) listed: Option<Offset>,
    /// The last answer to `OffsetsForLeaderEpoch`.
    pub(crate) epoch_end: Option<EpochEnd>,
    /// A broker refused its position as out of range, and was right.
    pub(crate) out_of_range: bool,
}

/// Which exceptions its application may get; a seek that comes first does not take them back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MayThrow {
    pub(crate) out_of_range: bool,
    pub(crate) truncation: bool,
}

/// Which leaders have answered a consumer's fetches since its position was set.
#[derive(Clone, Copy, Debug, Default)]
struct Followed {
    /// The latest leader epoch.
    epoch: Option<LeaderEpoch>,
    /// How often it has been told since that the log goes as far as its position. Answers of two
    /// leaders may come before the fetches that follow them.
    validations: u8,
    /// It had a record to ask about when it last heard from a leader.
    anchored: bool,
}

/// One consumer process on one partition.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// Where the next read begins; [`Reader::LOOK`] if there is something else to look at.
    ///
    /// Speed: a read that goes on where the last one ended is one comparison.
    expected: Offset,
    /// The position, while `expected` does not say it. None after a start.
    aside: Option<Offset>,
    /// Where the position was set last, or a read jumped to.
    set_at: Offset,
    /// From here to the position everything has been read and is still in the log.
    from: Offset,
    /// The leader epoch of the batch read last.
    epoch: LeaderEpoch,
    /// What was read before, in pieces.
    pieces: Vec<(Offset, Offset)>,
    /// The plan assigns the partition to the consumer.
    pub(crate) assigned: bool,
    pub(crate) told: Told,
    pub(crate) may_throw: MayThrow,
    followed: Followed,
}

/// So many validations are remembered.
const VALIDATIONS_KEPT: u8 = 3;

impl Reader {
    const LOOK: Offset = Offset(u64::MAX);

    pub(crate) fn new(assigned: bool) -> Self {
        Self {
            expected: Self::LOOK,
            aside: None,
            set_at: Offset::ZERO,
            from: Offset::ZERO,
            epoch: LeaderEpoch(0),
            pieces: Vec::new(),
            assigned,
            told: Told::default(),
            may_throw: MayThrow::default(),
            followed: Followed::default(),
        }
    }

    /// One past the last record read, or where it was set; unknown after a start.
    pub(crate) fn position(&self) -> Option<Offset> {
        if self.expected == Self::LOOK { self.aside } else { Some(self.expected) }
    }

    /// Leader epoch of the record before the position, if that was read since it was set.
    pub(crate) fn last_epoch(&self) -> Option<LeaderEpoch> {
        self.position().filter(|position| *position > self.set_at).map(|_| self.epoch)
    }

    /// It was told that the log goes as far as its position.
    pub(crate) fn validated(&mut self) {
        self.told.epoch_end = None;
        self.followed.anchored |= self.last_epoch().is_some();
        self.followed.validations = VALIDATIONS_KEPT.min(self.followed.validations + 1);
        if let Some(position) = self.aside.take() {
            self.expected = position;
        }
    }

    /// It was told that the log does not go as far as its position. If it has read something, it
    /// has to heed that before it reads on; after a seek it asked about another position.
    pub(crate) fn told_of_truncation(&mut self, end: EpochEnd) {
        self.told.epoch_end = Some(end);
        self.may_throw.truncation = true;
        if self.last_epoch().is_some() {
            self.aside = self.position();
            self.expected = Self::LOOK;
        }
    }

    /// A leader of this epoch has answered a fetch. False if it is a new leader and the consumer,
    /// with a record to ask about, did not ask first how far the log goes (KIP-320).
    #[cold]
    pub(crate) fn follows(&mut self, epoch: LeaderEpoch) -> bool {
        let has_record = self.last_epoch().is_some();
        let followed = &mut self.followed;
        let is_new = followed.epoch.is_none_or(|known| epoch > known);
        let asked = !is_new || !followed.anchored || followed.validations > 0;
        if is_new {
            followed.epoch = Some(epoch);
            followed.validations = followed.validations.saturating_sub(1);
        }
        followed.anchored |= has_record && followed.epoch == Some(epoch);
        asked
    }

    /// A read of `[base, end)`: true if it begins at the position and nothing is to be looked at.
    #[inline(always)]
    pub(crate) fn reads_on(&mut self, base: Offset, end: Offset, epoch: LeaderEpoch) -> bool {
        let plain = base == self.expected;
        if plain {
            (self.expected, self.epoch) = (end, epoch);
        }
        plain
    }

    /// A read of `[base, end)` that does not go on where the last one ended.
    #[cold]
    pub(crate) fn reads_elsewhere(&mut self, base: Offset, end: Offset, epoch: LeaderEpoch) {
        if self.position() != Some(base) {
            self.leave_to(base);
        }
        (self.expected, self.aside, self.epoch) = (end, None, epoch);
    }

    /// The position was set, not by reading.
    pub(crate) fn set(&mut self, to: Offset) {
        self.leave_to(to);
        (self.expected, self.aside) = (to, None);
        (self.told, self.followed) = (Told::default(), Followed::default());
    }

    /// The process is gone, and with it its position.
    pub(crate) fn forget(&mut self) {
        self.leave_to(Offset::ZERO);
        (self.expected, self.aside) = (Self::LOOK, None);
        self.may_throw = MayThrow::default();
        (self.told, self.followed) = (Told::default(), Followed::default());
    }

    /// Ends the reading that led to the position, and begins one at `to`.
    fn leave_to(&mut self, to: Offset) {
        if let Some(position) = self.position().filter(|position| *position > self.from) {
            self.pieces.push((self.from, position));
            if self.pieces.len() >= PIECES_KEPT {
                self.merge();
            }
        }
        (self.from, self.set_at) = (to, to);
    }

    /// Records from `to` on fell out of the log: others may stand there, which nobody has read.
    pub(crate) fn cut(&mut self, to: Offset) {
        if let Some(position) = self.position().filter(|position| *position > to) {
            if self.from < to {
                self.pieces.push((self.from, to));
            }
            self.from = position;
        }
        for piece in &mut self.pieces {
            piece.1 = piece.1.min(to);
        }
        self.pieces.retain(|(from, end)| from < end);
    }

    /// Everything it has read that has not been replaced since, in order and without overlaps.
    pub(crate) fn has_read(&mut self) -> &[(Offset, Offset)] {
        let position = self.position();
        self.leave_to(position.unwrap_or_default());
        self.merge();
        &self.pieces
    }

    #[cold]
    fn merge(&mut self) {
        self.pieces.sort_unstable();
        self.pieces.dedup_by(|next, kept| {
            let touches = next.0 <= kept.1;
            if touches {
                kept.1 = kept.1.max(next.1);
            }
            touches
        });
    }
}

/// How many of the records `[from, to)` lie in these pieces, which are in order.
pub(crate) fn count_in(pieces: &[(Offset, Offset)], from: Offset, to: Offset) -> u64 {
    let first = pieces.partition_point(|(_, end)| *end <= from);
    let inside = pieces[first..].iter().take_while(|(begin, _)| *begin < to);
    inside.map(|(begin, end)| (*end).min(to) - (*begin).max(from)).sum()
}

#[cfg(test)]
mod tests {
    use super::{PIECES_KEPT, Reader, count_in};
    use crate::base::ids::{LeaderEpoch, Offset};

    fn read(reader: &mut Reader, from: u64, to: u64) {
        let (from, to) = (Offset(from), Offset(to));
        if !reader.reads_on(from, to, LeaderEpoch(0)) {
            reader.reads_elsewhere(from, to, LeaderEpoch(0));
        }
    }

    fn pieces(reader: &mut Reader) -> Vec<(u64, u64)> {
        reader.has_read().iter().map(|(from, end)| (from.0, end.0)).collect()
    }

    #[test]
    fn what_was_read_is_remembered_in_pieces() {
        let mut reader = Reader::new(true);
        reader.set(Offset(10));
        assert_eq!((reader.position(), reader.last_epoch()), (Some(Offset(10)), None));
        read(&mut reader, 10, 12);
        read(&mut reader, 12, 15);
        assert_eq!(reader.last_epoch(), Some(LeaderEpoch(0)));
        read(&mut reader, 20, 25);
        reader.set(Offset(0));
        read(&mut reader, 0, 3);
        reader.forget();
        assert_eq!(reader.position(), None);
        reader.set(Offset(14));
        read(&mut reader, 14, 16);
        assert_eq!(pieces(&mut reader), [(0, 3), (10, 16), (20, 25)]);
        let all = reader.has_read();
        let count = |from, to| count_in(all, Offset(from), Offset(to));
        assert_eq!((count(0, 30), count(2, 11), count(3, 10), count(16, 20)), (14, 2, 0, 0));
        assert_eq!((count(15, 21), count(24, 26), count(25, 26)), (2, 1, 0));
    }

    #[test]
    fn what_fell_out_of_the_log_counts_as_unread() {
        let mut reader = Reader::new(true);
        reader.set(Offset(0));
        read(&mut reader, 0, 5);
        reader.set(Offset(8));
        read(&mut reader, 8, 12);
        reader.cut(Offset(10));
        assert_eq!(reader.position(), Some(Offset(12)));
        read(&mut reader, 12, 13);
        assert_eq!(pieces(&mut reader.clone()), [(0, 5), (8, 10), (12, 13)]);
        reader.cut(Offset(4));
        assert_eq!(pieces(&mut reader), [(0, 4)]);
    }

    #[test]
    fn many_pieces_are_merged() {
        let mut reader = Reader::new(true);
        for at in 0..10 * PIECES_KEPT as u64 {
            reader.set(Offset(at));
            read(&mut reader, at, at + 1);
        }
        assert!(reader.pieces.len() < PIECES_KEPT);
        assert_eq!(pieces(&mut reader), [(0, 10 * PIECES_KEPT as u64)]);
    }
}
