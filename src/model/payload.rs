//! What records say: key, value and timestamp of each, for applications that look into them.
//!
//! The protocol carries identities and sizes; nothing in a cluster depends on what a record says.
//! So payloads are kept beside the batches, 32 bytes a record, and only in a run of which some
//! process runs an application of the reader's own ([`AppPlan::Own`]). Headers are not modelled.
//!
//! [`AppPlan::Own`]: crate::model::plan::AppPlan::Own

use crate::base::ids::{PartitionId, TopicId};
use crate::base::time::Time;
use crate::model::batch::RecordId;
use crate::model::names::Names;

/// What one record says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Number of its key, whose text is `key-n`.
    pub key: Option<u32>,
    /// Its value: a number that its application chose.
    pub value: u32,
    /// Size of its value, in bytes.
    pub value_bytes: u32,
    /// Label of its value, if a script sent it.
    pub label: Option<u16>,
    /// When it was sent, by the wall clock of its producer (`CreateTime`).
    pub timestamp: Time,
}

/// What every record of a run says, and what topics are called.
#[derive(Clone, Debug)]
pub struct Payloads {
    names: Names,
    partitions: usize,
    /// By process and partition, and there by ordinal.
    said: Vec<Vec<Payload>>,
}

impl Payloads {
    /// Of a run that has not begun.
    #[must_use]
    pub fn new(names: &Names) -> Self {
        let partitions = names.partition_count();
        let said = vec![Vec::new(); partitions * names.processes.len()];
        Self { names: names.clone(), partitions, said }
    }

    /// A producer has made a record for a partition. Records come in the order of their ordinals.
    ///
    /// Speed: kept only where an application of the reader's own may ask; a send of any other run
    /// pays one test of a pointer.
    #[cold]
    pub fn add(&mut self, partition: PartitionId, record: RecordId, payload: Payload) {
        let place = self.place(partition, record);
        let said = &mut self.said[place];
        debug_assert_eq!(said.len(), record.ordinal as usize, "ordinals are dense");
        said.push(payload);
    }

    /// What a record says; `None` if nobody has made it.
    #[must_use]
    pub fn get(&self, partition: PartitionId, record: RecordId) -> Option<Payload> {
        self.said.get(self.place(partition, record))?.get(record.ordinal as usize).copied()
    }

    fn place(&self, partition: PartitionId, record: RecordId) -> usize {
        record.process.index() * self.partitions + partition.index()
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<TopicId> {
        let place = self.names.topics.iter().position(|topic| topic.name == name)?;
        Some(TopicId(place as u16))
    }

    /// The topic of a partition, and the partition's number within it.
    #[must_use]
    pub fn within_topic(&self, partition: PartitionId) -> (TopicId, u16) {
        let topic = self.names.topic_of(partition);
        (topic, partition.0 - self.names.topics[topic.index()].first.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Payload, Payloads};
    use crate::base::ids::{PartitionId, ProcessId, TopicId};
    use crate::model::batch::RecordId;
    use crate::model::names::{Names, TopicName};

    fn names() -> Names {
        let topic = |name: &str, first, partitions| TopicName {
            name: name.to_owned(),
            first: PartitionId(first),
            partitions,
            most: partitions,
        };
        Names {
            topics: vec![topic("a", 0, 2), topic("b", 2, 3)],
            processes: vec!["p".to_owned(), "q".to_owned()],
            labels: vec![],
        }
    }

    #[test]
    fn a_record_says_what_its_producer_gave_it_and_no_other_does() {
        let mut payloads = Payloads::new(&names());
        let record = |process, ordinal| RecordId { process: ProcessId(process), ordinal };
        for (process, partition, ordinal, value) in
            [(0, 0, 0, 10), (0, 0, 1, 11), (1, 0, 0, 12), (0, 4, 0, 13), (1, 4, 0, 14)]
        {
            let payload = Payload { value, ..Payload::default() };
            payloads.add(PartitionId(partition), record(process, ordinal), payload);
        }
        let value = |p, process, ordinal| {
            Some(payloads.get(PartitionId(p), record(process, ordinal))?.value)
        };
        assert_eq!([value(0, 0, 0), value(0, 0, 1), value(0, 1, 0)], [10, 11, 12].map(Some));
        assert_eq!([value(4, 0, 0), value(4, 1, 0)], [13, 14].map(Some));
        assert_eq!([value(0, 0, 2), value(1, 0, 0), value(4, 7, 0)], [None; 3]);
    }

    #[test]
    fn topics_are_found_by_name_and_partition() {
        let payloads = Payloads::new(&names());
        assert_eq!(payloads.topic("b"), Some(TopicId(1)));
        assert_eq!(payloads.topic("c"), None);
        assert_eq!(payloads.within_topic(PartitionId(1)), (TopicId(0), 1));
        assert_eq!(payloads.within_topic(PartitionId(4)), (TopicId(1), 2));
    }
}
