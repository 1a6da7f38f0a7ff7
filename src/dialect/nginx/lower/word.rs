//! Words to texts, templates and patterns.
//!
//! Reference: <https://nginx.org/en/docs/varindex.html>; the syntax of
//! variables in a value is that of 1.22.1, observed.

use std::ops::Range;

use super::{super::tree::Word, CAPTURES, Cx};
use crate::{
    diagnostic::Diagnostic,
    ir::{Part, Pattern, Template, Text},
    source::Span,
};

/// The text of a word that has no variables.
pub(super) fn text(word: &Word) -> Text {
    Text(word.value.clone())
}

/// The value of a word with variables.
pub(super) fn template(cx: &mut Cx, word: &Word) -> Template {
    template_part(cx, word, 0..word.value.len())
}

/// The value of a part of a word with variables, as in `if=$value`; `range` is in the decoded text.
pub(super) fn template_part(cx: &mut Cx, word: &Word, range: Range<usize>) -> Template {
    let mut template = Template::default();
    for (part, _) in parts(cx, word, range) {
        template.push(part);
    }
    template
}

/// The regular expression that begins at byte `from` of a word. Its named groups become variables.
pub(super) fn regex(cx: &mut Cx, word: &Word, from: usize, ignore_case: bool) -> Pattern {
    let text = word.value.get(from..).unwrap_or_default();
    let mut pattern = Pattern::regex(text, ignore_case);
    for group in group_names(text) {
        let name = &text[group.clone()];
        let span = inside(cx, word, from + group.start..from + group.end);
        if let Some(var) = cx.define(name, span) {
            pattern.groups.push((name.into(), var));
        }
    }
    pattern
}

/// The parts of a value, each with where it starts in the decoded text.
pub(super) fn parts(cx: &mut Cx, word: &Word, range: Range<usize>) -> Vec<(Part, usize)> {
    let mut parts = Vec::new();
    let value = word.value.get(..range.end).unwrap_or(&word.value);
    let mut at = range.start.min(value.len());
    while at < value.len() {
        let rest = &value[at..];
        match variable(rest) {
            Lexed::Text(length) => {
                parts.push((Part::Text(rest[..length].into()), at));
                at += length;
            }
            Lexed::Capture(number) => {
                parts.push((Part::Capture(CAPTURES, number), at));
                at += 2;
            }
            Lexed::Name { name, length } => {
                let name = at + name.start..at + name.end;
                let span = inside(cx, word, at..at + length);
                if let Some(part) = cx.variable(&value[name], span) {
                    parts.push((part, at));
                }
                at += length;
            }
            Lexed::Unclosed(length) => {
                let span = inside(cx, word, at..at + length);
                let message = "the closing bracket of a variable is missing";
                cx.report(
                    Diagnostic::error("invalid-variable", span, message)
                        .help("a name is letters, digits and `_`: `${name}`"),
                );
                at += length;
            }
            Lexed::Invalid(length) => {
                let span = inside(cx, word, at..at + length);
                cx.report(
                    Diagnostic::error("invalid-variable", span, "`$` without the name of a variable")
                        .help("no escape makes a `$`; a `geo` variable can hold one: geo $dollar { default \"$\"; }"),
                );
                at += length;
            }
        }
    }
    parts
}

enum Lexed {
    /// So many bytes of text.
    Text(usize),
    /// `$1` to `$9`
    Capture(u8),
    /// A name, and the bytes of it all.
    Name { name: Range<usize>, length: usize },
    /// `${name` without its end, and the bytes of that.
    Unclosed(usize),
    /// `$` before anything else.
    Invalid(usize),
}

/// Looks at the start of a value, which is not empty.
fn variable(value: &[u8]) -> Lexed {
    match value {
        [b'$', digit @ b'1'..=b'9', ..] => Lexed::Capture(digit - b'0'),
        [b'$', b'{', rest @ ..] => {
            let length = name_length(rest);
            match rest.get(length) {
                _ if rest.is_empty() => Lexed::Invalid(2),
                Some(b'}') if length == 0 => Lexed::Invalid(3),
                Some(b'}') => Lexed::Name { name: 2..2 + length, length: length + 3 },
                _ => Lexed::Unclosed(2 + length),
            }
        }
        [b'$', rest @ ..] => match name_length(rest) {
            0 => Lexed::Invalid(1),
            length => Lexed::Name { name: 1..1 + length, length: 1 + length },
        },
        _ => Lexed::Text(memchr::memchr(b'$', value).unwrap_or(value.len())),
    }
}

fn name_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}

/// Where the names of named groups stand in a pattern: `(?<n>`, `(?P<n>`, `(?'n'`.
pub(super) fn group_names(pattern: &[u8]) -> Vec<Range<usize>> {
    groups(pattern).into_iter().flatten().collect()
}

/// The groups of a pattern that capture, each with where its name stands if it has one.
pub(super) fn groups(pattern: &[u8]) -> Vec<Option<Range<usize>>> {
    let mut groups = Vec::new();
    let mut at = 0;
    let mut class = false;
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => at += 1,
            b'[' if !class => {
                class = true;
                // A `]` that comes first is a member.
                let skip = usize::from(pattern.get(at + 1) == Some(&b'^'));
                if pattern.get(at + 1 + skip) == Some(&b']') {
                    at += 1 + skip;
                }
            }
            b']' => class = false,
            b'(' if !class => {
                let (start, close) = match &pattern[at..] {
                    [_, b'?', b'P', b'<', ..] => (at + 4, b'>'),
                    [_, b'?', b'<', ..] => (at + 3, b'>'),
                    [_, b'?', b'\'', ..] => (at + 3, b'\''),
                    _ => (pattern.len(), 0),
                };
                let length = pattern.get(start..).map_or(0, name_length);
                if length > 0 && pattern.get(start + length) == Some(&close) {
                    groups.push(Some(start..start + length));
                } else if !matches!(pattern.get(at + 1), Some(b'?' | b'*')) {
                    groups.push(None);
                }
            }
            _ => {}
        }
        at += 1;
    }
    groups
}

/// Where bytes of a word's decoded text stand in its file.
pub(super) fn inside(cx: &Cx, word: &Word, range: Range<usize>) -> Span {
    let raw = cx.sources.text(word.span);
    let mut offset = usize::from(word.quote.is_some());
    let mut start = None;
    let mut decoded = 0;
    while decoded < range.end {
        if decoded == range.start {
            start = Some(offset);
        }
        let escape =
            matches!(raw.get(offset..), Some([b'\\', b'"' | b'\'' | b'\\' | b't' | b'r' | b'n', ..]));
        offset += 1 + usize::from(escape);
        decoded += 1;
    }
    match start {
        Some(start) if offset <= raw.len() => {
            Span::new(word.span.file, word.span.start + start as u32, word.span.start + offset as u32)
        }
        _ => word.span,
    }
}
