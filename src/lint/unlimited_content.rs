//! Requests of any length.

use super::{Context, Lint, note};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "unlimited-content",
    what: r"Requests may be as long as the client likes.",
    why: r"One client fills the disk, or the memory of the application.",
    fix: r"allow as much as the application needs",
    bad: &[r"server { listen 80; client_max_body_size 0; location / { proxy_pass http://10.0.0.1; } }"],
    good: &[r"server { listen 80; client_max_body_size 100m; location / { proxy_pass http://10.0.0.1; } }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        if scene.own.content.max_length == Some(0) && scene.own.places.find("content", "max_length").is_some()
        {
            found.push(note(&LINT, scene.place("content", "max_length"), "requests of any length are taken"));
        }
    }
}
