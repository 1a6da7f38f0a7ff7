//! `SetHandler` with an expression: who answers is known when the request is.
//!
//! Observed (2.4.71): names count in any case, `proxy:` and a URL give the file to the upstream there, nothing and `none`
//! choose nobody, and by a name that nobody has the file answers.
//!
//! Where this differs: who is called `server-parsed` is the file as it is, and programs that are not allowed
//! ([`program`]) are 403.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/core.html#sethandler>

use super::{
    Cx, manager,
    mapping::{respond, when},
    program, status,
    walk::Steps,
};
use crate::{
    ir::{
        Attr, Base, Block, Escape, Forward, Handler, Part, Pattern, Protocol, Register, Scope, Settings,
        Step, Target, Template, Test, Upstream,
    },
    source::Span,
};

/// Where the URL behind `proxy:` is.
const URL: Register = Register('H');

/// Names that the request's way knows; all others are nobody's.
const KNOWN: &str = "^(?:server-status|balancer-manager|type-map|application/x-type-map|default-handler|send-as-is|cgi-script|httpd/unix-directory)$";

/// The steps that choose who answers by a name that is made up for the request.
pub(super) fn steps(cx: &mut Cx, name: Template, span: Span) -> Steps {
    let (handler, file) = (cx.handler(), cx.file());
    let (given, named, url) = (cx.own("@gateway_file"), cx.own("@handler_named"), cx.own("@handler_url"));
    cx.names.lists = true;
    let allowed = program::are_allowed(cx);
    cx.names.programs = true;
    let matches = |pattern: &str, into| Test::Match {
        subject: Template::var(named),
        pattern: Pattern::whole(pattern, true),
        into,
    };
    let assign = |var, value| (Step::Assign { var, value }, span);
    let lower = Template(vec![Part::Escape(Escape::Lower, Template::var(named))]);
    let mut steps = vec![(Step::Unassign(given), span), assign(named, name), assign(handler, lower)];
    let is = |name: &str| Test::Equal(Template::var(handler), name.into());
    steps.push(when(is("server-status"), status::page(cx, span)));
    steps.push(when(is("balancer-manager"), manager::page(cx, span)));
    steps.push(when(is("application/x-type-map"), vec![assign(handler, "type-map".into())]));
    if !allowed {
        steps.push(when(is("cgi-script"), vec![respond(403)]));
    }
    let sent = Template(vec![
        Part::Var(url),
        Part::Escape(Escape::ForwardPath, Template::var(file)),
        Part::Attr(Attr::QueryMark),
        Part::Attr(Attr::Query),
    ]);
    let forward =
        Forward { protocol: Protocol::Http, tls: false, to: Upstream::Url(sent), target: Target::Received };
    let set = Settings { handler: Some(Handler::Forward(forward)), ..Settings::default() };
    let scope = Some(Scope { base: Base::Current, set: Box::new(set) });
    let by_upstream = vec![
        assign(url, Template(vec![Part::Capture(URL, 1)])),
        assign(given, "1".into()),
        (Step::Do(Block { scope, span, ..Block::default() }), span),
    ];
    let other = Test::Not(Box::new(matches(KNOWN, None)));
    let otherwise = when(other, vec![(Step::Unassign(handler), span)]);
    let proxied = matches("^proxy:(.+)$", Some(URL));
    let then = Block { steps: by_upstream, span, ..Block::default() };
    let otherwise = Block { steps: vec![otherwise], span, ..Block::default() };
    steps.push((Step::When { test: proxied, then, otherwise }, span));
    steps
}
