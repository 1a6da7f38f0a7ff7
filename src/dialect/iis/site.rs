//! The sites of a configuration, and the files that belong to each: applicationHost.config and the web.config of every
//! folder, as a list of levels per path.
//!
//! Facts: reference 2.1, 2.5, 2.9, 3; from the pages on sites, applications and virtual directories of the configuration
//! reference.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

mod folders;

use super::{
    effective::{Level, Value},
    file::{Fragment, Written},
    schema::{self, Unlock},
};
use crate::{
    diagnostic::Diagnostic,
    ir::case::{alike, fold},
    source::{SourceMap, Span},
};
use folders::Survey;

/// A site.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Its number, for logs and `{INSTANCE_ID}`.
    pub id: u32,
    /// What it is as written; `None` for the one around a lone web.config.
    pub element: Option<Value>,
    /// Its applications and virtual directories, the deepest paths first.
    pub roots: Vec<Root>,
    /// Where it was written.
    pub span: Span,
    /// What is written for its paths.
    pub written: Vec<Layer>,
    /// The places in that of each section.
    pub by_section: HashMap<String, Vec<usize>>,
    /// Sections that were merged already, by the layers they are made of, with what is wrong with them.
    pub merged: Merged,
    /// The files of its folders that may be set aside, with their paths.
    pub files: Vec<(PathBuf, Vec<String>)>,
    /// Paths whose files are invalid: they are answered with an error, and so is what is below.
    pub broken: Vec<Vec<String>>,
}

/// Sections by their names and layers.
pub type Merged = RefCell<HashMap<(String, Vec<usize>), (Arc<Value>, Vec<Diagnostic>)>>;

/// A folder that a path of a site is mapped to.
#[derive(Clone, Debug)]
pub struct Root {
    /// The path, as segments.
    pub path: Vec<String>,
    /// The folder.
    pub folder: PathBuf,
    /// Whether an application begins here; else it is a virtual directory of one.
    pub application: bool,
    /// Whether folders below it have files of their own.
    pub nested: bool,
}

/// A section written for a path.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The path, as segments.
    pub path: Vec<String>,
    /// How many segments deep the file is that it stands in; `None` for the server's own file.
    pub file_depth: Option<usize>,
    /// Whether it is the assumed stock server's.
    pub assumed: bool,
    /// The section.
    pub fragment: Arc<Fragment>,
}

/// Segments of a path.
pub fn segments(path: &str) -> Vec<String> {
    path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
}

/// Whether `path` is `prefix` or below it; case does not count.
pub fn is_below(path: &[String], prefix: &[String]) -> bool {
    prefix.len() <= path.len() && prefix.iter().zip(path).all(|(one, other)| alike(one, other))
}

impl Site {
    /// Whether a path is answered with an error.
    pub fn is_broken(&self, path: &[String]) -> bool {
        self.broken.iter().any(|broken| is_below(path, broken))
    }

    /// Takes what a file of one of its folders says out of force; whether there is such a file.
    pub fn break_file(&mut self, sources: &SourceMap, file: &Path) -> bool {
        let Some((_, path)) = self.files.iter().find(|(one, _)| one == file).cloned() else { return false };
        // With what `configSource` names in it.
        let of_it: Vec<&PathBuf> =
            self.files.iter().filter(|(_, other)| *other == path).map(|(one, _)| one).collect();
        self.written.retain(|layer| !of_it.contains(&&sources.file(layer.fragment.element.head.file).path));
        self.index();
        if !self.broken.contains(&path) {
            self.broken.push(path);
        }
        true
    }

    fn index(&mut self) {
        self.by_section.clear();
        self.merged.borrow_mut().clear();
        for (at, layer) in self.written.iter().enumerate() {
            self.by_section.entry(layer.fragment.section.clone()).or_default().push(at);
        }
    }

    /// The folder of a path, by the deepest mapping above it.
    pub fn folder(&self, path: &[String]) -> Option<PathBuf> {
        let root = self.roots.iter().find(|root| is_below(path, &root.path))?;
        let mut folder = root.folder.clone();
        folder.extend(&path[root.path.len()..]);
        Some(folder)
    }

    /// The path of the application that a path belongs to.
    pub fn application(&self, path: &[String]) -> &[String] {
        let root = self.roots.iter().find(|root| root.application && is_below(path, &root.path));
        root.map_or(&[], |root| &root.path)
    }

    /// The paths for which anything is written, the site's own first.
    pub fn places(&self) -> Vec<Vec<String>> {
        let mut places: Vec<Vec<String>> = vec![Vec::new()];
        let paths =
            self.written.iter().map(|layer| &layer.path).chain(self.roots.iter().map(|root| &root.path));
        let mut seen: HashSet<Vec<String>> = HashSet::from([Vec::new()]);
        for path in paths.chain(&self.broken) {
            if seen.insert(path.iter().map(|segment| fold(segment)).collect()) {
                places.push(path.clone());
            }
        }
        places.sort_by(|one, other| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
        places
    }

    /// A section as it is in force for a path. Most places have the same as their site, which is merged once.
    pub fn section(&self, name: &str, path: &[String], found: &mut Vec<Diagnostic>) -> Arc<Value> {
        let known = schema::schema().section(name).and_then(|section| section.element.as_ref());
        let Some(known) = known else {
            // Every caller names a section with content, which a test of the schema holds.
            static NOTHING: std::sync::OnceLock<schema::Element> = std::sync::OnceLock::new();
            return Arc::new(Value::new(NOTHING.get_or_init(schema::Element::default)));
        };
        let key = (name.to_owned(), self.chain(name, path));
        if let Some((value, faults)) = self.merged.borrow().get(&key) {
            found.extend(faults.iter().cloned());
            return Arc::clone(value);
        }
        let (mut value, mut faults) = (Value::new(known), Vec::new());
        for layer in key.1.iter().filter_map(|at| self.written.get(*at)) {
            let level = Level {
                depth: layer.path.len(),
                assumed: layer.assumed,
                delegated: layer.file_depth.is_some(),
            };
            value.lay(&layer.fragment.element, level, &mut faults);
        }
        let value = Arc::new(value);
        found.extend(faults.iter().cloned());
        self.merged.borrow_mut().insert(key, (Arc::clone(&value), faults));
        value
    }

    /// A section as the assumed stock server has it.
    pub fn assumed(&self, name: &str, found: &mut Vec<Diagnostic>) -> Arc<Value> {
        let mut stock = Self {
            name: String::new(),
            id: 0,
            element: None,
            roots: self.roots.clone(),
            span: Span::NONE,
            written: self.written.iter().filter(|layer| layer.assumed).cloned().collect(),
            by_section: HashMap::new(),
            merged: Merged::default(),
            files: Vec::new(),
            broken: Vec::new(),
        };
        stock.index();
        stock.section(name, &[], found)
    }

    /// The layers of a section that hold for a path, the outermost first, by their places in what is written.
    fn chain(&self, name: &str, path: &[String]) -> Vec<usize> {
        let application = self.application(path).len();
        let mut chain: Vec<(usize, &Layer)> = self
            .by_section
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|at| Some((*at, self.written.get(*at)?)))
            .filter(|(_, layer)| is_below(path, &layer.path))
            // `inheritInChildApplications="false"`: not beyond the application it is written in.
            .filter(|(_, layer)| {
                layer.fragment.inherited || self.application(&layer.path).len() == application
            })
            .collect();
        chain.sort_by_key(|(_, layer)| (layer.path.len(), layer.file_depth.map_or(0, |depth| depth + 1)));
        chain.into_iter().map(|(at, _)| at).collect()
    }

    /// Adds the sections of a file that stands at `path`; whether it is the server's own is not for the file to say.
    pub fn add(&mut self, written: &Written, path: &[String], host: bool, assumed: bool) {
        for fragment in &written.fragments {
            let mut target = segments(&fragment.location);
            if host && !assumed && !fragment.location.is_empty() {
                // In the server's file a location begins with the name of a site.
                if !alike(target.first().map_or("", String::as_str), &self.name) {
                    continue;
                }
                target.remove(0);
            }
            let layer = Layer {
                path: path.iter().cloned().chain(target).collect(),
                file_depth: (!host).then_some(path.len()),
                assumed,
                fragment: Arc::clone(fragment),
            };
            let section = layer.fragment.section.clone();
            self.by_section.entry(section).or_default().push(self.written.len());
            self.written.push(layer);
        }
    }

    /// Whether the site's own file may be set aside like those of its folders; else it has to be valid.
    pub fn keep_roots(&mut self, may_break: bool) {
        if !may_break {
            self.files.retain(|(_, path)| !path.is_empty());
        }
    }

    /// Reads the web.config of every folder of the site.
    pub fn read_folders(
        &mut self,
        sources: &mut SourceMap,
        main: Option<&Path>,
        found: &mut Vec<Diagnostic>,
    ) {
        let mut all = Vec::new();
        for root in &self.roots {
            let elsewhere = |path: &[String]| {
                self.roots.iter().any(|other| other.path.len() == path.len() && is_below(path, &other.path))
            };
            let mut survey = Survey::of(&root.folder, &root.path, root.nested, elsewhere);
            all.append(&mut survey.files);
            self.broken.extend(survey.closed(found));
        }
        for (configs, path) in all {
            if let [_, second, ..] = configs.as_slice() {
                let message = format!("{} is a second web.config in its folder", second.display());
                // A place in it, so that it is set aside as any other file of the folder.
                let span = Span::new(sources.add(second.clone(), Vec::new()), 0, 0);
                if main.is_none() || !path.is_empty() {
                    self.files.push((second.clone(), path.clone()));
                }
                found.push(
                    Diagnostic::error("ambiguous-file", span, message)
                        .note("names of files are the same whatever their case"),
                );
            }
            let Some(config) = configs.first() else { continue };
            if main.is_some_and(|main| crate::source::identity(main) == crate::source::identity(config)) {
                continue;
            }
            self.files.push((config.clone(), path.clone()));
            if let Some(written) = super::file::read(sources, config, found) {
                permitted(&written, found);
                self.files.extend(written.named.iter().map(|named| (named.clone(), path.clone())));
                self.add(&written, &path, false, false);
            }
        }
    }
}

/// Says which sections of a file other than the server's own can never stand there. Those that are only locked are for
/// [`super::locks`].
pub fn permitted(written: &Written, found: &mut Vec<Diagnostic>) {
    for (name, _, span) in &written.declared {
        let message = format!("`{name}` is declared already");
        found.push(
            Diagnostic::error("section-not-allowed", *span, message)
                .because("only applicationHost.config declares it, and says who may write it"),
        );
    }
    for fragment in &written.fragments {
        let name = &fragment.section;
        if schema::schema().section(name).is_some_and(|section| section.unlock == Unlock::Machine) {
            let message = format!("`{name}` cannot stand in a web.config");
            found.push(
                Diagnostic::error("section-not-allowed", fragment.element.name_span, message)
                    .because("it belongs into applicationHost.config"),
            );
        }
    }
}
