//! What outages do to connections: cuts that heal, machines that stop, TCP that gives up.
//!
//! A part of [`Network`], whose other methods open, send and deliver. Does not know why a link or
//! a machine failed.

use crate::base::time::{Span, Time};
use crate::kafka::ctx::CloseReason;
use crate::sim::event::{ConnRef, End, Event, HostId};
use crate::sim::flow::{Held, Item, NetworkCtx, hold, next_retransmission, wire_bytes};
use crate::sim::network::{Network, TcpState};

impl Network {
    /// Bytes reach a machine that lost power after the connection was opened. While it is off they
    /// stay with their sender; when it is on again it resets what it does not know.
    #[cold]
    pub(super) fn arrive_at_dead(&mut self, ctx: &mut NetworkCtx<'_>, conn: ConnRef, end: End) {
        let connection = &mut self.connections[conn.slot as usize];
        let other = 1 - usize::from(end);
        let flow = &mut connection.flows[usize::from(end)];
        if self.powered[connection.ends[other].host.index()] {
            flow.clear(ctx.lists);
            let reset = Item::Close(CloseReason::Reset);
            self.transmit(ctx, conn.slot, other as End, reset, ctx.now);
            return;
        }
        for segment in &mut flow.segments {
            segment.arrives = Time::NEVER;
        }
        if flow.held.is_none() {
            let held = Held { since: ctx.now, retry: Time::NEVER };
            hold(ctx, flow, conn, end, held, self.give_up);
        }
    }

    // ---- retransmission ----

    /// TCP tries held bytes again.
    pub(super) fn retransmit(&mut self, ctx: &mut NetworkCtx<'_>, conn: ConnRef, end: End) {
        let Some(ends) = self.ends(conn) else { return };
        let (sender, receiver) = (ends[usize::from(end)], ends[1 - usize::from(end)]);
        let flow = &mut self.connections[conn.slot as usize].flows[usize::from(end)];
        let Some(held) = &mut flow.held else { return };
        if held.retry != ctx.now {
            return;
        }
        held.retry = Time::NEVER;
        let (from, to) = (sender.host, receiver.host);
        let off = receiver.state == TcpState::Dead && !self.powered[to.index()];
        if off || self.links.is_cut(from, to) {
            return;
        }
        if self.links.loses(from, to) {
            held.retry = next_retransmission(held.since, ctx.now + Span(1));
            ctx.push(held.retry, Event::Retransmit { conn, end });
            return;
        }
        flow.held = None;
        let scheduled = flow.segments.front().is_some_and(|s| s.arrives != Time::NEVER);
        for segment in flow.segments.iter_mut().filter(|s| s.arrives == Time::NEVER) {
            let bytes = || wire_bytes(&segment.item, ctx.lists);
            let left = self.links.departure(from, to, ctx.now, bytes);
            segment.arrives = (left + self.links.latency(from, to)).max(flow.last_arrival);
            flow.last_arrival = segment.arrives;
        }
        if !scheduled {
            flow.schedule_head(ctx, conn.slot, end);
        }
    }

    /// Links were healed or a machine is on again: whatever can now get through goes on when TCP
    /// next retransmits.
    pub(super) fn retry_held(&mut self, ctx: &mut NetworkCtx<'_>) {
        for (slot, connection) in self.connections.iter_mut().enumerate() {
            let conn = ConnRef { slot: slot as u32, generation: connection.generation };
            for (end, flow) in connection.flows.iter_mut().enumerate() {
                let Some(held) = &mut flow.held else { continue };
                let (sender, receiver) = (connection.ends[end], connection.ends[1 - end]);
                let off = receiver.state == TcpState::Dead && !self.powered[receiver.host.index()];
                if off || self.links.is_cut(sender.host, receiver.host) {
                    continue;
                }
                held.retry = next_retransmission(held.since, ctx.now);
                ctx.push(held.retry, Event::Retransmit { conn, end: end as End });
            }
        }
    }

    /// TCP gives up on held bytes, if they still are: both ends hear of it.
    pub(super) fn give_up(&mut self, ctx: &mut NetworkCtx<'_>, conn: ConnRef, end: End) {
        if self.ends(conn).is_none() {
            return;
        }
        let flow = &self.connections[conn.slot as usize].flows[usize::from(end)];
        if flow.held.is_some_and(|held| held.since + self.give_up <= ctx.now) {
            self.abort(ctx, conn.slot, CloseReason::GaveUp);
        }
    }

    fn abort(&mut self, ctx: &mut NetworkCtx<'_>, slot: u32, reason: CloseReason) {
        let connection = &mut self.connections[slot as usize];
        let conn = ConnRef { slot, generation: connection.generation };
        for (end, state) in connection.ends.iter_mut().enumerate() {
            connection.flows[end].clear(ctx.lists);
            state.state = match state.state {
                TcpState::Open | TcpState::Opening => {
                    ctx.push(ctx.now, Event::Closed { conn, end: end as End, reason });
                    TcpState::Closing
                }
                TcpState::Closing => TcpState::Closing,
                TcpState::Unborn | TcpState::Dead | TcpState::Gone => TcpState::Gone,
            };
        }
        self.free_if_forgotten(ctx, slot);
    }

    // ---- machines and faults ----

    /// A process is gone and its kernel closes its connections.
    pub(super) fn process_gone(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        host: HostId,
        reason: CloseReason,
    ) {
        for slot in 0..self.connections.len() as u32 {
            for end in 0..2 {
                let state = self.connections[slot as usize].ends[end];
                if state.host != host {
                    continue;
                }
                let own = &mut self.connections[slot as usize].ends[end];
                (own.queued, own.then) = (0, None);
                match state.state {
                    TcpState::Open | TcpState::Opening => {
                        self.leave(ctx, slot, end as End, reason, ctx.now);
                    }
                    TcpState::Closing => {
                        self.connections[slot as usize].ends[end].state = TcpState::Gone;
                        self.free_if_forgotten(ctx, slot);
                    }
                    TcpState::Unborn | TcpState::Dead | TcpState::Gone => {}
                }
            }
        }
    }

    /// A machine loses power: nobody is told. Bytes on the wire go on, those in its memory are
    /// gone.
    pub(super) fn power_lost(&mut self, ctx: &mut NetworkCtx<'_>, host: HostId) {
        self.powered[host.index()] = false;
        for slot in 0..self.connections.len() as u32 {
            let connection = &mut self.connections[slot as usize];
            for end in 0..2 {
                let own = &mut connection.ends[end];
                if own.host != host {
                    continue;
                }
                (own.queued, own.then) = (0, None);
                own.state = match own.state {
                    TcpState::Open | TcpState::Opening => TcpState::Dead,
                    TcpState::Closing => TcpState::Gone,
                    other => other,
                };
                connection.flows[end].drop_held(ctx.lists);
                connection.flows[1 - end].forget_arrived(ctx, slot, 1 - end as End);
            }
            self.free_if_forgotten(ctx, slot);
        }
    }

    /// A machine has power again.
    pub(super) fn power_back(&mut self, ctx: &mut NetworkCtx<'_>, host: HostId) {
        self.powered[host.index()] = true;
        self.retry_held(ctx);
    }

    /// Every connection between such hosts is reset.
    pub(super) fn reset(
        &mut self,
        ctx: &mut NetworkCtx<'_>,
        concerns: impl Fn(HostId, HostId) -> bool,
    ) {
        for slot in 0..self.connections.len() as u32 {
            let connection = &self.connections[slot as usize];
            let [a, b] = connection.ends;
            if !connection.free && (concerns(a.host, b.host) || concerns(b.host, a.host)) {
                self.abort(ctx, slot, CloseReason::Reset);
            }
        }
    }

    /// A frozen node reads again: what exceeded its kernel's socket buffers is still with the
    /// senders and comes a window update and a transmission later.
    pub(super) fn reads_again(&mut self, ctx: &mut NetworkCtx<'_>, host: HostId) {
        for connection in &mut self.connections {
            for end in 0..2 {
                let (sender, receiver) = (connection.ends[end], connection.ends[1 - end]);
                if receiver.host != host {
                    continue;
                }
                let mut buffered = 0;
                let mut later = Time::ZERO;
                for segment in connection.flows[end].segments.iter_mut().skip(1) {
                    buffered += wire_bytes(&segment.item, ctx.lists);
                    if segment.arrives > ctx.now || buffered <= self.socket_buffer {
                        segment.arrives = segment.arrives.max(later);
                        continue;
                    }
                    if later == Time::ZERO {
                        let update = self.links.latency(receiver.host, sender.host);
                        later = ctx.now + update + self.links.latency(sender.host, receiver.host);
                    }
                    segment.arrives = later;
                }
                let flow = &mut connection.flows[end];
                flow.last_arrival = flow.last_arrival.max(later);
            }
        }
    }
}
