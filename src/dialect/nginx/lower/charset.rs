//! `charset` and its kin: the character set in `Content-Type`, and recoding of content.
//!
//! Observed on nginx 1.22.1: content whose type is listed is recoded where its own set is known (from the `Content-Type`
//! of an upstream, which counts only with `override_charset`, else from `source_charset`) and is not the one asked for;
//! a pair without a `charset_map` is an error in the log, and the response goes as it is, with no set added. Where both
//! sets have one byte for each character, length and ranges stay; to or from UTF-8 there is neither. What a map does not
//! name is `?`, but for ASCII; from UTF-8 a character that the set has not is `&#1099;`, a broken one `?`.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_charset_module.html>

mod map;

use super::{
    super::tree::{Directive, Word},
    Cx, Level, Lower, template, text,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Template, Text},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("charset", charset),
    ("charset_map", map::charset_map),
    ("charset_types", charset_types),
    ("source_charset", source_charset),
];

/// The sets that are written out at a level and around it, and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    source: Option<(Text, Span)>,
    sent: Option<Text>,
}

/// `charset charset|off;` A name may only be a variable as a whole; `a$b` is text.
fn charset(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.first("charset sets");
    level.inherited.charsets.sent = literal(word);
    level.set.answer.charset = Some(match word.value.as_slice() {
        b"off" => Template::default(),
        [b'$', ..] => template(cx, word),
        _ => Template::text(spelling(cx, word)),
    });
}

/// `source_charset charset;`
fn source_charset(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    level.first("charset sets");
    level.inherited.charsets.source = literal(word).map(|name| (name, word.span));
    level.set.answer.source_charset = Some(match word.value.as_slice() {
        [b'$', ..] => template(cx, word),
        _ => Template::text(spelling(cx, word)),
    });
}

/// A name as it was written first; one that is written anywhere is one that an upstream may choose.
fn spelling(cx: &mut Cx, word: &Word) -> Text {
    let name = Text(word.value.to_ascii_lowercase());
    if !cx.config.charsets.contains(&name) {
        cx.config.charsets.push(name);
    }
    let written = cx.charset_names.iter().find(|known| known.eq_ignore_ascii_case(&word.value));
    if let Some(written) = written {
        return written.clone();
    }
    cx.charset_names.push(text(word));
    text(word)
}

/// The name of a set that is known from the start.
fn literal(word: &Word) -> Option<Text> {
    let known = !word.is("off") && word.value.first() != Some(&b'$');
    known.then(|| Text(word.value.to_ascii_lowercase()))
}

/// Remembers what a level would recode.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    if !level.has("charset sets") {
        return;
    }
    if let Sets { source: Some((source, span)), sent: Some(sent) } = &level.inherited.charsets
        && source != sent
    {
        cx.recoded.push((source.clone(), sent.clone(), *span));
    }
}

/// Says for which pairs of sets there is no map.
pub(super) fn require_maps(cx: &mut Cx) {
    let mut said: Vec<(Text, Text)> = Vec::new();
    for (from, to, span) in std::mem::take(&mut cx.recoded) {
        let known = cx.config.recodings.iter().any(|known| {
            (&known.from, &known.to) == (&from, &to) || (&known.from, &known.to) == (&to, &from)
        });
        if known || said.iter().any(|(known_from, known_to)| (known_from, known_to) == (&from, &to)) {
            continue;
        }
        let message = format!("no `charset_map` between the charsets `{from}` and `{to}`");
        cx.missing("no-charset-map", span, message);
        said.push((from, to));
    }
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
