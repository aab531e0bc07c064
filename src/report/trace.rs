//! One line per fact: when, who, what, where, and the details, in fixed columns.
//!
//! Replica sets are printed as broker ids, so a line needs the replica lists beside the names. Does
//! not know which lines matter to anybody: choosing them is [`super::story`]. The columns follow
//! the `Describe` functions of etcd's raft, which people read without a legend.

use std::fmt;

use crate::base::ids::{BrokerId, NodeId, Offset, PartitionId, ReplicaSet};
use crate::model::batch::{Marker, RecordId, Records};
use crate::model::config::Acks;
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, PositionAnswer, PositionChange, Stamp, StopKind, Subject};
use crate::model::metadata::PartitionState;
use crate::model::names::Names;

/// Width of the column of fact names: `broker-shutting-down` and `high-watermark-moved`.
const NAME_WIDTH: usize = 20;
/// Width of the details when a note follows.
const DETAIL_WIDTH: usize = 36;

/// What numbers in facts are called: names, and the replica list of each partition.
#[derive(Clone, Copy, Debug)]
pub struct Legend<'a> {
    /// Topics, processes, labels.
    pub names: &'a Names,
    /// By `PartitionId`.
    pub replicas: &'a [Vec<BrokerId>],
}

impl Legend<'_> {
    /// `{1,2,3}`: the members of a replica set as broker ids, in replica order.
    #[must_use]
    pub fn set(&self, partition: PartitionId, set: ReplicaSet) -> String {
        let ids: Vec<String> = self.members(partition, set).map(|b| b.0.to_string()).collect();
        format!("{{{}}}", ids.join(","))
    }

    /// The members of a replica set, in replica order.
    pub fn members(
        &self,
        partition: PartitionId,
        set: ReplicaSet,
    ) -> impl Iterator<Item = BrokerId> {
        let list = self.replicas.get(partition.index()).map_or(&[][..], Vec::as_slice);
        list.iter().enumerate().filter(move |(place, _)| set.has(*place)).map(|(_, broker)| *broker)
    }

    /// Whether the broker has a replica of the partition.
    #[must_use]
    pub fn hosts(&self, broker: BrokerId, partition: PartitionId) -> bool {
        self.replicas.get(partition.index()).is_some_and(|list| list.contains(&broker))
    }

    /// Width of the column of nodes: the longest name of a process, within bounds.
    fn node_width(&self) -> usize {
        self.names.processes.iter().map(|p| p.chars().count()).max().unwrap_or(0).clamp(5, 12)
    }
}

/// One fact as one line.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    stamp: Stamp,
    fact: &'a Fact,
    legend: Legend<'a>,
    note: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// The line of this fact.
    #[must_use]
    pub const fn new(
        stamp: Stamp,
        fact: &'a Fact,
        names: &'a Names,
        replicas: &'a [Vec<BrokerId>],
    ) -> Self {
        Self { stamp, fact, legend: Legend { names, replicas }, note: None }
    }

    /// With a remark at the end.
    #[must_use]
    pub const fn noted(mut self, note: &'a str) -> Self {
        self.note = Some(note);
        self
    }

    /// Who: the node that did it; `ctl` for what the metadata log says, `--` for faults.
    fn who(&self) -> String {
        match *self.fact {
            Fact::SessionExpired { .. } => "ctl".to_owned(),
            Fact::Opened { from, .. } | Fact::Sent { from, .. } | Fact::Held { from, .. } => {
                self.node(from)
            }
            Fact::Delivered { to, .. } => self.node(to),
            ref other => match (other.subject(), other.node()) {
                (Subject::Metadata, _) => "ctl".to_owned(),
                (Subject::Fault, _) | (_, None) => "--".to_owned(),
                (_, Some(node)) => self.node(node),
            },
        }
    }

    /// The rest of the line.
    fn details(&self) -> String {
        match self.fact.subject() {
            Subject::Log | Subject::Machine => self.machine(),
            Subject::Network => self.network(),
            Subject::Client => self.application(),
            Subject::Metadata => self.metadata(),
            Subject::Fault => self.fault(),
            Subject::Claim => self.claim(),
        }
    }

    /// Disk and machine.
    fn machine(&self) -> String {
        match *self.fact {
            Fact::Appended { partition, base, count, leader_epoch, records, sequence, .. } => {
                let what = match records {
                    Records::Workload(first) => self.records(first, count),
                    Records::Body(_) => format!("{count} internal records"),
                    Records::Marker(Marker::Commit) => "commit marker".to_owned(),
                    Records::Marker(Marker::Abort) => "abort marker".to_owned(),
                };
                let stamp = sequence
                    .map(|s| format!(" {}/{}#{}", s.producer, s.epoch, s.first))
                    .unwrap_or_default();
                let place = self.range(partition, base, count);
                format!("{place} {leader_epoch} {what}{stamp}")
            }
            Fact::Truncated { partition, from, to, .. }
            | Fact::TailLost { partition, from, to, .. } => {
                format!("{} {from} → {to}", self.partition(partition))
            }
            Fact::LogStartMoved { partition, to, .. } => {
                format!("{} starts at {to}", self.partition(partition))
            }
            Fact::Stopped { how, lost, .. } if lost > 0 => {
                format!("{}, {lost} records lost", stop_name(how))
            }
            Fact::Stopped { how, .. } => stop_name(how).to_owned(),
            Fact::DiskFailed { dir, .. } => format!("log directory {dir}"),
            _ => String::new(),
        }
    }

    fn network(&self) -> String {
        match *self.fact {
            Fact::Opened { connection, to, .. } => format!("{connection} to {}", self.node(to)),
            Fact::Closed { connection, .. } => connection.to_string(),
            Fact::Sent { to, name, .. } => format!("{name} to {}", self.node(to)),
            Fact::Held { to, name, .. } => format!("{name} to {} by a cut", self.node(to)),
            Fact::Delivered { from, name, .. } => format!("{name} from {}", self.node(from)),
            Fact::WatermarkExposed { partition, leader_epoch, to, connection, offset, .. } => {
                let (place, to) = (self.partition(partition), self.node(to));
                format!("{place} {offset} {leader_epoch} to {to} on {connection}")
            }
            Fact::PositionAnswered { partition, to, answer, .. } => {
                let (place, answer) = (self.partition(partition), position_answer(answer));
                format!("{place} {answer}, to {}", self.node(NodeId::Process(to)))
            }
            Fact::PositionTold { broker, partition, answer, .. } => {
                format!("{} {}, by {broker}", self.partition(partition), position_answer(answer))
            }
            _ => String::new(),
        }
    }

    fn application(&self) -> String {
        match *self.fact {
            Fact::Submitted { partition, record, workload, key, label, .. } => {
                let key = key.map(|k| format!(" key-{k}")).unwrap_or_default();
                let (place, record) = (self.partition(partition), self.records(record, 1));
                format!("{place} {record} item {workload}{key}{}", self.label(label))
            }
            Fact::Acked { partition, first, count, base, acks, .. } => {
                let place = base.map_or_else(
                    || self.partition(partition),
                    |base| self.range(partition, base, count),
                );
                format!("{place} {} {}", self.records(first, count), acks_name(acks))
            }
            Fact::Rejected { partition, first, count, error, .. }
            | Fact::GaveUp { partition, first, count, error, .. } => {
                format!("{} {} {error}", self.partition(partition), self.records(first, count))
            }
            Fact::SendFailed { workload, label, error, .. } => {
                format!("item {workload}{} {error}", self.label(label))
            }
            Fact::Consumed { partition, base, count, leader_epoch, first, broker, .. } => {
                let place = self.range(partition, base, count);
                format!("{place} {leader_epoch} {} from {broker}", self.records(first, count))
            }
            Fact::PositionSet { partition, to, why, .. } => {
                let why = match why {
                    PositionChange::Start => "start",
                    PositionChange::OutOfRange => "out of range",
                    PositionChange::Truncation => "truncation",
                    PositionChange::Seek => "seek",
                };
                format!("{} at {to}, {why}", self.partition(partition))
            }
            Fact::Called { partition, error, .. } => {
                format!("{} {}", self.partition(partition), error.exception())
            }
            _ => String::new(),
        }
    }

    fn metadata(&self) -> String {
        match *self.fact {
            Fact::Elected { partition, leader, leader_epoch, isr, elr, unclean } => {
                let who = leader
                    .map_or_else(|| "no leader".to_owned(), |leader| format!("leader {leader}"));
                let sets = self.sets(partition, isr, elr);
                let unclean = if unclean { ", unclean" } else { "" };
                format!("{} {who} {leader_epoch}, {sets}{unclean}", self.partition(partition))
            }
            Fact::IsrCommitted { partition, state } => self.state(partition, &state),
            Fact::BrokerRegistered { broker, epoch, unclean, .. } => {
                let unclean = if unclean { " after an unclean stop" } else { "" };
                format!("{broker} {epoch}{unclean}")
            }
            Fact::BrokerFenced { broker }
            | Fact::BrokerUnfenced { broker }
            | Fact::BrokerShuttingDown { broker } => broker.to_string(),
            Fact::PartitionCreated { partition, replicas, .. } => {
                format!("{} with {replicas} replicas", self.partition(partition))
            }
            Fact::ReplicaPlaced { partition, broker } => {
                format!("{} on {broker}", self.partition(partition))
            }
            Fact::ConfigCommitted { topic, key, value } => {
                let names = &self.legend.names.topics;
                let topic = topic.and_then(|t| names.get(t.index())).map_or("*", |t| &t.name);
                let value = value.map_or_else(|| "default".to_owned(), |v| v.to_string());
                format!("{topic} {}={value}", key.name())
            }
            _ => String::new(),
        }
    }

    fn fault(&self) -> String {
        let on = |node: Option<NodeId>| {
            node.map(|node| format!(" {}", self.node(node))).unwrap_or_default()
        };
        match *self.fact {
            Fact::Injected { id, kind, node } | Fact::Healed { id, kind, node } => {
                format!("{}{} (fault {id})", kind.name(), on(node))
            }
            Fact::Refused { kind, node } => {
                format!("{}{}: beyond the promise", kind.name(), on(node))
            }
            Fact::OperationRefused { kind, error } => format!("{}: {error}", kind.name()),
            Fact::AllHealed => "the fault phase is over".to_owned(),
            Fact::StepDone { step } => format!("step {step}"),
            _ => String::new(),
        }
    }

    fn claim(&self) -> String {
        match *self.fact {
            Fact::SessionExpired { broker } => broker.to_string(),
            Fact::HighWatermarkMoved { partition, leader_epoch, to, .. } => {
                format!("{} to {to} {leader_epoch}", self.partition(partition))
            }
            Fact::BecameLeader { partition, leader_epoch, end, .. }
            | Fact::BecameFollower { partition, leader_epoch, end, .. } => {
                format!("{} {leader_epoch}, end {end}", self.partition(partition))
            }
            Fact::IsrProposed { partition, leader_epoch, isr, .. } => {
                let isr = self.legend.set(partition, isr);
                format!("{} {leader_epoch}, isr {isr}", self.partition(partition))
            }
            Fact::EpochBumped { producer, epoch, .. } => format!("{producer} to {epoch}"),
            Fact::Retried { partition, first, count, error, .. } => {
                let records = self.records(first, count);
                format!("{} {records} after {error}", self.partition(partition))
            }
            Fact::Deduplicated { partition, base, first, .. } => {
                format!("{} {base} {}", self.partition(partition), self.records(first, 1))
            }
            _ => String::new(),
        }
    }

    fn state(&self, partition: PartitionId, state: &PartitionState) -> String {
        let who = state.leader.map_or_else(|| "no leader".to_owned(), |l| format!("leader {l}"));
        let last = state.last_known_elr.map(|b| format!(", last known {b}")).unwrap_or_default();
        let recovering = if state.recovering { ", recovering" } else { "" };
        let sets = self.sets(partition, state.isr, state.elr);
        let place = self.partition(partition);
        format!("{place} {who} {}, {sets}{last}{recovering}", state.leader_epoch)
    }

    fn sets(&self, partition: PartitionId, isr: ReplicaSet, elr: ReplicaSet) -> String {
        let isr = self.legend.set(partition, isr);
        if elr.is_empty() {
            return format!("isr {isr}");
        }
        format!("isr {isr}, elr {}", self.legend.set(partition, elr))
    }

    fn node(&self, node: NodeId) -> String {
        self.legend.names.node(node)
    }

    fn partition(&self, partition: PartitionId) -> String {
        self.legend.names.partition(partition)
    }

    fn range(&self, partition: PartitionId, base: Offset, count: u32) -> String {
        format!("{} [{base}..{})", self.partition(partition), base + u64::from(count))
    }

    fn records(&self, first: RecordId, count: u32) -> String {
        records(self.legend.names, first, count)
    }

    fn label(&self, label: Option<u16>) -> String {
        label
            .and_then(|l| self.legend.names.labels.get(usize::from(l)))
            .map(|l| format!(" label {l}"))
            .unwrap_or_default()
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.stamp.time.to_string();
        let (who, width) = (self.who(), self.legend.node_width());
        let (name, details) = (self.fact.name(), self.details());
        let line = match self.note {
            Some(note) => {
                format!("{who:<width$} {name:<NAME_WIDTH$} {details:<DETAIL_WIDTH$} {note}")
            }
            None => format!("{who:<width$} {name:<NAME_WIDTH$} {details}"),
        };
        write!(f, "{time:>11}  {}", line.trim_end())
    }
}

/// `epoch 3 ends at 905`.
fn position_answer(answer: PositionAnswer) -> String {
    match answer {
        PositionAnswer::Listed { offset, .. } => format!("listed {offset}"),
        PositionAnswer::EpochEnd(Some((epoch, end))) => format!("epoch {} ends at {end}", epoch.0),
        PositionAnswer::EpochEnd(None) => "no such epoch".to_owned(),
        PositionAnswer::OutOfRange => ErrorCode::OffsetOutOfRange.to_string(),
    }
}

/// `p r412`, or `p r[412..415)` for several consecutive records.
#[must_use]
pub fn records(names: &Names, first: RecordId, count: u32) -> String {
    let process = names.process(first.process);
    let from = first.ordinal;
    if count == 1 {
        return format!("{process} r{from}");
    }
    format!("{process} r[{from}..{})", from + count)
}

/// `acks=all`.
#[must_use]
pub const fn acks_name(acks: Acks) -> &'static str {
    match acks {
        Acks::None => "acks=0",
        Acks::Leader => "acks=1",
        Acks::All => "acks=all",
    }
}

/// `power loss`.
#[must_use]
pub const fn stop_name(how: StopKind) -> &'static str {
    match how {
        StopKind::Crash => "killed",
        StopKind::PowerLoss => "power loss",
        StopKind::Shutdown => "controlled shutdown",
        StopKind::Halt => "halted",
        StopKind::Wipe => "wiped",
    }
}

#[cfg(test)]
mod tests;
