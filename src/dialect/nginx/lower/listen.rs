//! `listen`: the addresses of a server, and the listeners that all servers share.
//!
//! Reference: <https://nginx.org/r/listen>; addresses, parameters and what is
//! said about them are those of nginx 1.22.1, observed.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

use super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    CAPTURES, Cx, Level, Lower,
    names::Name,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Address, HostId, Listener, Order, SocketOptions, TcpKeepAlive},
    source::Span,
};

/// One `listen` of a server.
#[derive(Clone, Debug)]
pub(super) struct Listen {
    addresses: Vec<Address>,
    default: bool,
    tls: bool,
    http2: bool,
    /// Whether connections begin with the PROXY protocol's header.
    pub(super) announced: bool,
    /// Options of the socket, when any is written.
    options: Option<SocketOptions>,
    span: Span,
}

/// What is known of the listeners while servers are read.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    by_address: HashMap<Address, Socket>,
}

#[derive(Debug)]
struct Socket {
    /// Its place among the listeners.
    at: usize,
    /// Where a default server was named.
    default: Option<Span>,
    /// Where options were given.
    options: Option<Span>,
    /// The names taken on it.
    names: HashSet<Vec<u8>>,
}

/// `listen address[:port] [parameter…]`
fn listen(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [address, parameters @ ..] = directive.args.as_slice() else { return };
    let addresses = match read(&address.value, !cx.options.offline) {
        Ok(addresses) => addresses,
        Err(Fault::Unresolved(host)) => {
            let message = format!("host not found in `{host}` of the `listen` directive");
            cx.missing("host-not-found", address.span, message);
            return;
        }
        Err(Fault::Invalid(message)) => {
            let message = format!("{message} in `{}` of the `listen` directive", address.text());
            cx.report(
                Diagnostic::error("invalid-address", address.span, message)
                    .help("an address is `address:port`, `port`, `[::]:port`, `name:port` or `unix:/path`"),
            );
            return;
        }
    };
    let mut listen = Listen {
        addresses,
        default: false,
        tls: false,
        http2: false,
        announced: false,
        options: None,
        span: directive.head(),
    };
    for word in parameters {
        parameter(cx, &mut listen, word);
    }
    // QUIC is UDP: the address is another one, and it is not honoured.
    if parameters.iter().any(|word| word.is("quic")) {
        return;
    }
    let mut kept = Vec::new();
    for address in std::mem::take(&mut listen.addresses) {
        // What takes datagrams stands in no way of what takes connections.
        if parameters.iter().any(|word| word.is("quic")) {
            continue;
        }
        let earlier = level.own.listens.iter().find(|other| other.addresses.contains(&address));
        match earlier {
            Some(earlier) => cx.report(
                Diagnostic::error(
                    "duplicate-listen",
                    directive.head(),
                    format!("a duplicate listen {}", Shown(&address)),
                )
                .label(earlier.span, "first written here"),
            ),
            None => kept.push(address),
        }
    }
    listen.addresses = kept;
    level.own.listens.push(listen);
}

fn parameter(cx: &mut Cx, listen: &mut Listen, word: &Word) {
    let ipv6 = listen.addresses.iter().any(|address| matches!(address, Address::Tcp(SocketAddr::V6(_))));
    let invalid = |cx: &mut Cx, help: &str| {
        let message = format!("invalid parameter `{}`", word.text());
        cx.report(Diagnostic::error("invalid-parameter", word.span, message).help(help));
    };
    let (name, value) = match memchr::memchr(b'=', &word.value) {
        Some(at) => (&word.value[..at], Some(&word.value[at + 1..])),
        None => (word.value.as_slice(), None),
    };
    match (name, value) {
        (b"default_server" | b"default", None) => listen.default = true,
        (b"ssl", None) => listen.tls = true,
        (b"http2", None) => listen.http2 = true,
        (b"spdy", None) => cx.warn(
            "inert-parameter",
            word.span,
            "`spdy` has no effect: HTTP/2 took its place, write `http2 on;`",
        ),
        (b"proxy_protocol", None) => listen.announced = true,
        (b"quic", None) => {
            let message = format!("`{}` is not yet honoured", word.text());
            cx.refuse(Diagnostic::error("refused-parameter", word.span, message));
        }
        (b"bind", None) => listen.options.get_or_insert_default().separate = true,
        (b"deferred", None) => listen.options.get_or_insert_default().deferred = true,
        (b"reuseport", None) => listen.options.get_or_insert_default().reuse_port = true,
        (b"multipath", None) => cx.warn(
            "inert-parameter",
            word.span,
            "`multipath` has no effect here: connections are taken by plain TCP",
        ),
        (b"backlog", Some(value)) => match values::number(value) {
            Ok(number @ 1..) => {
                listen.options.get_or_insert_default().backlog = Some(clamp(number));
            }
            _ => invalid(cx, "`backlog` is a number above 0"),
        },
        (b"fastopen", Some(value)) => match values::number(value) {
            Ok(number) => listen.options.get_or_insert_default().fast_open = Some(clamp(number)),
            Err(_) => invalid(cx, "`fastopen` is a number"),
        },
        (b"setfib", Some(value)) => match values::number(value) {
            Ok(number) => listen.options.get_or_insert_default().fib = Some(clamp(number)),
            Err(_) => invalid(cx, "`setfib` is a number"),
        },
        (b"rcvbuf", Some(value)) => match values::size(value) {
            Ok(size) => listen.options.get_or_insert_default().receive_buffer = Some(size),
            Err(_) => invalid(cx, "`rcvbuf` is a size such as `8k`"),
        },
        (b"sndbuf", Some(value)) => match values::size(value) {
            Ok(size) => listen.options.get_or_insert_default().send_buffer = Some(size),
            Err(_) => invalid(cx, "`sndbuf` is a size such as `8k`"),
        },
        (b"accept_filter", Some(_)) => cx.warn(
            "inert-parameter",
            word.span,
            "accept filters are not supported on this platform, ignored",
        ),
        (b"ipv6only", Some(value)) => match value {
            // On an IPv4 address it is an option like any other and changes nothing.
            b"on" | b"off" => {
                let options = listen.options.get_or_insert_default();
                options.ipv6_only = ipv6.then_some(value == b"on");
            }
            _ => invalid(cx, "`ipv6only=on` or `ipv6only=off`"),
        },
        (b"so_keepalive", Some(value)) => match keep_alive(value) {
            Some(keep_alive) => {
                listen.options.get_or_insert_default().keep_alive = Some(keep_alive);
            }
            None => invalid(cx, "`so_keepalive=on`, `off`, or `idle:interval:count` as in `30m::10`"),
        },
        _ => invalid(cx, "see https://nginx.org/r/listen"),
    }
}

fn clamp(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn keep_alive(value: &[u8]) -> Option<TcpKeepAlive> {
    let plain = |on| TcpKeepAlive { on, idle: None, interval: None, count: None };
    match value {
        b"on" => return Some(plain(true)),
        b"off" => return Some(plain(false)),
        _ => {}
    }
    let mut fields = value.split(|byte| *byte == b':');
    let (idle, interval, count) = (fields.next()?, fields.next(), fields.next());
    if fields.next().is_some() || [Some(idle), interval, count].iter().flatten().all(|text| text.is_empty()) {
        return None;
    }
    let seconds = |text: &[u8]| match text {
        [] => Some(None),
        _ => values::seconds(text).ok().map(|time| Some(clamp(time.as_secs()))),
    };
    let count = match count.unwrap_or_default() {
        [] => None,
        text => Some(clamp(values::number(text).ok()?)),
    };
    Some(TcpKeepAlive {
        on: true,
        idle: seconds(idle)?,
        interval: seconds(interval.unwrap_or_default())?,
        count,
    })
}

/// Why a text is no address.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Invalid(&'static str),
    Unresolved(String),
}

/// The addresses that a text stands for: several for a name or a range of ports.
fn read(text: &[u8], look_up: bool) -> Result<Vec<Address>, Fault> {
    if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"unix:")) {
        use std::os::unix::ffi::OsStrExt as _;
        let path = &text[5..];
        if path.is_empty() {
            return Err(Fault::Invalid("no path in the unix domain socket"));
        }
        // The size of `sockaddr_un.sun_path`, less the final NUL.
        if path.len() > 107 {
            return Err(Fault::Invalid("too long path in the unix domain socket"));
        }
        return Ok(vec![Address::Unix(PathBuf::from(std::ffi::OsStr::from_bytes(path)))]);
    }
    let text = std::str::from_utf8(text).map_err(|_| Fault::Invalid("invalid host"))?;
    if text.contains(['/', '?']) {
        return Err(Fault::Invalid("invalid host"));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(Fault::Invalid("invalid host"))?;
            let host: Ipv6Addr = host.parse().map_err(|_| Fault::Invalid("invalid IPv6 address"))?;
            let port = match port.strip_prefix(':') {
                Some(port) => Some(port),
                None if port.is_empty() => None,
                None => return Err(Fault::Invalid("invalid port")),
            };
            (Host::Ip(IpAddr::V6(host)), port)
        }
        None => match text.split_once(':') {
            Some(("", _)) => return Err(Fault::Invalid("no host")),
            Some((host, port)) => (Host::read(host), Some(port)),
            // A number alone is a port, and so is a range of them.
            None if ports(text).is_some() => (Host::Ip(Ipv4Addr::UNSPECIFIED.into()), Some(text)),
            None if text.is_empty() => return Err(Fault::Invalid("no host")),
            // To the resolver a number would be an address.
            None if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
                return Err(Fault::Invalid("invalid port"));
            }
            None => (Host::read(text), None),
        },
    };
    let ports = match port {
        Some(port) => ports(port).ok_or(Fault::Invalid("invalid port"))?,
        None => (80, 80),
    };
    let hosts = match host {
        Host::Ip(ip) => vec![ip],
        Host::Name(name) => {
            if !look_up {
                return Err(Fault::Unresolved(name.to_owned()));
            }
            let found = (name, 0).to_socket_addrs().map_err(|_| Fault::Unresolved(name.to_owned()))?;
            let mut found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            found.dedup();
            found
        }
    };
    let of = |ip: &IpAddr| {
        let ip = *ip;
        (ports.0..=ports.1).map(move |port| Address::Tcp(SocketAddr::new(ip, port)))
    };
    Ok(hosts.iter().flat_map(of).collect())
}

enum Host<'a> {
    Ip(IpAddr),
    Name(&'a str),
}

impl<'a> Host<'a> {
    fn read(text: &'a str) -> Self {
        match text {
            "*" => Self::Ip(Ipv4Addr::UNSPECIFIED.into()),
            _ => text.parse().map_or(Self::Name(text), |ip: Ipv4Addr| Self::Ip(ip.into())),
        }
    }
}

/// A port, or a range of them.
fn ports(text: &str) -> Option<(u16, u16)> {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port > 0)
    };
    match text.split_once('-') {
        Some((first, last)) => Some((port(first)?, port(last)?)).filter(|(first, last)| first <= last),
        None => port(text).map(|port| (port, port)),
    }
}

/// Puts a server on its addresses.
pub(super) fn attach(cx: &mut Cx, host: HostId, mut listens: Vec<Listen>, everywhere: bool, span: Span) {
    if listens.is_empty() {
        let port = if cx.options.root { 80 } else { 8000 };
        let address = Address::Tcp(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
        listens.push(Listen {
            addresses: vec![address],
            default: false,
            tls: false,
            http2: false,
            announced: false,
            options: None,
            span,
        });
    }
    for Listen { addresses, default, tls, http2, announced, options, span } in listens {
        for address in addresses {
            let at = cx.config.listeners.len();
            let shown = Shown(&address).to_string();
            let socket = cx.sockets.by_address.entry(address.clone()).or_insert_with(|| {
                cx.config.listeners.push(Listener {
                    address,
                    tls: false,
                    http2: false,
                    announced: None,
                    options: SocketOptions::default(),
                    default: host,
                    chosen: false,
                    hosts: Vec::new(),
                    paths: Vec::new(),
                    order: Order::Specific,
                    into: CAPTURES,
                    span,
                });
                Socket { at, default: None, options: None, names: HashSet::new() }
            });
            let listener = &mut cx.config.listeners[socket.at];
            listener.hosts.push(host);
            listener.tls |= tls || everywhere;
            listener.http2 |= http2;
            if announced {
                listener.announced.get_or_insert_default();
            }
            let mut findings = Vec::new();
            if default && let Some(first) = socket.default {
                let message = format!("a duplicate default server for {shown}");
                findings.push(
                    Diagnostic::error("duplicate-default-server", span, message)
                        .label(first, "first named here"),
                );
            } else if default {
                socket.default = Some(span);
                listener.default = host;
                listener.chosen = true;
            }
            if options.is_some()
                && let Some(first) = socket.options
            {
                let message = format!("duplicate listen options for {shown}");
                findings.push(
                    Diagnostic::error("duplicate-listen-options", span, message)
                        .label(first, "first given here")
                        .help("options of a socket are written in one server only"),
                );
            } else if let Some(options) = &options {
                socket.options = Some(span);
                listener.options = options.clone();
            }
            for finding in findings {
                cx.report(finding);
            }
        }
    }
}

/// Takes the names of all servers on their addresses: of equal names the first counts.
///
/// Observed: names are looked at only where several servers, or named groups, make it necessary; of a
/// `.name` whose exact form is taken, nothing is left.
pub(super) fn take_names(cx: &mut Cx, hosts: &[Vec<Name>]) {
    let mut findings = Vec::new();
    // How many of a host's listeners refused one of its names.
    let mut refused: HashMap<(u32, usize), usize> = HashMap::new();
    let mut total: HashMap<u32, usize> = HashMap::new();
    let listeners = std::mem::take(&mut cx.config.listeners);
    for listener in &listeners {
        for host in &listener.hosts {
            *total.entry(host.0).or_default() += 1;
        }
        if listener.hosts.len() < 2 {
            continue;
        }
        let Some(socket) = cx.sockets.by_address.get_mut(&listener.address) else { continue };
        for host in &listener.hosts {
            let names = hosts.get(host.0 as usize).map(Vec::as_slice).unwrap_or_default();
            for (at, name) in names.iter().enumerate() {
                if let Some(message) = name.fault() {
                    let message = format!("{message} on {}", Shown(&listener.address));
                    findings.push(Diagnostic::error("invalid-server-name", name.span, message));
                } else if name.keys().any(|key| socket.names.contains(&key)) {
                    *refused.entry((host.0, at)).or_default() += 1;
                    let message = format!(
                        "conflicting server name `{}` on {}, ignored",
                        String::from_utf8_lossy(&name.text),
                        Shown(&listener.address)
                    );
                    findings.push(Diagnostic::warning("conflicting-server-name", name.span, message));
                } else {
                    socket.names.extend(name.keys());
                }
            }
        }
    }
    cx.config.listeners = listeners;
    for finding in findings {
        cx.report(finding);
    }
    for (at, names) in hosts.iter().enumerate() {
        let id = at as u32;
        let everywhere =
            |name: usize| refused.get(&(id, name)).is_some_and(|count| total.get(&id) == Some(count));
        let kept = names.iter().enumerate().filter(|(at, _)| !everywhere(*at));
        let patterns = kept.flat_map(|(_, name)| name.patterns.iter().cloned()).collect();
        if let Some(host) = cx.config.hosts.get_mut(at) {
            host.names = patterns;
        }
    }
}

/// Says which default servers have no certificate to offer.
///
/// Observed: nginx 1.22.1 asks this of an address's default server only.
pub(super) fn require_certificates(cx: &mut Cx) {
    let mut findings = Vec::new();
    for listener in cx.config.listeners.iter().filter(|listener| listener.tls) {
        let tls = cx.config.hosts.get(listener.default.0 as usize).and_then(|host| host.tls.as_ref());
        if !tls.is_some_and(|tls| tls.reject || tls.shows()) {
            let message = "no `ssl_certificate` is defined for the `listen ... ssl` directive";
            findings.push((listener.span, message));
        }
    }
    for (span, message) in findings {
        cx.missing("missing-certificate", span, message);
    }
}

/// An address as people write it.
struct Shown<'a>(&'a Address);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("listen", listen)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let table: &[(&str, &str)] = &[
            ("80", "0.0.0.0:80"),
            ("*:80", "0.0.0.0:80"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1:8080-8082", "127.0.0.1:8080 127.0.0.1:8081 127.0.0.1:8082"),
            ("18099-18100", "0.0.0.0:18099 0.0.0.0:18100"),
            ("[::]:80", "[::]:80"),
            ("[::1]", "[::1]:80"),
            ("unix:/run/a", "unix:/run/a"),
            ("unix:", "Invalid(\"no path in the unix domain socket\")"),
            ("127.0.0.1:0", "Invalid(\"invalid port\")"),
            ("127.0.0.1:", "Invalid(\"invalid port\")"),
            ("70000", "Invalid(\"invalid port\")"),
            ("0", "Invalid(\"invalid port\")"),
            ("8090-8080", "Invalid(\"invalid port\")"),
            ("127.0.0.1:70000", "Invalid(\"invalid port\")"),
            (":80", "Invalid(\"no host\")"),
            ("[::1]:80x", "Invalid(\"invalid port\")"),
            ("[::1", "Invalid(\"invalid host\")"),
            ("127.0.0.1:80/x", "Invalid(\"invalid host\")"),
            ("example.com:80", "Unresolved(\"example.com\")"),
        ];
        for (text, expected) in table {
            let found = match read(text.as_bytes(), false) {
                Ok(addresses) => {
                    let shown: Vec<String> = addresses.iter().map(|one| Shown(one).to_string()).collect();
                    shown.join(" ")
                }
                Err(fault) => format!("{fault:?}"),
            };
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn keep_alive_times() {
        let table = [
            ("on", Some((true, None, None, None))),
            ("off", Some((false, None, None, None))),
            ("30m::10", Some((true, Some(1800), None, Some(10)))),
            (":5", Some((true, None, Some(5), None))),
            ("::", None),
            ("", None),
            ("yes", None),
            ("1:2:3:4", None),
        ];
        for (text, expected) in table {
            let found = keep_alive(text.as_bytes()).map(|one| (one.on, one.idle, one.interval, one.count));
            assert_eq!(found, expected, "{text}");
        }
    }
}
