//! What a checker found: one small value per finding, and the list and counters of all of them.
//!
//! Does not know what is promised: whether a finding fails a run is decided by its reader.

use std::fmt::Write as _;

use crate::base::ids::{BrokerId, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch};
use crate::base::time::{Span, Time};
use crate::model::batch::RecordId;
use crate::model::fact::Stamp;
use crate::model::names::Names;

use super::audit::Compared;
use super::canon::Entry;
use super::properties::PropertyId;

/// How many findings of one property are kept whole; all are counted.
pub const KEPT_PER_PROPERTY: u8 = 64;

/// What is said about a finding beside where and when.
#[expect(missing_docs, reason = "fields bear the names that the variant's sentence uses")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The leader of a later epoch lacks it. `acked` is never if nobody was told.
    MissingFrom { acked: Option<Time>, leader: BrokerId, epoch: LeaderEpoch },
    /// No disk holds it.
    NoDisk { acked: Option<Time> },
    /// It was reported as sent and never reached the log of a leader.
    NeverAppended,
    /// The offset holds another batch of the same leader epoch.
    OtherBatch { epoch: LeaderEpoch },
    /// A batch does not continue the log that ended at `end`.
    Gap { end: Offset },
    /// It stood at `from` before, in this leader epoch.
    Fell { from: Offset, epoch: LeaderEpoch },
    /// A log ends at `end` although everything below `watermark` is committed.
    Behind { end: Offset, watermark: Offset },
    /// It lies at or above the true high watermark.
    Above { watermark: Offset },
    /// Another reader got another record there.
    Differs { other: RecordId },
    /// It is in the log already; with an idempotent producer, in this epoch of it.
    Again { epoch: Option<ProducerEpoch> },
    /// It has this sequence number in its producer epoch, and another one was next.
    SequenceGap { epoch: ProducerEpoch, first: u32, next: u32 },
    /// It is of this producer epoch, and the log holds a batch of a later one of that producer.
    Unfenced { epoch: ProducerEpoch, newest: ProducerEpoch },
    /// Its producer reported it as refused for good.
    Rejected,
    /// The log of the partition holds records of its producer up to `next` already.
    Late { next: u32 },
    /// A consumer was at `position` already.
    Reread { position: Offset },
    /// A consumer stood at `position` and was handed something further on.
    Skipped { position: Offset },
    /// A broker told it to a client, as something that lies elsewhere.
    Told { what: &'static str, low: Offset, high: Offset },
    /// Why a position may not be so.
    Position { why: &'static str },
    /// Another broker leads in this epoch.
    OtherLeader { leader: BrokerId, epoch: LeaderEpoch },
    /// It left the ISR although it had followed closely.
    Removed { caught_up: Time },
    /// It is in the ISR although it is fenced or stopping.
    Fenced,
    /// The key's hash says otherwise.
    BelongsTo { partition: PartitionId },
    /// So many replicas ever held it, and so many must.
    HeldBy { replicas: u8, needed: u8 },
    /// Why it may not lead.
    Winner { why: &'static str },
    /// The log start may not be above this.
    StartBeyond { bound: Offset },
    /// The log start passed a record appended after this moment.
    StartTooYoung { since: Time },
    /// What the facts said; `found` is what the audit found.
    Audit { what: Compared, expected: u64, found: u64 },
    /// It had not come true so long after the heal.
    After { heal: Span },
}

/// One finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The property's name.
    pub property: &'static str,
    /// When it was found, and in which event.
    pub stamp: Stamp,
    /// Which partition it is about.
    pub partition: Option<PartitionId>,
    /// Which offset.
    pub offset: Option<Offset>,
    /// Which record; of several, the first.
    pub record: Option<RecordId>,
    /// How many records, or 1.
    pub records: u32,
    /// Which node.
    pub node: Option<NodeId>,
    /// The rest: in words by [`Violation::text`].
    #[doc(hidden)]
    pub detail: Detail,
}

impl Violation {
    /// A finding about nothing in particular yet.
    pub(crate) const fn of(id: PropertyId, stamp: Stamp, detail: Detail) -> Self {
        Self {
            property: id.name(),
            stamp,
            partition: None,
            offset: None,
            record: None,
            records: 1,
            node: None,
            detail,
        }
    }

    pub(crate) const fn partition(self, partition: PartitionId) -> Self {
        Self { partition: Some(partition), ..self }
    }

    pub(crate) const fn offset(self, offset: Offset) -> Self {
        Self { offset: Some(offset), ..self }
    }

    pub(crate) const fn record(self, record: RecordId, records: u32) -> Self {
        Self { record: Some(record), records, ..self }
    }

    /// So many records of a batch, from its first on.
    pub(crate) fn batch(self, entry: &Entry, records: u32) -> Self {
        Self { offset: Some(entry.base), record: entry.workload(), records, ..self }
    }

    pub(crate) const fn records(self, records: u32) -> Self {
        Self { records, ..self }
    }

    pub(crate) const fn broker(self, broker: BrokerId) -> Self {
        Self { node: Some(NodeId::Broker(broker)), ..self }
    }

    pub(crate) const fn node(self, node: NodeId) -> Self {
        Self { node: Some(node), ..self }
    }

    /// One line in words, without the property's name and the time it was found.
    #[must_use]
    pub fn text(&self, names: &Names) -> String {
        let mut parts: Vec<String> = Vec::with_capacity(5);
        if let Some(partition) = self.partition {
            let mut place = names.partition(partition);
            if let Some(offset) = self.offset {
                let _ = write!(place, " offset {offset}");
            }
            parts.push(place);
        }
        if let Some(record) = self.record {
            let process = names.process(record.process);
            parts.push(match self.records {
                0 | 1 => format!("record r{} of {process}", record.ordinal),
                n => format!(
                    "records r{} to r{} of {process}",
                    record.ordinal,
                    u64::from(record.ordinal) + u64::from(n) - 1
                ),
            });
        } else if self.records > 1 {
            parts.push(format!("{} records", self.records));
        }
        // Whom a record is missing from is said at the end.
        let said_below = matches!(self.detail, Detail::MissingFrom { .. });
        if let Some(node) = self.node.filter(|_| !said_below) {
            parts.push(names.node(node));
        }
        self.detail.describe(names, &mut parts);
        parts.join(", ")
    }
}

impl Detail {
    fn describe(&self, names: &Names, parts: &mut Vec<String>) {
        let acked_at = |acked: Option<Time>| acked.map(|at| format!("acked at {at} s"));
        let text = match *self {
            Self::MissingFrom { acked, leader, epoch } => {
                parts.extend(acked_at(acked));
                format!("missing from {leader}, leader of epoch {}", epoch.0)
            }
            Self::NoDisk { acked } => {
                parts.extend(acked_at(acked));
                "on no disk any more".to_owned()
            }
            Self::NeverAppended => "reported as sent, never appended by a leader".to_owned(),
            Self::OtherBatch { epoch } => {
                format!("another replica has another batch there in leader epoch {}", epoch.0)
            }
            Self::Gap { end } => format!("its log ended at {end}"),
            Self::Fell { from, epoch } => {
                format!("shown after {from} in leader epoch {}", epoch.0)
            }
            Self::Behind { end, watermark } => {
                format!("ends at {end}, everything below {watermark} is committed")
            }
            Self::Above { watermark } => format!("read above the high watermark {watermark}"),
            Self::Differs { other } => format!(
                "another read gave record r{} of {}",
                other.ordinal,
                names.process(other.process)
            ),
            Self::Again { epoch: Some(epoch) } => {
                format!("in the log already, in producer epoch {}", epoch.0)
            }
            Self::Again { epoch: None } => "in the log already".to_owned(),
            Self::SequenceGap { epoch, first, next } => out_of_sequence(epoch, first, next),
            Self::Unfenced { epoch, newest } => after_epoch(epoch, newest),
            Self::Rejected => "reported as refused for good".to_owned(),
            Self::Late { next } => format!("appended after r{}", next.saturating_sub(1)),
            Self::Reread { position } => format!("read again from a position of {position}"),
            Self::Skipped { position } => format!("skipped from a position of {position}"),
            Self::Told { what, low, high } if low == high => {
                format!("told to a client as {what}, which is {low}")
            }
            Self::Told { what, low, high } => {
                format!("told to a client as {what}, which lies from {low} to {high}")
            }
            Self::Position { why } => format!("a position {why}"),
            Self::OtherLeader { leader, epoch } => {
                format!("{leader} leads in leader epoch {}", epoch.0)
            }
            Self::Removed { caught_up } => {
                format!("taken from the ISR, caught up at {caught_up} s and ever since")
            }
            Self::Fenced => "in the ISR while fenced or stopping".to_owned(),
            Self::BelongsTo { partition } => {
                format!("its key belongs to {}", names.partition(partition))
            }
            Self::HeldBy { replicas, needed } => {
                format!("on {replicas} replicas, min.insync.replicas asks for {needed}")
            }
            Self::Winner { why } => why.to_owned(),
            Self::StartBeyond { bound } => format!("committed only up to {bound}"),
            Self::StartTooYoung { since } => {
                format!("deletes records appended after {since} s, inside retention.ms")
            }
            Self::Audit { what, expected, found } => {
                format!("{}: the facts say {expected}, the node {found}", what.text())
            }
            Self::After { heal } => format!("not so {} s after the heal", Time(heal.0)),
        };
        parts.push(text);
    }
}

fn out_of_sequence(epoch: ProducerEpoch, first: u32, next: u32) -> String {
    format!("sequence {first} in producer epoch {}, where {next} is next", epoch.0)
}

fn after_epoch(epoch: ProducerEpoch, newest: ProducerEpoch) -> String {
    format!("in producer epoch {}, after epoch {} of the same producer", epoch.0, newest.0)
}

/// All findings of a run, and how often each property was put to the test.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    kept: Vec<Violation>,
    kept_of: [u8; PropertyId::ALL.len()],
    counts: [u64; PropertyId::ALL.len()],
    exercised: [u64; PropertyId::ALL.len()],
}

impl Findings {
    pub(crate) const fn new() -> Self {
        Self {
            kept: Vec::new(),
            kept_of: [0; PropertyId::ALL.len()],
            counts: [0; PropertyId::ALL.len()],
            exercised: [0; PropertyId::ALL.len()],
        }
    }

    /// Notes a finding; it counts as many times as it has records.
    #[cold]
    pub(crate) fn add(&mut self, id: PropertyId, violation: Violation) {
        self.counts[id as usize] += u64::from(violation.records.max(1));
        if self.kept_of[id as usize] < KEPT_PER_PROPERTY {
            self.kept_of[id as usize] += 1;
            self.kept.push(violation);
        }
    }

    /// Notes that a mark was seen; marks have no findings.
    pub(crate) const fn mark(&mut self, id: PropertyId) {
        self.counts[id as usize] += 1;
    }

    /// Notes that a mark was seen so many times.
    pub(crate) const fn mark_many(&mut self, id: PropertyId, times: u64) {
        self.counts[id as usize] += times;
    }

    /// Notes that a property was put to the test.
    ///
    /// Speed: counters wrap without a check, because nothing happens 2^64 times in a run.
    #[inline(always)]
    pub(crate) const fn exercise(&mut self, id: PropertyId) {
        self.exercise_many(id, 1);
    }

    /// Notes that a property was put to the test so many times.
    ///
    /// Speed: likewise.
    #[inline(always)]
    pub(crate) const fn exercise_many(&mut self, id: PropertyId, times: u64) {
        self.exercised[id as usize] = self.exercised[id as usize].wrapping_add(times);
    }

    pub(crate) fn kept(&self) -> &[Violation] {
        &self.kept
    }

    pub(crate) const fn count(&self, id: PropertyId) -> u64 {
        self.counts[id as usize]
    }

    pub(crate) const fn exercised(&self, id: PropertyId) -> u64 {
        self.exercised[id as usize]
    }
}
