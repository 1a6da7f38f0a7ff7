//! `WebSockets` that one side compresses and the other does not know of.

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::Edit};

/// Where extensions are agreed on (RFC 6455 § 9.1); `permessage-deflate` is the one in use (RFC 7692).
const FIELD: &[u8] = b"Sec-WebSocket-Extensions";

pub(super) const LINT: Lint = Lint {
    code: "websocket-extensions-hidden",
    what: r"The upstream is offered extensions of the WebSocket, and its choice is kept from the client.",
    why: r"Both sides have to know that messages are compressed (RFC 7692 § 5): the client takes the first compressed message for a broken one and closes the connection.",
    fix: r"offer none (`proxy_set_header Sec-WebSocket-Extensions ''`), or pass the answer on",
    bad: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_hide_header Sec-WebSocket-Extensions; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    good: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_hide_header Sec-WebSocket-Extensions; proxy_set_header Sec-WebSocket-Extensions ''; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, _) in cx.forwards() {
        let http = &scene.set.http;
        let hides = http.hide.iter().flatten().any(|name| name.is_field(FIELD));
        let removes = http
            .response_edits
            .iter()
            .flatten()
            .any(|edit| matches!(edit, Edit::Remove(name) if name.is_field(FIELD)));
        let offers = !http.edits.iter().flatten().any(|edit| match edit {
            Edit::Set(name, value) => name.is_field(FIELD) && value.is_empty(),
            Edit::Remove(name) => name.is_field(FIELD),
            _ => false,
        });
        if (hides || removes) && offers && cx.switch(scene).passes() {
            let message = "the client does not learn which extensions of the WebSocket were chosen";
            found.push(warn(&LINT, scene.place("http", "hide"), message));
        }
    }
}
