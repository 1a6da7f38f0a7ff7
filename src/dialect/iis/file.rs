//! One configuration file: its sections, each with the paths it is written for.
//!
//! A file is `<configuration>` with groups of sections; `<location>` holds further groups for a path, and `configSections`
//! says who may write a section. A section with `configSource` stands in a file of its own. What is below
//! `system.webServer`, `system.applicationHost` or `webFarms` has to be a section of the schema; everything else belongs to
//! .NET and is passed over.
//!
//! Facts: reference 2.1 to 2.7, from "Deep dive into IIS configuration" and "Introduction to applicationHost.config".

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    check, decode,
    schema::{self, Unlock},
    tree::{Attribute, Element, Node},
    xml,
};
use crate::{
    diagnostic::{Diagnostic, Severity, suggest},
    source::{FileId, SourceMap, Span},
};

/// The groups that are ours.
const OURS: [&str; 3] = ["system.webServer", "system.applicationHost", "webFarms"];

/// What a stock server reads of one web.config, bytes (`MaxWebConfigFileSizeInKB`).
const USUAL_SIZE: usize = 250 << 10;

/// The largest file that is read, bytes.
const LARGEST: usize = 32 << 20;

/// A file as it is written.
#[derive(Debug, Default)]
pub struct Written {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its sections, in the order of the file.
    pub fragments: Vec<Arc<Fragment>>,
    /// What `configSections` says of who may write a section: its path, and whether other files may.
    pub declared: Vec<(String, Unlock, Span)>,
    /// The files that `configSource` names, whether they are there or not.
    pub named: Vec<PathBuf>,
}

/// A section in a file.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// The path of the `<location>` around it, without slashes at its ends; empty for the file's own level.
    pub location: String,
    /// Where that path is.
    pub location_span: Span,
    /// Whether applications below take it over.
    pub inherited: bool,
    /// Whether deeper files may write the section: `overrideMode`, where it is said.
    pub unlocks: Option<bool>,
    /// The section's path below `<configuration>`.
    pub section: String,
    /// The section.
    pub element: Element,
}

impl Written {
    /// Whether it is the server's own file, by what is in it.
    pub fn is_host(&self) -> bool {
        let host = |fragment: &Arc<Fragment>| {
            fragment.section.starts_with("system.applicationHost/") || fragment.section == "webFarms"
        };
        !self.declared.is_empty() || self.fragments.iter().any(host)
    }
}

/// Reads a file; what is wrong in it goes to `found`. `None` when nothing of it can be understood.
pub fn read(sources: &mut SourceMap, path: &Path, found: &mut Vec<Diagnostic>) -> Option<Written> {
    let root = element(sources, path, found)?;
    Some(Reading::new(sources, path, found).of(Some(&root)))
}

/// Reads a text that is a file of the map already.
pub(super) fn of_text(
    sources: &mut SourceMap,
    file: FileId,
    text: &str,
    found: &mut Vec<Diagnostic>,
) -> Written {
    let (root, faults) = xml::read(file, text);
    found.extend(faults);
    let path = sources.file(file).path.clone();
    Reading::new(sources, &path, found).of(root.as_ref())
}

/// A path below a folder with its names as they are on disk, where they differ in case alone.
fn spelled(folder: &Path, relative: &Path) -> PathBuf {
    let mut path = folder.to_path_buf();
    for part in relative {
        let exact = path.join(part);
        let below = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
        let other = || {
            let entries = std::fs::read_dir(below).ok()?.flatten();
            entries.map(|entry| entry.file_name()).find(|name| name.eq_ignore_ascii_case(part))
        };
        path = if exact.exists() { exact } else { other().map_or(exact, |name| path.join(name)) };
    }
    path
}

/// The root element of a file.
fn element(sources: &mut SourceMap, path: &Path, found: &mut Vec<Diagnostic>) -> Option<Element> {
    let file =
        match sources.last(path).map_or_else(|| sources.read_plain(path, crate::source::LARGEST_FILE), Ok) {
            Ok(file) => file,
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                // Known to the map all the same: whoever sets files aside has to know which one it is.
                let file = sources.add(path.to_path_buf(), Vec::new());
                found.push(Diagnostic::error("unreadable-file", Span::new(file, 0, 0), message));
                return None;
            }
        };
    let (file, text) = decoded(sources, file, found)?;
    let (root, faults) = xml::read(file, &text);
    let broken = !faults.is_empty();
    found.extend(faults);
    // Of a file that is not well-formed nothing is certain.
    root.filter(|_| !broken)
}

/// A file's text; UTF-16 becomes a file of its own in the map, so that places in it are places in text.
fn decoded(sources: &mut SourceMap, file: FileId, found: &mut Vec<Diagnostic>) -> Option<(FileId, Arc<str>)> {
    let bytes = Arc::clone(&sources.file(file).text);
    let whole = Span::new(file, 0, 0);
    if bytes.len() > LARGEST {
        found.push(Diagnostic::error(
            "file-too-large",
            whole,
            format!("a configuration has at most {LARGEST} bytes"),
        ));
        return None;
    }
    if bytes.len() > USUAL_SIZE {
        let kib = bytes.len() >> 10;
        found.push(
            Diagnostic::warning("large-file", whole, format!("the file has {kib} KiB"))
                .note("a stock server refuses more than 250 KiB (MaxWebConfigFileSizeInKB)"),
        );
    }
    match decode::recode(&bytes) {
        Ok(None) => {
            let text = std::str::from_utf8(&bytes).ok()?;
            let declaration = text.strip_prefix('\u{feff}').unwrap_or(text);
            let end = declaration.find("?>").filter(|_| declaration.starts_with("<?xml"));
            if let Some(at) = end.and_then(|end| declaration[..end].to_ascii_lowercase().find("utf-16")) {
                // MSXML and .NET: "Switch from current encoding to specified encoding not supported."
                let at = (at + text.len() - declaration.len()) as u32;
                let message = "the file says that it is UTF-16, and is not";
                let found_wrong = Diagnostic::error("wrong-encoding", Span::new(file, at, at + 6), message);
                found.push(found_wrong.help("write `encoding=\"utf-8\"`, which it is"));
                return None;
            }
            Some((file, text.into()))
        }
        Ok(Some(text)) => {
            let path = sources.file(file).path.clone();
            let text = String::from_utf8(text).ok()?;
            let file = sources.add(path, text.clone().into_bytes());
            Some((file, text.into()))
        }
        Err(error) => {
            let at = if let decode::NotText::Utf8(at) = error { at as u32 } else { 0 };
            found.push(Diagnostic::error("not-text", Span::new(file, at, at + 1), error.to_string()));
            None
        }
    }
}

/// A file while its sections are collected.
struct Reading<'a> {
    sources: &'a mut SourceMap,
    found: &'a mut Vec<Diagnostic>,
    written: Written,
}

/// The `<location>` that what is read stands in.
#[derive(Clone)]
struct Around {
    path: String,
    span: Span,
    inherited: bool,
    unlocks: Option<bool>,
}

impl<'a> Reading<'a> {
    fn new(sources: &'a mut SourceMap, path: &Path, found: &'a mut Vec<Diagnostic>) -> Self {
        Self { sources, found, written: Written { path: path.to_path_buf(), ..Written::default() } }
    }

    fn of(mut self, root: Option<&Element>) -> Written {
        if let Some(root) = root {
            self.root(root);
        }
        self.written
    }

    fn root(&mut self, root: &Element) {
        if root.name != "configuration" {
            let message = format!("the root element is `<{}>`", root.name);
            self.found.push(
                Diagnostic::error("unknown-element", root.name_span, message)
                    .because("expected `<configuration>`")
                    .help("a file that `configSource` names is read by the file that names it"),
            );
            return;
        }
        if !root.attributes.iter().any(|one| one.name.starts_with("xdt:")) {
            self.only_known(root, &[]);
        }
        let mut transforms = false;
        transform(root, &mut |span| {
            if !std::mem::replace(&mut transforms, true) {
                self.found.push(
                    Diagnostic::error("transform-file", span, "this is a transform, not a configuration")
                        .note("`xdt:` attributes say how to change another file when it is published")
                        .help("give the file that results"),
                );
            }
        });
        if transforms {
            return;
        }
        let top = Around { path: String::new(), span: Span::NONE, inherited: true, unlocks: None };
        self.groups(root, "", &top);
        self.twice();
    }

    /// The groups and sections in an element; `path` is that of the element.
    fn groups(&mut self, element: &Element, path: &str, around: &Around) {
        for node in &element.children {
            let inner = match node {
                Node::Element(inner) => inner,
                Node::Comment(..) => continue,
                Node::Text(_, span) => {
                    self.found.push(Diagnostic::error("unexpected-text", *span, "text has no meaning here"));
                    continue;
                }
            };
            let name = inner.name.as_str();
            let below = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            if path.is_empty() && name == "configSections" {
                self.declarations(inner, "");
            } else if path.is_empty() && name == "location" {
                self.location(inner, around);
            } else if schema::schema().section(&below).is_some() {
                self.section(inner, below, around);
            } else if schema::schema().is_group(&below) {
                self.only_known(inner, &[]);
                self.groups(inner, &below, around);
            } else {
                self.unknown(inner, path, &below);
            }
        }
    }

    /// An element that is neither a section nor a group.
    fn unknown(&mut self, element: &Element, path: &str, below: &str) {
        let name = &element.name;
        if path.is_empty() {
            let near = suggest::nearest(name, OURS.iter().copied());
            if let Some(near) = near {
                let message = format!("unknown group `<{name}>`");
                let help = format!("did you mean `<{near}>`?");
                self.found.push(Diagnostic::error("unknown-section", element.name_span, message).help(help));
                return;
            }
            let message = format!("`<{name}>` has no effect");
            let why = "it configures .NET or another program";
            self.found.push(Diagnostic::note_at("inert-section", element.name_span, message).because(why));
            return;
        }
        let known = schema::schema().below(path);
        let message = format!("unknown section `{below}`");
        let found = Diagnostic::error("unknown-section", element.name_span, message);
        self.found.push(match suggest::nearest(name, known.into_iter()) {
            Some(near) => found.help(format!("did you mean `<{near}>`?")),
            // Some module of the original may bring it along.
            None => Diagnostic { severity: Severity::Warning, ..found }
                .because("passed over")
                .note("a server without the module that declares it answers 500.19"),
        });
    }

    fn section(&mut self, element: &Element, section: String, around: &Around) {
        let element = match element.attribute("configSource") {
            Some(source) => match self.elsewhere(element, source) {
                Some(element) => element,
                None => return,
            },
            None => element.clone(),
        };
        check::section(&section, &element, self.found);
        self.written.fragments.push(Arc::new(Fragment {
            location: around.path.clone(),
            location_span: around.span,
            inherited: around.inherited,
            unlocks: around.unlocks,
            section,
            element,
        }));
    }

    /// The section in the file that `configSource` names.
    fn elsewhere(&mut self, here: &Element, source: &Attribute) -> Option<Element> {
        let other = here.attributes.iter().find(|attribute| attribute.name != "configSource");
        let inside = here.elements().next().map(|inner| inner.head);
        if let Some(span) = other.map(|attribute| attribute.name_span).or(inside) {
            let message = "a section with `configSource` has nothing else";
            self.found.push(Diagnostic::error("invalid-config-source", span, message));
            return None;
        }
        let relative = PathBuf::from(source.value.replace('\\', "/"));
        let drive = source.value.as_bytes().get(1) == Some(&b':');
        let outside =
            drive || relative.is_absolute() || relative.components().any(|part| part.as_os_str() == "..");
        if source.value.trim().is_empty() || outside {
            let message = "`configSource` names a file in this folder or below it";
            self.found.push(Diagnostic::error("invalid-config-source", source.value_span, message));
            return None;
        }
        let path = spelled(self.written.path.parent().unwrap_or(Path::new("")), &relative);
        self.written.named.push(path.clone());
        if !path.is_file() {
            let message = format!("there is no file {}", path.display());
            self.found.push(Diagnostic::error("config-source-not-found", source.value_span, message));
            return None;
        }
        let element = element(self.sources, &path, self.found)?;
        if element.name != here.name {
            let message = format!("the root element is `<{}>`", element.name);
            let found = Diagnostic::error("invalid-config-source", element.name_span, message);
            self.found.push(
                found
                    .because(format!("expected `<{}>`", here.name))
                    .label(source.value_span, "the file is named here"),
            );
            return None;
        }
        if let Some(again) = element.attribute("configSource") {
            let message = "a file that `configSource` names cannot name another";
            self.found.push(Diagnostic::error("invalid-config-source", again.name_span, message));
            return None;
        }
        Some(element)
    }

    fn location(&mut self, element: &Element, around: &Around) {
        let known = ["path", "overrideMode", "allowOverride", "inheritInChildApplications"];
        self.only_known(element, &known);
        if !around.path.is_empty() {
            let message = "a location cannot stand in another";
            self.found.push(Diagnostic::error("nested-location", element.name_span, message));
            return;
        }
        let value = |name: &str| element.attribute(name);
        let mut inner = around.clone();
        if let Some(path) = value("path") {
            inner.span = path.value_span;
            path.value.trim_matches('/').clone_into(&mut inner.path);
            if inner.path == "." {
                inner.path.clear();
            }
            let odd = |c: char| matches!(c, '?' | ':' | '\\' | '*' | '<' | '>' | '"' | '|');
            if let Some(at) = path.value.find(odd) {
                let message = "this character cannot stand in the path of a location";
                self.found.push(Diagnostic::error("invalid-value", path.part(at..at + 1), message));
                return;
            }
            if inner.path.split('/').any(|segment| segment == "..") {
                let message = "the path of a location leads to a folder below, not out of this one";
                self.found.push(Diagnostic::error("invalid-value", path.value_span, message));
                return;
            }
        }
        if let Some(inherit) = value("inheritInChildApplications") {
            match schema::boolean(&inherit.value) {
                Some(inherit) => inner.inherited = inherit,
                None => self.found.push(not_a_boolean(inherit)),
            }
        }
        match (value("overrideMode"), value("allowOverride")) {
            (Some(mode), Some(old)) => {
                let message = "`overrideMode` and `allowOverride` cannot stand together";
                let found = Diagnostic::error("invalid-value", old.name_span, message);
                self.found.push(found.label(mode.name_span, "the one that replaced it"));
            }
            (Some(mode), None) => match mode.value.to_ascii_lowercase().as_str() {
                "allow" => inner.unlocks = Some(true),
                "deny" => inner.unlocks = Some(false),
                "inherit" => {}
                _ => self.found.push(Diagnostic::error(
                    "invalid-value",
                    mode.value_span,
                    "expected Allow, Deny or Inherit",
                )),
            },
            (None, Some(old)) => match schema::boolean(&old.value) {
                Some(allow) => inner.unlocks = Some(allow),
                None => self.found.push(not_a_boolean(old)),
            },
            (None, None) => {}
        }
        for part in element.elements() {
            if matches!(part.name.as_str(), "location" | "configSections") {
                let message = format!("`<{}>` cannot stand in a location", part.name);
                self.found.push(Diagnostic::error("nested-location", part.name_span, message));
                return;
            }
        }
        self.groups(element, "", &inner);
    }

    /// `configSections`: sections by group, with who may write them.
    fn declarations(&mut self, element: &Element, path: &str) {
        for inner in element.elements() {
            let Some(name) = inner.attribute("name") else {
                let message = format!("`<{}>` needs a `name`", inner.name);
                self.found.push(Diagnostic::error("missing-attribute", inner.name_span, message));
                continue;
            };
            let below = if path.is_empty() { name.value.clone() } else { format!("{path}/{}", name.value) };
            match inner.name.as_str() {
                "sectionGroup" => self.declarations(inner, &below),
                "section" => {
                    let is = |name: &str, value: &str| {
                        inner.attribute(name).is_some_and(|one| one.value.eq_ignore_ascii_case(value))
                    };
                    let unlock =
                        if is("allowDefinition", "AppHostOnly") || is("allowDefinition", "MachineOnly") {
                            Unlock::Machine
                        } else if is("overrideModeDefault", "Deny") {
                            Unlock::Locked
                        } else {
                            Unlock::Everywhere
                        };
                    // Only ours: .NET's own configSections stand in every web.config of the old days.
                    if schema::schema().section(&below).is_some() {
                        self.written.declared.push((below, unlock, name.value_span));
                    }
                }
                _ => {
                    let message = format!("`<{}>` in configSections", inner.name);
                    self.found.push(
                        Diagnostic::error("unknown-element", inner.name_span, message)
                            .because("expected `section` or `sectionGroup`"),
                    );
                }
            }
        }
    }

    /// Says which attributes of an element outside of the sections are unknown.
    fn only_known(&mut self, element: &Element, known: &[&str]) {
        for attribute in &element.attributes {
            if !known.contains(&attribute.name.as_str()) && !check::is_lock(&attribute.name) {
                self.found.push(check::unknown_attribute(attribute, &element.name, known.iter().copied()));
            }
        }
    }

    /// A section twice for one path.
    fn twice(&mut self) {
        let mut known: BTreeMap<(String, String), &Fragment> = BTreeMap::new();
        for fragment in &self.written.fragments {
            let key = (fragment.section.clone(), fragment.location.to_ascii_lowercase());
            let first = *known.entry(key).or_insert(fragment);
            if !std::ptr::eq(first, &raw const **fragment) {
                let message = format!("section `{}` is written twice for one path", fragment.section);
                self.found.push(
                    Diagnostic::error("duplicate-section", fragment.element.name_span, message)
                        .label(first.element.name_span, "first here"),
                );
            }
        }
    }
}

fn not_a_boolean(attribute: &Attribute) -> Diagnostic {
    Diagnostic::error("invalid-value", attribute.value_span, "expected `true` or `false`")
}

/// Visits the attributes of a transform.
fn transform(element: &Element, visit: &mut impl FnMut(Span)) {
    for attribute in &element.attributes {
        if attribute.name.starts_with("xdt:") {
            visit(attribute.name_span);
        }
    }
    for inner in element.elements() {
        transform(inner, visit);
    }
}
