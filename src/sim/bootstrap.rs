//! Time zero: what the metadata log says when a run begins.
//!
//! Brokers are registered and unfenced, topics exist with every replica in sync. Follows
//! `BootstrapMetadata.java` in spirit; a real cluster gets there by registrations and requests.

use crate::base::ids::{
    BrokerEpoch, BrokerId, DiskId, LeaderEpoch, PartitionEpoch, PartitionId, ReplicaSet, TopicId,
};
use crate::kafka::start::Initial;
use crate::model::body::{Bodies, Body};
use crate::model::directory::LogDirs;
use crate::model::disk::Disk;
use crate::model::metadata::{MetadataRecord, PartitionState};
use crate::model::plan::Plan;

/// The metadata log at time zero.
pub(super) fn records(plan: &Plan, bodies: &mut Bodies) -> Vec<MetadataRecord> {
    let mut log = Vec::new();
    for place in 0..plan.brokers.len() {
        let broker = BrokerId::at(place);
        let epoch = BrokerEpoch(log.len() as u64);
        let registered = MetadataRecord::BrokerRegistered {
            broker,
            epoch,
            incarnation: 0,
            unclean: false,
            log_dirs: LogDirs::new(DiskId(0), plan.brokers[place].config.log_dirs, 0),
        };
        log.push(registered);
        log.push(MetadataRecord::BrokerUnfenced { broker, epoch });
    }
    let default = plan.cluster_topic_config.iter().map(|(key, value)| (None, *key, *value));
    let own = plan.topics.iter().enumerate().flat_map(|(place, topic)| {
        let id = Some(TopicId(place as u16));
        topic.overrides.iter().map(move |(key, value)| (id, *key, *value))
    });
    log.extend(default.chain(own).map(|(topic, key, value)| MetadataRecord::ConfigSet {
        topic,
        key,
        value: Some(value),
    }));
    for (place, topic) in plan.topics.iter().enumerate() {
        let first = plan.names.topics[place].first;
        for (number, replicas) in topic.replicas.iter().enumerate() {
            log.push(MetadataRecord::PartitionCreated {
                partition: PartitionId(first.0 + number as u16),
                topic: TopicId(place as u16),
                replicas: bodies.add(Body::Replicas(replicas.clone())),
                state: created(replicas),
            });
        }
    }
    log
}

fn created(replicas: &[BrokerId]) -> PartitionState {
    PartitionState {
        isr: ReplicaSet::first(replicas.len()),
        elr: ReplicaSet::EMPTY,
        leader: replicas.first().copied(),
        last_known_elr: None,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        recovering: false,
    }
}

/// What each broker knows at time zero.
pub(super) fn initials(plan: &Plan, log: &[MetadataRecord]) -> Vec<Initial> {
    let initial = |place| Initial { epoch: BrokerEpoch(2 * place as u64), records: log.to_vec() };
    (0..plan.brokers.len()).map(initial).collect()
}

/// The disks at time zero, of brokers and of controllers.
pub(super) fn disks(plan: &Plan, log: &[MetadataRecord]) -> (Vec<Disk>, Vec<Disk>) {
    let partitions = plan.names.partition_count();
    let brokers = plan.brokers.iter().enumerate().map(|(place, broker)| {
        let dirs = broker.config.log_dirs;
        Disk::new(BrokerId::at(place), partitions, dirs, broker.disk_capacity)
    });
    let controllers = plan.controllers.iter().enumerate().map(|(place, _)| {
        // A controller keeps no partitions, so nothing is ever noted in this name.
        let mut disk = Disk::new(BrokerId::at(place), 0, 1, u64::MAX);
        log.iter().for_each(|record| disk.append_metadata(*record));
        disk.sim_sync_metadata();
        disk
    });
    (brokers.collect(), controllers.collect())
}
