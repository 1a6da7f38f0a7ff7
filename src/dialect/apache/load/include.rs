//! `Include` and `IncludeOptional`: files, folders and patterns.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{DEEPEST, Loader, MOST_TEXT, arguments};
use crate::{
    diagnostic::{Diagnostic, Severity},
    dialect::apache::tree::{Directive, Included, Word},
    source::{FileId, glob::wildcard, identity},
};

/// What an `Include` names, as far as it has been found.
type Found = Result<Vec<PathBuf>, Diagnostic>;

impl Loader<'_> {
    /// The files that an `Include` brings.
    pub(super) fn include(&mut self, directive: &Directive) -> Vec<Included> {
        let [word] = directive.args.as_slice() else {
            self.found.push(arguments(directive, "takes one argument"));
            return Vec::new();
        };
        if word.value.is_empty() {
            self.found.push(arguments(directive, "takes one argument"));
            return Vec::new();
        }
        let optional = directive.name() == "IncludeOptional";
        let written = path_of(&word.value);
        let path = self.path(&written);
        let found = if is_pattern(&word.value) {
            self.matching(word, &path, optional)
        } else {
            self.files(word, &path, 0)
        };
        match found {
            Ok(paths) => paths.iter().filter_map(|path| self.bring(word, path, optional)).collect(),
            Err(fault) => {
                self.found.push(fault);
                Vec::new()
            }
        }
    }

    /// A path under `ServerRoot`. Away from its machine, a configuration's files are beside its main file, or its
    /// main file is in a folder of the root.
    pub(super) fn path(&self, written: &Path) -> PathBuf {
        let path = self.surroundings.server_root.join(written);
        if !self.offline || path.exists() {
            return path;
        }
        let relative = written.strip_prefix(&self.surroundings.server_root).unwrap_or(written);
        if relative.is_absolute() {
            return path;
        }
        let base = |path: &Path| {
            path.ancestors()
                .find(|path| !is_pattern(path.as_os_str().as_encoded_bytes()))
                .is_some_and(Path::exists)
        };
        let roots = [Some(self.folder.as_path()), self.folder.parent()];
        let beside = roots.into_iter().flatten().map(|root| root.join(relative));
        beside.into_iter().find(|path| base(path)).unwrap_or(path)
    }

    /// The files of a pattern: level by level, each in the order of its bytes.
    fn matching(&mut self, word: &Word, pattern: &Path, optional: bool) -> Found {
        let mut found = vec![PathBuf::new()];
        let parts: Vec<_> = pattern.components().collect();
        for (at, part) in parts.iter().enumerate() {
            let name = part.as_os_str();
            let last = at + 1 == parts.len();
            if !is_pattern(name.as_encoded_bytes()) {
                for path in &mut found {
                    path.push(name);
                }
                continue;
            }
            let mut next = Vec::new();
            for folder in &found {
                let entries = match entries(folder) {
                    Ok(entries) => entries,
                    Err(error) if optional && error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(self.no_folder(word, folder, &error)),
                };
                let pattern = name.as_encoded_bytes();
                let matches = |path: &PathBuf| {
                    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                    let hidden = name.first() == Some(&b'.') && pattern.first() != Some(&b'.');
                    !hidden && wildcard(pattern, name) && (last || path.is_dir())
                };
                let before = next.len();
                next.extend(entries.into_iter().filter(matches));
                if next.len() == before && !optional {
                    return Err(self.no_match(word, &name.to_string_lossy(), folder));
                }
            }
            found = next;
        }
        let mut files = Vec::new();
        for path in found {
            files.extend(self.files(word, &path, 0)?);
        }
        Ok(files)
    }

    /// The file of a path, or every file in the folder and in what is below it.
    fn files(&mut self, word: &Word, path: &Path, depth: usize) -> Found {
        if depth > DEEPEST {
            return Err(too_deep(word));
        }
        if !path.is_dir() {
            return Ok(vec![path.to_path_buf()]);
        }
        let mut files = Vec::new();
        for entry in entries(path).map_err(|error| self.no_folder(word, path, &error))? {
            files.extend(self.files(word, &entry, depth + 1)?);
        }
        Ok(files)
    }

    fn bring(&mut self, word: &Word, path: &Path, optional: bool) -> Option<Included> {
        let file = match self.known.get(path) {
            Some(&file) => file,
            None => self.read_file(word, path, optional)?,
        };
        if self.depth >= DEEPEST || self.is_open(file) {
            self.found.push(too_deep(word));
            return None;
        }
        // One for the file, so that a file of no bytes cannot be included for ever.
        self.brought += self.sources.file(file).text.len() + 1;
        if self.brought > MOST_TEXT {
            let message = "the included files are too large together";
            self.found.push(Diagnostic::error("include-too-large", word.span, message).note(format!(
                "a file counts as often as it is included; the limit is {} MiB",
                MOST_TEXT >> 20
            )));
            return None;
        }
        self.included.push((file, word.span));
        self.depth += 1;
        let items = self.file(file);
        self.depth -= 1;
        Some(Included { file, items })
    }

    /// Apache goes round until it is too deep; that says nothing of the file that is meant.
    fn is_open(&self, file: FileId) -> bool {
        let path = identity(&self.sources.file(file).path);
        self.open.iter().any(|&open| open == file || identity(&self.sources.file(open).path) == path)
    }

    fn read_file(&mut self, word: &Word, path: &Path, optional: bool) -> Option<FileId> {
        match self.sources.read(path) {
            Ok(file) => {
                self.known.insert(path.to_path_buf(), file);
                Some(file)
            }
            Err(error) if optional && error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let reason = reason(&error);
                let message = format!("Could not open configuration file {}: {reason}", path.display());
                let fault = Diagnostic::error("include-not-found", word.span, message);
                let fault = self.elsewhere(fault, &error);
                self.found.push(fault);
                None
            }
        }
    }

    fn no_match(&self, word: &Word, pattern: &str, folder: &Path) -> Diagnostic {
        let message = format!(
            "Include/IncludeOptional: No matches for the wildcard '{pattern}' in '{}', failing",
            folder.display()
        );
        let fault = Diagnostic::error("include-matches-nothing", word.span, message)
            .help("`IncludeOptional` accepts a pattern that matches nothing");
        self.elsewhere(fault, &io::ErrorKind::NotFound.into())
    }

    fn no_folder(&self, word: &Word, folder: &Path, error: &io::Error) -> Diagnostic {
        let message = format!(
            "Include/IncludeOptional: Could not open directory {}: {}",
            folder.display(),
            reason(error)
        );
        self.elsewhere(Diagnostic::error("include-not-found", word.span, message), error)
    }

    /// What is missing away from its machine is no fault.
    fn elsewhere(&self, mut fault: Diagnostic, error: &io::Error) -> Diagnostic {
        if self.offline && error.kind() == io::ErrorKind::NotFound {
            fault.severity = Severity::Note;
            fault.helps.clear();
        }
        fault
    }
}

fn too_deep(word: &Word) -> Diagnostic {
    let message = format!("Exceeded maximum include depth of {DEEPEST}, There appears to be a recursion.");
    Diagnostic::error("include-cycle", word.span, message).because("this file is being read already")
}

/// The paths in a folder, in the order of their bytes.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: io::Result<Vec<_>> =
        std::fs::read_dir(listed)?.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names = names?;
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn is_pattern(path: &[u8]) -> bool {
    path.iter().any(|byte| b"*?".contains(byte))
        || memchr::memchr(b'[', path).is_some_and(|at| path[at..].contains(&b']'))
}

/// `No such file or directory`: what the system calls it, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        None => text,
        Some(number) => text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text).to_owned(),
    }
}

#[cfg(unix)]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).as_ref())
}
