//! Virtual time: nanoseconds since the start of a run, and spans of it.
//!
//! Does not know any clock of the machine it runs on. A node's own clocks (offset, drift) are made
//! from this in `sim::clock`.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A moment of virtual time, in nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of virtual time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Time {
    /// The start of a run.
    pub const ZERO: Self = Self(0);
    /// Later than anything that happens.
    pub const NEVER: Self = Self(u64::MAX);

    /// The span from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since the start of the run, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than any run.
    pub const FOREVER: Self = Self(u64::MAX);

    /// A span of whole nanoseconds.
    #[must_use]
    pub const fn nanos(n: u64) -> Self {
        Self(n)
    }

    /// A span of whole microseconds.
    #[must_use]
    pub const fn micros(n: u64) -> Self {
        Self(n.saturating_mul(1_000))
    }

    /// A span of whole milliseconds. Saturates, so Kafka's "maximum long" means forever.
    #[must_use]
    pub const fn millis(n: u64) -> Self {
        Self(n.saturating_mul(1_000_000))
    }

    /// A span of whole seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self(n.saturating_mul(1_000_000_000))
    }

    /// Whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// This span times `numerator / denominator`, without overflow for spans under 500 years.
    #[must_use]
    pub const fn scaled(self, numerator: u64, denominator: u64) -> Self {
        let wide = self.0 as u128 * numerator as u128 / denominator as u128;
        Self(if wide > u64::MAX as u128 { u64::MAX } else { wide as u64 })
    }

    /// Reads `"250ms"`, `"1m30s"`, `"400us"`, `"2h"`; numbers are whole, units descend.
    ///
    /// # Errors
    /// A sentence without the offending text's place: the caller knows where it stood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hint = "a duration is a whole number and a unit, like \"250ms\", \"10s\" or \"1m30s\"";
        let mut rest = text;
        let mut total: u64 = 0;
        let mut last_unit = u64::MAX;
        if rest.is_empty() {
            return Err(format!("empty duration: {hint}"));
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let factor: u64 = match unit {
                "ns" => 1,
                "us" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                "d" => 86_400_000_000_000,
                _ => return Err(format!("cannot read `{text}` as a duration: {hint}")),
            };
            if factor >= last_unit {
                return Err(format!("cannot read `{text}`: units of a duration must descend"));
            }
            last_unit = factor;
            let number: u64 = number
                .parse()
                .map_err(|_| format!("cannot read `{text}` as a duration: {hint}"))?;
            total = number
                .checked_mul(factor)
                .and_then(|n| total.checked_add(n))
                .ok_or_else(|| format!("`{text}` is longer than this simulator can count"))?;
            rest = tail;
        }
        Ok(Self(total))
    }
}

impl Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Span> for Time {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Seconds, then the digits below in groups of three: `8.031 604`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1_000;
        write!(f, "{}.{:03} {:03}", micros / 1_000_000, micros / 1_000 % 1_000, micros % 1_000)
    }
}

/// The shortest exact form that [`Span::parse`] reads back: `1m30s`, `250ms`, `0ms`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 7] = [
            (86_400_000_000_000, "d"),
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ];
        if self.0 == 0 {
            return f.write_str("0ms");
        }
        let mut rest = self.0;
        for (factor, unit) in UNITS {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, Time};

    #[test]
    fn a_span_reads_back_what_it_prints() {
        for text in ["250ms", "1m30s", "400us", "1d2h", "17ns", "0ms"] {
            assert_eq!(Span::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_bad_span_is_refused() {
        for text in ["", "5", "s", "1.5s", "-1s", "1s1m", "1s1s", "10 s", "99999999999999d"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_prints_seconds_and_groups() {
        assert_eq!(Time(8_031_604_999).to_string(), "8.031 604");
    }
}
