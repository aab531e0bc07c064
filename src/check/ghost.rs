//! What the checkers know of the cluster besides logs: committed states, sessions, configurations.
//!
//! All of it comes from the plan and from observed facts. Does not judge; the property files do.

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId, ReplicaSet, TopicId};
use crate::base::replicas::ReplicaList;
use crate::base::time::{Span, Time};
use crate::model::config::{TopicConfig, TopicKey};
use crate::model::metadata::PartitionState;
use crate::model::plan::Plan;

use super::canon::Canon;

/// How long a leader with this `replica.lag.time.max.ms` surely takes a replica for caught up: a
/// tenth is left for clock drift.
pub(crate) const fn patience(lag_max: Span) -> Span {
    match lag_max.0.checked_mul(9) {
        Some(nine) => Span(nine / 10),
        None => Span::FOREVER,
    }
}

/// How far what two wall clocks show may be apart, after what they show was rounded down to
/// milliseconds by a producer and by a broker.
pub(crate) fn wall_margin(plan: &Plan) -> Span {
    plan.wall_offset + plan.wall_offset + Span::millis(2)
}

/// A broker as committed metadata and the machine show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BrokerGhost {
    pub(crate) up: bool,
    pub(crate) paused: bool,
    pub(crate) fenced: bool,
    pub(crate) shutting_down: bool,
    /// It was heard to shut down since it registered. A late heartbeat of before may have unfenced
    /// it again, and the next one of the shutdown takes it out of every ISR.
    pub(crate) leaving: bool,
    /// A log directory broke since the last start.
    pub(crate) disk_failed: bool,
    /// Its disk was emptied and it has not registered since: it may say that its replicas lie in
    /// directories that the controller does not know, and then leads none of them.
    pub(crate) wiped: bool,
    /// When something last happened to it or its session.
    pub(crate) disturbed: Time,
    /// When it last registered after an unclean stop.
    pub(crate) unclean_at: Option<Time>,
    /// It has registered since it last stopped: what is said of its session is about the process
    /// that runs now.
    pub(crate) registered: bool,
    /// It stopped and has not been unfenced since.
    pub(crate) returning: bool,
    /// How often it has been started again.
    pub(crate) starts: u32,
    /// A registration that an earlier process of it had sent arrived after its own. It is a
    /// stranger to the controller from then on, whatever it says (`STALE_BROKER_EPOCH`), until
    /// somebody restarts it.
    pub(crate) displaced: bool,
    /// Its `replica.lag.time.max.ms`.
    pub(crate) lag_max: Span,
    /// What [`patience`] makes of it.
    pub(crate) patience: Span,
}

impl BrokerGhost {
    /// Registered, unfenced and not shutting down: the controller takes it for alive.
    pub(crate) const fn is_active(&self) -> bool {
        !self.fenced && !self.shutting_down
    }
}

/// What liveness asks of a partition; one that is stuck owes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dues {
    /// Nobody who could be is missing from its ISR.
    pub(crate) full: bool,
    /// It has a leader.
    pub(crate) led: bool,
    /// See [`PartitionGhost::is_stuck`].
    pub(crate) stuck: bool,
}

impl Dues {
    /// What is asked of a partition that does not exist.
    pub(crate) const NOTHING: Self = Self { full: true, led: true, stuck: false };
}

/// One partition. One that a plan names and nobody has created yet has no replicas.
#[derive(Clone, Debug)]
pub(crate) struct PartitionGhost {
    pub(crate) id: PartitionId,
    pub(crate) topic: TopicId,
    /// Where its replicas begin in lists of all hosted replicas, by partition and place.
    pub(crate) first_replica: usize,
    /// The replica list.
    pub(crate) replicas: ReplicaList,
    pub(crate) canon: Canon,
    /// The true high watermark: the highest offset that a leader ever showed, lowered only when
    /// what it covered is lost.
    pub(crate) watermark: Offset,
    /// The latest epoch of a leader that raised it.
    pub(crate) watermark_epoch: LeaderEpoch,
    /// The furthest that every member of a large enough ISR is known to have held at some time,
    /// shown or not: what a leader may rightly take for committed.
    pub(crate) held: Offset,
    /// Up to here every batch shown or lost has been accounted for as lost.
    pub(crate) accounted: Offset,
    /// End of the last batch acknowledged with acks=all.
    pub(crate) acked_all: Offset,
    /// Acknowledged records not yet seen through a change of leader.
    pub(crate) acked_unjudged: u64,
    /// In this epoch the leader has been told of too small an ISR, and of no larger one since.
    pub(crate) refuses_in: Option<LeaderEpoch>,
    /// The committed state, and the one before it.
    pub(crate) state: PartitionState,
    pub(crate) before: PartitionState,
    /// Who decided what is committed when they were last enough for that.
    enough: ReplicaSet,
    pub(crate) config: TopicConfig,
    /// Replicas whose brokers cannot come back by themselves: see [`BrokerGhost::displaced`].
    pub(crate) displaced: ReplicaSet,
    /// Leaders of this epoch and later have heard of `config`; others may use `min_insync_low`.
    min_insync_from: LeaderEpoch,
    min_insync_low: u32,
    /// It was created after time zero, and its first state is still to be told.
    pub(crate) is_new: bool,
}

impl PartitionGhost {
    /// As partitions are created: every replica is in the ISR, and the first one leads.
    fn new(
        id: PartitionId,
        topic: TopicId,
        first_replica: usize,
        replicas: &[BrokerId],
        config: TopicConfig,
    ) -> Self {
        let state = PartitionState::full(replicas);
        Self {
            id,
            topic,
            first_replica,
            replicas: ReplicaList::from(replicas),
            canon: Canon::new(replicas.len()),
            watermark: Offset::ZERO,
            watermark_epoch: LeaderEpoch(0),
            held: Offset::ZERO,
            accounted: Offset::ZERO,
            acked_all: Offset::ZERO,
            acked_unjudged: 0,
            refuses_in: None,
            state,
            before: state,
            enough: state.isr,
            config,
            displaced: ReplicaSet::EMPTY,
            min_insync_from: LeaderEpoch(0),
            min_insync_low: config.min_insync_replicas,
            is_new: false,
        }
    }

    /// Whether it has been created.
    pub(crate) fn exists(&self) -> bool {
        !self.replicas.is_empty()
    }

    /// The state in which it was created after time zero: of its replicas those are in sync that
    /// were active then.
    pub(crate) fn begin(&mut self, state: PartitionState) {
        self.is_new = false;
        (self.state, self.before, self.enough) = (state, state, state.isr);
        self.elected_with(state.isr, state.leader_epoch);
    }

    /// One past its last replica in lists of all hosted replicas.
    pub(crate) fn replicas_end(&self) -> usize {
        self.first_replica + self.replicas.len()
    }

    /// Place of a broker in the replica list.
    pub(crate) fn place(&self, broker: BrokerId) -> Option<usize> {
        self.replicas.place(broker)
    }

    /// All replicas.
    pub(crate) fn everyone(&self) -> ReplicaSet {
        ReplicaSet::first(self.replicas.len())
    }

    /// The least `min.insync.replicas` that a leader of this epoch may go by, capped by the
    /// replication factor as in `Partition.scala` (`effectiveMinIsr`).
    pub(crate) fn min_insync(&self, epoch: LeaderEpoch) -> usize {
        let configured = if epoch >= self.min_insync_from {
            self.config.min_insync_replicas
        } else {
            self.min_insync_low
        };
        (configured as usize).min(self.replicas.len())
    }

    /// Members of the committed ISR or ELR: any of them may be elected cleanly.
    pub(crate) const fn candidates(&self) -> ReplicaSet {
        self.state.isr.union(self.state.elr)
    }

    /// Who decides what is committed: the ISR, or the ELR once the ISR is empty. The last leader
    /// may go on with them for a while: it has not heard that it is deposed, nor have they.
    const fn members(&self) -> ReplicaSet {
        if self.state.isr.is_empty() { self.state.elr } else { self.state.isr }
    }

    /// Nobody leads, and whoever may be elected is on a broker that only a restart can bring back:
    /// there will be no leader, and nothing that needs one comes true. The ISR may be elected, or
    /// the ELR if that is empty, or the last known leader if both are
    /// (`PartitionChangeBuilder.isValidNewLeader`, `canElectLastKnownLeader`).
    pub(crate) fn is_stuck(&self) -> bool {
        if self.state.leader.is_some() || self.displaced.is_empty() {
            return false;
        }
        let mut electable = self.members();
        if electable.is_empty() {
            let last_known = self.state.last_known_elr.and_then(|broker| self.place(broker));
            electable = last_known.map_or(electable, |place| electable.with(place));
        }
        !self.config.unclean_leader_election
            && !electable.is_empty()
            && electable.minus(self.displaced).is_empty()
    }

    /// Replicas that are not in the committed ISR, and could be.
    pub(crate) fn missing(&self) -> ReplicaSet {
        self.everyone().minus(self.state.isr).minus(self.displaced)
    }

    pub(crate) fn dues(&self) -> Dues {
        if !self.exists() {
            return Dues::NOTHING;
        }
        let stuck = self.is_stuck();
        Dues {
            full: stuck || self.missing().is_empty(),
            led: stuck || self.state.leader.is_some(),
            stuck,
        }
    }

    /// What every one of them holds, or has held: what a leader knows of a follower is old.
    pub(crate) fn held_by_members(&self) -> Offset {
        self.held_by(self.members())
    }

    fn held_by(&self, members: ReplicaSet) -> Offset {
        let members = members.iter().filter(|place| *place < self.replicas.len());
        members.map(|place| self.canon.replica(place).reach).min().unwrap_or_default()
    }

    /// No high watermark of a leader that keeps the rules is above this, shown or not. A leader
    /// that has not heard that its ISR was made smaller waits for those who are left, too; one
    /// whose ISR is too small moves it no more.
    pub(crate) fn highest_watermark(&self) -> Offset {
        self.watermark.max(self.held).max(self.held_by(self.enough))
    }

    /// The ISR is about to change, or the log of a replica about to be cut.
    pub(crate) fn note_held(&mut self) {
        if self.members().len() >= self.min_insync(self.state.leader_epoch) {
            self.held = self.held.max(self.held_by_members());
        }
    }

    /// A new state was committed.
    pub(crate) fn commit(&mut self, state: PartitionState) {
        self.note_held();
        self.before = self.state;
        self.state = state;
        if self.members().len() >= self.min_insync(state.leader_epoch) {
            self.enough = self.members();
        }
        if state.isr.len() >= self.min_insync(state.leader_epoch) {
            self.refuses_in = None;
        }
    }

    /// A leader was elected with this ISR.
    pub(crate) fn elected_with(&mut self, isr: ReplicaSet, epoch: LeaderEpoch) {
        self.refuses_in = (isr.len() < self.min_insync(epoch)).then_some(epoch);
    }

    /// The state before an election, whichever of the two facts about it came first. An epoch by
    /// itself does not tell: a wrong rule may elect without a new one.
    pub(crate) fn before_election(&self, leader: BrokerId, epoch: LeaderEpoch) -> PartitionState {
        if (self.state.leader, self.state.leader_epoch) == (Some(leader), epoch) {
            self.before
        } else {
            self.state
        }
    }

    fn configure(&mut self, config: TopicConfig) {
        if config.min_insync_replicas != self.config.min_insync_replicas {
            // A leader replays the metadata log in order, so one elected later knows the change.
            self.min_insync_low = self
                .min_insync_low
                .min(self.config.min_insync_replicas)
                .min(config.min_insync_replicas);
            self.min_insync_from = self.state.leader_epoch.next();
        }
        self.config = config;
    }
}

/// A partition that was created, and its replicas as far as they were told.
#[derive(Clone, Debug)]
struct Arriving {
    partition: PartitionId,
    topic: TopicId,
    replicas: usize,
    placed: Vec<BrokerId>,
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Ghosts {
    pub(crate) partitions: Vec<PartitionGhost>,
    brokers: Vec<BrokerGhost>,
    cluster_config: Vec<(TopicKey, i64)>,
    overrides: Vec<Vec<(TopicKey, i64)>>,
    /// A partition whose replicas are being told of.
    arriving: Option<Arriving>,
    /// How many replicas there are in all.
    hosted: usize,
    /// When everything was healed.
    pub(crate) healed: Option<Time>,
    /// An operator asked for an unclean election at some time.
    pub(crate) unclean_asked: bool,
    /// Wall clocks were moved by a fault.
    pub(crate) clocks_skewed: bool,
}

impl Ghosts {
    pub(crate) fn new(plan: &Plan) -> Self {
        let brokers = plan
            .brokers
            .iter()
            .map(|b| BrokerGhost {
                up: true,
                paused: false,
                fenced: false,
                shutting_down: false,
                leaving: false,
                disk_failed: false,
                wiped: false,
                disturbed: Time::NEVER,
                unclean_at: None,
                registered: true,
                returning: false,
                starts: 0,
                displaced: false,
                lag_max: b.config.replica_lag_time_max,
                patience: patience(b.config.replica_lag_time_max),
            })
            .collect();
        Self {
            partitions: Vec::new(),
            arriving: None,
            hosted: 0,
            brokers,
            cluster_config: plan.cluster_topic_config.clone(),
            overrides: plan.topics.iter().map(|t| t.overrides.clone()).collect(),
            healed: None,
            unclean_asked: false,
            clocks_skewed: false,
        }
    }

    pub(crate) fn partition(&mut self, partition: PartitionId) -> Option<&mut PartitionGhost> {
        self.partitions.get_mut(partition.index())
    }

    /// A broker; one that the plan does not know is taken for fenced.
    pub(crate) fn broker(&self, broker: BrokerId) -> BrokerGhost {
        const UNKNOWN: BrokerGhost = BrokerGhost {
            up: false,
            paused: false,
            fenced: true,
            shutting_down: false,
            leaving: false,
            disk_failed: false,
            wiped: false,
            disturbed: Time::NEVER,
            unclean_at: None,
            registered: false,
            returning: false,
            starts: 0,
            displaced: false,
            lag_max: Span::FOREVER,
            patience: Span::FOREVER,
        };
        let place = usize::from(broker.0).checked_sub(1);
        place.and_then(|i| self.brokers.get(i)).copied().unwrap_or(UNKNOWN)
    }

    /// How long a broker surely takes a follower for caught up.
    pub(crate) fn patience(&self, broker: BrokerId) -> Span {
        let place = usize::from(broker.0).wrapping_sub(1);
        self.brokers.get(place).map_or(Span::FOREVER, |b| b.patience)
    }

    pub(crate) fn change_broker(
        &mut self,
        broker: BrokerId,
        change: impl FnOnce(&mut BrokerGhost),
    ) {
        let place = usize::from(broker.0).checked_sub(1);
        if let Some(ghost) = place.and_then(|i| self.brokers.get_mut(i)) {
            change(ghost);
        }
    }

    /// Which replicas of a partition are on brokers that the controller takes for alive.
    pub(crate) fn alive(&self, partition: PartitionId) -> ReplicaSet {
        let Some(ghost) = self.partitions.get(partition.index()) else { return ReplicaSet::EMPTY };
        let active = |place: &usize| self.broker(ghost.replicas[*place]).is_active();
        (0..ghost.replicas.len()).filter(active).fold(ReplicaSet::EMPTY, ReplicaSet::with)
    }

    /// How many brokers the controller does not take for alive, and could.
    pub(crate) fn inactive_brokers(&self) -> usize {
        self.brokers.iter().filter(|b| !b.is_active() && !b.displaced).count()
    }

    pub(crate) const fn broker_count(&self) -> usize {
        self.brokers.len()
    }

    /// A partition was created: its replicas follow.
    pub(crate) fn expect(&mut self, partition: PartitionId, topic: TopicId, replicas: usize) {
        self.arriving = Some(Arriving { partition, topic, replicas, placed: Vec::new() });
    }

    /// A replica of the partition created last is on this broker. True if it is the last one: the
    /// partition exists from now on.
    pub(crate) fn place(&mut self, partition: PartitionId, broker: BrokerId) -> bool {
        let Some(arriving) = &mut self.arriving else { return false };
        arriving.placed.push(broker);
        let complete = arriving.placed.len() == arriving.replicas;
        if !complete || arriving.partition != partition {
            return false;
        }
        let Some(Arriving { topic, placed, .. }) = self.arriving.take() else { return false };
        let config = self.config_of(topic);
        for id in self.partitions.len()..=partition.index() {
            self.add_partition(PartitionId(id as u16), topic, &[], config);
        }
        self.add_partition(partition, topic, &placed, config);
        self.partitions[partition.index()].is_new = true;
        true
    }

    /// There is a partition of this id, with these replicas; if they are none, only the id.
    pub(crate) fn add_partition(
        &mut self,
        id: PartitionId,
        topic: TopicId,
        replicas: &[BrokerId],
        config: TopicConfig,
    ) {
        let ghost = PartitionGhost::new(id, topic, self.hosted, replicas, config);
        self.hosted += replicas.len();
        match self.partitions.get_mut(id.index()) {
            Some(known) => *known = ghost,
            None => self.partitions.push(ghost),
        }
    }

    /// The partitions that have been created.
    pub(crate) fn existing(&self) -> impl Iterator<Item = &PartitionGhost> {
        self.partitions.iter().filter(|ghost| ghost.exists())
    }

    /// A topic's configuration: cluster defaults with its own properties over them.
    fn config_of(&self, topic: TopicId) -> TopicConfig {
        let own = self.overrides.get(topic.index()).map_or(&[][..], Vec::as_slice);
        let mut config = TopicConfig::default();
        for (key, value) in self.cluster_config.iter().chain(own) {
            config.set(*key, *value);
        }
        config
    }

    /// A topic property was committed; `None` takes it away.
    pub(crate) fn configure(&mut self, topic: Option<TopicId>, key: TopicKey, value: Option<i64>) {
        let list = match topic {
            Some(topic) => {
                let topics = self.overrides.len().max(topic.index() + 1);
                self.overrides.resize_with(topics, Vec::new);
                &mut self.overrides[topic.index()]
            }
            None => &mut self.cluster_config,
        };
        let old = list.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
        if old == value {
            return;
        }
        list.retain(|(k, _)| *k != key);
        list.extend(value.map(|v| (key, v)));
        for place in 0..self.partitions.len() {
            let own = self.partitions[place].topic;
            if topic.is_none_or(|topic| topic == own) {
                let config = self.config_of(own);
                self.partitions[place].configure(config);
            }
        }
    }
}
