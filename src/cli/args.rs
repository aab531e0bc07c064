//! The command line: commands, flags and their help, as clap reads them.
//!
//! Does not act on any of them. Flags that belong to several commands are groups of their own.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::sweep::SeedRange;

/// A deterministic simulator of Apache Kafka's reliability.
#[derive(Debug, Parser)]
#[command(name = "highwater", version, about)]
#[command(
    after_help = "Exit codes: 0 held · 1 violated or not found · 2 bad input · 3 inconclusive \
· 4 replay differs · 70 internal error · 130 interrupted"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios, one seed or a sweep of seeds, and judge what they expect.
    Run(RunArgs),
    /// Run exactly one run again, and tell its story.
    Replay(ReplayArgs),
    /// List names that may appear in a scenario file or on the command line.
    List {
        /// What to list.
        #[arg(value_enum, default_value_t = Listing::Presets)]
        what: Listing,
    },
    /// Print a JSON Schema.
    Schema {
        /// Of what.
        #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
        of: SchemaOf,
    },
}

/// Flags that change the scenario before it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct ScenarioArgs {
    /// Kafka versions, one column each, instead of the file's `cluster.kafka`.
    #[arg(long, value_name = "V,…", value_delimiter = ',')]
    pub kafka: Vec<String>,
    /// Set a value of the scenario, by path: `producer.acks=1`, `topics[orders].partitions=6`.
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
    /// Lay a producer's .properties file over every producer.
    #[arg(long, value_name = "FILE")]
    pub producer_config: Option<PathBuf>,
    /// Lay a consumer's .properties file over every consumer.
    #[arg(long, value_name = "FILE")]
    pub consumer_config: Option<PathBuf>,
    /// Lay a .properties file of topic properties over every topic.
    #[arg(long, value_name = "FILE")]
    pub topic_config: Option<PathBuf>,
    /// Lay a server.properties file over the cluster.
    #[arg(long, value_name = "FILE")]
    pub broker_config: Option<PathBuf>,
    /// Compile a deliberately wrong ruling in: tests the checkers, not Kafka.
    #[arg(long, value_name = "NAME", hide = true)]
    pub drill: Option<String>,
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Scenario files, or `preset:NAME`.
    #[arg(required = true, value_name = "FILE|preset:NAME")]
    pub scenarios: Vec<String>,
    /// One seed.
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    #[arg(value_parser = clap::value_parser!(u64).range(..u64::MAX))]
    pub seed: Option<u64>,
    /// So many seeds from 0, or a range `A..B` without B. Default: the file's `run.seeds`.
    #[arg(long, value_name = "N|A..B")]
    pub seeds: Option<SeedRange>,
    /// Derive the seeds from this hexadecimal number, for example a commit hash.
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    pub seed_base: Option<String>,
    /// Threads. Default: as many as the machine has cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// What changes the scenario.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// Stop after so many failing seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub max_failures: u64,
    /// Turn the verdict round: exit 0 when this property is violated, 1 when it is not.
    #[arg(long, value_name = "NAME")]
    pub expect_violation: Option<String>,
    /// Exit 0 where the verdict is inconclusive.
    #[arg(long)]
    pub allow_inconclusive: bool,
    /// Run every seed twice and compare the fingerprints.
    #[arg(long)]
    pub verify_determinism: bool,
    /// How progress is shown, on stderr.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// How results are written, on stdout.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Write the report into this file (.md, .json, .jsonl, .txt) or, as all of them, this folder.
    #[arg(long, value_name = "FILE|DIR")]
    pub out: Option<PathBuf>,
    /// Only the verdict.
    #[arg(long, short)]
    pub quiet: bool,
}

/// `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A repro file that a failing run wrote; or a scenario file or `preset:NAME`, with `--seed`.
    #[arg(value_name = "REPRO|FILE")]
    pub file: String,
    /// The seed, if the file is a scenario.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What changes the scenario.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// Print every fact instead of the story.
    #[arg(long)]
    pub trace: bool,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A bar on a terminal, lines otherwise.
    Auto,
    /// A bar.
    Bar,
    /// A line now and then.
    Counter,
    /// Not at all.
    None,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// One JSON document per scenario and column.
    Json,
    /// One JSON line per seed, and one for the summary.
    Jsonl,
}

/// What `list` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    /// Embedded scenarios.
    Presets,
    /// Faults and operations.
    Faults,
    /// Facts that `when` and `until` wait for.
    Facts,
    /// Properties that are checked.
    Invariants,
    /// Coverage marks.
    Marks,
    /// Kafka properties.
    Configs,
    /// Rules and their values.
    Rules,
    /// Metrics for `at-most` and `at-least`.
    Metrics,
    /// Hardware presets.
    Hardware,
    /// Drills, one name a line.
    Drills,
}

/// What `schema` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// A scenario file.
    Scenario,
    /// Lines of `--format jsonl` and documents of `--format json`.
    Results,
    /// A repro file.
    Repro,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err("expected PATH=VALUE, for example `producer.acks=1`".to_owned()),
    }
}

fn hexadecimal(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.len() <= 128;
    if fits && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected a hexadecimal number, for example a commit hash".to_owned())
    }
}
