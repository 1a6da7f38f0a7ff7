//! Error pages that fail as they are fetched.

use super::{Context, Lint, Scene, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{AddressRange, RecoveryTarget},
    plan::Matcher,
};

pub(super) const LINT: Lint = Lint {
    code: "recovery-of-itself",
    what: r"The page for an error is at a path that is not served.",
    why: r"Fetching it fails with the same error: clients get the built-in page, or 500 after a number of rounds.",
    fix: r"serve the page by a route of its own",
    bad: &[r"server { listen 80; error_page 403 /403.html; deny all; root /x; location / { } }"],
    good: &[
        r"server { listen 80; error_page 404 /404.html; root /x; location / { } }",
        r"server { listen 80; error_page 403 /403.html; location = /403.html { root /x; allow all; } location / { root /x; deny all; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let Some(errors) = &scene.own.answer.errors else { continue };
        let denies = |scene: &Scene<'_>| {
            scene
                .set
                .access
                .rules
                .as_ref()
                .is_some_and(|rules| matches!(rules.as_slice(), [(AddressRange::All, false)]))
        };
        for recovery in errors.iter().filter(|recovery| recovery.statuses.contains(&403)) {
            let RecoveryTarget::Redirect(to) = &recovery.to else { continue };
            let Some(path) = to.as_text().filter(|path| path.starts_with(b"/")) else { continue };
            let opens = cx.scenes.iter().any(|other| {
                other.host == scene.host
                    && !denies(other)
                    && other.path.is_some_and(|pattern| {
                        Matcher::new(pattern).is_ok_and(|matcher| matcher.is_match(path) == Ok(true))
                    })
            });
            if denies(scene) && !opens {
                found.push(warn(
                    &LINT,
                    scene.place("answer", "errors"),
                    format!("{} is refused like everything else", String::from_utf8_lossy(path)),
                ));
            }
        }
    }
}
