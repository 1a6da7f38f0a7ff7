//! Groups of endpoints as `<Proxy balancer://>`, and tables of values as `SetEnvIf`.

use std::collections::BTreeSet;

use super::{
    Render,
    value::{escape, inner_regex, quote},
};
use crate::{
    ir::{
        Attr, Balance, Cluster, ClusterId, Config, Duty, Endpoint, Group, Kind, Member, Name, Part, Protocol,
        Role, Row, Share, Sticky, Template, Var, VarId, VarKind,
    },
    raise::{Outline, Scheme, seconds, text_of, used_clusters, used_vars},
    source::Span,
};

impl Render<'_, '_> {
    /// What stands before the hosts.
    pub(super) fn groups(&mut self, outline: &Outline<'_>) {
        for id in used_clusters(outline) {
            let cluster = outline.config.cluster(id);
            if cluster.declared {
                self.page.blank();
                self.cluster(outline, cluster, id);
            }
        }
        self.page.blank();
    }

    fn cluster(&mut self, outline: &Outline<'_>, cluster: &Cluster, id: ClusterId) {
        let Cluster {
            name,
            declared: _,
            balance,
            idle: _,
            shared: _,
            resolve: _,
            affinity,
            queue,
            watches,
            endpoints,
            group,
            span,
        } = cluster;
        for (there, what, near) in [
            (affinity.is_some(), "sessions that stay on an endpoint", "`stickysession` with a route"),
            (queue.is_some(), "requests that wait for an endpoint", "`timeout` of the balancer"),
            (!watches.is_empty(), "looking at the health of endpoints", "`hcmethod` and `hcinterval`"),
        ] {
            if there {
                self.losses.lose_near(
                    *span,
                    format!("{what} in `{}`", name.lossy()),
                    "it is said in another way in Apache",
                    near,
                );
            }
        }
        self.need("proxy_balancer");
        self.need("slotmem_shm");
        self.comments(*span);
        self.page.open(format!("<Proxy {}>", quote(&format!("balancer://{}", group_name(self.config, id)))));
        let upgrade = crate::raise::passes(outline)
            .iter()
            .any(|pass| pass.to == crate::raise::To::Cluster(id) && pass.head.upgrade);
        let scheme = crate::raise::passes(outline)
            .iter()
            .find(|pass| pass.to == crate::raise::To::Cluster(id))
            .map(|pass| (pass.scheme, pass.spoken()));
        let timeouts = outline.servers.iter().find_map(|server| crate::raise::timeouts(&server.area, id));
        // With room for routes a session cookie of a consistent hash is kept.
        let factors: Vec<u32> =
            endpoints.iter().filter_map(|one| one.member.as_ref()).map(|one| one.factor).collect();
        for endpoint in endpoints {
            self.endpoint(endpoint, scheme, upgrade, timeouts, *span, &factors);
        }
        let method = match (balance, group.as_deref()) {
            (_, Some(Group { share: Share::Traffic, .. })) => Some("bytraffic"),
            (_, Some(Group { share: Share::Busyness, .. })) | (Balance::LeastConnections, None) => {
                Some("bybusyness")
            }
            (_, Some(Group { share: Share::Requests, .. })) | (Balance::RoundRobin, None) => None,
            (
                Balance::ClientAddress
                | Balance::Hash(_)
                | Balance::ConsistentHash(_)
                | Balance::Random
                | Balance::RandomTwo(_)
                | Balance::LeastTime(_),
                None,
            )
            | (_, Some(Group { share: Share::Latency | Share::Hash, .. })) => {
                self.losses.lose_near(
                    *span,
                    format!("the choice of an endpoint in `{}`", name.lossy()),
                    "Apache balances by requests, traffic or busyness",
                    "`stickysession` with a cookie that names the route",
                );
                None
            }
        };
        match method {
            Some("bybusyness") => self.need("lbmethod_bybusyness"),
            Some("bytraffic") => self.need("lbmethod_bytraffic"),
            _ => self.need("lbmethod_byrequests"),
        }
        if let Some(method) = method {
            self.page.line(format!("ProxySet lbmethod={method}"));
        }
        if let Some(group) = group {
            self.group(group, *span);
        }
        self.page.close("</Proxy>");
    }

    fn group(&mut self, group: &Group, _span: Span) {
        let Group {
            url: _,
            hosts: _,
            share: _,
            key: _,
            states: _,
            keep: _,
            live: _,
            alone: _,
            sticky,
            attempts,
            wait,
            recover: _,
            failing,
            failing_late,
            failing_unresolved: _,
            again: _,
            growth: _,
            nonce: _,
        } = group;
        if let Some(Sticky { cookie, param, separator: _, semicolon: _, force }) = sticky {
            let name = if cookie == param {
                cookie.lossy().into_owned()
            } else {
                format!("{}|{}", cookie.lossy(), param.lossy())
            };
            self.page.line(format!("ProxySet stickysession={name}"));
            if *force {
                self.page.line("ProxySet nofailover=On");
            }
        }
        if let Some(attempts) = attempts {
            self.page.line(format!("ProxySet maxattempts={attempts}"));
        }
        if !wait.is_zero() {
            self.page.line(format!("ProxySet timeout={}", seconds(*wait)));
        }
        if !failing.is_empty() {
            let all: Vec<_> = failing.iter().map(u16::to_string).collect();
            self.page.line(format!("ProxySet failonstatus={}", all.join(",")));
        }
        if *failing_late {
            self.page.line("ProxySet failontimeout=On");
        }
    }

    fn endpoint(
        &mut self,
        endpoint: &Endpoint,
        scheme: Option<(Scheme, Protocol)>,
        upgrade: bool,
        timeouts: Option<(Option<u64>, Option<u64>)>,
        span: Span,
        factors: &[u32],
    ) {
        let Endpoint {
            address,
            default_port,
            weight,
            max_connections,
            max_fails,
            fail_timeout,
            role,
            resolve: _,
            service,
            slow_start,
            draining,
            route,
            member,
            span: at,
        } = endpoint;
        if !slow_start.is_zero() || *draining || !route.is_empty() {
            self.losses.lose_near(
                *at,
                format!("what is said of sessions and the share of {}", address.lossy()),
                "it is said in another way in Apache",
                "`route=` and `status=+N` of `BalancerMember`",
            );
        }
        if let Some(service) = service {
            let what = format!("the service {service}");
            self.losses.lose(*at, what, "Apache looks up addresses, not the records of services");
        }
        let address = address.lossy();
        let (scheme, protocol) = scheme.unwrap_or((Scheme::Plain, Protocol::Http));
        let mut url = if let Some(member) = member {
            member.url.lossy().into_owned()
        } else {
            let name = scheme_name(scheme, protocol);
            if let Some(path) = address.strip_prefix("unix:") {
                format!("unix:{path}|{name}://localhost")
            } else {
                let port = if address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
                    || *default_port == 80
                    || *default_port == 0
                {
                    String::new()
                } else {
                    format!(":{default_port}")
                };
                format!("{name}://{address}{port}")
            }
        };
        let mut parts: Vec<String> = Vec::new();
        if member.is_some() {
            // What the member says of its share counts.
        } else if *weight > 100 {
            self.losses.lose(*at, format!("the weight {weight}"), "a `loadfactor` is at most 100");
        } else if *weight != 1 {
            parts.push(format!("loadfactor={weight}"));
        }
        match role {
            Role::Active => {}
            Role::Backup => parts.push("status=+H".to_owned()),
            Role::Down => parts.push("status=+D".to_owned()),
        }
        if *max_connections > 0 {
            parts.push(format!("max={max_connections}"));
        }
        if *max_fails > 1 {
            self.losses.lose_near(
                *at,
                format!("max_fails={max_fails}"),
                "a member of Apache rests after one failure",
                "`failonstatus`",
            );
        }
        let fail_timeout = seconds(*fail_timeout);
        if member.is_none() && *max_fails == 0 {
            parts.push("status=+I".to_owned());
        } else if member.is_none() {
            parts.push(format!("retry={fail_timeout}"));
        }
        if let Some((connect, read)) = timeouts {
            if let Some(time) = connect {
                parts.push(format!("connectiontimeout={time}"));
            }
            if let Some(time) = read {
                parts.push(format!("timeout={time}"));
            }
        }
        let own_upgrade = member.as_ref().is_some_and(|member| member.settings.upgrade.is_some());
        if upgrade || own_upgrade {
            parts.push("upgrade=websocket".to_owned());
        }
        if let Some(member) = member {
            let Member {
                url: _,
                protocol: _,
                tls: _,
                authority: _,
                base: _,
                factor,
                set,
                duty,
                state: _,
                route,
                redirect,
                rest: _,
                acquire: _,
                reuse,
                settings: _,
                check,
            } = &**member;
            let load = load(*factor, factors);
            if load > 100.0 {
                let what = format!("the share of {}", endpoint.address.lossy());
                self.losses.lose_near(*at, what, "a `loadfactor` is at most 100", "`loadfactor=100`");
                parts.push("loadfactor=100".to_owned());
            } else if (load - 1.0).abs() > 0.001 {
                let load = format!("{load:.2}");
                parts.push(format!("loadfactor={}", load.trim_end_matches('0').trim_end_matches('.')));
            }
            if *set != 0 {
                parts.push(format!("lbset={set}"));
            }
            if route.len() > 63 {
                let what = format!("the sessions of {}", endpoint.address.lossy());
                self.losses.lose_near(
                    *at,
                    what,
                    "a route has at most 63 characters",
                    "its first 63 characters",
                );
            }
            if !route.is_empty() {
                parts.push(format!("route={}", route.lossy().chars().take(63).collect::<String>()));
            }
            if !redirect.is_empty() {
                parts.push(format!("redirect={}", redirect.lossy()));
            }
            match duty {
                Duty::Active => {}
                Duty::Spare => parts.push("status=+R".to_owned()),
                Duty::Standby => parts.push("status=+H".to_owned()),
            }
            if !reuse {
                parts.push("disablereuse=On".to_owned());
            }
            if check.is_some() {
                self.losses.lose_near(
                    span,
                    "the health check of a member",
                    "it needs a look of its own",
                    "`hcmethod` of mod_proxy_hcheck",
                );
            }
        }
        if url.ends_with('/') && url.matches('/').count() == 3 {
            url.pop();
        }
        let rest = if parts.is_empty() { String::new() } else { format!(" {}", parts.join(" ")) };
        self.need(module(scheme, protocol));
        self.comments(*at);
        self.page.line(format!("BalancerMember {url}{rest}"));
    }

    /// Tables that values of a server are looked up in.
    pub(super) fn tables(&mut self, area: &crate::raise::Area) {
        let mut done = BTreeSet::new();
        let used = used_vars(self.config, area);
        for var in used {
            self.table(var, &mut done);
        }
    }

    fn table(&mut self, id: VarId, done: &mut BTreeSet<VarId>) {
        if !done.insert(id) {
            return;
        }
        let Var { name, kind, span } = self.config.var(id);
        let _ = name;
        let name = super::value::unique(self.config, id);
        match kind {
            VarKind::Assigned | VarKind::Optional | VarKind::Choice { .. } => {}
            VarKind::Table { key, order: _, rows, default, once: _, into: _ } => {
                self.need("setenvif");
                self.comments(*span);
                match text_of(default) {
                    Some(text) if text.is_empty() => {}
                    Some(text) => {
                        self.page
                            .line(format!("SetEnvIf Request_URI ^ {}", quote(&format!("{name}={text}"))));
                    }
                    None => self.losses.lose(
                        *span,
                        format!("the default of `${name}`"),
                        "`SetEnvIf` sets fixed texts",
                    ),
                }
                // Later lines win: regular expressions from the last to the first, then what is exact.
                let exact = |row: &&Row| !matches!(row.pattern.kind, Kind::Regex(_));
                let rows: Vec<&Row> =
                    rows.iter().rev().filter(|row| !exact(row)).chain(rows.iter().filter(exact)).collect();
                for row in rows {
                    match self.row(key, row, &name) {
                        Ok(line) => self.page.line(line),
                        Err(why) => self.losses.lose(*span, format!("a row of `${name}`"), why),
                    }
                }
            }
            VarKind::Network { key: _, rows, default, proxies: _, recursive: _ } => {
                self.need("setenvif");
                if !default.is_empty() {
                    self.page.line(format!(
                        "SetEnvIf Request_URI ^ {}",
                        quote(&format!("{name}={}", default.lossy()))
                    ));
                }
                for network in rows {
                    let crate::ir::Network { address, prefix, value } = network;
                    let range = crate::raise::network(crate::ir::AddressRange::Network(*address, *prefix));
                    self.page.line(format!(
                        "SetEnvIfExpr \"-R '{range}'\" {}",
                        quote(&format!("{name}={}", value.lossy()))
                    ));
                }
            }
            VarKind::Split { .. } => {
                self.losses.lose_near(
                    *span,
                    format!("the shares of `${name}`"),
                    "Apache has no hash of a value",
                    "`RewriteMap` with `rnd:`",
                );
            }
        }
    }

    fn row(&self, key: &Template, row: &Row, name: &str) -> Result<String, String> {
        let Row { pattern, value } = row;
        let value = text_of(value).ok_or("its value is known only when it is read")?;
        let set = if value.is_empty() { format!("!{name}") } else { quote(&format!("{name}={value}")) };
        let (attribute, regex) = match key.0.as_slice() {
            [Part::Attr(Attr::Field(field) | Attr::FieldList(field))] => {
                (super::value::field_name(&field.lossy()), whole(pattern))
            }
            [Part::Attr(Attr::ClientAddr)] => ("Remote_Addr".to_owned(), whole(pattern)),
            [Part::Attr(Attr::Method)] => ("Request_Method".to_owned(), whole(pattern)),
            [Part::Attr(Attr::Path)] => ("Request_URI".to_owned(), whole(pattern)),
            [Part::Attr(Attr::Host | Attr::Authority)] => ("Host".to_owned(), whole(pattern)),
            [Part::Attr(Attr::Protocol)] => ("Request_Protocol".to_owned(), whole(pattern)),
            [Part::Attr(Attr::Cookie(cookie))] => {
                let inner = inner_regex(pattern, ';');
                ("Cookie".to_owned(), format!("(?:^|;\\s*){}={inner}(?:;|$)", cookie.lossy()))
            }
            _ => {
                let test =
                    crate::ir::Test::Match { subject: key.clone(), pattern: pattern.clone(), into: None };
                let expression = self.expression(&test)?;
                return Ok(format!("SetEnvIfExpr \"{}\" {set}", expression.replace('"', "\\\"")));
            }
        };
        let directive = if pattern.ignore_case { "SetEnvIfNoCase" } else { "SetEnvIf" };
        Ok(format!("{directive} {attribute} {} {set}", quote(&regex)))
    }
}

/// A pattern as an expression on the whole value.
fn whole(pattern: &crate::ir::Pattern) -> String {
    let text = pattern.text.lossy();
    match pattern.kind {
        Kind::Exact => format!("^{}$", escape(&text)),
        Kind::Prefix => format!("^{}", escape(&text)),
        Kind::Suffix => format!("{}$", escape(&text)),
        Kind::Wildcard => format!("^{}$", escape(&text).replace("\\*", ".*")),
        Kind::Regex(_) => text.into_owned(),
    }
}

/// The scheme of a URL that requests are sent to.
pub(super) fn scheme_name(scheme: Scheme, protocol: Protocol) -> &'static str {
    match (protocol, scheme) {
        (Protocol::Grpc, Scheme::Tls) => "h2",
        (Protocol::Grpc, _) => "h2c",
        (Protocol::Http | Protocol::Memcached, Scheme::Plain) => "http",
        (Protocol::Http | Protocol::Memcached, Scheme::Tls) => "https",
        (Protocol::Http | Protocol::Memcached, Scheme::Client) => "%{REQUEST_SCHEME}",
        (Protocol::Uwsgi, _) => "uwsgi",
        (Protocol::FastCgi, _) => "fcgi",
        (Protocol::Scgi, _) => "scgi",
    }
}

/// The module that speaks a protocol.
pub(super) fn module(_scheme: Scheme, protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http | Protocol::Memcached => "proxy_http",
        Protocol::Uwsgi => "proxy_uwsgi",
        Protocol::FastCgi => "proxy_fcgi",
        Protocol::Scgi => "proxy_scgi",
        Protocol::Grpc => "proxy_http2",
    }
}

/// The name of a group without its scheme, which no other one has: a farm is a group for each scheme that it is reached by.
pub(super) fn group_name(config: &Config, id: ClusterId) -> String {
    let shown = |name: &Name| {
        let name = name.lossy();
        name.rsplit("//").next().unwrap_or(&name).trim_end_matches('/').to_owned()
    };
    let own = config.cluster(id);
    let name = shown(&own.name);
    let before =
        config.clusters[..id.0 as usize].iter().filter(|one| one.declared && shown(&one.name) == name);
    match if own.declared { before.count() } else { 0 } {
        0 => name,
        count => format!("{name}-{}", count + 1),
    }
}

/// How loads are shared: at least one, at most a hundred.
fn load(factor: u32, factors: &[u32]) -> f64 {
    let (least, most) =
        (factors.iter().min().copied().unwrap_or(100), factors.iter().max().copied().unwrap_or(100));
    if least >= 100 && most <= 10_000 {
        return f64::from(factor) / 100.0;
    }
    // Only how they stand to each other counts.
    f64::from(factor.max(1)) / f64::from(least.max(1))
}
