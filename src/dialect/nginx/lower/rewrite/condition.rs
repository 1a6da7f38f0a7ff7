//! `if`: its condition, and the level that it is.
//!
//! Observed on nginx 1.22.1: a true `if` in a location brings settings that
//! replace those of an earlier one; a pattern that does not match empties the
//! captures, in `!~` as well; the handler chosen by an earlier `if` stays, but
//! with the later one's settings, which may not name an upstream: 500.

use super::{
    super::{
        super::tree::{Directive, Word},
        CAPTURES, Cx, Kind, Level, regex, template_part,
        word::inside,
    },
    Answers, quoted, trace_match, upstream_may_be_lost,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Base, Block, FileKind, Handler, Scope, Settings, Step, Template, Test, Var, VarId, VarKind},
    source::Span,
};

/// A condition: what is asked, and steps before the body and where it does not hold.
struct Condition {
    test: Test,
    before: Vec<(Step, Span)>,
    otherwise: Vec<(Step, Span)>,
}

impl Condition {
    /// Whether it gives captures.
    fn is_pattern(&self) -> bool {
        match &self.test {
            Test::Match { .. } => true,
            Test::Not(test) => matches!(**test, Test::Match { .. }),
            _ => false,
        }
    }
}

/// `if (condition) { … }`
pub(super) fn lower(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    level.own.program.ifs_left = level.own.program.ifs_left.saturating_sub(1);
    let span = directive.head();
    let condition = condition(cx, level, directive);
    if condition.as_ref().is_some_and(Condition::is_pattern) {
        level.own.program.captures_of_rewrite = false;
    }
    let kind = if level.kind == Kind::Server { Kind::ServerIf } else { Kind::If };
    let mut inside = Level::new(kind, span, level);
    inside.own.program.captures_of_rewrite = level.own.program.captures_of_rewrite;
    inside.fill(cx, directive.block());
    let Some(Condition { test, before: mut steps, otherwise }) = condition else { return };

    if kind == Kind::If {
        keep_upstream(cx, level, &inside, &mut steps, span);
    }
    level.own.program.jumps |= inside.own.program.jumps;
    steps.append(&mut inside.own.program.steps);
    // A server's `if` brings no settings: nothing that has any may stand in it.
    let set = std::mem::take(&mut inside.set);
    level.own.program.settings_of_if |= set != Settings::default();
    let scope = (kind == Kind::If && level.own.program.settings_of_if)
        .then(|| Scope { base: Base::Enclosing, set: Box::new(set) });
    let then = Block { label: None, scope, steps, span };
    let otherwise = Block { label: None, scope: None, steps: otherwise, span };
    level.own.program.push(Step::When { test, then, otherwise }, span);
}

/// Remembers that an `if` brought an upstream, and takes it from a later `if` that brings none.
fn keep_upstream(cx: &mut Cx, level: &mut Level, inside: &Level, steps: &mut Vec<(Step, Span)>, span: Span) {
    if !upstream_may_be_lost(level) {
        return;
    }
    let brings = inside.inherited.answers == Answers::Upstream;
    match level.own.program.upstream_of_if {
        None if brings && level.own.program.ifs_left > 0 => {
            let var = mark(cx, span);
            level.own.program.upstream_of_if = Some(var);
            // Variables outlive an internal redirect; this one must not.
            let reset = Step::Assign { var, value: Template::default() };
            level.own.program.steps.insert(0, (reset, span));
            steps.push((Step::Assign { var, value: "1".into() }, span));
        }
        Some(var) if brings => steps.push((Step::Assign { var, value: "1".into() }, span)),
        Some(var) => {
            let set = Settings {
                handler: Some(Handler::Missing("no upstream configuration".into())),
                ..Settings::default()
            };
            let scope = Some(Scope { base: Base::Enclosing, set: Box::new(set) });
            let then = Block { label: None, scope, steps: Vec::new(), span };
            let test = Test::Truthy(Template::var(var));
            steps.push((Step::When { test, then, otherwise: Block::default() }, span));
        }
        None => {}
    }
}

fn mark(cx: &mut Cx, span: Span) -> VarId {
    let id = VarId(cx.config.vars.len() as u32);
    let name = format!("upstream_of_if_{}", id.0).into();
    cx.config.vars.push(Var { name, kind: VarKind::Assigned, span });
    id
}

/// The words of a condition without its parentheses: each with the bytes of it that count.
fn condition(cx: &mut Cx, level: &Level, directive: &Directive) -> Option<Condition> {
    let mut words: Vec<(&Word, std::ops::Range<usize>)> =
        directive.args.iter().map(|word| (word, 0..word.value.len())).collect();
    let whole = directive.head();
    let Some((first, range)) = words.first_mut() else {
        return invalid(cx, whole, "a condition is missing");
    };
    if first.value.first() != Some(&b'(') || first.quote.is_some() {
        let span = first.span;
        return invalid(cx, span, "a condition stands in parentheses");
    }
    range.start = 1;
    if range.start >= range.end {
        words.remove(0);
    }
    let Some((last, range)) = words.last_mut() else {
        return invalid(cx, whole, "a condition is missing");
    };
    if last.value.last() != Some(&b')') || last.quote.is_some() {
        let span = last.span;
        return invalid(cx, span, "a condition ends with a parenthesis");
    }
    range.end = range.end.saturating_sub(1);
    if range.start >= range.end {
        words.pop();
    }
    let (first, range) = words.first().cloned().unwrap_or((first_word(directive)?, 0..0));
    let text = first.value.get(range.clone()).unwrap_or_default();
    match text {
        [b'$', _, ..] if words.len() == 1 || words.len() == 3 => comparison(cx, level, &words),
        [b'-', _] | [b'!', b'-', _] if words.len() == 2 => file_test(cx, level, &words),
        _ => invalid(cx, inside(cx, first, range), "this is no condition"),
    }
}

fn first_word(directive: &Directive) -> Option<&Word> {
    directive.args.first()
}

fn invalid<T>(cx: &mut Cx, span: Span, message: &str) -> Option<T> {
    cx.report(Diagnostic::error("invalid-condition", span, message).help(
        "a variable, `$a = text`, `$a != text`, `$a ~ pattern`, `~*`, `!~`, `!~*`, or a file test `-f`, `-d`, `-e`, `-x`",
    ));
    None
}

/// `$a`, `$a = text`, `$a ~ pattern` and the negations.
fn comparison(cx: &mut Cx, level: &Level, words: &[(&Word, std::ops::Range<usize>)]) -> Option<Condition> {
    let (first, range) = words.first()?;
    let name = range.start + 1..range.end;
    let name = first.value.get(name)?.to_vec();
    let span = inside(cx, first, range.clone());
    let subject = cx.variable(&name, span).map(|part| Template(vec![part]));
    let [_, (operator, _), (operand, range)] = words else {
        return Some(plain(Test::Truthy(subject?)));
    };
    let (negated, ignore_case) = match operator.value.as_slice() {
        b"=" => {
            let right = quoted(level, template_part(cx, operand, range.clone()));
            return Some(plain(Test::Equal(subject?, right)));
        }
        b"!=" => {
            let right = quoted(level, template_part(cx, operand, range.clone()));
            return Some(plain(Test::Not(Box::new(Test::Equal(subject?, right)))));
        }
        b"~" => (false, false),
        b"~*" => (false, true),
        b"!~" => (true, false),
        b"!~*" => (true, true),
        _ => {
            let message = format!("unexpected `{}` in a condition", operator.text());
            return invalid(cx, operator.span, &message);
        }
    };
    let mut cut = (*operand).clone();
    cut.value.truncate(range.end);
    let pattern = regex(cx, &cut, range.start, ignore_case);
    let text = pattern.text.clone();
    let subject = subject?;
    let span = operand.span;
    let mut matched = Vec::new();
    trace_match(cx, &mut matched, span, &text, "matches", &subject);
    let mut unmatched = vec![(Step::Forget(CAPTURES), span)];
    trace_match(cx, &mut unmatched, span, &text, "does not match", &subject);
    let test = Test::Match { subject, pattern, into: Some(CAPTURES) };
    Some(if negated {
        Condition { test: Test::Not(Box::new(test)), before: unmatched, otherwise: matched }
    } else {
        Condition { test, before: matched, otherwise: unmatched }
    })
}

fn plain(test: Test) -> Condition {
    Condition { test, before: Vec::new(), otherwise: Vec::new() }
}

/// `-f path` and its like.
fn file_test(cx: &mut Cx, level: &Level, words: &[(&Word, std::ops::Range<usize>)]) -> Option<Condition> {
    let [(operator, at), (path, range)] = words else { return None };
    let text = operator.value.get(at.clone())?;
    let kind = match text.last() {
        Some(b'f') => FileKind::File,
        Some(b'd') => FileKind::Directory,
        Some(b'e') => FileKind::Any,
        Some(b'x') => FileKind::Executable,
        _ => {
            let span = inside(cx, operator, at.clone());
            return invalid(cx, span, "this is no file test");
        }
    };
    let negated = text.first() == Some(&b'!');
    let path = quoted(level, template_part(cx, path, range.clone()));
    let test = Test::File(path, kind);
    Some(plain(if negated { Test::Not(Box::new(test)) } else { test }))
}
