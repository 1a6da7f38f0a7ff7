//! Upstreams that clients choose.

use super::{Context, Lint, ask::is_open, authority, is_chosen, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Part},
};

pub(super) const LINT: Lint = Lint {
    code: "client-chosen-upstream",
    what: r"The client chooses which server the request is sent to.",
    why: r"The authority of the upstream is made of a field, a parameter, the path or the host of the request. Whoever sends the request reaches any server that this one reaches: internal services, the metadata of a cloud, the loopback address (server-side request forgery).",
    fix: r"name the upstream, or look it up in a table whose default is a refusal",
    bad: &[
        r"server { listen 80; location ~ ^/to/(?<where>[^/]+)/ { proxy_pass http://$arg_host; } }",
        r"<VirtualHost *:80>
ServerName a.example
RewriteEngine On
RewriteRule ^/to/(.*) http://%{HTTP:X-Target}/$1 [P]
</VirtualHost>",
    ],
    good: &[
        r"server { listen 80; location / { proxy_pass http://10.0.0.1$request_uri; } }",
        r"server { listen 80; allow 10.0.0.0/8; deny all; location / { proxy_pass http://$host; } }",
        r"<VirtualHost *:80>
ServerName a.example
RewriteEngine On
RewriteRule ^/to/(.*) http://10.0.0.1/$1 [P]
</VirtualHost>",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    // Who may ask is known where not everybody may.
    for (scene, forward) in cx.forwards().filter(|(scene, _)| is_open(scene)) {
        for (url, span) in cx.urls(scene, forward) {
            let chosen = |part: &&Part| matches!(part, Part::Attr(attr) if is_chosen(attr));
            if let Some(Part::Attr(attr)) = authority(url).into_iter().find(|part| chosen(part)) {
                let what = match attr {
                    Attr::Host | Attr::Authority => "the host that it asked for",
                    _ => "whom the client names",
                };
                found.push(warn(&LINT, span, format!("the request goes to {what}, whoever that is")));
            }
        }
    }
}
