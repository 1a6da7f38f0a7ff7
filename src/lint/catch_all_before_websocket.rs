//! Entries for `WebSockets` behind one that takes everything.

use super::{
    Context, Lint,
    ask::{covers, each_table, is_socket},
    warn,
};
use crate::{diagnostic::Diagnostic, ir::Order};

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
    each_table(cx, &mut |table| {
        if table.order != Order::First {
            return;
        }
        for (at, route) in table.routes.iter().enumerate() {
            let earlier = table.routes[..at].iter().find(|earlier| covers(&earlier.path, &route.path));
            let Some(earlier) = earlier.filter(|_| is_socket(route)) else { continue };
            let message = format!(
                "WebSockets of `{}` go to `{}`, which stands before it",
                route.path.text, earlier.path.text
            );
            found.push(warn(&LINT, route.body.span, message).label(earlier.body.span, "takes everything"));
        }
    });
}
