//! Properties of replication: who is in sync, and what counts as committed.

pub(crate) mod candidate_incomplete;
pub(crate) mod fenced_in_isr;
pub(crate) mod isr_unjustified;
pub(crate) mod min_insync_ignored;
pub(crate) mod watermark_fell;
