//! Field lines of a head as ranges over the buffer that holds them (RFC 9110 § 5, RFC 9112 § 5).

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
                b'r' => (b"referer", Self::Referer),
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
        if name.eq_ignore_ascii_case(text) { known } else { Self::Other }
    }
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
    let field = Field { name, value: Slice::new(from, to), known: Known::of(name.of(buffer)) };
    Ok(match worst {
        GOOD => Line::Good(field),
        UNDERSCORE => Line::Underscore(field),
        _ => Line::Odd(field),
    })
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
