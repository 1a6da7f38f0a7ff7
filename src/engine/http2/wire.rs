//! What lies below HTTP/2's frames: the connection's bytes, gathered before they are written.
//!
//! The library writes each frame of content with a system call of its own.
//! Here they are gathered instead, and leave in one piece when the connection
//! has nothing more to do: what several streams answered in one turn of the
//! event loop is one write.
//!
//! What comes in is counted by frames as it passes, because the library does
//! not: a peer may not keep us busy with frames that carry nothing (RFC 9113
//! § 10.5).

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::{clock, stream::Stream};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 64 * 1024;

/// Frames without content or fields that any peer may send.
const IDLE_FRAMES: u64 = 5000;

/// How many bytes of use allow another such frame.
const USE: u64 = 256;

/// And how many of them a second allows.
const PER_SECOND: u64 = 10;

/// The head of a frame (RFC 9113 § 4.1).
const HEAD: usize = 9;

/// A connection's bytes, shared by the library that moves them and the task that flushes them.
#[derive(Clone, Debug)]
pub(super) struct Below(Rc<RefCell<Wire>>);

#[derive(Debug)]
struct Wire {
    stream: Stream,
    out: Vec<u8>,
    at: usize,
    frames: Frames,
}

/// Counts the frames that come in.
#[derive(Debug)]
struct Frames {
    head: [u8; HEAD],
    filled: usize,
    /// What is left of the frame under way.
    left: usize,
    idle: u64,
    useful: u64,
    began: Instant,
}

impl Below {
    /// A connection on which nothing was read yet.
    pub(super) fn new(stream: Stream) -> Self {
        let frames =
            Frames { head: [0; HEAD], filled: 0, left: 0, idle: 0, useful: 0, began: clock::moment() };
        Self(Rc::new(RefCell::new(Wire { stream, out: Vec::new(), at: 0, frames })))
    }

    /// Writes what was gathered.
    pub(super) fn poll_write_out(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        match wire.poll_drain(cx) {
            Poll::Ready(Ok(())) => wire.stream.poll_flush(cx),
            other => other,
        }
    }

    /// Whether the peer sends frames that carry nothing, and little else.
    pub(super) fn is_flooded(&self, sent: &Cell<u64>) -> bool {
        let frames = &self.0.borrow().frames;
        if frames.idle <= IDLE_FRAMES {
            return false;
        }
        let useful = frames.useful.saturating_add(sent.get()) / USE;
        let time = clock::since(frames.began).as_secs().saturating_mul(PER_SECOND);
        frames.idle > IDLE_FRAMES.saturating_add(useful).saturating_add(time)
    }
}

impl Wire {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.at < self.out.len() {
            match self.stream.poll_write(cx, &self.out[self.at..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(length)) => self.at += length,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.at = 0;
        if self.out.len() > GATHERED / 4 {
            self.out = Vec::new();
        }
        self.out.clear();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Below {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self.0.borrow_mut();
        // The library's room is large, and not written to before.
        match wire.stream.poll_fill(cx, into) {
            Poll::Ready(Ok(length)) => {
                let filled = into.filled();
                wire.frames.count(&filled[filled.len() - length..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Below {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = &mut *self.0.borrow_mut();
        if wire.out.len() >= GATHERED {
            match wire.poll_drain(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let mut taken = 0;
        for piece in data {
            let room = GATHERED.saturating_sub(wire.out.len()).min(piece.len());
            wire.out.extend_from_slice(&piece[..room]);
            taken += room;
            if room < piece.len() {
                break;
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: see [`Below::poll_write_out`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        match wire.poll_drain(cx) {
            Poll::Ready(Ok(())) => wire.stream.poll_shutdown(cx),
            other => other,
        }
    }
}

impl Frames {
    fn count(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.left > 0 {
                let length = self.left.min(data.len());
                self.left -= length;
                data = &data[length..];
                continue;
            }
            let length = (HEAD - self.filled).min(data.len());
            self.head[self.filled..self.filled + length].copy_from_slice(&data[..length]);
            self.filled += length;
            data = &data[length..];
            if self.filled == HEAD {
                self.filled = 0;
                self.left = usize::from(self.head[0]) << 16
                    | usize::from(self.head[1]) << 8
                    | usize::from(self.head[2]);
                // DATA and HEADERS are what a connection is for, if there is anything in them.
                if matches!(self.head[3], 0 | 1) && self.left > 0 {
                    self.useful += self.left as u64;
                } else {
                    self.idle += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let mut bytes = Vec::new();
        for (length, kind) in [(5u8, 0u8), (0, 4), (8, 6), (3, 1), (0, 0)] {
            bytes.extend_from_slice(&[0, 0, length, kind, 0, 0, 0, 0, 1]);
            bytes.extend(vec![b'x'; usize::from(length)]);
        }
        for step in 1..bytes.len() {
            let mut frames =
                Frames { head: [0; HEAD], filled: 0, left: 0, idle: 0, useful: 0, began: clock::moment() };
            for piece in bytes.chunks(step) {
                frames.count(piece);
            }
            assert_eq!((frames.idle, frames.useful), (3, 8), "{step}");
        }
    }
}
