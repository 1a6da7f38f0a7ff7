//! Places of which the first counts, and sections that all count, as locations.

use super::{
    Render,
    location::{Location, with_capture},
    value::{escape, quote, regex},
};
use crate::{
    ir::{Attr, Part, Template},
    raise::{Act, Area, How, Item, Match, PassPath, Place, PlaceKind, Rule, Server},
    source::Span,
};

impl Render<'_, '_> {
    /// Places of which the first counts, and sections that all count, as locations.
    pub(super) fn ordered(&mut self, server: &Server) {
        let area = &server.area;
        let mut entries: Vec<Location> = Vec::new();
        let mut sections: Vec<&Place> = Vec::new();
        let mut conditional: Vec<&Rule> = Vec::new();
        for item in &area.items {
            match item {
                Item::Rule(rule) if has_pass(rule) && rule.tests.is_empty() => {
                    let at = rule.at.clone().unwrap_or_else(Match::any);
                    let mut inner = Area { span: rule.span, ..Area::default() };
                    for act in &rule.acts {
                        match act {
                            Act::Pass(pass) => inner.pass = Some((**pass).clone()),
                            Act::Stop => {}
                            act => inner.items.push(Item::Rule(Rule {
                                at: None,
                                tests: Vec::new(),
                                acts: vec![act.clone()],
                                span: rule.span,
                            })),
                        }
                    }
                    entries.push(Location { at, area: inner, decisive: false, span: rule.span });
                }
                Item::Rule(rule) if has_pass(rule) => conditional.push(rule),
                Item::Rule(rule) => {
                    // One that comes after a forward of the same paths never runs.
                    let own = rule.at.clone().unwrap_or_else(Match::any);
                    if let Some(before) = entries.iter().find(|entry| entry.at.covers(&own)) {
                        let _ = before;
                        self.losses.remark(
                            rule.span,
                            self.named(rule.span),
                            "a rule before it answers all of its requests, so it is left out",
                        );
                        continue;
                    }
                    // One before it that takes some of them does so before it.
                    let mut rule = rule.clone();
                    for entry in entries.iter().filter(|entry| entry.at.meets(&own)) {
                        let pattern = crate::ir::Pattern::regex(entry.at.to_regex(), entry.at.ignore_case);
                        let test = crate::ir::Test::Match {
                            subject: Template::attr(Attr::Path),
                            pattern,
                            into: None,
                        };
                        rule.tests.push(if entry.at.negated {
                            test
                        } else {
                            crate::ir::Test::Not(Box::new(test))
                        });
                    }
                    self.rule(&rule, false);
                }
                Item::Place(place) if place.is_section() => sections.push(place),
                Item::Place(place) if place.kind == PlaceKind::Slash => {}
                Item::Place(place) => {
                    if let (How::Under, [Item::Rule(rule)]) = (place.at.how, place.area.items.as_slice())
                        && let [Act::Redirect(redirect)] = rule.acts.as_slice()
                    {
                        self.moved(&place.at, redirect, place.span);
                        continue;
                    }
                    let decisive = matches!(place.kind, PlaceKind::Specific(true));
                    entries.push(Location {
                        at: place.at.clone(),
                        area: place.area.clone(),
                        decisive,
                        span: place.span,
                    });
                }
            }
        }
        if let Some(pass) = &area.pass {
            entries.push(Location {
                at: Match::any(),
                area: Area { pass: Some(pass.clone()), ..Area::default() },
                decisive: false,
                span: area.span,
            });
        }
        // What a shorter prefix before it takes is never reached.
        let mut at = 0;
        while at < entries.len() {
            let covered = entries[..at].iter().any(|earlier| earlier.at.covers(&entries[at].at));
            if covered {
                let gone = entries.remove(at);
                self.losses.remark(
                    gone.span,
                    self.named(gone.span),
                    "one before it takes all of its requests, so it is left out",
                );
            } else {
                at += 1;
            }
        }
        let own = entries.clone();
        for place in &sections {
            if place.at.is_any() || entries.iter().any(|entry| same(&entry.at, &place.at)) {
                continue;
            }
            // One that answers for what is below the path is no second location.
            let below = format!("{}/", place.at.text.trim_end_matches('/'));
            let known = entries.iter_mut().find(|entry| {
                place.at.how == How::Under
                    && entry.at.how == How::Prefix
                    && entry.at.text == below
                    && (entry.at.ignore_case, entry.at.negated) == (place.at.ignore_case, place.at.negated)
            });
            if let Some(entry) = known {
                if !place.reaches(&entry.area) {
                    lay(&mut entry.area, &place.area);
                }
                continue;
            }
            // Whoever answers there is who answers around it.
            let around = own.iter().find(|entry| entry.at.covers(&place.at) && place.reaches(&entry.area));
            let mut inner = Area { span: place.span, ..Area::default() };
            if let Some(around) = around {
                inner = around.area.clone();
                inner.span = place.span;
                let strict = around.at.how == How::Prefix || around.at.how == How::Under;
                if let Some(pass) = &mut inner.pass
                    && let PassPath::Replace(with) = &pass.path
                    && strict
                {
                    let rest = place.at.text.strip_prefix(around.at.text.as_str()).unwrap_or_default();
                    pass.path = if place.at.how == How::Regex || place.at.how == How::FileName {
                        let mut path = Template::text(with.as_str());
                        path.push(Part::Attr(Attr::PathRest));
                        PassPath::Exact(path, true)
                    } else {
                        PassPath::Replace(format!("{with}{rest}"))
                    };
                }
            } else if own.iter().any(|entry| entry.area.pass.is_some() && entry.at.meets(&place.at))
                && place.at.how >= How::Regex
            {
                self.losses.lose_near(
                    place.span,
                    self.named(place.span),
                    "it is laid over places that are sent on; nginx takes one of them",
                    "the section's settings in each of these locations",
                );
            }
            inner.fallback =
                inner.fallback.or_else(|| if inner.pass.is_none() { area.fallback.clone() } else { None });
            entries.push(Location { at: place.at.clone(), area: inner, decisive: false, span: place.span });
        }
        // What is said of more paths is said of these as well.
        for entry in &mut entries {
            let over: Vec<&&Place> = sections
                .iter()
                .filter(|place| place.at.covers(&entry.at) && place.reaches(&entry.area))
                .collect();
            for place in over {
                lay(&mut entry.area, &place.area);
            }
        }
        for place in sections.iter().filter(|place| place.at.is_any()) {
            if !entries.iter().any(|entry| entry.at.is_any()) {
                let mut whole = Area { fallback: area.fallback.clone(), span: place.span, ..Area::default() };
                lay(&mut whole, &place.area);
                entries.push(Location { at: Match::any(), area: whole, decisive: false, span: place.span });
            }
        }
        for rule in conditional {
            let at = rule.at.clone().unwrap_or_else(Match::any);
            let found = entries.iter_mut().find(|entry| same(&entry.at, &at));
            if let Some(entry) = found {
                entry.area.items.insert(0, Item::Rule(Rule { at: None, ..rule.clone() }));
            } else {
                let around = own.iter().find(|entry| entry.at.covers(&at)).map(|entry| entry.area.clone());
                let mut inner = around.unwrap_or_default();
                inner.items.insert(0, Item::Rule(Rule { at: None, ..rule.clone() }));
                entries.push(Location { at, area: inner, decisive: false, span: rule.span });
            }
        }
        if !entries.iter().any(|entry| entry.at.is_any()) && area.fallback.is_some() {
            let inner = Area { fallback: area.fallback.clone(), span: area.span, ..Area::default() };
            entries.push(Location { at: Match::any(), area: inner, decisive: false, span: area.span });
        }
        // A prefix that counts before a regular expression keeps it away.
        for at in 0..entries.len() {
            let regular = |entry: &Location| entry.at.how >= How::Regex || entry.at.ignore_case;
            if regular(&entries[at]) || entries[at].at.how == How::Exact {
                continue;
            }
            let later = entries[at + 1..].iter().any(|entry| {
                regular(entry)
                    && own.iter().any(|one| same(&one.at, &entry.at))
                    && entry.at.meets(&entries[at].at)
            });
            let earlier = entries[..at].iter().any(|entry| regular(entry) && entry.at.meets(&entries[at].at));
            if later && earlier && !entries[at].at.is_any() {
                let span = entries[at].span;
                self.losses.lose(
                    span,
                    self.named(span),
                    "it stands between regular expressions, which nginx tries all before prefixes",
                );
            }
            entries[at].decisive |= later && !earlier && !entries[at].at.is_any();
        }
        for entry in &entries {
            self.location(entry);
        }
    }

    /// A path and all below it that moved.
    fn moved(&mut self, at: &Match, redirect: &crate::raise::Redirect, span: Span) {
        self.comments(span);
        let path = at.text.trim_end_matches('/');
        let Some(to) = self.value(&with_capture(&redirect.to), span) else { return };
        let (regex_, to) = match to.strip_suffix("/$1") {
            Some(start) => (format!("^{}(/.*)?$", escape(path)), format!("{start}$1")),
            None => (format!("^{}(?:/(.*))?$", escape(path)), to),
        };
        let end = if redirect.keep_query { "" } else { "?" };
        match redirect.status {
            301 => self.page.line(format!(
                "rewrite {} {} permanent;",
                regex(&regex_),
                quote(&format!("{to}{end}"))
            )),
            302 => self.page.line(format!(
                "rewrite {} {} redirect;",
                regex(&regex_),
                quote(&format!("{to}{end}"))
            )),
            status => {
                self.page.open(format!("if ($uri ~ {}) {{", regex(&regex_)));
                let rest = if redirect.keep_query { "$is_args$args" } else { "" };
                self.page.line(format!("return {status} {};", quote(&format!("{to}{rest}"))));
                self.page.close("}");
            }
        }
    }
}

/// Lays what a section says over what is said.
fn lay(area: &mut Area, section: &Area) {
    let Area { settings, edits: _, pass, files, fallback, items, span: _ } = section;
    area.settings.lay(settings, true);
    if pass.is_some() {
        area.pass.clone_from(pass);
    }
    area.files |= files;
    if fallback.is_some() && area.pass.is_none() {
        area.fallback.clone_from(fallback);
    }
    for item in items {
        if let Item::Rule(rule) = item {
            area.items.push(Item::Rule(rule.clone()));
        } else if let Item::Place(place) = item {
            area.items.push(Item::Place(Place { kind: PlaceKind::Specific(false), ..place.clone() }));
        }
    }
}

fn same(one: &Match, other: &Match) -> bool {
    one.how == other.how
        && one.text == other.text
        && one.ignore_case == other.ignore_case
        && one.negated == other.negated
        || (one.is_any() && other.is_any())
}

pub(super) fn has_pass(rule: &Rule) -> bool {
    rule.acts.iter().any(|act| matches!(act, Act::Pass(_)))
}
