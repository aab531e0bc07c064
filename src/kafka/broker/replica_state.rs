//! A leader's view of one follower.
//!
//! Follows `Replica.java` and `ReplicaState.java`. Times are of the wall clock, as in Kafka
//! (`time.milliseconds()`): a clock that jumps ahead makes followers look late.

use crate::base::ids::{BrokerEpoch, Offset};
use crate::base::time::Time;
use crate::kafka::broker::fetch::session::{FetchSessionCache, SessionSlot};

/// Which broker epoch a follower's fetches carried in this leader epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SeenEpoch {
    /// It has not fetched.
    #[default]
    Never,
    /// It fetched before it had registered (−1 on the wire).
    Unregistered,
    /// This one.
    Registered(BrokerEpoch),
}

impl SeenEpoch {
    pub(super) fn of(epoch: Option<BrokerEpoch>) -> Self {
        epoch.map_or(Self::Unregistered, Self::Registered)
    }

    pub(super) const fn known(self) -> Option<BrokerEpoch> {
        match self {
            Self::Registered(epoch) => Some(epoch),
            Self::Never | Self::Unregistered => None,
        }
    }
}

/// What a leader knows of a follower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReplicaState {
    /// Its log end offset: the offset of its last fetch. Unknown in a new leader epoch.
    pub(super) end: Option<Offset>,
    /// When it last had all that the leader had.
    pub(super) last_caught_up: Option<Time>,
    /// Its broker epoch.
    pub(super) epoch: SeenEpoch,
    /// The fetch session whose fetches repeat its last one, though they do not name the partition.
    pub(super) session: Option<SessionSlot>,
    last_fetch: Option<Time>,
    leader_end_at_last_fetch: Option<Offset>,
}

impl ReplicaState {
    /// A fetch arrived: it claims possession of everything below its offset. `leader_end` was read
    /// before the fetch.
    ///
    /// Kafka: Replica.updateFetchStateOrThrow
    pub(super) fn fetched(
        &mut self,
        offset: Offset,
        leader_end: Offset,
        epoch: Option<BrokerEpoch>,
        now: Time,
    ) {
        if offset >= leader_end {
            self.last_caught_up = self.last_caught_up.max(Some(now));
        } else if Some(offset) >= self.leader_end_at_last_fetch {
            self.last_caught_up = self.last_caught_up.max(self.last_fetch);
        }
        self.end = Some(offset);
        self.leader_end_at_last_fetch = self.leader_end_at_last_fetch.max(Some(leader_end));
        self.last_fetch = Some(now);
        self.epoch = SeenEpoch::of(epoch);
    }

    /// Takes over what the session's fetches have said meanwhile. A follower that had all keeps
    /// having all with each of them, as long as the leader's log has not grown: so that is asked
    /// before the log grows, and before the follower says something else.
    pub(super) fn take_over_session(&mut self, sessions: &FetchSessionCache, leader_end: Offset) {
        let last_fetch = self.session.and_then(|slot| sessions.last_fetch(slot));
        self.repeat(last_fetch, leader_end);
    }

    /// From now on this session's fetches repeat its last one, or none's.
    pub(super) fn join_session(
        &mut self,
        session: Option<SessionSlot>,
        sessions: &FetchSessionCache,
        leader_end: Offset,
    ) {
        self.take_over_session(sessions, leader_end);
        self.session = session;
    }

    /// Its session, which last fetched then, holds the partition no more.
    pub(super) fn leave_session(&mut self, last_fetch: Option<Time>, leader_end: Offset) {
        self.repeat(last_fetch, leader_end);
        self.session = None;
    }

    fn repeat(&mut self, last_fetch: Option<Time>, leader_end: Offset) {
        if last_fetch.is_some() && self.end == Some(leader_end) {
            self.last_caught_up = self.last_caught_up.max(last_fetch);
            self.last_fetch = last_fetch;
        }
    }

    /// A leader epoch begins. A broker that led before keeps what it knew of the log; a new leader
    /// knows nothing.
    ///
    /// Kafka: Replica.resetReplicaState
    pub(super) fn reset(&mut self, now: Time, leader_end: Offset, led_before: bool, in_sync: bool) {
        let seen_now = in_sync.then_some(now);
        self.session = None;
        if led_before {
            self.leader_end_at_last_fetch = Some(leader_end);
            self.last_fetch = seen_now;
            self.last_caught_up = seen_now;
        } else {
            *self = Self { last_caught_up: seen_now, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReplicaState;
    use crate::base::ids::Offset;
    use crate::base::time::Time;

    /// A follower that is always a little behind is caught up as of its previous fetch.
    #[test]
    fn reaching_the_previous_end_counts_for_the_previous_fetch() {
        let mut replica = ReplicaState::default();
        replica.reset(Time(0), Offset(0), false, true);
        assert_eq!(replica.last_caught_up, Some(Time(0)));
        let table = [
            // offset, leader end, time → last caught up
            (0, 10, 100, 0),
            (10, 20, 200, 100),
            (15, 30, 300, 100),
            (20, 30, 400, 100),
            (30, 30, 500, 500),
        ];
        for (offset, end, now, caught_up) in table {
            replica.fetched(Offset(offset), Offset(end), None, Time(now));
            assert_eq!(replica.last_caught_up, Some(Time(caught_up)), "at {now}");
            assert_eq!(replica.end, Some(Offset(offset)));
        }
    }

    #[test]
    fn a_new_leader_knows_nothing_and_a_re_elected_one_keeps_the_end() {
        let mut replica = ReplicaState::default();
        replica.fetched(Offset(5), Offset(5), None, Time(1));
        let mut again = replica;
        again.reset(Time(9), Offset(7), true, false);
        assert_eq!((again.end, again.last_caught_up), (Some(Offset(5)), None));
        replica.reset(Time(9), Offset(7), false, true);
        assert_eq!((replica.end, replica.last_caught_up), (None, Some(Time(9))));
    }
}
