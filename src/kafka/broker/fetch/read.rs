//! Reading the partitions of a fetch, in the order of checks of kafka-protocol §1.4.
//!
//! Follows `ReplicaManager.scala` and `Partition.scala`. Every partition that a fetch
//! looks at goes this way, whoever asks: there is no faster one that leaves a ruling out.

use crate::base::ids::{BrokerEpoch, LeaderEpoch, Offset, PartitionId};
use crate::kafka::broker::Broker;
use crate::kafka::broker::fetch::session::{CachedPartition, SessionSlot};
use crate::kafka::broker::fetch::{FetchContext, FetchTerms};
use crate::kafka::broker::partition::{Host, Partition};
use crate::kafka::ctx::Ctx;
use crate::kafka::image::Image;
use crate::kafka::rulings::{self, Divergence, Reader};
use crate::model::batch::Batch;
use crate::model::error::ErrorCode;
use crate::model::message::{FetchPartition, FetchResponse, FetchablePartition, Fetcher, Sublist};

/// What reading all partitions of a fetch found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) bytes: u64,
    /// An error or a divergence: the answer does not wait.
    pub(super) urgent: bool,
}

/// What is in the way of reading a partition: it is answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    Error(ErrorCode),
    /// The follower's log parts from this one: the largest epoch not above its own ends here.
    Divergence(LeaderEpoch, Offset),
}

impl From<ErrorCode> for Obstacle {
    fn from(error: ErrorCode) -> Self {
        Self::Error(error)
    }
}

/// What a follower's fetch has changed.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    /// The high watermark.
    watermark_moved: bool,
    /// A proposal for the ISR.
    proposes: bool,
}

/// Whether a fetch in this broker epoch is of an older incarnation, which proves nothing (KIP-903).
pub(super) fn is_outlived(image: &Image, fetcher: Fetcher) -> bool {
    let Fetcher::Replica { broker, epoch } = fetcher else { return false };
    let alive = image.broker(broker).filter(|b| !b.fenced);
    alive.is_some_and(|alive| alive.epoch > epoch)
}

impl Partition {
    /// How far a reader may read.
    pub(in crate::kafka::broker) fn limit(&self, reader: Reader, ctx: &Ctx<'_>) -> Offset {
        let (stable, watermark) = (self.log.last_stable(), self.log.watermark());
        rulings::read_limit(ctx.rules, reader, stable, watermark, self.log.end())
    }

    /// What a fetch of a partition meets before any data is read: what is in its way, or the place
    /// of the follower that asks.
    ///
    /// Kafka: Partition.fetchRecords
    fn meet(
        &self,
        asked: &FetchPartition,
        fetcher: Fetcher,
        ctx: &Ctx<'_>,
    ) -> Result<Option<usize>, Obstacle> {
        self.check_leader(asked.current_leader_epoch, ctx)?;
        let place = self.place(fetcher);
        if place.is_none() && fetcher.replica().is_some() {
            return Err(Obstacle::Error(match asked.current_leader_epoch {
                Some(_) => ErrorCode::UnknownLeaderEpoch,
                None => ErrorCode::NotLeaderOrFollower,
            }));
        }
        let own = asked.last_fetched_epoch.and_then(|epoch| self.log.end_of_epoch(epoch));
        let divergence =
            rulings::find_divergence(ctx.rules, asked.last_fetched_epoch, asked.fetch_offset, own);
        let range = self.log.start()..=self.log.end();
        let who = (divergence, place.is_some());
        if rulings::is_out_of_range(ctx.rules, who, asked.fetch_offset, range) {
            return Err(Obstacle::Error(ErrorCode::OffsetOutOfRange));
        }
        match divergence {
            Divergence::At(epoch, end) => Err(Obstacle::Divergence(epoch, end)),
            Divergence::None | Divergence::Unknown => Ok(place),
        }
    }

    /// What an answer says of the partition beside its batches.
    fn head(&self, records: Sublist<Batch>) -> FetchablePartition {
        FetchablePartition {
            partition: self.id,
            error: ErrorCode::None,
            high_watermark: self.log.watermark(),
            last_stable_offset: self.log.last_stable(),
            log_start_offset: self.log.start(),
            diverging_epoch: None,
            leader_epoch: self.leader_epoch.unwrap_or_default(),
            records,
        }
    }

    /// What is answered when the logs part.
    #[cold]
    fn parting(&self, epoch: LeaderEpoch, end: Offset) -> FetchablePartition {
        FetchablePartition { diverging_epoch: Some((epoch, end)), ..self.head(Sublist::EMPTY) }
    }

    /// A fetch is the follower's acknowledgement of everything below its offset.
    fn note_fetch(
        &mut self,
        asked: &FetchPartition,
        place: usize,
        epoch: Option<BrokerEpoch>,
        session: Option<SessionSlot>,
        host: &Host<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Noted {
        let (before, end) = (self.log.watermark(), self.log.end());
        self.followers[place].join_session(session, host.sessions, end);
        let proposes = self.record_fetch(place, asked.fetch_offset, end, epoch, host, ctx);
        Noted { watermark_moved: self.log.watermark() != before, proposes }
    }

    /// The place of the follower that fetches among the replicas.
    fn place(&self, fetcher: Fetcher) -> Option<usize> {
        fetcher.replica().and_then(|(broker, _)| self.replicas.place(broker))
    }
}

/// One pass over the partitions of a fetch.
#[derive(Clone, Copy, Debug)]
struct Pass<'a> {
    terms: &'a FetchTerms,
    session: Option<SessionSlot>,
    response: &'a FetchResponse,
    /// A follower's fetch also tells what it has; from the purgatory it tells nothing new.
    first: bool,
    /// It is of an incarnation of the follower that is no more, and tells nothing.
    outlived: bool,
}

impl Broker {
    /// Reads every partition of a fetch into an answer, on the `first` pass or when it has waited.
    ///
    /// Kafka: ReplicaManager.readFromLog
    pub(super) fn read_all(
        &mut self,
        context: FetchContext,
        terms: &FetchTerms,
        response: &FetchResponse,
        first: bool,
        ctx: &mut Ctx<'_>,
    ) -> Found {
        let mut found = Found::default();
        let outlived = first && is_outlived(&self.image, terms.fetcher);
        match context {
            FetchContext::Sessionless(request) | FetchContext::Full(request) => {
                let pass = Pass { terms, session: None, response, first, outlived };
                let mut place = 0;
                while let Some(asked) = ctx.entry(request, place) {
                    place += 1;
                    self.read_into(&mut found, pass, &asked, None, ctx);
                }
            }
            FetchContext::Incremental(slot) => {
                let pass = Pass { terms, session: Some(slot), response, first, outlived };
                let attended = self.attended(slot, terms);
                for (_, partition) in &attended {
                    let cached = self.sessions.get(slot).partition(*partition).copied();
                    if let Some(cached) = cached {
                        self.read_into(&mut found, pass, &cached.asked, Some(&cached), ctx);
                    }
                }
                self.attended = attended;
            }
        }
        found
    }

    /// Reads one partition into an answer that has found so much already. What a session knows
    /// already is left out.
    fn read_into(
        &mut self,
        found: &mut Found,
        pass: Pass<'_>,
        asked: &FetchPartition,
        cached: Option<&CachedPartition>,
        ctx: &mut Ctx<'_>,
    ) {
        let Pass { terms, session, response, first, outlived } = pass;
        let (Some(replica), host) = self.replica_and_host(asked.partition) else {
            let why = self.why_not_hosted(asked.partition);
            return self.refuse(found, pass, asked.partition, why, ctx);
        };
        let place = match replica.meet(asked, terms.fetcher, ctx) {
            // A follower whose log parts was told so: only now is its state looked at.
            Ok(_) if outlived => {
                let outlived = ErrorCode::NotLeaderOrFollower;
                return self.refuse(found, pass, asked.partition, outlived, ctx);
            }
            Ok(place) => place,
            Err(Obstacle::Divergence(epoch, end)) => {
                found.urgent = true;
                return ctx.push(response.partitions, replica.parting(epoch, end));
            }
            Err(Obstacle::Error(error)) => {
                return self.refuse(found, pass, asked.partition, error, ctx);
            }
        };
        let limit = replica.limit(terms.reader(), ctx);
        let (from, mut records, mut failed) = (asked.fetch_offset, Sublist::EMPTY, false);
        if from < limit {
            let lists = &mut *ctx.lists;
            let first_batch = lists.get(response.records).len();
            let left = u64::from(terms.max_bytes).saturating_sub(found.bytes);
            let left = left.min(asked.max_bytes.into());
            let read = replica.log.read(from, limit, left, found.bytes == 0, host.disk, |batch| {
                lists.push(response.records, batch);
            });
            records = Sublist::new(first_batch..lists.get(response.records).len());
            found.bytes += read.unwrap_or(0);
            failed = read.is_err();
        }
        // The watermark is read before this very fetch moves it: hence one round later.
        let (watermark, log_start) = (replica.log.watermark(), replica.log.start());
        let news = cached.is_none_or(|cached| cached.is_news(watermark, log_start));
        if news || !records.is_empty() {
            ctx.push(response.partitions, replica.head(records));
        }
        if failed {
            // What is answered says that all is well; the next fetch gets the error.
            found.urgent = true;
            return self.fail_dir_of(asked.partition, ctx);
        }
        let in_sync = place.is_none_or(|place| replica.isr.committed.has(place));
        let quiet = !news && in_sync && from >= limit;
        let noted = match (place, terms.fetcher.replica()) {
            (Some(place), Some((_, epoch))) if first => {
                replica.note_fetch(asked, place, epoch, session, &host, ctx)
            }
            _ => Noted::default(),
        };
        if let Some(slot) = session.filter(|_| quiet) {
            self.sessions.get_mut(slot).stirred.remove(asked.partition.index());
        }
        self.follow_up(noted, asked.partition, ctx);
    }

    /// What follows from a follower's acknowledgement.
    fn follow_up(&mut self, noted: Noted, partition: PartitionId, ctx: &mut Ctx<'_>) {
        if noted.watermark_moved {
            self.touch(partition);
        }
        if noted.proposes {
            self.submit_isr(partition, ctx);
        }
    }

    /// A partition cannot be read: it is answered at once. The next fetches of a follower's session
    /// say nothing of what it has.
    #[cold]
    fn refuse(
        &mut self,
        found: &mut Found,
        pass: Pass<'_>,
        partition: PartitionId,
        error: ErrorCode,
        ctx: &mut Ctx<'_>,
    ) {
        found.urgent = true;
        self.lose_sight(partition, pass.terms.fetcher);
        ctx.push(pass.response.partitions, refused(partition, error));
    }

    fn lose_sight(&mut self, partition: PartitionId, fetcher: Fetcher) {
        let (Some(replica), host) = self.replica_and_host(partition) else { return };
        let end = replica.log.end();
        if let Some(place) = replica.place(fetcher) {
            replica.followers[place].join_session(None, host.sessions, end);
        }
    }

    /// How many bytes a fetch would find in a partition; `None` if an error or a divergence.
    pub(super) fn available(
        &self,
        asked: &FetchPartition,
        terms: &FetchTerms,
        ctx: &Ctx<'_>,
    ) -> Option<u64> {
        let replica = self.hosted(asked.partition).ok()?;
        replica.meet(asked, terms.fetcher, ctx).ok()?;
        let limit = replica.limit(terms.reader(), ctx);
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

    /// Whether a fetch of a partition has nothing to say and nothing to acknowledge that its
    /// session does not know: what [`super::shortcut`] takes for granted.
    pub(super) fn is_quiet(
        &self,
        slot: SessionSlot,
        partition: PartitionId,
        terms: &FetchTerms,
        ctx: &Ctx<'_>,
    ) -> bool {
        let Some(cached) = self.sessions.get(slot).partition(partition) else { return true };
        let Ok(replica) = self.hosted(partition) else { return false };
        let Ok(place) = replica.meet(&cached.asked, terms.fetcher, ctx) else { return false };
        let in_sync = place.is_none_or(|place| replica.isr.committed.has(place));
        !is_outlived(&self.image, terms.fetcher)
            && in_sync
            && cached.asked.fetch_offset >= replica.limit(terms.reader(), ctx)
            && !cached.is_news(replica.log.watermark(), replica.log.start())
    }
}

/// What is said of a partition that cannot be read.
const fn refused(partition: PartitionId, error: ErrorCode) -> FetchablePartition {
    FetchablePartition {
        partition,
        error,
        high_watermark: Offset::ZERO,
        last_stable_offset: Offset::ZERO,
        log_start_offset: Offset::ZERO,
        diverging_epoch: None,
        leader_epoch: LeaderEpoch(0),
        records: Sublist::EMPTY,
    }
}
