//! The machine room: time, luck, network, disks, clocks and faults under the nodes.
//!
//! [`world`] pops one event after the other from the queue, lets at most one handler run, and
//! carries out what it asked for. [`director`] decides which fault happens when, and plays the
//! scripted operator. Faults live here and nowhere below; nodes learn of them by answers that do
//! not come, by timers, and by connections that close.
//!
//! To read it: `event` (what can happen), `world` (one step), `deliver` and `effects` (what reaches
//! a node, what it asks for), `lifecycle` and `faults` (machines and what befalls them), `network`,
//! `flow` and `disruption` (TCP), `lanes` (service times), then `director` and its helpers, and
//! `upcoming` (of use only to a run that does not end).
//!
//! Invariant: this module meets an application as `Box<dyn Application>` only, and never names the
//! checkers, the reports or the scenario format.

mod bootstrap;
pub mod budget;

pub mod chaos;
mod clock;
mod committed;
mod deliver;
mod desk;
pub mod director;
mod disk;
mod disruption;
mod effects;
mod event;
mod faults;
mod flow;
mod host;
mod lanes;
mod lifecycle;
mod links;
mod network;
mod nodes;
mod positions;
pub mod queue;
pub mod rolling;
pub mod script;
#[cfg(test)]
mod stage;
mod table;
pub mod targets;
mod timers;
mod upcoming;
pub mod world;
