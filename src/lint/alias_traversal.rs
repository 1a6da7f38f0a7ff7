//! Aliases that can be climbed out of.

use super::{Context, Lint, ask::ends_in_slash, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Kind, settings::Alias},
};

pub(super) const LINT: Lint = Lint {
    code: "alias-traversal",
    what: r"The prefix has no slash at the end, and the folder in its place has one.",
    why: r"`/files../secret` begins with the prefix `/files`; what follows is `../secret`, behind the folder's slash: files beside the folder are served.",
    fix: r"write the slash at the end of both, or of none",
    bad: &[r"server { listen 80; location /files { alias /srv/files/; } }"],
    good: &[
        r"server { listen 80; location /files/ { alias /srv/files/; } }",
        r"server { listen 80; location /files { alias /srv/files; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let Some(Some(Alias { with, cut: Some(_), .. })) = &scene.own.files.alias else { continue };
        let Some(path) = scene.path.filter(|path| path.kind == Kind::Prefix && !path.text.ends_with(b"/"))
        else {
            continue;
        };
        if ends_in_slash(with) {
            let message = format!("`{}../` leads out of the folder", path.text);
            found.push(warn(&LINT, scene.block.span, message));
        }
    }
}
