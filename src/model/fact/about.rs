//! What a fact is about: its subject, its partition, its node. Asked off the hot path.

use super::Fact;
use crate::base::ids::{NodeId, PartitionId};

/// What a fact speaks of, and with it who writes it: the sections of [`Fact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Replicas' logs, as their disks have them. Observed: written by the disk.
    Log,
    /// Processes and their machines. Observed: written by the machine room.
    Machine,
    /// Connections and messages. Observed: written by the network.
    Network,
    /// What applications hand over and get. Observed: written where a client calls its application.
    Client,
    /// What the controller has committed. Observed: read off the metadata log.
    Metadata,
    /// Faults, their end, and the script. Observed: written by the director.
    Fault,
    /// What a node says about itself. It explains, and proves nothing.
    Claim,
}

impl Fact {
    /// What it speaks of.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        match self {
            Self::Appended { .. }
            | Self::Truncated { .. }
            | Self::TailLost { .. }
            | Self::LogStartMoved { .. } => Subject::Log,
            Self::Stopped { .. }
            | Self::Started { .. }
            | Self::Paused { .. }
            | Self::Resumed { .. }
            | Self::DiskFailed { .. } => Subject::Machine,
            Self::Opened { .. }
            | Self::Closed { .. }
            | Self::Sent { .. }
            | Self::Delivered { .. }
            | Self::Held { .. }
            | Self::WatermarkExposed { .. }
            | Self::PositionAnswered { .. }
            | Self::PositionTold { .. } => Subject::Network,
            Self::Submitted { .. }
            | Self::Acked { .. }
            | Self::Rejected { .. }
            | Self::GaveUp { .. }
            | Self::SendFailed { .. }
            | Self::Consumed { .. }
            | Self::PositionSet { .. }
            | Self::ClientStopped { .. }
            | Self::Called { .. } => Subject::Client,
            Self::PartitionCreated { .. }
            | Self::ReplicaPlaced { .. }
            | Self::Elected { .. }
            | Self::IsrCommitted { .. }
            | Self::BrokerRegistered { .. }
            | Self::BrokerFenced { .. }
            | Self::BrokerUnfenced { .. }
            | Self::BrokerShuttingDown { .. }
            | Self::ConfigCommitted { .. } => Subject::Metadata,
            Self::Injected { .. }
            | Self::Refused { .. }
            | Self::OperationRefused { .. }
            | Self::Healed { .. }
            | Self::AllHealed
            | Self::StepDone { .. } => Subject::Fault,
            Self::HighWatermarkMoved { .. }
            | Self::BecameLeader { .. }
            | Self::BecameFollower { .. }
            | Self::IsrProposed { .. }
            | Self::SessionExpired { .. }
            | Self::EpochBumped { .. }
            | Self::Retried { .. }
            | Self::Deduplicated { .. } => Subject::Claim,
        }
    }

    /// The partition it speaks about, if it speaks about one.
    #[must_use]
    pub const fn partition(&self) -> Option<PartitionId> {
        match *self {
            Self::Appended { partition, .. }
            | Self::Truncated { partition, .. }
            | Self::TailLost { partition, .. }
            | Self::LogStartMoved { partition, .. }
            | Self::WatermarkExposed { partition, .. }
            | Self::PositionAnswered { partition, .. }
            | Self::PositionTold { partition, .. }
            | Self::Submitted { partition, .. }
            | Self::Acked { partition, .. }
            | Self::Rejected { partition, .. }
            | Self::GaveUp { partition, .. }
            | Self::Consumed { partition, .. }
            | Self::PositionSet { partition, .. }
            | Self::Called { partition, .. }
            | Self::PartitionCreated { partition, .. }
            | Self::ReplicaPlaced { partition, .. }
            | Self::Elected { partition, .. }
            | Self::IsrCommitted { partition, .. }
            | Self::HighWatermarkMoved { partition, .. }
            | Self::BecameLeader { partition, .. }
            | Self::BecameFollower { partition, .. }
            | Self::IsrProposed { partition, .. }
            | Self::Retried { partition, .. }
            | Self::Deduplicated { partition, .. } => Some(partition),
            _ => None,
        }
    }

    /// The node it speaks about, if it speaks about one.
    #[must_use]
    pub const fn node(&self) -> Option<NodeId> {
        match *self {
            Self::Appended { broker, .. }
            | Self::Truncated { broker, .. }
            | Self::TailLost { broker, .. }
            | Self::LogStartMoved { broker, .. }
            | Self::DiskFailed { broker, .. }
            | Self::WatermarkExposed { broker, .. }
            | Self::PositionAnswered { broker, .. }
            | Self::ReplicaPlaced { broker, .. }
            | Self::BrokerRegistered { broker, .. }
            | Self::BrokerFenced { broker }
            | Self::BrokerUnfenced { broker }
            | Self::BrokerShuttingDown { broker }
            | Self::HighWatermarkMoved { broker, .. }
            | Self::BecameLeader { broker, .. }
            | Self::BecameFollower { broker, .. }
            | Self::IsrProposed { broker, .. }
            | Self::SessionExpired { broker }
            | Self::Deduplicated { broker, .. } => Some(NodeId::Broker(broker)),
            Self::Stopped { node, .. }
            | Self::Started { node }
            | Self::Paused { node }
            | Self::Resumed { node }
            | Self::Closed { node, .. } => Some(node),
            Self::Injected { node, .. }
            | Self::Refused { node, .. }
            | Self::Healed { node, .. } => node,
            Self::Elected { leader: Some(leader), .. } => Some(NodeId::Broker(leader)),
            Self::Submitted { process, .. }
            | Self::Acked { process, .. }
            | Self::Rejected { process, .. }
            | Self::GaveUp { process, .. }
            | Self::SendFailed { process, .. }
            | Self::Consumed { process, .. }
            | Self::PositionSet { process, .. }
            | Self::PositionTold { to: process, .. }
            | Self::ClientStopped { process }
            | Self::Called { process, .. }
            | Self::EpochBumped { process, .. }
            | Self::Retried { process, .. } => Some(NodeId::Process(process)),
            _ => None,
        }
    }
}
