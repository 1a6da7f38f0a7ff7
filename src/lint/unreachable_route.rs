//! Routes behind others that take all they could.

use super::{
    Context, Lint,
    ask::{each_table, taken_by},
    warn,
};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "unreachable-route",
    what: r"An earlier entry takes every path that this one could.",
    why: r"Entries are tried in order, and the first that matches is taken. This one is never reached.",
    fix: r"put the longer prefix before the shorter one",
    bad: &[r"<VirtualHost *:80>
ServerName a.example
ProxyPass /a http://10.0.0.1/a
ProxyPass /a/ws http://10.0.0.2/a/ws
</VirtualHost>"],
    good: &[
        r"<VirtualHost *:80>
ServerName a.example
ProxyPass /a/ws http://10.0.0.2/a/ws
ProxyPass /a http://10.0.0.1/a
</VirtualHost>",
        r"server { listen 80; location / { root /x; } location /a { root /y; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    each_table(cx, &mut |table| {
        for (at, route) in table.routes.iter().enumerate() {
            if let Some(earlier) = taken_by(table, at) {
                let message = format!("`{}` is taken by `{}` before it", route.path.text, earlier.path.text);
                found.push(warn(&LINT, route.body.span, message).label(earlier.body.span, "comes first"));
            }
        }
    });
}
