//! `error_page`: what becomes of a status about to be answered.
//!
//! Reference: <https://nginx.org/r/error_page>

use super::{super::tree::Directive, Cx, Level, Lower, parameter, template, text};
use crate::{
    diagnostic::Diagnostic,
    ir::{Recovery, RecoveryStatus, RecoveryTarget},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("error_page", error_page)];

/// Statuses that nginx only knows inside and sends as 400.
const SENT_AS_BAD_REQUEST: std::ops::RangeInclusive<u16> = 494..=497;

/// `error_page code... [=[response]] uri;` Of several for one code at a level the first counts; the
/// first at a level drops those of the outer levels.
fn error_page(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [codes @ .., uri] = directive.args.as_slice() else { return };
    let (codes, status) = match codes {
        [codes @ .., word] if word.value.first() == Some(&b'=') => {
            let status = match &word.value[1..] {
                [] => Some(RecoveryStatus::FromAnswer),
                digits => parse(digits).map(|status| match status {
                    0 => RecoveryStatus::FromAnswer,
                    status => RecoveryStatus::Set(status),
                }),
            };
            let Some(status) = status.filter(|_| !codes.is_empty()) else {
                return parameter::invalid(
                    cx,
                    word,
                    "expected codes, then `=`, `=code` or nothing, then a URI",
                );
            };
            (codes, Some(status))
        }
        codes => (codes, None),
    };
    if let Some(word) = codes.iter().find(|word| word.value.first() == Some(&b'=')) {
        let message = format!("invalid status code `{}`", word.text());
        let found = Diagnostic::error("invalid-status", word.span, message);
        cx.report(found.because("the code of the answer sticks to its sign: `=200`, after all others"));
        return;
    }
    let mut plain = Vec::new();
    let mut inner = Vec::new();
    for word in codes {
        match parse(&word.value) {
            Some(code) if code != 499 && (300..=599).contains(&code) => {
                if SENT_AS_BAD_REQUEST.contains(&code) && status.is_none() {
                    inner.push(code);
                } else {
                    plain.push(code);
                }
            }
            found => {
                let why = match found {
                    Some(499) => "a client that left gets no page",
                    Some(_) => "it must be between 300 and 599",
                    None => "not a status code",
                };
                let message = format!("invalid status code `{}`", word.text());
                let mut found = Diagnostic::error("invalid-status", word.span, message).because(why);
                if word.value.contains(&b'/') {
                    found = found.help("one URI, after all the codes");
                }
                cx.report(found);
            }
        }
    }
    // Whether a value with variables is a path, a named location or a URL shows only when it is read.
    let to = if uri.value.first() == Some(&b'@') && !uri.value.contains(&b'$') {
        RecoveryTarget::Enter(text(uri))
    } else {
        RecoveryTarget::Redirect(template(cx, uri))
    };
    let errors = level.set.answer.errors.get_or_insert_default();
    if !plain.is_empty() {
        let status = status.unwrap_or(RecoveryStatus::Keep);
        errors.push(Recovery { statuses: plain, status, to: to.clone() });
    }
    if !inner.is_empty() {
        errors.push(Recovery { statuses: inner, status: RecoveryStatus::Set(400), to });
    }
}

fn parse(digits: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
