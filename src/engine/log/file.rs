//! Log files: one descriptor for all workers, buffers of lines per worker, files named by requests.
//!
//! Opening again is `dup3` onto the descriptor in use: a write that runs
//! meanwhile goes to one file or the other, and nobody waits.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use flate2::{Compression, write::GzEncoder};

/// The files open in the process, by name: a plan that replaces another one goes on with its files.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<LogFile>>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The buffers of this worker, of all plans that it still serves.
    static BUFFERS: RefCell<Vec<Weak<Buffer>>> = const { RefCell::new(Vec::new()) };
}

/// Seconds between two complaints about one file.
const PATIENCE: u64 = 60;

/// Files named by requests that a worker keeps open, for a second at most.
const KEPT: usize = 64;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A log file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    buffers: Mutex<Vec<Weak<Buffer>>>,
    complained: AtomicU64,
}

/// The file of a name, created where there is none.
pub(super) fn open(name: &[u8]) -> io::Result<Arc<LogFile>> {
    let path = Path::new(OsStr::from_bytes(name));
    let mut open = lock(&OPEN);
    if let Some(known) = open.get(path).and_then(Weak::upgrade) {
        if !known.is_current() {
            known.reopen()?;
        }
        return Ok(known);
    }
    let file = append(path)?;
    let new =
        LogFile { path: path.to_owned(), file, buffers: Mutex::default(), complained: AtomicU64::new(0) };
    let new = Arc::new(new);
    open.retain(|_, file| file.strong_count() > 0);
    open.insert(path.to_owned(), Arc::downgrade(&new));
    Ok(new)
}

/// Opens all files again; those that could not be go on as they are.
pub(super) fn reopen_all() -> Vec<(PathBuf, io::Error)> {
    let files: Vec<_> = lock(&OPEN).values().filter_map(Weak::upgrade).collect();
    let failed = |file: Arc<LogFile>| Some((file.path.clone(), file.reopen().err()?));
    files.into_iter().filter_map(failed).collect()
}

/// Whether a file of a name can be: it is there and no folder, or the folder that it would be created in is there.
pub(super) fn look(name: &[u8]) -> io::Result<()> {
    let path = Path::new(OsStr::from_bytes(name));
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        Ok(_) => Ok(()),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            std::fs::metadata(folder.unwrap_or(Path::new("."))).map(drop)
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl LogFile {
    /// Its name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes whole lines.
    pub(super) fn write(&self, lines: &[u8]) -> io::Result<()> {
        (&self.file).write_all(lines)
    }

    /// Writes what its buffers hold.
    pub(super) fn flush(&self) {
        let buffers: Vec<_> = lock(&self.buffers).iter().filter_map(Weak::upgrade).collect();
        for buffer in buffers {
            // A file that cannot be written to has been complained about.
            let _ = buffer.flush();
        }
    }

    /// Whether it is time to complain about it (again).
    pub(super) fn may_complain(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let last = self.complained.load(Relaxed);
        let due = last == 0 || now >= last + PATIENCE;
        due && self.complained.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    /// Whether its name still stands for the file that is open.
    fn is_current(&self) -> bool {
        match (std::fs::metadata(&self.path), self.file.metadata()) {
            (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
            _ => false,
        }
    }

    #[expect(unsafe_code, reason = "no safe interface to dup3 exists in the libraries used")]
    fn reopen(&self) -> io::Result<()> {
        let new = append(&self.path)?;
        self.flush();
        // SAFETY: both descriptors are open and owned here; the old one stays owned by `self.file`.
        let done = unsafe { libc::dup3(new.as_raw_fd(), self.file.as_raw_fd(), libc::O_CLOEXEC) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Lines of one worker that wait to be written to a file.
#[derive(Debug)]
pub(super) struct Buffer {
    file: Arc<LogFile>,
    size: usize,
    delay: Option<Duration>,
    gzip: Option<u8>,
    /// Taken by the worker, and by who opens files again.
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// When the first of them came.
    since: Option<Instant>,
}

/// A new buffer of a file, for the worker that calls this.
pub(super) fn buffer(
    file: &Arc<LogFile>,
    size: u64,
    delay: Option<Duration>,
    gzip: Option<u8>,
) -> Arc<Buffer> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let new = Arc::new(Buffer { file: Arc::clone(file), size, delay, gzip, lines: Mutex::default() });
    let mut known = lock(&file.buffers);
    known.retain(|buffer| buffer.strong_count() > 0);
    known.push(Arc::downgrade(&new));
    BUFFERS.with_borrow_mut(|buffers| buffers.push(Arc::downgrade(&new)));
    new
}

/// Writes the lines of this worker that have waited for long enough.
pub(super) fn flush_due() {
    BUFFERS.with_borrow_mut(|buffers| {
        buffers.retain(|buffer| {
            let Some(buffer) = buffer.upgrade() else { return false };
            if buffer.is_due() {
                let _ = buffer.flush();
            }
            true
        });
    });
}

impl Buffer {
    /// Whether it collects lines of this file.
    pub(super) fn is_of(&self, file: &Arc<LogFile>) -> bool {
        Arc::ptr_eq(&self.file, file)
    }

    /// The file.
    pub(super) fn file(&self) -> &Arc<LogFile> {
        &self.file
    }

    /// Adds a line; one that has no room makes the others leave, and goes alone when it is too long.
    pub(super) fn push(&self, line: &[u8]) -> io::Result<()> {
        let mut lines = lock(&self.lines);
        let mut done = Ok(());
        if line.len() > self.size.saturating_sub(lines.bytes.len()) {
            done = self.write(&mut lines);
        }
        lines.bytes.extend_from_slice(line);
        if line.len() > self.size {
            return done.and(self.write(&mut lines));
        }
        if self.delay.is_some() && lines.since.is_none() {
            lines.since = Some(Instant::now());
        }
        done
    }

    /// Writes what it holds.
    fn flush(&self) -> io::Result<()> {
        self.write(&mut lock(&self.lines))
    }

    fn is_due(&self) -> bool {
        let since = lock(&self.lines).since;
        since.zip(self.delay).is_some_and(|(since, delay)| since.elapsed() >= delay)
    }

    fn write(&self, lines: &mut Lines) -> io::Result<()> {
        lines.since = None;
        if lines.bytes.is_empty() {
            return Ok(());
        }
        let done = match self.gzip {
            None => self.file.write(&lines.bytes),
            Some(level) => pack(&lines.bytes, level).and_then(|packed| self.file.write(&packed)),
        };
        lines.bytes.clear();
        done
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// A gzip member (RFC 1952); members one behind the other are a gzip file.
fn pack(bytes: &[u8], level: u8) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(u32::from(level.min(9))));
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Files whose names depend on requests, as one worker has them open.
#[derive(Debug, Default)]
pub(super) struct Opened {
    files: Vec<(Vec<u8>, Rc<File>)>,
}

impl Opened {
    /// Closes them, so that a file that was moved away is not written to for long.
    pub(super) fn clear(&mut self) {
        self.files.clear();
    }

    /// Writes a line to the file of this name.
    pub(super) fn write(&mut self, name: &[u8], line: &[u8]) -> io::Result<()> {
        let known = self.files.iter().find(|(known, _)| known == name);
        let file = if let Some((_, file)) = known {
            Rc::clone(file)
        } else {
            let file = Rc::new(append(Path::new(OsStr::from_bytes(name)))?);
            if self.files.len() == KEPT {
                self.files.remove(0);
            }
            self.files.push((name.to_vec(), Rc::clone(&file)));
            file
        };
        (&*file).write_all(line)
    }
}

/// Remembers whether there was a complaint since things went well.
#[derive(Debug, Default)]
pub(super) struct Once(AtomicBool);

impl Once {
    /// Whether this is the first complaint.
    pub(super) fn first(&self) -> bool {
        !self.0.swap(true, Relaxed)
    }

    /// Things go well.
    pub(super) fn well(&self) {
        if self.0.load(Relaxed) {
            self.0.store(false, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("log-file-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn read(path: &Path) -> String {
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_file_is_opened_again_under_its_descriptor() {
        let folder = folder("reopen");
        let (path, moved) = (folder.join("a.log"), folder.join("a.log.1"));
        let file = open(path.as_os_str().as_bytes()).unwrap();
        let same = open(path.as_os_str().as_bytes()).unwrap();
        assert!(Arc::ptr_eq(&file, &same));
        file.write(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.write(b"two\n").unwrap();
        let lines = buffer(&file, 100, None, None);
        lines.push(b"three\n").unwrap();
        assert!(!file.is_current());
        assert!(reopen_all().iter().all(|(failed, _)| *failed != path));
        file.write(b"four\n").unwrap();
        assert_eq!(read(&moved), "one\ntwo\nthree\n");
        assert_eq!(read(&path), "four\n");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn lines_wait_until_they_are_many_or_old() {
        let folder = folder("buffer");
        let path = folder.join("a.log");
        let file = open(path.as_os_str().as_bytes()).unwrap();
        let lines = buffer(&file, 8, Some(Duration::ZERO), None);
        lines.push(b"one\n").unwrap();
        lines.push(b"two\n").unwrap();
        assert_eq!(read(&path), "");
        lines.push(b"three\n").unwrap();
        assert_eq!(read(&path), "one\ntwo\n");
        flush_due();
        assert_eq!(read(&path), "one\ntwo\nthree\n");
        lines.push(b"a line too long\n").unwrap();
        lines.push(b"end\n").unwrap();
        drop(lines);
        assert_eq!(read(&path), "one\ntwo\nthree\na line too long\nend\n");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn compressed_lines_are_members_of_one_file() {
        let folder = folder("gzip");
        let path = folder.join("a.gz");
        let file = open(path.as_os_str().as_bytes()).unwrap();
        let lines = buffer(&file, 100, None, Some(1));
        for line in [&b"one\n"[..], b"two\n"] {
            lines.push(line).unwrap();
            file.flush();
        }
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let error = open(b"/nonexistent-folder/a.log").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }
}
