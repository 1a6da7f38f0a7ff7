//! What is wrong, first in the words that Apache has for it and that scripts look for, then with the lines in question.
//!
//! Apache stops at the first mistake: while it reads, then in the order of the directives. All others follow below.

use std::{collections::HashMap, path::PathBuf};

use super::PROGRAM;
use crate::cli::say;
use crate::{
    diagnostic::{
        Diagnostic, Severity,
        render::{Format, render},
    },
    dialect::apache::{
        load::Loaded,
        tree::{Body, Directive, Item},
    },
    source::{SourceMap, Span},
};

/// How many findings are shown with their lines.
const SHOWN: usize = 20;

/// A configuration as it was read, for the places of findings.
#[derive(Debug)]
pub(super) struct Read {
    /// Its files.
    pub(super) sources: SourceMap,
    /// What was read.
    pub(super) loaded: Loaded,
}

/// Everything that is wrong, as text for standard error; nothing when nothing is.
pub(super) fn text(read: &Read, sources: &SourceMap, found: &[Diagnostic]) -> String {
    let shown: Vec<Diagnostic> =
        found.iter().filter(|one| one.severity > Severity::Note).take(SHOWN).cloned().collect();
    let mut text = first(read, sources, found).unwrap_or_default();
    text.push_str(&render(sources, &shown, Format::Human, say::colour(&std::io::stderr())));
    text
}

/// The first error as Apache says it.
fn first(read: &Read, sources: &SourceMap, found: &[Diagnostic]) -> Option<String> {
    let is_error = |one: &&Diagnostic| one.severity == Severity::Error;
    // Of what does not count, Apache knows the section alone.
    let skipped = |one: &Diagnostic| usize::from(one.code == "wrong-skipped-end");
    let span = |one: &Diagnostic| one.labels.get(skipped(one)).map_or(Span::NONE, |label| label.span);
    let loaded = &read.loaded;
    // A section without its bracket is read, and wrong only when its turn comes.
    let later = |one: &&Diagnostic| {
        one.code == "unclosed-tag"
            && !["<If", "<Macro", "</"].iter().any(|start| one.message.starts_with(start))
            || one.message.starts_with("<If>")
    };
    if let Some(error) = loaded.found.iter().find(|one| is_error(one) && !later(one)) {
        let message = &error.message;
        let span = span(error);
        if !span.is_known() {
            return Some(format!("{PROGRAM}: {message}\n"));
        }
        let mut lines = Vec::new();
        let (mut at, mut rounds) = (span, 0);
        while at.is_known() && rounds < 200 {
            let place = place(&read.sources, &loaded.items, at);
            lines.push(format!("Syntax error on {place}: "));
            let by = loaded.included.iter().rfind(|(file, by)| *file == at.file && by.file != at.file);
            at = by.map_or(Span::NONE, |(_, by)| *by);
            rounds += 1;
        }
        let chain: String = lines.into_iter().rev().collect();
        return Some(format!("{PROGRAM}: {chain}{message}\n"));
    }
    let errors = found.iter().filter(is_error);
    let order = order(&loaded.items, &read.sources);
    let place_of = |span: Span| {
        let path = &sources.file(span.file).path;
        order.get(&(path.clone(), sources.position(span)?.line)).copied()
    };
    let error = errors.min_by_key(|one| {
        let span = span(one);
        if span.is_known() { place_of(span).unwrap_or(usize::MAX - 1) } else { usize::MAX }
    })?;
    let span = span(error);
    if !span.is_known() {
        return Some(format!("{PROGRAM}: {}\n", error.message));
    }
    let mapped = read.sources.files().find(|(_, file)| file.path == sources.file(span.file).path);
    // What a start finds is about files that were not read for this.
    let place = match mapped {
        Some((file, _)) => place(&read.sources, &loaded.items, Span::new(file, span.start, span.end)),
        None => place(sources, &[], span),
    };
    Some(format!("AH00526: Syntax error on {place}:\n{}\n", error.message))
}

/// Where each line comes in the order of the directives.
fn order(items: &[Item], sources: &SourceMap) -> HashMap<(PathBuf, u32), usize> {
    let mut order = HashMap::new();
    every(items, &mut |directive| {
        let place = sources.position(directive.span).map(|position| position.line);
        if let Some(line) = place {
            let next = order.len();
            order.entry((sources.file(directive.span.file).path.clone(), line)).or_insert(next);
        }
    });
    order
}

/// `line N of FILE`, of the last line of the directive there; in a macro, its line and where it was used.
fn place(sources: &SourceMap, items: &[Item], span: Span) -> String {
    let mut found: Option<&Directive> = None;
    every(items, &mut |directive| {
        let of = directive.span;
        if of.file == span.file && of.start <= span.start && span.start <= of.end {
            found = Some(directive);
        }
    });
    let end = found.map_or(span, |directive| {
        let last = directive.span.end.saturating_sub(1).max(directive.span.start);
        Span::new(span.file, last, last)
    });
    let line = |span: Span| sources.position(span).map_or(0, |position| position.line);
    let path = |span: Span| {
        let path = &sources.file(span.file).path;
        if path.as_os_str() == "<-C>" || path.as_os_str() == "<-c>" {
            "-c/-C directives".to_owned()
        } else {
            path.display().to_string()
        }
    };
    match found.and_then(|directive| directive.used.as_deref()) {
        Some(used) => format!(
            "line {} of macro '{}' (defined on line {} of \"{}\") used on line {} of \"{}\"",
            line(end) - line(used.defined),
            String::from_utf8_lossy(&used.name),
            line(used.defined),
            path(used.defined),
            line(used.span),
            path(used.span)
        ),
        None => format!("line {} of {}", line(end), path(span)),
    }
}

/// Walks every directive, those that have done their work as well.
fn every<'a>(items: &'a [Item], see: &mut impl FnMut(&'a Directive)) {
    for item in items {
        let Item::Directive(directive) = item else { continue };
        see(directive);
        match &directive.body {
            Body::Section(section) | Body::Taken(section) => every(&section.items, see),
            Body::Included(files) => {
                for file in files {
                    every(&file.items, see);
                }
            }
            Body::None | Body::Text(_) | Body::Done => {}
        }
    }
}
