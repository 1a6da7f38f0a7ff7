//! What becomes of the result of rules: an answer, a redirect, an upstream, a file, another path.
//!
//! Where a rule's text shows what it is and the rule ends the list, that is lowered at once. Else the result is in
//! [`Cx::file`], `@rewritten` says how it was made, and [`dynamic`] looks at it behind the list.

use super::{
    Cx, Dir, Scene, Steps,
    condition::regex,
    rule::Rule,
    substitution::{self, ABSOLUTE, Form, Parts},
    value, when,
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::lower::{Phase, proxy::target},
    ir::{
        Attr, Escape, FileKind, Jump, Part, Pattern, Query, Register, Reply, ReplyContent, Step, Template,
        Test,
    },
    source::Span,
};

/// Controls, the space and DEL: what may stand in no query.
const CONTROLS: &[u8] = b"[\\x00-\\x20\\x7f]";

/// Captures of our own patterns.
const OWN: Register = Register('S');

/// A page of our own.
pub(super) fn status(status: u16, span: Span) -> (Step, Span) {
    (Step::Respond(Reply { status, content: ReplyContent::Page }), span)
}

/// Whether a new query may hold what must not be sent.
pub(super) fn holds_controls(query: &Query) -> bool {
    let Query::Replace(query) = query else { return false };
    match query.as_text() {
        Some(text) => text.iter().any(|byte| *byte <= b' ' || *byte == 0x7f),
        None => true,
    }
}

/// A query that was not escaped and has to be is forbidden.
pub(super) fn refuse_controls(span: Span) -> (Step, Span) {
    let subject = Template::attr(Attr::Query);
    let test = Test::Match { subject, pattern: regex(CONTROLS, false), into: None };
    when(test, vec![status(403, span)], span)
}

fn join(parts: impl IntoIterator<Item = Template>) -> Template {
    let mut joined = Template::default();
    for part in parts.into_iter().flat_map(|template| template.0) {
        joined.push(part);
    }
    joined
}

fn is_absolute(file: Template) -> Test {
    Test::Match { subject: file, pattern: regex(ABSOLUTE.as_bytes(), false), into: None }
}

fn begins(subject: Template, text: &[u8]) -> Test {
    Test::Match { subject, pattern: Pattern::prefix(text), into: None }
}

fn not(test: Test) -> Test {
    Test::Not(Box::new(test))
}

/// Puts the result of a rule in place; whether that ended the list.
pub(super) fn result(
    cx: &mut Cx,
    scene: &Scene,
    rule: &Rule,
    parts: Parts,
    stops: bool,
    changed: bool,
    steps: &mut Steps,
) -> bool {
    let (span, flags) = (rule.span, &rule.flags);
    let Parts { mut form, mut path, .. } = parts;
    let before = match &scene.dir {
        Some(dir) => Template::text(dir.prefix.clone()),
        None => "/".into(),
    };
    let below = form == Form::Relative;
    if below {
        path = join([before.clone(), path]);
        form = Form::Path;
    }
    if flags.pass_through && (flags.proxy || flags.redirect.is_some()) {
        steps.push(status(400, span));
        return true;
    }
    if flags.proxy && form != Form::Unknown {
        proxy(cx, scene, rule, form, path, steps);
        return true;
    }
    if form == Form::Absolute
        && flags.redirect.is_none()
        && let Some(reduced) = scene.names.reduce(&path)
    {
        // The same server by another name: a path again, where the scheme is that of the request.
        let (scheme, reduced) = reduced;
        let mut own = Steps::new();
        let ended = path_result(cx, scene, rule, reduced, false, stops, &mut own);
        let mut other = Steps::new();
        let ended_too = url_result(cx, scene, rule, path, stops, changed, &mut other);
        let test = Test::Equal(Template::attr(Attr::Scheme), scheme.into());
        steps.push(super::when_else(test, own, other, span));
        return ended && ended_too;
    }
    match form {
        Form::Absolute => url_result(cx, scene, rule, path, stops, changed, steps),
        Form::Path if flags.redirect.is_some() => {
            let origin = value::origin(cx, scene);
            let path = match &scene.dir {
                Some(dir) => dir.public(cx, path, below),
                None => path,
            };
            let slash = if is_rooted(&path) { Template::default() } else { "/".into() };
            if stops {
                let url = if flags.no_escape { path } else { substitution::encoded_path(path) };
                redirect(cx, scene, rule, join([origin, slash, url]), changed, steps);
                return true;
            }
            let file = cx.file();
            steps.push((Step::Assign { var: file, value: join([origin, slash, path]) }, span));
            mark(cx, scene, rule, steps);
            false
        }
        Form::Path | Form::Relative => path_result(cx, scene, rule, path, below, stops, steps),
        Form::Unknown => {
            unknown(cx, scene, rule, path, &before, steps);
            if flags.proxy {
                let file = Template::var(cx.file());
                let mut own = Steps::new();
                proxy(cx, scene, rule, Form::Absolute, file.clone(), &mut own);
                let mut other = Steps::new();
                proxy(cx, scene, rule, Form::Path, file.clone(), &mut other);
                steps.push(super::when_else(is_absolute(file), own, other, span));
                return true;
            }
            if flags.pass_through {
                let file = Template::var(cx.file());
                steps.push(when(is_absolute(file), vec![status(400, span)], span));
            }
            if passes(scene, rule) {
                let file = Template::var(cx.file());
                pass_through(cx, scene, Some(file), span, steps);
                return true;
            }
            mark(cx, scene, rule, steps);
            false
        }
    }
}

/// Whether others are to map the result: it has to be a path then (observed).
fn passes(scene: &Scene, rule: &Rule) -> bool {
    rule.flags.pass_through && scene.dir.is_none()
}

/// Whether a template shows that it begins with a slash.
fn is_rooted(path: &Template) -> bool {
    match path.0.first() {
        Some(Part::Text(text)) => text.starts_with(b"/"),
        // Variables are prefixes and results that were looked at before.
        Some(Part::Attr(Attr::Path | Attr::Root) | Part::Var(_)) => true,
        _ => false,
    }
}

/// A result that shows its form only when it is there.
fn unknown(cx: &mut Cx, scene: &Scene, rule: &Rule, path: Template, before: &Template, steps: &mut Steps) {
    let span = rule.span;
    let file = cx.file();
    let value = Template::var(file);
    steps.push((Step::Assign { var: file, value: path }, span));
    let prefixed = (Step::Assign { var: file, value: join([before.clone(), value.clone()]) }, span);
    let test = not(Test::Any(vec![begins(value.clone(), b"/"), is_absolute(value.clone())]));
    steps.push(when(test, vec![prefixed], span));
    if rule.flags.proxy {
        return;
    }
    if rule.flags.redirect.is_some() {
        let origin = value::origin(cx, scene);
        let own = (Step::Assign { var: file, value: join([origin, value.clone()]) }, span);
        steps.push(when(not(is_absolute(value)), vec![own], span));
    } else if let Some(pattern) = scene.names.own_urls() {
        let test = Test::Match { subject: value, pattern, into: Some(OWN) };
        let rest = (Step::Assign { var: file, value: Template(vec![Part::Capture(OWN, 1)]) }, span);
        let rooted = when(
            not(begins(Template::var(file), b"/")),
            vec![(Step::Assign { var: file, value: "/".into() }, span)],
            span,
        );
        steps.push(when(test, vec![rest, rooted], span));
    }
}

/// Notes that the result is in place, and how it is to be answered.
fn mark(cx: &mut Cx, scene: &Scene, rule: &Rule, steps: &mut Steps) {
    let span = rule.span;
    scene.opened.set(true);
    let value = if rule.flags.no_escape { "raw" } else { "escaped" };
    steps.push((Step::Assign { var: cx.own("@rewritten"), value: value.into() }, span));
    let code = rule.flags.code.unwrap_or(302);
    scene.codes.borrow_mut().insert(code);
    let value = Template::text(code.to_string());
    steps.push((Step::Assign { var: cx.own("@redirect-code"), value }, span));
}

/// A URL.
fn url_result(
    cx: &mut Cx,
    scene: &Scene,
    rule: &Rule,
    url: Template,
    stops: bool,
    changed: bool,
    steps: &mut Steps,
) -> bool {
    if rule.flags.pass_through {
        steps.push(status(400, rule.span));
        return true;
    }
    if stops {
        let url = if rule.flags.no_escape { url } else { substitution::encoded_url(url) };
        redirect(cx, scene, rule, url, changed, steps);
        return true;
    }
    steps.push((Step::Assign { var: cx.file(), value: url }, rule.span));
    mark(cx, scene, rule, steps);
    false
}

/// A path. `below`: it was relative to the directory.
fn path_result(
    cx: &mut Cx,
    scene: &Scene,
    rule: &Rule,
    path: Template,
    below: bool,
    stops: bool,
    steps: &mut Steps,
) -> bool {
    let span = rule.span;
    if passes(scene, rule) {
        pass_through(cx, scene, Some(path), span, steps);
        return true;
    }
    if !stops {
        steps.push((Step::Assign { var: cx.file(), value: path }, span));
        mark(cx, scene, rule, steps);
        return false;
    }
    match &scene.dir {
        None => {
            map(cx, scene, path, rule.flags.prefix_stat, rule.flags.unc, span, steps);
            true
        }
        Some(dir) => {
            if !dir.prefix.starts_with(b"/") && below {
                steps.push(status(400, span));
                return true;
            }
            go_on(cx, scene, dir, &path, below, span, steps);
            false
        }
    }
}

/// `[PT]`: others map the path.
pub(super) fn pass_through(
    cx: &mut Cx,
    scene: &Scene,
    path: Option<Template>,
    span: Span,
    steps: &mut Steps,
) {
    let path = path.or_else(|| scene.opened.get().then(|| Template::var(cx.file())));
    if let Some(path) = path {
        steps.push((Step::Rewrite { path: Some(path), query: Query::Keep }, span));
    }
    steps.push((Step::Jump(Jump::Exit("rewrite".into())), span));
}

/// A path becomes a file: as it is where its first component is a file and it may be one, else below the root.
fn map(
    cx: &mut Cx,
    scene: &Scene,
    path: Template,
    trusted: bool,
    doubled: bool,
    span: Span,
    steps: &mut Steps,
) {
    let file = cx.file();
    let text = match path.0.first() {
        Some(Part::Text(text)) => text.to_vec(),
        _ => Vec::new(),
    };
    let whole = path.0.len() == 1;
    // A slash before what is expanded may make two.
    let collapses = !doubled && text == b"/" && !whole;
    let mut path = path;
    if collapses || path.0.iter().any(|part| matches!(part, Part::Escape(..))) || path.0.len() > 2 {
        steps.push((Step::Assign { var: file, value: path }, span));
        path = Template::var(file);
    }
    if collapses {
        let test =
            Test::Match { subject: path.clone(), pattern: regex(b"^//+(.*)$", false), into: Some(OWN) };
        let value = Template(vec![Part::Text("/".into()), Part::Capture(OWN, 1)]);
        steps.push(when(test, vec![(Step::Assign { var: file, value }, span)], span));
    }
    // Slashes at the beginning count as one.
    let doubled = text.iter().take_while(|byte| **byte == b'/').count().saturating_sub(1);
    let text = text[doubled..].to_vec();
    let end = memchr::memchr(b'/', text.get(1..).unwrap_or_default()).map(|at| at + 1);
    let component = match end {
        Some(end) => Some(text[..end].to_vec()),
        None if whole && text.len() > 1 => Some(text.clone()),
        None => None,
    };
    let mut tests = Vec::new();
    let below_root = |path: Template| {
        let root = scene.root.as_text().map(<[u8]>::to_vec);
        root.map(|root| begins(path, &[&root[..], b"/"].concat()))
    };
    match component {
        Some(first) => tests.push(Test::File(Template::text(first), FileKind::Any)),
        None if trusted => {
            let first =
                Test::Match { subject: path.clone(), pattern: regex(b"^/[^/]*", false), into: Some(OWN) };
            tests.push(first);
            tests.push(Test::File(Template(vec![Part::Capture(OWN, 0)]), FileKind::Any));
        }
        None => {
            let mut either: Vec<Test> = below_root(path.clone()).into_iter().collect();
            if text.len() > 1 && text.starts_with(b"/") {
                // What is expanded begins behind the first component, or makes it another one.
                let first = [&text[..], b"/"].concat();
                let there = Test::File(Template::text(text), FileKind::Any);
                either.push(Test::All(vec![begins(path.clone(), &first), there]));
            }
            match either.pop() {
                Some(only) if either.is_empty() => tests.push(only),
                Some(last) => tests.push(Test::Any(either.into_iter().chain([last]).collect())),
                None => {}
            }
        }
    }
    let mut below = path.clone();
    if let Some(Part::Text(text)) = below.0.first_mut() {
        text.0.drain(..doubled);
    }
    let under = Step::Assign { var: file, value: join([scene.root.clone(), below]) };
    if tests.is_empty() {
        steps.push((under, span));
    } else if path == Template::var(file) {
        steps.push(when(not(Test::All(tests)), vec![(under, span)], span));
    } else {
        let as_is = vec![(Step::Assign { var: file, value: path }, span)];
        steps.push(super::when_else(Test::All(tests), as_is, vec![(under, span)], span));
    }
    steps.push((Step::Jump(Jump::Exit("translate".into())), span));
}

/// A directory's rules found another path: the request begins anew with it, unless it is the same file.
fn go_on(cx: &mut Cx, scene: &Scene, dir: &Dir, path: &Template, below: bool, span: Span, steps: &mut Steps) {
    let file = cx.file();
    let from = Template::var(cx.own("@rewrite-file"));
    steps.push((Step::Assign { var: file, value: path.clone() }, span));
    let url = dir.url(cx, scene, path, below);
    let mut again: Steps = vec![crate::dialect::apache::lower::slash_first(cx)];
    if cx.proxy.gateways {
        // Variables are set before the request begins anew, and programs are told what they were.
        again.push((Step::Perform(Phase::Env.name()), span));
    }
    // What is asked for anew may not have an encoded slash either, unless the server lets it.
    again
        .push((Step::Assign { var: cx.own(crate::dialect::apache::lower::AGAIN), value: url.clone() }, span));
    again.extend([
        (
            Step::Target(join([url, Template(vec![Part::Attr(Attr::QueryMark), Part::Attr(Attr::Query)])])),
            span,
        ),
        (Step::Jump(Jump::Restart), span),
    ]);
    steps.push(when(not(Test::Equal(Template::var(file), from)), again, span));
}

/// A redirect to a URL whose path is written as it is sent.
fn redirect(cx: &mut Cx, scene: &Scene, rule: &Rule, url: Template, changed: bool, steps: &mut Steps) {
    let flags = &rule.flags;
    let may_differ = changed || scene.queried.get();
    location(cx, scene, flags.code.unwrap_or(302), url, flags.no_escape || !may_differ, rule.span, steps);
}

/// The same: `raw` says that the query needs no escaping.
fn location(cx: &mut Cx, scene: &Scene, code: u16, url: Template, raw: bool, span: Span, steps: &mut Steps) {
    let with = |query: Part| {
        let query = Template(vec![Part::Attr(Attr::QueryMark), query]);
        let content = ReplyContent::Location(join([url.clone(), query]));
        (Step::Respond(Reply { status: code, content }), span)
    };
    let query = Template::attr(Attr::Query);
    let kept = with(Part::Attr(Attr::Query));
    if raw && scene.queried.get() {
        steps.push(kept);
        return;
    }
    if raw {
        // An empty query as it was received keeps its mark.
        let ends =
            Test::Match { subject: Template::attr(Attr::Target), pattern: regex(b"\\?$", false), into: None };
        let choices = vec![(Test::Any(vec![Test::Longer(query.clone(), 0), ends]), "?".into())];
        let mark = value::choice(cx, "@query-mark", choices, Template::default());
        let content = ReplyContent::Location(join([url, mark, query]));
        steps.push((Step::Respond(Reply { status: code, content }), span));
        return;
    }
    // A query that came out as it was is what the client sent.
    scene.compared.set(true);
    let same = Test::Equal(query.clone(), Template::var(cx.own("@rewrite-query")));
    steps.push(super::when_else(same, vec![kept], vec![with(Part::Escape(Escape::UriText, query))], span));
}

/// `[P]`
fn proxy(cx: &mut Cx, scene: &Scene, rule: &Rule, form: Form, path: Template, steps: &mut Steps) {
    let span = rule.span;
    let raw = rule.flags.no_escape;
    if raw && path.as_text().is_none() {
        let test = Test::Match { subject: path.clone(), pattern: regex(CONTROLS, false), into: None };
        steps.push(when(test, vec![status(403, span)], span));
    }
    let send = |cx: &mut Cx, url: Template| {
        let url = if raw {
            join([url, Template(vec![Part::Attr(Attr::QueryMark), Part::Attr(Attr::Query)])])
        } else {
            url
        };
        let mut sent = target::forward(cx, url, raw, span);
        if scene.dir.is_none() {
            sent.push(target::leave(span));
        } else {
            scene.left.set(true);
            // No file is looked at any more.
            sent.push((Step::Unassign(cx.path_info()), span));
            sent.push((Step::Jump(Jump::Exit("list".into())), span));
        }
        sent
    };
    if form == Form::Absolute {
        steps.extend(send(cx, path));
        return;
    }
    let written = rule.substitution.as_ref().map(|substitution| &substitution.text);
    // The check speaks of it.
    if written.is_some_and(|text| is_one_slash(text.bytes())) {
        steps.push(status(400, span));
        return;
    }
    // A path is proxied to this server itself, by the name the client gave: it must be one of ours.
    let origin = value::origin(cx, scene);
    let tests = scene.names.tests();
    let sent = send(cx, join([origin, path]));
    if tests.is_empty() {
        cx.report(
            Diagnostic::warning(
                "proxied-to-client",
                span,
                "a path with `[P]` goes to whatever server the Host field names",
            )
            .because("answered with 400")
            .help("write the whole URL, `http://host/path`, or leave `P` out"),
        );
        steps.push(status(400, span));
    } else {
        steps.push(super::when_else(Test::Any(tests), sent, vec![status(400, span)], span));
    }
}

/// Whether a text is a URL that lacks a slash.
fn is_one_slash(text: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', text) else { return false };
    let scheme = text[..colon].to_ascii_lowercase();
    let known: [&[u8]; 8] = [b"http", b"https", b"ws", b"wss", b"fcgi", b"h2", b"h2c", b"balancer"];
    let single = text.get(colon + 1) == Some(&b'/') && text.get(colon + 2) != Some(&b'/');
    single && known.contains(&scheme.as_slice())
}

/// Behind a list: what its result is, if it has one.
pub(super) fn dynamic(cx: &mut Cx, scene: &Scene, span: Span) -> Steps {
    if scene.codes.borrow().is_empty() {
        return Steps::new();
    }
    let file = Template::var(cx.file());
    let rewritten = Template::var(cx.own("@rewritten"));
    let is_raw = Test::Equal(rewritten.clone(), "raw".into());
    let mut steps = Steps::new();
    let mut away = Steps::new();
    let codes: Vec<u16> = scene.codes.borrow().iter().copied().collect();
    if let Some(dir) = &scene.dir {
        away.extend(dir.public_url(cx, span));
    }
    for raw in [true, false] {
        let mut answers = Steps::new();
        if raw && scene.queried.get() {
            answers.push(refuse_controls(span));
        }
        for (at, code) in codes.iter().enumerate().rev() {
            let mut answer = Steps::new();
            let url = if raw { file.clone() } else { substitution::encoded_url(file.clone()) };
            location(cx, scene, *code, url, raw || !scene.queried.get(), span, &mut answer);
            if at == 0 && codes.len() == 1 {
                answers.extend(answer);
            } else {
                let test =
                    Test::Equal(Template::var(cx.own("@redirect-code")), Template::text(code.to_string()));
                answers.push(when(test, answer, span));
            }
        }
        if raw {
            away.push(when(is_raw.clone(), answers, span));
        } else {
            away.extend(answers);
        }
    }
    steps.push(when(is_absolute(file.clone()), away, span));
    if scene.queried.get() {
        steps.push(refuse_controls(span));
    }
    match &scene.dir {
        None => map(cx, scene, file, false, false, span, &mut steps),
        Some(dir) => {
            steps.push(when(not(begins(file.clone(), b"/")), vec![status(400, span)], span));
            go_on(cx, scene, dir, &file, false, span, &mut steps);
        }
    }
    vec![when(Test::Truthy(rewritten), steps, span)]
}

/// A pattern for a literal text.
pub(super) fn quoted(text: &[u8]) -> String {
    let mut out = String::new();
    for &byte in text {
        if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            out.push(char::from(byte));
        } else {
            out.push('\\');
            out.push(char::from(byte));
        }
    }
    out
}
