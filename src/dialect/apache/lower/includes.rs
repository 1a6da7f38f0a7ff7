//! Server-side includes: what `mod_include` does where the filter `INCLUDES` is and `Options` allow it.
//!
//! What 2.4.71 does, observed: a page that goes through the filter has no `Last-Modified`, no tag and no length, whether
//! it has instructions or not. Variables are those of the environment, those that CGI has, and what `set` makes of
//! them, in included pages, too. `exec` is not done here, with `IncludesNoExec` nowhere; it is an error in the page.
//! `printenv` lists what the page knows, which is less; `QUERY_STRING_UNESCAPED` has no backslashes for a shell. An
//! `else` without an `if` does nothing here.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_include.html>

use super::{super::tree::Directive, Cx, Lower, Phase, Section, mapping::when, proxy::gateway};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Base, Block, Escape, FileKind, Name, Part, Protocol, Scope, Settings, Step, Template, Test,
        Text,
    },
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("SSIEndTag", text),
    ("SSIErrorMsg", text),
    ("SSILastModified", last_modified),
    ("SSILegacyExprParser", legacy),
    ("SSIStartTag", text),
    ("SSITimeFormat", text),
    ("SSIUndefinedEcho", text),
    ("XBitHack", by_permission),
];

/// Directives that take a text.
fn text(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let set = &mut section.set.rewriting;
    let setting = match directive.name() {
        "SSIEndTag" => &mut set.include_end,
        "SSIErrorMsg" => &mut set.include_message,
        "SSIStartTag" => &mut set.include_begin,
        "SSITimeFormat" => &mut set.include_time,
        _ => &mut set.include_undefined,
    };
    *setting = Some(Text::from(word.value.as_slice()));
}

/// `SSILastModified On|Off`
fn last_modified(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.set.rewriting.include_keeps_modified = Some(word.is("on"));
    }
}

/// `SSILegacyExprParser On|Off`
fn legacy(cx: &mut Cx, _: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice()
        && word.is("on")
    {
        let message = "conditions in pages are those of Apache 2.4";
        let found = Diagnostic::error("refused-value", word.span, message);
        cx.refuse(found.help("write `v(\"NAME\")` for `$NAME` in the pages, and leave it off"));
    }
}

/// `XBitHack On|Off|Full`: HTML that its owner may execute.
fn by_permission(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let span = directive.head();
    if word.is("off") {
        return section.replace(Phase::Executable, Block { span, ..Block::default() });
    }
    let full = word.is("full");
    if !full && !word.is("on") {
        let message = "XBitHack must be set to Off, On, or Full";
        return cx.report(Diagnostic::error("invalid-value", word.span, message));
    }
    let mut set = Settings::default();
    set.rewriting.includes = Some(true);
    set.rewriting.include_types = Some(vec!["text/html".into()]);
    if full {
        set.rewriting.include_keeps_modified = Some(true);
    }
    let scope = Some(Scope { base: Base::Current, set: Box::new(set) });
    let block = Block { scope, span, ..Block::default() };
    let file = Test::Equal(Template::var(cx.kind()), "file".into());
    let executable = Test::File(Template::var(cx.file()), FileKind::Executable);
    let steps = vec![when(Test::All(vec![file, executable]), vec![(Step::Do(block), span)])];
    section.replace(Phase::Executable, Block { steps, span, ..Block::default() });
}

/// Variables of CGI that do not depend on the protocol.
const OF_GATEWAYS: [&str; 16] = [
    "SERVER_SIGNATURE",
    "SERVER_SOFTWARE",
    "SERVER_NAME",
    "SERVER_ADDR",
    "SERVER_PORT",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_USER",
    "AUTH_TYPE",
    "DOCUMENT_ROOT",
    "REQUEST_SCHEME",
    "SERVER_ADMIN",
    "GATEWAY_INTERFACE",
    "SERVER_PROTOCOL",
    "REQUEST_METHOD",
    "QUERY_STRING",
];

/// Where any section may allow includes: what pages know.
pub(super) fn declare(cx: &mut Cx) {
    if !cx.names.includes {
        return;
    }
    let mut values: Vec<(Name, Template)> = Vec::new();
    for name in OF_GATEWAYS {
        if let Some(value) = gateway::value(cx, name, Protocol::FastCgi) {
            values.push((name.into(), value));
        }
    }
    let given = |cx: &mut Cx, value: Template| {
        let test = Test::Truthy(value.clone());
        Template::var(cx.choice("@given", vec![(test, value)], Template::attr(Attr::Missing)))
    };
    let (rest, file, name) = (cx.path_info(), cx.file(), cx.name());
    let path = Template::attr(Attr::PathWithout(rest));
    let escaped = |how, value: &Template| Template(vec![Part::Escape(how, value.clone())]);
    let asked = Test::Truthy(Template::attr(Attr::QueryMark));
    let unescaped = vec![(asked, escaped(Escape::Decode, &Template::attr(Attr::Query)))];
    let unescaped = Template::var(cx.choice("@unescaped", unescaped, Template::attr(Attr::Missing)));
    values.extend([
        ("REQUEST_URI".into(), Template::attr(Attr::Target)),
        ("SCRIPT_NAME".into(), path.clone()),
        ("SCRIPT_FILENAME".into(), Template::var(file)),
        ("PATH_INFO".into(), given(cx, Template::var(rest))),
        ("DOCUMENT_NAME".into(), Template::var(name)),
        ("DOCUMENT_URI".into(), path),
        ("DOCUMENT_ARGS".into(), gateway::value(cx, "QUERY_STRING", Protocol::FastCgi).unwrap_or_default()),
        ("DOCUMENT_PATH_INFO".into(), given(cx, Template::var(rest))),
        ("QUERY_STRING_UNESCAPED".into(), unescaped),
        ("USER_NAME".into(), escaped(Escape::Owner, &Template::var(file))),
    ]);
    let set = &mut cx.config.base.rewriting;
    set.include_values = Some(values);
    set.include_in_turn = Some(true);
    set.includes_forbidden = Some(true);
}
