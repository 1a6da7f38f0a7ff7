//! `mod_proxy` and what it balances: where requests are sent, and how.
//!
//! `ProxyPass` assigns [`Cx::url`], as it will be matched by `<Proxy>`, and puts a forward to that URL in force; the
//! URL is encoded when it is sent. Which worker (a group or a member, in the IR's words) takes it is decided then, by
//! the longest of their URLs, as httpd does it. Parameters become settings of the member.
//!
//! What sections may turn on and off of the request's head (`ProxyPreserveHost`, `ProxyAddHeaders`) are variables
//! that the edits of all hosts read: lists of edits could only grow from section to section.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_proxy.html>

use std::time::Duration;

use super::{super::tree::Directive, Cx, Lower, Phase, Section};
use crate::{
    diagnostic::Diagnostic,
    ir::{self, Attr, Choice, Edit, Name, Part, Step, Template, Test, VarId, VarKind, settings::Fault},
};

pub(super) mod gateway;
mod health;
mod member;
pub(super) mod notes;
mod parameter;
mod pass;
mod reverse;
mod survey;
pub(crate) mod target;
mod tls;

pub(super) use member::set_for;
pub(super) use tls::versions;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("BalancerGrowth", ignored),
    ("BalancerInherit", ignored),
    ("BalancerPersist", ignored),
    ("NoProxy", ignored),
    ("ProxyAddHeaders", add_headers),
    ("ProxyBadHeader", bad_header),
    ("ProxyBlock", refused),
    ("ProxyDomain", ignored),
    ("ProxyErrorOverride", error_override),
    ("ProxyIOBufferSize", ignored),
    ("ProxyMaxForwards", ignored),
    ("ProxyPreserveHost", preserve_host),
    ("ProxyReceiveBufferSize", ignored),
    ("ProxyRemote", refused),
    ("ProxyRemoteMatch", refused),
    ("ProxyRequests", requests),
    ("ProxySourceAddress", source_address),
    ("ProxyStatus", ignored),
    ("ProxyTimeout", timeout),
    ("ProxyVia", via),
    ("ProxyWebsocketFallbackToProxyHttp", fallback),
];

/// The tables of all files of this topic.
pub(super) const TABLES: &[&[(&str, Lower)]] =
    &[TABLE, gateway::TABLE, health::TABLE, pass::TABLE, member::TABLE, reverse::TABLE, tls::TABLE];

/// What is remembered of a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// `ProxyPass` of a server, in order.
    routes: Vec<ir::Route>,
    /// `ProxyPassReverse...` of a section.
    reverse: Vec<Edit>,
    /// `ProxyPassInterpolateEnv`.
    interpolate: bool,
    /// `ProxyTimeout`, `ProxyVia` and others that count for a whole server.
    timeout: Option<Duration>,
    /// Whether `SSLProxyEngine` is on; unset takes the main server's.
    pub(crate) tls: Option<bool>,
}

/// A walk before the lowering: what has to be known of all of it.
pub(crate) fn survey(cx: &mut Cx, items: &[super::super::tree::Item]) {
    gateway::survey(cx);
    notes::survey(cx);
    survey::survey(cx, items);
}

/// What is remembered of the whole configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The server whose directives are read: 0 is the main one, then virtual hosts in order.
    server: u32,
    /// How many virtual hosts there were.
    servers: u32,
    /// The clusters, by server and URL in lower case.
    known: Vec<(u32, Vec<u8>, ir::ClusterId)>,
    /// Members of balancers, as a walk before the lowering found them.
    members: Vec<(Vec<u8>, Vec<u8>)>,
    /// Balancers and the paths that `ProxyPass` sends to them.
    pub(super) paths: Vec<(ir::Text, ir::Text)>,
    /// Balancers that take the parameters of a `ProxySet` or `ProxyPass`.
    balancers: Vec<(u32, Vec<u8>, ir::ClusterId)>,
    /// Balancers of the main server, and the virtual hosts that have their own instead.
    overridden: Vec<(ir::ClusterId, u32)>,
    /// Whether requests' `Host` may be kept somewhere.
    preserve: bool,
    /// Whether `X-Forwarded-...` may be left out somewhere.
    plain: bool,
    /// Whether a section says that its paths are not proxied.
    excluded: bool,
    /// Whether `Via` is written somewhere.
    via: bool,
    /// Whether requests may go to gateways.
    pub(crate) gateways: bool,
    /// Whether anybody asks by which `Alias` a path was mapped.
    pub(in crate::dialect::apache) contexts: bool,
    /// Variables of gateways that `ProxyFCGISetEnvIf` reads or changes.
    edited: std::collections::BTreeSet<Vec<u8>>,
    /// `ProxyHCTemplate`
    templates: Vec<health::Named>,
    /// `ProxyHCExpr`
    conditions: Vec<health::Condition>,
    /// The URLs of `SetHandler`, by server.
    handlers: Vec<(u32, target::Url, crate::source::Span)>,
}

impl State {
    /// The directives of the next virtual host follow.
    pub(crate) fn enter(&mut self) {
        self.servers += 1;
        self.server = self.servers;
    }

    /// Those of the main server follow.
    pub(crate) fn leave(&mut self) {
        self.server = 0;
    }
}

/// Headers of the client that are not passed on.
const HOP_BY_HOP: [&str; 6] = ["Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Expect", "Upgrade"];

/// Headers of a response that are not passed on.
const HIDDEN: [&str; 6] =
    ["Keep-Alive", "Proxy-Authenticate", "TE", "Trailer", "Upgrade", "Transfer-Encoding"];

/// What holds where nothing is written.
pub(super) fn defaults(cx: &mut Cx) {
    let http = &mut cx.config.base.http;
    http.version = Some(11);
    http.hide = Some(HIDDEN.iter().map(|&name| Name::from(name)).collect());
    http.hide_nominated = Some(true);
    http.join_repeated = Some(true);
    http.content_ahead = Some(16 << 10);
    http.buffer_size = Some(128 << 10);
    http.tls_forbidden = Some(true);
    http.tls_match_name = Some(true);
    http.tls_any_name = Some(false);
    http.tls_match_time = Some(true);
    http.tls_verify_depth = Some(1);
    http.tls_server_name = Some(true);
    http.upgrade = Some(ir::Upgrade::Never);
    http.faults = Some(vec![
        (Fault::Unresolved, 500),
        (Fault::Unreachable, 503),
        (Fault::Tls, 500),
        (Fault::NoTls, 500),
        (Fault::SendTimeout, 504),
        (Fault::ReadTimeout, 502),
        (Fault::Closed, 502),
        (Fault::ClosedLater, 0),
        (Fault::InvalidHead, 502),
        (Fault::NoEndpoint, 503),
    ]);
}

/// The edits of every request, when it is known what sections may change of them.
pub(super) fn finish(cx: &mut Cx) {
    let host = Template::attr(Attr::UpstreamAuthority);
    let host = if cx.proxy.preserve {
        let preserve = cx.own("@preserve_host");
        let received = Template::attr(Attr::Field("Host".into()));
        let kept = Test::All(vec![
            Test::Truthy(Template::var(preserve)),
            Test::Not(Box::new(Test::Equal(received.clone(), Template::default()))),
        ]);
        let named = Test::Truthy(Template::var(preserve));
        let name = Template::attr(Attr::HostName);
        choice(cx, "@sent_host", vec![(kept, received), (named, name)], host)
    } else {
        host
    };
    let forwarded = |cx: &mut Cx, name: &str, value: Attr| {
        let value = Template::attr(value);
        if !cx.proxy.plain {
            return Edit::Append(name.into(), value);
        }
        let plain = cx.own("@no_forwarded");
        let test = Test::Truthy(Template::var(plain));
        let var = format!("@{}", name.to_ascii_lowercase());
        Edit::Append(name.into(), choice(cx, &var, vec![(test, Template::default())], value))
    };
    let mut edits = vec![Edit::Set("Host".into(), host), Edit::RemoveNominated];
    edits.extend(HOP_BY_HOP.iter().map(|&name| Edit::Remove(name.into())));
    edits.push(Edit::Received);
    if cx.proxy.via {
        let via = cx.own("@via");
        edits.push(Edit::Append("Via".into(), Template::var(via)));
    }
    edits.push(forwarded(cx, "X-Forwarded-For", Attr::ClientAddr));
    edits.push(forwarded(cx, "X-Forwarded-Host", Attr::Field("Host".into())));
    edits.push(forwarded(cx, "X-Forwarded-Server", Attr::HostName));
    edits.push(Edit::Framing);
    edits.push(Edit::Switch("Keep-Alive".into()));
    cx.config.base.http.edits = Some(edits);
    gateway::finish(cx);
    member::finish(cx);
}

/// A value that depends on tests.
fn choice(cx: &mut Cx, name: &str, choices: Vec<(Test, Template)>, default: Template) -> Template {
    let choices = choices.into_iter().map(|(test, value)| Choice { test, value }).collect();
    let kind = VarKind::Choice { choices, default };
    Template::var(declare(cx, name, kind))
}

/// A variable of ours.
fn declare(cx: &mut Cx, name: &str, kind: VarKind) -> VarId {
    cx.config.vars.push(ir::Var { name: name.into(), kind, span: crate::source::Span::NONE });
    VarId(cx.config.vars.len() as u32 - 1)
}

/// When all directives of a section are read.
pub(super) fn settle(cx: &mut Cx, section: &mut Section) {
    pass::settle(cx, section);
    reverse::settle(section);
    let of_client = section.set.client.send_timeout;
    if let Some(timeout) = section.own.proxy.timeout.or(of_client.filter(|_| section.is_server())) {
        let http = &mut section.set.http;
        http.connect_timeout = Some(timeout);
        http.send_timeout = Some(timeout);
        http.read_timeout = Some(timeout);
    }
    gateway::settle(cx, section);
}

/// Before a virtual host is joined with the main server.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    // `Timeout` of a host does not count where the main server has `ProxyTimeout`.
    if main.own.proxy.timeout.is_some() && host.own.proxy.timeout.is_none() {
        for protocol in [ir::Protocol::Http, ir::Protocol::FastCgi, ir::Protocol::Scgi, ir::Protocol::Uwsgi] {
            if !host.set.forwarding(protocol).is_empty() {
                let set = host.set.forwarding_mut(protocol);
                (set.connect_timeout, set.send_timeout, set.read_timeout) = (None, None, None);
            }
        }
    }
}

/// `On` or `Off`; anything else is reported.
fn flag(cx: &mut Cx, directive: &Directive) -> Option<bool> {
    let word = directive.args.first()?;
    if word.is("on") {
        return Some(true);
    }
    if word.is("off") {
        return Some(false);
    }
    let message = format!("{} must be On or Off", directive.name());
    cx.report(Diagnostic::error("invalid-value", word.span, message).label(word.span, "On or Off"));
    None
}

/// Assigns a variable at a phase before the request is sent.
pub(super) fn assign(
    cx: &mut Cx,
    section: &mut Section,
    directive: &Directive,
    name: &'static str,
    on: bool,
) {
    let value = if on { Template::from("1") } else { Template::default() };
    let step = Step::Assign { var: cx.own(name), value };
    section.hook(Phase::Env, step, directive.head());
}

/// `ProxyPreserveHost On|Off`
fn preserve_host(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(on) = flag(cx, directive) {
        cx.proxy.preserve |= on;
        assign(cx, section, directive, "@preserve_host", on);
    }
}

/// `ProxyAddHeaders On|Off`
fn add_headers(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(on) = flag(cx, directive) {
        cx.proxy.plain |= !on;
        assign(cx, section, directive, "@no_forwarded", !on);
    }
}

/// `ProxyErrorOverride On|Off [code ...]`
fn error_override(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(on) = flag(cx, directive) else { return };
    let mut codes = Vec::new();
    for word in &directive.args[1..] {
        match word.text().parse::<u16>() {
            Ok(code) if (400..600).contains(&code) => codes.push((code, code)),
            _ => {
                let message = format!("ProxyErrorOverride: `{}` is no status from 400 to 599", word.text());
                return cx.error("invalid-value", word.span, message);
            }
        }
    }
    if codes.is_empty() {
        codes.push((400, 599));
    }
    section.set.http.own_errors = Some(on.then_some(codes));
}

/// `ProxyTimeout seconds`
fn timeout(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    match parameter::time(&word.text(), Duration::from_secs(1)) {
        Some(time) if !time.is_zero() => section.own.proxy.timeout = Some(time),
        _ => cx.error("invalid-value", word.span, "Proxy Timeout must be at least 1 second."),
    }
}

/// `ProxyVia Off|On|Full|Block`
fn via(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let name = Part::Attr(Attr::HostName);
    let value = match word.text().to_ascii_lowercase().as_str() {
        "off" => Template::default(),
        "on" => Template(vec![Part::Text("1.1 ".into()), name]),
        "full" => {
            let token = format!(" ({})", cx.options.token.split(' ').next().unwrap_or_default());
            Template(vec![Part::Text("1.1 ".into()), name, Part::Text(token.into())])
        }
        "block" => {
            let message = "ProxyVia Block is not honoured";
            let help = "remove the fields with `RequestHeader unset Via` and `Header unset Via`";
            return cx.refuse(Diagnostic::error("refused", word.span, message).help(help));
        }
        _ => {
            let message = "ProxyVia must be one of: off | on | full | block";
            return cx.error("invalid-value", word.span, message);
        }
    };
    if !cx.proxy.via {
        cx.proxy.via = true;
        let via = Template::var(cx.own("@via"));
        cx.config.base.http.response_edits = Some(vec![Edit::Append("Via".into(), via)]);
    }
    let step = Step::Assign { var: cx.own("@via"), value };
    section.hook(Phase::Early, step, directive.head());
}

/// `ProxyRequests On|Off`
fn requests(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    if flag(cx, directive) == Some(true) {
        let message = "ProxyRequests On would make this an open proxy";
        let help = "for a reverse proxy, which ProxyPass needs, say `ProxyRequests Off`";
        cx.refuse(Diagnostic::error("refused", directive.head(), message).help(help));
    }
}

/// `ProxySourceAddress address`
fn source_address(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    if word.text().parse::<std::net::IpAddr>().is_err() {
        let message = format!("ProxySourceAddress: `{}` is no IP address", word.text());
        return cx.error("invalid-value", word.span, message);
    }
    section.set.http.bind = Some(Template::text(word.value.as_slice()));
}

/// `ProxyBadHeader IsError|Ignore|StartBody`
fn bad_header(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    if !word.is("iserror") {
        let message =
            format!("ProxyBadHeader {} is not honoured: an invalid header is an error", word.text());
        cx.warn("not-honoured", word.span, message);
    }
}

/// `ProxyWebsocketFallbackToProxyHttp On|Off`
fn fallback(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    if flag(cx, directive) == Some(false) {
        let message = "ProxyWebsocketFallbackToProxyHttp Off is not honoured";
        let help = "without it, requests that do not ask for a WebSocket are sent on as plain HTTP";
        cx.refuse(Diagnostic::error("refused", directive.head(), message).help(help));
    }
}

/// What changes nothing here; the catalogue says why.
fn ignored(_: &mut Cx, _: &mut Section, _: &Directive) {}

/// What is not done here; the catalogue says why.
fn refused(_: &mut Cx, _: &mut Section, _: &Directive) {}
