//! The network by itself: hosts that listen (or do not), and nothing above them.

use crate::base::ids::{BrokerId, ConnectionId, NodeId};
use crate::base::rng::Latency;
use crate::base::time::{Span, Time};
use crate::kafka::ctx::CloseReason;
use crate::model::message::{Content, Lists, Message, MetadataRequest};
use crate::model::plan::NetworkPlan;
use crate::sim::event::{Event, HostId};
use crate::sim::flow::NetworkCtx;
use crate::sim::links::{Impair, Links};
use crate::sim::network::{Arrival, Network, Sent};
use crate::sim::queue::Queue;

const A: HostId = HostId(0);
const B: HostId = HostId(1);
const C0: ConnectionId = ConnectionId(0);
const C1: ConnectionId = ConnectionId(1);

/// What a host heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Opened,
    Got(u32),
    Closed(CloseReason),
}

struct Lab {
    network: Network,
    queue: Queue<Event>,
    lists: Lists,
    now: Time,
    listens: bool,
    /// In milliseconds.
    heard: Vec<(u64, HostId, ConnectionId, Heard)>,
}

/// Every latency is 1 to 2 ms.
fn lab() -> Lab {
    let nodes: Vec<NodeId> = (1..=3).map(|id| NodeId::Broker(BrokerId(id))).collect();
    let (p50, max) = (Span::millis(2), Span::millis(2));
    let plan = NetworkPlan {
        latency: Latency { p50, p99: max, max },
        links: Vec::new(),
        socket_buffer: 1_000,
        give_up: Span::secs(900),
    };
    let links = Links::new(&plan, nodes, 7);
    Lab {
        network: Network::new(&plan, links, 3),
        queue: Queue::new(),
        lists: Lists::default(),
        now: Time::ZERO,
        listens: true,
        heard: Vec::new(),
    }
}

impl Lab {
    fn net<R>(&mut self, act: impl FnOnce(&mut Network, &mut NetworkCtx<'_>) -> R) -> R {
        let (queue, lists) = (&mut self.queue, &mut self.lists);
        act(&mut self.network, &mut NetworkCtx { now: self.now, seq: 0, queue, lists })
    }

    fn open(&mut self, id: ConnectionId, timeout: u64) {
        let (now, timeout) = (self.now, Span::millis(timeout));
        self.net(|n, ctx| n.open(ctx, id, (A, B), now, timeout));
    }

    fn send(&mut self, id: ConnectionId, from: HostId, number: u32) -> Sent {
        let message =
            Message { correlation: number, content: Content::MetadataRequest(MetadataRequest {}) };
        let now = self.now;
        self.net(|n, ctx| n.send(ctx, id, from, message, now))
    }

    fn close(&mut self, id: ConnectionId, from: HostId) {
        let now = self.now;
        assert!(self.net(|n, ctx| n.close(ctx, id, from, now)));
    }

    fn cut(&mut self, from: HostId, to: HostId) {
        self.network.links.impair(from, to, Impair::Cut);
    }

    fn heal(&mut self, from: HostId, to: HostId) {
        self.network.links.repair(from, to, Impair::Cut);
        self.net(|n, ctx| n.retry_held(ctx));
    }

    fn hear(&mut self, host: HostId, id: u32, heard: Heard) {
        self.heard.push((self.now.as_millis(), host, ConnectionId(id), heard));
    }

    /// Lets time pass, in milliseconds; what was heard meanwhile.
    fn until(&mut self, millis: u64) -> Vec<(u64, HostId, ConnectionId, Heard)> {
        let end = Time::ZERO + Span::millis(millis);
        while self.queue.next_time().is_some_and(|next| next <= end) {
            let popped = self.queue.pop().expect("there is a next event");
            self.now = popped.time;
            self.happen(popped.event);
        }
        self.now = end;
        std::mem::take(&mut self.heard)
    }

    fn happen(&mut self, event: Event) {
        let listens = self.listens;
        match event {
            Event::Syn { conn, attempt } => self.net(|n, ctx| n.syn(ctx, conn, attempt)),
            Event::SynArrive { conn } => {
                if self.net(|n, ctx| n.syn_arrive(ctx, conn, |_| listens)) {
                    self.hear(B, conn.slot, Heard::Opened);
                }
            }
            Event::SetupTimeout { conn } => {
                if self.net(|n, ctx| n.setup_timeout(ctx, conn)) {
                    self.hear(A, conn.slot, Heard::Closed(CloseReason::SetupTimeout));
                }
            }
            Event::Arrive { slot, end, stamp } => {
                let Some(host) = self.network.receiver(slot, end, stamp) else { return };
                match self.net(|n, ctx| n.arrive(ctx, slot, end)) {
                    Arrival::Nothing => {}
                    Arrival::Opened { .. } => self.hear(host, slot, Heard::Opened),
                    Arrival::Message { .. } => {
                        let correlation = self.network.arrived.correlation;
                        self.hear(host, slot, Heard::Got(correlation));
                    }
                    Arrival::Closed { reason, .. } => {
                        self.hear(host, slot, Heard::Closed(reason));
                    }
                }
            }
            Event::Retransmit { conn, end } => {
                self.net(|n, ctx| n.retransmit(ctx, conn, end));
            }
            Event::GiveUp { conn, end } => self.net(|n, ctx| n.give_up(ctx, conn, end)),
            Event::Closed { conn, end, reason } => {
                let host = self.network.host(conn, end);
                if self.net(|n, ctx| n.closed(ctx, conn, end, reason)) {
                    let host = host.expect("it was there a moment ago");
                    self.hear(host, conn.slot, Heard::Closed(reason));
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn freed(&mut self) -> Vec<ConnectionId> {
        let mut freed = Vec::new();
        self.network.drain_freed(|id| freed.push(id));
        freed
    }
}

/// An open connection from A to B, at 100 ms.
fn opened() -> Lab {
    let mut lab = lab();
    lab.open(C0, 10_000);
    let heard = lab.until(100);
    let said: Vec<_> = heard.iter().map(|(_, host, _, heard)| (*host, *heard)).collect();
    assert_eq!(said, [(B, Heard::Opened), (A, Heard::Opened)]);
    lab
}

fn said(heard: &[(u64, HostId, ConnectionId, Heard)]) -> Vec<Heard> {
    heard.iter().map(|(.., heard)| *heard).collect()
}

#[test]
fn a_connection_keeps_order() {
    let mut lab = opened();
    for number in 0..100 {
        assert_eq!(lab.send(C0, A, number), Sent::OnItsWay { to: B });
    }
    let wanted: Vec<Heard> = (0..100).map(Heard::Got).collect();
    assert_eq!(said(&lab.until(110)), wanted);
}

#[test]
fn a_close_is_heard_after_everything_sent_before_it() {
    let mut lab = opened();
    lab.send(C0, A, 1);
    lab.send(C0, B, 2);
    lab.close(C0, A);
    assert_eq!(lab.send(C0, A, 3), Sent::Dropped);
    let heard = said(&lab.until(200));
    assert_eq!(heard, [Heard::Got(1), Heard::Closed(CloseReason::Peer)], "2 is lost");
    assert_eq!(lab.freed(), [C0]);
}

#[test]
fn held_bytes_go_on_when_tcp_next_retransmits() {
    let mut lab = opened();
    lab.cut(A, B);
    assert_eq!(lab.send(C0, A, 1), Sent::Held { to: B });
    assert_eq!(lab.send(C0, A, 2), Sent::Held { to: B });
    lab.send(C0, B, 7);
    assert_eq!(said(&lab.until(1_000)), [Heard::Got(7)], "the other direction is not cut");
    lab.heal(A, B);
    // Tries at 0.3, 0.7 and 1.5 s: the link is whole from 1.0 s on.
    let heard = lab.until(5_000);
    assert_eq!(said(&heard), [Heard::Got(1), Heard::Got(2)]);
    assert!((1_501..=1_502).contains(&heard[0].0), "{heard:?}");
}

#[test]
fn a_long_cut_may_last_twice_as_long_for_a_connection() {
    let mut lab = opened();
    lab.cut(A, B);
    lab.send(C0, A, 1);
    lab.until(30_100);
    lab.heal(A, B);
    let heard = lab.until(100_000);
    assert!((51_100..=51_102).contains(&heard[0].0), "{heard:?}");
}

#[test]
fn bytes_of_an_old_connection_arrive_after_a_new_one_was_opened() {
    let mut lab = opened();
    lab.cut(A, B);
    lab.send(C0, A, 1);
    lab.close(C0, A);
    lab.until(1_000);
    lab.heal(A, B);
    lab.open(C1, 10_000);
    let heard = lab.until(5_000);
    let at_b: Vec<_> = heard
        .iter()
        .filter(|(_, host, ..)| *host == B)
        .map(|(_, _, id, heard)| (*id, *heard))
        .collect();
    let late = (C0, Heard::Got(1));
    assert_eq!(at_b, [(C1, Heard::Opened), late, (C0, Heard::Closed(CloseReason::Peer))]);
}

#[test]
fn two_cuts_on_one_link_are_two() {
    let mut lab = opened();
    lab.cut(A, B);
    lab.cut(A, B);
    lab.send(C0, A, 1);
    lab.heal(A, B);
    assert!(lab.until(10_000).is_empty());
    lab.heal(A, B);
    assert_eq!(said(&lab.until(30_000)), [Heard::Got(1)]);
}

#[test]
fn tcp_gives_up_after_a_long_time_at_both_ends() {
    let mut lab = opened();
    lab.cut(A, B);
    lab.send(C0, A, 1);
    let heard = lab.until(2_000_000);
    assert_eq!(said(&heard), [Heard::Closed(CloseReason::GaveUp); 2]);
    assert_eq!(heard[0].0, 900_100);
    assert_eq!(lab.freed(), [C0]);
}

#[test]
fn syns_are_repeated_until_the_timeout() {
    // When the cut ends, and when the opener hears what.
    let cases = [
        (10, 1_000..=1_005, Heard::Opened),
        (500, 1_000..=1_005, Heard::Opened),
        (2_900, 3_000..=3_005, Heard::Opened),
        (3_500, 4_000..=4_005, Heard::Opened),
        (6_000, 7_000..=7_005, Heard::Opened),
        (8_000, 10_000..=10_000, Heard::Closed(CloseReason::SetupTimeout)),
    ];
    for one_way in [(A, B), (B, A)] {
        for (end, when, what) in cases.clone() {
            let mut lab = lab();
            lab.cut(one_way.0, one_way.1);
            lab.open(C0, 10_000);
            let mut heard = lab.until(end);
            lab.heal(one_way.0, one_way.1);
            heard.extend(lab.until(60_000));
            let at_a: Vec<_> = heard.into_iter().filter(|(_, host, ..)| *host == A).collect();
            assert_eq!(at_a.len(), 1, "{at_a:?}");
            assert_eq!(at_a[0].3, what, "a cut of {end} ms");
            assert!(when.contains(&at_a[0].0), "a cut of {end} ms: {at_a:?}");
        }
    }
}

#[test]
fn nobody_listening_refuses_after_a_round_trip() {
    let mut lab = lab();
    lab.listens = false;
    lab.open(C0, 10_000);
    let heard = lab.until(60_000);
    assert_eq!(said(&heard), [Heard::Closed(CloseReason::Refused)]);
    assert!(heard[0].0 <= 4 && heard[0].1 == A);
    assert_eq!(lab.freed(), [C0]);
}

#[test]
fn a_machine_without_power_does_not_answer() {
    let mut lab = lab();
    lab.net(|n, ctx| n.power_lost(ctx, B));
    lab.open(C0, 10_000);
    assert_eq!(said(&lab.until(60_000)), [Heard::Closed(CloseReason::SetupTimeout)]);
}

#[test]
fn a_killed_process_resets_its_connections() {
    let mut lab = opened();
    lab.send(C0, B, 1);
    lab.send(C0, A, 2);
    lab.net(|n, ctx| n.process_gone(ctx, B, CloseReason::Reset));
    let heard = lab.until(1_000);
    assert_eq!(said(&heard), [Heard::Got(1), Heard::Closed(CloseReason::Reset)]);
    assert!(heard[1].0 <= 104, "one latency later: {heard:?}");
    assert_eq!(lab.freed(), [C0]);
}

#[test]
fn after_a_power_loss_peers_hear_nothing_until_the_machine_refuses_their_bytes() {
    let mut lab = opened();
    lab.net(|n, ctx| n.power_lost(ctx, B));
    assert_eq!(lab.send(C0, A, 1), Sent::Held { to: B });
    assert!(lab.until(20_000).is_empty());
    lab.net(|n, ctx| n.power_back(ctx, B));
    let heard = lab.until(60_000);
    assert_eq!(said(&heard), [Heard::Closed(CloseReason::Reset)]);
    // Tries at 12.6 and 25.4 s after the first one at 0.1 s.
    assert!((25_501..=25_506).contains(&heard[0].0), "{heard:?}");
    assert_eq!(lab.freed(), [C0]);
}

#[test]
fn bytes_on_the_wire_at_a_power_loss_wait_for_the_machine_too() {
    let mut lab = opened();
    assert_eq!(lab.send(C0, A, 1), Sent::OnItsWay { to: B });
    lab.net(|n, ctx| n.power_lost(ctx, B));
    assert!(lab.until(500).is_empty());
    lab.net(|n, ctx| n.power_back(ctx, B));
    assert_eq!(said(&lab.until(2_000)), [Heard::Closed(CloseReason::Reset)]);
}

#[test]
fn a_reset_is_heard_at_both_ends_and_nothing_arrives() {
    let mut lab = opened();
    lab.send(C0, A, 1);
    lab.net(|n, ctx| n.reset(ctx, |from, _| from == B));
    let heard = lab.until(1_000);
    assert_eq!(said(&heard), [Heard::Closed(CloseReason::Reset); 2]);
    assert_eq!(lab.freed(), [C0]);
}

#[test]
fn lost_segments_stall_a_connection_and_keep_its_order() {
    let mut lab = opened();
    lab.network.links.impair(A, B, Impair::Loss(30));
    let mut heard = Vec::new();
    for number in 0..50 {
        lab.send(C0, A, number);
        heard.extend(lab.until(100 + 20 * u64::from(number)));
    }
    heard.extend(lab.until(500_000));
    assert_eq!(said(&heard), (0..50).map(Heard::Got).collect::<Vec<_>>());
    assert!(heard.windows(2).any(|pair| pair[1].0 - pair[0].0 >= 180), "{heard:?}");
}

#[test]
fn what_exceeds_the_socket_buffer_comes_a_round_trip_after_the_reader_goes_on() {
    let mut lab = opened();
    for number in 0..20 {
        lab.send(C0, A, number);
    }
    // The reader is frozen: whoever drives the network leaves the first arrival alone.
    let mut first = None;
    while lab.queue.next_time().is_some_and(|next| next.as_millis() < 1_000) {
        let popped = lab.queue.pop().expect("there is a next event");
        if matches!(popped.event, Event::Arrive { .. }) {
            first = Some(popped.event);
        } else {
            lab.happen(popped.event);
        }
    }
    lab.now = Time::ZERO + Span::secs(1);
    lab.net(|n, ctx| n.reads_again(ctx, B));
    lab.happen(first.expect("something has arrived"));
    let heard = lab.until(2_000);
    let early = heard.iter().filter(|(at, ..)| *at == 1_000).count();
    assert_eq!((heard.len(), early), (20, 11), "1,000 bytes behind the first: {heard:?}");
    assert!(heard.iter().all(|(at, ..)| *at <= 1_004));
}

#[test]
fn a_close_waits_for_messages_in_a_lane() {
    let mut lab = opened();
    lab.send(C0, A, 1);
    lab.close(C0, A);
    let conn = crate::sim::event::ConnRef { slot: 0, generation: 0 };
    lab.network.queued(conn, 1);
    assert_eq!(said(&lab.until(200)), [Heard::Got(1)]);
    assert!(lab.network.unqueued(conn, 1), "the message may still be handled");
    assert_eq!(
        lab.net(|n, ctx| n.close_told(ctx, conn, 1)),
        Some(CloseReason::Peer),
        "and then the close is told"
    );
    assert!(!lab.network.unqueued(conn, 1));
    assert_eq!(lab.freed(), [C0]);
}
