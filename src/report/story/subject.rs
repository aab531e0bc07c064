//! What a story follows: a record and its place in a log, as far as the checker named them.

use crate::base::ids::{Offset, PartitionId};
use crate::model::batch::RecordId;
use crate::model::fact::{Fact, Stamp};
use crate::report::story::Focus;

/// The record and the place that are followed.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) partition: PartitionId,
    pub(super) offset: Option<Offset>,
    pub(super) record: Option<RecordId>,
}

impl Subject {
    /// Fills in what the checker did not say: the offset of a record, or the record of an offset.
    pub(super) fn resolve(facts: &[(Stamp, Fact)], focus: &Focus) -> Option<Self> {
        let partition = focus.partition?;
        let (offset, record) = (focus.offset, focus.record);
        let mut subject = Self { partition, offset, record };
        if offset.is_some() == record.is_some() {
            return Some(subject);
        }
        // What was acknowledged says it best; then who appended first.
        let acked = facts.iter().rev().find_map(|(_, fact)| match *fact {
            Fact::Acked { partition: p, first, count, base: Some(base), .. } if p == partition => {
                subject.pair(base, count, first)
            }
            _ => None,
        });
        let appended = || {
            facts.iter().find_map(|(_, fact)| match *fact {
                Fact::Appended { partition: p, base, count, records, .. } if p == partition => {
                    subject.pair(base, count, records.workload()?)
                }
                _ => None,
            })
        };
        if let Some((offset, record)) = acked.or_else(appended) {
            (subject.offset, subject.record) = (Some(offset), Some(record));
        }
        Some(subject)
    }

    /// The offset and the record, if this batch has both.
    fn pair(&self, base: Offset, count: u32, first: RecordId) -> Option<(Offset, RecordId)> {
        let place = match (self.offset, self.record) {
            (Some(offset), _) if offset >= base => offset - base,
            (None, Some(record)) if record.process == first.process => {
                u64::from(record.ordinal.checked_sub(first.ordinal)?)
            }
            _ => return None,
        };
        (place < u64::from(count)).then(|| (base + place, first.plus(place as u32)))
    }

    /// Whether a run of records holds the record that is followed.
    pub(super) fn is_among(&self, first: RecordId, count: u32) -> bool {
        self.record.is_some_and(|record| {
            record.process == first.process
                && record.ordinal >= first.ordinal
                && record.ordinal - first.ordinal < count
        })
    }

    /// Whether its offset lies in `[from, to)`.
    pub(super) fn covers(&self, from: Offset, to: Offset) -> bool {
        self.offset.is_some_and(|offset| from <= offset && offset < to)
    }
}
