//! `charset` and its kin: the character set in `Content-Type`.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_charset_module.html>

use super::{super::tree::Directive, Cx, Level, Lower, template, text};
use crate::{
    diagnostic::Diagnostic,
    ir::{Template, Text},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("charset", charset), ("charset_types", charset_types)];

/// `charset charset|off;` A name may only be a variable as a whole; `a$b` is text.
fn charset(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.set.answer.charset = Some(match word.value.as_slice() {
        b"off" => Template::default(),
        [b'$', ..] => template(cx, word),
        _ => {
            // A name that is written anywhere is one that an upstream may choose.
            let name = Text(word.value.to_ascii_lowercase());
            if !cx.config.charsets.contains(&name) {
                cx.config.charsets.push(name);
            }
            Template::text(text(word))
        }
    });
}

/// `charset_types type...;` `text/html` is always one of them.
fn charset_types(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let before = level.set.answer.charset_types.take();
    level.set.answer.charset_types = Some(type_list(cx, directive, before));
}

/// Types as `..._types` directives list them, after those `before` at the same level: `text/html` is always one of
/// them, `*` is all.
pub(super) fn type_list(cx: &mut Cx, directive: &Directive, before: Option<Vec<Text>>) -> Vec<Text> {
    if directive.args.iter().any(|word| word.is("*")) {
        return vec!["*".into()];
    }
    let mut types = before.unwrap_or_else(|| vec!["text/html".into()]);
    if types == [Text::from("*")] {
        return types;
    }
    for word in &directive.args {
        let name = Text(word.value.to_ascii_lowercase());
        if types.contains(&name) {
            let message = format!("`{}` is listed twice", word.text());
            let mut found = Diagnostic::warning("duplicate-type", word.span, message);
            if name.0 == b"text/html" {
                found = found.because("always one of them");
            }
            cx.report(found);
        } else {
            types.push(name);
        }
    }
    types
}
