//! Heads between HTTP/2's form and ours (RFC 9113 § 8.2, § 8.3).
//!
//! A request's head becomes the text that it would be in HTTP/1.1, with ranges
//! over it, so that nothing else knows the difference. A response's fields are
//! handed to the library, but for those that only mean something to a
//! connection (RFC 9113 § 8.2.2).

use bytes::Bytes;
use h2::ext::Protocol;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use super::super::{
    facts::Facts,
    http1::{
        field::{self, Field, Known, Line, Slice, decimal},
        request::{Limits, is_method},
    },
    response::{self, Framing, Wire},
};

/// Why a head is refused: the status, and what the error log says.
pub(super) type Refused = (u16, &'static str);

/// What stands for a nonce that the client has not sent (RFC 6455 § 4.1), in Base64.
pub(super) type Nonce = [u8; 24];

/// Reads the head of a request into `facts`, whose buffer is empty. `ends` says that no content follows.
pub(super) fn read<B>(
    request: &Request<B>,
    ends: bool,
    limits: &Limits,
    nonce: Nonce,
    facts: &mut Facts,
) -> Result<(), Refused> {
    let Facts { buffer, head, .. } = facts;
    buffer.clear();
    head.clear();
    let switches = request.extensions().get::<Protocol>();
    let method = if switches.is_some() { &Method::GET } else { request.method() };
    let target = match request.uri().path_and_query() {
        Some(target) => target.as_str(),
        None => "",
    };
    buffer.extend_from_slice(method.as_str().as_bytes());
    head.method = Slice::new(0, buffer.len());
    buffer.push(b' ');
    let start = buffer.len();
    buffer.extend_from_slice(target.as_bytes());
    head.target = Slice::new(start, buffer.len());
    let start = buffer.len() + 1;
    buffer.extend_from_slice(b" HTTP/2.0");
    head.protocol = Slice::new(start, buffer.len());
    head.line = Slice::new(0, buffer.len());
    head.version = 20;
    head.keep_alive = true;
    buffer.extend_from_slice(b"\r\n");
    if !method.as_str().bytes().all(is_method) {
        return Err((400, "client sent invalid method"));
    }
    if target.len() > limits.line {
        return Err((414, "client sent too long URI"));
    }
    let server = limits.asterisk && *method == Method::OPTIONS && target == "*";
    if !target.starts_with('/') && !server {
        let connects = *method == Method::CONNECT;
        let refused =
            if connects { (405, "client sent CONNECT method") } else { (400, "client sent invalid :path") };
        return Err(refused);
    }
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
        let line = field::line(buffer, start, buffer.len() - 2);
        let field = match line.map_err(|_| (400, "client sent invalid header line"))? {
            Line::Good(field) => field,
            Line::Underscore(field) if limits.underscores => field,
            Line::Underscore(field) | Line::Odd(field) => {
                if limits.ignore_invalid {
                    head.dropped.push(Slice { start: field.name.start, end: field.value.end });
                    return Ok(());
                }
                field
            }
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
            _ => {}
        }
        let plain = field.name.end + 2 == field.value.start && field.value.end as usize + 2 == buffer.len();
        head.fields.push(Field { plain, ..field });
        Ok(())
    };
    if let Some(authority) = request.uri().authority() {
        put(buffer, b"host", authority.as_str().as_bytes())?;
    }
    if let Some(protocol) = switches {
        // What a switch of protocols is in HTTP/1.1 (RFC 8441 § 5, RFC 6455 § 4.1).
        put(buffer, b"upgrade", protocol.as_str().as_bytes())?;
        put(buffer, b"connection", b"upgrade")?;
        if protocol.as_str().eq_ignore_ascii_case("websocket") {
            put(buffer, b"sec-websocket-key", &nonce)?;
        }
    }
    let named = request.uri().authority().is_some();
    let mut cookie = Vec::new();
    for (name, value) in request.headers() {
        match *name {
            // Both may be there and say the same (RFC 9113 § 8.3.1).
            http::header::HOST if named => {
                let same = request.uri().authority().is_some_and(|authority| {
                    authority.as_str().as_bytes().eq_ignore_ascii_case(value.as_bytes())
                });
                if !same {
                    return Err((400, "client sent a \"Host\" other than its \":authority\""));
                }
            }
            // Cut up for compression (RFC 9113 § 8.2.3).
            http::header::COOKIE => {
                if !cookie.is_empty() {
                    cookie.extend_from_slice(b"; ");
                }
                cookie.extend_from_slice(value.as_bytes());
            }
            // The nonce is between us and the upstream.
            http::header::SEC_WEBSOCKET_KEY if switches.is_some() => {}
            _ => put(buffer, name.as_str().as_bytes(), value.as_bytes())?,
        }
    }
    if !cookie.is_empty() {
        put(buffer, b"cookie", &cookie)?;
    }
    buffer.extend_from_slice(b"\r\n");
    if head.host.is_none_or(Slice::is_empty) {
        return Err((400, "client sent neither \":authority\" nor \"Host\" header"));
    }
    head.length = buffer.len();
    // Content whose length is not announced is content all the same; what a tunnel carries is none.
    head.chunked = !ends && head.content_length.is_none() && switches.is_none();
    Ok(())
}

/// The head of a response as frames have it; `Err` for a status that there is not.
pub fn write(response: &response::Response, wire: &Wire<'_>, tunnel: bool) -> Response<()> {
    let mut out = Response::new(());
    let status = if tunnel { 200 } else { response.status };
    *out.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let fields = out.headers_mut();
    fields.reserve(response.fields.len() + 4);
    // Values are parts of one piece of memory.
    let text = Bytes::copy_from_slice(&response.text);
    let add = |fields: &mut HeaderMap, field: &response::Out| {
        let place = field.value.start as usize..field.value.end as usize;
        if text.get(place.clone()).is_some()
            && let Ok(name) = HeaderName::from_bytes(response.name(field))
            && let Ok(value) = HeaderValue::from_maybe_shared(text.slice(place))
        {
            fields.append(name, value);
        }
    };
    let find = |known| response.fields.iter().any(|field| field.known == known && !field.added);
    if !wire.server.is_empty() && !find(Known::Server) {
        put(fields, b"server", wire.server);
    }
    if !wire.date.is_empty() && !find(Known::Date) {
        put(fields, b"date", wire.date);
    }
    let first = |fields: &mut HeaderMap, known| {
        let found = response.fields.iter().find(|field| field.known == known && !field.added);
        if let Some(field) = found {
            add(fields, field);
        }
    };
    first(fields, Known::ContentType);
    let length = match wire.framing {
        Framing::Length(length) => Some(length),
        // Trailers follow content whose length is known, too.
        Framing::Frames if !tunnel => response.length,
        _ if response.bodyless && !tunnel => response.length,
        _ => None,
    };
    if let Some(length) = length {
        fields.append(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if !response.forwarded {
        first(fields, Known::LastModified);
    }
    if response.own_location {
        first(fields, Known::Location);
    }
    if response.vary {
        put(fields, b"vary", b"Accept-Encoding");
    }
    let mut typed = false;
    for field in &response.fields {
        let written = match field.known {
            Known::Connection | Known::KeepAlive | Known::TransferEncoding | Known::Upgrade => true,
            _ if field.added => false,
            Known::ContentType => !std::mem::replace(&mut typed, true),
            Known::LastModified => !response.forwarded,
            Known::Location => response.own_location,
            _ => false,
        };
        let name = response.name(field);
        let forbidden = name.eq_ignore_ascii_case(b"proxy-connection")
            || (tunnel && name.eq_ignore_ascii_case(b"sec-websocket-accept"));
        if !written && !forbidden {
            add(fields, field);
        }
    }
    out
}

/// Trailers from the lines that they are in HTTP/1.1; `None` when there are none.
pub fn trailers(lines: &[u8]) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(colon) = memchr::memchr(b':', line) {
            put(&mut fields, &line[..colon], line[colon + 1..].trim_ascii());
        }
    }
    (!fields.is_empty()).then_some(fields)
}

/// Fields as the lines that they are in HTTP/1.1.
pub(super) fn lines(fields: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    put_lines(fields, &mut out);
    out
}

/// The same, to the end of `out`.
pub(super) fn put_lines(fields: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in fields {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}

/// Adds a field, unless its name or value cannot be one in HTTP/2.
pub fn put(fields: &mut HeaderMap, name: &[u8], value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        fields.append(name, value);
    }
}

/// How many bytes a head is at most when it is not compressed.
pub fn size(fields: &HeaderMap) -> u64 {
    let all: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
    all as u64 + 10
}
