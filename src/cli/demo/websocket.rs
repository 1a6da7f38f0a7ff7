//! An echo server's half of the WebSocket protocol (RFC 6455), as much as a demonstration needs.

use aws_lc_rs::digest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// RFC 6455 § 1.3
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Longest message taken.
const LONGEST: u64 = 1 << 20;

/// What is answered to a `Sec-WebSocket-Key` (RFC 6455 § 4.2.2).
pub(super) fn accept(key: &[u8]) -> String {
    let mut text = key.to_vec();
    text.extend_from_slice(MAGIC);
    base64(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &text).as_ref())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

/// Greets, then sends every message back with `name` in front, until the other side closes.
pub(super) async fn echo(
    stream: &mut TcpStream,
    early: Vec<u8>,
    greeting: &str,
    name: &str,
) -> std::io::Result<()> {
    send(stream, 1, greeting.as_bytes()).await?;
    let mut frames = Frames { input: early };
    while let Some((opcode, content)) = frames.next(stream).await? {
        match opcode {
            1 => {
                let text = format!("{name}: {}", String::from_utf8_lossy(&content));
                send(stream, 1, text.as_bytes()).await?;
            }
            2 => send(stream, 2, &content).await?,
            8 => {
                send(stream, 8, content.get(..2).unwrap_or_default()).await?;
                break;
            }
            9 => send(stream, 10, &content).await?,
            _ => {}
        }
    }
    stream.shutdown().await
}

/// One frame, unmasked as servers send them (RFC 6455 § 5.1).
async fn send(stream: &mut TcpStream, opcode: u8, content: &[u8]) -> std::io::Result<()> {
    let mut frame = vec![0x80 | opcode];
    match content.len() {
        length @ 0..126 => frame.push(length as u8),
        length @ 126..65536 => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(content);
    stream.write_all(&frame).await
}

/// Frames as they arrive; fragments are taken for messages of their own.
struct Frames {
    input: Vec<u8>,
}

impl Frames {
    /// The next frame's opcode and content; `None` at the end, and for what is no frame of a client.
    async fn next(&mut self, stream: &mut TcpStream) -> std::io::Result<Option<(u8, Vec<u8>)>> {
        loop {
            match frame(&self.input) {
                Frame::Whole { opcode, content, length } => {
                    self.input.drain(..length);
                    return Ok(Some((opcode, content)));
                }
                Frame::Wrong => return Ok(None),
                Frame::Partial => {
                    if stream.read_buf(&mut self.input).await? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Whole { opcode: u8, content: Vec<u8>, length: usize },
    Partial,
    Wrong,
}

/// The frame at the start of `input` (RFC 6455 § 5.2).
fn frame(input: &[u8]) -> Frame {
    let [first, second, rest @ ..] = input else { return Frame::Partial };
    if second & 0x80 == 0 {
        return Frame::Wrong;
    }
    let wide = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some((size, rest)) = rest.split_at_checked(wide) else { return Frame::Partial };
    let size = match wide {
        0 => u64::from(second & 0x7f),
        _ => size.iter().fold(0, |size, &byte| size << 8 | u64::from(byte)),
    };
    if size > LONGEST {
        return Frame::Wrong;
    }
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Frame::Partial };
    let Some(content) = rest.get(..size as usize) else { return Frame::Partial };
    let content = content.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Frame::Whole { opcode: first & 0x0f, content, length: 2 + wide + 4 + size as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_is_answered() {
        // RFC 6455 § 1.3
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn base64_pads() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn frames_are_unmasked() {
        // RFC 6455 § 5.7, "a single-frame masked text message"
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(frame(&hello), Frame::Whole { opcode: 1, content: b"Hello".to_vec(), length: 11 });
        for length in 0..hello.len() {
            assert_eq!(frame(&hello[..length]), Frame::Partial);
        }
        assert_eq!(frame(b"\x81\x05Hello"), Frame::Wrong);
        assert_eq!(frame(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), Frame::Wrong);
    }
}
