//! Forged fact streams for the tests of the checkers: a small cluster told in one-word sentences.
//!
//! Three brokers, topic `t` with replication factor 3 and min.insync.replicas 2, process `p` (a
//! producer, acks=all) and process `c` (a consumer of every partition). Each sentence is one fact,
//! one microsecond after the last.

mod positions;

use crate::base::ids::{
    BrokerEpoch, BrokerId, ConnectionId, LeaderEpoch, NodeId, Offset, PartitionId, ProcessId,
    ProducerEpoch, ProducerId, ReplicaSet, TopicId,
};
use crate::base::rng::Latency;
use crate::base::time::{Span, Time};
use crate::model::batch::{Batch, Marker, RecordId, Records, Sequence};
use crate::model::config::{
    Acks, BrokerConfig, ConsumerConfig, Features, OffsetReset, ProducerConfig, TopicConfig,
    TopicKey,
};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, PositionChange, Stamp, StopKind};
use crate::model::metadata::PartitionState;
use crate::model::names::{Names, TopicName};
use crate::model::plan::{
    AppPlan, BrokerPlan, ConsumerPlan, ControllerPlan, Hardware, NetworkPlan, Plan, ProcessPlan,
    ProducerPlan, Promise, RunPlan, Taint, TopicPlan,
};
use crate::model::rules::Rules;

use super::{Checks, End};

const P: ProcessId = ProcessId(0);
const C: ProcessId = ProcessId(1);
const T0: PartitionId = PartitionId(0);

/// The plan of the small cluster.
pub(crate) fn plan() -> Plan {
    let latency = Latency { p50: Span::micros(400), p99: Span::millis(3), max: Span::millis(40) };
    let brokers = [BrokerId(1), BrokerId(2), BrokerId(3)];
    let broker = BrokerPlan {
        config: BrokerConfig::default(),
        rules: Rules::KAFKA_4_1,
        rack: None,
        disk_capacity: u64::MAX,
        disk_latency: latency,
    };
    let controller = ControllerPlan {
        config: BrokerConfig::default(),
        rules: Rules::KAFKA_4_1,
        disk_latency: latency,
    };
    let producer = ProducerPlan {
        config: ProducerConfig::default(),
        topics: vec![TopicId(0)],
        period: Some(Span::millis(1)),
        records: None,
        keys: 0,
        size: 100,
        resend: false,
    };
    let consumer = ConsumerPlan {
        config: ConsumerConfig::default(),
        assign: vec![T0],
        processing: Span::ZERO,
    };
    let process = |app| ProcessPlan { rules: Rules::KAFKA_4_1, starts: true, app };
    Plan {
        kafka: "4.1".to_owned(),
        names: Names {
            topics: vec![TopicName { name: "t".to_owned(), first: T0, partitions: 1, most: 1 }],
            processes: vec!["p".to_owned(), "c".to_owned()],
            labels: vec![],
        },
        brokers: vec![broker; 3],
        controllers: vec![controller],
        features: Features::default(),
        topics: vec![TopicPlan {
            config: TopicConfig { min_insync_replicas: 2, ..TopicConfig::default() },
            overrides: vec![(TopicKey::MinInsyncReplicas, 2)],
            replicas: vec![brokers.to_vec()],
        }],
        cluster_topic_config: vec![],
        processes: vec![process(AppPlan::Producer(producer)), process(AppPlan::Consumer(consumer))],
        network: NetworkPlan {
            latency,
            links: vec![],
            socket_buffer: 100 * 1024,
            give_up: Span::secs(900),
        },
        writeback: Span::secs(30),
        wall_offset: Span::ZERO,
        drift_ppm: 0,
        hardware: Hardware::CLOUD_VM,
        faults: vec![],
        script: vec![],
        promise: Promise { min_insync: 1, taint: Taint::UncleanStop, refuse_beyond: true },
        run: RunPlan {
            duration: Span::secs(60),
            heal: true,
            settle: Span::secs(120),
            audit_events: 10_000,
            budget_events: 1_000_000,
            budget_memory: 1 << 30,
        },
    }
}

/// A batch whose records have their offsets for ordinals.
pub(crate) fn batch(base: u64, count: u32, epoch: u32) -> Batch {
    Batch {
        base: Offset(base),
        max_timestamp: Time::ZERO,
        records: Records::Workload(RecordId { process: P, ordinal: base as u32 }),
        count,
        bytes: 100,
        leader_epoch: LeaderEpoch(epoch),
        sequence: None,
    }
}

/// Tells facts to checkers.
#[derive(Clone, Debug)]
pub(crate) struct Forge {
    pub(crate) checks: Checks,
    pub(crate) names: Names,
    now: Time,
    seq: u64,
    still: bool,
    state: PartitionState,
    submitted: u32,
    producer: ProducerId,
}

impl Forge {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = plan();
        change(&mut plan);
        let checks = Checks::new(&plan);
        let state = checks.ghosts.partitions[0].state;
        let names = plan.names;
        Self {
            checks,
            names,
            now: Time::ZERO,
            seq: 0,
            still: false,
            state,
            submitted: 0,
            producer: ProducerId(1),
        }
    }

    pub(crate) fn with_acks(acks: Acks) -> Self {
        Self::with(|plan| {
            let AppPlan::Producer(producer) = &mut plan.processes[0].app else { return };
            producer.config.acks = acks;
            producer.config.idempotence = false;
        })
    }

    /// With this `auto.offset.reset`.
    pub(crate) fn with_reset(reset: OffsetReset) -> Self {
        Self::with(|plan| {
            let AppPlan::Consumer(consumer) = &mut plan.processes[1].app else { return };
            consumer.config.offset_reset = reset;
        })
    }

    pub(crate) fn with_partitions(partitions: u16) -> Self {
        Self::with(|plan| {
            plan.names.topics[0].partitions = partitions;
            plan.names.topics[0].most = partitions;
            let replicas = plan.topics[0].replicas[0].clone();
            plan.topics[0].replicas = vec![replicas; partitions.into()];
        })
    }

    pub(crate) fn tell(&mut self, fact: Fact) -> &mut Self {
        if !self.still {
            self.now += Span::micros(1);
        }
        self.seq += 1;
        let stamp = Stamp { time: self.now, seq: self.seq, cause: 0 };
        self.checks.observe(stamp, &fact);
        self
    }

    /// What `sentences` tells happens in one instant.
    pub(crate) fn now(&mut self, sentences: impl FnOnce(&mut Self) -> &mut Self) -> &mut Self {
        self.now += Span::micros(1);
        self.still = true;
        sentences(self);
        self.still = false;
        self
    }

    pub(crate) fn wait(&mut self, span: Span) -> &mut Self {
        self.now += span;
        self
    }

    /// Something that no check cares for, to let time be noticed.
    pub(crate) fn touch(&mut self) -> &mut Self {
        self.tell(Fact::AllHealed)
    }

    // ---- logs ----

    fn append_entry(
        &mut self,
        broker: u16,
        (base, count, epoch): (u64, u32, u32),
        ordinal: u32,
        sequence: Option<Sequence>,
    ) -> &mut Self {
        self.tell(Fact::Appended {
            broker: BrokerId(broker),
            partition: T0,
            base: Offset(base),
            count,
            leader_epoch: LeaderEpoch(epoch),
            records: Records::Workload(RecordId { process: P, ordinal }),
            sequence,
        })
    }

    /// Broker appends records whose ordinals are their offsets.
    pub(crate) fn append(&mut self, broker: u16, base: u64, count: u32, epoch: u32) -> &mut Self {
        self.append_entry(broker, (base, count, epoch), base as u32, None)
    }

    /// Broker appends other records there.
    pub(crate) fn append_other(
        &mut self,
        broker: u16,
        base: u64,
        count: u32,
        epoch: u32,
        ordinal: u32,
    ) -> &mut Self {
        self.append_entry(broker, (base, count, epoch), ordinal, None)
    }

    /// A control marker, of no producer.
    pub(crate) fn marker(&mut self, broker: u16, base: u64, epoch: u32) -> &mut Self {
        self.tell(Fact::Appended {
            broker: BrokerId(broker),
            partition: T0,
            base: Offset(base),
            count: 1,
            leader_epoch: LeaderEpoch(epoch),
            records: Records::Marker(Marker::Commit),
            sequence: None,
        })
    }

    /// As the leader of the present epoch, without a sequence.
    pub(crate) fn plain(&mut self, broker: u16, base: u64, ordinal: u32, count: u32) -> &mut Self {
        let epoch = self.state.leader_epoch.0;
        self.append_entry(broker, (base, count, epoch), ordinal, None)
    }

    /// As the leader of the present epoch, of an idempotent producer whose sequence numbers are
    /// its ordinals.
    pub(crate) fn send(
        &mut self,
        broker: u16,
        base: u64,
        ordinal: u32,
        count: u32,
        producer_epoch: u16,
    ) -> &mut Self {
        let epoch = self.state.leader_epoch.0;
        let sequence = Some(Sequence {
            producer: self.producer,
            epoch: ProducerEpoch(producer_epoch),
            first: ordinal,
        });
        self.append_entry(broker, (base, count, epoch), ordinal, sequence)
    }

    /// As the leader of the present epoch, records of an idempotent producer in this epoch of it,
    /// from this sequence number on.
    pub(crate) fn sequenced(
        &mut self,
        broker: u16,
        base: u64,
        records: (u32, u32),
        producer_epoch: u16,
        first: u32,
    ) -> &mut Self {
        let epoch = self.state.leader_epoch.0;
        self.sequenced_in(broker, base, records, (producer_epoch, first), epoch)
    }

    /// The same, in this leader epoch.
    pub(crate) fn sequenced_in(
        &mut self,
        broker: u16,
        base: u64,
        (ordinal, count): (u32, u32),
        (producer_epoch, first): (u16, u32),
        epoch: u32,
    ) -> &mut Self {
        let epoch_of_producer = ProducerEpoch(producer_epoch);
        let producer = self.producer;
        let sequence = Some(Sequence { producer, epoch: epoch_of_producer, first });
        self.append_entry(broker, (base, count, epoch), ordinal, sequence)
    }

    /// The id of the producer whose batches are sent from now on.
    pub(crate) fn producer(&mut self, id: u32) -> &mut Self {
        self.producer = ProducerId(id);
        self
    }

    /// A follower appends what was sent.
    pub(crate) fn copy(
        &mut self,
        broker: u16,
        base: u64,
        ordinal: u32,
        count: u32,
        producer_epoch: u16,
    ) -> &mut Self {
        self.send(broker, base, ordinal, count, producer_epoch)
    }

    pub(crate) fn truncate(&mut self, broker: u16, from: u64, to: u64) -> &mut Self {
        let (from, to) = (Offset(from), Offset(to));
        self.tell(Fact::Truncated { broker: BrokerId(broker), partition: T0, from, to })
    }

    pub(crate) fn power_loss(&mut self, broker: u16, from: u64, to: u64) -> &mut Self {
        let (from, to) = (Offset(from), Offset(to));
        self.tell(Fact::TailLost { broker: BrokerId(broker), partition: T0, from, to });
        let node = NodeId::Broker(BrokerId(broker));
        self.tell(Fact::Stopped { node, how: StopKind::PowerLoss, lost: 1 })
    }

    pub(crate) fn log_start(&mut self, broker: u16, to: u64) -> &mut Self {
        let to = Offset(to);
        self.tell(Fact::LogStartMoved { broker: BrokerId(broker), partition: T0, to })
    }

    pub(crate) fn expose(&mut self, broker: u16, epoch: u32, to: u16, offset: u64) -> &mut Self {
        self.tell(Fact::WatermarkExposed {
            broker: BrokerId(broker),
            partition: T0,
            leader_epoch: LeaderEpoch(epoch),
            to: NodeId::Broker(BrokerId(to)),
            connection: ConnectionId(u32::from(broker) * 10 + u32::from(to)),
            offset: Offset(offset),
        })
    }

    // ---- metadata ----

    fn set(brokers: &[u16]) -> ReplicaSet {
        brokers.iter().fold(ReplicaSet::EMPTY, |set, b| set.with(usize::from(*b) - 1))
    }

    fn commit(&mut self) -> &mut Self {
        self.state.partition_epoch = self.state.partition_epoch.next();
        let state = self.state;
        self.tell(Fact::IsrCommitted { partition: T0, state })
    }

    pub(crate) fn isr(&mut self, isr: &[u16], elr: &[u16], epoch: u32) -> &mut Self {
        self.state.isr = Self::set(isr);
        self.state.elr = Self::set(elr);
        self.state.leader_epoch = LeaderEpoch(epoch);
        self.commit()
    }

    /// A leader from the ISR, which stays as it is.
    pub(crate) fn elect(&mut self, leader: u16, epoch: u32) -> &mut Self {
        self.state.leader = Some(BrokerId(leader));
        self.state.leader_epoch = LeaderEpoch(epoch);
        self.tell_election(false)
    }

    /// The same, with the two facts about it in the other order.
    pub(crate) fn commit_then_elect(&mut self, leader: u16, epoch: u32) -> &mut Self {
        self.state.leader = Some(BrokerId(leader));
        self.state.leader_epoch = LeaderEpoch(epoch);
        self.commit();
        let PartitionState { leader, leader_epoch, isr, elr, .. } = self.state;
        self.tell(Fact::Elected { partition: T0, leader, leader_epoch, isr, elr, unclean: false })
    }

    pub(crate) fn elect_from(
        &mut self,
        leader: u16,
        epoch: u32,
        isr: &[u16],
        elr: &[u16],
        unclean: bool,
    ) -> &mut Self {
        self.state.isr = Self::set(isr);
        self.state.elr = Self::set(elr);
        self.state.leader = Some(BrokerId(leader));
        self.state.leader_epoch = LeaderEpoch(epoch);
        self.state.last_known_elr = None;
        self.tell_election(unclean)
    }

    fn tell_election(&mut self, unclean: bool) -> &mut Self {
        let PartitionState { leader, leader_epoch, isr, elr, .. } = self.state;
        self.tell(Fact::Elected { partition: T0, leader, leader_epoch, isr, elr, unclean });
        self.commit()
    }

    pub(crate) fn lose_leader(&mut self, isr: &[u16], elr: &[u16], epoch: u32) -> &mut Self {
        self.state.isr = Self::set(isr);
        self.state.elr = Self::set(elr);
        self.state.leader = None;
        self.state.leader_epoch = LeaderEpoch(epoch);
        self.tell_election(false)
    }

    pub(crate) fn last_known(&mut self, broker: u16) -> &mut Self {
        self.state.last_known_elr = Some(BrokerId(broker));
        self.commit()
    }

    pub(crate) fn fence(&mut self, broker: u16) -> &mut Self {
        self.tell(Fact::BrokerFenced { broker: BrokerId(broker) })
    }

    pub(crate) fn unfence(&mut self, broker: u16) -> &mut Self {
        self.tell(Fact::BrokerUnfenced { broker: BrokerId(broker) })
    }

    pub(crate) fn register(&mut self, broker: u16, unclean: bool) -> &mut Self {
        let incarnation = self.checks.ghosts.broker(BrokerId(broker)).starts;
        self.register_as(broker, incarnation, unclean)
    }

    /// The process of that start, which may be gone, registers.
    pub(crate) fn register_as(
        &mut self,
        broker: u16,
        incarnation: u32,
        unclean: bool,
    ) -> &mut Self {
        let (broker, epoch) = (BrokerId(broker), BrokerEpoch(self.seq));
        self.tell(Fact::BrokerRegistered { broker, epoch, incarnation, unclean })
    }

    pub(crate) fn stop(&mut self, broker: u16) -> &mut Self {
        let node = NodeId::Broker(BrokerId(broker));
        self.tell(Fact::Stopped { node, how: StopKind::Crash, lost: 0 })
    }

    pub(crate) fn start(&mut self, broker: u16) -> &mut Self {
        self.tell(Fact::Started { node: NodeId::Broker(BrokerId(broker)) })
    }

    pub(crate) fn config(&mut self, key: TopicKey, value: i64) -> &mut Self {
        let topic = Some(TopicId(0));
        self.tell(Fact::ConfigCommitted { topic, key, value: Some(value) })
    }

    // ---- clients ----

    pub(crate) fn submit(&mut self, records: u32) -> &mut Self {
        for _ in 0..records {
            let ordinal = self.submitted;
            self.submitted += 1;
            self.tell(Fact::Submitted {
                process: P,
                partition: T0,
                record: RecordId { process: P, ordinal },
                workload: ordinal,
                key: None,
                label: None,
            });
        }
        self
    }

    pub(crate) fn submit_item(&mut self, workload: u32) -> &mut Self {
        let ordinal = self.submitted;
        self.submitted += 1;
        let record = RecordId { process: P, ordinal };
        let (process, partition) = (P, T0);
        self.tell(Fact::Submitted { process, partition, record, workload, key: None, label: None })
    }

    pub(crate) fn submit_key(&mut self, partition: u16, key: u32) -> &mut Self {
        self.tell(Fact::Submitted {
            process: P,
            partition: PartitionId(partition),
            record: RecordId { process: P, ordinal: 0 },
            workload: 0,
            key: Some(key),
            label: None,
        })
    }

    /// Records whose ordinals are their offsets.
    pub(crate) fn ack(&mut self, base: u64, count: u32, acks: Acks) -> &mut Self {
        self.tell(Fact::Acked {
            process: P,
            partition: T0,
            first: RecordId { process: P, ordinal: base as u32 },
            count,
            base: Some(Offset(base)),
            acks,
        })
    }

    /// Records of these ordinals were acknowledged there, with acks=all.
    pub(crate) fn ack_record(&mut self, base: u64, ordinal: u32, count: u32) -> &mut Self {
        let (process, partition, acks) = (P, T0, Acks::All);
        let first = RecordId { process: P, ordinal };
        self.tell(Fact::Acked { process, partition, first, count, base: Some(Offset(base)), acks })
    }

    pub(crate) fn ack_blind(&mut self, ordinal: u32, count: u32) -> &mut Self {
        let first = RecordId { process: P, ordinal };
        let (process, partition, acks) = (P, T0, Acks::None);
        self.tell(Fact::Acked { process, partition, first, count, base: None, acks })
    }

    pub(crate) fn give_up(&mut self, ordinal: u32, count: u32) -> &mut Self {
        let first = RecordId { process: P, ordinal };
        let (process, partition, error) = (P, T0, ErrorCode::Expired);
        self.tell(Fact::GaveUp { process, partition, first, count, error })
    }

    pub(crate) fn reject(&mut self, ordinal: u32, count: u32) -> &mut Self {
        let first = RecordId { process: P, ordinal };
        let (process, partition, error) = (P, T0, ErrorCode::InvalidRecord);
        self.tell(Fact::Rejected { process, partition, first, count, error })
    }

    pub(crate) fn consume(&mut self, base: u64, count: u32) -> &mut Self {
        self.consume_other(base, count, base as u32)
    }

    /// Records of a later leader epoch whose ordinals are their offsets.
    pub(crate) fn consume_in(&mut self, base: u64, count: u32, epoch: u32) -> &mut Self {
        self.consume_batch((base, count, epoch), base as u32)
    }

    pub(crate) fn consume_other(&mut self, base: u64, count: u32, ordinal: u32) -> &mut Self {
        self.consume_batch((base, count, 0), ordinal)
    }

    fn consume_batch(&mut self, (base, count, epoch): (u64, u32, u32), ordinal: u32) -> &mut Self {
        self.tell(Fact::Consumed {
            process: C,
            partition: T0,
            base: Offset(base),
            count,
            leader_epoch: LeaderEpoch(epoch),
            first: RecordId { process: P, ordinal },
            broker: BrokerId(1),
        })
    }

    pub(crate) fn rewind(&mut self, to: u64) -> &mut Self {
        let (to, why) = (Offset(to), PositionChange::Seek);
        self.tell(Fact::PositionSet { process: C, partition: T0, to, why })
    }

    pub(crate) fn stop_process(&mut self, process: u16) -> &mut Self {
        let node = NodeId::Process(ProcessId(process));
        self.tell(Fact::Stopped { node, how: StopKind::Crash, lost: 0 })
    }

    pub(crate) fn stop_client(&mut self, process: u16) -> &mut Self {
        self.tell(Fact::ClientStopped { process: ProcessId(process) })
    }

    // ---- the end ----

    pub(crate) fn heal(&mut self) -> &mut Self {
        self.checks.healed(self.now);
        self
    }

    pub(crate) fn finish(&mut self) -> &mut Self {
        self.checks.finish(End { at: self.now, judged_liveness: true });
        self
    }

    /// The property was found so often.
    #[track_caller]
    pub(crate) fn expect(&mut self, property: &str, count: u64) -> &mut Self {
        let found: Vec<_> = self
            .checks
            .violations()
            .iter()
            .map(|v| format!("{} {}", v.property, v.text(&self.names)))
            .collect();
        assert_eq!(self.checks.count(property), count, "{property} in {found:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn expect_none(&mut self, property: &str) -> &mut Self {
        self.expect(property, 0)
    }
}
