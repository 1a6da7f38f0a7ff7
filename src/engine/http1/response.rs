//! The head of a response (RFC 9112 § 4 and § 5), as upstreams send it.
//!
//! More lenient than for requests where old programs need it (LF without CR,
//! no reason phrase, a version beyond 1.1), never where framing is concerned:
//! two lengths, a length beside a transfer coding, or an unknown coding are
//! refused.

use super::field::{self, Field, Known, Line, Slice, decimal, has_token};

/// A response head, as ranges over the buffer it was read from.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// Length of the head in the buffer.
    pub length: usize,
    /// Version in tenths: 10 or 11.
    pub version: u8,
    /// Status code, 100 to 999.
    pub status: u16,
    /// Status code and reason phrase as received.
    pub status_text: Slice,
    /// The fields in order.
    pub fields: Vec<Field>,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// Whether the content is chunked.
    pub chunked: bool,
    /// Whether the connection may be used again.
    pub keep_alive: bool,
}

/// What is in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole head, now in the [`ResponseHead`].
    Whole,
    /// The beginning of one.
    Partial,
    /// Something else: content without a head (HTTP/0.9).
    NoHead,
}

/// Why a head is refused: for the error log, after `upstream sent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub reason: &'static str,
    /// The line, or what of it is fine, where it says more.
    pub line: Slice,
    /// The first byte that is not.
    pub bad: Option<u8>,
}

impl ResponseHead {
    /// Reads the head at the start of `buffer`; its first line may be missing where `status_line` says so (a
    /// gateway that answers with `Status`).
    pub fn parse(&mut self, buffer: &[u8], gateway: bool) -> Result<Parsed, Refusal> {
        let Some(newline) = memchr::memchr(b'\n', buffer) else {
            let start = &buffer[..buffer.len().min(5)];
            return Ok(if gateway || b"HTTP/".starts_with(start) || buffer.starts_with(b"HTTP/") {
                Parsed::Partial
            } else {
                Parsed::NoHead
            });
        };
        self.clear();
        let end = strip_cr(buffer, 0, newline);
        let mut fields = newline + 1;
        if !self.status_line(buffer, end) {
            if !gateway {
                return Ok(Parsed::NoHead);
            }
            (self.version, self.status, fields) = (10, 200, 0);
        }
        if let Some(length) = self.usual_lines(buffer, fields, gateway) {
            self.length = length;
        } else {
            self.fields.clear();
            (self.content_length, self.chunked, self.keep_alive) = (None, false, self.version == 11);
            let Some(length) = end_of_head(buffer, fields) else { return Ok(Parsed::Partial) };
            self.length = length;
            self.field_lines(buffer, fields, gateway && fields == 0)?;
        }
        // A gateway's program that gives a place to go to and no status means "found" (RFC 3875 § 6.2.3).
        if fields == 0 && self.status_text.is_empty() && self.get(buffer, Known::Location).is_some() {
            self.status = 302;
        }
        Ok(Parsed::Whole)
    }

    /// Reads a head that has no first line: fields only, one of which may be the `Status` (RFC 3875 § 6.3.3).
    pub fn parse_fields(&mut self, buffer: &[u8]) -> Result<Parsed, Refusal> {
        self.clear();
        let Some(length) = end_of_head(buffer, 0) else { return Ok(Parsed::Partial) };
        (self.version, self.status, self.length) = (10, 200, length);
        self.field_lines(buffer, 0, true)?;
        if self.status_text.is_empty() && self.get(buffer, Known::Location).is_some() {
            self.status = 302;
        }
        Ok(Parsed::Whole)
    }

    /// Forgets everything, keeping memory.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// Becomes the same as another, keeping memory.
    pub fn copy(&mut self, other: &Self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        fields.extend_from_slice(&other.fields);
        let Self { length, version, status, status_text, content_length, chunked, keep_alive, .. } = *other;
        *self = Self { length, version, status, status_text, fields, content_length, chunked, keep_alive };
    }

    fn status_line(&mut self, buffer: &[u8], end: usize) -> bool {
        let Some(rest) = buffer[..end].strip_prefix(b"HTTP/") else { return false };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let (version, after) = rest.split_at(digits);
        let Some(dot) = version.iter().position(|&byte| byte == b'.') else { return false };
        let (Some(major), Some(minor)) = (decimal(&version[..dot]), decimal(&version[dot + 1..])) else {
            return false;
        };
        let spaces = after.iter().take_while(|&&byte| byte == b' ').count();
        let code = &after[spaces..];
        if spaces == 0
            || code.len() < 3
            || !code[..3].iter().all(u8::is_ascii_digit)
            || code.get(3).is_some_and(|&byte| !matches!(byte, b' ' | b'.'))
        {
            return false;
        }
        if memchr::memchr2(b'\r', 0, code).is_some() {
            return false;
        }
        self.version = if (major, minor) < (1, 1) { 10 } else { 11 };
        self.keep_alive = self.version == 11;
        self.status = code[..3].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        self.status_text = Slice::new(end - code.len(), end);
        true
    }

    /// Reads the fields of a head with which everything is as usual, in one pass: its length. Fields that frame
    /// the response in any other way than once are left to [`Self::field_lines`].
    fn usual_lines(&mut self, buffer: &[u8], fields: usize, says_status: bool) -> Option<usize> {
        let (mut at, mut length, mut chunked, mut keep_alive) = (fields, None, false, self.keep_alive);
        loop {
            let end = match buffer.get(at..)? {
                [b'\n', ..] => Some(at + 1),
                [b'\r', b'\n', ..] => Some(at + 2),
                _ => None,
            };
            if let Some(end) = end {
                (self.content_length, self.chunked, self.keep_alive) = (length, chunked, keep_alive);
                return (length.is_none() || !chunked).then_some(end);
            }
            let (field, next) = field::usual(buffer, at)?;
            let value = field.value.of(buffer);
            match field.known {
                Known::ContentLength if length.is_none() => length = Some(decimal(value)?),
                Known::TransferEncoding if !chunked && value.eq_ignore_ascii_case(b"chunked") => {
                    chunked = true;
                }
                Known::ContentLength | Known::TransferEncoding => return None,
                Known::Connection => keep_alive &= !has_token(value, b"close"),
                Known::Other if says_status && field.name.len() == b"status".len() => return None,
                _ => {}
            }
            self.fields.push(field);
            at = next;
        }
    }

    /// Reads the fields; where there was no status line, one of them may say the status.
    fn field_lines(&mut self, buffer: &[u8], mut at: usize, says_status: bool) -> Result<(), Refusal> {
        let mut coded = false;
        loop {
            let end = at + memchr::memchr(b'\n', &buffer[at..self.length]).unwrap_or(self.length - at - 1);
            let stop = strip_cr(buffer, at, end);
            if stop == at {
                break;
            }
            let line = Slice::new(at, stop);
            // Some programs say their status line twice, or where there should be none.
            if buffer[at..stop].starts_with(b"HTTP/") {
                at = end + 1;
                continue;
            }
            let refuse = |reason| Refusal { reason, line, bad: None };
            let field = match field::line(buffer, at, stop) {
                Ok(Line::Good(field) | Line::Underscore(field) | Line::Odd(field)) => field,
                Err(field::Invalid) => {
                    let bad = field::first_bad(buffer, at, stop);
                    return Err(Refusal {
                        reason: "invalid header",
                        line: Slice::new(at, bad),
                        bad: Some(buffer[bad]),
                    });
                }
            };
            let value = field.value.of(buffer);
            match field.known {
                Known::ContentLength => {
                    if self.content_length.is_some() {
                        return Err(refuse("duplicate header line"));
                    }
                    self.content_length =
                        Some(decimal(value).ok_or(refuse("invalid \"Content-Length\" header"))?);
                }
                Known::TransferEncoding => {
                    if coded {
                        return Err(refuse("duplicate header line"));
                    }
                    coded = true;
                    if value.eq_ignore_ascii_case(b"chunked") {
                        self.chunked = true;
                    } else if !value.eq_ignore_ascii_case(b"identity") {
                        return Err(refuse("unknown \"Transfer-Encoding\""));
                    }
                }
                Known::Connection => self.keep_alive &= !has_token(value, b"close"),
                Known::Other if says_status && field.name.of(buffer).eq_ignore_ascii_case(b"status") => {
                    let code = value.get(..3).and_then(decimal).filter(|&code| code >= 100);
                    let refusal = Refusal { reason: "invalid status", line: field.value, bad: None };
                    self.status = code.ok_or(refusal)? as u16;
                    self.status_text = field.value;
                }
                _ => {}
            }
            self.fields.push(field);
            at = end + 1;
        }
        if self.chunked && self.content_length.is_some() {
            let reason = "\"Content-Length\" and \"Transfer-Encoding\" headers at the same time";
            return Err(Refusal { reason, line: Slice::default(), bad: None });
        }
        Ok(())
    }

    /// The first value of a field.
    pub fn get<'b>(&self, buffer: &'b [u8], known: Known) -> Option<&'b [u8]> {
        self.fields.iter().find(|field| field.known == known).map(|field| field.value.of(buffer))
    }
}

fn end_of_head(buffer: &[u8], fields: usize) -> Option<usize> {
    let mut at = fields;
    loop {
        match buffer.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => at += memchr::memchr(b'\n', &buffer[at..])? + 1,
        }
    }
}

fn strip_cr(buffer: &[u8], start: usize, end: usize) -> usize {
    if end > start && buffer[end - 1] == b'\r' { end - 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Parsed, ResponseHead), &'static str> {
        let mut head = ResponseHead::default();
        head.parse(text.as_bytes(), false).map(|parsed| (parsed, head)).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn heads_are_taken_or_refused() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Ok(Parsed::Whole)),
            ("HTTP/1.0 200\nA: b\n\n", Ok(Parsed::Whole)),
            ("HTTP/2.0 999 Own Reason\r\n\r\n", Ok(Parsed::Whole)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", Ok(Parsed::Partial)),
            ("HTT", Ok(Parsed::Partial)),
            ("hello", Ok(Parsed::NoHead)),
            ("HTTP/1.1 20x OK\r\n\r\n", Ok(Parsed::NoHead)),
            ("HTTP/1.1 200 OK\r\nBad name: x\r\n\r\n", Err("invalid header")),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                Err("duplicate header line"),
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Err("invalid \"Content-Length\" header")),
        ] {
            assert_eq!(parse(text).map(|(parsed, _)| parsed), expected, "{text:?}");
        }
        assert!(!parse("HTTP/1.0 200 OK\r\n\r\n").unwrap().1.keep_alive);
        // Upstreams of that age that ask to be kept are few, and some count what they sent wrongly.
        assert!(!parse("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").unwrap().1.keep_alive);
    }

    #[test]
    fn gateways_answer_with_a_status_field() {
        let mut head = ResponseHead::default();
        let text = b"Status: 404 Gone Away\r\nContent-Type: a/b\r\n\r\n";
        assert_eq!(head.parse(text, true), Ok(Parsed::Whole));
        assert_eq!((head.status, head.status_text.of(text)), (404, &b"404 Gone Away"[..]));
        assert_eq!(head.fields.len(), 2);
        assert_eq!(head.parse(b"Location: /x\r\n\r\n", true), Ok(Parsed::Whole));
        assert_eq!(head.status, 302);
        let text = b"HTTP/1.1 404 No\r\nA: b\r\n\r\n";
        assert_eq!(head.parse_fields(text), Ok(Parsed::Whole));
        assert_eq!((head.status, head.fields.len()), (200, 1));
    }
}
