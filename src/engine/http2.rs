//! HTTP/2 (RFC 9113): connections of clients, whose streams become exchanges that run side by side, and connections
//! to upstreams.
//!
//! Clients' frames, header compression and flow control are our own, as what
//! is done for each of thousands of requests a second has to be: fields go
//! from the wire into a request's head and from a response's head onto the
//! wire without a map between, and what all streams say in one turn of the
//! event loop is one write. Connections to upstreams use the h2 library.
//!
//! - `frame` and `hpack` are the wire's form, `receive` takes frames in,
//! - `core` is what a connection and its streams share, `bare` that without a connection, to be tried out,
//! - `desk` has the tasks that carry exchanges,
//! - `duplex` one stream as its exchange sees it, `head` its heads,
//! - `link` is a connection to an upstream, `call` one request on it, `outward` its head, `wire` what lies below.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::ReadBuf,
    time::{Instant, sleep_until},
};

use super::{
    clock,
    connection::Place,
    exchange::{End, Exchange, Next},
    facts::{Client, Facts},
    http1::request::Limits,
    log, scratch,
    stream::Stream,
    timed,
    worker::{Serving, Worker},
};
use crate::{
    ir::settings::{ClientInForce, Level},
    plan::Effective,
};

mod bare;
mod call;
mod core;
mod desk;
mod duplex;
mod frame;
mod head;
mod hpack;
mod link;
mod outward;
mod receive;
mod wire;

pub use bare::Bare;
pub use call::{Call, Fault};
pub use duplex::{Duplex, Follows};
pub use head::Head;
pub use link::{HEAD, Link, Links};
pub use outward::{request, trailers as request_trailers};

use core::{Core, GATHERED, Shared};
use desk::Desks;
use frame::{Code, LARGEST_WINDOW, kind};
use receive::{Begun, NOTICE};

/// What every connection begins with (RFC 9113 § 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Content that a stream may send before it is read, bytes.
const STREAM_WINDOW: u32 = 256 * 1024;

/// And all streams of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Content of a stream that waits for its turn to be sent, bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// How long a connection may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// How long a client that was told the end has to close.
const LINGER: Duration = Duration::from_secs(1);

/// And one that is cut off.
const WORD: Duration = Duration::from_millis(200);

/// How long a connection on which nothing is under way keeps what the next request would use.
const REST: Duration = Duration::from_secs(1);

/// Whether what a client says first is HTTP/2; `None` when it is not said yet.
pub fn begins(said: &[u8]) -> Option<bool> {
    let length = said.len().min(PREFACE.len());
    let same = said[..length] == PREFACE[..length];
    (!same || length == PREFACE.len()).then_some(same)
}

/// Reads until it is known what a client speaks; what was read is in `said`. Whether it is HTTP/2.
pub async fn sniff(stream: &mut Stream, said: &mut Vec<u8>, limit: Duration) -> bool {
    let read = async {
        loop {
            if let Some(known) = begins(said) {
                return known;
            }
            if !matches!(timed::read(stream, said, 16 * 1024).await, Ok(1..)) {
                return false;
            }
        }
    };
    if limit.is_zero() { read.await } else { tokio::time::timeout(limit, read).await.unwrap_or(false) }
}

/// A connection of a client.
struct Connection {
    worker: Rc<Worker>,
    serving: Rc<Serving>,
    listener: usize,
    place: Place,
    client: Client,
    stream: Stream,
    /// What was read and is no whole frame yet.
    held: Vec<u8>,
    /// Whether the preface came.
    begun: bool,
    core: Shared,
    ending: Ending,
    desks: Rc<Desks>,
}

/// How near the end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    /// The client was told to begin no more streams; those under way to us are taken.
    Told,
    /// No more streams are taken.
    Last,
}

/// What a connection is woken for.
enum Event {
    /// A stop has begun, or another plan is in force.
    Changed,
    /// Nothing has been under way for a while.
    Rests,
    /// Its place is needed.
    LetGo,
    /// It has been idle, or closing, for long enough.
    TimedOut,
    /// What came cannot be gone on with, for this reason.
    Fault(frame::Fault),
    /// The client is gone.
    Gone,
    /// All is said.
    Done,
}

/// Serves a connection until it closes; `said` was read of it already.
pub async fn serve(
    worker: Rc<Worker>,
    serving: Rc<Serving>,
    listener: usize,
    stream: Stream,
    said: Vec<u8>,
    client: Client,
    place: Place,
) {
    stream.send_promptly();
    let core = {
        let settings = settings(&serving, listener);
        let streams = if settings.http2_streams == 0 { 128 } else { settings.http2_streams };
        let fields = u64::from(settings.large_head_buffers.0).saturating_mul(settings.large_head_buffers.1);
        // Twice what is taken: who is a little over the limit gets an answer.
        Rc::new(RefCell::new(Core::new(streams, fields.saturating_mul(2))))
    };
    let connection = Connection {
        worker,
        serving,
        listener,
        place,
        client,
        stream,
        held: said,
        begun: false,
        core,
        ending: Ending::Open,
        desks: Rc::default(),
    };
    connection.run().await;
}

/// What a listener's connections go by.
fn settings(serving: &Serving, listener: usize) -> &ClientInForce {
    &effective(serving, listener).client
}

fn effective(serving: &Serving, listener: usize) -> &Effective {
    let plan = &serving.plan;
    plan.settings(plan.host_settings(plan.config.listeners[listener].default))
}

impl Connection {
    async fn run(mut self) {
        let mut idle = Instant::from(clock::moment());
        let mut seat = None;
        let mut sleep = pin!(sleep_until(idle + Duration::from_hours(1)));
        loop {
            let event = poll_fn(|cx| {
                let event = self.poll(cx);
                if event.is_ready() {
                    return event;
                }
                let seat = seat.get_or_insert_with(|| self.worker.idle.sit(cx.waker()));
                if self.core.borrow().active() > 0 {
                    seat.work();
                    idle = Instant::from(clock::moment());
                    return Poll::Pending;
                }
                seat.wait();
                if seat.leaves() {
                    return Poll::Ready(Event::LetGo);
                }
                let settings = settings(&self.serving, self.listener);
                let limit = match (self.ending, self.client.requests) {
                    (Ending::Told | Ending::Last, _) => CLOSING,
                    (Ending::Open, 0) => settings.head_timeout,
                    (Ending::Open, _) => settings.keepalive_timeout,
                };
                if self.client.requests == 0 && limit.is_zero() {
                    return Poll::Pending;
                }
                let at = idle + limit;
                let (at, event) = match idle + REST {
                    rest if rest < at && !self.desks.is_empty() => (rest, Event::Rests),
                    _ => (at, Event::TimedOut),
                };
                if at <= Instant::now() {
                    return Poll::Ready(event);
                }
                sleep.as_mut().reset(at);
                sleep.as_mut().poll(cx).map(|()| event)
            })
            .await;
            match event {
                Event::Changed => {
                    if self.worker.stopping.get() || !self.follow() {
                        idle = Instant::now();
                        self.tell_of_end();
                    }
                }
                Event::Rests => self.desks.rest(),
                Event::TimedOut if self.ending == Ending::Open && self.begun => {
                    idle = Instant::now();
                    self.end(Code::NO_ERROR);
                }
                Event::TimedOut | Event::Gone => break,
                Event::LetGo => {
                    self.end(Code::NO_ERROR);
                    self.linger(WORD).await;
                    break;
                }
                Event::Fault(fault) => {
                    self.log(Level::Info, fault.why);
                    self.end(fault.code);
                    self.linger(WORD).await;
                    break;
                }
                Event::Done => {
                    self.linger(LINGER).await;
                    break;
                }
            }
        }
        self.core.borrow_mut().die();
        self.desks.close();
    }

    /// Tells the client to begin no more streams, and asks it to say when it knows that (RFC 9113 § 6.8).
    fn tell_of_end(&mut self) {
        if self.ending == Ending::Open {
            self.ending = Ending::Told;
            let core = &mut *self.core.borrow_mut();
            core.go_away(LARGEST_WINDOW as u32, Code::NO_ERROR);
            frame::write(&mut core.out, kind::PING, 0, 0, &NOTICE);
        }
    }

    /// Takes no more streams.
    fn end(&mut self, code: Code) {
        self.ending = Ending::Last;
        let core = &mut *self.core.borrow_mut();
        core.ended = true;
        let last = core.last;
        core.go_away(last, code);
    }

    /// Says what there is still to say, and waits for the client to close, that it can read that.
    async fn linger(&mut self, time: Duration) {
        let last = poll_fn(|cx| {
            ready!(self.poll_output(cx))?;
            ready!(self.stream.poll_shutdown(cx))?;
            scratch::with(|bytes| {
                while ready!(self.stream.poll_fill(cx, &mut ReadBuf::new(bytes)))? > 0 {}
                Poll::Ready(io::Result::Ok(()))
            })
        });
        let _ = tokio::time::timeout(time, last).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.core.borrow_mut().work(cx);
        let read = self.poll_input(cx);
        if self.ending == Ending::Told && self.core.borrow().noticed {
            self.end(Code::NO_ERROR);
        }
        let written = self.poll_output(cx);
        self.core.borrow_mut().rest();
        if let Poll::Ready(event) = read {
            return Poll::Ready(event);
        }
        match written {
            Poll::Ready(Err(_)) => return Poll::Ready(Event::Gone),
            Poll::Ready(Ok(())) if self.ending == Ending::Last && self.core.borrow().active() == 0 => {
                return Poll::Ready(Event::Done);
            }
            _ => {}
        }
        if self.ending == Ending::Open && (self.worker.stopping.get() || !self.worker.serves(&self.serving)) {
            return Poll::Ready(Event::Changed);
        }
        Poll::Pending
    }

    /// Takes what came.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if !self.begun && !self.held.is_empty() {
            let said = std::mem::take(&mut self.held);
            if let Some(event) = self.take(&said) {
                return Poll::Ready(event);
            }
        }
        loop {
            // Who does not read what we say is not asked for more.
            if self.core.borrow().pending() > 4 * GATHERED {
                return Poll::Pending;
            }
            let event = scratch::with(|bytes| {
                let held = self.held.len();
                bytes[..held].copy_from_slice(&self.held);
                let mut room = ReadBuf::new(&mut bytes[held..]);
                match ready!(self.stream.poll_fill(cx, &mut room)) {
                    Ok(length @ 1..) => {
                        self.held.clear();
                        Poll::Ready(self.take(&bytes[..held + length]))
                    }
                    _ => Poll::Ready(Some(Event::Gone)),
                }
            });
            if let Some(event) = ready!(event) {
                return Poll::Ready(event);
            }
        }
    }

    /// Takes frames, and keeps what is none yet.
    fn take(&mut self, mut input: &[u8]) -> Option<Event> {
        if !self.begun {
            let same = input.iter().zip(PREFACE).all(|(one, other)| one == other);
            if !same {
                let why = "client sent invalid http2 preface";
                return Some(Event::Fault(frame::fault(Code::PROTOCOL_ERROR, why)));
            }
            if input.len() < PREFACE.len() {
                self.held.extend_from_slice(input);
                return None;
            }
            input = &input[PREFACE.len()..];
            self.begun = true;
        }
        loop {
            let mut core = self.core.borrow_mut();
            let done = core.process(&mut input);
            let (hostile, remark) = (core.counts.hostile(), core.remark.take());
            drop(core);
            if let Some(why) = hostile {
                return Some(Event::Fault(frame::fault(Code::ENHANCE_YOUR_CALM, why)));
            }
            if let Some(why) = remark {
                self.log(Level::Info, why);
            }
            match done {
                Ok(None) => break,
                Ok(Some(begun)) => self.begin(begun),
                Err(fault) => return Some(Event::Fault(fault)),
            }
        }
        if input.is_empty() {
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(input);
        }
        None
    }

    /// Writes what was gathered, and lets those go on who wait for that.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let core = &mut *self.core.borrow_mut();
        while core.pending() > 0 {
            match ready!(self.stream.poll_write(cx, &core.out[core.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => core.written += length,
            }
        }
        core.written = 0;
        core.out.clear();
        if core.active() == 0 && core.out.capacity() > GATHERED / 4 {
            core.out = Vec::new();
        }
        core.next_turn();
        self.stream.poll_flush(cx)
    }

    /// Whether it has carried what one connection may.
    fn is_worn(&self) -> bool {
        let settings = settings(&self.serving, self.listener);
        self.client.requests >= settings.keepalive_requests
            || (!settings.keepalive_time.is_zero()
                && clock::since(self.client.opened) > settings.keepalive_time)
    }

    /// Goes over to the plan in force; `false` when its address is not among those of that plan.
    fn follow(&mut self) -> bool {
        if self.worker.serves(&self.serving) {
            return true;
        }
        let current = self.worker.serving();
        let Some(found) = current.listener(&self.place) else { return false };
        self.listener = found;
        self.serving = current;
        true
    }

    /// Begins an exchange.
    fn begin(&mut self, Begun { place, ends }: Begun) {
        self.follow();
        self.client.requests += 1;
        self.worker.counters().add_requests(1);
        let listener = self.listener;
        Rc::clone(&self.desks).begin(|exchange| {
            let mut exchange = exchange.unwrap_or_else(|| {
                let stream = Stream::Frames(Box::new(Duplex::new(Rc::clone(&self.core))));
                let facts = Facts::new(&self.worker, self.client.clone());
                let (worker, serving) = (Rc::clone(&self.worker), Rc::clone(&self.serving));
                Box::new(Exchange::new(worker, serving, stream, facts))
            });
            exchange.serving = Rc::clone(&self.serving);
            exchange.upload = None;
            let facts = &mut exchange.facts;
            facts.plan = Arc::clone(&self.serving.plan);
            facts.next_request();
            facts.client.requests = self.client.requests;
            let limits = limits(effective(&self.serving, listener));
            let read = {
                let core = &mut *self.core.borrow_mut();
                let Facts { buffer, head, .. } = facts;
                let nonce = || nonce(self.worker.random());
                let read = head::read(&core.block, ends, &limits, nonce, buffer, head);
                core.streams[place].left = head.content_length;
                read
            };
            facts.used = facts.head.length.max(facts.buffer.len());
            facts.request_length = facts.used as u64;
            let tells_end = facts.head.chunked;
            if let Stream::Frames(stream) = &mut exchange.stream {
                stream.begin(place, tells_end);
            }
            (exchange, (listener, read))
        });
        if self.is_worn() {
            self.tell_of_end();
        }
    }

    fn log(&self, level: Level, message: &str) {
        let from = self.client.remote.map_or_else(|| "unix:".to_owned(), |addr| addr.ip().to_string());
        log::event(
            &self.serving.logs,
            level,
            format_args!(
                "*{} {message} while processing HTTP/2 connection, client: {from}",
                self.client.serial
            ),
        );
    }
}

impl Exchange {
    /// Answers a head that is refused.
    async fn refuse_frames(&mut self, listener: usize, status: u16, reason: &str) -> End {
        let serving = Rc::clone(&self.serving);
        let plan = &*serving.plan;
        self.begin_refused(plan, listener);
        let head = &mut self.facts.head;
        (head.content_length, head.chunked, head.upgrade) = (None, false, None);
        self.log(Level::Info, format_args!("{reason} while processing HTTP/2 connection"));
        self.drive(plan, Next::Status(status)).await
    }
}

/// The limits of heads. What a peer sends is compressed to five eighths at most, and lines are counted as sent.
fn limits(settings: &Effective) -> Limits {
    let (count, each) = settings.client.large_head_buffers;
    let line = each.saturating_mul(8) / 5;
    let head = u64::from(count).saturating_mul(each);
    Limits {
        line: usize::try_from(line).unwrap_or(usize::MAX),
        head: usize::try_from(head).unwrap_or(usize::MAX),
        ..Exchange::limits(settings)
    }
}

/// 16 bytes in Base64.
fn nonce(random: u128) -> head::Nonce {
    use base64::Engine as _;
    let mut out = [b'='; 24];
    // The room is what 16 bytes take.
    let _ = base64::engine::general_purpose::STANDARD.encode_slice(random.to_be_bytes(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefaces_are_told_from_requests() {
        assert_eq!(begins(b""), None);
        assert_eq!(begins(b"PRI * HT"), None);
        assert_eq!(begins(PREFACE), Some(true));
        assert_eq!(begins(&[PREFACE, b"\0"].concat()), Some(true));
        assert_eq!(begins(b"PRI / HTTP/1.1"), Some(false));
        assert_eq!(begins(b"POST"), Some(false));
        assert_eq!(begins(b"P"), None);
    }
}
