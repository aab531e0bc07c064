//! Registration, heartbeats, controlled shutdown.
//!
//! Follows `BrokerLifecycleManager.scala` and the ends of `BrokerServer.scala`. A broker never
//! fences itself: if the controller does not answer, it goes on as it was and asks again.

use crate::base::ids::BrokerEpoch;
use crate::base::time::{Span, Time};
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::HEARTBEAT;
use crate::kafka::ctx::Ctx;
use crate::kafka::rulings;
use crate::kafka::timers::BrokerTimer;
use crate::model::error::ErrorCode;
use crate::model::fact::StopKind;
use crate::model::message::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, Content,
};

/// Between two heartbeats until the controller says that the broker has caught up.
const STARTING_INTERVAL: Span = Span::millis(10);
/// What a start takes beside registering: log manager, coordinators, socket server. Recorded from
/// registered to unfenced: 0.2 to 0.6 s after a start, 0.05 s where the registration had to wait
/// for the old session's end (rolling-restart).
///
/// Kafka: BrokerServer.startup
const STARTUP: Span = Span::millis(150);
/// When its first publication of metadata comes (`BrokerMetadataPublisher`): registered or not, it
/// acts on it from then on, and what it leads to takes the rest of [`STARTUP`].
const FIRST_PUBLICATION: Span = Span::millis(120);
/// Between the first two heartbeats of a controlled shutdown.
const SHUTDOWN_INTERVAL: Span = Span::millis(50);
/// How long a controlled shutdown is waited for.
///
/// Kafka: BrokerServer.shutdown
const SHUTDOWN_TIMEOUT: Span = Span::secs(300);

/// What a broker is to itself; a `BrokerState` of Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokerState {
    /// Registering and catching up with the metadata log.
    Starting,
    /// Caught up, waiting to be unfenced.
    Recovery,
    /// Unfenced once, with an open port: its start waits for that before it enables request
    /// processing, and only this opens the port. Recorded: the lab finds a port open 40 to 80 ms
    /// after that (`unclean-election`). The broker may be fenced again without knowing.
    ///
    /// Kafka: BrokerLifecycleManager.setReadyToUnfence
    /// Kafka: SocketServer.enableRequestProcessing
    /// Kafka: Acceptor.start
    Running,
    /// Asks for leave.
    Stopping,
}

/// What a broker and the controller have told each other.
#[derive(Clone, Debug)]
pub(super) struct Lifecycle {
    state: BrokerState,
    incarnation: u32,
    previous: Option<BrokerEpoch>,
    epoch: Option<BrokerEpoch>,
    /// When the request under way was made; it survives a reconnect.
    outstanding: Option<Time>,
    /// Something is to be said as soon as the request under way is answered.
    hurry: bool,
    /// When its logs, coordinators and sockets are up.
    ready_at: Time,
    publishes_at: Time,
    told_to_wait: bool,
    /// Failed directories in the request under way, and in those that were answered.
    dirs_sent: u64,
    dirs_heard: u64,
}

impl Lifecycle {
    pub(super) fn new(incarnation: u32, previous: Option<BrokerEpoch>, started: Time) -> Self {
        Self {
            state: BrokerState::Starting,
            incarnation,
            previous,
            epoch: None,
            outstanding: None,
            hurry: false,
            ready_at: started + STARTUP,
            publishes_at: started + FIRST_PUBLICATION,
            told_to_wait: false,
            dirs_sent: 0,
            dirs_heard: 0,
        }
    }

    /// At time zero of a run: registered and unfenced.
    pub(super) const fn begin_running(&mut self, epoch: BrokerEpoch) {
        self.ready_at = Time::ZERO;
        self.publishes_at = Time::ZERO;
        self.epoch = Some(epoch);
        self.state = BrokerState::Running;
    }

    /// Whether its logs, coordinators and sockets are up.
    pub(super) fn is_ready(&self, now: Time) -> bool {
        now >= self.ready_at
    }

    /// How long it is until the first publication of metadata may come.
    pub(super) fn until_publication(&self, now: Time) -> Span {
        self.publishes_at.since(now)
    }

    /// The broker epoch, once registered.
    pub(super) const fn epoch(&self) -> Option<BrokerEpoch> {
        self.epoch
    }

    /// Whether a request under way is so old that it is not sent any more.
    fn is_too_late(&self, now: Time, interval: Span) -> bool {
        self.outstanding.is_some_and(|since| now.since(since) >= interval)
    }

    /// Whether it is in controlled shutdown.
    pub(super) fn is_stopping(&self) -> bool {
        self.state == BrokerState::Stopping
    }

    /// Whether the controller has confirmed to know that these directories failed.
    pub(super) const fn heard_of(&self, dirs: u64) -> bool {
        dirs & !self.dirs_heard == 0
    }
}

impl Broker {
    fn communicate_after(&mut self, span: Span, ctx: &mut Ctx<'_>) {
        let span = if std::mem::take(&mut self.lifecycle.hurry) { Span::ZERO } else { span };
        ctx.set(BrokerTimer::Heartbeat, span);
    }

    /// Talks to the controller at once, or as soon as it has answered.
    pub(super) fn communicate_now(&mut self, ctx: &mut Ctx<'_>) {
        if self.lifecycle.outstanding.is_some() {
            self.lifecycle.hurry = true;
        } else {
            self.on_communicate(ctx);
        }
    }

    /// It is time for a registration or a heartbeat, or for giving up the one under way. One that
    /// was sent is given up with its connection.
    pub(super) fn on_communicate(&mut self, ctx: &mut Ctx<'_>) {
        if self.lifecycle.outstanding.is_none() {
            self.lifecycle.outstanding = Some(ctx.monotonic());
            ctx.set(BrokerTimer::Heartbeat, self.config.heartbeat_interval);
            self.send_lifecycle(ctx);
        } else if !self.channels.awaits_answer(HEARTBEAT) {
            self.communication_failed(ctx);
        }
    }

    /// The channel was lost. A request that was under way is put back into its queue, where it is
    /// given up if it is one interval old, or else sent again.
    ///
    /// Kafka: NodeToControllerRequestThread.generateRequests
    pub(super) fn on_lifecycle_lost(&mut self, ctx: &mut Ctx<'_>) {
        if self.lifecycle.is_too_late(ctx.monotonic(), self.config.heartbeat_interval) {
            self.communication_failed(ctx);
        }
    }

    /// `initial.broker.registration.timeout.ms` is over: a broker that has heard no answer by then
    /// shuts down, and its start has failed (`RegistrationTimeoutEvent`). The controller may have
    /// registered it all the same.
    pub(super) fn on_registration_deadline(&mut self, ctx: &mut Ctx<'_>) {
        if self.lifecycle.epoch.is_none() {
            ctx.exit(StopKind::Halt);
        }
    }

    /// Sends the request under way, as soon as the channel is ready.
    pub(super) fn send_lifecycle(&mut self, ctx: &mut Ctx<'_>) {
        if self.lifecycle.outstanding.is_none() {
            return;
        }
        if self.lifecycle.is_too_late(ctx.monotonic(), self.config.heartbeat_interval) {
            return self.communication_failed(ctx);
        }
        if !self.channels.ready(HEARTBEAT, ctx) {
            return;
        }
        let content = match self.lifecycle.epoch {
            None => Content::BrokerRegistrationRequest(BrokerRegistrationRequest {
                broker: self.id,
                incarnation: self.lifecycle.incarnation,
                previous: self.lifecycle.previous,
                log_dirs: self.log_dirs(),
            }),
            Some(epoch) => Content::BrokerHeartbeatRequest(BrokerHeartbeatRequest {
                broker: self.id,
                epoch,
                replayed: self.image.end(),
                want_fence: self.lifecycle.state == BrokerState::Starting,
                want_shutdown: self.lifecycle.is_stopping(),
                offline_dirs: self.offline_dirs,
            }),
        };
        self.lifecycle.dirs_sent = self.offline_dirs;
        self.channels.send(HEARTBEAT, content, (), ctx);
    }

    /// The next try comes after one interval, whatever failed
    /// (`scheduleNextCommunicationAfterFailure` of 3.9.2 and 4.1.1; an exponential back-off in the
    /// source of 2024).
    fn communication_failed(&mut self, ctx: &mut Ctx<'_>) {
        self.lifecycle.outstanding = None;
        self.lifecycle.hurry = false; // never at once after a failure
        if rulings::heartbeats_go_on(ctx.rules) {
            self.communicate_after(self.config.heartbeat_interval, ctx);
        }
    }

    /// The controller answered a registration.
    pub(super) fn on_registered(
        &mut self,
        response: &BrokerRegistrationResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let BrokerRegistrationResponse { error, epoch } = *response;
        if error == ErrorCode::NotController {
            self.leave_controller(HEARTBEAT, ctx);
            return self.on_lifecycle_lost(ctx);
        }
        if !error.is_none() {
            return self.communication_failed(ctx);
        }
        self.lifecycle.outstanding = None;
        self.lifecycle.epoch = Some(epoch);
        // What a leader by old metadata proposed meanwhile waits for an epoch; Kafka sends it again
        // and again, to be refused for its stale one (`DefaultAlterPartitionManager`).
        self.send_to_controller(ctx);
        self.ask_for_producer_ids(ctx);
        self.on_communicate(ctx);
    }

    /// The controller answered a heartbeat.
    pub(super) fn on_heartbeat_answered(
        &mut self,
        response: &BrokerHeartbeatResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let BrokerHeartbeatResponse { error, caught_up, fenced, may_shutdown } = *response;
        if error == ErrorCode::NotController {
            self.leave_controller(HEARTBEAT, ctx);
            return self.on_lifecycle_lost(ctx);
        }
        if !error.is_none() {
            return self.communication_failed(ctx);
        }
        let ready = caught_up && self.lifecycle.is_ready(ctx.monotonic());
        if ready && self.lifecycle.state == BrokerState::Starting {
            self.publish(self.image.end(), ctx);
        }
        let lifecycle = &mut self.lifecycle;
        lifecycle.outstanding = None;
        lifecycle.dirs_heard |= lifecycle.dirs_sent;
        let interval = self.config.heartbeat_interval;
        let next = match lifecycle.state {
            BrokerState::Starting if ready => {
                lifecycle.state = BrokerState::Recovery;
                Span::ZERO
            }
            BrokerState::Starting => STARTING_INTERVAL,
            BrokerState::Recovery => {
                if !fenced {
                    lifecycle.state = BrokerState::Running;
                    ctx.listen();
                }
                interval
            }
            BrokerState::Running => interval,
            BrokerState::Stopping if may_shutdown => return self.finish_shutdown(ctx),
            BrokerState::Stopping if lifecycle.told_to_wait => interval,
            BrokerState::Stopping => {
                lifecycle.told_to_wait = true;
                SHUTDOWN_INTERVAL
            }
        };
        self.communicate_after(next, ctx);
    }

    /// SIGTERM.
    pub(super) fn begin_shutdown(&mut self, ctx: &mut Ctx<'_>) {
        if self.lifecycle.is_stopping() {
            return;
        }
        if !self.config.controlled_shutdown || self.lifecycle.state != BrokerState::Running {
            return self.finish_shutdown(ctx);
        }
        self.lifecycle.state = BrokerState::Stopping;
        ctx.set(BrokerTimer::ShutdownDeadline, SHUTDOWN_TIMEOUT);
        self.communicate_now(ctx);
    }

    /// Closes every log and leaves. The marker says that nothing needs recovery; it is not written
    /// if a directory failed.
    ///
    /// Kafka: LogManager.shutdown
    pub(super) fn finish_shutdown(&mut self, ctx: &mut Ctx<'_>) {
        let hosted = self.partitions.values_mut().filter(|replica| !replica.offline);
        let logs = hosted.map(|replica| &mut replica.log);
        let logs = logs.chain(self.unassigned.values_mut());
        let mut closed = true;
        for log in logs {
            closed &= log.close(&mut self.disk).is_ok();
        }
        if let Some(epoch) = self.lifecycle.epoch
            && self.offline_dirs == 0
            && self.published
            && closed
        {
            // Without a marker the next start recovers the logs.
            let _no_space = self.disk.write_clean_shutdown(epoch);
        }
        ctx.exit(StopKind::Shutdown);
    }
}
