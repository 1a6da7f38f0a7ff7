//! Who may: rules on the client's address; the user that a request names.

use std::net::IpAddr;

use super::facts::Facts;
use crate::ir::{AddressRange, settings::AccessInForce};

/// Whether the rules in force let the client pass: the first that holds decides, none holding allows.
pub fn allowed(access: &AccessInForce, facts: &Facts) -> bool {
    let ip = facts.client_ip();
    let rule = access.rules.iter().find(|(range, _)| holds(*range, ip));
    rule.is_none_or(|(_, allow)| *allow)
}

/// Whether a range holds a client; clients on Unix sockets have no address.
pub fn holds(range: AddressRange, ip: Option<IpAddr>) -> bool {
    match (range, ip) {
        (AddressRange::All, _) | (AddressRange::Unix, None) => true,
        (AddressRange::Network(IpAddr::V4(net), bits), Some(IpAddr::V4(ip))) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            u32::from(net) & mask == u32::from(ip) & mask
        }
        (AddressRange::Network(IpAddr::V6(net), bits), Some(IpAddr::V6(ip))) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            u128::from(net) & mask == u128::from(ip) & mask
        }
        _ => false,
    }
}

/// Appends the user of `Basic` credentials (RFC 7617); false when there are none.
pub fn user(authorization: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let Some((user, _)) = basic(authorization).filter(|(user, _)| !user.is_empty()) else { return false };
    out.extend_from_slice(&user);
    true
}

/// User and password of `Basic` credentials.
pub fn basic(authorization: Option<&[u8]>) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, rest) = authorization?.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut user = base64(rest.trim_ascii())?;
    let colon = memchr::memchr(b':', &user)?;
    let password = user.split_off(colon + 1);
    user.truncate(colon);
    Some((user, password))
}

/// Decodes base64 (RFC 4648 § 4), padding optional.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |at| at + 1);
    let (mut out, mut bits, mut held) = (Vec::with_capacity(end * 3 / 4), 0u32, 0);
    for &byte in &text[..end] {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_credentials() {
        let read = |value: &str| {
            let mut out = Vec::new();
            user(Some(value.as_bytes()), &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
        };
        assert_eq!(read("Basic YWxpY2U6c2VjcmV0"), Some("alice".to_owned()));
        assert_eq!(read("basic YWxpY2U6"), Some("alice".to_owned()));
        assert_eq!(read("Basic OnNlY3JldA=="), None);
        assert_eq!(read("Basic !"), None);
        assert_eq!(read("Bearer x"), None);
    }

    #[test]
    fn networks_hold_their_addresses() {
        let net = AddressRange::Network("10.0.0.0".parse().unwrap(), 8);
        assert!(holds(net, "10.1.2.3".parse().ok()));
        assert!(!holds(net, "11.1.2.3".parse().ok()));
        assert!(holds(AddressRange::Network("::".parse().unwrap(), 0), "::1".parse().ok()));
        assert!(holds(AddressRange::Network("0.0.0.0".parse().unwrap(), 0), "1.1.1.1".parse().ok()));
        assert!(!holds(net, None));
        assert!(holds(AddressRange::Unix, None));
    }
}
