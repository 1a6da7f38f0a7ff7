//! Shell wildcards, and what is read of a pattern before it is compiled.

use std::fmt::Write as _;

/// Whether wildcards stand for a slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slash {
    /// They do.
    Like,
    /// They do not.
    Apart,
}

/// Whether a text has wildcards (`apr_fnmatch_test`): `*`, `?`, or `[` with its `]`.
pub fn is_glob(text: &[u8]) -> bool {
    let mut open = false;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' => return true,
            b'\\' if bytes.next().is_none() => return false,
            b'[' => open = true,
            b']' if open => return true,
            _ => {}
        }
    }
    false
}

/// A regular expression that matches what the wildcards do; not anchored.
pub fn regex(glob: &[u8], slash: Slash) -> String {
    let (any, one) = match slash {
        Slash::Like => ("[\\s\\S]*", "[\\s\\S]"),
        Slash::Apart => ("[^/]*", "[^/]"),
    };
    let mut out = String::new();
    let mut at = 0;
    while let Some(&byte) = glob.get(at) {
        at += 1;
        match byte {
            b'*' => out.push_str(any),
            b'?' => out.push_str(one),
            b'\\' if at < glob.len() => {
                literal(glob[at], &mut out);
                at += 1;
            }
            b'[' => match class(&glob[at..]) {
                Some((text, length)) => {
                    out.push_str(&text);
                    at += length;
                }
                None => literal(byte, &mut out),
            },
            byte => literal(byte, &mut out),
        }
    }
    out
}

/// Whether the wildcards match the whole text; they do not stand for a slash.
pub fn matches(glob: &[u8], text: &[u8]) -> bool {
    let Some((&first, rest)) = glob.split_first() else { return text.is_empty() };
    match first {
        b'*' => {
            let most = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=most).any(|at| matches(rest, &text[at..]))
        }
        b'?' => text.split_first().is_some_and(|(byte, text)| *byte != b'/' && matches(rest, text)),
        b'[' => match (set(rest), text.split_first()) {
            (Some((negated, ranges, length)), Some((byte, text))) => {
                let holds = ranges.iter().any(|(low, high)| (low..=high).contains(&byte));
                holds != negated && *byte != b'/' && matches(&rest[length..], text)
            }
            (None, Some((b'[', text))) => matches(rest, text),
            _ => false,
        },
        b'\\' if !rest.is_empty() => text.first() == Some(&rest[0]) && matches(&rest[1..], &text[1..]),
        byte => text.split_first().is_some_and(|(other, text)| *other == byte && matches(rest, text)),
    }
}

/// First and last bytes.
type Ranges = Vec<(u8, u8)>;

/// What follows a `[`: whether it is negated, its ranges, its length.
fn set(glob: &[u8]) -> Option<(bool, Ranges, usize)> {
    let negated = matches!(glob.first(), Some(b'!' | b'^'));
    let first = usize::from(negated);
    let mut ranges = Vec::new();
    let mut at = first;
    loop {
        let low = *glob.get(at)?;
        at += 1;
        match low {
            b']' if at > first + 1 => return Some((negated, ranges, at)),
            low if glob.get(at) == Some(&b'-') && glob.get(at + 1).is_some_and(|high| *high != b']') => {
                ranges.push((low, glob[at + 1]));
                at += 2;
            }
            low => ranges.push((low, low)),
        }
    }
}

/// What follows a `[`, as a class, and its length.
fn class(glob: &[u8]) -> Option<(String, usize)> {
    let mut out = String::from("[");
    let mut at = 0;
    if let Some(b'!' | b'^') = glob.first() {
        out.push('^');
        at += 1;
    }
    let first = at;
    loop {
        let byte = *glob.get(at)?;
        at += 1;
        match byte {
            b']' if at > first + 1 => break,
            b'-' if at > first + 1 && glob.get(at).is_some_and(|next| *next != b']') => out.push('-'),
            b'\\' => {
                literal(*glob.get(at)?, &mut out);
                at += 1;
            }
            byte => literal(byte, &mut out),
        }
    }
    out.push(']');
    Some((out, at))
}

fn literal(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_') {
        out.push(char::from(byte));
    } else {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// The names of a pattern's named groups, in order.
pub fn groups(pattern: &[u8]) -> Vec<&[u8]> {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(&byte) = pattern.get(at) {
        at += 1;
        match byte {
            b'\\' => at += 1,
            b'(' => {
                let rest = &pattern[at..];
                let name =
                    [(&b"?P<"[..], b'>'), (b"?<", b'>'), (b"?'", b'\'')].iter().find_map(|(open, close)| {
                        let rest = rest.strip_prefix(*open)?;
                        let name = &rest[..memchr::memchr(*close, rest)?];
                        let starts =
                            name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
                        starts.then_some(name)
                    });
                names.extend(name);
            }
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_become_patterns() {
        for (glob, text) in [
            ("/a/*", "/a/[^/]*"),
            ("/?x", "/[^/]x"),
            ("[a-c]", "[a-c]"),
            ("[!a]", "[^a]"),
            ("[]x]", "[\\x5dx]"),
            ("[x", "\\x5bx"),
            ("\\*", "\\x2a"),
            ("a.b", "a\\x2eb"),
        ] {
            assert_eq!(regex(glob.as_bytes(), Slash::Apart), text, "{glob}");
        }
        assert!(is_glob(b"*.php") && is_glob(b"[ab]") && !is_glob(b"a]b[") && !is_glob(b"a.b"));
    }

    #[test]
    fn groups_are_found() {
        assert_eq!(groups(b"^/(?<a>x)(?P<b1>y)(?'c'z)(?<=q)\\(?<d>"), [&b"a"[..], b"b1", b"c"]);
    }
}
