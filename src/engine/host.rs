//! Hosts that requests name: which are read, and what they are called.

/// Reads a host (RFC 3986 § 3.2.2) into `name`: lower case, without port and one trailing dot.
///
/// Anything that is no registered name, IPv4 or IPv6 literal is refused, and so is a port that is no number.
pub fn valid_host(host: &[u8], name: &mut Vec<u8>) -> bool {
    let literal = host.first() == Some(&b'[');
    let end = if literal {
        match memchr::memchr(b']', host) {
            Some(at) => at + 1,
            None => return false,
        }
    } else {
        memchr::memchr(b':', host).unwrap_or(host.len())
    };
    let (text, port) = host.split_at(end);
    let port_fine = match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) && number(digits) <= 65535
        }
        _ => false,
    };
    let text = if literal { text } else { text.strip_suffix(b".").unwrap_or(text) };
    let start = name.len();
    name.extend(text.iter().map(|byte| HOST[usize::from(*byte)]));
    let mut last = 0;
    let mut fine = port_fine && !text.is_empty();
    for &byte in &name[start..] {
        let marks = !literal && matches!(byte, b'[' | b']' | b':');
        fine &= byte != 0 && !marks && !(byte == b'.' && last == b'.');
        last = byte;
    }
    // Two dots at the end are two dots, too, though one of them may go.
    if !fine || (last == b'.' && text.len() < end) {
        name.truncate(start);
        return false;
    }
    true
}

/// What may stand in a host, in lower case; 0 for what may not.
const HOST: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = match byte {
            0..=b' '
            | 0x7f..
            | b'#'
            | b'/'
            | b'?'
            | b'@'
            | b'"'
            | b'<'
            | b'>'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}' => 0,
            _ => byte.to_ascii_lowercase(),
        };
        at += 1;
    }
    table
};

/// Whether a host is none by RFC 3986 and RFC 1123 (§ 2.1), or its port is missing after the colon or 0: a number that is
/// no address, a last label that begins with no letter, bytes that are in no name (observed: Apache httpd 2.4.71).
pub(super) fn is_odd(host: &[u8]) -> bool {
    let colon = memchr::memrchr(b':', host).filter(|_| host.last() != Some(&b']'));
    let (name, port) = host.split_at(colon.unwrap_or(host.len()));
    let odd_port = port.strip_prefix(b":").is_some_and(|port| port.iter().all(|digit| *digit == b'0'));
    odd_port || is_odd_name(name)
}

fn is_odd_name(name: &[u8]) -> bool {
    if name.is_empty() {
        return false;
    }
    if let [b'[', inside @ .., b']'] = name {
        let is_address = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
        return !std::str::from_utf8(inside).is_ok_and(is_address);
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        let mut labels = 0;
        let mut zeroes = name.starts_with(b".");
        for label in name.split(|byte| *byte == b'.') {
            (labels, zeroes) = (labels + 1, zeroes || (label.len() > 1 && label[0] == b'0'));
        }
        return zeroes || labels != 4;
    }
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let last = memchr::memrchr(b'.', name).and_then(|at| name.get(at + 1));
    !name.iter().all(known) || last.is_some_and(|first| !first.is_ascii_alphabetic())
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        for (host, expected) in [
            ("Example.COM", Some("example.com")),
            ("a.:80", Some("a")),
            ("a:", Some("a")),
            ("[::1]:80", Some("[::1]")),
            ("a..b", None),
            ("a..", None),
            (".", None),
            ("", None),
            (":80", None),
            ("a:8x", None),
            ("a:99999", None),
            ("[::1", None),
            ("a[b", None),
            ("a b", None),
            ("a\x7f", None),
            ("\u{e9}", None),
        ] {
            let mut name = b"x".to_vec();
            let valid = valid_host(host.as_bytes(), &mut name);
            assert_eq!(
                valid.then(|| String::from_utf8_lossy(&name[1..]).into_owned()).as_deref(),
                expected,
                "{host}"
            );
            assert!(valid || name == b"x");
        }
    }
}
