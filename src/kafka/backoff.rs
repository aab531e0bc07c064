//! How long a client, or a broker towards others, waits before it tries again.
//!
//! Follows `ExponentialBackoff.java`: the interval doubles with each attempt up to a maximum and
//! is then changed by up to 20 % either way, never beyond the maximum.

use crate::base::rng::Rng;
use crate::base::time::Span;

/// Percent by which an interval is changed at random (`RETRY_BACKOFF_JITTER`,
/// `RECONNECT_BACKOFF_JITTER`, `SOCKET_CONNECTION_SETUP_TIMEOUT_JITTER`: all 0.2).
const JITTER_PERCENT: u64 = 20;

/// The interval after `attempts` earlier attempts. One that cannot grow is not changed at all.
pub(super) fn exponential(initial: Span, max: Span, attempts: u32, rng: &mut Rng) -> Span {
    if initial >= max {
        return max;
    }
    let term = initial.scaled(1 << attempts.min(30), 1).min(max);
    rng.jitter(term, JITTER_PERCENT).min(max)
}

#[cfg(test)]
mod tests {
    use super::exponential;
    use crate::base::rng::Rng;
    use crate::base::time::Span;

    #[test]
    fn what_cannot_grow_is_its_maximum() {
        let mut rng = Rng::named(1, "backoff");
        for (initial, max) in [(50, 50), (80, 50)] {
            let wait = exponential(Span::millis(initial), Span::millis(max), 0, &mut rng);
            assert_eq!(wait, Span::millis(50));
        }
    }

    #[test]
    fn it_doubles_up_to_its_maximum() {
        let mut rng = Rng::named(1, "backoff");
        for (attempts, low, high) in [(0, 80, 120), (1, 160, 240), (3, 640, 960), (9, 800, 1000)] {
            for _ in 0..100 {
                let wait = exponential(Span::millis(100), Span::secs(1), attempts, &mut rng);
                assert!(Span::millis(low) <= wait && wait <= Span::millis(high), "{attempts}");
            }
        }
    }
}
