//! What the cluster has agreed on, read off the metadata log once it is on the controller's disk.
//!
//! The machine's own fold, independent of what any node believes, and the one place that writes the
//! observed facts about committed metadata. With one controller a record is committed when it is
//! synced. Does not judge what was agreed on.

use crate::base::ids::PartitionId;
use crate::kafka::image::Image;
use crate::model::body::Bodies;
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

    /// Folds what is new in a metadata log. A log that became shorter (its disk was wiped) has
    /// nothing new: what was agreed on has been agreed on.
    pub(super) fn fold(
        &mut self,
        log: &[MetadataRecord],
        bodies: &Bodies,
        mut note: impl FnMut(Fact),
    ) {
        let from = (self.image.end().0 as usize).min(log.len());
        for record in &log[from..] {
            let before = record
                .partition()
                .and_then(|(partition, _)| self.image.partition(partition))
                .map(|image| image.state);
            self.image.replay(record, bodies);
            // The partitions of time zero are in the plan, which everybody has.
            if from > 0 {
                self.note_created(record, &mut note);
            }
            match record.partition() {
                Some((partition, state)) => self.note_state(partition, before, &state, &mut note),
                None => note_record(record, &mut note),
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
        BrokerId, LeaderEpoch, PartitionEpoch, PartitionId, ReplicaSet, TopicId,
    };
    use crate::model::body::{Bodies, Body};
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

    #[test]
    fn elections_are_told_with_whether_they_were_unclean() {
        let mut bodies = Bodies::default();
        let replicas = bodies.add(Body::Replicas(vec![BrokerId(1), BrokerId(2), BrokerId(3)]));
        let created = state(Some(1), 0, 0b111, 0);
        let mut log = vec![MetadataRecord::PartitionCreated {
            partition: P,
            topic: TopicId(0),
            replicas,
            state: created,
        }];
        let mut committed = Committed::default();
        let changes = [
            (state(Some(1), 0, 0b011, 0), None),
            (state(Some(2), 1, 0b010, 0), Some(false)),
            (state(None, 2, 0b000, 0b010), Some(false)),
            (state(Some(2), 3, 0b010, 0), Some(false)),
            (state(None, 4, 0b010, 0), Some(false)),
            (state(Some(3), 5, 0b100, 0), Some(true)),
            (state(Some(1), 5, 0b001, 0), Some(true)),
        ];
        committed.fold(&log, &bodies, |_| ());
        for (state, wanted) in changes {
            log.push(MetadataRecord::PartitionChanged { partition: P, state });
            let mut facts = Vec::new();
            committed.fold(&log, &bodies, |fact| facts.push(fact));
            assert_eq!(facts[0], Fact::IsrCommitted { partition: P, state });
            let unclean = facts.get(1).map(|fact| match fact {
                Fact::Elected { unclean, .. } => *unclean,
                other => panic!("{other:?}"),
            });
            assert_eq!(unclean, wanted, "{state:?}");
        }
        let mut nothing = true;
        committed.fold(&log[..2], &bodies, |_| nothing = false);
        assert!(nothing, "a shorter log has nothing new");
    }

    #[test]
    fn a_partition_created_later_is_told_with_its_replicas() {
        let mut bodies = Bodies::default();
        let replicas = bodies.add(Body::Replicas(vec![BrokerId(3), BrokerId(1)]));
        let created = |partition| MetadataRecord::PartitionCreated {
            partition,
            topic: TopicId(0),
            replicas,
            state: state(Some(3), 0, 0b11, 0),
        };
        let mut committed = Committed::default();
        let mut facts = Vec::new();
        let later = PartitionId(1);
        committed.fold(&[created(P)], &bodies, |fact| facts.push(fact.name()));
        assert_eq!(facts, ["isr-committed", "elected"], "as planned");
        let mut facts = Vec::new();
        committed.fold(&[created(P), created(later)], &bodies, |fact| facts.push(fact));
        let placed = |broker| Fact::ReplicaPlaced { partition: later, broker: BrokerId(broker) };
        let topic = TopicId(0);
        assert_eq!(facts[0], Fact::PartitionCreated { partition: later, topic, replicas: 2 });
        assert_eq!(facts[1..3], [placed(3), placed(1)]);
    }
}
