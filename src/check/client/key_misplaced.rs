//! `key-misplaced`, claim G5: the records of one key go to one partition, the one its hash names.
//!
//! Key number n is the text `key-n`; the partition is the positive murmur2 hash of its bytes modulo
//! the number of partitions (`BuiltInPartitioner.java`, `Utils.murmur2`). The hash here is the
//! oracle's own, on purpose: it must not use the code it judges.
//!
//! A topic that grows moves keys: from then on a key may belong to another partition, beside the
//! one it belonged to, and order per key ends there. That is documented, and a mark (`key-moved`).

use crate::base::ids::{NodeId, PartitionId, PartitionIds, ProcessId, TopicId};
use crate::base::time::Time;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::batch::RecordId;
use crate::model::fact::Stamp;

/// A topic, and how many partitions it has had: whoever hashes a key may not have heard of the
/// latest yet, or ask a broker that has not. Those that are created at one instant are one step,
/// for nobody sees a part of them.
#[derive(Clone, Debug)]
struct Topic {
    ids: PartitionIds,
    counts: Vec<(Time, u16)>,
}

/// The topics, and what is remembered of keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyMisplaced {
    topics: Vec<Topic>,
    /// By partition, where those of its topic begin and how many there have always been; none if
    /// the topic has grown.
    always: Vec<(u16, u16)>,
    /// Of small key numbers.
    known: Vec<Known>,
}

/// What is remembered of a key: its hash and, for topics with so many partitions as the one it
/// came to last, the partition it belongs to.
#[derive(Clone, Copy, Debug)]
struct Known {
    hash: u32,
    partitions: u16,
    belongs: u16,
}

impl Known {
    /// No topic has no partitions.
    const NOTHING: Self = Self { hash: UNKNOWN, partitions: 0, belongs: 0 };
}

/// Of keys below this number the hash is remembered.
const KEYS_KEPT: usize = 1_024;
/// No hash is negative.
const UNKNOWN: u32 = u32::MAX;

impl KeyMisplaced {
    pub(crate) fn new(names: &crate::model::names::Names) -> Self {
        let topics = names.topics.iter().map(|topic| {
            let counts = (topic.partitions > 0).then_some((Time::ZERO, topic.partitions));
            Topic { ids: topic.ids(), counts: counts.into_iter().collect() }
        });
        let always =
            names.topics.iter().flat_map(|t| t.ids().all().map(|_| (t.first.0, t.partitions)));
        Self { always: always.collect(), topics: topics.collect(), known: Vec::new() }
    }

    /// A topic has one partition more.
    pub(crate) fn created(&mut self, topic: TopicId, now: Time) {
        let Some(Topic { ids, counts }) = self.topics.get_mut(topic.index()) else { return };
        let more = counts.last().map_or(0, |(_, count)| *count) + 1;
        counts.retain(|(at, _)| *at != now);
        counts.push((now, more));
        for partition in ids.all() {
            self.always[partition.index()].1 = 0;
        }
    }

    /// A record with a key was handed over and partitioned by the default partitioner.
    ///
    /// Speed: the hash of a key is remembered.
    #[inline(always)]
    pub(crate) fn submitted(
        &mut self,
        partition: PartitionId,
        (process, record, key): (ProcessId, RecordId, u32),
        stamp: Stamp,
        findings: &mut Findings,
    ) {
        let Some(&(first, count)) = self.always.get(partition.index()) else { return };
        findings.exercise(PropertyId::KeyMisplaced);
        let belongs = if count > 0 {
            PartitionId(first + self.belongs(key, count))
        } else {
            self.belongs_since_it_grew(partition, key, findings)
        };
        if belongs == partition {
            return;
        }
        let detail = Detail::BelongsTo { partition: belongs };
        let violation = Violation::of(PropertyId::KeyMisplaced, stamp, detail)
            .partition(partition)
            .record(record, 1)
            .node(NodeId::Process(process));
        findings.add(PropertyId::KeyMisplaced, violation);
    }

    /// The partition itself if a key belongs or belonged there, else where it belongs by now.
    #[cold]
    fn belongs_since_it_grew(
        &mut self,
        partition: PartitionId,
        key: u32,
        findings: &mut Findings,
    ) -> PartitionId {
        let topic = self.topics.iter().find(|topic| topic.ids.number(partition).is_some());
        let Some(Topic { ids, counts }) = topic.cloned() else { return partition };
        let places = counts.iter().map(|(_, count)| ids.id(self.belongs(key, *count)));
        let places: Vec<PartitionId> = places.collect();
        if !places.contains(&partition) {
            return places.last().copied().unwrap_or(partition);
        }
        if places[0] != partition {
            findings.mark(PropertyId::KeyMoved);
        }
        partition
    }

    /// To which of so many partitions a key belongs; remembered, since workloads use few keys again
    /// and again.
    fn belongs(&mut self, key: u32, partitions: u16) -> u16 {
        let place = key as usize;
        if place >= KEYS_KEPT {
            return (hash_of_key(key) % u32::from(partitions)) as u16;
        }
        if place >= self.known.len() {
            self.known.resize(place + 1, Known::NOTHING);
        }
        let known = &mut self.known[place];
        if known.partitions != partitions {
            if known.hash == UNKNOWN {
                known.hash = hash_of_key(key);
            }
            known.partitions = partitions;
            known.belongs = (known.hash % u32::from(partitions)) as u16;
        }
        known.belongs
    }
}

/// The positive hash of the text `key-n`.
fn hash_of_key(key: u32) -> u32 {
    let mut text = *b"key-0000000000";
    let mut digits = 1;
    let mut rest = key / 10;
    while rest > 0 {
        digits += 1;
        rest /= 10;
    }
    rest = key;
    for place in (0..digits).rev() {
        text[4 + place] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    murmur2(&text[..4 + digits]) & 0x7fff_ffff
}

/// `MurmurHash2` with Kafka's seed, over little-endian words of four bytes.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let tail = words.remainder();
    for (place, byte) in tail.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * place);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::{hash_of_key, murmur2};
    use crate::base::ids::{BrokerId, PartitionId, TopicId};
    use crate::check::forge::Forge;
    use crate::model::fact::Fact;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn the_hash_is_kafkas() {
        let vectors: [(&[u8], i32); 8] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"21".as_slice(), -973_932_308),
            (b"foobar".as_slice(), -790_332_482),
        ];
        for (text, hash) in vectors {
            assert_eq!(murmur2(text).cast_signed(), hash, "{text:?}");
        }
    }

    #[test]
    fn a_key_is_its_text() {
        for key in [0, 7, 10, 99, 100, 4_294_967_295] {
            let text = format!("key-{key}");
            assert_eq!(hash_of_key(key), murmur2(text.as_bytes()) & 0x7fff_ffff, "{text}");
        }
    }

    #[test]
    fn a_record_belongs_where_its_key_says() {
        let mut forge = Forge::with_partitions(4);
        for key in 0..20 {
            let right = (hash_of_key(key) % 4) as u16;
            forge.submit_key(right, key);
        }
        forge.expect_none("key-misplaced");
        let wrong = ((hash_of_key(3) + 1) % 4) as u16;
        forge.submit_key(wrong, 3).expect("key-misplaced", 1);
    }

    /// 4 partitions become 6: a key belongs to its place among either, and nowhere else.
    #[test]
    fn a_key_moves_when_its_topic_grows() {
        let mut forge = Forge::with(|plan| {
            let topic = &mut plan.names.topics[0];
            (topic.partitions, topic.most) = (4, 6);
            plan.topics[0].replicas = vec![plan.topics[0].replicas[0].clone(); 4];
        });
        let place = |key, count| (hash_of_key(key) % count) as u16;
        let moves = |key: &u32| place(*key, 4) != place(*key, 6);
        let moving = (0..).find(|key| moves(key)).expect("some do");
        let staying = (0..).find(|key| !moves(key)).expect("some do not");
        let (old, new) = (place(moving, 4), place(moving, 6));
        forge.submit_key(old, moving).submit_key(place(staying, 4), staying);
        forge.submit_key(new, moving).expect("key-misplaced", 1).expect_none("key-moved");
        forge.now(|forge| {
            for partition in [4, 5].map(PartitionId) {
                forge.tell(Fact::PartitionCreated { partition, topic: TopicId(0), replicas: 3 });
                for broker in [1, 2, 3].map(BrokerId) {
                    forge.tell(Fact::ReplicaPlaced { partition, broker });
                }
            }
            forge
        });
        forge.submit_key(old, moving).submit_key(place(staying, 6), staying);
        forge.expect("key-misplaced", 1).expect_none("key-moved");
        forge.submit_key(new, moving).expect("key-moved", 1).expect("key-misplaced", 1);
        let third = |key: &u32| ![place(*key, 4), place(*key, 6)].contains(&place(*key, 5));
        let halfway = (0..).find(third).expect("some do");
        forge.submit_key(place(halfway, 5), halfway).expect("key-misplaced", 2);
    }
}
