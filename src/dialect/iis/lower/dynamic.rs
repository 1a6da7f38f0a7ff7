//! How much a client may ask for: `dynamicIpSecurity`, and how many requests a site answers at a time: `limits`.
//!
//! <https://learn.microsoft.com/iis/configuration/system.webserver/security/dynamicipsecurity/>. A client is its address;
//! in proxy mode the first one of `X-Forwarded-For`, where there is that field. More requests at a time than are allowed
//! are answered with 403.501, more in an interval with 403.502, as `denyAction` says otherwise; both are counted before
//! rules run. The original counts requests in intervals that follow each other; here a client that used up its interval
//! gets it back evenly (at the same rate). In logging-only mode nothing is refused. `maxConnections` of a site counts the
//! requests that it answers, idle connections are none.

use super::{Cx, Place, status::own};
use crate::{
    dialect::iis::site::Site,
    ir::{
        Asking, Attr, Choice, Part, Pattern, Register, Settings, Step, Template, Test, VarKind, Zone,
        settings::{ConcurrencyLimit, Level, Limits, RateLimit},
    },
    source::Span,
};

/// Clients that are remembered at a time.
const CLIENTS: u32 = 100_000;

/// Addresses of `X-Forwarded-For`.
const FORWARDED: Register = Register('F');

/// The limit of a site as a whole.
pub(super) fn of_site(cx: &mut Cx, site: &Site) -> Option<ConcurrencyLimit> {
    let limits = site.element.as_ref()?.part("limits");
    let most = u32::try_from(limits.number("maxConnections")).ok().filter(|most| *most != u32::MAX)?;
    let name = format!("connections of site {}", site.id);
    let zone = zone(cx, name, Template::text("all"), 0);
    Some(ConcurrencyLimit { zone, most, status: Some(503) })
}

/// Lays the limits of a place into its settings; a step where they are applied, if there are any.
pub(super) fn settings(cx: &mut Cx, place: &Place, settings: &mut Settings) -> Option<(Step, Span)> {
    let mut found = Vec::new();
    let section = place.site.section("system.webServer/security/dynamicIpSecurity", &place.path, &mut found);
    cx.found.append(&mut found);
    let (at_a_time, rate) = (section.part("denyByConcurrentRequests"), section.part("denyByRequestRate"));
    if !at_a_time.flag("enabled") && !rate.flag("enabled") {
        return None;
    }
    let status = |sub: u16| match section.text("denyAction").to_ascii_lowercase().as_str() {
        "abortrequest" => 444,
        "unauthorized" => own(401, sub),
        "notfound" => own(404, sub),
        _ => own(403, sub),
    };
    let client =
        if section.flag("enableProxyMode") { forwarded(cx) } else { Template::attr(Attr::ClientAddr) };
    let name = format!("of site {} {}", place.site.id, super::prefix(&place.path));
    let only_logged = section.flag("enableLoggingOnlyMode");
    let mut limits = Limits {
        rate_level: Some(Level::Warn),
        rate_dry_run: Some(only_logged),
        rate_status: Some(status(502)),
        concurrent_level: Some(Level::Warn),
        concurrent_dry_run: Some(only_logged),
        concurrent_status: Some(status(501)),
        ..Limits::default()
    };
    let of_site = of_site(cx, place.site);
    let mut concurrent: Vec<ConcurrencyLimit> = of_site.into_iter().collect();
    if at_a_time.flag("enabled") {
        let most = u32::try_from(at_a_time.number("maxConcurrentRequests")).unwrap_or(u32::MAX);
        let zone = zone(cx, format!("requests at a time {name}"), client.clone(), 0);
        concurrent.push(ConcurrencyLimit { zone, most, status: None });
    }
    limits.concurrent = Some(concurrent);
    if rate.flag("enabled") {
        let most = u64::try_from(rate.number("maxRequests")).unwrap_or(1).max(1);
        let interval = u64::try_from(rate.number("requestIntervalInMilliseconds")).unwrap_or(1).max(1);
        // Thousandths of a request in a second.
        let speed = (most.saturating_mul(1_000_000) / interval).max(1);
        let burst = (most - 1).saturating_mul(1000);
        let zone = zone(cx, format!("rate {name}"), client, speed);
        limits.rates = Some(vec![RateLimit { zone, burst, at_once: burst }]);
    }
    settings.limits = limits.into();
    Some((Step::Authorize(Asking::Always), section.span))
}

fn zone(cx: &mut Cx, name: String, key: Template, rate: u64) -> u32 {
    let zones = &mut cx.config.zones;
    let same = zones.iter().position(|zone| *zone.name == *name.as_bytes());
    let at = same.unwrap_or_else(|| {
        zones.push(Zone { name: name.into(), key, rate, entries: CLIENTS });
        zones.len() - 1
    });
    u32::try_from(at).unwrap_or_default()
}

/// One of the addresses of `X-Forwarded-For`: the group of a pattern; the client's own where there is none.
pub(super) fn forwarded_by(cx: &mut Cx, name: &str, pattern: &str) -> Template {
    let client = Template::attr(Attr::ClientAddr);
    let id = cx.var(name, || VarKind::Choice {
        choices: vec![Choice {
            test: Test::Match {
                subject: Template::attr(Attr::Field("x-forwarded-for".into())),
                pattern: Pattern::regex(pattern, false),
                into: Some(FORWARDED),
            },
            value: Template(vec![Part::Capture(FORWARDED, 1)]),
        }],
        default: client,
    });
    Template::var(id)
}

/// The first address of `X-Forwarded-For`, with no port, or the client's.
pub(super) fn forwarded(cx: &mut Cx) -> Template {
    forwarded_by(cx, "forwarded for", r"^\s*\[?([0-9]+\.[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)")
}

/// The last one.
pub(super) fn forwarded_last(cx: &mut Cx) -> Template {
    forwarded_by(
        cx,
        "forwarded for at last",
        r"(?:^|[,\s\[])([0-9]+\.[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)\]?(?::[0-9]+)?\s*$",
    )
}
