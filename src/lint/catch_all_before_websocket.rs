//! Entries for `WebSockets` behind one that takes everything.

use super::{
    Context, Lint,
    ask::{asks_socket, each_behind_all, each_table, is_socket, taken_by},
    warn,
};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "catch-all-before-websocket",
    what: r"An entry that takes everything stands before the one for WebSockets.",
    why: r"The first that matches is taken: the handshake goes where ordinary requests go, as an ordinary request.",
    fix: r"put the entry for WebSockets first",
    bad: &[r"<VirtualHost *:80>
ServerName a.example
ProxyPass / http://10.0.0.1/
ProxyPass /ws ws://10.0.0.1/ws
</VirtualHost>"],
    good: &[r"<VirtualHost *:80>
ServerName a.example
ProxyPass /ws ws://10.0.0.1/ws
ProxyPass / http://10.0.0.1/
</VirtualHost>"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for host in &cx.config.hosts {
        each_behind_all(host, &mut |test, span, by| {
            if asks_socket(test) {
                let message = "WebSockets go to a rule that stands before this one";
                found.push(warn(&LINT, span, message).label(by, "takes them and ends the list"));
            }
        });
    }
    each_table(cx, &mut |table| {
        for (at, route) in table.routes.iter().enumerate() {
            let Some(earlier) = taken_by(table, at).filter(|_| is_socket(route)) else { continue };
            let message = format!(
                "WebSockets of `{}` go to `{}`, which stands before it",
                route.path.text, earlier.path.text
            );
            found.push(warn(&LINT, route.body.span, message).label(earlier.body.span, "takes everything"));
        }
    });
}
