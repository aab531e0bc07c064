//! Statistics of a run, counted from facts as they happen, and their exact sum over a sweep.
//!
//! One match per fact, then arithmetic: memory is bounded by partitions and processes, however long
//! the run. Does not judge anything. The metrics are those that people alert on
//! (`UnderReplicatedPartitions`, `OfflinePartitionsCount`, `IsrShrinksPerSec`, …), taken from the
//! committed metadata rather than from what brokers say about themselves.

use crate::base::ids::{NodeId, PartitionId, PartitionIds, ProcessId, TopicId};
use crate::base::time::{Span, Time};
use crate::model::config::TopicKey;
use crate::model::fact::{Fact, PositionChange, Stamp, StopKind};
use crate::model::plan::Plan;
use crate::report::counts::{Counts, Errors, FaultTable};
use crate::report::health::{Health, HealthTotals};
use crate::report::partition_history::ElectionKind;
use crate::report::spans::Spans;
use crate::report::stream::{Stream, StreamTotals};

/// What one client process has sent and read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessTotals {
    /// Records it handed to its producer, those that never had a partition included.
    pub sent: u64,
    /// Records acknowledged.
    pub acked: u64,
    /// Records that failed, by error.
    pub failed: Errors,
    /// Records handed to it by its consumer.
    pub consumed: u64,
    /// From submission to acknowledgement.
    pub ack_latency: Spans,
    /// The longest time between two acknowledgements, whatever there was to send.
    pub longest_ack_gap: Span,
}

impl ProcessTotals {
    fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acked += other.acked;
        self.failed.merge(&other.failed);
        self.consumed += other.consumed;
        self.ack_latency.merge(&other.ack_latency);
        self.longest_ack_gap = self.longest_ack_gap.max(other.longest_ack_gap);
    }
}

/// Statistics of one run, or of several.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How often things happened.
    pub counts: Counts,
    /// Faults by kind.
    pub faults: FaultTable,
    /// Batches sent once more, by the error that made the producer do so.
    pub retried: Errors,
    /// By `ProcessId`.
    pub processes: Vec<ProcessTotals>,
    /// By `PartitionId`. Complete after [`Summary::finish`].
    pub partitions: Vec<HealthTotals>,
    /// By process, then partition. Complete after [`Summary::finish`].
    pub streams: Vec<StreamTotals>,
    /// The longest write gap of each run that wrote.
    pub write_gap: Spans,
    /// The smallest write availability of any run, in millionths; none if no run wrote.
    pub worst_availability: Option<u32>,
    live: Live,
}

/// What is followed during a run and forgotten at its end.
#[derive(Clone, Debug, Default)]
struct Live {
    clients: Vec<Client>,
    health: Vec<Health>,
    topics: Vec<TopicMinimum>,
    cluster_min_insync: u32,
}

/// What is followed of one process.
#[derive(Clone, Debug, Default)]
struct Client {
    /// By partition; none of a process that has sent nothing.
    streams: Vec<Stream>,
    last_ack: Option<Time>,
}

/// The ids of a topic's partitions, and whether it follows the cluster's `min.insync.replicas`.
#[derive(Clone, Debug)]
struct TopicMinimum {
    ids: PartitionIds,
    own: Option<u32>,
}

impl Summary {
    /// Of a run that begins.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let (partitions, processes) = (plan.names.partition_count(), plan.processes.len());
        let minimum = |values: &[(TopicKey, i64)]| {
            let set = values.iter().rfind(|(key, _)| *key == TopicKey::MinInsyncReplicas);
            set.and_then(|(_, value)| u32::try_from(*value).ok())
        };
        let topics =
            plan.names.topics.iter().zip(&plan.topics).map(|(name, topic)| TopicMinimum {
                ids: name.ids(),
                own: minimum(&topic.overrides),
            });
        let health = plan.partitions().map(|partition| {
            let topic = plan.names.topic_of(partition).index();
            let minimum = plan.topics[topic].config.min_insync_replicas;
            Health::new(plan.replicas(partition).to_vec(), minimum)
        });
        Self {
            counts: Counts { runs: 1, ..Counts::default() },
            faults: FaultTable::default(),
            retried: Errors::default(),
            processes: vec![ProcessTotals::default(); processes],
            partitions: vec![HealthTotals::default(); partitions],
            streams: vec![StreamTotals::default(); partitions * processes],
            write_gap: Spans::default(),
            worst_availability: None,
            live: Live {
                clients: vec![Client::default(); processes],
                health: health.collect(),
                topics: topics.collect(),
                cluster_min_insync: minimum(&plan.cluster_topic_config).unwrap_or(1),
            },
        }
    }

    /// Counts a fact by its kind, but for acknowledgements: see [`Summary::acked`]. How many facts
    /// there were is known to whoever hears them first.
    pub fn observe(&mut self, stamp: Stamp, fact: &Fact) {
        match *fact {
            Fact::Submitted { process, partition, .. } => {
                self.submitted(stamp.time, process, partition);
            }
            Fact::Rejected { .. }
            | Fact::GaveUp { .. }
            | Fact::SendFailed { .. }
            | Fact::Retried { .. }
            | Fact::EpochBumped { .. }
            | Fact::ClientStopped { .. } => self.observe_producer(stamp.time, fact),
            Fact::Consumed { process, count, .. } => self.consumed(process, count),
            Fact::PositionSet { why, .. } => {
                let lost = matches!(why, PositionChange::OutOfRange | PositionChange::Truncation);
                self.counts.positions_reset += u64::from(lost);
            }
            Fact::Called { .. } => self.counts.exceptions += 1,
            Fact::Appended { .. } => self.appended(),
            Fact::Truncated { from, to, .. } => {
                self.counts.truncations += 1;
                self.counts.truncated += from - to;
            }
            Fact::TailLost { from, to, .. } => {
                self.counts.tails_lost += 1;
                self.counts.tail_records += from - to;
            }
            Fact::Deduplicated { .. } => self.counts.deduplicated += 1,
            Fact::ReplicaPlaced { partition, broker } => {
                self.live.health[partition.index()].place(broker);
            }
            Fact::Elected { .. }
            | Fact::IsrCommitted { .. }
            | Fact::BrokerRegistered { .. }
            | Fact::BrokerFenced { .. }
            | Fact::BrokerUnfenced { .. }
            | Fact::SessionExpired { .. }
            | Fact::ConfigCommitted { .. } => self.observe_metadata(stamp.time, fact),
            Fact::Stopped { node, how, .. } => self.observe_stop(stamp.time, node, how),
            Fact::Started { .. } => self.counts.started += 1,
            Fact::Paused { .. } => self.counts.paused += 1,
            Fact::DiskFailed { .. } => self.counts.disks_failed += 1,
            Fact::Injected { kind, .. } => self.faults.of(kind).injected += 1,
            Fact::Refused { kind, .. } => self.faults.of(kind).refused += 1,
            Fact::OperationRefused { kind, .. } => self.faults.of(kind).take_back(),
            _ => {}
        }
    }

    /// Closes what is open at the end of the run: gaps, unhealthy states.
    pub fn finish(&mut self, end: Time) {
        let live = std::mem::take(&mut self.live);
        let rows = self.streams.chunks_mut(self.partitions.len().max(1));
        for (row, client) in rows.zip(live.clients) {
            for (totals, mut stream) in row.iter_mut().zip(client.streams) {
                stream.close(end);
                *totals = *stream.totals();
            }
        }
        for (totals, mut health) in self.partitions.iter_mut().zip(live.health) {
            *totals = health.close(end);
        }
        self.faults.close_run();
        if self.streams.iter().any(|stream| stream.active > Span::ZERO) {
            self.write_gap.record(self.longest_write_gap());
            self.worst_availability = self.write_availability();
        }
    }

    /// Adds another run's statistics, or another sum's. Exact, whatever the order.
    ///
    /// # Panics
    /// If either has not been finished: a sum over an open run would miss what is open.
    pub fn merge(&mut self, other: &Self) {
        assert!(self.live.health.is_empty() && other.live.health.is_empty(), "finish runs first");
        self.counts.merge(&other.counts);
        self.faults.merge(&other.faults);
        self.retried.merge(&other.retried);
        merge_all(&mut self.processes, &other.processes, ProcessTotals::merge);
        merge_all(&mut self.partitions, &other.partitions, HealthTotals::merge);
        merge_all(&mut self.streams, &other.streams, StreamTotals::merge);
        self.write_gap.merge(&other.write_gap);
        self.worst_availability = match (self.worst_availability, other.worst_availability) {
            (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
    }

    /// The longest write gap of any producer on any partition. Known after [`Summary::finish`].
    #[must_use]
    pub fn longest_write_gap(&self) -> Span {
        self.streams.iter().map(|stream| stream.longest_gap).max().unwrap_or_default()
    }

    /// The part of the time in which writes went through, in millionths, over all producers and
    /// partitions; none if nothing was written. Known after [`Summary::finish`].
    #[must_use]
    pub fn write_availability(&self) -> Option<u32> {
        let active: u128 = self.streams.iter().map(|stream| u128::from(stream.active.0)).sum();
        let outage: u128 = self.streams.iter().map(|stream| u128::from(stream.outage.0)).sum();
        (active > 0).then(|| (active.saturating_sub(outage) * 1_000_000 / active) as u32)
    }

    /// From submission to acknowledgement, over all processes.
    #[must_use]
    pub fn ack_latency(&self) -> Spans {
        let mut all = Spans::default();
        for process in &self.processes {
            all.merge(&process.ack_latency);
        }
        all
    }

    fn process(&mut self, process: ProcessId) -> &mut ProcessTotals {
        &mut self.processes[process.index()]
    }

    fn stream(&mut self, process: ProcessId, partition: PartitionId) -> &mut Stream {
        stream_of(&mut self.live.clients[process.index()].streams, partition, self.partitions.len())
    }

    /// A batch was appended to a log.
    ///
    /// Speed: inline in the tap, which knows the kind of fact.
    #[inline(always)]
    pub const fn appended(&mut self) {
        count(&mut self.counts.appended, 1);
    }

    /// A record was handed to a producer.
    ///
    /// Speed: inline, likewise.
    #[inline(always)]
    pub fn submitted(&mut self, now: Time, process: ProcessId, partition: PartitionId) {
        count(&mut self.counts.submitted, 1);
        count(&mut self.process(process).sent, 1);
        self.stream(process, partition).submitted(now);
    }

    /// Records were handed to a consumer's application.
    pub fn consumed(&mut self, process: ProcessId, records: u32) {
        count(&mut self.counts.consumed, records.into());
        count(&mut self.process(process).consumed, records.into());
    }

    /// A producer heard that records were written; `submitted` tells when each of those that it
    /// still waited for had been handed over.
    pub fn acked(
        &mut self,
        now: Time,
        (process, partition): (ProcessId, PartitionId),
        records: u32,
        submitted: &[Time],
    ) {
        count(&mut self.counts.acked, records.into());
        let totals = &mut self.processes[process.index()];
        count(&mut totals.acked, records.into());
        let client = &mut self.live.clients[process.index()];
        if let Some(last) = client.last_ack.replace(now) {
            totals.longest_ack_gap = totals.longest_ack_gap.max(now.since(last));
        }
        submitted.iter().for_each(|at| totals.ack_latency.record(now.since(*at)));
        let stream = stream_of(&mut client.streams, partition, self.partitions.len());
        stream.acked(submitted.len(), now);
    }

    #[cold]
    fn observe_producer(&mut self, now: Time, fact: &Fact) {
        match *fact {
            Fact::Rejected { process, partition, count, error, .. }
            | Fact::GaveUp { process, partition, count, error, .. } => {
                let refused = matches!(fact, Fact::Rejected { .. });
                let counter =
                    if refused { &mut self.counts.rejected } else { &mut self.counts.gave_up };
                *counter += u64::from(count);
                self.process(process).failed.add(error, u64::from(count));
                self.stream(process, partition).failed(count as usize, now);
            }
            Fact::SendFailed { process, error, .. } => {
                self.counts.send_failed += 1;
                self.process(process).sent += 1;
                self.process(process).failed.add(error, 1);
            }
            Fact::Retried { error, .. } => {
                self.counts.retried += 1;
                self.retried.add(error, 1);
            }
            Fact::EpochBumped { .. } => self.counts.epochs_bumped += 1,
            Fact::ClientStopped { process } => self.close_lanes(process, now),
            _ => {}
        }
    }

    fn observe_metadata(&mut self, now: Time, fact: &Fact) {
        match *fact {
            Fact::Elected { partition, leader, leader_epoch, unclean, .. } => {
                // The first leader is appointed with the topic: nobody was elected.
                if leader_epoch.0 == 0 {
                    return;
                }
                let health = &self.live.health[partition.index()];
                let counter = match health.election(leader, leader_epoch, unclean) {
                    ElectionKind::Clean => &mut self.counts.elected_clean,
                    ElectionKind::Eligible => &mut self.counts.elected_eligible,
                    ElectionKind::LastKnown => &mut self.counts.elected_last_known,
                    ElectionKind::Unclean => &mut self.counts.elected_unclean,
                    ElectionKind::Nobody => &mut self.counts.leaderless,
                    ElectionKind::Again => &mut self.counts.epochs_raised,
                };
                *counter += 1;
            }
            Fact::IsrCommitted { partition, state } => {
                let (left, joined) = self.live.health[partition.index()].commit(now, state);
                self.counts.isr_shrinks += u64::from(!left.is_empty());
                self.counts.isr_expands += u64::from(!joined.is_empty());
            }
            Fact::BrokerRegistered { unclean, .. } => {
                self.counts.unclean_registrations += u64::from(unclean);
            }
            Fact::BrokerFenced { .. } => self.counts.fenced += 1,
            Fact::BrokerUnfenced { .. } => self.counts.unfenced += 1,
            Fact::SessionExpired { .. } => self.counts.sessions_expired += 1,
            Fact::ConfigCommitted { topic, key: TopicKey::MinInsyncReplicas, value } => {
                let value = value.and_then(|v| u32::try_from(v).ok());
                self.set_minimum(now, topic, value);
            }
            _ => {}
        }
    }

    fn observe_stop(&mut self, now: Time, node: NodeId, how: StopKind) {
        let counter = match how {
            StopKind::Crash => &mut self.counts.crashes,
            StopKind::PowerLoss => &mut self.counts.power_losses,
            StopKind::Shutdown => &mut self.counts.shutdowns,
            StopKind::Halt => &mut self.counts.halts,
            StopKind::Wipe => &mut self.counts.wipes,
        };
        *counter += 1;
        if let NodeId::Process(process) = node {
            self.close_lanes(process, now);
        }
    }

    fn close_lanes(&mut self, process: ProcessId, now: Time) {
        self.live.clients[process.index()].streams.iter_mut().for_each(|stream| stream.close(now));
    }

    /// `min.insync.replicas` changed: of a topic, or of all that have none of their own.
    fn set_minimum(&mut self, now: Time, topic: Option<TopicId>, value: Option<u32>) {
        match topic {
            Some(topic) => self.live.topics[topic.index()].own = value,
            None => self.live.cluster_min_insync = value.unwrap_or(1),
        }
        let live = &mut self.live;
        for topic in &live.topics {
            let minimum = topic.own.unwrap_or(live.cluster_min_insync);
            for partition in topic.ids.all() {
                live.health[partition.index()].set_minimum(now, minimum);
            }
        }
    }
}

/// The stream of a partition, among those of a process.
///
/// Speed: streams lie in one row a process, made when first needed.
#[inline(always)]
fn stream_of(streams: &mut Vec<Stream>, partition: PartitionId, width: usize) -> &mut Stream {
    if streams.is_empty() {
        *streams = new_streams(width);
    }
    &mut streams[partition.index()]
}

#[cold]
fn new_streams(width: usize) -> Vec<Stream> {
    vec![Stream::default(); width]
}

/// Counts on.
///
/// Speed: wraps without a check, because nothing happens 2^64 times in a run.
#[inline(always)]
const fn count(counter: &mut u64, times: u64) {
    *counter = counter.wrapping_add(times);
}

/// Sums element by element; the longer list decides the length.
fn merge_all<T: Clone>(mine: &mut Vec<T>, theirs: &[T], merge: impl Fn(&mut T, &T)) {
    for (place, other) in theirs.iter().enumerate() {
        match mine.get_mut(place) {
            Some(mine) => merge(mine, other),
            None => mine.push(other.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
