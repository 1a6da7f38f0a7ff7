//! Bytes both ways after `101 Switching Protocols` (RFC 9110 § 7.8).
//!
//! A tunnel owns memory only for bytes that its other side has not taken yet. Where much comes at a time, and both
//! sides are sockets without TLS, the bytes do not enter this process at all (see [`super::splice`]).
//! It ends when either side closes (what is pending is still delivered), when
//! both were silent for the read time limit, or when a write made no progress. A client that is to be asked whether it
//! is there gets a ping between two frames of its upstream; its answer goes on to the upstream, which makes nothing of it
//! (RFC 6455 § 5.5.3).

use std::{
    future::{Future as _, poll_fn},
    io,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

mod frames;

use super::{
    limit::Held,
    scratch,
    splice::{Flow, Pipe, ROOM},
    stream::Stream,
};
use frames::Frames;

/// The upstream side of a tunnel, and its limits.
#[derive(Debug)]
pub struct Tunnel {
    upstream: Stream,
    to_upstream: Way,
    to_client: Way,
    read_timeout: Duration,
    send_timeout: Duration,
    client_timeout: Duration,
    /// How often the client is asked whether it is there, and where frames for it end.
    ping: Option<(Duration, Frames)>,
    /// What counts the tunnel as a connection of its endpoint.
    held: Option<Box<dyn std::fmt::Debug>>,
    /// What counts it in zones.
    pub places: Vec<Held>,
    /// Bytes delivered to the client.
    pub sent: u64,
    /// Bytes delivered to the upstream.
    pub received: u64,
}

/// One way through a tunnel.
#[derive(Debug, Default)]
struct Way {
    /// Bytes that the side they are for has not taken.
    pending: Vec<u8>,
    /// More of them, behind those; empty unless there are some.
    pipe: Option<Pipe>,
    flow: Flow,
}

impl Way {
    fn of(pending: Vec<u8>) -> Self {
        Self { pending, ..Self::default() }
    }

    /// Whether all was taken.
    fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.pipe.as_ref().is_none_or(|pipe| pipe.held() == 0)
    }

    /// Gives the empty pipe back.
    fn give_back(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            pipe.give();
        }
    }
}

/// How a tunnel ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// One side closed.
    Closed,
    /// Both were silent for too long, or one took nothing.
    TimedOut,
    /// The system said no.
    Failed(io::ErrorKind),
}

impl Tunnel {
    /// A tunnel whose client already sent `early`.
    pub fn new(
        upstream: Stream,
        early: Vec<u8>,
        read_timeout: Duration,
        send_timeout: Duration,
        client_timeout: Duration,
    ) -> Self {
        Self {
            upstream,
            to_upstream: Way::of(early),
            to_client: Way::default(),
            read_timeout,
            send_timeout,
            client_timeout,
            ping: None,
            held: None,
            places: Vec::new(),
            sent: 0,
            received: 0,
        }
    }

    /// Asks the client so often whether it is there; `sent` are the first frames, which it got already.
    pub fn ping(&mut self, interval: Duration, sent: &[u8]) {
        let mut frames = Frames::default();
        frames.pass(sent);
        self.ping = Some((interval, frames));
    }

    /// Keeps what counts it as a connection of an endpoint until the tunnel is dropped.
    pub fn hold(&mut self, pick: impl std::fmt::Debug + 'static) {
        self.held = Some(Box::new(pick));
    }

    /// Moves bytes until the end.
    pub async fn run(&mut self, client: &mut Stream) -> Ended {
        let far = Duration::from_hours(24 * 365);
        let mut last = Instant::now();
        let mut asked = last;
        let mut sleep = pin!(sleep_until(last + far));
        poll_fn(|cx| {
            loop {
                match self.poll(client, cx) {
                    Ok(Moved::Some) => last = Instant::now(),
                    Ok(Moved::Nothing) => {}
                    Ok(Moved::End) => return Poll::Ready(Ended::Closed),
                    Err(error) => return Poll::Ready(Ended::Failed(error.kind())),
                }
                let limit = match (self.to_client.is_empty(), self.to_upstream.is_empty()) {
                    (false, _) => self.client_timeout,
                    (_, false) => self.send_timeout,
                    _ => self.read_timeout,
                };
                let end = last + if limit.is_zero() { far } else { limit };
                let next = self.ping.as_ref().map(|(interval, _)| asked.max(last) + *interval);
                let at = next.map_or(end, |next| next.min(end));
                if sleep.is_elapsed() {
                    let now = Instant::now();
                    if end <= now {
                        return Poll::Ready(Ended::TimedOut);
                    }
                    if next.is_some_and(|next| next <= now) {
                        asked = now;
                        self.ask();
                        continue;
                    }
                    sleep.as_mut().reset(at);
                } else if sleep.deadline() > at {
                    // Only ever brought forward here: later deadlines are set when the earlier one fires.
                    sleep.as_mut().reset(at);
                }
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// A ping for the client, unless it is in the middle of a frame or takes nothing.
    fn ask(&mut self) {
        if self.to_client.is_empty() && self.ping.as_ref().is_some_and(|(_, frames)| frames.is_between()) {
            self.to_client.pending.extend_from_slice(&frames::PING);
        }
    }

    /// Moves what can be moved now.
    fn poll(&mut self, client: &mut Stream, cx: &mut Context<'_>) -> io::Result<Moved> {
        let mut moved = Moved::Nothing;
        let (mut down, mut up) = (Moved::Some, Moved::Some);
        while down == Moved::Some || up == Moved::Some {
            if down == Moved::Some {
                let frames = self.ping.as_mut().map(|(_, frames)| frames);
                let (way, count) = (&mut self.to_client, &mut self.sent);
                down = copy_on((&mut self.upstream, frames), client, way, count, &mut moved, cx)?;
            }
            if up == Moved::Some {
                let (way, count) = (&mut self.to_upstream, &mut self.received);
                up = copy_on((client, None), &mut self.upstream, way, count, &mut moved, cx)?;
            }
            if down == Moved::End || up == Moved::End {
                // What the side that is still open was owed goes out if it can.
                let _ = flush(client, &mut self.to_client, &mut self.sent, cx);
                let _ = flush(&mut self.upstream, &mut self.to_upstream, &mut self.received, cx);
                return Ok(Moved::End);
            }
        }
        Ok(moved)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moved {
    Nothing,
    Some,
    End,
}

/// How often one way moves bytes before the other is looked at.
const TURN: usize = 8;

/// Moves bytes one way until it has to wait, which is then not asked again, or until the other's turn.
fn copy_on(
    (from, mut frames): (&mut Stream, Option<&mut Frames>),
    to: &mut Stream,
    way: &mut Way,
    count: &mut u64,
    moved: &mut Moved,
    cx: &mut Context<'_>,
) -> io::Result<Moved> {
    for _ in 0..TURN {
        match copy((&mut *from, frames.as_deref_mut()), to, way, count, cx)? {
            Moved::Some => *moved = Moved::Some,
            other => return Ok(other),
        }
    }
    Ok(Moved::Some)
}

/// Moves bytes one way; reads only when all earlier ones were taken.
fn copy(
    (from, frames): (&mut Stream, Option<&mut Frames>),
    to: &mut Stream,
    way: &mut Way,
    count: &mut u64,
    cx: &mut Context<'_>,
) -> io::Result<Moved> {
    let mut moved = Moved::Nothing;
    if !way.is_empty() {
        if flush(to, way, count, cx)? {
            moved = Moved::Some;
        }
        if !way.is_empty() {
            return Ok(moved);
        }
        way.pending = Vec::new();
    }
    if way.flow.is_bulk(false)
        && frames.is_none()
        && let (Some(from), Some(_)) = (from.bare(), to.bare())
        && let Some(pipe) = way.pipe.take().or_else(Pipe::take)
    {
        let pipe = way.pipe.insert(pipe);
        match pipe.poll_fill(from, ROOM, cx)? {
            Poll::Ready(Some(0)) => return Ok(Moved::End),
            Poll::Ready(Some(length)) => {
                way.flow.note(length);
                flush(to, way, count, cx)?;
                return Ok(Moved::Some);
            }
            Poll::Ready(None) => {}
            Poll::Pending => {
                // An idle tunnel holds no descriptors but its own.
                way.give_back();
                return Ok(moved);
            }
        }
    }
    way.give_back();
    scratch::with(|bytes| {
        let length = match from.poll_read(cx, bytes) {
            Poll::Pending => return Ok(moved),
            Poll::Ready(length) => length?,
        };
        if length == 0 {
            return Ok(Moved::End);
        }
        way.flow.note(length);
        if let Some(frames) = frames {
            frames.pass(&bytes[..length]);
        }
        let mut at = 0;
        while at < length {
            match to.poll_write(cx, &bytes[at..length]) {
                Poll::Ready(written) => {
                    let written = written?;
                    if written == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    at += written;
                    *count += written as u64;
                }
                Poll::Pending => {
                    way.pending.extend_from_slice(&bytes[at..length]);
                    break;
                }
            }
        }
        if let Poll::Ready(Err(error)) = to.poll_flush(cx) {
            return Err(error);
        }
        Ok(Moved::Some)
    })
}

/// Writes what is pending; whether any of it went.
fn flush(to: &mut Stream, way: &mut Way, count: &mut u64, cx: &mut Context<'_>) -> io::Result<bool> {
    let before = *count;
    let mut at = 0;
    while at < way.pending.len() {
        match to.poll_write(cx, &way.pending[at..]) {
            Poll::Ready(written) => {
                let written = written?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                at += written;
            }
            Poll::Pending => break,
        }
    }
    *count += at as u64;
    way.pending.drain(..at);
    if let (true, Some(pipe), Some(to)) = (way.pending.is_empty(), &mut way.pipe, to.bare()) {
        while pipe.held() > 0 {
            match pipe.poll_drain(to, cx)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => *count += written as u64,
                Poll::Pending => break,
            }
        }
    }
    Ok(*count > before)
}
