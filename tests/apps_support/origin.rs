//! A small upstream in the test's own process, whose answers the test can hold back.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Answers `/held/KEY` when `release(KEY)` is called, turns an upgrade into a byte echo, and everything else into `ok`.
pub(crate) struct Origin {
    port: u16,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    // false: a request is waiting; true: it may go.
    keys: Mutex<HashMap<String, bool>>,
    changed: Condvar,
}

impl Origin {
    /// Starts it on a port of its own; it lives as long as the process.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let gate = Arc::new(Gate::default());
        let shared = Arc::clone(&gate);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let gate = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &gate));
            }
        });
        Self { port, gate }
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until the request for `/held/KEY` has arrived.
    #[track_caller]
    pub(crate) fn wait_held(&self, key: &str) {
        let keys = self.gate.keys.lock().expect("no holder panics");
        let waiting = |keys: &mut HashMap<String, bool>| !keys.contains_key(key);
        let waited = self.gate.changed.wait_timeout_while(keys, super::wait::SOON, waiting);
        let in_vain = waited.expect("no holder panics").1.timed_out();
        assert!(!in_vain, "the request for /held/{key} never reached the upstream");
    }

    /// Lets the request for `/held/KEY` be answered.
    pub(crate) fn release(&self, key: &str) {
        self.gate.keys.lock().expect("no holder panics").insert(key.to_owned(), true);
        self.gate.changed.notify_all();
    }
}

fn serve(stream: TcpStream, gate: &Gate) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        std::io::copy(&mut reader.by_ref().take(length.unwrap_or(0)), &mut std::io::sink()).ok()?;
        let target = head.split(' ').nth(1).unwrap_or_default();
        if head.to_ascii_lowercase().contains("\r\nupgrade:") {
            writer
                .write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n",
                )
                .ok()?;
            return echo(&mut reader, &mut writer);
        }
        if let Some(key) = target.strip_prefix("/held/") {
            gate.hold(key);
        }
        // No field says `close`: after an HTTP/1.0 request the stream's end does, after 1.1 the proxy decides.
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()?;
        if head.to_ascii_lowercase().contains("connection: close") || head.contains("HTTP/1.0\r\n") {
            return None;
        }
    }
}

impl Gate {
    fn hold(&self, key: &str) {
        let mut keys = self.keys.lock().expect("no holder panics");
        keys.entry(key.to_owned()).or_insert(false);
        self.changed.notify_all();
        let closed = |keys: &mut HashMap<String, bool>| keys.get(key) == Some(&false);
        drop(self.changed.wait_timeout_while(keys, Duration::from_mins(1), closed));
    }
}

fn echo(reader: &mut impl Read, writer: &mut impl Write) -> Option<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = reader.read(&mut buffer).ok()?;
        if count == 0 {
            return None;
        }
        writer.write_all(&buffer[..count]).ok()?;
    }
}
