//! Any bytes as an nginx.conf: no panic, no hang, spans in order and in the file, findings that can be shown.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use triglot::diagnostic::render::{Colour, Format, render};
use triglot::dialect::nginx::parse;
use triglot::dialect::nginx::tree::{Body, Item};
use triglot::source::{SourceMap, Span};

fuzz_target!(|data: &[u8]| {
    let mut sources = SourceMap::new();
    let file = sources.add(PathBuf::from("nginx.conf"), data.to_vec());
    let (items, diagnostics) = parse::parse(&sources, file);
    if diagnostics.is_empty() {
        in_order(&items, 0, data.len() as u32);
    }
    for label in diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels) {
        within(label.span, 0, data.len() as u32);
    }
    // Showing costs a thousand times what reading does: only where it is short.
    if !diagnostics.is_empty() && data.len() < 200 {
        for format in [Format::Human, Format::Short, Format::Json] {
            assert!(!render(&sources, &diagnostics, format, Colour::Never).is_empty(), "nothing to show");
        }
    }
});

/// Every directive lies between its neighbours, and what it holds lies in it; a comment among the words of
/// a directive is an item after it, or the first in its block.
fn in_order(items: &[Item], mut from: u32, to: u32) {
    for item in items {
        match item {
            Item::Comment(span) => drop(within(*span, 0, to)),
            Item::Directive(directive) => {
                let end = within(directive.span, from, to);
                let mut at = within(directive.name.span, directive.span.start, end);
                for word in &directive.args {
                    at = within(word.span, at, end);
                }
                match &directive.body {
                    Body::Block(inner) => in_order(inner, at, end),
                    Body::Opaque(span) => drop(within(*span, at, end)),
                    Body::None | Body::Included(_) => {}
                }
                from = end;
            }
        }
    }
}

fn within(span: Span, from: u32, to: u32) -> u32 {
    assert!(
        from <= span.start && span.start <= span.end && span.end <= to,
        "{span:?} is not in {from}..{to}"
    );
    span.end
}
