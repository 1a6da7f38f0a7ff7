//! Cookies that go over plain HTTP.

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::Part};

pub(super) const LINT: Lint = Lint {
    code: "cookie-not-secure",
    what: r"A cookie set over TLS is sent over plain HTTP, too.",
    why: r"Without `Secure` browsers send it with every request to the host, also those that anybody on the way can read.",
    fix: r"add `; Secure; HttpOnly`",
    bad: &[
        r"server { listen 443 ssl; ssl_certificate /c; ssl_certificate_key /k; add_header Set-Cookie 'route=a; Path=/'; location / { root /x; } }",
    ],
    good: &[
        r"server { listen 443 ssl; ssl_certificate /c; ssl_certificate_key /k; add_header Set-Cookie 'route=a; Path=/; Secure'; location / { root /x; } }",
        r"server { listen 80; add_header Set-Cookie a=b; location / { root /x; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let (any, _) = cx.tls(scene.host);
        for (name, value) in scene.adds() {
            let secure = value.0.iter().any(|part| match part {
                Part::Text(text) => text.to_ascii_lowercase().windows(6).any(|word| word == b"secure"),
                _ => false,
            });
            if any
                && name.is_field(b"Set-Cookie")
                && !secure
                && !value.is_empty()
                && matches!(value.0[0], Part::Text(_))
            {
                found.push(warn(&LINT, scene.place("answer", "on_response"), "the cookie lacks `Secure`"));
            }
        }
    }
}
