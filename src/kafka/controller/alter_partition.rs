//! A leader asks for another ISR: the checks in Kafka's order, then the change.
//!
//! Follows `ReplicationControlManager.java` (`alterPartition`, `validateAlterPartitionData`). Pure;
//! does not know what the leader does with the answer.

use crate::base::ids::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, PartitionId, ReplicaSet,
};
use crate::kafka::controller::election::Wanted;
use crate::kafka::controller::rulings;
use crate::kafka::controller::view::{Moving, View};
use crate::kafka::image::PartitionImage;
use crate::model::error::ErrorCode;
use crate::model::message::Part;
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

/// One proposed ISR.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposal<'a> {
    pub(super) partition: PartitionId,
    leader_epoch: LeaderEpoch,
    partition_epoch: PartitionEpoch,
    isr: ReplicaSet,
    recovering: bool,
    /// The `Part::ReplicaEpoch`s that follow it in the request.
    epochs: &'a [Part],
}

/// The first proposal of a request at or behind a place of its parts; moves the place behind it.
pub(super) fn next_proposal<'a>(parts: &'a [Part], place: &mut usize) -> Option<Proposal<'a>> {
    let rest = parts.get(*place..)?;
    let found = rest.iter().position(|part| matches!(part, Part::AlterIsr { .. }))?;
    let Part::AlterIsr { partition, leader_epoch, partition_epoch, isr, recovered } = rest[found]
    else {
        return None;
    };
    let behind = &rest[found + 1..];
    let count = behind.iter().take_while(|p| matches!(p, Part::ReplicaEpoch { .. })).count();
    *place += found + 1 + count;
    let epochs = &behind[..count];
    let recovering = !recovered;
    Some(Proposal { partition, leader_epoch, partition_epoch, isr, recovering, epochs })
}

impl Proposal<'_> {
    /// The broker epoch the leader knows of a member; none skips the check (KIP-903).
    fn epoch_of(&self, member: BrokerId) -> Option<BrokerEpoch> {
        self.epochs.iter().find_map(|part| match *part {
            Part::ReplicaEpoch { broker, epoch } if broker == member => epoch,
            _ => None,
        })
    }
}

/// Decides one proposal: the error and the committed state that the answer carries.
///
/// Kafka: ReplicationControlManager.alterPartition
pub(super) fn decide(
    view: &View<'_>,
    sender: BrokerId,
    proposal: &Proposal<'_>,
    records: &mut Vec<MetadataRecord>,
) -> (ErrorCode, PartitionState) {
    let id = proposal.partition;
    let Some(partition) = view.image.partition(id) else {
        return (ErrorCode::UnknownTopicOrPartition, NO_STATE);
    };
    let error = check(view, sender, proposal, partition);
    if !error.is_none() {
        return (error, partition.state);
    }
    let wanted = Wanted {
        isr: proposal.isr,
        recovering: proposal.recovering,
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
    proposal: &Proposal<'_>,
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
    let well_formed = proposal.isr.is_subset(replicas) && partition.contains(proposal.isr, sender);
    let recovers = proposal.recovering && (proposal.isr.len() > 1 || !state.recovering);
    if !well_formed || recovers {
        return ErrorCode::InvalidRequest;
    }
    let eligible = proposal.isr.iter().all(|place| {
        let member = partition.replicas[place];
        rulings::may_be_in_isr(view.rules, view.image.broker(member), proposal.epoch_of(member))
    });
    if eligible { ErrorCode::None } else { ErrorCode::IneligibleReplica }
}
