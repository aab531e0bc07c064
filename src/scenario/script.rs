//! Resolves `script`: steps with names into steps with numbers.

use crate::base::ids::{NodeId, Offset, PartitionId};
use crate::base::time::Span;
use crate::model::fault::Target;
use crate::model::plan::ProcessPlan;
use crate::model::script::{ScriptStep, Step};

use super::actions;
use super::clients;
use super::facts;
use super::fault_file::StepEntry;
use super::faults::FaultContext;
use super::file::ScenarioFile;
use super::findings::Findings;
use super::members::{ClientKind, Members};
use super::path::{Path, at};
use super::versions::Version;

/// How long `until` waits if the file does not say.
const WITHIN: Span = Span::secs(60);

/// A script, with what it needs beside the clients of the file.
#[derive(Default)]
pub(super) struct Script {
    pub(super) steps: Vec<ScriptStep>,
    /// Labels of records, by number.
    pub(super) labels: Vec<String>,
    /// Readers of `read` steps, with their names; numbered after the clients of the file.
    pub(super) readers: Vec<(String, ProcessPlan)>,
    /// Marks that were set so far, and whether `undo` can end what bears them.
    marks: Vec<(String, bool)>,
}

/// Which keys each opening key allows beside it.
const OPENERS: [(&str, &[&str]); 11] = [
    ("sleep", &[]),
    ("until", &["within"]),
    ("send", &["count", "label", "partition", "await"]),
    ("start", &[]),
    ("stop", &[]),
    ("seek", &["partition", "offset"]),
    ("do", &["target", "mark"]),
    ("undo", &[]),
    ("describe", &[]),
    ("read", &[]),
    ("dump-log", &["target"]),
];

/// The keys that a step has.
fn said(entry: &StepEntry) -> Vec<&'static str> {
    let table = [
        ("sleep", entry.sleep.is_some()),
        ("until", entry.until.is_some()),
        ("send", entry.send.is_some()),
        ("start", entry.start.is_some()),
        ("stop", entry.stop.is_some()),
        ("seek", entry.seek.is_some()),
        ("do", entry.action.is_some()),
        ("undo", entry.undo.is_some()),
        ("describe", entry.describe.is_some()),
        ("read", entry.read.is_some()),
        ("dump-log", entry.dump_log.is_some()),
        ("within", entry.within.is_some()),
        ("count", entry.count.is_some()),
        ("await", entry.awaits.is_some()),
        ("label", entry.label.is_some()),
        ("partition", entry.partition.is_some()),
        ("offset", entry.offset.is_some()),
        ("target", entry.target.is_some()),
        ("mark", entry.mark.is_some()),
    ];
    table.into_iter().filter_map(|(key, said)| said.then_some(key)).collect()
}

/// The script of a column. `clients` is how many processes the file itself has.
pub(super) fn resolve(
    found: &mut Findings<'_>,
    file: &ScenarioFile,
    context: &FaultContext<'_>,
    version: &Version,
) -> Script {
    let mut script = Script::default();
    for (place, entry) in file.script.iter().enumerate() {
        let path = at!["script", place];
        if !well_formed(found, &path, entry) {
            continue;
        }
        if let Some(step) = step(found, &path, entry, context, version, &mut script) {
            script.steps.push(ScriptStep { step, record_as: entry.record_as.clone() });
        }
    }
    script
}

/// Exactly one opening key, and only its own keys beside it.
fn well_formed(found: &mut Findings<'_>, path: &Path, entry: &StepEntry) -> bool {
    let keys = said(entry);
    let openers: Vec<&(&str, &[&str])> = OPENERS.iter().filter(|o| keys.contains(&o.0)).collect();
    let [(opener, allowed)] = openers.as_slice() else {
        let all: Vec<&str> = OPENERS.iter().map(|o| o.0).collect();
        let label = match openers.as_slice() {
            [] => "it has none of the keys that open a step".to_owned(),
            several => {
                let names: Vec<&str> = several.iter().map(|o| o.0).collect();
                format!("this is {} steps: {}", names.len(), names.join(", "))
            }
        };
        found
            .error(path, "a step has exactly one opening key")
            .label(label)
            .help(format!("steps open with: {}", all.join(", ")));
        return false;
    };
    for key in keys.iter().filter(|k| *k != opener && !allowed.contains(k)) {
        let message = format!("`{key}` means nothing in a `{opener}` step");
        found.error_key(&at![path; *key], &message);
    }
    true
}

fn step(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &StepEntry,
    context: &FaultContext<'_>,
    version: &Version,
    script: &mut Script,
) -> Option<Step> {
    let members = context.members;
    if let Some(span) = entry.sleep {
        return Some(Step::Sleep(span.0));
    }
    if let Some(table) = &entry.until {
        let pattern = facts::pattern(found, &at![path; "until"], table, members)?;
        return Some(Step::Until { pattern, within: entry.within.map_or(WITHIN, |d| d.0) });
    }
    if let Some(name) = &entry.send {
        return send(found, path, entry, name, members, script);
    }
    if let Some(name) = &entry.start {
        let processes = found.take(&at![path; "start"], members.client(name, None))?;
        return Some(Step::Start { processes });
    }
    if let Some(name) = &entry.stop {
        let processes = found.take(&at![path; "stop"], members.client(name, None))?;
        return Some(Step::Stop { processes });
    }
    if let Some(name) = &entry.seek {
        return seek(found, path, entry, name, members);
    }
    if entry.action.is_some() {
        return act(found, path, entry, context, script);
    }
    if let Some(mark) = &entry.undo {
        undo(found, &at![path; "undo"], mark, script);
        return Some(Step::Undo { mark: mark.clone() });
    }
    if let Some(name) = &entry.describe {
        let partition = found.take(&at![path; "describe"], members.partition(name))?;
        return Some(Step::Describe { partition });
    }
    if let Some(name) = &entry.read {
        let partition = found.take(&at![path; "read"], members.partition(name))?;
        let reader = script.readers.len();
        let id = crate::base::ids::ProcessId((members.names.processes.len() + reader) as u16);
        let plan = clients::reader(version, partition);
        script.readers.push((format!("reader-{}", reader + 1), plan));
        return Some(Step::Read { partition, reader: id });
    }
    dump_log(found, path, entry, context)
}

fn send(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &StepEntry,
    name: &str,
    members: &Members,
    script: &mut Script,
) -> Option<Step> {
    let process = found.take(&at![path; "send"], members.process(name, Some(ClientKind::Producer)));
    let partition = match &entry.partition {
        None => None,
        Some(name) => Some(found.take(&at![path; "partition"], members.partition(name))?),
    };
    let count = entry.count.unwrap_or(1);
    if !(1..=1_000_000).contains(&count) {
        found.error(&at![path; "count"], "out of range").label("must be 1 to 1000000");
    }
    let label = entry.label.as_ref().map(|label| {
        let known = script.labels.iter().position(|l| l == label);
        known.unwrap_or_else(|| {
            script.labels.push(label.clone());
            script.labels.len() - 1
        }) as u16
    });
    let awaits = entry.awaits.unwrap_or(true);
    if !awaits && entry.record_as.is_some() {
        found
            .error(&at![path; "as"], "not known yet")
            .label("the answers come after this step")
            .help("leave `as` away, or `await`");
    }
    Some(Step::Send { process: process?, count, label, partition, awaits })
}

fn seek(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &StepEntry,
    name: &str,
    members: &Members,
) -> Option<Step> {
    let process = found.take(&at![path; "seek"], members.process(name, Some(ClientKind::Consumer)));
    let partition: Option<PartitionId> = match &entry.partition {
        Some(name) => found.take(&at![path; "partition"], members.partition(name)),
        None => {
            found.error(path, "missing field `partition`").label("of which partition?");
            None
        }
    };
    let Some(offset) = entry.offset else {
        found.error(path, "missing field `offset`").label("to which offset?");
        return None;
    };
    Some(Step::Seek { process: process?, partition: partition?, offset: Offset(offset) })
}

fn act(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &StepEntry,
    context: &FaultContext<'_>,
    script: &mut Script,
) -> Option<Step> {
    let table = entry.action.as_ref()?;
    let action = actions::action(found, &at![path; "do"], table, context);
    let target = match &entry.target {
        None => None,
        Some(word) => Some(found.take(&at![path; "target"], context.members.target(word))?),
    };
    let action = action?;
    actions::check_target(found, path, &action, target.as_ref(), context);
    if let Some(mark) = &entry.mark {
        let path = at![path; "mark"];
        if script.marks.iter().any(|(m, _)| m == mark) {
            found.error(&path, "a mark of this name is already set").label("the second one");
        }
        script.marks.push((mark.clone(), action.kind().has_length()));
    }
    Some(Step::Do { action, target, mark: entry.mark.clone() })
}

fn undo(found: &mut Findings<'_>, path: &Path, mark: &str, script: &Script) {
    match script.marks.iter().find(|(m, _)| m == mark) {
        Some((_, true)) => {}
        Some((_, false)) => {
            found.error(path, "what bears this mark happened at once").label("nothing to end");
        }
        None => {
            let names: Vec<&str> = script.marks.iter().map(|(m, _)| m.as_str()).collect();
            let all = match names.as_slice() {
                [] => "no step before this sets a `mark`".to_owned(),
                names => format!("marks set before this: {}", names.join(", ")),
            };
            let help = super::diagnostic::suggest(mark, names.iter().copied(), &all);
            found.error(path, "no such mark").label(format!("nothing bears `{mark}`")).help(help);
        }
    }
}

fn dump_log(
    found: &mut Findings<'_>,
    path: &Path,
    entry: &StepEntry,
    context: &FaultContext<'_>,
) -> Option<Step> {
    let name = entry.dump_log.as_ref()?;
    let partition = found.take(&at![path; "dump-log"], context.members.partition(name))?;
    let Some(word) = &entry.target else { return Some(Step::DumpLog { partition, broker: None }) };
    let path = at![path; "target"];
    let Target::Node(NodeId::Broker(broker)) = found.take(&path, context.members.target(word))?
    else {
        found.error(&path, "whose log is a broker's number").help("write `broker:1`");
        return None;
    };
    if !context.holds(broker, partition) {
        found.error(&path, &format!("broker {} has no replica of {name}", broker.0));
    }
    Some(Step::DumpLog { partition, broker: Some(broker) })
}
