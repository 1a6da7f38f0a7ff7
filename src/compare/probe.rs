//! A request to compare by: what a client would send, and from where.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use crate::engine::rehearse::World;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probe {
    /// The address it is sent to; `None` is the socket in the file system at this place among the listeners.
    pub to: SocketAddr,
    /// Whether over TLS.
    pub tls: bool,
    /// The method.
    pub method: Vec<u8>,
    /// Path and query as they are sent.
    pub target: Vec<u8>,
    /// `Host`.
    pub host: Option<Vec<u8>>,
    /// Other fields.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where it comes from.
    pub client: IpAddr,
    /// What the file system holds.
    pub world: World,
    /// Whether in HTTP/1.0.
    pub old: bool,
}

impl Probe {
    /// `GET` of a target.
    pub fn get(to: SocketAddr, tls: bool, target: &[u8]) -> Self {
        Self {
            to,
            tls,
            method: b"GET".to_vec(),
            target: target.to_vec(),
            host: None,
            fields: Vec::new(),
            client: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
            world: World::Empty,
            old: false,
        }
    }

    /// The head as it is sent.
    pub fn head(&self) -> Vec<u8> {
        let mut out = self.method.clone();
        out.push(b' ');
        out.extend_from_slice(&self.target);
        out.extend_from_slice(if self.old { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
        if let Some(host) = &self.host {
            out.extend_from_slice(b"Host: ");
            out.extend_from_slice(host);
            out.extend_from_slice(b"\r\n");
        }
        for (name, value) in &self.fields {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// Sets a field, in place of one of its name.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.fields.push((name.to_vec(), value.to_vec()));
    }

    /// Asks for a `WebSocket` (RFC 6455 § 4.1).
    pub fn upgrade(&mut self) {
        self.set(b"Connection", b"Upgrade");
        self.set(b"Upgrade", b"websocket");
        self.set(b"Sec-WebSocket-Version", b"13");
        self.set(b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==");
    }

    /// How much there is to read in it: the smallest of several is shown.
    pub fn size(&self) -> (usize, usize, usize) {
        let odd = usize::from(self.method != b"GET")
            + usize::from(self.world != World::Empty)
            + usize::from(self.old)
            + usize::from(self.tls);
        (self.fields.len(), self.target.len() + self.host.as_ref().map_or(0, Vec::len), odd)
    }

    /// Whether servers of different kinds differ on a request by themselves, whatever is written: separators and dots that
    /// are encoded or repeated, a host that no browser writes so, an upgrade to something unheard of, a number of steps.
    pub fn is_odd(&self) -> bool {
        let path = self.target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let target = String::from_utf8_lossy(path).to_ascii_lowercase();
        // What is encoded though it need not be, or means something else than it does when it is not.
        let encoded = target.split('%').skip(1).any(|rest| {
            let byte = rest.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            byte.is_none_or(|byte| byte.is_ascii_alphanumeric() || b"%/\\?#.-_~\0".contains(&byte))
        });
        let segments = || path.split(|byte| *byte == b'/');
        let blank = target.ends_with("%20");
        let folded = target.contains("//") || segments().any(|segment| matches!(segment, b"." | b".."));
        let bare = self.target.ends_with(b"?") || target.contains('\\');
        let usual = if self.tls { 443 } else { 80 };
        let port = format!(":{}", self.to.port());
        let host = self.host.as_deref().is_none_or(|host| {
            let name = match host.strip_suffix(port.as_bytes()) {
                Some(name) if self.to.port() != usual => name,
                _ => host,
            };
            let colon = memchr::memchr(b':', name).is_some() && !name.ends_with(b"]");
            name.is_empty() || name.iter().any(u8::is_ascii_uppercase) || colon || name.ends_with(b".")
        });
        let upgrade = self.fields.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"upgrade") && !value.eq_ignore_ascii_case(b"websocket")
        });
        let steps = self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"max-forwards"));
        let method = !["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
            .iter()
            .any(|method| method.as_bytes() == self.method);
        encoded
            || blank
            || folded
            || bare
            || host
            || upgrade
            || steps
            || method
            || self.old
            || !target.starts_with('/')
    }

    /// As a person would say it: method, URL, what else matters.
    pub fn shown(&self) -> String {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let scheme = if self.tls { "https" } else { "http" };
        let usual = self.to.port() == if self.tls { 443 } else { 80 };
        let host = self.host.as_deref().map_or_else(|| format!("{}", self.to), text);
        let named = self.host.as_deref().is_some_and(|host| {
            let bracket = memchr::memrchr(b']', host).unwrap_or(0);
            memchr::memchr(b':', &host[bracket..]).is_some()
        });
        let port = if usual || named || self.host.is_none() {
            String::new()
        } else {
            format!(":{}", self.to.port())
        };
        let mut shown = format!("{} {scheme}://{host}{port}{}", text(&self.method), text(&self.target));
        if self.old {
            shown.push_str(" HTTP/1.0");
        }
        for (name, value) in &self.fields {
            let _ = write!(shown, " -H '{}: {}'", text(name), text(value));
        }
        if self.client != IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)) {
            let _ = write!(shown, " --client {}", self.client);
        }
        match self.world {
            World::Real | World::Empty => {}
            World::Files => shown.push_str(" (where the file exists)"),
            World::Folders => shown.push_str(" (where the folder exists)"),
        }
        shown
    }
}

/// A decoded path as it is sent: what cannot stand in a target is percent-encoded.
pub fn encode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() + 1);
    if path.first() != Some(&b'/') {
        out.push(b'/');
    }
    for &byte in path {
        if byte <= b' ' || byte >= 0x7f || b"%?#\"<>\\^`{|}".contains(&byte) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_is_what_browsers_do_not_send() {
        let probe = |port: u16, target: &str, host: Option<&str>| {
            let mut probe = Probe::get(([192, 0, 2, 1], port).into(), false, target.as_bytes());
            probe.host = host.map(|host| host.as_bytes().to_vec());
            probe
        };
        let table = [
            (80, "/a/b?x=%2F", Some("a.test"), false),
            (80, "/.well-known/acme-challenge/x", Some("a.test"), false),
            (80, "/a%20b", Some("a.test"), false),
            (80, "/caf%C3%A9", Some("a.test"), false),
            (80, "/a+b", Some("a.test"), false),
            (8080, "/", Some("a.test:8080"), false),
            (8080, "/", Some("[::1]:8080"), false),
            (80, "/a%2Fb", Some("a.test"), true),
            (80, "/%61", Some("a.test"), true),
            (80, "/a/../b", Some("a.test"), true),
            (80, "/a//b", Some("a.test"), true),
            (80, "/a?", Some("a.test"), true),
            (80, "/", Some("a.test:80"), true),
            (80, "/", Some("A.test"), true),
            (80, "/", None, true),
        ];
        for (port, target, host, odd) in table {
            assert_eq!(probe(port, target, host).is_odd(), odd, "{target} of {host:?}");
        }
        let options = Probe { method: b"OPTIONS".to_vec(), ..probe(80, "/", Some("a.test")) };
        assert!(!options.is_odd(), "a browser asks so for leave (CORS)");
    }
}
