//! One change of one partition: ISR, eligible leader replicas, leader, epochs.
//!
//! Follows `PartitionChangeBuilder.java` of 4.1.1, less reassignment: first the ELR follows the
//! wanted ISR, then a leader is chosen, then the last known leader and the epochs follow from that.
//! Pure; does not know why the change is wanted, nor who is alive beyond what the caller says.

use crate::base::ids::{BrokerId, ReplicaSet};
use crate::kafka::controller::rulings;
use crate::kafka::image::PartitionImage;
use crate::model::metadata::PartitionState;
use crate::model::rules::Rules;

/// How far an election may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// The present leader if it may stay, else who may lead cleanly, in replica order.
    Online,
    /// As `Online`, but the first of the replica list comes before the present leader.
    Preferred,
    /// As `Online`, then anyone alive, whatever it lost.
    Unclean,
}

/// What is wanted of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The ISR.
    pub(super) isr: ReplicaSet,
    /// Whether its leader is recovering from an unclean election.
    pub(super) recovering: bool,
    /// Replicas that stopped uncleanly: no eligible leaders any more.
    pub(super) stopped_uncleanly: ReplicaSet,
    /// How far the election may go.
    pub(super) election: Election,
}

impl Wanted {
    /// No change but what an election brings.
    ///
    /// Kafka: PartitionChangeBuilder.electAnyLeader
    /// Kafka: PartitionChangeBuilder.electPreferredLeader
    pub(super) const fn elect(partition: &PartitionImage, election: Election) -> Self {
        Self {
            isr: partition.state.isr,
            recovering: partition.state.recovering,
            stopped_uncleanly: ReplicaSet::EMPTY,
            election,
        }
    }
}

/// What holds for the partition's topic and for the cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    /// What this controller's code does.
    pub(super) rules: &'a Rules,
    /// Whether eligible leader replicas are kept (KIP-966).
    pub(super) elr: bool,
    /// `min.insync.replicas`, at most the replication factor.
    pub(super) min_isr: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    leader: Option<BrokerId>,
    unclean: bool,
}

/// The state of the partition after the change; `None` if nothing changes. `acceptable` says which
/// brokers may lead now: registered, active, with their log directory online.
///
/// Kafka: PartitionChangeBuilder.build
pub(super) fn change(
    partition: &PartitionImage,
    wanted: &Wanted,
    terms: &Terms<'_>,
    acceptable: impl Fn(BrokerId) -> bool,
) -> Option<PartitionState> {
    let old = &partition.state;
    let elr = if terms.elr {
        let (rules, min_isr) = (terms.rules, terms.min_isr);
        rulings::eligible_replicas(rules, min_isr, old, wanted.isr, wanted.stopped_uncleanly)
    } else {
        ReplicaSet::EMPTY
    };
    let outcome = elect(partition, wanted, elr, terms, acceptable);
    let mut new = PartitionState { elr, recovering: wanted.recovering, ..*old };
    // Without ELR the last member of an ISR is never dropped: the partition waits for it.
    if terms.elr || !wanted.isr.is_empty() {
        new.isr = wanted.isr;
    }
    if outcome.leader != old.leader {
        seat(partition, &mut new, outcome, terms.rules);
    }
    if terms.elr {
        new.last_known_elr = last_known_leader(old, &new);
    }
    if new == *old {
        return None;
    }
    new.partition_epoch = old.partition_epoch.next();
    Some(new)
}

/// Makes the outcome's leader, or the lack of one, part of the new state.
fn seat(partition: &PartitionImage, new: &mut PartitionState, outcome: Outcome, rules: &Rules) {
    new.leader = outcome.leader;
    new.leader_epoch = rulings::leader_epoch_after(rules, new.leader_epoch);
    let Some(place) = outcome.leader.and_then(|leader| partition.place(leader)) else {
        return;
    };
    if outcome.unclean {
        new.isr = ReplicaSet::only(place);
        new.elr = ReplicaSet::EMPTY;
        new.recovering = true;
    } else if !new.isr.has(place) {
        new.isr = ReplicaSet::only(place);
        new.elr = new.elr.without(place);
    }
}

/// Who leads.
fn elect(
    partition: &PartitionImage,
    wanted: &Wanted,
    elr: ReplicaSet,
    terms: &Terms<'_>,
    acceptable: impl Fn(BrokerId) -> bool,
) -> Outcome {
    let replicas = &partition.replicas;
    let candidates = rulings::clean_candidates(terms.rules, wanted.isr, elr, replicas.len());
    let valid = |broker: BrokerId| partition.contains(candidates, broker) && acceptable(broker);
    let clean = |leader: BrokerId| Outcome { leader: Some(leader), unclean: false };
    let unclean = |leader: BrokerId| Outcome { leader: Some(leader), unclean: true };

    let preferred = replicas.first().copied();
    if wanted.election == Election::Preferred
        && let Some(leader) = preferred.filter(|b| valid(*b))
    {
        return clean(leader);
    }
    if let Some(leader) = partition.state.leader.filter(|b| valid(*b)) {
        return clean(leader);
    }
    if let Some(leader) = replicas.iter().copied().find(|b| valid(*b)) {
        return clean(leader);
    }
    if terms.elr
        && wanted.isr.is_empty()
        && elr.is_empty()
        && let Some(leader) = partition.state.last_known_elr
        && rulings::last_known_may_lead(terms.rules, acceptable(leader))
    {
        return unclean(leader);
    }
    if wanted.election == Election::Unclean
        && let Some(leader) = replicas.iter().copied().find(|b| acceptable(*b))
    {
        return unclean(leader);
    }
    Outcome { leader: None, unclean: false }
}

/// Who led last, kept from the moment the leader is lost until there is one again
///. The ISR need not be empty yet: a leader in controlled shutdown
/// whom nobody can follow leaves it later, and must be known then.
///
/// Kafka: PartitionChangeBuilder.maybeUpdateLastKnownLeader
fn last_known_leader(old: &PartitionState, new: &PartitionState) -> Option<BrokerId> {
    if new.leader.is_some() { None } else { old.last_known_elr.or(old.leader) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{LeaderEpoch, PartitionEpoch, TopicId};
    use crate::base::replicas::ReplicaList;
    use crate::model::rules::Drill;

    /// Leader (0: none), ISR, ELR, last known leader (0: none), recovering.
    type Row = (u16, u64, u64, u16, bool);

    fn broker(number: u16) -> Option<BrokerId> {
        (number > 0).then_some(BrokerId(number))
    }

    fn partition((leader, isr, elr, last, recovering): Row) -> PartitionImage {
        PartitionImage::new(
            TopicId(0),
            ReplicaList::from(&[BrokerId(1), BrokerId(2), BrokerId(3)][..]),
            PartitionState {
                isr: ReplicaSet(isr),
                elr: ReplicaSet(elr),
                leader: broker(leader),
                last_known_elr: broker(last),
                leader_epoch: LeaderEpoch(4),
                partition_epoch: PartitionEpoch(9),
                recovering,
            },
        )
    }

    fn row(state: &PartitionState) -> Row {
        let number = |broker: Option<BrokerId>| broker.map_or(0, |b| b.0);
        let last = number(state.last_known_elr);
        (number(state.leader), state.isr.0, state.elr.0, last, state.recovering)
    }

    struct Case {
        what: &'static str,
        elr: bool,
        min_isr: usize,
        before: Row,
        isr: u64,
        unclean_stop: u64,
        election: Election,
        alive: &'static [u16],
        after: Option<Row>,
    }

    const PLAIN: Case = Case {
        what: "",
        elr: true,
        min_isr: 2,
        before: (1, 0b111, 0, 0, false),
        isr: 0b111,
        unclean_stop: 0,
        election: Election::Online,
        alive: &[1, 2, 3],
        after: None,
    };

    fn run(case: &Case, rules: &Rules) -> Option<PartitionState> {
        let partition = partition(case.before);
        let wanted = Wanted {
            isr: ReplicaSet(case.isr),
            recovering: partition.state.recovering,
            stopped_uncleanly: ReplicaSet(case.unclean_stop),
            election: case.election,
        };
        let terms = Terms { rules, elr: case.elr, min_isr: case.min_isr };
        change(&partition, &wanted, &terms, |b| case.alive.contains(&b.0))
    }

    #[test]
    fn elections_go_by_isr_then_elr_then_last_known_leader_then_anyone() {
        let table = [
            Case { what: "nothing changes", ..PLAIN },
            Case {
                what: "the first of the ISR in replica order",
                isr: 0b110,
                alive: &[2, 3],
                after: Some((2, 0b110, 0, 0, false)),
                ..PLAIN
            },
            Case {
                what: "the leader stays when a follower goes",
                before: (2, 0b111, 0, 0, false),
                isr: 0b011,
                alive: &[1, 2],
                after: Some((2, 0b011, 0, 0, false)),
                ..PLAIN
            },
            Case {
                what: "an ELR member, clean, once the ISR is empty",
                before: (3, 0b100, 0b010, 0, false),
                isr: 0,
                alive: &[1, 2],
                after: Some((2, 0b010, 0b100, 0, false)),
                ..PLAIN
            },
            Case {
                what: "nobody: the leader is remembered",
                before: (1, 0b001, 0b100, 0, false),
                isr: 0,
                alive: &[],
                after: Some((0, 0, 0b101, 1, false)),
                ..PLAIN
            },
            Case {
                what: "not outside the ELR, however alive",
                before: (0, 0, 0b101, 1, false),
                isr: 0,
                alive: &[2],
                ..PLAIN
            },
            Case {
                what: "the last known leader, as unclean",
                before: (0, 0, 0, 1, false),
                isr: 0,
                alive: &[1, 2],
                after: Some((1, 0b001, 0, 0, true)),
                ..PLAIN
            },
            Case {
                what: "the last known leader is not alive",
                before: (0, 0, 0, 1, false),
                isr: 0,
                alive: &[2],
                ..PLAIN
            },
            Case {
                what: "anyone, if asked for",
                before: (0, 0, 0b001, 1, false),
                isr: 0,
                alive: &[2, 3],
                election: Election::Unclean,
                after: Some((2, 0b010, 0, 0, true)),
                ..PLAIN
            },
            Case {
                what: "an unclean stop takes it out of the ELR and elects nobody",
                before: (0, 0, 0b101, 1, false),
                isr: 0,
                unclean_stop: 0b100,
                alive: &[2],
                after: Some((0, 0, 0b001, 1, false)),
                ..PLAIN
            },
            Case {
                what: "without ELR the last member of the ISR stays",
                elr: false,
                before: (1, 0b001, 0, 0, false),
                isr: 0,
                alive: &[2, 3],
                after: Some((0, 0b001, 0, 0, false)),
                ..PLAIN
            },
            Case {
                what: "without ELR it leads again when it is back, cleanly",
                elr: false,
                before: (0, 0b001, 0, 0, false),
                isr: 0b001,
                alive: &[1, 2, 3],
                after: Some((1, 0b001, 0, 0, false)),
                ..PLAIN
            },
            Case {
                what: "the preferred leader, if it is in the ISR",
                before: (2, 0b111, 0, 0, false),
                election: Election::Preferred,
                after: Some((1, 0b111, 0, 0, false)),
                ..PLAIN
            },
            Case {
                what: "the preferred leader is not in the ISR",
                before: (2, 0b110, 0, 0, false),
                isr: 0b110,
                election: Election::Preferred,
                ..PLAIN
            },
        ];
        for case in &table {
            let after = run(case, &Rules::KAFKA_4_1);
            assert_eq!(after.as_ref().map(row), case.after, "{}", case.what);
            if let Some(after) = after {
                let moved = after.leader != broker(case.before.0);
                assert_eq!(after.leader_epoch.0, 4 + u32::from(moved), "{}", case.what);
                assert_eq!(after.partition_epoch.0, 10, "{}", case.what);
            }
        }
    }

    #[test]
    fn wrong_rulings_are_visible_in_the_state() {
        let leader_gone =
            Case { before: (3, 0b100, 0, 0, false), isr: 0, alive: &[1, 2], min_isr: 1, ..PLAIN };
        let drilled = |drill| Rules { drill: Some(drill), ..Rules::KAFKA_4_1 };
        let any = run(&leader_gone, &drilled(Drill::ElectAnyReplica)).expect("a change");
        assert_eq!(row(&any), (1, 0b001, 0b100, 0, false));
        let epoch = run(&leader_gone, &drilled(Drill::SameLeaderEpoch)).expect("a change");
        assert_eq!(epoch.leader_epoch, LeaderEpoch(4));
        let dead_last_known = Case { before: (0, 0, 0, 3, false), ..leader_gone };
        let forgot = run(&dead_last_known, &Rules::KAFKA_4_0).expect("a change");
        assert_eq!(row(&forgot), (3, 0b100, 0, 0, true), "4.0.1 elects it though it is dead");
    }
}
