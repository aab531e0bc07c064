//! A broker: replicas of partitions, clients to serve, a controller to obey.
//!
//! Follows `BrokerServer.scala`, `KafkaApis.scala` and `ReplicaManager.scala`, each part in a file
//! of its own below. This file holds the state and says which handler is whose. Every handler ends
//! in `finish`, which completes what waited for a change: answers first, then the next requests of
//! connections that are free again. Does not know what became of a message.

mod channel;
mod directories;
mod disks;
mod fetch;
mod fetcher;
mod isr;
mod lifecycle;
mod metadata;
mod partition;
mod produce;
mod producer_ids;
mod purgatory;
mod replica_state;
mod requests;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::ids::{
    BrokerId, ConnectionId, ControllerId, LeaderEpoch, LogId, NodeId, Offset, PartitionId,
};
use crate::base::sparse::Sparse;
use crate::base::time::Span;
use crate::kafka::broker::channel::{
    ALTER_PARTITION, BrokerChannels, BrokerThreads, DIRECTORY_ASSIGNMENTS, FORWARDING, HEARTBEAT,
    Inboxes, METADATA, Parked,
};
use crate::kafka::broker::directories::Assignments;
use crate::kafka::broker::fetch::session::FetchSessionCache;
use crate::kafka::broker::fetcher::ReplicaFetcher;
use crate::kafka::broker::isr::AlterQueue;
use crate::kafka::broker::lifecycle::Lifecycle;
use crate::kafka::broker::partition::{Host, Partition};
use crate::kafka::broker::producer_ids::ProducerIds;
use crate::kafka::broker::purgatory::Purgatory;
use crate::kafka::ctx::{CloseReason, Ctx, Node, OPERATOR};
use crate::kafka::image::{BootstrapImage, Image};
use crate::kafka::log::Log;
use crate::kafka::metadata_log;
use crate::kafka::network_client::{Answered, ChannelId, ControllerChannel, Peer};
use crate::kafka::rounds::Rounds;
use crate::kafka::start::{BrokerStart, Initial, ReplicaView};
use crate::kafka::timers::BrokerTimer;
use crate::model::config::BrokerConfig;
use crate::model::disk::{Disk, IoError};
use crate::model::fact::StopKind;
use crate::model::message::{Content, Message, broker_request, controller_request};

/// A broker.
#[derive(Clone, Debug)]
pub struct Broker {
    id: BrokerId,
    config: BrokerConfig,
    controllers: Vec<ControllerId>,
    /// Which controller it turns to.
    controller: usize,
    disk: Disk,
    /// Its copy of the metadata log.
    metadata: Log,
    image: Image,
    bootstrap: Arc<BootstrapImage>,
    /// The metadata log has been replayed to its end once.
    replayed: bool,
    /// And acted on: the broker has come far enough with its start.
    published: bool,
    /// Partitions whose state was replayed and not acted on yet.
    changed: Vec<PartitionId>,
    /// Replicas by partition: those that it hosts.
    partitions: Sparse<Partition>,
    /// Logs found at start of partitions that the metadata log has not spoken of yet.
    unassigned: Sparse<Log>,
    /// Failed log directories, as a bit set.
    offline_dirs: u64,
    lifecycle: Lifecycle,
    channels: BrokerChannels,
    /// By leader, of those that anything was ever fetched from.
    fetchers: Sparse<ReplicaFetcher>,
    inboxes: Inboxes,
    purgatory: Purgatory,
    sessions: FetchSessionCache,
    /// What a fetch looks at, in order; kept for its room.
    attended: Vec<(u64, PartitionId)>,
    alter: AlterQueue,
    producer_ids: ProducerIds,
    assignments: Assignments,
    /// Partitions that have changed and connections to go on with, before the handler ends.
    touched: VecDeque<PartitionId>,
    unmuted: VecDeque<ConnectionId>,
}

impl Broker {
    /// What this broker says of its replica of a partition: for audits and reports.
    #[must_use]
    pub fn view(&self, partition: PartitionId) -> Option<ReplicaView> {
        self.partitions.get(partition.index()).map(Partition::view)
    }

    /// The epoch cache of its replica of a partition: for reports.
    #[must_use]
    pub fn leader_epochs(&self, partition: PartitionId) -> Vec<(LeaderEpoch, Offset)> {
        let replica = self.partitions.get(partition.index());
        replica.map(|replica| replica.log.leader_epochs().to_vec()).unwrap_or_default()
    }

    /// Its disk: for audits and reports.
    #[must_use]
    pub const fn storage(&self) -> &Disk {
        &self.disk
    }

    /// The metadata it has replayed.
    #[cfg(test)]
    const fn image(&self) -> &Image {
        &self.image
    }

    /// A replica, and what it sees of its broker.
    fn replica_and_host(&mut self, partition: PartitionId) -> (Option<&mut Partition>, Host<'_>) {
        let Self { image, config, disk, sessions, .. } = self;
        let host = Host { image, config, disk, sessions };
        (self.partitions.get_mut(partition.index()), host)
    }

    /// A partition has changed: fetch sessions that hold it look at it again, and what waits for it
    /// is looked at before the handler ends.
    fn touch(&mut self, partition: PartitionId) {
        let Some(replica) = self.partitions.get_mut(partition.index()) else { return };
        for session in &replica.sessions {
            self.sessions.stir(*session, partition);
        }
        if !std::mem::replace(&mut replica.touched, true) {
            self.touched.push_back(partition);
        }
    }

    /// Settles what the handler has touched, if it has touched anything.
    #[inline]
    fn finish(&mut self, ctx: &mut Ctx<'_>) {
        if !self.touched.is_empty() || !self.unmuted.is_empty() {
            self.settle_touched(ctx);
        }
    }

    fn settle_touched(&mut self, ctx: &mut Ctx<'_>) {
        let (mut rounds, id, now) = (Rounds::default(), self.id, ctx.monotonic());
        loop {
            if let Some(partition) = self.touched.pop_front() {
                rounds.count(&partition, &id, now);
                self.check_and_complete(partition, ctx);
            } else if let Some(connection) = self.unmuted.pop_front() {
                rounds.count(&connection, &id, now);
                let next = self.inboxes.get(connection).filter(|inbox| !inbox.muted);
                if let Some(inbox) = next
                    && let Some(message) = inbox.queue.pop_front()
                {
                    inbox.muted = true;
                    self.on_request(connection, &message, ctx);
                }
            } else {
                return;
            }
        }
    }

    // ---- connections ----

    /// A request was answered: the next one of the connection may be handled.
    fn unmute(&mut self, connection: ConnectionId) {
        if let Some(inbox) = self.inboxes.get(connection) {
            inbox.muted = false;
            inbox.parked = None;
            if !inbox.queue.is_empty() {
                self.unmuted.push_back(connection);
            }
        }
    }

    fn park_on(&mut self, connection: ConnectionId, parked: Parked) {
        if let Some(inbox) = self.inboxes.get(connection) {
            inbox.parked = Some(parked);
        }
    }

    /// Closes somebody else's connection.
    fn hang_up(&mut self, connection: ConnectionId, ctx: &mut Ctx<'_>) {
        if connection != OPERATOR {
            ctx.close(connection);
            self.forget(connection, ctx);
        }
    }

    /// Forgets a connection, and whatever was asked on it.
    #[cold]
    fn forget(&mut self, connection: ConnectionId, ctx: &mut Ctx<'_>) {
        let Some(inbox) = self.inboxes.close(connection) else {
            return;
        };
        for message in &inbox.queue {
            ctx.release_lists(&message.content);
        }
        if let Some(parked) = inbox.parked {
            self.forget_parked(parked, ctx);
        }
    }

    /// A peer closed a connection on which requests wait behind one in process. The answer to that
    /// one is still written into the socket (the reset comes back later), so the channel is unmuted
    /// and reads one more request; writing its answer fails. Recorded: frozen-leader-plain, two
    /// repetitions of each freeze.
    #[cold]
    fn read_once_more(&mut self, connection: ConnectionId, ctx: &mut Ctx<'_>) {
        let Some(inbox) = self.inboxes.get(connection).filter(|inbox| inbox.muted) else {
            return;
        };
        let Some(message) = inbox.queue.pop_front() else {
            return;
        };
        if let Some(parked) = inbox.parked.take() {
            self.forget_parked(parked, ctx);
        }
        self.on_request(connection, &message, ctx);
    }

    /// Forgets what waits for an answer that nobody will read.
    fn forget_parked(&mut self, parked: Parked, ctx: &mut Ctx<'_>) {
        match parked {
            Parked::Produce(ticket) => {
                if let Some(parked) = self.purgatory.produces.take(ticket) {
                    ctx.release(parked.responses);
                }
            }
            Parked::Fetch(ticket) => self.forget_fetch(ticket, ctx),
        }
    }

    /// The node at the other end of a controller channel is not the active controller, or cannot be
    /// reached: closes the channel and turns to the next.
    fn leave_controller(&mut self, peer: Peer, ctx: &mut Ctx<'_>) {
        self.turn_to_next_controller(peer);
        self.channels.disconnect(peer, &mut Vec::new(), ctx);
    }

    fn turn_to_next_controller(&mut self, peer: Peer) {
        self.controller = (self.controller + 1) % self.controllers.len();
        self.channels.turn_to(peer, NodeId::Controller(self.controllers[self.controller]));
    }

    /// A channel of its own is free to be used.
    fn on_channel_free(&mut self, peer: Peer, ctx: &mut Ctx<'_>) {
        match peer {
            HEARTBEAT => self.send_lifecycle(ctx),
            ALTER_PARTITION => self.send_to_controller(ctx),
            FORWARDING => self.ask_for_producer_ids(ctx),
            DIRECTORY_ASSIGNMENTS => self.send_assignments(ctx),
            METADATA => self.fetch_metadata(ctx),
            Peer::Broker(leader) | Peer::Coordinator(leader) => self.pump(leader, ctx),
        }
    }

    /// A channel of its own closed, or its request took too long.
    #[cold]
    fn on_channel_lost(&mut self, peer: Peer, ctx: &mut Ctx<'_>) {
        self.channels.lost(peer, &mut Vec::new(), ctx);
        if let Peer::Broker(leader) = peer {
            return self.on_fetcher_closed(leader, ctx);
        }
        if peer == HEARTBEAT {
            self.on_lifecycle_lost(ctx);
        }
        if self.controllers.len() > 1 {
            self.turn_to_next_controller(peer);
        }
    }

    /// The oldest request on a channel of its own may be too old.
    fn on_request_timeout(&mut self, channel: ChannelId, ctx: &mut Ctx<'_>) {
        if let Some(peer) = self.channels.check_timeout(channel, ctx) {
            self.on_channel_lost(peer, ctx);
        }
    }

    /// A channel of its own may be opened again.
    fn on_reconnect(&mut self, channel: ChannelId, ctx: &mut Ctx<'_>) {
        if let Some(peer) = self.channels.peer(channel) {
            self.on_channel_free(peer, ctx);
        }
    }

    /// An answer on a channel of its own, which is free again afterwards.
    fn on_answer(&mut self, peer: Peer, message: &Message, ctx: &mut Ctx<'_>) {
        match self.channels.answered(peer, message.correlation) {
            Answered::Request(()) => self.on_response(peer, message, ctx),
            Answered::Ready => {}
            Answered::Nothing => return,
        }
        self.on_channel_free(peer, ctx);
    }

    fn on_response(&mut self, peer: Peer, message: &Message, ctx: &mut Ctx<'_>) {
        match &message.content {
            Content::BrokerRegistrationResponse(response) => self.on_registered(response, ctx),
            Content::BrokerHeartbeatResponse(response) => self.on_heartbeat_answered(response, ctx),
            Content::FetchMetadataResponse(response) => self.on_metadata_fetched(response, ctx),
            Content::AlterPartitionResponse(response) => self.on_partition_altered(response, ctx),
            Content::AllocateProducerIdsResponse(response) => self.on_producer_ids(response, ctx),
            Content::AssignReplicasToDirsResponse(response) => {
                self.on_replicas_assigned(response, ctx);
            }
            Content::FetchResponse(response) => {
                if let Peer::Broker(leader) = peer {
                    self.on_fetched(leader, response, ctx);
                }
            }
            Content::ListOffsetsResponse(response) => {
                if let Peer::Broker(leader) = peer {
                    self.on_offset_listed(leader, response, ctx);
                }
            }
            // What a broker never asks.
            Content::ApiVersionsRequest(_)
            | Content::ApiVersionsResponse(_)
            | Content::ProduceResponse(_)
            | Content::OffsetsForLeaderEpochResponse(_)
            | Content::MetadataResponse(_)
            | Content::InitProducerIdResponse(_)
            | Content::IncrementalAlterConfigsResponse(_)
            | Content::ElectLeadersResponse(_)
            | Content::CreatePartitionsResponse(_)
            | broker_request!()
            | controller_request!() => debug_assert!(false, "{}", message.content.name()),
        }
    }

    // ---- starting ----

    fn new(start: BrokerStart, disk: Disk, ctx: &mut Ctx<'_>) -> Self {
        let BrokerStart { id, config, controllers, incarnation, bootstrap, .. } = start;
        let clean = disk.clean_shutdown();
        let first = controllers.first().copied().unwrap_or(ControllerId(1));
        let mut channels = BrokerChannels::new(BrokerThreads::new(&config));
        for channel in ControllerChannel::ALL {
            channels.turn_to(Peer::Controller(channel), NodeId::Controller(first));
        }
        let mut broker = Self {
            id,
            controllers,
            controller: 0,
            metadata: metadata_log::absent(),
            image: Image::default(),
            bootstrap,
            replayed: false,
            published: false,
            changed: Vec::new(),
            partitions: Sparse::default(),
            unassigned: Sparse::default(),
            offline_dirs: disk.failed_dirs(),
            lifecycle: Lifecycle::new(incarnation, clean, ctx.monotonic()),
            channels,
            fetchers: Sparse::default(),
            inboxes: Inboxes::default(),
            purgatory: Purgatory::default(),
            sessions: FetchSessionCache::new(config.fetch_session_slots as usize),
            attended: Vec::new(),
            alter: AlterQueue::default(),
            producer_ids: ProducerIds::default(),
            assignments: Assignments::default(),
            touched: VecDeque::new(),
            unmuted: VecDeque::new(),
            config,
            disk,
        };
        broker.load_logs(clean.is_some(), ctx);
        broker
    }

    /// Loads every log there is.
    ///
    /// Kafka: LogManager.loadLogs
    /// Kafka: KafkaMetadataLog.apply
    fn load_logs(&mut self, clean: bool, ctx: &mut Ctx<'_>) {
        let expiration = self.config.producer_id_expiration;
        for id in self.disk.logs().collect::<Vec<LogId>>() {
            if let LogId::Partition(partition) = id
                && let Ok(log) = Log::load(id, 0, clean, ctx.wall(), expiration, &mut self.disk)
            {
                self.unassigned.insert(partition.index(), log);
            }
        }
        match metadata_log::load(ctx.wall(), &mut self.disk) {
            Ok(log) => self.metadata = log,
            Err(IoError::Full | IoError::Failed) => ctx.exit(StopKind::Halt),
        }
    }

    /// At time zero of a run: all that a broker goes through at start lies behind it, and it has
    /// replayed its copy of the metadata log to the end.
    fn begin_in_the_middle(&mut self, initial: &Initial, ctx: &mut Ctx<'_>) {
        self.lifecycle.begin_running(initial.epoch);
        ctx.listen();
        self.replay_metadata(self.metadata.end(), ctx);
        self.publish(self.image.end(), ctx);
        self.begin_fetching(ctx);
        let phase = ctx.rng.below(self.config.heartbeat_interval.0.max(1));
        ctx.set(BrokerTimer::Heartbeat, Span::nanos(phase));
    }
}

impl Node for Broker {
    type Config = BrokerStart;
    type Disk = Disk;
    type Timer = BrokerTimer;

    fn start(mut config: BrokerStart, disk: Disk, ctx: &mut Ctx<'_>) -> Self {
        let initial = config.initial.take();
        let mut broker = Self::new(config, disk, ctx);
        if broker.offline_dirs.count_ones() == u32::from(broker.disk.dirs()) {
            ctx.exit(StopKind::Halt);
            return broker;
        }
        broker.schedule_tasks(initial.is_some(), ctx);
        match &initial {
            Some(initial) => broker.begin_in_the_middle(initial, ctx),
            None => {
                let deadline = broker.config.initial_registration_timeout;
                ctx.set(BrokerTimer::Registration, deadline);
                let wait = broker.lifecycle.until_publication(ctx.monotonic());
                ctx.set(BrokerTimer::FirstPublication, wait);
                broker.on_communicate(ctx);
            }
        }
        broker.fetch_metadata(ctx);
        broker.finish(ctx);
        broker
    }

    fn on_opened(&mut self, connection: ConnectionId, _peer: NodeId, ctx: &mut Ctx<'_>) {
        if let Some(peer) = self.channels.of_connection(connection) {
            if self.channels.opened(peer, ctx) {
                self.on_channel_free(peer, ctx);
            }
            return self.finish(ctx);
        }
        self.inboxes.open(connection);
    }

    fn on_message(&mut self, connection: ConnectionId, message: &Message, ctx: &mut Ctx<'_>) {
        if let Some(peer) = self.channels.of_connection(connection) {
            self.on_answer(peer, message, ctx);
            return self.finish(ctx);
        }
        let handled_now = match self.inboxes.get(connection) {
            None if connection != OPERATOR => return,
            None => true,
            Some(inbox) if inbox.muted => {
                inbox.queue.push_back(*message);
                false
            }
            Some(inbox) => {
                inbox.muted = true;
                true
            }
        };
        ctx.keep_lists();
        if handled_now {
            self.on_request(connection, message, ctx);
            self.finish(ctx);
        }
    }

    fn on_closed(&mut self, connection: ConnectionId, _reason: CloseReason, ctx: &mut Ctx<'_>) {
        if let Some(peer) = self.channels.of_connection(connection) {
            self.on_channel_lost(peer, ctx);
        } else {
            self.read_once_more(connection, ctx);
            self.forget(connection, ctx);
        }
        self.finish(ctx);
    }

    fn on_timer(&mut self, timer: BrokerTimer, ctx: &mut Ctx<'_>) {
        match timer {
            BrokerTimer::Heartbeat => self.on_communicate(ctx),
            BrokerTimer::RequestTimeout(channel) => self.on_request_timeout(channel, ctx),
            BrokerTimer::Reconnect(channel) => self.on_reconnect(channel, ctx),
            BrokerTimer::IsrCheck => self.on_isr_check(ctx),
            BrokerTimer::WatermarkCheckpoint => self.on_watermark_checkpoint(ctx),
            BrokerTimer::RecoveryCheckpoint => self.on_recovery_checkpoint(ctx),
            BrokerTimer::Retention => self.on_retention(ctx),
            BrokerTimer::ProducerExpiry => self.on_producer_expiry(ctx),
            BrokerTimer::ProduceExpiry => self.on_produce_expiry(ctx),
            BrokerTimer::FetchExpiry => self.on_fetch_expiry(ctx),
            BrokerTimer::FetchBackoff(leader) => self.pump(leader, ctx),
            BrokerTimer::AlterPartition => self.on_alter_retry(ctx),
            BrokerTimer::FirstPublication => self.on_first_publication(ctx),
            BrokerTimer::Assignments => self.on_assignments_due(ctx),
            BrokerTimer::ProducerIds => self.on_producer_ids_retry(ctx),
            BrokerTimer::Registration => self.on_registration_deadline(ctx),
            BrokerTimer::LogDirFailure(dir) => self.on_dir_failure_deadline(dir, ctx),
            BrokerTimer::ShutdownDeadline => self.finish_shutdown(ctx),
            BrokerTimer::FlushInterval(partition) => self.on_flush_interval(partition, ctx),
        }
        self.finish(ctx);
    }

    fn on_flushed(&mut self, log: LogId, up_to: Offset, ctx: &mut Ctx<'_>) {
        match log {
            LogId::Partition(partition) => self.on_synced(partition, up_to, ctx),
            LogId::Metadata => self.metadata.synced(up_to),
        }
        self.finish(ctx);
    }

    fn on_flush_failed(&mut self, log: LogId, error: IoError, ctx: &mut Ctx<'_>) {
        match log {
            LogId::Partition(partition) => self.on_sync_failed(partition, error, ctx),
            LogId::Metadata => ctx.exit(StopKind::Halt),
        }
        self.finish(ctx);
    }

    fn on_shutdown(&mut self, ctx: &mut Ctx<'_>) {
        self.begin_shutdown(ctx);
        self.finish(ctx);
    }

    fn disk(&mut self) -> &mut Disk {
        &mut self.disk
    }

    fn stop(self) -> Disk {
        self.disk
    }
}

#[cfg(test)]
mod tests;
