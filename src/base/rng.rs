//! Luck: named random streams of one seed, counter-based link draws, ratios and quantile tables.
//!
//! A stream is `ChaCha8` keyed by the run's seed with the stream number taken from the stream's
//! *name*, so that adding a node, a fault or a checker does not reshuffle anybody else's luck.
//! Integer helpers are our own: `rand` may change how it maps bits to ranges in a minor release,
//! and a fingerprint must survive that.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::time::Span;

/// One named stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    inner: ChaCha8Rng,
}

impl Rng {
    /// The stream called `name` of the run with this seed.
    #[must_use]
    pub fn named(seed: u64, name: &str) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut inner = ChaCha8Rng::from_seed(key);
        inner.set_stream(fnv1a(name));
        Self { inner }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }

    /// A number in `0..bound`, by multiply-shift (bias below 2⁻³² for the bounds used here).
    ///
    /// # Panics
    /// If `bound` is zero: there is no such number.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a draw needs at least one outcome");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True with the given probability.
    pub fn chance(&mut self, ratio: Ratio) -> bool {
        self.below(ratio.of) < ratio.part
    }

    /// `span` changed by a uniform draw within ± `percent` of it; forever stays forever.
    pub fn jitter(&mut self, span: Span, percent: u64) -> Span {
        let width = span.scaled(2 * percent, 100).0;
        let drawn = self.below(width.saturating_add(1));
        Span(span.scaled(100 - percent, 100).0.saturating_add(drawn))
    }
}

/// FNV-1a, 64 bit: names to stream numbers. Fixed by its publication, unlike std's hashers.
#[must_use]
pub const fn fnv1a(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < bytes.len() {
        hash ^= bytes[i] as u64;
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// The finaliser of SplitMix64 over a key and a counter: 64 bits a call, no state but the counter.
#[must_use]
pub const fn mix64(key: u64, counter: u64) -> u64 {
    let mut z = key.wrapping_add(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash with one more word: one multiplication, for what is hashed on every event. Each step is a
/// bijection of the hash; what it makes is mixed once more at the end by whoever keeps it.
#[must_use]
#[inline]
pub const fn stir(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A probability as a fraction: `part` of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// How many of the equally likely outcomes count.
    pub part: u64,
    /// How many outcomes there are; never zero.
    pub of: u64,
}

impl Ratio {
    /// Certain.
    pub const ALWAYS: Self = Self { part: 1, of: 1 };

    /// Reads `"1/5"`.
    ///
    /// # Errors
    /// A sentence saying what a ratio looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hint = "a ratio is two whole numbers, like \"1/5\", the first not above the second";
        let parsed = text.split_once('/').and_then(|(part, of)| {
            Some(Self { part: part.trim().parse().ok()?, of: of.trim().parse().ok()? })
        });
        match parsed {
            Some(ratio) if ratio.of > 0 && ratio.part <= ratio.of => Ok(ratio),
            _ => Err(format!("cannot read `{text}` as a ratio: {hint}")),
        }
    }
}

/// A latency distribution given by three quantiles, drawn by integer interpolation.
///
/// Below the median the draw is uniform in `[p50 / 2, p50]`; between the quantiles and up to the
/// maximum it is linear. 64 random bits make one draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of all draws are at most this.
    pub p50: Span,
    /// 99 of 100 draws are at most this.
    pub p99: Span,
    /// No draw is longer.
    pub max: Span,
}

impl Latency {
    /// The latency that 64 random bits stand for.
    #[must_use]
    pub const fn draw(&self, bits: u64) -> Span {
        self.table().draw(bits)
    }

    /// The same, made ready for many draws.
    #[must_use]
    pub const fn table(&self) -> LatencyTable {
        let (low, p50, p99, max) = (self.p50.0 / 2, self.p50.0, self.p99.0, self.max.0);
        let widths = (p50 - low, p99.saturating_sub(p50), max.saturating_sub(p99));
        LatencyTable { buckets: [(low, widths.0), (p50, widths.1), (p99, widths.2)] }
    }
}

/// A [`Latency`] as the low end and the width of its three buckets.
#[derive(Clone, Copy, Debug)]
pub struct LatencyTable {
    buckets: [(u64, u64); 3],
}

impl LatencyTable {
    /// The latency that 64 random bits stand for.
    #[must_use]
    pub const fn draw(&self, bits: u64) -> Span {
        let place = ((bits >> 32) * 1_000) >> 32; // 0..1000, by the high half
        let within = bits & 0xffff_ffff; // position inside the bucket, by the low half
        // Speed: tables, because half of all draws are below the median and no branch predictor
        // knows which. One draw of 64 bits serves both questions.
        let (low, spread) = self.buckets[(place >= 500) as usize + (place >= 990) as usize];
        // The upper half thins out towards its end: the smaller of two uniform numbers.
        let skews = [within, (within * (within >> 16)) >> 16];
        let skewed = skews[(place >= 500) as usize];
        Span(low + ((spread as u128 * skewed as u128) >> 32) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::{Latency, Ratio, Rng, fnv1a};
    use crate::base::time::Span;

    /// Golden draws: if a dependency changes its stream, every fingerprint changes, so fail here.
    #[test]
    fn the_streams_are_frozen() {
        let mut b1 = Rng::named(7, "node b1");
        let mut b2 = Rng::named(7, "node b2");
        let first = [b1.next_u64(), b1.next_u64(), b2.next_u64()];
        assert_eq!(first, [GOLDEN[0], GOLDEN[1], GOLDEN[2]], "golden draws of seed 7: {first:?}");

        assert_eq!(fnv1a("node b1"), fnv1a("node b1"));
        assert_ne!(fnv1a("node b1"), fnv1a("node b2"));
    }
    const GOLDEN: [u64; 3] =
        [8_791_447_494_490_292_966, 13_323_530_303_986_403_548, 4_055_796_224_464_445_110];

    #[test]
    fn a_latency_keeps_its_quantiles() {
        let latency =
            Latency { p50: Span::micros(400), p99: Span::millis(3), max: Span::millis(40) };
        let mut rng = Rng::named(1, "latency");
        let mut draws: Vec<Span> = (0..100_000).map(|_| latency.draw(rng.next_u64())).collect();
        draws.sort_unstable();
        assert!(draws[0] >= Span::micros(200));
        assert!(draws[49_000] <= Span::micros(400));
        assert!(draws[98_000] <= Span::millis(3));
        assert!(draws[99_999] <= Span::millis(40));
        assert!(draws[99_500] > Span::millis(3));
    }

    #[test]
    fn ratios_are_read_and_checked() {
        assert_eq!(Ratio::parse("1/5"), Ok(Ratio { part: 1, of: 5 }));
        for text in ["", "1", "1/0", "6/5", "-1/5", "a/b"] {
            assert!(Ratio::parse(text).is_err(), "{text}");
        }
    }
}
