//! Counters of the server, open to everybody.

use super::{Context, Lint, ask::is_open, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Handler, Part, Reply, ReplyContent},
};

pub(super) const LINT: Lint = Lint {
    code: "status-open",
    what: r"The server's counters are shown to everybody.",
    why: r"They tell how busy it is and, over time, when an attack works.",
    fix: r"allow the addresses of those who watch it, and deny all others",
    bad: &[
        r"server { listen 80; location /status { stub_status; } }",
        "<VirtualHost *:80>\nServerName a.example\n<Location /server-status>\nSetHandler server-status\n</Location>\n</VirtualHost>",
    ],
    good: &[
        r"server { listen 80; location /status { stub_status; allow 127.0.0.1; deny all; } }",
        r"geo $watches { default 0; 10.0.0.0/8 1; } server { listen 80; location /status { if ($watches = 0) { return 404; } stub_status; } }",
        "<VirtualHost *:80>\nServerName a.example\n<Location /server-status>\nSetHandler server-status\nRequire local\n</Location>\n</VirtualHost>",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let Some(Handler::Respond(Reply { content: ReplyContent::Text(text), .. })) = &scene.own.handler
        else {
            continue;
        };
        let shows = text.0.iter().any(|part| matches!(part, Part::Attr(Attr::Stat(_))));
        if shows && is_open(scene) {
            found.push(warn(&LINT, scene.block.span, "everybody may look at the server's counters"));
        }
    }
}
