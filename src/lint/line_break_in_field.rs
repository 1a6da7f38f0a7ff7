//! Decoded paths in fields.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Attr, Part, Reply, ReplyContent, Step, Template, VarId,
        walk::{self, Item},
    },
    source::Span,
};

pub(super) const LINT: Lint = Lint {
    code: "line-break-in-field",
    what: r"A decoded path goes into a field or a redirect.",
    why: r"`%0d%0a` in the request becomes a line break in the value. A head with such a value is refused here, with an error in the place of the answer; elsewhere it splits the response.",
    fix: r"use the path as it was received, or encode it",
    bad: &[
        r"server { listen 80; location / { return 301 https://a.example$uri; } }",
        r"server { listen 80; add_header X-Path $uri; location / { root /x; } }",
    ],
    good: &[
        r"server { listen 80; location / { return 301 https://a.example$request_uri; } }",
        r"server { listen 80; add_header X-Path $request_uri; location / { root /x; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let paths = paths(cx);
    let decoded = |value: &Template| {
        value.0.iter().any(|part| match part {
            Part::Attr(Attr::Path) => true,
            Part::Var(var) => paths.contains(var),
            _ => false,
        })
    };
    let mut said = Vec::new();
    let mut say = |span: Span, what: &str| {
        if !said.contains(&(span.file, span.start)) {
            said.push((span.file, span.start));
            found.push(warn(
                &LINT,
                span,
                format!("{what} holds the decoded path: a line break in it ends the field"),
            ));
        }
    };
    for scene in &cx.scenes {
        for (name, value) in scene.adds() {
            if decoded(value) {
                say(scene.block.span, &format!("the field {name}"));
            }
        }
    }
    for host in &cx.config.hosts {
        walk::host(host, &mut |item, span| {
            if let Item::Reply(Reply { content: ReplyContent::Location(url), .. }) = item
                && decoded(url)
            {
                say(span, "the redirect");
            }
        });
    }
}

/// The variables that are the decoded path and nothing else.
fn paths(cx: &Context<'_>) -> Vec<VarId> {
    let (mut is, mut other) = (Vec::new(), Vec::new());
    for host in &cx.config.hosts {
        walk::block(&host.request, false, &mut |item, _| {
            if let Item::Step(Step::Assign { var, value }) = item {
                let path = matches!(&*value.0, [Part::Attr(Attr::Path)]);
                if path { &mut is } else { &mut other }.push(*var);
            }
        });
    }
    is.retain(|var| !other.contains(var));
    is
}
