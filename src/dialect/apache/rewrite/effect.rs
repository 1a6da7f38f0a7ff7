//! What rules do besides changing the path: variables of the environment, cookies, types, handlers.

use super::{
    Cx, Scene, Steps,
    expansion::{self, Piece},
    rule::Rule,
    value, when,
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::{lower::program, tree::Written},
    ir::{
        Base, Block, By, Edit, Escape, Forward, Handler, Part, Protocol, Relation, Scope, Settings, Step,
        Target, Template, Test, Upstream, Var, VarId, VarKind,
    },
    source::Span,
};

/// All effects of a rule that matches.
pub(super) fn all(cx: &mut Cx, scene: &Scene, rule: &Rule, steps: &mut Steps) {
    for text in &rule.flags.env {
        environment(cx, scene, rule, text, steps);
    }
    for text in &rule.flags.cookies {
        cookie(cx, scene, rule, text, steps);
    }
    if let Some(text) = &rule.flags.content_type {
        content_type(cx, scene, rule, text, steps);
    }
    if let Some(text) = &rule.flags.handler {
        handler(cx, scene, rule, text, steps);
    }
}

/// Pieces up to the first of a literal byte, and those behind it.
fn split(pieces: &[Piece], mark: u8) -> (Vec<Piece>, Option<Vec<Piece>>) {
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Text(text) = piece else { continue };
        let Some(offset) = memchr::memchr(mark, text) else { continue };
        let mut head = pieces[..at].to_vec();
        let mut tail = pieces[at + 1..].to_vec();
        if offset > 0 {
            head.push(Piece::Text(text[..offset].to_vec()));
        }
        if offset + 1 < text.len() {
            tail.insert(0, Piece::Text(text[offset + 1..].to_vec()));
        }
        return (head, Some(tail));
    }
    (pieces.to_vec(), None)
}

/// `E=NAME:value`, `E=NAME`, `E=!NAME`
fn environment(cx: &mut Cx, scene: &Scene, rule: &Rule, text: &Written, steps: &mut Steps) {
    let pieces = expansion::parse(text);
    let (name, rest) = split(&pieces, b':');
    let name = match name.as_slice() {
        [Piece::Text(name)] => name.clone(),
        [] => return,
        _ => {
            cx.refuse(
                Diagnostic::error(
                    "expanded-name",
                    text.whole(),
                    "names of variables that are expanded are not honoured",
                )
                .because("which variable is meant must show from the text")
                .help("write a rule for each name"),
            );
            return;
        }
    };
    let span = text.whole();
    if let Some(name) = name.strip_prefix(b"!") {
        steps.push((Step::Unassign(cx.env(name)), span));
        return;
    }
    let rest = rest.unwrap_or_default();
    let value = value::template(cx, scene, &rest, Some(&rule.flags.escapes), steps);
    steps.push((Step::Assign { var: cx.env(&name), value }, span));
}

/// `CO=name:value:domain[:minutes[:path[:secure[:httponly[:samesite]]]]]`
fn cookie(cx: &mut Cx, scene: &Scene, rule: &Rule, text: &Written, steps: &mut Steps) {
    let span = text.whole();
    let mut rest = Some(expansion::parse(text));
    let mut mark = b':';
    if let Some(Piece::Text(first)) = rest.as_mut().and_then(|pieces| pieces.first_mut())
        && first.first() == Some(&b';')
    {
        mark = b';';
        first.remove(0);
    }
    let mut words: Vec<Vec<Piece>> = Vec::new();
    while let Some(pieces) = rest {
        let (head, tail) = split(&pieces, mark);
        let head: Vec<_> =
            head.into_iter().filter(|piece| !matches!(piece, Piece::Text(text) if text.is_empty())).collect();
        // As separators in a row count as one.
        if !head.is_empty() {
            words.push(head);
        }
        rest = tail;
    }
    let mut template = |at: usize, steps: &mut Steps| {
        words.get(at).map(|pieces| value::template(cx, scene, pieces, Some(&rule.flags.escapes), steps))
    };
    let (Some(name), Some(content), Some(domain)) =
        (template(0, steps), template(1, steps), template(2, steps))
    else {
        let mut found = Diagnostic::warning("ignored-cookie", span, "this cookie is not set")
            .because("a cookie needs a name, a value and a domain");
        found = found.help("write `CO=name:value:domain`");
        return cx.report(found);
    };
    let minutes = template(3, steps);
    let path = template(4, steps).unwrap_or_else(|| "/".into());
    let options: Vec<Option<Template>> = (5..8).map(|at| template(at, steps)).collect();
    let mut line = Template::default();
    let mut add = |text: &str, more: &Template| {
        line.push(Part::Text(text.into()));
        for part in &more.0 {
            line.push(part.clone());
        }
    };
    add("", &name);
    add("=", &content);
    add("; path=", &path);
    add("; domain=", &domain);
    match minutes.as_ref().map(|minutes| (minutes, minutes.as_text())) {
        None => {}
        Some((minutes, Some(text))) => {
            let digits = text.strip_prefix(b"-").unwrap_or(text);
            if digits.iter().take_while(|byte| byte.is_ascii_digit()).any(|byte| *byte != b'0') {
                add("; expires=", &Template(vec![Part::Escape(Escape::CookieDate, minutes.clone())]));
            }
        }
        Some((minutes, None)) => {
            let mut date = Template::text("; expires=");
            date.push(Part::Escape(Escape::CookieDate, minutes.clone()));
            let (left, right) = (minutes.clone(), "0".into());
            let some = Test::Compare { left, right, relation: Relation::NotEqual, by: By::Integer };
            add("", &value::choice(cx, "@cookie-expires", vec![(some, date)], Template::default()));
        }
    }
    let said =
        |at: usize| options[at].as_ref().and_then(|word| word.as_text().map(<[u8]>::to_ascii_lowercase));
    // What is not secure is never said to be for HTTP only.
    let secure = matches!(said(0).as_deref(), Some(b"true" | b"1" | b"secure"));
    if secure {
        add("; secure", &Template::default());
    }
    if secure && matches!(said(1).as_deref(), Some(b"true" | b"1" | b"httponly")) {
        add("; HttpOnly", &Template::default());
    }
    if let Some(site) = &options[2]
        && !matches!(said(2).as_deref(), Some(b"0" | b"false"))
    {
        add("; SameSite=", site);
    }
    let promise = Step::Promise { field: "Set-Cookie".into(), value: line, always: true, member: false };
    let Some(shown) = name.as_text() else { return steps.push((promise, span)) };
    // Of several cookies of one name the first is set.
    let known = named(cx, &[b"@cookie ", shown].concat());
    let first = vec![(Step::Assign { var: known, value: "1".into() }, span), (promise, span)];
    steps.push(when(Test::Not(Box::new(Test::Truthy(Template::var(known)))), first, span));
}

/// `T=type`
fn content_type(cx: &mut Cx, scene: &Scene, rule: &Rule, text: &Written, steps: &mut Steps) {
    let span = text.whole();
    let pieces = expansion::parse(text);
    let value = value::template(cx, scene, &pieces, Some(&rule.flags.escapes), steps);
    let value = match value.as_text() {
        Some(text) => Template::text(text.to_ascii_lowercase()),
        None => Template(vec![Part::Escape(Escape::Lower, value)]),
    };
    let kept = cx.own("@forced-type");
    steps.push((Step::Assign { var: kept, value }, span));
    let edit = (Step::Edit(Edit::Set("Content-Type".into(), Template::var(kept))), span);
    let found = when(Test::Status(vec![200, 206, 304]), vec![edit], span);
    let mut set = Settings::default();
    set.answer.on_response = Some(vec![Block { steps: vec![found], span, ..Block::default() }]);
    let scope = Scope { base: Base::Current, set: Box::new(set) };
    steps.push((Step::Do(Block { scope: Some(scope), span, ..Block::default() }), span));
}

/// `H=handler`
fn handler(cx: &mut Cx, scene: &Scene, rule: &Rule, text: &Written, steps: &mut Steps) {
    let span: Span = text.whole();
    let name = String::from_utf8_lossy(text.bytes()).into_owned();
    if matches!(name.as_str(), "" | "none" | "default-handler") {
        return;
    }
    if let Some(url) = text.bytes().strip_prefix(b"proxy:") {
        let from = text.bytes().len() - url.len();
        let pieces = expansion::parse(&text.slice(from..text.bytes().len()));
        let mut url = value::template(cx, scene, &pieces, Some(&rule.flags.escapes), steps);
        // The file's name is the path of the URL.
        url.push(Part::Var(cx.file()));
        let forward = Forward {
            protocol: Protocol::Http,
            tls: false,
            to: Upstream::Url(url),
            target: Target::Received,
        };
        let set = Settings { handler: Some(Handler::Forward(forward)), ..Settings::default() };
        let scope = Scope { base: Base::Current, set: Box::new(set) };
        steps.push((Step::Do(Block { scope: Some(scope), span, ..Block::default() }), span));
        return;
    }
    let runs = name.eq_ignore_ascii_case("cgi-script");
    if runs {
        program::chosen(cx, &name, span);
    }
    if runs || name.eq_ignore_ascii_case("send-as-is") {
        cx.names.programs = true;
        steps.push((
            Step::Assign { var: cx.handler(), value: Template::text(name.to_ascii_lowercase()) },
            span,
        ));
        return;
    }
    let answers = ["server-status", "server-info", "balancer-manager", "application/x-httpd-php"];
    if answers.contains(&name.as_str()) {
        cx.refuse(
            Diagnostic::error(
                "refused-handler",
                span,
                format!("the handler `{name}` of a rule is not honoured"),
            )
            .because("rules choose paths and URLs here")
            .help("use `SetHandler` in a section, or `H=proxy:fcgi://127.0.0.1:9000`"),
        );
        return;
    }
    cx.report(
        Diagnostic::warning("unknown-handler", span, format!("there is no handler called `{name}`"))
            .because("the file itself is the answer"),
    );
}

/// A variable of our own by a name that a text gives.
fn named(cx: &mut Cx, name: &[u8]) -> VarId {
    let vars = &mut cx.config.vars;
    let at = vars.iter().position(|var| *var.name == *name).unwrap_or_else(|| {
        vars.push(Var { name: name.into(), kind: VarKind::Assigned, span: Span::NONE });
        vars.len() - 1
    });
    VarId(at as u32)
}
