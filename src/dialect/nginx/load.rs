//! A main file and everything that it includes.
//!
//! Reference: <https://nginx.org/r/include>. A path is relative to the folder of
//! the main file, whoever includes it; a pattern that matches nothing is fine.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    bundled,
    parse::parse_inside,
    tree::{Body, Directive, Included, Item, Items, Word},
};
use crate::{
    diagnostic::{self, Diagnostic, Severity},
    source::{FileId, SourceMap, Span, glob::glob, identity},
};

/// How many files may include one another in a row.
const DEEPEST_INCLUDE: usize = 64;

/// How much text all inclusions together may bring: more is files that include each other over and over.
const MOST_TEXT: usize = 512 << 20;

/// Where and how to look for files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What a relative path of the main file is relative to (`-p`); empty for the working directory.
    pub prefix: PathBuf,
    /// The configuration is away from its machine: what is missing is a note, and absolute paths of the machine it
    /// belongs to are not looked up on this one, unless they lead into the folder of the main file.
    pub offline: bool,
}

/// Reads a main file with all that it includes, in any context.
///
/// Never fails: what cannot be read is a finding. The findings are in order and without repetition.
pub fn load(sources: &mut SourceMap, path: &Path, options: &Options) -> (Items, Vec<Diagnostic>) {
    let path = options.prefix.join(path);
    let mut loader = Loader::new(sources, &path, options);
    let items = loader.main(&path);
    let mut diagnostics = loader.diagnostics;
    diagnostic::sort(&mut diagnostics);
    (items, diagnostics)
}

/// Fills the `include`s of text that is already parsed and came from no file: `-g`, or a test.
///
/// `main` is the main file's path: its folder is what relative paths are relative to.
pub fn load_included(
    sources: &mut SourceMap,
    items: &mut Items,
    main: &Path,
    options: &Options,
) -> Vec<Diagnostic> {
    let mut loader = Loader::new(sources, &options.prefix.join(main), options);
    loader.expand(items, 0);
    let mut diagnostics = loader.diagnostics;
    diagnostic::sort(&mut diagnostics);
    diagnostics
}

struct Loader<'a> {
    sources: &'a mut SourceMap,
    /// The folder of the main file.
    folder: PathBuf,
    offline: bool,
    diagnostics: Vec<Diagnostic>,
    known: HashMap<PathBuf, FileId>,
    /// The files that are being read, the main one first.
    open: Vec<Open>,
    /// Bytes brought so far.
    brought: usize,
}

struct Open {
    identity: PathBuf,
    /// The `include` that brought it; none for the main file.
    by: Span,
}

impl<'a> Loader<'a> {
    fn new(sources: &'a mut SourceMap, main: &Path, options: &Options) -> Self {
        Self {
            sources,
            folder: main.parent().unwrap_or(Path::new("")).to_path_buf(),
            offline: options.offline,
            diagnostics: Vec::new(),
            known: HashMap::new(),
            open: Vec::new(),
            brought: 0,
        }
    }

    fn main(&mut self, path: &Path) -> Items {
        match self.sources.last(path).map_or_else(|| self.sources.read(path), Ok) {
            Ok(file) => self.file(file, Open { identity: identity(path), by: Span::NONE }, 0),
            Err(error) => {
                let message = failed(path, &error);
                self.diagnostics.push(Diagnostic::new(Severity::Error, "unreadable-file", message));
                Items::new()
            }
        }
    }

    fn file(&mut self, file: FileId, open: Open, depth: usize) -> Items {
        let (mut items, diagnostics) = parse_inside(self.sources, file, depth);
        self.diagnostics.extend(diagnostics);
        self.open.push(open);
        self.expand(&mut items, depth);
        self.open.pop();
        items
    }

    fn expand(&mut self, items: &mut Items, depth: usize) {
        for item in items {
            let Item::Directive(directive) = item else { continue };
            if is_include(directive) {
                directive.body = Body::Included(self.include(&directive.args[0], depth));
            } else if let Body::Block(inner) = &mut directive.body {
                // Their entries are no directives; `include` is a key like any other.
                if !matches!(directive.name.value.as_slice(), b"split_clients" | b"charset_map") {
                    self.expand(inner, depth + 1);
                }
            }
        }
    }

    fn include(&mut self, word: &Word, depth: usize) -> Vec<Included> {
        let written = path_of(&word.value);
        let path = self.folder.join(&written);
        if self.offline && written.is_absolute() && !self.here(&path) {
            return self.elsewhere(word, &path, depth);
        }
        if !word.value.iter().any(|byte| b"*?[".contains(byte)) {
            return self.one(word, &path, depth).into_iter().collect();
        }
        let found = glob(&path);
        if found.is_empty() && self.offline {
            self.diagnostics.push(nothing(word));
        }
        found.iter().filter_map(|path| self.one(word, path, depth)).collect()
    }

    fn here(&self, path: &Path) -> bool {
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        (folder.is_absolute() && path.starts_with(folder)) || path.starts_with(identity(folder))
    }

    /// An absolute path on the machine that the configuration belongs to.
    fn elsewhere(&mut self, word: &Word, path: &Path, depth: usize) -> Vec<Included> {
        if let Some(file) = self.bundled(word, path) {
            return self.bring(word, path, file, depth).into_iter().collect();
        }
        let message = format!("`{}` is outside of the main file's folder and not read", word.text());
        self.diagnostics.push(Diagnostic::note_at("include-not-read", word.span, message));
        Vec::new()
    }

    fn one(&mut self, word: &Word, path: &Path, depth: usize) -> Option<Included> {
        let file = match self.known.get(path) {
            Some(&file) => file,
            None => self.read(word, path)?,
        };
        self.bring(word, path, file, depth)
    }

    fn read(&mut self, word: &Word, path: &Path) -> Option<FileId> {
        let file = match self.sources.read(path) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound
                    && let Some(file) = self.bundled(word, path)
                {
                    return Some(file);
                }
                let fault = self.unreadable(word, path, &error);
                self.diagnostics.push(fault);
                return None;
            }
        };
        self.known.insert(path.to_path_buf(), file);
        Some(file)
    }

    fn bundled(&mut self, word: &Word, path: &Path) -> Option<FileId> {
        let text = bundled::text(path)?;
        let elsewhere = self.offline && path_of(&word.value).is_absolute() && !self.here(path);
        let why = if elsewhere { "is outside of the main file's folder" } else { "does not exist" };
        let message = format!("`{}` {why}; our own copy of it is used", path.display());
        self.diagnostics.push(Diagnostic::note_at("bundled-include", word.span, message));
        if let Some(&file) = self.known.get(path) {
            return Some(file);
        }
        let file = self.sources.add(path.to_path_buf(), text.into());
        self.known.insert(path.to_path_buf(), file);
        Some(file)
    }

    fn unreadable(&self, word: &Word, path: &Path, error: &io::Error) -> Diagnostic {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let code = if missing { "include-not-found" } else { "unreadable-include" };
        let mut fault = Diagnostic::error(code, word.span, failed(path, error));
        if missing && self.offline {
            fault.severity = Severity::Note;
        }
        if !missing || path_of(&word.value).is_absolute() {
            return fault;
        }
        let beside = self.sources.file(word.span.file).path.parent().unwrap_or(Path::new(""));
        if beside != self.folder && identity(&beside.join(path_of(&word.value))).is_file() {
            fault = fault.help(format!(
                "`{}` exists, but paths are relative to the main file's folder, `{}`",
                beside.join(path_of(&word.value)).display(),
                self.folder.display(),
            ));
        }
        fault
    }

    fn bring(&mut self, word: &Word, path: &Path, file: FileId, depth: usize) -> Option<Included> {
        let identity = identity(path);
        if let Some(at) = self.open.iter().position(|open| open.identity == identity) {
            self.diagnostics.push(self.cycle(word, at));
            return None;
        }
        if self.open.len() > DEEPEST_INCLUDE {
            let message = format!("more than {DEEPEST_INCLUDE} files include each other in a row");
            self.diagnostics.push(Diagnostic::error("include-too-deep", word.span, message));
            return None;
        }
        // One for the file, so that a file of no bytes cannot be included for ever.
        let length = self.sources.file(file).text.len() + 1;
        if self.brought + length > MOST_TEXT {
            let message = "the included files are too large together";
            self.diagnostics.push(Diagnostic::error("include-too-large", word.span, message).note(format!(
                "a file counts as often as it is included; the limit is {} MiB",
                MOST_TEXT >> 20
            )));
            return None;
        }
        self.brought += length;
        let items = self.file(file, Open { identity, by: word.span }, depth + 1);
        Some(Included { file, items })
    }

    /// nginx goes round until it runs out of files; the files in between are labelled.
    fn cycle(&self, word: &Word, at: usize) -> Diagnostic {
        let fault = Diagnostic::error("include-cycle", word.span, "a file includes itself")
            .because(format!("`{}` is being read already", word.text()));
        let between = self.open.iter().skip(at + 1).map(|open| open.by);
        between.fold(fault, |fault, by| fault.label(by, "on the way here"))
    }
}

fn is_include(directive: &Directive) -> bool {
    directive.name.is("include") && directive.args.len() == 1 && directive.body == Body::None
}

fn nothing(word: &Word) -> Diagnostic {
    let message = format!("`{}` matches no file", word.text());
    Diagnostic::note_at("include-matches-nothing", word.span, message)
}

/// `open() "..." failed (2: No such file or directory)`: nginx's words, which are searched for.
fn failed(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.raw_os_error() {
        None => format!("cannot read \"{path}\": {error}"),
        Some(number) => {
            let text = error.to_string();
            let text = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text);
            let call = if error.kind() == io::ErrorKind::IsADirectory { "read()" } else { "open()" };
            format!("{call} \"{path}\" failed ({number}: {text})")
        }
    }
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::dialect::nginx::tree::directives;

    /// A folder that goes away with its value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let folder = std::env::temp_dir().join(format!("triglot-load-{}-{number}", std::process::id()));
            for (name, text) in files {
                let path = folder.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Self(folder)
        }

        /// The names of the directives in order, and the findings as `code: message` without the folder's name.
        fn load(&self, offline: bool) -> (String, Vec<String>) {
            let options = Options { prefix: self.0.clone(), offline };
            let mut sources = SourceMap::new();
            let (items, diagnostics) = load(&mut sources, Path::new("nginx.conf"), &options);
            let names: Vec<_> = walk(&items).collect();
            let folder = self.0.display().to_string();
            let shown = |found: &Diagnostic| {
                format!("{} {}: {}", found.severity.name(), found.code, found.message.replace(&folder, ""))
            };
            (names.join(" "), diagnostics.iter().map(shown).collect())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn walk(items: &[Item]) -> Box<dyn Iterator<Item = String> + '_> {
        Box::new(directives(items).flat_map(|directive| {
            std::iter::once(directive.name().to_owned()).chain(walk(directive.block()))
        }))
    }

    #[test]
    fn patterns_bring_files_in_byte_order() {
        let folder = Folder::new(&[
            ("nginx.conf", "a; http { include d/*.conf; } z;"),
            ("d/b.conf", "b;"),
            ("d/a.conf", "a;"),
            ("d/10.conf", "ten;"),
            ("d/9.conf", "nine { include d/x; }"),
            ("d/B.conf", "B;"),
            ("d/.hidden.conf", "hidden;"),
            ("d/c.conf.bak", "bak;"),
            ("d/x", "x;"),
        ]);
        // Observed: nginx 1.22.1 reads 10, 9, B, a, b.
        assert_eq!(folder.load(false), ("a http ten nine x B a b z".into(), vec![]));
    }

    #[test]
    fn paths_are_relative_to_the_main_file() {
        let folder = Folder::new(&[
            ("nginx.conf", "include sub/a;"),
            ("sub/a", "include sub/b; include b;"),
            ("sub/b", "b;"),
        ]);
        let (names, found) = folder.load(false);
        assert_eq!(names, "b");
        assert_eq!(found, ["error include-not-found: open() \"/b\" failed (2: No such file or directory)"]);
    }

    #[test]
    fn what_is_missing_is_an_error_or_a_note() {
        let folder = Folder::new(&[
            (
                "nginx.conf",
                "include nope; include nope*; include d; include */x; include /nope/y; include d d; b;",
            ),
            ("d/x", "x;"),
        ]);
        let (names, found) = folder.load(false);
        assert_eq!(names, "x include b");
        assert_eq!(
            found,
            [
                "error include-not-found: open() \"/nope\" failed (2: No such file or directory)",
                "error unreadable-include: read() \"/d\" failed (21: Is a directory)",
                "error include-not-found: open() \"/nope/y\" failed (2: No such file or directory)",
            ]
        );
        let (names, found) = folder.load(true);
        assert_eq!(names, "x include b");
        assert_eq!(
            found,
            [
                "note include-not-found: open() \"/nope\" failed (2: No such file or directory)",
                "note include-matches-nothing: `nope*` matches no file",
                "error unreadable-include: read() \"/d\" failed (21: Is a directory)",
                "note include-not-read: `/nope/y` is outside of the main file's folder and not read",
            ]
        );
    }

    #[test]
    fn cycles_and_long_chains_end() {
        let folder = Folder::new(&[
            ("nginx.conf", "include a; include ./a;"),
            ("a", "include b; x;"),
            ("b", "include a;"),
        ]);
        let (names, found) = folder.load(false);
        assert_eq!(names, "x x");
        // Both inclusions of `a` bring the same finding.
        assert_eq!(found, ["error include-cycle: a file includes itself"]);

        let mut files = vec![("nginx.conf".to_owned(), "include 0;".to_owned())];
        files.extend((0..100).map(|at| (at.to_string(), format!("include {};", at + 1))));
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let (_, found) = Folder::new(&files).load(false);
        assert_eq!(found, ["error include-too-deep: more than 64 files include each other in a row"]);
    }

    #[test]
    fn a_file_included_twice_is_read_twice_and_complains_once() {
        let folder = Folder::new(&[("nginx.conf", "include a; s { include a; }"), ("a", "x; };")]);
        let (names, found) = folder.load(false);
        assert_eq!(names, "x s x");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn bundled_files_serve_when_there_is_none() {
        let folder = Folder::new(&[
            ("nginx.conf", "http { include mime.types; location / { include /nope/proxy_params; } }"),
            ("mime.types", "own;"),
        ]);
        let (names, found) = folder.load(false);
        assert!(names.starts_with("http own location proxy_set_header proxy_set_header"), "{names}");
        assert_eq!(
            found,
            ["note bundled-include: `/nope/proxy_params` does not exist; our own copy of it is used"]
        );
    }

    #[test]
    fn include_is_a_key_where_entries_are_no_directives() {
        let folder = Folder::new(&[
            ("nginx.conf", "split_clients a $b { include x; } map a $b { include x; }"),
            ("x", "brought y;"),
        ]);
        assert_eq!(folder.load(false), ("split_clients include map brought".into(), vec![]));
    }

    #[test]
    fn a_missing_main_file_is_a_finding() {
        let folder = Folder::new(&[]);
        let (_, found) = folder.load(false);
        assert_eq!(
            found,
            ["error unreadable-file: open() \"/nginx.conf\" failed (2: No such file or directory)"]
        );
    }
}
