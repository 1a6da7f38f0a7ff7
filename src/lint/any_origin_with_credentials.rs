//! CORS for everybody, with credentials.

use super::{Context, Lint, is_word, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Part},
};

pub(super) const LINT: Lint = Lint {
    code: "any-origin-with-credentials",
    what: r"Every origin may read answers that were made for a user.",
    why: r"With `*` browsers refuse credentials, so that it does not work; with the origin of the request sent back it works for every site on the web.",
    fix: r"allow the origins that are meant, by a table",
    bad: &[
        r"server { listen 80; location / { root /x; add_header Access-Control-Allow-Origin *; add_header Access-Control-Allow-Credentials true; } }",
        r#"<VirtualHost *:80>
ServerName a.example
Header set Access-Control-Allow-Origin "*"
Header set Access-Control-Allow-Credentials "true"
</VirtualHost>"#,
        r"server { listen 80; location / { root /x; add_header Access-Control-Allow-Origin $http_origin; add_header Access-Control-Allow-Credentials true; } }",
    ],
    good: &[
        r"server { listen 80; location / { root /x; add_header Access-Control-Allow-Origin *; } }",
        r#"<VirtualHost *:80>
ServerName a.example
Header set Access-Control-Allow-Origin "https://a.example"
Header set Access-Control-Allow-Credentials "true"
</VirtualHost>"#,
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let (Some((origin, _)), Some((with, span))) =
            (scene.sent(b"Access-Control-Allow-Origin"), scene.sent(b"Access-Control-Allow-Credentials"))
        else {
            continue;
        };
        let reflected = matches!(&*origin.0, [Part::Attr(Attr::Field(name))] if name.is_field(b"origin"));
        if is_word(with, "true") && (is_word(origin, "*") || reflected) {
            let word = if reflected {
                "the origin of the request is allowed, whatever it is, with credentials"
            } else {
                "`*` cannot be used with credentials"
            };
            found.push(warn(&LINT, span, word));
        }
    }
}
