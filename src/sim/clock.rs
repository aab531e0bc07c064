//! The two clocks of a node: a wall clock that is off and may jump, a monotonic clock that drifts.
//!
//! Timers and time-outs run by the monotonic clock; record timestamps and retention read the wall
//! clock. Does not know which timer is which.

use crate::base::rng::Rng;
use crate::base::time::{Span, Time};

/// What an exact wall clock shows at time zero of a run: 2026-01-01 00:00 UTC. Not zero, so that a
/// clock may be set back.
pub(super) const WALL_EPOCH: Time = Time(1_767_225_600_000_000_000);

const MILLION: u64 = 1_000_000;

/// The clocks of one node.
#[derive(Clone, Debug)]
pub(super) struct NodeClock {
    /// The wall clock is ahead by so many nanoseconds.
    offset: i128,
    /// And by so many more while its skew faults last.
    skew: i128,
    /// What the wall clock shows at time zero of the run, unless that lies before its own zero.
    zero: Option<u64>,
    /// The monotonic clock gains so many parts per million.
    ppm: i64,
}

impl NodeClock {
    /// Clocks within ± `wall_offset` and ± `drift_ppm`.
    pub(super) fn draw(rng: &mut Rng, wall_offset: Span, drift_ppm: u32) -> Self {
        let offset = within(rng, wall_offset.0);
        let ppm = within(rng, u64::from(drift_ppm).min(500_000)) as i64;
        Self { offset, skew: 0, zero: shown_at_zero(offset), ppm }
    }

    /// What the wall clock shows.
    pub(super) fn wall(&self, now: Time) -> Time {
        if let Some(zero) = self.zero {
            return Time(zero.saturating_add(now.0));
        }
        let shown = i128::from(WALL_EPOCH.0) + i128::from(now.0) + self.offset + self.skew;
        Time(shown.clamp(0, i128::from(u64::MAX)) as u64)
    }

    /// What the monotonic clock shows. Whole millions first: the product then fits 64 bits, and
    /// the result is exact.
    pub(super) const fn monotonic(&self, now: Time) -> Time {
        if self.ppm == 0 {
            return now;
        }
        let (whole, rest) = (now.0 / MILLION, now.0 % MILLION);
        Time(whole * self.rate() + rest * self.rate() / MILLION)
    }

    /// When a timer is due that shall fire `after` so much time by the monotonic clock.
    pub(super) fn due(&self, now: Time, after: Span) -> Time {
        if self.ppm == 0 || after == Span::FOREVER {
            return now + after;
        }
        let (whole, rest) = (after.0 / self.rate(), after.0 % self.rate());
        now + Span(whole.saturating_mul(MILLION) + (rest * MILLION).div_ceil(self.rate()))
    }

    /// How far it gets in a million nanoseconds.
    const fn rate(&self) -> u64 {
        MILLION.saturating_add_signed(self.ppm)
    }

    /// A skew fault begins (or ends, with the opposite sign).
    pub(super) fn skew(&mut self, by: i128) {
        self.skew += by;
        self.zero = shown_at_zero(self.offset + self.skew);
    }
}

/// What a wall clock that is ahead by so much shows at time zero of the run, if it can.
fn shown_at_zero(ahead: i128) -> Option<u64> {
    u64::try_from(i128::from(WALL_EPOCH.0) + ahead).ok()
}

/// A number in `-most..=most`.
fn within(rng: &mut Rng, most: u64) -> i128 {
    let most = most.min(u64::MAX / 4);
    i128::from(rng.below(2 * most + 1)) - i128::from(most)
}

#[cfg(test)]
mod tests {
    use super::{NodeClock, WALL_EPOCH};
    use crate::base::rng::Rng;
    use crate::base::time::{Span, Time};

    #[test]
    fn an_exact_clock_is_exact() {
        let clock = NodeClock::draw(&mut Rng::named(1, "clock b1"), Span::ZERO, 0);
        assert_eq!(clock.wall(Time(5)), WALL_EPOCH + Span(5));
        assert_eq!(clock.monotonic(Time(5)), Time(5));
        assert_eq!(clock.due(Time(5), Span(7)), Time(12));
    }

    #[test]
    fn a_drifting_clock_reaches_its_deadlines() {
        for seed in 0..20 {
            let clock = NodeClock::draw(&mut Rng::named(seed, "clock b1"), Span::secs(1), 200);
            let now = Time(987_654_321);
            let due = clock.due(now, Span::secs(30));
            let shown = clock.monotonic(due).since(clock.monotonic(now));
            assert!(shown >= Span::secs(30) - Span(1) && shown <= Span::secs(30) + Span(2));
            assert!(
                due.since(now) >= Span::millis(29_990) && due.since(now) <= Span(30_010_000_000)
            );
        }
    }

    #[test]
    fn drift_is_exact_to_the_nanosecond() {
        for seed in 0..20 {
            let clock = NodeClock::draw(&mut Rng::named(seed, "clock b1"), Span::ZERO, 500_000);
            let rate = 1_000_000 + i128::from(clock.ppm);
            for n in [0, 1, 999_999, 1_000_001, 987_654_321, 86_400_000_000_000, 1 << 60] {
                let wide = i128::from(n);
                assert_eq!(i128::from(clock.monotonic(Time(n)).0), wide * rate / 1_000_000);
                let after = (wide * 1_000_000 + rate - 1) / rate;
                assert_eq!(i128::from(clock.due(Time(0), Span(n)).0), after);
            }
        }
    }

    #[test]
    fn a_skew_sets_the_wall_clock_alone() {
        let mut clock = NodeClock::draw(&mut Rng::named(1, "clock b1"), Span::ZERO, 0);
        clock.skew(-3_600_000_000_000);
        assert_eq!(clock.wall(Time(0)), WALL_EPOCH - Span::secs(3_600));
        assert_eq!(clock.monotonic(Time(9)), Time(9));
        clock.skew(3_600_000_000_000);
        assert_eq!(clock.wall(Time(0)), WALL_EPOCH);
    }
}
