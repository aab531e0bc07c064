//! Requests that wait: produce requests for the high watermark, fetches for data.
//!
//! Follows `DelayedProduce.java` and `DelayedFetch.java`. What waits for an offset of a log is
//! [`Deferred`]; here is what a request needs beside that, its deadline first. A parked request is
//! a slot of a slab; a partition refers to it by a [`Ticket`], which tells a slot that has been
//! used again. Does not know when a wait is over: partitions say so.

use crate::base::ids::ConnectionId;
use crate::base::time::Time;
use crate::kafka::broker::fetch::{FetchContext, FetchTerms};
use crate::kafka::deferred::Deferred;
use crate::kafka::timers::Alarm;
use crate::model::message::{List, PartitionProduceResponse};

/// Refers to a parked request, as long as that has not been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) slot: u32,
    generation: u32,
}

/// A produce request whose answer is incomplete.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedProduce {
    pub(super) connection: ConnectionId,
    pub(super) correlation: u32,
    /// The answer as it will be if nothing more happens: what still waits says REQUEST_TIMED_OUT.
    pub(super) responses: List<PartitionProduceResponse>,
    /// How many of its partitions still wait.
    pub(super) waiting: u32,
    /// When it is answered anyway.
    pub(super) deadline: Time,
}

/// A fetch that found too little.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedFetch {
    pub(super) connection: ConnectionId,
    pub(super) correlation: u32,
    /// Where its partitions are named; a request is kept until it is answered.
    pub(super) context: FetchContext,
    pub(super) terms: FetchTerms,
    pub(super) deadline: Time,
}

/// Where a partition's waiting batch belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) ticket: Ticket,
    /// Which entry of the answer.
    pub(super) part: u32,
}

/// A partition's reference to a parked fetch whose request names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watcher {
    pub(super) ticket: Ticket,
    /// Which entry of the fetch speaks of the partition.
    pub(super) part: u32,
}

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Slot<T> {
    generation: u32,
    parked: Option<T>,
    /// Neighbours in order of deadline; for a free slot `next` is the next free one.
    next: u32,
    previous: u32,
}

/// Parked requests of one kind, in order of their deadlines.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    first: u32,
    last: u32,
}

impl<T: Copy> Default for Shelf<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: NONE, first: NONE, last: NONE }
    }
}

/// What a shelf orders by.
pub(super) trait Deadline {
    fn deadline(&self) -> Time;
}

impl Deadline for ParkedProduce {
    fn deadline(&self) -> Time {
        self.deadline
    }
}

impl Deadline for ParkedFetch {
    fn deadline(&self) -> Time {
        self.deadline
    }
}

impl<T: Copy + Deadline> Shelf<T> {
    /// Parks a request. Time-outs are mostly equal, so the place in order is found at the end.
    pub(super) fn park(&mut self, parked: T) -> Ticket {
        let slot = match self.free {
            NONE => {
                let slot = Slot { generation: 0, parked: None, next: NONE, previous: NONE };
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
            free => {
                self.free = self.slots[free as usize].next;
                free
            }
        };
        let deadline = parked.deadline();
        let mut before = self.last;
        while before != NONE
            && self.slots[before as usize].parked.is_some_and(|p| p.deadline() > deadline)
        {
            before = self.slots[before as usize].previous;
        }
        let after = match before {
            NONE => std::mem::replace(&mut self.first, slot),
            before => std::mem::replace(&mut self.slots[before as usize].next, slot),
        };
        match after {
            NONE => self.last = slot,
            after => self.slots[after as usize].previous = slot,
        }
        let here = &mut self.slots[slot as usize];
        here.parked = Some(parked);
        here.previous = before;
        here.next = after;
        Ticket { slot, generation: here.generation }
    }

    /// The request, if it still waits.
    pub(super) fn get(&mut self, ticket: Ticket) -> Option<&mut T> {
        let slot = &mut self.slots[ticket.slot as usize];
        if slot.generation == ticket.generation { slot.parked.as_mut() } else { None }
    }

    /// The same, to look at.
    pub(super) fn peek(&self, ticket: Ticket) -> Option<&T> {
        let slot = &self.slots[ticket.slot as usize];
        if slot.generation == ticket.generation { slot.parked.as_ref() } else { None }
    }

    /// Takes a request out, if it still waits.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<T> {
        let parked = self.peek(ticket).copied()?;
        self.forget(ticket);
        Some(parked)
    }

    /// Forgets a request that waits.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        let place = ticket.slot as usize;
        self.slots[place].parked = None;
        let Slot { next, previous, .. } = self.slots[place];
        match previous {
            NONE => self.first = next,
            previous => self.slots[previous as usize].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => self.slots[next as usize].previous = previous,
        }
        let slot = &mut self.slots[place];
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free;
        self.free = ticket.slot;
    }

    /// The request with the nearest deadline.
    pub(super) fn first(&self) -> Option<(Ticket, Time)> {
        let slot = self.slots.get(self.first as usize)?;
        let ticket = Ticket { slot: self.first, generation: slot.generation };
        Some((ticket, slot.parked.as_ref()?.deadline()))
    }
}

/// All that waits at one broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Purgatory {
    pub(super) produces: Shelf<ParkedProduce>,
    pub(super) fetches: Shelf<ParkedFetch>,
    /// When the produce timer will fire, if it is set.
    pub(super) produce_timer: Alarm,
    /// When the fetch timer will fire, if it is set.
    pub(super) fetch_timer: Alarm,
}

/// What waits at one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiters {
    /// For the high watermark. A recognised duplicate may wait for less than those before it.
    pub(super) watermark: Deferred<Waiter>,
    /// For a sync; then for the high watermark too, if so it says.
    pub(super) sync: Deferred<(Waiter, bool)>,
    /// For data. At most one entry per slot.
    watchers: Vec<Watcher>,
}

impl Waiters {
    /// Takes anyone that waits for anything but data.
    pub(super) fn give_up(&mut self) -> Option<Waiter> {
        self.watermark.give_up().or_else(|| self.sync.give_up().map(|(waiter, _)| waiter))
    }

    /// A parked fetch waits for data.
    pub(super) fn watch(&mut self, watcher: Watcher) {
        match self.watchers.iter_mut().find(|w| w.ticket.slot == watcher.ticket.slot) {
            Some(stale) => *stale = watcher,
            None => self.watchers.push(watcher),
        }
    }

    /// The parked fetch at this place.
    pub(super) fn watcher(&self, place: usize) -> Option<Watcher> {
        self.watchers.get(place).copied()
    }

    /// Forgets the parked fetch at this place.
    pub(super) fn unwatch(&mut self, place: usize) {
        self.watchers.swap_remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::{ParkedProduce, Shelf};
    use crate::base::ids::ConnectionId;
    use crate::base::time::Time;
    use crate::model::message::Lists;

    #[test]
    fn a_shelf_keeps_the_order_of_deadlines_and_knows_stale_tickets() {
        let mut lists = Lists::default();
        let mut shelf = Shelf::default();
        let parked = |deadline, responses| ParkedProduce {
            connection: ConnectionId(0),
            correlation: 0,
            responses,
            waiting: 1,
            deadline: Time(deadline),
        };
        let tickets: Vec<_> =
            [30, 10, 20].map(|at| shelf.park(parked(at, lists.take()))).into_iter().collect();
        assert_eq!(shelf.first(), Some((tickets[1], Time(10))));
        assert!(shelf.take(tickets[1]).is_some());
        assert!(shelf.take(tickets[1]).is_none(), "taken twice");
        let again = shelf.park(parked(5, lists.take()));
        assert_eq!(again.slot, tickets[1].slot);
        assert!(shelf.get(tickets[1]).is_none(), "the slot is somebody else's now");
        let mut order = Vec::new();
        while let Some((ticket, at)) = shelf.first() {
            order.push(at.0);
            shelf.take(ticket);
        }
        assert_eq!(order, [5, 20, 30]);
    }
}
