//! Characters beyond ASCII in expressions that are matched byte by byte.
//!
//! The original matches characters of 16 bits and folds case by a table. Here each such character is written with those that
//! differ from it by case alone (`ir::case`, which is also how files are found), and a class that has one as the bytes of its
//! members, so that one engine matches all and any other server can be told the same.

use std::fmt::Write as _;

use crate::ir::{Pattern, case};

/// Ranges of at most so many characters are written as these.
const FEW: u32 = 24;

/// Ranges with more characters than this are not folded one by one: whole scripts are written by nobody for their case.
const MANY: u32 = 4096;

/// An expression in Perl's syntax that does not mind case.
pub(super) fn any_case(text: impl AsRef<str>) -> Pattern {
    Pattern::regex(by_bytes(text.as_ref(), true), true)
}

/// An expression with its characters beyond ASCII as bytes are matched, in all cases where `fold`.
pub(super) fn by_bytes(text: &str, fold: bool) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '\\' => match rest[1..].chars().next() {
                Some(next) if next.is_ascii() => {
                    out.push('\\');
                    out.push(next);
                    length += 1;
                }
                // An escape that says nothing.
                Some(_) => {}
                None => out.push('\\'),
            },
            '[' => match Class::read(rest) {
                Some((class, whole)) if !rest[..whole].is_ascii() => {
                    class.write(fold, &mut out);
                    length = whole;
                }
                Some((_, whole)) => {
                    out.push_str(&rest[..whole]);
                    length = whole;
                }
                None => out.push('['),
            },
            c if c.is_ascii() => out.push(c),
            c => {
                let repeated = rest[length..].starts_with(['*', '+', '?', '{']);
                let cases = if fold { case::cases(c) } else { vec![c] };
                if repeated || cases.len() > 1 {
                    choice(cases.iter().map(char::to_string), &mut out);
                } else {
                    out.push(c);
                }
            }
        }
        rest = &rest[length..];
    }
    out
}

fn choice(parts: impl Iterator<Item = String>, out: &mut String) {
    let parts: Vec<String> = parts.collect();
    out.push_str("(?:");
    out.push_str(&parts.join("|"));
    out.push(')');
}

/// A class in brackets.
#[derive(Default)]
struct Class {
    negative: bool,
    /// Its members in ASCII, as they are written.
    plain: String,
    /// Its members beyond.
    high: Vec<(u32, u32)>,
}

/// The last character there is.
const LAST: u32 = 0x10_ffff;

impl Class {
    /// Reads a class from its bracket on; it and its length, or nothing where it does not end.
    fn read(text: &str) -> Option<(Self, usize)> {
        let mut class = Self::default();
        let mut at = 1;
        if text[at..].starts_with('^') {
            class.negative = true;
            at += 1;
        }
        loop {
            let c = text[at..].chars().next()?;
            if c == ']' {
                return Some((class, at + 1));
            }
            let (from, length) = member(&text[at..])?;
            let behind = &text[at + length..];
            let end = behind.strip_prefix('-').filter(|rest| !rest.starts_with(']'));
            match end.and_then(member) {
                Some((Some(to), more)) if from.is_some_and(|from| from <= to) && to >= 0x80 => {
                    let from = from.unwrap_or(to);
                    if from < 0x80 {
                        class.plain.push_str(&text[at..at + length]);
                        class.plain.push_str("-\\x7f");
                    }
                    class.high.push((from.max(0x80), to));
                    at += length + 1 + more;
                    continue;
                }
                _ => {}
            }
            match from {
                Some(code) if code >= 0x80 => class.high.push((code, code)),
                _ => {
                    let written = &text[at..at + length];
                    if matches!(written, "\\W" | "\\D" | "\\S") {
                        class.high.push((0x80, LAST));
                    }
                    class.plain.push_str(written);
                }
            }
            at += length;
        }
    }

    fn write(&self, fold: bool, out: &mut String) {
        let mut high = self.high.clone();
        if fold {
            let few = self.high.iter().filter(|(from, to)| to - from < MANY);
            let all = few.flat_map(|(from, to)| (*from..=*to).filter_map(char::from_u32));
            high.extend(all.flat_map(case::cases).map(|c| (u32::from(c), u32::from(c))));
        }
        let high = tidy(high, self.negative);
        let mut parts = Vec::new();
        if self.negative {
            parts.push(format!("[^{}\\x80-\\xff]", self.plain));
        } else if !self.plain.is_empty() {
            parts.push(format!("[{}]", self.plain));
        }
        for (from, to) in high {
            if to - from < FEW {
                parts.extend((from..=to).filter_map(char::from_u32).map(|c| c.to_string()));
                continue;
            }
            // Each length of its own, and nothing for halves of pairs.
            for (low, high) in [(0x80, 0x7ff), (0x800, 0xd7ff), (0xe000, 0xffff), (0x1_0000, LAST)] {
                if let (Some(from), Some(to)) = (char::from_u32(from.max(low)), char::from_u32(to.min(high)))
                    && from <= to
                {
                    let (mut one, mut other) = ([0; 4], [0; 4]);
                    let one = from.encode_utf8(&mut one).as_bytes();
                    sequences(one, to.encode_utf8(&mut other).as_bytes(), "", &mut parts);
                }
            }
        }
        choice(parts.into_iter(), out);
    }
}

/// A member of a class: its number, or nothing for what stands for many, and its length.
fn member(text: &str) -> Option<(Option<u32>, usize)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first != '\\' {
        return Some((Some(u32::from(first)), first.len_utf8()));
    }
    let next = chars.next()?;
    Some(match next {
        'x' => {
            let digits = text.get(2..4).unwrap_or_default();
            // A byte, which only an expression of our own has.
            (u32::from_str_radix(digits, 16).ok().filter(|code| *code < 0x80), 2 + digits.len())
        }
        'u' => {
            let digits = text.get(2..6).unwrap_or_default();
            (u32::from_str_radix(digits, 16).ok(), 2 + digits.len())
        }
        'w' | 'W' | 'd' | 'D' | 's' | 'S' | 'c' | 'n' | 'r' | 't' | 'f' | 'v' | 'b' | '0'..='9' => (None, 2),
        next => (Some(u32::from(next)), 1 + next.len_utf8()),
    })
}

/// Sorted and joined; all others where `negative`.
fn tidy(mut ranges: Vec<(u32, u32)>, negative: bool) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut tidy: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match tidy.last_mut() {
            Some(last) if from <= last.1 + 1 => last.1 = last.1.max(to),
            _ => tidy.push((from, to)),
        }
    }
    if !negative {
        return tidy;
    }
    let mut next = 0x80;
    let mut others = Vec::new();
    for (from, to) in tidy {
        if from > next {
            others.push((next, from - 1));
        }
        next = to + 1;
    }
    if next <= LAST {
        others.push((next, LAST));
    }
    others
}

/// The bytes of all characters from one to another that takes as many.
fn sequences(from: &[u8], to: &[u8], front: &str, out: &mut Vec<String>) {
    let byte = |from: u8, to: u8| {
        let mut text = front.to_owned();
        let _ = if from == to {
            write!(text, "\\x{from:02x}")
        } else {
            write!(text, "[\\x{from:02x}-\\x{to:02x}]")
        };
        text
    };
    let ([first, low @ ..], [last, high @ ..]) = (from, to) else { return };
    if low.is_empty() {
        return out.push(byte(*first, *last));
    }
    if first == last {
        return sequences(low, high, &byte(*first, *first), out);
    }
    let (lowest, highest) = ([0x80_u8; 3], [0xbf_u8; 3]);
    let (lowest, highest) = (&lowest[..low.len()], &highest[..low.len()]);
    let (mut start, mut end) = (*first, *last);
    if low != lowest {
        sequences(low, highest, &byte(start, start), out);
        start += 1;
    }
    let whole = high == highest;
    if !whole {
        end -= 1;
    }
    if start <= end {
        sequences(lowest, highest, &byte(start, end), out);
    }
    if !whole {
        sequences(lowest, high, &byte(*last, *last), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_written_in_each_case() {
        assert_eq!(by_bytes("^\u{fc}b\\.\u{4e00}", true), "^(?:\u{dc}|\u{fc})b\\.\u{4e00}");
        assert_eq!(by_bytes("\u{fc}+\\\u{fc}", false), "(?:\u{fc})+\u{fc}");
        assert_eq!(by_bytes("[a-z]x", true), "[a-z]x");
        assert_eq!(by_bytes("[^/]\u{fc}", false), "[^/]\u{fc}");
    }

    /// Asked of the library that the project's tests have, on characters.
    #[test]
    fn classes_hold_the_same_characters() {
        let subjects: Vec<String> = (1..0x700)
            .chain([0xd7ff, 0xe000, 0xffff, 0x1_0000, 0x10_ffff])
            .filter_map(char::from_u32)
            .map(|c| c.to_string())
            .collect();
        for (text, fold) in [
            ("[\u{e4}\u{f6}]", true),
            ("[^\u{e4}/]", true),
            ("[x-\u{e9}]", false),
            ("[\u{e0}-\u{ff}0-9]", true),
            ("[\u{e0}-\u{4ff}]", false),
            ("[^\u{e0}-\u{4ff}]", false),
            ("[\\-\u{3a3}]", true),
            ("[^0-9\u{3a3}]", false),
            ("[\u{80}-\u{10ffff}]", false),
        ] {
            let ours = format!("^{}$", by_bytes(text, fold));
            let ours = regex::bytes::RegexBuilder::new(&ours).unicode(false).build().unwrap();
            let theirs =
                regex::RegexBuilder::new(&format!("^{text}$")).case_insensitive(fold).build().unwrap();
            for subject in &subjects {
                // Where these differ they are meant to.
                if fold && subject.chars().any(|c| !c.is_ascii() && case::cases(c).len() != 2) {
                    continue;
                }
                assert_eq!(ours.is_match(subject.as_bytes()), theirs.is_match(subject), "{text} {subject:?}");
            }
        }
    }
}
