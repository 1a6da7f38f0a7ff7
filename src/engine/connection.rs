//! A client connection from its first byte to its last: request heads are read here, exchanges run,
//! tunnels handed over.

use std::{
    future::{Future as _, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use super::{
    clock,
    exchange::{End, Exchange, Next},
    facts::{Client, Facts},
    http1::field::Slice,
    http1::request::{Limits, Parsed, Refusal},
    idle::Seat,
    log, scratch,
    stream::Stream,
    timed::{self, Either, Failure, Timer, first, within},
    tunnel::{Ended, Tunnel},
    worker::{Serving, Worker},
};
use crate::{
    ir::settings::Level,
    plan::{Effective, Run},
};

/// What kind of end reading a head came to.
enum Head {
    Whole,
    Refused(Refusal),
    /// Nothing, or too little, came.
    Closed {
        bytes: bool,
        timed_out: bool,
    },
    /// Nothing came, and another plan is in force.
    Again,
}

/// The longest head, whatever is said of its lines, bytes.
const LONGEST_HEAD: u64 = 16 << 20;

/// Serves a connection until it closes; `said` was read of it already. `place` is the local address that its listener is found by.
pub async fn serve(
    worker: Rc<Worker>,
    serving: Rc<Serving>,
    mut listener: usize,
    stream: Stream,
    said: Vec<u8>,
    client: Client,
    place: Place,
) {
    let mut exchange =
        Box::new(Exchange::new(Rc::clone(&worker), serving, stream, Facts::new(&worker, client)));
    exchange.facts.buffer = said;
    loop {
        let serving = Rc::clone(&exchange.serving);
        let head = if exchange.facts.client.requests == 0 {
            match first(exchange.next_head(listener), serving.over()).await {
                Either::One(head) => head,
                Either::Other(()) => return,
            }
        } else {
            exchange.next_head(listener).await
        };
        // A reload takes effect between requests.
        let stays = exchange.follow(&place, &mut listener);
        let end = match head {
            Head::Again if stays => continue,
            Head::Again => return,
            Head::Whole => {
                worker.counters().add_writing(1);
                let end = exchange.run_in_time(listener).await;
                worker.counters().add_writing(-1);
                end
            }
            Head::Refused(refusal) => {
                exchange.refuse(listener, refusal).await;
                return;
            }
            Head::Closed { bytes, timed_out } => {
                if bytes && timed_out {
                    exchange.stream.break_off();
                }
                exchange.closed_early(listener, bytes, timed_out);
                return;
            }
        };
        match end {
            End::Keep => {}
            End::Close => return,
            End::Abort => {
                let plan = std::sync::Arc::clone(&exchange.serving.plan);
                if exchange.settings(&plan).client.reset_timed_out
                    && exchange.facts.logged_status == Some(408)
                {
                    exchange.stream.reset_on_close();
                }
                exchange.stream.break_off();
                return;
            }
            End::Tunnel(tunnel) => {
                hand_over(exchange, tunnel);
                return;
            }
        }
    }
}

/// Runs a tunnel in a task of its own: the exchange's future is large, the tunnel's is not.
pub fn hand_over(mut exchange: Box<Exchange>, mut tunnel: Box<Tunnel>) {
    let guard = Open::new(&exchange.worker);
    let serving = Rc::clone(&exchange.serving);
    if let Some(ahead) = log::ahead(&mut exchange, &serving.plan) {
        let Exchange { mut stream, worker, .. } = *exchange;
        let ahead = Box::new(ahead);
        // A plan is remembered only where it may cut the tunnel off.
        let serving = serving.is_impatient().then_some(serving);
        tokio::task::spawn_local(async move {
            match serving {
                Some(serving) => {
                    Box::pin(first(tunnel.run(&mut stream), serving.over())).await;
                }
                None => {
                    tunnel.run(&mut stream).await;
                }
            }
            ahead.end(&worker, &tunnel);
            drop(guard);
        });
        return;
    }
    exchange.facts.shrink();
    exchange.run.shrink();
    tokio::task::spawn_local(async move {
        let serving = Rc::clone(&exchange.serving);
        let ended = match first(tunnel.run(&mut exchange.stream), serving.over()).await {
            Either::One(ended) => ended,
            Either::Other(()) => Ended::Closed,
        };
        exchange.end_tunnel(&tunnel, &ended);
        drop(guard);
    });
}

/// Answers plain HTTP that came where TLS was expected: with status 497, for which recoveries may be written.
pub async fn refuse_plain(
    worker: Rc<Worker>,
    serving: Rc<Serving>,
    stream: Stream,
    client: Client,
    listener: usize,
) {
    let facts = Facts::new(&worker, client);
    let mut exchange = Box::new(Exchange::new(Rc::clone(&worker), serving, stream, facts));
    if !matches!(exchange.next_head(listener).await, Head::Whole) {
        return;
    }
    let serving = Rc::clone(&exchange.serving);
    let plan = &*serving.plan;
    exchange.start_only(plan, listener);
    exchange.log(
        Level::Info,
        format_args!("client sent plain HTTP request to HTTPS port while reading client request headers"),
    );
    exchange.drive(plan, Next::Status(497)).await;
}

/// Counts a client connection while it is open.
#[derive(Debug)]
pub struct Open(Rc<Worker>);

impl Open {
    /// Counts one more.
    pub fn new(worker: &Rc<Worker>) -> Self {
        worker.counters().add_active(1);
        worker.connections.set(worker.connections.get() + 1);
        Self(Rc::clone(worker))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters().add_active(-1);
        self.0.connections.set(self.0.connections.get() - 1);
        if self.0.stopping.get() {
            self.0.drain.notify_waiters();
        }
    }
}

/// Where a connection was accepted: what a listener is found by in any plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A local TCP address, and the address of the socket it was accepted on.
    Tcp {
        /// The address the client connected to.
        local: SocketAddr,
        /// The listening socket's.
        bound: SocketAddr,
    },
    /// A socket in the file system.
    Unix(Rc<std::path::PathBuf>),
}

/// How much of a request line that is not whole is shown.
const LINE_SHOWN: usize = 1024;

impl Exchange {
    /// An exchange that has no request yet.
    pub fn new(worker: Rc<Worker>, serving: Rc<Serving>, stream: Stream, facts: Facts) -> Self {
        Self {
            stream,
            facts,
            run: Run::default(),
            timer: Timer::default(),
            worker,
            serving,
            content: super::content::Content::default(),
            keep: true,
            recovered: false,
            first_error: None,
            answered: false,
            upgraded: false,
            challenges: Vec::new(),
            lasting: Vec::new(),
            kept_fields: Vec::new(),
            kept_own_location: false,
            upload: None,
            directed_limit: None,
            directed_charset: None,
            seat: None,
            limits_checked: false,
            composing: None,
            composed: false,
            included: None,
            page: None,
            checked: false,
            copied: false,
            caching: None,
            parts: None,
            refreshes: false,
            counted: None,
            held: Vec::new(),
            filters: None,
            told: None,
        }
    }

    /// Goes over to the plan in force; `false` when its address is not among those of that plan, and then what was
    /// asked is answered by the old plan and nothing more.
    fn follow(&mut self, place: &Place, listener: &mut usize) -> bool {
        if self.worker.serves(&self.serving) {
            return true;
        }
        let current = self.worker.serving();
        let Some(found) = current.listener(place) else {
            self.facts.head.keep_alive = false;
            return false;
        };
        *listener = found;
        self.facts.plan = std::sync::Arc::clone(&current.plan);
        self.serving = current;
        true
    }

    /// Answers a request, unless its plan was replaced and has no more patience with it.
    pub async fn run_in_time(&mut self, listener: usize) -> End {
        let serving = Rc::clone(&self.serving);
        if !serving.is_impatient() {
            return self.run(listener).await;
        }
        match first(Box::pin(self.run(listener)), serving.over()).await {
            Either::One(end) => end,
            Either::Other(()) => {
                self.write_log(&serving.plan);
                End::Abort
            }
        }
    }

    /// The limits of heads.
    pub fn limits(settings: &Effective) -> Limits {
        let client = &settings.client;
        let (count, each) = client.large_head_buffers;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let buffer = client.head_buffer.max(each);
        // The line end is not counted by these.
        let line = if client.line_limit == 0 { buffer } else { client.line_limit.saturating_add(3) };
        let field = if client.field_limit == 0 { buffer } else { client.field_limit.saturating_add(3) };
        let buffers = client.head_buffer + u64::from(count) * each;
        let fields = if client.fields_limit == 0 { 1000 } else { client.fields_limit };
        let head = match client.field_limit {
            0 => buffers,
            _ => line.saturating_add(field.saturating_mul(fields)),
        };
        Limits {
            line: size(line),
            field: size(field),
            fields: if client.fields_limit == 0 { usize::MAX } else { size(client.fields_limit) },
            head: size(head.min(LONGEST_HEAD.max(buffers))),
            ignore_invalid: client.ignore_invalid_fields,
            underscores: client.underscores,
            single: client.single_fields,
            asterisk: client.asterisk,
        }
    }

    /// Reads the next request's head.
    async fn next_head(&mut self, listener: usize) -> Head {
        let serving = Rc::clone(&self.serving);
        let plan = &*serving.plan;
        let settings = plan.settings(plan.host_settings(plan.config.listeners[listener].default));
        let limits = Self::limits(settings);
        let begun = self.facts.client.requests;
        self.facts.next_request();
        let mut scanned = 0;
        let mut waiting = begun > 0 && self.facts.buffer.is_empty();
        self.facts.pipelined = begun > 0 && !waiting;
        let mut deadline = self.facts.began + settings.client.head_timeout;
        self.worker.counters().add_reading(i64::from(!waiting));
        let head = loop {
            if !self.facts.buffer.is_empty() {
                let parsed = {
                    let Facts { head, buffer, .. } = &mut self.facts;
                    head.parse(buffer, scanned, &limits)
                };
                match parsed {
                    Ok(Parsed::Whole) => break Head::Whole,
                    Ok(Parsed::Partial) => scanned = self.facts.buffer.len(),
                    Err(refusal) => break Head::Refused(refusal),
                }
            }
            let limit = if waiting {
                settings.client.keepalive_timeout
            } else {
                deadline.saturating_duration_since(clock::moment()).max(Duration::from_millis(1))
            };
            if waiting && self.facts.buffer.capacity() > 0 {
                scratch::give(std::mem::take(&mut self.facts.buffer));
            }
            let read = self.read_some(limit, waiting).await;
            match read {
                Ok(0) => break Head::Closed { bytes: !self.facts.buffer.is_empty(), timed_out: false },
                Ok(_) => {
                    if self.facts.request_length == 0 {
                        self.facts.began = clock::moment();
                        self.facts.request_length = 1;
                    }
                    if std::mem::replace(&mut waiting, false) {
                        self.worker.counters().add_reading(1);
                        deadline = self.facts.began + settings.client.head_timeout;
                    }
                }
                Err(Failure::Io(error)) if waiting && error.kind() == io::ErrorKind::Interrupted => {
                    return Head::Again;
                }
                Err(failure) => {
                    let bytes = !self.facts.buffer.is_empty();
                    break Head::Closed { bytes, timed_out: matches!(failure, Failure::TimedOut) };
                }
            }
        };
        self.worker.counters().add_reading(i64::from(waiting) - 1);
        self.facts.client.requests += 1;
        // A connection that closes while nothing is asked has no request (observed: nginx's page of its counters).
        self.worker.counters().add_requests(i64::from(!matches!(head, Head::Closed { bytes: false, .. })));
        self.facts.used = self.facts.head.length;
        self.facts.request_length = self.facts.head.length as u64;
        head
    }

    /// Reads once; a graceful stop ends an idle wait as the client's closing would, another plan interrupts it. So does
    /// the need for room, as long as nothing came of a request.
    async fn read_some(&mut self, limit: Duration, idle: bool) -> Result<usize, Failure> {
        if idle && self.worker.stopping.get() {
            return Ok(0);
        }
        let Self { stream, facts, timer, worker, serving, seat, .. } = self;
        let nothing = facts.buffer.is_empty();
        let read = timed::read(stream, &mut facts.buffer, 16 * 1024);
        if !idle && !nothing {
            return timer.within(limit, read).await;
        }
        let mut read = pin!(read);
        let read_or_told = poll_fn(|cx| {
            if let Poll::Ready(done) = read.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            let seat = seat.get_or_insert_with(|| worker.idle.sit(cx.waker()));
            seat.wait();
            if seat.leaves() || (idle && worker.stopping.get()) {
                return Poll::Ready(Ok(0));
            }
            if idle && !worker.serves(serving) {
                return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
            }
            Poll::Pending
        });
        let done = timer.within(limit, read_or_told).await;
        if let Some(seat) = seat {
            seat.work();
        }
        done
    }

    /// Answers a head that is refused.
    async fn refuse(&mut self, listener: usize, refusal: Refusal) {
        let serving = Rc::clone(&self.serving);
        let plan = &*serving.plan;
        let facts = &mut self.facts;
        if facts.head.line.is_empty() {
            facts.head.line = refusal.line;
        }
        facts.head.version = if refusal.version == 0 { 11 } else { refusal.version };
        facts.refused_head = refusal.is_head;
        facts.request_length = refusal.read as u64;
        let next = if refusal.in_fields { self.choose(plan, listener) } else { Ok(()) };
        if !refusal.in_fields {
            self.facts.head.method = Slice::default();
            self.begin_refused(plan, listener);
        }
        self.keep = false;
        self.content = super::content::Content::default();
        // Where an upstream makes the error page, it must not be promised content of which nothing was read.
        let head = &mut self.facts.head;
        (head.content_length, head.chunked, head.expect_continue) = (None, false, false);
        head.upgrade = None;
        if let Err(next) = next {
            self.drive(plan, next).await;
            return;
        }
        let shown = |slice: Slice| String::from_utf8_lossy(self.facts.slice(slice));
        let mut detail = String::new();
        if !refusal.shown.is_empty() || refusal.bad.is_some() {
            let bad = refusal.bad.map(|byte| format!("\\x{byte:02x}...")).unwrap_or_default();
            detail = format!(": \"{}{bad}\"", shown(refusal.shown));
        }
        if !refusal.earlier.is_empty() {
            detail = format!("{detail}, previous value: \"{}\"", shown(refusal.earlier));
        }
        let doing = if refusal.in_fields { "headers" } else { "line" };
        self.log(
            Level::Info,
            format_args!("{}{detail} while reading client request {doing}", refusal.reason),
        );
        self.drive(plan, Next::Status(refusal.status)).await;
    }

    /// Notes a connection that ended before a head was whole.
    fn closed_early(&mut self, listener: usize, bytes: bool, timed_out: bool) {
        if !bytes {
            return self.closed_idle(listener, timed_out);
        }
        let serving = Rc::clone(&self.serving);
        let plan = &*serving.plan;
        self.begin_refused(plan, listener);
        let what = if timed_out {
            "client timed out (110: Connection timed out)"
        } else {
            "client prematurely closed connection"
        };
        let in_line = self.facts.head.line.is_empty();
        if in_line {
            // What there is of it.
            self.facts.head.line = Slice::new(0, self.facts.buffer.len().min(LINE_SHOWN));
        }
        let doing = if in_line { "line" } else { "headers" };
        self.log(Level::Info, format_args!("{what} while reading client request {doing}"));
        self.facts.logged_status = Some(if timed_out { 408 } else { 400 });
        self.write_log(plan);
    }

    /// Notes a connection that ended while no request was under way. Where it is this side that ends it, between
    /// requests or in order to stop, nothing is said.
    fn closed_idle(&mut self, listener: usize, timed_out: bool) {
        if self.worker.stopping.get() || self.seat.as_ref().is_some_and(Seat::leaves) {
            return;
        }
        let serving = Rc::clone(&self.serving);
        let plan = &*serving.plan;
        let first = self.facts.client.requests <= 1;
        self.run.start(plan, plan.config.listeners[listener].default);
        let client = self.facts.client_ip().map_or_else(|| "unix:".to_owned(), |ip| ip.to_string());
        if !first {
            if !timed_out {
                let message = format_args!("client {client} closed keepalive connection");
                log::connection(&serving.logs, Level::Info, message, self);
            }
            return;
        }
        let what = if timed_out {
            "client timed out (110: Connection timed out)"
        } else {
            "client closed connection"
        };
        let server = self.facts.client.local.map(|address| address.to_string()).unwrap_or_default();
        let message = format_args!("{what} while waiting for request, client: {client}, server: {server}");
        log::connection(&serving.logs, Level::Info, message, self);
    }

    /// Writes what is to be written when a tunnel has ended.
    fn end_tunnel(&mut self, tunnel: &Tunnel, ended: &Ended) {
        let serving = Rc::clone(&self.serving);
        self.facts.end_tunnel(tunnel);
        match ended {
            Ended::Closed => {}
            Ended::TimedOut => self.log(
                Level::Info,
                format_args!(
                    "upstream timed out (110: Connection timed out) while proxying upgraded connection"
                ),
            ),
            Ended::Failed(kind) => self.log(
                Level::Info,
                format_args!("connection failed ({kind}) while proxying upgraded connection"),
            ),
        }
        self.write_log(&serving.plan);
    }

    /// Says that no more will be written.
    pub async fn shut_down(&mut self) {
        let _ = within(Duration::from_secs(1), poll_fn(|cx| self.stream.poll_shutdown(cx))).await;
    }
}
