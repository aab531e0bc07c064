//! Partitions that are created while the cluster runs.
//!
//! Follows `createPartitions` of `ReplicationControlManager.java`. Who holds a new partition is
//! drawn as Kafka draws it (`model::placement`): racks in turn, fenced brokers last. What is
//! decided is one batch of the metadata log, so that nobody ever sees a part of it, and it is
//! answered when that is committed. Does not know names: a plan gives every partition its id.

use crate::base::ids::{BrokerId, PartitionId, ReplicaSet, TopicId};
use crate::base::replicas::ReplicaList;
use crate::base::rng::Rng;
use crate::kafka::controller::Controller;
use crate::kafka::ctx::Ctx;
use crate::kafka::image::Image;
use crate::model::error::ErrorCode;
use crate::model::message::{CreatePartitionsRequest, CreatePartitionsResponse};
use crate::model::metadata::{MetadataRecord, PartitionState};
use crate::model::placement::{self, UsableBroker};

impl Controller {
    /// An operator asks for more partitions of a topic.
    ///
    /// Kafka: ReplicationControlManager.createPartitions
    pub(super) fn on_create_partitions(
        &mut self,
        request: CreatePartitionsRequest,
        ctx: &mut Ctx<'_>,
    ) -> CreatePartitionsResponse {
        let error = match self.more_partitions(request, ctx.rng) {
            Ok(records) => {
                self.append(records, ctx);
                ErrorCode::None
            }
            Err(error) => error,
        };
        CreatePartitionsResponse { error }
    }

    /// The records of the partitions that a topic lacks. They have as many replicas as partition 0.
    fn more_partitions(
        &self,
        request: CreatePartitionsRequest,
        luck: &mut Rng,
    ) -> Result<Vec<MetadataRecord>, ErrorCode> {
        let CreatePartitionsRequest { topic, count } = request;
        let ids = self.topics.get(topic.index()).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let first = self.image.partition(ids.first).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let known = ids.all().take_while(|id| self.image.partition(*id).is_some()).count() as u16;
        debug_assert!(count <= ids.most, "a plan names what it asks for");
        if count <= known || count > ids.most {
            return Err(ErrorCode::InvalidPartitions);
        }
        let usable = self.usable_brokers();
        let more = usize::from(count - known);
        let lists = placement::place(&usable, more, first.replicas.len(), Some(luck));
        let lists = lists.map_err(|_| ErrorCode::InvalidReplicationFactor)?;
        let numbered = (known..).zip(lists);
        numbered.map(|(number, list)| created(&self.image, (ids.id(number), topic), list)).collect()
    }

    /// Every registered broker, but those that this controller took into a controlled shutdown and
    /// that are not fenced yet. One that an earlier controller took there has a place, and is not
    /// in sync.
    ///
    /// Kafka: BrokerHeartbeatManager.usableBrokers
    fn usable_brokers(&self) -> Vec<UsableBroker> {
        let brokers = self.image.brokers();
        let usable = brokers.filter(|(id, _)| !self.registry.is_shutting_down(*id));
        let placed = usable.map(|(id, broker)| UsableBroker {
            id,
            rack: self.racks.get(id.index()).copied().flatten(),
            fenced: broker.fenced,
        });
        placed.collect()
    }
}

/// The record of a new partition: in sync are those of its replicas that are active, and the first
/// of them leads. With none of them it is refused, as if it could not be placed.
///
/// Kafka: ReplicationControlManager.buildPartitionRegistration
fn created(
    image: &Image,
    (partition, topic): (PartitionId, TopicId),
    replicas: Vec<BrokerId>,
) -> Result<MetadataRecord, ErrorCode> {
    let active = |place: &usize| image.is_active(replicas[*place]);
    let isr = (0..replicas.len()).filter(active).fold(ReplicaSet::EMPTY, ReplicaSet::with);
    let leader = isr.iter().next().ok_or(ErrorCode::InvalidReplicationFactor)?;
    let state = PartitionState::created(isr, Some(replicas[leader]));
    let replicas = ReplicaList::from(&replicas[..]);
    Ok(MetadataRecord::PartitionCreated { partition, topic, replicas, state })
}
