//! The client: one request on a connection of its own, from an address and a port that the job says.

use std::{
    io::{self, Read as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use super::{
    Asked,
    tls::{self, Talk},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// The longest answer.
const MOST: usize = 4 << 20;

/// The answer: its head, then its content without chunks.
pub(super) fn ask(asked: &Asked, side: usize, port: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let Some((to, tls)) = asked.to.get(side).copied() else { return out };
    if let Some(mut stream) = connect(asked, to, tls, port).ok().flatten() {
        let _ = exchange(&mut *stream, asked, &mut out);
    }
    out
}

/// A connection from the client's address; from any port where the wanted one is in use.
fn connect(asked: &Asked, to: SocketAddr, tls: bool, port: u16) -> io::Result<Option<Box<dyn Talk>>> {
    let open = |port: u16| -> io::Result<TcpStream> {
        let domain = Domain::for_address(to);
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if asked.client.is_ipv4() == to.is_ipv4() {
            socket.bind(&SocketAddr::new(asked.client, port).into())?;
        }
        socket.connect_timeout(&to.into(), PATIENCE)?;
        Ok(socket.into())
    };
    let stream = open(port).or_else(|_| open(0))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(if tls { tls::connect(stream, &asked.name) } else { Some(Box::new(stream)) })
}

fn exchange(stream: &mut dyn Talk, asked: &Asked, out: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(&asked.head)?;
    // What is refused is not read to its end.
    let _ = io::copy(&mut io::repeat(b'x').take(asked.content), &mut Whole(stream));
    stream.flush()?;
    loop {
        out.clear();
        head(stream, out)?;
        let status = status(out);
        if status == 101 || !(100..200).contains(&status) {
            break;
        }
    }
    let bodiless = asked.head.starts_with(b"HEAD ") || matches!(status(out), 101 | 204 | 304);
    if bodiless { Ok(()) } else { content(stream, out) }
}

/// Writes to a stream that is known by its trait only.
struct Whole<'s>(&'s mut dyn Talk);

impl io::Write for Whole<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn status(head: &[u8]) -> u16 {
    let word = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    std::str::from_utf8(word).ok().and_then(|word| word.trim().parse().ok()).unwrap_or(200)
}

fn until(stream: &mut dyn Talk, end: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let (begin, mut byte) = (out.len(), [0]);
    while !out[begin..].ends_with(end) {
        if out.len() > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.read_exact(&mut byte)?;
        out.push(byte[0]);
    }
    Ok(())
}

fn head(stream: &mut dyn Talk, out: &mut Vec<u8>) -> io::Result<()> {
    until(stream, b"\r\n\r\n", out)
}

/// The content as its framing says (RFC 9112 § 6.3).
fn content(stream: &mut dyn Talk, out: &mut Vec<u8>) -> io::Result<()> {
    let text = String::from_utf8_lossy(out).to_ascii_lowercase();
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let mut take = |length: u64, out: &mut Vec<u8>| {
        let mut limited = io::Read::take(&mut *stream, length.min(MOST as u64));
        limited.read_to_end(out).map(drop)
    };
    if field("transfer-encoding").is_some() {
        loop {
            let mut line = Vec::new();
            until(stream, b"\r\n", &mut line)?;
            let size = String::from_utf8_lossy(&line);
            let size = size.trim().split(';').next().unwrap_or_default().to_owned();
            let size = u64::from_str_radix(&size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            io::Read::take(&mut *stream, size.min(MOST as u64)).read_to_end(out)?;
            line.clear();
            until(stream, b"\r\n", &mut line)?;
            if size == 0 {
                return Ok(());
            }
        }
    }
    match field("content-length").and_then(|value| value.parse().ok()) {
        Some(length) => take(length, out),
        None => take(MOST as u64, out),
    }
}
