//! Workers, balancers and their members: the clusters of the IR.
//!
//! A worker is known to its server by its URL; one whose URL begins with that of an earlier one is that one, and its
//! parameters are ignored, with a warning, as httpd does. The main server's serve all hosts.

use std::time::Duration;

use super::{
    super::{Cx, Kind, Lower, Section},
    health, parameter, survey,
    target::{Url, default_port},
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::tree::{Directive, Word},
    ir::{
        Balance, Cluster, ClusterId, Endpoint, Group, HostId, IdleConnections, Member, Name, Protocol, Role,
        Text, Upgrade,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("BalancerMember", balancer_member), ("ProxySet", proxy_set)];

/// Connections that are kept where nothing says so.
pub(super) const IDLE: IdleConnections = IdleConnections {
    max: 64,
    requests: u64::MAX,
    time: Duration::from_hours(24 * 365),
    timeout: Duration::from_hours(24),
    per_route: false,
};

/// The worker of a URL; makes one where none has it, with these parameters.
pub(super) fn worker(cx: &mut Cx, url: &Url, span: Span, parameters: &[Word]) {
    let _ = new_worker(cx, url, span, parameters);
}

/// The same for URLs that go on with what a pattern captured.
pub(super) fn worker_for_captures(cx: &mut Cx, url: &Url, span: Span, parameters: &[Word]) {
    let says = |word: &Word| {
        let text = word.text().to_ascii_lowercase();
        text.starts_with("enablereuse=") || text.starts_with("disablereuse=")
    };
    let silent = !parameters.iter().any(says);
    let Some(id) = new_worker(cx, url, span, parameters).filter(|_| silent) else { return };
    let cluster = &mut cx.config.clusters[id.0 as usize];
    for member in cluster.endpoints.iter_mut().filter_map(|endpoint| endpoint.member.as_mut()) {
        member.reuse = false;
    }
}

/// The worker, if there was none.
fn new_worker(cx: &mut Cx, url: &Url, span: Span, parameters: &[Word]) -> Option<ClusterId> {
    let text = url.text();
    let server = cx.proxy.server;
    let covers = |(of, known, _): &&(u32, Vec<u8>, ClusterId)| *of == server && text.starts_with(known);
    let longest = cx.proxy.known.iter().filter(covers).max_by_key(|(_, known, _)| known.len());
    if let Some((_, known, _)) = longest.cloned() {
        if let Some(word) = parameters.first() {
            let known = String::from_utf8_lossy(&known).into_owned();
            let message =
                format!("parameters of `{}` are ignored: it shares the worker `{known}`", lossy(&text));
            let found = Diagnostic::warning("shared-worker", word.span, message);
            cx.report(found.help("give them where that URL is used first"));
        }
        return None;
    }
    let mut group = Group::alone(text.clone());
    group.hosts = hosts(server);
    let (endpoint, idle) = member(cx, url, span, parameters)?;
    let id = push(cx, &text, group, vec![endpoint], idle, span);
    cx.proxy.known.push((server, text, id));
    Some(id)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Whose forwards a cluster of a server takes.
fn hosts(server: u32) -> Option<Vec<HostId>> {
    (server > 0).then(|| vec![HostId(server)])
}

fn push(
    cx: &mut Cx,
    name: &[u8],
    group: Group,
    endpoints: Vec<Endpoint>,
    idle: Option<IdleConnections>,
    span: Span,
) -> ClusterId {
    let id = ClusterId(cx.config.clusters.len() as u32);
    cx.config.clusters.push(Cluster {
        name: name.into(),
        declared: !group.alone,
        balance: Balance::RoundRobin,
        idle: Some(idle.unwrap_or(IDLE)),
        shared: true,
        resolve: None,
        affinity: None,
        queue: None,
        watches: Vec::new(),
        endpoints,
        group: Some(Box::new(group)),
        span,
    });
    id
}

/// A member at a URL with these parameters, and the connections to keep.
fn member(
    cx: &mut Cx,
    url: &Url,
    span: Span,
    parameters: &[Word],
) -> Option<(Endpoint, Option<IdleConnections>)> {
    let Some(default_port) = default_port(&url.scheme) else {
        refuse_scheme(cx, url, span);
        return None;
    };
    let tls = matches!(&*url.scheme, b"https" | b"wss" | b"h2");
    let mut member = Member::plain(url.text(), url.authority.clone(), tls);
    member.protocol = match &*url.scheme {
        b"fcgi" => Protocol::FastCgi,
        b"scgi" => Protocol::Scgi,
        b"uwsgi" => Protocol::Uwsgi,
        _ => Protocol::Http,
    };
    let gateway = member.protocol != Protocol::Http;
    member.reuse = !gateway;
    member.base = Text::from(url.path.clone());
    if matches!(&*url.scheme, b"ws" | b"wss") {
        member.settings.upgrade = Some(Upgrade::Only(vec![Name::from("WebSocket")]));
    }
    if matches!(&*url.scheme, b"h2" | b"h2c") {
        member.settings.version = Some(20);
    }
    let address = match &url.socket {
        Some(path) => [b"unix:", path.as_slice()].concat(),
        None => url.authority.clone(),
    };
    let (mut max, mut idle) = (0, None);
    apply(cx, &mut member, &mut max, &mut idle, parameters);
    if gateway {
        keep(&mut member);
    }
    let endpoint = Endpoint {
        address: address.into(),
        default_port,
        weight: 1,
        max_connections: max,
        max_fails: 0,
        fail_timeout: Duration::ZERO,
        role: Role::Active,
        resolve: false,
        service: None,
        slow_start: Duration::ZERO,
        draining: false,
        route: Text::new(),
        member: Some(Box::new(member)),
        span,
    };
    Some((endpoint, idle))
}

/// Whether a gateway's connection is kept: only where it is asked for, and only `FastCGI` has the means.
fn keep(member: &mut Member) {
    member.reuse &= member.protocol == Protocol::FastCgi;
    member.settings.keep_connection = member.reuse.then_some(true);
}

/// Says that a scheme cannot be spoken.
pub(super) fn refuse_scheme(cx: &mut Cx, url: &Url, span: Span) {
    let scheme = lossy(&url.scheme);
    let help = match scheme.as_str() {
        "ajp" => "use http:// to the HTTP connector of the same application server",
        "ftp" => "only HTTP can be forwarded",
        _ => "use http, https, h2, h2c, ws, wss, fcgi, scgi or uwsgi",
    };
    let message = format!("`{scheme}://` cannot be spoken to an upstream");
    cx.refuse(Diagnostic::error("refused", span, message).label(span, "").help(help));
}

fn apply(
    cx: &mut Cx,
    member: &mut Member,
    max: &mut u32,
    idle: &mut Option<IdleConnections>,
    parameters: &[Word],
) {
    let mut draft = health::Draft::of(member);
    for word in parameters {
        let Some((key, value)) = parameter::split(cx, word) else { continue };
        let mut to = parameter::Worker { member, max, idle };
        if !health::apply(cx, &mut draft, word, &key, value)
            && !parameter::worker(cx, &mut to, word, &key, value)
        {
            parameter::unknown(cx, word, &key);
        }
    }
    member.check = draft.check();
}

/// The balancer of a name, as the server that is read knows it; made where there is none.
pub(super) fn balancer(cx: &mut Cx, name: &[u8], span: Span) -> ClusterId {
    let server = cx.proxy.server;
    let mut known = cx.proxy.balancers.iter();
    if let Some((_, _, id)) = known.find(|(of, known, _)| *of == server && known == name) {
        return *id;
    }
    let url = [b"balancer://", name].concat();
    let group =
        Group { alone: false, attempts: None, growth: 5, hosts: hosts(server), ..Group::alone(url.clone()) };
    let id = push(cx, &url, group, Vec::new(), None, span);
    cx.proxy.balancers.push((server, name.to_vec(), id));
    id
}

/// The balancer that requests of the server that is read go to: its own, else the main server's; made where there is
/// none.
pub(super) fn used(cx: &mut Cx, name: &[u8], parameters: &[Word], span: Span) {
    let of = |server: u32| {
        let is = |(of, known, _): &&(u32, Vec<u8>, ClusterId)| *of == server && known == name;
        cx.proxy.balancers.iter().find(is).map(|(_, _, id)| *id)
    };
    let (main, server) = (of(0), cx.proxy.server);
    if main.is_some() && parameters.is_empty() {
        return;
    }
    if let Some(main) = main.filter(|_| of(server).is_none()) {
        // Observed: parameters make it the virtual host's own, with the members that it has in the main server.
        let mut own = cx.config.clusters[main.0 as usize].clone();
        if let Some(group) = &mut own.group {
            group.hosts = hosts(server);
        }
        let id = ClusterId(cx.config.clusters.len() as u32);
        cx.config.clusters.push(Cluster { span, ..own });
        cx.proxy.balancers.push((server, name.to_vec(), id));
        cx.proxy.overridden.push((main, server));
    }
    let id = balancer(cx, name, span);
    set(cx, id, parameters);
}

/// Applies parameters to a balancer.
fn set(cx: &mut Cx, id: ClusterId, parameters: &[Word]) {
    for word in parameters {
        let Some((key, value)) = parameter::split(cx, word) else { continue };
        let Some(mut group) = cx.config.clusters[id.0 as usize].group.take() else { return };
        if !parameter::balancer(cx, &mut group, word, &key, value) {
            parameter::unknown(cx, word, &key);
        }
        cx.config.clusters[id.0 as usize].group = Some(group);
    }
}

/// `BalancerMember [balancer://name] url [key=value ...]`
fn balancer_member(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let mut words = directive.args.as_slice();
    let name = if section.kind == Kind::Proxy {
        survey::balancer(&section.path)
    } else {
        let name = words.first().and_then(|word| survey::balancer(&word.value));
        words = words.get(1..).unwrap_or_default();
        name
    };
    let Some(name) = name else {
        let message = "BalancerMember needs the name of a balancer";
        let help =
            "put it into `<Proxy balancer://name>`, or name it first: `BalancerMember balancer://name url`";
        return cx.report(Diagnostic::error("no-balancer", directive.head(), message).help(help));
    };
    let Some((word, parameters)) = words.split_first() else {
        return cx.error("arguments", directive.head(), "BalancerMember must define remote proxy server");
    };
    let Some(url) = Url::read(&word.value).filter(|url| !url.authority.is_empty()) else {
        let message = format!("BalancerMember: `{}` is no URL", word.text());
        return cx
            .report(Diagnostic::error("invalid-url", word.span, message).label(word.span, "scheme://host"));
    };
    let id = balancer(cx, &name, directive.head());
    let Some((endpoint, idle)) = member(cx, &url, word.span, parameters) else { return };
    let cluster = &mut cx.config.clusters[id.0 as usize];
    if idle.is_some() {
        cluster.idle = idle;
    }
    cluster.endpoints.push(endpoint);
}

/// `ProxySet [url] key=value ...`
fn proxy_set(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let words = directive.args.as_slice();
    if section.kind == Kind::Proxy {
        let url = section.path.clone();
        return set_for(cx, &url, words, directive.head());
    }
    match words.split_first() {
        Some((word, words)) if Url::read(&word.value).is_some() => {
            set_for(cx, &word.value.clone(), words, directive.head());
        }
        _ => cx.error("arguments", directive.head(), "ProxySet: proxy URL must be absolute!"),
    }
}

/// Parameters for the balancer or the worker of a URL.
pub(in crate::dialect::apache::lower) fn set_for(cx: &mut Cx, url: &[u8], words: &[Word], span: Span) {
    if let Some(name) = survey::balancer(url) {
        let id = balancer(cx, &name, span);
        return set(cx, id, words);
    }
    let Some(url) = Url::read(url) else {
        return cx.error("invalid-url", span, "parameters need an absolute URL");
    };
    let text = url.text();
    let server = cx.proxy.server;
    let known = cx.proxy.known.iter().find(|(of, known, _)| *of == server && *known == text);
    let Some((_, _, id)) = known.cloned() else { return worker(cx, &url, span, words) };
    let Some(mut endpoint) = cx.config.clusters[id.0 as usize].endpoints.pop() else { return };
    let mut idle = cx.config.clusters[id.0 as usize].idle;
    if let Some(member) = endpoint.member.as_deref_mut() {
        apply(cx, member, &mut endpoint.max_connections, &mut idle, words);
        if member.protocol != Protocol::Http {
            keep(member);
        }
    }
    let cluster = &mut cx.config.clusters[id.0 as usize];
    cluster.idle = idle;
    cluster.endpoints.push(endpoint);
}

/// What has to be known of all clusters before they are what they are.
pub(super) fn finish(cx: &mut Cx) {
    behind_sockets(cx);
    // A virtual host's balancer without members has the main server's, which may be written behind it.
    for at in 0..cx.config.clusters.len() {
        let own = &cx.config.clusters[at];
        let is_main = |other: &&Cluster| {
            other.declared
                && other.name == own.name
                && other.group.as_ref().is_some_and(|of| of.hosts.is_none())
        };
        if own.declared && own.endpoints.is_empty() {
            let found = cx.config.clusters.iter().find(is_main).map(|main| main.endpoints.clone());
            cx.config.clusters[at].endpoints = found.unwrap_or_default();
        }
    }
    let all: Vec<HostId> = (0..cx.config.hosts.len() as u32).map(HostId).collect();
    for (main, server) in std::mem::take(&mut cx.proxy.overridden) {
        if let Some(group) = &mut cx.config.clusters[main.0 as usize].group {
            group.hosts.get_or_insert_with(|| all.clone()).retain(|host| host.0 != server);
        }
    }
    for cluster in &mut cx.config.clusters {
        let Some(group) = &mut cluster.group else { continue };
        if group.alone {
            // The whole path is in the URL that is sent.
            for member in cluster.endpoints.iter_mut().filter_map(|endpoint| endpoint.member.as_deref_mut()) {
                member.base = Text::new();
            }
        }
        if group.sticky.as_ref().is_some_and(|sticky| sticky.cookie.is_empty()) {
            group.sticky = None;
        }
    }
}

/// A program behind a Unix socket that `SetHandler` names takes the parameters of the worker whose URL it has behind the
/// socket, as `<Proxy "fcgi://name/">` gives them.
fn behind_sockets(cx: &mut Cx) {
    for (server, url, span) in std::mem::take(&mut cx.proxy.handlers) {
        let text = url.text();
        let known = |text: &[u8]| {
            let of = |(at, _, _): &&(u32, Vec<u8>, ClusterId)| *at == server || *at == 0;
            // The lone slash of a host counts for nothing.
            let begins = |known: &[u8]| text.starts_with(known.strip_suffix(b"/").unwrap_or(known));
            let all = cx.proxy.known.iter().filter(of).filter(|(_, known, _)| begins(known));
            all.max_by_key(|(_, known, _)| known.len()).cloned()
        };
        let Some(socket) = &url.socket else { continue };
        if known(&text).is_some() {
            continue;
        }
        let behind = Url { socket: None, ..url.clone() };
        let Some((_, _, id)) = known(&behind.text()) else { continue };
        let Cluster { group, endpoints, idle, .. } = cx.config.clusters[id.0 as usize].clone();
        let (Some(mut group), Some(mut endpoint)) = (group, endpoints.into_iter().next()) else { continue };
        group.url = text.clone().into();
        group.hosts = hosts(server);
        endpoint.address = [b"unix:", socket.as_slice()].concat().into();
        if let Some(member) = endpoint.member.as_deref_mut() {
            member.url = text.clone().into();
        }
        let id = push(cx, &text, *group, vec![endpoint], idle, span);
        cx.proxy.known.push((server, text, id));
    }
}
