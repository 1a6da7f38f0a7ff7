//! `uwsgi_pass` and the directives of its module that are more than a value.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_uwsgi_module.html>

use super::{
    super::tree::Directive,
    Cx, Level, Lower,
    address::{self, Tail},
    gateway, parameter, template, text, upstream,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Forward, Handler, Protocol, Target, Upstream},
};

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
    ("uwsgi_param", param),
    ("uwsgi_pass", pass),
    ("uwsgi_pass_header", gateway::pass_field),
    ("uwsgi_temp_file_write_size", gateway::temp_write),
    ("uwsgi_temp_path", gateway::temp_path),
];

/// `uwsgi_pass [uwsgi://|suwsgi://]address;`
fn pass(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let tls = starts_with(&word.value, b"suwsgi://");
    if tls {
        let message = "TLS towards uwsgi servers is not yet honoured";
        cx.refuse(Diagnostic::error("refused-scheme", word.span, message));
    }
    let skip = if tls {
        b"suwsgi://".len()
    } else if starts_with(&word.value, b"uwsgi://") {
        b"uwsgi://".len()
    } else {
        0
    };
    let to = if word.value.contains(&b'$') {
        Upstream::Dynamic(template(cx, word))
    } else {
        let span = parameter::within(cx, word, skip..word.value.len());
        match address::address(&word.value[skip..], Tail::Refused) {
            Ok(address) => match upstream::cluster(cx, &address, None, span) {
                Some(cluster) => Upstream::Cluster(cluster),
                None => return,
            },
            Err(why) => {
                let message = format!("{why} in the address of an upstream");
                cx.report(Diagnostic::error("invalid-address", span, message));
                return;
            }
        }
    };
    level.set.handler =
        Some(Handler::Forward(Forward { protocol: Protocol::Uwsgi, tls, to, target: Target::Received }));
}

/// `uwsgi_param name value [if_not_empty];` The first at a level drops those of the outer levels.
fn param(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [name, value, rest @ ..] = directive.args.as_slice() else { return };
    // An empty `HTTP_NAME` is there to keep the client's field away.
    let hides = value.value.is_empty() && name.value.starts_with(b"HTTP_");
    let skip_empty = hides || rest.first().is_some_and(|word| word.is("if_not_empty"));
    let value = template(cx, value);
    level.set.uwsgi.params.get_or_insert_default().push((text(name), value, skip_empty));
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}
