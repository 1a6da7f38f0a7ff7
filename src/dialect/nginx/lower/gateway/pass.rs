//! `uwsgi_pass`, `fastcgi_pass`, `scgi_pass`, `memcached_pass`, `grpc_pass`: to whom; and the variables that are sent.
//!
//! Reference: <https://nginx.org/r/fastcgi_pass>; the forms and their errors: nginx 1.22.1, observed. Only uwsgi and gRPC
//! have schemes, and only memcached takes no variables.

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

/// `fastcgi_pass address;`, `uwsgi_pass [uwsgi://|suwsgi://]address;`, `grpc_pass [grpc://|grpcs://]address;` and the like.
pub(in super::super) fn pass(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let protocol = of(directive);
    let schemes: [&[u8]; 2] = match protocol {
        Protocol::Uwsgi => [b"suwsgi://", b"uwsgi://"],
        Protocol::Grpc => [b"grpcs://", b"grpc://"],
        _ => [b"", b""],
    };
    let is = |scheme: &[u8]| {
        let start = word.value.get(..scheme.len());
        !scheme.is_empty() && start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let (tls, skip) = match schemes {
        [secure, _] if is(secure) => (true, secure.len()),
        [_, plain] if is(plain) => (false, plain.len()),
        _ => (false, 0),
    };
    let dynamic = word.value.contains(&b'$');
    if tls || (dynamic && matches!(protocol, Protocol::Uwsgi | Protocol::Grpc)) {
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
