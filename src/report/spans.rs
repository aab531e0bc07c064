//! A distribution of spans of time: counts in logarithmic buckets, and the exact maximum.
//!
//! The buckets are those of `hdrhistogram` for microseconds and two digits, which merges without
//! loss; they are counted here, since every acknowledged record comes by, and handed to the library
//! when somebody asks for a quantile. Asked for permilles, so that nobody above needs a float.

use std::fmt;

use hdrhistogram::Histogram;

use crate::base::time::Span;

/// Digits that a bucket keeps.
const DIGITS: u8 = 2;
/// Below 2 to this power every microsecond has a bucket of its own, as the library has it for two
/// digits; above, half as many buckets for each power of two.
const EXACT_BITS: u32 = 8;

/// A distribution of spans of time.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Spans {
    /// How many there were in each bucket, up to the last that is not empty.
    buckets: Vec<u64>,
    max: Span,
}

impl Spans {
    /// Counts one.
    #[inline]
    pub fn record(&mut self, span: Span) {
        let bucket = bucket_of(span.0 / 1_000);
        if bucket >= self.buckets.len() {
            self.grow(bucket + 1);
        }
        self.buckets[bucket] = self.buckets[bucket].wrapping_add(1);
        self.max = self.max.max(span);
    }

    #[cold]
    fn grow(&mut self, buckets: usize) {
        self.buckets.resize(buckets, 0);
    }

    /// How many were counted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The longest, exactly.
    #[must_use]
    pub const fn max(&self) -> Span {
        self.max
    }

    /// The span that so many permilles do not exceed: 500 is the median.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "the library's question is a float")]
    pub fn permille(&self, permille: u32) -> Span {
        let micros = self.histogram().value_at_quantile(f64::from(permille) / 1000.0);
        Span::micros(micros).min(self.max)
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        if other.buckets.len() > self.buckets.len() {
            self.grow(other.buckets.len());
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.max = self.max.max(other.max);
    }
}

impl Spans {
    fn histogram(&self) -> Histogram<u64> {
        let mut micros = Histogram::new(DIGITS).expect("two digits are within its bounds");
        let counted = self.buckets.iter().enumerate().filter(|(_, times)| **times > 0);
        for (bucket, times) in counted {
            let recorded = micros.record_n(micros_of(bucket), *times);
            recorded.expect("the histogram grows by itself");
        }
        micros
    }
}

const fn bucket_of(micros: u64) -> usize {
    let halvings = (u64::BITS - micros.leading_zeros()).saturating_sub(EXACT_BITS);
    (halvings as usize * (1 << (EXACT_BITS - 1))).wrapping_add((micros >> halvings) as usize)
}

/// The least number of microseconds in a bucket.
const fn micros_of(bucket: usize) -> u64 {
    let halvings = (bucket >> (EXACT_BITS - 1)).saturating_sub(1);
    ((bucket - (halvings << (EXACT_BITS - 1))) as u64) << halvings
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").field("len", &self.len()).field("max", &self.max).finish()
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::{DIGITS, Span, Spans};

    proptest! {
        /// What the library would say that had counted by itself; merged or not.
        #[test]
        fn the_buckets_are_the_librarys(
            nanos in prop::collection::vec((0_u32..45).prop_flat_map(|bits| 0..=1_u64 << bits), 1..60),
            parted in 0_usize..60,
        ) {
            let mut library = Histogram::<u64>::new(DIGITS).unwrap();
            let (mut some, mut others) = (Spans::default(), Spans::default());
            for (place, nanos) in nanos.iter().enumerate() {
                library.record(nanos / 1_000).unwrap();
                let spans = if place < parted { &mut some } else { &mut others };
                spans.record(Span(*nanos));
            }
            some.merge(&others);
            prop_assert_eq!(some.histogram(), library);
            prop_assert_eq!(some.len(), nanos.len() as u64);
            prop_assert_eq!(Some(some.max().0), nanos.into_iter().max());
        }
    }
}
