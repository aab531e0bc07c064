//! `highwater list`: every name that may appear in a file or on the command line.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::check::metrics::METRICS;
use crate::check::properties::{PROPERTIES, PropertyKind};
use crate::cli::args::Listing;
use crate::model::rules::Drill;
use crate::scenario::{self, Class, Overrides, Source};

/// The listing as text.
pub(crate) fn list(what: Listing) -> String {
    let text = str::to_owned;
    match what {
        Listing::Presets => presets(),
        Listing::Faults => {
            let about = |name: &str, has: bool| match name {
                "partition-one-way" => text("written `partition` with `direction`; counted apart"),
                _ if has => text("lasts: takes `for`"),
                _ => text("happens at once"),
            };
            let rows = scenario::list_faults().into_iter();
            let rows = rows.map(|(name, has)| vec![text(name), about(name, has)]).collect();
            table(&["fault", "length"], rows)
        }
        Listing::Facts => {
            let rows = scenario::list_facts().into_iter();
            table(&["fact"], rows.map(|name| vec![text(name)]).collect())
        }
        Listing::Invariants => properties(&[PropertyKind::Data, PropertyKind::Liveness]),
        Listing::Marks => properties(&[PropertyKind::Mark]),
        Listing::Configs => configs(),
        Listing::Rules => {
            let rows = scenario::list_rules().into_iter();
            let rows = rows.map(|(name, values)| vec![text(name), values.join(" | ")]).collect();
            table(&["rule", "values, oldest first"], rows)
        }
        Listing::Metrics => {
            let rows = METRICS.iter().map(|m| vec![text(m.name), text(m.what)]).collect();
            table(&["metric", "meaning"], rows)
        }
        Listing::Hardware => {
            let rows = scenario::list_hardware().into_iter();
            table(&["hardware", "stands for"], rows.map(|(n, w)| vec![text(n), text(w)]).collect())
        }
        // One name a line and nothing else: for scripts that try them all.
        Listing::Drills => Drill::ALL.iter().map(|(_, name, _)| format!("{name}\n")).collect(),
    }
}

/// Name and title of every embedded scenario.
fn presets() -> String {
    let rows = scenario::presets::ALL.iter().map(|(name, text)| {
        let loaded = scenario::load(&Source::Embedded { name, text }, &Overrides::default());
        // Every preset loads; a test says so.
        vec![format!("preset:{name}"), loaded.map(|s| s.title).unwrap_or_default()]
    });
    table(&["preset", "what it shows"], rows.collect())
}

fn configs() -> String {
    let rows = scenario::property_table().into_iter().map(|row| {
        let class = match row.class {
            Class::Modelled => "modelled",
            Class::WithoutEffect => "no effect",
        };
        let scope = row.scope.name();
        [row.name, scope, class, row.kafka, row.default].map(str::to_owned).to_vec()
    });
    table(&["property", "of", "model", "Kafka", "default"], rows.collect())
}

fn properties(kinds: &[PropertyKind]) -> String {
    let rows = PROPERTIES.iter().filter(|p| kinds.contains(&p.kind)).map(|p| {
        let kind = format!("{:?}", p.kind).to_lowercase();
        vec![p.name.to_owned(), kind, p.claims.join(" "), p.what.to_owned()]
    });
    table(&["property", "kind", "claims", "violated, or seen, when"], rows.collect())
}

/// Columns under their heads, which are set in capitals.
fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.add_row(heads.iter().map(|head| head.to_uppercase()).collect::<Vec<_>>());
    table.add_rows(rows);
    let lines = table.lines().map(|line| format!("{}\n", line.trim()));
    lines.collect()
}
