//! Answers for one user that caches may keep.

use super::{Context, Lint, holds, warn};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "shared-private-answers",
    what: r"An answer that sets a cookie may be kept by shared caches.",
    why: r"Whoever asks the cache next gets the cookie, and with it perhaps the session, of somebody else.",
    fix: r"send `Cache-Control: private` where cookies are set",
    bad: &[
        r"server { listen 80; location / { root /x; add_header Set-Cookie 'id=1; Secure'; add_header Cache-Control 'public, max-age=600'; } }",
        r#"<VirtualHost *:80>
ServerName a.example
Header set Set-Cookie "id=1"
Header set Cache-Control "public, max-age=600"
</VirtualHost>"#,
    ],
    good: &[
        r"server { listen 80; location / { root /x; add_header Cache-Control 'public, max-age=600'; } }",
        r#"<VirtualHost *:80>
ServerName a.example
Header set Set-Cookie "id=1"
Header set Cache-Control "private"
</VirtualHost>"#,
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        if scene.adds().is_empty() {
            continue;
        }
        let Some((_, span)) = scene.sent(b"Cache-Control").filter(|(value, _)| holds(value, "public")) else {
            continue;
        };
        if scene.sent(b"Set-Cookie").is_some_and(|(value, _)| !value.is_empty()) {
            found.push(warn(&LINT, span, "caches may keep the cookie for others"));
        }
    }
}
