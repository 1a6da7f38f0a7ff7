//! Paths for `WebSockets` that pass none.

use super::{
    Context, Lint,
    ask::{hosts_of, names_socket, own_member, ruled_socket, speaks_ws},
    holds, warn,
};
use crate::diagnostic::Diagnostic;

pub(super) const LINT: Lint = Lint {
    code: "websocket-path-without-upgrade",
    what: r"The path is one of WebSockets, and the handshake is not passed on.",
    why: r"The upstream gets an ordinary request and answers 400, 404 or 426; browsers say that the connection failed.",
    fix: r"pass `Upgrade` and `Connection` on, in HTTP/1.1",
    bad: &[
        r"server { listen 80; location /websocket { proxy_pass http://10.0.0.1; } }",
        r"<VirtualHost *:80>
ServerName a.example
ProxyPass /socket.io/ http://10.0.0.1/socket.io/
ProxyPass /ws http://10.0.0.1/ws
</VirtualHost>",
    ],
    good: &[
        r"server { listen 80; location /websocket { proxy_pass http://10.0.0.1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }",
        r"<VirtualHost *:80>
ServerName a.example
ProxyPass /ws ws://10.0.0.1/ws
</VirtualHost>",
        r"<VirtualHost *:80>
ServerName a.example
ProxyPass /socket.io http://10.0.0.1/socket.io
RewriteEngine On
RewriteCond %{QUERY_STRING} transport=websocket
RewriteRule /(.*) ws://10.0.0.1/$1 [P]
</VirtualHost>",
        r"server { listen 80; location /news { proxy_pass http://10.0.0.1; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (scene, forward) in cx.forwards() {
        let switch = cx.switch(scene);
        // Where one setting is for all of a site's rules.
        if switch.own && !switch.allowed && scene.path.is_none() {
            for way in cx.socket_ways(scene, forward).into_iter().filter(|way| !way.told) {
                let message = "this looks like a path of WebSockets, and they are switched off";
                found.push(warn(&LINT, way.span, message));
            }
            continue;
        }
        let half = switch.upgrade.is_some()
            || switch.connection.as_ref().is_some_and(|value| holds(value, "upgrade"));
        let socket = cx.urls(scene, forward).iter().any(|(url, _)| url.0.first().is_some_and(speaks_ws));
        if half
            || switch.passes()
            || socket
            || cx.urls(scene, forward).iter().any(|(url, _)| own_member(cx.config, url))
            || ruled_socket(cx, scene, &hosts_of(cx.urls(scene, forward).iter().map(|(url, _)| *url)))
        {
            continue;
        }
        if let Some(path) = scene.path.filter(|path| names_socket(path)) {
            found.push(warn(
                &LINT,
                scene.block.span,
                format!("`{}` looks like a path of WebSockets, and no handshake passes", path.text),
            ));
        }
    }
}
