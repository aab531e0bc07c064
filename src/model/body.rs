//! The arena of bodies: what internal records say, by the id that their batch carries.
//!
//! A body does not change once added, so that every copy of its batch, on whatever disk, names the
//! same one. It is counted how many batches name it, on disks and in messages under way; when there
//! is none any more its place is given to another. A node may add a body and read one; the counts
//! are the machine room's (see [`crate::sim`]), which hears of them from disks and from the pool of
//! part lists and gives places back between two events only.

use crate::model::metadata::MetadataRecord;
use crate::model::payload::Payloads;

/// Refers to what an internal batch of this run holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId {
    slot: u32,
    /// How many bodies had the place before: a stale id is never taken for a newer body.
    generation: u32,
}

impl BodyId {
    /// Its number among all bodies of a run, for fingerprints.
    #[must_use]
    pub const fn number(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }
}

/// The contents of one batch of internal records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Records of the metadata log: what one decision of the controller wrote.
    Metadata(Vec<MetadataRecord>),
}

/// Which bodies got one more batch that names them, and which one less.
#[derive(Clone, Debug, Default)]
pub struct BodyCounts {
    more: Vec<BodyId>,
    less: Vec<BodyId>,
}

impl BodyCounts {
    /// Another batch names it.
    #[cold]
    pub fn more(&mut self, body: BodyId) {
        self.more.push(body);
    }

    /// A batch that named it is gone.
    #[cold]
    pub fn less(&mut self, body: BodyId) {
        self.less.push(body);
    }

    /// Whether nothing has changed since the last [`Bodies::count`].
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.more.is_empty() && self.less.is_empty()
    }
}

#[derive(Clone, Debug, Default)]
struct Slot {
    generation: u32,
    /// How many batches name it.
    named: u32,
    body: Option<Body>,
}

/// All bodies of a run.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Bodies that nobody may name any more: new ones, and those of which a batch has gone.
    suspects: Vec<BodyId>,
    /// What the records of producers say, if an application looks into them.
    pub payloads: Option<Box<Payloads>>,
}

impl Bodies {
    /// Adds a body. It stays until the machine room finds that no batch names it.
    pub fn add(&mut self, body: Body) -> BodyId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let place = &mut self.slots[slot as usize];
        place.body = Some(body);
        let id = BodyId { slot, generation: place.generation };
        self.suspects.push(id);
        id
    }

    /// The body with this id.
    ///
    /// # Panics
    /// If the id is of another run, or no batch names the body any more.
    #[must_use]
    pub fn get(&self, id: BodyId) -> &Body {
        let slot = &self.slots[id.slot as usize];
        assert!(slot.generation == id.generation, "a body is kept while a batch names it");
        slot.body.as_ref().expect("a body is kept while a batch names it")
    }

    /// Records of the metadata log.
    #[must_use]
    pub fn metadata(&self, id: BodyId) -> &[MetadataRecord] {
        match self.get(id) {
            Body::Metadata(records) => records,
        }
    }

    /// How many bodies there are.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    // ---- what the machine room does ----

    /// Takes over what a disk or the pool of part lists has counted.
    #[inline]
    pub fn count(&mut self, counts: &mut BodyCounts) {
        if !counts.is_empty() {
            self.count_changes(counts);
        }
    }

    fn count_changes(&mut self, counts: &mut BodyCounts) {
        for id in counts.more.drain(..) {
            self.slots[id.slot as usize].named += 1;
        }
        for id in counts.less.drain(..) {
            self.slots[id.slot as usize].named -= 1;
            self.suspects.push(id);
        }
    }

    /// Gives back the places of bodies that no batch names. Everything must have been counted.
    pub fn sweep(&mut self) {
        for id in self.suspects.drain(..) {
            let slot = &mut self.slots[id.slot as usize];
            if slot.generation == id.generation && slot.named == 0 {
                slot.body = None;
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(id.slot);
            }
        }
    }

    /// Whether [`Bodies::sweep`] has anything to look at.
    #[must_use]
    pub const fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }
}
