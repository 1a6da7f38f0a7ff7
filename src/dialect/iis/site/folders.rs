//! Which folders of a site have a file of their own, and under which paths.
//!
//! Links are followed, as the original follows them: the files that hold for a path are those of the path's folders (reference
//! 2.1). Each folder is looked into once, however many links lead there, and paths are followed only to where there is a file.
//! What was not looked into, or would never end, is not served: a file there might have refused it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ffi::OsString,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::diagnostic::{Diagnostic, Severity};

/// Folders looked into, in one mapping of a site.
const MOST_FOLDERS: usize = 200_000;

/// Paths of a mapping at which files count.
const MOST_PATHS: usize = 20_000;

/// How deep paths are followed.
const DEEPEST: usize = 128;

/// Paths that are not served; where there are more, those above them are not.
const MOST_CLOSED: usize = 200;

/// Why a path is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Many,
    Deep,
    Loop,
    Shut,
    Name,
}

impl Why {
    fn text(self) -> &'static str {
        match self {
            Self::Many => "there are too many folders to look into all of them",
            Self::Deep => "it is too deep",
            Self::Loop => "a link leads from there to a folder around it",
            Self::Shut => "it may not be looked into",
            Self::Name => "the name of a folder in it is not UTF-8",
        }
    }
}

/// What was found of a mapping.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The files, with the paths they hold for; in a folder there may be two that differ in case, which is wrong.
    pub(super) files: Vec<(Vec<PathBuf>, Vec<String>)>,
    closed: BTreeMap<Vec<String>, (PathBuf, Why)>,
}

/// A folder on disk.
#[derive(Debug, Default)]
struct Folder {
    files: Vec<OsString>,
    below: Vec<(OsString, usize)>,
    /// Why it was not looked into.
    unknown: Option<Why>,
}

/// The folders on disk, each once.
#[derive(Debug, Default)]
struct Disk {
    folders: Vec<Folder>,
    ids: HashMap<PathBuf, usize>,
    left: VecDeque<(usize, PathBuf)>,
}

impl Disk {
    fn id(&mut self, real: PathBuf) -> usize {
        if let Some(id) = self.ids.get(&real) {
            return *id;
        }
        let id = self.folders.len();
        self.folders.push(Folder::default());
        self.ids.insert(real.clone(), id);
        self.left.push_back((id, real));
        id
    }

    /// Looks into all folders, those that are near first.
    fn look(&mut self, nested: bool) {
        let mut looked = 0;
        while let Some((id, real)) = self.left.pop_front() {
            looked += 1;
            if looked > MOST_FOLDERS {
                self.folders[id].unknown = Some(Why::Many);
                continue;
            }
            let entries = match std::fs::read_dir(&real) {
                Ok(entries) => entries,
                Err(error) => {
                    let shut = error.kind() == ErrorKind::PermissionDenied;
                    self.folders[id].unknown = shut.then_some(Why::Shut);
                    continue;
                }
            };
            for entry in entries.flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                let (name, path) = (entry.file_name(), entry.path());
                let folder = if kind.is_symlink() {
                    path.is_dir().then(|| crate::source::identity(&path))
                } else {
                    kind.is_dir().then_some(path)
                };
                match folder {
                    Some(folder) if nested => {
                        let below = self.id(folder);
                        self.folders[id].below.push((name, below));
                    }
                    Some(_) => {}
                    // Whatever it is: what cannot be read is an error of its folder.
                    None if name.eq_ignore_ascii_case("web.config") => self.folders[id].files.push(name),
                    None => {}
                }
            }
            self.folders[id].below.sort();
            self.folders[id].files.sort();
        }
    }

    /// The folders from which one is reached that has a file, or may have one.
    fn leading(&self) -> Vec<bool> {
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); self.folders.len()];
        for (id, folder) in self.folders.iter().enumerate() {
            for (_, below) in &folder.below {
                above[*below].push(id);
            }
        }
        let counts = |folder: &Folder| !folder.files.is_empty() || folder.unknown.is_some();
        let mut leading: Vec<bool> = self.folders.iter().map(counts).collect();
        let mut left: Vec<usize> = (0..leading.len()).filter(|id| leading[*id]).collect();
        while let Some(id) = left.pop() {
            for outer in &above[id] {
                if !std::mem::replace(&mut leading[*outer], true) {
                    left.push(*outer);
                }
            }
        }
        leading
    }
}

impl Survey {
    /// Looks into a folder that a path is mapped to and, where `nested`, into those below; `elsewhere` says which paths are
    /// mapped to another folder.
    pub(super) fn of(
        folder: &Path,
        path: &[String],
        nested: bool,
        elsewhere: impl Fn(&[String]) -> bool,
    ) -> Self {
        let mut disk = Disk::default();
        disk.id(crate::source::identity(folder));
        disk.look(nested);
        let leading = disk.leading();
        let mut survey = Self::default();
        let mut left = vec![(0, folder.to_path_buf(), path.to_vec(), Vec::new())];
        let mut paths = 0;
        while let Some((id, folder, path, mut around)) = left.pop() {
            paths += 1;
            let known = &disk.folders[id];
            let why = match known.unknown {
                Some(why) => Some(why),
                None if around.contains(&id) => Some(Why::Loop),
                None if around.len() > DEEPEST => Some(Why::Deep),
                None if paths > MOST_PATHS => Some(Why::Many),
                None => known
                    .below
                    .iter()
                    .any(|(name, below)| leading[*below] && name.to_str().is_none())
                    .then_some(Why::Name),
            };
            if let Some(why) = why {
                survey.closed.insert(path, (folder, why));
                continue;
            }
            if !known.files.is_empty() {
                survey.files.push((known.files.iter().map(|name| folder.join(name)).collect(), path.clone()));
            }
            around.push(id);
            for (name, below) in known.below.iter().rev().filter(|(_, below)| leading[*below]) {
                let mut inner = path.clone();
                inner.push(name.to_string_lossy().into_owned());
                // A mapping of its own leads there, or somewhere else.
                if !elsewhere(&inner) {
                    left.push((*below, folder.join(name), inner, around.clone()));
                }
            }
        }
        survey
    }

    /// The paths that are not served, which is said.
    pub(super) fn closed(self, found: &mut Vec<Diagnostic>) -> Vec<Vec<String>> {
        let mut why: BTreeMap<Why, (PathBuf, usize)> = BTreeMap::new();
        for (folder, reason) in self.closed.values() {
            why.entry(*reason).or_insert_with(|| (folder.clone(), 0)).1 += 1;
        }
        for (reason, (folder, count)) in why {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            let message = format!("{}{more}: not looked into for a web.config", folder.display());
            let code = if reason == Why::Many { "too-many-folders" } else { "folder-not-read" };
            found.push(
                Diagnostic::new(Severity::Warning, code, message)
                    .note(reason.text())
                    .note("requests for what is below are answered with 500.19"),
            );
        }
        let mut closed: BTreeSet<Vec<String>> = self.closed.into_keys().collect();
        while closed.len() > MOST_CLOSED {
            let deepest = closed.iter().map(Vec::len).max().unwrap_or_default();
            let shorter = |mut path: Vec<String>| {
                if path.len() == deepest {
                    path.pop();
                }
                path
            };
            closed = closed.into_iter().map(shorter).collect();
        }
        closed.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_loops_are_closed() {
        let top = std::env::temp_dir().join(format!("triglot-folders-{}", std::process::id()));
        let site = top.join("site");
        std::fs::create_dir_all(top.join("real/below")).unwrap();
        std::fs::create_dir_all(site.join("plain/deep")).unwrap();
        std::fs::write(top.join("real/below/Web.config"), "").unwrap();
        symlink("../real", site.join("link")).unwrap();
        symlink("..", site.join("plain/up")).unwrap();
        let of = || Survey::of(&site, &[], true, |_| false);
        let paths = |survey: &Survey| -> Vec<String> {
            survey.files.iter().map(|(_, path)| path.join("/")).collect()
        };
        // The loop leads to where there is a file.
        let survey = of();
        assert_eq!(paths(&survey), ["link/below"]);
        let mut found = Vec::new();
        assert_eq!(survey.closed(&mut found), [["plain", "up"]]);
        assert_eq!(found.len(), 1);
        // Without one it does not matter.
        std::fs::remove_file(top.join("real/below/Web.config")).unwrap();
        let survey = of();
        assert!(paths(&survey).is_empty() && survey.closed.is_empty());
        // Each link doubles the paths, and nothing is read twice.
        let mut last = site.clone();
        for level in 0..40 {
            let next = top.join(format!("n{level}"));
            std::fs::create_dir(&next).unwrap();
            symlink(&next, last.join("a")).unwrap();
            symlink(&next, last.join("b")).unwrap();
            last = next;
        }
        assert!(of().closed.is_empty());
        std::fs::write(last.join("web.config"), "").unwrap();
        let closed = of().closed(&mut found);
        assert!(!closed.is_empty() && closed.len() <= MOST_CLOSED, "{}", closed.len());
        std::fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn deep_folders_are_read() {
        let top = std::env::temp_dir().join(format!("triglot-deep-{}", std::process::id()));
        let deep = top.join(["d"; 40].join("/"));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("web.config"), "").unwrap();
        let survey = Survey::of(&top, &[], true, |_| false);
        assert_eq!(survey.files.iter().map(|(_, path)| path.len()).collect::<Vec<_>>(), [40]);
        std::fs::remove_dir_all(top).unwrap();
    }
}
