//! `limit_req`, `limit_conn` and what they count in.
//!
//! Observed on nginx 1.22.1: a zone may be declared behind its use; the first
//! limit at a level drops those of the outer levels; a rate is kept in
//! thousandths of a request a second, so that 1r/m is 0.016.
//!
//! References: <https://nginx.org/en/docs/http/ngx_http_limit_req_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_limit_conn_module.html>

use super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx, Level, Lower,
    parameter::{invalid, invalid_value, named},
    template,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Template, Zone,
        settings::{ConcurrencyLimit, Level as LogLevel, Limits, RateLimit},
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("limit_req_zone", rate_zone),
    ("limit_req", rate),
    ("limit_req_status", status),
    ("limit_req_log_level", log_level),
    ("limit_conn_zone", concurrency_zone),
    ("limit_conn", concurrency),
    ("limit_conn_status", status),
    ("limit_conn_log_level", log_level),
];

/// Bytes that a key takes, about.
const ENTRY: u64 = 128;

/// The least size of a zone: eight pages.
const LEAST: u64 = 32 * 1024;

/// What is known of a zone while a configuration is read.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The module it is of: `limit_req` or `limit_conn`.
    module: &'static str,
    declared: Option<Span>,
    used: Vec<Span>,
}

/// Zones in the order of `Config::zones`.
pub(super) type Zones = Vec<Known>;

/// The place of a zone, which may be declared later.
fn zone(cx: &mut Cx, name: &[u8], module: &'static str) -> u32 {
    let known = cx.config.zones.iter().zip(&cx.zones);
    let found = known.enumerate().find(|(_, (zone, known))| *zone.name == *name && known.module == module);
    if let Some((at, _)) = found {
        return at as u32;
    }
    cx.config.zones.push(Zone { name: name.into(), key: Template::default(), rate: 0, entries: 0 });
    cx.zones.push(Known { module, declared: None, used: Vec::new() });
    cx.zones.len() as u32 - 1
}

/// Declares a zone: `name:size`.
fn declare(cx: &mut Cx, word: &Word, module: &'static str, key: &Word, rate: u64) {
    let Some(value) = named(word, "zone") else { return };
    let colon = memchr::memrchr(b':', value).filter(|&at| at > 0);
    let Some((name, size)) = colon.map(|at| (&value[..at], &value[at + 1..])) else {
        invalid_value(cx, word, "it must be `name:size`");
        return;
    };
    let Ok(size) = values::size(size) else {
        invalid_value(cx, word, "the size must be a number of bytes, or of `k` or `m`");
        return;
    };
    if size < LEAST {
        invalid_value(cx, word, "the zone is too small; 32k is the least");
        return;
    }
    let at = zone(cx, name, module);
    let declared = cx.zones.get_mut(at as usize).and_then(|zone| zone.declared.replace(word.span));
    if let Some(first) = declared {
        let message = format!("zone `{}` is declared twice", name.escape_ascii());
        cx.report(
            Diagnostic::error("duplicate-zone", word.span, message).label(first, "first declared here"),
        );
        return;
    }
    let key = template(cx, key);
    if let Some(zone) = cx.config.zones.get_mut(at as usize) {
        (zone.key, zone.rate) = (key, rate);
        zone.entries = u32::try_from(size / ENTRY).unwrap_or(u32::MAX);
    }
}

/// `limit_req_zone key zone=name:size rate=rate [sync];`
fn rate_zone(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let [key, rest @ ..] = directive.args.as_slice() else { return };
    let (mut declared, mut per_second) = (None, 1000);
    for word in rest {
        if named(word, "zone").is_some() {
            declared = Some(word);
        } else if let Some(text) = named(word, "rate") {
            let read = match text {
                [digits @ .., b'r', b'/', b'm'] => (digits, 60),
                text => (text.strip_suffix(b"r/s").unwrap_or(text), 1),
            };
            let number = values::number(read.0).ok().filter(|number| *number > 0);
            let number = number.and_then(|number| Some(number.checked_mul(1000)? / read.1));
            let Some(number) = number else {
                invalid_value(
                    cx,
                    word,
                    "it must be a number of requests a second or a minute: `5r/s`, `30r/m`",
                );
                return;
            };
            per_second = number;
        } else {
            invalid(cx, word, "expected `zone=name:size` or `rate=`");
            return;
        }
    }
    match declared {
        Some(word) => declare(cx, word, "limit_req", key, per_second),
        None => cx.error("missing-parameter", directive.head(), "`limit_req_zone` must have a `zone=`"),
    }
}

/// `limit_conn_zone key zone=name:size;`
fn concurrency_zone(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let [key, word] = directive.args.as_slice() else { return };
    if named(word, "zone").is_some() {
        declare(cx, word, "limit_conn", key, 0);
    } else {
        invalid(cx, word, "expected `zone=name:size`");
    }
}

/// Notes that a zone is used.
fn used(cx: &mut Cx, name: &[u8], module: &'static str, span: Span) -> u32 {
    let at = zone(cx, name, module);
    if let Some(zone) = cx.zones.get_mut(at as usize) {
        zone.used.push(span);
    }
    at
}

/// `limit_req zone=name [burst=number] [nodelay|delay=number];`
fn rate(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let (mut zone, mut burst, mut at_once) = (None, 0, Some(0));
    for word in &directive.args {
        let number = |name: &str| named(word, name).map(values::number);
        if let Some(name) = named(word, "zone") {
            zone = Some((name.to_vec(), word.span));
        } else if word.is("nodelay") {
            at_once = None;
        } else if let Some(number) = number("burst") {
            match number {
                Ok(number) if number > 0 => burst = number,
                _ => return invalid_value(cx, word, "it must be a number above zero"),
            }
        } else if let Some(number) = number("delay") {
            match number {
                Ok(number) if number > 0 => at_once = Some(number),
                _ => return invalid_value(cx, word, "it must be a number above zero"),
            }
        } else {
            return invalid(cx, word, "expected `zone=`, `burst=`, `delay=` or `nodelay`");
        }
    }
    let Some((name, span)) = zone else {
        cx.error("missing-parameter", directive.head(), "`limit_req` must have a `zone=`");
        return;
    };
    let zone = used(cx, &name, "limit_req", span);
    let rates = level.set.limits.rates.get_or_insert_default();
    if rates.iter().any(|limit| limit.zone == zone) {
        cx.error("duplicate-directive", directive.head(), "this zone has a limit here already");
        return;
    }
    let burst = burst.saturating_mul(1000);
    let at_once = at_once.map_or(burst, |number| number.saturating_mul(1000));
    rates.push(RateLimit { zone, burst, at_once });
}

/// `limit_conn zone number;`
fn concurrency(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [name, number] = directive.args.as_slice() else { return };
    let most = values::number(&number.value).ok().filter(|number| *number > 0);
    let Some(most) = most.and_then(|most| u16::try_from(most).ok()) else {
        cx.error("invalid-value", number.span, "it must be a number from 1 to 65535");
        return;
    };
    let zone = used(cx, &name.value, "limit_conn", name.span);
    let limits = level.set.limits.concurrent.get_or_insert_default();
    if limits.iter().any(|limit| limit.zone == zone) {
        cx.error("duplicate-directive", directive.head(), "this zone has a limit here already");
        return;
    }
    limits.push(ConcurrencyLimit { zone, most: u32::from(most), status: None });
}

/// `limit_req_status code;`, `limit_conn_status code;`
fn status(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let Ok(number) = values::number(&word.value) else { return };
    if !(400..=599).contains(&number) {
        cx.error("invalid-value", word.span, "value must be between 400 and 599");
        return;
    }
    let limits = &mut level.set.limits;
    let place = if directive.name() == "limit_req_status" {
        &mut limits.rate_status
    } else {
        &mut limits.concurrent_status
    };
    *place = Some(number as u16);
}

/// `limit_req_log_level level;`, `limit_conn_log_level level;`
fn log_level(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let read = match word.value.to_ascii_lowercase().as_slice() {
        b"info" => LogLevel::Info,
        b"notice" => LogLevel::Notice,
        b"warn" => LogLevel::Warn,
        _ => LogLevel::Error,
    };
    let limits = &mut level.set.limits;
    let place = if directive.name() == "limit_req_log_level" {
        &mut limits.rate_level
    } else {
        &mut limits.concurrent_level
    };
    *place = Some(read);
}

/// Says which zones nobody declares.
pub(super) fn require_zones(cx: &mut Cx) {
    for at in 0..cx.zones.len() {
        let Known { module, declared: None, used } = cx.zones[at].clone() else { continue };
        let Some((&first, others)) = used.split_first() else { continue };
        let message = format!("zero size shared memory zone `{}`", cx.config.zones[at].name);
        let mut found = Diagnostic::error("unknown-zone", first, message)
            .help(format!("declare it: {module}_zone $binary_remote_addr zone=...:10m"));
        for other in others {
            found = found.label(*other, "used here too");
        }
        if cx.options.offline {
            found.severity = crate::diagnostic::Severity::Note;
        }
        cx.report(found);
    }
}

/// What is in force where nothing is written.
pub(super) fn defaults() -> Limits {
    Limits {
        rates: Some(Vec::new()),
        rate_status: Some(503),
        rate_level: Some(LogLevel::Error),
        rate_dry_run: Some(false),
        concurrent: Some(Vec::new()),
        concurrent_status: Some(503),
        concurrent_level: Some(LogLevel::Error),
        concurrent_dry_run: Some(false),
        host_tally: Some(None),
        tally: Some(None),
    }
}
