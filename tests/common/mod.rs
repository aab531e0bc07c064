//! What several test files share: finding scenarios, loading them, sweeping them.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file is a crate of its own and uses its part"
)]

use std::path::{Path, PathBuf};

use highwater::judge::{Judge, Verdicts};
use highwater::run::Options;
use highwater::scenario::{Overrides, Scenario, Source, load};
use highwater::sweep::{Progress, SeedRange, SeedRule, SweepOptions, sweep};

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every scenario file, sorted, but for the one that lasts a day (`tests/memory-day.sh` runs it).
pub(crate) fn scenario_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&root().join("scenarios"), &mut files);
    files.retain(|file| file.file_stem().is_none_or(|stem| stem != "memory-day"));
    files.sort();
    assert!(!files.is_empty(), "there are scenarios");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of scenarios") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "json") {
            files.push(path);
        }
    }
}

/// A scenario of the project, with values laid over it.
pub(crate) fn scenario(name: &str, set: &[(&str, &str)]) -> Scenario {
    load_file(&root().join(format!("scenarios/{name}.json")), set)
}

/// A scenario file, with values laid over it.
pub(crate) fn load_file(path: &Path, set: &[(&str, &str)]) -> Scenario {
    let set = set.iter().map(|(p, v)| ((*p).to_owned(), (*v).to_owned())).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    match load(&Source::File(path), &overrides) {
        Ok(scenario) => scenario,
        Err(diagnostics) => panic!("{}", diagnostics.render(false)),
    }
}

/// Sweeps the first column over `0..seeds`, without stopping at failures.
pub(crate) fn swept(scenario: &Scenario, seeds: u64, options: Options) -> (Judge, Verdicts) {
    let plan = &scenario.columns[0];
    let judge = Judge::new(plan, &scenario.expect, false, None);
    let options = SweepOptions {
        range: SeedRange { from: 0, until: seeds },
        rule: SeedRule::default(),
        jobs: None,
        max_failures: u64::MAX,
        verify_determinism: false,
        options,
    };
    let sweep = sweep(plan, &judge, &options, &Progress::default(), |_| {});
    let verdicts = sweep.unwrap_or_else(|e| panic!("{}: {e}", scenario.name)).verdicts;
    (judge, verdicts)
}
