//! Places in files, as people look them up.

use crate::source::{SourceMap, Span};

/// `FILE:LINE`; empty for what has no place.
pub fn place(sources: &SourceMap, span: Span) -> String {
    let Some(position) = sources.position(span) else { return String::new() };
    format!("{}:{}", sources.file(span.file).path.display(), position.line)
}

/// The line that a span begins in, without what surrounds it, cut where it is long.
pub fn line(sources: &SourceMap, span: Span) -> String {
    const LONGEST: usize = 100;
    let Some(position) = sources.position(span) else { return String::new() };
    let file = sources.file(span.file);
    let text = String::from_utf8_lossy(&file.text[file.line(position.line)]).trim().to_owned();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Both, as JSON.
pub fn json(sources: &SourceMap, span: Span) -> serde_json::Value {
    match sources.position(span) {
        None => serde_json::Value::Null,
        Some(position) => serde_json::json!({
            "file": sources.file(span.file).path.display().to_string(),
            "line": position.line,
            "column": position.column,
            "text": line(sources, span),
        }),
    }
}
