//! `WebSockets` over HTTP/1.0.

use super::{Context, Lint, is_word, warn};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "upgrade-over-old-http",
    what: r"The handshake of a WebSocket is sent on in HTTP/1.0.",
    why: r"HTTP/1.0 has no `Upgrade` (RFC 9110 § 7.8): the upstream ignores it.",
    fix: r"send requests to the upstream in HTTP/1.1",
    bad: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    good: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, _) in cx.forwards() {
        let switch = cx.switch(scene);
        let connection = switch.connection.as_ref().is_some_and(|value| !is_word(value, "close"));
        if switch.upgrade.is_some() && connection && !switch.modern {
            found.push(warn(
                &LINT,
                scene.place("http", "edits"),
                "the upgrade is asked for in HTTP/1.0, which has none: no WebSocket is opened",
            ));
        }
    }
}
