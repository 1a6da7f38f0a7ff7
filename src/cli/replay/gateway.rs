//! What gateways are asked: parameters of `FastCGI`, SCGI and uwsgi as lines `NAME=value`.
//!
//! References: the `FastCGI` specification 1.0 §§ 3.3, 3.4, 5.2; SCGI; the uwsgi protocol.

use std::io::{self, Read};

/// The longest that is read of anything.
const MOST: usize = 1 << 20;

/// A protocol and what was asked, by how it begins.
pub(super) fn read(first: u8, stream: &mut dyn Read) -> io::Result<(&'static str, Vec<u8>)> {
    match first {
        1 => Ok(("fastcgi", fastcgi(stream)?)),
        b'0'..=b'9' => Ok(("scgi", scgi(first, stream)?)),
        _ => Ok(("uwsgi", uwsgi(stream)?)),
    }
}

/// What is answered over a protocol.
pub(super) fn answer(protocol: &str) -> Vec<u8> {
    let text = b"Content-Type: text/plain\r\nX-Own: 1\r\n\r\nok";
    match protocol {
        "fastcgi" => {
            let mut out = vec![1, 6, 0, 1, 0, text.len() as u8, 0, 0];
            out.extend_from_slice(text);
            out.extend([1, 6, 0, 1, 0, 0, 0, 0, 1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            out
        }
        "scgi" => [b"Status: 200 OK\r\n".as_slice(), text].concat(),
        _ => [b"HTTP/1.1 200 OK\r\n".as_slice(), text].concat(),
    }
}

fn part(stream: &mut dyn Read, length: usize) -> io::Result<Vec<u8>> {
    if length > MOST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut out = vec![0; length];
    stream.read_exact(&mut out)?;
    Ok(out)
}

/// Records until the end of the content.
fn fastcgi(stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut params = Vec::new();
    let mut kind = part(stream, 7)?;
    loop {
        let [which, _, _, high, low, padding, _] = kind[..] else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let content = part(stream, length + usize::from(padding))?;
        match which {
            4 if params.len() < MOST => params.extend_from_slice(&content[..length]),
            5 if length == 0 => break,
            _ => {}
        }
        kind = part(stream, 8)?.split_off(1);
    }
    let mut out = Vec::new();
    let mut rest = params.as_slice();
    while let Some((name, after)) = size(rest)
        && let Some((value, after)) = size(after)
        && after.len() >= name + value
    {
        line(&mut out, &after[..name], &after[name..name + value]);
        rest = &after[name + value..];
    }
    Ok(out)
}

/// A length of a name or a value.
fn size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..=127, rest @ ..] => Some((usize::from(*short), rest)),
        [a, b, c, d, rest @ ..] => Some((u32::from_be_bytes([a & 0x7f, *b, *c, *d]) as usize, rest)),
        _ => None,
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn scgi(first: u8, stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut length = usize::from(first - b'0');
    loop {
        match part(stream, 1)?[0] {
            digit @ b'0'..=b'9' if length < MOST => length = length * 10 + usize::from(digit - b'0'),
            b':' => break,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    let text = part(stream, length + 1)?;
    let mut out = Vec::new();
    let mut words = text.split(|byte| *byte == 0);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        line(&mut out, name, value);
    }
    Ok(out)
}

fn uwsgi(stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let head = part(stream, 3)?;
    let text = part(stream, usize::from(u16::from_le_bytes([head[0], head[1]])))?;
    let mut out = Vec::new();
    let mut rest = text.as_slice();
    let mut next = || {
        let (length, after) = (rest.get(..2)?, rest.get(2..)?);
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let word = after.get(..length)?;
        rest = &after[length..];
        Some(word)
    };
    while let (Some(name), Some(value)) = (next(), next()) {
        line(&mut out, name, value);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        let mut fastcgi = vec![1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        fastcgi.extend([1, 4, 0, 1, 0, 5, 0, 0, 1, 2, b'A', b'b', b'c', 1, 4, 0, 1, 0, 0, 0, 0]);
        fastcgi.extend([1, 5, 0, 1, 0, 0, 0, 0]);
        let shown = |first: u8, bytes: &[u8]| read(first, &mut &bytes[..]).ok();
        assert_eq!(shown(1, &fastcgi), Some(("fastcgi", b"A=bc\n".to_vec())));
        assert_eq!(shown(b'8', b":A\0bc\0D\0\0,"), Some(("scgi", b"A=bc\nD=\n".to_vec())));
        assert_eq!(shown(0, b"\x07\0\0\x01\0A\x02\0bc"), Some(("uwsgi", b"A=bc\n".to_vec())));
        assert_eq!(shown(1, b"\0"), None);
    }
}
