//! A request as it is written on the command line, or in a file of requests: `GET https://host/path -H 'Name: v'`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::{
    compare::{Probe, generate},
    engine::rehearse::World,
    ir::{Address, Config},
};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Fields, `Name: value`.
    pub fields: Vec<String>,
    /// Where it comes from.
    pub client: Option<IpAddr>,
}

impl Ask {
    /// Reads a line: words as a shell separates them, quotes included.
    pub fn line(text: &str) -> Result<Self, String> {
        let words = words(text)?;
        let mut ask = Self { method: String::new(), url: String::new(), fields: Vec::new(), client: None };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-H" | "--header" => {
                    ask.fields.push(words.next().ok_or("-H without a field")?);
                }
                "--client" => {
                    let text = words.next().ok_or("--client without an address")?;
                    ask.client = Some(text.parse().map_err(|_| format!("\"{text}\" is no address"))?);
                }
                _ if ask.method.is_empty() => ask.method = word,
                _ if ask.url.is_empty() => ask.url = word,
                _ => return Err(format!("unexpected \"{word}\"")),
            }
        }
        if ask.url.is_empty() {
            // `/path` alone is a GET of it.
            ask.url = std::mem::replace(&mut ask.method, "GET".to_owned());
        }
        Ok(ask)
    }

    /// The request to a configuration; what its URL leaves open is what the first listener that fits says.
    pub fn probe(&self, config: &Config) -> Result<Probe, String> {
        let token = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        };
        if !token(&self.method) {
            return Err(format!("\"{}\" is no method", self.method));
        }
        let (tls, rest) = match self.url.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" | "ws" => (Some(false), rest),
                "https" | "wss" => (Some(true), rest),
                _ => return Err(format!("\"{scheme}\" is neither http nor https")),
            },
            None => (None, self.url.as_str()),
        };
        let socket = self.url.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("ws"));
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        if authority.is_empty() && tls.is_some() {
            return Err("the URL names no host".to_owned());
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let target = target.split('#').next().unwrap_or_default().to_owned();
        if target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err("the URL holds a space or a control: percent-encode it".to_owned());
        }
        let bracket = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority[bracket..].find(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(bracket + colon);
                (host, Some(port[1..].parse().map_err(|_| format!("\"{}\" is no port", &port[1..]))?))
            }
            None => (authority, None),
        };
        let (to, tls) = reach(config, host, port, tls);
        let mut probe = Probe::get(to, tls, target.as_bytes());
        probe.method = self.method.clone().into_bytes();
        probe.host = (!authority.is_empty()).then(|| authority.as_bytes().to_vec());
        probe.world = World::Real;
        probe.client = self.client.unwrap_or(probe.client);
        if socket {
            probe.upgrade();
        }
        for field in &self.fields {
            let (name, value) = field.split_once(':').ok_or(format!("\"{field}\" is not NAME: VALUE"))?;
            if !token(name) || value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return Err(format!("\"{field}\" is no field"));
            }
            if name.eq_ignore_ascii_case("host") {
                probe.host = Some(value.trim().as_bytes().to_vec());
            } else {
                probe.fields.push((name.as_bytes().to_vec(), value.trim().as_bytes().to_vec()));
            }
        }
        // Who asks for a switch has to say so twice (RFC 9110 § 7.8).
        let named =
            |name: &str| probe.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        if named("upgrade") && !named("connection") {
            probe.fields.push((b"Connection".to_vec(), b"Upgrade".to_vec()));
        }
        Ok(probe)
    }
}

/// The address that a URL leads to, and whether over TLS.
fn reach(config: &Config, host: &str, port: Option<u16>, tls: Option<bool>) -> (SocketAddr, bool) {
    let port = port.or(match tls {
        Some(true) => Some(443),
        Some(false) => Some(80),
        None => None,
    });
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let tcp = || {
        config.listeners.iter().filter_map(|one| match one.address {
            Address::Tcp(at) => Some((at, one)),
            Address::Unix(_) => None,
        })
    };
    let by_port = |at: &SocketAddr| port.is_none_or(|port| at.port() == port);
    let exact = tcp().find(|(at, _)| by_port(at) && literal == Some(at.ip()));
    let any = || tcp().find(|(at, one)| by_port(at) && tls.is_none_or(|tls| tls == one.tls));
    let found = exact.or_else(any).or_else(|| tcp().find(|(at, _)| by_port(at)));
    if let Some((at, one)) = found {
        let to = generate::address(one).unwrap_or(at);
        let to = literal
            .filter(|ip| at.ip().is_unspecified() && ip.is_ipv4() == at.is_ipv4())
            .map_or(to, |ip| (ip, at.port()).into());
        (to, tls.unwrap_or(one.tls))
    } else {
        let here = literal.unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        ((here, port.unwrap_or(80)).into(), tls.unwrap_or(false))
    }
}

/// Words as a shell separates them.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err("a quote is not closed".to_owned()),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some(inner) => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_a_shell_would() {
        let ask = Ask::line("POST http://a/x?y=1 -H 'A: b c' -H \"D: \\\"e\" --client ::1").unwrap();
        assert_eq!((ask.method.as_str(), ask.url.as_str()), ("POST", "http://a/x?y=1"));
        assert_eq!(ask.fields, ["A: b c", "D: \"e"]);
        assert_eq!(ask.client, Some("::1".parse().unwrap()));
        assert_eq!(Ask::line("/only/a/path").unwrap().url, "/only/a/path");
        assert!(Ask::line("GET /x -H 'open").is_err());
    }

    #[test]
    fn urls_become_requests() {
        let probe = |url: &str| {
            let ask = Ask { method: "GET".into(), url: url.into(), fields: Vec::new(), client: None };
            ask.probe(&Config::default())
        };
        let one = probe("https://a.example:8443/x?y#z").unwrap();
        assert_eq!((one.to.port(), one.tls, one.target.as_slice()), (8443, true, &b"/x?y"[..]));
        assert_eq!(one.host.as_deref(), Some(&b"a.example:8443"[..]));
        assert_eq!(probe("http://a?q").unwrap().target, b"/?q");
        assert_eq!(probe("wss://a/s").unwrap().fields.len(), 4);
        assert!(probe("http:///x").is_err());
        assert!(probe("ftp://a/").is_err());
        assert!(probe("http://a/ b").is_err());
    }
}
