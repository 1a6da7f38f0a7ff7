//! File names that match a pattern, as libc's `glob()` finds them.
//!
//! `*`, `?`, `[...]` with ranges, negation and classes, and `\`; names are
//! sorted by their bytes, as in the C locale; a leading dot must be written out.
//! Reference: POSIX.1-2017, glob(3) and section 2.13 of the shell language.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// The paths that exist and match, sorted. Directories that cannot be read hold nothing.
pub fn glob(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str();
        let bytes = name.as_encoded_bytes();
        if bytes.iter().any(|byte| b"*?[\\".contains(byte)) {
            found = found.iter().flat_map(|folder| entries(folder, bytes)).collect();
        } else {
            for folder in &mut found {
                folder.push(name);
            }
        }
    }
    found.retain(|path| fs::symlink_metadata(path).is_ok());
    found.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    found
}

fn entries(folder: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(names) = fs::read_dir(listed) else { return Vec::new() };
    let names = names.filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
    names.filter(|name| matches(pattern, name)).map(|name| folder.join(name)).collect()
}

fn matches(pattern: &[u8], name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') && !pattern.starts_with(b"\\.") {
        return false;
    }
    wildcard(pattern, name)
}

/// Whether the whole of `name` matches. Goes back to the last `*` only, which is enough and keeps it from
/// taking exponential time.
pub fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
            continue;
        }
        if let Some(length) = one(&pattern[at..], name[read]) {
            at += length;
            read += 1;
            continue;
        }
        let Some((after, from)) = star else { return false };
        star = Some((after, from + 1));
        at = after + 1;
        read = from + 1;
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// The length of the pattern's first element when it matches `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => match set(pattern, byte) {
            Some((length, true)) => Some(length),
            Some((_, false)) => None,
            // Without its end it is an ordinary byte.
            None => (byte == b'[').then_some(1),
        },
        b'\\' if pattern.len() > 1 => (pattern[1] == byte).then_some(2),
        plain => (plain == byte).then_some(1),
    }
}

/// Length of a bracket expression and whether it holds `byte`; `None` when it has no end.
fn set(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = 1 + usize::from(negated);
    let mut at = first;
    let mut held = false;
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, held != negated));
        }
        if let Some((length, holds)) = class(&pattern[at..], byte) {
            held |= holds;
            at += length;
            continue;
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|&end| end != b']') {
            at += 1;
            at += usize::from(pattern[at] == b'\\');
            high = *pattern.get(at)?;
            at += 1;
        }
        held |= (low..=high).contains(&byte);
    }
}

/// `[:name:]` inside of a bracket expression.
fn class(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let rest = pattern.strip_prefix(b"[:")?;
    let end = rest.windows(2).position(|pair| pair == b":]")?;
    let holds = match &rest[..end] {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"punct" => byte.is_ascii_punctuation(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        b"cntrl" => byte.is_ascii_control(),
        b"graph" => byte.is_ascii_graphic(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        _ => return None,
    };
    Some((end + 4, holds))
}

#[cfg(test)]
mod tests {
    use super::wildcard;

    #[test]
    fn patterns_match_as_libc_does() {
        let table: &[(&str, &str, bool)] = &[
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-", false),
            ("?.conf", "a.conf", true),
            ("?.conf", ".conf", false),
            ("[ab].conf", "b.conf", true),
            ("[!ab].conf", "b.conf", false),
            ("[^ab].conf", "c.conf", true),
            ("[0-9]*", "5x", true),
            ("[0-9]*", "x5", false),
            ("[a-]x", "-x", true),
            ("[]a]x", "]x", true),
            ("[!]a]x", "]x", false),
            ("[[:digit:][:upper:]]x", "Qx", true),
            ("[[:digit:]]x", "qx", false),
            ("[ab", "[ab", true),
            ("[ab", "a", false),
            (r"\*x", "*x", true),
            (r"\*x", "ax", false),
            (r"[\]]x", "]x", true),
            ("*", "", true),
            ("", "a", false),
            ("[z-a]", "m", false),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(wildcard(pattern.as_bytes(), name.as_bytes()), *expected, "{pattern} {name}");
        }
        let stars = "*a".repeat(60);
        assert!(!wildcard(stars.as_bytes(), "a".repeat(59).as_bytes()));
    }
}
