//! Nouns: the plain data that everything above shares. No protocol, no scheduling, no judgement.
//!
//! Start with [`batch`] and [`message`] (what travels), then [`disk`] (what survives), then
//! [`fact`] (what can be known), then [`rules`] and [`config`] (what may differ between two runs).

pub mod batch;
pub mod body;
pub mod config;
pub mod directory;
pub mod disk;
pub mod error;
pub mod fact;
pub mod fault;
pub mod message;
pub mod metadata;
pub mod names;
pub mod pattern;
pub mod payload;
pub mod placement;
pub mod plan;
pub mod rules;
pub mod script;
pub mod topic;
