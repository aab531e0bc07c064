//! Ghost logs: per partition one canonical log, and of each replica how far it matches it.
//!
//! The canonical log is the log of the broker that leads last. A replica is the prefix of it that
//! it matches, plus a tail of its own where it parts: so a healthy replica costs a few words, and
//! an append is one comparison. When a leader of a later epoch first acts, the canonical log
//! becomes its log; what it lacks falls out, and that is what loss means here. The prefix below
//! every log start is dropped, so memory follows retention. Follows the log matching part of
//! `KafkaReplication.tla`; knows nothing of watermarks or acknowledgements beyond carrying marks.

mod entry;

use crate::base::chunked::Chunked;
use crate::base::ids::{LeaderEpoch, Offset};
use crate::base::time::Time;
use crate::model::batch::RecordId;

pub(crate) use self::entry::{Entry, Replica};

/// What an append was, compared with the canonical log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Append {
    /// The leader wrote on: the canonical log is longer now.
    Extended,
    /// The replica now has what the canonical log has there.
    Matched,
    /// The replica has, or goes on with, a tail of its own, as a deposed leader may.
    Apart,
    /// Log matching is broken: one offset and leader epoch, two histories.
    Clash,
    /// The batch does not continue the replica's log.
    Gap,
}

/// A leader elected that has not acted yet, as far as is known.
#[derive(Clone, Copy, Debug)]
struct Elected {
    place: usize,
    epoch: LeaderEpoch,
    /// Its log was cut after the election. Answers that still arrive may be older than that, and
    /// tell of a log that it no longer has.
    cut: bool,
}

/// The logs of one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canon {
    entries: Chunked<Entry>,
    /// How many entries have been dropped from the front: entries are numbered over all time.
    dropped: u64,
    start: Offset,
    end: Offset,
    leader: usize,
    epoch: LeaderEpoch,
    /// Leaders elected that have not acted yet, oldest first. Even one that has been superseded
    /// may act in its epoch before it hears so.
    elected: Vec<Elected>,
    /// The last election found nobody.
    leaderless: bool,
    cut: Option<(LeaderEpoch, Offset)>,
    replicas: Vec<Replica>,
    /// The furthest that any replica's files ever started.
    furthest_start: Offset,
    apart: bool,
    /// Numbers of the entries found last, by whom.
    hints: [u64; 2],
}

/// Who looks for entries: each moves on by one at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seeker {
    Reader,
    Producer,
}

impl Canon {
    /// Empty logs, led by the first replica.
    pub(crate) fn new(replicas: usize) -> Self {
        Self { replicas: vec![Replica::default(); replicas], ..Self::default() }
    }

    pub(crate) const fn start(&self) -> Offset {
        self.start
    }

    pub(crate) const fn end(&self) -> Offset {
        self.end
    }

    /// The furthest that any replica's files ever started.
    pub(crate) const fn furthest_start(&self) -> Offset {
        self.furthest_start
    }

    /// Place of the replica whose log it is, and the epoch in which that one leads.
    pub(crate) const fn leader(&self) -> (usize, LeaderEpoch) {
        (self.leader, self.epoch)
    }

    /// The last take-over: its epoch, and how far the new leader's log matched.
    pub(crate) const fn last_cut(&self) -> Option<(LeaderEpoch, Offset)> {
        self.cut
    }

    pub(crate) fn replica(&self, place: usize) -> &Replica {
        &self.replicas[place]
    }

    pub(crate) fn replica_mut(&mut self, place: usize) -> &mut Replica {
        &mut self.replicas[place]
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    pub(crate) const fn entries(&self) -> &Chunked<Entry> {
        &self.entries
    }

    fn number_end(&self) -> u64 {
        self.dropped + self.entries.len() as u64
    }

    fn at(&self, number: u64) -> Option<&Entry> {
        self.entries.get(number.checked_sub(self.dropped)? as usize)
    }

    /// Number of the first entry that ends above this offset.
    fn number_of(&self, offset: Offset) -> u64 {
        self.dropped + self.entries.partition_point(|e| e.end() <= offset) as u64
    }

    /// Place among [`Canon::entries`] of the entry that holds this offset.
    ///
    /// Speed: readers and acknowledgements move on by one entry, so the last answer and its
    /// successor are tried before a binary search.
    pub(crate) fn find(&mut self, offset: Offset, by: Seeker) -> Option<usize> {
        if offset < self.start {
            return None;
        }
        let place = self.hints[by as usize].wrapping_sub(self.dropped) as usize;
        for place in [place.wrapping_add(1), place] {
            if let Some(entry) = self.entries.get(place)
                && entry.base <= offset
                && offset < entry.end()
            {
                self.hints[by as usize] = self.dropped.wrapping_add(place as u64);
                return Some(place);
            }
        }
        self.search(offset, by)
    }

    #[inline(never)]
    fn search(&mut self, offset: Offset, by: Seeker) -> Option<usize> {
        let number = self.number_of(offset);
        self.hints[by as usize] = number;
        let entry = self.at(number)?;
        (entry.base <= offset).then_some((number - self.dropped) as usize)
    }

    /// The same, if this record is there.
    pub(crate) fn find_record(&mut self, offset: Offset, record: RecordId) -> Option<usize> {
        self.find(offset, Seeker::Producer)
            .filter(|place| self.entries[*place].record_at(offset) == Some(record))
    }

    pub(crate) fn entry_mut(&mut self, place: usize) -> &mut Entry {
        &mut self.entries[place]
    }

    /// The batches of a replica that are still remembered and end above `above`, oldest first, in
    /// pieces.
    pub(crate) fn log(
        &self,
        place: usize,
        above: Offset,
    ) -> impl DoubleEndedIterator<Item = &[Entry]> + Clone {
        let replica = &self.replicas[place];
        let matched = (replica.next.saturating_sub(self.dropped) as usize).min(self.entries.len());
        let from = replica.begin().max(above);
        let first = self.entries.partition_point(|entry| entry.end() <= from).min(matched);
        let (front, back) = replica.tail.as_slices();
        let tail =
            [front, back].map(|piece| &piece[piece.partition_point(|entry| entry.end() <= from)..]);
        self.entries.pieces(first..matched).chain(tail)
    }

    /// Where the first record of a later leader epoch stands in a replica's log, as far as it is
    /// remembered; and whether that is its first record.
    pub(crate) fn first_above(&self, place: usize, epoch: LeaderEpoch) -> Option<(Offset, bool)> {
        let mut is_first = true;
        for piece in self.log(place, Offset::ZERO) {
            let at = piece.partition_point(|entry| entry.epoch <= epoch);
            if let Some(entry) = piece.get(at) {
                return Some((entry.base, is_first && at == 0));
            }
            is_first &= piece.is_empty();
        }
        None
    }

    /// Where the last batch of a replica's log begins, as far as it is remembered.
    pub(crate) fn last_base(&self, place: usize) -> Option<Offset> {
        self.log(place, Offset::ZERO).rev().find_map(|piece| piece.last()).map(|entry| entry.base)
    }

    /// The leader epoch of the record that a replica has at an offset, as far as it is remembered.
    pub(crate) fn epoch_at(&self, place: usize, offset: Offset) -> Option<LeaderEpoch> {
        let found = self.log(place, offset).flatten().next().filter(|e| e.base <= offset);
        found.map(|entry| entry.epoch)
    }

    /// Up to where a replica's batches were compared with those on its disk and have not been cut
    /// since.
    pub(crate) fn audited(&self, place: usize) -> Offset {
        self.replicas[place].audited
    }

    /// The batches of a replica agree with those on its disk up to here.
    pub(crate) fn note_audited(&mut self, place: usize, up_to: Offset) {
        let replica = &mut self.replicas[place];
        replica.audited = up_to.min(replica.end());
    }

    // ---- elections ----

    /// A leader was elected; it takes over when it first acts.
    pub(crate) fn elect(&mut self, place: usize, epoch: LeaderEpoch) {
        self.elected.push(Elected { place, epoch, cut: false });
        self.leaderless = false;
    }

    /// The partition was created with this leader, of the first epoch.
    pub(crate) fn begin_with(&mut self, place: usize, epoch: LeaderEpoch) {
        if self.epoch == epoch && self.entries.is_empty() {
            self.leader = place;
        }
    }

    /// The leader is lost, and nobody is elected.
    pub(crate) const fn lose_leader(&mut self) {
        self.leaderless = true;
    }

    /// The epoch of the leader elected last, if it has not acted yet and lacks something below
    /// `offset` for good: with a log that was cut while its broker is down it cannot act before
    /// the cluster has taken the broker back, which is the time to ask again.
    pub(crate) fn elected_lacks(&self, offset: Offset) -> Option<LeaderEpoch> {
        let &Elected { place, epoch, .. } = self.elected.last().filter(|_| !self.leaderless)?;
        let replica = &self.replicas[place];
        (replica.matched < offset && !replica.cut_while_down).then_some(epoch)
    }

    /// Whether every leader elected so far has acted or been superseded by one that has.
    pub(crate) const fn is_settled(&self) -> bool {
        self.elected.is_empty()
    }

    /// The epoch of an elected leader that has not acted yet and has this record here beyond what
    /// it shares with the old one: an answer about it is its first act.
    pub(crate) fn elected_holding(&self, offset: Offset, record: RecordId) -> Option<LeaderEpoch> {
        let holds = |place: usize| {
            let tail = &self.replicas[place].tail;
            let at = tail.partition_point(|e| e.end() <= offset);
            tail.get(at).is_some_and(|e| e.base <= offset && e.record_at(offset) == Some(record))
        };
        self.elected.iter().rev().find(|e| holds(e.place)).map(|e| e.epoch)
    }

    /// The leader elected in this epoch, if it has not acted yet.
    pub(crate) fn elected_in(&self, epoch: LeaderEpoch) -> Option<usize> {
        self.elected.iter().rev().find(|e| e.epoch == epoch).map(|e| e.place)
    }

    /// Whether an answer of this replica shows that it acts as the leader elected in `epoch`, with
    /// the log that it has now.
    pub(crate) fn acts_by_answering(&self, place: usize, epoch: LeaderEpoch) -> bool {
        self.elected.iter().any(|e| e.epoch == epoch && e.place == place && !e.cut)
    }

    /// The epoch in which this replica was elected last, if it has not acted in it and has what the
    /// canonical log has not.
    pub(crate) fn elected_apart(&self, place: usize) -> Option<LeaderEpoch> {
        let elected = self.elected.iter().rev().find(|e| e.place == place)?;
        self.replicas[place].is_apart().then_some(elected.epoch)
    }

    /// The epoch in which an elected leader shows by this append that it has begun to lead: the
    /// batch is of that epoch, and is not the canonical one that a follower would get there.
    pub(crate) fn begins_to_lead(&self, place: usize, entry: &Entry) -> Option<LeaderEpoch> {
        let mine = |e: &&Elected| e.place == place && e.epoch <= entry.epoch;
        let epoch = self.elected.iter().rev().find(mine)?.epoch;
        let replica = &self.replicas[place];
        let follows = !replica.is_apart() && self.at(replica.next).is_some_and(|e| e.same(entry));
        (!follows).then_some(epoch)
    }

    /// The leader elected in `epoch` takes over: its log is the canonical one from now on. What it
    /// has not in the same batch is moved to `removed`, in order; what it has in another batch is
    /// marked as kept there. Returns where its records part from the old ones, and the places of
    /// the entries it brings along.
    pub(crate) fn take_over(
        &mut self,
        epoch: LeaderEpoch,
        removed: &mut Vec<Entry>,
    ) -> (Offset, std::ops::Range<usize>) {
        removed.clear();
        let Some(at) = self.elected.iter().rposition(|e| e.epoch == epoch) else {
            return (self.end, 0..0);
        };
        let leader = self.elected[at].place;
        self.elected.drain(..=at);
        let (matched, start) = (self.replicas[leader].matched, self.replicas[leader].start);
        let keep = self.replicas[leader].next;
        let kept = (keep.saturating_sub(self.dropped) as usize).min(self.entries.len());
        removed.extend(self.entries.walk(kept));
        self.entries.truncate(kept);
        self.end = matched;
        self.start = self.start.min(matched);
        for replica in &mut self.replicas {
            if replica.next > keep {
                for entry in removed[..(replica.next - keep) as usize].iter().rev() {
                    replica.tail.push_front(entry.unmarked());
                }
                replica.next = keep;
                replica.matched = matched;
            }
            replica.reach = replica.reach.min(matched);
        }
        let tail = std::mem::take(&mut self.replicas[leader].tail);
        if let Some(last) = tail.back() {
            self.end = last.end();
        }
        self.entries.extend(tail);
        let number_end = self.number_end();
        let end = self.end;
        let own = &mut self.replicas[leader];
        (own.next, own.matched, own.reach) = (number_end, end, end);
        if start > matched {
            self.forget_below(start);
        }
        self.rematch();
        (self.leader, self.epoch) = (leader, epoch);
        let parted = self.carry_marks(matched, kept, removed);
        self.cut = Some((epoch, parted));
        (parted, kept..self.entries.len())
    }

    /// The log of the new leader starts here, beyond what it shares with the old one: nobody can
    /// tell what another replica holds in between from what it would hold there.
    #[cold]
    fn forget_below(&mut self, start: Offset) {
        let next = self.number_of(start);
        for replica in self.replicas.iter_mut().filter(|r| r.is_apart() && r.end() > start) {
            let below = replica.tail.partition_point(|entry| entry.end() <= start);
            replica.tail.drain(..below);
            (replica.matched, replica.next, replica.rejoined) = (start, next, start);
        }
    }

    /// A power loss can bring back a truncated batch whose records were appended again in a later
    /// epoch: nothing is lost by that, so what was noted about the old batch goes to the new one.
    /// Returns the first offset whose record is another one, or none.
    fn carry_marks(&mut self, matched: Offset, from: usize, removed: &mut [Entry]) -> Offset {
        let mut parted = matched;
        let mut together = true;
        for old in removed {
            let place = self.entries.partition_point(|e| e.base < old.base);
            let new = self.entries.get_mut(place).filter(|e| place >= from && e.same_records(old));
            let Some(new) = new else {
                together = false;
                continue;
            };
            (new.acked, new.read) = (old.acked, old.read);
            (old.acked, old.read, old.kept) = (Time::NEVER, false, true);
            if together {
                parted = new.end();
            }
        }
        parted
    }

    /// Tails that agree with the new canonical log become part of the matched prefix.
    #[cold]
    fn rematch(&mut self) {
        self.apart = false;
        for replica in &mut self.replicas {
            while let Some(front) = replica.tail.front() {
                let number = replica.next.checked_sub(self.dropped);
                let Some(entry) = number.and_then(|n| self.entries.get(n as usize)) else { break };
                if !entry.same(front) {
                    break;
                }
                replica.match_next(entry.end());
                replica.tail.pop_front();
            }
            self.apart |= replica.is_apart();
        }
    }

    // ---- disks ----

    /// A replica appended a batch; if it is what the canonical log has next, and no replica parts
    /// from that, this is all.
    #[inline(always)]
    pub(crate) fn append_next(&mut self, place: usize, entry: &Entry) -> bool {
        let replica = &mut self.replicas[place];
        let next = self.entries.get(replica.next.wrapping_sub(self.dropped) as usize);
        let matches = !self.apart
            && entry.base == replica.matched
            && next.is_some_and(|canonical| canonical.same(entry));
        if matches {
            replica.match_next(entry.end());
        }
        matches
    }

    /// A replica appended a batch.
    pub(crate) fn append(&mut self, place: usize, entry: &Entry) -> Append {
        let end = self.replicas[place].end();
        let mut gap = false;
        if entry.base != end {
            // A log that was created or reset at this offset is empty and starts here. A log that
            // was cut inside a batch where its leader's log starts has lost the whole batch, and
            // goes on where it was cut (`UnifiedLog.truncateTo`): its leader has nothing in between
            // either. Anything else is a hole or an overwrite: reported, then followed, so that it
            // is told once.
            let behind_start = end < entry.base && entry.base <= self.furthest_start;
            gap = end > self.replicas[place].start && !behind_start;
            self.realign(place, entry.base);
        }
        if self.replicas[place].is_apart() && entry.base <= self.furthest_start {
            self.rejoin(place, entry.base);
        }
        let kind = self.append_at_end(place, entry);
        if gap { Append::Gap } else { kind }
    }

    fn append_at_end(&mut self, place: usize, entry: &Entry) -> Append {
        if self.apart && self.clashes_with_a_tail(place, entry) {
            self.push_tail(place, entry);
            return Append::Clash;
        }
        if self.replicas[place].is_apart() {
            let here = self.number_of(entry.base);
            let clash =
                self.at(here).is_some_and(|c| c.base == entry.base && c.epoch == entry.epoch);
            self.push_tail(place, entry);
            return if clash { Append::Clash } else { Append::Apart };
        }
        let next = self.replicas[place].next;
        if let Some(canonical) = self.at(next) {
            if canonical.same(entry) {
                self.replicas[place].match_next(entry.end());
                return Append::Matched;
            }
            let clash = canonical.epoch == entry.epoch;
            self.push_tail(place, entry);
            return if clash { Append::Clash } else { Append::Apart };
        }
        if place != self.leader {
            self.push_tail(place, entry);
            return Append::Apart;
        }
        self.entries.push_back(*entry);
        self.end = entry.end();
        self.replicas[place].match_next(entry.end());
        if self.apart {
            self.rematch();
        }
        Append::Extended
    }

    /// The leader's append of this batch is all that its producer waits for (acks=0).
    pub(crate) fn acked_at_once(&mut self, entry: &Entry, now: Time) {
        let last = self.entries.len().wrapping_sub(1);
        if let Some(last) = self.entries.get_mut(last).filter(|last| last.same(entry)) {
            last.acked = now;
        }
    }

    /// How far a replica holds what its leader can compare. Below every record that some leader
    /// still has nothing can be noticed: neither a tail of its own, see [`Canon::rejoin`], nor a
    /// hole, as a follower has that was cut inside a batch where its leader's log starts.
    pub(crate) fn complete_to(&self, place: usize) -> Offset {
        let replica = &self.replicas[place];
        if replica.end() <= self.furthest_start { self.furthest_start } else { replica.matched }
    }

    /// A tail of its own that ends where the leader's log starts, or before, cannot be noticed: the
    /// leader has forgotten the epochs below (`LeaderEpochFileCache.truncateFromStartAsyncFlush`),
    /// and its answer moves the replica's log start past the tail. Log matching holds from there
    /// on. Where a leader's log starts is not observed, since replicas tell each other; it is not
    /// beyond the furthest start of any files.
    #[cold]
    fn rejoin(&mut self, place: usize, at: Offset) {
        let next = self.number_of(at);
        let replica = &mut self.replicas[place];
        replica.tail.clear();
        (replica.matched, replica.next, replica.rejoined) = (at, next, at);
        replica.reach = replica.reach.max(at);
    }

    /// Log matching between tails. By induction it is enough that two batches of one offset and
    /// epoch are the same batch behind the same batch.
    #[cold]
    fn clashes_with_a_tail(&self, place: usize, entry: &Entry) -> bool {
        let own = &self.replicas[place];
        self.replicas.iter().enumerate().any(|(other_place, other)| {
            let Some(at) = other.tail_at(entry.base) else { return false };
            if other_place == place || other.tail[at].epoch != entry.epoch {
                return false;
            }
            // A log that begins here has no history.
            let begins = own.begin().max(other.begin());
            let same_history = entry.base <= begins
                || match (own.tail.back(), at.checked_sub(1).map(|b| &other.tail[b])) {
                    (None, None) => own.matched == other.matched,
                    (Some(mine), Some(theirs)) => mine.same(theirs),
                    _ => false,
                };
            !other.tail[at].same(entry) || !same_history
        })
    }

    #[cold]
    fn push_tail(&mut self, place: usize, entry: &Entry) {
        self.replicas[place].tail.push_back(entry.unmarked());
        self.apart = true;
    }

    /// Makes the replica's log end at `to`, whatever it was.
    #[cold]
    fn realign(&mut self, place: usize, to: Offset) {
        self.truncate(place, to);
        if self.replicas[place].end() < to {
            let next = self.number_of(to);
            let replica = &mut self.replicas[place];
            if !replica.is_apart() {
                (replica.matched, replica.next) = (to, next);
                replica.start = replica.start.max(to);
            }
        }
    }

    /// A replica's log was cut. Returns how many records it lost.
    pub(crate) fn truncate(&mut self, place: usize, to: Offset) -> u64 {
        let replica = &mut self.replicas[place];
        let before = replica.end();
        while replica.tail.back().is_some_and(|e| e.end() > to) {
            replica.tail.pop_back();
        }
        if replica.matched > to {
            while replica.next > self.dropped
                && self.entries[(replica.next - 1 - self.dropped) as usize].end() > to
            {
                replica.next -= 1;
            }
            let last = (replica.next - self.dropped) as usize;
            let end = if last == 0 { self.start } else { self.entries[last - 1].end() };
            replica.matched = end.min(to);
            replica.start = replica.start.min(replica.matched);
        }
        replica.audited = replica.audited.min(replica.end());
        let lost = before - replica.end();
        if lost > 0 {
            let own = self.elected.iter_mut().filter(|e| e.place == place);
            own.for_each(|e| e.cut = true);
        }
        lost
    }

    /// Removes canonical entries that no replica holds any more. Returns whether there were any.
    pub(crate) fn drop_unheld(&mut self, removed: &mut Vec<Entry>) -> bool {
        removed.clear();
        let held = self.replicas.iter().map(|r| r.next).max().unwrap_or(0).max(self.dropped);
        if held >= self.number_end() {
            return false;
        }
        let held = (held - self.dropped) as usize;
        removed.extend(self.entries.walk(held));
        self.entries.truncate(held);
        self.end = removed[0].base;
        let end = self.end;
        for replica in &mut self.replicas {
            replica.reach = replica.reach.min(end);
        }
        true
    }

    /// The files of a replica start at `to` now. What lies below every start is forgotten.
    pub(crate) fn move_start(&mut self, place: usize, to: Offset) {
        let next = self.number_of(to);
        let replica = &mut self.replicas[place];
        replica.start = to;
        self.furthest_start = self.furthest_start.max(to);
        while replica.tail.front().is_some_and(|e| e.end() <= to) {
            replica.tail.pop_front();
        }
        if !replica.is_apart() && replica.matched < to {
            (replica.matched, replica.next) = (to, next);
            replica.reach = replica.reach.max(to);
        }
        let lowest = self.replicas.iter().map(|r| r.start).min().unwrap_or_default();
        while self.entries.front().is_some_and(|e| e.end() <= lowest) {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.start = self.start.max(lowest);
        self.end = self.end.max(self.start);
        for replica in &mut self.replicas {
            replica.next = replica.next.max(self.dropped);
        }
    }
}

#[cfg(test)]
mod tests;
