//! Who is meant by a target word at this moment.
//!
//! Everything is resolved at injection, by the committed metadata and by which nodes run; what is
//! noted and written into a repro file is the resolved fault. Does not know why a fault happens.

use crate::base::ids::{BrokerId, ControllerId, NodeId, PartitionId, ProcessId};
use crate::base::rng::Rng;
use crate::model::fault::{Action, Target};
use crate::model::plan::Plan;
use crate::sim::director::ClusterView;

/// Who there is, as the plan says.
#[derive(Clone, Debug)]
pub struct Roster {
    /// How many brokers.
    pub brokers: u16,
    /// How many controllers.
    pub controllers: u16,
    /// How many client processes.
    pub processes: u16,
    /// Log directories, by broker.
    pub log_dirs: Vec<u16>,
    /// The partitions of user topics, whether they exist at time zero or are created later, and how
    /// many replicas each has: what is drawn is about them.
    pub partitions: Vec<(PartitionId, usize)>,
}

impl Roster {
    /// The roster of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            brokers: plan.brokers.len() as u16,
            controllers: plan.controllers.len() as u16,
            processes: plan.processes.len() as u16,
            log_dirs: plan.brokers.iter().map(|b| b.config.log_dirs).collect(),
            partitions: plan
                .partitions()
                .filter(|partition| plan.names.kind(*partition).is_user())
                .map(|partition| (partition, plan.replication_factor(partition)))
                .collect(),
        }
    }

    /// Every broker, in order.
    #[must_use]
    pub fn every_broker(&self) -> Vec<NodeId> {
        (1..=self.brokers).map(|b| NodeId::Broker(BrokerId(b))).collect()
    }

    /// Every controller, in order.
    #[must_use]
    pub fn every_controller(&self) -> Vec<NodeId> {
        (1..=self.controllers).map(|c| NodeId::Controller(ControllerId(c))).collect()
    }

    /// Every client process, in order.
    #[must_use]
    pub fn every_process(&self) -> Vec<NodeId> {
        (0..self.processes).map(|p| NodeId::Process(ProcessId(p))).collect()
    }

    /// The nodes that a target word means now; `None` if nobody fits it.
    #[must_use]
    pub fn resolve(
        &self,
        target: &Target,
        view: &ClusterView<'_>,
        rng: &mut Rng,
    ) -> Option<Vec<NodeId>> {
        let brokers = usize::from(self.brokers);
        match target {
            Target::Node(node) => Some(vec![*node]),
            Target::ActiveController => Some(vec![NodeId::Controller(view.active_controller?)]),
            Target::Leader(partition) => Some(vec![NodeId::Broker(view.leader(*partition)?)]),
            Target::Follower(partition) => follower(*partition, view).map(|b| vec![b]),
            Target::Nodes(nodes) => (!nodes.is_empty()).then(|| nodes.clone()),
            Target::One => self.some(1, rng),
            Target::Minority => self.some(brokers.saturating_sub(1) / 2, rng),
            Target::Majority => self.some(brokers / 2 + 1, rng),
            Target::All => Some(self.every_broker()),
            Target::Percent(percent) => {
                self.some((brokers * usize::from(*percent) / 100).max(1), rng)
            }
        }
    }

    /// The action with nodes in place of the target words in it; `None` if a word fits nobody. A
    /// node named by two groups of a cut belongs to the first, so that `[["leader:t-0"], ["all"]]`
    /// cuts the leader off from the others.
    #[must_use]
    pub fn resolve_action(
        &self,
        action: &Action,
        view: &ClusterView<'_>,
        rng: &mut Rng,
    ) -> Option<Action> {
        let Action::Partition { groups, direction } = action else { return Some(action.clone()) };
        let mut placed: Vec<NodeId> = Vec::new();
        let mut resolved = Vec::new();
        for group in groups {
            let mut members = Vec::new();
            for target in group {
                for node in self.resolve(target, view, rng)? {
                    if !placed.contains(&node) {
                        placed.push(node);
                        members.push(Target::Node(node));
                    }
                }
            }
            resolved.push(members);
        }
        Some(Action::Partition { groups: resolved, direction: *direction })
    }

    /// So many brokers, drawn, in order; `None` for none.
    fn some(&self, count: usize, rng: &mut Rng) -> Option<Vec<NodeId>> {
        let mut all = self.every_broker();
        while all.len() > count {
            all.remove(rng.below(all.len() as u64) as usize);
        }
        (!all.is_empty()).then_some(all)
    }
}

/// The first replica in replica order that runs and does not lead.
fn follower(partition: PartitionId, view: &ClusterView<'_>) -> Option<NodeId> {
    let leader = view.leader(partition);
    let others = view.replicas(partition).iter().filter(|b| Some(**b) != leader);
    others.map(|b| NodeId::Broker(*b)).find(|b| (view.running)(*b))
}

#[cfg(test)]
mod tests {
    use super::{Roster, Target};
    use crate::base::ids::{ControllerId, NodeId, PartitionId};
    use crate::base::rng::Rng;
    use crate::base::time::Time;
    use crate::model::fault::{Action, Direction};
    use crate::model::names::TopicName;
    use crate::model::plan::TopicPlan;
    use crate::sim::stage::{Stage, broker, plan, state};

    const P0: PartitionId = PartitionId(0);

    #[test]
    fn words_mean_nodes() {
        let plan = plan(5);
        let roster = Roster::new(&plan);
        let mut stage = Stage::new(&plan);
        let one = |stage: &Stage, target| {
            let mut rng = Rng::named(1, "chaos");
            stage.view(Time::ZERO, |view| roster.resolve(&target, view, &mut rng))
        };
        let controller = NodeId::Controller(ControllerId(1));
        assert_eq!(one(&stage, Target::Node(broker(4))), Some(vec![broker(4)]));
        assert_eq!(one(&stage, Target::ActiveController), Some(vec![controller]));
        assert_eq!(one(&stage, Target::Leader(P0)), Some(vec![broker(1)]));
        assert_eq!(one(&stage, Target::Follower(P0)), Some(vec![broker(2)]));
        assert_eq!(one(&stage, Target::All).map(|nodes| nodes.len()), Some(5));
        for (target, size) in [
            (Target::One, 1),
            (Target::Minority, 2),
            (Target::Majority, 3),
            (Target::Percent(1), 1),
            (Target::Percent(79), 3),
            (Target::Percent(100), 5),
        ] {
            assert_eq!(one(&stage, target.clone()).map(|n| n.len()), Some(size), "{target:?}");
        }
        stage.down.push(broker(2));
        assert_eq!(one(&stage, Target::Follower(P0)), Some(vec![broker(3)]));
        stage.commit(P0, state(None, 1, &[]));
        assert_eq!(one(&stage, Target::Leader(P0)), None);
    }

    #[test]
    fn nobody_is_a_minority_of_two() {
        let plan = plan(2);
        let mut rng = Rng::named(1, "chaos");
        let roster = Roster::new(&plan);
        let stage = Stage::new(&plan);
        stage.view(Time::ZERO, |view| {
            assert_eq!(roster.resolve(&Target::Minority, view, &mut rng), None);
        });
    }

    #[test]
    fn a_node_in_two_groups_of_a_cut_belongs_to_the_first() {
        let plan = plan(3);
        let roster = Roster::new(&plan);
        let stage = Stage::new(&plan);
        let cut = |groups| Action::Partition { groups, direction: Direction::To };
        let words = cut(vec![vec![Target::Leader(P0)], vec![Target::All]]);
        let nodes = |numbers: &[u16]| numbers.iter().map(|n| Target::Node(broker(*n))).collect();
        let mut rng = Rng::named(1, "chaos");
        let resolved = stage.view(Time::ZERO, |view| roster.resolve_action(&words, view, &mut rng));
        assert_eq!(resolved, Some(cut(vec![nodes(&[1]), nodes(&[2, 3])])));
    }

    /// A swarm draws leaders and storms of user topics only.
    #[test]
    fn what_is_drawn_is_of_user_topics() {
        let mut plan = plan(3);
        let internal = TopicName {
            name: "__consumer_offsets".to_owned(),
            first: PartitionId(3),
            partitions: 2,
            most: 2,
        };
        plan.names.topics.push(internal);
        let replicas = plan.topics[0].replicas[..2].to_vec();
        plan.topics.push(TopicPlan { replicas, ..plan.topics[0].clone() });
        plan.names.topics.push(TopicName {
            name: "later".to_owned(),
            first: PartitionId(5),
            partitions: 1,
            most: 2,
        });
        let replicas = vec![plan.topics[0].replicas[0][..2].to_vec()];
        plan.topics.push(TopicPlan { replicas, ..plan.topics[0].clone() });
        let drawn = Roster::new(&plan).partitions;
        let drawn: Vec<_> = drawn.into_iter().map(|(partition, of)| (partition.0, of)).collect();
        assert_eq!(drawn, [(0, 3), (1, 3), (2, 3), (5, 2), (6, 2)]);
    }
}
