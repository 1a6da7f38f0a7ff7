//! Retries with nobody else to try.

use super::{Context, Lint, note};
use crate::{diagnostic::Diagnostic, ir::Upstream};

pub(super) const LINT: Lint = Lint {
    code: "retry-with-one-endpoint",
    what: r"It is said when another endpoint is tried, and there is only one.",
    why: r"Nothing is tried again: a failure is the answer.",
    fix: r"add an endpoint, or leave the setting out",
    bad: &[
        r"upstream a { server 10.0.0.1; } server { listen 80; location / { proxy_pass http://a; proxy_next_upstream error timeout http_502; } }",
    ],
    good: &[
        r"upstream a { server 10.0.0.1; server 10.0.0.2; } server { listen 80; location / { proxy_pass http://a; proxy_next_upstream error timeout http_502; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        let Upstream::Cluster(id) = &forward.to else { continue };
        let cluster = cx.config.cluster(*id);
        let literal = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
        let [only] = cluster.endpoints.as_slice() else { continue };
        if scene.own.http.retry.as_ref().is_some_and(|retry| !retry.is_empty())
            && scene.own.places.find("http", "retry").is_some()
            && literal(&only.address)
        {
            found.push(note(&LINT, scene.place("http", "retry"), "there is no other endpoint to try"));
        }
    }
}
