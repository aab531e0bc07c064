//! The project's scenario files.

use std::path::{Path, PathBuf};

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
