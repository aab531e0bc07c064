//! From arguments to loaded scenarios: files, presets, overrides, drills, names of properties.

use std::path::Path;

use crate::check::properties::PROPERTIES;
use crate::cli::args::ScenarioArgs;
use crate::cli::output::{complain, stderr_color};
use crate::cli::progress::say;
use crate::model::rules::Drill;
use crate::repro::Repro;
use crate::scenario::{Overrides, Scenario, Source, load, presets};

/// Loads a scenario file or preset; says on stderr what is wrong with it.
pub(crate) fn scenario(name: &str, args: &ScenarioArgs) -> Option<Scenario> {
    let overrides = Overrides {
        set: args.set.clone(),
        kafka: (!args.kafka.is_empty()).then(|| args.kafka.clone()),
        producer_config: args.producer_config.clone(),
        consumer_config: args.consumer_config.clone(),
        topic_config: args.topic_config.clone(),
        broker_config: args.broker_config.clone(),
    };
    let loaded = match name.strip_prefix("preset:") {
        Some(preset) => {
            let Some(text) = presets::find(preset) else {
                let hint = suggest(preset, presets::names());
                let all = "`highwater list presets` names all";
                complain(&format!("there is no preset `{preset}`{hint} ({all})"));
                return None;
            };
            load(&Source::Embedded { name: preset, text }, &overrides)
        }
        None => {
            let path = Path::new(name);
            if path.is_file() && Repro::is_repro(path) {
                complain(&format!(
                    "{name} is a repro file, not a scenario\n\
                     = help: `highwater replay {name}` runs it"
                ));
                return None;
            }
            load(&Source::File(path), &overrides)
        }
    };
    match loaded {
        Ok(scenario) => {
            for warning in &scenario.warnings {
                say(&warning.render(stderr_color()));
            }
            Some(scenario)
        }
        Err(diagnostics) => {
            say(diagnostics.render(stderr_color()).trim_end());
            None
        }
    }
}

/// The drill of this name; says on stderr if there is none.
pub(crate) fn drill(name: Option<&str>) -> Option<Option<Drill>> {
    let Some(name) = name else { return Some(None) };
    let known = Drill::ALL.iter().find(|(_, n, _)| *n == name);
    if known.is_none() {
        let hint = suggest(name, Drill::ALL.iter().map(|(_, n, _)| *n));
        complain(&format!("there is no drill `{name}`{hint} (`highwater list drills` names all)"));
    }
    known.map(|(drill, ..)| Some(*drill))
}

/// The property of this name; says on stderr if there is none.
pub(crate) fn property(name: &str) -> Option<&'static str> {
    let known = PROPERTIES.iter().find(|p| p.name == name).map(|p| p.name);
    if known.is_none() {
        let hint = suggest(name, PROPERTIES.iter().map(|p| p.name));
        complain(&format!(
            "--expect-violation: there is no property `{name}`{hint} \
             (`highwater list invariants` names all)"
        ));
    }
    known
}

/// `; did you mean …?`, if something is near.
fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(distance, k)| *distance <= 3.max(k.len() / 3))
        .min()
        .map_or_else(String::new, |(_, k)| format!("; did you mean `{k}`?"))
}
