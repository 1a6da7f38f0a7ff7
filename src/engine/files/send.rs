//! A file on its way to the client.
//!
//! Small ones leave with the head in one write. Large ones go from the page
//! cache to a plain socket inside the kernel; what has to be read from disk is
//! read on another thread first, so that a worker never waits for a disk.

use std::{
    fs::File,
    io::{self, Write as _},
    ops::Range,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::fs::FileExt as _,
    },
    sync::Arc,
};

use tokio::{io::Interest, task::spawn_blocking};

use super::{
    super::{
        edit,
        exchange::{End, Exchange, Next},
        filter::{Broken, Chain},
        forward::system,
        response::Framing,
        scratch,
        stream::{Socket, Stream},
        timed::{Failure, within},
    },
    Piece,
};
use crate::{ir::settings::Level, plan::Plan};

/// Content up to this is sent with the head, and as much of what is longer.
const SMALL: u64 = 32 * 1024;

/// Read at once where the bytes pass through us.
const STEP: u64 = 64 * 1024;

/// Passed on at once where they do not.
const STRIDE: u64 = 512 * 1024;

/// Why sending ended early.
enum Trouble {
    /// The client's connection failed; that is in the log already.
    Client,
    /// The same, and it is not.
    Unsaid(Failure),
    /// The file ended before its size, or could not be read.
    File(io::Error),
    /// It is not what its head says.
    Broken(Broken),
}

/// Sends the head in the exchange's response, and these pieces; `total` is how long the content is where the head does
/// not say it.
pub(super) async fn send(
    exchange: &mut Exchange,
    plan: &Plan,
    name: &[u8],
    pieces: &[Piece],
    total: u64,
) -> Next {
    exchange.invite(plan).await;
    let mut out = scratch::take();
    let framing = exchange.head(plan, &mut out);
    // Who rehearses looks at the head alone.
    let bare = framing == Framing::None || matches!(exchange.stream, Stream::Plain(Socket::Memory(_)));
    let pieces = if bare { &[] } else { pieces };
    let filters = exchange.filters.take();
    let total = if filters.is_none() { total } else { 0 };
    let length = Some(exchange.facts.response.length.unwrap_or(total)).filter(|length| *length > 0);
    if let (Framing::Chunked, Some(length)) = (framing, length) {
        out.extend_from_slice(format!("{length:x}\r\n").as_bytes());
    }
    let mut done = match filters {
        Some(mut filters) => {
            let sent = send_changed(exchange, plan, pieces, &mut filters, framing, &mut out).await;
            exchange.facts.coded = Some(filters.sizes);
            sent
        }
        None => send_all(exchange, plan, pieces, &mut out).await,
    };
    if framing == Framing::Chunked && done.is_ok() {
        if length.is_some() {
            out.extend_from_slice(b"\r\n");
        }
        edit::last_chunk(exchange, plan, &[], &mut out);
        done = flush(exchange, plan, &mut out).await;
    }
    if framing == Framing::Frames && done.is_ok() {
        edit::end_frames(exchange, plan, &[]);
    }
    scratch::give(out);
    if complain(exchange, name, done) {
        exchange.facts.complete = true;
        return Next::End(if framing == Framing::Close { End::Close } else { End::Keep });
    }
    Next::End(End::Abort)
}

/// Sends behind what is in `out` a part of a response that is framed in this way and perhaps goes on; whether that
/// went well.
pub async fn send_part(
    exchange: &mut Exchange,
    plan: &Plan,
    piece: Option<Piece>,
    (framing, more): (Framing, bool),
    filters: &mut Option<Box<Chain>>,
    mut out: Vec<u8>,
) -> bool {
    let pieces = piece.as_slice();
    let done = if let Some(filters) = filters {
        send_through(exchange, plan, pieces, (filters, framing, more), &mut out).await
    } else {
        let length: u64 = pieces.iter().map(Piece::length).sum();
        let chunk = framing == Framing::Chunked && length > 0;
        if chunk {
            out.extend_from_slice(format!("{length:x}\r\n").as_bytes());
        }
        let sent = send_all(exchange, plan, pieces, &mut out).await;
        if chunk {
            out.extend_from_slice(b"\r\n");
        }
        sent
    };
    let done = match done {
        Ok(()) => {
            if framing == Framing::Chunked && !more {
                edit::last_chunk(exchange, plan, &[], &mut out);
            }
            flush(exchange, plan, &mut out).await
        }
        failed => failed,
    };
    if framing == Framing::Frames && !more && done.is_ok() {
        edit::end_frames(exchange, plan, &[]);
    }
    scratch::give(out);
    complain(exchange, b"a kept response", done)
}

/// Says what went wrong; whether nothing did.
fn complain(exchange: &Exchange, name: &[u8], done: Result<(), Trouble>) -> bool {
    match done {
        Ok(()) => return true,
        Err(Trouble::Client) => {}
        Err(Trouble::Unsaid(Failure::TimedOut)) => exchange.log(
            Level::Info,
            format_args!("client timed out (110: Connection timed out) while sending response to client"),
        ),
        Err(Trouble::Unsaid(Failure::Io(error))) => {
            let reason = system(&error);
            exchange.log(
                Level::Info,
                format_args!("sendfile() failed ({reason}) while sending response to client"),
            );
        }
        Err(Trouble::Broken(Broken(message))) => {
            exchange.log(Level::Error, format_args!("{message} while sending response to client"));
        }
        Err(Trouble::File(error)) => {
            let name = String::from_utf8_lossy(name);
            let reason = system(&error);
            exchange.log(
                Level::Crit,
                format_args!("read() \"{name}\" failed ({reason}) while sending response to client"),
            );
        }
    }
    false
}

async fn send_all(
    exchange: &mut Exchange,
    plan: &Plan,
    pieces: &[Piece],
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let mut room = SMALL;
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
            Piece::File(file, range) => {
                let first = range.start..range.end.min(range.start + room);
                room -= first.end - first.start;
                let rest = first.end..range.end;
                read(file, first, out).await.map_err(Trouble::File)?;
                if !rest.is_empty() {
                    flush(exchange, plan, out).await?;
                    send_range(exchange, plan, file, rest, out).await?;
                }
            }
        }
    }
    flush(exchange, plan, out).await
}

/// Sends what content becomes on its way.
async fn send_changed(
    exchange: &mut Exchange,
    plan: &Plan,
    pieces: &[Piece],
    filters: &mut Chain,
    framing: Framing,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    send_through(exchange, plan, pieces, (filters, framing, false), out).await
}

/// The same, and perhaps more is to follow.
async fn send_through(
    exchange: &mut Exchange,
    plan: &Plan,
    pieces: &[Piece],
    (filters, framing, more): (&mut Chain, Framing, bool),
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let (mut data, mut changed) = (scratch::take(), scratch::take());
    let step = filters.step() as u64;
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => filters.push(bytes, &mut changed).map_err(Trouble::Broken)?,
            Piece::File(file, range) => {
                let mut at = range.start;
                while at < range.end {
                    let end = range.end.min(at + step);
                    data.clear();
                    read(file, at..end, &mut data).await.map_err(Trouble::File)?;
                    at = end;
                    filters.push(&data, &mut changed).map_err(Trouble::Broken)?;
                    if changed.len() as u64 >= SMALL {
                        frame(framing, &changed, out);
                        changed.clear();
                        flush(exchange, plan, out).await?;
                    }
                }
            }
        }
    }
    if !more {
        filters.finish(&mut changed).map_err(Trouble::Broken)?;
    }
    frame(framing, &changed, out);
    scratch::give(data);
    scratch::give(changed);
    // The end of chunks leaves with them.
    if framing == Framing::Chunked { Ok(()) } else { flush(exchange, plan, out).await }
}

/// Appends content as it is framed.
fn frame(framing: Framing, data: &[u8], out: &mut Vec<u8>) {
    if framing == Framing::Chunked && !data.is_empty() {
        let _ = write!(out, "{:x}\r\n", data.len());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    } else {
        out.extend_from_slice(data);
    }
}

async fn flush(exchange: &mut Exchange, plan: &Plan, out: &mut Vec<u8>) -> Result<(), Trouble> {
    if out.is_empty() {
        return Ok(());
    }
    let sent = exchange.send(plan, out).await;
    out.clear();
    sent.map_err(|_| Trouble::Client)
}

/// Sends what is too much for one write.
async fn send_range(
    exchange: &mut Exchange,
    plan: &Plan,
    file: &Arc<File>,
    range: Range<u64>,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let mut at = range.start;
    let within_kernel = matches!(exchange.stream, Stream::Plain(_)) && exchange.limit_rate(plan).rate == 0;
    while at < range.end {
        if within_kernel {
            let end = range.end.min(at + STRIDE);
            warm(file, at..end).await.map_err(Trouble::File)?;
            let sent = pass(exchange, plan, file, at..end).await?;
            exchange.facts.sent += sent;
            at += sent;
            // A client on a fast network keeps the socket writable: others have a turn, too.
            tokio::task::yield_now().await;
        } else {
            let end = range.end.min(at + STEP);
            read(file, at..end, out).await.map_err(Trouble::File)?;
            flush(exchange, plan, out).await?;
            at = end;
        }
    }
    Ok(())
}

/// Passes bytes on inside the kernel, as many as the socket takes; at least one.
async fn pass(exchange: &mut Exchange, plan: &Plan, file: &File, range: Range<u64>) -> Result<u64, Trouble> {
    let from = file.as_raw_fd();
    let limit = exchange.send_timeout(plan);
    let sent = match &exchange.stream {
        Stream::Plain(Socket::Tcp(to)) => {
            let fd = to.as_raw_fd();
            within(limit, to.async_io(Interest::WRITABLE, || send_file(from, fd, &range))).await
        }
        Stream::Plain(Socket::Unix(to)) => {
            let fd = to.as_raw_fd();
            within(limit, to.async_io(Interest::WRITABLE, || send_file(from, fd, &range))).await
        }
        _ => Err(Failure::Io(io::ErrorKind::Unsupported.into())),
    };
    match sent.map_err(Trouble::Unsaid)? {
        0 => Err(Trouble::File(truncated())),
        sent => Ok(sent),
    }
}

#[expect(unsafe_code, reason = "no safe interface to sendfile exists in the libraries used")]
fn send_file(from: RawFd, to: RawFd, range: &Range<u64>) -> io::Result<u64> {
    let mut offset = range.start as libc::off_t;
    let count = (range.end - range.start) as usize;
    // SAFETY: both descriptors are open for the time of the call, and the offset is a live value.
    let sent = unsafe { libc::sendfile(to, from, &raw mut offset, count) };
    u64::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file was truncated")
}

/// Sees to it that a range is in the page cache; only its end is looked at, as reading ahead is done by the kernel.
async fn warm(file: &Arc<File>, range: Range<u64>) -> io::Result<()> {
    let mut byte = [0];
    if read_cached(file, &mut byte, range.end - 1).is_ok() {
        return Ok(());
    }
    let file = Arc::clone(file);
    let task = spawn_blocking(move || {
        let mut bytes = vec![0; STEP as usize];
        let mut at = range.start;
        while at < range.end {
            match file.read_at(&mut bytes, at)? {
                // Whoever sends finds out.
                0 => break,
                length => at += length as u64,
            }
        }
        Ok(())
    });
    task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Reads a range to the end of `out`, on another thread when it is not in the page cache.
pub async fn read(file: &Arc<File>, range: Range<u64>, out: &mut Vec<u8>) -> io::Result<()> {
    let mut at = range.start;
    let start = out.len();
    out.resize(start + (range.end - range.start) as usize, 0);
    while at < range.end {
        let place = start + (at - range.start) as usize;
        match read_cached(file, &mut out[place..], at) {
            Ok(0) => return Err(truncated()),
            Ok(length) => at += length as u64,
            Err(_) => {
                // Errors of the disk show up here again.
                let (file, count) = (Arc::clone(file), (range.end - at) as usize);
                let task = spawn_blocking(move || {
                    let mut bytes = vec![0; count];
                    file.read_exact_at(&mut bytes, at).map(|()| bytes)
                });
                let bytes = task.await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
                out[place..].copy_from_slice(&bytes);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads what is in the page cache; fails when that is nothing, or the file system cannot tell.
#[expect(unsafe_code, reason = "no safe interface to preadv2 exists in the libraries used")]
pub fn read_cached(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let piece = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: the descriptor is open, and the one piece is the whole of `into`, borrowed for the call.
    let length =
        unsafe { libc::preadv2(file.as_raw_fd(), &raw const piece, 1, at as libc::off_t, libc::RWF_NOWAIT) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &[u8]) -> Arc<File> {
        let path = std::env::temp_dir().join(format!("files-send-{name}-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        Arc::new(file)
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn ranges_are_read_whole() {
        let content: Vec<u8> = (0..200_000u32).map(|at| at as u8).collect();
        let file = file("whole", &content);
        let mut out = b"head".to_vec();
        block_on(read(&file, 10..150_000, &mut out)).unwrap();
        assert_eq!(&out[4..], &content[10..150_000]);
        block_on(warm(&file, 0..200_000)).unwrap();
    }

    #[test]
    fn a_file_that_shrank_is_noticed() {
        let file = file("short", b"0123456789");
        let error = block_on(read(&file, 5..20, &mut Vec::new())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
