//! HTTP/2 (RFC 9113): connections of clients, whose streams become exchanges that run side by side, and connections
//! to upstreams.
//!
//! Frames, header compression and flow control are the h2 library's. It is
//! used without hyper above it: an exchange reads and writes for itself,
//! and ends streams in ways (a reset, trailers, a tunnel) that hyper's
//! services would have to be talked into.
//!
//! - `wire` is what lies below the frames,
//! - `duplex` one stream as its exchange sees it,
//! - `head` turns heads into ours and back,
//! - `link` is a connection to an upstream, `call` one request on it, `outward` its head.

use std::{
    cell::RefCell,
    future::{Future as _, poll_fn},
    io,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{self, SendResponse},
};
use http::Request;
use tokio::time::{Instant, sleep_until};

use super::{
    clock::{self, Turns},
    connection::{Place, hand_over},
    exchange::{End, Exchange, Next},
    facts::{Client, Facts},
    http1::request::Limits,
    log,
    stream::Stream,
    timed,
    worker::{Serving, Worker},
};
use crate::{ir::settings::Level, plan::Effective};

mod call;
mod duplex;
mod head;
mod link;
mod outward;
mod wire;

pub use call::{Call, Fault};
pub use duplex::{Duplex, Follows};
pub use head::{put, size, trailers, write};
pub use link::{HEAD, Link, Links};
pub use outward::{request, trailers as request_trailers};

use duplex::Tally;
use wire::Below;

/// What every connection begins with (RFC 9113 § 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Content that a stream may send before it is read, bytes.
const STREAM_WINDOW: u32 = 256 * 1024;

/// And all streams of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Content of a stream that waits for its turn to be sent, bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that may be given up before we take it for an attack, beyond as many as were not.
const GIVEN_UP: u64 = 256;

/// How long a connection may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Exchanges that are kept for further streams.
const SPARE: usize = 16;

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

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

/// A connection and what its streams share.
struct Connection {
    worker: Rc<Worker>,
    serving: Rc<Serving>,
    listener: usize,
    place: Place,
    client: Client,
    tally: Rc<Tally>,
    #[expect(clippy::vec_box, reason = "an exchange is large, and goes from here to its task and back")]
    spare: Rc<RefCell<Vec<Box<Exchange>>>>,
}

/// What a connection is woken for.
enum Event {
    Request(Box<Accepted>),
    /// A stop has begun, or another plan is in force.
    Changed,
    /// Its place is needed.
    LetGo,
    /// It has been idle, or closing, for long enough.
    TimedOut,
    /// The peer does what only attackers do.
    Hostile(&'static str),
    Closed(Option<String>),
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
    let tally = Rc::<Tally>::default();
    let wire = Below::new(stream, said, PREFACE.len());
    let connection =
        Connection { worker, serving, listener, place, client, tally, spare: Rc::new(RefCell::default()) };
    connection.run(wire).await;
}

impl Connection {
    fn settings<'p>(&self, serving: &'p Serving) -> &'p Effective {
        let plan = &serving.plan;
        plan.settings(plan.host_settings(plan.config.listeners[self.listener].default))
    }

    async fn run(mut self, wire: Below) {
        let serving = Rc::clone(&self.serving);
        let client = &self.settings(&serving).client;
        let fields = u64::from(client.large_head_buffers.0).saturating_mul(client.large_head_buffers.1);
        let streams = if client.http2_streams == 0 { 128 } else { client.http2_streams };
        let mut builder = server::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(u32::try_from(streams).unwrap_or(u32::MAX))
            // Twice what is taken: who is a little over the limit gets an answer.
            .max_header_list_size(u32::try_from(fields.saturating_mul(2)).unwrap_or(u32::MAX))
            .max_send_buffer_size(SEND_BUFFER)
            .enable_connect_protocol();
        let mut handshake = pin!(builder.handshake::<_, Bytes>(wire.clone()));
        let begun = poll_fn(|cx| {
            let begun = handshake.as_mut().poll(cx);
            let _ = wire.poll_write_out(cx);
            begun
        });
        let begun = self.worker.idle.unless_let_go(begun);
        let limit = client.head_timeout;
        let begun = if limit.is_zero() { Ok(begun.await) } else { tokio::time::timeout(limit, begun).await };
        let mut frames = match begun {
            Ok(Some(Ok(frames))) => frames,
            Ok(Some(Err(error))) => {
                self.log(Level::Info, &format!("client sent no HTTP/2: {error}"));
                return;
            }
            Ok(None) | Err(_) => return,
        };
        let mut closing = false;
        let mut idle = Instant::from(clock::moment());
        let mut seat = None;
        let mut sleep = pin!(sleep_until(idle + Duration::from_hours(1)));
        loop {
            let serving = Rc::clone(&self.serving);
            let client = &self.settings(&serving).client;
            let event = poll_fn(|cx| {
                let event = self.poll(&mut frames, &wire, closing, cx);
                if event.is_ready() {
                    return event;
                }
                let seat = seat.get_or_insert_with(|| self.worker.idle.sit(cx.waker()));
                if self.tally.active.get() > 0 {
                    seat.work();
                    self.tally.task.set(Some(cx.waker().clone()));
                    idle = Instant::now();
                    return Poll::Pending;
                }
                seat.wait();
                if seat.leaves() {
                    return Poll::Ready(Event::LetGo);
                }
                let limit = match (closing, self.client.requests) {
                    (true, _) => CLOSING,
                    (false, 0) => client.head_timeout,
                    (false, _) => client.keepalive_timeout,
                };
                let at = idle + limit;
                if at <= Instant::now() {
                    return Poll::Ready(Event::TimedOut);
                }
                sleep.as_mut().reset(at);
                sleep.as_mut().poll(cx).map(|()| Event::TimedOut)
            })
            .await;
            match event {
                Event::Request(accepted) => {
                    idle = Instant::from(clock::moment());
                    self.follow();
                    self.client.requests += 1;
                    self.begin(*accepted);
                    if !closing && self.is_worn(client) {
                        closing = true;
                        frames.graceful_shutdown();
                    }
                }
                Event::Changed => {
                    if self.worker.stopping.get() || !self.follow() {
                        closing = true;
                        idle = Instant::now();
                        frames.graceful_shutdown();
                    }
                }
                Event::TimedOut if closing => return,
                Event::TimedOut => {
                    closing = true;
                    idle = Instant::now();
                    frames.abrupt_shutdown(Reason::NO_ERROR);
                }
                event @ (Event::Hostile(_) | Event::LetGo) => {
                    let mut reason = Reason::NO_ERROR;
                    if let Event::Hostile(why) = event {
                        self.log(Level::Info, why);
                        reason = Reason::ENHANCE_YOUR_CALM;
                    }
                    frames.abrupt_shutdown(reason);
                    let last = poll_fn(|cx| {
                        let _ = frames.poll_closed(cx);
                        wire.poll_write_out(cx)
                    });
                    let _ = tokio::time::timeout(Duration::from_millis(200), last).await;
                    return;
                }
                Event::Closed(why) => {
                    if let Some(why) = why {
                        self.log(Level::Info, &why);
                    }
                    return;
                }
            }
        }
    }

    fn poll(
        &self,
        frames: &mut server::Connection<Below, Bytes>,
        wire: &Below,
        closing: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        let accepted = frames.poll_accept(cx);
        if wire.is_flooded(&self.tally.sent) {
            return Poll::Ready(Event::Hostile("http2 flood detected"));
        }
        let (given_up, finished) = (self.tally.given_up.get(), self.tally.finished.get());
        if given_up > GIVEN_UP.saturating_add(finished) {
            return Poll::Ready(Event::Hostile("client sent too many resets of streams"));
        }
        match accepted {
            Poll::Ready(Some(Ok(accepted))) => return Poll::Ready(Event::Request(Box::new(accepted))),
            Poll::Ready(Some(Err(error))) => {
                let _ = wire.poll_write_out(cx);
                let left = error.get_io().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset);
                let said = error.is_remote() || left || error.is_io();
                return Poll::Ready(Event::Closed(
                    (!said).then(|| format!("client sent what is no HTTP/2: {error}")),
                ));
            }
            Poll::Ready(None) => {
                return wire.poll_write_out(cx).map(|_| Event::Closed(None));
            }
            Poll::Pending => {}
        }
        if let Poll::Ready(Err(_)) = wire.poll_write_out(cx) {
            return Poll::Ready(Event::Closed(None));
        }
        if !closing && (self.worker.stopping.get() || !self.worker.serves(&self.serving)) {
            return Poll::Ready(Event::Changed);
        }
        Poll::Pending
    }

    /// Whether it has carried what one connection may.
    fn is_worn(&self, client: &crate::ir::settings::ClientInForce) -> bool {
        self.client.requests >= client.keepalive_requests
            || (!client.keepalive_time.is_zero() && clock::since(self.client.opened) > client.keepalive_time)
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
    fn begin(&self, (request, respond): Accepted) {
        let mut exchange = self.spare.borrow_mut().pop().unwrap_or_else(|| {
            let stream = Stream::Frames(Box::new(Duplex::new(Rc::clone(&self.tally))));
            let facts = Facts::new(&self.worker, self.client.clone());
            let (worker, serving) = (Rc::clone(&self.worker), Rc::clone(&self.serving));
            Box::new(Exchange::new(worker, serving, stream, facts))
        });
        exchange.serving = Rc::clone(&self.serving);
        exchange.facts.plan = Arc::clone(&self.serving.plan);
        exchange.facts.buffer.clear();
        exchange.facts.next_request();
        exchange.facts.client.requests = self.client.requests;
        exchange.upload = None;
        self.worker.counters().add_requests(1);
        let listener = self.listener;
        let limits = limits(self.settings(&self.serving));
        let ends = request.body().is_end_stream();
        let nonce = nonce(self.worker.random());
        let read = head::read(&request, ends, &limits, nonce, &mut exchange.facts);
        let receive = request.into_body();
        let tells_end = exchange.facts.head.chunked;
        if let Stream::Frames(stream) = &mut exchange.stream {
            stream.begin(receive, respond, tells_end);
        }
        let facts = &mut exchange.facts;
        facts.used = facts.head.length.max(facts.buffer.len());
        facts.request_length = facts.used as u64;
        let spare = Rc::clone(&self.spare);
        tokio::task::spawn_local(Turns(Box::pin(async move {
            let worker = Rc::clone(&exchange.worker);
            worker.counters().add_writing(1);
            let end = match read {
                Ok(()) => exchange.run_in_time(listener).await,
                Err((status, reason)) => exchange.refuse_frames(listener, status, reason).await,
            };
            worker.counters().add_writing(-1);
            if let End::Tunnel(tunnel) = end {
                hand_over(exchange, tunnel);
                return;
            }
            let Stream::Frames(stream) = &mut exchange.stream else { return };
            if matches!(end, End::Abort) {
                // What was received of an answer before it broke off is still the client's.
                if exchange.answered {
                    tokio::task::yield_now().await;
                    tokio::task::yield_now().await;
                }
                // As observed: an answer that is refused differs from one that broke off.
                let refused = matches!(exchange.facts.logged_status, Some(444 | 408));
                stream.abort(if refused { Reason::PROTOCOL_ERROR } else { Reason::INTERNAL_ERROR });
            } else {
                stream.finish(None);
                stream.close();
            }
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE {
                spare.push(exchange);
            }
        })));
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
