//! Programs that are started for one request and end with it: their processes.
//!
//! A program's input and output are one end of a pair of sockets, whose other end is a connection as any other. What
//! it says on its error output becomes lines of the error log. A process is started off the worker, as who the worker
//! is, and looked after by a task of its own: once nobody listens to it any more it is asked to end, and after three
//! seconds made to. There is a limit to how many run at a time, whoever asks for them.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as Pair, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// How many run at a time.
const MOST: usize = 400;

/// How many run now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// How long a program that was asked to end may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Longest line of a program's error output; what is longer is several.
const LINE: usize = 8 * 1024;

/// How much of a file is read at a time.
const PIECE: usize = 64 * 1024;

/// What is to be started.
#[derive(Debug)]
pub struct Order {
    /// The file; it runs in its folder.
    pub file: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, whole.
    pub environment: Vec<(OsString, OsString)>,
}

/// A program's process is to run as long as this is kept.
#[derive(Debug)]
pub struct Running(#[expect(dead_code, reason = "that it is dropped is what counts")] oneshot::Sender<()>);

/// One of the programs that may run at a time.
struct Place;

impl Place {
    fn take() -> io::Result<Self> {
        let taken = RUNNING.fetch_update(Relaxed, Relaxed, |now| (now < MOST).then_some(now + 1));
        let full = || io::Error::new(io::ErrorKind::QuotaExceeded, format!("{MOST} programs are running"));
        taken.map(|_| Self).map_err(|_| full())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Relaxed);
    }
}

/// Starts a program; `hear` is given each line of its error output.
pub async fn start(order: Order, hear: impl Fn(&[u8]) + 'static) -> io::Result<(UnixStream, Running)> {
    let place = Place::take()?;
    let (ours, theirs) = Pair::pair()?;
    let (errors, said) = Pair::pair()?;
    for socket in [&ours, &errors] {
        socket.set_nonblocking(true)?;
    }
    let (ours, errors) = (UnixStream::from_std(ours)?, UnixStream::from_std(errors)?);
    let (keep, kept) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    // The task outlives whoever asked for the program, so that no process is left alone.
    tokio::task::spawn_local(async move {
        let spawned = tokio::task::spawn_blocking(move || spawn(&order, theirs, said)).await;
        match spawned.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())) {
            Ok(child) => {
                let _ = tell.send(Ok(()));
                look_after(Process(child), errors, kept, hear).await;
            }
            Err(error) => drop(tell.send(Err(error))),
        }
        drop(place);
    });
    told.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
    Ok((ours, Running(keep)))
}

fn spawn(order: &Order, socket: Pair, errors: Pair) -> io::Result<Child> {
    let input = Stdio::from(OwnedFd::from(socket.try_clone()?));
    let mut command = Command::new(&order.file);
    command.arg0(order.file.file_name().unwrap_or(order.file.as_os_str())).args(&order.arguments);
    command.env_clear().envs(order.environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(order.file.parent().unwrap_or(Path::new("/")));
    command.stdin(input).stdout(OwnedFd::from(socket)).stderr(OwnedFd::from(errors)).spawn()
}

/// A process that is never left alone.
struct Process(Child);

impl Process {
    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    #[expect(unsafe_code, reason = "the standard library can only kill")]
    fn ask_to_end(&mut self) {
        if !self.has_ended() {
            // SAFETY: the child was not waited for, so that the number is still its own.
            unsafe {
                libc::kill(self.0.id().cast_signed(), libc::SIGTERM);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.0.kill();
        }
    }
}

/// Waits for a process, hears what it says, and ends it when nobody wants its answer any more.
async fn look_after(
    mut process: Process,
    mut errors: UnixStream,
    kept: oneshot::Receiver<()>,
    hear: impl Fn(&[u8]),
) {
    tokio::pin!(kept);
    let mut lines = Lines::default();
    let (mut wanted, mut says) = (true, true);
    let mut deadline = None::<Instant>;
    let mut pause = Duration::from_millis(2);
    let mut bytes = [0; 2048];
    while !process.has_ended() {
        tokio::select! {
            read = errors.read(&mut bytes), if says => match read {
                Ok(length) if length > 0 => lines.take(&bytes[..length], &hear),
                _ => says = false,
            },
            _ = &mut kept, if wanted => {
                wanted = false;
                process.ask_to_end();
                deadline = Some(Instant::now() + PATIENCE);
                pause = Duration::from_millis(2);
            }
            () = sleep_until(Instant::now() + pause) => pause = (pause * 2).min(Duration::from_secs(1)),
        }
        if deadline.is_some_and(|at| at <= Instant::now()) {
            let _ = process.0.kill();
        }
    }
    // What it said at last is there already; others may still hold the socket.
    while let Ok(length) = errors.try_read(&mut bytes) {
        if length == 0 {
            break;
        }
        lines.take(&bytes[..length], &hear);
    }
    lines.end(&hear);
}

/// Puts lines together.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, bytes: &[u8], hear: &impl Fn(&[u8])) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(part);
            if part.ends_with(b"\n") || self.0.len() >= LINE {
                self.end(hear);
            }
        }
    }

    fn end(&mut self, hear: &impl Fn(&[u8])) {
        let line = self.0.trim_ascii_end();
        if !line.is_empty() {
            hear(line);
        }
        self.0.clear();
    }
}

/// A connection on which a file comes, and its length; nothing is read before somebody takes it.
pub async fn read(file: PathBuf) -> io::Result<(UnixStream, u64)> {
    let open = move || -> io::Result<(std::fs::File, u64)> {
        let file = std::fs::File::open(file)?;
        let known = file.metadata()?;
        if known.is_file() { Ok((file, known.len())) } else { Err(io::ErrorKind::IsADirectory.into()) }
    };
    let opened = tokio::task::spawn_blocking(open).await;
    let (mut file, length) = opened.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
    let (ours, mut theirs) = UnixStream::pair()?;
    tokio::task::spawn_local(async move {
        let mut bytes = vec![0; PIECE];
        loop {
            let piece = tokio::task::spawn_blocking(move || {
                let read = io::Read::read(&mut file, &mut bytes);
                (file, bytes, read)
            });
            let Ok((back, filled, Ok(length))) = piece.await else { return };
            (file, bytes) = (back, filled);
            if length == 0 || theirs.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    });
    Ok((ours, length))
}
