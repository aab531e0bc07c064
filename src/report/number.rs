//! Statistics as rows: a name, and a value in integers that each output renders its own way.
//!
//! Also the named metrics of a single run that `at-most` and `at-least` bound.

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

    /// The metric of this name, of a finished run. Spans in nanoseconds, shares in millionths;
    /// none if the run gives no value (availability without a write).
    ///
    /// # Panics
    /// If there is no metric of that name: names come from [`METRICS`].
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        let metric = METRICS.iter().find(|metric| metric.name == name);
        let metric = metric.expect("names of metrics are checked where they are read");
        (metric.of)(self)
    }
}

/// What a bound on a metric is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A duration.
    Span,
    /// A percentage, kept in millionths.
    Share,
    /// A count.
    Count,
}

/// A metric of one run that `at-most` and `at-least` may bound.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in scenario files.
    pub name: &'static str,
    /// What a bound is written in.
    pub unit: Unit,
    /// What it is, in one sentence.
    pub about: &'static str,
    of: fn(&Summary) -> Option<u64>,
}

/// Every metric, for `list metrics`.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "write-gap",
        unit: Unit::Span,
        about: "longest time that records waited for a partition and none was acknowledged",
        of: |s| has_written(s).then(|| s.longest_write_gap().0),
    },
    Metric {
        name: "write-availability",
        unit: Unit::Share,
        about: "part of the writing time outside write gaps of one second or more",
        of: |s| s.write_availability().map(u64::from),
    },
    Metric {
        name: "ack-gap",
        unit: Unit::Span,
        about: "longest time between two acknowledgements of one producer",
        of: |s| s.processes.iter().filter(|p| p.acked > 0).map(|p| p.longest_ack_gap.0).max(),
    },
    Metric {
        name: "ack-latency-p99",
        unit: Unit::Span,
        about: "time from submission to acknowledgement that 99 of 100 records keep",
        of: |s| Some(s.ack_latency()).filter(|l| !l.is_empty()).map(|l| l.permille(990).0),
    },
    Metric {
        name: "ack-latency-max",
        unit: Unit::Span,
        about: "longest time from submission to acknowledgement",
        of: |s| Some(s.ack_latency()).filter(|l| !l.is_empty()).map(|l| l.max().0),
    },
    Metric {
        name: "records-acked",
        unit: Unit::Count,
        about: "records acknowledged",
        of: |s| Some(s.counts.acked),
    },
    Metric {
        name: "records-failed",
        unit: Unit::Count,
        about: "records that failed: refused, given up, or never sent",
        of: |s| Some(s.counts.rejected + s.counts.gave_up + s.counts.send_failed),
    },
    Metric {
        name: "elections",
        unit: Unit::Count,
        about: "elections that found a leader",
        of: |s| Some(s.counts.elections()),
    },
    Metric {
        name: "unclean-elections",
        unit: Unit::Count,
        about: "leaders from outside ISR and ELR, last known leaders included",
        of: |s| Some(s.counts.elected_unclean + s.counts.elected_last_known),
    },
    Metric {
        name: "isr-shrinks",
        unit: Unit::Count,
        about: "committed states with fewer in-sync replicas",
        of: |s| Some(s.counts.isr_shrinks),
    },
    Metric {
        name: "under-replicated",
        unit: Unit::Span,
        about: "time with fewer in-sync replicas than replicas, summed over partitions",
        of: |s| Some(s.health().under_replicated.0),
    },
    Metric {
        name: "under-min-insync",
        unit: Unit::Span,
        about: "time with fewer in-sync replicas than min.insync.replicas, summed over partitions",
        of: |s| Some(s.health().under_min_insync.0),
    },
    Metric {
        name: "offline",
        unit: Unit::Span,
        about: "time without a leader, summed over partitions",
        of: |s| Some(s.health().offline.0),
    },
];

fn has_written(summary: &Summary) -> bool {
    summary.lanes.iter().any(|lane| lane.active > Span::ZERO)
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
