//! What a value says, as 64 bits: the words of which fingerprints are made.
//!
//! Values that differ in one field have different words; std's `Hash` would do, but what it feeds
//! to a hasher may change with the compiler, and a fingerprint must not. Knows neither events nor
//! messages.

use crate::base::ids::{
    BrokerEpoch, BrokerId, ConnectionId, ControllerId, DiskId, LeaderEpoch, Offset, PartitionEpoch,
    PartitionId, ProcessId, ProducerEpoch, ProducerId, ReplicaSet, TopicId,
};
use crate::base::time::{Span, Time};

/// What a value says.
pub trait Word {
    /// All of it in 64 bits.
    fn word(&self) -> u64;
}

/// What each place in a sum of words is multiplied by. They are odd, so that a product loses
/// nothing of its word, and fit into an instruction.
const KEYS: [u64; 16] = [
    0x428a_2f99,
    0x7137_4491,
    0x3956_c25b,
    0x59f1_11f1,
    0x1283_5b01,
    0x2431_85bf,
    0x550c_7dc3,
    0x72be_5d75,
    0x0fc1_9dc7,
    0x240c_a1cd,
    0x2de9_2c6f,
    0x4a74_84ab,
    0x5cb0_a9dd,
    0x76f9_88db,
    0x06ca_6351,
    0x1429_2967,
];

/// The words of several values, made into one: each is multiplied by the key of its place.
///
/// Speed: two instructions a word once the compiler has folded the places; a running hash takes
/// three, each waiting for the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words {
    sum: u64,
    place: usize,
}

impl Words {
    /// Of nothing.
    pub const NONE: Self = Self { sum: 0, place: 0 };

    /// With one more.
    #[must_use]
    #[inline]
    pub const fn with(self, word: u64) -> Self {
        let sum = self.sum.wrapping_add(word.wrapping_mul(KEYS[self.place]));
        Self { sum, place: self.place + 1 }
    }

    /// All of them in one.
    #[must_use]
    #[inline]
    pub const fn word(self) -> u64 {
        self.sum
    }
}

/// The words of several values as one: `words![a, b, c]`.
macro_rules! words {
    ($($value:expr),* $(,)?) => {
        $crate::base::words::Words::NONE
            $(.with($crate::base::words::Word::word(&$value)))*
            .word()
    };
}
pub(crate) use words;

macro_rules! numbers {
    ($($type:ty),*) => { $(
        impl Word for $type {
            #[inline]
            fn word(&self) -> u64 {
                *self as u64
            }
        }
    )* };
}

macro_rules! newtypes {
    ($($type:ty),* $(,)?) => { $(
        impl Word for $type {
            #[inline]
            fn word(&self) -> u64 {
                self.0 as u64
            }
        }
    )* };
}

numbers!(bool, u8, u16, u32, u64, i64);

newtypes! {
    BrokerEpoch, BrokerId, ConnectionId, ControllerId, DiskId, LeaderEpoch, Offset,
    PartitionEpoch, PartitionId, ProcessId, ProducerEpoch, ProducerId, ReplicaSet, Span, Time,
    TopicId,
}

impl<T: Word> Word for Option<T> {
    #[inline]
    fn word(&self) -> u64 {
        self.as_ref().map_or(0, |value| value.word().wrapping_add(1))
    }
}

impl<A: Word, B: Word> Word for (A, B) {
    #[inline]
    fn word(&self) -> u64 {
        words![self.0, self.1]
    }
}

#[cfg(test)]
mod tests {
    use super::Word;
    use crate::base::ids::{LeaderEpoch, Offset};

    #[test]
    fn values_that_differ_have_different_words() {
        let end = |epoch, offset| Some((LeaderEpoch(epoch), Offset(offset)));
        let values = [None, end(0, 0), end(0, 1), end(1, 0), end(1, 1), end(0, 1 << 40)];
        for (place, value) in values.iter().enumerate() {
            for other in &values[..place] {
                assert_ne!(value.word(), other.word(), "{value:?} {other:?}");
            }
        }
        assert_ne!(words![1_u32, 2_u32], words![2_u32, 1_u32], "the order counts");
    }
}
