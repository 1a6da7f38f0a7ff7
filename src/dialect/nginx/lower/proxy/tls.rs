//! `proxy_ssl_*`: TLS towards upstreams.
//!
//! Reference: <https://nginx.org/r/proxy_ssl_verify>

use super::{
    super::{
        super::{tree::Directive, values},
        Cx, Level, tls,
    },
    Pass,
};
use crate::{diagnostic::Diagnostic, source::Span};

/// What must go together, as inherited.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Keys {
    verify: bool,
    trusted: bool,
    certificate: Option<Span>,
    key: bool,
}

/// `proxy_ssl_certificate file;`
pub(super) fn certificate(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    // An empty name takes an inherited one away.
    let none = word.value.is_empty();
    level.inherited.proxy_keys.certificate = Some(word.span).filter(|_| !none);
    level.set.http.tls_certificate = if none { Some(None) } else { tls::file(cx, word).map(Some) };
}

/// `proxy_ssl_certificate_key file;`
pub(super) fn key(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let none = word.value.is_empty();
    level.inherited.proxy_keys.key = !none;
    level.set.http.tls_key = if none { Some(None) } else { tls::file(cx, word).map(Some) };
}

/// `proxy_ssl_trusted_certificate file;`
pub(super) fn trusted(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let none = word.value.is_empty();
    level.inherited.proxy_keys.trusted = !none;
    level.set.http.tls_trusted = if none { Some(None) } else { tls::file(cx, word).map(Some) };
}

/// `proxy_ssl_protocols version...;`
pub(super) fn protocols(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(versions) = tls::versions(cx, directive) {
        level.set.http.tls_versions = Some(versions);
    }
}

/// `proxy_ssl_verify on|off;`
pub(super) fn verify(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(verify)) = directive.args.first().map(|word| values::flag(&word.value)) {
        level.inherited.proxy_keys.verify = verify;
        level.set.http.tls_verify = Some(verify);
    }
}

/// Whether a level that speaks TLS to an upstream has what it needs.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    let span = match &level.own.pass {
        Some(Pass::Fixed(pass)) if pass.tls => pass.span,
        // It may turn out to be.
        Some(Pass::Dynamic(span)) => *span,
        _ => return,
    };
    let Keys { verify, trusted, certificate, key } = &level.inherited.proxy_keys;
    if let (Some(certificate), false) = (certificate, key) {
        let message = "no `proxy_ssl_certificate_key` for this certificate";
        cx.report(Diagnostic::error("no-certificate-key", *certificate, message).label(span, "used here"));
    }
    if *verify && !trusted {
        let message = "`proxy_ssl_verify` without `proxy_ssl_trusted_certificate`";
        let found = Diagnostic::error("no-trusted-certificate", span, message);
        cx.report(
            found
                .because("nothing says which certificates of this upstream to trust")
                .help("proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;"),
        );
    }
}
