//! Certificates of clients: `ssl_verify_client` and what goes with it.
//!
//! Whoever is not believed is told so by an answer: 495, 496 where nothing was
//! shown, 421 where it was shown to another server of the same address.

use std::path::PathBuf;

use super::{
    super::{super::values, Cx, Kind, Level},
    Directive, file,
};
use crate::{diagnostic::Diagnostic, ir::ClientCertificates, source::Span};

/// What is written, handed down piece by piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    trusted: Option<PathBuf>,
    further: Option<PathBuf>,
    revoked: Option<PathBuf>,
    verify: Option<(Mode, Span)>,
    depth: Option<u32>,
}

/// How clients are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    On,
    Optional,
    OptionalNoCa,
}

impl Written {
    /// The file of `ssl_trusted_certificate`.
    pub(super) fn further(&self) -> Option<&PathBuf> {
        self.further.as_ref()
    }
}

/// `ssl_client_certificate file;`
pub(super) fn trusted(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.inherited.tls_written.clients.trusted = file(cx, word);
}

/// `ssl_trusted_certificate file;`
pub(super) fn further(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.inherited.tls_written.clients.further = file(cx, word);
}

/// `ssl_crl file;`
pub(super) fn revoked(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.inherited.tls_written.clients.revoked = file(cx, word);
}

/// `ssl_verify_client on|off|optional|optional_no_ca;`
pub(super) fn verify(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let mode = match word.value.to_ascii_lowercase().as_slice() {
        b"on" => Mode::On,
        b"optional" => Mode::Optional,
        b"optional_no_ca" => Mode::OptionalNoCa,
        _ => Mode::Off,
    };
    level.inherited.tls_written.clients.verify = Some((mode, word.span));
}

/// `ssl_verify_depth number;`
pub(super) fn depth(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(depth)) = directive.args.first().map(|word| values::number(&word.value)) {
        level.inherited.tls_written.clients.depth = Some(u32::try_from(depth).unwrap_or(u32::MAX));
    }
}

/// What a host asks of clients.
pub(super) fn settle(cx: &mut Cx, level: &Level) -> Option<ClientCertificates> {
    let Written { trusted, further, revoked, verify, depth } = &level.inherited.tls_written.clients;
    let (mode, span) = verify.filter(|(mode, _)| *mode != Mode::Off)?;
    if trusted.is_none() && mode != Mode::OptionalNoCa && level.kind == Kind::Server {
        let message = "no `ssl_client_certificate` for `ssl_verify_client`";
        cx.report(
            Diagnostic::error("no-client-certificate", span, message)
                .help("ssl_client_certificate /path/of/issuers.pem;"),
        );
    }
    Some(ClientCertificates {
        trusted: trusted.clone(),
        folder: None,
        further: further.clone(),
        revoked: revoked.clone(),
        required: mode == Mode::On,
        any: mode == Mode::OptionalNoCa,
        answered: true,
        depth: depth.unwrap_or(1),
    })
}
