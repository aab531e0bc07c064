//! Kafka's Java clients and the process they live in.
//!
//! A [`process::Process`] is one application, the clients it asks for and what survives a crash of
//! both. A client is a state machine over its own channels ([`channel`]) and its own view of
//! who leads what ([`cache`]); the producer and the consumer share nothing but the process.
//! Follows `clients/src/main/java/org/apache/kafka/clients`. Clients do not know why a broker is
//! slow, silent or wrong: they meet answers, time-outs and closed connections.

mod accumulator;
pub mod application;
mod cache;
mod channel;
pub mod config;
mod consumer;
mod idempotence;
pub mod partitioner;
mod positions;
pub mod process;
mod producer;
mod rulings;
mod sender;

pub use crate::kafka::start::Command;
pub use accumulator::Item;
pub use application::{
    Answer, Application, Clients, CloneApplication, ConsumerRecord, NewRecord, Polled, Sending,
};
pub use process::{Process, Store};
