//! Environment variables of requests: `SetEnvIf` and its family, `SetEnv`, `UnsetEnv`, `PassEnv`.
//!
//! `SetEnvIf` of a server comes before everything else and sees the path as it was received; that of a section comes
//! before access control. `SetEnv` comes after it, so that nothing but handlers, responses and logs sees it.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_setenvif.html>,
//! <https://httpd.apache.org/docs/2.4/mod/mod_env.html>

use super::{
    super::{expr::lower as expr, tree::Directive, tree::Word},
    Cx, Lower, Phase, Section, headers,
    walk::Steps,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Block, Kind, Order, Part, Pattern, Register, Row, Step, Syntax, Template, Test, Var, VarId,
        VarKind,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("BrowserMatch", browser_match),
    ("BrowserMatchNoCase", browser_match),
    ("PassEnv", pass),
    ("SetEnv", set),
    ("SetEnvIf", set_if),
    ("SetEnvIfExpr", set_if_expression),
    ("SetEnvIfNoCase", set_if),
    ("UnsetEnv", unset),
];

/// Captures of a `SetEnvIf`.
const MATCH: Register = Register('S');

/// `SetEnvIf attribute regex [!]variable[=value] ...`
fn set_if(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [attribute, pattern, variables @ ..] = directive.args.as_slice() else {
        return too_few(cx, directive);
    };
    let Some(subject) = subject(cx, section, attribute) else { return };
    let ignore_case = directive.name() == "SetEnvIfNoCase";
    when_matches(cx, section, directive, subject, pattern, ignore_case, variables);
}

/// `BrowserMatch regex [!]variable[=value] ...`
fn browser_match(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [pattern, variables @ ..] = directive.args.as_slice() else { return too_few(cx, directive) };
    let subject = Template::attr(Attr::FieldList("User-Agent".into()));
    let ignore_case = directive.name() == "BrowserMatchNoCase";
    when_matches(cx, section, directive, subject, pattern, ignore_case, variables);
}

/// `SetEnvIfExpr expression [!]variable[=value] ...`
fn set_if_expression(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [expression, variables @ ..] = directive.args.as_slice() else { return too_few(cx, directive) };
    if variables.is_empty() {
        return too_few(cx, directive);
    }
    let Some(test) = expr::test(cx, expression) else { return };
    let steps = assignments(cx, variables, expr::MATCH, directive.head());
    add(section, directive, test, steps);
}

fn too_few(cx: &mut Cx, directive: &Directive) {
    let message = format!("{} takes more arguments", directive.name());
    cx.error("arguments", directive.head(), message);
}

fn when_matches(
    cx: &mut Cx,
    section: &mut Section,
    directive: &Directive,
    subject: Template,
    pattern: &Word,
    ignore_case: bool,
    variables: &[Word],
) {
    if variables.is_empty() {
        return too_few(cx, directive);
    }
    let kind = Kind::Regex(Syntax::PerlWhole);
    let text = pattern.value.as_slice().into();
    let pattern = Pattern { kind, text, ignore_case, groups: Vec::new() };
    let test = Test::Match { subject, pattern, into: Some(MATCH) };
    let steps = assignments(cx, variables, MATCH, directive.head());
    add(section, directive, test, steps);
}

fn add(section: &mut Section, directive: &Directive, test: Test, steps: Steps) {
    let span = directive.head();
    let phase = if section.is_server() { Phase::Early } else { Phase::Headers };
    let then = Block { steps, span, ..Block::default() };
    section.hook(phase, Step::When { test, then, otherwise: Block::default() }, span);
}

/// What a pattern is compared with.
fn subject(cx: &mut Cx, section: &Section, attribute: &Word) -> Option<Template> {
    let attr = match &*attribute.text().to_ascii_lowercase() {
        "remote_host" | "remote_addr" => Attr::ClientAddr,
        "server_addr" => Attr::ServerAddr,
        "request_method" => Attr::Method,
        "request_protocol" => Attr::Protocol,
        "request_uri" if section.is_server() => return Some(Template::var(received_path(cx))),
        "request_uri" => Attr::Path,
        _ => {
            let name = attribute.value.as_slice();
            if name.iter().any(|byte| b"^$.*+?()[]{}|\\".contains(byte)) {
                let message = format!("`{}` stands for several fields", attribute.text());
                let help = "write one SetEnvIf for each field";
                cx.refuse(Diagnostic::error("refused", attribute.span, message).help(help));
                return None;
            }
            let field = Template::attr(Attr::FieldList(name.into()));
            let variable = Template::var(cx.env(name));
            return Some(cx.first_present(&[field, variable], Template::default()));
        }
    };
    Some(Template::attr(attr))
}

/// The path as it was received, without the query.
fn received_path(cx: &mut Cx) -> VarId {
    let into = Register('T');
    let row =
        Row { pattern: Pattern::whole(r"^([^?]*)\?", false), value: Template(vec![Part::Capture(into, 1)]) };
    let kind = VarKind::Table {
        key: Template::attr(Attr::Target),
        order: Order::First,
        rows: vec![row],
        default: Template::attr(Attr::Target),
        once: false,
        into,
    };
    let known = cx.config.vars.iter().position(|var| var.kind == kind);
    let at = known.unwrap_or_else(|| {
        cx.config.vars.push(Var { name: "@received_path".into(), kind, span: Span::NONE });
        cx.config.vars.len() - 1
    });
    VarId(at as u32)
}

/// `[!]variable[=value] ...`
fn assignments(cx: &mut Cx, variables: &[Word], register: Register, span: Span) -> Steps {
    let mut steps = Steps::new();
    for word in variables {
        let text = word.value.as_slice();
        if let Some(name) = text.strip_prefix(b"!") {
            steps.push((Step::Unassign(cx.env(name)), span));
            continue;
        }
        let (name, value) = match memchr::memchr(b'=', text) {
            Some(at) => {
                let mut value = Template::default();
                headers::groups(&text[at + 1..], register, &mut value);
                (&text[..at], value)
            }
            None => (text, "1".into()),
        };
        steps.push((Step::Assign { var: cx.env(name), value }, span));
    }
    steps
}

/// `SetEnv variable [value]`
fn set(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let (name, value) = match directive.args.as_slice() {
        [name] => (name, Template::default()),
        [name, value] => (name, Template::text(value.value.as_slice())),
        _ => {
            let message = "SetEnv takes a variable and a value";
            return cx.error("arguments", directive.head(), message);
        }
    };
    let step = Step::Assign { var: cx.env(&name.value), value };
    section.hook(Phase::Env, step, directive.head());
}

/// `UnsetEnv variable ...`
fn unset(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    for name in &directive.args {
        let step = Step::Unassign(cx.env(&name.value));
        section.hook(Phase::Env, step, directive.head());
    }
}

/// `PassEnv variable ...`
fn pass(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    for name in &directive.args {
        let value = cx.process_env(&name.value);
        if value.as_text().is_none() {
            if cx.options.offline {
                continue;
            }
            let message = format!("the environment has no variable `{}`", name.text());
            cx.warn("no-effect", name.span, message);
            continue;
        }
        let step = Step::Assign { var: cx.env(&name.value), value };
        section.hook(Phase::Env, step, directive.head());
    }
}
