//! The request target (RFC 9112 § 3.2) and its path, decoded and normalized.
//!
//! A path is decoded once; repeated slashes count as one where asked; `.` and
//! `..` segments are resolved after decoding, so that `%2e%2e%2f` climbs as
//! `../` does; so is a backslash that counts as a slash. Climbing above the root, `%00` and broken escapes are refused.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// How a path was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// It held a `%`.
    pub escaped: bool,
    /// It held a `+`.
    pub plus: bool,
    /// A fragment was cut off.
    pub fragment: bool,
}

/// A target that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// Splits `target` (path and query as received, beginning with `/` or `?` or empty) and appends the
/// normalized path and the query to the two buffers.
pub fn normalize(
    target: &[u8],
    merge_slashes: bool,
    backslashes: bool,
    path: &mut Vec<u8>,
    query: &mut Vec<u8>,
) -> Result<Received, Invalid> {
    let mut received = Received::default();
    let end = target.iter().position(|&byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    let (raw, rest) = target.split_at(end);
    if let Some((&first, rest)) = rest.split_first() {
        let fragment = if first == b'#' { Some(0) } else { memchr::memchr(b'#', rest) };
        received.fragment = fragment.is_some();
        query.extend_from_slice(&rest[..fragment.unwrap_or(rest.len())]);
    }
    if simple(raw) {
        received.plus = memchr::memchr(b'+', raw).is_some();
        path.extend_from_slice(if raw.is_empty() { b"/" } else { raw });
        return Ok(received);
    }
    let base = path.len();
    let mut state = State::Usual;
    let mut at = 0;
    while at < raw.len() {
        let (byte, literal) = if raw[at] == b'%' {
            received.escaped = true;
            let decoded = escape(raw, at).ok_or(Invalid)?;
            at += 3;
            if decoded == 0 {
                return Err(Invalid);
            }
            (decoded, matches!(decoded, b'%' | b'#' | b'?'))
        } else {
            at += 1;
            (raw[at - 1], false)
        };
        let byte = if byte == b'\\' && backslashes { b'/' } else { byte };
        received.plus |= byte == b'+';
        state = match (state, byte) {
            (_, _) if literal => {
                path.push(byte);
                State::Usual
            }
            (State::Slash, b'/') => {
                if !merge_slashes {
                    path.push(byte);
                }
                State::Slash
            }
            (State::Slash, b'.') => {
                path.push(byte);
                State::Dot
            }
            (State::Dot, b'.') => {
                path.push(byte);
                State::DotDot
            }
            (State::Dot, b'/') => {
                path.pop();
                State::Slash
            }
            (State::DotDot, b'/') => {
                climb(path, base)?;
                State::Slash
            }
            (_, b'/') => {
                path.push(byte);
                State::Slash
            }
            _ => {
                path.push(byte);
                State::Usual
            }
        };
    }
    match state {
        State::Dot => {
            path.pop();
        }
        State::DotDot => climb(path, base)?,
        State::Usual | State::Slash => {}
    }
    Ok(received)
}

/// Percent-decodes all of `text`; what is no escape stays as it is.
pub fn decode(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        match escape(text, at) {
            Some(byte) if text[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
}

/// Percent-encodes what can stand nowhere in a request line: controls and spaces.
pub fn encode_controls(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            0..=b' ' | 0x7f => {
                out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
}

/// Percent-encodes a decoded path: controls, space, delimiters that no path has, and bytes from 0x7f on.
pub fn encode_path(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if matches!(byte, 0..=b' ' | b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{'..=b'}' | 0x7f..)
        {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.push(byte);
        }
    }
}

#[derive(Clone, Copy)]
enum State {
    Usual,
    Slash,
    Dot,
    DotDot,
}

/// Whether a path needs neither decoding nor resolving.
fn simple(raw: &[u8]) -> bool {
    let mut last = 0;
    raw.iter().all(|&byte| {
        let escapes = matches!(byte, b'%' | b'\\');
        let turns = last == b'/' && matches!(byte, b'/' | b'.');
        last = byte;
        !escapes && !turns
    })
}

/// Removes `seg/..` from the end of a path that begins at `base` and ends in `/..`.
fn climb(path: &mut Vec<u8>, base: usize) -> Result<(), Invalid> {
    let slash = path.len() - 3;
    if slash <= base {
        return Err(Invalid);
    }
    let parent = memchr::memrchr(b'/', &path[base..slash]).ok_or(Invalid)?;
    path.truncate(base + parent + 1);
    Ok(())
}

/// The byte that the escape at `text[at]` stands for.
fn escape(text: &[u8], at: usize) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|value| value as u8);
    Some(digit(*text.get(at + 1)?)? << 4 | digit(*text.get(at + 2)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(target: &str, merge: bool) -> String {
        let (mut path, mut query) = (Vec::new(), Vec::new());
        match normalize(target.as_bytes(), merge, false, &mut path, &mut query) {
            Ok(_) => format!("{} {}", path.escape_ascii(), query.escape_ascii()),
            Err(Invalid) => "invalid".to_owned(),
        }
    }

    /// Observed: nginx 1.22.1.
    #[test]
    fn paths_are_decoded_merged_and_resolved() {
        for (target, expected) in [
            ("/a%2f..%2fb", "/b "),
            ("/a/..?x", "/ x"),
            ("/a/%2e%2e/b", "/b "),
            ("/a%2e%2e/b", "/a../b "),
            ("/a/...", "/a/... "),
            ("/a/..b", "/a/..b "),
            ("/.x", "/.x "),
            ("/a./b", "/a./b "),
            ("/..%2f", "invalid"),
            ("/%2e%2e", "invalid"),
            ("/a/../../b", "invalid"),
            ("/a?b#f", "/a b"),
            ("/a#f?b", "/a "),
            ("/a;b=c/d", "/a;b=c/d "),
            ("/%c0%ae", "/\\xc0\\xae "),
            ("/a%00", "invalid"),
            ("/%", "invalid"),
            ("/%4", "invalid"),
            ("/%zz", "invalid"),
            ("/%252f", "/%2f "),
            ("/a%3Fb%23c", "/a?b#c "),
            ("//host/p", "/host/p "),
            ("/a/.", "/a/ "),
            ("/a/./b/", "/a/b/ "),
            ("/a/b/..", "/a/ "),
            ("?x", "/ x"),
            ("/a?b?c", "/a b?c"),
        ] {
            assert_eq!(show(target, true), expected, "{target}");
        }
        assert_eq!(show("//a", false), "//a ");
        assert_eq!(show("/a//b/../c", false), "/a//c ");
    }

    /// <https://support.microsoft.com/?id=896287>: what the kernel makes of backslashes before IIS sees them.
    #[test]
    fn a_backslash_may_be_a_slash() {
        for (target, kept, slash) in [
            ("/a\\b", "/a\\b", Ok("/a/b")),
            ("/a%5cb", "/a\\b", Ok("/a/b")),
            ("/RootTest/SubDir1\\SubDir2/../../SubDir5", "/SubDir5", Ok("/RootTest/SubDir5")),
            ("/a/..%5c..%5cb", "/a/..\\..\\b", Err(Invalid)),
            ("/a\\..\\b", "/a\\..\\b", Ok("/b")),
            ("/a?b\\c", "/a", Ok("/a")),
        ] {
            for (backslashes, expected) in [(false, Ok(kept)), (true, slash)] {
                let (mut path, mut query) = (Vec::new(), Vec::new());
                let done = normalize(target.as_bytes(), true, backslashes, &mut path, &mut query);
                let done = done.map(|_| std::str::from_utf8(&path).unwrap());
                assert_eq!(done, expected, "{target}");
            }
        }
    }

    #[test]
    fn paths_are_encoded_for_the_upstream() {
        let mut out = Vec::new();
        encode_path(b"/a b?c#d%e&f+g;h\xe4", &mut out);
        assert_eq!(out.escape_ascii().to_string(), "/a%20b%3Fc%23d%25e&f+g;h%E4");
    }
}
