//! Writes the concrete schedule of a run back as a scenario: every injected fault an `at` line.
//!
//! What is written is the resolved file with its `faults` replaced, so everything else of the plan
//! stays as it was. A fault's nodes are target words; several nodes are one word,
//! `nodes:broker:1,broker:3`, so one line is one fault again.

use serde_json::{Map, Value, json};

use crate::base::time::{Span, Time};
use crate::model::fault::Fault;

use super::Scenario;
use super::actions::{exact, written};
use super::members::Members;

/// One fault as a line of `faults`.
fn line(at: Time, fault: &Fault, members: &Members) -> Value {
    let mut line = Map::new();
    line.insert("at".to_owned(), json!(exact(Span(at.0))));
    if let Some(word) = members.words(&fault.nodes) {
        line.insert("target".to_owned(), json!(word));
    }
    if let Some(length) = fault.length {
        line.insert("for".to_owned(), json!(exact(length)));
    }
    line.insert("do".to_owned(), written(&fault.action, members));
    Value::Object(line)
}

/// The resolved file of one column with exactly this schedule as its faults.
///
/// # Panics
/// If there is no such column.
#[must_use]
pub fn with_schedule(scenario: &Scenario, column: usize, schedule: &[(Time, Fault)]) -> Value {
    let version = &scenario.columns[column].kafka;
    let members = &scenario.members[column];
    let mut file = scenario.resolved.clone();
    let lines: Vec<Value> = schedule.iter().map(|(at, fault)| line(*at, fault, members)).collect();
    file["faults"] = Value::Array(lines);
    for (place, topic) in members.names.topics.iter().enumerate() {
        if topic.most > topic.partitions {
            file["topics"][place]["max-partitions"] = json!(topic.most);
        }
    }
    if file.get("cluster").is_none() {
        file["cluster"] = json!({});
    }
    file["cluster"]["kafka"] = json!([version]);
    if let Some(expect) = file.get_mut("expect").and_then(Value::as_array_mut) {
        let other = |l: &Value| l.get("kafka").is_some_and(|k| k != version.as_str());
        expect.retain(|l| !other(l));
    }
    file
}
