//! Reading the partitions of a fetch, in the order of checks of kafka-protocol §1.4.
//!
//! Follows `ReplicaManager.scala` and `Partition.scala`. Every partition that a fetch
//! looks at goes this way, whoever asks: there is no faster one that leaves a ruling out.

use crate::base::ids::{BrokerEpoch, LeaderEpoch, Offset, PartitionId};
use crate::kafka::broker::Broker;
use crate::kafka::broker::fetch::session::SessionSlot;
use crate::kafka::broker::fetch::{FetchContext, FetchTerms};
use crate::kafka::broker::partition::Partition;
use crate::kafka::ctx::Ctx;
use crate::kafka::image::Image;
use crate::kafka::rulings::{self, Divergence, Reader};
use crate::model::error::ErrorCode;
use crate::model::message::{FetchPartition, FetchResponse, FetchablePartition, Fetcher, Sublist};

/// What reading all partitions of a fetch found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) bytes: u64,
    /// An error or a divergence: the answer does not wait.
    pub(super) urgent: bool,
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

    /// What a fetch of a partition meets before any data is read: an error, a divergence, or the
    /// place of the follower that asks.
    ///
    /// Kafka: Partition.fetchRecords
    fn meet(
        &self,
        asked: &FetchPartition,
        fetcher: Fetcher,
        ctx: &Ctx<'_>,
    ) -> Result<(Divergence, Option<usize>), ErrorCode> {
        self.check_leader(asked.current_leader_epoch, ctx)?;
        let place = self.place(fetcher);
        if place.is_none() && fetcher.replica().is_some() {
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

    /// What an answer says of the partition beside its batches.
    fn head(&self, divergence: Divergence) -> FetchablePartition {
        FetchablePartition {
            partition: self.id,
            error: ErrorCode::None,
            high_watermark: self.log.watermark(),
            last_stable_offset: self.log.last_stable(),
            log_start_offset: self.log.start(),
            diverging_epoch: match divergence {
                Divergence::At(epoch, end) => Some((epoch, end)),
                Divergence::None | Divergence::Unknown => None,
            },
            leader_epoch: self.leader_epoch.unwrap_or_default(),
            records: Sublist::EMPTY,
        }
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
        match context {
            FetchContext::Sessionless(request) | FetchContext::Full(request) => {
                let pass = Pass { terms, session: None, response, first };
                let mut place = 0;
                while let Some(asked) = ctx.entry(request, place) {
                    place += 1;
                    self.read_into(&mut found, pass, &asked, ctx);
                }
            }
            FetchContext::Incremental(slot) => {
                let pass = Pass { terms, session: Some(slot), response, first };
                let attended = self.attended(slot, terms);
                for (_, partition) in &attended {
                    let cached = self.sessions.get(slot).partition(*partition);
                    if let Some(asked) = cached.map(|cached| cached.asked) {
                        self.read_into(&mut found, pass, &asked, ctx);
                    }
                }
                self.attended = attended;
            }
        }
        found
    }

    fn read_into(
        &mut self,
        found: &mut Found,
        pass: Pass<'_>,
        asked: &FetchPartition,
        ctx: &mut Ctx<'_>,
    ) {
        match self.read_one(pass, asked, found.bytes, ctx) {
            Ok((bytes, diverges)) => {
                found.bytes += bytes;
                found.urgent |= diverges;
            }
            Err(error) => {
                found.urgent = true;
                self.lose_sight(asked.partition, pass.terms.fetcher);
                ctx.push(pass.response.partitions, refused(asked.partition, error));
            }
        }
    }

    /// Reads one partition; so many bytes of the answer are used already. Answers how many bytes it
    /// took and whether the logs diverge. What a session knows already is left out.
    fn read_one(
        &mut self,
        pass: Pass<'_>,
        asked: &FetchPartition,
        taken: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<(u64, bool), ErrorCode> {
        let Pass { terms, session, response, first } = pass;
        let (Some(replica), host) = self.replica_and_host(asked.partition) else {
            return Err(self.why_not_hosted(asked.partition));
        };
        let (divergence, place) = replica.meet(asked, terms.fetcher, ctx)?;
        // The watermark is read before this very fetch moves it: hence one round later.
        let head = replica.head(divergence);
        if divergence != Divergence::None {
            ctx.push(response.partitions, head);
            return Ok((0, true));
        }
        // A follower whose log parts was told so: only now is its state looked at.
        if first && is_outlived(host.image, terms.fetcher) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let cached = session.and_then(|slot| host.sessions.get(slot).partition(asked.partition));
        let (watermark, log_start) = (replica.log.watermark(), replica.log.start());
        let news = cached.is_none_or(|cached| cached.is_news(watermark, log_start));
        let in_sync = place.is_none_or(|place| replica.isr.committed.has(place));
        let limit = replica.limit(terms.reader(), ctx);
        let has_data = asked.fetch_offset < limit;
        let left = u64::from(terms.max_bytes).saturating_sub(taken).min(asked.max_bytes.into());
        let lists = &mut *ctx.lists;
        let first_batch = lists.get(response.records).len();
        let read = if has_data {
            let (from, disk) = (asked.fetch_offset, host.disk);
            replica.log.read(from, limit, left, taken == 0, disk, |batch| {
                lists.push(response.records, batch);
            })
        } else {
            Ok(0)
        };
        let records = Sublist::new(first_batch..lists.get(response.records).len());
        if news || !records.is_empty() {
            lists.push(response.partitions, FetchablePartition { records, ..head });
        } else if let (Some(slot), true, false) = (session, in_sync, has_data) {
            self.sessions.get_mut(slot).stirred.remove(asked.partition.index());
        }
        let Ok(bytes) = read else {
            // What is answered says that all is well; the next fetch gets the error.
            self.fail_dir_of(asked.partition, ctx);
            return Ok((0, true));
        };
        if let (true, Some(place), Some((_, epoch))) = (first, place, terms.fetcher.replica()) {
            self.note_fetch(asked, place, epoch, session, ctx);
        }
        Ok((bytes, false))
    }

    /// A fetch is the follower's acknowledgement of everything below its offset.
    fn note_fetch(
        &mut self,
        asked: &FetchPartition,
        place: usize,
        epoch: Option<BrokerEpoch>,
        session: Option<SessionSlot>,
        ctx: &mut Ctx<'_>,
    ) {
        let (Some(replica), host) = self.replica_and_host(asked.partition) else { return };
        let (before, end) = (replica.log.watermark(), replica.log.end());
        replica.followers[place].join_session(session, host.sessions, end);
        let proposes = replica.record_fetch(place, asked.fetch_offset, end, epoch, &host, ctx);
        if replica.log.watermark() != before {
            self.touch(asked.partition);
        }
        if proposes {
            self.submit_isr(asked.partition, ctx);
        }
    }

    /// A follower's fetch was refused: its session's next fetches say nothing of what it has.
    #[cold]
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
        let (divergence, _) = replica.meet(asked, terms.fetcher, ctx).ok()?;
        if divergence != Divergence::None {
            return None;
        }
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
        let Ok((divergence, place)) = replica.meet(&cached.asked, terms.fetcher, ctx) else {
            return false;
        };
        let in_sync = place.is_none_or(|place| replica.isr.committed.has(place));
        divergence == Divergence::None
            && !is_outlived(&self.image, terms.fetcher)
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
