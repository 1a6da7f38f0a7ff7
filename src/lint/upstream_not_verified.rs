//! Upstreams over TLS that nobody verifies.

use super::{Context, Lint, note};
use crate::{diagnostic::Diagnostic, ir::Upstream};

pub(super) const LINT: Lint = Lint {
    code: "upstream-not-verified",
    what: r"The upstream is reached over TLS, and its certificate is not verified.",
    why: r"Whoever gets between the two servers reads and changes everything, as without TLS.",
    fix: r"verify the certificate, with the authority that issued it",
    bad: &[r"server { listen 80; location / { proxy_pass https://backend.example; } }"],
    good: &[
        r"server { listen 80; location / { proxy_pass https://backend.example; proxy_ssl_verify on; proxy_ssl_trusted_certificate /ca.pem; } }",
        r"server { listen 80; location / { proxy_pass https://127.0.0.1:8443; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        let Upstream::Cluster(id) = &forward.to else { continue };
        let local = cx.config.cluster(*id).endpoints.iter().all(|one| {
            one.address.starts_with(b"127.")
                || one.address.starts_with(b"localhost")
                || one.address.starts_with(b"unix:")
                || one.address.starts_with(b"[::1]")
        });
        if forward.tls && !local && cx.http(scene, |http| http.tls_verify) != Some(true) {
            found.push(note(&LINT, scene.block.span, "the certificate of the upstream is not verified"));
        }
    }
}
