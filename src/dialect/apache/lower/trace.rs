//! `TraceEnable`, and how far a request may be sent on (`Max-Forwards`).
//!
//! Observed on 2.4.71: TRACE is answered unless `TraceEnable off` is written: with the head as it was received, repeated
//! fields joined, as `message/http`. That happens once the path is mapped, before access is asked for. With content it is
//! 413, which `extended` lifts (here it does not); with `off` it is 405 and an empty `Allow`. A proxied TRACE is sent on,
//! content and all.
//!
//! Of a proxied request `Max-Forwards` is sent less one. What is no number answers 400, even where TRACE is off. With 0
//! TRACE is answered here and so is OPTIONS (`Allow: TRACE`); anything else is 400. A request without is sent without.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/core.html#traceenable>, RFC 9110 § 7.6.2 and § 9.3.8

use super::{
    super::tree::Directive,
    Cx, Lower, Section,
    mapping::{allowing, respond, when},
    walk::{self, Steps},
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{
        Attr, Base, Block, Change, Edit, Escape, Part, Pattern, Reply, ReplyContent, Scope, Settings,
        Standing, Step, Template, Test,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("TraceEnable", trace)];

/// What is sent as 400: `Max-Forwards` that is no number, and one that is nought.
pub(super) const UNREADABLE: u16 = 492;
pub(super) const SPENT: u16 = 491;

/// `TraceEnable On|Off|extended`
fn trace(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let extended = word.is("extended");
    if !extended && !word.is("on") && !word.is("off") {
        return cx.error("invalid-value", word.span, "TraceEnable must be one of 'on', 'off', or 'extended'");
    }
    if extended {
        let message = "TRACE with content is refused whatever is said here";
        let note = Diagnostic::new(Severity::Note, "approximated", message).label(word.span, "as `On`");
        cx.report(note.because("nobody needs to see content again"));
    }
    section.own.trace = Some(!word.is("off"));
}

/// A virtual host has what the main server has unless it says otherwise.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    host.own.trace = host.own.trace.or(main.own.trace);
}

/// Whether TRACE is answered.
pub(super) fn is_on(host: &Section) -> bool {
    host.own.trace != Some(false)
}

fn method(name: &str) -> Test {
    Test::Method(vec![name.into()])
}

/// TRACE for a path that is not proxied.
pub(super) fn answered(host: &Section) -> (Step, Span) {
    let long = Test::Truthy(Template::attr(Attr::ContentLength));
    let chunked = Test::Present(Template::attr(Attr::Field("Transfer-Encoding".into())));
    let mut steps = Steps::new();
    if is_on(host) {
        steps.push(when(Test::Any(vec![long, chunked]), vec![respond(413)]));
    }
    steps.extend(echo(host));
    when(method("TRACE"), steps)
}

/// Answers with the head, or that this is not allowed.
fn echo(host: &Section) -> Steps {
    if !is_on(host) {
        return forbidden();
    }
    let text = Template(vec![Part::Attr(Attr::RequestHead), Part::Text("\r\n".into())]);
    let reply = Reply { status: 200, content: ReplyContent::Text(text) };
    let mut set = Settings::default();
    set.answer.forced_type = Some(Some("message/http".into()));
    let scope = Some(Scope { base: Base::Current, set: Box::new(set) });
    vec![(
        Step::Do(Block { scope, steps: vec![(Step::Respond(reply), Span::NONE)], ..Block::default() }),
        Span::NONE,
    )]
}

/// 405 with a list of methods that has none.
fn forbidden() -> Steps {
    let scope = Some(allowing_none());
    vec![(Step::Do(Block { scope, steps: vec![respond(405)], ..Block::default() }), Span::NONE)]
}

/// Says that no method is allowed: the field is there, and empty.
fn allowing_none() -> Scope {
    let nothing = Change::Set(Template::default());
    let allow = Edit::Field { name: "Allow".into(), standing: Standing::Lasting, change: nothing };
    let mut set = Settings::default();
    set.answer.on_response =
        Some(vec![Block { steps: vec![(Step::Edit(allow), Span::NONE)], ..Block::default() }]);
    Scope { base: Base::Current, set: Box::new(set) }
}

/// What becomes of a proxied request by its method and by how far it may still go.
pub(super) fn proxied(cx: &mut Cx, host: &Section) -> Steps {
    let field = Attr::Field("Max-Forwards".into());
    let said = Template::attr(field.clone());
    let is = |pattern: &str| Test::Match {
        subject: said.clone(),
        pattern: Pattern::whole(pattern, false),
        into: None,
    };
    let options = Block {
        scope: Some(if is_on(host) { allowing("TRACE") } else { allowing_none() }),
        steps: vec![(Step::Respond(Reply { status: 200, content: ReplyContent::Empty }), Span::NONE)],
        ..Block::default()
    };
    let less = Template(vec![Part::Escape(Escape::LessOne, Template::attr(field))]);
    let lessen =
        Edit::Field { name: "Max-Forwards".into(), standing: Standing::Own, change: Change::Set(less) };
    let spent = vec![
        when(method("TRACE"), echo(host)),
        when(method("OPTIONS"), vec![(Step::Do(options), Span::NONE)]),
        respond(SPENT),
    ];
    let limited = vec![
        when(Test::Not(Box::new(is("^[0-9]{1,18}$"))), vec![respond(UNREADABLE)]),
        when(is("^0+$"), spent),
        (Step::Edit(lessen), Span::NONE),
    ];
    let mut steps = vec![when(Test::Present(said.clone()), limited)];
    let mut concerned = Test::Present(said);
    if !is_on(host) {
        steps.push(when(method("TRACE"), forbidden()));
        concerned = Test::Any(vec![method("TRACE"), concerned]);
    }
    let test = walk::is_proxied(cx);
    vec![when(concerned, vec![when(test, steps)])]
}
