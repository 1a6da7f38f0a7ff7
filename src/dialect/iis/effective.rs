//! A section as it is in force for a path: what the levels say, laid over each other.
//!
//! Attributes of a deeper level replace, parts merge, items are added behind those of the outer levels (or before them,
//! where the collection says so). `<clear/>` and `<remove>` act in the order of the file. Adding a key that is there already
//! is an error, unless it only comes from the assumed lists of a stock server: then the entry is replaced (reference 2.4,
//! 2.9).

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use super::{
    check,
    schema::{self, Element as Schema},
    tree::{Attribute, Element},
};
use crate::{diagnostic::Diagnostic, source::Span};

/// An element of a section, merged.
#[derive(Clone, Debug)]
pub struct Value {
    schema: &'static Schema,
    attributes: BTreeMap<String, Attribute>,
    elements: BTreeMap<String, Self>,
    items: Vec<Item>,
    /// What the items are known by: looking through them all for each that is added would take long where there are many.
    keys: HashSet<(String, Vec<String>)>,
    /// Where it was written last.
    pub span: Span,
    /// Whether any file wrote it, other than the assumed one.
    pub written: bool,
    /// What outer levels locked: `lockAttributes`, `lockElements` and their opposites.
    locks: Vec<Lock>,
}

/// What a level locked of an element for the levels below it.
#[derive(Clone, Debug)]
struct Lock {
    level: Level,
    /// Whether it is about attributes; else elements.
    attributes: bool,
    /// Whether all but the names are locked.
    except: bool,
    names: Vec<String>,
    span: Span,
}

impl Lock {
    fn holds(&self, attributes: bool, name: &str, level: Level) -> bool {
        let named = self.names.iter().any(|one| one == name || (one == "*" && !self.except));
        self.attributes == attributes && self.level != level && named != self.except
    }

    /// The locks that an element names.
    fn of(element: &Element, level: Level) -> impl Iterator<Item = Self> {
        let names = [
            ("lockAttributes", true, false),
            ("lockAllAttributesExcept", true, true),
            ("lockElements", false, false),
            ("lockAllElementsExcept", false, true),
        ];
        names.into_iter().filter_map(move |(name, attributes, except)| {
            let written = element.attribute(name)?;
            let names = written.value.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned);
            Some(Self { level, attributes, except, names: names.collect(), span: written.name_span })
        })
    }
}

/// An item of a collection.
#[derive(Clone, Debug)]
pub struct Item {
    /// The element that added it.
    pub name: String,
    /// What it says.
    pub value: Value,
    /// Where it was written.
    pub span: Span,
    /// The level that added it.
    pub level: Level,
    /// Whether that level keeps it from being removed: `lockItem`.
    locked: bool,
    key: Vec<String>,
}

/// Where a file or a location stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// How many segments deep its path is.
    pub depth: usize,
    /// Whether it is the assumed stock server.
    pub assumed: bool,
    /// Whether it is another file than the server's own.
    pub delegated: bool,
}

impl Value {
    /// An element that nobody wrote.
    pub fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            attributes: BTreeMap::new(),
            elements: BTreeMap::new(),
            items: Vec::new(),
            keys: HashSet::new(),
            span: Span::NONE,
            written: false,
            locks: Vec::new(),
        }
    }

    /// Lays an element of a level over it.
    pub fn lay(&mut self, element: &Element, level: Level, found: &mut Vec<Diagnostic>) {
        self.written |= !level.assumed;
        self.span = element.head;
        for attribute in &element.attributes {
            if self.schema.attributes.contains_key(&attribute.name) {
                self.unlocked(true, &attribute.name, attribute.name_span, level, found);
                self.attributes.insert(attribute.name.clone(), attribute.clone());
            }
        }
        let schema = self.schema;
        let mut first = 0;
        for inner in element.elements() {
            self.unlocked(false, &inner.name, inner.name_span, level, found);
            if let Some(part) = schema.elements.get(&inner.name) {
                let value = self.elements.entry(inner.name.clone()).or_insert_with(|| Self::new(part));
                value.lay(inner, level, found);
                continue;
            }
            let Some(collection) = &schema.collection else { continue };
            if let Some(item) = collection.add.get(&inner.name) {
                let key = check::key(inner, item);
                let keyed = item.key().next().is_some();
                let known = (inner.name.clone(), key);
                let there = keyed && !self.keys.insert(known.clone());
                let key = known.1;
                let there = there
                    .then(|| self.items.iter().position(|one| one.name == inner.name && one.key == key))
                    .flatten();
                if let Some(at) = there {
                    let old = &self.items[at];
                    if !old.level.assumed && old.level != level {
                        found.push(twice(inner, old));
                        continue;
                    }
                    if !old.level.assumed {
                        // Twice in one place: the check has spoken of it.
                        continue;
                    }
                    self.items.remove(at);
                    first = first.min(self.items.len());
                }
                let mut value = Self::new(item);
                value.lay(inner, level, found);
                let locked = inner
                    .attribute("lockItem")
                    .and_then(|lock| schema::boolean(&lock.value))
                    .unwrap_or_default();
                let item = Item { name: inner.name.clone(), value, span: inner.head, level, locked, key };
                if collection.prepend {
                    self.items.insert(first, item);
                    first += 1;
                } else {
                    self.items.push(item);
                }
            } else if inner.name == "clear" {
                if let Some(item) = self.items.iter().find(|item| item.locked && item.level != level) {
                    found.push(kept(inner, item));
                    continue;
                }
                self.items.clear();
                self.keys.clear();
                first = 0;
            } else if inner.name == "remove" {
                for (name, item) in &collection.add {
                    let known = (name.clone(), check::key(inner, item));
                    if item.key().next().is_some() && !self.keys.contains(&known) {
                        continue;
                    }
                    let key = &known.1;
                    let gone = |one: &Item| one.name == *name && one.key == *key;
                    let locked = |one: &&Item| gone(one) && one.locked && one.level != level;
                    if let Some(item) = self.items.iter().find(locked) {
                        found.push(kept(inner, item));
                        continue;
                    }
                    let before = self.items.iter().take(first).filter(|one| gone(one)).count();
                    self.items.retain(|one| !gone(one));
                    self.keys.remove(&known);
                    first -= before;
                }
            }
        }
        self.locks.extend(Lock::of(element, level));
    }

    /// Says that a name is locked for a level.
    fn unlocked(&self, attributes: bool, name: &str, span: Span, level: Level, found: &mut Vec<Diagnostic>) {
        if let Some(lock) = self.locks.iter().find(|lock| lock.holds(attributes, name, level)) {
            let found_lock = Diagnostic::error("locked", span, format!("`{name}` is locked"))
                .because("an outer file does not let this one write it");
            found.push(found_lock.label(lock.span, "locked here"));
        }
    }

    /// Takes what another element says and this one does not: defaults for elements of its kind.
    pub fn fill(&mut self, defaults: &Self) {
        for (name, attribute) in &defaults.attributes {
            defaults.ask(name);
            if self.schema.attributes.contains_key(name) && !self.attributes.contains_key(name) {
                self.attributes.insert(name.clone(), attribute.clone());
            }
        }
        for (name, part) in &defaults.elements {
            self.fill_part(name, part);
        }
        if self.items.is_empty() {
            let known = self.schema.collection.as_ref();
            let known = |item: &&Item| known.is_some_and(|known| known.add.contains_key(&item.name));
            self.items.extend(defaults.items.iter().filter(known).cloned());
            self.keys = self.items.iter().map(|item| (item.name.clone(), item.key.clone())).collect();
        }
    }

    /// The same for a part of it.
    pub fn fill_part(&mut self, name: &str, defaults: &Self) {
        let Some(schema) = self.schema.elements.get(name) else { return };
        self.elements.entry(name.to_owned()).or_insert_with(|| Self::new(schema)).fill(defaults);
    }

    /// What the schema says of an attribute that somebody wants the value of.
    fn ask(&self, name: &str) -> Option<&'static schema::Attribute> {
        let known = self.schema.attributes.get(name);
        #[cfg(test)]
        if let Some(known) = known {
            known.asked.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        known
    }

    /// An attribute's value: as written, else its default, else nothing.
    pub fn text(&self, name: &str) -> &str {
        let known = self.ask(name);
        let written = self.attributes.get(name).map(|attribute| attribute.value.as_str());
        written.or_else(|| known?.default.as_deref()).unwrap_or_default()
    }

    /// An attribute as it is written.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.ask(name);
        self.attributes.get(name)
    }

    /// Where an attribute's value is; the element's place when it is not written.
    pub fn place(&self, name: &str) -> Span {
        self.attributes.get(name).map_or(self.span, |attribute| attribute.value_span)
    }

    /// A boolean attribute.
    pub fn flag(&self, name: &str) -> bool {
        schema::boolean(self.text(name)).unwrap_or_default()
    }

    /// A number; 0 for what is none, of which the check has spoken.
    pub fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// A span of time.
    pub fn time(&self, name: &str) -> Duration {
        schema::time(self.text(name)).unwrap_or_default()
    }

    /// Whether an enumeration has this value, or a set of flags this flag.
    pub fn is(&self, name: &str, value: &str) -> bool {
        let text = self.text(name);
        if let Some(schema::Kind::Flags(_)) = self.schema.attributes.get(name).map(|known| &known.kind) {
            return text.split(',').any(|flag| flag.trim().eq_ignore_ascii_case(value));
        }
        text.eq_ignore_ascii_case(value)
    }

    /// The number that an enumeration's value stands for.
    pub fn code(&self, name: &str) -> Option<u16> {
        let schema::Kind::Enum(names) = &self.schema.attributes.get(name)?.kind else { return None };
        let text = self.text(name);
        let is = |(name, number): &&(String, Option<u16>)| {
            name.eq_ignore_ascii_case(text) || number.is_some_and(|number| text == number.to_string())
        };
        names.iter().find(is)?.1
    }

    /// A part of it; one that nobody wrote has the defaults.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        let new = || Self::new(self.schema.elements.get(name).unwrap_or(self.schema));
        self.elements.get(name).cloned().unwrap_or_else(new)
    }

    /// A part of it that is written.
    pub fn written_part(&self, name: &str) -> Option<&Self> {
        self.elements.get(name)
    }

    /// The items of its collection, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
}

/// An item that an outer level keeps.
fn kept(element: &Element, old: &Item) -> Diagnostic {
    let key: Vec<&str> = old.key.iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
    let message = format!("`{}` is locked", key.join(", "));
    Diagnostic::error("locked", element.head, message)
        .because("an outer file does not let this one remove it")
        .label(old.span, "`lockItem` stands here")
}

fn twice(element: &Element, old: &Item) -> Diagnostic {
    let key: Vec<&str> = old.key.iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
    let message = format!("`{}` is in the collection already", key.join(", "));
    Diagnostic::error("duplicate-entry", element.head, message)
        .label(old.span, "added here, on an outer level")
        .help("write `<remove .../>` with its key before it, or `<clear />` to begin anew")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dialect::iis::xml, source::SourceMap};

    /// The values of `defaultDocument/files` or of `staticContent` after laying texts over each other.
    fn merged(section: &str, texts: &[(&str, bool)]) -> (Vec<String>, usize) {
        let schema = schema::schema().section(section).unwrap().element.as_ref().unwrap();
        let mut value = Value::new(schema);
        let mut found = Vec::new();
        let mut sources = SourceMap::new();
        for (depth, (text, assumed)) in texts.iter().enumerate() {
            let file = sources.add(format!("{depth}").into(), text.as_bytes().to_vec());
            let (root, faults) = xml::read(file, text);
            assert!(faults.is_empty(), "{faults:?}");
            value.lay(&root.unwrap(), Level { depth, assumed: *assumed, delegated: false }, &mut found);
        }
        let items = if section.ends_with("Document") { value.part("files") } else { value };
        let names = items.items().iter().map(|item| item.key.join(" ")).collect();
        (names, found.len())
    }

    #[test]
    fn deeper_levels_prepend_where_the_schema_says_so() {
        let outer = "<defaultDocument><files><add value='a'/><add value='b'/></files></defaultDocument>";
        let inner = "<defaultDocument><files><remove value='A'/><add value='c'/><add value='d'/></files></defaultDocument>";
        let (names, faults) = merged("system.webServer/defaultDocument", &[(outer, true), (inner, false)]);
        assert_eq!((names.join(" ").as_str(), faults), ("c d b", 0));
        let inner = "<defaultDocument><files><clear/><add value='c'/></files></defaultDocument>";
        let (names, _) = merged("system.webServer/defaultDocument", &[(outer, true), (inner, false)]);
        assert_eq!(names, ["c"]);
    }

    #[test]
    fn what_is_only_assumed_is_replaced_and_what_is_written_is_not() {
        let map = "<staticContent><mimeMap fileExtension='.json' mimeType='x/y'/></staticContent>";
        let section = "system.webServer/staticContent";
        assert_eq!(merged(section, &[(map, true), (map, false)]), (vec![".json".to_owned()], 0));
        assert_eq!(merged(section, &[(map, false), (map, false)]), (vec![".json".to_owned()], 1));
        let anew = "<staticContent><remove fileExtension='.JSON'/><mimeMap fileExtension='.json' mimeType='x/y'/></staticContent>";
        assert_eq!(merged(section, &[(map, false), (anew, false)]), (vec![".json".to_owned()], 0));
    }
}
