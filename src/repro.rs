//! Repro files: everything one run needs to happen again, on another machine, years later.
//!
//! Holds the whole scenario with every fault as an `at` line, the seed, the version that wrote it,
//! what it found and the fingerprint. Writing is atomic: a file is there whole or not at all.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of this file's shape.
pub const REPRO_VERSION: u32 = 1;
/// Largest repro file that is read.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A run, made repeatable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repro {
    /// Version of this file's shape: 1.
    pub repro: u32,
    /// Version of Highwater that wrote it; another one replays it with a warning.
    pub highwater: String,
    /// Revision it was built from, if the build said so (`HIGHWATER_REVISION`).
    #[serde(default)]
    pub revision: Option<String>,
    /// Name of the scenario.
    pub name: String,
    /// Column: the Kafka version.
    pub kafka: String,
    /// Seed of the run.
    pub seed: u64,
    /// The drill that was on, if one was.
    #[serde(default)]
    pub drill: Option<String>,
    /// Fingerprint of the run, 16 hexadecimal digits.
    pub fingerprint: String,
    /// What it found first, if anything.
    #[serde(default)]
    pub violation: Option<Found>,
    /// The scenario, with every fault as an `at` line.
    pub scenario: serde_json::Value,
}

/// What a run found first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The property.
    pub property: String,
    /// Virtual time, in nanoseconds.
    pub at_ns: u64,
    /// Sequence number of the event.
    pub step: u64,
    /// In words.
    pub text: String,
}

impl Repro {
    /// Reads a repro file.
    ///
    /// # Errors
    /// One message with the place, and what to do.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let size = fs::metadata(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
        if !size.is_file() {
            return Err(format!("{shown} is not a file"));
        }
        if size.len() > MAX_BYTES {
            let mib = size.len() / (1024 * 1024);
            return Err(format!("{shown} is {mib} MiB: a repro file has at most 64 MiB"));
        }
        let bytes = fs::read(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            format!("{shown} is not UTF-8 text, from byte {}", e.utf8_error().valid_up_to())
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let repro: Self = serde_json::from_str(text).map_err(|e| {
            let hint =
                "a repro file is written whole by a failing run; was it cut short or edited?";
            // The place stands before the message, and a list of all keys helps nobody.
            let whole = e.to_string();
            let said = whole.split(", expected one of").next().unwrap_or(&whole);
            let said = said.split(" at line ").next().unwrap_or(said);
            let said = said.replace("expected u64", "expected a whole number");
            format!("{shown}:{}:{}: {said}\n= help: {hint}", e.line(), e.column())
        })?;
        if repro.repro != REPRO_VERSION {
            let version = repro.repro;
            return Err(format!("{shown} has repro version {version}; this build reads version 1"));
        }
        Ok(repro)
    }

    /// Whether a file looks like a repro file rather than a scenario, by its first keys.
    #[must_use]
    pub fn is_repro(path: &Path) -> bool {
        let mut head = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut head));
        read.is_ok() && String::from_utf8_lossy(&head).contains("\"repro\"")
    }

    /// The scenario as the text of a scenario file.
    #[must_use]
    pub fn scenario_text(&self) -> String {
        format!("{:#}\n", self.scenario)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// One message naming the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let mut text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        text.push('\n');
        write_atomically(path, text.as_bytes())
    }

    /// `.highwater/failures/NAME-SEED.json`, with the name's slashes made dashes; of a scenario in
    /// several columns `NAME-KAFKA-SEED.json`, as a seed may fail in each.
    #[must_use]
    pub fn default_path(&self, columns: usize) -> PathBuf {
        let mut name = self.name.replace(['/', '\\', ' '], "-");
        if columns > 1 {
            name = format!("{name}-{}", self.kafka);
        }
        Path::new(".highwater/failures").join(format!("{name}-{}.json", self.seed))
    }
}

/// Writes a file by renaming a finished one into place; makes its folder if need be.
///
/// # Errors
/// One message naming the file.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let fail = |e: &dyn std::fmt::Display| format!("cannot write {}: {e}", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(|e| fail(&e))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| fail(&e))?;
    file.write_all(bytes).map_err(|e| fail(&e))?;
    file.as_file().sync_all().map_err(|e| fail(&e))?;
    file.persist(path).map_err(|e| fail(&e))?;
    Ok(())
}

/// JSON Schema of a repro file.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Repro);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::{Found, REPRO_VERSION, Repro};

    fn sample() -> Repro {
        Repro {
            repro: REPRO_VERSION,
            highwater: "0.1.0".to_owned(),
            revision: None,
            name: "canary/acks-1".to_owned(),
            kafka: "4.1".to_owned(),
            seed: u64::MAX,
            drill: None,
            fingerprint: "0123456789abcdef".to_owned(),
            violation: Some(Found {
                property: "acked-lost".to_owned(),
                at_ns: 26_377_544_000,
                step: 41_233,
                text: "t-0 offset 900 is gone".to_owned(),
            }),
            scenario: serde_json::json!({ "version": 1 }),
        }
    }

    #[test]
    fn a_repro_reads_back_what_it_wrote() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/x.json");
        sample().write(&path).expect("written");
        assert!(Repro::is_repro(&path));
        assert_eq!(Repro::read(&path), Ok(sample()));
    }

    #[test]
    fn a_broken_repro_is_refused_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.json");
        sample().write(&path).expect("written");
        let whole = std::fs::read(&path).expect("read");
        for cut in [0, 1, whole.len() / 2, whole.len() - 3] {
            std::fs::write(&path, &whole[..cut]).expect("cut");
            let message = Repro::read(&path).expect_err("a cut file is refused");
            assert!(message.contains("x.json:"), "{message}");
        }
        std::fs::write(&path, [0xff, 0xfe]).expect("bytes");
        assert!(Repro::read(&path).expect_err("refused").contains("UTF-8"));
        assert!(Repro::read(folder.path()).expect_err("refused").contains("not a file"));
    }
}
