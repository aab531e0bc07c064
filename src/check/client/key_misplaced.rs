//! `key-misplaced`, claim G5: the records of one key go to one partition, the one its hash names.
//!
//! Key number n is the text `key-n`; the partition is the positive murmur2 hash of its bytes modulo
//! the number of partitions (`BuiltInPartitioner.java`, `Utils.murmur2`). The hash here is the
//! oracle's own, on purpose: it must not use the code it judges.

use crate::base::ids::{NodeId, PartitionId, ProcessId};
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::batch::RecordId;
use crate::model::fact::Stamp;

/// Where the partitions of each partition's topic begin, and how many there are.
#[derive(Clone, Debug)]
pub(crate) struct KeyMisplaced {
    topics: Vec<(u16, u16)>,
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
        let topics = names
            .topics
            .iter()
            .flat_map(|t| std::iter::repeat_n((t.first.0, t.partitions), t.partitions.into()));
        Self { topics: topics.collect(), known: Vec::new() }
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
        let Some(&(first, count)) = self.topics.get(partition.index()) else { return };
        findings.exercise(PropertyId::KeyMisplaced);
        let belongs = PartitionId(first + self.belongs(key, count));
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
    use crate::check::forge::Forge;

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
}
