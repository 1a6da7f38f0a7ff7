//! `more_set_headers` and its kin: fields of responses and requests set or removed, whatever the status.
//!
//! What the outer levels say comes first, then what the level says. `-s` names statuses, `-t` types of content, `-a`
//! adds beside what is there, `-r` only changes what is there. A field without a value is removed; a name that ends in
//! `*` stands for all that begin so. Observed with version 0.34 under nginx 1.22.1 but for `-a`, which is newer. Requests
//! are changed when the location's own rewrites are done, even those that ended with `break`. Not so here: `$host` stays
//! what the client said, and the length of content is nobody's to set.
//!
//! Reference: <https://github.com/openresty/headers-more-nginx-module>

use super::{
    super::{super::tree::Directive, Cx, Kind, Level, Lower, parameter, template_part, values},
    is_framing, is_token,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Block, Change, Edit, Name, Pattern, Standing, Step, Template, Test},
    source::Span,
};

/// The directives of this file.
pub(in super::super) const TABLE: &[(&str, Lower)] = &[
    ("more_clear_headers", response),
    ("more_clear_input_headers", request),
    ("more_set_headers", response),
    ("more_set_input_headers", request),
];

/// What a directive says.
#[derive(Default)]
struct Said {
    statuses: Vec<u16>,
    types: Vec<Vec<u8>>,
    beside: bool,
    only_there: bool,
    /// Names and values; without a value the field is removed.
    fields: Vec<(Name, Option<Template>)>,
}

fn read(cx: &mut Cx, directive: &Directive) -> Option<Said> {
    let clears = directive.name().starts_with("more_clear");
    let mut said = Said::default();
    let mut words = directive.args.iter();
    while let Some(word) = words.next() {
        match word.value.as_slice() {
            b"-a" if !clears => said.beside = true,
            b"-r" if !clears => said.only_there = true,
            b"-s" | b"-t" => {
                let Some(list) = words.next() else {
                    parameter::invalid(cx, word, "a list has to follow");
                    return None;
                };
                for item in list.value.split(u8::is_ascii_whitespace).filter(|item| !item.is_empty()) {
                    if word.is("-t") {
                        said.types.push(item.to_ascii_lowercase());
                        continue;
                    }
                    if let Some(status) =
                        values::number(item).ok().filter(|status| (100..=999).contains(status))
                    {
                        said.statuses.push(status as u16);
                    } else {
                        let message = format!("invalid status `{}`", item.escape_ascii());
                        cx.error("invalid-value", list.span, message);
                        return None;
                    }
                }
            }
            [b'-', _] => {
                parameter::invalid(cx, word, "a flag is `-s`, `-t`, `-a` or `-r`");
                return None;
            }
            text => {
                let colon = memchr::memchr(b':', text);
                let name = text[..colon.unwrap_or(text.len())].trim_ascii();
                if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
                    parameter::invalid(cx, word, "not the name of a field");
                    return None;
                }
                if name == b"*" {
                    parameter::invalid(cx, word, "a `*` stands behind the begin of a name");
                    return None;
                }
                let name = Name::from(name);
                if is_framing(&name) {
                    let message = format!("`{name}` is the server's own");
                    cx.report(Diagnostic::warning("framing-field", word.span, message).because(
                        "it tells where the content ends, which only the server that sends it knows",
                    ));
                    continue;
                }
                let from = colon.map_or(text.len(), |at| {
                    at + 1 + text[at + 1..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
                });
                let has_value = !clears && from < text.len();
                let value = has_value.then(|| template_part(cx, word, from..text.len()));
                said.fields.push((name, value));
            }
        }
    }
    Some(said)
}

/// `more_set_headers [-t types] [-s statuses] [-a] 'name: value'...;`, `more_clear_headers`
fn response(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(said) = read(cx, directive) else { return };
    let span = directive.span;
    level.first("more_headers");
    let edits: Vec<(Step, Span)> = said
        .fields
        .into_iter()
        .map(|(name, value)| {
            let edit = match value {
                Some(value) if said.beside => Edit::Add(name, value),
                Some(value) => Edit::Set(name, value),
                None => Edit::Remove(name),
            };
            (Step::Edit(edit), span)
        })
        .collect();
    let mut tests = Vec::new();
    if !said.statuses.is_empty() {
        tests.push(Test::Status(said.statuses));
    }
    if !said.types.is_empty() {
        tests.push(of_types("content_type", true, &said.types));
    }
    level.inherited.added.more.push(when(tests, edits, span));
}

/// Steps that are taken where all tests hold.
fn when(mut tests: Vec<Test>, steps: Vec<(Step, Span)>, span: Span) -> (Step, Span) {
    let then = Block { steps, span, ..Block::default() };
    let step = match tests.len() {
        0 => Step::Do(then),
        1 => Step::When { test: tests.remove(0), then, otherwise: Block::default() },
        _ => Step::When { test: Test::All(tests), then, otherwise: Block::default() },
    };
    (step, span)
}

/// Whether the content is of one of these types.
fn of_types(field: &str, sent: bool, types: &[Vec<u8>]) -> Test {
    let attr = if sent { Attr::SentField(field.into()) } else { Attr::Field(field.into()) };
    let one = |kind: &Vec<u8>| {
        let quoted: String = kind.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let pattern = Pattern::regex(format!("^{quoted}\\s*(?:;|$)").as_bytes(), true);
        Test::Match { subject: Template::attr(attr.clone()), pattern, into: None }
    };
    Test::Any(types.iter().map(one).collect())
}

/// `more_set_input_headers [-r] [-t types] 'name: value'...;`, `more_clear_input_headers`
fn request(cx: &mut Cx, level: &mut Level, directive: &Directive) {
    let Some(said) = read(cx, directive) else { return };
    let span = directive.span;
    let mut steps = Vec::new();
    for (name, value) in said.fields {
        let there = Test::Present(Template::attr(Attr::FieldList(name.clone())));
        let edit = match value {
            Some(value) => Edit::Field { name, standing: Standing::Own, change: Change::Set(value) },
            None => Edit::Remove(name),
        };
        let edit = (Step::Edit(edit), span);
        steps.push(if said.only_there { when(vec![there], vec![edit], span) } else { edit });
    }
    let tests =
        if said.types.is_empty() { Vec::new() } else { vec![of_types("content_type", false, &said.types)] };
    level.inherited.input.push(when(tests, steps, span));
}

/// Changes the request when a location's program has run.
pub(in super::super) fn end(level: &mut Level) {
    if level.kind == Kind::Location {
        level.own.after = level.inherited.input.clone();
    }
}
