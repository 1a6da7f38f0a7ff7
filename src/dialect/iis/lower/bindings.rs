//! Bindings: the addresses of sites, and which site a request is for.
//!
//! Reference 3: among the bindings of a port the exact host name, then `*.name`, then the one without a name; a request
//! that none is for is answered with 400 by the listener itself, no site involved. A host of the IR has one list of names,
//! so a site is lowered once for each list of names that its addresses have.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::{
    Cx, block,
    certificates::{self, Secure, files},
};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::site::Site,
    ir::{
        Address, Attr, Block, Edit, HostId, HostTls, Kind, Listener, Order, Part, Pattern, Reply,
        ReplyContent, Settings, SocketOptions, Step, Template, Test, Text,
        settings::{AccessLog, ErrorLog, LogEscape, LogFormat, LogTarget},
    },
    source::Span,
};

/// Where to accept instead of what the bindings say.
pub type Listen = Address;

/// A binding of a site.
#[derive(Clone)]
pub(super) struct Binding {
    address: Address,
    pub(super) tls: Option<HostTls>,
    /// Whether the name in the handshake decides about its certificate.
    own_certificate: bool,
    /// The host name, lower case; empty for any.
    name: String,
    site: usize,
    pub(super) span: Span,
}

/// The settings of a site as a whole.
pub(super) fn settings(site: &Site) -> Settings {
    let mut settings = Settings::default();
    if let Some(element) = &site.element {
        let limits = element.part("limits");
        let timeout = limits.time("connectionTimeout").max(Duration::from_secs(1));
        settings.client.keepalive_timeout = Some(timeout);
        settings.client.head_timeout = Some(timeout);
        settings.content.timeout = Some(timeout);
        settings.client.send_timeout = Some(timeout);
    }
    settings
}

/// `hsts`: a redirect of http to https before anything else, and what is said over https.
/// Reference: <https://learn.microsoft.com/iis/configuration/system.applicationhost/sites/site/hsts>.
pub(super) fn hsts(site: &Site, settings: &mut Settings) -> Option<(Step, Span)> {
    let hsts = site.element.as_ref()?.part("hsts");
    if !hsts.flag("enabled") {
        return None;
    }
    let secure = Test::Truthy(Template::attr(Attr::Https));
    let mut value = format!("max-age={}", hsts.number("max-age"));
    for (flag, word) in [("includeSubDomains", "; includeSubDomains"), ("preload", "; preload")] {
        if hsts.flag(flag) {
            value.push_str(word);
        }
    }
    let say = (Step::Edit(Edit::Set("Strict-Transport-Security".into(), value.as_str().into())), hsts.span);
    let when = Step::When { test: secure.clone(), then: block(vec![say]), otherwise: Block::default() };
    settings.answer.on_response.get_or_insert_default().push(block(vec![(when, hsts.span)]));
    if !hsts.flag("redirectHttpToHttps") {
        return None;
    }
    let mut location = Template::text("https://");
    location.push(Part::Attr(Attr::Host));
    location.push(Part::Attr(Attr::Target));
    let reply = Reply { status: 307, content: ReplyContent::Location(location) };
    let then = block(vec![(Step::Respond(reply), hsts.span)]);
    Some((Step::When { test: Test::Not(Box::new(secure)), then, otherwise: Block::default() }, hsts.span))
}

/// What is told about requests where somebody watches.
pub(super) fn told(cx: &mut Cx) {
    let stage = &cx.options.stage;
    if let Some(level) = stage.trace {
        cx.config.base.logs.errors = Some(vec![ErrorLog { to: LogTarget::Stderr, level }]);
    }
    if !stage.console {
        return;
    }
    let url = || {
        let colon = |text: &str| Part::Text(text.into());
        let host = [Part::Attr(Attr::Scheme), colon("://"), Part::Attr(Attr::Host), colon(":")];
        host.into_iter().chain([Part::Attr(Attr::ServerPort), Part::Attr(Attr::Target)])
    };
    let mut line = Template::text("Request started: \"");
    line.push(Part::Attr(Attr::Method));
    line.push(Part::Text("\" ".into()));
    url().for_each(|part| line.push(part));
    line.push(Part::Text("\nRequest ended: ".into()));
    url().for_each(|part| line.push(part));
    line.push(Part::Text(" with HTTP status ".into()));
    line.push(Part::Attr(Attr::Status));
    let format = LogFormat { name: "console".into(), escape: LogEscape::None, line };
    let to = LogTarget::File(Template::text("/dev/stdout"), Span::NONE);
    cx.config.base.logs.access =
        Some(vec![AccessLog { to, format, when: None, buffer: 0, flush: None, gzip: None }]);
}

/// The addresses to accept on. `hosts` has one host for each site, in order.
pub(super) fn listeners(cx: &mut Cx, sites: &[Site]) {
    let mut bindings = Vec::new();
    for (at, site) in sites.iter().enumerate() {
        of_site(cx, site, at, &mut bindings);
    }
    let mut by_address: BTreeMap<Address, Vec<Binding>> = BTreeMap::new();
    for binding in bindings {
        by_address.entry(binding.address.clone()).or_default().push(binding);
    }
    add_general(&mut by_address);
    // A site's host for a list of names.
    let mut made: Vec<(usize, Vec<String>, Option<HostTls>, HostId)> = Vec::new();
    let mut nobody: Vec<(Option<HostTls>, HostId)> = Vec::new();
    for (address, mut bindings) in by_address {
        let span = bindings[0].span;
        let tls = bindings[0].tls.is_some();
        if let Some(other) = bindings.iter().find(|binding| binding.tls.is_some() != tls) {
            let message = "this address is bound with http and with https";
            cx.report(
                Diagnostic::error("binding-conflict", other.span, message).label(span, "the other one"),
            );
            continue;
        }
        certificates::agree(cx, &mut bindings);
        // What is shown to who asks for a name that no binding has: the certificate of the address.
        let shared = bindings.iter().find(|binding| !binding.own_certificate);
        let shared = shared.and_then(|binding| binding.tls.clone());
        let mut names: Vec<(usize, Option<HostTls>, Vec<String>)> = Vec::new();
        for binding in &bindings {
            let twice = bindings.iter().find(|other| other.name == binding.name && other.site < binding.site);
            if let Some(first) = twice {
                let message = "two sites have the same binding";
                let found = Diagnostic::error("binding-conflict", binding.span, message);
                cx.report(found.label(first.span, "first here").note("the original starts only one of them"));
            }
            let offered = if binding.own_certificate { &binding.tls } else { &shared };
            let same = |known: &&mut (usize, Option<HostTls>, Vec<String>)| {
                known.0 == binding.site && files(known.1.as_ref()) == files(offered.as_ref())
            };
            match names.iter_mut().find(same) {
                Some((_, _, names)) => names.push(binding.name.clone()),
                None => names.push((binding.site, offered.clone(), vec![binding.name.clone()])),
            }
        }
        names.sort_by_key(|(site, ..)| *site);
        let mut hosts = Vec::new();
        let mut default = None;
        for (site, offered, names) in names {
            let known = made.iter().find(|(other, list, tls, _)| {
                *other == site && *list == names && files(tls.as_ref()) == files(offered.as_ref())
            });
            let id = if let Some((.., id)) = known {
                *id
            } else {
                let id = if made.iter().any(|(other, ..)| *other == site) {
                    let copy = cx.config.hosts[site].clone();
                    cx.config.hosts.push(copy);
                    let id = HostId(cx.config.hosts.len() as u32 - 1);
                    for cluster in &mut cx.config.clusters {
                        let hosts = cluster.group.as_mut().and_then(|group| group.hosts.as_mut());
                        if let Some(hosts) = hosts.filter(|hosts| hosts.contains(&HostId(site as u32))) {
                            hosts.push(id);
                        }
                    }
                    id
                } else {
                    HostId(site as u32)
                };
                cx.config.hosts[id.0 as usize].names =
                    names.iter().filter(|name| !name.is_empty()).map(|name| self::name(name)).collect();
                cx.config.hosts[id.0 as usize].tls.clone_from(&offered);
                made.push((site, names.clone(), offered, id));
                id
            };
            if names.iter().any(String::is_empty) {
                default = Some(id);
            }
            hosts.push(id);
        }
        let default = default.unwrap_or_else(|| {
            // Without a certificate for any name, names that are not known are no names to shake hands for.
            let offer = tls.then(|| {
                shared.clone().unwrap_or_else(|| HostTls {
                    reject: true,
                    versions: vec![12, 13],
                    ..HostTls::default()
                })
            });
            let known = nobody.iter().find(|(known, _)| *known == offer).map(|(_, id)| *id);
            let id = known.unwrap_or_else(|| {
                cx.config.hosts.push(crate::ir::Host { tls: offer.clone(), ..unknown() });
                let id = HostId(cx.config.hosts.len() as u32 - 1);
                nobody.push((offer, id));
                id
            });
            hosts.push(id);
            id
        });
        cx.config.listeners.push(Listener {
            address,
            tls,
            // Spoken over TLS by default (https://learn.microsoft.com/iis/get-started/whats-new-in-iis-10/http2-on-iis).
            http2: tls,
            announced: None,
            options: SocketOptions::default(),
            default,
            chosen: false,
            hosts,
            into: super::URL,
            span,
            paths: Vec::new(),
            order: Order::Specific,
        });
    }
    if cx.config.listeners.is_empty()
        && !sites.is_empty()
        && cx.found.iter().all(|found| found.severity < crate::diagnostic::Severity::Error)
    {
        let found = Diagnostic::new(
            crate::diagnostic::Severity::Error,
            "no-binding",
            "no site has a binding for http or https",
        );
        cx.report(found.help("add `<binding protocol=\"http\" bindingInformation=\"*:80:\" />`"));
    }
}

/// Adds to each single address the bindings of the port's general ones: names count before addresses. A name that is
/// bound to the address itself is that binding's.
fn add_general(by_address: &mut BTreeMap<Address, Vec<Binding>>) {
    let at = |address: &Address| match address {
        Address::Tcp(at) => Some(*at),
        Address::Unix(_) => None,
    };
    let all = by_address.iter().filter_map(|(address, bindings)| Some((at(address)?, bindings)));
    let general: Vec<(SocketAddr, Vec<Binding>)> =
        all.filter(|(at, _)| at.ip().is_unspecified()).map(|(at, list)| (at, list.clone())).collect();
    for (address, bindings) in by_address {
        let Some(single) = at(address).filter(|at| !at.ip().is_unspecified()) else { continue };
        let shared = bindings.iter().find(|one| !one.own_certificate).and_then(|one| one.tls.clone());
        let covers =
            |general: &SocketAddr| general.port() == single.port() && (general.is_ipv4() || single.is_ipv6());
        for (_, list) in general.iter().filter(|(general, _)| covers(general)) {
            for binding in list {
                let secure = binding.tls.is_some() == bindings[0].tls.is_some();
                if secure && !bindings.iter().any(|one| one.name == binding.name) {
                    let mut binding = Binding { address: address.clone(), ..binding.clone() };
                    if let Some(shared) = shared.as_ref().filter(|_| !binding.own_certificate) {
                        binding.tls = Some(shared.clone());
                    }
                    bindings.push(binding);
                }
            }
        }
    }
}

fn name(name: &str) -> Pattern {
    let kind = if name.starts_with("*.") { Kind::Wildcard } else { Kind::Exact };
    Pattern { kind, text: Text::from(name), ignore_case: true, groups: Vec::new() }
}

/// Who answers for names that no site has.
fn unknown() -> crate::ir::Host {
    let text = "<!DOCTYPE html>\n<html><head><title>Bad Request</title></head>\n<body><h2>Bad Request - Invalid Hostname</h2>\n\
                <hr><p>HTTP Error 400. The request hostname is invalid.</p>\n</body></html>\n";
    let reply = Reply { status: 400, content: ReplyContent::Text(text.into()) };
    let mut set = Settings::default();
    set.answer.default_type = Some("text/html; charset=us-ascii".into());
    set.answer.types = Some(Vec::new());
    set.client.keepalive_timeout = Some(Duration::ZERO);
    let scope = crate::ir::Scope { base: crate::ir::Base::Enclosing, set: Box::new(set) };
    crate::ir::Host {
        name: Text::new(),
        names: Vec::new(),
        tls: None,
        request: Block { scope: Some(scope), ..block(vec![(Step::Respond(reply), Span::NONE)]) },
        named: Vec::new(),
        span: Span::NONE,
    }
}

fn of_site(cx: &mut Cx, site: &Site, at: usize, out: &mut Vec<Binding>) {
    if let Some(address) = &cx.options.listen {
        out.push(Binding {
            address: address.clone(),
            tls: None,
            own_certificate: false,
            name: String::new(),
            site: at,
            span: site.span,
        });
        return;
    }
    let Some(element) = &site.element else {
        if let Some(lone) = cx.options.stage.lone.clone() {
            let written = Written { text: &lone.binding, place: site.span, span: site.span };
            out.extend(binding(cx, &written, None, at));
            return;
        }
        let port = if cx.options.root { 80 } else { 8080 };
        let address = Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
        let name = String::new();
        out.push(Binding { address, tls: None, own_certificate: false, name, site: at, span: site.span });
        return;
    };
    if !element.flag("serverAutoStart") {
        let message = format!("the site `{}` is not started", site.name);
        cx.report(Diagnostic::note_at("site-not-started", element.place("serverAutoStart"), message));
        return;
    }
    let asks = certificates::asks_clients(cx, site);
    for item in element.part("bindings").items() {
        let protocol = item.value.text("protocol").to_ascii_lowercase();
        if protocol != "http" && protocol != "https" {
            let message = format!("the binding for `{protocol}` has no effect");
            cx.report(
                Diagnostic::note_at("inert-element", item.span, message)
                    .because("HTTP is what is served here"),
            );
            continue;
        }
        let text = item.value.text("bindingInformation");
        let written = Written { text, place: item.value.place("bindingInformation"), span: item.span };
        let secure = (protocol == "https").then(|| (item.value.number("sslFlags"), asks));
        out.extend(binding(cx, &written, secure, at));
    }
}

/// A binding as it is written.
struct Written<'a> {
    text: &'a str,
    /// Where the text is, and what it belongs to.
    place: Span,
    span: Span,
}

/// `ip:port:host`, taken apart at the last two colons.
fn binding(cx: &mut Cx, written: &Written, secure: Option<(i64, bool)>, site: usize) -> Option<Binding> {
    let (text, span) = (written.text, written.place);
    let mut parts = text.rsplitn(3, ':');
    let (name, port, ip) = (parts.next(), parts.next(), parts.next());
    let wrong = |cx: &mut Cx, why: &str| {
        cx.report(
            Diagnostic::error("invalid-value", span, "this is no binding")
                .because(why)
                .help("write `ip:port:host`"),
        );
    };
    let (Some(name), Some(port), Some(ip)) = (name, port, ip) else {
        wrong(cx, "two colons are missing");
        return None;
    };
    let Ok(port @ 1..) = port.parse::<u16>() else {
        wrong(cx, "the port is a number from 1 to 65535");
        return None;
    };
    let ip = match ip {
        "" | "*" if cx.options.stage.local && name.eq_ignore_ascii_case("localhost") => {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
        "" | "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "[::]" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ip => {
            let Ok(ip) = ip.trim_start_matches('[').trim_end_matches(']').parse() else {
                wrong(cx, "the first part is an address or `*`");
                return None;
            };
            ip
        }
    };
    let name = name.to_lowercase();
    let mut offer = None;
    if let Some((flags, asks)) = secure {
        let binding = Secure { text, name: &name, flags, span: written.span, asks };
        offer = Some(certificates::offered(cx, &binding)?);
    }
    let address = Address::Tcp(SocketAddr::new(ip, port));
    let own_certificate = secure.is_some_and(|(flags, _)| certificates::is_own(flags));
    Some(Binding { address, tls: offer, own_certificate, name, site, span: written.span })
}
