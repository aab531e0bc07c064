//! Names for numbers: what topics, partitions and processes of a run are called, and record values.
//!
//! Used where something is printed or compared with a recording, never by the protocol.

use crate::base::ids::{NodeId, PartitionId, ProcessId, TopicId};

/// One topic: its name and where its partitions lie among all partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicName {
    /// As in the scenario file.
    pub name: String,
    /// Its partition 0.
    pub first: PartitionId,
    /// How many partitions.
    pub partitions: u16,
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
        let holds = |t: &TopicName| {
            partition.0.checked_sub(t.first.0).is_some_and(|number| number < t.partitions)
        };
        self.topics.iter().position(holds)
    }

    /// `orders-0`; of a partition that has no name here, because it was created later, its number.
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
        (number < topic.partitions).then(|| PartitionId(topic.first.0 + number))
    }

    /// How many partitions there are in all.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.topics.iter().map(|t| usize::from(t.partitions)).sum()
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
