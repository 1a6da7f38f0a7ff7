//! Redirects to where the request is.

use super::{Context, Lint, ask::takes_everything, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Block, Escape, HostId, Kind, Part, Reply, ReplyContent, Route, Step, Template},
    source::Span,
};

pub(super) const LINT: Lint = Lint {
    code: "redirect-to-itself",
    what: r"The redirect leads to the same URL.",
    why: r"The client asks for the same again, is redirected again, and gives up after a number of rounds.",
    fix: r"redirect only what comes over plain HTTP, or to another name or path",
    bad: &[
        r"server { listen 443 ssl; server_name a.example; ssl_certificate /c; ssl_certificate_key /k; return 301 https://a.example$request_uri; }",
    ],
    good: &[
        r"server { listen 80; server_name a.example; return 301 https://a.example$request_uri; }",
        r"server { listen 443 ssl; server_name www.a.example; ssl_certificate /c; ssl_certificate_key /k; return 301 https://a.example$request_uri; }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (at, host) in cx.config.hosts.iter().enumerate() {
        let (_, only_tls) = cx.tls(HostId(at as u32));
        let plain = cx.listeners(HostId(at as u32)).any(|one| !one.tls);
        for (url, span) in redirects(cx, &host.request) {
            let url = &bare(url);
            let (scheme, fits): (&[u8], bool) =
                if only_tls { (b"https://", true) } else { (b"http://", plain) };
            let same = match &*url.0 {
                [Part::Text(text), Part::Attr(Attr::Target)] => {
                    let name = text.strip_prefix(scheme);
                    name.is_some_and(|name| {
                        host.names.len() == 1
                            && host.names[0].kind == Kind::Exact
                            && name.eq_ignore_ascii_case(&host.names[0].text)
                    })
                }
                [Part::Text(text), Part::Attr(Attr::Host), Part::Attr(Attr::Target)] => &**text == scheme,
                [Part::Text(text), rest @ ..] => {
                    let name = text.strip_prefix(scheme).and_then(|name| name.strip_suffix(b"/"));
                    let whole = rest.first().is_some_and(is_whole_path) && !is_extended(rest);
                    whole
                        && name.is_some_and(|name| {
                            host.names.len() == 1
                                && host.names[0].kind == Kind::Exact
                                && name.eq_ignore_ascii_case(&host.names[0].text)
                        })
                }
                _ => false,
            };
            if fits && same {
                found.push(warn(&LINT, span, "the redirect leads to the URL that was asked for"));
            }
        }
    }
}

/// The redirects that every request comes to.
fn redirects<'c>(cx: &Context<'c>, block: &'c Block) -> Vec<(&'c Template, Span)> {
    let mut all = Vec::new();
    for (step, span) in &block.steps {
        match step {
            Step::Respond(Reply { status: 300..=399, content: ReplyContent::Location(url) }) => {
                all.push((url, *span));
            }
            Step::Do(inner) => all.extend(redirects(cx, inner)),
            Step::When { test, then, .. } if takes_everything(test) => all.extend(redirects(cx, then)),
            Step::When { test, otherwise, .. } if cx.is_state(test) => all.extend(redirects(cx, otherwise)),
            Step::Route(table) => {
                let whole = |route: &&Route| route.path.kind == Kind::Prefix && &*route.path.text == b"/";
                if let [route] = table.routes.as_slice()
                    && whole(&route)
                {
                    all.extend(redirects(cx, &route.body));
                }
            }
            _ => {}
        }
    }
    all
}

/// A URL whose text is not taken for another representation of itself.
fn bare(url: &Template) -> Template {
    match url.0.as_slice() {
        [Part::Escape(Escape::Url, inner), rest @ ..] if matches!(inner.0.first(), Some(Part::Text(_))) => {
            Template(inner.0.iter().chain(rest).cloned().collect())
        }
        _ => url.clone(),
    }
}

/// Whether a part is all that the path is, without its slash: what follows a prefix of one byte, or what was taken by an
/// expression for everything.
fn is_whole_path(part: &Part) -> bool {
    match part {
        Part::Attr(Attr::PathRest) | Part::Capture(_, 1) => true,
        Part::Escape(_, inner) => matches!(&*inner.0, [part] if is_whole_path(part)),
        _ => false,
    }
}

/// Whether a path is added to.
fn is_extended(rest: &[Part]) -> bool {
    rest.iter().skip(1).any(|part| matches!(part, Part::Text(_)))
}
