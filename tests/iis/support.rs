//! A server under test, origins behind it, and requests to it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) use crate::ports::free as port;

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("triglot-iis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server; it ends with the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Runs a file or a folder, and waits until a port takes connections.
    pub(crate) fn start(what: &Path, arguments: &[&str], port: u16) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_triglot"))
            .arg("run")
            .arg(what)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (mut stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut bytes) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        let mut server = Self { child, said };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "not started: {}", server.said());
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// What it said on standard error.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it said something.
    pub(crate) fn hear(&self, text: &str) {
        let began = Instant::now();
        while !self.said().contains(text) {
            assert!(began.elapsed() < PATIENCE, "never said {text:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An origin: every request's head is given to a function that writes the answer.
pub(crate) struct Origin {
    pub(crate) port: u16,
    pub(crate) seen: Arc<AtomicU32>,
}

type Answer = dyn Fn(&str, &mut TcpStream) + Send + Sync;

impl Origin {
    pub(crate) fn start(address: &str, port: u16, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind((address, port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                std::thread::spawn(move || serve(stream, &*answer, &count));
            }
        });
        Self { port, seen }
    }

    /// Requests seen since last asked.
    pub(crate) fn taken(&self) -> u32 {
        self.seen.swap(0, Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, answer: &Answer, count: &AtomicU32) {
    let mut data = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        while !data.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut bytes) {
                Ok(length @ 1..) => data.extend_from_slice(&bytes[..length]),
                _ => return,
            }
        }
        let end = data.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&data[..end]).into_owned();
        data.drain(..end);
        if !head.contains("/health") {
            count.fetch_add(1, Ordering::Relaxed);
        }
        answer(&head, &mut stream);
        if head.contains("Connection: close") {
            return;
        }
    }
}

/// Writes a small answer.
pub(crate) fn say(stream: &mut TcpStream, status: &str, fields: &str, content: &str) {
    let text = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{content}", content.len());
    let _ = stream.write_all(text.as_bytes());
}

/// An answer as text.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
}

impl Reply {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let of = |line: &str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| of(line)).and_then(|line| Some(line.split_once(':')?.1.trim()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// Asks once, on a connection of its own.
pub(crate) fn get(port: u16, path: &str, fields: &str) -> Reply {
    try_get(port, path, fields).unwrap_or_else(|why| panic!("{path}: {why}"))
}

pub(crate) fn try_get(port: u16, path: &str, fields: &str) -> std::io::Result<Reply> {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}Connection: close\r\n\r\n"))
}

/// Asks as it is written.
pub(crate) fn ask(port: u16, request: &str) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut data = Vec::new();
    stream.read_to_end(&mut data)?;
    let end = data.windows(4).position(|end| end == b"\r\n\r\n");
    let end = end.ok_or_else(|| std::io::Error::other("no head"))? + 4;
    let head = String::from_utf8_lossy(&data[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let mut content = data.split_off(end);
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        content = dechunked(&content);
    }
    Ok(Reply { status, head, content })
}

fn dechunked(mut data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = data.windows(2).position(|end| end == b"\r\n") {
        let line = String::from_utf8_lossy(&data[..end]);
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        if length == 0 {
            break;
        }
        out.extend_from_slice(&data[end + 2..end + 2 + length]);
        data = &data[end + 4 + length..];
    }
    out
}
