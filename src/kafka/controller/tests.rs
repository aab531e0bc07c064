//! Tests of the whole controller, from requests and timers to records and answers.

mod lab;
mod recordings;
mod requests;
