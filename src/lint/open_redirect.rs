//! Redirects that clients aim.

use super::{
    Context, Lint,
    ask::{each_bound, is_aimed},
    first_var, warn,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Part, Reply, ReplyContent, Step, Template},
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
        // Variables that redirects lead to, and what is written to them.
        let mut read = Vec::new();
        each_bound(&host.request, &mut Vec::new(), &mut |step, _, _| {
            if let Step::Respond(Reply { status: 300..=399, content: ReplyContent::Location(url) }) = step {
                read.extend(first_var(url));
            }
        });
        each_bound(&host.request, &mut Vec::new(), &mut |step, span, bound| {
            let aimed = match step {
                Step::Respond(Reply { status: 300..=399, content: ReplyContent::Location(url) }) => {
                    is_aimed(url, bound) || leads(url)
                }
                Step::Assign { var, value } => read.contains(var) && is_aimed(value, bound),
                _ => false,
            };
            if aimed {
                found.push(warn(&LINT, span, "the client says where this leads"));
            }
        });
    }
}

/// Whether a URL is what the client wrote, perhaps behind a scheme.
fn leads(url: &Template) -> bool {
    match url.0.as_slice() {
        [Part::Attr(Attr::Param(_) | Attr::Field(_) | Attr::Cookie(_)), ..] => true,
        [Part::Text(scheme), Part::Attr(Attr::Param(_) | Attr::Cookie(_)), ..] => scheme.ends_with(b"://"),
        _ => false,
    }
}
