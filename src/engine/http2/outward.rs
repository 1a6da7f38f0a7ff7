//! A request's head on its way to an upstream: from the text of HTTP/1.1 to a frame (RFC 9113 § 8.2, § 8.3).
//!
//! What is about a connection stays behind, and of `TE` only what HTTP/2 allows
//! (RFC 9113 § 8.2.2). `Host` becomes the `:authority`; bytes that a path of
//! the library cannot have are escaped, which means the same (RFC 3986 § 2.1).

use http::{
    HeaderMap, Method, Request, Uri, Version,
    header::{self, HeaderValue},
    uri::{Authority, PathAndQuery, Scheme},
};

use super::super::http1::field::has_token;

/// Fields that are about a connection, or say what frames say.
const CONNECTION: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// The head that a text of ours stands for; `Err` is what cannot be sent.
pub fn request(text: &[u8], tls: bool) -> Result<Request<()>, &'static str> {
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut start = lines.next().unwrap_or_default().splitn(3, |byte| *byte == b' ');
    let method = start.next().and_then(|method| Method::from_bytes(method).ok()).ok_or("a method")?;
    let path = path(start.next().unwrap_or_default()).ok_or("a target")?;
    let mut request = Request::new(());
    let fields = request.headers_mut();
    fields.reserve(16);
    let (mut host, mut trailers) = (None, false);
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"host") && host.is_none() {
            host = Some(value);
        } else if name.eq_ignore_ascii_case(b"te") {
            trailers |= has_token(value, b"trailers");
        } else if !CONNECTION.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            put(fields, name, value);
        }
    }
    if trailers {
        fields.append(header::TE, HeaderValue::from_static("trailers"));
    }
    let named = host.filter(|host| !host.is_empty()).map(|host| (host, Authority::try_from(host)));
    let uri = match named {
        Some((_, Ok(authority))) => {
            let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
            Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build()
        }
        // What is no authority may still be what the upstream goes by.
        other => {
            if let Some((host, _)) = other {
                put(fields, b"host", host);
            }
            *request.version_mut() = Version::HTTP_11;
            Uri::builder().path_and_query(path).build()
        }
    };
    *request.uri_mut() = uri.map_err(|_| "a target")?;
    *request.method_mut() = method;
    Ok(request)
}

fn path(target: &[u8]) -> Option<PathAndQuery> {
    let mut escaped = Vec::new();
    let odd =
        |byte: &u8| !matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'_' | b'a'..=b'z' | b'|' | b'~');
    let bytes = if target.iter().any(odd) {
        for byte in target {
            if odd(byte) {
                escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
            } else {
                escaped.push(*byte);
            }
        }
        &escaped
    } else {
        target
    };
    PathAndQuery::try_from(bytes).ok()
}

/// Fields that end a request's content, as they may be sent.
pub fn trailers(lines: &[u8]) -> Option<HeaderMap> {
    let mut fields = fields_of(lines)?;
    for name in CONNECTION {
        if let Ok(name) = header::HeaderName::from_bytes(name) {
            fields.remove(name);
        }
    }
    for name in [header::CONTENT_LENGTH, header::HOST, header::TE, header::TRAILER] {
        fields.remove(name);
    }
    (!fields.is_empty()).then_some(fields)
}

/// Fields from the lines that they are in HTTP/1.1; `None` when there are none.
fn fields_of(lines: &[u8]) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(colon) = memchr::memchr(b':', line) {
            put(&mut fields, &line[..colon], line[colon + 1..].trim_ascii());
        }
    }
    (!fields.is_empty()).then_some(fields)
}

/// Adds a field, unless its name or value cannot be one in HTTP/2.
fn put(fields: &mut HeaderMap, name: &[u8], value: &[u8]) {
    if let (Ok(name), Ok(value)) = (header::HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        fields.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, tls: bool) -> String {
        let request = request(text.as_bytes(), tls).unwrap();
        let fields = request.headers().iter();
        let fields = fields.map(|(name, value)| format!(" {name}={}", value.to_str().unwrap()));
        format!("{} {}{}", request.method(), request.uri(), fields.collect::<String>())
    }

    #[test]
    fn texts_become_heads() {
        for (text, tls, expected) in [
            ("GET /a?b HTTP/1.1\r\nHost: x:1\r\nX-A: 1\r\n\r\n", false, "GET http://x:1/a?b x-a=1"),
            (
                "POST / HTTP/1.1\r\nConnection: close, X\r\nTE: gzip, trailers\r\nTransfer-Encoding: chunked\r\n\
                 Host: x\r\nUpgrade: a\r\n\r\n",
                true,
                "POST https://x/ te=trailers",
            ),
            (
                "GET /<\"{`#\u{e4} HTTP/1.1\r\nHost: a b\r\nTE: gzip\r\n\r\n",
                false,
                "GET /%3C%22%7B%60%23%C3%A4 host=a b",
            ),
        ] {
            assert_eq!(shown(text, tls), expected);
        }
    }

    #[test]
    fn trailers_do_not_frame() {
        assert!(trailers(b"Content-Length: 1\r\nConnection: x\r\n").is_none());
        assert_eq!(trailers(b"A: 1\r\nTE: x\r\n").unwrap().len(), 1);
    }
}
