//! `proxy_pass` and the directives of its module that are more than a value.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_proxy_module.html>

mod cookie;
pub(super) mod fields;
mod pass;
mod redirect;
pub(super) mod tls;

use super::{super::tree::Directive, Cx, Level, Lower, gateway, template};
use crate::{
    diagnostic::Diagnostic,
    ir::{Edit, UrlMatch},
};

pub(super) use pass::Pass;
pub(super) use tls::Keys;

/// The directives of this folder.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("proxy_bind", gateway::bind),
    ("proxy_buffer_size", gateway::buffer_size),
    ("proxy_buffers", gateway::buffers),
    ("proxy_busy_buffers_size", gateway::busy_size),
    ("proxy_cookie_domain", cookie::domain),
    ("proxy_cookie_flags", cookie::flags),
    ("proxy_cookie_path", cookie::path),
    ("proxy_hide_header", gateway::hide),
    ("proxy_http_version", http_version),
    ("proxy_ignore_headers", gateway::ignore),
    ("proxy_limit_rate", gateway::limit_rate),
    ("proxy_max_temp_file_size", gateway::max_temp_file),
    ("proxy_method", method),
    ("proxy_next_upstream", gateway::next_upstream),
    ("proxy_pass", pass::pass),
    ("proxy_pass_header", gateway::pass_field),
    ("proxy_redirect", redirect::redirect),
    ("proxy_set_body", set_body),
    ("proxy_set_header", fields::set_header),
    ("proxy_ssl_certificate", tls::certificate),
    ("proxy_ssl_certificate_key", tls::key),
    ("proxy_ssl_ciphers", tls::suites),
    ("proxy_ssl_conf_command", tls::conf_command),
    ("proxy_ssl_crl", tls::revoked),
    ("proxy_ssl_name", tls::name),
    ("proxy_ssl_password_file", tls::passwords),
    ("proxy_ssl_protocols", tls::protocols),
    ("proxy_ssl_trusted_certificate", tls::trusted),
    ("proxy_ssl_verify", tls::verify),
    ("proxy_socket_rcvbuf", gateway::socket_buffer),
    ("proxy_socket_sndbuf", gateway::socket_buffer),
    ("proxy_temp_file_write_size", gateway::temp_write),
    ("proxy_temp_path", gateway::temp_path),
];

/// The edits of a response that a level hands down, each list inherited for itself; `None` is "not written".
#[derive(Clone, Debug, Default)]
pub(super) struct Mappings {
    /// `proxy_redirect`, the default one included once a `proxy_pass` has brought it.
    redirects: Option<Vec<Edit>>,
    domains: Vec<Edit>,
    paths: Vec<Edit>,
    flags: Vec<Edit>,
}

/// Completes what depends on the whole level: the default mapping of redirects, and keys.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    redirect::by_default(level);
    tls::settle(cx, level);
    let written = ["proxy_redirect", "proxy_cookie_domain", "proxy_cookie_path", "proxy_cookie_flags"];
    if !written.iter().any(|name| level.has(name)) {
        return;
    }
    let Mappings { redirects, domains, paths, flags } = &level.inherited.mappings;
    let edits = [redirects.as_deref().unwrap_or_default(), domains, paths, flags].concat();
    level.set.http.response_edits = Some(edits);
}

/// `proxy_http_version 1.0|1.1|2;`
fn http_version(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    match word.value.as_slice() {
        b"1.0" => level.set.http.version = Some(10),
        b"1.1" => level.set.http.version = Some(11),
        b"2" => level.set.http.version = Some(20),
        _ => {}
    }
}

/// `proxy_method method;`
fn method(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        level.set.http.method = Some(template(cx, word));
    }
}

/// `proxy_set_body value;`
fn set_body(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        level.set.http.content = Some(Some(template(cx, word)));
    }
}

/// What a mapping looks for: `~re`, `~*re`, or a text with variables.
fn url_match(cx: &mut Cx, word: &super::super::tree::Word) -> UrlMatch {
    match word.value.as_slice() {
        [b'~', b'*', ..] => UrlMatch::Pattern(super::regex(cx, word, 2, true), super::CAPTURES),
        [b'~', ..] => UrlMatch::Pattern(super::regex(cx, word, 1, false), super::CAPTURES),
        _ => UrlMatch::Text(template(cx, word)),
    }
}

/// Whether a directive is its own `off`. Beside another of its name at one level nginx calls it a duplicate.
fn off(cx: &mut Cx, level: &mut Level, directive: &Directive) -> Option<bool> {
    let name = directive.name();
    let off = directive.args.len() == 1 && directive.args[0].is("off");
    let off_before = format!("{name} off");
    if level.has(&off_before) || (off && level.has(name)) {
        let message = format!("`{name} off` beside another `{name}`");
        let found = Diagnostic::error("duplicate-directive", directive.head(), message);
        cx.report(found.because("one says that there is none, the other says one"));
        return None;
    }
    if off {
        level.first(&off_before);
    }
    Some(off)
}
