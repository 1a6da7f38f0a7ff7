//! Application Request Routing: what is sent to another server, and what of its answer is changed.
//!
//! Reference 9, from ANCM's out-of-process forwarder and the pages on ARR: `Host` is the backend's unless
//! `preserveHostHeader` says otherwise; `X-Forwarded-For` carries the port; `Location`, `Content-Location` and the domain of
//! cookies are changed to the client's host whatever they named (`DoReverseRewrite`), `Refresh` is not; responses are
//! streamed; a `WebSocket` needs nothing written.

use super::{Cx, Place, farm, vars};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::{effective::Value, site::Site},
    ir::{
        Attr, Base, Block, By, Choice, Cluster, Edit, Endpoint, Forward, Group, Handler, IdleConnections,
        Member, Name, Part, Pattern, ProofAttr, Protocol, Register, Relation, Role, Scope, Settings, Step,
        Target, Template, Test, TlsAttr, Upgrade, Upstream, UrlMatch, VarId, VarKind,
        settings::{Forwarding, Retry},
    },
    source::Span,
};

/// Captures of a response's URL.
const LOCATION: Register = Register('L');

/// Forwards to the URL that a rule left.
pub(super) fn forward(site: &Site, url: VarId) -> Block {
    let handler = Handler::Forward(Forward {
        protocol: Protocol::Http,
        tls: false,
        to: Upstream::Url(Template::var(url)),
        target: Target::Received,
    });
    let set = Settings { handler: Some(handler), ..Settings::default() };
    Block {
        scope: Some(Scope { base: Base::Current, set: Box::new(set) }),
        span: site.span,
        ..Block::default()
    }
}

/// Makes the server of an authority known, so that connections to it are kept.
pub(super) fn known(cx: &mut Cx, url: &Template, span: Span) {
    let Some(text) = url.as_text().and_then(|text| std::str::from_utf8(text).ok()) else { return };
    let text = text.to_ascii_lowercase();
    let Some((scheme, authority)) = text.split_once("://") else { return };
    if authority.is_empty() || farm::is(cx, authority) {
        return;
    }
    let url = format!("{scheme}://{authority}");
    let there = |cluster: &Cluster| cluster.group.as_ref().is_some_and(|group| group.url.0 == url.as_bytes());
    if cx.config.clusters.iter().any(there) {
        return;
    }
    let secure = scheme == "https";
    if secure {
        let message = format!("the certificate of `{authority}` may be for another name");
        let found = Diagnostic::warning("certificate-name-unchecked", span, message);
        cx.report(
            found
                .because(
                    "accepted as the original does, if an authority of the system's or of `--ca` issued it",
                )
                .note("the original passes over a wrong name (SecureConnectionIgnoreFlags)"),
        );
    }
    cx.config.clusters.push(Cluster {
        name: url.as_str().into(),
        declared: false,
        balance: crate::ir::Balance::RoundRobin,
        idle: Some(idle()),
        shared: true,
        resolve: None,
        affinity: None,
        queue: None,
        watches: Vec::new(),
        group: Some(Box::new(Group::alone(url.as_str()))),
        endpoints: vec![Endpoint {
            address: authority.into(),
            default_port: if secure { 443 } else { 80 },
            weight: 1,
            max_connections: 0,
            max_fails: 0,
            fail_timeout: std::time::Duration::ZERO,
            role: Role::Active,
            resolve: false,
            service: None,
            slow_start: std::time::Duration::ZERO,
            draining: false,
            route: crate::ir::Text::new(),
            member: Some(Box::new(Member::plain(url.as_str(), authority, secure))),
            span,
        }],
        span,
    });
}

/// Idle connections to a server.
pub(super) fn idle() -> IdleConnections {
    IdleConnections {
        max: 64,
        requests: u64::MAX,
        time: std::time::Duration::from_hours(24),
        timeout: std::time::Duration::from_mins(2),
        per_route: false,
    }
}

/// The `Host` that was sent to a server where one was asked, else the client's.
pub(super) fn host_sent(cx: &mut Cx) -> VarId {
    let forward = cx.assigned("forward");
    let sent = Template::attr(Attr::UpstreamAuthority);
    let tests = vec![Test::Truthy(Template::var(forward)), Test::Truthy(sent.clone())];
    cx.var("host sent", || VarKind::Choice {
        choices: vec![Choice { test: Test::All(tests), value: sent }],
        default: Template::attr(Attr::Field("host".into())),
    })
}

/// What `proxy` and `webSocket` say at a place.
pub(super) fn settings(cx: &mut Cx, place: &Place, settings: &mut Settings) {
    let mut found = Vec::new();
    let proxy = place.site.section("system.webServer/proxy", &place.path, &mut found);
    let socket = place.site.section("system.webServer/webSocket", &place.path, &mut found);
    cx.found.append(&mut found);
    let response_edits = Some(response_edits(cx, &proxy));
    settings.http = Forwarding { response_edits, ..forwarding(cx, &proxy) }.into();
    let affinity = farm::affinity(cx);
    if !affinity.is_empty() {
        settings.answer.on_response.get_or_insert_default().push(super::block(affinity));
    }
    if proxy.flag("arrResponseHeader") {
        let forward = cx.assigned("forward");
        let add = (Step::Edit(Edit::Add("X-Powered-By".into(), "ARR/3.0".into())), proxy.span);
        let when = Step::When {
            test: Test::Truthy(Template::var(forward)),
            then: super::block(vec![add]),
            otherwise: Block::default(),
        };
        settings.answer.on_response.get_or_insert_default().push(super::block(vec![(when, proxy.span)]));
    }
    let upgrade =
        if socket.flag("enabled") { Upgrade::Only(vec!["websocket".into()]) } else { Upgrade::Never };
    settings.http.upgrade = Some(upgrade);
    // Where what is written says it; what is not written is a stock server's.
    if proxy.written {
        let places = [
            ("version", "httpVersion"),
            ("read_timeout", "timeout"),
            ("connect_timeout", "timeout"),
            ("send_timeout", "timeout"),
            ("edits", "preserveHostHeader"),
        ];
        settings.places.0.extend(places.map(|(field, attribute)| ("http", field, proxy.place(attribute))));
    }
    if socket.written {
        settings.places.0.push(("http", "upgrade", socket.place("enabled")));
    }
    settings.http.ping = Some(socket.time("pingInterval")).filter(|interval| !interval.is_zero());
}

/// How requests are forwarded, by `proxy` or by `protocol` of a farm.
pub(super) fn forwarding(cx: &mut Cx, proxy: &Value) -> Forwarding {
    let timeout = proxy.time("timeout");
    let version = match proxy.text("httpVersion").to_ascii_lowercase().as_str() {
        "http10" => 10,
        "http11" => 11,
        _ => 0,
    };
    Forwarding {
        version: Some(version),
        edits: Some(request_edits(cx, proxy)),

        connect_timeout: Some(timeout),
        send_timeout: Some(timeout),
        read_timeout: Some(timeout),
        buffer_size: Some(
            u64::try_from(proxy.number("maxResponseHeaderSize")).unwrap_or(65536).clamp(1024, 1 << 20),
        ),
        retry: Some(vec![Retry::Error]),
        ..Forwarding::default()
    }
}

fn request_edits(cx: &mut Cx, proxy: &Value) -> Vec<Edit> {
    let host =
        if proxy.flag("preserveHostHeader") { Attr::Field("host".into()) } else { Attr::UpstreamAuthority };
    let mut edits = vec![Edit::RemoveNominated, Edit::Set("Host".into(), Template::attr(host))];
    // What rules set stands for what was received.
    let mut set = vars::fields_written(cx);
    let name = proxy.text("xForwardedForHeaderName");
    if !name.is_empty() {
        let client = client(cx, proxy.flag("includePortInXForwardedFor"));
        edits.push(append(cx, name.into(), client, &mut set));
    }
    let name = proxy.text("xForwardedByHeaderName");
    if !name.is_empty() {
        edits.push(Edit::Append(name.into(), Template::attr(Attr::ServerAddr)));
    }
    let name = proxy.text("sslHeaderName");
    if !name.is_empty() {
        edits.push(Edit::Set(name.into(), Template::var(secure(cx))));
    }
    let name = proxy.text("clientCertName");
    if !name.is_empty() {
        // Where there is none, what the client says of one is not passed on.
        let certificate = Template::attr(Attr::Tls(TlsAttr::Proof(ProofAttr::Der)));
        edits.push(if cx.options.machine.clients.is_some() {
            Edit::Set(name.into(), certificate)
        } else {
            Edit::Remove(name.into())
        });
    }
    let name = proxy.text("logGuidName");
    if !name.is_empty() {
        edits.push(Edit::Set(name.into(), Template::var(guid(cx))));
    }
    edits.push(Edit::Set("X-Original-URL".into(), Template::attr(Attr::Target)));
    edits.push(Edit::Set("Max-Forwards".into(), Template::var(max_forwards(cx))));
    for (field, var) in set {
        if !field.is_field(b"host") || !proxy.flag("preserveHostHeader") {
            edits.push(Edit::Set(field, Template::var(var)));
        } else {
            edits[1] = Edit::Set("Host".into(), Template::var(var));
        }
    }
    for name in ["TE", "Keep-Alive", "Proxy-Connection", "Expect", "Trailer"] {
        edits.push(Edit::Remove(name.into()));
    }
    let connection = if proxy.flag("keepAlive") { "Keep-Alive" } else { "close" };
    edits.push(Edit::Switch(connection.into()));
    edits
}

/// Adds to a field; to what a rule set it to, if one did, which is what there is by then.
pub(super) fn append(cx: &mut Cx, name: Name, more: Template, set: &mut Vec<(Name, VarId)>) -> Edit {
    let Some(at) = set.iter().position(|(field, _)| field.is_field(&name)) else {
        return Edit::Append(name, more);
    };
    let before = Template::var(set.swap_remove(at).1);
    let mut value = before.clone();
    value.push(Part::Text(", ".into()));
    for part in &more.0 {
        value.push(part.clone());
    }
    let (left, right) = (before, Template::default());
    let nothing = Test::Compare { left, right, relation: Relation::Equal, by: By::Bytes };
    let choices = vec![Choice { test: Test::Not(Box::new(nothing)), value }];
    Edit::Set(name, Template::var(cx.fresh("appended", VarKind::Choice { choices, default: more })))
}

/// The client's address, IPv6 in brackets, with its port.
pub(super) fn client(cx: &mut Cx, port: bool) -> Template {
    let address = Template::attr(Attr::ClientAddr);
    let mut six = Template::text("[");
    six.push(Part::Attr(Attr::ClientAddr));
    six.push(Part::Text("]".into()));
    let test = Test::Match { subject: address.clone(), pattern: Pattern::regex(":", false), into: None };
    let id = cx.var("client address", || VarKind::Choice {
        choices: vec![Choice { test, value: six }],
        default: address,
    });
    let mut out = Template::var(id);
    if port {
        out.push(Part::Text(":".into()));
        out.push(Part::Attr(Attr::ClientPort));
    }
    out
}

/// Says that the client's connection is secure: key sizes, issuer and subject.
fn secure(cx: &mut Cx) -> VarId {
    let mut value = Template::text("2048|256|CN=");
    value.push(Part::Attr(Attr::Host));
    value.push(Part::Text("|CN=".into()));
    value.push(Part::Attr(Attr::Host));
    cx.var("ssl", || VarKind::Choice {
        choices: vec![Choice { test: Test::Truthy(Template::attr(Attr::Https)), value }],
        default: Template::default(),
    })
}

/// The request's id in the form of a GUID.
pub(super) fn guid(cx: &mut Cx) -> VarId {
    let register = Register('G');
    let mut value = Template::default();
    for group in 1..=5 {
        if group > 1 {
            value.push(Part::Text("-".into()));
        }
        value.push(Part::Capture(register, group));
    }
    cx.var("guid", || VarKind::Table {
        key: Template::attr(Attr::RequestId),
        order: crate::ir::Order::First,
        rows: vec![crate::ir::Row {
            pattern: Pattern::regex("^(.{8})(.{4})(.{4})(.{4})(.{12})$", false),
            value,
        }],
        default: Template::default(),
        once: false,
        into: register,
    })
}

fn max_forwards(cx: &mut Cx) -> VarId {
    let field = Template::attr(Attr::Field("max-forwards".into()));
    cx.var("max forwards", || VarKind::Choice {
        choices: vec![Choice { test: Test::Present(field.clone()), value: field }],
        default: "10".into(),
    })
}

/// ARR's own changes to an answer, unless the farm that gave it says otherwise.
fn response_edits(cx: &mut Cx, proxy: &Value) -> Vec<Edit> {
    let on = proxy.flag("reverseRewriteHostInResponseHeaders");
    let others = farm::reversing(cx, on);
    if !on && others.is_empty() {
        return Vec::new();
    }
    let host = Attr::Field("host".into());
    let mut location = Template::attr(Attr::Scheme);
    location.push(Part::Text("://".into()));
    location.push(Part::Attr(host.clone()));
    location.push(Part::Capture(LOCATION, 1));
    let kept = Template(vec![Part::Capture(LOCATION, 0)]);
    let mut choose = |name: &str, changed: Template| {
        if others.is_empty() {
            return changed;
        }
        let value = |on: bool| if on { changed.clone() } else { kept.clone() };
        let choices =
            others.iter().map(|(test, on)| Choice { test: test.clone(), value: value(*on) }).collect();
        Template::var(cx.var(name, || VarKind::Choice { choices, default: value(on) }))
    };
    let to = choose("own location", location);
    // With the dot that it began with, if any.
    let mut domain = Template(vec![Part::Capture(LOCATION, 1)]);
    domain.push(Part::Attr(host));
    let domain = choose("own domain", domain);
    let url = UrlMatch::Pattern(Pattern::regex("^https?://[^/?#]*([\\s\\S]*)$", true), LOCATION);
    let any = UrlMatch::Pattern(Pattern::regex("^(\\.?)[\\s\\S]*$", false), LOCATION);
    // `DoReverseRewrite` of the forwarder knows these two, and not `Refresh`.
    let fields = vec!["Location".into(), "Content-Location".into()];
    vec![Edit::Url { fields, from: url, to }, Edit::CookieDomain { from: any, to: domain }]
}
