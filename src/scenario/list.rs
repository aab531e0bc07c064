//! Every name that may appear in a scenario file, for `highwater list`, and the file's schema.

use crate::model::fault::FaultKind;

use super::cluster::HARDWARE;
use super::file::ScenarioFile;
use super::properties::{Scope, modelled};
use super::{facts, inert, versions};

/// What this model does with a Kafka property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It changes what happens.
    Modelled,
    /// Kafka knows it; here it changes nothing, and a file that says it is warned.
    WithoutEffect,
}

/// One row of `list configs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropertyRow {
    /// Kafka's name; of a family of properties its prefix and a star.
    pub name: &'static str,
    /// Whose property.
    pub scope: Scope,
    /// What this model does with it.
    pub class: Class,
    /// Kafka's default, as Kafka prints it; empty if the model does not need to know.
    pub default: &'static str,
    /// The Kafka version that name and default are taken from.
    pub kafka: &'static str,
}

/// Every Kafka property that a file may say: by scope, modelled ones first, then by name.
#[must_use]
pub fn property_table() -> Vec<PropertyRow> {
    let mut rows = Vec::new();
    for scope in [Scope::Broker, Scope::Topic, Scope::Producer, Scope::Consumer] {
        let known = modelled(scope).map(|p| (p.name, Class::Modelled, p.default));
        let inert = inert::names(scope).map(|name| (name, Class::WithoutEffect, ""));
        let families = inert::families(scope).map(|name| (name, Class::WithoutEffect, ""));
        let mut of_scope: Vec<_> = known.chain(inert).chain(families).collect();
        of_scope.sort_unstable_by_key(|&(name, class, _)| (class, name));
        rows.extend(of_scope.into_iter().map(|(name, class, default)| PropertyRow {
            name,
            scope,
            class,
            default,
            kafka: "4.1",
        }));
    }
    rows
}

/// Every kind of fault and operation, and whether it lasts (`for`) or happens at once.
#[must_use]
pub fn list_faults() -> Vec<(&'static str, bool)> {
    FaultKind::ALL.iter().map(|kind| (kind.name(), kind.has_length())).collect()
}

/// Every rule with its values, from the oldest to the newest.
#[must_use]
pub fn list_rules() -> Vec<(&'static str, Vec<&'static str>)> {
    let values = |rule: &versions::RuleName| rule.values.iter().map(|(name, _)| *name).collect();
    versions::RULES.iter().map(|rule| (rule.name, values(rule))).collect()
}

/// Every preset of service times with what it stands for.
#[must_use]
pub fn list_hardware() -> Vec<(&'static str, &'static str)> {
    HARDWARE.iter().map(|(name, about, _)| (*name, *about)).collect()
}

/// Every fact that `when` and `until` may wait for.
#[must_use]
pub fn list_facts() -> Vec<&'static str> {
    facts::names().collect()
}

/// The JSON Schema (draft 2020-12) of a scenario file.
///
/// # Panics
/// Never: a schema is JSON.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(ScenarioFile);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::{property_table, schema};

    /// `UPDATE=1 cargo test` writes it anew.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/scenario.schema.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, schema()).expect("the schema can be written");
        }
        let committed = std::fs::read_to_string(path).expect("the schema is committed");
        assert!(committed == schema(), "schema/scenario.schema.json is old: run with UPDATE=1");
    }

    #[test]
    fn no_property_is_listed_twice() {
        let rows = property_table();
        for (place, row) in rows.iter().enumerate() {
            let twice = rows[..place].iter().any(|r| r.name == row.name && r.scope == row.scope);
            assert!(!twice, "{} of {}", row.name, row.scope.name());
        }
    }
}
