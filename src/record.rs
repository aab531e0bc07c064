//! What a script records: the facts that its steps bind by `as`, and those known at the end.
//!
//! The counterpart of the lab's recordings (`shared/conformance/README.md`): the same names, so
//! that a scenario with a script can be held against what real brokers did. Hears facts, and is
//! shown disks and committed metadata by `run` when a step asks for them. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, Offset, PartitionId, ProcessId, ReplicaSet};
use crate::base::time::{Span, Time};
use crate::model::batch::{Batch, RecordId};
use crate::model::disk::LogImage;
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, Stamp, StopKind};
use crate::model::metadata::PartitionState;
use crate::model::names::Names;
use crate::model::plan::Plan;
use crate::model::script::{ScriptStep, Step};
use crate::report::Value;

/// A moment that a script named by `as`, or that the committed metadata tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub time: Time,
    /// What: a `did` of the script, or an event of the metadata log.
    pub what: Happening,
}

/// What happened at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A step of the script with this `as`.
    Did(String),
    /// A broker's process started.
    Started(BrokerId),
    /// A broker registered.
    Registered(BrokerId),
    /// A broker was fenced.
    Fenced(BrokerId),
    /// A broker was unfenced.
    Unfenced(BrokerId),
    /// A partition's state was committed.
    Changed(PartitionId, PartitionState),
}

/// One client process as the recorder knows it.
#[derive(Clone, Debug, Default)]
struct Client {
    sent: u64,
    acked: BTreeSet<(PartitionId, RecordId)>,
    failed: BTreeMap<(PartitionId, RecordId), &'static str>,
    failed_unplaced: BTreeMap<&'static str, u64>,
    retried: u64,
    last_ack: Option<Time>,
    longest_gap: Span,
    position: Option<Offset>,
    exception: Option<&'static str>,
    consumed: Vec<(PartitionId, Offset, u32, RecordId)>,
    answers: Vec<Answer>,
}

/// What became of one scripted send.
#[derive(Clone, Copy, Debug)]
enum Answer {
    At(Offset),
    Unplaced,
    Failed(ErrorCode),
}

/// Listens to a run and puts together what its script records.
#[derive(Clone, Debug)]
pub struct Recorder {
    names: Names,
    replicas: Vec<Vec<BrokerId>>,
    steps: Vec<ScriptStep>,
    values: Vec<BTreeMap<RecordId, (u32, Option<u16>)>>,
    clients: Vec<Client>,
    moments: Vec<Moment>,
    facts: Vec<(String, Value)>,
    /// Facts of `stop` steps that are known only at the end of the run.
    stopped: Vec<(Option<String>, ProcessId)>,
    halted: BTreeSet<BrokerId>,
    /// Labelled records that failed before they had a partition.
    unplaced: BTreeMap<u16, i64>,
}

impl Recorder {
    /// A recorder for this plan; `None` if it has no script, so that other runs pay nothing.
    #[must_use]
    pub fn new(plan: &Plan) -> Option<Self> {
        if plan.script.is_empty() {
            return None;
        }
        Some(Self {
            names: plan.names.clone(),
            replicas: plan.partitions().map(|p| plan.replicas(p).to_vec()).collect(),
            steps: plan.script.clone(),
            values: vec![BTreeMap::new(); plan.names.partition_count()],
            clients: vec![Client::default(); plan.processes.len()],
            moments: Vec::new(),
            facts: Vec::new(),
            stopped: Vec::new(),
            halted: BTreeSet::new(),
            unplaced: BTreeMap::new(),
        })
    }

    /// Everything that was named or committed, in order.
    #[must_use]
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// What has been recorded, by name; a later value of a name outranks an earlier one.
    #[must_use]
    pub fn facts(&self) -> &[(String, Value)] {
        &self.facts
    }

    /// A fact happened.
    pub fn observe(&mut self, stamp: Stamp, fact: &Fact) {
        match *fact {
            Fact::ReplicaPlaced { partition, broker } => {
                self.replicas[partition.index()].push(broker);
            }
            Fact::Submitted { process, partition, record, workload, label, .. } => {
                self.values[partition.index()].insert(record, (workload, label));
                self.clients[process.index()].sent += 1;
            }
            Fact::Acked { process, partition, first, count, base, .. } => {
                let client = &mut self.clients[process.index()];
                for n in 0..count {
                    client.acked.insert((partition, first.plus(n)));
                    let answer = base.map_or(Answer::Unplaced, |b| Answer::At(b + u64::from(n)));
                    client.answers.push(answer);
                }
                let since = client.last_ack.unwrap_or(stamp.time);
                client.longest_gap = client.longest_gap.max(stamp.time.since(since));
                client.last_ack = Some(stamp.time);
            }
            Fact::Rejected { process, partition, first, count, error }
            | Fact::GaveUp { process, partition, first, count, error } => {
                let client = &mut self.clients[process.index()];
                for n in 0..count {
                    client.failed.insert((partition, first.plus(n)), error.exception());
                    client.answers.push(Answer::Failed(error));
                }
            }
            Fact::SendFailed { process, error, label, .. } => {
                let client = &mut self.clients[process.index()];
                client.sent += 1;
                if let Some(label) = label {
                    *self.unplaced.entry(label).or_default() += 1;
                }
                *client.failed_unplaced.entry(error.exception()).or_default() += 1;
                client.answers.push(Answer::Failed(error));
            }
            Fact::Retried { process, count, .. } => {
                self.clients[process.index()].retried += u64::from(count);
            }
            Fact::Consumed { process, partition, base, count, first, .. } => {
                let client = &mut self.clients[process.index()];
                client.consumed.push((partition, base, count, first));
                client.position = Some(base + u64::from(count));
            }
            Fact::PositionSet { process, to, .. } => {
                self.clients[process.index()].position = Some(to);
            }
            Fact::Called { process, error, .. } => {
                self.clients[process.index()].exception = Some(error.exception());
            }
            Fact::BrokerRegistered { broker, .. } => {
                self.note(stamp.time, Happening::Registered(broker));
            }
            Fact::BrokerFenced { broker } => self.note(stamp.time, Happening::Fenced(broker)),
            Fact::BrokerUnfenced { broker } => self.note(stamp.time, Happening::Unfenced(broker)),
            Fact::IsrCommitted { partition, state } => {
                self.note(stamp.time, Happening::Changed(partition, state));
            }
            Fact::Stopped { node: NodeId::Broker(broker), how: StopKind::Halt, .. } => {
                self.halted.insert(broker);
            }
            Fact::Started { node: NodeId::Broker(broker) } => {
                self.halted.remove(&broker);
                self.note(stamp.time, Happening::Started(broker));
            }
            _ => {}
        }
    }

    fn note(&mut self, time: Time, what: Happening) {
        self.moments.push(Moment { time, what });
    }

    /// A step is done: records what it binds. `state` is the committed state of the step's
    /// partition and `log` the log it asked for, if it speaks of any.
    pub fn step_done(
        &mut self,
        time: Time,
        step: u32,
        state: Option<PartitionState>,
        log: Option<&LogImage>,
    ) {
        let ScriptStep { step, record_as } = self.steps[step as usize].clone();
        if let Step::Stop { processes } = &step {
            for process in processes {
                self.client_stopped(*process, record_as.clone());
            }
        }
        let Some(name) = record_as else { return };
        let value = match step {
            Step::Send { process, count, .. } => Some(self.sent(process, count as usize)),
            Step::Describe { partition } => state.map(|s| self.describe(partition, &s)),
            Step::Read { partition, reader } => Some(self.read(partition, reader)),
            Step::DumpLog { partition, .. } => log.map(|l| self.dump(partition, l)),
            Step::Do { .. } | Step::Undo { .. } | Step::Until { .. } => {
                self.note(time, Happening::Did(name.clone()));
                None
            }
            Step::Sleep(_) | Step::Start { .. } | Step::Stop { .. } | Step::Seek { .. } => None,
        };
        self.facts.extend(value.map(|v| (name, v)));
    }

    /// A consumer's position is known now; a producer's counts are known at the end of the run.
    fn client_stopped(&mut self, process: ProcessId, name: Option<String>) {
        let client = &mut self.clients[process.index()];
        if client.sent > 0 || !client.answers.is_empty() {
            self.stopped.push((name, process));
            return;
        }
        let position = client.position.map_or(-1, |o| o.0 as i64);
        let value = client
            .exception
            .take()
            .map_or(Value::Int(position), |exception| Value::Text(exception.to_owned()));
        self.facts.extend(name.map(|n| (n, value)));
    }

    /// The step with this number, for `run` to show what it asks for.
    #[must_use]
    pub fn step(&self, step: u32) -> &Step {
        &self.steps[step as usize].step
    }

    fn sent(&self, process: ProcessId, count: usize) -> Value {
        let answers = &self.clients[process.index()].answers;
        let last = &answers[answers.len().saturating_sub(count)..];
        let value = |answer: &Answer| match answer {
            Answer::At(offset) => Value::Int(offset.0 as i64),
            Answer::Unplaced => Value::Int(-1),
            Answer::Failed(error) => Value::Text(error.exception().to_owned()),
        };
        match last {
            [] => Value::List(Vec::new()),
            [only] => value(only),
            [first, .., last] => Value::List(vec![value(first), value(last)]),
        }
    }

    fn describe(&self, partition: PartitionId, state: &PartitionState) -> Value {
        let replicas = &self.replicas[partition.index()];
        let set = |set: ReplicaSet| numbers(set.iter().map(|p| i64::from(replicas[p].0)));
        let broker = |b: Option<BrokerId>| b.map_or(-1, |b| i64::from(b.0));
        let last_known = state.last_known_elr.iter().map(|b| i64::from(b.0));
        Value::Map(vec![
            ("leader".to_owned(), Value::Int(broker(state.leader))),
            ("replicas".to_owned(), numbers(replicas.iter().map(|b| i64::from(b.0)))),
            ("isr".to_owned(), set(state.isr)),
            ("elr".to_owned(), set(state.elr)),
            ("lastKnownElr".to_owned(), numbers(last_known)),
        ])
    }

    fn read(&self, partition: PartitionId, reader: ProcessId) -> Value {
        let consumed = &self.clients[reader.index()].consumed;
        let records = consumed.iter().filter(|(p, ..)| *p == partition);
        let lines = records.flat_map(|(_, base, count, first)| {
            (0..*count).map(|n| self.line(partition, *base + u64::from(n), first.plus(n)))
        });
        Value::List(lines.map(Value::Text).collect())
    }

    fn line(&self, partition: PartitionId, offset: Offset, record: RecordId) -> String {
        format!("{offset}:{}", self.value(partition, record))
    }

    /// The value of a record as the lab would print it.
    fn value(&self, partition: PartitionId, record: RecordId) -> String {
        match self.values[partition.index()].get(&record) {
            Some((workload, Some(label))) => {
                format!("{}{workload}", self.names.labels[usize::from(*label)])
            }
            Some((workload, None)) => format!("r{workload}"),
            None => "?".to_owned(),
        }
    }

    fn dump(&self, partition: PartitionId, log: &LogImage) -> Value {
        let batch = |b: &Batch| {
            let number = |n: u64| Value::Int(n as i64);
            let mut entries = vec![
                ("base".to_owned(), number(b.base.0)),
                ("last".to_owned(), number(b.end().0 - 1)),
                ("leaderEpoch".to_owned(), number(u64::from(b.leader_epoch.0))),
            ];
            if let Some(sequence) = b.sequence {
                let epoch = number(u64::from(sequence.epoch.0));
                entries.push(("producerEpoch".to_owned(), epoch));
                entries.push(("sequence".to_owned(), number(u64::from(sequence.first))));
            }
            if let Some(first) = b.records.workload() {
                let values = (0..b.count)
                    .map(|n| Value::Text(self.value(partition, first.plus(n))))
                    .collect();
                entries.push(("values".to_owned(), Value::List(values)));
            }
            Value::Map(entries)
        };
        Value::List(log.batches().iter().map(batch).collect())
    }
}

/// One partition as it lies at the end of a run.
#[derive(Clone, Debug)]
pub struct PartitionEnd {
    /// Which partition.
    pub partition: PartitionId,
    /// What can be read of its leader: batches below the high watermark; empty without a leader.
    pub readable: Vec<Batch>,
    /// The leader's epoch cache.
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// Whether the logs of all replicas whose brokers run are equal.
    pub logs_equal: bool,
}

impl Recorder {
    /// The run is over: adds what is known only now.
    pub fn finish(&mut self, partitions: &[PartitionEnd], running: &[(BrokerId, bool)]) {
        let mut known: Vec<(String, Value)> = Vec::new();
        let single = self.names.topics.len() == 1;
        for end in partitions {
            let name = self.names.partition(end.partition);
            let topic = &self.names.topics[self.names.topic_of(end.partition).index()].name;
            let prefix = if single { String::new() } else { format!("{topic}-") };
            let epochs = end.leader_epochs.iter();
            let epochs = epochs.map(|(e, o)| numbers([i64::from(e.0), o.0 as i64]));
            known.push((format!("{prefix}leader-epochs"), Value::List(epochs.collect())));
            known.push((format!("{prefix}replica-logs-equal"), Value::Bool(end.logs_equal)));
            known.push((format!("partition-states {name}"), self.states(end.partition)));
        }
        for (broker, runs) in running {
            let alive = *runs && !self.halted.contains(broker);
            known.push((format!("broker-{}-alive", broker.0), Value::Bool(alive)));
        }
        for (label, text) in self.names.labels.iter().enumerate() {
            let lost = self.lost(label as u16, partitions);
            known.push((format!("lost-{text}"), Value::Int(lost)));
        }
        for (name, process) in std::mem::take(&mut self.stopped) {
            let counts = self.counts(process, partitions);
            match (name, counts) {
                (Some(name), counts) => known.push((name, counts)),
                (None, Value::Map(counts)) => known.extend(counts),
                (None, _) => {}
            }
        }
        // A name given by `as` outranks what is known without a step.
        let given: BTreeSet<String> = self.facts.iter().map(|(name, _)| name.clone()).collect();
        self.facts.extend(known.into_iter().filter(|(name, _)| !given.contains(name)));
    }

    fn states(&self, partition: PartitionId) -> Value {
        let number = |n: u32| Value::Int(i64::from(n));
        let states = self.moments.iter().filter_map(|m| match &m.what {
            Happening::Changed(p, state) if *p == partition => Some(state),
            _ => None,
        });
        let entry = |state: &PartitionState| {
            let Value::Map(mut entries) = self.describe(partition, state) else {
                unreachable!("describe makes a map")
            };
            entries.push(("leaderEpoch".to_owned(), number(state.leader_epoch.0)));
            entries.push(("partitionEpoch".to_owned(), number(state.partition_epoch.0)));
            let recovery = if state.recovering { "RECOVERING" } else { "RECOVERED" };
            entries.push(("recovery".to_owned(), Value::Text(recovery.to_owned())));
            Value::Map(entries)
        };
        Value::List(states.map(entry).collect())
    }

    fn lost(&self, label: u16, partitions: &[PartitionEnd]) -> i64 {
        let mut lost = self.unplaced.get(&label).copied().unwrap_or(0);
        for end in partitions {
            let readable = records(&end.readable);
            let readable: BTreeSet<RecordId> = readable.map(|(_, record)| record).collect();
            let sent = self.values[end.partition.index()].iter();
            lost += sent
                .filter(|(record, (_, l))| *l == Some(label) && !readable.contains(*record))
                .count() as i64;
        }
        lost
    }

    fn counts(&self, process: ProcessId, partitions: &[PartitionEnd]) -> Value {
        let client = &self.clients[process.index()];
        let mut readable = 0;
        let mut out_of_order = 0;
        let mut seen: BTreeMap<(PartitionId, RecordId), u64> = BTreeMap::new();
        for end in partitions {
            let mut last = 0;
            for (_, record) in records(&end.readable).filter(|(_, r)| r.process == process) {
                readable += 1;
                *seen.entry((end.partition, record)).or_default() += 1;
                let workload = self.values[end.partition.index()].get(&record).map_or(0, |v| v.0);
                out_of_order += i64::from(workload < last);
                last = workload;
            }
        }
        let mut failed = client.failed_unplaced.clone();
        for class in client.failed.values() {
            *failed.entry(class).or_default() += 1;
        }
        let failed: Vec<(String, Value)> =
            failed.into_iter().map(|(c, n)| (c.to_owned(), Value::Int(n as i64))).collect();
        let count = |n: usize| Value::Int(n as i64);
        let lost = client.acked.iter().filter(|r| !seen.contains_key(r)).count();
        let present = client.failed.keys().filter(|r| seen.contains_key(r)).count();
        let duplicated = seen.values().filter(|n| **n > 1).count();
        let gap = Value::Int(client.longest_gap.as_millis() as i64);
        let entries = [
            ("sent", Value::Int(client.sent as i64)),
            ("acked", count(client.acked.len())),
            ("failed", Value::Map(failed)),
            ("longest-gap-between-acks-ms", gap),
            ("record-retry-total", Value::Int(client.retried as i64)),
            ("readable", Value::Int(readable)),
            ("readable-records", Value::Int(readable)),
            ("acked-but-lost", count(lost)),
            ("duplicated", count(duplicated)),
            ("failed-but-present", count(present)),
            ("out-of-order-steps", Value::Int(out_of_order)),
        ];
        Value::Map(entries.map(|(k, v)| (k.to_owned(), v)).into())
    }
}

fn records(batches: &[Batch]) -> impl Iterator<Item = (Offset, RecordId)> {
    let data = batches.iter().filter_map(|b| Some((b, b.records.workload()?)));
    data.flat_map(|(b, first)| (0..b.count).map(move |n| (b.base + u64::from(n), first.plus(n))))
}

fn numbers(numbers: impl IntoIterator<Item = i64>) -> Value {
    Value::List(numbers.into_iter().map(Value::Int).collect())
}
