//! The parts of an X.509 certificate that verification asks about (RFC 5280 § 4.1), of any version.
//!
//! The TLS library reads version 3 with alternative names only; servers behind
//! proxies often have older ones.

use std::net::IpAddr;

/// A certificate, as slices of its DER bytes.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    /// What is signed.
    pub(super) signed: &'a [u8],
    /// The contents of the algorithm it is signed with.
    pub(super) algorithm: &'a [u8],
    /// The signature.
    pub(super) signature: &'a [u8],
    /// The issuer's name.
    pub(super) issuer: &'a [u8],
    /// The subject's name.
    pub(super) subject: &'a [u8],
    /// First and last second of its validity, since the epoch.
    pub(super) validity: (i64, i64),
    /// The contents of the key's algorithm.
    pub(super) key_algorithm: &'a [u8],
    /// The key.
    pub(super) key: &'a [u8],
    /// The contents of its extensions; empty in versions 1 and 2.
    extensions: &'a [u8],
    /// Whether it is version 3.
    pub(super) has_extensions: bool,
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
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(Reader(der).expect(SEQUENCE)?);
        let before = outer.0;
        let mut inner = Reader(outer.expect(SEQUENCE)?);
        let signed = &before[..before.len() - outer.0.len()];
        let algorithm = outer.expect(SEQUENCE)?;
        let signature = bits(outer.expect(BIT_STRING)?)?;
        let version =
            inner.optional(0xa0).and_then(|version| Reader(version).expect(INTEGER)).map_or(0, last);
        inner.expect(INTEGER)?;
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

    /// Whether it names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it is for this name: by its alternative names; without any for hosts, by its common name (RFC 6125 § 6.4.4).
    pub(super) fn is_for(&self, name: &str) -> bool {
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
