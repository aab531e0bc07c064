//! Tests of the whole controller, from requests and timers to records and answers.

mod elections;
mod lab;
mod power;
mod recordings;
mod requests;
mod topics;
mod toy;
