//! What the modules for upstreams have in common: fields of the response, retries, buffers.
//!
//! The directives differ in their prefix only; it says which group of settings they go to.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_proxy_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_uwsgi_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_fastcgi_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_scgi_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_memcached_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_grpc_module.html>

mod pass;

pub(super) use pass::{param, pass};

use super::{
    super::{
        tree::{Directive, Word},
        values,
    },
    Cx, Level, address,
    defaults::{self, CONTROLS},
    parameter, template, text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Name, Protocol, Template,
        settings::{Forwarding, Retry},
    },
    source::Span,
};

/// What is inherited in smaller pieces than settings are.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    hide: Vec<Name>,
    pass: Vec<Name>,
    sizes: Sizes,
    modifiers: (u8, u8),
}

/// Sizes as written; what is not written depends on the others.
#[derive(Clone, Debug, Default)]
struct Sizes {
    head: Option<(u64, Span)>,
    buffers: Option<((u32, u64), Span)>,
    busy: Option<(u64, Span)>,
    temp_write: Option<(u64, Span)>,
    max_temp_file: Option<(u64, Span)>,
}

const PAGE: u64 = 4096;
const MAX_TEMP_FILE: u64 = 1024 * 1024 * 1024;

/// The protocol of the module that a directive belongs to.
pub(super) fn of(directive: &Directive) -> Protocol {
    let prefix = directive.name().split('_').next().unwrap_or_default();
    Protocol::ALL.into_iter().find(|&protocol| self::prefix(protocol) == prefix).unwrap_or(Protocol::Http)
}

/// The prefix of a module's directives.
pub(super) fn prefix(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "proxy",
        gateway => gateway.group(),
    }
}

/// The settings that a directive goes to.
pub(super) fn set<'l>(level: &'l mut Level, directive: &Directive) -> &'l mut Forwarding {
    level.set.forwarding_mut(of(directive))
}

fn pieces(level: &mut Level, protocol: Protocol) -> &mut Pieces {
    &mut level.inherited.pieces[protocol as usize]
}

/// `proxy_hide_header field;` The first at a level drops those of the outer levels, not those of
/// `proxy_pass_header`.
pub(super) fn hide(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let side = of(directive);
    let first = level.first(directive.name());
    let pieces = pieces(level, side);
    if first {
        pieces.hide.clear();
    }
    pieces.hide.extend(directive.args.first().map(text));
    write_hidden(side, level);
}

/// `proxy_pass_header field;` Likewise. It wins over `proxy_hide_header`.
pub(super) fn pass_field(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let side = of(directive);
    let first = level.first(directive.name());
    let pieces = pieces(level, side);
    if first {
        pieces.pass.clear();
    }
    pieces.pass.extend(directive.args.first().map(text));
    write_hidden(side, level);
}

/// Writes down what is hidden by default or by name and not passed by name.
fn write_hidden(side: Protocol, level: &mut Level) {
    let by_default = defaults::hidden(side);
    let Pieces { hide, pass, .. } = pieces(level, side);
    let mut hidden: Vec<Name> = Vec::new();
    for name in by_default.iter().map(|&name| Name::from(name)).chain(hide.iter().cloned()) {
        let listed = |list: &[Name]| list.iter().any(|other| other.is_field(&name));
        if !listed(pass) && !listed(&hidden) {
            hidden.push(name);
        }
    }
    level.set.forwarding_mut(side).hide = Some(hidden);
}

/// Fields of a response that nginx only heeds for its cache.
const CACHE_FIELDS: &[&str] = &["Expires", "Cache-Control", "Set-Cookie", "Vary"];

/// `proxy_ignore_headers field...;`
pub(super) fn ignore(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut ignored: Vec<Name> = Vec::new();
    let mut controls = defaults::controls(of(directive));
    for word in &directive.args {
        let named = |name: &str| word.value.eq_ignore_ascii_case(name.as_bytes());
        if named("X-Accel-Expires") || CACHE_FIELDS.iter().any(|name| named(name)) {
            ignored.push(text(word));
        }
        if CONTROLS.iter().any(|(name, _)| named(name)) {
            controls.retain(|(name, _)| !name.is_field(&word.value));
        } else if !CACHE_FIELDS.iter().any(|name| named(name)) {
            parameter::invalid(cx, word, "not a field that directs the server");
        }
    }
    let settings = set(level, directive);
    settings.controls = Some(controls);
    settings.cache_ignores = Some(ignored);
}

/// `proxy_next_upstream error|timeout|...|off;`
pub(super) fn next_upstream(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut retry = Vec::new();
    let mut seen: Vec<&[u8]> = Vec::new();
    for word in &directive.args {
        if seen.contains(&word.value.as_slice()) {
            cx.warn("duplicate-value", word.span, format!("`{}` is given twice", word.text()));
            continue;
        }
        seen.push(&word.value);
        retry.push(match word.value.as_slice() {
            b"error" => Retry::Error,
            b"timeout" => Retry::Timeout,
            b"invalid_header" | b"invalid_response" => Retry::InvalidHead,
            b"non_idempotent" => Retry::NonIdempotent,
            b"http_403" => Retry::Status(403),
            b"http_404" | b"not_found" => Retry::Status(404),
            b"http_429" => Retry::Status(429),
            b"http_500" => Retry::Status(500),
            b"http_502" => Retry::Status(502),
            b"http_503" => Retry::Status(503),
            b"http_504" => Retry::Status(504),
            // `off` is looked at below; `updating` concerns a cache; of the rest the check speaks.
            _ => continue,
        });
    }
    if seen.contains(&b"off".as_slice()) {
        retry.clear();
    }
    set(level, directive).retry = Some(retry);
}

/// `proxy_bind address|off [transparent];`
pub(super) fn bind(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some((word, rest)) = directive.args.split_first() else { return };
    let off = word.is("off") && rest.is_empty();
    if !off && !word.value.contains(&b'$') && !address::is_ip_with_port(&word.value) {
        let message = format!("`{}` is no address", word.text());
        let found = Diagnostic::error("invalid-address", word.span, message);
        cx.report(found.because("expected an IP address, perhaps with a port"));
        return;
    }
    let value = if off { Template::default() } else { template(cx, word) };
    let set = set(level, directive);
    set.bind = Some(value);
    set.bind_transparent = Some(rest.first().is_some_and(|word| word.is("transparent")));
}

/// `proxy_socket_rcvbuf size|off;` and `proxy_socket_sndbuf`
pub(super) fn socket_buffer(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let value = if word.is("off") { Some(Template::default()) } else { parameter::bytes(cx, word) };
    let Some(value) = value else { return };
    let set = set(level, directive);
    if directive.name().ends_with("rcvbuf") {
        set.receive_buffer = Some(value);
    } else {
        set.send_buffer = Some(value);
    }
}

/// `proxy_temp_path path [level1 [level2 [level3]]];`
pub(super) fn temp_path(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        set(level, directive).temp_path = Some(cx.path(&word.value));
    }
}

/// `proxy_limit_rate rate;`
pub(super) fn limit_rate(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(rate) = directive.args.first().and_then(|word| parameter::bytes(cx, word)) {
        set(level, directive).limit_rate = Some(rate);
    }
}

/// `uwsgi_modifier1 number;` and `uwsgi_modifier2`, each inherited for itself.
pub(super) fn modifier(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let Ok(number) = values::number(&word.value) else { return };
    let Ok(number) = u8::try_from(number) else {
        cx.error("invalid-value", word.span, "a modifier is from 0 to 255");
        return;
    };
    let modifiers = &mut level.inherited.pieces[Protocol::Uwsgi as usize].modifiers;
    if directive.name() == "uwsgi_modifier1" {
        modifiers.0 = number;
    } else {
        modifiers.1 = number;
    }
    level.set.uwsgi.modifiers = Some(*modifiers);
}

/// `proxy_buffer_size size;`
pub(super) fn buffer_size(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(size) = size(level, directive) {
        pieces(level, of(directive)).sizes.head = Some((size, directive.head()));
    }
}

/// `proxy_buffers number size;`
pub(super) fn buffers(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let [number, size] = directive.args.as_slice() else { return };
    let (Ok(number), Ok(size)) = (values::number(&number.value), values::size(&size.value)) else { return };
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let side = of(directive);
    level.first(sized(side));
    pieces(level, side).sizes.buffers = Some(((number, size), directive.head()));
}

/// `proxy_busy_buffers_size size;`
pub(super) fn busy_size(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(size) = size(level, directive) {
        pieces(level, of(directive)).sizes.busy = Some((size, directive.head()));
    }
}

/// `proxy_temp_file_write_size size;`
pub(super) fn temp_write(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(size) = size(level, directive) {
        pieces(level, of(directive)).sizes.temp_write = Some((size, directive.head()));
    }
}

/// `proxy_max_temp_file_size size;`
pub(super) fn max_temp_file(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(size) = size(level, directive) {
        pieces(level, of(directive)).sizes.max_temp_file = Some((size, directive.head()));
    }
}

/// The size that a directive gives, which makes the level settle its sizes.
fn size(level: &mut Level, directive: &Directive) -> Option<u64> {
    let size = directive.args.first().map(|word: &Word| values::size(&word.value))?.ok()?;
    level.first(sized(of(directive)));
    Some(size)
}

/// What a level with sizes of its own is remembered by.
fn sized(side: Protocol) -> &'static str {
    match side {
        Protocol::Http => "proxy sizes",
        Protocol::Uwsgi => "uwsgi sizes",
        Protocol::FastCgi => "fastcgi sizes",
        Protocol::Scgi => "scgi sizes",
        Protocol::Memcached => "memcached sizes",
        Protocol::Grpc => "grpc sizes",
    }
}

/// Works out the sizes of a level that has any of its own, and whether they go together.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    for side in Protocol::ALL {
        if level.has(sized(side)) {
            settle_sizes(cx, level, side);
        }
    }
}

fn settle_sizes(cx: &mut Cx, level: &mut Level, side: Protocol) {
    let sizes = pieces(level, side).sizes.clone();
    let head = sizes.head.map_or(PAGE, |(size, _)| size);
    let (number, one) = sizes.buffers.map_or((8, PAGE), |(buffers, _)| buffers);
    let largest = head.max(one);
    let busy = sizes.busy.map_or(2 * largest, |(size, _)| size);
    let temp_write = sizes.temp_write.map_or(2 * largest, |(size, _)| size);
    let max_temp_file = sizes.max_temp_file.map_or(MAX_TEMP_FILE, |(size, _)| size);
    let prefix = prefix(side);

    let limit = u64::from(number.saturating_sub(1)).saturating_mul(one);
    let small = format!("less than one buffer, which has {largest} bytes");
    let fault = if number < 2 {
        Some((
            format!("there must be at least 2 `{prefix}_buffers`"),
            String::new(),
            sizes.buffers.map(|it| it.1),
        ))
    } else if busy < largest {
        Some((format!("`{prefix}_busy_buffers_size` is too small"), small, sizes.busy.map(|it| it.1)))
    } else if busy > limit {
        let message = format!("`{prefix}_busy_buffers_size` is more than all `{prefix}_buffers` but one");
        let written =
            if sizes.busy.is_some() { "it is" } else { "by default it is twice the largest buffer," };
        let why = format!("{written} {busy} bytes, and they have {limit}");
        Some((message, why, sizes.busy.or(sizes.head).map(|it| it.1).or(sizes.buffers.map(|it| it.1))))
    } else if temp_write < largest {
        Some((
            format!("`{prefix}_temp_file_write_size` is too small"),
            small,
            sizes.temp_write.map(|it| it.1),
        ))
    } else if max_temp_file != 0 && max_temp_file < largest {
        let message = format!("`{prefix}_max_temp_file_size` is too small");
        Some((message, format!("{small}; 0 turns temporary files off"), sizes.max_temp_file.map(|it| it.1)))
    } else {
        None
    };
    if let Some((message, why, span)) = fault {
        let mut found = Diagnostic::error("buffer-sizes", span.unwrap_or(level.span), message).because(why);
        if let (Some((_, head)), Some((_, buffers))) = (sizes.head, sizes.buffers) {
            for other in [head, buffers] {
                if span.is_none_or(|span| span.start != other.start || span.file != other.file) {
                    found = found.label(other, "");
                }
            }
        }
        cx.report(found);
        return;
    }
    let set = level.set.forwarding_mut(side);
    set.buffer_size = Some(head);
    set.buffers = Some((number, one));
    set.busy_size = Some(busy);
    set.temp_write = Some(temp_write);
    set.max_temp_file = Some(max_temp_file);
}
