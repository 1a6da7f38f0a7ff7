//! Web farms: groups of servers that a rule addresses by name.
//!
//! Reference 10. A farm is known as `http://NAME` and as `https://NAME`; each of its servers has a port for either. What
//! `protocol` says holds for requests to its servers in place of `proxy`. Both schemes share what is known of a server; the
//! URL test is made over the scheme of its URL. A server that cannot be reached is passed over, as it is once the test of
//! live traffic has found it wanting, which only a URL test takes back. Where a server breaks a connection off instead of
//! answering, a request that may be sent twice goes to another one (decided: the original says 502.3 to the client). The value of the cookie of affinity is the
//! original's own secret: here a hash of the server's address and ports, which stays the same over restarts.

use std::time::Duration;

use super::{Cx, proxy, vars};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::effective::{Item, Value},
    ir::{
        Attr, Balance, Block, Check, Choice, Cluster, Edit, Endpoint, Group, GroupAttr, HostId, Live, Member,
        Part, Pattern, Role, Share, State, Step, Sticky, Template, Test, Text, VarId, VarKind,
    },
    source::Span,
};

mod written;

/// A server that could not be reached is not asked again for so long, unless none is left.
const REST: Duration = Duration::from_secs(5);

/// Whether an authority is the name of a farm.
pub(super) fn is(cx: &Cx, authority: &str) -> bool {
    let farms = cx.host.farms.iter().flat_map(Value::items);
    farms.into_iter().any(|farm| farm.value.text("name").eq_ignore_ascii_case(authority))
}

/// Lowers farms for the site that is lowered next: what its rules set is sent to their servers. Those that none of its
/// rules leads to are left out, but for the first site, which looks after the health of all.
pub(super) fn farms(cx: &mut Cx, targets: &[String]) {
    let host = cx.host;
    let first = cx.config.hosts.is_empty();
    for farm in host.farms.iter().flat_map(Value::items) {
        if !farm.value.flag("enabled") {
            continue;
        }
        if first {
            written::examine(cx, farm);
        }
        let name = farm.value.text("name").to_lowercase();
        if !first && !targets.iter().any(|target| may_lead_to(target, &name)) {
            continue;
        }
        for secure in [false, true] {
            let cluster = one(cx, farm, secure);
            cx.config.clusters.push(cluster);
        }
    }
}

/// Whether the URL of a rule, in lower case, may lead to a farm: by its name, or by an authority that a request decides.
fn may_lead_to(target: &str, name: &str) -> bool {
    let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    scheme.contains('{') || authority.contains('{') || authority.contains(name)
}

fn one(cx: &mut Cx, farm: &Item, secure: bool) -> Cluster {
    let site = cx.config.hosts.len();
    let value = &farm.value;
    let name = value.text("name").to_lowercase();
    let scheme = if secure { "https" } else { "http" };
    let url = format!("{scheme}://{name}");
    let routing = value.part("applicationRequestRouting");
    let (share, key) = share(cx, farm, &routing);
    let affinity = routing.part("affinity");
    let sticky = affinity.flag("useCookie").then(|| Sticky {
        cookie: affinity.text("cookieName").into(),
        param: Text::new(),
        separator: None,
        semicolon: false,
        force: false,
    });
    let protocol = routing.part("protocol");
    let settings = proxy::forwarding(cx, &protocol);
    let tested = routing.part("healthCheck");
    let (check, over_tls) = health(cx, &tested);
    // One site looks for all.
    let check = check.filter(|_| over_tls == secure && site == 0);
    let live = live(cx, &tested, secure);
    let endpoints = value.items().iter().map(|server| {
        let own = server.value.part("applicationRequestRouting");
        let port = own.number(if secure { "httpsPort" } else { "httpPort" });
        let port = u16::try_from(port).unwrap_or(if secure { 443 } else { 80 });
        let address = written::host(server.value.text("address"));
        let standard = port == if secure { 443 } else { 80 };
        let authority = if standard { address.clone() } else { format!("{address}:{port}") };
        let mut member = Member::plain(format!("{scheme}://{authority}"), authority.as_str(), secure);
        member.factor = u32::try_from(own.number("weight")).unwrap_or(100);
        member.state = State { disabled: !server.value.flag("enabled"), ..State::default() };
        member.settings = settings.clone();
        member.check.clone_from(&check);
        member.rest = REST;
        member.route = affinity_value(&address, own.number("httpPort"), own.number("httpsPort"));
        Endpoint {
            address: Text::from(format!("{address}:{port}")),
            default_port: port,
            weight: member.factor,
            max_connections: 0,
            max_fails: 0,
            fail_timeout: Duration::ZERO,
            role: Role::Active,
            resolve: false,
            service: None,
            slow_start: Duration::ZERO,
            draining: false,
            route: Text::new(),
            member: Some(Box::new(member)),
            span: server.span,
        }
    });
    Cluster {
        name: if site == 0 { url.as_str().into() } else { format!("{url} {site}").into() },
        declared: true,
        balance: Balance::RoundRobin,
        idle: Some(proxy::idle()),
        shared: true,
        resolve: None,
        affinity: None,
        queue: None,
        watches: Vec::new(),
        endpoints: endpoints.collect(),
        group: Some(Box::new(Group {
            hosts: Some(vec![HostId(site as u32)]),
            share,
            key,
            sticky,
            states: Text::from(format!("farm {name}")),
            keep: u32::try_from(tested.number("minServers")).unwrap_or(0),
            live,
            alone: false,
            attempts: None,
            failing_unresolved: true,
            again: true,
            ..Group::alone(url.as_str())
        })),
        span: farm.span,
    }
}

/// What decides between the servers.
fn share(cx: &mut Cx, farm: &Item, routing: &Value) -> (Share, Option<Template>) {
    let balancing = routing.part("loadBalancing");
    if routing.part("affinity").flag("useHostName") {
        return (Share::Hash, Some(Template::attr(Attr::Host)));
    }
    let share = match balancing.text("algorithm").to_ascii_lowercase().as_str() {
        "weightedroundrobin" => Share::Requests,
        "weightedtotaltraffic" => Share::Traffic,
        "leastresponsetime" => Share::Latency,
        "requesthash" => Share::Hash,
        _ => Share::Busyness,
    };
    let variable = balancing.text("hashServerVariable");
    let names = balancing.text("queryStringNames");
    if share != Share::Hash {
        for attribute in ["hashServerVariable", "queryStringNames"] {
            if !balancing.text(attribute).is_empty() {
                let message = format!("`{attribute}` has no effect");
                let found = Diagnostic::note_at("inert-attribute", balancing.place(attribute), message);
                cx.report(found.because("requests are shared by hash only with `RequestHash`"));
            }
        }
        return (share, None);
    }
    let mut key = Template::default();
    let names: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let by_query = variable.is_empty() || variable.eq_ignore_ascii_case("QUERY_STRING");
    if by_query && !names.is_empty() {
        for name in names {
            key.push(Part::Text(format!("{name}=").into()));
            key.push(Part::Attr(Attr::Param(name.into())));
            key.push(Part::Text("&".into()));
        }
    } else if variable.is_empty() {
        key.push(Part::Attr(Attr::Target));
    } else if let Some(value) = vars::read(cx, variable, false) {
        key = value;
    } else {
        let message = format!("there is no server variable `{variable}`");
        let found = Diagnostic::warning("unknown-variable", balancing.place("hashServerVariable"), message);
        cx.report(found.because("all requests go to one server").label(farm.span, "of this farm"));
    }
    (share, Some(key))
}

/// What the cookie of affinity says for a server.
fn affinity_value(address: &str, http: i64, https: i64) -> Text {
    use aws_lc_rs::digest::{SHA256, digest};
    let name = format!("{}:{http}:{https}", address.to_lowercase());
    let mut text = String::new();
    for byte in digest(&SHA256, name.as_bytes()).as_ref() {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// Whether a request went to a farm.
fn went_to(name: &str) -> Test {
    let pattern =
        Pattern::regex(format!("^https?://{}$", super::pattern::literal(&name.to_lowercase())), true);
    Test::Match { subject: Template::attr(Attr::Group(GroupAttr::Name)), pattern, into: None }
}

/// Steps that give clients the cookies of affinity.
pub(super) fn affinity(cx: &mut Cx) -> Vec<(Step, Span)> {
    let host = cx.host;
    let farms = host.farms.iter().flat_map(Value::items);
    let mut out = Vec::new();
    for farm in farms.filter(|farm| farm.value.flag("enabled")) {
        let affinity = farm.value.part("applicationRequestRouting").part("affinity");
        if !affinity.flag("useCookie") {
            continue;
        }
        let domain = domain(cx);
        let mut value = Template::text(format!("{}=", affinity.text("cookieName")));
        value.push(Part::Attr(Attr::Group(GroupAttr::Route)));
        value.push(Part::Text(";Path=/;HttpOnly".into()));
        value.push(Part::Var(domain));
        let edit = Step::Edit(Edit::Add("Set-Cookie".into(), value));
        let changed = Test::Truthy(Template::attr(Attr::Group(GroupAttr::Changed)));
        let test = Test::All(vec![changed, went_to(farm.value.text("name"))]);
        let then = super::block(vec![(edit, farm.span)]);
        out.push((Step::When { test, then, otherwise: Block::default() }, farm.span));
    }
    out
}

/// The domain of a cookie: the client's host, where it names one that can be a domain.
fn domain(cx: &mut Cx) -> VarId {
    let subject = Template::attr(Attr::Field("host".into()));
    let pattern = Pattern::regex("^[A-Za-z0-9._-]+(?::[0-9]*)?$", false);
    let mut value = Template::text(";Domain=");
    value.push(Part::Attr(Attr::Host));
    cx.var("cookie domain", || VarKind::Choice {
        choices: vec![Choice { test: Test::Match { subject, pattern, into: None }, value }],
        default: Template::default(),
    })
}

/// For each farm that differs from `proxy` in it: whether hosts in its answers are rewritten.
pub(super) fn reversing(cx: &Cx, otherwise: bool) -> Vec<(Test, bool)> {
    let farms = cx.host.farms.iter().flat_map(Value::items);
    let of = |farm: &Item| {
        let protocol = farm.value.part("applicationRequestRouting").part("protocol");
        (went_to(farm.value.text("name")), protocol.flag("reverseRewriteHostInResponseHeaders"))
    };
    farms.filter(|farm| farm.value.flag("enabled")).map(of).filter(|(_, on)| *on != otherwise).collect()
}

/// The URL test, and whether it is made over TLS.
fn health(cx: &mut Cx, check: &Value) -> (Option<Check>, bool) {
    let url = check.text("url");
    if url.is_empty() {
        return (None, false);
    }
    let (scheme, behind) = url.split_once("://").unwrap_or(("http", url));
    let target = behind.find('/').map_or("/", |at| &behind[at..]);
    let check = Check {
        method: Some("GET".into()),
        modern: true,
        target: target.into(),
        interval: check.time("interval").max(Duration::from_secs(1)),
        passes: 1,
        fails: 1,
        good: None,
        content: None,
        timeout: check.time("timeout").max(Duration::from_secs(1)),
        statuses: statuses(cx, check, "statusCodeMatch"),
        contains: check.text("responseMatch").into(),
    };
    (Some(check), scheme.eq_ignore_ascii_case("https"))
}

/// The live traffic test.
fn live(cx: &mut Cx, check: &Value, secure: bool) -> Option<Live> {
    let failures = u32::try_from(check.number("liveTrafficFailures")).unwrap_or(0);
    if !check.flag("liveTrafficEnabled") || failures == 0 {
        return None;
    }
    if check.text("url").is_empty() && !secure {
        let message = "servers that fail stay out of use for good";
        let place = check.place("liveTrafficFailures");
        cx.report(
            Diagnostic::warning("no-way-back", place, message)
                .because("only a URL test finds that a server is well again, and there is none")
                .help("write `url=\"http://.../\"` on `healthCheck`"),
        );
    }
    Some(Live {
        failures,
        period: check.time("liveTrafficFailurePeriod"),
        statuses: statuses(cx, check, "liveTrafficFailureCodes"),
    })
}

/// `200-399,404` or `500-`.
fn statuses(cx: &mut Cx, check: &Value, attribute: &str) -> Vec<(u16, u16)> {
    let mut out = Vec::new();
    for part in check.text(attribute).split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').map_or((part, part), |(from, to)| (from.trim(), to.trim()));
        let range = from.parse::<u16>().ok().zip(if to.is_empty() { Some(999) } else { to.parse().ok() });
        if let Some(range) = range {
            out.push(range);
            continue;
        }
        let found = Diagnostic::error("invalid-value", check.place(attribute), "these are no statuses");
        cx.report(found.help("write them like `200-399,404` or `500-`"));
    }
    out
}
