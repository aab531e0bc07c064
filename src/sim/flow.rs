//! One direction of a connection: bytes under way, in order, some of them held.
//!
//! The event queue knows of the first segment only; the next is scheduled when that has arrived.
//! Knows TCP's retransmission times, but neither links nor nodes.

use std::collections::VecDeque;

use crate::base::time::{Span, Time};
use crate::kafka::ctx::CloseReason;
use crate::model::message::{Lists, Message};
use crate::sim::event::{ConnRef, End, Event};
use crate::sim::queue::{Class, Queue};

/// TCP's first retransmission time-out; it doubles.
pub(super) const FIRST_RTO: Span = Span::millis(200);
/// And no longer than this.
const LONGEST_RTO: Span = Span::secs(120);
/// Bytes of a message beside its lists.
const MESSAGE_OVERHEAD: u64 = 100;

/// What the network works with beside itself.
#[derive(Debug)]
pub(super) struct NetworkCtx<'a> {
    /// The present.
    pub(super) now: Time,
    /// The event being carried out: the cause of what follows.
    pub(super) seq: u64,
    /// Where events go.
    pub(super) queue: &'a mut Queue<Event>,
    /// Where the lists of lost messages go.
    pub(super) lists: &'a mut Lists,
}

impl NetworkCtx<'_> {
    /// Adds an event.
    pub(super) fn push(&mut self, time: Time, event: Event) {
        self.queue.push(time, Class::Ordinary, self.seq, event);
    }
}

/// What travels in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The connection is open.
    Opened,
    /// Bytes.
    Message(Message),
    /// Nothing follows.
    Close(CloseReason),
}

/// An item under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct TcpSegment {
    /// What.
    pub(super) item: Item,
    /// Never, while it is held.
    pub(super) arrives: Time,
    /// The event in which it was sent.
    pub(super) cause: u64,
}

/// One direction of a connection. The queue knows of its first segment only.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// Oldest first.
    pub(super) segments: VecDeque<TcpSegment>,
    /// Nothing sent later arrives before.
    pub(super) last_arrival: Time,
    /// Number of the queue entry that counts.
    pub(super) stamp: u32,
    /// Whether bytes are held.
    pub(super) held: Option<Held>,
}

/// Bytes that do not get through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// TCP's first try.
    pub(super) since: Time,
    /// Its next one that has a queue entry; never if there is none.
    pub(super) retry: Time,
}

impl Flow {
    /// Puts the arrival of the first segment into the event queue.
    pub(super) fn schedule_head(&mut self, ctx: &mut NetworkCtx<'_>, slot: u32, end: End) {
        let Some(head) = self.segments.front() else { return };
        if head.arrives == Time::NEVER {
            return;
        }
        self.stamp = self.stamp.wrapping_add(1);
        let event = Event::Arrive { slot, end, stamp: self.stamp };
        ctx.queue.push(head.arrives.max(ctx.now), Class::Ordinary, head.cause, event);
    }

    /// Throws away everything under way.
    pub(super) fn clear(&mut self, lists: &mut Lists) {
        for segment in self.segments.drain(..) {
            if let Item::Message(message) = segment.item {
                drop_message(lists, message);
            }
        }
        self.stamp = self.stamp.wrapping_add(1);
        self.held = None;
    }

    /// The sender's memory is gone, and the bytes that were held there.
    pub(super) fn drop_held(&mut self, lists: &mut Lists) {
        while self.segments.back().is_some_and(|s| s.arrives == Time::NEVER) {
            if let Some(TcpSegment { item: Item::Message(message), .. }) = self.segments.pop_back()
            {
                drop_message(lists, message);
            }
        }
        self.held = None;
    }

    /// The receiver's memory is gone, and the bytes in its socket buffer.
    pub(super) fn forget_arrived(&mut self, ctx: &mut NetworkCtx<'_>, slot: u32, end: End) {
        while self.segments.front().is_some_and(|s| s.arrives <= ctx.now) {
            if let Some(TcpSegment { item: Item::Message(message), .. }) = self.segments.pop_front()
            {
                drop_message(ctx.lists, message);
            }
        }
        self.schedule_head(ctx, slot, end);
    }
}

/// Bytes of a flow are held from now on; TCP gives up on them some day.
#[cold]
pub(super) fn hold(
    ctx: &mut NetworkCtx<'_>,
    flow: &mut Flow,
    conn: ConnRef,
    end: End,
    held: Held,
    give_up: Span,
) {
    flow.held = Some(held);
    ctx.push(held.since + give_up, Event::GiveUp { conn, end });
    if held.retry != Time::NEVER {
        ctx.push(held.retry, Event::Retransmit { conn, end });
    }
}

/// When TCP, whose first try was at `since`, tries for the first time at `from` or later.
pub(super) fn next_retransmission(since: Time, from: Time) -> Time {
    let mut rto = FIRST_RTO;
    let mut at = since + rto;
    while at < from {
        rto = Span(rto.0 * 2).min(LONGEST_RTO);
        at += rto;
    }
    at
}

/// Bytes on the wire.
pub(super) fn wire_bytes(item: &Item, lists: &Lists) -> u64 {
    let Item::Message(message) = item else { return MESSAGE_OVERHEAD };
    MESSAGE_OVERHEAD + message.content.wire_bytes(lists)
}

/// Gives the lists of a lost message back.
pub(super) fn drop_message(lists: &mut Lists, message: Message) {
    message.content.give_back(lists);
}

#[cfg(test)]
mod tests {
    use super::next_retransmission;
    use crate::base::time::{Span, Time};

    #[test]
    fn retransmissions_double_from_200_ms_up_to_120_s() {
        let first = Time(0) + Span::secs(5);
        let next = |from: u64| next_retransmission(first, first + Span::millis(from)).since(first);
        for (from, millis) in [(0, 200), (200, 200), (201, 600), (601, 1_400), (1_401, 3_000)] {
            assert_eq!(next(from), Span::millis(millis), "{from}");
        }
        assert_eq!(next(30_000), Span::millis(51_000), "after a 30 s cut: 21 s later");
        let late = next(800_000);
        assert!(late.as_millis() - 800_000 <= 120_000);
    }
}
