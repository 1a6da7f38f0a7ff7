//! Paths that lie elsewhere: `Alias`, `Redirect` and what belongs to them.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_alias.html>. Of a server all redirects come before all
//! aliases, each list in file order, the virtual host's before the main server's; the first that matches counts.
//! In a section, one argument less: the section says which paths are meant, and the one that is left may have variables.

use super::{
    super::{
        expr::lower as expr,
        tree::{Directive, Word},
    },
    Cx, Lower, Phase, RULE, Section,
    mapping::respond,
    program,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Block, Escape, Join, Jump, Order, Part, Pattern, Register, Reply, ReplyContent, Route, Step,
        Table, Template, Test, Text,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("Alias", alias),
    ("AliasMatch", alias_match),
    ("AliasPreservePath", preserve_path),
    ("Redirect", redirect),
    ("RedirectMatch", redirect_match),
    ("RedirectPermanent", redirect),
    ("RedirectRelative", relative),
    ("RedirectTemp", redirect),
    ("ScriptAlias", alias),
    ("ScriptAliasMatch", alias_match),
];

/// Captures of what follows a section's path.
const PRESERVED: Register = Register('P');

/// What is remembered of a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    redirects: Vec<Route>,
    aliases: Vec<Route>,
    /// The one that an `<Location>` brings: where it leads.
    here: Option<(Template, Span, bool)>,
    preserve: bool,
}

/// `Alias path file`; in a section, `Alias file`.
///
/// `ScriptAlias` is the same for programs, which need no `Options ExecCGI` then.
fn alias(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let scripts = directive.name() == "ScriptAlias";
    match directive.args.as_slice() {
        [to] if !section.is_server() => {
            let Some(path) = expr::template_of(cx, &expr::written(to)) else { return };
            // What begins with a variable is a whole name; a relative one lies below the server's root.
            let path = if path.as_text().is_some() { Template::text(file(cx, to)) } else { path };
            section.own.alias.here = Some((path, directive.head(), scripts));
        }
        [from, to] if section.is_server() => {
            let file_name = file(cx, to);
            let to = Template::text(file_name.clone());
            for (path, tail) in under(from) {
                let value = followed_by(&to, tail, vec![Part::Attr(Attr::PathRest)]);
                let mut route = mapped(cx, path, value, directive.head());
                let context = context(cx, &from.value, &file_name, directive.head());
                route.body.steps.splice(0..0, context);
                if scripts {
                    route.body.steps.splice(0..0, program::aliased(cx, directive.name(), directive.head()));
                }
                section.own.alias.aliases.push(route);
            }
        }
        _ => arguments(cx, directive, "a path and a file; in a section, a file alone"),
    }
}

/// `AliasMatch regex file`
fn alias_match(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [from, to] = directive.args.as_slice() else {
        return arguments(cx, directive, "a pattern and a file");
    };
    let pattern = super::sections::pattern(cx, from);
    let to = Word { value: file(cx, to).0, ..to.clone() };
    let value = Template(substituted(&to.value));
    let mut route = mapped(cx, pattern, value, directive.head());
    if directive.name() == "ScriptAliasMatch" {
        route.body.steps.splice(0..0, program::aliased(cx, directive.name(), directive.head()));
    }
    section.own.alias.aliases.push(route);
}

/// `AliasPreservePath on|off`
fn preserve_path(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.alias.preserve = word.is("on");
    }
}

/// `RedirectRelative on|off`
fn relative(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.set.answer.absolute_redirect = Some(!word.is("on"));
    }
}

/// `Redirect [status] path url`; in a section, `Redirect [status] url`.
fn redirect(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((status, words)) = status(cx, directive) else { return };
    let redirects = (300..400).contains(&status);
    match (words, redirects) {
        ([from, to], true) => {
            if !from.value.starts_with(b"/") {
                return wrong(cx, from, "the first argument must be a path");
            }
            if !is_target(to) {
                return wrong(cx, to, "the target must be an absolute URL or path");
            }
            let target = Template::text(to.value.as_slice());
            for (path, tail) in under(from) {
                let rest = Part::Escape(Escape::UriText, Template::attr(Attr::PathRest));
                let location = followed_by(&target, tail, vec![rest]);
                push(section, path, status, Some(queried(location, &to.value)), directive.head());
            }
        }
        ([from], false) if section.is_server() || from.value.starts_with(b"/") => {
            for (path, _) in under(from) {
                push(section, path, status, None, directive.head());
            }
        }
        ([to], true) if !section.is_server() => {
            let Some(location) = expr::template_of(cx, &expr::written(to)) else { return };
            let location = match location.as_text() {
                Some(text) => queried(location.clone(), text),
                None => computed(cx, location),
            };
            section.own.alias.here = None;
            let answer = answer(status, Some(location));
            let block =
                Block { steps: vec![(answer, directive.head())], span: directive.head(), ..Block::default() };
            section.replace(Phase::Redirect, block);
        }
        ([], false) if !section.is_server() => {
            let block = Block { steps: vec![respond(status)], span: directive.head(), ..Block::default() };
            section.replace(Phase::Redirect, block);
        }
        (_, true) => arguments(cx, directive, "a status, perhaps, a path and where it leads"),
        (_, false) => arguments(cx, directive, "no target, since this status is no redirect"),
    }
}

/// `RedirectMatch [status] regex url`
fn redirect_match(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((status, words)) = status(cx, directive) else { return };
    let redirects = (300..400).contains(&status);
    match (words, redirects) {
        ([from, to], true) => {
            let pattern = super::sections::pattern(cx, from);
            let target = Template(substituted(&to.value));
            let location = Template(vec![Part::Escape(Escape::UriTextBeforeQuery, target)]);
            push(section, pattern, status, Some(queried(location, &to.value)), directive.head());
        }
        ([from], false) => {
            let pattern = super::sections::pattern(cx, from);
            push(section, pattern, status, None, directive.head());
        }
        (_, true) => arguments(cx, directive, "a status, perhaps, a pattern and where it leads"),
        (_, false) => arguments(cx, directive, "no target, since this status is no redirect"),
    }
}

/// The status of a redirect and the words after it.
fn status<'d>(cx: &mut Cx, directive: &'d Directive) -> Option<(u16, &'d [Word])> {
    let words = directive.args.as_slice();
    let fixed = match directive.name() {
        "RedirectPermanent" => Some(301),
        "RedirectTemp" => Some(302),
        _ => None,
    };
    if let Some(fixed) = fixed {
        return Some((fixed, words));
    }
    let Some((first, rest)) = words.split_first() else {
        arguments(cx, directive, "a path and where it leads");
        return None;
    };
    let named = [("permanent", 301), ("temp", 302), ("seeother", 303), ("gone", 410)];
    if let Some((_, status)) = named.into_iter().find(|(name, _)| first.is(name)) {
        return Some((status, rest));
    }
    if !first.value.is_empty() && first.value.iter().all(u8::is_ascii_digit) {
        let number = std::str::from_utf8(&first.value).ok().and_then(|text| text.parse().ok());
        let Some(number) = number.filter(|number| (300..600).contains(number)) else {
            wrong(cx, first, "no status of a redirect or an error");
            return None;
        };
        return Some((number, rest));
    }
    Some((302, words))
}

/// Whether a redirect can lead there: a URL with a scheme, or a path.
fn is_target(word: &Word) -> bool {
    let scheme =
        word.value.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    word.value.starts_with(b"/") || (scheme > 0 && word.value.get(scheme) == Some(&b':'))
}

/// Adds a redirect to those of the section.
fn push(section: &mut Section, path: Pattern, status: u16, location: Option<Template>, span: Span) {
    let body = Block { steps: vec![(answer(status, location), span)], span, ..Block::default() };
    section.own.alias.redirects.push(Route { path, decisive: false, body, nested: None });
}

fn answer(status: u16, location: Option<Template>) -> Step {
    let content = location.map_or(ReplyContent::Page, ReplyContent::Location);
    // A status that has no name is a failure (observed).
    let known = super::defaults::reasons().iter().any(|(known, _)| *known == status);
    Step::Respond(Reply { status: if known { status } else { 500 }, content })
}

/// A target with the request's query, unless it has one itself.
fn queried(mut target: Template, written: &[u8]) -> Template {
    if !written.contains(&b'?') {
        target.push(Part::Attr(Attr::QueryMark));
        target.push(Part::Attr(Attr::Query));
    }
    target
}

/// A target with variables: percent-encoded up to its query, and with the request's where it has none itself.
fn computed(cx: &mut Cx, target: Template) -> Template {
    let subject = target.clone();
    let has_query = Test::Match { subject, pattern: Pattern::whole("[?]", false), into: None };
    let mut own = |name: &'static str, attr: Attr| {
        Part::Var(cx.choice(name, vec![(has_query.clone(), Template::default())], Template::attr(attr)))
    };
    let mark = own("@redirect_mark", Attr::QueryMark);
    let query = own("@redirect_query", Attr::Query);
    Template(vec![Part::Escape(Escape::UriTextBeforeQuery, target), mark, query])
}

/// A target and what follows it.
fn followed_by(target: &Template, tail: &[u8], parts: Vec<Part>) -> Template {
    let mut all = target.clone();
    all.push(Part::Text(Text::from(tail)));
    for part in parts {
        all.push(part);
    }
    all
}

/// The patterns for a path and everything below it, with what stands between target and rest.
fn under(from: &Word) -> Vec<(Pattern, &'static [u8])> {
    let path = from.value.as_slice();
    if path.ends_with(b"/") {
        return vec![(Pattern::prefix(path), b"")];
    }
    vec![(Pattern::exact(path), b""), (Pattern::prefix([path, b"/"].concat()), b"/")]
}

/// `$1` and `$$`-less text: what a match stands for.
fn substituted(text: &[u8]) -> Vec<Part> {
    let mut template = Template::default();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match (byte, text.get(at)) {
            (b'$', Some(digit)) if digit.is_ascii_digit() => {
                template.push(Part::Capture(RULE, digit - b'0'));
                at += 1;
            }
            (b'\\', Some(&next @ (b'$' | b'&' | b'\\'))) => {
                template.push(Part::Text(Text::from(&[next][..])));
                at += 1;
            }
            _ => template.push(Part::Text(Text::from(&[byte][..]))),
        }
    }
    template.0
}

/// The route of an alias: it maps the path and ends the mapping.
fn mapped(cx: &mut Cx, path: Pattern, value: Template, span: Span) -> Route {
    let assign = (Step::Assign { var: cx.file(), value }, span);
    let exit = (Step::Jump(Jump::Exit("translate".into())), span);
    let body = Block { steps: vec![assign, exit], span, ..Block::default() };
    Route { path, decisive: false, body, nested: None }
}

/// What `CONTEXT_PREFIX` and `CONTEXT_DOCUMENT_ROOT` say of a path that was mapped so, where anybody asks.
fn context(cx: &mut Cx, prefix: &[u8], root: &[u8], span: Span) -> Vec<(Step, Span)> {
    if !cx.proxy.contexts {
        return Vec::new();
    }
    let assign = |var, text: &[u8]| (Step::Assign { var, value: Template::text(text) }, span);
    vec![assign(cx.own("@context_prefix"), prefix), assign(cx.own("@context_root"), root)]
}

/// A file's name, relative to the server's root.
fn file(cx: &Cx, word: &Word) -> Text {
    use std::os::unix::ffi::OsStrExt as _;
    cx.path(&word.value).as_os_str().as_bytes().into()
}

fn arguments(cx: &mut Cx, directive: &Directive, takes: &str) {
    let message = format!("{} takes {takes}", directive.name());
    cx.report(Diagnostic::error("arguments", directive.head(), message));
}

fn wrong(cx: &mut Cx, word: &Word, why: &str) {
    cx.report(Diagnostic::error("invalid-value", word.span, format!("`{}`: {why}", word.text())));
}

/// Makes steps of what a section has.
pub(super) fn settle(cx: &mut Cx, section: &mut Section) {
    if section.is_server() {
        section.steps.remove(&Phase::Alias);
    }
    let Own { redirects, aliases, here, preserve } = section.own.alias.clone();
    for routes in [redirects, aliases] {
        if routes.is_empty() {
            continue;
        }
        let span = routes.first().map_or(section.span, |route| route.body.span);
        let table = Step::Route(Table { order: Order::First, into: RULE, routes });
        if section.is_server() {
            section.hook(Phase::Alias, table, span);
        } else {
            let block = Block { steps: vec![(table, span)], span, ..Block::default() };
            section.join(Phase::Redirect, Join::Before, block);
        }
    }
    if let Some((value, span, scripts)) = here {
        let var = cx.file();
        let mut value = value;
        if preserve {
            value.push(Part::Capture(PRESERVED, 1));
            let length = section.path.len();
            let pattern = Pattern::whole(format!("^.{{{length}}}(.*)$"), false);
            section.test = section.test.take().map(|test| {
                let rest =
                    Test::Match { subject: Template::attr(Attr::Path), pattern, into: Some(PRESERVED) };
                Test::All(vec![test, rest])
            });
        }
        let mut steps = vec![(Step::Assign { var, value }, span)];
        if scripts {
            steps.extend(program::aliased(cx, "ScriptAlias", span));
        }
        section.replace(Phase::Alias, Block { steps, span, ..Block::default() });
    }
}

/// A virtual host tries its own lists, then the main server's.
pub(super) fn join(cx: &mut Cx, main: &Section, host: &mut Section) {
    let own = &mut host.own.alias;
    own.redirects.extend(main.own.alias.redirects.iter().cloned());
    own.aliases.extend(main.own.alias.aliases.iter().cloned());
    settle(cx, host);
}
