//! A main file and everything that is decided while it is read.
//!
//! Lines are read one after the other, as Apache reads them: `${VAR}` is replaced, then `Define`, `Include`, `Use`,
//! `<IfModule>` and their kind do their work at once, in any context. What remains is a tree of directives in which
//! they have left what they brought.

mod condition;
mod include;
mod macros;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    alone, envvars,
    lex::{Line, Lines},
    modules::Modules,
    parse::Builder,
    tree::{Body, Directive, Item, Items, Use, Word, Written, directives},
    variables::Variables,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    source::{FileId, SourceMap, Span},
};
use macros::Macro;

/// How many files and macros may be read in one another: Apache's own limit.
const DEEPEST: usize = 128;

/// How much text all files and macros together may bring: more is files that include each other over and over.
const MOST_TEXT: usize = 256 << 20;

/// The same for a .htaccess, which anybody may have written.
const MOST_TEXT_OF_HTACCESS: usize = 16 << 20;

/// The longest line of a .htaccess.
const LONGEST_HTACCESS_LINE: usize = 8192;

/// How to read a configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What relative paths are relative to until `ServerRoot` says otherwise; empty for the folder of the main file.
    pub server_root: PathBuf,
    /// Names that are defined (`-D`).
    pub defines: Vec<Vec<u8>>,
    /// Lines that count as if they stood before the main file (`-C`).
    pub before: Vec<u8>,
    /// Lines that count as if they stood after it (`-c`).
    pub after: Vec<u8>,
    /// The environment.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// The configuration is away from its machine: what is missing is a note.
    pub offline: bool,
}

/// What `${VAR}`, `<IfModule>` and their kind know: what a `.htaccess` inherits from the configuration.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `Define`, `-D` and the environment.
    pub variables: Variables,
    /// Which modules count as loaded.
    pub modules: Modules,
    /// `ServerRoot`
    pub server_root: PathBuf,
}

/// A configuration as it was read.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Its directives.
    pub items: Items,
    /// What is wrong with it, in the order in which it was found; Apache stops at the first error.
    pub found: Vec<Diagnostic>,
    /// What holds at its end.
    pub surroundings: Surroundings,
    /// The files that were included, in order, and what included each.
    pub included: Vec<(FileId, Span)>,
}

/// Reads a main file with all that belongs to it.
///
/// Never fails: what cannot be read is a finding.
pub fn load(sources: &mut SourceMap, path: &Path, options: &Options) -> Loaded {
    let read = sources.last(path).map_or_else(|| sources.read(path), Ok);
    let file = match read {
        Ok(file) => file,
        Err(error) => {
            let reason = include::reason(&error);
            let message = format!("Could not open configuration file {}: {reason}", path.display());
            let found = vec![Diagnostic::new(Severity::Error, "unreadable-file", message)];
            return Loaded { found, ..Loaded::default() };
        }
    };
    let before = lines_of(sources, "<-C>", &options.before);
    let after = lines_of(sources, "<-c>", &options.after);
    let files: Vec<FileId> = before.into_iter().chain([file]).chain(after).collect();
    let mut known = HashMap::new();
    let loaded = read_all(sources, path, options, &files, &mut known, false);
    // Whether modules are loaded is seen only when everything has been read. A part of a configuration that stands for
    // itself loads some of its own; others load the rest.
    let part = options.offline && !directives(&loaded.items).any(|one| one.usual == "Listen");
    if loaded.surroundings.modules.any_loaded() && !part {
        return read_all(sources, path, options, &files, &mut known, true);
    }
    loaded
}

/// Reads a `.htaccess` inside of a configuration. Lines are limited as in Apache.
pub fn load_htaccess(sources: &mut SourceMap, file: FileId, surroundings: &Surroundings) -> Loaded {
    let mut known = HashMap::new();
    let mut loader = Loader::new(sources, surroundings.clone(), &mut known);
    loader.htaccess = true;
    let items = loader.file(file);
    loader.done(items)
}

/// Reads a text inside of a configuration, with what it includes.
pub fn load_text(sources: &mut SourceMap, file: FileId, surroundings: &Surroundings) -> Loaded {
    let mut known = HashMap::new();
    let mut loader = Loader::new(sources, surroundings.clone(), &mut known);
    let items = loader.file(file);
    loader.done(items)
}

fn lines_of(sources: &mut SourceMap, name: &str, text: &[u8]) -> Option<FileId> {
    (!text.is_empty()).then(|| sources.add(name.into(), text.to_vec()))
}

fn read_all(
    sources: &mut SourceMap,
    path: &Path,
    options: &Options,
    files: &[FileId],
    known: &mut HashMap<PathBuf, FileId>,
    modules_said: bool,
) -> Loaded {
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut variables = Variables::new(options.environment.iter().cloned());
    if let Some(script) = envvars_of(path) {
        envvars::run(&script, &mut variables);
    }
    for name in &options.defines {
        variables.define(name, None);
    }
    let said = !options.server_root.as_os_str().is_empty();
    let server_root = if said { options.server_root.clone() } else { folder.clone() };
    let surroundings = Surroundings { variables, modules: Modules::new(modules_said), server_root };
    let mut loader = Loader::new(sources, surroundings, known);
    loader.folder = folder;
    loader.htaccess = alone::is_htaccess(path);
    loader.offline = options.offline;
    let mut items = Items::new();
    for &file in files {
        items.extend(loader.file(file));
    }
    loader.done(items)
}

/// Debian's environment, beside the main file or beside the folder of its parts.
fn envvars_of(path: &Path) -> Option<Vec<u8>> {
    let folder = path.parent()?;
    let debian = |folder: &Path| folder.join("apache2.conf").is_file() && folder.join("envvars").is_file();
    let folder = [Some(folder), folder.parent()].into_iter().flatten().find(|folder| debian(folder))?;
    std::fs::read(folder.join("envvars")).ok()
}

struct Loader<'a> {
    sources: &'a mut SourceMap,
    surroundings: Surroundings,
    /// The folder of the main file.
    folder: PathBuf,
    offline: bool,
    htaccess: bool,
    macros: Vec<Macro>,
    found: Vec<Diagnostic>,
    known: &'a mut HashMap<PathBuf, FileId>,
    included: Vec<(FileId, Span)>,
    /// What is being read, the main file first.
    open: Vec<FileId>,
    /// Files and macros that are being read in one another.
    depth: usize,
    /// Bytes brought so far.
    brought: usize,
}

/// Where lines come from: a file, or the text of a macro.
struct Source<'t> {
    lines: Box<dyn Iterator<Item = Line> + 't>,
    end: Span,
    used: Option<Arc<Use>>,
}

impl<'a> Loader<'a> {
    fn new(
        sources: &'a mut SourceMap,
        surroundings: Surroundings,
        known: &'a mut HashMap<PathBuf, FileId>,
    ) -> Self {
        Self {
            sources,
            surroundings,
            folder: PathBuf::new(),
            offline: false,
            htaccess: false,
            macros: Vec::new(),
            found: Vec::new(),
            known,
            included: Vec::new(),
            open: Vec::new(),
            depth: 0,
            brought: 0,
        }
    }

    fn done(self, items: Items) -> Loaded {
        let Self { surroundings, found, included, .. } = self;
        Loaded { items, found, surroundings, included }
    }

    fn file(&mut self, file: FileId) -> Items {
        let text = Arc::clone(&self.sources.file(file).text);
        let lines = Lines::new(file, &text);
        let end = lines.end();
        self.open.push(file);
        let items = self.read(&mut Source { lines: Box::new(lines), end, used: None });
        self.open.pop();
        items
    }

    /// Reads lines to their end.
    fn read(&mut self, source: &mut Source<'_>) -> Items {
        let mut builder = Builder::default();
        while let Some(line) = source.lines.next() {
            if self.htaccess && line.text.bytes().len() >= LONGEST_HTACCESS_LINE {
                let message = "a line of a .htaccess file is longer than 8191 bytes";
                self.found.push(Diagnostic::error("long-line", line.span, message));
                continue;
            }
            if let Some(at) = memchr::memchr(0, line.text.bytes()) {
                let message = "a NUL byte stands in a line, which ends there for Apache";
                self.found.push(Diagnostic::error("nul-byte", line.text.span(at..at + 1), message));
                continue;
            }
            match line.text.bytes().first() {
                None => builder.push(Item::Blank(line.span)),
                Some(b'#') => builder.push(Item::Comment(line.span)),
                Some(_) => {
                    let Line { span, text } = line;
                    let text = self.replaced(text);
                    let directive = builder.directive(Line { span, text }, source.used.clone());
                    self.found.extend(builder.take_found());
                    if let Some(directive) = directive {
                        self.directive(directive, &mut builder, source);
                        self.found.extend(builder.take_found());
                    }
                }
            }
        }
        let (items, found) = builder.finish(source.end);
        self.found.extend(found);
        items
    }

    fn replaced(&mut self, text: Written) -> Written {
        let (found, offline) = (&mut self.found, self.offline);
        self.surroundings.variables.replace(text, &mut |mut fault| {
            if offline {
                fault.severity = Severity::Note;
            }
            found.push(fault);
        })
    }

    /// Does what a directive says at once, or puts it into the tree.
    fn directive(&mut self, mut directive: Directive, builder: &mut Builder, source: &mut Source<'_>) {
        match directive.name() {
            "<IfModule>" | "<IfDefine>" | "<IfVersion>" | "<IfFile>" | "<IfDirective>" | "<IfSection>" => {
                let counts = self.counts(&directive);
                if let Ok(true) = counts {
                    return builder.open(directive, true);
                }
                self.found.extend(counts.err());
                directive.body = Body::Text(self.skip(&directive, source));
            }
            "<Macro>" => directive.body = Body::Text(self.define_macro(&directive, source)),
            "Use" => directive.body = self.use_macro(&directive),
            "UndefMacro" => {
                self.undefine_macro(&directive);
                directive.body = Body::Done;
            }
            // A .htaccess may not have them; the check says so.
            "Include" | "IncludeOptional" if !self.htaccess => {
                directive.body = Body::Included(self.include(&directive));
            }
            "Define" if !self.htaccess => {
                self.define(&directive);
                directive.body = Body::Done;
            }
            "UnDefine" if !self.htaccess => {
                self.undefine(&directive);
                directive.body = Body::Done;
            }
            "ServerRoot" if !self.htaccess => self.server_root(&directive),
            "LoadModule" if !self.htaccess => {
                if let [id, _] = directive.args.as_slice() {
                    self.surroundings.modules.load(&id.value);
                }
            }
            _ => return builder.take(directive),
        }
        builder.push(Item::Directive(directive));
    }

    fn define(&mut self, directive: &Directive) {
        let (name, value) = match directive.args.as_slice() {
            [name] => (name, None),
            [name, value] => (name, Some(value.value.as_slice())),
            _ => return self.found.push(arguments(directive, "takes 1-2 arguments")),
        };
        if self.is_name(name) {
            self.surroundings.variables.define(&name.value, value);
        }
    }

    fn undefine(&mut self, directive: &Directive) {
        let [name] = directive.args.as_slice() else {
            return self.found.push(arguments(directive, "takes one argument"));
        };
        if self.is_name(name) {
            self.surroundings.variables.undefine(&name.value);
        }
    }

    fn is_name(&mut self, name: &Word) -> bool {
        let right = !name.value.contains(&b':');
        if !right {
            let message = "Variable name must not contain ':'";
            let fault = Diagnostic::error("variable-name", name.span, message)
                .help("a colon belongs to `${map:key}`, the look-up in a RewriteMap");
            self.found.push(fault);
        }
        right
    }

    fn server_root(&mut self, directive: &Directive) {
        let [root] = directive.args.as_slice() else { return };
        let path = include::path_of(&root.value);
        if path.is_dir() || self.offline {
            self.surroundings.server_root = path;
        } else {
            let fault = Diagnostic::error("server-root", root.span, "ServerRoot must be a valid directory")
                .because("there is no such folder here")
                .help("`triglot check --offline` reads a configuration away from its machine");
            self.found.push(fault);
        }
    }
}

/// A wrong number of arguments, of a directive that does its work at once.
fn arguments(directive: &Directive, fault: &str) -> Diagnostic {
    Diagnostic::error("arguments", directive.span, format!("{} {fault}", directive.name.text()))
}

#[cfg(test)]
mod tests;
