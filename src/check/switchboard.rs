//! The switchboard: `impl Checks`, cut by the subject of the facts. Each method takes one fact
//! apart and tells the ghosts and the properties concerned. Judges nothing by itself.

mod brokers;
mod clients;
pub(crate) mod late;
mod logs;
mod metadata;
mod phases;
mod watermarks;
