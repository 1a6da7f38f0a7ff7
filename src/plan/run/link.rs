//! Signed links: whether what a request brings is the digest of what the settings say, and until when it counts.

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use md5::{Digest as _, Md5};

use super::{Plan, Run, View};
use crate::ir::Attr;

/// Reads digests with and without padding, whatever the bits left over.
const DIGESTS: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Run {
    /// Appends what becomes of the request's link: with a secret alone, what is behind it; else `1`, or `0` when its
    /// time is over. `false` when it is not right.
    pub(super) fn signed_link(&mut self, plan: &Plan, view: &impl View, out: &mut Vec<u8>) -> bool {
        let access = &plan.settings(self.settings).access;
        if !access.link_secret.is_empty() {
            let mut target = self.take();
            view.attr(self, &Attr::Target, &mut target);
            let found = link_in_path(&target, &access.link_secret).map(|link| out.extend_from_slice(link));
            self.give_back(target);
            return found.is_some();
        }
        if access.link.is_empty() || access.link_text.is_empty() {
            return false;
        }
        let given = self.value(plan, view, &access.link);
        let text = self.value(plan, view, &access.link_text);
        let (sum, until) = split(&given);
        let mut right = sum.len() <= 24
            && DIGESTS.decode(sum).is_ok_and(|decoded| decoded.as_slice() == Md5::digest(&text).as_slice());
        let mut over = false;
        if let Some(until) = until {
            let until = time(until);
            right &= until > 0;
            let mut now = self.take();
            view.attr(self, &Attr::Now, &mut now);
            over = until < time(now.split(|byte| *byte == b'.').next().unwrap_or_default());
            self.give_back(now);
        }
        self.give_back(given);
        self.give_back(text);
        if right {
            out.push(if over { b'0' } else { b'1' });
        }
        right
    }

    /// Appends until when the link counts, in seconds since the epoch as the request brings them.
    pub(super) fn signed_link_expires(&mut self, plan: &Plan, view: &impl View, out: &mut Vec<u8>) -> bool {
        let access = &plan.settings(self.settings).access;
        if !access.link_secret.is_empty() || access.link.is_empty() {
            return false;
        }
        let given = self.value(plan, view, &access.link);
        let until = split(&given).1.filter(|until| time(until) > 0);
        let found = until.map(|until| out.extend_from_slice(until));
        self.give_back(given);
        found.is_some()
    }
}

/// The digest, and behind a comma the time.
fn split(given: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b',', given) {
        Some(comma) => (&given[..comma], Some(&given[comma + 1..])),
        None => (given, None),
    }
}

/// A time in seconds; 0 when it is none.
fn time(text: &[u8]) -> u64 {
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// What is behind the digest in `/prefix/digest/link`, when that is of link and secret.
fn link_in_path<'t>(target: &'t [u8], secret: &[u8]) -> Option<&'t [u8]> {
    let rest = target.get(1..)?;
    let rest = &rest[memchr::memchr(b'/', rest)? + 1..];
    let (sum, link) = rest.split_at(memchr::memchr(b'/', rest)?);
    let link = link.get(1..).filter(|link| !link.is_empty())?;
    let own = Md5::new().chain_update(link).chain_update(secret).finalize();
    if sum.len() != 32 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut pairs = sum.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    own.iter().all(|byte| pairs.next().flatten() == Some(u32::from(*byte))).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_paths_are_signed() {
        let sum = Md5::digest(b"linksegredo").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let read = |target: String| link_in_path(target.as_bytes(), b"segredo").map(<[u8]>::to_vec);
        assert_eq!(read(format!("/p/{sum}/link")), Some(b"link".to_vec()));
        assert_eq!(read(format!("/p/{sum}/other")), None);
        assert_eq!(read(format!("/p/{}/link", &sum[1..])), None);
        assert_eq!(read(format!("/p/{sum}/")), None);
        assert_eq!(read("/".to_owned()), None);
        assert_eq!(read(String::new()), None);
    }

    #[test]
    fn times_are_digits() {
        assert_eq!(time(b"12"), 12);
        assert_eq!(time(b"+12"), 0);
        assert_eq!(time(b""), 0);
        assert_eq!(split(b"a,1"), (&b"a"[..], Some(&b"1"[..])));
    }
}
