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
