//! Upstreams over TLS that nobody verifies.

use super::{
    Context, Lint,
    ask::{authority_of, member_of},
    note,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Part, Upstream},
};

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
        if cx.http(scene, |http| http.tls_verify) == Some(true) {
            continue;
        }
        let mut say = |span| found.push(note(&LINT, span, "the certificate of the upstream is not verified"));
        match &forward.to {
            Upstream::Cluster(id) => {
                let local = cx.config.cluster(*id).endpoints.iter().all(|one| is_local(&one.address));
                if forward.tls && !local {
                    say(scene.block.span);
                }
            }
            // Where TLS is not switched on, no request gets so far.
            Upstream::Url(_) if cx.http(scene, |http| http.tls_forbidden) != Some(true) => {
                for (url, span) in cx.urls(scene, forward) {
                    let Some(Part::Text(text)) = url.0.first() else { continue };
                    let tls = text.starts_with(b"https://") || text.starts_with(b"wss://");
                    let named =
                        authority_of(text).filter(|(host, _)| tls && !host.is_empty() && !is_local(host));
                    let own = member_of(cx.config, text).and_then(|member| member.settings.tls_verify);
                    if named.is_some() && own != Some(true) {
                        say(span);
                    }
                }
            }
            Upstream::Url(_) | Upstream::Dynamic(_) => {}
        }
    }
}

fn is_local(address: &[u8]) -> bool {
    let own: [&[u8]; 4] = [b"127.", b"localhost", b"unix:", b"[::1]"];
    own.iter().any(|begin| address.starts_with(begin))
}
