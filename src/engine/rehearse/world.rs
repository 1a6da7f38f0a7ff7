//! The file system of a rehearsal: the real one, or one that is made up.

use crate::{
    engine::{
        facts::Facts,
        files::{self, locate::locate},
    },
    ir::{Attr, FileKind},
    plan::{Run, View},
};

/// What is in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum World {
    /// What is there.
    Real,
    /// Nothing.
    Empty,
    /// Whatever is asked for: a folder where the name ends in `/`, else a file.
    Files,
    /// Whatever is asked for, as a folder.
    Folders,
}

impl World {
    /// Whether there is such a file.
    pub fn is(self, name: &[u8], kind: FileKind) -> bool {
        let folder = match self {
            Self::Real => return files::is(name, kind),
            Self::Empty => return false,
            Self::Files => name.ends_with(b"/"),
            Self::Folders => true,
        };
        match kind {
            FileKind::Any => true,
            FileKind::File | FileKind::NonEmpty => !folder,
            FileKind::Directory => folder,
            FileKind::Executable | FileKind::Link => false,
        }
    }

    /// How much of a name is a file's, how much of that its folder's, and what it is.
    pub(super) fn locate(self, name: &[u8]) -> (usize, usize, &'static str) {
        let folder = |name: &[u8]| memchr::memrchr(b'/', name).map_or(0, |slash| slash + 1);
        match self {
            Self::Real => {
                let found = locate(name);
                (found.length, found.folder, found.kind)
            }
            Self::Empty => (name.len(), folder(name), ""),
            _ if self.is(name, FileKind::Directory) => (name.len(), name.len(), "directory"),
            _ => (name.len(), folder(name), "file"),
        }
    }
}

/// The exchange as the plan sees it, with the files of a world.
pub(super) struct Staged<'a> {
    pub(super) facts: &'a Facts,
    pub(super) world: World,
}

impl View for Staged<'_> {
    fn attr(&self, run: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool {
        View::attr(self.facts, run, attr, out)
    }

    fn method(&self) -> &[u8] {
        View::method(self.facts)
    }

    fn content_length(&self) -> Option<u64> {
        View::content_length(self.facts)
    }

    fn status(&self) -> u16 {
        View::status(self.facts)
    }

    fn received_encoded(&self) -> bool {
        View::received_encoded(self.facts)
    }

    fn is_file(&self, name: &[u8], kind: FileKind) -> bool {
        self.world.is(name, kind)
    }

    fn file_text(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        self.world == World::Real && self.facts.file_text(name, out)
    }

    fn file_size(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        self.world == World::Real && self.facts.file_size(name, out)
    }

    fn file_owner(&self, name: &[u8], group: bool, out: &mut Vec<u8>) -> bool {
        self.world == World::Real && self.facts.file_owner(name, group, out)
    }

    fn cookie_date(&self, minutes: &[u8], out: &mut Vec<u8>) -> bool {
        self.facts.cookie_date(minutes, out)
    }

    fn read_target(&self, target: &[u8], merge: bool, path: &mut Vec<u8>, query: &mut Vec<u8>) -> bool {
        self.facts.read_target(target, merge, path, query)
    }

    fn real_path(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        match self.world {
            World::Real => self.facts.real_path(name, out),
            World::Empty => false,
            World::Files | World::Folders => {
                out.extend_from_slice(name);
                true
            }
        }
    }
}
