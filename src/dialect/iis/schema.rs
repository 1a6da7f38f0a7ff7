//! The schema: every section, element and attribute that a configuration may have, and what becomes of it here.
//!
//! Rows are data in `grammar/iis/`, compiled in and read once. A file has a `doc` and a table `[[section]]` for each
//! section:
//!
//! | key | meaning |
//! |---|---|
//! | `name` | its path below `<configuration>` |
//! | `unlock` | who may write it in a stock server: `everywhere`, `locked` (an administrator may unlock it), `machine` (applicationHost.config alone) |
//! | `status` | `honoured`, `inert`, `refused`; the latter with `why`, and `use`: what to do instead |
//! | `harmless` | attributes with which a refused section changes nothing, `name=value` |
//! | `any` | whether its content is not looked at |
//! | `elements` | by path below the section, `.` being the section itself: attributes and, under `+`, the collection |
//! | `inert`, `refused` | parts of an honoured section that are not, as `element@attribute` or `element` |
//!
//! An attribute is `TYPE[!] [trimmed] [nonempty] [key] [case] [= default]`: `!` is required, `key` makes it part of the
//! key of its collection, `case` compares that part with regard to case. A collection is the names of its elements, first
//! those that add, then `remove` and `clear`, then `prepend` where a deeper level's elements come first.
//!
//! Sources: `IIS_schema.xml`, `rewrite_schema.xml` and the configuration reference (each file's `doc`).

use std::{collections::BTreeMap, sync::OnceLock};

use serde::Deserialize;

mod kind;

pub use kind::{Kind, Wrong, boolean, time};

/// All sections.
#[derive(Debug)]
pub struct Schema {
    sections: BTreeMap<String, Section>,
}

/// A section.
#[derive(Debug)]
pub struct Section {
    /// Its path below `<configuration>`.
    pub name: String,
    /// Who may write it.
    pub unlock: Unlock,
    /// What becomes of it.
    pub status: Status,
    /// Attributes with which a refused section changes nothing.
    pub harmless: Vec<(String, String)>,
    /// Its documentation.
    pub doc: String,
    /// The section as an element; `None` where its content is not looked at.
    pub element: Option<Element>,
}

/// Who may write a section in a stock server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlock {
    /// Every file.
    Everywhere,
    /// applicationHost.config, and others where an administrator unlocked it.
    Locked,
    /// applicationHost.config alone.
    Machine,
}

/// What becomes of a section, an element or an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It has its effect.
    #[default]
    Honoured,
    /// It is accepted and changes nothing, for this reason.
    Inert(String),
    /// It is refused, for this reason; what to do instead.
    Refused(String, Option<String>),
}

/// An element of a section.
#[derive(Debug, Default)]
pub struct Element {
    /// Its attributes, by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// The elements in it that are no items of its collection.
    pub elements: BTreeMap<String, Self>,
    /// Its collection.
    pub collection: Option<Collection>,
    /// What becomes of it.
    pub status: Status,
}

/// An attribute.
#[derive(Debug)]
pub struct Attribute {
    /// What it may be.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// Whether white space at an end is an error.
    pub trimmed: bool,
    /// Whether an empty value is an error.
    pub nonempty: bool,
    /// Whether it is part of its item's key, and whether that part is compared with regard to case.
    pub key: Option<bool>,
    /// Its value when absent.
    pub default: Option<String>,
    /// What becomes of it.
    pub status: Status,
    /// Whether any lowering asked for its value.
    #[cfg(test)]
    pub asked: std::sync::atomic::AtomicBool,
}

/// What an element collects.
#[derive(Debug)]
pub struct Collection {
    /// The elements that add an item, by name.
    pub add: BTreeMap<String, Element>,
    /// Whether `<remove>` is one of its elements.
    pub remove: bool,
    /// Whether `<clear/>` is.
    pub clear: bool,
    /// Whether the items of a deeper level come before those of the outer one.
    pub prepend: bool,
}

/// The schema of URL Rewrite 2.1, ARR 3 and IIS 10.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::read(FILES))
}

/// The files of `grammar/iis/`.
const FILES: &[(&str, &str)] = &[
    ("content", include_str!("../../../grammar/iis/content.toml")),
    ("host", include_str!("../../../grammar/iis/host.toml")),
    ("modules", include_str!("../../../grammar/iis/modules.toml")),
    ("proxy", include_str!("../../../grammar/iis/proxy.toml")),
    ("rewrite", include_str!("../../../grammar/iis/rewrite.toml")),
    ("security", include_str!("../../../grammar/iis/security.toml")),
];

impl Schema {
    /// Reads the files.
    ///
    /// # Panics
    /// When one is wrong, which a test rules out: they are compiled in.
    fn read(files: &[(&str, &str)]) -> Self {
        let mut sections = BTreeMap::new();
        for (name, text) in files {
            let file: File =
                toml::from_str(text).unwrap_or_else(|why| panic!("grammar/iis/{name}.toml: {why}"));
            for row in file.section {
                let at = format!("grammar/iis/{name}.toml: {}", row.name);
                let section = row.section(&file.doc).unwrap_or_else(|why| panic!("{at}: {why}"));
                assert!(sections.insert(section.name.clone(), section).is_none(), "{at}: twice");
            }
        }
        Self { sections }
    }

    /// The section of a path.
    pub fn section(&self, path: &str) -> Option<&Section> {
        self.sections.get(path)
    }

    /// All sections, by path.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.values()
    }

    /// Whether the path is above a section: a group of sections.
    pub fn is_group(&self, path: &str) -> bool {
        let next = self.sections.range(path.to_owned()..).map(|(name, _)| name).find(|name| *name != path);
        next.is_some_and(|name| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    /// The names below a group.
    pub fn below(&self, path: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .sections
            .keys()
            .filter_map(|name| name.strip_prefix(path)?.strip_prefix('/')?.split('/').next())
            .collect();
        names.dedup();
        names
    }
}

impl Section {
    /// Whether a refused section changes nothing with these attributes.
    pub fn is_harmless<'a>(&self, attributes: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
        let attributes: Vec<_> = attributes.collect();
        let off = |(name, value): &(String, String)| {
            let written = attributes.iter().find(|(other, _)| other == name);
            // What is harmless is the default.
            written.is_none_or(|(_, written)| written.eq_ignore_ascii_case(value))
        };
        !self.harmless.is_empty() && self.harmless.iter().all(off)
    }
}

impl Element {
    /// The element of a name in it, an item or not.
    pub fn find(&self, name: &str) -> Option<&Self> {
        let item = || self.collection.as_ref().and_then(|collection| collection.add.get(name));
        self.elements.get(name).or_else(item)
    }

    /// The attributes that are the key of an item.
    pub fn key(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        let all = self.attributes.iter().map(|(name, attribute)| (name.as_str(), attribute));
        all.filter(|(_, attribute)| attribute.key.is_some())
    }
}

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    doc: String,
    section: Vec<Row>,
}

/// A section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    doc: Option<String>,
    unlock: Unlock,
    status: String,
    why: Option<String>,
    #[serde(rename = "use")]
    instead: Option<String>,
    harmless: Option<String>,
    #[serde(default)]
    any: bool,
    #[serde(default)]
    elements: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    inert: BTreeMap<String, String>,
    #[serde(default)]
    refused: BTreeMap<String, Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    why: String,
    #[serde(rename = "use")]
    instead: Option<String>,
}

impl Row {
    fn section(mut self, doc: &str) -> Result<Section, String> {
        let status = match (self.status.as_str(), self.why.take()) {
            ("honoured", None) => Status::Honoured,
            ("inert", Some(why)) => Status::Inert(why),
            ("refused", Some(why)) => Status::Refused(why, self.instead.take()),
            (other, _) => return Err(format!("status `{other}` with or without `why`")),
        };
        let harmless = self.harmless.as_deref().unwrap_or_default();
        let harmless = harmless
            .split_whitespace()
            .map(|pair| {
                pair.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).ok_or("harmless: name=value")
            })
            .collect::<Result<_, _>>()?;
        let element = if self.any {
            None
        } else {
            let element = self.element(".")?;
            if let Some((path, _)) = self.elements.first_key_value() {
                return Err(format!("`{path}` is below no element"));
            }
            if let Some(path) = self.inert.keys().chain(self.refused.keys()).next() {
                return Err(format!("there is no `{path}`"));
            }
            Some(element)
        };
        let doc = self.doc.unwrap_or_else(|| doc.to_owned());
        Ok(Section { name: self.name, unlock: self.unlock, status, harmless, doc, element })
    }

    /// Takes the element of a path out of the rows, with all that is below it.
    fn element(&mut self, path: &str) -> Result<Element, String> {
        let written = self.elements.remove(path).ok_or_else(|| format!("no `{path}`"))?;
        let of = |name: &str| if path == "." { name.to_owned() } else { format!("{path}/{name}") };
        let place = if path == "." { "" } else { path };
        let mut element = Element {
            attributes: BTreeMap::new(),
            elements: BTreeMap::new(),
            collection: None,
            status: self.status(place),
        };
        for (name, spec) in written {
            if name == "+" {
                let words: Vec<&str> = spec.split_whitespace().collect();
                let has = |word: &str| words.contains(&word);
                let mut collection = Collection {
                    add: BTreeMap::new(),
                    remove: has("remove"),
                    clear: has("clear"),
                    prepend: has("prepend"),
                };
                for word in words.iter().filter(|word| !matches!(**word, "remove" | "clear" | "prepend")) {
                    collection.add.insert((*word).to_owned(), self.element(&of(word))?);
                }
                element.collection = Some(collection);
            } else {
                let mut attribute = Attribute::read(&spec).map_err(|why| format!("{path}@{name}: {why}"))?;
                attribute.status = self.status(&format!("{place}@{name}"));
                element.attributes.insert(name, attribute);
            }
        }
        let begin = if path == "." { String::new() } else { format!("{path}/") };
        let direct = |key: &&String| key.strip_prefix(&begin).is_some_and(|rest| !rest.contains('/'));
        while let Some(key) = self.elements.keys().find(direct).cloned() {
            let name = key[begin.len()..].to_owned();
            let inner = self.element(&key)?;
            element.elements.insert(name, inner);
        }
        Ok(element)
    }

    fn status(&mut self, place: &str) -> Status {
        if place.is_empty() {
            return Status::Honoured;
        }
        if let Some(why) = self.inert.remove(place) {
            return Status::Inert(why);
        }
        match self.refused.remove(place) {
            Some(refusal) => Status::Refused(refusal.why, refusal.instead),
            None => Status::Honoured,
        }
    }
}

impl Attribute {
    fn read(spec: &str) -> Result<Self, String> {
        let (before, default) = match spec.split_once(" = ") {
            Some((before, default)) => (before, Some(default.to_owned())),
            None => (spec, None),
        };
        let mut words = before.split_whitespace();
        let kind = words.next().ok_or("no type")?;
        let (kind, required) = kind.strip_suffix('!').map_or((kind, false), |kind| (kind, true));
        let mut attribute = Self {
            kind: Kind::read(kind)?,
            required,
            trimmed: false,
            nonempty: false,
            key: None,
            default,
            status: Status::Honoured,
            #[cfg(test)]
            asked: false.into(),
        };
        for word in words {
            match word {
                "trimmed" => attribute.trimmed = true,
                "nonempty" => attribute.nonempty = true,
                "key" => attribute.key = Some(false),
                "case" => attribute.key = Some(true),
                other => return Err(format!("`{other}`?")),
            }
        }
        if let Some(default) = &attribute.default
            && let Err(why) = attribute.kind.check(default)
        {
            return Err(format!("default: {why}"));
        }
        Ok(attribute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_read_whole() {
        let schema = schema();
        assert!(schema.sections().count() >= 60);
        let rules = schema.section("system.webServer/rewrite/rules").unwrap().element.as_ref().unwrap();
        let rule = rules.find("rule").unwrap();
        assert_eq!(rule.key().map(|(name, _)| name).collect::<Vec<_>>(), ["name"]);
        assert!(rule.attributes["name"].required && rule.attributes["name"].trimmed);
        assert!(rule.find("conditions").unwrap().collection.as_ref().unwrap().add.contains_key("add"));
        assert!(matches!(rule.attributes["responseCacheDirective"].status, Status::Inert(_)));
        assert!(schema.is_group("system.webServer/rewrite") && schema.is_group("system.webServer"));
        assert!(!schema.is_group("system.webServer/rewrite/rules") && !schema.is_group("system.web"));
        assert!(schema.below("system.webServer").contains(&"security"));
    }

    #[test]
    fn all_files_of_the_folder_are_compiled_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/grammar/iis");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
                assert!(
                    FILES.iter().any(|(name, _)| *name == stem),
                    "grammar/iis/{stem}.toml is not in the list"
                );
            }
        }
    }
}
