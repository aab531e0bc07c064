//! The scenarios that are part of the program: `preset:NAME` is `scenarios/NAME.json`.
//!
//! A test checks that every committed scenario is in the table.

macro_rules! table {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every embedded scenario, in alphabetical order.
        pub const ALL: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../scenarios/", $name, ".json")))),*];
    };
}

table![
    "acks-0",
    "acks-1",
    "acks-1-leader-kill",
    "acks-all",
    "acks-all-min-insync-2",
    "az-outage",
    "canary/acks-1",
    "canary/budget-beyond",
    "canary/elr-off",
    "canary/min-insync-1",
    "canary/tail-lost",
    "canary/unclean-election",
    "cascade",
    "disk-full",
    "gate-wide",
    "grow-topic/controller-away",
    "grow-topic/keys-move",
    "grow-topic/latest-misses",
    "killers/follower-cut-off",
    "killers/full-for-good",
    "killers/latest-below-min-isr",
    "killers/lost-wake-up",
    "killers/no-leader-for-good",
    "killers/outrun-by-retention",
    "killers/slow-consumer",
    "killers/small-polls",
    "leader-kill",
    "memory-day",
    "min-insync",
    "network-partition/follower-alone",
    "network-partition/leader-from-controller",
    "network-partition/leader-from-followers",
    "network-partition/one-way",
    "no-retry",
    "own-log-dirs",
    "power-loss",
    "rolling-restart",
    "short-kill/acks-0",
    "short-kill/acks-0-long",
    "short-kill/no-retry",
    "slow-followers",
    "stale-follower-first",
    "unclean-election",
    "unclean-election-on",
    "zone-of-five",
];

/// The text of a preset.
#[must_use]
pub fn find(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}
