//! Any bytes as an httpd.conf or .htaccess: no panic, no hang, spans in the file, findings that can be shown.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use triglot::diagnostic::render::{Colour, Format, render};
use triglot::dialect::apache::{
    check, load, parse,
    tree::{Body, Item},
};
use triglot::source::{SourceMap, Span};

fuzz_target!(|data: &[u8]| {
    let mut sources = SourceMap::new();
    let file = sources.add(PathBuf::from(".htaccess"), data.to_vec());
    let end = data.len() as u32;
    let (items, diagnostics) = parse::parse(&sources, file);
    spans(&items, end);
    let surroundings = load::Surroundings::default();
    let loaded = load::load_htaccess(&mut sources, file, &surroundings);
    spans(&loaded.items, end);
    let allowed = check::Allowed::all();
    let options =
        check::Options { offline: true, modules: &loaded.surroundings.modules, allowed: Some(&allowed) };
    let checked = check::check(&loaded.items, options);
    let found: Vec<_> = diagnostics.into_iter().chain(loaded.found).chain(checked).collect();
    for label in found.iter().flat_map(|diagnostic| &diagnostic.labels) {
        within(label.span, end);
    }
    // Showing costs a thousand times what reading does: only where it is short.
    if !found.is_empty() && data.len() < 200 {
        for format in [Format::Human, Format::Short, Format::Json] {
            assert!(!render(&sources, &found, format, Colour::Never).is_empty(), "nothing to show");
        }
    }
});

/// Everything lies in the file; what a place within raw text leads to as well.
fn spans(items: &[Item], end: u32) {
    for item in items {
        match item {
            Item::Comment(span) | Item::Blank(span) => within(*span, end),
            Item::Directive(directive) => {
                within(directive.span, end);
                within(directive.name.span, end);
                for word in &directive.args {
                    within(word.span, end);
                }
                let raw = &directive.raw;
                within(raw.whole(), end);
                for at in 0..raw.bytes().len() {
                    within(raw.span(at..at + 1), end);
                    assert_eq!(raw.slice(at..at + 1).bytes().len(), 1);
                }
                match &directive.body {
                    Body::Section(section) | Body::Taken(section) => {
                        within(section.close, end);
                        spans(&section.items, end);
                    }
                    Body::Text(span) => within(*span, end),
                    Body::None | Body::Included(_) | Body::Done => {}
                }
            }
        }
    }
}

fn within(span: Span, end: u32) {
    assert!(!span.is_known() || (span.start <= span.end && span.end <= end), "{span:?} is not in 0..{end}");
}
