//! The arena of bodies: variable-sized contents that small `Copy` values refer to by id.
//!
//! Immutable once added. What internal records say (replica lists now; offset commits and
//! transaction states when their coordinators come) lies here, so that batches, messages and
//! metadata records stay small.

use crate::base::ids::BrokerId;
use crate::model::payload::Payloads;

/// Refers to a [`Body`] of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub u32);

/// Contents of variable size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The replica list of a partition; its order is the order of preference for leadership.
    Replicas(Vec<BrokerId>),
}

/// All bodies of a run.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    bodies: Vec<Body>,
    /// What the records of producers say, if an application looks into them.
    pub payloads: Option<Box<Payloads>>,
}

impl Bodies {
    /// Adds a body; the same body added again gets the id it has.
    pub fn add(&mut self, body: Body) -> BodyId {
        let place = self.bodies.iter().position(|b| *b == body).unwrap_or_else(|| {
            self.bodies.push(body);
            self.bodies.len() - 1
        });
        BodyId(place as u32)
    }

    /// The body with this id.
    ///
    /// # Panics
    /// If the id is of another run.
    #[must_use]
    pub fn get(&self, id: BodyId) -> &Body {
        &self.bodies[id.0 as usize]
    }

    /// The replica list with this id.
    #[must_use]
    pub fn replicas(&self, id: BodyId) -> &[BrokerId] {
        match self.get(id) {
            Body::Replicas(list) => list,
        }
    }
}
