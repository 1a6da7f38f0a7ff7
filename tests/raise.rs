//! What `raise` makes of a configuration decides as it did, over all fixtures: its paths and the order of its places here, its
//! other passes in `raise/passes.rs`.

#[path = "raise/alter.rs"]
mod alter;
#[path = "support/configurations.rs"]
mod configurations;
#[path = "raise/passes.rs"]
mod passes;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use configurations::request;
use triglot::{
    cli::load,
    dialect::Dialect,
    ir::{
        self, Attr, Kind, Order, Part, Pattern, Step, Syntax, Table, Template, Test,
        walk::{self, Item},
    },
    plan::Matcher,
    raise::{How, Losses, Match, Notes, Outline, Place, PlaceKind, first_match, of_pattern, outline},
    source::SourceMap,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn all() -> Vec<(PathBuf, Dialect)> {
    configurations::all(root())
}

fn lowered(path: &Path, dialect: Dialect) -> (SourceMap, ir::Config) {
    let mut sources = SourceMap::new();
    let config = load::lower(&mut sources, &request(path, dialect)).config;
    (sources, config)
}

/// Whether a value is the path; the flag is for one without its first byte.
fn path(value: &Template) -> Option<bool> {
    match value.0.as_slice() {
        [Part::Attr(Attr::Path)] => Some(false),
        [Part::Escape(ir::Escape::Skip(1), of)] if path(of) == Some(false) => Some(true),
        _ => None,
    }
}

/// The patterns that paths are compared with.
fn patterns(config: &ir::Config) -> Vec<(Pattern, bool)> {
    fn asked(test: &Test, into: &mut Vec<(Pattern, bool)>) {
        match test {
            Test::All(tests) | Test::Any(tests) => tests.iter().for_each(|test| asked(test, into)),
            Test::Not(test) => asked(test, into),
            Test::Match { subject, pattern, .. } => {
                into.extend(path(subject).map(|skip| (pattern.clone(), skip)));
            }
            _ => {}
        }
    }
    fn routes(table: &Table, into: &mut Vec<(Pattern, bool)>) {
        for route in &table.routes {
            into.push((route.path.clone(), false));
            route.nested.iter().for_each(|table| routes(table, into));
        }
    }
    let mut all = Vec::new();
    for host in &config.hosts {
        walk::host(host, &mut |item, _| match item {
            Item::Step(Step::When { test, .. }) => asked(test, &mut all),
            Item::Step(Step::Route(table)) => routes(table, &mut all),
            _ => {}
        });
    }
    all
}

/// Paths on both sides of a pattern: what it is written as without its signs, and what is near that.
fn paths(pattern: &Pattern, into: &mut BTreeSet<String>) {
    let text = pattern.text.lossy().into_owned();
    let bare: String = text.chars().filter(|c| !"^$()[]{}|\\?*+".contains(*c)).collect();
    let mut texts = vec![text.clone(), bare.clone(), bare.replace('.', "x")];
    texts.extend(text.split(['(', ')', '|']).map(|part| part.replace(['\\', '^', '$', '?', '*', '+'], "")));
    for text in texts {
        let text = if text.starts_with('/') { text } else { format!("/{text}") };
        let short: String = text.chars().take(text.chars().count().saturating_sub(1)).collect();
        for near in [
            text.clone(),
            format!("{text}/"),
            format!("{text}/x"),
            format!("{text}x"),
            format!("/x{text}"),
            format!("{text}\n"),
            text.to_uppercase(),
            short,
        ] {
            if near.starts_with('/') {
                into.insert(near);
            }
        }
    }
}

/// What a set of paths is as a pattern: its kinds for people as what they stand for.
fn of_match(at: &Match) -> Option<Matcher> {
    let text = at.to_regex();
    let pattern = Pattern {
        kind: Kind::Regex(Syntax::Perl),
        text: text.as_str().into(),
        ignore_case: at.ignore_case,
        groups: Vec::new(),
    };
    Matcher::new(&pattern).ok()
}

#[test]
fn paths_are_meant_as_patterns_match_them() {
    let (mut wrong, mut asked) = (BTreeSet::new(), 0);
    for (file, dialect) in all() {
        let (_, config) = lowered(&file, dialect);
        let patterns = patterns(&config);
        let mut tried: BTreeSet<String> = ["/".to_owned(), "/x".to_owned()].into();
        patterns.iter().for_each(|(pattern, _)| paths(pattern, &mut tried));
        for (pattern, skip) in &patterns {
            let (at, _) = of_pattern(pattern, None, *skip);
            let (Ok(old), Some(new)) = (Matcher::new(pattern), of_match(&at)) else { continue };
            // As a regular expression it is kept as it is.
            if at.how == How::Regex && !skip {
                continue;
            }
            for path in tried.iter().take(400) {
                let subject = if *skip { &path.as_bytes()[1..] } else { path.as_bytes() };
                let (old, new) = (old.is_match(subject), new.is_match(path.as_bytes()));
                asked += 1;
                // A line feed at the end is where expressions of two languages part; it is told elsewhere.
                if old != new.map(|new| new != at.negated) && !path.ends_with('\n') {
                    wrong.insert(format!(
                        "{}: `{}` (skip: {skip}) as {:?} `{}`: {path:?} {old:?}",
                        file.strip_prefix(root()).unwrap_or(&file).display(),
                        pattern.text,
                        at.how,
                        at.text
                    ));
                }
            }
        }
    }
    assert!(asked > 10_000 || std::env::var_os("CASE").is_some(), "only {asked}");
    let shown: Vec<_> = wrong.iter().take(40).cloned().collect();
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), shown.join("\n"));
}

/// What a table chooses, by its own order.
fn chosen<'t>(table: &'t [(&'t Place, Matcher)], path: &str) -> Option<&'t Place> {
    let takes = |(_, matcher): &&(&Place, Matcher)| matcher.is_match(path.as_bytes()) == Ok(true);
    let of = |how: fn(How) -> bool| table.iter().filter(takes).filter(move |(place, _)| how(place.at.how));
    if let Some((place, _)) = of(|how| how == How::Exact).next() {
        return Some(place);
    }
    let prefix =
        of(|how| matches!(how, How::Prefix | How::Under)).max_by_key(|(place, _)| place.at.text.len());
    if let Some((place, _)) = prefix
        && place.kind == PlaceKind::Specific(true)
    {
        return Some(place);
    }
    let regex = of(|how| matches!(how, How::Regex | How::FileName)).next();
    regex.or(prefix).map(|(place, _)| *place)
}

#[test]
fn the_first_of_places_in_order_is_the_one_that_is_chosen() {
    let (mut wrong, mut asked) = (BTreeSet::new(), 0);
    for (file, dialect) in all() {
        let (sources, config) = lowered(&file, dialect);
        let specific = |host: &ir::Host| {
            let mut found = false;
            walk::host(host, &mut |item, _| {
                found |= matches!(item, Item::Step(Step::Route(table)) if table.order == Order::Specific);
            });
            found
        };
        if !config.hosts.iter().any(specific) {
            continue;
        }
        let notes = Notes::new(&sources);
        let mut losses = Losses::default();
        let outline: Outline<'_> = outline(&config, None, &notes, &mut losses);
        let mut tried: BTreeSet<String> = ["/".to_owned(), "/x".to_owned()].into();
        patterns(&config).iter().for_each(|(pattern, _)| paths(pattern, &mut tried));
        for server in &outline.servers {
            let places = first_match(&server.area);
            let matchers = |places: &mut dyn Iterator<Item = &&'_ Place>| -> Vec<(Match, Matcher)> {
                places.filter_map(|place| Some((place.at.clone(), of_match(&place.at)?))).collect()
            };
            let ordered = matchers(&mut places.iter());
            let written: Vec<(&Place, Matcher)> = server
                .area
                .items
                .iter()
                .filter_map(|item| match item {
                    triglot::raise::Item::Place(place) if matches!(place.kind, PlaceKind::Specific(_)) => {
                        Some((place, of_match(&place.at)?))
                    }
                    _ => None,
                })
                .collect();
            if written.len() != ordered.len() {
                continue;
            }
            for path in &tried {
                let first = ordered.iter().find(|(_, matcher)| matcher.is_match(path.as_bytes()) == Ok(true));
                let (first, by) = (first.map(|(at, _)| at), chosen(&written, path).map(|place| &place.at));
                // Expressions are asked between a prefix and the longer one in it: no order in a row says that.
                if by.is_some_and(|at| at.how == How::Regex) && first.is_some_and(|at| at.how == How::Prefix)
                {
                    continue;
                }
                asked += 1;
                if first != by {
                    wrong.insert(format!(
                        "{}: {path:?}: {first:?} is first, {by:?} is chosen",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(asked > 2_000 || std::env::var_os("CASE").is_some(), "only {asked}");
    assert!(wrong.is_empty(), "{} of {asked}: {:#?}", wrong.len(), wrong.iter().take(10).collect::<Vec<_>>());
}
