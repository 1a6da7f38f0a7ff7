//! The directives of the `FastCGI` module that are more than a value.
//!
//! `$fastcgi_script_name` and `$fastcgi_path_info` are what `fastcgi_split_path_info` and `fastcgi_index` in force
//! where they are read make of the path. The groups of the pattern are read by number, and leave `$1` alone.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_fastcgi_module.html>

use super::{super::tree::Directive, Cx, Level, Lower, gateway, text, word::groups};
use crate::{diagnostic::Diagnostic, ir::Pattern};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("fastcgi_bind", gateway::bind),
    ("fastcgi_buffer_size", gateway::buffer_size),
    ("fastcgi_buffers", gateway::buffers),
    ("fastcgi_busy_buffers_size", gateway::busy_size),
    ("fastcgi_catch_stderr", catch_stderr),
    ("fastcgi_hide_header", gateway::hide),
    ("fastcgi_ignore_headers", gateway::ignore),
    ("fastcgi_limit_rate", gateway::limit_rate),
    ("fastcgi_max_temp_file_size", gateway::max_temp_file),
    ("fastcgi_next_upstream", gateway::next_upstream),
    ("fastcgi_param", gateway::param),
    ("fastcgi_pass", gateway::pass),
    ("fastcgi_pass_header", gateway::pass_field),
    ("fastcgi_split_path_info", split_path_info),
    ("fastcgi_socket_rcvbuf", gateway::socket_buffer),
    ("fastcgi_socket_sndbuf", gateway::socket_buffer),
    ("fastcgi_temp_file_write_size", gateway::temp_write),
    ("fastcgi_temp_path", gateway::temp_path),
];

/// `fastcgi_catch_stderr string;` The first at a level drops those of the outer levels.
fn catch_stderr(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        level.set.fastcgi.fatal_stderr.get_or_insert_default().push(text(word));
    }
}

/// `fastcgi_split_path_info regex;` The last at a level counts.
fn split_path_info(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let groups = groups(&word.value).len();
    if groups != 2 {
        let message = "the pattern that splits a path has two groups";
        let found = Diagnostic::error("invalid-pattern", word.span, message);
        cx.report(
            found
                .because(format!("this one has {groups}: the name of the script, and what follows it"))
                .help("fastcgi_split_path_info ^(.+\\.php)(/.*)$;"),
        );
        return;
    }
    level.set.fastcgi.script_split = Some(Some(Pattern::regex(word.value.as_slice(), false)));
}
