//! `charset_map`: what the characters of one set are in another.
//!
//! Observed on nginx 1.22.1: each row is a byte and what it becomes, in hexadecimal digits: a byte, or for `utf-8` up to
//! four bytes that are one character below U+10000. A map goes both ways; a second one of a pair, in either order, is an
//! error, and so is a set with itself.
//!
//! Reference: <https://nginx.org/r/charset_map>

use super::super::{
    super::tree::{Directive, Word, directives},
    Cx, Level,
};
use super::spelling;
use crate::{
    diagnostic::Diagnostic,
    ir::{Recoding, Text},
};

/// `charset_map charset1 charset2 { code1 code2; ... }`
pub(super) fn charset_map(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let [from, to] = directive.args.as_slice() else { return };
    let name = |word: &Word| Text(word.value.to_ascii_lowercase());
    let (from_name, to_name) = (name(from), name(to));
    if from_name == to_name {
        let message =
            format!("`charset_map` between the same charsets `{}` and `{}`", from.text(), to.text());
        return cx.error("invalid-value", directive.head(), message);
    }
    let pair = |known: &&Recoding| {
        (&known.from, &known.to) == (&from_name, &to_name)
            || (&known.from, &known.to) == (&to_name, &from_name)
    };
    if cx.config.recodings.iter().any(|known| pair(&known)) {
        let message = format!("duplicate `charset_map` between `{}` and `{}`", from.text(), to.text());
        return cx.error("duplicate-map", directive.head(), message);
    }
    if from_name.0 == b"utf-8" {
        let message = "`utf-8` stands second in a `charset_map`";
        return cx.report(
            Diagnostic::error("invalid-value", from.span, message)
                .because("each row begins with one byte")
                .help(format!("charset_map {} utf-8 {{ ... }}", to.text())),
        );
    }
    let wide = to_name.0 == b"utf-8";
    let mut pairs = Vec::new();
    for row in directives(directive.block()) {
        let [with] = row.args.as_slice() else {
            cx.error("invalid-row", row.head(), "a row is a byte and what it becomes");
            continue;
        };
        let Some(byte) = byte(&row.name.value) else {
            invalid(cx, &row.name, "a byte in hexadecimal digits");
            continue;
        };
        let becomes =
            if wide { character(&with.value) } else { self::byte(&with.value).map(|byte| vec![byte]) };
        match becomes {
            Some(becomes) => pairs.push((byte, Text(becomes))),
            None if wide => invalid(cx, with, "the bytes of one character of UTF-8, in hexadecimal digits"),
            None => invalid(cx, with, "a byte in hexadecimal digits"),
        }
    }
    for word in [from, to] {
        spelling(cx, word);
    }
    cx.config.recodings.push(Recoding { from: from_name, to: to_name, pairs });
}

fn invalid(cx: &mut Cx, word: &Word, expected: &str) {
    let message = format!("invalid value `{}`", word.text());
    cx.report(Diagnostic::error("invalid-value", word.span, message).because(expected));
}

fn digits(text: &[u8]) -> Option<u32> {
    let text =
        std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

fn byte(text: &[u8]) -> Option<u8> {
    u8::try_from(digits(text)?).ok()
}

fn character(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > 4 {
        return None;
    }
    let bytes: Option<Vec<u8>> = pairs.iter().map(|pair| byte(pair)).collect();
    let bytes = bytes?;
    let mut letters = std::str::from_utf8(&bytes).ok()?.chars();
    let letter = letters.next()?;
    (letters.next().is_none() && (letter as u32) < 0x1_0000).then_some(bytes)
}
