//! The story of a run that passed: what each fault did, and why nothing was lost.
//!
//! A fault is followed from its injection: who stopped leading, who took over and how complete that
//! log was, what was cut on return, and when the ISR was whole again.

use std::collections::BTreeSet;

use crate::base::ids::{BrokerId, NodeId, Offset, PartitionId};
use crate::base::time::Time;
use crate::model::fact::{Fact, Stamp};
use crate::model::fault::FaultKind;
use crate::report::number::grouped;
use crate::report::partition_history::ElectionKind;
use crate::report::story::{MOST_SENTENCES, PartitionCourse, Told, at, list};
use crate::report::trace::Legend;

/// Partitions that a sentence names before it only counts.
const NAMED: usize = 3;

/// One fault and what came of it.
struct Episode {
    kind: FaultKind,
    node: Option<NodeId>,
    since: Time,
    until: Option<Time>,
    /// Leaders elected in place of the node, or while the links were bad.
    elected: Vec<Successor>,
    /// Partitions left without a leader.
    offline: BTreeSet<PartitionId>,
    left_isr: BTreeSet<PartitionId>,
    /// Partitions that came into being: of a topic that was to grow.
    created: BTreeSet<PartitionId>,
    /// When it last came back into an ISR.
    back: Option<Time>,
    truncated: u64,
    tail: u64,
}

/// A leader elected because of a fault.
struct Successor {
    partition: PartitionId,
    leader: BrokerId,
    time: Time,
    kind: ElectionKind,
    end: Offset,
    /// One past the last offset acknowledged by then.
    acked: Offset,
}

impl Episode {
    /// How much there is to tell.
    fn weight(&self) -> u64 {
        let incomplete = self.elected.iter().filter(|s| s.end < s.acked).count() as u64;
        incomplete * 10_000
            + self.elected.len() as u64 * 100
            + self.offline.len() as u64 * 50
            + self.left_isr.len() as u64 * 10
            + self.created.len() as u64 * 10
            + u64::from(self.truncated + self.tail > 0) * 200
    }
}

struct Teller<'a> {
    legend: Legend<'a>,
    courses: Vec<PartitionCourse>,
    /// By partition: one past the last acknowledged offset.
    acked: Vec<Offset>,
    episodes: Vec<Episode>,
    records_acked: u64,
    records_failed: u64,
    told: Told,
}

/// Tells a whole run.
pub(super) fn tell(facts: &[(Stamp, Fact)], legend: Legend<'_>) -> Told {
    let mut teller = Teller {
        legend,
        courses: legend.replicas.iter().map(|replicas| PartitionCourse::new(replicas)).collect(),
        acked: vec![Offset::ZERO; legend.replicas.len()],
        episodes: Vec::new(),
        records_acked: 0,
        records_failed: 0,
        told: Told::default(),
    };
    for (place, (stamp, fact)) in facts.iter().enumerate() {
        teller.hear(place, stamp.time, fact);
    }
    teller.conclude()
}

impl Teller<'_> {
    /// What happens to internal topics is not told: nobody writes there what could be missed.
    fn hear(&mut self, place: usize, now: Time, fact: &Fact) {
        let internal = |partition| !self.legend.names.kind(partition).is_user();
        if fact.partition().is_some_and(internal) {
            return;
        }
        match *fact {
            Fact::Injected { kind, node, .. } => {
                self.told.pick(place, 0);
                self.episodes.push(Episode {
                    kind,
                    node,
                    since: now,
                    until: None,
                    elected: Vec::new(),
                    offline: BTreeSet::new(),
                    left_isr: BTreeSet::new(),
                    created: BTreeSet::new(),
                    back: None,
                    truncated: 0,
                    tail: 0,
                });
            }
            Fact::Healed { kind, node, .. } => {
                self.told.pick(place, 1);
                let mut open = self.episodes.iter_mut().rev();
                let found = open.find(|e| e.kind == kind && e.node == node && e.until.is_none());
                if let Some(episode) = found {
                    episode.until = Some(now);
                }
            }
            Fact::PartitionCreated { partition, .. } => {
                self.told.pick(place, 1);
                let mut open = self.episodes.iter_mut().rev();
                if let Some(growth) = open.find(|e| e.kind == FaultKind::CreatePartitions) {
                    growth.created.insert(partition);
                }
            }
            Fact::Stopped { .. } | Fact::Started { .. } => self.told.pick(place, 1),
            Fact::BrokerFenced { .. } | Fact::AllHealed => self.told.pick(place, 2),
            Fact::Acked { partition, base, count, .. } => {
                self.records_acked += u64::from(count);
                if let Some(base) = base {
                    let end = &mut self.acked[partition.index()];
                    *end = (*end).max(base + u64::from(count));
                }
            }
            Fact::Rejected { count, .. } | Fact::GaveUp { count, .. } => {
                self.records_failed += u64::from(count);
            }
            Fact::SendFailed { .. } => self.records_failed += 1,
            Fact::Elected { .. } => self.hear_election(place, now, fact),
            Fact::IsrCommitted { .. } => self.hear_commit(place, now, fact),
            Fact::Truncated { broker, from, to, .. } | Fact::TailLost { broker, from, to, .. } => {
                self.told.pick(place, 1);
                let lost = matches!(fact, Fact::TailLost { .. });
                if let Some(episode) = self.of_node(broker) {
                    let counter = if lost { &mut episode.tail } else { &mut episode.truncated };
                    *counter += from - to;
                }
            }
            _ => {}
        }
        if let Some(partition) = fact.partition() {
            self.courses[partition.index()].observe(fact);
        }
    }

    fn hear_election(&mut self, place: usize, now: Time, fact: &Fact) {
        let Fact::Elected { partition, leader, leader_epoch, unclean, .. } = *fact else { return };
        if leader_epoch.0 == 0 {
            return;
        }
        let course = &self.courses[partition.index()];
        let kind = course.committed.kind(&course.replicas, leader, leader_epoch, unclean);
        if kind == ElectionKind::Again {
            return;
        }
        let predecessor = course.committed.before(leader, leader_epoch).leader;
        let successor = leader.map(|leader| Successor {
            partition,
            leader,
            time: now,
            kind,
            end: course.end(leader),
            acked: self.acked[partition.index()],
        });
        self.told.pick(place, 1);
        if let Some(successor) = &successor {
            self.told.notes.insert(place, format!("ends at {}", successor.end));
        }
        let Some(episode) = self.of_cause(predecessor) else { return };
        match successor {
            Some(successor) => episode.elected.push(successor),
            None => {
                episode.offline.insert(partition);
            }
        }
    }

    fn hear_commit(&mut self, place: usize, now: Time, fact: &Fact) {
        let Fact::IsrCommitted { partition, state } = *fact else { return };
        if state.is_first() {
            return;
        }
        let course = &self.courses[partition.index()];
        let old = course.committed.state;
        let (left, joined) = (old.isr.minus(state.isr), state.isr.minus(old.isr));
        if left.is_empty() && joined.is_empty() {
            return;
        }
        // An election has its own line.
        if old.leader_epoch == state.leader_epoch {
            self.told.pick(place, 2);
        }
        let legend = self.legend;
        for broker in legend.members(partition, left) {
            if let Some(episode) = self.of_cause(Some(broker)) {
                episode.left_isr.insert(partition);
            }
        }
        for broker in legend.members(partition, joined) {
            if let Some(episode) = self.of_cause(Some(broker)) {
                episode.back = Some(now);
            }
        }
    }

    /// The latest fault that hit this broker.
    fn of_node(&mut self, broker: BrokerId) -> Option<&mut Episode> {
        let node = Some(NodeId::Broker(broker));
        self.episodes.iter_mut().rev().find(|episode| episode.node == node)
    }

    /// The latest fault that hit this broker, or else the latest without a target.
    fn of_cause(&mut self, broker: Option<BrokerId>) -> Option<&mut Episode> {
        let node = broker.map(NodeId::Broker);
        let place = self
            .episodes
            .iter()
            .rposition(|episode| node.is_some() && episode.node == node)
            .or_else(|| self.episodes.iter().rposition(|episode| episode.node.is_none()))?;
        self.episodes.get_mut(place)
    }

    fn conclude(mut self) -> Told {
        // One sentence is for the end, one for the faults that are not told.
        let mut order: Vec<usize> = (0..self.episodes.len()).collect();
        order.sort_by_key(|place| (std::cmp::Reverse(self.episodes[*place].weight()), *place));
        let room = MOST_SENTENCES - 1;
        let told = if order.len() > room { room - 1 } else { order.len() };
        let omitted = order.split_off(told);
        order.sort_unstable();
        let mut sentences: Vec<String> =
            order.iter().map(|place| self.sentence(&self.episodes[*place])).collect();
        if !omitted.is_empty() {
            let quiet = omitted.iter().filter(|p| self.episodes[**p].weight() == 0).count();
            sentences.push(format!(
                "{} more faults did less, {quiet} of them nothing that was committed.",
                omitted.len()
            ));
        }
        sentences.push(self.last_sentence());
        self.told.sentences = sentences;
        self.told
    }

    fn sentence(&self, episode: &Episode) -> String {
        let mut text = self.opening(episode);
        let mut parts = Vec::new();
        if !episode.elected.is_empty() {
            parts.push(self.succession(episode));
        }
        if !episode.offline.is_empty() {
            let partitions = self.partitions(episode.offline.iter().copied());
            parts.push(format!("nobody could lead {partitions} for a while"));
        }
        if episode.elected.is_empty() && !episode.left_isr.is_empty() {
            let partitions = self.partitions(episode.left_isr.iter().copied());
            parts
                .push(format!("the ISR of {partitions} went on without it, under the same leader"));
        }
        if episode.tail > 0 {
            parts.push(format!("{} of its log's tail went with it", count(episode.tail)));
        }
        if episode.truncated > 0 {
            let cut = count(episode.truncated);
            parts.push(format!("on return it cut {cut} that the new leader did not have"));
        }
        if let Some(back) = episode.back.filter(|_| !episode.left_isr.is_empty()) {
            parts.push(format!("it was back in the last ISR {}", at(back)));
        }
        if episode.kind == FaultKind::CreatePartitions {
            let mut growths = self.episodes.iter().rev().filter(|e| e.kind == episode.kind);
            let is_last = growths.next().is_some_and(|last| std::ptr::eq(last, episode));
            parts.push(match episode.created.len() {
                0 if is_last => "none was created".to_owned(),
                0 => "none was created before more were asked for again".to_owned(),
                1 => format!("{} was created", self.partitions(episode.created.iter().copied())),
                _ => format!("{} were created", self.partitions(episode.created.iter().copied())),
            });
        }
        if parts.is_empty() {
            parts.push("no leader and no ISR changed".to_owned());
        }
        text.push_str(": ");
        text.push_str(&parts.join("; "));
        text.push('.');
        text
    }

    fn opening(&self, episode: &Episode) -> String {
        let who = episode
            .node
            .map_or_else(|| "the cluster".to_owned(), |node| self.legend.names.node(node));
        let what = match episode.kind {
            FaultKind::Crash => format!("{who} was killed"),
            FaultKind::PowerLoss => format!("{who} lost power"),
            FaultKind::Shutdown => format!("{who} was shut down"),
            FaultKind::Pause => format!("{who} was frozen"),
            FaultKind::Restart => format!("{who} was restarted"),
            FaultKind::CreatePartitions => "more partitions were asked for".to_owned(),
            FaultKind::Wipe => format!("{who} was taken down and its disk emptied"),
            kind => format!("{} hit {who}", kind.name()),
        };
        match episode.until {
            Some(until) if until > episode.since => {
                format!("{what} from {} s to {until} s", episode.since)
            }
            _ => format!("{what} {}", at(episode.since)),
        }
    }

    fn succession(&self, episode: &Episode) -> String {
        let incomplete: Vec<&Successor> =
            episode.elected.iter().filter(|s| s.end < s.acked).collect();
        if let Some(worst) = incomplete.first() {
            return format!(
                "{} was elected for {} {} {}, though its log ended at {} and records below {} had \
                 been acknowledged",
                worst.leader,
                self.legend.names.partition(worst.partition),
                at(worst.time),
                worst.kind.words(),
                worst.end,
                worst.acked
            );
        }
        if let [one] = episode.elected.as_slice() {
            return format!(
                "{} took over {} {}, {}, with every acknowledged record (it ended at {}, \
                 and all below {} was acknowledged)",
                one.leader,
                self.legend.names.partition(one.partition),
                at(one.time),
                one.kind.words(),
                one.end,
                one.acked
            );
        }
        let last = episode.elected.iter().map(|s| s.time).max().unwrap_or_default();
        let partitions: BTreeSet<PartitionId> =
            episode.elected.iter().map(|s| s.partition).collect();
        let mut kinds: Vec<&str> = episode.elected.iter().map(|s| s.kind.words()).collect();
        kinds.dedup();
        format!(
            "leaders of {} were elected until {last} s, {}, each with every acknowledged record",
            self.partitions(partitions.into_iter()),
            kinds.first().copied().filter(|_| kinds.len() == 1).unwrap_or("in several ways")
        )
    }

    fn partitions(&self, partitions: impl Iterator<Item = PartitionId>) -> String {
        let names: Vec<String> = partitions.map(|p| self.legend.names.partition(p)).collect();
        if names.len() > NAMED { format!("{} partitions", names.len()) } else { list(&names) }
    }

    fn last_sentence(&self) -> String {
        let (acked, failed) = (count(self.records_acked), grouped(self.records_failed));
        let elected = || self.episodes.iter().flat_map(|episode| &episode.elected);
        let incomplete = elected().filter(|s| s.end < s.acked).count();
        let why = match (elected().count(), incomplete) {
            (0, _) => "no fault made anybody else leader".to_owned(),
            (1, 0) => "the one leader elected had all that was acknowledged".to_owned(),
            (all, 0) => format!("every one of {all} leaders elected had all that was acknowledged"),
            (all, some) => format!("{some} of {all} leaders elected lacked acknowledged records"),
        };
        format!("{acked} acknowledged and {failed} failed; {why}.")
    }
}

fn count(records: u64) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{} records", grouped(records)) }
}
