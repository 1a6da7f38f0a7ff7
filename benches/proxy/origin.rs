//! The server behind the proxies: one thread, one epoll queue, no work that the proxy would have to wait for.
//!
//! `GET /...?s=N` answers N bytes (1,024 without it); `?head` answers the head that arrived, so that a run can check
//! what the proxy sent; a POST is read to its end; an upgrade echoes messages, or pushes 64 KiB frames when the target
//! contains `push`.

use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::sys::{self, Epoll, Events};
use crate::wire;

const LISTENER: usize = usize::MAX;
const SCRATCH: usize = 256 * 1024;
/// Content up to this size leaves in one write with its head.
const JOINED: u64 = 64 * 1024;
/// Frames written before the other connections get their turn.
const PUSHES_PER_TURN: usize = 4;

/// Starts the origin on a port the system chooses, on the given CPU; it serves until the process ends.
pub fn start(cpu: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let origin = Origin::new(listener)?;
    thread::Builder::new().name("origin".into()).spawn(move || {
        sys::pin(cpu)?;
        origin.serve()
    })?;
    Ok(address)
}

struct Origin {
    epoll: Epoll,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    scratch: Vec<u8>,
    filler: Vec<u8>,
    push: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    state: State,
    /// Bytes that arrived and are not a whole head or frame yet.
    arrived: Vec<u8>,
    out: Vec<u8>,
    written: usize,
    /// Content that follows `out`.
    content: u64,
    close: bool,
    watched_for_write: bool,
}

#[derive(Clone, Copy)]
enum State {
    Head,
    Content(u64),
    Echo,
    /// Bytes of the current frame that are written.
    Push(usize),
}

impl Origin {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(&listener, LISTENER, false)?;
        Ok(Self {
            epoll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            scratch: vec![0; SCRATCH],
            filler: vec![b'x'; SCRATCH],
            push: wire::server_frame(&vec![b'p'; wire::PUSH_PAYLOAD]),
        })
    }

    fn serve(mut self) -> io::Result<()> {
        let mut events = Events::new(256);
        loop {
            self.epoll.wait(&mut events, Duration::from_mins(1))?;
            for event in events.iter() {
                if event.token == LISTENER {
                    self.accept()?;
                } else {
                    self.turn(event.token, event.readable);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(e) => return Err(e),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            self.epoll.add(&stream, slot, false)?;
            self.connections[slot] = Some(Connection::new(stream));
        }
    }

    /// Lets one connection go on as far as it can; an end or an error takes it away.
    fn turn(&mut self, slot: usize, readable: bool) {
        let Some(connection) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return };
        let mut open = true;
        if readable {
            open = connection.receive(&mut self.scratch);
        }
        if open {
            open = connection.send(&self.filler, &self.push);
        }
        if open {
            let want = connection.blocked();
            if want != connection.watched_for_write {
                connection.watched_for_write = want;
                open = self.epoll.modify(&connection.stream, slot, want).is_ok();
            }
        }
        if !open {
            self.connections[slot] = None;
            self.free.push(slot);
        }
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            state: State::Head,
            arrived: Vec::new(),
            out: Vec::new(),
            written: 0,
            content: 0,
            close: false,
            watched_for_write: false,
        }
    }

    /// Reads once and queues what it asks for; false when the connection is over.
    fn receive(&mut self, scratch: &mut [u8]) -> bool {
        let n = match self.stream.read(scratch) {
            Ok(0) => return false,
            Ok(n) => n,
            Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
        };
        let mut bytes = &scratch[..n];
        if let State::Content(left) = self.state {
            let taken = left.min(n as u64);
            bytes = &bytes[taken as usize..];
            self.state = State::Content(left - taken);
            if left == taken {
                self.finish_content();
            }
        }
        self.arrived.extend_from_slice(bytes);
        self.advance();
        true
    }

    fn advance(&mut self) {
        loop {
            match self.state {
                State::Head if matches!(self.arrived.first(), Some(0 | 1)) => {
                    if !self.gateway() {
                        return;
                    }
                }
                State::Head => {
                    let Some(end) = wire::head_end(&self.arrived) else { return };
                    let head: Vec<u8> = self.arrived.drain(..end).collect();
                    self.answer(&head);
                }
                State::Content(left) => {
                    let taken = left.min(self.arrived.len() as u64);
                    self.arrived.drain(..taken as usize);
                    self.state = State::Content(left - taken);
                    if left != taken {
                        return;
                    }
                    self.finish_content();
                }
                State::Echo => {
                    let Some((payload, next)) = wire::take_frame(&mut self.arrived) else { return };
                    self.out.extend(wire::server_frame(&self.arrived[payload]));
                    self.arrived.drain(..next);
                }
                State::Push(_) => {
                    self.arrived.clear();
                    return;
                }
            }
        }
    }

    fn answer(&mut self, head: &[u8]) {
        let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let target = line.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        let connection = wire::field(head, "connection");
        let says = |word: &[u8]| connection.is_some_and(|value| value.eq_ignore_ascii_case(word));
        self.close = says(b"close") || (line.ends_with(b"HTTP/1.0") && !says(b"keep-alive"));
        if wire::field(head, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            self.upgrade(head, target);
        } else if line.starts_with(b"POST ") {
            match wire::content_length(head) {
                Some(length) => self.state = State::Content(length),
                None => self.refuse("411 Length Required"),
            }
        } else if target.ends_with(b"?head") {
            self.reply(head.len() as u64);
            self.out.extend_from_slice(head);
        } else {
            let length = memchr::memmem::find(target, b"s=")
                .and_then(|at| std::str::from_utf8(&target[at + 2..]).ok())
                .map_or(Some(1024), |digits| digits.parse().ok());
            match length {
                Some(length) => {
                    self.reply(length);
                    self.content = length;
                }
                None => self.refuse("400 Bad Request"),
            }
        }
    }

    /// A request over uwsgi, which begins with 0, or over `FastCGI`, which begins with 1; false while it is not whole.
    fn gateway(&mut self) -> bool {
        let content = [b'x'; 1024];
        let head = b"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n";
        if self.arrived[0] == 0 {
            let &[_, low, high, _, ..] = self.arrived.as_slice() else { return false };
            let end = 4 + usize::from(u16::from_le_bytes([low, high]));
            if self.arrived.len() < end {
                return false;
            }
            self.arrived.drain(..end);
            self.close = true;
            self.out.extend_from_slice(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n",
            );
            self.out.extend_from_slice(&content);
            return true;
        }
        let mut at = 0;
        loop {
            let Some(&[_, kind, high, low, long, length, padding, _]) = self.arrived[at..].first_chunk::<8>()
            else {
                return false;
            };
            let length = u16::from_be_bytes([long, length]);
            at += 8 + usize::from(length) + usize::from(padding);
            if self.arrived.len() < at {
                return false;
            }
            // Standard input ends with an empty record.
            if (kind, length) == (5, 0) {
                self.arrived.drain(..at);
                self.close = false;
                let [long, short] = ((head.len() + content.len()) as u16).to_be_bytes();
                self.out.extend_from_slice(&[1, 6, high, low, long, short, 0, 0]);
                self.out.extend_from_slice(head);
                self.out.extend_from_slice(&content);
                self.out.extend_from_slice(&[1, 3, high, low, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                return true;
            }
        }
    }

    fn finish_content(&mut self) {
        self.state = State::Head;
        self.reply(3);
        self.out.extend_from_slice(b"ok\n");
    }

    fn upgrade(&mut self, head: &[u8], target: &[u8]) {
        if wire::field(head, "sec-websocket-key") != Some(wire::WEBSOCKET_KEY.as_bytes()) {
            return self.refuse("400 Bad Request");
        }
        let accept = wire::WEBSOCKET_ACCEPT;
        self.out.extend_from_slice(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )
            .as_bytes(),
        );
        self.close = false;
        self.state =
            if memchr::memmem::find(target, b"push").is_some() { State::Push(0) } else { State::Echo };
    }

    fn reply(&mut self, length: u64) {
        let connection = if self.close { "Connection: close\r\n" } else { "" };
        self.out.extend_from_slice(
            format!(
                "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
                 Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n{connection}\r\n"
            )
            .as_bytes(),
        );
    }

    fn refuse(&mut self, status: &str) {
        self.close = true;
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        self.out.extend_from_slice(text.as_bytes());
    }

    fn blocked(&self) -> bool {
        self.written < self.out.len() || self.content > 0 || matches!(self.state, State::Push(_))
    }

    /// Writes what is queued; false when the connection is over.
    fn send(&mut self, filler: &[u8], push: &[u8]) -> bool {
        if (1..=JOINED).contains(&self.content) {
            self.out.extend_from_slice(&filler[..self.content as usize]);
            self.content = 0;
        }
        while self.written < self.out.len() || self.content > 0 {
            let head = &self.out[self.written..];
            let content = &filler[..self.content.min(filler.len() as u64) as usize];
            match self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(content)]) {
                Ok(n) => {
                    let of_head = n.min(head.len());
                    self.written += of_head;
                    self.content -= (n - of_head) as u64;
                }
                Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
            }
        }
        self.out.clear();
        self.written = 0;
        if let State::Push(at) = self.state {
            return self.push(at, push);
        }
        !(self.close && matches!(self.state, State::Head))
    }

    fn push(&mut self, mut at: usize, frame: &[u8]) -> bool {
        for _ in 0..PUSHES_PER_TURN {
            match self.stream.write(&frame[at..]) {
                Ok(n) => at = (at + n) % frame.len(),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        self.state = State::Push(at);
        true
    }
}
