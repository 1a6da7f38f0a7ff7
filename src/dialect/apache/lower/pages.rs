//! `ErrorDocument`: what stands in place of an answer.
//!
//! Observed (2.4.71): the text of an `ErrorDocument` may have variables in it; a path is redirected to internally, as
//! `GET`; a URL is redirected to with 302, but for 401, where it does not count; `default` is the server's own page.
//! The directive of the innermost section counts.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/core.html#errordocument>

use super::{
    super::{expr::lower as expr, tree::Directive, tree::Written},
    Cx, Lower, Section,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Part, Recovery, RecoveryStatus, RecoveryTarget, Template},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("ErrorDocument", error_document)];

/// `ErrorDocument status "text|/path|URL|default`
fn error_document(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let raw = directive.raw.trimmed();
    let bytes = raw.bytes();
    let end = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
    let (code, rest) = (raw.slice(0..end), raw.slice(end..bytes.len()).trimmed());
    if rest.is_empty() {
        return cx.error("arguments", directive.head(), "ErrorDocument takes a status and a document");
    }
    let text = String::from_utf8_lossy(code.bytes()).into_owned();
    let number: u16 = text.parse().unwrap_or(0);
    // 500 stands for every number that it does not know.
    if !cx.config.reasons.iter().any(|(known, _)| *known == number) || !(300..600).contains(&number) {
        let message = format!("`{text}` is no status that an answer has in its place");
        return cx.report(Diagnostic::error("invalid-status", code.whole(), message));
    }
    let Some(to) = target(cx, &rest) else { return };
    let is_url = matches!(&to, RecoveryTarget::Redirect(to) if !begins_with_slash(to));
    if is_url && number == 401 {
        let message = "a URL in place of 401 is ignored: the client would never be asked for a password";
        return cx.warn("no-effect", rest.whole(), message);
    }
    let status = if is_url { RecoveryStatus::Set(302) } else { RecoveryStatus::Keep };
    let errors = section.set.answer.errors.get_or_insert_default();
    errors.retain(|known| known.statuses != [number]);
    errors.push(Recovery { statuses: vec![number], status, to });
}

fn begins_with_slash(template: &Template) -> bool {
    matches!(template.0.first(), Some(Part::Text(text)) if text.starts_with(b"/"))
}

/// What stands in place of an answer.
fn target(cx: &mut Cx, written: &Written) -> Option<RecoveryTarget> {
    let text = written.bytes();
    if let [quote @ (b'"' | b'\''), inner @ ..] = text {
        let end = if inner.last() == Some(quote) { inner.len() } else { inner.len() + 1 };
        let inner = written.slice(1..end);
        // What is quoted may be a path all the same: only a text has no slash or scheme at its beginning.
        if !(inner.bytes().starts_with(b"/") || has_scheme(inner.bytes())) {
            return Some(RecoveryTarget::Text(expr::template_of(cx, &unescaped(&inner))?));
        }
        return location(cx, &inner);
    }
    if text.eq_ignore_ascii_case(b"default") {
        return Some(RecoveryTarget::Page);
    }
    if text.starts_with(b"/") || has_scheme(text) {
        return location(cx, written);
    }
    Some(RecoveryTarget::Text(expr::template_of(cx, written)?))
}

fn location(cx: &mut Cx, written: &Written) -> Option<RecoveryTarget> {
    Some(RecoveryTarget::Redirect(expr::template_of(cx, written)?))
}

fn has_scheme(text: &[u8]) -> bool {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    letters > 0 && text[letters..].starts_with(b"://")
}

/// The text with `\"` as `"`.
fn unescaped(text: &Written) -> Written {
    let bytes = text.bytes();
    let mut out = Written::default();
    let mut from = 0;
    for at in memchr::memmem::find_iter(bytes, b"\\\"") {
        out.push(&bytes[from..at], text.span(from..at));
        from = at + 1;
    }
    out.push(&bytes[from..], text.span(from..bytes.len()));
    out
}
