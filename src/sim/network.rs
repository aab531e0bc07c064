//! Connections: what nodes know of the network, with the manners of TCP.
//!
//! Inside a connection nothing is lost, duplicated or reordered, per direction. A cut link holds
//! bytes; they go on when TCP would next retransmit after the heal, even if their sender has closed
//! the connection by then: that is how bytes of an old connection arrive after a new one was
//! opened. A killed process closes its connections; a machine without power tells nobody. Of a
//! connection that a broker or controller has accepted one request is read at a time, the next when
//! it has been answered (`SocketServer.scala` mutes the channel).
//!
//! Acknowledgements of TCP itself are not modelled: a cut in one direction holds the bytes of that
//! direction only. Does not know what runs on a host; that is told to it.

use crate::base::ids::ConnectionId;
use crate::base::time::{Span, Time};
use crate::kafka::ctx::CloseReason;
use crate::model::message::{Content, Message, MetadataRequest};
use crate::model::plan::NetworkPlan;
use crate::sim::event::{ConnRef, End, Event, HostId};
use crate::sim::flow::{
    FIRST_RTO, Flow, Held, Item, NetworkCtx, TcpSegment, drop_message, hold, wire_bytes,
};
use crate::sim::links::Links;

/// SYNs are sent at 0, 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s, if the opener waits that long: Linux
/// from 6.5 on with its default `tcp_syn_linear_timeouts` of 4 (measured: `docs/fidelity.md`).
const LAST_SYN: u8 = 10;
/// From this one on the pause doubles, beginning with one second.
const LINEAR_SYNS: u8 = 4;

/// What an end of a connection is to its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TcpState {
    /// The acceptor, before a SYN has reached it.
    Unborn,
    /// The opener, before it hears that it is open.
    Opening,
    /// Both sides know of it, as far as this one knows.
    Open,
    /// Closed; the node has still to be told.
    Closing,
    /// The machine lost power: nobody was told, and nobody is there.
    Dead,
    /// The node has forgotten it.
    Gone,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndState {
    /// Whose.
    pub(super) host: HostId,
    /// What it is to it.
    pub(super) state: TcpState,
    /// Messages that have arrived and wait in a lane.
    pub(super) queued: u16,
    /// Told to the node after the last of them.
    pub(super) then: Option<CloseReason>,
}

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// How many had its id before.
    pub(super) generation: u32,
    /// The opener, then the acceptor.
    pub(super) ends: [EndState; 2],
    /// Flow *e* carries what end *e* sends.
    pub(super) flows: [Flow; 2],
    /// Forgotten by everybody.
    pub(super) free: bool,
}

/// What has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Nothing that anybody is to be told.
    Nothing,
    /// The opener's connection is open.
    Opened { conn: ConnRef },
    /// A message: [`Network::arrived`].
    Message { conn: ConnRef },
    /// The connection is gone for the receiver.
    Closed { conn: ConnRef, reason: CloseReason },
}

/// What became of a message handed to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is under way.
    OnItsWay { to: HostId },
    /// It waits for a link to be healed.
    Held { to: HostId },
    /// The connection is not open for this node any more.
    Dropped,
}

/// All connections.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// The links under the connections.
    pub(super) links: Links,
    /// By number of the id.
    pub(super) connections: Vec<Connection>,
    /// Whether a host's machine has power.
    pub(super) powered: Vec<bool>,
    /// How long TCP retransmits.
    pub(super) give_up: Span,
    /// What the kernel takes for a node that does not read.
    pub(super) socket_buffer: u64,
    freed: Vec<ConnectionId>,
    /// The message that has arrived last.
    ///
    /// Speed: it is copied once, into this field, and handled here; each further copy would wait
    /// for the last one.
    pub(super) arrived: Message,
}

impl Network {
    /// A network without connections.
    pub(super) fn new(plan: &NetworkPlan, links: Links, hosts: usize) -> Self {
        Self {
            links,
            connections: Vec::new(),
            powered: vec![true; hosts],
            give_up: plan.give_up,
            socket_buffer: plan.socket_buffer,
            freed: Vec::new(),
            arrived: Message {
                correlation: 0,
                content: Content::MetadataRequest(MetadataRequest {}),
            },
        }
    }

    // ---- opening ----

    /// A node opens a connection.
    pub(super) fn open(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        id: ConnectionId,
        (from, to): (HostId, HostId),
        at: Time,
        timeout: Span,
    ) {
        let end = |host, state| EndState { host, state, queued: 0, then: None };
        let ends = [end(from, TcpState::Opening), end(to, TcpState::Unborn)];
        let slot = id.0;
        if let Some(old) = self.connections.get_mut(slot as usize) {
            assert!(old.free, "a connection id was given out while it was in use");
            old.ends = ends;
            old.free = false;
            old.generation += 1;
        } else {
            assert!(slot as usize == self.connections.len(), "connection ids are given in order");
            let flows = [Flow::default(), Flow::default()];
            self.connections.push(Connection { generation: 0, ends, flows, free: false });
        }
        let conn = ConnRef { slot, generation: self.connections[slot as usize].generation };
        ctx.push(at, Event::Syn { conn, attempt: 0 });
        ctx.push(at + timeout, Event::SetupTimeout { conn });
    }

    /// The opener sends a SYN, and will send the next one if it hears nothing.
    #[cold]
    pub(super) fn syn(&mut self, ctx: &mut NetworkCtx<'_>, conn: ConnRef, attempt: u8) {
        let Some([opener, acceptor]) = self.ends(conn) else { return };
        if (opener.state, acceptor.state) != (TcpState::Opening, TcpState::Unborn) {
            return;
        }
        if attempt < LAST_SYN {
            let next = ctx.now + Span::secs(1 << attempt.saturating_sub(LINEAR_SYNS));
            ctx.push(next, Event::Syn { conn, attempt: attempt + 1 });
        }
        let (from, to) = (opener.host, acceptor.host);
        if !self.links.is_cut(from, to) && !self.links.loses(from, to) {
            let arrives = ctx.now + self.links.latency(from, to);
            ctx.push(arrives, Event::SynArrive { conn });
        }
    }

    /// A SYN has arrived. Whether the process there accepts the connection: its answer must get
    /// through too. Nobody answers on a machine without power.
    #[cold]
    pub(super) fn syn_arrive(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        conn: ConnRef,
        listens: impl FnOnce(HostId) -> bool,
    ) -> bool {
        let Some([opener, acceptor]) = self.ends(conn) else { return false };
        if (opener.state, acceptor.state) != (TcpState::Opening, TcpState::Unborn)
            || !self.powered[acceptor.host.index()]
            || self.links.is_cut(acceptor.host, opener.host)
            || self.links.loses(acceptor.host, opener.host)
        {
            return false;
        }
        let accepts = listens(acceptor.host);
        let (state, item) = if accepts {
            (TcpState::Open, Item::Opened)
        } else {
            (TcpState::Gone, Item::Close(CloseReason::Refused))
        };
        self.connections[conn.slot as usize].ends[1].state = state;
        self.transmit(ctx, conn.slot, 1, item, ctx.now);
        accepts
    }

    /// The opener has waited long enough. Whether it still waited.
    #[cold]
    pub(super) fn setup_timeout(&mut self, ctx: &mut NetworkCtx<'_>, conn: ConnRef) -> bool {
        let Some([opener, _]) = self.ends(conn) else { return false };
        let waited = opener.state == TcpState::Opening;
        if waited {
            self.leave(ctx, conn.slot, 0, CloseReason::Peer, ctx.now);
        }
        waited
    }

    // ---- sending ----

    /// A node sends a message that departs then.
    pub(super) fn send(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        id: ConnectionId,
        from: HostId,
        message: Message,
        at: Time,
    ) -> Sent {
        let Some(end) = self.open_end(id, from) else {
            drop_message(ctx.lists, message);
            return Sent::Dropped;
        };
        let ends = &self.connections[id.0 as usize].ends;
        let (own, other) = (ends[usize::from(end)].state, ends[1 - usize::from(end)].state);
        // What is sent to an end that was closed is thrown away there.
        let carried = own == TcpState::Open && matches!(other, TcpState::Open | TcpState::Dead);
        if carried || (own, other) == (TcpState::Open, TcpState::Opening) {
            self.put(ctx, id.0, end, Item::Message(message), at)
        } else {
            drop_message(ctx.lists, message);
            Sent::Dropped
        }
    }

    /// A node closes a connection.
    pub(super) fn close(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        id: ConnectionId,
        from: HostId,
        at: Time,
    ) -> bool {
        let Some(end) = self.open_end(id, from) else { return false };
        self.leave(ctx, id.0, end, CloseReason::Peer, at);
        true
    }

    /// An end is gone: what was under way to it is lost, what it sent still arrives, then the other
    /// end hears of it.
    #[cold]
    pub(super) fn leave(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        slot: u32,
        end: End,
        reason: CloseReason,
        at: Time,
    ) {
        let connection = &mut self.connections[slot as usize];
        let other = 1 - usize::from(end);
        let own = &mut connection.ends[usize::from(end)];
        (own.state, own.then) = (TcpState::Gone, None);
        connection.flows[other].clear(ctx.lists);
        match connection.ends[other].state {
            TcpState::Open | TcpState::Opening => {
                self.transmit(ctx, slot, end, Item::Close(reason), at);
            }
            _ => self.free_if_forgotten(ctx, slot),
        }
    }

    /// Puts a signal on the wire, or holds it.
    #[cold]
    pub(super) fn transmit(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        slot: u32,
        end: End,
        item: Item,
        at: Time,
    ) -> Sent {
        self.put(ctx, slot, end, item, at)
    }

    /// Puts something on the wire, or holds it.
    ///
    /// Speed: inline, so that a message is copied once, into its segment.
    #[inline(always)]
    fn put(&mut self, ctx: &mut NetworkCtx<'_>, slot: u32, end: End, item: Item, at: Time) -> Sent {
        let connection = &mut self.connections[slot as usize];
        let from = connection.ends[usize::from(end)].host;
        let receiver = connection.ends[1 - usize::from(end)];
        let to = receiver.host;
        let flow = &mut connection.flows[usize::from(end)];
        let sound = self.links.is_sound(from, to);
        if flow.held.is_none() && !(sound && receiver.state != TcpState::Dead) {
            let off = receiver.state == TcpState::Dead && !self.powered[to.index()];
            let stuck = off || self.links.is_cut(from, to);
            if stuck || self.links.loses(from, to) {
                let conn = ConnRef { slot, generation: connection.generation };
                let retry = if stuck { Time::NEVER } else { at + FIRST_RTO };
                hold(ctx, flow, conn, end, Held { since: at, retry }, self.give_up);
            }
        }
        let mut segment = TcpSegment { item, arrives: Time::NEVER, cause: ctx.seq };
        if flow.held.is_some() {
            flow.segments.push_back(segment);
            return Sent::Held { to };
        }
        let bytes = || wire_bytes(&item, ctx.lists);
        let left = if sound { at } else { self.links.departure(from, to, at, bytes) };
        segment.arrives = (left + self.links.latency(from, to)).max(flow.last_arrival);
        flow.last_arrival = segment.arrives;
        flow.segments.push_back(segment);
        if flow.segments.len() == 1 {
            flow.schedule_head(ctx, slot, end);
        }
        Sent::OnItsWay { to }
    }

    // ---- arriving ----

    /// The host that bytes which arrive now are for; none if they are gone.
    pub(super) fn receiver(&self, slot: u32, end: End, stamp: u32) -> Option<HostId> {
        let connection = &self.connections[slot as usize];
        (connection.flows[usize::from(end)].stamp == stamp)
            .then(|| connection.ends[1 - usize::from(end)].host)
    }

    /// The name of the message that arrives next from `end`, if it is one.
    pub(super) fn arriving(&self, slot: u32, end: End) -> Option<&'static str> {
        let flow = &self.connections[slot as usize].flows[usize::from(end)];
        match &flow.segments.front()?.item {
            Item::Message(message) => Some(message.content.name()),
            Item::Opened | Item::Close(_) => None,
        }
    }

    /// The first bytes under way from `end` have arrived.
    pub(super) fn arrive(&mut self, ctx: &mut NetworkCtx<'_>, slot: u32, end: End) -> Arrival {
        let connection = &mut self.connections[slot as usize];
        let conn = ConnRef { slot, generation: connection.generation };
        let other = 1 - usize::from(end);
        let receiver = connection.ends[other];
        if receiver.state == TcpState::Dead {
            self.arrive_at_dead(ctx, conn, end);
            return Arrival::Nothing;
        }
        let flow = &mut connection.flows[usize::from(end)];
        let head = flow.segments.front().expect("a scheduled flow has a first segment");
        let signal = match &head.item {
            Item::Message(message) => {
                self.arrived = *message;
                None
            }
            signal => Some(*signal),
        };
        flow.segments.pop_front();
        if flow.segments.is_empty() {
            // Speed: clearing an empty ring takes its head back to the start, so that the next
            // message uses the same cache line.
            flow.segments.clear();
        } else {
            flow.schedule_head(ctx, slot, end);
        }
        let Some(signal) = signal else {
            if receiver.state == TcpState::Open {
                return Arrival::Message { conn };
            }
            drop_message(ctx.lists, self.arrived);
            return Arrival::Nothing;
        };
        let listens = matches!(receiver.state, TcpState::Open | TcpState::Opening);
        match signal {
            Item::Opened if receiver.state == TcpState::Opening => {
                connection.ends[other].state = TcpState::Open;
                Arrival::Opened { conn }
            }
            Item::Close(reason) if listens => {
                let told = self.end_for(ctx, slot, other as End, reason);
                told.map_or(Arrival::Nothing, |reason| Arrival::Closed { conn, reason })
            }
            Item::Message(_) | Item::Opened | Item::Close(_) => Arrival::Nothing,
        }
    }

    /// A message waits in a lane of its receiver.
    pub(super) fn queued(&mut self, conn: ConnRef, end: End) {
        self.connections[conn.slot as usize].ends[usize::from(end)].queued += 1;
    }

    /// A message leaves its lane. Whether its connection is still there for the receiver.
    pub(super) fn unqueued(&mut self, conn: ConnRef, end: End) -> bool {
        if self.ends(conn).is_none() {
            return false;
        }
        let end = &mut self.connections[conn.slot as usize].ends[usize::from(end)];
        end.queued = end.queued.saturating_sub(1);
        matches!(end.state, TcpState::Open | TcpState::Closing)
    }

    /// The close that the node is to be told of now that no message of the connection waits.
    pub(super) fn close_told(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        conn: ConnRef,
        end: End,
    ) -> Option<CloseReason> {
        self.ends(conn)?;
        let state = &mut self.connections[conn.slot as usize].ends[usize::from(end)];
        if state.queued > 0 {
            return None;
        }
        let reason = state.then.take()?;
        state.state = TcpState::Gone;
        self.free_if_forgotten(ctx, conn.slot);
        Some(reason)
    }

    /// The connection ends for a node. The reason, if it is to be told at once.
    #[cold]
    pub(super) fn end_for(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        slot: u32,
        end: End,
        reason: CloseReason,
    ) -> Option<CloseReason> {
        let connection = &mut self.connections[slot as usize];
        let state = &mut connection.ends[usize::from(end)];
        connection.flows[1 - usize::from(end)].clear(ctx.lists);
        if state.queued > 0 {
            state.state = TcpState::Closing;
            state.then = Some(reason);
            return None;
        }
        state.state = TcpState::Gone;
        self.free_if_forgotten(ctx, slot);
        Some(reason)
    }

    /// A [`Event::Closed`] was popped: whether the node is to be told now.
    #[cold]
    pub(super) fn closed(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        conn: ConnRef,
        end: End,
        reason: CloseReason,
    ) -> bool {
        let Some(ends) = self.ends(conn) else { return false };
        let state = ends[usize::from(end)];
        state.state == TcpState::Closing
            && state.then.is_none()
            && self.end_for(ctx, conn.slot, end, reason).is_some()
    }

    // ---- looking at connections ----

    /// The other end's host.
    pub(super) fn peer(&self, conn: ConnRef, end: End) -> HostId {
        self.connections[conn.slot as usize].ends[1 - usize::from(end)].host
    }

    /// The host that has accepted a connection, if it still knows it.
    pub(super) fn acceptor(&self, conn: ConnRef) -> Option<HostId> {
        let [_, acceptor] = self.ends(conn)?;
        (acceptor.state == TcpState::Open).then_some(acceptor.host)
    }

    /// The host at an end of a connection that has not been forgotten.
    pub(super) fn host(&self, conn: ConnRef, end: End) -> Option<HostId> {
        Some(self.ends(conn)?[usize::from(end)].host)
    }

    /// Connection ids that may be given out again since the last call.
    pub(super) fn drain_freed(&mut self, mut take: impl FnMut(ConnectionId)) {
        if self.freed.is_empty() {
            return;
        }
        for id in self.freed.drain(..) {
            take(id);
        }
    }

    /// Both ends of a connection that has not been forgotten.
    pub(super) fn ends(&self, conn: ConnRef) -> Option<[EndState; 2]> {
        let connection = self.connections.get(conn.slot as usize)?;
        (connection.generation == conn.generation && !connection.free).then_some(connection.ends)
    }

    /// The end of a connection that is open (or being opened) for this host.
    fn open_end(&self, id: ConnectionId, host: HostId) -> Option<End> {
        let connection = self.connections.get(id.0 as usize)?;
        // Nobody opens a connection to itself.
        let end = usize::from(connection.ends[0].host != host);
        let EndState { host: there, state, .. } = connection.ends[end];
        let open = matches!(state, TcpState::Open | TcpState::Opening | TcpState::Closing);
        (open && there == host).then_some(end as End)
    }

    /// Gives the id of a connection back that nobody knows any more.
    pub(super) fn free_if_forgotten(&mut self, ctx: &mut NetworkCtx<'_>, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        let forgotten =
            |e: &EndState| matches!(e.state, TcpState::Gone | TcpState::Dead | TcpState::Unborn);
        if connection.free || !connection.ends.iter().all(forgotten) {
            return;
        }
        for flow in &mut connection.flows {
            flow.clear(ctx.lists);
            flow.last_arrival = Time::ZERO;
        }
        connection.free = true;
        self.freed.push(ConnectionId(slot));
    }
}

#[cfg(test)]
mod tests;
