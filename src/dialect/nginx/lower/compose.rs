//! Responses made of others: `ssi`, `add_before_body`, `add_after_body`; copies of requests: `mirror`.
//!
//! References: <https://nginx.org/en/docs/http/ngx_http_ssi_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_addition_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_mirror_module.html>

use super::{super::tree::Directive, Cx, Level, Lower, charset::type_list, text};
use crate::ir::Text;

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("add_after_body", around),
    ("add_before_body", around),
    ("addition_types", types),
    ("mirror", mirror),
    ("ssi_types", types),
];

/// `add_before_body uri;`, `add_after_body uri;` An empty one takes that of the outer level away.
fn around(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let rewriting = &mut level.set.rewriting;
    let place =
        if directive.name() == "add_before_body" { &mut rewriting.before } else { &mut rewriting.after };
    *place = Some(text(word));
}

/// `ssi_types type...;`, `addition_types type...;` `text/html` is always one of them.
fn types(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let ssi = directive.name() == "ssi_types";
    let rewriting = &mut level.set.rewriting;
    let place = if ssi { &mut rewriting.include_types } else { &mut rewriting.around_types };
    let before = place.take();
    let list = type_list(cx, directive, before);
    let rewriting = &mut level.set.rewriting;
    *(if ssi { &mut rewriting.include_types } else { &mut rewriting.around_types }) = Some(list);
}

/// `mirror uri|off;` The first at a level drops those of the outer levels.
fn mirror(_: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let copies: &mut Vec<Text> = level.set.content.copies.get_or_insert_default();
    if !word.is("off") {
        copies.push(text(word));
    }
}
