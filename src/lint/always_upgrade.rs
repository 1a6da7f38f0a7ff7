//! Connection: upgrade for every request.

use super::{Context, Lint, is_word, note};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "always-upgrade",
    what: r"Every request says `Connection: upgrade`, whether it asks for one or not.",
    why: r"Requests without `Upgrade` name a field that is not there; some upstreams answer them with 400, and no connection to the upstream is used again.",
    fix: r"let a table choose: `upgrade` where the client sends `Upgrade`, else nothing or `close`",
    bad: &[
        r"server { listen 80; location / { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    good: &[
        r"map $http_upgrade $connection_upgrade { default upgrade; '' close; } server { listen 80; location / { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; } }",
        r"server { listen 80; location /ws { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, _) in cx.forwards() {
        let switch = cx.switch(scene);
        let literal = switch.connection.as_ref().is_some_and(|value| is_word(value, "upgrade"));
        let all = scene.path.is_none_or(|path| &*path.text == b"/");
        if literal && all && switch.upgrade.is_some() && !scene.conditional {
            found.push(note(
                &LINT,
                scene.place("http", "edits"),
                "requests that ask for no upgrade say `Connection: upgrade`, too",
            ));
        }
    }
}
