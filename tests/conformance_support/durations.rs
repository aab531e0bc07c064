//! The comparison rules of the recordings' README, for durations: from a `did` of the script to the
//! fence, unfence or partition change that it causes.

use std::collections::BTreeMap;
use std::fmt;

use highwater::internals::check::Happening;
use highwater::plan::Names;
use highwater::run::Outcome;
use highwater::types::Time;
use serde_json::Value as Json;

use crate::compare::{Verdict, duration_difference};

/// Two things that the lab did within so many ms are one step of a script.
const AT_ONCE: i64 = 100;

/// What happened in a run, recorded or simulated; each with its number among those of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Did(String, usize),
    Started(u64, usize),
    Registered(u64, usize),
    Unfenced(u64, usize),
    Fenced(u64, usize),
    /// A partition, by name, came to this partition epoch.
    Changed(String, u64),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Did(text, _) => write!(f, "{text:?}"),
            Self::Started(broker, _) => write!(f, "broker {broker} started"),
            Self::Registered(broker, _) => write!(f, "broker {broker} registered"),
            Self::Unfenced(broker, _) => write!(f, "broker {broker} unfenced"),
            Self::Fenced(broker, _) => write!(f, "broker {broker} fenced"),
            Self::Changed(partition, epoch) => write!(f, "{partition} at partition epoch {epoch}"),
        }
    }
}

/// When everything happened in one run, in ms.
#[derive(Default)]
struct Run(BTreeMap<Event, i64>);

impl Run {
    /// Adds the next event of its kind.
    fn add(&mut self, ms: i64, event: impl Fn(usize) -> Event) {
        let free = (0..).map(event).find(|e| !self.0.contains_key(e));
        self.0.insert(free.expect("some number is free"), ms);
    }

    fn add_change(&mut self, ms: i64, partition: String, epoch: u64) {
        self.0.entry(Event::Changed(partition, epoch)).or_insert(ms);
    }

    fn at(&self, event: &Event) -> Option<i64> {
        self.0.get(event).copied()
    }

    /// From one event to a later one.
    fn between(&self, from: &Event, to: &Event) -> Option<i64> {
        let span = self.at(to)? - self.at(from)?;
        (span >= 0).then_some(span)
    }

    /// The latest event of some kind up to another one.
    fn latest(&self, until: &Event, kind: impl Fn(&Event) -> bool) -> Option<&Event> {
        let end = self.at(until)?;
        let before = self.0.iter().filter(|(e, ms)| **ms <= end && *e != until && kind(e));
        before.max_by_key(|(_, ms)| **ms).map(|(e, _)| e)
    }
}

/// Time zero of a recording: its topics exist.
fn recorded(run: &Json) -> Run {
    let list = |name: &str| run.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let log = list("metadata-log");
    let created = log.iter().filter(|e| e["metadata"] == "partition created");
    let zero = created.filter_map(|e| e["t"].as_i64()).max().unwrap_or(0);
    let mut found = Run::default();
    for entry in list("timeline") {
        if let (Some(ms), Some(did)) = (entry["t"].as_i64(), entry["did"].as_str()) {
            found.add(ms, |n| Event::Did(did.to_owned(), n));
        }
    }
    for entry in log.iter().filter(|e| e["t"].as_i64().is_some_and(|t| t >= zero)) {
        let ms = entry["t"].as_i64().unwrap_or_default();
        let node = entry["node"].as_u64().unwrap_or_default();
        match entry["metadata"].as_str().unwrap_or_default() {
            "broker registered" => found.add(ms, |n| Event::Registered(node, n)),
            "broker fenced" => found.add(ms, |n| Event::Fenced(node, n)),
            "broker unfenced" => found.add(ms, |n| Event::Unfenced(node, n)),
            "partition changed" => {
                let name = entry["partition"].as_str().unwrap_or_default().to_owned();
                found.add_change(ms, name, entry["partitionEpoch"].as_u64().unwrap_or_default());
            }
            _ => {}
        }
    }
    found
}

fn simulated(outcome: &Outcome, names: &Names) -> Run {
    let mut found = Run::default();
    for moment in outcome.moments().iter().filter(|m| m.time > Time::ZERO) {
        let ms = moment.time.as_millis() as i64;
        let number = |broker: highwater::types::BrokerId| u64::from(broker.0);
        match &moment.what {
            Happening::Did(text) => found.add(ms, |n| Event::Did(text.clone(), n)),
            Happening::Started(broker) => found.add(ms, |n| Event::Started(number(*broker), n)),
            Happening::Registered(broker) => {
                found.add(ms, |n| Event::Registered(number(*broker), n));
            }
            Happening::Fenced(broker) => found.add(ms, |n| Event::Fenced(number(*broker), n)),
            Happening::Unfenced(broker) => found.add(ms, |n| Event::Unfenced(number(*broker), n)),
            Happening::Changed(partition, state) => {
                let name = names.partition(*partition);
                found.add_change(ms, name, u64::from(state.partition_epoch.0));
            }
        }
    }
    found
}

/// From what a duration to `event` may be measured. A broker that registered is measured from then
/// to its unfencing, for the start of a JVM is left out; a fence follows from what was done, and a
/// change of a partition from that or from a broker's return.
fn may_cause(anchor: &Event, event: &Event, after_registration: bool) -> bool {
    match (anchor, event) {
        (Event::Registered(broker, _), Event::Unfenced(of, _)) => {
            after_registration && broker == of
        }
        (Event::Did(..), Event::Unfenced(..)) => !after_registration,
        (Event::Did(..), Event::Fenced(..) | Event::Changed(..)) => true,
        (Event::Registered(..) | Event::Unfenced(..), Event::Changed(..)) => true,
        _ => false,
    }
}

/// Whether the broker that is unfenced here has registered since it was fenced.
fn is_after_registration(run: &Run, event: &Event) -> bool {
    let Event::Unfenced(broker, _) = event else { return false };
    let concerns =
        |e: &Event| matches!(e, Event::Registered(b, _) | Event::Fenced(b, _) if b == broker);
    matches!(run.latest(event, concerns), Some(Event::Registered(..)))
}

/// Whether a partition changed in the batch of records that fenced, unfenced or registered a
/// broker: that is what is measured.
fn is_part_of_another(run: &Run, event: &Event) -> bool {
    let same = |(e, ms): (&Event, &i64)| {
        let broker = matches!(e, Event::Fenced(..) | Event::Unfenced(..) | Event::Registered(..));
        broker && run.at(event) == Some(*ms)
    };
    matches!(event, Event::Changed(..)) && run.0.iter().any(same)
}

/// Whether a partition changed after a broker had been started since `anchor`: what lies between
/// them is the start of a JVM, too.
fn spans_a_start(run: &Run, anchor: &Event, event: &Event) -> bool {
    let (Some(from), Some(to)) = (run.at(anchor), run.at(event)) else { return false };
    let started =
        |(e, ms): (&Event, &i64)| matches!(e, Event::Started(..)) && (from..=to).contains(ms);
    matches!(event, Event::Changed(..)) && run.0.iter().any(started)
}

/// Compares the durations that every recorded run and most seeds show.
pub(crate) fn compare(
    recording: &Json,
    names: &Names,
    outcomes: &[Outcome],
    say: &mut impl FnMut(Verdict),
) {
    let runs = recording.get("run").and_then(Json::as_array).cloned().unwrap_or_default();
    let recorded: Vec<Run> = runs.iter().map(recorded).collect();
    let simulated: Vec<Run> = outcomes.iter().map(|o| simulated(o, names)).collect();
    let Some(first) = recorded.first() else { return };
    let in_most = |holds: &dyn Fn(&Run) -> bool| {
        simulated.iter().filter(|run| holds(run)).count() * 2 >= simulated.len()
    };
    // A `did` that the script binds as often as the recording has it.
    let times = |run: &Run, text: &str| {
        run.0.keys().filter(|e| matches!(e, Event::Did(t, _) if t == text)).count()
    };
    let bound = |anchor: &Event| match anchor {
        Event::Did(text, _) => in_most(&|run| times(run, text) == times(first, text)),
        _ => in_most(&|run| run.at(anchor).is_some()),
    };
    for event in first.0.keys() {
        if recorded.iter().all(|run| is_part_of_another(run, event)) {
            continue;
        }
        let after_registration = recorded.iter().all(|run| is_after_registration(run, event));
        // What came before it in every run, the latest first. Replicas that were killed together
        // change places: what is not in every run cannot be compared.
        let mut anchors: Vec<&Event> = first.0.keys().collect();
        anchors.retain(|a| {
            may_cause(a, event, after_registration)
                && recorded.iter().all(|run| run.between(a, event).is_some())
        });
        anchors.sort_by_key(|a| std::cmp::Reverse(first.at(a)));
        let Some(latest) = anchors.first() else { continue };
        // A script may bind a moment later than the lab did, so that it comes after what it did not
        // cause; then the one before it is the cause. A moment that it does not bind hides those
        // before it, unless the two were one for the lab (a kill, and what the kill lost).
        let at_once = |a: &Event, b: &Event| {
            recorded.iter().all(|run| run.between(a, b).is_some_and(|span| span < AT_ONCE))
        };
        let hides = |a: &&&Event| {
            !bound(a) && !anchors.iter().any(|b| b != *a && bound(b) && at_once(b, a))
        };
        let hidden = anchors.iter().position(|a| hides(&a)).unwrap_or(anchors.len());
        let known = anchors[..hidden].iter().filter(|a| bound(a));
        let known = known.filter(|a| in_most(&|run| run.between(a, event).is_some()));
        let (starts, fitting): (Vec<&&Event>, Vec<&&Event>) =
            known.partition(|a| in_most(&|run| spans_a_start(run, a, event)));
        let Some(anchor) = fitting.first() else {
            if !starts.is_empty() {
                continue; // the start of a JVM is left out
            }
            say(Verdict::Unbound(format!("duration from {latest} to {event}")));
            continue;
        };
        let mut found: Vec<i64> =
            simulated.iter().filter_map(|run| run.between(anchor, event)).collect();
        found.sort_unstable();
        let runs = || recorded.iter().filter_map(|run| run.between(anchor, event));
        let range = (runs().min().unwrap_or_default(), runs().max().unwrap_or_default());
        let key = format!("from {anchor} to {event}");
        match duration_difference(&key, found[found.len() / 2], range) {
            None => say(Verdict::Held),
            Some(what) => say(Verdict::Differs(what)),
        }
    }
}
