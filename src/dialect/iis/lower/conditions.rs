//! Conditions of rules and of preconditions, as one test (reference 5.5).

use super::{
    CONDITION, Cx,
    expression::{self, Around},
    maps::Maps,
    pattern::{self, Reading},
};
use crate::{
    dialect::iis::{effective::Value, tree::Attribute},
    ir::{FileKind, Register, Test},
    source::Span,
};

/// The registers of conditions whose captures are all tracked.
const TRACKED: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// The conditions as one test; and, where all captures are tracked, where `{C:n}` is.
pub(super) fn conditions(
    cx: &mut Cx,
    conditions: &Value,
    reading: Reading,
    maps: &Maps,
    outbound: bool,
) -> (Option<Test>, Option<Vec<(Register, u8)>>) {
    let any = conditions.is("logicalGrouping", "MatchAny");
    let track = conditions.flag("trackAllCaptures") && !any;
    let mut tracked: Vec<(Register, u8)> = Vec::new();
    let mut tests = Vec::new();
    for (at, item) in conditions.items().iter().enumerate() {
        let value = &item.value;
        let (Some(input), negate) = (value.attribute("input"), value.flag("negate")) else { continue };
        let around = Around { maps, tracked: track.then_some(tracked.as_slice()), outbound };
        let subject = expression::parse(cx, input, &around).template;
        let kind = value.text("matchType").to_ascii_lowercase();
        let test = match kind.as_str() {
            "isfile" => Test::File(expression::as_path(subject), FileKind::File),
            "isdirectory" => Test::File(expression::as_path(subject), FileKind::Directory),
            _ => {
                let empty = nothing(item.span);
                let written = value.attribute("pattern").unwrap_or(&empty);
                let Some(pattern) = pattern::pattern(cx, written, reading, value.flag("ignoreCase")) else {
                    continue;
                };
                let register = match TRACKED.get(at) {
                    Some(letter) if track => Register(char::from(*letter)),
                    _ => CONDITION,
                };
                if track && !negate {
                    let groups = pattern::groups(&written.value, reading);
                    // Only the first whole match has a number.
                    let first = u8::from(!tracked.is_empty());
                    tracked.extend((first..=groups).map(|group| (register, group)));
                }
                Test::Match { subject, pattern, into: (!negate).then_some(register) }
            }
        };
        tests.push(if negate { Test::Not(Box::new(test)) } else { test });
    }
    let test = match tests.len() {
        0 => None,
        1 => tests.pop(),
        _ if any => Some(Test::Any(tests)),
        _ => Some(Test::All(tests)),
    };
    (test, track.then_some(tracked))
}

/// An attribute that is not written.
fn nothing(span: Span) -> Attribute {
    Attribute { name: String::new(), name_span: span, value: String::new(), value_span: span, literal: false }
}
