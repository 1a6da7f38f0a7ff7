//! Reads the files of `grammar/apache/`.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{Args, Catalogue, Override, Overrides, Place, Places, Status, ThirdParty, key};

/// The catalogue of these files: their names and texts, and the text of the one about third parties.
pub(super) fn catalogue(files: &[(&str, &str)], third_parties: &str) -> Result<Catalogue, String> {
    let mut rows = Vec::new();
    let mut modules = Vec::new();
    for (name, text) in files {
        let File { module, rows: written } =
            toml::from_str(text).map_err(|error| format!("{name}.toml: {error}"))?;
        for (key, row) in written {
            let row = row.row(key.clone(), modules.len());
            rows.push(row.map_err(|error| format!("{name}.toml: {key}: {error}"))?);
        }
        let Module { name, id, file, assumed, doc } = module;
        modules.push(super::Module { name, id, file, assumed, doc });
    }
    let mut by_name = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let Some(other) = by_name.insert(key(row.name.as_bytes()), at) {
            let other: &super::Row = &rows[other];
            // Two modules that exclude each other may have the same directive.
            if modules[other.module].name == modules[row.module].name {
                return Err(format!("{} is in the files twice", row.name));
            }
            by_name.insert(
                key(row.name.as_bytes()),
                rows.iter().position(|row| row.name == other.name).unwrap_or(at),
            );
        }
    }
    let others: Others =
        toml::from_str(third_parties).map_err(|error| format!("third_party.toml: {error}"))?;
    Ok(Catalogue { rows, by_name, modules, third_parties: others.module })
}

#[derive(Deserialize)]
struct File {
    module: Module,
    #[serde(flatten)]
    rows: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
struct Others {
    module: Vec<ThirdParty>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Module {
    name: String,
    id: String,
    file: String,
    #[serde(default)]
    assumed: bool,
    doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    r#in: Vec<String>,
    #[serde(default)]
    r#override: Vec<String>,
    args: String,
    usage: Option<String>,
    default: Option<String>,
    status: String,
    why: Option<String>,
    doc: Option<String>,
}

impl Row {
    fn row(self, name: String, module: usize) -> Result<super::Row, String> {
        let mut places = Places::NONE;
        for word in &self.r#in {
            places = places.union(places_of(word)?);
        }
        let mut overrides = Overrides::NONE;
        for word in &self.r#override {
            overrides = overrides.union(overrides_of(word)?);
        }
        let status = match (self.status.as_str(), self.why) {
            ("honoured", None) => Status::Honoured,
            ("inert", Some(why)) => Status::Inert { why },
            ("refused", Some(why)) => Status::Refused { why },
            (status, why) => return Err(format!("status `{status}` with reason {why:?}")),
        };
        let args = Args::from_word(&self.args).ok_or_else(|| format!("no arguments `{}`", self.args))?;
        let (usage, default, doc) = (self.usage, self.default, self.doc);
        Ok(super::Row { name, places, overrides, args, usage, default, status, module, doc })
    }
}

fn places_of(word: &str) -> Result<Places, String> {
    if word == "dir" {
        return Ok(Places::dir());
    }
    let place = Place::ALL.iter().copied().find(|place| place.word() == word);
    Ok([place.ok_or_else(|| format!("no place `{word}`"))?].into_iter().collect())
}

fn overrides_of(word: &str) -> Result<Overrides, String> {
    if word == "Any" {
        return Ok(Overrides::all());
    }
    let one = Override::ALL.iter().copied().find(|one| one.word() == word);
    Ok([one.ok_or_else(|| format!("no override `{word}`"))?].into_iter().collect())
}
