//! A WebSocket's Connection without its Upgrade.

use super::{Context, Lint, holds, warn};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "connection-without-upgrade",
    what: r"`Connection: upgrade` is sent without `Upgrade`.",
    why: r"The upstream is told that there is an `Upgrade`, and there is none: no WebSocket is opened.",
    fix: r"add `Upgrade` as the client sent it",
    bad: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Connection upgrade; } }",
    ],
    good: &[
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
        r"server { listen 80; location / { proxy_pass http://10.0.0.1; proxy_set_header Connection ''; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, _) in cx.forwards() {
        let switch = cx.switch(scene);
        let says = switch.connection.as_ref().is_some_and(|value| holds(value, "upgrade"));
        if says && switch.upgrade.is_none() && !switch.own {
            found.push(warn(
                &LINT,
                scene.place("http", "edits"),
                "`Connection` names an `Upgrade` that is not sent",
            ));
        }
    }
}
