//! The parts of an X.509 certificate that verification asks about (RFC 5280 § 4.1), of any version.
//!
//! The TLS library reads version 3 with alternative names only; servers behind
//! proxies often have older ones.

use std::{fmt::Write as _, net::IpAddr};

/// A certificate, as slices of its DER bytes.
#[derive(Debug)]
pub(in crate::engine) struct Certificate<'a> {
    /// Its serial number.
    pub(in crate::engine) serial: &'a [u8],
    /// What is signed.
    pub(in crate::engine) signed: &'a [u8],
    /// The contents of the algorithm it is signed with.
    pub(in crate::engine) algorithm: &'a [u8],
    /// The signature.
    pub(in crate::engine) signature: &'a [u8],
    /// The issuer's name.
    pub(in crate::engine) issuer: &'a [u8],
    /// The subject's name.
    pub(in crate::engine) subject: &'a [u8],
    /// First and last second of its validity, since the epoch.
    pub(in crate::engine) validity: (i64, i64),
    /// The contents of the key's algorithm.
    pub(in crate::engine) key_algorithm: &'a [u8],
    /// The key.
    pub(in crate::engine) key: &'a [u8],
    /// The contents of its extensions; empty in versions 1 and 2.
    extensions: &'a [u8],
    /// Whether it is version 3.
    pub(in crate::engine) has_extensions: bool,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// subjectAltName (RFC 5280 § 4.2.1.6).
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// commonName (RFC 4519 § 2.3).
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` when it is none.
    pub(in crate::engine) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(Reader(der).expect(SEQUENCE)?);
        let before = outer.0;
        let mut inner = Reader(outer.expect(SEQUENCE)?);
        let signed = &before[..before.len() - outer.0.len()];
        let algorithm = outer.expect(SEQUENCE)?;
        let signature = bits(outer.expect(BIT_STRING)?)?;
        let version =
            inner.optional(0xa0).and_then(|version| Reader(version).expect(INTEGER)).map_or(0, last);
        let serial = inner.expect(INTEGER)?;
        inner.expect(SEQUENCE)?;
        let issuer = inner.expect(SEQUENCE)?;
        let mut validity = Reader(inner.expect(SEQUENCE)?);
        let validity = (validity.time()?, validity.time()?);
        let subject = inner.expect(SEQUENCE)?;
        let mut key = Reader(inner.expect(SEQUENCE)?);
        let (key_algorithm, key) = (key.expect(SEQUENCE)?, bits(key.expect(BIT_STRING)?)?);
        inner.optional(0x81);
        inner.optional(0x82);
        let extensions = match inner.optional(0xa3) {
            Some(extensions) => Reader(extensions).expect(SEQUENCE)?,
            None => &[],
        };
        let has_extensions = version >= 2;
        Some(Self {
            serial,
            signed,
            algorithm,
            signature,
            issuer,
            subject,
            validity,
            key_algorithm,
            key,
            extensions,
            has_extensions,
        })
    }

    /// The subject's name with what is around it.
    pub(in crate::engine) fn subject_der(&self) -> Vec<u8> {
        wrapped(SEQUENCE, self.subject)
    }

    /// Whether it names itself as its issuer.
    pub(in crate::engine) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it is for this name: by its alternative names; without any for hosts, by its common name (RFC 6125 § 6.4.4).
    pub(in crate::engine) fn is_for(&self, name: &str) -> bool {
        let ip = name.parse::<IpAddr>().ok();
        let mut named = false;
        let mut names = Reader(self.alternative_names().unwrap_or_default());
        while let Some((tag, value)) = names.next() {
            match (tag, ip) {
                (0x82, _) => {
                    named = true;
                    if matches(value, name) {
                        return true;
                    }
                }
                (0x87, Some(IpAddr::V4(ip))) if ip.octets() == value => return true,
                (0x87, Some(IpAddr::V6(ip))) if ip.octets() == value => return true,
                _ => {}
            }
        }
        !named && self.common_names().any(|common| matches(common, name))
    }

    /// The alternative name of a kind, counted from nought.
    pub(in crate::engine) fn alternative(&self, kind: u8, at: u8) -> Option<&'a [u8]> {
        let mut names = Reader(self.alternative_names()?);
        let of_kind = std::iter::from_fn(|| names.next()).filter(|(tag, _)| *tag == kind);
        of_kind.map(|(_, value)| value).nth(usize::from(at))
    }

    fn alternative_names(&self) -> Option<&'a [u8]> {
        let mut extensions = Reader(self.extensions);
        while let Some((SEQUENCE, extension)) = extensions.next() {
            let mut extension = Reader(extension);
            if extension.expect(OID)? == ALTERNATIVE_NAMES {
                extension.optional(BOOLEAN);
                return Reader(extension.expect(OCTET_STRING)?).expect(SEQUENCE);
            }
        }
        None
    }

    fn common_names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut sets = Reader(self.subject);
        let sets = std::iter::from_fn(move || sets.next());
        sets.filter(|(tag, _)| *tag == SET).filter_map(|(_, set)| {
            let mut pair = Reader(Reader(set).expect(SEQUENCE)?);
            let kind = pair.expect(OID)?;
            pair.next().filter(|_| kind == COMMON_NAME).map(|(_, value)| value)
        })
    }
}

/// An element of DER.
pub(in crate::engine) fn wrapped(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut out = vec![tag];
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = (length as u32).to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        out.push(0x80 | (4 - zeros) as u8);
        out.extend_from_slice(&bytes[zeros..]);
    }
    out.extend_from_slice(contents);
    out
}

/// Short names of attributes (RFC 4514 § 3, and what OpenSSL calls the others).
const ATTRIBUTES: [(&[u8], &str); 15] = [
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x04], "SN"),
    (&[0x55, 0x04, 0x05], "serialNumber"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x09], "street"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x55, 0x04, 0x0c], "title"),
    (&[0x55, 0x04, 0x2a], "GN"),
    (&[0x55, 0x04, 0x11], "postalCode"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01], "emailAddress"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
];

/// A name as text: by RFC 4514 from the last to the first, or as `/C=.../CN=...`.
pub(in crate::engine) fn name(contents: &[u8], slashes: bool) -> String {
    let mut parts = Vec::new();
    let mut sets = Reader(contents);
    while let Some((SET, set)) = sets.next() {
        let mut set = Reader(set);
        let mut joined = String::new();
        while let Some((SEQUENCE, pair)) = set.next() {
            let mut pair = Reader(pair);
            let (Some(kind), Some((tag, value))) = (pair.expect(OID), pair.next()) else { continue };
            let label = ATTRIBUTES.iter().find(|(oid, _)| *oid == kind);
            let label = label.map_or_else(|| dotted(kind), |(_, label)| (*label).to_owned());
            let text = text(tag, value);
            if !joined.is_empty() {
                joined.push('+');
            }
            joined.push_str(&label);
            joined.push('=');
            joined.push_str(&if slashes { text } else { quoted(&text) });
        }
        parts.push(joined);
    }
    if slashes {
        return parts.iter().flat_map(|part| ["/", part]).collect();
    }
    parts.reverse();
    parts.join(",")
}

/// A string of any of the kinds that names have.
fn text(tag: u8, value: &[u8]) -> String {
    match tag {
        // BMPString
        0x1e => {
            let units: Vec<u16> =
                value.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

/// Text in a name (RFC 4514 § 2.4).
fn quoted(text: &str) -> String {
    let mut out = String::new();
    let last = text.chars().count().saturating_sub(1);
    for (at, letter) in text.chars().enumerate() {
        let edge = (letter == ' ' && (at == 0 || at == last)) || (letter == '#' && at == 0);
        if edge || matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        if letter.is_ascii() && !letter.is_ascii_control() {
            out.push(letter);
        } else {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    out
}

/// An object identifier in digits.
fn dotted(oid: &[u8]) -> String {
    let (mut numbers, mut number) = (Vec::new(), 0u64);
    for byte in oid {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first, number - first * 40]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
    }
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// A moment as OpenSSL prints it: `Jan  2 03:04:05 2024 GMT`.
pub(in crate::engine) fn date(second: i64) -> String {
    // `Tue, 02 Jan 2024 03:04:05 GMT`
    let text = super::super::clock::http_date(second);
    let mut words = text.split_whitespace().skip(1);
    let (day, month, year, time) = (words.next(), words.next(), words.next(), words.next());
    let day = day.map_or(0, |day| day.parse::<u8>().unwrap_or(0));
    format!(
        "{} {day:2} {} {} GMT",
        month.unwrap_or_default(),
        time.unwrap_or_default(),
        year.unwrap_or_default()
    )
}

/// Whether a name in a certificate is that of a host: without regard to case, `*` for one whole first label.
fn matches(pattern: &[u8], host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).as_bytes();
    if let Some(suffix) = pattern.strip_prefix(b"*") {
        let Some(dot) = memchr::memchr(b'.', host) else { return false };
        let labels = memchr::memchr_iter(b'.', suffix).count();
        return dot > 0 && labels >= 2 && host[dot..].eq_ignore_ascii_case(suffix);
    }
    !pattern.is_empty() && pattern.eq_ignore_ascii_case(host)
}

fn bits(contents: &[u8]) -> Option<&[u8]> {
    contents.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bits)| bits)
}

fn last(contents: &[u8]) -> u8 {
    contents.last().copied().unwrap_or(0)
}

/// Reads DER elements one after another.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element: its tag and its contents.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x84 => {
                let (length, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = after;
                length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
            }
            _ => return None,
        };
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, contents))
    }

    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, contents)| contents)
    }

    fn optional(&mut self, wanted: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&wanted) { self.expect(wanted) } else { None }
    }

    /// A time in UTC: `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 § 4.1.2.5).
    fn time(&mut self) -> Option<i64> {
        let (tag, text) = self.next()?;
        let digits = text.strip_suffix(b"Z")?;
        let number = |from: usize, to: usize| -> Option<i64> {
            std::str::from_utf8(digits.get(from..to)?).ok()?.parse().ok()
        };
        let (year, at) = match tag {
            UTC_TIME => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
            GENERALIZED_TIME => (number(0, 4)?, 4),
            _ => return None,
        };
        let (month, day) = (number(at, at + 2)?, number(at + 2, at + 4)?);
        let seconds =
            number(at + 4, at + 6)? * 3600 + number(at + 6, at + 8)? * 60 + number(at + 8, at + 10)?;
        Some(days(year, month, day) * 86400 + seconds)
    }
}

/// Days since the epoch of a date in the Gregorian calendar, whose years begin in March here.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_hosts_do() {
        for (pattern, host, expected) in [
            ("a.test", "A.test", true),
            ("a.test", "b.a.test", false),
            ("*.a.test", "b.a.test", true),
            ("*.a.test", "c.b.a.test", false),
            ("*.a.test", "a.test", false),
            ("*.test", "a.test", false),
            ("*", "a", false),
            ("", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), host), expected, "{pattern} {host}");
        }
    }

    #[test]
    fn names_are_written() {
        let part = |oid: &[u8], value: &[u8]| {
            let pair = [wrapped(OID, oid), wrapped(0x0c, value)].concat();
            wrapped(SET, &wrapped(SEQUENCE, &pair))
        };
        let contents = [
            part(&[0x55, 0x04, 0x06], b"DE"),
            part(&[0x55, 0x04, 0x0a], b"A, B\xc3\xa9"),
            part(&[0x55, 0x04, 0x03], b"#x "),
            part(&[0x2a, 0x03], b"y"),
        ]
        .concat();
        assert_eq!(name(&contents, false), "1.2.3=y,CN=\\#x\\ ,O=A\\, B\\C3\\A9,C=DE");
        assert_eq!(name(&contents, true), "/C=DE/O=A, B\u{e9}/CN=#x /1.2.3=y");
        assert_eq!(date(1_704_164_645), "Jan  2 03:04:05 2024 GMT");
    }

    #[test]
    fn days_are_counted() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11017);
        assert_eq!(days(2024, 2, 29), 19782);
    }

    #[test]
    fn nonsense_is_no_certificate() {
        for der in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x02\x30\x00", b"\x30\x84\xff\xff\xff\xff"] {
            assert!(Certificate::read(der).is_none());
        }
    }
}
