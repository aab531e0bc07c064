//! `highwater list`: every name that may appear in a file or on the command line.

use comfy_table::{Table, presets::NOTHING};

use crate::check::metrics::METRICS;
use crate::check::{Kind, PROPERTIES};
use crate::cli::args::Listing;
use crate::model::rules::Drill;
use crate::scenario;

/// The listing as text.
pub(crate) fn list(what: Listing) -> String {
    match what {
        Listing::Presets => table(scenario::list_presets()),
        Listing::Faults => table(scenario::list_faults()),
        Listing::Invariants => properties(&[Kind::Data, Kind::Liveness]),
        Listing::Marks => properties(&[Kind::Mark]),
        Listing::Configs => table(scenario::list_configs()),
        Listing::Rules => table(scenario::list_rules()),
        Listing::Metrics => {
            table(METRICS.iter().map(|m| vec![m.name.to_owned(), m.what.to_owned()]).collect())
        }
        Listing::Hardware => table(scenario::list_hardware()),
        // One name a line and nothing else: for scripts that try them all.
        Listing::Drills => Drill::ALL.iter().map(|(_, name, _)| format!("{name}\n")).collect(),
    }
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
    table.load_preset(NOTHING);
    table.add_rows(rows);
    let lines = table.lines().map(|line| format!("{}\n", line.trim()));
    lines.collect()
}
