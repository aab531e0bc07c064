//! Properties of what producers and consumers get: which records, how often, in which order.

pub(crate) mod dirty_read;
pub(crate) mod duplicate;
pub(crate) mod inconsistent_read;
pub(crate) mod key_misplaced;
pub(crate) mod order_broken;
pub(crate) mod position_unjustified;
pub(crate) mod read_skipped;
