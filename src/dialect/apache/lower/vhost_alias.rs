//! Document roots that are made of the server's name: `VirtualDocumentRoot`, `VirtualDocumentRootIP`.
//!
//! Observed (2.4.71): one of the main server is in force in virtual hosts that have none, also beside a `DocumentRoot`
//! of their own. Part of a name that it does not have is `_`, letters are lower case.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_vhost_alias.html>

use super::{super::tree::Directive, Cx, Lower, Section};
use crate::{
    ir::{Attr, Choice, Escape, Part, Pattern, Register, Template, Test, Var, VarId, VarKind},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("VirtualDocumentRoot", root), ("VirtualDocumentRootIP", root)];

/// What is remembered of a server: the root, empty where there is none on purpose.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    root: Option<Template>,
}

/// Captures of ours.
const OWN: Register = Register('H');

/// A part of a name: `N` and `M` of `%N.M`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    number: usize,
    /// Counted from the end.
    from_end: bool,
    /// With all that follows, or precedes.
    more: bool,
}

/// `VirtualDocumentRoot pattern|none`
fn root(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let own = &mut section.own.vhost_alias.root;
    if !word.value.starts_with(b"/") {
        if word.is("none") {
            *own = Some(Template::default());
            return;
        }
        let message = "format string must be an absolute path, or 'none'";
        return cx.error("invalid-value", word.span, message);
    }
    let name = if directive.name() == "VirtualDocumentRoot" { Attr::OwnHost } else { Attr::ServerAddr };
    match read(cx, &word.value, &name, directive.head()) {
        Some(template) => *own = Some(template),
        None => cx.error("invalid-value", word.span, "syntax error in format string"),
    }
}

/// A virtual host has what the main server has unless it says otherwise.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    let own = &mut host.own.vhost_alias.root;
    if own.is_none() {
        own.clone_from(&main.own.vhost_alias.root);
    }
}

/// Puts the root among a server's settings.
pub(super) fn finish(host: &mut Section) {
    if let Some(root) = host.own.vhost_alias.root.clone().filter(|root| !root.0.is_empty()) {
        host.set.files.root = Some(root);
    }
}

fn read(cx: &mut Cx, pattern: &[u8], name: &Attr, span: Span) -> Option<Template> {
    let mut out = Template::default();
    // What follows begins with a slash.
    let mut rest = pattern.strip_suffix(b"/").unwrap_or(pattern);
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.push(Part::Text(rest[..at].into()));
        rest = &rest[at + 1..];
        match rest.first()? {
            b'%' => out.push(Part::Text("%".into())),
            b'p' => out.push(Part::Attr(Attr::OwnPort)),
            _ => {
                let part = place(&mut rest)?;
                let inner = match rest.strip_prefix(b".") {
                    Some(after) => {
                        rest = after;
                        place(&mut rest)?
                    }
                    None => Place::default(),
                };
                let mut value = Template(vec![Part::Attr(name.clone())]);
                value = choice(cx, value, &of_labels(part), span);
                value = choice(cx, value, &of_letters(inner), span);
                out.push(Part::Escape(Escape::Lower, value));
                continue;
            }
        }
        rest = &rest[1..];
    }
    out.push(Part::Text(rest.into()));
    Some(out)
}

/// `[-]N[+]`
fn place(rest: &mut &[u8]) -> Option<Place> {
    let mut place = Place::default();
    if let Some(after) = rest.strip_prefix(b"-") {
        (place.from_end, *rest) = (true, after);
    }
    let (digit, after) = rest.split_first().filter(|(digit, _)| digit.is_ascii_digit())?;
    (place.number, *rest) = (usize::from(digit - b'0'), after);
    if let Some(after) = rest.strip_prefix(b"+") {
        (place.more, *rest) = (true, after);
    }
    Some(place)
}

/// A pattern whose capture is the labels of a name that are meant; empty where all of it is.
fn of_labels(place: Place) -> String {
    let before = place.number.wrapping_sub(1);
    match place {
        Place { number: 0, .. } => String::new(),
        Place { from_end: false, more: false, .. } => format!("^(?:[^.]*\\.){{{before}}}([^.]*)"),
        Place { from_end: false, more: true, .. } => format!("^(?:[^.]*\\.){{{before}}}(.*)$"),
        Place { from_end: true, more: false, .. } => format!("([^.]*)(?:\\.[^.]*){{{before}}}$"),
        Place { from_end: true, more: true, .. } => format!("^(.*?)(?:\\.[^.]*){{{before}}}$"),
    }
}

/// Likewise of its letters.
fn of_letters(place: Place) -> String {
    let before = place.number.wrapping_sub(1);
    match place {
        Place { number: 0, .. } => String::new(),
        Place { from_end: false, more: false, .. } => format!("^.{{{before}}}(.)"),
        Place { from_end: false, more: true, .. } => format!("^.{{{before}}}(.+)$"),
        Place { from_end: true, more: false, .. } => format!("(.).{{{before}}}$"),
        Place { from_end: true, more: true, .. } => format!("^(.+).{{{before}}}$"),
    }
}

/// What the pattern captures of a value, `_` where it does not match; the value itself without one.
fn choice(cx: &mut Cx, subject: Template, pattern: &str, span: Span) -> Template {
    if pattern.is_empty() {
        return subject;
    }
    let pattern = Pattern::whole(pattern, false);
    let test = Test::Match { subject, pattern, into: Some(OWN) };
    let choices = vec![Choice { test, value: Template(vec![Part::Capture(OWN, 1)]) }];
    let kind = VarKind::Choice { choices, default: "_".into() };
    cx.config.vars.push(Var { name: "@part".into(), kind, span });
    Template::var(VarId(cx.config.vars.len() as u32 - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_parts() {
        for (text, expected, left) in [
            ("1", Some((1, false, false)), ""),
            ("-2+.x", Some((2, true, true)), ".x"),
            ("0/", Some((0, false, false)), "/"),
            ("-", None, "-"),
            ("x", None, "x"),
        ] {
            let mut rest = text.as_bytes();
            let place = place(&mut rest).map(|place| (place.number, place.from_end, place.more));
            assert_eq!(place, expected, "{text}");
            if expected.is_some() {
                assert_eq!(rest, left.as_bytes());
            }
        }
    }
}
