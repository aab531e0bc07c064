//! A leader asks for another ISR: the checks in Kafka's order, then the change.
//!
//! Follows `ReplicationControlManager.java` (`alterPartition`, `validateAlterPartitionData`). Pure;
//! does not know what the leader does with the answer.

use crate::base::ids::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, ReplicaSet};
use crate::kafka::controller::election::Wanted;
use crate::kafka::controller::rulings;
use crate::kafka::controller::view::{Moving, View};
use crate::kafka::image::PartitionImage;
use crate::model::error::ErrorCode;
use crate::model::message::{AlterPartitionItem, BrokerState};
use crate::model::metadata::{MetadataRecord, PartitionState};

/// What an answer says of a partition that the metadata does not know.
const NO_STATE: PartitionState = PartitionState {
    isr: ReplicaSet::EMPTY,
    elr: ReplicaSet::EMPTY,
    leader: None,
    last_known_elr: None,
    leader_epoch: LeaderEpoch(0),
    partition_epoch: PartitionEpoch(0),
    recovering: false,
};

/// The broker epoch the leader knows of a member; none skips the check (KIP-903).
fn epoch_of(member: BrokerId, members: &[BrokerState]) -> Option<BrokerEpoch> {
    members.iter().find(|state| state.broker == member)?.epoch
}

/// Decides one proposal: the error and the committed state that the answer carries.
///
/// Kafka: ReplicationControlManager.alterPartition
pub(super) fn decide(
    view: &View<'_>,
    sender: BrokerId,
    proposal: &AlterPartitionItem,
    members: &[BrokerState],
    records: &mut Vec<MetadataRecord>,
) -> (ErrorCode, PartitionState) {
    let id = proposal.partition;
    let Some(partition) = view.image.partition(id) else {
        return (ErrorCode::UnknownTopicOrPartition, NO_STATE);
    };
    let error = check(view, sender, proposal, members, partition);
    if !error.is_none() {
        return (error, partition.state);
    }
    let wanted = Wanted {
        isr: proposal.new_isr,
        recovering: !proposal.recovered,
        stopped_uncleanly: ReplicaSet::EMPTY,
        election: view.usual_election(partition),
    };
    let Some(state) = view.change(partition, &wanted, Moving::Nobody) else {
        return (ErrorCode::None, partition.state);
    };
    records.push(MetadataRecord::PartitionChanged { partition: id, state });
    if state.leader == Some(sender) {
        return (ErrorCode::None, state);
    }
    (ErrorCode::NewLeaderElected, state)
}

/// Kafka: ReplicationControlManager.validateAlterPartitionData
fn check(
    view: &View<'_>,
    sender: BrokerId,
    proposal: &AlterPartitionItem,
    members: &[BrokerState],
    partition: &PartitionImage,
) -> ErrorCode {
    let state = &partition.state;
    // A leader that is ahead has heard from a newer controller than this one.
    if proposal.leader_epoch > state.leader_epoch
        || proposal.partition_epoch > state.partition_epoch
    {
        return ErrorCode::NotController;
    }
    if proposal.leader_epoch < state.leader_epoch {
        return ErrorCode::FencedLeaderEpoch;
    }
    if state.leader != Some(sender) {
        return ErrorCode::InvalidRequest;
    }
    if proposal.partition_epoch < state.partition_epoch {
        return ErrorCode::InvalidUpdateVersion;
    }
    let replicas = ReplicaSet::first(partition.replicas.len());
    let well_formed =
        proposal.new_isr.is_subset(replicas) && partition.contains(proposal.new_isr, sender);
    let recovers = !proposal.recovered && (proposal.new_isr.len() > 1 || !state.recovering);
    if !well_formed || recovers {
        return ErrorCode::InvalidRequest;
    }
    let eligible = proposal.new_isr.iter().all(|place| {
        let member = partition.replicas[place];
        rulings::may_be_in_isr(view.rules, view.image.broker(member), epoch_of(member, members))
    });
    if eligible { ErrorCode::None } else { ErrorCode::IneligibleReplica }
}
