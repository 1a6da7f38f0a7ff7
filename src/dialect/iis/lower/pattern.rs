//! Patterns of rules: the three syntaxes, and what is no expression for the original.
//!
//! The original's expressions are those of the C++ library in ECMAScript mode: look-ahead and back-references exist,
//! look-behind, named groups, inline flags and Perl's own escapes are errors (reference 6). Wildcards cover the whole
//! subject, `*` is captured, `?` is not.

use super::Cx;
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::tree::Attribute,
    ir::{Kind, Pattern, Syntax},
};

/// How a pattern is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Expression,
    Wildcard,
    Exact,
}

impl Reading {
    /// The one that `patternSyntax` names.
    pub(super) fn of(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "wildcard" => Self::Wildcard,
            "exactmatch" => Self::Exact,
            _ => Self::Expression,
        }
    }
}

/// The longest pattern, bytes: a thousand times that is what it takes in memory.
const LONGEST: usize = 64 << 10;

/// A pattern as it is written; `None` when it is none, which is reported.
pub(super) fn pattern(
    cx: &mut Cx,
    written: &Attribute,
    reading: Reading,
    ignore_case: bool,
) -> Option<Pattern> {
    let text = written.value.as_str();
    if text.len() > LONGEST {
        let message = format!("a pattern has at most {} KiB", LONGEST >> 10);
        let found = Diagnostic::error("invalid-pattern", written.part(0..1), message);
        cx.report(
            found
                .because(format!("this one has {}", text.len() >> 10))
                .help("a rewrite map looks many texts up"),
        );
        return None;
    }
    let regex = |text: String| Pattern {
        kind: Kind::Regex(Syntax::Ecma),
        text: super::letters::by_bytes(&text, ignore_case).into(),
        ignore_case,
        groups: Vec::new(),
    };
    match reading {
        Reading::Exact if ignore_case && !text.is_ascii() => Some(regex(format!("^{}$", literal(text)))),
        Reading::Exact => {
            Some(Pattern { kind: Kind::Exact, text: text.into(), ignore_case, groups: Vec::new() })
        }
        Reading::Wildcard => Some(regex(wildcard(text))),
        Reading::Expression => {
            if let Err((at, length, why)) = check(text) {
                let span = written.part(at..at + length);
                let found =
                    Diagnostic::error("invalid-pattern", span, "this is no expression of the original")
                        .because(why);
                cx.report(if lone_star(text) {
                    found.help("`*` as in file names needs `patternSyntax=\"Wildcard\"` on the rule; here `.*` is meant")
                } else {
                    found
                });
                return None;
            }
            Some(regex(posix(&plain(text))))
        }
    }
}

fn lone_star(text: &str) -> bool {
    text.starts_with('*')
}

/// How many groups an expression has.
pub(super) fn groups(text: &str, reading: Reading) -> u8 {
    let count = match reading {
        Reading::Exact => 0,
        Reading::Wildcard => text.matches('*').count(),
        Reading::Expression => {
            let mut count = 0;
            scan(text, |bytes, at| {
                if bytes[at] == b'(' && bytes.get(at + 1) != Some(&b'?') {
                    count += 1;
                }
            });
            count
        }
    };
    u8::try_from(count).unwrap_or(u8::MAX)
}

/// An expression that stands in one group more: what it says of its own groups is counted on.
pub(super) fn renumbered(text: &str) -> String {
    let mut places = Vec::new();
    let bytes = text.as_bytes();
    let (mut at, mut class) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                if !class && bytes.get(at + 1).is_some_and(|byte| matches!(byte, b'1'..=b'9')) {
                    places.push(at + 1);
                }
                at += 1;
            }
            b'[' if !class => class = true,
            b']' if class => class = false,
            _ => {}
        }
        at += 1;
    }
    let mut out = String::with_capacity(text.len() + places.len());
    let mut from = 0;
    for place in places {
        let end = text[place..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |end| place + end);
        out.push_str(&text[from..place]);
        match text[place..end].parse::<u32>() {
            Ok(number) => out.push_str(&number.saturating_add(1).to_string()),
            Err(_) => out.push_str(&text[place..end]),
        }
        from = end;
    }
    out.push_str(&text[from..]);
    out
}

/// Text that stands for itself in an expression.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '_' | '/' | '-') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A wildcard as an expression.
pub(super) fn wildcard(text: &str) -> String {
    let mut out = String::from("^");
    for c in text.chars() {
        match c {
            '*' => out.push_str("([\\s\\S]*)"),
            '?' => out.push_str("[\\s\\S]"),
            c => out.push_str(&literal(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}

/// The classes of POSIX within brackets, as the C++ library knows them, in the C locale.
const POSIX: [(&str, &str); 13] = [
    ("[:alnum:]", "a-zA-Z0-9"),
    ("[:alpha:]", "a-zA-Z"),
    ("[:blank:]", " \\t"),
    ("[:cntrl:]", "\\x00-\\x1f\\x7f"),
    ("[:digit:]", "0-9"),
    ("[:graph:]", "!-~"),
    ("[:lower:]", "a-z"),
    ("[:print:]", " -~"),
    ("[:punct:]", "!-\\/:-@\\[-`{-~"),
    ("[:space:]", "\\t\\n\\v\\f\\r "),
    ("[:upper:]", "A-Z"),
    ("[:w:]", "a-zA-Z0-9_"),
    ("[:xdigit:]", "0-9A-Fa-f"),
];

/// The expression with these classes as ranges, which every engine of ours knows.
fn posix(text: &str) -> String {
    if !text.contains("[:") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut class) = (text, false);
    while let Some(c) = rest.chars().next() {
        let known = POSIX.iter().find(|(name, _)| class && rest.starts_with(name));
        if let Some((name, ranges)) = known {
            out.push_str(ranges);
            rest = &rest[name.len()..];
            continue;
        }
        let mut length = c.len_utf8();
        match c {
            '\\' => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// An expression with the characters themselves in the place of `\\uHHHH`, which no other language has.
fn plain(text: &str) -> String {
    if !text.contains("\\u") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escaped = &rest[at..];
        let code = escaped.strip_prefix("\\u").and_then(|digits| digits.get(..4));
        let code = code.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let named = code.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        if let Some(named) = named.filter(|named| !named.is_control()) {
            if named.is_ascii_punctuation() {
                out.push('\\');
            }
            out.push(named);
            rest = &escaped[6..];
            continue;
        }
        let length = 1 + escaped[1..].chars().next().map_or(0, char::len_utf8);
        out.push_str(&escaped[..length]);
        rest = &escaped[length..];
    }
    out.push_str(rest);
    out
}

/// Visits every byte outside of escapes and classes.
fn scan(text: &str, mut visit: impl FnMut(&[u8], usize)) {
    let bytes = text.as_bytes();
    let (mut at, mut class) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' if !class => class = true,
            b']' if class => class = false,
            _ if !class => visit(bytes, at),
            _ => {}
        }
        at += 1;
    }
}

/// Finds what other engines have and the original has not: place, length and reason.
pub(in crate::dialect::iis) fn check(text: &str) -> Result<(), (usize, usize, &'static str)> {
    let bytes = text.as_bytes();
    let (mut at, mut class, mut depth) = (0, None, Vec::new());
    // Whether something stands before that can be repeated.
    let mut repeatable = false;
    while at < bytes.len() {
        if let Some(opened) = class {
            match bytes[at] {
                b'\\' => {
                    escape(text, at)?;
                    at += 1;
                }
                b']' => {
                    if at == opened + 1 || (at == opened + 2 && bytes[opened + 1] == b'^') {
                        return Err((
                            opened,
                            at + 1 - opened,
                            "an empty class matches nothing and is an error there",
                        ));
                    }
                    (class, repeatable) = (None, true);
                }
                _ => {}
            }
            at += 1;
            continue;
        }
        match bytes[at] {
            b'\\' => {
                escape(text, at)?;
                repeatable = !matches!(bytes.get(at + 1), Some(b'b' | b'B'));
                at += 1;
            }
            b'[' => class = Some(at),
            b'(' => {
                if bytes.get(at + 1) == Some(&b'?') {
                    match bytes.get(at + 2) {
                        Some(b':' | b'=' | b'!') => {}
                        Some(b'<') if matches!(bytes.get(at + 3), Some(b'=' | b'!')) => {
                            return Err((at, 4, "there is no look-behind"));
                        }
                        Some(b'<' | b'P' | b'\'') => return Err((at, 3, "groups have no names")),
                        Some(b'>') => return Err((at, 3, "there are no atomic groups")),
                        Some(b'#') => return Err((at, 3, "there are no comments")),
                        Some(b'(') => return Err((at, 3, "there are no conditionals")),
                        _ => return Err((at, 2, "there are no inline flags; `ignoreCase` is an attribute")),
                    }
                    at += 2;
                }
                depth.push(at);
                repeatable = false;
            }
            b')' => {
                if depth.pop().is_none() {
                    return Err((at, 1, "this closes no group"));
                }
                repeatable = true;
            }
            b'*' | b'+' | b'?' => {
                if !repeatable {
                    return Err((at, 1, "there is nothing to repeat before it"));
                }
                at = lazy(bytes, at + 1)?;
                repeatable = false;
                continue;
            }
            b'{' => {
                let close = text[at..].find('}').map(|close| at + close);
                let Some(close) = close.filter(|close| is_count(&text[at + 1..*close])) else {
                    return Err((at, 1, "`{` begins a count like `{2,3}`; write `\\{` for the character"));
                };
                if !repeatable {
                    return Err((at, close + 1 - at, "there is nothing to repeat before it"));
                }
                at = lazy(bytes, close + 1)?;
                repeatable = false;
                continue;
            }
            b'^' | b'|' | b'$' => repeatable = false,
            _ => repeatable = true,
        }
        at += 1;
    }
    if let Some(opened) = class {
        return Err((opened, 1, "this class is not closed"));
    }
    match depth.pop() {
        Some(opened) => Err((opened.min(text.len() - 1), 1, "this group is not closed")),
        None => Ok(()),
    }
}

/// Goes past `?` behind a repetition; `+` there is Perl's own.
fn lazy(bytes: &[u8], at: usize) -> Result<usize, (usize, usize, &'static str)> {
    match bytes.get(at) {
        Some(b'?') => Ok(at + 1),
        Some(b'+') => Err((at, 1, "there are no possessive repetitions")),
        _ => Ok(at),
    }
}

fn is_count(text: &str) -> bool {
    let number =
        |text: &str| !text.is_empty() && text.len() < 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once(',') {
        Some((low, high)) => number(low) && (high.is_empty() || number(high)),
        None => number(text),
    }
}

/// Whether the escape at `at` is one.
fn escape(text: &str, at: usize) -> Result<(), (usize, usize, &'static str)> {
    let rest = &text.as_bytes()[at + 1..];
    let hex =
        |count: usize| rest.get(1..=count).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    match rest.first() {
        None => Err((at, 1, "nothing follows the backslash")),
        Some(b'x') if !hex(2) => Err((at, 2, "`\\x` needs two hexadecimal digits")),
        Some(b'u') if !hex(4) => Err((at, 2, "`\\u` needs four hexadecimal digits")),
        Some(b'c') if !rest.get(1).is_some_and(u8::is_ascii_alphabetic) => {
            Err((at, 2, "`\\c` needs a letter"))
        }
        Some(b'A' | b'Z' | b'z' | b'G' | b'K' | b'Q' | b'E' | b'h' | b'H' | b'R' | b'X') => {
            Err((at, 2, "this escape is Perl's own"))
        }
        Some(b'p' | b'P') => Err((at, 2, "there are no classes by property of Unicode")),
        Some(b'k' | b'g') => Err((at, 2, "groups have no names; write `\\1`")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_other_engines_are_refused() {
        let good = [
            "(.*)",
            "^(?!api/)(.*)$",
            "(a)\\1",
            "a{2,}b{3}",
            "[^/]+",
            "a*?",
            "\\x41\\u0041\\cA",
            "(?:a|b)",
            "",
            "a|",
            "\\/\\-\\_",
            "[[:alpha:]]",
            "[\\]]",
        ];
        for text in good {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let bad = [
            ("*", 0),
            ("a**", 2),
            ("(?<=a)b", 0),
            ("(?<n>a)", 0),
            ("(?i)a", 0),
            ("(?>a)", 0),
            ("a++", 2),
            ("\\Aa", 0),
            ("\\p{L}", 0),
            ("[]", 0),
            ("a{", 1),
            ("{x}", 0),
            ("(a", 0),
            ("a)", 1),
            ("[a", 0),
            ("a\\", 1),
            ("^*", 1),
            ("\\xg", 0),
        ];
        for (text, at) in bad {
            assert_eq!(check(text).map_err(|(at, ..)| at), Err(at), "{text}");
        }
    }

    #[test]
    fn groups_are_counted() {
        assert_eq!(groups("(a)(?:b)(?!c)\\((d)[(]", Reading::Expression), 2);
        assert_eq!(groups("*/?.*", Reading::Wildcard), 2);
        assert_eq!(groups("(a)", Reading::Exact), 0);
    }

    #[test]
    fn groups_are_counted_on() {
        assert_eq!(renumbered("(a)\\1[\\1]\\\\1(b)\\2\\d"), "(a)\\2[\\1]\\\\1(b)\\3\\d");
    }

    #[test]
    fn posix_classes_are_ranges() {
        assert_eq!(posix("x[[:alpha:]_]+[:digit:]"), "x[a-zA-Z_]+[:digit:]");
        assert_eq!(posix("[^[:digit:]]\\[[:upper:]]"), "[^0-9]\\[[:upper:]]");
    }

    #[test]
    fn characters_stand_for_themselves() {
        assert_eq!(plain("^\\u0071\\\\u0071\\u002e\\u00e9[\\u0061-z]"), "^q\\\\u0071\\.\u{e9}[a-z]");
        assert_eq!(plain("\\u12 \\u0000"), "\\u12 \\u0000");
    }

    #[test]
    fn wildcards_cover_the_whole() {
        assert_eq!(wildcard("a*.h?m_/-"), "^a([\\s\\S]*)\\.h[\\s\\S]m_/-$");
    }
}
