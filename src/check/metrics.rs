//! Numbers of a run that `at-most` and `at-least` lines bound: measured from facts, in integers.
//!
//! Spans are in nanoseconds, shares in permille. Does not judge: [`super::expect`] does.

use crate::base::time::{Span, Time};

/// What a metric's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many of something.
    Count,
    /// Nanoseconds of virtual time.
    Span,
    /// Thousandths.
    Permille,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in files and output.
    pub name: &'static str,
    /// What its number means.
    pub unit: Unit,
    /// How it is defined.
    pub what: &'static str,
}

macro_rules! metrics {
    ($($id:ident $unit:ident $name:literal $what:literal;)*) => {
        /// Every metric as a small number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(crate) enum MetricId {
            $($id,)*
        }

        /// Every metric, in the order of the documentation.
        pub const METRICS: &[Metric] =
            &[$(Metric { name: $name, unit: Unit::$unit, what: $what },)*];

        impl MetricId {
            /// Every one, parallel to [`METRICS`].
            pub(crate) const ALL: &'static [Self] = &[$(Self::$id,)*];
        }
    };
}

metrics! {
    Sent Count "sent" "records handed to producers and given a partition";
    Acked Count "acked" "records reported as written";
    Rejected Count "rejected" "records refused for good";
    GaveUp Count "gave-up" "records whose time ran out";
    SendFailed Count "send-failed" "sends that failed before they had a partition";
    Consumed Count "consumed" "records handed to consumers' applications";
    Lost Count "lost" "acknowledged records lost (acked-lost)";
    CommittedLost Count "committed-lost" "committed records lost";
    Duplicated Count "duplicated"
        "records in the log twice by a producer's own retry, in any epoch";
    DuplicatedByResend Count "duplicated-by-resend"
        "items in the log twice because they were sent again";
    Unavailable Count "unavailable"
        "acknowledged records on a disk that no leader serves at the end";
    NeverConsumed Count "never-consumed" "acknowledged records not read at the end";
    WriteGap Span "write-gap" "longest time a partition owed an acknowledgement and gave none";
    WriteAvailability Permille "write-availability"
        "share of the time with open records in which the last acknowledgement was at most 1 s ago";
    UnderMinInsync Span "under-min-insync" "time with a committed ISR below min.insync.replicas";
    AtMinInsync Span "at-min-insync"
        "time with a committed ISR at min.insync.replicas, smaller than all replicas";
    UnderReplicated Span "under-replicated" "time with a committed ISR that lacks a replica";
    Offline Span "offline" "time with a partition without a leader";
    Elections Count "elections" "leaders elected";
    UncleanElections Count "unclean-elections" "leaders elected uncleanly";
    IsrShrinks Count "isr-shrinks" "members that left a committed ISR";
    IsrExpands Count "isr-expands" "members that joined a committed ISR";
    Retries Count "retries" "batches sent once more";
}

/// The metric with this name.
#[must_use]
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|m| m.name == name)
}

/// How long a partition may take to answer and still count as available.
const PROMPT: Span = Span::secs(1);

/// Whether and since when a partition owes an acknowledgement.
#[derive(Clone, Copy, Debug, Default)]
struct Writes {
    open: u64,
    since: Time,
}

/// Time during which at least one partition was in some condition.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    partitions: u32,
    since: Time,
    total: Span,
}

impl Condition {
    fn change(&mut self, was: bool, is: bool, now: Time) {
        if was == is {
            return;
        }
        if is {
            if self.partitions == 0 {
                self.since = now;
            }
            self.partitions += 1;
        } else {
            self.partitions -= 1;
            if self.partitions == 0 {
                self.total = self.total + now.since(self.since);
            }
        }
    }

    fn total(&self, now: Time) -> Span {
        let open = if self.partitions > 0 { now.since(self.since) } else { Span::ZERO };
        self.total + open
    }
}

/// The conditions of one partition that are timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) under_min_insync: bool,
    pub(crate) at_min_insync: bool,
    pub(crate) under_replicated: bool,
    pub(crate) offline: bool,
}

/// Everything that is measured beside the counts of findings.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    writes: Vec<Writes>,
    health: Vec<Health>,
    counts: [u64; METRICS.len()],
    gap: Span,
    owed: Span,
    unavailable: Span,
    conditions: [Condition; 4],
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            writes: Vec::new(),
            health: Vec::new(),
            counts: [0; METRICS.len()],
            gap: Span::ZERO,
            owed: Span::ZERO,
            unavailable: Span::ZERO,
            conditions: [Condition::default(); 4],
        }
    }

    /// There are so many partitions.
    pub(crate) fn grow(&mut self, partitions: usize) {
        self.writes.resize_with(partitions, Writes::default);
        self.health.resize_with(partitions, Health::default);
    }

    /// Speed: wraps without a check, like every counter of what happens all day.
    #[inline(always)]
    pub(crate) const fn add(&mut self, metric: MetricId, count: u64) {
        self.counts[metric as usize] = self.counts[metric as usize].wrapping_add(count);
    }

    pub(crate) fn submitted(&mut self, partition: usize, now: Time) {
        self.add(MetricId::Sent, 1);
        let writes = &mut self.writes[partition];
        if writes.open == 0 {
            writes.since = now;
        }
        writes.open += 1;
    }

    /// Records were resolved; with success if `acked`.
    pub(crate) fn resolved(&mut self, partition: usize, records: u64, acked: bool, now: Time) {
        let writes = &mut self.writes[partition];
        let waited = if writes.open == 0 { Span::ZERO } else { now.since(writes.since) };
        let open = writes.open.saturating_sub(records);
        if acked || open == 0 {
            writes.since = now;
            self.gap = self.gap.max(waited);
            self.owed = self.owed + waited;
            self.unavailable = self.unavailable + (waited - PROMPT);
        }
        writes.open = open;
    }

    /// A partition's conditions are these now. Returns whether it has just fallen below
    /// `min.insync.replicas`.
    pub(crate) fn health(&mut self, partition: usize, is: Health, now: Time) -> bool {
        let was = std::mem::replace(&mut self.health[partition], is);
        let [under, at, replicated, offline] = &mut self.conditions;
        under.change(was.under_min_insync, is.under_min_insync, now);
        at.change(was.at_min_insync, is.at_min_insync, now);
        replicated.change(was.under_replicated, is.under_replicated, now);
        offline.change(was.offline, is.offline, now);
        is.under_min_insync && !was.under_min_insync
    }

    /// Closes what is open: the run ends.
    pub(crate) fn finish(&mut self, now: Time) {
        for partition in 0..self.writes.len() {
            let open = self.writes[partition].open;
            if open > 0 {
                self.resolved(partition, open, false, now);
            }
        }
    }

    /// A metric that is counted or timed here.
    pub(crate) fn value(&self, metric: MetricId, now: Time) -> u64 {
        let [under, at, replicated, offline] = &self.conditions;
        match metric {
            MetricId::WriteGap => self.gap.0,
            MetricId::WriteAvailability => {
                let served = self.owed.0 - self.unavailable.0.min(self.owed.0);
                if self.owed == Span::ZERO {
                    1_000
                } else {
                    Span(served).scaled(1_000, self.owed.0).0
                }
            }
            MetricId::UnderMinInsync => under.total(now).0,
            MetricId::AtMinInsync => at.total(now).0,
            MetricId::UnderReplicated => replicated.total(now).0,
            MetricId::Offline => offline.total(now).0,
            counted => self.counts[counted as usize],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Health, METRICS, MetricId, Metrics, metric};
    use crate::base::time::{Span, Time};

    const SECOND: u64 = 1_000_000_000;

    fn metrics(partitions: usize) -> Metrics {
        let mut metrics = Metrics::new();
        metrics.grow(partitions);
        metrics
    }

    #[test]
    fn a_gap_begins_when_something_is_owed() {
        let mut metrics = metrics(1);
        metrics.submitted(0, Time(0));
        metrics.resolved(0, 1, true, Time(SECOND / 2));
        metrics.submitted(0, Time(60 * SECOND));
        metrics.submitted(0, Time(61 * SECOND));
        metrics.resolved(0, 1, true, Time(63 * SECOND));
        metrics.resolved(0, 1, true, Time(63 * SECOND + SECOND / 2));
        assert_eq!(metrics.value(MetricId::WriteGap, Time::ZERO), 3 * SECOND);
        // Owed for 4 s, of which 2 s were late.
        assert_eq!(metrics.value(MetricId::WriteAvailability, Time::ZERO), 500);
    }

    #[test]
    fn conditions_of_several_partitions_are_timed_together() {
        let mut metrics = metrics(2);
        let offline = Health { offline: true, ..Health::default() };
        metrics.health(0, offline, Time(SECOND));
        metrics.health(1, offline, Time(2 * SECOND));
        metrics.health(0, Health::default(), Time(3 * SECOND));
        metrics.health(1, Health::default(), Time(5 * SECOND));
        metrics.health(0, offline, Time(9 * SECOND));
        assert_eq!(metrics.value(MetricId::Offline, Time(10 * SECOND)), Span::secs(5).0);
    }

    #[test]
    fn names_are_unique() {
        for (place, m) in METRICS.iter().enumerate() {
            assert_eq!(METRICS.iter().position(|n| n.name == m.name), Some(place), "{}", m.name);
            assert_eq!(metric(m.name), Some(m));
        }
    }
}
