//! `upstream` blocks, and the clusters that stand for an address elsewhere.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_upstream_module.html>

mod balance;
pub(super) mod health;
mod server;
mod sticky;

use super::{
    super::{
        tree::{Directive, Word, directives},
        values,
    },
    Cx, Kind, Level, Lower,
    address::Address,
    parameter, resolver,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Affinity, Balance, Cluster, ClusterId, Endpoint, IdleConnections, Queue, Role, Text,
        settings::Resolve,
    },
    source::Span,
};
use std::time::Duration;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("health_check", health::health_check), ("match", health::matches), ("upstream", upstream)];

/// Gives the clusters that look names up again the name servers of `http`, wherever those are written.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    if level.kind != Kind::Http {
        return;
    }
    let mut lacking = Vec::new();
    for cluster in &mut cx.config.clusters {
        let Some(own) = &mut cluster.resolve else { continue };
        let mut resolve = level.set.resolve.clone();
        resolve.lay(own, false);
        if resolve.servers.as_ref().is_none_or(Vec::is_empty) {
            lacking.extend(cluster.endpoints.iter().find(|it| it.resolve).map(|it| it.span));
        }
        *own = Resolve::clone(&resolve);
    }
    for span in lacking {
        cx.missing("no-resolver", span, "no `resolver` to look this name up with");
    }
}

/// One `upstream` block while it is read.
struct Group<'d> {
    endpoints: Vec<Endpoint>,
    balance: Option<(Balance, &'d Directive)>,
    idle: Option<(IdleConnections, &'d Directive)>,
    requests: u64,
    time: Duration,
    timeout: Duration,
    shared: bool,
    resolve: Resolve,
    affinity: Option<(Affinity, &'d Directive)>,
    queue: Option<Queue>,
}

/// `upstream name { ... }`
fn upstream(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let Some(name) = directive.args.first() else { return };
    let key = name.value.to_ascii_lowercase();
    if let Some(&id) = cx.clusters.get(&key) {
        let first = cx.config.cluster(id).span;
        let message = format!("a second upstream `{}`", name.text());
        let found = Diagnostic::error("duplicate-upstream", name.span, message);
        cx.report(found.label(first, "the first is here"));
        return;
    }
    let mut group = Group {
        endpoints: Vec::new(),
        balance: None,
        idle: None,
        requests: 1000,
        time: Duration::from_hours(1),
        timeout: Duration::from_mins(1),
        shared: false,
        resolve: Resolve::default(),
        affinity: None,
        queue: None,
    };
    for inner in directives(directive.block()) {
        group.directive(cx, inner);
    }
    let cluster = group.finish(cx, directive, name);
    let id = ClusterId(cx.config.clusters.len() as u32);
    cx.config.clusters.push(cluster);
    cx.clusters.insert(key, id);
}

impl<'d> Group<'d> {
    fn directive(&mut self, cx: &mut Cx, directive: &'d Directive) {
        match directive.name() {
            "server" => {
                let method = self.balance.as_ref().map(|(balance, _)| balance);
                self.endpoints.extend(server::endpoint(cx, directive, method));
            }
            "ip_hash" | "hash" | "least_conn" | "least_time" | "random" => self.method(cx, directive),
            "keepalive" => self.keepalive(cx, directive),
            "keepalive_requests" => {
                let number = directive.args.first().map(|word| values::number(&word.value));
                self.requests = number.and_then(Result::ok).unwrap_or(self.requests);
            }
            "keepalive_time" => {
                self.time = parameter::time(directive.args.first()).unwrap_or(self.time);
            }
            "keepalive_timeout" => {
                self.timeout = parameter::time(directive.args.first()).unwrap_or(self.timeout);
            }
            "sticky" => {
                if let Some(affinity) = sticky::affinity(cx, directive)
                    && let Some((_, before)) = self.affinity.replace((affinity, directive))
                {
                    let found =
                        Diagnostic::error("duplicate-directive", directive.head(), "a second `sticky`");
                    cx.report(found.label(before.head(), "the first is here"));
                }
            }
            "queue" => self.queue = sticky::queue(directive).or(self.queue),
            "zone" => self.shared |= balance::zone(cx, directive),
            "resolver" => resolver::servers(cx, &mut self.resolve, directive),
            "resolver_timeout" => {
                self.resolve.timeout = parameter::time(directive.args.first()).or(self.resolve.timeout);
            }
            // Refused or unknown: the check speaks of it.
            _ => {}
        }
    }

    fn method(&mut self, cx: &mut Cx, directive: &'d Directive) {
        let Some(balance) = balance::method(cx, directive) else { return };
        let before = self.balance.as_ref().map(|it| it.1).or(self.idle.as_ref().map(|it| it.1));
        if let Some(before) = before {
            let message = "the load balancing method is redefined";
            let mut found = Diagnostic::warning("balance-redefined", directive.head(), message)
                .label(before.head(), "instead of this");
            if let Some((_, keepalive)) = self.idle.take() {
                found = found
                    .label(keepalive.head(), "without effect, too")
                    .help("`keepalive` stands after the load balancing method");
            }
            cx.report(found);
        }
        self.balance = Some((balance, directive));
    }

    /// `keepalive connections [local];`
    fn keepalive(&mut self, cx: &mut Cx, directive: &'d Directive) {
        let Some(word) = directive.args.first() else { return };
        let number = values::number(&word.value);
        let Some(max) = number.ok().and_then(|number| u32::try_from(number).ok()) else { return };
        if max == 0 {
            let message = "`keepalive` needs room for at least one connection";
            cx.report(
                Diagnostic::error("invalid-value", word.span, message).help("leave it out to keep none"),
            );
            return;
        }
        let per_route = directive.args.get(1).is_some_and(|word| word.is("local"));
        let idle =
            IdleConnections { max, requests: 0, time: Duration::ZERO, timeout: Duration::ZERO, per_route };
        self.idle = Some((idle, directive));
    }

    fn finish(self, cx: &mut Cx, directive: &Directive, name: &Word) -> Cluster {
        let Self { endpoints, balance, idle, requests, time, timeout, shared, resolve, affinity, queue } =
            self;
        if endpoints.is_empty() {
            let message = format!("no servers are inside upstream `{}`", name.text());
            cx.missing("empty-upstream", directive.head(), message);
        } else if endpoints.iter().all(|endpoint| endpoint.role == Role::Backup) {
            let message = format!("upstream `{}` has no server but backups", name.text());
            cx.report(Diagnostic::error("empty-upstream", directive.head(), message));
        }
        let idle = idle.map(|(idle, _)| IdleConnections { requests, time, timeout, ..idle });
        let looked_up = endpoints.iter().find(|endpoint| endpoint.resolve);
        if let (Some(endpoint), false) = (looked_up, shared) {
            let message = format!("`resolve` needs a `zone` in upstream `{}`", name.text());
            let found = Diagnostic::error("resolve-without-zone", endpoint.span, message);
            cx.report(found.help(format!("zone {} 64k;", name.text())));
        }
        let resolve = looked_up.map(|_| resolve);
        Cluster {
            name: Text(name.value.clone()),
            declared: true,
            balance: balance.map_or(Balance::RoundRobin, |(balance, _)| balance),
            idle,
            shared,
            resolve,
            affinity: affinity.map(|(affinity, _)| Box::new(affinity)),
            queue,
            watches: Vec::new(),
            endpoints,
            group: None,
            span: directive.head(),
        }
    }
}

/// The cluster that an address means: an `upstream` of its host's name, else one of its own. `None` after a
/// report. Without a default port the address must have one.
pub(super) fn cluster(
    cx: &mut Cx,
    address: &Address,
    default_port: Option<u16>,
    span: Span,
) -> Option<ClusterId> {
    let declared = cx.clusters.get(&address.host.to_ascii_lowercase()).copied();
    if let (Some(id), false) = (declared, address.unix) {
        if let Some(port) = address.port {
            let block = cx.config.cluster(id).span;
            let message = format!("upstream `{}` may not have a port", cx.config.cluster(id).name.lossy());
            let found = Diagnostic::error("port-of-upstream", span, message);
            let found = found.because(format!("{port} would be the port of a host of this name"));
            cx.report(found.label(block, "its servers have ports"));
            return None;
        }
        return Some(id);
    }
    let port = address.port.or(default_port);
    if port.is_none() && !address.unix {
        let name = String::from_utf8_lossy(address.authority);
        // Away from its machine a name without a port is that of an upstream that is written elsewhere.
        if cx.options.offline
            && std::str::from_utf8(address.host).is_ok_and(|host| host.parse::<std::net::IpAddr>().is_err())
        {
            let message = format!("`{name}` is an upstream of another file");
            cx.report(Diagnostic::note_at("upstream-elsewhere", span, message));
        } else {
            let message = format!("no port in `{name}`");
            cx.error("no-port", span, message);
            return None;
        }
    }
    // What `Host` says by default: the port only where it is not the scheme's.
    let name = if address.unix {
        b"localhost".as_slice()
    } else if address.port == default_port {
        address.host
    } else {
        address.authority
    };
    let key = [b"//", address.authority, b" ", name, b" ", port.unwrap_or(0).to_string().as_bytes()].concat();
    if let Some(&id) = cx.clusters.get(&key) {
        return Some(id);
    }
    let id = ClusterId(cx.config.clusters.len() as u32);
    cx.config.clusters.push(Cluster {
        name: name.into(),
        declared: false,
        balance: Balance::RoundRobin,
        idle: None,
        shared: false,
        resolve: None,
        affinity: None,
        queue: None,
        watches: Vec::new(),
        endpoints: vec![Endpoint {
            address: address.authority.into(),
            default_port: port.unwrap_or(0),
            weight: 1,
            max_connections: 0,
            max_fails: 1,
            fail_timeout: server::FAIL_TIMEOUT,
            role: Role::Active,
            resolve: false,
            service: None,
            slow_start: Duration::ZERO,
            draining: false,
            route: Text::new(),
            member: None,
            span,
        }],
        group: None,
        span,
    });
    cx.clusters.insert(key, id);
    Some(id)
}
