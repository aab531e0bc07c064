//! Telling the controller in which log directories replicas lie.
//!
//! Follows `AssignmentsManager.java` and `ReplicaManager.maybeUpdateTopicAssignment` (KIP-858). A
//! disk that was emptied and formatted anew has new directory ids, so that every replica on it has
//! moved. Does not know what the controller makes of it.

use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::DIRECTORY_ASSIGNMENTS;
use crate::kafka::ctx::{Ctx, Timer, TimerKind};
use crate::model::error::ErrorCode;
use crate::model::message::AssignReplicasToDirsRequest;

/// `AssignmentsManagerDeadlineFunction`: how long assignments are collected, and the first pause
/// after a failure.
const DELAY: Span = Span::millis(100);
/// The longest pause after failures.
const DELAY_MAX: Span = Span::secs(10);

/// What is to be said of directories.
#[derive(Clone, Debug, Default)]
pub(super) struct Assignments {
    /// A request is to be sent as soon as the channel is free.
    due: bool,
    /// A timer is set, a request due or in flight.
    under_way: bool,
    failures: u32,
}

impl Broker {
    /// Whether the metadata says of some replica that it lies elsewhere than it does.
    fn has_moved_replicas(&self) -> bool {
        let disk = self.disk.id();
        let hosted = self.partitions.values().filter(|replica| !replica.offline);
        let mut images = hosted.filter_map(|replica| self.image.partition(replica.id));
        images.any(|image| image.disk_of(self.id) != disk)
    }

    /// Metadata was acted on: it may not know where replicas lie.
    pub(super) fn check_assignments(&mut self, ctx: &mut Ctx<'_>) {
        if !self.assignments.under_way && self.has_moved_replicas() {
            self.assignments.under_way = true;
            ctx.set(Timer::of(TimerKind::Assignments), DELAY);
        }
    }

    /// Enough has been collected.
    pub(super) fn on_assignments_due(&mut self, ctx: &mut Ctx<'_>) {
        self.assignments.due = true;
        self.send_assignments(ctx);
    }

    /// Sends what is due, if the channel is free. The broker epoch is the one that the metadata
    /// has: of an earlier registration, while this process waits for its own.
    pub(super) fn send_assignments(&mut self, ctx: &mut Ctx<'_>) {
        if !self.assignments.due {
            return;
        }
        let Some(epoch) = self.image.broker(self.id).map(|registered| registered.epoch) else {
            return;
        };
        if self.channels.ready(DIRECTORY_ASSIGNMENTS, ctx) {
            let (broker, disk) = (self.id, self.disk.id());
            let content = AssignReplicasToDirsRequest { broker, epoch, disk };
            self.channels.send(DIRECTORY_ASSIGNMENTS, content.into(), (), ctx);
        }
    }

    /// The controller answered.
    pub(super) fn on_replicas_assigned(&mut self, error: ErrorCode, ctx: &mut Ctx<'_>) {
        self.assignments.due = false;
        if error == ErrorCode::NotController {
            self.leave_controller(DIRECTORY_ASSIGNMENTS, ctx);
        }
        if error.is_none() {
            // The metadata will say so; of what it says meanwhile the next look finds the rest.
            self.assignments = Assignments::default();
            return;
        }
        self.assignments.failures += 1;
        let pause = DELAY.scaled(1 << self.assignments.failures.min(7), 1).min(DELAY_MAX);
        let pause = ctx.rng.jitter(pause, 2);
        ctx.set(Timer::of(TimerKind::Assignments), pause);
    }
}
