//! The metadata image: a fold of metadata records, kept by the controller and by every broker.
//!
//! Follows `MetadataImage` and the control managers' replay methods (`ClusterControlManager.java`,
//! `ReplicationControlManager.java`). Does not know who reads it or how far others have replayed.

mod bootstrap;

use std::sync::Arc;

use crate::base::ids::{BrokerEpoch, BrokerId, Offset, PartitionId, ReplicaSet, TopicId};
use crate::base::replicas::ReplicaList;
use crate::model::config::{TopicConfig, TopicKey};
use crate::model::directory::{Directory, DirectoryId, LogDirs};
use crate::model::metadata::{MetadataRecord, PartitionState};

pub use self::bootstrap::BootstrapImage;

/// A registered broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    /// Offset of its registration record.
    pub epoch: BrokerEpoch,
    /// Which start of the process registered.
    pub incarnation: u32,
    /// Fenced brokers lead nothing and are in no ISR that is proposed.
    pub fenced: bool,
    /// In controlled shutdown (KIP-841).
    pub shutting_down: bool,
    /// Its online log directories (KIP-858).
    pub log_dirs: LogDirs,
}

impl BrokerImage {
    /// Whether it may lead and be in an ISR.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        !self.fenced && !self.shutting_down
    }
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// Its topic.
    pub topic: TopicId,
    /// Its replica list.
    pub replicas: ReplicaList,
    /// Its committed state.
    pub state: PartitionState,
    /// Where replicas lie that do not lie in the first directory of their broker's first disk, as
    /// most do.
    elsewhere: Vec<(BrokerId, Directory)>,
}

impl PartitionImage {
    /// A partition whose replicas lie in the first directories.
    #[must_use]
    pub const fn new(topic: TopicId, replicas: ReplicaList, state: PartitionState) -> Self {
        Self { topic, replicas, state, elsewhere: Vec::new() }
    }

    /// The place of a broker in the replica list.
    #[must_use]
    pub fn place(&self, broker: BrokerId) -> Option<usize> {
        self.replicas.place(broker)
    }

    /// Whether a broker is in a set of this partition's replicas.
    #[must_use]
    pub fn contains(&self, set: ReplicaSet, broker: BrokerId) -> bool {
        self.place(broker).is_some_and(|place| set.has(place))
    }

    /// Whether the first of its replicas leads it.
    #[must_use]
    pub fn has_preferred_leader(&self) -> bool {
        self.state.leader == self.replicas.first().copied()
    }

    /// In which directory a broker's replica lies.
    ///
    /// Kafka: PartitionRegistration.directory
    #[must_use]
    pub fn directory(&self, broker: BrokerId) -> Directory {
        let known = self.elsewhere.iter().find(|(of, _)| *of == broker);
        known.map_or(Directory::In(DirectoryId::default()), |(_, directory)| *directory)
    }

    fn set_directory(&mut self, broker: BrokerId, directory: Directory) {
        self.elsewhere.retain(|(of, _)| *of != broker);
        if directory != Directory::In(DirectoryId::default()) {
            self.elsewhere.push((broker, directory));
        }
    }

    /// `min(min.insync.replicas, replication factor)`: what Kafka calls the effective minimum ISR.
    #[must_use]
    pub fn effective_min_isr(&self, config: &TopicConfig) -> usize {
        (config.min_insync_replicas as usize).min(self.replicas.len())
    }
}

/// The cluster as the metadata log tells it up to [`Image::end`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    end: Offset,
    brokers: Vec<Option<BrokerImage>>,
    /// A clone of the image shares what it says of partitions until that changes.
    partitions: Vec<Option<Arc<PartitionImage>>>,
    /// Cluster-wide defaults, then one entry per topic that differs.
    defaults: TopicConfig,
    topics: Vec<Option<TopicConfig>>,
    overrides: Vec<(Option<TopicId>, TopicKey, i64)>,
    next_producer_id: u32,
}

impl Image {
    /// One past the last record replayed.
    #[must_use]
    pub const fn end(&self) -> Offset {
        self.end
    }

    /// A registered broker.
    #[must_use]
    pub fn broker(&self, broker: BrokerId) -> Option<&BrokerImage> {
        self.brokers.get(broker.index())?.as_ref()
    }

    /// Whether a broker is registered, unfenced and not shutting down.
    #[must_use]
    pub fn is_active(&self, broker: BrokerId) -> bool {
        self.broker(broker).is_some_and(BrokerImage::is_active)
    }

    /// Every registered broker.
    pub fn brokers(&self) -> impl Iterator<Item = (BrokerId, &BrokerImage)> {
        self.brokers.iter().enumerate().filter_map(|(i, b)| Some((BrokerId::at(i), b.as_ref()?)))
    }

    /// A partition.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> Option<&PartitionImage> {
        self.partitions.get(partition.index())?.as_deref()
    }

    /// How many numbers partitions may have so far.
    #[must_use]
    pub const fn partition_slots(&self) -> usize {
        self.partitions.len()
    }

    /// Every partition.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionId, &PartitionImage)> {
        self.partitions
            .iter()
            .enumerate()
            .filter_map(|(i, p)| Some((PartitionId(i as u16), p.as_deref()?)))
    }

    /// The configuration of a topic: cluster defaults with the topic's own properties over them.
    #[must_use]
    pub fn topic_config(&self, topic: TopicId) -> &TopicConfig {
        self.topics.get(topic.index()).and_then(Option::as_ref).unwrap_or(&self.defaults)
    }

    /// The value that a topic's property was set to, or that of the cluster default if no topic is
    /// named; `None` if it was not set there.
    #[must_use]
    pub fn config_set(&self, topic: Option<TopicId>, key: TopicKey) -> Option<i64> {
        self.overrides.iter().find(|(t, k, _)| (*t, *k) == (topic, key)).map(|(_, _, v)| *v)
    }

    /// The first producer id that has not been given out.
    #[must_use]
    pub const fn next_producer_id(&self) -> u32 {
        self.next_producer_id
    }

    /// Replays the next record.
    pub fn replay(&mut self, record: &MetadataRecord) {
        match *record {
            MetadataRecord::BrokerRegistered { broker, epoch, incarnation, log_dirs, .. } => {
                let (fenced, shutting_down) = (true, false);
                let registered =
                    BrokerImage { epoch, incarnation, fenced, shutting_down, log_dirs };
                *slot(&mut self.brokers, broker.index()) = Some(registered);
            }
            MetadataRecord::BrokerFenced { broker, epoch } => {
                self.change_broker(broker, epoch, |b| b.fenced = true);
            }
            MetadataRecord::BrokerUnfenced { broker, epoch } => {
                self.change_broker(broker, epoch, |b| b.fenced = false);
            }
            MetadataRecord::BrokerLogDirsChanged { broker, epoch, log_dirs } => {
                self.change_broker(broker, epoch, |b| b.log_dirs = log_dirs);
            }
            MetadataRecord::BrokerShuttingDown { broker, epoch } => {
                self.change_broker(broker, epoch, |b| b.shutting_down = true);
            }
            MetadataRecord::PartitionCreated { partition, topic, ref replicas, state } => {
                let mut image = PartitionImage::new(topic, replicas.clone(), state);
                // Kafka writes these into the record; they follow from the records before it.
                for broker in replicas.iter() {
                    let dirs = self.broker(*broker).map(|registered| registered.log_dirs);
                    let directory = dirs.map_or(Directory::Unassigned, LogDirs::default_dir);
                    image.set_directory(*broker, directory);
                }
                *slot(&mut self.partitions, partition.index()) = Some(Arc::new(image));
            }
            MetadataRecord::ReplicaAssigned { partition, broker, directory, state } => {
                if let Some(image) = self.partition_mut(partition) {
                    image.state = state;
                    image.set_directory(broker, Directory::In(directory));
                }
            }
            MetadataRecord::PartitionChanged { partition, state } => {
                if let Some(image) = self.partition_mut(partition) {
                    image.state = state;
                }
            }
            MetadataRecord::ConfigSet { topic, key, value } => {
                self.overrides.retain(|(t, k, _)| (*t, *k) != (topic, key));
                self.overrides.extend(value.map(|v| (topic, key, v)));
                self.rebuild_configs();
            }
            MetadataRecord::ProducerIds { next } => self.next_producer_id = next,
        }
        self.end += 1;
    }

    fn partition_mut(&mut self, partition: PartitionId) -> Option<&mut PartitionImage> {
        self.partitions.get_mut(partition.index())?.as_mut().map(Arc::make_mut)
    }

    fn change_broker(
        &mut self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        change: impl FnOnce(&mut BrokerImage),
    ) {
        if let Some(Some(image)) = self.brokers.get_mut(broker.index())
            && image.epoch == epoch
        {
            change(image);
        }
    }

    fn rebuild_configs(&mut self) {
        self.defaults = TopicConfig::default();
        for (topic, key, value) in &self.overrides {
            if topic.is_none() {
                self.defaults.set(*key, *value);
            }
        }
        self.topics.clear();
        for (topic, key, value) in &self.overrides {
            if let Some(topic) = topic {
                slot(&mut self.topics, topic.index())
                    .get_or_insert(self.defaults)
                    .set(*key, *value);
            }
        }
    }
}

fn slot<T>(slots: &mut Vec<Option<T>>, index: usize) -> &mut Option<T> {
    if slots.len() <= index {
        slots.resize_with(index + 1, || None);
    }
    &mut slots[index]
}

#[cfg(test)]
mod tests {
    use super::Image;
    use crate::base::ids::{BrokerEpoch, BrokerId, DiskId, Offset, TopicId};
    use crate::model::config::TopicKey;
    use crate::model::directory::LogDirs;
    use crate::model::metadata::MetadataRecord;

    fn image_of(records: &[MetadataRecord]) -> Image {
        let mut image = Image::default();
        for record in records {
            image.replay(record);
        }
        image
    }

    const fn registered(incarnation: u32, epoch: u64) -> MetadataRecord {
        let (broker, epoch) = (BrokerId(2), BrokerEpoch(epoch));
        MetadataRecord::BrokerRegistered {
            broker,
            epoch,
            incarnation,
            unclean: false,
            log_dirs: LogDirs::new(DiskId(0), 1, 0),
        }
    }

    #[test]
    fn a_broker_stands_as_its_present_registration_says() {
        let (broker, old) = (BrokerId(2), BrokerEpoch(0));
        let log = [
            registered(0, 0),
            MetadataRecord::BrokerUnfenced { broker, epoch: old },
            MetadataRecord::BrokerShuttingDown { broker, epoch: old },
            registered(1, 3),
            MetadataRecord::BrokerUnfenced { broker, epoch: old },
            MetadataRecord::BrokerUnfenced { broker, epoch: BrokerEpoch(3) },
        ];
        let active = |end: usize| image_of(&log[..end]).is_active(broker);
        let table = [(0, false), (1, false), (2, true), (3, false), (4, false)];
        for (end, expected) in table {
            assert_eq!(active(end), expected, "after {end} records");
        }
        assert!(!active(5), "a record of an older registration changes nothing");
        assert!(active(6));
        assert_eq!(image_of(&log).end(), Offset(6), "a record without effect counts");
        assert_eq!(image_of(&log).brokers().count(), 1);
    }

    #[test]
    fn a_topic_inherits_what_it_does_not_set() {
        let key = TopicKey::MinInsyncReplicas;
        let set = |topic, value| MetadataRecord::ConfigSet { topic, key, value };
        let (one, other) = (TopicId(1), TopicId(0));
        let log = [
            set(None, Some(2)),
            set(Some(one), Some(3)),
            set(None, Some(4)),
            set(Some(one), None),
            set(None, None),
        ];
        let minimum =
            |end: usize, topic| image_of(&log[..end]).topic_config(topic).min_insync_replicas;
        let table = [(0, 1, 1), (1, 2, 2), (2, 3, 2), (3, 3, 4), (4, 4, 4), (5, 1, 1)];
        for (end, of_one, of_other) in table {
            assert_eq!(minimum(end, one), of_one, "after {end} records");
            assert_eq!(minimum(end, other), of_other, "after {end} records");
        }
    }
}
