//! `ExpiresActive`, `ExpiresByType`, `ExpiresDefault`.
//!
//! Observed (2.4.71): a response that has `Expires` keeps it. A type decides, then all types of its kind (`image/*`),
//! then the default.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_expires.html>

use super::{
    super::{tree::Directive, tree::Word},
    Cx, Lower, Phase, Section,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Block, Edit, Kind, Pattern, Step, Syntax, Template, Test},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("ExpiresActive", active), ("ExpiresByType", by_type), ("ExpiresDefault", default)];

/// What a section says of lifetimes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    pub(super) types: Vec<(Vec<u8>, Lifetime)>,
    pub(super) default: Option<Lifetime>,
}

/// How long a response may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    seconds: i64,
    from_modified: bool,
}

/// `ExpiresActive On|Off`
fn active(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let value = match directive.args.as_slice() {
        [word] if word.is("on") => "1",
        [word] if word.is("off") => "0",
        _ => return cx.error("arguments", directive.head(), "ExpiresActive takes `On` or `Off`"),
    };
    let step = Step::Assign { var: cx.own("@expires"), value: value.into() };
    section.hook(Phase::Env, step, directive.head());
}

/// `ExpiresByType type lifetime`
fn by_type(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [kind, words @ ..] = directive.args.as_slice() else { return };
    if let Some(lifetime) = lifetime(cx, directive, words) {
        let kind = kind.value.to_ascii_lowercase();
        section.own.expires.types.retain(|(known, _)| *known != kind);
        section.own.expires.types.push((kind, lifetime));
    }
}

/// `ExpiresDefault lifetime`
fn default(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(lifetime) = lifetime(cx, directive, &directive.args) {
        section.own.expires.default = Some(lifetime);
    }
}

/// `A3600`, `M3600`, `"access plus 1 month 2 days"`
fn lifetime(cx: &mut Cx, directive: &Directive, words: &[Word]) -> Option<Lifetime> {
    let [word] = words else {
        let message = format!("{} takes one lifetime", directive.name());
        let help = "put it in quotation marks: \"access plus 1 month\"";
        cx.report(Diagnostic::error("arguments", directive.head(), message).help(help));
        return None;
    };
    match parse(&word.text()) {
        Ok(lifetime) => Some(lifetime),
        Err(message) => {
            cx.report(Diagnostic::error("invalid-lifetime", word.span, message));
            None
        }
    }
}

fn parse(text: &str) -> Result<Lifetime, String> {
    if let Some(digits) = text.strip_prefix(['A', 'M'])
        && digits.starts_with(|c: char| c.is_ascii_digit())
    {
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        let seconds = digits.parse().unwrap_or(i64::from(i32::MAX));
        return Ok(Lifetime { seconds, from_modified: text.starts_with('M') });
    }
    let mut words = text.split_ascii_whitespace().peekable();
    let base = words.next().unwrap_or_default().to_ascii_lowercase();
    let from_modified = match base.as_str() {
        "now" | "access" => false,
        "modification" => true,
        other => return Err(format!("`{other}` is neither `access`, `now` nor `modification`")),
    };
    if words.peek().is_some_and(|word| word.eq_ignore_ascii_case("plus")) {
        words.next();
    }
    let mut seconds = 0i64;
    while let Some(number) = words.next() {
        let count: i64 = number.parse().map_err(|_| format!("`{number}` is no number"))?;
        let unit = words.next().ok_or_else(|| format!("a unit is missing after `{number}`"))?;
        let lower = unit.to_ascii_lowercase();
        let each = match lower.strip_suffix('s').unwrap_or(&lower) {
            "year" => 365 * 86_400,
            "month" => 30 * 86_400,
            "week" => 7 * 86_400,
            "day" => 86_400,
            "hour" => 3600,
            "minute" => 60,
            "second" => 1,
            _ => return Err(format!("`{unit}` is no unit of time")),
        };
        seconds = seconds.saturating_add(count.saturating_mul(each));
    }
    Ok(Lifetime { seconds, from_modified })
}

/// Makes a block of what a section says; what it does not say it has from the section around.
pub(super) fn settle(cx: &mut Cx, section: &mut Section) {
    let Own { types, default } = section.own.expires.clone();
    if types.is_empty() && default.is_none() {
        return;
    }
    let span = section.span;
    let edit = |lifetime: Lifetime| {
        let Lifetime { seconds, from_modified } = lifetime;
        Step::Edit(Edit::Lifetime { seconds, from_modified })
    };
    let block = |step| Block { steps: vec![(step, span)], span, ..Block::default() };
    let mut otherwise = default.map_or_else(Block::default, |lifetime| block(edit(lifetime)));
    // Those of a whole kind are asked last: they are wrapped first.
    let (kinds, exact): (Vec<_>, Vec<_>) = types.into_iter().partition(|(kind, _)| kind.ends_with(b"/*"));
    for (kind, lifetime) in kinds.into_iter().chain(exact) {
        let test = Test::Match {
            subject: Template::attr(Attr::SentField("Content-Type".into())),
            pattern: of_type(&kind),
            into: None,
        };
        let then = block(edit(lifetime));
        otherwise = block(Step::When { test, then, otherwise });
    }
    let test = Test::Truthy(Template::var(cx.own("@expires")));
    let step = Step::When { test, then: otherwise, otherwise: Block::default() };
    section.set.answer.on_response.get_or_insert_default().push(block(step));
}

/// A type with whatever parameters; `image/*` is every type of its kind.
fn of_type(kind: &[u8]) -> Pattern {
    let (text, end) = match kind.strip_suffix(b"*") {
        Some(start) => (start, ""),
        None => (kind, "[ \t]*(?:;|$)"),
    };
    let mut regex = "^".to_owned();
    for byte in text {
        let letter = char::from(*byte);
        if !letter.is_ascii_alphanumeric() {
            regex.push('\\');
        }
        regex.push(letter);
    }
    regex.push_str(end);
    let kind = Kind::Regex(Syntax::PerlWhole);
    Pattern { kind, text: regex.into(), ignore_case: true, groups: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read() {
        for (text, seconds, from_modified) in [
            ("A3600", 3600, false),
            ("M0", 0, true),
            ("access plus 1 month", 2_592_000, false),
            ("access plus 1 month 15 days 2 hours", 2_592_000 + 15 * 86_400 + 7200, false),
            ("modification plus 5 hours 3 minutes", 5 * 3600 + 180, true),
            ("now 1 year", 31_536_000, false),
            ("access", 0, false),
        ] {
            assert_eq!(parse(text), Ok(Lifetime { seconds, from_modified }), "{text}");
        }
        for text in ["later", "access plus x days", "access plus 1", "access plus 1 eon", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
