//! A client that shows the bytes: one connection, requests as text, responses in parts.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a client waits for bytes before it says so.
const PATIENCE: Duration = Duration::from_secs(20);

/// A response, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The head as received.
    pub(crate) head: String,
    /// The content, chunks joined.
    pub(crate) content: Vec<u8>,
}

impl Response {
    /// A field's value.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The content as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// A connection and what was read from it ahead of need.
pub(crate) struct Connection {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Connection {
    /// Connects to a port of this machine.
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// Waits this long for bytes from now on.
    pub(crate) fn patience(&self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).expect("a limit above zero can be set");
    }

    /// Whether nothing was read that no response has taken.
    pub(crate) fn untouched(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a GET that leaves the connection open, and reads the answer.
    pub(crate) fn get(&mut self, target: &str) -> io::Result<Response> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        self.response()
    }

    /// Reads one response; the end of the stream before its first byte is `UnexpectedEof` with nothing in it.
    pub(crate) fn response(&mut self) -> io::Result<Response> {
        let head = String::from_utf8_lossy(&self.through(b"\r\n\r\n")?).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status =
            status.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, format!("no status in {head:?}")))?;
        let mut response = Response { status, head, content: Vec::new() };
        if status < 200 || status == 204 || status == 304 {
            return Ok(response);
        }
        let chunked =
            response.field("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let length = response.field("Content-Length").and_then(|value| value.parse::<usize>().ok());
        response.content = match length {
            _ if chunked => self.chunks()?,
            Some(length) => self.exactly(length)?,
            None => self.rest()?,
        };
        Ok(response)
    }

    /// Reads exactly so many bytes.
    pub(crate) fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            if self.more()? == 0 {
                return Err(self.ended());
            }
        }
        Ok(self.ahead.drain(..length).collect())
    }

    /// Reads to the end of the stream.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.more()? > 0 {}
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Waits for the other side's end; whether it came within `limit`, and nothing else did.
    pub(crate) fn closed_within(&mut self, limit: Duration) -> bool {
        self.patience(limit);
        match self.more() {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let line = String::from_utf8_lossy(&self.through(b"\r\n")?).into_owned();
            let digits = line.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(digits, 16)
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            if size == 0 {
                while self.through(b"\r\n")? != b"\r\n" {}
                return Ok(content);
            }
            content.extend(self.exactly(size)?);
            self.exactly(2)?;
        }
    }

    fn through(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|window| window == end) {
                return Ok(self.ahead.drain(..at + end.len()).collect());
            }
            if self.more()? == 0 {
                return Err(self.ended());
            }
        }
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16_384];
        let count = loop {
            match self.stream.read(&mut buffer) {
                // A signal for this process is no answer.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn ended(&self) -> io::Error {
        let read = String::from_utf8_lossy(&self.ahead);
        io::Error::new(ErrorKind::UnexpectedEof, format!("the stream ended after {read:?}"))
    }
}

/// One GET on a connection of its own.
#[track_caller]
pub(crate) fn get(port: u16, target: &str) -> Response {
    let ask = || -> io::Result<Response> {
        let mut connection = Connection::open(port)?;
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))?;
        connection.response()
    };
    ask().unwrap_or_else(|error| panic!("GET {target} on port {port}: {error}"))
}
