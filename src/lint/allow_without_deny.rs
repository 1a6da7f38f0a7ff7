//! Lists of who may, that keep nobody out.

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::AddressRange};

pub(super) const LINT: Lint = Lint {
    code: "allow-without-deny",
    what: r"Addresses are allowed, and nobody is denied.",
    why: r"Who is in no rule is allowed. The list keeps nobody out.",
    fix: r"end the list with a rule that denies all",
    bad: &[r"server { listen 80; location /admin { root /x; allow 10.0.0.0/8; } }"],
    good: &[r"server { listen 80; location /admin { root /x; allow 10.0.0.0/8; deny all; } }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let Some(rules) = &scene.own.access.rules else { continue };
        let only = rules.iter().all(|(range, allow)| *allow && *range != AddressRange::All);
        if only && !rules.is_empty() {
            found.push(warn(&LINT, scene.place("access", "rules"), "nobody is kept out: no rule denies"));
        }
    }
}
