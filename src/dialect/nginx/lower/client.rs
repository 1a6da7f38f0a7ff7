//! The client's connection and the request content.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_core_module.html>

use super::{
    super::{tree::Directive, values},
    Cx, Level, Lower, parameter, template, text,
};
use crate::{diagnostic::Diagnostic, ir::Text};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("client_body_in_file_only", body_in_file),
    ("client_body_temp_path", body_temp_path),
    ("early_hints", early_hints),
    ("keepalive_disable", keepalive_disable),
    ("keepalive_timeout", keepalive_timeout),
    ("large_client_header_buffers", large_header_buffers),
    ("limit_rate", limit_rate),
    ("limit_rate_after", limit_rate_after),
    ("lingering_close", lingering_close),
    ("server_tokens", server_tokens),
];

/// `early_hints string...;` Where it is not written, a proxy has to pass interim answers on (RFC 9110 § 15.2), as 1.22
/// does with what it takes for the answer; newer ones keep them back.
fn early_hints(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let hints: Vec<_> = directive.args.iter().map(|word| template(cx, word)).collect();
    level.set.answer.hints.get_or_insert_default().extend(hints);
}

/// Where a connection's memory comes from in nginx: a buffer may not be smaller than this.
const CONNECTION_POOL: u64 = 512;

/// `client_body_in_file_only off|on|clean;`
fn body_in_file(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.content.in_file = match word.value.to_ascii_lowercase().as_slice() {
        b"off" => Some(0),
        b"on" => Some(1),
        b"clean" => Some(2),
        _ => None,
    };
}

/// `client_body_temp_path path [level1 [level2 [level3]]];` The levels of folders are of no use to the
/// client: temporary files are removed from their folder as soon as they are open.
fn body_temp_path(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        level.set.content.temp_path = Some(cx.path(&word.value));
    }
}

/// `keepalive_disable none|browser...;`
fn keepalive_disable(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let browsers = directive.args.iter().filter(|word| !word.value.eq_ignore_ascii_case(b"none"));
    level.set.client.keepalive_disable =
        Some(browsers.map(|word| Text(word.value.to_ascii_lowercase())).collect());
}

/// `keepalive_timeout timeout [header_timeout];` A level without the second inherits it all the same.
fn keepalive_timeout(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let client = &mut level.set.client;
    client.keepalive_timeout = parameter::time(directive.args.first()).or(client.keepalive_timeout);
    if let Some(Ok(announce)) = directive.args.get(1).map(|word| values::seconds(&word.value)) {
        client.keepalive_announce = Some(Some(announce).filter(|announce| !announce.is_zero()));
    }
}

/// `large_client_header_buffers number size;`
fn large_header_buffers(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [number, size] = directive.args.as_slice() else { return };
    let (Ok(count), Ok(bytes)) = (values::number(&number.value), values::size(&size.value)) else { return };
    if bytes < CONNECTION_POOL && bytes > 0 {
        let message = format!("a buffer for a request head may not be smaller than {CONNECTION_POOL} bytes");
        cx.report(Diagnostic::error("small-buffer", size.span, message).help("the default is `4 8k`"));
        return;
    }
    level.set.client.large_head_buffers = Some((u32::try_from(count).unwrap_or(u32::MAX), bytes));
}

/// `limit_rate rate;`
fn limit_rate(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(rate) = directive.args.first().and_then(|word| parameter::bytes(cx, word)) {
        level.set.client.limit_rate = Some(rate);
    }
}

/// `limit_rate_after size;`
fn limit_rate_after(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(size) = directive.args.first().and_then(|word| parameter::bytes(cx, word)) {
        level.set.client.limit_rate_after = Some(size);
    }
}

/// `lingering_close off|on|always;`
fn lingering_close(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.client.lingering = match word.value.to_ascii_lowercase().as_slice() {
        b"off" => Some(0),
        b"on" => Some(1),
        b"always" => Some(2),
        _ => None,
    };
}

/// `server_tokens on|off|build;`
fn server_tokens(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let token = cx.options.token.as_str();
    let product = token.split_once('/').map_or(token, |(product, _)| product);
    level.set.answer.server = match text(word).to_ascii_lowercase().as_slice() {
        b"off" => Some(product.into()),
        b"on" | b"build" => Some(token.into()),
        _ => None,
    };
}
