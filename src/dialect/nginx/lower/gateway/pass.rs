//! `uwsgi_pass`, `fastcgi_pass`, `scgi_pass`, `memcached_pass`: to whom; and the variables that are sent.
//!
//! Reference: <https://nginx.org/r/fastcgi_pass>; the forms and their errors: nginx 1.22.1, observed. Only uwsgi has
//! schemes, and only memcached takes no variables.

use super::{
    super::{
        super::tree::Directive,
        Cx, Level,
        address::{self, Tail},
        parameter, proxy, template, text, upstream,
    },
    of,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Forward, Handler, Protocol, Target, Upstream},
};

/// `fastcgi_pass address;`, `uwsgi_pass [uwsgi://|suwsgi://]address;` and the like.
pub(in super::super) fn pass(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let protocol = of(directive);
    let is = |scheme: &[u8]| {
        let start = word.value.get(..scheme.len());
        protocol == Protocol::Uwsgi && start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let (tls, skip) = if is(b"suwsgi://") {
        (true, b"suwsgi://".len())
    } else if is(b"uwsgi://") {
        (false, b"uwsgi://".len())
    } else {
        (false, 0)
    };
    let dynamic = word.value.contains(&b'$');
    if tls || (dynamic && protocol == Protocol::Uwsgi) {
        level.own.pass = Some(proxy::Pass::Gateway(protocol, word.span));
    }
    let to = if dynamic && protocol != Protocol::Memcached {
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
    level.set.handler = Some(Handler::Forward(Forward { protocol, tls, to, target: Target::Received }));
}

/// `fastcgi_param name value [if_not_empty];` The first at a level drops those of the outer levels.
pub(in super::super) fn param(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [name, value, rest @ ..] = directive.args.as_slice() else { return };
    // An empty `HTTP_NAME` is there to keep the client's field away.
    let hides = value.value.is_empty() && name.value.starts_with(b"HTTP_");
    let skip_empty = hides || rest.first().is_some_and(|word| word.is("if_not_empty"));
    let value = template(cx, value);
    super::set(level, directive).params.get_or_insert_default().push((text(name), value, skip_empty));
}
