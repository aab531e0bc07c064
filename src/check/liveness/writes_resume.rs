//! `writes-resume`, claims F1 and F3: whoever writes after the heal is heard.
//!
//! A partition owes an acknowledgement from the heal on if it has open records then, or from its
//! first record after it; any acknowledgement pays. What it owes only for records of before lapses
//! when the last of them runs out of time: they may have been old, and nobody writes any more. A
//! partition that nobody can lead ([`PartitionGhost::is_stuck`]) owes nothing.
//!
//! [`PartitionGhost::is_stuck`]: crate::check::ghost::PartitionGhost::is_stuck

use super::account::Account;
use crate::base::ids::PartitionId;
use crate::base::time::Time;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owes {
    Nothing,
    /// For records handed over before the heal.
    ToTheOld,
    Acknowledgement,
    NothingMore,
    /// Nothing, whatever is handed over: nobody can lead it.
    Excused,
}

impl Owes {
    const fn is_open(self) -> bool {
        matches!(self, Self::Acknowledgement | Self::ToTheOld)
    }
}

/// What each partition owes.
#[derive(Clone, Debug, Default)]
pub(crate) struct WritesResume {
    partitions: Vec<Owes>,
    pub(crate) account: Account,
    /// Between the heal and the end of the workload: what is handed over then is owed an answer.
    judging: bool,
}

impl WritesResume {
    /// There are so many partitions.
    pub(crate) fn grow(&mut self, partitions: usize) {
        self.partitions.resize(partitions, Owes::Nothing);
    }

    /// Everything is healed; `open` tells whether a partition has open records.
    pub(crate) fn healed(&mut self, open: impl Fn(usize) -> bool, findings: &mut Findings) {
        self.judging = true;
        for place in 0..self.partitions.len() {
            if open(place) && self.partitions[place] != Owes::Excused {
                self.partitions[place] = Owes::ToTheOld;
                self.account.owe(1);
                findings.exercise(PropertyId::WritesResume);
            }
        }
    }

    /// The workload ends. What gets a place now because older records have run out of time may run
    /// out of time as well, and nobody sends any more to show that writes go through.
    pub(crate) const fn stopping(&mut self) {
        self.judging = false;
    }

    pub(crate) fn submitted(&mut self, partition: usize, findings: &mut Findings) {
        if !self.judging {
            return;
        }
        let owes = &mut self.partitions[partition];
        if *owes == Owes::Nothing {
            self.account.owe(1);
            findings.exercise(PropertyId::WritesResume);
        }
        if !matches!(*owes, Owes::NothingMore | Owes::Excused) {
            *owes = Owes::Acknowledgement;
        }
    }

    pub(crate) fn acked(&mut self, partition: usize, now: Time) {
        let owes = &mut self.partitions[partition];
        if owes.is_open() {
            *owes = Owes::NothingMore;
            self.account.pay(1, now);
        }
    }

    /// The last open record of a partition failed.
    pub(crate) fn lapsed(&mut self, partition: usize, now: Time) {
        let owes = &mut self.partitions[partition];
        if *owes == Owes::ToTheOld {
            *owes = Owes::Nothing;
            self.account.pay(1, now);
        }
    }

    /// Nobody can lead a partition, or somebody can again.
    pub(crate) fn stuck(&mut self, partition: usize, stuck: bool, now: Time) {
        let owes = if stuck { Owes::Excused } else { Owes::Nothing };
        if std::mem::replace(&mut self.partitions[partition], owes).is_open() {
            self.account.pay(1, now);
        }
    }

    pub(crate) fn finish(&self, healed: Time, stamp: Stamp, findings: &mut Findings) {
        for (place, owes) in self.partitions.iter().enumerate() {
            if owes.is_open() {
                let detail = Detail::After { heal: stamp.time.since(healed) };
                let violation = Violation::of(PropertyId::WritesResume, stamp, detail)
                    .partition(PartitionId(place as u16));
                findings.add(PropertyId::WritesResume, violation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::time::Span;
    use crate::check::forge::Forge;
    use crate::model::config::Acks;

    #[test]
    fn writes_resume_with_an_acknowledgement() {
        let mut forge = Forge::new();
        forge.submit(1).heal().wait(Span::secs(3)).submit(1).append(1, 0, 2, 0).append(2, 0, 2, 0);
        assert!(!forge.checks.converged());
        forge.ack(0, 2, Acks::All);
        assert_eq!(forge.checks.liveness("writes-resume").map(|s| s.0 / 1_000_000_000), Some(3));
        forge.finish().expect_none("writes-resume");
    }

    #[test]
    fn what_is_handed_over_while_the_workload_ends_owes_nothing() {
        let mut forge = Forge::new();
        forge.submit(1).heal().give_up(0, 1);
        forge.checks.stopping();
        forge.submit(1).wait(Span::secs(60)).give_up(1, 1).finish().expect_none("writes-resume");
    }

    #[test]
    fn silence_after_the_heal_is_reported() {
        let mut forge = Forge::new();
        forge.heal().submit(1).wait(Span::secs(60)).finish().expect("writes-resume", 1);
        let mut forge = Forge::new();
        forge.heal().submit(1).give_up(0, 1).finish().expect("writes-resume", 1);
        let mut forge = Forge::new();
        forge.submit(1).heal().give_up(0, 1).finish().expect_none("writes-resume");
        let mut forge = Forge::new();
        forge.heal().finish().expect_none("writes-resume");
        assert_eq!(forge.checks.exercised("writes-resume"), 0);
    }
}
