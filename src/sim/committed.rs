//! What the cluster has agreed on, read off the metadata log once it is on the controller's disk.
//!
//! The machine's own fold, independent of what any node believes, and the one place that writes the
//! observed facts about committed metadata. With one controller a record is committed when it is
//! synced: the fold goes over the durable prefix of its log. Does not judge what was agreed on.

use crate::base::ids::{Offset, PartitionId};
use crate::kafka::image::Image;
use crate::model::body::Bodies;
use crate::model::disk::LogImage;
use crate::model::fact::Fact;
use crate::model::metadata::{MetadataRecord, PartitionState};

/// The committed metadata.
#[derive(Clone, Debug, Default)]
pub(super) struct Committed {
    image: Image,
}

impl Committed {
    /// The fold so far.
    pub(super) const fn image(&self) -> &Image {
        &self.image
    }

    /// Folds what is new in a metadata log below `to`. A log that became shorter (its disk was
    /// wiped) has nothing new: what was agreed on has been agreed on.
    pub(super) fn fold(
        &mut self,
        log: &LogImage,
        to: Offset,
        bodies: &Bodies,
        mut note: impl FnMut(Fact),
    ) {
        let from = self.image.end();
        let place = log.batches().partition_point(|batch| batch.end() <= from);
        let new = log.batches().walk(place).take_while(|batch| batch.end() <= to);
        for body in new.filter_map(|batch| batch.records.body()) {
            for record in bodies.metadata(body) {
                self.fold_record(record, from > Offset::ZERO, &mut note);
            }
        }
    }

    fn note_created(&self, record: &MetadataRecord, note: &mut impl FnMut(Fact)) {
        let MetadataRecord::PartitionCreated { partition, topic, .. } = *record else { return };
        let Some(image) = self.image.partition(partition) else { return };
        note(Fact::PartitionCreated { partition, topic, replicas: image.replicas.len() as u8 });
        for broker in image.replicas.iter() {
            note(Fact::ReplicaPlaced { partition, broker: *broker });
        }
    }

    fn fold_record(&mut self, record: &MetadataRecord, begun: bool, note: &mut impl FnMut(Fact)) {
        let before = record
            .partition()
            .and_then(|(partition, _)| self.image.partition(partition))
            .map(|image| image.state);
        self.image.replay(record);
        // The partitions of time zero are in the plan, which everybody has.
        if begun {
            self.note_created(record, note);
        }
        match record.partition() {
            Some((partition, state)) => self.note_state(partition, before, &state, note),
            None => note_record(record, note),
        }
    }

    fn note_state(
        &self,
        partition: PartitionId,
        before: Option<PartitionState>,
        state: &PartitionState,
        note: &mut impl FnMut(Fact),
    ) {
        note(Fact::IsrCommitted { partition, state: *state });
        // A leader without a new epoch is no election by Kafka's rules, but a wrong rule can make
        // one, and then it must be seen.
        let elected = before.is_none_or(|before| {
            (before.leader, before.leader_epoch) != (state.leader, state.leader_epoch)
        });
        if elected {
            note(Fact::Elected {
                partition,
                leader: state.leader,
                leader_epoch: state.leader_epoch,
                isr: state.isr,
                elr: state.elr,
                unclean: before.is_some_and(|before| self.is_unclean(partition, &before, state)),
            });
        }
    }

    /// Whether the election may lose records by Kafka's own account: the new leader was in neither
    /// the ISR nor the ELR (`PartitionChangeBuilder.java`; the last known leader is such a one).
    fn is_unclean(
        &self,
        partition: PartitionId,
        before: &PartitionState,
        after: &PartitionState,
    ) -> bool {
        let image = self.image.partition(partition);
        let safe = before.isr.union(before.elr);
        after.leader.is_some_and(|leader| !image.is_some_and(|i| i.contains(safe, leader)))
    }
}

fn note_record(record: &MetadataRecord, note: &mut impl FnMut(Fact)) {
    match *record {
        MetadataRecord::BrokerRegistered { broker, epoch, incarnation, unclean, .. } => {
            note(Fact::BrokerRegistered { broker, epoch, incarnation, unclean });
        }
        MetadataRecord::BrokerFenced { broker, .. } => note(Fact::BrokerFenced { broker }),
        MetadataRecord::BrokerUnfenced { broker, .. } => note(Fact::BrokerUnfenced { broker }),
        MetadataRecord::BrokerShuttingDown { broker, .. } => {
            note(Fact::BrokerShuttingDown { broker });
        }
        MetadataRecord::ConfigSet { topic, key, value } => {
            note(Fact::ConfigCommitted { topic, key, value });
        }
        MetadataRecord::PartitionCreated { .. }
        | MetadataRecord::PartitionChanged { .. }
        | MetadataRecord::ReplicaAssigned { .. }
        | MetadataRecord::BrokerLogDirsChanged { .. }
        | MetadataRecord::ProducerIds { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::Committed;
    use crate::base::ids::{
        BrokerId, ControllerId, LeaderEpoch, LogId, NodeId, Offset, PartitionEpoch, PartitionId,
        ReplicaSet, TopicId,
    };
    use crate::base::time::Time;
    use crate::kafka::metadata_log;
    use crate::model::body::Bodies;
    use crate::model::disk::{Disk, LogHandle};
    use crate::model::fact::Fact;
    use crate::model::metadata::{MetadataRecord, PartitionState};

    const P: PartitionId = PartitionId(0);

    fn state(leader: Option<u16>, epoch: u32, isr: u64, elr: u64) -> PartitionState {
        PartitionState {
            isr: ReplicaSet(isr),
            elr: ReplicaSet(elr),
            leader: leader.map(BrokerId),
            last_known_elr: None,
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(epoch),
            recovering: false,
        }
    }

    /// A metadata log in the making.
    struct Written {
        disk: Disk,
        log: LogHandle,
        bodies: Bodies,
    }

    impl Written {
        fn new() -> Self {
            let mut disk = Disk::new(NodeId::Controller(ControllerId(1)), 1, u64::MAX);
            let log = disk.create_log(LogId::Metadata, 0, Offset::ZERO).expect("a good disk");
            Self { disk, log, bodies: Bodies::default() }
        }

        fn write(&mut self, record: MetadataRecord) {
            let base = self.disk.image(self.log).expect("a good disk").end();
            let (records, epoch) = (vec![record], LeaderEpoch(1));
            let batch = metadata_log::batch(records, base, epoch, Time::ZERO, &mut self.bodies);
            self.disk.append(self.log, batch).expect("a good disk");
        }

        fn fold(&self, committed: &mut Committed, to: u64) -> Vec<Fact> {
            let (log, mut facts) = (self.disk.image(self.log).expect("a good disk"), Vec::new());
            committed.fold(log, Offset(to), &self.bodies, |fact| facts.push(fact));
            facts
        }
    }

    fn created(partition: PartitionId, replicas: &[u16]) -> MetadataRecord {
        let state = state(Some(replicas[0]), 0, (1 << replicas.len()) - 1, 0);
        let replicas: Vec<BrokerId> = replicas.iter().copied().map(BrokerId).collect();
        let replicas = replicas.into();
        MetadataRecord::PartitionCreated { partition, topic: TopicId(0), replicas, state }
    }

    #[test]
    fn elections_are_told_with_whether_they_were_unclean() {
        let (mut log, mut committed) = (Written::new(), Committed::default());
        log.write(created(P, &[1, 2, 3]));
        assert_eq!(log.fold(&mut committed, 0), [], "it is written, but not committed");
        assert_eq!(log.fold(&mut committed, 1).len(), 2);
        let changes = [
            (state(Some(1), 0, 0b011, 0), None),
            (state(Some(2), 1, 0b010, 0), Some(false)),
            (state(None, 2, 0b000, 0b010), Some(false)),
            (state(Some(2), 3, 0b010, 0), Some(false)),
            (state(None, 4, 0b010, 0), Some(false)),
            (state(Some(3), 5, 0b100, 0), Some(true)),
            (state(Some(1), 5, 0b001, 0), Some(true)),
        ];
        for (end, (state, wanted)) in (2..).zip(changes) {
            log.write(MetadataRecord::PartitionChanged { partition: P, state });
            let facts = log.fold(&mut committed, end);
            assert_eq!(facts[0], Fact::IsrCommitted { partition: P, state });
            let unclean = facts.get(1).map(|fact| match fact {
                Fact::Elected { unclean, .. } => *unclean,
                other => panic!("{other:?}"),
            });
            assert_eq!(unclean, wanted, "{state:?}");
        }
        assert_eq!(log.fold(&mut committed, 2), [], "a shorter log has nothing new");
    }

    #[test]
    fn a_partition_created_later_is_told_with_its_replicas() {
        let (mut log, mut committed) = (Written::new(), Committed::default());
        let later = PartitionId(1);
        log.write(created(P, &[3, 1]));
        let facts = log.fold(&mut committed, 1);
        let names: Vec<_> = facts.iter().map(Fact::name).collect();
        assert_eq!(names, ["isr-committed", "elected"], "as planned");
        log.write(created(later, &[3, 1]));
        let facts = log.fold(&mut committed, 2);
        let placed = |broker| Fact::ReplicaPlaced { partition: later, broker: BrokerId(broker) };
        let topic = TopicId(0);
        assert_eq!(facts[0], Fact::PartitionCreated { partition: later, topic, replicas: 2 });
        assert_eq!(facts[1..3], [placed(3), placed(1)]);
    }
}
