//! HSTS where there is no TLS.

use super::{Context, Lint, ask::behind_tls, note};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "hsts-without-tls",
    what: r"`Strict-Transport-Security` is sent over plain HTTP only.",
    why: r"Browsers ignore the field unless it comes over TLS (RFC 6797 § 8.1).",
    fix: r"send it from the host that speaks TLS",
    bad: &[
        r"server { listen 80; add_header Strict-Transport-Security max-age=31536000; location / { root /x; } }",
        r#"<VirtualHost *:80>
ServerName a.example
Header set Strict-Transport-Security "max-age=31536000"
</VirtualHost>"#,
    ],
    good: &[
        r"server { listen 443 ssl; ssl_certificate /c; ssl_certificate_key /k; add_header Strict-Transport-Security max-age=31536000; location / { root /x; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let (any, _) = cx.tls(scene.host);
        let reached = cx.listeners(scene.host).next().is_some();
        let sends = scene.adds().iter().any(|(name, _)| name.is_field(b"Strict-Transport-Security"));
        if sends && !any && reached && !behind_tls(scene) {
            found.push(note(
                &LINT,
                scene.place("answer", "on_response"),
                "browsers ignore this field where it comes over plain HTTP",
            ));
        }
    }
}
