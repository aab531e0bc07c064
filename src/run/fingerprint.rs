//! The fingerprint of a run: the hash of its events, continued over the state at its end.
//!
//! Two runs with the same fingerprint heard the same messages in the same order, and left the same
//! committed metadata, logs, epoch caches, checkpoints and metadata logs. Does not know what any of
//! it means.

use crate::base::ids::{BrokerId, ControllerId, LogId, PartitionId};
use crate::base::rng::{mix64, stir};
use crate::base::words::{Word, words};
use crate::kafka::broker::Broker;
use crate::kafka::start::ReplicaView;
use crate::model::body::Bodies;
use crate::model::disk::{Checkpoints, Disk, ProducerEntry};
use crate::model::plan::Plan;
use crate::sim::world::World;

/// The hash of the events, continued over the world as it is.
pub(super) fn of(events: u64, world: &World, plan: &Plan) -> u64 {
    let mut hash = mix64(events, world.handled());
    for (partition, image) in world.committed().partitions() {
        hash = stir(hash, words![partition, image.state]);
        for broker in image.replicas.iter() {
            hash = log_on_disk(hash, world.disk(*broker), partition.into());
            if let Some(broker) = world.broker(*broker) {
                hash = replica_in_memory(hash, broker, partition);
            }
        }
    }
    for place in 0..plan.brokers.len() {
        hash = node_on_disk(hash, world.disk(BrokerId::at(place)), world.bodies());
    }
    for place in 0..plan.controllers.len() {
        let disk = world.controller_disk(ControllerId(place as u16 + 1));
        hash = node_on_disk(hash, disk, world.bodies());
    }
    mix64(hash, 0)
}

/// What a log left in its files: segments, batches, checkpoints.
fn log_on_disk(hash: u64, disk: &Disk, log: LogId) -> u64 {
    let Ok(image) = disk.log(log) else { return stir(hash, 1) };
    let mut hash = stir(hash, words![image.torn(), image.batches().len() as u64]);
    hash = image.segments().iter().fold(hash, |hash, base| stir(hash, base.word()));
    hash = image.batches().iter().fold(hash, |hash, batch| stir(hash, batch.word()));
    let Some(files) = disk.checkpoints_of(log) else { return stir(hash, 3) };
    let Checkpoints { watermark, log_start, recovery_point, .. } = files;
    hash = stir(hash, words![*watermark, *log_start, *recovery_point]);
    hash = files.leader_epochs.iter().fold(hash, |hash, entry| stir(hash, entry.word()));
    let snapshots = &files.producer_snapshots;
    hash = snapshots.offsets().fold(hash, |hash, snapshot| stir(hash, snapshot.word()));
    snapshots.entries().fold(hash, |hash, entry| stir(hash, producer_in_snapshot(entry)))
}

/// What a snapshot says of one producer.
fn producer_in_snapshot(entry: &ProducerEntry) -> u64 {
    let ProducerEntry { producer, epoch, last_sequence, last_offset, offset_delta, timestamp } =
        *entry;
    words![producer, epoch, last_sequence, last_offset, offset_delta, timestamp]
}

/// What a running broker knows of its replica.
fn replica_in_memory(hash: u64, broker: &Broker, partition: PartitionId) -> u64 {
    let Some(view) = broker.view(partition) else { return stir(hash, 2) };
    let ReplicaView {
        leads,
        leader_epoch,
        partition_epoch,
        log_start,
        end,
        watermark,
        isr,
        offline,
    } = view;
    let hash = stir(hash, words![leads, leader_epoch, partition_epoch, log_start, end]);
    let hash = stir(hash, words![watermark, isr, offline]);
    let epochs = broker.leader_epochs(partition);
    epochs.iter().fold(hash, |hash, entry| stir(hash, entry.word()))
}

/// What a node left on its disk besides replicas: its metadata log and what that says, its marker,
/// its directory ids.
fn node_on_disk(hash: u64, disk: &Disk, bodies: &Bodies) -> u64 {
    let hash = stir(hash, words![disk.clean_shutdown(), disk.id(), disk.failed_dirs()]);
    let hash = log_on_disk(hash, disk, LogId::Metadata);
    let Ok(log) = disk.log(LogId::Metadata) else { return hash };
    let said = log.batches().iter().filter_map(|batch| batch.records.body());
    let records = said.flat_map(|body| bodies.metadata(body));
    records.fold(hash, |hash, record| stir(hash, record.word()))
}

#[cfg(test)]
mod tests {
    use super::{log_on_disk, node_on_disk};
    use crate::base::ids::{
        BrokerEpoch, BrokerId, LeaderEpoch, LogId, NodeId, Offset, PartitionId, ProcessId,
        ProducerEpoch, ProducerId,
    };
    use crate::base::time::Time;
    use crate::kafka::metadata_log;
    use crate::model::batch::{Batch, Marker, RecordId, Records, Sequence};
    use crate::model::body::Bodies;
    use crate::model::disk::{Checkpoints, Disk, ProducerEntry, Write};
    use crate::model::metadata::MetadataRecord;

    const P: LogId = LogId::Partition(PartitionId(0));

    const fn workload(process: u16) -> Records {
        Records::Workload(RecordId { process: ProcessId(process), ordinal: 0 })
    }

    fn batch(change: impl FnOnce(&mut Batch)) -> Batch {
        let (producer, epoch) = (ProducerId(7), ProducerEpoch(0));
        let mut batch = Batch {
            base: Offset::ZERO,
            max_timestamp: Time(5),
            records: workload(0),
            count: 2,
            bytes: 100,
            leader_epoch: LeaderEpoch(3),
            sequence: Some(Sequence { producer, epoch, first: 0 }),
        };
        change(&mut batch);
        batch
    }

    /// A disk with a log of two batches, the first of them changed.
    fn disk(change: impl FnOnce(&mut Batch)) -> Disk {
        let mut disk = Disk::new(NodeId::Broker(BrokerId(1)), 1, u64::MAX);
        let log = disk.create_log(P, 0, Offset::ZERO).expect("a good disk");
        disk.append(log, batch(change)).expect("room");
        disk.append(log, batch(|b| b.base = Offset(2))).expect("room");
        let write = |files: &mut Checkpoints| {
            files.watermark = Offset(2);
            files.leader_epochs = vec![(LeaderEpoch(3), Offset::ZERO)];
        };
        disk.write_checkpoints(log, Write::Synced, write).expect("room");
        disk
    }

    #[test]
    fn logs_that_differ_in_one_word_have_two_fingerprints() {
        let same = log_on_disk(9, &disk(|_| {}), P);
        assert_eq!(same, log_on_disk(9, &disk(|_| {}), P));
        let sequence = |b: &mut Batch, change: &dyn Fn(&mut Sequence)| {
            b.sequence.as_mut().into_iter().for_each(change);
        };
        let differs = |what: &str, change: &dyn Fn(&mut Batch)| {
            assert_ne!(same, log_on_disk(9, &disk(change), P), "{what}");
        };
        differs("leader epoch", &|b| b.leader_epoch = LeaderEpoch(4));
        differs("no sequence", &|b| b.sequence = None);
        differs("producer", &|b| sequence(b, &|s| s.producer = ProducerId(8)));
        differs("producer epoch", &|b| sequence(b, &|s| s.epoch = ProducerEpoch(1)));
        differs("first sequence", &|b| sequence(b, &|s| s.first = 1));
        differs("kind", &|b| b.records = Records::Marker(Marker::Commit));
        differs("timestamp", &|b| b.max_timestamp = Time(6));
        differs("process", &|b| b.records = workload(1));
    }

    #[test]
    fn checkpoints_that_differ_have_two_fingerprints() {
        let same = log_on_disk(9, &disk(|_| {}), P);
        let differs = |what: &str, write: &dyn Fn(&mut Checkpoints)| {
            let mut disk = disk(|_| {});
            let log = disk.create_log(P, 0, Offset::ZERO).expect("a good disk");
            disk.write_checkpoints(log, Write::Synced, write).expect("room");
            assert_ne!(same, log_on_disk(9, &disk, P), "{what}");
        };
        differs("high watermark", &|files| files.watermark = Offset(1));
        differs("log start", &|files| files.log_start = Offset(1));
        differs("recovery point", &|files| files.recovery_point = Offset(1));
        differs("an epoch", &|files| files.leader_epochs[0].0 = LeaderEpoch(2));
        differs("where an epoch begins", &|files| files.leader_epochs[0].1 = Offset(1));
        differs("no epoch", &|files| files.leader_epochs.clear());
        differs("a snapshot", &|f| f.producer_snapshots.push(Offset(2), std::iter::empty()));
        let snapshot = |change: &dyn Fn(&mut ProducerEntry)| {
            let mut entry = ProducerEntry {
                producer: ProducerId(7),
                epoch: ProducerEpoch(0),
                last_sequence: 1,
                last_offset: Offset(1),
                offset_delta: 1,
                timestamp: Time(5),
            };
            change(&mut entry);
            let mut disk = disk(|_| {});
            let log = disk.create_log(P, 0, Offset::ZERO).expect("a good disk");
            let write = |files: &mut Checkpoints| {
                files.producer_snapshots.push(Offset(2), std::iter::once(entry));
            };
            disk.write_checkpoints(log, Write::Synced, write).expect("room");
            log_on_disk(9, &disk, P)
        };
        let same = snapshot(&|_| ());
        assert_ne!(same, snapshot(&|entry| entry.producer = ProducerId(8)));
        assert_ne!(same, snapshot(&|entry| entry.epoch = ProducerEpoch(1)));
        assert_ne!(same, snapshot(&|entry| entry.last_sequence = 2));
        assert_ne!(same, snapshot(&|entry| entry.last_offset = Offset(2)));
        assert_ne!(same, snapshot(&|entry| entry.offset_delta = 0));
        assert_ne!(same, snapshot(&|entry| entry.timestamp = Time(6)));
    }

    #[test]
    fn metadata_logs_that_differ_have_two_fingerprints() {
        let with = |epoch, clean| {
            let (mut disk, mut bodies) = (disk(|_| {}), Bodies::default());
            let (broker, epoch) = (BrokerId(1), BrokerEpoch(epoch));
            let (records, term) =
                (vec![MetadataRecord::BrokerFenced { broker, epoch }], LeaderEpoch(1));
            let batch = metadata_log::batch(records, Offset::ZERO, term, Time(5), &mut bodies);
            let log = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a good disk");
            disk.append(log, batch).expect("room");
            if clean {
                disk.write_clean_shutdown(epoch).expect("room");
            }
            node_on_disk(9, &disk, &bodies)
        };
        assert_eq!(with(1, false), with(1, false));
        assert_ne!(with(1, false), with(2, false));
        assert_ne!(with(1, false), with(1, true), "the clean-shutdown marker");
    }
}
