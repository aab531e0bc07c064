//! Highwater (this page becomes the architecture document).

pub mod app;
pub mod base;
pub mod check;
pub mod kafka;
pub mod model;
pub mod report;
pub mod scenario;
pub mod record;
pub mod sim;
