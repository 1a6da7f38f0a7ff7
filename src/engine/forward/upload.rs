//! A request's content on its way to an upstream that may answer meanwhile.
//!
//! It comes from the client as it arrives, or from the file that it was kept
//! in. Whoever waits for the response or relays it moves this along, so that
//! neither side waits for the other (RFC 9112 § 9.5).

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::super::{
    clock,
    content::{Content, Refused},
    exchange::Exchange,
    gateway::fastcgi,
    http2, scratch,
    splice::{Flow, MUCH, Pipe, ROOM},
    stream::Stream,
};
use crate::{
    ir::{Protocol, settings::Level},
    plan::{ForwardingPlan, Plan},
};

/// Content that is being sent.
#[derive(Debug)]
pub struct Upload {
    source: Source,
    /// How it is sent.
    framing: Framing,
    /// The most there may be; 0 is no limit.
    max: u64,
    /// Length of the request's head, which stays in the client's buffer.
    head: usize,
    used: usize,
    pending: Vec<u8>,
    at: usize,
    /// What comes behind what is pending and did not enter this process (see [`crate::engine::splice`]).
    pipe: Option<Pipe>,
    flow: Flow,
    /// Nothing follows what is pending.
    ended: bool,
    over: bool,
    sent: u64,
    received: u64,
    last: Instant,
    client_timeout: Duration,
    send_timeout: Duration,
    /// All of it so far, where it is little and can be sent once more.
    replay: Option<Vec<u8>>,
    /// Whether trailers are passed on.
    trailers: bool,
    /// Whether the upstream is told that nothing more comes.
    closes: bool,
}

/// How much content is remembered.
const REPLAY: usize = 64 * 1024;

/// How content is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// As it is.
    Plain,
    /// In chunks (RFC 9112 § 7.1).
    Chunks,
    /// In records.
    Records,
}

#[derive(Debug)]
enum Source {
    Client(Content),
    File(File, u64),
    /// All of it is pending.
    Memory,
}

/// Who kept the other waiting for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stalled {
    /// The client sent nothing.
    Client,
    /// The upstream took nothing.
    Upstream,
}

/// Why an upload cannot go on.
#[derive(Debug)]
pub enum Halt {
    /// The client left.
    ClientGone,
    /// The content is not to be taken: a status.
    Refused(u16),
}

impl Upload {
    /// Moves what can be moved; whether anything was.
    pub fn poll(
        &mut self,
        client: &mut Stream,
        buffer: &mut Vec<u8>,
        upstream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Result<bool, Halt> {
        let mut progress = false;
        while !self.over {
            while self.at < self.pending.len() {
                match upstream.poll_write(cx, &self.pending[self.at..]) {
                    Poll::Ready(Ok(length)) if length > 0 => {
                        self.at += length;
                        self.sent += length as u64;
                        self.last = Instant::from(clock::moment());
                        progress = true;
                    }
                    // What it said before it stopped reading still counts.
                    Poll::Ready(_) => {
                        self.over = true;
                        return Ok(true);
                    }
                    Poll::Pending => return Ok(progress),
                }
            }
            self.pending.clear();
            self.at = 0;
            if let Some(moved) = self.poll_pipe(client, buffer, upstream, cx)? {
                if !moved {
                    return Ok(progress);
                }
                progress = true;
                continue;
            }
            if self.ended {
                if let Stream::Call(call) = upstream {
                    call.finish(self.take_trailers());
                }
                let done = if self.closes { upstream.poll_shutdown(cx) } else { upstream.poll_flush(cx) };
                match done {
                    Poll::Pending => return Ok(progress),
                    Poll::Ready(_) => self.over = true,
                }
                return Ok(true);
            }
            match self.fill(client, buffer, cx)? {
                Poll::Ready(()) => progress = true,
                Poll::Pending => {
                    let _ = upstream.poll_flush(cx);
                    return Ok(progress);
                }
            }
        }
        Ok(progress)
    }

    /// Moves content by a pipe, and whether any moved; `None` is that it has to be read.
    fn poll_pipe(
        &mut self,
        client: &Stream,
        buffer: &[u8],
        upstream: &Stream,
        cx: &mut Context<'_>,
    ) -> Result<Option<bool>, Halt> {
        let mut moved = false;
        if self.pipe.is_none() {
            let Source::Client(content) = &mut self.source else { return Ok(None) };
            let left = content.left().map_or(0, |left| usize::try_from(left).unwrap_or(usize::MAX));
            let as_it_is =
                self.framing == Framing::Plain && self.replay.is_none() && self.used >= buffer.len();
            if !self.flow.is_bulk(false) || left < MUCH || !as_it_is {
                return Ok(None);
            }
            let (Some(client), Some(_)) = (client.bare(), upstream.bare()) else { return Ok(None) };
            let Some(mut pipe) = Pipe::take() else { return Ok(None) };
            match pipe.poll_fill(client, left.min(ROOM), cx) {
                Poll::Pending => {
                    pipe.give();
                    return Ok(Some(false));
                }
                Poll::Ready(Ok(Some(length))) if length > 0 => {
                    content.pass(length as u64);
                    self.ended = content.is_done();
                    self.received += length as u64;
                    self.last = Instant::from(clock::moment());
                    self.flow.note(length);
                    self.pipe = Some(pipe);
                    moved = true;
                }
                Poll::Ready(Ok(None)) => return Ok(None),
                Poll::Ready(_) => return Err(Halt::ClientGone),
            }
        }
        let (Some(pipe), Some(to)) = (&mut self.pipe, upstream.bare()) else { return Ok(None) };
        while pipe.held() > 0 {
            match pipe.poll_drain(to, cx) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    self.sent += length as u64;
                    self.last = Instant::from(clock::moment());
                    moved = true;
                }
                Poll::Ready(_) => {
                    self.over = true;
                    return Ok(Some(true));
                }
                Poll::Pending => return Ok(Some(moved)),
            }
        }
        if let Some(pipe) = self.pipe.take() {
            pipe.give();
        }
        Ok(Some(moved))
    }

    /// Makes the next piece pending.
    fn fill(
        &mut self,
        client: &mut Stream,
        buffer: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, Halt> {
        match &mut self.source {
            Source::Memory => self.ended = true,
            Source::File(file, from) => {
                let at = *from;
                let read = scratch::with(|bytes| {
                    let length = file.read_at(bytes, at)?;
                    self.ended = length == 0;
                    frame(&bytes[..length], self.framing, self.ended, &mut self.pending);
                    Ok::<_, io::Error>(length)
                });
                *from += read.map_err(|_| Halt::Refused(500))? as u64;
            }
            Source::Client(content) => {
                let mut piece = scratch::take();
                let read = content.poll_piece(client, (buffer, &mut self.used, self.head), cx, &mut piece);
                match read {
                    Poll::Pending => {
                        scratch::give(piece);
                        return Ok(Poll::Pending);
                    }
                    Poll::Ready(Ok(wire)) => self.received += wire,
                    Poll::Ready(Err(Ok(Refused(status)))) => return Err(Halt::Refused(status)),
                    Poll::Ready(Err(Err(_))) => return Err(Halt::ClientGone),
                }
                if self.max != 0 && content.length_so_far() > self.max {
                    return Err(Halt::Refused(413));
                }
                self.ended = content.is_done();
                self.last = Instant::from(clock::moment());
                frame(&piece, self.framing, self.ended, &mut self.pending);
                self.flow.note(piece.len());
                self.remember(&piece);
                scratch::give(piece);
            }
        }
        Ok(Poll::Ready(()))
    }

    /// The trailers of content that ended, where they are passed on.
    fn take_trailers(&self) -> Option<http::HeaderMap> {
        match &self.source {
            Source::Client(content) if self.trailers => http2::request_trailers(content.trailers()),
            _ => None,
        }
    }

    fn remember(&mut self, piece: &[u8]) {
        match &mut self.replay {
            Some(replay) if replay.len() + piece.len() <= REPLAY => replay.extend_from_slice(piece),
            replay => *replay = None,
        }
    }

    /// Begins again with all that came so far; `false` where that is not known any more.
    pub fn rewind(&mut self) -> bool {
        let Some(replay) = &self.replay else { return false };
        self.pending.clone_from(replay);
        (self.at, self.over) = (0, false);
        true
    }

    /// Whether all was sent, or the upstream takes no more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the client's bytes are content still.
    pub fn reads_client(&self) -> bool {
        matches!(&self.source, Source::Client(content) if !content.is_done())
    }

    /// When it has taken too long, and whose fault that is.
    pub fn deadline(&self) -> Option<(Instant, Stalled)> {
        if self.over {
            return None;
        }
        let waits = self.at < self.pending.len() || self.pipe.is_some();
        let (timeout, whose) = if waits || !self.reads_client() {
            (self.send_timeout, Stalled::Upstream)
        } else {
            (self.client_timeout, Stalled::Client)
        };
        (!timeout.is_zero()).then(|| (self.last + timeout, whose))
    }
}

/// Writes a piece as it is sent, and behind the last one what ends them.
fn frame(piece: &[u8], framing: Framing, last: bool, out: &mut Vec<u8>) {
    match framing {
        Framing::Plain => out.extend_from_slice(piece),
        Framing::Chunks => {
            if !piece.is_empty() {
                out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            }
            if last {
                out.extend_from_slice(b"0\r\n\r\n");
            }
        }
        Framing::Records => {
            fastcgi::put_content(piece, out);
            if last {
                fastcgi::end_content(out);
            }
        }
    }
}

impl Exchange {
    /// Begins to send content as it arrives; what was received already is in `facts.content`.
    pub(super) fn begin_upload(&mut self, plan: &Plan, how: &ForwardingPlan, protocol: Protocol) {
        let settings = &self.settings(plan).content;
        let chunked = self.facts.head.chunked;
        let (client_timeout, max) = (settings.timeout, if chunked { settings.max_length } else { 0 });
        let mut content = std::mem::take(&mut self.content);
        content.stream();
        let framing = match protocol {
            Protocol::FastCgi => Framing::Records,
            Protocol::Http if chunked && how.version < 20 => Framing::Chunks,
            _ => Framing::Plain,
        };
        let mut upload = self.upload_from(Source::Client(content), how, framing);
        (upload.client_timeout, upload.max) = (client_timeout, max);
        let first = std::mem::take(&mut self.facts.content);
        frame(&first, framing, false, &mut upload.pending);
        if how.version == 20 {
            upload.replay = Some(Vec::new());
            upload.remember(&first);
            upload.trailers = protocol == Protocol::Grpc;
        }
        self.upload = Some(Box::new(upload));
    }

    /// Begins to send content from the file that it was kept in, if it was.
    pub(super) fn begin_upload_of_file(
        &mut self,
        how: &ForwardingPlan,
        protocol: Protocol,
    ) -> io::Result<()> {
        let Some(file) = self.content.rewind()? else { return Ok(()) };
        let file = file.try_clone()?;
        let framing = if protocol == Protocol::FastCgi { Framing::Records } else { Framing::Plain };
        self.upload = Some(Box::new(self.upload_from(Source::File(file, 0), how, framing)));
        Ok(())
    }

    /// Begins to send the content that was read, and its end.
    pub(super) fn begin_upload_to_program(&mut self, how: &ForwardingPlan) -> io::Result<()> {
        let source = match self.content.rewind()? {
            Some(file) => Source::File(file.try_clone()?, 0),
            None => Source::Memory,
        };
        let in_memory = matches!(source, Source::Memory);
        let mut upload = self.upload_from(source, how, Framing::Plain);
        if in_memory {
            upload.pending.clone_from(&self.facts.content);
        }
        upload.closes = true;
        self.upload = Some(Box::new(upload));
        Ok(())
    }

    fn upload_from(&self, source: Source, how: &ForwardingPlan, framing: Framing) -> Upload {
        Upload {
            source,
            framing,
            max: 0,
            head: self.facts.head.length,
            used: self.facts.used,
            pending: Vec::new(),
            at: 0,
            pipe: None,
            flow: Flow::default(),
            ended: false,
            over: false,
            sent: 0,
            received: 0,
            last: Instant::from(clock::moment()),
            client_timeout: Duration::ZERO,
            send_timeout: how.send_timeout,
            replay: None,
            trailers: false,
            closes: false,
        }
    }

    /// Says why an upload stopped; the status to answer.
    pub(super) fn log_halt(&mut self, halt: &Halt) -> u16 {
        self.keep = false;
        let (level, what, status) = match halt {
            Halt::ClientGone => (Level::Info, "client prematurely closed connection", 400),
            Halt::Refused(413) => (Level::Error, "client intended to send too large chunked body", 413),
            Halt::Refused(400) => (Level::Error, "client sent invalid chunked body", 400),
            Halt::Refused(status) => (Level::Crit, "reading a temporary file failed", *status),
        };
        self.log(level, format_args!("{what} while sending request to upstream"));
        status
    }

    /// Counts what was moved since the last time.
    pub(super) fn count_upload(&mut self) {
        let Some(upload) = &mut self.upload else { return };
        self.facts.request_length += std::mem::take(&mut upload.received);
        let sent = std::mem::take(&mut upload.sent);
        self.count_sent(sent);
    }

    /// Ends the upload, whole or not. A client that still sends cannot be asked for another request.
    pub(super) fn end_upload(&mut self) {
        self.count_upload();
        let Some(upload) = self.upload.take() else { return };
        self.keep &= !upload.reads_client();
        if let Upload { source: Source::Client(content), used, .. } = *upload {
            self.content = content;
            self.facts.used = used;
        }
    }
}
