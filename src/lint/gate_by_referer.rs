//! Access by Referer.

use super::{Context, Lint, note};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Block, Part, Reply, Step, Test,
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
            if refuses(then) && asks(test) {
                found.push(note(&LINT, span, "clients write `Referer` as they like"));
            }
        });
    }
}

/// Whether a block refuses what comes to it.
fn refuses(block: &Block) -> bool {
    block.steps.iter().any(|(step, _)| match step {
        Step::Respond(Reply { status: 401 | 403, .. }) => true,
        Step::Do(inner) => refuses(inner),
        _ => false,
    })
}

/// Whether a test asks for `Referer`, perhaps among other things.
fn asks(test: &Test) -> bool {
    match test {
        Test::Match { subject, .. } => {
            let field = |part: &Part| match part {
                Part::Attr(Attr::Field(name) | Attr::FieldList(name)) => {
                    name.eq_ignore_ascii_case(b"referer")
                }
                _ => false,
            };
            matches!(&*subject.0, [part] if field(part))
        }
        Test::Not(inner) => asks(inner),
        Test::All(tests) | Test::Any(tests) => tests.iter().any(asks),
        _ => false,
    }
}
