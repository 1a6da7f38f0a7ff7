//! `WebSockets` that are cut off while nobody speaks.

use super::{Context, Lint, note};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "websocket-idle-timeout",
    what: r"An open WebSocket on which nothing is sent is closed after a minute or less.",
    why: r"The time between two reads holds for tunnels, too. An application that is quiet for longer loses its connection, and users see it fail now and then.",
    fix: r"raise the read timeout here, or let the application send pings more often",
    bad: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    good: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_read_timeout 1h; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        let written = cx.switch(scene);
        for way in cx.socket_ways(scene, forward) {
            let limit = way.settings.and_then(|set| set.read_timeout);
            let limit = limit.or_else(|| cx.http(scene, |http| http.read_timeout)).unwrap_or_default();
            // A tunnel is as patient as the more patient of its two sides.
            let client = scene.set.client.send_timeout.or(cx.config.base.client.send_timeout);
            let client = client.filter(|_| way.settings.is_some());
            if !limit.is_zero() && limit.max(client.unwrap_or_default()).as_secs() <= 60 {
                let message = format!("a WebSocket that is quiet for {} seconds is closed", limit.as_secs());
                found.push(note(&LINT, way.span, message));
            }
        }
        // Where every request may become a tunnel, nobody says that some do.
        if !written.passes() || written.own {
            continue;
        }
        let limit = cx.http(scene, |http| http.read_timeout).unwrap_or_default();
        if !limit.is_zero() && limit.as_secs() <= 60 {
            let message = format!("a WebSocket that is quiet for {} seconds is closed", limit.as_secs());
            found.push(note(&LINT, scene.place("http", "read_timeout"), message));
        }
    }
}
