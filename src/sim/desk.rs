//! The desk where facts are noted: it stamps them and hands them to the observer and the director.
//!
//! The director always hears what concerns the machine, faults and committed metadata, and
//! everything else only while something waits for a pattern. What it orders is carried out when the
//! event is over, so that no handler is entered while another runs.

use crate::model::fact::{Fact, Observer, Stamp};
use crate::sim::director::{Director, Order};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    /// Decides about faults and the script.
    pub(super) director: Director,
    /// What it has ordered in this event.
    pub(super) orders: Vec<Order>,
    /// The event being carried out.
    pub(super) stamp: Stamp,
    /// Whether the director wants every fact at present.
    pub(super) curious: bool,
}

impl Desk {
    /// Whether facts are worth making.
    pub(super) fn wants<O: Observer>(&self, tap: &O) -> bool {
        self.curious || tap.wants_facts()
    }

    /// Whether facts about the network are worth making.
    pub(super) fn wants_trace<O: Observer>(&self, tap: &O) -> bool {
        self.curious || tap.wants_trace()
    }

    /// Notes a fact of nodes, disks or applications.
    ///
    /// Speed: inline, like what hears it. Where a fact is made its kind is known, and the match of
    /// whoever hears it folds away.
    #[inline(always)]
    pub(super) fn note<O: Observer>(&mut self, tap: &mut O, fact: &Fact) {
        if tap.wants_facts() {
            tap.fact(self.stamp, fact);
        }
        if self.curious {
            self.director.on_fact(self.stamp.time, fact, &mut self.orders);
        }
    }

    /// Notes what a disk has observed. A lost tail is the machine's doing.
    ///
    /// Speed: inline, as `note` is.
    #[inline(always)]
    pub(super) fn observe<O: Observer>(&mut self, tap: &mut O, fact: &Fact) {
        if matches!(fact, Fact::TailLost { .. }) {
            self.announce(tap, *fact);
        } else {
            self.note(tap, fact);
        }
    }

    /// Notes a fact of the network that only a trace wants.
    #[cold]
    pub(super) fn note_trace<O: Observer>(&mut self, tap: &mut O, fact: Fact) {
        if tap.wants_trace() {
            tap.fact(self.stamp, &fact);
        }
        if self.curious {
            self.director.on_fact(self.stamp.time, &fact, &mut self.orders);
        }
    }

    /// Notes a fact of the machine, of faults, or of committed metadata.
    #[cold]
    pub(super) fn announce<O: Observer>(&mut self, tap: &mut O, fact: Fact) {
        if tap.wants_facts() {
            tap.fact(self.stamp, &fact);
        }
        self.director.on_fact(self.stamp.time, &fact, &mut self.orders);
    }
}
