//! Configuration files in memory, and where in them a thing was written.
//!
//! The only reader of configuration files: everything else sees bytes that a
//! [`SourceMap`] owns, and names places in them by [`Span`].

pub mod glob;

use std::{
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

/// The most bytes one configuration file may have.
pub const LARGEST_FILE: u64 = 256 << 20;

/// A file of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
///
/// All spans are equal: provenance is not meaning, so two values that differ
/// only in where they were written compare equal.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset just past the last byte.
    pub end: u32,
}

impl Span {
    /// The place of what nobody wrote: defaults and generated nodes.
    pub const NONE: Self = Self { file: FileId(u32::MAX), start: 0, end: 0 };

    /// A span of `start..end` in `file`.
    pub const fn new(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end }
    }

    /// Whether somebody wrote this.
    pub fn is_known(self) -> bool {
        self.file != Self::NONE.file
    }

    /// From the start of `self` to the end of `other`, which is in the same file.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

impl Default for Span {
    fn default() -> Self {
        Self::NONE
    }
}

/// One configuration file as it was read.
#[derive(Clone, Debug)]
pub struct File {
    /// The path it was read from, or a name in angle brackets for text that is no file (`<command line>`).
    pub path: PathBuf,
    /// Its bytes, unchanged.
    pub text: Arc<[u8]>,
    line_starts: Vec<u32>,
}

impl File {
    /// The bytes of a line, counted from 1, without its end (LF or CR LF); nothing for a line that is not there.
    pub fn line(&self, number: u32) -> std::ops::Range<usize> {
        let at = number as usize;
        let start_of = |at: usize| self.line_starts.get(at).map(|&start| start as usize);
        let start = at.checked_sub(1).and_then(start_of).unwrap_or(self.text.len());
        let end = start_of(at).map_or(self.text.len(), |next| next - 1);
        let end = if end > start && self.text[end - 1] == b'\r' { end - 1 } else { end };
        start..end.max(start)
    }
}

/// Every file that one configuration consists of.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<File>,
    /// The id of the first file.
    first: u32,
    /// How many files were read for something else, and are not what was read last.
    settled: usize,
}

/// The first id of a map whose spans mean nothing in another one.
const APART: u32 = 1 << 31;

/// A line and a column, both from 1; the column counts bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty map for files that are read while another map is in use: its spans name no file of that one.
    pub fn apart() -> Self {
        Self { first: APART, ..Self::default() }
    }

    /// What was read so far is another configuration's: a file of the same name is read again.
    pub fn settle(&mut self) {
        self.settled = self.files.len();
    }

    /// Reads a file from disk and adds it. A file larger than [`LARGEST_FILE`] is an error: nobody wrote it.
    pub fn read(&mut self, path: &Path) -> io::Result<FileId> {
        let mut text = Vec::new();
        if path.as_os_str() == "-" {
            io::stdin().lock().take(LARGEST_FILE + 1).read_to_end(&mut text)?;
        } else {
            std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut text)?;
        }
        if text.len() as u64 > LARGEST_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(self.add(path.to_path_buf(), text))
    }

    /// The same for a file that others than who runs the server may have put there: only a regular one of some size is read,
    /// since a pipe would keep the reader waiting.
    pub fn read_plain(&mut self, path: &Path, most: u64) -> io::Result<FileId> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let known = file.metadata()?;
        if !known.is_file() && path.canonicalize()? != Path::new("/dev/null") {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut text = Vec::new();
        file.take(most + 1).read_to_end(&mut text)?;
        if text.len() as u64 > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(self.add(path.to_path_buf(), text))
    }

    /// The file that was read last, when it has this name: a main file has just been recognised, and is not read twice.
    pub fn last(&self, path: &Path) -> Option<FileId> {
        let new = self.files.get(self.settled..).unwrap_or_default();
        new.last().filter(|file| file.path == path).map(|_| FileId(self.first + self.files.len() as u32 - 1))
    }

    /// Adds text under a name.
    pub fn add(&mut self, path: PathBuf, text: Vec<u8>) -> FileId {
        let starts = memchr::memchr_iter(b'\n', &text).map(|at| at as u32 + 1);
        let line_starts = std::iter::once(0).chain(starts).collect();
        self.files.push(File { path, text: text.into(), line_starts });
        FileId(self.first + self.files.len() as u32 - 1)
    }

    /// The file of an id that this map gave out.
    pub fn file(&self, id: FileId) -> &File {
        &self.files[(id.0 - self.first) as usize]
    }

    /// The files in the order they were read.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.files.iter().enumerate().map(|(at, file)| (FileId(self.first + at as u32), file))
    }

    /// The bytes of a span; empty for [`Span::NONE`].
    pub fn text(&self, span: Span) -> &[u8] {
        if !self.holds(span) {
            return &[];
        }
        let text = &self.file(span.file).text;
        &text[span.start as usize..span.end as usize]
    }

    /// Whether a span is of a file of this map.
    fn holds(&self, span: Span) -> bool {
        span.is_known()
            && span.file.0.checked_sub(self.first).is_some_and(|at| (at as usize) < self.files.len())
    }

    /// Where a span starts; `None` for [`Span::NONE`] and for what another map holds.
    pub fn position(&self, span: Span) -> Option<Position> {
        if !self.holds(span) {
            return None;
        }
        let file = self.file(span.file);
        let line = file.line_starts.partition_point(|&start| start <= span.start);
        let column = span.start - file.line_starts[line - 1] + 1;
        Some(Position { line: line as u32, column })
    }
}

/// What two paths have in common when they lead to the same file.
pub fn identity(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_and_devices_are_not_waited_for() {
        let folder = std::env::temp_dir().join(format!("tg-source-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (pipe, plain) = (folder.join("pipe"), folder.join("plain"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::write(&plain, "12345").unwrap();
        let mut map = SourceMap::new();
        let mut kind = |path: &Path, most| map.read_plain(path, most).err().map(|error| error.kind());
        assert_eq!(kind(&pipe, 10), Some(io::ErrorKind::InvalidInput));
        assert_eq!(kind(Path::new("/dev/zero"), 10), Some(io::ErrorKind::InvalidInput));
        assert_eq!(kind(&plain, 4), Some(io::ErrorKind::FileTooLarge));
        assert_eq!(kind(&plain, 5), None);
        assert_eq!(kind(Path::new("/dev/null"), 5), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_was_read_last_is_known_by_its_name() {
        let mut map = SourceMap::new();
        assert_eq!(map.last(Path::new("a")), None);
        let a = map.add("a".into(), b"x".to_vec());
        assert_eq!(map.last(Path::new("a")), Some(a));
        map.add("b".into(), Vec::new());
        assert_eq!(map.last(Path::new("a")), None);
        let c = map.add("c".into(), Vec::new());
        assert_eq!(map.last(Path::new("c")), Some(c));
        map.settle();
        assert_eq!(map.last(Path::new("c")), None);
    }

    #[test]
    fn spans_of_another_map_name_nothing_here() {
        let (mut map, mut other) = (SourceMap::new(), SourceMap::apart());
        let here = Span::new(map.add("a".into(), b"x\ny".to_vec()), 2, 3);
        let there = Span::new(other.add("b".into(), b"p\nq".to_vec()), 2, 3);
        assert_eq!((map.text(here), other.text(there)), (&b"y"[..], &b"q"[..]));
        assert_eq!((map.text(there), other.text(here)), (&b""[..], &b""[..]));
        assert_eq!((map.position(there), other.position(here)), (None, None));
        assert_eq!(other.position(there), Some(Position { line: 2, column: 1 }));
        assert_eq!(other.file(there.file).path, Path::new("b"));
    }
}
