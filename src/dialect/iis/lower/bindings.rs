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

use super::{Cx, block};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::site::Site,
    ir::{
        Address, Attr, Block, HostId, Kind, Listener, Order, Part, Pattern, Reply, ReplyContent, Settings,
        SocketOptions, Step, Template, Text,
        settings::{AccessLog, ErrorLog, LogEscape, LogFormat, LogTarget},
    },
    source::Span,
};

/// Where to accept instead of what the bindings say.
pub type Listen = Address;

/// A binding of a site.
struct Binding {
    address: Address,
    tls: bool,
    /// The host name, lower case; empty for any.
    name: String,
    site: usize,
    span: Span,
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
    // A site's host for a list of names.
    let mut made: Vec<(usize, Vec<String>, HostId)> = Vec::new();
    let mut nobody = None;
    for (address, bindings) in by_address {
        let span = bindings[0].span;
        let tls = bindings[0].tls;
        if let Some(other) = bindings.iter().find(|binding| binding.tls != tls) {
            let message = "this address is bound with http and with https";
            cx.report(
                Diagnostic::error("binding-conflict", other.span, message).label(span, "the other one"),
            );
            continue;
        }
        let mut names: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for binding in &bindings {
            let twice = bindings.iter().find(|other| other.name == binding.name && other.site < binding.site);
            if let Some(first) = twice {
                let message = "two sites have the same binding";
                let found = Diagnostic::error("binding-conflict", binding.span, message);
                cx.report(found.label(first.span, "first here").note("the original starts only one of them"));
            }
            names.entry(binding.site).or_default().push(binding.name.clone());
        }
        let mut hosts = Vec::new();
        let mut default = None;
        for (site, names) in names {
            let known = made.iter().find(|(other, list, _)| *other == site && *list == names);
            let id = if let Some((.., id)) = known {
                *id
            } else {
                let id = if made.iter().any(|(other, ..)| *other == site) {
                    let copy = cx.config.hosts[site].clone();
                    cx.config.hosts.push(copy);
                    HostId(cx.config.hosts.len() as u32 - 1)
                } else {
                    HostId(site as u32)
                };
                cx.config.hosts[id.0 as usize].names =
                    names.iter().filter(|name| !name.is_empty()).map(|name| self::name(name)).collect();
                made.push((site, names.clone(), id));
                id
            };
            if names.iter().any(String::is_empty) {
                default = Some(id);
            }
            hosts.push(id);
        }
        let default = default.unwrap_or_else(|| {
            let id = *nobody.get_or_insert_with(|| {
                cx.config.hosts.push(unknown());
                HostId(cx.config.hosts.len() as u32 - 1)
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
            hosts,
            into: super::URL,
            span,
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
            tls: false,
            name: String::new(),
            site: at,
            span: site.span,
        });
        return;
    }
    let Some(element) = &site.element else {
        if let Some(lone) = cx.options.stage.lone.clone() {
            let written = Written { text: &lone.binding, place: site.span, span: site.span };
            out.extend(binding(cx, &written, false, at));
            return;
        }
        let port = if cx.options.root { 80 } else { 8080 };
        let address = Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
        out.push(Binding { address, tls: false, name: String::new(), site: at, span: site.span });
        return;
    };
    if !element.flag("serverAutoStart") {
        let message = format!("the site `{}` is not started", site.name);
        cx.report(Diagnostic::note_at("site-not-started", element.place("serverAutoStart"), message));
        return;
    }
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
        out.extend(binding(cx, &written, protocol == "https", at));
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
fn binding(cx: &mut Cx, written: &Written, tls: bool, site: usize) -> Option<Binding> {
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
    if tls {
        let message = "certificates are in the original's own store, which is not here";
        let found = Diagnostic::error("no-certificate", written.span, message);
        cx.report(if cx.options.offline {
            Diagnostic { severity: crate::diagnostic::Severity::Note, ..found }
        } else {
            found.help("remove the binding, or put a server with the certificate in front")
        });
        return None;
    }
    let address = Address::Tcp(SocketAddr::new(ip, port));
    Some(Binding { address, tls, name: name.to_lowercase(), site, span: written.span })
}
