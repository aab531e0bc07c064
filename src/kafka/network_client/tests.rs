//! A channel by hand: what it opens, closes and waits for.

use super::{Answered, ChannelId, ChannelTerms, LeastLoaded, NetworkClient, Owner, Peer, Thread};
use crate::base::ids::{BrokerId, ConnectionId, NodeId};
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::ctx::{Ctx, Effects};
use crate::kafka::timers::{BrokerTimer, Timer};
use crate::model::body::Bodies;
use crate::model::message::{Lists, MetadataRequest};
use crate::model::rules::Rules;

const LEADER: Peer = Peer::Broker(BrokerId(1));
const COORDINATOR: Peer = Peer::Coordinator(BrokerId(1));

#[derive(Clone, Debug)]
struct Tester(Thread, bool);

impl Owner for Tester {
    type Request = u8;

    fn terms(&self, _: Peer) -> ChannelTerms {
        ChannelTerms {
            request_timeout: Span::secs(30),
            reconnect_backoff: Span::millis(50),
            reconnect_backoff_max: Span::secs(1),
            setup_timeout: Span::secs(10),
            setup_timeout_max: Span::secs(30),
            max_in_flight: 2,
            thread: self.0,
            discovers_versions: self.1,
        }
    }

    fn request_timeout(&self, channel: ChannelId) -> Timer {
        BrokerTimer::RequestTimeout(channel).into()
    }

    fn reconnect(&self, channel: ChannelId) -> Timer {
        BrokerTimer::Reconnect(channel).into()
    }
}

/// The channels and what their owner would be handed.
struct Bench {
    client: NetworkClient<Tester>,
    now: Time,
    rng: Rng,
    rules: Rules,
    bodies: Bodies,
    lists: Lists,
    effects: Effects,
}

impl Bench {
    fn new(thread: Thread) -> Self {
        Self {
            client: NetworkClient::new(Tester(thread, false)),
            now: Time(1_000_000_000),
            rng: Rng::named(1, "channels"),
            rules: Rules::default(),
            bodies: Bodies::default(),
            lists: Lists::default(),
            effects: Effects::default(),
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut NetworkClient<Tester>, &mut Ctx<'_>) -> T) -> T {
        let mut ctx = Ctx {
            wall: self.now,
            monotonic: self.now,
            rng: &mut self.rng,
            rules: &self.rules,
            bodies: &mut self.bodies,
            lists: &mut self.lists,
            effects: &mut self.effects,
            wants_facts: false,
            wants_trace: false,
        };
        act(&mut self.client, &mut ctx)
    }

    fn connect(&mut self, peer: Peer) -> Option<(ConnectionId, NodeId, Span)> {
        assert!(!self.with(|client, ctx| client.ready(peer, ctx)));
        self.effects.opens.pop()
    }

    fn open(&mut self, peer: Peer) -> ConnectionId {
        let (connection, ..) = self.connect(peer).expect("a connection is asked for");
        assert_eq!(self.client.of_connection(connection), Some(peer));
        assert!(self.with(|client, ctx| client.opened(peer, ctx)));
        connection
    }

    fn send(&mut self, peer: Peer, request: u8) {
        assert!(self.client.can_send(peer));
        self.with(|client, ctx| client.send(peer, MetadataRequest {}.into(), request, ctx));
    }

    fn lose(&mut self, peer: Peer) -> Vec<u8> {
        let mut failed = Vec::new();
        self.with(|client, ctx| client.lost(peer, &mut failed, ctx));
        failed
    }

    /// The last timer that was set, and for how long.
    fn last_timer(&mut self) -> (Timer, Span) {
        let (timer, after) = self.effects.timers.pop().expect("a timer is set");
        (timer, after.expect("it is set, not cancelled"))
    }
}

#[test]
fn a_coordinator_has_a_connection_of_its_own() {
    let mut bench = Bench::new(Thread::Wakes);
    let leader = bench.open(LEADER);
    let coordinator = bench.open(COORDINATOR);
    assert_ne!(leader, coordinator, "both lead to broker 1");
    bench.send(LEADER, 1);
    bench.send(COORDINATOR, 2);
    assert_eq!(bench.lose(LEADER), [1]);
    assert!(bench.client.can_send(COORDINATOR), "the other connection stands");
    assert_eq!(bench.client.answered(COORDINATOR, 0), Answered::Request(2));
}

#[test]
fn each_lost_connection_is_waited_for_longer_until_one_stands() {
    let mut bench = Bench::new(Thread::Wakes);
    for losses in 0..10 {
        bench.now += Span::secs(2);
        bench.connect(LEADER).expect("a connection is asked for");
        bench.lose(LEADER);
        let (timer, wait) = bench.last_timer();
        assert_eq!(timer, BrokerTimer::Reconnect(ChannelId(0)).into());
        let term = Span::millis(50).scaled(1 << losses, 1).min(Span::secs(1));
        let high = term.scaled(6, 5).min(Span::secs(1));
        assert!(term.scaled(4, 5) <= wait && wait <= high, "{losses}: {wait:?}");
        assert_eq!(bench.connect(LEADER), None, "not before the back-off is over");
        assert!(bench.client.is_busy(LEADER, bench.now));
    }
    bench.now += Span::secs(2);
    bench.open(LEADER);
    bench.lose(LEADER);
    assert!(bench.last_timer().1 <= Span::millis(60), "it stood, so the wait is short again");
}

#[test]
fn set_ups_that_fail_are_given_more_time() {
    let mut bench = Bench::new(Thread::Wakes);
    let mut last = Span::ZERO;
    for (low, high) in [(8, 12), (16, 24), (24, 30)] {
        let (_, _, patience) = bench.connect(LEADER).expect("a connection is asked for");
        assert!(Span::secs(low) <= patience && patience <= Span::secs(high), "{patience:?}");
        assert!(patience > last);
        last = patience;
        bench.lose(LEADER);
        bench.now += Span::secs(2);
    }
    bench.open(LEADER);
    bench.lose(LEADER);
    bench.now += Span::secs(2);
    let (_, _, patience) = bench.connect(LEADER).expect("a connection is asked for");
    assert!(patience <= Span::secs(12), "it was open once: {patience:?}");
}

#[test]
fn a_request_that_is_too_old_takes_its_connection_along() {
    let mut bench = Bench::new(Thread::Wakes);
    bench.open(LEADER);
    bench.send(LEADER, 1);
    let (timer, limit) = bench.last_timer();
    let channel = ChannelId(timer.slot().1);
    bench.now += Span::secs(10);
    bench.send(LEADER, 2);
    assert!(!bench.client.can_send(LEADER), "as many as may be in flight");
    assert_eq!(bench.client.answered(LEADER, 0), Answered::Request(1));
    bench.now += limit - Span::secs(10);
    assert_eq!(bench.with(|client, ctx| client.check_timeout(channel, ctx)), None);
    assert_eq!(bench.last_timer(), (timer, Span::secs(10)), "the second one is 20 s old");
    bench.now += Span::secs(10);
    assert_eq!(bench.with(|client, ctx| client.check_timeout(channel, ctx)), Some(LEADER));
    assert_eq!(bench.effects.closes.len(), 1);
    assert_eq!(bench.lose(LEADER), [2]);
}

#[test]
fn a_thread_that_blocks_looks_once_more_when_a_request_is_just_as_old_as_allowed() {
    let mut bench = Bench::new(Thread::Blocks);
    bench.open(LEADER);
    bench.send(LEADER, 1);
    let (timer, limit) = bench.last_timer();
    let channel = ChannelId(timer.slot().1);
    bench.now += limit;
    assert_eq!(bench.with(|client, ctx| client.check_timeout(channel, ctx)), None);
    assert_eq!(bench.last_timer(), (timer, limit));
    bench.now += limit;
    assert_eq!(bench.with(|client, ctx| client.check_timeout(channel, ctx)), Some(LEADER));
}

#[test]
fn the_least_loaded_broker_is_ready_and_has_the_fewest_requests_in_flight() {
    let mut bench = Bench::new(Thread::Wakes);
    let choose = |bench: &mut Bench| bench.with(|client, ctx| client.least_loaded(2, ctx));
    assert!(matches!(choose(&mut bench), LeastLoaded::Connect(_)), "nobody was tried yet");
    bench.connect(LEADER);
    assert_eq!(choose(&mut bench), LeastLoaded::Wait);
    bench.with(|client, ctx| client.opened(LEADER, ctx));
    bench.open(Peer::Broker(BrokerId(2)));
    bench.send(LEADER, 1);
    assert_eq!(choose(&mut bench), LeastLoaded::Ready(BrokerId(2)));
    bench.lose(Peer::Broker(BrokerId(2)));
    assert_eq!(choose(&mut bench), LeastLoaded::Ready(BrokerId(1)));
    bench.lose(LEADER);
    assert_eq!(choose(&mut bench), LeastLoaded::Nobody, "both back off");
}

#[test]
fn nothing_is_sent_before_the_answer_to_the_first_request() {
    let mut bench = Bench::new(Thread::Wakes);
    bench.client.owner.1 = true;
    let (connection, ..) = bench.connect(LEADER).expect("a connection is asked for");
    assert!(!bench.with(|client, ctx| client.opened(LEADER, ctx)));
    let sent: Vec<_> = bench.effects.sends.drain(..).collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, connection);
    assert_eq!(sent[0].1.content.name(), "ApiVersions");
    assert!(!bench.client.can_send(LEADER) && bench.client.is_busy(LEADER, bench.now));
    assert!(!bench.client.awaits_answer(LEADER), "the owner has asked nothing");
    assert_eq!(bench.with(|client, ctx| client.least_loaded(1, ctx)), LeastLoaded::Wait);
    assert_eq!(bench.client.answered(LEADER, sent[0].1.correlation), Answered::Ready);
    bench.send(LEADER, 1);
}

#[test]
fn a_process_that_does_not_answer_the_first_request_is_left() {
    let mut bench = Bench::new(Thread::Wakes);
    bench.client.owner.1 = true;
    for losses in 0..3 {
        bench.now += Span::secs(2);
        bench.connect(LEADER).expect("a connection is asked for");
        bench.with(|client, ctx| client.opened(LEADER, ctx));
        let (timer, limit) = bench.last_timer();
        bench.now += limit;
        let channel = ChannelId(timer.slot().1);
        assert_eq!(bench.with(|client, ctx| client.check_timeout(channel, ctx)), Some(LEADER));
        assert!(bench.lose(LEADER).is_empty(), "the owner's requests were never sent");
        let (_, wait) = bench.last_timer();
        assert!(wait >= Span::millis(40 << losses), "it was never ready: the wait grows");
    }
}
