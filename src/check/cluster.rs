//! Properties of what the controller commits: who leads, and by what right.

pub(crate) mod election_unjustified;
pub(crate) mod two_leaders;
