//! What is judged when its instant is over, because the records of one metadata batch come in any
//! order.

use crate::base::ids::{BrokerId, PartitionId};
use crate::base::time::Time;
use crate::check::Checks;
use crate::check::cluster::election_unjustified::{self, Election};
use crate::check::replication::{fenced_in_isr, isr_unjustified};

/// A question that waits for the end of its instant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Late {
    /// A replica joined a committed ISR.
    Joined(PartitionId, usize),
    /// A replica in good standing left a committed ISR; it was known as caught up at this time.
    Left(PartitionId, usize, Time),
    /// A broker was fenced.
    Fenced(BrokerId),
    /// A leader was elected.
    Elected(Election),
}

impl Checks {
    #[cold]
    pub(in crate::check) fn settle_late(&mut self) {
        let late = std::mem::take(&mut self.late);
        for &(stamp, item) in &late {
            let findings = &mut self.findings;
            match item {
                Late::Joined(partition, place) => {
                    fenced_in_isr::joined(&self.ghosts, partition, place, stamp, findings);
                }
                Late::Left(partition, place, caught_up) => {
                    let ghost = &self.ghosts.partitions[partition.index()];
                    let member = self.ghosts.broker(ghost.replicas[place]);
                    isr_unjustified::left(ghost, (place, caught_up), member, stamp, findings);
                }
                Late::Fenced(broker) => {
                    fenced_in_isr::fenced(&self.ghosts, broker, stamp, findings);
                }
                Late::Elected(election) => {
                    election_unjustified::judge(&self.ghosts, &election, stamp, findings);
                }
            }
        }
        self.late = late;
        self.late.clear();
    }
}
