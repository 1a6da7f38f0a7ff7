//! Access by Referer.

use super::{Context, Lint, note};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Part, Reply, Step, Test,
        walk::{self, Item},
    },
};

pub(super) const LINT: Lint = Lint {
    code: "gate-by-referer",
    what: r"Access depends on `Referer`.",
    why: r"Clients write it as they like: it keeps nobody out who wants in.",
    fix: r"require a user, a token or an address",
    bad: &[
        r"server { listen 80; location /private { root /x; if ($http_referer !~ a\.example) { return 403; } } }",
    ],
    good: &[r"server { listen 80; location /private { root /x; allow 10.0.0.0/8; deny all; } }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for host in &cx.config.hosts {
        walk::host(host, &mut |item, span| {
            let Item::Step(Step::When { test, then, .. }) = item else { return };
            let refuses = then
                .steps
                .iter()
                .any(|(step, _)| matches!(step, Step::Respond(Reply { status: 401 | 403, .. })));
            let referer = |test: &Test| matches!(test, Test::Match { subject, .. } if matches!(&*subject.0, [Part::Attr(Attr::Field(name))] if name.eq_ignore_ascii_case(b"referer")));
            let asked = match test {
                Test::Not(inner) => referer(inner),
                test => referer(test),
            };
            if refuses && asked {
                found.push(note(&LINT, span, "clients write `Referer` as they like"));
            }
        });
    }
}
