//! A consumer's position in one partition, and what has been fetched from there on.
//!
//! Follows `SubscriptionState.java`, `OffsetFetcherUtils.java` and `CompletedFetch.java`. Does not
//! know connections: it says what is to be asked and takes the answers.

use std::collections::VecDeque;

use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId};
use crate::base::time::Time;
use crate::kafka::client::application::Polled;
use crate::kafka::client::cache::Leadership;
use crate::kafka::client::rulings;
use crate::model::batch::Batch;
use crate::model::config::OffsetReset;
use crate::model::error::ErrorCode;
use crate::model::fact::PositionChange;
use crate::model::message::FetchPartition;
use crate::model::rules::Rules;

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchState {
    /// Without a position: the reset policy is to give one.
    AwaitReset(PositionChange),
    /// The leader has changed: it is asked whether the log was truncated below the position.
    AwaitValidation,
    /// The position is good to fetch from.
    Fetching,
    /// An exception was thrown; only a seek helps.
    Failed,
}

/// What a truncation check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validated {
    /// The position stands.
    Good,
    /// The position was moved to where the logs part.
    Moved(Offset),
    /// The reset policy is to give another position.
    Reset,
    /// There is no reset policy: the application gets this exception.
    Thrown(ErrorCode),
}

/// An assigned partition.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    /// Which partition.
    pub(super) partition: PartitionId,
    /// Where it stands.
    pub(super) state: FetchState,
    /// The next offset to hand to the application.
    pub(super) offset: Offset,
    /// Leader epoch of the last record before the position.
    pub(super) offset_epoch: Option<LeaderEpoch>,
    /// The leader that the position was last validated against.
    leadership: Leadership,
    /// A request about the position is in flight.
    pub(super) asking: bool,
    /// Counts positions and leaders: an answer about an earlier one says nothing.
    pub(super) version: u32,
    /// The version that the request in flight is about.
    pub(super) asked_version: u32,
    /// What the session with this broker holds of it: what is asked of it in each fetch of that.
    pub(super) sent: Option<(BrokerId, FetchPartition)>,
    /// After an error: not before this moment.
    pub(super) not_before: Time,
    buffered: VecDeque<Batch>,
    served_by: BrokerId,
}

impl Assigned {
    pub(super) const fn new(partition: PartitionId) -> Self {
        Self {
            partition,
            state: FetchState::AwaitReset(PositionChange::Start),
            offset: Offset::ZERO,
            offset_epoch: None,
            leadership: Leadership { leader: None, epoch: None },
            asking: false,
            version: 0,
            asked_version: 0,
            sent: None,
            not_before: Time::ZERO,
            buffered: VecDeque::new(),
            served_by: BrokerId(0),
        }
    }

    /// Sets the position, not by reading on. What was fetched for another one is thrown away. A
    /// position with a leader epoch is validated first.
    ///
    /// Kafka: SubscriptionState.seekUnvalidated
    pub(super) fn seek(&mut self, offset: Offset, epoch: Option<LeaderEpoch>, leader: Leadership) {
        self.offset = offset;
        self.offset_epoch = epoch;
        self.leadership = leader;
        self.state =
            if epoch.is_some() { FetchState::AwaitValidation } else { FetchState::Fetching };
        self.discard();
    }

    /// The reset policy is to give a position.
    pub(super) fn reset(&mut self, why: PositionChange) {
        self.state = FetchState::AwaitReset(why);
        self.discard();
    }

    /// The application gets an exception.
    pub(super) fn fail(&mut self) {
        self.state = FetchState::Failed;
        self.discard();
    }

    /// Looks at the leader: another one, or another epoch of the same, means that the position must
    /// be validated if the epoch of its last record is known (KIP-320).
    pub(super) fn see_leader(&mut self, rules: &Rules, leader: Leadership) {
        let settled = matches!(self.state, FetchState::Fetching | FetchState::AwaitValidation);
        if !settled || leader.leader.is_none() || leader == self.leadership {
            return;
        }
        self.leadership = leader;
        self.version += 1;
        self.offset = rulings::position_at_new_leader(rules, self.offset);
        self.state = if rulings::must_validate(rules, self.offset_epoch) {
            FetchState::AwaitValidation
        } else {
            FetchState::Fetching
        };
        if self.state == FetchState::AwaitValidation {
            self.discard();
        }
    }

    /// Takes the leader's answer to whether the log was truncated.
    ///
    /// Kafka: SubscriptionState.maybeCompleteValidation
    pub(super) fn validate(
        &mut self,
        rules: &Rules,
        end: Option<(LeaderEpoch, Offset)>,
        policy: OffsetReset,
    ) -> Validated {
        let position = self.offset;
        let to = end.map(|(epoch, end)| (epoch, rulings::truncated_to(rules, position, end)));
        match (to, policy) {
            (Some((_, None)), _) => {
                self.state = FetchState::Fetching;
                Validated::Good
            }
            (_, OffsetReset::None) => {
                self.fail();
                Validated::Thrown(ErrorCode::LogTruncation)
            }
            (Some((epoch, Some(to))), _) => {
                self.offset = to;
                self.offset_epoch = Some(epoch);
                self.state = FetchState::Fetching;
                self.discard();
                Validated::Moved(to)
            }
            (None, _) => {
                self.reset(PositionChange::Truncation);
                Validated::Reset
            }
        }
    }

    /// Takes a fetched batch into the buffer.
    pub(super) fn buffer(&mut self, batch: Batch, from: BrokerId) {
        if batch.end() > self.offset {
            self.served_by = from;
            self.buffered.push_back(batch);
        }
    }

    /// Whether there is something to hand to the application.
    pub(super) fn has_buffered(&self) -> bool {
        !self.buffered.is_empty()
    }

    /// Hands over at most `limit` records of one batch and moves the position past them. Markers
    /// and internal records move the position and are not handed over.
    pub(super) fn take(&mut self, rules: &Rules, limit: u32) -> Option<Polled> {
        loop {
            let batch = *self.buffered.front()?;
            let skipped = (self.offset - batch.base) as u32;
            let whole = batch.count.saturating_sub(skipped);
            let first = batch.records.workload();
            let count = if first.is_some() { whole.min(limit) } else { whole };
            let base = batch.base + u64::from(skipped);
            let keeps_rest = rulings::keeps_rest(rules, count, whole);
            let end = if keeps_rest { base + u64::from(count) } else { batch.end() };
            self.offset = rulings::position_after(rules, end);
            self.offset_epoch = Some(batch.leader_epoch);
            if !keeps_rest {
                self.buffered.pop_front();
            }
            if let Some(first) = first.filter(|_| count > 0) {
                return Some(Polled {
                    partition: self.partition,
                    base,
                    count,
                    leader_epoch: batch.leader_epoch,
                    first: first.plus(skipped),
                    broker: self.served_by,
                });
            }
        }
    }

    fn discard(&mut self) {
        self.buffered.clear();
        self.version += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Assigned, FetchState, Validated};
    use crate::base::ids::{BrokerId, LeaderEpoch, Offset, PartitionId, ProcessId};
    use crate::base::time::Time;
    use crate::kafka::client::cache::Leadership;
    use crate::model::batch::{Batch, RecordId, Records};
    use crate::model::config::OffsetReset;
    use crate::model::error::ErrorCode;
    use crate::model::rules::{Drill, Rules};

    const RULES: Rules = Rules::KAFKA_4_1;

    fn at(offset: u64, epoch: u32) -> Assigned {
        let mut assigned = Assigned::new(PartitionId(0));
        let leader = Leadership { leader: Some(BrokerId(1)), epoch: Some(LeaderEpoch(epoch)) };
        assigned.seek(Offset(offset), Some(LeaderEpoch(epoch)), leader);
        assigned
    }

    #[test]
    fn truncation_is_judged_by_the_reset_policy() {
        let end = |epoch, end| Some((LeaderEpoch(epoch), Offset(end)));
        let thrown = Validated::Thrown(ErrorCode::LogTruncation);
        for (answer, policy, expected) in [
            (end(0, 80), OffsetReset::None, Validated::Good),
            (end(0, 30), OffsetReset::None, thrown),
            (None, OffsetReset::None, thrown),
            (end(0, 30), OffsetReset::Latest, Validated::Moved(Offset(30))),
            (None, OffsetReset::Earliest, Validated::Reset),
        ] {
            assert_eq!(at(80, 0).validate(&RULES, answer, policy), expected);
        }
    }

    #[test]
    fn records_are_handed_over_in_pieces_from_the_position_on() {
        let mut assigned = at(12, 0);
        let batch = Batch {
            base: Offset(10),
            max_timestamp: Time::ZERO,
            records: Records::Workload(RecordId { process: ProcessId(0), ordinal: 40 }),
            count: 6,
            bytes: 700,
            leader_epoch: LeaderEpoch(3),
            sequence: None,
        };
        assigned.buffer(batch, BrokerId(2));
        let piece = assigned.take(&RULES, 3).expect("records are there");
        assert_eq!((piece.base, piece.count, piece.first.ordinal), (Offset(12), 3, 42));
        let piece = assigned.take(&RULES, 3).expect("a record is left");
        assert_eq!((piece.base, piece.count), (Offset(15), 1));
        assert_eq!((assigned.take(&RULES, 3), assigned.offset), (None, Offset(16)));
        assert_eq!(assigned.offset_epoch, Some(LeaderEpoch(3)));
        // Under the drill the position moves past what was not handed over.
        let rules = Rules { drill: Some(Drill::PollDropsRest), ..RULES };
        let mut assigned = at(12, 0);
        assigned.buffer(batch, BrokerId(2));
        assert_eq!(assigned.take(&rules, 3).map(|piece| piece.count), Some(3));
        assert_eq!((assigned.take(&rules, 3), assigned.offset), (None, Offset(16)));
    }

    #[test]
    fn another_leader_means_validation() {
        let mut assigned = at(5, 1);
        assert_eq!(
            assigned.validate(&RULES, Some((LeaderEpoch(1), Offset(9))), OffsetReset::None),
            { Validated::Good }
        );
        let same = Leadership { leader: Some(BrokerId(1)), epoch: Some(LeaderEpoch(1)) };
        assigned.see_leader(&RULES, same);
        assert_eq!(assigned.state, FetchState::Fetching);
        assigned.see_leader(&RULES, Leadership { epoch: Some(LeaderEpoch(2)), ..same });
        assert_eq!(assigned.state, FetchState::AwaitValidation);
    }
}
