//! The server's version, told on purpose.

use super::{Context, Lint, note};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "version-told",
    what: r"Every answer names the server's version, because the configuration asks for it.",
    why: r"Who looks for servers with a known hole finds this one by a search.",
    fix: r"leave the version out of `Server`",
    bad: &[
        r"server { listen 80; server_tokens on; location / { root /srv/www/html; } }",
        "Listen 80\nServerTokens Full\nDocumentRoot /srv/www/html\n",
    ],
    good: &[
        r"server { listen 80; server_tokens off; location / { root /srv/www/html; } }",
        r"server { listen 80; location / { root /srv/www/html; } }",
        "Listen 80\nServerTokens Prod\nDocumentRoot /srv/www/html\n",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let tells = |server: &Option<crate::ir::Text>| server.as_ref().is_some_and(|text| text.contains(&b'/'));
    let places = cx.scenes.iter().filter(|scene| tells(&scene.own.answer.server)).map(|scene| {
        let place = scene.own.places.find("answer", "server").filter(|span| span.is_known());
        place.unwrap_or(scene.block.span)
    });
    let common = tells(&cx.config.common.answer.server)
        .then(|| cx.config.common.places.find("answer", "server"))
        .flatten()
        .filter(|span| span.is_known());
    // Once is enough.
    if let Some(place) = common.into_iter().chain(places).next() {
        found.push(note(&LINT, place, "every answer names the server's version"));
    }
}
