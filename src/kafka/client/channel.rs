//! A client's connections, one per broker, and the requests in flight on them.
//!
//! Follows `NetworkClient.java`, `ClusterConnectionStates.java` and `InFlightRequests.java`:
//! connect on demand, wait before connecting again, close a connection whose oldest request is too
//! old and fail everything in flight on it. Does not know what the requests are about.
//!
//! Until the first metadata answer the brokers are bootstrap servers, and Kafka never uses such a
//! connection again once it knows the brokers by their numbers; here it is closed then, so that the
//! connections of a client are those to brokers it had a reason to talk to.

use std::collections::VecDeque;

use crate::base::ids::{BrokerId, ConnectionId, NodeId};
use crate::base::time::{Span, Time};
use crate::kafka::backoff;
use crate::kafka::ctx::{Ctx, Timer, TimerKind};
use crate::model::config::ClientConfig;
use crate::model::message::Content;

/// What a request in flight was for. `place` is the asker's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Batches, linked through the accumulator from this one on.
    Produce { first_batch: u32 },
    /// Metadata.
    Metadata,
    /// A producer id.
    InitProducerId,
    /// A fetch.
    Fetch,
    /// ListOffsets of an assigned partition.
    ListOffsets { place: u16 },
    /// OffsetsForLeaderEpoch of an assigned partition.
    OffsetsForLeaderEpoch { place: u16 },
}

/// A request in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    correlation: u32,
    sent: Time,
    /// What it was for.
    pub(super) request: Request,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Closed { not_before: Time },
    Connecting(ConnectionId),
    Ready(ConnectionId),
}

#[derive(Clone, Debug)]
struct Channel {
    link: Link,
    /// Connections lost since the last success: paces reconnecting.
    losses: u32,
    /// Set-ups that failed in a row: lengthens the next set-up time-out.
    failed_setups: u32,
    last_attempt: Option<Time>,
    next_correlation: u32,
    in_flight: VecDeque<InFlight>,
    timeout_armed: bool,
}

/// Where a request that any broker can answer may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeastLoaded {
    /// To this broker, now.
    Ready(usize),
    /// A connection is being opened; wait for it.
    Wait,
    /// To this broker, once a connection is open.
    Connect(usize),
    /// No broker may be tried yet.
    Nobody,
}

/// All connections of one client.
#[derive(Clone, Debug)]
pub(super) struct Channels {
    config: ClientConfig,
    channels: Vec<Channel>,
    /// The channel for which a connection was opened last, by connection id.
    opened_for: Vec<u16>,
    max_in_flight: usize,
    /// Timer index of the first channel, so that two clients of a process do not collide.
    first_timer: usize,
    bootstrap: Bootstrap,
}

/// The connection made before the brokers were known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bootstrap {
    Active,
    Draining,
    Over,
}

impl Channels {
    /// No connection yet.
    pub(super) fn new(
        config: ClientConfig,
        brokers: u16,
        max_in_flight: u32,
        first_timer: usize,
    ) -> Self {
        let channel = Channel {
            link: Link::Closed { not_before: Time::ZERO },
            losses: 0,
            failed_setups: 0,
            last_attempt: None,
            next_correlation: 0,
            in_flight: VecDeque::new(),
            timeout_armed: false,
        };
        Self {
            config,
            channels: vec![channel; usize::from(brokers)],
            opened_for: Vec::new(),
            max_in_flight: max_in_flight as usize,
            first_timer,
            bootstrap: Bootstrap::Active,
        }
    }

    /// The channel that this timer belongs to, if it is one of this client.
    pub(super) fn of_timer(&self, timer: Timer) -> Option<usize> {
        let place = usize::from(timer.index).checked_sub(self.first_timer)?;
        (place < self.channels.len()).then_some(place)
    }

    /// The channel of a connection, if it is one of this client.
    pub(super) fn of_connection(&self, connection: ConnectionId) -> Option<usize> {
        let at = usize::from(*self.opened_for.get(connection.0 as usize)?);
        match self.channels.get(at)?.link {
            Link::Connecting(id) | Link::Ready(id) => (id == connection).then_some(at),
            Link::Closed { .. } => None,
        }
    }

    /// Whether a request can be sent now.
    pub(super) fn can_send(&self, at: usize) -> bool {
        let channel = &self.channels[at];
        matches!(channel.link, Link::Ready(_)) && channel.in_flight.len() < self.max_in_flight
    }

    /// Opens a connection, unless there is one or the back-off forbids it.
    pub(super) fn connect(&mut self, at: usize, ctx: &mut Ctx<'_>) {
        let now = ctx.monotonic();
        let channel = &mut self.channels[at];
        let Link::Closed { not_before } = channel.link else { return };
        if not_before > now {
            return;
        }
        let (initial, max) =
            (self.config.connection_setup_timeout, self.config.connection_setup_timeout_max);
        let setup = backoff::exponential(initial, max, channel.failed_setups, ctx.rng);
        let connection = ctx.open(NodeId::Broker(BrokerId::at(at)), setup);
        channel.link = Link::Connecting(connection);
        channel.last_attempt = Some(now);
        let place = connection.0 as usize;
        if place >= self.opened_for.len() {
            self.opened_for.resize(place + 1, u16::MAX);
        }
        self.opened_for[place] = at as u16;
    }

    /// The connection is open.
    pub(super) fn opened(&mut self, at: usize) {
        let channel = &mut self.channels[at];
        if let Link::Connecting(connection) = channel.link {
            channel.link = Link::Ready(connection);
            channel.losses = 0;
            channel.failed_setups = 0;
        }
    }

    /// Sends a request and remembers what it was for.
    ///
    /// # Panics
    /// If [`Channels::can_send`] was not asked first.
    pub(super) fn send(
        &mut self,
        at: usize,
        content: Content,
        request: Request,
        ctx: &mut Ctx<'_>,
    ) {
        let correlation = self.post(at, content, ctx);
        let channel = &mut self.channels[at];
        channel.in_flight.push_back(InFlight { correlation, sent: ctx.monotonic(), request });
        // The slot is armed once and looked at when it fires: most requests never need it.
        if !channel.timeout_armed {
            channel.timeout_armed = true;
            ctx.set(self.timer(TimerKind::RequestTimeout, at), self.config.request_timeout);
        }
    }

    /// Sends a request that nobody answers (acks=0).
    ///
    /// # Panics
    /// If [`Channels::can_send`] was not asked first.
    pub(super) fn post(&mut self, at: usize, content: Content, ctx: &mut Ctx<'_>) -> u32 {
        let channel = &mut self.channels[at];
        let Link::Ready(connection) = channel.link else {
            panic!("a request needs an open connection")
        };
        let correlation = channel.next_correlation;
        channel.next_correlation = correlation.wrapping_add(1);
        ctx.send(connection, correlation, content);
        correlation
    }

    /// The request that an answer belongs to; `None` if nobody waits for it.
    pub(super) fn answered(&mut self, at: usize, correlation: u32) -> Option<Request> {
        let queue = &mut self.channels[at].in_flight;
        let place = queue.iter().position(|r| r.correlation == correlation)?;
        queue.remove(place).map(|r| r.request)
    }

    /// The connection is gone: hands over what was in flight, oldest first. The next try waits
    /// longer, and is waited for longer if this one failed, however it did
    /// (`ClusterConnectionStates.disconnected`).
    pub(super) fn lost(&mut self, at: usize, ctx: &mut Ctx<'_>, failed: &mut Vec<Request>) {
        let channel = &mut self.channels[at];
        failed.extend(channel.in_flight.drain(..).map(|r| r.request));
        let (initial, max) = (self.config.reconnect_backoff, self.config.reconnect_backoff_max);
        let wait = backoff::exponential(initial, max, channel.losses, ctx.rng);
        channel.losses += 1;
        let connecting = matches!(channel.link, Link::Connecting(_));
        channel.failed_setups = if connecting { channel.failed_setups + 1 } else { 0 };
        channel.last_attempt = Some(ctx.monotonic());
        channel.link = Link::Closed { not_before: ctx.monotonic() + wait };
        ctx.set(self.timer(TimerKind::Reconnect, at), wait);
    }

    /// The time-out slot fired: closes the connection if its oldest request is too old, else looks
    /// again when it would be. Says whether it was closed; [`Channels::lost`] is to follow.
    pub(super) fn check_timeout(&mut self, at: usize, ctx: &mut Ctx<'_>) -> bool {
        let timer = self.timer(TimerKind::RequestTimeout, at);
        let channel = &mut self.channels[at];
        channel.timeout_armed = false;
        let Some(oldest) = channel.in_flight.front() else { return false };
        let age = ctx.monotonic().since(oldest.sent);
        if age < self.config.request_timeout {
            channel.timeout_armed = true;
            ctx.set(timer, Span(self.config.request_timeout.0 - age.0));
            return false;
        }
        if let Link::Ready(connection) = channel.link {
            ctx.close(connection);
        }
        true
    }

    /// The first metadata answer is there: the bootstrap connection is given up as soon as nothing
    /// is in flight on it.
    pub(super) fn leave_bootstrap(&mut self, ctx: &mut Ctx<'_>) {
        if self.bootstrap == Bootstrap::Active {
            self.bootstrap = Bootstrap::Draining;
        }
        if self.bootstrap != Bootstrap::Draining
            || self.channels.iter().any(|c| !c.in_flight.is_empty())
        {
            return;
        }
        self.bootstrap = Bootstrap::Over;
        for channel in &mut self.channels {
            if let Link::Connecting(connection) | Link::Ready(connection) = channel.link {
                ctx.close(connection);
                channel.link = Link::Closed { not_before: Time::ZERO };
                channel.last_attempt = None;
            }
        }
    }

    /// Whether requests to known brokers must wait until the bootstrap connection is given up.
    pub(super) fn is_bootstrapping(&self) -> bool {
        self.bootstrap != Bootstrap::Over
    }

    /// `NetworkClient.leastLoadedNode`: a ready connection with the fewest requests in flight, from
    /// a random broker on; else one that is being opened; else the broker not tried for longest.
    pub(super) fn least_loaded(&self, ctx: &mut Ctx<'_>) -> LeastLoaded {
        let now = ctx.monotonic();
        let brokers = self.channels.len();
        let start = ctx.rng.below(brokers as u64) as usize;
        let order = (0..brokers).map(|i| (start + i) % brokers);
        let mut connecting = false;
        let mut ready: Option<(usize, usize)> = None;
        let mut closed: Option<(Option<Time>, usize)> = None;
        for at in order {
            let channel = &self.channels[at];
            let load = channel.in_flight.len();
            match channel.link {
                Link::Ready(_) if load < self.max_in_flight => {
                    if ready.is_none_or(|(least, _)| load < least) {
                        ready = Some((load, at));
                    }
                }
                Link::Ready(_) => {}
                Link::Connecting(_) => connecting = true,
                Link::Closed { not_before } if not_before <= now => {
                    if closed.is_none_or(|(last, _)| channel.last_attempt < last) {
                        closed = Some((channel.last_attempt, at));
                    }
                }
                Link::Closed { .. } => {}
            }
        }
        match (ready, closed) {
            (Some((_, at)), _) => LeastLoaded::Ready(at),
            _ if connecting => LeastLoaded::Wait,
            (None, Some((_, at))) => LeastLoaded::Connect(at),
            (None, None) => LeastLoaded::Nobody,
        }
    }

    const fn timer(&self, kind: TimerKind, at: usize) -> Timer {
        Timer::nth(kind, self.first_timer + at)
    }
}
