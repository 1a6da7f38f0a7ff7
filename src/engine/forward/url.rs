//! A whole URL that a request is sent to: what it says about protocol and authority, and what is left as target.

use crate::ir::{Member, Name, Protocol, Text, Upgrade, settings::Forwarding};

/// What the scheme of a URL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scheme {
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether over TLS.
    pub tls: bool,
    /// The port where none is written.
    pub port: u16,
    /// Whether requests may ask for a `WebSocket`.
    pub socket: bool,
    /// Whether HTTP/2 is spoken.
    pub frames: bool,
}

/// Schemes that can be spoken.
pub(super) fn scheme(name: &[u8]) -> Option<Scheme> {
    let (protocol, tls, port, socket) = match name {
        b"http" => (Protocol::Http, false, 80, false),
        b"https" => (Protocol::Http, true, 443, false),
        b"ws" => (Protocol::Http, false, 80, true),
        b"wss" => (Protocol::Http, true, 443, true),
        // They have no registered ports; these are in use (`mod_proxy_fcgi`, `mod_proxy_scgi`, `mod_proxy_uwsgi`).
        b"h2" => (Protocol::Http, true, 443, false),
        b"h2c" => (Protocol::Http, false, 80, false),
        b"fcgi" => (Protocol::FastCgi, false, 8000, false),
        b"scgi" => (Protocol::Scgi, false, 4000, false),
        b"uwsgi" => (Protocol::Uwsgi, false, 3031, false),
        _ => return None,
    };
    let frames = matches!(name, b"h2" | b"h2c");
    Some(Scheme { protocol, tls, port, socket, frames })
}

/// A URL taken apart, by places in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Length of the path of a Unix socket in front, the mark behind it not counted; 0 is none.
    pub socket: usize,
    /// Where the scheme begins.
    pub scheme: usize,
    /// Where the authority begins.
    pub authority: usize,
    /// Where the target begins.
    pub target: usize,
}

impl Url {
    /// Reads a URL and writes scheme and authority in lower case, without user and without the scheme's own port.
    /// `None` when it has no scheme.
    pub(super) fn read(text: &mut Vec<u8>) -> Option<Self> {
        let (socket, scheme) = match text.strip_prefix(b"unix:") {
            Some(rest) => {
                let mark = memchr::memchr(b'|', rest)? + 5;
                (mark, mark + 1)
            }
            None => (0, 0),
        };
        let authority = memchr::memmem::find(&text[scheme..], b"://")? + scheme + 3;
        let named =
            text[scheme..authority - 3].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'+');
        if authority - 3 == scheme || !named {
            return None;
        }
        let end = |text: &[u8]| {
            memchr::memchr2(b'/', b'?', &text[authority..]).map_or(text.len(), |at| at + authority)
        };
        let target = end(text);
        if let Some(user) = memchr::memrchr(b'@', &text[authority..target]) {
            text.drain(authority..=authority + user);
        }
        let target = end(text);
        text[scheme..target].make_ascii_lowercase();
        let port = self::scheme(&text[scheme..authority - 3]).map_or(0, |scheme| scheme.port);
        let (host, written) = split_port(&text[authority..target]);
        if written.is_some_and(|written| {
            written.is_empty() || written == itoa::Buffer::new().format(port).as_bytes()
        }) {
            let host = authority + host.len();
            text.drain(host..target);
        }
        Some(Self { socket, scheme, authority, target: end(text) })
    }

    /// The name of its scheme.
    pub(super) fn scheme_of(self, text: &[u8]) -> &[u8] {
        &text[self.scheme..self.authority - 3]
    }

    /// Host and port.
    pub(super) fn authority_of(self, text: &[u8]) -> &[u8] {
        &text[self.authority..self.target]
    }

    /// The member that a URL of its own makes, and where it is.
    pub(super) fn member(self, text: &[u8], scheme: Scheme) -> (Member, Text) {
        let authority = self.authority_of(text);
        let mut member = Member::plain(&text[..self.target], authority, scheme.tls);
        member.protocol = scheme.protocol;
        member.reuse = false;
        if scheme.socket {
            let names = vec![Name::from("WebSocket")];
            member.settings = Forwarding { upgrade: Some(Upgrade::Only(names)), ..Forwarding::default() };
        }
        if scheme.frames {
            member.settings = Forwarding { version: Some(20), ..Forwarding::default() };
        }
        let address = if self.socket > 0 { &text[..self.socket] } else { authority };
        (member, address.into())
    }
}

/// Host and port of an authority.
fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let from = memchr::memrchr(b']', authority).unwrap_or(0);
    match memchr::memrchr(b':', &authority[from..]) {
        Some(colon) => (&authority[..from + colon], Some(&authority[from + colon + 1..])),
        None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, String, String)> {
        let mut text = text.as_bytes().to_vec();
        let url = Url::read(&mut text)?;
        let part = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some((part(url.scheme_of(&text)), part(url.authority_of(&text)), part(&text[url.target..])))
    }

    fn parts(scheme: &str, authority: &str, target: &str) -> (String, String, String) {
        (scheme.to_owned(), authority.to_owned(), target.to_owned())
    }

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(read("HTTP://Host:80/Path?q"), Some(parts("http", "host", "/Path?q")));
        assert_eq!(read("https://h:80"), Some(parts("https", "h:80", "")));
        assert_eq!(read("wss://u:p@[::1]:443?q"), Some(parts("wss", "[::1]", "?q")));
        assert_eq!(read("unix:/A.sock|http://localhost/x"), Some(parts("http", "localhost", "/x")));
        assert_eq!(read("http:///x"), Some(parts("http", "", "/x")));
        assert_eq!(read("wss:/localhost"), None);
        assert_eq!(read("://x"), None);
    }
}
