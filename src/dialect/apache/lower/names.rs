//! What a server calls itself in redirects: `UseCanonicalName`, `UseCanonicalPhysicalPort`.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/core.html#usecanonicalname>. With `Off`, host and port are those
//! of the request's `Host`; without a port there, the one of `ServerName`; else the scheme's. A port that is the
//! scheme's is not written.

use super::{super::tree::Directive, Cx, Lower, Section};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, By, Choice, Part, Relation, Template, Test, Text, Var, VarId, VarKind},
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("UseCanonicalName", canonical), ("UseCanonicalPhysicalPort", physical_port)];

/// What is remembered of a section.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Own {
    canonical: Option<bool>,
    physical: Option<bool>,
}

impl Own {
    /// Whether the server calls itself by its own name, whatever the request says.
    pub(super) fn is_canonical(self) -> bool {
        self.canonical == Some(true)
    }
}

/// `UseCanonicalName On|Off|DNS`
fn canonical(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    if word.is("dns") {
        let message = "names are not looked up backwards";
        cx.refuse(Diagnostic::error("refused-value", word.span, message).help("use `On` with a ServerName"));
    }
    section.own.names.canonical = Some(!word.is("off"));
}

/// `UseCanonicalPhysicalPort On|Off`
fn physical_port(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let [word] = directive.args.as_slice() {
        section.own.names.physical = Some(word.is("on"));
    }
}

/// Puts a server's authority among its settings, and those of sections that have one of their own.
pub(super) fn finish(cx: &mut Cx, host: &mut Section) {
    let Own { canonical, physical } = host.own.names;
    let template = authority(cx, host, canonical.unwrap_or(false), physical.unwrap_or(false));
    host.set.answer.own_authority = Some(Some(template));
    for at in 0..host.sections.len() {
        let own = host.sections[at].own.names;
        if own.canonical.is_none() && own.physical.is_none() {
            continue;
        }
        let (on, port) = (own.canonical.or(canonical), own.physical.or(physical));
        let template = authority(cx, host, on.unwrap_or(false), port.unwrap_or(false));
        host.sections[at].set.answer.own_authority = Some(Some(template));
    }
}

/// A virtual host has what the main server has unless it says otherwise.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    let own = &mut host.own.names;
    own.canonical = own.canonical.or(main.own.names.canonical);
    own.physical = own.physical.or(main.own.names.physical);
}

/// Host and port as the server writes them.
fn authority(cx: &mut Cx, host: &Section, canonical: bool, physical: bool) -> Template {
    let own_port = host.own.host.name.as_ref().and_then(|name| name.port);
    let port = if physical {
        Template::attr(Attr::ServerPort)
    } else {
        own_port.map(|port| Template::text(port.to_string())).unwrap_or_default()
    };
    let mut out = Template::default();
    if canonical {
        out.push(Part::Attr(Attr::HostName));
        let port = match own_port {
            Some(own) => Template::text(own.to_string()),
            None => port,
        };
        out.push(Part::Var(shown(cx, &port)));
    } else {
        out.push(Part::Attr(Attr::Host));
        let asked = Template::attr(Attr::AuthorityPort);
        let (of_request, of_server) = (shown(cx, &asked), shown(cx, &port));
        let choices = vec![Choice { test: Test::Present(asked), value: Template::var(of_request) }];
        out.push(Part::Var(declare(cx, VarKind::Choice { choices, default: Template::var(of_server) })));
    }
    out
}

/// A port as it is written behind a name: with a colon, unless it is the scheme's.
fn shown(cx: &mut Cx, port: &Template) -> VarId {
    if port.is_empty() {
        return declare(cx, VarKind::Choice { choices: Vec::new(), default: Template::default() });
    }
    let usual = |scheme: &str, number: &str| {
        Test::All(vec![
            Test::Equal(Template::attr(Attr::Scheme), scheme.into()),
            Test::Compare {
                left: port.clone(),
                right: number.into(),
                relation: Relation::Equal,
                by: By::Integer,
            },
        ])
    };
    let test = Test::Any(vec![usual("http", "80"), usual("https", "443")]);
    let mut default = Template::text(":");
    for part in port.0.clone() {
        default.push(part);
    }
    declare(cx, VarKind::Choice { choices: vec![Choice { test, value: Template::default() }], default })
}

fn declare(cx: &mut Cx, kind: VarKind) -> VarId {
    let known = cx.config.vars.iter().position(|var| var.kind == kind);
    let at = known.unwrap_or_else(|| {
        cx.config.vars.push(Var { name: Text::from("@port"), kind, span: Span::NONE });
        cx.config.vars.len() - 1
    });
    VarId(at as u32)
}
