//! `rewrite pattern replacement [flag]`
//!
//! Observed on nginx 1.22.1: the first `?` written in the replacement begins
//! the new query, unless the target is a redirect; captures are escaped in the
//! new query, and anywhere in a redirect, if the received path was encoded; a
//! redirect is then partly decoded as a whole.

use super::{
    super::{
        super::tree::{Directive, Word},
        CAPTURES, Cx, Level, regex,
        word::parts,
    },
    finish, in_location, is_url, leave, search_again, trace, trace_match, trace_result,
};
use crate::{
    ir::{Attr, Block, Escape, Part, Query, Reply, ReplyContent, Step, Template, Test},
    source::Span,
};

/// What follows a match.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    GoOn,
    Last,
    Break,
    Redirect(u16),
}

pub(super) fn lower(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let [pattern, replacement, rest @ ..] = directive.args.as_slice() else { return };
    let span = directive.head();
    if replacement.value.is_empty() {
        cx.error("empty-replacement", replacement.span, "the replacement is empty");
        return;
    }
    let absolute = if is_url(&replacement.value) { Flag::Redirect(302) } else { Flag::GoOn };
    let flag = match rest.first() {
        None => absolute,
        Some(word) => match (word.value.as_slice(), absolute) {
            (b"last" | b"break", Flag::Redirect(_)) => absolute,
            (b"last", _) => Flag::Last,
            (b"break", _) => Flag::Break,
            (b"redirect", _) => Flag::Redirect(302),
            (b"permanent", _) => Flag::Redirect(301),
            // The check has spoken of it.
            _ => return,
        },
    };
    let text = pattern.value.clone();
    let pattern = regex(cx, pattern, 0, false);
    let path = Template::attr(Attr::Path);

    // The steps of a match are written into the level's program and taken out again.
    let outer = std::mem::take(&mut level.own.program.steps);
    trace_match(cx, &mut level.own.program.steps, span, &text, "matches", &path);
    match flag {
        Flag::Redirect(status) => redirect(cx, level, replacement, status, span),
        _ => rewrite(cx, level, replacement, flag, span),
    }
    let then = std::mem::replace(&mut level.own.program.steps, outer);
    let mut otherwise = vec![(Step::Forget(CAPTURES), span)];
    trace_match(cx, &mut otherwise, span, &text, "does not match", &path);
    let block = |steps| Block { label: None, scope: None, steps, span };
    let test = Test::Match { subject: path, pattern, into: Some(CAPTURES) };
    let step = Step::When { test, then: block(then), otherwise: block(otherwise) };
    level.own.program.push(step, span);
    level.own.program.captures_of_rewrite = flag == Flag::GoOn;
}

/// Replaces path and query.
fn rewrite(cx: &mut Cx, level: &mut Level, replacement: &Word, flag: Flag, span: Span) {
    let (keeps_query, end) = query_kept(replacement);
    let mut path = Template::default();
    let mut query = None::<Template>;
    for (part, _) in parts(cx, replacement, 0..end) {
        match (&mut query, part) {
            (None, Part::Text(text)) => match memchr::memchr(b'?', &text) {
                None => path.push(Part::Text(text)),
                Some(at) => {
                    path.push(Part::Text(text[..at].into()));
                    let mut begun = Template::default();
                    begun.push(Part::Text(text[at + 1..].into()));
                    query = Some(begun);
                }
            },
            (None, part) => path.push(part),
            (Some(query), Part::Capture(register, number)) => {
                let capture = Template(vec![Part::Capture(register, number)]);
                query.push(Part::Escape(Escape::QueryIfReceivedEncoded, capture));
            }
            (Some(query), part) => query.push(part),
        }
    }
    let query = match (query, keeps_query) {
        (None, true) => Query::Keep,
        (None, false) => Query::Replace(Template::default()),
        (Some(query), true) => Query::Prepend(query),
        (Some(query), false) => Query::Replace(query),
    };
    if !begins_with_slash(&path) {
        cx.odd_paths = true;
    }
    let steps = &mut level.own.program.steps;
    steps.push((Step::Rewrite { path: Some(path), query }, span));
    trace_result(cx, steps, span);
    match (flag, in_location(level)) {
        (Flag::Break, _) => {
            level.own.program.breaks = true;
            finish(level, span);
        }
        (Flag::Last, false) => leave(level, span),
        (Flag::Last, true) => {
            let again = search_again(cx, level);
            level.own.program.push(Step::Jump(again), span);
        }
        (Flag::GoOn, true) => {
            level.own.program.jumps = true;
            let again = search_again(cx, level);
            level.own.program.push(Step::AtEnd(Some(again)), span);
        }
        (Flag::GoOn, false) | (Flag::Redirect(_), _) => {}
    }
}

/// Answers with a redirect.
fn redirect(cx: &mut Cx, level: &mut Level, replacement: &Word, status: u16, span: Span) {
    let (keeps_query, end) = query_kept(replacement);
    let mut target = Template::default();
    let mut has_query = false;
    for (part, _) in parts(cx, replacement, 0..end) {
        match part {
            Part::Text(text) => {
                has_query |= text.contains(&b'?');
                target.push(Part::Text(text));
            }
            Part::Capture(register, number) => {
                let capture = Template(vec![Part::Capture(register, number)]);
                target.push(Part::Escape(Escape::QueryIfReceivedEncoded, capture));
            }
            part => target.push(part),
        }
    }
    let target = match target.as_text() {
        Some(text) if !text.contains(&b'%') => target,
        _ => Template(vec![Part::Escape(Escape::RedirectDecode, target)]),
    };
    let cx = &*cx;
    let respond = |target: Template| {
        let mut steps = Vec::new();
        let mut log = vec![Part::Text("rewritten redirect: \"".into())];
        log.extend(target.0.iter().cloned());
        log.push(Part::Text("\"".into()));
        trace(cx, &mut steps, span, &log);
        steps.push((Step::Respond(Reply { status, content: ReplyContent::Location(target) }), span));
        steps
    };
    let with = |separator: Part| {
        let mut target = target.clone();
        target.push(separator);
        target.push(Part::Attr(Attr::Query));
        target
    };
    let steps = match (keeps_query, has_query) {
        (false, _) => respond(target),
        (true, false) => respond(with(Part::Attr(Attr::QueryMark))),
        (true, true) => {
            let joined = with(Part::Text("&".into()));
            let test = Test::Equal(Template::attr(Attr::Query), Template::default());
            let block = |steps| Block { steps, span, ..Block::default() };
            let (then, otherwise) = (block(respond(target)), block(respond(joined)));
            vec![(Step::When { test, then, otherwise }, span)]
        }
    };
    level.own.program.steps.extend(steps);
}

/// Whether the old query stays, and where the replacement ends: a last `?` says no and is no part of it.
fn query_kept(replacement: &Word) -> (bool, usize) {
    match replacement.value.split_last() {
        Some((b'?', rest)) => (false, rest.len()),
        _ => (true, replacement.value.len()),
    }
}

/// Whether a path that this makes always begins with a slash.
fn begins_with_slash(path: &Template) -> bool {
    match path.0.first() {
        Some(Part::Text(text)) => text.first() == Some(&b'/'),
        Some(Part::Attr(Attr::Path)) => true,
        _ => false,
    }
}
