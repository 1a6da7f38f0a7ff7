//! Redirects that clients aim.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Part, Reply, ReplyContent,
        walk::{self, Item},
    },
};

pub(super) const LINT: Lint = Lint {
    code: "open-redirect",
    what: r"The client chooses where the redirect leads.",
    why: r"A link to this site leads to any other one: mails that look like yours lead to somebody else's page.",
    fix: r"redirect to addresses that are written here, or put a host in front",
    bad: &[r"server { listen 80; location /go { return 302 $arg_url; } }"],
    good: &[r"server { listen 80; location /go { return 302 https://a.example/$arg_url; } }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for host in &cx.config.hosts {
        walk::host(host, &mut |item, span| {
            let Item::Reply(Reply { status: 300..=399, content: ReplyContent::Location(url) }) = item else {
                return;
            };
            let aimed = match url.0.as_slice() {
                [Part::Attr(Attr::Param(_) | Attr::Field(_) | Attr::Cookie(_)), ..] => true,
                [Part::Text(scheme), Part::Attr(Attr::Param(_) | Attr::Cookie(_)), ..] => {
                    scheme.ends_with(b"://")
                }
                _ => false,
            };
            if aimed {
                found.push(warn(&LINT, span, "the client says where this leads"));
            }
        });
    }
}
