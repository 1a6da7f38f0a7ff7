//! Timeouts of less than a second.

use std::time::Duration;

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::settings::Forwarding, source::Span};

pub(super) const LINT: Lint = Lint {
    code: "timeout-too-short",
    what: r"An upstream has less than a second to answer.",
    why: r"Units may have been confused: a slow page, a cold cache or a garbage collection is an error for the client.",
    fix: r"write seconds",
    bad: &[r"server { listen 80; location / { proxy_pass http://10.0.0.1; proxy_read_timeout 60ms; } }"],
    good: &[r"server { listen 80; location / { proxy_pass http://10.0.0.1; proxy_read_timeout 60s; } }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut say = |how: &Forwarding, place: &dyn Fn(&str) -> Span| {
        for (field, limit) in [
            ("read_timeout", how.read_timeout),
            ("connect_timeout", how.connect_timeout),
            ("send_timeout", how.send_timeout),
        ] {
            let short = |limit: &Duration| {
                !limit.is_zero() && limit.as_millis() < if field == "connect_timeout" { 50 } else { 1000 }
            };
            if let Some(limit) = limit.filter(short) {
                let message = format!("{} ms is too short for most answers", limit.as_millis());
                found.push(warn(&LINT, place(field), message));
            }
        }
    };
    for scene in &cx.scenes {
        say(&scene.own.http, &|field| scene.place("http", field));
    }
    for cluster in &cx.config.clusters {
        for endpoint in &cluster.endpoints {
            if let Some(member) = &endpoint.member {
                say(&member.settings, &|_| endpoint.span);
            }
        }
    }
}
