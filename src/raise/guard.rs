//! Shapes of a rule's program that say one thing in several steps: questions that leave, and a redirect's query.

use super::{Act, Redirect, Then};
use crate::{
    ir::{Attr, Block, Jump, Part, Query, Step, Template, Test},
    source::Span,
};

/// A block that is left where a test fails, as what comes first, the test, and what is done where it holds.
pub fn guarded(block: &Block) -> Option<(Block, Test, Block, Span)> {
    let label = block.label.as_ref()?;
    let leaves = |step: &Step| match step {
        Step::When { test, then, otherwise } if otherwise.steps.is_empty() => {
            let exits = matches!(then.steps.as_slice(), [(Step::Jump(Jump::Exit(to)), _)] if to == label);
            exits.then(|| match test {
                Test::Not(inner) => (**inner).clone(),
                test => Test::Not(Box::new(test.clone())),
            })
        }
        _ => None,
    };
    let first = block.steps.iter().position(|(step, _)| leaves(step).is_some())?;
    let span = block.steps.get(first)?.1;
    let (mut tests, mut at) = (Vec::new(), first);
    while let Some((step, _)) = block.steps.get(at) {
        match (step, leaves(step)) {
            (_, Some(test)) => tests.push(test),
            // What is forgotten between two questions was asked for by none of them.
            (Step::Forget(_), None) => {}
            (_, None) => break,
        }
        at += 1;
    }
    let test = if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) };
    let of = |steps: &[(Step, Span)]| Block { scope: None, steps: steps.to_vec(), ..block.clone() };
    let before = Block { label: None, scope: block.scope.clone(), ..of(&block.steps[..first]) };
    Some((before, test, of(&block.steps[at..]), span))
}

/// A redirect whose query was set before.
fn with_query(redirect: &mut Redirect, query: Query) {
    let add = |redirect: &mut Redirect, query: Template| {
        redirect.to.push(Part::Text("?".into()));
        query.0.into_iter().for_each(|part| redirect.to.push(part));
        redirect.keep_query = false;
    };
    match query {
        Query::Keep => {}
        Query::Replace(query) if query.is_empty() => redirect.keep_query = false,
        Query::Replace(query) => add(redirect, query),
        Query::Prepend(mut query) => {
            query.push(Part::Text("&".into()));
            query.push(Part::Attr(Attr::Query));
            add(redirect, query);
        }
    }
}

/// An answer after what was done to path and query before it: a redirect brings its query along.
pub(super) fn answer(mut act: Act, pending: Option<(Option<Template>, Query)>, acts: &mut Vec<Act>) {
    match (&mut act, pending) {
        (Act::Redirect(redirect), Some((None, query))) if redirect.keep_query => with_query(redirect, query),
        (_, Some((path, query))) => acts.push(Act::Rewrite { path, query, then: Then::Next }),
        (_, None) => {}
    }
    acts.push(act);
}
