//! Scenario files: from a text that a person wrote to plans that can be run, or to diagnostics.
//!
//! [`load`] takes a file with what is laid over it, [`load_str`] a text, [`builder`] the same words
//! as methods. What comes of it is a [`Scenario`], or all that is wrong ([`Diagnostics`]).
//!
//! The way of a file, through private modules: `source` reads it with what it extends and lays
//! `--set` and its like over it; the values then become the mirror types of `file`, and those are
//! resolved part by part (`plan` and its neighbours) into one [`Plan`] per Kafka version. Nothing
//! stops at the first error. Each error knows the place it came from, because `tree` remembers
//! where every value was written. Does not know how a plan is run, and nothing below it knows that
//! files exist.

mod actions;
pub mod builder;
mod clients;
mod cluster;
mod config;
mod diagnostic;
mod document;
mod endless;
mod estimate;
mod expect;
mod facts;
mod fault_file;
mod faults;
mod file;
mod findings;
mod inert;
mod list;
mod members;
mod path;
mod plan;
pub(crate) mod presets;
mod properties;
mod properties_file;
mod read;
mod schedule;
mod script;
mod source;
mod tree;
mod vary;
mod versions;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::model::plan::Plan;

pub use self::diagnostic::{Diagnostic, Diagnostics, Severity, Text};
pub(crate) use self::estimate::estimate;
pub(crate) use self::expect::{Bound, ExpectLine, Expectation};
use self::findings::Findings;
pub(crate) use self::list::{
    Class, list_facts, list_faults, list_hardware, list_rules, property_table, schema,
};
use self::members::Members;
pub(crate) use self::plan::MOST_SEEDS;
pub use self::schedule::with_schedule;
pub use self::vary::Draw;
use self::vary::Vary;

/// Where a scenario comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A file; what it extends is beside it.
    File(&'a Path),
    /// A scenario that is part of the program; what it extends is too.
    Embedded {
        /// Without `preset:`.
        name: &'a str,
        /// All of it.
        text: &'a str,
    },
    /// A text from elsewhere, like a repro file; it can only extend presets.
    Text {
        /// As shown in diagnostics.
        name: &'a str,
        /// All of it.
        text: &'a str,
    },
}

/// What the command line lays over a file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--set PATH=VALUE`, in order.
    pub set: Vec<(String, String)>,
    /// `--kafka`: replaces `cluster.kafka`.
    pub kafka: Option<Vec<String>>,
    /// `--producer-config`: a `.properties` file laid over every producer's `config`.
    pub producer_config: Option<PathBuf>,
    /// `--consumer-config`: likewise for consumers.
    pub consumer_config: Option<PathBuf>,
    /// `--topic-config`: likewise for topics.
    pub topic_config: Option<PathBuf>,
    /// `--broker-config`: likewise for `cluster.config`.
    pub broker_config: Option<PathBuf>,
}

/// Which seeds a file asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedRange {
    /// The first.
    pub from: u64,
    /// How many.
    pub count: u64,
}

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its path under `scenarios/` without `.json`, or the file's name.
    pub name: String,
    /// The file, if it is one.
    pub path: Option<PathBuf>,
    /// One sentence.
    pub title: String,
    /// What a reader should take away.
    pub lesson: String,
    /// Numbers of claims that it shows.
    pub claims: Vec<String>,
    /// One plan per Kafka version, in the order of `cluster.kafka`. If something is varied, without
    /// any draw; [`Scenario::for_seed`] has the plans of a seed.
    pub columns: Vec<Plan>,
    /// What is expected.
    #[doc(hidden)]
    pub expect: Vec<ExpectLine>,
    /// Which seeds, if the command line says nothing.
    pub seeds: SeedRange,
    /// What does not do what its author may think.
    pub warnings: Vec<Diagnostic>,
    /// What a seed has drawn ([`Scenario::for_seed`]), if something is varied.
    pub draw: Vec<Draw>,
    /// The whole file after `extends`, `set` and the options of the command line.
    pub(crate) resolved: Value,
    /// What `--set` changed, for the report.
    pub(crate) set: Vec<(String, String)>,
    /// Who is there, per column: words for nodes.
    members: Vec<Members>,
    /// What each seed draws anew.
    vary: Option<Arc<Vary>>,
}

/// Reads a scenario, lays the options of the command line over it, and resolves it.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn load(source: &Source<'_>, overrides: &Overrides) -> Result<Scenario, Diagnostics> {
    let mut tree = source::read(source)?;
    let before = tree.layers();
    let errors = source::lay_options(&mut tree, overrides);
    if !errors.is_empty() {
        return Err(Diagnostics(errors));
    }
    vary::check_shape(&tree)?;
    let file = read::file(&tree)?;
    let mut fixed: Vec<path::Path> = tree.laid_since(before).cloned().collect();
    // What is set to its default has been taken away, so no layer says it.
    let set = overrides.set.iter().filter_map(|(typed, _)| source::resolve(&tree, typed).ok());
    fixed.extend(set.flatten());
    let vary = Vary::take(&mut tree, &file.vary, &fixed)?;
    let (name, path) = name(source);
    let mut scenario = resolve(&tree, &file)?;
    scenario.name = name;
    scenario.path = path;
    scenario.set.clone_from(&overrides.set);
    if let Some(vary) = vary {
        let mut warnings = std::mem::take(&mut scenario.warnings);
        vary.try_values(|tree| {
            let found = resolve(tree, &read::file(tree)?)?.warnings;
            let new = |w: &Diagnostic| warnings.iter().all(|known| known.message != w.message);
            let new: Vec<Diagnostic> = found.into_iter().filter(new).collect();
            warnings.extend(new);
            Ok(())
        })?;
        scenario.warnings = warnings;
        scenario.vary = Some(Arc::new(vary));
    }
    Ok(scenario)
}

/// What is to be said of the tree of a file, but for its name.
fn resolve(tree: &tree::Tree, file: &file::ScenarioFile) -> Result<Scenario, Diagnostics> {
    let mut found = Findings::new(tree);
    if file.version != 1 {
        found
            .error(&path::at!["version"], "this build reads version 1 of the format")
            .help("write `\"version\": 1`");
    }
    let default = vec![versions::DEFAULT_VERSION.to_owned()];
    let versions = file.cluster.kafka.as_ref().unwrap_or(&default);
    check_versions(&mut found, versions);
    let mut columns = Vec::new();
    let mut members = Vec::new();
    for column in 0..versions.len() {
        let (plan, everybody) = plan::resolve(&mut found, file, column);
        columns.push(plan);
        members.push(everybody);
    }
    let expect = expect::resolve(&mut found, file, versions);
    let warnings = found.into_found();
    if warnings.iter().any(|d| d.severity == Severity::Error) {
        return Err(Diagnostics(warnings));
    }
    let seeds = SeedRange {
        from: file.run.seeds.from.unwrap_or(0),
        count: file.run.seeds.count.unwrap_or(1),
    };
    Ok(Scenario {
        name: String::new(),
        path: None,
        title: file.title.clone(),
        lesson: file.lesson.clone(),
        claims: file.claims.clone(),
        columns,
        expect,
        seeds,
        warnings,
        draw: Vec::new(),
        resolved: tree.value.clone(),
        set: Vec::new(),
        members,
        vary: None,
    })
}

impl Scenario {
    /// The scenario as a seed runs it: itself, or, if something is varied, with what the seed
    /// draws laid over it, and varied no more.
    ///
    /// # Errors
    /// What is wrong with what the seed draws. Values are tried when the scenario is loaded, but
    /// not every combination of them.
    pub fn for_seed(&self, seed: u64) -> Result<Cow<'_, Self>, Diagnostics> {
        let Some(vary) = &self.vary else { return Ok(Cow::Borrowed(self)) };
        let drawn = vary.draw(seed)?;
        let tree = vary.tree(&drawn);
        let mut scenario = resolve(&tree, &read::file(&tree)?)?;
        scenario.name.clone_from(&self.name);
        scenario.path.clone_from(&self.path);
        scenario.set.clone_from(&self.set);
        scenario.draw = vary.told(&drawn);
        Ok(Cow::Owned(scenario))
    }

    /// The paths that seeds draw anew, and how many values each has.
    #[must_use]
    pub fn varied(&self) -> Vec<(String, u64)> {
        let paths = self.vary.iter().flat_map(|vary| vary.paths());
        paths.map(|(path, values)| (path.to_owned(), values)).collect()
    }
}

/// Reads a scenario from a text, which may extend presets. `name` stands for a file in diagnostics.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn load_str(name: &str, text: &str) -> Result<Scenario, Diagnostics> {
    load(&Source::Text { name, text }, &Overrides::default())
}

fn check_versions(found: &mut Findings<'_>, versions: &[String]) {
    let path = path::at!["cluster", "kafka"];
    if versions.is_empty() {
        found.error(&path, "no Kafka version").help("leave `cluster.kafka` out for 4.1");
    }
    for (place, version) in versions.iter().enumerate() {
        if versions[..place].contains(version) {
            let path = path::at![path; place];
            found.error(&path, "a column of this version is already there").label("the second one");
        }
    }
}

/// The scenario's name and file: below a directory `scenarios` the path from there.
fn name(source: &Source<'_>) -> (String, Option<PathBuf>) {
    let path = match source {
        Source::Embedded { name, .. } => return ((*name).to_owned(), None),
        Source::Text { name, .. } => return ((*name).to_owned(), None),
        Source::File(path) => *path,
    };
    let parts: Vec<String> =
        path.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    let below = parts.iter().rposition(|p| p == "scenarios").map_or(parts.len() - 1, |at| at + 1);
    let joined = parts[below.min(parts.len() - 1)..].join("/");
    let stem = [".jsonc", ".json"].into_iter().find_map(|end| joined.strip_suffix(end));
    (stem.unwrap_or(&joined).to_owned(), Some(path.to_owned()))
}
