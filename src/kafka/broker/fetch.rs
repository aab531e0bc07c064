//! Reading: what followers and consumers fetch, at once or when there is enough.
//!
//! Follows `ReplicaManager.fetchMessages`, `Partition.fetchRecords` and `DelayedFetch.java`. A
//! follower's fetch is also its acknowledgement of everything below its offset.

use crate::base::ids::{BrokerEpoch, BrokerId, ConnectionId, LeaderEpoch, Offset};
use crate::base::time::Span;
use crate::kafka::broker::Broker;
use crate::kafka::broker::channel::Parked;
use crate::kafka::broker::partition::Partition;
use crate::kafka::broker::purgatory::{ParkedFetch, Ticket, Watcher};
use crate::kafka::ctx::Ctx;
use crate::kafka::image::Image;
use crate::kafka::rulings::{self, Divergence, Reader};
use crate::kafka::timers::BrokerTimer;
use crate::model::disk::IoError;
use crate::model::error::ErrorCode;
use crate::model::message::{
    FetchPartition, FetchRequest, FetchResponse, FetchablePartition, Fetcher, List, Sublist,
};

/// A fetch without its partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchTerms {
    pub(super) fetcher: Fetcher,
    pub(super) min_bytes: u32,
    pub(super) max_bytes: u32,
}

impl FetchTerms {
    const fn reader(&self) -> Reader {
        match self.fetcher {
            Fetcher::Replica { .. } => Reader::Follower,
            Fetcher::Consumer { read_committed: false } => Reader::Consumer,
            Fetcher::Consumer { read_committed: true } => Reader::CommittedConsumer,
        }
    }
}

/// What reading all partitions of a fetch found.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    bytes: u64,
    /// An error or a divergence: the answer does not wait.
    urgent: bool,
}

/// Whether the one who fetches may: a consumer, or a replica.
const fn is_known(place: Option<usize>, fetcher: Fetcher) -> bool {
    place.is_some() || matches!(fetcher, Fetcher::Consumer { .. })
}

/// An answer that says nothing yet.
fn new_response(ctx: &mut Ctx<'_>) -> FetchResponse {
    FetchResponse { partitions: ctx.take_list(), records: ctx.take_list() }
}

/// Whether a fetch in this broker epoch is of an older incarnation, which proves nothing (KIP-903).
fn is_outlived(image: &Image, broker: BrokerId, epoch: BrokerEpoch) -> bool {
    let alive = image.broker(broker).filter(|b| !b.fenced);
    alive.is_some_and(|alive| alive.epoch > epoch)
}

impl Partition {
    /// How far a reader may read.
    pub(super) fn limit(&self, reader: Reader, ctx: &Ctx<'_>) -> Offset {
        let (stable, watermark) = (self.log.last_stable(), self.log.watermark());
        rulings::read_limit(ctx.rules, reader, stable, watermark, self.log.end())
    }

    /// What a fetch of a partition meets before any data is read (`Partition.fetchRecords`): a
    /// divergence, or the place of the follower that asks.
    fn meet(
        &self,
        asked: &FetchPartition,
        fetcher: Fetcher,
        ctx: &Ctx<'_>,
    ) -> Result<(Divergence, Option<usize>), ErrorCode> {
        let place = self.place(fetcher);
        if self.meets_nothing(asked, place, fetcher) {
            return Ok((Divergence::None, place));
        }
        self.check_leader(asked.current_leader_epoch, ctx)?;
        if !is_known(place, fetcher) {
            return Err(match asked.current_leader_epoch {
                Some(_) => ErrorCode::UnknownLeaderEpoch,
                None => ErrorCode::NotLeaderOrFollower,
            });
        }
        let own = asked.last_fetched_epoch.and_then(|epoch| self.log.end_of_epoch(epoch));
        let divergence =
            rulings::find_divergence(ctx.rules, asked.last_fetched_epoch, asked.fetch_offset, own);
        let out_of_range =
            asked.fetch_offset < self.log.start() || divergence == Divergence::Unknown;
        if out_of_range || (divergence == Divergence::None && asked.fetch_offset > self.log.end()) {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        Ok((divergence, place))
    }

    /// The place of the follower that fetches among the replicas.
    fn place(&self, fetcher: Fetcher) -> Option<usize> {
        match fetcher {
            Fetcher::Consumer { .. } => None,
            Fetcher::Replica { broker, .. } => self.replicas.place(broker),
        }
    }

    /// Whether a fetch is what nearly all are: of an epoch that both are in, and an offset in the
    /// log after a batch of its newest epoch, which every rule lets pass.
    fn meets_nothing(
        &self,
        asked: &FetchPartition,
        place: Option<usize>,
        fetcher: Fetcher,
    ) -> bool {
        let newest = asked.last_fetched_epoch.is_none()
            || asked.last_fetched_epoch == self.log.latest_epoch();
        is_known(place, fetcher)
            && newest
            && self.still_meets(asked.current_leader_epoch, asked.fetch_offset)
            && asked.fetch_offset <= self.log.end()
    }

    /// Whether [`Partition::meet`] would say of a parked fetch what it said when that was parked,
    /// which was nothing: within one epoch of its own a leader's log only grows, at its end, and
    /// goes at its start.
    fn still_meets(&self, leader_epoch: Option<LeaderEpoch>, offset: Offset) -> bool {
        self.leads
            && !self.offline
            && leader_epoch.is_some()
            && leader_epoch == self.leader_epoch
            && offset >= self.log.start()
    }

    /// Whether there is certainly nothing for a parked fetch: it stands where its reader may read
    /// to, and meets nothing.
    pub(super) fn has_nothing_for(&self, watcher: &Watcher, ctx: &Ctx<'_>) -> bool {
        watcher.offset == self.limit(watcher.reader, ctx)
            && self.still_meets(watcher.leader_epoch, watcher.offset)
    }
}

impl Broker {
    pub(super) fn on_fetch(
        &mut self,
        (connection, correlation): (ConnectionId, u32),
        request: &FetchRequest,
        ctx: &mut Ctx<'_>,
    ) {
        let FetchRequest { fetcher, max_wait, min_bytes, max_bytes, partitions } = *request;
        let terms = FetchTerms { fetcher, min_bytes, max_bytes };
        let waits = terms.min_bytes > 0 && max_wait > Span::ZERO;
        let nothing_asked = ctx.list(partitions).is_empty();
        if waits && !nothing_asked && self.finds_nothing(&terms, partitions, ctx) {
            self.note_fetches(&terms, partitions, ctx);
        } else {
            let response = new_response(ctx);
            let found = self.read_all(&terms, partitions, &response, true, ctx);
            let enough = found.bytes >= u64::from(terms.min_bytes);
            if enough || found.urgent || !waits || nothing_asked {
                ctx.release(partitions);
                return self.respond(connection, correlation, response.into(), ctx);
            }
            ctx.release_lists(&response.into());
        }
        let deadline = ctx.monotonic() + max_wait;
        let parked = ParkedFetch { connection, correlation, partitions, terms, deadline };
        let ticket = self.purgatory.fetches.park(parked);
        for (place, asked) in ctx.list(partitions).iter().enumerate() {
            if let Some(replica) = self.partitions.get_mut(asked.partition.index()) {
                replica.waiting.watch(Watcher {
                    ticket,
                    part: place as u32,
                    offset: asked.fetch_offset,
                    leader_epoch: asked.current_leader_epoch,
                    reader: terms.reader(),
                });
            }
        }
        self.park_on(connection, Parked::Fetch(ticket));
        self.arm_fetch_timer(ctx);
    }

    /// Whether a fetch meets nothing and finds no data in any partition, as most fetches do: then
    /// it waits, and no answer need be made to see that.
    fn finds_nothing(
        &self,
        terms: &FetchTerms,
        partitions: List<FetchPartition>,
        ctx: &Ctx<'_>,
    ) -> bool {
        if let Fetcher::Replica { broker, epoch: Some(epoch) } = terms.fetcher
            && is_outlived(&self.image, broker, epoch)
        {
            return false;
        }
        ctx.list(partitions).iter().all(|asked| {
            let Ok(replica) = self.hosted(asked.partition) else { return false };
            replica.meets_nothing(asked, replica.place(terms.fetcher), terms.fetcher)
                && asked.fetch_offset == replica.limit(terms.reader(), ctx)
        })
    }

    /// A fetch is the follower's acknowledgement of everything below its offsets.
    fn note_fetches(
        &mut self,
        terms: &FetchTerms,
        partitions: List<FetchPartition>,
        ctx: &mut Ctx<'_>,
    ) {
        let Fetcher::Replica { epoch, .. } = terms.fetcher else { return };
        let mut place = 0;
        while let Some(asked) = ctx.entry(partitions, place) {
            place += 1;
            let replica = self.partitions.get(asked.partition.index());
            if let Some(place) = replica.and_then(|replica| replica.place(terms.fetcher)) {
                self.note_fetch(&asked, place, epoch, ctx);
            }
        }
    }

    /// The same of one partition, for the follower at this place.
    fn note_fetch(
        &mut self,
        asked: &FetchPartition,
        place: usize,
        epoch: Option<BrokerEpoch>,
        ctx: &mut Ctx<'_>,
    ) {
        let (Some(replica), host) = self.replica_and_host(asked.partition) else { return };
        let (before, end) = (replica.log.watermark(), replica.log.end());
        let proposes = replica.record_fetch(place, asked.fetch_offset, end, epoch, &host, ctx);
        if replica.log.watermark() != before {
            self.touch(asked.partition);
        }
        if proposes {
            self.submit_isr(asked.partition, ctx);
        }
    }

    /// Reads every partition of a fetch into an answer. On the `first` pass a follower's fetch also
    /// tells what it has; from the purgatory it tells nothing new.
    fn read_all(
        &mut self,
        terms: &FetchTerms,
        partitions: List<FetchPartition>,
        response: &FetchResponse,
        first: bool,
        ctx: &mut Ctx<'_>,
    ) -> Found {
        let mut found = Found::default();
        let mut place = 0;
        while let Some(asked) = ctx.entry(partitions, place) {
            place += 1;
            match self.read_one(terms, &asked, response, found.bytes, first, ctx) {
                Ok((bytes, diverges)) => {
                    found.bytes += bytes;
                    found.urgent |= diverges;
                }
                Err(error) => {
                    found.urgent = true;
                    let refused = FetchablePartition {
                        partition: asked.partition,
                        error,
                        high_watermark: Offset::ZERO,
                        last_stable_offset: Offset::ZERO,
                        log_start_offset: Offset::ZERO,
                        diverging_epoch: None,
                        leader_epoch: LeaderEpoch::default(),
                        records: Sublist::EMPTY,
                    };
                    ctx.push(response.partitions, refused);
                }
            }
        }
        found
    }

    /// Reads one partition; `taken` bytes of the answer are used already. Answers how many bytes it
    /// took and whether the logs diverge.
    fn read_one(
        &mut self,
        terms: &FetchTerms,
        asked: &FetchPartition,
        response: &FetchResponse,
        taken: u64,
        first: bool,
        ctx: &mut Ctx<'_>,
    ) -> Result<(u64, bool), ErrorCode> {
        let (Some(replica), host) = self.replica_and_host(asked.partition) else {
            return Err(self.why_not_hosted(asked.partition));
        };
        let (divergence, place) = replica.meet(asked, terms.fetcher, ctx)?;
        let diverging_epoch = match divergence {
            Divergence::At(epoch, end) => Some((epoch, end)),
            Divergence::None | Divergence::Unknown => None,
        };
        // Whose log parts is told so: only then is the follower's state looked at.
        if let (true, Fetcher::Replica { broker, epoch: Some(epoch) }) = (first, terms.fetcher)
            && diverging_epoch.is_none()
            && is_outlived(host.image, broker, epoch)
        {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        // The watermark is read before this very fetch moves it: hence one round later.
        let found = FetchablePartition {
            partition: asked.partition,
            error: ErrorCode::None,
            high_watermark: replica.log.watermark(),
            last_stable_offset: replica.log.last_stable(),
            log_start_offset: replica.log.start(),
            diverging_epoch,
            leader_epoch: replica.leader_epoch.unwrap_or_default(),
            records: Sublist::EMPTY,
        };
        if diverging_epoch.is_some() {
            ctx.push(response.partitions, found);
            return Ok((0, true));
        }
        let limit = replica.limit(terms.reader(), ctx);
        let left = u64::from(terms.max_bytes).saturating_sub(taken).min(asked.max_bytes.into());
        let lists = &mut *ctx.lists;
        let records = lists.get(response.records).len();
        let first_batch = taken == 0;
        let read = replica.log.read(asked.fetch_offset, limit, left, first_batch, host.disk, |b| {
            lists.push(response.records, b);
        });
        let records = Sublist::new(records..lists.get(response.records).len());
        lists.push(response.partitions, FetchablePartition { records, ..found });
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(IoError::Full | IoError::Failed) => {
                // The answer says that all is well; the next fetch gets the error.
                self.fail_dir_of(asked.partition, ctx);
                return Ok((0, true));
            }
        };
        if let (true, Some(place), Fetcher::Replica { epoch, .. }) = (first, place, terms.fetcher) {
            self.note_fetch(asked, place, epoch, ctx);
        }
        Ok((bytes, false))
    }

    /// Whether a parked fetch has something to say about a partition that has changed
    /// (`DelayedFetch.tryComplete`). A moved high watermark is no news to a follower.
    pub(super) fn has_news(&self, watcher: Watcher, parked: &ParkedFetch, ctx: &Ctx<'_>) -> bool {
        let Some(asked) = ctx.list(parked.partitions).get(watcher.part as usize) else {
            return true;
        };
        let news = self.available(asked, &parked.terms, ctx);
        match news {
            None => true,
            Some(0) => false,
            Some(bytes) if bytes >= u64::from(parked.terms.min_bytes) => true,
            Some(_) => {
                let all = ctx.list(parked.partitions).iter();
                let bytes: Option<u64> =
                    all.map(|asked| self.available(asked, &parked.terms, ctx)).sum();
                bytes.is_none_or(|bytes| bytes >= u64::from(parked.terms.min_bytes))
            }
        }
    }

    /// How many bytes a fetch would find in a partition; `None` if an error or a divergence.
    fn available(&self, asked: &FetchPartition, terms: &FetchTerms, ctx: &Ctx<'_>) -> Option<u64> {
        let replica = self.hosted(asked.partition).ok()?;
        let limit = replica.limit(terms.reader(), ctx);
        if asked.fetch_offset == limit
            && replica.still_meets(asked.current_leader_epoch, asked.fetch_offset)
        {
            return Some(0);
        }
        let (divergence, _) = replica.meet(asked, terms.fetcher, ctx).ok()?;
        if divergence != Divergence::None {
            return None;
        }
        let (mut bytes, enough) = (0, u64::from(terms.min_bytes));
        if asked.fetch_offset < limit {
            // Counting stops at what is enough: one batch, mostly.
            let read =
                replica.log.read(asked.fetch_offset, limit, enough, true, &self.disk, |batch| {
                    bytes += u64::from(batch.bytes);
                });
            read.ok()?;
        }
        Some(bytes)
    }

    pub(super) fn answer_fetch(&mut self, ticket: Ticket, ctx: &mut Ctx<'_>) {
        let Some(parked) = self.purgatory.fetches.peek(ticket) else {
            return;
        };
        let ParkedFetch { connection, correlation, partitions, terms, .. } = *parked;
        self.purgatory.fetches.forget(ticket);
        let response = new_response(ctx);
        self.read_all(&terms, partitions, &response, false, ctx);
        ctx.release(partitions);
        self.respond(connection, correlation, response.into(), ctx);
    }

    /// Parked fetches have waited long enough.
    pub(super) fn on_fetch_expiry(&mut self, ctx: &mut Ctx<'_>) {
        self.purgatory.fetch_timer.fired();
        let now = ctx.monotonic();
        while let Some((ticket, _)) = self.purgatory.fetches.first().filter(|(_, at)| *at <= now) {
            self.answer_fetch(ticket, ctx);
        }
        self.arm_fetch_timer(ctx);
    }

    fn arm_fetch_timer(&mut self, ctx: &mut Ctx<'_>) {
        if let Some((_, at)) = self.purgatory.fetches.first() {
            self.purgatory.fetch_timer.by(at, BrokerTimer::FetchExpiry, ctx);
        }
    }
}
