//! Error pages that fail as they are fetched.

use super::{Context, Lint, Scene, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{AddressRange, Kind, RecoveryTarget, Requirement},
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
            let access = &scene.set.access;
            access
                .rules
                .as_ref()
                .is_some_and(|rules| matches!(rules.as_slice(), [(AddressRange::All, false)]))
                || access.required.as_ref().is_some_and(|one| one.what.as_ref().is_some_and(never))
        };
        // What is said for all paths may stand in a block of its own.
        let shut = cx.scenes.iter().any(|other| {
            let whole = other.path.is_none_or(|path| path.kind == Kind::Prefix && &*path.text == b"/");
            other.host == scene.host && whole && !other.conditional && denies(other)
        });
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
            if (denies(scene) || (shut && scene.path.is_none())) && !opens {
                found.push(warn(
                    &LINT,
                    scene.place("answer", "errors"),
                    format!("{} is refused like everything else", String::from_utf8_lossy(path)),
                ));
            }
        }
    }
}

/// Whether a requirement is met by nobody.
fn never(what: &Requirement) -> bool {
    match what {
        Requirement::Holds(value) => value.is_empty(),
        Requirement::Any(all) => all.iter().all(never),
        Requirement::All(all) => all.iter().any(never),
        _ => false,
    }
}
