//! What happened, told twice: a few sentences in causal order, then the 20 to 60 lines of the trace
//! that matter.
//!
//! Of a violation ([`Story::of_violation`]) it follows one record or one partition up to the moment
//! where the checker objected; of a run that passed ([`Story::of_run`]) it follows the faults. It
//! reads the facts of a slow pass and believes observed facts; claims appear as lines only. It does
//! not judge: what is wrong, and when, comes from whoever calls it.

mod loss;
mod passed;
mod subject;

use std::collections::BTreeMap;
use std::fmt;

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, Offset, PartitionId};
use crate::base::text::wrap;
use crate::base::time::Time;
use crate::model::batch::RecordId;
use crate::model::fact::{Fact, Stamp, StopKind};
use crate::report::partition_history::PartitionHistory;
use crate::report::trace::{Legend, Line};

/// Lines of a story at most.
pub const MOST_LINES: usize = 60;
/// Sentences of a story at most.
pub const MOST_SENTENCES: usize = 10;
/// Columns of a sentence.
const WIDTH: usize = 96;
/// How far the chain of causes is followed back from a violation.
const MOST_CAUSES: usize = 24;

/// What a story of a violation is about, as its checker says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus {
    /// The violated property, `acked-lost`.
    pub property: String,
    /// What is wrong, in one sentence.
    pub text: String,
    /// The fact at which the checker objected.
    pub at: Stamp,
    /// Where, if at one place.
    pub partition: Option<PartitionId>,
    /// At which offset, if at one.
    pub offset: Option<Offset>,
    /// About which record, if about one.
    pub record: Option<RecordId>,
}

/// A story: sentences, then lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// At most [`MOST_SENTENCES`], in causal order.
    pub sentences: Vec<String>,
    /// At most [`MOST_LINES`], in order of time.
    pub lines: Vec<String>,
}

impl Story {
    /// How a violation came about.
    #[must_use]
    pub fn of_violation(facts: &[(Stamp, Fact)], legend: Legend<'_>, focus: &Focus) -> Self {
        let facts = &facts[..told_until(facts, focus.at)];
        let mut told = loss::tell(facts, legend, focus);
        add_causes(facts, focus, &mut told.picks);
        let marked = violating_fact(facts, focus);
        if let Some(place) = marked {
            let note = told.notes.entry(place).or_default();
            let gap = if note.is_empty() { "" } else { "   " };
            note.push_str(&format!("{gap}← {}", focus.property));
            told.picks.insert(place, 0);
        }
        told.into_story(facts, legend)
    }

    /// What the faults of a run did that passed, and why nothing was lost.
    #[must_use]
    pub fn of_run(facts: &[(Stamp, Fact)], legend: Legend<'_>) -> Self {
        passed::tell(facts, legend).into_story(facts, legend)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sentence in &self.sentences {
            for part in wrap(sentence, WIDTH) {
                writeln!(f, "{part}")?;
            }
        }
        if !self.lines.is_empty() {
            writeln!(f)?;
        }
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// A story in the making: sentences, and which facts matter how much.
#[derive(Default)]
struct Told {
    sentences: Vec<String>,
    /// By place in the list of facts: rank, 0 for what cannot be left out.
    picks: BTreeMap<usize, u8>,
    /// By place in the list of facts: a remark.
    notes: BTreeMap<usize, String>,
}

impl Told {
    fn pick(&mut self, place: usize, rank: u8) {
        let kept = self.picks.entry(place).or_insert(rank);
        *kept = rank.min(*kept);
    }

    /// Keeps the lowest ranks, and of one rank the latest: they are nearest to the end.
    fn into_story(self, facts: &[(Stamp, Fact)], legend: Legend<'_>) -> Story {
        let mut ranked: Vec<(u8, usize)> =
            self.picks.iter().map(|(place, rank)| (*rank, *place)).collect();
        ranked.sort_by_key(|(rank, place)| (*rank, std::cmp::Reverse(*place)));
        ranked.truncate(MOST_LINES);
        let mut places: Vec<usize> = ranked.into_iter().map(|(_, place)| place).collect();
        places.sort_unstable();
        let lines = places.into_iter().map(|place| {
            let (stamp, fact) = &facts[place];
            let line = Line::new(*stamp, fact, legend.names, legend.replicas);
            match self.notes.get(&place) {
                Some(note) => line.noted(note).to_string(),
                None => line.to_string(),
            }
        });
        Story { lines: lines.collect(), sentences: self.sentences }
    }
}

/// The fact that bears the mark: the one with the checker's stamp, about the partition if possible.
fn violating_fact(facts: &[(Stamp, Fact)], focus: &Focus) -> Option<usize> {
    let about = |fact: &Fact| focus.partition.is_none() || fact.partition() == focus.partition;
    let last = |fits: &dyn Fn(&(Stamp, Fact)) -> bool| facts.iter().rposition(fits);
    // Of several facts in one event, an election says more than the state committed with it.
    last(&|(stamp, fact)| {
        stamp.seq == focus.at.seq && about(fact) && matches!(fact, Fact::Elected { .. })
    })
    .or_else(|| last(&|(stamp, fact)| stamp.seq == focus.at.seq && about(fact)))
    .or_else(|| last(&|(stamp, _)| stamp.seq == focus.at.seq))
    .or_else(|| last(&|(_, fact)| about(fact)))
}

/// How many facts there were when the checker objected. Facts lie in the order in which events were
/// handled; their sequence numbers count in which order events were planned, so they do not rise.
fn told_until(facts: &[(Stamp, Fact)], at: Stamp) -> usize {
    facts
        .iter()
        .rposition(|(stamp, _)| stamp.seq == at.seq)
        .map_or_else(|| facts.partition_point(|(stamp, _)| stamp.time <= at.time), |last| last + 1)
}

/// Walks from the violating event to the one that caused it, and on.
fn add_causes(facts: &[(Stamp, Fact)], focus: &Focus, picks: &mut BTreeMap<usize, u8>) {
    let elsewhere = |fact: &Fact| {
        focus.partition.is_some() && fact.partition().is_some_and(|p| Some(p) != focus.partition)
    };
    let mut before = facts;
    let mut stamp = focus.at;
    for _ in 0..MOST_CAUSES {
        let is_cause = |(s, _): &(Stamp, Fact)| s.seq == stamp.cause;
        let Some(last) = before.iter().rposition(is_cause) else { return };
        let first = before[..last].iter().rposition(|f| !is_cause(f)).map_or(0, |other| other + 1);
        for place in (first..=last).filter(|place| !elsewhere(&before[*place].1)) {
            picks.entry(place).or_insert(4);
        }
        stamp = before[last].0;
        // A cause lies in the past; anything else would go round in circles.
        before = &before[..first];
    }
}

/// The logs and the committed state of one partition, followed fact by fact.
#[derive(Clone, Debug)]
struct PartitionCourse {
    replicas: Vec<BrokerId>,
    committed: PartitionHistory,
    /// By place in the replica list.
    ends: Vec<Offset>,
    /// Who was to lead in which epoch.
    leaders: BTreeMap<LeaderEpoch, BrokerId>,
    /// By place in the replica list: the epoch in which it last began to follow.
    follows: Vec<Option<LeaderEpoch>>,
}

impl PartitionCourse {
    fn new(replicas: &[BrokerId]) -> Self {
        let committed = PartitionHistory::initial(replicas);
        let leader = committed.state.leader.map(|leader| (LeaderEpoch(0), leader));
        Self {
            replicas: replicas.to_vec(),
            committed,
            ends: vec![Offset::ZERO; replicas.len()],
            leaders: leader.into_iter().collect(),
            follows: vec![None; replicas.len()],
        }
    }

    fn place(&self, broker: BrokerId) -> Option<usize> {
        self.replicas.iter().position(|b| *b == broker)
    }

    fn end(&self, broker: BrokerId) -> Offset {
        self.place(broker).map_or(Offset::ZERO, |place| self.ends[place])
    }

    /// Whether this broker appends as the leader of that epoch, not to catch up with another one.
    fn leads(&self, broker: BrokerId, epoch: LeaderEpoch) -> bool {
        let follows = self.place(broker).and_then(|place| self.follows[place]);
        self.leaders.get(&epoch) == Some(&broker) && follows.is_none_or(|other| other <= epoch)
    }

    /// Takes over a fact about this partition.
    fn observe(&mut self, fact: &Fact) {
        match *fact {
            Fact::Appended { broker, base, count, .. } => {
                self.set_end(broker, base + u64::from(count));
            }
            Fact::Truncated { broker, to, .. } | Fact::TailLost { broker, to, .. } => {
                self.set_end(broker, to);
            }
            Fact::BecameFollower { broker, leader_epoch, .. } => {
                if let Some(place) = self.place(broker) {
                    self.follows[place] = Some(leader_epoch);
                }
            }
            Fact::Elected { leader: Some(leader), leader_epoch, .. } => {
                self.leaders.insert(leader_epoch, leader);
            }
            Fact::IsrCommitted { state, .. } => {
                if state.is_first() {
                    self.committed = PartitionHistory::created(state);
                } else {
                    self.committed.commit(state);
                }
                if let Some(leader) = state.leader {
                    self.leaders.insert(state.leader_epoch, leader);
                }
            }
            _ => {}
        }
    }

    fn set_end(&mut self, broker: BrokerId, end: Offset) {
        if let Some(place) = self.place(broker) {
            self.ends[place] = end;
        }
    }
}

/// `b1`, `b1 and b2`, `b1, b2 and b3`.
fn list(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn brokers(brokers: impl Iterator<Item = BrokerId>) -> String {
    let names: Vec<String> = brokers.map(|broker| broker.to_string()).collect();
    list(&names)
}

fn at(time: Time) -> String {
    format!("at {time} s")
}

/// What happened to a node that stopped, as a verb.
const fn stopped_verb(how: StopKind) -> &'static str {
    match how {
        StopKind::Crash => "was killed",
        StopKind::PowerLoss => "lost power",
        StopKind::Shutdown => "shut down",
        StopKind::Halt => "halted by itself",
        StopKind::Wipe => "lost its disk's contents",
    }
}

/// Whether the node is a broker with a replica of the partition.
fn hosts(legend: Legend<'_>, node: NodeId, partition: PartitionId) -> bool {
    matches!(node, NodeId::Broker(broker) if legend.hosts(broker, partition))
}

#[cfg(test)]
mod tests;
