//! What is shown of a certificate's status: `ssl_stapling` and what goes with it.

use std::path::PathBuf;

use super::{
    super::{super::values, Cx, Level},
    Directive,
};
use crate::{
    ir::{Staple, Text},
    source::Span,
};

/// What is written, handed down piece by piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    on: Option<Span>,
    file: Option<PathBuf>,
    responder: Option<Text>,
    verify: bool,
}

impl Written {
    /// What becomes of it, with the file of issuers that are trusted.
    pub(super) fn settle(&self, issuers: Option<&PathBuf>) -> Option<Staple> {
        let Self { on, file, responder, verify } = self;
        let of = |_| Staple {
            file: file.clone(),
            responder: responder.clone(),
            issuers: issuers.cloned(),
            verify: *verify,
        };
        on.map(of)
    }
}

/// `ssl_stapling on|off;`
pub(super) fn on(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(on)) = directive.args.first().map(|word| values::flag(&word.value)) {
        level.inherited.tls_written.staple.on = on.then(|| directive.head());
    }
}

/// `ssl_stapling_file file;`
pub(super) fn file(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.inherited.tls_written.staple.file = super::file(cx, word);
}

/// `ssl_stapling_responder url;`
pub(super) fn responder(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.inherited.tls_written.staple.responder = Some(Text(word.value.clone()));
}

/// `ssl_stapling_verify on|off;`
pub(super) fn verify(_: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(Ok(on)) = directive.args.first().map(|word| values::flag(&word.value)) {
        level.inherited.tls_written.staple.verify = on;
    }
}
