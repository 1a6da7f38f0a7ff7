//! The directives of the uwsgi module that are more than a value.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_uwsgi_module.html>

use super::{Lower, gateway, proxy::tls};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("uwsgi_bind", gateway::bind),
    ("uwsgi_buffer_size", gateway::buffer_size),
    ("uwsgi_buffers", gateway::buffers),
    ("uwsgi_busy_buffers_size", gateway::busy_size),
    ("uwsgi_hide_header", gateway::hide),
    ("uwsgi_ignore_headers", gateway::ignore),
    ("uwsgi_limit_rate", gateway::limit_rate),
    ("uwsgi_max_temp_file_size", gateway::max_temp_file),
    ("uwsgi_modifier1", gateway::modifier),
    ("uwsgi_modifier2", gateway::modifier),
    ("uwsgi_next_upstream", gateway::next_upstream),
    ("uwsgi_param", gateway::param),
    ("uwsgi_pass", gateway::pass),
    ("uwsgi_pass_header", gateway::pass_field),
    ("uwsgi_ssl_certificate", tls::certificate),
    ("uwsgi_ssl_certificate_key", tls::key),
    ("uwsgi_ssl_ciphers", tls::suites),
    ("uwsgi_ssl_conf_command", tls::conf_command),
    ("uwsgi_ssl_crl", tls::revoked),
    ("uwsgi_ssl_name", tls::name),
    ("uwsgi_ssl_password_file", tls::passwords),
    ("uwsgi_ssl_protocols", tls::protocols),
    ("uwsgi_ssl_trusted_certificate", tls::trusted),
    ("uwsgi_ssl_verify", tls::verify),
    ("uwsgi_socket_rcvbuf", gateway::socket_buffer),
    ("uwsgi_socket_sndbuf", gateway::socket_buffer),
    ("uwsgi_temp_file_write_size", gateway::temp_write),
    ("uwsgi_temp_path", gateway::temp_path),
];
