//! Properties of one log: what is in it stays in it, and replicas agree about it.

pub(crate) mod acked_lost;
pub(crate) mod committed_lost;
pub(crate) mod leader_incomplete;
pub(crate) mod log_diverged;
pub(crate) mod retention_broken;
