//! Channels to other nodes: connections on demand, and the requests in flight on them.
//!
//! Follows `NetworkClient.java`, `ClusterConnectionStates.java` and `InFlightRequests.java`: it
//! connects when a request wants to be sent, waits before it connects again, closes a connection
//! whose oldest request is too old, and fails everything in flight on a connection that is gone.
//! Brokers and clients use the same type. A channel is named by its [`Peer`]; how long it waits,
//! and for what, lies in its [`ChannelTerms`]. Does not know what the requests are about.
//!
//! Kafka has one `NetworkClient` per thread. A client process has one per client. A broker has one
//! per channel to the controller and one per replica fetcher; as they share nothing, here they are
//! channels of one client.

use std::collections::VecDeque;

use crate::base::ids::{BrokerId, ConnectionId, NodeId};
use crate::base::rng::Rng;
use crate::base::time::{Span, Time};
use crate::kafka::backoff;
use crate::kafka::ctx::Ctx;
use crate::kafka::timers::Timer;
use crate::model::message::{ApiVersionsRequest, Content};

/// A broker's channels to the controller: `NodeToControllerChannelManager.scala`, and the channel
/// of `KafkaRaftManager.scala`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControllerChannel {
    /// Registration and heartbeats: the channel `heartbeat` of `BrokerServer.scala`.
    Heartbeat,
    /// AlterPartition: the channel `alter-partition`.
    AlterPartition,
    /// The metadata log, as an observer of the quorum.
    Metadata,
    /// AllocateProducerIds: the channel `forwarding`.
    Forwarding,
    /// AssignReplicasToDirs: the channel `directory-assignments`.
    DirectoryAssignments,
}

impl ControllerChannel {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Heartbeat,
        Self::AlterPartition,
        Self::Metadata,
        Self::Forwarding,
        Self::DirectoryAssignments,
    ];
}

/// To whom, and as what, a channel leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The active controller, through this channel.
    Controller(ControllerChannel),
    /// A broker: as leader, or as one that anybody may ask.
    Broker(BrokerId),
    /// A broker as coordinator, on a connection of its own, so that heartbeats do not wait behind
    /// fetches. Kafka makes a node of it whose id is `Integer.MAX_VALUE` minus the broker's.
    #[cfg_attr(not(test), expect(dead_code, reason = "the peer of groups and transactions"))]
    Coordinator(BrokerId),
}

impl Peer {
    /// Its place in a dense table: controllers' channels first, then two per broker.
    const fn number(self) -> usize {
        match self {
            Self::Controller(channel) => channel as usize,
            Self::Broker(broker) => ControllerChannel::ALL.len() + 2 * broker.index(),
            Self::Coordinator(broker) => ControllerChannel::ALL.len() + 2 * broker.index() + 1,
        }
    }

    /// The node behind it; a controller's channel is told to whom it turns.
    const fn node(self) -> Option<NodeId> {
        match self {
            Self::Controller(_) => None,
            Self::Broker(broker) | Self::Coordinator(broker) => Some(NodeId::Broker(broker)),
        }
    }
}

/// A channel by its place among those that its owner has used so far: timers are named by it, so
/// that their slots lie dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

impl ChannelId {
    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// When the thread that owns a channel looks at time-outs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thread {
    /// When one is due: a client's thread has always something to wake for.
    Wakes,
    /// When something has come, or after as long as a request may take: it sleeps that long at most
    /// in `NetworkClient.poll`.
    Polls,
    /// Not before it has an answer or has waited as long as a request may take
    /// (`BrokerBlockingSender.scala`, `NetworkClientUtils.awaitReady`).
    Blocks,
}

/// How a channel behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChannelTerms {
    /// How long a request may be in flight.
    pub(super) request_timeout: Span,
    /// Back-off before the first reconnect.
    pub(super) reconnect_backoff: Span,
    /// Largest back-off.
    pub(super) reconnect_backoff_max: Span,
    /// How long connecting may take at first.
    pub(super) setup_timeout: Span,
    /// How long it may take after many attempts that failed.
    pub(super) setup_timeout_max: Span,
    /// How many requests may be in flight.
    pub(super) max_in_flight: usize,
    /// When its thread looks.
    pub(super) thread: Thread,
    /// Whether a new connection is asked for its ApiVersions before it is used. The fetchers of
    /// brokers go by the cluster's metadata version instead (`BrokerBlockingSender.scala`).
    pub(super) discovers_versions: bool,
}

impl ChannelTerms {
    /// How long the next connection attempt may take after so many that failed in a row. A thread
    /// gives up when it wakes: after a whole number of its sleeps. A fetcher sleeps for all of its
    /// one.
    ///
    /// Kafka: ClusterConnectionStates.updateConnectionSetupTimeout
    pub(super) fn patience(&self, failures: u32, rng: &mut Rng) -> Span {
        if self.thread == Thread::Blocks {
            return self.request_timeout;
        }
        let term = backoff::exponential(self.setup_timeout, self.setup_timeout_max, failures, rng);
        let sleep = self.request_timeout.0.max(1);
        if self.thread == Thread::Polls && sleep < term.0 {
            return Span(term.0.div_ceil(sleep).saturating_mul(sleep));
        }
        term
    }
}

/// Who uses the channels: what its requests are and how its timers are called.
pub(super) trait Owner {
    /// What a request in flight was for.
    type Request: Copy + std::fmt::Debug;

    /// How the channel to a peer behaves.
    fn terms(&self, peer: Peer) -> ChannelTerms;
    /// The timer at which the oldest request in flight is too old.
    fn request_timeout(&self, channel: ChannelId) -> Timer;
    /// The timer from which on a channel may be opened again.
    fn reconnect(&self, channel: ChannelId) -> Timer;
}

/// `ConnectionState.java`, without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionState {
    /// There is no connection, and none may be opened before this moment.
    Disconnected { not_before: Time },
    /// Asked for.
    Connecting(ConnectionId),
    /// TCP is open, which it is as soon as the other machine's kernel has accepted. Nothing is sent
    /// before the process there has answered an ApiVersionsRequest.
    CheckingApiVersions(ConnectionId),
    /// Requests may be sent.
    Ready(ConnectionId),
}

#[derive(Clone, Copy, Debug)]
struct InFlight<R> {
    correlation: u32,
    sent: Time,
    /// What the owner asked for; none is the channel's own ApiVersionsRequest.
    request: Option<R>,
}

/// What an answer was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered<R> {
    /// This request.
    Request(R),
    /// The channel's own ApiVersionsRequest: requests may be sent now.
    Ready,
    /// Nobody waits for it.
    Nothing,
}

#[derive(Clone, Debug)]
struct Channel<R> {
    peer: Peer,
    /// The node that the next connection leads to.
    to: NodeId,
    terms: ChannelTerms,
    state: ConnectionState,
    /// Connections lost since the last success: paces reconnecting.
    losses: u32,
    /// Set-ups that failed in a row: lengthens the next set-up time-out.
    failed_setups: u32,
    last_attempt: Option<Time>,
    next_correlation: u32,
    in_flight: VecDeque<InFlight<R>>,
    /// Whether the time-out timer is set. It is looked at when it fires: most requests never need
    /// it.
    timeout_armed: bool,
}

impl<R: Copy> Channel<R> {
    fn can_send(&self) -> bool {
        matches!(self.state, ConnectionState::Ready(_))
            && self.in_flight.len() < self.terms.max_in_flight
    }

    /// The connection, if there is one or one was asked for.
    const fn connection(&self) -> Option<ConnectionId> {
        match self.state {
            ConnectionState::Connecting(id)
            | ConnectionState::CheckingApiVersions(id)
            | ConnectionState::Ready(id) => Some(id),
            ConnectionState::Disconnected { .. } => None,
        }
    }

    /// The connection on which requests may be sent.
    ///
    /// # Panics
    /// If there is none: who sends has asked.
    fn ready_connection(&self) -> ConnectionId {
        match self.state {
            ConnectionState::Ready(connection) => connection,
            state => panic!("a request needs a ready connection, not {state:?}"),
        }
    }

    /// Requests may be sent.
    ///
    /// Kafka: ClusterConnectionStates.ready
    const fn be_ready(&mut self, connection: ConnectionId) {
        self.state = ConnectionState::Ready(connection);
        (self.losses, self.failed_setups) = (0, 0);
    }

    const fn next_correlation(&mut self) -> u32 {
        let correlation = self.next_correlation;
        self.next_correlation = correlation.wrapping_add(1);
        correlation
    }

    /// As if it had never been used.
    ///
    /// Kafka: ClusterConnectionStates.remove
    fn forget(&mut self) {
        self.state = ConnectionState::Disconnected { not_before: Time::ZERO };
        (self.losses, self.failed_setups, self.last_attempt) = (0, 0, None);
        self.in_flight.clear();
    }
}

/// Where a request that any broker can answer may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeastLoaded {
    /// To this broker, now.
    Ready(BrokerId),
    /// A connection is being opened; wait for it.
    Wait,
    /// To this broker, once a connection is open.
    Connect(BrokerId),
    /// No broker may be tried yet.
    Nobody,
}

const UNUSED: u16 = u16::MAX;

/// All channels of one owner. A channel is made when it is first used.
#[derive(Clone, Debug)]
pub(super) struct NetworkClient<O: Owner> {
    owner: O,
    channels: Vec<Channel<O::Request>>,
    /// By number of the peer.
    places: Vec<u16>,
    /// The channel for which a connection was opened last, by number of its id.
    opened_for: Vec<u16>,
}

impl<O: Owner> NetworkClient<O> {
    /// No channel yet.
    pub(super) const fn new(owner: O) -> Self {
        Self { owner, channels: Vec::new(), places: Vec::new(), opened_for: Vec::new() }
    }

    // ---- finding channels ----

    fn find(&self, peer: Peer) -> Option<&Channel<O::Request>> {
        let place = *self.places.get(peer.number())?;
        self.channels.get(usize::from(place))
    }

    fn find_mut(&mut self, peer: Peer) -> Option<&mut Channel<O::Request>> {
        let place = *self.places.get(peer.number())?;
        self.channels.get_mut(usize::from(place))
    }

    /// The place of a channel, which is made if need be.
    fn place(&mut self, peer: Peer, to: Option<NodeId>) -> usize {
        let number = peer.number();
        if self.places.len() <= number {
            self.places.resize(number + 1, UNUSED);
        }
        if self.places[number] == UNUSED {
            self.places[number] = self.channels.len() as u16;
            self.channels.push(Channel {
                peer,
                to: to.or_else(|| peer.node()).expect("a controller's channel is told its node"),
                terms: self.owner.terms(peer),
                state: ConnectionState::Disconnected { not_before: Time::ZERO },
                losses: 0,
                failed_setups: 0,
                last_attempt: None,
                next_correlation: 0,
                in_flight: VecDeque::new(),
                timeout_armed: false,
            });
        }
        usize::from(self.places[number])
    }

    /// The peer of a connection, if it is one of these channels.
    pub(super) fn of_connection(&self, connection: ConnectionId) -> Option<Peer> {
        let place = usize::from(*self.opened_for.get(connection.0 as usize)?);
        let channel = self.channels.get(place)?;
        (channel.connection() == Some(connection)).then_some(channel.peer)
    }

    /// The peer whose timer is named by this channel.
    pub(super) fn peer(&self, channel: ChannelId) -> Option<Peer> {
        Some(self.channels.get(channel.index())?.peer)
    }

    /// Turns to this node from the next connection on.
    pub(super) fn turn_to(&mut self, peer: Peer, to: NodeId) {
        let place = self.place(peer, Some(to));
        self.channels[place].to = to;
    }

    // ---- connecting ----

    /// Whether a request can be sent now.
    ///
    /// Kafka: NetworkClient.canSendRequest
    pub(super) fn can_send(&self, peer: Peer) -> bool {
        self.find(peer).is_some_and(Channel::can_send)
    }

    /// Whether a request can be sent now; if there is no connection, begins to open one.
    ///
    /// Kafka: NetworkClient.ready
    pub(super) fn ready(&mut self, peer: Peer, ctx: &mut Ctx<'_>) -> bool {
        let ready = self.can_send(peer);
        if !ready {
            self.connect(peer, ctx);
        }
        ready
    }

    /// Whether something is under way that will be heard of: a request, a connection, or the end of
    /// the back-off.
    pub(super) fn is_busy(&self, peer: Peer, now: Time) -> bool {
        let Some(channel) = self.find(peer) else { return false };
        match channel.state {
            ConnectionState::Ready(_) => !channel.can_send(),
            ConnectionState::Connecting(_) | ConnectionState::CheckingApiVersions(_) => true,
            ConnectionState::Disconnected { not_before } => not_before > now,
        }
    }

    /// Whether a request of the owner was sent that has not been answered.
    pub(super) fn awaits_answer(&self, peer: Peer) -> bool {
        let asked = |channel: &Channel<_>| channel.in_flight.iter().any(|r| r.request.is_some());
        self.find(peer).is_some_and(asked)
    }

    /// Whether any request was sent that has not been answered.
    pub(super) fn awaits_any_answer(&self) -> bool {
        self.channels.iter().any(|channel| !channel.in_flight.is_empty())
    }

    /// Opens a connection, unless there is one or the back-off forbids it.
    pub(super) fn connect(&mut self, peer: Peer, ctx: &mut Ctx<'_>) {
        let now = ctx.monotonic();
        let place = self.place(peer, None);
        let channel = &mut self.channels[place];
        let ConnectionState::Disconnected { not_before } = channel.state else { return };
        if not_before > now {
            return;
        }
        let patience = channel.terms.patience(channel.failed_setups, ctx.rng);
        let connection = ctx.open(channel.to, patience);
        channel.state = ConnectionState::Connecting(connection);
        channel.last_attempt = Some(now);
        let id = connection.0 as usize;
        if id >= self.opened_for.len() {
            self.opened_for.resize(id + 1, UNUSED);
        }
        self.opened_for[id] = place as u16;
    }

    /// The connection is open. Says whether requests may be sent; otherwise that comes with the
    /// answer to the ApiVersionsRequest which is sent now.
    ///
    /// Kafka: NetworkClient.handleConnections
    /// Kafka: NetworkClient.handleInitiateApiVersionRequests
    pub(super) fn opened(&mut self, peer: Peer, ctx: &mut Ctx<'_>) -> bool {
        let place = self.place(peer, None);
        let channel = &mut self.channels[place];
        let ConnectionState::Connecting(connection) = channel.state else { return false };
        channel.failed_setups = 0;
        if channel.terms.discovers_versions {
            channel.state = ConnectionState::CheckingApiVersions(connection);
            self.ask(place, connection, ApiVersionsRequest {}.into(), None, ctx);
            return false;
        }
        channel.be_ready(connection);
        true
    }

    // ---- requests ----

    /// Sends a request and remembers what it was for.
    ///
    /// # Panics
    /// If [`NetworkClient::can_send`] was not asked first.
    pub(super) fn send(
        &mut self,
        peer: Peer,
        content: Content,
        request: O::Request,
        ctx: &mut Ctx<'_>,
    ) {
        let place = usize::from(self.places[peer.number()]);
        let connection = self.channels[place].ready_connection();
        self.ask(place, connection, content, Some(request), ctx);
    }

    fn ask(
        &mut self,
        place: usize,
        connection: ConnectionId,
        content: Content,
        request: Option<O::Request>,
        ctx: &mut Ctx<'_>,
    ) {
        let channel = &mut self.channels[place];
        let correlation = channel.next_correlation();
        ctx.send(connection, correlation, content);
        channel.in_flight.push_back(InFlight { correlation, sent: ctx.monotonic(), request });
        if !channel.timeout_armed {
            channel.timeout_armed = true;
            let timer = self.owner.request_timeout(ChannelId(place as u16));
            ctx.set(timer, channel.terms.request_timeout);
        }
    }

    /// Sends a request that nobody answers (acks=0).
    ///
    /// # Panics
    /// If [`NetworkClient::can_send`] was not asked first.
    pub(super) fn post(&mut self, peer: Peer, content: Content, ctx: &mut Ctx<'_>) {
        let channel = &mut self.channels[usize::from(self.places[peer.number()])];
        let (connection, correlation) = (channel.ready_connection(), channel.next_correlation());
        ctx.send(connection, correlation, content);
    }

    /// What an answer belongs to. Answers come in the order of the requests.
    ///
    /// Kafka: InFlightRequests.completeNext
    pub(super) fn answered(&mut self, peer: Peer, correlation: u32) -> Answered<O::Request> {
        let Some(channel) = self.find_mut(peer) else { return Answered::Nothing };
        match channel.in_flight.front() {
            Some(oldest) if oldest.correlation == correlation => {}
            _ => return Answered::Nothing,
        }
        let oldest = channel.in_flight.pop_front();
        match (oldest.and_then(|oldest| oldest.request), channel.state) {
            (Some(request), _) => Answered::Request(request),
            (None, ConnectionState::CheckingApiVersions(connection)) => {
                channel.be_ready(connection);
                Answered::Ready
            }
            (None, _) => Answered::Nothing,
        }
    }

    // ---- losing connections ----

    /// The connection is gone: hands over what was in flight, oldest first. The next try waits
    /// longer, and is waited for longer if this one failed, however it did.
    ///
    /// Kafka: ClusterConnectionStates.disconnected
    pub(super) fn lost(&mut self, peer: Peer, failed: &mut Vec<O::Request>, ctx: &mut Ctx<'_>) {
        let place = self.places[peer.number()];
        let channel = &mut self.channels[usize::from(place)];
        failed.extend(channel.in_flight.drain(..).filter_map(|r| r.request));
        let ChannelTerms { reconnect_backoff, reconnect_backoff_max, .. } = channel.terms;
        let wait =
            backoff::exponential(reconnect_backoff, reconnect_backoff_max, channel.losses, ctx.rng);
        channel.losses += 1;
        let connecting = matches!(channel.state, ConnectionState::Connecting(_));
        channel.failed_setups = if connecting { channel.failed_setups + 1 } else { 0 };
        let now = ctx.monotonic();
        channel.last_attempt = Some(now);
        channel.state = ConnectionState::Disconnected { not_before: now + wait };
        if wait > Span::ZERO {
            ctx.set(self.owner.reconnect(ChannelId(place)), wait);
        }
    }

    /// Closes the connection, if there is one, as one that is lost.
    ///
    /// Kafka: NetworkClient.disconnect
    pub(super) fn disconnect(
        &mut self,
        peer: Peer,
        failed: &mut Vec<O::Request>,
        ctx: &mut Ctx<'_>,
    ) {
        if let Some(connection) = self.find(peer).and_then(Channel::connection) {
            ctx.close(connection);
            self.lost(peer, failed, ctx);
        }
    }

    /// Closes the connection, if there is one, and forgets how the channel fared and what was in
    /// flight.
    ///
    /// Kafka: NetworkClient.close
    pub(super) fn close(&mut self, peer: Peer, ctx: &mut Ctx<'_>) {
        if let Some(channel) = self.find_mut(peer) {
            if let Some(connection) = channel.connection() {
                ctx.close(connection);
            }
            channel.forget();
        }
    }

    /// Closes every connection, and forgets how they fared.
    pub(super) fn close_all(&mut self, ctx: &mut Ctx<'_>) {
        for place in 0..self.channels.len() {
            self.close(self.channels[place].peer, ctx);
        }
    }

    /// The time-out timer fired: closes the connection if its oldest request is too old, else looks
    /// again when it would be. Says whose connection it was; [`NetworkClient::lost`] is to follow.
    ///
    /// What is exactly as old as allowed is not too old, which a thread that blocks learns at its
    /// next look.
    ///
    /// Kafka: InFlightRequests.hasExpiredRequest
    pub(super) fn check_timeout(&mut self, id: ChannelId, ctx: &mut Ctx<'_>) -> Option<Peer> {
        let channel = self.channels.get_mut(id.index())?;
        channel.timeout_armed = false;
        let oldest = channel.in_flight.front()?;
        let (age, limit) = (ctx.monotonic().since(oldest.sent), channel.terms.request_timeout);
        let left = match limit.0.saturating_sub(age.0) {
            0 if channel.terms.thread == Thread::Blocks && age < limit + Span::millis(1) => limit,
            0 => {
                if let Some(connection) = channel.connection() {
                    ctx.close(connection);
                }
                return Some(channel.peer);
            }
            left => Span(left),
        };
        channel.timeout_armed = true;
        ctx.set(self.owner.request_timeout(id), left);
        None
    }

    // ---- choosing a broker ----

    /// Of so many brokers a ready one with the fewest requests in flight, from a random broker on;
    /// else one that is being connected to; else the one not tried for longest.
    ///
    /// Kafka: NetworkClient.leastLoadedNode
    pub(super) fn least_loaded(&self, brokers: usize, ctx: &mut Ctx<'_>) -> LeastLoaded {
        let now = ctx.monotonic();
        let start = ctx.rng.below(brokers as u64) as usize;
        let order = (0..brokers).map(|i| BrokerId::at((start + i) % brokers));
        let mut connecting = false;
        let mut ready: Option<(usize, BrokerId)> = None;
        let mut closed: Option<(Option<Time>, BrokerId)> = None;
        for broker in order {
            let channel = self.find(Peer::Broker(broker));
            let untried = ConnectionState::Disconnected { not_before: Time::ZERO };
            let last_attempt = channel.and_then(|channel| channel.last_attempt);
            match channel.map_or(untried, |channel| channel.state) {
                ConnectionState::Ready(_) => {
                    let load = channel.filter(|c| c.can_send()).map(|c| c.in_flight.len());
                    if let Some(load) = load
                        && ready.is_none_or(|(least, _)| load < least)
                    {
                        ready = Some((load, broker));
                    }
                }
                ConnectionState::Connecting(_) | ConnectionState::CheckingApiVersions(_) => {
                    connecting = true;
                }
                ConnectionState::Disconnected { not_before } if not_before <= now => {
                    if closed.is_none_or(|(last, _)| last_attempt < last) {
                        closed = Some((last_attempt, broker));
                    }
                }
                ConnectionState::Disconnected { .. } => {}
            }
        }
        match (ready, closed) {
            (Some((_, broker)), _) => LeastLoaded::Ready(broker),
            _ if connecting => LeastLoaded::Wait,
            (None, Some((_, broker))) => LeastLoaded::Connect(broker),
            (None, None) => LeastLoaded::Nobody,
        }
    }
}

#[cfg(test)]
mod tests;
