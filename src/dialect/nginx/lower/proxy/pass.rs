//! `proxy_pass`: to whom, and with which request target.
//!
//! Reference: <https://nginx.org/r/proxy_pass>; the forms and their errors: nginx 1.22.1, observed.

use super::super::{
    super::tree::Directive,
    Cx, Kind, Level, Place,
    address::{self, Tail},
    parameter, template, text, upstream,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Forward, Handler, Protocol, Target, Template, Text, Upstream},
    source::Span,
};

/// What a level's `proxy_pass` is, for those that depend on it.
#[derive(Clone, Debug)]
pub(in super::super) enum Pass {
    /// It has no variables.
    Fixed(Fixed),
    /// It has; here.
    Dynamic(Span),
    /// It is another module's, over TLS or perhaps; here.
    Gateway(Protocol, Span),
}

/// A `proxy_pass` without variables.
#[derive(Clone, Debug)]
pub(in super::super) struct Fixed {
    /// The URL as written.
    pub(super) written: Template,
    /// The location's name, when the URL has a path in its place.
    pub(super) replaced: Option<Template>,
    /// Whether it is `https`.
    pub(super) tls: bool,
    /// Where the URL stands.
    pub(super) span: Span,
}

/// `proxy_pass URL;`
pub(super) fn pass(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    if word.value.contains(&b'$') {
        let to = Upstream::Dynamic(template(cx, word));
        level.own.pass = Some(Pass::Dynamic(word.span));
        level.set.handler = Some(forward(false, to, Target::Received));
        return;
    }
    let Some((tls, skip, port)) = scheme(&word.value) else {
        let message = "the URL of an upstream begins with `http://` or `https://`";
        let mut found = Diagnostic::error("invalid-url", word.span, message);
        if cx.clusters.contains_key(&word.value.to_ascii_lowercase()) {
            found = found.help(format!("`http://{}`", word.text()));
        } else if let Some((scheme, rest)) = ["http:/", "https:/", "ws://", "wss://", "ws:/", "wss:/"]
            .into_iter()
            .find_map(|scheme| Some((scheme, word.text().strip_prefix(scheme)?.to_owned())))
        {
            let meant = if scheme.contains('s') && !scheme.starts_with("ws:") { "https" } else { "http" };
            found = found.help(format!("`{meant}://{rest}`"));
            if scheme.starts_with("ws") {
                found =
                    found.help("WebSockets pass with `proxy_http_version 1.1`, `Upgrade` and `Connection`");
            }
        }
        cx.report(found);
        return;
    };
    let span = parameter::within(cx, word, skip..word.value.len());
    let address = match address::address(&word.value[skip..], Tail::Allowed) {
        Ok(address) => address,
        Err(why) => {
            cx.error("invalid-address", span, format!("{why} in the address of an upstream"));
            return;
        }
    };
    let end = skip + address.authority.len();
    let authority = parameter::within(cx, word, skip..end);
    let Some(cluster) = upstream::cluster(cx, &address, Some(port), authority) else { return };
    let mut fixed = Fixed { written: Template::text(text(word)), replaced: None, tls, span: word.span };
    let target = if address.rest.is_empty() {
        Target::Received
    } else {
        let Some(name) = replaceable(level) else {
            let span = parameter::within(cx, word, word.value.len() - address.rest.len()..word.value.len());
            unreplaceable(cx, level, span);
            return;
        };
        fixed.replaced = Some(Template::text(name.clone()));
        Target::Replace { cut: name.len() as u32, with: Template::text(address.rest) }
    };
    level.own.pass = Some(Pass::Fixed(fixed));
    level.set.handler = Some(forward(tls, Upstream::Cluster(cluster), target));
}

fn forward(tls: bool, to: Upstream, target: Target) -> Handler {
    Handler::Forward(Forward { protocol: Protocol::Http, tls, to, target })
}

/// Whether over TLS, the length of the scheme, and its port.
fn scheme(url: &[u8]) -> Option<(bool, usize, u16)> {
    let is = |scheme: &[u8]| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if is(b"http://") {
        Some((false, 7, 80))
    } else if is(b"https://") {
        Some((true, 8, 443))
    } else {
        None
    }
}

/// The name that a path in the URL takes the place of.
fn replaceable(level: &Level) -> Option<&Text> {
    match (level.kind, &level.place) {
        (Kind::Location, Place::Prefix(name) | Place::Exact(name)) => Some(name),
        _ => None,
    }
}

fn unreplaceable(cx: &mut Cx, level: &Level, span: Span) {
    let place = match (level.kind, &level.place) {
        (Kind::If, _) => "inside of `if`",
        (Kind::LimitExcept, _) => "inside of `limit_except`",
        (_, Place::Named(_)) => "in a named location",
        _ => "in a location given by a pattern",
    };
    let message = format!("`proxy_pass` cannot have a path {place}");
    cx.report(
        Diagnostic::error("path-in-upstream-url", span, message)
            .because("there is no prefix that it could take the place of")
            .help("leave it out and use `rewrite ... break`"),
    );
}
