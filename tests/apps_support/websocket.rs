//! A WebSocket client (RFC 6455), as much of one as tests need.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::http::{Connection, Response};

/// The key of RFC 6455 § 1.3 and what a server makes of it; one key will do, and saves the hash.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a frame carries (RFC 6455 § 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Kind {
    const ALL: [(Self, u8); 5] =
        [(Self::Text, 1), (Self::Binary, 2), (Self::Close, 8), (Self::Ping, 9), (Self::Pong, 10)];

    fn code(self) -> u8 {
        Self::ALL.iter().find(|(kind, _)| *kind == self).expect("every kind is listed").1
    }

    fn of(code: u8) -> io::Result<Self> {
        let found = Self::ALL.iter().find(|(_, each)| *each == code);
        found
            .map(|(kind, _)| *kind)
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, format!("opcode {code}")))
    }
}

/// A message, its fragments joined, or a control frame.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) payload: Vec<u8>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.payload[..self.payload.len().min(60)];
        write!(f, "{:?} of {}: {:?}", self.kind, self.payload.len(), String::from_utf8_lossy(start))
    }
}

/// An open WebSocket.
pub(crate) struct WebSocket {
    connection: Connection,
    /// The answer to the handshake.
    pub(crate) handshake: Response,
}

impl WebSocket {
    /// Connects and shakes hands; fails with the response when it is not a proper 101.
    pub(crate) fn open(port: u16, target: &str) -> io::Result<Self> {
        let mut connection = Connection::open(port)?;
        connection.send(request(target))?;
        let handshake = connection.response()?;
        if handshake.status != 101 || handshake.field("Sec-WebSocket-Accept") != Some(ACCEPT) {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("not a handshake: {handshake:?}")));
        }
        Ok(Self { connection, handshake })
    }

    /// Waits this long for bytes from now on.
    pub(crate) fn patience(&self, limit: Duration) {
        self.connection.patience(limit);
    }

    /// Sends a whole message or a control frame.
    pub(crate) fn send(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        self.connection.send(frame(true, kind.code(), payload))
    }

    /// Sends a message in fragments of at most `size` bytes.
    pub(crate) fn send_fragments(&mut self, kind: Kind, payload: &[u8], size: usize) -> io::Result<()> {
        let count = payload.chunks(size).count();
        for (index, part) in payload.chunks(size).enumerate() {
            let code = if index == 0 { kind.code() } else { 0 };
            self.connection.send(frame(index + 1 == count, code, part))?;
        }
        Ok(())
    }

    /// Sends a text and reads the next message as text.
    pub(crate) fn ask(&mut self, text: &str) -> io::Result<String> {
        self.send(Kind::Text, text.as_bytes())?;
        let message = self.receive()?;
        Ok(String::from_utf8_lossy(&message.payload).into_owned())
    }

    /// Reads the next message or control frame.
    pub(crate) fn receive(&mut self) -> io::Result<Message> {
        let mut kind = None;
        let mut payload = Vec::new();
        loop {
            let (last, code, part) = self.receive_frame()?;
            // A control frame may come between fragments; no test sends one there.
            payload.extend(part);
            if code != 0 {
                kind = Some(Kind::of(code)?);
            }
            if last {
                let kind =
                    kind.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "continuation of nothing"))?;
                return Ok(Message { kind, payload });
            }
        }
    }

    /// Waits for the end of the stream; whether it came within `limit`, and nothing else did.
    pub(crate) fn closed_within(&mut self, limit: Duration) -> bool {
        self.connection.closed_within(limit)
    }

    /// Says goodbye and reads the answer.
    pub(crate) fn close(&mut self, code: u16, reason: &str) -> io::Result<Message> {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        self.send(Kind::Close, &payload)?;
        self.receive()
    }

    fn receive_frame(&mut self) -> io::Result<(bool, u8, Vec<u8>)> {
        let start = self.connection.exactly(2)?;
        if start[1] & 0x80 != 0 || start[0] & 0x70 != 0 {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("bad frame start {start:02x?}")));
        }
        let length = match start[1] {
            126 => self.connection.exactly(2)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            127 => self.connection.exactly(8)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            short => usize::from(short),
        };
        Ok((start[0] & 0x80 != 0, start[0] & 0x0f, self.connection.exactly(length)?))
    }
}

/// A handshake's request.
pub(crate) fn request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

fn frame(last: bool, code: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0x13, 0xc7, 0x2e];
    let mut bytes = vec![if last { 0x80 | code } else { code }];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65536 => {
            bytes.push(0x80 | 0x7e);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 0x7f);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
