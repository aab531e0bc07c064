//! The story of a violation: one record, from its submission to where it should be and is not.
//!
//! Works for any property that names a partition, and best for those about a record: it follows
//! which replicas hold the record at its offset, and says why each of them ceased to.

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, Offset, ReplicaSet};
use crate::base::time::Time;
use crate::model::config::Acks;
use crate::model::fact::{Fact, Stamp, StopKind};
use crate::report::committed::ElectionKind;
use crate::report::story::subject::Subject;
use crate::report::story::{Focus, Ledger, MOST_SENTENCES, Told, at, brokers, hosts, stopped_verb};
use crate::report::trace::{Cast, acks_name, records};

/// One step of the tale.
struct Moment {
    /// Higher ranks are left out first when there are too many.
    rank: u8,
    text: String,
}

/// A broker's stop, and what went with it.
struct Stop {
    broker: BrokerId,
    stamp: Stamp,
    /// Whether it held the record.
    had: bool,
    /// Whether it led.
    led: bool,
    how: Option<StopKind>,
    /// The tail that was lost with the record in it: from the first offset to the second.
    tail: Option<(Offset, Offset)>,
    /// Which moment tells it.
    moment: Option<usize>,
}

struct Teller<'a> {
    cast: Cast<'a>,
    subject: Subject,
    ledger: Ledger,
    /// Replicas that hold the record at its offset.
    holders: ReplicaSet,
    appended: bool,
    acked: bool,
    /// Brokers whose watermark has passed the record, as far as was told.
    exposed: Vec<BrokerId>,
    /// Brokers with a replica that have stopped and not started again.
    down: Vec<BrokerId>,
    /// The latest stop, which one or two facts tell.
    stop: Option<Stop>,
    moments: Vec<Moment>,
    told: Told,
}

/// Tells a violation from the facts up to it.
pub(super) fn tell(facts: &[(Stamp, Fact)], cast: Cast<'_>, focus: &Focus) -> Told {
    let Some(subject) = Subject::resolve(facts, focus) else {
        return without_place(facts, focus);
    };
    let replicas = cast.replicas.get(subject.partition.index()).map_or(&[][..], Vec::as_slice);
    let mut teller = Teller {
        cast,
        subject,
        ledger: Ledger::new(replicas),
        holders: ReplicaSet::EMPTY,
        appended: false,
        acked: false,
        exposed: Vec::new(),
        down: Vec::new(),
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
                if let (NodeId::Broker(broker), Fact::Started { .. }) = (node, fact) {
                    self.down.retain(|other| *other != broker);
                }
            }
            Fact::BrokerFenced { broker }
            | Fact::BrokerUnfenced { broker }
            | Fact::BrokerRegistered { broker, .. }
            | Fact::BrokerShuttingDown { broker }
            | Fact::SessionExpired { broker }
            | Fact::DiskFailed { broker, .. }
                if self.cast.hosts(broker, self.subject.partition) =>
            {
                self.pick(place, 2);
                if let Fact::SessionExpired { .. } = fact {
                    self.hear_expiry(stamp.time, broker);
                }
            }
            Fact::ConfigCommitted { .. } | Fact::AllHealed => self.pick(place, 3),
            _ if here => self.hear_here(place, stamp, fact),
            _ => {}
        }
        if here {
            self.ledger.observe(fact);
        }
    }

    /// A leader that nobody stopped loses its place when the controller no longer hears of it.
    fn hear_expiry(&mut self, time: Time, broker: BrokerId) {
        let leads = self.ledger.committed.state.leader == Some(broker);
        if leads && self.appended && !self.down.contains(&broker) {
            let text = format!(
                "The controller had not heard of {broker}, the leader, for too long {}.",
                at(time)
            );
            self.say(1, text);
        }
    }

    /// Facts about the partition. The ledger is still the one before the fact.
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
                self.hear_watermark(place, broker, offset);
            }
            Fact::Elected { leader, leader_epoch, unclean, .. } => {
                self.hear_election(place, stamp.time, leader, leader_epoch, unclean);
            }
            Fact::IsrCommitted { state, .. } => {
                let old = self.ledger.committed.state;
                // An election has its own line.
                let moved = old.isr != state.isr || old.elr != state.elr;
                if moved && old.leader_epoch == state.leader_epoch {
                    self.pick(place, 1);
                }
            }
            Fact::BecameLeader { .. } | Fact::BecameFollower { .. } => self.pick(place, 2),
            Fact::PositionSet { .. } | Fact::IsrProposed { .. } => self.pick(place, 3),
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
        let Fact::Appended { broker, base, count, leader_epoch, first, .. } = *fact else { return };
        let Some(replica) = self.ledger.place(broker) else { return };
        let end = base + u64::from(count);
        if self.subject.is_among(first, count) {
            let leads = self.ledger.leads(broker, leader_epoch);
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

    fn appended_text(
        &self,
        time: Time,
        broker: BrokerId,
        epoch: LeaderEpoch,
        leads: bool,
    ) -> String {
        let record = self.record();
        let place = self.place_name();
        let role = if leads { "leader" } else { "a follower" };
        format!(
            "{record} was appended on {broker}, {role} in epoch {}, at {place}, {}.",
            epoch.0,
            at(time)
        )
    }

    fn hear_ack(&mut self, place: usize, time: Time, acks: Acks) {
        let partition = self.subject.partition;
        let on = self.cast.set(partition, self.holders);
        self.told.notes.insert(place, format!("on disks of {on}"));
        self.pick(place, 0);
        if self.acked {
            return;
        }
        self.acked = true;
        let had = match self.holders.len() {
            0 => "no replica had it yet".to_owned(),
            1 => format!("only {} had it", brokers(self.cast.members(partition, self.holders))),
            _ => format!("{} had it", brokers(self.cast.members(partition, self.holders))),
        };
        let isr = self.cast.set(partition, self.ledger.committed.state.isr);
        let down = match self.down.as_slice() {
            [] => String::new(),
            [one] => format!(" ({one} was down)"),
            some => format!(" ({} were down)", brokers(some.iter().copied())),
        };
        let acks = acks_name(acks);
        let text =
            format!("It was acknowledged {} ({acks}) when {had}; ISR {isr}{down}.", at(time));
        self.say(0, text);
    }

    fn hear_watermark(&mut self, place: usize, broker: BrokerId, offset: Offset) {
        let passed = self.subject.offset.is_some_and(|subject| offset > subject);
        if passed && self.appended && !self.exposed.contains(&broker) {
            self.exposed.push(broker);
            self.pick(place, 1);
        }
    }

    fn hear_stop(&mut self, place: usize, stamp: Stamp, node: NodeId, how: StopKind) {
        if !self.concerns(node) {
            return;
        }
        self.pick(place, u8::from(!self.appended));
        let NodeId::Broker(broker) = node else { return };
        self.down.push(broker);
        if self.appended {
            let stop = self.stop(broker, stamp);
            stop.how = Some(how);
            self.say_stop();
        }
    }

    fn hear_cut(&mut self, place: usize, stamp: Stamp, fact: &Fact) {
        let (Fact::Truncated { broker, from, to, .. } | Fact::TailLost { broker, from, to, .. }) =
            *fact
        else {
            return;
        };
        let covers = self.subject.covers(to, from);
        self.pick(place, if covers { 0 } else { 1 });
        let replica = self.ledger.place(broker).filter(|place| self.holders.has(*place));
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

    fn cut_text(&self, broker: BrokerId, from: Offset, to: Offset, time: Time) -> String {
        let state = self.ledger.committed.state;
        let whom = state.leader.filter(|leader| *leader != broker);
        let whom = whom.map_or_else(String::new, |leader| {
            format!(", to follow {leader}, leader of epoch {},", state.leader_epoch.0)
        });
        format!("{broker}{whom} cut its log from {from} to {to} {}, the record included.", at(time))
    }

    /// The stop of this broker in this event: the one being told, or a new one.
    fn stop(&mut self, broker: BrokerId, stamp: Stamp) -> &mut Stop {
        let told = self.stop.take();
        let stop = told.filter(|s| s.broker == broker && s.stamp.seq == stamp.seq);
        let place = self.ledger.place(broker);
        let had = place.is_some_and(|place| self.holders.has(place));
        let led = self.ledger.committed.state.leader == Some(broker);
        let moment = None;
        self.stop.insert(stop.unwrap_or(Stop {
            broker,
            stamp,
            had,
            led,
            how: None,
            tail: None,
            moment,
        }))
    }

    /// Says the present stop, or says it again now that more is known.
    fn say_stop(&mut self) {
        let Some(stop) = &self.stop else { return };
        let role = if stop.led { ", the leader," } else { "" };
        let verb = stop.how.map_or("stopped", stopped_verb);
        let rest = match stop.tail {
            Some((to, from)) => {
                format!(", and its log from offset {to} to {from} is gone, the record included")
            }
            None if stop.had => " with the record on its disk".to_owned(),
            None => String::new(),
        };
        let text = format!("{}{role} {verb} {}{rest}.", stop.broker, at(stop.stamp.time));
        let rank = match stop.tail {
            Some(_) => 0,
            None if stop.had || stop.led => 2,
            None => 3,
        };
        let moment = Moment { rank, text };
        match stop.moment {
            Some(place) => self.moments[place] = moment,
            None => {
                let place = self.moments.len();
                self.moments.push(moment);
                if let Some(stop) = &mut self.stop {
                    stop.moment = Some(place);
                }
            }
        }
    }

    fn hear_election(
        &mut self,
        place: usize,
        time: Time,
        leader: Option<BrokerId>,
        leader_epoch: LeaderEpoch,
        unclean: bool,
    ) {
        self.pick(place, u8::from(!self.appended));
        let replicas = &self.ledger.replicas;
        let kind = self.ledger.committed.kind(replicas, leader, leader_epoch, unclean);
        let name = self.cast.names.partition(self.subject.partition);
        let Some(leader) = leader else {
            self.told.notes.insert(place, "nobody is eligible".to_owned());
            if self.appended {
                self.say(2, format!("From {time} s on nobody could lead {name}."));
            }
            return;
        };
        let end = self.ledger.end(leader);
        self.told.notes.insert(place, format!("ends at {end}"));
        if !self.appended || kind == ElectionKind::Again {
            return;
        }
        let has = self.ledger.place(leader).is_some_and(|replica| self.holders.has(replica));
        let has = if has { "with the record" } else { "without the record" };
        let rank = if kind == ElectionKind::Clean { 1 } else { 0 };
        let text = format!(
            "{leader} was elected {} (epoch {}), {}; its log ended at {end}, {has}.",
            at(time),
            leader_epoch.0,
            kind.words()
        );
        self.say(rank, text);
    }

    fn conclude(mut self, focus: &Focus) -> Told {
        let last = self.conclusion(focus);
        // The first sentences of the lowest ranks stay; their order is that of time.
        while self.moments.len() >= MOST_SENTENCES {
            let most = self.moments.iter().map(|moment| moment.rank).max().unwrap_or(0);
            let place = match most {
                // All are equal: the beginning and the end say more than the middle.
                0 => self.moments.len() / 2,
                _ => self.moments.iter().position(|m| m.rank == most).unwrap_or(0),
            };
            self.moments.remove(place);
        }
        self.told.sentences = self.moments.into_iter().map(|moment| moment.text).collect();
        self.told.sentences.push(last);
        self.told
    }

    fn conclusion(&self, focus: &Focus) -> String {
        let leader = self.ledger.leaders.last_key_value().map(|(epoch, leader)| (*leader, *epoch));
        let is_loss = matches!(
            focus.property.as_str(),
            "acked-lost" | "committed-lost" | "leader-incomplete" | "candidate-incomplete"
        );
        let (Some((leader, epoch)), true, true) = (leader, self.appended, is_loss) else {
            return format!("{} {}: {}.", focus.property, at(focus.at.time), focus.text);
        };
        let leader_has = self.ledger.place(leader).is_some_and(|place| self.holders.has(place));
        if leader_has {
            return format!("{} {}: {}.", focus.property, at(focus.at.time), focus.text);
        }
        let end = self.ledger.end(leader);
        let place = self.place_name();
        let head = match self.subject.offset {
            Some(offset) if end <= offset => {
                format!("{leader} leads epoch {} and ends at {end}", epoch.0)
            }
            _ => format!("{leader} leads epoch {} and has another record at {place}", epoch.0),
        };
        let rest = if self.holders.is_empty() {
            "no disk holds the record any more".to_owned()
        } else {
            let who = brokers(self.cast.members(self.subject.partition, self.holders));
            let have = if self.holders.len() == 1 { "has" } else { "have" };
            format!("only {who} {have} it on disk and will have to cut it to follow")
        };
        format!("So the record is gone ({}): {head}; {rest}.", focus.property)
    }

    /// Picks a line; what came before the record was appended matters less.
    fn pick(&mut self, place: usize, rank: u8) {
        let later = rank > 0 && !self.appended;
        self.told.pick(place, rank + u8::from(later));
    }

    fn say(&mut self, rank: u8, text: String) {
        self.moments.push(Moment { rank, text });
    }

    /// Whether what happens to this node may matter to the record.
    fn concerns(&self, node: NodeId) -> bool {
        let producer = self.subject.record.map(|record| NodeId::Process(record.process));
        hosts(self.cast, node, self.subject.partition)
            || matches!(node, NodeId::Controller(_))
            || producer == Some(node)
    }

    fn record(&self) -> String {
        self.subject.record.map_or_else(
            || "The record".to_owned(),
            |record| format!("Record {}", records(self.cast.names, record, 1)),
        )
    }

    fn place_name(&self) -> String {
        let partition = self.cast.names.partition(self.subject.partition);
        match self.subject.offset {
            Some(offset) => format!("{partition} offset {offset}"),
            None => partition,
        }
    }
}
