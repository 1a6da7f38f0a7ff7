//! Timeouts of less than a second.

use super::{Context, Lint, warn};
use crate::diagnostic::Diagnostic;

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
    for scene in &cx.scenes {
        let how = &scene.own.http;
        for (field, limit) in [
            ("read_timeout", how.read_timeout),
            ("connect_timeout", how.connect_timeout),
            ("send_timeout", how.send_timeout),
        ] {
            let short = |limit: &std::time::Duration| {
                !limit.is_zero() && limit.as_millis() < if field == "connect_timeout" { 50 } else { 1000 }
            };
            if let Some(limit) = limit.filter(short) {
                found.push(warn(
                    &LINT,
                    scene.place("http", field),
                    format!("{} ms is too short for most answers", limit.as_millis()),
                ));
            }
        }
    }
}
