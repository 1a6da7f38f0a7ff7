//! The head of a request (RFC 9112 § 3 and § 5), read strictly.
//!
//! What is accepted beyond the grammar is what every server accepts and no
//! parser reads differently: empty lines before the request line, several
//! spaces between its parts, LF without CR. Request lines without a version
//! are HTTP/0.9.

use super::field::{self, Field, Known, Line, Slice, decimal, has_token};

/// Limits and leniencies, from the settings in force.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest request line with its line end, bytes.
    pub line: usize,
    /// Longest field line with its line end, bytes.
    pub field: usize,
    /// Most fields.
    pub fields: usize,
    /// Longest head, bytes.
    pub head: usize,
    /// Whether names with odd bytes are dropped (else they are passed).
    pub ignore_invalid: bool,
    /// Whether names with `_` are good.
    pub underscores: bool,
    /// Whether fields that stand once by their definition are refused when repeated.
    pub single: bool,
    /// Whether the target of `OPTIONS` may be `*`.
    pub asterisk: bool,
}

/// A request head, as ranges over the buffer it was read from.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// Length of the head in the buffer, empty lines before it included.
    pub length: usize,
    /// The request line without its line end.
    pub line: Slice,
    /// The method.
    pub method: Slice,
    /// Path and query as received, scheme and authority cut off.
    pub target: Slice,
    /// Host (and port) of an absolute-form target.
    pub authority: Slice,
    /// Version in tenths: 9, 10 or 11.
    pub version: u8,
    /// The protocol and its version as received; empty in HTTP/0.9.
    pub protocol: Slice,
    /// The fields in order.
    pub fields: Vec<Field>,
    /// Names of fields that were dropped.
    pub dropped: Vec<Slice>,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// Whether the content is chunked.
    pub chunked: bool,
    /// Whether the connection may be kept, as far as version and `Connection` say.
    pub keep_alive: bool,
    /// Whether `Connection: keep-alive` was said.
    pub keep_alive_said: bool,
    /// Whether 100 (Continue) is expected.
    pub expect_continue: bool,
    /// Whether something else is expected of us (RFC 9110 § 10.1.1).
    pub expects_else: bool,
    /// The value of `Host`.
    pub host: Option<Slice>,
    /// The value of `Upgrade`.
    pub upgrade: Option<Slice>,
}

/// Why a head is refused, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer. 494 stands for 400 where a head is too large, 493 where it has too many
    /// fields.
    pub status: u16,
    /// The version to answer in; 0 when it is not known.
    pub version: u8,
    /// Whether the method was read, and is HEAD.
    pub is_head: bool,
    /// What the error log says.
    pub reason: &'static str,
    /// Bytes of the request line, as far as it was read.
    pub line: Slice,
    /// Whether the request line was read and the fields are at fault.
    pub in_fields: bool,
    /// The field line at fault, where it is to be shown; up to the byte at fault if there is one.
    pub shown: Slice,
    /// That byte.
    pub bad: Option<u8>,
    /// The earlier field line that it repeats.
    pub earlier: Slice,
    /// Bytes that were read until then.
    pub read: usize,
}

/// What is in the buffer.
#[derive(Debug)]
pub enum Parsed {
    /// A whole head, now in the [`RequestHead`].
    Whole,
    /// The beginning of one.
    Partial,
}

impl RequestHead {
    /// Reads the head at the start of `buffer`; `scanned` bytes were looked at before and hold no end of a head.
    pub fn parse(&mut self, buffer: &[u8], scanned: usize, limits: &Limits) -> Result<Parsed, Refusal> {
        let start = buffer.iter().take_while(|&&byte| matches!(byte, b'\r' | b'\n')).count();
        if start == buffer.len() {
            return if start > limits.line {
                Err(refuse(400, 0, "client sent invalid request"))
            } else {
                Ok(Parsed::Partial)
            };
        }
        let Some(newline) = memchr::memchr(b'\n', &buffer[start..]) else {
            early(&buffer[start..]).map_err(|refusal| refusal.at(start, buffer.len()))?;
            if buffer.len() - start >= limits.line {
                return Err(too_long(buffer, start, buffer.len()));
            }
            return Ok(Parsed::Partial);
        };
        let line_end = strip_cr(buffer, start, start + newline);
        if newline >= limits.line {
            early(&buffer[start..line_end]).map_err(|refusal| refusal.at(start, line_end))?;
            return Err(too_long(buffer, start, line_end));
        }
        if scanned <= start + newline || self.version == 0 {
            self.clear();
            self.request_line(buffer, start, line_end, limits).map_err(|refusal| Refusal {
                // HTTP/0.9 has nothing but content.
                is_head: self.method.of(buffer) == b"HEAD" && refusal.version != 9,
                ..refusal.at(start, line_end)
            })?;
        }
        if self.version == 9 {
            self.length = start + newline + 1;
            return Ok(Parsed::Whole);
        }
        let fields = start + newline + 1;
        // A head that comes in pieces is not read from its beginning again and again.
        if scanned == 0
            && let Some(length) = self.usual_lines(buffer, fields, limits)
        {
            self.length = length;
            return Ok(Parsed::Whole);
        }
        let Some(length) = end_of_head(buffer, fields, scanned) else {
            let last = memchr::memrchr(b'\n', buffer).map_or(0, |at| at + 1);
            if buffer.len() - last >= limits.field || buffer.len() >= limits.head {
                return Err(self.refuse(494, "client sent too long header line"));
            }
            return Ok(Parsed::Partial);
        };
        self.length = length;
        if length > limits.head {
            return Err(self.refuse(494, "client sent too large request"));
        }
        self.field_lines(buffer, fields, limits)?;
        Ok(Parsed::Whole)
    }

    /// Forgets everything, keeping memory.
    pub fn clear(&mut self) {
        let (mut fields, mut dropped) = (std::mem::take(&mut self.fields), std::mem::take(&mut self.dropped));
        fields.clear();
        dropped.clear();
        *self = Self { fields, dropped, ..Self::default() };
    }

    fn refuse(&self, status: u16, reason: &'static str) -> Refusal {
        Refusal {
            version: self.version,
            line: self.line,
            in_fields: true,
            read: self.length,
            ..refuse(status, 0, reason)
        }
    }

    fn request_line(
        &mut self,
        buffer: &[u8],
        start: usize,
        end: usize,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let line = &buffer[start..end];
        self.line = Slice::new(start, end);
        let method = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        if method == 0 || !line[..method].iter().all(|&byte| is_method(byte)) || method == line.len() {
            return Err(refuse(400, 0, "client sent invalid method"));
        }
        self.method = Slice::new(start, start + method);
        let target = method + line[method..].iter().take_while(|&&byte| byte == b' ').count();
        let length = line[target..].iter().position(|&byte| byte == b' ').unwrap_or(line.len() - target);
        if length == 0 || line[target..target + length].iter().any(|&byte| byte < b' ' || byte == 0x7f) {
            return Err(refuse(400, 0, "client sent invalid request"));
        }
        let after =
            target + length + line[target + length..].iter().take_while(|&&byte| byte == b' ').count();
        self.protocol = Slice::new(start + after, end);
        let server = limits.asterisk && line.starts_with(b"OPTIONS ") && line[target..][..length] == *b"*";
        if server {
            self.target = Slice::new(start + target, start + target + length);
        } else {
            self.split_target(buffer, start + target, start + target + length)?;
        }
        let rest = spaces_off(&line[target + length..]);
        self.version = match rest {
            b"" => 9,
            _ => version(rest)?,
        };
        let of_none = !self.target_is_whole(start + target);
        if (self.version == 9 && &line[..method] != b"GET") || of_none {
            return Err(refuse(400, self.version, "client sent invalid request"));
        }
        self.keep_alive = self.version == 11;
        Ok(())
    }

    /// Whether the target that begins there has an authority if it has a scheme.
    fn target_is_whole(&self, start: usize) -> bool {
        self.target.start as usize == start || !self.authority.is_empty()
    }

    /// Cuts scheme and authority off (RFC 9112 § 3.2.2).
    fn split_target(&mut self, buffer: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        let invalid = refuse(400, 0, "client sent invalid request");
        self.target = Slice::new(start, end);
        let target = &buffer[start..end];
        if target[0] == b'/' {
            return Ok(());
        }
        let scheme = target
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        if scheme == 0 || !target[0].is_ascii_alphabetic() || !target[scheme..].starts_with(b"://") {
            return Err(invalid);
        }
        let host = scheme + 3;
        let length = target[host..]
            .iter()
            .position(|&byte| matches!(byte, b'/' | b'?' | b'#'))
            .unwrap_or(target.len() - host);
        // Observed: an authority ends with a path, a query or the target; a fragment alone is no request.
        if target.get(host + length) == Some(&b'#') || !is_authority(&target[host..host + length]) {
            return Err(invalid);
        }
        self.authority = Slice::new(start + host, start + host + length);
        self.target = Slice::new(start + host + length, end);
        Ok(())
    }

    /// Reads the fields of a head with which everything is as usual, in one pass: its length. Else nothing is taken,
    /// and the thorough way says what is to be said.
    fn usual_lines(&mut self, buffer: &[u8], fields: usize, limits: &Limits) -> Option<usize> {
        let mut at = fields;
        let length = loop {
            match buffer.get(at..) {
                Some([b'\n', ..]) => break Some(at + 1),
                Some([b'\r', b'\n', ..]) => break Some(at + 2),
                _ => {}
            }
            let Some((field, next)) = field::usual(buffer, at) else { break None };
            if next - at > limits.field
                || self.take(buffer, field, limits).is_err()
                || self.fields.len() > limits.fields
            {
                break None;
            }
            at = next;
        };
        let length = length.filter(|length| *length <= limits.head && self.sound().is_ok());
        if length.is_none() {
            self.forget_fields();
        }
        length
    }

    /// Forgets what was read behind the first line.
    fn forget_fields(&mut self) {
        self.fields.clear();
        (self.content_length, self.chunked, self.expect_continue) = (None, false, false);
        self.expects_else = false;
        (self.keep_alive, self.keep_alive_said) = (self.version == 11, false);
        (self.host, self.upgrade) = (None, None);
    }

    fn field_lines(&mut self, buffer: &[u8], mut at: usize, limits: &Limits) -> Result<(), Refusal> {
        loop {
            let end = at + memchr::memchr(b'\n', &buffer[at..self.length]).unwrap_or(self.length - at - 1);
            let stop = strip_cr(buffer, at, end);
            if stop == at {
                break;
            }
            if end - at >= limits.field {
                return Err(self.refuse(494, "client sent too long header line"));
            }
            if self.fields.len() >= limits.fields {
                return Err(self.refuse(493, "client sent too many header lines"));
            }
            match field::line(buffer, at, stop) {
                Err(field::Invalid) => {
                    let bad = field::first_bad(buffer, at, stop);
                    return Err(Refusal {
                        shown: Slice::new(at, bad),
                        bad: buffer.get(bad).copied(),
                        read: at,
                        ..self.refuse(400, "client sent invalid header line")
                    });
                }
                Ok(Line::Good(field)) => self.take(buffer, field, limits)?,
                Ok(Line::Underscore(field)) if limits.underscores => self.take(buffer, field, limits)?,
                Ok(Line::Underscore(field) | Line::Odd(field)) => {
                    if limits.ignore_invalid {
                        self.dropped.push(Slice { start: field.name.start, end: field.value.end });
                    } else {
                        self.take(buffer, field, limits)?;
                    }
                }
            }
            at = end + 1;
        }
        self.sound()
    }

    /// Takes dropped field lines behind `Host` after all, where the limits of the host that it names would have
    /// (observed: nginx 1.22.1, which reads each line by the host known so far).
    pub fn take_dropped(&mut self, buffer: &[u8], limits: &Limits) {
        let Some(host) = self.host else { return };
        let fields = &mut self.fields;
        self.dropped.retain(|line| {
            let field = match field::line(buffer, line.start as usize, line.end as usize) {
                Ok(Line::Underscore(field)) if limits.underscores || !limits.ignore_invalid => field,
                Ok(Line::Odd(field)) if !limits.ignore_invalid => field,
                _ => return true,
            };
            if line.start < host.start {
                return true;
            }
            let place = fields.partition_point(|earlier| earlier.name.start < field.name.start);
            fields.insert(place, field);
            false
        });
    }

    /// Whether the fields that frame the request go together.
    fn sound(&self) -> Result<(), Refusal> {
        if self.chunked && self.content_length.is_some() {
            return Err(self.refuse(
                400,
                "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
            ));
        }
        if self.version == 11 && self.host.is_none_or(Slice::is_empty) {
            return Err(self.refuse(400, "client sent HTTP/1.1 request without \"Host\" header"));
        }
        Ok(())
    }

    fn take(&mut self, buffer: &[u8], field: Field, limits: &Limits) -> Result<(), Refusal> {
        let value = field.value.of(buffer);
        match field.known {
            Known::Host => {
                if self.host.is_some() {
                    return Err(self.repeated(buffer, field, "client sent duplicate host header"));
                }
                self.host = Some(field.value);
            }
            Known::ContentLength => {
                if self.content_length.is_some() {
                    return Err(self.repeated(buffer, field, "client sent duplicate header line"));
                }
                let Some(length) = decimal(value) else {
                    return Err(self.refuse(400, "client sent invalid \"Content-Length\" header"));
                };
                self.content_length = Some(length);
            }
            Known::TransferEncoding => {
                if self.chunked {
                    return Err(self.repeated(buffer, field, "client sent duplicate header line"));
                }
                if self.version < 11 {
                    return Err(
                        self.refuse(400, "client sent HTTP/1.0 request with \"Transfer-Encoding\" header")
                    );
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    let refusal = self.refuse(501, "client sent unknown \"Transfer-Encoding\"");
                    return Err(Refusal { shown: field.value, ..refusal });
                }
                self.chunked = true;
            }
            Known::Connection => {
                if has_token(value, b"close") {
                    self.keep_alive = false;
                } else if has_token(value, b"keep-alive") {
                    self.keep_alive_said = true;
                    self.keep_alive = true;
                }
            }
            Known::Expect => {
                self.only(buffer, field, limits)?;
                let is_usual = value.eq_ignore_ascii_case(b"100-continue");
                self.expect_continue = self.version == 11 && is_usual;
                self.expects_else |= !is_usual;
            }
            Known::Upgrade => self.upgrade = self.upgrade.or(Some(field.value)),
            Known::Other => self.only(buffer, field, limits)?,
            _ => {}
        }
        self.fields.push(field);
        Ok(())
    }

    /// Refuses a field that stands once, where it is there already and that is asked for.
    fn only(&self, buffer: &[u8], field: Field, limits: &Limits) -> Result<(), Refusal> {
        if limits.single && self.has_single(buffer, field) {
            return Err(self.repeated(buffer, field, "client sent duplicate header line"));
        }
        Ok(())
    }

    /// Whether a field stands once by its definition, and is there already.
    pub fn has_single(&self, buffer: &[u8], field: Field) -> bool {
        let name = field.name.of(buffer);
        let same = |earlier: &Field| earlier.name.of(buffer).eq_ignore_ascii_case(name);
        (field.known == Known::Expect || is_single(name)) && self.fields.iter().any(same)
    }

    /// Refuses a field that is there already.
    fn repeated(&self, buffer: &[u8], field: Field, reason: &'static str) -> Refusal {
        let whole = |field: &Field| Slice { start: field.name.start, end: field.value.end };
        let end = field.value.end as usize;
        Refusal {
            shown: whole(&field),
            earlier: self
                .fields
                .iter()
                .find(|earlier| {
                    earlier.known == field.known
                        && earlier.name.of(buffer).eq_ignore_ascii_case(field.name.of(buffer))
                })
                .map(whole)
                .unwrap_or_default(),
            read: memchr::memchr(b'\n', buffer.get(end..).unwrap_or_default()).map_or(end, |at| end + at + 1),
            ..self.refuse(400, reason)
        }
    }

    /// Whether content follows the head.
    pub fn has_content(&self) -> bool {
        self.chunked || self.content_length.is_some_and(|length| length > 0)
    }
}

/// Whether a field of this name stands once (observed: nginx 1.22.1; the others of the kind are known by themselves).
fn is_single(name: &[u8]) -> bool {
    let names: &[&[u8]] = match name.len() {
        8 => &[b"if-match", b"if-range"],
        13 => &[b"if-none-match", b"authorization", b"content-range"],
        17 => &[b"if-modified-since"],
        19 => &[b"if-unmodified-since"],
        _ => return false,
    };
    names.iter().any(|each| name.eq_ignore_ascii_case(each))
}

impl Refusal {
    fn at(self, start: usize, end: usize) -> Self {
        Self { line: Slice::new(start, end), ..self }
    }
}

fn too_long(buffer: &[u8], start: usize, end: usize) -> Refusal {
    let refusal = refuse(414, 0, "client sent too long URI").at(start, end);
    Refusal { is_head: buffer[start..].starts_with(b"HEAD "), ..refusal }
}

fn refuse(status: u16, version: u8, reason: &'static str) -> Refusal {
    let none = Slice::default();
    Refusal {
        status,
        version,
        is_head: false,
        reason,
        line: none,
        in_fields: false,
        shown: none,
        bad: None,
        earlier: none,
        read: 0,
    }
}

/// Whether these bytes may stand between `//` and the path (RFC 3986 § 3.2.2, without what no client needs): a name or an
/// address, in brackets or of letters, digits, dots and hyphens, and a port.
fn is_authority(text: &[u8]) -> bool {
    let (host, rest) = match text.iter().position(|&byte| byte == b']') {
        Some(end) if text.starts_with(b"[") => text.split_at(end + 1),
        _ => text.split_at(memchr::memchr(b':', text).unwrap_or(text.len())),
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let in_brackets = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'!'..=b',' | b';' | b'=')
    };
    let fine = match host {
        [b'[', inside @ .., b']'] => inside.iter().all(in_brackets),
        _ => host.iter().all(is_name),
    };
    fine && (rest.is_empty() || (rest[0] == b':' && rest[1..].iter().all(u8::is_ascii_digit)))
}

/// `HTTP/x.y`: any minor version of 1 from 1 on is served as 1.1.
fn version(text: &[u8]) -> Result<u8, Refusal> {
    let invalid = refuse(400, 0, "client sent invalid request");
    let digits = text.strip_prefix(b"HTTP/").ok_or(invalid)?;
    let dot = digits.iter().position(|&byte| byte == b'.').ok_or(invalid)?;
    let (major, minor) =
        (decimal(&digits[..dot]).ok_or(invalid)?, decimal(&digits[dot + 1..]).ok_or(invalid)?);
    if dot > 2 || digits[0] == b'0' || digits.len() - dot > 4 || major == 0 {
        return Err(invalid);
    }
    match (major, minor) {
        (1, 0) => Ok(10),
        (1, _) => Ok(11),
        _ => Err(refuse(505, 11, "client sent invalid version")),
    }
}

/// Whether a method may have it.
pub fn is_method(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-')
}

/// Looks at the beginning of a request line, to refuse at once what can never become one.
fn early(line: &[u8]) -> Result<(), Refusal> {
    let method = line.iter().take_while(|&&byte| is_method(byte)).count();
    if method == 0 || line.get(method).is_some_and(|&byte| byte != b' ') {
        return Err(refuse(400, 0, "client sent invalid method"));
    }
    if line[method..].iter().any(|&byte| (byte < b' ' && byte != b'\r') || byte == 0x7f) {
        return Err(refuse(400, 0, "client sent invalid request"));
    }
    Ok(())
}

/// Where the head ends that has its fields from `fields` on: after the first empty line.
fn end_of_head(buffer: &[u8], fields: usize, scanned: usize) -> Option<usize> {
    let mut at = fields.max(scanned.saturating_sub(2)).saturating_sub(1);
    loop {
        at += memchr::memchr(b'\n', buffer.get(at..)?)? + 1;
        match buffer.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// `text` without the spaces around it; tabs and the like stay, to be refused.
fn spaces_off(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| byte != b' ').unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| byte != b' ').map_or(start, |last| last + 1);
    &text[start..end]
}

/// `end` without a CR before it.
fn strip_cr(buffer: &[u8], start: usize, end: usize) -> usize {
    if end > start && buffer[end - 1] == b'\r' { end - 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        line: 8192,
        field: 8192,
        fields: usize::MAX,
        head: 32768,
        ignore_invalid: true,
        underscores: false,
        single: false,
        asterisk: false,
    };

    fn parse(text: &str) -> Result<RequestHead, u16> {
        let mut head = RequestHead::default();
        match head.parse(text.as_bytes(), 0, &LIMITS) {
            Ok(Parsed::Whole) => Ok(head),
            Ok(Parsed::Partial) => Err(0),
            Err(refusal) => Err(refusal.status),
        }
    }

    /// Observed: nginx 1.22.1, where it is not stricter by RFC 9112.
    #[test]
    fn heads_are_taken_or_refused() {
        for (text, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(())),
            ("GET / HTTP/1.1\nHost: a\n\n", Ok(())),
            ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(())),
            ("GET   /   HTTP/1.1 \r\nHost: a\r\n\r\n", Ok(())),
            ("GET /x\r\n", Ok(())),
            ("GET / HTTP/1.0\r\n\r\n", Ok(())),
            ("FO-O / HTTP/1.2\r\nHost: a\r\nNoColon\r\n\r\n", Ok(())),
            ("GET / HTTP/1.1\r\n", Err(0)),
            (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("get / HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / http/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Err(505)),
            ("GET / HTTP/1.1\t\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1 \r\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / \x0cHTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("CONNECT h:80 HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nA: b\0\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", Err(400)),
            ("GET http://a#b HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", Err(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", Err(400)),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Err(400),
            ),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Err(501)),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(400)),
        ] {
            assert_eq!(parse(text).map(|_| ()), expected, "{text:?}");
        }
        let text = "GET http://A.com:77/p?q HTTP/1.1\r\nHost: w.com\r\nA_b: x\r\n\r\n";
        let head = parse(text).unwrap();
        assert_eq!(head.authority.of(text.as_bytes()), b"A.com:77");
        assert_eq!(head.target.of(text.as_bytes()), b"/p?q");
        assert_eq!(head.dropped.len(), 1);
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let text = "\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        let mut head = RequestHead::default();
        for end in 1..text.len() {
            let whole = matches!(head.parse(&text.as_bytes()[..end], end - 1, &LIMITS), Ok(Parsed::Whole));
            assert_eq!(whole, end >= text.len() - 3, "{end}");
            if whole {
                break;
            }
        }
        assert_eq!((head.length, head.content_length), (text.len() - 3, Some(3)));
    }
}
