//! One route to an application passes `WebSockets`, another does not.

use super::{Context, Lint, ask::names_socket, warn};
use crate::{diagnostic::Diagnostic, ir::Upstream};

pub(super) const LINT: Lint = Lint {
    code: "upgrade-in-one-of-two",
    what: r"Of two routes to the same upstream one passes WebSockets on and the other does not.",
    why: r"The page loads and the socket fails, or the other way round, depending on the path that the application uses.",
    fix: r"pass `Upgrade` and `Connection` on in both",
    bad: &[
        r"upstream app { server 10.0.0.1; } server { listen 80; location /api/ { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } location /socket.io/ { proxy_pass http://app; } }",
    ],
    good: &[
        r"upstream app { server 10.0.0.1; } server { listen 80; location / { proxy_pass http://app; } location /ws/ { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        let Upstream::Cluster(to) = &forward.to else { continue };
        if cx.switch(scene).passes() || !scene.path.is_some_and(names_socket) {
            continue;
        }
        let other = cx.forwards().find(|(other, forward)| {
            forward.to == Upstream::Cluster(*to) && other.host == scene.host && cx.switch(other).passes()
        });
        if let Some((other, _)) = other {
            let path = scene.path.map(|path| path.text.to_string()).unwrap_or_default();
            let message = format!(
                "WebSockets at `{path}` do not pass, while those of another route to the same upstream do"
            );
            found.push(warn(&LINT, scene.block.span, message).label(other.block.span, "passes them"));
        }
    }
}
