//! `impl Checks` for its readers: what was found, counted and measured.

use crate::base::time::{Span, Time};

use super::Checks;
use super::liveness::account::Account;
use super::metrics::{METRICS, Metric, MetricId};
use super::properties::{PropertyId, PropertyKind};
use super::violation::Violation;

impl Checks {
    /// The findings kept whole, in the order they were made.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        self.findings.kept()
    }

    /// How often a property was violated, in records where it is about records, or a mark seen.
    #[must_use]
    pub fn count(&self, property: &str) -> u64 {
        PropertyId::find(property).map_or(0, |id| self.findings.count(id))
    }

    /// When the records of the last acknowledgement heard had been handed over.
    #[must_use]
    pub fn resolved_since(&self) -> &[Time] {
        &self.clients.resolved_since
    }

    /// How many facts were heard.
    #[must_use]
    pub const fn heard(&self) -> u64 {
        self.heard
    }

    /// How often a property was put to the test; its row says in what units. Any fact
    /// might have been a mark, so marks are exercised by every fact.
    #[must_use]
    pub fn exercised(&self, property: &str) -> u64 {
        PropertyId::find(property).map_or(0, |id| match id.property().kind {
            PropertyKind::Mark => self.heard,
            PropertyKind::Data | PropertyKind::Liveness => self.findings.exercised(id),
        })
    }

    /// How long after the heal a liveness property came true; `None` if it has not yet.
    #[must_use]
    pub fn liveness(&self, property: &str) -> Option<Span> {
        let healed = self.ghosts.healed?;
        self.account(PropertyId::find(property)?)?.took(healed)
    }

    const fn account(&self, id: PropertyId) -> Option<&Account> {
        Some(match id {
            PropertyId::WritesResume => &self.writes_resume.account,
            PropertyId::RequestsEnd => &self.requests_end,
            PropertyId::IsrFills => &self.isr_fills.account,
            PropertyId::LagDrains => &self.lag_drains.account,
            PropertyId::MetadataConverges => &self.metadata_converges.account,
            _ => return None,
        })
    }

    /// Whether everything that must come true after the heal has, so that a run need not settle
    /// any longer.
    #[must_use]
    pub fn converged(&self) -> bool {
        self.ghosts.healed.is_some()
            && self.writes_resume.account.is_settled()
            && self.requests_end.is_settled()
            && self.isr_fills.account.is_settled()
            && self.lag_drains.account.is_settled()
            && self.metadata_converges.account.is_settled()
    }

    /// The number of a metric, in its own unit. Known after [`Checks::finish`].
    #[must_use]
    pub fn metric(&self, metric: &Metric) -> u64 {
        let Some(place) = METRICS.iter().position(|m| m.name == metric.name) else { return 0 };
        match MetricId::ALL[place] {
            MetricId::Lost => self.findings.count(PropertyId::AckedLost),
            MetricId::CommittedLost => self.findings.count(PropertyId::CommittedLost),
            MetricId::DuplicatedByResend => self.clients.duplicated_by_resend(),
            MetricId::Unavailable => self.findings.count(PropertyId::Unavailable),
            MetricId::NeverConsumed => self.findings.count(PropertyId::NeverConsumed),
            id => self.metrics.value(id, self.now),
        }
    }
}
