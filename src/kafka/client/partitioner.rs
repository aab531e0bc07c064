//! Which partition a record goes to.
//!
//! Follows `BuiltInPartitioner.java` (KIP-480, KIP-794) and `RoundRobinPartitioner.java`. In this
//! order: the record's own partition; `partitioner.class`; the key's hash over all partitions, led
//! or not; the sticky partition.

use crate::base::ids::{BrokerId, PartitionId};
use crate::base::rng::Rng;

/// Kafka's hash of a key: 32-bit `MurmurHash2` of its bytes with a fixed seed.
///
/// Kafka: Utils.murmur2
#[must_use]
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |rest, byte| rest << 8 | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash.cast_signed()
}

/// The partition of a key, numbered within its topic.
///
/// # Panics
/// If the topic has no partition.
///
/// Kafka: BuiltInPartitioner.partitionForKey
#[must_use]
pub fn partition_for_key(key: &[u8], partitions: u16) -> u16 {
    let positive = murmur2(key) & 0x7fff_ffff;
    (positive % i32::from(partitions)) as u16
}

/// The UTF-8 text of key number `n`, `key-n`, without allocating.
#[derive(Clone, Copy, Debug)]
pub struct KeyText {
    bytes: [u8; Self::LONGEST],
    start: usize,
}

impl KeyText {
    const LONGEST: usize = 14;

    /// The text of key number `n`.
    #[must_use]
    pub fn of(n: u32) -> Self {
        let mut bytes = [0; Self::LONGEST];
        let mut start = Self::LONGEST;
        let mut rest = n;
        loop {
            start -= 1;
            bytes[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        start -= 4;
        bytes[start..start + 4].copy_from_slice(b"key-");
        Self { bytes, start }
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Of keys below this number the partition is remembered: workloads use few keys again and again.
const KEYS_KEPT: u32 = 1_024;

/// What a producer knows of a key: how long its text is, and its partition within one topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyPlace {
    pub(super) bytes: u32,
    pub(super) partition: u16,
}

/// The keys of one topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    known: Vec<Option<KeyPlace>>,
}

impl Keys {
    /// What is known of key number `n` in a topic of so many partitions.
    pub(super) fn place(&mut self, n: u32, partitions: u16) -> KeyPlace {
        if let Some(Some(place)) = self.known.get(n as usize) {
            return *place;
        }
        self.find(n, partitions)
    }

    #[cold]
    fn find(&mut self, n: u32, partitions: u16) -> KeyPlace {
        let text = KeyText::of(n);
        let bytes = text.bytes().len() as u32;
        let place = KeyPlace { bytes, partition: partition_for_key(text.bytes(), partitions) };
        if n < KEYS_KEPT {
            let known = self.known.len().max(n as usize + 1);
            self.known.resize(known, None);
            self.known[n as usize] = Some(place);
        }
        place
    }
}

/// What the choice depends on besides the key: one partition of the topic, as the producer sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Which partition.
    pub(super) partition: PartitionId,
    /// Its leader, if known.
    pub(super) leader: Option<BrokerId>,
    /// Batches that wait for it.
    pub(super) queued: u32,
    /// Whether its leader has taken data within `partitioner.availability.timeout.ms`.
    pub(super) available: bool,
    /// Whether a record has been sent to it before.
    pub(super) used: bool,
}

/// The sticky and the round-robin state of one topic.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sticky {
    current: Option<PartitionId>,
    produced: u32,
    turn: u32,
}

impl Sticky {
    /// The partition that records without a key go to at present, if one has been chosen.
    pub(super) const fn current(&self) -> Option<PartitionId> {
        self.current
    }

    /// So many bytes were appended there. Says whether it is time for another partition: once
    /// `batch_size` bytes went there and its last batch is complete, and at twice that anyway.
    ///
    /// Kafka: BuiltInPartitioner.updatePartitionInfo
    pub(super) const fn appended(
        &mut self,
        bytes: u32,
        batch_size: u32,
        last_is_full: bool,
    ) -> bool {
        self.produced = self.produced.saturating_add(bytes);
        self.produced >= batch_size && last_is_full || self.produced >= batch_size.saturating_mul(2)
    }

    /// Chooses the next sticky partition: uniformly over partitions with a leader or, if adaptive
    /// and their queues differ, by weight (longest queue + 1 − own queue).
    ///
    /// Kafka: BuiltInPartitioner.nextPartition
    pub(super) fn switch(
        &mut self,
        candidates: &[Candidate],
        adaptive: bool,
        rng: &mut Rng,
    ) -> PartitionId {
        let chosen = weighted(candidates, adaptive, rng)
            .unwrap_or_else(|| uniform(candidates, |count| rng.below(count as u64) as usize));
        self.current = Some(chosen);
        self.produced = 0;
        chosen
    }

    /// The next partition in turn, of those with a leader.
    ///
    /// Kafka: RoundRobinPartitioner.partition
    pub(super) fn round_robin(&mut self, candidates: &[Candidate]) -> PartitionId {
        let turn = self.turn as usize;
        self.turn = (self.turn + 1) & 0x7fff_ffff;
        uniform(candidates, |count| turn % count)
    }
}

fn uniform(candidates: &[Candidate], pick: impl FnOnce(usize) -> usize) -> PartitionId {
    let led = || candidates.iter().filter(|c| c.leader.is_some());
    match led().count() {
        0 => candidates[pick(candidates.len())].partition,
        count => {
            let place = pick(count);
            led().nth(place).map_or(candidates[0].partition, |c| c.partition)
        }
    }
}

/// `None` where Kafka has no load statistics: not adaptive, fewer than two partitions, a partition
/// never used, or nothing to prefer.
fn weighted(candidates: &[Candidate], adaptive: bool, rng: &mut Rng) -> Option<PartitionId> {
    if !adaptive || candidates.len() < 2 || candidates.iter().any(|c| !c.used) {
        return None;
    }
    let eligible = || candidates.iter().filter(|c| c.leader.is_some() && c.available);
    let longest = eligible().map(|c| c.queued).max()?;
    let all = eligible().count() == candidates.len();
    if all && eligible().all(|c| c.queued == longest) {
        return None;
    }
    let weight = |c: &Candidate| u64::from(longest + 1 - c.queued);
    let mut rest = rng.below(eligible().map(weight).sum());
    eligible()
        .find(|c| {
            let own = weight(c);
            let hit = rest < own;
            rest = rest.saturating_sub(own);
            hit
        })
        .map(|c| c.partition)
}

#[cfg(test)]
mod tests {
    use super::{Candidate, KeyText, Keys, Sticky, murmur2, partition_for_key};
    use crate::base::ids::{BrokerId, PartitionId};
    use crate::base::rng::Rng;

    #[test]
    fn the_hash_is_kafkas() {
        for (key, hash) in [
            ("", 275_646_681),
            ("a", -1_563_381_124),
            ("21", -973_932_308),
            ("abc", 479_470_107),
            ("foobar", -790_332_482),
            ("key-0", 29_210_041),
            ("key-1", 193_331_640),
            ("key-2", 852_269_702),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
        assert_eq!(partition_for_key(b"user-8", 7), 6);
    }

    #[test]
    fn a_key_has_its_text() {
        for n in [0, 7, 10, 4_294_967_295] {
            assert_eq!(KeyText::of(n).bytes(), format!("key-{n}").as_bytes());
        }
    }

    #[test]
    fn a_key_has_its_place_whether_or_not_it_is_remembered() {
        let mut keys = Keys::default();
        for n in [7, 0, 7, 1_023, 1_024, 4_294_967_295, 1_024] {
            let text = format!("key-{n}");
            let place = keys.place(n, 5);
            let expected = (text.len() as u32, partition_for_key(text.as_bytes(), 5));
            assert_eq!((place.bytes, place.partition), expected, "{text}");
        }
    }

    fn candidate(n: u16, led: bool, queued: u32) -> Candidate {
        Candidate {
            partition: PartitionId(n),
            leader: led.then_some(BrokerId(1)),
            queued,
            available: true,
            used: true,
        }
    }

    #[test]
    fn a_long_queue_and_a_missing_leader_are_avoided() {
        let mut rng = Rng::named(1, "sticky");
        let candidates = [candidate(0, true, 9), candidate(1, true, 0), candidate(2, false, 0)];
        let mut hits = [0; 3];
        for _ in 0..1_100 {
            let to = Sticky::default().switch(&candidates, true, &mut rng);
            hits[to.index()] += 1;
        }
        assert!(hits[2] == 0 && hits[0] > 0 && hits[1] > 8 * hits[0], "{hits:?}");
    }

    #[test]
    fn it_stays_until_a_batch_is_complete() {
        let mut sticky = Sticky::default();
        assert!(!sticky.appended(900, 1_000, true));
        assert!(!sticky.appended(200, 1_000, false));
        assert!(sticky.appended(1, 1_000, true));
        assert!(sticky.appended(900, 1_000, false), "at twice the batch size anyway");
    }
}
