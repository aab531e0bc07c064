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
mod versions;
mod words;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

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
    /// One plan per Kafka version, in the order of `cluster.kafka`.
    pub columns: Vec<Plan>,
    /// What is expected.
    #[doc(hidden)]
    pub expect: Vec<ExpectLine>,
    /// Which seeds, if the command line says nothing.
    pub seeds: SeedRange,
    /// What does not do what its author may think.
    pub warnings: Vec<Diagnostic>,
    /// The whole file after `extends`, `set` and the options of the command line.
    pub(crate) resolved: Value,
    /// What `--set` changed, for the report.
    pub(crate) set: Vec<(String, String)>,
    /// Who is there, per column: words for nodes.
    members: Vec<Members>,
}

/// Reads a scenario, lays the options of the command line over it, and resolves it.
///
/// # Errors
/// Everything that is wrong with it, each at its place.
pub fn load(source: &Source<'_>, overrides: &Overrides) -> Result<Scenario, Diagnostics> {
    let mut tree = source::read(source)?;
    let errors = source::lay_options(&mut tree, overrides);
    if !errors.is_empty() {
        return Err(Diagnostics(errors));
    }
    let file = read::file(&tree)?;
    let mut found = Findings::new(&tree);
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
        let (plan, everybody) = plan::resolve(&mut found, &file, column);
        columns.push(plan);
        members.push(everybody);
    }
    let expect = expect::resolve(&mut found, &file, versions);
    let warnings = found.into_found();
    if warnings.iter().any(|d| d.severity == Severity::Error) {
        return Err(Diagnostics(warnings));
    }
    let seeds = SeedRange {
        from: file.run.seeds.from.unwrap_or(0),
        count: file.run.seeds.count.unwrap_or(1),
    };
    let (name, path) = name(source);
    let resolved = tree.value;
    Ok(Scenario {
        name,
        path,
        title: file.title,
        lesson: file.lesson,
        claims: file.claims,
        columns,
        expect,
        seeds,
        warnings,
        resolved,
        set: overrides.set.clone(),
        members,
    })
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
