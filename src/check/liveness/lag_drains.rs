//! `lag-drains`, claim F25: consumers catch up.
//!
//! A consumer owes, per partition it has a position in, to reach the true high watermark that
//! stood at the heal. Consumers that a script starts, and those that have stopped or got an
//! exception (no reset policy), owe nothing. If the watermark is lowered because records are lost,
//! so is what is owed; of a partition that nobody can lead (`PartitionGhost::is_stuck`) nothing is.

use super::account::Account;
use crate::base::ids::{NodeId, Offset, PartitionId, ProcessId};
use crate::base::time::Time;
use crate::check::properties::PropertyId;
use crate::check::streams::{Clients, ConsumerKind};
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// What each reader owes to reach; parallel to the readers of [`Clients`].
#[derive(Clone, Debug)]
pub(crate) struct LagDrains {
    owed: Vec<Option<Offset>>,
    reads: Vec<bool>,
    stopped: Vec<bool>,
    pub(crate) account: Account,
}

impl LagDrains {
    pub(crate) fn new(clients: &Clients) -> Self {
        Self {
            owed: Vec::new(),
            reads: Vec::new(),
            stopped: vec![false; clients.kinds.len()],
            account: Account::default(),
        }
    }

    /// There are more readers.
    /// There are so many readers.
    pub(crate) fn grow(&mut self, clients: &Clients) {
        self.owed.resize(clients.readers.len(), None);
        self.reads.resize(clients.readers.len(), false);
    }

    /// A reader stands at `position`.
    pub(crate) fn moved(&mut self, reader: usize, position: Offset, now: Time) {
        self.reads[reader] = true;
        if self.owed[reader].is_some_and(|owed| position >= owed) {
            self.owed[reader] = None;
            self.account.pay(1, now);
        }
    }

    /// A process will not read on: it was stopped, or met an exception.
    pub(crate) fn stopped(&mut self, clients: &Clients, process: ProcessId, now: Time) {
        let kind = clients.kinds.get(process.index());
        let Some(ConsumerKind { number, .. }) = kind.and_then(|kind| kind.consumer) else {
            return;
        };
        self.stopped[process.index()] = true;
        for partition in 0..clients.partitions() {
            if self.owed[clients.reader_of(number, partition)].take().is_some() {
                self.account.pay(1, now);
            }
        }
    }

    /// A process was started again.
    pub(crate) fn started(&mut self, process: ProcessId) {
        if let Some(stopped) = self.stopped.get_mut(process.index()) {
            *stopped = false;
        }
    }

    pub(crate) fn healed(
        &mut self,
        clients: &Clients,
        watermark: impl Fn(usize) -> Option<Offset>,
        now: Time,
        findings: &mut Findings,
    ) {
        for (process, kind) in clients.kinds.iter().enumerate() {
            let Some(ConsumerKind { number, steady: true }) = kind.consumer else { continue };
            if self.stopped[process] {
                continue;
            }
            for partition in 0..clients.partitions() {
                let reader = clients.reader_of(number, partition);
                let Some(owed) = watermark(partition).filter(|_| self.reads[reader]) else {
                    continue;
                };
                findings.exercise(PropertyId::LagDrains);
                self.owed[reader] = Some(owed);
                self.account.owe(1);
                if let Some(position) = clients.readers[reader].position() {
                    self.moved(reader, position, now);
                }
            }
        }
    }

    /// Nobody can lead a partition any more.
    pub(crate) fn stuck(&mut self, clients: &Clients, partition: PartitionId, now: Time) {
        for kind in &clients.kinds {
            let Some(ConsumerKind { number, .. }) = kind.consumer else { continue };
            if self.owed[clients.reader_of(number, partition.index())].take().is_some() {
                self.account.pay(1, now);
            }
        }
    }

    /// The true high watermark of a partition was lowered by a loss.
    pub(crate) fn lowered(
        &mut self,
        clients: &Clients,
        partition: PartitionId,
        to: Offset,
        now: Time,
    ) {
        for kind in &clients.kinds {
            let Some(ConsumerKind { number, .. }) = kind.consumer else { continue };
            let reader = clients.reader_of(number, partition.index());
            if let Some(owed) = &mut self.owed[reader] {
                *owed = to.min(*owed);
                if let Some(position) = clients.readers[reader].position() {
                    self.moved(reader, position, now);
                }
            }
        }
    }

    pub(crate) fn finish(
        &self,
        clients: &Clients,
        healed: Time,
        stamp: Stamp,
        findings: &mut Findings,
    ) {
        for (process, kind) in clients.kinds.iter().enumerate() {
            let Some(ConsumerKind { number, .. }) = kind.consumer else { continue };
            for partition in 0..clients.partitions() {
                if let Some(owed) = self.owed[clients.reader_of(number, partition)] {
                    let detail = Detail::After { heal: stamp.time.since(healed) };
                    let violation = Violation::of(PropertyId::LagDrains, stamp, detail)
                        .partition(PartitionId(partition as u16))
                        .offset(owed)
                        .node(NodeId::Process(ProcessId(process as u16)));
                    findings.add(PropertyId::LagDrains, violation);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::time::Span;
    use crate::check::forge::Forge;

    fn written() -> Forge {
        let mut forge = Forge::new();
        forge.append(1, 0, 4, 0).append(2, 0, 4, 0).append(3, 0, 4, 0).expose(1, 0, 2, 4);
        forge.rewind(0);
        forge
    }

    #[test]
    fn a_consumer_reaches_the_watermark_of_the_heal() {
        let mut forge = written();
        forge.heal();
        assert!(!forge.checks.converged());
        forge.wait(Span::secs(1)).consume(0, 4);
        assert_eq!(forge.checks.liveness("lag-drains").map(|s| s.as_millis()), Some(1_000));
        forge.finish().expect_none("lag-drains");
    }

    #[test]
    fn a_consumer_that_stands_still_is_reported() {
        let mut forge = written();
        forge.consume(0, 3).heal().wait(Span::secs(1)).finish().expect("lag-drains", 1);
        let mut forge = written();
        forge.heal().stop_client(1).finish().expect_none("lag-drains");
    }
}
