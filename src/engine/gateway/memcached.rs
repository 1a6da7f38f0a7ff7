//! memcached: the value of a key, asked for by `get` and answered with one `VALUE` or none.
//!
//! The answer is `VALUE key flags length`, the value, and `END` behind it; of a
//! key that is not there only `END`. Keys are sent with spaces, controls and
//! `%` percent-encoded, as they may not hold the former.
//! Reference: <https://github.com/memcached/memcached/blob/master/doc/protocol.txt>

use super::super::http1::field::decimal;

/// What follows the value.
pub const TRAILER: &[u8] = b"\r\nEND\r\n";

/// What memcached says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is a value.
    Found {
        /// Its flags.
        flags: u32,
        /// How long it is.
        length: u64,
    },
    /// There is none.
    Missing,
}

/// Why an answer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It speaks of another key.
    Key,
    /// Its flags are no number.
    Flags,
    /// Its length is no number.
    Length,
    /// It is no answer to `get`.
    Line,
}

/// Writes the request for a key, and returns the key as it was sent.
pub fn put_request(key: &[u8], out: &mut Vec<u8>) -> Vec<u8> {
    let mut sent = Vec::with_capacity(key.len());
    for &byte in key {
        if matches!(byte, 0..=b' ' | b'%' | 0x7f) {
            sent.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            sent.push(byte);
        }
    }
    for part in [b"get ", sent.as_slice(), b"\r\n"] {
        out.extend_from_slice(part);
    }
    sent
}

/// The first line of an answer, without its end; `None` while there is no whole one.
pub fn first_line(data: &[u8]) -> Option<&[u8]> {
    let line = &data[..memchr::memchr(b'\n', data)?];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Reads the first line of an answer.
pub fn read_line(line: &[u8], key: &[u8]) -> Result<Answer, Refusal> {
    if line == b"END" {
        return Ok(Answer::Missing);
    }
    let rest = line.strip_prefix(b"VALUE ").ok_or(Refusal::Line)?;
    let space = memchr::memchr(b' ', rest).ok_or(Refusal::Line)?;
    if &rest[..space] != key {
        return Err(Refusal::Key);
    }
    let rest = &rest[space + 1..];
    let space = memchr::memchr(b' ', rest).ok_or(Refusal::Line)?;
    let flags = decimal(&rest[..space]).and_then(|flags| u32::try_from(flags).ok());
    let flags = flags.ok_or(Refusal::Flags)?;
    // A unique number may follow.
    let length = rest[space + 1..].split(|&byte| byte == b' ').next().unwrap_or_default();
    Ok(Answer::Found { flags, length: decimal(length).ok_or(Refusal::Length)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_escaped() {
        let mut out = Vec::new();
        assert_eq!(put_request(b"/a b%\r\n?\xc3\xa9", &mut out), b"/a%20b%25%0D%0A?\xc3\xa9");
        assert_eq!(out, b"get /a%20b%25%0D%0A?\xc3\xa9\r\n");
    }

    #[test]
    fn answers_are_read() {
        let read = |text: &str| first_line(text.as_bytes()).map(|line| read_line(line, b"/k"));
        assert_eq!(read("VALUE /k 2 5\r\nhello"), Some(Ok(Answer::Found { flags: 2, length: 5 })));
        assert_eq!(read("VALUE /k 0 5 77\r\n"), Some(Ok(Answer::Found { flags: 0, length: 5 })));
        assert_eq!(read("END\r\n"), Some(Ok(Answer::Missing)));
        assert_eq!(read("VALUE /k 2"), None);
        for text in ["ERROR\r\n", "\n", "VALUE /k\r\n", "VALUE /k 1\r\n", "VALUE\r\n"] {
            assert_eq!(read(text), Some(Err(Refusal::Line)), "{text:?}");
        }
        assert_eq!(read("VALUE /x 0 5\r\n"), Some(Err(Refusal::Key)));
        assert_eq!(read("VALUE /k x 5\r\n"), Some(Err(Refusal::Flags)));
        assert_eq!(read("VALUE /k 0 -5\r\n"), Some(Err(Refusal::Length)));
        assert_eq!(read("VALUE /k 0 \r\n"), Some(Err(Refusal::Length)));
    }
}
