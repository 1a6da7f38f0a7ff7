//! Addresses: `Listen`, and which virtual hosts are chosen from at each of them.
//!
//! Of the hosts, only those with the most specific address count: an address and port beat an address with any port,
//! that beats any address with this port, and that any address with any port. Among them the name decides, first
//! match in file order; without one the first of them answers. An address that no `<VirtualHost>` names is the main
//! server's, whatever the name. Seen on 2.4.71.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    super::tree::{Directive, Word},
    Cx, Lower, RULE, Section,
    host::{self, Host},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Address, HostId, Listener, Order, SocketOptions},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("Listen", listen)];

/// An address of a `<VirtualHost>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostAddress {
    /// `None` is any: `*`, `_default_`.
    pub(crate) ip: Option<IpAddr>,
    /// `None` is any.
    pub(crate) port: Option<u16>,
}

/// An address of `Listen`.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
    /// Whether connections are meant to be HTTPS: the third word, else port 443.
    pub(crate) https: bool,
    pub(crate) span: Span,
}

/// `Listen [address:]port [protocol]`
fn listen(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let Some((ip, Some(port))) = split(&word.value) else {
        let message = format!("`{}` is no address and port to listen on", word.text());
        return cx.report(
            Diagnostic::error("invalid-address", word.span, message)
                .label(word.span, "a port, or address:port"),
        );
    };
    let https = directive.args.get(1).map_or(port == 443, |protocol| protocol.is("https"));
    if let Some(known) = cx.sockets.iter().find(|known| (known.ip, known.port) == (ip, port)) {
        let message = format!("cannot define multiple Listeners on the same IP:port: {}", word.text());
        let first = known.span;
        return cx
            .report(Diagnostic::error("duplicate-listen", word.span, message).label(first, "first here"));
    }
    cx.sockets.push(Socket { ip, port, https, span: word.span });
}

/// `80`, `1.2.3.4:80`, `[::1]:80`, `*:80`, `1.2.3.4`, `*`: the address, where one is meant, and the port.
fn split(text: &[u8]) -> Option<(Option<IpAddr>, Option<u16>)> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((None, Some(text.parse().ok().filter(|port| *port > 0)?)));
    }
    let (host, port) = match text.rfind(':') {
        Some(at) if !text[at..].contains(']') => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    };
    let port = match port {
        None | Some("*") => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
    };
    let ip = match host {
        "*" | "_default_" => None,
        host => Some(host.trim_start_matches('[').trim_end_matches(']').parse().ok()?),
    };
    Some((ip, port))
}

/// The address of a `<VirtualHost>`; a name is looked up.
pub(super) fn host_address(cx: &mut Cx, word: &Word) -> Vec<HostAddress> {
    if let Some((ip, port)) = split(&word.value) {
        return vec![HostAddress { ip, port }];
    }
    let text = word.text();
    let (name, port) = match text.rsplit_once(':') {
        Some((name, "*")) => (name, None),
        Some((name, port)) => {
            let Ok(port) = port.parse() else {
                cx.error("invalid-port", word.span, format!("`{text}` has no port"));
                return Vec::new();
            };
            (name, Some(port))
        }
        None => (&*text, None),
    };
    // Every machine is called so by itself; other names are not asked for where nobody is there to answer.
    let asked = !cx.options.offline || name.eq_ignore_ascii_case("localhost");
    let found = asked.then(|| std::net::ToSocketAddrs::to_socket_addrs(&(name, 0)).ok()).flatten();
    let mut addresses: Vec<_> =
        found.into_iter().flatten().map(|found| HostAddress { ip: Some(found.ip()), port }).collect();
    addresses.dedup();
    if addresses.is_empty() {
        let message = format!("could not resolve host name {name} -- ignoring!");
        cx.warn("unresolved-name", word.span, message);
    }
    addresses
}

/// Makes the listeners, each with the hosts to choose from.
pub(super) fn attach(cx: &mut Cx, hosts: &[Host]) {
    let sockets = cx.sockets.clone();
    let of = |at: usize| &hosts[at].section.own.host.addresses;
    let mut listeners: Vec<Listener> = Vec::new();
    let mut push = |cx: &Cx, address: SocketAddr, separate: bool, span: Span| {
        if listeners.iter().any(|known| known.address == Address::Tcp(address)) {
            return;
        }
        let _ = cx;
        // An address of a host counts only if it is concrete here; the wildcard's listener has only the others.
        let concrete = (!address.ip().is_unspecified()).then(|| address.ip());
        let rank = |host: &HostAddress| {
            let ip = host.ip.is_none() || host.ip == concrete;
            let port = host.port.is_none_or(|port| port == address.port());
            (ip && port).then(|| (host.ip.is_some(), host.port.is_some()))
        };
        let ranks = |at: usize| of(at).iter().filter_map(rank).max();
        let best = (1..hosts.len()).filter_map(ranks).max();
        let mut chosen: Vec<HostId> =
            (1..hosts.len()).filter(|at| best.is_some() && ranks(*at) == best).map(host::id).collect();
        if chosen.is_empty() {
            chosen.push(HostId(0));
        }
        let path =
            |host: &HostId| hosts[host.0 as usize].section.own.host.path.clone().map(|path| (path, *host));
        listeners.push(Listener {
            paths: chosen.iter().filter_map(path).collect(),
            address: Address::Tcp(address),
            tls: false,
            http2: false,
            announced: None,
            options: SocketOptions { backlog: Some(511), separate, ..SocketOptions::default() },
            default: chosen[0],
            chosen: false,
            hosts: chosen,
            order: Order::First,
            into: RULE,
            span,
        });
    };
    for socket in &sockets {
        let families = match socket.ip {
            Some(ip) => vec![ip],
            None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        };
        for ip in families {
            push(cx, SocketAddr::new(ip, socket.port), false, socket.span);
        }
        // A connection to an address that some <VirtualHost> names has its own choice of hosts.
        if socket.ip.is_none() {
            let addresses = (1..hosts.len()).flat_map(of);
            for address in addresses.filter(|address| address.port.is_none_or(|port| port == socket.port)) {
                if let Some(ip) = address.ip {
                    push(cx, SocketAddr::new(ip, socket.port), false, socket.span);
                }
            }
        }
    }
    cx.config.listeners = listeners;
}
