//! What directories bring: looked at for each request, read when it has changed.

use std::{
    cell::RefCell,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{
    ir::HostId,
    plan::{Entry, Plan, hash::Map},
};

/// What a worker knows of directories.
#[derive(Debug, Default)]
pub struct Locals {
    known: RefCell<Map<Box<[u8]>, OfHosts>>,
    /// What files bring: to all directories for which they count the same program, so that its settings are the same.
    brought: RefCell<Map<(HostId, Vec<Found>), Brought>>,
}

/// What one directory brings for each host that was asked.
type OfHosts = Vec<(HostId, Known)>;

/// A file that counts, as it is.
type Found = (PathBuf, Stamp);

/// How many directories are remembered.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
struct Known {
    /// Groups of files that may count, with what each was when it was looked at; those after the first that exists
    /// were not.
    files: Vec<Vec<(PathBuf, Option<Stamp>)>>,
    /// What they bring; `None` is nothing.
    brings: Option<Brought>,
}

/// What files bring.
#[derive(Clone, Debug)]
pub struct Brought {
    /// Where it begins; `None` when it cannot be used.
    pub entry: Option<Entry>,
    /// What there is to say about it.
    pub found: std::rc::Rc<[String]>,
}

/// By what a file is known to have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None` when there is no such file.
    fn of(path: &Path) -> Option<Self> {
        let known = std::fs::metadata(path).ok()?;
        Some(Self {
            device: known.dev(),
            inode: known.ino(),
            size: known.size(),
            modified: (known.mtime(), known.mtime_nsec()),
            changed: (known.ctime(), known.ctime_nsec()),
        })
    }
}

impl Known {
    /// Whether all files are what they were.
    fn is_current(&self) -> bool {
        let mut files = self.files.iter().flatten();
        files.all(|(path, stamp)| Stamp::of(path) == *stamp)
    }
}

impl Locals {
    /// What a directory brings for a host.
    pub fn find(&self, plan: &Plan, host: HostId, folder: &[u8]) -> Option<Brought> {
        let provider = plan.provider.as_ref()?;
        let mut known = self.known.borrow_mut();
        if let Some(of_hosts) = known.get_mut(folder) {
            if let Some((_, one)) = of_hosts.iter().find(|(of, one)| *of == host && one.is_current()) {
                return one.brings.clone();
            }
            of_hosts.retain(|(of, _)| *of != host);
        }
        let mut present = Vec::new();
        let mut files = Vec::new();
        for group in provider.files(host, folder) {
            let mut looked_at = Vec::new();
            for path in group {
                let stamp = Stamp::of(&path);
                looked_at.push((path.clone(), stamp));
                if let Some(stamp) = stamp {
                    present.push((path, stamp));
                    break;
                }
            }
            files.push(looked_at);
        }
        let brings = (!present.is_empty()).then(|| {
            let mut brought = self.brought.borrow_mut();
            if brought.len() >= REMEMBERED {
                brought.clear();
            }
            let paths: Vec<_> = present.iter().map(|(path, _)| path.clone()).collect();
            let add = || {
                let added = plan.extend(host, |vars| provider.load(host, &paths, vars));
                Brought { entry: added.entry, found: added.found.into() }
            };
            brought.entry((host, present)).or_insert_with(add).clone()
        });
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.entry(folder.into()).or_default().push((host, Known { files, brings: brings.clone() }));
        brings
    }
}
