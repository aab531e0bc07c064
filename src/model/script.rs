//! What one scripted client and operator does, step by step.
//!
//! A step is resolved: names are ids. What a step records under `as` is put together by `run`.

#![expect(missing_docs, reason = "fields bear Kafka's own names; every variant is documented")]

use crate::base::ids::{BrokerId, Offset, PartitionId, ProcessId};
use crate::base::time::Span;
use crate::model::fault::{Action, Target};
use crate::model::pattern::Pattern;

/// A step and the name of the fact that it records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptStep {
    /// What to do.
    pub step: Step,
    /// `as`: the name of what it records, in the report and for comparison with a recording.
    pub record_as: Option<String>,
}

/// One thing a script does. The next step begins when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waits.
    Sleep(Span),
    /// Waits until the latest fact that concerns the pattern fits it; inconclusive after `within`.
    Until { pattern: Pattern, within: Span },
    /// Sends records one after the other, each waiting for its answer (unless the script does not
    /// wait for any), with values `label0`, …. `partition` fixes the partition; otherwise the
    /// partitioner chooses.
    Send {
        process: ProcessId,
        count: u32,
        label: Option<u16>,
        partition: Option<PartitionId>,
        awaits: bool,
    },
    /// Starts clients by name.
    Start { processes: Vec<ProcessId> },
    /// Stops clients: a producer flushes first, a consumer keeps its position.
    Stop { processes: Vec<ProcessId> },
    /// Moves a consumer's position.
    Seek { process: ProcessId, partition: PartitionId, offset: Offset },
    /// A fault or an operation, at once.
    Do { action: Action, target: Option<Target>, mark: Option<String> },
    /// Ends what bears the mark.
    Undo { mark: String },
    /// Reads the committed state of a partition.
    Describe { partition: PartitionId },
    /// A fresh read_uncommitted consumer (a process made for this step) reads from the log start
    /// until 2 s bring nothing new.
    Read { partition: PartitionId, reader: ProcessId },
    /// Reads a replica's log; the leader's if no broker is named.
    DumpLog { partition: PartitionId, broker: Option<BrokerId> },
}
