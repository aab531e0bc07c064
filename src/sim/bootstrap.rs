//! Time zero: what the metadata log says when a run begins.
//!
//! Brokers are registered and unfenced, topics exist with every replica in sync. Follows
//! `BootstrapMetadata.java` in spirit; a real cluster gets there by registrations and requests.

use crate::base::ids::{
    BrokerEpoch, BrokerId, ControllerId, DiskId, LeaderEpoch, LogId, NodeId, Offset, PartitionId,
    TopicId,
};
use crate::base::replicas::ReplicaList;
use crate::base::time::Time;
use crate::kafka::image::BootstrapImage;
use crate::kafka::metadata_log;
use crate::kafka::start::Initial;
use crate::model::batch::Batch;
use crate::model::body::Bodies;
use crate::model::directory::LogDirs;
use crate::model::disk::{Disk, Write};
use crate::model::metadata::{MetadataRecord, PartitionState};
use crate::model::plan::Plan;

/// Records in one batch of the metadata log at time zero.
const BATCH_RECORDS: usize = 500;
/// The epoch of the controller's first leadership, in which the run begins.
const FIRST_EPOCH: LeaderEpoch = LeaderEpoch(1);

/// What the metadata log says at time zero.
fn records(plan: &Plan) -> Vec<MetadataRecord> {
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
                replicas: ReplicaList::from(&replicas[..]),
                state: PartitionState::full(replicas),
            });
        }
    }
    log
}

/// How each broker stands at time zero.
pub(super) fn initials(plan: &Plan) -> Vec<Initial> {
    let epoch = |place| BrokerEpoch(2 * place as u64);
    (0..plan.brokers.len()).map(|place| Initial { epoch: epoch(place) }).collect()
}

/// The disks at time zero, of brokers and of controllers. All hold the same batches of metadata.
pub(super) fn disks(plan: &Plan, bodies: &mut Bodies) -> (Vec<Disk>, Vec<Disk>) {
    let records = records(plan);
    let (mut log, mut base) = (Vec::new(), Offset::ZERO);
    for chunk in records.chunks(BATCH_RECORDS) {
        let batch = metadata_log::batch(chunk.to_vec(), base, FIRST_EPOCH, Time::ZERO, bodies);
        base = batch.end();
        log.push(batch);
    }
    let brokers = plan.brokers.iter().enumerate().map(|(place, broker)| {
        let owner = NodeId::Broker(BrokerId::at(place));
        let disk = Disk::new(owner, broker.config.log_dirs, broker.disk_capacity);
        with_metadata(disk, &log, bodies)
    });
    let brokers = brokers.collect();
    let controllers = (1..=plan.controllers.len() as u16).map(|id| {
        let owner = NodeId::Controller(ControllerId(id));
        with_metadata(Disk::new(owner, 1, u64::MAX), &log, bodies)
    });
    (brokers, controllers.collect())
}

/// The image of the metadata log that lies on the controllers' disks.
pub(super) fn image(controllers: &[Disk], bodies: &Bodies) -> BootstrapImage {
    let log = controllers.first().and_then(|disk| disk.log(LogId::Metadata).ok());
    BootstrapImage::of(log.into_iter().flat_map(|log| log.batches()), bodies)
}

/// A disk on which the metadata log lies, synced.
fn with_metadata(mut disk: Disk, log: &[Batch], bodies: &mut Bodies) -> Disk {
    let handle = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a new disk");
    for batch in log {
        disk.append(handle, *batch).expect("a disk holds what a run begins with");
    }
    disk.sim_sync_to(LogId::Metadata, u64::MAX);
    let end = log.last().map_or(Offset::ZERO, Batch::end);
    let write = disk.write_checkpoints(handle, Write::Synced, |saved| saved.recovery_point = end);
    write.expect("a disk holds what a run begins with");
    bodies.count(disk.sim_body_counts());
    disk
}
