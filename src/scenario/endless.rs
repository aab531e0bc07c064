//! Finds `read` steps that cannot end: a reader stops once 2 s bring nothing new, and a paced
//! producer beside it always brings something.
//!
//! Looks at the resolved plan only. Where nothing can silence the producer it is an error, for the
//! run would go on until its budget; where a fault or a changed configuration may have, it is the
//! author's affair.

use crate::base::ids::{PartitionId, ProcessId};
use crate::base::time::Span;
use crate::model::plan::{AppPlan, Plan};
use crate::model::script::Step;

use super::findings::Findings;
use super::path::at;

/// How long a reader waits for something new.
const READ_IDLE: Span = Span::secs(2);

/// Checks every `read` step of a script whose steps are those of the file, one for one.
pub(super) fn check(found: &mut Findings<'_>, plan: &Plan) {
    let all = (0..plan.processes.len()).map(|p| ProcessId(p as u16));
    let mut running: Vec<ProcessId> = all.filter(|p| plan.processes[p.index()].starts).collect();
    if !plan.faults.is_empty() {
        return;
    }
    for (place, step) in plan.script.iter().enumerate() {
        match &step.step {
            Step::Start { processes } => running.extend(processes),
            Step::Stop { processes } => running.retain(|p| !processes.contains(p)),
            Step::Do { .. } => return,
            Step::Read { partition, .. } => {
                let endless = running.iter().find(|p| feeds(plan, **p, *partition));
                if let Some(producer) = endless {
                    tell(found, plan, place, *producer);
                }
            }
            _ => {}
        }
    }
}

/// Whether a process sends to the partition for ever, more than once while a reader waits.
fn feeds(plan: &Plan, process: ProcessId, partition: PartitionId) -> bool {
    let AppPlan::Producer(producer) = &plan.processes[process.index()].app else { return false };
    let (Some(period), None) = (producer.period, producer.records) else { return false };
    let topic = plan.names.topic_of(partition);
    let targets = producer.topics.iter().map(|t| plan.names.topics[t.index()].partitions);
    let partitions: u64 = targets.map(u64::from).sum();
    producer.topics.contains(&topic) && period.scaled(partitions, 1) < READ_IDLE
}

fn tell(found: &mut Findings<'_>, plan: &Plan, place: usize, producer: ProcessId) {
    let name = plan.names.process(producer);
    // Of several of a kind, `p/2`: a script stops them all by the name of the kind.
    let kind = name.split('/').next().unwrap_or(name);
    let path = at!["script", place, "read"];
    let label =
        format!("it ends when {READ_IDLE} bring nothing new, and `{name}` sends all the time");
    let help = format!(
        "put `{{ \"stop\": \"{kind}\" }}` before it, or give `{kind}` a number of `records`"
    );
    found.error(&path, "this `read` never ends").label(label).help(help);
}
