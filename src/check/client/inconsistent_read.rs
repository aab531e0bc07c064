//! `inconsistent-read`, claim G4: one offset holds one record, whoever reads it and when.
//!
//! What consumers read is marked in the canonical log. A batch that was read and then fell out, or
//! that was read from a log that is not canonical, is set aside; every later read of those offsets
//! is compared with it. Known as `ConsistentRead`.

use crate::base::ids::NodeId;
use crate::base::ids::{BrokerId, LeaderEpoch, Offset, ProcessId};
use crate::base::time::Time;
use crate::check::canon::{Entry, Seeker};
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::batch::{RecordId, Records};
use crate::model::fact::Stamp;

/// So many batches are set aside per partition. Only losses make them.
const ASIDE_KEPT: usize = 4096;

/// A batch as a consumer got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) process: ProcessId,
    pub(crate) base: Offset,
    pub(crate) count: u32,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) first: RecordId,
    pub(crate) broker: BrokerId,
}

impl Read {
    pub(crate) fn end(&self) -> Offset {
        self.base + u64::from(self.count)
    }

    fn record_at(&self, offset: Offset) -> RecordId {
        self.first.plus((offset - self.base) as u32)
    }

    const fn entry(&self) -> Entry {
        Entry {
            base: self.base,
            records: Records::Workload(self.first),
            count: self.count,
            epoch: self.epoch,
            sequence: None,
            acked: Time::NEVER,
            read: true,
            kept: false,
        }
    }
}

/// What was read and is not in the canonical log, per partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct InconsistentRead {
    aside: Vec<Vec<Entry>>,
}

impl InconsistentRead {
    /// There are so many partitions.
    pub(crate) fn grow(&mut self, partitions: usize) {
        self.aside.resize_with(partitions, Vec::new);
    }

    /// Batches fell out of the canonical log.
    pub(crate) fn fell_out(&mut self, partition: usize, removed: &[Entry]) {
        for entry in removed.iter().filter(|e| e.read) {
            self.set_aside(partition, *entry);
        }
    }

    fn set_aside(&mut self, partition: usize, entry: Entry) {
        let aside = &mut self.aside[partition];
        if aside.len() < ASIDE_KEPT
            && !aside.iter().any(|e| e.base == entry.base && e.records == entry.records)
        {
            aside.push(entry);
        }
    }

    /// A consumer read a batch. Returns whether it is what the canonical log has there.
    pub(crate) fn consumed(
        &mut self,
        ghost: &mut PartitionGhost,
        read: &Read,
        stamp: Stamp,
        findings: &mut Findings,
    ) -> bool {
        findings.exercise(PropertyId::InconsistentRead);
        let place = ghost.id.index();
        let mut other = None;
        for entry in &self.aside[place] {
            let at = entry.base.max(read.base);
            if at < entry.end().min(read.end()) && entry.record_at(at) != Some(read.record_at(at)) {
                other = entry.record_at(at).map(|record| (at, record));
            }
        }
        let mut canonical = true;
        let mut at = read.base;
        while at < read.end() {
            let Some(found) = ghost.canon.find(at, Seeker::Reader) else {
                // Below the start: retention was faster. Above the end: not canonical.
                canonical = at < ghost.canon.start();
                break;
            };
            let entry = ghost.canon.entry_mut(found);
            if entry.record_at(at) != Some(read.record_at(at)) {
                canonical = false;
                if entry.read {
                    other = entry.record_at(at).map(|record| (at, record));
                }
                break;
            }
            entry.read = true;
            at = entry.end();
        }
        if !canonical {
            self.set_aside(place, read.entry());
        }
        if let Some((at, other)) = other {
            let detail = Detail::Differs { other };
            let violation = Violation::of(PropertyId::InconsistentRead, stamp, detail)
                .partition(ghost.id)
                .offset(at)
                .record(read.record_at(at), 1)
                .node(NodeId::Process(read.process));
            findings.add(PropertyId::InconsistentRead, violation);
        }
        canonical
    }
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn two_readers_of_one_log_agree() {
        let mut forge = Forge::new();
        forge.append(1, 0, 3, 0).append(2, 0, 3, 0).append(3, 0, 3, 0).expose(1, 0, 2, 3);
        forge.consume(0, 3).rewind(0).consume(0, 2).expect_none("inconsistent-read");
        forge.expect_none("dirty-read");
    }

    #[test]
    fn readers_disagree_after_an_unclean_election() {
        let mut forge = Forge::new();
        forge.append(1, 0, 3, 0).expose(1, 0, 2, 3).consume(0, 3);
        forge.elect(2, 1).append_other(2, 0, 1, 1, 40).expose(2, 1, 3, 1).rewind(0);
        forge.consume_other(0, 1, 40).expect("inconsistent-read", 1);
    }

    #[test]
    fn what_nobody_had_read_may_be_replaced() {
        let mut forge = Forge::new();
        forge.append(1, 0, 3, 0).elect(2, 1).append_other(2, 0, 1, 1, 40);
        forge.expose(2, 1, 3, 1).consume_other(0, 1, 40).expect_none("inconsistent-read");
    }
}
