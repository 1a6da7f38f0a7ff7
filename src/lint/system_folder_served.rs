//! Folders of the system that are served.

use super::{Context, Lint, ask::sensitive, warn};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "system-folder-served",
    what: r"A folder of the system is served as a site.",
    why: r"Everything below it that the server may read can be fetched: passwords, keys, configuration.",
    fix: r"serve a folder that holds nothing else",
    bad: &[
        r"server { listen 80; root /; location / { } }",
        r"server { listen 80; root /etc; location / { } }",
        r"<VirtualHost *:80>
ServerName a.example
DocumentRoot /etc
</VirtualHost>",
    ],
    good: &[
        r"server { listen 80; root /srv/www; location / { } }",
        r"<VirtualHost *:80>
ServerName a.example
DocumentRoot /var/www/html
</VirtualHost>",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        if scene.own.files.root.is_none() && scene.own.files.alias.is_none() {
            continue;
        }
        if let Some(root) = sensitive(scene) {
            found.push(warn(&LINT, scene.place("files", "root"), format!("files below {root} are served")));
        }
    }
}
