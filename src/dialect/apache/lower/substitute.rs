//! What is replaced in content: `Substitute`, where the filter `SUBSTITUTE` is asked for.
//!
//! Observed on 2.4.71: the substitutions of a section come before those around it, unless `SubstituteInheritBefore`
//! says otherwise; each line is one subject; a response with a line that is too long is broken off. A pattern that
//! matches nothing at all makes every answer 500 there; here it is replaced once at each place.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_substitute.html>

use super::{super::tree::Directive, Cx, Lower, Section, headers};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Kind, Pattern, Register, Syntax, Template,
        settings::{ContentEdit, ContentMatch, ContentPlace},
    },
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("Substitute", substitute),
    ("SubstituteInheritBefore", inherit_before),
    ("SubstituteMaxLineLength", max_line),
];

/// Captures of a substitution's pattern.
const MATCH: Register = Register('U');

/// `Substitute s/pattern/text/[infq]`
fn substitute(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let wrong = |message: &str| Diagnostic::error("invalid-value", word.span, message.to_owned());
    let text = word.value.as_slice();
    let Some(b's' | b'S') = text.first() else {
        return cx.report(wrong("Bad Substitute format, must be an s/// pattern"));
    };
    let mut parts = match text.get(1) {
        Some(delimiter) => text[2..].splitn(3, move |byte| byte == delimiter),
        None => return cx.report(wrong("Bad Substitute format, must be a complete s/// pattern")),
    };
    let (Some(from), Some(to)) = (parts.next().filter(|from| !from.is_empty()), parts.next()) else {
        return cx.report(wrong("Bad Substitute format, must be a complete s/// pattern"));
    };
    let (mut ignore_case, mut literal) = (false, false);
    for flag in parts.next().unwrap_or_default() {
        match flag.to_ascii_lowercase() {
            b'i' => ignore_case = true,
            b'n' => literal = true,
            // Whether the pieces of a line are put together again shows nowhere.
            b'f' | b'q' => {}
            _ => return cx.report(wrong("Bad Substitute flag, only s///[infq] are supported")),
        }
    }
    let (find, with) = if literal {
        (ContentMatch::Text(from.into(), ignore_case), Template::text(to))
    } else {
        let kind = Kind::Regex(Syntax::PerlWhole);
        let pattern = Pattern { kind, text: from.into(), ignore_case, groups: Vec::new() };
        let mut with = Template::default();
        headers::groups(to, MATCH, &mut with);
        (ContentMatch::Pattern(pattern, MATCH), with)
    };
    let edit =
        ContentEdit { place: ContentPlace::Line, find, with, when: None, given: None, most: 0, last: false };
    let rewriting = &mut section.set.rewriting;
    rewriting.edits.get_or_insert_default().push(edit);
    rewriting.edits_first.get_or_insert(true);
}

/// `SubstituteInheritBefore On|Off`
fn inherit_before(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.set.rewriting.edits_first = Some(!word.is("on"));
    }
}

/// `SubstituteMaxLineLength bytes[K|M|G]`
fn max_line(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let text = word.text().to_ascii_lowercase();
    let digits = text.trim_end_matches(|byte: char| !byte.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "b" => Some(1),
        "k" => Some(1 << 10),
        "m" => Some(1 << 20),
        "g" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit.and_then(|unit: u64| digits.parse::<u64>().ok()?.checked_mul(unit));
    match bytes {
        Some(bytes) => section.set.rewriting.max_line = Some(bytes),
        None => {
            let message = "SubstituteMaxLineLength must be a non-negative integer optionally suffixed with 'b', 'k', 'm' or 'g'.";
            cx.report(Diagnostic::error("invalid-value", word.span, message));
        }
    }
}
