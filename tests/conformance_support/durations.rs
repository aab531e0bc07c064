//! The comparison rules of the recordings' README, for durations: from a `did` of the script to the
//! fence, unfence or partition change that it causes.

use std::collections::BTreeMap;

use highwater::model::plan::Plan;
use highwater::record::Happening;
use highwater::run::Outcome;
use serde_json::Value as Json;

use crate::compare::{Verdict, duration_difference};

/// An event of a run, recorded or simulated, in one form.
struct Event {
    ms: i64,
    what: What,
}

enum What {
    Did(String),
    Registered,
    Other(String),
}

/// Durations by what they are from and to, of one run. Each event is measured from the latest `did`
/// that the scenario binds; the start of a JVM is left out, so after the start of a broker from its
/// registration to its unfencing, and from its unfencing to what that causes.
fn durations(events: &[Event], bound: &[String]) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    let mut from: Option<(String, i64)> = None;
    let mut started: Option<(i64, &str)> = None;
    for event in events {
        match &event.what {
            What::Did(text) => {
                from = bound.contains(text).then(|| (text.clone(), event.ms));
                started = None;
            }
            What::Registered => started = Some((event.ms, "registration")),
            What::Other(name) => {
                let Some((did, at)) = &from else { continue };
                let (start, word) = match started {
                    Some(started) => started,
                    None => (*at, "did"),
                };
                let key = format!("from {did:?} ({word}) to {name}");
                found.entry(key).or_insert(event.ms - start);
                if word != "did" && name.ends_with("unfenced") {
                    started = Some((event.ms, "unfence"));
                }
            }
        }
    }
    found
}

fn recorded_events(run: &Json) -> Vec<Event> {
    let list = |name: &str| run.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let mut events = Vec::new();
    for entry in list("timeline") {
        let (Some(ms), Some(did)) = (entry["t"].as_i64(), entry["did"].as_str()) else { continue };
        events.push(Event { ms, what: What::Did(did.to_owned()) });
    }
    for entry in list("metadata-log") {
        let Some(ms) = entry["t"].as_i64() else { continue };
        let node = entry["node"].as_i64().unwrap_or(-1);
        let what = match entry["metadata"].as_str().unwrap_or_default() {
            "broker registered" => What::Registered,
            "broker fenced" => What::Other(format!("broker {node} fenced")),
            "broker unfenced" => What::Other(format!("broker {node} unfenced")),
            "partition changed" => What::Other(format!(
                "{} at partition epoch {}",
                entry["partition"].as_str().unwrap_or_default(),
                entry["partitionEpoch"]
            )),
            _ => continue,
        };
        events.push(Event { ms, what });
    }
    events.sort_by_key(|e| e.ms);
    events
}

fn simulated_events(plan: &Plan, outcome: &Outcome) -> Vec<Event> {
    let moments = outcome.recorder.as_ref().map_or(&[][..], |r| r.moments());
    let mut events: Vec<Event> = Vec::new();
    for moment in moments {
        let what = match &moment.what {
            Happening::Did(text) => What::Did(text.clone()),
            Happening::Registered(_) => What::Registered,
            Happening::Fenced(broker) => What::Other(format!("broker {} fenced", broker.0)),
            Happening::Unfenced(broker) => What::Other(format!("broker {} unfenced", broker.0)),
            Happening::Changed(partition, state) => What::Other(format!(
                "{} at partition epoch {}",
                plan.names.partition(*partition),
                state.partition_epoch.0
            )),
        };
        events.push(Event { ms: moment.time.as_millis() as i64, what });
    }
    events.sort_by_key(|e| e.ms);
    events
}

/// Compares the durations that every recorded run and every seed shows.
pub(crate) fn compare(
    recording: &Json,
    plan: &Plan,
    outcomes: &[Outcome],
    say: &mut impl FnMut(Verdict),
) {
    let bound: Vec<String> = plan.script.iter().filter_map(|step| step.record_as.clone()).collect();
    let runs = recording.get("run").and_then(Json::as_array).cloned().unwrap_or_default();
    let recorded: Vec<BTreeMap<String, i64>> =
        runs.iter().map(|run| durations(&recorded_events(run), &bound)).collect();
    let simulated: Vec<BTreeMap<String, i64>> =
        outcomes.iter().map(|o| durations(&simulated_events(plan, o), &bound)).collect();
    let Some(first) = recorded.first() else { return };
    for key in first.keys() {
        let Some(runs) = recorded.iter().map(|r| r.get(key).copied()).collect::<Option<Vec<_>>>()
        else {
            continue; // not the same in every run: replicas killed together change places
        };
        let mut found: Vec<i64> = simulated.iter().filter_map(|s| s.get(key).copied()).collect();
        if found.len() * 2 < outcomes.len() {
            say(Verdict::Unbound(format!("duration {key}")));
            continue;
        }
        found.sort_unstable();
        let median = found[found.len() / 2];
        let low = runs.iter().min().copied().unwrap_or_default();
        let high = runs.iter().max().copied().unwrap_or_default();
        match duration_difference(key, median, (low, high)) {
            None => say(Verdict::Held),
            Some(what) => say(Verdict::Differs(what)),
        }
    }
}
