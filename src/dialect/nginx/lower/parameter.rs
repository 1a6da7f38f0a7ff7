//! Arguments of the form `name=value`, and what is said of those that mean nothing.

use std::{ops::Range, time::Duration};

use super::{
    super::{tree::Word, values},
    Cx, template, word,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Template, Text},
    source::Span,
};

/// The value of `name=value`.
pub(super) fn named<'w>(word: &'w Word, name: &str) -> Option<&'w [u8]> {
    word.value.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// Where the value of `name=value` stands in the file.
pub(super) fn value_span(cx: &Cx, word: &Word) -> Span {
    let start = memchr::memchr(b'=', &word.value).map_or(0, |at| at + 1);
    within(cx, word, start..word.value.len())
}

/// Where a part of a word stands in the file; the whole word when the part is empty.
pub(super) fn within(cx: &Cx, word: &Word, range: Range<usize>) -> Span {
    if range.is_empty() { word.span } else { word::inside(cx, word, range) }
}

/// Says that an argument means nothing here.
pub(super) fn invalid(cx: &mut Cx, word: &Word, expected: &str) {
    let message = format!("invalid parameter `{}`", word.text());
    cx.report(Diagnostic::error("invalid-parameter", word.span, message).because(expected));
}

/// Says that a value of `name=value` is none of its kind.
pub(super) fn invalid_value(cx: &mut Cx, word: &Word, why: impl Into<String>) {
    let span = value_span(cx, word);
    let message = format!("invalid value in `{}`", word.text());
    cx.report(Diagnostic::error("invalid-value", span, message).because(why));
}

/// What a grammar makes of the value of `name=value`; `None` after a report.
pub(super) fn parsed<T>(
    cx: &mut Cx,
    word: &Word,
    name: &str,
    parse: fn(&[u8]) -> Result<T, values::Fault>,
) -> Option<T> {
    match parse(named(word, name)?) {
        Ok(value) => Some(value),
        Err(fault) => {
            invalid_value(cx, word, fault.to_string());
            None
        }
    }
}

/// A number of bytes, or a value that is one when it is read. What is wrong is for the check to say.
pub(super) fn bytes(cx: &mut Cx, word: &Word) -> Option<Template> {
    if word.value.contains(&b'$') {
        return Some(template(cx, word));
    }
    match values::size(&word.value) {
        Ok(0) => Some(Template::default()),
        Ok(size) => Some(Template::text(Text::from(size.to_string()))),
        Err(_) => None,
    }
}

/// A time of a whole word. What is wrong is for the check to say.
pub(super) fn time(word: Option<&Word>) -> Option<Duration> {
    values::time(&word?.value).ok()
}
