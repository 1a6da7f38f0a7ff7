//! Pages and documents by which the server is looked into and changed, open to everybody.

use super::{Context, Lint, ask::is_open, warn};
use crate::{diagnostic::Diagnostic, ir::Handler};

pub(super) const LINT: Lint = Lint {
    code: "administration-open",
    what: r"Everybody may see the members of clusters and their state, or change them.",
    why: r"Whoever finds the page takes servers out of service, and learns addresses that were not meant to be known.",
    fix: r"allow the addresses of those who look after the server, or ask for a password, and deny all others",
    bad: &[
        "<VirtualHost *:80>\nServerName a.example\n<Location /balancer-manager>\nSetHandler balancer-manager\n</Location>\n</VirtualHost>",
        r"server { listen 80; location /api { api; } }",
    ],
    good: &[
        "<VirtualHost *:80>\nServerName a.example\n<Location /balancer-manager>\nSetHandler balancer-manager\nRequire local\n</Location>\n</VirtualHost>",
        r"server { listen 80; location /api { api; allow 127.0.0.1; deny all; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let message = match &scene.own.handler {
            Some(Handler::Members(overview)) if !overview.lines => {
                "everybody may look at the members of clusters, and change them"
            }
            Some(Handler::Members(_) | Handler::Figures(_)) => {
                "everybody may look at the state of the server and of its upstreams"
            }
            _ => continue,
        };
        if is_open(scene) {
            found.push(warn(&LINT, scene.block.span, message));
        }
    }
}
