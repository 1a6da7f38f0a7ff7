//! Questions about a certificate's status, and answers (RFC 6960). Only what they are made of is read, and nothing of
//! it is believed to have the length that it says.

use aws_lc_rs::{
    digest,
    signature::{self, UnparsedPublicKey, VerificationAlgorithm},
};

/// A value: what it is, all of it, and what is in it.
#[derive(Clone, Copy, Debug)]
struct Value<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const NAME: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;

/// The SHA-1 of what names an issuer, as `AlgorithmIdentifier`.
const SHA1: &[u8] = &[0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0];
const AUTHORITY: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
const RESPONDER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1];
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
const SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
const USAGES: &[u8] = &[0x55, 0x1d, 0x25];

/// How far clocks may be apart, in seconds.
const APART: i64 = 300;

/// Reads the first value, and what follows it (X.690 § 8.1).
fn value(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first & 0x80 == 0 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((Value { tag, whole: &bytes[..bytes.len() - rest.len()], content }, rest))
}

/// Takes a value of this kind off the front.
fn take<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<Value<'a>> {
    let (found, rest) = value(bytes)?;
    (found.tag == tag).then(|| {
        *bytes = rest;
        found
    })
}

/// The values that follow each other, up to what is none.
fn each(mut bytes: &[u8]) -> impl Iterator<Item = Value<'_>> {
    std::iter::from_fn(move || {
        let (found, rest) = value(bytes)?;
        bytes = rest;
        Some(found)
    })
}

/// Writes a value.
fn put(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match content.len() {
        length @ 0..0x80 => out.push(length as u8),
        length @ 0x80..0x100 => out.extend([0x81, length as u8]),
        length => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend(content);
    out
}

/// What is needed of a certificate (RFC 5280 § 4.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate<'a> {
    signed: &'a [u8],
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    key: &'a [u8],
    extensions: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads one.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut whole = value(der)?.0.content;
        let body = take(&mut whole, SEQUENCE)?;
        let algorithm = take(&mut take(&mut whole, SEQUENCE)?.content, NAME)?.content;
        let signature = take(&mut whole, BITS)?.content.get(1..)?;
        let mut fields = body.content;
        take(&mut fields, 0xa0);
        let serial = take(&mut fields, INTEGER)?.whole;
        take(&mut fields, SEQUENCE)?;
        let issuer = take(&mut fields, SEQUENCE)?.whole;
        take(&mut fields, SEQUENCE)?;
        let subject = take(&mut fields, SEQUENCE)?.whole;
        let mut info = take(&mut fields, SEQUENCE)?.content;
        take(&mut info, SEQUENCE)?;
        let key = take(&mut info, BITS)?.content.get(1..)?;
        let extensions = each(fields).find(|field| field.tag == 0xa3);
        let extensions = extensions.and_then(|field| value(field.content)).map_or(&[][..], |it| it.0.content);
        Some(Self { signed: body.whole, serial, issuer, subject, key, extensions, algorithm, signature })
    }

    fn extension(&self, name: &[u8]) -> Option<&'a [u8]> {
        each(self.extensions).find_map(|extension| {
            let mut parts = extension.content;
            (take(&mut parts, NAME)?.content == name).then_some(())?;
            take(&mut parts, 0x01);
            Some(value(take(&mut parts, OCTETS)?.content)?.0.content)
        })
    }

    /// Whether the other one says that it issued it.
    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.issuer == issuer.subject
    }

    /// Where its status is told.
    pub(super) fn responder(&self) -> Option<&'a [u8]> {
        each(self.extension(AUTHORITY)?).find_map(|description| {
            let mut parts = description.content;
            (take(&mut parts, NAME)?.content == RESPONDER).then_some(())?;
            Some(take(&mut parts, 0x86)?.content)
        })
    }

    /// Whether it may sign answers for who issued it.
    fn signs_answers(&self) -> bool {
        let usages = self.extension(USAGES).unwrap_or_default();
        each(usages).any(|usage| usage.tag == NAME && usage.content == SIGNING)
    }

    /// Whether it signed this.
    fn signed(&self, algorithm: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let Some(algorithm) = verification(algorithm) else { return false };
        UnparsedPublicKey::new(algorithm, self.key).verify(message, signature).is_ok()
    }

    /// Names it to a responder: by digests of who issued it, and its number.
    fn id(&self, issuer: &Self) -> Vec<u8> {
        let sum = |text| digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text);
        let (name, key) = (sum(self.issuer), sum(issuer.key));
        put(SEQUENCE, &[SHA1, &put(OCTETS, &[name.as_ref()]), &put(OCTETS, &[key.as_ref()]), self.serial])
    }

    /// Asks for its status.
    pub(super) fn question(&self, issuer: &Self) -> Vec<u8> {
        (0..4).fold(self.id(issuer), |inner, _| put(SEQUENCE, &[&inner]))
    }
}

/// How signatures of an algorithm are verified.
fn verification(algorithm: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
    if let Some([which]) = algorithm.strip_prefix(RSA) {
        return match which {
            5 => Some(&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
            11 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            12 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            13 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            _ => None,
        };
    }
    match algorithm.strip_prefix(ECDSA) {
        Some([2]) => Some(&signature::ECDSA_P256_SHA256_ASN1),
        Some([3]) => Some(&signature::ECDSA_P384_SHA384_ASN1),
        _ => (algorithm == [0x2b, 0x65, 0x70]).then_some(&signature::ED25519),
    }
}

/// Until when an answer holds that says that the certificate is good, in seconds since the epoch; `None` where it does
/// not say. `trusts` looks at who signed: only the issuer, or whom it lets sign, where that is asked for.
pub(super) fn judge(
    answer: &[u8],
    certificate: &Certificate<'_>,
    issuer: &Certificate<'_>,
    trusts: bool,
    now: i64,
) -> Result<Option<i64>, &'static str> {
    const BROKEN: &str = "the answer cannot be read";
    let mut whole = value(answer).ok_or(BROKEN)?.0.content;
    if take(&mut whole, ENUMERATED).ok_or(BROKEN)?.content != [0] {
        return Err("the responder did not answer the question");
    }
    let mut typed = take(&mut whole, 0xa0).and_then(|it| value(it.content)).ok_or(BROKEN)?.0.content;
    if take(&mut typed, NAME).ok_or(BROKEN)?.content != BASIC {
        return Err(BROKEN);
    }
    let mut basic = take(&mut typed, OCTETS).and_then(|it| value(it.content)).ok_or(BROKEN)?.0.content;
    let told = take(&mut basic, SEQUENCE).ok_or(BROKEN)?;
    let algorithm =
        take(&mut basic, SEQUENCE).and_then(|it| take(&mut { it.content }, NAME)).ok_or(BROKEN)?;
    let signature = take(&mut basic, BITS).and_then(|it| it.content.get(1..)).ok_or(BROKEN)?;
    let others = take(&mut basic, 0xa0).and_then(|it| value(it.content)).map_or(&[][..], |it| it.0.content);
    let delegates = each(others).filter_map(|other| Certificate::read(other.whole));
    let may_sign = |who: &Certificate<'_>| {
        !trusts
            || who.key == issuer.key
            || (who.is_issued_by(issuer)
                && who.signs_answers()
                && issuer.signed(who.algorithm, who.signed, who.signature))
    };
    let mut signers = std::iter::once(*issuer).chain(delegates).filter(may_sign);
    if !signers.any(|who| who.signed(algorithm.content, told.whole, signature)) {
        return Err("nobody who may signed the answer");
    }
    let mut data = told.content;
    take(&mut data, 0xa0);
    // Who answers, and when that was.
    let (_, rest) = value(data).ok_or(BROKEN)?;
    data = rest;
    take(&mut data, TIME).ok_or(BROKEN)?;
    let id = certificate.id(issuer);
    let wanted = value(&id).ok_or(BROKEN)?.0.content;
    for answer in each(take(&mut data, SEQUENCE).ok_or(BROKEN)?.content) {
        let mut parts = answer.content;
        let named = take(&mut parts, SEQUENCE).ok_or(BROKEN)?;
        // The parameters of the digest may be left out.
        let after = |bytes| value(bytes).map(|(_, rest)| rest);
        if after(named.content) != after(wanted) {
            continue;
        }
        match value(parts) {
            Some((Value { tag: 0x80, .. }, rest)) => parts = rest,
            Some((Value { tag: 0xa1, .. }, _)) => return Err("the certificate is revoked"),
            _ => return Err("the responder does not know the certificate"),
        }
        let from = take(&mut parts, TIME).and_then(|it| moment(it.content)).ok_or(BROKEN)?;
        let until = take(&mut parts, 0xa0).and_then(|it| moment(value(it.content)?.0.content));
        if from > now + APART || until.is_some_and(|until| until < now - APART) {
            return Err("the answer is not of this time");
        }
        return Ok(until);
    }
    Err("the answer is about another certificate")
}

/// Seconds since the epoch of `YYYYMMDDHHMMSSZ`.
fn moment(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of the civil calendar: years begin in March, so that a leap day is a year's last.
    let (years, months) = (if month > 2 { year } else { year - 1 }, (month + 9) % 12);
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 719_469;
    Some(days * 86_400 + part(8, 10)? * 3600 + part(10, 12)? * 60 + part(12, 14)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        assert_eq!(moment(b"19700101000000Z"), Some(0));
        assert_eq!(moment(b"20000301000001Z"), Some(951_868_801));
        assert_eq!(moment(b"20240229235959Z"), Some(1_709_251_199));
        for wrong in [&b"20240229235959"[..], b"2024022923595Z", b"20241329235959Z", b"2024 229235959Z"] {
            assert_eq!(moment(wrong), None);
        }
    }

    #[test]
    fn lengths_that_lie_are_not_believed() {
        for wrong in [
            &b""[..],
            b"\x30",
            b"\x30\x05\x02\x01",
            b"\x30\x80",
            b"\x30\x85\x01\x01\x01\x01\x01",
            b"\x30\x84\xff\xff\xff\xff",
        ] {
            assert!(value(wrong).is_none());
            assert!(Certificate::read(wrong).is_none());
        }
        for length in [5, 200, 70_000 % 65_536] {
            let text = vec![7; length];
            assert_eq!(value(&put(OCTETS, &[&text])).map(|it| it.0.content.len()), Some(length));
        }
    }
}
