//! The oracle: it hears facts and says what must not have happened.
//!
//! Invariant: a checker has never seen a node. It has only heard facts, and a data guarantee has
//! only heard observed ones; claims feed marks and metrics.
//!
//! Two kinds of files. *Machinery* lies beside this page: [`canon`] (ghost logs), `streams` and
//! `reader` (ghosts of clients), `ghost` (committed states, sessions, configurations),
//! [`properties`] (all names), [`promise`] (what is promised when), [`metrics`], `violation`
//! (findings), `results` (what readers ask), [`audit`] (the ghosts against the real state, rarely).
//! *Properties* lie in folders by subject: `log`, `replication`, `client`, `cluster`, `liveness`;
//! one file each, named for what must not happen (of liveness: for what must), with the claim it
//! stands for.
//!
//! A fact comes in through [`Checks::observe`], one match on what it says; the `switchboard`, cut
//! by subject like the facts, tells the ghosts and the properties concerned. Everything is
//! incremental: a fact costs what it changed. Does not know which findings fail a run: that is
//! [`promise`] and `run`.

pub mod audit;
mod canon;
mod client;
mod cluster;
pub mod expect;
#[cfg(test)]
pub(crate) mod forge;
mod ghost;
mod liveness;
mod log;
pub mod metrics;
pub mod promise;
pub mod properties;
mod reader;
mod replication;
mod results;
mod streams;
mod switchboard;
pub mod violation;

use crate::base::ids::PartitionId;
use crate::base::time::Time;
use crate::model::fact::{Fact, Stamp, Subject};
use crate::model::plan::Plan;

use self::canon::Entry;
use self::client::forgotten::Expiration;
use self::client::inconsistent_read::{InconsistentRead, Read};
use self::client::key_misplaced::KeyMisplaced;
use self::cluster::two_leaders::TwoLeaders;
use self::ghost::Ghosts;
use self::liveness::account::Account;
use self::liveness::isr_fills::IsrFills;
use self::liveness::lag_drains::LagDrains;
use self::liveness::metadata_converges::MetadataConverges;
use self::liveness::writes_resume::WritesResume;
use self::log::retention_broken::RetentionBroken;
use self::metrics::Metrics;
use self::properties::PropertyId;
use self::replication::isr_unjustified::IsrUnjustified;
use self::replication::watermark_fell::{Answerer, WatermarkFell};
use self::streams::Clients;
use self::switchboard::late::Late;
use self::violation::Findings;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Time,
    /// Whether liveness is judged: everything was healed and `settle` is over, or all is met.
    pub judged_liveness: bool,
}

/// All checkers of a run.
#[derive(Clone, Debug)]
pub struct Checks {
    ghosts: Ghosts,
    clients: Clients,
    findings: Findings,
    metrics: Metrics,
    expiration: Expiration,
    watermark_fell: WatermarkFell,
    inconsistent_read: InconsistentRead,
    two_leaders: TwoLeaders,
    isr_unjustified: IsrUnjustified,
    key_misplaced: KeyMisplaced,
    retention_broken: RetentionBroken,
    writes_resume: WritesResume,
    isr_fills: IsrFills,
    lag_drains: LagDrains,
    metadata_converges: MetadataConverges,
    requests_end: Account,
    late: Vec<(Stamp, Late)>,
    removed: Vec<Entry>,
    now: Time,
    heard: u64,
}

impl Checks {
    /// Checkers for runs of this plan. At time zero every broker is unfenced, every ISR full and
    /// every partition led by its first replica.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let clients = Clients::new(plan);
        let mut checks = Self {
            ghosts: Ghosts::new(plan),
            findings: Findings::new(),
            metrics: Metrics::new(),
            expiration: Expiration::new(plan),
            watermark_fell: WatermarkFell::default(),
            inconsistent_read: InconsistentRead::default(),
            two_leaders: TwoLeaders::default(),
            isr_unjustified: IsrUnjustified::default(),
            key_misplaced: KeyMisplaced::new(&plan.names),
            retention_broken: RetentionBroken::new(plan),
            writes_resume: WritesResume::default(),
            isr_fills: IsrFills::default(),
            lag_drains: LagDrains::new(&clients),
            metadata_converges: MetadataConverges::default(),
            requests_end: Account::default(),
            late: Vec::new(),
            removed: Vec::new(),
            now: Time::ZERO,
            heard: 0,
            clients,
        };
        for partition in plan.partitions() {
            let topic = plan.names.topic_of(partition);
            let config = plan.topics[topic.index()].config;
            checks.ghosts.add_partition(partition, topic, plan.replicas(partition), config);
            checks.partition_added(partition);
        }
        checks
    }

    /// A partition has a ghost now, or one with replicas: lists by partition or replica grow.
    fn partition_added(&mut self, partition: PartitionId) {
        let (ghost, all) =
            (&self.ghosts.partitions[partition.index()], self.ghosts.partitions.len());
        self.clients.grow(all);
        self.metrics.grow(all);
        self.watermark_fell.add_partition(ghost, all);
        self.inconsistent_read.grow(all);
        self.two_leaders.grow(all);
        self.isr_unjustified.add_partition(ghost);
        self.retention_broken.add_partition(ghost);
        self.writes_resume.grow(all);
        self.lag_drains.grow(&self.clients);
    }

    /// Hears a fact.
    ///
    /// Speed: inline at the few places where facts are made or drained. There the kind is known,
    /// and of the match one arm is left; what is rare is one call behind it.
    #[inline(always)]
    pub fn observe(&mut self, stamp: Stamp, fact: &Fact) {
        self.heard = self.heard.wrapping_add(1);
        if let Some((first, _)) = self.late.first()
            && first.time < stamp.time
        {
            self.settle_late();
        }
        match *fact {
            Fact::Appended { broker, partition, base, count, leader_epoch, records, sequence } => {
                let entry = Entry {
                    base,
                    records,
                    count,
                    epoch: leader_epoch,
                    sequence,
                    acked: Time::NEVER,
                    read: false,
                    kept: false,
                };
                if !self.follows(broker, partition, &entry) {
                    // Speed: the copy lets the common path keep the entry in registers.
                    let own = entry;
                    self.appended(stamp, broker, partition, &own);
                }
            }
            Fact::WatermarkExposed { broker, partition, leader_epoch, to, connection, offset } => {
                let answerer = Answerer { broker, epoch: leader_epoch, connection };
                self.exposed(stamp, partition, answerer, to, offset);
            }
            Fact::Submitted { process, partition, record, workload, key, .. } => {
                self.submitted(stamp, process, partition, (record, workload, key));
            }
            Fact::Acked { process, partition, first, count, base, acks } => {
                self.acked(stamp, (process, partition), (first, count), base, acks);
            }
            Fact::Consumed { process, partition, base, count, leader_epoch, first, broker } => {
                let read = Read { process, base, count, epoch: leader_epoch, first, broker };
                self.consumed(stamp, partition, &read);
            }
            Fact::Truncated { broker, partition, to, .. } => {
                self.cut(stamp, broker, partition, to, PropertyId::FollowerTruncated);
            }
            Fact::TailLost { broker, partition, to, .. } => {
                self.cut(stamp, broker, partition, to, PropertyId::TailLost);
            }
            Fact::LogStartMoved { broker, partition, to } => {
                self.start_moved(stamp, broker, partition, to);
            }
            Fact::Elected { partition, leader, leader_epoch, isr, unclean, .. } => {
                self.elected(stamp, partition, leader, (leader_epoch, isr), unclean);
            }
            Fact::IsrCommitted { partition, state } => self.isr_committed(stamp, partition, state),
            ref other => self.observe_rare(stamp, other),
        }
    }

    #[cold]
    fn observe_rare(&mut self, stamp: Stamp, fact: &Fact) {
        match fact.subject() {
            Subject::Machine => self.machine(stamp, fact),
            Subject::Client => self.client(stamp, fact),
            Subject::Metadata => self.metadata(stamp, fact),
            Subject::Fault => self.fault(fact),
            Subject::Claim => self.claimed(fact),
            Subject::Network => self.network(stamp, fact),
            Subject::Log => {}
        }
    }
}
