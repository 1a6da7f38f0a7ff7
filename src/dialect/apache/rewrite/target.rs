//! Where `[P]` sends a request.

use super::{Cx, Steps};
use crate::{
    ir::{
        Attr, Base, Block, Escape, Forward, Handler, Jump, Part, Protocol, Scope, Settings, Step, Target,
        Template, Upstream,
    },
    source::Span,
};

/// Steps that send the request to `url`. Its path is encoded when it is sent, and the query in force is added; `raw`
/// sends it as it is.
pub(super) fn forward(cx: &mut Cx, url: Template, raw: bool, span: Span) -> Steps {
    let (at, file) = (cx.url(), cx.file());
    let mut name = Template::from("proxy:");
    name.0.push(Part::Var(at));
    let whole = Template::var(at);
    let sent = if raw {
        whole
    } else {
        Template(vec![
            Part::Escape(Escape::ForwardUrl, whole),
            Part::Attr(Attr::QueryMark),
            Part::Attr(Attr::Query),
        ])
    };
    let forward =
        Forward { protocol: Protocol::Http, tls: false, to: Upstream::Url(sent), target: Target::Received };
    let set = Settings { handler: Some(Handler::Forward(forward)), ..Settings::default() };
    let scope = Scope { base: Base::Current, set: Box::new(set) };
    let steps =
        vec![(Step::Assign { var: at, value: url }, span), (Step::Assign { var: file, value: name }, span)];
    vec![(Step::Do(Block { scope: Some(scope), steps, span, ..Block::default() }), span)]
}

/// The step that ends the mapping of a path, in a server's rules.
pub(super) fn leave(span: Span) -> (Step, Span) {
    (Step::Jump(Jump::Exit("translate".into())), span)
}
