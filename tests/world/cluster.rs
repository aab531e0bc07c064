//! A small cluster, an observer that keeps what it hears, and ways to run them.

use highwater::fact::{Fact, Stamp};
use highwater::internals::app;
use highwater::internals::base::Latency;
use highwater::internals::model::{
    Action, AppPlan, BrokerConfig, BrokerPlan, ConsumerPlan, ControllerPlan, FaultLine, Features,
    Hardware, NetworkPlan, Observer, ProcessPlan, ProducerPlan, Promise, Rules, RunPlan, Taint,
    Target, Timing, TopicConfig, TopicPlan,
};
use highwater::internals::sim::World;
use highwater::plan::{
    ConsumerConfig, Names, OffsetReset, Plan, ProducerConfig, TopicKey, TopicName,
};
use highwater::types::{BrokerId, NodeId, PartitionId, Span, Time, TopicId};

pub(crate) const P0: PartitionId = PartitionId(0);

pub(crate) fn broker(id: u16) -> NodeId {
    NodeId::Broker(BrokerId(id))
}

pub(crate) fn at(millis: u64) -> Time {
    Time::ZERO + Span::millis(millis)
}

/// Three brokers, one controller, a topic of one partition with three replicas, a producer of 100
/// records a second that wants all of them acknowledged, and a consumer.
pub(crate) fn plan() -> Plan {
    let latency = Latency { p50: Span::micros(400), p99: Span::millis(3), max: Span::millis(40) };
    let disk = Latency { p50: Span::millis(1), p99: Span::millis(10), max: Span::millis(200) };
    let broker = BrokerPlan {
        config: BrokerConfig::default(),
        rules: Rules::default(),
        rack: None,
        disk_capacity: u64::MAX,
        disk_latency: disk,
    };
    let config = TopicConfig { min_insync_replicas: 2, ..TopicConfig::default() };
    let topic = TopicPlan {
        config,
        overrides: vec![(TopicKey::MinInsyncReplicas, 2)],
        replicas: vec![(1..=3).map(BrokerId).collect()],
    };
    Plan {
        kafka: "4.1".to_owned(),
        names: Names {
            topics: vec![TopicName { name: "t".to_owned(), first: P0, partitions: 1, most: 1 }],
            processes: vec!["p".to_owned(), "c".to_owned()],
            labels: Vec::new(),
        },
        brokers: vec![broker; 3],
        controllers: vec![ControllerPlan {
            config: BrokerConfig::default(),
            rules: Rules::default(),
            disk_latency: disk,
        }],
        features: Features::default(),
        topics: vec![topic],
        cluster_topic_config: Vec::new(),
        processes: vec![process(producer()), process(consumer())],
        network: NetworkPlan {
            latency,
            links: Vec::new(),
            socket_buffer: 102_400,
            give_up: Span::secs(900),
        },
        writeback: Span::secs(30),
        wall_offset: Span::ZERO,
        drift_ppm: 0,
        hardware: Hardware::CLOUD_VM,
        faults: Vec::new(),
        script: Vec::new(),
        promise: Promise { min_insync: 1, taint: Taint::UncleanStop, refuse_beyond: true },
        run: RunPlan {
            duration: Span::secs(60),
            heal: true,
            settle: Span::secs(120),
            audit_events: 10_000,
            budget_events: 100_000_000,
            budget_memory: 1 << 30,
        },
    }
}

fn process(app: AppPlan) -> ProcessPlan {
    ProcessPlan { rules: Rules::default(), starts: true, app }
}

fn producer() -> AppPlan {
    AppPlan::Producer(ProducerPlan {
        config: ProducerConfig::default(),
        topics: vec![TopicId(0)],
        period: Some(Span::millis(10)),
        records: None,
        keys: 0,
        size: 100,
        resend: false,
    })
}

fn consumer() -> AppPlan {
    let config = ConsumerConfig { offset_reset: OffsetReset::Earliest, ..Default::default() };
    AppPlan::Consumer(ConsumerPlan { config, assign: vec![P0], processing: Span::ZERO })
}

/// A fault of one broker at a moment.
pub(crate) fn fault(
    at: Time,
    node: Option<NodeId>,
    length: Option<Span>,
    action: Action,
) -> FaultLine {
    FaultLine {
        timing: Timing::At(at),
        target: node.map(Target::Node),
        length,
        action: Some(action),
    }
}

/// Keeps every fact and a hash of every event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear {
    pub(crate) facts: Vec<(Time, Fact)>,
    pub(crate) fingerprint: u64,
    pub(crate) trace: bool,
}

impl Observer for Ear {
    fn wants_facts(&self) -> bool {
        true
    }
    fn wants_trace(&self) -> bool {
        self.trace
    }
    fn fact(&mut self, stamp: Stamp, fact: &Fact) {
        self.facts.push((stamp.time, *fact));
    }
    fn event(&mut self, time: Time, digest: u64) {
        let mixed = (self.fingerprint.rotate_left(5) ^ digest ^ time.0.rotate_left(32))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.fingerprint = mixed;
    }
}

impl Ear {
    /// When facts like this were heard.
    pub(crate) fn times(&self, like: impl Fn(&Fact) -> bool) -> Vec<Time> {
        self.facts.iter().filter(|(_, fact)| like(fact)).map(|(time, _)| *time).collect()
    }

    /// How many records were acknowledged.
    pub(crate) fn acked(&self) -> u64 {
        let counts = self.facts.iter().map(|(_, fact)| match fact {
            Fact::Acked { count, .. } => u64::from(*count),
            _ => 0,
        });
        counts.sum()
    }

    /// How many records the consumer got.
    pub(crate) fn consumed(&self) -> u64 {
        let counts = self.facts.iter().map(|(_, fact)| match fact {
            Fact::Consumed { count, .. } => u64::from(*count),
            _ => 0,
        });
        counts.sum()
    }

    /// The longest time without an acknowledgement, and when it began.
    pub(crate) fn longest_gap(&self) -> (Span, Time) {
        let acks = self.times(|fact| matches!(fact, Fact::Acked { .. }));
        let gaps = acks.windows(2).map(|pair| (pair[1].since(pair[0]), pair[0]));
        gaps.max().unwrap_or_default()
    }
}

/// A world at time zero.
pub(crate) fn world(plan: &Plan, seed: u64) -> World {
    World::new(plan, seed, app::build(plan))
}

/// Runs a world until that moment.
pub(crate) fn run(world: &mut World, ear: &mut Ear, until: Time) {
    while world.next_time().is_some_and(|next| next <= until) {
        world.step(ear);
    }
    world.advance(until);
}

/// A world and what was heard of it until that moment.
pub(crate) fn watch(plan: &Plan, seed: u64, until: Time) -> (World, Ear) {
    let (mut world, mut ear) = (world(plan, seed), Ear::default());
    run(&mut world, &mut ear, until);
    (world, ear)
}
