//! The directives of the gRPC module that are more than a value.
//!
//! Observed (nginx 1.22.1): neither side's content is buffered, and it is whole
//! only when the client's stream ends; trailers pass to the client, whether it
//! asked for them or not. `:authority` is what `grpc_pass` names; a
//! `grpc_set_header Host` becomes a field `host` there and the `:authority`
//! here, which says the same (RFC 9113 § 8.3.1). `TE` is passed on as far as it
//! says `trailers`. A stream that ends with its head has content of length 0.
//! What an upstream refuses, resets or ends before its head is 502, and
//! another one is tried where `grpc_next_upstream` says so.
//!
//! Ahead of it: what an upstream that goes away has not begun with is sent to
//! it once more, trailers of the request are passed on, and requests share
//! connections where `keepalive` keeps any.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_grpc_module.html>

use super::{
    super::tree::Directive,
    Cx, Level, Lower,
    defaults::call_edits,
    gateway,
    proxy::{fields, tls},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("grpc_bind", gateway::bind),
    ("grpc_hide_header", gateway::hide),
    ("grpc_ignore_headers", gateway::ignore),
    ("grpc_next_upstream", gateway::next_upstream),
    ("grpc_pass", gateway::pass),
    ("grpc_pass_header", gateway::pass_field),
    ("grpc_set_header", set_header),
    ("grpc_socket_rcvbuf", gateway::socket_buffer),
    ("grpc_socket_sndbuf", gateway::socket_buffer),
    ("grpc_ssl_certificate", tls::certificate),
    ("grpc_ssl_certificate_key", tls::key),
    ("grpc_ssl_ciphers", tls::suites),
    ("grpc_ssl_conf_command", tls::conf_command),
    ("grpc_ssl_crl", tls::revoked),
    ("grpc_ssl_name", tls::name),
    ("grpc_ssl_password_file", tls::passwords),
    ("grpc_ssl_protocols", tls::protocols),
    ("grpc_ssl_trusted_certificate", tls::trusted),
    ("grpc_ssl_verify", tls::verify),
];

/// `grpc_set_header field value;` The first at a level drops those of the outer levels.
fn set_header(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut written = std::mem::take(&mut level.own.call_fields);
    fields::read(cx, &mut written, directive);
    level.set.grpc.edits = Some(fields::edits(&written, call_edits()));
    level.own.call_fields = written;
}
