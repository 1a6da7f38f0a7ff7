//! Groups in which nobody takes requests.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Endpoint, Role},
};

pub(super) const LINT: Lint = Lint {
    code: "no-active-endpoint",
    what: r"No endpoint of the group takes requests: all are down or for others.",
    why: r"Every request is answered with 502 or 503, or goes to what was meant for emergencies.",
    fix: r"let one endpoint be active",
    bad: &[
        r"upstream a { server 10.0.0.1 down; server 10.0.0.2 down; } server { listen 80; location / { proxy_pass http://a; } }",
    ],
    good: &[
        r"upstream a { server 10.0.0.1; server 10.0.0.2 backup; } server { listen 80; location / { proxy_pass http://a; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for cluster in
        cx.config.clusters.iter().filter(|cluster| cluster.declared && !cluster.endpoints.is_empty())
    {
        let active = |one: &Endpoint| match &one.member {
            Some(member) => !member.state.disabled && !member.state.stopped,
            None => one.role == Role::Active,
        };
        if !cluster.endpoints.iter().any(active) {
            found.push(warn(&LINT, cluster.span, format!("nobody in `{}` takes requests", cluster.name)));
        }
    }
}
