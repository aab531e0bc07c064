//! Names for numbers: what topics, partitions and processes of a run are called, and record values.
//!
//! Used where something is printed or compared with a recording, never by the protocol.

use crate::base::ids::{NodeId, PartitionId, PartitionIds, ProcessId, TopicId};
use crate::model::topic::TopicKind;

/// One topic: its name and where its partitions lie among all partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicName {
    /// As in the scenario file.
    pub name: String,
    /// Its partition 0.
    pub first: PartitionId,
    /// How many partitions it has at time zero.
    pub partitions: u16,
    /// How many it has at most: a plan names those too that will be created later, if at all.
    pub most: u16,
}

impl TopicName {
    /// The ids of its partitions.
    #[must_use]
    pub const fn ids(&self) -> PartitionIds {
        PartitionIds { first: self.first, most: self.most }
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> TopicKind {
        TopicKind::of(&self.name)
    }
}

/// All names of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// By `TopicId`.
    pub topics: Vec<TopicName>,
    /// By `ProcessId`: `p`, or `p/2` for the third of several.
    pub processes: Vec<String>,
    /// Labels of scripted sends, by the label's number.
    pub labels: Vec<String>,
}

impl Names {
    /// The topic of a partition.
    ///
    /// # Panics
    /// If there is no such partition.
    #[must_use]
    pub fn topic_of(&self, partition: PartitionId) -> TopicId {
        let place = self.place_of(partition).expect("every partition belongs to a topic");
        TopicId(place as u16)
    }

    fn place_of(&self, partition: PartitionId) -> Option<usize> {
        self.topics.iter().position(|topic| topic.ids().number(partition).is_some())
    }

    /// `orders-0`; of a partition that has no name here, because no plan knows it, its number.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> String {
        match self.place_of(partition).map(|place| &self.topics[place]) {
            Some(topic) => format!("{}-{}", topic.name, partition.0 - topic.first.0),
            None => format!("partition {}", partition.0),
        }
    }

    /// The partition called `orders-0`, if there is one.
    #[must_use]
    pub fn find_partition(&self, name: &str) -> Option<PartitionId> {
        let (topic, number) = name.rsplit_once('-')?;
        let topic = self.topics.iter().find(|t| t.name == topic)?;
        let number: u16 = number.parse().ok()?;
        (number < topic.most).then(|| topic.ids().id(number))
    }

    /// What the topic of a partition is for; one that has no name here is a user's.
    #[must_use]
    pub fn kind(&self, partition: PartitionId) -> TopicKind {
        self.place_of(partition).map_or(TopicKind::User, |place| self.topics[place].kind())
    }

    /// How many partitions have a name, whether they exist at time zero or are created later.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.topics.iter().map(|t| usize::from(t.most)).sum()
    }

    /// The ids of each topic's partitions, by `TopicId`.
    #[must_use]
    pub fn partition_ids(&self) -> Vec<PartitionIds> {
        self.topics.iter().map(TopicName::ids).collect()
    }

    /// The name of a process.
    #[must_use]
    pub fn process(&self, process: ProcessId) -> &str {
        self.processes.get(process.index()).map_or("?", String::as_str)
    }

    /// The name of a node: `b1`, `ctl1`, or a process's name.
    #[must_use]
    pub fn node(&self, node: NodeId) -> String {
        match node {
            NodeId::Process(process) => self.process(process).to_owned(),
            other => other.to_string(),
        }
    }
}
