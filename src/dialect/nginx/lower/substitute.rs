//! `sub_filter` and its kin: texts replaced in the content of responses.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_sub_module.html>

use super::{super::tree::Directive, Cx, Level, Lower, charset, template};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("sub_filter", sub_filter), ("sub_filter_types", types)];

/// `sub_filter string replacement;` The first at a level drops those of the outer levels.
fn sub_filter(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [find, with] = directive.args.as_slice() else { return };
    if find.value.is_empty() {
        cx.error("invalid-value", find.span, "empty search pattern");
        return;
    }
    let row = (template(cx, find), template(cx, with));
    level.set.rewriting.texts.get_or_insert_default().push(row);
}

/// `sub_filter_types type...;`
fn types(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let before = level.set.rewriting.types.take();
    level.set.rewriting.types = Some(charset::type_list(cx, directive, before));
}
