//! A set of small numbers that is walked in order: two levels of bits.
//!
//! Speed: walking costs by what is in it. A client of ten thousand partitions of which two have
//! something to send finds these two. The first word is at hand, and a set of it alone is a few
//! instructions where it is used.

/// How many numbers a word holds.
const BITS: usize = u64::BITS as usize;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberSet {
    /// The numbers below 64, which are all there are in most clusters.
    low: u64,
    /// The others by word; the first word is not used.
    words: Vec<u64>,
    /// One bit for each word that is not zero.
    summary: Vec<u64>,
}

impl NumberSet {
    /// Puts a number in. Says whether it was not in before.
    #[inline]
    pub fn insert(&mut self, number: usize) -> bool {
        if number >= BITS {
            return self.insert_high(number);
        }
        let bit = 1 << number;
        let new = self.low & bit == 0;
        self.low |= bit;
        new
    }

    #[inline(never)]
    fn insert_high(&mut self, number: usize) -> bool {
        let word = number / BITS;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
            self.summary.resize(word / BITS + 1, 0);
        }
        let bit = 1 << (number % BITS);
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.summary[word / BITS] |= 1 << (word % BITS);
        new
    }

    /// Takes a number out. Says whether it was in.
    #[inline]
    pub fn remove(&mut self, number: usize) -> bool {
        if number >= BITS {
            return self.remove_high(number);
        }
        let bit = 1 << number;
        let was = self.low & bit != 0;
        self.low &= !bit;
        was
    }

    #[inline(never)]
    fn remove_high(&mut self, number: usize) -> bool {
        let word = number / BITS;
        let Some(bits) = self.words.get_mut(word) else { return false };
        let bit = 1 << (number % BITS);
        let was = *bits & bit != 0;
        *bits &= !bit;
        if *bits == 0 {
            self.summary[word / BITS] &= !(1 << (word % BITS));
        }
        was
    }

    /// Puts a number in or takes it out.
    #[inline]
    pub fn put(&mut self, number: usize, is_in: bool) {
        if is_in {
            self.insert(number);
        } else {
            self.remove(number);
        }
    }

    /// Whether a number is in.
    #[must_use]
    #[inline]
    pub fn contains(&self, number: usize) -> bool {
        let word = match number / BITS {
            0 => self.low,
            word => self.words.get(word).copied().unwrap_or(0),
        };
        word >> (number % BITS) & 1 == 1
    }

    /// Whether nothing is in.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.low == 0 && self.summary.iter().all(|word| *word == 0)
    }

    /// The first number in the set that is not below `from`.
    #[must_use]
    #[inline]
    pub fn first_from(&self, from: usize) -> Option<usize> {
        if from < BITS {
            let bits = self.low & (u64::MAX << from);
            if bits != 0 {
                return Some(bits.trailing_zeros() as usize);
            }
        }
        if self.words.is_empty() { None } else { self.first_high(from.max(BITS)) }
    }

    #[inline(never)]
    fn first_high(&self, from: usize) -> Option<usize> {
        let word = from / BITS;
        let bits = self.words.get(word)? & (u64::MAX << (from % BITS));
        if bits != 0 {
            return Some(word * BITS + bits.trailing_zeros() as usize);
        }
        let word = self.next_word(word + 1)?;
        Some(word * BITS + self.words[word].trailing_zeros() as usize)
    }

    /// The first word that is not zero, not before this one.
    fn next_word(&self, from: usize) -> Option<usize> {
        let mut place = from / BITS;
        let mut bits = self.summary.get(place)? & (u64::MAX << (from % BITS));
        while bits == 0 {
            place += 1;
            bits = *self.summary.get(place)?;
        }
        Some(place * BITS + bits.trailing_zeros() as usize)
    }

    /// Every number in the set, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let number = self.first_from(next)?;
            next = number + 1;
            Some(number)
        })
    }

    /// Takes everything out.
    #[inline]
    pub fn clear(&mut self) {
        self.low = 0;
        if !self.words.is_empty() {
            self.words.fill(0);
            self.summary.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{any, prop, prop_oneof, proptest};

    use super::NumberSet;

    proptest! {
        #[test]
        fn it_is_a_set_in_order(
            steps in prop::collection::vec(
                (any::<bool>(), prop_oneof![0_usize..130, 0_usize..10_000]),
                0..200,
            ),
            from in prop_oneof![0_usize..130, 0_usize..10_000],
        ) {
            let (mut set, mut model) = (NumberSet::default(), BTreeSet::new());
            for (insert, number) in steps {
                if insert {
                    assert_eq!(set.insert(number), model.insert(number));
                } else {
                    assert_eq!(set.remove(number), model.remove(&number));
                }
                assert_eq!(set.contains(number), model.contains(&number));
            }
            assert_eq!(set.first_from(from), model.range(from..).next().copied());
            assert_eq!(set.is_empty(), model.is_empty());
            assert!(set.iter().eq(model.iter().copied()));
        }
    }
}
