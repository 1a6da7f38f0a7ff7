//! `add_header`, `add_trailer`, `expires`: what is added to a response's head.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_headers_module.html>

mod expiry;
pub(super) mod more;

use super::{super::tree::Directive, Cx, Level, Lower, parameter, template, text};
use crate::{
    diagnostic::Diagnostic,
    ir::{Block, Edit, Expiry, Name, Step, Test},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("add_header", add_header), ("add_trailer", add_trailer), ("expires", expires)];

/// What a level adds to responses; each of the three is inherited for itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    expires: Option<(Expiry, Span)>,
    fields: Vec<Addition>,
    trailers: Vec<Addition>,
    /// Steps that come before, those of the outer levels first.
    more: Vec<(Step, Span)>,
}

#[derive(Clone, Debug)]
struct Addition {
    edit: Edit,
    /// To every response, whatever its status.
    always: bool,
    span: Span,
}

/// The statuses that get what is not added `always`.
const STATUSES: &[u16] = &[200, 201, 204, 206, 301, 302, 303, 304, 307, 308];

/// `add_header name value [always];` The first at a level drops those of the outer levels.
fn add_header(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if level.first("add_header") {
        level.inherited.added.fields.clear();
    }
    if let Some(addition) = addition(cx, directive, edit) {
        level.inherited.added.fields.push(addition);
    }
}

/// `add_trailer name value [always];` Likewise.
fn add_trailer(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if level.first("add_trailer") {
        level.inherited.added.trailers.clear();
    }
    if let Some(addition) = addition(cx, directive, Edit::Trailer) {
        level.inherited.added.trailers.push(addition);
    }
}

/// `expires [modified] time|epoch|max|off;`
fn expires(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if let Some(expiry) = expiry::expiry(cx, directive) {
        level.first("expires");
        level.inherited.added.expires = Some((expiry, directive.span));
    }
}

/// Writes the level's additions as steps, when it has any of its own.
pub(super) fn settle(_: &mut Cx, level: &mut Level) {
    if !["add_header", "add_trailer", "expires", "more_headers"].iter().any(|name| level.has(name)) {
        return;
    }
    let Added { expires, fields, trailers, more } = &level.inherited.added;
    let expires = expires
        .iter()
        .filter(|(expiry, _)| *expiry != Expiry::Off)
        .map(|(expiry, span)| Addition { edit: Edit::Expires(expiry.clone()), always: false, span: *span });
    let additions: Vec<Addition> =
        expires.chain(fields.iter().cloned()).chain(trailers.iter().cloned()).collect();
    let steps = additions.chunk_by(|one, next| one.always == next.always).flat_map(steps);
    let steps: Vec<(Step, Span)> = more.iter().cloned().chain(steps).collect();
    let blocks = if steps.is_empty() { Vec::new() } else { vec![Block { steps, ..Block::default() }] };
    level.set.answer.on_response = Some(blocks);
}

/// The steps of additions that are all for every response, or all not.
fn steps(additions: &[Addition]) -> Vec<(Step, Span)> {
    let edits = additions.iter().map(|addition| (Step::Edit(addition.edit.clone()), addition.span)).collect();
    match additions {
        [Addition { always: false, span, .. }, ..] => {
            let then = Block { steps: edits, span: *span, ..Block::default() };
            let test = Test::Status(STATUSES.to_vec());
            vec![(Step::When { test, then, otherwise: Block::default() }, *span)]
        }
        _ => edits,
    }
}

/// `Last-Modified` and `ETag` replace the field that is there; every other field stands beside it.
/// Observed: nginx 1.22.1.
fn edit(name: Name, value: crate::ir::Template) -> Edit {
    let replaces = name.is_field(b"last-modified") || name.is_field(b"etag");
    match (replaces, value.is_empty()) {
        (true, true) => Edit::Remove(name),
        (true, false) => Edit::Set(name, value),
        (false, _) => Edit::Add(name, value),
    }
}

fn addition(
    cx: &mut Cx,
    directive: &Directive,
    edit: fn(Name, crate::ir::Template) -> Edit,
) -> Option<Addition> {
    let [name, value, rest @ ..] = directive.args.as_slice() else { return None };
    let always = match rest.first() {
        None => false,
        Some(word) if word.is("always") => true,
        Some(_) => return None,
    };
    let name = text(name);
    if is_framing(&name) {
        let message = format!("`{name}` cannot be added to a response");
        cx.report(
            Diagnostic::warning("framing-field", directive.head(), message)
                .because("it tells where the content ends, which only the server that sends it knows"),
        );
        return None;
    }
    if name.is_empty() || name.iter().any(|byte| !is_token(*byte)) {
        let word = &directive.args[0];
        parameter::invalid(cx, word, "not the name of a field");
        return None;
    }
    Some(Addition { edit: edit(name, template(cx, value)), always, span: directive.span })
}

/// Whether a field says where a message ends (RFC 9112 § 6).
pub(super) fn is_framing(name: &Name) -> bool {
    name.is_field(b"content-length") || name.is_field(b"transfer-encoding")
}

/// Whether a byte may stand in a field name. Stricter than RFC 9110 § 5.6.2 in nothing, laxer in letting
/// every visible byte but `:` pass, as the original does.
pub(super) fn is_token(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && byte != b':'
}
