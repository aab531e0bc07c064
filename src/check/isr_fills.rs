//! `isr-fills`, claims F3 and F10: after the heal every committed ISR holds all replicas again.

use crate::base::time::Time;
use crate::model::fact::Stamp;

use super::ghost::PartitionGhost;
use super::liveness::Account;
use super::registry::PropertyId;
use super::violation::{Detail, Findings, Violation};

fn is_full(ghost: &PartitionGhost) -> bool {
    ghost.everyone().is_subset(ghost.state.isr)
}

/// How many ISRs are not full. Unlike other accounts this one is kept all the time.
#[derive(Clone, Debug, Default)]
pub(crate) struct IsrFills {
    pub(crate) account: Account,
}

impl IsrFills {
    /// A state was committed; `was_full` is about the one before.
    pub(crate) fn committed(&mut self, ghost: &PartitionGhost, was_full: bool, now: Time) {
        match (was_full, is_full(ghost)) {
            (true, false) => self.account.owe(1),
            (false, true) => self.account.pay(1, now),
            _ => {}
        }
    }

    pub(crate) fn was_full(ghost: &PartitionGhost) -> bool {
        is_full(ghost)
    }
}

/// Judges what stands at the end.
pub(crate) fn finish(
    partitions: &[PartitionGhost],
    healed: Time,
    stamp: Stamp,
    findings: &mut Findings,
) {
    findings.exercise_many(PropertyId::IsrFills, partitions.len() as u64);
    for ghost in partitions.iter().filter(|g| !is_full(g)) {
        let missing = ghost.everyone().minus(ghost.state.isr).iter().next().unwrap_or_default();
        let detail = Detail::After { heal: stamp.time.since(healed) };
        let violation = Violation::of(PropertyId::IsrFills, stamp, detail)
            .partition(ghost.id)
            .broker(ghost.replicas[missing]);
        findings.add(PropertyId::IsrFills, violation);
    }
}

#[cfg(test)]
mod tests {
    use crate::base::time::Span;
    use crate::check::forge::Forge;

    #[test]
    fn isrs_fill() {
        let mut forge = Forge::new();
        forge.isr(&[1, 2], &[], 0).heal().wait(Span::secs(2));
        assert!(!forge.checks.converged());
        forge.isr(&[1, 2, 3], &[], 0).wait(Span::secs(2));
        assert!(forge.checks.converged());
        assert_eq!(forge.checks.liveness("isr-fills").map(Span::as_millis), Some(2_000));
        forge.finish().expect_none("isr-fills");
        let mut forge = Forge::new();
        forge.isr(&[1, 2], &[], 0).heal().wait(Span::secs(100)).finish().expect("isr-fills", 1);
    }
}
