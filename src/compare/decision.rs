//! What becomes of a request, as flat aspects that speak of no dialect, so that two can be laid side by side.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use super::probe::Probe;
use crate::{
    engine::rehearse::{Answer, Asked, Ending, Event, Reaction, Rehearsal, Sent, Watcher},
    ir::{Address, HostId, Protocol},
    plan::{Effective, Failure, Plan, SettingsId, observe::Observer},
    source::Span,
};

/// What an upstream is made to answer, where its answer matters.
const ANSWERS: [(&str, &str); 5] = [
    (
        "200",
        "HTTP/1.1 200 OK\r\nServer: up\r\nContent-Type: text/html\r\nSet-Cookie: s=1; Path=/; Domain=up.example\r\nX-Own: 1\r\nContent-Length: 0\r\n\r\n",
    ),
    ("301", "HTTP/1.1 301 Moved Permanently\r\nLocation: {origin}{path}\r\nContent-Length: 0\r\n\r\n"),
    ("302", "HTTP/1.1 302 Found\r\nLocation: {origin}/moved?x=1\r\nContent-Length: 0\r\n\r\n"),
    ("404", "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"),
    ("500", "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"),
];

/// What becomes of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What can be told apart from outside, by name.
    pub aspects: BTreeMap<String, String>,
    /// The host.
    pub host: Option<HostId>,
    /// Where it was decided: the places of the steps that ran, each once, in order.
    pub trail: Vec<Span>,
    /// The settings in force at the end, as a number of the plan's.
    pub settings: SettingsId,
    /// The files that were looked at, without slashes at their ends.
    pub looked: BTreeSet<String>,
}

/// Remembers where the program went.
#[derive(Debug, Default)]
struct Trail {
    spans: Vec<Span>,
    inside: Vec<String>,
    looked: BTreeSet<String>,
}

impl Observer for Trail {
    fn step(&mut self, span: Span) {
        let same = |known: &Span| (known.file, known.start, known.end) == (span.file, span.start, span.end);
        if span.is_known() && !self.spans.last().is_some_and(same) {
            self.spans.push(span);
        }
    }

    fn matched(&mut self, _: Span, _: &[u8], _: Result<bool, Failure>) {}
}

impl Watcher for Trail {
    fn event(&mut self, event: Event) {
        match event {
            Event::Inside { path, .. } => self.inside.push(shown(&path)),
            Event::File { name, .. } | Event::Located { name, .. } => {
                self.looked.insert(shown(&name).trim_end_matches('/').to_owned());
            }
            _ => {}
        }
    }
}

/// Bytes for people.
pub fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// The listener that a request reaches: its address, else the wildcard of its family; `lenient` takes the only one.
pub fn listener(plan: &Plan, to: SocketAddr, tls: bool, lenient: bool) -> Option<usize> {
    let all = || plan.config.listeners.iter().enumerate();
    let tcp = |address: &Address| match address {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    };
    let exact = all().find(|(_, one)| tcp(&one.address) == Some(to));
    let wildcard = || {
        all().find(|(_, one)| {
            tcp(&one.address).is_some_and(|at| {
                at.port() == to.port()
                    && at.ip().is_unspecified()
                    // An IPv6 wildcard takes IPv4 too, unless it was told not to.
                    && (at.is_ipv4() == to.is_ipv4() || (at.is_ipv6() && one.options.ipv6_only == Some(false)))
            })
        })
    };
    // Which local address it is does not matter where all there are have the port.
    let by_port = || all().find(|(_, one)| tcp(&one.address).is_some_and(|at| at.port() == to.port()));
    let by_tls = || {
        let mut fit = all().filter(|(_, one)| one.tls == tls);
        fit.next().filter(|_| fit.next().is_none())
    };
    let found = exact.or_else(wildcard);
    let found = if lenient { found.or_else(by_port).or_else(by_tls) } else { found };
    found.map(|(at, _)| at)
}

/// How to decide.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whether listeners need not agree.
    pub lenient: bool,
    /// Whether to look at what becomes of the upstream's answers.
    pub reactions: bool,
}

/// Decides a request.
pub fn decide(rehearsal: &Rehearsal, probe: &Probe, how: How) -> Decision {
    let plan = rehearsal.plan();
    let mut decision = Decision::default();
    let Some(at) = listener(plan, probe.to, probe.tls, how.lenient) else {
        decision.put("outcome", "nobody listens");
        return decision;
    };
    if !how.lenient && plan.config.listeners[at].tls != probe.tls {
        let word = if probe.tls { "TLS is not spoken" } else { "TLS is expected" };
        decision.put("outcome", word);
        return decision;
    }
    let head = probe.head();
    let asked = Asked {
        listener: at,
        head: &head,
        client: Some(SocketAddr::new(probe.client, 40000)),
        local: Some(probe.to),
        world: probe.world,
        reaction: Reaction::Silence,
        read: &[],
    };
    let mut trail = Trail::default();
    let answer = rehearsal.answer(&asked, &mut trail);
    decision.host = Some(answer.host);
    decision.trail = trail.spans;
    decision.looked = trail.looked;
    decision.settings = answer.settings;
    describe(plan, &answer, &mut decision);
    if how.lenient {
        decision.relative(probe);
    }
    if how.reactions
        && matches!(answer.ending, Ending::Asked)
        && let Some(sent) = answer.sent.as_ref().filter(|sent| sent.protocol == Protocol::Http)
    {
        let (origin, path) = (origin(sent), target_path(sent));
        for (name, text) in ANSWERS {
            let text = text.replace("{origin}", &origin).replace("{path}", &path);
            let asked = Asked { reaction: Reaction::Head(text.as_bytes()), ..asked };
            let answer = rehearsal.answer(&asked, &mut Trail::default());
            reaction(name, &answer, &mut decision);
        }
        let asked = Asked { reaction: Reaction::Failure, ..asked };
        let answer = rehearsal.answer(&asked, &mut Trail::default());
        reaction("no connection", &answer, &mut decision);
        if sent.upgrade {
            let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            let asked = Asked { reaction: Reaction::Head(switch), ..asked };
            reaction("101", &rehearsal.answer(&asked, &mut Trail::default()), &mut decision);
        }
    }
    decision
}

/// How the upstream was addressed.
fn origin(sent: &Sent) -> String {
    let scheme = if sent.tls { "https" } else { "http" };
    let host = fields(&sent.head).find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let authority = host.map_or_else(|| shown(&sent.authority), |(_, value)| value);
    format!("{scheme}://{authority}")
}

/// The path that the upstream was asked for.
fn target_path(sent: &Sent) -> String {
    let target = sent.head.split(|byte| *byte == b' ').nth(1).unwrap_or(b"/");
    shown(target.split(|byte| *byte == b'?').next().unwrap_or(b"/"))
}

fn describe(plan: &Plan, answer: &Answer, decision: &mut Decision) {
    if let Some(sent) = &answer.sent {
        upstream(sent, decision);
        for (name, value) in settings(plan.settings(answer.settings), sent.protocol) {
            decision.put(&format!("setting {name}"), &value);
        }
    }
    match &answer.ending {
        Ending::Asked => decision.put("outcome", "forward"),
        Ending::Answered(bytes) => {
            decision.put("outcome", "answer");
            response("", bytes, answer.page, decision);
        }
        Ending::File { name, head } => {
            decision.put("outcome", "file");
            decision.put("file", &shown(name));
            response("", head, false, decision);
        }
        Ending::Listing(name) => {
            decision.put("outcome", "listing");
            decision.put("file", &shown(name));
        }
        Ending::Tunnel(bytes) => {
            decision.put("outcome", "tunnel");
            response("", bytes, answer.page, decision);
        }
        Ending::Closed => decision.put("outcome", "close"),
    }
}

fn reaction(name: &str, answer: &Answer, decision: &mut Decision) {
    let prefix = format!("on {name}: ");
    let outcome = match &answer.ending {
        Ending::Asked => "forward",
        Ending::Answered(bytes) => {
            response(&prefix, bytes, answer.page, decision);
            "answer"
        }
        Ending::File { name, .. } => {
            decision.put(&format!("{prefix}file"), &shown(name));
            "file"
        }
        Ending::Listing(_) => "listing",
        Ending::Tunnel(bytes) => {
            response(&prefix, bytes, answer.page, decision);
            "tunnel"
        }
        Ending::Closed => "close",
    };
    decision.put(&format!("{prefix}outcome"), outcome);
}

/// To whom, and what.
fn upstream(sent: &Sent, decision: &mut Decision) {
    let scheme = match (sent.protocol, sent.tls) {
        (Protocol::Http, false) => "http",
        (Protocol::Http, true) => "https",
        (Protocol::Grpc, true) => "grpcs",
        (protocol, _) => protocol.group(),
    };
    let mut to = sent.endpoints.clone();
    to.sort();
    let to = if to.is_empty() { authority(&sent.authority, scheme) } else { to.join(", ") };
    decision.put("upstream", &to);
    decision.put("upstream protocol", scheme);
    decision.put("upgrade", if sent.upgrade { "tunnel" } else { "no" });
    if let Some(name) = &sent.server_name {
        decision.put("upstream certificate name", &shown(name));
    }
    if !sent.protocol.is_http() {
        // Variables are opaque here: length prefixes and order are the protocol's.
        decision.put("upstream request", &shown(&sent.head));
        return;
    }
    let line = sent.head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let mut words = line.split(|byte| *byte == b' ');
    decision.put("upstream method", &shown(words.next().unwrap_or_default()));
    decision.put("upstream target", &shown(words.next().unwrap_or_default()));
    decision.put("upstream version", &shown(words.next().unwrap_or_default()));
    for (name, value) in fields(&sent.head) {
        decision.add(&format!("upstream field {}", name.to_ascii_lowercase()), &value);
    }
}

/// An authority with its port.
fn authority(text: &[u8], scheme: &str) -> String {
    let text = shown(text);
    let has_port = text.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    if has_port || text.starts_with("unix:") {
        return text;
    }
    match scheme {
        "https" => format!("{text}:443"),
        "http" => format!("{text}:80"),
        _ => text,
    }
}

fn response(prefix: &str, bytes: &[u8], page: bool, decision: &mut Decision) {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let (head, content) = bytes.split_at(end);
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    decision
        .put(&format!("{prefix}status"), &shown(line.split(|byte| *byte == b' ').nth(1).unwrap_or_default()));
    for (name, value) in fields(head) {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "date" => {}
            "content-type" if page => decision.put(&format!("{prefix}page type"), &value),
            _ => decision.add(&format!("{prefix}field {name}"), &value),
        }
    }
    if !content.is_empty() {
        let name = if page { "page" } else { "content" };
        decision.put(&format!("{prefix}{name}"), &shown(content));
    }
}

/// The fields of a head.
fn fields(head: &[u8]) -> impl Iterator<Item = (String, String)> {
    head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let line = line.trim_ascii_end();
        let colon = memchr::memchr(b':', line)?;
        Some((shown(&line[..colon]), shown(line[colon + 1..].trim_ascii())))
    })
}

/// Settings that a request would show only when something goes slowly, or wrong.
fn settings(all: &Effective, protocol: Protocol) -> Vec<(&'static str, String)> {
    let how = all.forwarding(protocol);
    let seconds = |time: std::time::Duration| format!("{}s", time.as_secs_f64());
    let mut retry: Vec<String> = how.retry.iter().map(|retry| format!("{retry:?}")).collect();
    retry.sort();
    vec![
        ("connect timeout", seconds(how.connect_timeout)),
        ("send timeout", seconds(how.send_timeout)),
        ("read timeout", seconds(how.read_timeout)),
        ("response buffering", how.buffering.to_string()),
        ("request buffering", how.request_buffering.to_string()),
        ("retry", retry.join(" ")),
        ("tries", how.tries.to_string()),
        ("verify certificate", how.tls_verify.to_string()),
        ("longest content", all.content.max_length.to_string()),
        ("gzip", all.gzip.on.to_string()),
        ("limits", format!("{:?}", all.limits)),
    ]
}

impl Decision {
    /// Where it was decided: the last place that was come to for the first time; what surrounds it ends after it.
    pub fn place(&self) -> Option<Span> {
        let same =
            |one: &Span, other: &Span| (one.file, one.start, one.end) == (other.file, other.start, other.end);
        let trail = &self.trail;
        let new = |at: &usize| !trail[..*at].iter().any(|known| same(known, &trail[*at]));
        (0..trail.len()).rev().find(new).map(|at| trail[at])
    }

    /// Says of a redirect to where the request came from no more than the path: whether the rest is written out is a
    /// server's own way, and a client makes the same of both (RFC 9110 § 10.2.2).
    pub fn relative(&mut self, probe: &Probe) {
        let (Some(to), Some(host)) = (self.aspects.get_mut("field location"), &probe.host) else { return };
        let scheme = if probe.tls { "https" } else { "http" };
        let Some(rest) = to.strip_prefix(&format!("{scheme}://{}", shown(host))) else { return };
        let rest = rest.strip_prefix(&format!(":{}", probe.to.port())).unwrap_or(rest);
        if rest.starts_with('/') {
            *to = rest.to_owned();
        }
    }

    fn put(&mut self, name: &str, value: &str) {
        self.aspects.insert(name.to_owned(), value.to_owned());
    }

    /// One more value of a name.
    fn add(&mut self, name: &str, value: &str) {
        self.aspects
            .entry(name.to_owned())
            .and_modify(|known| {
                known.push_str(" | ");
                known.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
}
