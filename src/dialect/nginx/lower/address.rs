//! Addresses of upstreams, name servers and log receivers: text to parts, without looking a name up.
//!
//! What is accepted and what is said about the rest: nginx 1.22.1, observed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ir::AddressRange;

/// An address, perhaps with a path behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// Host and, where written, port; or `unix:/path`.
    pub(super) authority: &'a [u8],
    /// The host, in brackets when it is IPv6; the path of a socket.
    pub(super) host: &'a [u8],
    /// The port where one is written.
    pub(super) port: Option<u16>,
    /// Whether it is a socket in the file system.
    pub(super) unix: bool,
    /// What follows: a path, a query, or nothing.
    pub(super) rest: &'a [u8],
}

/// Whether something may follow the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// A path and a query may.
    Allowed,
    /// Nothing may.
    Refused,
}

/// Reads an address. The error says what is wrong with it.
pub(super) fn address(text: &[u8], tail: Tail) -> Result<Address<'_>, &'static str> {
    if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"unix:")) {
        return socket(text, tail);
    }
    let end = match memchr::memchr2(b'/', b'?', text) {
        Some(_) if tail == Tail::Refused => return Err("invalid host"),
        Some(at) => at,
        None => text.len(),
    };
    let (authority, rest) = text.split_at(end);
    let (host, port) = if authority.first() == Some(&b'[') {
        let close = memchr::memchr(b']', authority).ok_or("invalid host")?;
        let (host, after) = authority.split_at(close + 1);
        let inner = std::str::from_utf8(&host[1..close]).map_err(|_| "invalid IPv6 address")?;
        inner.parse::<Ipv6Addr>().map_err(|_| "invalid IPv6 address")?;
        match after {
            [] => (host, None),
            [b':', digits @ ..] => (host, Some(port(digits)?)),
            _ => return Err("invalid port"),
        }
    } else {
        match memchr::memchr(b':', authority) {
            Some(colon) => (&authority[..colon], Some(port(&authority[colon + 1..])?)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err("no host");
    }
    Ok(Address { authority, host, port, unix: false, rest })
}

/// An IP address with or without port, as in `proxy_bind`.
pub(super) fn is_ip_with_port(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    text.parse::<IpAddr>().is_ok() || text.parse::<std::net::SocketAddr>().is_ok()
}

/// An access rule's address, and whether bits beyond the prefix are set.
pub(super) fn range(text: &[u8]) -> Option<(AddressRange, bool)> {
    match text {
        b"all" => return Some((AddressRange::All, false)),
        b"unix:" => return Some((AddressRange::Unix, false)),
        _ => {}
    }
    let text = std::str::from_utf8(text).ok()?;
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => {
            let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
            (address, Some(prefix.parse::<u8>().ok().filter(|_| digits)?))
        }
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(width);
    if prefix > width {
        return None;
    }
    let network = first_of(address, prefix);
    Some((AddressRange::Network(network, prefix), network != address))
}

fn socket(text: &[u8], tail: Tail) -> Result<Address<'_>, &'static str> {
    let path = &text[5..];
    let (path, rest) = match memchr::memchr(b':', path) {
        Some(colon) if tail == Tail::Allowed => (&path[..colon], &path[colon + 1..]),
        _ => (path, &path[path.len()..]),
    };
    if path.is_empty() {
        return Err("no path in the unix domain socket");
    }
    // The size of `sockaddr_un.sun_path`, less the final NUL.
    if path.len() > 107 {
        return Err("too long path in the unix domain socket");
    }
    Ok(Address { authority: &text[..5 + path.len()], host: path, port: None, unix: true, rest })
}

fn port(digits: &[u8]) -> Result<u16, &'static str> {
    let value = digits.iter().try_fold(0_u32, |value, digit| match digit {
        b'0'..=b'9' if value < 100_000 => Some(value * 10 + u32::from(digit - b'0')),
        _ => None,
    });
    match value {
        Some(value @ 1..=65535) if !digits.is_empty() => Ok(value as u16),
        _ => Err("invalid port"),
    }
}

/// The first address of a network: the bits that do not count are zero.
pub(super) fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, host, port, rest) in [
            ("b", "b", None, ""),
            ("b/", "b", None, "/"),
            ("b?x=1/y:2", "b", None, "?x=1/y:2"),
            ("b:81/x:9", "b", Some(81), "/x:9"),
            ("[::1]", "[::1]", None, ""),
            ("[::1]:9000/a", "[::1]", Some(9000), "/a"),
            ("unix:/tmp/s", "/tmp/s", None, ""),
            ("unix:/tmp/s:/x:y", "/tmp/s", None, "/x:y"),
        ] {
            let address = address(text.as_bytes(), Tail::Allowed).unwrap();
            assert_eq!(
                (address.host, address.port, address.rest),
                (host.as_bytes(), port, rest.as_bytes()),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_addresses() {
        for (text, tail, error) in [
            ("", Tail::Allowed, "no host"),
            ("/x", Tail::Allowed, "no host"),
            (":80", Tail::Allowed, "no host"),
            ("a:", Tail::Allowed, "invalid port"),
            ("a:0", Tail::Allowed, "invalid port"),
            ("a:80x/", Tail::Allowed, "invalid port"),
            ("a:99999", Tail::Allowed, "invalid port"),
            ("a:4294967376", Tail::Allowed, "invalid port"),
            ("::1", Tail::Refused, "invalid port"),
            ("[::1", Tail::Refused, "invalid host"),
            ("a/x", Tail::Refused, "invalid host"),
            ("http://127.0.0.1", Tail::Refused, "invalid host"),
            ("unix:", Tail::Refused, "no path in the unix domain socket"),
            ("unix::/x", Tail::Allowed, "no path in the unix domain socket"),
        ] {
            assert_eq!(address(text.as_bytes(), tail), Err(error), "{text}");
        }
    }

    #[test]
    fn ranges() {
        for (text, expected) in [
            ("all", Some(("All", false))),
            ("unix:", Some(("Unix", false))),
            ("10.0.0.1", Some(("Network(10.0.0.1, 32)", false))),
            ("10.0.0.1/8", Some(("Network(10.0.0.0, 8)", true))),
            ("0.0.0.0/0", Some(("Network(0.0.0.0, 0)", false))),
            ("fe80::1/10", Some(("Network(fe80::, 10)", true))),
            ("::/0", Some(("Network(::, 0)", false))),
            ("10.0.0.0/33", None),
            ("10.0.0.0/", None),
            ("10.0.0.0/+8", None),
            ("10.0.0", None),
            ("localhost", None),
        ] {
            let found = range(text.as_bytes()).map(|(range, low)| (format!("{range:?}"), low));
            assert_eq!(found, expected.map(|(range, low)| (range.to_owned(), low)), "{text}");
        }
    }
}
