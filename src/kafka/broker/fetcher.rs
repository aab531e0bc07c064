//! The follower's side of replication: one fetcher per leader, one request in flight.
//!
//! Follows `AbstractFetcherThread.scala` and `ReplicaFetcherThread.scala`. Whatever it asks next,
//! it asks after the answer to what it asked before. Does not know why a leader leads.

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::base::number_set::NumberSet;
use crate::base::time::{Span, Time};
use crate::kafka::broker::Broker;
use crate::kafka::broker::partition::{Host, Partition};
use crate::kafka::ctx::Ctx;
use crate::kafka::fetch_session::FetchSessionHandler;
use crate::kafka::network_client::Peer;
use crate::kafka::rulings::{self, FollowerStart};
use crate::kafka::timers::BrokerTimer;
use crate::model::batch::Batch;
use crate::model::disk::IoError;
use crate::model::error::ErrorCode;
use crate::model::message::{
    Content, FetchPartition, FetchRequest, FetchResponse, FetchablePartition, Fetcher,
    ForgottenPartition, List, ListOffsetsRequest, ListOffsetsResponse, WhichOffset,
};

/// From following a leader that nothing was fetched from until then to the first request: a thread,
/// a selector, a connection. Inferred: in all four runs of `eligible-leader-replicas` followers
/// that hear of an election when the new leader does find it leading; in one of
/// `kill-then-lost-tail` they did not, and came back after a back-off.
const FETCHER_START: Span = Span::millis(8);

/// What a follower is about to fetch of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchState {
    /// From whom.
    pub(super) leader: BrokerId,
    /// What the session with the leader holds of it, if it is in there: what is asked of it in the
    /// request in flight.
    sent: Option<FetchPartition>,
    /// Not before this moment of the monotonic clock.
    delayed_until: Option<Time>,
    /// Not before this much is synced (`flush.messages`).
    pub(super) awaits_sync: Option<Offset>,
    /// Not before the leader has said where its log begins and ends.
    out_of_range: bool,
    /// Not before new metadata (`markPartitionFailed`).
    failed: bool,
}

impl FetchState {
    const fn new(leader: BrokerId) -> Self {
        Self {
            leader,
            sent: None,
            delayed_until: None,
            awaits_sync: None,
            out_of_range: false,
            failed: false,
        }
    }

    /// Nothing is in the way of fetching it.
    const fn is_clear(&self) -> bool {
        !self.failed
            && !self.out_of_range
            && self.delayed_until.is_none()
            && self.awaits_sync.is_none()
    }
}

/// Fetches from one leader. Each partition is filed by what is in its way, so that a request costs
/// by what has changed since the last one.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplicaFetcher {
    /// All that it fetches.
    partitions: NumberSet,
    /// Those with nothing in their way.
    ready: NumberSet,
    /// Those that back off.
    delayed: NumberSet,
    /// Those whose position the leader's log does not hold.
    out_of_range: NumberSet,
    /// Those that wait for a sync.
    syncing: NumberSet,
    /// Those that have changed since the last request.
    changed: NumberSet,
    /// In the session with the leader, and fetched no more.
    left: NumberSet,
    session: FetchSessionHandler,
    /// When its thread is up.
    starts_at: Time,
    /// It asks the leader for offsets of a partition whose position is out of range.
    resolving: Option<(PartitionId, WhichOffset)>,
}

impl ReplicaFetcher {
    /// A partition has changed: files it by what is in its way.
    fn file(&mut self, partition: PartitionId, fetch: &FetchState) {
        let place = partition.index();
        self.changed.insert(place);
        if fetch.is_clear() && self.ready.contains(place) && !self.syncing.contains(place) {
            return; // as it was, which is the rule
        }
        let delayed = !fetch.failed && fetch.delayed_until.is_some();
        let out_of_range = !fetch.failed && !delayed && fetch.out_of_range;
        self.partitions.insert(place);
        self.ready.put(place, !fetch.failed && !delayed && !out_of_range);
        self.delayed.put(place, delayed);
        self.out_of_range.put(place, out_of_range);
        self.syncing.put(place, fetch.awaits_sync.is_some());
    }

    /// A partition is fetched no more.
    fn unfile(&mut self, partition: PartitionId, fetch: &FetchState) {
        let place = partition.index();
        for set in [
            &mut self.partitions,
            &mut self.ready,
            &mut self.delayed,
            &mut self.out_of_range,
            &mut self.syncing,
            &mut self.changed,
        ] {
            set.remove(place);
        }
        if fetch.sent.is_some() {
            self.left.insert(place);
        }
    }
}

/// What a follower makes of one fetched batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Appended,
    /// The rest of the answer is not for this leader epoch.
    Skip,
    /// It does not fit onto the log.
    Misfit,
}

impl Partition {
    /// Appends a fetched batch.
    ///
    /// Kafka: Partition.appendRecordsToFollowerOrFutureReplica
    fn append_as_follower(
        &mut self,
        batch: Batch,
        host: &mut Host<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<Taken, IoError> {
        if !rulings::follower_takes(batch.leader_epoch, self.leader_epoch) {
            return Ok(Taken::Skip);
        }
        if batch.base < self.log.end() {
            // An empty log may begin inside the leader's first batch.
            if self.log.start() < self.log.end() || batch.end() <= self.log.end() {
                return Ok(Taken::Misfit);
            }
            self.log.restart_at(batch.base, host.disk)?;
        }
        let config = host.image.topic_config(self.topic);
        if self.log.append(batch, config, host.disk, ctx)?
            && let Some(fetch) = &mut self.fetch
        {
            fetch.awaits_sync = Some(batch.end());
        }
        Ok(Taken::Appended)
    }

    /// Makes the log ready to be continued by the leader of a new epoch.
    fn start_following(
        &mut self,
        leader: BrokerId,
        host: &mut Host<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), IoError> {
        self.fetch = Some(FetchState::new(leader));
        if rulings::follower_start(ctx.rules) == FollowerStart::CutToWatermark {
            let to = self.log.watermark();
            self.cut(to, host, ctx)?;
        }
        Ok(())
    }

    fn cut(&mut self, to: Offset, host: &mut Host<'_>, ctx: &mut Ctx<'_>) -> Result<(), IoError> {
        let before = self.log.watermark();
        self.log.truncate(to, ctx.wall(), host.config.producer_id_expiration, host.disk)?;
        let after = self.log.watermark();
        if after != before {
            self.log.set_watermark(before);
            self.move_watermark(after, ctx);
        }
        Ok(())
    }

    /// The leader says where the logs part.
    fn cut_at_divergence(
        &mut self,
        leaders: (LeaderEpoch, Offset),
        host: &mut Host<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), IoError> {
        if rulings::follower_start(ctx.rules) == FollowerStart::Blind {
            return Ok(());
        }
        let own = self.log.end_of_epoch(leaders.0);
        let to = rulings::truncation_point(leaders, own, self.log.end());
        self.cut(to, host, ctx)
    }

    /// After the answer's batches: the leader's high watermark and log start.
    fn take_watermark(
        &mut self,
        watermark: Offset,
        start: Offset,
        host: &mut Host<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), IoError> {
        let (own_start, end) = (self.log.start(), self.log.end());
        let to = rulings::follower_watermark(ctx.rules, watermark, own_start, end);
        self.move_watermark(to, ctx);
        self.log.raise_start(start, host.disk)
    }

    /// Fetches no sooner than after `replica.fetch.backoff.ms`.
    fn delay(&mut self, host: &Host<'_>, ctx: &Ctx<'_>) {
        if let Some(fetch) = &mut self.fetch {
            fetch.delayed_until = Some(ctx.monotonic() + host.config.replica_fetch_backoff);
        }
    }

    fn fail(&mut self) {
        if let Some(fetch) = &mut self.fetch {
            fetch.failed = true;
        }
    }
}

impl Broker {
    /// A leader epoch began for a partition that this broker follows: it is fetched from its leader
    /// from the next [`Broker::pump`] on.
    pub(super) fn follow(&mut self, partition: PartitionId, ctx: &mut Ctx<'_>) {
        self.unfollow(partition);
        let (replica, mut host) = self.replica_and_host(partition);
        let Some(replica) = replica.filter(|replica| !replica.offline) else {
            return;
        };
        // A leader that never registered cannot be found.
        let Some(leader) = replica.leader.filter(|leader| host.image.broker(*leader).is_some())
        else {
            return;
        };
        let started = replica.start_following(leader, &mut host, ctx);
        if started.is_err() {
            return self.fail_dir_of(partition, ctx);
        }
        let fetcher = self.fetchers.get_or_insert_with(leader.index(), ReplicaFetcher::default);
        if fetcher.partitions.is_empty() {
            fetcher.starts_at = ctx.monotonic() + FETCHER_START;
        }
        self.file_fetch(partition);
    }

    /// What is in the way of fetching a partition may have changed.
    pub(super) fn file_fetch(&mut self, partition: PartitionId) {
        let replica = self.partitions.get(partition.index());
        if let Some(fetch) = replica.and_then(|replica| replica.fetch.as_ref())
            && let Some(fetcher) = self.fetchers.get_mut(fetch.leader.index())
        {
            fetcher.file(partition, fetch);
        }
    }

    /// At time zero of a run: every fetcher has been at work for some time.
    pub(super) fn begin_fetching(&mut self, ctx: &mut Ctx<'_>) {
        let mut next = 0;
        while let Some((leader, fetcher)) = self.fetchers.next_mut(next) {
            next = leader + 1;
            fetcher.starts_at = Time::ZERO;
            ctx.cancel(BrokerTimer::FetchBackoff(BrokerId::at(leader)));
            self.pump(BrokerId::at(leader), ctx);
        }
    }

    /// Stops fetching a partition.
    pub(super) fn unfollow(&mut self, partition: PartitionId) {
        let fetch = self.partitions.get_mut(partition.index()).and_then(|p| p.fetch.take());
        if let Some(fetch) = fetch
            && let Some(fetcher) = self.fetchers.get_mut(fetch.leader.index())
        {
            fetcher.unfile(partition, &fetch);
        }
    }

    /// Sends the next request to a leader, if there is one to send and nothing in the way.
    pub(super) fn pump(&mut self, leader: BrokerId, ctx: &mut Ctx<'_>) {
        let Some(fetcher) = self.fetchers.get(leader.index()) else { return };
        let now = ctx.monotonic();
        if fetcher.resolving.is_some() || self.channels.is_busy(Peer::Broker(leader), now) {
            return;
        }
        if fetcher.starts_at > now {
            let backoff = BrokerTimer::FetchBackoff(leader);
            return ctx.set(backoff, fetcher.starts_at.since(now));
        }
        if !fetcher.syncing.is_empty() {
            return; // the thread that appends is the thread that syncs
        }
        let earliest = self.end_delays(leader, now);
        let Some(fetcher) = self.fetchers.get(leader.index()) else { return };
        let out_of_range = fetcher.out_of_range.first_from(0);
        if fetcher.ready.is_empty() && out_of_range.is_none() {
            if let Some(at) = earliest.filter(|_| rulings::fetcher_wakes(ctx.rules)) {
                ctx.set(BrokerTimer::FetchBackoff(leader), at.since(now));
            }
            return;
        }
        if !self.channels.ready(Peer::Broker(leader), ctx) {
            return;
        }
        match out_of_range {
            Some(place) => {
                let partition = PartitionId(place as u16);
                self.ask_offset(partition, WhichOffset::LogEnd, leader, ctx);
            }
            None => self.send_fetch(leader, ctx),
        }
    }

    /// Partitions whose back-off is over have nothing in their way; says when the next one's is.
    fn end_delays(&mut self, leader: BrokerId, now: Time) -> Option<Time> {
        let fetcher = self.fetchers.get_mut(leader.index())?;
        let mut earliest: Option<Time> = None;
        let mut next = 0;
        while let Some(place) = fetcher.delayed.first_from(next) {
            next = place + 1;
            let fetch = self.partitions.get_mut(place).and_then(|replica| replica.fetch.as_mut());
            let Some(fetch) = fetch else { continue };
            match fetch.delayed_until.filter(|until| *until > now) {
                Some(until) => earliest = Some(earliest.map_or(until, |e| e.min(until))),
                None => {
                    fetch.delayed_until = None;
                    fetcher.file(PartitionId(place as u16), fetch);
                }
            }
        }
        earliest
    }

    /// Sends a fetch: of all that is ready if there is no session, else of what has changed.
    fn send_fetch(&mut self, leader: BrokerId, ctx: &mut Ctx<'_>) {
        let validates = rulings::follower_start(ctx.rules) == FollowerStart::Validate;
        let Some(fetcher) = self.fetchers.get_mut(leader.index()) else { return };
        let session = fetcher.session.next();
        let (partitions, forgotten) = (ctx.take_list(), ctx.take_list());
        let named = if session.is_full() { &fetcher.partitions } else { &fetcher.changed };
        for place in named.iter() {
            let Some(replica) = self.partitions.get_mut(place) else { continue };
            let log = &replica.log;
            let asked = FetchPartition {
                partition: PartitionId(place as u16),
                current_leader_epoch: replica.leader_epoch,
                fetch_offset: log.end(),
                last_fetched_epoch: log.latest_epoch().filter(|_| validates),
                log_start_offset: log.start(),
                max_bytes: self.config.replica_fetch_max_bytes,
            };
            let Some(fetch) = &mut replica.fetch else { continue };
            let before = fetch.sent.take().filter(|_| !session.is_full());
            if fetcher.ready.contains(place) {
                fetch.sent = Some(asked);
                fetcher.left.remove(place);
                if before != Some(asked) {
                    ctx.push(partitions, asked);
                }
            } else if before.is_some() {
                fetcher.left.insert(place);
            }
        }
        if !session.is_full() {
            for place in fetcher.left.iter() {
                let partition = PartitionId(place as u16);
                ctx.push(forgotten, ForgottenPartition { partition });
            }
        }
        fetcher.changed.clear();
        fetcher.left.clear();
        let (broker, epoch) = (self.id, self.lifecycle.epoch());
        let request = FetchRequest {
            fetcher: epoch.map_or(Fetcher::UnregisteredReplica { broker }, |epoch| {
                Fetcher::Replica { broker, epoch }
            }),
            session,
            max_wait: self.config.replica_fetch_wait_max,
            min_bytes: self.config.replica_fetch_min_bytes,
            max_bytes: self.config.replica_fetch_response_max_bytes,
            partitions,
            forgotten,
        };
        self.channels.send(Peer::Broker(leader), request.into(), (), ctx);
    }

    fn ask_offset(
        &mut self,
        partition: PartitionId,
        which: WhichOffset,
        leader: BrokerId,
        ctx: &mut Ctx<'_>,
    ) {
        let leader_epoch = self.partitions.get(partition.index()).and_then(|p| p.leader_epoch);
        let Some(fetcher) = self.fetchers.get_mut(leader.index()) else { return };
        fetcher.resolving = Some((partition, which));
        let content = Content::ListOffsetsRequest(ListOffsetsRequest {
            partition,
            leader_epoch,
            which,
            read_committed: false,
        });
        self.channels.send(Peer::Broker(leader), content, (), ctx);
    }

    /// A leader answered a fetch.
    pub(super) fn on_fetched(
        &mut self,
        leader: BrokerId,
        response: &FetchResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let Some(fetcher) = self.fetchers.get_mut(leader.index()) else { return };
        if !fetcher.session.handle_response(response) {
            return;
        }
        let mut place = 0;
        while let Some(fetched) = ctx.entry(response.partitions, place) {
            place += 1;
            match self.take_fetched(leader, &fetched, response.records, ctx) {
                Ok(()) => {}
                Err(_) => self.fail_dir_of(fetched.partition, ctx),
            }
            self.file_fetch(fetched.partition);
        }
    }

    /// One partition of an answer.
    ///
    /// Kafka: AbstractFetcherThread.processFetchRequest
    fn take_fetched(
        &mut self,
        leader: BrokerId,
        fetched: &FetchablePartition,
        records: List<Batch>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), IoError> {
        let partition = fetched.partition;
        let (replica, mut host) = self.replica_and_host(partition);
        let Some(replica) = replica else {
            return Ok(());
        };
        // An answer to what is no longer asked: another epoch, another leader, another offset.
        let asked = replica.fetch.as_ref().filter(|f| f.leader == leader && !f.failed);
        let sent = asked.and_then(|fetch| fetch.sent.as_ref());
        if sent.is_none_or(|sent| sent.fetch_offset != replica.log.end()) {
            return Ok(());
        }
        match fetched.error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                if let Some(fetch) = &mut replica.fetch {
                    fetch.out_of_range = true;
                }
                return Ok(());
            }
            ErrorCode::FencedLeaderEpoch => {
                replica.fail();
                return Ok(());
            }
            _ => {
                replica.delay(&host, ctx);
                return Ok(());
            }
        }
        if let Some(leaders) = fetched.diverging_epoch {
            return replica.cut_at_divergence(leaders, &mut host, ctx);
        }
        for place in fetched.records.places() {
            let batch = ctx.list(records)[place];
            match replica.append_as_follower(batch, &mut host, ctx)? {
                Taken::Appended => {}
                Taken::Skip => break,
                Taken::Misfit => {
                    replica.fail();
                    return Ok(());
                }
            }
        }
        let (watermark, start) = (fetched.high_watermark, fetched.log_start_offset);
        replica.take_watermark(watermark, start, &mut host, ctx)?;
        if !fetched.records.is_empty() {
            self.arm_flush(partition, ctx);
        }
        Ok(())
    }

    /// A leader answered where its log ends or begins.
    ///
    /// Kafka: AbstractFetcherThread.fetchOffsetAndTruncate
    pub(super) fn on_offset_listed(
        &mut self,
        leader: BrokerId,
        response: &ListOffsetsResponse,
        ctx: &mut Ctx<'_>,
    ) {
        let ListOffsetsResponse { error, offset, .. } = *response;
        let fetcher = self.fetchers.get_mut(leader.index());
        let Some((partition, which)) = fetcher.and_then(|f| f.resolving.take()) else {
            return;
        };
        let (replica, mut host) = self.replica_and_host(partition);
        let mut outcome = Ok(());
        let mut ask_start = false;
        if let Some(replica) = replica
            && replica.fetch.is_some_and(|f| f.leader == leader && f.out_of_range)
        {
            let end = replica.log.end();
            let may_cut = rulings::follower_start(ctx.rules) != FollowerStart::Blind;
            let mut resolved = true;
            match (error, which) {
                (ErrorCode::FencedLeaderEpoch, _) => replica.fail(),
                (ErrorCode::None, WhichOffset::Earliest) if offset > end => {
                    outcome = replica.log.restart_at(offset, host.disk);
                }
                (ErrorCode::None, WhichOffset::Earliest) => {}
                (ErrorCode::None, _) if offset >= end => {
                    ask_start = true;
                    resolved = false;
                }
                (ErrorCode::None, _) if may_cut => {
                    outcome = replica.cut(offset, &mut host, ctx);
                }
                _ => {
                    replica.delay(&host, ctx);
                    resolved = error.is_none();
                }
            }
            if let Some(fetch) = &mut replica.fetch
                && resolved
            {
                fetch.out_of_range = false;
            }
        }
        self.file_fetch(partition);
        if outcome.is_err() {
            self.fail_dir_of(partition, ctx);
        }
        if ask_start {
            self.ask_offset(partition, WhichOffset::Earliest, leader, ctx);
        }
    }

    /// A fetcher without partitions ends, and its connection or its attempt at one with it.
    ///
    /// Kafka: AbstractFetcherManager.shutdownIdleFetcherThreads
    pub(super) fn retire_if_idle(&mut self, leader: BrokerId, ctx: &mut Ctx<'_>) {
        let Some(fetcher) = self.fetchers.get_mut(leader.index()) else { return };
        if fetcher.partitions.is_empty() {
            fetcher.resolving = None;
            fetcher.session = FetchSessionHandler::default();
            fetcher.left.clear();
            self.channels.close(Peer::Broker(leader), ctx);
        }
    }

    /// The channel to a leader closed, or could not be opened: every partition backs off.
    pub(super) fn on_fetcher_closed(&mut self, leader: BrokerId, ctx: &mut Ctx<'_>) {
        let Some(fetcher) = self.fetchers.get_mut(leader.index()) else { return };
        fetcher.resolving = None;
        fetcher.session.handle_error();
        let until = ctx.monotonic() + self.config.replica_fetch_backoff;
        let mut next = 0;
        while let Some(place) = fetcher.partitions.first_from(next) {
            next = place + 1;
            let replica = self.partitions.get_mut(place);
            if let Some(fetch) = replica.and_then(|replica| replica.fetch.as_mut()) {
                fetch.delayed_until = Some(until);
                fetcher.file(PartitionId(place as u16), fetch);
            }
        }
        self.pump(leader, ctx);
    }
}
