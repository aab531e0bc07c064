//! Client processes driven by hand: a process, its application and brokers that answer as the test
//! says. Nothing of the machine room takes part.

#[path = "clients/bench.rs"]
mod bench;
#[path = "clients/consuming.rs"]
mod consuming;
#[path = "clients/producing.rs"]
mod producing;
