//! `valid_referers`: what `$invalid_referer` says.
//!
//! Observed on nginx 1.22.1: `none` and `blocked` alone are refused, names of a server without any make every request
//! valid; a referer shorter than `http://i.ru` or of another scheme counts as blocked; a name may have a path
//! behind it, which has to follow after a port; patterns see what follows the scheme. The variable has its value from
//! the innermost server or location that a request comes to.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_referer_module.html>

use super::{
    super::tree::{Directive, Word},
    Cx, Kind, Level, Lower,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Choice, Pattern, Step, Template, Test, Text, Var, VarId, VarKind},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("valid_referers", valid_referers)];

/// The name of the variable.
pub(super) const VARIABLE: &[u8] = b"invalid_referer";

/// What a level says of referers.
#[derive(Clone, Debug, Default)]
pub(super) struct Referers {
    none: bool,
    blocked: bool,
    server_names: bool,
    patterns: Vec<Pattern>,
    span: Span,
}

/// `valid_referers none|blocked|server_names|string|~pattern ...;`
fn valid_referers(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut own = level.own.referers.take().unwrap_or_default();
    own.span = directive.head();
    for word in &directive.args {
        match word.value.as_slice() {
            b"none" => own.none = true,
            b"blocked" => own.blocked = true,
            b"server_names" => own.server_names = true,
            [b'~', pattern @ ..] => own.patterns.push(searched(pattern)),
            name => match of_name(name) {
                Some(pattern) => own.patterns.push(pattern),
                None => invalid(cx, word),
            },
        }
    }
    level.own.referers = Some(own);
}

fn invalid(cx: &mut Cx, word: &Word) {
    let message = format!("invalid server name or wildcard `{}`", word.text());
    cx.report(
        Diagnostic::error("invalid-server-name", word.span, message)
            .help("a `*` stands for the first or the last part of a name: `*.example.org`, `www.example.*`"),
    );
}

/// What a referer with this name looks like.
fn of_name(text: &[u8]) -> Option<Pattern> {
    let slash = memchr::memchr(b'/', text).unwrap_or(text.len());
    let (name, path) = text.split_at(slash);
    let stars = memchr::memchr_iter(b'*', name).count();
    let at_an_end = name.starts_with(b"*.") || name.ends_with(b".*");
    if name.is_empty() || stars > 1 || (stars == 1 && !(at_an_end && name.len() > 2)) {
        return None;
    }
    let host = if let Some(rest) = name.strip_prefix(b"*.") {
        format!(r"[^/:]+\.{}", quoted(rest))
    } else if let Some(rest) = name.strip_suffix(b".*") {
        format!(r"{}\.[^/:]+", quoted(rest))
    } else if let Some(rest) = name.strip_prefix(b".") {
        format!(r"(?:[^/:]+\.)?{}", quoted(rest))
    } else {
        quoted(name)
    };
    Some(if path.is_empty() {
        behind_scheme(&format!("(?i:{host})(?:[/:]|$)"))
    } else {
        behind_scheme(&format!("(?i:{host})(?::[^/]*)?{}", quoted(path)))
    })
}

/// What a referer looks like in which this follows the scheme.
fn behind_scheme(rest: &str) -> Pattern {
    Pattern::regex(format!("^(?i:https?://){rest}").as_bytes(), false)
}

/// What a referer looks like in which a pattern finds something behind the scheme.
fn searched(pattern: &[u8]) -> Pattern {
    let pattern = String::from_utf8_lossy(pattern);
    match pattern.strip_prefix('^').filter(|_| !pattern.contains('|')) {
        Some(rest) => behind_scheme(&format!("(?i:{rest})")),
        None => behind_scheme(&format!(".*?(?i:{pattern})")),
    }
}

/// A text as a pattern.
fn quoted(text: &[u8]) -> String {
    let mut out = String::new();
    for &byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Makes a value of what the level says.
pub(super) fn settle(cx: &mut Cx, level: &mut Level) {
    if level.kind == Kind::Server {
        level.inherited.host_names =
            level.own.names.list.iter().map(|name| Text(name.text.clone())).collect();
    }
    let Some(own) = level.own.referers.take() else { return };
    if (own.none || own.blocked) && own.patterns.is_empty() && !own.server_names {
        let message = "`none` and `blocked` without any valid referer";
        cx.report(
            Diagnostic::error("no-referer", own.span, message)
                .because("`valid_referers` must have a name, a pattern or `server_names`, too"),
        );
        return;
    }
    let mut patterns = own.patterns;
    if own.server_names {
        for name in &level.inherited.host_names {
            match name.strip_prefix(b"~") {
                // Of the host alone.
                Some(pattern) => patterns.push(of_host(pattern)),
                None => patterns.extend(of_name(name)),
            }
        }
    }
    let referer = || Template::attr(Attr::Field("referer".into()));
    let matched = |pattern| Test::Match { subject: referer(), pattern, into: None };
    let verdict = |valid: bool| if valid { Template::default() } else { Template::text("1") };
    let mut choices = Vec::new();
    let default = if patterns.is_empty() {
        Template::default()
    } else {
        let test = Test::Not(Box::new(Test::Present(referer())));
        choices.push(Choice { test, value: verdict(own.none) });
        let scheme = matched(Pattern::regex("^https?://", true));
        let whole = Test::All(vec![Test::Longer(referer(), 10), scheme]);
        choices.push(Choice { test: Test::Not(Box::new(whole)), value: verdict(own.blocked) });
        let known = Test::Any(patterns.into_iter().map(matched).collect());
        choices.push(Choice { test: known, value: verdict(true) });
        verdict(false)
    };
    let id = VarId(cx.config.vars.len() as u32);
    let kind = VarKind::Choice { choices, default };
    cx.config.vars.push(Var { name: VARIABLE.into(), kind, span: own.span });
    level.inherited.referers = Some(id);
}

/// What a referer looks like whose host this pattern, of a server's name, finds.
fn of_host(pattern: &[u8]) -> Pattern {
    let pattern = String::from_utf8_lossy(pattern);
    // Names are matched whole as a rule: what anchors them is taken for the ends of the host.
    let anchored = pattern.starts_with('^');
    let inner = pattern.trim_start_matches('^');
    let (inner, ends) = match inner.strip_suffix('$') {
        Some(inner) if !inner.ends_with('\\') => (inner, true),
        _ => (inner, false),
    };
    let before = if anchored { "" } else { "[^/:]*?" };
    let after = if ends { "(?:[/:]|$)" } else { "" };
    behind_scheme(&format!("{before}(?i:{inner}){after}"))
}

/// Gives the variable its value as the level's program begins.
pub(super) fn begin(cx: &mut Cx, level: &mut Level) {
    if !matches!(level.kind, Kind::Server | Kind::Location) {
        return;
    }
    let Some(value) = level.inherited.referers else { return };
    let span = level.span;
    let Some(var) = cx.define(VARIABLE, span) else { return };
    level.own.program.push(Step::Assign { var, value: Template::var(value) }, span);
}
