//! What a decision sees, and the decisions that go over many partitions.
//!
//! Follows `ReplicationControlManager.java` (`generateLeaderAndIsrUpdates` and its callers) and
//! `ConfigurationControlManager.java`. Every function is pure: it reads the image and the registry
//! and pushes the records it wants. Does not append, replay or answer: that is one place in
//! [`super`].

use crate::base::ids::{BrokerId, PartitionId, ReplicaSet};
use crate::kafka::controller::election::{self, Election, Terms, Wanted};
use crate::kafka::controller::registry::Registry;
use crate::kafka::image::{BrokerImage, Image, PartitionImage};
use crate::model::config::TopicKey;
use crate::model::directory::{Directory, DirectoryId};
use crate::model::error::ErrorCode;
use crate::model::message::IncrementalAlterConfigsRequest;
use crate::model::metadata::{MetadataRecord, PartitionState};
use crate::model::rules::Rules;

/// What a decision sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// The metadata as replayed so far.
    pub(super) image: &'a Image,
    /// Broker sessions: what is known besides the metadata.
    pub(super) registry: &'a Registry,
    /// What this controller's code does.
    pub(super) rules: &'a Rules,
    /// Whether eligible leader replicas are kept (a feature level of the cluster).
    pub(super) elr: bool,
}

/// A broker whose standing is about to change by the records being decided, so that the image does
/// not show it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    /// None.
    Nobody,
    /// This one may lead no more.
    Out(BrokerId),
    /// This one may lead from now on.
    In(BrokerId),
}

impl View<'_> {
    /// Whether a broker may lead a partition: active, with the log directory online.
    ///
    /// Kafka: ReplicationControlManager.LeaderAcceptor.test
    fn acceptable(&self, moving: Moving, partition: &PartitionImage, broker: BrokerId) -> bool {
        let active = match moving {
            Moving::Out(gone) if gone == broker => false,
            Moving::In(back) if back == broker => true,
            _ => self.image.is_active(broker),
        };
        let registered = self.image.broker(broker);
        active && registered.is_some_and(|b| b.log_dirs.has_online(partition.directory(broker)))
    }

    /// The partition's state after a change, if anything changes.
    ///
    /// Kafka: PartitionChangeBuilder.build
    pub(super) fn change(
        &self,
        partition: &PartitionImage,
        wanted: &Wanted,
        moving: Moving,
    ) -> Option<PartitionState> {
        let config = self.image.topic_config(partition.topic);
        let terms = Terms {
            rules: self.rules,
            elr: self.elr,
            min_isr: partition.effective_min_isr(config),
        };
        election::change(partition, wanted, &terms, |b| self.acceptable(moving, partition, b))
    }

    /// How far an election of this partition may go when nobody asked for more.
    pub(super) fn usual_election(&self, partition: &PartitionImage) -> Election {
        if self.image.topic_config(partition.topic).unclean_leader_election {
            Election::Unclean
        } else {
            Election::Online
        }
    }

    fn push(
        &self,
        id: PartitionId,
        partition: &PartitionImage,
        wanted: &Wanted,
        moving: Moving,
        records: &mut Vec<MetadataRecord>,
    ) {
        let state = self.change(partition, wanted, moving);
        records
            .extend(state.map(|state| MetadataRecord::PartitionChanged { partition: id, state }));
    }

    /// Takes a broker out of the ISR of the partitions that `concerned` names, and moves their
    /// leadership elsewhere.
    ///
    /// Kafka: ReplicationControlManager.generateLeaderAndIsrUpdates
    fn remove_from(
        &self,
        broker: BrokerId,
        concerned: impl Fn(PartitionId, &PartitionImage, usize) -> bool,
        records: &mut Vec<MetadataRecord>,
    ) {
        for (id, partition) in self.image.partitions() {
            let Some(place) = partition.place(broker) else { continue };
            if concerned(id, partition, place) {
                let election = self.usual_election(partition);
                let isr = partition.state.isr.without(place);
                let wanted = Wanted { isr, ..Wanted::elect(partition, election) };
                self.push(id, partition, &wanted, Moving::Out(broker), records);
            }
        }
    }

    /// A broker is fenced, shuts down, or comes back after a clean stop: it leaves every ISR.
    ///
    /// Kafka: ReplicationControlManager.handleBrokerFenced
    /// Kafka: ReplicationControlManager.handleBrokerInControlledShutdown
    pub(super) fn remove(&self, broker: BrokerId, records: &mut Vec<MetadataRecord>) {
        self.remove_from(broker, |_, partition, place| partition.state.isr.has(place), records);
    }

    /// A broker says which of its log directories are offline: of those for which that is news it
    /// leaves the ISRs of the partitions in them (KIP-858).
    ///
    /// Kafka: ReplicationControlManager.handleDirectoriesOffline
    pub(super) fn remove_from_dirs(
        &self,
        broker: BrokerId,
        offline: u64,
        records: &mut Vec<MetadataRecord>,
    ) {
        let Some(BrokerImage { epoch, log_dirs, .. }) = self.image.broker(broker).copied() else {
            return;
        };
        let news = log_dirs.intersection(offline);
        if news == 0 {
            return;
        }
        let left = log_dirs.without(news);
        let lies_there = |_, partition: &PartitionImage, _| {
            let directory = partition.directory(broker);
            log_dirs.has_online(directory) && !left.has_online(directory)
        };
        self.remove_from(broker, lies_there, records);
        records.push(MetadataRecord::BrokerLogDirsChanged { broker, epoch, log_dirs: left });
    }

    /// A broker says in which directory its replica of a partition lies.
    ///
    /// Kafka: ReplicationControlManager.handleAssignReplicasToDirs
    pub(super) fn assign(
        &self,
        broker: BrokerId,
        (id, directory): (PartitionId, DirectoryId),
        records: &mut Vec<MetadataRecord>,
    ) -> ErrorCode {
        let Some(partition) = self.image.partition(id) else {
            return ErrorCode::UnknownTopicOrPartition;
        };
        if partition.place(broker).is_none() {
            return ErrorCode::NotLeaderOrFollower;
        }
        if partition.directory(broker) != Directory::In(directory) {
            let partition_epoch = partition.state.partition_epoch.next();
            let state = PartitionState { partition_epoch, ..partition.state };
            records.push(MetadataRecord::ReplicaAssigned {
                partition: id,
                broker,
                directory,
                state,
            });
        }
        ErrorCode::None
    }

    /// Takes a broker out of the ISRs of these partitions.
    pub(super) fn remove_from_these(
        &self,
        broker: BrokerId,
        these: &[PartitionId],
        records: &mut Vec<MetadataRecord>,
    ) {
        self.remove_from(broker, |id, _, _| these.contains(&id), records);
    }

    /// A broker comes back after an unclean stop: it leaves every ISR and every ELR, for it may
    /// have lost its tail (KIP-966).
    ///
    /// Kafka: ReplicationControlManager.handleBrokerUncleanShutdown
    pub(super) fn remove_unclean(&self, broker: BrokerId, records: &mut Vec<MetadataRecord>) {
        for (id, partition) in self.image.partitions() {
            let state = &partition.state;
            let Some(place) = partition.place(broker) else { continue };
            if state.isr.has(place) || state.elr.has(place) {
                let wanted = Wanted {
                    isr: state.isr.without(place),
                    stopped_uncleanly: ReplicaSet::only(place),
                    ..Wanted::elect(partition, self.usual_election(partition))
                };
                self.push(id, partition, &wanted, Moving::Out(broker), records);
            }
        }
    }

    /// A broker is being unfenced: leaderless partitions may have waited for it.
    ///
    /// Kafka: ReplicationControlManager.handleBrokerUnfenced
    pub(super) fn elect_leaderless(&self, back: BrokerId, records: &mut Vec<MetadataRecord>) {
        for (id, partition) in self.image.partitions() {
            if partition.state.leader.is_none() {
                let wanted = Wanted::elect(partition, self.usual_election(partition));
                self.push(id, partition, &wanted, Moving::In(back), records);
            }
        }
    }

    /// Whether some partition has no leader.
    ///
    /// Kafka: ReplicationControlManager.areSomePartitionsLeaderless
    pub(super) fn has_leaderless(&self) -> bool {
        self.image.partitions().any(|(_, p)| p.state.leader.is_none())
    }

    /// Whether some partition is led by another than its preferred replica, or by none.
    ///
    /// Kafka: ReplicationControlManager.arePartitionLeadersImbalanced
    pub(super) fn has_imbalanced(&self) -> bool {
        self.image.partitions().any(|(_, p)| !p.has_preferred_leader())
    }

    /// The periodic unclean election : leaderless partitions of topics
    /// that allow it. Allowing it does not elect by itself; recorded: `unclean-election`.
    pub(super) fn elect_unclean_where_allowed(&self, records: &mut Vec<MetadataRecord>) {
        for (id, partition) in self.image.partitions() {
            if partition.state.leader.is_none()
                && self.usual_election(partition) == Election::Unclean
            {
                let wanted = Wanted::elect(partition, Election::Unclean);
                self.push(id, partition, &wanted, Moving::Nobody, records);
            }
        }
    }

    /// The periodic preferred election.
    ///
    /// Kafka: ReplicationControlManager.maybeTriggerLeaderChangeForPartitionsWithoutPreferredLeader
    pub(super) fn elect_preferred(&self, records: &mut Vec<MetadataRecord>) {
        for (id, partition) in self.image.partitions() {
            if !partition.has_preferred_leader() {
                let wanted = Wanted::elect(partition, Election::Preferred);
                self.push(id, partition, &wanted, Moving::Nobody, records);
            }
        }
    }

    /// An operator asks for an election in one partition, preferred or unclean.
    ///
    /// Kafka: ReplicationControlManager.electLeader
    pub(super) fn elect_leader(
        &self,
        id: PartitionId,
        election: Election,
        records: &mut Vec<MetadataRecord>,
    ) -> ErrorCode {
        let Some(partition) = self.image.partition(id) else {
            return ErrorCode::UnknownTopicOrPartition;
        };
        let (needless, nobody) = match election {
            Election::Preferred => {
                (partition.has_preferred_leader(), ErrorCode::PreferredLeaderNotAvailable)
            }
            Election::Online | Election::Unclean => {
                (partition.state.leader.is_some(), ErrorCode::EligibleLeadersNotAvailable)
            }
        };
        if needless {
            return ErrorCode::ElectionNotNeeded;
        }
        let before = records.len();
        let wanted = Wanted::elect(partition, election);
        self.push(id, partition, &wanted, Moving::Nobody, records);
        if records.len() == before { nobody } else { ErrorCode::None }
    }

    /// An operator changes a topic property. A topic's value that is set already changes nothing;
    /// a cluster default is written all the same (KAFKA-14136). Another `min.insync.replicas`
    /// makes the ELRs worthless, for the high watermark may have moved under another minimum: they
    /// are cleared (KIP-966).
    ///
    /// Kafka: ConfigurationControlManager.incrementalAlterConfigResource
    /// Kafka: ConfigurationControlManager.createClearElrRecordsAsNeeded
    pub(super) fn alter_config(
        &self,
        request: IncrementalAlterConfigsRequest,
        records: &mut Vec<MetadataRecord>,
    ) -> ErrorCode {
        let IncrementalAlterConfigsRequest { topic, key, value } = request;
        let concerned = |p: &PartitionImage| topic.is_none_or(|t| p.topic == t);
        if topic.is_some() && !self.image.partitions().any(|(_, p)| concerned(p)) {
            return ErrorCode::UnknownTopicOrPartition;
        }
        if topic.is_some() && self.image.config_set(topic, key) == value {
            return ErrorCode::None;
        }
        records.push(MetadataRecord::ConfigSet { topic, key, value });
        if key != TopicKey::MinInsyncReplicas || !self.elr {
            return ErrorCode::None;
        }
        for (id, partition) in self.image.partitions().filter(|(_, p)| concerned(p)) {
            let old = partition.state;
            if !old.elr.is_empty() || old.last_known_elr.is_some() {
                let state = PartitionState {
                    elr: ReplicaSet::EMPTY,
                    last_known_elr: None,
                    partition_epoch: old.partition_epoch.next(),
                    ..old
                };
                records.push(MetadataRecord::PartitionChanged { partition: id, state });
            }
        }
        ErrorCode::None
    }
}
