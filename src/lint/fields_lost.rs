//! Fields that an inner block drops.

use super::{Context, Lint, warn};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "fields-lost",
    what: r"A block that adds a field of its own drops those of the blocks around it.",
    why: r"Fields for responses are inherited only where none is written. The fields of the outer block, often those for security, are missing from the answers of the inner one.",
    fix: r"repeat the outer fields in the inner block",
    bad: &[
        r"server { listen 80; add_header X-Frame-Options DENY; location / { root /x; add_header Cache-Control no-cache; } }",
    ],
    good: &[
        r"server { listen 80; add_header X-Frame-Options DENY; location / { root /x; add_header Cache-Control no-cache; add_header X-Frame-Options DENY; } }",
        r"<VirtualHost *:80>
ServerName a.example
Header set X-Frame-Options DENY
<Location />
Header set Cache-Control no-cache
</Location>
</VirtualHost>",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let Some(outer) = scene.outer.map(|at| &cx.scenes[at]) else { continue };
        if scene.grows || scene.own.answer.on_response.is_none() {
            continue;
        }
        let own = scene.adds();
        if own.is_empty() {
            continue;
        }
        let outside = outer.sends();
        let mut lost: Vec<String> = outside
            .iter()
            .filter(|(name, _)| !own.iter().any(|(known, _)| known.is_field(name)))
            .map(|(name, _)| name.to_string())
            .collect();
        lost.dedup();
        if !lost.is_empty() {
            let span = scene.place("answer", "on_response");
            found.push(warn(&LINT, span, format!("answers from here lack {}", lost.join(", "))));
        }
    }
}
