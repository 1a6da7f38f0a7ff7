//! Directories: the slash at their end, the file that stands for them, the one for what is not there.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_dir.html>

use super::{
    super::tree::Directive,
    Cx, Lower, Phase, Section,
    mapping::{respond, when},
    walk::{self, Steps},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Base, Block, Escape, Hook, Join, Jump, Part, Pattern, Probe, Query, Reply, ReplyContent, Scope,
        Settings, Step, Template, Test, Text, VarId,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("DirectoryCheckHandler", check_handler),
    ("DirectoryIndex", index),
    ("DirectoryIndexRedirect", index_redirect),
    ("DirectorySlash", slash),
    ("FallbackResource", fallback),
];

/// What is remembered of a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// The names of `DirectoryIndex`.
    index: Vec<Text>,
}

/// Set where `DirectoryIndex disabled` holds.
const UNINDEXED: &str = "@unindexed";

/// `DirectorySlash On|Off|NotFound`
fn slash(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let steps = if word.is("on") {
        add_slash(directive.head())
    } else if word.is("off") {
        Vec::new()
    } else if word.is("notfound") {
        vec![respond(404)]
    } else {
        let message = "DirectorySlash must be On, Off or NotFound";
        return cx.report(Diagnostic::error("invalid-value", word.span, message));
    };
    section.replace(Phase::Slash, block(steps, directive.head()));
}

fn add_slash(span: Span) -> Steps {
    let path = Template(vec![
        Part::Escape(Escape::UriText, Template::attr(Attr::Path)),
        Part::Text("/".into()),
        Part::Attr(Attr::QueryMark),
        Part::Attr(Attr::Query),
    ]);
    let reply = (Step::Respond(Reply { status: 301, content: ReplyContent::Location(path) }), span);
    // `RedirectRelative` is about `Redirect` alone (observed).
    let mut set = Settings::default();
    set.answer.absolute_redirect = Some(true);
    let scope = Some(Scope { base: Base::Current, set: Box::new(set) });
    vec![(Step::Do(Block { scope, steps: vec![reply], span, ..Block::default() }), span)]
}

/// `DirectoryIndex name ...|disabled`; several add up, `disabled` drops those before it.
fn index(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let names = &mut section.own.directory.index;
    for word in &directive.args {
        if word.is("disabled") {
            names.clear();
            names.push(Text::new());
        } else {
            names.retain(|name| !name.is_empty());
            names.push(word.value.as_slice().into());
        }
    }
}

/// `DirectoryIndexRedirect on|off|permanent|temp|seeother|3xx`
fn index_redirect(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let status = match &*word.text().to_ascii_lowercase() {
        "off" => None,
        "on" | "temp" => Some(302),
        "permanent" => Some(301),
        "seeother" => Some(303),
        number => match number.parse() {
            Ok(number @ 300..=399) => Some(number),
            _ => {
                let message = "DirectoryIndexRedirect takes on, off, permanent, temp, seeother or a status from 300 to 399";
                return cx.report(Diagnostic::error("invalid-value", word.span, message));
            }
        },
    };
    let go = go_to_index(cx, status, directive.head());
    section.replace(Phase::GoToIndex, block(go, directive.head()));
}

/// `DirectoryCheckHandler On|Off`: whether a handler of its own keeps a directory from having an index.
fn check_handler(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        let steps =
            if word.is("on") { Vec::new() } else { vec![(Step::Perform(Phase::Index.name()), Span::NONE)] };
        section.replace(Phase::HandledIndex, block(steps, directive.head()));
    }
}

/// `FallbackResource /path|disabled`
fn fallback(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let steps = if word.is("disabled") {
        Vec::new()
    } else {
        let path = if word.value.starts_with(b"/") {
            Template::text(word.value.as_slice())
        } else {
            // Relative to the path asked for.
            Template(vec![Part::Attr(Attr::Path), Part::Text(word.value.as_slice().into())])
        };
        // What is there itself is not looked for again.
        let again = Test::Equal(Template::attr(Attr::Path), path.clone());
        let (ask, there, _) = ask(cx, path.clone());
        // Where this is a question, the file that was found is the answer.
        let mut taken = vec![(Step::Assign { var: cx.kind(), value: "file".into() }, directive.head())];
        taken.extend(go(cx, path, directive.head()));
        let (begins, ends) = asking(cx);
        let steps = vec![begins, (ask, directive.head()), when(there, taken), ends];
        vec![when(Test::Not(Box::new(again)), steps)]
    };
    section.replace(Phase::Fallback, block(steps, directive.head()));
}

/// Makes steps of the names.
pub(super) fn settle(cx: &mut Cx, section: &mut Section) {
    let names = std::mem::take(&mut section.own.directory.index);
    if names.is_empty() {
        return;
    }
    let span = section.span;
    let steps = tries(cx, &names);
    section.replace(Phase::Index, block(steps, span));
}

/// Asks for each name in turn, as if it had been requested. The first that a file or an upstream would answer for is
/// taken; a redirect is passed on; of others the last status is the answer, unless there is none but 404.
fn tries(cx: &mut Cx, names: &[Text]) -> Steps {
    let (found, failed) = (cx.own("@index"), cx.own("@index_failed"));
    let span = Span::NONE;
    let (begins, ends) = asking(cx);
    let mut steps: Steps = vec![(Step::Unassign(failed), span), begins];
    let names: Vec<_> = names.iter().filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        // Observed: where no file may stand for a directory, none that stands for what is not there does.
        return vec![(Step::Assign { var: cx.own(UNINDEXED), value: "1".into() }, span)];
    }
    for name in &names {
        let path = if name.starts_with(b"/") {
            Template::text((*name).clone())
        } else {
            Template(vec![Part::Attr(Attr::Path), Part::Text((*name).clone())])
        };
        let (ask, there, status) = ask(cx, path.clone());
        let status = Template::var(status);
        let is = |code: &str| Test::Equal(status.clone(), code.into());
        let taken = vec![(Step::Perform(Phase::GoToIndex.name()), span)];
        let redirected = Test::Match { subject: status.clone(), pattern: Pattern::prefix("3"), into: None };
        let passed_on = if names.len() == 1 { Test::Any(vec![redirected, is("401")]) } else { redirected };
        let other = Test::Not(Box::new(Test::Any(vec![is("404"), is("200")])));
        steps.push((Step::Assign { var: found, value: path.clone() }, span));
        steps.push((ask, span));
        steps.push(when(there, taken));
        steps.push(when(passed_on, go(cx, path, span)));
        steps.push(when(other, vec![(Step::Assign { var: failed, value: status }, span)]));
    }
    steps.extend([(Step::Unassign(found), span), ends]);
    for code in [400, 401, 403, 405, 406, 410, 413, 414, 451, 501, 502, 503] {
        let test = Test::Equal(Template::var(failed), code.to_string().as_str().into());
        steps.push(when(test, vec![respond(code)]));
    }
    steps.push(when(Test::Truthy(Template::var(failed)), vec![respond(500)]));
    steps
}

/// What stands before and behind questions. What is asked for is a request inside the server, and so it stays for its
/// rules when it is taken.
fn asking(cx: &mut Cx) -> ((Step, Span), (Step, Span)) {
    let var = cx.subrequest();
    ((Step::Assign { var, value: "1".into() }, Span::NONE), (Step::Unassign(var), Span::NONE))
}

/// Asks how a path would be answered: the step, whether a file or an upstream would answer, what takes the status.
fn ask(cx: &mut Cx, path: Template) -> (Step, Test, VarId) {
    let (status, kind, file) = (cx.own("@asked"), cx.own("@asked_kind"), cx.own("@asked_file"));
    let target = Template(vec![
        Part::Escape(Escape::UriText, path),
        Part::Attr(Attr::QueryMark),
        Part::Attr(Attr::Query),
    ]);
    let take = vec![(cx.kind(), kind), (cx.file(), file)];
    let proxied =
        Test::Match { subject: Template::var(file), pattern: Pattern::prefix("proxy:"), into: None };
    let there = Test::All(vec![
        Test::Equal(Template::var(status), "200".into()),
        Test::Any(vec![Test::Equal(Template::var(kind), "file".into()), proxied]),
    ]);
    (Step::Probe(Box::new(Probe { target, status, take })), there, status)
}

fn go_to_index(cx: &mut Cx, status: Option<u16>, span: Span) -> Steps {
    let found = cx.own("@index");
    match status {
        None => {
            let indexed = cx.own("@indexed");
            let mut steps = vec![(Step::Assign { var: indexed, value: "1".into() }, span)];
            steps.extend(go(cx, Template::var(found), span));
            steps
        }
        Some(status) => {
            let location = Template(vec![Part::Escape(Escape::UriText, Template::var(found))]);
            vec![(Step::Respond(Reply { status, content: ReplyContent::Location(location) }), span)]
        }
    }
}

/// Goes on as if this path had been asked for; the variables stay what they are.
fn go(cx: &mut Cx, path: Template, span: Span) -> Steps {
    let keeps = cx.keeps_env();
    vec![
        (Step::Rewrite { path: Some(path), query: Query::Keep }, span),
        (Step::Assign { var: keeps, value: "1".into() }, span),
        (Step::Jump(Jump::Resume), span),
    ]
}

/// What holds where nothing is written.
pub(super) fn defaults(cx: &mut Cx) {
    let index = tries(cx, &["index.html".into()]);
    let go = go_to_index(cx, None, Span::NONE);
    for (phase, steps) in [
        (Phase::Slash, add_slash(Span::NONE)),
        (Phase::Index, index),
        (Phase::HandledIndex, vec![(Step::Perform(Phase::Index.name()), Span::NONE)]),
        (Phase::GoToIndex, go),
        (Phase::Listing, not_listed(cx)),
    ] {
        // Observed: without `mod_dir` a directory is a file that is none.
        if !has_module(cx, "dir_module") && phase != Phase::Listing {
            continue;
        }
        let blocks = vec![block(steps, Span::NONE)];
        cx.config.base.hooks.push(Hook { phase: phase.name(), join: Join::Replace, blocks });
    }
}

/// A list that is not allowed is refused to who reads; everything else is answered as of a file that is none (observed).
pub(super) fn not_listed(cx: &Cx) -> Steps {
    if !has_module(cx, "autoindex_module") {
        return Steps::new();
    }
    let reads = Test::Method(vec!["GET".into(), "HEAD".into()]);
    vec![when(reads, vec![respond(403)])]
}

/// Before a section's rule leads elsewhere inside the server: a directory gets its slash first (observed).
pub(in crate::dialect::apache) fn slash_first(cx: &mut Cx) -> (Step, Span) {
    let ends = Test::Match { subject: Template::attr(Attr::Path), pattern: slash_at_end(), into: None };
    let directory = Test::Equal(Template::var(cx.kind()), "directory".into());
    let test = Test::All(vec![directory, Test::Not(Box::new(ends))]);
    when(test, vec![(Step::Perform(Phase::Slash.name()), Span::NONE)])
}

/// Whether a module of Apache counts as loaded.
pub(super) fn has_module(cx: &Cx, id: &str) -> bool {
    cx.options.surroundings.modules.knows(id.as_bytes())
}

fn slash_at_end() -> Pattern {
    Pattern { kind: crate::ir::Kind::Suffix, ..Pattern::exact("/") }
}

/// What is done about directories and what is not there, unless the request is proxied.
pub(super) fn steps(cx: &mut Cx) -> Steps {
    let span = Span::NONE;
    let perform = |phase: Phase| (Step::Perform(phase.name()), span);
    let ends = Test::Match { subject: Template::attr(Attr::Path), pattern: slash_at_end(), into: None };
    let directory = Test::Equal(Template::var(cx.kind()), "directory".into());
    let nothing = Test::Equal(Template::var(cx.kind()), Template::default());
    let handled = Test::Truthy(Template::var(cx.handler()));
    let not_handled = Test::Not(Box::new(handled.clone()));
    let proxied = walk::is_proxied(cx);
    let not_proxied = Test::Not(Box::new(proxied.clone()));
    let here = |test: Test| Test::All(vec![test, not_proxied.clone()]);
    let mut unhandled = vec![perform(Phase::Index)];
    match cx.names.own(UNINDEXED) {
        Some(var) => {
            unhandled.insert(0, (Step::Unassign(var), span));
            let indexed = Test::Not(Box::new(Test::Truthy(Template::var(var))));
            unhandled.push(when(indexed, vec![perform(Phase::Fallback)]));
        }
        None => unhandled.push(perform(Phase::Fallback)),
    }
    unhandled.push(perform(Phase::Listing));
    // A directory has its slash and its index although a section's rule sends it on (observed).
    let of_directory = vec![
        when(
            Test::Not(Box::new(ends)),
            vec![perform(Phase::Slash), when(not_proxied.clone(), vec![perform(Phase::Listing)])],
        ),
        when(proxied, vec![perform(Phase::Index)]),
        when(here(handled), vec![perform(Phase::HandledIndex)]),
        when(here(not_handled.clone()), unhandled),
    ];
    let of_nothing = vec![when(not_handled, vec![perform(Phase::Fallback)])];
    vec![when(directory, of_directory), when(here(nothing), of_nothing)]
}

fn block(steps: Steps, span: Span) -> Block {
    Block { steps, span, ..Block::default() }
}
