//! Which session a request belongs to: a parameter anywhere in its URL, else a cookie.

use super::Group;
use crate::ir::{Sticky, Text};

/// The session of a request, as the request names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Session<'r> {
    /// By which name it was found.
    pub key: Text,
    /// The route it asks for.
    pub route: &'r [u8],
}

impl Group {
    /// The session of a request with this URL and this `Cookie`.
    pub fn session<'r>(&self, url: &'r [u8], cookies: Option<&'r [u8]>) -> Option<Session<'r>> {
        let manner = self.manner();
        let sticky = manner.sticky.as_ref()?;
        let (key, value) = match param(url, &sticky.param, sticky.semicolon) {
            Some(value) => (&sticky.param, value),
            None => (&sticky.cookie, cookie(cookies?, &sticky.cookie)?),
        };
        route(sticky, value).map(|route| Session { key: key.clone(), route })
    }
}

/// The part of a session's value that is its route; `None` when there is no separator in it.
fn route<'v>(sticky: &Sticky, value: &'v [u8]) -> Option<&'v [u8]> {
    let route = match sticky.separator {
        Some(separator) => &value[memchr::memchr(separator, value)? + 1..],
        None => value,
    };
    (!route.is_empty()).then_some(route)
}

/// The value behind `name=`, wherever that stands: up to `?` or `&`, and `;` where that ends one.
fn param<'u>(url: &'u [u8], name: &[u8], semicolon: bool) -> Option<&'u [u8]> {
    if name.is_empty() {
        return None;
    }
    let ends = |byte: &u8| matches!(byte, b'?' | b'&') || (semicolon && *byte == b';');
    memchr::memmem::find_iter(url, name).find_map(|at| {
        let rest = url[at + name.len()..].strip_prefix(b"=")?;
        // Ends in front of the value are passed over, as if they were not there.
        let start = rest.iter().position(|byte| !ends(byte))?;
        let rest = &rest[start..];
        Some(&rest[..rest.iter().position(ends).unwrap_or(rest.len())])
    })
}

/// The value of a cookie: its name stands at the beginning or behind `;`, `,` or white space, case counts.
fn cookie<'c>(cookies: &'c [u8], name: &[u8]) -> Option<&'c [u8]> {
    if name.is_empty() {
        return None;
    }
    memchr::memmem::find_iter(cookies, name).find_map(|at| {
        let before = at.checked_sub(1).map(|at| cookies[at]);
        if before.is_some_and(|byte| !matches!(byte, b';' | b',') && !byte.is_ascii_whitespace()) {
            return None;
        }
        let value = cookies[at + name.len()..].trim_ascii_start().strip_prefix(b"=")?;
        if value.is_empty() {
            return None;
        }
        let end = value.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or(value.len());
        Some(&value[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_cookies_are_found_as_observed() {
        assert_eq!(param(b"/a;S=x.1/b?c", b"S", false), Some(&b"x.1/b"[..]));
        assert_eq!(param(b"/a;S=x.1;b", b"S", true), Some(&b"x.1"[..]));
        assert_eq!(param(b"/a?XS=x.1&b", b"S", false), Some(&b"x.1"[..]));
        assert_eq!(param(b"/a?S=", b"S", false), None);
        assert_eq!(param(b"/S/S=1", b"S", false), Some(&b"1"[..]));
        assert_eq!(cookie(b"a=1; S = x.2; b", b"S"), Some(&b" x.2"[..]));
        assert_eq!(cookie(b"XS=x.1; S=x.2", b"S"), Some(&b"x.2"[..]));
        assert_eq!(cookie(b"s=x.1", b"S"), None);
        assert_eq!(cookie(b"S=", b"S"), None);
    }
}
