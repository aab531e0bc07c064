//! Records of the metadata log: what the controller writes and every broker replays.
//!
//! Follows `metadata/src/main/resources/common/metadata/*.json`, restated as full states: a
//! [`PartitionState`] is the whole state after the change, so that folding is assignment.

use crate::base::ids::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, PartitionId, ReplicaSet, TopicId,
};
use crate::base::replicas::ReplicaList;
use crate::model::config::TopicKey;
use crate::model::directory::{DirectoryId, LogDirs};

/// What the cluster has agreed on about one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// In-sync replicas.
    pub isr: ReplicaSet,
    /// Eligible leader replicas (KIP-966).
    pub elr: ReplicaSet,
    /// The leader, if there is one.
    pub leader: Option<BrokerId>,
    /// The last known leader, kept while ISR and ELR are empty or the leader is gone.
    pub last_known_elr: Option<BrokerId>,
    /// Counts leaders.
    pub leader_epoch: LeaderEpoch,
    /// Counts changes of this state.
    pub partition_epoch: PartitionEpoch,
    /// After an unclean election, until the leader says it has recovered.
    pub recovering: bool,
}

impl PartitionState {
    /// The state in which a partition is created.
    #[must_use]
    pub const fn created(isr: ReplicaSet, leader: Option<BrokerId>) -> Self {
        Self {
            isr,
            elr: ReplicaSet::EMPTY,
            leader,
            last_known_elr: None,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            recovering: false,
        }
    }

    /// The state at time zero: every replica in sync, the first one leads.
    #[must_use]
    pub fn full(replicas: &[BrokerId]) -> Self {
        Self::created(ReplicaSet::first(replicas.len()), replicas.first().copied())
    }

    /// Whether it is the state in which the partition was created.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.partition_epoch.0 == 0
    }
}

/// One record of the metadata log. What one decision writes is one batch, whose body they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRecord {
    /// A broker registered; its broker epoch is the offset of this record.
    BrokerRegistered {
        /// Which broker.
        broker: BrokerId,
        /// Its epoch.
        epoch: BrokerEpoch,
        /// Which start of the process this is; another one is another incarnation.
        incarnation: u32,
        /// Whether the start followed an unclean stop (previous epoch unknown or different).
        unclean: bool,
        /// Its online log directories (KIP-858).
        log_dirs: LogDirs,
    },
    /// A broker's session ended, or it asked for it.
    BrokerFenced {
        /// Which broker.
        broker: BrokerId,
        /// Of which registration.
        epoch: BrokerEpoch,
    },
    /// A broker may lead and serve again.
    BrokerUnfenced {
        /// Which broker.
        broker: BrokerId,
        /// Of which registration.
        epoch: BrokerEpoch,
    },
    /// Log directories of a broker went offline (`BrokerRegistrationChangeRecord.LogDirs`).
    BrokerLogDirsChanged {
        /// Which broker.
        broker: BrokerId,
        /// Of which registration.
        epoch: BrokerEpoch,
        /// Those that are left.
        log_dirs: LogDirs,
    },
    /// A broker is shutting down in a controlled way (KIP-841).
    BrokerShuttingDown {
        /// Which broker.
        broker: BrokerId,
        /// Of which registration.
        epoch: BrokerEpoch,
    },
    /// A partition was created.
    PartitionCreated {
        /// Which partition.
        partition: PartitionId,
        /// Of which topic.
        topic: TopicId,
        /// Its replica list; its order is the order of preference for leadership.
        replicas: ReplicaList,
        /// Its first state.
        state: PartitionState,
    },
    /// A partition's state changed.
    PartitionChanged {
        /// Which partition.
        partition: PartitionId,
        /// The whole state from now on.
        state: PartitionState,
    },
    /// A replica lies in another log directory than the metadata said
    /// (`PartitionChangeRecord.Directories`, KIP-858): nothing that anybody sees but a change.
    ReplicaAssigned {
        /// Which partition.
        partition: PartitionId,
        /// Whose replica.
        broker: BrokerId,
        /// Where it lies.
        directory: DirectoryId,
        /// The state as before, one partition epoch later.
        state: PartitionState,
    },
    /// A topic property was set (`Some`) or removed (`None`).
    ConfigSet {
        /// Which topic; all topics (the cluster default) if `None`.
        topic: Option<TopicId>,
        /// Which property.
        key: TopicKey,
        /// Its value, in Kafka's own unit; booleans are 0 and 1.
        value: Option<i64>,
    },
    /// Producer ids up to here have been given to brokers.
    ProducerIds {
        /// The first id that has not been given out.
        next: u32,
    },
}

impl MetadataRecord {
    /// About what one record takes in a batch, in bytes.
    pub const BYTES: u32 = 40;

    /// The partition it speaks about and its state from now on.
    #[must_use]
    pub const fn partition(&self) -> Option<(PartitionId, PartitionState)> {
        match *self {
            Self::PartitionCreated { partition, state, .. }
            | Self::PartitionChanged { partition, state }
            | Self::ReplicaAssigned { partition, state, .. } => Some((partition, state)),
            Self::BrokerRegistered { .. }
            | Self::BrokerFenced { .. }
            | Self::BrokerUnfenced { .. }
            | Self::BrokerLogDirsChanged { .. }
            | Self::BrokerShuttingDown { .. }
            | Self::ConfigSet { .. }
            | Self::ProducerIds { .. } => None,
        }
    }
}
