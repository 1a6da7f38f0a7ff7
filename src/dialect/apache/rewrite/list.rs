//! Lists of rules as steps: patterns, jumps, what a rule that matches does.
//!
//! Observed (2.4.71): the pattern is asked before the conditions; `-` as substitution leaves before redirects and
//! proxying; a status is answered at once; `[R]` alone goes on with the URL as the path; a result that is longer than
//! twice the longest request line is answered with 500; `[N=k]` allows k-2 rounds more.

use super::{
    Cx, Scene, Steps,
    condition::{self, Asks, regex},
    does, effect,
    expansion::Piece,
    finish,
    jumps::{self, Part as Place},
    rule::{Rule, Substitution},
    substitution::{self, Form},
    when,
};
use crate::{
    dialect::apache::lower::{CONDITION, RULE},
    ir::{Attr, Jump, Name, Part, Query, Register, Step, Template, Test, settings::Topic},
    source::Span,
};

/// Twice the longest request line that is read.
const LONGEST: u64 = 2 * 8190;

/// A list of rules, and what becomes of its result.
pub(super) fn lower(cx: &mut Cx, scene: &Scene, rules: &[Rule], span: Span) -> Steps {
    let loops = rules.iter().any(|rule| rule.flags.rounds.is_some() && rule.flags.status.is_none());
    scene.opened.set(scene.dir.is_some() || loops);
    scene.queried.set(loops);
    scene.left.set(false);
    let mut jumps = Vec::new();
    for at in 0..rules.len() {
        jumps.extend(chain_end(rules, at).map(|to| (at, to)));
        jumps.extend(skip_to(rules, at).map(|to| (at, to)));
    }
    let places = jumps::nest(&jumps::blocks(&jumps), 0, rules.len());
    let mut steps = parts(cx, scene, rules, &places);
    if loops {
        steps = vec![does(Some("rules".into()), steps, span)];
    }
    if scene.left.get() {
        steps = vec![does(Some("list".into()), steps, span)];
    }
    let mut all = Steps::new();
    if scene.compared.get() || scene.dir.is_some() && scene.changes.get() {
        let value = Template::attr(Attr::Query);
        all.push((Step::Assign { var: cx.own("@rewrite-query"), value }, span));
    }
    // Patterns read it even where no rule changes it.
    if scene.opened.get() && scene.dir.is_none() {
        let value = Template::attr(Attr::Path);
        all.push((Step::Assign { var: cx.file(), value }, span));
    }
    if scene.opened.get() && scene.changes.get() {
        all.push((Step::Unassign(cx.own("@rewritten")), span));
    }
    all.append(&mut steps);
    if scene.opened.get() && scene.changes.get() {
        all.extend(finish::dynamic(cx, scene, span));
    }
    all
}

/// Where a rule goes on that does not match, if it is chained.
fn chain_end(rules: &[Rule], at: usize) -> Option<usize> {
    let chained = rules[at..].iter().take_while(|rule| rule.flags.chain).count();
    (chained > 0).then(|| (at + chained + 1).min(rules.len()))
}

/// Where a rule that matches goes on.
fn skip_to(rules: &[Rule], at: usize) -> Option<usize> {
    let skip = rules[at].flags.skip as usize;
    (skip > 0).then(|| at.saturating_add(skip).saturating_add(1).min(rules.len()))
}

fn label(to: usize) -> Name {
    format!("to{to}").as_str().into()
}

fn parts(cx: &mut Cx, scene: &Scene, rules: &[Rule], places: &[Place]) -> Steps {
    let mut steps = Steps::new();
    for place in places {
        match place {
            Place::Rule(at) => {
                let no = chain_end(rules, *at).map(label);
                let skip = skip_to(rules, *at).map(label);
                steps.extend(rule(cx, scene, &rules[*at], no, skip));
            }
            Place::Block(end, inner) => {
                let inner = parts(cx, scene, rules, inner);
                steps.push(does(Some(label(*end)), inner, Span::NONE));
            }
        }
    }
    steps
}

fn rule(cx: &mut Cx, scene: &Scene, rule: &Rule, no: Option<Name>, skip: Option<Name>) -> Steps {
    let span = rule.span;
    let subject = scene.subject(cx);
    let pattern = regex(rule.pattern.bytes(), rule.flags.ignore_case);
    let into = (!rule.negated).then_some(RULE);
    let find = Test::Match { subject, pattern, into };
    let find = if rule.negated { Test::Not(Box::new(find)) } else { find };
    let leave: Name = no.clone().unwrap_or_else(|| "rule".into());
    let asks = condition::all(cx, scene, &rule.conditions, &Jump::Exit(leave.clone()));
    let mut forgets = Steps::new();
    if rule.negated && reads(rule, &|piece| matches!(piece, Piece::Rule(_))) {
        forgets.push((Step::Forget(RULE), span));
    }
    if stale_condition(rule) {
        forgets.push((Step::Forget(CONDITION), span));
    }
    let mut applied = apply(cx, scene, rule, skip);
    if cx.names.traces {
        applied.insert(0, tells(scene, rule, "matches", None));
    }
    // Who is not for requests inside the server is passed over; a chain goes on behind it.
    let redirects = rule.flags.redirect.is_some() && scene.dir.is_some();
    let is_outer = (rule.flags.no_subrequest || redirects)
        .then(|| Test::Not(Box::new(Test::Truthy(Template::var(cx.subrequest())))));
    let steps = match asks {
        Asks::Tests(mut tests) if forgets.is_empty() => {
            if no.is_none() {
                tests.splice(0..0, is_outer.clone());
            }
            tests.insert(0, find);
            let test = if tests.len() == 1 { tests.remove(0) } else { Test::All(tests) };
            let otherwise = no.map(|to| vec![(Step::Jump(Jump::Exit(to)), span)]).unwrap_or_default();
            if applied.is_empty() && otherwise.is_empty() && !has_captures(&test) {
                return Steps::new();
            }
            let has_otherwise = !otherwise.is_empty();
            let steps = vec![super::when_else(test, applied, otherwise, span)];
            if !has_otherwise {
                return steps;
            }
            steps
        }
        asks => {
            let out = || vec![(Step::Jump(Jump::Exit(leave.clone())), span)];
            let mut steps = vec![when(Test::Not(Box::new(find)), out(), span)];
            steps.append(&mut forgets);
            match asks {
                Asks::Tests(tests) if tests.is_empty() => {}
                Asks::Tests(tests) => {
                    steps.push(when(Test::Not(Box::new(Test::All(tests))), out(), span));
                }
                Asks::Steps(asked) => steps.extend(asked),
            }
            steps.extend(applied);
            if no.is_some() { steps } else { vec![does(Some(leave), steps, span)] }
        }
    };
    match is_outer {
        Some(test) => vec![when(test, steps, span)],
        None => steps,
    }
}

/// Whether asking fills a register; the rules behind may read it only through rules of their own, which fill it anew.
fn has_captures(_: &Test) -> bool {
    false
}

/// Whether a rule may read `%n` before a condition of its own gave it one.
fn stale_condition(rule: &Rule) -> bool {
    let sets = |condition: &super::rule::Condition| {
        !condition.negated
            && matches!(condition.test, super::rule::Test::Regex(_) | super::rule::Test::Expression(_))
    };
    let mut alternative = false;
    let mut known = false;
    for condition in &rule.conditions {
        if !known && reads_in(&condition.input, &|piece| matches!(piece, Piece::Condition(_))) {
            return true;
        }
        known |= sets(condition) && !condition.flags.or_next && !alternative;
        alternative = condition.flags.or_next;
    }
    !known && reads(rule, &|piece| matches!(piece, Piece::Condition(_)))
}

fn reads(rule: &Rule, is: &dyn Fn(&Piece) -> bool) -> bool {
    let flags = &rule.flags;
    let texts = flags.env.iter().chain(&flags.cookies).chain(&flags.handler).chain(&flags.content_type);
    let mut texts = texts.map(super::expansion::parse);
    rule.substitution.as_ref().is_some_and(|substitution| reads_in(&substitution.pieces, is))
        || texts.any(|pieces| reads_in(&pieces, is))
        || rule.conditions.iter().any(|condition| reads_in(&condition.input, is))
}

fn reads_in(pieces: &[Piece], is: &dyn Fn(&Piece) -> bool) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Map(lookup) => reads_in(&lookup.key, is) || reads_in(&lookup.default, is),
        piece => is(piece),
    })
}

/// What a rule that matches does.
fn apply(cx: &mut Cx, scene: &Scene, rule: &Rule, skip: Option<Name>) -> Steps {
    let span = rule.span;
    let flags = &rule.flags;
    let mut steps = condition::vary(cx, scene, &rule.conditions);
    if let Some(status) = flags.status {
        effect::all(cx, scene, rule, &mut steps);
        steps.push(finish::status(status, span));
        return steps;
    }
    let stops = flags.last || flags.end || flags.proxy || flags.pass_through;
    if flags.end {
        steps.push((Step::Assign { var: cx.own("@rewrite-end"), value: "1".into() }, span));
    }
    match &rule.substitution {
        None => {
            effect::all(cx, scene, rule, &mut steps);
            if flags.pass_through && scene.dir.is_none() {
                finish::pass_through(cx, scene, None, span, &mut steps);
                return steps;
            }
        }
        Some(substitution) => {
            scene.changes.set(true);
            if substitute(cx, scene, rule, substitution, stops, &mut steps) {
                return steps;
            }
        }
    }
    if stops {
        scene.left.set(true);
        steps.push((Step::Jump(Jump::Exit("list".into())), span));
    } else if let Some(rounds) = flags.rounds {
        steps.push((Step::Jump(Jump::Again("rules".into(), rounds.saturating_sub(2))), span));
    } else if let Some(to) = skip {
        steps.push((Step::Jump(Jump::Exit(to)), span));
    }
    steps
}

/// Whether what is expanded is bounded: then its length need not be asked.
fn is_bounded(template: &Template) -> bool {
    template.0.iter().all(|part| matches!(part, Part::Text(_)))
}

/// Puts a substitution in place; whether that ended the list.
fn substitute(
    cx: &mut Cx,
    scene: &Scene,
    rule: &Rule,
    substitution: &Substitution,
    stops: bool,
    steps: &mut Steps,
) -> bool {
    let span = rule.span;
    let flags = &rule.flags;
    let mut parts = substitution::parts(cx, scene, rule, substitution, steps);
    if !parts.guarded.is_empty() {
        let test = Test::Match { subject: parts.guarded.clone(), pattern: regex(b"\\?", false), into: None };
        steps.push(when(test, vec![finish::status(403, span)], span));
    }
    effect::all(cx, scene, rule, steps);
    let (query, changed) = substitution::query(rule, &parts);
    // What reads the query is read before it changes.
    if changed && substitution::reads_query(&parts.path) {
        let new = cx.own("@substitution");
        let value = std::mem::replace(&mut parts.path, Template::var(new));
        steps.push((Step::Assign { var: new, value }, span));
    }
    if let Some(last) = parts.splits {
        split(cx, &mut parts.path, last, flags.query_append, span, steps);
        scene.queried.set(true);
    } else if query != Query::Keep {
        let risky = finish::holds_controls(&query);
        steps.push((Step::Rewrite { path: None, query }, span));
        scene.queried.set(true);
        let escaped = flags.redirect.is_some() || parts.form == Form::Absolute;
        if risky && (!escaped || flags.no_escape || flags.proxy) && (stops || parts.form != Form::Unknown) {
            steps.push(finish::refuse_controls(span));
        }
    }
    if !is_bounded(&parts.path) {
        let test = Test::Longer(parts.path.clone(), LONGEST);
        let text = format!("RewriteRule '{}' and URI '", rule.pattern.bytes().escape_ascii());
        let said = Template(vec![
            Part::Text(text.as_str().into()),
            Part::Attr(Attr::Path),
            Part::Text(format!("' exceeded maximum length ({LONGEST})").as_str().into()),
        ]);
        let complaint = (Step::Complain(Topic::Rewrite, said), span);
        steps.push(when(test, vec![complaint, finish::status(500, span)], span));
    }
    if cx.names.traces {
        steps.push(tells(scene, rule, "leads to", Some(&parts.path)));
    }
    finish::result(cx, scene, rule, parts, stops, changed, steps)
}

/// A line of the trace about a rule: which, in which folder, and what the path is or becomes.
fn tells(scene: &Scene, rule: &Rule, what: &str, to: Option<&Template>) -> (Step, Span) {
    let place = scene.dir.as_ref().map(|dir| format!("[perdir {}] ", String::from_utf8_lossy(&dir.prefix)));
    let pattern = rule.pattern.bytes().escape_ascii();
    let mark = if rule.negated { "!" } else { "" };
    let text = format!("{}RewriteRule '{mark}{pattern}' {what} '", place.unwrap_or_default());
    let mut line = Template::text(text);
    for part in to.cloned().unwrap_or_else(|| Template::attr(Attr::Path)).0 {
        line.push(part);
    }
    line.push(Part::Text("'".into()));
    (Step::Trace(line), rule.span)
}

/// Cuts the query off at a `?` that came from what was expanded.
fn split(cx: &mut Cx, path: &mut Template, last: bool, appends: bool, span: Span, steps: &mut Steps) {
    const CUT: Register = Register('S');
    let new = cx.own("@substitution");
    let value = std::mem::replace(path, Template::var(new));
    steps.push((Step::Assign { var: new, value }, span));
    let pattern = regex(if last { b"^(.*)\\?(.*)$" } else { b"^([^?]*)\\?(.*)$" }, false);
    let test = Test::Match { subject: Template::var(new), pattern, into: Some(CUT) };
    let mut query = Template(vec![Part::Capture(CUT, 2)]);
    if appends {
        query.push(Part::Text("&".into()));
        query.push(Part::Attr(Attr::Query));
    }
    let query = Template(vec![Part::Escape(crate::ir::Escape::WithoutFinalAmpersand, query)]);
    let cut = vec![
        (Step::Assign { var: new, value: Template(vec![Part::Capture(CUT, 1)]) }, span),
        (Step::Rewrite { path: None, query: Query::Replace(query) }, span),
    ];
    steps.push(when(test, cut, span));
}
