//! (to be written)

pub mod budget;
pub mod chaos;
pub mod director;
pub mod rolling;
pub mod script;
#[cfg(test)]
mod stage;
pub mod targets;
