//! Certificates of https bindings: from the command line, since the original's are in a store of Windows.
//!
//! A binding with a host name and the SNI flag has a certificate of its own; one without the flag shares that of its
//! address and port with all names there (reference 3). `sslFlags`: 1 SNI, 2 central store, 4 no HTTP/2, 8 no stapling,
//! 16 no QUIC, 32 no TLS 1.3, 64 no old versions.

use std::path::PathBuf;

use super::{Cx, Place, bindings::Binding};
use crate::{
    diagnostic::{Diagnostic, Severity},
    dialect::iis::site::Site,
    ir::{ClientCertificates, HostTls},
    source::Span,
};

/// The flag of bindings that are chosen by the name in the handshake.
const SNI: i64 = 1;

/// The flag of those without TLS 1.3.
const NO_TLS_13: i64 = 32;

/// A binding over TLS.
pub(super) struct Secure<'a> {
    /// `ip:port:host` as it is written.
    pub(super) text: &'a str,
    /// The host name, lower case; empty for any.
    pub(super) name: &'a str,
    /// `sslFlags`.
    pub(super) flags: i64,
    /// Where it is written.
    pub(super) span: Span,
    /// Whether its site may ask clients for certificates.
    pub(super) asks: bool,
}

/// What is offered at a binding; `None` when there is no certificate for it, which is reported.
pub(super) fn offered(cx: &mut Cx, binding: &Secure) -> Option<HostTls> {
    let Secure { text, name, flags, span, asks } = *binding;
    let text = text.to_lowercase();
    let given = &cx.options.machine.certificates;
    let of = |wanted: &str| given.iter().find(|(known, ..)| known == wanted);
    let by_name = || if name.is_empty() { None } else { of(name) };
    let found = of(&text).or_else(by_name).or_else(|| of(""));
    let (chain, key) = if let Some((_, chain, key)) = found {
        (chain.clone(), key.clone())
    } else {
        let message = "certificates are in the original's own store, which is not here";
        let found = Diagnostic::error("no-certificate", span, message);
        let file = if name.is_empty() { "site".to_owned() } else { name.replace('*', "_") };
        if !cx.options.offline {
            cx.report(found.because("this binding has none").help(format!("give it one: `--certificate \"{text}={file}.pem,{file}.key\"`, or `--certificate {file}.pem,{file}.key` for all bindings")));
            return None;
        }
        // What is only read has one all the same: what it means does not depend on the machine.
        let (chain, key) = (format!("{file}.pem"), format!("{file}.key"));
        let found = Diagnostic { severity: Severity::Note, ..found };
        cx.report(found.because(format!("`{chain}` and `{key}` stand for the one of this binding")));
        (chain.into(), key.into())
    };
    let clients = match (&cx.options.machine.clients, asks) {
        (Some(trusted), true) => Some(ClientCertificates {
            trusted: Some(trusted.clone()),
            folder: None,
            further: None,
            revoked: None,
            required: false,
            any: false,
            answered: true,
            depth: 9,
        }),
        _ => None,
    };
    Some(HostTls {
        certificates: vec![(chain, key, span)],
        versions: if flags & NO_TLS_13 == 0 { vec![12, 13] } else { vec![12] },
        tickets: true,
        clients,
        ..HostTls::default()
    })
}

/// Versions are of an address here: TLS 1.3 is left out only where all of its bindings do without.
pub(super) fn agree(cx: &mut Cx, bindings: &mut [Binding]) {
    let has = |binding: &Binding| binding.tls.as_ref().is_some_and(|tls| tls.versions.contains(&13));
    if !bindings.iter().any(has) {
        return;
    }
    for binding in bindings {
        if let Some(tls) = binding.tls.as_mut().filter(|tls| !tls.versions.contains(&13)) {
            tls.versions = vec![12, 13];
            let message = "TLS 1.3 is offered at this binding";
            let found = Diagnostic::warning("shared-versions", binding.span, message);
            cx.report(
                found
                    .because("another binding of the address has it, and versions are decided for an address")
                    .help("add 32 to the `sslFlags` of all of them, or leave it out"),
            );
        }
    }
}

/// Whether a binding's certificate is its own, not that of its address.
pub(super) fn is_own(flags: i64) -> bool {
    flags & SNI != 0
}

/// The certificates of an offer, to compare.
pub(super) fn files(tls: Option<&HostTls>) -> Vec<(PathBuf, PathBuf, Vec<u8>)> {
    let of = |tls: &HostTls| {
        let all = tls.certificates.iter();
        all.map(|(chain, key, _)| (chain.clone(), key.clone(), tls.versions.clone())).collect()
    };
    tls.map(of).unwrap_or_default()
}

/// Whether any place of a site asks clients for certificates; without a file of who issues them that is refused.
pub(super) fn asks_clients(cx: &mut Cx, site: &Site) -> bool {
    let mut found = Vec::new();
    let mut asks = false;
    for path in site.places() {
        let place = Place { site, path };
        let access = site.section("system.webServer/security/access", &place.path, &mut found);
        let wants =
            ["SslNegotiateCert", "SslRequireCert"].iter().any(|flag| has(access.text("sslFlags"), flag));
        if !wants {
            continue;
        }
        asks = true;
        if cx.options.machine.clients.is_none() {
            let message =
                "who may issue the certificates of clients is in the original's own store, which is not here";
            let found = Diagnostic::error("no-client-certificates", access.place("sslFlags"), message);
            cx.report(if cx.options.offline {
                Diagnostic { severity: Severity::Note, ..found }
            } else {
                found.help("give the certificates of those who may: `--client-ca FILE`")
            });
            return false;
        }
    }
    asks
}

/// Whether a flag is in a list of flags.
pub(super) fn has(flags: &str, flag: &str) -> bool {
    flags.split(',').any(|one| one.trim().eq_ignore_ascii_case(flag))
}
