//! `proxy_set_header`: the head of the request to an upstream.
//!
//! Reference: <https://nginx.org/r/proxy_set_header>; order and repetition: nginx 1.22.1, observed.

use super::super::{
    super::tree::Directive,
    Cx, Level,
    defaults::request_edits,
    headers::{is_framing, is_token},
    parameter, template, text,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{Edit, Name, Template},
};

/// `proxy_set_header field value;` The first at a level drops those of the outer levels. They are sent in
/// file order, repetitions included, before the defaults that they do not name.
pub(super) fn set_header(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let mut written = std::mem::take(&mut level.own.request_fields);
    read(cx, &mut written, directive);
    level.set.http.edits = Some(edits(&written, request_edits()));
    level.own.request_fields = written;
}

/// Reads a field and its value to the end of `fields`.
pub(in super::super) fn read(cx: &mut Cx, fields: &mut Vec<(Name, Template)>, directive: &Directive) {
    let [word, value] = directive.args.as_slice() else { return };
    let name = text(word);
    if is_framing(&name) {
        framing(cx, &name, directive);
    } else if name.is_empty() || name.iter().any(|byte| !is_token(*byte)) {
        parameter::invalid(cx, word, "not the name of a field");
    } else {
        let value = template(cx, value);
        fields.push((name, value));
    }
}

/// The edits of a level: its fields, then those by default that none of them names.
pub(in super::super) fn edits(fields: &[(Name, Template)], by_default: Vec<Edit>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for (at, (name, value)) in fields.iter().enumerate() {
        let again = fields[..at].iter().any(|(before, _)| before.is_field(name));
        match (again, value.is_empty()) {
            (false, true) => edits.push(Edit::Remove(name.clone())),
            (false, false) => edits.push(Edit::Set(name.clone(), value.clone())),
            (true, true) => {}
            (true, false) => edits.push(Edit::Add(name.clone(), value.clone())),
        }
    }
    let named = |edit: &Edit| match edit {
        Edit::Set(name, _) | Edit::Remove(name) => fields.iter().any(|(field, _)| field.is_field(name)),
        _ => false,
    };
    edits.extend(by_default.into_iter().filter(|edit| !named(edit)));
    edits
}

/// Says what becomes of a field that tells where the content ends.
fn framing(cx: &mut Cx, name: &Name, directive: &Directive) {
    let Some(value) = directive.args.get(1) else { return };
    let follows_client = value.is("$http_content_length") || value.is("$content_length");
    // Removing it, or sending what was received, comes to what is done anyway.
    let severity = if value.value.is_empty() || follows_client { Severity::Note } else { Severity::Warning };
    let message = format!("`{name}` is written by whoever sends the content");
    cx.report(
        Diagnostic::new(severity, "framing-field", message)
            .label(directive.head(), "has no effect")
            .note("it always agrees with the content that is sent: none with `proxy_pass_request_body off`"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_repetition_and_defaults() {
        for (fields, expected) in [
            (
                &[][..],
                "Set Host, Set Connection, Remove TE, Remove Keep-Alive, Remove Expect, Remove Upgrade",
            ),
            (
                &[("X", "1"), ("host", "a"), ("x", "2"), ("Upgrade", "u"), ("Connection", "")],
                "Set X, Set host, Add x, Set Upgrade, Remove Connection, Remove TE, Remove Keep-Alive, Remove Expect",
            ),
            (
                &[("A", ""), ("a", "1"), ("A", "")],
                "Remove A, Add a, Set Host, Set Connection, Remove TE, Remove Keep-Alive, Remove Expect, Remove Upgrade",
            ),
        ] {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (Name::from(*name), Template::from(*value))).collect();
            let found: Vec<_> = edits(&fields, request_edits())
                .iter()
                .map(|edit| match edit {
                    Edit::Set(name, _) => format!("Set {name}"),
                    Edit::Add(name, _) => format!("Add {name}"),
                    Edit::Remove(name) => format!("Remove {name}"),
                    other => format!("{other:?}"),
                })
                .collect();
            assert_eq!(found.join(", "), expected);
        }
    }
}
