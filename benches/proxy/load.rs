//! The clients: a closed loop of N connections on one epoll queue, each with one request or message under way.
//!
//! Every answer is checked (status, length, payload); one that is wrong is an error and never a unit of work.

use std::io::{self, IoSlice, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::frames::{self, Frames};
use crate::histogram::Histogram;
use crate::sys::{Epoll, Events};
use crate::wire;

const SCRATCH: usize = 256 * 1024;
/// With no event for this long, the subject hangs.
const STALL: Duration = Duration::from_secs(8);
/// After this many errors a run is not worth finishing.
const ERRORS_MAX: u64 = 100;

/// What the connections do.
#[derive(Clone)]
pub enum Traffic {
    /// Requests in turn, kept-alive connections.
    Requests(Vec<Vec<u8>>),
    /// One request on each connection, which is then closed; the status expected.
    OneShot(Vec<u8>, u16),
    /// A head, then so many bytes of content; kept-alive connections.
    Upload(Vec<u8>, u64),
    /// A handshake, then messages of so many bytes to and fro.
    Echo(Vec<u8>, usize),
    /// A handshake, then whatever comes.
    Push(Vec<u8>),
    /// Requests over HTTP/2, one at a time on each connection.
    Frames,
}

/// One run: traffic, over so many connections, for so long.
pub struct Job<'a> {
    pub address: SocketAddr,
    /// Whether over TLS.
    pub tls: bool,
    pub connections: usize,
    pub traffic: &'a Traffic,
    pub warm: Duration,
    pub measured: Duration,
}

/// What the clients saw between the two samples.
pub struct Outcome {
    pub units: u64,
    /// Content or tunnel bytes, in the direction that the traffic is about.
    pub bytes: u64,
    pub time: Duration,
    pub errors: u64,
    pub first_error: Option<String>,
    pub latency: Histogram,
}

/// Runs a job. `sample` is called when the warm-up is over and when the measured time is, on this thread, so that
/// what it reads and what is counted are of the same stretch of time.
pub fn run<T>(job: &Job, mut sample: impl FnMut() -> T) -> Result<(Outcome, T, T)> {
    let mut clients = Clients::new(job)?;
    let start = Instant::now();
    clients.drive(start + job.warm)?;
    let before = sample();
    let from = clients.forget();
    clients.drive(from + job.measured)?;
    clients.outcome.time = from.elapsed();
    let after = sample();
    Ok((clients.outcome, before, after))
}

struct Clients<'a> {
    job: &'a Job<'a>,
    epoll: Epoll,
    connections: Vec<Connection>,
    outcome: Outcome,
    next_request: usize,
    message: Vec<u8>,
    reply: Vec<u8>,
    filler: Vec<u8>,
    scratch: Vec<u8>,
    tls: Option<Arc<rustls::ClientConfig>>,
}

struct Connection {
    stream: Line,
    phase: Phase,
    /// A head or message that has not arrived whole.
    arrived: Vec<u8>,
    request: usize,
    written: usize,
    /// Content of an upload still to write.
    upload: u64,
    began: Instant,
    watched_for_write: bool,
    frames: Frames,
}

/// A connection to the subject.
enum Line {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Line {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_vectored(parts),
            Self::Tls(stream) => {
                stream.write(parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |it| &it[..]))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Phase {
    Head,
    /// Content of a response still to read.
    Content(u64),
    /// Content in chunks, and the last bytes of it.
    Chunks([u8; 7]),
    Tunnel,
}

/// What a connection does next.
enum Step {
    Wait,
    Done,
    Failed(String),
}

impl<'a> Clients<'a> {
    fn new(job: &'a Job<'a>) -> Result<Self> {
        let payload = |length: &usize| (0..*length).map(|at| at as u8).collect::<Vec<u8>>();
        let (message, reply) = match job.traffic {
            Traffic::Echo(_, length) => {
                (wire::client_frame(&payload(length)), wire::server_frame(&payload(length)))
            }
            _ => (Vec::new(), Vec::new()),
        };
        let mut clients = Self {
            job,
            epoll: Epoll::new()?,
            connections: Vec::new(),
            outcome: Outcome {
                units: 0,
                bytes: 0,
                time: Duration::ZERO,
                errors: 0,
                first_error: None,
                latency: Histogram::new(),
            },
            next_request: 0,
            message,
            reply,
            filler: if matches!(job.traffic, Traffic::Upload(..)) { vec![b'u'; SCRATCH] } else { Vec::new() },
            scratch: vec![0; SCRATCH],
            tls: job.tls.then(frames::trusting),
        };
        for slot in 0..job.connections {
            let stream = clients.connect(slot)?;
            clients.connections.push(Connection::new(stream));
            clients.begin(slot);
        }
        Ok(clients)
    }

    fn connect(&self, slot: usize) -> Result<Line> {
        let stream = connect(self.job.address)?;
        stream.set_nonblocking(true)?;
        self.epoll.add(&stream, slot, false)?;
        let Some(config) = &self.tls else { return Ok(Line::Plain(stream)) };
        let name = wire::HOST.try_into().context("a name")?;
        let session = rustls::ClientConnection::new(Arc::clone(config), name).context("TLS")?;
        Ok(Line::Tls(Box::new(rustls::StreamOwned::new(session, stream))))
    }

    /// Starts the count afresh: what came before was warm-up. Errors are kept.
    fn forget(&mut self) -> Instant {
        self.outcome.units = 0;
        self.outcome.bytes = 0;
        self.outcome.latency.clear();
        Instant::now()
    }

    fn drive(&mut self, until: Instant) -> Result<()> {
        let mut events = Events::new(256);
        let mut last = Instant::now();
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            let wait = (until - now).min(Duration::from_millis(200)).max(Duration::from_millis(1));
            self.epoll.wait(&mut events, wait)?;
            let mut any = false;
            for event in events.iter() {
                any = true;
                self.turn(event.token, event.readable)?;
            }
            if any {
                last = now;
            } else if now - last > STALL {
                bail!("no answer for {} s", STALL.as_secs());
            }
            if self.outcome.errors > ERRORS_MAX {
                bail!("too many errors, the first: {}", self.outcome.first_error.as_deref().unwrap_or("?"));
            }
        }
    }

    fn turn(&mut self, slot: usize, readable: bool) -> Result<()> {
        if readable {
            match self.receive(slot) {
                Step::Wait => {}
                Step::Done => {
                    let took = self.connections[slot].began.elapsed();
                    self.outcome.latency.record(took);
                    self.outcome.units += 1;
                    if matches!(self.job.traffic, Traffic::OneShot(..)) {
                        self.replace(slot)?;
                    }
                    self.begin(slot);
                }
                Step::Failed(why) => {
                    self.outcome.errors += 1;
                    self.outcome.first_error.get_or_insert(why);
                    self.replace(slot)?;
                    self.begin(slot);
                }
            }
        }
        self.send(slot);
        Ok(())
    }

    fn replace(&mut self, slot: usize) -> Result<()> {
        let fresh = self.connect(slot).context("connecting anew")?;
        self.connections[slot] = Connection::new(fresh);
        Ok(())
    }

    /// Queues the next request or message of a connection and writes what the socket takes.
    fn begin(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        connection.began = Instant::now();
        connection.written = 0;
        connection.request = self.next_request;
        if let Traffic::Upload(_, length) = self.job.traffic {
            connection.upload = *length;
        }
        if matches!(self.job.traffic, Traffic::Frames) {
            connection.frames.ask();
        }
        if let Traffic::Requests(list) = self.job.traffic {
            self.next_request = (self.next_request + 1) % list.len();
        }
        self.send(slot);
    }

    /// Writes until it is all out or the socket is full. An error shows when the connection is read.
    fn send(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        let head: &[u8] = match (&connection.phase, self.job.traffic) {
            (Phase::Tunnel, _) => &self.message,
            (_, Traffic::Frames) => connection.frames.out(),
            (_, Traffic::Requests(list)) => &list[connection.request],
            (
                _,
                Traffic::OneShot(head, _)
                | Traffic::Upload(head, _)
                | Traffic::Echo(head, _)
                | Traffic::Push(head),
            ) => head,
        };
        let mut full = false;
        while connection.written < head.len() || connection.upload > 0 {
            let rest = &head[connection.written..];
            let content = &self.filler[..connection.upload.min(self.filler.len() as u64) as usize];
            match connection.stream.write_vectored(&[IoSlice::new(rest), IoSlice::new(content)]) {
                Ok(n) => {
                    let of_head = n.min(rest.len());
                    connection.written += of_head;
                    connection.upload -= (n - of_head) as u64;
                    self.outcome.bytes += (n - of_head) as u64;
                }
                Err(e) => {
                    full = e.kind() == io::ErrorKind::WouldBlock;
                    break;
                }
            }
        }
        if full != connection.watched_for_write
            && self.epoll.modify(connection.stream.socket(), slot, full).is_ok()
        {
            connection.watched_for_write = full;
        }
    }

    fn receive(&mut self, slot: usize) -> Step {
        // One read may leave what TLS already took from the socket.
        loop {
            let step = self.receive_once(slot);
            let tls = matches!(self.connections[slot].stream, Line::Tls(_));
            let waits = |connection: &Connection| match &connection.stream {
                Line::Tls(stream) => !stream.conn.wants_read(),
                Line::Plain(_) => false,
            };
            if !tls || !matches!(step, Step::Wait) || !waits(&self.connections[slot]) {
                return step;
            }
        }
    }

    fn receive_once(&mut self, slot: usize) -> Step {
        let connection = &mut self.connections[slot];
        let n = match connection.stream.read(&mut self.scratch) {
            Ok(0) => return Step::Failed("closed before the answer was complete".into()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Step::Wait,
            Err(e) => return Step::Failed(e.to_string()),
        };
        let bytes = &self.scratch[..n];
        if matches!(self.job.traffic, Traffic::Frames) {
            return match connection.frames.take(bytes, &mut self.outcome.bytes) {
                Ok(true) => Step::Done,
                Ok(false) => Step::Wait,
                Err(why) => Step::Failed(why),
            };
        }
        match connection.phase {
            Phase::Chunks(last) => take_chunks(connection, &mut self.outcome, last, bytes),
            Phase::Head if connection.arrived.is_empty() => self.take_head(slot, n),
            Phase::Head => {
                let mut whole = mem::take(&mut connection.arrived);
                whole.extend_from_slice(bytes);
                if whole.len() > self.scratch.len() {
                    return Step::Failed("a head of 256 KiB".into());
                }
                self.scratch[..whole.len()].copy_from_slice(&whole);
                self.take_head(slot, whole.len())
            }
            Phase::Content(left) => take_content(connection, &mut self.outcome, left, n as u64),
            Phase::Tunnel => self.take_message(slot, n),
        }
    }

    /// Reads the head in the first `n` bytes of the scratch buffer.
    fn take_head(&mut self, slot: usize, n: usize) -> Step {
        let connection = &mut self.connections[slot];
        let bytes = &self.scratch[..n];
        let Some(end) = wire::head_end(bytes) else {
            connection.arrived.extend_from_slice(bytes);
            return Step::Wait;
        };
        let expected = match self.job.traffic {
            Traffic::OneShot(_, status) => *status,
            Traffic::Echo(..) | Traffic::Push(_) => 101,
            Traffic::Requests(_) | Traffic::Upload(..) | Traffic::Frames => 200,
        };
        let head = &bytes[..end];
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
        if status != Some(expected) {
            let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
            return Step::Failed(format!("answered `{}`", String::from_utf8_lossy(line)));
        }
        if expected == 101 {
            if wire::field(head, "sec-websocket-accept") != Some(wire::WEBSOCKET_ACCEPT.as_bytes()) {
                return Step::Failed("a handshake without the origin's Sec-WebSocket-Accept".into());
            }
            return match self.job.traffic {
                Traffic::OneShot(..) => Step::Done,
                Traffic::Echo(..) => {
                    connection.phase = Phase::Tunnel;
                    self.begin(slot);
                    Step::Wait
                }
                _ => {
                    connection.phase = Phase::Tunnel;
                    self.outcome.bytes += (n - end) as u64;
                    Step::Wait
                }
            };
        }
        if wire::field(head, "transfer-encoding") == Some(b"chunked") {
            return take_chunks(connection, &mut self.outcome, [0; 7], &bytes[end..]);
        }
        let Some(length) = wire::content_length(head) else {
            return Step::Failed("a response without Content-Length".into());
        };
        if connection.upload > 0 {
            return Step::Failed("answered before the request was complete".into());
        }
        take_content(connection, &mut self.outcome, length, (n - end) as u64)
    }

    fn take_message(&mut self, slot: usize, n: usize) -> Step {
        if matches!(self.job.traffic, Traffic::Push(_)) {
            self.outcome.bytes += n as u64;
            return Step::Wait;
        }
        let connection = &mut self.connections[slot];
        connection.arrived.extend_from_slice(&self.scratch[..n]);
        if !self.reply.starts_with(&connection.arrived) {
            return Step::Failed("another message than was sent".into());
        }
        if connection.arrived.len() < self.reply.len() {
            return Step::Wait;
        }
        connection.arrived.clear();
        Step::Done
    }
}

impl Connection {
    fn new(stream: Line) -> Self {
        Self {
            frames: Frames::default(),
            stream,
            phase: Phase::Head,
            arrived: Vec::new(),
            request: 0,
            written: 0,
            upload: 0,
            began: Instant::now(),
            watched_for_write: false,
        }
    }
}

/// Counts `n` bytes of the content, of which `left` are expected.
fn take_content(connection: &mut Connection, outcome: &mut Outcome, left: u64, n: u64) -> Step {
    if n > left {
        return Step::Failed("more content than Content-Length says".into());
    }
    outcome.bytes += n;
    if n < left {
        connection.phase = Phase::Content(left - n);
        return Step::Wait;
    }
    connection.phase = Phase::Head;
    Step::Done
}

/// Looks for the end of content in chunks.
fn take_chunks(connection: &mut Connection, outcome: &mut Outcome, last: [u8; 7], bytes: &[u8]) -> Step {
    outcome.bytes += bytes.len() as u64;
    let tail = [&last[..], &bytes[bytes.len().saturating_sub(7)..]].concat();
    let tail = *tail.last_chunk::<7>().unwrap_or(&last);
    if tail == *b"\r\n0\r\n\r\n" {
        connection.phase = Phase::Head;
        return Step::Done;
    }
    connection.phase = Phase::Chunks(tail);
    Step::Wait
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).context("connecting")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// One GET on a connection of its own: status line and content.
pub fn fetch(address: SocketAddr, target: &str, host: &str) -> Result<(String, Vec<u8>)> {
    let mut stream = connect(address)?;
    stream.write_all(&wire::get_and_close(target, host))?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = wire::head_end(&bytes).context("no whole head in the answer")?;
    let content = bytes.split_off(end);
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    Ok((String::from_utf8_lossy(line).into_owned(), content))
}

/// Opens a tunnel, which then lies idle.
pub fn open_tunnel(address: SocketAddr, handshake: &[u8]) -> Result<TcpStream> {
    let mut stream = connect(address)?;
    stream.write_all(handshake)?;
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while wire::head_end(&head).is_none() {
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            bail!("closed during the handshake");
        }
        head.extend_from_slice(&chunk[..n]);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        bail!("handshake answered `{}`", String::from_utf8_lossy(&head[..head.len().min(40)]).escape_debug());
    }
    Ok(stream)
}

/// Sends a message through a tunnel and waits for its echo.
pub fn echo_once(tunnel: &mut TcpStream) -> Result<()> {
    let payload = b"still there?";
    tunnel.write_all(&wire::client_frame(payload))?;
    let mut reply = vec![0; payload.len() + 2];
    tunnel.read_exact(&mut reply)?;
    if reply != wire::server_frame(payload) {
        bail!("an idle tunnel answered something else");
    }
    Ok(())
}
