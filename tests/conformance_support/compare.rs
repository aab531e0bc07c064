//! The comparison rules of the recordings' README, for facts.

use std::collections::{BTreeMap, BTreeSet};

use highwater::internals::model::{AppPlan, Step};
use highwater::plan::Plan;
use highwater::report::Value;
use highwater::run::Outcome;
use serde_json::Value as Json;

/// What became of one fact of a recording.
pub(crate) enum Verdict {
    /// It was compared and held in every seed.
    Held,
    /// Nothing in the scenario binds it.
    Unbound(String),
    /// It differs: a sentence.
    Differs(String),
}

/// How a fact of a recording is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    NotCompared,
    PartitionStates,
    LeaderEpochs,
    Count,
    Failures,
    Gap,
    Plain,
}

fn rule(key: &str) -> Rule {
    let last = key.rsplit('.').next().unwrap_or(key);
    match last {
        _ if last.ends_with("-began-at-ms") || last.ends_with("-exit-code") => Rule::NotCompared,
        "record-retry-total" => Rule::NotCompared,
        _ if last.starts_with("partition-states ") => Rule::PartitionStates,
        _ if last.ends_with("leader-epochs") => Rule::LeaderEpochs,
        _ if last.ends_with("-ms") => Rule::Gap,
        "failed" => Rule::Failures,
        "sent" | "acked" | "readable" | "readable-records" | "acked-but-lost" | "duplicated"
        | "failed-but-present" | "out-of-order-steps" => Rule::Count,
        _ => Rule::Plain,
    }
}

/// Compares every fact of the recording with every seed. Counts of a single run say little: those
/// that several runs of the same case on `another` release show widen them.
pub(crate) fn facts(
    recording: &Json,
    another: Option<&Json>,
    plan: &Plan,
    outcomes: &[Outcome],
    say: &mut impl FnMut(Verdict),
) {
    let paced = plan.script.iter().any(|s| starts_producer(plan, &s.step));

    let mut recorded = facts_of(recording, paced);
    if let Some(another) = another.filter(|a| recording["runs"] == 1 && a["runs"] != 1) {
        for (key, (_, more)) in facts_of(another, paced) {
            if let Some((_, values)) = recorded.get_mut(&key).filter(|_| rule(&key) == Rule::Count)
            {
                values.extend(more);
            }
        }
    }
    for (key, (exact, values)) in &recorded {
        let rule = rule(key);
        if rule == Rule::NotCompared {
            continue;
        }
        let found: Vec<Option<Value>> = outcomes.iter().map(|o| lookup(o, key)).collect();
        if found.iter().all(Option::is_none) {
            say(Verdict::Unbound(key.clone()));
            continue;
        }
        match difference(key, rule, *exact, values, &found) {
            None => say(Verdict::Held),
            Some(what) => say(Verdict::Differs(what)),
        }
    }
    equal_counts(&recorded, outcomes, say);
}

/// What a recording says, by name: whether it was the same in every run, and the values.
fn facts_of(recording: &Json, paced: bool) -> BTreeMap<String, (bool, Vec<Json>)> {
    let empty = serde_json::Map::new();
    let map = |name: &str| recording.get(name).and_then(Json::as_object).unwrap_or(&empty).clone();
    let mut recorded: BTreeMap<String, (bool, Vec<Json>)> = BTreeMap::new();
    for (key, value) in map("exact") {
        // What a client counted, in a recording of one run: every count is a fact of its own.
        if let Some(counts) = value.as_object().filter(|o| o.contains_key("acked")) {
            for (name, value) in counts {
                recorded.insert(format!("{key}.{name}"), (true, vec![value.clone()]));
            }
            continue;
        }
        // One run shows one order of replicas that are treated alike, whatever it calls exact.
        let single = recording["runs"] == 1 && rule(&key) == Rule::PartitionStates;
        let exact = !(single || paced && rule(&key) == Rule::LeaderEpochs);
        recorded.insert(key, (exact, vec![value]));
    }
    for (key, value) in map("varies") {
        let runs = value.as_array().cloned().unwrap_or_default();
        recorded.insert(key, (false, runs));
    }
    recorded
}

/// Whether a step starts a producer, which then sends at its own pace.
fn starts_producer(plan: &Plan, step: &Step) -> bool {
    let Step::Start { processes } = step else { return false };
    processes.iter().any(|p| matches!(plan.processes[p.index()].app, AppPlan::Producer(_)))
}

/// The fact called `key`: its own name, or a name and the path inside it (`acks-all.acked`).
fn lookup(outcome: &Outcome, key: &str) -> Option<Value> {
    let named = |name: &str| {
        let facts = outcome.recorded().iter().rev();
        facts.clone().find(|(n, _)| n == name).map(|(_, v)| v)
    };
    if let Some(value) = named(key) {
        return Some(value.clone());
    }
    let (name, path) = key.split_once('.')?;
    let inside = |value: Option<&Value>, key: &str| value.and_then(|v| entry(v, key)).cloned();
    path.split('.').fold(named(name).cloned(), |value, key| inside(value.as_ref(), key))
}

fn difference(
    key: &str,
    rule: Rule,
    exact: bool,
    recorded: &[Json],
    found: &[Option<Value>],
) -> Option<String> {
    if rule == Rule::Gap {
        let mut gaps: Vec<i64> = found.iter().flatten().filter_map(number).collect();
        gaps.sort_unstable();
        let median = gaps.get(gaps.len() / 2).copied()?;
        let range = range(recorded)?;
        return duration_difference(key, median, range);
    }
    for (seed, found) in found.iter().enumerate() {
        let Some(found) = found else {
            return Some(format!("{key}: seed {seed} has no such fact"));
        };
        let held = match rule {
            Rule::Count => count_held(recorded, found),
            Rule::Failures => recorded.iter().any(|r| failures_held(r, found)),
            Rule::LeaderEpochs => recorded.iter().any(|r| epochs_held(r, found, exact)),
            Rule::PartitionStates => recorded.iter().any(|r| states_held(r, found, !exact)),
            _ if !exact && range(recorded).is_some() => count_held(recorded, found),
            _ => recorded.iter().any(|r| equal(r, found)),
        };
        if !held {
            let recorded: Vec<String> = recorded.iter().map(|r| clip(&brief(r))).collect();
            let recorded = recorded.join(" | ");
            let found = clip(&brief(&json(found)));
            return Some(format!("{key}: seed {seed}\n     sim: {found}\n   kafka: {recorded}"));
        }
    }
    None
}

/// A duration's rule: within ± 20 % of the runs; under one second only the upper bound.
pub(crate) fn duration_difference(
    key: &str,
    median: i64,
    (low, high): (i64, i64),
) -> Option<String> {
    let lower = if low < 1000 { 0 } else { low * 8 / 10 };
    let upper = high * 12 / 10;
    (median < lower || median > upper)
        .then(|| format!("{key}: median {median} ms over the seeds, recorded {low}–{high} ms"))
}

fn range(recorded: &[Json]) -> Option<(i64, i64)> {
    let numbers: Option<Vec<i64>> =
        recorded.iter().map(|r| r.as_i64().or_else(|| r.as_f64().map(|f| f as i64))).collect();
    let numbers = numbers?;
    Some((*numbers.iter().min()?, *numbers.iter().max()?))
}

fn count_held(recorded: &[Json], found: &Value) -> bool {
    let (Some((low, high)), Some(found)) = (range(recorded), number(found)) else {
        return recorded.iter().any(|r| equal(r, found));
    };
    if high == 0 {
        return found == 0;
    }
    found * 10 >= low * 8 && found * 10 <= high * 12
}

/// A number, or what a list or map stands for where the recording has one.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(n) => Some(*n),
        // `send` of several: the first offset. `read`: how many.
        Value::List(list) => match list.as_slice() {
            [Value::Int(first), Value::Int(_)] => Some(*first),
            [.., Value::Map(_)] => entry(list.last()?, "last").and_then(number),
            _ => Some(list.len() as i64),
        },
        Value::Map(_) => entry(value, "leader").and_then(number),
        Value::Text(_) | Value::Bool(_) | Value::Null => None,
    }
}

/// Classes of failures, and how many of each if the recording says so.
fn failures_held(recorded: &Json, found: &Value) -> bool {
    let (Some(classes), Value::Map(entries)) = (recorded.as_object(), found) else {
        return equal(recorded, found);
    };
    let count = |class: &String| entry(found, class);
    classes.len() == entries.len()
        && classes.iter().all(|(class, n)| {
            count(class).is_some_and(|found| count_held(std::slice::from_ref(n), found))
        })
}

fn epochs_held(recorded: &Json, found: &Value, exact: bool) -> bool {
    let found = json(found);
    if exact {
        return *recorded == found;
    }
    let epochs = |v: &Json| -> Vec<Json> {
        v.as_array().map(|l| l.iter().map(|e| e[0].clone()).collect()).unwrap_or_default()
    };
    epochs(recorded) == epochs(&found)
}

const STATE_KEYS: [&str; 8] = [
    "leader",
    "leaderEpoch",
    "partitionEpoch",
    "isr",
    "elr",
    "lastKnownElr",
    "recovery",
    "replicas",
];

fn states_held(recorded: &Json, found: &Value, renaming: bool) -> bool {
    let found = json(found);
    let (Some(recorded), Some(found)) = (recorded.as_array(), found.as_array()) else {
        return false;
    };
    if recorded.len() != found.len() {
        return false;
    }
    // Only the followers of the beginning are ever treated alike.
    let first = recorded[0]["leader"].as_i64();
    let mut replicas: Vec<i64> = set(&recorded[0]["replicas"]).into_iter().collect();
    replicas.retain(|replica| Some(*replica) != first);
    let orders = if renaming { permutations(&replicas) } else { vec![replicas.clone()] };
    let names = |order: &Vec<i64>| -> BTreeMap<i64, i64> {
        replicas.iter().copied().zip(order.iter().copied()).collect()
    };
    let every: Vec<BTreeMap<i64, i64>> = orders.iter().map(names).collect();
    let mut possible = every.clone();
    for (r, f) in recorded.iter().zip(found) {
        possible.retain(|rename| state_held(r, f, rename));
        if possible.is_empty() {
            return false;
        }
        // Where the replicas stand alike again, who comes next is open again: those killed
        // together and started together change places twice.
        if every.iter().all(|rename| state_held(r, f, rename)) {
            possible.clone_from(&every);
        }
    }
    true
}

fn state_held(recorded: &Json, found: &Json, rename: &BTreeMap<i64, i64>) -> bool {
    let renamed = |n: i64| rename.get(&n).copied().unwrap_or(n);
    STATE_KEYS.iter().all(|key| match *key {
        "isr" | "elr" | "lastKnownElr" | "replicas" => {
            let recorded: BTreeSet<i64> = set(&recorded[*key]).into_iter().map(renamed).collect();
            recorded == set(&found[*key])
        }
        "leader" => recorded[*key].as_i64().map(renamed) == found[*key].as_i64(),
        _ => recorded[*key] == found[*key],
    })
}

fn permutations(items: &[i64]) -> Vec<Vec<i64>> {
    if items.len() <= 1 {
        return vec![items.to_vec()];
    }
    let mut all = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(place);
        for mut tail in permutations(&rest) {
            tail.insert(0, *item);
            all.push(tail);
        }
    }
    all
}

fn set(value: &Json) -> BTreeSet<i64> {
    value.as_array().map(|l| l.iter().filter_map(Json::as_i64).collect()).unwrap_or_default()
}

/// Equality of a recorded and a found value: sets as sets, exceptions by class, numbers where the
/// recording has a number for what `read` and `describe` tell at length.
fn equal(recorded: &Json, found: &Value) -> bool {
    match recorded {
        Json::Number(n) => number(found) == n.as_i64(),
        Json::String(text) => match found {
            Value::Text(found) => text.split(':').next() == found.split(':').next(),
            Value::Int(n) => *text == format!("position {n}"),
            _ => false,
        },
        Json::Object(object) if object.contains_key("isr") => {
            let found = json(found);
            object.iter().all(|(key, value)| match key.as_str() {
                "leader" => *value == found[key],
                _ => set(value) == set(&found[key]),
            })
        }
        Json::Array(list) => list_equal(list, found),
        Json::Object(_) | Json::Bool(_) | Json::Null => *recorded == json(found),
    }
}

fn list_equal(recorded: &[Json], found: &Value) -> bool {
    match found {
        // Classes of failures: a list of them, or how many of each.
        Value::Map(entries) => {
            let classes: BTreeSet<&str> = entries.iter().map(|(c, _)| c.as_str()).collect();
            let recorded: BTreeSet<&str> = recorded.iter().filter_map(Json::as_str).collect();
            classes == recorded
        }
        Value::List(found)
            if recorded.iter().all(|r| r.is_number() || r.is_null())
                && found.iter().any(is_map) =>
        {
            let epochs: BTreeSet<Option<i64>> =
                found.iter().map(|b| entry(b, "producerEpoch").and_then(number)).collect();
            epochs == recorded.iter().map(Json::as_i64).collect()
        }
        other => match (json(other), recorded) {
            (Json::Array(found), recorded) => {
                found.len() == recorded.len()
                    && recorded.iter().zip(&found).all(|(r, f)| batch_equal(r, f))
            }
            _ => false,
        },
    }
}

const fn is_map(value: &Value) -> bool {
    matches!(value, Value::Map(_))
}

/// A batch of a dumped log: the fields that the recording has.
fn batch_equal(recorded: &Json, found: &Json) -> bool {
    match recorded.as_object() {
        Some(fields) => fields.iter().all(|(key, value)| found.get(key) == Some(value)),
        None => recorded == found,
    }
}

/// Where every run shows sent = acked = readable, every seed must show it.
fn equal_counts(
    recorded: &BTreeMap<String, (bool, Vec<Json>)>,
    outcomes: &[Outcome],
    say: &mut impl FnMut(Verdict),
) {
    for key in recorded.keys().filter(|k| k.rsplit('.').next() == Some("acked")) {
        let prefix = &key[..key.len() - "acked".len()];
        for other in ["sent", "readable", "readable-records"] {
            let other = format!("{prefix}{other}");
            if recorded.get(&other).map(|r| &r.1) != recorded.get(key).map(|r| &r.1) {
                continue;
            }
            let differs = outcomes.iter().find(|o| {
                let value = |k: &str| lookup(o, k).as_ref().and_then(number);
                value(key).zip(value(&other)).is_some_and(|(a, b)| a != b)
            });
            match differs {
                None => say(Verdict::Held),
                Some(o) => say(Verdict::Differs(format!(
                    "{key} and {other}: equal in every run, not in seed {}: {:?} and {:?}",
                    o.seed,
                    lookup(o, key).as_ref().and_then(number),
                    lookup(o, &other).as_ref().and_then(number)
                ))),
            }
        }
    }
}

fn entry<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
        _ => None,
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(n) => Json::from(*n),
        Value::Text(t) => Json::from(t.as_str()),
        Value::List(l) => Json::Array(l.iter().map(json).collect()),
        Value::Map(m) => Json::Object(m.iter().map(|(k, v)| (k.clone(), json(v))).collect()),
    }
}

/// Partition states in few characters; anything else as JSON.
fn brief(value: &Json) -> String {
    let Some(states) = value.as_array().filter(|l| l.iter().any(|s| s.get("isr").is_some())) else {
        return value.to_string();
    };
    let line = |s: &Json| {
        format!(
            "[{} e{} pe{} isr{} elr{} lk{} {}]",
            s["leader"],
            s["leaderEpoch"],
            s["partitionEpoch"],
            s["isr"],
            s["elr"],
            s["lastKnownElr"],
            if s["recovery"] == "RECOVERING" { "R" } else { "" }
        )
    };
    states.iter().map(line).collect::<Vec<_>>().join(" ")
}

fn clip(text: &str) -> String {
    text.chars().take(900).collect()
}
