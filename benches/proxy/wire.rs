//! The bytes that load and origin agree on: requests, the WebSocket handshake and frames.

use std::ops::Range;

/// The key and its answer from RFC 6455 § 1.3; with one fixed key neither side computes SHA-1 while it measures.
pub const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The host that requests name unless a workload names another.
pub const HOST: &str = "bench.test";

/// Payload of a frame that the origin pushes.
pub const PUSH_PAYLOAD: usize = 64 * 1024;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A GET as a browser's library might send it.
pub fn get(target: &str, host: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: triglot-bench\r\nAccept: */*\r\n\r\n")
        .into()
}

/// A GET whose answer may be compressed.
pub fn get_coded(target: &str, host: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: triglot-bench\r\nAccept-Encoding: gzip\r\n\r\n"
    )
    .into()
}

/// A GET on a connection that is to be closed after the response.
pub fn get_and_close(target: &str, host: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: triglot-bench\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    .into()
}

/// The head of a POST whose content of `length` bytes follows.
pub fn post(target: &str, length: u64) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: triglot-bench\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into()
}

/// The client's side of the handshake, RFC 6455 § 4.1.
pub fn websocket_handshake(target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {WEBSOCKET_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into()
}

/// A whole binary message, masked as a client's must be.
pub fn client_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_head(payload.len(), 0x80);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A whole binary message, unmasked as a server's must be.
pub fn server_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_head(payload.len(), 0);
    frame.extend(payload);
    frame
}

/// RFC 6455 § 5.2: FIN and opcode 2, then the shortest form of the length.
fn frame_head(length: usize, mask_bit: u8) -> Vec<u8> {
    let mut head = vec![0x82];
    if length < 126 {
        head.push(mask_bit | length as u8);
    } else if let Ok(short) = u16::try_from(length) {
        head.push(mask_bit | 0x7e);
        head.extend(short.to_be_bytes());
    } else {
        head.push(mask_bit | 0x7f);
        head.extend((length as u64).to_be_bytes());
    }
    head
}

/// The payload of the first whole frame in `bytes`, unmasked in place, and where the next frame begins.
pub fn take_frame(bytes: &mut [u8]) -> Option<(Range<usize>, usize)> {
    let (&second, masked) = (bytes.get(1)?, bytes.get(1)? & 0x80 != 0);
    let (length, mut at) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
        short => (usize::from(short), 2),
    };
    let mask: [u8; 4] = if masked {
        at += 4;
        bytes.get(at - 4..at)?.try_into().ok()?
    } else {
        [0; 4]
    };
    let end = at.checked_add(length)?;
    let payload = bytes.get_mut(at..end)?;
    if masked {
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    Some((at..end, end))
}

/// The value of a field in a head, by its name in any case.
pub fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
    })
}

/// `Content-Length` of a head.
pub fn content_length(head: &[u8]) -> Option<u64> {
    std::str::from_utf8(field(head, "content-length")?).ok()?.parse().ok()
}

/// Where the content begins, once the head is whole.
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}
