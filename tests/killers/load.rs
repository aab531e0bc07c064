//! Scenarios of the project, loaded.

use std::path::Path;

use highwater::scenario::{Overrides, Scenario, Source, load};

/// A scenario of the project by its name, with values laid over it.
pub(crate) fn scenario(name: &str, set: &[(&str, &str)]) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    load_file(&folder.join(format!("{name}.json")), set)
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
