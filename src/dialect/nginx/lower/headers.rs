//! `add_header`, `add_trailer`, `expires`: what is added to a response's head.
//!
//! `add_header_inherit` and `add_trailer_inherit` (1.29.3): by default the first line of a level drops those of the
//! outer levels; with `merge` those of the outer levels stand behind the level's own; with `off` nothing is handed down.
//! The rule itself is handed down until another one is written.
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
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("add_header", add_header),
    ("add_header_inherit", inherit),
    ("add_trailer", add_trailer),
    ("add_trailer_inherit", inherit),
    ("expires", expires),
];

/// What a level adds to responses; each of the three is inherited for itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    expires: Option<(Expiry, Span)>,
    fields: Additions,
    trailers: Additions,
    /// Steps that come before, those of the outer levels first.
    more: Vec<(Step, Span)>,
}

/// What a level adds to one part of a response.
#[derive(Clone, Debug, Default)]
struct Additions {
    list: Vec<Addition>,
    /// Those of the outer levels, once the level has any of its own.
    outer: Vec<Addition>,
    rule: Rule,
}

/// What becomes of the additions of outer levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rule {
    /// They hold where a level has none.
    #[default]
    Unless,
    /// They come behind those of the level.
    Merge,
    /// They do not hold.
    Never,
}

impl Additions {
    /// Lets the rule decide about those of the outer levels.
    fn settle(&mut self, own: bool) {
        let outer = std::mem::take(&mut self.outer);
        match self.rule {
            Rule::Unless => {}
            Rule::Merge => self.list.extend(outer),
            Rule::Never if own => {}
            Rule::Never => self.list.clear(),
        }
    }
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
        let fields = &mut level.inherited.added.fields;
        fields.outer = std::mem::take(&mut fields.list);
    }
    if let Some(addition) = addition(cx, directive, edit) {
        level.inherited.added.fields.list.push(addition);
    }
}

/// `add_trailer name value [always];` Likewise.
fn add_trailer(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    if level.first("add_trailer") {
        let trailers = &mut level.inherited.added.trailers;
        trailers.outer = std::mem::take(&mut trailers.list);
    }
    if let Some(addition) = addition(cx, directive, Edit::Trailer) {
        level.inherited.added.trailers.list.push(addition);
    }
}

/// `add_header_inherit on|off|merge;` and `add_trailer_inherit`
fn inherit(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let rule = match word.value.to_ascii_lowercase().as_slice() {
        b"on" => Rule::Unless,
        b"merge" => Rule::Merge,
        b"off" => Rule::Never,
        _ => return,
    };
    let added = &mut level.inherited.added;
    let of = if directive.name() == "add_header_inherit" { &mut added.fields } else { &mut added.trailers };
    of.rule = rule;
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
    let (fields, trailers) = (level.has("add_header"), level.has("add_trailer"));
    let added = &mut level.inherited.added;
    let drops = (added.fields.rule == Rule::Never && !fields && !added.fields.list.is_empty())
        || (added.trailers.rule == Rule::Never && !trailers && !added.trailers.list.is_empty());
    added.fields.settle(fields);
    added.trailers.settle(trailers);
    if !drops && !["add_header", "add_trailer", "expires", "more_headers"].iter().any(|name| level.has(name))
    {
        return;
    }
    let Added { expires, fields, trailers, more } = &level.inherited.added;
    let expires = expires
        .iter()
        .filter(|(expiry, _)| *expiry != Expiry::Off)
        .map(|(expiry, span)| Addition { edit: Edit::Expires(expiry.clone()), always: false, span: *span });
    let additions: Vec<Addition> =
        expires.chain(fields.list.iter().cloned()).chain(trailers.list.iter().cloned()).collect();
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
