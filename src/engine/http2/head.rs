//! Heads between HTTP/2's form and ours (RFC 9113 § 8.2, § 8.3).
//!
//! A request's head becomes the text that it would be in HTTP/1.1, with ranges
//! over it, so that nothing else knows the difference. A response's fields are
//! compressed as they stand, but for those that only mean something to a
//! connection (RFC 9113 § 8.2.2).

use super::{
    super::{
        http1::{
            field::{self, Field, Known, Line, Slice, decimal, has_token},
            request::{Limits, RequestHead, is_method},
            scan,
        },
        response::{self, Framing, Wire},
    },
    hpack::{Block, encode::Encoder},
};

/// Why a head is refused: the status, and what the error log says.
pub(super) type Refused = (u16, &'static str);

/// What stands for a nonce that the client has not sent (RFC 6455 § 4.1), in Base64.
pub(super) type Nonce = [u8; 24];

/// The fields of a request that say what it asks for (RFC 9113 § 8.3.1, RFC 8441 § 4).
#[derive(Default)]
struct Pseudo<'b> {
    method: Option<&'b [u8]>,
    scheme: Option<&'b [u8]>,
    authority: Option<&'b [u8]>,
    path: Option<&'b [u8]>,
    protocol: Option<&'b [u8]>,
}

impl<'b> Pseudo<'b> {
    /// Takes them off the front of a block's fields; how many there are.
    fn read(block: &'b Block) -> Result<(Self, usize), Refused> {
        let mut pseudo = Self::default();
        let mut count = 0;
        for (name, value) in block.iter().take_while(|(name, _)| name.starts_with(b":")) {
            let (place, twice) = match name {
                b":method" => (&mut pseudo.method, "client sent duplicate :method header"),
                b":scheme" => (&mut pseudo.scheme, "client sent duplicate :scheme header"),
                b":authority" => (&mut pseudo.authority, "client sent duplicate :authority header"),
                b":path" => (&mut pseudo.path, "client sent duplicate :path header"),
                b":protocol" => (&mut pseudo.protocol, "client sent duplicate :protocol header"),
                _ => return Err((400, "client sent unknown pseudo-header")),
            };
            if place.replace(value).is_some() {
                return Err((400, twice));
            }
            count += 1;
        }
        Ok((pseudo, count))
    }

    /// The method and the path, if they and the others go together.
    fn check(&self, limits: &Limits) -> Result<(&'b [u8], &'b [u8]), Refused> {
        let method = self.method.filter(|method| !method.is_empty());
        let method = method.ok_or((400, "client sent no :method header"))?;
        if !method.iter().all(|&byte| is_method(byte)) {
            return Err((400, "client sent invalid method"));
        }
        if method == b"CONNECT" && self.protocol.is_none() {
            return Err((405, "client sent CONNECT method"));
        }
        if method != b"CONNECT" && self.protocol.is_some() {
            return Err((400, "client sent :protocol header without CONNECT method"));
        }
        if !self.scheme.is_some_and(is_scheme) {
            return Err((400, "client sent no or invalid :scheme header"));
        }
        let path = self.path.ok_or((400, "client sent no :path header"))?;
        let server = limits.asterisk && method == b"OPTIONS" && path == b"*";
        let fine = path.starts_with(b"/") && !path.iter().any(|&byte| byte <= b' ' || byte == 0x7f);
        if !fine && !server {
            return Err((400, "client sent invalid :path header"));
        }
        if path.len() > limits.line {
            return Err((414, "client sent too long URI"));
        }
        // User information is not allowed there (RFC 9113 § 8.3.1); what else is not, is seen as in any `Host`.
        if self.authority.is_some_and(|authority| authority.contains(&b'@')) {
            return Err((400, "client sent invalid :authority header"));
        }
        // What a switch of protocols is in HTTP/1.1 (RFC 8441 § 5, RFC 6455 § 4.1).
        Ok((if self.protocol.is_some() { b"GET" } else { method }, path))
    }
}

/// RFC 3986 § 3.1.
fn is_scheme(text: &[u8]) -> bool {
    let rest = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.first().is_some_and(u8::is_ascii_alphabetic) && text.iter().all(rest)
}

/// Reads the head of a request into `buffer`, with ranges over that in `head`. `ends` says that no content follows.
pub(super) fn read(
    block: &Block,
    ends: bool,
    limits: &Limits,
    nonce: impl FnOnce() -> Nonce,
    buffer: &mut Vec<u8>,
    head: &mut RequestHead,
) -> Result<(), Refused> {
    buffer.clear();
    head.clear();
    (head.version, head.keep_alive) = (20, true);
    let pseudo = Pseudo::read(block);
    let known = pseudo.as_ref().ok().map(|(pseudo, _)| pseudo);
    // The line is there for the log, whatever is wrong with it.
    let switches = known.and_then(|pseudo| pseudo.protocol).is_some();
    let method = known.and_then(|pseudo| pseudo.method).unwrap_or_default();
    let method = if switches { b"GET" } else { method };
    let target = known.and_then(|pseudo| pseudo.path).unwrap_or_default();
    buffer.extend_from_slice(method);
    head.method = Slice::new(0, buffer.len());
    buffer.push(b' ');
    let start = buffer.len();
    buffer.extend_from_slice(target);
    head.target = Slice::new(start, buffer.len());
    let start = buffer.len() + 1;
    buffer.extend_from_slice(b" HTTP/2.0");
    head.protocol = Slice::new(start, buffer.len());
    head.line = Slice::new(0, buffer.len());
    buffer.extend_from_slice(b"\r\n");
    let (pseudo, count) = pseudo?;
    pseudo.check(limits)?;
    let mut put = |buffer: &mut Vec<u8>, name: &[u8], value: &[u8]| -> Result<(), Refused> {
        if name.len() + value.len() > limits.line {
            return Err((494, "client sent too large header"));
        }
        let start = buffer.len();
        for text in [name, b": ", value, b"\r\n"] {
            buffer.extend_from_slice(text);
        }
        if buffer.len() > limits.head {
            return Err((494, "client sent too large request"));
        }
        let usual = field::usual(buffer, start).filter(|(_, next)| *next == buffer.len());
        let field = match usual {
            Some((field, _)) => field,
            None => match unusual(buffer, start)? {
                Line::Good(field) => field,
                Line::Underscore(field) if limits.underscores => field,
                Line::Underscore(field) | Line::Odd(field) => {
                    if limits.ignore_invalid {
                        head.dropped.push(Slice { start: field.name.start, end: field.value.end });
                        return Ok(());
                    }
                    field
                }
            },
        };
        let value = field.value.of(buffer);
        match field.known {
            Known::Host if head.host.is_some() => {
                return Err((400, "client sent duplicate host header"));
            }
            Known::Host => head.host = Some(field.value),
            Known::ContentLength => {
                let length = decimal(value).filter(|_| head.content_length.is_none());
                let length = length.ok_or((400, "client sent invalid \"Content-Length\" header"))?;
                head.content_length = Some(length);
            }
            Known::Upgrade => head.upgrade = Some(field.value),
            Known::Expect | Known::Other if limits.single && head.has_single(buffer, field) => {
                return Err((400, "client sent duplicate header line"));
            }
            _ => {}
        }
        if head.fields.len() >= limits.fields {
            return Err((493, "client sent too many header lines"));
        }
        let plain = field.name.end + 2 == field.value.start && field.value.end as usize + 2 == buffer.len();
        head.fields.push(Field { plain, ..field });
        Ok(())
    };
    if let Some(authority) = pseudo.authority {
        put(buffer, b"host", authority)?;
    }
    if let Some(protocol) = pseudo.protocol {
        put(buffer, b"upgrade", protocol)?;
        put(buffer, b"connection", b"upgrade")?;
        if protocol.eq_ignore_ascii_case(b"websocket") {
            put(buffer, b"sec-websocket-key", &nonce())?;
        }
    }
    let mut cookie = Vec::new();
    for (name, value) in block.iter().skip(count) {
        match judge(name, value)? {
            // Both may be there and say the same (RFC 9113 § 8.3.1).
            Known::Host
                if pseudo.authority.is_some_and(|authority| authority.eq_ignore_ascii_case(value)) => {}
            Known::Host if pseudo.authority.is_some() => {
                return Err((400, "client sent a \"Host\" other than its \":authority\""));
            }
            // Cut up for compression (RFC 9113 § 8.2.3).
            Known::Cookie => {
                if !cookie.is_empty() {
                    cookie.extend_from_slice(b"; ");
                }
                cookie.extend_from_slice(value);
            }
            // The nonce is between us and the upstream.
            Known::Other if pseudo.protocol.is_some() && name == b"sec-websocket-key" => {}
            _ => put(buffer, name, value)?,
        }
    }
    if block.overflowed {
        return Err((494, "client sent too large request"));
    }
    if !cookie.is_empty() {
        put(buffer, b"cookie", &cookie)?;
    }
    buffer.extend_from_slice(b"\r\n");
    if head.host.is_none_or(Slice::is_empty) {
        return Err((400, "client sent neither \":authority\" nor \"Host\" header"));
    }
    if ends && head.content_length.is_some_and(|length| length > 0) {
        return Err((400, "client prematurely closed stream"));
    }
    head.length = buffer.len();
    // Content whose length is not announced is content all the same; what a tunnel carries is none.
    head.chunked = !ends && head.content_length.is_none() && !switches;
    Ok(())
}

/// What a field means, if it may be in a request at all (RFC 9113 § 8.2).
fn judge(name: &[u8], value: &[u8]) -> Result<Known, Refused> {
    if name.starts_with(b":") {
        return Err((400, "client sent a pseudo-header behind other fields"));
    }
    // A colon would end the name of the line that it becomes.
    if name.iter().any(|&byte| byte.is_ascii_uppercase() || byte == b':') {
        return Err((400, "client sent invalid header name"));
    }
    let known = Known::of(name);
    let of_connection = match known {
        Known::Connection | Known::KeepAlive | Known::TransferEncoding | Known::Upgrade => true,
        Known::Other => {
            name == b"proxy-connection"
                || (name == b"te" && !value.is_empty() && !has_token(value, b"trailers"))
        }
        _ => false,
    };
    if of_connection {
        return Err((400, "client sent a field of the connection"));
    }
    Ok(known)
}

/// The line at the end of `buffer`, of which something is unusual.
fn unusual(buffer: &[u8], start: usize) -> Result<Line, Refused> {
    let end = buffer.len() - 2;
    let invalid = (400, "client sent invalid header line");
    if memchr::memchr(b'\n', &buffer[start..end]).is_some() {
        return Err(invalid);
    }
    field::line(buffer, start, end).map_err(|_| invalid)
}

/// Appends the fields of a block as lines; `false` when they cannot be behind content (RFC 9113 § 8.1).
pub(super) fn lines(block: &Block, out: &mut Vec<u8>) -> bool {
    for (name, value) in block.iter() {
        let start = out.len();
        for text in [name, b": ", value, b"\r\n"] {
            out.extend_from_slice(text);
        }
        if judge(name, value).is_err() || unusual(out, start).is_err() {
            return false;
        }
    }
    !block.overflowed
}

/// The head of a response, to be written.
pub struct Head<'a> {
    /// What it is.
    pub response: &'a response::Response,
    /// What is not among its fields.
    pub wire: &'a Wire<'a>,
    /// Whether bytes go both ways behind it (RFC 8441 § 5).
    pub tunnel: bool,
}

impl Head<'_> {
    /// Writes it; how many bytes it is without compression.
    pub(super) fn write(&self, encoder: &mut Encoder, out: &mut Vec<u8>) -> u64 {
        let Self { response, wire, tunnel } = *self;
        let mut to = To { response, encoder, out, size: 10 };
        to.encoder.status(if tunnel { 200 } else { response.status.clamp(100, 999) }, to.out);
        let find = |known| response.fields.iter().find(|field| field.known == known && !field.added);
        if !wire.server.is_empty() && !response.unsigned && find(Known::Server).is_none() {
            to.put(b"server", wire.server);
        }
        if !wire.date.is_empty() && find(Known::Date).is_none() {
            to.put(b"date", wire.date);
        }
        to.add(find(Known::ContentType));
        let length = match wire.framing {
            Framing::Length(length) => Some(length),
            // Trailers follow content whose length is known, too.
            Framing::Frames if !tunnel => response.length,
            _ if response.bodyless && !tunnel => response.length,
            _ => None,
        };
        if let Some(length) = length {
            to.put(b"content-length", itoa::Buffer::new().format(length).as_bytes());
        }
        if !response.forwarded {
            to.add(find(Known::LastModified));
        }
        if response.own_location {
            to.add(find(Known::Location));
        }
        if response.vary {
            to.put(b"vary", b"Accept-Encoding");
        }
        let mut typed = false;
        for field in &response.fields {
            let written = match field.known {
                Known::Connection | Known::KeepAlive | Known::TransferEncoding | Known::Upgrade => true,
                Known::Other => {
                    let name = response.name(field);
                    name.eq_ignore_ascii_case(b"proxy-connection")
                        || (tunnel && name.eq_ignore_ascii_case(b"sec-websocket-accept"))
                }
                _ if field.added => false,
                Known::ContentType => !std::mem::replace(&mut typed, true),
                Known::LastModified => !response.forwarded,
                Known::Location => response.own_location,
                _ => false,
            };
            if !written {
                to.add(Some(field));
            }
        }
        to.size
    }
}

/// Where a response's fields go.
struct To<'a> {
    response: &'a response::Response,
    encoder: &'a mut Encoder,
    out: &'a mut Vec<u8>,
    size: u64,
}

impl To<'_> {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.encoder.field(name, value, self.out);
        self.size += (name.len() + value.len() + 2) as u64;
    }

    fn add(&mut self, field: Option<&response::Out>) {
        let Some(field) = field else { return };
        let (name, value) = (self.response.name(field), self.response.value(field));
        if may_be_sent(name, value) {
            self.put(name, value);
        }
    }
}

/// Whether a field can be one in HTTP/2: its name is a token, its value has no controls (RFC 9113 § 8.2.1).
pub(super) fn may_be_sent(name: &[u8], value: &[u8]) -> bool {
    !name.is_empty()
        && name.iter().all(|&byte| TOKEN[usize::from(byte)])
        && scan::first(value, |byte| (byte < b' ' && byte != b'\t') || byte == 0x7f).is_none()
}

/// What a token consists of (RFC 9110 § 5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = matches!(
            at as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
        );
        at += 1;
    }
    table
};

/// The fields of trailers that are lines, those that can be sent.
pub(super) fn trailers(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        may_be_sent(name, value).then_some((name, value))
    })
}
