//! `WebSockets` whose Host is not their Origin.

use super::{Context, Lint, note};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Edit, Part},
};

pub(super) const LINT: Lint = Lint {
    code: "websocket-host-changed",
    what: r"The application hears another host than the browser's page came from.",
    why: r"Browsers send `Origin` with the handshake; applications that compare it with `Host` (Jupyter, Rails, Phoenix, Grafana) answer 403 when this server puts the upstream's name there.",
    fix: r"pass the client's `Host` on",
    bad: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_read_timeout 1h; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    good: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_set_header Host $host; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        let switch = cx.switch(scene);
        let ways = cx.socket_ways(scene, forward);
        let own = switch.own || !ways.is_empty();
        if own && ways.is_empty() || !own && !switch.passes() {
            continue;
        }
        let edits = cx.http(scene, |http| http.edits.clone()).unwrap_or_default();
        let value = |name: &[u8]| {
            edits.iter().rev().find_map(|edit| match edit {
                Edit::Set(known, value) if known.is_field(name) => Some(value.clone()),
                _ => None,
            })
        };
        let upstream =
            value(b"Host").is_some_and(|host| matches!(&*host.0, [Part::Attr(Attr::UpstreamAuthority)]));
        if upstream && value(b"Origin").is_none() {
            let span = ways.first().map_or(scene.block.span, |way| way.span);
            found.push(note(&LINT, span, "applications that compare `Origin` with `Host` refuse the WebSocket: `Host` is the upstream's name"));
        }
    }
}
