//! Values as they were meant: without the escapes and look-ups that a lowering adds by itself.

use std::collections::BTreeMap;

use crate::ir::{Attr, Choice, Config, Escape, Kind, Part, Pattern, Template, Test, VarId, VarKind};

/// Variables whose value is known, or known to be missing.
pub(super) type Constants = BTreeMap<VarId, Option<Template>>;

/// A template without escapes that every server makes by itself where it puts a value into a URL.
pub fn plain(template: &Template) -> Template {
    let mut out = Template::default();
    for part in &template.0 {
        match part {
            Part::Escape(escape, inner) if is_own(*escape) => {
                for part in plain(inner).0 {
                    out.push(part);
                }
            }
            Part::Escape(escape, inner) => out.push(Part::Escape(*escape, plain(inner))),
            part => out.push(part.clone()),
        }
    }
    out
}

fn is_own(escape: Escape) -> bool {
    matches!(
        escape,
        Escape::QueryIfReceivedEncoded
            | Escape::Path
            | Escape::RedirectDecode
            | Escape::Url
            | Escape::ForwardPath
            | Escape::ForwardUrl
            | Escape::UriText
            | Escape::UriTextBeforeQuery
            | Escape::UrlText
            | Escape::LessOne
            | Escape::Tidy
            | Escape::WithoutFinalAmpersand
    )
}

/// A template with the variables replaced whose value does not depend on the request.
pub fn resolve(config: &Config, known: &Constants, template: &Template) -> Template {
    let mut out = Template::default();
    for part in &template.0 {
        match part {
            Part::Var(var) => match value(config, known, *var, 0) {
                Some(found) => found.0.into_iter().for_each(|part| out.push(part)),
                None => out.push(part.clone()),
            },
            Part::Escape(escape, inner) => out.push(Part::Escape(*escape, resolve(config, known, inner))),
            part => out.push(part.clone()),
        }
    }
    out
}

/// The value of a variable where it can be told.
fn value(config: &Config, known: &Constants, var: VarId, depth: u8) -> Option<Template> {
    if let Some(value) = known.get(&var) {
        return Some(value.clone().unwrap_or_default());
    }
    let found = config.vars.get(var.0 as usize)?;
    let VarKind::Choice { choices, default } = &found.kind else { return None };
    if depth > 8 {
        return None;
    }
    for Choice { test, value } in choices {
        if holds(config, known, test, depth + 1)? {
            return Some(resolve(config, known, value));
        }
    }
    Some(resolve(config, known, default))
}

/// Whether a test holds for every usual request; `None` when it depends on it.
pub(super) fn holds(config: &Config, known: &Constants, test: &Test, depth: u8) -> Option<bool> {
    let is_set = |template: &Template| -> Option<Option<Template>> {
        match template.0.as_slice() {
            [Part::Var(var)] => {
                if let Some(value) = known.get(var) {
                    return Some(value.clone());
                }
                match config.vars.get(var.0 as usize)?.kind {
                    // Nobody wrote it.
                    VarKind::Optional => Some(None),
                    _ => value(config, known, *var, depth).map(Some),
                }
            }
            _ => None,
        }
    };
    match test {
        Test::All(tests) => {
            let mut all = Some(true);
            for test in tests {
                match holds(config, known, test, depth) {
                    Some(false) => return Some(false),
                    Some(true) => {}
                    None => all = None,
                }
            }
            all
        }
        Test::Any(tests) => {
            let mut any = Some(false);
            for test in tests {
                match holds(config, known, test, depth) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => any = None,
                }
            }
            any
        }
        Test::Not(test) => holds(config, known, test, depth).map(|holds| !holds),
        Test::Truthy(template) => match is_set(template) {
            Some(value) => Some(value.is_some_and(|value| !matches!(value.as_text(), Some(b"" | b"0")))),
            None => template.as_text().map(|text| !matches!(text, b"" | b"0")),
        },
        Test::Present(template) => is_set(template).map(|value| value.is_some()),
        Test::Internal => Some(false),
        // Every request names its host.
        Test::Equal(one, other) if other.is_empty() => {
            let host = matches!(one.0.as_slice(), [Part::Attr(Attr::Field(name))] if name.is_field(b"host"));
            host.then_some(false)
        }
        Test::Match { subject, pattern: Pattern { kind: Kind::Exact, text, .. }, .. } => {
            // Every request names its host.
            let host =
                matches!(subject.0.as_slice(), [Part::Attr(Attr::Field(name))] if name.is_field(b"host"));
            if host && text.is_empty() {
                return Some(false);
            }
            let value = is_set(subject)?.unwrap_or_default();
            value.as_text().map(|value| value == &**text)
        }
        _ => None,
    }
}

/// Whether a variable is scheme, host and port of the server as the client named it.
pub(super) fn is_origin(config: &Config, var: VarId) -> bool {
    let is = |value: &Template| match value.0.as_slice() {
        [Part::Attr(Attr::Scheme), Part::Text(mark), Part::Attr(Attr::Host | Attr::Authority), port @ ..] => {
            let of_port = |part: &Part| match part {
                Part::Text(text) => text.starts_with(b":"),
                part => matches!(part, Part::Attr(Attr::AuthorityPort | Attr::ServerPort)),
            };
            mark.0 == b"://" && port.iter().all(of_port)
        }
        _ => false,
    };
    match config.vars.get(var.0 as usize).map(|var| &var.kind) {
        Some(VarKind::Choice { choices, default }) => {
            is(default) && choices.iter().all(|choice| is(&choice.value))
        }
        _ => false,
    }
}

/// The text of a template when there is nothing to evaluate.
pub fn text_of(template: &Template) -> Option<String> {
    template.as_text().map(|text| String::from_utf8_lossy(text).into_owned())
}
