//! Swarms: random faults, drawn so that they meet.
//!
//! Each seed draws which kinds of fault exist in it, and for each how often it comes and how long
//! it lasts; so some seeds know nothing but clock skew and others only power losses (swarm testing,
//! Groce et al. 2012). Then it draws the faults: single ones, and *storms*, in which several
//! replicas of one partition fail together in an order that is known to hurt. A storm is where bugs
//! are: an ISR shrinks to one and that one loses power, or a stale replica returns first.
//!
//! What is drawn ahead is when, which kind, how long and whom in words ([`Whom`]); who that is, and
//! the fault's own numbers, are drawn at injection. Does not know the promise: the budget refuses.

use std::ops::Range;

use crate::base::ids::{BrokerId, NodeId, PartitionId};
use crate::base::rng::{Latency, Ratio, Rng};
use crate::base::time::{Span, Time};
use crate::model::fault::{
    Action, Direction, FaultKind, Keep, MOST_DRAWN_SKEW, RestartHow, SwarmLevel, Target,
};
use crate::sim::director::ClusterView;
use crate::sim::targets::Roster;

/// Kinds that take a replica out of the ISR without an unclean stop, once its session has ended.
const QUIET: &[FaultKind] = &[FaultKind::Pause, FaultKind::Shutdown, FaultKind::Partition];

/// Kinds that a storm strikes with.
const STOPS: &[FaultKind] =
    &[FaultKind::Crash, FaultKind::PowerLoss, FaultKind::Shutdown, FaultKind::Pause];

/// From here on a broker that is not heard of is fenced (session 9 s, and the check's period).
const SESSION: Range<u64> = 10_200..14_000;

/// How many of the things that happen are storms.
const STORMS: Ratio = Ratio { part: 2, of: 5 };

/// A kind that exists in this seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DrawnKind {
    kind: FaultKind,
    /// How often, against the others.
    weight: u64,
    /// Which part of its range of lengths it uses.
    stretch: Stretch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stretch {
    Any,
    Short,
    Long,
}

/// Whom a drawn fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    /// Anybody; leaders and brokers more often than others.
    Anybody,
    /// A replica of the storm's partition that the storm has not hit yet.
    Replica { storm: u16, leads: Leads },
}

/// Which of the replicas not hit yet comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    Yes,
    No,
    Either,
}

/// A fault as drawn ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Draft {
    at: Time,
    kind: FaultKind,
    length: Option<Span>,
    whom: Whom,
}

/// Several faults that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Storm {
    partition: PartitionId,
    hit: Vec<BrokerId>,
}

/// The random faults of one `swarm` line under one seed.
#[derive(Clone, Debug)]
pub(super) struct Swarm {
    kinds: Vec<DrawnKind>,
    drafts: Vec<Draft>,
    storms: Vec<Storm>,
    window: Range<Time>,
}

impl Swarm {
    /// Draws the swarm of a seed. With no `wanted` kinds every counted one may come.
    pub(super) fn draw(
        level: SwarmLevel,
        wanted: &[FaultKind],
        window: Range<Time>,
        roster: &Roster,
        rng: &mut Rng,
    ) -> Self {
        let wanted = if wanted.is_empty() { FaultKind::COUNTED } else { wanted };
        let mut kinds = Vec::new();
        for kind in wanted.iter().copied().filter(|kind| may_swarm(*kind)) {
            // Three numbers whether it exists or not, so that a kind more or less in the list does
            // not change what is drawn of the kinds before it.
            let (exists, weight, stretch) = (one_in(rng, 2), rng.between(1, 4), rng.below(3));
            let stretch = [Stretch::Any, Stretch::Short, Stretch::Long][stretch as usize];
            if exists {
                kinds.push(DrawnKind { kind, weight, stretch });
            }
        }
        let mut swarm = Self { kinds, drafts: Vec::new(), storms: Vec::new(), window };
        swarm.fill(level, roster, rng);
        swarm
    }

    /// When each draft is to be realised, by number.
    pub(super) fn times(&self) -> impl Iterator<Item = Time> {
        self.drafts.iter().map(|draft| draft.at)
    }

    /// The kinds that exist in this seed.
    #[cfg(test)]
    pub(super) fn kinds(&self) -> impl Iterator<Item = FaultKind> {
        self.kinds.iter().map(|k| k.kind)
    }

    /// The draft as it is done now; `None` if nobody fits.
    pub(super) fn realise(
        &mut self,
        number: usize,
        roster: &Roster,
        view: &ClusterView<'_>,
        rng: &mut Rng,
    ) -> Option<(Action, Vec<NodeId>, Option<Span>)> {
        let Draft { kind, length, whom, .. } = self.drafts[number];
        let node = match whom {
            Whom::Anybody => anybody(kind, roster, view, rng)?,
            Whom::Replica { storm, leads } => {
                let storm = &mut self.storms[usize::from(storm)];
                let broker = storm.pick(leads, view, rng)?;
                storm.hit.push(broker);
                NodeId::Broker(broker)
            }
        };
        let in_storm = whom != Whom::Anybody;
        let action = action(kind, node, in_storm, roster, rng);
        let has_target = !matches!(
            kind,
            FaultKind::Partition | FaultKind::PartitionOneWay | FaultKind::RollingRestart
        );
        // Trouble of the network is on all links in one of three cases.
        let everywhere = is_of_links(kind) && one_in(rng, 3);
        let nodes = if has_target && !everywhere { vec![node] } else { Vec::new() };
        Some((action, nodes, length))
    }

    /// Draws faults until there are as many as this seed has. The number is uniform between half
    /// and one and a half of what the level stands for.
    fn fill(&mut self, level: SwarmLevel, roster: &Roster, rng: &mut Rng) {
        let per_minute = match level {
            SwarmLevel::Gentle => 6,
            SwarmLevel::Medium => 14,
            SwarmLevel::Harsh => 30,
        };
        let window = self.window.end.since(self.window.start);
        let expected = window.scaled(per_minute, Span::secs(60).0).0;
        if self.kinds.is_empty() || window == Span::ZERO {
            return;
        }
        let total = rng.between(expected / 2, expected + expected.div_ceil(2)) as usize;
        let can_storm = self.kinds.iter().any(|k| STOPS.contains(&k.kind))
            && roster.partitions.iter().any(|(_, replicas)| *replicas > 1);
        while self.drafts.len() < total {
            let room = total - self.drafts.len();
            if can_storm && room > 1 && rng.chance(STORMS) {
                self.storm(roster, rng);
            } else {
                self.single(rng);
            }
        }
        self.drafts.sort_by_key(|draft| draft.at);
    }

    fn single(&mut self, rng: &mut Rng) {
        let width = self.window.end.since(self.window.start).0;
        let at = self.window.start + Span(rng.below(width));
        let all: u64 = self.kinds.iter().map(|k| k.weight).sum();
        let mut place = rng.below(all);
        let mut kind = self.kinds[0].kind;
        for candidate in &self.kinds {
            kind = candidate.kind;
            if place < candidate.weight {
                break;
            }
            place -= candidate.weight;
        }
        let length = self.length(kind, rng);
        self.drafts.push(Draft { at, kind, length, whom: Whom::Anybody });
    }

    /// Several faults on the replicas of one partition. They begin early enough in the window for
    /// the last of them to be in it, if the window is long enough for that.
    fn storm(&mut self, roster: &Roster, rng: &mut Rng) {
        let Some((partition, size)) = pick(&roster.partitions, rng) else { return };
        let size = size as u64;
        if size < 2 {
            return self.single(rng);
        }
        let storm = self.storms.len() as u16;
        self.storms.push(Storm { partition, hit: Vec::new() });
        let width = self.window.end.since(self.window.start);
        let width = if width > Span::secs(30) { width - Span::secs(20) } else { width };
        let at = self.window.start + Span(rng.below(width.0));
        match rng.below(5) {
            0 => self.chain(storm, at, size, rng),
            1 => self.burst(storm, at, size, rng),
            _ => self.siege(storm, at, size, rng),
        }
    }

    /// One stop after another, 0 to 12 s apart.
    fn chain(&mut self, storm: u16, mut at: Time, size: u64, rng: &mut Rng) {
        let leads = if one_in(rng, 2) { Leads::Yes } else { Leads::Either };
        for _ in 0..rng.between(2, size) {
            let kind = self.one_of(STOPS, rng);
            let length = self.length(kind, rng);
            self.add_draft(at, kind, length, Whom::Replica { storm, leads });
            at += Span::millis(rng.below(12_000));
        }
    }

    /// Several stops at nearly the same time, half the time of one kind.
    fn burst(&mut self, storm: u16, at: Time, size: u64, rng: &mut Rng) {
        let same = one_in(rng, 2).then(|| self.one_of(STOPS, rng));
        for _ in 0..rng.between(2, size) {
            let kind = same.unwrap_or_else(|| self.one_of(STOPS, rng));
            let length = self.length(kind, rng);
            let at = at + Span::millis(rng.below(200));
            self.add_draft(at, kind, length, Whom::Replica { storm, leads: Leads::Either });
        }
    }

    /// First some replicas are out until their sessions have ended and the ISR has shrunk; then
    /// the rest is struck, and of the rest one by a power loss if there is such a kind. With all
    /// but one out first, the last member of the ISR is struck; with one out first, a stale
    /// replica returns while the others are down.
    fn siege(&mut self, storm: u16, at: Time, size: u64, rng: &mut Rng) {
        let out = if one_in(rng, 3) { 1 } else { size - 1 };
        let gap = Span::millis(rng.between(SESSION.start, SESSION.end));
        for _ in 0..out {
            let quiet = !one_in(rng, 8) && self.has_any(QUIET);
            let kind = self.one_of(if quiet { QUIET } else { STOPS }, rng);
            let length = gap + Span::millis(rng.between(500, 6_000));
            let at = at + Span::millis(rng.below(500));
            self.add_draft(at, kind, Some(length), Whom::Replica { storm, leads: Leads::No });
        }
        let width = if one_in(rng, 2) { 300 } else { 8_000 };
        let mut at = at + gap;
        for rest in (0..size - out).rev() {
            let wanted = if rest == 0 { FaultKind::PowerLoss } else { FaultKind::Crash };
            let wanted = (self.has_any(&[wanted]) && !one_in(rng, 6)).then_some(wanted);
            let kind = wanted.unwrap_or_else(|| self.one_of(STOPS, rng));
            let length = self.length(kind, rng);
            self.add_draft(at, kind, length, Whom::Replica { storm, leads: Leads::Either });
            at += Span::millis(rng.below(width));
        }
    }

    /// Adds a draft, unless it would be beyond the window.
    fn add_draft(&mut self, at: Time, kind: FaultKind, length: Option<Span>, whom: Whom) {
        if self.window.contains(&at) {
            self.drafts.push(Draft { at, kind, length, whom });
        }
    }

    fn has_any(&self, of: &[FaultKind]) -> bool {
        self.kinds.iter().any(|k| of.contains(&k.kind))
    }

    /// One of these kinds that exists in this seed; the caller knows that there is one.
    fn one_of(&self, of: &[FaultKind], rng: &mut Rng) -> FaultKind {
        let count = self.kinds.iter().filter(|k| of.contains(&k.kind)).count() as u64;
        let place = rng.below(count) as usize;
        let mut fitting = self.kinds.iter().map(|k| k.kind).filter(|kind| of.contains(kind));
        fitting.nth(place).expect("a place below the count")
    }

    fn length(&self, kind: FaultKind, rng: &mut Rng) -> Option<Span> {
        let (shortest, longest) = lengths(kind)?;
        let third = (longest - shortest) / 3;
        let stretch = self.kinds.iter().find(|k| k.kind == kind).map(|k| k.stretch);
        let (low, high) = match stretch {
            Some(Stretch::Short) => (shortest, shortest + third),
            Some(Stretch::Long) => (longest - third, longest),
            Some(Stretch::Any) | None => (shortest, longest),
        };
        Some(Span::millis(rng.between(low, high)))
    }
}

impl Storm {
    /// A replica that runs and has not been hit; the leader first, last, or as luck has it.
    fn pick(&self, leads: Leads, view: &ClusterView<'_>, rng: &mut Rng) -> Option<BrokerId> {
        let replicas = view.replicas(self.partition).iter().copied();
        let mut left: Vec<BrokerId> = replicas
            .filter(|b| !self.hit.contains(b) && (view.running)(NodeId::Broker(*b)))
            .collect();
        let leader = view.leader(self.partition).filter(|leader| left.contains(leader));
        match (leads, leader) {
            (Leads::Yes, Some(leader)) => return Some(leader),
            (Leads::No, Some(leader)) if left.len() > 1 => left.retain(|b| *b != leader),
            _ => {}
        }
        pick(&left, rng)
    }
}

/// Kinds that a swarm may hold: neither operations nor what is never within a promise.
const fn may_swarm(kind: FaultKind) -> bool {
    !kind.is_never_within() && !kind.needs_parameters()
}

/// Shortest and longest, in milliseconds.
const fn lengths(kind: FaultKind) -> Option<(u64, u64)> {
    match kind {
        FaultKind::Crash | FaultKind::PowerLoss | FaultKind::Shutdown => Some((1_000, 20_000)),
        FaultKind::Pause => Some((500, 15_000)),
        FaultKind::Partition | FaultKind::PartitionOneWay => Some((1_000, 25_000)),
        _ if kind.has_length() => Some((2_000, 15_000)),
        _ => None,
    }
}

const fn is_of_links(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::NetworkDelay
            | FaultKind::NetworkLoss
            | FaultKind::NetworkBandwidth
            | FaultKind::ConnectionReset
    )
}

fn one_in(rng: &mut Rng, of: u64) -> bool {
    rng.chance(Ratio { part: 1, of })
}

fn pick<T: Copy>(from: &[T], rng: &mut Rng) -> Option<T> {
    (!from.is_empty()).then(|| from[rng.below(from.len() as u64) as usize])
}

/// Somebody for a single fault: rarely a controller; of brokers that run, the leader of a random
/// partition every other time. Client processes are never stopped or slowed by a swarm.
fn anybody(
    kind: FaultKind,
    roster: &Roster,
    view: &ClusterView<'_>,
    rng: &mut Rng,
) -> Option<NodeId> {
    let is_of_disk =
        matches!(kind, FaultKind::DiskFull | FaultKind::DiskSlow | FaultKind::DiskError);
    if !is_of_disk && one_in(rng, 16) {
        let controllers = roster.every_controller();
        return pick(&controllers, rng).filter(|controller| (view.running)(*controller));
    }
    let running: Vec<NodeId> =
        roster.every_broker().into_iter().filter(|b| (view.running)(*b)).collect();
    let leads = one_in(rng, 2);
    let partition = pick(&roster.partitions, rng).map(|(partition, _)| partition);
    let leader = partition.and_then(|partition| view.leader(partition)).map(NodeId::Broker);
    let leader = leader.filter(|leader| leads && running.contains(leader));
    leader.or_else(|| pick(&running, rng))
}

/// The fault itself, with its own numbers drawn.
fn action(kind: FaultKind, node: NodeId, in_storm: bool, roster: &Roster, rng: &mut Rng) -> Action {
    match kind {
        FaultKind::PowerLoss => {
            let keep = if one_in(rng, 3) { Keep::Nothing } else { Keep::Random };
            Action::PowerLoss { keep }
        }
        FaultKind::Shutdown => Action::Shutdown,
        FaultKind::Pause => Action::Pause,
        FaultKind::Restart if one_in(rng, 2) => Action::Restart { how: RestartHow::Crash },
        FaultKind::Restart => Action::Restart { how: RestartHow::Shutdown },
        FaultKind::Partition => cut(node, in_storm, Direction::Both, roster, rng),
        FaultKind::PartitionOneWay => {
            let direction = if one_in(rng, 2) { Direction::To } else { Direction::From };
            cut(node, in_storm, direction, roster, rng)
        }
        FaultKind::NetworkDelay => {
            let latency = Span::millis(rng.between(5, 800));
            Action::NetworkDelay { latency, jitter: Span(rng.below(latency.0)) }
        }
        FaultKind::NetworkLoss => Action::NetworkLoss { percent: rng.between(1, 40) as u8 },
        FaultKind::NetworkBandwidth => {
            Action::NetworkBandwidth { bytes_per_second: rng.between(10_000, 1_000_000) }
        }
        FaultKind::ConnectionReset => Action::ConnectionReset,
        FaultKind::DiskSlow => {
            let p50 = Span::millis(rng.between(20, 500));
            let latency = Latency { p50, p99: p50.scaled(3, 1), max: p50.scaled(6, 1) };
            Action::DiskSlow { latency }
        }
        FaultKind::DiskHang => Action::DiskHang,
        FaultKind::DiskFull => Action::DiskFull,
        FaultKind::DiskError => {
            let dirs = match node {
                NodeId::Broker(broker) => roster.log_dirs[broker.index()],
                _ => 1,
            };
            Action::DiskError { dir: rng.below(u64::from(dirs.max(1))) as u16 }
        }
        FaultKind::ClockSkew => {
            let offset = Span::millis(rng.between(100, MOST_DRAWN_SKEW.as_millis()));
            Action::ClockSkew { offset, back: one_in(rng, 2) }
        }
        FaultKind::SlowProcessing => {
            Action::SlowProcessing { time: Span::millis(rng.between(1, 200)) }
        }
        FaultKind::RollingRestart => Action::RollingRestart,
        FaultKind::ElectPreferred => Action::ElectPreferred,
        FaultKind::Crash => Action::Crash,
        FaultKind::Wipe
        | FaultKind::CorruptLog
        | FaultKind::SetConfig
        | FaultKind::CreatePartitions
        | FaultKind::ElectUnclean => unreachable!("a swarm holds no {}", kind.name()),
    }
}

/// A cut that leaves `node` on the first side: from the other brokers only, from the controllers
/// only, from both, from everything, or with others and perhaps with clients beside it. In a storm
/// it is one that takes the node out of the ISR: without the controllers.
fn cut(
    node: NodeId,
    in_storm: bool,
    direction: Direction,
    roster: &Roster,
    rng: &mut Rng,
) -> Action {
    let mut first = vec![node];
    let mut second = Vec::new();
    let form = if in_storm { rng.between(1, 3) } else { rng.below(6) };
    match form {
        0 => second.extend(roster.every_broker()),
        1 => second.extend(roster.every_controller()),
        2 => second.extend(roster.every_broker().into_iter().chain(roster.every_controller())),
        3 => {
            second.extend(roster.every_broker().into_iter().chain(roster.every_controller()));
            second.extend(roster.every_process());
        }
        _ => {
            // Two sides of the whole cluster; each broker and client is on either.
            let clients = one_in(rng, 2);
            let controllers = roster.every_controller();
            let side = if one_in(rng, 4) { &mut first } else { &mut second };
            side.extend(controllers);
            for broker in roster.every_broker() {
                if one_in(rng, 3) { &mut first } else { &mut second }.push(broker);
            }
            for client in roster.every_process().into_iter().filter(|_| clients) {
                if one_in(rng, 2) { &mut first } else { &mut second }.push(client);
            }
        }
    }
    first.sort_unstable();
    first.dedup();
    second.retain(|other| !first.contains(other));
    if second.is_empty() {
        // Everybody is on one side: then it is `node` against the others.
        first = vec![node];
        second.extend(roster.every_broker().into_iter().chain(roster.every_controller()));
        second.retain(|other| *other != node);
    }
    let group = |nodes: Vec<NodeId>| nodes.into_iter().map(Target::Node).collect();
    Action::Partition { groups: vec![group(first), group(second)], direction }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{FaultKind, SwarmLevel};
    use crate::base::ids::NodeId;
    use crate::base::time::Span;
    use crate::model::fact::Fact;
    use crate::model::fault::{Action, Target, Timing};
    use crate::model::plan::{Plan, Taint};
    use crate::sim::stage::{Toy, at, line, plan};

    const SEEDS: u64 = 1_000;

    fn swarm(level: SwarmLevel, kinds: &[FaultKind]) -> Plan {
        let timing = Timing::Swarm { level, kinds: kinds.to_vec(), from: at(0), until: at(60) };
        Plan { faults: vec![line(timing)], ..plan(3) }
    }

    #[test]
    fn a_level_stands_for_a_number_of_faults() {
        for (level, expected) in
            [(SwarmLevel::Gentle, 6), (SwarmLevel::Medium, 14), (SwarmLevel::Harsh, 30)]
        {
            let plan = swarm(level, &[]);
            let drawn = |seed| Toy::new(&plan, seed).director.swarm_drafts() as u64;
            let mean = (0..SEEDS).map(drawn).sum::<u64>() * 10 / SEEDS;
            assert!((expected * 9..expected * 12).contains(&mean), "{level:?}: {mean} tenths");
        }
    }

    /// Within a promise of two replicas every counted kind happens often enough for a gate, a kind
    /// is absent from many seeds, and the budget has something to refuse.
    #[test]
    fn every_kind_is_accepted_and_none_is_everywhere() {
        let plan = swarm(SwarmLevel::Medium, &[]);
        let mut seeds_with: BTreeMap<FaultKind, u64> = BTreeMap::new();
        let mut refused: BTreeMap<FaultKind, u64> = BTreeMap::new();
        for seed in 0..SEEDS {
            let mut toy = Toy::new(&plan, seed);
            toy.play(at(60));
            let mut kinds: Vec<FaultKind> =
                toy.applied.iter().map(|(_, fault)| fault.action.kind()).collect();
            let rolling = toy.noted.iter().any(|(_, fact)| fact.name() == "injected");
            kinds.extend(rolling.then_some(FaultKind::RollingRestart));
            kinds.sort_unstable();
            kinds.dedup();
            kinds.into_iter().for_each(|kind| *seeds_with.entry(kind).or_default() += 1);
            for (_, fact) in &toy.noted {
                if let Fact::Refused { kind, .. } = fact {
                    *refused.entry(*kind).or_default() += 1;
                }
            }
        }
        for kind in FaultKind::COUNTED {
            let permille = seeds_with.get(kind).copied().unwrap_or(0) * 1_000 / SEEDS;
            assert!((100..=800).contains(&permille), "{}: {permille} permille", kind.name());
        }
        assert!(refused[&FaultKind::PowerLoss] > SEEDS / 10, "{refused:?}");
        let unheard_of = |kind: &&FaultKind| !FaultKind::COUNTED.contains(kind);
        assert_eq!(seeds_with.keys().find(unheard_of), None);
    }

    #[test]
    fn a_kind_exists_in_about_half_of_the_seeds() {
        let plan = swarm(SwarmLevel::Harsh, &[]);
        let mut with: BTreeMap<FaultKind, u64> = BTreeMap::new();
        for seed in 0..SEEDS {
            for kind in Toy::new(&plan, seed).director.swarm_kinds() {
                *with.entry(kind).or_default() += 1;
            }
        }
        for kind in FaultKind::COUNTED {
            assert!((400..=600).contains(&with[kind]), "{}: {}", kind.name(), with[kind]);
        }
    }

    #[test]
    fn only_the_kinds_asked_for_come_and_never_one_beyond_every_promise() {
        let kinds = [FaultKind::DiskHang, FaultKind::Wipe, FaultKind::ElectUnclean];
        let plan = swarm(SwarmLevel::Harsh, &kinds);
        let mut hangs = 0;
        for seed in 0..20 {
            let mut toy = Toy::new(&plan, seed);
            toy.play(at(60));
            assert!(toy.applied.iter().all(|(_, f)| f.action.kind() == FaultKind::DiskHang));
            hangs += toy.applied.len();
        }
        assert!(hangs > 100, "{hangs}");
    }

    #[test]
    fn clients_are_never_hit_and_cuts_have_two_sides() {
        let plan = swarm(SwarmLevel::Harsh, &[]);
        let is_client = |node: &NodeId| matches!(node, NodeId::Process(_));
        for seed in 0..200 {
            let mut toy = Toy::new(&plan, seed);
            toy.play(at(60));
            for (time, fault) in &toy.applied {
                assert!(*time < at(60) || fault.action.kind() == FaultKind::Restart);
                assert!(!fault.nodes.iter().any(is_client), "{fault:?}");
                assert!(fault.length.is_none_or(|l| l <= Span::secs(25)), "{fault:?}");
                if let Action::Partition { groups, .. } = &fault.action {
                    assert!(groups.len() == 2 && groups.iter().all(|g| !g.is_empty()), "{fault:?}");
                    let known = |t: &Target| matches!(t, Target::Node(_));
                    assert!(groups.iter().flatten().all(known), "{fault:?}");
                }
            }
        }
    }

    /// What the canaries need, by the toy's light: a lone member of an ISR loses power (ELR off,
    /// min.insync.replicas 1), an ISR runs empty while a stale replica runs (unclean election), and
    /// a power loss beside replicas that were killed, once kill -9 is not counted.
    #[test]
    fn what_the_canaries_need_is_common() {
        for level in [SwarmLevel::Gentle, SwarmLevel::Medium, SwarmLevel::Harsh] {
            let plan = swarm(level, &[]);
            let mut lax = plan.clone();
            lax.promise.taint = Taint::TailLost;
            let (mut lone, mut stale, mut beside) = (0, 0, 0);
            for seed in 0..SEEDS {
                let mut toy = Toy::new(&plan, seed);
                toy.play(at(60));
                assert_eq!(toy.losses_beside_the_killed, 0, "seed {seed}: beyond the promise");
                lone += u64::from(toy.lone_power_losses > 0);
                stale += u64::from(toy.stale_survivors > 0);
                let mut toy = Toy::new(&lax, seed);
                toy.play(at(60));
                beside += u64::from(toy.losses_beside_the_killed > 0);
            }
            let found = (lone, stale, beside);
            assert!(lone >= 60 && stale >= 200 && beside >= 20, "{level:?}: {found:?}");
        }
    }
}
