//! Forged facts for the tests of this module: a small cluster, and a diary to write facts in.

use crate::base::ids::{
    BrokerId, LeaderEpoch, NodeId, Offset, PartitionEpoch, PartitionId, ProcessId, ProducerEpoch,
    ProducerId, ReplicaSet, TopicId,
};
use crate::base::rng::Latency;
use crate::base::time::{Span, Time};
use crate::model::batch::{RecordId, Records, Sequence};
use crate::model::config::{Acks, Features, ProducerConfig, TopicConfig};
use crate::model::fact::{Fact, Stamp, StopKind};
use crate::model::fault::FaultKind;
use crate::model::metadata::PartitionState;
use crate::model::names::{Names, TopicName};
use crate::model::plan::{
    AppPlan, Hardware, NetworkPlan, Plan, ProcessPlan, ProducerPlan, Promise, RunPlan, Taint,
    TopicPlan,
};
use crate::model::rules::Rules;
use crate::report::number::{Number, NumberRow};
use crate::report::trace::Legend;
use crate::report::{
    Exercised, ExpectationRow, FaultRow, Finding, GuaranteeRow, Header, Promised, Report, Status,
    Value, Verdict,
};

pub(crate) const P: ProcessId = ProcessId(0);
pub(crate) const T0: PartitionId = PartitionId(0);

/// Topic `t` of two partitions on three brokers, one producer `p`, one consumer `c`.
pub(crate) fn names() -> Names {
    Names {
        topics: vec![TopicName { name: "t".to_owned(), first: T0, partitions: 2, most: 2 }],
        processes: vec!["p".to_owned(), "c".to_owned()],
        labels: vec!["a".to_owned()],
    }
}

pub(crate) fn replicas() -> Vec<Vec<BrokerId>> {
    vec![vec![BrokerId(1), BrokerId(2), BrokerId(3)], vec![BrokerId(2), BrokerId(3), BrokerId(1)]]
}

pub(crate) fn plan() -> Plan {
    let config = TopicConfig { min_insync_replicas: 2, ..TopicConfig::default() };
    let topic = TopicPlan { config, overrides: Vec::new(), replicas: replicas() };
    let producer = ProducerPlan {
        config: ProducerConfig::default(),
        topics: vec![TopicId(0)],
        period: None,
        records: None,
        keys: 0,
        size: 100,
        resend: false,
    };
    let app = AppPlan::Producer(producer);
    let process = ProcessPlan { rules: Rules::KAFKA_4_1, starts: true, app };
    let latency = Latency { p50: Span::millis(1), p99: Span::millis(2), max: Span::millis(3) };
    Plan {
        kafka: "4.1".to_owned(),
        names: names(),
        brokers: Vec::new(),
        controllers: Vec::new(),
        features: Features::default(),
        topics: vec![topic],
        cluster_topic_config: Vec::new(),
        processes: vec![process.clone(), process],
        network: NetworkPlan { latency, links: Vec::new(), socket_buffer: 0, give_up: Span::ZERO },
        writeback: Span::ZERO,
        wall_offset: Span::ZERO,
        drift_ppm: 0,
        hardware: Hardware::CLOUD_VM,
        faults: Vec::new(),
        script: Vec::new(),
        promise: Promise { min_insync: 1, taint: Taint::UncleanStop, refuse_beyond: true },
        run: RunPlan {
            duration: Span::secs(60),
            heal: true,
            settle: Span::secs(60),
            audit_events: 10_000,
            budget_events: 1_000_000,
            budget_memory: 1 << 30,
        },
    }
}

pub(crate) fn record(ordinal: u32) -> RecordId {
    RecordId { process: P, ordinal }
}

/// A set of replicas of `t-0`, by broker numbers.
pub(crate) fn set(brokers: &[u16]) -> ReplicaSet {
    brokers.iter().fold(ReplicaSet::EMPTY, |set, broker| set.with(usize::from(*broker) - 1))
}

/// Facts of a run, in order, each an event of its own unless said otherwise.
pub(crate) struct Diary {
    pub(crate) facts: Vec<(Stamp, Fact)>,
    names: Names,
    replicas: Vec<Vec<BrokerId>>,
    now: Time,
}

impl Diary {
    pub(crate) fn new() -> Self {
        Self { facts: Vec::new(), names: names(), replicas: replicas(), now: Time::ZERO }
    }

    pub(crate) fn legend(&self) -> Legend<'_> {
        Legend { names: &self.names, replicas: &self.replicas }
    }

    /// What follows happens so many microseconds after the start.
    pub(crate) fn at(&mut self, micros: u64) -> &mut Self {
        self.now = Time::ZERO + Span::micros(micros);
        self
    }

    pub(crate) fn fact(&mut self, fact: Fact) -> &mut Self {
        let seq = self.facts.last().map_or(1, |(stamp, _)| stamp.seq + 1);
        self.facts.push((Stamp { time: self.now, seq, cause: 0 }, fact));
        self
    }

    /// In the same event as the fact before.
    pub(crate) fn and(&mut self, fact: Fact) -> &mut Self {
        let stamp = self.facts.last().expect("something happened before").0;
        self.facts.push((stamp, fact));
        self
    }

    pub(crate) fn last(&self) -> Stamp {
        self.facts.last().expect("something happened").0
    }

    pub(crate) fn submitted(&mut self, ordinal: u32) -> &mut Self {
        self.fact(Fact::Submitted {
            process: P,
            partition: T0,
            record: record(ordinal),
            workload: ordinal,
            key: None,
            label: None,
        })
    }

    pub(crate) fn appended(&mut self, broker: u16, base: u64, first: u32, epoch: u32) -> &mut Self {
        self.fact(appended(broker, base, first, epoch))
    }

    pub(crate) fn acked(&mut self, base: u64, first: u32, acks: Acks) -> &mut Self {
        self.fact(Fact::Acked {
            process: P,
            partition: T0,
            first: record(first),
            count: 1,
            base: Some(Offset(base)),
            acks,
        })
    }

    pub(crate) fn injected(&mut self, id: u32, kind: FaultKind, broker: u16) -> &mut Self {
        self.fact(Fact::Injected { id, kind, node: Some(NodeId::Broker(BrokerId(broker))) })
    }

    pub(crate) fn healed(&mut self, id: u32, kind: FaultKind, broker: u16) -> &mut Self {
        self.fact(Fact::Healed { id, kind, node: Some(NodeId::Broker(BrokerId(broker))) })
    }

    pub(crate) fn stopped(&mut self, broker: u16, how: StopKind, lost: u32) -> &mut Self {
        self.fact(Fact::Stopped { node: NodeId::Broker(BrokerId(broker)), how, lost })
    }

    pub(crate) fn started(&mut self, broker: u16) -> &mut Self {
        self.fact(Fact::Started { node: NodeId::Broker(BrokerId(broker)) })
    }

    pub(crate) fn truncated(&mut self, broker: u16, from: u64, to: u64) -> &mut Self {
        let (broker, from, to) = (BrokerId(broker), Offset(from), Offset(to));
        self.fact(Fact::Truncated { broker, partition: T0, from, to })
    }

    pub(crate) fn state(&mut self, leader: Option<u16>, epoch: u32, isr: &[u16]) -> &mut Self {
        self.fact(Fact::IsrCommitted { partition: T0, state: state(leader, epoch, isr) })
    }

    /// An election, and the state committed with it.
    pub(crate) fn elected(&mut self, state: PartitionState, unclean: bool) -> &mut Self {
        let PartitionState { leader, leader_epoch, isr, elr, .. } = state;
        let partition = T0;
        self.fact(Fact::Elected { partition, leader, leader_epoch, isr, elr, unclean });
        self.and(Fact::IsrCommitted { partition, state })
    }
}

pub(crate) fn appended(broker: u16, base: u64, first: u32, epoch: u32) -> Fact {
    let producer = ProducerId(7);
    Fact::Appended {
        broker: BrokerId(broker),
        partition: T0,
        base: Offset(base),
        count: 1,
        leader_epoch: LeaderEpoch(epoch),
        records: Records::Workload(record(first)),
        sequence: Some(Sequence { producer, epoch: ProducerEpoch(0), first }),
    }
}

pub(crate) fn state(leader: Option<u16>, epoch: u32, isr: &[u16]) -> PartitionState {
    PartitionState {
        isr: set(isr),
        elr: ReplicaSet::EMPTY,
        leader: leader.map(BrokerId),
        last_known_elr: None,
        leader_epoch: LeaderEpoch(epoch),
        // Not the first state of a partition, which is that of its creation.
        partition_epoch: PartitionEpoch(1),
        recovering: false,
    }
}

/// A report with something in every part.
pub(crate) fn report() -> Report {
    let finding = |seed, text: &str| Finding {
        seed,
        property: "at-least write-availability 70%".to_owned(),
        at: None,
        step: None,
        text: text.to_owned(),
        drawn: Vec::new(),
        reproduce: format!("highwater replay .highwater/failures/leader-kill-{seed}.json"),
        smaller: Some(format!("highwater shrink .highwater/failures/leader-kill-{seed}.json")),
    };
    let lengths = (Span::millis(15_200), Span::millis(16_700), Span::millis(17_812));
    let (p50, p99, max) = lengths;
    let number = |name: &str, value, headline| NumberRow { name: name.to_owned(), value, headline };
    Report {
        header: header(),
        expectations: expectations(),
        guarantees: guarantees(),
        faults: vec![
            fault("crash", 1000, 0, 1000),
            fault("power-loss", 12, 340, 11),
            fault("network-loss", 2412, 0, 903),
        ],
        varied: Vec::new(),
        numbers: vec![
            number("elections", Number::Count(1407), true),
            number("ISR shrinks", Number::Count(2611), true),
            number("records acked", Number::Count(11_902_604), false),
            number("leaders lost", Number::Count(0), true),
            number("write gap", Number::Quantiles { count: 1000, p50, p99, max }, true),
            number("write availability", Number::Share(746_812), false),
            number("offline", Number::Length(Span::millis(842)), true),
        ],
        verdict: Verdict::Fail,
        reasons: vec!["1 expectation violated in 37 of 1000 seeds; worst in seed 421".to_owned()],
        failures: vec![finding(421, "write availability was 68.9 %, below 70 %")],
        found: Vec::new(),
        story: Some("b1 was killed.\n\n  8.030 117  --  injected  crash b1 (fault 0)\n".to_owned()),
        timeline: Some("t-0 acked   ▁▂▃\n".to_owned()),
        facts: vec![
            (
                "state-after".to_owned(),
                Value::Map(vec![
                    ("leader".to_owned(), Value::Int(2)),
                    ("isr".to_owned(), Value::List(vec![Value::Int(2), Value::Int(3)])),
                    ("lastKnownElr".to_owned(), Value::Null),
                ]),
            ),
            ("readable".to_owned(), Value::List(vec![Value::Text("0:a0".to_owned())])),
            ("broker-1-alive".to_owned(), Value::Bool(false)),
        ],
        warnings: vec!["`log.flush.interval.ms` is known and has no effect here".to_owned()],
    }
}

fn header() -> Header {
    let session = "broker.broker.session.timeout.ms";
    Header {
        scenario: "leader-kill".to_owned(),
        title: "Killing leaders loses nothing that acks=all acknowledged".to_owned(),
        lesson: "A killed leader is replaced when its session ends.".to_owned(),
        claims: vec!["G3".to_owned(), "F1".to_owned()],
        kafka: "4.1".to_owned(),
        tool: "0.1.0".to_owned(),
        runs: 1000,
        seeds: "0..1000".to_owned(),
        overrides: vec![(session.to_owned(), "15000".to_owned())],
        simulated: Span::secs(180_000),
        facts: 2_412_903_117,
        fingerprint: "9f1c55d2a0b3e427".to_owned(),
    }
}

fn expectations() -> Vec<ExpectationRow> {
    let row = |status, text: &'static str, value: &str, exercised: Option<u64>| ExpectationRow {
        status,
        text: text.to_owned(),
        property: text.split(' ').nth(1).filter(|_| !text.starts_with("at-")),
        value: value.to_owned(),
        exercised: exercised.map(|seeds| Exercised { seeds, of: 1000 }),
    };
    let share = "74.6 % (worst 68.9 %, seed 421)";
    vec![
        row(Status::Held, "never acked-lost", "0 of 11 902 604 acked", Some(1000)),
        row(Status::Held, "never duplicate", "0", Some(988)),
        row(Status::Failed, "at-least write-availability 70%", share, None),
        row(Status::Inconclusive, "never aborted-read", "", None),
        row(Status::Found, "sometimes follower-truncated", "in 412 seeds", Some(1000)),
        row(Status::NotFound, "sometimes zombie-fenced", "in 0 seeds", Some(1000)),
        row(
            Status::Held,
            "liveness writes-resume in 45s",
            "longest 0.6 s after the heal",
            Some(1000),
        ),
    ]
}

fn guarantees() -> Vec<GuaranteeRow> {
    let row = |property: &str, promised, reason: &str, violations, exercised| GuaranteeRow {
        property: property.to_owned(),
        promised,
        reason: reason.to_owned(),
        violations,
        exercised,
    };
    vec![
        row("acked-lost", Promised::Never, "acks=all, min.insync.replicas=2", 0, 1000),
        row("duplicate", Promised::Never, "idempotence is on", 0, 988),
        row("log-diverged", Promised::Allowed, "unclean election is on", 3, 1000),
        row("aborted-read", Promised::NotPromised, "no consumer reads committed", 0, 0),
    ]
}

fn fault(kind: &str, accepted: u64, refused: u64, seeds: u64) -> FaultRow {
    FaultRow { kind: kind.to_owned(), accepted, refused, seeds }
}
