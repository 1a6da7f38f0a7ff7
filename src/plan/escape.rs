//! Values in another representation, byte for byte as nginx 1.22.1 writes them.

use aws_lc_rs::digest;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use md5::{Digest as _, Md5};

use crate::ir::Escape;

/// Bytes that are percent-encoded, a bit for each.
struct Bytes([u64; 4]);

/// Controls, the space, bytes from 0x7f on, and these.
const fn bytes(more: &[u8]) -> Bytes {
    let mut set = [0x0000_0001_ffff_ffff, 1 << 63, u64::MAX, u64::MAX];
    let mut at = 0;
    while at < more.len() {
        set[(more[at] >> 6) as usize] |= 1 << (more[at] & 63);
        at += 1;
    }
    Bytes(set)
}

const PATH: Bytes = bytes(b"\"#%<>?\\^`{|}");
const URL: Bytes = bytes(b"\"<>\\^`{|}");
const QUERY: Bytes = bytes(b"\"#%&+;<>?\\^`{|}");
/// All but unreserved characters (RFC 3986 § 2.3).
const COMPONENT: Bytes = bytes(b"!\"#$%&'()*+,/:;<=>?@[\\]^`{|}");

/// All but unreserved characters, `/` and `$+!*'(),;:@&=`.
const FORWARD: Bytes = bytes(b"\"#%<>?[\\]^`{|}");

/// Appends text as it stands in HTML.
fn html(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            byte => out.push(byte),
        }
    }
}

/// Appends `text` in the representation asked for. `encoded` says whether the received target held a `%` or a `+`.
pub fn escape(how: Escape, text: &[u8], encoded: bool, out: &mut Vec<u8>) {
    match how {
        Escape::QueryIfReceivedEncoded if !encoded => out.extend_from_slice(text),
        Escape::QueryIfReceivedEncoded => encode(&QUERY, text, out),
        Escape::Path => encode(&PATH, text, out),
        Escape::Component => encode(&COMPONENT, text, out),
        Escape::Lower => out.extend(text.iter().map(u8::to_ascii_lowercase)),
        Escape::Tidy => tidy(text, out),
        Escape::Fold => crate::ir::case::fold_bytes(text, out),
        Escape::Skip(count) => out.extend_from_slice(text.get(count as usize..).unwrap_or_default()),
        Escape::Url => encode(&URL, text, out),
        Escape::Html => html(text, out),
        Escape::RedirectDecode => {
            let path = memchr::memchr(b'?', text).unwrap_or(text.len());
            let (path, query) = text.split_at(path);
            let read_alike = |byte: u8| byte > b'%' && byte < 0x7f;
            let read = decode(path, read_alike, Some(b'?'), out);
            out.extend_from_slice(&path[read..]);
            out.extend_from_slice(query);
        }
        Escape::ForwardPath => encode(&FORWARD, text, out),
        Escape::ForwardUrl => {
            let authority = memchr::memmem::find(text, b"://").map_or(0, |at| at + 3);
            let path =
                memchr::memchr2(b'/', b'?', &text[authority..]).map_or(text.len(), |at| at + authority);
            out.extend_from_slice(&text[..path]);
            encode(&FORWARD, &text[path..], out);
        }
        Escape::Decode => {
            decode(text, |_| true, None, out);
        }
        Escape::Upper => out.extend(text.iter().map(u8::to_ascii_uppercase)),
        Escape::Base64 => out.extend_from_slice(general_purpose::STANDARD.encode(text).as_bytes()),
        Escape::Unbase64 => unbase64(text, out),
        Escape::Md5 => hexadecimal(&Md5::digest(text), out),
        Escape::Sha1 => {
            hexadecimal(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text).as_ref(), out);
        }
        Escape::UriText => uri_text(text, out),
        Escape::UriTextBeforeQuery => {
            let query = memchr::memchr(b'?', text).unwrap_or(text.len());
            uri_text(&text[..query], out);
            out.extend_from_slice(&text[query..]);
        }
        Escape::UrlText => {
            let scheme = memchr::memmem::find(text, b"://").map_or(0, |at| at + 3);
            let path = memchr::memchr(b'/', &text[scheme..]).map_or(text.len(), |at| scheme + at);
            out.extend_from_slice(&text[..path]);
            if text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"ldap://")) {
                // Marks separate the parts of such a URL (RFC 4516 § 2).
                for (at, part) in text[path..].split(|byte| *byte == b'?').enumerate() {
                    if at > 0 {
                        out.push(b'?');
                    }
                    uri_text(part, out);
                }
            } else {
                uri_text(&text[path..], out);
            }
        }
        Escape::LessOne => {
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
            if let Some(less) = number.and_then(|number| number.checked_sub(1)) {
                out.extend_from_slice(less.to_string().as_bytes());
            }
        }
        Escape::WithoutFinalAmpersand => out.extend_from_slice(text.strip_suffix(b"&").unwrap_or(text)),
        Escape::UriDecode => uri_decode(text, out),
        Escape::Directory => directory(text, out),
        // Read by who may look at files.
        Escape::FileText | Escape::FileSize | Escape::Owner | Escape::OwnerGroup | Escape::CookieDate => {}
        Escape::Encode(how) => {
            for &byte in text {
                match byte {
                    byte if !how.holds(byte) => out.push(byte),
                    b' ' if how.plus => out.push(b'+'),
                    byte => {
                        out.push(b'%');
                        hexadecimal(&[byte], out);
                    }
                }
            }
        }
    }
}

/// Appends a path without empty and dot segments; nothing when it climbs above the root.
fn tidy(path: &[u8], out: &mut Vec<u8>) {
    let base = out.len();
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let mut rest = path;
    loop {
        let end = rest.iter().position(is_slash);
        let segment = &rest[..end.unwrap_or(rest.len())];
        match segment {
            b"" | b"." => {}
            b".." => {
                let Some(slash) = memchr::memrchr(b'/', &out[base..]) else { return };
                out.truncate(base + slash);
            }
            segment => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
        let Some(end) = end else {
            // A folder stays one.
            if matches!(segment, b"" | b"." | b"..") {
                out.push(b'/');
            }
            return;
        };
        rest = &rest[end + 1..];
    }
}

fn uri_text(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"$-_.+!*'(),:@&=/~;".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            hexadecimal(&[byte], out);
        }
    }
}

fn hexadecimal(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

/// Decodes up to the first byte that cannot be in Base64; bits that make no whole byte are lost.
fn unbase64(text: &[u8], out: &mut Vec<u8>) {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut end = text.iter().take_while(|byte| fits(byte)).count();
    if end % 4 == 1 {
        end -= 1;
    }
    out.extend(LENIENT.decode(&text[..end]).unwrap_or_default());
}

fn uri_decode(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { return out.truncate(start) };
        rest = &after[2..];
        match (high * 16 + low) as u8 {
            0 => return out.truncate(start),
            b'/' => out.extend_from_slice(&[b'%', after[0], after[1]]),
            byte => out.push(byte),
        }
    }
}

/// A backslash and two digits for each byte with a meaning in names and filters.
fn directory(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        let plain = byte.is_ascii_alphanumeric() || b" -_.!$&'/:?@[]^`{|}~%".contains(&byte);
        if plain {
            out.push(byte);
        } else {
            out.push(b'\\');
            hexadecimal(&[byte], out);
        }
    }
}

/// Appends a path, percent-encoded as in a request target.
pub fn encode_path(path: &[u8], out: &mut Vec<u8>) {
    encode(&PATH, path, out);
}

/// Takes back that the percent sign of an encoded slash was encoded, from a place on.
pub(super) fn restore_slashes(text: &mut Vec<u8>, from: usize) {
    let mut at = from;
    while let Some(found) = memchr::memmem::find(&text[at..], b"%252") {
        at += found + 1;
        if matches!(text.get(at + 3), Some(b'F' | b'f')) {
            text.drain(at..at + 2);
        }
    }
}

fn encode(set: &Bytes, text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(text.len());
    for &byte in text {
        if set.0[usize::from(byte >> 6)] & (1 << (byte & 63)) == 0 {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// Decodes where `wanted`, up to and with an encoded `last`; says how much was read. A broken encoding
/// loses its `%` and what stands where a digit should.
fn decode(text: &[u8], wanted: impl Fn(u8) -> bool, last: Option<u8>, out: &mut Vec<u8>) -> usize {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte != b'%' {
            out.push(byte);
            at += 1;
            continue;
        }
        match (digit(at + 1), digit(at + 2)) {
            (Some(high), Some(low)) => {
                let byte = (high * 16 + low) as u8;
                if wanted(byte) {
                    out.push(byte);
                } else {
                    out.extend_from_slice(&text[at..at + 3]);
                }
                at += 3;
                if last == Some(byte) {
                    return at;
                }
            }
            // The character after the first digit goes with it.
            (Some(_), None) => at += 3,
            (None, _) => {
                out.extend(text.get(at + 1));
                at += 2;
            }
        }
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(how: Escape, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        escape(how, text, true, &mut out);
        out
    }

    #[test]
    fn each_byte_as_observed() {
        let all: Vec<u8> = (33..127).collect();
        let kept =
            |how| all.iter().filter(|byte| escaped(how, &[**byte]).len() == 1).copied().collect::<Vec<_>>();
        let but = |not: &[u8]| all.iter().filter(|byte| !not.contains(byte)).copied().collect::<Vec<_>>();
        assert_eq!(kept(Escape::Path), but(b"\"#%<>?\\^`{|}"));
        assert_eq!(kept(Escape::QueryIfReceivedEncoded), but(b"\"#%&+;<>?\\^`{|}"));
        assert_eq!(escaped(Escape::Path, b" \n\x7f\xe9a"), b"%20%0A%7F%E9a");
        assert_eq!(escaped(Escape::Component, b"a-._~/!"), b"a-._~%2F%21");
    }

    #[test]
    fn functions_as_observed() {
        for (how, from, to) in [
            (Escape::UriDecode, "a%20b%2Fc", "a b%2Fc"),
            (Escape::UriDecode, "a%zz", ""),
            (Escape::UriDecode, "a%0", ""),
            (Escape::UriDecode, "a%00", ""),
            (Escape::UriDecode, "a+b", "a+b"),
            (Escape::UriText, "a b/\u{fc}?", "a%20b/%c3%bc%3f"),
            (Escape::UriText, "+&=;,:@$~*'()!%", "+&=;,:@$~*'()!%25"),
            (Escape::Unbase64, "YWI", "ab"),
            (Escape::Unbase64, "YWJj*ZGVm", "abc"),
            (Escape::Unbase64, "Y", ""),
            (Escape::Unbase64, "!!", ""),
            (Escape::Base64, "a", "YQ=="),
            (Escape::Md5, "a", "0cc175b9c0f1b6a831c399e269772661"),
            (Escape::Sha1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (Escape::Upper, "a\u{df}", "A\u{df}"),
            (Escape::Fold, "K\u{fc}", "k\u{dc}"),
            (Escape::Tidy, "/a/b.c", "/a/b.c"),
            (Escape::Tidy, "/a/", "/a/"),
            (Escape::Tidy, "", "/"),
            (Escape::Tidy, "a", "/a"),
            (Escape::Tidy, "//a//b", "/a/b"),
            (Escape::Tidy, "/./a\\.\\b/.", "/a/b/"),
            (Escape::Tidy, "/a/../b/c/..", "/b/"),
            (Escape::Tidy, "/..a/...", "/..a/..."),
            (Escape::Tidy, "/a/../../b", ""),
            (Escape::Tidy, "/..", ""),
        ] {
            assert_eq!(String::from_utf8(escaped(how, from.as_bytes())).unwrap(), to, "{how:?} {from}");
        }
    }

    #[test]
    fn redirects_as_observed() {
        for (from, to) in [
            ("%zz", "zz"),
            ("%4", ""),
            ("%", ""),
            ("%41%2f%3f%41", "A/?%41"),
            ("%7e%7f%26%25%27", "~%7f&%25'"),
            ("a?%41", "a?%41"),
            ("%a%41", "41"),
            ("%%41", "%41"),
            ("%C3%0a%20", "%C3%0a%20"),
        ] {
            assert_eq!(String::from_utf8(escaped(Escape::RedirectDecode, from.as_bytes())).unwrap(), to);
        }
    }
}
