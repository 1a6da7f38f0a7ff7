//! Which file a path stands for, and who answers for it.

use std::os::unix::ffi::OsStrExt as _;

use super::{
    super::tree::Directive,
    Cx, Lower, Phase, Section, program,
    walk::{self, Steps},
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Base, Block, Edit, Handler, Hook, Join, Part, Reply, ReplyContent, Scope, Settings, Step,
        Template, Test, Text, settings::Alias,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("AcceptPathInfo", accept_path_info), ("DocumentRoot", document_root_is)];

/// What is remembered of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {}

/// `DocumentRoot directory`
fn document_root_is(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some(word) = directive.args.first() else { return };
    let mut path = cx.path(&word.value).as_os_str().as_bytes().to_vec();
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    section.set.files.root = Some(Template::text(Text::from(path)));
}

/// Where files lie of a server that does not say: Debian's Apache was built with it, wherever `ServerRoot` is (observed).
pub(crate) const ROOT: &str = "/var/www/html";

/// Where the files of a server lie.
pub(super) fn root_of(host: &Section) -> Template {
    host.set.files.root.clone().unwrap_or_else(|| ROOT.into())
}

/// A path that nobody else mapped lies below the document root.
pub(super) fn document_root(cx: &mut Cx, host: &Section) -> Steps {
    let mut value = root_of(host);
    value.push(Part::Attr(Attr::Path));
    vec![(Step::Assign { var: cx.file(), value }, host.span)]
}

/// `OPTIONS *` asks whether the server is there: observed, it is answered before a file, sections and fields are looked at.
pub(super) fn answer_for_server() -> Steps {
    let mut set = Settings::default();
    set.answer.on_response = Some(Vec::new());
    let scope = Some(Scope { base: Base::Enclosing, set: Box::new(set) });
    let nothing = (Step::Respond(Reply { status: 200, content: ReplyContent::Empty }), Span::NONE);
    let answer = (Step::Do(Block { scope, steps: vec![nothing], ..Block::default() }), Span::NONE);
    let server = Test::Equal(Template::attr(Attr::Path), "*".into());
    vec![when(Test::Method(vec!["OPTIONS".into()]), vec![when(server, vec![answer])])]
}

/// What cannot be looked at is forbidden.
pub(super) fn refuse_unreadable(cx: &mut Cx) -> Steps {
    let test = Test::Equal(Template::var(cx.kind()), "denied".into());
    vec![when(test, vec![respond(403)])]
}

/// The file answers, unless somebody else was made to.
pub(super) fn answer(cx: &mut Cx, host: &Section) -> Steps {
    let methods = |methods: &[&str]| Test::Method(methods.iter().map(|method| (*method).into()).collect());
    let not = |test| Test::Not(Box::new(test));
    let span = Span::NONE;
    // The order is the one observed.
    let traced = super::trace::is_on(host);
    let scope = allowing(if traced { "HEAD,GET,POST,OPTIONS,TRACE" } else { "POST,OPTIONS,HEAD,GET" });
    let nothing = (Step::Respond(Reply { status: 200, content: ReplyContent::Empty }), span);
    let directory = Test::Equal(Template::var(cx.kind()), "directory".into());
    let mut typed = Settings::default();
    typed.answer.forced_type = Some(Some("httpd/unix-directory".into()));
    let typed = Some(Scope { base: Base::Current, set: Box::new(typed) });
    let of_directory = Block { scope: typed, steps: vec![nothing.clone()], ..Block::default() };
    let steps = vec![
        when(methods(&["OPTIONS"]), vec![when(directory, vec![(Step::Do(of_directory), span)]), nothing]),
        when(methods(KNOWN), vec![respond(405)]),
        respond(501),
    ];
    let others = Block { scope: Some(scope), steps, ..Block::default() };
    let file = Test::Equal(Template::var(cx.kind()), "file".into());
    let steps = vec![
        when(not(methods(&["GET", "HEAD", "POST"])), vec![(Step::Do(others), span)]),
        when(not(file), vec![respond(404)]),
        when(
            Test::Truthy(Template::var(cx.path_info())),
            vec![(Step::Perform(Phase::PathInfo.name()), span)],
        ),
    ];
    let mut before = program::before(cx);
    if cx.names.listings {
        // Observed: a list is read; what else is asked of a directory is answered as of a file that is none.
        let handler = cx.handler();
        let list = Test::Equal(Template::var(handler), "httpd/unix-directory".into());
        let test = Test::All(vec![list, not(methods(&["GET", "HEAD"]))]);
        before.push(when(test, vec![(Step::Unassign(handler), span)]));
    }
    let handler = Template::var(cx.handler());
    // The one that answers by default may be named.
    let by_file =
        Test::Any(vec![not(Test::Truthy(handler.clone())), Test::Equal(handler, "default-handler".into())]);
    let ours = Test::All(vec![not(walk::is_proxied(cx)), by_file]);
    let answering = cx.names.own("@answering");
    let mut admitted: Steps =
        answering.map(|var| (Step::Assign { var, value: "1".into() }, span)).into_iter().collect();
    // Content that is not read is thrown away, and that is refused for its length, too: 2.4.71 answers GET with 413.
    admitted.push((Step::Admit, span));
    admitted.extend(steps);
    let mut all = before;
    all.push(when(ours, admitted));
    all
}

/// Says which methods are allowed.
pub(super) fn allowing(methods: &str) -> Scope {
    let allow = Step::Edit(Edit::Set("Allow".into(), methods.into()));
    let mut allowed = Settings::default();
    allowed.answer.on_response = Some(vec![Block { steps: vec![(allow, Span::NONE)], ..Block::default() }]);
    Scope { base: Base::Current, set: Box::new(allowed) }
}

/// Answers that only these methods are allowed.
pub(super) fn not_allowed(methods: &str) -> Steps {
    let block = Block { scope: Some(allowing(methods)), steps: vec![respond(405)], ..Block::default() };
    vec![(Step::Do(block), Span::NONE)]
}

/// Methods that are known, but not for files.
const KNOWN: &[&str] = &[
    "PUT",
    "DELETE",
    "CONNECT",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "VERSION-CONTROL",
    "CHECKOUT",
    "UNCHECKOUT",
    "CHECKIN",
    "UPDATE",
    "LABEL",
    "REPORT",
    "MKWORKSPACE",
    "MKACTIVITY",
    "BASELINE-CONTROL",
    "MERGE",
];

/// `AcceptPathInfo On|Off|Default`: whether a path may go on after a file.
fn accept_path_info(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let steps = if word.is("on") {
        Vec::new()
    } else if word.is("off") || word.is("default") {
        vec![respond(404)]
    } else {
        let message = "AcceptPathInfo must be set to on, off or default";
        return cx.report(Diagnostic::error("invalid-value", word.span, message));
    };
    // A program is refused such a path only where that is said.
    let off = if word.is("off") { vec![respond(404)] } else { Vec::new() };
    section.replace(Phase::ProgramPath, Block { steps: off, span: directive.head(), ..Block::default() });
    section.replace(Phase::PathInfo, Block { steps, span: directive.head(), ..Block::default() });
}

/// The handler and the mapping that hold everywhere.
pub(super) fn defaults(cx: &mut Cx) {
    let file = cx.file();
    cx.config.base.handler = Some(Handler::File);
    let blocks = vec![Block { steps: vec![respond(404)], ..Block::default() }];
    cx.config.base.hooks.push(Hook { phase: Phase::PathInfo.name(), join: Join::Replace, blocks });
    let blocks = vec![Block { steps: vec![respond(403)], ..Block::default() }];
    cx.config.base.hooks.push(Hook { phase: Phase::Program.name(), join: Join::Replace, blocks });
    cx.config.base.files.alias = Some(Some(Alias { with: Template::var(file), cut: None, rewritten: true }));
}

/// A status of our own.
pub(super) fn respond(status: u16) -> (Step, Span) {
    (Step::Respond(Reply { status, content: ReplyContent::Page }), Span::NONE)
}

/// Steps under a condition.
pub(super) fn when(test: Test, steps: Steps) -> (Step, Span) {
    let then = Block { steps, ..Block::default() };
    (Step::When { test, then, otherwise: Block::default() }, Span::NONE)
}
