//! The texts that are expanded: test strings, substitutions, values of flags, keys of maps.
//!
//! One pass, nothing is expanded twice. `\c` is `c`; a `$`, `%` or `%{` that begins nothing stands for itself, as
//! does `${name}` without a colon (2.4.71).

use std::ops::Range;

use crate::dialect::apache::tree::Written;

/// A piece of a text that is expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands.
    Text(Vec<u8>),
    /// `$n`: a group of the rule's pattern.
    Rule(u8),
    /// `%n`: a group of the last condition that matched.
    Condition(u8),
    /// `%{NAME}`
    Variable(Written),
    /// `${map:key|default}`
    Map(Box<Lookup>),
}

/// A look-up in a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    /// The map's name.
    pub(super) map: Written,
    pub(super) key: Vec<Piece>,
    /// What stands for a key that is not found.
    pub(super) default: Vec<Piece>,
    /// All of it, in braces.
    pub(super) whole: Written,
}

/// Takes a text apart.
pub(super) fn parse(text: &Written) -> Vec<Piece> {
    let bytes = text.bytes();
    let mut pieces = Vec::new();
    let mut plain = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let (piece, end) = match (byte, next) {
            (b'\\', Some(escaped)) => {
                plain.push(escaped);
                at += 2;
                continue;
            }
            (b'$' | b'%', Some(b'{')) => {
                let Some(found) = braces(text, at) else {
                    plain.extend_from_slice(&[byte, b'{']);
                    at += 2;
                    continue;
                };
                found
            }
            (b'$', Some(digit)) if digit.is_ascii_digit() => (Piece::Rule(digit - b'0'), at + 2),
            (b'%', Some(digit)) if digit.is_ascii_digit() => (Piece::Condition(digit - b'0'), at + 2),
            _ => {
                plain.push(byte);
                at += 1;
                continue;
            }
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece);
        at = end;
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// What stands in the braces that begin at `at + 1`, and where it ends; `None` when that is nothing.
fn braces(text: &Written, at: usize) -> Option<(Piece, usize)> {
    let bytes = text.bytes();
    let inner = at + 2..closing(bytes, at + 2)?;
    let end = inner.end + 1;
    if bytes[at] == b'%' {
        return Some((Piece::Variable(text.slice(inner)), end));
    }
    let colon = separator(bytes, inner.clone(), b':')?;
    let rest = colon + 1..inner.end;
    let bar = separator(bytes, rest.clone(), b'|').unwrap_or(rest.end);
    let lookup = Lookup {
        map: text.slice(inner.start..colon),
        key: parse(&text.slice(rest.start..bar)),
        default: parse(&text.slice((bar + 1).min(rest.end)..rest.end)),
        whole: text.slice(at..end),
    };
    Some((Piece::Map(Box::new(lookup)), end))
}

/// Where the brace closes that opened before `from`.
fn closing(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0;
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            b'{' => depth += 1,
            b'\\' if at + 1 < bytes.len() => at += 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The first of these outside of inner braces.
fn separator(bytes: &[u8], range: Range<usize>, wanted: u8) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = range.start;
    while at < range.end {
        match bytes[at] {
            byte if byte == wanted && depth == 0 => return Some(at),
            b'}' => depth = depth.saturating_sub(1),
            b'{' => depth += 1,
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{FileId, Span};

    fn shown(pieces: &[Piece]) -> String {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let each = pieces.iter().map(|piece| match piece {
            Piece::Text(bytes) => text(bytes),
            Piece::Rule(group) => format!("<R{group}>"),
            Piece::Condition(group) => format!("<C{group}>"),
            Piece::Variable(name) => format!("<{}>", text(name.bytes())),
            Piece::Map(lookup) => format!(
                "<{} of {} else {}>",
                text(lookup.map.bytes()),
                shown(&lookup.key),
                shown(&lookup.default)
            ),
        });
        each.collect()
    }

    #[test]
    fn each_shape() {
        for (written, expected) in [
            ("/a/$1", "/a/<R1>"),
            ("$10%9", "<R1>0<C9>"),
            ("/a%20b", "/a<C2>0b"),
            (r"/a\%20\$1\\", r"/a%20$1\"),
            ("a$", "a$"),
            (r"a\", r"a\"),
            ("%{HTTP:X-A}!", "<HTTP:X-A>!"),
            ("%{open", "%{open"),
            ("${name}", "${name}"),
            ("${m:$1|d}", "<m of <R1> else d>"),
            ("${m:${n:%1|a|b}|%{X}}", "<m of <n of <C1> else a|b> else <X>>"),
            ("${m:k}", "<m of k else >"),
            (r"${m:a\|b|c}", "<m of a|b else c>"),
            ("${m:{a:b}|c}", "<m of {a:b} else c>"),
            ("${HTTP:Upgrade}", "<HTTP of Upgrade else >"),
            ("%%{A}$$1", "%<A>$<R1>"),
        ] {
            let mut text = Written::default();
            text.push(written.as_bytes(), Span::new(FileId(0), 0, written.len() as u32));
            assert_eq!(shown(&parse(&text)), expected, "{written}");
        }
    }
}
