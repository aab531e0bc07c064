//! `fenced-in-isr`, claim G16: a broker whose session has ended is in no ISR.
//!
//! Two moments are judged, each when its instant is over, because the records of one batch may come
//! in either order: a member joins (it must be unfenced and not shutting down, KIP-841), and a
//! broker is fenced (every ISR that has others must have dropped it, and it leads nothing). The
//! last member of an ISR stays in it without a leader where eligible leader replicas are off. Known
//! as `ValidControllerState`.

use crate::base::ids::{BrokerId, PartitionId};
use crate::check::ghost::{Ghosts, PartitionGhost};
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// A member joined whose broker was not taken for alive when that was told.
pub(crate) fn joined(
    ghosts: &Ghosts,
    partition: PartitionId,
    place: usize,
    stamp: Stamp,
    findings: &mut Findings,
) {
    let ghost = &ghosts.partitions[partition.index()];
    let broker = ghost.replicas[place];
    if ghost.state.isr.has(place) && !ghosts.broker(broker).is_active() {
        report(ghost, broker, stamp, findings);
    }
}

/// A broker was fenced, or registered anew, which begins fenced.
pub(crate) fn fenced(ghosts: &Ghosts, broker: BrokerId, stamp: Stamp, findings: &mut Findings) {
    if !ghosts.broker(broker).fenced {
        return;
    }
    for ghost in &ghosts.partitions {
        let Some(place) = ghost.place(broker) else { continue };
        findings.exercise(PropertyId::FencedInIsr);
        let alone = ghost.state.isr.len() == 1 && ghost.state.leader.is_none();
        if ghost.state.isr.has(place) && !alone {
            report(ghost, broker, stamp, findings);
        }
    }
}

fn report(ghost: &PartitionGhost, broker: BrokerId, stamp: Stamp, findings: &mut Findings) {
    let violation = Violation::of(PropertyId::FencedInIsr, stamp, Detail::Fenced)
        .partition(ghost.id)
        .broker(broker);
    findings.add(PropertyId::FencedInIsr, violation);
}

#[cfg(test)]
mod tests {
    use crate::base::time::Span;
    use crate::check::forge::Forge;

    #[test]
    fn fencing_empties_isrs() {
        let mut forge = Forge::new();
        forge.fence(3).wait(Span::millis(1)).touch().expect("fenced-in-isr", 1);
        let mut forge = Forge::new();
        forge.now(|f| f.isr(&[1, 2], &[], 0).fence(3)).wait(Span::millis(1)).touch();
        forge.expect_none("fenced-in-isr");
    }

    /// Edges: of two members the fenced one must go, and the last one may stay but not lead.
    #[test]
    fn of_two_members_the_fenced_one_goes_and_the_last_one_does_not_lead() {
        let mut forge = Forge::new();
        forge.isr(&[1, 2], &[], 0).wait(Span::millis(1)).touch().expect_none("fenced-in-isr");
        forge.fence(2).wait(Span::millis(1)).touch().expect("fenced-in-isr", 1);
        let mut forge = Forge::new();
        forge.isr(&[1], &[], 0).wait(Span::millis(1)).touch().expect_none("fenced-in-isr");
        forge.fence(1).wait(Span::millis(1)).touch().expect("fenced-in-isr", 1);
    }

    #[test]
    fn the_last_member_stays() {
        let mut forge = Forge::new();
        forge.isr(&[1], &[], 0).now(|f| f.lose_leader(&[1], &[], 1).fence(1));
        forge.wait(Span::millis(1)).touch().expect_none("fenced-in-isr");
    }

    #[test]
    fn a_fenced_broker_may_not_join() {
        let mut forge = Forge::new();
        forge.now(|f| f.isr(&[1, 2], &[], 0).fence(3)).wait(Span::millis(1));
        forge.isr(&[1, 2, 3], &[], 0).wait(Span::millis(1)).touch().expect("fenced-in-isr", 1);
    }
}
