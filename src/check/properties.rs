//! The names of all properties and marks: what a scenario's `expect` may say and `list` prints.
//!
//! A property is named for what must not happen (a liveness property for what must), in
//! kebab-case, the same everywhere. Metrics have a list of their own in [`super::metrics`].
//! Does not know how any of them is judged.

/// Whether a property is a guarantee about data, a promise to get there, or a sign of coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PropertyKind {
    /// Must never happen, on any step. Judged by observed facts alone.
    Data,
    /// Must come true after the heal.
    Liveness,
    /// May happen; tells that a run has been somewhere.
    Mark,
}

/// One property or mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name in files and output.
    pub name: &'static str,
    /// The claims of `claims.md` that it stands for.
    pub claims: &'static [&'static str],
    /// What happened if it is reported.
    pub what: &'static str,
    /// What one unit of its *exercised* count is.
    pub exercised: &'static str,
    /// What kind it is of.
    pub kind: PropertyKind,
}

macro_rules! properties {
    ($(
        $id:ident $kind:ident $name:literal [$($claim:literal),*] $what:literal; $exercised:literal;
    )*) => {
        /// Every property and mark as a small number: counters are vectors over it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(crate) enum PropertyId {
            $($id,)*
        }

        /// Every property and mark, in the order of the documentation.
        pub const PROPERTIES: &[Property] = &[
            $(Property {
                name: $name,
                claims: &[$($claim),*],
                what: $what,
                exercised: $exercised,
                kind: PropertyKind::$kind,
            },)*
        ];

        impl PropertyId {
            /// Every one.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$id,)*];
        }
    };
}

properties! {
    LogDiverged Data "log-diverged" ["G1", "G3"]
        "two replicas hold different records at one offset of one leader epoch"; "batches compared";
    WatermarkFell Data "watermark-fell" ["G2"]
        "a leader showed a lower high watermark than before in one epoch"; "watermarks compared";
    LeaderIncomplete Data "leader-incomplete" ["G3", "G6", "G12"]
        "a leader of a later epoch lacks committed records"; "elections judged";
    CandidateIncomplete Data "candidate-incomplete" ["G2", "G6"]
        "a member of the committed ISR or ELR lacks committed records"; "members judged";
    AckedLost Data "acked-lost" ["G6", "G7"]
        "a record reported as written is gone: a later leader lacks it, or no disk holds it";
        "acknowledged records that lived through a change of leader or to the end";
    CommittedLost Data "committed-lost" ["G3"]
        "a record below a high watermark that a leader showed is gone";
        "records below the true high watermark";
    InconsistentRead Data "inconsistent-read" ["G4"]
        "two reads of one offset gave different records"; "batches read";
    DirtyRead Data "dirty-read" ["G4"]
        "a consumer read a record that was not committed"; "batches read";
    Duplicate Data "duplicate" ["G8"]
        "a record is in the log twice, without a new producer epoch between"; "batches appended";
    OrderBroken Data "order-broken" ["G1"]
        "a record stands behind a later record of its producer, or a consumer was led back";
        "batches appended and read";
    ReadSkipped Data "read-skipped" ["G14", "C9"]
        "a consumer was handed a record beyond its position, and what lies between never came";
        "batches read";
    PositionUnjustified Data "position-unjustified" ["C9", "F4"]
        "a consumer's position was set, kept or answered for other than the logs and its policy say";
        "positions set and answers about them";
    ProducerUnfenced Data "producer-unfenced" ["G8"]
        "a leader took a batch of an earlier epoch of a producer than its log holds";
        "batches of idempotent producers";
    SequenceGap Data "sequence-gap" ["G8"]
        "a leader took a batch that does not go on at its producer's next sequence number";
        "batches of idempotent producers";
    RejectedButWritten Data "rejected-but-written" ["G8"]
        "a record that its producer reported as refused for good is in a log at the end";
        "records refused for good";
    TwoLeaders Data "two-leaders" ["G12"]
        "two brokers led one partition in one leader epoch"; "watermarks and elections";
    IsrUnjustified Data "isr-unjustified" ["G16"]
        "a replica left the ISR in good standing, or joined it below the high watermark";
        "departures and arrivals judged";
    FencedInIsr Data "fenced-in-isr" ["G16"]
        "a fenced broker is in a committed ISR"; "arrivals and fencings judged";
    KeyMisplaced Data "key-misplaced" ["G5"]
        "a record went to another partition than its key's hash says"; "records with a key";
    MinInsyncIgnored Data "min-insync-ignored" ["G10"]
        "fewer than min.insync.replicas held what was acknowledged with acks=all, or shown";
        "batches acknowledged with acks=all";
    ElectionUnjustified Data "election-unjustified" ["G12"]
        "a replica was elected that had no right to be"; "elections judged";
    RetentionBroken Data "retention-broken" ["G15"]
        "a log start moved past records that were not committed, or too young to go";
        "log starts moved";
    AuditFailed Data "audit-failed" ["G2"]
        "a replica's real log differs from what the facts said of it"; "replicas audited";
    WritesResume Liveness "writes-resume" ["F1", "F3"]
        "every partition that is written to gets an acknowledgement after the heal";
        "partitions written to after the heal";
    RequestsEnd Liveness "requests-end" ["F21"]
        "every record handed to a producer gets its result within its delivery time-out";
        "records open at the heal";
    IsrFills Liveness "isr-fills" ["F3", "F10"]
        "every committed ISR holds all replicas again"; "partitions";
    LagDrains Liveness "lag-drains" ["F25"]
        "every consumer reaches the high watermark that stood at the heal";
        "pairs of a consumer and a partition";
    MetadataConverges Liveness "metadata-converges" ["F9"]
        "every partition has a leader and every broker is registered and unfenced";
        "partitions and brokers";
    FollowerTruncated Mark "follower-truncated" ["F4"]
        "a replica cut at least one record off its log"; "facts heard";
    TailLost Mark "tail-lost" ["G6"] "a power loss or a wipe took the end of a log"; "facts heard";
    LogStartMoved Mark "log-start-moved" ["G15"] "old segments were deleted"; "facts heard";
    IsrShrunk Mark "isr-shrunk" ["G16"] "a committed ISR lost a member"; "facts heard";
    IsrExpanded Mark "isr-expanded" ["G16"] "a committed ISR won a member"; "facts heard";
    IsrBelowMinInsync Mark "isr-below-min-insync" ["G10"]
        "a committed ISR fell below min.insync.replicas"; "facts heard";
    LeaderMissing Mark "leader-missing" ["G12"] "a partition was left without a leader"; "facts heard";
    ElectionClean Mark "election-clean" ["G12"] "a member of the ISR was elected"; "facts heard";
    ElectionFromElr Mark "election-from-elr" ["G12"]
        "an eligible leader replica was elected (KIP-966)"; "facts heard";
    ElectionLastKnown Mark "election-last-known" ["G12"]
        "the last known leader was elected, which counts as unclean"; "facts heard";
    ElectionUnclean Mark "election-unclean" ["G12"] "a replica was elected uncleanly"; "facts heard";
    UncleanRegistration Mark "unclean-registration" ["G6"]
        "a broker came back from an unclean stop"; "facts heard";
    BrokerDisplaced Mark "broker-displaced" ["F10"]
        "a registration that arrived late locked a broker out until somebody restarts it";
        "facts heard";
    BrokerFenced Mark "broker-fenced" ["G16"] "a broker was fenced"; "facts heard";
    BatchRetried Mark "batch-retried" ["G8"] "a producer sent a batch once more"; "facts heard";
    Deduplicated Mark "deduplicated" ["G8"] "a leader recognised a batch as one it had"; "facts heard";
    EpochBumped Mark "epoch-bumped" ["G8"] "a producer raised its epoch"; "facts heard";
    DuplicateAfterBump Mark "duplicate-after-bump" ["G8"]
        "a record is in the log twice, with a new producer epoch between (allowed)"; "facts heard";
    DuplicateByResend Mark "duplicate-by-resend" ["G8"]
        "an application's item is in the log twice, because it sent it again (allowed)"; "facts heard";
    OrderAcrossBump Mark "order-across-bump" ["G1"]
        "a record stands behind a later one of its producer's earlier epoch"; "facts heard";
    ProducerUnknown Mark "producer-unknown" ["G8"]
        "a leader took a batch in mid-sequence of a producer new to its log (allowed)";
        "facts heard";
    ProducerCut Mark "producer-cut" ["G8"]
        "a leader took a batch in mid-sequence of a producer cut from its log (allowed)";
        "facts heard";
    ProducerRetained Mark "producer-retained" ["G8"]
        "a leader took a batch out of sequence: the last one was below a log start (allowed)";
        "facts heard";
    ProducerExpired Mark "producer-expired" ["G8"]
        "a leader took a batch out of sequence: the producer may have expired (allowed)";
        "facts heard";
    NotEnoughReplicas Mark "not-enough-replicas" ["G10"]
        "a write was refused because too few replicas were in sync"; "facts heard";
    GaveUp Mark "gave-up" ["F8"] "a producer ran out of time for a record"; "facts heard";
    ConsumerTruncated Mark "consumer-truncated" ["F4"]
        "a consumer noticed that the log was cut below its position (KIP-320)"; "facts heard";
    OutOfRange Mark "out-of-range" ["C9"] "a consumer's position was out of range"; "facts heard";
    KeyMoved Mark "key-moved" ["G5"]
        "a record went to another partition than its key had before the topic grew (allowed)";
        "facts heard";
    Unavailable Mark "unavailable" ["G12"]
        "at the end an acknowledged record is on a disk but no leader serves it"; "facts heard";
    NeverConsumed Mark "never-consumed" ["F15"]
        "at the end a consumer has not read an acknowledged record of a partition assigned to it";
        "facts heard";
}

impl PropertyId {
    /// What is registered about it.
    #[must_use]
    pub(crate) const fn property(self) -> &'static Property {
        &PROPERTIES[self as usize]
    }

    /// Its name.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        self.property().name
    }

    /// The one with this name.
    #[must_use]
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::{PROPERTIES, PropertyId};

    #[test]
    fn names_are_unique_and_kebab_case() {
        for (i, p) in PROPERTIES.iter().enumerate() {
            assert!(p.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", p.name);
            assert!(PROPERTIES[..i].iter().all(|q| q.name != p.name), "{} twice", p.name);
            assert!(!p.claims.is_empty() && !p.what.is_empty(), "{}", p.name);
            assert_eq!(PropertyId::find(p.name).map(PropertyId::property), Some(p));
        }
    }
}
