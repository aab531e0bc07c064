//! What a run will cost, before it is run: events and bytes, from its plan alone.
//!
//! Events of one simulated second, each request and its answer being sent, delivered and served:
//!
//! * 12 a broker (heartbeats and metadata fetches of 500 ms, checkpoints, timers),
//! * 16 a pair of brokers (replica fetches that wait up to 500 ms, and their timers),
//! * 16 an assigned consumer and broker (fetches that wait up to 500 ms),
//! * for each record sent: 10 for its request, 10 a further replica, 8 a consumer of its topic.
//!
//! The run lasts its duration, or what its script sleeps, and its settling. Bytes: 1 MiB of ground,
//! 64 KiB a node, 4 KiB a replica, and for each record 96 B a replica and 128 B of ghosts. Both are
//! bounds to refuse a run that cannot end, not predictions.

use crate::base::ids::PartitionId;
use crate::base::time::Span;
use crate::model::plan::{AppPlan, Plan};
use crate::model::script::Step;

/// Estimated events and bytes of one run.
#[must_use]
pub fn estimate(plan: &Plan) -> (u64, u64) {
    let brokers = plan.brokers.len() as u64;
    let slept = plan.script.iter().fold(Span::ZERO, |slept, step| match step.step {
        Step::Sleep(span) => slept + span,
        _ => slept,
    });
    let length = plan.run.duration.max(slept) + plan.run.settle;
    let seconds = length.0.div_ceil(1_000_000_000);
    let replicas: u64 = plan.partitions().map(|p| plan.replication_factor(p) as u64).sum();
    let factor = plan.topics.iter().flat_map(|t| &t.replicas).map(Vec::len).max().unwrap_or(1);
    let factor = factor as u64;
    let mut records = 0u64;
    let mut consumers = 0u64;
    let mut fetches = 0u64;
    for process in &plan.processes {
        if let AppPlan::Producer(p) = &process.app {
            let paced = p.period.map_or(0, |period| length.0 / period.0.max(1));
            records = records.saturating_add(paced.min(p.records.unwrap_or(u64::MAX)));
        }
        if let Some(assigned) = process.app.assigned() {
            consumers += 1;
            fetches += leaders(plan, assigned).min(brokers);
        }
    }
    for step in &plan.script {
        if let Step::Send { count, .. } = step.step {
            records = records.saturating_add(u64::from(count));
        }
    }
    let idle = 12 * brokers + 16 * brokers * (brokers - 1).min(replicas) + 16 * fetches;
    let each = 10 + 10 * (factor - 1) + 8 * consumers;
    let events = seconds.saturating_mul(idle).saturating_add(records.saturating_mul(each));
    let nodes = brokers + plan.controllers.len() as u64 + plan.processes.len() as u64;
    let ground = (1 << 20) + nodes * (64 << 10) + replicas * (4 << 10);
    let bytes = ground.saturating_add(records.saturating_mul(96 * factor + 128));
    (events, bytes)
}

/// How many brokers lead the partitions, as planned.
fn leaders(plan: &Plan, partitions: &[PartitionId]) -> u64 {
    let mut leaders: Vec<_> = partitions.iter().filter_map(|p| plan.replicas(*p).first()).collect();
    leaders.sort_unstable();
    leaders.dedup();
    leaders.len() as u64
}

/// The largest bound that the configurations imply for convergence after the heal.
#[must_use]
pub(super) fn settle(plan: &Plan) -> Span {
    let mut longest = Span::ZERO;
    for broker in &plan.brokers {
        let lag = broker.config.replica_lag_time_max.scaled(3, 2);
        longest = longest.max(lag).max(broker.config.session_timeout);
    }
    for controller in &plan.controllers {
        longest = longest.max(controller.config.session_timeout);
    }
    for process in &plan.processes {
        if let AppPlan::Producer(p) = &process.app {
            longest = longest.max(p.config.delivery_timeout);
        }
    }
    longest
}
