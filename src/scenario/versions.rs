//! Kafka versions and rules by name: which presets exist, and what a rule may be set to.
//!
//! A rule's values are those of `model::rules`; values and rules that `flaws.md` knows and this
//! build does not are refused by name, anything else as unknown.

use std::collections::BTreeMap;

use crate::model::config::{Features, TopicKey};
use crate::model::rules::{
    FetchEpochCheck, HwNeedsMinIsr, HwQuorum, IsrJoinLiveness, IsrJoinRule, LastKnownLeaderCheck,
    ProducerDedup, Rules, ShutdownSession, Truncation,
};

use super::diagnostic::suggest;
use super::file::{Mode, OriginWord, ScenarioFile};
use super::findings::{Findings, Wrong};
use super::path::{Path, at};

/// One version that can be simulated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    pub(super) name: &'static str,
    pub(super) rules: Rules,
    /// Whether eligible leader replicas exist, and whether a new cluster has them on.
    elr: Elr,
    /// Whether it has the defaults and limits of KIP-1030 (since 4.0).
    pub(super) kip_1030: bool,
}

impl Version {
    /// `linger.ms` of its producers.
    pub(super) const fn linger(&self) -> i64 {
        if self.kip_1030 { 5 } else { 0 }
    }

    /// `log.message.timestamp.after.max.ms` of its brokers, where it is not the newest default.
    pub(super) fn timestamp_after_max(&self) -> Option<(TopicKey, i64)> {
        (!self.kip_1030).then_some((TopicKey::TimestampAfterMaxMs, i64::MAX))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elr {
    Absent,
    Off,
    On,
}

/// Every version that can be simulated, oldest first.
static VERSIONS: &[Version] = &[
    Version { name: "3.9", rules: Rules::KAFKA_3_9, elr: Elr::Absent, kip_1030: false },
    Version { name: "4.0", rules: Rules::KAFKA_4_0, elr: Elr::Off, kip_1030: true },
    Version { name: "4.1", rules: Rules::KAFKA_4_1, elr: Elr::On, kip_1030: true },
];

/// The column of a file that does not name its versions.
pub(super) const DEFAULT_VERSION: &str = "4.1";

/// Names of the versions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VERSIONS.iter().map(|v| v.name)
}

/// The newest, for going on after an error.
pub(super) fn newest() -> &'static Version {
    &VERSIONS[VERSIONS.len() - 1]
}

fn find(text: &str) -> Result<&'static Version, Wrong> {
    if let Some(version) = VERSIONS.iter().find(|v| v.name == text) {
        return Ok(version);
    }
    let all = format!("versions are: {}", names().collect::<Vec<_>>().join(", "));
    let parts: Option<Vec<u32>> = text.split('.').map(|p| p.parse().ok()).collect();
    let Some((major, minor)) = parts.as_deref().and_then(|p| Some((*p.first()?, *p.get(1)?)))
    else {
        return Err(Wrong::new("unknown Kafka version", format!("`{text}` is none")).help(all));
    };
    if let Some(version) = VERSIONS.iter().find(|v| v.name == format!("{major}.{minor}")) {
        let label = format!("write `{}`", version.name);
        return Err(Wrong::new("patch versions are not told apart", label).help(all));
    }
    if (major, minor) < (3, 9) {
        return Err(Wrong::new(
            format!("Kafka {text} cannot be simulated"),
            "there is no ZooKeeper mode, and KRaft mode begins at 3.9",
        )
        .help("an old version's behaviour is a rule laid over 4.1: `highwater list rules`"));
    }
    Err(Wrong::new(format!("Kafka {text} is newer than this model"), "not known").help(all))
}

/// A version somewhere in a file.
pub(super) fn version(found: &mut Findings<'_>, path: &Path, text: &str) -> &'static Version {
    found.take(path, find(text)).unwrap_or_else(newest)
}

/// The version of a column, with the mode it needs.
pub(super) fn column(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    column: usize,
) -> &'static Version {
    let Some(versions) = &file.cluster.kafka else { return newest() };
    let path = at!["cluster", "kafka", column];
    let Some(text) = versions.get(column) else { return newest() };
    let version = version(found, &path, text);
    let needs_mode = version.elr == Elr::Absent;
    match file.cluster.mode {
        Some(Mode::Zookeeper) => {
            found
                .later(&at!["cluster", "mode"], "ZooKeeper mode cannot be simulated yet")
                .help("use `\"rules\": { … }` on 4.1 to show what an old version did");
        }
        None if needs_mode => {
            found
                .error(&path, "below 4.0 a cluster runs in ZooKeeper mode if nothing else is said")
                .label("ZooKeeper mode cannot be simulated yet")
                .help("say `\"mode\": \"kraft\"` in `cluster`, or use `\"rules\": { … }` on 4.1");
        }
        _ => {}
    }
    version
}

/// Feature levels: by version and origin, then as the file says.
pub(super) fn features(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    version: &Version,
) -> Features {
    const ELR: &str = "eligible.leader.replicas.version";
    const OTHERS: [&str; 3] = ["metadata.version", "transaction.version", "group.version"];
    let new = file.cluster.origin != Some(OriginWord::Upgraded);
    let mut features = Features { eligible_leader_replicas: version.elr == Elr::On && new };
    for (name, level) in &file.cluster.features {
        let path = at!["cluster", "features", name];
        if name == ELR {
            match (*level, version.elr) {
                (1, Elr::Absent) => {
                    found
                        .error(&path, "this version has no eligible leader replicas")
                        .label("they came with 4.0");
                }
                (0 | 1, _) => features.eligible_leader_replicas = *level == 1,
                _ => {
                    found.error(&path, "no such feature level").label("0 or 1");
                }
            }
        } else if OTHERS.contains(&name.as_str()) {
            found
                .warn_key(&path, &format!("`{name}` has no effect in this model"))
                .label("known to Kafka, not modelled");
        } else {
            let names = OTHERS.into_iter().chain([ELR]);
            let help = suggest(name, names, &format!("the modelled feature is `{ELR}`"));
            found.error_key(&path, &format!("unknown feature `{name}`")).help(help);
        }
    }
    features
}

/// One value of a rule and how it is set.
type RuleValue = (&'static str, fn(&mut Rules));

/// One rule: its name, its values, and values that come in a later version.
pub(super) struct RuleName {
    pub(super) name: &'static str,
    pub(super) values: &'static [RuleValue],
    later: &'static [&'static str],
}

/// Every rule that can be set, with its values from the oldest to the newest.
pub(super) static RULES: &[RuleName] = &[
    RuleName {
        name: "truncation",
        values: &[
            ("to-high-watermark", |r| r.truncation = Truncation::ToHighWatermark),
            ("diverging-epoch-in-fetch", |r| r.truncation = Truncation::DivergingEpochInFetch),
        ],
        later: &["epoch-one-shot", "epoch-iterative"],
    },
    RuleName {
        name: "fetch-epoch-check",
        values: &[
            ("none", |r| r.fetch_epoch_check = FetchEpochCheck::None),
            ("always", |r| r.fetch_epoch_check = FetchEpochCheck::Always),
        ],
        later: &["full-fetch-only"],
    },
    RuleName {
        name: "isr-join-rule",
        values: &[
            ("reach-hw", |r| r.isr_join_rule = IsrJoinRule::ReachHw),
            ("reach-hw-and-epoch-start", |r| r.isr_join_rule = IsrJoinRule::ReachHwAndEpochStart),
        ],
        later: &["reach-hw-and-epoch-start-and-fetched-in-this-epoch"],
    },
    RuleName {
        name: "hw-quorum",
        values: &[
            ("committed-isr", |r| r.hw_quorum = HwQuorum::CommittedIsr),
            ("maximal-isr", |r| r.hw_quorum = HwQuorum::MaximalIsr),
        ],
        later: &[],
    },
    RuleName {
        name: "isr-join-liveness",
        values: &[
            ("none", |r| r.isr_join_liveness = IsrJoinLiveness::None),
            ("not-fenced-not-stopping", |r| {
                r.isr_join_liveness = IsrJoinLiveness::NotFencedNotStopping;
            }),
            ("broker-epoch", |r| r.isr_join_liveness = IsrJoinLiveness::BrokerEpoch),
        ],
        later: &["broker-epoch-one-snapshot"],
    },
    RuleName {
        name: "hw-needs-min-isr",
        values: &[
            ("no", |r| r.hw_needs_min_isr = HwNeedsMinIsr::No),
            ("yes", |r| r.hw_needs_min_isr = HwNeedsMinIsr::Yes),
        ],
        later: &[],
    },
    RuleName {
        name: "last-known-leader-check",
        values: &[
            ("none", |r| r.last_known_leader_check = LastKnownLeaderCheck::None),
            ("must-be-unfenced", |r| {
                r.last_known_leader_check = LastKnownLeaderCheck::MustBeUnfenced;
            }),
        ],
        later: &["inverted"],
    },
    RuleName {
        name: "producer-dedup",
        values: &[
            ("none", |r| r.producer_dedup = ProducerDedup::None),
            ("last-batch", |r| r.producer_dedup = ProducerDedup::LastBatch),
            ("last5-batches", |r| r.producer_dedup = ProducerDedup::Last5Batches),
        ],
        later: &[],
    },
    RuleName {
        name: "shutdown-session",
        values: &[
            ("dropped", |r| r.shutdown_session = ShutdownSession::Dropped),
            ("kept", |r| r.shutdown_session = ShutdownSession::Kept),
        ],
        later: &[],
    },
];

/// Rules of `flaws.md` §0.1 that this build does not have.
const LATER_RULES: &[&str] = &[
    "epoch-lookup-miss",
    "truncate-when",
    "truncation-peer-check",
    "hw-counts-replica-if",
    "isr-cas",
    "consumer-truncation-check",
    "restart-identity",
    "diverging-reply-order",
    "producer-state-retention",
    "txn-epoch-bump",
    "txn-append-check",
    "txn-offset-fencing",
    "offset-fetch",
    "marker-ack",
    "offset-expiry",
    "assignor-owner-rule",
    "revoke-commit",
    "controller-log-flush",
    "raft-commit-rule",
    "check-quorum",
    "pre-vote",
];

/// Lays a `rules` table over rules.
pub(super) fn lay_rules(
    found: &mut Findings<'_>,
    path: &Path,
    table: &BTreeMap<String, String>,
    rules: &mut Rules,
) {
    for (name, value) in table {
        let path = at![path; name];
        let Some(rule) = RULES.iter().find(|r| r.name == name) else {
            if LATER_RULES.contains(&name.as_str()) {
                found.later(&path, &format!("the rule `{name}` cannot be set yet"));
                continue;
            }
            let names = RULES.iter().map(|r| r.name);
            let help = suggest(name, names, "`highwater list rules` names all");
            found.error_key(&path, &format!("unknown rule `{name}`")).help(help);
            continue;
        };
        if let Some((_, set)) = rule.values.iter().find(|(v, _)| v == value) {
            set(rules);
        } else if rule.later.contains(&value.as_str()) {
            found.wrong(&path, &Wrong::later(format!("`{value}` cannot be simulated yet")));
        } else {
            let values: Vec<&str> = rule.values.iter().map(|(v, _)| *v).collect();
            let all = format!("its values are: {}", values.join(", "));
            let help = suggest(value, values.iter().copied(), &all);
            found.error(&path, &format!("unknown value of the rule `{name}`")).help(help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RULES, VERSIONS};
    use crate::model::rules::Rules;

    #[test]
    fn every_value_of_every_rule_makes_a_difference() {
        for rule in RULES {
            let of = |set: fn(&mut Rules)| {
                let mut rules = Rules::default();
                set(&mut rules);
                rules
            };
            for (place, (name, set)) in rule.values.iter().enumerate() {
                for (other, set_other) in &rule.values[place + 1..] {
                    assert_ne!(of(*set), of(*set_other), "{}: {name} and {other}", rule.name);
                }
            }
        }
        assert_eq!(VERSIONS.len(), 3);
    }
}
