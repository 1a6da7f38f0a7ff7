//! Asking for the health of a service of gRPC, and reading what is said of it.
//!
//! References: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>,
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::future::poll_fn;

use super::super::{
    connect::Place,
    http2::{self, Call, Links},
    pool::Key,
    stream::Stream,
};

/// The longest answer that is looked through: it has a few bytes, and fields that we do not know.
const ANSWER: usize = 64 * 1024;

/// What the protocol calls served.
const SERVING: u64 = 1;

/// The answer as HTTP/1.1 has it, its trailers among the fields.
pub(super) async fn ask(
    stream: Stream,
    place: Place,
    target: &[u8],
    authority: &[u8],
    tls: bool,
    service: &[u8],
) -> Option<Vec<u8>> {
    let head = [
        &b"POST "[..],
        target,
        b" HTTP/1.1\r\nHost: ",
        authority,
        b"\r\nContent-Type: application/grpc\r\nTE: trailers\r\nUser-Agent: health check\r\n\r\n",
    ];
    let head = http2::request(&head.concat(), tls).ok()?;
    let key = Key { cluster: 0, place, tls: u64::from(tls) };
    let link = Links::default().open(stream, key, None).await.ok()?;
    let content = framed(&question(service));
    let mut call = Call::begin(&link, head, Some(content.len() as u64)).ok()?;
    let mut rest = content.as_slice();
    while !rest.is_empty() {
        // Who answers before it was asked all has said enough.
        let Ok(length) = poll_fn(|cx| call.poll_write(cx, rest)).await else { break };
        rest = &rest[length..];
    }
    let mut answer = Vec::new();
    while answer.len() < ANSWER {
        let mut bytes = [0; 1024];
        match poll_fn(|cx| call.poll_read(cx, &mut bytes)).await {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&bytes[..length]),
            Err(_) => return None,
        }
    }
    link.close();
    let end = memchr::memmem::find(&answer, b"\r\n\r\n")? + 2;
    let trailers = call.take_trailers();
    answer.splice(end..end, trailers);
    Some(answer)
}

/// `HealthCheckRequest`.
fn question(service: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length > 0x7f {
            message.push(0x80 | (length & 0x7f) as u8);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(service);
    }
    message
}

/// A message as content: not compressed, and its length.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut content = vec![0];
    content.extend_from_slice(&(message.len() as u32).to_be_bytes());
    content.extend_from_slice(message);
    content
}

/// Whether an answer of these fields says that the service is served, or has this status.
pub(super) fn serves<'a>(
    field: &impl Fn(&[u8]) -> Option<&'a [u8]>,
    content: &[u8],
    other: Option<u32>,
) -> bool {
    let status =
        field(b"grpc-status").and_then(|status| std::str::from_utf8(status).ok()?.parse::<u32>().ok());
    match status {
        Some(0) => {
            let message = content.get(5..).filter(|_| content[0] == 0);
            other == Some(0) || message.and_then(said) == Some(SERVING)
        }
        status => status.is_some() && status == other,
    }
}

/// The status of a `HealthCheckResponse`; unknown where it says none, `None` where it is no message.
fn said(mut message: &[u8]) -> Option<u64> {
    let mut found = 0;
    while !message.is_empty() {
        let key = number(&mut message)?;
        match (key >> 3, key & 7) {
            (1, 0) => found = number(&mut message)?,
            (_, 0) => drop(number(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(number(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(found)
}

/// A number of seven bits to the byte.
fn number(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_written() {
        assert_eq!(framed(&question(b"")), [0; 5]);
        assert_eq!(framed(&question(b"a.B")), b"\0\0\0\0\x05\x0a\x03a.B");
        assert_eq!(question(&[b'x'; 300])[..3], [0x0a, 0xac, 0x02]);
    }

    #[test]
    fn answers_are_read() {
        let ok = |name: &[u8]| (name == b"grpc-status").then_some(&b"0"[..]);
        let unknown = |name: &[u8]| (name == b"grpc-status").then_some(&b"12"[..]);
        let none = |_: &[u8]| None::<&[u8]>;
        let serving = b"\0\0\0\0\x02\x08\x01";
        assert!(serves(&ok, serving, None) && serves(&ok, serving, Some(12)));
        assert!(!serves(&ok, b"\0\0\0\0\x02\x08\x02", None), "not serving");
        assert!(!serves(&none, serving, None), "a call that did not end");
        assert!(!serves(&ok, b"", None) && !serves(&ok, b"\0\0\0\0\0", None));
        assert!(!serves(&unknown, b"", None) && serves(&unknown, b"", Some(12)));
        // Fields that we do not know, and what is no message.
        assert_eq!(said(b"\x12\x02ab\x08\x01"), Some(1));
        for wrong in [&b"\x12\x7fab"[..], b"\x08", b"\x0b", &[0xff; 20]] {
            assert_eq!(said(wrong), None);
        }
    }
}
