//! A WebSocket's Upgrade without its Connection.

use super::{Context, Lint, is_word, warn};
use crate::{diagnostic::Diagnostic, ir::Template};

pub(super) const LINT: Lint = Lint {
    code: "upgrade-without-connection",
    what: r"`Upgrade` is passed on, and `Connection` does not say so.",
    why: r"`Upgrade` counts only where `Connection` names it (RFC 9110 § 7.8): the upstream takes the handshake for an ordinary request and answers 400, 404 or 426.",
    fix: r"add `Connection: upgrade` beside it",
    bad: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; } }",
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection close; } }",
    ],
    good: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, _) in cx.forwards() {
        let switch = cx.switch(scene);
        let Some(_) = switch.upgrade.as_ref().filter(|_| !switch.own) else { continue };
        let silent = switch
            .connection
            .as_ref()
            .is_none_or(|value| is_word(value, "close") || is_word(value, "keep-alive"));
        if silent {
            let word = match switch.connection.as_ref().and_then(Template::as_text) {
                Some(text) => format!(
                    "`Connection: {}` contradicts the `Upgrade` beside it: no WebSocket is opened",
                    String::from_utf8_lossy(text)
                ),
                None => {
                    "`Connection` does not name the `Upgrade` beside it: no WebSocket is opened".to_owned()
                }
            };
            found.push(warn(&LINT, scene.place("http", "edits"), word));
        }
    }
}
