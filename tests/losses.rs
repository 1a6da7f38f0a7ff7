//! No setting is lost in silence: each that a fixture writes is found again in what its translation means, or is told.
//! Those that no renderer speaks of are told by the net below them; `fixtures/unsaid.txt` lists them by target, so that
//! none joins them unseen. `BLESS=1` rewrites it.

#[path = "support/configurations.rs"]
mod configurations;

use std::{collections::BTreeSet, fs, path::Path};

use triglot::{
    cli::{
        load,
        translate::{print, unsaid},
    },
    dialect::Dialect,
    source::SourceMap,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the renderer of a language does not speak of.
fn silent(path: &Path, from: Dialect, to: Dialect) -> Vec<String> {
    let mut sources = SourceMap::new();
    let request = configurations::request(path, from);
    let lowered = load::lower(&mut sources, &request);
    if load::has_errors(&lowered.found) || !lowered.sound {
        return Vec::new();
    }
    let shape = sources.files().next().map(|(_, file)| from.shape(path, &file.text)).expect("it was read");
    let (text, losses) = print(from, to, &lowered.config, &sources, shape, &request);
    let output = path.with_file_name(match to {
        Dialect::Iis if text.contains("<system.applicationHost>") => "applicationHost.config",
        Dialect::Iis => "web.config",
        Dialect::Nginx | Dialect::Apache => "losses-output.conf",
    });
    sources.add(output.clone(), text.into_bytes());
    let again = load::lower(&mut sources, &configurations::request(&output, to));
    unsaid(&lowered.config, &again.config, &losses, &sources).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn what_no_renderer_speaks_of_is_known() {
    std::env::set_current_dir(root()).expect("the project is there");
    let mut found = BTreeSet::new();
    for (path, from) in configurations::all(Path::new("")) {
        for to in Dialect::ALL.into_iter().filter(|to| *to != from) {
            found.extend(silent(&path, from, to).into_iter().map(|key| format!("{} {key}\n", to.name())));
        }
    }
    let now: String = found.into_iter().collect();
    let golden = Path::new("fixtures/unsaid.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(golden, &now).expect("fixtures can be written");
    }
    let known = fs::read_to_string(golden).unwrap_or_default();
    let new: Vec<&str> = now.lines().filter(|line| !known.lines().any(|one| one == *line)).collect();
    assert!(new.is_empty(), "nobody speaks of {new:#?}");
    let gone: Vec<&str> = known.lines().filter(|line| !now.lines().any(|one| one == *line)).collect();
    assert!(gone.is_empty() || std::env::var_os("CASE").is_some(), "spoken of now (BLESS=1): {gone:#?}");
}
