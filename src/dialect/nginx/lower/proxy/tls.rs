//! `proxy_ssl_*` and `uwsgi_ssl_*`: TLS towards upstreams.
//!
//! Reference: <https://nginx.org/r/proxy_ssl_verify>, <https://nginx.org/r/uwsgi_ssl_verify>

use super::{
    super::{
        super::{tree::Directive, values},
        Cx, Level,
        gateway::{self, of},
        template, tls,
    },
    Pass,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{ComputedCertificate, Protocol, Template},
    source::Span,
};

/// What must go together, as inherited.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Keys {
    verify: bool,
    trusted: bool,
    certificate: Option<Span>,
    key: bool,
    names: ComputedCertificate,
}

/// `proxy_ssl_certificate file;`
pub(in super::super) fn certificate(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    // An empty name takes an inherited one away.
    let none = word.value.is_empty();
    keys(level, directive).certificate = Some(word.span).filter(|_| !none);
    let name = if none { None } else { tls::Name::read(cx, word) };
    if name.is_some() || none {
        keys(level, directive).names.certificate = name.as_ref().map(tls::Name::computed).unwrap_or_default();
        compute(cx, level, directive, word.span);
        gateway::set(level, directive).tls_certificate = Some(name.and_then(tls::Name::into_file));
    }
}

/// Keeps the names of a certificate and its key together, where one of them depends on the request.
fn compute(cx: &Cx, level: &mut Level, directive: &Directive, span: Span) {
    let names = &mut keys(level, directive).names;
    (names.folder, names.span) = (cx.conf_path(b""), span);
    let depends = |name: &Template| name.as_text().is_none_or(|text| text.starts_with(b"data:"));
    let computed = (depends(&names.certificate) || depends(&names.key)).then(|| names.clone());
    gateway::set(level, directive).tls_computed = Some(computed);
}

/// `proxy_ssl_certificate_key file;`
pub(in super::super) fn key(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let none = word.value.is_empty();
    keys(level, directive).key = !none;
    let name = if none { None } else { tls::Name::read(cx, word) };
    if name.is_some() || none {
        keys(level, directive).names.key = name.as_ref().map(tls::Name::computed).unwrap_or_default();
        compute(cx, level, directive, word.span);
        gateway::set(level, directive).tls_key = Some(name.and_then(tls::Name::into_file));
    }
}

/// `proxy_ssl_trusted_certificate file;`
pub(in super::super) fn trusted(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let none = word.value.is_empty();
    keys(level, directive).trusted = !none;
    gateway::set(level, directive).tls_trusted =
        if none { Some(Vec::new()) } else { tls::file(cx, word).map(|file| vec![file]) };
}

/// `proxy_ssl_protocols version...;`
pub(in super::super) fn protocols(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(versions) = tls::versions(cx, directive) {
        gateway::set(level, directive).tls_versions = Some(versions);
    }
}

/// `proxy_ssl_ciphers list;` The suites of TLS 1.2; those of 1.3 are always offered.
pub(in super::super) fn suites(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(suites) = directive.args.first().and_then(|word| tls::read_suites(cx, word)) {
        let set = gateway::set(level, directive);
        let before = set.tls_suites.take().flatten();
        set.tls_suites = Some(Some(tls::with_suites(before, suites)));
    }
}

/// `proxy_ssl_conf_command name value;` What is said there of groups, suites and versions is said here.
pub(in super::super) fn conf_command(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let set = gateway::set(level, directive);
    let mut groups = set.tls_groups.clone().flatten();
    let mut versions = set.tls_versions.clone().unwrap_or_else(|| tls::VERSIONS.to_vec());
    let mut suites = set.tls_suites.clone().flatten();
    let before = (groups.clone(), versions.clone(), suites.clone());
    tls::command(cx, directive, &mut groups, &mut suites, &mut versions);
    let set = gateway::set(level, directive);
    if suites != before.2 {
        set.tls_suites = Some(suites);
    }
    if groups != before.0 {
        set.tls_groups = Some(groups);
    }
    if versions != before.1 {
        set.tls_versions = Some(versions);
    }
}

/// `proxy_ssl_crl file;`
pub(in super::super) fn revoked(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    gateway::set(level, directive).tls_revoked =
        if word.value.is_empty() { Some(None) } else { tls::file(cx, word).map(Some) };
}

/// `proxy_ssl_password_file file;`
pub(in super::super) fn passwords(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    gateway::set(level, directive).tls_passwords = tls::file(cx, word).map(|file| vec![file]);
}

/// `proxy_ssl_verify on|off;`
pub(in super::super) fn verify(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(verify)) = directive.args.first().map(|word| values::flag(&word.value)) {
        keys(level, directive).verify = verify;
        gateway::set(level, directive).tls_verify = Some(verify);
    }
}

/// `proxy_ssl_name name;`
pub(in super::super) fn name(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(word) = directive.args.first() {
        gateway::set(level, directive).tls_name = Some(template(cx, word));
    }
}

/// What the module of a directive has inherited.
fn keys<'l>(level: &'l mut Level, directive: &Directive) -> &'l mut Keys {
    &mut level.inherited.upstream_keys[of(directive) as usize]
}

/// Whether a level that speaks TLS to an upstream has what it needs.
pub(in super::super) fn settle(cx: &mut Cx, level: &mut Level) {
    let span = match &level.own.pass {
        Some(Pass::Fixed(pass)) if pass.tls => pass.span,
        // It may turn out to be.
        Some(Pass::Dynamic(span) | Pass::Gateway(_, span)) => *span,
        _ => return,
    };
    let protocol = match &level.own.pass {
        Some(Pass::Gateway(protocol, _)) => *protocol,
        _ => Protocol::Http,
    };
    let prefix = gateway::prefix(protocol);
    let Keys { verify, trusted, certificate, key, names: _ } =
        &level.inherited.upstream_keys[protocol as usize];
    if let (Some(certificate), false) = (certificate, key) {
        let message = format!("no `{prefix}_ssl_certificate_key` for this certificate");
        cx.report(Diagnostic::error("no-certificate-key", *certificate, message).label(span, "used here"));
    }
    if *verify && !trusted {
        let message = format!("`{prefix}_ssl_verify` without `{prefix}_ssl_trusted_certificate`");
        let found = Diagnostic::error("no-trusted-certificate", span, message);
        cx.report(
            found
                .because("nothing says which certificates of this upstream to trust")
                .help(format!("{prefix}_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;")),
        );
    }
}
