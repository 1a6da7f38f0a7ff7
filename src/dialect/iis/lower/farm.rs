//! Web farms: groups of servers that a rule addresses by name.
//!
//! Reference 10. A farm is known as `http://NAME` and as `https://NAME`; each of its servers has a port for either. What
//! `protocol` says holds for requests to its servers in place of `proxy`.

use std::time::Duration;

use super::{Cx, proxy};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::effective::{Item, Value},
    ir::{Balance, Check, Cluster, Endpoint, Group, Member, Role, Share, State, Text},
};

/// Whether an authority is the name of a farm.
pub(super) fn is(cx: &Cx, authority: &str) -> bool {
    let farms = cx.host.farms.iter().flat_map(Value::items);
    farms.into_iter().any(|farm| farm.value.text("name").eq_ignore_ascii_case(authority))
}

/// Lowers all farms.
pub(super) fn farms(cx: &mut Cx) {
    let host = cx.host;
    for farm in host.farms.iter().flat_map(Value::items) {
        if !farm.value.flag("enabled") {
            continue;
        }
        for secure in [false, true] {
            let cluster = one(cx, farm, secure);
            cx.config.clusters.push(cluster);
        }
    }
}

fn one(cx: &mut Cx, farm: &Item, secure: bool) -> Cluster {
    let value = &farm.value;
    let name = value.text("name").to_lowercase();
    let scheme = if secure { "https" } else { "http" };
    let url = format!("{scheme}://{name}");
    let routing = value.part("applicationRequestRouting");
    let balancing = routing.part("loadBalancing");
    let share = match balancing.text("algorithm").to_ascii_lowercase().as_str() {
        "weightedroundrobin" => Share::Requests,
        "weightedtotaltraffic" => Share::Traffic,
        "leastrequests" => Share::Busyness,
        other => {
            let message = format!("the algorithm `{other}` is not yet honoured");
            let found = Diagnostic::error("not-yet-honoured", balancing.place("algorithm"), message);
            cx.report(found.help("WeightedRoundRobin, WeightedTotalTraffic and LeastRequests are"));
            Share::Requests
        }
    };
    let affinity = routing.part("affinity");
    for attribute in ["useCookie", "useHostName"] {
        if affinity.flag(attribute) {
            let found = Diagnostic::error(
                "not-yet-honoured",
                affinity.place(attribute),
                "affinity is not yet honoured",
            );
            cx.report(found);
        }
    }
    let protocol = routing.part("protocol");
    let settings = proxy::forwarding(cx, &protocol);
    let check = health(&routing.part("healthCheck"));
    let endpoints = value.items().iter().map(|server| {
        let own = server.value.part("applicationRequestRouting");
        let port = own.number(if secure { "httpsPort" } else { "httpPort" });
        let port = u16::try_from(port).unwrap_or(if secure { 443 } else { 80 });
        let address = server.value.text("address").to_owned();
        let standard = port == if secure { 443 } else { 80 };
        let authority = if standard { address.clone() } else { format!("{address}:{port}") };
        let mut member = Member::plain(format!("{scheme}://{authority}"), authority.as_str(), secure);
        member.factor = u32::try_from(own.number("weight")).unwrap_or(100);
        member.state = State { disabled: !server.value.flag("enabled"), ..State::default() };
        member.settings = settings.clone();
        member.check.clone_from(&check);
        member.rest = Duration::from_secs(30);
        Endpoint {
            address: Text::from(format!("{address}:{port}")),
            default_port: port,
            weight: member.factor,
            max_connections: 0,
            max_fails: 0,
            fail_timeout: Duration::ZERO,
            role: Role::Active,
            resolve: false,
            member: Some(Box::new(member)),
            span: server.span,
        }
    });
    Cluster {
        name: url.as_str().into(),
        declared: true,
        balance: Balance::RoundRobin,
        idle: Some(proxy::idle()),
        shared: true,
        resolve: None,
        endpoints: endpoints.collect(),
        group: Some(Box::new(Group {
            share,
            alone: false,
            attempts: None,
            recover: false,
            ..Group::alone(url.as_str())
        })),
        span: farm.span,
    }
}

/// The URL test.
fn health(check: &Value) -> Option<Check> {
    let url = check.text("url");
    if url.is_empty() {
        return None;
    }
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    let target = behind.find('/').map_or("/", |at| &behind[at..]);
    Some(Check {
        method: Some("GET".into()),
        modern: true,
        target: target.into(),
        interval: check.time("interval").max(Duration::from_secs(1)),
        passes: 1,
        fails: 1,
        good: None,
    })
}
