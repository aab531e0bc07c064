//! Links: how long bytes take from one machine to another, and what faults do to them.
//!
//! A link is one direction between two machines. Its luck is counter-based: a key drawn once from
//! the link's own named stream, then one mixing of key and message number per message, so that
//! nobody's luck depends on anybody else's traffic. Does not know connections.
//!
//! Speed: a link has 16 bytes of luck; a stream of its own would have 304, and take 81 ns to make.

use crate::base::ids::NodeId;
use crate::base::rng::{LatencyTable, Rng, mix64};
use crate::base::time::{Span, Time};
use crate::model::plan::NetworkPlan;
use crate::sim::event::HostId;

/// Keeps the draws of jitter and loss apart from those of latency.
const JITTER: u64 = 0x6a69_7474_6572_0000;
const LOSS: u64 = 0x6c6f_7373_0000_0000;

#[derive(Clone, Copy, Debug, Default)]
struct Draws {
    /// Zero until the first draw.
    key: u64,
    count: u64,
    /// How many faults impair the link now.
    impaired: u32,
}

/// What faults do to a link. Faults overlap, so everything is counted or summed.
#[derive(Clone, Debug, Default)]
struct Impairment {
    cuts: u32,
    loss: u32,
    delay: Span,
    jitter: Span,
    /// Bytes a second, one entry per fault; the slowest counts.
    rates: Vec<u64>,
    /// Until then the link is busy with bytes sent before.
    busy_until: Time,
    loss_draws: u64,
}

/// One way in which a fault impairs a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Impair {
    /// Nothing gets through.
    Cut,
    /// So many of a hundred segments are lost.
    Loss(u8),
    /// Everything takes so much longer, give or take the jitter.
    Delay(Span, Span),
    /// So many bytes a second get through.
    Rate(u64),
}

/// Every link.
#[derive(Clone, Debug)]
pub(super) struct Links {
    seed: u64,
    nodes: Vec<NodeId>,
    draws: Vec<Draws>,
    /// The default first.
    latencies: Vec<LatencyTable>,
    /// Which of them a link has; empty if all have the default.
    latency_of: Vec<u8>,
    /// Empty until the first network fault.
    impairments: Vec<Impairment>,
}

impl Links {
    /// Links among these nodes.
    pub(super) fn new(plan: &NetworkPlan, nodes: Vec<NodeId>, seed: u64) -> Self {
        let count = nodes.len() * nodes.len();
        let mut links = Self {
            seed,
            draws: vec![Draws::default(); count],
            latencies: vec![plan.latency.table()],
            latency_of: Vec::new(),
            impairments: Vec::new(),
            nodes,
        };
        for (place, line) in plan.links.iter().enumerate() {
            links.latency_of.resize(count, 0);
            links.latencies.push(line.latency.table());
            for (a, from) in links.nodes.iter().enumerate() {
                for (b, to) in links.nodes.iter().enumerate() {
                    if line.from.contains(from) && line.to.contains(to) {
                        links.latency_of[a * links.nodes.len() + b] = place as u8 + 1;
                    }
                }
            }
        }
        links
    }

    /// Whether no fault impairs a link: then it is neither cut nor slow, and loses nothing.
    ///
    /// Speed: one look answers all three questions for nearly every message.
    pub(super) fn is_sound(&self, from: HostId, to: HostId) -> bool {
        self.draws[self.link(from, to)].impaired == 0
    }

    /// How long the next message takes.
    pub(super) fn latency(&mut self, from: HostId, to: HostId) -> Span {
        let link = self.link(from, to);
        if self.draws[link].key == 0 {
            self.draw_key(link, from, to);
        }
        let draws = &mut self.draws[link];
        draws.count += 1;
        let Draws { key, count, impaired } = *draws;
        let place = self.latency_of.get(link).map_or(0, |place| usize::from(*place));
        let latency = self.latencies[place].draw(mix64(key, count));
        if impaired == 0 {
            return latency;
        }
        let impairment = &self.impairments[link];
        let mut longer = latency + impairment.delay;
        if impairment.jitter > Span::ZERO {
            let jitter = impairment.jitter.0;
            let bits = mix64(key ^ JITTER, count);
            let drawn = (u128::from(bits) * (2 * u128::from(jitter) + 1)) >> 64;
            longer = Span((longer + Span(drawn as u64)).0.saturating_sub(jitter));
        }
        longer
    }

    /// When bytes that depart then have left, behind those sent before, if the link is slow.
    pub(super) fn departure(
        &mut self,
        from: HostId,
        to: HostId,
        at: Time,
        bytes: impl FnOnce() -> u64,
    ) -> Time {
        let link = self.link(from, to);
        let Some(impairment) = self.impairments.get_mut(link) else { return at };
        let Some(rate) = impairment.rates.iter().min() else { return at };
        let begin = at.max(impairment.busy_until);
        impairment.busy_until = begin + Span::secs(1).scaled(bytes(), (*rate).max(1));
        impairment.busy_until
    }

    /// Whether a link is cut.
    pub(super) fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.impairments.get(self.link(from, to)).is_some_and(|i| i.cuts > 0 || i.loss >= 100)
    }

    /// Whether the next segment is lost.
    pub(super) fn loses(&mut self, from: HostId, to: HostId) -> bool {
        let link = self.link(from, to);
        if self.impairments.get(link).is_none_or(|i| i.loss == 0) {
            return false;
        }
        if self.draws[link].key == 0 {
            self.draw_key(link, from, to);
        }
        let impairment = &mut self.impairments[link];
        impairment.loss_draws += 1;
        let bits = mix64(self.draws[link].key ^ LOSS, impairment.loss_draws);
        (u128::from(bits) * 100) >> 64 < u128::from(impairment.loss)
    }

    /// A fault begins to impair a link.
    pub(super) fn impair(&mut self, from: HostId, to: HostId, how: Impair) {
        if self.impairments.is_empty() {
            self.impairments.resize_with(self.draws.len(), Impairment::default);
        }
        let link = self.link(from, to);
        self.draws[link].impaired += 1;
        let impairment = &mut self.impairments[link];
        match how {
            Impair::Cut => impairment.cuts += 1,
            Impair::Loss(percent) => impairment.loss += u32::from(percent),
            Impair::Delay(delay, jitter) => {
                impairment.delay = impairment.delay + delay;
                impairment.jitter = impairment.jitter + jitter;
            }
            Impair::Rate(rate) => impairment.rates.push(rate),
        }
    }

    /// A fault that impaired a link like this has ended.
    pub(super) fn repair(&mut self, from: HostId, to: HostId, how: Impair) {
        let link = self.link(from, to);
        self.draws[link].impaired -= 1;
        let impairment = &mut self.impairments[link];
        match how {
            Impair::Cut => impairment.cuts -= 1,
            Impair::Loss(percent) => impairment.loss -= u32::from(percent),
            Impair::Delay(delay, jitter) => {
                impairment.delay = Span(impairment.delay.0 - delay.0);
                impairment.jitter = Span(impairment.jitter.0 - jitter.0);
            }
            Impair::Rate(rate) => {
                let place = impairment.rates.iter().position(|r| *r == rate);
                impairment.rates.swap_remove(place.expect("the fault had slowed the link"));
            }
        }
    }

    const fn link(&self, from: HostId, to: HostId) -> usize {
        from.index() * self.nodes.len() + to.index()
    }

    #[cold]
    fn draw_key(&mut self, link: usize, from: HostId, to: HostId) {
        let (from, to) = (self.nodes[from.index()], self.nodes[to.index()]);
        let mut stream = Rng::named(self.seed, &format!("link {from}->{to}"));
        self.draws[link].key = stream.next_u64() | 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Impair, Links};
    use crate::base::ids::{BrokerId, NodeId};
    use crate::base::rng::Latency;
    use crate::base::time::{Span, Time};
    use crate::model::plan::{LinkPlan, NetworkPlan};
    use crate::sim::event::HostId;

    const A: HostId = HostId(0);
    const B: HostId = HostId(1);

    fn fixed(millis: u64) -> Latency {
        let span = Span::millis(millis);
        Latency { p50: Span(span.0 * 2), p99: Span(span.0 * 2), max: Span(span.0 * 2) }
    }

    fn links() -> Links {
        let nodes = vec![NodeId::Broker(BrokerId(1)), NodeId::Broker(BrokerId(2))];
        let slow =
            LinkPlan { from: nodes[..1].to_vec(), to: nodes[1..].to_vec(), latency: fixed(50) };
        let plan = NetworkPlan {
            latency: fixed(1),
            links: vec![slow],
            socket_buffer: 0,
            give_up: Span::secs(900),
        };
        Links::new(&plan, nodes, 7)
    }

    #[test]
    fn a_link_may_have_a_latency_of_its_own() {
        let mut links = links();
        assert!(links.latency(A, B) >= Span::millis(50));
        assert!(links.latency(B, A) <= Span::millis(2));
    }

    #[test]
    fn faults_on_a_link_add_up_and_end_one_by_one() {
        let mut links = links();
        links.impair(B, A, Impair::Cut);
        links.impair(B, A, Impair::Cut);
        links.repair(B, A, Impair::Cut);
        assert!(links.is_cut(B, A) && !links.is_cut(A, B));
        links.repair(B, A, Impair::Cut);
        assert!(!links.is_cut(B, A));

        links.impair(B, A, Impair::Delay(Span::secs(1), Span::ZERO));
        assert!(links.latency(B, A) >= Span::secs(1));
        links.repair(B, A, Impair::Delay(Span::secs(1), Span::ZERO));
        assert!(links.latency(B, A) <= Span::millis(2));
    }

    #[test]
    fn a_slow_link_sends_one_thing_after_the_other() {
        let mut links = links();
        links.impair(A, B, Impair::Rate(5_000));
        links.impair(A, B, Impair::Rate(1_000));
        assert_eq!(links.departure(A, B, Time(0), || 500), Time(0) + Span::millis(500));
        assert_eq!(links.departure(A, B, Time(0), || 500), Time(0) + Span::secs(1));
        links.repair(A, B, Impair::Rate(1_000));
        links.repair(A, B, Impair::Rate(5_000));
        assert_eq!(links.departure(A, B, Time(9), || 500), Time(9));
    }

    #[test]
    fn so_many_of_a_hundred_are_lost() {
        let mut links = links();
        links.impair(A, B, Impair::Loss(20));
        let lost = (0..10_000).filter(|_| links.loses(A, B)).count();
        assert!((1_800..2_200).contains(&lost), "{lost}");
    }
}
