//! Names that `expect` may say: data guarantees and marks, liveness properties, metrics.

/// Data guarantees, then marks of coverage.
pub(super) const SAFETY: &[&str] = &[
    "log-diverged",
    "watermark-fell",
    "leader-incomplete",
    "candidate-incomplete",
    "acked-lost",
    "committed-lost",
    "inconsistent-read",
    "dirty-read",
    "duplicate",
    "order-broken",
    "two-leaders",
    "isr-unjustified",
    "fenced-in-isr",
    "key-misplaced",
    "min-insync-ignored",
    "election-unjustified",
    "retention-broken",
    "audit-failed",
    "follower-truncated",
    "tail-lost",
    "log-start-moved",
    "isr-shrunk",
    "isr-expanded",
    "isr-below-min-insync",
    "leader-missing",
    "election-clean",
    "election-from-elr",
    "election-last-known",
    "election-unclean",
    "unclean-registration",
    "broker-fenced",
    "batch-retried",
    "deduplicated",
    "epoch-bumped",
    "duplicate-after-bump",
    "duplicate-by-resend",
    "order-across-bump",
    "not-enough-replicas",
    "gave-up",
    "consumer-truncated",
    "out-of-range",
    "unavailable",
    "never-consumed",
];

/// What must come true after the heal.
pub(super) const LIVENESS: &[&str] =
    &["writes-resume", "requests-end", "isr-fills", "lag-drains", "metadata-converges"];

/// What the bound of a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A length of time.
    Span,
    /// A share.
    Percent,
    /// A number of things.
    Count,
}

/// Metrics of one run.
pub(super) const METRICS: &[(&str, Unit)] = &[
    ("write-gap", Unit::Span),
    ("write-availability", Unit::Percent),
    ("ack-gap", Unit::Span),
    ("ack-latency-p99", Unit::Span),
    ("ack-latency-max", Unit::Span),
    ("records-acked", Unit::Count),
    ("records-failed", Unit::Count),
    ("elections", Unit::Count),
    ("unclean-elections", Unit::Count),
    ("isr-shrinks", Unit::Count),
    ("under-replicated", Unit::Span),
    ("under-min-insync", Unit::Span),
    ("offline", Unit::Span),
];
