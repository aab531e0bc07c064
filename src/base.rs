//! The ground floor: time, luck, names and lines of text.
//!
//! Knows nothing of Kafka and nothing of the simulator above it. Everything here is integer
//! arithmetic on virtual quantities; there is no wall clock, no environment and no hash order.

pub mod chunked;
pub mod ids;
pub mod number_set;
pub mod replicas;
pub mod rng;
pub mod sparse;
pub mod text;
pub mod time;
pub mod words;
