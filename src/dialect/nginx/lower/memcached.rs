//! The directives of the memcached module that are more than a value.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_memcached_module.html>

use super::{super::tree::Directive, Cx, Level, Lower, gateway};
use crate::ir::Template;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("memcached_bind", gateway::bind),
    ("memcached_next_upstream", gateway::next_upstream),
    ("memcached_pass", pass),
];

/// `memcached_pass address;` The key is `$memcached_key`, which something has to set.
fn pass(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(key) = cx.variable(b"memcached_key", directive.head()) {
        level.set.memcached.key = Some(Template(vec![key]));
    }
    gateway::pass(cx, level, directive);
}
