//! Whole clusters in the machine room: brokers, a controller and clients under faults.

#[path = "world/cluster.rs"]
mod cluster;
#[path = "world/faults.rs"]
mod faults;
#[path = "world/steady.rs"]
mod steady;
