//! Upstreams that answer whatever they are asked, in whichever protocol it is asked, and write down what it was.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    Arrived, gateway, names,
    stage::{FAR, tool},
    tls::{self, Identity, Talk},
};
use crate::cli::say;

/// What arrives, until somebody asks.
type Book = Arc<Mutex<Vec<Arrived>>>;

/// The longest head.
const HEAD: usize = 1 << 20;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(3);

/// The process behind the wire: told the ports and the name servers, it says what arrived whenever it is asked.
pub(super) fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say::result(format!("{why}\n"));
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    say::result("born\n");
    let mut lines = io::stdin().lock().lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    let (ports, servers): (BTreeSet<u16>, BTreeSet<SocketAddr>) =
        serde_json::from_str(&first).map_err(|error| error.to_string())?;
    tool(&["ip", "link", "set", "lo", "up"])?;
    tool(&["ip", "addr", "add", &format!("{FAR}/30"), "dev", "far"])?;
    tool(&["ip", "link", "set", "far", "up"])?;
    tool(&["ip", "route", "add", "local", "default", "dev", "lo"])?;
    let identity = tls::load()?;
    let (book, known) = (Book::default(), names::Known::default());
    for server in servers {
        names::answer_at(server, &known);
    }
    for port in ports {
        let address = SocketAddr::from(([0, 0, 0, 0], port));
        let Ok(listener) = TcpListener::bind(address) else { continue };
        let known = known.clone();
        let name = move |address: SocketAddr| {
            let host = known.name(address.ip()).unwrap_or_else(|| address.ip().to_string());
            format!("{host}:{}", address.port())
        };
        listen(listener, &identity, &book, name);
    }
    say::result("ready\n");
    for line in lines {
        if line.is_err() {
            break;
        }
        let arrived = book.lock().map(|mut book| std::mem::take(&mut *book)).unwrap_or_default();
        say::result(serde_json::to_string(&arrived).unwrap_or_default() + "\n");
    }
    Ok(())
}

/// An upstream beside the servers.
pub(super) fn at_address(at: SocketAddr, identity: &Identity, book: &Book) {
    if let Ok(listener) = TcpListener::bind(at) {
        listen(listener, identity, book, |address: SocketAddr| address.to_string());
    }
}

/// One at a socket of the file system.
pub(super) fn at_socket(path: &Path, name: &str, identity: &Identity, book: &Book) {
    let Ok(listener) = UnixListener::bind(path) else { return };
    let (identity, book, name) = (Arc::clone(identity), Arc::clone(book), name.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let (identity, book, name) = (Arc::clone(&identity), Arc::clone(&book), name.clone());
            std::thread::spawn(move || talk(stream, &name, &identity, &book));
        }
    });
}

fn listen(
    listener: TcpListener,
    identity: &Identity,
    book: &Book,
    name: impl Fn(SocketAddr) -> String + Send + 'static,
) {
    let (identity, book) = (Arc::clone(identity), Arc::clone(book));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(name) = stream.local_addr().ok().map(&name) else { continue };
            let (identity, book) = (Arc::clone(&identity), Arc::clone(&book));
            std::thread::spawn(move || prepared(stream, &name, &identity, &book));
        }
    });
}

fn prepared(stream: TcpStream, name: &str, identity: &Identity, book: &Book) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.set_nodelay(true);
    talk(stream, name, identity, book);
}

/// A stream whose first byte was read already.
struct Begun<S> {
    first: Option<u8>,
    stream: S,
}

impl<S: Read> Read for Begun<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.first.take(), buffer.first_mut()) {
            (Some(byte), Some(place)) => {
                *place = byte;
                Ok(1)
            }
            _ => self.stream.read(buffer),
        }
    }
}

impl<S: Write> Write for Begun<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// One connection.
fn talk<S: Read + Write + 'static>(mut stream: S, name: &str, identity: &Identity, book: &Book) {
    let mut first = [0];
    if stream.read_exact(&mut first).is_err() {
        return;
    }
    let begun = Begun { first: Some(first[0]), stream };
    // A handshake of TLS begins with this kind of record (RFC 8446 § 5.1).
    if first[0] == 0x16 {
        if let Some(mut stream) = tls::accept(begun, identity) {
            let _ = converse(&mut *stream, true, name, book);
        }
        return;
    }
    let mut stream = begun;
    let _ = converse(&mut stream, false, name, book);
}

fn converse(stream: &mut dyn Talk, tls: bool, name: &str, book: &Book) -> io::Result<()> {
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let note = |protocol: &str, head: Vec<u8>| {
        if let Ok(mut book) = book.lock() {
            book.push(Arrived { at: name.to_owned(), protocol: protocol.to_owned(), head });
        }
    };
    if !first[0].is_ascii_uppercase() {
        let (protocol, head) = gateway::read(first[0], &mut *stream)?;
        note(protocol, head);
        stream.write_all(&gateway::answer(protocol))?;
        return stream.flush();
    }
    let mut head = first.to_vec();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    note(if tls { "https" } else { "http" }, head);
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    if text.starts_with("pri * http/2") {
        return Ok(());
    }
    if field("upgrade").is_some() && field("connection").is_some_and(|value| value.contains("upgrade")) {
        let protocol = field("upgrade").unwrap_or_default();
        let switch =
            format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n");
        stream.write_all(switch.as_bytes())?;
        stream.flush()?;
        let _ = stream.read(&mut byte);
        return Ok(());
    }
    content(stream, &field)?;
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nServer: up\r\nContent-Type: text/plain\r\nX-Own: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
    )?;
    if !text.starts_with("head ") {
        stream.write_all(b"ok")?;
    }
    stream.flush()
}

/// Reads what follows the head.
fn content<'t>(stream: &mut dyn Talk, field: &dyn Fn(&str) -> Option<&'t str>) -> io::Result<()> {
    if let Some(length) = field("content-length").and_then(|value| value.parse::<u64>().ok()) {
        io::copy(&mut stream.take(length), &mut io::sink())?;
    } else if field("transfer-encoding").is_some() {
        // The last chunk has no content and may be followed by fields (RFC 9112 § 7.1).
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !(seen.ends_with(b"\r\n0\r\n\r\n") || seen == b"0\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            seen.push(byte[0]);
            if seen.len() > 4096 {
                seen.drain(..2048);
            }
        }
    }
    Ok(())
}
