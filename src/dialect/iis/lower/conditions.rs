//! Conditions of rules and of preconditions, as one test (reference 5.5).
//!
//! `input` may be missing: it is then the path of the file that is asked for where a file is looked for ("URL Rewrite Module
//! Configuration Reference", rule conditions), and nothing elsewhere; the schema requires none. A path that is always empty,
//! as that of a variable that there is not, is decided here: no other server's file has a word for it.

use super::{
    CONDITION, Cx,
    expression::{self, Around},
    maps::Maps,
    pattern::{self, Reading},
};
use crate::{
    dialect::iis::{effective::Value, tree::Attribute},
    ir::{Attr, FileKind, Pattern, Register, Template, Test},
    source::Span,
};

/// The registers of conditions whose captures are all tracked.
const TRACKED: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// What conditions come to.
pub(super) enum Given {
    /// They hold whatever is asked.
    Always,
    /// They never hold.
    Never,
    /// They hold where this does.
    If(Test),
}

/// The conditions as one test; and, where all captures are tracked, where `{C:n}` is.
pub(super) fn conditions(
    cx: &mut Cx,
    conditions: &Value,
    reading: Reading,
    maps: &Maps,
    outbound: bool,
) -> (Given, Option<Vec<(Register, u8)>>) {
    let any = conditions.is("logicalGrouping", "MatchAny");
    let track = conditions.flag("trackAllCaptures") && !any;
    let mut tracked: Vec<(Register, u8)> = Vec::new();
    let mut tests = Vec::new();
    // Whether one was decided that decides all, or one was at all.
    let (mut decided, mut known) = (false, false);
    for (at, item) in conditions.items().iter().enumerate() {
        let value = &item.value;
        let negate = value.flag("negate");
        let around = Around { maps, tracked: track.then_some(tracked.as_slice()), outbound };
        let input = value.attribute("input").filter(|input| !input.value.is_empty());
        let subject = input.map(|input| expression::parse(cx, input, &around).template);
        let kind = match value.text("matchType").to_ascii_lowercase().as_str() {
            "isfile" => Some(FileKind::File),
            "isdirectory" => Some(FileKind::Directory),
            _ => None,
        };
        let test = if let Some(kind) = kind {
            let path = subject.map_or_else(|| Template::attr(Attr::FilePath), expression::as_path);
            if path.is_empty() {
                if any && negate && !tests.is_empty() {
                    // It decides for all, behind those whose captures are wanted.
                    let pattern = Pattern::regex("^", false);
                    tests.push(Test::Match { subject: Template::attr(Attr::Path), pattern, into: None });
                    continue;
                }
                known = true;
                decided |= negate == any;
                continue;
            }
            Test::File(path, kind)
        } else {
            let subject = subject.unwrap_or_default();
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
        };
        tests.push(if negate { Test::Not(Box::new(test)) } else { test });
    }
    let given = match tests.len() {
        _ if decided && any => Given::Always,
        _ if decided => Given::Never,
        0 if any && known => Given::Never,
        0 => Given::Always,
        1 => Given::If(tests.remove(0)),
        _ if any => Given::If(Test::Any(tests)),
        _ => Given::If(Test::All(tests)),
    };
    (given, track.then_some(tracked))
}

/// An attribute that is not written.
fn nothing(span: Span) -> Attribute {
    Attribute { name: String::new(), name_span: span, value: String::new(), value_span: span, literal: false }
}
