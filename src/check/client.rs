//! Properties of what producers and consumers get: which records, how often, in which order.

pub(crate) mod dirty_read;
pub(crate) mod duplicate;
pub(crate) mod forgotten;
pub(crate) mod inconsistent_read;
pub(crate) mod key_misplaced;
pub(crate) mod order_broken;
pub(crate) mod position_unjustified;
pub(crate) mod producer_unfenced;
pub(crate) mod read_skipped;
pub(crate) mod rejected_but_written;
pub(crate) mod sequence_gap;
