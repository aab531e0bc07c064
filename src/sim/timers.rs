//! Timer slots of one node, with one entry in the event queue per slot.
//!
//! A timer that is set again for later leaves its queue entry alone; the entry finds out when it is
//! popped and goes back to the queue. Does not know what a timer is for.
//!
//! Speed: request time-outs, which are nearly always moved and hardly ever fire, would otherwise
//! fill the queue with dead entries.

use crate::base::time::Time;
use crate::kafka::timers::Timer;

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// When it shall fire; never if it is not set.
    deadline: Time,
    /// When the queue entry that counts will be popped; never if there is none.
    queued: Time,
}

const UNSET: Slot = Slot { deadline: Time::NEVER, queued: Time::NEVER };

/// What a popped queue entry of a timer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The timer fires.
    Now,
    /// It was set again: the entry goes back to the queue for this moment.
    Later(Time),
    /// It was cancelled, or another entry of the slot counts.
    Never,
}

/// All timers of one node.
#[derive(Clone, Debug)]
pub(super) struct Timers {
    slots: Vec<Vec<Slot>>,
}

impl Timers {
    /// No timer is set.
    pub(super) fn new() -> Self {
        Self { slots: vec![Vec::new(); Timer::ROWS] }
    }

    /// Sets a timer. If a queue entry is needed for that, says so.
    #[must_use]
    pub(super) fn set(&mut self, timer: Timer, deadline: Time) -> bool {
        let slot = self.slot(timer);
        slot.deadline = deadline;
        if slot.queued <= deadline {
            return false;
        }
        slot.queued = deadline;
        true
    }

    /// Cancels a timer.
    pub(super) fn cancel(&mut self, timer: Timer) {
        self.slot(timer).deadline = Time::NEVER;
    }

    /// A queue entry was popped.
    pub(super) fn popped(&mut self, timer: Timer, now: Time) -> Due {
        let slot = self.slot(timer);
        if slot.queued != now {
            return Due::Never;
        }
        if slot.deadline == Time::NEVER {
            slot.queued = Time::NEVER;
            return Due::Never;
        }
        if slot.deadline > now {
            slot.queued = slot.deadline;
            return Due::Later(slot.deadline);
        }
        *slot = UNSET;
        Due::Now
    }

    /// The timer is due but the node cannot handle it: it waits outside of the queue.
    pub(super) fn hold(&mut self, timer: Timer, now: Time) {
        *self.slot(timer) = Slot { deadline: now, queued: Time::NEVER };
    }

    /// The node can go on: whether a held timer (if it was neither cancelled nor set again) needs
    /// a queue entry for now.
    #[must_use]
    pub(super) fn release(&mut self, timer: Timer, now: Time) -> bool {
        let slot = self.slot(timer);
        let waits = slot.deadline <= now && slot.queued == Time::NEVER;
        if waits {
            slot.queued = now;
        }
        waits
    }

    /// The process is gone, and its timers with it.
    pub(super) fn clear(&mut self) {
        for slots in &mut self.slots {
            slots.clear();
        }
    }

    fn slot(&mut self, timer: Timer) -> &mut Slot {
        let (row, index) = timer.slot();
        let (slots, index) = (&mut self.slots[row], usize::from(index));
        if index >= slots.len() {
            slots.resize(index + 1, UNSET);
        }
        &mut slots[index]
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Timers};
    use crate::base::time::Time;
    use crate::kafka::network_client::ChannelId;
    use crate::kafka::timers::{BrokerTimer, Timer};

    const TIMER: Timer = Timer::Broker(BrokerTimer::RequestTimeout(ChannelId(3)));

    #[test]
    fn a_timer_moved_later_keeps_its_one_entry() {
        let mut timers = Timers::new();
        assert!(timers.set(TIMER, Time(10)));
        assert!(!timers.set(TIMER, Time(20)));
        assert!(!timers.set(TIMER, Time(30)));
        assert_eq!(timers.popped(TIMER, Time(10)), Due::Later(Time(30)));
        assert_eq!(timers.popped(TIMER, Time(30)), Due::Now);
        assert_eq!(timers.popped(TIMER, Time(30)), Due::Never);
    }

    #[test]
    fn a_timer_moved_earlier_leaves_a_stale_entry() {
        let mut timers = Timers::new();
        assert!(timers.set(TIMER, Time(10)));
        assert!(timers.set(TIMER, Time(5)));
        assert_eq!(timers.popped(TIMER, Time(5)), Due::Now);
        assert!(timers.set(TIMER, Time(12)));
        assert_eq!(timers.popped(TIMER, Time(10)), Due::Never);
        assert_eq!(timers.popped(TIMER, Time(12)), Due::Now);
    }

    #[test]
    fn a_cancelled_timer_is_gone_and_can_be_set_again() {
        let mut timers = Timers::new();
        assert!(timers.set(TIMER, Time(10)));
        timers.cancel(TIMER);
        assert!(!timers.set(TIMER, Time(15)), "the entry at 10 still counts");
        assert_eq!(timers.popped(TIMER, Time(10)), Due::Later(Time(15)));
        timers.cancel(TIMER);
        assert_eq!(timers.popped(TIMER, Time(15)), Due::Never);
        assert!(timers.set(TIMER, Time(16)));
    }

    #[test]
    fn a_held_timer_fires_once_when_released() {
        let mut timers = Timers::new();
        assert!(timers.set(TIMER, Time(10)));
        assert_eq!(timers.popped(TIMER, Time(10)), Due::Now);
        timers.hold(TIMER, Time(10));
        assert!(timers.release(TIMER, Time(50)));
        assert!(!timers.release(TIMER, Time(50)));
        assert_eq!(timers.popped(TIMER, Time(50)), Due::Now);

        timers.hold(TIMER, Time(60));
        timers.cancel(TIMER);
        assert!(!timers.release(TIMER, Time(70)));
    }

    #[test]
    fn a_timer_that_never_fires_needs_no_entry() {
        let mut timers = Timers::new();
        assert!(!timers.set(TIMER, Time::NEVER));
    }
}
