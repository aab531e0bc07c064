//! What the metadata log says when a run begins, replayed once for every broker.
//!
//! Speed: the plain rule is that a broker replays its own copy of the log from the first record on.
//! A thousand brokers would replay two thousand partitions each and keep a thousand equal images; a
//! copy that begins with the very batches of time zero says the same, so they begin with a clone,
//! which shares its partitions. A debug build replays them as well and compares.

use crate::base::ids::{BrokerId, PartitionId};
use crate::base::sparse::Sparse;
use crate::kafka::image::Image;
use crate::model::batch::Batch;
use crate::model::body::{Bodies, BodyId};

/// The image of time zero, and the batches that it is the image of.
#[derive(Clone, Debug, Default)]
pub struct BootstrapImage {
    image: Image,
    bodies: Vec<BodyId>,
    hosted: Sparse<Vec<PartitionId>>,
}

impl BootstrapImage {
    /// The image of these batches, which begin the log.
    #[must_use]
    pub fn of<'a>(log: impl IntoIterator<Item = &'a Batch>, bodies: &Bodies) -> Self {
        let named: Vec<BodyId> = log.into_iter().filter_map(|batch| batch.records.body()).collect();
        let image = replayed(&named, bodies);
        let mut hosted = Sparse::default();
        for (partition, created) in image.partitions() {
            for broker in created.replicas.iter() {
                hosted.get_or_insert_with(broker.index(), Vec::new).push(partition);
            }
        }
        Self { image, bodies: named, hosted }
    }

    /// The image that a log has after its first batches, if they are those of time zero. Batches of
    /// one body are the same batch, and a body is never changed.
    #[must_use]
    pub fn begins<'a>(
        &self,
        log: impl IntoIterator<Item = &'a Batch>,
        bodies: &Bodies,
    ) -> Option<&Image> {
        let mut log = log.into_iter();
        let same = |body: &BodyId| log.next().and_then(|b| b.records.body()) == Some(*body);
        if !self.bodies.iter().all(same) {
            return None;
        }
        debug_assert!(replayed(&self.bodies, bodies) == self.image, "a body was changed");
        Some(&self.image)
    }

    /// The partitions that a broker hosts by this image, by id.
    #[must_use]
    pub fn hosted(&self, broker: BrokerId) -> &[PartitionId] {
        self.hosted.get(broker.index()).map_or(&[], Vec::as_slice)
    }
}

fn replayed(named: &[BodyId], bodies: &Bodies) -> Image {
    let mut image = Image::default();
    for body in named {
        bodies.metadata(*body).iter().for_each(|record| image.replay(record));
    }
    image
}

#[cfg(test)]
mod tests {
    use super::BootstrapImage;
    use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId, TopicId};
    use crate::base::time::Time;
    use crate::kafka::metadata_log;
    use crate::model::batch::Batch;
    use crate::model::body::Bodies;
    use crate::model::metadata::{MetadataRecord, PartitionState};

    fn created(partition: u16, replicas: &[u16]) -> MetadataRecord {
        let replicas: Vec<BrokerId> = replicas.iter().copied().map(BrokerId).collect();
        let state = PartitionState::full(&replicas);
        let (partition, replicas) = (PartitionId(partition), replicas.into());
        MetadataRecord::PartitionCreated { partition, topic: TopicId(0), replicas, state }
    }

    fn batch(base: u64, record: MetadataRecord, bodies: &mut Bodies) -> Batch {
        metadata_log::batch(vec![record], Offset(base), LeaderEpoch(1), Time::ZERO, bodies)
    }

    #[test]
    fn a_log_begins_with_the_image_if_it_begins_with_the_same_batches() {
        let mut bodies = Bodies::default();
        let first = batch(0, created(0, &[1, 2]), &mut bodies);
        let second = batch(1, created(1, &[2, 3]), &mut bodies);
        let other = batch(1, created(1, &[2, 3]), &mut bodies);
        let bootstrap = BootstrapImage::of([&first, &second], &bodies);
        let end = |log: &[Batch]| bootstrap.begins(log, &bodies).map(super::Image::end);
        assert_eq!(end(&[first, second]), Some(Offset(2)));
        assert_eq!(end(&[first, second, other]), Some(Offset(2)));
        assert_eq!(end(&[first]), None, "a torn tail took the second");
        assert_eq!(end(&[first, other]), None, "another log, even if it says the same");
        assert_eq!(end(&[]), None);
        assert_eq!(bootstrap.hosted(BrokerId(2)), [PartitionId(0), PartitionId(1)]);
        assert_eq!(bootstrap.hosted(BrokerId(3)), [PartitionId(1)]);
        assert_eq!(bootstrap.hosted(BrokerId(9)), []);
    }
}
