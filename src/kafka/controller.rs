//! The KRaft controller: who is alive, who leads, who is in sync.
//!
//! A state machine over the metadata log. Every request and every timer goes the same way: a pure
//! decision over what has been replayed pushes the records it wants; `Controller::append`, the only
//! place that writes, appends them as one batch and replays them; at the end of the handler a sync
//! is asked for. An answer waits until everything written before it is committed, and so do brokers
//! that fetch the log. With one controller what is synced is committed; a quorum will take the
//! place of that one step, [`Node::on_flushed`], under the same decisions.
//!
//! * `view`: what a decision sees, and decisions over many partitions;
//! * `election`: one change of one partition;
//! * `elections`: when the controller elects without being asked;
//! * `registry`: registration, heartbeats, sessions, fencing;
//! * `alter_partition`: a leader asks for another ISR;
//! * `topics`: more partitions of a topic;
//! * `observers`: brokers follow the log;
//! * `rulings`: what releases have decided differently.
//!
//! Follows `QuorumController.java`, `ClusterControlManager.java` and
//! `ReplicationControlManager.java` of 4.1.1. It does not know the brokers' logs: an election is
//! decided by the committed sets alone. Not modelled: creation and deletion of topics while the
//! cluster runs, deletion of partitions, reassignment, quotas, access control.

mod alter_partition;
mod election;
mod elections;
mod observers;
mod registry;
mod rulings;
#[cfg(test)]
mod tests;
mod topics;
mod view;

use crate::base::ids::{
    BrokerEpoch, ConnectionId, LeaderEpoch, LogId, NodeId, Offset, PartitionIds, ProducerId,
};
use crate::base::time::Span;
use crate::kafka::controller::election::Election;
use crate::kafka::controller::elections::Scheduled;
use crate::kafka::controller::observers::{Fetch, Observers};
use crate::kafka::controller::registry::{Registry, Standing};
use crate::kafka::controller::view::View;
use crate::kafka::ctx::{CloseReason, Ctx, Node};
use crate::kafka::deferred::Deferred;
use crate::kafka::image::Image;
use crate::kafka::log::Log;
use crate::kafka::metadata_log;
use crate::kafka::start::ControllerStart;
use crate::kafka::timers::ControllerTimer;
use crate::model::config::BrokerConfig;
use crate::model::directory::Directory;
use crate::model::disk::{Disk, IoError};
use crate::model::error::ErrorCode;
use crate::model::fact::{Fact, StopKind};
use crate::model::message::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, AlterPartitionRequest,
    AlterPartitionResponse, AlterPartitionResult, ApiVersionsResponse, AssignReplicaToDir,
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, AssignReplicasToDirsResult,
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, Content, ElectLeadersRequest, ElectLeadersResponse,
    ElectLeadersResult, ElectionType, IncrementalAlterConfigsResponse, Message, broker_request,
    response,
};
use crate::model::metadata::MetadataRecord;
use crate::model::rules::Rules;

/// Producer ids are handed to brokers in blocks of so many (`ProducerIdsBlock.java`).
const PRODUCER_ID_BLOCK: u32 = 1000;

/// Sessions are checked so many times per session.
///
/// Kafka: QuorumController.registerMaybeFenceStaleBroker
const CHECKS_PER_SESSION: u64 = 8;

/// An answer that is ready but for the records before it.
#[derive(Clone, Copy, Debug)]
struct Answer {
    connection: ConnectionId,
    correlation: u32,
    content: Content,
}

/// The active controller.
#[derive(Clone, Debug)]
pub struct Controller {
    config: BrokerConfig,
    elr: bool,
    disk: Disk,
    /// The metadata log. Its high watermark is the committed end.
    log: Log,
    /// The epoch in which it leads.
    epoch: LeaderEpoch,
    /// Up to where a sync of the log has been asked for.
    flushing: Offset,
    /// Answers that wait for the committed end.
    answers: Deferred<Answer>,
    image: Image,
    registry: Registry,
    observers: Observers,
    scheduled: Scheduled,
    /// The ids of each topic's partitions: Kafka numbers them within their topic.
    topics: Vec<PartitionIds>,
    /// `broker.rack` of each broker, which Kafka's registrations carry: it never changes here.
    racks: Vec<Option<u16>>,
}

impl Controller {
    /// Its disk: for audits and reports.
    #[must_use]
    pub const fn storage(&self) -> &Disk {
        &self.disk
    }

    /// The metadata as replayed so far.
    #[cfg(test)]
    const fn image(&self) -> &Image {
        &self.image
    }

    /// Decides by what has been replayed, then writes what was decided.
    fn decide<T>(
        &mut self,
        ctx: &mut Ctx<'_>,
        decision: impl FnOnce(&View<'_>, &mut Vec<MetadataRecord>) -> T,
    ) -> T {
        let mut records = Vec::new();
        let decided = decision(&self.view(ctx.rules), &mut records);
        self.append(records, ctx);
        decided
    }

    const fn view<'a>(&'a self, rules: &'a Rules) -> View<'a> {
        View { image: &self.image, registry: &self.registry, rules, elr: self.elr }
    }

    /// The one place that writes: appends, then replays. A controller that cannot write its log
    /// halts (`QuorumController.java`, fatal faults).
    fn append(&mut self, records: Vec<MetadataRecord>, ctx: &mut Ctx<'_>) {
        if records.is_empty() {
            return;
        }
        let changes_partitions = records.iter().any(|record| record.partition().is_some());
        let base = self.log.end();
        let batch = metadata_log::batch(records, base, self.epoch, ctx.wall, ctx.bodies);
        if metadata_log::append(&mut self.log, batch, &mut self.disk, ctx).is_err() {
            return ctx.exit(StopKind::Halt);
        }
        for record in batch.records.body().map_or(&[][..], |body| ctx.bodies.metadata(body)) {
            self.image.replay(record);
            self.registry.replay(record, ctx.rules);
        }
        if changes_partitions {
            self.schedule_elections(ctx);
        }
    }

    /// Answers as soon as everything written so far is committed
    /// (`QuorumController.ControllerWriteEvent`).
    fn answer(
        &mut self,
        connection: ConnectionId,
        correlation: u32,
        content: Content,
        ctx: &mut Ctx<'_>,
    ) {
        if self.log.watermark() < self.log.end() {
            self.answers.wait(self.log.end(), Answer { connection, correlation, content });
        } else {
            ctx.send(connection, correlation, content);
        }
    }

    /// Asks for a sync of what the handler has written.
    fn finish(&mut self, ctx: &mut Ctx<'_>) {
        if self.flushing < self.log.end() {
            self.flushing = self.log.end();
            self.log.sync(ctx);
        }
    }

    /// Everything below is committed: brokers hear of it, and what waited for it is answered.
    fn commit(&mut self, to: Offset, ctx: &mut Ctx<'_>) {
        self.log.set_watermark(to);
        self.observers.wake(&self.log, &self.disk, ctx);
        while let Some((_, answer)) = self.answers.next(self.log.watermark()) {
            ctx.send(answer.connection, answer.correlation, answer.content);
        }
    }

    fn on_heartbeat(
        &mut self,
        heartbeat: &BrokerHeartbeatRequest,
        ctx: &mut Ctx<'_>,
    ) -> BrokerHeartbeatResponse {
        let BrokerHeartbeatRequest { broker, epoch, offline_dirs, .. } = *heartbeat;
        let error = match self.image.broker(broker) {
            None => ErrorCode::BrokerIdNotRegistered,
            Some(_) => registry::check_epoch(&self.image, broker, epoch),
        };
        let mut standing = Standing::Fenced;
        if error.is_none() {
            let mut records = Vec::new();
            standing = registry::heartbeat(&self.view(ctx.rules), heartbeat, &mut records);
            let fenced = matches!(standing, Standing::Fenced | Standing::MayStop);
            self.registry.touch(heartbeat, fenced, ctx.rules, ctx.monotonic);
            self.append(records, ctx);
            if rulings::sessions_end_on_time(ctx.rules) {
                self.await_next_end(ctx);
            }
            if standing == Standing::ShuttingDown {
                self.registry.begin_shutdown(broker, self.image.end());
            }
            if offline_dirs != 0 {
                self.decide(ctx, |view, records| {
                    view.remove_from_dirs(broker, offline_dirs, records);
                });
            }
        }
        BrokerHeartbeatResponse {
            error,
            caught_up: error.is_none() && registry::is_caught_up(heartbeat),
            fenced: matches!(standing, Standing::Fenced | Standing::MayStop),
            may_shutdown: standing == Standing::MayStop,
        }
    }

    fn on_register(
        &mut self,
        request: &BrokerRegistrationRequest,
        ctx: &mut Ctx<'_>,
    ) -> BrokerRegistrationResponse {
        let now = ctx.monotonic();
        let granted =
            self.decide(ctx, |view, records| registry::register(view, request, now, records));
        match granted {
            Ok(epoch) => BrokerRegistrationResponse { error: ErrorCode::None, epoch },
            Err(error) => BrokerRegistrationResponse { error, epoch: BrokerEpoch::default() },
        }
    }

    fn on_alter_partition(
        &mut self,
        request: &AlterPartitionRequest,
        ctx: &mut Ctx<'_>,
    ) -> AlterPartitionResponse {
        let AlterPartitionRequest { broker, epoch, partitions: items, broker_states } = *request;
        let partitions = ctx.take_list();
        let error = registry::check_epoch(&self.image, broker, epoch);
        if !error.is_none() {
            return AlterPartitionResponse { error, partitions };
        }
        let mut records = Vec::new();
        let view = self.view(ctx.rules);
        let mut place = 0;
        while let Some(item) = ctx.entry(items, place) {
            place += 1;
            let members = &ctx.list(broker_states)[item.new_isr_with_epochs.places()];
            let (error, state) =
                alter_partition::decide(&view, broker, &item, members, &mut records);
            ctx.push(partitions, AlterPartitionResult { partition: item.partition, error, state });
        }
        self.append(records, ctx);
        AlterPartitionResponse { error, partitions }
    }

    /// Kafka: ProducerIdControlManager.generateNextProducerId
    fn on_allocate(
        &mut self,
        request: &AllocateProducerIdsRequest,
        ctx: &mut Ctx<'_>,
    ) -> AllocateProducerIdsResponse {
        let error = registry::check_epoch(&self.image, request.broker, request.epoch);
        let first = self.image.next_producer_id();
        let count = if error.is_none() { PRODUCER_ID_BLOCK } else { 0 };
        self.decide(ctx, |_, records| {
            if count > 0 {
                records.push(MetadataRecord::ProducerIds { next: first + count });
            }
        });
        AllocateProducerIdsResponse { error, first: ProducerId(first), count }
    }

    /// A broker says in which log directories its replicas lie. Those in a directory that it did
    /// not register or that is offline are not led by it, nor is it in their ISRs. Its epoch is the
    /// one that its metadata has, so a broker that has not registered anew is heard. Recorded:
    /// `wiped-disk`, `wiped-last-in-isr`.
    ///
    /// Kafka: ReplicationControlManager.handleAssignReplicasToDirs
    fn on_assign(
        &mut self,
        request: &AssignReplicasToDirsRequest,
        ctx: &mut Ctx<'_>,
    ) -> AssignReplicasToDirsResponse {
        let AssignReplicasToDirsRequest { broker, epoch, partitions: replicas } = *request;
        let partitions = ctx.take_list();
        let error = registry::check_epoch(&self.image, broker, epoch);
        if !error.is_none() {
            return AssignReplicasToDirsResponse { error, partitions };
        }
        let mut records = Vec::new();
        let mut offline = Vec::new();
        let view = self.view(ctx.rules);
        let dirs = view.image.broker(broker).map(|registered| registered.log_dirs);
        let mut place = 0;
        while let Some(AssignReplicaToDir { partition, directory }) = ctx.entry(replicas, place) {
            place += 1;
            let error = view.assign(broker, (partition, directory), &mut records);
            if error.is_none() && dirs.is_some_and(|d| !d.has_online(Directory::In(directory))) {
                offline.push(partition);
            }
            ctx.push(partitions, AssignReplicasToDirsResult { partition, error });
        }
        self.append(records, ctx);
        if !offline.is_empty() {
            self.decide(ctx, |view, records| view.remove_from_these(broker, &offline, records));
        }
        AssignReplicasToDirsResponse { error, partitions }
    }

    /// An operator asks for elections. Of all partitions, those that need none are not named.
    ///
    /// Kafka: ReplicationControlManager.electLeaders
    fn on_elect_leaders(
        &mut self,
        request: ElectLeadersRequest,
        ctx: &mut Ctx<'_>,
    ) -> ElectLeadersResponse {
        let partitions = ctx.take_list();
        let mut records = Vec::new();
        let view = self.view(ctx.rules);
        match request.election {
            ElectionType::Unclean(partition) => {
                let error = view.elect_leader(partition, Election::Unclean, &mut records);
                ctx.push(partitions, ElectLeadersResult { partition, error });
            }
            ElectionType::Preferred => {
                for (partition, _) in view.image.partitions() {
                    let error = view.elect_leader(partition, Election::Preferred, &mut records);
                    if error != ErrorCode::ElectionNotNeeded {
                        ctx.push(partitions, ElectLeadersResult { partition, error });
                    }
                }
            }
        }
        self.append(records, ctx);
        ElectLeadersResponse { partitions }
    }

    /// Fences whose session has ended, one after the other, so that each sees the one before
    /// (`maybeFenceStaleBroker`). A broker whose kept session ends is fenced once more; recorded:
    /// `unclean-election`.
    fn check_sessions(&mut self, ctx: &mut Ctx<'_>) {
        while let Some(broker) = self.registry.end_one_session(ctx.monotonic) {
            ctx.note(Fact::SessionExpired { broker });
            self.decide(ctx, |view, records| registry::fence(view, broker, records));
        }
        if rulings::sessions_end_on_time(ctx.rules) {
            self.await_next_end(ctx);
        } else {
            ctx.set(ControllerTimer::SessionCheck, self.session_check_period());
        }
    }

    /// Looks again when the first session is over, if nothing is heard until then.
    fn await_next_end(&self, ctx: &mut Ctx<'_>) {
        if let Some((_, ends)) = self.registry.first_to_end() {
            let after = ends.since(ctx.monotonic) + Span::nanos(1);
            ctx.set(ControllerTimer::SessionCheck, after);
        }
    }

    fn session_check_period(&self) -> Span {
        self.config.session_timeout.scaled(1, CHECKS_PER_SESSION)
    }
}

impl Node for Controller {
    type Config = ControllerStart;
    type Disk = Disk;
    type Timer = ControllerTimer;

    fn start(config: ControllerStart, mut disk: Disk, ctx: &mut Ctx<'_>) -> Self {
        let ControllerStart { config, features, racks, topics, initial } = config;
        let brokers = racks.len() as u16;
        let loaded = metadata_log::load(ctx.wall, &mut disk);
        let mut image = Image::default();
        let read = loaded.and_then(|mut log| {
            metadata_log::read(&log, (Offset::ZERO, log.end()), &disk, ctx.bodies, |record| {
                image.replay(record);
            })?;
            // Every start but the first of a run begins an epoch.
            let latest = log.latest_epoch().unwrap_or_default();
            let epoch = if initial { latest } else { latest.next() };
            log.begin_epoch(epoch, log.end(), &mut disk)?;
            log.set_watermark(log.recovery_point());
            Ok((log, epoch))
        });
        if read.is_err() {
            ctx.exit(StopKind::Halt);
        }
        let (log, epoch) = read.unwrap_or_else(|_| (metadata_log::absent(), LeaderEpoch(0)));
        let interval = config.heartbeat_interval.0.max(1);
        let rng = &mut *ctx.rng;
        let heard = || if initial { Span(rng.below(interval)) } else { Span::ZERO };
        let registry = Registry::takeover(&image, &config, brokers, ctx.monotonic, heard);
        let mut controller = Self {
            config,
            elr: features.eligible_leader_replicas,
            disk,
            flushing: log.watermark(),
            log,
            epoch,
            answers: Deferred::default(),
            image,
            registry,
            observers: Observers::new(brokers),
            scheduled: Scheduled::default(),
            topics,
            racks,
        };
        // The controller has been active for some time when a run begins: any phase is as good.
        let period = controller.session_check_period().0.max(1);
        let phase = Span(ctx.rng.below(period));
        if rulings::sessions_end_on_time(ctx.rules) {
            controller.await_next_end(ctx);
        } else {
            ctx.set(ControllerTimer::SessionCheck, phase);
        }
        controller.begin_election_checks(initial, ctx);
        ctx.listen();
        controller.finish(ctx);
        controller
    }

    fn on_opened(&mut self, connection: ConnectionId, peer: NodeId, _: &mut Ctx<'_>) {
        self.observers.opened(connection, peer);
    }

    fn on_message(&mut self, connection: ConnectionId, message: &Message, ctx: &mut Ctx<'_>) {
        let answer: Content = match message.content {
            Content::ApiVersionsRequest(_) => ApiVersionsResponse {}.into(),
            Content::BrokerRegistrationRequest(request) => self.on_register(&request, ctx).into(),
            Content::BrokerHeartbeatRequest(request) => self.on_heartbeat(&request, ctx).into(),
            Content::AlterPartitionRequest(request) => {
                self.on_alter_partition(&request, ctx).into()
            }
            Content::AssignReplicasToDirsRequest(request) => self.on_assign(&request, ctx).into(),
            Content::AllocateProducerIdsRequest(request) => self.on_allocate(&request, ctx).into(),
            Content::IncrementalAlterConfigsRequest(request) => {
                let error = self.decide(ctx, |view, records| view.alter_config(request, records));
                IncrementalAlterConfigsResponse { error }.into()
            }
            Content::ElectLeadersRequest(request) => self.on_elect_leaders(request, ctx).into(),
            Content::CreatePartitionsRequest(request) => {
                self.on_create_partitions(request, ctx).into()
            }
            Content::FetchMetadataRequest(request) => {
                let fetch = Fetch { connection, correlation: message.correlation, request };
                self.observers.fetch(fetch, &self.log, &self.disk, ctx);
                return;
            }
            broker_request!() | response!() => return,
        };
        self.answer(connection, message.correlation, answer, ctx);
        self.finish(ctx);
    }

    fn on_closed(&mut self, connection: ConnectionId, _: CloseReason, ctx: &mut Ctx<'_>) {
        self.observers.closed(connection, ctx);
        let unread = |answer: &Answer| answer.connection == connection;
        self.answers.take_out(unread, |answer| ctx.release_lists(&answer.content));
    }

    fn on_timer(&mut self, timer: ControllerTimer, ctx: &mut Ctx<'_>) {
        match timer {
            ControllerTimer::SessionCheck => self.check_sessions(ctx),
            ControllerTimer::UncleanElection => self.on_unclean_check(ctx),
            ControllerTimer::PreferredElection => self.on_preferred_check(ctx),
            ControllerTimer::MetadataWait(broker) => {
                self.observers.expired(broker, &self.log, &self.disk, ctx);
            }
        }
        self.finish(ctx);
    }

    /// With one controller a record is committed when it is synced.
    fn on_flushed(&mut self, _: LogId, up_to: Offset, ctx: &mut Ctx<'_>) {
        self.log.synced(up_to);
        self.commit(self.log.recovery_point(), ctx);
    }

    /// A controller that cannot write its log halts (`QuorumController.java`, fatal faults).
    fn on_flush_failed(&mut self, _: LogId, _: IoError, ctx: &mut Ctx<'_>) {
        ctx.exit(StopKind::Halt);
    }

    fn on_shutdown(&mut self, ctx: &mut Ctx<'_>) {
        ctx.exit(StopKind::Shutdown);
    }

    fn disk(&mut self) -> &mut Disk {
        &mut self.disk
    }

    fn stop(self) -> Disk {
        self.disk
    }
}
