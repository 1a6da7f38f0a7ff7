//! HSTS that does not hold.

use super::{Context, Lint, warn};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "hsts-weak",
    what: r"`Strict-Transport-Security` lasts less than a day, or does not say how long.",
    why: r"Without `max-age` the field is ignored (RFC 6797 § 6.1.1); with a short one it has run out when it is needed.",
    fix: r"`max-age=31536000`",
    bad: &[
        r"server { listen 443 ssl; ssl_certificate /c; ssl_certificate_key /k; add_header Strict-Transport-Security includeSubDomains; location / { root /x; } }",
    ],
    good: &[
        r"server { listen 443 ssl; ssl_certificate /c; ssl_certificate_key /k; add_header Strict-Transport-Security 'max-age=63072000; preload'; location / { root /x; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        for (name, value) in scene.adds() {
            let Some(text) = value.as_text().filter(|_| name.is_field(b"Strict-Transport-Security")) else {
                continue;
            };
            let text = String::from_utf8_lossy(text).to_ascii_lowercase().replace([' ', '"'], "");
            let age = text.split(';').find_map(|part| part.strip_prefix("max-age="));
            let age = age.map(|age| age.parse::<u64>().unwrap_or(0));
            // 0 takes it back, and is meant.
            if age.is_none_or(|age| age > 0 && age < 86_400) {
                found.push(warn(&LINT, scene.place("answer", "on_response"), "this does not hold for a day"));
            }
        }
    }
}
