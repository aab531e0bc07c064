//! Connections of a broker: its own channels to others, and the inboxes of those who came.
//!
//! A [`Link`] follows `NetworkClient.java` with one request in flight, as
//! `NodeToControllerChannel`, the Raft observer and a replica fetcher use it. An [`Inbox`] follows
//! `SocketServer.scala`: the channel is muted until the response is sent. Neither knows what the
//! messages say.

use std::collections::VecDeque;

use crate::base::ids::{BrokerId, ConnectionId, NodeId};
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::backoff;
use crate::kafka::broker::purgatory::Ticket;
use crate::kafka::ctx::{Ctx, Timer, TimerKind};
use crate::model::config::BrokerConfig;
use crate::model::message::{Content, Message};

/// The broker's own channels, as places in one list.
pub(super) const HEARTBEAT: usize = 0;
/// AlterPartition: the channel `alter-partition`, without end to its patience.
pub(super) const CONTROLLER: usize = 1;
/// The metadata log.
pub(super) const METADATA: usize = 2;
/// AllocateProducerIds: the channel `forwarding` of `BrokerServer.scala`.
pub(super) const FORWARDING: usize = 3;
/// AssignReplicasToDirs: its channel `directory-assignments`.
pub(super) const DIRECTORIES: usize = 4;
/// Replica fetchers, one per leader, begin here.
const FETCHERS: usize = 5;

/// The place of the fetcher channel to a leader.
pub(super) const fn fetcher_link(leader: BrokerId) -> usize {
    FETCHERS + leader.index()
}

/// Which leader a channel fetches from.
pub(super) const fn fetched_leader(link: usize) -> Option<BrokerId> {
    if link >= FETCHERS { Some(BrokerId::at(link - FETCHERS)) } else { None }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No connection.
    Closed,
    /// No connection until the reconnect timer fires.
    BackingOff,
    /// Asked for.
    Opening(ConnectionId),
    /// Ready.
    Open(ConnectionId),
}

/// How a channel behaves; see `channel_terms`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How long a request may be in flight.
    pub(super) request_timeout: Span,
    /// Back-off before the first reconnect.
    pub(super) backoff: Span,
    /// Largest back-off.
    pub(super) backoff_max: Span,
    /// How long connecting may take at first.
    pub(super) setup: Span,
    /// How long it may take after many attempts that failed.
    pub(super) setup_max: Span,
    /// Whether the thread sleeps in `NetworkClient.poll` until something comes or as long as a
    /// request may take, and so looks at time-outs no sooner.
    pub(super) blocks: bool,
}

impl Terms {
    /// What Kafka gives the channel at this place.
    pub(super) fn of(link: usize, config: &BrokerConfig) -> Self {
        let (request_timeout, backoff_max) = match link {
            // Its `retryTimeoutMs` is one heartbeat interval (`BrokerServer.startup` of 3.9.2 and
            // 4.1.1; half a session in the source of 2024, KAFKA-14392).
            HEARTBEAT => (
                config.controller_socket_timeout.min(config.heartbeat_interval),
                config.reconnect_backoff,
            ),
            CONTROLLER | FORWARDING | DIRECTORIES => {
                (config.controller_socket_timeout, config.reconnect_backoff)
            }
            // `KafkaRaftManager.scala`: 50 to 500 ms.
            METADATA => (config.quorum_request_timeout, config.reconnect_backoff.scaled(10, 1)),
            // `BrokerBlockingSender.scala`: none; the fetcher backs its partitions off instead.
            _ => (config.replica_socket_timeout, Span::ZERO),
        };
        Self {
            request_timeout,
            backoff: config.reconnect_backoff,
            backoff_max,
            setup: config.connection_setup_timeout,
            setup_max: config.connection_setup_timeout_max,
            blocks: link >= FETCHERS,
        }
    }

    /// How long the next connection attempt may take after so many that failed in a row
    /// (`ClusterConnectionStates.updateConnectionSetupTimeout`). The thread of a channel sleeps in
    /// `NetworkClient.poll` for at most a request's time-out and gives up when it wakes, so after a
    /// whole number of them. A fetcher sleeps for all of its one (`NetworkClientUtils.awaitReady`).
    fn patience(&self, failures: u32, rng: &mut Rng) -> Span {
        if self.blocks {
            return self.request_timeout;
        }
        let term = backoff::exponential(self.setup, self.setup_max, failures, rng);
        let look = self.request_timeout.0.max(1);
        if look < term.0 { Span(term.0.div_ceil(look).saturating_mul(look)) } else { term }
    }
}

/// A channel to another node with at most one request in flight.
#[derive(Clone, Debug)]
pub(super) struct Link {
    place: usize,
    to: NodeId,
    terms: Terms,
    state: State,
    /// Connection attempts that failed in a row.
    failures: u32,
    in_flight: Option<u32>,
    next_correlation: u32,
    /// When the request in flight was sent.
    sent: Time,
    /// Whether the time-out timer is set: it is re-armed lazily.
    armed: bool,
}

impl Link {
    pub(super) const fn new(place: usize, to: NodeId, terms: Terms) -> Self {
        Self {
            place,
            to,
            terms,
            state: State::Closed,
            failures: 0,
            in_flight: None,
            next_correlation: 0,
            sent: Time::ZERO,
            armed: false,
        }
    }

    /// Turns to another node from the next connection on.
    pub(super) const fn turn_to(&mut self, to: NodeId) {
        self.to = to;
    }

    /// Whether a request is in flight, or the connection is on its way.
    pub(super) const fn is_busy(&self) -> bool {
        match self.state {
            State::Open(_) => self.in_flight.is_some(),
            State::Opening(_) | State::BackingOff => true,
            State::Closed => false,
        }
    }

    /// Whether a request was sent that has not been answered.
    pub(super) const fn awaits_answer(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether a request may be sent now; if there is no connection, begins to open one. Gives the
    /// connection it has asked for.
    pub(super) fn ready(&mut self, ctx: &mut Ctx<'_>) -> Readiness {
        match self.state {
            State::Open(_) if self.in_flight.is_none() => Readiness::Ready,
            State::Closed => {
                let patience = self.terms.patience(self.failures, ctx.rng);
                let connection = ctx.open(self.to, patience);
                self.state = State::Opening(connection);
                Readiness::Opening(connection)
            }
            _ => Readiness::Busy,
        }
    }

    /// Sends a request; the channel must be ready.
    pub(super) fn send(&mut self, content: Content, ctx: &mut Ctx<'_>) {
        let State::Open(connection) = self.state else {
            debug_assert!(false, "a request on a channel that is not open");
            return;
        };
        self.next_correlation = self.next_correlation.wrapping_add(1);
        self.in_flight = Some(self.next_correlation);
        self.sent = ctx.monotonic();
        ctx.send(connection, self.next_correlation, content);
        if !self.armed {
            self.armed = true;
            ctx.set(Timer::nth(TimerKind::RequestTimeout, self.place), self.terms.request_timeout);
        }
    }

    /// A response arrived: whether it answers the request in flight.
    pub(super) fn answered(&mut self, correlation: u32) -> bool {
        let expected = self.in_flight == Some(correlation);
        if expected {
            self.in_flight = None;
        }
        expected
    }

    /// The connection is open.
    pub(super) fn opened(&mut self, connection: ConnectionId) {
        if self.state == State::Opening(connection) {
            self.state = State::Open(connection);
            self.failures = 0;
        }
    }

    /// The connection is gone, or could not be opened; what was in flight has an unknown fate.
    pub(super) fn closed(&mut self, ctx: &mut Ctx<'_>) {
        if matches!(self.state, State::Opening(_)) {
            self.failures += 1;
        }
        self.in_flight = None;
        let Terms { backoff, backoff_max, .. } = self.terms;
        let backoff = backoff::exponential(backoff, backoff_max, self.failures, ctx.rng);
        if backoff == Span::ZERO {
            self.state = State::Closed;
        } else {
            self.state = State::BackingOff;
            ctx.set(Timer::nth(TimerKind::Reconnect, self.place), backoff);
        }
    }

    /// Closes the connection, if there is one. Gives it back, to be forgotten.
    pub(super) fn close(&mut self, ctx: &mut Ctx<'_>) -> Option<ConnectionId> {
        let connection = match self.state {
            State::Opening(connection) | State::Open(connection) => connection,
            State::Closed | State::BackingOff => return None,
        };
        ctx.close(connection);
        self.closed(ctx);
        Some(connection)
    }

    /// Closes the connection and forgets how it fared: its thread ends, and a later one has a
    /// client of its own. Gives the connection back, to be forgotten.
    pub(super) fn retire(&mut self, ctx: &mut Ctx<'_>) -> Option<ConnectionId> {
        let connection = self.close(ctx);
        self.failures = 0;
        connection
    }

    /// The back-off is over.
    pub(super) fn may_reconnect(&mut self) {
        if self.state == State::BackingOff {
            self.state = State::Closed;
        }
    }

    /// The time-out timer fired: whether the request in flight is too old. Otherwise the timer is
    /// set again if there still is one. What is exactly as old as allowed is not too old
    /// (`InFlightRequests.hasExpiredRequest`), which a thread that blocks learns at its next look.
    pub(super) fn timed_out(&mut self, ctx: &mut Ctx<'_>) -> bool {
        self.armed = false;
        if self.in_flight.is_none() {
            return false;
        }
        let (age, limit) = (ctx.monotonic().since(self.sent), self.terms.request_timeout);
        let left = match limit.0.saturating_sub(age.0) {
            0 if self.terms.blocks && age < limit + Span::millis(1) => limit,
            0 => return true,
            left => Span(left),
        };
        self.armed = true;
        ctx.set(Timer::nth(TimerKind::RequestTimeout, self.place), left);
        false
    }
}

/// What a channel says when asked to carry a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Send.
    Ready,
    /// A connection has just been asked for.
    Opening(ConnectionId),
    /// Something is under way; it will be heard of.
    Busy,
}

/// A request that waits without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parked {
    /// For the high watermark.
    Produce(Ticket),
    /// For data.
    Fetch(Ticket),
}

/// A connection that somebody opened to this broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    /// One request is being processed: later ones wait.
    pub(super) muted: bool,
    /// What is parked on its behalf.
    pub(super) parked: Option<Parked>,
    /// Requests that came meanwhile, with their parts kept.
    pub(super) queue: VecDeque<Message>,
}

/// What a connection is to this broker.
#[derive(Clone, Debug, Default)]
pub(super) enum End {
    /// Nothing (any more).
    #[default]
    Unknown,
    /// One of its own channels.
    Link(usize),
    /// Somebody else's.
    Inbox(Inbox),
}

/// All connections by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections {
    ends: Vec<End>,
}

impl Connections {
    /// What this connection is.
    pub(super) fn end(&mut self, connection: ConnectionId) -> &mut End {
        let place = connection.0 as usize;
        if self.ends.len() <= place {
            self.ends.resize_with(place + 1, End::default);
        }
        &mut self.ends[place]
    }

    /// The inbox of this connection, if it is one.
    pub(super) fn inbox(&mut self, connection: ConnectionId) -> Option<&mut Inbox> {
        match self.ends.get_mut(connection.0 as usize) {
            Some(End::Inbox(inbox)) => Some(inbox),
            _ => None,
        }
    }

    /// Forgets a connection and says what it was.
    pub(super) fn forget(&mut self, connection: ConnectionId) -> End {
        self.ends.get_mut(connection.0 as usize).map(std::mem::take).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{CONTROLLER, FETCHERS, HEARTBEAT, Terms};
    use crate::base::rng::Rng;
    use crate::base::time::Span;
    use crate::model::config::BrokerConfig;

    #[test]
    fn a_thread_gives_up_connecting_when_it_wakes() {
        let config = BrokerConfig::default();
        let mut rng = Rng::named(1, "patience");
        let mut patience = |link, failures| {
            let terms = Terms::of(link, &config);
            let mut draws: Vec<Span> =
                (0..200).map(|_| terms.patience(failures, &mut rng)).collect();
            draws.sort_unstable();
            (draws[0], draws[199])
        };
        let secs = |low, high| (Span::secs(low), Span::secs(high));
        assert_eq!(patience(HEARTBEAT, 0), secs(10, 12), "10 s ± 20 %, and it wakes each 2 s");
        assert_eq!(patience(HEARTBEAT, 1), secs(18, 24));
        assert_eq!(patience(HEARTBEAT, 9), secs(26, 30), "30 s − 20 %, never more than 30 s");
        let (low, high) = patience(CONTROLLER, 0);
        assert!(low >= Span::secs(8) && low < Span::secs(9) && high <= Span::secs(12));
        assert_eq!(patience(FETCHERS, 0), secs(30, 30));
    }
}
