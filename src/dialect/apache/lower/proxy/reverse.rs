//! `ProxyPassReverse` and its likes: URLs and cookies in responses, as clients have to see them.
//!
//! All entries in force count for every response, in order: the main server's, the virtual host's, those of sections.

use super::{
    super::{Cx, Kind, Lower, Section},
    declare, survey,
    target::Url,
};
use crate::{
    diagnostic::Diagnostic,
    dialect::apache::tree::{Directive, Word},
    ir::{Attr, Edit, Name, Order, Part, Pattern, Register, Row, Template, VarKind},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("ProxyPassReverse", reverse),
    ("ProxyPassReverseCookieDomain", cookie_domain),
    ("ProxyPassReverseCookiePath", cookie_path),
];

/// The fields that hold a URL.
const FIELDS: [&str; 4] = ["Location", "Content-Location", "URI", "Destination"];

/// `ProxyPassReverse [path] url [interpolate]`
fn reverse(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((path, url)) = pair(cx, section, directive) else { return };
    let fields: Vec<Name> = FIELDS.iter().map(|&name| name.into()).collect();
    let mut push = |cx: &mut Cx, from: &[u8], path: &[u8]| {
        let to = own_url(cx, path);
        let edit = Edit::Reverse { fields: fields.clone(), from: Template::text(from), to };
        section.own.proxy.reverse.push(edit);
    };
    let Some(name) = survey::balancer(&url) else { return push(cx, &url, &path) };
    let behind = Url::read(&url).map(|url| url.path).filter(|path| path.len() > 1);
    let members = cx.proxy.members.iter().filter(|(of, _)| *of == name);
    let members: Vec<Vec<u8>> = members.map(|(_, member)| member.clone()).collect();
    for member in members {
        if let Some(behind) = &behind {
            let bare = member.strip_suffix(b"/").unwrap_or(&member);
            push(cx, &[bare, behind].concat(), &path);
            continue;
        }
        if path == b"/" && !member.ends_with(b"/") {
            push(cx, &[&member, b"/".as_slice()].concat(), b"/");
        }
        push(cx, &member, &path);
    }
}

/// Path and URL; in a `<Location>` the path is the section's.
fn pair(cx: &mut Cx, section: &Section, directive: &Directive) -> Option<(Vec<u8>, Vec<u8>)> {
    let words: Vec<&Word> = directive.args.iter().filter(|word| !word.is("interpolate")).collect();
    match (words.as_slice(), section.kind) {
        ([path, url], _) if section.is_server() => Some((path.value.clone(), url.value.clone())),
        // Observed: anything but `interpolate` is left out.
        ([path, url, other], _) if section.is_server() => {
            let message = format!("`{}` has no effect on ProxyPassReverse", other.text());
            cx.report(
                Diagnostic::warning("useless-parameter", other.span, message)
                    .help("parameters of the connection belong to `ProxyPass`"),
            );
            Some((path.value.clone(), url.value.clone()))
        }
        ([url], Kind::Location) => Some((section.path.clone(), url.value.clone())),
        ([path, url], Kind::Location) if url.is("interpolate") => {
            Some((section.path.clone(), path.value.clone()))
        }
        _ => {
            let message = if section.is_server() {
                "ProxyPassReverse needs a path when not defined in a location"
            } else {
                "ProxyPassReverse can not have a path when defined in a location"
            };
            cx.report(Diagnostic::error("arguments", directive.head(), message));
            None
        }
    }
}

/// `ProxyPassReverseCookieDomain internal public`
fn cookie_domain(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    attribute(cx, section, directive, "domain", true);
}

/// `ProxyPassReverseCookiePath internal public`
fn cookie_path(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    attribute(cx, section, directive, "path", false);
}

fn attribute(cx: &mut Cx, section: &mut Section, directive: &Directive, name: &str, ignore_case: bool) {
    let [from, to, ..] = directive.args.as_slice() else {
        let message = format!("{} takes two arguments", directive.name());
        return cx.error("arguments", directive.head(), message);
    };
    section.own.proxy.reverse.push(Edit::CookieAttribute {
        attribute: name.into(),
        from: from.value.as_slice().into(),
        to: to.value.as_slice().into(),
        ignore_case,
    });
}

/// A path as an absolute URL of this server.
pub(super) fn own_url(cx: &mut Cx, path: &[u8]) -> Template {
    if memchr::memmem::find(path, b"://").is_some() {
        return Template::text(path);
    }
    let mut url = Template::attr(Attr::Scheme);
    url.push(Part::Text("://".into()));
    url.push(Part::Attr(Attr::Host));
    url.push(Part::Var(own_port(cx)));
    url.push(Part::Text(path.into()));
    url
}

/// `:port` of the request's own `Host` unless it is the scheme's.
fn own_port(cx: &mut Cx) -> crate::ir::VarId {
    let known = (0..).zip(&cx.config.vars).find(|(_, var)| *var.name == *b"@own_port");
    if let Some((at, _)) = known {
        return crate::ir::VarId(at);
    }
    let into = Register('O');
    let row = |pattern: &str, value: Template| Row { pattern: Pattern::whole(pattern, false), value };
    let port = Template(vec![Part::Text(":".into()), Part::Capture(into, 1)]);
    let key = Template(vec![
        Part::Attr(Attr::Scheme),
        Part::Text(" ".into()),
        Part::Attr(Attr::Field("Host".into())),
    ]);
    let rows = vec![row("^http .*:80$|^https .*:443$", Template::default()), row(":([0-9]+)$", port)];
    let kind =
        VarKind::Table { key, order: Order::First, rows, default: Template::default(), once: false, into };
    declare(cx, "@own_port", kind)
}

/// The entries of a section, as its settings.
pub(super) fn settle(section: &mut Section) {
    let edits = std::mem::take(&mut section.own.proxy.reverse);
    if !edits.is_empty() {
        section.set.http.response_edits.get_or_insert_default().extend(edits);
    }
}
