//! What a scenario file's `expect` lines say, as plain values.
//!
//! Names have been looked up in the registries by whoever read the file. How lines over many seeds
//! become a verdict is the sweep's business.

use crate::base::time::Span;

use super::metrics::Metric;

/// One line's statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// No run shows it.
    Never(&'static str),
    /// Every run shows it.
    Always(&'static str),
    /// At least one run shows it.
    Sometimes(&'static str),
    /// After the heal it comes true in time; `within` is `run.settle` if `None`.
    Liveness {
        /// Which property.
        property: &'static str,
        /// How long after the heal at most.
        within: Option<Span>,
    },
    /// The metric of every run is at most this.
    AtMost {
        /// Which metric.
        metric: &'static Metric,
        /// In the metric's own unit.
        bound: u64,
    },
    /// The metric of every run is at least this.
    AtLeast {
        /// Which metric.
        metric: &'static Metric,
        /// In the metric's own unit.
        bound: u64,
    },
}

/// One line, and the column it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectLine {
    /// What it says.
    pub expectation: Expectation,
    /// Only in the column of this Kafka version; in every column if `None`.
    pub kafka: Option<String>,
}

impl ExpectLine {
    /// Whether it speaks about the column of this Kafka version.
    #[must_use]
    pub fn applies_to(&self, kafka: &str) -> bool {
        self.kafka.as_deref().is_none_or(|k| k == kafka)
    }
}

impl Expectation {
    /// The property it is about, if it is about one.
    #[must_use]
    pub const fn property(&self) -> Option<&'static str> {
        match *self {
            Self::Never(p) | Self::Always(p) | Self::Sometimes(p) => Some(p),
            Self::Liveness { property, .. } => Some(property),
            Self::AtMost { .. } | Self::AtLeast { .. } => None,
        }
    }
}
