//! Patterns over facts: which names exist, and which fields each can be asked for.

use crate::model::pattern::Pattern;

use super::diagnostic::suggest;
use super::fault_file::{PatternFields, PatternTable};
use super::findings::Findings;
use super::members::Members;
use super::path::{Path, at};

/// One fact and what a pattern may say about it.
struct FactName {
    name: &'static str,
    partition: bool,
    node: bool,
    size: bool,
    leader: bool,
}

/// Facts that name nothing but the moment, a node, a partition, or both.
const fn fact(name: &'static str, partition: bool, node: bool) -> FactName {
    FactName { name, partition, node, size: false, leader: false }
}

const fn both(name: &'static str) -> FactName {
    fact(name, true, true)
}

const fn of_node(name: &'static str) -> FactName {
    fact(name, false, true)
}

static FACTS: &[FactName] = &[
    both("appended"),
    both("truncated"),
    both("tail-lost"),
    both("log-start-moved"),
    of_node("stopped"),
    of_node("started"),
    of_node("paused"),
    of_node("resumed"),
    of_node("disk-failed"),
    both("watermark-exposed"),
    both("position-answered"),
    both("position-told"),
    both("submitted"),
    both("acked"),
    both("rejected"),
    both("gave-up"),
    of_node("send-failed"),
    both("consumed"),
    both("position-set"),
    of_node("client-stopped"),
    both("called"),
    fact("partition-created", true, false),
    both("replica-placed"),
    FactName { name: "elected", partition: true, node: true, size: true, leader: true },
    FactName { name: "isr-committed", partition: true, node: false, size: true, leader: true },
    of_node("broker-registered"),
    of_node("broker-fenced"),
    of_node("broker-unfenced"),
    of_node("broker-shutting-down"),
    fact("config-committed", false, false),
    of_node("injected"),
    of_node("refused"),
    fact("operation-refused", false, false),
    of_node("healed"),
    fact("all-healed", false, false),
    fact("step-done", false, false),
    both("high-watermark-moved"),
    both("became-leader"),
    both("became-follower"),
    FactName { name: "isr-proposed", partition: true, node: true, size: true, leader: false },
    of_node("session-expired"),
    of_node("epoch-bumped"),
    both("retried"),
    both("deduplicated"),
];

/// Facts of the network are made for a trace only, so nothing may wait for them.
const TRACE_ONLY: [&str; 5] = ["opened", "closed", "sent", "delivered", "held"];

/// The names of facts that a pattern may name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FACTS.iter().map(|f| f.name)
}

/// Reads a pattern.
pub(super) fn pattern(
    found: &mut Findings<'_>,
    path: &Path,
    table: &PatternTable,
    members: &Members,
) -> Option<Pattern> {
    if table.len() != 1 {
        found
            .error(path, "a pattern names exactly one fact")
            .help("write `{ \"truncated\": { \"partition\": \"t-0\" } }`");
        return None;
    }
    let (name, fields) = table.first_key_value()?;
    let path = at![path; name];
    let Some(fact) = FACTS.iter().find(|f| f.name == name) else {
        if TRACE_ONLY.contains(&name.as_str()) {
            found
                .error_key(&path, &format!("nothing can wait for `{name}`"))
                .label("facts of the network are only made for a trace");
        } else {
            let help = suggest(name, names(), "`highwater list facts` names all");
            found.error_key(&path, &format!("unknown fact `{name}`")).help(help);
        }
        return None;
    };
    allowed(found, &path, fact, fields);
    let partition = fields.partition.as_deref();
    let partition = partition.map(|p| found.take(&at![path; "partition"], members.partition(p)));
    let node = match &fields.node {
        None => None,
        Some(word) => match found.take(&at![path; "node"], members.nodes(word))?.as_slice() {
            [node] => Some(*node),
            _ => {
                found.error(&at![path; "node"], "a pattern names one node");
                None
            }
        },
    };
    Some(Pattern {
        fact: fact.name,
        partition: partition.flatten(),
        node,
        size: fields.size,
        leader: fields.leader,
    })
}

/// A field that a fact does not have would never match, silently.
fn allowed(found: &mut Findings<'_>, path: &Path, fact: &FactName, fields: &PatternFields) {
    let table = [
        ("partition", fields.partition.is_some(), fact.partition),
        ("node", fields.node.is_some(), fact.node),
        ("size", fields.size.is_some(), fact.size),
        ("leader", fields.leader.is_some(), fact.leader),
    ];
    for (field, asked, has) in table {
        if asked && !has {
            let message = format!("the fact `{}` says nothing about `{field}`", fact.name);
            found.error_key(&at![path; field], &message).label("would never match");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TRACE_ONLY, names};

    /// The names here are those of `Fact::name`, all of them.
    #[test]
    fn the_names_are_the_facts() {
        let source = include_str!("../model/fact.rs");
        let start = source.find("const fn name(&self)").expect("Fact has names");
        let mut said: Vec<&str> =
            source[start..].split('"').skip(1).step_by(2).filter(|s| !s.is_empty()).collect();
        let mut known: Vec<&str> = names().chain(TRACE_ONLY).collect();
        said.sort_unstable();
        known.sort_unstable();
        assert_eq!(said, known);
    }
}
