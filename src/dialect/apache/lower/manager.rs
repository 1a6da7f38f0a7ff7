//! `SetHandler balancer-manager`: the balancers of a server and their members, and changes to them while it runs.
//!
//! Observed on 2.4.71: the page lists the virtual host's balancers and the main server's. A link with `b` (a balancer) and
//! `w` (a member) shows a form. Only what a form sends by POST changes anything, and only with the balancer's nonce; what a
//! request says is ignored unless its `Referer` is a page of this server. `xml=1` gives the same as XML. Here that needs no
//! `Referer` (it changes nothing), and has no line for what is not counted. Members are not added (`b_nwrkr` is answered
//! with 400, as 2.4.71 does where there is no room), and health checks are as the configuration says.
//!
//! What is changed counts as long as the process lives, over reloads, too, unless the balancer is written otherwise then;
//! so `BalancerPersist` changes nothing.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_proxy_balancer.html#balancer_manager>

use super::{Cx, mapping::when, walk::Steps};
use crate::{
    ir::{
        Attr, Base, Block, Escape, Handler, Overview, Part, Pattern, Scope, Settings, Step, Template, Test,
    },
    source::Span,
};

/// The steps that make the page answer.
pub(super) fn page(cx: &mut Cx, span: Span) -> Steps {
    let text = |text: &str| Part::Text(text.into());
    let html = |attr| Part::Escape(Escape::Html, Template::attr(attr));
    let about = Template(vec![
        text("<h1>Load Balancer Manager for "),
        html(Attr::OwnHost),
        text("</h1>\n\n<dl><dt>Server Version: "),
        html(Attr::ServerToken),
        text(
            "</dt>\n<dt>Balancer changes will NOT be persisted on restart.</dt><dt>Balancers are inherited from main \
             server.</dt><dt>ProxyPass settings are inherited from main server.</dt></dl>\n",
        ),
    ]);
    let overview = Overview {
        about,
        paths: cx.proxy.paths.clone(),
        lines: false,
        prefix: "httpd".into(),
        namespace: "http://httpd.apache.org".into(),
    };
    let lines = Overview { lines: true, ..overview.clone() };
    let block = |overview, kind: &str| {
        let handler = Some(Handler::Members(Box::new(overview)));
        let mut set = Settings { handler, ..Settings::default() };
        set.answer.forced_type = Some(Some(kind.into()));
        let scope = Some(Scope { base: Base::Current, set: Box::new(set) });
        (Step::Do(Block { scope, span, ..Block::default() }), span)
    };
    let as_lines = Test::Match {
        subject: Template::attr(Attr::Query),
        pattern: Pattern::whole("(?:^|&)xml=[^&]", false),
        into: None,
    };
    vec![block(overview, "text/html; charset=ISO-8859-1"), when(as_lines, vec![block(lines, "text/xml")])]
}
