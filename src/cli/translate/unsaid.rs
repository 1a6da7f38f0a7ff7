//! The net below the renderers: settings that a file writes, that nothing in the output says, and that nobody spoke of.

use std::collections::BTreeMap;

use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{
        Config,
        walk::{self, Item},
    },
    raise::{Losses, Notes},
    source::{SourceMap, Span},
};

/// A setting, as `group.field`, and a place where it was written.
pub type Unsaid = (String, Span);

/// What is neither in the output nor told.
pub fn unsaid(input: &Config, output: &Config, losses: &Losses, sources: &SourceMap) -> Vec<Unsaid> {
    let after = settings(output, sources);
    let told: Vec<Span> = losses.all.iter().chain(&losses.remarks).map(|one| one.span).collect();
    let is_told = |span: &Span| told.iter().any(|one| (one.file, one.start) == (span.file, span.start));
    let kept = |key: &str| after.contains_key(key) || losses.told.contains(key);
    let mut found = Vec::new();
    for (key, places) in settings(input, sources) {
        if kept(&key) || otherwise(&key).iter().any(|other| kept(other)) {
            continue;
        }
        let place = places.into_iter().find(|span| !is_told(span));
        found.extend(place.map(|span| (key, span)));
    }
    found
}

/// Those as findings, one for each place.
pub(super) fn findings(unsaid: &[Unsaid], sources: &SourceMap) -> Vec<Diagnostic> {
    let notes = Notes::new(sources);
    let mut found: Vec<Diagnostic> = Vec::new();
    for (_, span) in unsaid {
        let words = notes.words(*span).unwrap_or_default();
        let known = |one: &Diagnostic| {
            one.labels
                .first()
                .is_some_and(|label| (label.span.file, label.span.start) == (span.file, span.start))
        };
        if !found.iter().any(known) {
            found.push(
                Diagnostic::new(Severity::Note, "left-out", format!("`{words}`"))
                    .label(*span, "nothing in the output says it"),
            );
        }
    }
    found
}

/// All settings of a configuration, with the places where people wrote them.
fn settings(config: &Config, sources: &SourceMap) -> BTreeMap<String, Vec<Span>> {
    let mut all = BTreeMap::<String, Vec<Span>>::new();
    let written =
        |span: &Span| span.is_known() && !sources.file(span.file).path.to_string_lossy().starts_with('<');
    walk::config(config, &mut |item, _| {
        let Item::Settings(set) = item else { return };
        set.each(&mut |group, field, _| {
            let places = all.entry(format!("{}.{field}", group.replace('-', "_"))).or_default();
            places.extend(set.places.find(group, field).filter(written));
        });
    });
    all
}

/// The settings that say the same where languages have different ones.
fn otherwise(key: &str) -> &'static [&'static str] {
    match key {
        "access.rules" | "access.satisfy_any" | "access.gate" => &["access.required", "access.rules"],
        "access.required" => &["access.rules", "access.realm", "access.credentials"],
        "access.realm" | "access.passwords" => &["access.credentials", "access.naming"],
        "access.credentials" | "access.naming" => &["access.realm", "access.passwords"],
        "files.root" => &["files.alias"],
        "files.alias" => &["files.root"],
        "rewriting.texts" => &["rewriting.edits"],
        "rewriting.edits" => &["rewriting.texts"],
        _ => &[],
    }
}
