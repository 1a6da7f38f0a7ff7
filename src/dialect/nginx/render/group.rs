//! Groups of endpoints as `upstream`, and tables as `map`, `geo` and `split_clients`.

use regex_automata::meta::Regex;

use super::{
    Names, Render, size, time,
    value::{quote, regex},
};
use crate::{
    ir::{
        Affinity, Balance, Bucket, Cluster, ClusterId, Config, Duty, Endpoint, Group, IdleConnections, Kind,
        Member, Name, Network, Pattern, Queue, Recoding, Role, Row, Share, Var, VarKind, settings::Lifetime,
    },
    raise::{Outline, all_vars, network, used_clusters},
    source::Span,
};

impl Render<'_, '_> {
    /// Tables that values are looked up in.
    pub(super) fn tables(&mut self, outline: &Outline<'_>) {
        for id in all_vars(outline) {
            self.table(id);
        }
        for Recoding { from, to, pairs } in &outline.config.recodings {
            let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
            self.page.blank();
            self.page.open(format!("charset_map {} {} {{", from.lossy(), to.lossy()));
            for (byte, becomes) in pairs {
                self.page.line(format!("{byte:02X} {};", digits(becomes)));
            }
            self.page.close("}");
        }
        for (_, lines) in std::mem::take(&mut self.maps) {
            self.page.blank();
            lines.iter().for_each(|line| self.page.line(line));
        }
        self.zones(outline);
    }

    fn zones(&mut self, outline: &Outline<'_>) {
        for zone in &outline.config.zones {
            let crate::ir::Zone { name, key, rate, entries } = zone;
            let Some(key) = self.value(key, Span::NONE) else { continue };
            let bytes = size(u64::from(*entries).saturating_mul(128).next_multiple_of(1 << 20));
            let name = zone_name(name);
            if *rate > 0 && *rate * 60 < 1000 {
                // Less than one in a minute cannot be said; what it is used by is told where it is.
                continue;
            }
            self.page.blank();
            if *rate > 0 {
                let rate = if rate % 1000 == 0 {
                    format!("{}r/s", rate / 1000)
                } else {
                    format!("{}r/m", rate * 60 / 1000)
                };
                self.page.line(format!("limit_req_zone {key} zone={name}:{bytes} rate={rate};"));
            } else {
                self.page.line(format!("limit_conn_zone {key} zone={name}:{bytes};"));
            }
        }
    }

    fn table(&mut self, id: crate::ir::VarId) {
        let Var { name: _, kind, span } = self.config.var(id);
        let shown = super::value::unique(self.config, id);
        match kind {
            VarKind::Assigned | VarKind::Optional | VarKind::Choice { .. } => {}
            VarKind::Table { key, order: _, rows, default, once, into: _ } => {
                let Some(key) = self.value(key, *span) else { return };
                self.page.blank();
                self.comments(*span);
                self.page.open(format!("map {} ${shown} {{", quote(&key)));
                let changes = key.contains("$uri") || key.contains("$args");
                if !once && changes {
                    self.page.line("volatile;");
                }
                if !default.is_empty()
                    && let Some(default) = self.value(default, *span)
                {
                    self.page.line(format!("default {};", quote(&default)));
                }
                for Row { pattern, value } in rows {
                    if let Some(value) = self.value(value, *span) {
                        self.page.line(format!("{} {};", self::key(pattern), quote(&value)));
                    }
                }
                let empty = rows.iter().find(|row| takes_empty(&row.pattern));
                if let Some(row) = empty.filter(|row| row.pattern.kind != Kind::Exact)
                    && !rows.iter().any(|row| row.pattern.kind == Kind::Exact && row.pattern.text.is_empty())
                    && let Some(value) = self.value(&row.value, *span)
                {
                    self.page.line(format!("'' {};", quote(&value)));
                }
                self.page.close("}");
            }
            VarKind::Network { key, rows, default, proxies: _, recursive: _ } => {
                let key =
                    Names { config: self.config, assigned: self.assigned }.value(key).unwrap_or_default();
                self.page.blank();
                self.page.open(if key == "$remote_addr" {
                    format!("geo ${shown} {{")
                } else {
                    format!("geo {key} ${shown} {{")
                });
                if !default.is_empty() {
                    self.page.line(format!("default {};", quote(&default.lossy())));
                }
                for Network { address, prefix, value } in rows {
                    let range = network(crate::ir::AddressRange::Network(*address, *prefix));
                    self.page.line(format!("{range} {};", quote(&value.lossy())));
                }
                self.page.close("}");
            }
            VarKind::Split { key, buckets } => {
                let Some(key) = self.value(key, *span) else { return };
                self.page.blank();
                self.page.open(format!("split_clients {} ${shown} {{", quote(&key)));
                let mut from = 0_u32;
                for Bucket { below, value } in buckets {
                    let share = match below {
                        None => "*".to_owned(),
                        Some(below) => {
                            let part = f64::from(below.saturating_sub(from)) * 100.0 / f64::from(u32::MAX);
                            from = *below;
                            let text = format!("{part:.2}");
                            format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
                        }
                    };
                    self.page.line(format!("{share} {};", quote(&value.lossy())));
                }
                self.page.close("}");
            }
        }
    }

    /// Groups of endpoints.
    pub(super) fn clusters(&mut self, outline: &Outline<'_>) {
        for id in used_clusters(outline) {
            let cluster = outline.config.cluster(id);
            if cluster.declared {
                self.page.blank();
                self.cluster(cluster, id);
            }
        }
    }

    fn cluster(&mut self, cluster: &Cluster, id: ClusterId) {
        let Cluster {
            name,
            declared: _,
            balance,
            idle,
            shared: _,
            resolve: _,
            affinity,
            queue,
            watches,
            endpoints,
            group,
            span,
        } = cluster;
        self.comments(*span);
        self.page.open(format!("upstream {} {{", cluster_name(self.config, id)));
        match (balance, group.as_deref()) {
            (_, Some(group)) => self.group(group, endpoints, *span),
            (Balance::RoundRobin, None) => {}
            (Balance::LeastConnections, None) => self.page.line("least_conn;"),
            (Balance::ClientAddress, None) => self.page.line("ip_hash;"),
            (Balance::Hash(key), None) => {
                if let Some(key) = self.value(key, *span) {
                    self.page.line(format!("hash {key};"));
                }
            }
            (Balance::ConsistentHash(key), None) => {
                if let Some(key) = self.value(key, *span) {
                    self.page.line(format!("hash {key} consistent;"));
                }
            }
            (Balance::Random, None) => self.page.line("random;"),
            (Balance::RandomTwo(None), None) => self.page.line("random two;"),
            (Balance::RandomTwo(Some(timing)), None) => {
                let time = if timing.whole { "last_byte" } else { "header" };
                self.page.line(format!("random two least_time={time};"));
            }
            (Balance::LeastTime(timing), None) => {
                let time = if timing.whole { "last_byte" } else { "header" };
                let inflight = if timing.under_way { " inflight" } else { "" };
                self.page.line(format!("least_time {time}{inflight};"));
            }
        }
        if let Some(affinity) = affinity {
            self.affinity(affinity, *span);
        }
        if let Some(Queue { places, timeout }) = queue {
            self.page.line(format!("queue {places} timeout={};", time(*timeout)));
        }
        if !watches.is_empty() {
            self.losses.lose_near(
                *span,
                format!("looking at the health of `{}`", name.lossy()),
                "it is said at the place that sends requests there",
                "`health_check` in the location",
            );
        }
        let least = endpoints
            .iter()
            .filter_map(|one| one.member.as_ref())
            .map(|one| one.factor)
            .min()
            .unwrap_or(100)
            .max(1);
        for endpoint in endpoints {
            self.endpoint(endpoint, least);
        }
        if endpoints.is_empty() {
            self.losses.lose(
                *span,
                format!("the group `{}`", name.lossy()),
                "it has no member, which nginx does not allow",
            );
            self.page.line("server 127.0.0.1:1 down;");
        }
        if let Some(IdleConnections { max, requests: _, time: _, timeout: _, per_route: _ }) = idle
            && group.is_none()
        {
            self.page.line(format!("keepalive {max};"));
        }
        self.page.close("}");
    }

    fn affinity(&mut self, affinity: &Affinity, span: Span) {
        let mut each = |name: &str, templates: &[crate::ir::Template]| {
            let values = templates.iter().filter_map(|one| self.value(one, span));
            values.map(|value| format!(" {name}{value}")).collect::<String>()
        };
        let line = match affinity {
            Affinity::Cookie { name, lasts, attributes } => {
                let mut line = format!("sticky cookie {}", name.lossy());
                match lasts {
                    Lifetime::Session => {}
                    Lifetime::Longest => line.push_str(" expires=max"),
                    Lifetime::For(span) => line.push_str(&format!(" expires={}", time(*span))),
                }
                for (attribute, value) in attributes {
                    match value {
                        Some(value) => {
                            line.push_str(&each(
                                &format!("{}=", attribute.lossy()),
                                std::slice::from_ref(value),
                            ));
                        }
                        None => line.push_str(&format!(" {}", attribute.lossy())),
                    }
                }
                line
            }
            Affinity::Route(routes) => format!("sticky route{}", each("", routes)),
            Affinity::Learned { begins, goes_on, table, entries, lasts, at_head } => {
                let size = size((u64::from(*entries) * 256).next_multiple_of(1 << 15));
                let (begins, goes_on) = (each("create=", begins), each("lookup=", goes_on));
                let header = if *at_head { " header" } else { "" };
                let (table, lasts) = (table.lossy(), time(*lasts));
                format!("sticky learn{begins}{goes_on} zone={table}:{size} timeout={lasts}{header}")
            }
        };
        self.page.line(format!("{line};"));
    }

    fn group(&mut self, group: &Group, endpoints: &[Endpoint], span: Span) {
        let Group {
            url: _,
            hosts: _,
            share,
            key,
            states: _,
            keep: _,
            live: _,
            alone: _,
            sticky,
            attempts: _,
            wait: _,
            recover: _,
            failing,
            failing_late: _,
            failing_unresolved: _,
            again: _,
            growth: _,
            nonce: _,
        } = group;
        match share {
            Share::Requests => {}
            Share::Busyness => self.page.line("least_conn;"),
            Share::Hash => {
                let key = key.as_ref().and_then(|key| self.value(key, span));
                if let Some(key) = key {
                    self.page.line(format!("hash {} consistent;", quote(&key)));
                }
            }
            Share::Latency => self.losses.lose_near(
                span,
                "balancing by the time of answers",
                "nginx counts requests and connections",
                "`least_conn`",
            ),
            Share::Traffic => self.losses.lose_near(
                span,
                "balancing by traffic",
                "nginx counts requests and connections",
                "`least_conn`",
            ),
        }
        if let Some(sticky) = sticky {
            let routes = endpoints
                .iter()
                .any(|one| one.member.as_ref().is_some_and(|member| !member.route.is_empty()));
            let what = format!("sessions by the cookie `{}`", sticky.cookie.lossy());
            if routes {
                self.losses.lose_near(
                    span,
                    what,
                    "a route in a cookie names the member, which nginx cannot look up without `sticky`",
                    format!("`hash $cookie_{} consistent`, which is written", sticky.cookie.lossy()),
                );
            }
            self.page.line(format!("hash $cookie_{} consistent;", sticky.cookie.lossy()));
        }
        if !failing.is_empty() {
            self.losses.lose_near(
                span,
                "statuses after which a member rests",
                "they are settings of the place in nginx",
                "`proxy_next_upstream http_503`",
            );
        }
    }

    fn endpoint(&mut self, endpoint: &Endpoint, least: u32) {
        let Endpoint {
            address,
            default_port,
            weight,
            max_connections,
            max_fails,
            fail_timeout,
            role,
            resolve,
            service,
            slow_start,
            draining,
            route,
            member,
            span,
        } = endpoint;
        let mut line = format!("server {}", address.lossy());
        let has_port = address.lossy().rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if !has_port && *default_port != 80 && *default_port != 0 && !address.starts_with(b"unix:") {
            line.push_str(&format!(":{default_port}"));
        }
        let mut weight = *weight;
        let mut backup = *role == Role::Backup;
        let mut down = *role == Role::Down;
        if let Some(member) = member {
            let Member {
                url,
                protocol: _,
                tls: _,
                authority: _,
                base,
                factor,
                set,
                duty,
                state,
                route: _,
                redirect: _,
                rest,
                acquire: _,
                reuse: _,
                settings: _,
                check,
            } = &**member;
            let _ = url;
            weight = (*factor / least).max(1);
            if factor % least != 0 {
                self.losses.lose(
                    *span,
                    format!("the factor {}", f64::from(*factor) / 100.0),
                    "a `weight` is a whole number",
                );
            }
            backup |= *duty != Duty::Active || *set > 0;
            down |= state.disabled || state.stopped;
            if !base.is_empty() && &**base != b"/" {
                self.losses.lose_near(
                    *span,
                    format!("the path `{}` of a member", base.lossy()),
                    "a server of a group has an address only",
                    "`proxy_pass` with the path",
                );
            }
            if rest.as_secs() != 60 {
                line.push_str(&format!(" fail_timeout={}", time(*rest)));
            }
            if check.is_some() {
                self.losses.lose(
                    *span,
                    "the health check of a member",
                    "nginx looks at answers to requests only",
                );
            }
        } else {
            if *max_fails != 1 {
                line.push_str(&format!(" max_fails={max_fails}"));
            }
            if fail_timeout.as_secs() != 10 {
                line.push_str(&format!(" fail_timeout={}", time(*fail_timeout)));
            }
        }
        if weight != 1 {
            line.push_str(&format!(" weight={weight}"));
        }
        if *max_connections > 0 {
            line.push_str(&format!(" max_conns={max_connections}"));
        }
        if backup {
            line.push_str(" backup");
        }
        if down {
            line.push_str(" down");
        }
        if *resolve {
            line.push_str(" resolve");
        }
        if let Some(service) = service {
            // All of the name but that of the server.
            let name = service.to_string();
            let part = name.strip_suffix(&*address.lossy()).map_or(&*name, |part| part.trim_end_matches('.'));
            line.push_str(&format!(" service={part}"));
        }
        if *draining {
            line.push_str(" drain");
        }
        if !slow_start.is_zero() {
            line.push_str(&format!(" slow_start={}", time(*slow_start)));
        }
        if !route.is_empty() {
            line.push_str(&format!(" route={}", quote(&route.lossy())));
        }
        self.comments(*span);
        self.page.line(format!("{line};"));
    }
}

/// The name of a group, which no other one has: a farm is a group for each scheme that it is reached by.
pub(super) fn cluster_name(config: &Config, id: ClusterId) -> String {
    let shown = |name: &Name| {
        let name = name.lossy();
        let name = name.rsplit("//").next().unwrap_or(&name);
        name.trim_end_matches('/').replace(['/', ' '], "_")
    };
    let own = config.cluster(id);
    let name = shown(&own.name);
    if !own.declared {
        return name;
    }
    let before =
        config.clusters[..id.0 as usize].iter().filter(|one| one.declared && shown(&one.name) == name);
    match before.count() {
        0 => name,
        count => format!("{name}_{}", count + 1),
    }
}

/// The name of a zone: letters, digits and what stands between them.
fn zone_name(name: &Name) -> String {
    name.lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Whether it matches the empty text. A table has to say so in a row of its own: no expression is tried for an empty value.
pub(super) fn takes_empty(pattern: &Pattern) -> bool {
    let Pattern { kind, text, ignore_case: _, groups: _ } = pattern;
    match kind {
        Kind::Exact | Kind::Prefix | Kind::Suffix => text.is_empty(),
        Kind::Wildcard => false,
        Kind::Regex(_) => Regex::new(&text.lossy()).is_ok_and(|pattern| pattern.is_match("")),
    }
}

/// What a row of a table is looked up by.
pub(super) fn key(pattern: &Pattern) -> String {
    let Pattern { kind, text, ignore_case, groups: _ } = pattern;
    let text = text.lossy();
    let tilde = if *ignore_case { "~*" } else { "~" };
    match kind {
        Kind::Exact if text.is_empty() => "''".to_owned(),
        // Exact keys are compared without case.
        Kind::Exact if *ignore_case || !text.bytes().any(|byte| byte.is_ascii_alphabetic()) => word(&text),
        Kind::Exact => regex(&format!("~^{}$", super::value::escape(&text))),
        Kind::Prefix => regex(&format!("{tilde}^{}", super::value::escape(&text))),
        Kind::Suffix => regex(&format!("{tilde}{}$", super::value::escape(&text))),
        Kind::Wildcard => word(&text),
        Kind::Regex(_) => regex(&format!("{tilde}{text}")),
    }
}

/// A key that is no word of the table's own.
fn word(text: &str) -> String {
    let own = ["default", "hostnames", "include", "volatile"];
    if own.contains(&text) { format!("\\{text}") } else { quote(text) }
}
