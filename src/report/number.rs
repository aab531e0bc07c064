//! Statistics as rows: a name, and a value in integers that each output renders its own way.
//!
//! The metrics that a scenario file may bound are not these but `check::metrics`.

use std::fmt;

use crate::base::time::Span;
use crate::model::fault::FaultKind;
use crate::report::FaultRow;
use crate::report::health::HealthTotals;
use crate::report::spans::Spans;
use crate::report::summary::Summary;

/// One statistic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberRow {
    /// Its name, in lower case, with spaces.
    pub name: String,
    /// Its value.
    pub value: Number,
    /// Whether it belongs into a short summary.
    pub headline: bool,
}

/// A value of a statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// So many.
    Count(u64),
    /// So long.
    Length(Span),
    /// A part of one, in millionths.
    Share(u32),
    /// A distribution of lengths.
    Quantiles {
        /// How many were counted.
        count: u64,
        /// The median.
        p50: Span,
        /// 99 of 100 are not longer.
        p99: Span,
        /// The longest.
        max: Span,
    },
}

impl Number {
    /// The quantiles of a distribution.
    #[must_use]
    pub fn quantiles(spans: &Spans) -> Self {
        Self::Quantiles {
            count: spans.len(),
            p50: spans.permille(500),
            p99: spans.permille(990),
            max: spans.max(),
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        match *self {
            Self::Count(count) | Self::Quantiles { count, .. } => count == 0,
            Self::Length(span) => span == Span::ZERO,
            Self::Share(_) => false,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count(count) => f.write_str(&grouped(count)),
            Self::Length(span) => f.write_str(&length(span)),
            Self::Share(millionths) => f.write_str(&share(millionths)),
            Self::Quantiles { p50, p99, max, .. } => {
                write!(f, "p50 {}   p99 {}   max {}", length(p50), length(p99), length(max))
            }
        }
    }
}

/// `11 902 604`: digits in groups of three, from five digits on.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A length that is read, not parsed: three digits and a unit, `15.2 s`, `842 ms`, `1.04 ms`.
#[must_use]
pub fn length(span: Span) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns")];
    let (unit, name) =
        UNITS.into_iter().find(|(unit, _)| span.0 >= *unit).unwrap_or((1_000_000_000, "s"));
    let (whole, rest) = (span.0 / unit, span.0 % unit);
    let text = match whole {
        _ if rest == 0 => grouped(whole),
        0..=9 => format!("{whole}.{:02}", rest / (unit / 100).max(1)),
        10..=99 => format!("{whole}.{}", rest / (unit / 10).max(1)),
        _ => grouped(whole),
    };
    format!("{text} {name}")
}

/// A part of one as percent: `74.6 %`. Rounded down, so that 100 % means all.
#[must_use]
pub fn share(millionths: u32) -> String {
    format!("{}.{} %", millionths / 10_000, millionths / 1_000 % 10)
}

impl Summary {
    /// Every statistic as a row.
    #[must_use]
    pub fn numbers(&self) -> Vec<NumberRow> {
        let mut rows = Vec::new();
        let mut row = |name: &str, value: Number, headline: bool| {
            rows.push(NumberRow { name: name.to_owned(), value, headline });
        };
        row("elections", Number::Count(self.counts.elections()), true);
        for (name, count) in self.counts.list() {
            let headline =
                matches!(name, "ISR shrinks" | "elections unclean" | "records in lost tails");
            row(name, Number::Count(count), headline);
        }
        for (error, count) in self.failed() {
            row(&format!("failed with {error}"), Number::Count(count), false);
        }
        for (error, count) in self.retried.iter() {
            row(&format!("retried after {error}"), Number::Count(count), false);
        }
        row("ack latency", Number::quantiles(&self.ack_latency()), true);
        row("write gap", Number::quantiles(&self.write_gap), true);
        if let Some(availability) = self.write_availability() {
            row("write availability", Number::Share(availability), false);
        }
        if let Some(worst) = self.worst_availability {
            row("worst write availability", Number::Share(worst), false);
        }
        let health = self.health();
        row("under-replicated", Number::Length(health.under_replicated), false);
        row("at min.insync.replicas", Number::Length(health.at_min_insync), false);
        row("under min.insync.replicas", Number::Length(health.under_min_insync), true);
        row("offline", Number::Length(health.offline), true);
        rows
    }

    /// Faults by kind, those that were neither applied nor refused left out.
    #[must_use]
    pub fn fault_rows(&self) -> Vec<FaultRow> {
        let rows = FaultKind::ALL.iter().map(|kind| {
            let counts = self.faults.get(*kind);
            FaultRow {
                kind: kind.name().to_owned(),
                accepted: counts.injected,
                refused: counts.refused,
                seeds: counts.runs,
            }
        });
        rows.filter(|row| row.accepted + row.refused > 0).collect()
    }

    /// Time in unhealthy states, summed over partitions.
    #[must_use]
    pub fn health(&self) -> HealthTotals {
        let mut all = HealthTotals::default();
        self.partitions.iter().for_each(|partition| all.merge(partition));
        all
    }

    /// Failed records by exception class, over all processes.
    #[must_use]
    pub fn failed(&self) -> Vec<(&'static str, u64)> {
        let mut errors = crate::report::counts::Errors::default();
        self.processes.iter().for_each(|process| errors.merge(&process.failed));
        errors.by_exception().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, grouped, length, share};

    #[test]
    fn numbers_are_rendered_for_reading() {
        let lengths = [
            (Span::millis(15_200), "15.2 s"),
            (Span::micros(842_999), "842 ms"),
            (Span::micros(1_040), "1.04 ms"),
            (Span::nanos(7), "7 ns"),
            (Span::nanos(1_500), "1.50 µs"),
            (Span::secs(9), "9 s"),
            (Span::ZERO, "0 s"),
            (Span::secs(3_600), "3600 s"),
            (Span::secs(86_400), "86 400 s"),
        ];
        for (span, text) in lengths {
            assert_eq!(length(span), text);
        }
        assert_eq!(grouped(11_902_604), "11 902 604");
        assert_eq!(grouped(9999), "9999");
        assert_eq!(share(746_999), "74.6 %");
        assert_eq!(share(1_000_000), "100.0 %");
    }
}
