//! A deque whose full chunks can be shared: the long lists of a run, of which several are alike.
//!
//! Entries are added to an open chunk at the end. When that is full it is sealed, and a sealed
//! chunk is an `Arc`: a deque takes another one's chunk in place of an equal one of its own
//! ([`Chunked::share`]), and copies it before it changes an entry of it. So sharing is never seen
//! in what a deque holds. Whoever owns the deques finds equal chunks; this file knows of no other.
//!
//! Chunks begin at every so many entries from the first one that was ever there, and deleting
//! entries at the front leaves that as it is: copies of one list have the same chunks, however much
//! each has deleted.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Bound, Index, IndexMut, Range, RangeBounds};
use std::slice;
use std::sync::Arc;

/// How many entries a chunk has.
pub const CHUNK: usize = 128;

/// See the module.
pub struct Chunked<T> {
    /// Full chunks, oldest first.
    sealed: VecDeque<Arc<[T]>>,
    /// What follows them, at most a chunk. Not empty if there are full chunks.
    open: Vec<T>,
    /// How many entries at the front of the first chunk have been deleted, at most a chunk.
    deleted: usize,
    /// Chunks of which every entry was deleted.
    ///
    /// Speed: they are filled again, so that a log of steady length allocates nothing.
    spare: Vec<Arc<[T]>>,
}

impl<T> Chunked<T> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { sealed: VecDeque::new(), open: Vec::new(), deleted: 0, spare: Vec::new() }
    }

    /// How many entries there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.begin_of_open() + self.open.len() - self.deleted
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sealed.is_empty() && self.open.len() == self.deleted
    }

    /// The entry at a place, counted from the first.
    #[must_use]
    #[inline]
    pub fn get(&self, place: usize) -> Option<&T> {
        let at = place.checked_add(self.deleted)?;
        match at.checked_sub(self.begin_of_open()) {
            Some(at) => self.open.get(at),
            None => Some(&self.sealed[at / CHUNK][at % CHUNK]),
        }
    }

    /// The first entry.
    #[must_use]
    #[inline]
    pub fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last entry.
    #[must_use]
    #[inline]
    pub fn back(&self) -> Option<&T> {
        if self.is_empty() { None } else { self.open.last() }
    }

    /// Every entry, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.pieces(..).flatten()
    }

    /// The entries from this place on, oldest first; most walks begin near the end.
    #[inline]
    pub fn walk(&self, from: usize) -> Walk<'_, T> {
        let at = from + self.deleted;
        let chunk = (at / CHUNK).min(self.sealed.len());
        let rest = self.chunk(chunk).get(at - chunk * CHUNK..).unwrap_or_default();
        Walk { now: rest.iter(), list: self, next: chunk + 1 }
    }

    /// The entries at these places as slices, oldest first, of which any may be empty.
    ///
    /// # Panics
    /// If there are fewer entries.
    pub fn pieces(
        &self,
        places: impl RangeBounds<usize>,
    ) -> impl DoubleEndedIterator<Item = &[T]> + Clone {
        let Range { start, end } = self.clamped(&places);
        let (from, to) = (start + self.deleted, end + self.deleted);
        (from / CHUNK..to.div_ceil(CHUNK)).map(move |chunk| {
            let begin = chunk * CHUNK;
            &self.chunk(chunk)[from.saturating_sub(begin)..(to - begin).min(CHUNK)]
        })
    }

    /// At how many entries at the front this holds; it must hold at none behind one at which it
    /// does not.
    pub fn partition_point(&self, mut holds: impl FnMut(&T) -> bool) -> usize {
        let full = self.sealed.partition_point(|chunk| holds(&chunk[CHUNK - 1]));
        let from = if full == 0 { self.deleted } else { 0 };
        let within = self.chunk(full)[from..].partition_point(holds);
        full * CHUNK + from + within - self.deleted
    }

    /// The full chunks, oldest first. What was deleted from the front of the first one is still in
    /// it, or any other entries in its place.
    #[must_use]
    pub const fn sealed(&self) -> &VecDeque<Arc<[T]>> {
        &self.sealed
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.sealed.clear();
        self.open.clear();
        self.deleted = 0;
    }

    #[inline]
    fn begin_of_open(&self) -> usize {
        self.sealed.len() * CHUNK
    }

    fn chunk(&self, chunk: usize) -> &[T] {
        self.sealed.get(chunk).map_or(&self.open, |sealed| sealed)
    }

    /// Places from a first to behind a last one.
    #[inline]
    fn clamped(&self, places: &impl RangeBounds<usize>) -> Range<usize> {
        let start = match places.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match places.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.len(),
        };
        assert!(start <= end && end <= self.len(), "{start}..{end} of {} entries", self.len());
        start..end
    }
}

impl<T: Copy + Eq> Chunked<T> {
    /// Adds an entry at the end.
    #[inline]
    pub fn push_back(&mut self, entry: T) {
        if self.open.len() == CHUNK {
            self.seal();
        }
        self.open.push(entry);
    }

    /// The entry at a place, to change it.
    #[inline]
    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        let at = place.checked_add(self.deleted)?;
        match at.checked_sub(self.begin_of_open()) {
            Some(at) => self.open.get_mut(at),
            None => Some(&mut Arc::make_mut(&mut self.sealed[at / CHUNK])[at % CHUNK]),
        }
    }

    /// Puts an entry back in front of the first one.
    pub fn push_front(&mut self, entry: T) {
        if self.deleted == 0 {
            if self.is_empty() {
                return self.push_back(entry);
            }
            self.sealed.push_front(Arc::from([entry; CHUNK]));
            self.deleted = CHUNK;
        }
        self.deleted -= 1;
        match self.sealed.front_mut() {
            Some(chunk) if chunk[self.deleted] == entry => {}
            Some(chunk) => Arc::make_mut(chunk)[self.deleted] = entry,
            None => self.open[self.deleted] = entry,
        }
    }

    /// Removes the first entry.
    pub fn pop_front(&mut self) -> Option<T> {
        let first = *self.front()?;
        self.deleted += 1;
        if self.deleted == CHUNK
            && let Some(mut chunk) = self.sealed.pop_front()
        {
            self.deleted = 0;
            if Arc::get_mut(&mut chunk).is_some() {
                self.spare.push(chunk);
            }
        }
        Some(first)
    }

    /// Removes the last entry.
    pub fn pop_back(&mut self) -> Option<T> {
        let last = *self.back()?;
        self.truncate(self.len() - 1);
        Some(last)
    }

    /// Removes all but the first so many entries.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        let Some(last) = (len + self.deleted).checked_sub(1) else { return self.clear() };
        if let Some(chunk) = self.sealed.get(last / CHUNK) {
            self.open.clear();
            self.open.extend_from_slice(&chunk[..=last % CHUNK]);
            self.sealed.truncate(last / CHUNK);
        } else {
            self.open.truncate(last % CHUNK + 1);
        }
    }

    /// Takes a chunk in place of the full one here, if both have the same entries.
    pub fn share(&mut self, chunk: usize, known: &Arc<[T]>) -> bool {
        let own = self.sealed.get_mut(chunk).filter(|own| *own == known);
        own.map(|own| *own = Arc::clone(known)).is_some()
    }

    /// The open chunk is full.
    #[cold]
    fn seal(&mut self) {
        if self.deleted == CHUNK {
            // Nothing is left of it, and no other is before it.
            self.deleted = 0;
        } else if let Some(mut chunk) = self.spare.pop() {
            Arc::make_mut(&mut chunk).copy_from_slice(&self.open);
            self.sealed.push_back(chunk);
        } else {
            self.sealed.push_back(Arc::from(&self.open[..]));
        }
        self.open.clear();
    }
}

/// See [`Chunked::walk`].
#[derive(Clone)]
pub struct Walk<'a, T> {
    now: slice::Iter<'a, T>,
    list: &'a Chunked<T>,
    /// The chunk behind the present one; there may be none.
    next: usize,
}

impl<'a, T> Walk<'a, T> {
    #[cold]
    fn next_chunk(&mut self) -> Option<&'a T> {
        if self.next <= self.list.sealed.len() {
            self.now = self.list.chunk(self.next).iter();
            self.next += 1;
        }
        self.now.next()
    }
}

impl<'a, T> Iterator for Walk<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        self.now.next().or_else(|| self.next_chunk())
    }
}

impl<'a, T> IntoIterator for &'a Chunked<T> {
    type Item = &'a T;
    type IntoIter = Walk<'a, T>;

    fn into_iter(self) -> Walk<'a, T> {
        self.walk(0)
    }
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Clone for Chunked<T> {
    /// Shares every full chunk.
    fn clone(&self) -> Self {
        let (sealed, open) = (self.sealed.clone(), self.open.clone());
        Self { sealed, open, deleted: self.deleted, spare: Vec::new() }
    }
}

impl<T> Index<usize> for Chunked<T> {
    type Output = T;

    #[inline]
    fn index(&self, place: usize) -> &T {
        self.get(place).expect("there is such an entry")
    }
}

impl<T: Copy + Eq> IndexMut<usize> for Chunked<T> {
    #[inline]
    fn index_mut(&mut self, place: usize) -> &mut T {
        self.get_mut(place).expect("there is such an entry")
    }
}

impl<T: PartialEq> PartialEq for Chunked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Eq> Eq for Chunked<T> {}

impl<T: fmt::Debug> fmt::Debug for Chunked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Copy + Eq> FromIterator<T> for Chunked<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut all = Self::new();
        all.extend(entries);
        all
    }
}

impl<T: Copy + Eq> Extend<T> for Chunked<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.push_back(entry));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};

    use super::{CHUNK, Chunked};

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Append(usize),
        Delete(usize),
        PutBack(usize),
        Other,
        Cut(usize),
        Pop,
        Change(usize),
        Clear,
        Share,
        Fork,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (1..3 * CHUNK).prop_map(Step::Append),
            4 => (1..2 * CHUNK).prop_map(Step::Delete),
            3 => (1..CHUNK).prop_map(Step::PutBack),
            1 => Just(Step::Other),
            3 => (1..2 * CHUNK).prop_map(Step::Cut),
            2 => Just(Step::Pop),
            2 => (0..4 * CHUNK).prop_map(Step::Change),
            1 => Just(Step::Clear),
            4 => Just(Step::Share),
            2 => Just(Step::Fork),
        ];
        prop::collection::vec(step, 1..40)
    }

    /// A deque beside the model of it. Entries rise, so that they can be searched.
    #[derive(Clone, Debug, Default)]
    struct Pair {
        chunked: Chunked<u32>,
        model: VecDeque<u32>,
        deleted: Vec<u32>,
    }

    impl Pair {
        fn take(&mut self, step: Step) {
            match step {
                Step::Append(count) => {
                    let first = self.model.back().map_or(1_000_000, |last| last / 2 * 2 + 2);
                    for entry in (first..).step_by(2).take(count) {
                        self.chunked.push_back(entry);
                        self.model.push_back(entry);
                    }
                    self.deleted.clear();
                }
                Step::Delete(count) => {
                    for _ in 0..count {
                        let first = self.model.pop_front();
                        assert_eq!(self.chunked.pop_front(), first);
                        self.deleted.extend(first);
                    }
                }
                Step::PutBack(count) => {
                    for _ in 0..count {
                        let Some(entry) = self.deleted.pop() else { break };
                        self.chunked.push_front(entry);
                        self.model.push_front(entry);
                    }
                }
                Step::Other => {
                    let entry = self.model.front().map_or(1_000_000, |first| first / 2 * 2 - 2);
                    self.deleted.clear();
                    self.chunked.push_front(entry);
                    self.model.push_front(entry);
                }
                Step::Cut(count) => {
                    self.deleted.clear();
                    let left = self.model.len().saturating_sub(count);
                    self.chunked.truncate(left);
                    self.model.truncate(left);
                }
                Step::Pop => assert_eq!(self.chunked.pop_back(), self.model.pop_back()),
                Step::Change(place) => {
                    // An entry is even or odd, so that it can be changed and searched.
                    let (ours, theirs) = (self.chunked.get_mut(place), self.model.get_mut(place));
                    assert_eq!(ours, theirs);
                    ours.into_iter().chain(theirs).for_each(|entry| *entry ^= 1);
                }
                Step::Clear => {
                    self.chunked.clear();
                    self.model.clear();
                }
                Step::Share | Step::Fork => {}
            }
        }

        fn compare(&self) {
            let (chunked, model) = (&self.chunked, &self.model);
            assert_eq!((chunked.len(), chunked.is_empty()), (model.len(), model.is_empty()));
            assert_eq!((chunked.front(), chunked.back()), (model.front(), model.back()));
            assert!(chunked.iter().eq(model));
            assert!(chunked.iter().rev().eq(model.iter().rev()));
            let len = model.len();
            for (from, to) in [(0, len), (0, len / 2), (len / 3, len), (len / 3, len / 2)] {
                assert!(chunked.walk(from).eq(model.range(from..)));
                assert!(chunked.pieces(from..to).flatten().eq(model.range(from..to)));
                let wanted = model.get(to).copied().unwrap_or(u32::MAX);
                let place = chunked.partition_point(|entry| *entry < wanted);
                assert_eq!(place, model.partition_point(|entry| *entry < wanted));
            }
            assert_eq!(chunked.walk(len).next(), None);
            assert_eq!((chunked.get(len), chunked.get(len / 2)), (None, model.get(len / 2)));
            assert_eq!(*chunked, model.iter().copied().collect());
        }
    }

    /// Takes every chunk that it can from the other; says how many.
    fn share(one: &mut Chunked<u32>, other: &Chunked<u32>) -> usize {
        let mut shared = 0;
        for chunk in 0..one.sealed().len() {
            shared += other.sealed().iter().filter(|known| one.share(chunk, known)).count();
        }
        shared
    }

    proptest! {
        #[test]
        fn it_is_a_deque_whoever_shares_its_chunks(steps in steps(), more in steps()) {
            let (mut one, mut other) = (Pair::default(), Pair::default());
            for (step, next) in steps.into_iter().zip(more) {
                one.take(step);
                other.take(next);
                match step {
                    Step::Share => {
                        share(&mut one.chunked, &other.chunked);
                    }
                    Step::Fork => other = one.clone(),
                    _ => {}
                }
                one.compare();
                other.compare();
            }
        }
    }

    fn counted(to: usize) -> Chunked<u32> {
        (0..to as u32).collect()
    }

    #[test]
    fn equal_chunks_are_one_until_one_of_them_is_changed() {
        let (mut one, mut other) = (counted(4 * CHUNK), counted(5 * CHUNK));
        (0..CHUNK + 1).for_each(|_| assert!(other.pop_front().is_some()));
        assert_eq!(share(&mut one, &other), 2, "the first is gone, the last is open");
        assert!(Arc::ptr_eq(&one.sealed()[1], &other.sealed()[0]));
        // What was deleted is put back, and then something else.
        other.push_front(CHUNK as u32);
        assert!(Arc::ptr_eq(&one.sealed()[1], &other.sealed()[0]), "nothing was changed");
        assert_eq!(other.pop_front(), Some(CHUNK as u32));
        other.push_front(7);
        assert!(!Arc::ptr_eq(&one.sealed()[1], &other.sealed()[0]), "a copy was");
        assert_eq!((other[0], one[CHUNK]), (7, CHUNK as u32));
        assert!(!other.share(0, &one.sealed()[1]), "they differ");
    }

    #[test]
    fn copies_have_the_same_chunks_however_much_each_has_deleted() {
        let (mut one, mut other) = (counted(CHUNK + 3), counted(CHUNK + 3));
        (0..CHUNK + 3).for_each(|_| assert!(one.pop_front().is_some()));
        assert!(one.is_empty());
        for entry in 0..3 * CHUNK as u32 {
            one.push_back(entry);
            other.push_back(entry);
        }
        assert_eq!(share(&mut one, &other), 3, "all but the one of which nothing is left");
        assert_eq!(one.len(), 3 * CHUNK);
    }

    #[test]
    fn a_list_of_steady_length_fills_the_chunks_that_it_has() {
        let mut list = counted(3 * CHUNK);
        let first = Arc::as_ptr(&list.sealed()[0]);
        for entry in 0..=CHUNK as u32 {
            assert!(list.pop_front().is_some());
            list.push_back(entry);
        }
        assert_eq!(Arc::as_ptr(list.sealed().back().expect("two are full")), first);
    }

    #[test]
    fn a_place_beyond_every_entry_has_none() {
        let mut list = Chunked::new();
        for entry in 0..3 {
            list.push_back(entry);
        }
        list.pop_front();
        for place in [2, 3, CHUNK, usize::MAX - 1, usize::MAX] {
            assert_eq!(list.get(place), None, "{place}");
            assert_eq!(list.get_mut(place), None, "{place}");
        }
        assert_eq!((list.get(0), list.get(1)), (Some(&1), Some(&2)));
    }
}
