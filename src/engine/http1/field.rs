//! Field lines of a head as ranges over the buffer that holds them (RFC 9110 § 5, RFC 9112 § 5).

use super::scan;

/// A range of bytes in a head's buffer. Heads are far below 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset just past the last byte.
    pub end: u32,
}

impl Slice {
    /// A slice of `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// Its bytes in `buffer`; empty when it lies outside.
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// How many bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// A field line.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name as received.
    pub name: Slice,
    /// Its value without the white space around.
    pub value: Slice,
    /// What it means to us.
    pub known: Known,
    /// Whether it is written as it was received: one space behind the colon, none behind the value, CRLF.
    pub plain: bool,
    /// Whether it was not received: an edit added it.
    pub added: bool,
}

/// Field lines on their way from one buffer to another: those that stand together as they are written go in one piece.
#[derive(Debug)]
pub struct Lines<'a> {
    from: &'a [u8],
    piece: Slice,
}

impl<'a> Lines<'a> {
    /// Lines of this buffer.
    pub fn of(from: &'a [u8]) -> Self {
        Self { from, piece: Slice::default() }
    }

    /// Writes a field's line, or remembers to.
    pub fn write(&mut self, name: Slice, value: Slice, plain: bool, out: &mut Vec<u8>) {
        if plain && name.start == self.piece.end {
            self.piece.end = value.end + 2;
            return;
        }
        self.end(out);
        if plain {
            self.piece = Slice { start: name.start, end: value.end + 2 };
        } else {
            for text in [name.of(self.from), b": ", value.of(self.from), b"\r\n"] {
                out.extend_from_slice(text);
            }
        }
    }

    /// Writes what was remembered.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(std::mem::take(&mut self.piece).of(self.from));
    }
}

/// Fields that the engine itself reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the fields'")]
pub enum Known {
    Other,
    AcceptRanges,
    CacheControl,
    Connection,
    ContentLength,
    ContentType,
    Cookie,
    Date,
    ETag,
    Expect,
    Expires,
    Host,
    KeepAlive,
    LastModified,
    Location,
    Range,
    Referer,
    Refresh,
    Server,
    SetCookie,
    TransferEncoding,
    Upgrade,
    UserAgent,
    XForwardedFor,
}

impl Known {
    /// What a name means, without regard to case.
    pub fn of(name: &[u8]) -> Self {
        let (text, known): (&[u8], Self) = match name.len() {
            4 => match name[0] | 0x20 {
                b'h' => (b"host", Self::Host),
                b'd' => (b"date", Self::Date),
                _ => (b"etag", Self::ETag),
            },
            5 => (b"range", Self::Range),
            6 => match name[0] | 0x20 {
                b'c' => (b"cookie", Self::Cookie),
                b'e' => (b"expect", Self::Expect),
                _ => (b"server", Self::Server),
            },
            7 => match name[0] | 0x20 {
                b'u' => (b"upgrade", Self::Upgrade),
                b'r' if name[6] | 0x20 == b'r' => (b"referer", Self::Referer),
                b'r' => (b"refresh", Self::Refresh),
                _ => (b"expires", Self::Expires),
            },
            8 => (b"location", Self::Location),
            10 => match name[0] | 0x20 {
                b'c' => (b"connection", Self::Connection),
                b'u' => (b"user-agent", Self::UserAgent),
                b's' => (b"set-cookie", Self::SetCookie),
                _ => (b"keep-alive", Self::KeepAlive),
            },
            12 => (b"content-type", Self::ContentType),
            13 => match name[0] | 0x20 {
                b'c' => (b"cache-control", Self::CacheControl),
                b'l' => (b"last-modified", Self::LastModified),
                _ => (b"accept-ranges", Self::AcceptRanges),
            },
            14 => (b"content-length", Self::ContentLength),
            15 => (b"x-forwarded-for", Self::XForwardedFor),
            17 => (b"transfer-encoding", Self::TransferEncoding),
            _ => return Self::Other,
        };
        if same(name, text) { known } else { Self::Other }
    }
}

/// Whether a name is `text`, which is in lower case and has at least four bytes, as many as the name.
///
/// Bit 5 is set in both: of what can stand in a name, only letters of the other case become letters by that.
fn same(name: &[u8], text: &[u8]) -> bool {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    let differ = |one: Option<&[u8; 8]>, other: Option<&[u8; 8]>| match (one, other) {
        (Some(one), Some(other)) => (u64::from_ne_bytes(*one) | LOWER) ^ u64::from_ne_bytes(*other),
        _ => 1,
    };
    if text.len() < 8 {
        let half =
            |bytes: Option<&[u8; 4]>| bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes) | LOWER as u32);
        return half(name.first_chunk()) == half(text.first_chunk())
            && half(name.last_chunk()) == half(text.last_chunk());
    }
    // The last eight overlap those before; all texts are shorter than 25.
    let middle = if text.len() > 16 { differ(name[8..].first_chunk(), text[8..].first_chunk()) } else { 0 };
    differ(name.first_chunk(), text.first_chunk()) | middle | differ(name.last_chunk(), text.last_chunk())
        == 0
}

/// Which bytes may stand in a field name, by class.
const NAME: [u8; 256] = {
    let mut table = [BAD; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => GOOD,
            b'_' => UNDERSCORE,
            0..=b' ' | 0x7f => BAD,
            _ => ODD,
        };
        at += 1;
    }
    table
};
const GOOD: u8 = 0;
const UNDERSCORE: u8 = 1;
const ODD: u8 = 2;
const BAD: u8 = 3;

/// What a field line is, when it is one.
pub enum Line {
    /// A field with a name that every server takes.
    Good(Field),
    /// A field whose name has a `_` and nothing worse.
    Underscore(Field),
    /// A field whose name has bytes that few servers take.
    Odd(Field),
}

/// Reads one field line, `buffer[start..end]` without its line end.
///
/// `Err` for what two servers could read differently: a space or control in or
/// after the name, an empty name, folding, a bare CR or a NUL in the value. A
/// line without a colon is a field with an empty value.
pub fn line(buffer: &[u8], start: usize, end: usize) -> Result<Line, Invalid> {
    let mut at = start;
    let mut worst = GOOD;
    while at < end && buffer[at] != b':' {
        let class = NAME[buffer[at] as usize];
        if class == BAD {
            return Err(Invalid);
        }
        worst = worst.max(class);
        at += 1;
    }
    if at == start {
        return Err(Invalid);
    }
    let name = Slice::new(start, at);
    let (mut from, mut to) = ((at + 1).min(end), end);
    // Spaces only: a tab stays, as the servers do whose upstreams we stand before.
    while from < to && buffer[from] == b' ' {
        from += 1;
    }
    while from < to && buffer[to - 1] == b' ' {
        to -= 1;
    }
    if memchr::memchr2(b'\r', 0, &buffer[from..to]).is_some() {
        return Err(Invalid);
    }
    let known = Known::of(name.of(buffer));
    let field = Field { name, value: Slice::new(from, to), known, plain: false, added: false };
    Ok(match worst {
        GOOD => Line::Good(field),
        UNDERSCORE => Line::Underscore(field),
        _ => Line::Odd(field),
    })
}

/// Reads the field line at `start` as most are: a name that every server takes, a value without controls, CRLF or LF.
/// Gives the field and where the next line begins; `None` for anything else, which [`line`] is to judge.
pub fn usual(buffer: &[u8], start: usize) -> Option<(Field, usize)> {
    let length = scan::name_length(buffer.get(start..)?)?;
    let colon = start + length;
    if buffer[colon] != b':' || length == 0 {
        return None;
    }
    let mut from = colon + 1;
    while *buffer.get(from)? == b' ' {
        from += 1;
    }
    let control = from + scan::first_control(&buffer[from..])?;
    let next = match buffer[control..] {
        [b'\n', ..] => control + 1,
        [b'\r', b'\n', ..] => control + 2,
        _ => return None,
    };
    let mut to = control;
    while to > from && buffer[to - 1] == b' ' {
        to -= 1;
    }
    let plain = from == colon + 2 && next == to + 2;
    let known = Known::of(&buffer[start..colon]);
    let field =
        Field { name: Slice::new(start, colon), value: Slice::new(from, to), known, plain, added: false };
    Some((field, next))
}

/// The offset of the byte for which a line is refused.
pub fn first_bad(buffer: &[u8], start: usize, end: usize) -> usize {
    let line = buffer.get(start..end).unwrap_or_default();
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let in_name = line[..colon].iter().position(|&byte| NAME[byte as usize] == BAD);
    let in_value = || memchr::memchr2(b'\r', 0, &line[colon..]).map(|at| colon + at);
    start + in_name.or_else(|| if colon == 0 { Some(0) } else { in_value() }).unwrap_or(0)
}

/// A line that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// Whether a comma-separated list holds a token, without regard to case (RFC 9110 § 5.6.1).
pub fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

/// A decimal number without sign, as `Content-Length` has (RFC 9110 § 8.6).
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0u64, |sum, &byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the quick way takes, the thorough one takes for the same; what it leaves, is left to it.
    #[test]
    fn the_usual_way_agrees_with_the_thorough() {
        let names: [&[u8]; 9] =
            [b"Host", b"X-Forwarded-For", b"transfer-Encoding", b"A", b"", b"a_b", b"a b", b"ETag", b"x\x00"];
        let values: [&[u8]; 10] = [
            b"a",
            b"",
            b"a b  ",
            b"\ta\t",
            b"a\rb",
            b"a\0b",
            b"0123456789abcdef0123456789",
            b"0123456789abcde\x01f",
            b"\xff\x80\x7f",
            b"    1234567\x1f8",
        ];
        for name in names {
            for value in values {
                for (colon, end) in
                    [(&b":"[..], &b"\r\n"[..]), (b": ", b"\n"), (b"", b"\r\n"), (b":  ", b"\r\r\n")]
                {
                    let whole = [name, colon, value, end].concat();
                    let stop = whole.len() - end.len() + usize::from(end == b"\r\r\n");
                    let Some((field, next)) = usual(&whole, 0) else { continue };
                    assert_eq!(next, whole.len());
                    let Ok(Line::Good(other)) = line(&whole, 0, stop) else { panic!("{whole:?}") };
                    assert_eq!(
                        (field.name, field.value, field.known),
                        (other.name, other.value, other.known)
                    );
                }
            }
        }
        assert!(usual(b"Host: a", 0).is_none());
        assert!(usual(b"Host: a\r", 0).is_none());
        let (field, next) = usual(b"..Host:  a \r\n\r\n", 2).unwrap();
        assert_eq!(
            (field.name, field.value, field.known, next),
            (Slice::new(2, 6), Slice::new(9, 10), Known::Host, 13)
        );
    }

    #[test]
    fn names_are_known_in_any_case() {
        for (name, known) in [
            (&b"hOST"[..], Known::Host),
            (b"RANGE", Known::Range),
            (b"Expires", Known::Expires),
            (b"Location", Known::Location),
            (b"CONTENT-LENGTH", Known::ContentLength),
            (b"transfer-encodinG", Known::TransferEncoding),
            (b"transfer-excoding", Known::Other),
            (b"Hosu", Known::Other),
            (b"xxxx", Known::Other),
        ] {
            assert_eq!(Known::of(name), known, "{}", name.escape_ascii());
        }
    }
}
