//! `highwater list`: every name that may appear in a file or on the command line.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::check::metrics::METRICS;
use crate::check::registry::{Kind, PROPERTIES};
use crate::cli::args::Listing;
use crate::model::rules::Drill;
use crate::scenario;

/// The listing as text.
pub(crate) fn list(what: Listing) -> String {
    let text = str::to_owned;
    match what {
        Listing::Presets => {
            table(scenario::presets::names().map(|n| vec![format!("preset:{n}")]).collect())
        }
        Listing::Faults => {
            let length = |has: bool| text(if has { "has a length (`for`)" } else { "at once" });
            let rows = scenario::list_faults().into_iter();
            table(rows.map(|(name, has)| vec![text(name), length(has)]).collect())
        }
        Listing::Invariants => properties(&[Kind::Data, Kind::Liveness]),
        Listing::Marks => properties(&[Kind::Mark]),
        Listing::Configs => configs(),
        Listing::Rules => {
            let rows = scenario::list_rules().into_iter();
            table(rows.map(|(name, values)| vec![text(name), values.join(" | ")]).collect())
        }
        Listing::Metrics => {
            table(METRICS.iter().map(|m| vec![text(m.name), text(m.what)]).collect())
        }
        Listing::Hardware => {
            let rows = scenario::list_hardware().into_iter();
            table(rows.map(|(name, what)| vec![text(name), text(what)]).collect())
        }
        // One name a line and nothing else: for scripts that try them all.
        Listing::Drills => Drill::ALL.iter().map(|(_, name, _)| format!("{name}\n")).collect(),
    }
}

fn configs() -> String {
    let rows = scenario::property_table().into_iter().map(|row| {
        let class = format!("{:?}", row.class).to_lowercase();
        let scope = format!("{:?}", row.scope).to_lowercase();
        vec![row.name.to_owned(), scope, class, row.default.to_owned(), row.kafka.to_owned()]
    });
    table(rows.collect())
}

fn properties(kinds: &[Kind]) -> String {
    let rows = PROPERTIES.iter().filter(|p| kinds.contains(&p.kind)).map(|p| {
        let kind = format!("{:?}", p.kind).to_lowercase();
        vec![p.name.to_owned(), kind, p.claims.join(" "), p.what.to_owned()]
    });
    table(rows.collect())
}

fn table(rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.add_rows(rows);
    let lines = table.lines().map(|line| format!("{}\n", line.trim()));
    lines.collect()
}
