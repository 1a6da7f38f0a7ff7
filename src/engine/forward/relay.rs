//! Content on its way from an upstream to the client.
//!
//! While the client keeps up, bytes go from the worker's read buffer straight
//! to the client's socket. What it does not take waits in memory up to a cap;
//! beyond that in a temporary file where settings allow one, so that a slow
//! client does not hold the upstream; else the upstream waits.

use std::{
    fs::File,
    future::{Future as _, poll_fn},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::super::{
    clock,
    content::{failed, temporary},
    deposit::Deposit,
    filter::{Broken, Chain},
    gateway::records::Fault,
    respond::Limit,
    response::Framing,
    scratch,
    splice::{Flow, Pipe},
    stream::Stream,
};
use super::upload::{Halt, Stalled, Upload};
use crate::ir::settings::Level;

mod from;
mod pipe;

pub use from::From;

/// How long filters may hold content back while the upstream is silent.
const HELD: Duration = Duration::from_millis(100);

/// How it ended.
#[derive(Debug)]
pub enum Ending {
    /// Whole; the upstream's connection is as before.
    Whole,
    /// The upstream closed this before the end.
    Truncated(&'static str),
    /// What it sent is in no record that a response has.
    Refused(Fault),
    /// The upstream's framing was wrong.
    Invalid,
    /// Reading from the upstream failed.
    UpstreamFailed(std::io::Error),
    /// The upstream was silent for too long.
    UpstreamTimedOut,
    /// The client left, or could not be written to.
    ClientGone(Option<std::io::Error>),
    /// The client took nothing for too long.
    ClientTimedOut,
    /// What the client still sent of its content was no good.
    Halted(Halt),
    /// The content is not what its head says.
    Broken(Broken),
}

/// What bounds a relay.
#[derive(Debug)]
pub struct Bounds<'a> {
    /// Bytes that may wait in memory.
    pub memory: usize,
    /// Bytes that may wait in a temporary file; 0 is no file.
    pub file: u64,
    /// Where that is made.
    pub folder: &'a Path,
    /// Between two reads from the upstream.
    pub read_timeout: Duration,
    /// Between two writes to the client.
    pub send_timeout: Duration,
    /// Bandwidth of the client.
    pub limit: Limit,
    /// Bandwidth of the upstream, bytes per second; 0 is no limit.
    pub read_rate: u64,
    /// Whether to go on when the client left.
    pub ignore_abort: bool,
    /// Whether what came is sent at once, whatever it takes.
    pub at_once: bool,
}

/// Is told what is said beside the content.
pub type Hear<'a> = &'a dyn Fn(&[u8]);

/// Content on its way.
pub struct Relay<'a> {
    /// The client.
    pub client: &'a mut Stream,
    /// The upstream.
    pub upstream: &'a mut Stream,
    /// What the client sends meanwhile.
    pub early: &'a mut Vec<u8>,
    /// How its content ends.
    pub from: From,
    /// How the client is told.
    pub to: Framing,
    /// Limits.
    pub bounds: Bounds<'a>,
    /// Bytes sent to the client before this relay.
    pub sent_before: u64,
    /// Bytes sent to the client by it.
    pub sent: u64,
    /// Bytes received from the upstream by it.
    pub received: u64,
    /// Content among them.
    pub content: u64,
    /// Bytes to leave out at the beginning, and to send after that (a range of the content).
    pub window: Option<(u64, u64)>,
    /// The upstream's trailers as received, at the end.
    pub received_trailers: Vec<u8>,
    /// The temporary file that was needed, for the log.
    pub spilled: Option<PathBuf>,
    /// Is told what a gateway's program says on its standard error.
    pub hear: Option<Hear<'a>>,
    /// What was wrong with the content although all of it came.
    pub complaint: Option<(Level, &'static str)>,
    /// What is still being sent of the request's content.
    pub upload: Option<&'a mut Upload>,
    /// What the content passes through.
    pub filters: Option<Box<Chain>>,
    /// Whether more content follows when this has ended: neither the client nor what changes it is told of the end.
    pub more: bool,
    /// Whether chunks are ended by who runs this, with trailers.
    pub open: bool,
    /// Whether the client left, and the rest went nowhere.
    pub gone: bool,
    /// The files that become of it, too: where it is kept, where it is copied to.
    pub deposits: [Option<&'a mut Deposit>; 2],
    /// What was read together with the head and is more than the filters take in one step: who sent it little may
    /// mean it to become much.
    backlog: Vec<u8>,
    pending: Vec<u8>,
    at: usize,
    /// Empty whenever nothing is being moved.
    pipe: Option<Pipe>,
    flow: Flow,
    spill: Option<Spill>,
    /// What comes behind the temporary file and could not be written to it.
    behind: Vec<u8>,
    /// Why there is no (more of a) temporary file.
    pub unfiled: Option<String>,
    ended: bool,
    /// Whether the upstream sent more than its framing said: its connection is not used again.
    pub overrun: bool,
    began: Instant,
    last_read: Instant,
    last_write: Instant,
}

#[derive(Debug)]
struct Spill {
    file: File,
    path: PathBuf,
    written: u64,
    read: u64,
}

impl Drop for Spill {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl<'a> Relay<'a> {
    /// A relay that begins by sending `head`.
    pub fn new(
        client: &'a mut Stream,
        upstream: &'a mut Stream,
        early: &'a mut Vec<u8>,
        from: From,
        to: Framing,
        bounds: Bounds<'a>,
        head: Vec<u8>,
    ) -> Self {
        let now = Instant::from(clock::moment());
        Self {
            client,
            upstream,
            early,
            from,
            to,
            bounds,
            sent_before: 0,
            sent: 0,
            received: 0,
            content: 0,
            window: None,
            received_trailers: Vec::new(),
            spilled: None,
            hear: None,
            complaint: None,
            upload: None,
            filters: None,
            more: false,
            open: false,
            gone: false,
            deposits: [None, None],
            backlog: Vec::new(),
            pending: head,
            at: 0,
            pipe: None,
            flow: Flow::default(),
            spill: None,
            behind: Vec::new(),
            unfiled: None,
            ended: false,
            overrun: false,
            began: now,
            last_read: now,
            last_write: now,
        }
    }

    /// Takes content that was read together with the head.
    pub fn feed(&mut self, data: &[u8]) -> Result<(), Ending> {
        let step = self.step().min(data.len());
        let used = if matches!(self.from, From::Packed(_)) {
            // It was taken out of its records with the head.
            self.take_unpacked(data)?
        } else {
            self.backlog.extend_from_slice(&data[step..]);
            self.take(&data[..step], None)? + self.backlog.len()
        };
        self.overrun |= used < data.len() || (self.ended && !self.backlog.is_empty());
        Ok(())
    }

    /// How much content is taken at once.
    fn step(&self) -> usize {
        self.filters.as_ref().map_or(usize::MAX, |filters| filters.step())
    }

    /// Takes some of what was read together with the head.
    fn take_backlog(&mut self, cx: &mut Context<'_>) -> Result<(), Ending> {
        let length = self.step().min(self.backlog.len());
        let piece: Vec<u8> = self.backlog.drain(..length).collect();
        let used = self.take(&piece, Some(cx))?;
        self.overrun |= used < length || (self.ended && !self.backlog.is_empty());
        Ok(())
    }

    /// Moves everything.
    pub async fn run(&mut self) -> Ending {
        let mut sleep = pin!(sleep_until(Instant::from(clock::moment()) + Duration::from_hours(1)));
        if matches!(self.from, From::None | From::Length(0))
            && let Err(ending) = self.end()
        {
            return ending;
        }
        let ending = poll_fn(|cx| {
            loop {
                if let Poll::Ready(ending) = self.poll(cx) {
                    return Poll::Ready(ending);
                }
                let now = Instant::from(clock::moment());
                match self.deadline(now) {
                    Deadline::Passed(ending) => return Poll::Ready(ending),
                    Deadline::At(at) => {
                        if sleep.deadline() > at || sleep.is_elapsed() {
                            sleep.as_mut().reset(at);
                        }
                    }
                    Deadline::Never => return Poll::Pending,
                }
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
        scratch::give(std::mem::take(&mut self.pending));
        if let Some(pipe) = self.pipe.take() {
            pipe.give();
        }
        ending
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            let mut progress = false;
            if let Some(upload) = &mut self.upload {
                match upload.poll(self.client, self.early, self.upstream, cx) {
                    Ok(moved) => progress |= moved,
                    Err(halt) => return Poll::Ready(Ending::Halted(halt)),
                }
            }
            match self.poll_client(cx) {
                Ok(moved) => progress |= moved,
                Err(error) => {
                    if !self.bounds.ignore_abort {
                        return Poll::Ready(Ending::ClientGone(Some(error)));
                    }
                    self.gone = true;
                    self.pending.clear();
                    self.at = 0;
                    self.spill = None;
                    self.behind.clear();
                }
            }
            if self.ended && self.waiting() == 0 && self.spill.is_none() {
                return match self.client.poll_flush(cx) {
                    Poll::Ready(Ok(())) => Poll::Ready(Ending::Whole),
                    Poll::Ready(Err(error)) => Poll::Ready(Ending::ClientGone(Some(error))),
                    Poll::Pending => Poll::Pending,
                };
            }
            if !self.ended && self.may_read() && self.has_room(cx) {
                match self.poll_upstream(cx) {
                    Ok(moved) => progress |= moved,
                    Err(ending) => return self.drain_then(ending, cx),
                }
            }
            if !progress && self.let_out() {
                continue;
            }
            if !progress {
                let uploads = self.upload.as_ref().is_some_and(|upload| upload.reads_client());
                if !self.ended && !self.bounds.ignore_abort && !uploads {
                    let gone = scratch::with(|bytes| client_left(self.client, self.early, cx, bytes));
                    if gone {
                        return Poll::Ready(Ending::ClientGone(None));
                    }
                }
                return Poll::Pending;
            }
        }
    }

    /// Sends what there is at once, and no more.
    pub async fn give_up(&mut self, ending: Ending) -> Ending {
        let unfiltered = self.filters.as_ref().is_none_or(|filters| filters.sizes.1 == 0);
        if unfiltered && !matches!(self.from, From::Packed(_)) {
            return ending;
        }
        let mut ending = Some(ending);
        poll_fn(|cx| match ending.take() {
            Some(ending) => self.drain_then(ending, cx),
            None => Poll::Pending,
        })
        .await
    }

    /// What was received before the upstream failed still goes to the client.
    fn drain_then(&mut self, ending: Ending, cx: &mut Context<'_>) -> Poll<Ending> {
        while self.waiting() > 0 {
            match self.client.poll_write(cx, &self.pending[self.at..]) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    self.at += length;
                    self.sent += length as u64;
                }
                _ => break,
            }
        }
        Poll::Ready(ending)
    }

    /// Sends what filters hold back when nothing came for a while; whether there was any.
    fn let_out(&mut self) -> bool {
        let due = self.flush_at().is_some_and(|at| at <= Instant::now());
        let Some(filters) = self.filters.as_mut().filter(|_| due) else { return false };
        let mut out = scratch::take();
        // What is broken shows again when more is pushed.
        let _ = filters.flush(&mut out);
        let some = !out.is_empty();
        self.frame(&out);
        scratch::give(out);
        some
    }

    /// When what filters hold back is sent.
    fn flush_at(&self) -> Option<Instant> {
        let held = !self.ended && self.filters.as_ref().is_some_and(|filters| filters.dirty);
        let wait = if self.bounds.at_once { Duration::ZERO } else { HELD };
        held.then(|| self.last_read + wait)
    }

    fn waiting(&self) -> usize {
        self.pending.len() - self.at
    }

    fn may_read(&self) -> bool {
        if self.bounds.read_rate > 0
            && self.received
                >= (clock::since(self.began.into()).as_secs() + 1).saturating_mul(self.bounds.read_rate)
        {
            return false;
        }
        match &self.spill {
            Some(spill) => spill.written < self.bounds.file,
            None => self.waiting() < self.bounds.memory || self.bounds.file > 0,
        }
    }

    /// Whether the files that become of the content take more of it.
    fn has_room(&mut self, cx: &mut Context<'_>) -> bool {
        let mut room = true;
        for deposit in self.deposits.iter().flatten() {
            room &= deposit.poll_room(cx).is_ready();
        }
        if !room {
            // Not the upstream's silence.
            self.last_read = Instant::from(clock::moment());
        }
        room
    }

    /// How much the client's bandwidth allows now.
    fn allowed(&self) -> usize {
        let Limit { rate, after } = self.bounds.limit;
        if rate == 0 {
            return usize::MAX;
        }
        let budget =
            (clock::since(self.began.into()).as_secs() + 1).saturating_mul(rate).saturating_add(after);
        usize::try_from(budget.saturating_sub(self.sent_before + self.sent)).unwrap_or(usize::MAX)
    }

    fn poll_client(&mut self, cx: &mut Context<'_>) -> std::io::Result<bool> {
        let mut progress = false;
        loop {
            while self.waiting() > 0 {
                let end = self.at + self.waiting().min(self.allowed());
                if end == self.at {
                    return Ok(progress);
                }
                match self.client.poll_write(cx, &self.pending[self.at..end]) {
                    Poll::Ready(length) => {
                        let length = length?;
                        if length == 0 {
                            return Err(std::io::ErrorKind::WriteZero.into());
                        }
                        self.at += length;
                        self.sent += length as u64;
                        self.last_write = Instant::from(clock::moment());
                        progress = true;
                    }
                    Poll::Pending => return Ok(progress),
                }
            }
            self.pending.clear();
            self.at = 0;
            let Some(spill) = &mut self.spill else { return Ok(progress) };
            if spill.read == spill.written {
                self.spill = None;
                std::mem::swap(&mut self.pending, &mut self.behind);
                continue;
            }
            let pending = &mut self.pending;
            scratch::with(|bytes| {
                let length = spill.file.read_at(bytes, spill.read)?;
                pending.extend_from_slice(&bytes[..length]);
                spill.read += length as u64;
                if length == 0 {
                    Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
                } else {
                    Ok(())
                }
            })?;
        }
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Result<bool, Ending> {
        if !self.backlog.is_empty() {
            return self.take_backlog(cx).map(|()| true);
        }
        if let Some(moved) = self.poll_pipe(cx)? {
            return Ok(moved);
        }
        scratch::with(|bytes| {
            let room = if self.bounds.file > 0 || self.waiting() == 0 {
                bytes.len()
            } else {
                self.bounds.memory - self.waiting().min(self.bounds.memory - 1)
            };
            let max = match &self.from {
                From::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            let max = max.min(room).min(bytes.len()).min(self.step());
            match self.upstream.poll_read(cx, &mut bytes[..max]) {
                Poll::Pending => Ok(false),
                Poll::Ready(Err(error)) => Err(Ending::UpstreamFailed(error)),
                Poll::Ready(Ok(0)) => match self.from {
                    From::Close => {
                        self.end()?;
                        Ok(true)
                    }
                    From::Stream => {
                        if let Stream::Call(call) = &mut *self.upstream {
                            self.received_trailers = call.take_trailers();
                        }
                        self.end()?;
                        Ok(true)
                    }
                    From::Packed(ref packed) if packed.may_close() => {
                        self.end()?;
                        Ok(true)
                    }
                    _ => Err(Ending::Truncated("connection")),
                },
                Poll::Ready(Ok(length)) => {
                    self.last_read = Instant::from(clock::moment());
                    self.received += length as u64;
                    self.flow.note(length);
                    self.take(&bytes[..length], Some(cx))?;
                    Ok(true)
                }
            }
        })
    }

    fn end(&mut self) -> Result<(), Ending> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        if let Some(filters) = self.filters.as_mut().filter(|_| !self.more) {
            let mut out = scratch::take();
            let done = filters.finish(&mut out);
            self.frame(&out);
            scratch::give(out);
            done.map_err(Ending::Broken)?;
        }
        // However long the client takes for the rest.
        for deposit in self.deposits.iter_mut().flatten() {
            deposit.seal();
        }
        if let From::Chunked(decoder) = &mut self.from {
            self.received_trailers = std::mem::take(&mut decoder.trailers);
        }
        if self.to == Framing::Chunked && !self.more && !self.open {
            self.keep_for_later(b"0\r\n\r\n");
        }
        Ok(())
    }

    fn send(&mut self, data: &[u8], cx: Option<&mut Context<'_>>) -> Result<(), Ending> {
        self.content += data.len() as u64;
        for deposit in self.deposits.iter_mut().flatten() {
            deposit.push(data);
        }
        let data = self.within_window(data);
        if data.is_empty() {
            return Ok(());
        }
        if let Some(filters) = &mut self.filters {
            let mut out = scratch::take();
            let pushed = filters.push(data, &mut out);
            self.frame(&out);
            scratch::give(out);
            return pushed.map_err(Ending::Broken);
        }
        if self.to == Framing::Chunked {
            self.frame(data);
            return Ok(());
        }
        let mut at = 0;
        if let Some(cx) = cx
            && self.waiting() == 0
            && self.spill.is_none()
        {
            while at < data.len() {
                let end = at + (data.len() - at).min(self.allowed());
                if end == at {
                    break;
                }
                match self.client.poll_write(cx, &data[at..end]) {
                    Poll::Ready(Ok(length)) if length > 0 => {
                        at += length;
                        self.sent += length as u64;
                        self.last_write = Instant::from(clock::moment());
                    }
                    Poll::Ready(Err(error)) => {
                        if !self.bounds.ignore_abort {
                            return Err(Ending::ClientGone(Some(error)));
                        }
                        self.gone = true;
                        return Ok(());
                    }
                    Poll::Ready(Ok(_)) | Poll::Pending => break,
                }
            }
        }
        self.keep_for_later(&data[at..]);
        Ok(())
    }

    /// Keeps content for the client as it is framed.
    fn frame(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if self.to == Framing::Chunked {
            let head = format!("{:x}\r\n", data.len());
            self.keep_for_later(head.as_bytes());
            self.keep_for_later(data);
            self.keep_for_later(b"\r\n");
        } else {
            self.keep_for_later(data);
        }
    }

    fn within_window<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let Some((skip, length)) = &mut self.window else { return data };
        let skipped = usize::try_from(*skip).unwrap_or(usize::MAX).min(data.len());
        *skip -= skipped as u64;
        let kept = usize::try_from(*length).unwrap_or(usize::MAX).min(data.len() - skipped);
        *length -= kept as u64;
        &data[skipped..skipped + kept]
    }

    /// Keeps bytes in memory, or beyond the cap in a file.
    fn keep_for_later(&mut self, data: &[u8]) {
        if self.spill.is_none()
            && (self.waiting() + data.len() <= self.bounds.memory || self.bounds.file == 0)
        {
            self.pending.extend_from_slice(data);
            return;
        }
        if self.bounds.file > 0 {
            match self.keep_in_file(data) {
                Ok(()) => return,
                Err(message) => {
                    // Memory bounds hold from here on, and the upstream waits.
                    self.bounds.file = 0;
                    self.unfiled = Some(message);
                }
            }
        }
        let memory = if self.spill.is_some() { &mut self.behind } else { &mut self.pending };
        memory.extend_from_slice(data);
    }

    fn keep_in_file(&mut self, data: &[u8]) -> Result<(), String> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => {
                let (file, path) = temporary(self.bounds.folder)?;
                self.spilled = Some(path.clone());
                none.insert(Spill { file, path, written: 0, read: 0 })
            }
        };
        // At its place: what was written of a piece that had no room does not count.
        let written = spill.file.write_all_at(data, spill.written);
        written.map_err(|error| failed("pwrite", &spill.path, &error))?;
        spill.written += data.len() as u64;
        Ok(())
    }

    fn deadline(&self, now: Instant) -> Deadline {
        let own = self.own_deadline(now);
        let Some((at, whose)) = self.upload.as_ref().and_then(|upload| upload.deadline()) else { return own };
        match own {
            Deadline::At(own) if own <= at => Deadline::At(own),
            Deadline::Passed(ending) => Deadline::Passed(ending),
            _ if at > now => Deadline::At(at),
            _ if whose == Stalled::Client => Deadline::Passed(Ending::ClientTimedOut),
            _ => Deadline::Passed(Ending::UpstreamTimedOut),
        }
    }

    fn own_deadline(&self, now: Instant) -> Deadline {
        let limit = |since: Instant, timeout: Duration| (!timeout.is_zero()).then(|| since + timeout);
        if self.waiting() > 0 || self.spill.is_some() {
            if self.allowed() == 0 {
                return Deadline::At(now + Duration::from_millis(100));
            }
            return match limit(self.last_write, self.bounds.send_timeout) {
                Some(at) if at <= now => Deadline::Passed(Ending::ClientTimedOut),
                Some(at) => Deadline::At(at),
                None => Deadline::Never,
            };
        }
        if !self.may_read() {
            return Deadline::At(now + Duration::from_millis(100));
        }
        let flush = self.flush_at();
        match (limit(self.last_read.max(self.last_write), self.bounds.read_timeout), flush) {
            (Some(at), _) if at <= now => Deadline::Passed(Ending::UpstreamTimedOut),
            (Some(at), Some(flush)) => Deadline::At(at.min(flush)),
            (Some(at), None) | (None, Some(at)) => Deadline::At(at),
            (None, None) => Deadline::Never,
        }
    }
}

enum Deadline {
    Passed(Ending),
    At(Instant),
    Never,
}

/// Whether the client closed. What it sends instead is kept, up to a bound, for the next request.
pub fn client_left(client: &mut Stream, early: &mut Vec<u8>, cx: &mut Context<'_>, bytes: &mut [u8]) -> bool {
    const EARLY: usize = 64 * 1024;
    while early.len() < EARLY {
        let max = bytes.len().min(EARLY - early.len());
        match client.poll_read(cx, &mut bytes[..max]) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0) | Err(_)) => return true,
            Poll::Ready(Ok(length)) => early.extend_from_slice(&bytes[..length]),
        }
    }
    false
}
