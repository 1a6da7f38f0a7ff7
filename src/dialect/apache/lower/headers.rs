//! `Header` and `RequestHeader`.
//!
//! Observed (2.4.71): a response has two tables of fields. `always` ones are sent with every answer, and first;
//! `onsuccess` ones are those that content brings, and pages and redirects of the server itself have none. All
//! changes of the first table are made before those of the second, sections in their order. Nothing changes a 101.
//! `RequestHeader` comes after rules and access control, `early` before everything.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_headers.html>

use super::{
    super::{expr::lower as expr, tree::Directive, tree::Word, tree::Written},
    Cx, Lower, Phase, Section,
    walk::Steps,
};
use crate::{
    diagnostic::{Diagnostic, suggest},
    ir::{
        Attr, Block, Change, Edit, Kind, Load, Moment, Part, Pattern, Register, Standing, Step, Syntax,
        Template, Test, TimeForm, TimeUnit, TlsAttr,
    },
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("Header", response), ("RequestHeader", request)];

/// Captures of what `edit` looks for.
const EDIT: Register = Register('H');

/// What a section changes of responses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    always: Steps,
    on_success: Steps,
}

/// What all actions are called.
const ACTIONS: &[&str] =
    &["set", "setifempty", "append", "merge", "add", "unset", "echo", "edit", "edit*", "note"];

/// What a word says of when something is done.
pub(super) enum Condition {
    /// Nothing: it is no condition.
    None,
    /// When this holds.
    Test(Test),
    /// What is wrong was said.
    Wrong,
}

/// When a change is made.
enum When {
    Always,
    Early,
    If(Test),
}

/// `Header [always|onsuccess] action name [value [replacement]] [early|env=[!]variable|expr=expression]`
fn response(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let mut words = directive.args.as_slice();
    let mut standing = Standing::Own;
    if let [first, rest @ ..] = words
        && (first.is("always") || first.is("onsuccess"))
    {
        standing = if first.is("always") { Standing::Lasting } else { Standing::Own };
        words = rest;
    }
    let Some((edit, when)) = change(cx, directive, words, standing, true) else { return };
    let span = directive.head();
    let step = match when {
        When::Always => Step::Edit(edit),
        When::If(test) => conditional(cx.in_response(test), Step::Edit(edit), directive),
        When::Early => {
            let help = "leave out `early`: the field is the same in the end";
            let message = "a response field that is set before there is a response";
            return cx.refuse(Diagnostic::error("refused", span, message).help(help));
        }
    };
    let own = &mut section.own.headers;
    let steps = if standing == Standing::Lasting { &mut own.always } else { &mut own.on_success };
    steps.push((step, span));
}

/// `RequestHeader action name [value [replacement]] [early|env=[!]variable|expr=expression]`
fn request(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((edit, when)) = change(cx, directive, &directive.args, Standing::Own, false) else { return };
    let (phase, step) = match when {
        When::Always => (Phase::Fields, Step::Edit(edit)),
        When::If(test) => (Phase::Fields, conditional(test, Step::Edit(edit), directive)),
        When::Early if section.is_server() => (Phase::Early, Step::Edit(edit)),
        When::Early => {
            let message = "`early` has no effect in a section";
            return cx.warn("no-effect", directive.head(), message);
        }
    };
    section.hook(phase, step, directive.head());
}

fn conditional(test: Test, step: Step, directive: &Directive) -> Step {
    let span = directive.head();
    let then = Block { steps: vec![(step, span)], span, ..Block::default() };
    Step::When { test, then, otherwise: Block::default() }
}

/// What a directive changes and when.
fn change(
    cx: &mut Cx,
    directive: &Directive,
    words: &[Word],
    standing: Standing,
    of_response: bool,
) -> Option<(Edit, When)> {
    let [action, name, rest @ ..] = words else {
        let message = format!("{} takes an action and a name", directive.name());
        cx.error("arguments", directive.head(), message);
        return None;
    };
    let called = action.text().to_ascii_lowercase();
    let known = ACTIONS.contains(&called.as_str()) && (of_response || !matches!(&*called, "echo" | "note"));
    if !known {
        let mut finding =
            Diagnostic::error("unknown-action", action.span, format!("unknown action `{}`", action.text()));
        if let Some(meant) = suggest::nearest(&called, ACTIONS.iter().copied()) {
            finding = finding.help(format!("did you mean `{meant}`?"));
        }
        cx.report(finding);
        return None;
    }
    let takes = match &*called {
        "unset" | "echo" => 0,
        "edit" | "edit*" => 2,
        _ => 1,
    };
    let Some((values, rest)) = rest.split_at_checked(takes) else {
        let message = format!(
            "`{called}` takes {} after the name",
            if takes == 2 { "a pattern and a value" } else { "a value" }
        );
        cx.error("arguments", directive.head(), message);
        return None;
    };
    let when = when(cx, rest)?;
    let name_text = name.value.strip_suffix(b":").unwrap_or(&name.value);
    if called == "echo" {
        return Some((Edit::Echo(Pattern { ignore_case: true, ..regex(name_text) }, standing), when));
    }
    if framing(cx, name, name_text) {
        return None;
    }
    let change = match (&*called, values) {
        ("unset", _) => Change::Remove,
        ("note", [note]) => Change::Keep(cx.note(&note.value)),
        ("edit" | "edit*", [pattern, with]) => Change::Replace {
            pattern: regex(&pattern.value),
            into: EDIT,
            with: replacement(cx, with)?,
            all: called == "edit*",
        },
        (_, [value]) => {
            let value = self::value(cx, value)?;
            match &*called {
                "set" => Change::Set(value),
                "setifempty" => Change::SetMissing(value),
                "append" => Change::Append(value),
                "merge" => Change::Merge(value),
                _ => Change::Add(value),
            }
        }
        _ => return None,
    };
    Some((Edit::Field { name: name_text.into(), standing, change }, when))
}

/// Whether a field belongs to the framing of messages, which is said.
fn framing(cx: &mut Cx, word: &Word, name: &[u8]) -> bool {
    let framing =
        [&b"content-length"[..], b"transfer-encoding"].iter().any(|own| name.eq_ignore_ascii_case(own));
    if framing {
        let message =
            format!("`{}` tells where a message ends and is written by the server itself", word.text());
        cx.warn("no-effect", word.span, message);
    }
    framing
}

/// A regular expression as it is written.
fn regex(text: &[u8]) -> Pattern {
    Pattern {
        kind: Kind::Regex(Syntax::PerlWhole),
        text: text.into(),
        ignore_case: false,
        groups: Vec::new(),
    }
}

/// `early`, `env=[!]variable`, `expr=expression`, or nothing.
fn when(cx: &mut Cx, words: &[Word]) -> Option<When> {
    let word = match words {
        [] => return Some(When::Always),
        [word] => word,
        [_, extra, ..] => {
            cx.error("arguments", extra.span, "there is nothing more to say after a condition");
            return None;
        }
    };
    if word.is("early") {
        return Some(When::Early);
    }
    match cx.env_or_expr(word) {
        Condition::Test(test) => return Some(When::If(test)),
        Condition::Wrong => return None,
        Condition::None => {}
    }
    let message = format!("`{}` is no condition", word.text());
    let help = "a condition is `env=VARIABLE`, `env=!VARIABLE`, `expr=EXPRESSION` or `early`; put a value in quotation marks";
    cx.report(Diagnostic::error("arguments", word.span, message).help(help));
    None
}

/// A value: text with `%` formats, or `expr=` and a text with variables.
fn value(cx: &mut Cx, word: &Word) -> Option<Template> {
    let text = expr::written(word);
    if word.value.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"expr=")) {
        return expr::template_of(cx, &text.slice(5..word.value.len()));
    }
    formatted(cx, &text)
}

/// What stands in place of what `edit` found: a value in which `$n` are groups.
fn replacement(cx: &mut Cx, word: &Word) -> Option<Template> {
    let mut out = Template::default();
    for part in value(cx, word)?.0 {
        match part {
            Part::Text(text) => groups(&text, EDIT, &mut out),
            part => out.push(part),
        }
    }
    Some(out)
}

/// Takes a text apart in which `$n` are groups and a backslash takes the meaning of `$` and itself.
pub(super) fn groups(text: &[u8], register: Register, out: &mut Template) {
    let mut rest = text;
    let mut plain = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (b'$', Some(digit)) if digit.is_ascii_digit() => {
                out.push(Part::Text(std::mem::take(&mut plain).into()));
                out.push(Part::Capture(register, digit - b'0'));
                rest = &after[1..];
            }
            (b'\\', Some(b'$' | b'\\')) => {
                plain.push(after[0]);
                rest = &after[1..];
            }
            _ => plain.push(byte),
        }
    }
    out.push(Part::Text(plain.into()));
}

/// A text with `%%`, `%t`, `%D`, `%l`, `%i`, `%b`, `%{variable}e` and `%{variable}s`.
fn formatted(cx: &mut Cx, text: &Written) -> Option<Template> {
    let bytes = text.bytes();
    let mut out = Template::default();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let begin = at;
        at += 1;
        if byte != b'%' {
            let end = memchr::memchr(b'%', &bytes[at..]).map_or(bytes.len(), |more| at + more);
            out.push(Part::Text(bytes[begin..end].into()));
            at = end;
            continue;
        }
        let name = match bytes.get(at) {
            Some(b'{') => {
                let end = memchr::memchr(b'}', &bytes[at..]).map_or(bytes.len(), |more| at + more);
                let name = &bytes[at + 1..end];
                at = (end + 1).min(bytes.len());
                Some(name)
            }
            _ => None,
        };
        let letter = bytes.get(at).copied();
        at += 1;
        let attr = |before: &str, attr: Attr, out: &mut Template| {
            out.push(Part::Text(before.into()));
            out.push(Part::Attr(attr));
        };
        match (letter, name) {
            // A lone one at the end is itself.
            (Some(b'%') | None, None) => out.push(Part::Text("%".into())),
            (Some(b't'), _) => {
                attr("t=", Attr::Time(Moment::Began, TimeForm::Since(TimeUnit::Micros)), &mut out);
            }
            (Some(b'D'), _) => attr("D=", Attr::Took(TimeUnit::Micros), &mut out),
            (Some(b'l'), _) => attr("l=", Attr::Load(Load::Averages), &mut out),
            (Some(b'i'), _) => attr("i=", Attr::Load(Load::Idle), &mut out),
            (Some(b'b'), _) => attr("b=", Attr::Load(Load::Busy), &mut out),
            (Some(b'e'), Some(name)) => {
                let value = Template::var(cx.env(name));
                out.0.extend(cx.first_present(&[value], "(null)".into()).0);
            }
            (Some(b's'), Some(name)) => {
                let meaning = super::super::vars::tls(name);
                let value = match meaning {
                    Some(meaning) => cx.meaning(&meaning),
                    None => Template::attr(Attr::Tls(TlsAttr::Version)),
                };
                out.0.extend(cx.first_present(&[value], "(null)".into()).0);
            }
            (letter, _) => {
                let shown = letter.map_or_else(String::new, |letter| char::from(letter).to_string());
                let span = text.span(begin..at.min(bytes.len()));
                let help = "formats are %%, %t, %D, %l, %i, %b, %{VARIABLE}e and %{VARIABLE}s";
                cx.report(Diagnostic::error("format", span, format!("unknown format `%{shown}`")).help(help));
                return None;
            }
        }
    }
    Some(out)
}

/// Makes a block of what a section changes.
pub(super) fn settle(_: &mut Cx, section: &mut Section) {
    let Own { always, on_success } = std::mem::take(&mut section.own.headers);
    if always.is_empty() && on_success.is_empty() {
        return;
    }
    let steps = always.into_iter().chain(on_success).collect();
    let then = Block { steps, span: section.span, ..Block::default() };
    let test = Test::Not(Box::new(Test::Status(vec![101])));
    let step = Step::When { test, then, otherwise: Block::default() };
    let block = Block { steps: vec![(step, section.span)], span: section.span, ..Block::default() };
    section.set.answer.on_response.get_or_insert_default().push(block);
}

impl Cx<'_> {
    /// `env=[!]variable` or `expr=expression`.
    pub(super) fn env_or_expr(&mut self, word: &Word) -> Condition {
        let (kind, rest) = word.value.split_at_checked(4).unwrap_or_default();
        if kind.eq_ignore_ascii_case(b"env=") {
            let (negated, name) = match rest.strip_prefix(b"!") {
                Some(name) => (true, name),
                None => (false, rest),
            };
            if name.is_empty() {
                self.error("arguments", word.span, "a variable's name is missing");
                return Condition::Wrong;
            }
            let test = Test::Present(Template::var(self.env(name)));
            return Condition::Test(if negated { Test::Not(Box::new(test)) } else { test });
        }
        if word.value.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"expr=")) {
            let text = expr::written(word).slice(5..word.value.len());
            return expr::test_into(self, &text, expr::MATCH).map_or(Condition::Wrong, Condition::Test);
        }
        Condition::None
    }

    /// A test as it can be asked when a response is under way: one that looks at files goes through a value.
    pub(super) fn in_response(&mut self, test: Test) -> Test {
        fn asks_files(test: &Test) -> bool {
            match test {
                Test::All(tests) | Test::Any(tests) => tests.iter().any(asks_files),
                Test::Not(test) => asks_files(test),
                Test::File(..) => true,
                _ => false,
            }
        }
        if asks_files(&test) {
            return Test::Truthy(Template::var(self.choice(
                "",
                vec![(test, "1".into())],
                Template::default(),
            )));
        }
        test
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_in_replacements() {
        let mut out = Template::default();
        groups(br"a$1\$2\\$x$0", Register('x'), &mut out);
        let capture = |group| Part::Capture(Register('x'), group);
        assert_eq!(out.0, [Part::Text("a".into()), capture(1), Part::Text(br"$2\$x"[..].into()), capture(0)]);
    }
}
