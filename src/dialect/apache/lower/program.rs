//! Programs that are started for a request, and files sent as they are: the handlers `cgi-script` and `send-as-is`.
//!
//! Observed (2.4.71, `mod_cgid`): who was chosen by `ScriptAlias` needs no `Options ExecCGI`; others are 403 without it.
//! Then a file that is missing is 404, a directory 403. A program runs in its folder, with the environment of the request
//! and the variables of CGI; its error output goes to the error log. A path that is its `Location` is followed with `GET`
//! where it says no `Status`; any other is answered 302 with a page; the fields it said stay. Its `Content-Length` is
//! not believed. One that ends before its head is whole, or cannot be started, is 500, and 504 after `Timeout` (or
//! `CGIDScriptTimeout`). It is ended where the client leaves.
//!
//! `send-as-is` counts for `GET` and `HEAD`; for others the file is a file. Its `Location` changes no status.
//!
//! Where this differs: a program whose name begins with `nph-` is answered as others are, with its status line but our
//! fields; a file with a malformed head sent as it is gives 500 (Apache: 200 without content); `Transfer-Encoding` is
//! no variable. At most 400 programs run at a time, then 503.
//!
//! No program is started unless `TRIGLOT_CGI` is defined, by `Define` or `-D`: a server of others' files should not begin to run
//! them because a file was moved to it.
//!
//! References: <https://httpd.apache.org/docs/2.4/mod/mod_cgid.html>,
//! <https://httpd.apache.org/docs/2.4/mod/mod_asis.html>

use super::{
    super::tree::Directive,
    Cx, Lower, Phase, Section, core,
    mapping::{respond, when},
    proxy::gateway,
    walk::Steps,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Base, Block, Handler, Program, Scope, Settings, Step, Template, Test},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("CGIDScriptTimeout", timeout), ("CGIScriptTimeout", timeout)];

/// What has to be defined for programs to be started.
const ALLOWS: &str = "TRIGLOT_CGI";

/// The handler of files that are programs.
pub(super) const RUN: &[u8] = b"cgi-script";

/// The handler of files that say what a program would.
pub(super) const SAID: &[u8] = b"send-as-is";

/// Set where `ScriptAlias` chose the program.
pub(super) const ALIASED: &str = "@script_aliased";

/// What is remembered of a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    timeout: Option<std::time::Duration>,
}

/// `CGIDScriptTimeout time`
fn timeout(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    match core::seconds(word) {
        Some(time) => section.own.program.timeout = Some(time),
        None => {
            let message = format!("{}: `{}` is no time", directive.name(), word.text());
            cx.report(Diagnostic::error("invalid-value", word.span, message));
        }
    }
}

/// Makes settings of what was read.
pub(super) fn settle(_: &mut Cx, section: &mut Section) {
    if let Some(time) = section.own.program.timeout {
        // That of programs behind FastCGI is the same setting.
        section.set.fastcgi.read_timeout = Some(time);
    }
}

/// Somewhere a request may be answered by a program that is started for it, which has to be allowed.
pub(crate) fn chosen(cx: &mut Cx, word: &str, span: Span) {
    cx.names.programs = true;
    if are_allowed(cx) {
        return;
    }
    let message = format!("`{word}` is not honoured: CGI programs are not started unless that is allowed");
    let help = format!(
        "run it as a FastCGI service and use `SetHandler \"proxy:fcgi://...\"`; or allow it: `Define {ALLOWS}`, or `-D {ALLOWS}`"
    );
    cx.refuse(Diagnostic::error("refused-handler", span, message).help(help));
}

/// Whether programs may be started.
pub(super) fn are_allowed(cx: &Cx) -> bool {
    cx.options.surroundings.variables.is_defined(ALLOWS.as_bytes())
}

/// What `ScriptAlias` does beside mapping the path.
pub(super) fn aliased(cx: &mut Cx, word: &str, span: Span) -> Steps {
    chosen(cx, word, span);
    let (handler, aliased) = (cx.handler(), cx.own(ALIASED));
    vec![
        (Step::Assign { var: handler, value: Template::text(RUN) }, span),
        (Step::Assign { var: aliased, value: "1".into() }, span),
    ]
}

/// Puts programs in force that were chosen, before files answer.
pub(super) fn before(cx: &mut Cx) -> Steps {
    if !cx.names.programs {
        return Steps::new();
    }
    let span = Span::NONE;
    let (handler, file, kind) = (cx.handler(), cx.file(), cx.kind());
    let aliased = cx.own(ALIASED);
    let is = |name: &[u8]| Test::Equal(Template::var(handler), Template::text(name));
    let reading = Test::Method(vec!["GET".into(), "HEAD".into()]);
    let kind_is = |word: &str| Test::Equal(Template::var(kind), word.into());
    let missing = Test::Not(Box::new(Test::Truthy(Template::var(kind))));
    let absent =
        || vec![when(missing.clone(), vec![respond(404)]), when(kind_is("directory"), vec![respond(403)])];
    let answered_by = |runs: bool| {
        let program = Program { file: Template::var(file), runs };
        let set = Settings { handler: Some(Handler::Program(program)), ..Settings::default() };
        let scope = Scope { base: Base::Current, set: Box::new(set) };
        (Step::Do(Block { scope: Some(scope), span, ..Block::default() }), span)
    };
    let unaliased = Test::Not(Box::new(Test::Truthy(Template::var(aliased))));
    let mut run = vec![when(unaliased, vec![(Step::Perform(Phase::Program.name()), span)])];
    run.extend(absent());
    let goes_on = Test::Truthy(Template::var(cx.path_info()));
    run.push(when(goes_on, vec![(Step::Perform(Phase::ProgramPath.name()), span)]));
    for name in [gateway::PROGRAM, "@gateway_file"] {
        run.push((Step::Assign { var: cx.own(name), value: "1".into() }, span));
    }
    run.push(answered_by(true));
    let mut said = absent();
    said.push(answered_by(false));
    let other = Test::Not(Box::new(reading.clone()));
    vec![
        when(is(RUN), run),
        when(Test::All(vec![is(SAID), other]), vec![(Step::Unassign(handler), span)]),
        when(Test::All(vec![is(SAID), reading]), said),
    ]
}
