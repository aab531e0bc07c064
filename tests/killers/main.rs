//! What sweeps must find, and what they must not: every checker and every drill has its killer, the
//! canaries die, and one seed is one run.
//!
//! One binary, because each links the whole library anew. `cargo test --test killers canaries` runs
//! one module of it.

mod canaries;
mod determinism;
#[path = "../common/files.rs"]
mod files;
mod killers;
mod load;
mod settling;
