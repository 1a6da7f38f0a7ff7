//! `proxy_cache` and its kin for the gateways: which responses are kept, for how long, and where.
//!
//! Observed on nginx 1.22.1: a zone may be declared behind its use; without a key of its own `proxy_cache` takes
//! scheme, host and target as they are sent, the gateways' caches take nothing, of which nginx warns; `any` and the
//! three statuses `200 301 302` where none is written.
//!
//! References: <https://nginx.org/r/proxy_cache>, <https://nginx.org/r/proxy_cache_path>

use std::time::Duration;

use super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx, Level, Lower,
    gateway::{of, prefix, set},
    parameter::{invalid, invalid_value, named},
    template,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Cache, Name, Pace, Protocol, Stale, Template, Validity},
    source::Span,
};

macro_rules! table {
    ($($prefix:literal)*) => {
        &[$(
            (concat!($prefix, "_cache"), cache),
            (concat!($prefix, "_cache_background_update"), flag),
            (concat!($prefix, "_cache_bypass"), tests),
            (concat!($prefix, "_cache_key"), key),
            (concat!($prefix, "_cache_lock"), flag),
            (concat!($prefix, "_cache_lock_age"), time),
            (concat!($prefix, "_cache_lock_timeout"), time),
            (concat!($prefix, "_cache_max_range_offset"), range_offset),
            (concat!($prefix, "_cache_methods"), methods),
            (concat!($prefix, "_cache_min_uses"), min_uses),
            (concat!($prefix, "_cache_path"), path),
            (concat!($prefix, "_cache_revalidate"), flag),
            (concat!($prefix, "_cache_use_stale"), use_stale),
            (concat!($prefix, "_cache_valid"), valid),
            (concat!($prefix, "_no_cache"), tests),
        )*]
    };
}

/// The directives of this file, but for `proxy_cache_convert_head`.
pub(super) const TABLE: &[(&str, Lower)] = table!("proxy" "fastcgi" "scgi" "uwsgi");

/// What only HTTP has.
pub(super) const HTTP_TABLE: &[(&str, Lower)] = &[("proxy_cache_convert_head", flag)];

/// Bytes that a key takes in a zone, about.
const ENTRY: u64 = 128;

/// The least size of a zone: eight pages.
const LEAST: u64 = 32 * 1024;

/// What has been said of caches so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Where zones are used, by name.
    used: Vec<(Vec<u8>, &'static str, Span)>,
}

/// What a directive's name says behind the module's.
fn topic(directive: &Directive) -> &str {
    directive.name().split_once('_').map_or("", |(_, topic)| topic)
}

/// `proxy_cache zone|off;`
fn cache(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let protocol = of(directive);
    let on = !word.is("off");
    let value = if on { template(cx, word) } else { Template::default() };
    if on && value.as_text().is_some() {
        cx.caches.used.push((word.value.clone(), prefix(protocol), word.span));
    }
    level.inherited.cached[protocol as usize] = on.then_some(word.span);
    level.own.caches |= on;
    let stored = std::mem::take(&mut level.inherited.stored[protocol as usize]);
    let settings = set(level, directive);
    if on && settings.store.as_ref().is_some_and(|store| !store.is_empty()) {
        let prefix = prefix(protocol);
        let message = format!("`{prefix}_cache` and `{prefix}_store` at one level");
        cx.report(
            Diagnostic::error("store-and-cache", directive.head(), message)
                .because("a response is either stored or cached"),
        );
        return;
    }
    if on && stored {
        // What an outer level stores is not stored here.
        settings.store = Some(Template::default());
    }
    settings.cache = Some(value);
}

/// `proxy_cache_key string;`
fn key(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.inherited.keyed[of(directive) as usize] = true;
    set(level, directive).cache_key = Some(Some(template(cx, word)));
}

/// Says which cache has nothing to tell responses by.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    if !std::mem::take(&mut level.own.caches) {
        return;
    }
    for protocol in [Protocol::FastCgi, Protocol::Scgi, Protocol::Uwsgi] {
        let at = protocol as usize;
        let Some(span) = level.inherited.cached[at].filter(|_| !level.inherited.keyed[at]) else { continue };
        let prefix = prefix(protocol);
        cx.report(
            Diagnostic::warning(
                "no-cache-key",
                span,
                format!("no `{prefix}_cache_key` for `{prefix}_cache`"),
            )
            .because("all requests get the same response")
            .help(format!("{prefix}_cache_key $scheme$request_method$host$request_uri;")),
        );
    }
}

/// Flags.
fn flag(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let Ok(on) = values::flag(&word.value) else { return };
    let settings = set(level, directive);
    match topic(directive) {
        "cache_background_update" => settings.cache_background = Some(on),
        "cache_convert_head" => settings.cache_head_as_get = Some(on),
        "cache_lock" => settings.cache_lock = Some(on),
        _ => settings.cache_revalidate = Some(on),
    }
}

/// Times.
fn time(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let Ok(time) = values::time(&word.value) else { return };
    let settings = set(level, directive);
    match topic(directive) {
        "cache_lock_age" => settings.cache_lock_age = Some(time),
        _ => settings.cache_lock_timeout = Some(time),
    }
}

/// `proxy_cache_bypass string...;` and `proxy_no_cache`. The first at a level drops those of the outer levels.
fn tests(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let values: Vec<Template> = directive.args.iter().map(|word| template(cx, word)).collect();
    let settings = set(level, directive);
    let list =
        if topic(directive) == "no_cache" { &mut settings.cache_skip } else { &mut settings.cache_bypass };
    list.get_or_insert_default().extend(values);
}

/// `proxy_cache_max_range_offset number;`
fn range_offset(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let Ok(offset) = values::offset(&word.value) else { return };
    set(level, directive).cache_range_offset = Some(Some(offset));
}

/// `proxy_cache_methods GET|HEAD|POST...;` The first two are always among them.
fn methods(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut methods: Vec<Name> = vec!["GET".into(), "HEAD".into()];
    if directive.args.iter().any(|word| word.value.eq_ignore_ascii_case(b"post")) {
        methods.push("POST".into());
    }
    set(level, directive).cache_methods = Some(methods);
}

/// `proxy_cache_min_uses number;`
fn min_uses(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let Ok(number) = values::number(&word.value) else { return };
    set(level, directive).cache_min_uses = Some(u32::try_from(number).unwrap_or(u32::MAX));
}

/// `proxy_cache_use_stale error|timeout|...|off;`
fn use_stale(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut stale = Vec::new();
    for word in &directive.args {
        match word.value.to_ascii_lowercase().as_slice() {
            b"error" => stale.push(Stale::Error),
            b"timeout" => stale.push(Stale::Timeout),
            b"invalid_header" => stale.push(Stale::InvalidHead),
            b"updating" => stale.push(Stale::Updating),
            [b'h', b't', b't', b'p', b'_', digits @ ..] => {
                let status = values::number(digits).ok().and_then(|status| u16::try_from(status).ok());
                stale.extend(status.map(Stale::Status));
            }
            _ => {}
        }
    }
    set(level, directive).cache_stale = Some(stale);
}

/// `proxy_cache_valid [code...] time;` The first at a level drops those of the outer levels.
fn valid(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some((last, codes)) = directive.args.split_last() else { return };
    let Ok(lasts) = values::seconds(&last.value) else {
        let message = format!("invalid time value `{}`", last.text());
        return cx.error("invalid-value", last.span, message);
    };
    let mut statuses = Vec::new();
    if codes.is_empty() {
        statuses = vec![200, 301, 302];
    } else if !codes.iter().any(|word| word.is("any")) {
        for word in codes {
            let status = values::number(&word.value).ok().filter(|status| (100..=599).contains(status));
            let Some(status) = status else {
                let message = format!("invalid status `{}`", word.text());
                return cx.error("invalid-value", word.span, message);
            };
            statuses.push(status as u16);
        }
    }
    let validity = Validity { statuses, lasts };
    set(level, directive).cache_valid.get_or_insert_default().push(validity);
}

/// `proxy_cache_path path [levels=...] keys_zone=name:size [...];`
fn path(cx: &mut Cx, _: &mut Level, directive: &Directive) {
    let [folder, parameters @ ..] = directive.args.as_slice() else { return };
    let pace = Pace { files: 100, threshold: Duration::from_millis(200), sleep: Duration::from_millis(50) };
    let mut cache = Cache {
        name: Name::new(),
        folder: cx.path(&folder.value),
        levels: Vec::new(),
        entries: 0,
        inactive: Duration::from_mins(10),
        max_size: None,
        min_free: 0,
        manager: pace,
        loader: pace,
        span: directive.head(),
    };
    for word in parameters {
        if !path_parameter(cx, &mut cache, word) {
            return;
        }
    }
    if cache.entries == 0 {
        let message = format!("`{}` must have a `keys_zone=`", directive.name());
        return cx.report(
            Diagnostic::error("missing-parameter", directive.head(), message).help("keys_zone=name:10m"),
        );
    }
    if let Some(first) = cx.config.caches.iter().find(|known| known.name == cache.name) {
        let (message, first) = (format!("duplicate zone `{}`", cache.name), first.span);
        return cx.report(
            Diagnostic::error("duplicate-zone", directive.head(), message)
                .label(first, "first declared here"),
        );
    }
    cx.config.caches.push(cache);
}

/// Reads a parameter; false after a report.
fn path_parameter(cx: &mut Cx, cache: &mut Cache, word: &Word) -> bool {
    let Some(equals) = memchr::memchr(b'=', &word.value) else {
        invalid(cx, word, "expected `name=value`");
        return false;
    };
    let (name, value) = (&word.value[..equals], &word.value[equals + 1..]);
    let pace = if name.starts_with(b"loader") { &mut cache.loader } else { &mut cache.manager };
    let done = match name {
        b"levels" => levels(value).map(|levels| cache.levels = levels),
        b"use_temp_path" => values::flag(value).ok().map(drop),
        b"keys_zone" => return keys_zone(cx, cache, word),
        b"inactive" => values::seconds(value).ok().map(|time| cache.inactive = time),
        b"max_size" => values::offset(value).ok().map(|size| cache.max_size = Some(size)),
        b"min_free" => values::offset(value).ok().map(|size| cache.min_free = size),
        b"loader_files" | b"manager_files" => {
            let files = values::number(value).ok().and_then(|number| u32::try_from(number).ok());
            files.map(|files| pace.files = files)
        }
        b"loader_sleep" | b"manager_sleep" => values::time(value).ok().map(|time| pace.sleep = time),
        b"loader_threshold" | b"manager_threshold" => {
            values::time(value).ok().map(|time| pace.threshold = time)
        }
        b"purger" | b"purger_files" | b"purger_sleep" | b"purger_threshold" => {
            let message = format!("`{}` is not honoured", word.text());
            cx.refuse(
                Diagnostic::error("refused-parameter", word.span, message)
                    .because("a part of the commercial nginx: removing responses by a pattern"),
            );
            return false;
        }
        _ => {
            invalid(cx, word, "see https://nginx.org/r/proxy_cache_path");
            return false;
        }
    };
    if done.is_none() {
        invalid_value(cx, word, "not a value of this parameter");
    }
    done.is_some()
}

/// `1:2:2`: up to three levels of one or two digits.
fn levels(value: &[u8]) -> Option<Vec<u8>> {
    let levels: Option<Vec<u8>> = value
        .split(|byte| *byte == b':')
        .map(|level| match level {
            b"1" => Some(1),
            b"2" => Some(2),
            _ => None,
        })
        .collect();
    levels.filter(|levels| levels.len() <= 3)
}

/// `keys_zone=name:size`
fn keys_zone(cx: &mut Cx, cache: &mut Cache, word: &Word) -> bool {
    let value = named(word, "keys_zone").unwrap_or_default();
    let colon = memchr::memrchr(b':', value).filter(|&at| at > 0);
    let Some((name, size)) = colon.map(|at| (&value[..at], &value[at + 1..])) else {
        invalid_value(cx, word, "it must be `name:size`");
        return false;
    };
    let Ok(size) = values::size(size) else {
        invalid_value(cx, word, "the size must be a number of bytes, or of `k` or `m`");
        return false;
    };
    if size < LEAST {
        invalid_value(cx, word, "the zone is too small; 32k is the least");
        return false;
    }
    cache.name = name.into();
    cache.entries = size / ENTRY;
    true
}

/// Says which zones nobody declares.
pub(super) fn require_zones(cx: &mut Cx) {
    for (name, prefix, span) in std::mem::take(&mut cx.caches.used) {
        if cx.config.caches.iter().any(|cache| *cache.name == *name) {
            continue;
        }
        let shown = String::from_utf8_lossy(&name).into_owned();
        let mut found =
            Diagnostic::error("unknown-zone", span, format!("`{prefix}_cache` zone `{shown}` is unknown"))
                .help(format!("declare it: {prefix}_cache_path /var/cache/{shown} keys_zone={shown}:10m;"));
        if cx.options.offline {
            found.severity = crate::diagnostic::Severity::Note;
        }
        cx.report(found);
    }
}
