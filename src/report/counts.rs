//! Plain counters of a run or of a sweep, each with the name it bears in output.

use std::collections::BTreeMap;

use crate::model::error::ErrorCode;
use crate::model::fault::FaultKind;

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident, $name:literal;)*) => {
        /// How often things happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Counts {
            /// Adds another run's.
            pub const fn merge(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// Name and value of each, in this order.
            #[must_use]
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$field),)*]
            }
        }
    };
}

counts! {
    /// Runs that were summed.
    runs, "runs";
    /// Facts of any kind.
    facts, "facts";
    /// Records handed to a producer and partitioned.
    submitted, "records submitted";
    /// Records acknowledged.
    acked, "records acked";
    /// Records that a broker refused for good.
    rejected, "records rejected";
    /// Records whose time ran out: their fate is unknown to the application.
    gave_up, "records given up";
    /// Sends that failed before they had a partition.
    send_failed, "sends failed";
    /// Batches sent once more.
    retried, "batches retried";
    /// Batches that a leader recognised as ones it has.
    deduplicated, "batches deduplicated";
    /// Times that a producer raised its epoch by itself.
    epochs_bumped, "producer epochs bumped";
    /// Records handed to consuming applications.
    consumed, "records consumed";
    /// Positions that a consumer lost to a truncation or to being out of range.
    positions_reset, "positions reset";
    /// Exceptions that consuming applications met.
    exceptions, "consumer exceptions";
    /// Batches appended to any replica's log.
    appended, "batches appended";
    /// Times that a broker cut a log.
    truncations, "truncations";
    /// Records that those cuts removed.
    truncated, "records truncated";
    /// Logs that lost a tail to a power loss or a wipe.
    tails_lost, "tails lost";
    /// Records that those tails held.
    tail_records, "records in lost tails";
    /// Leaders elected from the ISR.
    elected_clean, "elections clean";
    /// Leaders elected from the ELR.
    elected_eligible, "elections from ELR";
    /// Last known leaders elected.
    elected_last_known, "elections of last known leader";
    /// Leaders elected from outside ISR and ELR.
    elected_unclean, "elections unclean";
    /// Times that a partition was left without a leader.
    leaderless, "leaders lost";
    /// New leader epochs of a leader that stays.
    epochs_raised, "leader epochs raised";
    /// PartitionHistory states with fewer in-sync replicas.
    isr_shrinks, "ISR shrinks";
    /// PartitionHistory states with more in-sync replicas.
    isr_expands, "ISR expands";
    /// Brokers fenced.
    fenced, "brokers fenced";
    /// Brokers unfenced.
    unfenced, "brokers unfenced";
    /// Broker sessions that ended by time.
    sessions_expired, "sessions expired";
    /// Registrations after an unclean stop.
    unclean_registrations, "unclean registrations";
    /// Nodes killed.
    crashes, "stops by kill";
    /// Nodes that lost power.
    power_losses, "stops by power loss";
    /// Nodes that shut down in a controlled way.
    shutdowns, "stops by shutdown";
    /// Nodes that halted by themselves.
    halts, "stops by halt";
    /// Nodes whose disk was emptied.
    wipes, "stops by wipe";
    /// Nodes started.
    started, "starts";
    /// Nodes frozen.
    paused, "pauses";
    /// Log directories that broke.
    disks_failed, "log directories failed";
}

impl Counts {
    /// Every election that found a leader.
    #[must_use]
    pub const fn elections(&self) -> u64 {
        self.elected_clean + self.elected_eligible + self.elected_last_known + self.elected_unclean
    }
}

/// How often faults of each kind were let through, and how often they were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Applied, and not refused by the controller.
    pub injected: u64,
    /// Refused by the promise's budget or, if it asked something of it, by the controller.
    pub refused: u64,
    /// Runs in which at least one was applied.
    pub runs: u64,
}

/// By kind of fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultTable([FaultCounts; FaultKind::ALL.len()]);

impl FaultCounts {
    /// One that was applied asked for something, and the controller refused it.
    pub const fn take_back(&mut self) {
        self.injected = self.injected.saturating_sub(1);
        self.refused += 1;
    }
}

impl FaultTable {
    /// Those of one kind.
    #[must_use]
    pub const fn get(&self, kind: FaultKind) -> FaultCounts {
        self.0[kind as usize]
    }

    /// To count in.
    pub const fn of(&mut self, kind: FaultKind) -> &mut FaultCounts {
        &mut self.0[kind as usize]
    }

    /// Marks the kinds that this run has seen.
    pub fn close_run(&mut self) {
        for counts in &mut self.0 {
            counts.runs = u64::from(counts.injected > 0);
        }
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.injected += theirs.injected;
            mine.refused += theirs.refused;
            mine.runs += theirs.runs;
        }
    }
}

/// How many records failed, by error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(BTreeMap<ErrorCode, u64>);

impl Errors {
    /// Counts so many.
    pub fn add(&mut self, error: ErrorCode, count: u64) {
        *self.0.entry(error).or_default() += count;
    }

    /// Error and count, in the order of the protocol's list.
    pub fn iter(&self) -> impl Iterator<Item = (ErrorCode, u64)> {
        self.0.iter().map(|(error, count)| (*error, *count))
    }

    /// By simple name of the Java client's exception class, as an application sees it.
    #[must_use]
    pub fn by_exception(&self) -> BTreeMap<&'static str, u64> {
        let mut classes = BTreeMap::new();
        for (error, count) in self.iter() {
            *classes.entry(error.exception()).or_default() += count;
        }
        classes
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        for (error, count) in other.iter() {
            self.add(error, count);
        }
    }
}
