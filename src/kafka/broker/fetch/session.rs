//! Incremental fetch sessions: what each fetcher asks for, so that it need not say so again.
//!
//! Follows `FetchSession.scala` (KIP-227). A session remembers of each partition what is asked and
//! what was last told; an answer leaves out partitions about which nothing is new. Kafka spreads
//! its cache over eight shards since 3.8; here it is one. Knows no log and no request.

use std::collections::BTreeMap;

use crate::base::ids::{BrokerEpoch, Offset, PartitionId};
use crate::base::number_set::NumberSet;
use crate::base::rng::Rng;
use crate::base::sparse::Sparse;
use crate::base::time::{Span, Time};
use crate::kafka::broker::purgatory::Ticket;
use crate::model::error::ErrorCode;
use crate::model::message::{FetchMetadata, FetchPartition, FetchSessionId, FetchablePartition};

/// A session that was used so recently is not stale
/// (`KafkaConfig.MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const MIN_EVICTION: Span = Span::secs(120);

/// Where a session lies in the cache, as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka::broker) struct SessionSlot(u32);

/// A partition of a session. Follows `CachedPartition`.
#[derive(Clone, Copy, Debug)]
pub(super) struct CachedPartition {
    /// What is asked.
    pub(super) asked: FetchPartition,
    /// The high watermark told last; none before the first answer, and after an error, so that the
    /// partition is told of again when the error is over.
    watermark: Option<Offset>,
    /// The log start offset told last.
    log_start: Option<Offset>,
    /// Partitions are read in this order; those of which records were answered come last, so that
    /// each has its turn when they do not fit into one answer.
    pub(super) order: u64,
}

impl CachedPartition {
    /// Whether an answer without records would say anything new.
    /// Kafka: CachedPartition.maybeUpdateResponseData
    pub(super) fn is_news(&self, watermark: Offset, log_start: Offset) -> bool {
        self.watermark != Some(watermark) || self.log_start != Some(log_start)
    }
}

/// A session. Follows `FetchSession`.
#[derive(Clone, Debug)]
pub(in crate::kafka::broker) struct FetchSession {
    /// What the fetcher calls it.
    pub(super) id: FetchSessionId,
    /// Which fetch comes next.
    epoch: i32,
    /// Of a follower.
    privileged: bool,
    created: Time,
    used: Time,
    partitions: Sparse<CachedPartition>,
    size: usize,
    /// The size when it was last used.
    size_when_used: usize,
    next_order: u64,
    /// Partitions that the next fetch must look at; see [`super::shortcut`].
    pub(super) stirred: NumberSet,
    /// Its fetch that waits.
    pub(super) parked: Option<Ticket>,
    /// When it last fetched, by the wall clock.
    pub(super) last_fetch: Option<Time>,
    /// The broker epoch of the follower's last fetch.
    broker_epoch: Option<BrokerEpoch>,
}

impl FetchSession {
    /// Whether a fetch of this epoch is the next one.
    pub(super) const fn is_next(&self, epoch: i32) -> bool {
        self.epoch == epoch
    }

    /// Whether there is nothing left in it.
    pub(super) const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// What it holds of a partition.
    pub(super) fn partition(&self, partition: PartitionId) -> Option<&CachedPartition> {
        self.partitions.get(partition.index())
    }

    /// Its first partition that is not before this place.
    pub(super) fn next_partition(&self, from: usize) -> Option<PartitionId> {
        self.partitions.first_from(from).map(|place| PartitionId(place as u16))
    }

    /// Something else is asked of a partition, or a partition comes in.
    /// Kafka: FetchSession.update
    pub(super) fn ask(&mut self, asked: &FetchPartition) {
        let (asked, place) = (*asked, asked.partition.index());
        self.stirred.insert(place);
        if let Some(cached) = self.partitions.get_mut(place) {
            cached.asked = asked;
            return;
        }
        let order = self.next_order;
        self.next_order += 1;
        self.size += 1;
        self.partitions
            .insert(place, CachedPartition { asked, watermark: None, log_start: None, order });
    }

    /// A partition leaves. Says whether it was there.
    pub(super) fn forget(&mut self, partition: PartitionId) -> bool {
        let was = self.partitions.remove(partition.index()).is_some();
        if was {
            self.size -= 1;
            self.stirred.remove(partition.index());
        }
        was
    }

    /// The next fetch of the session has come. In another broker epoch it says something new of
    /// every partition.
    pub(super) fn go_on(&mut self, broker_epoch: Option<BrokerEpoch>, now: Time) {
        self.epoch = FetchMetadata::next_epoch(self.epoch);
        self.used = now;
        self.settle_size();
        if std::mem::replace(&mut self.broker_epoch, broker_epoch) != broker_epoch {
            self.stir_all();
        }
    }

    /// Takes the present size for that of its last use.
    ///
    /// Kafka: FetchSessionCache.touch
    pub(super) const fn settle_size(&mut self) {
        self.size_when_used = self.size;
    }

    /// The next fetch must look at everything.
    pub(super) fn stir_all(&mut self) {
        let mut next = 0;
        while let Some(place) = self.partitions.first_from(next) {
            next = place + 1;
            self.stirred.insert(place);
        }
    }

    /// This is answered of a partition, which goes to the end if there are records in it.
    ///
    /// Kafka: IncrementalFetchContext.PartitionIterator
    pub(super) fn respond(&mut self, found: &FetchablePartition) {
        let Some(cached) = self.partitions.get_mut(found.partition.index()) else { return };
        let told = found.error == ErrorCode::None;
        cached.watermark = told.then_some(found.high_watermark);
        cached.log_start = Some(found.log_start_offset);
        if !found.records.is_empty() {
            cached.order = self.next_order;
            self.next_order += 1;
        }
    }

    /// Which session goes first if one must. Follows `EvictableKey`.
    const fn evictable_key(&self) -> (bool, usize, FetchSessionId) {
        (self.privileged, self.size_when_used, self.id)
    }
}

/// All sessions of a broker. Follows `FetchSessionCache`.
#[derive(Clone, Debug)]
pub(in crate::kafka::broker) struct FetchSessionCache {
    slots: Vec<Option<Box<FetchSession>>>,
    free: Vec<u32>,
    by_id: BTreeMap<FetchSessionId, SessionSlot>,
    /// `max.incremental.fetch.session.cache.slots`.
    room: usize,
}

impl FetchSessionCache {
    /// A cache for so many sessions.
    pub(in crate::kafka::broker) const fn new(room: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_id: BTreeMap::new(), room }
    }

    /// The session of this number.
    pub(super) fn find(&self, id: FetchSessionId) -> Option<SessionSlot> {
        self.by_id.get(&id).copied()
    }

    /// The session at a slot.
    ///
    /// # Panics
    /// If it was removed: who holds a slot is told of that.
    pub(in crate::kafka::broker) fn get(&self, slot: SessionSlot) -> &FetchSession {
        self.slots[slot.0 as usize].as_ref().expect("a session that is spoken of is in the cache")
    }

    /// The same, to change it.
    ///
    /// # Panics
    /// If it was removed.
    pub(in crate::kafka::broker) fn get_mut(&mut self, slot: SessionSlot) -> &mut FetchSession {
        self.slots[slot.0 as usize].as_mut().expect("a session that is spoken of is in the cache")
    }

    /// The sessions that hold a partition.
    pub(super) fn holding(&self, partition: PartitionId) -> impl Iterator<Item = SessionSlot> {
        let holds = move |slot: &SessionSlot| self.get(*slot).partition(partition).is_some();
        self.by_id.values().copied().filter(holds)
    }

    /// When the session last fetched.
    pub(in crate::kafka::broker) fn last_fetch(&self, slot: SessionSlot) -> Option<Time> {
        self.get(slot).last_fetch
    }

    /// A partition has changed in a way that a fetch of the session may tell of.
    pub(in crate::kafka::broker) fn stir(&mut self, slot: SessionSlot, partition: PartitionId) {
        self.get_mut(slot).stirred.insert(partition.index());
    }

    /// The session has fetched, and what it acknowledges was taken over.
    pub(super) fn fetched(&mut self, slot: SessionSlot, now: Time) {
        self.get_mut(slot).last_fetch = Some(now);
    }

    /// Whether another session may come in, and which one must go for it.
    /// Kafka: FetchSessionCache.tryEvict
    pub(super) fn room_for(
        &self,
        privileged: bool,
        size: usize,
        now: Time,
    ) -> Option<Option<SessionSlot>> {
        if self.by_id.len() < self.room {
            return Some(None);
        }
        let all = || self.by_id.values().map(|slot| (*slot, self.get(*slot)));
        let (stalest, session) = all().min_by_key(|(_, session)| (session.used, session.id))?;
        if now.since(session.used) > MIN_EVICTION {
            return Some(Some(stalest));
        }
        let evictable = |session: &FetchSession| {
            let settled = session.used.since(session.created) > MIN_EVICTION;
            settled || (privileged && !session.privileged)
        };
        let candidates = all().filter(|(_, session)| evictable(session));
        let (slot, session) = candidates.min_by_key(|(_, session)| session.evictable_key())?;
        let key = (privileged, size, FetchSessionId::NONE);
        (key >= session.evictable_key()).then_some(Some(slot))
    }

    /// A new session, without partitions.
    ///
    /// Kafka: FetchSessionCache.newSessionId
    pub(super) fn create(
        &mut self,
        privileged: bool,
        broker_epoch: Option<BrokerEpoch>,
        now: Time,
        rng: &mut Rng,
    ) -> SessionSlot {
        let id = loop {
            let id = FetchSessionId(1 + rng.below(i32::MAX as u64 - 1) as u32);
            if !self.by_id.contains_key(&id) {
                break id;
            }
        };
        let session = Box::new(FetchSession {
            id,
            epoch: FetchMetadata::next_epoch(FetchMetadata::INITIAL_EPOCH),
            privileged,
            created: now,
            used: now,
            partitions: Sparse::default(),
            size: 0,
            size_when_used: 0,
            next_order: 0,
            stirred: NumberSet::default(),
            parked: None,
            last_fetch: None,
            broker_epoch,
        });
        let slot = SessionSlot(self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        }));
        self.slots[slot.0 as usize] = Some(session);
        self.by_id.insert(id, slot);
        slot
    }

    /// Takes a session out.
    pub(super) fn remove(&mut self, slot: SessionSlot) {
        let id = self.get(slot).id;
        self.by_id.remove(&id);
        self.slots[slot.0 as usize] = None;
        self.free.push(slot.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{FetchSessionCache, SessionSlot};
    use crate::base::ids::{LeaderEpoch, Offset, PartitionId};
    use crate::base::rng::Rng;
    use crate::base::time::{Span, Time};
    use crate::model::batch::Batch;
    use crate::model::error::ErrorCode;
    use crate::model::message::{FetchPartition, FetchablePartition, Sublist};

    /// A cache with room for two, and a session of a consumer and one of a follower in it, used
    /// last at these times.
    fn full(used: [u64; 2]) -> (FetchSessionCache, [SessionSlot; 2]) {
        let mut rng = Rng::named(1, "sessions");
        let mut cache = FetchSessionCache::new(2);
        let slots = [false, true].map(|privileged| {
            assert_eq!(cache.room_for(privileged, 1, Time::ZERO), Some(None), "there is room");
            cache.create(privileged, None, Time::ZERO, &mut rng)
        });
        for (slot, at) in slots.into_iter().zip(used) {
            cache.get_mut(slot).go_on(None, Time::ZERO + Span::secs(at));
        }
        (cache, slots)
    }

    #[test]
    fn a_follower_may_evict_a_consumer_and_a_consumer_must_wait() {
        let now = Time::ZERO + Span::secs(60);
        let (cache, [consumer, _]) = full([50, 60]);
        assert_eq!(cache.room_for(true, 3, now), Some(Some(consumer)));
        assert_eq!(cache.room_for(false, 3, now), None, "nothing is stale or settled");
    }

    #[test]
    fn what_nobody_has_used_for_two_minutes_goes_first() {
        let (cache, [consumer, follower]) = full([10, 5]);
        let at = |seconds| Time::ZERO + Span::secs(seconds);
        assert_eq!(cache.room_for(false, 1, at(125)), None, "exactly 120 s are not too long");
        assert_eq!(cache.room_for(false, 1, at(126)), Some(Some(follower)));
        let (cache, _) = full([10, 50]);
        assert_eq!(cache.room_for(false, 1, at(140)), Some(Some(consumer)));
    }

    #[test]
    fn a_settled_session_gives_way_to_a_larger_one() {
        // Both were used more than two minutes after they had been made.
        let (cache, [consumer, follower]) = full([130, 130]);
        let now = Time::ZERO + Span::secs(130);
        assert_eq!(cache.room_for(false, 0, now), None, "as large is not larger");
        assert_eq!(cache.room_for(false, 1, now), Some(Some(consumer)));
        let (mut cache, _) = full([130, 130]);
        cache.remove(consumer);
        let mut rng = Rng::named(2, "sessions");
        cache.create(true, None, now, &mut rng);
        assert_eq!(cache.room_for(false, 9, now), None, "a consumer evicts no follower");
        assert_eq!(cache.room_for(true, 1, now), Some(Some(follower)));
    }

    #[test]
    fn without_slots_there_are_no_sessions() {
        assert_eq!(FetchSessionCache::new(0).room_for(true, 1, Time::ZERO), None);
    }

    fn found(number: u16, records: Sublist<Batch>) -> FetchablePartition {
        FetchablePartition {
            partition: PartitionId(number),
            error: ErrorCode::None,
            high_watermark: Offset(1),
            last_stable_offset: Offset(1),
            log_start_offset: Offset::ZERO,
            diverging_epoch: None,
            leader_epoch: LeaderEpoch(0),
            records,
        }
    }

    #[test]
    fn records_and_nothing_else_send_a_partition_to_the_end() {
        let (mut cache, [slot, _]) = full([1, 1]);
        let session = cache.get_mut(slot);
        for number in 0..2 {
            session.ask(&FetchPartition {
                partition: PartitionId(number),
                current_leader_epoch: None,
                fetch_offset: Offset::ZERO,
                last_fetched_epoch: None,
                log_start_offset: Offset::ZERO,
                max_bytes: 1,
            });
        }
        let mut answered = |number, records| {
            session.respond(&found(number, records));
            let order = [0, 1].map(|n| session.partition(PartitionId(n)).map(|p| p.order));
            order[0] < order[1]
        };
        assert!(answered(0, Sublist::EMPTY), "a watermark that moved");
        assert!(!answered(0, Sublist::new(0..1)));
        assert!(!answered(1, Sublist::EMPTY), "it had no room, and it is its turn");
        assert!(answered(1, Sublist::new(0..1)));
    }
}
