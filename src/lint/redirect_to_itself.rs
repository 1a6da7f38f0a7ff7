//! Redirects to where the request is.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, HostId, Kind, Part, Reply, ReplyContent, Step},
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
        for (step, span) in &host.request.steps {
            let Step::Respond(Reply { status: 300..=399, content: ReplyContent::Location(url) }) = step
            else {
                continue;
            };
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
                _ => false,
            };
            if fits && same {
                found.push(warn(&LINT, *span, "the redirect leads to the URL that was asked for"));
            }
        }
    }
}
