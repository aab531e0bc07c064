//! Applications: what runs in a client process.
//!
//! Each implements [`crate::kafka::client::Application`], the same trait with which readers test
//! their own logic. An application knows its plan and what its clients call it back with.
//! [`Applications`] puts readers' own where the plan has a place for them.

mod numbered;
mod poll_loop;

pub use numbered::NumberedProducer;
pub use poll_loop::PollLoop;

use crate::kafka::client::Application;
use crate::model::plan::{AppPlan, Plan};

/// Applications of the reader's own, each with the name of the process that runs it.
pub type Applications = Vec<(&'static str, Box<dyn Application>)>;

/// Why a plan and applications do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationsError {
    /// The plan has no process of this name.
    #[error("no process is called `{name}`; there are {there}")]
    NoProcess {
        /// The name given.
        name: String,
        /// The names there are.
        there: String,
    },
    /// The plan has an application of ours for the process, or it was given two.
    #[error("`{name}` runs another application: `Plan::own` leaves a process to yours, for one")]
    NotOwn {
        /// The process.
        name: String,
    },
    /// Nobody gave an application for a process that is left to one of the reader's own.
    #[error("no application was given for `{name}`")]
    Missing {
        /// The process.
        name: String,
    },
}

/// Our application for a process that is planned so; `None` if it is left to the reader's own.
#[must_use]
pub fn ours(app: &AppPlan) -> Option<Box<dyn Application>> {
    match app {
        AppPlan::Producer(producer) => Some(Box::new(NumberedProducer::new(producer.clone()))),
        AppPlan::Consumer(consumer) => Some(Box::new(PollLoop::new(consumer.clone()))),
        AppPlan::Own(_) => None,
    }
}

/// The applications of a plan's processes, by `ProcessId`.
///
/// # Panics
/// If a process is left to an application of the reader's own: `build_with` takes those.
#[must_use]
pub fn build(plan: &Plan) -> Vec<Box<dyn Application>> {
    build_with(plan, Vec::new()).unwrap_or_else(|error| panic!("{error}"))
}

/// The same, with the reader's own for those processes that are left to them.
///
/// # Errors
/// If the two do not go together.
pub fn build_with(
    plan: &Plan,
    mut own: Applications,
) -> Result<Vec<Box<dyn Application>>, ApplicationsError> {
    let mut apps: Vec<Box<dyn Application>> = Vec::with_capacity(plan.processes.len());
    for (process, name) in plan.processes.iter().zip(&plan.names.processes) {
        let app = ours(&process.app).or_else(|| {
            let place = own.iter().position(|(own, _)| own == name)?;
            Some(own.swap_remove(place).1)
        });
        apps.push(app.ok_or_else(|| ApplicationsError::Missing { name: name.clone() })?);
    }
    match own.first() {
        None => Ok(apps),
        Some((name, _)) if plan.names.processes.iter().any(|there| there == name) => {
            Err(ApplicationsError::NotOwn { name: (*name).to_owned() })
        }
        Some((name, _)) => Err(ApplicationsError::NoProcess {
            name: (*name).to_owned(),
            there: plan.names.processes.join(", "),
        }),
    }
}
