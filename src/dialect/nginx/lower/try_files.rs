//! `try_files`: steps before the handler.
//!
//! Observed on nginx 1.22.1: a value that ends in `/` is tested as a directory,
//! any other as a file; the path becomes the value without that slash; the last
//! value is a status, a named location or an internal redirect. Under `alias`
//! the location's path is cut from a value that begins with it. Where the
//! `alias` is a whole file name (in a location given by a pattern) a value is
//! tested after it, and a file that is there becomes the path, now appended to
//! the `alias`; a directory leaves path and `alias` as they were.
//!
//! Reference: <https://nginx.org/r/try_files>

use super::{
    super::tree::{Directive, Word},
    Cx, Level, Lower, Place,
    rewrite::status,
    template, template_part,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Base, Block, FileKind, Jump, Kind, Part, Pattern, Query, Register, Reply, ReplyContent, Scope,
        Settings, Step, Syntax, Template, Test, Text, settings::Alias,
    },
    source::Span,
};

/// Where parts of a value go that must be taken apart; the request's captures stay as they are.
const PARTS: Register = Register('T');

fn try_files(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some((last, values)) = directive.args.split_last() else { return };
    let span = directive.head();
    let Some(mut steps) = fallback(cx, last, span) else { return };
    level.own.try_last = redirected(cx, last);
    for word in values.iter().rev() {
        let directory = word.value.last() == Some(&b'/');
        let kind = if directory { FileKind::Directory } else { FileKind::File };
        let value = template_part(cx, word, 0..word.value.len() - usize::from(directory));
        steps = candidate(&value, kind, steps, word.span);
    }
    let prepare = level.set.prepare.get_or_insert_default();
    prepare.span = span;
    // `stub_status` may have put its own check there, which comes later.
    steps.append(&mut prepare.steps);
    prepare.steps = steps;
}

/// One value: what happens when there is such a file, else `otherwise`.
fn candidate(
    value: &Template,
    kind: FileKind,
    otherwise: Vec<(Step, Span)>,
    span: Span,
) -> Vec<(Step, Span)> {
    let mut file = Template::default();
    file.push(Part::Attr(Attr::DocumentRoot));
    for part in &value.0 {
        file.push(part.clone());
    }
    // The path as it is need not be written again.
    let steps = if value.0 == [Part::Attr(Attr::Path)] {
        Vec::new()
    } else {
        vec![(Step::Rewrite { path: Some(value.clone()), query: Query::Keep }, span)]
    };
    let then = Block { steps, span, ..Block::default() };
    let otherwise = Block { steps: otherwise, span, ..Block::default() };
    vec![(Step::When { test: Test::File(file, kind), then, otherwise }, span)]
}

/// What happens when no file is there.
fn fallback(cx: &mut Cx, word: &Word, span: Span) -> Option<Vec<(Step, Span)>> {
    // Observed: of the statuses below 300 nginx sends these two, and for the others nothing at all.
    let respond = |status| {
        let content = match status {
            201 | 204 => ReplyContent::Page,
            0..300 | 408 | 444 | 499 => ReplyContent::Close,
            _ => ReplyContent::Page,
        };
        (Step::Respond(Reply { status, content }), span)
    };
    match word.value.as_slice() {
        [b'=', code @ ..] => {
            let status = status(code);
            if status.is_none() {
                let message = format!("invalid status `{}`", word.text());
                cx.report(
                    Diagnostic::error("invalid-status", word.span, message)
                        .help("`=` and up to three digits"),
                );
            }
            status.map(|status| vec![respond(status)])
        }
        [b'@' | b'$', ..] if is_computed(&template(cx, word)) => Some(computed(cx, word, respond(500), span)),
        [b'@', ..] if cx.named.contains(&word.value) => {
            Some(vec![(Step::Jump(Jump::Enter(word.value.as_slice().into())), span)])
        }
        // Observed: nginx says so in the error log, and answers 500.
        [b'@', ..] => {
            let message = format!("there is no location `{}` in this server", word.text());
            if !cx.options.offline {
                cx.warn("unknown-location", word.span, message);
            }
            Some(vec![respond(500)])
        }
        _ => {
            let target = template(cx, word);
            Some(redirect(cx, &target, span))
        }
    }
}

/// The last value where it is the target of a redirect that is known only when it is read.
fn redirected(cx: &mut Cx, word: &Word) -> Option<Template> {
    let target = template(cx, word);
    let fixed = matches!(target.0.as_slice(), [] | [Part::Text(_)]) || word.value.first() == Some(&b'@');
    (!fixed).then_some(target)
}

/// Whether the last value may name a location, but says which only when it is read.
fn is_computed(value: &Template) -> bool {
    match value.0.as_slice() {
        [Part::Text(text), _, ..] => text.starts_with(b"@"),
        [Part::Text(_) | Part::Attr(Attr::Path), ..] | [] => false,
        _ => true,
    }
}

/// A last value with variables that names a location: observed, its value is looked for among the server's named
/// locations, and what is not there is answered with 500. One that begins with a variable may be a path as well.
fn computed(cx: &mut Cx, word: &Word, unknown: (Step, Span), span: Span) -> Vec<(Step, Span)> {
    let target = template(cx, word);
    let begin = match target.0.first() {
        Some(Part::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let mut steps = if begin.is_some() { vec![unknown] } else { redirect(cx, &target, span) };
    let mut names: Vec<_> = cx.named.iter().cloned().collect();
    names.retain(|name| begin.as_ref().is_none_or(|begin| name.starts_with(begin)));
    names.sort_unstable_by(|one, other| other.cmp(one));
    for name in names {
        let test = Test::Equal(target.clone(), Template::text(name.as_slice()));
        let block = |steps| Block { steps, span, ..Block::default() };
        let then = block(vec![(Step::Jump(Jump::Enter(name.as_slice().into())), span)]);
        steps = vec![(Step::When { test, then, otherwise: block(steps) }, span)];
    }
    steps
}

/// An internal redirect: the first `?` begins the query, without one there is none.
fn redirect(cx: &mut Cx, target: &Template, span: Span) -> Vec<(Step, Span)> {
    let mut path = Template::default();
    let mut query = Template::default();
    let mut in_query = false;
    for part in target.0.iter().cloned() {
        match part {
            Part::Text(text) if !in_query => match memchr::memchr(b'?', &text) {
                Some(at) => {
                    path.push(Part::Text(text[..at].into()));
                    query.push(Part::Text(text[at + 1..].into()));
                    in_query = true;
                }
                None => path.push(Part::Text(text)),
            },
            part if in_query => query.push(part),
            part => path.push(part),
        }
    }
    if !matches!(path.0.first(), Some(Part::Text(text)) if text.first() == Some(&b'/'))
        && path.0.first() != Some(&Part::Attr(Attr::Path))
    {
        cx.odd_paths = true;
    }
    let go = |path, query| {
        vec![
            (Step::Rewrite { path: Some(path), query: Query::Replace(query) }, span),
            (Step::Jump(Jump::Restart), span),
        ]
    };
    // A value before the first written `?` may bring one: it is looked for when the value is known.
    if path.0.iter().all(|part| matches!(part, Part::Text(_))) {
        return go(path, query);
    }
    let pattern = Pattern {
        kind: Kind::Regex(Syntax::PerlWhole),
        text: "^([^?]*)\\?(.*)$".into(),
        ignore_case: false,
        groups: Vec::new(),
    };
    let capture = |number| Template(vec![Part::Capture(PARTS, number)]);
    let block = |steps| Block { steps, span, ..Block::default() };
    let test = Test::Match { subject: target.clone(), pattern, into: Some(PARTS) };
    let then = block(go(capture(1), capture(2)));
    let otherwise = block(go(target.clone(), Template::default()));
    vec![(Step::When { test, then, otherwise }, span)]
}

/// Rewrites the file tests where an `alias` is in force, when the level is known.
///
/// The values are tested under the alias without the path of the location that has it, and the path keeps it.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    if let Some(alias) = &level.set.files.alias {
        level.inherited.cut = match (alias, &level.place) {
            (Some(alias), Place::Prefix(name) | Place::Exact(name)) if alias.cut.is_some() => {
                Some(name.clone())
            }
            _ => None,
        };
        level.inherited.whole = match alias {
            Some(alias) if alias.cut.is_none() => Some(alias.with.clone()),
            _ => None,
        };
    }
    if let (Some(alias), Some(prepare)) = (&level.inherited.whole, &mut level.set.prepare) {
        append_hits(&mut prepare.steps, alias);
    }
    let last = level.own.try_last.take();
    if let (Some(name), Some(prepare)) = (&level.inherited.cut, &mut level.set.prepare) {
        if let Some(last) = last {
            cut_last(cx, &mut prepare.steps, &last, name);
        }
        let own = matches!(&level.place, Place::Prefix(place) | Place::Exact(place) if place == name);
        cut_tests(&mut prepare.steps, name, own);
    }
}

/// Puts the redirect to the last value in place, less the location's path if it begins with that.
///
/// Observed, and known since <https://trac.nginx.org/nginx/ticket/97>: files count on it, writing the path twice.
fn cut_last(cx: &mut Cx, steps: &mut Vec<(Step, Span)>, last: &Template, name: &Text) {
    if let Some((Step::When { test: Test::File(..), otherwise, .. }, _)) = steps.first_mut() {
        return cut_last(cx, &mut otherwise.steps, last, name);
    }
    let Some(&(_, span)) = steps.first() else { return };
    let begin = match last.0.first() {
        Some(Part::Text(text)) => &text[..],
        _ => &b""[..],
    };
    if begin.starts_with(name) {
        let mut rest = Template::text(&begin[name.len()..]);
        for part in &last.0[1..] {
            rest.push(part.clone());
        }
        *steps = redirect(cx, &rest, span);
    } else if name.starts_with(begin) {
        let rest = Template(vec![Part::Capture(PARTS, 1)]);
        let block = |steps| Block { steps, span, ..Block::default() };
        let then = block(redirect(cx, &rest, span));
        let otherwise = block(std::mem::take(steps));
        let test = Test::Match { subject: last.clone(), pattern: begins_with(name), into: Some(PARTS) };
        *steps = vec![(Step::When { test, then, otherwise }, span)];
    }
}

/// A pattern for what begins with a path, the rest captured.
fn begins_with(name: &Text) -> Pattern {
    Pattern {
        kind: Kind::Regex(Syntax::PerlWhole),
        text: [b"^".as_slice(), &quote(name), b"(.*)$"].concat().into(),
        ignore_case: false,
        groups: Vec::new(),
    }
}

/// What a hit means under an alias that is a whole file name.
fn append_hits(steps: &mut [(Step, Span)], alias: &Template) {
    for (step, _) in steps {
        let Step::When { test: Test::File(file, kind), then, otherwise } = step else { continue };
        append_hits(&mut otherwise.steps, alias);
        // A value that is empty makes no path: the file is the alias itself.
        if *kind == FileKind::Directory || file.0.len() == 1 {
            then.steps.clear();
            continue;
        }
        let mut set = Settings::default();
        set.files.alias = Some(Some(Alias { with: alias.clone(), cut: Some(0), rewritten: false }));
        then.scope = Some(Scope { base: Base::Current, set: Box::new(set) });
    }
}

/// `own` is whether the path is that of the location itself.
fn cut_tests(steps: &mut Vec<(Step, Span)>, name: &Text, own: bool) {
    for (step, span) in std::mem::take(steps) {
        match step {
            Step::When { test: Test::File(file, kind), then, mut otherwise } => {
                cut_tests(&mut otherwise.steps, name, own);
                steps.extend(under_alias(&file, kind, &then, otherwise, (name, own), span));
            }
            step => steps.push((step, span)),
        }
    }
}

/// One file test under an alias.
fn under_alias(
    file: &Template,
    kind: FileKind,
    then: &Block,
    otherwise: Block,
    (name, own): (&Text, bool),
    span: Span,
) -> Vec<(Step, Span)> {
    let value = Template(file.0.get(1..).unwrap_or_default().to_vec());
    let under = |rest: Template| {
        let mut file = Template::attr(Attr::DocumentRoot);
        for part in rest.0 {
            file.push(part);
        }
        file
    };
    let when = |file, rest: &Template, otherwise| {
        let mut path = Template::text(name.clone());
        for part in &rest.0 {
            path.push(part.clone());
        }
        let steps = if then.steps.is_empty() {
            Vec::new()
        } else {
            vec![(Step::Rewrite { path: Some(path), query: Query::Keep }, span)]
        };
        let then = Block { steps, span, ..Block::default() };
        (Step::When { test: Test::File(file, kind), then, otherwise }, span)
    };
    match value.0.as_slice() {
        [Part::Attr(Attr::Path), rest @ ..] if own => {
            let mut cut = Template::attr(Attr::PathRest);
            for part in rest {
                cut.push(part.clone());
            }
            vec![when(under(cut.clone()), &cut, otherwise)]
        }
        // Observed: what has no variables is never cut.
        [] | [Part::Text(_)] => vec![when(under(value.clone()), &value, otherwise)],
        [Part::Text(text), rest @ ..] if text.starts_with(name) => {
            let mut cut = Template::text(&text[name.len()..]);
            for part in rest {
                cut.push(part.clone());
            }
            vec![when(under(cut.clone()), &cut, otherwise)]
        }
        [Part::Text(text), ..] if !name.starts_with(text) => {
            vec![when(under(value.clone()), &value, otherwise)]
        }
        // Whether the value begins with the path of the location is known only when it is read.
        _ => {
            let pattern = begins_with(name);
            let rest = Template(vec![Part::Capture(PARTS, 1)]);
            let block = |step| Block { steps: vec![step], span, ..Block::default() };
            let cut = block(when(under(rest.clone()), &rest, otherwise.clone()));
            let whole = block(when(under(value.clone()), &value, otherwise));
            let test = Test::Match { subject: value, pattern, into: Some(PARTS) };
            vec![(Step::When { test, then: cut, otherwise: whole }, span)]
        }
    }
}

/// Observed: where `rewrite ... break` changed the path, `alias` stands for it no more, and nothing is tested: nginx says
/// so in the error log, and answers 500.
pub(super) fn refuse_rewritten(level: &mut Level) {
    let Some(prepare) = level.set.prepare.as_mut().filter(|_| level.own.program.breaks()) else { return };
    if level.inherited.cut.is_none() {
        return;
    }
    let span = prepare.span;
    let refused = Reply { status: 500, content: ReplyContent::Page };
    let block = |steps| Block { steps, span, ..Block::default() };
    let test = Test::Present(Template::attr(Attr::FilePath));
    let then = block(std::mem::take(&mut prepare.steps));
    let otherwise = block(vec![(Step::Respond(refused), span)]);
    prepare.steps.push((Step::When { test, then, otherwise }, span));
}

/// A text as a pattern that matches it.
fn quote(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::new();
    for &byte in text {
        if byte.is_ascii_punctuation() {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted
}

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("try_files", try_files)];
