//! `isr-fills`, claims F3 and F10: after the heal every committed ISR holds all replicas again, but
//! for those on brokers that only a restart can bring back (`PartitionGhost::displaced`), and for
//! partitions that nobody can lead because of them (`PartitionGhost::is_stuck`).

use super::account::Account;
use crate::base::time::Time;
use crate::check::ghost::Ghosts;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// How many ISRs are not full. Unlike other accounts this one is kept all the time.
#[derive(Clone, Debug, Default)]
pub(crate) struct IsrFills {
    pub(crate) account: Account,
}

impl IsrFills {
    /// A state was committed, or a broker displaced.
    pub(crate) fn changed(&mut self, was_full: bool, is_full: bool, now: Time) {
        match (was_full, is_full) {
            (true, false) => self.account.owe(1),
            (false, true) => self.account.pay(1, now),
            _ => {}
        }
    }
}

/// Judges what stands at the end.
pub(crate) fn finish(ghosts: &Ghosts, healed: Time, stamp: Stamp, findings: &mut Findings) {
    findings.exercise_many(PropertyId::IsrFills, ghosts.existing().count() as u64);
    for ghost in ghosts.existing().filter(|g| !g.dues().full) {
        let missing = ghost.missing().iter().next().unwrap_or_default();
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

    /// A registration of the process before arrives last: nobody can be asked to come back.
    #[test]
    fn a_displaced_broker_is_excused_until_it_is_restarted() {
        let displaced = || {
            let mut forge = Forge::new();
            forge.stop(3).now(|f| f.isr(&[1, 2], &[], 0).fence(3)).start(3);
            forge.register(3, true).register_as(3, 0, true).heal().wait(Span::secs(100));
            forge
        };
        assert!(displaced().checks.converged());
        displaced().finish().expect_none("isr-fills").expect_none("metadata-converges");
        let mut forge = displaced();
        forge.stop(3).start(3).register(3, true);
        assert!(!forge.checks.converged());
        forge.finish().expect("isr-fills", 1).expect("metadata-converges", 1);
    }

    #[test]
    fn a_late_registration_before_its_own_displaces_nobody() {
        let mut forge = Forge::new();
        forge.stop(3).now(|f| f.isr(&[1, 2], &[], 0).fence(3)).start(3);
        forge.register_as(3, 0, true).heal().wait(Span::secs(100)).finish();
        forge.expect("isr-fills", 1);
    }
}
