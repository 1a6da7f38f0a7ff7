//! The directives of the SCGI module that are more than a value.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_scgi_module.html>

use super::{Lower, gateway};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("scgi_bind", gateway::bind),
    ("scgi_buffer_size", gateway::buffer_size),
    ("scgi_buffers", gateway::buffers),
    ("scgi_busy_buffers_size", gateway::busy_size),
    ("scgi_hide_header", gateway::hide),
    ("scgi_ignore_headers", gateway::ignore),
    ("scgi_limit_rate", gateway::limit_rate),
    ("scgi_max_temp_file_size", gateway::max_temp_file),
    ("scgi_next_upstream", gateway::next_upstream),
    ("scgi_param", gateway::param),
    ("scgi_pass", gateway::pass),
    ("scgi_pass_header", gateway::pass_field),
    ("scgi_socket_rcvbuf", gateway::socket_buffer),
    ("scgi_socket_sndbuf", gateway::socket_buffer),
    ("scgi_temp_file_write_size", gateway::temp_write),
    ("scgi_temp_path", gateway::temp_path),
];
