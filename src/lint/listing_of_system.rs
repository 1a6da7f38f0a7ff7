//! Folders of the system that are listed.

use super::{Context, Lint, ask::sensitive, warn};
use crate::{diagnostic::Diagnostic, ir::Handler};

pub(super) const LINT: Lint = Lint {
    code: "listing-of-system",
    what: r"The contents of a folder of the system are listed for everybody.",
    why: r"Names of users, keys, logs and backups are on the page.",
    fix: r"list only folders that are made for it",
    bad: &[r"server { listen 80; root /; autoindex on; location / { } }"],
    good: &[r"server { listen 80; root /srv/www; autoindex on; location / { } }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let lists = scene.set.listing.on == Some(true) || scene.own.handler == Some(Handler::Listing);
        if !lists {
            continue;
        }
        if let Some(root) = sensitive(scene) {
            found.push(warn(
                &LINT,
                scene.place("listing", "on"),
                format!("the contents of {root} are listed"),
            ));
        }
    }
}
