//! Verbs: Kafka's protocol, sans IO.
//!
//! Invariant: this module does not know that it is simulated. It holds no clock, no randomness, no
//! IO, no floats and no hash maps; time, luck and the network reach it through [`ctx::Ctx`] only,
//! and it learns the fate of a message by an answer, a timer, or its connection closing.
//!
//! Behaviour follows Kafka 4.1.1 as restated in `kafka-protocol.md`; each function names the Kafka
//! file it follows. Decisions that differed between releases are in [`rulings`].

mod backoff;
pub mod broker;
pub mod client;
pub mod controller;
pub mod ctx;
pub mod deferred;
mod fetch_session;
pub mod image;
pub mod log;
pub mod metadata_log;
pub mod network_client;
pub mod producer_state;
mod rounds;
pub mod rulings;
pub mod start;
pub mod timers;
