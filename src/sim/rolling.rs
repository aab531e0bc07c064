//! A rolling restart: controlled shutdown and start of each broker in turn.
//!
//! The next broker waits until the last one is unfenced and every ISR it belongs to holds all
//! replicas that run, as an operator's runbook says. Does not inject by itself: it tells the
//! director whose turn it is. Each restart stands in the schedule as a fault of its own.

use crate::base::ids::{BrokerEpoch, BrokerId, NodeId};
use crate::base::time::{Span, Time};
use crate::kafka::image::PartitionImage;
use crate::sim::director::ClusterView;

/// How often the committed metadata is looked at.
pub(super) const LOOK: Span = Span::millis(250);

/// A broker that is not back by then does not hold up the others.
const PATIENCE: Span = Span::secs(60);

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This broker is restarted.
    Restart(BrokerId),
    /// The present one is not back yet.
    Wait,
    /// Every broker has had its turn.
    Finished,
}

/// The broker whose turn it is.
#[derive(Clone, Copy, Debug)]
struct Current {
    broker: BrokerId,
    since: Time,
    /// Of its registration before the restart; it is back when it has another.
    epoch: Option<BrokerEpoch>,
}

/// One rolling restart under way.
#[derive(Clone, Debug)]
pub(super) struct Rolling {
    next: u16,
    brokers: u16,
    current: Option<Current>,
    finished: bool,
}

impl Rolling {
    pub(super) const fn new(brokers: u16) -> Self {
        Self { next: 1, brokers, current: None, finished: false }
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whose turn it is. A broker that is down for another reason is passed over: starting it would
    /// cut that fault short.
    pub(super) fn turn(&mut self, view: &ClusterView<'_>) -> Turn {
        if let Some(current) = self.current
            && view.now.since(current.since) < PATIENCE
            && !is_back(current, view)
        {
            return Turn::Wait;
        }
        self.current = None;
        while self.next <= self.brokers {
            let broker = BrokerId(self.next);
            self.next += 1;
            if (view.running)(NodeId::Broker(broker)) {
                let epoch = view.committed.broker(broker).map(|b| b.epoch);
                self.current = Some(Current { broker, since: view.now, epoch });
                return Turn::Restart(broker);
            }
        }
        self.finished = true;
        Turn::Finished
    }
}

fn is_back(current: Current, view: &ClusterView<'_>) -> bool {
    let Some(image) = view.committed.broker(current.broker) else { return false };
    let full = |partition: &PartitionImage| {
        let place_is_in = |(place, broker): (usize, &BrokerId)| {
            partition.state.isr.has(place) || !(view.running)(NodeId::Broker(*broker))
        };
        partition.place(current.broker).is_none()
            || partition.replicas.iter().enumerate().all(place_is_in)
    };
    (view.running)(NodeId::Broker(current.broker))
        && Some(image.epoch) != current.epoch
        && image.is_active()
        && view.committed.partitions().all(|(_, partition)| full(partition))
}
