//! `ProxyPass` and `ProxyPassMatch`: which paths are sent on, and where.
//!
//! The entries of a server are one table, first match; those of the main server come before a virtual host's. A
//! prefix ends at the border of a component: it is an exact route and one for what is below. In a `<Location>` there
//! is one entry, with the section's path.

use super::{
    super::{CONDITION, Cx, Kind, Lower, Phase, RULE, Section},
    member, survey,
    target::{self, Url, forward, leave},
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::tree::{Directive, Word},
    ir::{
        Attr, Block, Jump, Kind as PatternKind, Order, Part, Pattern, Route, Step, Syntax, Table, Template,
        Test,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("ProxyPass", pass),
    ("ProxyPassInherit", inherit),
    ("ProxyPassInterpolateEnv", interpolate),
    ("ProxyPassMatch", pass_match),
];

/// An entry.
struct Entry<'d> {
    path: Vec<u8>,
    regex: bool,
    url: &'d Word,
    raw: bool,
    interpolate: bool,
    parameters: Vec<Word>,
    span: Span,
}

/// `ProxyPass [path] !|url [key=value ...] [nocanon] [interpolate] [noquery]`
fn pass(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    read(cx, section, directive, false);
}

/// `ProxyPassMatch regex !|url [key=value ...]`
fn pass_match(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    read(cx, section, directive, true);
}

/// `ProxyPassInterpolateEnv On|Off`
fn interpolate(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(on) = super::flag(cx, directive) {
        section.own.proxy.interpolate = on;
    }
}

/// `ProxyPassInherit On|Off`
fn inherit(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    if super::flag(cx, directive) == Some(false) {
        let message = "ProxyPassInherit Off is not honoured";
        let help = "put the main server's ProxyPass lines into the virtual hosts that need them";
        cx.refuse(Diagnostic::error("refused", directive.head(), message).help(help));
    }
}

fn read(cx: &mut Cx, section: &mut Section, directive: &Directive, regex: bool) {
    let span = directive.head();
    let mut words = directive.args.as_slice();
    let mut regex = regex;
    if !regex && words.first().is_some_and(|word| word.value == b"~") {
        regex = true;
        words = &words[1..];
    }
    let path = if section.is_server() {
        let Some((path, rest)) = words.split_first() else {
            return cx.error("arguments", span, format!("{} needs a path name", directive.name()));
        };
        words = rest;
        path.value.clone()
    } else if section.kind == Kind::Location {
        // A pattern of the section is one here only if it looks like one.
        let path = &section.path;
        regex |= path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        path.clone()
    } else {
        let message = format!("{} not allowed in this context", directive.name());
        return cx.report(Diagnostic::error("misplaced", span, message));
    };
    let Some((url, rest)) = words.split_first() else {
        return cx.error(
            "arguments",
            span,
            format!("{} needs a path name when not defined in a location", directive.name()),
        );
    };
    if !section.is_server() && Url::read(&url.value).is_none() && url.value != b"!" && !rest.is_empty() {
        let message = format!("{}: a <Location> has the path already", directive.name());
        return cx.report(Diagnostic::error("arguments", url.span, message).label(url.span, "one too many"));
    }
    let mut entry = Entry { path, regex, url, raw: false, interpolate: false, parameters: Vec::new(), span };
    for word in rest {
        match word.text().to_ascii_lowercase().as_str() {
            "nocanon" => entry.raw = true,
            "interpolate" => entry.interpolate = true,
            "noquery" => {}
            "mapping=encoded" | "mapping=servlet" => {
                let message = format!("`{}` is not honoured", word.text());
                let help = "`nocanon` sends the path on as it was received";
                cx.refuse(Diagnostic::error("refused", word.span, message).help(help));
            }
            _ => entry.parameters.push(word.clone()),
        }
    }
    add(cx, section, &entry);
}

fn add(cx: &mut Cx, section: &mut Section, entry: &Entry<'_>) {
    if entry.url.value != b"!" && !declare(cx, entry) {
        return;
    }
    let routes = routes(cx, section, entry);
    if section.is_server() {
        return section.own.proxy.routes.extend(routes);
    }
    let table = Table { order: Order::First, into: RULE, routes };
    let steps = vec![(Step::Route(table), entry.span)];
    section.replace(Phase::Proxy, Block { steps, span: entry.span, ..Block::default() });
}

/// Makes the worker or balancer of an entry known; false when its URL is none.
fn declare(cx: &mut Cx, entry: &Entry<'_>) -> bool {
    let word = entry.url;
    let Some(url) = Url::read(&word.value) else {
        let message = format!("ProxyPass: `{}` is no URL with scheme and host", word.text());
        cx.report(
            Diagnostic::error("invalid-url", word.span, message).label(word.span, "scheme://host/path"),
        );
        return false;
    };
    if let Some(name) = survey::balancer(&word.value) {
        member::used(cx, &name, &entry.parameters, entry.span);
        return true;
    }
    if target::default_port(&url.scheme).is_none() {
        member::refuse_scheme(cx, &url, word.span);
        return false;
    }
    // What follows the first capture is known when the request is there.
    let mut url = url;
    if entry.regex || entry.interpolate {
        if url.authority.contains(&b'$') {
            return true;
        }
        if let Some(at) = memchr::memchr(b'$', &url.path) {
            url.path.truncate(at);
            // Connections to it are used again only where that is asked for (observed).
            member::worker_for_captures(cx, &url, word.span, &entry.parameters);
            return true;
        }
    }
    member::worker(cx, &url, word.span, &entry.parameters);
    true
}

/// The routes of an entry.
fn routes(cx: &mut Cx, section: &Section, entry: &Entry<'_>) -> Vec<Route> {
    let in_server = section.is_server();
    let rest = Part::Attr(Attr::PathRest);
    if entry.regex {
        let text = entry.path.as_slice();
        let kind = PatternKind::Regex(Syntax::PerlWhole);
        let pattern = Pattern { kind, text: text.into(), ignore_case: false, groups: Vec::new() };
        let (mut url, captures) = target::with_captures(&entry.url.value);
        if !captures {
            url.push(Part::Attr(Attr::Path));
        }
        return vec![route(cx, pattern, Some(url), entry, in_server)];
    }
    let real = if entry.interpolate && section.own.proxy.interpolate {
        target::interpolated(cx, &entry.url.value)
    } else {
        Template::text(entry.url.value.as_slice())
    };
    let mut whole = real.clone();
    if entry.path.is_empty() || entry.path.ends_with(b"/") {
        whole.push(rest);
        return vec![route(cx, Pattern::prefix(entry.path.as_slice()), Some(whole), entry, in_server)];
    }
    whole.push(Part::Text("/".into()));
    whole.push(rest);
    let below = [entry.path.as_slice(), b"/"].concat();
    vec![
        route(cx, Pattern::exact(entry.path.as_slice()), Some(real), entry, in_server),
        route(cx, Pattern::prefix(below), Some(whole), entry, in_server),
    ]
}

fn route(cx: &mut Cx, path: Pattern, url: Option<Template>, entry: &Entry<'_>, in_server: bool) -> Route {
    let span = entry.span;
    let steps = match url {
        // No other entry counts, nor the main server's.
        _ if entry.url.value == b"!" && in_server => {
            vec![(Step::Jump(Jump::Exit(Phase::Proxy.name())), span)]
        }
        _ if entry.url.value == b"!" => {
            vec![(Step::Assign { var: cx.own("@unproxied"), value: "1".into() }, span)]
        }
        Some(url) => {
            let mut steps = forward(cx, url, false, span);
            if entry.raw {
                steps = raw(cx, entry, steps);
            }
            if in_server {
                steps.push(leave(span));
            }
            steps
        }
        None => Vec::new(),
    };
    let body = Block { steps, span, ..Block::default() };
    Route { path, decisive: false, body, nested: None }
}

/// Where the received target begins with the path as well, what follows is sent as it was received.
fn raw(cx: &mut Cx, entry: &Entry<'_>, canonical: Vec<(Step, Span)>) -> Vec<(Step, Span)> {
    let span = entry.span;
    let text = if entry.regex {
        entry.path.clone()
    } else {
        let mut text = b"^".to_vec();
        for &byte in &entry.path {
            if !byte.is_ascii_alphanumeric() && byte != b'/' {
                text.push(b'\\');
            }
            text.push(byte);
        }
        text.extend_from_slice(b"(.*)$");
        text
    };
    let kind = PatternKind::Regex(Syntax::PerlWhole);
    let pattern = Pattern { kind, text: text.into(), ignore_case: false, groups: Vec::new() };
    let mut url = Template::text(entry.url.value.as_slice());
    if entry.regex {
        let (mut whole, captures) = target::with_captures(&entry.url.value);
        if !captures {
            whole.push(Part::Attr(Attr::Target));
        }
        url = whole;
    } else {
        url.push(Part::Capture(CONDITION, 1));
    }
    let into = if entry.regex { RULE } else { CONDITION };
    let test = Test::Match { subject: Template::attr(Attr::Target), pattern, into: Some(into) };
    let block = |steps| Block { steps, span, ..Block::default() };
    let steps = forward(cx, url, true, span);
    vec![(Step::When { test, then: block(steps), otherwise: block(canonical) }, span)]
}

fn unless(test: Test, step: Step, span: Span) -> Step {
    let then = Block { steps: vec![(step, span)], span, ..Block::default() };
    Step::When { test: Test::Not(Box::new(test)), then, otherwise: Block::default() }
}

/// The table of a server.
pub(super) fn settle(cx: &mut Cx, section: &mut Section) {
    let routes = std::mem::take(&mut section.own.proxy.routes);
    if routes.is_empty() {
        return;
    }
    let span = section.span;
    let mut step = Step::Route(Table { order: Order::First, into: RULE, routes });
    // `SetEnvIf ... no-proxy` is the only way to it, and rare.
    let mut files = cx.sources.files();
    if files.any(|(_, file)| memchr::memmem::find(&file.text, b"no-proxy").is_some()) {
        let set = Test::Present(Template::var(cx.env(b"no-proxy")));
        step = unless(set, step, span);
    }
    if cx.proxy.excluded {
        let set = Test::Truthy(Template::var(cx.own("@unproxied")));
        step = unless(set, step, span);
    }
    section.hook(Phase::Proxy, step, span);
}
