//! A pattern over facts: what `when` and `until` in a scenario file wait for.
//!
//! Fields left out match anything. Does not know who asks.

use crate::base::ids::{NodeId, PartitionId};
use crate::model::fact::Fact;

/// A fact by name, and optionally by what it speaks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The fact's name, as [`Fact::name`] gives it.
    pub fact: &'static str,
    /// Of this partition only.
    pub partition: Option<PartitionId>,
    /// Of this node only.
    pub node: Option<NodeId>,
    /// For a committed ISR: with so many members.
    pub size: Option<usize>,
    /// For an election: with (`true`) or without (`false`) a leader.
    pub leader: Option<bool>,
}

impl Pattern {
    /// Whether the fact is of the kind and about the thing that the pattern speaks of, whatever it
    /// says about it: the latest such fact decides an `until`.
    #[must_use]
    pub fn concerns(&self, fact: &Fact) -> bool {
        self.fact == fact.name()
            && self.partition.is_none_or(|p| fact.partition() == Some(p))
            && self.node.is_none_or(|n| fact.node() == Some(n))
    }

    /// Whether what the pattern says of a broker is over with this fact: of a process that stopped
    /// nothing holds that it had come to (whatever the controller still believes), and who is
    /// unfenced is not fenced.
    #[must_use]
    pub fn is_over_with(&self, fact: &Fact) -> bool {
        let ends = match fact {
            Fact::Stopped { .. } => ["started", "broker-registered", "broker-unfenced"].as_slice(),
            Fact::Started { .. } => &["stopped"],
            Fact::BrokerFenced { .. } => &["broker-unfenced"],
            Fact::BrokerUnfenced { .. } => &["broker-fenced"],
            _ => &[],
        };
        ends.contains(&self.fact) && self.node.is_some() && self.node == fact.node()
    }

    /// Whether the fact fits.
    #[must_use]
    pub fn matches(&self, fact: &Fact) -> bool {
        if !self.concerns(fact) {
            return false;
        }
        let size_fits = match (self.size, fact) {
            (None, _) => true,
            (Some(size), Fact::IsrCommitted { state, .. }) => state.isr.len() == size,
            (Some(size), Fact::Elected { isr, .. } | Fact::IsrProposed { isr, .. }) => {
                isr.len() == size
            }
            (Some(_), _) => false,
        };
        let leader_fits = match (self.leader, fact) {
            (None, _) => true,
            (Some(wanted), Fact::Elected { leader, .. }) => leader.is_some() == wanted,
            (Some(wanted), Fact::IsrCommitted { state, .. }) => state.leader.is_some() == wanted,
            (Some(_), _) => false,
        };
        size_fits && leader_fits
    }
}
