//! Applications: what runs in a client process.
//!
//! Each implements [`crate::kafka::client::Application`], the same trait with which readers test
//! their own logic. An application knows its plan and what its clients call it back with.

mod numbered;
mod poll_loop;

pub use numbered::NumberedProducer;
pub use poll_loop::PollLoop;

use crate::kafka::client::Application;
use crate::model::plan::{AppPlan, Plan};

/// The applications of a plan's processes, by `ProcessId`.
#[must_use]
pub fn build(plan: &Plan) -> Vec<Box<dyn Application>> {
    let apps = plan.processes.iter().map(|process| -> Box<dyn Application> {
        match &process.app {
            AppPlan::Producer(producer) => Box::new(NumberedProducer::new(producer.clone())),
            AppPlan::Consumer(consumer) => Box::new(PollLoop::new(consumer.clone())),
        }
    });
    apps.collect()
}
