//! The story of a violation: one record, from its submission to where it should be and is not.
//!
//! Works for any property that names a partition, and best for those about a record: it follows
//! which replicas hold the record at its offset, and says why each of them ceased to.

mod sentences;

use std::collections::BTreeMap;

use crate::base::ids::{BrokerId, NodeId, Offset, ReplicaSet};
use crate::base::time::Time;
use crate::model::config::Acks;
use crate::model::fact::{Fact, Stamp, StopKind};
use crate::model::metadata::PartitionState;
use crate::report::partition_history::ElectionKind;
use crate::report::story::subject::Subject;
use crate::report::story::{Focus, PartitionCourse, Told, at, brokers, hosts};
use crate::report::trace::{Legend, acks_name};

/// The rank of a moment that another one tells as well.
const TOLD_BY_OTHERS: u8 = 9;

/// One step of the tale.
struct Moment {
    /// Higher ranks are left out first when there are too many.
    rank: u8,
    text: String,
    /// Whose stop it tells.
    stop_of: Option<BrokerId>,
}

/// A broker's stop, and what went with it.
struct Stop {
    broker: BrokerId,
    stamp: Stamp,
    /// Whether it held the record.
    had: bool,
    /// Whether it led.
    led: bool,
    /// Whether its process had stopped before.
    was_down: bool,
    how: Option<StopKind>,
    /// The tail that was lost with the record in it: from the first offset to the second.
    tail: Option<(Offset, Offset)>,
    /// Which moment tells it.
    moment: Option<usize>,
}

/// Why a broker does not answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absence {
    /// A controlled shutdown began.
    Leaving,
    /// Its process is frozen since then.
    Frozen(Time),
    /// It stopped and has not started again.
    Down,
}

/// An event in which the controller changed who may lead.
struct Turn {
    seq: u64,
    before: PartitionState,
    /// How many moments had been told before it.
    moments: usize,
}

struct Teller<'a> {
    legend: Legend<'a>,
    subject: Subject,
    course: PartitionCourse,
    /// Replicas that hold the record at its offset.
    holders: ReplicaSet,
    appended: bool,
    acked: bool,
    /// When the leader was elected who led when the record was appended.
    elected: Option<Time>,
    /// The moment that tells when it was committed.
    committed: Option<usize>,
    /// Brokers whose watermark has passed the record, as far as was told.
    exposed: Vec<BrokerId>,
    /// Brokers with a replica that are not there, and how it is with them.
    absent: BTreeMap<BrokerId, Absence>,
    /// The latest event that changed who may lead: the state before it, and the moments before it.
    turn: Option<Turn>,
    /// The latest stop, which one or two facts tell.
    stop: Option<Stop>,
    moments: Vec<Moment>,
    told: Told,
}

/// Tells a violation from the facts up to it.
pub(super) fn tell(facts: &[(Stamp, Fact)], legend: Legend<'_>, focus: &Focus) -> Told {
    let Some(subject) = Subject::resolve(facts, focus) else {
        return without_place(facts, focus);
    };
    let replicas = legend.replicas.get(subject.partition.index()).map_or(&[][..], Vec::as_slice);
    let mut teller = Teller {
        legend,
        subject,
        course: PartitionCourse::new(replicas),
        holders: ReplicaSet::EMPTY,
        appended: false,
        acked: false,
        elected: None,
        committed: None,
        exposed: Vec::new(),
        absent: BTreeMap::new(),
        turn: None,
        stop: None,
        moments: Vec::new(),
        told: Told::default(),
    };
    for (place, (stamp, fact)) in facts.iter().enumerate() {
        teller.hear(place, *stamp, fact);
    }
    teller.conclude(focus)
}

/// A violation that is not about a partition: faults, and what brokers were told.
fn without_place(facts: &[(Stamp, Fact)], focus: &Focus) -> Told {
    let mut told = Told::default();
    for (place, (_, fact)) in facts.iter().enumerate() {
        match fact {
            Fact::Injected { .. } | Fact::Healed { .. } | Fact::Stopped { .. } => {
                told.pick(place, 1);
            }
            Fact::BrokerFenced { .. }
            | Fact::BrokerRegistered { .. }
            | Fact::Started { .. }
            | Fact::SessionExpired { .. } => told.pick(place, 2),
            _ => {}
        }
    }
    told.sentences.push(format!("{}: {}.", focus.property, focus.text));
    told
}

impl Teller<'_> {
    fn hear(&mut self, place: usize, stamp: Stamp, fact: &Fact) {
        let here = fact.partition() == Some(self.subject.partition);
        if here && matches!(fact, Fact::Elected { .. } | Fact::IsrCommitted { .. }) {
            self.turn(stamp);
        }
        match *fact {
            Fact::Stopped { node, how, .. } => self.hear_stop(place, stamp, node, how),
            Fact::Injected { node, .. } | Fact::Healed { node, .. }
                if node.is_none_or(|node| self.concerns(node)) =>
            {
                self.pick(place, 1);
            }
            Fact::Started { node } | Fact::Paused { node } | Fact::Resumed { node }
                if self.concerns(node) =>
            {
                self.pick(place, 1);
                if let NodeId::Broker(broker) = node {
                    self.hear_presence(stamp.time, broker, fact);
                }
            }
            Fact::BrokerFenced { broker }
            | Fact::BrokerUnfenced { broker }
            | Fact::BrokerRegistered { broker, .. }
            | Fact::BrokerShuttingDown { broker }
            | Fact::SessionExpired { broker }
            | Fact::DiskFailed { broker, .. }
                if self.legend.hosts(broker, self.subject.partition) =>
            {
                self.pick(place, 2);
                self.hear_of_broker(stamp, broker, fact);
            }
            Fact::ConfigCommitted { .. } | Fact::AllHealed => self.pick(place, 3),
            _ if here => self.hear_here(place, stamp, fact),
            _ => {}
        }
        if here {
            self.course.observe(fact);
        }
    }

    /// Keeps the state before the first change of an event.
    fn turn(&mut self, stamp: Stamp) {
        if self.turn.as_ref().is_none_or(|turn| turn.seq != stamp.seq) {
            let before = self.course.committed.state;
            self.turn = Some(Turn { seq: stamp.seq, before, moments: self.moments.len() });
        }
    }

    /// What the controller learns of a broker.
    fn hear_of_broker(&mut self, stamp: Stamp, broker: BrokerId, fact: &Fact) {
        match fact {
            Fact::SessionExpired { .. } => self.hear_expiry(stamp.time, broker),
            Fact::BrokerShuttingDown { .. } => {
                self.absent.entry(broker).or_insert(Absence::Leaving);
                self.hear_leaving(stamp, broker);
            }
            Fact::BrokerRegistered { unclean: true, .. } => self.hear_unclean(stamp, broker),
            _ => {}
        }
    }

    fn hear_presence(&mut self, time: Time, broker: BrokerId, fact: &Fact) {
        match fact {
            Fact::Started { .. } => {
                self.absent.remove(&broker);
            }
            Fact::Paused { .. } => {
                self.absent.entry(broker).or_insert(Absence::Frozen(time));
            }
            _ if matches!(self.absent.get(&broker), Some(Absence::Frozen(_))) => {
                self.absent.remove(&broker);
            }
            _ => {}
        }
    }

    /// The controller moves the leadership before the broker stops; it may do so in this event.
    fn hear_leaving(&mut self, stamp: Stamp, broker: BrokerId) {
        let turn = self.turn.as_ref().filter(|turn| turn.seq == stamp.seq);
        let state = turn.map_or(self.course.committed.state, |turn| turn.before);
        if self.appended && state.leader == Some(broker) {
            let text = format!("{broker}, the leader, began to shut down {}.", at(stamp.time));
            self.say_before(stamp, text);
        }
    }

    /// Says what caused the turn of this event before the turn.
    fn say_before(&mut self, stamp: Stamp, text: String) {
        let moment = Moment { rank: 1, text, stop_of: None };
        match &mut self.turn {
            Some(turn) if turn.seq == stamp.seq => {
                self.moments.insert(turn.moments, moment);
                turn.moments += 1;
            }
            _ => self.moments.push(moment),
        }
    }

    /// With eligible leader replicas, an unclean stop costs a broker its place in ISR and ELR;
    /// without them it keeps it, whatever its disk has lost. The election that may follow lies in
    /// the same event.
    fn hear_unclean(&mut self, stamp: Stamp, broker: BrokerId) {
        let Some(replica) = self.course.place(broker).filter(|_| self.appended) else { return };
        let now = self.course.committed.state;
        let turn = self.turn.as_ref().filter(|turn| turn.seq == stamp.seq);
        let old = turn.map_or(now, |turn| turn.before);
        let counted = |state: PartitionState| state.isr.has(replica) || state.elr.has(replica);
        if !counted(old) {
            return;
        }
        let left = old.isr.union(old.elr).without(replica);
        let rest = match (counted(now), left.len()) {
            (true, _) => "kept its place among those who may lead".to_owned(),
            (false, 0) => "could lead no longer; nobody else was left".to_owned(),
            (false, _) => {
                let left = brokers(self.legend.members(self.subject.partition, left));
                format!("could lead no longer; {left} could")
            }
        };
        // What made it unclean is never left out.
        if let Some(stop) = self.moments.iter_mut().rfind(|m| m.stop_of == Some(broker)) {
            stop.rank = 0;
        }
        let text =
            format!("{broker} registered {} after an unclean stop and {rest}.", at(stamp.time));
        self.say_before(stamp, text);
    }

    /// A leader that nobody stopped loses its place when the controller no longer hears of it.
    fn hear_expiry(&mut self, time: Time, broker: BrokerId) {
        let leads = self.course.committed.state.leader == Some(broker);
        let why = match self.absent.get(&broker) {
            Some(Absence::Down) => return,
            Some(Absence::Frozen(since)) => format!(" (frozen since {since} s)"),
            Some(Absence::Leaving) | None => String::new(),
        };
        if leads && self.appended {
            let text = format!(
                "The controller had not heard of {broker}, the leader{why}, for too long {}.",
                at(time)
            );
            self.say(1, text);
        }
    }

    /// Facts about the partition. The course is still the one before the fact.
    fn hear_here(&mut self, place: usize, stamp: Stamp, fact: &Fact) {
        match *fact {
            Fact::Submitted { record, .. } if self.subject.is_among(record, 1) => {
                self.pick(place, 0);
            }
            Fact::Appended { .. } => self.hear_append(place, stamp, fact),
            Fact::Truncated { .. } | Fact::TailLost { .. } => self.hear_cut(place, stamp, fact),
            Fact::Acked { first, count, acks, .. } if self.subject.is_among(first, count) => {
                self.hear_ack(place, stamp.time, acks);
            }
            Fact::WatermarkExposed { broker, offset, .. }
            | Fact::HighWatermarkMoved { broker, to: offset, .. } => {
                self.hear_watermark(place, stamp.time, broker, offset);
            }
            Fact::Elected { .. } => self.hear_election(place, stamp.time, fact),
            Fact::IsrCommitted { state, .. } => {
                let old = self.course.committed.state;
                // An election has its own line.
                let moved = old.isr != state.isr || old.elr != state.elr;
                if moved && old.leader_epoch == state.leader_epoch {
                    self.pick(place, 1);
                    self.hear_isr(stamp.time, state);
                }
            }
            Fact::BecameLeader { .. } | Fact::BecameFollower { .. } => self.pick(place, 2),
            Fact::PositionAnswered { .. } | Fact::PositionSet { .. } | Fact::IsrProposed { .. } => {
                self.pick(place, 3);
            }
            Fact::Consumed { first, count, .. }
            | Fact::Rejected { first, count, .. }
            | Fact::GaveUp { first, count, .. }
            | Fact::Retried { first, count, .. }
                if self.subject.is_among(first, count) =>
            {
                self.pick(place, 2);
            }
            Fact::Deduplicated { first, .. } if self.subject.is_among(first, 1) => {
                self.pick(place, 2);
            }
            _ => {}
        }
    }

    fn hear_append(&mut self, place: usize, stamp: Stamp, fact: &Fact) {
        let Fact::Appended { broker, base, count, leader_epoch, records, .. } = *fact else {
            return;
        };
        let Some(replica) = self.course.place(broker) else { return };
        let end = base + u64::from(count);
        if records.workload().is_some_and(|first| self.subject.is_among(first, count)) {
            let leads = self.course.leads(broker, leader_epoch);
            let role = if leads { "leader" } else { "follower" };
            self.told.notes.insert(place, role.to_owned());
            self.pick(place, 0);
            self.holders = self.holders.with(replica);
            if !self.appended {
                self.appended = true;
                let text = self.appended_text(stamp.time, broker, leader_epoch, leads);
                self.say(0, text);
            }
        } else if self.subject.covers(base, end) && !self.holders.has(replica) && self.appended {
            self.pick(place, 1);
            self.told.notes.insert(place, "another record at this offset".to_owned());
        }
    }

    fn hear_ack(&mut self, place: usize, time: Time, acks: Acks) {
        let partition = self.subject.partition;
        let on = self.legend.set(partition, self.holders);
        self.told.notes.insert(place, format!("on disks of {on}"));
        self.pick(place, 0);
        if self.acked {
            return;
        }
        self.acked = true;
        // That it was committed goes without saying, or does not matter.
        if let Some(moment) = self.committed.take() {
            self.moments[moment].rank = TOLD_BY_OTHERS;
        }
        let text =
            format!("It was acknowledged {} ({}) {}.", at(time), acks_name(acks), self.when());
        self.say(0, text);
    }

    fn hear_watermark(&mut self, place: usize, time: Time, broker: BrokerId, offset: Offset) {
        let passed = self.subject.offset.is_some_and(|subject| offset > subject);
        if passed && self.appended && !self.exposed.contains(&broker) {
            if self.exposed.is_empty() && !self.acked {
                self.committed = Some(self.moments.len());
                self.say(1, format!("It was committed {} {}.", at(time), self.when()));
            }
            self.exposed.push(broker);
            self.pick(place, 1);
        }
    }

    /// From the moment when only one replica is in sync, what it loses is lost.
    fn hear_isr(&mut self, time: Time, state: PartitionState) {
        let shrank = self.course.committed.state.isr.len() > state.isr.len();
        if self.appended && shrank && state.isr.len() == 1 {
            let partition = self.subject.partition;
            let who = brokers(self.legend.members(partition, state.isr));
            let elr = self.eligible(state);
            self.say(2, format!("From {time} s on only {who} was in sync{elr}."));
        }
    }

    fn hear_stop(&mut self, place: usize, stamp: Stamp, node: NodeId, how: StopKind) {
        if !self.concerns(node) {
            return;
        }
        self.pick(place, u8::from(!self.appended));
        let NodeId::Broker(broker) = node else { return };
        if self.appended {
            let stop = self.stop(broker, stamp);
            stop.how = Some(how);
            self.say_stop();
        }
        self.absent.insert(broker, Absence::Down);
    }

    fn hear_cut(&mut self, place: usize, stamp: Stamp, fact: &Fact) {
        let (Fact::Truncated { broker, from, to, .. } | Fact::TailLost { broker, from, to, .. }) =
            *fact
        else {
            return;
        };
        let covers = self.subject.covers(to, from);
        self.pick(place, if covers { 0 } else { 1 });
        let replica = self.course.place(broker).filter(|place| self.holders.has(*place));
        let Some(replica) = replica.filter(|_| covers) else { return };
        self.told.notes.insert(place, "the record with it".to_owned());
        if matches!(fact, Fact::TailLost { .. }) {
            // How it stopped may be said by a fact before or after this one.
            let stop = self.stop(broker, stamp);
            stop.tail = Some((to, from));
            self.say_stop();
        } else {
            let text = self.cut_text(broker, from, to, stamp.time);
            self.say(0, text);
        }
        self.holders = self.holders.without(replica);
    }

    /// The stop of this broker in this event: the one being told, or a new one.
    fn stop(&mut self, broker: BrokerId, stamp: Stamp) -> &mut Stop {
        let told = self.stop.take();
        let stop = told.filter(|s| s.broker == broker && s.stamp.seq == stamp.seq);
        let place = self.course.place(broker);
        let had = place.is_some_and(|place| self.holders.has(place));
        let led = self.course.committed.state.leader == Some(broker);
        let was_down = self.absent.get(&broker) == Some(&Absence::Down);
        let moment = None;
        self.stop.insert(stop.unwrap_or(Stop {
            broker,
            stamp,
            had,
            led,
            was_down,
            how: None,
            tail: None,
            moment,
        }))
    }

    fn hear_election(&mut self, place: usize, time: Time, fact: &Fact) {
        let Fact::Elected { leader, leader_epoch, isr, elr, unclean, .. } = *fact else { return };
        self.pick(place, u8::from(!self.appended));
        let replicas = &self.course.replicas;
        let kind = self.course.committed.kind(replicas, leader, leader_epoch, unclean);
        let name = self.legend.names.partition(self.subject.partition);
        let Some(leader) = leader else {
            self.told.notes.insert(place, "nobody is eligible".to_owned());
            if self.appended {
                let elr = self.eligible(PartitionState { elr, ..self.course.committed.state });
                self.say(1, format!("From {time} s on nobody could lead {name}{elr}."));
            }
            return;
        };
        let end = self.course.end(leader);
        self.told.notes.insert(place, format!("ends at {end}"));
        if !self.appended || kind == ElectionKind::Again {
            self.elected = Some(time);
            return;
        }
        let has = self.course.place(leader).is_some_and(|replica| self.holders.has(replica));
        let has = if has { "with the record" } else { "without the record" };
        let rank = if kind == ElectionKind::Clean { 1 } else { 0 };
        let alone = match (kind, isr.len()) {
            (ElectionKind::Clean | ElectionKind::Eligible, 1) => ", now alone in sync",
            _ => "",
        };
        let down = match self.absent.get(&leader) {
            Some(Absence::Down) => ", though it was down",
            _ => "",
        };
        let text = format!(
            "{leader} was elected {} (epoch {}), {}{alone}{down}; its log ended at {end}, {has}.",
            at(time),
            leader_epoch.0,
            kind.words()
        );
        self.say(rank, text);
    }

    /// Picks a line; what came before the record was appended matters less.
    fn pick(&mut self, place: usize, rank: u8) {
        let later = rank > 0 && !self.appended;
        self.told.pick(place, rank + u8::from(later));
    }

    fn say(&mut self, rank: u8, text: String) {
        self.moments.push(Moment { rank, text, stop_of: None });
    }

    /// Whether what happens to this node may matter to the record.
    fn concerns(&self, node: NodeId) -> bool {
        let producer = self.subject.record.map(|record| NodeId::Process(record.process));
        hosts(self.legend, node, self.subject.partition)
            || matches!(node, NodeId::Controller(_))
            || producer == Some(node)
    }
}
