//! Whom a request goes to: a cluster, or what a template names when it is read.

use std::net::IpAddr;

use super::{super::exchange::Exchange, Destination};
use crate::{
    ir::{Forward, Protocol, Upstream, settings::Level},
    plan::Plan,
};

impl Exchange {
    /// The destination of a forward; `Err` is the status to answer when there is none.
    pub async fn destination(&mut self, plan: &Plan, forward: &Forward) -> Result<Destination, u16> {
        match &forward.to {
            Upstream::Cluster(id) => {
                let cluster = self.serving.clusters.cluster(*id);
                self.name_authority(&plan.config.cluster(*id).name, forward.tls, forward.protocol);
                let idle = cluster.idle().copied();
                Ok(Destination { cluster, tls: forward.tls, target: None, idle })
            }
            // Those go their own way, member by member.
            Upstream::Url(_) => Err(500),
            Upstream::Dynamic(template) => {
                let url = self.value(template);
                self.dynamic(plan, forward, &url).await
            }
        }
    }

    async fn dynamic(&mut self, plan: &Plan, forward: &Forward, url: &[u8]) -> Result<Destination, u16> {
        let (tls, authority, target) = self.read_dynamic(forward, url)?;
        if let Some(cluster) = self.serving.clusters.named(authority.as_bytes()) {
            let idle = cluster.idle().copied();
            return Ok(Destination { cluster, tls, target, idle });
        }
        let default = default_port(tls, forward.protocol);
        let addresses = if authority.starts_with("unix:") {
            Vec::new()
        } else {
            let Some((host, port)) = host_and_port(&authority, default) else {
                return Err(self.bad(authority.as_bytes(), "invalid port in upstream"));
            };
            if port == 0 {
                return Err(self.bad(authority.as_bytes(), "no port in upstream"));
            }
            let addresses = self.look_up(plan, host).await?;
            addresses.into_iter().map(|ip| (ip, port).into()).collect()
        };
        let cluster = self.serving.clusters.dynamic(authority.as_bytes(), default, &addresses);
        Ok(Destination { cluster, tls, target, idle: None })
    }

    /// Where a request would go, without looking a name up.
    pub(super) fn named_destination(&mut self, plan: &Plan, forward: &Forward) -> Result<Destination, u16> {
        let cluster = |exchange: &Self, id| exchange.serving.clusters.cluster(id);
        let (tls, cluster, target) = match &forward.to {
            Upstream::Cluster(id) => {
                self.name_authority(&plan.config.cluster(*id).name, forward.tls, forward.protocol);
                (forward.tls, cluster(self, *id), None)
            }
            Upstream::Url(_) => return Err(500),
            Upstream::Dynamic(template) => {
                let url = self.value(template);
                let (tls, authority, target) = self.read_dynamic(forward, &url)?;
                let clusters = &self.serving.clusters;
                let default = default_port(tls, forward.protocol);
                let named = clusters.named(authority.as_bytes());
                if named.is_none() && !self.can_be_found(plan, &authority, default) {
                    return Err(502);
                }
                let cluster = named.unwrap_or_else(|| clusters.dynamic(authority.as_bytes(), default, &[]));
                (tls, cluster, target)
            }
        };
        let idle = cluster.idle().copied();
        Ok(Destination { cluster, tls, target, idle })
    }

    /// What a URL made when it is read says: whether over TLS, the authority, the target to send.
    fn read_dynamic(
        &mut self,
        forward: &Forward,
        url: &[u8],
    ) -> Result<(bool, String, Option<Vec<u8>>), u16> {
        let (tls, rest) = match (forward.protocol, scheme(url)) {
            (_, Some((b"http", rest))) if forward.protocol == Protocol::Http => (false, rest),
            (_, Some((b"https", rest))) if forward.protocol == Protocol::Http => (true, rest),
            (Protocol::Uwsgi, Some((b"uwsgi", rest))) => (false, rest),
            (Protocol::Uwsgi, Some((b"suwsgi", rest))) => (true, rest),
            (Protocol::Grpc, Some((b"grpc", rest))) => (false, rest),
            (Protocol::Grpc, Some((b"grpcs", rest))) => (true, rest),
            (protocol, None) if protocol != Protocol::Http => (false, url),
            _ => return Err(self.bad(url, "invalid URL prefix in")),
        };
        let (authority, target) = split(rest);
        if authority.is_empty() {
            return Err(self.bad(rest, "no host in upstream"));
        }
        let Ok(name) = std::str::from_utf8(authority) else {
            return Err(self.bad(authority, "invalid host in upstream"));
        };
        self.name_authority(authority, tls, forward.protocol);
        let target = (!target.is_empty())
            .then(|| if target[0] == b'/' { target.to_vec() } else { [b"/", target].concat() });
        Ok((tls, name.to_owned(), target))
    }

    /// Whether there is anybody to ask for an authority's addresses, where that takes asking.
    fn can_be_found(&self, plan: &Plan, authority: &str, default: u16) -> bool {
        let asks = !authority.starts_with("unix:")
            && host_and_port(authority, default).is_some_and(|(host, _)| {
                host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_err()
            });
        !asks || !self.settings(plan).resolve.servers.is_empty()
    }

    async fn look_up(&mut self, plan: &Plan, host: &str) -> Result<Vec<IpAddr>, u16> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse() {
            return Ok(vec![ip]);
        }
        let found = super::super::resolve::look_up(&self.worker, &self.settings(plan).resolve, bare).await;
        found.map_err(|message| {
            self.log(Level::Error, format_args!("{message}"));
            502
        })
    }

    fn bad(&self, text: &[u8], what: &str) -> u16 {
        self.log(Level::Error, format_args!("{what} \"{}\"", text.escape_ascii()));
        500
    }

    /// Remembers the authority for the attributes that speak of it.
    fn name_authority(&mut self, authority: &[u8], tls: bool, protocol: Protocol) {
        let facts = &mut self.facts;
        facts.authority.clear();
        if authority.starts_with(b"unix:") {
            facts.authority.extend_from_slice(b"localhost");
            facts.authority_default = 0;
            return;
        }
        facts.authority.extend_from_slice(authority);
        facts.authority_default = default_port(tls, protocol);
    }
}

/// The port that an authority names, or the default; `None` where that is 0, as a socket in the file system has none.
pub fn port(authority: &[u8], default: u16) -> Option<u16> {
    let named = std::str::from_utf8(authority).ok().and_then(|name| host_and_port(name, default));
    (default != 0).then(|| named.map_or(default, |(_, port)| port))
}

fn default_port(tls: bool, protocol: Protocol) -> u16 {
    match (protocol, tls) {
        (Protocol::Http, true) => 443,
        (Protocol::Http, false) => 80,
        // What has no usual port is written with one.
        _ => 0,
    }
}

/// Cuts `scheme://` off.
fn scheme(url: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memmem::find(url, b"://")?;
    let name = &url[..colon];
    name.iter().all(u8::is_ascii_alphanumeric).then(|| (name, &url[colon + 3..]))
}

/// Splits the authority from the target; in `unix:/path:/target` the second colon does.
fn split(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = if rest.starts_with(b"unix:") {
        memchr::memchr(b':', &rest[5..]).map_or(rest.len(), |at| at + 5)
    } else {
        rest.iter().position(|&byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len())
    };
    let (authority, target) = rest.split_at(end);
    (authority, target.strip_prefix(b":").unwrap_or(target))
}

/// Splits `host:port`; an IPv6 literal keeps its brackets.
fn host_and_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    let from = authority.rfind(']').unwrap_or(0);
    match authority[from..].find(':') {
        Some(at) => {
            let port = authority[from + at + 1..].parse().ok().filter(|&port| port != 0)?;
            Some((&authority[..from + at], port))
        }
        None => Some((authority, default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split() {
        assert_eq!(scheme(b"http://a/b"), Some((&b"http"[..], &b"a/b"[..])));
        assert_eq!(scheme(b"a:80"), None);
        assert_eq!(split(b"a:80/x?y"), (&b"a:80"[..], &b"/x?y"[..]));
        assert_eq!(split(b"unix:/s:/x"), (&b"unix:/s"[..], &b"/x"[..]));
        assert_eq!(split(b"unix:/s"), (&b"unix:/s"[..], &b""[..]));
        assert_eq!(host_and_port("a:80", 1), Some(("a", 80)));
        assert_eq!(host_and_port("[::1]:80", 1), Some(("[::1]", 80)));
        assert_eq!(host_and_port("[::1]", 1), Some(("[::1]", 1)));
        assert_eq!(host_and_port("a:80x", 1), None);
    }
}
