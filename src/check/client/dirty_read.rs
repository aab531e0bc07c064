//! `dirty-read`, claim G4: a consumer only ever reads committed records.
//!
//! A read is dirty if it reaches above the true high watermark as it stands, or gives a record
//! that the canonical log does not have there (a deposed leader's, never committed or lost since).
//! The answer that carries a batch shows the watermark first, so a clean read is below it. Known
//! as G1a, *aborted read*, for transactions; those come with them.

use super::inconsistent_read::Read;
use crate::base::ids::{NodeId, Offset};
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// A consumer read a batch; `canonical` tells whether the canonical log has it there.
pub(crate) fn consumed(
    ghost: &PartitionGhost,
    read: &Read,
    canonical: bool,
    stamp: Stamp,
    findings: &mut Findings,
) {
    findings.exercise(PropertyId::DirtyRead);
    if canonical && read.end() <= ghost.watermark {
        return;
    }
    let at: Offset = if canonical { read.base.max(ghost.watermark) } else { read.base };
    let detail = Detail::Above { watermark: ghost.watermark };
    let record = read.first.plus((at - read.base) as u32);
    let violation = Violation::of(PropertyId::DirtyRead, stamp, detail)
        .partition(ghost.id)
        .offset(at)
        .record(record, (read.end() - at) as u32)
        .node(NodeId::Process(read.process));
    findings.add(PropertyId::DirtyRead, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    #[test]
    fn reads_end_at_the_watermark() {
        let mut forge = Forge::new();
        forge.append(1, 0, 2, 0).append(2, 0, 2, 0).append(3, 0, 2, 0).append(1, 2, 1, 0);
        forge.expose(1, 0, 2, 2).consume(0, 2).expect_none("dirty-read");
        forge.consume(2, 1).expect("dirty-read", 1);
    }

    #[test]
    fn a_record_that_is_not_in_the_log_is_dirty() {
        let mut forge = Forge::new();
        forge.append(1, 0, 2, 0).append(2, 0, 2, 0).append(3, 0, 2, 0).expose(1, 0, 2, 2);
        forge.consume_other(0, 2, 500).expect("dirty-read", 2);
    }
}
