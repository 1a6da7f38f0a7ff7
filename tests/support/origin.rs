//! The echoing upstream: records the exact bytes of every request and answers as the fixture says.
//!
//! All origins of one fixture share one script and one record. Without a scripted reply an origin answers
//! 200 with its number and the request line, and keeps the connection as the request asks.

use super::calls;
use super::dns;
use super::fixture::{Mode, Reply};
use super::gateways;
use super::ports::{Kind, Ports, kind};
use super::tls;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What one upstream request looked like.
#[derive(Clone, Default, Debug)]
pub(crate) struct Record {
    /// Origin number, and how the connection was.
    pub(crate) title: String,
    /// Head bytes including the closing blank line, or uwsgi variables one to a line.
    pub(crate) head: Vec<u8>,
    /// Content bytes as sent (chunked framing included).
    pub(crate) content: Vec<u8>,
    /// Bytes received after a 101.
    pub(crate) tunnel: Option<Vec<u8>>,
    /// Whether everything above arrived.
    pub(crate) done: bool,
}

#[derive(Default)]
struct Script {
    replies: Vec<Reply>,
    records: Vec<Record>,
    generation: usize,
}

/// State shared by all connections of all origins of a fixture.
#[derive(Default)]
pub(super) struct Shared {
    script: Mutex<Script>,
    changed: Condvar,
    stop: AtomicBool,
}

/// The running origins of one fixture.
pub(crate) struct Origins {
    shared: Arc<Shared>,
    ports: Vec<u16>,
    sockets: Vec<PathBuf>,
    threads: Vec<JoinHandle<()>>,
}

impl Origins {
    /// Starts every origin that `ports` knows, and under `prefix` the unix sockets `origin.sock` (HTTP),
    /// `uwsgi.sock`, `fastcgi.sock` and `scgi.sock`.
    pub(crate) fn start(ports: &Ports, prefix: &Path, tls: &Arc<tls::Material>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (mut opened, mut threads) = (Vec::new(), Vec::new());
        for (&number, &real) in &ports.real {
            if kind(number) == Some(Kind::Names) {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, real))?;
                let shared = Arc::clone(&shared);
                let stopped = move || shared.stop.load(Ordering::SeqCst);
                threads.push(std::thread::spawn(move || dns::serve(&socket, &stopped)));
            }
            let Some(role) = kind(number) else { continue };
            if matches!(role, Kind::Listen | Kind::Names | Kind::Dead) {
                continue;
            }
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, real))?;
            opened.push(real);
            let (shared, tls) = (Arc::clone(&shared), Arc::clone(tls));
            threads.push(std::thread::spawn(move || accept_tcp(&listener, number, role, &shared, &tls)));
        }
        let mut sockets = Vec::new();
        for (name, role) in [
            ("origin.sock", Kind::Http),
            ("uwsgi.sock", Kind::Uwsgi),
            ("fastcgi.sock", Kind::FastCgi),
            ("scgi.sock", Kind::Scgi),
        ] {
            let path = prefix.join(name);
            let listener = UnixListener::bind(&path)?;
            let clone = Arc::clone(&shared);
            threads.push(std::thread::spawn(move || accept_unix(&listener, &clone, role)));
            sockets.push(path);
        }
        Ok(Self { shared, ports: opened, sockets, threads })
    }

    /// Forgets what was, and takes the replies of the next request.
    pub(crate) fn prepare(&self, replies: &[Reply]) {
        let mut script = self.shared.lock();
        script.replies = replies.to_vec();
        script.records.clear();
        script.generation += 1;
    }

    /// Waits (a bounded time) until a request has arrived.
    pub(crate) fn arrival(&self) {
        let script = self.shared.lock();
        let waiting = |script: &mut Script| script.records.is_empty();
        drop(self.shared.changed.wait_timeout_while(script, Duration::from_secs(2), waiting));
    }

    /// What arrived since [`Self::prepare`], once all of it is complete (or a bounded time has passed).
    pub(crate) fn take(&self) -> Vec<Record> {
        let end = Instant::now() + Duration::from_secs(2);
        let mut script = self.shared.lock();
        while script.records.iter().any(|record| !record.done) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            script = self.shared.changed.wait_timeout(script, left).expect("no holder panics").0;
        }
        std::mem::take(&mut script.records)
    }
}

impl Drop for Origins {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for port in &self.ports {
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, *port)));
        }
        for path in &self.sockets {
            drop(UnixStream::connect(path));
        }
        // The ports are bound again at once, for the other server.
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no holder panics")
    }

    pub(super) fn open(&self, record: Record) -> (usize, usize) {
        let mut script = self.lock();
        script.records.push(record);
        self.changed.notify_all();
        (script.generation, script.records.len() - 1)
    }

    pub(super) fn update(&self, (generation, index): (usize, usize), change: impl FnOnce(&mut Record)) {
        let mut script = self.lock();
        if script.generation == generation
            && let Some(record) = script.records.get_mut(index)
        {
            change(record);
        }
        self.changed.notify_all();
    }

    pub(super) fn reply(&self, number: u16) -> Option<Reply> {
        let mut script = self.lock();
        let at =
            script.replies.iter().position(|reply| reply.origin.is_none_or(|origin| origin == number))?;
        Some(script.replies.remove(at))
    }
}

fn accept_tcp(
    listener: &TcpListener,
    number: u16,
    role: Kind,
    shared: &Arc<Shared>,
    tls: &Arc<tls::Material>,
) {
    while let Ok((stream, peer)) = listener.accept() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        // What is unusual is shown: the address a server connected from, and the one it connected to.
        let mut who = number.to_string();
        let to = stream.local_addr().map_or(peer.ip(), |to| to.ip());
        for (word, address) in [("from", peer.ip()), ("at", to)] {
            if address != IpAddr::from(Ipv4Addr::LOCALHOST) {
                who = format!("{who} {word} {address}");
            }
        }
        let (shared, tls) = (Arc::clone(shared), Arc::clone(tls));
        std::thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            let Ok(socket) = stream.try_clone() else { return };
            let reset = move || socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
            match role {
                Kind::Https => {
                    if let Ok((stream, said)) = tls.accept(stream) {
                        converse(stream, number, &format!("{who} https {said}"), &shared, &reset);
                    }
                }
                Kind::SecureUwsgi => {
                    if let Ok((stream, _)) = tls.accept(stream) {
                        gateways::serve(stream, number, Kind::Uwsgi, &shared);
                    }
                }
                Kind::Frames => drop(calls::serve(stream, number, &who, &shared, None)),
                Kind::SecureFrames => {
                    drop(calls::serve(stream, number, &who, &shared, Some(tls.frames_server())));
                }
                Kind::Http => converse(stream, number, &who, &shared, &reset),
                gateway => gateways::serve(stream, number, gateway, &shared),
            }
        });
    }
}

fn accept_unix(listener: &UnixListener, shared: &Arc<Shared>, role: Kind) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || match role {
            Kind::Http => converse(stream, 0, "unix", &shared, &|| Ok(())),
            gateway => gateways::serve(stream, 0, gateway, &shared),
        });
    }
}

/// A buffered reader that also writes.
pub(super) struct Wire<S> {
    pub(super) stream: S,
    pub(super) buffer: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    /// Reads more; false at the end.
    pub(super) fn fill(&mut self) -> bool {
        let mut chunk = [0; 16384];
        match self.stream.read(&mut chunk) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
        }
    }

    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Takes what ends with the first of `marks`.
    pub(super) fn until(&mut self, marks: &[&[u8]]) -> Option<Vec<u8>> {
        loop {
            let ends =
                marks.iter().filter_map(|mark| Some(memchr::memmem::find(&self.buffer, mark)? + mark.len()));
            if let Some(end) = ends.min() {
                return Some(self.take(end));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    pub(super) fn exact(&mut self, count: usize) -> (Vec<u8>, bool) {
        while self.buffer.len() < count {
            if !self.fill() {
                let all = self.buffer.len();
                return (self.take(all), false);
            }
        }
        (self.take(count), true)
    }

    fn chunked(&mut self) -> (Vec<u8>, bool) {
        let mut all = Vec::new();
        loop {
            let Some(line) = self.until(&[b"\n"]) else { return (all, false) };
            let text = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(text.split(';').next().unwrap_or("").trim(), 16).unwrap_or(0);
            all.extend(line);
            if size == 0 {
                while let Some(line) = self.until(&[b"\n"]) {
                    let last = line.len() <= 2;
                    all.extend(line);
                    if last {
                        return (all, true);
                    }
                }
                return (all, false);
            }
            let (data, whole) = self.exact(size + 2);
            all.extend(data);
            if !whole {
                return (all, false);
            }
        }
    }

    pub(super) fn send(&mut self, pieces: &[Vec<u8>]) -> bool {
        for (i, piece) in pieces.iter().enumerate() {
            if i > 0 {
                std::thread::sleep(super::PAUSE);
            }
            if self.stream.write_all(piece).and_then(|()| self.stream.flush()).is_err() {
                return false;
            }
        }
        true
    }
}

/// One field's value in a head, by lower-case name.
fn field(head: &str, name: &str) -> Option<String> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
    })
}

fn converse<S: Read + Write>(
    stream: S,
    number: u16,
    title: &str,
    shared: &Shared,
    reset: &dyn Fn() -> io::Result<()>,
) {
    let mut wire = Wire { stream, buffer: Vec::new() };
    let mut state = "new connection";
    while let Some(head) = wire.until(&[b"\r\n\r\n", b"\n\n"]) {
        let text = String::from_utf8_lossy(&head).into_owned();
        let start = text.lines().next().unwrap_or_default().to_owned();
        let record = Record { title: format!("{title} ({state})"), head, ..Record::default() };
        let id = shared.open(record);
        state = "same connection";
        let scripted = shared.reply(number);
        let early = scripted.as_ref().is_some_and(|reply| reply.mode == Mode::Early);
        if early && let Some(reply) = &scripted {
            wire.send(&reply.pieces);
        }
        let (content, whole) = if field(&text, "transfer-encoding").is_some() {
            wire.chunked()
        } else {
            let length = field(&text, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            wire.exact(length)
        };
        let connection = field(&text, "connection").unwrap_or_default();
        let stays = start.ends_with("HTTP/1.1") && connection != "close";
        let (mode, pieces) = match scripted {
            Some(reply) => (reply.mode, reply.pieces),
            None => (Mode::Http, vec![echo(number, &start, stays)]),
        };
        let switches = pieces.concat().starts_with(b"HTTP/1.1 101");
        let holds = switches || mode == Mode::Hang;
        shared.update(id, |record| {
            record.content = content;
            record.tunnel = switches.then(Vec::new);
            record.done = !holds;
        });
        if !whole || early {
            return;
        }
        let sent = wire.send(&pieces);
        if sent && switches && mode != Mode::Close {
            tunnel(&mut wire, shared, id);
        } else if mode == Mode::Hang {
            while wire.fill() {}
        }
        if holds {
            shared.update(id, |record| record.done = true);
        }
        if mode == Mode::Reset {
            let _ = reset();
            return;
        }
        if !sent || holds || !(mode == Mode::Keep || (mode == Mode::Http && stays)) {
            return;
        }
    }
}

/// Echoes until the peer closes or says BYE.
pub(super) fn tunnel<S: Read + Write>(wire: &mut Wire<S>, shared: &Shared, id: (usize, usize)) {
    loop {
        if !wire.buffer.is_empty() {
            let data = std::mem::take(&mut wire.buffer);
            let last = memchr::memmem::find(&data, b"BYE").is_some();
            let alive = wire.stream.write_all(&data).and_then(|()| wire.stream.flush()).is_ok();
            shared.update(id, |record| {
                if let Some(tunnel) = &mut record.tunnel {
                    tunnel.extend(data);
                }
            });
            if last || !alive {
                return;
            }
        }
        if !wire.fill() {
            return;
        }
    }
}

pub(super) fn echo(number: u16, start: &str, stays: bool) -> Vec<u8> {
    let content = format!("{number} {start}\n");
    let connection = if stays { "" } else { "Connection: close\r\n" };
    let length = content.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{connection}\r\n"
    );
    if start.starts_with("HEAD ") { head.into_bytes() } else { (head + &content).into_bytes() }
}
