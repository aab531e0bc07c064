//! A distribution of spans of time: counts in logarithmic buckets, and the exact maximum.
//!
//! A thin coat over `hdrhistogram`, which merges without loss. Microseconds, two digits: a merge of
//! a thousand runs stays small. Asked for permilles, so that nobody above needs a float.

use std::fmt;

use hdrhistogram::Histogram;

use crate::base::time::Span;

/// Digits that a bucket keeps.
const DIGITS: u8 = 2;

/// A distribution of spans of time.
#[derive(Clone, PartialEq)]
pub struct Spans {
    micros: Histogram<u64>,
    max: Span,
}

impl Default for Spans {
    fn default() -> Self {
        let micros = Histogram::new(DIGITS).expect("two digits are within the library's bounds");
        Self { micros, max: Span::ZERO }
    }
}

impl Spans {
    /// Counts one.
    pub fn record(&mut self, span: Span) {
        self.micros.record(span.0 / 1_000).expect("the histogram grows by itself");
        self.max = self.max.max(span);
    }

    /// How many were counted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.micros.len()
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
        let micros = self.micros.value_at_quantile(f64::from(permille) / 1000.0);
        Span::micros(micros).min(self.max)
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.micros.add(&other.micros).expect("the histogram grows by itself");
        self.max = self.max.max(other.max);
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").field("len", &self.len()).field("max", &self.max).finish()
    }
}
