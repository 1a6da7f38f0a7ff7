//! `WebSockets` that one side compresses and the other does not know of.

use super::{Context, Lint, Scene, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Edit, Step,
        walk::{self, Item},
    },
    source::Span,
};

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
    for (scene, forward) in cx.forwards() {
        let http = &scene.set.http;
        let emptied = scene.sends().iter().any(|(name, value)| name.is_field(FIELD) && value.is_empty());
        let own = cx.switch(scene).own && !cx.socket_ways(scene, forward).is_empty();
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
        if (hides || removes || emptied)
            && offers
            && (own || cx.switch(scene).passes() && !cx.switch(scene).own)
        {
            let message = "the client does not learn which extensions of the WebSocket were chosen";
            let place =
                if emptied { edited(scene).unwrap_or(scene.block.span) } else { scene.place("http", "hide") };
            found.push(warn(&LINT, place, message));
        }
    }
}

/// Where the field is edited as it is sent.
fn edited(scene: &Scene<'_>) -> Option<Span> {
    let mut found = None;
    for block in scene.set.answer.on_response.iter().flatten() {
        walk::block(block, true, &mut |item, span| {
            if let Item::Step(Step::Edit(Edit::Set(name, _))) = item
                && name.is_field(FIELD)
                && span.is_known()
            {
                found = found.or(Some(span));
            }
        });
    }
    found
}
