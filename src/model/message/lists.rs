//! Lists of messages: what repeats per partition, batch or record, in pools.
//!
//! A message names its lists by [`List`]; the pools of all kinds of entries are the `Lists` that
//! the table of messages makes. A list is taken, filled, sent, read by the receiver and given back.
//! Knows no message.
//!
//! Speed: a list that is given back keeps its capacity, so that a steady run allocates nothing.
//! What entries weigh on the wire and what they say is counted as they are pushed, not by a walk
//! later.

use std::marker::PhantomData;
use std::ops::Range;

use crate::base::rng::stir;
use crate::base::words::Word;
use crate::model::body::{BodyCounts, BodyId};

/// Names a list in the pool of its kind of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<T> {
    id: u32,
    of: PhantomData<T>,
}

/// Consecutive entries of a list: those that belong to one entry of another list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sublist<T> {
    start: u32,
    count: u32,
    of: PhantomData<T>,
}

impl<T> Sublist<T> {
    /// No entry.
    pub const EMPTY: Self = Self { start: 0, count: 0, of: PhantomData };

    /// The entries at these places of the list.
    #[must_use]
    pub const fn new(places: Range<usize>) -> Self {
        let (start, count) = (places.start as u32, (places.end - places.start) as u32);
        Self { start, count, of: PhantomData }
    }

    /// Their places in the list.
    #[must_use]
    pub const fn places(&self) -> Range<usize> {
        self.start as usize..(self.start + self.count) as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<T> Word for Sublist<T> {
    #[inline]
    fn word(&self) -> u64 {
        u64::from(self.start) << 32 | u64::from(self.count)
    }
}

/// What lists are made of.
pub trait Entry: Copy + Word {
    /// Whether it holds a batch of records.
    const HOLDS_RECORDS: bool = false;

    /// Bytes on the wire.
    fn wire_bytes(&self) -> u64 {
        40
    }

    /// The body that it names.
    #[inline]
    fn body(&self) -> Option<BodyId> {
        None
    }
}

/// The pools that hold lists of `T`.
pub trait Holds<T> {
    /// The pool of them.
    fn pool(&self) -> &Pool<T>;
    /// The same, to change it.
    fn pool_mut(&mut self) -> &mut Pool<T>;
}

/// The lists of one kind of entries.
#[derive(Clone, Debug)]
pub struct Pool<T> {
    lists: Vec<Entries<T>>,
    free: Vec<u32>,
    bodies: BodyCounts,
}

#[derive(Clone, Debug)]
struct Entries<T> {
    entries: Vec<T>,
    /// Bytes of all of them on the wire.
    wire: u64,
    /// What all of them said when they were pushed.
    word: u64,
    /// One of them says something else since.
    changed: bool,
    /// One of them names a body.
    has_bodies: bool,
}

/// What a list without entries says.
const NOTHING: u64 = 1;

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { lists: Vec::new(), free: Vec::new(), bodies: BodyCounts::default() }
    }
}

impl<T: Entry> Entries<T> {
    /// What all of them say now.
    #[cold]
    fn say(&self) -> u64 {
        self.entries.iter().fold(NOTHING, |word, entry| stir(word, entry.word()))
    }
}

impl<T: Entry> Pool<T> {
    /// An empty list.
    pub fn take(&mut self) -> List<T> {
        let id = self.free.pop().unwrap_or_else(|| {
            self.lists.push(Entries {
                entries: Vec::new(),
                wire: 0,
                word: NOTHING,
                changed: false,
                has_bodies: false,
            });
            (self.lists.len() - 1) as u32
        });
        List { id, of: PhantomData }
    }

    /// Appends to a list.
    ///
    /// Speed: inline, so that an entry is made where it will lie.
    #[inline]
    pub fn push(&mut self, list: List<T>, entry: T) {
        let list = &mut self.lists[list.id as usize];
        list.wire += entry.wire_bytes();
        list.word = stir(list.word, entry.word());
        if let Some(body) = entry.body() {
            self.bodies.more(body);
            list.has_bodies = true;
        }
        list.entries.push(entry);
    }

    /// The entries of a list.
    #[must_use]
    #[inline]
    pub fn get(&self, list: List<T>) -> &[T] {
        &self.lists[list.id as usize].entries
    }

    /// Changes the entry at this place, if there is one. It must not become longer or shorter on
    /// the wire.
    pub fn change(&mut self, list: List<T>, place: usize, change: impl FnOnce(&mut T)) {
        let list = &mut self.lists[list.id as usize];
        if let Some(entry) = list.entries.get_mut(place) {
            change(entry);
            list.changed = true;
        }
    }

    /// Gives a list back. It must not be used afterwards.
    pub fn give_back(&mut self, list: List<T>) {
        debug_assert!(!self.free.contains(&list.id), "a list was given back twice");
        let entries = &mut self.lists[list.id as usize];
        if std::mem::take(&mut entries.has_bodies) {
            let bodies = entries.entries.iter().filter_map(Entry::body);
            bodies.for_each(|body| self.bodies.less(body));
        }
        entries.entries.clear();
        entries.wire = 0;
        entries.word = NOTHING;
        entries.changed = false;
        self.free.push(list.id);
    }

    /// Which bodies its entries have begun and ceased to name.
    pub const fn body_counts(&mut self) -> &mut BodyCounts {
        &mut self.bodies
    }

    /// How many lists are in use: none when nothing is in flight and nothing is parked.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.lists.len() - self.free.len()
    }

    /// Bytes of one list on the wire: the batches and a fixed amount per other entry.
    #[must_use]
    #[inline]
    pub fn wire_bytes(&self, list: List<T>) -> u64 {
        self.lists[list.id as usize].wire
    }

    /// What one list says.
    #[must_use]
    #[inline]
    pub fn word(&self, list: List<T>) -> u64 {
        let list = &self.lists[list.id as usize];
        if list.changed { list.say() } else { list.word }
    }
}

/// A field of a message: a plain value or a list, kept in the pools `L`.
pub trait Field<L> {
    /// What it says.
    fn word(&self, lists: &L) -> u64;

    /// Bytes on the wire beside the fixed size of a message.
    fn wire_bytes(&self, _: &L) -> u64 {
        0
    }

    /// Whether it holds records.
    fn holds_records(&self, _: &L) -> bool {
        false
    }

    /// Gives its list back, if it is one.
    fn give_back(&self, _: &mut L) {}
}

impl<T: Word, L> Field<L> for T {
    #[inline]
    fn word(&self, _: &L) -> u64 {
        Word::word(self)
    }
}

impl<T: Entry, L: Holds<T>> Field<L> for List<T> {
    #[inline]
    fn word(&self, lists: &L) -> u64 {
        lists.pool().word(*self)
    }

    #[inline]
    fn wire_bytes(&self, lists: &L) -> u64 {
        lists.pool().wire_bytes(*self)
    }

    #[inline]
    fn holds_records(&self, lists: &L) -> bool {
        T::HOLDS_RECORDS && !lists.pool().get(*self).is_empty()
    }

    #[inline]
    fn give_back(&self, lists: &mut L) {
        lists.pool_mut().give_back(*self);
    }
}
