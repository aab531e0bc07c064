//! The sentences of a loss. Hears nothing: what is known lies in the teller.

use super::{Absence, Moment, TOLD_BY_OTHERS, Teller};
use crate::base::ids::{BrokerId, LeaderEpoch, Offset};
use crate::base::time::Time;
use crate::model::metadata::PartitionState;
use crate::report::story::{Focus, MOST_SENTENCES, Told, at, brokers, stopped_verb};
use crate::report::trace::records;

impl Teller<'_> {
    pub(super) fn appended_text(
        &self,
        time: Time,
        broker: BrokerId,
        epoch: LeaderEpoch,
        leads: bool,
    ) -> String {
        let record = self.record();
        let place = self.place_name();
        let role = if leads { "leader" } else { "a follower" };
        // A leader that was replaced goes on until it hears of it.
        let leader = self.course.committed.state.leader.filter(|l| leads && *l != broker);
        let other = match (leader, self.elected) {
            (Some(leader), Some(since)) => format!(", while {leader} led since {since} s"),
            _ => String::new(),
        };
        format!(
            "{record} was appended on {broker}, {role} in epoch {}, at {place}, {}{other}.",
            epoch.0,
            at(time)
        )
    }

    /// Who had the record, who was in sync, and who was not there.
    pub(super) fn when(&self) -> String {
        let partition = self.subject.partition;
        let who = || brokers(self.legend.members(partition, self.holders));
        let had = match self.holders.len() {
            0 => "no replica had it yet".to_owned(),
            1 => format!("only {} had it", who()),
            _ => format!("{} had it", who()),
        };
        let isr = self.legend.set(partition, self.course.committed.state.isr);
        let mut absent = Vec::new();
        for (wanted, one, some) in [
            (Absence::Down, "was down", "were down"),
            (Absence::Leaving, "was shutting down", "were shutting down"),
        ] {
            let those = self.absent.iter().filter(|(_, how)| **how == wanted);
            let those: Vec<BrokerId> = those.map(|(broker, _)| *broker).collect();
            if !those.is_empty() {
                let verb = if those.len() == 1 { one } else { some };
                absent.push(format!("{} {verb}", brokers(those.into_iter())));
            }
        }
        let absent = match absent.as_slice() {
            [] => String::new(),
            some => format!(" ({})", some.join(", ")),
        };
        format!("when {had}; ISR {isr}{absent}")
    }

    /// Who may become leader without being in sync.
    pub(super) fn eligible(&self, state: PartitionState) -> String {
        match state.elr.len() {
            0 => String::new(),
            _ => format!("; ELR {}", self.legend.set(self.subject.partition, state.elr)),
        }
    }

    pub(super) fn cut_text(
        &self,
        broker: BrokerId,
        from: Offset,
        to: Offset,
        time: Time,
    ) -> String {
        let state = self.course.committed.state;
        let whom = state.leader.filter(|leader| *leader != broker);
        let whom = whom.map_or_else(String::new, |leader| {
            format!(", to follow {leader}, leader of epoch {},", state.leader_epoch.0)
        });
        format!("{broker}{whom} cut its log from {from} to {to} {}, the record included.", at(time))
    }

    /// Says the present stop, or says it again now that more is known.
    pub(super) fn say_stop(&mut self) {
        let Some(stop) = &self.stop else { return };
        let role = match (stop.was_down, stop.led) {
            (true, _) => ", down already,",
            (false, true) => ", the leader,",
            (false, false) => "",
        };
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
        let moment = Moment { rank, text, stop_of: Some(stop.broker) };
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

    pub(super) fn conclude(mut self, focus: &Focus) -> Told {
        let last = self.conclusion(focus);
        self.moments.retain(|moment| moment.rank < TOLD_BY_OTHERS);
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

    pub(super) fn conclusion(&self, focus: &Focus) -> String {
        let leader = self.course.leaders.last_key_value().map(|(epoch, leader)| (*leader, *epoch));
        let is_loss = matches!(
            focus.property.as_str(),
            "acked-lost" | "committed-lost" | "leader-incomplete" | "candidate-incomplete"
        );
        let (Some((leader, epoch)), true, true) = (leader, self.appended, is_loss) else {
            return format!("{} {}: {}.", focus.property, at(focus.at.time), focus.text);
        };
        let leader_has = self.course.place(leader).is_some_and(|place| self.holders.has(place));
        if leader_has {
            return format!("{} {}: {}.", focus.property, at(focus.at.time), focus.text);
        }
        let end = self.course.end(leader);
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
            let who = brokers(self.legend.members(self.subject.partition, self.holders));
            let have = if self.holders.len() == 1 { "has" } else { "have" };
            format!("only {who} {have} it on disk and will have to cut it to follow")
        };
        format!("So the record is gone ({}): {head}; {rest}.", focus.property)
    }

    pub(super) fn record(&self) -> String {
        self.subject.record.map_or_else(
            || "The record".to_owned(),
            |record| format!("Record {}", records(self.legend.names, record, 1)),
        )
    }

    pub(super) fn place_name(&self) -> String {
        let partition = self.legend.names.partition(self.subject.partition);
        match self.subject.offset {
            Some(offset) => format!("{partition} offset {offset}"),
            None => partition,
        }
    }
}
