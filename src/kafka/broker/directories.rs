//! Log directories: where a new replica is put, and telling the controller so.
//!
//! Follows `LogManager.scala` and `AssignmentsManager.java` (KIP-858). The choice is the broker's
//! own and lies on its disk; the controller hears of it per replica, unless there is one directory
//! only. A disk that was emptied and formatted anew has new directory ids, so that every replica on
//! it has moved. Does not know what the controller makes of it.

use crate::base::ids::{LogId, PartitionId};
use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::DIRECTORY_ASSIGNMENTS;
use crate::kafka::ctx::Ctx;
use crate::kafka::timers::BrokerTimer;
use crate::model::directory::{Directory, DirectoryId, LogDirs};
use crate::model::error::ErrorCode;
use crate::model::message::{
    AssignReplicaToDir, AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
};

/// `AssignmentsManagerDeadlineFunction`: how long assignments are collected, and the first pause
/// after a failure.
const DELAY: Span = Span::millis(100);
/// The longest pause after failures.
const DELAY_MAX: Span = Span::secs(10);

/// `AssignReplicasToDirsRequest.MAX_ASSIGNMENTS_PER_REQUEST`.
const MOST: usize = 2_250;

/// What is to be said of directories.
#[derive(Clone, Debug, Default)]
pub(super) struct Assignments {
    /// A request is to be sent as soon as the channel is free.
    due: bool,
    /// A timer is set, a request due or in flight.
    under_way: bool,
    /// Something was noticed while a request was under way.
    more: bool,
    failures: u32,
}

impl Broker {
    /// The log directories that are online.
    pub(super) const fn log_dirs(&self) -> LogDirs {
        LogDirs::new(self.disk.id(), self.disk.dirs(), self.offline_dirs)
    }

    /// In which log directory a replica lies, or is put if it is new: where the metadata says if
    /// that is one of ours, else in the one with the fewest partitions. Nowhere if the metadata
    /// names another directory while one is offline, for the log may lie there.
    ///
    /// Kafka: Partition.createLogInAssignedDirectoryId
    pub(super) fn dir_for(&self, id: PartitionId) -> Option<u16> {
        if let Some(dir) = self.disk.dir_of(LogId::Partition(id)) {
            return Some(dir);
        }
        let directory = self.image.partition(id)?.directory(self.id);
        let online = self.log_dirs().has_online(directory);
        match directory {
            Directory::In(known) if online => Some(known.dir),
            Directory::In(_) if self.offline_dirs != 0 => None,
            Directory::In(_) | Directory::Unassigned => self.next_log_dir(),
        }
    }

    /// The online directory with the fewest partitions.
    ///
    /// Kafka: LogManager.nextLogDirs
    fn next_log_dir(&self) -> Option<u16> {
        if self.disk.dirs() == 1 {
            return Some(0);
        }
        let mut counts = vec![0_u32; usize::from(self.disk.dirs())];
        for log in self.disk.logs().filter(|log| matches!(log, LogId::Partition(_))) {
            if let Some(dir) = self.disk.dir_of(log) {
                counts[usize::from(dir)] += 1;
            }
        }
        let online = (0..self.disk.dirs()).filter(|dir| self.offline_dirs >> dir & 1 == 0);
        online.min_by_key(|dir| counts[usize::from(*dir)])
    }

    /// The directory of a replica, if the metadata says that it lies elsewhere.
    fn misplaced(&self, id: PartitionId) -> Option<DirectoryId> {
        let dir = self.disk.dir_of(LogId::Partition(id))?;
        let image = self.image.partition(id).filter(|image| image.place(self.id).is_some())?;
        let directory = DirectoryId { disk: self.disk.id(), dir };
        (image.directory(self.id) != Directory::In(directory)).then_some(directory)
    }

    /// Metadata of these partitions was acted on: it may not know where replicas lie.
    ///
    /// Kafka: ReplicaManager.maybeUpdateTopicAssignment
    pub(super) fn check_assignments(&mut self, changed: &[PartitionId], ctx: &mut Ctx<'_>) {
        if !changed.iter().any(|id| self.misplaced(*id).is_some()) {
            return;
        }
        if self.assignments.under_way {
            self.assignments.more = true;
        } else {
            self.collect_assignments(DELAY, ctx);
        }
    }

    fn collect_assignments(&mut self, pause: Span, ctx: &mut Ctx<'_>) {
        self.assignments.under_way = true;
        ctx.set(BrokerTimer::Assignments, pause);
    }

    /// Enough has been collected.
    pub(super) fn on_assignments_due(&mut self, ctx: &mut Ctx<'_>) {
        self.assignments.due = true;
        self.send_assignments(ctx);
    }

    /// Sends what is due, if the channel is free. The broker epoch is the one that the metadata
    /// has: of an earlier registration, while this process waits for its own. What lies in a
    /// directory that is offline by now is said, too, so that the controller can act on it.
    ///
    /// Kafka: AssignmentsManager.maybeSendAssignments
    pub(super) fn send_assignments(&mut self, ctx: &mut Ctx<'_>) {
        if !self.assignments.due {
            return;
        }
        let Some(epoch) = self.image.broker(self.id).map(|registered| registered.epoch) else {
            return;
        };
        if !self.channels.ready(DIRECTORY_ASSIGNMENTS, ctx) {
            return;
        }
        let partitions = ctx.take_list();
        let hosted = self.partitions.values().map(|replica| replica.id);
        let logs = hosted.filter_map(|id| Some((id, self.misplaced(id)?)));
        for (partition, directory) in logs.take(MOST) {
            ctx.push(partitions, AssignReplicaToDir { partition, directory });
        }
        self.assignments.more |= ctx.list(partitions).len() == MOST;
        let broker = self.id;
        let request = AssignReplicasToDirsRequest { broker, epoch, partitions };
        self.channels.send(DIRECTORY_ASSIGNMENTS, request.into(), (), ctx);
    }

    /// The controller answered.
    ///
    /// Kafka: AssignmentsManager.handleResponse
    pub(super) fn on_replicas_assigned(
        &mut self,
        response: &AssignReplicasToDirsResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let AssignReplicasToDirsResponse { error, partitions } = *response;
        self.assignments.due = false;
        if error == ErrorCode::NotController {
            self.leave_controller(DIRECTORY_ASSIGNMENTS, ctx);
        }
        if !error.is_none() {
            return self.assignments_failed(ctx);
        }
        let refused = ctx.list(partitions).iter().any(|result| !result.error.is_none());
        let again = self.assignments.more || refused;
        self.assignments = Assignments::default();
        if again {
            self.collect_assignments(DELAY, ctx);
        }
    }

    fn assignments_failed(&mut self, ctx: &mut Ctx<'_>) {
        self.assignments.failures += 1;
        let pause = DELAY.scaled(1 << self.assignments.failures.min(7), 1).min(DELAY_MAX);
        let pause = ctx.rng.jitter(pause, 2);
        self.collect_assignments(pause, ctx);
    }
}
