//! Reads the files of `grammar/`.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{Args, Catalogue, Directive, Level, Levels, Status, ThirdParty};

/// The catalogue of these files: their names and texts, and the text of the one about third parties.
pub(super) fn catalogue(files: &[(&str, &str)], third_party: &str) -> Result<Catalogue, String> {
    let mut rows = Vec::new();
    for (name, text) in files {
        let file: File = toml::from_str(text).map_err(|error| format!("{name}.toml: {error}"))?;
        for (key, row) in file.rows {
            let row = row.directive(&file.module, &key);
            rows.push(row.map_err(|error| format!("{name}.toml: {key}: {error}"))?);
        }
    }
    let mut by_name = HashMap::<String, Vec<usize>>::new();
    for (at, row) in rows.iter().enumerate() {
        for name in &row.names {
            by_name.entry(name.clone()).or_default().push(at);
        }
    }
    let others: Others = toml::from_str(third_party).map_err(|error| format!("third_party.toml: {error}"))?;
    Ok(Catalogue { rows, by_name, third_party: others.module })
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
    doc: String,
    since: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    names: Vec<String>,
    r#in: Vec<String>,
    args: String,
    default: Option<String>,
    #[serde(default)]
    repeat: bool,
    status: String,
    why: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    harmless: Vec<String>,
    setting: Option<String>,
    since: Option<String>,
    until: Option<String>,
    doc: Option<String>,
}

impl Row {
    fn directive(self, module: &Module, key: &str) -> Result<Directive, String> {
        let contexts = self.r#in.iter().map(|word| levels(word)).collect::<Result<Vec<_>, _>>()?;
        let contexts = contexts.into_iter().flat_map(Levels::iter).collect();
        let status = match (self.status.as_str(), self.why) {
            ("honoured", None) => Status::Honoured,
            ("inert", Some(why)) => Status::Inert { why },
            ("refused", Some(why)) => Status::Refused { why },
            (status, why) => return Err(format!("status `{status}` with reason {why:?}")),
        };
        Ok(Directive {
            names: if self.names.is_empty() { vec![key.to_owned()] } else { self.names },
            contexts,
            args: Args::parse(&self.args)?,
            default: self.default,
            status,
            setting: self.setting,
            repeat: self.repeat,
            harmless: self.harmless,
            needs: self.needs,
            doc: self.doc.unwrap_or_else(|| module.doc.clone()),
            since: self.since.or_else(|| module.since.clone()),
            until: self.until,
            module: module.name.clone(),
        })
    }
}

fn levels(word: &str) -> Result<Levels, String> {
    if word == "any" {
        return Ok(Levels::ANY);
    }
    let level = Level::from_word(word).ok_or_else(|| format!("no context `{word}`"))?;
    Ok([level].into_iter().collect())
}
