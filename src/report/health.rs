//! How long a partition was under-replicated, short of in-sync replicas, or without a leader.
//!
//! By the committed state, so the clock starts when the cluster agrees that a replica is out, as
//! `UnderReplicatedPartitions` and `OfflinePartitionsCount` do.

use crate::base::ids::{BrokerId, LeaderEpoch, ReplicaSet};
use crate::base::time::{Span, Time};
use crate::model::metadata::PartitionState;
use crate::report::partition_history::{ElectionKind, PartitionHistory};

/// Time that one partition spent in each unhealthy state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthTotals {
    /// Fewer in-sync replicas than replicas.
    pub under_replicated: Span,
    /// Exactly as many in-sync replicas as `min.insync.replicas`, though there are more replicas.
    pub at_min_insync: Span,
    /// Fewer in-sync replicas than `min.insync.replicas`.
    pub under_min_insync: Span,
    /// No leader.
    pub offline: Span,
    /// When it first was under-replicated, if it ever was: when the alert fires. Of several runs
    /// the earliest.
    pub first_under_replicated: Option<Time>,
    /// When it first was without a leader, if it ever was.
    pub first_offline: Option<Time>,
}

impl HealthTotals {
    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        self.under_replicated = self.under_replicated + other.under_replicated;
        self.at_min_insync = self.at_min_insync + other.at_min_insync;
        self.under_min_insync = self.under_min_insync + other.under_min_insync;
        self.offline = self.offline + other.offline;
        let earliest = |a: Option<Time>, b: Option<Time>| a.into_iter().chain(b).min();
        self.first_under_replicated =
            earliest(self.first_under_replicated, other.first_under_replicated);
        self.first_offline = earliest(self.first_offline, other.first_offline);
    }
}

/// One partition during its run.
#[derive(Clone, Debug)]
pub struct Health {
    replicas: Vec<BrokerId>,
    committed: PartitionHistory,
    minimum: u32,
    since: Time,
    totals: HealthTotals,
}

impl Health {
    /// At time zero; without replicas if it is created later.
    #[must_use]
    pub fn new(replicas: Vec<BrokerId>, minimum: u32) -> Self {
        let committed = PartitionHistory::initial(&replicas);
        let totals = HealthTotals::default();
        Self { replicas, committed, minimum, since: Time::ZERO, totals }
    }

    /// A partition that is created after time zero has another replica, on this broker.
    pub fn place(&mut self, broker: BrokerId) {
        self.replicas.push(broker);
    }

    /// A state was committed; returns who left the ISR and who joined it.
    pub fn commit(&mut self, now: Time, state: PartitionState) -> (ReplicaSet, ReplicaSet) {
        let changes = if state.is_first() {
            (self.committed, self.since) = (PartitionHistory::created(state), now);
            (ReplicaSet::EMPTY, ReplicaSet::EMPTY)
        } else {
            self.advance(now);
            self.committed.commit(state)
        };
        if self.is_under_replicated() {
            self.totals.first_under_replicated.get_or_insert(now);
        }
        if state.leader.is_none() {
            self.totals.first_offline.get_or_insert(now);
        }
        changes
    }

    /// `min.insync.replicas` is another one from now on.
    pub fn set_minimum(&mut self, now: Time, minimum: u32) {
        self.advance(now);
        self.minimum = minimum;
    }

    /// Of what kind an election was.
    #[must_use]
    pub fn election(
        &self,
        leader: Option<BrokerId>,
        leader_epoch: LeaderEpoch,
        unclean: bool,
    ) -> ElectionKind {
        self.committed.kind(&self.replicas, leader, leader_epoch, unclean)
    }

    /// At the end of the run.
    pub fn close(&mut self, end: Time) -> HealthTotals {
        self.advance(end);
        self.totals
    }

    fn is_under_replicated(&self) -> bool {
        self.committed.state.isr.len() < self.replicas.len()
    }

    fn advance(&mut self, now: Time) {
        let span = now.since(self.since);
        self.since = now;
        if self.replicas.is_empty() {
            return;
        }
        let in_sync = self.committed.state.isr.len();
        // No more can be asked for than there are replicas (`Partition.effectiveMinIsr`).
        let minimum = (self.minimum as usize).min(self.replicas.len());
        let totals = &mut self.totals;
        if in_sync < self.replicas.len() {
            totals.under_replicated = totals.under_replicated + span;
            if in_sync == minimum {
                totals.at_min_insync = totals.at_min_insync + span;
            }
        }
        if in_sync < minimum {
            totals.under_min_insync = totals.under_min_insync + span;
        }
        if self.committed.state.leader.is_none() {
            totals.offline = totals.offline + span;
        }
    }
}
