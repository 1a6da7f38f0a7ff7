//! Which stages rewrite a response, made of the settings in force once its head is known.

use std::sync::Arc;

use super::{Stage, charset, edit, live, texts, whole};
use crate::{
    engine::{exchange::Exchange, http1::field::Known},
    ir::settings::{ContentMatch, ContentPlace},
    plan::{ContentOp, RewritingPlan},
};

/// The stages, with everything but captures evaluated.
pub(super) fn rewriters(exchange: &mut Exchange, how: &RewritingPlan) -> Vec<Stage> {
    let mut stages = Vec::new();
    if !how.settings.texts.is_empty() {
        let texts = &how.settings.texts;
        let mut rows: Vec<_> =
            texts.iter().map(|(find, with)| (exchange.value(find), exchange.value(with))).collect();
        // What is empty is nowhere.
        rows.retain(|(find, _)| !find.is_empty());
        if !rows.is_empty() {
            stages.push(Stage::Texts(texts::Texts::new(rows, how.settings.once)));
        }
    }
    let (mut lines, mut others) = (Vec::new(), Vec::new());
    let mut attributes = Vec::new();
    for op in &how.edits {
        if !is_on(exchange, op) {
            continue;
        }
        let Some(edit) = edit(exchange, op) else { continue };
        match &op.edit.place {
            ContentPlace::Line => lines.push(edit),
            ContentPlace::Attribute(_) => attributes.push(edit),
            ContentPlace::Whole => {
                if !attributes.is_empty() {
                    let before = std::mem::take(&mut attributes);
                    others.push(Stage::Attributes(Box::new(edit::Attributes::new(before))));
                }
                others.push(Stage::Whole(Box::new(whole::Whole::new(edit))));
            }
        }
    }
    if !lines.is_empty() {
        stages.push(Stage::Lines(Box::new(edit::Lines::new(lines, how.settings.max_line))));
    }
    stages.append(&mut others);
    if !attributes.is_empty() {
        stages.push(Stage::Attributes(Box::new(edit::Attributes::new(attributes))));
    }
    let foreign = || charset::named(exchange.facts.response.known(Known::ContentType)?);
    if let Some(set) = foreign().filter(|_| how.settings.charset && !stages.is_empty()) {
        let (reader, writer) = charset::pair(set);
        stages.insert(0, Stage::Read(Box::new(reader)));
        stages.push(Stage::Write(Box::new(writer)));
    }
    stages
}

/// Whether any of it is in force for the response at hand.
pub(super) fn wanted(exchange: &mut Exchange, how: &RewritingPlan) -> bool {
    let when = how.settings.when.as_ref();
    let part = exchange.facts.response.status == 206 && how.settings.whole;
    !part
        && super::is_of(&exchange.facts.response, &how.settings.types)
        && when.is_none_or(|when| !matches!(exchange.value(when).as_slice(), b"" | b"0"))
        && (!how.settings.texts.is_empty() || how.edits.iter().any(|op| is_on(exchange, op)))
}

fn is_on(exchange: &mut Exchange, op: &ContentOp) -> bool {
    let Some(when) = &op.edit.when else { return true };
    !matches!(exchange.value(when).as_slice(), b"" | b"0")
}

fn edit(exchange: &mut Exchange, op: &ContentOp) -> Option<edit::Edit> {
    let ContentOp { edit, matcher, given } = op;
    let mut register = None;
    let find = match (&edit.find, matcher) {
        (ContentMatch::Text(text, ignore_case), _) => edit::Find::Text(text.0.clone(), *ignore_case),
        (ContentMatch::Pattern(_, into), Some(matcher)) => {
            register = Some(*into);
            edit::Find::Pattern(Arc::clone(matcher))
        }
        (ContentMatch::Not(_), Some(matcher)) => edit::Find::Not(Arc::clone(matcher)),
        (_, None) => return None,
    };
    let mut registers: Vec<_> = register.into_iter().collect();
    if let Some(given) = given {
        live::written(given, &mut registers);
    }
    let of = match &edit.place {
        ContentPlace::Attribute(of) => of.clone(),
        ContentPlace::Line | ContentPlace::Whole => Vec::new(),
    };
    Some(edit::Edit {
        of,
        find,
        register,
        given: given.as_ref().map(|given| live::judge(exchange, given, &registers)),
        with: live::pieces(exchange, &edit.with, &registers),
        left: std::cell::Cell::new(if edit.most == 0 { u64::MAX } else { edit.most }),
        last: edit.last,
    })
}
