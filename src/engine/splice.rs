//! Bytes from one socket to another that never enter this process: through a pipe of the kernel's (splice(2)).
//!
//! It pays where much comes at once: moving pages costs less than copying them, while a small message pays for
//! two more system calls. A worker keeps the pipes that are empty.

use std::{
    cell::{Cell, RefCell},
    io::{self, PipeReader, PipeWriter, Read as _},
    os::fd::{AsRawFd as _, RawFd},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use tokio::io::Interest;

use super::stream::Socket;

/// What a pipe may hold, bytes; the kernel gives it a place for each page.
pub const ROOM: usize = 256 << 10;

/// How many empty pipes a worker keeps.
const KEPT: usize = 16;

/// How many pipes a worker has at most, the others copy: each is two descriptors, and peers that take nothing could
/// hold as many as there are connections.
const MOST: usize = 64;

/// From so many bytes at a time on a read counts as much.
pub const MUCH: usize = 32 << 10;

/// So many reads that bring much, one after the other, make the next ones go by a pipe.
const BULK: u8 = 2;

/// How many of the last reads brought much.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow(u8);

impl Flow {
    /// Takes note of how much a read brought. Little now and then does not end it.
    pub fn note(&mut self, length: usize) {
        self.0 = if length >= MUCH { BULK.min(self.0 + 1) } else { self.0.saturating_sub(1) };
    }

    /// Whether the next read goes by a pipe; sooner where it is known that much follows.
    pub fn is_bulk(self, known: bool) -> bool {
        self.0 >= if known { 1 } else { BULK }
    }
}

/// Whether the system said that it cannot.
static CANNOT: AtomicBool = AtomicBool::new(false);

thread_local! {
    static OPEN: Cell<usize> = const { Cell::new(0) };
    static POOL: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how much is in it.
#[derive(Debug)]
pub struct Pipe {
    out: PipeReader,
    into: PipeWriter,
    held: usize,
}

impl Pipe {
    /// An empty pipe, from the pool where there is one; none where there are enough, or the system gives none.
    pub fn take() -> Option<Self> {
        if CANNOT.load(Relaxed) {
            return None;
        }
        POOL.with_borrow_mut(Vec::pop).or_else(|| (OPEN.get() < MOST).then(open)?.ok())
    }

    /// Gives it back; one that is not empty is closed.
    pub fn give(self) {
        if self.held == 0 {
            POOL.with_borrow_mut(|pool| {
                if pool.len() < KEPT {
                    pool.push(self);
                }
            });
        }
    }

    /// Bytes in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Fills the empty pipe from a socket with no more than `most` bytes; 0 is the end of the stream, and `None` that
    /// this system cannot do it.
    pub fn poll_fill(
        &mut self,
        from: &Socket,
        most: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<usize>>> {
        let (into, most) = (self.into.as_raw_fd(), most.min(ROOM));
        match ready!(poll_io(from, Interest::READABLE, cx, |socket| splice(socket, into, most))) {
            Ok(moved) => {
                self.held += moved;
                Poll::Ready(Ok(Some(moved)))
            }
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                CANNOT.store(true, Relaxed);
                Poll::Ready(Ok(None))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Empties it into a socket, as far as that takes it.
    pub fn poll_drain(&mut self, to: &Socket, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (out, held) = (self.out.as_raw_fd(), self.held);
        let moved = ready!(poll_io(to, Interest::WRITABLE, cx, |socket| splice(out, socket, held)))?;
        self.held -= moved.min(held);
        Poll::Ready(Ok(moved))
    }

    /// What is in it.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.held);
        let read = (&self.out).take(self.held as u64).read_to_end(&mut bytes)?;
        self.held -= read;
        Ok(bytes)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        OPEN.set(OPEN.get() - 1);
    }
}

/// Does something with a socket once it is ready for it.
fn poll_io(
    socket: &Socket,
    interest: Interest,
    cx: &mut Context<'_>,
    mut act: impl FnMut(RawFd) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    let reads = interest.is_readable();
    loop {
        let done = match socket {
            Socket::Tcp(stream) => {
                ready!(if reads { stream.poll_read_ready(cx) } else { stream.poll_write_ready(cx) })?;
                stream.try_io(interest, || act(stream.as_raw_fd()))
            }
            Socket::Unix(stream) => {
                ready!(if reads { stream.poll_read_ready(cx) } else { stream.poll_write_ready(cx) })?;
                stream.try_io(interest, || act(stream.as_raw_fd()))
            }
            Socket::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

#[expect(unsafe_code, reason = "no safe interface to splice exists in the libraries used")]
fn splice(from: RawFd, to: RawFd, most: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    // SAFETY: both descriptors are open for the time of the call; no offsets are given.
    let moved = unsafe { libc::splice(from, std::ptr::null_mut(), to, std::ptr::null_mut(), most, flags) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

#[expect(unsafe_code, reason = "the standard library cannot say how much a pipe holds")]
fn open() -> io::Result<Pipe> {
    let (out, into) = io::pipe()?;
    // SAFETY: the descriptor is open. A pipe that cannot grow does at its usual size.
    unsafe { libc::fcntl(into.as_raw_fd(), libc::F_SETPIPE_SZ, ROOM as libc::c_int) };
    OPEN.set(OPEN.get() + 1);
    Ok(Pipe { out, into, held: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_no_more_than_it_may() {
        let mut some: Vec<_> = std::iter::from_fn(Pipe::take).collect();
        assert_eq!(some.len(), MOST);
        some.drain(..).for_each(Pipe::give);
        assert_eq!((POOL.with_borrow(Vec::len), OPEN.get()), (KEPT, KEPT));
        assert!(Pipe::take().is_some());
    }
}
