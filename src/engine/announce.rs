//! The PROXY protocol's header, with which a proxy announces whose connection it passes on, versions 1 and 2.
//!
//! Nothing behind the header is read: it is looked at before it is taken.
//!
//! Reference: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>

use std::{
    io,
    mem::MaybeUninit,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::SockRef;
use tokio::io::Interest;

use super::stream::Socket;

/// Whose connection it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The client.
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub server: SocketAddr,
    /// What else is told of it.
    pub extensions: Extensions,
}

/// Types and values behind the addresses of version 2: a byte, two of the length, the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions(Box<[u8]>);

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// Whose connection it is.
    Of(Announced),
    /// That of the proxy itself, or of somebody unknown.
    Own,
}

/// What the beginning of a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Parsed {
    /// A header of this length.
    Whole(Header, usize),
    /// The beginning of one: so much of it belongs to one for sure.
    Partial(usize),
    /// None.
    Invalid,
}

/// The extension that tells of TLS: a byte of what is there, four of the certificate's verdict, more extensions.
const SECURE: u8 = 0x20;

/// Bytes in front of the extensions within that of TLS.
const SECURE_HEAD: usize = 5;

/// The longest header of version 1, its line end included.
const LONGEST_LINE: usize = 107;

/// How a header of version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 2 that is taken, bytes; what comes after the addresses is for others.
const LONGEST: usize = 16 + 4096;

impl Extensions {
    /// The first value of a type, among those within that of TLS or those outside.
    pub fn find(&self, kind: u8, secure: bool) -> Option<&[u8]> {
        if secure {
            return find(find(&self.0, SECURE)?.get(SECURE_HEAD..)?, kind);
        }
        find(&self.0, kind)
    }

    /// The verdict on the client's certificate.
    pub fn verified(&self) -> Option<u32> {
        let verdict = find(&self.0, SECURE)?.get(1..SECURE_HEAD)?;
        Some(u32::from_be_bytes(verdict.try_into().ok()?))
    }
}

/// The first value of a type; none behind a length that is too long.
fn find(mut rest: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [kind, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = behind.split_at_checked(length)?;
        if *kind == wanted {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// Takes the header off a connection.
pub async fn read(socket: &Socket) -> io::Result<Header> {
    let mut taken: Vec<u8> = Vec::new();
    loop {
        let known = taken.len();
        taken.resize(LONGEST.max(known), 0);
        let length = receive(socket, &mut taken[known..], libc::MSG_PEEK).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        taken.truncate(known + length);
        let (header, upto) = match parse(&taken) {
            Parsed::Invalid => return Err(io::ErrorKind::InvalidData.into()),
            Parsed::Whole(header, length) => (Some(header), length),
            Parsed::Partial(length) => (None, length),
        };
        if upto > known {
            receive(socket, &mut taken[known..upto], 0).await?;
        }
        taken.truncate(upto);
        if let Some(header) = header {
            return Ok(header);
        }
        if upto == known {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Receives with flags; what was looked at is there when it is taken.
async fn receive(socket: &Socket, into: &mut [u8], flags: i32) -> io::Result<usize> {
    let length = into.len();
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); length];
    let received = match socket {
        Socket::Tcp(stream) => {
            stream
                .async_io(Interest::READABLE, || SockRef::from(stream).recv_with_flags(&mut buffer, flags))
                .await?
        }
        Socket::Unix(stream) => {
            stream
                .async_io(Interest::READABLE, || SockRef::from(stream).recv_with_flags(&mut buffer, flags))
                .await?
        }
        Socket::Memory(_) => 0,
    };
    for (slot, byte) in into.iter_mut().zip(&buffer[..received.min(length)]) {
        *slot = initialized(*byte);
    }
    Ok(received)
}

#[expect(unsafe_code, reason = "the socket's own functions fill uninitialized memory")]
fn initialized(byte: MaybeUninit<u8>) -> u8 {
    // SAFETY: only bytes are asked for that the kernel said it wrote.
    unsafe { byte.assume_init() }
}

/// Reads as much of a header as there is.
fn parse(bytes: &[u8]) -> Parsed {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes[..common] == SIGNATURE[..common] {
        return second(bytes);
    }
    let begin: &[u8] = b"PROXY ";
    let common = bytes.len().min(begin.len());
    if bytes[..common] != begin[..common] {
        return Parsed::Invalid;
    }
    match memchr::memchr(b'\n', &bytes[..bytes.len().min(LONGEST_LINE)]) {
        Some(end) if end > 0 && bytes[end - 1] == b'\r' => {
            first(&bytes[..end - 1]).map_or(Parsed::Invalid, |header| Parsed::Whole(header, end + 1))
        }
        None if bytes.len() < LONGEST_LINE => Parsed::Partial(bytes.len()),
        _ => Parsed::Invalid,
    }
}

/// `PROXY TCP4 client server port port`
fn first(line: &[u8]) -> Option<Header> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Header::Own);
    }
    let ip = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => Some(text.parse::<Ipv4Addr>().ok()?.into()),
            "TCP6" => Some(text.parse::<Ipv6Addr>().ok()?.into()),
            _ => None,
        }
    };
    let port = |text: &str| -> Option<u16> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let (client, server) = (ip(words.next()?)?, ip(words.next()?)?);
    let (client_port, server_port) = (port(words.next()?)?, port(words.next()?)?);
    let announced = Announced {
        client: SocketAddr::new(client, client_port),
        server: SocketAddr::new(server, server_port),
        extensions: Extensions::default(),
    };
    words.next().is_none().then_some(Header::Of(announced))
}

/// Version 2: the signature, version and command, family and protocol, length, addresses.
fn second(bytes: &[u8]) -> Parsed {
    let Some(&[.., command, family, high, low]) = bytes.get(..16) else {
        return Parsed::Partial(bytes.len());
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let whole = 16 + length;
    if command & 0xf0 != 0x20 || command & 0x0f > 1 || whole > LONGEST {
        return Parsed::Invalid;
    }
    if bytes.len() < whole {
        return Parsed::Partial(bytes.len());
    }
    let addresses = &bytes[16..whole];
    let port = |at: usize| {
        let (high, low) = (addresses.get(at)?, addresses.get(at + 1)?);
        Some(u16::from_be_bytes([*high, *low]))
    };
    let ip = |at: usize, long: bool| -> Option<IpAddr> {
        if long {
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(addresses.get(at..at + 16)?).ok()?).into())
        } else {
            Some(Ipv4Addr::from(<[u8; 4]>::try_from(addresses.get(at..at + 4)?).ok()?).into())
        }
    };
    let read = |long: bool| {
        let size = if long { 16 } else { 4 };
        let client = SocketAddr::new(ip(0, long)?, port(2 * size)?);
        let server = SocketAddr::new(ip(size, long)?, port(2 * size + 2)?);
        let extensions = Extensions(addresses.get(2 * size + 4..)?.into());
        Some(Header::Of(Announced { client, server, extensions }))
    };
    let header = match (command & 0x0f, family) {
        (0, _) => Some(Header::Own),
        (_, 0x11) => read(false),
        (_, 0x21) => read(true),
        // Other families and datagrams: somebody whose address means nothing here.
        _ => Some(Header::Own),
    };
    header.map_or(Parsed::Invalid, |header| Parsed::Whole(header, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(client: &str, server: &str) -> Header {
        Header::Of(Announced {
            client: client.parse().unwrap(),
            server: server.parse().unwrap(),
            extensions: Extensions::default(),
        })
    }

    #[test]
    fn lines_of_version_1() {
        let line = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\nGET";
        assert_eq!(parse(line), Parsed::Whole(of("1.2.3.4:1000", "5.6.7.8:80"), line.len() - 3));
        let line = b"PROXY TCP6 ::1 ::2 1 2\r\n";
        assert_eq!(parse(line), Parsed::Whole(of("[::1]:1", "[::2]:2"), line.len()));
        assert_eq!(parse(b"PROXY UNKNOWN what ever\r\n"), Parsed::Whole(Header::Own, 25));
        assert_eq!(parse(b"PRO"), Parsed::Partial(3));
        assert_eq!(parse(b"PROXY TCP4 1"), Parsed::Partial(12));
        for wrong in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\n",
            b"PROXY TCP4 ::1 ::2 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 80 x\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 80\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 99999\r\n",
            &[b'P'; 200],
            &[b"PROXY ".as_slice(), &[b' '; 200]].concat(),
        ] {
            assert_eq!(parse(wrong), Parsed::Invalid, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn extensions_by_their_types() {
        let secure = [&[0x20, 0, 12, 7, 0, 0, 1, 2][..], &[0x21, 0, 4], b"TLS1"].concat();
        let told = Extensions([&[0x01, 0, 2][..], b"h2", &secure, &[0x05, 0, 9, 1]].concat().into());
        assert_eq!(told.find(0x01, false), Some(&b"h2"[..]));
        assert_eq!(told.find(0x21, true), Some(&b"TLS1"[..]));
        assert_eq!(told.find(0x21, false), None);
        assert_eq!(told.find(0x05, false), None, "its length is too long");
        assert_eq!(told.verified(), Some(258));
        assert_eq!(Extensions::default().verified(), None);
    }

    #[test]
    fn headers_of_version_2() {
        let header = |command: u8, family: u8, rest: &[u8]| {
            let mut out = SIGNATURE.to_vec();
            out.extend([command, family]);
            out.extend((rest.len() as u16).to_be_bytes());
            out.extend(rest);
            out
        };
        let four = header(0x21, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0, 80]);
        assert_eq!(parse(&four), Parsed::Whole(of("1.2.3.4:9", "5.6.7.8:80"), four.len()));
        for end in 1..four.len() {
            assert_eq!(parse(&four[..end]), Parsed::Partial(end));
        }
        let with_more = header(0x21, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0, 80, 3, 0, 0]);
        let Parsed::Whole(Header::Of(told), length) = parse(&with_more) else {
            panic!("{:?}", parse(&with_more))
        };
        assert_eq!((told.extensions, length), (Extensions([3, 0, 0].into()), with_more.len()));
        assert_eq!(parse(&header(0x20, 0, &[])), Parsed::Whole(Header::Own, 16));
        assert_eq!(parse(&header(0x21, 0x11, &[1])), Parsed::Invalid);
        assert_eq!(parse(&header(0x11, 0x11, &[0; 12])), Parsed::Invalid);
        assert_eq!(parse(&header(0x21, 0x11, &[0; 5000])), Parsed::Invalid);
    }
}
