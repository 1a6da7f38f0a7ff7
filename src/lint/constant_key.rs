//! Keys that are the same for everybody.

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::Balance};

pub(super) const LINT: Lint = Lint {
    code: "constant-key",
    what: r"What requests are told apart by is the same for all of them.",
    why: r"A hash sends everything to one endpoint; a limit counts all clients as one, and one of them shuts the others out.",
    fix: r"use a key that differs from client to client",
    bad: &[
        r"upstream a { hash fixed; server 10.0.0.1; server 10.0.0.2; } server { listen 80; location / { proxy_pass http://a; } }",
    ],
    good: &[
        r"upstream a { hash $remote_addr; server 10.0.0.1; server 10.0.0.2; } server { listen 80; location / { proxy_pass http://a; } }",
        r"limit_req_zone $server_name zone=z:1m rate=1r/s; server { listen 80; location / { limit_req zone=z; root /x; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for cluster in &cx.config.clusters {
        if let Balance::Hash(key) | Balance::ConsistentHash(key) = &cluster.balance
            && key.as_text().is_some()
        {
            found.push(warn(
                &LINT,
                cluster.span,
                "the hash is the same for every request: one endpoint gets all of them",
            ));
        }
    }
}
