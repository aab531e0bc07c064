//! The scenarios that are part of the program: `preset:NAME` is `scenarios/NAME.json`.
//!
//! A test checks that every committed scenario is in the table.

macro_rules! table {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every embedded scenario, in alphabetical order.
        pub const ALL: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../scenarios/", $name, ".json")))),*];
    };
}

table!["acks-all-min-insync-2",];

/// The text of a preset.
#[must_use]
pub fn find(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}
