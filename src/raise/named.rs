//! Blocks that are entered by name, for targets that have none: a forward for what is no file becomes a rule.

use super::{Act, Area, Fallback, FallbackTo, Item, Match, Outline, Rule, Server};
use crate::{
    ir::{Attr, Name, Part, Template, Test},
    source::Span,
};

impl Outline<'_> {
    /// Puts forwards in the place of the blocks that hold nothing else, where files are looked for first.
    ///
    /// Requests are decided as before: the block is entered for what is not there, and sends it on as it was received.
    pub fn inline_forwards(&mut self) {
        for server in &mut self.servers {
            let named: Vec<_> =
                server.named.iter().filter(|(_, area)| only_forwards(area)).cloned().collect();
            if named.is_empty() {
                continue;
            }
            let Server { area, named: all, .. } = server;
            inline(area, &Match::any(), &named);
            all.retain(|(name, _)| named.iter().all(|(known, _)| known != name) || is_entered(area, name));
        }
    }
}

fn only_forwards(area: &Area) -> bool {
    area.pass.as_ref().is_some_and(|pass| pass.path == super::PassPath::Same)
        && area.items.is_empty()
        && area.fallback.is_none()
        && area.edits.is_empty()
}

/// Replaces the fallbacks of an area and of the places in it.
fn inline(area: &mut Area, at: &Match, named: &[(Name, Area)]) {
    let to = |fallback: &Fallback| match &fallback.to {
        FallbackTo::Named(name) => named.iter().find(|(known, _)| known == name).map(|(_, area)| area),
        FallbackTo::Path(..) | FallbackTo::Status(_) => None,
    };
    if let Some(fallback) = &area.fallback
        && let Some(Area { pass: Some(pass), .. }) = to(fallback)
    {
        let tests = fallback.existing.iter().map(|one| {
            let mut path = Template::attr(Attr::FilePath);
            if one.path != Template::attr(Attr::Path) {
                path = Template::attr(Attr::DocumentRoot);
                one.path.0.iter().for_each(|part: &Part| path.push(part.clone()));
            }
            Test::Not(Box::new(Test::File(path, one.kind)))
        });
        let rule = Rule {
            at: (!at.is_any()).then(|| at.clone()),
            tests: tests.collect(),
            acts: vec![Act::Pass(Box::new(pass.clone()))],
            span: known(fallback.span, area.span),
        };
        area.fallback = None;
        area.items.insert(0, Item::Rule(rule));
    }
    for item in &mut area.items {
        if let Item::Place(place) = item {
            let at = place.at.clone();
            inline(&mut place.area, &at, named);
        }
    }
}

fn known(one: Span, other: Span) -> Span {
    if one.is_known() { one } else { other }
}

/// Whether something still enters a block.
fn is_entered(area: &Area, name: &Name) -> bool {
    let here = area
        .fallback
        .as_ref()
        .is_some_and(|fallback| matches!(&fallback.to, FallbackTo::Named(entered) if entered == name));
    let recovers = area
        .settings
        .answer
        .errors
        .iter()
        .flatten()
        .any(|one| matches!(&one.to, crate::ir::RecoveryTarget::Enter(entered) if entered == name));
    here || recovers
        || area.items.iter().any(|item| match item {
            Item::Place(place) => is_entered(&place.area, name),
            Item::Rule(_) => false,
        })
}
