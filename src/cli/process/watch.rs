//! Looks after files whose change has the configuration read again, on a thread of its own.
//!
//! The kernel tells of changes; where it takes no more folders, or does not tell at all, that is said once and a signal
//! remains the way to have the configuration read. Changes that come together count as one: it is waited until nothing
//! changes for a moment, so that files which are written one after the other are read together.

mod inotify;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::system;
use crate::{cli::say, ir::Watched};
use inotify::Inotify;

/// How long nothing has to change.
const QUIET: Duration = Duration::from_millis(60);

/// How long it is waited for that.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often is looked whether the watch is over.
const LOOK: Duration = Duration::from_millis(250);

/// The most folders.
const MOST_FOLDERS: usize = 200_000;

/// A watch; it ends when it is dropped.
#[derive(Debug, Default)]
pub struct Watch {
    what: Vec<Watched>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    over: AtomicBool,
    changed: AtomicBool,
}

impl Watch {
    /// Watches these files instead; what changed since `read` is told as well.
    pub fn apply(&mut self, what: &[Watched], read: SystemTime) {
        if self.what == what {
            return;
        }
        self.state.over.store(true, SeqCst);
        *self = Self { what: what.to_vec(), state: Arc::default() };
        if what.is_empty() {
            return;
        }
        let (what, state) = (what.to_vec(), Arc::clone(&self.state));
        thread::spawn(move || look(&what, &state, read));
    }

    /// Whether anything changed since this was asked last.
    pub fn has_changed(&self) -> bool {
        self.state.changed.swap(false, SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.over.store(true, SeqCst);
    }
}

/// Folders that are watched, with what is of interest in them.
struct Folders<'w> {
    inotify: Inotify,
    what: &'w [Watched],
    known: BTreeMap<i32, (PathBuf, Vec<usize>)>,
    full: bool,
}

fn look(what: &[Watched], state: &State, read: SystemTime) {
    let inotify = match Inotify::new() {
        Ok(inotify) => inotify,
        Err(error) => {
            say::remark(format!(
                "warning: changes of files are not noticed ({error}); SIGHUP has the configuration read again\n"
            ));
            return;
        }
    };
    let mut folders = Folders { inotify, what, known: BTreeMap::new(), full: false };
    let mut changed = false;
    for (at, one) in what.iter().enumerate() {
        changed |= folders.enter(&one.folder, &[at], Some(read));
    }
    while !state.over.load(SeqCst) {
        if changed {
            folders.settle();
            if state.over.load(SeqCst) {
                return;
            }
            state.changed.store(true, SeqCst);
            // Wakes the main thread, which waits for signals alone.
            let _ = system::kill(std::process::id().cast_signed(), libc::SIGCHLD);
        }
        changed = folders.next(LOOK);
    }
}

impl Folders<'_> {
    /// Watches a folder and, where that is wanted, those below it, by way of links, too; whether there is a file of interest in
    /// one of them, that is newer than `read` where that is given.
    fn enter(&mut self, folder: &Path, of: &[usize], read: Option<SystemTime>) -> bool {
        let mut left = vec![folder.to_path_buf()];
        let mut any = false;
        let mut seen = BTreeSet::new();
        while let Some(folder) = left.pop() {
            if self.full || self.known.len() >= MOST_FOLDERS {
                self.complain("there are too many folders");
                return any;
            }
            match self.inotify.add(&folder) {
                // By another link.
                Ok(number) if !seen.insert(number) => continue,
                Ok(number) => {
                    let known = self.known.entry(number).or_insert_with(|| (folder.clone(), Vec::new()));
                    known.0.clone_from(&folder);
                    let new: Vec<usize> = of.iter().filter(|at| !known.1.contains(at)).copied().collect();
                    known.1.extend(new);
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    self.complain("the system watches no more (fs.inotify.max_user_watches)");
                    return any;
                }
                // One that is not there has nothing to read either.
                Err(_) => continue,
            }
            let below: Vec<usize> = of.iter().filter(|at| self.what[**at].below).copied().collect();
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else { continue };
                let is_folder = kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
                if is_folder && !below.is_empty() {
                    left.push(entry.path());
                } else if !is_folder && self.is_wanted(of, entry.file_name().as_bytes()) {
                    let modified = entry.metadata().and_then(|known| known.modified());
                    any |= read.is_none_or(|read| modified.is_ok_and(|modified| modified > read));
                }
            }
        }
        any
    }

    fn is_wanted(&self, of: &[usize], name: &[u8]) -> bool {
        of.iter().any(|at| self.what[*at].name.eq_ignore_ascii_case(name))
    }

    fn complain(&mut self, why: &str) {
        if !std::mem::replace(&mut self.full, true) {
            say::remark(format!(
                "warning: changes of some files are not noticed: {why}; SIGHUP has the configuration read again\n"
            ));
        }
    }

    /// Waits for changes; whether one is of interest.
    fn next(&mut self, most: Duration) -> bool {
        let Ok(events) = self.inotify.next(most) else {
            thread::sleep(most);
            return false;
        };
        let mut any = false;
        for event in events {
            any |= event.overflow;
            let Some((folder, of)) = self.known.get(&event.folder).cloned() else { continue };
            let linked = || {
                let path = folder.join(&event.name);
                path.is_symlink() && path.is_dir()
            };
            if event.new_folder || event.new_entry && linked() {
                let below: Vec<usize> = of.iter().filter(|at| self.what[**at].below).copied().collect();
                if !below.is_empty() {
                    any |= self.enter(&folder.join(&event.name), &below, None);
                }
            }
            any |= !event.of_no_file && self.is_wanted(&of, event.name.as_bytes());
        }
        any
    }

    /// Waits until nothing changes for a moment.
    fn settle(&mut self) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE && self.next(QUIET) {}
    }
}
