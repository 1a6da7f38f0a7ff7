//! Files that become of responses: written on another thread, and put in their place when they are whole.
//!
//! A worker collects content and hands it over in large pieces; small responses are one piece, and one trip to the
//! other thread opens, writes and places their file. What waits is bounded: who fills a file asks for room first
//! ([`Deposit::poll_room`]), so that a slow disk slows the upstream down, not the worker. A file stands beside its
//! place under another name until all of it is written, so that nobody sees a part of it; where it comes to nothing,
//! it is removed.

use std::{
    fmt,
    fs::{self, File, FileTimes, OpenOptions, Permissions},
    future::poll_fn,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use tokio::runtime::Handle;

use super::content::failed;

/// Content that is collected before it is handed over.
const PIECE: usize = 64 * 1024;

/// Content that may wait for the other thread.
const ROOM: usize = 4 * PIECE;

/// What a file is to be.
#[derive(Debug, Default)]
pub struct Order {
    /// Where it is put.
    pub place: PathBuf,
    /// Permissions of folders that are missing.
    pub folders: u32,
    /// Its permissions; `None` is the owner's alone.
    pub access: Option<u32>,
    /// Its time, in seconds since the epoch.
    pub modified: Option<i64>,
    /// How much content there has to be, where that is known.
    pub expected: Option<u64>,
}

/// Who hears of a file. It is dropped when no more becomes of the file.
pub trait Hears: Send {
    /// All content was taken.
    fn sealed(&mut self) {}
    /// The file is in its place, and so long.
    fn placed(&mut self, length: u64);
}

/// A file that is being filled.
pub struct Deposit {
    desk: Arc<Desk>,
    hears: Option<Box<dyn Hears>>,
    collected: Vec<u8>,
    taken: u64,
    expected: Option<u64>,
    sealed: bool,
}

/// Where the worker and the thread that writes meet.
#[derive(Default)]
struct Desk(Mutex<Tray>);

#[derive(Default)]
struct Tray {
    waiting: Vec<u8>,
    /// The file, unless the thread has it.
    file: Option<Filing>,
    /// What comes behind all that is waiting.
    end: Option<End>,
    /// Whether the thread is at it.
    busy: bool,
    /// Whether nothing becomes of the file.
    abandoned: bool,
    /// What became of it, once that is known.
    outcome: Option<Result<(), String>>,
    /// Who waits for room.
    room: Option<Waker>,
    /// Who waits for the outcome.
    over: Option<Waker>,
}

/// All of the content is there; who hears of it.
struct End(Option<Box<dyn Hears>>);

/// A file as the thread that writes it knows it.
#[derive(Debug)]
struct Filing {
    order: Order,
    open: Option<(File, PathBuf)>,
    written: u64,
    trouble: Option<String>,
}

impl Deposit {
    /// Begins with what stands before the content; nothing is written before there is a large piece, or all of it.
    pub fn begin(order: Order, first: Vec<u8>, hears: Option<Box<dyn Hears>>) -> Self {
        let expected = order.expected;
        let file = Some(Filing { order, open: None, written: 0, trouble: None });
        let desk = Arc::new(Desk(Mutex::new(Tray { file, ..Tray::default() })));
        Self { desk, hears, collected: first, taken: 0, expected, sealed: false }
    }

    /// Takes content.
    pub fn push(&mut self, data: &[u8]) {
        if self.sealed {
            return;
        }
        self.taken += data.len() as u64;
        self.collected.extend_from_slice(data);
        if self.collected.len() >= PIECE {
            let collected = std::mem::take(&mut self.collected);
            let mut tray = self.desk.tray();
            // What is in trouble already takes no more.
            if tray.outcome.is_none() {
                put(&mut tray.waiting, collected);
                self.desk.set_to_work(tray);
            }
        }
    }

    /// Whether more content may be taken; who asks is woken when it may.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut tray = self.desk.tray();
        if tray.waiting.len() < ROOM || !tray.busy {
            return Poll::Ready(());
        }
        tray.room = Some(cx.waker().clone());
        Poll::Pending
    }

    /// All content was taken: the file is put in its place, unless there was less or more of it than expected.
    pub fn seal(&mut self) {
        if std::mem::replace(&mut self.sealed, true) {
            return;
        }
        let mut hears = self.hears.take();
        if self.expected.is_some_and(|expected| expected != self.taken) {
            self.desk.abandon();
            self.desk.tray().outcome = Some(Ok(()));
            return;
        }
        if let Some(hears) = &mut hears {
            hears.sealed();
        }
        let collected = std::mem::take(&mut self.collected);
        let mut tray = self.desk.tray();
        put(&mut tray.waiting, collected);
        tray.end = Some(End(hears));
        self.desk.set_to_work(tray);
    }

    /// Waits until the file is in its place, if it is to be; fails with what went wrong on the way.
    pub async fn settle(self) -> Result<(), String> {
        poll_fn(|cx| {
            let mut tray = self.desk.tray();
            if let Some(outcome) = tray.outcome.take() {
                return Poll::Ready(outcome);
            }
            if !self.sealed {
                return Poll::Ready(Ok(()));
            }
            tray.over = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Deposit {
    fn drop(&mut self) {
        if !self.sealed {
            self.desk.abandon();
        }
    }
}

/// Adds to what waits, without a copy where there is nothing.
fn put(waiting: &mut Vec<u8>, collected: Vec<u8>) {
    if waiting.is_empty() {
        *waiting = collected;
    } else {
        waiting.extend_from_slice(&collected);
    }
}

impl Desk {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that a thread writes what waits.
    fn set_to_work(self: &Arc<Self>, mut tray: MutexGuard<'_, Tray>) {
        if std::mem::replace(&mut tray.busy, true) {
            return;
        }
        drop(tray);
        let desk = Arc::clone(self);
        elsewhere(move || desk.work());
    }

    /// Writes what waits until nothing does.
    fn work(&self) {
        let mut written = None;
        loop {
            let mut tray = self.tray();
            if let Some(file) = written.take() {
                tray.file = Some(file);
            }
            let (waiting, end) = (std::mem::take(&mut tray.waiting), tray.end.take());
            let wanted = !tray.abandoned && (end.is_some() || !waiting.is_empty());
            let file = if wanted || tray.abandoned { tray.file.take() } else { None };
            let Some(mut file) = file.filter(|_| wanted) else {
                tray.busy = false;
                return;
            };
            let room = tray.room.take();
            drop(tray);
            if let Some(room) = room {
                room.wake();
            }
            file.write(&waiting);
            let outcome = match (end, file.trouble.take()) {
                (_, Some(trouble)) => Err(trouble),
                (Some(End(hears)), None) => file.place(hears),
                (None, None) => {
                    written = Some(file);
                    continue;
                }
            };
            let mut tray = self.tray();
            (tray.outcome, tray.busy) = (Some(outcome), false);
            tray.waiting = Vec::new();
            let waiting = [tray.room.take(), tray.over.take()];
            drop(tray);
            waiting.into_iter().flatten().for_each(Waker::wake);
            return;
        }
    }

    /// Nothing becomes of the file.
    fn abandon(&self) {
        let mut tray = self.tray();
        (tray.abandoned, tray.waiting, tray.end) = (true, Vec::new(), None);
        if let Some(file) = tray.file.take().filter(|file| file.open.is_some()) {
            drop(tray);
            elsewhere(move || drop(file));
        }
    }
}

/// Runs what may have to wait for a disk on another thread.
pub fn elsewhere(run: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(worker) => drop(worker.spawn_blocking(run)),
        // No worker is held up where there is none.
        Err(_) => run(),
    }
}

impl Filing {
    fn write(&mut self, data: &[u8]) {
        if self.trouble.is_none()
            && let Err(trouble) = self.try_write(data)
        {
            self.trouble = Some(trouble);
        }
    }

    fn try_write(&mut self, data: &[u8]) -> Result<(), String> {
        let (file, temp) = match &mut self.open {
            Some(open) => open,
            none => none.insert(beside(&self.order.place, self.order.folders)?),
        };
        file.write_all(data).map_err(|error| failed("write", temp, &error))?;
        self.written += data.len() as u64;
        Ok(())
    }

    fn place(mut self, hears: Option<Box<dyn Hears>>) -> Result<(), String> {
        let Some((file, temp)) = &self.open else { return Ok(()) };
        if let Some(access) = self.order.access {
            let permitted = file.set_permissions(Permissions::from_mode(access));
            permitted.map_err(|error| failed("chmod", temp, &error))?;
        }
        if let Some(seconds) = self.order.modified.and_then(|modified| u64::try_from(modified).ok()) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let timed = file.set_times(FileTimes::new().set_modified(time).set_accessed(time));
            timed.map_err(|error| failed("utimes", temp, &error))?;
        }
        fs::rename(temp, &self.order.place).map_err(|error| failed("rename", temp, &error))?;
        self.open = None;
        if let Some(mut hears) = hears {
            hears.placed(self.written);
        }
        Ok(())
    }
}

impl Drop for Filing {
    fn drop(&mut self) {
        if let Some((_, temp)) = self.open.take() {
            let _ = fs::remove_file(temp);
        }
    }
}

/// Makes a file beside its place, with the folders that are missing.
fn beside(place: &Path, folders: u32) -> Result<(File, PathBuf), String> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    loop {
        let mut name = place.to_path_buf().into_os_string();
        name.push(format!(".{:010}", NEXT.fetch_add(1, Relaxed)));
        let temp = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp) {
            Ok(file) => return Ok((file, temp)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = place.parent().unwrap_or(place);
                let made = fs::DirBuilder::new().recursive(true).mode(folders).create(folder);
                made.map_err(|error| failed("mkdir", folder, &error))?;
            }
            Err(error) => return Err(failed("open", &temp, &error)),
        }
    }
}

impl fmt::Debug for Deposit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deposit")
            .field("taken", &self.taken)
            .field("sealed", &self.sealed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Told(mpsc::Sender<&'static str>);

    impl Hears for Told {
        fn sealed(&mut self) {
            self.0.send("sealed").unwrap();
        }
        fn placed(&mut self, _: u64) {
            self.0.send("placed").unwrap();
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("deposit-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn order(folder: &Path, expected: Option<u64>) -> Order {
        Order {
            place: folder.join("a/b"),
            folders: 0o700,
            access: Some(0o640),
            modified: Some(1000),
            expected,
        }
    }

    fn on_a_worker<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn what_is_whole_is_put_in_its_place() {
        let folder = folder("whole");
        let content: Vec<u8> = (0..1_000_000u32).map(|at| at as u8).collect();
        for expected in [None, Some(content.len() as u64)] {
            let (told, hears) = mpsc::channel();
            on_a_worker(async {
                let mut deposit =
                    Deposit::begin(order(&folder, expected), b"first".to_vec(), Some(Box::new(Told(told))));
                for piece in content.chunks(10_000) {
                    poll_fn(|cx| deposit.poll_room(cx)).await;
                    deposit.push(piece);
                }
                assert!(!folder.join("a/b").exists());
                deposit.seal();
                deposit.settle().await.unwrap();
            });
            assert_eq!(hears.iter().collect::<Vec<_>>(), ["sealed", "placed"]);
            let written = fs::read(folder.join("a/b")).unwrap();
            assert!(written.starts_with(b"first") && written[5..] == content[..]);
            let known = fs::metadata(folder.join("a/b")).unwrap();
            assert_eq!(known.permissions().mode() & 0o777, 0o640);
            assert_eq!(known.modified().unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
            fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn what_is_not_whole_leaves_nothing() {
        let folder = folder("part");
        for (length, expected, seals) in
            [(10, None, false), (300_000, None, false), (300_000, Some(300_001), true)]
        {
            let (told, hears) = mpsc::channel();
            on_a_worker(async {
                let hears = Some(Box::new(Told(told)) as Box<dyn Hears>);
                let mut deposit = Deposit::begin(order(&folder, expected), Vec::new(), hears);
                deposit.push(&vec![b'x'; length]);
                if seals {
                    deposit.seal();
                    deposit.settle().await.unwrap();
                }
            });
            assert_eq!(hears.iter().count(), 0);
            let left = fs::read_dir(folder.join("a")).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{length} {seals}");
            let _ = fs::remove_dir_all(&folder);
        }
    }

    #[test]
    fn a_file_that_cannot_be_is_told() {
        let folder = folder("trouble");
        fs::write(&folder, "in the way").unwrap();
        for length in [0, 10, 2_000_000] {
            let outcome = on_a_worker(async {
                let mut deposit = Deposit::begin(order(&folder, None), Vec::new(), None);
                for piece in vec![b'x'; length].chunks(PIECE) {
                    poll_fn(|cx| deposit.poll_room(cx)).await;
                    deposit.push(piece);
                }
                deposit.seal();
                deposit.settle().await
            });
            assert!(outcome.unwrap_err().contains("Not a directory"));
        }
        fs::remove_file(&folder).unwrap();
    }

    #[test]
    fn what_waits_for_a_slow_disk_is_bounded() {
        let folder = folder("slow");
        // Nobody is at work yet.
        let deposit = Deposit::begin(order(&folder, None), Vec::new(), None);
        deposit.desk.tray().busy = true;
        let mut deposit = deposit;
        let mut cx = Context::from_waker(Waker::noop());
        let mut pushed = 0;
        while deposit.poll_room(&mut cx).is_ready() {
            deposit.push(&[0; 10_000]);
            pushed += 10_000;
        }
        assert!((ROOM..ROOM + 2 * PIECE).contains(&pushed), "{pushed}");
        deposit.desk.work();
        assert!(deposit.poll_room(&mut cx).is_ready());
        deposit.seal();
        assert_eq!(fs::metadata(folder.join("a/b")).unwrap().len(), pushed as u64);
        fs::remove_dir_all(&folder).unwrap();
    }
}
