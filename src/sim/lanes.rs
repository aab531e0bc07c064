//! Service times: what a node works on at a time, and what a message costs it.
//!
//! A broker has lanes side by side, each with an inbox and the moment until which it is busy. An
//! idle lane handles a message as it arrives, and what the handler sends departs when the service
//! time is over; otherwise the message waits in the inbox and one wake event stands in the queue.
//! Follows the thread pools of `SocketServer.scala` and `KafkaRequestHandler.scala`: one lane for
//! everything would starve heartbeats into false fencing. Does not know what a message means.

use std::collections::VecDeque;

use crate::base::time::{Span, Time};
use crate::model::message::{Appends, Content, Lane, Lists, Message};
use crate::model::plan::Hardware;
use crate::sim::event::{ConnRef, End};

/// A message that has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    /// On which connection.
    pub(super) conn: ConnRef,
    /// At which of its ends.
    pub(super) end: End,
    /// What it says.
    pub(super) message: Message,
}

#[derive(Clone, Debug, Default)]
struct LaneState {
    busy_until: Time,
    inbox: VecDeque<Queued>,
    /// A wake event stands in the queue.
    waking: bool,
    /// The message at the front waits for a disk that does not answer.
    blocked: bool,
}

/// The lanes of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    lanes: [LaneState; 3],
}

impl Lanes {
    /// Whether a message that arrives now is handled at once.
    pub(super) fn is_idle(&self, lane: Lane, now: Time) -> bool {
        let state = &self.lanes[lane as usize];
        state.busy_until <= now && state.inbox.is_empty() && !state.blocked
    }

    /// Puts a message into the inbox. Says for when a wake event is needed, if one is.
    #[must_use]
    pub(super) fn queue(&mut self, lane: Lane, waiting: Queued) -> Option<Time> {
        let state = &mut self.lanes[lane as usize];
        state.inbox.push_back(waiting);
        let needed = !state.waking && !state.blocked;
        state.waking |= needed;
        needed.then_some(state.busy_until)
    }

    /// The wake event was popped: the next message.
    pub(super) fn wake(&mut self, lane: Lane) -> Option<Queued> {
        let state = &mut self.lanes[lane as usize];
        state.waking = false;
        state.inbox.pop_front()
    }

    /// A message has been handled: the lane is busy until then. Says whether a wake event is needed
    /// for that moment.
    #[must_use]
    pub(super) fn served(&mut self, lane: Lane, until: Time) -> bool {
        let state = &mut self.lanes[lane as usize];
        state.busy_until = until;
        let needed = !state.inbox.is_empty() && !state.waking && !state.blocked;
        state.waking |= needed;
        needed
    }

    /// A message needs the disk, which does not answer: it and all behind it wait.
    pub(super) fn block(&mut self, lane: Lane, waiting: Queued) {
        let state = &mut self.lanes[lane as usize];
        state.inbox.push_front(waiting);
        state.blocked = true;
    }

    /// The disk answers again. Says whether the lane was blocked, and now needs a wake event.
    #[must_use]
    pub(super) fn unblock(&mut self, lane: Lane) -> bool {
        let state = &mut self.lanes[lane as usize];
        let blocked = std::mem::take(&mut state.blocked);
        state.waking |= blocked;
        blocked
    }

    /// The process is gone; what waited goes with it.
    pub(super) fn clear(&mut self, mut drop_message: impl FnMut(Message)) {
        for state in &mut self.lanes {
            state.busy_until = Time::ZERO;
            state.waking = false;
            state.blocked = false;
            state.inbox.drain(..).for_each(|waiting| drop_message(waiting.message));
        }
    }
}

/// Whether its handler appends to a log, so that it waits for a disk that hangs.
pub(super) fn touches_disk(content: &Content, lists: &Lists) -> bool {
    content.appends() == Appends::Records && content.holds_records(lists)
}

/// What handling a message costs, without the records that its handler answers with.
pub(super) fn cost(hardware: &Hardware, content: &Content, lists: &Lists) -> Span {
    // Speed: a table, for messages come in no order that a branch predictor could learn.
    let costs = [hardware.response, hardware.control, hardware.fetch, hardware.produce];
    let records = match content.appends() {
        Appends::Records => records_cost(hardware, content.wire_bytes(lists)),
        Appends::Nothing => Span::ZERO,
    };
    costs[content.cost() as usize] + records
}

/// What so many bytes of records cost.
pub(super) const fn records_cost(hardware: &Hardware, bytes: u64) -> Span {
    Span(hardware.per_kib.0 * bytes / 1_024)
}

#[cfg(test)]
mod tests {
    use super::{Lanes, Queued};
    use crate::base::time::Time;
    use crate::model::message::{Lane, Message, MetadataRequest};
    use crate::sim::event::ConnRef;

    fn waiting(correlation: u32) -> Queued {
        Queued {
            conn: ConnRef { slot: 0, generation: 0 },
            end: 1,
            message: Message { correlation, content: MetadataRequest {}.into() },
        }
    }

    fn next(lanes: &mut Lanes) -> Option<u32> {
        lanes.wake(Lane::Requests).map(|w| w.message.correlation)
    }

    #[test]
    fn a_busy_lane_keeps_order_with_one_wake_event() {
        let mut lanes = Lanes::default();
        assert!(lanes.is_idle(Lane::Requests, Time(0)));
        assert!(!lanes.served(Lane::Requests, Time(10)));
        assert!(!lanes.is_idle(Lane::Requests, Time(9)));
        assert!(lanes.is_idle(Lane::Requests, Time(10)), "nothing waits");
        assert!(lanes.is_idle(Lane::Control, Time(0)), "lanes work side by side");

        assert_eq!(lanes.queue(Lane::Requests, waiting(1)), Some(Time(10)));
        assert_eq!(lanes.queue(Lane::Requests, waiting(2)), None);
        assert!(!lanes.is_idle(Lane::Requests, Time(10)), "others came first");
        assert_eq!(next(&mut lanes), Some(1));
        assert!(lanes.served(Lane::Requests, Time(20)), "the second still waits");
        assert_eq!(next(&mut lanes), Some(2));
        assert!(!lanes.served(Lane::Requests, Time(30)));
    }

    #[test]
    fn a_blocked_lane_waits_for_the_disk() {
        let mut lanes = Lanes::default();
        lanes.block(Lane::Requests, waiting(1));
        assert!(!lanes.is_idle(Lane::Requests, Time(99)));
        assert_eq!(lanes.queue(Lane::Requests, waiting(2)), None);
        assert!(lanes.unblock(Lane::Requests));
        assert!(!lanes.unblock(Lane::Requests));
        assert_eq!(next(&mut lanes), Some(1));
        assert!(lanes.served(Lane::Requests, Time(100)));
        assert_eq!(next(&mut lanes), Some(2));
    }
}
