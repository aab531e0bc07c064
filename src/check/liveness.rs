//! What must come true after the heal: obligations, counted open and paid.

pub(crate) mod account;
pub(crate) mod isr_fills;
pub(crate) mod lag_drains;
pub(crate) mod metadata_converges;
pub(crate) mod requests_end;
pub(crate) mod writes_resume;
